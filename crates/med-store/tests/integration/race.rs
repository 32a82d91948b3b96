//! Eight writers on one table: the result equals the order in which the log has them.

use std::collections::BTreeMap;
use std::thread;

use med_schema::{GatePolicy, RunId};
use med_store::blocking::Lakehouse;
use med_store::{Outcome, Stage, StoreError, Value};

use crate::registry::artifact;
use crate::support::{addresses, admit, clients, definition, local, memory, run, served};

const WRITERS: i64 = 8;
/// Of each writer in memory and in a folder; fewer on a server, where a commit is some dozens of requests.
const TURNS: i64 = 25;
const TURNS_SERVED: i64 = 3;

/// What a writer does in a turn.
enum Step {
    Upsert(std::ops::Range<i64>, f64),
    Overwrite(std::ops::Range<i64>, f64),
    Forget(i64),
    /// Rows nobody else writes, without a look at what is there.
    Append(std::ops::Range<i64>, f64),
}

fn step(writer: i64, turn: i64) -> Step {
    let first = (writer * 7 + turn * 3) % 40;
    match (writer + turn) % 5 {
        0 => Step::Overwrite(first..first + 20, (writer * 1000 + turn) as f64),
        1 => Step::Forget(first),
        2 => {
            let own = 1000 + 3 * (writer * TURNS + turn);
            Step::Append(own..own + 3, (writer * 1000 + turn) as f64)
        }
        _ => Step::Upsert(first..first + 5, (writer * 1000 + turn) as f64),
    }
}

/// The step of a run, by its name.
fn step_of(run: &RunId) -> Step {
    let mut parts = run.as_str().split('-').skip(1).map(|part| part.parse::<i64>().unwrap());
    step(parts.next().unwrap(), parts.next().unwrap())
}

#[test]
fn two_hundred_racing_commits_in_memory_equal_some_serial_order() {
    race(&memory().lake, TURNS);
}

#[test]
fn racing_commits_elsewhere_equal_some_serial_order() {
    match addresses().as_slice() {
        [] => race(&local().lake, TURNS),
        _ => served().iter().for_each(|lake| race(&lake.lake, TURNS_SERVED)),
    }
}

fn race(lake: &Lakehouse, turns: i64) {
    lake.feature_group(definition()).unwrap();
    let committed: usize = thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                scope.spawn(move || {
                    let group = lake.open_feature_group("medical_costs", None).unwrap();
                    let mut committed = 0;
                    for turn in 0..turns {
                        let name = run(&format!("w-{writer}-{turn}"));
                        let write = || match step(writer, turn) {
                            Step::Upsert(numbers, cost) => group.insert(&name, &admit(clients(numbers, cost))),
                            Step::Overwrite(numbers, cost) => {
                                group.replace_batch(&name, &admit(clients(numbers, cost)))
                            }
                            Step::Forget(n) => group.forget(&name, &[vec![Value::from(&*format!("client-{n:05}"))]]),
                            Step::Append(numbers, cost) => group.table().append(&name, &admit(clients(numbers, cost))),
                        };
                        // Who lost a hundred times in a row left no trace, and comes again.
                        let commit = std::iter::repeat_with(write)
                            .find(|tried| !matches!(tried, Err(StoreError::Contended { .. })))
                            .unwrap();
                        committed += usize::from(commit.unwrap().outcome == Outcome::Committed);
                        if turn % 8 == writer {
                            let model = admit(artifact(name.as_str(), name.as_str()));
                            let version = lake.registry().register("cost", &model).unwrap().version;
                            let admitted = lake.registry().admit_stored("cost", version, &GatePolicy::default());
                            lake.registry().transition(&admitted.unwrap(), Stage::Production).unwrap();
                        }
                    }
                    committed
                })
            })
            .collect();
        writers.into_iter().map(|w| w.join().unwrap()).sum()
    });

    let group = lake.open_feature_group("medical_costs", None).unwrap();
    let mut model: BTreeMap<i64, Option<f64>> = BTreeMap::new();
    let cost = |n: i64, base: f64| (n % 13 != 0).then_some(base + n as f64);
    let history = group.history().unwrap();
    let runs: Vec<_> = history.iter().filter_map(|version| version.run.clone()).collect();
    assert_eq!(runs.len(), committed, "every commit that was reported is in the log, once");
    let appended = |name: &&RunId| matches!(step_of(name), Step::Append(..));
    let steps = (0..WRITERS).flat_map(|writer| (0..turns).map(move |turn| step(writer, turn)));
    let appends = steps.filter(|step| matches!(step, Step::Append(..))).count();
    assert!(appends > 0);
    assert_eq!(runs.iter().filter(appended).count(), appends, "no append is lost");
    for version in history.iter().filter(|version| version.run.is_some()) {
        match step_of(version.run.as_ref().unwrap()) {
            Step::Upsert(numbers, base) | Step::Append(numbers, base) => {
                model.extend(numbers.map(|n| (n, cost(n, base))));
            }
            Step::Overwrite(numbers, base) => model = numbers.map(|n| (n, cost(n, base))).collect(),
            Step::Forget(n) => _ = model.remove(&n),
        }
        // Each of the states on the way, not only the last one; all of them would take a while.
        if version.version.0 % 9 == 0 || Some(version) == history.last() {
            let rows = group.read(Some(version.version)).unwrap();
            let costs = rows.frame().column("annual_medical_cost").unwrap().f64().unwrap().iter();
            let ids = rows.frame().column("client_id").unwrap().str().unwrap().iter();
            let found: Vec<_> = ids.map(|id| id.unwrap().to_owned()).zip(costs).collect();
            let expected: Vec<_> = model.iter().map(|(n, cost)| (format!("client-{n:05}"), *cost)).collect();
            assert_eq!(found, expected, "version {}", version.version);
        }
    }

    let models = lake.registry().show("cost").unwrap();
    assert_eq!(models.log.len(), models.versions.len());
    assert_eq!(models.production, models.log.last().map(|entry| entry.version));
}
