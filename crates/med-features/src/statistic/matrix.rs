//! Pairwise correlation of features.

use med_schema::FeatureMatrix;
use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView2, s};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::complete_pairs;
use super::correlation::coefficient;
use super::moments::mean;

/// Pearson's correlation of each numeric feature with each other. Shape: features x features, symmetric, 1 on the diagonal.
///
/// Without missing values it is one matrix product, summed block by block; with missing values each pair is over the rows where both have one, and the
/// matrix need not be positive definite then. Correlations with a constant are not defined: NaN in [`values`](Self::values),
/// `null` in JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "Rows", try_from = "Rows")]
pub struct CorrelationMatrix {
    features: Vec<String>,
    r: Array2<f64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rows {
    features: Vec<String>,
    r: Vec<Vec<Option<f64>>>,
}

impl From<CorrelationMatrix> for Rows {
    fn from(matrix: CorrelationMatrix) -> Self {
        let row = |row: ndarray::ArrayView1<'_, f64>| row.iter().map(|r| (!r.is_nan()).then_some(*r)).collect();
        Self { features: matrix.features, r: matrix.r.rows().into_iter().map(row).collect() }
    }
}

impl TryFrom<Rows> for CorrelationMatrix {
    type Error = crate::FeatureError;

    fn try_from(Rows { features, r }: Rows) -> Result<Self, Self::Error> {
        let p = features.len();
        let ragged = |found| crate::FeatureError::Rows { part: "the correlation matrix", found, expected: p };
        if let Some(row) = r.iter().find(|row| row.len() != p) {
            return Err(ragged(row.len()));
        }
        let flat: Vec<f64> = r.iter().flatten().map(|r| r.unwrap_or(f64::NAN)).collect();
        let r = Array2::from_shape_vec((p, p), flat).map_err(|_| ragged(r.len()))?;
        Ok(Self { features, r })
    }
}

impl CorrelationMatrix {
    /// Of the numeric features of `x`; categorical ones are left out.
    pub fn of(x: &FeatureMatrix) -> Self {
        let columns: Vec<(&str, &[f64])> =
            x.columns().iter().filter_map(|c| Some((c.name(), c.as_numeric()?))).collect();
        let features = columns.iter().map(|(name, _)| (*name).to_owned()).collect();
        let values: Vec<&[f64]> = columns.into_iter().map(|(_, values)| values).collect();
        Self { features, r: correlations(&values) }
    }

    /// The features, in the order of the rows and columns.
    pub fn features(&self) -> &[String] {
        &self.features
    }

    /// The coefficients; NaN where not defined.
    pub fn values(&self) -> ArrayView2<'_, f64> {
        self.r.view()
    }

    /// The coefficient of two features; `None` when one is not there or it is not defined.
    pub fn get(&self, a: &str, b: &str) -> Option<f64> {
        let at = |name: &str| self.features.iter().position(|f| f == name);
        self.r.get((at(a)?, at(b)?)).copied().filter(|r| !r.is_nan())
    }
}

/// Correlations of columns of equal length; NaN where not defined.
pub(crate) fn correlations(columns: &[&[f64]]) -> Array2<f64> {
    let p = columns.len();
    let n = columns.first().map_or(0, |c| c.len());
    if n >= 3
        && !columns.iter().any(|c| super::is_constant(c))
        && let Some(products) = centred_products(columns)
    {
        return Array2::from_shape_fn((p, p), |(i, j)| match i == j {
            true => 1.0,
            false => (products[(i, j)] / (products[(i, i)] * products[(j, j)]).sqrt()).clamp(-1.0, 1.0),
        });
    }
    // Pair by pair: the upper triangle, and the diagonal where there is a spread.
    let pairs: Vec<f64> = (0..p * p)
        .into_par_iter()
        .map(|at| match (at / p, at % p) {
            (i, j) if i > j => f64::NAN,
            (i, j) => {
                let (x, y) = complete_pairs(columns[i], columns[j]);
                coefficient(&x, &y).map_or(f64::NAN, |r| if i == j { 1.0 } else { r })
            }
        })
        .collect();
    Array2::from_shape_fn((p, p), |(i, j)| pairs[i.min(j) * p + i.max(j)])
}

/// Rows whose products one thread adds up: whatever the number of threads, the same sums.
const SEGMENT: usize = 1 << 15;
/// Rows of a block of centred values, which stays in the cache.
const BLOCK: usize = 512;

/// Sums of products of columns about their means. Shape: columns x columns, symmetric.
///
/// One pass over the columns, no copy of them. `None` when a value is not finite, or so large or small that its square is not a
/// normal number.
pub(crate) fn centred_products(columns: &[&[f64]]) -> Option<Array2<f64>> {
    let p = columns.len();
    let n = columns.first().map_or(0, |c| c.len());
    if !columns.par_iter().all(|c| c.len() == n && super::all_finite(c)) {
        return None;
    }
    let means: Vec<f64> = columns.par_iter().map(|c| mean(c).unwrap_or_default()).collect();
    let starts: Vec<usize> = (0..n).step_by(SEGMENT).collect();
    let of_segment = |&start: &usize| {
        let mut products = Array2::<f64>::zeros((p, p));
        let mut block = Array2::<f64>::zeros((p, BLOCK));
        let end = (start + SEGMENT).min(n);
        for from in (start..end).step_by(BLOCK) {
            let rows = BLOCK.min(end - from);
            for ((mut to, column), mean) in block.rows_mut().into_iter().zip(columns).zip(&means) {
                to.iter_mut().zip(&column[from..from + rows]).for_each(|(to, v)| *to = v - mean);
            }
            let filled = block.slice(s![.., ..rows]);
            general_mat_mul(1.0, &filled, &filled.t(), 1.0, &mut products);
        }
        products
    };
    let segments: Vec<Array2<f64>> = starts.par_iter().map(of_segment).collect();
    let sum = segments.into_iter().fold(Array2::zeros((p, p)), |sum, segment| sum + segment);
    sum.diag().iter().all(|v: &f64| (v * v).is_normal()).then_some(sum)
}

/// Correlations over the rows that are complete and finite in all columns; NaN where not defined.
pub(crate) fn correlation_rows(columns: &[&[f64]]) -> Array2<f64> {
    let n = columns.first().map_or(0, |c| c.len());
    if columns.iter().all(|c| super::all_finite(c)) {
        return correlations(columns);
    }
    let complete: Vec<usize> = (0..n).filter(|&row| columns.iter().all(|c| c[row].is_finite())).collect();
    let taken: Vec<Vec<f64>> = columns.iter().map(|c| complete.iter().map(|&row| c[row]).collect()).collect();
    correlations(&taken.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use med_schema::FeatureColumn;

    use super::*;

    #[test]
    fn both_ways_of_computing_agree() {
        let a: Vec<f64> = (0..200).map(|i| f64::from(i * 37 % 101)).collect();
        let b: Vec<f64> = (0..200).map(|i| f64::from(i * 53 % 89) + f64::from(i)).collect();
        let constant = vec![0.1; 200];
        let fast = correlations(&[&a, &b]);
        let pairwise = correlations(&[&a, &b, &constant]);
        assert!((fast[(0, 1)] - pairwise[(0, 1)]).abs() < 1e-14);
        assert_eq!((fast[(0, 0)], fast[(0, 1)]), (1.0, fast[(1, 0)]));
        assert!(pairwise[(0, 2)].is_nan() && pairwise[(2, 2)].is_nan());
    }

    #[test]
    fn undefined_is_null_in_json() {
        let x = FeatureMatrix::new(vec![
            FeatureColumn::numeric("a", vec![1.0, 2.0, 4.0]),
            FeatureColumn::numeric("c", vec![5.0; 3]),
            FeatureColumn::from_texts("plan", [Some("x"), None, None]),
        ])
        .unwrap();
        let matrix = CorrelationMatrix::of(&x);
        let json = serde_json::to_string(&matrix).unwrap();
        assert_eq!(json, r#"{"features":["a","c"],"r":[[1.0,null],[null,null]]}"#);
        assert_eq!(serde_json::from_str::<CorrelationMatrix>(&json).unwrap().features(), matrix.features());
        assert_eq!((matrix.get("a", "a"), matrix.get("a", "c"), matrix.get("a", "b")), (Some(1.0), None, None));
    }
}
