//! Boosting on categories of more levels than a byte tells apart.

use med_model::{
    Gbdt, GbdtModel, GbdtParams, Importance, LightGbmModel, Model, MonotoneConstraints, Objective, Regressor, Warning,
    evaluate,
};
use med_schema::{Dataset, FeatureColumn, FeatureMatrix};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

/// Rows of a categorical column with so many levels, each of its own mean, and a numeric one that matters for every other.
fn many_levels(n: usize, n_levels: usize, seed: u64) -> Dataset {
    let mut random = Pcg64::seed_from_u64(seed);
    let mut means = Pcg64::seed_from_u64(99);
    let means: Vec<f64> = (0..n_levels).map(|_| means.random_range(0.0..1000.0)).collect();
    let codes: Vec<u32> = (0..n).map(|_| random.random_range(0..n_levels as u32)).collect();
    let age: Vec<f64> = (0..n).map(|_| random.random_range(0.0..1.0)).collect();
    let y = (0..n).map(|i| means[codes[i] as usize] + 50.0 * age[i] + random.random_range(-10.0..10.0));
    let y: Vec<f64> = y.collect();
    let levels: Vec<String> = (0..n_levels).map(|l| format!("l{l}")).collect();
    let columns = vec![FeatureColumn::categorical("drug", codes, levels).unwrap(), FeatureColumn::numeric("age", age)];
    Dataset::new(FeatureMatrix::new(columns).unwrap(), "cost", y).unwrap()
}

#[test]
fn hundreds_of_levels_are_told_apart() {
    let (train, test) = (many_levels(20_000, 400, 1), many_levels(5_000, 400, 2));
    for params in [
        GbdtParams { objective: Objective::Regression, ..Default::default() },
        GbdtParams {
            objective: Objective::Regression,
            feature_fraction: 0.5,
            num_iterations: 200,
            ..Default::default()
        },
    ] {
        let boosting = Gbdt::new(params).unwrap();
        let model = boosting.fit(&train).unwrap();
        let r2 = evaluate(&model, &test).unwrap().r2.unwrap();
        assert!(r2 > 0.98, "{r2}");
        assert_eq!(boosting.warnings(&train), []);
    }
}

#[test]
fn levels_that_are_one_to_the_model_are_warned_of() {
    let rare = many_levels(800, 400, 3);
    let own = |model: Gbdt| match &model.warnings(&rare)[..] {
        [Warning::LevelsTogether { column, levels, own }] => {
            assert_eq!(column, "drug");
            assert!((300..=400).contains(levels), "{levels}");
            *own
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(own(Gbdt::default()), 254);
    // Weights of 0 are no rows: 200 levels are left.
    let codes = rare.x().columns()[0].as_categorical().unwrap().0.to_vec();
    let weights: Vec<f64> = codes.iter().map(|c| f64::from(c % 2)).collect();
    assert_eq!(Gbdt::default().warnings(&rare.clone().with_weights(weights).unwrap()), []);
    let said = Gbdt::default().warnings(&rare)[0].to_string();
    assert!(said.starts_with("column \"drug\" has 3") && said.contains("the 254 most frequent"), "{said}");
    Gbdt::default().fit(&rare).unwrap();
}

/// A column of bytes tells 254 levels apart: this one takes two, which must stay one feature to all that names features.
#[test]
fn a_feature_of_many_levels_is_one_feature() {
    let train = many_levels(6_000, 300, 4);
    let (codes, age) = (train.x().columns()[0].clone(), train.x().columns()[1].clone());
    let noise: Vec<f64> = (0..6_000).map(|i| f64::from(i * 7919 % 1013)).collect();
    let columns = vec![age, codes, FeatureColumn::numeric("noise", noise)];
    let data = train.with_features(FeatureMatrix::new(columns).unwrap()).unwrap();
    let fit = |params: GbdtParams| {
        let params = GbdtParams { objective: Objective::Regression, num_iterations: 15, ..params };
        Gbdt::new(params).unwrap().fit(&data).unwrap()
    };
    let groups = vec![vec!["drug".to_owned()], vec!["age".to_owned(), "noise".to_owned()]];
    let apart = fit(GbdtParams { interaction_constraints: groups, ..Default::default() });
    let single = |row: usize, level: u32, age: f64| {
        let noise = data.x().columns()[2].as_numeric().unwrap()[row];
        apart.predict_row(&[age, f64::from(level), noise]).unwrap()
    };
    // Without interactions the effect of a level is the same at every age.
    for level in [0, 150, 299] {
        let effect = |age: f64| single(3, level, age) - single(3, 7, age);
        assert!((effect(0.1) - effect(0.9)).abs() < 1e-6, "{level}");
    }
    let rising = fit(GbdtParams {
        monotone_constraints: MonotoneConstraints::ByPosition(vec![1, 0, 0]),
        feature_fraction_bynode: 0.7,
        ..Default::default()
    });
    for level in 0..300 {
        let at = |age: f64| rising.predict_row(&[age, f64::from(level), 5.0]).unwrap();
        assert!(at(0.2) <= at(0.8));
    }
    let importance = rising.importance(Importance::Gain);
    assert_eq!(importance.len(), 3);
    let json = serde_json::to_string(&rising).unwrap();
    assert_eq!(serde_json::from_str::<GbdtModel>(&json).unwrap(), rising);
    let text = rising.to_lightgbm().unwrap();
    let read = LightGbmModel::from_text(&text).unwrap();
    assert_eq!(read.predict(data.x()).unwrap(), rising.predict(data.x()).unwrap());
}
