//! `med lake`

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, bail, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use med_schema::{Column, Fingerprint, Kind, RunId, Schema, ValueType, Version};
use med_store::blocking::{FeatureGroup, Lakehouse};
use med_store::{ArtifactKind, Compaction, Forget, LineageStep, ResultKind, StoreError, Vacuum, Value, open_lineage};
use serde_json::json;

use crate::cli::{LakeArgs, LakeCommand};
use crate::config::Config;
use crate::encryption;
use crate::feed;
use crate::output::{self, Outcome};

pub(crate) fn run(args: &LakeArgs) -> anyhow::Result<Outcome> {
    let lake = encryption::unlock(open(&args.lake)?, encryption::of_file(args.config.as_deref())?.as_ref())?;
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
            let live = lake.open_feature_group(group, None)?.table().live_files()?;
            let files: Vec<&str> = live.iter().map(|file| file.path.as_str()).collect();
            let mut listing = json!({ "feature_group": group, "files": files });
            let deleted: BTreeMap<&str, u64> =
                live.iter().filter_map(|file| Some((file.path.as_str(), file.deleted_rows?))).collect();
            if !deleted.is_empty() {
                output::note(&format!(
                    "{} of {} files hold rows that are deleted by a deletion vector, {} in all (deleted_rows): a reader without Delta \
                     would show them; `med lake read` leaves them out",
                    deleted.len(),
                    live.len(),
                    deleted.values().sum::<u64>()
                ));
                listing["deleted_rows"] = json!(deleted);
            }
            output::json(&listing)?;
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
        LakeCommand::Evolve { group, add, widen, nullable } => {
            let group = lake.open_feature_group(group, None)?;
            let asked = add.len() + widen.len() + nullable.len();
            let schema =
                match (args.config.as_deref().filter(|_| asked == 0).map(columns_of_run).transpose()?).flatten() {
                    Some(made) => with_made(&group.definition().schema, &made)?,
                    None => evolved(&group.definition().schema, add, widen, nullable)?,
                };
            let now = group.table().version()?.to_string();
            let wanted = serde_json::to_string(&schema)?;
            let run = named("evolve", [&group.definition().id(), wanted.as_str(), now.as_str()]);
            let group = group.evolve(&run, &schema)?;
            let version = group.table().version()?;
            output::json(&json!({ "version": version, "columns": group.definition().schema.columns() }))?;
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
            let events = open_lineage(&steps, &med_store::Lakehouse::address_of(&args.lake)?);
            output::json(&json!({ "events": events, "vacuumed": vacuumed(&lake, &steps)? }))?;
        }
    }
    Ok(Outcome::Passed)
}

/// The versions of feature groups among these steps that can no longer be read.
fn vacuumed(lake: &Lakehouse, steps: &[LineageStep]) -> anyhow::Result<Vec<serde_json::Value>> {
    let mut named: BTreeMap<&str, BTreeSet<Version>> = BTreeMap::new();
    for artifact in steps.iter().flat_map(|step| step.inputs.iter().chain(&step.outputs)) {
        if let (ArtifactKind::FeatureGroup, Some(version)) = (artifact.kind, artifact.version) {
            named.entry(&artifact.name).or_default().insert(version);
        }
    }
    let mut gone = Vec::new();
    for (id, versions) in named {
        // The name of a group ends in the version of its schema.
        let Some((name, version)) = id.rsplit_once("_v") else { continue };
        let versions: Vec<Version> = versions.into_iter().collect();
        let versions = match lake.open_feature_group(name, version.parse().ok()) {
            Ok(group) => group.table().gone(&versions)?,
            // Somebody took the whole group away.
            Err(StoreError::NotFound { .. }) => versions,
            Err(error) => return Err(error.into()),
        };
        gone.extend(versions.iter().map(|v| json!({ "feature_group": id, "version": v })));
    }
    Ok(gone)
}

/// A run id for a deed: what it does, and a digest of what it does it to.
pub(super) fn named<const N: usize>(deed: &str, parts: [&str; N]) -> RunId {
    let derived = RunId::derived_from(std::iter::once(&deed).chain(&parts).map(Fingerprint::of));
    format!("{deed}-{}", derived.as_str().trim_start_matches("run-")).parse().unwrap_or(derived)
}

/// The schema with these columns more, wider or nullable.
fn evolved(schema: &Schema, add: &[String], widen: &[String], nullable: &[String]) -> anyhow::Result<Schema> {
    ensure!(
        add.len() + widen.len() + nullable.len() > 0,
        "nothing to change: expected --add, --widen, --nullable, or --config with a section [claims]"
    );
    let mut schema = schema.clone();
    for text in add {
        let (name, value_type, kind) = column(text)?;
        ensure!(!schema.contains(name), "--add {text}: there is a column {name:?} already");
        let kind = kind.unwrap_or(match value_type {
            ValueType::Boolean => Kind::Binary,
            ValueType::Integer => Kind::Count,
            ValueType::Float => Kind::Continuous,
            ValueType::Text => Kind::Nominal,
            ValueType::Date => Kind::Date,
            ValueType::Timestamp => Kind::Timestamp,
        });
        schema = schema.with_column(Column::new(name, kind, value_type).nullable(true))?;
    }
    for text in widen {
        let (name, value_type, kind) = column(text)?;
        let before = schema.column(name)?;
        let follows = if value_type == ValueType::Timestamp { Kind::Timestamp } else { before.kind };
        let wider = Column { value_type, kind: kind.unwrap_or(follows), ..before.clone() };
        schema = schema.with_column(wider)?;
    }
    for name in nullable {
        let column = schema.column(name)?.clone().nullable(true);
        schema = schema.with_column(column)?;
    }
    Ok(schema)
}

/// The columns that a run with this configuration makes of a feed; nothing if it takes none.
fn columns_of_run(path: &Path) -> anyhow::Result<Option<Schema>> {
    let config = Config::read(path)?;
    config.claims.as_ref().map(feed::columns_made).transpose()
}

/// The schema with the columns that a run makes and it has not, and with the units and domains that it does not say.
fn with_made(schema: &Schema, made: &Schema) -> anyhow::Result<Schema> {
    let mut evolved = schema.clone();
    for column in made.columns() {
        let column = match schema.column(&column.name) {
            Ok(there) => Column {
                unit: there.unit.clone().or_else(|| column.unit.clone()),
                domain: there.domain.clone().or_else(|| column.domain.clone()),
                ..there.clone()
            },
            Err(_) => column.clone().nullable(true),
        };
        evolved = evolved.with_column(column)?;
    }
    Ok(evolved)
}

/// A column as it is written on the command line.
fn column(text: &str) -> anyhow::Result<(&str, ValueType, Option<Kind>)> {
    let mut parts = text.split(':');
    let (Some(name), Some(value_type), kind, None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        bail!("expected NAME:TYPE or NAME:TYPE:KIND, found {text:?}");
    };
    let value_type = serde_json::from_value(value_type.into()).with_context(|| format!("type of {text:?}"))?;
    let kind = kind.map(|kind| serde_json::from_value(kind.into())).transpose();
    Ok((name, value_type, kind.with_context(|| format!("kind of {text:?}"))?))
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
