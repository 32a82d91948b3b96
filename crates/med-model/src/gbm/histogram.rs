//! Sums of gradients by bin, in integers.

use super::binning::Binned;

/// Real numbers as 64-bit integers times a power of two, so small that a sum of `n` of them cannot overflow.
///
/// The step is at most `2^-60` of `n` times the largest value: finer than what a sum of doubles keeps.
#[derive(Debug, Clone, Copy)]
pub(super) struct FixedPoint {
    per_unit: f64,
}

impl FixedPoint {
    /// For sums of up to `n` of these values.
    pub(super) fn for_sums_of(values: &[f64], n: usize) -> Self {
        let largest = values.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
        // Sums stay below `largest * n < 2^(e + ceil_log2 n)`.
        let bits = (i64::from(exponent(largest)) + i64::from(usize::BITS - n.leading_zeros())).clamp(-962, 1083);
        Self { per_unit: 2.0_f64.powi(61 - bits as i32) }
    }

    pub(super) fn to_integer(self, value: f64) -> i64 {
        (value * self.per_unit).round_ties_even() as i64
    }

    pub(super) fn to_float(self, integer: i64) -> f64 {
        integer as f64 / self.per_unit
    }
}

/// The `e` with `2^(e-1) <= value < 2^e`, from the bits; `-1022` for zero and for what is next to it.
fn exponent(value: f64) -> i32 {
    ((value.to_bits() >> 52) & 0x7ff) as i32 - 1022
}

/// First and second derivative of the loss of one row, in fixed point.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct GradientPair {
    pub(super) gradient: i64,
    pub(super) hessian: i64,
}

/// Sums over some rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) gradient: i64,
    pub(super) hessian: i64,
    pub(super) count: u32,
}

impl Sums {
    pub(super) fn add(&mut self, other: Self) {
        self.gradient += other.gradient;
        self.hessian += other.hessian;
        self.count += other.count;
    }

    pub(super) fn less(self, other: Self) -> Self {
        Self {
            gradient: self.gradient - other.gradient,
            hessian: self.hessian - other.hessian,
            count: self.count - other.count,
        }
    }

    pub(super) fn of(rows: &[u32], pairs: &[GradientPair]) -> Self {
        let mut sums = Self::default();
        for &row in rows {
            let GradientPair { gradient, hessian } = pairs[row as usize];
            sums.add(Self { gradient, hessian, count: 1 });
        }
        sums
    }
}

/// One [`Sums`] a bin of each feature, feature after feature.
#[derive(Debug, Clone)]
pub(super) struct Histogram {
    cells: Vec<Sums>,
}

impl Histogram {
    pub(super) fn empty(binned: &Binned) -> Self {
        Self { cells: vec![Sums::default(); binned.n_cells] }
    }

    /// Sums these rows, in one pass over their bins.
    pub(super) fn fill(&mut self, binned: &Binned, rows: &[u32], pairs: &[GradientPair]) {
        self.cells.fill(Sums::default());
        for &row in rows {
            let GradientPair { gradient, hessian } = pairs[row as usize];
            for (&bin, &offset) in binned.row(row).iter().zip(&binned.offsets) {
                self.cells[offset + bin as usize].add(Sums { gradient, hessian, count: 1 });
            }
        }
    }

    /// Takes away the sums of some of the rows; exact, for integers.
    pub(super) fn subtract(&mut self, part: &Self) {
        self.cells.iter_mut().zip(&part.cells).for_each(|(cell, &part)| *cell = cell.less(part));
    }

    /// The bins of one feature.
    pub(super) fn of_feature(&self, binned: &Binned, feature: usize) -> &[Sums] {
        &self.cells[binned.offsets[feature]..][..binned.features[feature].n_bins()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_point_sums_do_not_depend_on_order_and_do_not_overflow() {
        let values: Vec<f64> = (0..1000).map(|i| (f64::from(i) * 0.7).sin() * 1e15 + 1e-3).collect();
        let point = FixedPoint::for_sums_of(&values, values.len());
        let forwards: i64 = values.iter().map(|&v| point.to_integer(v)).sum();
        let backwards: i64 = values.iter().rev().map(|&v| point.to_integer(v)).sum();
        assert_eq!(forwards, backwards);
        let exact: f64 = values.iter().sum();
        assert!((point.to_float(forwards) - exact).abs() <= 1e-12 * 1e15 * 1000.0);
        for extreme in [f64::MAX / 4096.0, 1e-300, 0.0] {
            let point = FixedPoint::for_sums_of(&[extreme], 1000);
            let sum = (0..1000).try_fold(0_i64, |s, _| s.checked_add(point.to_integer(extreme))).unwrap();
            assert!((point.to_float(sum) - 1000.0 * extreme).abs() <= 1e-6 * 1000.0 * extreme, "{extreme:e}");
        }
    }

    #[test]
    fn parent_less_sibling_is_the_other_child() {
        let column: Vec<f64> = (0..40).map(|i| f64::from(i % 9)).collect();
        let columns = ["a", "b"].map(|name| med_schema::FeatureColumn::numeric(name, column.clone()));
        let x = med_schema::FeatureMatrix::new(columns.to_vec()).unwrap();
        let binned = Binned::new(&x, &crate::gbm::binning::BinOptions { max_bin: 5, min_data_in_bin: 1 }).unwrap();
        let pairs: Vec<GradientPair> =
            (0..40).map(|i| GradientPair { gradient: i * i - 300, hessian: i + 1 }).collect();
        let fill = |rows: &[u32]| {
            let mut histogram = Histogram::empty(&binned);
            histogram.fill(&binned, rows, &pairs);
            histogram
        };
        let all: Vec<u32> = (0..40).collect();
        let mut rest = fill(&all);
        rest.subtract(&fill(&all[..13]));
        assert_eq!(rest.cells, fill(&all[13..]).cells);
    }
}
