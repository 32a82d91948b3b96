//! Which model is used from here on, and what it predicts.

use anyhow::Context;
use med_quality::MetaSuite;
use med_schema::{GatePolicy, Version};
use med_store::{ModelVersion, ResultKind, Stage, StoreError};
use serde::{Deserialize, Serialize};

use super::clients::{self, Suites};
use super::modelling::{Candidate, Parts};
use super::record::Record;
use crate::command::predict::predictions;
use crate::config::Config;
use crate::output;
use crate::prepared::Prepared;
use crate::registered;

/// The file in which a run notes its decision before it acts on it: killed and run again, it decides the same, whatever
/// became of the registry in between.
pub(super) const DECISION: &str = "decision.json";

/// Whether the model in production stays.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Decision {
    kept: Option<Version>,
}

/// Who predicts.
pub(super) enum Chosen {
    /// The best candidate of this run, by its place among them.
    Candidate(usize),
    /// The version that is in production already and does better on this run's held-back part.
    Production(Box<Prepared>),
}

/// The best candidate, unless the model in production does better on the same rows. A run keeps to what it once decided.
pub(super) fn choose(
    candidates: &[Candidate],
    parts: &Parts,
    config: &Config,
    record: &mut Record,
) -> anyhow::Result<Chosen> {
    let best = candidates
        .iter()
        .enumerate()
        .max_by(|(i, a), (j, b)| a.r2().total_cmp(&b.r2()).then(j.cmp(i)))
        .map(|(i, _)| i)
        .context("no model passed its checks")?;
    let registry = record.lake.registry();
    let kept = match record.decided()? {
        Some(Decision { kept }) => kept,
        None => {
            let rival = rival(parts, config, record)?;
            let better = rival.filter(|(_, _, r2)| *r2 > candidates[best].r2());
            let kept = better.map(|(version, _, _)| version);
            record.put(ResultKind::Runs, DECISION, &Decision { kept })?;
            kept
        }
    };
    record.kept = kept;
    let Some(kept) = kept else {
        return Ok(Chosen::Candidate(best));
    };
    let version = registry.version(&config.registered_model, kept)?;
    Ok(Chosen::Production(Box::new(registered::load(&registry, &version)?)))
}

/// The model in production and its R² on the held-back part, if the comparison is fair: a model that was trained on other clients may
/// have learnt from those held back here, and gives way to one that has not.
fn rival(parts: &Parts, config: &Config, record: &Record) -> anyhow::Result<Option<(Version, Prepared, f64)>> {
    let registry = record.lake.registry();
    let production = match registry.production(&config.registered_model) {
        Ok(production) => production,
        Err(StoreError::NotFound { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let fair = |p: &ModelVersion| p.lineage.run != record.id && p.lineage.inputs.contains(&parts.trained_on);
    let Some(production) = production.filter(fair) else { return Ok(None) };
    let model = registered::load(&registry, &production)?;
    match model.evaluate(&parts.test) {
        Ok(metrics) => {
            let r2 = metrics.r2.unwrap_or(f64::NEG_INFINITY);
            Ok(Some((production.version, model, r2)))
        }
        Err(error) => {
            output::note(&format!(
                "{} {} in production cannot predict these clients and is not compared: {error:#}",
                production.name, production.version
            ));
            Ok(None)
        }
    }
}

impl Chosen {
    fn model<'a>(&'a self, candidates: &'a [Candidate]) -> &'a Prepared {
        match self {
            Self::Candidate(best) => &candidates[*best].fitted.model,
            Self::Production(model) => model,
        }
    }
}

/// Predicts the held-back part, checks the predictions and writes them.
pub(super) fn predict(
    chosen: &Chosen,
    candidates: &[Candidate],
    parts: &Parts,
    suites: &Suites,
    record: &mut Record,
) -> anyhow::Result<()> {
    let (predicted, notes) = chosen.model(candidates).predict_noting(&parts.test)?;
    if let Chosen::Production(_) = chosen {
        // Those of this run's models stand there already.
        record.notes.extend(notes.warnings("the model in production: test part: "));
    }
    let table = predictions(&parts.test, &clients::keys(&parts.test), predicted)?;
    record.rows("predicted", table.n_rows());
    let checked = suites.predictions.check(table);
    let meta = MetaSuite::of_suite(&suites.predictions);
    let admitted = record.gate("predictions", ResultKind::DataQualityChecks, checked, &meta)?;
    record.results().put_table(ResultKind::Predictions, &record.id, "predictions.parquet", admitted.value())?;
    Ok(())
}

/// Registers every candidate, promotes the chosen one and archives the others. What this run has done before is not done
/// again, and not undone if somebody moved the models since.
pub(super) fn promote(
    candidates: &[Candidate],
    chosen: &Chosen,
    unjudged: bool,
    config: &Config,
    record: &mut Record,
) -> anyhow::Result<()> {
    let registry = record.lake.registry();
    let completed = record.completed_before()?;
    let mut versions: Vec<Version> = Vec::new();
    for candidate in candidates {
        versions.push(registry.register(&config.registered_model, &candidate.artifact)?.version);
    }
    let stage_of = |version: Version| -> anyhow::Result<Stage> {
        let staged = registry.versions(&config.registered_model)?;
        Ok(staged.iter().find(|s| s.model.version == version).map_or(Stage::None, |s| s.stage))
    };
    let best = match chosen {
        Chosen::Candidate(best) => Some(*best),
        Chosen::Production(_) => None,
    };
    // The others first: production changes in the last step, when all else is done.
    let order = (0..candidates.len()).filter(|i| Some(*i) != best).chain(best);
    for i in order {
        // Whom nobody could judge does not go into production.
        let promoted = if unjudged { Stage::Staging } else { Stage::Production };
        let (version, last) = (versions[i], if Some(i) == best { promoted } else { Stage::Archived });
        let name = &candidates[i].fitted.name;
        if !completed {
            let policy: &GatePolicy = &record.policy;
            let admitted = || registry.admit_stored(&config.registered_model, version, policy);
            if stage_of(version)? == Stage::None {
                registry.transition(&admitted()?, Stage::Staging)?;
            }
            match last {
                Stage::Production => drop(registry.transition(&admitted()?, last)?),
                Stage::Archived => drop(registry.archive(&config.registered_model, version)?),
                _ => {}
            }
        }
        if let Some(model) = record.models.iter_mut().find(|m| m.name == *name) {
            model.version = Some(version);
            model.stage = Some(last);
        }
    }
    record.promoted = best.filter(|_| !unjudged).map(|i| candidates[i].fitted.name.clone());
    Ok(())
}
