//! Feature views, training sets and lineage.

use chrono::{DateTime, Utc};
use med_schema::{Column, Kind, Role, Schema, Table, ValueType, Version};
use med_store::blocking::FeatureView;
use med_store::{
    Artifact, ArtifactKind, FeatureGroupDefinition, FeatureViewDefinition, GroupColumns, JoinedGroup, LineageStep,
    Split, StoreError, open_lineage,
};
use polars::prelude::{DataFrame, DataType, IntoColumn, NamedFrom, Series, TimeUnit};

use crate::support::{Lake, admit, clients, content, definition, flip, lakes, memory, run, same};

const DAY: i64 = 86_400_000_000;
/// The event time of all rows of [`clients`].
const POINT: i64 = 1_704_067_200_000_000;

fn labs_definition() -> FeatureGroupDefinition {
    let schema = Schema::new(vec![
        Column::new("client_id", Kind::Identifier, ValueType::Text).role(Role::Key),
        Column::new("measured_at", Kind::Timestamp, ValueType::Timestamp).role(Role::EventTime),
        Column::new("known_at", Kind::Timestamp, ValueType::Timestamp),
        Column::new("hba1c", Kind::Continuous, ValueType::Float),
    ])
    .unwrap();
    FeatureGroupDefinition {
        name: "labs".to_owned(),
        version: 1,
        primary_key: vec!["client_id".to_owned(), "known_at".to_owned()],
        event_time: "measured_at".to_owned(),
        schema,
        ..definition()
    }
}

/// Client number, days from the point to the measurement and to its being known, value.
fn labs(rows: &[(i64, i64, i64, f64)]) -> Table {
    let moment = DataType::Datetime(TimeUnit::Microseconds, None);
    let time = |name: &str, days: Vec<i64>| {
        let micros: Vec<i64> = days.iter().map(|d| POINT + d * DAY).collect();
        Series::new(name.into(), micros).cast(&moment).unwrap().into_column()
    };
    let columns = vec![
        Series::new("client_id".into(), rows.iter().map(|r| format!("client-{:05}", r.0)).collect::<Vec<_>>())
            .into_column(),
        time("measured_at", rows.iter().map(|r| r.1).collect()),
        time("known_at", rows.iter().map(|r| r.2).collect()),
        Series::new("hba1c".into(), rows.iter().map(|r| r.3).collect::<Vec<_>>()).into_column(),
    ];
    Table::parse(DataFrame::new(rows.len(), columns).unwrap(), labs_definition().schema).unwrap()
}

fn view() -> FeatureViewDefinition {
    FeatureViewDefinition {
        name: "cost".to_owned(),
        version: 1,
        description: String::new(),
        points: GroupColumns {
            group: "medical_costs".to_owned(),
            version: 1,
            columns: vec!["visits".to_owned(), "annual_medical_cost".to_owned()],
        },
        joins: vec![JoinedGroup {
            from: GroupColumns { group: "labs".to_owned(), version: 1, columns: Vec::new() },
            prefix: "lab_".to_owned(),
            max_age_seconds: Some(30 * 86_400),
            available_at: Some("known_at".to_owned()),
        }],
    }
}

fn fill(lake: &Lake) {
    let costs = lake.lake.feature_group(definition()).unwrap();
    costs.insert(run("costs"), &admit(clients(0..200, 100.0))).unwrap();
    let group = lake.lake.feature_group(labs_definition()).unwrap();
    let rows = [
        (1, -10, -9, 6.0),  // in time
        (1, -10, 5, 9.9),   // a correction known only afterwards
        (2, -40, -40, 7.0), // too old
        (3, 1, 1, 8.0),     // of the future
        (4, -2, -1, 5.0),
        (4, -2, 0, 5.5), // a correction known in time
        (5, -20, -20, 4.0),
        (5, -3, 3, 4.4), // newer, and not known yet: the older one counts
    ];
    group.insert(run("labs"), &admit(labs(&rows))).unwrap();
}

#[test]
fn a_view_sees_what_was_known_at_the_time() {
    for lake in lakes() {
        fill(&lake);
        let view = lake.lake.feature_view(view()).unwrap();
        let names: Vec<&str> = view.schema().names().collect();
        assert_eq!(names, ["client_id", "event_time", "visits", "annual_medical_cost", "lab_hba1c"]);
        let versions = view.versions().unwrap();
        let rows = view.read(&versions).unwrap();
        let seen: Vec<Option<f64>> = rows.frame().column("lab_hba1c").unwrap().f64().unwrap().iter().take(7).collect();
        assert_eq!(seen, [None, Some(6.0), None, None, Some(5.5), Some(4.0), None]);

        // What comes later changes nothing that was read from these versions, nor from the latest at these points.
        let labs_group = lake.lake.open_feature_group("labs", None).unwrap();
        labs_group.insert(run("more"), &admit(labs(&[(1, -9, 1, 1.0), (6, 2, 2, 1.0)]))).unwrap();
        assert!(same(&view.read(&versions).unwrap(), &rows));
        assert!(same(&view.read(&view.versions().unwrap()).unwrap(), &rows));
        assert!(same(&lake.lake.open_feature_view("cost", 1).unwrap().read(&versions).unwrap(), &rows));
    }
}

#[test]
fn views_that_cannot_be_are_refused() {
    let lake = memory();
    fill(&lake);
    let refused = |change: fn(&mut FeatureViewDefinition)| {
        let mut changed = view();
        change(&mut changed);
        lake.lake.feature_view(changed).unwrap_err().to_string()
    };
    let error = refused(|v| v.joins.push(v.joins[0].clone()));
    assert!(error.contains("\"lab_hba1c\" is there twice; give the joined group a prefix"), "{error}");
    let error = refused(|v| v.joins[0].available_at = None);
    assert!(error.contains("no column \"known_at\""), "{error}");
    assert!(refused(|v| v.points.columns = vec!["nothing".to_owned()]).contains("nothing"));
    assert!(refused(|v| v.points.group = "nowhere".to_owned()).contains("nowhere"));
    lake.lake.feature_view(view()).unwrap();
    let error = refused(|v| v.joins[0].max_age_seconds = None);
    assert!(error.contains("already defined otherwise"), "{error}");
    assert!(lake.lake.open_feature_view("costs", 1).unwrap_err().to_string().contains("cost_v1"));
}

#[test]
fn rows_that_the_caller_split_are_frozen_and_can_be_made_again() {
    for lake in lakes() {
        fill(&lake);
        let view = lake.lake.feature_view(view()).unwrap();
        let versions = view.versions().unwrap();
        let all = view.read(&versions).unwrap();
        // Every third row is in no part.
        let rows = |rest: usize| (0..all.n_rows()).filter(|row| row % 3 == rest).collect::<Vec<_>>();
        let (train, test) = (all.take(&rows(0)).unwrap(), all.take(&rows(1)).unwrap());
        let rule = serde_json::json!({ "by": "row", "seed": 7 });
        let made = |view: &FeatureView| view.training_set_of(&run("t1"), &versions, rule.clone(), (&train, &test));
        let set = made(&view).unwrap();
        assert!(same(&set.read("train").unwrap(), &train) && same(&set.read("test").unwrap(), &test));
        assert_eq!(view.reproduce(&set).unwrap(), set.manifest().digest);
        assert!(matches!(&set.manifest().split, Split::Given { rule, .. } if rule["seed"] == 7));

        // The group goes on; the set stays, and so does what it is made from.
        let costs = lake.lake.open_feature_group("medical_costs", None).unwrap();
        costs.insert(run("later"), &admit(clients(0..300, 999.0))).unwrap();
        let before = content(&lake.store);
        assert_eq!(made(&view).unwrap().manifest(), set.manifest());
        assert_eq!(content(&lake.store), before);
        assert_eq!(view.reproduce(&set).unwrap(), set.manifest().digest);

        let refused = |parts| view.training_set_of(&run("t2"), &versions, rule.clone(), parts).unwrap_err().to_string();
        assert!(refused((&train, &train)).contains("both parts"));
        let later = view.read(&view.versions().unwrap()).unwrap();
        let error = refused((&later, &test.take(&[]).unwrap()));
        assert!(error.contains("are in the view"), "{error}");
        assert!(view.training_set(&run("t3"), set.manifest().split.clone()).is_err());
    }
}

#[test]
fn a_training_set_is_frozen_and_can_be_made_again() {
    for lake in lakes() {
        fill(&lake);
        let view = lake.lake.feature_view(view()).unwrap();
        let split = Split::Client { test_share: 0.3, seed: 1 };
        let set = view.training_set(&run("t1"), split.clone()).unwrap();
        let manifest = set.manifest().clone();
        assert_eq!((manifest.number, manifest.parts.iter().map(|p| p.rows).sum::<u64>()), (1, 200));
        assert_eq!(manifest.versions["labs_v1"], Version(1));
        assert!(manifest.parts[0].statistics.column("client_id").is_none());
        let train = set.read("train").unwrap();
        assert_eq!(train.n_rows() as u64, manifest.parts[0].rows);

        // More commits, and the same again: the set it was. Another set has the new rows.
        let costs = lake.lake.open_feature_group("medical_costs", None).unwrap();
        costs.insert(run("later"), &admit(clients(0..300, 999.0))).unwrap();
        let before = content(&lake.store);
        assert_eq!(view.training_set(&run("t1"), split.clone()).unwrap().manifest(), &manifest);
        assert_eq!(content(&lake.store), before);
        let again = view.open_training_set(1).unwrap();
        assert!(same(&again.read("train").unwrap(), &train));
        assert_eq!(view.reproduce(&again).unwrap(), manifest.digest);
        let second = view.training_set(&run("t2"), split).unwrap();
        assert_eq!(second.manifest().number, 2);
        assert_ne!(second.manifest().digest, manifest.digest);

        let by_time = Split::Time { test_from: DateTime::from_timestamp_micros(POINT).unwrap() };
        let timed = view.training_set(&run("t3"), by_time).unwrap();
        assert_eq!(timed.manifest().parts.iter().map(|p| p.rows).collect::<Vec<_>>(), [0, 300]);
        assert!(view.training_set(&run("t4"), Split::Client { test_share: f64::NAN, seed: 0 }).is_err());
        assert!(view.open_training_set(9).is_err() && set.read("validation").is_err());

        // A group that has evolved since: the set is made of what the group was then.
        let schema =
            labs_definition().schema.with_column(Column::new("unit", Kind::Nominal, ValueType::Text).nullable(true));
        let labs = lake.lake.open_feature_group("labs", None).unwrap();
        labs.evolve(run("grow"), &schema.unwrap()).unwrap();
        let reopened = lake.lake.open_feature_view("cost", 1).unwrap();
        assert!(reopened.schema().contains("lab_unit") && !view.schema().contains("lab_unit"));
        assert_eq!(reopened.reproduce(&again).unwrap(), manifest.digest);
        let split = Split::Client { test_share: 0.3, seed: 1 };
        let grown = view.training_set(&run("t5"), split).unwrap();
        assert!(
            grown.read("train").unwrap().schema().contains("lab_unit"),
            "as the group is, however long the view is open"
        );
        assert_eq!(reopened.reproduce(&grown).unwrap(), grown.manifest().digest);

        let file = format!("training_sets/cost_v1/data/{}.parquet", manifest.parts[0].fingerprint);
        flip(&lake.store, &file);
        assert!(matches!(set.read("train").unwrap_err(), StoreError::Corrupt { object, .. } if object == file));
    }
}

#[test]
fn lineage_leads_from_a_prediction_to_its_source() {
    for lake in lakes() {
        let log = lake.lake.lineage();
        let source = Artifact::new(ArtifactKind::Source, "sqlite/clients");
        let group = |version| Artifact::new(ArtifactKind::FeatureGroup, "medical_costs_v1").version(Version(version));
        let set = Artifact::new(ArtifactKind::TrainingSet, "cost_v1").version(Version(1));
        let model = Artifact::new(ArtifactKind::Model, "cost").version(Version(3));
        let predictions = Artifact::new(ArtifactKind::Predictions, "run-2/test.parquet");
        let at = |seconds: i64| DateTime::<Utc>::from_timestamp(seconds, 0).unwrap();
        let step = |name: &str, job: &str, seconds: i64, inputs: Vec<Artifact>, output: &Artifact| {
            LineageStep::new(run(name), job, at(seconds), "test 1").inputs(inputs).outputs([output.clone()])
        };
        let steps = [
            step("run-0", "load", 1, vec![source.clone()], &group(1)),
            step("run-1", "load", 2, vec![source.clone(), group(1)], &group(2)),
            step("run-1", "freeze", 3, vec![group(2)], &set),
            step("run-1", "train", 4, vec![set.clone()], &model),
            step("run-2", "load", 5, vec![source.clone()], &group(3)),
            step("run-2", "predict", 6, vec![model.clone(), group(3)], &predictions),
            step("run-3", "load", 7, vec![source], &group(4)),
        ];
        for step in steps.iter().chain(&steps[..2]) {
            log.record(step).unwrap();
        }
        assert_eq!(log.steps(None).unwrap(), steps);
        let trace = log.trace(&predictions).unwrap();
        let jobs: Vec<_> = trace.iter().map(|s| (s.run.as_str(), s.job.as_str())).collect();
        let expected = [
            ("run-2", "predict"),
            ("run-1", "train"),
            ("run-2", "load"),
            ("run-1", "freeze"),
            ("run-1", "load"),
            ("run-0", "load"),
        ];
        assert_eq!(jobs, expected);
        assert_eq!(open_lineage(&trace, "lake").len(), 12);
        assert_eq!(log.trace(&group(9)).unwrap(), []);

        // Done again at another time it is the same step, with its first times; ended by a gate it is another one.
        let dated = |start| LineageStep::new(run("run-4"), "train", at(8), "test 1").done(at(start), at(start + 5));
        log.record(&dated(100)).unwrap();
        log.record(&dated(200)).unwrap();
        assert_eq!(log.steps(Some(&run("run-4"))).unwrap(), [dated(100)]);
        let failed = dated(50).failed("models", vec!["r2 is too low".to_owned()]);
        log.record(&failed).unwrap();
        assert_eq!(
            log.steps(Some(&run("run-4"))).unwrap(),
            [failed, dated(100)],
            "in the order in which they were done"
        );
    }
}
