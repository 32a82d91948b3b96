//! Which values there are, how often and where first: for distinct counts, modes, sets, and for rows whose value repeats.
//!
//! The first few thousand different values are counted in a table. What comes beyond is written down, 24 bytes a value, and
//! grouped part by part when the answer is asked for, which is quicker than a large table and takes a third of its memory.
//! Where memory is bounded, values beyond the bound are only estimated: HyperLogLog (Flajolet et al. 2007) with 2^14
//! registers, whose standard error is 1.04 / 2^7 = 0.8 %.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use serde::{Deserialize, Serialize};

use super::Keep;
use super::identity::{Identity, hash_of};

/// Different values in the table. It stays in the second-level cache.
const TABLE: usize = 1 << 13;
/// Different values that are told apart where memory is bounded.
pub(crate) const BOUND: usize = 1 << 16;
/// Values written down before they are grouped for the first time.
const GROUP_AT: usize = 1 << 20;
const REGISTERS: usize = 1 << 14;
const BUCKETS: usize = 1 << 8;

/// Hashes identities, which are well spread only after [`hash_of`].
#[derive(Debug, Default, Clone)]
pub(crate) struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn write_u128(&mut self, identity: u128) {
        self.0 = hash_of(identity);
    }
}

/// A map whose order depends on its content alone; it is looked at only where order does not matter.
pub(crate) type ByIdentity<V> = HashMap<Identity, V, BuildHasherDefault<Mix>>;

/// How often a value occurs, where first, and where its content stands if its identity does not tell it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Tally {
    pub(crate) count: u64,
    pub(crate) first: u64,
    at: u64,
}

/// The values of a sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Distinct {
    /// Rows of values that repeat are kept, the first so many; `None` where nobody asks.
    keep: Option<usize>,
    bounded: bool,
    table: ByIdentity<Tally>,
    /// Beyond the table: one entry an occurrence.
    once: Vec<Identity>,
    once_rows: Vec<u64>,
    /// Where the content of each stands, plus 1; empty while none needs it.
    once_at: Vec<u64>,
    /// Values that are known to repeat.
    more: Vec<(Identity, Tally)>,
    /// Rows of values that are known to repeat.
    repeated: Vec<(u64, Identity, u64)>,
    contents: Vec<u8>,
    registers: Option<Vec<u8>>,
    group_at: usize,
}

impl Distinct {
    pub(crate) fn new(repeated: Option<Keep>, bounded: bool) -> Self {
        Self {
            keep: repeated.map(|keep| keep.rows.max(keep.cells)),
            bounded,
            table: ByIdentity::default(),
            once: Vec::new(),
            once_rows: Vec::new(),
            once_at: Vec::new(),
            more: Vec::new(),
            repeated: Vec::new(),
            contents: Vec::new(),
            registers: None,
            group_at: GROUP_AT,
        }
    }

    /// One value. `content` is called where the value is new and its identity does not tell it.
    #[inline]
    pub(crate) fn add(&mut self, row: u64, identity: Identity, content: impl FnOnce(&mut Vec<u8>)) {
        let limit = if self.bounded { BOUND } else { TABLE };
        if let Some(tally) = self.table.get_mut(&identity) {
            tally.count += 1;
            if self.keep.is_some() {
                if tally.count == 2 {
                    self.repeated.push((tally.first, identity, tally.at));
                }
                let at = tally.at;
                self.repeated.push((row, identity, at));
                self.shorten();
            }
            return;
        }
        if self.registers.is_some() {
            return self.estimate(identity);
        }
        let start = self.contents.len();
        self.contents.extend_from_slice(&[0; 4]);
        content(&mut self.contents);
        let length = self.contents.len() - start - 4;
        let at = if length == 0 {
            self.contents.truncate(start);
            0
        } else {
            self.contents[start..start + 4].copy_from_slice(&(length as u32).to_le_bytes());
            start as u64 + 1
        };
        if self.table.len() < limit {
            self.table.insert(identity, Tally { count: 1, first: row, at });
        } else if self.bounded {
            self.overflow();
            self.estimate(identity);
        } else {
            self.write_down(identity, row, at);
            if self.once.len() >= self.group_at {
                self.group();
            }
        }
    }

    /// One value that occurs `count` times in a chunk, first in `row`.
    pub(crate) fn add_many(&mut self, row: u64, count: u64, identity: Identity, content: impl FnOnce(&mut Vec<u8>)) {
        if count > 0 {
            self.add(row, identity, content);
            if let Some(tally) = self.table.get_mut(&identity) {
                tally.count += count - 1;
            } else if self.registers.is_none() {
                (1..count).for_each(|_| self.write_down(identity, row, 0));
            }
        }
    }

    fn write_down(&mut self, identity: Identity, row: u64, at: u64) {
        if at > 0 && self.once_at.is_empty() {
            self.once_at.resize(self.once.len(), 0);
        }
        self.once.push(identity);
        self.once_rows.push(row);
        if at > 0 || !self.once_at.is_empty() {
            self.once_at.push(at);
        }
    }

    /// Rows beyond those asked for are dropped.
    fn shorten(&mut self) {
        let keep = self.keep.unwrap_or(0);
        if self.repeated.len() > keep.saturating_mul(2).saturating_add(1 << 10) {
            self.repeated.sort_unstable();
            self.repeated.truncate(keep);
        }
    }

    fn overflow(&mut self) {
        self.registers = Some(vec![0; REGISTERS]);
        let known: Vec<Identity> = self.table.keys().copied().collect();
        known.into_iter().for_each(|identity| self.estimate(identity));
        self.contents = Vec::new();
    }

    fn estimate(&mut self, identity: Identity) {
        // Mixed once more: the table uses the lower bits as they are.
        let hash = hash_of(u128::from(hash_of(identity)) << 64 | identity >> 64 ^ identity);
        if let Some(registers) = &mut self.registers {
            let rank = (hash >> 14 | 1 << 50).trailing_zeros() as u8 + 1;
            let register = &mut registers[hash as usize % REGISTERS];
            *register = (*register).max(rank);
        }
    }

    /// Whether all values are told apart.
    pub(crate) fn is_exact(&self) -> bool {
        self.registers.is_none()
    }

    /// So many values are told apart where memory is bounded.
    pub(crate) fn bound(&self) -> usize {
        BOUND
    }

    /// Calls `each` with every value that is told apart, even if not all are.
    pub(crate) fn each_known(&self, each: impl FnMut(Identity, Tally)) {
        self.each(each);
    }

    /// A tally whose content stands at a place.
    pub(crate) fn at(&self, at: u64) -> Tally {
        Tally { count: 0, first: 0, at }
    }

    /// The number of different values; an estimate where they are not all told apart.
    pub(crate) fn len(&self) -> u64 {
        match &self.registers {
            None if self.once.is_empty() && self.more.is_empty() => self.table.len() as u64,
            None => {
                let mut count = 0;
                self.each(|_, _| count += 1);
                count
            }
            Some(registers) => {
                let m = REGISTERS as f64;
                let sum: f64 = registers.iter().map(|r| 0.5f64.powi(i32::from(*r))).sum();
                let raw = 0.7213 / (1.0 + 1.079 / m) * m * m / sum;
                let zeros = registers.iter().filter(|r| **r == 0).count() as f64;
                let small = if raw <= 2.5 * m && zeros > 0.0 { m * (m / zeros).ln() } else { raw };
                small.round() as u64
            }
        }
    }

    /// Calls `each` with every value, in no order that means anything. Only of values that are told apart.
    pub(crate) fn each(&self, mut each: impl FnMut(Identity, Tally)) {
        self.each_group(|identity, tally, _| each(identity, tally));
    }

    /// Every value, with its single occurrences that are not among the repeated rows yet.
    fn each_group(&self, mut each: impl FnMut(Identity, Tally, &[(Identity, Tally)])) {
        if self.once.is_empty() && self.more.is_empty() {
            for (identity, tally) in &self.table {
                each(*identity, *tally, &[(*identity, *tally)]);
            }
            return;
        }
        // By a byte of the hash, so that what is compared fits in the cache.
        let entries = || {
            let once = self.once.iter().zip(&self.once_rows).enumerate().map(|(i, (identity, row))| {
                (*identity, Tally { count: 1, first: *row, at: self.once_at.get(i).copied().unwrap_or(0) })
            });
            once.chain(self.more.iter().copied()).chain(self.table.iter().map(|(i, t)| (*i, *t)))
        };
        let bucket = |identity: Identity| (hash_of(identity) >> 56) as usize % BUCKETS;
        let mut starts = [0usize; BUCKETS + 1];
        entries().for_each(|(identity, _)| starts[bucket(identity) + 1] += 1);
        (0..BUCKETS).for_each(|i| starts[i + 1] += starts[i]);
        let mut order = vec![0u32; starts[BUCKETS]];
        let mut next = starts;
        for (at, (identity, _)) in entries().enumerate() {
            let place = &mut next[bucket(identity)];
            order[*place] = at as u32;
            *place += 1;
        }
        let (once, more) = (self.once.len(), self.more.len());
        let table: Vec<(Identity, Tally)> = self.table.iter().map(|(i, t)| (*i, *t)).collect();
        let entry = |at: usize| match at {
            at if at < once => (
                self.once[at],
                Tally { count: 1, first: self.once_rows[at], at: self.once_at.get(at).copied().unwrap_or(0) },
            ),
            at if at < once + more => self.more[at - once],
            at => table[at - once - more],
        };
        let identity = |at: usize| match at {
            at if at < once => self.once[at],
            at if at < once + more => self.more[at - once].0,
            at => table[at - once - more].0,
        };
        let mut group: Vec<(Identity, Tally)> = Vec::new();
        let mut chains = Chains::default();
        for i in 0..BUCKETS {
            let places = &order[starts[i]..starts[i + 1]];
            chains.link(places.iter().map(|at| identity(*at as usize)));
            for head in 0..places.len() {
                if !chains.is_head(head) {
                    continue;
                }
                group.clear();
                group.extend(chains.of(head).map(|member| entry(places[member] as usize)));
                if group.len() > 1 {
                    group.sort_unstable_by_key(|(_, tally)| tally.first);
                }
                let count = group.iter().map(|(_, tally)| tally.count).sum();
                let at = group.iter().map(|(_, tally)| tally.at).find(|at| *at > 0).unwrap_or(0);
                each(group[0].0, Tally { count, first: group[0].1.first, at }, &group);
            }
        }
    }

    /// Brings what is written down together, so that memory follows the number of values and not of rows.
    fn group(&mut self) {
        let mut grouped = Self::new(None, false);
        let mut repeated = std::mem::take(&mut self.repeated);
        let wanted = self.keep.is_some();
        self.each_group(|identity, tally, same| {
            if tally.count == 1 {
                grouped.write_down(identity, tally.first, tally.at);
            } else {
                grouped.more.push((identity, tally));
                if wanted {
                    repeated
                        .extend(same.iter().filter(|(_, t)| t.count == 1).map(|(_, t)| (t.first, identity, tally.at)));
                }
            }
        });
        (self.once, self.once_rows, self.once_at) = (grouped.once, grouped.once_rows, grouped.once_at);
        self.more = grouped.more;
        self.table = ByIdentity::default();
        self.repeated = repeated;
        self.shorten();
        self.group_at = GROUP_AT.max(2 * (self.once.len() + self.more.len()));
    }

    /// How many rows hold a value that repeats, and the first of these rows, with identity and content.
    pub(crate) fn repeated(&self) -> (u64, Vec<(u64, Identity, u64)>) {
        let mut rows = self.repeated.clone();
        let mut count = 0;
        self.each_group(|identity, tally, same| {
            if tally.count > 1 {
                count += tally.count;
                if same.len() > 1 {
                    rows.extend(same.iter().filter(|(_, t)| t.count == 1).map(|(_, t)| (t.first, identity, tally.at)));
                }
            }
        });
        rows.sort_unstable();
        rows.truncate(self.keep.unwrap_or(0));
        (count, rows)
    }

    /// The content that stands at a place.
    pub(crate) fn content(&self, at: u64) -> Option<&[u8]> {
        let start = usize::try_from(at.checked_sub(1)?).ok()?;
        let length = u32::from_le_bytes(self.contents.get(start..start + 4)?.try_into().ok()?) as usize;
        self.contents.get(start + 4..start + 4 + length)
    }

    pub(crate) fn content_of(&self, tally: &Tally) -> Option<&[u8]> {
        self.content(tally.at)
    }

    /// Adds the values of a later part, whose rows begin at `offset`.
    pub(crate) fn merge(&mut self, mut other: Self, offset: u64) {
        let moved = |at: u64, by: usize| if at == 0 { 0 } else { at + by as u64 };
        if self.bounded {
            if other.registers.is_some() && self.registers.is_none() {
                self.overflow();
            }
            let by = self.contents.len();
            self.contents.append(&mut other.contents);
            let mut theirs: Vec<(Identity, Tally)> = other.table.into_iter().collect();
            theirs.sort_unstable_by_key(|(identity, _)| *identity);
            for (identity, tally) in theirs {
                if let Some(known) = self.table.get_mut(&identity) {
                    // What occurs once on either side repeats now.
                    if self.keep.is_some() && known.count == 1 {
                        self.repeated.push((known.first, identity, known.at));
                    }
                    if self.keep.is_some() && tally.count == 1 {
                        self.repeated.push((tally.first + offset, identity, known.at));
                    }
                    known.count += tally.count;
                } else if self.registers.is_none() && self.table.len() < BOUND {
                    let (first, at) = (tally.first + offset, moved(tally.at, by));
                    self.table.insert(identity, Tally { count: tally.count, first, at });
                } else {
                    if self.registers.is_none() {
                        self.overflow();
                    }
                    self.estimate(identity);
                }
            }
            self.repeated.extend(other.repeated.into_iter().map(|(row, i, at)| (row + offset, i, moved(at, by))));
            self.shorten();
            if let (Some(a), Some(b)) = (&mut self.registers, &other.registers) {
                a.iter_mut().zip(b).for_each(|(a, b)| *a = (*a).max(*b));
            }
            return;
        }
        let by = self.contents.len();
        self.contents.append(&mut other.contents);
        for (i, (identity, row)) in other.once.iter().zip(&other.once_rows).enumerate() {
            self.write_down(*identity, row + offset, moved(other.once_at.get(i).copied().unwrap_or(0), by));
        }
        let mut theirs: Vec<(Identity, Tally)> = other.table.into_iter().chain(other.more).collect();
        theirs.sort_unstable_by_key(|(identity, tally)| (*identity, tally.first));
        for (identity, tally) in theirs {
            let tally = Tally { count: tally.count, first: tally.first + offset, at: moved(tally.at, by) };
            if tally.count == 1 {
                self.write_down(identity, tally.first, tally.at);
            } else {
                self.more.push((identity, tally));
            }
        }
        self.repeated.extend(other.repeated.into_iter().map(|(row, i, at)| (row + offset, i, moved(at, by))));
        self.group();
        // Few values go back to the table, where counting them is quick.
        if self.once.len() + self.more.len() <= TABLE {
            let (once, rows, at) = (
                std::mem::take(&mut self.once),
                std::mem::take(&mut self.once_rows),
                std::mem::take(&mut self.once_at),
            );
            for (i, (identity, first)) in once.into_iter().zip(rows).enumerate() {
                self.table.insert(identity, Tally { count: 1, first, at: at.get(i).copied().unwrap_or(0) });
            }
            self.table.extend(std::mem::take(&mut self.more));
        }
    }
}

/// Equal identities among some, found by a table of their places. Its room is used again.
#[derive(Debug, Default)]
struct Chains {
    identities: Vec<Identity>,
    slots: Vec<u32>,
    /// The next of the same identity.
    next: Vec<u32>,
    heads: Vec<bool>,
}

impl Chains {
    const NONE: u32 = u32::MAX;

    fn link(&mut self, identities: impl Iterator<Item = Identity>) {
        self.identities.clear();
        self.identities.extend(identities);
        let n = self.identities.len();
        let mask = (2 * n).next_power_of_two() - 1;
        self.slots.clear();
        self.slots.resize(mask + 1, Self::NONE);
        self.next.clear();
        self.next.resize(n, Self::NONE);
        self.heads.clear();
        self.heads.resize(n, true);
        for (at, identity) in self.identities.iter().enumerate() {
            let mut slot = hash_of(*identity) as usize & mask;
            loop {
                let known = self.slots[slot];
                if known == Self::NONE {
                    self.slots[slot] = at as u32;
                    break;
                }
                if self.identities[known as usize] == *identity {
                    self.heads[at] = false;
                    self.next[at] = self.next[known as usize];
                    self.next[known as usize] = at as u32;
                    break;
                }
                slot = (slot + 1) & mask;
            }
        }
    }

    /// Whether it is the first of its identity.
    fn is_head(&self, at: usize) -> bool {
        self.heads[at]
    }

    /// All of the identity that begins here.
    fn of(&self, head: usize) -> impl Iterator<Item = usize> + '_ {
        let next = |at: &usize| (self.next[*at] != Self::NONE).then(|| self.next[*at] as usize);
        std::iter::successors(Some(head), next)
    }
}
