//! The files tests read, and small data they make.

use std::path::PathBuf;

use med_schema::{Dataset, FeatureColumn, FeatureMatrix};
use serde_json::Value;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name)
}

pub(crate) fn golden_text(name: &str) -> String {
    std::fs::read_to_string(path("goldens/model").join(name)).unwrap()
}

pub(crate) fn golden(name: &str) -> Value {
    serde_json::from_str(&golden_text(name)).unwrap()
}

pub(crate) fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

/// The columns of a CSV file without quotes, as texts.
fn columns(name: &str) -> Vec<(String, Vec<String>)> {
    let text = std::fs::read_to_string(path(name)).unwrap();
    let mut lines = text.lines().map(|l| l.trim_end_matches('\r').split(','));
    let mut columns: Vec<(String, Vec<String>)> = lines.next().unwrap().map(|n| (n.to_owned(), Vec::new())).collect();
    for line in lines {
        columns.iter_mut().zip(line).for_each(|(c, v)| c.1.push(v.to_owned()));
    }
    columns
}

/// Numbers as they are, texts as one 0/1 column a level but the first.
fn encoded(name: &str, target: &str) -> (Vec<FeatureColumn>, Vec<f64>) {
    let (mut features, mut y) = (Vec::new(), Vec::new());
    for (name, texts) in columns(name) {
        let parsed: Option<Vec<f64>> = texts.iter().map(|t| t.parse().ok()).collect();
        match parsed {
            Some(values) if name == target => y = values,
            Some(values) => features.push(FeatureColumn::numeric(name, values)),
            None => {
                let mut levels = texts.clone();
                levels.sort();
                levels.dedup();
                for level in &levels[1..] {
                    let dummies: Vec<f64> = texts.iter().map(|t| f64::from(t == level)).collect();
                    features.push(FeatureColumn::numeric(format!("{name}={level}"), dummies));
                }
            }
        }
    }
    (features, y)
}

/// `insurance.csv` in the design of the goldens: numeric columns first.
pub(crate) fn insurance() -> Dataset {
    let (features, y) = encoded("goldens/model/insurance.csv", "charges");
    let names = ["age", "bmi", "children", "sex=male", "smoker=yes", "region=northwest", "region=southeast"];
    let x = FeatureMatrix::new(features).unwrap();
    let x = x.select(names.into_iter().chain(["region=southwest"])).unwrap();
    Dataset::new(x, "charges", y).unwrap()
}

/// `insurance.csv` with its columns in the order of the file; `encode` makes a column of texts what a model takes.
pub(crate) fn insurance_with(encode: impl Fn(&FeatureColumn) -> FeatureColumn) -> Dataset {
    let (mut features, mut y) = (Vec::new(), Vec::new());
    for (name, texts) in columns("goldens/model/insurance.csv") {
        match texts.iter().map(|t| t.parse().ok()).collect::<Option<Vec<f64>>>() {
            Some(values) if name == "charges" => y = values,
            Some(values) => features.push(FeatureColumn::numeric(name, values)),
            None => features.push(encode(&FeatureColumn::from_texts(name, texts.iter().map(|t| Some(t.as_str()))))),
        }
    }
    Dataset::new(FeatureMatrix::new(features).unwrap(), "charges", y).unwrap()
}

/// `insurance.csv` with its texts as categories.
pub(crate) fn insurance_categories() -> Dataset {
    let data = insurance_with(FeatureColumn::clone);
    let x = data.x().select(["age", "bmi", "children", "sex", "smoker", "region"]).unwrap();
    data.with_features(x).unwrap()
}

/// The 5,000 clients.
fn all_clients() -> Dataset {
    let (features, y) = encoded("clients.csv", "annual_medical_cost");
    Dataset::new(FeatureMatrix::new(features).unwrap(), "annual_medical_cost", y).unwrap()
}

/// The 5,000 clients, every fifth held back.
pub(crate) fn clients() -> (Dataset, Dataset) {
    let data = all_clients();
    let rows = |held_back: bool| -> Vec<usize> { (0..data.n_rows()).filter(|r| (r % 5 == 0) == held_back).collect() };
    (data.take(&rows(false)).unwrap(), data.take(&rows(true)).unwrap())
}

/// Data with the fold of each row, as scikit-learn's `KFold(5, shuffle=True, random_state=42)` gives it.
pub(crate) fn with_folds(name: &str) -> (Dataset, Vec<usize>) {
    let data = if name == "insurance" { insurance() } else { all_clients() };
    let folds = golden("folds.json")[name].as_str().unwrap().bytes().map(|b| usize::from(b - b'0')).collect();
    (data, folds)
}

/// 120 rows, three numeric columns, a target that depends on them.
pub(crate) fn small() -> Dataset {
    let column = |f: &dyn Fn(f64) -> f64| (0..120).map(|i| f(f64::from(i))).collect::<Vec<f64>>();
    let age = column(&|i| 20.0 + (i * 7.0) % 60.0);
    let bmi = column(&|i| 25.0 + 6.0 * (i * 0.7).sin());
    let visits = column(&|i| (i * 3.0) % 8.0);
    let cost = (0..120).map(|i| 50.0 * age[i] + 90.0 * visits[i] + 10.0 * (i as f64 * 1.9).cos()).collect::<Vec<_>>();
    let x = FeatureMatrix::new(vec![
        FeatureColumn::numeric("age", age),
        FeatureColumn::numeric("bmi", bmi),
        FeatureColumn::numeric("visits", visits),
    ]);
    Dataset::new(x.unwrap(), "cost", cost).unwrap()
}

pub(crate) fn assert_close(name: &str, found: f64, expected: f64, relative: f64) {
    let scale = expected.abs().max(f64::MIN_POSITIVE);
    assert!((found - expected).abs() <= relative * scale, "{name}: found {found}, expected {expected}");
}
