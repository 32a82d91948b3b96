//! Values to bins: numbers between the same two cuts, levels by code, bin 0 for missing values.
//!
//! The cuts of a feature are where any split of the model changes its answer, so a split's answer for a bin is its answer
//! for any value in it.

use super::BLOCK;
use crate::kernel::vectorised;
use crate::tree::ensemble::Column;
use crate::tree::structure::{Split, Test, Tree, ZERO_REACH};

/// The largest bin.
const LARGEST: usize = u16::MAX as usize - 1;
/// Rows that are searched at once.
const LANES: usize = 16;

/// The bins of one feature.
#[derive(Debug)]
pub(super) struct FeatureBins {
    /// Place in the model's schema.
    pub(super) feature: usize,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// Bin `k >= 1` holds the numbers with `k - 1` cuts below them. The cuts ascend and are padded with infinity.
    Numbers { cuts: Vec<f64>, n: usize },
    /// Bin `k` in `1..=n` is the level with code `k - 1`, bin `n + 1` are all others.
    Levels { n: u32 },
}

/// The bins of each feature that a split is on, in the order of the features.
pub(super) fn of_features(trees: &[Tree], columns: &[Column<'_>]) -> Option<Vec<FeatureBins>> {
    let mut splits: Vec<Vec<&Split>> = vec![Vec::new(); columns.len()];
    for split in trees.iter().flat_map(|t| &t.splits) {
        splits.get_mut(split.feature as usize)?.push(split);
    }
    let used = splits.iter().enumerate().filter(|(_, s)| !s.is_empty());
    used.map(|(feature, splits)| Some(FeatureBins { feature, kind: Kind::of(splits, columns.get(feature)?)? }))
        .collect()
}

impl Kind {
    fn of(splits: &[&Split], column: &Column<'_>) -> Option<Self> {
        let largest = |split: &&Split| match &split.test {
            Test::AtMost(_) => None,
            Test::OneOf(levels) => levels.codes().last(),
        };
        let n_levels = splits.iter().filter_map(largest).max().map_or(0, |code| code as usize + 1);
        if n_levels >= LARGEST {
            return None;
        }
        if matches!(column, Column::Codes(_)) {
            let by_level = splits.iter().all(|s| matches!(s.test, Test::OneOf(_)) && !s.zero_is_missing);
            return by_level.then_some(Self::Levels { n: n_levels as u32 });
        }
        let mut cuts = Vec::new();
        for split in splits {
            if let Test::AtMost(threshold) = split.test {
                cuts.push(threshold);
            }
            if split.zero_is_missing {
                cuts.extend([(-ZERO_REACH).next_down(), ZERO_REACH]);
            }
        }
        if splits.iter().any(|s| matches!(s.test, Test::OneOf(_))) {
            // The value is cut to an integer: -1 and below are missing, the code 0 is all between -1 and 1.
            cuts.push(-1.0);
            cuts.extend((1..=n_levels).map(|code| (code as f64).next_down()));
        }
        cuts.sort_unstable_by(f64::total_cmp);
        // Compares 0 and -0 as equal, as splits do.
        cuts.dedup();
        let n = cuts.len();
        if n + 1 > LARGEST {
            return None;
        }
        if n > SMALL {
            cuts.resize((n + 1).next_power_of_two().max(1 << 4), f64::INFINITY);
        }
        Some(Self::Numbers { cuts, n })
    }
}

/// Up to this many cuts, each of them is compared with each value.
const SMALL: usize = 12;

impl FeatureBins {
    /// Number of bins, with the one for missing values.
    pub(super) fn n_bins(&self) -> usize {
        match &self.kind {
            Kind::Numbers { n, .. } => n + 2,
            Kind::Levels { n } => *n as usize + 2,
        }
    }

    /// A value in this bin.
    fn value(&self, bin: usize) -> f64 {
        match &self.kind {
            _ if bin == 0 => f64::NAN,
            Kind::Numbers { cuts, n } if bin <= *n => cuts[bin - 1],
            Kind::Numbers { .. } => f64::INFINITY,
            Kind::Levels { .. } => (bin - 1) as f64,
        }
    }

    /// Whether each bin goes left at this split.
    pub(super) fn goes_left<'a>(&'a self, split: &'a Split) -> impl Iterator<Item = bool> + 'a {
        (0..self.n_bins()).map(|bin| split.goes_left(self.value(bin)))
    }

    /// The last bin up to this number.
    pub(super) fn bin_at_most(&self, threshold: f64) -> usize {
        match &self.kind {
            Kind::Numbers { cuts, n } => 1 + cuts[..*n].partition_point(|&c| c < threshold),
            Kind::Levels { .. } => 0,
        }
    }

    /// Whether the column of this feature is of its kind.
    pub(super) fn takes(&self, columns: &[Column<'_>]) -> bool {
        matches!(
            (columns.get(self.feature), &self.kind),
            (Some(Column::Numbers(_)), Kind::Numbers { .. }) | (Some(Column::Codes(_)), Kind::Levels { .. })
        )
    }

    fn fill(&self, column: &Column<'_>, start: usize, bins: &mut [u16]) {
        match (&self.kind, column) {
            (Kind::Numbers { cuts, n }, Column::Numbers(values)) => {
                let values = &values[start..start + bins.len()];
                match cuts.len() {
                    _ if *n <= SMALL => vectorised(
                        #[inline(always)]
                        || count(cuts, values, bins),
                    ),
                    16 => search::<16>(cuts, values, bins),
                    32 => search::<32>(cuts, values, bins),
                    64 => search::<64>(cuts, values, bins),
                    128 => search::<128>(cuts, values, bins),
                    256 => search::<256>(cuts, values, bins),
                    512 => search::<512>(cuts, values, bins),
                    1024 => search::<1024>(cuts, values, bins),
                    _ => bins.iter_mut().zip(values).for_each(|(bin, &v)| {
                        *bin = if v.is_nan() { 0 } else { 1 + cuts[..*n].partition_point(|&c| c < v) as u16 };
                    }),
                }
            }
            (Kind::Levels { n }, Column::Codes(codes)) => {
                let codes = &codes[start..start + bins.len()];
                // The code of a missing value is the largest there is, so that adding 1 makes it bin 0.
                bins.iter_mut().zip(codes).for_each(|(bin, &code)| *bin = code.wrapping_add(1).min(n + 1) as u16);
            }
            // `takes` was asked before.
            _ => {}
        }
    }
}

/// Compares every value with every cut.
#[inline(always)]
fn count(cuts: &[f64], values: &[f64], bins: &mut [u16]) {
    let (bin_lanes, last_bins) = bins.as_chunks_mut::<LANES>();
    let (value_lanes, last_values) = values.as_chunks::<LANES>();
    for (bins, values) in bin_lanes.iter_mut().zip(value_lanes) {
        let mut below = [1_u64; LANES];
        for &cut in cuts {
            for l in 0..LANES {
                below[l] += u64::from(cut < values[l]);
            }
        }
        for l in 0..LANES {
            bins[l] = if values[l].is_nan() { 0 } else { below[l] as u16 };
        }
    }
    for (bin, v) in last_bins.iter_mut().zip(last_values) {
        *bin = if v.is_nan() { 0 } else { 1 + cuts.iter().filter(|&c| c < v).count() as u16 };
    }
}

/// Searches for several values at once, without branches: halves the steps of all before the next halving.
fn search<const LEN: usize>(cuts: &[f64], values: &[f64], bins: &mut [u16]) {
    // The caller chose LEN by the number of cuts.
    let Some(cuts) = cuts.first_chunk::<LEN>() else { return };
    let (bin_lanes, last_bins) = bins.as_chunks_mut::<LANES>();
    let (value_lanes, last_values) = values.as_chunks::<LANES>();
    for (bins, values) in bin_lanes.iter_mut().zip(value_lanes) {
        *bins = search_lanes(cuts, values);
    }
    let mut values = [f64::NAN; LANES];
    values[..last_values.len()].copy_from_slice(last_values);
    last_bins.copy_from_slice(&search_lanes(cuts, &values)[..last_bins.len()]);
}

#[inline(always)]
fn search_lanes<const LEN: usize>(cuts: &[f64; LEN], values: &[f64; LANES]) -> [u16; LANES] {
    let mut below = [0_usize; LANES];
    let mut step = LEN / 2;
    while step > 0 {
        for l in 0..LANES {
            // In range without the mask, which only tells the compiler so.
            let cut = cuts[(below[l] + step - 1) & (LEN - 1)];
            below[l] += usize::from(cut < values[l]) * step;
        }
        step /= 2;
    }
    let mut bins = [0; LANES];
    for l in 0..LANES {
        bins[l] = if values[l].is_nan() { 0 } else { below[l] as u16 + 1 };
    }
    bins
}

/// The bins of a block of rows, feature by feature.
#[derive(Debug)]
pub(super) struct RowBlock {
    bins: Vec<[u16; BLOCK]>,
}

impl RowBlock {
    pub(super) fn new(n_features: usize) -> Self {
        Self { bins: vec![[0; BLOCK]; n_features] }
    }

    /// Bins the rows from `start` on, `n` of them.
    pub(super) fn fill(&mut self, features: &[FeatureBins], columns: &[Column<'_>], start: usize, n: usize) {
        for (feature, bins) in features.iter().zip(&mut self.bins) {
            feature.fill(&columns[feature.feature], start, &mut bins[..n]);
        }
    }

    /// One array a feature; entries past the last row are left over from earlier blocks.
    pub(super) fn bins(&self) -> &[[u16; BLOCK]] {
        &self.bins
    }
}
