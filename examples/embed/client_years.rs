//! Client-years of a feed: with a configuration as argument, else of the sample in `fixtures/claims`. Prints where the money went.
//!
//! `cargo run --release -p med-etl --example embed_client_years -- population/claims.toml`
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::path::{Path, PathBuf};

use med_etl::client_year::{ClaimsConfig, ClientYearReport, RollUp};
use med_schema::{ColumnPatch, CsvOptions, Kind, ParquetBatches, Table, ValueType};
use polars::prelude::DataFrame;

fn main() -> Result<(), Box<dyn Error>> {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/claims/tuva.toml");
    let path = std::env::args_os().nth(1).map_or(sample, PathBuf::from);
    let whole: toml::Table = toml::from_str(&std::fs::read_to_string(&path)?)?;
    let config: ClaimsConfig = whole.get("claims").ok_or("no [claims] in the configuration")?.clone().try_into()?;
    let folder = whole.get("folder").and_then(|f| f.as_str()).ok_or("no folder in the configuration")?;
    let folder = path.parent().unwrap_or(Path::new(".")).join(folder);

    let mut roll_up = RollUp::new(&config)?;
    let names = |tables: Vec<&str>| tables.into_iter().map(str::to_owned).collect::<Vec<_>>();
    for table in names(roll_up.reference_tables()) {
        read(&folder, &table, &config, |frame| Ok(roll_up.push_reference(&table, frame)?))?;
    }
    for table in names(roll_up.event_tables()) {
        read(&folder, &table, &config, |frame| Ok(roll_up.push_events(&table, frame)?))?;
    }
    let years = roll_up.finish()?;
    println!("{} client-years, {} columns", years.table.n_rows(), years.table.schema().len());
    print(&years.report);
    Ok(())
}

/// Hands over a table: Parquet batch by batch, CSV whole and as text.
fn read(
    folder: &Path,
    table: &str,
    config: &ClaimsConfig,
    mut push: impl FnMut(&DataFrame) -> Result<(), Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let columns = config.columns().into_iter().find(|(name, _)| *name == table).map_or(Vec::new(), |(_, c)| c);
    let parquet = folder.join(format!("{table}.parquet"));
    if parquet.is_file() {
        let batches = ParquetBatches::open(parquet)?.columns(columns);
        // While one batch is rolled up the next is read.
        return std::thread::scope(|scope| {
            let (sender, receiver) = std::sync::mpsc::sync_channel(1);
            scope.spawn(move || { batches }.all(|frame| sender.send(frame).is_ok()));
            receiver.into_iter().try_for_each(|frame| push(&frame?))
        });
    }
    let text = |name: &&str| ColumnPatch {
        name: (*name).to_owned(),
        kind: Some(Kind::Text),
        value_type: Some(ValueType::Text),
        role: None,
        nullable: Some(true),
        unit: None,
        domain: None,
    };
    let options = CsvOptions { columns: columns.iter().map(text).collect(), ..CsvOptions::default() };
    push(Table::read(folder.join(format!("{table}.csv")), &options)?.frame())
}

fn print(report: &ClientYearReport) {
    for table in &report.tables {
        let ledger = &table.ledger;
        println!("{}: {} rows, {} cents", table.table, ledger.read, ledger.read_cents);
        for entry in &ledger.entries {
            println!("  {:?}: removed {} rows, {} cents", entry.rule, entry.removed, entry.removed_cents);
        }
        println!("  kept {} rows, {} cents", ledger.kept, ledger.kept_cents);
    }
    for check in report.checks("client_years").failures() {
        println!("{check}");
    }
}
