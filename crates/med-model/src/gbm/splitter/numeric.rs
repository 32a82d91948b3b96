//! Splits of a numeric feature: all thresholds, with missing values on either side.
//!
//! Only bins that hold rows of the leaf are tried, and of these only the ones that leave enough rows on both sides: small
//! leaves have few of either.

use super::value::Valuation;
use super::{Best, Leaf, Search, Sums};
use crate::gbm::derivatives::Units;
use crate::gbm::growth::mix;
use crate::gbm::histogram::{CELLS, Cell};
use crate::gbm::partition::Rule;
use crate::kernel::vectorised;

/// Running sums of one feature over the bins that hold rows, and the gains of cuts behind them.
#[derive(Debug)]
pub(super) struct Prefix<C> {
    sums: [C; CELLS],
    bins: [u8; CELLS],
    gains: [f64; CELLS],
}

impl<C: Cell> Default for Prefix<C> {
    fn default() -> Self {
        Self { sums: [C::default(); CELLS], bins: [0; CELLS], gains: [0.0; CELLS] }
    }
}

impl<C: Cell> Prefix<C> {
    /// Sums over these cells, of which the first is that of missing values; how many bins hold rows.
    fn fill(&mut self, cells: &[C], units: Units) -> usize {
        let (mut sum, mut n) = (C::default(), 0);
        for (bin, &cell) in (0_u8..).zip(cells).skip(1) {
            sum.add(cell);
            // Written over by the next, unless it counts.
            self.sums[n] = sum;
            self.bins[n] = bin;
            n += usize::from(cell.sums(units).count > 0);
        }
        n
    }
}

/// Tries all thresholds; whether rows and derivatives would allow any.
pub(super) fn search<C: Cell>(
    search: &Search<'_>,
    leaf: &Leaf<'_>,
    feature: usize,
    cells: &[C],
    prefix: &mut Prefix<C>,
    best: &mut Best,
) -> bool {
    let units = search.units;
    let (missing, has_missing) = (cells[0], cells[0].sums(units).count > 0);
    let n = prefix.fill(cells, units);
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
        let enough = |b: usize| {
            let left = prefix.sums[b].sums(units).count + start.sums(units).count;
            (left >= search.min_count, leaf.sums.count - left.min(leaf.sums.count) >= search.min_count)
        };
        // Numbers of rows only grow along the bins.
        let lowest = range.start + partition_point(range.clone(), |b| !enough(b).0);
        let end = range.start + partition_point(range.clone(), |b| enough(b).1);
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

/// How many at the start of a range hold, where those that hold are all at its start.
fn partition_point(range: std::ops::Range<usize>, holds: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (range.start, range.end);
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low - range.start
}

/// Gains of cuts that leave enough rows, minus infinity where the second derivatives are too small; whether any is not,
/// and the largest.
fn gains<C: Cell>(
    search: &Search<'_>,
    leaf: &Leaf<'_>,
    direction: i8,
    start: C,
    range: std::ops::Range<usize>,
    prefix: &mut Prefix<C>,
) -> (bool, f64) {
    let (units, min_hessian) = (search.units, search.growth.min_sum_hessian_in_leaf);
    let (per_g, per_h) = (1.0 / units.gradient, 1.0 / units.hessian);
    let (valuation, unsplit, total): (&Valuation, f64, Sums) = (&leaf.valuation, leaf.score, leaf.sums);
    let start = start.sums(units);
    let (sums, gains) = (&prefix.sums[range.clone()], &mut prefix.gains[range]);
    let sides = |sum: C| {
        let left = sum.sums(units).plus(start);
        let (gradient, hessian) = (total.gradient - left.gradient, total.hessian - left.hessian);
        let (gl, hl) = (left.gradient as f64 * per_g, left.hessian as f64 * per_h);
        let (gr, hr) = (gradient as f64 * per_g, hessian as f64 * per_h);
        (gl, hl, gr, hr, (hl >= min_hessian) & (hr >= min_hessian))
    };
    if valuation.is_plain && direction == 0 {
        return vectorised(
            #[inline(always)]
            || {
                for (gain, &sum) in gains.iter_mut().zip(sums) {
                    let (gl, hl, gr, hr, fits) = sides(sum);
                    let (split, fits) = valuation.plain_scores((gl, hl), (gr, hr), fits);
                    let split = split - unsplit;
                    *gain = if fits { split } else { f64::NEG_INFINITY };
                }
                let largest = largest(gains);
                (largest > f64::NEG_INFINITY, largest)
            },
        );
    }
    let mut any = false;
    for (gain, &sum) in gains.iter_mut().zip(sums) {
        let (gl, hl, gr, hr, fits) = sides(sum);
        *gain = f64::NEG_INFINITY;
        if fits {
            any = true;
            let (left, right) = (valuation.value(gl, hl), valuation.value(gr, hr));
            if f64::from(direction) * (right - left) >= 0.0 {
                *gain = valuation.score_at(gl, hl, left) + valuation.score_at(gr, hr, right) - unsplit;
            }
        }
    }
    (any, largest(gains))
}

/// The largest of some numbers. Called within `vectorised`.
#[inline(always)]
fn largest(values: &[f64]) -> f64 {
    const LANES: usize = 8;
    let mut lanes = [f64::NEG_INFINITY; LANES];
    let (eights, rest) = values.as_chunks::<LANES>();
    for eight in eights {
        for lane in 0..LANES {
            lanes[lane] = if eight[lane] > lanes[lane] { eight[lane] } else { lanes[lane] };
        }
    }
    lanes.iter().chain(rest).fold(f64::NEG_INFINITY, |a, &b| if b > a { b } else { a })
}
