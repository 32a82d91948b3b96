//! The four things done to single objects, with errors that name the object.

use bytes::Bytes;
use futures::TryStreamExt;
use med_schema::Fingerprint;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutPayload};

use crate::{Result, StoreError};

pub(crate) fn failed(action: &'static str, object: &Path) -> impl Fn(object_store::Error) -> StoreError {
    let object = object.to_string();
    move |source| {
        damage(&source).unwrap_or_else(|| StoreError::Object {
            action,
            object: object.clone(),
            source: Box::new(source),
        })
    }
}

/// What the log said of a damaged object of it.
pub(crate) fn damage(error: &object_store::Error) -> Option<StoreError> {
    match error {
        object_store::Error::Generic { source, .. } => source.downcast_ref::<StoreError>()?.damage(),
        _ => None,
    }
}

/// The content, or `None` when there is no such object.
pub(crate) async fn get(store: &dyn ObjectStore, path: &Path) -> Result<Option<Bytes>> {
    match store.get(path).await {
        Ok(found) => Ok(Some(found.bytes().await.map_err(failed("read", path))?)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(failed("read", path)(error)),
    }
}

/// The content, which must have this fingerprint; `None` when there is no such object.
pub(crate) async fn get_verified(store: &dyn ObjectStore, path: &Path, expected: Fingerprint) -> Result<Option<Bytes>> {
    let Some(bytes) = get(store, path).await? else { return Ok(None) };
    verify(path, &bytes, expected)?;
    Ok(Some(bytes))
}

pub(crate) fn verify(path: &Path, bytes: &[u8], expected: Fingerprint) -> Result<()> {
    let found = Fingerprint::of(bytes);
    if found == expected { Ok(()) } else { Err(StoreError::Corrupt { object: path.to_string(), expected, found }) }
}

/// Writes the object, whether it was there or not. Readers see the former content or the new one.
pub(crate) async fn put(store: &dyn ObjectStore, path: &Path, bytes: Bytes) -> Result<()> {
    store.put(path, PutPayload::from_bytes(bytes)).await.map_err(failed("write", path))?;
    Ok(())
}

/// Writes the object unless it is there; false when it is.
pub(crate) async fn put_new(store: &dyn ObjectStore, path: &Path, bytes: Bytes) -> Result<bool> {
    match store.put_opts(path, PutPayload::from_bytes(bytes), PutMode::Create.into()).await {
        Ok(_) => Ok(true),
        Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
        Err(error) => Err(failed("create", path)(error)),
    }
}

/// Takes the object away, if it is there.
pub(crate) async fn delete(store: &dyn ObjectStore, path: &Path) -> Result<()> {
    match store.delete(path).await {
        Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(failed("delete", path)(error)),
    }
}

/// Names of the folders directly under this one, in ascending order.
pub(crate) async fn folders(store: &dyn ObjectStore, path: &Path) -> Result<Vec<String>> {
    let listed = store.list_with_delimiter(Some(path)).await.map_err(failed("list", path))?;
    let mut names: Vec<String> = listed.common_prefixes.iter().filter_map(|p| Some(p.filename()?.to_owned())).collect();
    names.sort_unstable();
    Ok(names)
}

/// Objects anywhere under this folder, by path.
pub(crate) async fn objects(store: &dyn ObjectStore, path: &Path) -> Result<Vec<ObjectMeta>> {
    let mut found: Vec<ObjectMeta> = store.list(Some(path)).try_collect().await.map_err(failed("list", path))?;
    found.sort_unstable_by(|a, b| a.location.cmp(&b.location));
    Ok(found)
}
