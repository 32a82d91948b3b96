//! Values to bytes: bin 0 is for missing values, bins 1.. are ranges of a number in ascending order, or levels.

use med_schema::{FeatureColumn, FeatureMatrix, FeatureValues, MISSING};
use rayon::prelude::*;

use crate::FitError;
use crate::parameters::Parameters;
use crate::tree::{LevelSet, Test};

/// The bin of missing values.
pub(super) const MISSING_BIN: u8 = 0;
/// Bins of one feature, with the one for missing values.
const MOST_BINS: usize = 256;

/// How finely to bin.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BinOptions {
    pub(crate) max_bin: usize,
    pub(crate) min_data_in_bin: usize,
}

/// What the bins of one feature are.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum FeatureBins {
    /// Bin `k >= 1` holds the numbers `v` with `cuts[k-2] < v <= cuts[k-1]`.
    Ranges(Vec<f64>),
    /// Bin `k >= 1` holds the level of this code. Levels without a bin are missing.
    Levels(Vec<u32>),
}

/// Bins that go left.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum BinTest {
    /// Up to this one; missing ones as the split says.
    AtMost(u8),
    /// These, one bit each.
    OneOf([u64; 4]),
}

impl BinTest {
    pub(super) fn holds(&self, bin: u8) -> bool {
        match self {
            Self::AtMost(last) => bin <= *last,
            Self::OneOf(bins) => bins[bin as usize / 64] >> (bin % 64) & 1 == 1,
        }
    }
}

impl FeatureBins {
    /// At most `max_bin` ranges: one a distinct value where they fit, else ranges of about equal numbers of rows.
    pub(super) fn learn(values: &[f64], max_bin: usize, min_data_in_bin: usize) -> Self {
        let mut sorted: Vec<f64> = values.iter().copied().filter(|v| !v.is_nan()).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let mut distinct: Vec<(f64, usize)> = Vec::new();
        for v in sorted {
            match distinct.last_mut() {
                Some((last, count)) if *last == v => *count += 1,
                _ => distinct.push((v, 1)),
            }
        }
        let cut_all = distinct.len() <= max_bin;
        let mut cuts = Vec::with_capacity(distinct.len().min(max_bin));
        let mut rows_left: usize = distinct.iter().map(|d| d.1).sum();
        let mut in_bin = 0;
        for pair in distinct.windows(2) {
            in_bin += pair[0].1;
            let bins_left = max_bin - cuts.len();
            let share = cut_all || (bins_left > 1 && in_bin * bins_left >= rows_left);
            if share && in_bin >= min_data_in_bin && rows_left - in_bin >= min_data_in_bin {
                cuts.push(midpoint(pair[0].0, pair[1].0));
                rows_left -= in_bin;
                in_bin = 0;
            }
        }
        Self::Ranges(cuts)
    }

    /// A bin a level, of the most frequent ones where there are too many; of equally frequent ones the first.
    fn learn_levels(codes: &[u32], n_levels: usize) -> Self {
        let mut counts = vec![0_usize; n_levels];
        codes.iter().filter(|&&c| c != MISSING).for_each(|&c| counts[c as usize] += 1);
        let mut kept: Vec<u32> = (0..n_levels as u32).filter(|&c| counts[c as usize] > 0).collect();
        kept.sort_by_key(|&c| std::cmp::Reverse(counts[c as usize]));
        kept.truncate(MOST_BINS - 1);
        kept.sort_unstable();
        Self::Levels(kept)
    }

    fn bin(&self, value: f64) -> u8 {
        match self {
            Self::Ranges(_) if value.is_nan() => MISSING_BIN,
            Self::Ranges(cuts) => 1 + cuts.partition_point(|&c| c < value) as u8,
            Self::Levels(levels) => levels.binary_search(&(value as u32)).map_or(MISSING_BIN, |k| 1 + k as u8),
        }
    }

    fn bin_all(&self, column: &FeatureColumn) -> Vec<u8> {
        match column.values() {
            FeatureValues::Numeric(values) => values.as_slice().iter().map(|&v| self.bin(v)).collect(),
            FeatureValues::Categorical { codes, levels } => {
                let of_level: Vec<u8> = (0..levels.len()).map(|code| self.bin(code as f64)).collect();
                codes.iter().map(|&c| of_level.get(c as usize).copied().unwrap_or(MISSING_BIN)).collect()
            }
        }
    }

    /// Number of bins, with the one for missing values.
    pub(super) fn n_bins(&self) -> usize {
        match self {
            Self::Ranges(cuts) => cuts.len() + 2,
            Self::Levels(levels) => levels.len() + 1,
        }
    }

    pub(super) fn is_categorical(&self) -> bool {
        matches!(self, Self::Levels(_))
    }

    /// The same question, asked of values.
    pub(super) fn test(&self, test: &BinTest) -> Test {
        match (self, test) {
            (Self::Ranges(cuts), BinTest::AtMost(bin)) => {
                Test::AtMost((*bin as usize).checked_sub(1).and_then(|k| cuts.get(k)).copied().unwrap_or(f64::MAX))
            }
            (Self::Levels(levels), test) => {
                Test::OneOf((1..).zip(levels).filter(|(bin, _)| test.holds(*bin)).map(|(_, &code)| code).collect())
            }
            (Self::Ranges(_), BinTest::OneOf(_)) => Test::OneOf(LevelSet::default()),
        }
    }
}

/// A number `m` with `a <= m < b`, in the middle where there is room.
fn midpoint(a: f64, b: f64) -> f64 {
    let m = 0.5 * a + 0.5 * b;
    if m >= a && m < b { m } else { a }
}

/// All features as bytes, row by row: a row's bins lie beside one another, as summing histograms reads them.
#[derive(Debug)]
pub(crate) struct Binned {
    pub(super) features: Vec<FeatureBins>,
    /// Where each feature's cells start in a histogram.
    pub(super) offsets: Vec<usize>,
    /// Cells of a histogram over all features.
    pub(super) n_cells: usize,
    bins: Vec<u8>,
    n_rows: usize,
}

impl Binned {
    /// Learns the bins of these columns and applies them.
    ///
    /// # Errors
    /// When there are more rows than 32 bits count.
    pub(crate) fn new(x: &FeatureMatrix, options: &BinOptions) -> Result<Self, FitError> {
        let (p, n_rows) = (x.n_columns(), x.n_rows());
        if u32::try_from(n_rows).is_err() {
            let model = super::GbdtParams::MODEL;
            return Err(FitError::Backend { model, source: "more than 4294967295 rows".into() });
        }
        let column = |column: &FeatureColumn| {
            let feature = match column.values() {
                FeatureValues::Numeric(values) => {
                    FeatureBins::learn(values.as_slice(), options.max_bin, options.min_data_in_bin)
                }
                FeatureValues::Categorical { codes, levels } => FeatureBins::learn_levels(codes, levels.len()),
            };
            let bins = feature.bin_all(column);
            (feature, bins)
        };
        let columns: Vec<(FeatureBins, Vec<u8>)> = if n_rows * p < 100_000 {
            x.columns().iter().map(column).collect()
        } else {
            x.columns().par_iter().map(column).collect()
        };
        let (features, columns): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
        let mut n_cells = 0;
        let offsets = features
            .iter()
            .map(|f| {
                let offset = n_cells;
                n_cells += f.n_bins();
                offset
            })
            .collect();
        let mut bins = vec![MISSING_BIN; n_rows * p];
        for (j, column) in columns.iter().enumerate() {
            for (row, &bin) in column.iter().enumerate() {
                bins[row * p + j] = bin;
            }
        }
        Ok(Self { features, offsets, n_cells, bins, n_rows })
    }

    pub(super) fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// The bins of one row, one a feature.
    pub(super) fn row(&self, row: u32) -> &[u8] {
        let p = self.features.len();
        &self.bins[row as usize * p..][..p]
    }

    pub(super) fn bin(&self, row: u32, feature: usize) -> u8 {
        self.bins[row as usize * self.features.len() + feature]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn threshold(bins: &FeatureBins, bin: u8) -> f64 {
        match bins.test(&BinTest::AtMost(bin)) {
            Test::AtMost(threshold) => threshold,
            Test::OneOf(_) => f64::NAN,
        }
    }

    #[test]
    fn few_values_get_a_bin_each_and_missing_its_own() {
        let values = [3.0, 1.0, f64::NAN, 2.0, 1.0];
        let bins = FeatureBins::learn(&values, 255, 1);
        assert_eq!(values.map(|v| bins.bin(v)), [3, 1, MISSING_BIN, 2, 1]);
        assert_eq!((bins.n_bins(), threshold(&bins, 1), threshold(&bins, 3)), (4, 1.5, f64::MAX));
    }

    #[test]
    fn many_values_share_bins_of_about_equal_size() {
        let values: Vec<f64> = (0..1000).map(f64::from).collect();
        let bins = FeatureBins::learn(&values, 16, 1);
        let mut counts = [0; 18];
        values.iter().for_each(|&v| counts[bins.bin(v) as usize] += 1);
        assert_eq!(bins.n_bins(), 17);
        assert!(counts[1..17].iter().all(|&c| (62..=63).contains(&c)), "{counts:?}");
    }

    #[test]
    fn thresholds_agree_with_bins_even_between_neighbouring_numbers() {
        let a = 1.0_f64;
        let b = a.next_up();
        let bins = FeatureBins::learn(&[a, b, -f64::MAX, f64::MAX], 255, 1);
        for v in [-f64::MAX, a, b, f64::MAX] {
            for bin in 1..=4 {
                assert_eq!(v <= threshold(&bins, bin), bins.bin(v) <= bin, "{v:e} {bin}");
            }
        }
    }

    #[test]
    fn a_column_of_missing_values_has_one_empty_range() {
        let bins = FeatureBins::learn(&[f64::NAN, f64::NAN], 255, 1);
        assert_eq!((bins.n_bins(), bins.bin(7.0)), (2, 1));
    }

    #[test]
    fn at_most_255_ranges_fit_a_byte() {
        let values: Vec<f64> = (0..10_000).map(|i| f64::from(i % 300)).collect();
        let bins = FeatureBins::learn(&values, 255, 1);
        assert!(bins.n_bins() <= 256);
        assert_eq!(bins.bin(1e9) as usize, bins.n_bins() - 1);
    }

    #[test]
    fn bins_keep_their_minimum_of_rows() {
        let bins = FeatureBins::learn(&[1.0, 2.0, 2.0, 3.0, 4.0, 4.0, 5.0], 255, 3);
        assert_eq!(bins, FeatureBins::Ranges(vec![2.5]));
    }

    #[test]
    fn levels_have_a_bin_each_and_the_rarest_of_too_many_none() {
        let bins = FeatureBins::learn_levels(&[2, 0, MISSING, 2], 4);
        assert_eq!(bins, FeatureBins::Levels(vec![0, 2]));
        assert_eq!([0.0, 1.0, 2.0].map(|c| bins.bin(c)), [1, MISSING_BIN, 2]);
        let test = bins.test(&BinTest::OneOf([0b100, 0, 0, 0]));
        assert_eq!(test, Test::OneOf([2].into_iter().collect()));
        let codes: Vec<u32> = (0..300).chain(1..300).collect();
        let bins = FeatureBins::learn_levels(&codes, 300);
        assert_eq!((bins.n_bins(), bins.bin(0.0), bins.bin(1.0), bins.bin(299.0)), (256, 0, 1, 0));
    }
}
