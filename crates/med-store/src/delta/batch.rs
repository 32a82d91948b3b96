//! What a write is called, and how far its source had been read.

use std::collections::BTreeMap;

use bytes::Bytes;
use med_schema::RunId;
use object_store::path::Path;
use serde_json::Value;

/// One batch: the run that writes it and the watermarks that become true with it.
///
/// A run writes to a table once; a batch of a run that is in the table already changes nothing. For most writes the
/// run is all there is to say, and a `&RunId` is a batch. A run that writes one table several times gives each its own
/// run id.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    pub(crate) run: RunId,
    pub(crate) watermarks: BTreeMap<String, Value>,
    /// Objects written before the commit, and only if there is one.
    pub(crate) attached: Vec<(Path, Bytes)>,
}

impl Batch {
    /// The batch of this run, without watermarks.
    pub fn new(run: RunId) -> Self {
        Self { run, watermarks: BTreeMap::new(), attached: Vec::new() }
    }

    /// With the watermark of `domain`, the source that was read up to it. It is committed together with the rows: a
    /// reader sees both or neither. A domain has one watermark, the latest. `med.definition` is the lake's own, the definition
    /// of a feature group that has evolved.
    #[must_use]
    pub fn with_watermark(mut self, domain: impl Into<String>, value: Value) -> Self {
        self.watermarks.insert(domain.into(), value);
        self
    }

    /// The run.
    pub fn run(&self) -> &RunId {
        &self.run
    }
}

impl From<&RunId> for Batch {
    fn from(run: &RunId) -> Self {
        Self::new(run.clone())
    }
}

impl From<RunId> for Batch {
    fn from(run: RunId) -> Self {
        Self::new(run)
    }
}
