//! `med extract --lake`: what a feature group asks of the rows that come into it.

use std::path::Path;

use serde_json::json;

use super::extract::{change, claims, extract};
use super::med;

/// A suite that takes kinds of these names only, and a batch of at least one row.
fn write_suite(folder: &Path, name: &str, kinds: &[&str]) {
    let suite = json!({"name": name, "expectations": [
        {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "kind", "value_set": kinds}, "severity": "critical"},
        {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 1}, "severity": "critical"},
        {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "kind"}, "severity": "warning"},
    ]});
    std::fs::write(folder.join(format!("{name}.json")), suite.to_string()).unwrap();
}

#[test]
fn columns_that_only_the_source_has_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    claims(folder);
    let first = extract(folder, "lake", "id", &[]);
    assert!(!first.stderr.contains("evolve") && first.passed().get("ignored").is_none());
    change(
        folder,
        "ALTER TABLE claims ADD COLUMN site TEXT; ALTER TABLE claims ADD COLUMN units INTEGER;
         INSERT INTO claims VALUES (9, 1, 'lab', '2024-01-03 09:00:00', 'north', 2)",
    );
    let done = extract(folder, "lake", "id", &[]);
    let way = "med lake evolve claims --add site:TYPE --add units:TYPE";
    assert!(done.stderr.contains("\"site\", \"units\"") && done.stderr.contains(way), "{}", done.stderr);
    assert_eq!(done.passed()["ignored"], json!(["site", "units"]));
}

#[test]
fn event_time_and_key_are_those_of_the_group() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    claims(folder);
    change(folder, "ALTER TABLE claims ADD COLUMN incurred TEXT; UPDATE claims SET incurred = '2024-01-01 00:00:00'");
    extract(folder, "lake", "id", &["--event-time", "incurred"]).passed();
    let told = extract(folder, "lake", "id", &["--event-time", "updated_at"]).refused();
    assert!(told.contains("--event-time updated_at") && told.contains("\"incurred\""), "{told}");
    // Another source of the same group has no watermark yet that would tell.
    let told = extract(folder, "lake", "kind", &["--source", "second"]).refused();
    assert!(told.contains("--key kind") && told.contains("the key id"), "{told}");
    assert_eq!(extract(folder, "lake", "id", &["--event-time", "incurred"]).passed()["rows"], 0);
    // Left out, it is the group's: two rows of one client at one cursor and different event times are two rows.
    change(folder, "INSERT INTO claims VALUES (4, 1, 'lab', '2024-01-05 09:00:00', NULL)");
    let done = extract(folder, "lake", "id", &[]);
    assert_eq!(done.code, 1, "{}", done.stderr);
    assert!(done.stderr.contains("\"incurred\"") && !done.stderr.contains("\"updated_at\""), "{}", done.stderr);
}

#[test]
fn a_group_made_with_a_suite_takes_only_what_it_admits() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    claims(folder);
    write_suite(folder, "kinds", &["visit", "lab"]);
    std::fs::write(folder.join("empty.json"), r#"{"name": "empty", "expectations": []}"#).unwrap();
    let refused = extract(folder, "lake", "id", &["--suite", "empty.json"]).refused();
    assert!(refused.contains("at least one expectation"), "{refused}");
    let missing = extract(folder, "lake", "id", &["--suite", "nowhere.json"]).refused();
    assert!(missing.contains("nowhere.json"), "{missing}");
    assert!(!folder.join("lake").exists(), "refused before anything is done");

    let first = extract(folder, "lake", "id", &["--suite", "kinds.json"]).passed();
    assert_eq!(first["gates"], json!({"key": "passed", "suite": "passed"}));
    assert_eq!((&first["inserted"], first["notes"].as_array().map(Vec::len)), (&json!(3), Some(1)), "{first}");
    // Nothing new is nothing to judge, though the suite expects a row.
    assert_eq!(extract(folder, "lake", "id", &[]).passed()["version"], first["version"]);

    change(
        folder,
        "INSERT INTO claims VALUES (4, 1, 'lap', '2024-01-02 09:00:00'), (5, 1, 'lab', '2024-01-02 09:00:00')",
    );
    for _ in 0..2 {
        // The suite is the group's: nobody needs to name it, and the watermark stays where it was.
        let done = extract(folder, "lake", "id", &[]);
        assert_eq!(done.code, 1, "{}", done.stderr);
        assert!(done.stderr.contains("not admitted: expect_column_values_to_be_in_set"), "{}", done.stderr);
        let told = done.json();
        assert_eq!((&told["rows"], &told["rejected"]), (&json!(2), &json!(1)), "{told}");
        assert_eq!(told["gates"], json!({"key": "passed", "suite": "failed"}));
        let aside = folder.join("lake/quarantine").join(told["run"].as_str().unwrap());
        let rejected = std::fs::read_dir(aside).unwrap().filter(|f| {
            let name = f.as_ref().unwrap().file_name();
            name.to_str().unwrap().starts_with("rejected-") && name.to_str().unwrap().ends_with(".parquet")
        });
        assert_eq!(rejected.count(), 1);
    }
    med(folder, &["lake", "read", "claims", "--out", "all.csv"]).passed();
    assert_eq!(std::fs::read_to_string(folder.join("all.csv")).unwrap().lines().count(), 4);
    change(folder, "UPDATE claims SET kind = 'lab' WHERE id = 4");
    assert_eq!(extract(folder, "lake", "id", &[]).passed()["inserted"], 2);
}

#[test]
fn a_key_that_is_a_number_is_found_in_the_watermark() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    claims(folder);
    extract(folder, "lake", "id", &["--cents", "paid", "--lag", "2"]).passed();
    let watermarks = |client: &str| {
        let places = med(folder, &["lake", "forget", "claims", client]).passed()["places"].clone();
        let found = places.as_array().unwrap().iter().filter(|place| place["place"] == "watermark");
        found.map(|place| place["erased"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(watermarks("2"), Vec::<serde_json::Value>::new(), "the lag is no key");
    assert_eq!(watermarks("3"), [json!(false)]);
}

#[test]
fn a_suite_is_attached_to_a_group_that_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    claims(folder);
    assert_eq!(extract(folder, "lake", "id", &[]).passed()["gates"], json!({"key": "passed"}));
    write_suite(folder, "labs", &["lab"]);
    change(folder, "INSERT INTO claims VALUES (4, 1, 'visit', '2024-01-02 09:00:00')");
    assert_eq!(extract(folder, "lake", "id", &["--suite", "labs.json"]).code, 1);
    assert_eq!(
        extract(folder, "lake", "id", &[]).passed()["gates"],
        json!({"key": "passed"}),
        "what it rejects is not attached"
    );
    change(folder, "INSERT INTO claims VALUES (5, 1, 'lab', '2024-01-03 09:00:00')");
    let attached = extract(folder, "lake", "id", &["--suite", "labs.json"]).passed();
    assert_eq!((&attached["inserted"], &attached["gates"]["suite"]), (&json!(1), &json!("passed")));
    change(folder, "INSERT INTO claims VALUES (6, 1, 'visit', '2024-01-04 09:00:00')");
    assert_eq!(extract(folder, "lake", "id", &[]).code, 1);
}
