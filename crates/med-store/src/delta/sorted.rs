//! A store whose listings are sorted.
//!
//! The kernel reads a log in the order in which it is listed. Object stores list by name; a local folder lists in any
//! order, and the kernel sorts only what lies under a `file:` address of the machine, which a lake, having its own root,
//! does not use.

use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result,
};

#[derive(Debug)]
pub(super) struct Sorted(pub(super) Arc<dyn ObjectStore>);

impl fmt::Display for Sorted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
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

/// Everything else is the inner store's. The signatures are those that `async_trait` gives the trait's methods.
impl ObjectStore for Sorted {
    fn put_opts<'a, 'b, 't>(&'a self, to: &'b Path, bytes: PutPayload, how: PutOptions) -> Pending<'t, PutResult>
    where
        'a: 't,
        'b: 't,
        Self: 't,
    {
        self.0.put_opts(to, bytes, how)
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
        self.0.put_multipart_opts(to, how)
    }

    fn get_opts<'a, 'b, 't>(&'a self, from: &'b Path, how: GetOptions) -> Pending<'t, GetResult>
    where
        'a: 't,
        'b: 't,
        Self: 't,
    {
        self.0.get_opts(from, how)
    }

    fn get_ranges<'a, 'b, 'c, 't>(&'a self, from: &'b Path, ranges: &'c [Range<u64>]) -> Pending<'t, Vec<Bytes>>
    where
        'a: 't,
        'b: 't,
        'c: 't,
        Self: 't,
    {
        self.0.get_ranges(from, ranges)
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.0.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        sorted(self.0.list(prefix))
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        sorted(self.0.list_with_offset(prefix, offset))
    }

    fn list_with_delimiter<'a, 'b, 't>(&'a self, prefix: Option<&'b Path>) -> Pending<'t, ListResult>
    where
        'a: 't,
        'b: 't,
        Self: 't,
    {
        self.0.list_with_delimiter(prefix)
    }

    fn copy_opts<'a, 'b, 'c, 't>(&'a self, from: &'b Path, to: &'c Path, how: CopyOptions) -> Pending<'t, ()>
    where
        'a: 't,
        'b: 't,
        'c: 't,
        Self: 't,
    {
        self.0.copy_opts(from, to, how)
    }
}
