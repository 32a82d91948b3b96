//! `med model`

use anyhow::bail;
use chrono::Utc;
use med_schema::{GatePolicy, Version};
use med_store::blocking::ModelRegistry;
use med_store::{Stage, StoreError, Transition};
use serde_json::{Value, json};

use super::lake::named;
use crate::cli::{AliasCommand, ModelArgs, ModelCommand};
use crate::output::{self, Outcome};
use crate::registered::PRODUCTION;

pub(crate) fn run(args: &ModelArgs) -> anyhow::Result<Outcome> {
    let registry = super::lake::open(&args.lake)?.registry();
    match &args.command {
        ModelCommand::Ls => {
            let models = registry.models()?;
            let listed = models.iter().map(|name| listing(&registry, name)).collect::<Result<Vec<_>, _>>()?;
            output::json(&json!({ "models": listed }))?;
        }
        ModelCommand::Show { name } => output::json(&registry.show(name)?)?,
        ModelCommand::Promote { name, version, stage } => {
            let stage: Stage = stage.parse()?;
            let version = Version(*version);
            let moved = match stage {
                // Whatever it is, it may be put away.
                Stage::Archived => registry.archive(name, version)?,
                _ => match registry.admit_stored(name, version, &GatePolicy::default()) {
                    Ok(admitted) => registry.transition(&admitted, stage)?,
                    Err(refused @ StoreError::NotAdmitted { .. }) => {
                        output::note(&refused.to_string());
                        output::json(&listing(&registry, name)?)?;
                        return Ok(Outcome::Failed);
                    }
                    Err(error) => return Err(error.into()),
                },
            };
            if matches!(moved, Transition::AlreadyThere) {
                output::note(&format!("{name} {version} is in {stage} already"));
            }
            output::json(&listing(&registry, name)?)?;
        }
        ModelCommand::Rollback { name } => {
            // Each call is a step of its own, and none is that of another one that saw the same.
            let (now, process) = (Utc::now().to_rfc3339(), std::process::id().to_string());
            registry.rollback(name, &named("rollback", [name, &now, &process]))?;
            output::json(&listing(&registry, name)?)?;
        }
        ModelCommand::History { name } => output::json(&history(&registry, name)?)?,
        ModelCommand::Alias { command } => {
            let name = alias(&registry, command)?;
            output::json(&json!({ "name": name, "aliases": registry.show(name)?.aliases }))?;
        }
    }
    Ok(Outcome::Passed)
}

/// Moves an alias, or takes it away; the model that it is of.
fn alias<'a>(registry: &ModelRegistry, command: &'a AliasCommand) -> anyhow::Result<&'a str> {
    let (name, alias, to) = match command {
        AliasCommand::Ls { name } => return Ok(name),
        AliasCommand::Set { name, alias, version } => (name, alias, Some(Version(*version))),
        AliasCommand::Remove { name, alias } => (name, alias, None),
    };
    let there = registry.show(name)?.aliases;
    if to.is_none() && !there.contains_key(alias) {
        bail!("{name} has no alias {alias:?}; there is {}", there.into_keys().collect::<Vec<_>>().join(", "));
    }
    // `name@3` and `name@production` mean something else already.
    if to.is_some() && (alias == PRODUCTION || alias.parse::<u64>().is_ok()) {
        bail!("expected an alias that is neither a number nor {PRODUCTION:?}, found {alias:?}");
    }
    let moves = registry.alias_log(name, alias)?.len().to_string();
    let to_text = to.map_or_else(String::new, |version| version.to_string());
    registry.set_alias(name, alias, to, &named("alias", [name, alias, &to_text, &moves]))?;
    Ok(name)
}

/// All that was done to a model: what moved from where to where, and by which verdict; the reports themselves are in `show`.
fn history(registry: &ModelRegistry, name: &str) -> anyhow::Result<Value> {
    let shown = registry.show(name)?;
    let stages: Vec<Value> = shown
        .log
        .iter()
        .map(|entry| {
            json!({
                "sequence": entry.sequence,
                "move": entry.kind,
                "version": entry.version,
                "from": entry.from,
                "to": entry.to,
                "archived": entry.archived,
                "admitted_by": entry.evidence.as_ref().map(|report| &report.name),
            })
        })
        .collect();
    let mut aliases = serde_json::Map::new();
    for alias in registry.alias_names(name)? {
        aliases.insert(alias.clone(), json!(registry.alias_log(name, &alias)?));
    }
    Ok(json!({ "name": name, "production": shown.production, "stages": stages, "aliases": aliases }))
}

/// A model's versions in short: stage, run and metrics.
fn listing(registry: &ModelRegistry, name: &str) -> Result<Value, StoreError> {
    let history = registry.show(name)?;
    let versions: Vec<Value> = history
        .versions
        .iter()
        .map(|staged| {
            json!({
                "version": staged.model.version,
                "stage": staged.stage,
                "run": staged.model.lineage.run,
                "metrics": staged.model.metrics,
            })
        })
        .collect();
    Ok(json!({ "name": name, "production": history.production, "aliases": history.aliases, "versions": versions }))
}
