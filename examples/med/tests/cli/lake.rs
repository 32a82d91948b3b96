//! `med lake` beyond reading, and `med report`.

use med_store::blocking::Lakehouse;
use med_store::{Artifact, ArtifactKind};

use crate::med;
use crate::pipeline::filled;

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

#[test]
fn lineage_and_page_of_a_run_come_back() {
    let folder = filled();
    let runs = med(folder.path(), &["lake", "ls"]).passed();
    let run = runs["runs"][0].as_str().unwrap().to_owned();
    let events = med(folder.path(), &["lake", "lineage", "--run", &run]).passed();
    let jobs: Vec<&str> =
        events["events"].as_array().unwrap().iter().map(|e| e["job"]["name"].as_str().unwrap()).collect();
    assert_eq!(jobs, ["load", "load", "predict", "predict", "train", "train", "training_set", "training_set"]);

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
