//! `med train` on files that leave little to learn from: a model, or a message that says what is wrong.

use std::fmt::Write as _;
use std::path::Path;

use med_model::MODEL_NAMES;

use super::{Done, med};

fn write(folder: &Path, name: &str, header: &str, n: usize, row: impl Fn(usize) -> String) {
    let mut text = format!("{header}\n");
    (0..n).for_each(|i| writeln!(text, "{}", row(i)).unwrap());
    std::fs::write(folder.join(name), text).unwrap();
}

fn train(folder: &Path, data: &str, model: &str) -> Done {
    med(folder, &["train", "--data", data, "--target", "cost", "--model", model, "--out", "m.json"])
}

/// An age, a region and smoking of the row.
fn client(i: usize) -> String {
    format!("{}.5,{},{}", 20 + i * 7 % 60, ["n", "s", "e"][i % 3], ["yes", "no"][i / 3 % 2])
}

#[test]
fn every_model_is_fitted_or_says_why_not() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let header = "age,region,smoker,cost";
    write(folder, "one.csv", header, 1, |i| format!("{},10.5", client(i)));
    write(folder, "two.csv", header, 2, |i| format!("{},{}", client(i), 10 * i));
    write(folder, "constant.csv", header, 40, |i| format!("{},100.5", client(i)));
    write(folder, "zeros.csv", header, 40, |i| format!("{},0", client(i)));
    write(folder, "negative.csv", header, 40, |i| format!("{},{}.5", client(i), i as i64 - 3));
    let names: Vec<String> = (0..60).map(|j| format!("x{j}")).collect();
    write(folder, "wide.csv", &format!("{},cost", names.join(",")), 20, |i| {
        let values: Vec<String> = (0..60).map(|j| format!("{}.25", (i * 31 + j * 17) % 101)).collect();
        format!("{},{}", values.join(","), 1 + i * 13 % 19)
    });
    for data in ["one.csv", "two.csv", "constant.csv", "zeros.csv", "negative.csv", "wide.csv"] {
        for model in MODEL_NAMES {
            let done = train(folder, data, model);
            if done.code == 0 {
                med(folder, &["predict", "--model", "m.json", "--data", data, "--out", "p.csv"]).passed();
                med(folder, &["evaluate", "--model", "m.json", "--data", data]).passed();
            } else {
                done.refused();
            }
        }
    }
}

#[test]
fn columns_that_no_model_takes_are_named_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder, "ids.csv", "client,empty,cost", 50, |i| format!("c{i},,{}.5", 100 + i));
    let text = train(folder, "ids.csv", "gbdt").refused();
    assert!(text.contains("\"client\" is identifier: all values differ") && text.contains("\"empty\" is"), "{text}");
    write(folder, "one_level.csv", "region,cost", 50, |i| format!("north,{}.5", 100 + i));
    let text = train(folder, "one_level.csv", "linear").refused();
    assert!(text.contains("no feature is left of region"), "{text}");
    train(folder, "one_level.csv", "ridge").passed();
}

#[test]
fn intervals_that_cannot_be_made_are_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder, "ten.csv", "age,region,smoker,cost", 10, |i| format!("{},{}.5", client(i), 100 + i * 37 % 11));
    let done = train(folder, "ten.csv", "knn").passed();
    let warning = done["warnings"][0].as_str().unwrap();
    assert!(warning.starts_with("no prediction intervals can be made"), "{warning}");
    assert!(warning.contains("knn needs at least 10 rows"), "{warning}");
    let predict = ["predict", "--model", "m.json", "--data", "ten.csv", "--out", "p.csv", "--interval", "0.9"];
    let text = med(folder, &predict).refused();
    assert!(text.contains("no prediction intervals") && text.contains("rows enough"), "{text}");
    let none =
        ["train", "--data", "ten.csv", "--target", "cost", "--model", "knn", "--out", "m.json", "--intervals", "none"];
    assert_eq!(med(folder, &none).passed()["warnings"], serde_json::json!([]));
}
