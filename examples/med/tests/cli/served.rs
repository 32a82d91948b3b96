//! A lake on each server of `MED_TEST_STORE_URLS`, reached by what the environment says about clouds.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::extract::brings_what_is_new;
use crate::med;

#[test]
fn the_pipeline_works_on_a_server_as_in_a_folder() {
    let addresses = std::env::var("MED_TEST_STORE_URLS").unwrap_or_default();
    if addresses.is_empty() {
        println!("skipped: MED_TEST_STORE_URLS is not set");
    }
    for address in addresses.split_whitespace() {
        let folder = tempfile::tempdir().unwrap();
        let moment = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
        let lake = &format!("{}/cli {moment}", address.trim_end_matches('/'));
        let med = |arguments: &[&str]| med(folder.path(), arguments);

        // The embedded database is a file, so it lies in a folder in any case.
        let refused = med(&["run", "--lake", lake]).refused();
        assert!(refused.contains("--database-url"), "{refused}");
        med(&["run", "--lake", "here"]).passed();
        let database = "sqlite://here/clients.sqlite";
        let run = ["run", "--database-url", database, "--lake", lake];
        let first = med(&run).passed();
        let there = med(&["run", "--database-url", database, "--lake", "there"]).passed();
        assert_eq!(first["models"], there["models"]);
        assert_eq!(med(&run).passed()["run_id"], first["run_id"], "again, and nothing is new");
        assert!(first["report"].as_str().unwrap().starts_with(lake.as_str()), "{}", first["report"]);

        let group = |deed: &[&str]| {
            let arguments: Vec<&str> = ["lake", "--lake", lake].into_iter().chain(deed.iter().copied()).collect();
            med(&arguments).passed()
        };
        let listed = group(&["ls"]);
        assert_eq!((&listed["runs"][0], listed["runs"].as_array().unwrap().len()), (&first["run_id"], 1));
        assert_eq!(listed["feature_groups"][0]["rows"], 5000);
        assert_eq!(group(&["read", "medical_costs", "--out", "all.csv"])["rows"], 5000);
        let all = std::fs::read_to_string(folder.path().join("all.csv")).unwrap();
        let column = all.lines().next().unwrap().split(',').position(|name| name == "client_id").unwrap();
        let client = all.lines().nth(1).unwrap().split(',').nth(column).unwrap();
        assert_eq!(group(&["forget", "medical_costs", client])["removed"], 1);
        assert_eq!(group(&["vacuum", "medical_costs", "--retain-days", "0"])["files"].as_array().unwrap().len(), 1);
        assert_eq!(group(&["compact", "medical_costs"])["files"], 1);
        assert!(group(&["history", "medical_costs"])["versions"].as_array().unwrap().len() >= 3);
        assert!(!group(&["lineage"])["events"].as_array().unwrap().is_empty());

        let models = med(&["model", "--lake", lake, "ls"]).passed();
        assert_eq!(models, med(&["model", "--lake", "there", "ls"]).passed());
        let page = med(&["report", "--lake", lake, "--out", "pages"]).passed();
        assert_eq!(page["run"], first["run_id"]);

        brings_what_is_new(lake);

        let nowhere = format!("{}-that-is-not-there", address.split('/').take(3).collect::<Vec<_>>().join("/"));
        let error = med(&["lake", "--lake", &nowhere, "ls"]).refused();
        assert!(error.contains("404") || error.contains("not found"), "{error}");
    }
}
