//! The tables of a feed of transactions, from files or a database into a roll-up.

use std::cell::Cell;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use med_etl::client_year::{AmountUnit, ClaimsConfig, ClientYears, RollUp, in_currency_units};
use med_etl::{CsvBatches, Extract, Source};
use med_schema::{Fingerprint, FingerprintHasher, Input, ParquetBatches, Schema, Table, near_names};
use polars::prelude::{Column, DataFrame, DataType};

use crate::config::Config;
use crate::progress::Steps;

/// Where the tables of a feed are.
enum Feed<'a> {
    Folder { path: &'a Path, config: &'a Config },
    Database(Source),
}

/// A feed, rolled up.
pub(crate) struct RolledUp {
    /// The client-years, amounts in units of the currency.
    pub(crate) years: ClientYears,
    /// All that was read.
    pub(crate) fingerprint: Fingerprint,
    /// The tables that were read, each with its content.
    pub(crate) tables: Vec<Input>,
}

/// A table as an input of what is made of it.
pub(crate) fn table(name: &str, fingerprint: Fingerprint) -> Input {
    Input { name: format!("table {name}"), version: None, fingerprint }
}

/// Reads every table of the feed and rolls it up. Of the tables only what the roll-up keeps is in memory, and one batch.
pub(crate) fn client_years(
    config: &Config,
    claims: &ClaimsConfig,
    mut roll_up: RollUp,
    progress: &Steps,
) -> anyhow::Result<RolledUp> {
    // A database named on the command line goes before the folder of the file.
    let feed = match (&config.database_url, &config.folder) {
        (Some(url), _) => Feed::Database(Source::parse(url)?),
        (None, Some(path)) => Feed::Folder { path, config },
        (None, None) => bail!("[claims] needs `folder`, with CSV or Parquet files, or a database (--database-url)"),
    };
    let columns = claims.columns();
    let (mut hasher, mut read) = (FingerprintHasher::new(), Vec::new());
    let owned = |tables: Vec<&str>| tables.into_iter().map(str::to_owned).collect::<Vec<_>>();
    let phases = [(owned(roll_up.reference_tables()), true), (owned(roll_up.event_tables()), false)];
    for (table, reference) in phases.iter().flat_map(|(tables, r)| tables.iter().map(move |t| (t, *r))) {
        let named = columns.iter().find(|(name, _)| name == table).map_or(&[][..], |(_, columns)| columns);
        let (mut rows, given) = (0, Cell::new(false));
        let mut push = |frame: DataFrame| -> anyhow::Result<()> {
            given.set(true);
            rows += frame.height() as u64;
            progress.rows(table, rows);
            Ok(if reference { roll_up.push_reference(table, &frame) } else { roll_up.push_events(table, &frame) }?)
        };
        let fingerprint = feed.read(table, named, &mut push)?;
        if !given.get() {
            // A table without rows was given all the same.
            let columns = named.iter().map(|name| Column::new_empty((*name).into(), &DataType::String)).collect();
            push(DataFrame::new(0, columns)?)?;
        }
        hasher.part(table).part(fingerprint.to_string());
        read.push(self::table(table, fingerprint));
    }
    progress.begin("roll up");
    let ClientYears { table, report } = roll_up.finish()?;
    let table = in_currency_units(table)?;
    Ok(RolledUp { years: ClientYears { table, report }, fingerprint: hasher.finish(), tables: read })
}

/// The columns of client-years that a feed of this configuration is made into, whatever its rows.
pub(crate) fn columns_made(claims: &ClaimsConfig) -> anyhow::Result<Schema> {
    let mut roll_up = RollUp::new(claims)?;
    let columns = claims.columns();
    let empty = |table: &str| {
        let named = columns.iter().find(|(name, _)| *name == table).map_or(&[][..], |(_, columns)| columns);
        DataFrame::new(0, named.iter().map(|name| Column::new_empty((*name).into(), &DataType::String)).collect())
    };
    let owned = |tables: Vec<&str>| tables.into_iter().map(str::to_owned).collect::<Vec<_>>();
    for table in owned(roll_up.reference_tables()) {
        roll_up.push_reference(&table, &empty(&table)?)?;
    }
    for table in owned(roll_up.event_tables()) {
        roll_up.push_events(&table, &empty(&table)?)?;
    }
    Ok(in_currency_units(roll_up.finish()?.table)?.schema().clone())
}

impl Feed<'_> {
    /// Hands over all rows of a table, and tells their fingerprint.
    fn read(
        &self,
        table: &str,
        columns: &[&str],
        push: &mut dyn FnMut(DataFrame) -> anyhow::Result<()>,
    ) -> anyhow::Result<Fingerprint> {
        match self {
            Self::Folder { path: folder, config } => {
                let path = file(folder, table)?;
                let comma = comma_amounts(config, table);
                read_file(&path, columns, &comma, config, push).with_context(|| format!("table {table:?}"))?;
                let mut hasher = FingerprintHasher::new();
                let mut file = std::fs::File::open(&path).with_context(|| path.display().to_string())?;
                let mut buffer = Vec::new();
                loop {
                    // Pieces of one length, whatever a single read brings.
                    buffer.clear();
                    let read = file.by_ref().take(1 << 20).read_to_end(&mut buffer);
                    if read.with_context(|| path.display().to_string())? == 0 {
                        return Ok(hasher.finish());
                    }
                    hasher.part(&buffer);
                }
            }
            Self::Database(source) => {
                let all = |_| ControlFlow::Continue(());
                let report = source.connect()?.for_each_batch(&Extract::table(table), all, push)?;
                report.fingerprint.with_context(|| format!("table {table:?} was read without a fingerprint"))
            }
        }
    }
}

/// The file of a table.
fn file(folder: &Path, table: &str) -> anyhow::Result<PathBuf> {
    let found =
        ["parquet", "csv"].map(|ending| folder.join(format!("{table}.{ending}"))).into_iter().find(|p| p.is_file());
    if let Some(path) = found {
        return Ok(path);
    }
    let listed = std::fs::read_dir(folder).with_context(|| format!("folder {}", folder.display()))?;
    let names: Vec<String> =
        listed.filter_map(|entry| Some(entry.ok()?.path().file_stem()?.to_string_lossy().into_owned())).collect();
    let mut near = near_names(table, names.iter().map(String::as_str));
    near.dedup();
    let hint = if near.is_empty() { String::new() } else { format!("; there is {}", near.join(", ")) };
    bail!("folder {} has neither {table}.parquet nor {table}.csv{hint}", folder.display())
}

/// Hands over the columns named, batch by batch: while one batch is rolled up the next is read. Those of a CSV file are kept as they are
/// written: codes keep their zeros, amounts their digits.
fn read_file(
    path: &Path,
    columns: &[&str],
    comma: &[&str],
    config: &Config,
    push: &mut dyn FnMut(DataFrame) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    type Batches = Box<dyn Iterator<Item = anyhow::Result<DataFrame>> + Send>;
    let batches: Batches = if path.extension().is_some_and(|e| e == "parquet") {
        let there = Table::column_names(path)?;
        let named = columns.iter().copied().filter(|c| has(&there, c));
        refuse_if_missing(columns, &there, push)?;
        // As texts decimals stay exact to any number of digits; those that are to be read with a comma have one.
        let batches = ParquetBatches::open(path)?.decimals_as_text(comma.iter().copied());
        Box::new(batches.columns(named).map(|batch| Ok(batch?)))
    } else {
        let file = CsvBatches::with_delimiter(path, columns, config.delimiter()?)?;
        let missing = columns.iter().any(|c| !has(file.names(), c));
        if let ([one], true) = (file.names(), missing) {
            let other = [',', ';', '\t', '|'].into_iter().find(|&d| one.contains(d));
            let hint = other.map_or_else(String::new, |d| format!("; it seems to be delimiter = {:?}", d.to_string()));
            bail!("{}: the first line has one field only{hint}", path.display());
        }
        refuse_if_missing(columns, file.names(), push)?;
        Box::new(file.null_values(&config.null_values).map(|batch| Ok(batch?)))
    };
    std::thread::scope(|scope| {
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        scope.spawn(move || {
            // An error here means that nobody wants more batches.
            { batches }.all(|frame| sender.send(frame).is_ok())
        });
        receiver.into_iter().try_for_each(|frame| push(frame?))
    })
}

/// The amounts of a table that are written with a comma.
fn comma_amounts<'c>(config: &'c Config, table: &str) -> Vec<&'c str> {
    let of_table = config.claims.iter().flat_map(|claims| &claims.transactions).filter(|t| t.table == table);
    of_table.filter(|t| t.amount_unit == AmountUnit::DecimalComma).map(|t| t.amount.as_str()).collect()
}

fn has(names: &[String], name: &str) -> bool {
    names.iter().any(|n| n == name)
}

/// Where a column is missing, lets the roll-up see the names of all columns, so that its error tells which are like it.
fn refuse_if_missing(
    columns: &[&str],
    names: &[String],
    push: &mut dyn FnMut(DataFrame) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    if columns.iter().all(|column| has(names, column)) {
        return Ok(());
    }
    let mut all: Vec<&str> = names.iter().map(String::as_str).collect();
    all.sort_unstable();
    all.dedup();
    let all = all.into_iter().map(|name| Column::new_empty(name.into(), &DataType::String)).collect();
    push(DataFrame::new(0, all)?)
}
