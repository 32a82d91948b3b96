//! What is kept of an erasure: that rows went, and from which content to which, so that what is left is not taken for damaged
//! and what was there is not written again.

use med_schema::{Fingerprint, RunId};
use object_store::ObjectStore;
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use crate::{Result, layout, object, sealed};

/// Lies beside the object. It names no client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Erasure {
    /// The deed that took rows last.
    pub(crate) run: RunId,
    /// Rows that went, all deeds together.
    pub(crate) rows: u64,
    /// What the object held before, the oldest first.
    pub(crate) former: Vec<Fingerprint>,
    /// What is left; nothing when the object itself went.
    pub(crate) now: Option<Fingerprint>,
}

impl Erasure {
    /// That of an object, if rows of it were erased.
    pub(crate) async fn of(store: &dyn ObjectStore, object: &Path) -> Result<Option<Self>> {
        let path = path(object);
        match object::get(store, &path).await? {
            Some(bytes) => sealed::unseal(&path, &bytes).map(Some),
            None => Ok(None),
        }
    }

    /// Notes a deed; before it is done.
    pub(crate) async fn note(
        store: &dyn ObjectStore,
        object: &Path,
        run: &RunId,
        rows: u64,
        former: Fingerprint,
        now: Option<Fingerprint>,
    ) -> Result<()> {
        let before = Self::of(store, object).await?;
        let (mut all, counted) = before.map_or_else(Default::default, |before| (before.former, before.rows));
        // A deed that was killed is noted already.
        let again = all.last() == Some(&former);
        if !again {
            all.push(former);
        }
        let noted = Self { run: run.clone(), rows: if again { counted } else { counted + rows }, former: all, now };
        let path = path(object);
        object::put(store, &path, sealed::seal(path.as_ref(), &noted)?).await
    }
}

fn path(object: &Path) -> Path {
    Path::from(format!("{object}{}", layout::ERASED))
}
