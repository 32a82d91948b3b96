//! Killed at every step: no row lost, none twice, no reader sees half, and the same run completes what is missing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;

use med_schema::{GatePolicy, Table, Version};
use med_store::blocking::Lakehouse;
use med_store::{Batch, Compaction, ResultKind, Stage, StoreError, Value};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use serde_json::json;

use crate::faulty::{FAULTS, Fault, Faulty};
use crate::registry::artifact;
use crate::support::{admit, clients, definition, run, schema};

/// Everything a lake does, each step under its own run id.
fn script(lake: &Lakehouse) -> Result<(), StoreError> {
    let group = lake.feature_group(definition())?;
    group.insert(&run("one"), &admit(clients(0..6, 1.0)))?;
    group.insert(&run("two"), &admit(clients(4..9, 2.0)))?;
    group.forget(&run("three"), &[vec![Value::from("client-00001")]])?;
    let table = lake.table("log", &schema())?;
    for turn in 0..2_i64 {
        let batch = Batch::new(run(&format!("log-{turn}"))).with_watermark("source", json!(turn));
        table.append(batch, &admit(clients(turn * 3..turn * 3 + 3, 0.0)))?;
    }
    table.compact(&run("compact"), Compaction::default())?;
    table.checkpoint()?;
    lake.results().put_json(ResultKind::Metrics, &run("one"), "m.json", "metrics")?;
    let version = lake.registry().register("linear", &admit(artifact("one", "bytes")))?.version;
    let admitted = lake.registry().admit_stored("linear", version, &GatePolicy::default())?;
    lake.registry().transition(&admitted, Stage::Production)?;
    Ok(())
}

/// Client number and cost of each row.
fn rows(table: &Table) -> Vec<(i64, Option<f64>)> {
    let ids = table.frame().column("client_id").unwrap().str().unwrap();
    let costs = table.frame().column("annual_medical_cost").unwrap().f64().unwrap();
    let mut rows: Vec<(i64, Option<f64>)> = ids
        .iter()
        .zip(costs.iter())
        .map(|(id, cost)| (id.unwrap().strip_prefix("client-").unwrap().parse().unwrap(), cost))
        .collect();
    rows.sort_by_key(|row| row.0);
    rows
}

fn expected(numbers: impl Iterator<Item = (i64, f64)>) -> Vec<(i64, Option<f64>)> {
    numbers.map(|(n, cost)| (n, (n % 13 != 0).then_some(cost + n as f64))).collect()
}

/// What a reader may see of the group and of the log: the states between two steps, and nothing else.
fn states() -> (Vec<Vec<(i64, Option<f64>)>>, Vec<(Vec<(i64, Option<f64>)>, Option<i64>)>) {
    let one = expected((0..6).map(|n| (n, 1.0)));
    let merged: BTreeMap<i64, f64> = (0..6).map(|n| (n, 1.0)).chain((4..9).map(|n| (n, 2.0))).collect();
    let two = expected(merged.clone().into_iter());
    let three = expected(merged.into_iter().filter(|(n, _)| *n != 1));
    let log = |until: i64| expected((0..until).map(|n| (n, 0.0)));
    (vec![Vec::new(), one, two, three], vec![(Vec::new(), None), (log(3), Some(0)), (log(6), Some(1))])
}

/// Reads with a store that works, and finds one of the allowed states.
fn look(store: &Arc<dyn ObjectStore>, seed: usize, complete: bool) {
    let (groups, logs) = states();
    let lake = Lakehouse::with_store(Arc::clone(store)).unwrap();
    // Looking must not make what is not there.
    if lake.open_feature_group("medical_costs", None).is_ok_and(|group| group.table().version().is_ok()) {
        let seen = rows(&lake.open_feature_group("medical_costs", None).unwrap().read(None).unwrap());
        let at = groups.iter().position(|state| *state == seen);
        assert!(at.is_some_and(|at| !complete || at == groups.len() - 1), "seed {seed}: {seen:?}");
    } else {
        assert!(!complete, "seed {seed}");
    }
    let registry = lake.registry();
    if complete {
        let table = lake.table("log", &schema()).unwrap();
        let seen =
            (rows(&table.read(None).unwrap()), table.watermark("source", None).unwrap().and_then(|v| v.as_i64()));
        assert_eq!(seen, logs[2], "seed {seed}");
        assert_eq!(table.files().unwrap().len(), 1, "seed {seed}");
        let history = registry.show("linear").unwrap();
        assert_eq!((history.versions.len(), history.log.len()), (1, 1), "seed {seed}");
        assert_eq!(history.production, Some(Version(1)), "seed {seed}");
        let model = registry.production("linear").unwrap().unwrap();
        assert_eq!(&registry.load(&model).unwrap()[..], b"bytes", "seed {seed}");
        let metrics: String = lake.results().get_json(ResultKind::Metrics, &run("one"), "m.json").unwrap();
        assert_eq!(metrics, "metrics");
    } else if registry.models().unwrap().contains(&"linear".to_owned()) {
        // A version that is listed can be loaded.
        for staged in registry.show("linear").map(|h| h.versions).unwrap_or_default() {
            assert_eq!(&registry.load(&staged.model).unwrap()[..], b"bytes", "seed {seed}");
        }
    }
}

#[test]
fn five_hundred_crashes_lose_and_double_nothing() {
    let whole = Arc::new(Faulty::new(Arc::new(InMemory::new()), usize::MAX, Fault::Before, false));
    script(&Lakehouse::with_store(Arc::clone(&whole) as Arc<dyn ObjectStore>).unwrap()).unwrap();
    let requests = whole.requests();
    assert!(requests > 50, "{requests}");

    // Every request of the script is hit, most of them by each fault; a step of 37 walks through all numbers and modes.
    let crash = |seed: usize| {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let (at, fault) = (seed * 37 % requests, FAULTS[seed % FAULTS.len()]);
        // Either this one request fails and the caller may carry on by himself, or all is gone from there on.
        let faulty = Arc::new(Faulty::new(Arc::clone(&store), at, fault, seed % 3 != 0));
        let died = script(&Lakehouse::with_store(faulty as Arc<dyn ObjectStore>).unwrap()).is_err();
        look(&store, seed, !died);
        script(&Lakehouse::with_store(Arc::clone(&store)).unwrap()).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        look(&store, seed, true);
        died
    };
    let died: usize = thread::scope(|scope| {
        let half = |odd: usize| (0..250).filter(|n| crash(n * 2 + odd)).count();
        let odd = scope.spawn(move || half(1));
        half(0) + odd.join().unwrap()
    });
    assert!(died > 250, "{died} of 500 died");
}
