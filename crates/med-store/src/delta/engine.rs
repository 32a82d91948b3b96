//! One engine and its threads for a whole lake.
//!
//! The kernel's calls block. They run on the blocking threads of a runtime of our own, and the caller awaits the
//! result, so a lake works under any executor and never stalls the caller's.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use ::parquet::errors::ParquetError;
use delta_kernel::snapshot::SnapshotRef;
use delta_kernel::{KernelError, Snapshot};
use delta_kernel_default_engine::executor::tokio::TokioMultiThreadExecutor;
use delta_kernel_default_engine::{DefaultEngine, DefaultEngineBuilder};
use med_schema::Version;
use object_store::ObjectStore;
use object_store::path::Path;
use tokio::runtime::{Builder, Runtime};
use url::Url;

use super::log_store::{LogStore, log_of};
use crate::encryption::ColumnKeys;
use crate::{Result, StoreError, object};

/// A request is a few small files; two threads keep a reader and a writer going.
const WORKERS: usize = 2;

pub(crate) struct DeltaEngine {
    kernel: Arc<DefaultEngine<TokioMultiThreadExecutor>>,
    store: Arc<dyn ObjectStore>,
    /// The same store, through which logs are read and written.
    logs: Arc<LogStore>,
    /// `Some` until dropped.
    runtime: Option<Runtime>,
    handle: tokio::runtime::Handle,
    keys: ColumnKeys,
}

impl fmt::Debug for DeltaEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeltaEngine").field("store", &self.store).finish_non_exhaustive()
    }
}

/// A runtime that is dropped inside another one panics unless it is shut down in the background.
impl Drop for DeltaEngine {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl DeltaEngine {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, keys: ColumnKeys) -> Result<Arc<Self>> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .thread_name("med-store")
            .enable_all()
            .build()
            .map_err(|e| StoreError::Runtime { source: e.into() })?;
        let handle = runtime.handle().clone();
        let executor = Arc::new(TokioMultiThreadExecutor::new(handle.clone()));
        let batch = std::num::NonZero::new(65_536).unwrap_or(std::num::NonZero::<usize>::MIN);
        let files = std::num::NonZero::new(16).unwrap_or(std::num::NonZero::<usize>::MIN);
        let logs = Arc::new(LogStore::new(Arc::clone(&store)));
        let kernel = DefaultEngineBuilder::new(Arc::clone(&logs) as Arc<dyn ObjectStore>)
            .with_task_executor(executor)
            .with_batch_size(batch)
            .with_buffer_size(files)
            .build();
        Ok(Arc::new(Self { kernel: Arc::new(kernel), store, logs, runtime: Some(runtime), handle, keys }))
    }

    /// Runs blocking work on a thread made for it.
    pub(crate) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let engine = Arc::clone(self);
        let task = self.handle.spawn_blocking(move || work(&engine));
        task.await.map_err(|e| StoreError::Runtime { source: e.into() })?
    }

    /// Waits for a future on this thread. Not to be called from async code.
    pub(crate) fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.handle.block_on(future)
    }

    pub(crate) fn kernel(&self) -> &Arc<DefaultEngine<TokioMultiThreadExecutor>> {
        &self.kernel
    }

    pub(crate) fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// The store with verified logs.
    pub(crate) fn logs(&self) -> &LogStore {
        &self.logs
    }

    /// The keys of encrypted columns; of none when nothing is encrypted.
    pub(crate) fn keys(&self) -> &ColumnKeys {
        &self.keys
    }

    /// The table at its latest version or the one asked for.
    pub(crate) fn snapshot(&self, table: &Path, version: Option<Version>) -> Result<SnapshotRef> {
        let latest = Snapshot::builder_for(url(table)?).build(&*self.kernel).map_err(failed(table, "open"))?;
        match version {
            None => Ok(latest),
            Some(Version(asked)) if asked == latest.version() => Ok(latest),
            Some(asked) if asked.0 > latest.version() => {
                Err(StoreError::NoVersion { table: table.to_string(), asked, latest: Version(latest.version()) })
            }
            Some(Version(asked)) => Snapshot::builder_for(url(table)?)
                .at_version(asked)
                .build(&*self.kernel)
                .map_err(failed(table, "open a former version of")),
        }
    }

    /// Whether there is a table.
    pub(crate) fn has_table(&self, table: &Path) -> Result<bool> {
        let listed = self.block_on(object::objects(&*self.store, &log_of(table)))?;
        Ok(!listed.is_empty())
    }
}

/// The kernel speaks of URLs. Their path is the object's; the scheme says nothing, and must not be `file`, which the
/// kernel would look up on this machine.
pub(crate) fn url(table: &Path) -> Result<Url> {
    Url::parse(&format!("lake:///{table}/"))
        .map_err(|e| StoreError::Location { found: table.to_string(), reason: e.to_string() })
}

pub(crate) fn failed(table: &Path, action: &'static str) -> impl Fn(KernelError) -> StoreError {
    let table = table.to_string();
    move |source| {
        damage(&source).unwrap_or_else(|| StoreError::Delta { table: table.clone(), action, source: source.into() })
    }
}

/// A damaged object of the log, under what the kernel made of it.
fn damage(error: &KernelError) -> Option<StoreError> {
    match error {
        KernelError::ObjectStore(error) => object::damage(error),
        KernelError::Parquet(ParquetError::External(error)) => object::damage(error.downcast_ref()?),
        KernelError::Backtraced { source, .. } => damage(source),
        _ => None,
    }
}
