//! Forgetting a client in all of a lake: erasing what can be erased, and saying what still holds the client.
//!
//! A client is named by values of a feature group's primary key. Rows with this key are taken from the group, from predictions and
//! from quarantine; on demand, frozen training sets that hold them lose their files. Then every object of the lake is looked through
//! once: tables by their key columns, everything else for the text of the key. What is found is listed, so that after the vacuum no
//! object holds the client but those that are named here. The cost is that of reading the lake.
//!
//! Nothing of this names the client in what is written. Done again it finds less, and a deed that was killed is completed by doing it
//! again.

mod client;
mod sweep;

use std::collections::BTreeSet;
use std::sync::Arc;

use med_schema::{Fingerprint, RunId, Table, Version};
use serde::Serialize;

use client::Client;

use crate::delta::DeltaEngine;
use crate::filter::{Value, rows_where};
use crate::training_set::Frozen;
use crate::{
    ArtifactKind, FeatureGroup, LineageLog, ModelRegistry, Result, ResultFolder, ResultKind, StoreError, object,
    parquet,
};

/// Who is to be forgotten, and how far.
///
/// | field | meaning |
/// | --- | --- |
/// | `group`, `version` | the feature group whose primary key names the client; without a version the latest |
/// | `client` | one value for each column of the primary key |
/// | `training_sets` | whether frozen training sets that hold the client lose their files, and can be neither read nor made again |
#[derive(Debug, Clone, PartialEq)]
pub struct Forget {
    /// The feature group.
    pub group: String,
    /// Version of its schema.
    pub version: Option<u32>,
    /// The client.
    pub client: Vec<Value>,
    /// Erase frozen training sets too.
    pub training_sets: bool,
}

/// What kind of thing holds, or held, a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PlaceKind {
    /// The live rows of the group.
    FeatureGroup,
    /// A file that former versions of the group need.
    FormerVersion,
    /// A file of another group or table.
    OtherTable,
    /// Batch predictions.
    Predictions,
    /// Rows that a gate turned back.
    Quarantine,
    /// A part of a frozen training set.
    TrainingSet,
    /// A model that was fitted on such a set, or on the group.
    Model,
    /// The last key that was read of a source.
    Watermark,
    /// An entry or checkpoint of a table's log, by the bounds of a file or the name of one.
    Log,
    /// Anything else.
    Other,
}

/// A thing that holds the client, or held it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// What it is.
    pub place: PlaceKind,
    /// Its path in the lake; of a model its name and version.
    pub object: String,
    /// Rows of the client, where it has rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Whether they are gone.
    pub erased: bool,
    /// What becomes of it, where it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<&'static str>,
}

impl Place {
    fn erased(place: PlaceKind, object: String, rows: u64) -> Self {
        Self { place, object, rows: Some(rows), erased: true, note: None }
    }

    fn left(place: PlaceKind, object: String, rows: Option<u64>, note: &'static str) -> Self {
        Self { place, object, rows, erased: false, note: Some(note) }
    }
}

/// What forgetting came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Forgotten {
    /// The version of the group without the client.
    pub version: Version,
    /// Rows taken from the group.
    pub removed: u64,
    /// Everything that holds the client, or held it, by kind and path.
    pub places: Vec<Place>,
}

const SET: &str = "frozen rows; erase them with the option for training sets";
const MODEL: &str = "fitted on rows of the client, and not changed";

pub(crate) async fn forget(engine: &Arc<DeltaEngine>, run: &RunId, asked: &Forget) -> Result<Forgotten> {
    let group = FeatureGroup::open(Arc::clone(engine), &asked.group, asked.version).await?;
    let id = group.definition().id();
    let commit = group.forget(run, std::slice::from_ref(&asked.client)).await?;
    let client = Client::new(&group.definition().primary_key, &asked.client);
    let mut places = Vec::new();
    if commit.removed > 0 {
        places.push(Place::erased(PlaceKind::FeatureGroup, id.clone(), commit.removed));
    }
    places.extend(results(engine, run, &client).await?);
    let (sets, digests) = training_sets(engine, run, &client, asked.training_sets).await?;
    places.extend(models(engine, &id, &digests).await?);
    places.extend(sets);
    places.extend(sweep::sweep(engine, &id, &client).await?);
    places.sort();
    places.dedup_by(|later, first| (later.place, &later.object) == (first.place, &first.object));
    Ok(Forgotten { version: commit.version, removed: commit.removed, places })
}

/// Erases the client's rows in tables that runs left behind.
async fn results(engine: &DeltaEngine, run: &RunId, client: &Client) -> Result<Vec<Place>> {
    let folder = ResultFolder::with_keys(Arc::clone(engine.store()), engine.keys().clone());
    let mut places = Vec::new();
    for (kind, place) in
        [(ResultKind::Predictions, PlaceKind::Predictions), (ResultKind::Quarantine, PlaceKind::Quarantine)]
    {
        for of in folder.runs(kind).await? {
            for name in folder.names(kind, &of).await?.iter().filter(|name| name.ends_with(".parquet")) {
                let keep = |table: &Table| -> Result<Option<Table>> {
                    let Some(hits) = client.rows(table.frame())?.filter(|hits| hits.contains(&true)) else {
                        return Ok(None);
                    };
                    let kept = rows_where(table.frame(), &hits, false)?;
                    let what = format!("{kind}/{of}/{name}");
                    let kept = Table::parse(kept, table.schema().clone());
                    kept.map(Some).map_err(|e| StoreError::Table { table: what, source: Box::new(e) })
                };
                let erased = folder.erase(kind, &of, name, run, keep).await?;
                if erased > 0 {
                    places.push(Place::erased(place, format!("{kind}/{of}/{name}"), erased));
                }
            }
        }
    }
    Ok(places)
}

/// Frozen parts that hold the client, and the digests of the sets that hold them.
async fn training_sets(
    engine: &DeltaEngine,
    run: &RunId,
    client: &Client,
    erase: bool,
) -> Result<(Vec<Place>, BTreeSet<Fingerprint>)> {
    let (mut places, mut digests, mut free) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    let mut holding: Vec<(Frozen, u64)> = Vec::new();
    for manifest in Frozen::manifests(engine).await? {
        for part in &manifest.parts {
            let frozen = Frozen::of(&manifest, part);
            if free.contains(&frozen.path) {
                continue;
            }
            if !holding.iter().any(|(other, _)| other.path == frozen.path) {
                let found = match object::get_verified(&**engine.store(), &frozen.path, part.fingerprint).await? {
                    Some(bytes) => parquet::read_table(&frozen.path, bytes, engine.keys())?,
                    None => continue,
                };
                let hits = client.rows(found.frame())?.unwrap_or_default();
                let rows = hits.iter().filter(|hit| **hit).count() as u64;
                if rows == 0 {
                    free.insert(frozen.path);
                    continue;
                }
                holding.push((frozen, rows));
            }
            digests.insert(manifest.digest);
        }
    }
    for (frozen, rows) in holding {
        let object = frozen.path.to_string();
        if erase {
            frozen.erase(engine, run).await?;
            places.push(Place::erased(PlaceKind::TrainingSet, object, rows));
        } else {
            places.push(Place::left(PlaceKind::TrainingSet, object, Some(rows), SET));
        }
    }
    Ok((places, digests))
}

/// Models that were made from these sets, or from the group itself, by lineage.
async fn models(engine: &DeltaEngine, group: &str, sets: &BTreeSet<Fingerprint>) -> Result<Vec<Place>> {
    let mut found = BTreeSet::new();
    for step in LineageLog::new(Arc::clone(engine.store())).steps(None).await? {
        let holds = step.inputs.iter().any(|input| match input.kind {
            ArtifactKind::TrainingSet => input.fingerprint.is_some_and(|digest| sets.contains(&digest)),
            ArtifactKind::FeatureGroup => input.name == group,
            _ => false,
        });
        if holds {
            let models = step.outputs.iter().filter(|output| output.kind == ArtifactKind::Model);
            found.extend(models.map(|model| (model.name.clone(), model.version)));
        }
    }
    let registry = ModelRegistry::new(Arc::clone(engine.store()));
    for name in registry.models().await? {
        for staged in registry.versions(&name).await? {
            if staged.model.lineage.inputs.iter().any(|input| sets.contains(&input.fingerprint)) {
                found.insert((name.clone(), Some(staged.model.version)));
            }
        }
    }
    let place = |(name, version): (String, Option<Version>)| {
        let object = version.map_or_else(|| name.clone(), |version| format!("{name} {version}"));
        Place::left(PlaceKind::Model, object, None, MODEL)
    };
    Ok(found.into_iter().map(place).collect())
}
