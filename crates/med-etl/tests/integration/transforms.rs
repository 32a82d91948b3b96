use std::collections::{BTreeMap, BTreeSet};

use med_etl::clients::clients_schema;
use med_etl::transform::{Cast, ClientId, Drop, EventTime, FillMissing, Rename, SortBy};
use med_etl::{EtlError, Extract, Pipeline, Step, Transform};
use med_schema::{Column, Kind, Role, Schema, Table, ValueType};
use polars::prelude::{DataFrame, df};
use proptest::prelude::*;

use crate::database::clients;

fn at() -> chrono::DateTime<chrono::Utc> {
    "2024-12-31T00:00:00Z".parse().unwrap()
}

fn pipeline() -> Pipeline {
    Pipeline::new()
        .with(FillMissing::new("insurance_type", "No Insurance"))
        .with(ClientId::default())
        .with(EventTime::new("event_time", at()))
        .with(SortBy::new(["client_id"]).unwrap())
}

fn texts(table: &Table, column: &str) -> Vec<Option<String>> {
    table.frame().column(column).unwrap().str().unwrap().iter().map(|v| v.map(String::from)).collect()
}

fn table(frame: DataFrame) -> Table {
    Table::infer(frame).unwrap()
}

#[test]
fn the_clients_get_what_the_pipeline_promises() {
    let db = clients();
    let extract = Extract::table("clients").with_schema(clients_schema().unwrap());
    let (table, reports) = pipeline().apply(db.collect(&extract).unwrap().table).unwrap();
    assert_eq!(
        reports.iter().map(|r| r.step.as_str()).collect::<Vec<_>>(),
        ["fill_missing", "client_id", "event_time", "sort_by"]
    );
    assert_eq!(reports[0].cells_filled, BTreeMap::from([("insurance_type".to_owned(), 1048)]));
    assert_eq!(reports[1].columns_added, ["client_id"]);
    assert_eq!(reports[1].rows_not_distinct, Some(0));
    assert_eq!(reports[2].columns_added, ["event_time"]);
    assert!(reports.iter().all(|r| (r.rows_before, r.rows_after) == (5000, 5000)));
    assert_eq!(texts(&table, "insurance_type").iter().filter(|v| v.as_deref() == Some("No Insurance")).count(), 1048);

    let schema = table.schema();
    assert_eq!(schema.len(), 22);
    assert!(!schema.column("insurance_type").unwrap().nullable);
    let id = schema.column("client_id").unwrap();
    assert_eq!((id.kind, id.role, id.nullable), (Kind::Identifier, Role::Key, false));
    assert_eq!(schema.event_time().unwrap().value_type, ValueType::Timestamp);
    let ids: BTreeSet<_> = texts(&table, "client_id").into_iter().flatten().collect();
    assert_eq!(ids.len(), 5000);
    assert!(ids.iter().all(|id| id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit())));

    // Another order of the rows in the database, the same table.
    db.change("CREATE TABLE other AS SELECT * FROM clients ORDER BY daily_steps, bmi, rowid DESC; DROP TABLE clients; ALTER TABLE other RENAME TO clients;");
    let (again, _) = pipeline().apply(db.collect(&extract).unwrap().table).unwrap();
    assert_eq!(again.fingerprint().unwrap(), table.fingerprint().unwrap());

    // Other rows do not move an id.
    db.change("DELETE FROM clients WHERE rowid % 2 = 0");
    let (half, _) = pipeline().apply(db.collect(&extract).unwrap().table).unwrap();
    assert!(texts(&half, "client_id").into_iter().flatten().all(|id| ids.contains(&id)));
}

#[test]
fn the_id_is_fixed_for_all_time() {
    let client = table(df!("age" => [34_i64], "bmi" => [20.5], "city" => ["Rural"]).unwrap());
    let id = |table: Table| texts(&ClientId::default().apply(table).unwrap().table, "client_id")[0].clone().unwrap();
    let expected = id(client);
    assert_eq!(expected, "d2469e77847b6a78c968efcca330503f");
    let other_forms = table(df!("city" => ["Rural"], "bmi" => [20.5], "age" => [34.0]).unwrap());
    assert_eq!(id(other_forms), expected, "neither the order of the columns nor the type of a whole number matters");
    let renamed = table(df!("town" => ["Rural"], "bmi" => [20.5], "age" => [34.0]).unwrap());
    assert_ne!(id(renamed), expected);
}

#[test]
fn neither_target_nor_event_time_is_in_the_id() {
    let with_cost = |cost: f64| {
        let schema = Schema::new(vec![
            Column::new("age", Kind::Count, ValueType::Integer),
            Column::new("cost", Kind::Continuous, ValueType::Float).role(Role::Target),
        ])
        .unwrap();
        let table = Table::parse(df!("age" => [34_i64], "cost" => [cost]).unwrap(), schema).unwrap();
        let table =
            EventTime::new("event_time", at() + chrono::TimeDelta::days(cost as i64)).apply(table).unwrap().table;
        texts(&ClientId::default().apply(table).unwrap().table, "client_id")
    };
    assert_eq!(with_cost(1.0), with_cost(2.0));
}

#[test]
fn steps_refuse_what_they_cannot_do() {
    let t = || table(df!("a" => [Some(1_i64), None], "b" => ["x", "y"]).unwrap());
    let error = |step: &dyn Transform| step.apply(t()).unwrap_err().to_string();
    assert_eq!(error(&FillMissing::new("aa", 0_i64)), "there is no column \"aa\"; did you mean a, b?");
    assert_eq!(
        error(&FillMissing::new("a", "x")),
        "column \"a\" holds values of type integer; the fill value is of type text"
    );
    assert_eq!(error(&ClientId::new("b")), "column \"b\" is there already");
    assert_eq!(error(&EventTime::new("a", at())), "column \"a\" is there already");
    assert_eq!(error(&Rename::new("a", "b")), "column \"b\" is there already");
    assert_eq!(
        error(&Cast::new("b", ValueType::Date)),
        "cast: column \"b\" expected date, found text that is no ISO date in 2 rows, first in row 0 (from 0)"
    );
    assert!(SortBy::new(Vec::<String>::new()).is_err());
    let failed = Pipeline::new().with(Drop::new(["a"])).with(FillMissing::new("a", 1_i64)).apply(t()).unwrap_err();
    assert_eq!(failed.to_string(), "step fill_missing: there is no column \"a\"; did you mean b?");
    assert!(matches!(failed, EtlError::Step { .. }));
}

#[test]
fn reshaping_says_what_it_did() {
    let t = table(df!("a" => [Some(1_i64), None, Some(3)], "b" => ["2024-01-01", "2024-01-02", "2024-01-03"], "c" => [1.0, 2.0, 3.0]).unwrap());
    let steps = Pipeline::new()
        .with(Rename::new("a", "amount"))
        .with(Cast::new("amount", ValueType::Float))
        .with(Cast::new("b", ValueType::Date))
        .with(Cast::new("b", ValueType::Timestamp))
        .with(Cast::new("c", ValueType::Integer))
        .with(Cast::new("c", ValueType::Text))
        .with(Drop::new(["b"]));
    let (t, reports) = steps.apply(t).unwrap();
    assert_eq!(t.schema().names().collect::<Vec<_>>(), ["amount", "c"]);
    assert_eq!(reports[1].cells_cast, BTreeMap::from([("amount".to_owned(), 2)]));
    assert_eq!(texts(&t, "c"), ["1", "2", "3"].map(|v| Some(v.to_owned())));
    assert_eq!(t.frame().column("amount").unwrap().f64().unwrap().to_vec(), [Some(1.0), None, Some(3.0)]);
    assert_eq!(reports[0].to_string(), "rename: 3 rows, added amount, removed a");
}

#[test]
fn steps_can_be_configured() {
    let json = r#"[
        {"step": "fill_missing", "column": "insurance_type", "value": "No Insurance"},
        {"step": "client_id", "from": ["age", "bmi"]},
        {"step": "event_time", "at": "2024-12-31T00:00:00Z"},
        {"step": "sort_by", "columns": ["client_id"]},
        {"step": "cast", "column": "age", "to": "float"}
    ]"#;
    let steps: Vec<Step> = serde_json::from_str(json).unwrap();
    assert_eq!(serde_json::from_str::<Vec<Step>>(&serde_json::to_string(&steps).unwrap()).unwrap(), steps);
    let pipeline: Pipeline = steps.into_iter().collect();
    assert_eq!(
        pipeline.steps().map(|s| s.name()).collect::<Vec<_>>(),
        ["fill_missing", "client_id", "event_time", "sort_by", "cast"]
    );
    assert!(serde_json::from_str::<Step>(r#"{"step": "sort_by", "columns": []}"#).is_err());
    assert!(serde_json::from_str::<Step>(r#"{"step": "drop", "colums": ["a"]}"#).is_err());
}

fn rows() -> impl Strategy<Value = Vec<(Option<i64>, String, f64)>> {
    // Few values, so that identities repeat.
    prop::collection::vec((prop::option::of(0..3_i64), "[ab]{0,1}", prop::sample::select(vec![0.0, 1.5, 2.5])), 1..20)
}

fn frame(rows: &[(Option<i64>, String, f64)]) -> Table {
    let schema = Schema::new(vec![
        Column::new("a", Kind::Count, ValueType::Integer).nullable(true),
        Column::new("b", Kind::Nominal, ValueType::Text),
        Column::new("y", Kind::Continuous, ValueType::Float).role(Role::Target),
    ])
    .unwrap();
    let frame = df!(
        "a" => rows.iter().map(|r| r.0).collect::<Vec<_>>(),
        "b" => rows.iter().map(|r| r.1.clone()).collect::<Vec<_>>(),
        "y" => rows.iter().map(|r| r.2).collect::<Vec<_>>()
    );
    Table::parse(frame.unwrap(), schema).unwrap()
}

proptest! {
    /// Ids are unique, and row order changes nothing: after a sort by id the tables are the same.
    #[test]
    fn ids_do_not_depend_on_row_order(rows in rows(), seed in any::<u64>()) {
        let steps = Pipeline::new()
            .with(ClientId::default())
            .with(SortBy::new(["client_id"]).unwrap());
        let mut shuffled = rows.clone();
        let n = shuffled.len();
        for i in 0..n {
            shuffled.swap(i, (seed.rotate_left(i as u32) % n as u64) as usize);
        }
        let (one, reports) = steps.apply(frame(&rows)).unwrap();
        let (two, _) = steps.apply(frame(&shuffled)).unwrap();
        prop_assert_eq!(one.fingerprint().unwrap(), two.fingerprint().unwrap());
        let ids: BTreeSet<_> = texts(&one, "client_id").into_iter().collect();
        prop_assert_eq!(ids.len(), n);
        let mut identities = BTreeMap::new();
        rows.iter().for_each(|r| *identities.entry((r.0, r.1.clone())).or_insert(0_u64) += 1);
        let shared: u64 = identities.values().filter(|n| **n > 1).sum();
        prop_assert_eq!(reports[0].rows_not_distinct, Some(shared));
    }

    /// Filling changes the missing cells, all of them, and nothing else; a second time it changes nothing.
    #[test]
    fn filling_fills_what_is_missing(rows in rows(), value in any::<i64>()) {
        let step = FillMissing::new("a", value);
        let once = step.apply(frame(&rows)).unwrap();
        let missing = rows.iter().filter(|r| r.0.is_none()).count() as u64;
        prop_assert_eq!(once.report.cells_filled["a"], missing);
        let cells: Vec<_> = once.table.frame().column("a").unwrap().i64().unwrap().iter().collect();
        prop_assert!(cells.iter().zip(&rows).all(|(cell, row)| *cell == Some(row.0.unwrap_or(value))));
        let fingerprint = once.table.fingerprint().unwrap();
        let twice = step.apply(once.table).unwrap();
        prop_assert_eq!(twice.report.cells_filled["a"], 0);
        prop_assert_eq!(twice.table.fingerprint().unwrap(), fingerprint);
    }
}
