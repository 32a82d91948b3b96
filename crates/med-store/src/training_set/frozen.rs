//! The file of a part of a training set, and its end.

use med_schema::{Fingerprint, RunId};
use object_store::ObjectStoreExt;
use object_store::path::Path;

use super::{TrainingPart, TrainingSetManifest, data, manifest, numbers};
use crate::delta::DeltaEngine;
use crate::erasure::Erasure;
use crate::{Result, StoreError, layout, object};

/// One part; several sets may share it.
#[derive(Debug)]
pub(crate) struct Frozen {
    pub(crate) path: Path,
    rows: u64,
    content: Fingerprint,
}

impl Frozen {
    pub(crate) fn of(manifest: &TrainingSetManifest, part: &TrainingPart) -> Self {
        let folder = layout::training_sets(&manifest.view, manifest.view_version);
        Self { path: data(&folder, part.fingerprint), rows: part.rows, content: part.fingerprint }
    }

    /// All training sets of the lake.
    pub(crate) async fn manifests(engine: &DeltaEngine) -> Result<Vec<TrainingSetManifest>> {
        let root = Path::from(layout::TRAINING_SETS);
        let mut manifests = Vec::new();
        for view in object::folders(&**engine.store(), &root).await? {
            let folder = root.clone().join(view);
            for number in numbers(engine, &folder).await? {
                manifests.push(manifest(engine, &folder, number).await?);
            }
        }
        Ok(manifests)
    }

    /// Deletes the file, and leaves a note of it. The manifests stay: they hold no key.
    pub(crate) async fn erase(&self, engine: &DeltaEngine, run: &RunId) -> Result<()> {
        let store = &**engine.store();
        let deed = Erasure { run: run.clone(), rows: self.rows, former: self.content, now: None };
        deed.note(store, &self.path, None).await?;
        object::delete(store, &self.path).await
    }

    /// The error that says so, if the file was erased.
    pub(crate) async fn erased(&self, engine: &DeltaEngine) -> Result<Option<StoreError>> {
        let erasure = Erasure::all(&**engine.store(), &self.path).await?.pop();
        Ok(erasure.map(|erasure| StoreError::Erased { object: self.path.to_string(), run: erasure.run }))
    }

    /// # Errors
    /// When the file was erased, and not frozen anew since.
    pub(super) async fn is_there(&self, engine: &DeltaEngine) -> Result<()> {
        match self.erased(engine).await? {
            Some(erased)
                if matches!(engine.store().head(&self.path).await, Err(object_store::Error::NotFound { .. })) =>
            {
                Err(erased)
            }
            _ => Ok(()),
        }
    }
}
