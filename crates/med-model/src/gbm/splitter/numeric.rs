//! Splits of a numeric feature: all thresholds, with missing values on either side.
//!
//! Only bins that hold rows of the leaf are tried, and of these only the ones that leave enough rows on both sides: small
//! leaves have few of either.

use super::{Best, Leaf, Search, Sums};
use crate::gbm::derivatives::Units;
use crate::gbm::growth::mix;
use crate::gbm::histogram::{CELLS, Cell};
use crate::gbm::rule::Rule;
use crate::kernel::{PLACES, bits, vectorised};

/// Cells looked at together.
const WORD: usize = 64;
/// Gains computed together.
const LANES: usize = 8;
/// Room for one feature, and for the lanes behind it that are computed along.
const ROOM: usize = CELLS + LANES;

/// Running sums of one feature over the bins that hold rows, and the gains of cuts behind them.
#[derive(Debug)]
pub(super) struct Prefix<C> {
    sums: [C; ROOM],
    bins: [u8; ROOM],
    gains: [f64; ROOM],
}

impl<C: Cell> Default for Prefix<C> {
    fn default() -> Self {
        Self { sums: [C::default(); ROOM], bins: [0; ROOM], gains: [0.0; ROOM] }
    }
}

impl<C: Cell> Prefix<C> {
    /// Sums over the cells of so many bins, of which the first is that of missing values; how many bins hold rows. Small
    /// leaves have rows in few bins, so those are looked for by vectors first; all that others can hold is the rounding of a
    /// carried root. Called within `vectorised`.
    #[inline(always)]
    fn fill(&mut self, cells: &[C; CELLS], n_bins: usize, units: Units) -> usize {
        let (words, _) = cells.as_chunks::<WORD>();
        let mut n = 0;
        for (w, cells) in words.iter().enumerate().take(n_bins.div_ceil(WORD)) {
            let held = occupied(cells, units) & if w == 0 { !1 } else { u64::MAX };
            n = list_held(held, (w * WORD) as u8, &mut self.bins, n);
        }
        let mut sum = C::default();
        for (to, &bin) in self.sums.iter_mut().zip(&self.bins[..n]) {
            sum.add(cells[bin as usize]);
            *to = sum;
        }
        n
    }
}

/// Which of 64 cells hold rows, one bit each. Called within `vectorised`.
#[inline(always)]
fn occupied<C: Cell>(cells: &[C; WORD], units: Units) -> u64 {
    let mut hits = [0_u8; WORD];
    for k in 0..WORD {
        hits[k] = u8::from(cells[k].sums(units).count > 0);
    }
    bits(&hits)
}

/// Writes the places of the bits behind the `n` there are; their number then. Eight are written at a time, those that are no
/// places to be written over: a branch for each would be guessed wrong too often.
#[inline(always)]
fn list_held(held: u64, first: u8, bins: &mut [u8; ROOM], mut n: usize) -> usize {
    for eight in 0..WORD / 8 {
        let bits = held >> (8 * eight) & 0xff;
        let base = (u64::from(first) + 8 * eight as u64) * 0x0101_0101_0101_0101;
        // At most 255 bins are held; the remainder spares a check.
        if let Some(to) = bins[n % CELLS..].first_chunk_mut() {
            *to = (u64::from_le_bytes(PLACES[bits as usize]) + base).to_le_bytes();
        }
        n += bits.count_ones() as usize;
    }
    n
}

/// Tries all thresholds; whether rows and derivatives would allow any.
pub(super) fn search<C: Cell>(
    search: &Search<'_>,
    leaf: &Leaf<'_>,
    feature: usize,
    (cells, n_bins): (&[C; CELLS], usize),
    prefix: &mut Prefix<C>,
    best: &mut Best,
) -> bool {
    vectorised(
        #[inline(always)]
        || thresholds(search, leaf, feature, (cells, n_bins), prefix, best),
    )
}

/// Called within `vectorised`.
#[inline(always)]
fn thresholds<C: Cell>(
    search: &Search<'_>,
    leaf: &Leaf<'_>,
    feature: usize,
    (cells, n_bins): (&[C; CELLS], usize),
    prefix: &mut Prefix<C>,
    best: &mut Best,
) -> bool {
    let units = search.units;
    let (missing, has_missing) = (cells[0], cells[0].sums(units).count > 0);
    let n = prefix.fill(cells, n_bins, units);
    // Behind the last value only missing ones are left.
    let n_cuts = if has_missing { n } else { n.saturating_sub(1) };
    let (mut range, mut random) = (0..n_cuts, None);
    if search.growth.extra_trees && n_cuts > 0 {
        let (first, last) = (prefix.bins[0], prefix.bins[n - 1]);
        let n_bins = u64::from(last - first) + u64::from(has_missing);
        let draw = mix(mix(search.growth.seed, leaf.path), 0x7472_6565 ^ (feature as u64) << 32);
        let bin = first + (draw % n_bins.max(1)) as u8;
        let at = prefix.bins[..n].partition_point(|&b| b <= bin) - 1;
        (range, random) = (at..at + 1, Some(bin));
    }
    let direction = search.growth.monotone.get(feature).copied().unwrap_or(0);
    let mut any = false;
    for missing_left in [false, true] {
        if missing_left && !has_missing {
            break;
        }
        let start = if missing_left { missing } else { C::default() };
        // Numbers of rows only grow along the bins, so to count those that are too small or too large is to find where the
        // others are: by vectors, which is quicker than to search.
        let (base, total) = (start.sums(units).count, leaf.sums.count);
        let (mut too_small, mut small_enough) = (0_u32, 0_u32);
        for sum in &prefix.sums[range.clone()] {
            let left = sum.sums(units).count + base;
            too_small += u32::from(left < search.min_count);
            small_enough += u32::from(left <= total.saturating_sub(search.min_count));
        }
        let (lowest, end) = (range.start + too_small as usize, range.start + small_enough as usize);
        if lowest >= end {
            continue;
        }
        let (could, largest) = gains(search, leaf, direction, start, lowest..end, prefix);
        any |= could;
        if largest > best.gain
            && let Some(b) = (lowest..end).find(|&b| prefix.gains[b] == largest)
        {
            let left = prefix.sums[b].sums(units).plus(start.sums(units));
            // Where the leaf has no missing value, later ones go with the majority.
            let left_is_larger = left.count >= leaf.sums.count - left.count;
            let missing_left = if has_missing { missing_left } else { left_is_larger };
            let bin = random.unwrap_or(prefix.bins[b]);
            best.set(largest, feature, Rule::at_most(bin, missing_left), left, 0.0);
        }
    }
    any
}

/// Gains of cuts that leave enough rows, minus infinity where the second derivatives are too small; whether any is not,
/// and the largest. Called within `vectorised`.
#[inline(always)]
fn gains<C: Cell>(
    search: &Search<'_>,
    leaf: &Leaf<'_>,
    direction: i8,
    start: C,
    range: std::ops::Range<usize>,
    prefix: &mut Prefix<C>,
) -> (bool, f64) {
    let cuts = Cuts {
        units: search.units,
        per: search.per,
        min_hessian: search.growth.min_sum_hessian_in_leaf,
        start: start.sums(search.units),
        total: leaf.sums,
    };
    if !(leaf.valuation.is_plain && direction == 0) {
        return bounded_gains(leaf, direction, &cuts, &prefix.sums[range.clone()], &mut prefix.gains[range]);
    }
    // Whole vectors: a rest taken one by one would cost as much as all others. What is computed behind the range is of sums
    // of other features, and does not count.
    let whole = range.start..range.start + range.len().next_multiple_of(LANES);
    let (sums, _) = prefix.sums[whole.clone()].as_chunks::<LANES>();
    let (gains, _) = prefix.gains[whole].as_chunks_mut::<LANES>();
    let mut largest = [f64::NEG_INFINITY; LANES];
    let mut left = range.len();
    for (gains, sums) in gains.iter_mut().zip(sums) {
        for lane in 0..LANES {
            let (gl, hl, gr, hr, fits) = cuts.sides(sums[lane]);
            let (split, fits) = leaf.valuation.plain_scores((gl, hl), (gr, hr), fits & (lane < left));
            let split = split - leaf.score;
            let gain = if fits { split } else { f64::NEG_INFINITY };
            gains[lane] = gain;
            largest[lane] = if gain > largest[lane] { gain } else { largest[lane] };
        }
        left = left.saturating_sub(LANES);
    }
    for half in [LANES / 2, LANES / 4, LANES / 8] {
        for lane in 0..half {
            let other = largest[lane + half];
            largest[lane] = if other > largest[lane] { other } else { largest[lane] };
        }
    }
    (largest[0] > f64::NEG_INFINITY, largest[0])
}

/// What is the same for all cuts of a leaf.
struct Cuts {
    units: Units,
    /// What one unit of a gradient and of a second derivative is.
    per: (f64, f64),
    min_hessian: f64,
    /// Sums left of the first bin.
    start: Sums,
    total: Sums,
}

impl Cuts {
    /// First and second derivatives left and right, and whether the latter are enough.
    #[inline(always)]
    fn sides<C: Cell>(&self, sum: C) -> (f64, f64, f64, f64, bool) {
        let sum = sum.sums(self.units);
        // Wrapping, for lanes that do not count.
        let (gl, hl) = (sum.gradient.wrapping_add(self.start.gradient), sum.hessian.wrapping_add(self.start.hessian));
        let (gr, hr) = (self.total.gradient.wrapping_sub(gl), self.total.hessian.wrapping_sub(hl));
        let (gl, hl) = (gl as f64 * self.per.0, hl as f64 * self.per.1);
        let (gr, hr) = (gr as f64 * self.per.0, hr as f64 * self.per.1);
        (gl, hl, gr, hr, (hl >= self.min_hessian) & (hr >= self.min_hessian))
    }
}

/// The same where values are penalised, bounded or in an order.
#[inline(never)]
fn bounded_gains<C: Cell>(leaf: &Leaf<'_>, direction: i8, cuts: &Cuts, sums: &[C], gains: &mut [f64]) -> (bool, f64) {
    let valuation = &leaf.valuation;
    let (mut any, mut largest) = (false, f64::NEG_INFINITY);
    for (gain, &sum) in gains.iter_mut().zip(sums) {
        let (gl, hl, gr, hr, fits) = cuts.sides(sum);
        *gain = f64::NEG_INFINITY;
        if fits {
            any = true;
            let (left, right) = (valuation.value(gl, hl), valuation.value(gr, hr));
            if f64::from(direction) * (right - left) >= 0.0 {
                *gain = valuation.score_at(gl, hl, left) + valuation.score_at(gr, hr, right) - leaf.score;
            }
        }
        largest = if *gain > largest { *gain } else { largest };
    }
    (any, largest)
}

#[cfg(test)]
mod tests {
    use med_schema::{FeatureColumn, FeatureMatrix};

    use super::super::{Bounds, Valuation};
    use super::*;
    use crate::gbm::BinLayout;
    use crate::gbm::binning::{BinOptions, Binned, LevelOptions};
    use crate::gbm::growth::Growth;
    use crate::gbm::histogram::Narrow;

    const UNITS: Units = Units { gradient: 1.0, hessian: 1.0, count_bits: 32 };

    #[test]
    fn sums_run_over_the_bins_that_hold_rows() {
        for held in [vec![], vec![1], vec![2, 63, 64, 65, 130, 255], (1..256).collect::<Vec<usize>>()] {
            let mut cells = [Narrow::default(); CELLS];
            // Missing values are none of these bins.
            cells[0] = Narrow::of(9);
            held.iter().for_each(|&bin| cells[bin] = Narrow::of(bin as i64));
            let mut prefix = Prefix::default();
            assert_eq!(prefix.fill(&cells, held.last().map_or(2, |last| last + 1), UNITS), held.len());
            let mut gradient = 0;
            for (k, &bin) in held.iter().enumerate() {
                gradient += bin as i64;
                let expected = Sums { gradient, hessian: k as i64 + 1, count: k as u32 + 1 };
                assert_eq!((prefix.bins[k] as usize, prefix.sums[k].sums(UNITS)), (bin, expected));
            }
        }
    }

    #[test]
    fn what_lies_behind_the_range_does_not_count() {
        let x = FeatureMatrix::new(vec![FeatureColumn::numeric("a", vec![1.0, 2.0])]).unwrap();
        let binned = Binned::new(
            &x,
            &BinOptions { max_bin: 255, min_data_in_bin: 1, levels: LevelOptions::ONE },
            BinLayout::Double,
        )
        .unwrap();
        let growth = Growth { min_data_in_leaf: 1, ..Growth::default() };
        let search = Search::new(&binned, &growth, UNITS, None);
        let valuation = Valuation::new(&growth, 0.0, Bounds::NONE);
        for n in 1..20_usize {
            let mut prefix = Prefix::default();
            let mut sum = Narrow::default();
            for k in 0..n {
                sum.add(Narrow::of(k as i64 - 3));
                prefix.sums[k] = sum;
            }
            let mut total = sum;
            total.add(Narrow::of(5));
            let sums = total.sums(UNITS);
            let score = valuation.score(sums.gradient as f64, sums.hessian as f64);
            let leaf = Leaf { sums, bounds: Bounds::NONE, valuation, score, allowed: None, path: 0 };
            let gain = |k: usize| search.gain(&leaf, &valuation, prefix.sums[k].sums(UNITS));
            let expected = (0..n).map(gain).fold(f64::NEG_INFINITY, f64::max);
            // The sums of another feature, with a larger gain.
            for k in n..ROOM {
                prefix.sums[k] = Narrow::of(1000);
            }
            let (any, largest) = gains(&search, &leaf, 0, Narrow::default(), 0..n, &mut prefix);
            assert!(any && (largest - expected).abs() <= 1e-12 * (1.0 + score), "{n}: {largest} {expected}");
        }
    }
}
