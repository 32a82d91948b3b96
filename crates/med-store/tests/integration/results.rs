use std::collections::BTreeMap;

use med_store::{ResultKind, StoreError};

use crate::support::{ODD, clients, content, flip, lakes, local, plant, run, same};

#[test]
fn results_come_back_by_kind_run_and_name() {
    for lake in lakes() {
        let results = lake.lake.results();
        let metrics = BTreeMap::from([("r2".to_owned(), 0.913), ("rmse".to_owned(), 1234.5)]);
        let written = results.put_json(ResultKind::Metrics, &run("run-1"), "linear.json", &metrics).unwrap();
        assert_eq!((written.path.as_str(), written.existed), ("metrics/run-1/linear.json", false));
        results.put_bytes(ResultKind::Models, &run("run-1"), "linear.med", b"model".as_slice().into()).unwrap();
        results.put_table(ResultKind::Predictions, &run("run-2"), "test.parquet", &clients(0..9, 1.0)).unwrap();

        let back: BTreeMap<String, f64> = results.get_json(ResultKind::Metrics, &run("run-1"), "linear.json").unwrap();
        assert_eq!(back, metrics);
        assert_eq!(&results.get_bytes(ResultKind::Models, &run("run-1"), "linear.med").unwrap()[..], b"model");
        let table = results.get_table(ResultKind::Predictions, &run("run-2"), "test.parquet").unwrap();
        assert!(same(&table, &clients(0..9, 1.0)));
        assert_eq!(results.runs(ResultKind::Predictions).unwrap(), [run("run-2")]);
        assert_eq!(results.runs(ResultKind::Drift).unwrap(), []);
        assert_eq!(results.names(ResultKind::Metrics, &run("run-1")).unwrap(), ["linear.json"]);
    }
}

#[test]
fn a_run_id_names_its_content() {
    for lake in lakes() {
        let results = lake.lake.results();
        let put =
            |text: &'static str| results.put_bytes(ResultKind::Drift, &run("a"), "d.json", text.as_bytes().into());
        put("one").unwrap();
        let before = content(&lake.store);
        assert!(put("one").unwrap().existed);
        let error = put("two").unwrap_err();
        assert!(matches!(&error, StoreError::Occupied { object, .. } if object == "drift/a/d.json"), "{error}");
        assert_eq!(content(&lake.store), before);
    }
}

#[test]
fn a_flipped_byte_is_found_and_a_repeated_run_mends_it() {
    for lake in lakes() {
        let results = lake.lake.results();
        let put =
            || results.put_bytes(ResultKind::Models, &run("a"), "m.med", b"a model of some length".as_slice().into());
        put().unwrap();
        flip(&lake.store, "models/a/m.med");
        let error = results.get_bytes(ResultKind::Models, &run("a"), "m.med").unwrap_err();
        assert!(matches!(&error, StoreError::Corrupt { object, .. } if object == "models/a/m.med"), "{error}");
        assert!(!put().unwrap().existed);
        assert!(results.get_bytes(ResultKind::Models, &run("a"), "m.med").is_ok());
    }
}

#[test]
fn a_result_without_its_digest_is_not_there() {
    for lake in lakes() {
        let results = lake.lake.results();
        plant(&lake.store, "drift/a/d.json", b"half".to_vec());
        assert!(results.get_bytes(ResultKind::Drift, &run("a"), "d.json").is_err());
        assert_eq!(results.names(ResultKind::Drift, &run("a")).unwrap(), Vec::<String>::new());
        results.put_bytes(ResultKind::Drift, &run("a"), "d.json", b"whole".as_slice().into()).unwrap();
        assert_eq!(&results.get_bytes(ResultKind::Drift, &run("a"), "d.json").unwrap()[..], b"whole");
    }
}

#[test]
fn a_missing_result_lists_those_there_are() {
    for lake in lakes() {
        let results = lake.lake.results();
        results.put_json(ResultKind::Metrics, &run("a"), "tree.json", "x").unwrap();
        let error = results.get_bytes(ResultKind::Metrics, &run("a"), "linear.json").unwrap_err().to_string();
        assert_eq!(error, "there is no result \"metrics/a/linear.json\"; there is tree.json");
        assert!(results.put_json(ResultKind::Metrics, &run("a"), "../x", "x").is_err());
    }
}

#[test]
fn digests_are_in_the_format_of_b3sum() {
    let local = local();
    local.lake.results().put_bytes(ResultKind::Metrics, &run("a"), "m", b"x".as_slice().into()).unwrap();
    let path = local.folder.as_ref().unwrap().path().join(ODD).join("metrics/a/m.blake3");
    let line = std::fs::read_to_string(path).unwrap();
    assert_eq!(line, format!("{}  m\n", med_schema::Fingerprint::of("x")));
}
