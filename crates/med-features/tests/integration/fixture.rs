//! Small CSV and JSON files of the repository, read plainly: no quotes, empty is missing.

use std::path::PathBuf;

use med_schema::{FeatureColumn, FeatureMatrix};
use serde_json::Value;

fn path(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(file)
}

/// A CSV file as a matrix: a column is numeric when all its values are.
pub(crate) fn csv(file: &str) -> FeatureMatrix {
    let text = std::fs::read_to_string(path(file)).unwrap();
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    let columns = header.iter().enumerate().map(|(at, name)| {
        let cells: Vec<&str> = rows.iter().map(|row| row[at]).collect();
        let numbers: Result<Vec<f64>, _> =
            cells.iter().map(|c| if c.is_empty() { Ok(f64::NAN) } else { c.parse::<f64>() }).collect();
        match numbers {
            Ok(numbers) => FeatureColumn::numeric(*name, numbers),
            Err(_) => FeatureColumn::from_texts(*name, cells.iter().map(|c| (!c.is_empty()).then_some(*c))),
        }
    });
    FeatureMatrix::new(columns.collect()).unwrap()
}

pub(crate) fn json(file: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path(file)).unwrap()).unwrap()
}

/// Asserts that two numbers are as near as asked, in relation to the expected one.
#[track_caller]
pub(crate) fn close(found: f64, expected: f64, relative: f64, what: &str) {
    let error = if found == expected { 0.0 } else { (found / expected - 1.0).abs() };
    assert!(error <= relative, "{what}: {found} is not {expected} (relative error {error:e})");
}
