use chrono::{DateTime, Utc};
use med_schema::{
    Admitted, CheckResult, Checked, Column, GatePolicy, Kind, Report, Role, Schema, SuiteDocument, Table, ValueType,
    Version,
};
use med_store::{FeatureGroupDefinition, Outcome, StoreError, Value};
use polars::prelude::{DataFrame, IdxCa, NamedFrom};
use url::Url;

use crate::support::{ODD, admit, clients, content, definition, flip, lakes, local, memory, plant, run, same, schema};

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
        let group = lake.lake.feature_group(gated(&suite(1))).unwrap();
        let rows = admit_by(&suite(1), clients(0..40, 0.0));
        group.insert(run("a"), &rows).unwrap();
        let record = group.insert_record(&run("a")).unwrap().unwrap();
        assert_eq!(&record.report, rows.report());
        assert_eq!(record.report.suite, Some(suite(1).fingerprint()), "what admitted the rows can be shown later");
        assert_eq!(record.statistics.rows(), 40);
        assert_eq!(record.statistics.column("visits").unwrap().missing(), 8);
        assert!(record.statistics.column("client_id").is_none(), "no values of keys");
        group.insert(run("b"), &rows).unwrap();
        assert_eq!(group.insert_record(&run("b")).unwrap(), None, "nothing changed, nothing is kept");
    }
}

#[test]
fn statistics_hold_no_values_of_keys_in_whatever_role() {
    for lake in lakes() {
        let mut columns = schema().columns().to_vec();
        columns[0] = Column::new("client_id", Kind::Nominal, ValueType::Text);
        let schema = Schema::new(columns).unwrap();
        let rows = Table::parse(clients(0..9, 0.0).frame().clone(), schema.clone()).unwrap();
        let group = lake.lake.feature_group(FeatureGroupDefinition { schema, ..definition() }).unwrap();
        group.insert(run("a"), &admit(rows)).unwrap();
        assert!(group.insert_record(&run("a")).unwrap().unwrap().statistics.column("client_id").is_none());
        let about = content(&lake.store).into_iter().filter(|(name, _)| name.contains("_med/inserts"));
        let texts: Vec<_> = about.map(|(_, bytes)| String::from_utf8(bytes).unwrap()).collect();
        assert!(texts.len() == 1 && !texts[0].contains("client-0"), "{texts:?}");
    }
}

/// A suite of some number of rows at least.
fn suite(min: u32) -> SuiteDocument {
    SuiteDocument::new("clients", serde_json::json!({"expectations": [{"type": "row_count", "min": min}]}))
}

fn gated(suite: &SuiteDocument) -> FeatureGroupDefinition {
    FeatureGroupDefinition { suite: Some(suite.clone()), ..definition() }
}

/// Rows that passed a suite of this content.
fn admit_by(suite: &SuiteDocument, rows: Table) -> Admitted<Table> {
    let report = Report::new(suite.name()).suite(suite.fingerprint()).with(CheckResult::judged("row_count", true));
    Checked::new(rows, report).gate(&GatePolicy::default()).unwrap()
}

#[test]
fn rows_admitted_by_another_suite_are_refused() {
    for lake in lakes() {
        let group = lake.lake.feature_group(gated(&suite(1))).unwrap();
        let stale = lake.lake.feature_group(gated(&suite(1))).unwrap();
        assert_eq!(group.definition().suite, Some(suite(1)), "the suite itself is there");
        // One of the same name with another bound, and a report that names no suite.
        for rows in [admit_by(&suite(2), clients(0..4, 0.0)), admit(clients(0..4, 0.0))] {
            let refused = group.insert(run("a"), &rows).unwrap_err();
            assert!(matches!(refused, StoreError::OtherSuite { .. }), "{refused}");
            assert!(refused.to_string().contains(&suite(1).fingerprint().short()), "{refused}");
        }
        assert_eq!(group.table().version().unwrap(), Version(0));

        group.insert(run("b"), &admit_by(&suite(1), clients(0..4, 0.0))).unwrap();
        let other = lake.lake.feature_group(gated(&suite(2))).unwrap_err().to_string();
        assert!(other.contains("suite: expected clients ("), "{other}");
        let group = group.attach_suite(run("suite"), suite(2)).unwrap();
        group.insert(run("c"), &admit_by(&suite(2), clients(4..8, 0.0))).unwrap();
        // A handle from before does not get round the new suite.
        let refused = stale.insert(run("d"), &admit_by(&suite(1), clients(8..9, 0.0))).unwrap_err();
        assert!(matches!(refused, StoreError::OtherSuite { .. }), "{refused}");
        assert_eq!(lake.lake.open_feature_group("medical_costs", None).unwrap().read(None).unwrap().n_rows(), 8);
        let again = group.attach_suite(run("again"), suite(2)).unwrap();
        assert_eq!(again.table().version().unwrap(), Version(3), "no commit for what is so already");
    }
}

fn grown() -> Schema {
    schema()
        .with_column(Column::new("region", Kind::Nominal, ValueType::Text).nullable(true))
        .and_then(|s| s.with_column(Column::new("visits", Kind::Count, ValueType::Float).nullable(true)))
        .unwrap()
}

/// Rows as the grown schema has them, of one region.
fn regional(numbers: std::ops::Range<i64>, cost: f64) -> Table {
    let rows = clients(numbers, cost);
    let mut columns = rows.frame().columns().to_vec();
    columns.push(polars::prelude::Column::new("region".into(), vec!["north"; rows.n_rows()]));
    Table::parse(DataFrame::new(rows.n_rows(), columns).unwrap(), grown()).unwrap()
}

#[test]
fn a_group_evolves_within_its_version() {
    for lake in lakes() {
        let group = lake.lake.feature_group(definition()).unwrap();
        group.insert(run("a"), &admit(clients(0..10, 0.0))).unwrap();
        let stale = lake.lake.open_feature_group("medical_costs", None).unwrap();
        let evolved = group.evolve(run("grow"), &grown()).unwrap();
        assert_eq!((evolved.definition().version, &evolved.definition().schema), (1, &grown()));
        let rows = evolved.read(None).unwrap();
        assert_eq!((rows.n_rows(), rows.frame().column("region").unwrap().null_count()), (10, 10));
        assert_eq!(rows.frame().column("visits").unwrap().f64().unwrap().get(1), Some(1.0));

        let commit = evolved.insert(run("b"), &admit(regional(8..12, 1.0))).unwrap();
        assert_eq!((commit.inserted, commit.updated), (2, 2));
        // Who opened it before still writes; what it does not know stays without a value.
        stale.insert(run("c"), &admit(clients(20..21, 0.0))).unwrap();
        let again = lake.lake.open_feature_group("medical_costs", None).unwrap();
        assert_eq!(again.read(None).unwrap().frame().column("region").unwrap().null_count(), 9);
        assert_eq!(again.read(Some(Version(1))).unwrap().n_rows(), 10);
        assert_eq!(stale.read(Some(Version(1))).unwrap().schema(), &schema());

        // Batches without it are completed; with a name that the group does not know nothing is.
        let without = |numbers| {
            let (mut frame, whole) = regional(numbers, 1.0).into_parts();
            frame.drop_in_place("region").unwrap();
            let columns = whole.columns().iter().filter(|c| c.name != "region").cloned();
            Table::parse(frame, Schema::new(columns.collect()).unwrap()).unwrap()
        };
        let fewer = again.replace_batch(run("d"), &admit(without(8..12))).unwrap();
        assert_eq!((fewer.updated, fewer.removed), (4, 9));
        assert_eq!(again.read(None).unwrap().frame().column("region").unwrap().null_count(), 4);
        assert!(again.insert(run("f"), &admit(without(8..12))).is_err(), "an insert would empty it unseen");
        let misspelt = regional(40..41, 0.0);
        let renamed = misspelt.schema().columns().iter().cloned();
        let renamed = renamed.map(|c| if c.name == "region" { Column { name: "regoin".to_owned(), ..c } } else { c });
        let mut frame = misspelt.frame().clone();
        frame.rename("region", "regoin".into()).unwrap();
        let misspelt = Table::parse(frame, Schema::new(renamed.collect()).unwrap()).unwrap();
        let error = again.replace_batch(run("e"), &admit(misspelt)).unwrap_err();
        assert!(crate::support::chain(&error).contains("regoin"), "{error}");

        // Opened as it is now, and not as it was.
        let now = FeatureGroupDefinition { schema: grown(), ..definition() };
        lake.lake.feature_group(now).unwrap();
        let former = lake.lake.feature_group(definition()).unwrap_err().to_string();
        assert!(former.contains("\"region\"") && former.contains("evolve it"), "{former}");
        let version = again.table().version().unwrap();
        group.evolve(run("grow-again"), &grown()).unwrap();
        assert_eq!(again.table().version().unwrap(), version);
    }
}

#[test]
fn an_evolution_that_breaks_readers_is_refused() {
    for lake in lakes() {
        let group = lake.lake.feature_group(definition()).unwrap();
        let change = |column: Column| schema().with_column(column).unwrap();
        for (other, expected) in [
            (schema().select(["client_id", "event_time"]).unwrap(), "\"born\": a column cannot be taken away"),
            (change(Column::new("visits", Kind::Nominal, ValueType::Text).nullable(true)), "or a wider type"),
            (
                change(Column::new("smoker", Kind::Binary, ValueType::Boolean).role(Role::Protected).nullable(true)),
                "a role stays",
            ),
            (change(Column::new("extra", Kind::Count, ValueType::Integer)), "a new column must be nullable"),
        ] {
            let error = group.evolve(run("x"), &other).unwrap_err();
            assert!(matches!(error, StoreError::Evolution { .. }), "{error}");
            assert!(error.to_string().contains(expected), "{error}");
        }
        let visits =
            |unit: &str| change(Column::new("visits", Kind::Count, ValueType::Integer).nullable(true).unit(unit));
        let said = group.evolve(run("unit"), &visits("visits a year")).unwrap();
        assert_eq!(said.definition().schema, visits("visits a year"), "what nobody has said may be said");
        let error = said.evolve(run("other"), &visits("days")).unwrap_err().to_string();
        assert!(error.contains("a unit stays"), "{error}");
        let days = FeatureGroupDefinition {
            version: 2,
            schema: change(Column::new("event_time", Kind::Date, ValueType::Date).role(Role::EventTime)),
            ..definition()
        };
        let days = lake.lake.feature_group(days).unwrap();
        let error = days.evolve(run("x"), &schema()).unwrap_err().to_string();
        assert!(error.contains("the type of a key column stays"), "{error}");
    }
}

#[test]
fn an_upsert_reads_and_writes_the_files_of_its_keys() {
    for lake in lakes() {
        let group = lake.lake.feature_group(definition()).unwrap();
        for file in 0..4 {
            group.insert(run(&format!("r{file}")), &admit(clients(file * 100..file * 100 + 100, 0.0))).unwrap();
        }
        let files = group.table().files().unwrap();
        // Were another file read, its damage would be found.
        for file in files.iter().filter(|f| !f.contains("part-r2-")) {
            flip(&lake.store, file);
        }
        let commit = group.insert(run("update"), &admit(clients([250, 251], 7.0))).unwrap();
        assert_eq!((commit.updated, commit.inserted), (2, 0));
        let commit = group.insert(run("new"), &admit(clients([900], 7.0))).unwrap();
        assert_eq!((commit.updated, commit.inserted), (0, 1));
        let kept = group.table().files().unwrap().iter().filter(|f| files.contains(f)).count();
        assert_eq!(kept, 3);
    }
}

/// Keys that are there twice come from other programs, or from an append that looks at no key.
#[test]
fn repeated_keys_are_an_error_where_the_key_counts() {
    for lake in lakes() {
        let group = lake.lake.feature_group(definition()).unwrap();
        group.insert(run("a"), &admit(clients(0..5, 1.0))).unwrap();
        group.table().append(run("b"), &admit(clients(3..6, 2.0))).unwrap();
        let error = group.read(None).unwrap_err();
        assert!(matches!(&error, StoreError::RepeatedKeys { rows: 2, version: Version(2), .. }), "{error}");
        let error = group.insert(run("c"), &admit(clients(4..5, 3.0))).unwrap_err().to_string();
        assert!(error.contains("version 2: ") && error.contains("no version of another program"), "{error}");
        assert_eq!(group.table().read(None).unwrap().n_rows(), 8, "looked at without the key");
        assert_eq!(group.read(Some(Version(1))).unwrap().n_rows(), 5);
        let gone = [3, 4].map(|n| vec![Value::from(&*format!("client-{n:05}"))]);
        assert_eq!(group.forget(run("d"), &gone).unwrap().removed, 4);
        assert_eq!(group.insert(run("e"), &admit(clients(3..5, 1.0))).unwrap().inserted, 2);
        assert_eq!(group.read(None).unwrap().n_rows(), 6);
    }
}
