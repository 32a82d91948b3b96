//! Result folders: what a run leaves behind, by kind and run id.
//!
//! Each object has its BLAKE3 digest beside it in `<name>.blake3`, in the format of `b3sum`, so that
//! `b3sum --check *.blake3` verifies a folder by hand. The digest is written last: an object without one is the
//! leftover of a killed run and is not there.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use med_schema::{Fingerprint, RunId, Table};
use object_store::ObjectStore;
use object_store::path::Path;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::encryption::ColumnKeys;
use crate::erasure::Erasure;
use crate::layout::{self, DIGEST};
use crate::{Result, StoreError, object, parquet};

/// What a result is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ResultKind {
    /// Fitted models.
    Models,
    /// What they score.
    Metrics,
    /// Reports on tables.
    DataQualityChecks,
    /// Reports on models.
    ModelQualityChecks,
    /// Reports on drift.
    Drift,
    /// Batch predictions.
    Predictions,
    /// Rows that a gate turned back.
    Quarantine,
    /// Summaries of whole runs.
    Runs,
}

impl ResultKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Models,
        Self::Metrics,
        Self::DataQualityChecks,
        Self::ModelQualityChecks,
        Self::Drift,
        Self::Predictions,
        Self::Quarantine,
        Self::Runs,
    ];

    /// The folder it lies in.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Models => "models",
            Self::Metrics => "metrics",
            Self::DataQualityChecks => "data_quality_checks",
            Self::ModelQualityChecks => "model_quality_checks",
            Self::Drift => "drift",
            Self::Predictions => "predictions",
            Self::Quarantine => "quarantine",
            Self::Runs => "runs",
        }
    }
}

impl fmt::Display for ResultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.folder())
    }
}

/// A result that is in its folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Written {
    /// Its path in the lake.
    pub path: String,
    /// Its content.
    pub fingerprint: Fingerprint,
    /// Whether it was there before, so that nothing was written.
    pub existed: bool,
}

/// The result folders of a lake. A run id names its content: writing the same again changes nothing, writing other
/// content under the same run and name is refused.
#[derive(Debug, Clone)]
pub struct ResultFolder {
    store: Arc<dyn ObjectStore>,
    keys: ColumnKeys,
}

impl ResultFolder {
    /// The folders at the root of this store.
    pub fn new(store: Arc<dyn ObjectStore>) -> Self {
        Self::with_keys(store, ColumnKeys::default())
    }

    pub(crate) fn with_keys(store: Arc<dyn ObjectStore>, keys: ColumnKeys) -> Self {
        Self { store, keys }
    }

    /// Writes a value as indented JSON.
    ///
    /// # Errors
    /// When the name is not one, the value cannot be JSON, other content is there, or the store fails.
    pub async fn put_json(
        &self,
        kind: ResultKind,
        run: &RunId,
        name: &str,
        value: &(impl Serialize + Sync + ?Sized),
    ) -> Result<Written> {
        let mut json = serde_json::to_vec_pretty(value)
            .map_err(|e| StoreError::Encode { what: format!("{kind}/{run}/{name}"), source: e.into() })?;
        json.push(b'\n');
        self.put_bytes(kind, run, name, json.into()).await
    }

    /// Writes a table as Parquet with its schema in it.
    ///
    /// # Errors
    /// As [`ResultFolder::put_bytes`].
    pub async fn put_table(&self, kind: ResultKind, run: &RunId, name: &str, table: &Table) -> Result<Written> {
        let (path, digest_path) = self.paths(kind, run, name)?;
        // Encrypted columns are other bytes each time: their content is compared.
        if !self.keys.among(table.schema().names()).is_empty()
            && let Some(fingerprint) = self.recorded(&digest_path).await?
            && let Some(bytes) = object::get(&*self.store, &path).await?
            && Fingerprint::of(&bytes) == fingerprint
        {
            // Of rows that were erased no digest tells which they were.
            if !Erasure::all(&*self.store, &path).await?.is_empty() {
                return Ok(Written { path: path.to_string(), fingerprint, existed: true });
            }
            let there = parquet::read_table(&path, bytes, &self.keys)?;
            if there.schema() == table.schema() && there.frame().equals_missing(table.frame()) {
                return Ok(Written { path: path.to_string(), fingerprint, existed: true });
            }
        }
        self.put_bytes(kind, run, name, parquet::write_table(table, &self.keys)?).await
    }

    /// Writes bytes.
    ///
    /// # Errors
    /// When the name is not one, other content is there, or the store fails.
    pub async fn put_bytes(&self, kind: ResultKind, run: &RunId, name: &str, bytes: Bytes) -> Result<Written> {
        let (path, digest_path) = self.paths(kind, run, name)?;
        let fingerprint = Fingerprint::of(&bytes);
        let written = |existed| Written { path: path.to_string(), fingerprint, existed };
        if let Some(recorded) = self.recorded(&digest_path).await? {
            let erased = Erasure::all(&*self.store, &path).await?;
            if erased.iter().any(|deed| deed.former == fingerprint) {
                // What was forgotten is not brought back by a run that comes again.
                return Ok(Written { path: path.to_string(), fingerprint: recorded, existed: true });
            }
            self.refuse_other(&path, recorded, fingerprint)?;
            let there = object::get(&*self.store, &path).await?;
            if there.is_some_and(|there| Fingerprint::of(there) == fingerprint) {
                return Ok(written(true));
            }
            // Lost or damaged since; what is offered is what was recorded.
            object::put(&*self.store, &path, bytes).await?;
            return Ok(written(false));
        }
        object::put(&*self.store, &path, bytes).await?;
        let line = format!("{fingerprint}  {name}\n");
        if !object::put_new(&*self.store, &digest_path, line.into()).await?
            && let Some(recorded) = self.recorded(&digest_path).await?
        {
            self.refuse_other(&path, recorded, fingerprint)?;
        }
        Ok(written(false))
    }

    /// Reads a JSON result.
    ///
    /// # Errors
    /// As [`ResultFolder::get_bytes`], and when it is not JSON of this form.
    pub async fn get_json<T: DeserializeOwned>(&self, kind: ResultKind, run: &RunId, name: &str) -> Result<T> {
        let bytes = self.get_bytes(kind, run, name).await?;
        serde_json::from_slice(&bytes)
            .map_err(|e| StoreError::Malformed { object: format!("{kind}/{run}/{name}"), source: e.into() })
    }

    /// Reads a table.
    ///
    /// # Errors
    /// As [`ResultFolder::get_bytes`], and when it is not a table written by [`ResultFolder::put_table`].
    pub async fn get_table(&self, kind: ResultKind, run: &RunId, name: &str) -> Result<Table> {
        let bytes = self.get_bytes(kind, run, name).await?;
        parquet::read_table(&layout::run_results(kind, run).join(name), bytes, &self.keys)
    }

    /// Reads bytes and verifies them against their digest.
    ///
    /// # Errors
    /// When there is no such result (the error lists those of the run), or a byte is not as it was written.
    pub async fn get_bytes(&self, kind: ResultKind, run: &RunId, name: &str) -> Result<Bytes> {
        let (path, digest_path) = self.paths(kind, run, name)?;
        if let Some(recorded) = self.recorded(&digest_path).await?
            && let Some(bytes) = object::get(&*self.store, &path).await?
        {
            return match object::verify(&path, &bytes, recorded) {
                Ok(()) => Ok(bytes),
                // An erasure that was killed before its last step.
                Err(error) => Erasure::completed(&*self.store, &path, &bytes).await?.ok_or(error),
            };
        }
        let near = self.names(kind, run).await?;
        Err(StoreError::NotFound { what: "result", name: path.to_string(), near })
    }

    /// Puts what `keep` leaves of a table in its place; `None` leaves it alone. How many rows went. The former content is noted
    /// first, so that the new one is not taken for damaged and the former is not written again.
    pub(crate) async fn erase(
        &self,
        kind: ResultKind,
        run: &RunId,
        name: &str,
        deed: &RunId,
        keep: impl Fn(&Table) -> Result<Option<Table>>,
    ) -> Result<u64> {
        let (path, digest_path) = self.paths(kind, run, name)?;
        let bytes = self.get_bytes(kind, run, name).await?;
        let former = Fingerprint::of(&bytes);
        let table = parquet::read_table(&path, bytes.clone(), &self.keys)?;
        let recorded = object::get(&*self.store, &digest_path).await?;
        let line = |content: &[u8]| Bytes::from(format!("{}  {name}\n", Fingerprint::of(content)));
        let (rows, left) = match keep(&table)? {
            Some(kept) => {
                let left = parquet::write_table(&kept, &self.keys)?;
                let rows = (table.n_rows() - kept.n_rows()) as u64;
                let deed = Erasure { run: deed.clone(), rows, former, now: Some(Fingerprint::of(&left)) };
                deed.note(&*self.store, &path, Some(&left)).await?;
                (rows, Some(left))
            }
            // A killed deed left the former digest, and perhaps half of the content.
            None => (0, (recorded.as_ref() != Some(&line(&bytes))).then_some(bytes)),
        };
        if let Some(left) = left {
            let line = line(&left);
            object::put(&*self.store, &path, left).await?;
            object::put(&*self.store, &digest_path, line).await?;
        }
        Erasure::done(&*self.store, &path).await?;
        Ok(rows)
    }

    /// The runs that left results of this kind, in ascending order.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn runs(&self, kind: ResultKind) -> Result<Vec<RunId>> {
        let folders = object::folders(&*self.store, &layout::results(kind)).await?;
        Ok(folders.iter().filter_map(|folder| folder.parse().ok()).collect())
    }

    /// The results of this kind that a run left, in ascending order.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn names(&self, kind: ResultKind, run: &RunId) -> Result<Vec<String>> {
        let objects = object::objects(&*self.store, &layout::run_results(kind, run)).await?;
        let name = |path: &Path| Some(path.filename()?.strip_suffix(DIGEST)?.to_owned());
        Ok(objects.iter().filter_map(|meta| name(&meta.location)).collect())
    }

    fn paths(&self, kind: ResultKind, run: &RunId, name: &str) -> Result<(Path, Path)> {
        layout::check_name("result", name)?;
        let folder = layout::run_results(kind, run);
        Ok((folder.clone().join(name), folder.join(format!("{name}{DIGEST}"))))
    }

    async fn recorded(&self, digest_path: &Path) -> Result<Option<Fingerprint>> {
        let Some(line) = object::get(&*self.store, digest_path).await? else { return Ok(None) };
        let malformed = |source| StoreError::Malformed { object: digest_path.to_string(), source };
        let text = std::str::from_utf8(&line).map_err(|e| malformed(e.into()))?;
        let digest = text.split_whitespace().next().unwrap_or_default();
        match digest.parse::<Fingerprint>() {
            Ok(digest) => Ok(Some(digest)),
            // Half a digest of an erasure, which is completed when it is done again.
            Err(error) => {
                let object = digest_path.as_ref().strip_suffix(DIGEST).unwrap_or_default();
                let erased = Erasure::all(&*self.store, &Path::from(object)).await?;
                erased.iter().find_map(|deed| deed.now).map(Some).ok_or_else(|| malformed(error.into()))
            }
        }
    }

    fn refuse_other(&self, path: &Path, expected: Fingerprint, found: Fingerprint) -> Result<()> {
        if expected == found { Ok(()) } else { Err(StoreError::Occupied { object: path.to_string(), expected, found }) }
    }
}
