//! A row of weight 0 is no row, whatever it holds.

use med_model::{
    ElasticNetPath, FitError, FitOptions, Folds, Gbdt, GbdtParams, Glm, GlmParams, GlmPoisson, GlmSummary,
    LeastSquaresSummary, MODEL_NAMES, Metric, ModelSpec, Objective, RandomForest, RegressionMetrics, Regressor,
    RobustCovariance, RobustSummary, Search, SearchSpace, Tuned, TwoPart, TwoPartSummary, smartcore,
};
use med_schema::{Dataset, FeatureColumn, FeatureMatrix};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

/// Costs that follow two columns; every third row has weight 0.
fn columns(n: usize, seed: u64) -> (Vec<f64>, Vec<f64>, Vec<f64>, Vec<f64>) {
    let mut random = rand_pcg::Pcg64::seed_from_u64(seed);
    let mut draw = |low: f64, high: f64| (0..n).map(|_| random.random_range(low..high)).collect::<Vec<f64>>();
    let (age, visits, noise) = (draw(20.0, 80.0), draw(0.0, 9.0), draw(0.5, 1.5));
    let cost: Vec<f64> = (0..n).map(|i| noise[i] * (50.0 + 2.0 * age[i] + 30.0 * visits[i])).collect();
    let mut weights = draw(0.5, 2.0);
    weights.iter_mut().step_by(3).for_each(|w| *w = 0.0);
    (age, visits, cost, weights)
}

/// The dataset with `strange` costs in the rows of weight 0, and the one without these rows.
fn with_and_without(n: usize, seed: u64, strange: impl Fn(usize) -> f64) -> (Dataset, Dataset) {
    let (mut age, visits, mut cost, weights) = columns(n, seed);
    for i in (0..n).filter(|&i| weights[i] == 0.0) {
        cost[i] = strange(i);
        age[i] = if i % 2 == 0 { -1e9 } else { 1e200 };
    }
    let x = vec![FeatureColumn::numeric("age", age), FeatureColumn::numeric("visits", visits)];
    let whole = Dataset::new(FeatureMatrix::new(x).unwrap(), "cost", cost).unwrap();
    let whole = whole.with_weights(weights.clone()).unwrap();
    let counted: Vec<usize> = (0..n).filter(|&i| weights[i] > 0.0).collect();
    let part = whole.take(&counted).unwrap();
    (whole, part)
}

fn absurd(i: usize) -> f64 {
    [-5.0, 0.0, 1e300, -1e300, f64::MIN_POSITIVE][i / 3 % 5]
}

/// All that take weights, and what of their parameters counts or samples rows.
fn specs() -> Vec<ModelSpec> {
    let mut specs: Vec<(&str, Value)> =
        MODEL_NAMES.iter().filter(|n| !["knn", "svr"].contains(n)).map(|&n| (n, Value::Null)).collect();
    specs.extend([
        ("gbdt", json!({ "objective": "gamma" })),
        ("gbdt", json!({ "objective": "quantile", "alpha": 0.8 })),
        ("gbdt", json!({ "objective": "huber", "alpha": 50.0 })),
        ("gbdt", json!({ "objective": "regression_l1" })),
        ("gbdt", json!({ "early_stopping_round": 3, "learning_rate": 0.3 })),
        ("gbdt", json!({ "bagging_fraction": 0.5, "bagging_freq": 1 })),
        ("two_part", json!({ "engine": "gbdt" })),
        ("log_ols", json!({ "smearing": "heteroscedastic" })),
        ("decision_tree", json!({ "thresholds": "binned" })),
        ("extra_trees", json!({ "bootstrap": true })),
        ("glm", json!({ "family": "inverse_gaussian", "link": "log" })),
    ]);
    specs
        .into_iter()
        .map(|(name, params)| {
            let params = match (name, params) {
                ("gbdt", Value::Null) => json!({ "num_iterations": 20 }),
                ("random_forest", Value::Null) => json!({ "n_trees": 10 }),
                (_, params) => params,
            };
            ModelSpec::parse(name, &params).unwrap()
        })
        .collect()
}

#[test]
fn every_model_is_the_one_without_the_row() {
    let (whole, part) = with_and_without(240, 1, absurd);
    let mut failures = Vec::new();
    for spec in specs() {
        let label = format!("{} {}", spec.name(), spec.parameters());
        let expected = spec.fit(&part).unwrap_or_else(|e| panic!("{label}: {e}"));
        match spec.fit(&whole) {
            Ok(found) if found == expected => {}
            Ok(_) => failures.push(format!("{label}: another model")),
            Err(error) => failures.push(format!("{label}: {error}")),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn so_is_what_is_learnt_beside_models() {
    let (whole, part) = with_and_without(240, 2, absurd);
    let path = |data: &Dataset| ElasticNetPath::default().path(data).unwrap();
    assert_eq!(path(&whole), path(&part));
    assert_eq!(LeastSquaresSummary::fit(&whole).unwrap(), LeastSquaresSummary::fit(&part).unwrap());
    let hc3 = |data: &Dataset| RobustSummary::fit(data, RobustCovariance::Hc3).unwrap();
    assert_eq!(hc3(&whole), hc3(&part));
    let (people, of_part): (Vec<u32>, Vec<u32>) =
        ((0..240).map(|i| i / 4).collect(), (0..240).filter(|i| i % 3 != 0).map(|i| i / 4).collect());
    assert_eq!(
        RobustSummary::fit(&whole, RobustCovariance::Clusters(&people)).unwrap(),
        RobustSummary::fit(&part, RobustCovariance::Clusters(&of_part)).unwrap()
    );
    let params = TwoPart::default().params().clone();
    assert_eq!(TwoPartSummary::fit(&params, &whole).unwrap(), TwoPartSummary::fit(&params, &part).unwrap());
    let glm = Glm::new(GlmParams::default()).unwrap().fit(&part).unwrap();
    let summary = |data: &Dataset| GlmSummary::of(&glm, data, None, &Default::default()).unwrap();
    assert_eq!(summary(&whole), summary(&part));
    let space = SearchSpace::new("decision_tree", json!({ "min_samples_leaf": 4 })).unwrap();
    let tuned = Tuned { space, search: Search { trials: 2, ..Search::default() }, folds: 3 };
    assert_eq!(tuned.fit(&whole).unwrap(), tuned.fit(&part).unwrap());
    let cart = smartcore::DecisionTree::default();
    assert_eq!(cart.fit(&whole).unwrap(), cart.fit(&part).unwrap());
    let (forest, judged) = RandomForest::default().fit_with_out_of_bag(&whole).unwrap();
    let (expected, of_part) = RandomForest::default().fit_with_out_of_bag(&part).unwrap();
    assert_eq!((forest, judged.r2, judged.predictions.len()), (expected, of_part.r2, 240));
    let counted: Vec<f64> = (0..240).filter(|i| i % 3 != 0).map(|i| judged.predictions[i]).collect();
    assert_eq!(counted, of_part.predictions);
}

#[test]
fn validation_parts_offsets_and_metrics_leave_it_out_too() {
    let (whole, part) = with_and_without(240, 3, absurd);
    let offset: Vec<f64> = (0..240).map(|i| if i % 3 == 0 { f64::NAN } else { (i as f64).sin() }).collect();
    let of_part: Vec<f64> = offset.iter().copied().filter(|o| o.is_finite()).collect();
    let poisson = GlmPoisson::default();
    let expected = poisson.fit_with_offset(&part, &of_part).unwrap();
    assert_eq!(poisson.fit_with_offset(&whole, &offset).unwrap(), expected);
    let params = GbdtParams { num_iterations: 30, early_stopping_round: 4, learning_rate: 0.5, ..Default::default() };
    let boosting = Gbdt::new(params).unwrap();
    let fit = |data: &Dataset, offset: &[f64]| {
        let options = FitOptions::default().validation(data).offset(offset).validation_offset(offset);
        boosting.fit_with(data, options).unwrap()
    };
    assert_eq!(fit(&whole, &offset), fit(&part, &of_part));

    let predicted = |data: &Dataset| vec![250.0; data.n_rows()];
    let metrics = |data: &Dataset| {
        let weights = data.weights().map(|w| w.to_vec());
        RegressionMetrics::of(&data.y().to_vec(), &predicted(data), weights.as_deref()).unwrap()
    };
    let (found, expected) = (metrics(&whole), metrics(&part));
    assert_eq!(found, expected);
    assert!([Metric::Rmse, Metric::D2Gamma, Metric::Gini].iter().all(|&m| found.get(m).is_some()), "{found:?}");
}

#[test]
fn errors_name_the_rows_of_the_whole() {
    let (whole, _) = with_and_without(30, 4, absurd);
    let mut cost = whole.y().to_vec();
    cost[16] = -1.0;
    let wrong = Dataset::new(whole.x().clone(), "cost", cost).unwrap();
    let wrong = wrong.with_weights(whole.weights().unwrap().to_vec()).unwrap();
    for (name, params) in [
        ("two_part", json!({})),
        ("two_part", json!({ "engine": "gbdt" })),
        ("log_ols", json!({})),
        ("eee", json!({})),
        ("glm_gamma", json!({})),
        ("gbdt", json!({ "objective": "tweedie" })),
        ("gbdt", json!({ "objective": "tweedie", "early_stopping_round": 2, "validation_fraction": 0.05 })),
    ] {
        let error = ModelSpec::parse(name, &params).unwrap().fit(&wrong).unwrap_err().to_string();
        assert!(error.contains("row 16"), "{name} {params}: {error}");
    }
    let age: Vec<f64> = (0..30).map(|i| if i == 16 { f64::INFINITY } else { f64::from(i) }).collect();
    let infinite = whole.with_features(FeatureMatrix::new(vec![FeatureColumn::numeric("age", age)]).unwrap()).unwrap();
    for spec in specs() {
        let error = spec.fit(&infinite).unwrap_err();
        assert!(matches!(error, FitError::Input(_)), "{} {error}", spec.name());
        assert!(error.to_string().contains("row 16"), "{} {error}", spec.name());
    }
}

#[test]
fn what_is_no_number_is_refused_all_the_same() {
    let (whole, _) = with_and_without(30, 6, absurd);
    // Nor is there anything to learn from rows that do not count alone.
    assert!(whole.clone().with_weights(vec![0.0; 30]).is_err());
    for bad in [f64::NAN, f64::INFINITY] {
        let mut cost = whole.y().to_vec();
        cost[3] = bad;
        let error = Dataset::new(whole.x().clone(), "cost", cost).unwrap_err().to_string();
        assert!(error.contains("row 3"), "{error}");
        let error = whole.clone().with_weights((0..30).map(|i| if i == 3 { bad } else { 0.0 }).collect::<Vec<_>>());
        assert!(error.unwrap_err().to_string().contains("row 3"));
    }
}

#[test]
fn a_fold_judges_by_the_rows_that_count() {
    let (whole, _) = with_and_without(240, 7, absurd);
    let found = med_model::cross_validate(
        &ModelSpec::parse("glm_gamma", &Value::Null).unwrap(),
        &whole,
        &Folds::shuffled(240, 4, 1).unwrap(),
    );
    assert!(found.unwrap().pooled.rmse.is_some_and(|rmse| rmse < 200.0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Few values, so that many splits gain the same.
    #[test]
    fn trees_with_many_ties_are_those_without_the_row(
        rows in prop::collection::vec((0..4_u8, 0..3_u8, 0..3_u8, 0..3_u8).prop_map(|(a, b, c, d)| [a, b, c, d]), 4..60),
        leaf in 1..4_usize,
        binned in any::<bool>(),
    ) {
        let column = |f: &dyn Fn(&[u8; 4]) -> u8| rows.iter().map(|r| f64::from(f(r))).collect::<Vec<f64>>();
        let columns = vec![
            FeatureColumn::numeric("a", column(&|r| r[0])),
            FeatureColumn::numeric("b", column(&|r| r[1])),
            FeatureColumn::from_texts("c", rows.iter().map(|r| Some(["x", "y", "z"][r[2] as usize]))),
        ];
        let y: Vec<f64> = rows.iter().enumerate().map(|(i, r)| f64::from(r[3] + r[0] / 2) + (i % 2) as f64).collect();
        let weights: Vec<f64> = rows.iter().enumerate().map(|(i, r)| f64::from((usize::from(r[3]) + i) % 3 != 0)).collect();
        prop_assume!(weights.contains(&1.0));
        let whole = Dataset::new(FeatureMatrix::new(columns).unwrap(), "y", y).unwrap();
        let whole = whole.with_weights(weights.clone()).unwrap();
        let part = whole.take(&(0..rows.len()).filter(|&i| weights[i] > 0.0).collect::<Vec<_>>()).unwrap();
        let thresholds = if binned { "binned" } else { "exact" };
        for (name, params) in [
            ("decision_tree", json!({ "min_samples_leaf": leaf, "thresholds": thresholds })),
            ("random_forest", json!({ "min_samples_leaf": leaf, "n_trees": 2 })),
            ("extra_trees", json!({ "min_samples_leaf": leaf, "n_trees": 2 })),
            ("gbdt", json!({ "min_data_in_leaf": leaf, "num_iterations": 2, "objective": "regression" })),
        ] {
            let spec = ModelSpec::parse(name, &params).unwrap();
            prop_assert_eq!(spec.fit(&whole).unwrap(), spec.fit(&part).unwrap(), "{}", name);
        }
        let gbdt = Gbdt::new(GbdtParams { objective: Objective::Regression, ..Default::default() }).unwrap();
        prop_assert_eq!(gbdt.warnings(&whole), gbdt.warnings(&part));
    }
}
