//! What must hold for every model by its name: weights, order of rows and columns, constant columns, explanations, and what
//! no model may take.

use med_model::{Explain, MODEL_NAMES, Model, ModelSpec, Regressor, ShapScale};
use med_schema::{Dataset, FeatureColumn, FeatureMatrix, MISSING};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use serde_json::{Value, json};

/// Every model, trees with leaves so small that one row more matters, and without limits that count rows and not weights.
fn specs() -> Vec<ModelSpec> {
    let spec = |name: &&str| {
        let params = match *name {
            "decision_tree" => json!({ "min_samples_leaf": 1, "max_depth": 5 }),
            "random_forest" => json!({ "min_samples_leaf": 1, "n_trees": 5 }),
            "extra_trees" => json!({ "min_samples_leaf": 1, "n_trees": 5 }),
            "gbdt" => json!({ "min_data_in_leaf": 1, "min_data_in_bin": 1, "num_iterations": 20 }),
            _ => Value::Null,
        };
        ModelSpec::parse(name, &params).unwrap()
    };
    let binned = json!({ "min_samples_leaf": 1, "max_depth": 5, "thresholds": "binned" });
    MODEL_NAMES.iter().map(spec).chain([ModelSpec::parse("decision_tree", &binned).unwrap()]).collect()
}

/// Skewed costs with zeros, or without for models that take none.
fn data(n: usize, seed: u64, model: &str) -> Dataset {
    let mut random = Pcg64::seed_from_u64(seed);
    let names = ["age", "bmi", "visits", "income"];
    let columns: Vec<Vec<f64>> = names.iter().map(|_| (0..n).map(|_| random.random::<f64>() * 3.0).collect()).collect();
    let least = if ["glm", "glm_gamma", "log_ols"].contains(&model) { 1.0 } else { 0.0 };
    let cost = (0..n).map(|i| {
        let mean = (columns[0][i] + 0.5 * columns[2][i]).exp();
        if random.random::<f64>() < 0.4 { least } else { least + mean * (0.2 + 2.0 * random.random::<f64>()) }
    });
    let cost: Vec<f64> = cost.collect();
    let columns = names.into_iter().zip(columns).map(|(name, values)| FeatureColumn::numeric(name, values));
    Dataset::new(FeatureMatrix::new(columns.collect()).unwrap(), "cost", cost).unwrap()
}

fn assert_same(label: &str, found: &[f64], expected: &[f64], relative: f64) {
    for (found, expected) in found.iter().zip(expected) {
        let close = (found - expected).abs() <= relative * (1.0 + expected.abs());
        assert!(close, "{label}: found {found}, expected {expected}");
    }
}

fn predict(spec: &ModelSpec, train: &Dataset, x: &FeatureMatrix) -> Vec<f64> {
    spec.fit(train).unwrap_or_else(|e| panic!("{}: {e}", spec.name())).predict(x).unwrap().to_vec()
}

/// How close two fits are that add up the same in another order.
fn tolerance(spec: &ModelSpec) -> f64 {
    match spec.name() {
        // Iterate to a tolerance.
        "lasso" | "elastic_net" | "glm" | "glm_gamma" | "glm_poisson" | "glm_tweedie" | "two_part" | "eee" => 1e-5,
        _ => 1e-8,
    }
}

#[test]
fn a_row_twice_is_a_row_of_weight_two() {
    // A bootstrap draws rows, so a row twice is drawn twice as often and not drawn with twice the weight.
    for spec in specs().iter().filter(|s| !["random_forest", "knn", "svr"].contains(&s.name())) {
        let data = data(120, 3, spec.name());
        let weights: Vec<f64> = (0..120).map(|i| if i % 3 == 0 { 2.0 } else { 1.0 }).collect();
        let rows: Vec<usize> = (0..120).flat_map(|i| vec![i; if i % 3 == 0 { 2 } else { 1 }]).collect();
        let twice = predict(spec, &data.take(&rows).unwrap(), data.x());
        let heavy = predict(spec, &data.clone().with_weights(weights).unwrap(), data.x());
        assert_same(spec.name(), &heavy, &twice, tolerance(spec));
    }
}

#[test]
fn the_order_of_rows_does_not_matter() {
    // The solver of `svr` visits rows in their order and stops early, within its tolerance.
    for spec in specs().iter().filter(|s| !["random_forest", "svr"].contains(&s.name())) {
        let data = data(150, 4, spec.name());
        let mut order: Vec<usize> = (0..150).collect();
        order.sort_by_key(|i| i * 7919 % 1013);
        let shuffled = predict(spec, &data.take(&order).unwrap(), data.x());
        assert_same(spec.name(), &shuffled, &predict(spec, &data, data.x()), tolerance(spec));
    }
}

#[test]
fn the_order_of_columns_and_a_constant_column_do_not_matter() {
    // The solver of `svr` stops early, and rounding decides where.
    for spec in specs().iter().filter(|s| s.name() != "svr") {
        let data = data(150, 5, spec.name());
        let expected = predict(spec, &data, data.x());
        // Chance draws columns by their place.
        if !["random_forest", "extra_trees"].contains(&spec.name()) {
            let other = data.x().select(["income", "visits", "bmi", "age"]).unwrap();
            let found = predict(spec, &data.clone().with_features(other.clone()).unwrap(), &other);
            assert_same(&format!("{}, order", spec.name()), &found, &expected, tolerance(spec));
        }
        for constant in [0.0, 1.0, -7.25e6] {
            let mut columns = data.x().columns().to_vec();
            columns.insert(2, FeatureColumn::numeric("constant", vec![constant; 150]));
            let wider = FeatureMatrix::new(columns).unwrap();
            let found = predict(spec, &data.clone().with_features(wider.clone()).unwrap(), &wider);
            assert_same(&format!("{}, constant {constant}", spec.name()), &found, &expected, tolerance(spec));
        }
    }
}

#[test]
fn what_no_model_may_take_is_refused_with_row_and_column() {
    let x = || FeatureMatrix::new(vec![FeatureColumn::numeric("age", vec![1.0, 2.0, 3.0])]).unwrap();
    let good = || Dataset::new(x(), "cost", vec![1.0, 2.0, 3.0]).unwrap();
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let target = Dataset::new(x(), "cost", vec![1.0, bad, 2.0]).unwrap_err().to_string();
        assert!(target.contains("cost") && target.contains("row 1"), "{target}");
        let weight = good().with_weights(vec![1.0, 1.0, bad]).unwrap_err().to_string();
        assert!(weight.contains("weight") && weight.contains("row 2"), "{weight}");
        let exposure = good().with_exposure(vec![bad, 1.0, 1.0]).unwrap_err().to_string();
        assert!(exposure.contains("exposure") && exposure.contains("row 0"), "{exposure}");
    }
    assert!(good().with_weights(vec![1.0, -1.0, 1.0]).is_err());
}

/// Numbers and levels, both with gaps.
fn with_gaps(n: usize, seed: u64) -> Dataset {
    let plain = data(n, seed, "");
    let mut random = Pcg64::seed_from_u64(seed + 1);
    let names = ["a", "b", "c", "d", "e"];
    let codes: Vec<u32> =
        (0..n).map(|_| if random.random_bool(0.1) { MISSING } else { random.random_range(0..5) }).collect();
    let mut columns = plain.x().columns().to_vec();
    let gaps: Vec<f64> =
        columns[1].as_numeric().unwrap().iter().map(|v| if *v < 0.5 { f64::NAN } else { *v }).collect();
    columns[1] = FeatureColumn::numeric("bmi", gaps);
    columns.push(FeatureColumn::categorical("city", codes, names.map(str::to_owned).to_vec()).unwrap());
    plain.with_features(FeatureMatrix::new(columns).unwrap()).unwrap()
}

#[test]
fn explanations_add_up_whatever_the_rows() {
    let (train, few) = (with_gaps(800, 7), with_gaps(3, 8));
    let weights: Vec<f64> = (0..800).map(|i| f64::from(i % 4)).collect();
    let weighted = train.clone().with_weights(weights).unwrap();
    for name in ["decision_tree", "random_forest", "extra_trees", "gbdt"] {
        for data in [&train, &weighted] {
            let model = ModelSpec::parse(name, &Value::Null).unwrap().fit(data).unwrap();
            for x in [train.x(), few.x()] {
                let (shap, predicted) = (model.explain(x).unwrap(), model.predict(x).unwrap());
                let scaled = |sum: &f64| if shap.scale == ShapScale::Log { sum.exp() } else { *sum };
                let sums: Vec<f64> = shap.sums().iter().map(scaled).collect();
                assert_same(name, &sums, predicted.as_slice().unwrap(), 1e-9);
            }
        }
    }
}

#[test]
fn one_hot_columns_of_few_levels_split_as_the_category_does() {
    for n_levels in 2..=4_usize {
        let mut random = Pcg64::seed_from_u64(20 + n_levels as u64);
        let codes: Vec<u32> = (0..300).map(|_| random.random_range(0..n_levels as u32)).collect();
        let cost: Vec<f64> = codes.iter().map(|c| f64::from(c * c) * 100.0 + random.random::<f64>()).collect();
        let levels: Vec<String> = (0..n_levels).map(|l| format!("l{l}")).collect();
        let native = FeatureColumn::categorical("city", codes.clone(), levels).unwrap();
        let dummies = (0..n_levels as u32).map(|l| {
            let values: Vec<f64> = codes.iter().map(|&c| f64::from(u8::from(c == l))).collect();
            FeatureColumn::numeric(format!("city={l}"), values)
        });
        let of = |columns: Vec<FeatureColumn>| {
            Dataset::new(FeatureMatrix::new(columns).unwrap(), "cost", cost.clone()).unwrap()
        };
        let (native, dummies) = (of(vec![native]), of(dummies.collect()));
        // Grown until a leaf has one level, both have the mean of each.
        for name in ["decision_tree", "gbdt"] {
            let params = match name {
                "gbdt" => json!({ "objective": "regression", "num_iterations": 1, "learning_rate": 1.0, "cat_l2": 0.0,
                    "cat_smooth": 0.0, "min_data_per_group": 1 }),
                _ => json!({ "max_leaf_nodes": n_levels }),
            };
            let spec = ModelSpec::parse(name, &params).unwrap();
            let (a, b) = (predict(&spec, &native, native.x()), predict(&spec, &dummies, dummies.x()));
            let mean = |level: u32| {
                let costs: Vec<f64> = (0..300).filter(|&i| codes[i] == level).map(|i| cost[i]).collect();
                costs.iter().sum::<f64>() / costs.len() as f64
            };
            let means: Vec<f64> = codes.iter().map(|&c| mean(c)).collect();
            if name == "gbdt" {
                assert_same(name, &a, &b, 1e-6);
            } else {
                assert_same(name, &a, &means, 1e-9);
                assert_same(name, &b, &means, 1e-9);
            }
        }
    }
}
