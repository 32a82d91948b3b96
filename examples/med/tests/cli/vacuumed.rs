//! Runs whose versions of the lake a vacuum took.

use std::path::Path;

use med_store::blocking::Lakehouse;
use med_store::{Artifact, ArtifactKind};
use serde_json::Value;

use crate::pipeline::{change, filled};
use crate::{med, tree};

const DATABASE: &str = "lake/clients.sqlite";

fn vacuum(folder: &Path) -> usize {
    let done = med(folder, &["lake", "vacuum", "medical_costs", "--retain-days", "0"]).passed();
    done["files"].as_array().unwrap().len()
}

fn rows(folder: &Path, more: &[&str]) -> String {
    let read = ["lake", "read", "medical_costs", "--out", "rows.csv"];
    med(folder, &[&read[..], more].concat()).passed();
    std::fs::read_to_string(folder.join("rows.csv")).unwrap()
}

/// Name and number of versions of the one model.
fn models(folder: &Path) -> (Value, usize) {
    let listed = med(folder, &["model", "ls"]).passed();
    let model = &listed["models"][0];
    (model["name"].clone(), model["versions"].as_array().unwrap().len())
}

#[test]
fn a_run_whose_version_was_vacuumed_starts_anew_once() {
    let folder = filled();
    let folder = folder.path();
    let original = std::fs::read(folder.join(DATABASE)).unwrap();
    let first = med(folder, &["run"]).passed();
    let (id, first_rows) = (first["run_id"].as_str().unwrap(), rows(folder, &[]));

    change(folder, "UPDATE clients SET annual_medical_cost = annual_medical_cost + 1 WHERE rowid <= 10");
    let other = med(folder, &["run"]).passed();
    assert_eq!(vacuum(folder), 1);
    std::fs::write(folder.join(DATABASE), original).unwrap();

    let anew = med(folder, &["run"]);
    let (printed, told) = (anew.stdout.clone(), anew.stderr.clone());
    let summary = anew.passed();
    let new = summary["run_id"].as_str().unwrap();
    assert!(new != id && summary["run_id"] != other["run_id"]);
    assert!(told.contains(&format!("run {id}: version 1 of medical_costs_v1 can no longer be read")), "{told}");
    assert!(summary["notes"][0].as_str().unwrap().contains(&format!("it started anew as run {new}")), "{summary}");
    assert_eq!((&summary["rows"], &summary["models"]), (&first["rows"], &first["models"]));
    assert_eq!(rows(folder, &[]), first_rows, "nothing is doubled, nothing is missing");
    assert_eq!(models(folder).1, 12, "four models of each of the three runs");

    // Its name stands from here on: again it is the same, and changes nothing.
    let before = tree(folder);
    let again = med(folder, &["run"]);
    assert_eq!(again.stdout, printed);
    assert!(tree(folder) == before, "a run again changed a file");

    // What the first run made is walked back as ever.
    let lineage = med(folder, &["lake", "lineage", "--run", id]).passed();
    assert_eq!(lineage["events"].as_array().unwrap().len(), 8);
    assert_eq!(lineage["vacuumed"], serde_json::json!([{ "feature_group": "medical_costs_v1", "version": 1 }]));
    let lake = Lakehouse::open(folder.join("lake").to_str().unwrap()).unwrap();
    for run in [id, new] {
        let trace = lake.lineage().trace(&Artifact::new(ArtifactKind::Predictions, run)).unwrap();
        // The second may predict by a model of the other run: then that one's steps are among them, too.
        for job in ["predict", "train", "load", "training_set"] {
            assert!(trace.iter().any(|step| step.job == job), "{run} {job}");
        }
    }
    let page = med(folder, &["report", "--out", "pages"]).passed();
    assert_ne!(page["run"], id, "the run that took its place is the one to be shown");
}

#[test]
fn a_run_whose_rows_are_there_keeps_its_name() {
    let folder = filled();
    let folder = folder.path();
    let original = std::fs::read(folder.join(DATABASE)).unwrap();
    let first = med(folder, &["run"]);
    change(folder, "UPDATE clients SET annual_medical_cost = annual_medical_cost + 1 WHERE rowid <= 10");
    med(folder, &["run"]).passed();
    std::fs::write(folder.join(DATABASE), original).unwrap();
    assert_eq!(med(folder, &["run"]).stdout, first.stdout);
    // The rows stand in a later version now; the ones before it go.
    assert_eq!(vacuum(folder), 2);
    med(folder, &["lake", "read", "medical_costs", "--version", "1", "--out", "x.csv"]).refused();
    let versions = models(folder).1;
    let again = med(folder, &["run"]);
    assert_eq!(again.stdout, first.stdout);
    assert!(!again.stderr.contains("anew"), "{}", again.stderr);
    assert_eq!(models(folder).1, versions);
}
