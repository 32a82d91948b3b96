//! The model registry.
//!
//! A model version is one immutable document with a number; its bytes lie under their own digest. What becomes of it
//! is an append-only log of numbered documents, each written by put-if-absent: the order of the log is the one order
//! of events, and the stages are what one gets by reading it from the start. A move to production names the version it
//! archives in the same document, so there is never a moment with two production versions or none in between.

mod alias;
mod card;
mod lifecycle;
mod version;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use med_schema::{Admitted, Checked, GatePolicy, Report, RunId, Version};
use object_store::ObjectStore;

pub use alias::AliasEntry;
use lifecycle::Lifecycle;
pub use lifecycle::{LogEntry, Move};
use version::check_bytes;
pub use version::{ModelArtifact, ModelVersion};

use crate::{Result, Stage, StoreError, layout, object, sealed};

/// How often a number may be taken by others before giving up. Each time somebody else got through.
const ATTEMPTS: u32 = 1000;

/// What came of asking for a move.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Transition {
    /// It was made; this is its entry in the log.
    Moved(Box<LogEntry>),
    /// The version was in that stage already; nothing was written.
    AlreadyThere,
}

/// A model version and the stage it is in.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct StagedVersion {
    /// The version.
    pub model: ModelVersion,
    /// Its stage.
    pub stage: Stage,
}

/// All there is to know about a model.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct ModelHistory {
    /// Its name.
    pub name: String,
    /// The version in production.
    pub production: Option<Version>,
    /// All versions, oldest first.
    pub versions: Vec<StagedVersion>,
    /// All moves, oldest first.
    pub log: Vec<LogEntry>,
    /// Aliases and the versions they stand for.
    pub aliases: BTreeMap<String, Version>,
}

/// A registry of models in a store.
///
/// Registering and promoting take nothing that has not passed a gate:
///
/// ```compile_fail
/// # async fn f(registry: med_store::ModelRegistry, version: med_store::ModelVersion) {
/// registry.transition(&version, med_store::Stage::Production).await;
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ModelRegistry {
    store: Arc<dyn ObjectStore>,
}

impl ModelRegistry {
    /// The registry under `registry/` of this store.
    pub fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self { store }
    }

    /// Registers a model under the next number. The same bytes of the same run are registered once: the version they
    /// got the first time comes back. A run may register several models that compete for one name.
    ///
    /// # Errors
    /// When the name is not one or the store fails.
    pub async fn register(&self, name: &str, artifact: &Admitted<ModelArtifact>) -> Result<ModelVersion> {
        layout::check_name("model", name)?;
        let bytes = artifact.value().bytes.clone();
        let mut version = ModelVersion::new(name, artifact);
        // Bytes first: a version that is listed can be loaded.
        object::put(&*self.store, &layout::model_bytes(name, version.fingerprint), bytes).await?;
        for _ in 0..ATTEMPTS {
            let existing = self.version_list(name).await?;
            let same = |v: &&ModelVersion| v.lineage.run == version.lineage.run && v.fingerprint == version.fingerprint;
            if let Some(there) = existing.iter().find(same) {
                return Ok(there.clone());
            }
            version.version = existing.last().map_or(Version(1), |last| last.version.next());
            let path = layout::numbered(&layout::model_versions(name), version.version.0);
            if object::put_new(&*self.store, &path, sealed::seal(path.as_ref(), &version)?).await? {
                return Ok(version);
            }
        }
        Err(StoreError::Contended { object: layout::model_versions(name).to_string(), attempts: ATTEMPTS })
    }

    /// Moves a version to another stage. Moving one to production archives the one that was there, in the same step.
    /// The report that admitted the version is kept in the log. Asking for the stage it is in writes nothing. A version goes to
    /// production only with its bytes, verified.
    ///
    /// # Errors
    /// When the version is not the stored one, the move is not allowed (see [`Stage`]), its bytes are gone or damaged on the way to
    /// production, or the store fails.
    pub async fn transition(&self, model: &Admitted<ModelVersion>, to: Stage) -> Result<Transition> {
        let (version, report) = (model.value(), model.report());
        if self.version(&version.name, version.version).await? != *version {
            return Err(StoreError::OtherModel { model: version.name.clone(), version: version.version });
        }
        if to == Stage::Production {
            self.load(version).await?;
        }
        self.shift(&version.name, version.version, to, Some(report)).await
    }

    /// Takes a version out of use. No gate: whatever it is, it may be put away.
    ///
    /// # Errors
    /// As [`ModelRegistry::transition`].
    pub async fn archive(&self, name: &str, version: Version) -> Result<Transition> {
        self.version(name, version).await?;
        self.shift(name, version, Stage::Archived, None).await
    }

    /// Puts the former production version back into production and archives the present one. Again, by another run: the one before it.
    /// No gate: it passed one when it was promoted. Its bytes are verified again. A run that has rolled back changes nothing a second time.
    ///
    /// # Errors
    /// When somebody else changed the production version meanwhile: what was to be rolled back is not there any more. When there is no
    /// former one, its bytes are gone or damaged, or the store fails.
    pub async fn rollback(&self, name: &str, run: &RunId) -> Result<LogEntry> {
        let mut seen = None;
        for _ in 0..ATTEMPTS {
            let life = self.lifecycle(name).await?;
            if let Some(done) = life.log().iter().find(|entry| entry.run.as_ref() == Some(run)) {
                return Ok(done.clone());
            }
            let found = life.production();
            let expected = *seen.get_or_insert(found);
            if found != expected {
                return Err(StoreError::ProductionMoved { model: name.to_owned(), expected, found });
            }
            let Some(version) = life.former_production() else {
                return Err(StoreError::NothingToRollBackTo { model: name.to_owned() });
            };
            self.load(&self.version(name, version).await?).await?;
            let entry = life.entry(Move::Rollback, version, Stage::Production, None);
            // With the run another request of the same state is another entry, so that only one of them is made.
            let entry = LogEntry { run: Some(run.clone()), ..entry };
            if self.append(name, &entry).await? {
                return Ok(entry);
            }
        }
        Err(StoreError::Contended { object: layout::model_log(name).to_string(), attempts: ATTEMPTS })
    }

    /// Judges the report stored with a version by this policy: the way to an [`Admitted`] version for those who were
    /// not there when it was made.
    ///
    /// # Errors
    /// When there is no such version, or its report does not pass.
    pub async fn admit_stored(
        &self,
        name: &str,
        version: Version,
        policy: &GatePolicy,
    ) -> Result<Admitted<ModelVersion>> {
        let stored = self.version(name, version).await?;
        let report = stored.report.clone();
        Checked::new(stored, report).gate(policy).map_err(|rejected| StoreError::NotAdmitted {
            model: name.to_owned(),
            version,
            reasons: rejected.reasons().to_vec(),
        })
    }

    /// The version in production.
    ///
    /// # Errors
    /// When there is no such model or the store fails.
    pub async fn production(&self, name: &str) -> Result<Option<ModelVersion>> {
        match self.lifecycle(name).await?.production() {
            Some(version) => Ok(Some(self.version(name, version).await?)),
            None => Ok(None),
        }
    }

    /// The version in production together with its verified bytes: model and schema (its `signature`) in one call.
    ///
    /// # Errors
    /// When there is no such model, none is in production, or the bytes are gone or damaged.
    pub async fn load_production(&self, name: &str) -> Result<(ModelVersion, Bytes)> {
        let Some(model) = self.production(name).await? else {
            return Err(StoreError::NotFound { what: "model in production", name: name.to_owned(), near: Vec::new() });
        };
        let bytes = self.load(&model).await?;
        Ok((model, bytes))
    }

    /// The bytes of a version, verified against its fingerprint.
    ///
    /// # Errors
    /// When they are gone or damaged.
    pub async fn load(&self, model: &ModelVersion) -> Result<Bytes> {
        let path = layout::model_bytes(&model.name, model.fingerprint);
        match object::get(&*self.store, &path).await? {
            Some(bytes) => check_bytes(&path, bytes, model.fingerprint),
            None => Err(StoreError::NotFound { what: "model file", name: path.to_string(), near: Vec::new() }),
        }
    }

    /// Names of all models, in ascending order.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn models(&self) -> Result<Vec<String>> {
        object::folders(&*self.store, &layout::REGISTRY.into()).await
    }

    /// One version.
    ///
    /// # Errors
    /// When there is no such version; the error lists those there are.
    pub async fn version(&self, name: &str, version: Version) -> Result<ModelVersion> {
        layout::check_name("model", name)?;
        let path = layout::numbered(&layout::model_versions(name), version.0);
        match object::get(&*self.store, &path).await? {
            Some(bytes) => sealed::unseal(&path, &bytes),
            None => {
                let versions = self.existing(name).await?;
                let near = versions.iter().map(|v| v.version.to_string()).collect();
                Err(StoreError::NotFound { what: "model version", name: format!("{name} {version}"), near })
            }
        }
    }

    /// All versions and their stages, oldest first.
    ///
    /// # Errors
    /// When there is no such model or the store fails.
    pub async fn versions(&self, name: &str) -> Result<Vec<StagedVersion>> {
        Ok(self.show(name).await?.versions)
    }

    /// Versions, stages and log of a model.
    ///
    /// # Errors
    /// When there is no such model (the error lists those there are) or the store fails.
    pub async fn show(&self, name: &str) -> Result<ModelHistory> {
        layout::check_name("model", name)?;
        let versions = self.existing(name).await?;
        let life = self.read_log(name).await?;
        let staged = versions.into_iter().map(|model| StagedVersion { stage: life.stage(model.version), model });
        Ok(ModelHistory {
            name: name.to_owned(),
            production: life.production(),
            versions: staged.collect(),
            log: life.into_log(),
            aliases: self.aliases(name).await?,
        })
    }

    async fn shift(&self, name: &str, version: Version, to: Stage, report: Option<&Report>) -> Result<Transition> {
        for _ in 0..ATTEMPTS {
            let life = self.lifecycle(name).await?;
            let from = life.stage(version);
            if from == to {
                return Ok(Transition::AlreadyThere);
            }
            if !from.allows(to) {
                return Err(StoreError::Stage { model: name.to_owned(), version, from, to });
            }
            let entry = life.entry(Move::Transition, version, to, report);
            if self.append(name, &entry).await? {
                return Ok(Transition::Moved(Box::new(entry)));
            }
        }
        Err(StoreError::Contended { object: layout::model_log(name).to_string(), attempts: ATTEMPTS })
    }

    /// False when the number was taken in the meantime, by another entry than this one: a request that arrived twice finds
    /// its own.
    async fn append(&self, name: &str, entry: &LogEntry) -> Result<bool> {
        let path = layout::numbered(&layout::model_log(name), entry.sequence);
        let bytes = sealed::seal(path.as_ref(), entry)?;
        if object::put_new(&*self.store, &path, bytes.clone()).await? {
            return Ok(true);
        }
        Ok(object::get(&*self.store, &path).await?.is_some_and(|there| there == bytes))
    }

    /// The state of a model that exists.
    async fn lifecycle(&self, name: &str) -> Result<Lifecycle> {
        layout::check_name("model", name)?;
        let life = self.read_log(name).await?;
        if life.is_empty() {
            self.existing(name).await?;
        }
        Ok(life)
    }

    async fn read_log(&self, name: &str) -> Result<Lifecycle> {
        let folder = layout::model_log(name);
        let mut life = Lifecycle::default();
        for meta in object::objects(&*self.store, &folder).await? {
            let Some(bytes) = object::get(&*self.store, &meta.location).await? else { continue };
            let entry: LogEntry = sealed::unseal(&meta.location, &bytes)?;
            life.push(entry).map_err(|source| StoreError::Malformed { object: meta.location.to_string(), source })?;
        }
        Ok(life)
    }

    async fn version_list(&self, name: &str) -> Result<Vec<ModelVersion>> {
        let mut versions = Vec::new();
        for meta in object::objects(&*self.store, &layout::model_versions(name)).await? {
            if layout::number_of(&meta.location).is_none() {
                continue;
            }
            if let Some(bytes) = object::get(&*self.store, &meta.location).await? {
                versions.push(sealed::unseal(&meta.location, &bytes)?);
            }
        }
        Ok(versions)
    }

    async fn existing(&self, name: &str) -> Result<Vec<ModelVersion>> {
        let versions = self.version_list(name).await?;
        if versions.is_empty() {
            return Err(StoreError::NotFound { what: "model", name: name.to_owned(), near: self.models().await? });
        }
        Ok(versions)
    }
}
