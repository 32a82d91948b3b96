//! Small lakes and tables for the tests.

use std::sync::Arc;

use med_schema::{
    Admitted, CheckResult, Checked, Column, GatePolicy, Kind, Report, Role, RunId, Schema, Table, ValueType,
};
use med_store::FeatureGroupDefinition;
use med_store::blocking::Lakehouse;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use polars::prelude::{DataFrame, DataType, IntoColumn, NamedFrom, Series, TimeUnit};
use tempfile::TempDir;

/// A lake with its store, so that a test can look behind it.
pub(crate) struct Lake {
    pub(crate) lake: Lakehouse,
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) folder: Option<TempDir>,
}

/// One lake of each kind.
pub(crate) fn lakes() -> [Lake; 2] {
    let folder = tempfile::tempdir().unwrap();
    let lake = Lakehouse::open(folder.path().to_str().unwrap()).unwrap();
    let store = Arc::clone(lake.as_async().store());
    let local = Lake { lake, store, folder: Some(folder) };
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let memory = Lake { lake: Lakehouse::with_store(Arc::clone(&store)).unwrap(), store, folder: None };
    [local, memory]
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
    use futures::TryStreamExt;
    use object_store::ObjectStoreExt;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    runtime.block_on(async {
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
    use object_store::ObjectStoreExt;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    runtime.block_on(store.put(&path.into(), bytes.into())).unwrap();
}

/// Flips one bit in the middle of an object.
pub(crate) fn flip(store: &Arc<dyn ObjectStore>, path: &str) {
    let (_, mut bytes) = content(store).into_iter().find(|(name, _)| name == path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    plant(store, path, bytes);
}
