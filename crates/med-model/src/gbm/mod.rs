//! Gradient-boosted trees.
//!
//! Minimises `sum w loss(y, base + offset + sum of leaves)` by one regression tree a round, grown for first and second
//! derivatives of the loss at the present scores: Friedman 2001 (Ann Stat 29:1189) with second-order leaf values
//! `-G / (H + lambda)` (Chen and Guestrin 2016), on binned features (LightGBM: Ke et al. 2017). Time O(rows x features) a
//! level of a tree.
//!
//! One idea a file. The loop: `params`, `objective` (losses and links), `boost` (checks and the loop), `rounds` (one round),
//! `sampling`, `control` (validation, progress, stopping), `model`, `sums`. The engine: `binning` turns values into bytes,
//! `derivatives` fixes their units, `histogram` sums them, `splitter` finds the best split of a leaf, `rule` is what it
//! says of bins, `partition` knows which rows a leaf holds, `grower` grows a tree within the limits of `growth`, `carry` saves
//! the pass over all rows for the next.
//!
//! Derivatives are summed as integers and losses on a grid, which add up the same in any order. So the model depends neither
//! on the order of the rows nor on the number of threads, to the last bit.

mod binning;
mod boost;
mod carry;
mod control;
mod derivatives;
mod grower;
mod growth;
mod histogram;
mod model;
mod objective;
mod pace;
mod params;
mod partition;
mod rounds;
mod rule;
mod sampling;
mod splitter;
mod sums;

use crate::parameters::checked_estimator;
pub(crate) use binning::{BinColumns, BinOptions, BinSet, Bins, LevelOptions, MISSING_BIN};
pub use control::{FitOptions, Halt, LearningCurve, Progress};
pub use model::{FittedObjective, GbdtModel, Importance};
pub use objective::{Link, Warning};
pub use params::{BinLayout, Calibration, GbdtParams, GrowPolicy, MonotoneConstraints, Objective};

checked_estimator! {
    /// Gradient-boosted regression trees. Takes missing values: each split learns which way they go.
    ///
    /// ```
    /// use med_model::{Gbdt, GbdtParams, Model, Regressor};
    /// use med_schema::{Dataset, FeatureColumn, FeatureMatrix};
    /// let bmi: Vec<f64> = (0..200).map(|i| if i % 10 == 0 { f64::NAN } else { f64::from(i % 40) }).collect();
    /// let cost: Vec<f64> = bmi.iter().map(|&b| if b > 30.0 { 9000.0 } else { 2000.0 }).collect();
    /// let x = FeatureMatrix::new(vec![FeatureColumn::numeric("bmi", bmi)])?;
    /// let boosting = Gbdt::new(GbdtParams { learning_rate: 0.5, ..GbdtParams::default() })?;
    /// let model = boosting.fit(&Dataset::new(x.clone(), "cost", cost)?)?;
    /// assert!((model.predict(&x)?[35] - 9000.0).abs() < 1.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    Gbdt from GbdtParams
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Model, Regressor};
    use med_schema::{Dataset, FeatureColumn, FeatureMatrix};

    const SQUARED: Objective = Objective::Regression;

    fn data(n: usize) -> Dataset {
        let a: Vec<f64> = (0..n).map(|i| ((i * 37) % 101) as f64).collect();
        let b: Vec<f64> = (0..n).map(|i| if i % 6 == 0 { f64::NAN } else { ((i * 13) % 7) as f64 }).collect();
        let y = a.iter().zip(&b).map(|(a, b)| if b.is_nan() { 500.0 } else { a * b }).collect::<Vec<_>>();
        let x = FeatureMatrix::new(vec![FeatureColumn::numeric("a", a), FeatureColumn::numeric("b", b)]).unwrap();
        Dataset::new(x, "y", y).unwrap()
    }

    fn error(model: &GbdtModel, data: &Dataset) -> f64 {
        let p = model.predict(data.x()).unwrap();
        (&p - &data.y()).mapv(|e| e * e).sum()
    }

    #[test]
    fn more_trees_fit_better_and_missing_values_are_learnt() {
        let data = data(600);
        let fit = |num_iterations| {
            let params = GbdtParams { objective: SQUARED, num_iterations, min_data_in_leaf: 5, ..Default::default() };
            Gbdt::new(params).unwrap().fit(&data).unwrap()
        };
        let (one, few, many) = (error(&fit(1), &data), error(&fit(10), &data), error(&fit(200), &data));
        assert!(one > few && few > many && many < 0.001 * one, "{one} {few} {many}");
    }

    #[test]
    fn one_full_step_to_pure_leaves_reproduces_the_target() {
        let x = FeatureMatrix::new(vec![FeatureColumn::numeric("a", vec![1.0, 2.0, 3.0, f64::NAN])]).unwrap();
        let data = Dataset::new(x, "y", vec![10.0, -4.0, 7.5, 100.0]).unwrap();
        let params = GbdtParams {
            objective: SQUARED,
            num_iterations: 1,
            learning_rate: 1.0,
            min_data_in_leaf: 1,
            ..Default::default()
        };
        let model = Gbdt::new(params).unwrap().fit(&data).unwrap();
        for (p, y) in model.predict(data.x()).unwrap().iter().zip(data.y()) {
            assert!((p - y).abs() < 1e-6, "{p} {y}");
        }
    }

    #[test]
    fn a_target_without_variance_needs_no_tree() {
        let x = FeatureMatrix::new(vec![FeatureColumn::numeric("a", (0..50).map(f64::from).collect::<Vec<_>>())]);
        let data = Dataset::new(x.unwrap(), "y", vec![12.5; 50]).unwrap();
        let squared = Gbdt::new(GbdtParams { objective: SQUARED, ..Default::default() }).unwrap().fit(&data).unwrap();
        assert_eq!((squared.base(), squared.n_trees()), (12.5, 0));
        let tweedie = Gbdt::default().fit(&data).unwrap();
        assert_eq!((tweedie.objective().name(), tweedie.n_trees()), (Objective::Tweedie, 0));
        assert!((tweedie.predict(data.x()).unwrap()[7] - 12.5).abs() < 1e-12);
    }

    #[test]
    fn the_l2_penalty_shrinks_leaves() {
        let data = data(300);
        let spread = |lambda_l2| {
            let params = GbdtParams { objective: SQUARED, lambda_l2, num_iterations: 1, ..Default::default() };
            let p = Gbdt::new(params).unwrap().fit(&data).unwrap().predict(data.x()).unwrap();
            p.std(0.0)
        };
        assert!(spread(0.0) > spread(100.0) && spread(100.0) > spread(10_000.0));
    }

    #[test]
    fn depth_limits_hold() {
        let params = GbdtParams { max_depth: 2, num_iterations: 3, min_data_in_leaf: 1, ..Default::default() };
        let model = Gbdt::new(params).unwrap().fit(&data(300)).unwrap();
        assert!(model.ensemble.trees.iter().all(|t| t.n_leaves() <= 4));
    }
}
