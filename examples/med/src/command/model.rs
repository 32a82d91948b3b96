//! `med model`

use med_schema::{GatePolicy, Version};
use med_store::blocking::ModelRegistry;
use med_store::{Stage, StoreError, Transition};
use serde_json::{Value, json};

use crate::cli::{ModelArgs, ModelCommand};
use crate::output::{self, Outcome};

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
            registry.rollback(name)?;
            output::json(&listing(&registry, name)?)?;
        }
    }
    Ok(Outcome::Passed)
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
    Ok(json!({ "name": name, "production": history.production, "versions": versions }))
}
