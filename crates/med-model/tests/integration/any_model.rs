//! What holds for every model there is.

use med_model::{FitError, MODEL_NAMES, Model, ModelSpec, PredictError, Regressor, SavedModel};
use med_schema::{Dataset, FeatureColumn, FeatureMatrix, Fingerprint, Lineage, RunId};
use serde_json::{Value, json};

use crate::fixtures::small;

fn specs() -> impl Iterator<Item = ModelSpec> {
    MODEL_NAMES.iter().map(|name| ModelSpec::parse(name, &Value::Null).unwrap())
}

fn bits(model: &dyn Model, data: &Dataset) -> Vec<u64> {
    model.predict(data.x()).unwrap().iter().map(|p| p.to_bits()).collect()
}

fn replaced(data: &Dataset, name: &str, column: FeatureColumn) -> FeatureMatrix {
    let columns = data.x().columns().iter().map(|c| if c.name() == name { column.clone() } else { c.clone() });
    FeatureMatrix::new(columns.collect()).unwrap()
}

#[test]
fn fitting_again_gives_the_same_bits() {
    let data = small();
    for spec in specs() {
        let (once, again) = (spec.fit(&data).unwrap(), spec.fit(&data).unwrap());
        assert_eq!(bits(&once, &data), bits(&again, &data), "{}", spec.name());
        let json = |model| SavedModel::new(&spec, model, "cost").to_json().unwrap();
        assert_eq!(json(once), json(again), "{}", spec.name());
    }
}

#[test]
fn a_loaded_model_predicts_the_same_bits() {
    let data = small();
    let lineage = Lineage {
        run: RunId::derived_from([Fingerprint::of("clients")]),
        as_of: "2025-01-01T00:00:00Z".parse().unwrap(),
        inputs: Vec::new(),
        code: "med-model 0.1.0".to_owned(),
    };
    for spec in specs() {
        let saved = SavedModel::new(&spec, spec.fit(&data).unwrap(), data.target())
            .with_preprocessing(json!({ "encoders": ["one_hot"] }))
            .with_lineage(lineage.clone());
        let text = saved.to_json().unwrap();
        let loaded = SavedModel::from_json(&text).unwrap();
        assert_eq!(bits(&loaded, &data), bits(&saved, &data), "{}", spec.name());
        assert_eq!(loaded.to_json().unwrap(), text, "{}", spec.name());
        assert_eq!(loaded.model().kind(), spec.name());
        assert_eq!((loaded.target(), loaded.params()), ("cost", &spec.parameters()));
        assert_eq!(loaded.preprocessing().unwrap()["encoders"][0], "one_hot");
        assert_eq!(loaded.lineage(), Some(&lineage));
    }
}

#[test]
fn other_columns_are_refused_and_named() {
    let data = small();
    let n = data.n_rows();
    let other = FeatureMatrix::new(vec![
        FeatureColumn::numeric("age", vec![1.0; n]),
        FeatureColumn::from_texts("visits", vec![Some("many"); n]),
        FeatureColumn::numeric("height", vec![1.0; n]),
    ])
    .unwrap();
    for spec in specs() {
        let model = spec.fit(&data).unwrap();
        let error = model.predict(&other).unwrap_err();
        assert!(matches!(error, PredictError::Columns(_)), "{}", spec.name());
        let text = error.to_string();
        for name in ["bmi", "visits", "height"] {
            assert!(text.contains(&format!("{name:?}")), "{}: {text}", spec.name());
        }
        let swapped = data.x().select(["bmi", "age", "visits"]).unwrap();
        assert!(model.predict(&swapped).unwrap_err().to_string().contains("another order"));
        let wrong_length = model.predict_into(data.x(), &mut [0.0; 3]).unwrap_err();
        assert!(matches!(wrong_length, PredictError::Length { found: 3, .. }));
    }
}

#[test]
fn values_a_model_cannot_take_are_refused_with_column_and_row() {
    let data = small();
    let with = |value: f64| {
        let mut bmi = data.x().numeric("bmi").unwrap().to_vec();
        bmi[17] = value;
        replaced(&data, "bmi", FeatureColumn::numeric("bmi", bmi))
    };
    let texts = replaced(&data, "bmi", FeatureColumn::from_texts("bmi", vec![Some("high"); data.n_rows()]));
    for spec in specs() {
        // And categories.
        let takes_missing = ["decision_tree", "random_forest", "extra_trees", "gbdt"].contains(&spec.name());
        let model = spec.fit(&data).unwrap();
        for (value, accepted) in [(f64::NAN, takes_missing), (f64::INFINITY, false), (f64::NEG_INFINITY, false)] {
            let fitted = spec.fit(&data.clone().with_features(with(value)).unwrap());
            let predicted = model.predict(&with(value));
            assert_eq!((fitted.is_ok(), predicted.is_ok()), (accepted, accepted), "{} {value}", spec.name());
            if !accepted {
                for text in [fitted.unwrap_err().to_string(), predicted.unwrap_err().to_string()] {
                    assert!(text.starts_with("column \"bmi\", row 17: "), "{text}");
                }
            }
        }
        let fitted = spec.fit(&data.clone().with_features(texts.clone()).unwrap());
        if takes_missing || spec.name().starts_with("glm") {
            assert!(fitted.unwrap().predict(&texts).is_ok(), "{}", spec.name());
        } else {
            let error = fitted.unwrap_err();
            assert!(error.to_string().starts_with("column \"bmi\" is categorical"), "{error}");
        }
        let none = FeatureMatrix::new(Vec::new()).unwrap();
        let error = spec.fit(&Dataset::new(none, "cost", vec![1.0, 2.0]).unwrap()).unwrap_err();
        assert!(matches!(error, FitError::Input(_)), "{error}");
    }
}

#[test]
fn weights_change_the_fit_or_are_refused() {
    let data = small();
    let weights: Vec<f64> = (0..data.n_rows()).map(|i| if i < 40 { 20.0 } else { 0.05 }).collect();
    let weighted = data.clone().with_weights(weights).unwrap();
    let exposed = data.clone().with_exposure(vec![0.5; data.n_rows()]).unwrap();
    for spec in specs() {
        if ["knn", "svr"].contains(&spec.name()) {
            assert!(matches!(spec.fit(&weighted), Err(FitError::Unweightable { .. })), "{}", spec.name());
            assert!(matches!(spec.fit(&exposed), Err(FitError::Unweightable { .. })), "{}", spec.name());
            continue;
        }
        let plain = spec.fit(&data).unwrap();
        assert_ne!(bits(&spec.fit(&weighted).unwrap(), &data), bits(&plain, &data), "{}", spec.name());
        // Half a year's cost is twice as much a year.
        let yearly = spec.fit(&exposed).unwrap().predict(data.x()).unwrap().mean().unwrap();
        let ratio = yearly / plain.predict(data.x()).unwrap().mean().unwrap();
        assert!((ratio - 2.0).abs() < 0.05, "{}: {ratio}", spec.name());
    }
}

#[test]
fn one_row_or_a_constant_target_is_a_result_or_an_error_never_a_panic() {
    let data = small();
    for spec in specs() {
        let constant = Dataset::new(data.x().clone(), "cost", vec![5.0; data.n_rows()]).unwrap();
        let model = spec.fit(&constant).unwrap();
        for p in model.predict(data.x()).unwrap() {
            assert!((p - 5.0).abs() < 1e-9, "{}: {p}", spec.name());
        }
        for n in [1, 2, 3] {
            if let Ok(model) = spec.fit(&data.take(&(0..n).collect::<Vec<_>>()).unwrap()) {
                assert!(model.predict(data.x()).unwrap().iter().all(|p| p.is_finite()), "{}", spec.name());
            }
        }
    }
}

#[test]
fn numbers_too_large_to_square_are_an_error_not_a_wrong_model() {
    let data = small();
    let huge: Vec<f64> = (0..data.n_rows()).map(|i| 1e200 * i as f64).collect();
    let x = replaced(&data, "bmi", FeatureColumn::numeric("bmi", huge.clone()));
    for name in ["linear", "ridge", "lasso", "elastic_net", "knn", "svr"] {
        let spec = ModelSpec::parse(name, &Value::Null).unwrap();
        let error = spec.fit(&data.clone().with_features(x.clone()).unwrap()).unwrap_err();
        assert!(matches!(error, FitError::Overflow { .. }), "{name}: {error}");
        let error = spec.fit(&Dataset::new(data.x().clone(), "cost", huge.clone()).unwrap());
        assert!(name == "knn" || matches!(error, Err(FitError::Overflow { .. })), "{name}");
    }
}

#[test]
fn models_can_be_sent_and_shared() {
    fn shared<T: Send + Sync + Unpin>() {}
    shared::<SavedModel>();
    shared::<ModelSpec>();
    shared::<Box<dyn Model>>();
}
