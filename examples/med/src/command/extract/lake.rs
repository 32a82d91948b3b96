//! What is new in a table, into a feature group, with the watermark in the same commit.

use anyhow::{Context, ensure};
use chrono::{DateTime, Utc};
use med_etl::transform::{Cast, Transform};
use med_etl::{Connection, Extract, Extracted, ExtractionReport, Incremental};
use med_schema::{Fingerprint, RunId, Schema, Table, ValueType, Version};
use med_store::blocking::{FeatureGroup, Lakehouse};
use med_store::{
    Artifact, ArtifactKind, Batch, FeatureGroupDefinition, LineageStep, Outcome as Written, ResultKind, StoreError,
};
use polars::prelude::{DataType, TimeUnit};
use serde_json::json;

use super::gate::{Gate, Judged, read_suite};
use super::{Pace, unfit};
use crate::cli::{ExtractArgs, NullCursor};
use crate::command::lake::environment;
use crate::encryption;
use crate::gated;
use crate::output::{self, Outcome};
use crate::run::CODE;

pub(super) fn bring(
    args: &ExtractArgs,
    mut connection: Connection,
    extract: Extract,
    location: &str,
) -> anyhow::Result<Outcome> {
    let (Some(name), Some(cursor)) = (&args.group, &args.incremental) else {
        anyhow::bail!("--lake needs --group and --incremental")
    };
    ensure!(
        args.event_time.as_ref().unwrap_or(cursor) != cursor || !matches!(args.null_cursor, NullCursor::Include),
        "--null-cursor include brings rows without a value of {cursor:?}, which is their event time, too, and has to be there; \
         expected --event-time with another column"
    );
    let asked = args.suite.as_deref().map(read_suite).transpose()?;
    let keys = encryption::of_file(args.config.as_deref())?;
    let lake = encryption::unlock(Lakehouse::open_with(location, environment())?, keys.as_ref())?;
    let known = match lake.open_feature_group(name, None) {
        Ok(group) => Some(group),
        Err(StoreError::NotFound { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    if let Some(group) = &known {
        agrees(args, group)?;
    }
    // A row of a group has one event time, whoever brings it.
    let of_group = known.as_ref().map(|group| group.definition().event_time.as_str());
    let event_time = of_group.or(args.event_time.as_deref()).unwrap_or(cursor).to_owned();
    let event_time = event_time.as_str();
    let gate = Gate::new(
        &args.key,
        event_time,
        match (asked, &known) {
            (Some(asked), _) => Some(asked),
            (None, Some(group)) => gated::suite_of(group)?,
            (None, None) => None,
        },
    )?;
    let domain = domain(args);
    let base = known.as_ref().map(|group| group.table().version()).transpose()?;
    let source = connection.identity(&extract)?;
    let incremental = Incremental::new(cursor, &args.key)?.lag(args.lag).null_cursor(match args.null_cursor {
        NullCursor::Fail => med_etl::NullCursor::Fail,
        NullCursor::Include => med_etl::NullCursor::Include,
        NullCursor::Exclude => med_etl::NullCursor::Exclude,
    });
    let before = known
        .as_ref()
        .map(|group| watermark(group, &domain, &incremental, source.as_deref(), args))
        .transpose()?
        .flatten();
    let incremental = match before.as_ref().and_then(Incremental::watermark) {
        Some(watermark) => incremental.since(watermark.clone())?,
        None => incremental,
    };
    let mut extract = extract.incremental(incremental.clone());
    if let Some(group) = &known {
        extract = extract.with_schema(group.definition().schema.clone());
    }
    let (began, pace) = (Utc::now(), Pace::start());
    let Extracted { table, quarantined, report } = connection.collect_with(&extract, |done| pace.told(done))?;
    let took = pace.end(report.rows);
    let table = if known.is_some() { table } else { prepared(table, event_time)? };
    let read = match report.fingerprint {
        Some(fingerprint) => fingerprint,
        None => table.fingerprint()?,
    };
    let run = run_id(&report, read, &domain, source.as_deref().filter(|_| args.source.is_none()), base)?;
    let artifact = domain.clone();
    set_aside(args, &lake, &run, quarantined)?;
    let rows = table.n_rows();
    let nothing_new = known.is_some() && rows == 0;
    let mut summary = json!({
        "rows": rows,
        "seconds": took.as_secs_f64(),
        "group": known.as_ref().map_or_else(|| name.clone(), |group| group.definition().id()),
        "run": run,
        "incremental": before.is_some(),
    });
    unfit(&report, &mut summary);
    if report.null_cursors > 0 {
        summary["null_cursors"] = json!(report.null_cursors);
    }
    if !report.ignored.is_empty() {
        output::note(&left_out(name, &report.ignored));
        summary["ignored"] = json!(report.ignored);
    }
    let admitted = match gate.judge(table, nothing_new, &lake, &run)? {
        Judged::Admitted(admitted, verdicts) => {
            verdicts.tell(&mut summary);
            admitted
        }
        Judged::Rejected(verdicts) => {
            verdicts.tell(&mut summary);
            output::json(&summary)?;
            return Ok(Outcome::Failed);
        }
    };
    let suite = gate.suite().map(med_quality::Suite::document).transpose()?;
    let group = match known {
        Some(group) => group,
        None => lake.feature_group(FeatureGroupDefinition {
            name: name.clone(),
            version: 1,
            primary_key: args.key.clone(),
            event_time: event_time.to_owned(),
            partition_by: Vec::new(),
            suite: suite.clone(),
            description: format!("rows of {}", report.from),
            schema: admitted.value().schema().clone(),
        })?,
    };
    let group = match &suite {
        Some(suite) => gated::by(suite, group, &lake)?,
        None => group,
    };
    let mut batch = Batch::new(run.clone());
    if let Some(watermark) = report.watermark.clone() {
        let covered = incremental.since(watermark)?;
        let mut value = serde_json::to_value(covered)?;
        value[SOURCE] = json!(source);
        batch = batch.with_watermark(domain, value);
    }
    let commit = group.insert(batch, &admitted)?;
    if let (Some(at), true) = (latest(admitted.value(), event_time)?, commit.outcome != Written::Unchanged) {
        let source = Artifact::new(ArtifactKind::Source, &artifact).fingerprint(read);
        let group = Artifact::new(ArtifactKind::FeatureGroup, group.definition().id()).version(commit.version);
        let step = LineageStep::new(run.clone(), "extract", at, CODE).inputs([source]).outputs([group]);
        lake.lineage().record(&step.done(began, Utc::now()))?;
    }
    summary["group"] = json!(group.definition().id());
    summary["version"] = json!(commit.version);
    summary["inserted"] = json!(commit.inserted);
    summary["updated"] = json!(commit.updated);
    output::json(&summary)?;
    Ok(Outcome::Passed)
}

/// Refuses a key or an event time that is not the group's: what names a row was decided when the group was made.
fn agrees(args: &ExtractArgs, group: &FeatureGroup) -> anyhow::Result<()> {
    let definition = group.definition();
    if let Some(event_time) = &args.event_time {
        ensure!(
            *event_time == definition.event_time,
            "--event-time {event_time}: feature group {} has the event time {:?}, which stays what it is; leave the option out, or bring \
             the rows into another group",
            definition.id(),
            definition.event_time
        );
    }
    let sorted = |key: &[String]| {
        let mut key: Vec<String> = key.iter().filter(|name| **name != definition.event_time).cloned().collect();
        key.sort_unstable();
        key
    };
    ensure!(
        sorted(&args.key) == sorted(&definition.primary_key),
        "--key {}: feature group {} has the key {}, which stays what it is; name that, or bring the rows into another group",
        args.key.join(","),
        definition.id(),
        definition.primary_key.join(",")
    );
    Ok(())
}

/// What to do about columns that only the source has.
fn left_out(group: &str, columns: &[String]) -> String {
    let quoted: Vec<String> = columns.iter().map(|name| format!("{name:?}")).collect();
    let add: Vec<String> = columns.iter().map(|name| format!("--add {name}:TYPE")).collect();
    format!(
        "columns of the source that the feature group does not have were left out: {}; from the next rows on they come along after \
         `med lake evolve {group} {}` (TYPE: boolean, integer, float, text, date or timestamp)",
        quoted.join(", "),
        add.join(" ")
    )
}

/// What the watermark is of: the table by its name, a query by its digest, since its text may be personal. Where the source has a name of
/// its own, it belongs to it.
fn domain(args: &ExtractArgs) -> String {
    let of = match (&args.table, &args.query) {
        (Some(table), _) => format!("table {table}"),
        (None, query) => {
            format!("query {}", Fingerprint::of(query.as_deref().unwrap_or_default().as_bytes()))
        }
    };
    match &args.source {
        Some(source) => format!("source {source} {of}"),
        None => of,
    }
}

/// Where the watermark says which database it is of.
const SOURCE: &str = "source";

/// How far the group's source was read the last time, by the same columns.
fn watermark(
    group: &FeatureGroup,
    domain: &str,
    now: &Incremental,
    source: Option<&str>,
    args: &ExtractArgs,
) -> anyhow::Result<Option<Incremental>> {
    let Some(mut value) = group.table().watermark(domain, None)? else { return Ok(None) };
    let of = value.as_object_mut().and_then(|value| value.remove(SOURCE));
    let of = of.as_ref().and_then(|of| of.as_str());
    // Whoever names the source says that it is the same one, wherever it lies.
    if args.source.is_none() && of != source {
        match of {
            Some(of) => anyhow::bail!(
                "the lake's watermark is of the database {of}, and this is {}: rows before the watermark would never be read; give each \
                 database a name of its own by --source NAME (under a new name all rows are read once more), or use another group",
                source.unwrap_or("another")
            ),
            None => output::note(
                "the lake's watermark is of a med that did not yet say which database it is of; it is taken for this one from now on",
            ),
        }
    }
    let before: Incremental = serde_json::from_value(value).context("the lake's watermark")?;
    ensure!(
        before.cursor() == now.cursor() && before.key() == now.key(),
        "the lake's watermark is by column {:?} and key {:?}, not by {:?} and {:?}; use the same, or another group",
        before.cursor(),
        before.key(),
        now.cursor(),
        now.key()
    );
    Ok(Some(before))
}

/// The first table of a group decides its schema: the event time is a moment, and any column may be null in a later batch, but for
/// what the gate says.
fn prepared(table: Table, event_time: &str) -> anyhow::Result<Table> {
    let table = match table.schema().column(event_time)?.value_type {
        ValueType::Text => Cast::new(event_time, ValueType::Timestamp).apply(table)?.table,
        _ => table,
    };
    let columns = table.schema().columns().iter().map(|column| {
        let mut column = column.clone().nullable(true);
        column.domain = None;
        column
    });
    let schema = Schema::new(columns.collect())?;
    Ok(table.with_schema(schema)?)
}

/// The same rows, read up to the same watermark for the same version of the group, are the same run: two that are at it at once bring them
/// once. For another version they are another run, since a row that went from one value to another and back has to follow.
fn run_id(
    report: &ExtractionReport,
    rows: Fingerprint,
    domain: &str,
    source: Option<&str>,
    base: Option<Version>,
) -> anyhow::Result<RunId> {
    let up_to = serde_json::to_vec(&(&report.watermark, base))?;
    let source = format!("{domain}\n{}", source.unwrap_or_default());
    Ok(RunId::derived_from([rows, Fingerprint::of(&up_to), Fingerprint::of(source.as_bytes())]))
}

/// The time of the last row: that of the batch. `None` when there is no row.
fn latest(rows: &Table, event_time: &str) -> anyhow::Result<Option<DateTime<Utc>>> {
    let times = rows.frame().column(event_time)?.cast(&DataType::Datetime(TimeUnit::Microseconds, None))?;
    let latest = times.datetime()?.physical().iter().flatten().max();
    Ok(latest.and_then(DateTime::from_timestamp_micros))
}

fn set_aside(
    args: &ExtractArgs,
    lake: &Lakehouse,
    run: &RunId,
    rows: Option<polars::prelude::DataFrame>,
) -> anyhow::Result<()> {
    let Some(rows) = rows else { return Ok(()) };
    let rows = Table::infer(rows)?;
    match &args.quarantine {
        Some(path) => {
            rows.write(path)?;
        }
        None => {
            lake.results().put_table(ResultKind::Quarantine, run, "extracted.parquet", &rows)?;
        }
    }
    Ok(())
}
