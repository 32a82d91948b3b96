//! Columns that are no features: exposure and weights.

use std::path::Path;

use serde_json::Value;

use super::med;

const SCHEMA: &str =
    "[[columns]]\nname = \"years\"\nrole = \"exposure\"\n[[columns]]\nname = \"weight\"\nrole = \"weight\"\n";

/// Members with 100 a year and year of age, insured for a whole or half a year, and a weight of 1 or 2.
fn members(folder: &Path, name: &str, columns: &[&str]) {
    let mut text = format!("{}\n", columns.join(","));
    for i in 0..120 {
        let (age, years, weight) = (20.0 + f64::from(i % 40), [1.0, 0.5][i as usize % 2], 1.0 + f64::from(i % 3 / 2));
        let value = |column: &&str| match *column {
            "age" => age,
            "years" => years,
            "weight" => weight,
            _ => 100.0 * age * years,
        };
        text += &format!("{}\n", columns.iter().map(|c| value(c).to_string()).collect::<Vec<_>>().join(","));
    }
    std::fs::write(folder.join(name), text).unwrap();
}

fn predictions(folder: &Path) -> Vec<f64> {
    let text = std::fs::read_to_string(folder.join("p.csv")).unwrap();
    text.lines().skip(1).map(|l| l.rsplit(',').next().unwrap().parse().unwrap()).collect()
}

#[test]
fn a_model_with_exposure_predicts_the_cost_in_the_years_of_the_row() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    members(folder, "train.csv", &["age", "years", "weight", "cost"]);
    std::fs::write(folder.join("s.toml"), SCHEMA).unwrap();
    let train = ["train", "--data", "train.csv", "--target", "cost", "--model", "linear", "--schema", "s.toml"];
    let done = med(folder, &[&train[..], &["--test", "train.csv", "--out", "m.json"]].concat()).passed();
    assert_eq!((&done["features"], &done["exposure"]), (&serde_json::json!(["age"]), &"years".into()));
    assert_eq!(done["metrics"]["train"], done["metrics"]["test"]);
    assert!(done["metrics"]["train"]["r2"].as_f64().unwrap() > 0.999_999);

    members(folder, "with.csv", &["years", "age"]);
    let predict = |data: &str| -> (Value, Vec<f64>) {
        let done = med(folder, &["predict", "--model", "m.json", "--data", data, "--out", "p.csv"]).passed();
        (done["exposure"].clone(), predictions(folder))
    };
    let (exposure, costs) = predict("with.csv");
    assert_eq!(exposure, "years");
    assert!((costs[0] - 2000.0).abs() < 1e-6 && (costs[1] - 1050.0).abs() < 1e-6, "{costs:?}");
    members(folder, "without.csv", &["age"]);
    let (exposure, costs) = predict("without.csv");
    assert_eq!(exposure, Value::Null);
    assert!((costs[1] - 2100.0).abs() < 1e-6, "{costs:?}");

    members(folder, "costs.csv", &["age", "cost"]);
    let text = med(folder, &["evaluate", "--model", "m.json", "--data", "costs.csv"]).refused();
    assert!(text.contains("lacks") && text.contains("\"years\""), "{text}");
    let done = med(folder, &["evaluate", "--model", "m.json", "--data", "train.csv", "--by", "weight"]).passed();
    assert_eq!(done["groups"].as_object().unwrap().len(), 2);
    std::fs::write(folder.join("bad.csv"), "age,years\n30,1\n40,-1\n").unwrap();
    let text = med(folder, &["predict", "--model", "m.json", "--data", "bad.csv", "--out", "p.csv"]).refused();
    assert!(text.contains("\"years\", row 1") && !text.contains("-1"), "{text}");
}

#[test]
fn a_weight_of_two_is_the_row_twice() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let rows: [(f64, f64, usize); 5] = [(1.0, 3.0, 1), (2.0, 1.0, 2), (3.0, 8.0, 1), (4.0, 2.0, 2), (5.5, 9.0, 1)];
    let once: String = rows.iter().map(|(x, y, w)| format!("{x},{w},{y}\n")).collect();
    let twice: String = rows.iter().map(|(x, y, w)| format!("{x},1,{y}\n").repeat(*w)).collect();
    std::fs::write(folder.join("once.csv"), format!("x,weight,cost\n{once}")).unwrap();
    std::fs::write(folder.join("twice.csv"), format!("x,weight,cost\n{twice}")).unwrap();
    std::fs::write(folder.join("s.toml"), "[[columns]]\nname = \"weight\"\nkind = \"count\"\nrole = \"weight\"\n")
        .unwrap();
    let metrics = |data: &str| {
        let train =
            ["train", "--data", data, "--target", "cost", "--model", "ridge", "--schema", "s.toml", "--out", "m.json"];
        let rmse = med(folder, &train).passed()["metrics"]["train"]["rmse"].as_f64().unwrap();
        med(folder, &["predict", "--model", "m.json", "--data", "once.csv", "--out", "p.csv"]).passed();
        (rmse, predictions(folder))
    };
    let ((a, p), (b, q)) = (metrics("once.csv"), metrics("twice.csv"));
    assert!((a - b).abs() < 1e-9, "{a} {b}");
    assert!(p.iter().zip(&q).all(|(p, q)| (p - q).abs() < 1e-9), "{p:?} {q:?}");
}

#[test]
fn costs_that_do_not_suit_the_objective_are_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let rows: String =
        (0..200).map(|i| format!("{},{}\n", i % 9, if i == 77 { 7_000_000 } else { (i % 4 / 3) * 50 })).collect();
    std::fs::write(folder.join("d.csv"), format!("visits,cost\n{rows}")).unwrap();
    let train = |params: &str| {
        let train =
            ["train", "--data", "d.csv", "--target", "cost", "--model", "gbdt", "--params", params, "--out", "m.json"];
        med(folder, &train).passed()["warnings"].as_array().unwrap().len()
    };
    assert!(train(r#"{"objective": "regression", "num_iterations": 2}"#) > 0);
    assert_eq!(train(r#"{"objective": "tweedie", "num_iterations": 2}"#), 0);
}

#[test]
fn a_new_category_or_a_missing_one_stops_no_batch() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let plans = ["basic", "gold", "silver"];
    let rows: String = (0..300)
        .map(|i: u32| format!("{},{},{}\n", i * 7 % 50, plans[i as usize % 3], 100 + i % 50 + 300 * (i % 3)))
        .collect();
    std::fs::write(folder.join("train.csv"), format!("age,plan,cost\n{rows}")).unwrap();
    std::fs::write(folder.join("new.csv"), "age,plan\n30,gold\n30,platinum\n30,\n,basic\n").unwrap();
    for model in ["linear", "glm_gamma", "glm_tweedie", "two_part", "log_ols", "gbdt", "decision_tree", "random_forest"]
    {
        let train = ["train", "--data", "train.csv", "--target", "cost", "--model", model, "--out", "m.json"];
        let done = med(folder, &train).passed();
        assert!(done["metrics"]["train"]["r2"].as_f64().unwrap() > 0.8, "{model}: {done}");
        med(folder, &["predict", "--model", "m.json", "--data", "new.csv", "--out", "p.csv"]).passed();
        let costs = predictions(folder);
        assert!(costs.len() == 4 && costs.iter().all(|c| c.is_finite() && *c > 0.0), "{model}: {costs:?}");
    }
}

#[test]
fn a_model_that_lightgbm_wrote_predicts() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let text = "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx=0\n\
        objective=regression\nfeature_names=age\nfeature_infos=[18:64]\n\nTree=0\nnum_leaves=2\nnum_cat=0\nsplit_feature=0\n\
        split_gain=1\nthreshold=40.5\ndecision_type=2\nleft_child=-1\nright_child=-2\nleaf_value=900 2100\n\
        is_linear=0\nshrinkage=1\n\n\nend of trees\n";
    std::fs::write(folder.join("m.txt"), text).unwrap();
    std::fs::write(folder.join("d.csv"), "age,cost\n40,1\n41,2\n").unwrap();
    med(folder, &["predict", "--model", "m.txt", "--data", "d.csv", "--out", "p.csv"]).passed();
    assert_eq!(predictions(folder), [900.0, 2100.0]);
    let text = med(folder, &["evaluate", "--model", "m.txt", "--data", "d.csv"]).refused();
    assert!(text.contains("does not say what it predicts"), "{text}");
}
