//! Client-years of real feeds and of made-up ones.

mod leakage;
mod rules;
mod scoring;
mod synthea;
mod tuva;

use std::path::PathBuf;

use med_etl::client_year::{ClaimsConfig, ClientYears, RollUp};
use med_schema::{ColumnPatch, CsvOptions, Kind, Table, ValueType};
use polars::prelude::DataFrame;

fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/claims")
}

/// The `[claims]` part of a configuration that comes with the fixtures.
fn config(name: &str) -> ClaimsConfig {
    let text = std::fs::read_to_string(fixtures().join(format!("{name}.toml"))).unwrap();
    let whole: toml::Table = toml::from_str(&text).unwrap();
    whole["claims"].clone().try_into().unwrap()
}

/// A table of the fixtures, every column as text.
fn frame(folder: &str, table: &str) -> DataFrame {
    let path = fixtures().join(folder).join(format!("{table}.csv"));
    let columns = Table::column_names(&path).unwrap().into_iter().map(|name| ColumnPatch {
        name,
        kind: Some(Kind::Text),
        value_type: Some(ValueType::Text),
        role: None,
        nullable: Some(true),
        unit: None,
        domain: None,
    });
    let options = CsvOptions { columns: columns.collect(), ..CsvOptions::default() };
    Table::read(path, &options).unwrap().into_parts().0
}

/// Client-years of a feed of the fixtures, under a configuration that may have been changed.
fn roll_up(folder: &str, config: &ClaimsConfig) -> ClientYears {
    of_frames(config, |table| frame(folder, table))
}

fn of_frames(config: &ClaimsConfig, frame: impl Fn(&str) -> DataFrame) -> ClientYears {
    let mut roll_up = RollUp::new(config).unwrap();
    let names = |tables: Vec<&str>| tables.into_iter().map(str::to_owned).collect::<Vec<_>>();
    for table in names(roll_up.reference_tables()) {
        roll_up.push_reference(&table, &frame(&table)).unwrap();
    }
    for table in names(roll_up.event_tables()) {
        roll_up.push_events(&table, &frame(&table)).unwrap();
    }
    let done = roll_up.finish().unwrap();
    let report = done.report.checks("client_years");
    assert!(report.results.iter().any(|r| r.check == "amounts_reconcile" && r.passed()), "{:#?}", done.report);
    done
}

fn whole(years: &ClientYears, column: &str) -> Vec<i64> {
    years.table.frame().column(column).unwrap().i64().unwrap().iter().map(Option::unwrap_or_default).collect()
}

fn floats(years: &ClientYears, column: &str) -> Vec<f64> {
    years.table.frame().column(column).unwrap().f64().unwrap().iter().map(Option::unwrap).collect()
}

/// A frame from CSV text, every column as text.
fn csv(text: &str) -> DataFrame {
    let header = text.lines().next().unwrap();
    let columns = header.split(',').map(|name| ColumnPatch {
        name: name.to_owned(),
        kind: Some(Kind::Text),
        value_type: Some(ValueType::Text),
        role: None,
        nullable: Some(true),
        unit: None,
        domain: None,
    });
    let options = CsvOptions { columns: columns.collect(), ..CsvOptions::default() };
    Table::from_csv(text.as_bytes(), &options).unwrap().into_parts().0
}
