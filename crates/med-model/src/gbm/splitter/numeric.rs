//! Splits of a numeric feature: all thresholds, with missing values on either side.

use super::value::Valuation;
use super::{Best, Leaf, Search, Sums};
use crate::gbm::growth::mix;
use crate::gbm::histogram::Cell;
use crate::gbm::partition::Rule;
use crate::kernel::vectorised;

/// Running sums of one feature, bin after bin.
#[derive(Debug)]
pub(super) struct Prefix {
    gradient: [i64; 256],
    hessian: [i64; 256],
    count: [u32; 256],
    gain: [f64; 256],
}

impl Default for Prefix {
    fn default() -> Self {
        Self { gradient: [0; 256], hessian: [0; 256], count: [0; 256], gain: [0.0; 256] }
    }
}

/// Tries all thresholds; whether rows and derivatives would allow any.
pub(super) fn search<C: Cell>(
    search: &Search<'_>,
    leaf: &Leaf<'_>,
    feature: usize,
    cells: &[C],
    prefix: &mut Prefix,
    best: &mut Best,
) -> bool {
    let units = search.units;
    let missing = cells[0].sums(units);
    // The place of a bin here is one below its number.
    let n = cells.len() - 1;
    let direction = search.growth.monotone.get(feature).copied().unwrap_or(0);
    let mut sum = Sums::default();
    let (mut first, mut last) = (n, 0);
    for (b, cell) in cells[1..].iter().enumerate() {
        let cell = cell.sums(units);
        sum = sum.plus(cell);
        prefix.gradient[b] = sum.gradient;
        prefix.hessian[b] = sum.hessian;
        prefix.count[b] = sum.count;
        if cell.count > 0 {
            first = first.min(b);
            last = b;
        }
    }
    if first == n {
        return false;
    }
    // Behind the last value only missing ones are left.
    let end = if missing.count > 0 { last + 1 } else { last };
    let range = if search.growth.extra_trees && first < end {
        let random = mix(mix(search.growth.seed, leaf.path), 0x7472_6565 ^ (feature as u64) << 32);
        let chosen = first + (random % (end - first) as u64) as usize;
        chosen..chosen + 1
    } else {
        first..end
    };
    let mut any = false;
    for missing_left in [false, true] {
        if missing_left && missing.count == 0 {
            break;
        }
        let start = if missing_left { missing } else { Sums::default() };
        any |= gains(search, leaf, direction, start, range.clone(), prefix);
        for b in range.clone() {
            let gain = prefix.gain[b];
            if gain > best.gain {
                let left = Sums { gradient: prefix.gradient[b], hessian: prefix.hessian[b], count: prefix.count[b] }
                    .plus(start);
                // Where the leaf has no missing value, later ones go with the majority.
                let left_is_larger = left.count >= leaf.sums.count - left.count;
                let missing_left = if missing.count > 0 { missing_left } else { left_is_larger };
                let bin = b as u8 + 1;
                best.set(gain, feature, Rule::at_most(bin, missing_left), left, 0.0);
            }
        }
    }
    any
}

/// Gains of thresholds, minus infinity where a side is too small; whether any is not.
fn gains(
    search: &Search<'_>,
    leaf: &Leaf<'_>,
    direction: i8,
    start: Sums,
    range: std::ops::Range<usize>,
    prefix: &mut Prefix,
) -> bool {
    let (min_count, min_hessian) = (search.min_count, search.growth.min_sum_hessian_in_leaf);
    let (per_g, per_h) = (1.0 / search.units.gradient, 1.0 / search.units.hessian);
    let (valuation, unsplit, total): (&Valuation, f64, Sums) = (&leaf.valuation, leaf.score, leaf.sums);
    let Prefix { gradient, hessian, count, gain } = prefix;
    let (gradient, hessian) = (&gradient[range.clone()], &hessian[range.clone()]);
    let (count, gain) = (&count[range.clone()], &mut gain[range]);
    let sides = |gradient: i64, hessian: i64, count: u32| {
        let left = Sums { gradient, hessian, count }.plus(start);
        let right = total.less(left);
        let (gl, hl) = (left.gradient as f64 * per_g, left.hessian as f64 * per_h);
        let (gr, hr) = (right.gradient as f64 * per_g, right.hessian as f64 * per_h);
        let fits = (left.count >= min_count) & (right.count >= min_count) & (hl >= min_hessian) & (hr >= min_hessian);
        (gl, hl, gr, hr, fits)
    };
    let terms = gain.iter_mut().zip(gradient).zip(hessian).zip(count);
    if valuation.is_plain && direction == 0 {
        return vectorised(
            #[inline(always)]
            || {
                let mut any = false;
                for (((gain, &g), &h), &c) in terms {
                    let (gl, hl, gr, hr, fits) = sides(g, h, c);
                    let split = valuation.plain_score(gl, hl) + valuation.plain_score(gr, hr) - unsplit;
                    *gain = if fits { split } else { f64::NEG_INFINITY };
                    any |= fits;
                }
                any
            },
        );
    }
    let mut any = false;
    for (((gain, &g), &h), &c) in terms {
        let (gl, hl, gr, hr, fits) = sides(g, h, c);
        *gain = f64::NEG_INFINITY;
        if fits {
            any = true;
            let (left, right) = (valuation.value(gl, hl), valuation.value(gr, hr));
            if f64::from(direction) * (right - left) >= 0.0 {
                *gain = valuation.score_at(gl, hl, left) + valuation.score_at(gr, hr, right) - unsplit;
            }
        }
    }
    any
}
