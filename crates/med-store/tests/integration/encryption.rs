//! Columns that are encrypted with keys of the caller.

use std::sync::Arc;

use med_schema::{Column, Kind, Role, Schema, Table, ValueType, Version};
use med_store::blocking::Lakehouse;
use med_store::{
    ColumnKeys, FeatureGroupDefinition, FeatureViewDefinition, Filter, GroupColumns, Outcome, ResultKind, Split,
    StoreError, Value,
};
use polars::prelude::{Column as Values, DataFrame};

use crate::support::{Lake, admit, clients, content, definition, flip, lakes, run, same, schema};

const FOOTER: [u8; 16] = [1; 16];
const DIAGNOSIS: [u8; 32] = [2; 32];
/// Long enough for a bound in the log, a dictionary entry and a page to hold it whole.
const SECRET: &str = "F32.1-moderate-depression";

fn keys() -> ColumnKeys {
    ColumnKeys::new(FOOTER).and_then(|keys| keys.column("diagnosis", DIAGNOSIS)).unwrap()
}

fn keyed(lake: &Lake, keys: ColumnKeys) -> Lakehouse {
    Lakehouse::with_store(Arc::clone(&lake.store)).unwrap().with_keys(keys).unwrap()
}

fn keyless(lake: &Lake) -> Lakehouse {
    Lakehouse::with_store(Arc::clone(&lake.store)).unwrap()
}

fn diagnosed_schema() -> Schema {
    let diagnosis = Column::new("diagnosis", Kind::Nominal, ValueType::Text).role(Role::Protected).nullable(true);
    schema().with_column(diagnosis).unwrap()
}

/// Clients most of whom have the secret as their diagnosis, so that it lands in a dictionary.
fn diagnosed(numbers: std::ops::Range<i64>, cost: f64) -> Table {
    let rows = clients(numbers.clone(), cost);
    let diagnoses: Vec<Option<&str>> =
        numbers.map(|n| (n % 9 != 0).then_some(if n % 4 == 0 { "Z00" } else { SECRET })).collect();
    let mut columns = rows.frame().columns().to_vec();
    columns.push(Values::new("diagnosis".into(), diagnoses));
    Table::parse(DataFrame::new(rows.n_rows(), columns).unwrap(), diagnosed_schema()).unwrap()
}

fn group() -> FeatureGroupDefinition {
    FeatureGroupDefinition { schema: diagnosed_schema(), ..definition() }
}

/// Objects that hold the text, whole or as much of it as a truncated bound would.
fn that_hold(lake: &Lake, text: &str) -> Vec<String> {
    let part = &text.as_bytes()[..text.len().min(8)];
    let holds = |bytes: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    content(&lake.store).into_iter().filter(|(_, bytes)| holds(bytes)).map(|(name, _)| name).collect()
}

#[test]
fn no_object_of_the_lake_holds_an_encrypted_value() {
    for lake in lakes() {
        let plain = keyless(&lake).feature_group(FeatureGroupDefinition { version: 9, ..group() }).unwrap();
        plain.insert(run("plain"), &admit(diagnosed(0..40, 0.0))).unwrap();
        let exposed = that_hold(&lake, SECRET);
        assert!(exposed.iter().any(|name| name.ends_with(".parquet")), "the search finds what is plain");
        assert!(exposed.iter().any(|name| name.contains("_delta_log")), "{exposed:?}");
        assert!(exposed.iter().any(|name| name.contains("_med/inserts")), "{exposed:?}");

        let safe = keyed(&lake, keys());
        let costs = safe.feature_group(group()).unwrap();
        costs.insert(run("a"), &admit(diagnosed(0..400, 0.0))).unwrap();
        costs.insert(run("b"), &admit(diagnosed(100..120, 5.0))).unwrap();
        costs.table().compact(run("c"), med_store::Compaction::default()).unwrap();
        costs.table().checkpoint().unwrap();
        let view = FeatureViewDefinition {
            name: "cost".to_owned(),
            version: 1,
            description: String::new(),
            points: GroupColumns { group: "medical_costs".to_owned(), version: 1, columns: Vec::new() },
            joins: Vec::new(),
        };
        let view = safe.feature_view(view).unwrap();
        let set = view.training_set(&run("t"), Split::Client { test_share: 0.5, seed: 1 }).unwrap();
        let rows = diagnosed(0..9, 0.0);
        let written = safe.results().put_table(ResultKind::Quarantine, &run("q"), "rows.parquet", &rows).unwrap();
        assert_eq!(that_hold(&lake, SECRET), exposed, "and nothing more");

        // With the keys all of it is there.
        assert_eq!(costs.read(None).unwrap().n_rows(), 400);
        assert!(same(&costs.read(Some(Version(1))).unwrap(), &diagnosed(0..400, 0.0)));
        let secret = costs.scan(Some(&["client_id"]), Some(Filter::equal("diagnosis", SECRET)), None).unwrap();
        assert_eq!(secret.n_rows(), (0..400).filter(|n| n % 9 != 0 && n % 4 != 0).count());
        assert!(costs.insert_record(&run("a")).unwrap().unwrap().statistics.column("diagnosis").is_none());
        assert!(set.read("train").unwrap().schema().contains("diagnosis"));
        assert_eq!(view.reproduce(&set).unwrap(), set.manifest().digest);
        let again = safe.results().put_table(ResultKind::Quarantine, &run("q"), "rows.parquet", &rows).unwrap();
        assert_eq!((again.existed, again.fingerprint), (true, written.fingerprint));
        assert!(same(&safe.results().get_table(ResultKind::Quarantine, &run("q"), "rows.parquet").unwrap(), &rows));
    }
}

#[test]
fn without_a_key_the_other_columns_are_read_and_nothing_is_written() {
    for lake in lakes() {
        let safe = keyed(&lake, keys()).feature_group(group()).unwrap();
        safe.insert(run("a"), &admit(diagnosed(0..40, 0.0))).unwrap();

        let open = keyless(&lake).open_feature_group("medical_costs", None).unwrap();
        let plain = schema();
        let others: Vec<&str> = plain.names().collect();
        let found = open.scan(Some(&others), Some(Filter::equal("client_id", "client-00007")), None).unwrap();
        assert!(same(&found, &clients(7..8, 0.0)));
        for error in [
            open.read(None).unwrap_err(),
            open.scan(Some(&["client_id"]), Some(Filter::equal("diagnosis", SECRET)), None).unwrap_err(),
            open.insert(run("b"), &admit(diagnosed(50..51, 0.0))).unwrap_err(),
            open.forget(run("c"), &[vec![Value::from("client-00007")]]).unwrap_err(),
        ] {
            assert!(matches!(&error, StoreError::NoKey { column, .. } if column == "diagnosis"), "{error}");
            assert!(error.to_string().contains("medical_costs_v1"), "{error}");
        }
        assert_eq!(open.table().version().unwrap(), Version(1));

        // The file holds its digest as any other.
        flip(&lake.store, &safe.table().files().unwrap()[0]);
        assert!(matches!(safe.read(None).unwrap_err(), StoreError::Corrupt { .. }));
    }
}

#[test]
fn a_wrong_key_opens_nothing() {
    for lake in lakes() {
        keyed(&lake, keys()).feature_group(group()).unwrap().insert(run("a"), &admit(diagnosed(0..40, 0.0))).unwrap();
        let wrong_column = ColumnKeys::new(FOOTER).and_then(|keys| keys.column("diagnosis", [3; 32])).unwrap();
        let wrong_footer = ColumnKeys::new([3; 16]).and_then(|keys| keys.column("diagnosis", DIAGNOSIS)).unwrap();
        for (keys, expected) in [(wrong_column, "diagnosis"), (wrong_footer, "ooter signature")] {
            let other = keyed(&lake, keys).open_feature_group("medical_costs", None).unwrap();
            let error = other.read(None).unwrap_err();
            assert!(matches!(error, StoreError::Malformed { .. }) && error.to_string().contains(expected), "{error}");
        }
        assert!(matches!(ColumnKeys::new([0; 24]).unwrap_err(), StoreError::Encryption { .. }));
        assert!(!format!("{:?}", keys()).contains("2, 2"), "keys are not shown");
    }
}

#[test]
fn a_hidden_footer_hides_the_columns_too() {
    for lake in lakes() {
        let safe = keyed(&lake, keys().hide_footer()).feature_group(group()).unwrap();
        safe.insert(run("a"), &admit(diagnosed(0..40, 0.0))).unwrap();
        assert!(same(&safe.read(None).unwrap(), &diagnosed(0..40, 0.0)));
        let file = safe.table().files().unwrap().remove(0);
        assert!(!that_hold(&lake, "annual_medical_cost").contains(&file), "no names either");
        let open = keyless(&lake).open_feature_group("medical_costs", None).unwrap();
        let error = open.scan(Some(&["client_id"]), None, None).unwrap_err().to_string();
        assert!(error.contains("encrypted footer"), "{error}");
    }
}

#[test]
fn a_table_is_encrypted_from_its_beginning_or_not() {
    for lake in lakes() {
        let plain = keyless(&lake).table("clients", &diagnosed_schema()).unwrap();
        plain.append(run("a"), &admit(diagnosed(0..9, 0.0))).unwrap();
        let table = keyed(&lake, keys()).table("clients", &diagnosed_schema()).unwrap();
        assert_eq!(table.read(None).unwrap().n_rows(), 9);
        let refused = table.append(run("b"), &admit(diagnosed(9..12, 0.0))).unwrap_err();
        assert!(matches!(&refused, StoreError::Encryption { column, .. } if column == "diagnosis"), "{refused}");

        // A column that comes later is encrypted from when it comes.
        let safe = keyed(&lake, keys());
        let grown = safe.table("grown", &schema()).unwrap();
        grown.append(run("a"), &admit(clients(0..9, 0.0))).unwrap();
        let grown = grown.evolve(run("grow"), &diagnosed_schema()).unwrap();
        let before = that_hold(&lake, SECRET);
        assert_eq!(grown.append(run("b"), &admit(diagnosed(9..30, 0.0))).unwrap().outcome, Outcome::Committed);
        assert_eq!(that_hold(&lake, SECRET), before);
        assert_eq!(grown.read(None).unwrap().n_rows(), 30);
        let closed = keyless(&lake).table("grown", &diagnosed_schema()).unwrap();
        let error = closed.append(run("c"), &admit(diagnosed(30..31, 0.0))).unwrap_err();
        assert!(matches!(error, StoreError::NoKey { .. }), "{error}");

        let parts = ["diagnosis".to_owned()];
        let error = safe.partitioned_table("parts", &diagnosed_schema(), &parts).unwrap_err().to_string();
        assert!(error.contains("names of folders"), "{error}");
    }
}

#[test]
fn an_encrypted_key_still_names_its_row() {
    for lake in lakes() {
        let keys = keys().column("client_id", [4; 16]).unwrap();
        let group = keyed(&lake, keys).feature_group(group()).unwrap();
        group.insert(run("a"), &admit(diagnosed(0..40, 0.0))).unwrap();
        let commit = group.insert(run("b"), &admit(diagnosed(38..42, 7.0))).unwrap();
        assert_eq!((commit.inserted, commit.updated, commit.unchanged), (2, 1, 1), "client 39 has no cost");
        assert!(that_hold(&lake, "client-000").is_empty());
        assert_eq!(group.forget(run("c"), &[vec![Value::from("client-00007")]]).unwrap().removed, 1);
    }
}
