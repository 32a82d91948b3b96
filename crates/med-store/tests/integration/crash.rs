//! Killed at every step: no row lost, none twice, no reader sees half, and the same run completes what is missing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;

use med_schema::{GatePolicy, Table, Version};
use med_store::blocking::Lakehouse;
use med_store::{Batch, Compaction, ResultKind, Stage, StoreError, Value};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use object_store::prefix::PrefixStore;
use serde_json::json;

use crate::faulty::{FAULTS, Fault, Faulty};
use crate::registry::artifact;
use crate::support::{addresses, admit, chain, clients, definition, environment, local, run, schema, served};

/// What a lake does, in three scenes, each step under its own run id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scene {
    Group,
    Table,
    Registry,
}

const SCENES: [Scene; 3] = [Scene::Group, Scene::Table, Scene::Registry];

fn script(lake: &Lakehouse, scene: Scene) -> Result<(), StoreError> {
    match scene {
        Scene::Group => {
            let group = lake.feature_group(definition())?;
            group.insert(run("one"), &admit(clients(0..6, 1.0)))?;
            group.insert(run("two"), &admit(clients(4..9, 2.0)))?;
            group.forget(run("three"), &[vec![Value::from("client-00001")]])?;
        }
        Scene::Table => {
            let table = lake.table("log", &schema())?;
            for turn in 0..2_i64 {
                let batch = Batch::new(run(&format!("log-{turn}"))).with_watermark("source", json!(turn));
                table.append(batch, &admit(clients(turn * 3..turn * 3 + 3, 0.0)))?;
            }
            table.compact(run("compact"), Compaction::default())?;
            table.checkpoint()?;
        }
        Scene::Registry => {
            lake.results().put_json(ResultKind::Metrics, &run("one"), "m.json", "metrics")?;
            let version = lake.registry().register("linear", &admit(artifact("one", "bytes")))?.version;
            let admitted = lake.registry().admit_stored("linear", version, &GatePolicy::default())?;
            lake.registry().transition(&admitted, Stage::Production)?;
        }
    }
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

/// Rows by number and cost.
type Seen = Vec<(i64, Option<f64>)>;

/// What a reader may see of the group, and of the log with its watermark: the states between two steps, and nothing else.
fn states() -> (Vec<Seen>, Vec<(Seen, Option<i64>)>) {
    let one = expected((0..6).map(|n| (n, 1.0)));
    let merged: BTreeMap<i64, f64> = (0..6).map(|n| (n, 1.0)).chain((4..9).map(|n| (n, 2.0))).collect();
    let two = expected(merged.clone().into_iter());
    let three = expected(merged.into_iter().filter(|(n, _)| *n != 1));
    let log = |until: i64| expected((0..until).map(|n| (n, 0.0)));
    (vec![Vec::new(), one, two, three], vec![(Vec::new(), None), (log(3), Some(0)), (log(6), Some(1))])
}

/// Reads with a store that works, and finds one of the allowed states; the last one if the scene is `complete`.
fn look(store: Arc<dyn ObjectStore>, scene: Scene, seed: usize, complete: bool) {
    let (groups, logs) = states();
    let lake = Lakehouse::with_store(store).unwrap();
    match scene {
        Scene::Group => {
            // The definition may be there before its table.
            let group = lake.open_feature_group("medical_costs", None);
            let Some(group) = group.ok().filter(|group| group.table().version().is_ok()) else {
                assert!(!complete, "seed {seed}");
                return;
            };
            let seen = rows(&group.read(None).unwrap());
            let at = groups.iter().position(|state| *state == seen);
            assert!(at.is_some_and(|at| !complete || at == groups.len() - 1), "seed {seed}: {seen:?}");
        }
        Scene::Table => {
            let table = lake.table("log", &schema()).unwrap();
            let watermark = table.watermark("source", None).unwrap().and_then(|v| v.as_i64());
            let seen = (rows(&table.read(None).unwrap()), watermark);
            let at = logs.iter().position(|state| *state == seen);
            assert!(at.is_some_and(|at| !complete || at == logs.len() - 1), "seed {seed}: {seen:?}");
            assert!(!complete || table.files().unwrap().len() == 1, "seed {seed}");
        }
        Scene::Registry => {
            let registry = lake.registry();
            let history = registry.show("linear");
            // A version that is listed can be loaded.
            for staged in history.iter().flat_map(|history| &history.versions) {
                assert_eq!(&registry.load(&staged.model).unwrap()[..], b"bytes", "seed {seed}");
            }
            if complete {
                let history = history.unwrap();
                assert_eq!((history.versions.len(), history.log.len()), (1, 1), "seed {seed}");
                assert_eq!(history.production, Some(Version(1)), "seed {seed}");
                let metrics: String = lake.results().get_json(ResultKind::Metrics, &run("one"), "m.json").unwrap();
                assert_eq!(metrics, "metrics");
            }
        }
    }
}

/// Requests of a scene in which nothing fails.
fn requests(scene: Scene) -> usize {
    let whole = Arc::new(Faulty::new(Arc::new(InMemory::new()), usize::MAX, Fault::Before, false));
    script(&Lakehouse::with_store(Arc::clone(&whole) as Arc<dyn ObjectStore>).unwrap(), scene).unwrap();
    whole.requests()
}

/// Opens a store; each time a new client, as each process has one.
type Open = Box<dyn Fn() -> Arc<dyn ObjectStore>>;

/// Crashes once for each seed, in an empty store that `place` finds for it. Returns how many scripts died of it.
fn crashes(seeds: usize, place: impl Fn(usize) -> Open + Sync) -> usize {
    let requests = SCENES.map(requests);
    assert!(requests.iter().sum::<usize>() > 50, "{requests:?}");

    // A step of 37 walks through the requests of each scene, with one fault after the other.
    let crash = |seed: usize| {
        let open = place(seed);
        let which = seed % SCENES.len();
        let (scene, turn) = (SCENES[which], seed / SCENES.len());
        let (at, fault) = (turn * 37 % requests[which], FAULTS[turn % FAULTS.len()]);
        // Either this one request fails and the caller may carry on by himself, or all is gone from there on.
        let faulty = Arc::new(Faulty::new(open(), at, fault, turn % 5 != 0));
        let died = script(&Lakehouse::with_store(faulty as Arc<dyn ObjectStore>).unwrap(), scene).is_err();
        look(open(), scene, seed, !died);
        let again = Lakehouse::with_store(open()).unwrap();
        script(&again, scene).unwrap_or_else(|e| panic!("seed {seed}: {}", chain(&e)));
        look(open(), scene, seed, true);
        died
    };
    thread::scope(|scope| {
        let half = |odd: usize| (0..seeds / 2).filter(|n| crash(n * 2 + odd)).count();
        let odd = scope.spawn(move || half(1));
        half(0) + odd.join().unwrap()
    })
}

#[test]
fn five_hundred_crashes_in_memory_lose_and_double_nothing() {
    let died = crashes(500, |_| {
        let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        Box::new(move || Arc::clone(&store))
    });
    assert!(died > 250, "{died} of 500 died");
}

/// Fewer, each in a folder of its own.
#[test]
fn crashes_elsewhere_than_in_memory_lose_and_double_nothing() {
    let lakes = if addresses().is_empty() { vec![local()] } else { served() };
    for lake in lakes {
        let died = crashes(60, |seed| {
            let (local, address) = (Arc::clone(&lake.store), lake.address.clone());
            Box::new(move || {
                let store = match &address {
                    None => Arc::clone(&local),
                    Some(address) => {
                        Arc::clone(Lakehouse::open_with(address, environment()).unwrap().as_async().store())
                    }
                };
                Arc::new(PrefixStore::new(store, format!("seed-{seed}")))
            })
        });
        assert!(died > 30, "{died} of 60 died");
    }
}
