use chrono::{DateTime, Utc};
use med_schema::{Table, Version};
use med_store::{Outcome, StoreError};
use polars::prelude::{DataFrame, IdxCa, NamedFrom};
use url::Url;

use crate::support::{ODD, admit, clients, content, definition, flip, lakes, local, memory, plant, run, same};

#[test]
fn inserted_rows_are_read_sorted_by_key() {
    for lake in lakes() {
        let group = lake.lake.feature_group(definition()).unwrap();
        let rows = clients(0..40, 10.0);
        let backwards: Vec<u32> = (0..40).rev().collect();
        let shuffled = rows.frame().take(&IdxCa::new("".into(), backwards)).unwrap();
        let shuffled = Table::parse(shuffled, rows.schema().clone()).unwrap();
        let commit = group.insert(run("a"), &admit(shuffled)).unwrap();
        assert_eq!((commit.version, commit.inserted), (Version(1), 40));
        assert!(same(&group.read(None).unwrap(), &rows));
    }
}

#[test]
fn an_insert_adds_replaces_and_leaves_alone() {
    for lake in lakes() {
        let group = lake.lake.feature_group(definition()).unwrap();
        group.insert(run("a"), &admit(clients(0..10, 0.0))).unwrap();

        let unchanged = group.insert(run("b"), &admit(clients(0..10, 0.0))).unwrap();
        assert_eq!((unchanged.version, unchanged.outcome, unchanged.unchanged), (Version(1), Outcome::Unchanged, 10));

        let added = group.insert(run("c"), &admit(clients(8..12, 0.0))).unwrap();
        assert_eq!((added.version, added.inserted, added.updated, added.unchanged), (Version(2), 2, 0, 2));

        // Client 0 has no cost, so another cost does not change it.
        let changed = group.insert(run("d"), &admit(clients([0, 1, 2, 20], 5.0))).unwrap();
        assert_eq!((changed.version, changed.inserted, changed.updated, changed.unchanged), (Version(3), 1, 2, 1));

        let costs = |table: &Table| -> Vec<Option<f64>> {
            table.frame().column("annual_medical_cost").unwrap().f64().unwrap().iter().collect()
        };
        let latest = group.read(None).unwrap();
        assert_eq!(latest.n_rows(), 13);
        assert_eq!(costs(&latest)[..4], [None, Some(6.0), Some(7.0), Some(3.0)]);
        let former = group.read(Some(Version(2))).unwrap();
        assert_eq!(costs(&former)[..4], [None, Some(1.0), Some(2.0), Some(3.0)]);
        let history = group.history().unwrap();
        assert_eq!(history[3].metrics["numTargetRowsUpdated"], 2);
        assert_eq!(history[3].metrics["numTargetRowsCopied"], 8, "the rest of the one file that is written anew");
        assert!(same(&group.read_as_of(Utc::now()).unwrap(), &latest));
        assert!(group.read_as_of(DateTime::UNIX_EPOCH).is_err());
    }
}

#[test]
fn a_run_repeated_after_others_does_not_undo_them() {
    for lake in lakes() {
        let group = lake.lake.feature_group(definition()).unwrap();
        let first = admit(clients(0..3, 0.0));
        group.insert(run("a"), &first).unwrap();
        group.insert(run("b"), &admit(clients(0..3, 9.0))).unwrap();
        let before = content(&lake.store);
        let again = group.insert(run("a"), &first).unwrap();
        assert_eq!((again.version, again.outcome), (Version(1), Outcome::AlreadyDone));
        assert_eq!(content(&lake.store), before);
    }
}

#[test]
fn a_run_killed_before_its_commit_leaves_no_trace_once_repeated() {
    let undisturbed = memory();
    let group = undisturbed.lake.feature_group(definition()).unwrap();
    let rows = admit(clients(0..100, 3.0));
    group.insert(run("a"), &rows).unwrap();
    let leftovers: Vec<_> =
        content(&undisturbed.store).into_iter().filter(|(name, _)| !name.contains("_delta_log")).collect();
    let names = |all: Vec<(String, Vec<u8>)>| all.into_iter().map(|(name, _)| name).collect::<Vec<_>>();

    // Killed after the definition, and after the data file: each a prefix of what the whole run writes.
    for killed_after in 0..=leftovers.len() {
        for lake in lakes() {
            for (name, bytes) in &leftovers[..killed_after] {
                plant(&lake.store, name, bytes.clone());
            }
            let again = lake.lake.feature_group(definition()).unwrap();
            assert_eq!(again.read(None).unwrap().n_rows(), 0, "nothing is visible before the commit");
            again.insert(run("a"), &rows).unwrap();
            assert!(same(&again.read(None).unwrap(), rows.value()));
            assert_eq!(names(content(&lake.store)), names(content(&undisturbed.store)));
        }
    }
}

#[test]
fn half_a_data_file_is_written_over() {
    for lake in lakes() {
        let group = lake.lake.feature_group(definition()).unwrap();
        let rows = admit(clients(0..100, 3.0));
        let scratch = memory();
        let other = scratch.lake.feature_group(definition()).unwrap();
        other.insert(run("a"), &rows).unwrap();
        let file = other.table().files().unwrap().remove(0);
        plant(&lake.store, &file, b"PAR1 and then the power went".to_vec());
        group.insert(run("a"), &rows).unwrap();
        assert!(same(&group.read(None).unwrap(), rows.value()));
        assert_eq!(group.table().files().unwrap(), [file]);
    }
}

#[test]
fn keys_are_checked() {
    for lake in lakes() {
        let group = lake.lake.feature_group(definition()).unwrap();
        let twice = group.insert(run("a"), &admit(clients([1, 2, 1], 0.0))).unwrap_err();
        assert!(matches!(twice, StoreError::DuplicateKey { rows: 1, first: 0, second: 2, .. }), "{twice}");
        assert!(!twice.to_string().contains("client-00001"), "no personal value in an error");
        assert_eq!(group.table().version().unwrap(), Version(0));
    }
}

#[test]
fn a_key_without_a_value_is_refused() {
    use med_schema::Schema;
    for lake in lakes() {
        let mut schema = definition().schema;
        let columns =
            schema.columns().iter().cloned().map(|c| if c.name == "client_id" { c.nullable(true) } else { c });
        schema = Schema::new(columns.collect()).unwrap();
        let group = lake
            .lake
            .feature_group(med_store::FeatureGroupDefinition { schema: schema.clone(), ..definition() })
            .unwrap();
        let rows = clients(0..3, 0.0);
        let ids = polars::prelude::Column::new("client_id".into(), [Some("a"), None, Some("c")]);
        let mut columns: Vec<_> = rows.frame().columns().to_vec();
        columns[0] = ids;
        let rows = Table::parse(DataFrame::new(3, columns).unwrap(), schema).unwrap();
        let error = group.insert(run("a"), &admit(rows)).unwrap_err();
        assert!(matches!(error, StoreError::NullKey { nulls: 1, first_row: 1, .. }), "{error}");
    }
}

#[test]
fn a_group_is_reopened_as_it_was_defined_or_not_at_all() {
    for lake in lakes() {
        lake.lake.feature_group(definition()).unwrap().insert(run("a"), &admit(clients(0..7, 0.0))).unwrap();
        let again = lake.lake.feature_group(definition()).unwrap();
        assert_eq!(again.read(None).unwrap().n_rows(), 7);

        let mut other = definition();
        other.primary_key = vec!["visits".to_owned()];
        other.schema = other.schema.select(["client_id", "event_time", "visits", "smoker"]).unwrap();
        let error = lake.lake.feature_group(other).unwrap_err().to_string();
        for part in ["primary key", "born", "annual_medical_cost", "new version"] {
            assert!(error.contains(part), "{error}");
        }

        let second = med_store::FeatureGroupDefinition { version: 2, ..definition() };
        lake.lake.feature_group(second).unwrap();
        let listed = lake.lake.ls().unwrap();
        let seen: Vec<_> = listed.iter().map(|l| (l.name.as_str(), l.version, l.data_version, l.rows)).collect();
        assert_eq!(seen, [("medical_costs", 1, Version(1), 7), ("medical_costs", 2, Version(0), 0)]);
        assert_eq!(lake.lake.open_feature_group("medical_costs", None).unwrap().definition().version, 2);
        let error = lake.lake.open_feature_group("medical_cost", None).unwrap_err().to_string();
        assert!(error.contains("medical_costs_v1"), "{error}");
    }
}

#[test]
fn a_damaged_definition_is_found() {
    for lake in lakes() {
        lake.lake.feature_group(definition()).unwrap();
        flip(&lake.store, "feature_groups/medical_costs_v1/_med/group.json");
        let error = lake.lake.open_feature_group("medical_costs", None).unwrap_err().to_string();
        assert!(error.contains("group.json"), "{error}");
    }
}

#[test]
fn another_process_sees_what_was_written() {
    let local = local();
    local.lake.feature_group(definition()).unwrap().insert(run("a"), &admit(clients(0..9, 1.0))).unwrap();
    let address = Url::from_file_path(local.folder.as_ref().unwrap().path().join(ODD)).unwrap();
    let other = med_store::blocking::Lakehouse::open(address.as_str()).unwrap();
    let read = other.open_feature_group("medical_costs", Some(1)).unwrap().read(None).unwrap();
    assert!(same(&read, &clients(0..9, 1.0)));
}

#[test]
fn the_report_and_the_statistics_are_kept_with_the_insert() {
    for lake in lakes() {
        let gated = med_store::FeatureGroupDefinition { suite: Some("test".to_owned()), ..definition() };
        let group = lake.lake.feature_group(gated).unwrap();
        let rows = admit(clients(0..40, 0.0));
        group.insert(run("a"), &rows).unwrap();
        let record = group.insert_record(&run("a")).unwrap().unwrap();
        assert_eq!(&record.report, rows.report());
        assert_eq!(record.statistics.rows(), 40);
        assert_eq!(record.statistics.column("visits").unwrap().missing(), 8);
        assert!(record.statistics.column("client_id").is_none(), "no values of keys");
        group.insert(run("b"), &rows).unwrap();
        assert_eq!(group.insert_record(&run("b")).unwrap(), None, "nothing changed, nothing is kept");

        let strict = med_store::FeatureGroupDefinition { version: 2, suite: Some("other".to_owned()), ..definition() };
        let refused = lake.lake.feature_group(strict).unwrap().insert(run("a"), &rows).unwrap_err().to_string();
        assert!(refused.contains("\"other\"") && refused.contains("\"test\""), "{refused}");
    }
}
