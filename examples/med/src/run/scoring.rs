//! `med predict --config FILE --cutoff DATE`: clients of a feed, as of a day after which nothing is known yet.

use std::time::Instant;

use anyhow::Context;
use chrono::{NaiveDate, NaiveTime, Utc};
use med_etl::client_year::RollUp;
use med_schema::{Fingerprint, Input, RunId, Version};
use med_store::blocking::Lakehouse;
use med_store::{Artifact, ArtifactKind, LineageStep, ResultKind, StoreError};
use serde_json::json;

use super::{CODE, clients, lineage, promotion};
use crate::cli::{PredictArgs, RunArgs};
use crate::command::{lake, predict};
use crate::config::Config;
use crate::feed::{self, RolledUp};
use crate::output::{self, Outcome};
use crate::prepared::Prepared;
use crate::progress::Steps;

const STEPS: u64 = 3;

/// Makes the features of every client as of the cut-off, and predicts the cost of the year after it by the model in production, or by
/// that of a file.
pub(crate) fn run(args: &PredictArgs, cut_off: NaiveDate) -> anyhow::Result<Outcome> {
    let config = Config::load(&RunArgs {
        config: args.config.clone(),
        database_url: args.database_url.clone(),
        lake: args.lake.clone(),
        seed: None,
    })?;
    let claims = config.claims.as_ref().context("--cutoff is for feeds of transactions: there is no [claims]")?;
    let suites = clients::Suites::read(&config)?;
    let (model, registered) = match &args.model {
        Some(path) => (Prepared::load(path)?, None),
        None => {
            let lake = lake::open(&config.lake)?;
            let (model, version, bytes) = production(&lake, &config.registered_model)?;
            (model, Some((lake, version, bytes)))
        }
    };
    let began = Utc::now();
    let progress = Steps::new(STEPS);
    progress.begin("extract");
    let roll_up = RollUp::features_at(claims, cut_off)?;
    let RolledUp { years, fingerprint, tables } = feed::client_years(&config, claims, roll_up, &progress)?;
    progress.end();
    let table = years.table;
    model.features_in(&table)?;
    progress.begin("predict");
    let started = Instant::now();
    let predicted = model.predict(&table)?;
    let seconds = started.elapsed().as_secs_f64();
    let predictions = predict::with_intervals(&model, &table, &clients::keys(&table), predicted, args.interval)?;
    progress.end();
    drop(progress);

    let checked = suites.predictions.check(predictions);
    let reasons = config.gate.reasons(checked.report());
    reasons.iter().for_each(|reason| output::note(&reason.to_string()));
    checked.value().write(&args.out)?;
    let mut printed = json!({
        "rows": checked.value().n_rows(),
        "exposure": null,
        "seconds": seconds,
        "cut_off": cut_off,
        "model": registered.as_ref().map(|(_, version, _)| json!({ "name": config.registered_model, "version": version })),
    });
    if let (Some((lake, version, bytes)), true) = (&registered, reasons.is_empty()) {
        let id = RunId::derived_from([fingerprint, *bytes, Fingerprint::of(cut_off.to_string())]);
        lake.results().put_table(ResultKind::Predictions, &id, "predictions.parquet", checked.value())?;
        let source = |table: &Input| Artifact::new(ArtifactKind::Source, &table.name).fingerprint(table.fingerprint);
        let model = Artifact::new(ArtifactKind::Model, &config.registered_model).version(*version);
        let step = LineageStep::new(id.clone(), lineage::PREDICT, cut_off.and_time(NaiveTime::MIN).and_utc(), CODE)
            .inputs(std::iter::once(model).chain(tables.iter().map(source)))
            .outputs([Artifact::new(ArtifactKind::Predictions, id.as_str())])
            .done(began, Utc::now());
        lake.lineage().record(&step)?;
        printed["run_id"] = json!(id);
    }
    output::json(&printed)?;
    Ok(Outcome::of(reasons.is_empty()))
}

/// The model in production, its version, and the fingerprint of its file.
fn production(lake: &Lakehouse, name: &str) -> anyhow::Result<(Prepared, Version, Fingerprint)> {
    let registry = lake.registry();
    let found = match registry.production(name) {
        Err(StoreError::NotFound { .. }) => None,
        other => other?,
    };
    let version = found.with_context(|| {
        format!("no version of {name} is in production: `med run` or `med model promote` puts one there, --model FILE names another")
    })?;
    let fingerprint = Fingerprint::of(registry.load(&version)?);
    Ok((promotion::model_of(&registry, &version)?, version.version, fingerprint))
}
