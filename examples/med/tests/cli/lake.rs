//! `med lake` beyond reading, and `med report`.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Duration, Utc};
use med_schema::{CsvOptions, Table};
use med_store::blocking::Lakehouse;
use med_store::{Artifact, ArtifactKind};
use polars::prelude::{DataFrame, IntoColumn, NamedFrom, Series};
use serde_json::{Value, json};

use crate::med;
use crate::pipeline::{change, filled};

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn ids(file: &Path) -> Vec<String> {
    let table = Table::read(file, &CsvOptions::default()).unwrap();
    let Ok(column) = table.frame().column("client_id") else { return Vec::new() };
    column.str().unwrap().iter().flatten().map(str::to_owned).collect()
}

/// Files of a lake that hold a client, as bytes or as a row of a Parquet file, by their path in the lake.
fn holding(lake: &Path, client: &str) -> Vec<String> {
    let holds = |path: &PathBuf| {
        let bytes = std::fs::read(path).unwrap();
        let data = path.extension().is_some_and(|e| e == "parquet") && !path.to_str().unwrap().contains("_delta_log");
        bytes.windows(client.len()).any(|window| window == client.as_bytes())
            || data && ids(path).iter().any(|id| id == client)
    };
    let mut found: Vec<String> = files(lake)
        .iter()
        .filter(|path| holds(path))
        .map(|path| path.strip_prefix(lake).unwrap().to_str().unwrap().replace('\\', "/"))
        .collect();
    found.sort();
    found
}

/// What a forgetting lists of these kinds: objects, and whether they are erased.
fn listed(forgotten: &Value, kinds: &[&str]) -> Vec<(String, bool)> {
    let places = forgotten["places"].as_array().unwrap().iter();
    places
        .filter(|place| kinds.contains(&place["place"].as_str().unwrap()))
        .map(|place| (place["object"].as_str().unwrap().to_owned(), place["erased"].as_bool().unwrap()))
        .collect()
}

#[test]
fn a_client_is_forgotten_everywhere_or_the_place_is_named() {
    let folder = filled();
    let lake = folder.path().join("lake");
    let run = med(folder.path(), &["lake", "ls"]).passed()["runs"][0].as_str().unwrap().to_owned();
    let predictions = format!("predictions/{run}/predictions.parquet");
    let client = ids(&lake.join(&predictions)).swap_remove(3);

    let first = med(folder.path(), &["lake", "forget", "medical_costs", &client]).passed();
    assert_eq!(first["removed"], 1);
    assert_eq!(listed(&first, &["feature_group"]), [("medical_costs_v1".to_owned(), true)]);
    assert_eq!(listed(&first, &["predictions"]), [(predictions.clone(), true)]);
    assert_eq!(ids(&lake.join(&predictions)).len(), 999);
    let sets = listed(&first, &["training_set"]);
    assert!(matches!(&sets[..], [(_, false)]), "{first}");
    assert_eq!(
        listed(&first, &["model"]).len(),
        med(folder.path(), &["model", "show", "annual_medical_cost"]).passed()["versions"].as_array().unwrap().len()
    );

    let second = med(folder.path(), &["lake", "forget", "medical_costs", &client, "--training-sets"]).passed();
    assert_eq!(listed(&second, &["training_set"]), [(sets[0].0.clone(), true)]);
    assert!(!lake.join(&sets[0].0).exists());
    med(folder.path(), &["lake", "vacuum", "medical_costs", "--retain-days", "0"]).passed();
    let third = med(folder.path(), &["lake", "forget", "medical_costs", &client]).passed();
    let left: Vec<String> =
        listed(&third, &["former_version", "other_table", "training_set", "watermark", "log", "other"])
            .into_iter()
            .map(|(object, _)| object)
            .collect();
    assert_eq!(holding(&lake, &client), left, "{third}");
    assert!(left.iter().all(|object| object.contains("/_delta_log/")), "{third}");

    // The source has the client still, and a run brings it back: under another name, and not without a word.
    let again = med(folder.path(), &["run"]);
    assert!(again.stderr.contains("starts anew"), "{}", again.stderr);
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert_eq!(med(folder.path(), &["lake", "read", "medical_costs", "--out", "left.csv"]).passed()["rows"], 5000);
}

/// Appends rows to a group as another program would: a file, and an entry of the log without digests.
fn append_as_another_program(lake: &Path, group: &str, rows: &Table) {
    let table = lake.join("feature_groups").join(group);
    let log = table.join("_delta_log");
    let versions = files(&log).iter().filter(|path| path.extension().is_some_and(|e| e == "json")).count();
    let name = format!("part-{versions}.parquet");
    let size = rows.write(table.join(&name)).unwrap();
    let entry = [
        json!({"add": {"path": name, "partitionValues": {}, "size": size, "modificationTime": 1, "dataChange": true}}),
        json!({"commitInfo": {"operation": "WRITE", "engineInfo": "delta-rs:py-1.6.6"}}),
    ];
    std::fs::write(log.join(format!("{versions:020}.json")), entry.map(|line| line.to_string()).join("\n")).unwrap();
}

/// Marks rows 3, 4, 7, 11, 18 and 29 of a group's one file as deleted, as another program would: by a deletion vector in the log (the
/// example of Delta's protocol).
fn delete_as_another_program(lake: &Path, group: &str) {
    let log = lake.join("feature_groups").join(group).join("_delta_log");
    let mut actions = Vec::new();
    for version in 0..2 {
        let text = std::fs::read_to_string(log.join(format!("{version:020}.json"))).unwrap();
        actions.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
    }
    let one = |name: &str| actions.iter().find_map(|action| action.get(name)).unwrap().clone();
    let (mut table, mut file) = (one("metaData"), one("add"));
    table["configuration"]["delta.enableDeletionVectors"] = json!("true");
    let removed = json!({"path": file["path"], "deletionTimestamp": 2, "dataChange": true});
    file["deletionVector"] = json!({"storageType": "i", "sizeInBytes": 44, "cardinality": 6,
        "pathOrInlineDv": "^Bg9^0rr910000000000iXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L"});
    let features = ["deletionVectors"];
    let entry = [
        json!({"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": features, "writerFeatures": features}}),
        json!({"metaData": table}),
        json!({"remove": removed}),
        json!({"add": file}),
        json!({"commitInfo": {"operation": "DELETE", "engineInfo": "another program"}}),
    ];
    std::fs::write(log.join(format!("{:020}.json", 2)), entry.map(|line| line.to_string()).join("\n")).unwrap();
}

#[test]
fn files_say_how_many_of_their_rows_are_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let sql = "CREATE TABLE claims (id INTEGER PRIMARY KEY, updated_at TEXT);
        WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 39)
        INSERT INTO claims SELECT i, '2024-01-01 08:00:00' FROM n";
    super::extract::change(folder, sql);
    super::extract::extract(folder, "lake", "id", &[]).passed();
    let before = med(folder, &["lake", "files", "claims"]);
    assert_eq!(before.stderr, "");
    let before = before.passed();
    assert!(before.get("deleted_rows").is_none(), "{before}");
    delete_as_another_program(&folder.join("lake"), "claims_v1");
    assert_eq!(med(folder, &["lake", "read", "claims", "--out", "left.csv"]).passed()["rows"], 34);
    let after = med(folder, &["lake", "files", "claims"]);
    assert!(after.stderr.contains("1 of 1 files") && after.stderr.contains("6 in all"), "{}", after.stderr);
    let after = after.passed();
    assert_eq!(after["files"], before["files"]);
    assert_eq!(after["deleted_rows"], json!({before["files"][0].as_str().unwrap(): 6}));
}

#[test]
fn rows_of_another_program_stay_and_repeated_keys_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let printed = med(folder.path(), &["run"]);
    let first = printed.stdout.clone();
    printed.passed();
    med(folder.path(), &["lake", "read", "medical_costs", "--out", "all.parquet"]).passed();
    let all = Table::read(folder.path().join("all.parquet"), &CsvOptions::default()).unwrap();
    let ours = all.take(&[0]).unwrap();
    let mut columns = ours.frame().columns().to_vec();
    let at = columns.iter().position(|column| column.name().as_str() == "client_id").unwrap();
    columns[at] = Series::new("client_id".into(), ["client-of-another-program"]).into_column();
    let theirs = Table::parse(DataFrame::new(1, columns).unwrap(), ours.schema().clone()).unwrap();
    let lake = folder.path().join("lake");
    append_as_another_program(&lake, "medical_costs_v1", &theirs);

    let again = med(folder.path(), &["run"]);
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert_eq!(again.stdout, first, "the run is what it was");
    let read = med(folder.path(), &["lake", "read", "medical_costs", "--out", "more.parquet"]).passed();
    assert_eq!(read["rows"], 5001, "and the rows beside its own stay");

    append_as_another_program(&lake, "medical_costs_v1", &ours);
    for arguments in [vec!["run"], vec!["lake", "read", "medical_costs", "--out", "more.parquet"]] {
        let refused = med(folder.path(), &arguments).refused();
        for part in ["medical_costs_v1, version 3: 1 rows repeat a key", "version 3 (WRITE by delta-rs:py-1.6.6)"] {
            assert!(refused.contains(part), "{part}: {refused}");
        }
    }
    med(folder.path(), &["lake", "read", "medical_costs", "--version", "2", "--out", "more.parquet"]).passed();
}

#[test]
fn a_client_is_forgotten_and_the_files_of_former_versions_go() {
    let folder = filled();
    let files = med(folder.path(), &["lake", "files", "medical_costs"]).passed();
    assert_eq!(files["files"].as_array().unwrap().len(), 1);
    med(folder.path(), &["lake", "read", "medical_costs", "--out", "all.csv"]).passed();
    let all = std::fs::read_to_string(folder.path().join("all.csv")).unwrap();
    let column = all.lines().next().unwrap().split(',').position(|name| name == "client_id").unwrap();
    let client = all.lines().nth(1).unwrap().split(',').nth(column).unwrap().to_owned();

    let forgotten = med(folder.path(), &["lake", "forget", "medical_costs", &client]).passed();
    assert_eq!(forgotten["removed"], 1);
    let left = med(folder.path(), &["lake", "read", "medical_costs", "--out", "left.csv"]).passed();
    assert_eq!(left["rows"], 4999);
    let again = med(folder.path(), &["lake", "forget", "medical_costs", &client]).passed();
    assert_eq!(again["removed"], 0);

    let dry = med(folder.path(), &["lake", "vacuum", "medical_costs", "--retain-days", "0", "--dry-run"]).passed();
    assert_eq!(dry["files"], files["files"]);
    let kept = med(folder.path(), &["lake", "vacuum", "medical_costs"]).passed();
    assert_eq!(kept["files"].as_array().unwrap().len(), 0, "a week is kept");
    assert_eq!(med(folder.path(), &["lake", "vacuum", "medical_costs", "--retain-days", "0"]).passed(), dry);
    med(folder.path(), &["lake", "read", "medical_costs", "--version", "1", "--out", "x.csv"]).refused();
    let compacted = med(folder.path(), &["lake", "compact", "medical_costs"]).passed();
    assert_eq!((&compacted["files_before"], &compacted["files"]), (&1.into(), &1.into()));
}

/// Events are of the time when things were done, starts before ends; what the batch is called is another time.
fn happened_just_now(lineage: &Value, started: DateTime<Utc>) {
    let mut before = started - Duration::seconds(1);
    for event in lineage["events"].as_array().unwrap() {
        let time = DateTime::parse_from_rfc3339(event["eventTime"].as_str().unwrap()).unwrap().to_utc();
        assert!(before <= time && time <= Utc::now(), "{event}");
        before = time;
        let nominal = &event["run"]["facets"]["nominalTime"]["nominalStartTime"];
        assert_eq!(nominal, "2025-01-01T00:00:00+00:00");
    }
}

#[test]
fn a_run_that_a_gate_ended_leaves_its_lineage() {
    let folder = filled();
    let folder = folder.path();
    let started = Utc::now();
    let last = |run: &Value| -> (Value, Vec<String>) {
        let lineage = med(folder, &["lake", "lineage", "--run", run["run_id"].as_str().unwrap()]).passed();
        happened_just_now(&lineage, started);
        let events = lineage["events"].as_array().unwrap().clone();
        let jobs = events.iter().map(|e| format!("{} {}", e["job"]["name"], e["eventType"]).replace('"', ""));
        (events.last().unwrap().clone(), jobs.collect())
    };
    // At the last gate but one: what came before is told, too.
    let suite = r#"{ "name": "models", "expectations": [{ "metric": "r2", "min": 0.999 }] }"#;
    std::fs::write(folder.join("models.json"), suite).unwrap();
    std::fs::write(folder.join("med.toml"), "[suites]\nmodels = \"models.json\"\n").unwrap();
    let failed = med(folder, &["run", "--config", "med.toml"]);
    assert_eq!(failed.code, 1);
    let (event, jobs) = last(&failed.json());
    assert_eq!(
        jobs,
        ["load START", "load COMPLETE", "training_set START", "training_set COMPLETE", "train START", "train FAIL"]
    );
    let told = event["run"]["facets"]["errorMessage"]["message"].as_str().unwrap();
    assert!(told.contains("gate \"models\"") && told.contains("r2"), "{told}");
    assert_eq!(event["inputs"][0]["name"], "training_set/medical_costs_v1");

    // At the first one: nothing was loaded.
    change(folder, "UPDATE clients SET age = 999 WHERE rowid <= 3");
    let failed = med(folder, &["run"]);
    assert_eq!(failed.code, 1);
    let (event, jobs) = last(&failed.json());
    assert_eq!(jobs, ["load START", "load FAIL"]);
    let told = event["run"]["facets"]["errorMessage"]["message"].as_str().unwrap();
    assert!(told.contains("gate \"extracted\"") && told.contains("age") && !told.contains("999"), "{told}");
    assert_eq!(event["inputs"].as_array().unwrap().len(), 3);
    assert_eq!(event["outputs"], serde_json::json!([]));
}

#[test]
fn lineage_and_page_of_a_run_come_back() {
    let started = Utc::now();
    let folder = filled();
    let runs = med(folder.path(), &["lake", "ls"]).passed();
    let run = runs["runs"][0].as_str().unwrap().to_owned();
    let events = med(folder.path(), &["lake", "lineage", "--run", &run]).passed();
    let jobs: Vec<&str> =
        events["events"].as_array().unwrap().iter().map(|e| e["job"]["name"].as_str().unwrap()).collect();
    assert_eq!(jobs, ["load", "load", "training_set", "training_set", "train", "train", "predict", "predict"]);
    assert_eq!(events["vacuumed"], serde_json::json!([]));
    happened_just_now(&events, started);
    let address = format!("file://{}", folder.path().canonicalize().unwrap().join("lake").display());
    for event in events["events"].as_array().unwrap() {
        assert_eq!(event["job"]["namespace"], address.as_str());
        let sides = ["inputs", "outputs"].iter().flat_map(|side| event[*side].as_array().unwrap());
        assert!(sides.clone().all(|d| d["namespace"] == address.as_str()), "{event}");
        let version = |d: &Value| d["name"] == format!("predictions/{run}") || d["facets"]["version"].is_object();
        assert!(sides.clone().all(version), "what it was made from is told to the bit: {event}");
    }
    let names = |event: &Value, side: &str| -> Vec<String> {
        event[side].as_array().unwrap().iter().map(|d| d["name"].as_str().unwrap().to_owned()).collect()
    };
    let load = &events["events"][1];
    assert_eq!(names(load, "inputs"), ["source/suites", "source/configuration", "source/table clients"]);
    // After another run of the same, and by another path, it is the same.
    med(folder.path(), &["run"]).passed();
    let lake = folder.path().join("lake");
    let again = med(folder.path(), &["lake", "--lake", lake.to_str().unwrap(), "lineage", "--run", &run]).passed();
    assert_eq!(again, events);

    // From the predictions back to the source; and the training set, made again from the version that it names, is the same.
    let lake = Lakehouse::open(folder.path().join("lake").to_str().unwrap()).unwrap();
    let trace = lake.lineage().trace(&Artifact::new(ArtifactKind::Predictions, &run)).unwrap();
    let jobs: Vec<&str> = trace.iter().map(|step| step.job.as_str()).collect();
    assert_eq!(jobs, ["predict", "train", "load", "training_set"]);
    let view = lake.open_feature_view("medical_costs", 1).unwrap();
    let set = view.open_training_set(1).unwrap();
    assert_eq!(view.reproduce(&set).unwrap(), set.manifest().digest);
    let rows: Vec<u64> = set.manifest().parts.iter().map(|part| part.rows).collect();
    assert_eq!((set.manifest().run.as_str(), rows), (run.as_str(), vec![4_000, 1_000]));

    let stored = std::fs::read_to_string(folder.path().join(format!("lake/runs/{run}/report.html"))).unwrap();
    for arguments in [vec!["report", "--out", "pages"], vec!["report", "--run", &run, "--out", "pages"]] {
        let done = med(folder.path(), &arguments).passed();
        assert_eq!(done["run"], run.as_str());
        let page = std::fs::read_to_string(folder.path().join(done["path"].as_str().unwrap())).unwrap();
        assert!(page == stored, "rendered again it is the same page");
    }
    let refused = med(folder.path(), &["report", "--run", "none", "--out", "pages"]).refused();
    assert!(refused.contains(&run), "{refused}");
}
