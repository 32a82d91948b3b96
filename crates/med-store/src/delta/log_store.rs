//! The store as the kernel sees it: listings are sorted, and the log is verified.
//!
//! **Order.** The kernel reads a log in the order in which it is listed. Object stores list by name; a local folder lists in
//! any order, and the kernel sorts only what lies under a `file:` address of the machine, which a lake, having its own root,
//! does not use.
//!
//! **Verification.** All that is read or written of a `_delta_log/` passes here. Entries and `_last_checkpoint` get digests when
//! they are written and are compared with them on each reading ([`sealed_log`]). A checkpoint is a Parquet file that readers take
//! in pieces: the digest of one that we write is the name of a small object, `_med/checkpoints/<checkpoint>/<size>-<blake3>`,
//! written before it. Before a piece of a checkpoint is read it is read whole and compared, once for as long as the store says that it
//! is the same object. A checkpoint of another size than any we wrote under its name is another writer's, put in the place of ours.
//!
//! **The chain.** An entry of ours names the digest of the one before. What was read of a log is remembered for a while, so that both
//! are compared in whatever order they are read, without a request for it. When they differ by what is remembered, both
//! are looked at again before anything is called damaged: the table may have been taken away and made anew.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use med_schema::Fingerprint;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};

use super::sealed_log;
use crate::{StoreError, layout};

/// What is remembered of logs at a time, in entries; twice as much at most.
const REMEMBERED: usize = 4096;
/// A checkpoint that changes under a reader that often is not one.
const ATTEMPTS: u32 = 8;

#[derive(Debug)]
pub(crate) struct LogStore {
    inner: Arc<dyn ObjectStore>,
    seen: Mutex<Seen>,
}

/// What was read, so that it need not be read again.
#[derive(Debug, Default)]
struct Seen {
    recent: HashMap<Path, Link>,
    former: HashMap<Path, Link>,
    /// Checkpoints that were verified, as the store described them then.
    checkpoints: HashMap<Path, ObjectMeta>,
}

/// What is known of an entry: the digest of what it holds, and the one that the entry after it expects.
#[derive(Debug, Default, Clone, Copy)]
struct Link {
    found: Option<Fingerprint>,
    expected: Option<Fingerprint>,
}

impl Seen {
    fn link(&mut self, entry: &Path) -> &mut Link {
        if !self.recent.contains_key(entry) && self.recent.len() >= REMEMBERED {
            self.former = std::mem::take(&mut self.recent);
        }
        let former = self.former.get(entry).copied().unwrap_or_default();
        self.recent.entry(entry.clone()).or_insert(former)
    }

    fn verified(&mut self, checkpoint: &Path, meta: &ObjectMeta) {
        if self.checkpoints.len() >= REMEMBERED {
            self.checkpoints.clear();
        }
        self.checkpoints.insert(checkpoint.clone(), meta.clone());
    }
}

/// What an object of a log is.
enum Part {
    Entry(u64),
    Hint,
    Checkpoint,
    Other,
}

fn part(path: &Path) -> Part {
    let mut parts: Vec<_> = path.parts().collect();
    let (name, folder) = (parts.pop(), parts.pop());
    if folder.is_none_or(|folder| folder.as_ref() != LOG) {
        return Part::Other;
    }
    let name = name.as_ref().map_or("", |name| name.as_ref());
    if let Some(number) = layout::number_of(path) {
        return Part::Entry(number);
    }
    match name.split_once(".checkpoint.") {
        _ if name == "_last_checkpoint" => Part::Hint,
        Some((number, rest)) if number.len() == 20 && rest.ends_with("parquet") => Part::Checkpoint,
        _ => Part::Other,
    }
}

const LOG: &str = "_delta_log";

/// The log of a table.
pub(crate) fn log_of(table: &Path) -> Path {
    table.clone().join(LOG)
}

/// Where the digests of a checkpoint lie.
fn digests_of(checkpoint: &Path) -> Path {
    let parts: Vec<_> = checkpoint.parts().collect();
    let (table, name) = (parts.len().saturating_sub(2), parts.last().cloned());
    Path::from_iter(parts.into_iter().take(table)).join("_med").join("checkpoints").join(name.unwrap_or_default())
}

fn refused(error: StoreError) -> object_store::Error {
    object_store::Error::Generic { store: "log", source: error.into() }
}

fn same(a: &ObjectMeta, b: &ObjectMeta) -> bool {
    (a.size, a.last_modified, &a.e_tag) == (b.size, b.last_modified, &b.e_tag)
}

impl LogStore {
    pub(crate) fn new(inner: Arc<dyn ObjectStore>) -> Self {
        Self { inner, seen: Mutex::default() }
    }

    /// A thread that panicked here left what it knew, and no less is true of it.
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn bytes(&self, path: &Path) -> Result<Option<Bytes>> {
        match self.inner.get(path).await {
            Ok(found) => found.bytes().await.map(Some),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A verified entry, or hint.
    async fn whole(&self, path: &Path, number: Option<u64>, how: GetOptions) -> Result<GetResult> {
        let found = self.inner.get_opts(path, how).await?;
        let (meta, range) = (found.meta.clone(), found.range.clone());
        let (attributes, extensions) = (found.attributes.clone(), found.extensions.clone());
        let bytes = found.bytes().await?;
        match number {
            Some(number) => self.verify_entry(path, number, &bytes).await?,
            None => sealed_log::verify_hint(path, &bytes).map_err(refused)?,
        }
        let payload = GetResultPayload::Stream(stream::once(async { Ok(bytes) }).boxed());
        Ok(GetResult { payload, meta, range, attributes, extensions })
    }

    async fn verify_entry(&self, path: &Path, number: u64, entry: &[u8]) -> Result<()> {
        let found = Fingerprint::of(entry);
        let previous = sealed_log::verify_entry(path, entry).map_err(refused)?;
        let expected = {
            let mut seen = self.seen();
            let link = seen.link(path);
            link.found = Some(found);
            link.expected
        };
        if expected.is_some_and(|expected| expected != found) {
            // What is remembered may be of a table that is no more.
            let after = neighbour(path, number.checked_add(1));
            let expected = match &after {
                Some(after) => match self.bytes(after).await? {
                    Some(entry) => sealed_log::verify_entry(after, &entry).map_err(refused)?,
                    None => None,
                },
                None => None,
            };
            self.seen().link(path).expected = expected;
            compare(path, expected, found)?;
        }
        let (Some(previous), Some(before)) = (previous, neighbour(path, number.checked_sub(1))) else { return Ok(()) };
        let known = {
            let mut seen = self.seen();
            let link = seen.link(&before);
            link.expected = Some(previous);
            link.found
        };
        if known.is_some_and(|known| known != previous)
            && let Some(entry) = self.bytes(&before).await?
        {
            let found = Fingerprint::of(&entry);
            self.seen().link(&before).found = Some(found);
            compare(&before, Some(previous), found)?;
        }
        Ok(())
    }

    async fn put_entry(&self, to: &Path, number: u64, bytes: PutPayload, how: PutOptions) -> Result<PutResult> {
        let mut previous = None;
        // Read anew: what is remembered may be of a table that is no more. Behind a checkpoint it may have been cleared away.
        if let Some(before) = neighbour(to, number.checked_sub(1))
            && let Some(entry) = self.bytes(&before).await?
        {
            let found = Fingerprint::of(&entry);
            let known = self.seen().link(&before).found.replace(found);
            compare(&before, known, found)?;
            previous = Some(found);
        }
        let entry = sealed_log::seal_entry(to, &Bytes::from(bytes), previous).map_err(refused)?;
        self.inner.put_opts(to, entry.into(), how).await
    }

    /// Writes a checkpoint unless there is one: it would say the same, and someone may be reading it.
    async fn put_checkpoint(&self, to: &Path, bytes: PutPayload, mut how: PutOptions) -> Result<PutResult> {
        let mut hasher = blake3::Hasher::new();
        for chunk in &bytes {
            hasher.update(chunk);
        }
        put_digest(&*self.inner, to, bytes.content_length() as u64, &hasher).await?;
        how.mode = PutMode::Create;
        match self.inner.put_opts(to, bytes, how).await {
            Err(object_store::Error::AlreadyExists { .. }) => {
                let there = self.inner.head(to).await?;
                Ok(PutResult { e_tag: there.e_tag, version: there.version, extensions: Default::default() })
            }
            other => other,
        }
    }

    /// A piece of a checkpoint, of the object that was compared with its digest.
    async fn piece(&self, path: &Path, how: GetOptions) -> Result<GetResult> {
        for _ in 0..ATTEMPTS {
            let found = self.inner.get_opts(path, how.clone()).await?;
            let known = self.seen().checkpoints.get(path).is_some_and(|known| same(known, &found.meta));
            if known {
                return Ok(found);
            }
            self.verify_checkpoint(path).await?;
        }
        let source = "it is replaced again and again while it is read".into();
        Err(refused(StoreError::Malformed { object: path.to_string(), source }))
    }

    async fn verify_checkpoint(&self, path: &Path) -> Result<()> {
        let whole = self.inner.get(path).await?;
        let (meta, mut chunks) = (whole.meta.clone(), whole.into_stream());
        let (mut hasher, mut size) = (blake3::Hasher::new(), 0);
        while let Some(chunk) = chunks.try_next().await? {
            hasher.update(&chunk);
            size += chunk.len() as u64;
        }
        // After the content: who puts another checkpoint there writes its digest first.
        let digests = digests_of(path);
        let listed: Vec<ObjectMeta> = self.inner.list(Some(&digests)).try_collect().await?;
        let mut expected = listed.iter().filter_map(|meta| {
            let (of_size, digest) = meta.location.filename()?.split_once('-')?;
            (of_size.parse() == Ok(size)).then(|| digest.parse::<Fingerprint>().ok()).flatten()
        });
        if let (Some(first), Some(found)) = (expected.next(), sealed_log::fingerprint(&hasher.finalize()))
            && first != found
            && !expected.any(|other| other == found)
        {
            return Err(refused(StoreError::Corrupt { object: path.to_string(), expected: first, found }));
        }
        self.seen().verified(path, &meta);
        Ok(())
    }
}

fn compare(entry: &Path, expected: Option<Fingerprint>, found: Fingerprint) -> Result<()> {
    match expected {
        Some(expected) if expected != found => {
            Err(refused(StoreError::Corrupt { object: entry.to_string(), expected, found }))
        }
        _ => Ok(()),
    }
}

/// The entry of this number in the same log.
fn neighbour(entry: &Path, number: Option<u64>) -> Option<Path> {
    let parts: Vec<_> = entry.parts().collect();
    let log = Path::from_iter(parts.iter().take(parts.len().saturating_sub(1)).cloned());
    number.map(|number| layout::numbered(&log, number))
}

/// Says what a checkpoint is to hold, in the format of `b3sum`. The name is what counts.
async fn put_digest(store: &dyn ObjectStore, checkpoint: &Path, size: u64, hasher: &blake3::Hasher) -> Result<()> {
    let digest = hasher.finalize().to_hex();
    let line = format!("{digest}  {}\n", checkpoint.filename().unwrap_or_default());
    store.put(&digests_of(checkpoint).join(format!("{size}-{digest}")), line.into()).await?;
    Ok(())
}

/// A large checkpoint on its way. Its parts are hashed in the order in which they are handed over, which is theirs.
#[derive(Debug)]
struct Hashed {
    upload: Box<dyn MultipartUpload>,
    store: Arc<dyn ObjectStore>,
    checkpoint: Path,
    hasher: blake3::Hasher,
    size: u64,
}

impl MultipartUpload for Hashed {
    fn put_part(&mut self, bytes: PutPayload) -> UploadPart {
        for chunk in &bytes {
            self.hasher.update(chunk);
        }
        self.size += bytes.content_length() as u64;
        self.upload.put_part(bytes)
    }

    fn complete<'a, 't>(&'a mut self) -> Pending<'t, PutResult>
    where
        'a: 't,
        Self: 't,
    {
        Box::pin(async move {
            put_digest(&*self.store, &self.checkpoint, self.size, &self.hasher).await?;
            self.upload.complete().await
        })
    }

    fn abort<'a, 't>(&'a mut self) -> Pending<'t, ()>
    where
        'a: 't,
        Self: 't,
    {
        self.upload.abort()
    }
}

impl fmt::Display for LogStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

fn sorted(listing: BoxStream<'static, Result<ObjectMeta>>) -> BoxStream<'static, Result<ObjectMeta>> {
    let collected = async move {
        let mut found: Vec<ObjectMeta> = listing.try_collect().await?;
        found.sort_unstable_by(|a, b| a.location.cmp(&b.location));
        Ok::<_, object_store::Error>(stream::iter(found.into_iter().map(Ok)))
    };
    stream::once(collected).try_flatten().boxed()
}

type Pending<'t, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 't>>;

/// Everything else is the inner store's. Pieces come by `get_opts`, as they do without a method of their own for several.
/// The signatures are those that `async_trait` gives the trait's methods.
impl ObjectStore for LogStore {
    fn put_opts<'a, 'b, 't>(&'a self, to: &'b Path, bytes: PutPayload, how: PutOptions) -> Pending<'t, PutResult>
    where
        'a: 't,
        'b: 't,
        Self: 't,
    {
        match part(to) {
            Part::Other => self.inner.put_opts(to, bytes, how),
            Part::Entry(number) => self.put_entry(to, number, bytes, how).boxed(),
            Part::Checkpoint => self.put_checkpoint(to, bytes, how).boxed(),
            Part::Hint => Box::pin(async move {
                let hint = sealed_log::seal_hint(to, &Bytes::from(bytes)).map_err(refused)?;
                self.inner.put_opts(to, hint.into(), how).await
            }),
        }
    }

    fn put_multipart_opts<'a, 'b, 't>(
        &'a self,
        to: &'b Path,
        how: PutMultipartOptions,
    ) -> Pending<'t, Box<dyn MultipartUpload>>
    where
        'a: 't,
        'b: 't,
        Self: 't,
    {
        if !matches!(part(to), Part::Checkpoint) {
            return self.inner.put_multipart_opts(to, how);
        }
        Box::pin(async move {
            let (store, checkpoint) = (Arc::clone(&self.inner), to.clone());
            let upload = store.put_multipart_opts(to, how).await?;
            let hasher = blake3::Hasher::new();
            Ok(Box::new(Hashed { upload, store, checkpoint, hasher, size: 0 }) as Box<dyn MultipartUpload>)
        })
    }

    fn get_opts<'a, 'b, 't>(&'a self, from: &'b Path, how: GetOptions) -> Pending<'t, GetResult>
    where
        'a: 't,
        'b: 't,
        Self: 't,
    {
        match part(from) {
            _ if how.head => self.inner.get_opts(from, how),
            Part::Checkpoint => self.piece(from, how).boxed(),
            Part::Entry(number) if how.range.is_none() => self.whole(from, Some(number), how).boxed(),
            Part::Hint if how.range.is_none() => self.whole(from, None, how).boxed(),
            _ => self.inner.get_opts(from, how),
        }
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        sorted(self.inner.list(prefix))
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        sorted(self.inner.list_with_offset(prefix, offset))
    }

    fn list_with_delimiter<'a, 'b, 't>(&'a self, prefix: Option<&'b Path>) -> Pending<'t, ListResult>
    where
        'a: 't,
        'b: 't,
        Self: 't,
    {
        self.inner.list_with_delimiter(prefix)
    }

    fn copy_opts<'a, 'b, 'c, 't>(&'a self, from: &'b Path, to: &'c Path, how: CopyOptions) -> Pending<'t, ()>
    where
        'a: 't,
        'b: 't,
        'c: 't,
        Self: 't,
    {
        self.inner.copy_opts(from, to, how)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::memory::InMemory;

    fn wait<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    /// The kernel uploads large checkpoints in parts.
    #[test]
    fn a_checkpoint_in_parts_has_its_digest_before_it_is_there() {
        let inner: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let path = Path::from("tables/t/_delta_log/00000000000000000010.checkpoint.parquet");
        wait(async {
            let logs = LogStore::new(Arc::clone(&inner));
            let mut upload = logs.put_multipart_opts(&path, PutMultipartOptions::default()).await.unwrap();
            for part in ["one ", "two ", "three"] {
                upload.put_part(part.into()).await.unwrap();
            }
            upload.complete().await.unwrap();
            let name = format!("13-{}", Fingerprint::of("one two three"));
            let digests = Path::from("tables/t/_med/checkpoints/00000000000000000010.checkpoint.parquet").join(name);
            assert!(inner.head(&digests).await.is_ok());
            assert_eq!(logs.get_range(&path, 4..7).await.unwrap(), "two");
            let ranges = logs.get_ranges(&path, &[0..3, 8..13]).await.unwrap();
            assert_eq!(ranges, [Bytes::from("one"), Bytes::from("three")]);

            inner.put(&path, "one twe three".into()).await.unwrap();
            let error = logs.get_range(&path, 0..3).await.unwrap_err();
            assert!(matches!(crate::object::damage(&error), Some(StoreError::Corrupt { .. })), "{error}");
            let error = LogStore::new(Arc::clone(&inner)).get(&path).await.unwrap_err().to_string();
            assert!(error.contains("00000000000000000010.checkpoint.parquet is damaged"), "{error}");
        });
    }

    #[test]
    fn a_checkpoint_that_is_there_stays() {
        let inner: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let path = Path::from("tables/t/_delta_log/00000000000000000010.checkpoint.parquet");
        wait(async {
            let logs = LogStore::new(Arc::clone(&inner));
            logs.put(&path, "first".into()).await.unwrap();
            logs.put(&path, "later".into()).await.unwrap();
            assert_eq!(logs.get(&path).await.unwrap().bytes().await.unwrap(), "first");
        });
    }

    #[test]
    fn what_is_remembered_has_an_end() {
        let mut seen = Seen::default();
        let entry = |number: usize| layout::numbered(&Path::from("t/_delta_log"), number as u64);
        for number in 0..3 * REMEMBERED {
            seen.link(&entry(number)).expected = Some(Fingerprint::of("x"));
            if number > 0 {
                assert!(seen.link(&entry(number - 1)).expected.is_some(), "the one before is known");
            }
        }
        assert!(seen.recent.len() + seen.former.len() <= 2 * REMEMBERED + 1);
    }
}
