//! The training set of a run, frozen in the lake: what models are trained and judged on is what it holds.

use anyhow::Context;
use med_schema::{Input, Schema, Table};
use med_store::{Artifact, ArtifactKind, FeatureViewDefinition, GroupColumns, GroupVersions};
use serde_json::Value;

use super::record::{FrozenSet, Record};
use crate::config::Config;

/// Freezes both parts, given by the keys of their rows, with the version of the group they were read from and the rule by which they
/// were split, and reads them back with these columns. Run again it is the set of the first time.
pub(super) fn freeze(
    keys: (&Table, &Table),
    schema: &Schema,
    rule: Value,
    config: &Config,
    record: &mut Record,
) -> anyhow::Result<(Table, Table)> {
    let commit = record.commit.as_ref().context("nothing was loaded to train on")?;
    let view = record.lake.feature_view(FeatureViewDefinition {
        name: config.feature_group.clone(),
        version: 1,
        description: format!("What models of {} are trained on.", config.registered_model),
        points: GroupColumns { group: config.feature_group.clone(), version: 1, columns: Vec::new() },
        joins: Vec::new(),
    })?;
    let versions = GroupVersions::from([(record.feature_group.clone(), commit.version)]);
    let set = view.training_set_of(&record.id, &versions, rule, keys)?;
    let manifest = set.manifest();
    let artifact = Artifact::new(ArtifactKind::TrainingSet, record.feature_group.as_str());
    let artifact = artifact.version(med_schema::Version(manifest.number)).fingerprint(manifest.digest);
    let made_of = manifest.versions.get(&record.feature_group).copied().unwrap_or(commit.version);
    record.training_set = Some(FrozenSet { artifact, made_of });
    let part = |name: &str| -> anyhow::Result<Table> {
        let rows = set.read(name)?.select(schema.names())?;
        Ok(rows.with_schema(schema.clone())?)
    };
    Ok((part("train")?, part("test")?))
}

/// The set as an input of a model.
pub(super) fn input(set: &FrozenSet) -> Option<Input> {
    let set = &set.artifact;
    Some(Input { name: format!("training set {}", set.name), version: set.version, fingerprint: set.fingerprint? })
}
