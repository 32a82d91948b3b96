//! What is kept of an erasure: that rows went, and from which content to which, so that what is left is not taken for damaged
//! and what was there is not written again.
//!
//! Each deed is a sealed document of its own, `<object>.erased/<former>-<now>.json`, written before the deed and never again, so that no
//! half of it is ever seen. What is to be left lies beside it as `<now>.parquet` until it is in its place. Neither names a client.

use bytes::Bytes;
use med_schema::{Fingerprint, RunId};
use object_store::ObjectStore;
use object_store::path::Path;
use serde::{Deserialize, Serialize};

use crate::{Result, layout, object, sealed};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Erasure {
    /// The deed.
    pub(crate) run: RunId,
    /// Rows that went.
    pub(crate) rows: u64,
    /// What the object held before.
    pub(crate) former: Fingerprint,
    /// What is left; nothing when the object itself went.
    pub(crate) now: Option<Fingerprint>,
}

impl Erasure {
    /// Those of an object.
    pub(crate) async fn all(store: &dyn ObjectStore, object: &Path) -> Result<Vec<Self>> {
        let mut all = Vec::new();
        for meta in object::objects(store, &folder(object)).await? {
            if meta.location.as_ref().ends_with(".json")
                && let Some(bytes) = object::get(store, &meta.location).await?
            {
                all.push(sealed::unseal(&meta.location, &bytes)?);
            }
        }
        Ok(all)
    }

    /// Notes a deed before it is done, with what it is to leave.
    pub(crate) async fn note(&self, store: &dyn ObjectStore, object: &Path, left: Option<&Bytes>) -> Result<()> {
        if let (Some(now), Some(left)) = (self.now, left) {
            object::put_new(store, &copy(object, now), left.clone()).await?;
        }
        let now = self.now.map_or_else(|| "nothing".to_owned(), |now| now.to_string());
        let path = folder(object).join(format!("{}-{now}.json", self.former));
        object::put_new(store, &path, sealed::seal(path.as_ref(), self)?).await?;
        Ok(())
    }

    /// What the object is to hold, when a deed was killed half-way: `found` stands in its place.
    pub(crate) async fn completed(store: &dyn ObjectStore, object: &Path, found: &Bytes) -> Result<Option<Bytes>> {
        let all = Self::all(store, object).await?;
        let content = Fingerprint::of(found);
        if all.iter().any(|deed| deed.now == Some(content)) {
            return Ok(Some(found.clone()));
        }
        for now in all.iter().filter_map(|deed| deed.now) {
            if let Some(left) = object::get_verified(store, &copy(object, now), now).await? {
                return Ok(Some(left));
            }
        }
        Ok(None)
    }

    /// Takes away what was laid beside an object that holds it now.
    pub(crate) async fn done(store: &dyn ObjectStore, object: &Path) -> Result<()> {
        for meta in object::objects(store, &folder(object)).await? {
            if meta.location.as_ref().ends_with(".parquet") {
                object::delete(store, &meta.location).await?;
            }
        }
        Ok(())
    }
}

fn folder(object: &Path) -> Path {
    Path::from(format!("{object}{}", layout::ERASED))
}

fn copy(object: &Path, content: Fingerprint) -> Path {
    folder(object).join(format!("{content}.parquet"))
}
