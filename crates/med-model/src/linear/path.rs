//! Whole regularisation paths of lasso, elastic net and ridge, and the choice of a point on one.
//!
//! The Gram matrix is taken once. The penalty falls on a geometric grid from `alpha_max = max_j |x_j'Wy| / (W l1_ratio)`, above
//! which all coefficients are 0, and every point starts from the solution before (Friedman, Hastie and Tibshirani 2010), so
//! that a hundred penalties cost `O(n p^2)` and some milliseconds. Features are not standardised, as elsewhere here.
//!
//! Degrees of freedom are those of Zou, Hastie and Tibshirani 2007 (Ann Stat 35:2173): `tr(G_A (G_A + W l2 I)^-1)` over the
//! features that are in, and one for the intercept. `AIC = n ln(rss/n) + 2 df`, `BIC = n ln(rss/n) + df ln n`. Cross-validation
//! takes sums of products for every fold and subtracts them from those of all rows, so `k` folds cost one pass, not `k`; the
//! rule of one standard error takes the largest penalty whose error is within one standard error of the least (Breiman et
//! al. 1984).

use med_schema::Dataset;
use nalgebra::DMatrix;
use serde::{Deserialize, Serialize};

use super::elastic_net::CoordinateDescent;
use super::{LinearModel, moments, problem, training_set};
use crate::counted::of_counted;
use crate::linalg::cholesky::Cholesky;
use crate::linalg::dot;
use crate::linalg::moments::{Moments, Problem, Sums};
use crate::parameters::{Parameters, checked_estimator, require};
use crate::{FitError, ParameterError, Regressor};

/// The grid starts where the lasso would with at least this share of the absolute penalty, as in glmnet.
const LEAST_L1_RATIO: f64 = 1e-3;
/// Runs of neighbouring rows that a fold has at least, where there are as many rows.
const RUNS_A_FOLD: usize = 100;
/// Rows of a run at most.
const LONGEST_RUN: usize = 256;

/// How a point of the path is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Selection {
    /// The least AIC.
    Aic,
    /// The least BIC.
    Bic,
    /// The least cross-validated error.
    CrossValidation,
    /// The largest penalty whose cross-validated error is within one standard error of the least.
    #[default]
    OneStandardError,
}

/// Parameters of [`ElasticNetPath`].
///
/// | parameter | meaning | default | range |
/// | --- | --- | --- | --- |
/// | `l1_ratio` | share of the absolute penalty: 1 is the lasso, 0 ridge | 1 | [0, 1] |
/// | `n_alphas` | penalties on the grid | 100 | [1, 10000] |
/// | `alpha_min_ratio` | smallest penalty over the largest | 1e-4 | (0, 1) |
/// | `alphas` | penalties instead of a grid | none | finite, above 0 |
/// | `fit_intercept` | whether there is an intercept; it is not penalised | `true` | |
/// | `selection` | `aic`, `bic`, `cross_validation`, `one_standard_error` | `one_standard_error` | |
/// | `folds` | folds of the cross-validation | 10 | [2, 1000] |
/// | `seed` | seed of the assignment of rows to folds | 0 | |
/// | `max_iterations` | sweeps over the features for a penalty before it is an error | 100000 | [1, inf) |
/// | `tolerance` | duality gap to reach, as a share of the variance of the target | 1e-10 | (0, 1) |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ElasticNetPathParams {
    /// Share of the absolute penalty.
    pub l1_ratio: f64,
    /// Penalties on the grid.
    pub n_alphas: usize,
    /// Smallest penalty over the largest.
    pub alpha_min_ratio: f64,
    /// Penalties instead of a grid.
    pub alphas: Option<Vec<f64>>,
    /// Whether there is an intercept.
    pub fit_intercept: bool,
    /// How a point is chosen.
    pub selection: Selection,
    /// Folds of the cross-validation.
    pub folds: usize,
    /// Seed of the assignment of rows to folds.
    pub seed: u64,
    /// Sweeps for a penalty before it is an error.
    pub max_iterations: usize,
    /// Duality gap to reach, as a share of the variance of the target.
    pub tolerance: f64,
}

impl Default for ElasticNetPathParams {
    fn default() -> Self {
        Self {
            l1_ratio: 1.0,
            n_alphas: 100,
            alpha_min_ratio: 1e-4,
            alphas: None,
            fit_intercept: true,
            selection: Selection::default(),
            folds: 10,
            seed: 0,
            max_iterations: 100_000,
            tolerance: 1e-10,
        }
    }
}

impl Parameters for ElasticNetPathParams {
    const MODEL: &'static str = "elastic_net_path";

    fn check(&self) -> Result<(), ParameterError> {
        let Self { l1_ratio, n_alphas, alpha_min_ratio, folds, max_iterations, tolerance, .. } = *self;
        let between = |v: f64| v > 0.0 && v < 1.0;
        require::<Self>((0.0..=1.0).contains(&l1_ratio), "l1_ratio", "a number from 0 to 1", l1_ratio)?;
        require::<Self>((1..=10_000).contains(&n_alphas), "n_alphas", "1 to 10000", n_alphas)?;
        require::<Self>(between(alpha_min_ratio), "alpha_min_ratio", "a number between 0 and 1", alpha_min_ratio)?;
        for &alpha in self.alphas.iter().flatten() {
            require::<Self>(alpha > 0.0 && alpha.is_finite(), "alphas", "finite numbers above 0", alpha)?;
        }
        require::<Self>(self.alphas.as_ref().is_none_or(|a| !a.is_empty()), "alphas", "at least one", "none")?;
        require::<Self>((2..=1000).contains(&folds), "folds", "2 to 1000", folds)?;
        require::<Self>(max_iterations >= 1, "max_iterations", "at least 1", max_iterations)?;
        require::<Self>(between(tolerance), "tolerance", "a number between 0 and 1", tolerance)
    }
}

checked_estimator! {
    /// [`ElasticNet`](crate::ElasticNet) for many penalties at once; fitting chooses one of them.
    ///
    /// ```
    /// use med_model::{ElasticNetPath, Regressor};
    /// use med_schema::{Dataset, FeatureColumn, FeatureMatrix};
    /// let age: Vec<f64> = (0..60).map(|i| 20.0 + f64::from(i)).collect();
    /// let noise: Vec<f64> = (0..60).map(|i| f64::from((i * 37) % 11)).collect();
    /// let cost: Vec<f64> = age.iter().zip(&noise).map(|(a, n)| 50.0 * a + 100.0 * (n - 5.0)).collect();
    /// let x = FeatureMatrix::new(vec![FeatureColumn::numeric("age", age)])?;
    /// let train = Dataset::new(x, "cost", cost)?;
    /// let path = ElasticNetPath::default().path(&train)?;
    /// assert_eq!(path.points.len(), 100);
    /// assert_eq!(path.points[0].coefficients, [0.0]);
    /// let model = ElasticNetPath::default().fit(&train)?;
    /// assert_eq!(model.coefficients(), path.points[path.selected].coefficients);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ElasticNetPath from ElasticNetPathParams
}

/// One penalty and what comes of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PathPoint {
    /// The penalty.
    pub alpha: f64,
    /// The prediction where all features are 0.
    pub intercept: f64,
    /// One coefficient a feature.
    pub coefficients: Vec<f64>,
    /// Effective number of parameters, the intercept included.
    pub df: f64,
    /// Share of the weighted variance of the training rows explained.
    pub r2: f64,
    /// Akaike's criterion.
    pub aic: f64,
    /// Schwarz's criterion.
    pub bic: f64,
    /// Sweeps of coordinate descent; 0 for ridge.
    pub iterations: usize,
    /// Mean squared error on rows left out, and its standard error over the folds; `None` if it was not asked for.
    pub cv_error: Option<(f64, f64)>,
}

/// Coefficients for falling penalties, and the point chosen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RegularisationPath {
    /// The points, the largest penalty first.
    pub points: Vec<PathPoint>,
    /// Position of the point chosen.
    pub selected: usize,
}

impl Regressor for ElasticNetPath {
    type Fitted = LinearModel;

    fn fit(&self, train: &Dataset) -> Result<LinearModel, FitError> {
        let (path, features, moments) = self.fit_path(train)?;
        let RegularisationPath { mut points, selected } = path;
        let PathPoint { coefficients, iterations, .. } = points.swap_remove(selected);
        LinearModel::new(ElasticNetPathParams::MODEL, features, &moments, coefficients, &[], iterations)
    }
}

impl ElasticNetPath {
    /// All points of the path.
    ///
    /// # Errors
    /// As [`Regressor::fit`]: features the model cannot take, fewer rows than folds, a penalty that does not converge.
    pub fn path(&self, train: &Dataset) -> Result<RegularisationPath, FitError> {
        self.fit_path(train).map(|(path, ..)| path)
    }

    fn fit_path(&self, train: &Dataset) -> Result<(RegularisationPath, med_schema::FeatureSchema, Moments), FitError> {
        of_counted(train, ElasticNetPathParams::MODEL, |train| self.path_of_counted(train))
    }

    fn path_of_counted(
        &self,
        train: &Dataset,
    ) -> Result<(RegularisationPath, med_schema::FeatureSchema, Moments), FitError> {
        const MODEL: &str = ElasticNetPathParams::MODEL;
        let set = training_set(train, MODEL)?;
        let n = set.n_weighted();
        let problem = problem(&set, self.params.fit_intercept);
        let moments = moments(train, MODEL, &problem)?;
        let alphas = self.alphas(&moments);
        let mut points = self.points(&moments, &alphas, n)?;
        if matches!(self.params.selection, Selection::CrossValidation | Selection::OneStandardError) {
            if n < self.params.folds {
                return Err(FitError::TooFewRows { model: MODEL, expected: self.params.folds, found: n });
            }
            self.cross_validate(&problem, &alphas, &mut points)?;
        }
        let selected = self.select(&points);
        Ok((RegularisationPath { points, selected }, set.features.clone(), moments))
    }

    /// The penalties, falling.
    fn alphas(&self, moments: &Moments) -> Vec<f64> {
        let ElasticNetPathParams { l1_ratio, n_alphas, alpha_min_ratio, .. } = self.params;
        if let Some(alphas) = &self.params.alphas {
            let mut alphas = alphas.clone();
            alphas.sort_by(|a, b| b.total_cmp(a));
            return alphas;
        }
        let largest = moments.xty.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
        // A target that no feature says anything about: any penalty will do.
        let largest = if largest > 0.0 { largest / moments.total_weight / l1_ratio.max(LEAST_L1_RATIO) } else { 1.0 };
        let step = |k: usize| k as f64 / (n_alphas.max(2) - 1) as f64;
        (0..n_alphas).map(|k| largest * alpha_min_ratio.powf(step(k))).collect()
    }

    fn points(&self, moments: &Moments, alphas: &[f64], n: usize) -> Result<Vec<PathPoint>, FitError> {
        let ElasticNetPathParams { l1_ratio, max_iterations, tolerance, .. } = self.params;
        let mut descent = CoordinateDescent::new(moments);
        let (w, n) = (moments.total_weight, n as f64);
        let mut points = Vec::with_capacity(alphas.len());
        for &alpha in alphas {
            let (l1, l2) = (alpha * l1_ratio, alpha * (1.0 - l1_ratio));
            let (coefficients, mean_square, iterations) = if l1 == 0.0 {
                let b = ridge(moments, l2 * w);
                let fitted = &moments.gram * nalgebra::DVector::from_column_slice(&b);
                let square = moments.yty - 2.0 * dot(&moments.xty, &b) + dot(fitted.as_slice(), &b);
                (b, square.max(0.0) / w, 0)
            } else {
                let model = ElasticNetPathParams::MODEL;
                let iterations = descent.run(model, None, (l1, l2), max_iterations, tolerance)?;
                (descent.b.iter().map(|b| b + 0.0).collect(), descent.mean_square(), iterations)
            };
            let df = degrees_of_freedom(moments, &coefficients, l2) + f64::from(u8::from(self.params.fit_intercept));
            let variance = moments.yty / w;
            // A perfect fit is worth as much as rounding leaves of it.
            let log_likelihood = n * mean_square.max(f64::EPSILON * variance).max(f64::MIN_POSITIVE).ln();
            points.push(PathPoint {
                alpha,
                intercept: moments.intercept_of(&coefficients),
                coefficients,
                df,
                r2: if variance > 0.0 { 1.0 - mean_square / variance } else { 0.0 },
                aic: log_likelihood + 2.0 * df,
                bic: log_likelihood + n.ln() * df,
                iterations,
                cv_error: None,
            });
        }
        Ok(points)
    }

    /// Errors of the rows of every fold under the path of the other folds.
    fn cross_validate(&self, problem: &Problem<'_>, alphas: &[f64], points: &mut [PathPoint]) -> Result<(), FitError> {
        let folds = self.fold_sums(problem, &problem.shifts());
        let Some(all) = Sums::total(&folds) else { return Ok(()) };
        // Mean squared error and weight, by fold, of every penalty.
        let mut errors: Vec<Vec<(f64, f64)>> = vec![Vec::new(); alphas.len()];
        for fold in folds.iter().filter(|f| f.weight() > 0.0) {
            let rest = all.without(fold).centred(self.params.fit_intercept);
            for (point, errors) in self.points(&rest, alphas, 1)?.iter().zip(&mut errors) {
                let square = fold.squared_error(point.intercept, &point.coefficients);
                errors.push((square / fold.weight(), fold.weight()));
            }
        }
        for (point, errors) in points.iter_mut().zip(&errors) {
            let weight: f64 = errors.iter().map(|(_, w)| w).sum();
            let mean = errors.iter().map(|(e, w)| w * e).sum::<f64>() / weight;
            let spread = errors.iter().map(|(e, w)| w * (e - mean) * (e - mean)).sum::<f64>() / weight;
            // glmnet's standard error of the mean over the folds.
            point.cv_error = Some((mean, (spread / (errors.len().max(2) - 1) as f64).sqrt()));
        }
        Ok(())
    }

    /// Sums of the rows of every fold. Rows with weight are dealt out after a shuffle; where there are many, in runs of up
    /// to 256 neighbours, so that memory is read in order.
    fn fold_sums(&self, problem: &Problem<'_>, shifts: &[f64]) -> Vec<Sums> {
        use rand::SeedableRng;
        use rand::seq::SliceRandom;
        let weighted = |i: &usize| problem.weights.is_none_or(|w| w[*i] > 0.0);
        let rows: Vec<usize> = (0..problem.y.len()).filter(weighted).collect();
        let run = (rows.len() / (RUNS_A_FOLD * self.params.folds)).clamp(1, LONGEST_RUN);
        let mut runs: Vec<&[usize]> = rows.chunks(run).collect();
        runs.shuffle(&mut rand_pcg::Pcg64::seed_from_u64(self.params.seed));
        let fold = |k: usize| {
            let dealt = runs.iter().skip(k).step_by(self.params.folds);
            let mut own: Vec<usize> = dealt.flat_map(|run| run.iter().copied()).collect();
            own.sort_unstable();
            let take = |values: &[f64]| own.iter().map(|&i| values[i]).collect::<Vec<f64>>();
            let columns: Vec<Vec<f64>> = problem.columns.iter().map(|c| take(c)).collect();
            let columns: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
            let (y, weights) = (take(problem.y), problem.weights.map(take));
            Problem { columns: &columns, y: &y, weights: weights.as_deref(), ..*problem }.sums(shifts.to_vec())
        };
        (0..self.params.folds).map(fold).collect()
    }

    fn select(&self, points: &[PathPoint]) -> usize {
        let least = |value: &dyn Fn(&PathPoint) -> f64| {
            let smaller = |best: usize, k: usize| if value(&points[k]) < value(&points[best]) { k } else { best };
            (0..points.len()).fold(0, smaller)
        };
        let error = |p: &PathPoint| p.cv_error.map_or(f64::INFINITY, |(mean, _)| mean);
        match self.params.selection {
            Selection::Aic => least(&|p| p.aic),
            Selection::Bic => least(&|p| p.bic),
            Selection::CrossValidation => least(&error),
            Selection::OneStandardError => {
                let best = least(&error);
                let bound = points[best].cv_error.map_or(0.0, |(mean, se)| mean + se);
                points.iter().position(|p| error(p) <= bound).unwrap_or(best)
            }
        }
    }
}

fn ridge(moments: &Moments, penalty: f64) -> Vec<f64> {
    Cholesky::new(&penalised(&moments.gram, penalty), 0.0).solve(&moments.xty)
}

fn penalised(gram: &DMatrix<f64>, penalty: f64) -> DMatrix<f64> {
    let mut gram = gram.clone();
    (0..gram.nrows()).for_each(|j| gram[(j, j)] += penalty);
    gram
}

/// `tr(G_A (G_A + W l2 I)^-1) = |A| - W l2 tr((G_A + W l2 I)^-1)`.
fn degrees_of_freedom(moments: &Moments, b: &[f64], l2: f64) -> f64 {
    let active: Vec<usize> = (0..b.len()).filter(|&j| b[j] != 0.0).collect();
    let n = active.len();
    if l2 == 0.0 {
        return n as f64;
    }
    let penalty = moments.total_weight * l2;
    let gram = DMatrix::from_fn(n, n, |i, j| moments.gram[(active[i], active[j])]);
    n as f64 - penalty * Cholesky::new(&penalised(&gram, penalty), 0.0).inverse().trace()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ElasticNet, ElasticNetParams};
    use med_schema::{FeatureColumn, FeatureMatrix};

    /// Six features, of which two matter.
    fn dataset(n: usize, p: usize) -> Dataset {
        use rand::{RngExt, SeedableRng};
        let mut random = rand_pcg::Pcg64::seed_from_u64(11);
        let mut draw = |scale: f64| (0..n).map(|_| random.random_range(-scale..scale)).collect::<Vec<f64>>();
        let columns: Vec<Vec<f64>> = (0..p).map(|j| draw(0.5 * (1 + j) as f64)).collect();
        let y = draw(1.0).into_iter().enumerate().map(|(i, e)| 5.0 * columns[0][i] - 2.0 * columns[1][i] + e + 10.0);
        let y: Vec<f64> = y.collect();
        let column = |j: usize| FeatureColumn::numeric(format!("x{j}"), columns[j].clone());
        Dataset::new(FeatureMatrix::new((0..p).map(column).collect()).unwrap(), "y", y).unwrap()
    }

    fn path(params: ElasticNetPathParams, data: &Dataset) -> RegularisationPath {
        ElasticNetPath::new(params).unwrap().path(data).unwrap()
    }

    #[test]
    fn points_are_the_fits_of_their_penalties() {
        let data = dataset(200, 6);
        for l1_ratio in [1.0, 0.4, 0.0] {
            let params = ElasticNetPathParams { l1_ratio, n_alphas: 12, ..Default::default() };
            let path = path(params, &data);
            assert!(path.points.windows(2).all(|w| w[0].alpha > w[1].alpha && w[0].r2 <= w[1].r2 + 1e-12));
            for point in &path.points {
                let params = ElasticNetParams { alpha: point.alpha, l1_ratio, ..Default::default() };
                let single = ElasticNet::new(params).unwrap().fit(&data).unwrap();
                assert!((single.intercept() - point.intercept).abs() < 1e-9);
                for (a, b) in single.coefficients().iter().zip(&point.coefficients) {
                    assert!((a - b).abs() < 1e-9, "{l1_ratio} {}: {a} {b}", point.alpha);
                }
            }
        }
    }

    #[test]
    fn the_largest_penalty_is_the_first_that_leaves_nothing() {
        let data = dataset(200, 6);
        let points = path(ElasticNetPathParams::default(), &data).points;
        assert!(points[0].coefficients.iter().all(|b| *b == 0.0) && points[0].df == 1.0 && points[0].r2.abs() < 1e-12);
        assert!(points[1].coefficients.iter().any(|b| *b != 0.0));
    }

    #[test]
    fn every_rule_finds_the_features_that_matter() {
        let data = dataset(400, 6);
        for selection in [Selection::Aic, Selection::Bic, Selection::CrossValidation, Selection::OneStandardError] {
            let path = path(ElasticNetPathParams { selection, ..Default::default() }, &data);
            let b = &path.points[path.selected].coefficients;
            assert!((b[0] - 5.0).abs() < 1.0 && (b[1] + 2.0).abs() < 0.5, "{selection:?} {b:?}");
            let cross_validated = path.points.iter().all(|p| p.cv_error.is_some());
            assert_eq!(cross_validated, !matches!(selection, Selection::Aic | Selection::Bic));
        }
        let of = |selection| path(ElasticNetPathParams { selection, ..Default::default() }, &data).selected;
        assert!(of(Selection::OneStandardError) <= of(Selection::CrossValidation));
        assert!(of(Selection::Bic) <= of(Selection::Aic));
    }

    /// The errors by sums of products are those of models fitted on the other folds.
    #[test]
    fn errors_of_the_folds_are_those_of_fits_without_them() {
        let data = dataset(60, 4);
        let alpha = 0.1;
        let params = ElasticNetPathParams { alphas: Some(vec![alpha]), folds: 60, ..Default::default() };
        let (found, _) = path(params, &data).points[0].cv_error.unwrap();
        let lasso = ElasticNet::new(ElasticNetParams { alpha, l1_ratio: 1.0, ..Default::default() }).unwrap();
        let left_out = |i: usize| {
            let rest = data.take(&(0..60).filter(|&r| r != i).collect::<Vec<_>>()).unwrap();
            let own = data.take(&[i]).unwrap();
            let predicted = crate::Model::predict(&lasso.fit(&rest).unwrap(), own.x()).unwrap()[0];
            (own.y()[0] - predicted).powi(2)
        };
        let expected = (0..60).map(left_out).sum::<f64>() / 60.0;
        assert!((found / expected - 1.0).abs() < 1e-8, "{found} {expected}");
    }

    #[test]
    fn more_features_than_rows() {
        let data = dataset(30, 50);
        for l1_ratio in [1.0, 0.5, 0.0] {
            let params = ElasticNetPathParams { l1_ratio, folds: 5, ..Default::default() };
            let path = path(params, &data);
            assert!(path.points.iter().all(|p| p.intercept.is_finite() && p.df < 31.0), "{l1_ratio}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let refused = |params: ElasticNetPathParams| ElasticNetPath::new(params).is_err();
        assert!(refused(ElasticNetPathParams { folds: 1, ..Default::default() }));
        assert!(refused(ElasticNetPathParams { alphas: Some(vec![]), ..Default::default() }));
        assert!(refused(ElasticNetPathParams { alphas: Some(vec![f64::NAN]), ..Default::default() }));
        assert!(ElasticNetPath::default().path(&dataset(5, 2)).is_err());
    }
}
