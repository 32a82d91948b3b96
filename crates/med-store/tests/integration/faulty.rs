//! A store that fails once, on cue.

use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// What goes wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It never arrives.
    Before,
    /// It is done, and the answer is lost: what a timeout looks like.
    After,
    /// Half of a plain write is done. A put-if-absent and the files of a log are never seen by half: object stores show
    /// whole objects, and a local folder renames a finished file.
    Half,
    /// It arrives twice, and the answer to the second is the one that comes back.
    Duplicate,
}

pub(crate) const FAULTS: [Fault; 4] = [Fault::Before, Fault::After, Fault::Half, Fault::Duplicate];

/// Fails the request of this number, and those after it if `down`: the process or its network is gone.
#[derive(Debug)]
pub(crate) struct Faulty {
    inner: Arc<dyn ObjectStore>,
    at: usize,
    fault: Fault,
    down: bool,
    requests: AtomicUsize,
}

impl Faulty {
    pub(crate) fn new(inner: Arc<dyn ObjectStore>, at: usize, fault: Fault, down: bool) -> Self {
        Self { inner, at, fault, down, requests: AtomicUsize::new(0) }
    }

    /// How many requests there were.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    fn next(&self) -> Option<Fault> {
        let number = self.requests.fetch_add(1, Ordering::SeqCst);
        if number == self.at { Some(self.fault) } else { (self.down && number > self.at).then_some(Fault::Before) }
    }
}

impl fmt::Display for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "faulty {}", self.inner)
    }
}

fn lost() -> object_store::Error {
    object_store::Error::Generic { store: "faulty", source: "the request timed out".into() }
}

type Pending<'t, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 't>>;

impl ObjectStore for Faulty {
    fn put_opts<'a, 'b, 't>(&'a self, to: &'b Path, bytes: PutPayload, how: PutOptions) -> Pending<'t, PutResult>
    where
        'a: 't,
        'b: 't,
        Self: 't,
    {
        let fault = self.next();
        Box::pin(async move {
            match fault {
                None => self.inner.put_opts(to, bytes, how).await,
                Some(Fault::Before) => Err(lost()),
                Some(Fault::After) => self.inner.put_opts(to, bytes, how).await.and(Err(lost())),
                Some(Fault::Half) => {
                    if how.mode == PutMode::Overwrite && !to.as_ref().contains("_delta_log") {
                        let whole = Bytes::from(bytes);
                        let half = whole.slice(..whole.len() / 2);
                        self.inner.put_opts(to, half.into(), how).await?;
                    }
                    Err(lost())
                }
                Some(Fault::Duplicate) => {
                    self.inner.put_opts(to, bytes.clone(), how.clone()).await?;
                    self.inner.put_opts(to, bytes, how).await
                }
            }
        })
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
        let fault = self.next();
        Box::pin(
            async move { if fault.is_some() { Err(lost()) } else { self.inner.put_multipart_opts(to, how).await } },
        )
    }

    fn get_opts<'a, 'b, 't>(&'a self, from: &'b Path, how: GetOptions) -> Pending<'t, GetResult>
    where
        'a: 't,
        'b: 't,
        Self: 't,
    {
        let fault = self.next();
        Box::pin(async move {
            match fault {
                None | Some(Fault::Duplicate) => self.inner.get_opts(from, how).await,
                Some(_) => Err(lost()),
            }
        })
    }

    fn get_ranges<'a, 'b, 'c, 't>(&'a self, from: &'b Path, ranges: &'c [Range<u64>]) -> Pending<'t, Vec<Bytes>>
    where
        'a: 't,
        'b: 't,
        'c: 't,
        Self: 't,
    {
        let fault = self.next();
        Box::pin(async move {
            match fault {
                None | Some(Fault::Duplicate) => self.inner.get_ranges(from, ranges).await,
                Some(_) => Err(lost()),
            }
        })
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        match self.next() {
            None | Some(Fault::Duplicate) => self.inner.delete_stream(paths),
            Some(_) => stream::once(async { Err(lost()) }).boxed(),
        }
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.next() {
            None | Some(Fault::Duplicate) => self.inner.list(prefix),
            Some(_) => stream::once(async { Err(lost()) }).boxed(),
        }
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.next() {
            None | Some(Fault::Duplicate) => self.inner.list_with_offset(prefix, offset),
            Some(_) => stream::once(async { Err(lost()) }).boxed(),
        }
    }

    fn list_with_delimiter<'a, 'b, 't>(&'a self, prefix: Option<&'b Path>) -> Pending<'t, ListResult>
    where
        'a: 't,
        'b: 't,
        Self: 't,
    {
        let fault = self.next();
        Box::pin(async move {
            match fault {
                None | Some(Fault::Duplicate) => self.inner.list_with_delimiter(prefix).await,
                Some(_) => Err(lost()),
            }
        })
    }

    fn copy_opts<'a, 'b, 'c, 't>(&'a self, from: &'b Path, to: &'c Path, how: CopyOptions) -> Pending<'t, ()>
    where
        'a: 't,
        'b: 't,
        'c: 't,
        Self: 't,
    {
        let fault = self.next();
        Box::pin(async move { if fault.is_some() { Err(lost()) } else { self.inner.copy_opts(from, to, how).await } })
    }
}
