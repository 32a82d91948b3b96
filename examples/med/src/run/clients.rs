//! The clients on their way from the database into the lake.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;

use anyhow::{Context, ensure};
use med_etl::transform::{ClientId, EventTime, FillMissing, Pipeline, SortBy, Transform};
use med_etl::{Extract, Extracted, Source};
use med_quality::{MetaSuite, Suite};
use med_schema::{Admitted, CheckResult, Checked, Fingerprint, FingerprintHasher, Input, Role, RunId, Severity, Table};
use med_store::{FeatureGroupDefinition, Outcome, ResultKind};

use super::database;
use super::record::Record;
use crate::config::{Config, ModelSuite};
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
            transformed: suite(config.suites.transformed(config.claims.is_some())?, "transformed")?,
            predictions: suite(config.suites.predictions(config.claims.is_some())?, "predictions")?,
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
    ["suites", "configuration", "code"]
        .into_iter()
        .map(str::to_owned)
        .zip(&fingerprints[1..])
        .chain([(rows, &fingerprints[0])])
        .map(|(name, &fingerprint)| Input { name, version: None, fingerprint })
        .collect()
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
    let group = record.lake.feature_group(FeatureGroupDefinition {
        name: config.feature_group.clone(),
        version: 1,
        primary_key: vec![CLIENT_ID.to_owned()],
        event_time: EVENT_TIME.to_owned(),
        partition_by: Vec::new(),
        suite: None,
        description: match config.claims {
            Some(_) => "Client-years: what was known of a client at a cut-off, and the cost after it.".to_owned(),
            None => "Clients with the cost of their year, one row a client and batch.".to_owned(),
        },
        schema: batch.value().schema().clone(),
    })?;
    let mut commit = group.replace_batch(&record.id, batch)?;
    let loaded = group.read(Some(commit.version)).with_context(|| {
        format!(
            "these rows were loaded before, as version {} of {}; if a vacuum took its files since, the run cannot be made again: \
             another seed makes another run, and so does a source without the clients who were forgotten",
            commit.version, config.feature_group
        )
    })?;
    let mut stored = batch_of(&loaded, batch.value())?;
    if commit.outcome == Outcome::AlreadyDone {
        // The database may have gone from these rows to others and back: then the latest version has the others. Rows that other
        // programs brought beside these stay.
        let latest = group.table().version()?;
        let now = group.read(Some(latest))?;
        let foreign = group.history()?.iter().filter(|v| v.version > commit.version).all(|v| v.is_foreign());
        let as_before = if foreign {
            batch_of(&now, batch.value())?.fingerprint()? == stored.fingerprint()?
        } else {
            now.fingerprint()? == group.read(Some(commit.version))?.fingerprint()?
        };
        if !as_before {
            let again = RunId::derived_from([Fingerprint::of(record.id.as_str()), Fingerprint::of(latest.to_string())]);
            commit = group.replace_batch(&again, batch)?;
            stored = batch_of(&group.read(Some(commit.version))?, batch.value())?;
        }
    }
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

/// The rows of the feature group that belong to this batch, in the batch's order of columns.
fn batch_of(stored: &Table, batch: &Table) -> anyhow::Result<Table> {
    let times = |t: &Table| -> anyhow::Result<Vec<Option<i64>>> {
        Ok(t.frame().column(EVENT_TIME)?.datetime()?.physical().iter().collect())
    };
    let ids = batch.frame().column(CLIENT_ID)?.str()?;
    let own: BTreeSet<(&str, Option<i64>)> = ids.iter().flatten().zip(times(batch)?).collect();
    let stored_ids = stored.frame().column(CLIENT_ID)?.str()?;
    let rows: Vec<usize> = stored_ids
        .iter()
        .zip(times(stored)?)
        .enumerate()
        .filter(|(_, (id, at))| id.is_some_and(|id| own.contains(&(id, *at))))
        .map(|(row, _)| row)
        .collect();
    let rows = stored.take(&rows)?.select(batch.schema().names())?;
    Ok(rows.with_schema(batch.schema().clone())?)
}

/// The columns that name a row of predictions.
pub(super) fn keys(table: &Table) -> Vec<&str> {
    let mut keys = table.names_with_role(Role::Key);
    keys.extend(table.names_with_role(Role::EventTime));
    keys
}
