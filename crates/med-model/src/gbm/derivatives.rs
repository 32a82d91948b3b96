//! Derivatives of the objective, and the integers they are summed as.
//!
//! Integers add up the same in any order, and differences of sums are exact. A derivative is counted in units of a power
//! of two so small that the sum of the absolute values of all of them just fits: heavy tails lose nothing, for the units
//! follow the sum and not a share of the largest value.

use crate::kernel::paged;

/// First and second derivatives of the objective, one a row.
#[derive(Debug, Clone)]
pub(crate) struct Derivatives {
    pub(super) values: Values,
    /// A little above the sums of their absolute values, the same in any order of the rows.
    pub(super) bounds: Bounds,
}

/// Derivatives row by row.
#[derive(Debug, Clone)]
pub(super) enum Values {
    /// First ones; all second ones are one.
    Gradients(Vec<f32>),
    /// First and second ones side by side, so that a row of a list is one line of memory and not two.
    Pairs(Vec<[f32; 2]>, Hessians),
}

/// Second derivatives that are not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hessians {
    /// The same in all rounds: weights.
    Fixed,
    /// New in each round.
    Each,
}

/// Sums of absolute values, or a little more.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Bounds {
    pub(super) gradients: f64,
    pub(super) hessians: f64,
}

impl Derivatives {
    /// Room for those of so many rows.
    pub(super) fn zero(n: usize, hessians: Option<Hessians>) -> Self {
        let values = match hessians {
            None => Values::Gradients(paged(vec![0.0; n])),
            Some(hessians) => Values::Pairs(paged(vec![[0.0; 2]; n]), hessians),
        };
        Self { values, bounds: Bounds::default() }
    }

    pub(super) fn n_rows(&self) -> usize {
        match &self.values {
            Values::Gradients(gradients) => gradients.len(),
            Values::Pairs(pairs, _) => pairs.len(),
        }
    }

    /// What second derivatives are; none where they are one.
    pub(super) fn hessians(&self) -> Option<Hessians> {
        match self.values {
            Values::Gradients(_) => None,
            Values::Pairs(_, hessians) => Some(hessians),
        }
    }
}

#[cfg(test)]
impl Derivatives {
    /// Of these values.
    pub(super) fn of(gradients: &[f32], hessians: Option<(&[f32], Hessians)>) -> Self {
        let sum = |values: &[f32]| 1.000_001 * values.iter().map(|v| f64::from(v.abs())).sum::<f64>();
        let bounds = Bounds { gradients: sum(gradients), hessians: hessians.map_or(0.0, |(h, _)| sum(h)) };
        let values = match hessians {
            None => Values::Gradients(gradients.to_vec()),
            Some((hessians, kind)) => {
                Values::Pairs(gradients.iter().zip(hessians).map(|(&g, &h)| [g, h]).collect(), kind)
            }
        };
        Self { values, bounds }
    }

    /// Those of one row.
    pub(super) fn row(&self, row: usize) -> [f64; 2] {
        match &self.values {
            Values::Gradients(gradients) => [f64::from(gradients[row]), 1.0],
            Values::Pairs(pairs, _) => pairs[row].map(f64::from),
        }
    }
}

/// `1.5 * 2^52`: adding this rounds a number below `2^51` to a whole one, which then stands in the last bits.
const ROUND: f64 = 6_755_399_441_055_744.0;

/// Rounds to a whole number, `|value| < 2^51`.
#[inline(always)]
pub(super) fn to_integer(value: f64) -> i64 {
    (value + ROUND).to_bits().wrapping_sub(ROUND.to_bits()) as i64
}

/// Units of derivatives: integers per one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Units {
    pub(super) gradient: f64,
    pub(super) hessian: f64,
    /// Bits that the number of rows takes.
    pub(super) count_bits: u32,
}

impl Units {
    /// For sums over any of these rows; `None` when all gradients are zero.
    pub(super) fn new(derivatives: &Derivatives) -> Option<Self> {
        let n = derivatives.n_rows();
        let count_bits = (usize::BITS - n.leading_zeros()).max(16);
        // Half of the range is for the terms, half for their rounding.
        let bits = 61 - count_bits as i32;
        let gradient = per_unit(derivatives.bounds.gradients, bits)?;
        let hessian = match derivatives.hessians() {
            None => 1.0,
            Some(_) => per_unit(derivatives.bounds.hessians, bits)?,
        };
        Some(Self { gradient, hessian, count_bits })
    }
}

/// The power of two that takes `bound` below `2^bits`.
fn per_unit(bound: f64, bits: i32) -> Option<f64> {
    (bound > 0.0 && bound.is_finite()).then(|| 2.0_f64.powi((bits - exponent(bound)).min(1000)))
}

/// The `e` with `2^(e-1) <= value < 2^e`, from the bits.
fn exponent(value: f64) -> i32 {
    ((value.to_bits() >> 52) & 0x7ff) as i32 - 1022
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_to_the_nearest() {
        for (value, expected) in
            [(0.0, 0), (1.4, 1), (-1.4, -1), (1.5, 2), (2.5, 2), (-7.9, -8), (1e15, 1_000_000_000_000_000)]
        {
            assert_eq!(to_integer(value), expected, "{value}");
        }
    }

    #[test]
    fn sums_of_all_rows_fit_and_small_ones_count_beside_large_ones() {
        let mut gradients = vec![0.5_f32; 100_000];
        gradients[17] = 7e6;
        let units = Units::new(&Derivatives::of(&gradients, None)).unwrap();
        let sum: i64 = gradients.iter().map(|&g| to_integer(f64::from(g) * units.gradient)).sum();
        assert!(sum.unsigned_abs() < 1 << (63 - units.count_bits));
        assert_eq!(sum as f64 / units.gradient, 7e6 + 99_999.0 * 0.5);
        assert!(Units::new(&Derivatives::of(&[0.0; 9], None)).is_none());
    }

    #[test]
    fn tiny_and_huge_values_have_units() {
        for size in [1e-38_f32, 1e-44, 1.0, 3e38] {
            let derivatives = Derivatives::of(&[size, -size], Some((&[size; 2], Hessians::Each)));
            let units = Units::new(&derivatives).unwrap();
            let back = to_integer(f64::from(size) * units.gradient) as f64 / units.gradient;
            assert_eq!(back as f32, size);
        }
    }
}
