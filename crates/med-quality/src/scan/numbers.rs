//! All numbers of a sample, for statistics that need every one of them: quantiles, and values far from them.
//!
//! Exact is 8 bytes a value. Where memory is bounded numbers are counted by size: by sign, exponent and the first 8 binary
//! digits, so that a quantile is off by at most 2^-9 (0.2 %) of itself, whatever the order and the cut into parts.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

/// Binary digits of a number that are not looked at where memory is bounded.
const DROPPED: u32 = 44;
/// Largest relative error of a number that is known by its size class.
pub(crate) const RELATIVE_ERROR: f64 = 1.0 / 512.0;

/// Numbers in row order, or how many there are of each size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Numbers {
    /// Held as whole numbers, else as floats.
    whole: bool,
    bits: Vec<u64>,
    /// Where rows do not follow one another: the number of values before, and the row. `None` where nobody asks.
    runs: Option<Vec<(u64, u64)>>,
    next_row: u64,
    sizes: Option<HashMap<u32, u64>>,
    count: u64,
}

/// Bits whose order is that of the numbers.
fn ordered(value: f64) -> u64 {
    let bits = value.to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

fn from_ordered(key: u64) -> f64 {
    f64::from_bits(if key >> 63 == 1 { key & !(1 << 63) } else { !key })
}

impl Numbers {
    pub(crate) fn new(whole: bool, rows: bool, bounded: bool) -> Self {
        Self {
            whole,
            bits: Vec::new(),
            runs: (rows && !bounded).then(Vec::new),
            next_row: 0,
            sizes: bounded.then(HashMap::new),
            count: 0,
        }
    }

    #[inline]
    fn add(&mut self, row: u64, bits: u64) {
        self.count += 1;
        let number = self.number(bits);
        if let Some(sizes) = &mut self.sizes {
            *sizes.entry((ordered(number + 0.0) >> DROPPED) as u32).or_default() += 1;
            return;
        }
        if let Some(runs) = &mut self.runs
            && (runs.is_empty() || row != self.next_row)
        {
            runs.push((self.bits.len() as u64, row));
        }
        self.next_row = row + 1;
        self.bits.push(bits);
    }

    pub(crate) fn add_int(&mut self, row: u64, value: i64) {
        self.add(row, value as u64);
    }

    pub(crate) fn add_float(&mut self, row: u64, value: f64) {
        self.add(row, value.to_bits());
    }

    fn number(&self, bits: u64) -> f64 {
        if self.whole { bits as i64 as f64 } else { f64::from_bits(bits) }
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.whole
    }

    pub(crate) fn is_exact(&self) -> bool {
        self.sizes.is_none()
    }

    pub(crate) fn len(&self) -> u64 {
        self.count
    }

    /// The numbers in row order; none where they are counted by size.
    pub(crate) fn values(&self) -> impl Iterator<Item = f64> + '_ {
        self.bits.iter().map(|bits| self.number(*bits))
    }

    /// Numbers and how many there are of each: single ones, or those that stand for a size class.
    pub(crate) fn weighted(&self) -> Vec<(f64, u64)> {
        match &self.sizes {
            None => self.values().map(|value| (value, 1)).collect(),
            Some(sizes) => {
                let sorted: BTreeMap<u32, u64> = sizes.iter().map(|(size, count)| (*size, *count)).collect();
                sorted.into_iter().map(|(size, count)| (of_size(size), count)).collect()
            }
        }
    }

    /// The values of these ranks, counted from 0 in ascending order. Ranks must be below the count.
    pub(crate) fn at_ranks(&self, ranks: &[u64]) -> Vec<f64> {
        let place = |starts: &[u64], rank: u64| starts.partition_point(|start| *start <= rank) - 1;
        if self.sizes.is_some() {
            let classes = self.weighted();
            let mut starts = Vec::with_capacity(classes.len());
            let mut before = 0;
            for (_, count) in &classes {
                starts.push(before);
                before += count;
            }
            return ranks.iter().map(|rank| classes[place(&starts, *rank)].0).collect();
        }
        // Counted by their leading 16 bits first; only what shares them with a rank is sorted.
        let mut starts = vec![0u64; (1 << 16) + 1];
        self.values().for_each(|value| starts[(ordered(value) >> 48) as usize + 1] += 1);
        (0..1 << 16).for_each(|i| starts[i + 1] += starts[i]);
        let starts = &starts[..1 << 16];
        let mut wanted: Vec<usize> = ranks.iter().map(|rank| place(starts, *rank)).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let mut slots = vec![u32::MAX; 1 << 16];
        wanted.iter().enumerate().for_each(|(slot, bucket)| slots[*bucket] = slot as u32);
        let mut members: Vec<Vec<u64>> = vec![Vec::new(); wanted.len()];
        for key in self.values().map(ordered) {
            let slot = slots[(key >> 48) as usize];
            if slot != u32::MAX {
                members[slot as usize].push(key);
            }
        }
        members.iter_mut().for_each(|keys| keys.sort_unstable());
        let value = |rank: &u64| {
            let bucket = place(starts, *rank);
            from_ordered(members[slots[bucket] as usize][(rank - starts[bucket]) as usize])
        };
        ranks.iter().map(value).collect()
    }

    /// How many numbers fulfil a condition, and the first `limit` of them with their rows.
    pub(crate) fn select(&self, limit: usize, unexpected: impl Fn(f64) -> bool) -> (u64, Vec<(u64, u64)>) {
        if self.sizes.is_some() {
            return (self.weighted().iter().filter(|(v, _)| unexpected(*v)).map(|(_, count)| count).sum(), Vec::new());
        }
        let count = self.values().filter(|value| unexpected(*value)).count() as u64;
        let mut found = Vec::new();
        let (mut run, runs) = (0, self.runs.as_deref().unwrap_or_default());
        for (at, bits) in self.bits.iter().enumerate() {
            if found.len() as u64 == count.min(limit as u64) {
                break;
            }
            while runs.get(run + 1).is_some_and(|(before, _)| *before <= at as u64) {
                run += 1;
            }
            if unexpected(self.number(*bits))
                && let Some((before, row)) = runs.get(run)
            {
                found.push((row + at as u64 - before, *bits));
            }
        }
        (count, found)
    }

    /// Adds the numbers of a later part, whose rows begin at `offset`.
    pub(crate) fn merge(&mut self, other: Self, offset: u64) {
        self.count += other.count;
        if let (Some(ours), Some(theirs)) = (&mut self.sizes, other.sizes) {
            theirs.into_iter().for_each(|(size, count)| *ours.entry(size).or_default() += count);
            return;
        }
        let before = self.bits.len() as u64;
        if let (Some(ours), Some(theirs)) = (&mut self.runs, other.runs) {
            ours.extend(theirs.into_iter().map(|(values, row)| (values + before, row + offset)));
        }
        self.bits.extend(other.bits);
        self.next_row = other.next_row + offset;
    }
}

/// The number in the middle of a size class; infinities and zero stand for themselves.
fn of_size(size: u32) -> f64 {
    let low = u64::from(size) << DROPPED;
    let value = from_ordered(low);
    if value == 0.0 || value.is_infinite() {
        return value;
    }
    let other = from_ordered(low | ((1 << DROPPED) - 1));
    if other.is_nan() || other.is_infinite() { other } else { value.midpoint(other) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f64], bounded: bool) -> Numbers {
        let mut numbers = Numbers::new(false, true, bounded);
        values.iter().enumerate().for_each(|(row, v)| numbers.add_float(row as u64 * 2, *v));
        numbers
    }

    #[test]
    fn ranks_are_those_of_sorting() {
        let values: Vec<f64> = (0..2000).map(|i| f64::from(i * 7919 % 2003 - 900) / 7.0).collect();
        let mut sorted = values.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let ranks = [0, 1, 17, 1000, 1998, 1999];
        let expected: Vec<f64> = ranks.iter().map(|r| sorted[*r as usize]).collect();
        assert_eq!(of(&values, false).at_ranks(&ranks), expected);
        for (near, exact) in of(&values, true).at_ranks(&ranks).iter().zip(&expected) {
            assert!((near - exact).abs() <= RELATIVE_ERROR * exact.abs(), "{near} {exact}");
        }
    }

    #[test]
    fn rows_come_back_across_parts() {
        let mut numbers = of(&[1.0, 9.0], false);
        numbers.merge(of(&[9.0, 1.0, 9.0], false), 10);
        let (count, found) = numbers.select(2, |v| v > 5.0);
        assert_eq!((count, found.iter().map(|(row, _)| *row).collect::<Vec<_>>()), (3, vec![2, 10]));
    }

    #[test]
    fn sizes_keep_what_has_no_size() {
        let numbers = of(&[f64::NEG_INFINITY, 0.0, -0.0, f64::INFINITY], true);
        assert_eq!(numbers.at_ranks(&[0, 1, 2, 3]), [f64::NEG_INFINITY, 0.0, 0.0, f64::INFINITY]);
    }
}
