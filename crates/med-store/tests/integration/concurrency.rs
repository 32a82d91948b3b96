//! Several writers at once: everything they were told is done is there, once.

use std::collections::BTreeSet;
use std::thread;

use med_schema::{GatePolicy, Version};
use med_store::{Lakehouse, Outcome, Stage};

use crate::registry::artifact;
use crate::support::{admit, clients, definition, lakes, run, schema};

#[test]
fn appends_by_four_threads_lose_nothing() {
    for lake in lakes() {
        let lake = &lake.lake;
        lake.table("clients", &schema()).unwrap();
        thread::scope(|scope| {
            for writer in 0..4 {
                scope.spawn(move || {
                    let table = lake.table("clients", &schema()).unwrap();
                    for turn in 0..5 {
                        let first = (writer * 5 + turn) * 10;
                        let rows = admit(clients(first..first + 10, 0.0));
                        let commit = table.append(run(&format!("run-{writer}-{turn}")), &rows).unwrap();
                        assert_eq!(commit.outcome, Outcome::Committed);
                    }
                });
            }
        });
        let table = lake.table("clients", &schema()).unwrap();
        let rows = table.read(None).unwrap();
        let ids: BTreeSet<&str> = rows.frame().column("client_id").unwrap().str().unwrap().iter().flatten().collect();
        assert_eq!((rows.n_rows(), ids.len()), (200, 200));
        assert_eq!(table.version().unwrap(), Version(20));
    }
}

#[test]
fn overlapping_inserts_equal_some_serial_order() {
    for lake in lakes() {
        let lake = &lake.lake;
        thread::scope(|scope| {
            for writer in 0..4 {
                scope.spawn(move || {
                    let group = lake.feature_group(definition()).unwrap();
                    let rows = admit(clients(writer * 5..writer * 5 + 10, 100.0 * (writer + 1) as f64));
                    group.insert(run(&format!("run-{writer}")), &rows).unwrap();
                });
            }
        });
        let group = lake.feature_group(definition()).unwrap();
        let history = group.history().unwrap();
        let order: Vec<i64> =
            history.iter().filter_map(|v| v.run.as_ref()?.as_str().strip_prefix("run-")?.parse().ok()).collect();
        assert_eq!(order.iter().collect::<BTreeSet<_>>().len(), 4);
        let mut expected = std::collections::BTreeMap::new();
        for writer in order {
            for number in writer * 5..writer * 5 + 10 {
                let cost = (number % 13 != 0).then_some(100.0 * (writer + 1) as f64 + number as f64);
                expected.insert(number, cost);
            }
        }
        let rows = group.read(None).unwrap();
        let costs: Vec<Option<f64>> =
            rows.frame().column("annual_medical_cost").unwrap().f64().unwrap().iter().collect();
        assert_eq!(costs, expected.into_values().collect::<Vec<_>>());
    }
}

#[test]
fn one_run_raced_by_four_threads_commits_once() {
    for lake in lakes() {
        let lake = &lake.lake;
        let table = lake.table("clients", &schema()).unwrap();
        let outcomes: Vec<Outcome> = thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| {
                    let table = table.clone();
                    scope.spawn(move || table.append(run("one"), &admit(clients(0..5, 0.0))).unwrap().outcome)
                })
                .collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        assert_eq!(outcomes.iter().filter(|o| **o == Outcome::Committed).count(), 1);
        assert_eq!(outcomes.iter().filter(|o| **o == Outcome::AlreadyDone).count(), 3);
        assert_eq!(table.read(None).unwrap().n_rows(), 5);
    }
}

#[test]
fn racing_promotions_have_one_order() {
    for lake in lakes() {
        let lake = &lake.lake;
        thread::scope(|scope| {
            for writer in 0..4 {
                scope.spawn(move || {
                    let registry = lake.registry();
                    let model = admit(artifact(&format!("run-{writer}"), &format!("bytes {writer}")));
                    let version = registry.register("linear", &model).unwrap().version;
                    let admitted = registry.admit_stored("linear", version, &GatePolicy::default()).unwrap();
                    registry.transition(&admitted, Stage::Production).unwrap();
                });
            }
        });
        let history = lake.registry().show("linear").unwrap();
        let numbers: Vec<u64> = history.versions.iter().map(|v| v.model.version.0).collect();
        assert_eq!(numbers, [1, 2, 3, 4]);
        assert_eq!(history.log.iter().map(|e| e.sequence).collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert_eq!(history.production, history.log.last().map(|e| e.version));
        assert_eq!(history.versions.iter().filter(|v| v.stage == Stage::Production).count(), 1);
        for pair in history.log.windows(2) {
            assert_eq!(pair[1].archived, Some(pair[0].version));
        }
    }
}

#[test]
fn an_async_lake_works_and_ends_inside_another_runtime() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    runtime.block_on(async {
        let lake = Lakehouse::in_memory().unwrap();
        let group = lake.feature_group(definition()).await.unwrap();
        group.insert(&run("a"), &admit(clients(0..3, 0.0))).await.unwrap();
        assert_eq!(group.read(None).await.unwrap().n_rows(), 3);
    });
}

#[test]
fn handles_can_be_shared_between_threads() {
    fn shared<T: Send + Sync + Clone>() {}
    shared::<Lakehouse>();
    shared::<med_store::FeatureGroup>();
    shared::<med_store::ModelRegistry>();
    shared::<med_store::ResultFolder>();
}
