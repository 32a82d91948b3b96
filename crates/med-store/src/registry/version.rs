//! What is registered.

use bytes::Bytes;
use med_schema::{Admitted, FeatureSchema, Fingerprint, Lineage, Report, Version};
use object_store::path::Path;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Result;

/// A fitted model as it is handed to the registry.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelArtifact {
    /// The model file.
    pub bytes: Bytes,
    /// What it scores, by name; nested by data set where there are several.
    pub metrics: Map<String, Value>,
    /// The features it takes.
    pub signature: FeatureSchema,
    /// Which run made it, from what.
    pub lineage: Lineage,
}

/// A registered model: everything but its bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelVersion {
    /// Name of the model.
    pub name: String,
    /// Its number, from 1.
    pub version: Version,
    /// Content of the model file.
    pub fingerprint: Fingerprint,
    /// Bytes of the model file.
    pub size: u64,
    /// What it scores.
    pub metrics: Map<String, Value>,
    /// The features it takes.
    pub signature: FeatureSchema,
    /// Which run made it, from what.
    pub lineage: Lineage,
    /// The report that admitted it.
    pub report: Report,
}

impl ModelVersion {
    /// Version 0 until it has been given a number.
    pub(super) fn new(name: &str, artifact: &Admitted<ModelArtifact>) -> Self {
        let ModelArtifact { bytes, metrics, signature, lineage } = artifact.value();
        Self {
            name: name.to_owned(),
            version: Version(0),
            fingerprint: Fingerprint::of(bytes),
            size: bytes.len() as u64,
            metrics: metrics.clone(),
            signature: signature.clone(),
            lineage: lineage.clone(),
            report: artifact.report().clone(),
        }
    }
}

pub(super) fn check_bytes(path: &Path, bytes: Bytes, expected: Fingerprint) -> Result<Bytes> {
    crate::object::verify(path, &bytes, expected)?;
    Ok(bytes)
}
