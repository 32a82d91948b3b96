//! `med lake`

use std::path::Path;

use anyhow::{Context, bail};
use chrono::{DateTime, TimeDelta, Utc};
use med_schema::{Fingerprint, RunId, ValueType, Version};
use med_store::blocking::{FeatureGroup, Lakehouse};
use med_store::{Compaction, Forget, ResultKind, Vacuum, Value, open_lineage};
use serde_json::json;

use crate::cli::{LakeArgs, LakeCommand};
use crate::output::{self, Outcome};

pub(crate) fn run(args: &LakeArgs) -> anyhow::Result<Outcome> {
    let lake = open(&args.lake)?;
    match &args.command {
        LakeCommand::Ls => {
            let runs = lake.results().runs(ResultKind::Runs)?;
            output::json(&json!({ "feature_groups": lake.ls()?, "models": lake.registry().models()?, "runs": runs }))?;
        }
        LakeCommand::History { group } => {
            let history = lake.open_feature_group(group, None)?.history()?;
            output::json(&json!({ "feature_group": group, "versions": history }))?;
        }
        LakeCommand::Read { group, version, as_of, out } => {
            let group = lake.open_feature_group(group, None)?;
            let table = match as_of {
                Some(text) => {
                    let time = DateTime::parse_from_rfc3339(text).with_context(|| {
                        format!("--as-of: expected a time such as 2025-01-31T00:00:00Z, found {text:?}")
                    })?;
                    group.read_as_of(time.to_utc())?
                }
                None => group.read(version.map(Version))?,
            };
            let bytes = table.write(out)?;
            output::json(&json!({ "rows": table.n_rows(), "bytes": bytes }))?;
        }
        LakeCommand::Files { group } => {
            let files = lake.open_feature_group(group, None)?.table().files()?;
            output::json(&json!({ "feature_group": group, "files": files }))?;
        }
        LakeCommand::Compact { group, target_mib } => {
            let table = lake.open_feature_group(group, None)?.table();
            // The same state is compacted once.
            let run = named("compact", [group.as_str(), &table.version()?.to_string(), &target_mib.to_string()]);
            let before = table.files()?.len();
            let commit = table.compact(&run, Compaction { target_bytes: target_mib << 20 })?;
            let after = table.files()?.len();
            output::json(&json!({ "version": commit.version, "files_before": before, "files": after }))?;
        }
        LakeCommand::Forget { group, client, training_sets } => {
            let group = lake.open_feature_group(group, None)?;
            let value = key_value(&group, client)?;
            let run = named("forget", [&group.definition().id(), client, &group.table().version()?.to_string()]);
            let definition = group.definition();
            let asked = Forget {
                group: definition.name.clone(),
                version: Some(definition.version),
                client: vec![value],
                training_sets: *training_sets,
            };
            output::json(&lake.forget(&run, &asked)?)?;
        }
        LakeCommand::Vacuum { group, retain_days, dry_run } => {
            let table = lake.open_feature_group(group, None)?.table();
            let options = Vacuum { retain: TimeDelta::days(i64::from(*retain_days)), dry_run: *dry_run };
            output::json(&table.vacuum(Utc::now(), options)?)?;
        }
        LakeCommand::Lineage { run } => {
            let run = run.as_deref().map(str::parse::<RunId>).transpose()?;
            let steps = lake.lineage().steps(run.as_ref())?;
            output::json(&json!({ "events": open_lineage(&steps, &args.lake) }))?;
        }
    }
    Ok(Outcome::Passed)
}

/// A run id for a deed: what it does, and a digest of what it does it to.
fn named(deed: &str, parts: [&str; 3]) -> RunId {
    let derived = RunId::derived_from(std::iter::once(&deed).chain(&parts).map(Fingerprint::of));
    format!("{deed}-{}", derived.as_str().trim_start_matches("run-")).parse().unwrap_or(derived)
}

/// The client as a value of the group's one key column.
fn key_value(group: &FeatureGroup, client: &str) -> anyhow::Result<Value> {
    let definition = group.definition();
    let [key] = definition.primary_key.as_slice() else {
        bail!("{} is keyed by several columns ({})", definition.id(), definition.primary_key.join(", "));
    };
    match definition.schema.column(key)?.value_type {
        ValueType::Integer => {
            Ok(Value::from(client.parse::<i64>().with_context(|| format!("column {key} holds integers"))?))
        }
        ValueType::Text => Ok(Value::from(client)),
        other => bail!("column {key} is of type {other}; clients are named by integers and texts"),
    }
}

/// Opens a lake that is there: looking must not make one.
pub(crate) fn open(location: &str) -> anyhow::Result<Lakehouse> {
    if !location.contains("://") && !Path::new(location).is_dir() {
        bail!("there is no lake at {location}; `med run` makes one, `--lake` names another");
    }
    Ok(Lakehouse::open_with(location, environment())?)
}

/// What the environment says about object stores: credentials are taken from there and from nowhere else.
pub(crate) fn environment() -> impl Iterator<Item = (String, String)> {
    let of_a_store = |name: &str| ["AWS_", "AZURE_", "GOOGLE_"].iter().any(|prefix| name.starts_with(prefix));
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(move |(name, _)| of_a_store(name))
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
}
