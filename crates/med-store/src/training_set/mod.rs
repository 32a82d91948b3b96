//! Training sets: the rows of a view, split and frozen, with all that is needed to make them again.
//!
//! The manifest holds the view, the Delta version of every group read, the split and its seed, and for each part its rows, digest
//! and statistics. Parts are Parquet files under their own digest. A set can be read back years later, verified; and it can be
//! made again from the groups' versions, which must give the same bytes.

mod frozen;
mod split;

use std::sync::Arc;

use med_schema::{Fingerprint, FingerprintHasher, Profile, RunId, Table};
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(crate) use frozen::Frozen;
use split::Keys;
pub use split::Split;

use crate::delta::DeltaEngine;
use crate::encryption::ColumnKeys;
use crate::filter::rows_where;
use crate::{FeatureView, GroupVersions, Result, StoreError, layout, object, parquet, sealed, statistics};

/// How often a number may be taken by others before giving up.
const ATTEMPTS: u32 = 1000;

/// One part of a training set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingPart {
    /// `train` or `test`.
    pub name: String,
    /// How many rows it has.
    pub rows: u64,
    /// Content of its file.
    pub fingerprint: Fingerprint,
    /// Digest of the content under the footer's key, when columns are encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Fingerprint>,
    /// Statistics of its rows. Keys, identifiers and free text are left out.
    pub statistics: Profile,
}

/// All there is to say about a training set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingSetManifest {
    /// Name of the view.
    pub view: String,
    /// Version of the view.
    pub view_version: u32,
    /// Its number among the sets of the view, from 1.
    pub number: u64,
    /// The run that made it.
    pub run: RunId,
    /// The version of each feature group that was read.
    pub versions: GroupVersions,
    /// How it was split.
    pub split: Split,
    /// The parts.
    pub parts: Vec<TrainingPart>,
    /// Digest of view, versions, split and parts: equal digest, equal training set.
    pub digest: Fingerprint,
}

/// A training set of a lake.
#[derive(Debug, Clone)]
pub struct TrainingSet {
    engine: Arc<DeltaEngine>,
    manifest: Arc<TrainingSetManifest>,
}

impl FeatureView {
    /// Freezes the rows of the groups' latest versions, split, under the next number. A run that asked for the same before gets
    /// the set it made then.
    ///
    /// # Errors
    /// When the split is none, a group cannot be read, or the store fails.
    pub async fn training_set(&self, run: &RunId, split: Split) -> Result<TrainingSet> {
        if matches!(split, Split::Given { .. }) {
            let reason = "a split by given rows takes the rows: FeatureView::training_set_of".to_owned();
            return Err(StoreError::Split { reason });
        }
        split.check()?;
        self.freeze(run, None, split, &[]).await
    }

    /// Freezes the rows of these versions of the groups whose keys (primary key and event time) are among those of `train` and
    /// `test`, under the next number; what the two have in further columns does not matter. `rule` says, for people and programs, how
    /// they were assigned. A run that asked for the same rows before gets the set it made then, whichever versions it names now.
    ///
    /// # Errors
    /// When a row is in both parts or in none of the versions, a group cannot be read, or the store fails.
    pub async fn training_set_of(
        &self,
        run: &RunId,
        versions: &GroupVersions,
        rule: Value,
        (train, test): (&Table, &Table),
    ) -> Result<TrainingSet> {
        let (primary_key, event_time) = self.row_key();
        let mut hasher = FingerprintHasher::new();
        let mut given: Vec<Keys> = Vec::new();
        for part in [train, test] {
            let keys = split::keys_of(part.frame(), &primary_key, &event_time)?;
            hasher.part((keys.len() as u64).to_le_bytes());
            keys.iter().for_each(|key| {
                hasher.part(key);
            });
            given.push(keys.into_iter().collect());
        }
        if given[0].iter().any(|key| given[1].contains(key)) {
            return Err(StoreError::Split { reason: "expected no row in both parts, found some".to_owned() });
        }
        let split = Split::Given { rule, keys: hasher.finish() };
        self.freeze(run, Some(versions), split, &given).await
    }

    async fn freeze(
        &self,
        run: &RunId,
        versions: Option<&GroupVersions>,
        split: Split,
        given: &[Keys],
    ) -> Result<TrainingSet> {
        let definition = self.definition();
        let folder = layout::training_sets(&definition.name, definition.version);
        if let Some(manifest) = self.made_by(&folder, run, &split).await? {
            return Ok(TrainingSet { engine: Arc::clone(&self.engine), manifest: Arc::new(manifest) });
        }
        let versions = match versions {
            Some(versions) => versions.clone(),
            None => self.versions().await?,
        };
        let (primary_key, _) = self.row_key();
        let mut parts = Vec::new();
        // A group may have evolved since this view was opened.
        let view = self.at(&versions).await?;
        for ((name, table), number) in view.split(&versions, &split, given).await?.into_iter().zip(0..) {
            if let Some(keys) = given.get(number).filter(|keys| keys.len() != table.n_rows()) {
                let reason = format!("{} of the {} rows of {name} are in the view", table.n_rows(), keys.len());
                return Err(StoreError::Split { reason });
            }
            let keys = self.engine.keys();
            let bytes = parquet::write_table(&table, keys)?;
            let fingerprint = Fingerprint::of(&bytes);
            // Bytes first: a set that is listed can be read.
            object::put(&**self.engine.store(), &data(&folder, fingerprint), bytes).await?;
            let (rows, statistics) = (table.n_rows() as u64, statistics::profile(&table, &primary_key, keys)?);
            let content = content(&table, keys)?;
            parts.push(TrainingPart { name: name.to_owned(), rows, fingerprint, content, statistics });
        }
        let digest = digest(self, &versions, &split, &parts)?;
        for _ in 0..ATTEMPTS {
            if let Some(manifest) = self.made_by(&folder, run, &split).await? {
                return Ok(TrainingSet { engine: Arc::clone(&self.engine), manifest: Arc::new(manifest) });
            }
            let manifest = TrainingSetManifest {
                view: definition.name.clone(),
                view_version: definition.version,
                number: numbers(&self.engine, &folder).await?.last().map_or(1, |last| last + 1),
                run: run.clone(),
                versions: versions.clone(),
                split: split.clone(),
                parts: parts.clone(),
                digest,
            };
            let path = layout::numbered(&folder, manifest.number);
            if object::put_new(&**self.engine.store(), &path, sealed::seal(path.as_ref(), &manifest)?).await? {
                return Ok(TrainingSet { engine: Arc::clone(&self.engine), manifest: Arc::new(manifest) });
            }
        }
        Err(StoreError::Contended { object: folder.to_string(), attempts: ATTEMPTS })
    }

    /// A training set of this view by its number.
    ///
    /// # Errors
    /// When there is no such set (the error lists those there are), or its manifest is damaged.
    pub async fn open_training_set(&self, number: u64) -> Result<TrainingSet> {
        let definition = self.definition();
        let folder = layout::training_sets(&definition.name, definition.version);
        let manifest = manifest(&self.engine, &folder, number).await?;
        Ok(TrainingSet { engine: Arc::clone(&self.engine), manifest: Arc::new(manifest) })
    }

    /// Makes the set again from the versions it was made of, and compares. The digest of the parts made now; the same as
    /// the manifest's, or an error that names the part.
    ///
    /// # Errors
    /// When a version can no longer be read, or a part has other content.
    pub async fn reproduce(&self, set: &TrainingSet) -> Result<Fingerprint> {
        let manifest = set.manifest();
        for part in &manifest.parts {
            Frozen::of(manifest, part).is_there(&self.engine).await?;
        }
        let view = self.at(&manifest.versions).await?;
        let mut given = Vec::new();
        if matches!(manifest.split, Split::Given { .. }) {
            let (primary_key, event_time) = view.row_key();
            for part in &manifest.parts {
                let rows = set.read(&part.name).await?;
                given.push(split::keys_of(rows.frame(), &primary_key, &event_time)?.into_iter().collect());
            }
        }
        for ((_, table), part) in
            view.split(&manifest.versions, &manifest.split, &given).await?.iter().zip(&manifest.parts)
        {
            let keys = self.engine.keys();
            let (found, expected) = match part.content {
                Some(expected) => (content(table, keys)?.unwrap_or(part.fingerprint), expected),
                None => (Fingerprint::of(parquet::write_table(table, &ColumnKeys::default())?), part.fingerprint),
            };
            if found != expected {
                let object = format!("training set {} of {}, part {}", manifest.number, manifest.view, part.name);
                return Err(StoreError::Corrupt { object, expected, found });
            }
        }
        digest(self, &manifest.versions, &manifest.split, &manifest.parts)
    }

    async fn split(
        &self,
        versions: &GroupVersions,
        split: &Split,
        given: &[Keys],
    ) -> Result<Vec<(&'static str, Table)>> {
        let table = self.read(versions).await?;
        let (primary_key, event_time) = self.row_key();
        let assigned = split.assign(table.frame(), &primary_key, &event_time, given)?;
        let part = |(number, name): (usize, &&'static str)| {
            let flags: Vec<bool> = assigned.iter().map(|part| *part == number).collect();
            let frame = rows_where(table.frame(), &flags, true)?;
            let parsed = Table::parse(frame, table.schema().clone());
            let what = self.definition().id();
            Ok((*name, parsed.map_err(|e| StoreError::Table { table: what, source: Box::new(e) })?))
        };
        split.parts().iter().enumerate().map(part).collect()
    }

    async fn made_by(&self, folder: &Path, run: &RunId, split: &Split) -> Result<Option<TrainingSetManifest>> {
        for number in numbers(&self.engine, folder).await?.into_iter().rev() {
            let manifest = manifest(&self.engine, folder, number).await?;
            if manifest.run == *run && manifest.split == *split {
                return Ok(Some(manifest));
            }
        }
        Ok(None)
    }
}

impl TrainingSet {
    /// All there is to say about it.
    pub fn manifest(&self) -> &TrainingSetManifest {
        &self.manifest
    }

    /// The rows of a part, verified against its digest.
    ///
    /// # Errors
    /// When there is no such part, or its file is gone or damaged.
    pub async fn read(&self, part: &str) -> Result<Table> {
        let manifest = &self.manifest;
        let Some(found) = manifest.parts.iter().find(|p| p.name == part) else {
            let near = manifest.parts.iter().map(|p| p.name.clone()).collect();
            return Err(StoreError::NotFound { what: "part of a training set", name: part.to_owned(), near });
        };
        let path = data(&layout::training_sets(&manifest.view, manifest.view_version), found.fingerprint);
        match object::get_verified(&**self.engine.store(), &path, found.fingerprint).await? {
            Some(bytes) => parquet::read_table(&path, bytes, self.engine.keys()),
            None if let Some(erased) = Frozen::of(manifest, found).erased(&self.engine).await? => Err(erased),
            None => Err(StoreError::NotFound { what: "training data", name: path.to_string(), near: Vec::new() }),
        }
    }
}

/// The content of a part with encrypted columns, whose bytes are others each time; `None` when it has none.
fn content(table: &Table, keys: &ColumnKeys) -> Result<Option<Fingerprint>> {
    if keys.among(table.schema().names()).is_empty() {
        return Ok(None);
    }
    Ok(Some(keys.digest(&parquet::write_table(table, &ColumnKeys::default())?)))
}

fn digest(view: &FeatureView, versions: &GroupVersions, split: &Split, parts: &[TrainingPart]) -> Result<Fingerprint> {
    let mut hasher = FingerprintHasher::new();
    let failed = |e: serde_json::Error| StoreError::Encode { what: "training set".to_owned(), source: e.into() };
    hasher.part(view.definition().id());
    hasher.part(serde_json::to_vec(versions).map_err(failed)?);
    hasher.part(serde_json::to_vec(split).map_err(failed)?);
    for part in parts {
        hasher.part(&part.name).part(part.fingerprint.as_bytes());
    }
    Ok(hasher.finish())
}

fn data(folder: &Path, content: Fingerprint) -> Path {
    folder.clone().join("data").join(format!("{content}.parquet"))
}

async fn numbers(engine: &DeltaEngine, folder: &Path) -> Result<Vec<u64>> {
    let objects = object::objects(&**engine.store(), folder).await?;
    Ok(objects.iter().filter_map(|meta| layout::number_of(&meta.location)).collect())
}

async fn manifest(engine: &DeltaEngine, folder: &Path, number: u64) -> Result<TrainingSetManifest> {
    let path = layout::numbered(folder, number);
    match object::get(&**engine.store(), &path).await? {
        Some(bytes) => sealed::unseal(&path, &bytes),
        None => {
            let near = numbers(engine, folder).await?.iter().map(ToString::to_string).collect();
            Err(StoreError::NotFound { what: "training set", name: path.to_string(), near })
        }
    }
}
