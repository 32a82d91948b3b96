//! Rows through the steps of a tree, eight at a time.

use super::steps::{Answer, Choice, Constants, Step, Steps};
use crate::kernel::{Kernel, run};
use crate::tree::{Split, Test};

/// Rows in a vector.
pub(super) const LANES: usize = 8;

/// Numbers of eight rows.
pub(super) type Eight = [f64; LANES];

/// All bits of those rows for which something holds.
type Mask = [u64; LANES];

/// Most points of a list of steps.
pub(super) const POINTS: usize = 8;

/// Vectors of rows taken through a tree together: their products stay in the first-level cache.
const VECTORS: usize = 4;

/// Adds the Shapley values of one tree to `out`. `values` and `out` have a number for each feature and row, `stride` vectors of
/// rows a feature. There are at most [`POINTS`] points.
pub(super) fn add_values(steps: &Steps<'_>, values: &[Eight], stride: usize, out: &mut [Eight]) {
    macro_rules! by_points {
        ($($n:literal)+) => {
            match steps.weights.len() {
                $($n => add_by::<$n>(steps, values, stride, out),)+
                _ => {}
            }
        };
    }
    by_points!(1 2 3 4 5 6 7 8);
}

fn add_by<const N: usize>(steps: &Steps<'_>, values: &[Eight], stride: usize, out: &mut [Eight]) {
    let m = VECTORS.min(stride);
    let mut masks = vec![[0; LANES]; 2 * steps.n_levels * m];
    let mut products = vec![[[0.0; LANES]; N]; steps.n_levels * m];
    let mut sums = products.clone();
    for first in (0..stride).step_by(VECTORS) {
        let m = VECTORS.min(stride - first);
        let (masks, products, sums, out) = (&mut *masks, &mut *products, &mut *sums, &mut *out);
        run(Flow { steps, values, stride, first, m, masks, products, sums, out });
    }
}

/// Some rows through a tree, by `N` points.
#[derive(Debug)]
struct Flow<'a, const N: usize> {
    steps: &'a Steps<'a>,
    values: &'a [Eight],
    stride: usize,
    /// The vectors of rows: `m` from the first on.
    first: usize,
    m: usize,
    /// By answer and vector of rows.
    masks: &'a mut [Mask],
    /// By level and vector of rows.
    products: &'a mut [[Eight; N]],
    /// Likewise.
    sums: &'a mut [[Eight; N]],
    out: &'a mut [Eight],
}

impl<const N: usize> Kernel for Flow<'_, N> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { steps, values, stride, first, m, masks, products, sums, out } = self;
        for products in &mut products[..m] {
            for (product, weight) in products.iter_mut().zip(steps.weights) {
                *product = [*weight; LANES];
            }
        }
        let constants = steps.constants.as_chunks::<N>().0;
        for step in &steps.list {
            match *step {
                Step::Test { split, level, earlier } => {
                    let values = &values[split.feature as usize * stride + first..][..m];
                    let (before, own) = masks.split_at_mut(2 * level * m);
                    let (left, right) = own[..2 * m].split_at_mut(m);
                    test(split, values, earlier.map(|e| &before[e * m..][..m]), left, right);
                }
                Step::Leaves { level, choice, feature, failed } => {
                    let constants = &constants[choice.at];
                    let (products, sums) = (&products[level * m..][..m], &mut sums[level * m..][..m]);
                    let out = &mut out[feature * stride + first..][..m];
                    let (mask, earlier) = chosen(masks, choice, m);
                    match earlier {
                        None => leaves::<false, N>(constants, mask, mask, failed, products, sums, out),
                        Some(earlier) => leaves::<true, N>(constants, mask, earlier, failed, products, sums, out),
                    }
                }
                Step::Down { level, choice, failed } => {
                    let constants = &constants[choice.at];
                    let (from, to) = products[level * m..][..2 * m].split_at_mut(m);
                    let (mask, earlier) = chosen(masks, choice, m);
                    match earlier {
                        None => down::<false, N>(constants, mask, mask, failed, from, to),
                        Some(earlier) => down::<true, N>(constants, mask, earlier, failed, from, to),
                    }
                }
                Step::Up { level, choice, feature, begins } => {
                    let constants = &constants[choice.at];
                    let (to, from) = sums[level * m..][..2 * m].split_at_mut(m);
                    let out = &mut out[feature * stride + first..][..m];
                    let (mask, earlier) = chosen(masks, choice, m);
                    match (earlier, begins) {
                        (None, false) => up::<false, false, N>(constants, mask, mask, from, to, out),
                        (None, true) => up::<false, true, N>(constants, mask, mask, from, to, out),
                        (Some(earlier), false) => up::<true, false, N>(constants, mask, earlier, from, to, out),
                        (Some(earlier), true) => up::<true, true, N>(constants, mask, earlier, from, to, out),
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn chosen(masks: &[Mask], choice: Choice, m: usize) -> (&[Mask], Option<&[Mask]>) {
    let of = |answer: Answer| &masks[answer * m..][..m];
    (of(choice.answer), choice.earlier.map(of))
}

/// Who goes left, and who right, of those who passed what the path asked of the feature before.
#[inline(always)]
fn test(split: &Split, values: &[Eight], earlier: Option<&[Mask]>, left: &mut [Mask], right: &mut [Mask]) {
    match &split.test {
        // As `goes_left`, in one comparison of whole vectors, which is false of NaN.
        Test::AtMost(threshold) if !split.zero_is_missing && split.missing_left => {
            answer(values, left, u64::MAX, |value| value > *threshold);
        }
        Test::AtMost(threshold) if !split.zero_is_missing => answer(values, left, 0, |value| value <= *threshold),
        _ => answer(values, left, 0, |value| split.goes_left(value)),
    }
    match earlier {
        None => {
            for (left, right) in left.iter().zip(right) {
                *right = left.map(|bits| !bits);
            }
        }
        Some(earlier) => {
            for ((left, right), earlier) in left.iter_mut().zip(right).zip(earlier) {
                let (mut goes, mut stays, earlier) = (*left, [0; LANES], *earlier);
                for lane in 0..LANES {
                    stays[lane] = earlier[lane] & !goes[lane];
                    goes[lane] &= earlier[lane];
                }
                (*left, *right) = (goes, stays);
            }
        }
    }
}

/// All bits where something holds of the value, with `flip` where it does not.
#[inline(always)]
fn answer(values: &[Eight], left: &mut [Mask], flip: u64, holds: impl Fn(f64) -> bool) {
    for (values, left) in values.iter().zip(left) {
        let (values, mut mask) = (*values, [0; LANES]);
        for lane in 0..LANES {
            mask[lane] = if holds(values[lane]) { !flip } else { flip };
        }
        *left = mask;
    }
}

/// `yes` where the mask is set, else `no`.
#[inline(always)]
fn pick(mask: u64, yes: f64, no: f64) -> f64 {
    f64::from_bits((yes.to_bits() & mask) | (no.to_bits() & !mask))
}

// What follows works on copies of whole vectors and unrolls the points, so that the compiler makes one vector instruction of
// each operation.

#[inline(always)]
fn down<const AGAIN: bool, const N: usize>(
    constants: &[Constants; N],
    masks: &[Mask],
    earlier: &[Mask],
    failed: f64,
    from: &[[Eight; N]],
    to: &mut [[Eight; N]],
) {
    for (((mask, earlier), from), to) in masks.iter().zip(earlier).zip(from).zip(to) {
        let (mask, earlier) = (*mask, *earlier);
        for q in 0..N {
            let mut product = from[q];
            let ratio = constants[q].ratio;
            for lane in 0..LANES {
                let mut factor = pick(mask[lane], ratio[0], ratio[1]);
                if AGAIN {
                    factor = pick(earlier[lane], factor, failed);
                }
                product[lane] *= factor;
            }
            to[q] = product;
        }
    }
}

#[inline(always)]
fn up<const AGAIN: bool, const BEGINS: bool, const N: usize>(
    constants: &[Constants; N],
    masks: &[Mask],
    earlier: &[Mask],
    from: &[[Eight; N]],
    to: &mut [[Eight; N]],
    out: &mut [Eight],
) {
    for ((((mask, earlier), from), to), out) in masks.iter().zip(earlier).zip(from).zip(to).zip(out) {
        let (mask, earlier) = (*mask, *earlier);
        let mut total = *out;
        for q in 0..N {
            let below = from[q];
            let share = constants[q].share;
            let mut sum = to[q];
            for lane in 0..LANES {
                let mut share = pick(mask[lane], share[0], share[1]);
                if AGAIN {
                    share = pick(earlier[lane], share, 0.0);
                }
                total[lane] += below[lane] * share;
                sum[lane] = if BEGINS { below[lane] } else { sum[lane] + below[lane] };
            }
            to[q] = sum;
        }
        *out = total;
    }
}

#[inline(always)]
fn leaves<const AGAIN: bool, const N: usize>(
    constants: &[Constants; N],
    masks: &[Mask],
    earlier: &[Mask],
    failed: f64,
    products: &[[Eight; N]],
    sums: &mut [[Eight; N]],
    out: &mut [Eight],
) {
    for ((((mask, earlier), products), sums), out) in masks.iter().zip(earlier).zip(products).zip(sums).zip(out) {
        let (mask, earlier) = (*mask, *earlier);
        let mut total = *out;
        for q in 0..N {
            let (product, c) = (products[q], constants[q]);
            let mut sum = [0.0; LANES];
            for lane in 0..LANES {
                let mut value = pick(mask[lane], c.ratio[0], c.ratio[1]);
                let mut share = pick(mask[lane], c.share[0], c.share[1]);
                if AGAIN {
                    value = pick(earlier[lane], value, failed);
                    share = pick(earlier[lane], share, 0.0);
                }
                sum[lane] = product[lane] * value;
                total[lane] += product[lane] * share;
            }
            sums[q] = sum;
        }
        *out = total;
    }
}
