//! `med predict --config FILE --cutoff DATE`: clients of a feed, as of a day after which nothing is known yet.

use std::time::Instant;

use anyhow::Context;
use chrono::{NaiveDate, NaiveTime, Utc};
use med_etl::client_year::RollUp;
use med_schema::{Fingerprint, Input, RunId};
use med_store::{Artifact, ArtifactKind, LineageStep, ResultKind};
use serde_json::json;

use super::{CODE, clients, lineage};
use crate::cli::{PredictArgs, RunArgs};
use crate::command::{lake, predict};
use crate::config::Config;
use crate::encryption;
use crate::feed::{self, RolledUp};
use crate::output::{self, Outcome};
use crate::progress::Steps;
use crate::registered;

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
    let (model, version) = match &args.model {
        Some(model) => registered::find(model, &config.lake)?,
        None => {
            let (model, version) = registered::production(&lake::open(&config.lake)?, &config.registered_model)?;
            (model, Some(version))
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
    let (predicted, notes) = model.predict_noting(&table)?;
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
        "model": version.as_ref().map(|model| json!({ "name": model.name, "version": model.version })),
    });
    if let Some(printed) = printed.as_object_mut() {
        notes.tell(printed);
    }
    if let (Some(version), true) = (&version, reasons.is_empty()) {
        let id = RunId::derived_from([fingerprint, version.fingerprint, Fingerprint::of(cut_off.to_string())]);
        let lake = encryption::unlock(lake::open(&config.lake)?, config.encryption.as_ref())?;
        lake.results().put_table(ResultKind::Predictions, &id, "predictions.parquet", checked.value())?;
        let source = |table: &Input| Artifact::new(ArtifactKind::Source, &table.name).fingerprint(table.fingerprint);
        let model = Artifact::new(ArtifactKind::Model, &version.name).version(version.version);
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
