//! Batches that are unlike the training part: what is said of them, and codes that are only written in another way.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use super::{Done, med};

/// Members whose cost is 100 times the square of a region 1 to 5; the regions written by `form`.
fn members(folder: &Path, name: &str, form: impl Fn(u32, u32) -> String) {
    let mut text = "age,region,cost\n".to_owned();
    for i in 0..600_u32 {
        let (age, region) = (20 + i * 7 % 60, 1 + i * 11 % 5);
        writeln!(text, "{age},{},{}", form(i, region), 100 * region * region + age).unwrap();
    }
    std::fs::write(folder.join(name), text).unwrap();
}

fn integers(_: u32, region: u32) -> String {
    region.to_string()
}

/// As a program writes a column with a gap.
fn floats(row: u32, region: u32) -> String {
    if row == 3 { String::new() } else { format!("{region}.0") }
}

fn train(folder: &Path, model: &str, data: &str, more: &[&str]) -> Value {
    let train = ["train", "--data", data, "--target", "cost", "--model", model, "--out", "m.json"];
    med(folder, &[&train[..], more].concat()).passed()
}

fn predict(folder: &Path, data: &str, more: &[&str]) -> Done {
    med(folder, &[&["predict", "--model", "m.json", "--data", data, "--out", "p.csv"][..], more].concat())
}

fn rmse(folder: &Path, data: &str, more: &[&str]) -> f64 {
    let done = med(folder, &[&["evaluate", "--model", "m.json", "--data", data][..], more].concat()).passed();
    done["metrics"]["rmse"].as_f64().unwrap()
}

#[test]
fn a_code_is_one_category_whether_written_as_integer_or_float() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    members(folder, "int.csv", integers);
    members(folder, "float.csv", floats);
    std::fs::write(folder.join("nominal.toml"), "[[columns]]\nname = \"region\"\nkind = \"nominal\"\n").unwrap();
    std::fs::write(folder.join("text.toml"), "[[columns]]\nname = \"region\"\nkind = \"nominal\"\ntype = \"text\"\n")
        .unwrap();
    for schema in ["nominal.toml", "text.toml"] {
        for (trained, other) in [("int.csv", "float.csv"), ("float.csv", "int.csv")] {
            for model in ["gbdt", "ridge", "glm_tweedie"] {
                train(folder, model, trained, &["--schema", schema]);
                for more in [&["--schema", schema][..], &[]] {
                    let label = format!("{model} {trained} {schema} {more:?}");
                    let (own, new) = (rmse(folder, trained, more), rmse(folder, other, more));
                    assert!(own < 100.0 && new < 100.0, "{label}: {own} on its own file, {new} on the other");
                    let done = predict(folder, other, more).passed();
                    assert_eq!((&done["unseen_levels"], &done["warnings"]), (&json!({}), &json!([])), "{label}");
                    let missing = if other == "float.csv" { json!({ "region": 1 }) } else { json!({}) };
                    assert_eq!(done["missing_cells"], missing, "{label}");
                }
            }
        }
    }
}

#[test]
fn a_column_of_unseen_categories_is_counted_and_warned_of_without_its_values() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    members(folder, "train.csv", |_, region| format!("north{region}"));
    members(folder, "one.csv", |row, region| if row == 0 { "south".to_owned() } else { format!("north{region}") });
    members(folder, "all.csv", |row, _| if row < 100 { String::new() } else { format!("south{}", row % 2) });
    for model in ["gbdt", "ridge", "two_part"] {
        train(folder, model, "train.csv", &[]);
        let one = predict(folder, "one.csv", &[]);
        assert_eq!(one.stderr, "", "{model}");
        let one = one.passed();
        assert_eq!((&one["unseen_levels"], &one["warnings"]), (&json!({ "region": 1 }), &json!([])), "{model}");
        let all = predict(folder, "all.csv", &[]);
        assert!(all.stderr.contains("warning: column \"region\": 500 of 500 values (100 %)"), "{}", all.stderr);
        assert!(!all.stderr.contains("south"), "{}", all.stderr);
        let all = all.passed();
        assert_eq!(all["unseen_levels"], json!({ "region": 500 }), "{model}");
        assert_eq!(all["missing_cells"], json!({ "region": 100 }), "{model}");
        assert_eq!(all["warnings"].as_array().unwrap().len(), 1, "{model}");
        let evaluate = ["evaluate", "--model", "m.json", "--data", "all.csv"];
        assert_eq!(med(folder, &evaluate).passed()["unseen_levels"], json!({ "region": 500 }), "{model}");
    }
}

#[test]
fn a_word_among_numbers_is_told_at_training() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let word = |row, region| if row == 7 { "unknown".to_owned() } else { floats(row, region) };
    members(folder, "word.csv", word);
    members(folder, "int.csv", integers);
    let done = train(folder, "gbdt", "word.csv", &[]);
    let warnings = done["warnings"].as_array().unwrap();
    let text = warnings[0].as_str().unwrap();
    assert!(
        text.starts_with("column \"region\": 1 of 599 values (the first in row 7, from 0) are not numbers"),
        "{text}"
    );
    assert!(!text.contains("unknown"), "{text}");
    assert!(rmse(folder, "int.csv", &[]) < 100.0, "its numbers are the same levels in either form");
    assert_eq!(train(folder, "gbdt", "word.csv", &["--null-values", "unknown"])["warnings"], json!([]));
    let schema = "[[columns]]\nname = \"region\"\nkind = \"nominal\"\n";
    std::fs::write(folder.join("s.toml"), schema).unwrap();
    assert_eq!(train(folder, "gbdt", "word.csv", &["--schema", "s.toml"])["warnings"], json!([]));
}

#[test]
fn the_objective_is_named_and_one_correction_among_costs_is_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let rows: String =
        (0..500).map(|i| format!("{},{}\n", i % 9, if i == 77 { 7_000_000 } else { (i % 4 / 3) * 50 })).collect();
    std::fs::write(folder.join("costs.csv"), format!("visits,cost\n{rows}")).unwrap();
    std::fs::write(folder.join("corrected.csv"), format!("visits,cost\n{rows}3,-5\n")).unwrap();
    let few = ["--params", r#"{"num_iterations": 2}"#];
    let done = train(folder, "gbdt", "costs.csv", &few);
    assert_eq!((&done["objective"], &done["warnings"]), (&json!("tweedie"), &json!([])));
    let done = train(folder, "gbdt", "corrected.csv", &few);
    assert_eq!(done["objective"], "regression");
    let warnings: Vec<&str> = done["warnings"].as_array().unwrap().iter().map(|w| w.as_str().unwrap()).collect();
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    assert!(warnings[0].starts_with("1 of 501 targets are below zero"), "{warnings:?}");
    assert_eq!(train(folder, "ridge", "costs.csv", &[])["objective"], Value::Null);
}

#[test]
fn a_prediction_beyond_all_costs_trained_on_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let row = |age: u32| format!("{age},{}\n", (f64::from(age) / 25.0).exp() * f64::from(90 + age % 20));
    let train_rows: String = (0..400).map(|i| row(20 + i * 7 % 60)).collect();
    std::fs::write(folder.join("train.csv"), format!("age,cost\n{train_rows}")).unwrap();
    std::fs::write(folder.join("year.csv"), format!("age,cost\n40,500\n1980,500\n{}", row(50))).unwrap();
    for model in ["glm_tweedie", "glm_gamma", "glm_poisson"] {
        assert_eq!(train(folder, model, "train.csv", &[])["warnings"], json!([]), "{model}");
        let ran = predict(folder, "year.csv", &[]);
        let expected = "1 of 3 predictions (the first in row 1, from 0) are more than 10 times the largest target";
        assert!(ran.stderr.contains(expected) && !ran.stderr.contains("1980"), "{model}: {}", ran.stderr);
        assert!(ran.passed()["warnings"][0].as_str().unwrap().starts_with(expected), "{model}");
        let evaluate = med(folder, &["evaluate", "--model", "m.json", "--data", "year.csv"]).passed();
        assert!(evaluate["warnings"][0].as_str().unwrap().starts_with(expected), "{model}: {evaluate}");
        let warnings = &train(folder, model, "train.csv", &["--test", "year.csv"])["warnings"];
        assert_eq!(warnings, &json!([format!("test part: {}", evaluate["warnings"][0].as_str().unwrap())]), "{model}");
    }
    // A file written before the largest target was kept: no bound, and no refusal.
    let mut model: Value = serde_json::from_slice(&std::fs::read(folder.join("m.json")).unwrap()).unwrap();
    assert!(model["preprocessing"].as_object_mut().unwrap().remove("largest_target").is_some());
    std::fs::write(folder.join("m.json"), model.to_string()).unwrap();
    assert_eq!(predict(folder, "year.csv", &[]).passed()["warnings"], json!([]));
}

#[test]
fn exposure_in_days_is_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let rows: String = (0..60).map(|i| format!("{},{},{}\n", 20 + i % 40, 365, 1000 + i * 13 % 70)).collect();
    std::fs::write(folder.join("days.csv"), format!("age,insured,cost\n{rows}")).unwrap();
    std::fs::write(folder.join("s.toml"), "[[columns]]\nname = \"insured\"\nrole = \"exposure\"\nkind = \"count\"\n")
        .unwrap();
    let done = train(folder, "ridge", "days.csv", &["--schema", "s.toml"]);
    let expected = "exposure \"insured\": 60 of 60 rows have more than 1.5 years at risk";
    assert!(done["warnings"][0].as_str().unwrap().starts_with(expected), "{done}");
    assert!(predict(folder, "days.csv", &[]).stderr.contains(expected));
}
