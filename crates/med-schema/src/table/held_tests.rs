//! Files with a column of every type that their writers know.

use std::path::PathBuf;

use polars::prelude::{AnyValue, DataType};

use super::{CsvOptions, ParquetBatches, ParquetParts, Table, TableError};

/// Columns of each file that no table holds, by type or by value.
const NOT_HELD: [(&str, &[&str]); 3] = [
    (
        "arrow_types",
        &[
            "uint64_large",
            "decimal_large",
            "time32",
            "time64",
            "duration",
            "binary",
            "large_binary",
            "fixed_binary",
            "list",
            "large_list",
            "fixed_list",
            "list_of_decimals",
            "struct",
            "map",
            "uuid",
        ],
    ),
    ("polars_types", &["int128_large", "array", "struct", "time", "duration"]),
    ("integer_decimals", &[]),
];

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../../fixtures/parquet/{name}.parquet"))
}

fn column_of(error: &TableError) -> &str {
    match error {
        TableError::Type { column, .. } | TableError::Misfit { column, .. } => column,
        other => panic!("{other}"),
    }
}

#[test]
fn what_no_table_holds_is_refused_if_needed_and_left_out_if_not() {
    let options = CsvOptions::default();
    for (name, not_held) in NOT_HELD {
        let path = file(name);
        let (table, left_out) = Table::read_needed(&path, &options, |_| false).unwrap();
        let mut names: Vec<&str> = left_out.iter().map(column_of).collect();
        let held: Vec<&str> = table.schema().names().collect();
        let all = Table::column_names(&path).unwrap();
        assert_eq!(held, all.iter().filter(|n| !not_held.contains(&n.as_str())).collect::<Vec<_>>(), "{name}");
        names.sort_unstable();
        let mut expected = not_held.to_vec();
        expected.sort_unstable();
        assert_eq!(names, expected);
        assert_eq!(table.n_rows(), 40);
        for column in not_held {
            let error = Table::read_needed(&path, &options, |needed| needed == *column).unwrap_err();
            assert_eq!(column_of(&error), *column);
            assert!(error.to_string().contains("leave it out"), "{error}");
        }
        // All of them are held alike however little is asked for.
        let (all, _) = Table::read_needed(&path, &options, |name| held.contains(&name)).unwrap();
        assert_eq!(all.fingerprint().unwrap(), table.fingerprint().unwrap());
    }
}

#[test]
fn numbers_are_what_they_were_written_as() {
    let (table, _) = Table::read_needed(file("arrow_types"), &CsvOptions::default(), |_| false).unwrap();
    for (name, expected) in [
        ("decimal32", -3.99),
        ("decimal64", -3.99),
        ("decimal128", -3.99),
        ("decimal256", -0.399),
        ("half", 0.25),
        ("single", 0.25),
    ] {
        let column = table.frame().column(name).unwrap();
        assert_eq!(column.dtype(), &DataType::Float64, "{name}");
        assert_eq!((column.get(1).unwrap(), column.get(2).unwrap()), (AnyValue::Float64(expected), AnyValue::Null));
    }
    for (name, first, last) in [("decimal_whole", -500, 3_439), ("uint64", 0, 39), ("int64", 0, 39)] {
        let column = table.frame().column(name).unwrap();
        assert_eq!((column.get(0).unwrap(), column.get(39).unwrap()), (AnyValue::Int64(first), AnyValue::Int64(last)));
        assert!(column.get(2).unwrap().is_null());
    }
    let integers = Table::read(file("integer_decimals"), &CsvOptions::default()).unwrap();
    for name in ["decimal32", "decimal64", "decimal128", "decimal_whole"] {
        let both = [&integers, &table].map(|t| t.frame().column(name).unwrap().clone());
        assert!(both[0].equals_missing(&both[1]), "{name}");
    }
    let polars = Table::read_needed(file("polars_types"), &CsvOptions::default(), |_| false).unwrap().0;
    assert_eq!(polars.frame().column("int128").unwrap().get(39).unwrap(), AnyValue::Int64(34));
    assert_eq!(polars.frame().column("decimal").unwrap().get(39).unwrap(), AnyValue::Float64(34.39));
}

#[test]
fn a_misfit_says_where_it_is() {
    let needed = |wanted: &'static str| {
        let read = Table::read_needed(file("arrow_types"), &CsvOptions::default(), move |name| name == wanted);
        read.unwrap_err().to_string()
    };
    let text = needed("uint64_large");
    assert!(text.contains("column \"uint64_large\" has type u64, and row 0 (from 0)"), "{text}");
    let text = needed("fixed_list");
    assert!(text.contains("column \"fixed_list\" has type list of 2 items; expected booleans"), "{text}");
    // In parts, the row is that of the file.
    let parts = ParquetParts::open(file("arrow_types")).unwrap();
    assert_eq!(parts.sizes().collect::<Vec<_>>(), [25, 15]);
    let text = parts.column(1, "decimal_large").unwrap_err().to_string();
    assert!(text.contains("type decimal(38, 0), and row 25 (from 0)"), "{text}");
}

#[test]
fn parts_give_what_the_whole_file_has_and_nothing_else_is_looked_at() {
    for (name, not_held) in NOT_HELD {
        let (table, _) = Table::read_needed(file(name), &CsvOptions::default(), |_| false).unwrap();
        let parts = ParquetParts::open(file(name)).unwrap();
        let sizes: Vec<usize> = parts.sizes().collect();
        assert_eq!(parts.schema().len(), table.schema().len() + not_held.len());
        for column in table.frame().columns() {
            let held = parts.schema().get(column.name()).unwrap();
            let mut start = 0;
            for (part, &rows) in sizes.iter().enumerate() {
                let found = parts.column(part, column.name()).unwrap();
                assert_eq!(found.dtype(), held, "{}", column.name());
                let wide = found.cast(column.dtype()).unwrap();
                assert!(wide.equals_missing(&column.slice(start, rows)), "{}", column.name());
                start += rows as i64;
            }
        }
        for column in not_held {
            assert!(parts.column(0, column).is_err(), "{column}");
        }
        let by_type: Vec<TableError> = parts.not_held().collect();
        assert!(by_type.iter().all(|error| not_held.contains(&column_of(error))));
        let batches = ParquetBatches::open(file(name)).unwrap().columns(["x"]);
        assert_eq!(batches.map(|batch| batch.unwrap().height()).sum::<usize>(), 40);
    }
}

#[test]
fn decimals_may_be_had_as_texts_with_all_their_digits() {
    let batches = ParquetBatches::open(file("arrow_types")).unwrap().decimals_as_text(["decimal64"]);
    let names = ["decimal128", "decimal64", "decimal256", "decimal_large"];
    let first = batches.columns(names).next().unwrap().unwrap();
    let texts = names.map(|name| first.column(name).unwrap().str().unwrap().get(1));
    let expected = ["-3.99", "-3,99", "-0.399", "1000000000000000000000000000001"];
    assert_eq!(texts, expected.map(Some));
}
