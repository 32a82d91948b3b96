//! Model files that older releases wrote.

use med_model::{FORMAT_VERSION, Model, SavedModel};

use crate::fixtures::{golden, golden_text, numbers, small};

#[test]
fn trees_of_version_1_load_predict_the_same_bits_and_are_written_as_the_newest() {
    let (data, predictions) = (small(), golden("v1/predictions.json"));
    for kind in ["decision_tree", "random_forest", "gbdt"] {
        let text = golden_text(&format!("v1/{kind}.json"));
        assert!(text.contains("\"version\":1"));
        let loaded = SavedModel::from_json(&text).unwrap();
        assert_eq!(loaded.model().kind(), kind);
        assert_eq!(loaded.predict(data.x()).unwrap().to_vec(), numbers(&predictions[kind]), "{kind}");
        let written = loaded.to_json().unwrap();
        assert!(written.contains(&format!("\"version\":{FORMAT_VERSION}")));
        assert_eq!(SavedModel::from_json(&written).unwrap(), loaded);
    }
}
