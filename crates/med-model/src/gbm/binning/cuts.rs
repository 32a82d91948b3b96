//! Where the bins of a numeric feature end.
//!
//! LightGBM's rules: where the distinct values fit, each has its own bin, but bins of fewer than `min_data_in_bin` rows
//! join the next; otherwise values that fill a bin alone have one, and the rest is cut to about equal numbers of rows.
//! A cut lies midway between the values on its sides.

use crate::kernel::vectorised;

/// Bin `k >= 1` holds the values `v` with `cuts[k-2] < v <= cuts[k-1]`; bin 0 the missing ones.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cuts {
    cuts: Vec<f64>,
}

/// Cuts and a filling up to a power of two, so that a search takes the same steps for all values.
const TABLE: usize = 256;
/// Values searched for side by side.
const LANES: usize = 32;

impl Cuts {
    /// From a sample of the values, missing ones among them.
    pub(super) fn learn(sample: impl Iterator<Item = f64>, max_bin: usize, min_data_in_bin: usize) -> Self {
        // Order of numbers is order of these integers; minus zero is zero.
        let mut keys: Vec<i64> = sample.filter(|v| !v.is_nan()).map(|v| key(v + 0.0)).collect();
        keys.sort_unstable();
        let mut distinct: Vec<(f64, usize)> = Vec::new();
        let mut last = None;
        for key in keys {
            match distinct.last_mut() {
                Some((_, count)) if last == Some(key) => *count += 1,
                _ => distinct.push((value(key), 1)),
            }
            last = Some(key);
        }
        let cuts = if distinct.len() <= max_bin {
            few_values(&distinct, min_data_in_bin)
        } else {
            many_values(&distinct, max_bin, min_data_in_bin)
        };
        Self { cuts }
    }

    #[cfg(test)]
    pub(crate) fn bin(&self, value: f64) -> u8 {
        if value.is_nan() { super::MISSING_BIN } else { 1 + self.cuts.partition_point(|&c| c < value) as u8 }
    }

    /// Bins of many values, each by a binary search. Searches of several values go side by side: one alone would wait for
    /// every comparison, and vectors hold eight.
    pub(super) fn bins(&self, values: &[f64], out: &mut [u8]) {
        vectorised(
            #[inline(always)]
            || {
                let (groups, rest) = values.as_chunks::<LANES>();
                let (out_groups, out_rest) = out.as_chunks_mut::<LANES>();
                // Behind the last cut nothing is smaller than a value.
                let mut table = [f64::INFINITY; TABLE];
                table.iter_mut().zip(&self.cuts).for_each(|(t, &c)| *t = c);
                let first = self.cuts.len().next_power_of_two().clamp(1, TABLE / 2);
                for (values, out) in groups.iter().zip(out_groups) {
                    *out = search(&table, first, values);
                }
                let mut padded = [f64::NAN; LANES];
                padded.iter_mut().zip(rest).for_each(|(p, &v)| *p = v);
                out_rest.iter_mut().zip(search(&table, first, &padded)).for_each(|(out, bin)| *out = bin);
            },
        );
    }

    /// Number of bins, with the one for missing values.
    pub(super) fn n_bins(&self) -> usize {
        self.cuts.len() + 2
    }

    /// The value up to which `bin` and all before it reach; for the last one the largest number there is.
    pub(crate) fn threshold(&self, bin: u8) -> f64 {
        (bin as usize).checked_sub(1).and_then(|b| self.cuts.get(b)).copied().unwrap_or(f64::MAX)
    }
}

/// Steps of half the last, from `first` on. Called within `vectorised`.
#[inline(always)]
fn search(table: &[f64; TABLE], first: usize, values: &[f64; LANES]) -> [u8; LANES] {
    let mut below = [0_usize; LANES];
    let mut step = first;
    while step > 0 {
        for l in 0..LANES {
            let is_below = table[(below[l] + step - 1) % TABLE] < values[l];
            below[l] += step * usize::from(is_below);
        }
        step /= 2;
    }
    std::array::from_fn(|l| if values[l].is_nan() { super::MISSING_BIN } else { (below[l] + 1) as u8 })
}

fn key(value: f64) -> i64 {
    let bits = value.to_bits() as i64;
    bits ^ ((bits >> 63) as u64 >> 1) as i64
}

fn value(key: i64) -> f64 {
    f64::from_bits((key ^ ((key >> 63) as u64 >> 1) as i64) as u64)
}

fn few_values(distinct: &[(f64, usize)], min_data_in_bin: usize) -> Vec<f64> {
    let mut cuts = Vec::with_capacity(distinct.len());
    let mut in_bin = 0;
    for pair in distinct.windows(2) {
        in_bin += pair[0].1;
        if in_bin >= min_data_in_bin {
            cuts.push(midpoint(pair[0].0, pair[1].0));
            in_bin = 0;
        }
    }
    cuts
}

fn many_values(distinct: &[(f64, usize)], max_bin: usize, min_data_in_bin: usize) -> Vec<f64> {
    let total: usize = distinct.iter().map(|d| d.1).sum();
    let max_bin = max_bin.min(total / min_data_in_bin.max(1)).max(1);
    let mean = total as f64 / max_bin as f64;
    // Values that are frequent enough for a bin of their own leave the others fewer bins.
    let is_large = |count: usize| count as f64 >= mean;
    let large = distinct.iter().filter(|d| is_large(d.1));
    let (n_large, rows_large) = large.fold((0, 0), |(n, rows), d| (n + 1, rows + d.1));
    let (mut bins_left, mut rows_left) = (max_bin - n_large.min(max_bin), total - rows_large);
    let mut size = rows_left as f64 / bins_left.max(1) as f64;
    let (mut cuts, mut in_bin) = (Vec::with_capacity(max_bin), 0);
    for pair in distinct.windows(2) {
        let (count, next) = (pair[0].1, pair[1].1);
        if !is_large(count) {
            rows_left -= count;
        }
        in_bin += count;
        let half_full = in_bin as f64 >= (size / 2.0).max(1.0);
        if is_large(count) || in_bin as f64 >= size || (is_large(next) && half_full) {
            cuts.push(midpoint(pair[0].0, pair[1].0));
            if cuts.len() + 1 >= max_bin {
                break;
            }
            in_bin = 0;
            if !is_large(count) {
                bins_left = bins_left.saturating_sub(1);
                size = rows_left as f64 / bins_left.max(1) as f64;
            }
        }
    }
    cuts
}

/// A number `m` with `a <= m < b`, in the middle where there is room.
fn midpoint(a: f64, b: f64) -> f64 {
    let m = 0.5 * a + 0.5 * b;
    if m >= a && m < b { m } else { a }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn learn(values: &[f64], max_bin: usize) -> Cuts {
        Cuts::learn(values.iter().copied(), max_bin, 1)
    }

    #[test]
    fn few_values_get_a_bin_each_and_missing_its_own() {
        let values = [3.0, 1.0, f64::NAN, 2.0, 1.0];
        let cuts = learn(&values, 255);
        assert_eq!(values.map(|v| cuts.bin(v)), [3, 1, 0, 2, 1]);
        assert_eq!((cuts.n_bins(), cuts.threshold(1), cuts.threshold(3)), (4, 1.5, f64::MAX));
    }

    #[test]
    fn many_values_share_bins_of_about_equal_size() {
        let values: Vec<f64> = (0..1000).map(f64::from).collect();
        let cuts = learn(&values, 16);
        let mut counts = [0; 18];
        values.iter().for_each(|&v| counts[cuts.bin(v) as usize] += 1);
        assert_eq!(cuts.n_bins(), 17);
        assert!(counts[1..17].iter().all(|&c| (61..=64).contains(&c)), "{counts:?}");
    }

    #[test]
    fn frequent_values_have_their_own_bin() {
        let values: Vec<f64> = (0..1000).map(|i| if i % 2 == 0 { 0.0 } else { f64::from(i) }).collect();
        let cuts = learn(&values, 16);
        assert!(cuts.bin(0.0) == 1 && cuts.bin(1.0) == 2 && cuts.n_bins() >= 15, "{cuts:?}");
    }

    #[test]
    fn rare_values_join_until_a_bin_is_full() {
        let cuts = Cuts::learn([1.0, 2.0, 3.0, 3.0, 3.0, 4.0, 5.0].into_iter(), 255, 3);
        assert_eq!([1.0, 2.0, 3.0, 4.0, 5.0].map(|v| cuts.bin(v)), [1, 1, 1, 2, 2]);
    }

    #[test]
    fn many_at_once_are_as_one_by_one() {
        for n in [0, 1, 2, 3, 7, 8, 100, 127, 128, 129, 254, 255, 300] {
            let values: Vec<f64> = (0..n).map(|i| f64::from(i) - 50.0).chain([f64::NAN, f64::MAX, -1e300]).collect();
            let cuts = learn(&values, 255);
            let mut bins = vec![9; values.len()];
            cuts.bins(&values, &mut bins);
            assert_eq!(bins, values.iter().map(|&v| cuts.bin(v)).collect::<Vec<_>>(), "{n}");
        }
    }

    #[test]
    fn thresholds_agree_with_bins_even_between_neighbouring_numbers() {
        let a = 1.0_f64;
        let b = a.next_up();
        let cuts = learn(&[a, b, -f64::MAX, f64::MAX], 255);
        for v in [-f64::MAX, a, b, f64::MAX] {
            for bin in 1..=4 {
                assert_eq!(v <= cuts.threshold(bin), cuts.bin(v) <= bin, "{v:e} {bin}");
            }
        }
    }

    #[test]
    fn a_column_of_missing_values_has_one_empty_range() {
        let cuts = learn(&[f64::NAN, f64::NAN], 255);
        assert_eq!((cuts.n_bins(), cuts.bin(7.0)), (2, 1));
    }
}
