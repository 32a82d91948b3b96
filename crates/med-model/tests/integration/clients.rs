//! The 5,000 clients: how good the models are where it counts.

use med_model::{ModelSpec, Regressor, evaluate};
use serde_json::Value;

use crate::fixtures::clients;

fn r2(name: &str) -> f64 {
    let (train, test) = clients();
    let model = ModelSpec::parse(name, &Value::Null).unwrap().fit(&train).unwrap();
    evaluate(&model, &test).unwrap().r2.unwrap()
}

#[test]
fn linear_models_explain_most_and_trees_more() {
    for name in ["linear", "ridge", "lasso"] {
        assert!(r2(name) >= 0.90, "{name}: {}", r2(name));
    }
    assert!(r2("decision_tree") >= 0.94, "{}", r2("decision_tree"));
    assert!(r2("random_forest") >= 0.95, "{}", r2("random_forest"));
}

#[test]
fn boosting_finds_the_product_of_cost_and_share() {
    assert!(r2("gbdt") >= 0.98, "{}", r2("gbdt"));
}
