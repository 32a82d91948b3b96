//! The clients on their way from the database into the lake.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;

use anyhow::{Context, ensure};
use med_etl::transform::{ClientId, EventTime, FillMissing, Pipeline, SortBy, Transform};
use med_etl::{Extract, Extracted, Source};
use med_quality::{MetaSuite, Suite};
use med_schema::{
    Admitted, CheckResult, Checked, Fingerprint, FingerprintHasher, Input, Role, RunId, Schema, Severity, Table,
};
use med_store::blocking::FeatureGroup;
use med_store::{Commit, FeatureGroupDefinition, Outcome, ResultKind, StoreError};

use super::database;
use super::record::Record;
use super::restart::VersionGone;
use crate::config::{Config, ModelSuite};
use crate::gated;
use crate::progress::Steps;

/// The name and key of every client.
pub(super) const CLIENT_ID: &str = "client_id";
/// When the clients were as they are.
pub(super) const EVENT_TIME: &str = "event_time";

/// The suites of a run, read once.
#[derive(Debug)]
pub(super) struct Suites {
    pub(super) extracted: Suite,
    pub(super) transformed: Suite,
    pub(super) predictions: Suite,
    pub(super) models: ModelSuite,
}

impl Suites {
    pub(super) fn read(config: &Config) -> anyhow::Result<Self> {
        let suite = |text: String, name: &str| Suite::from_json(&text).with_context(|| format!("suite {name:?}"));
        Ok(Self {
            extracted: suite(config.suites.extracted()?, "extracted")?,
            transformed: suite(config.suites.transformed(config)?, "transformed")?,
            predictions: suite(config.suites.predictions(config)?, "predictions")?,
            models: config.suites.models(config.claims.is_some())?,
        })
    }

    pub(super) fn fingerprint(&self) -> anyhow::Result<Fingerprint> {
        let mut hasher = FingerprintHasher::new();
        for suite in [&self.extracted, &self.transformed, &self.predictions] {
            hasher.part(suite.to_json()?);
        }
        hasher.part(serde_json::to_vec(&self.models)?);
        Ok(hasher.finish())
    }
}

/// The rows of the database, and what names them.
#[derive(Debug)]
pub(super) struct Extraction {
    table: Table,
    pub(super) fingerprint: Fingerprint,
}

/// Reads the clients table. Without a database, an embedded one is made first.
pub(super) fn extract(config: &Config, progress: &Steps) -> anyhow::Result<Extraction> {
    let source = match &config.database_url {
        Some(url) => Source::parse(url)?,
        None => {
            ensure!(
                !config.lake.contains("://"),
                "the embedded database needs a lake in a folder, found {}; name a database with --database-url",
                config.lake
            );
            let folder = Path::new(&config.lake);
            std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
            let path = folder.join("clients.sqlite");
            database::fill(&path)?;
            Source::sqlite(path)
        }
    };
    let extract = Extract::table(&config.table).with_schema(med_etl::clients::clients_schema()?);
    let Extracted { table, report, .. } = source.connect()?.collect_with(&extract, |done| {
        progress.rows("extract", done.rows);
        ControlFlow::Continue(())
    })?;
    let fingerprint = match report.fingerprint {
        Some(fingerprint) => fingerprint,
        None => table.fingerprint()?,
    };
    // A database gives rows in whatever order; sums of floats, and so reports, would depend on it.
    let names: Vec<String> = table.schema().names().map(str::to_owned).collect();
    let table = SortBy::new(names)?.apply(table)?.table;
    Ok(Extraction { table, fingerprint })
}

/// What a run works on, by name.
pub(super) fn inputs(config: &Config, fingerprints: &[Fingerprint; 4]) -> Vec<Input> {
    let rows = match &config.claims {
        Some(claims) => {
            format!("tables {}", claims.columns().iter().map(|(table, _)| *table).collect::<Vec<_>>().join(", "))
        }
        None => format!("table {}", config.table),
    };
    let code = Input { name: "code".to_owned(), version: None, fingerprint: fingerprints[3] };
    let rows = Input { name: rows, version: None, fingerprint: fingerprints[0] };
    settings(fingerprints).into_iter().chain([code, rows]).collect()
}

/// The rules that a run works by, by name.
pub(super) fn settings(fingerprints: &[Fingerprint; 4]) -> Vec<Input> {
    let [_, suites, configuration, _] = *fingerprints;
    let named = [("suites", suites), ("configuration", configuration)];
    named.map(|(name, fingerprint)| Input { name: name.to_owned(), version: None, fingerprint }).to_vec()
}

/// The first gate: what came from the database is as expected.
pub(super) fn check_extracted(
    extraction: Extraction,
    suites: &Suites,
    record: &mut Record,
) -> anyhow::Result<Admitted<Table>> {
    record.rows("extracted", extraction.table.n_rows());
    let checked = suites.extracted.check(extraction.table);
    quarantine(&suites.extracted, "extracted", &checked, record)?;
    record.gate("extracted", ResultKind::DataQualityChecks, checked, &MetaSuite::of_suite(&suites.extracted))
}

/// Where a gate will stay closed, keeps the rows that are to blame, each with the rules that it broke.
pub(super) fn quarantine(suite: &Suite, phase: &str, checked: &Checked<Table>, record: &Record) -> anyhow::Result<()> {
    if record.policy.reasons(checked.report()).is_empty() {
        return Ok(());
    }
    let split = suite.split(checked.value(), Severity::Critical)?;
    if !split.rows.is_empty() {
        let rows = Table::infer(split.quarantine)?;
        record.results().put_table(ResultKind::Quarantine, &record.id, &format!("{phase}.parquet"), &rows)?;
    }
    Ok(())
}

/// Fills what is missing, gives every client an id and the batch its time, and puts the rows in order: the order in
/// which the database gave them decides nothing from here on.
pub(super) fn transform(
    extracted: Admitted<Table>,
    suites: &Suites,
    config: &Config,
    record: &mut Record,
) -> anyhow::Result<Admitted<Table>> {
    let (table, _) = extracted.into_parts();
    let pipeline = Pipeline::new()
        .with(FillMissing::new("insurance_type", "No Insurance"))
        .with(ClientId::new(CLIENT_ID))
        .with(EventTime::new(EVENT_TIME, config.event_time))
        .with(SortBy::new([CLIENT_ID])?);
    let (table, steps) = pipeline.apply(table)?;
    record.put(ResultKind::DataQualityChecks, "transforms.json", &steps)?;
    record.steps = steps;
    record.rows("transformed", table.n_rows());
    let checked = suites.transformed.check(table);
    quarantine(&suites.transformed, "transformed", &checked, record)?;
    record.gate("transformed", ResultKind::DataQualityChecks, checked, &MetaSuite::of_suite(&suites.transformed))
}

/// Puts the batch into the feature group and reads it back. What is trained on is what the lake holds of this batch, and
/// a check compares it with what was sent.
pub(super) fn load(
    batch: &Admitted<Table>,
    suites: &Suites,
    config: &Config,
    record: &mut Record,
) -> anyhow::Result<Admitted<Table>> {
    let group = group_gated_by(&suites.transformed, batch.value(), config, record)?;
    let commit = group.replace_batch(&record.id, batch)?;
    let (commit, stored) = match commit.outcome {
        Outcome::AlreadyDone => of_a_former_commit(&group, commit, batch.value(), || {
            let latest = group.table().version()?.to_string();
            let again = RunId::derived_from([Fingerprint::of(record.id.as_str()), Fingerprint::of(latest)]);
            Ok(group.replace_batch(&again, batch)?)
        })?,
        _ => (commit, group.read(Some(commit.version))?),
    };
    let stored = batch_of(&stored, batch.value())?;
    record.commit = Some(commit);
    record.rows("loaded", stored.n_rows());
    let same = stored.fingerprint()? == batch.value().fingerprint()?;
    let mut report = suites.transformed.report(&stored);
    report.name = "clients_loaded".to_owned();
    let checked = Checked::new(
        stored,
        report.with(
            CheckResult::judged("lake_holds_what_was_sent", same)
                .expected("the rows of this batch, bit for bit")
                .counts(batch.value().n_rows() as u64, 0),
        ),
    );
    let expected = suites.transformed.expectations().iter().map(|e| e.name().to_owned());
    let required: Vec<String> = expected.chain(["lake_holds_what_was_sent".to_owned()]).collect();
    record.gate(
        "loaded",
        ResultKind::DataQualityChecks,
        checked,
        &MetaSuite::standard("checks of clients_loaded", required),
    )
}

/// The feature group, which takes rows that this suite has admitted, and no others. Where it was made with another suite, or with none,
/// this one is attached from here on; versions before it keep the one they came by.
fn group_gated_by(suite: &Suite, batch: &Table, config: &Config, record: &Record) -> anyhow::Result<FeatureGroup> {
    let suite = suite.document()?;
    let (there, schema) = match record.lake.open_feature_group(&config.feature_group, Some(1)) {
        Ok(group) => (group.definition().suite.clone(), as_in(&group.definition().schema, batch.schema())?),
        Err(StoreError::NotFound { .. }) => (Some(suite.clone()), batch.schema().clone()),
        Err(error) => return Err(error.into()),
    };
    let group = record.lake.feature_group(FeatureGroupDefinition {
        name: config.feature_group.clone(),
        version: 1,
        primary_key: vec![CLIENT_ID.to_owned()],
        event_time: EVENT_TIME.to_owned(),
        partition_by: Vec::new(),
        suite: there,
        description: match config.claims {
            Some(_) => "Client-years: what was known of a client at a cut-off, and the cost after it.".to_owned(),
            None => "Clients with the cost of their year, one row a client and batch.".to_owned(),
        },
        schema,
    })?;
    gated::by(&suite, group, &record.lake)
}

/// The schema of a batch as its group has it: columns that the group lets be missing may be, and are where the batch has not got them.
fn as_in(group: &Schema, batch: &Schema) -> anyhow::Result<Schema> {
    let mut schema = batch.clone();
    for there in group.columns().iter().filter(|column| column.nullable) {
        let column = match batch.column(&there.name) {
            Ok(own) => own.clone().nullable(true),
            Err(_) => there.clone(),
        };
        schema = schema.with_column(column)?;
    }
    Ok(schema)
}

/// The version that holds the rows of a run which was in the table before, and all its rows. The database may have gone from these rows
/// to others and back: then the latest version has the others, and `again` brings these. Where the version of the run cannot be
/// read any more, the latest one will do if it holds the rows of the batch; if not, the run cannot go on under its name.
fn of_a_former_commit(
    group: &FeatureGroup,
    commit: Commit,
    batch: &Table,
    again: impl FnOnce() -> anyhow::Result<Commit>,
) -> anyhow::Result<(Commit, Table)> {
    let latest = group.table().version()?;
    let now = group.read(Some(latest))?;
    if latest == commit.version {
        return Ok((commit, now));
    }
    match group.read(Some(commit.version)) {
        Ok(then) => {
            // Rows that other programs brought beside these stay.
            let foreign = group.history()?.iter().filter(|v| v.version > commit.version).all(|v| v.is_foreign());
            let (before, after) =
                if foreign { (batch_of(&then, batch)?, batch_of(&now, batch)?) } else { (then.clone(), now) };
            if before.fingerprint()? == after.fingerprint()? {
                return Ok((commit, then));
            }
        }
        Err(StoreError::FileGone { .. }) if holds(&now, batch)? => {}
        Err(StoreError::FileGone { .. }) => {
            return Err(VersionGone { group: group.definition().id(), version: commit.version, latest }.into());
        }
        Err(error) => return Err(error.into()),
    }
    let commit = again()?;
    let stored = group.read(Some(commit.version))?;
    Ok((commit, stored))
}

/// Whether a version has the rows of this batch, and of its event times no others.
fn holds(stored: &Table, batch: &Table) -> anyhow::Result<bool> {
    let times: BTreeSet<Option<i64>> = event_times(batch)?.into_iter().collect();
    let rows = event_times(stored)?;
    let rows: Vec<usize> = (0..rows.len()).filter(|&row| times.contains(&rows[row])).collect();
    let rows = stored.take(&rows)?.select(batch.schema().names())?.with_schema(batch.schema().clone())?;
    Ok(rows.fingerprint()? == batch.fingerprint()?)
}

fn event_times(table: &Table) -> anyhow::Result<Vec<Option<i64>>> {
    Ok(table.frame().column(EVENT_TIME)?.datetime()?.physical().iter().collect())
}

/// The rows of the feature group that belong to this batch, in the batch's order of columns.
fn batch_of(stored: &Table, batch: &Table) -> anyhow::Result<Table> {
    let ids = batch.frame().column(CLIENT_ID)?.str()?;
    let own: BTreeSet<(&str, Option<i64>)> = ids.iter().flatten().zip(event_times(batch)?).collect();
    let stored_ids = stored.frame().column(CLIENT_ID)?.str()?;
    let rows: Vec<usize> = stored_ids
        .iter()
        .zip(event_times(stored)?)
        .enumerate()
        .filter(|(_, (id, at))| id.is_some_and(|id| own.contains(&(id, *at))))
        .map(|(row, _)| row)
        .collect();
    // They are in ascending order: as many as there are means all.
    let all = rows.len() == stored.n_rows();
    let rows = if all { stored.clone() } else { stored.take(&rows)? };
    let rows = rows.select(batch.schema().names())?;
    Ok(rows.with_schema(batch.schema().clone())?)
}

/// The columns that name a row of predictions.
pub(super) fn keys(table: &Table) -> Vec<&str> {
    let mut keys = table.names_with_role(Role::Key);
    keys.extend(table.names_with_role(Role::EventTime));
    keys
}
