//! Trees and forests on categories of more levels than a byte tells apart.

use med_model::{
    DecisionTree, DecisionTreeParams, ExtraTrees, ExtraTreesParams, LightGbmModel, Model, RandomForest,
    RandomForestParams, Regressor, Thresholds, TreeEnsemble, evaluate,
};
use med_schema::{Dataset, FeatureColumn, FeatureMatrix, MISSING};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

const LEVELS: u32 = 900;

/// Rows of a category that moves the cost by `effect`, or says nothing, and a number that matters as well. Some levels are missing.
fn rows(n: usize, effect: f64, seed: u64) -> Dataset {
    let mut random = Pcg64::seed_from_u64(seed);
    let mut means = Pcg64::seed_from_u64(7);
    let means: Vec<f64> = (0..LEVELS).map(|_| effect * means.random_range(-1.0..1.0)).collect();
    let code = |random: &mut Pcg64| match random.random_range(0..LEVELS + 20) {
        code if code < LEVELS => code,
        _ => MISSING,
    };
    let codes: Vec<u32> = (0..n).map(|_| code(&mut random)).collect();
    let age: Vec<f64> = (0..n).map(|_| random.random_range(-1.0..1.0)).collect();
    let y = codes.iter().zip(&age).map(|(&code, age)| {
        means.get(code as usize).copied().unwrap_or(2.0 * effect) + 100.0 * age + random.random_range(-20.0..20.0)
    });
    let y: Vec<f64> = y.collect();
    let levels: Vec<String> = (0..LEVELS).map(|l| format!("l{l}")).collect();
    let columns = vec![FeatureColumn::numeric("age", age), FeatureColumn::categorical("drug", codes, levels).unwrap()];
    Dataset::new(FeatureMatrix::new(columns).unwrap(), "cost", y).unwrap()
}

fn models(train: &Dataset) -> Vec<(&'static str, TreeEnsemble)> {
    let tree = |thresholds| {
        let params = DecisionTreeParams { thresholds, min_samples_leaf: 20, ..Default::default() };
        DecisionTree::new(params).unwrap().fit(train).unwrap()
    };
    let forest = RandomForestParams { n_trees: 10, min_samples_leaf: 5, max_features: Some(2), ..Default::default() };
    let extra = ExtraTreesParams { n_trees: 10, min_samples_leaf: 5, max_features: Some(2), ..Default::default() };
    vec![
        ("exact", tree(Thresholds::Exact)),
        ("binned", tree(Thresholds::Binned)),
        ("forest", RandomForest::new(forest).unwrap().fit(train).unwrap()),
        ("extra", ExtraTrees::new(extra).unwrap().fit(train).unwrap()),
    ]
}

fn r2(model: &TreeEnsemble, test: &Dataset) -> f64 {
    evaluate(model, test).unwrap().r2.unwrap()
}

#[test]
fn hundreds_of_levels_are_told_apart() {
    let (train, test) = (rows(30_000, 300.0, 1), rows(5_000, 300.0, 2));
    for (name, model) in models(&train) {
        // Alone, the 254 most frequent levels of 900 explain less than a third of what levels do.
        assert!(r2(&model, &test) > 0.95, "{name}: {}", r2(&model, &test));
        let json = serde_json::to_string(&model).unwrap();
        let again: TreeEnsemble = serde_json::from_str(&json).unwrap();
        assert!(again == model, "{name}");
        let predicted = model.predict(test.x()).unwrap();
        assert_eq!(again.predict(test.x()).unwrap(), predicted, "{name}");
        let text = LightGbmModel::from_text(&model.to_lightgbm().unwrap()).unwrap();
        assert_eq!(text.predict(test.x()).unwrap(), predicted, "{name}");
        let codes = test.x().columns()[1].as_categorical().unwrap().0;
        for row in 0..50 {
            let age = test.x().columns()[0].as_numeric().unwrap()[row];
            let level = if codes[row] == MISSING { f64::NAN } else { f64::from(codes[row]) };
            assert_eq!(model.predict_row(&[age, level]).unwrap(), predicted[row], "{name}, row {row}");
        }
    }
}

#[test]
fn levels_that_say_nothing_take_little_away() {
    let (train, test) = (rows(30_000, 0.0, 3), rows(5_000, 0.0, 4));
    let without = |data: &Dataset| data.clone().with_features(data.x().select(["age"]).unwrap()).unwrap();
    for ((name, model), (_, alone)) in models(&train).iter().zip(models(&without(&train))) {
        let (with, alone) = (r2(model, &test), r2(&alone, &without(&test)));
        assert!(with > alone - 0.04, "{name}: {with}, without the category {alone}");
    }
}

#[test]
fn a_level_of_its_own_for_each_row_says_nothing() {
    let n = 4000;
    let train = rows(n, 0.0, 5);
    let named = |first: usize| {
        let names: Vec<String> = (first..first + n).map(|i| format!("client {i}")).collect();
        FeatureColumn::categorical("id", (0..n as u32).collect::<Vec<_>>(), names).unwrap()
    };
    let with = |data: &Dataset, first: usize| {
        let columns = vec![data.x().columns()[0].clone(), named(first)];
        data.clone().with_features(FeatureMatrix::new(columns).unwrap()).unwrap()
    };
    let test = with(&rows(n, 0.0, 6), n);
    for (name, model) in models(&with(&train, 0)) {
        assert!(r2(&model, &test) > 0.9, "{name}: {}", r2(&model, &test));
    }
}

#[test]
fn any_number_of_threads_and_any_order_of_rows_gives_the_same() {
    let train = rows(3_000, 300.0, 8);
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| models(&train))
    };
    assert!(on(1) == on(3));
    let order: Vec<usize> = (0..3_000).map(|row| row * 7 % 3_000).collect();
    let (ordered, other) = (models(&train), models(&train.take(&order).unwrap()));
    // Forests draw rows by their place.
    assert!(ordered[..2] == other[..2]);
}
