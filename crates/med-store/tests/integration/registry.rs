use med_schema::{
    Admitted, CheckResult, Checked, FeatureColumn, FeatureMatrix, GatePolicy, Lineage, Report, Severity, Version,
};
use med_store::blocking::ModelRegistry;
use med_store::{ModelArtifact, ModelVersion, Move, Stage, StoreError, Transition};

use crate::support::{admit, content, flip, lakes, run};

pub(crate) fn artifact(by: &str, bytes: &str) -> ModelArtifact {
    let columns = vec![FeatureColumn::numeric("bmi", vec![20.0, 30.0]), FeatureColumn::numeric("age", vec![1.0, 2.0])];
    let lineage =
        Lineage { run: run(by), as_of: chrono::DateTime::UNIX_EPOCH, inputs: Vec::new(), code: "tests".to_owned() };
    let metrics = serde_json::json!({"test": {"r2": 0.913, "mape": null}});
    ModelArtifact {
        bytes: bytes.to_owned().into(),
        metrics: metrics.as_object().unwrap().clone(),
        signature: FeatureMatrix::new(columns).unwrap().schema(),
        lineage,
    }
}

fn register(registry: &ModelRegistry, by: &str) -> ModelVersion {
    registry.register("linear", &admit(artifact(by, &format!("model of {by}")))).unwrap()
}

fn admitted(registry: &ModelRegistry, version: u64) -> Admitted<ModelVersion> {
    registry.admit_stored("linear", Version(version), &GatePolicy::default()).unwrap()
}

fn stages(registry: &ModelRegistry) -> Vec<Stage> {
    registry.versions("linear").unwrap().into_iter().map(|v| v.stage).collect()
}

#[test]
fn a_registered_model_comes_back_with_its_bytes() {
    for lake in lakes() {
        let registry = lake.lake.registry();
        let version = register(&registry, "a");
        assert_eq!((version.version, version.signature.features().len()), (Version(1), 2));
        let again = lake.lake.registry().version("linear", Version(1)).unwrap();
        assert_eq!(again, version);
        assert_eq!(&registry.load(&again).unwrap()[..], b"model of a");
        assert_eq!(registry.models().unwrap(), ["linear"]);
        assert_eq!(registry.production("linear").unwrap(), None);
    }
}

#[test]
fn the_same_model_of_a_run_is_registered_once() {
    for lake in lakes() {
        let registry = lake.lake.registry();
        register(&registry, "a");
        let second = register(&registry, "b");
        let before = content(&lake.store);
        assert_eq!(register(&registry, "a").version, Version(1));
        assert_eq!(second.version, Version(2));
        assert_eq!(content(&lake.store), before);
    }
}

#[test]
fn a_run_may_register_several_models_that_compete() {
    for lake in lakes() {
        let registry = lake.lake.registry();
        register(&registry, "a");
        let other = || registry.register("linear", &admit(artifact("a", "other bytes"))).unwrap();
        assert_eq!(other().version, Version(2));
        let before = content(&lake.store);
        assert_eq!(other().version, Version(2));
        assert_eq!(register(&registry, "a").version, Version(1));
        assert_eq!(content(&lake.store), before);
    }
}

#[test]
fn promotion_archives_the_former_version_in_one_step() {
    for lake in lakes() {
        let registry = lake.lake.registry();
        for by in ["a", "b"] {
            register(&registry, by);
        }
        registry.transition(&admitted(&registry, 1), Stage::Staging).unwrap();
        assert_eq!(stages(&registry), [Stage::Staging, Stage::None]);
        registry.transition(&admitted(&registry, 1), Stage::Production).unwrap();
        let moved = registry.transition(&admitted(&registry, 2), Stage::Production).unwrap();
        let Transition::Moved(entry) = moved else { panic!("expected a move") };
        assert_eq!((entry.sequence, entry.archived), (3, Some(Version(1))));
        assert_eq!(stages(&registry), [Stage::Archived, Stage::Production]);
        assert_eq!(registry.production("linear").unwrap().unwrap().version, Version(2));

        let before = content(&lake.store);
        let again = registry.transition(&admitted(&registry, 2), Stage::Production).unwrap();
        assert_eq!(again, Transition::AlreadyThere);
        assert_eq!(content(&lake.store), before);
        assert_eq!(entry.evidence.as_ref().map(|r| r.name.as_str()), Some("test"));
    }
}

#[test]
fn rollback_goes_to_the_former_production_version() {
    for lake in lakes() {
        let registry = lake.lake.registry();
        for (number, by) in ["a", "b", "c"].into_iter().enumerate() {
            register(&registry, by);
            registry.transition(&admitted(&registry, number as u64 + 1), Stage::Production).unwrap();
        }
        assert_eq!(registry.rollback("linear", &run("one")).unwrap().version, Version(2));
        assert_eq!(registry.rollback("linear", &run("two")).unwrap().version, Version(1));
        assert_eq!(registry.rollback("linear", &run("one")).unwrap().version, Version(2), "it was done before");
        assert_eq!(stages(&registry), [Stage::Production, Stage::Archived, Stage::Archived]);
        assert!(matches!(registry.rollback("linear", &run("three")), Err(StoreError::NothingToRollBackTo { .. })));
        assert_eq!(registry.show("linear").unwrap().log.len(), 5);
    }
}

#[test]
fn what_is_withdrawn_is_not_in_production() {
    for lake in lakes() {
        let registry = lake.lake.registry();
        register(&registry, "a");
        registry.transition(&admitted(&registry, 1), Stage::Production).unwrap();
        registry.archive("linear", Version(1)).unwrap();
        assert_eq!(registry.production("linear").unwrap(), None);
        let error = registry.transition(&admitted(&registry, 1), Stage::None).unwrap_err();
        assert_eq!(error.to_string(), "model linear version 1 is in stage archived and cannot be moved to none");
    }
}

#[test]
fn the_stored_report_is_judged_again() {
    for lake in lakes() {
        let registry = lake.lake.registry();
        let report = Report::new("model").with(CheckResult::judged("r2", false).severity(Severity::Warning));
        let admitted = Checked::new(artifact("a", "bytes"), report).gate(&GatePolicy::default()).unwrap();
        registry.register("linear", &admitted).unwrap();
        assert!(registry.admit_stored("linear", Version(1), &GatePolicy::default()).is_ok());
        let error = registry.admit_stored("linear", Version(1), &GatePolicy::strict()).unwrap_err();
        assert_eq!(error.to_string(), "model linear version 1 does not pass: r2 failed (warning)");
    }
}

#[test]
fn a_forged_version_is_not_promoted() {
    for lake in lakes() {
        let registry = lake.lake.registry();
        let mut forged = register(&registry, "a");
        forged.metrics.clear();
        let error = registry.transition(&admit(forged), Stage::Production).unwrap_err();
        assert!(matches!(error, StoreError::OtherModel { .. }), "{error}");
    }
}

/// Each of those that see one state asks for the same step: it is made once, and whoever comes too late is told.
#[test]
fn rollbacks_at_once_are_one_step_and_refusals() {
    for lake in lakes() {
        let registry = lake.lake.registry();
        for version in 1..=9 {
            register(&registry, &format!("m{version}"));
            registry.transition(&admitted(&registry, version), Stage::Production).unwrap();
        }
        let (mut made, mut refused) = (0, 0);
        for round in 0..3 {
            let start = std::sync::Barrier::new(4);
            let came: Vec<Result<_, StoreError>> = std::thread::scope(|scope| {
                let ask = |caller| {
                    let (registry, start) = (lake.lake.registry(), &start);
                    scope.spawn(move || {
                        start.wait();
                        registry.rollback("linear", &run(&format!("back-{round}-{caller}")))
                    })
                };
                let asked: Vec<_> = (0..4).map(ask).collect();
                asked.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            for result in came {
                match result {
                    Ok(_) => made += 1,
                    Err(StoreError::ProductionMoved { expected, found, .. }) if expected > found => refused += 1,
                    // Those who came one after the other went back to the beginning.
                    Err(StoreError::NothingToRollBackTo { .. }) => refused += 1,
                    Err(error) => panic!("{error}"),
                }
            }
        }
        let shown = registry.show("linear").unwrap();
        let steps: Vec<u64> = shown.log.iter().filter(|e| e.kind == Move::Rollback).map(|e| e.version.0).collect();
        assert_eq!((steps.len(), made + refused), (made, 12), "who was told of a step has made it");
        assert!(steps.iter().rev().zip(9 - steps.len() as u64..).all(|(step, version)| *step == version), "{steps:?}");
    }
}

#[test]
fn a_damaged_model_does_not_get_into_production() {
    for lake in lakes() {
        let registry = lake.lake.registry();
        let damaged = |error: StoreError, version: &ModelVersion| {
            let bytes = format!("registry/linear/artifacts/{}", version.fingerprint);
            assert!(matches!(&error, StoreError::Corrupt { object, .. } if *object == bytes), "{error}");
        };
        let (a, b) = (register(&registry, "a"), register(&registry, "b"));
        registry.transition(&admitted(&registry, 1), Stage::Production).unwrap();
        flip(&lake.store, &format!("registry/linear/artifacts/{}", b.fingerprint));
        damaged(registry.transition(&admitted(&registry, 2), Stage::Production).unwrap_err(), &b);
        assert_eq!(registry.production("linear").unwrap().unwrap().version, a.version, "nothing has moved");
        registry.archive("linear", b.version).unwrap();

        let c = register(&registry, "c");
        registry.transition(&admitted(&registry, c.version.0), Stage::Production).unwrap();
        flip(&lake.store, &format!("registry/linear/artifacts/{}", a.fingerprint));
        damaged(registry.rollback("linear", &run("back")).unwrap_err(), &a);
        assert_eq!(registry.production("linear").unwrap().unwrap().version, c.version);
    }
}

#[test]
fn flipped_bytes_are_found() {
    for lake in lakes() {
        let registry = lake.lake.registry();
        let version = register(&registry, "a");
        registry.transition(&admitted(&registry, 1), Stage::Production).unwrap();
        let bytes = format!("registry/linear/artifacts/{}", version.fingerprint);
        let log = "registry/linear/log/00000000000000000001.json";
        flip(&lake.store, &bytes);
        let error = registry.load(&version).unwrap_err();
        assert!(matches!(&error, StoreError::Corrupt { object, .. } if *object == bytes), "{error}");
        flip(&lake.store, log);
        assert!(registry.production("linear").unwrap_err().to_string().contains(log));
    }
}

#[test]
fn unknown_models_and_versions_list_those_there_are() {
    for lake in lakes() {
        let registry = lake.lake.registry();
        register(&registry, "a");
        let error = registry.show("tree").unwrap_err().to_string();
        assert_eq!(error, "there is no model \"tree\"; there is linear");
        let error = registry.version("linear", Version(4)).unwrap_err().to_string();
        assert_eq!(error, "there is no model version \"linear 4\"; there is 1");
        assert!(registry.production("tree").is_err());
    }
}

#[test]
fn aliases_are_moved_and_their_moves_are_kept() {
    for lake in lakes() {
        let registry = lake.lake.registry();
        register(&registry, "a");
        register(&registry, "b");
        registry.set_alias("linear", "champion", Some(Version(1)), &run("a")).unwrap();
        registry.set_alias("linear", "champion", Some(Version(2)), &run("b")).unwrap();
        let before = content(&lake.store);
        registry.set_alias("linear", "champion", Some(Version(2)), &run("c")).unwrap();
        assert_eq!(content(&lake.store), before);
        assert_eq!(registry.show("linear").unwrap().aliases, [("champion".to_owned(), Version(2))].into());
        let moves: Vec<_> =
            registry.alias_log("linear", "champion").unwrap().into_iter().map(|e| (e.from, e.to)).collect();
        assert_eq!(moves, [(None, Some(Version(1))), (Some(Version(1)), Some(Version(2)))]);
        registry.set_alias("linear", "champion", None, &run("d")).unwrap();
        assert!(registry.aliases("linear").unwrap().is_empty());
        assert!(registry.set_alias("linear", "champion", Some(Version(9)), &run("e")).is_err());
        assert!(registry.set_alias("linear", "../x", Some(Version(1)), &run("e")).is_err());
        assert_eq!(registry.models().unwrap(), ["linear"]);
    }
}

#[test]
fn the_production_model_comes_with_its_schema_in_one_call() {
    for lake in lakes() {
        let registry = lake.lake.registry();
        register(&registry, "a");
        assert!(matches!(registry.load_production("linear").unwrap_err(), StoreError::NotFound { .. }));
        registry.transition(&admitted(&registry, 1), Stage::Production).unwrap();
        let (model, bytes) = registry.load_production("linear").unwrap();
        assert_eq!(model.signature.names().collect::<Vec<_>>(), ["bmi", "age"]);
        assert_eq!(&bytes[..], b"model of a");
        let card = model.card("Yearly cost of | adults.", "None known.");
        for line in
            ["# linear 1", "| bmi |", "| test.r2 | 0.913 |", "| test.mape | not defined |", "| looked_at | passed |"]
        {
            assert!(card.lines().any(|l| l == line), "{line}\n{card}");
        }
    }
}
