//! Pairwise correlation of features.

use med_schema::FeatureMatrix;
use ndarray::{Array2, ArrayView2};
use ndarray_stats::CorrelationExt;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::complete_pairs;
use super::correlation::coefficient;

/// Pearson's correlation of each numeric feature with each other. Shape: features x features, symmetric, 1 on the diagonal.
///
/// Without missing values it is one matrix product; with missing values each pair is over the rows where both have one, and the
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
    let odd = |c: &&[f64]| super::is_constant(c) || c.iter().any(|v| !v.is_finite());
    let mut r = match Array2::from_shape_vec((p, n), columns.concat()) {
        Ok(rows) if n >= 3 && !columns.iter().any(odd) => {
            rows.pearson_correlation().unwrap_or_else(|_| Array2::from_elem((p, p), f64::NAN))
        }
        _ => {
            let pairs: Vec<f64> = (0..p * p)
                .into_par_iter()
                .map(|at| {
                    let (i, j) = (at / p, at % p);
                    if i >= j {
                        return f64::NAN;
                    }
                    let (x, y) = complete_pairs(columns[i], columns[j]);
                    coefficient(&x, &y).unwrap_or(f64::NAN)
                })
                .collect();
            Array2::from_shape_vec((p, p), pairs).unwrap_or_else(|_| Array2::from_elem((p, p), f64::NAN))
        }
    };
    for i in 0..p {
        for j in 0..i {
            r[(i, j)] = r[(j, i)].clamp(-1.0, 1.0);
            r[(j, i)] = r[(i, j)];
        }
        let (x, _) = complete_pairs(columns[i], columns[i]);
        r[(i, i)] = if coefficient(&x, &x).is_some() { 1.0 } else { f64::NAN };
    }
    r
}

/// Correlations over the rows that are complete and finite in all columns; NaN where not defined.
pub(crate) fn correlation_rows(columns: &[&[f64]]) -> Array2<f64> {
    let n = columns.first().map_or(0, |c| c.len());
    let complete: Vec<usize> = (0..n).filter(|&row| columns.iter().all(|c| c[row].is_finite())).collect();
    if complete.len() == n {
        return correlations(columns);
    }
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
