//! Sums that do not depend on the order of their terms.
//!
//! Floating-point addition rounds, so the same terms in another order give other last bits, and a model would depend on
//! the order of the rows or the number of threads. Here each term is first rounded to a multiple of one power of two, the
//! unit; such terms add up without any rounding as long as the sum stays below `2^51` units (Demmel and Nguyen 2015, IEEE
//! TC 64:2060).

/// `1.5 * 2^52`: adding and taking away this many units rounds to whole ones.
const ROUND: f64 = 6_755_399_441_055_744.0;
/// Units that fit: one bit is the sign's.
const FIT: f64 = 2_251_799_813_685_248.0;

/// The unit of a sum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Grid {
    magic: f64,
    limit: f64,
}

impl Grid {
    /// For terms whose absolute values add up to less than `bound`; the widest there is where none is wide enough.
    pub(super) fn below(bound: f64) -> Self {
        let exponent = ((bound.to_bits() >> 52) & 0x7ff) as i32 - 1022;
        let unit = 2.0_f64.powi((exponent - 51).clamp(-1022, 900));
        Self { magic: ROUND * unit, limit: FIT * unit }
    }
}

/// A sum on a grid, with what tells whether the grid was wide enough.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct GridSum {
    pub(super) sum: f64,
    /// Sum of the absolute values; NaN or infinite if a term is.
    pub(super) magnitude: f64,
    /// The largest absolute value.
    pub(super) largest: f64,
}

/// Partial sums side by side, which a vector holds.
const LANES: usize = 8;

impl GridSum {
    /// Adds these terms. Meant for vectors: call it within `vectorised`.
    #[inline(always)]
    pub(super) fn add(&mut self, terms: &[f64], grid: Grid) {
        let (mut sums, mut magnitudes, mut largest) = ([0.0; LANES], [0.0; LANES], [0.0_f64; LANES]);
        let whole = terms.chunks_exact(LANES);
        for (lane, &term) in whole.remainder().iter().enumerate() {
            let rounded = (term + grid.magic) - grid.magic;
            sums[lane] += rounded;
            magnitudes[lane] += rounded.abs();
            largest[lane] = if term.abs() > largest[lane] { term.abs() } else { largest[lane] };
        }
        for eight in whole {
            for lane in 0..LANES {
                let term = eight[lane];
                let rounded = (term + grid.magic) - grid.magic;
                sums[lane] += rounded;
                magnitudes[lane] += rounded.abs();
                largest[lane] = if term.abs() > largest[lane] { term.abs() } else { largest[lane] };
            }
        }
        self.merge(Self {
            sum: sums.iter().sum(),
            magnitude: magnitudes.iter().sum(),
            largest: largest.iter().fold(0.0, |m, &v| v.max(m)),
        });
    }

    /// Adds another partial sum on the same grid.
    pub(super) fn merge(&mut self, other: Self) {
        self.sum += other.sum;
        self.magnitude += other.magnitude;
        self.largest = self.largest.max(other.largest);
    }

    /// The grid to sum on again where this one was too narrow.
    pub(super) fn wider(&self, grid: Grid, n: usize) -> Option<Grid> {
        (self.magnitude.is_finite() && self.magnitude >= grid.limit)
            .then(|| Grid::below(2.0 * self.largest * (n + 1) as f64))
    }
}

/// A sum of absolute values on a grid.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Magnitude {
    /// NaN or infinite if a term is.
    pub(super) sum: f64,
}

impl Magnitude {
    /// Adds these terms. Meant for vectors: call it within `vectorised`.
    #[inline(always)]
    pub(super) fn add(&mut self, terms: &[f32], grid: Grid) {
        let mut sums = [0.0; 2 * LANES];
        let whole = terms.chunks_exact(2 * LANES);
        let rounded = |term: f32| (f64::from(term.abs()) + grid.magic) - grid.magic;
        sums.iter_mut().zip(whole.remainder()).for_each(|(sum, &term)| *sum += rounded(term));
        for terms in whole {
            for lane in 0..2 * LANES {
                sums[lane] += rounded(terms[lane]);
            }
        }
        self.sum += sums.iter().sum::<f64>();
    }

    /// Whether the grid was wide enough.
    pub(super) fn fits(&self, grid: Grid) -> bool {
        self.sum < grid.limit
    }

    /// A little above the sum of `n` terms before they were rounded; 0 where all were rounded to it.
    pub(super) fn bound(&self, grid: Grid, n: usize) -> f64 {
        if self.sum > 0.0 { self.sum + n as f64 * (grid.limit / FIT) } else { 0.0 }
    }
}

/// The sum of these terms, to a precision of `2^-62` of the largest for each of them.
pub(super) fn exact_sum(terms: impl Iterator<Item = f64> + Clone) -> f64 {
    let largest = terms.clone().fold(0.0, |m: f64, v| if v.abs() <= m { m } else { v.abs() });
    if largest == 0.0 || !largest.is_finite() {
        return largest;
    }
    let exponent = ((largest.to_bits() >> 52) & 0x7ff) as i32 - 1022;
    // In two steps, since one power of two may be beyond the range.
    let (half, rest) = (2.0_f64.powi((62 - exponent) / 2), 2.0_f64.powi((62 - exponent) - (62 - exponent) / 2));
    let sum: i128 = terms.map(|v| i128::from((v * half * rest) as i64)).sum();
    sum as f64 / half / rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_order_gives_another_bit(terms in prop::collection::vec(-1e9..1e9_f64, 1..100), by in 1..50_usize) {
            let mut other = terms.clone();
            other.rotate_left(by % terms.len());
            other.reverse();
            prop_assert_eq!(exact_sum(terms.iter().copied()).to_bits(), exact_sum(other.iter().copied()).to_bits());
            let grid = Grid::below(1e12);
            let (mut a, mut b) = (GridSum::default(), GridSum::default());
            a.add(&terms, grid);
            let (first, second) = other.split_at(other.len() / 3);
            b.add(second, grid);
            b.add(first, grid);
            prop_assert_eq!(a, b);
            // Which rounds itself.
            let plain: f64 = terms.iter().sum();
            prop_assert!((a.sum - plain).abs() <= 0.05 && (exact_sum(terms.iter().copied()) - plain).abs() <= 1e-3);
        }
    }

    #[test]
    fn magnitudes_are_the_same_in_any_order_and_bounded() {
        let terms: Vec<f32> = (0..1003).map(|i| (i as f32 - 400.0) * 0.37).collect();
        let sum: f64 = terms.iter().map(|t| f64::from(t.abs())).sum();
        let turned: Vec<f32> = terms.iter().rev().copied().collect();
        let of = |terms: &[f32], grid: Grid| {
            let (first, rest) = terms.split_at(terms.len() / 5);
            let mut magnitude = Magnitude::default();
            magnitude.add(rest, grid);
            magnitude.add(first, grid);
            magnitude
        };
        let grid = Grid::below(2.0 * sum);
        assert_eq!(of(&terms, grid), of(&turned, grid));
        let bound = of(&terms, grid).bound(grid, terms.len());
        assert!(bound >= sum && bound <= sum * (1.0 + 1e-9) && of(&terms, grid).fits(grid));
        assert_eq!(of(&[0.0; 5], grid).bound(grid, 5), 0.0);
        assert!(!of(&terms, Grid::below(0.1 * sum)).fits(Grid::below(0.1 * sum)));
        assert!(!of(&[1.0, f32::INFINITY], grid).sum.is_finite() && of(&[f32::NAN, 1.0], grid).sum.is_nan());
    }

    #[test]
    fn a_grid_too_narrow_says_so_and_what_is_not_finite_shows() {
        let mut sum = GridSum::default();
        let narrow = Grid::below(1.0);
        sum.add(&[3.0, 4.0], narrow);
        let mut again = GridSum::default();
        again.add(&[3.0, 4.0], sum.wider(narrow, 2).unwrap());
        assert_eq!((again.sum, again.magnitude, again.largest), (7.0, 7.0, 4.0));
        sum.add(&[f64::NAN, 1.0], narrow);
        assert!(sum.magnitude.is_nan());
        assert_eq!(exact_sum([1e300, 5e299].into_iter()), 1.5e300);
        assert_eq!(exact_sum([1e-300, 5e-301].into_iter()), 1.5e-300);
    }
}
