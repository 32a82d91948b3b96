//! Standard errors that hold when the variance is not the same for all people, or people of a group are alike.
//!
//! With `u_i = (1, x_i)`, `A = sum w u u'`, residuals `e` and leverages `h_i = w_i u_i' A^-1 u_i`:
//!
//! ```text
//! covariance = A^-1 (sum_i c_i w_i^2 e_i^2 u_i u_i') A^-1
//! HC0: c = 1 (White 1980);  HC1: c = n/(n - k);  HC2: c = 1/(1 - h);  HC3: c = 1/(1 - h)^2 (MacKinnon and White 1985)
//! clusters g: A^-1 (sum_g s_g s_g') A^-1 c,  s_g = sum_{i in g} w_i e_i u_i,  c = G/(G - 1) (n - 1)/(n - k)
//! ```
//!
//! A row that its own column fits (`h = 1`) has no residual and adds nothing.
//!
//! Costs are skewed, so the variance is never the same: HC3 is the one to take on small data, and clusters where a person
//! has several rows. One more pass over the rows: `O(n p^2)`, `O(n p)` for clusters, which also need `G (p + 1)` numbers.

use std::collections::HashMap;
use std::ops::Range;

use med_schema::Dataset;
use nalgebra::DMatrix;
use serde::{Deserialize, Serialize};

use super::inference::{intervals, t_tests};
use super::{LinearParams, moments, problem, solve, training_set};
use crate::counted::Counted;
use crate::linalg::gram::{Gram, ROWS, RowBlock};
use crate::linalg::moments::{Moments, Problem, for_chunks};
use crate::parameters::Parameters;
use crate::{FitError, ParameterError};

const MODEL: &str = LinearParams::MODEL;
/// A row of this leverage is one that a column fits alone, such as a level of one row: its residual is 0, and what is left of
/// it and of `1 - h` is rounding, of which a correction would make any number.
const FITS_ITSELF: f64 = 1.0 - 1e-8;

/// How the covariance of the coefficients is estimated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RobustCovariance<'a> {
    /// White's estimator.
    Hc0,
    /// `HC0 n / (n - k)`.
    Hc1,
    /// Squared residuals over `1 - h`: without bias if the variance is constant after all.
    Hc2,
    /// Squared residuals over `(1 - h)^2`, near the jackknife.
    Hc3,
    /// Rows of the same number belong together; one number a row.
    #[serde(skip)]
    Clusters(&'a [u32]),
}

/// Coefficients of least squares with an intercept, and robust standard errors.
///
/// Vectors start with the intercept and follow the features; an aliased feature has error and statistic 0 and p-value 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RobustSummary {
    /// Intercept and coefficients.
    pub coefficients: Vec<f64>,
    /// Roots of the diagonal of the covariance.
    pub standard_errors: Vec<f64>,
    /// Coefficient over standard error.
    pub t: Vec<f64>,
    /// Two-sided p-values by Student's t.
    pub p_values: Vec<f64>,
    /// Rows with weight less coefficients; with clusters, clusters less one.
    pub df: f64,
    /// Covariance of intercept and coefficients, one row each.
    pub covariance: Vec<Vec<f64>>,
}

impl RobustSummary {
    /// Fits least squares with an intercept and estimates the covariance of the coefficients.
    ///
    /// ```
    /// use med_model::{RobustCovariance, RobustSummary};
    /// use med_schema::{Dataset, FeatureColumn, FeatureMatrix};
    /// let age = vec![30.0, 40.0, 50.0, 60.0, 70.0];
    /// let x = FeatureMatrix::new(vec![FeatureColumn::numeric("age", age)])?;
    /// let train = Dataset::new(x, "cost", vec![700.0, 950.0, 1080.0, 1300.0, 1700.0])?;
    /// let summary = RobustSummary::fit(&train, RobustCovariance::Hc3)?;
    /// assert!(summary.standard_errors[1] > 0.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Linear`](crate::Linear)'s fit; when no degree of freedom is left for the errors, clusters are fewer than two, or
    /// there are not as many numbers of clusters as rows.
    pub fn fit(train: &Dataset, kind: RobustCovariance<'_>) -> Result<Self, FitError> {
        let counted = Counted::new(train, MODEL)?;
        let RobustCovariance::Clusters(clusters) = kind else { return counted.fit(|train| Self::of(train, kind)) };
        if clusters.len() != train.n_rows() {
            let (expected, found) = (train.n_rows(), clusters.len());
            return Err(FitError::TooFewRows { model: "a covariance by clusters", expected, found });
        }
        let clusters = counted.take(clusters);
        counted.fit(|train| Self::of(train, RobustCovariance::Clusters(&clusters)))
    }

    fn of(train: &Dataset, kind: RobustCovariance<'_>) -> Result<Self, FitError> {
        let set = training_set(train, MODEL)?;
        let problem = problem(&set, true);
        let moments = moments(train, MODEL, &problem)?;
        let (b, factor) = solve::least_squares(&problem, &moments);
        let (n, k) = (set.n_weighted(), factor.rank() + 1);
        if n <= k {
            return Err(FitError::TooFewRows { model: MODEL, expected: k + 1, found: n });
        }
        let fit = Fit { problem: &problem, moments: &moments, inverse: &factor.inverse(), b: &b };
        let (n, k) = (n as f64, k as f64);
        let (meat, df) = match kind {
            RobustCovariance::Hc0 => (fit.meat(|_| 1.0, false), n - k),
            RobustCovariance::Hc1 => (fit.meat(|_| 1.0, false) * (n / (n - k)), n - k),
            RobustCovariance::Hc2 => (fit.meat(|h| 1.0 / (1.0 - h), true), n - k),
            RobustCovariance::Hc3 => (fit.meat(|h| 1.0 / ((1.0 - h) * (1.0 - h)), true), n - k),
            RobustCovariance::Clusters(clusters) => {
                let (meat, groups) = fit.cluster_meat(clusters);
                if groups < 2 {
                    return Err(FitError::TooFewRows { model: "a covariance by clusters", expected: 2, found: groups });
                }
                let groups = groups as f64;
                (meat * (groups / (groups - 1.0) * (n - 1.0) / (n - k)), groups - 1.0)
            }
        };
        let covariance = fit.covariance(&meat);
        let standard_errors: Vec<f64> = covariance.diagonal().iter().map(|v| v.max(0.0).sqrt()).collect();
        let coefficients: Vec<f64> = std::iter::once(moments.intercept_of(&b)).chain(b.iter().copied()).collect();
        let (t, p_values) = t_tests(&coefficients, &standard_errors, df)?;
        let covariance = covariance.row_iter().map(|row| row.iter().copied().collect()).collect();
        Ok(Self { coefficients, standard_errors, t, p_values, df, covariance })
    }

    /// Confidence intervals of intercept and coefficients by Student's t, `level` such as 0.95.
    ///
    /// # Errors
    /// When the level is not between 0 and 1.
    pub fn confidence_intervals(&self, level: f64) -> Result<Vec<[f64; 2]>, ParameterError> {
        intervals(&self.coefficients, &self.standard_errors, self.df, level)
    }
}

struct Fit<'a> {
    problem: &'a Problem<'a>,
    moments: &'a Moments,
    /// `(X'WX)^-1` of the centred features.
    inverse: &'a DMatrix<f64>,
    b: &'a [f64],
}

impl Fit<'_> {
    /// `sum_i c(h_i) w_i^2 e_i^2 u_i u_i'`, with the features centred and the constant last.
    fn meat(&self, correction: impl Fn(f64) -> f64 + Sync, leverages: bool) -> DMatrix<f64> {
        let p = self.b.len();
        let part = |block: &mut RowBlock, rows: Range<usize>| {
            let mut gram = Gram::new(p + 2);
            let (mut factors, mut h) = ([0.0; ROWS], [0.0; ROWS]);
            for start in rows.step_by(ROWS) {
                self.scores(block, &mut factors, start);
                if leverages {
                    self.leverages(block, start, &mut h);
                    factors.iter_mut().zip(&h).for_each(|(f, &h)| {
                        *f *= if h < FITS_ITSELF { correction(h).sqrt() } else { 0.0 };
                    });
                }
                block.scale_rows(&factors);
                gram.add(block);
            }
            gram
        };
        let mut total: Option<Gram> = None;
        let buffers = || RowBlock::new(p + 2);
        for_chunks(self.problem.y.len(), (p + 2) * (p + 2), buffers, part, |gram| match &mut total {
            Some(total) => total.merge(&gram),
            None => total = Some(gram),
        });
        let products = total.map_or_else(|| DMatrix::zeros(p + 2, p + 2), |t| t.to_matrix());
        // The target stands between the features and the constant.
        products.remove_row(p).remove_column(p)
    }

    /// Centred features and the constant in the block, and `w_i e_i` of every row.
    fn scores(&self, block: &mut RowBlock, scores: &mut [f64; ROWS], start: usize) {
        let p = self.b.len();
        let centres: Vec<f64> = self.moments.means.iter().copied().chain([self.moments.y_mean]).collect();
        self.problem.fill(block, scores, &centres, start);
        let mut fitted = [0.0; ROWS];
        block.times(self.b, &mut fitted);
        let y = block.column(p);
        for i in 0..ROWS {
            let weight = scores[i] * scores[i];
            scores[i] = weight * (y[i] - fitted[i]);
        }
    }

    fn leverages(&self, block: &RowBlock, start: usize, h: &mut [f64; ROWS]) {
        h.fill(1.0 / self.moments.total_weight);
        let mut through = [0.0; ROWS];
        for j in 0..self.b.len() {
            let row: Vec<f64> = self.inverse.column(j).iter().copied().collect();
            block.times(&row, &mut through);
            h.iter_mut().zip(&through).zip(block.column(j)).for_each(|((h, t), x)| *h += t * x);
        }
        if let Some(weights) = self.problem.weights {
            h.iter_mut().zip(&weights[start..]).for_each(|(h, w)| *h *= w);
        }
    }

    /// `sum_g s_g s_g'` and the number of clusters that have weight.
    fn cluster_meat(&self, clusters: &[u32]) -> (DMatrix<f64>, usize) {
        let p = self.b.len();
        let n = self.problem.y.len();
        let mut places: HashMap<u32, usize> = HashMap::new();
        let mut sums: Vec<Vec<f64>> = Vec::new();
        let (mut block, mut scores) = (RowBlock::new(p + 2), [0.0; ROWS]);
        for start in (0..n).step_by(ROWS) {
            self.scores(&mut block, &mut scores, start);
            for (i, &cluster) in clusters[start..].iter().enumerate().take(ROWS) {
                if self.problem.weights.is_some_and(|w| w[start + i] == 0.0) {
                    continue;
                }
                // Places follow the order of the rows, so that the sums below do not depend on the map.
                let place = *places.entry(cluster).or_insert(sums.len());
                if place == sums.len() {
                    sums.push(vec![0.0; p + 1]);
                }
                for (j, sum) in sums[place].iter_mut().enumerate() {
                    *sum += scores[i] * block.column(if j < p { j } else { p + 1 })[i];
                }
            }
        }
        let mut meat = DMatrix::zeros(p + 1, p + 1);
        for sum in &sums {
            let sum = nalgebra::DVector::from_column_slice(sum);
            meat.ger(1.0, &sum, &sum, 1.0);
        }
        (meat, sums.len())
    }

    /// `A^-1 meat A^-1` for intercept and coefficients.
    fn covariance(&self, meat: &DMatrix<f64>) -> DMatrix<f64> {
        let p = self.b.len();
        // Rows of the bread: the intercept, which is the level at the means less the way to x = 0, and the coefficients.
        let mut bread = DMatrix::zeros(p + 1, p + 1);
        bread[(0, p)] = 1.0 / self.moments.total_weight;
        let means = nalgebra::DVector::from_column_slice(&self.moments.means);
        let way = self.inverse * means;
        for j in 0..p {
            bread[(0, j)] = -way[j];
            bread.view_mut((1, j), (p, 1)).copy_from(&self.inverse.column(j));
        }
        &bread * meat * bread.transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use med_schema::{FeatureColumn, FeatureMatrix};

    fn dataset(n: usize) -> Dataset {
        let a: Vec<f64> = (0..n).map(|i| (i % 17) as f64).collect();
        let b: Vec<f64> = (0..n).map(|i| (i as f64 * 0.7).sin() * 100.0).collect();
        let y = (0..n).map(|i| 3.0 * a[i] - b[i] + a[i] * (i as f64 * 1.3).cos()).collect::<Vec<f64>>();
        let x = FeatureMatrix::new(vec![FeatureColumn::numeric("a", a), FeatureColumn::numeric("b", b)]).unwrap();
        Dataset::new(x, "y", y).unwrap()
    }

    #[test]
    fn clusters_of_one_row_are_hc0_but_for_the_correction() {
        let (n, k) = (300.0, 3.0);
        let data = dataset(300);
        let own: Vec<u32> = (0..300).rev().collect();
        let clusters = RobustSummary::fit(&data, RobustCovariance::Clusters(&own)).unwrap();
        let white = RobustSummary::fit(&data, RobustCovariance::Hc0).unwrap();
        let correction: f64 = n / (n - 1.0) * (n - 1.0) / (n - k);
        for (a, b) in clusters.standard_errors.iter().zip(&white.standard_errors) {
            assert!((a / b - correction.sqrt()).abs() < 1e-10);
        }
        assert_eq!(clusters.df, 299.0);
    }

    #[test]
    fn a_person_written_down_twice_is_one_cluster() {
        let data = dataset(100);
        let twice = data.take(&(0..200).map(|i| i / 2).collect::<Vec<_>>()).unwrap();
        let person: Vec<u32> = (0..200).map(|i| i / 2).collect();
        let once = RobustSummary::fit(&data, RobustCovariance::Hc0).unwrap();
        let found = RobustSummary::fit(&twice, RobustCovariance::Clusters(&person)).unwrap();
        let correction: f64 = 100.0 / 99.0 * 199.0 / 197.0;
        for (a, b) in found.standard_errors.iter().zip(&once.standard_errors) {
            assert!((a / b - correction.sqrt()).abs() < 1e-10);
        }
    }

    /// A level of one row is fitted by its own column: it says nothing of the errors of the others.
    #[test]
    fn a_level_of_one_row_changes_nothing_but_the_degrees_of_freedom() {
        for at in [0, 7, 29] {
            let all = dataset(30);
            let mut columns = all.x().columns().to_vec();
            columns.push(FeatureColumn::numeric(
                "one",
                (0..30).map(|i| f64::from(u8::from(i == at))).collect::<Vec<f64>>(),
            ));
            let with = all.clone().with_features(FeatureMatrix::new(columns).unwrap()).unwrap();
            let without = all.take(&(0..30).filter(|&i| i != at).collect::<Vec<_>>()).unwrap();
            for kind in [RobustCovariance::Hc0, RobustCovariance::Hc2, RobustCovariance::Hc3] {
                let (a, b) = (RobustSummary::fit(&with, kind).unwrap(), RobustSummary::fit(&without, kind).unwrap());
                for (a, b) in a.standard_errors.iter().zip(&b.standard_errors) {
                    assert!((a / b - 1.0).abs() < 1e-9, "{at} {kind:?}: {a} {b}");
                }
                assert!(a.standard_errors[3].is_finite());
            }
        }
    }

    #[test]
    fn groups_that_cannot_be_are_refused() {
        let data = dataset(20);
        assert!(RobustSummary::fit(&data, RobustCovariance::Clusters(&[1; 20])).is_err());
        assert!(RobustSummary::fit(&data, RobustCovariance::Clusters(&[1, 2])).is_err());
        assert!(RobustSummary::fit(&dataset(3), RobustCovariance::Hc0).is_err());
    }

    #[test]
    fn intervals_are_as_wide_as_they_should_be() {
        // t quantile 0.975 with 17 degrees of freedom.
        let found = RobustSummary::fit(&dataset(20), RobustCovariance::Hc3).unwrap();
        let [low, high] = found.confidence_intervals(0.95).unwrap()[1];
        assert!(((high - low) / found.standard_errors[1] / 2.0 - 2.109_815_577_833_181).abs() < 1e-9);
        assert!(found.confidence_intervals(1.0).is_err() && found.confidence_intervals(f64::NAN).is_err());
    }
}
