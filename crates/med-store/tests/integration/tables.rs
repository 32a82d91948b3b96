use chrono::{DateTime, Duration, Utc};
use med_schema::Version;
use med_store::{Outcome, StoreError};

use crate::support::{admit, clients, content, flip, lakes, memory, run, same, schema};

#[test]
fn rows_come_back_as_they_were_written() {
    for lake in lakes() {
        let table = lake.lake.table("clients", &schema()).unwrap();
        assert_eq!(table.read(None).unwrap().n_rows(), 0);
        let rows = clients(0..500, 100.0);
        let commit = table.append(run("run-1"), &admit(rows.clone())).unwrap();
        assert_eq!((commit.version, commit.outcome, commit.inserted), (Version(1), Outcome::Committed, 500));
        assert!(same(&table.read(None).unwrap(), &rows));
        assert_eq!(table.rows().unwrap(), (Version(1), 500));
    }
}

#[test]
fn rows_are_read_in_the_order_of_their_commits() {
    for lake in lakes() {
        let table = lake.lake.table("clients", &schema()).unwrap();
        // Many within one tick of the store's clock.
        for n in 0..12 {
            table.append(run(&format!("r{n}")), &admit(clients(n..n + 1, 0.0))).unwrap();
        }
        assert!(same(&table.read(None).unwrap(), &clients(0..12, 0.0)));
    }
}

#[test]
fn former_versions_and_times_can_be_read() {
    for lake in lakes() {
        let table = lake.lake.table("clients", &schema()).unwrap();
        table.append(run("a"), &admit(clients(0..3, 0.0))).unwrap();
        table.append(run("b"), &admit(clients(3..5, 0.0))).unwrap();
        table.overwrite(run("c"), &admit(clients(9..10, 0.0))).unwrap();
        let rows = |version| table.read(Some(Version(version))).unwrap().n_rows();
        assert_eq!((rows(0), rows(1), rows(2), rows(3)), (0, 3, 5, 1));
        let error = table.read(Some(Version(4))).unwrap_err();
        assert_eq!(error.to_string(), "table tables/clients has no version 4; the latest is 3");

        let history = table.history().unwrap();
        let runs: Vec<_> = history.iter().map(|v| v.run.as_ref().map(ToString::to_string)).collect();
        assert_eq!(runs, [None, Some("a".into()), Some("b".into()), Some("c".into())]);
        assert_eq!(
            history.iter().map(|v| v.operation.as_str()).collect::<Vec<_>>(),
            ["CREATE TABLE", "WRITE", "WRITE", "MERGE"]
        );
        assert_eq!(history[2].metrics["numTargetRowsInserted"], 2);

        let now = Utc::now() + Duration::hours(1);
        assert_eq!(table.version_as_of(now).unwrap(), Version(3));
        assert_eq!(table.version_as_of(history[3].timestamp).unwrap(), Version(3));
        let before = table.version_as_of(DateTime::UNIX_EPOCH).unwrap_err();
        assert!(matches!(before, StoreError::BeforeFirst { .. }), "{before}");
    }
}

#[test]
fn the_same_run_twice_changes_nothing() {
    for lake in lakes() {
        let table = lake.lake.table("clients", &schema()).unwrap();
        let rows = admit(clients(0..5, 0.0));
        table.append(run("a"), &rows).unwrap();
        table.append(run("b"), &admit(clients(5..6, 0.0))).unwrap();
        let before = content(&lake.store);
        let again = table.append(run("a"), &rows).unwrap();
        assert_eq!((again.version, again.outcome), (Version(1), Outcome::AlreadyDone));
        assert_eq!(content(&lake.store), before);
    }
}

#[test]
fn only_live_files_are_listed() {
    for lake in lakes() {
        let table = lake.lake.table("clients", &schema()).unwrap();
        table.append(run("a"), &admit(clients(0..5, 0.0))).unwrap();
        table.overwrite(run("b"), &admit(clients(0..2, 1.0))).unwrap();
        let files = table.files().unwrap();
        let in_folder = content(&lake.store).into_iter().filter(|(name, _)| name.ends_with(".parquet")).count();
        assert_eq!((files.len(), in_folder), (1, 2));
        assert!(files[0].starts_with("tables/clients/part-b-"), "{files:?}");
    }
}

#[test]
fn a_flipped_byte_in_a_data_file_is_an_error_that_names_it() {
    for lake in lakes() {
        let table = lake.lake.table("clients", &schema()).unwrap();
        table.append(run("a"), &admit(clients(0..50, 0.0))).unwrap();
        let file = table.files().unwrap().remove(0);
        flip(&lake.store, &file);
        let error = table.read(None).unwrap_err();
        assert!(matches!(&error, StoreError::Corrupt { object, .. } if *object == file), "{error}");
    }
}

#[test]
fn another_schema_is_refused_with_every_difference() {
    for lake in lakes() {
        let table = lake.lake.table("clients", &schema()).unwrap();
        let other = clients(0..2, 0.0).select(["event_time", "born", "visits"]).unwrap();
        let error = table.append(run("a"), &admit(other)).unwrap_err().to_string();
        for column in ["client_id", "smoker", "annual_medical_cost"] {
            assert!(error.contains(column), "{error}");
        }
        assert_eq!(table.version().unwrap(), Version(0));
    }
}

#[test]
fn columns_in_another_order_are_put_in_order() {
    for lake in lakes() {
        let table = lake.lake.table("clients", &schema()).unwrap();
        let rows = clients(0..4, 0.0);
        let mut names: Vec<&str> = rows.schema().names().collect();
        names.reverse();
        let reversed = rows.select(names.iter().copied()).unwrap();
        table.append(run("a"), &admit(reversed)).unwrap();
        assert!(same(&table.read(None).unwrap(), &rows));
    }
}

#[test]
fn places_that_are_none_are_refused() {
    use med_store::blocking::Lakehouse;
    for (location, expected) in [("s3://bucket/lake", "stores of kind s3"), ("", "the path is empty")] {
        let error = Lakehouse::open(location).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert!(memory().lake.table("../up", &schema()).is_err());
}

#[test]
fn a_watermark_commits_with_its_rows() {
    use med_store::Batch;
    use serde_json::json;
    for lake in lakes() {
        let table = lake.lake.table("clients", &schema()).unwrap();
        assert_eq!(table.watermark("claims", None).unwrap(), None);
        let first = Batch::new(run("a")).with_watermark("claims", json!({"updated_at": "2025-01-31", "key": [7]}));
        table.append(first.clone(), &admit(clients(0..5, 0.0))).unwrap();
        let second = Batch::new(run("b")).with_watermark("claims", json!(2)).with_watermark("spans", json!(null));
        table.append(second, &admit(clients(5..6, 0.0))).unwrap();
        assert_eq!(table.watermark("claims", None).unwrap(), Some(json!(2)));
        assert_eq!(table.watermark("spans", None).unwrap(), Some(json!(null)));
        assert_eq!(table.watermark("claims", Some(Version(1))).unwrap().unwrap()["key"], json!([7]));
        assert_eq!(table.watermark("spans", Some(Version(1))).unwrap(), None);

        // The run that is in the table moves nothing back.
        assert_eq!(table.append(first, &admit(clients(0..5, 0.0))).unwrap().outcome, Outcome::AlreadyDone);
        assert_eq!(table.watermark("claims", None).unwrap(), Some(json!(2)));

        // Nothing new in the source: the watermark moves on, the rows stay; asked again, nothing at all is done.
        let none = admit(clients(0..0, 0.0));
        let third = Batch::new(run("c")).with_watermark("claims", json!(3));
        assert_eq!(table.append(third, &none).unwrap().outcome, Outcome::Committed);
        assert_eq!(
            (table.watermark("claims", None).unwrap(), table.rows().unwrap()),
            (Some(json!(3)), (Version(3), 6))
        );
        let fourth = Batch::new(run("d")).with_watermark("claims", json!(3));
        assert_eq!(table.append(fourth, &none).unwrap().outcome, Outcome::Unchanged);
        assert_eq!(table.version().unwrap(), Version(3));
    }
}
