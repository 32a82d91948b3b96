//! Transactions on their way from the tables of a feed to client-years.

use std::io::Read;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use med_etl::client_year::{ClaimsConfig, ClientYears, RollUp, in_currency_units};
use med_etl::{Extract, Source, StepReport};
use med_quality::{MetaSuite, NoErrors, ResultsConsistent};
use med_schema::{
    Admitted, Checked, ColumnPatch, CsvOptions, Fingerprint, FingerprintHasher, Kind, ParquetBatches, Severity, Table,
    ValueType, near_names,
};
use med_store::ResultKind;
use polars::frame::DataFrame;

use super::clients::{Suites, quarantine};
use super::record::Record;
use crate::config::Config;
use crate::progress::Steps;

/// The client-years of a feed, and what names its content.
#[derive(Debug)]
pub(super) struct Extraction {
    years: ClientYears,
    pub(super) fingerprint: Fingerprint,
}

/// Where the tables of a feed are.
enum Feed<'a> {
    Folder { path: &'a Path, null_values: &'a [String] },
    Database(Source),
}

/// Reads every table of the feed and rolls it up.
pub(super) fn extract(config: &Config, claims: &ClaimsConfig, progress: &Steps) -> anyhow::Result<Extraction> {
    // A database named on the command line goes before the folder of the file.
    let feed = match (&config.database_url, &config.folder) {
        (Some(url), _) => Feed::Database(Source::parse(url)?),
        (None, Some(path)) => Feed::Folder { path, null_values: &config.null_values },
        (None, None) => bail!("[claims] needs `folder`, with CSV or Parquet files, or a database (--database-url)"),
    };
    let mut roll_up = RollUp::new(claims)?;
    let columns = claims.columns();
    let mut hasher = FingerprintHasher::new();
    let owned = |tables: Vec<&str>| tables.into_iter().map(str::to_owned).collect::<Vec<_>>();
    let phases = [(owned(roll_up.reference_tables()), true), (owned(roll_up.event_tables()), false)];
    for (table, reference) in phases.iter().flat_map(|(tables, r)| tables.iter().map(move |t| (t, *r))) {
        let named = columns.iter().find(|(name, _)| name == table).map_or(&[][..], |(_, columns)| columns);
        let mut rows = 0;
        let mut push = |frame: DataFrame| -> anyhow::Result<()> {
            rows += frame.height() as u64;
            progress.rows(table, rows);
            Ok(if reference { roll_up.push_reference(table, &frame) } else { roll_up.push_events(table, &frame) }?)
        };
        let fingerprint = feed.read(table, named, &mut push)?;
        hasher.part(table).part(fingerprint.to_string());
    }
    progress.begin("roll up");
    let ClientYears { table, report } = roll_up.finish()?;
    let table = in_currency_units(table)?;
    Ok(Extraction { years: ClientYears { table, report }, fingerprint: hasher.finish() })
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
            Self::Folder { path: folder, null_values } => {
                let path = file(folder, table)?;
                read_file(&path, columns, null_values, push).with_context(|| format!("table {table:?}"))?;
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

/// Only the columns named are kept, and those of a CSV file are kept as they are written: codes keep their zeros, amounts their digits.
fn read_file(
    path: &Path,
    columns: &[&str],
    null_values: &[String],
    push: &mut dyn FnMut(DataFrame) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let there = Table::column_names(path)?;
    let named: Vec<&str> = columns.iter().copied().filter(|c| there.iter().any(|t| t == c)).collect();
    if path.extension().is_some_and(|e| e == "parquet") {
        let batches = ParquetBatches::open(path)?.columns(named);
        // While one batch is rolled up the next is read.
        return std::thread::scope(|scope| {
            let (sender, receiver) = std::sync::mpsc::sync_channel(1);
            scope.spawn(move || {
                // An error here means that nobody wants more batches.
                { batches }.all(|frame| sender.send(frame).is_ok())
            });
            receiver.into_iter().try_for_each(|frame| push(frame?))
        });
    }
    let as_text = |name: &&str| ColumnPatch {
        name: (*name).to_owned(),
        kind: Some(Kind::Text),
        value_type: Some(ValueType::Text),
        role: None,
        nullable: Some(true),
        unit: None,
        domain: None,
    };
    let options = CsvOptions { columns: named.iter().map(as_text).collect(), null_values: null_values.to_vec() };
    push(Table::read(path, &options)?.select(named)?.into_parts().0)
}

/// The first gate: amounts add up, there are client-years, and what looks odd is told.
pub(super) fn check_extracted(extraction: Extraction, record: &mut Record) -> anyhow::Result<Admitted<ClientYears>> {
    let years = extraction.years;
    record.rows("extracted", usize::try_from(years.report.total().read)?);
    record.put(ResultKind::DataQualityChecks, "client_years.json", &years.report)?;
    let report = years.report.checks("claims_extracted");
    for odd in report.failures().filter(|r| r.severity == Severity::Warning) {
        record.notes.push(odd.to_string());
    }
    let meta = MetaSuite::new("checks of claims_extracted").with(NoErrors).with(ResultsConsistent);
    record.gate("extracted", ResultKind::DataQualityChecks, Checked::new(years, report), &meta)
}

/// The second gate: the client-years are as the suite expects.
pub(super) fn check_client_years(
    admitted: Admitted<ClientYears>,
    suites: &Suites,
    record: &mut Record,
) -> anyhow::Result<Admitted<Table>> {
    let (ClientYears { table, report }, _) = admitted.into_parts();
    record.steps = vec![StepReport {
        step: "client_years".to_owned(),
        rows_before: report.total().kept,
        rows_after: table.n_rows() as u64,
        ..StepReport::default()
    }];
    record.rows("transformed", table.n_rows());
    let checked = suites.transformed.check(table);
    quarantine(&suites.transformed, "transformed", &checked, record)?;
    record.gate("transformed", ResultKind::DataQualityChecks, checked, &MetaSuite::of_suite(&suites.transformed))
}
