//! Small lakes and tables for the tests.

use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use chrono::Utc;
use futures::{StreamExt, TryStreamExt};
use med_schema::{
    Admitted, CheckResult, Checked, Column, GatePolicy, Kind, Report, Role, RunId, Schema, Table, ValueType,
};
use med_store::FeatureGroupDefinition;
use med_store::blocking::Lakehouse;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use polars::prelude::{DataFrame, DataType, IntoColumn, NamedFrom, Series, TimeUnit};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

/// A lake with its store, so that a test can look behind it.
pub(crate) struct Lake {
    pub(crate) lake: Lakehouse,
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) folder: Option<TempDir>,
    /// On a server: its address. What was written there is taken away again.
    pub(crate) address: Option<String>,
}

impl Drop for Lake {
    fn drop(&mut self) {
        if self.address.is_some() {
            let paths = self.store.list(None).map_ok(|meta| meta.location).boxed();
            let deleted: Result<Vec<_>, _> = wait(self.store.delete_stream(paths).try_collect());
            // A test that failed already must not panic again.
            if let Err(error) = deleted {
                println!("left behind: {error}");
            }
        }
    }
}

/// One lake of each kind: in a local folder and in memory, or one on each server when servers are named.
pub(crate) fn lakes() -> Vec<Lake> {
    if addresses().is_empty() { vec![local(), memory()] } else { served() }
}

/// In a folder whose name has to be encoded in addresses.
pub(crate) fn local() -> Lake {
    let folder = tempfile::tempdir().unwrap();
    let lake = Lakehouse::open(folder.path().join(ODD).to_str().unwrap()).unwrap();
    let store = Arc::clone(lake.as_async().store());
    Lake { lake, store, folder: Some(folder), address: None }
}

pub(crate) fn memory() -> Lake {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    Lake { lake: Lakehouse::with_store(Arc::clone(&store)).unwrap(), store, folder: None, address: None }
}

/// A name of a folder that is another one when it is encoded once too often or too rarely.
pub(crate) const ODD: &str = "a lake+of %41 größe";

/// A new lake on each server of `MED_TEST_STORE_URLS` (addresses of buckets or folders in them, between spaces), opened
/// with what the environment says about clouds, as the program does it.
pub(crate) fn served() -> Vec<Lake> {
    addresses()
        .iter()
        .map(|address| {
            let address = new_folder(address);
            let lake = Lakehouse::open_with(&address, environment()).unwrap();
            Lake { store: Arc::clone(lake.as_async().store()), lake, folder: None, address: Some(address) }
        })
        .collect()
}

pub(crate) fn addresses() -> Vec<String> {
    let listed = std::env::var("MED_TEST_STORE_URLS").unwrap_or_default();
    listed.split_whitespace().map(|address| address.trim_end_matches('/').to_owned()).collect()
}

pub(crate) fn environment() -> Vec<(String, String)> {
    let of_a_cloud = |name: &str| ["AWS_", "AZURE_", "GOOGLE_"].iter().any(|prefix| name.starts_with(prefix));
    std::env::vars()
        .filter(|(name, _)| of_a_cloud(name))
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .collect()
}

/// A folder at the address that nobody has used.
pub(crate) fn new_folder(address: &str) -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let moment = Utc::now().timestamp_micros();
    let odd = ODD.replace('%', "%25").replace(' ', "%20");
    format!("{address}/{odd}/{}-{moment}-{count}", std::process::id())
}

/// An error with its causes.
pub(crate) fn chain(error: &dyn Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {}", chain(source)))
}

/// Waits for something that needs a runtime. It is one for all tests: connections to servers end with the runtime they
/// were made in.
pub(crate) fn wait<F: Future>(future: F) -> F::Output {
    static RUNTIME: LazyLock<Runtime> =
        LazyLock::new(|| Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap());
    RUNTIME.block_on(future)
}

pub(crate) fn run(name: &str) -> RunId {
    name.parse().unwrap()
}

pub(crate) fn admit<T: std::fmt::Debug>(value: T) -> Admitted<T> {
    let report = Report::new("test").with(CheckResult::judged("looked_at", true));
    Checked::new(value, report).gate(&GatePolicy::default()).unwrap()
}

pub(crate) fn schema() -> Schema {
    Schema::new(vec![
        Column::new("client_id", Kind::Identifier, ValueType::Text).role(Role::Key),
        Column::new("event_time", Kind::Timestamp, ValueType::Timestamp).role(Role::EventTime),
        Column::new("born", Kind::Date, ValueType::Date).nullable(true),
        Column::new("visits", Kind::Count, ValueType::Integer).nullable(true),
        Column::new("smoker", Kind::Binary, ValueType::Boolean).nullable(true),
        Column::new("annual_medical_cost", Kind::Continuous, ValueType::Float).role(Role::Target).nullable(true),
    ])
    .unwrap()
}

/// One row per client number, with nulls here and there; `cost` sets the cost of all.
pub(crate) fn clients(numbers: impl IntoIterator<Item = i64>, cost: f64) -> Table {
    let numbers: Vec<i64> = numbers.into_iter().collect();
    let ids: Vec<String> = numbers.iter().map(|n| format!("client-{n:05}")).collect();
    let when = vec![1_704_067_200_000_000_i64; numbers.len()];
    let born: Vec<Option<i32>> = numbers.iter().map(|n| (n % 7 != 0).then_some(*n as i32)).collect();
    let visits: Vec<Option<i64>> = numbers.iter().map(|n| (n % 5 != 0).then_some(n % 11)).collect();
    let smoker: Vec<Option<bool>> = numbers.iter().map(|n| (n % 3 != 0).then_some(n % 2 == 0)).collect();
    let costs: Vec<Option<f64>> = numbers.iter().map(|n| (n % 13 != 0).then_some(cost + *n as f64)).collect();
    let moment = DataType::Datetime(TimeUnit::Microseconds, None);
    let columns = vec![
        Series::new("client_id".into(), ids).into_column(),
        Series::new("event_time".into(), when).cast(&moment).unwrap().into_column(),
        Series::new("born".into(), born).cast(&DataType::Date).unwrap().into_column(),
        Series::new("visits".into(), visits).into_column(),
        Series::new("smoker".into(), smoker).into_column(),
        Series::new("annual_medical_cost".into(), costs).into_column(),
    ];
    Table::parse(DataFrame::new(numbers.len(), columns).unwrap(), schema()).unwrap()
}

pub(crate) fn definition() -> FeatureGroupDefinition {
    FeatureGroupDefinition {
        name: "medical_costs".to_owned(),
        version: 1,
        primary_key: vec!["client_id".to_owned()],
        event_time: "event_time".to_owned(),
        partition_by: Vec::new(),
        suite: None,
        description: "clients and what they cost".to_owned(),
        schema: schema(),
    }
}

pub(crate) fn same(left: &Table, right: &Table) -> bool {
    left.schema() == right.schema() && left.frame().equals_missing(right.frame())
}

/// All objects of a store and their bytes, to see that nothing changed.
pub(crate) fn content(store: &Arc<dyn ObjectStore>) -> Vec<(String, Vec<u8>)> {
    wait(async {
        let mut found = Vec::new();
        let listed: Vec<_> = store.list(None).try_collect().await.unwrap();
        for meta in listed {
            let bytes = store.get(&meta.location).await.unwrap().bytes().await.unwrap();
            found.push((meta.location.to_string(), bytes.to_vec()));
        }
        found.sort();
        found
    })
}

/// Writes an object behind the lake's back.
pub(crate) fn plant(store: &Arc<dyn ObjectStore>, path: &str, bytes: Vec<u8>) {
    wait(store.put(&Path::parse(path).unwrap(), bytes.into())).unwrap();
}

/// Flips one bit in the middle of an object.
pub(crate) fn flip(store: &Arc<dyn ObjectStore>, path: &str) {
    let (_, mut bytes) = content(store).into_iter().find(|(name, _)| name == path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    plant(store, path, bytes);
}
