//! What is kept of a transaction: 40 bytes, so that twenty million fit in less than a gigabyte.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{PoisonError, RwLock};

use super::window::Day;

/// A day before all others: known at once.
pub(super) const AT_ONCE: Day = Day::MIN;
/// A day after all cut-offs, for rows that do not say since when they are known: another for each table.
pub(super) fn not_yet(table: usize) -> Day {
    Day::MAX - Day::try_from(table).unwrap_or_default()
}

/// A cut-off, and what was known then.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment<'a> {
    pub(super) cut: Day,
    /// Of each table, transactions before diagnoses, whether none of its rows had said by then since when it is known: then the column
    /// says nothing, and its rows count as known on their own day. It depends on nothing that was not known at the cut-off.
    pub(super) silent: &'a [bool],
}

impl Moment<'_> {
    pub(super) fn knows(&self, known: Day) -> bool {
        let unsaid = || usize::try_from(i64::from(Day::MAX) - i64::from(known)).ok();
        known < self.cut || unsaid().and_then(|table| self.silent.get(table)).is_some_and(|&silent| silent)
    }
}

/// One transaction that is a cost of a known client.
///
/// The order is by client, then by claim, then by line, so that what the rules compare stands side by side. It is decided by the
/// content alone: in whatever order rows came, the roll-up is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Line {
    pub(super) client: u32,
    /// Digest of table and claim. Two claims of one client share one with a chance of 2⁻⁶⁴.
    pub(super) claim: u64,
    /// Number of the line, 0 where there is none.
    pub(super) line: u32,
    pub(super) date: Day,
    pub(super) cents: i64,
    pub(super) known: Day,
    pub(super) service: u8,
    /// Which entry of the configuration's transactions.
    pub(super) table: u8,
    /// Whether the amount is the whole claim's.
    pub(super) header: bool,
    /// The form type by its place among those met. Last, as the place depends on the order of reading.
    pub(super) form: u8,
}

/// A diagnosis whose code means something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Event {
    pub(super) client: u32,
    pub(super) category: u16,
    pub(super) date: Day,
    pub(super) known: Day,
}

/// The digest that lines of one claim share.
pub(super) fn claim_digest(table: &str, claim: &str) -> u64 {
    digest((table, claim))
}

/// The digest of a claim of one row.
pub(super) fn row_digest(table: u8, row: u64) -> u64 {
    digest((table, row))
}

/// `DefaultHasher::new` has fixed keys; its values live no longer than the roll-up.
fn digest(of: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

/// A line's number; of texts that are no numbers, a digest.
pub(super) fn line_number(text: &str) -> u32 {
    const DIGESTS: u32 = 1 << 31;
    match text.parse::<u32>() {
        Ok(number) if number < DIGESTS - 1 => number + 1,
        _ => DIGESTS | digest(text) as u32,
    }
}

/// The form types met so far, in the order of meeting.
#[derive(Debug, Default)]
pub(super) struct Forms(RwLock<Vec<(u8, Option<String>)>>);

/// Form types beyond are taken together.
const MAX_FORMS: usize = 250;

impl Forms {
    /// The place of a form type of a table.
    pub(super) fn place(&self, table: u8, form: Option<&str>) -> u8 {
        let find = |all: &[(u8, Option<String>)]| {
            all.iter().position(|(t, f)| *t == table && f.as_deref() == form).map(|i| i as u8)
        };
        // No code that holds the lock can panic, so it is never poisoned half-way.
        if let Some(place) = find(&self.0.read().unwrap_or_else(PoisonError::into_inner)) {
            return place;
        }
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match find(&all) {
            Some(place) => place,
            None if all.len() >= MAX_FORMS => MAX_FORMS as u8,
            None => {
                all.push((table, form.map(str::to_owned)));
                (all.len() - 1) as u8
            }
        }
    }

    pub(super) fn into_inner(self) -> Vec<(u8, Option<String>)> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}
