//! Tables that other programs made, with what Delta allows and Med does not write.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use med_schema::{Column, Kind, Schema, Table, ValueType, Version};
use parquet::arrow::ArrowWriter;
use polars::prelude::{DataFrame, DataType, IntoColumn, NamedFrom, Series, TimeUnit};
use serde_json::{Value, json};

use crate::support::{Lake, admit, content, lakes, plant, run};

fn numbers(values: &[Option<i64>]) -> Table {
    let column = Series::new("n".into(), values).into_column();
    Table::parse(DataFrame::new(values.len(), vec![column]).unwrap(), schema()).unwrap()
}

fn schema() -> Schema {
    Schema::new(vec![Column::new("n", Kind::Count, ValueType::Integer).nullable(true)]).unwrap()
}

/// A table `theirs` of one column `n` with one row, whose file has it under the name `stored_as`.
fn theirs(lake: &Lake, stored_as: &str, nullable: bool, metadata: &Value, mode: Option<&str>) {
    let array: ArrayRef = Arc::new(Int64Array::from(vec![7]));
    let batch = RecordBatch::try_from_iter_with_nullable([(stored_as, array, nullable)]).unwrap();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let field = json!({"name": "n", "type": "long", "nullable": nullable, "metadata": metadata});
    let fields = json!({"type": "struct", "fields": [field]});
    let (protocol, configuration) = match mode {
        Some(mode) => (
            json!({"minReaderVersion": 2, "minWriterVersion": 5}),
            json!({"delta.columnMapping.mode": mode, "delta.columnMapping.maxColumnId": "1"}),
        ),
        None => (json!({"minReaderVersion": 1, "minWriterVersion": 2}), json!({})),
    };
    let log = [
        json!({"protocol": protocol}),
        json!({"metaData": {"id": "5fba94ed-9794-4965-ba6e-6ee3c0d22af9", "format": {"provider": "parquet", "options": {}},
            "schemaString": fields.to_string(), "partitionColumns": [], "configuration": configuration, "createdTime": 1}}),
        json!({"add": {"path": "one.parquet", "partitionValues": {}, "size": bytes.len(), "modificationTime": 1, "dataChange": true}}),
    ];
    plant(&lake.store, "tables/theirs/one.parquet", bytes);
    let log = log.map(|action| action.to_string()).join("\n");
    plant(&lake.store, "tables/theirs/_delta_log/00000000000000000000.json", log.into_bytes());
}

#[test]
fn a_table_whose_files_have_other_names_is_read_and_not_written() {
    for lake in lakes() {
        let mapped = json!({"delta.columnMapping.id": 1, "delta.columnMapping.physicalName": "col-1"});
        theirs(&lake, "col-1", true, &mapped, Some("name"));
        let table = lake.lake.table("theirs", &schema()).unwrap();
        let before = content(&lake.store);
        assert_eq!(table.read(None).unwrap().frame().column("n").unwrap().i64().unwrap().get(0), Some(7));
        for refused in [
            table.append(run("more"), &admit(numbers(&[Some(8)]))).unwrap_err(),
            table.overwrite(run("others"), &admit(numbers(&[Some(8)]))).unwrap_err(),
        ] {
            assert!(refused.to_string().contains("tables/theirs cannot be written: version 0 maps"), "{refused}");
        }
        assert_eq!(table.read(None).unwrap().n_rows(), 1);
        assert_eq!(content(&lake.store), before);
    }
}

#[test]
fn a_column_that_another_program_wants_filled_takes_no_missing_values() {
    for lake in lakes() {
        theirs(&lake, "n", false, &json!({}), None);
        let table = lake.lake.table("theirs", &schema()).unwrap();
        let refused = table.append(run("more"), &admit(numbers(&[Some(8), None]))).unwrap_err().to_string();
        assert!(refused.contains("its column \"n\" takes no missing values, found 1 of 2 rows"), "{refused}");
        assert_eq!(table.append(run("filled"), &admit(numbers(&[Some(8)]))).unwrap().version, Version(1));
    }
}

/// Delta has four digits for a year; other readers fail on a whole table for a bound with more.
#[test]
fn the_log_has_no_bounds_of_years_that_it_has_no_digits_for() {
    let schema = Schema::new(vec![
        Column::new("born", Kind::Date, ValueType::Date).nullable(true),
        Column::new("at", Kind::Timestamp, ValueType::Timestamp).nullable(true),
    ])
    .unwrap();
    let rows = |days: [i32; 2]| {
        let born = Series::new("born".into(), days).cast(&DataType::Date).unwrap().into_column();
        let at: Vec<i64> = days.iter().map(|&day| i64::from(day) * 86_400_000_000).collect();
        let at = Series::new("at".into(), at).cast(&DataType::Datetime(TimeUnit::Microseconds, None)).unwrap();
        Table::parse(DataFrame::new(2, vec![born, at.into_column()]).unwrap(), schema.clone()).unwrap()
    };
    for lake in lakes() {
        let table = lake.lake.table("days", &schema).unwrap();
        // 0001-01-01 and 9999-12-31, and a day beyond each.
        for (n, days) in [[-719_162, 2_932_896], [-719_163, 0], [0, 2_932_897]].into_iter().enumerate() {
            table.append(run(&format!("r{n}")), &admit(rows(days))).unwrap();
        }
        let log = |version: &str| {
            let entry = content(&lake.store).into_iter().find(|(name, _)| name.ends_with(version)).unwrap().1;
            String::from_utf8(entry).unwrap()
        };
        assert!(log("01.json").contains("0001-01-01") && log("01.json").contains("9999-12-31"));
        for version in ["02.json", "03.json"] {
            assert!(!log(version).contains("minValues") || !log(version).contains("born\\\":"), "{}", log(version));
        }
        assert_eq!(table.read(None).unwrap().n_rows(), 6);
    }
}
