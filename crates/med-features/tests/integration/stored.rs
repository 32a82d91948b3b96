//! What is written to files, and what is refused when read.

use med_features::encode::{Columns, Impute, Scale};
use med_features::statistic::CorrelationMatrix;
use med_features::{
    Clip, Encoder, Evidence, FeatureError, FeaturePipeline, FittedEncoder, FittedPipeline, Frequency, Interact, Keep,
    Log1p, OneHot, Ordinal, Selection, SelectionMethod, Selector, Spline, Step, TargetMean, YeoJohnson,
};
use med_schema::{FeatureColumn, FeatureMatrix};
use serde_json::json;

use crate::fixture::csv;

fn clients() -> FeatureMatrix {
    let clients = csv("clients.csv");
    clients.select(clients.names().filter(|n| *n != "annual_medical_cost")).unwrap()
}

fn pipeline() -> FeaturePipeline {
    let ordinal = Ordinal { columns: Columns::named(["physical_activity_level"]), ..Ordinal::default() }
        .order("physical_activity_level", ["Low", "Medium", "High"]);
    FeaturePipeline::new(vec![
        Step::Ordinal(ordinal),
        Step::OneHot(OneHot::default()),
        Step::Impute(Impute::default()),
        Step::Log1p(Log1p::default()),
        Step::Scale(Scale::default()),
    ])
}

#[test]
fn a_stored_pipeline_makes_the_same_bits() {
    let x = clients();
    let (train, test) =
        (x.take(&(0..4000).collect::<Vec<_>>()).unwrap(), x.take(&(4000..5000).collect::<Vec<_>>()).unwrap());
    let (fitted, _) = pipeline().fit_transform(&train).unwrap();
    assert!(fitted.is_numeric());
    let text = serde_json::to_string(&fitted).unwrap();
    let read: FittedPipeline = serde_json::from_str(&text).unwrap();
    assert_eq!(read, fitted);
    let bits = |p: &FittedPipeline| {
        p.transform(&test).unwrap().to_array().unwrap().iter().map(|v| v.to_bits()).collect::<Vec<_>>()
    };
    assert_eq!(bits(&read), bits(&fitted));
    let parameters: FeaturePipeline = serde_json::from_str(&serde_json::to_string(&pipeline()).unwrap()).unwrap();
    assert_eq!(parameters, pipeline());
}

#[test]
fn outputs_are_traced_to_raw_columns() {
    let (fitted, encoded) = pipeline().fit_transform(&clients()).unwrap();
    let origins = fitted.provenance();
    assert!(origins.iter().map(|o| o.output.as_str()).eq(encoded.names()));
    assert!(fitted.outputs().names().eq(encoded.names()));
    let insurance: Vec<&str> =
        origins.iter().filter(|o| o.from == ["insurance_type"]).map(|o| o.output.as_str()).collect();
    assert_eq!(insurance, ["insurance_type=Government", "insurance_type=Private", "insurance_type=<missing>"]);
}

/// Every step, on raw columns of every kind: stored, read back, used, traced.
#[test]
fn every_step_is_stored_and_traced() {
    let all = csv("clients.csv");
    let y = all.numeric("annual_medical_cost").unwrap().to_vec();
    let named = |names: &[&str]| Columns::named(names.iter().copied());
    let pipeline = FeaturePipeline::new(vec![
        Step::Interact(Interact::pairs([("bmi", "smoker"), ("smoker", "gender"), ("age", "bmi")])),
        Step::TargetMean(TargetMean { columns: named(&["smoker*gender"]), ..TargetMean::default() }),
        Step::Frequency(Frequency { columns: named(&["city_type"]), ..Frequency::default() }),
        Step::OneHot(OneHot::default()),
        Step::Impute(Impute::default()),
        Step::Clip(Clip::default()),
        Step::Spline(Spline { columns: named(&["age"]), ..Spline::default() }),
        Step::YeoJohnson(YeoJohnson { columns: named(&["bmi"]) }),
        Step::Scale(Scale::default()),
    ]);
    let x = clients();
    let error = pipeline.fit_transform(&x).unwrap_err();
    assert!(matches!(error, FeatureError::TargetNeeded { step: "target_mean" }), "{error}");
    let (fitted, encoded) = pipeline.fit_transform_with_target(&x, &y).unwrap();
    assert!(fitted.is_numeric());
    let origins = fitted.provenance();
    assert!(origins.iter().map(|o| o.output.as_str()).eq(encoded.names()));
    let from = |output: &str| origins.iter().find(|o| o.output == output).unwrap().from.clone();
    assert_eq!(from("target_mean(smoker*gender)"), ["gender", "smoker"]);
    assert_eq!(from("bmi*smoker=Yes"), ["bmi", "smoker"]);
    assert_eq!(from("spline2(age)"), ["age"]);
    assert_eq!(from("yeo_johnson(bmi)"), ["bmi"]);
    let read: FittedPipeline = serde_json::from_str(&serde_json::to_string(&fitted).unwrap()).unwrap();
    let bits = |m: FeatureMatrix| m.to_array().unwrap().iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(read.transform(&x).unwrap()), bits(fitted.transform(&x).unwrap()));
    let parameters: FeaturePipeline = serde_json::from_str(&serde_json::to_string(&pipeline).unwrap()).unwrap();
    assert_eq!(parameters, pipeline);
    assert!(serde_json::from_str::<FeaturePipeline>(r#"[{"step":"clip","uper":0.9}]"#).is_err());
}

#[test]
fn other_columns_are_refused_each_by_name() {
    let x = clients();
    let (fitted, _) = pipeline().fit_transform(&x).unwrap();
    let fewer = x.select(x.names().filter(|n| *n != "bmi" && *n != "smoker")).unwrap();
    let error = fitted.transform(&fewer).unwrap_err().to_string();
    assert!(error.contains("\"bmi\": expected, not found") && error.contains("\"smoker\": expected"), "{error}");
}

#[test]
fn other_formats_later_versions_and_patched_steps_are_refused() {
    let (fitted, _) = pipeline().fit_transform(&clients()).unwrap();
    let stored = serde_json::to_value(&fitted).unwrap();
    assert_eq!((&stored["format"], &stored["version"]), (&json!("med-feature-pipeline"), &json!(1)));
    let mut later = stored.clone();
    later["version"] = json!(2);
    let error = serde_json::from_value::<FittedPipeline>(later).unwrap_err().to_string();
    assert!(error.contains("up to version 1, found \"med-feature-pipeline\" version 2"), "{error}");
    let mut patched = stored;
    patched["steps"].as_array_mut().unwrap().remove(1);
    assert!(serde_json::from_value::<FittedPipeline>(patched).unwrap_err().to_string().contains("step 1"));
}

/// A file of version 1 stays readable.
#[test]
fn version_one_is_read() {
    let text = r#"{"format":"med-feature-pipeline","version":1,
        "inputs":[{"name":"plan","kind":"categorical"},{"name":"age","kind":"numeric"}],
        "steps":[{"step":"one_hot","inputs":[{"name":"plan","kind":"categorical"},{"name":"age","kind":"numeric"}],
            "spread":[{"column":"plan","levels":["a","b"],"reference":null,"missing_column":false}],
            "unseen":"ignore","missing":"keep"},
          {"step":"scale","inputs":[{"name":"plan=a","kind":"numeric"},{"name":"plan=b","kind":"numeric"},
            {"name":"age","kind":"numeric"}],"scales":[{"column":"age","mean":40.0,"std":10.0}]}],
        "outputs":[{"name":"plan=a","kind":"numeric"},{"name":"plan=b","kind":"numeric"},{"name":"age","kind":"numeric"}]}"#;
    let fitted: FittedPipeline = serde_json::from_str(text).unwrap();
    let x = FeatureMatrix::new(vec![
        FeatureColumn::numeric("age", vec![50.0]),
        FeatureColumn::from_texts("plan", [Some("b")]),
    ])
    .unwrap();
    assert_eq!(fitted.transform(&x).unwrap().to_array().unwrap().row(0).to_vec(), [0.0, 1.0, 1.0]);
}

#[test]
fn a_selection_has_the_shape_of_the_contract() {
    let x = FeatureMatrix::new(vec![
        FeatureColumn::numeric("constant", vec![1.0; 5]),
        FeatureColumn::numeric("age", vec![1.0, 2.0, 3.0, 4.0, 5.0]),
        FeatureColumn::from_texts("plan", [Some("a"); 5]),
    ])
    .unwrap();
    let y = [2.0, 3.0, 3.5, 6.0, 7.0];
    let selector = Selector::new(SelectionMethod::Spearman, Some(Keep::Threshold(0.5))).unwrap();
    let selection = selector.fit(&Evidence::new(&x).target(&y).unwrap()).unwrap();
    assert_eq!(
        serde_json::to_value(&selection).unwrap(),
        json!({"method": "spearman", "keep": {"threshold": 0.5}, "scores": [
            {"feature": "age", "score": 1.0, "p_value": 0.0, "p_adjusted": 0.0, "selected": true},
            {"feature": "constant", "score": null, "selected": false, "reason": "constant in the training part"},
            {"feature": "plan", "score": null, "selected": false,
             "reason": "categorical: the method is for numeric features"},
        ]})
    );
    let read: Selection = serde_json::from_str(&serde_json::to_string(&selection).unwrap()).unwrap();
    assert_eq!(read, selection);
    assert!(selection.apply(&x).unwrap().names().eq(["age"]));
    assert!(selection.apply_to_numeric(&x).unwrap().names().eq(["age", "plan"]));
    assert!(selection.apply(&x.select(["plan"]).unwrap()).is_err());
}

#[test]
fn what_a_method_needs_is_asked_for() {
    let x = FeatureMatrix::new(vec![FeatureColumn::numeric("age", vec![1.0, 2.0, 3.0])]).unwrap();
    let fit = |method| Selector::new(method, None).unwrap().fit(&Evidence::new(&x));
    assert!(matches!(fit(SelectionMethod::StdStability), Err(FeatureError::NeedsTest { .. })));
    assert!(matches!(fit(SelectionMethod::Pearson), Err(FeatureError::NeedsTarget { .. })));
    assert!(fit(SelectionMethod::Variance).is_ok() && fit(SelectionMethod::Vif).is_ok());
    assert!(Selector::new(SelectionMethod::Vif, Some(Keep::Fdr(0.1))).is_err());
    assert!(serde_json::from_str::<Selector>(r#"{"method":"vif","keep":{"fdr":0.1}}"#).is_err());
    assert!(Evidence::new(&x).target(&[1.0]).is_err());
}

#[test]
fn identifiers_are_pointed_out() {
    let ids = FeatureColumn::numeric("client_id", (1..=40).map(f64::from).collect::<Vec<_>>());
    let x = FeatureMatrix::new(vec![ids]).unwrap();
    let selection = Selector::new(SelectionMethod::Variance, None).unwrap().fit(&Evidence::new(&x)).unwrap();
    assert!(selection.scores()[0].reason.as_deref().unwrap().contains("identifier"));
}

#[test]
fn correlations_of_real_columns_are_those_of_pairs() {
    let x = clients();
    let matrix = CorrelationMatrix::of(&x);
    assert_eq!(matrix.features().len(), 14);
    let (age, visits) = (x.column("age").unwrap(), x.column("doctor_visits_per_year").unwrap());
    let r = med_features::statistic::pearson(age.as_numeric().unwrap(), visits.as_numeric().unwrap()).unwrap();
    assert!((matrix.get("age", "doctor_visits_per_year").unwrap() - r.value).abs() < 1e-13);
}

fn auto_traits<T: Send + Sync + 'static>() {}

#[test]
fn fitted_things_cross_threads() {
    auto_traits::<FittedPipeline>();
    auto_traits::<Selection>();
    auto_traits::<FeatureError>();
    let encoders: Vec<Box<dyn FittedEncoder>> = vec![Box::new(pipeline().fit(&clients()).unwrap())];
    assert_eq!(encoders[0].inputs().columns().len(), 19);
}
