//! `med lake` beyond reading, and `med report`.

use chrono::{DateTime, Duration, Utc};
use med_store::blocking::Lakehouse;
use med_store::{Artifact, ArtifactKind};
use serde_json::Value;

use crate::med;
use crate::pipeline::{change, filled};

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
