//! Trees and forests: against scikit-learn, against smartcore, and what must hold for any data.

use med_model::{
    DecisionTree, DecisionTreeParams, ExtraTrees, ExtraTreesParams, LightGbmModel, Model, RandomForest,
    RandomForestParams, Regressor, Thresholds, TreeEnsemble, evaluate, smartcore,
};
use med_schema::{Dataset, FeatureColumn, FeatureMatrix};
use proptest::prelude::*;

use crate::fixtures::{assert_close, clients, golden, insurance, insurance_with, numbers, small};

fn tree(params: DecisionTreeParams, data: &Dataset) -> TreeEnsemble {
    DecisionTree::new(params).unwrap().fit(data).unwrap()
}

fn rmse(model: &dyn Model, data: &Dataset) -> f64 {
    evaluate(model, data).unwrap().rmse.unwrap()
}

#[test]
fn trees_are_those_of_scikit_learn() {
    let data = insurance_with(|column| {
        // Codes in the order of the levels.
        let (codes, _) = column.as_categorical().unwrap();
        FeatureColumn::numeric(column.name(), codes.iter().map(|&c| f64::from(c)).collect::<Vec<_>>())
    });
    let trees = &golden("trees_shap.json")["cart"]["trees"];
    let leaf = |min_samples_leaf| DecisionTreeParams { min_samples_leaf, ..Default::default() };
    for (name, params) in [
        ("depth3", DecisionTreeParams { max_depth: Some(3), ..leaf(1) }),
        ("leaves8_minleaf20", DecisionTreeParams { max_leaf_nodes: Some(8), ..leaf(20) }),
        ("full_minleaf20", leaf(20)),
    ] {
        let (expected, model) = (&trees[name], tree(params, &data));
        assert_eq!(model.n_leaves() as u64, expected["n_leaves"].as_u64().unwrap(), "{name}");
        let predicted = model.predict(data.x()).unwrap();
        for (found, expected) in predicted.iter().zip(numbers(&expected["pred_first"])) {
            assert_close(name, *found, expected, 1e-12);
        }
        assert_close(name, rmse(&model, &data), expected["train_rmse"].as_f64().unwrap(), 1e-12);
        // Thresholds, values and numbers of rows, in any order of the nodes, from the text form.
        let Some(nodes) = expected["nodes"].as_array() else { continue };
        let text = model.to_lightgbm().unwrap();
        let line = |key: &str| -> Vec<f64> {
            let values = text.lines().find_map(|l| l.strip_prefix(key)).unwrap();
            values.split_whitespace().map(|v| v.parse().unwrap()).collect()
        };
        let sorted = |mut rows: Vec<[f64; 4]>| {
            rows.sort_by(|a, b| a[3].total_cmp(&b[3]).then(a[2].total_cmp(&b[2])));
            rows
        };
        let fields = [line("split_feature="), line("threshold="), line("internal_value="), line("internal_count=")];
        let found = sorted((0..fields[0].len()).map(|i| [0, 1, 2, 3].map(|f: usize| fields[f][i])).collect());
        let splits = nodes.iter().filter(|n| n["feature"].as_i64().unwrap() >= 0);
        let number = |node: &serde_json::Value, field: &str| node[field].as_f64().unwrap();
        let expected = sorted(splits.map(|n| ["feature", "threshold", "value", "n"].map(|f| number(n, f))).collect());
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!((found[0], found[3]), (expected[0], expected[3]), "{name}");
            // scikit-learn holds features as 32-bit floats.
            assert_close(name, found[1], expected[1], 1e-7);
            assert_close(name, found[2], expected[2], 1e-12);
        }
    }
}

#[test]
fn our_trees_fit_as_well_as_those_of_smartcore() {
    let (train, test) = clients();
    let theirs = smartcore::DecisionTree::default().fit(&train).unwrap();
    let ours = DecisionTree::default().fit(&train).unwrap();
    // The same greedy search; ties and midpoints may differ.
    assert_close("training error", rmse(&ours, &train), rmse(&theirs, &train), 0.01);
    assert_close("test error", rmse(&ours, &test), rmse(&theirs, &test), 0.05);
    let theirs = smartcore::RandomForest::default().fit(&train).unwrap();
    let ours = RandomForest::default().fit(&train).unwrap();
    assert!(rmse(&ours, &test) <= 1.05 * rmse(&theirs, &test), "{} {}", rmse(&ours, &test), rmse(&theirs, &test));
}

#[test]
fn the_training_error_of_a_full_tree_is_that_of_smartcore() {
    let data = small();
    for depth in 1..6 {
        let ours =
            tree(DecisionTreeParams { max_depth: Some(depth), min_samples_leaf: 3, ..Default::default() }, &data);
        let params =
            smartcore::DecisionTreeParams { max_depth: Some(depth), min_samples_leaf: 3, ..Default::default() };
        let theirs = smartcore::DecisionTree::new(params).unwrap().fit(&data).unwrap();
        assert!(rmse(&ours, &data) <= rmse(&theirs, &data) * (1.0 + 1e-9), "{depth}");
    }
}

#[test]
fn missing_values_learn_a_side_and_levels_are_split_as_sets() {
    let bmi = (0..60).map(|i| if i % 3 == 0 { f64::NAN } else { f64::from(i) }).collect::<Vec<_>>();
    let cost = |i: i32| if i % 3 == 0 || i > 30 { 9000.0 } else { 1000.0 };
    let x = FeatureMatrix::new(vec![FeatureColumn::numeric("bmi", bmi)]).unwrap();
    let data = Dataset::new(x, "cost", (0..60).map(cost).collect::<Vec<_>>()).unwrap();
    let model = tree(DecisionTreeParams { max_depth: Some(1), ..Default::default() }, &data);
    assert_eq!(model.predict(data.x()).unwrap(), data.y());
    let regions = ["north", "east", "south", "west"];
    let texts = (0..60).map(|i| regions.get(i % 5).copied());
    let cost = (0..60).map(|i| [10.0, 20.0, 11.0, 21.0, 10.5][i % 5]).collect::<Vec<_>>();
    let x = FeatureMatrix::new(vec![FeatureColumn::from_texts("region", texts)]).unwrap();
    let data = Dataset::new(x, "cost", cost).unwrap();
    let model = tree(DecisionTreeParams { max_depth: Some(1), ..Default::default() }, &data);
    let predicted = model.predict(data.x()).unwrap();
    for (i, expected) in [10.5, 20.5, 10.5, 20.5, 10.5].into_iter().enumerate() {
        assert_close("mean of the side", predicted[i], expected, 1e-12);
    }
    // One row at a time, codes in the order of the levels: east, north, south, west.
    assert_eq!(model.predict_row(&[0.0]).unwrap(), predicted[1]);
    assert_eq!(model.predict_row(&[f64::NAN]).unwrap(), predicted[4]);
    assert!(model.predict_row(&[4.0]).is_err() && model.predict_row(&[0.5]).is_err());
    // Written for LightGBM, whose missing categories always go right.
    let again = LightGbmModel::from_text(&model.to_lightgbm().unwrap()).unwrap();
    assert_eq!(again.predict(data.x()).unwrap(), predicted);
}

#[test]
fn any_number_of_threads_gives_the_same_forest() {
    let (data, _) = clients();
    let fit = |threads: usize| {
        let pool = rayon_pool(threads);
        pool.install(|| {
            let forest = RandomForestParams { n_trees: 4, ..Default::default() };
            let extra = ExtraTreesParams { n_trees: 4, ..Default::default() };
            (
                DecisionTree::default().fit(&data).unwrap(),
                RandomForest::new(forest).unwrap().fit_with_out_of_bag(&data).unwrap(),
                ExtraTrees::new(extra).unwrap().fit(&data).unwrap(),
            )
        })
    };
    let (one, three) = (fit(1), fit(3));
    assert!(one.0 == three.0 && one.1.0 == three.1.0 && one.2 == three.2);
    assert_eq!(one.1.1.r2, three.1.1.r2);
}

fn rayon_pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
}

#[test]
fn out_of_bag_rows_judge_the_forest_as_held_back_ones_do() {
    let (train, test) = clients();
    let (forest, out_of_bag) = RandomForest::default().fit_with_out_of_bag(&train).unwrap();
    assert_eq!(forest, RandomForest::default().fit(&train).unwrap());
    let held_back = evaluate(&forest, &test).unwrap().r2.unwrap();
    let found = out_of_bag.r2.unwrap();
    assert!((found - held_back).abs() < 0.02, "{found} {held_back}");
    assert!(out_of_bag.predictions.iter().filter(|p| p.is_nan()).count() < 3);
    let all = RandomForest::new(RandomForestParams { bootstrap: false, n_trees: 2, ..Default::default() }).unwrap();
    assert_eq!(all.fit_with_out_of_bag(&train).unwrap().1.r2, None);
}

#[test]
fn extra_trees_fit_and_differ_by_seed() {
    let (train, test) = clients();
    let fit = |seed| {
        let params = ExtraTreesParams { seed, max_features: Some(8), ..Default::default() };
        ExtraTrees::new(params).unwrap().fit(&train).unwrap()
    };
    assert_ne!(fit(1), fit(2));
    assert!(evaluate(&fit(1), &test).unwrap().r2.unwrap() > 0.93);
}

#[test]
fn rows_of_weight_zero_change_neither_the_thresholds_nor_which_are_tried() {
    let n = 30_000;
    let value = |row: usize| ((row * 7919) % 10_007) as f64;
    let x = FeatureMatrix::new(vec![FeatureColumn::numeric("x", (0..n).map(value).collect::<Vec<_>>())]).unwrap();
    let data = Dataset::new(x, "y", (0..n).map(|row| (value(row) / 700.0).sin() * 50.0).collect::<Vec<_>>()).unwrap();
    // With all rows thresholds lie between bins, with those that count they are exact.
    let weights: Vec<f64> = (0..n).map(|row| f64::from(u8::from(row % 3 == 0))).collect();
    let kept: Vec<usize> = (0..n).step_by(3).collect();
    for thresholds in [Thresholds::Auto, Thresholds::Binned] {
        let params = DecisionTreeParams { max_depth: Some(6), thresholds, ..Default::default() };
        let weighted = tree(params.clone(), &data.clone().with_weights(weights.clone()).unwrap());
        assert_eq!(weighted, tree(params, &data.take(&kept).unwrap()));
    }
}

/// 20 to 60 rows of two numbers, a level and a target.
fn rows() -> impl Strategy<Value = Vec<(f64, f64, Option<u8>, f64)>> {
    let number = prop_oneof![4 => -100.0..100.0_f64, 2 => (-3..3_i32).prop_map(f64::from), 1 => Just(f64::NAN)];
    let level = prop::option::weighted(0.9, 0..5_u8);
    prop::collection::vec((number, -9.0..9.0_f64, level, -100.0..1000.0_f64), 20..60)
}

fn dataset(rows: &[(f64, f64, Option<u8>, f64)]) -> Dataset {
    let names = ["a", "b", "c", "d", "e"];
    let x = FeatureMatrix::new(vec![
        FeatureColumn::numeric("x", rows.iter().map(|r| r.0).collect::<Vec<_>>()),
        FeatureColumn::numeric("z", rows.iter().map(|r| r.1).collect::<Vec<_>>()),
        FeatureColumn::categorical(
            "level",
            rows.iter().map(|r| r.2.map_or(med_schema::MISSING, u32::from)).collect::<Vec<_>>(),
            names.map(str::to_owned).to_vec(),
        )
        .unwrap(),
    ]);
    Dataset::new(x.unwrap(), "y", rows.iter().map(|r| r.3).collect::<Vec<_>>()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn order_of_rows_weights_and_empty_rows_mean_what_they_say(rows in rows(), seed in 0..100_usize) {
        let data = dataset(&rows);
        let params = DecisionTreeParams { min_samples_leaf: 1, max_depth: Some(4), ..Default::default() };
        let model = tree(params.clone(), &data);
        let n = rows.len();
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by_key(|i| (i * 7919 + seed * 104_729) % 1013);
        prop_assert_eq!(&tree(params.clone(), &data.take(&order).unwrap()), &model);
        // All rows twice are all rows with weight 2.
        let twice = tree(params.clone(), &data.take(&[&order[..], &order[..]].concat()).unwrap());
        let heavy = tree(params.clone(), &data.clone().with_weights(vec![2.0; n]).unwrap());
        let (twice, heavy) = (twice.predict(data.x()).unwrap(), heavy.predict(data.x()).unwrap());
        for (a, b) in twice.iter().zip(&heavy) {
            prop_assert!((a - b).abs() < 1e-9);
        }
        // Rows of weight 0 are none.
        let weights: Vec<f64> = (0..n).map(|i| f64::from(u8::from(i % 3 != 0))).collect();
        let kept: Vec<usize> = (0..n).filter(|i| i % 3 != 0).collect();
        let weighted = tree(params.clone(), &data.clone().with_weights(weights).unwrap());
        let (a, b) = (weighted.predict(data.x()).unwrap(), tree(params, &data.take(&kept).unwrap()).predict(data.x()).unwrap());
        for (a, b) in a.iter().zip(&b) {
            prop_assert!((a - b).abs() < 1e-9);
        }
    }

    #[test]
    fn leaves_keep_their_rows_and_the_mean_is_kept(rows in rows(), least in 1..8_usize) {
        let data = dataset(&rows);
        let model = tree(DecisionTreeParams { min_samples_leaf: least, ..Default::default() }, &data);
        let predicted = model.predict(data.x()).unwrap();
        let mut counts = std::collections::HashMap::new();
        predicted.iter().for_each(|p| *counts.entry(p.to_bits()).or_insert(0) += 1);
        prop_assert!(counts.values().all(|&n| n >= least));
        prop_assert!((predicted.sum() - data.y().sum()).abs() < 1e-7);
        let text = model.to_lightgbm().unwrap();
        prop_assert_eq!(LightGbmModel::from_text(&text).unwrap().predict(data.x()).unwrap(), predicted);
        let forest = RandomForestParams { n_trees: 3, min_samples_leaf: least, ..Default::default() };
        let forest = RandomForest::new(forest).unwrap().fit(&data).unwrap();
        let extra = ExtraTreesParams { n_trees: 3, min_samples_leaf: least, ..Default::default() };
        let extra = ExtraTrees::new(extra).unwrap().fit(&data).unwrap();
        let (low, high) = data.y().iter().fold((f64::MAX, f64::MIN), |(l, h), &y| (l.min(y), h.max(y)));
        for p in forest.predict(data.x()).unwrap().iter().chain(&extra.predict(data.x()).unwrap()) {
            prop_assert!((low - 1e-9..=high + 1e-9).contains(p));
        }
    }
}

#[test]
fn bins_give_the_exact_tree_where_every_value_has_its_own() {
    let data = insurance_with(FeatureColumn::clone);
    // Ages, children and categories only: bmi has more than 255 values.
    let few = data.x().select(["age", "sex", "children", "smoker", "region"]).unwrap();
    let data = data.with_features(few).unwrap();
    for weighted in [false, true] {
        let weights: Vec<f64> =
            (0..data.n_rows()).map(|i| if weighted { 0.1 + (i % 7) as f64 / 3.0 } else { 1.0 }).collect();
        let data = data.clone().with_weights(weights).unwrap();
        let by = |thresholds| {
            let params = DecisionTreeParams { max_leaf_nodes: Some(30), thresholds, ..Default::default() };
            tree(params, &data).predict(data.x()).unwrap()
        };
        assert_eq!(by(Thresholds::Exact), by(Thresholds::Auto));
        let (exact, binned) = (by(Thresholds::Exact), by(Thresholds::Binned));
        exact.iter().zip(&binned).for_each(|(e, b)| assert_close("prediction", *b, *e, 1e-12));
    }
}

#[test]
fn bins_cost_little_accuracy() {
    let (train, test) = clients();
    let by = |thresholds| tree(DecisionTreeParams { thresholds, ..Default::default() }, &train);
    let (exact, binned) = (by(Thresholds::Exact), by(Thresholds::Binned));
    assert_ne!(exact, binned);
    assert_close("test error", rmse(&binned, &test), rmse(&exact, &test), 0.03);
    let pools = [rayon_pool(1), rayon_pool(3)];
    assert!(pools.iter().all(|pool| pool.install(|| by(Thresholds::Binned)) == binned));
}

#[test]
fn insurance_in_dummies_fits_too() {
    let data = insurance();
    let model = tree(DecisionTreeParams { max_depth: Some(3), ..Default::default() }, &data);
    assert_close("training error", rmse(&model, &data), 4571.89, 1e-3);
}

#[test]
fn a_leaf_without_costs_predicts_zero_and_no_mean_of_costs_is_below() {
    // Costs of awkward sizes, weights too, for all but the young.
    let n = 6000_u32;
    let age: Vec<f64> = (0..n).map(|i| f64::from(i * 7919 % 80)).collect();
    let cost = |(i, age): (usize, &f64)| if *age < 30.0 { 0.0 } else { (1.0 + (i * 31 % 997) as f64).powf(2.1) / 7.0 };
    let y: Vec<f64> = age.iter().enumerate().map(cost).collect();
    let x = FeatureMatrix::new(vec![FeatureColumn::numeric("age", age.clone())]).unwrap();
    let data = Dataset::new(x, "cost", y).unwrap();
    let weighted = data.clone().with_weights((0..n).map(|i| 0.1 + f64::from(i % 7) / 3.0).collect::<Vec<_>>()).unwrap();
    for data in [&data, &weighted] {
        for thresholds in [Thresholds::Exact, Thresholds::Binned] {
            let model = tree(DecisionTreeParams { thresholds, ..Default::default() }, data);
            for (cost, age) in model.predict(data.x()).unwrap().iter().zip(&age) {
                assert!(if *age < 30.0 { *cost == 0.0 } else { *cost > 1.0 }, "{thresholds:?}: {age} {cost:e}");
            }
        }
        let forest = RandomForest::default().fit(data).unwrap();
        for (cost, age) in forest.predict(data.x()).unwrap().iter().zip(&age) {
            assert!(*cost >= 0.0 && (*age >= 30.0 || *cost == 0.0), "{age} {cost:e}");
        }
    }
}
