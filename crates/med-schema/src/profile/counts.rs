//! How often each value occurs, and how many different ones there are: exact up to a capacity, then with stated errors.
//!
//! **Frequent values**: Misra and Gries (1982) in the form that is merged (Agarwal and others 2012). Up to `capacity` values are
//! counted; when another one comes, the median of the counts is subtracted from all, and those not above 0 are dropped. The sum of
//! what was subtracted is [`ValueCounts::error`]: a value listed with count `c` occurs `c` to `c + error` times, and one not listed at
//! most `error` times. Each subtraction takes its amount from at least half of the counts, so `error <= 2 n / capacity` for `n`
//! values, merged or not. Time: one look-up a value, and `O(1)` amortised for the subtractions.
//!
//! **Distinct values**: the number of counted values until the first subtraction, from then on a [`Cardinality`].
//!
//! Which values are kept depends on counts alone, never on where they lie in memory; the written form is in the order of the items.

use serde::{Deserialize, Serialize};

use super::cardinality::Cardinality;
use super::error::ProfileError;
use super::hash;
use super::item::{Item, whole};

/// A table of value counts.
///
/// ```
/// use med_schema::{Item, ValueCounts};
/// let mut plans = ValueCounts::new(16);
/// ["gold", "tin", "gold"].iter().for_each(|plan| plans.add_text(plan));
/// assert_eq!((plans.distinct(), plans.is_exact()), (2, true));
/// assert_eq!(plans.top(1), [(&Item::Text("gold".to_owned()), 2)]);
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Raw", into = "Raw")]
pub struct ValueCounts {
    capacity: usize,
    error: u64,
    entries: Vec<Entry>,
    /// Open addressing: 0 is free, else one more than the place of an entry.
    slots: Vec<u32>,
    cardinality: Option<Cardinality>,
}

#[derive(Debug, Clone)]
struct Entry {
    hash: u64,
    count: u64,
    item: Item,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    capacity: usize,
    error: u64,
    values: Vec<(Item, u64)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cardinality: Option<Cardinality>,
}

impl PartialEq for ValueCounts {
    fn eq(&self, other: &Self) -> bool {
        (self.capacity, self.error, &self.cardinality) == (other.capacity, other.error, &other.cardinality)
            && self.values() == other.values()
    }
}

impl ValueCounts {
    /// No values yet; this many different ones are counted exactly (from 2 on).
    pub fn new(capacity: usize) -> Self {
        let capacity = capacity.clamp(2, 1 << 24);
        Self { capacity, error: 0, entries: Vec::new(), slots: vec![0; 16], cardinality: None }
    }

    /// One more whole number.
    pub fn add_whole(&mut self, value: i64) {
        self.add(hash::whole(value), |item| *item == Item::Whole(value), || Item::Whole(value));
    }

    /// One more number; not-a-number is passed over.
    pub fn add_real(&mut self, value: f64) {
        match whole(value) {
            Some(value) => self.add_whole(value),
            None if value.is_nan() => {}
            None => {
                let same = |item: &Item| matches!(item, Item::Real(other) if other.to_bits() == value.to_bits());
                self.add(hash::real(value), same, || Item::Real(value));
            }
        }
    }

    /// One more text.
    pub fn add_text(&mut self, value: &str) {
        let same = |item: &Item| matches!(item, Item::Text(other) if other == value);
        self.add(hash::text(value), same, || Item::Text(value.to_owned()));
    }

    #[inline]
    fn add(&mut self, hash: u64, same: impl Fn(&Item) -> bool, item: impl FnOnce() -> Item) {
        if let Some(cardinality) = &mut self.cardinality {
            cardinality.add(hash);
        }
        let slot = match self.find(hash, same) {
            Ok(entry) => {
                self.entries[entry].count += 1;
                return;
            }
            Err(slot) => slot,
        };
        let slot = if self.entries.len() == self.capacity {
            self.remember_hash(hash);
            let middle = self.nth_count(self.entries.len() / 2);
            self.subtract(middle);
            self.free_slot(hash)
        } else {
            slot
        };
        self.entries.push(Entry { hash, count: 1, item: item() });
        self.slots[slot] = self.entries.len() as u32;
        if self.entries.len() * 2 > self.slots.len() {
            self.index(self.slots.len() * 4);
        }
    }

    /// The entry of this value, or the slot where it would go.
    #[inline]
    fn find(&self, hash: u64, same: impl Fn(&Item) -> bool) -> Result<usize, usize> {
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        loop {
            match self.slots[slot] {
                0 => return Err(slot),
                place => {
                    let entry = &self.entries[place as usize - 1];
                    if entry.hash == hash && same(&entry.item) {
                        return Ok(place as usize - 1);
                    }
                }
            }
            slot = (slot + 1) & mask;
        }
    }

    fn free_slot(&self, hash: u64) -> usize {
        match self.find(hash, |_| false) {
            Ok(slot) | Err(slot) => slot,
        }
    }

    /// Puts the entries into this many slots, a power of two.
    fn index(&mut self, slots: usize) {
        self.slots.clear();
        self.slots.resize(slots, 0);
        for place in 0..self.entries.len() {
            let slot = self.free_slot(self.entries[place].hash);
            self.slots[slot] = place as u32 + 1;
        }
    }

    /// From here on not all values are counted, so their number is estimated.
    fn remember_hash(&mut self, hash: u64) {
        if self.cardinality.is_none() {
            let mut cardinality = Cardinality::default();
            self.entries.iter().for_each(|e| cardinality.add(e.hash));
            cardinality.add(hash);
            self.cardinality = Some(cardinality);
        }
    }

    /// The count at this place from below.
    fn nth_count(&self, place: usize) -> u64 {
        let mut counts: Vec<u64> = self.entries.iter().map(|e| e.count).collect();
        *counts.select_nth_unstable(place).1
    }

    fn subtract(&mut self, amount: u64) {
        self.error += amount;
        self.entries.retain_mut(|entry| {
            entry.count = entry.count.saturating_sub(amount);
            entry.count > 0
        });
        self.index(self.slots.len());
    }

    /// Takes another part's counts in. The smaller capacity of the two is kept.
    pub fn merge(&mut self, other: &Self) {
        self.capacity = self.capacity.min(other.capacity);
        self.error += other.error;
        if self.cardinality.is_some() || other.cardinality.is_some() {
            let mut cardinality = self.all_hashes();
            cardinality.merge(&other.all_hashes());
            self.cardinality = Some(cardinality);
        }
        for theirs in &other.entries {
            match self.find(theirs.hash, |item| *item == theirs.item) {
                Ok(mine) => self.entries[mine].count += theirs.count,
                Err(slot) => {
                    self.entries.push(theirs.clone());
                    self.slots[slot] = self.entries.len() as u32;
                    if self.entries.len() * 2 > self.slots.len() {
                        self.index(self.slots.len() * 4);
                    }
                }
            }
        }
        if self.entries.len() > self.capacity {
            self.cardinality = Some(self.all_hashes());
            // The largest count that does not fit.
            let over = self.nth_count(self.entries.len() - self.capacity - 1);
            self.subtract(over);
        }
    }

    fn all_hashes(&self) -> Cardinality {
        self.cardinality.clone().unwrap_or_else(|| {
            let mut cardinality = Cardinality::default();
            self.entries.iter().for_each(|e| cardinality.add(e.hash));
            cardinality
        })
    }

    /// Whether every value is counted, and exactly.
    pub fn is_exact(&self) -> bool {
        self.error == 0
    }

    /// How many more times than counted a value may occur.
    pub fn error(&self) -> u64 {
        self.error
    }

    /// How many different values are counted exactly.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// The number of different values: exact, or the nearest whole number to the estimate of a [`Cardinality`], then with its
    /// standard error.
    pub fn distinct(&self) -> u64 {
        match &self.cardinality {
            None => self.entries.len() as u64,
            Some(cardinality) => cardinality.estimate().round() as u64,
        }
    }

    /// The listed values with their counts, in the order of the values.
    pub fn values(&self) -> Vec<(&Item, u64)> {
        let mut values: Vec<(&Item, u64)> = self.entries.iter().map(|e| (&e.item, e.count)).collect();
        values.sort_unstable_by_key(|value| value.0);
        values
    }

    /// The most common values that are listed, most common first, equally common ones in their own order.
    pub fn top(&self, n: usize) -> Vec<(&Item, u64)> {
        let mut values = self.values();
        values.sort_by_key(|value| std::cmp::Reverse(value.1));
        values.truncate(n);
        values
    }
}

impl From<ValueCounts> for Raw {
    fn from(counts: ValueCounts) -> Self {
        let values = counts.values().into_iter().map(|(item, count)| (item.clone(), count)).collect();
        Self { capacity: counts.capacity, error: counts.error, values, cardinality: counts.cardinality }
    }
}

impl TryFrom<Raw> for ValueCounts {
    type Error = ProfileError;

    fn try_from(raw: Raw) -> Result<Self, Self::Error> {
        let damaged = |what| ProfileError::Damaged { part: "value counts", what };
        let mut counts = Self::new(raw.capacity);
        if raw.values.len() > counts.capacity || (raw.error > 0) != raw.cardinality.is_some() {
            return Err(damaged("its capacity"));
        }
        for (item, count) in raw.values {
            let hash = match &item {
                Item::Whole(value) => hash::whole(*value),
                Item::Real(value) => hash::real(*value),
                Item::Text(value) => hash::text(value),
            };
            if count == 0 || counts.find(hash, |other| *other == item).is_ok() {
                return Err(damaged("a count"));
            }
            counts.entries.push(Entry { hash, count, item });
            let slots = (counts.entries.len() * 4).next_power_of_two().max(counts.slots.len());
            counts.index_new(slots);
        }
        counts.error = raw.error;
        counts.cardinality = raw.cardinality;
        Ok(counts)
    }
}

impl ValueCounts {
    /// Makes room for the last entry and puts it in.
    fn index_new(&mut self, slots: usize) {
        if slots > self.slots.len() {
            self.index(slots);
        } else if let Some(last) = self.entries.last() {
            let slot = self.free_slot(last.hash);
            self.slots[slot] = self.entries.len() as u32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn exact(values: &[i64]) -> BTreeMap<i64, u64> {
        values.iter().fold(BTreeMap::new(), |mut counts, v| {
            *counts.entry(*v).or_default() += 1;
            counts
        })
    }

    #[test]
    fn equal_numbers_are_one_value() {
        let mut counts = ValueCounts::new(8);
        [1.0, -0.0, 0.0, 0.5, f64::NAN, f64::INFINITY].iter().for_each(|v| counts.add_real(*v));
        counts.add_whole(1);
        counts.add_text("1");
        let expected = ["0 2", "1 2", "0.5 1", "inf 1", "1 1"];
        assert_eq!(counts.top(9).iter().map(|(v, n)| format!("{v} {n}")).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn heavy_values_survive_a_stream_of_others() {
        let mut counts = ValueCounts::new(64);
        for i in 0..100_000_i64 {
            counts.add_whole(if i % 10 == 0 { 7 } else { 1_000 + i });
        }
        let (item, count) = counts.top(1)[0];
        assert_eq!(*item, Item::Whole(7));
        assert!(count <= 10_000 && count + counts.error() >= 10_000, "{count} {}", counts.error());
        assert!(counts.error() <= 2 * 100_000 / 64);
        assert!((counts.distinct() as f64 / 90_001.0 - 1.0).abs() < 4.0 * Cardinality::STANDARD_ERROR);
    }

    proptest! {
        /// Counts bound the truth from below and, with the error, from above, however the values are cut and merged.
        #[test]
        fn bounds_hold(values in prop::collection::vec(prop_oneof![3 => 0..5_i64, 2 => 0..400_i64], 1..600), cut in 1..300_usize) {
            let mut merged = ValueCounts::new(16);
            for part in values.chunks(cut) {
                let mut counts = ValueCounts::new(16);
                part.iter().for_each(|v| counts.add_whole(*v));
                merged.merge(&counts);
            }
            let exact = exact(&values);
            let listed: BTreeMap<i64, u64> = merged.values().iter().map(|(item, n)| (item.as_number().unwrap() as i64, *n)).collect();
            prop_assert!(listed.len() <= 16);
            for (value, n) in &exact {
                let low = listed.get(value).copied().unwrap_or(0);
                prop_assert!(low <= *n && *n <= low + merged.error());
            }
            prop_assert!(merged.error() <= 2 * values.len() as u64 / 16);
            prop_assert_eq!(merged.is_exact(), exact.len() <= 16);
            if merged.is_exact() {
                prop_assert_eq!(merged.distinct(), exact.len() as u64);
            }
            let back: ValueCounts = serde_json::from_str(&serde_json::to_string(&merged).unwrap()).unwrap();
            prop_assert_eq!(back, merged);
        }
    }
}
