//! Shares of rows per bin or level: the common ground of all measures that compare two histograms.

use crate::levels::LevelTable;
use crate::statistics::{Moments, pairwise_sum, quantile};
use crate::{DriftError, NumericSample, Sample};

use super::{DriftMeasure, categorical, finite, numeric, walk};

/// How numbers are put into bins. Categorical columns need no bins: each level of either side is one.
///
/// | made by | bins |
/// | --- | --- |
/// | [`Bins::new`], the default with 10 | between the distinct linearly interpolated quantiles of the *reference* at 0, 1/k, ..., 1: `(low, high]`, the outermost open. Heavy ties make fewer |
/// | [`Bins::sturges`] | every value is its own bin where the reference has at most 20 different ones, else log2(n + m) + 1 (rounded up) bins of equal width over both sides |
/// | [`Bins::sturges_of_distinct`] | the same count of equal width, with the number of different values in place of n + m |
/// | [`Bins::doane`] | equal width over the reference, more of them the more it is skewed; what lies outside is one bin more |
///
/// The last three repeat what evidently (the second and third) and NannyML (the fourth) do. There bins of equal width are `[low, high)`, the last
/// `[low, high]`. As with numpy 2, evidently's bins of whole numbers are at least 1 wide; whole is a column of whole numbers without missing values.
/// One large value widens all bins of equal width: prefer quantiles.
///
/// Sturges, H. A. (1926). The choice of a class interval. *JASA* 21, 65-66. Doane, D. P. (1976). Aesthetic frequency classifications.
/// *The American Statistician* 30, 181-183.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bins(Rule);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rule {
    Quantiles(usize),
    Sturges,
    SturgesOfDistinct,
    Doane,
}

/// Up to so many different values in the reference each is a bin of its own under [`Bins::sturges`].
const FEW: usize = 20;

impl Bins {
    /// `k` bins of equal share in the reference; at least 2.
    ///
    /// # Errors
    /// When `k` is less than 2.
    pub fn new(k: usize) -> Result<Self, DriftError> {
        if k < 2 {
            return Err(DriftError::Parameter { parameter: "bins", expected: "at least 2", found: k as f64 });
        }
        Ok(Self(Rule::Quantiles(k)))
    }

    /// evidently's bins.
    pub fn sturges() -> Self {
        Self(Rule::Sturges)
    }

    /// evidently's bins for the Hellinger distance.
    pub fn sturges_of_distinct() -> Self {
        Self(Rule::SturgesOfDistinct)
    }

    /// NannyML's bins.
    pub fn doane() -> Self {
        Self(Rule::Doane)
    }

    /// Counts of both sides in each bin. Neither side is empty.
    fn counts(self, reference: &NumericSample, current: &NumericSample) -> Vec<[usize; 2]> {
        let (r, c) = (reference.finite(), current.finite());
        let whole = || [reference, current].iter().all(|s| s.is_whole());
        match self.0 {
            Rule::Quantiles(k) => {
                let edges = inner_edges(r, k);
                binned(r, &edges).into_iter().zip(binned(c, &edges)).map(|(r, c)| [r, c]).collect()
            }
            Rule::Sturges if walk::distinct(r, &[]) <= FEW => by_value(r, c),
            Rule::Sturges => {
                let (low, high) = pooled_range(r, c);
                let edges = equal_width(low, high, width(low, high, r.len() + c.len(), whole()));
                between(r, c, &edges)
            }
            Rule::SturgesOfDistinct => {
                let (low, high) = pooled_range(r, c);
                let edges = equal_width(low, high, width(low, high, walk::distinct(r, c), whole()));
                between(r, c, &edges)
            }
            Rule::Doane => {
                let (low, high) = (r[0], r[r.len() - 1]);
                let edges = equal_width(low, high, doane(r, high - low));
                let mut counts = between(r, c, &edges);
                let outside = c.len() - counts.iter().map(|c| c[1]).sum::<usize>();
                counts.push([0, outside]);
                counts
            }
        }
    }
}

/// Bins of the default.
pub(crate) const DECILES: usize = 10;

/// Ten bins of equal share.
impl Default for Bins {
    fn default() -> Self {
        Self(Rule::Quantiles(DECILES))
    }
}

/// What is done about shares of 0, of which there is no logarithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Zeros {
    /// Every share below 0.0001 is raised to it.
    #[default]
    Floored,
    /// As evidently does: on each side by itself a share of 0 becomes 0.0001, or a millionth of the smallest other share when that is not above 0.0001.
    Filled,
}

/// The share that stands for none.
pub(crate) const FLOOR: f64 = 0.0001;

impl Zeros {
    pub(super) fn replaced(self, mut shares: Vec<[f64; 2]>) -> Vec<[f64; 2]> {
        for side in 0..2 {
            let least = shares.iter().map(|s| s[side]).filter(|&s| s > 0.0).fold(f64::INFINITY, f64::min);
            let filled = if least <= FLOOR { least / 1e6 } else { FLOOR };
            for share in shares.iter_mut().map(|s| &mut s[side]) {
                *share = match self {
                    Self::Floored => share.max(FLOOR),
                    Self::Filled if *share == 0.0 => filled,
                    Self::Filled => *share,
                };
            }
        }
        shares
    }
}

/// Shares of the rows of the reference and of the current sample, bin by bin or level by level.
pub(super) fn shares(
    measure: &impl DriftMeasure,
    bins: Bins,
    reference: Sample<'_>,
    current: Sample<'_>,
) -> Result<Vec<[f64; 2]>, DriftError> {
    if let (Sample::Numeric(_), Sample::Numeric(_)) = (reference, current) {
        finite(measure, reference, current, 1)?;
        let (reference, current) = numeric(measure, reference, current)?;
        let (n, m) = (reference.finite().len() as f64, current.finite().len() as f64);
        let counts = bins.counts(reference, current);
        return Ok(counts.into_iter().map(|[r, c]| [r as f64 / n, c as f64 / m]).collect());
    }
    let (reference, current) = categorical(measure, reference, current)?;
    let table = LevelTable::new(reference, current);
    let [n, m] = table.rows.map(|rows| rows as f64);
    Ok(table.counts.iter().map(|&[r, c]| [r as f64 / n, c as f64 / m]).collect())
}

/// The same for each distinct value, as a level.
pub(super) fn by_value(reference: &[f64], current: &[f64]) -> Vec<[usize; 2]> {
    let mut counts = Vec::new();
    let (mut i0, mut j0) = (0, 0);
    walk::pooled(reference, current, |_, i, j| {
        counts.push([i - i0, j - j0]);
        (i0, j0) = (i, j);
    });
    counts
}

/// The edges between bins of equal share.
fn inner_edges(reference: &[f64], k: usize) -> Vec<f64> {
    inner(&(0..=k).map(|i| quantile(reference, i as f64 / k as f64)).collect::<Vec<_>>())
}

/// What is left of the quantiles at 0, 1/k, ..., 1 as edges between open bins: each once, without the smallest and the largest value.
pub(crate) fn inner(quantiles: &[f64]) -> Vec<f64> {
    let mut edges = quantiles.to_vec();
    edges.dedup();
    edges.pop();
    edges.drain(..1.min(edges.len()));
    edges
}

fn binned(sorted: &[f64], edges: &[f64]) -> Vec<usize> {
    let ends = edges.iter().map(|&edge| sorted.partition_point(|&v| v <= edge)).chain([sorted.len()]);
    let mut start = 0;
    ends.map(|end| {
        let count = end - start;
        start = end;
        count
    })
    .collect()
}

fn pooled_range(reference: &[f64], current: &[f64]) -> (f64, f64) {
    (reference[0].min(current[0]), reference[reference.len() - 1].max(current[current.len() - 1]))
}

/// Sturges' width for so many values.
fn width(low: f64, high: f64, values: usize, whole: bool) -> f64 {
    let width = (high - low) / ((values as f64).log2() + 1.0);
    if whole && width < 1.0 { 1.0 } else { width }
}

/// Doane's width; 0 of a constant.
fn doane(sorted: &[f64], range: f64) -> f64 {
    let n = sorted.len() as f64;
    let moments = Moments::of(sorted);
    let sd = moments.std(0.0);
    if sorted.len() < 3 || sd.is_nan() || sd <= 0.0 {
        return 0.0;
    }
    let skewness = pairwise_sum(sorted, |v| ((v - moments.mean) / sd).powi(3)) / n;
    let of_skewness = (6.0 * (n - 2.0) / ((n + 1.0) * (n + 3.0))).sqrt();
    range / (1.0 + n.log2() + (1.0 + skewness.abs() / of_skewness).log2())
}

/// Edges from `low` to `high`, both included; one bin where there is no width.
fn equal_width(low: f64, high: f64, width: f64) -> Vec<f64> {
    let bins = if width > 0.0 && width.is_finite() { ((high - low) / width).ceil().max(1.0) } else { 1.0 };
    let (low, high) = if low == high { (low - 0.5, high + 0.5) } else { (low, high) };
    let step = high / bins - low / bins;
    let step = if (high - low).is_finite() { (high - low) / bins } else { step };
    (0..bins as usize).map(|i| i as f64 * step + low).chain([high]).collect()
}

/// Counts in `[low, high)`, the last `[low, high]`; values outside are left out.
fn between(reference: &[f64], current: &[f64], edges: &[f64]) -> Vec<[usize; 2]> {
    let place = |sorted: &[f64], i: usize| {
        if i + 1 == edges.len() {
            sorted.partition_point(|&v| v <= edges[i])
        } else {
            sorted.partition_point(|&v| v < edges[i])
        }
    };
    let counts = |sorted: &[f64], i: usize| place(sorted, i + 1).saturating_sub(place(sorted, i));
    (0..edges.len() - 1).map(|i| [counts(reference, i), counts(current, i)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_make_fewer_bins_and_outer_bins_are_open() {
        let edges = inner_edges(&[0.0, 0.0, 0.0, 1.0, 2.0], 4);
        assert_eq!(edges, [1.0]);
        assert_eq!(binned(&[-5.0, 1.0, 9.0, 9.0], &edges), [2, 2]);
        assert!(inner_edges(&[3.0, 3.0], 10).is_empty());
    }

    #[test]
    fn one_bin_is_no_histogram() {
        assert!(Bins::new(1).is_err());
    }

    #[test]
    fn whole_numbers_of_two_values_share_a_bin() {
        let whole = NumericSample::new(&[0.0, 1.0, 1.0]);
        assert_eq!(Bins::sturges_of_distinct().counts(&whole, &whole), [[3, 3]]);
        let real = NumericSample::new(&[0.0, 0.5]);
        assert_eq!(Bins::sturges_of_distinct().counts(&real, &real), [[1, 1], [1, 1]]);
    }

    #[test]
    fn what_lies_outside_the_reference_is_one_bin_more() {
        let reference = NumericSample::new(&[0.0, 1.0, 2.0, 3.0]);
        let counts = Bins::doane().counts(&reference, &NumericSample::new(&[-9.0, 3.0, 8.0]));
        assert_eq!(counts.last(), Some(&[0, 2]));
        assert_eq!(counts.iter().map(|c| c[0]).sum::<usize>(), 4);
    }
}
