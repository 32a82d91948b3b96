//! Data that breaks models: every one there is fits it and predicts finite numbers, or says what is wrong.

use med_model::{AnyModel, LightGbmModel, MODEL_NAMES, Model, ModelSpec, Regressor};
use med_schema::{Dataset, FeatureColumn, FeatureMatrix};
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64;
use serde_json::{Value, json};

/// Every model by name with its defaults, but for fewer trees, and other forms of some.
fn specs() -> Vec<ModelSpec> {
    let mut specs = Vec::new();
    for name in MODEL_NAMES {
        let defaults = ModelSpec::parse(name, &Value::Null).unwrap();
        let mut params = serde_json::Map::new();
        for trees in ["num_iterations", "n_trees"] {
            if defaults.parameters().get(trees).is_some() {
                params.insert(trees.to_owned(), json!(20));
            }
        }
        specs.push(ModelSpec::parse(name, &Value::Object(params)).unwrap());
    }
    for (name, params) in [
        ("two_part", json!({ "first": "probit" })),
        ("two_part", json!({ "engine": "gbdt", "gbdt": { "num_iterations": 20 } })),
        ("log_ols", json!({ "smearing": "heteroscedastic" })),
        ("gbdt", json!({ "objective": "tweedie", "num_iterations": 20 })),
        ("gbdt", json!({ "objective": "gamma", "num_iterations": 20 })),
    ] {
        specs.push(ModelSpec::parse(name, &params).unwrap());
    }
    specs
}

struct Draw(Pcg64);

impl Draw {
    fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 * 0.5_f64.powi(53)
    }

    fn numbers(&mut self, n: usize, low: f64, high: f64) -> Vec<f64> {
        (0..n).map(|_| low + (high - low) * self.unit()).collect()
    }

    fn matrix(&mut self, n: usize, p: usize) -> FeatureMatrix {
        let columns = (0..p).map(|j| FeatureColumn::numeric(format!("x{j}"), self.numbers(n, 0.0, 1.0)));
        FeatureMatrix::new(columns.collect()).unwrap()
    }

    /// Costs that are 0 for 76 %, skewed for the others.
    fn costs(&mut self, n: usize) -> Vec<f64> {
        (0..n).map(|_| if self.unit() < 0.76 { 0.0 } else { (6.0 + 3.0 * self.unit()).exp() }).collect()
    }
}

fn with(x: &FeatureMatrix, columns: Vec<FeatureColumn>) -> FeatureMatrix {
    FeatureMatrix::new(x.columns().iter().cloned().chain(columns).collect()).unwrap()
}

fn of(x: FeatureMatrix, y: Vec<f64>) -> Dataset {
    Dataset::new(x, "cost", y).unwrap()
}

/// Named datasets, each with a matrix of the same columns to predict.
fn nasty(seed: u64) -> Vec<(&'static str, Dataset, FeatureMatrix)> {
    let mut draw = Draw(Pcg64::seed_from_u64(seed));
    let n = 200;
    let x = draw.matrix(n, 4);
    let costs = draw.costs(n);
    let positive: Vec<f64> = costs.iter().map(|c| c + 1.0).collect();
    let mut millions = costs.clone();
    millions[17] = 7e6;
    let weights: Vec<f64> = (0..n).map(|i| if i % 3 == 0 { 0.0 } else { draw.unit() }).collect();
    let mut sets: Vec<(&'static str, Dataset)> = vec![
        ("many zeros and one claimant of millions", of(x.clone(), millions.clone())),
        ("no zeros", of(x.clone(), positive.clone())),
        ("all zeros", of(x.clone(), vec![0.0; n])),
        ("one cost", of(x.clone(), (0..n).map(|i| f64::from(i == 5)).collect())),
        ("negative costs", of(x.clone(), draw.numbers(n, -1.0, 1.0))),
        ("constant target", of(x.clone(), vec![12.5; n])),
        ("weights of zero", of(x.clone(), millions.clone()).with_weights(weights.clone()).unwrap()),
        ("exposure", of(x.clone(), millions.clone()).with_exposure(draw.numbers(n, 0.01, 1.0)).unwrap()),
        ("tiny exposure", of(x.clone(), costs.clone()).with_exposure(draw.numbers(n, 1e-9, 1e-6)).unwrap()),
        ("tiny weights", of(x.clone(), millions.clone()).with_weights(draw.numbers(n, 1e-200, 1e-199)).unwrap()),
        ("huge weights", of(x.clone(), millions.clone()).with_weights(draw.numbers(n, 1e199, 1e200)).unwrap()),
        ("one column", of(draw.matrix(n, 1), costs.clone())),
        ("huge target", of(x.clone(), positive.iter().map(|y| y * 1e150).collect())),
        ("tiny target", of(x.clone(), positive.iter().map(|y| y * 1e-150).collect())),
        ("one row", of(x.take(&[3]).unwrap(), vec![40.0])),
        ("two rows", of(x.take(&[3, 4]).unwrap(), vec![40.0, 0.0])),
    ];
    let single_weight = of(x.clone(), positive.clone());
    let one_counts: Vec<f64> = (0..n).map(|i| f64::from(i == 9)).collect();
    sets.push(("one row that counts", single_weight.with_weights(one_counts).unwrap()));
    let constants = vec![FeatureColumn::numeric("c", vec![1e9 + 0.1; n]), FeatureColumn::numeric("d", vec![0.0; n])];
    sets.push(("constant columns", of(with(&x, constants), costs.clone())));
    let first = x.columns()[0].as_numeric().unwrap().to_vec();
    let twin = |f: f64| first.iter().map(|v| f * v + 3.0).collect::<Vec<f64>>();
    let twins = vec![FeatureColumn::numeric("t", twin(2.0)), FeatureColumn::numeric("u", twin(-1e6))];
    sets.push(("collinear columns", of(with(&x, twins), costs.clone())));
    let separating: Vec<f64> = costs.iter().map(|c| f64::from(*c > 0.0)).collect();
    sets.push(("separation", of(with(&x, vec![FeatureColumn::numeric("s", separating)]), costs.clone())));
    let scales = vec![
        FeatureColumn::numeric("large", first.iter().map(|v| v * 1e120).collect::<Vec<_>>()),
        FeatureColumn::numeric("small", first.iter().rev().map(|v| v * 1e-120).collect::<Vec<_>>()),
    ];
    sets.push(("far scales", of(with(&x, scales), positive.clone())));
    sets.push(("500 columns by 50 rows", of(draw.matrix(50, 500), draw.costs(50))));
    let holes: Vec<f64> = first.iter().map(|v| if *v < 0.3 { f64::NAN } else { *v }).collect();
    let holes = vec![FeatureColumn::numeric("h", holes), FeatureColumn::numeric("e", vec![f64::NAN; n])];
    sets.push(("missing values", of(with(&x, holes), costs.clone())));
    let texts = |of: &dyn Fn(usize) -> Option<&'static str>| FeatureColumn::from_texts("city", (0..n).map(of));
    let one_level = with(&x, vec![texts(&|_| Some("a"))]);
    sets.push(("one level", of(one_level, costs.clone())));
    let empty = vec![FeatureColumn::numeric("e", vec![f64::NAN; n]), texts(&|_| None)];
    sets.push(("columns of missing values alone", of(FeatureMatrix::new(empty).unwrap(), costs.clone())));
    let levels = with(&x, vec![texts(&|i| if i % 7 == 0 { None } else { Some(["a", "b"][i % 2]) })]);
    let unseen = with(&x, vec![texts(&|i| Some(["a", "b", "c"][i % 3]))]);
    let mut all: Vec<_> = sets.into_iter().map(|(name, data)| (name, data.clone(), data.x().clone())).collect();
    all.push(("unseen levels", of(levels, costs), unseen));
    all
}

#[test]
fn a_result_or_an_error_never_a_panic() {
    let mut failures = Vec::new();
    for seed in 0..1 {
        for (name, data, other) in nasty(seed) {
            for spec in specs() {
                let label = format!("{name} ({seed}): {} {}", spec.name(), spec.parameters());
                let run = || spec.fit(&data).map(|model| (model.predict(data.x()), model.predict(&other)));
                match std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)) {
                    Err(_) => failures.push(format!("{label}: panicked")),
                    Ok(Err(error)) if error.to_string().is_empty() => failures.push(format!("{label}: no message")),
                    Ok(Err(_)) => {}
                    Ok(Ok((own, new))) => {
                        for p in [own.as_ref().ok(), new.as_ref().ok()].into_iter().flatten() {
                            if p.iter().any(|p| !p.is_finite()) {
                                failures.push(format!("{label}: a prediction is not finite"));
                            }
                        }
                        if let Err(error) = own {
                            failures.push(format!("{label}: cannot predict its own rows: {error}"));
                        }
                    }
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn what_was_fitted_reads_back_as_itself() {
    let (mut read, mut of_trees) = (0, 0);
    for (name, data, other) in nasty(3) {
        for spec in specs() {
            let Ok(model) = spec.fit(&data) else { continue };
            let label = format!("{name}: {} {}", spec.name(), spec.parameters());
            let json = serde_json::to_string(&model).unwrap();
            let again: AnyModel = serde_json::from_str(&json).unwrap_or_else(|e| panic!("{label}: {e}"));
            assert_eq!(again, model, "{label}");
            let predicted = |model: &dyn Model, x: &FeatureMatrix| model.predict(x).ok();
            assert_eq!(predicted(&again, &other), predicted(&model, &other), "{label}");
            read += 1;
            if let Some(text) = model.to_lightgbm() {
                let text = text.unwrap_or_else(|e| panic!("{label}: {e}"));
                let again = LightGbmModel::from_text(&text).unwrap_or_else(|e| panic!("{label}: {e}"));
                assert_eq!(again.features(), model.features(), "{label}");
                assert_eq!(predicted(&again, data.x()), predicted(&model, data.x()), "{label}");
                of_trees += 1;
            }
        }
    }
    assert!(read > 200 && of_trees > 80, "{read} {of_trees}");
}

/// What claims to be calibrated, by its parameters: a log link with zeros allowed.
fn is_calibrated(spec: &ModelSpec) -> bool {
    match spec.name() {
        "two_part" | "glm_tweedie" => true,
        "gbdt" => ["auto", "tweedie"].contains(&spec.parameters()["objective"].as_str().unwrap()),
        _ => false,
    }
}

#[test]
fn two_part_and_tweedie_models_spend_the_budget() {
    let mut checked = 0;
    for seed in 1..2 {
        for (name, data, _) in nasty(seed) {
            let wild = ["negative costs", "huge target", "tiny target", "far scales"];
            for spec in specs().iter().filter(|s| is_calibrated(s) && !wild.contains(&name)) {
                let Ok(model) = spec.fit(&data) else { continue };
                let p = model.predict(data.x()).unwrap();
                let weight = |i: usize| data.weights().map_or(1.0, |w| w[i]);
                let exposure = |i: usize| data.exposure().map_or(1.0, |e| e[i]);
                let predicted: f64 = (0..p.len()).map(|i| weight(i) * exposure(i) * p[i]).sum();
                let cost: f64 = (0..p.len()).map(|i| weight(i) * data.y()[i]).sum();
                if cost == 0.0 {
                    continue;
                }
                let ratio = predicted / cost;
                assert!((ratio - 1.0).abs() < 0.02, "{name} ({seed}): {} {ratio}", spec.name());
                checked += 1;
            }
        }
    }
    assert!(checked > 50, "{checked}");
}
