//! Values to bytes: bin 0 is for missing values, bins 1.. are ranges of the feature in ascending order.

/// The bin of missing values.
pub(super) const MISSING_BIN: u8 = 0;

/// The ranges of one feature: bin `k >= 1` holds the values `v` with `cuts[k-2] < v <= cuts[k-1]`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FeatureBins {
    cuts: Vec<f64>,
}

impl FeatureBins {
    /// At most `max_bin` ranges: one a distinct value where they fit, else ranges of about equal numbers of rows.
    pub(super) fn learn(values: &[f64], max_bin: usize) -> Self {
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
            if cut_all || (bins_left > 1 && in_bin * bins_left >= rows_left) {
                cuts.push(midpoint(pair[0].0, pair[1].0));
                rows_left -= in_bin;
                in_bin = 0;
            }
        }
        Self { cuts }
    }

    pub(super) fn bin(&self, value: f64) -> u8 {
        if value.is_nan() { MISSING_BIN } else { 1 + self.cuts.partition_point(|&c| c < value) as u8 }
    }

    /// Number of bins, with the one for missing values.
    pub(super) fn n_bins(&self) -> usize {
        self.cuts.len() + 2
    }

    /// The value up to which `bin` and all before it reach; for the last one the largest number there is.
    pub(super) fn threshold(&self, bin: u8) -> f64 {
        self.cuts.get(bin as usize - 1).copied().unwrap_or(f64::MAX)
    }
}

/// A number `m` with `a <= m < b`, in the middle where there is room.
fn midpoint(a: f64, b: f64) -> f64 {
    let m = 0.5 * a + 0.5 * b;
    if m >= a && m < b { m } else { a }
}

/// All features as bytes, row by row: a row's bins lie beside one another, as summing histograms reads them.
#[derive(Debug)]
pub(super) struct BinnedMatrix {
    pub(super) features: Vec<FeatureBins>,
    /// Where each feature's cells start in a histogram.
    pub(super) offsets: Vec<usize>,
    /// Cells of a histogram over all features.
    pub(super) n_cells: usize,
    bins: Vec<u8>,
    n_rows: usize,
}

impl BinnedMatrix {
    pub(super) fn new(columns: &[&[f64]], max_bin: usize) -> Self {
        let features: Vec<FeatureBins> = columns.iter().map(|c| FeatureBins::learn(c, max_bin)).collect();
        let mut n_cells = 0;
        let offsets = features
            .iter()
            .map(|f| {
                let offset = n_cells;
                n_cells += f.n_bins();
                offset
            })
            .collect();
        let (p, n_rows) = (columns.len(), columns.first().map_or(0, |c| c.len()));
        let mut bins = vec![MISSING_BIN; n_rows * p];
        for (j, (column, feature)) in columns.iter().zip(&features).enumerate() {
            for (row, &value) in column.iter().enumerate() {
                bins[row * p + j] = feature.bin(value);
            }
        }
        Self { features, offsets, n_cells, bins, n_rows }
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

    #[test]
    fn few_values_get_a_bin_each_and_missing_its_own() {
        let values = [3.0, 1.0, f64::NAN, 2.0, 1.0];
        let bins = FeatureBins::learn(&values, 255);
        assert_eq!(values.map(|v| bins.bin(v)), [3, 1, MISSING_BIN, 2, 1]);
        assert_eq!((bins.n_bins(), bins.threshold(1), bins.threshold(3)), (4, 1.5, f64::MAX));
    }

    #[test]
    fn many_values_share_bins_of_about_equal_size() {
        let values: Vec<f64> = (0..1000).map(f64::from).collect();
        let bins = FeatureBins::learn(&values, 16);
        let mut counts = [0; 18];
        values.iter().for_each(|&v| counts[bins.bin(v) as usize] += 1);
        assert_eq!(bins.n_bins(), 17);
        assert!(counts[1..17].iter().all(|&c| (62..=63).contains(&c)), "{counts:?}");
    }

    #[test]
    fn thresholds_agree_with_bins_even_between_neighbouring_numbers() {
        let a = 1.0_f64;
        let b = a.next_up();
        let bins = FeatureBins::learn(&[a, b, -f64::MAX, f64::MAX], 255);
        for v in [-f64::MAX, a, b, f64::MAX] {
            for bin in 1..=4 {
                assert_eq!(v <= bins.threshold(bin), bins.bin(v) <= bin, "{v:e} {bin}");
            }
        }
    }

    #[test]
    fn a_column_of_missing_values_has_one_empty_range() {
        let bins = FeatureBins::learn(&[f64::NAN, f64::NAN], 255);
        assert_eq!((bins.n_bins(), bins.bin(7.0)), (2, 1));
    }

    #[test]
    fn at_most_255_ranges_fit_a_byte() {
        let values: Vec<f64> = (0..10_000).map(|i| f64::from(i % 300)).collect();
        let bins = FeatureBins::learn(&values, 255);
        assert!(bins.n_bins() <= 256);
        assert_eq!(bins.bin(1e9) as usize, bins.n_bins() - 1);
    }
}
