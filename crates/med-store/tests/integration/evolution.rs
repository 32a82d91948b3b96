//! Columns that come, and columns whose type grows.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float32Array, Int32Array, RecordBatch};
use med_schema::{Column, Kind, Schema, Table, ValueType, Version};
use med_store::{Comparison, Filter, Outcome, StoreError};
use parquet::arrow::ArrowWriter;
use polars::prelude::{Column as Values, DataFrame, DataType};

use crate::support::{Lake, admit, clients, content, lakes, plant, run, same, schema};

/// Visits as a float, day of birth as a moment, and one column more.
fn wider() -> Schema {
    schema()
        .with_column(Column::new("visits", Kind::Count, ValueType::Float).nullable(true))
        .and_then(|s| s.with_column(Column::new("born", Kind::Timestamp, ValueType::Timestamp).nullable(true)))
        .and_then(|s| s.with_column(Column::new("region", Kind::Nominal, ValueType::Text).nullable(true)))
        .unwrap()
}

fn visits(table: &Table) -> Vec<Option<f64>> {
    table.frame().column("visits").unwrap().f64().unwrap().iter().collect()
}

fn days(table: &Table) -> Vec<Option<i32>> {
    let column = table.frame().column("born").unwrap().cast(&DataType::Date).unwrap();
    column.to_physical_repr().i32().unwrap().iter().collect()
}

#[test]
fn a_type_grows_in_one_commit_and_former_versions_keep_theirs() {
    for lake in lakes() {
        let before = lake.lake.table("clients", &schema()).unwrap();
        before.append(run("a"), &admit(clients(0..30, 0.0))).unwrap();
        before.append(run("b"), &admit(clients(30..60, 0.0))).unwrap();
        let all = before.read(None).unwrap();
        let after = before.evolve(run("grow"), &wider()).unwrap();
        assert_eq!((after.version().unwrap(), after.files().unwrap().len()), (Version(3), 2));
        assert_eq!(after.history().unwrap().last().unwrap().operation, "CHANGE COLUMN");

        let grown = after.read(None).unwrap();
        let whole: Vec<Option<f64>> =
            all.frame().column("visits").unwrap().i64().unwrap().iter().map(|v| v.map(|v| v as f64)).collect();
        assert_eq!((visits(&grown), days(&grown)), (whole, days(&all)));
        assert_eq!(grown.frame().column("region").unwrap().null_count(), 60);

        // The version before it, through either schema.
        assert!(same(&before.read(Some(Version(2))).unwrap(), &all));
        assert!(same(&after.read(Some(Version(2))).unwrap(), &grown));
        // Through the former schema the latest cannot be read: a float is not a whole number.
        assert!(matches!(before.read(None).unwrap_err(), StoreError::Table { .. }));

        // A second time, by whoever does not know, changes nothing.
        before.evolve(run("grow-again"), &wider()).unwrap();
        assert_eq!(after.version().unwrap(), Version(3));
        let back = after.evolve(run("back"), &schema()).unwrap_err().to_string();
        assert!(back.contains("\"visits\": expected float of kind count or a wider type, found integer"), "{back}");
        let stale = before.evolve(run("stale"), &schema()).unwrap_err().to_string();
        assert!(stale.contains("\"visits\": the table holds it as double"), "{stale}");

        // Rows of the former schema are widened as they come.
        before.append(run("c"), &admit(clients(60..65, 0.0))).unwrap();
        assert_eq!(visits(&after.read(None).unwrap())[61..], [6.0, 7.0, 8.0, 9.0].map(Some)[..]);
        after.checkpoint().unwrap();
        assert_eq!(after.read(None).unwrap().n_rows(), 65);
    }
}

#[test]
fn filters_see_the_type_they_were_written_for() {
    for lake in lakes() {
        let before = lake.lake.table("clients", &schema()).unwrap();
        for batch in 0..3 {
            before.append(run(&format!("r{batch}")), &admit(clients(batch * 10..batch * 10 + 10, 0.0))).unwrap();
        }
        let after = before.evolve(run("grow"), &wider()).unwrap();
        let late = chrono::DateTime::from_timestamp(20 * 86_400, 0).unwrap();
        for filter in [
            Filter::compare("visits", Comparison::Greater, 7.5),
            Filter::compare("born", Comparison::GreaterOrEqual, late),
            Filter::one_of("visits", [3.0, 4.0]),
        ] {
            let now = after.scan(None, Some(filter.clone()), None).unwrap();
            let then = after.scan(None, Some(filter), Some(Version(3))).unwrap();
            assert!(now.n_rows() > 0 && same(&now, &then), "{} and {} rows", now.n_rows(), then.n_rows());
        }
        // Statistics of the new files leave out as before.
        assert_eq!(after.files_for(Filter::compare("born", Comparison::GreaterOrEqual, late)).unwrap().len(), 1);
    }
}

#[test]
fn a_value_without_its_like_stops_the_widening() {
    for lake in lakes() {
        let table = lake.lake.table("clients", &schema()).unwrap();
        let rows = clients(0..3, 0.0);
        let mut columns: Vec<Values> = rows.frame().columns().to_vec();
        let at = columns.iter().position(|c| c.name() == "visits").unwrap();
        columns[at] = Values::new("visits".into(), [1, (1_i64 << 53) + 1, 3]);
        let rows = Table::parse(DataFrame::new(3, columns).unwrap(), schema()).unwrap();
        table.append(run("a"), &admit(rows.clone())).unwrap();
        let before = content(&lake.store);
        let error = table.evolve(run("grow"), &wider()).unwrap_err().to_string();
        assert!(error.contains("\"visits\" holds whole numbers beyond 2^53"), "{error}");
        assert_eq!(content(&lake.store), before);
        assert!(same(&table.read(None).unwrap(), &rows));
    }
}

#[test]
fn a_partition_column_keeps_its_type() {
    for lake in lakes() {
        let table = lake.lake.partitioned_table("clients", &schema(), &["visits".to_owned()]).unwrap();
        let error = table.evolve(run("grow"), &wider()).unwrap_err().to_string();
        assert!(error.contains("\"visits\": the type of a partition column stays"), "{error}");
        let grown =
            schema().with_column(Column::new("born", Kind::Timestamp, ValueType::Timestamp).nullable(true)).unwrap();
        table.append(run("a"), &admit(clients(0..12, 0.0))).unwrap();
        let files = table.files().unwrap().len();
        let table = table.evolve(run("grow"), &grown).unwrap();
        assert_eq!((table.files().unwrap().len(), table.read(None).unwrap().n_rows()), (files, 12));
    }
}

/// A table that another program made, of 32-bit numbers.
fn narrow(lake: &Lake) {
    let columns: [(&str, ArrayRef); 2] = [
        ("n", Arc::new(Int32Array::from(vec![Some(1), None, Some(3)]))),
        ("x", Arc::new(Float32Array::from(vec![0.5, 1.5, 2.5]))),
    ];
    let batch = RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true))).unwrap();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let field =
        |name: &str, kind: &str| serde_json::json!({"name": name, "type": kind, "nullable": true, "metadata": {}});
    let fields = serde_json::json!({"type": "struct", "fields": [field("n", "integer"), field("x", "float")]});
    let log = [
        serde_json::json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}),
        serde_json::json!({"metaData": {"id": "5fba94ed-9794-4965-ba6e-6ee3c0d22af9", "format": {"provider": "parquet", "options": {}},
            "schemaString": fields.to_string(), "partitionColumns": [], "configuration": {"delta.appendOnly": "false"}, "createdTime": 1}}),
        serde_json::json!({"add": {"path": "one.parquet", "partitionValues": {}, "size": bytes.len(), "modificationTime": 1, "dataChange": true}}),
    ];
    plant(&lake.store, "tables/narrow/one.parquet", bytes);
    let log = log.map(|action| action.to_string()).join("\n");
    plant(&lake.store, "tables/narrow/_delta_log/00000000000000000000.json", log.into_bytes());
}

#[test]
fn narrow_numbers_of_another_program_become_ours() {
    let ours = Schema::new(vec![
        Column::new("n", Kind::Count, ValueType::Integer).nullable(true),
        Column::new("x", Kind::Continuous, ValueType::Float).nullable(true),
    ])
    .unwrap();
    for lake in lakes() {
        narrow(&lake);
        let table = lake.lake.table("narrow", &ours).unwrap();
        let rows = table.read(None).unwrap();
        assert_eq!(rows.n_rows(), 3);
        let refused = table.append(run("early"), &admit(rows.clone())).unwrap_err().to_string();
        assert!(refused.contains("column \"n\" is integer there, not i64; evolve the table first"), "{refused}");

        table.evolve(run("grow"), &ours).unwrap();
        assert!(same(&table.read(None).unwrap(), &rows));
        assert!(table.files().unwrap()[0].contains("part-grow-"), "written anew, and verified from here on");
        let commit = table.append(run("late"), &admit(rows.clone())).unwrap();
        assert_eq!((commit.outcome, table.read(None).unwrap().n_rows()), (Outcome::Committed, 6));
        assert!(same(&table.read(Some(Version(0))).unwrap(), &rows));
        let log = content(&lake.store).into_iter().find(|(name, _)| name.ends_with("01.json")).unwrap().1;
        let log = String::from_utf8(log).unwrap();
        for kept in ["5fba94ed-9794-4965-ba6e-6ee3c0d22af9", "delta.appendOnly", "\\\"long\\\"", "\\\"double\\\""] {
            assert!(log.contains(kept), "{kept} in {log}");
        }
    }
}
