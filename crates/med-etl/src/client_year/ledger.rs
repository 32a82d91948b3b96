//! What each rule did to rows and amounts, so that every sum can be followed from the tables to the targets.

use serde::{Deserialize, Serialize};

/// The rules in the order in which they are applied to rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Rule {
    /// Entries that are no costs.
    EntryType,
    /// Rows without client, day or amount.
    MissingValue,
    /// Rows with a day or amount that cannot be read.
    Unreadable,
    /// Rows of clients that nobody knows.
    UnknownClient,
    /// Entries of credit: their amounts change sign.
    Credit,
    /// Amounts in another currency.
    Currency,
    /// Amounts at other prices.
    Inflation,
    /// Lines that are there twice.
    DuplicateLine,
    /// Lines that repeat the amount of their claim.
    HeaderAmount,
    /// Reversals.
    Reversal,
    /// Transactions outside enrolment.
    OutsideEnrolment,
    /// Transactions in a target window whose client has no row at its cut-off.
    NoRow,
    /// Targets below zero.
    NegativeTotal,
    /// What is above the threshold of large claims.
    LargeClaim,
    /// What comes back from the pool.
    Pooling,
}

/// What one rule did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEntry {
    /// The rule.
    pub rule: Rule,
    /// Rows it took away.
    pub removed: u64,
    /// Their amounts in cents, as they stood before the rule.
    pub removed_cents: i128,
    /// Rows whose amount it changed.
    pub changed: u64,
    /// By how much in all, in cents.
    pub changed_cents: i128,
}

/// From what was read to what is kept:
/// `read_cents + Σ changed_cents − Σ removed_cents = kept_cents`, and `read − Σ removed = kept`.
///
/// ```
/// use med_etl::client_year::Ledger;
/// assert!(Ledger::default().reconciles());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Ledger {
    /// Rows that came in.
    pub read: u64,
    /// Sum of the amounts that could be read, in cents; of several currencies, each in its own.
    pub read_cents: i128,
    /// What the rules did, in the order of their application. Rules that did nothing are left out.
    pub entries: Vec<LedgerEntry>,
    /// Rows that are left.
    pub kept: u64,
    /// Sum of their amounts, in cents.
    pub kept_cents: i128,
}

impl Ledger {
    fn entry(&mut self, rule: Rule) -> &mut LedgerEntry {
        let place = self.entries.partition_point(|e| e.rule < rule);
        if self.entries.get(place).is_none_or(|e| e.rule != rule) {
            let new = LedgerEntry { rule, removed: 0, removed_cents: 0, changed: 0, changed_cents: 0 };
            self.entries.insert(place, new);
        }
        &mut self.entries[place]
    }

    pub(super) fn read(&mut self, cents: i64) {
        self.read += 1;
        self.read_cents += i128::from(cents);
    }

    pub(super) fn keep(&mut self, cents: i64) {
        self.kept += 1;
        self.kept_cents += i128::from(cents);
    }

    pub(super) fn remove(&mut self, rule: Rule, cents: i64) {
        let entry = self.entry(rule);
        entry.removed += 1;
        entry.removed_cents += i128::from(cents);
    }

    pub(super) fn change(&mut self, rule: Rule, by: i64) {
        let entry = self.entry(rule);
        entry.changed += 1;
        entry.changed_cents += i128::from(by);
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.read += other.read;
        self.read_cents += other.read_cents;
        self.kept += other.kept;
        self.kept_cents += other.kept_cents;
        for theirs in &other.entries {
            let ours = self.entry(theirs.rule);
            ours.removed += theirs.removed;
            ours.removed_cents += theirs.removed_cents;
            ours.changed += theirs.changed;
            ours.changed_cents += theirs.changed_cents;
        }
    }

    /// What a rule did; nothing if it did nothing.
    pub fn of(&self, rule: Rule) -> Option<&LedgerEntry> {
        self.entries.iter().find(|e| e.rule == rule)
    }

    /// Whether rows and amounts add up.
    pub fn reconciles(&self) -> bool {
        let removed: u64 = self.entries.iter().map(|e| e.removed).sum();
        let cents: i128 = self.entries.iter().map(|e| e.changed_cents - e.removed_cents).sum();
        self.read.checked_sub(removed) == Some(self.kept) && self.read_cents + cents == self.kept_cents
    }
}
