//! The same, for programs that are not async: each call waits on the calling thread.
//!
//! ```
//! use med_store::blocking::Lakehouse;
//! let lake = Lakehouse::in_memory()?;
//! assert!(lake.ls()?.is_empty());
//! # Ok::<(), med_store::StoreError>(())
//! ```
//!
//! # Panics
//! Every call panics when made from async code: use [`crate::Lakehouse`] there.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use med_schema::{Admitted, Fingerprint, GatePolicy, RunId, Schema, SuiteDocument, Table, Version};
use object_store::ObjectStore;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::delta::DeltaEngine;
use crate::{
    AliasEntry, Artifact, Batch, Commit, Compaction, FeatureGroupDefinition, FeatureGroupListing,
    FeatureViewDefinition, Filter, Forget, Forgotten, GroupVersions, InsertRecord, LineageStep, LiveFile, LogEntry,
    ModelArtifact, ModelHistory, ModelVersion, Result, ResultKind, Split, Stage, StagedVersion, TableVersion,
    TrainingSetManifest, Transition, Vacuum, Vacuumed, Value, Written,
};

/// [`crate::Lakehouse`], waiting.
#[derive(Debug, Clone)]
pub struct Lakehouse(crate::Lakehouse);

/// [`crate::FeatureGroup`], waiting.
#[derive(Debug, Clone)]
pub struct FeatureGroup {
    group: crate::FeatureGroup,
    engine: Arc<DeltaEngine>,
}

/// [`crate::DeltaTable`], waiting.
#[derive(Debug, Clone)]
pub struct DeltaTable {
    table: crate::DeltaTable,
    engine: Arc<DeltaEngine>,
}

/// [`crate::FeatureView`], waiting.
#[derive(Debug, Clone)]
pub struct FeatureView {
    view: crate::FeatureView,
    engine: Arc<DeltaEngine>,
}

/// [`crate::TrainingSet`], waiting.
#[derive(Debug, Clone)]
pub struct TrainingSet {
    set: crate::TrainingSet,
    engine: Arc<DeltaEngine>,
}

/// [`crate::LineageLog`], waiting.
#[derive(Debug, Clone)]
pub struct LineageLog {
    log: crate::LineageLog,
    engine: Arc<DeltaEngine>,
}

/// [`crate::ResultFolder`], waiting.
#[derive(Debug, Clone)]
pub struct ResultFolder {
    results: crate::ResultFolder,
    engine: Arc<DeltaEngine>,
}

/// [`crate::ModelRegistry`], waiting.
#[derive(Debug, Clone)]
pub struct ModelRegistry {
    registry: crate::ModelRegistry,
    engine: Arc<DeltaEngine>,
}

/// Methods that call the one of the same name of the async type and wait.
macro_rules! waiting {
    ($type:ident . $inner:ident { $($name:ident $(<$generic:ident : $bound:path>)? ($($argument:ident : $of:ty),*) -> $returned:ty;)+ }) => {
        impl $type {
            $(
                #[doc = concat!("[`crate::", stringify!($type), "::", stringify!($name), "`], waiting.")]
                ///
                /// # Errors
                /// As there.
                pub fn $name$(<$generic: $bound>)?(&self, $($argument: $of),*) -> Result<$returned> {
                    self.engine.block_on(self.$inner.$name($($argument),*))
                }
            )+
        }
    };
}

impl Lakehouse {
    /// [`crate::Lakehouse::open`].
    ///
    /// # Errors
    /// As there.
    pub fn open(location: &str) -> Result<Self> {
        crate::Lakehouse::open(location).map(Self)
    }

    /// [`crate::Lakehouse::open_with`].
    ///
    /// # Errors
    /// As there.
    pub fn open_with(location: &str, options: impl IntoIterator<Item = (String, String)>) -> Result<Self> {
        crate::Lakehouse::open_with(location, options).map(Self)
    }

    /// [`crate::Lakehouse::in_memory`].
    ///
    /// # Errors
    /// As there.
    pub fn in_memory() -> Result<Self> {
        crate::Lakehouse::in_memory().map(Self)
    }

    /// [`crate::Lakehouse::with_store`].
    ///
    /// # Errors
    /// As there.
    pub fn with_store(store: Arc<dyn ObjectStore>) -> Result<Self> {
        crate::Lakehouse::with_store(store).map(Self)
    }

    /// [`crate::Lakehouse::with_keys`].
    ///
    /// # Errors
    /// As there.
    #[cfg(feature = "encryption")]
    pub fn with_keys(self, keys: crate::ColumnKeys) -> Result<Self> {
        self.0.with_keys(keys).map(Self)
    }

    /// The async lake behind this one.
    pub fn as_async(&self) -> &crate::Lakehouse {
        &self.0
    }

    /// [`crate::Lakehouse::feature_group`], waiting.
    ///
    /// # Errors
    /// As there.
    pub fn feature_group(&self, definition: FeatureGroupDefinition) -> Result<FeatureGroup> {
        let group = self.engine().block_on(self.0.feature_group(definition))?;
        Ok(FeatureGroup { group, engine: self.engine() })
    }

    /// [`crate::Lakehouse::open_feature_group`], waiting.
    ///
    /// # Errors
    /// As there.
    pub fn open_feature_group(&self, name: &str, version: Option<u32>) -> Result<FeatureGroup> {
        let group = self.engine().block_on(self.0.open_feature_group(name, version))?;
        Ok(FeatureGroup { group, engine: self.engine() })
    }

    /// [`crate::Lakehouse::ls`], waiting.
    ///
    /// # Errors
    /// As there.
    pub fn ls(&self) -> Result<Vec<FeatureGroupListing>> {
        self.engine().block_on(self.0.ls())
    }

    /// [`crate::Lakehouse::table`], waiting.
    ///
    /// # Errors
    /// As there.
    pub fn table(&self, name: &str, schema: &Schema) -> Result<DeltaTable> {
        let table = self.engine().block_on(self.0.table(name, schema))?;
        Ok(DeltaTable { table, engine: self.engine() })
    }

    /// [`crate::Lakehouse::partitioned_table`], waiting.
    ///
    /// # Errors
    /// As there.
    pub fn partitioned_table(&self, name: &str, schema: &Schema, partition_by: &[String]) -> Result<DeltaTable> {
        let table = self.engine().block_on(self.0.partitioned_table(name, schema, partition_by))?;
        Ok(DeltaTable { table, engine: self.engine() })
    }

    /// [`crate::Lakehouse::feature_view`], waiting.
    ///
    /// # Errors
    /// As there.
    pub fn feature_view(&self, definition: FeatureViewDefinition) -> Result<FeatureView> {
        let view = self.engine().block_on(self.0.feature_view(definition))?;
        Ok(FeatureView { view, engine: self.engine() })
    }

    /// [`crate::Lakehouse::open_feature_view`], waiting.
    ///
    /// # Errors
    /// As there.
    pub fn open_feature_view(&self, name: &str, version: u32) -> Result<FeatureView> {
        let view = self.engine().block_on(self.0.open_feature_view(name, version))?;
        Ok(FeatureView { view, engine: self.engine() })
    }

    /// [`crate::Lakehouse::forget`], waiting.
    ///
    /// # Errors
    /// As there.
    pub fn forget(&self, run: &RunId, asked: &Forget) -> Result<Forgotten> {
        self.engine().block_on(self.0.forget(run, asked))
    }

    /// The lineage of what is in the lake.
    pub fn lineage(&self) -> LineageLog {
        LineageLog { log: self.0.lineage(), engine: self.engine() }
    }

    /// The result folders.
    pub fn results(&self) -> ResultFolder {
        ResultFolder { results: self.0.results(), engine: self.engine() }
    }

    /// The model registry.
    pub fn registry(&self) -> ModelRegistry {
        ModelRegistry { registry: self.0.registry(), engine: self.engine() }
    }

    fn engine(&self) -> Arc<DeltaEngine> {
        Arc::clone(self.0.engine())
    }
}

impl FeatureGroup {
    /// What it is.
    pub fn definition(&self) -> &FeatureGroupDefinition {
        self.group.definition()
    }

    /// [`crate::FeatureGroup::evolve`], waiting.
    ///
    /// # Errors
    /// As there.
    pub fn evolve(&self, batch: impl Into<Batch>, schema: &Schema) -> Result<Self> {
        let group = self.engine.block_on(self.group.evolve(batch, schema))?;
        Ok(Self { group, engine: Arc::clone(&self.engine) })
    }

    /// [`crate::FeatureGroup::attach_suite`], waiting.
    ///
    /// # Errors
    /// As there.
    pub fn attach_suite(&self, batch: impl Into<Batch>, suite: SuiteDocument) -> Result<Self> {
        let group = self.engine.block_on(self.group.attach_suite(batch, suite))?;
        Ok(Self { group, engine: Arc::clone(&self.engine) })
    }

    /// The Delta table it is stored in.
    pub fn table(&self) -> DeltaTable {
        DeltaTable { table: self.group.table().clone(), engine: Arc::clone(&self.engine) }
    }
}

waiting!(FeatureGroup.group {
    insert(batch: impl Into<Batch>, rows: &Admitted<Table>) -> Commit;
    replace_batch(batch: impl Into<Batch>, rows: &Admitted<Table>) -> Commit;
    insert_record(run: &RunId) -> Option<InsertRecord>;
    forget(batch: impl Into<Batch>, clients: &[Vec<Value>]) -> Commit;
    scan(columns: Option<&[&str]>, filter: Option<Filter>, version: Option<Version>) -> Table;
    read(version: Option<Version>) -> Table;
    read_as_of(time: DateTime<Utc>) -> Table;
    history() -> Vec<TableVersion>;
});

impl FeatureView {
    /// The columns it has.
    pub fn schema(&self) -> &Schema {
        self.view.schema()
    }

    /// [`crate::FeatureView::training_set`], waiting.
    ///
    /// # Errors
    /// As there.
    pub fn training_set(&self, run: &RunId, split: Split) -> Result<TrainingSet> {
        let set = self.engine.block_on(self.view.training_set(run, split))?;
        Ok(TrainingSet { set, engine: Arc::clone(&self.engine) })
    }

    /// [`crate::FeatureView::training_set_of`], waiting.
    ///
    /// # Errors
    /// As there.
    pub fn training_set_of(
        &self,
        run: &RunId,
        versions: &GroupVersions,
        rule: serde_json::Value,
        parts: (&Table, &Table),
    ) -> Result<TrainingSet> {
        let set = self.engine.block_on(self.view.training_set_of(run, versions, rule, parts))?;
        Ok(TrainingSet { set, engine: Arc::clone(&self.engine) })
    }

    /// [`crate::FeatureView::open_training_set`], waiting.
    ///
    /// # Errors
    /// As there.
    pub fn open_training_set(&self, number: u64) -> Result<TrainingSet> {
        let set = self.engine.block_on(self.view.open_training_set(number))?;
        Ok(TrainingSet { set, engine: Arc::clone(&self.engine) })
    }

    /// [`crate::FeatureView::reproduce`], waiting.
    ///
    /// # Errors
    /// As there.
    pub fn reproduce(&self, set: &TrainingSet) -> Result<Fingerprint> {
        self.engine.block_on(self.view.reproduce(&set.set))
    }
}

waiting!(FeatureView.view {
    versions() -> GroupVersions;
    read(versions: &GroupVersions) -> Table;
});

impl TrainingSet {
    /// All there is to say about it.
    pub fn manifest(&self) -> &TrainingSetManifest {
        self.set.manifest()
    }
}

waiting!(TrainingSet.set {
    read(part: &str) -> Table;
});

waiting!(LineageLog.log {
    record(step: &LineageStep) -> ();
    steps(run: Option<&RunId>) -> Vec<LineageStep>;
    trace(artifact: &Artifact) -> Vec<LineageStep>;
});

impl DeltaTable {
    /// [`crate::DeltaTable::evolve`], waiting.
    ///
    /// # Errors
    /// As there.
    pub fn evolve(&self, batch: impl Into<Batch>, schema: &Schema) -> Result<Self> {
        let table = self.engine.block_on(self.table.evolve(batch, schema))?;
        Ok(Self { table, engine: Arc::clone(&self.engine) })
    }
}

waiting!(DeltaTable.table {
    append(batch: impl Into<Batch>, rows: &Admitted<Table>) -> Commit;
    overwrite(batch: impl Into<Batch>, rows: &Admitted<Table>) -> Commit;
    overwrite_partitions(batch: impl Into<Batch>, rows: &Admitted<Table>) -> Commit;
    delete(batch: impl Into<Batch>, filter: Filter) -> Commit;
    compact(batch: impl Into<Batch>, options: Compaction) -> Commit;
    vacuum(now: DateTime<Utc>, options: Vacuum) -> Vacuumed;
    checkpoint() -> Version;
    scan(columns: Option<&[&str]>, filter: Option<Filter>, version: Option<Version>) -> Table;
    files_for(filter: Filter) -> Vec<String>;
    read(version: Option<Version>) -> Table;
    version() -> Version;
    version_as_of(time: DateTime<Utc>) -> Version;
    gone(versions: &[Version]) -> Vec<Version>;
    history() -> Vec<TableVersion>;
    watermark(domain: &str, version: Option<Version>) -> Option<serde_json::Value>;
    files() -> Vec<String>;
    live_files() -> Vec<LiveFile>;
    rows() -> (Version, u64);
});

impl ResultFolder {
    /// [`crate::ResultFolder::put_json`], waiting.
    ///
    /// # Errors
    /// As there.
    pub fn put_json(
        &self,
        kind: ResultKind,
        run: &RunId,
        name: &str,
        value: &(impl Serialize + Sync + ?Sized),
    ) -> Result<Written> {
        self.engine.block_on(self.results.put_json(kind, run, name, value))
    }
}

waiting!(ResultFolder.results {
    put_bytes(kind: ResultKind, run: &RunId, name: &str, bytes: Bytes) -> Written;
    put_table(kind: ResultKind, run: &RunId, name: &str, table: &Table) -> Written;
    get_json<T: DeserializeOwned>(kind: ResultKind, run: &RunId, name: &str) -> T;
    get_bytes(kind: ResultKind, run: &RunId, name: &str) -> Bytes;
    get_table(kind: ResultKind, run: &RunId, name: &str) -> Table;
    runs(kind: ResultKind) -> Vec<RunId>;
    names(kind: ResultKind, run: &RunId) -> Vec<String>;
});

waiting!(ModelRegistry.registry {
    register(name: &str, artifact: &Admitted<ModelArtifact>) -> ModelVersion;
    transition(model: &Admitted<ModelVersion>, to: Stage) -> Transition;
    archive(name: &str, version: Version) -> Transition;
    rollback(name: &str, run: &RunId) -> LogEntry;
    admit_stored(name: &str, version: Version, policy: &GatePolicy) -> Admitted<ModelVersion>;
    production(name: &str) -> Option<ModelVersion>;
    load_production(name: &str) -> (ModelVersion, Bytes);
    set_alias(name: &str, alias: &str, to: Option<Version>, run: &RunId) -> ();
    alias_log(name: &str, alias: &str) -> Vec<AliasEntry>;
    alias_names(name: &str) -> Vec<String>;
    aliases(name: &str) -> BTreeMap<String, Version>;
    load(model: &ModelVersion) -> Bytes;
    models() -> Vec<String>;
    version(name: &str, version: Version) -> ModelVersion;
    versions(name: &str) -> Vec<StagedVersion>;
    show(name: &str) -> ModelHistory;
});
