//! The lake: one root, one engine, and the rooms in it.

use std::path::Path as FsPath;
use std::sync::Arc;

use med_schema::{RunId, Schema};
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::prefix::PrefixStore;
use url::Url;

use crate::delta::DeltaEngine;
use crate::encryption::ColumnKeys;
use crate::feature_group::{self, FeatureGroup, FeatureGroupDefinition, FeatureGroupListing};
use crate::forget::{self, Forget, Forgotten};
use crate::{
    DeltaTable, FeatureView, FeatureViewDefinition, LineageLog, ModelRegistry, Result, ResultFolder, StoreError, layout,
};

/// A lakehouse: feature groups and tables in Delta format, result folders and a model registry under one root of an
/// object store. Cheap to clone; clones share the engine and its two threads.
#[derive(Debug, Clone)]
pub struct Lakehouse {
    engine: Arc<DeltaEngine>,
}

impl Lakehouse {
    /// The lake in this folder, which is made if it is not there. A path, a `file://` address, or `memory://` for one
    /// that ends with the process. For another store make the store and call [`Lakehouse::with_store`].
    ///
    /// # Errors
    /// When the address is of another kind or the folder cannot be made.
    pub fn open(location: &str) -> Result<Self> {
        let wrong = |reason: String| StoreError::Location { found: location.to_owned(), reason };
        let folder = match location.split_once("://") {
            None => FsPath::new(location).to_owned(),
            Some(("memory", _)) => return Self::in_memory(),
            Some(("file", _)) => {
                let url = Url::parse(location).map_err(|e| wrong(e.to_string()))?;
                url.to_file_path().map_err(|()| wrong("not an absolute path of this machine".to_owned()))?
            }
            Some((scheme, _)) => {
                return Err(wrong(format!("stores of kind {scheme} are opened by open_with, or handed in ready-made")));
            }
        };
        if folder.as_os_str().is_empty() {
            return Err(wrong("the path is empty".to_owned()));
        }
        std::fs::create_dir_all(&folder).map_err(|e| wrong(e.to_string()))?;
        let store = LocalFileSystem::new_with_prefix(&folder).map_err(|e| wrong(e.to_string()))?;
        Self::with_store(Arc::new(store))
    }

    /// As [`Lakehouse::open`], and `s3://`, `az://` and `gs://` addresses where the features `aws`, `azure` and `gcp` are on. The
    /// options are object_store's (`aws_access_key_id`, `aws_endpoint`, `azure_storage_account_name`, ...); those it does not
    /// know are ignored, so that a program may hand over its environment.
    ///
    /// # Errors
    /// When the address is of a kind that is not on, or the options do not make a store.
    pub fn open_with(location: &str, options: impl IntoIterator<Item = (String, String)>) -> Result<Self> {
        let feature = match location.split_once("://").map(|(scheme, _)| scheme) {
            Some("s3" | "s3a") => Some(("aws", cfg!(feature = "aws"))),
            Some("az" | "azure" | "abfs" | "abfss" | "adl") => Some(("azure", cfg!(feature = "azure"))),
            Some("gs") => Some(("gcp", cfg!(feature = "gcp"))),
            _ => None,
        };
        let Some((feature, on)) = feature else { return Self::open(location) };
        let wrong = |reason: String| StoreError::Location { found: location.to_owned(), reason };
        if !on {
            return Err(wrong(format!("the feature {feature} of med-store is off")));
        }
        let url = Url::parse(location).map_err(|e| wrong(e.to_string()))?;
        let (store, path) = object_store::parse_url_opts(&url, options).map_err(|e| wrong(e.to_string()))?;
        Self::with_store(Arc::new(PrefixStore::new(store, path)))
    }

    /// The address of a lake as others would name it: absolute, without user, password and options. A folder that is there is named
    /// without links.
    ///
    /// # Errors
    /// When it is no address, or the folder's path cannot be told.
    pub fn address_of(location: &str) -> Result<String> {
        let wrong = |reason: String| StoreError::Location { found: location.to_owned(), reason };
        let mut url = if location.contains("://") {
            Url::parse(location).map_err(|e| wrong(e.to_string()))?
        } else {
            let folder = std::fs::canonicalize(location).or_else(|_| std::path::absolute(location));
            let folder = folder.map_err(|e| wrong(e.to_string()))?;
            Url::from_file_path(folder).map_err(|()| wrong("not an absolute path of this machine".to_owned()))?
        };
        // Addresses without a host have neither.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.set_query(None);
        url.set_fragment(None);
        let text = String::from(url);
        Ok(text.strip_suffix('/').filter(|shorter| !shorter.ends_with('/')).map(str::to_owned).unwrap_or(text))
    }

    /// A lake that ends with the process.
    ///
    /// # Errors
    /// When the threads cannot be started.
    pub fn in_memory() -> Result<Self> {
        Self::with_store(Arc::new(InMemory::new()))
    }

    /// The lake at the root of this store (wrap it in [`object_store::prefix::PrefixStore`] for another root). The store
    /// must support put-if-absent, as all of object_store's do.
    ///
    /// A client of a server keeps connections, and those that a lake made end with it. Give lakes that come and go clients of
    /// their own.
    ///
    /// # Errors
    /// When the threads cannot be started.
    pub fn with_store(store: Arc<dyn ObjectStore>) -> Result<Self> {
        Ok(Self { engine: DeltaEngine::new(store, ColumnKeys::default())? })
    }

    /// This lake with keys: columns they name are encrypted in every Parquet file written from here on, and read where they
    /// are. A table is encrypted from its beginning or not at all; one that was made otherwise can be read and not written.
    ///
    /// # Errors
    /// When the threads cannot be started.
    #[cfg(feature = "encryption")]
    pub fn with_keys(self, keys: ColumnKeys) -> Result<Self> {
        Ok(Self { engine: DeltaEngine::new(Arc::clone(self.engine.store()), keys)? })
    }

    /// Opens a feature group, or defines it when there is none of this name and version.
    ///
    /// # Errors
    /// When it is there with other keys or another schema; the error lists all that differs.
    pub async fn feature_group(&self, definition: FeatureGroupDefinition) -> Result<FeatureGroup> {
        FeatureGroup::open_or_create(Arc::clone(&self.engine), definition).await
    }

    /// Opens a feature group that is there: this version of it, or the latest.
    ///
    /// # Errors
    /// When it is not there; the error lists those that are.
    pub async fn open_feature_group(&self, name: &str, version: Option<u32>) -> Result<FeatureGroup> {
        FeatureGroup::open(Arc::clone(&self.engine), name, version).await
    }

    /// All feature groups with their latest version and rows, by name.
    ///
    /// # Errors
    /// When the store fails or a definition is damaged.
    pub async fn ls(&self) -> Result<Vec<FeatureGroupListing>> {
        feature_group::list(&self.engine).await
    }

    /// Opens a feature view, or defines it when there is none of this name and version. Its groups must be there.
    ///
    /// # Errors
    /// When a group or column is not there, two columns have one name, or the view is there otherwise.
    pub async fn feature_view(&self, definition: FeatureViewDefinition) -> Result<FeatureView> {
        FeatureView::open_or_create(Arc::clone(&self.engine), definition).await
    }

    /// Opens a feature view that is there.
    ///
    /// # Errors
    /// When it is not there; the error lists those that are.
    pub async fn open_feature_view(&self, name: &str, version: u32) -> Result<FeatureView> {
        FeatureView::open(Arc::clone(&self.engine), name, version).await
    }

    /// Forgets a client: takes the client's rows from the feature group, from predictions and from quarantine, and, if asked for,
    /// erases frozen training sets that hold them. What is listed is everything that holds the client still, or did; the lake is
    /// read once for it. Former versions of the group keep the rows until a [`DeltaTable::vacuum`].
    ///
    /// # Errors
    /// When there is no such group, the client is not named by its primary key, or an object cannot be read: then what is before it
    /// is done, and doing it again completes it.
    pub async fn forget(&self, run: &RunId, asked: &Forget) -> Result<Forgotten> {
        forget::forget(&self.engine, run, asked).await
    }

    /// The lineage of what is in the lake.
    pub fn lineage(&self) -> LineageLog {
        LineageLog::new(Arc::clone(self.engine.store()))
    }

    /// A Delta table without keys, made if it is not there.
    ///
    /// # Errors
    /// When the name is not one or the store fails.
    pub async fn table(&self, name: &str, schema: &Schema) -> Result<DeltaTable> {
        self.partitioned_table(name, schema, &[]).await
    }

    /// As [`Lakehouse::table`], with a folder for each value of the columns `partition_by`, which are booleans, dates,
    /// integers or texts of few values.
    ///
    /// # Errors
    /// As there, and when a column is not fit or the table is there with other partitions.
    pub async fn partitioned_table(&self, name: &str, schema: &Schema, partition_by: &[String]) -> Result<DeltaTable> {
        layout::check_name("table", name)?;
        let engine = Arc::clone(&self.engine);
        DeltaTable::open_or_create(engine, layout::table(name), schema.clone(), partition_by).await
    }

    /// The result folders.
    pub fn results(&self) -> ResultFolder {
        ResultFolder::with_keys(Arc::clone(self.engine.store()), self.engine.keys().clone())
    }

    /// The model registry.
    pub fn registry(&self) -> ModelRegistry {
        ModelRegistry::new(Arc::clone(self.engine.store()))
    }

    /// The store it lies in.
    pub fn store(&self) -> &Arc<dyn ObjectStore> {
        self.engine.store()
    }

    pub(crate) fn engine(&self) -> &Arc<DeltaEngine> {
        &self.engine
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_absolute_and_hold_no_secrets() {
        let check = |location: &str, expected: &str| assert_eq!(Lakehouse::address_of(location).unwrap(), expected);
        check("s3://bucket/a%20folder/", "s3://bucket/a%20folder");
        check("s3://key:secret@bucket", "s3://bucket");
        check("az://container/lake?sig=secret#x", "az://container/lake");
        check("file:///some/lake/", "file:///some/lake");
        check("memory://", "memory://");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap();
        let found = Lakehouse::address_of(path.join("not there/./yet").to_str().unwrap()).unwrap();
        assert!(found.starts_with("file:///") && found.ends_with("/not%20there/yet"), "{found}");
        let here = Lakehouse::address_of(".").unwrap();
        assert!(here.starts_with("file:///") && !here.ends_with('.'), "{here}");
    }
}
