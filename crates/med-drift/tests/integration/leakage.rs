//! Checks of a split: against deepchecks, and on splits whose faults are known.

use med_drift::leakage::{
    CorrelationWithTarget, DateDuplicates, DateOverlap, KeyLeakage, NewCategories, Part, SamplesMix, SizeRatio,
    StringVariants, TrainTest, train_test_report,
};
use med_drift::multivariate::{LearnerError, Predictor};
use med_schema::{Check, FeatureColumn, FeatureMatrix, Verdict};
use serde_json::{Value, json};

use crate::golden::{column, folder};

#[test]
fn a_split_is_what_deepchecks_says() {
    let golden: Value =
        serde_json::from_str(&std::fs::read_to_string(folder().join("train_test.json")).unwrap()).unwrap();
    let cases = golden["cases"].as_object().unwrap();
    for (name, expected) in cases {
        let case = folder().join(name);
        let columns: Value =
            serde_json::from_str(&std::fs::read_to_string(case.join("expected.json")).unwrap()).unwrap();
        let side = |side: &str| {
            let features = columns["columns"].as_array().unwrap().iter();
            let of = |c: &Value| column(&case, side, c["name"].as_str().unwrap(), c["kind"].as_str().unwrap());
            FeatureMatrix::new(features.map(of).collect()).unwrap()
        };
        let (train, test) = (side("reference"), side("current"));
        let parts = TrainTest { train: Part::new(&train), test: Part::new(&test) };
        let mix = SamplesMix::default().check(&parts);
        assert_eq!(mix.observed, Some(expected["samples_mix"].clone()), "{name}");
        let sizes = SizeRatio::default().check(&parts);
        assert_eq!(
            (&sizes.details["train_rows"], &sizes.details["test_rows"]),
            (&expected["train_rows"], &expected["test_rows"])
        );
        let new = NewCategories::default().check(&parts);
        for (column, expected) in expected["new_categories"].as_object().unwrap() {
            let found = &new.details["columns"][column];
            let (levels, ratio) = (&found["new_levels"], found["ratio"].as_f64().unwrap());
            let close = (ratio - expected[1].as_f64().unwrap()).abs() < 1e-12;
            assert!(*levels == expected[0] && close, "{name} {column}: {found} {expected}");
        }
    }
    assert!(cases.len() > 20);
}

fn part(ages: &[f64], plans: &[Option<&str>]) -> FeatureMatrix {
    FeatureMatrix::new(vec![
        FeatureColumn::numeric("age", ages.to_vec()),
        FeatureColumn::from_texts("plan", plans.iter().copied()),
    ])
    .unwrap()
}

#[test]
fn rows_are_equal_with_their_holes() {
    let train = part(&[1.0, -0.0, f64::NAN, 4.0], &[Some("a"), Some("b"), None, Some("a")]);
    let test = part(&[0.0, f64::NAN, 4.0, 4.0, 1.0], &[Some("b"), None, Some("a"), Some("a"), Some("b")]);
    let parts = TrainTest { train: Part::new(&train), test: Part::new(&test) };
    let mixed = SamplesMix::default().check(&parts);
    assert_eq!((mixed.verdict, mixed.unexpected_rows, mixed.rows), (Verdict::Failed, Some(4), Some(5)));
    let targets = ([1.0, 2.0, 3.0, 4.0], [2.0, 3.0, 9.0, 4.0, 1.0]);
    let with = TrainTest {
        train: Part { target: Some(&targets.0), ..parts.train },
        test: Part { target: Some(&targets.1), ..parts.test },
    };
    assert_eq!(SamplesMix::default().check(&with).unexpected_rows, Some(3));
    assert!(SamplesMix { most: 0.6 }.check(&with).passed());
    // As keys the row with a hole names nobody.
    let keyed =
        TrainTest { train: Part { keys: Some(&train), ..parts.train }, test: Part { keys: Some(&test), ..parts.test } };
    assert_eq!(KeyLeakage::default().check(&keyed).unexpected_rows, Some(3));
    assert_eq!(KeyLeakage::default().check(&parts).verdict, Verdict::Error);
    let short = TrainTest { test: Part { target: Some(&targets.0), ..parts.test }, ..with };
    assert_eq!(SamplesMix::default().check(&short).verdict, Verdict::Error);
}

#[test]
fn times_repeat_and_overlap() {
    let (train, test) = (part(&[1.0; 4], &[None; 4]), part(&[1.0; 5], &[None; 5]));
    let (old, new) = ([Some(1), Some(5), None, Some(3)], [Some(3), Some(4), Some(5), Some(6), None]);
    let parts = TrainTest {
        train: Part { times: Some(&old), ..Part::new(&train) },
        test: Part { times: Some(&new), ..Part::new(&test) },
    };
    assert_eq!(DateDuplicates::default().check(&parts).observed, Some(json!(0.4)));
    assert_eq!(DateOverlap::default().check(&parts).observed, Some(json!(0.4)));
    assert!(DateOverlap { most: 0.4 }.check(&parts).passed());
    let names: Vec<String> = train_test_report(&parts).results.into_iter().map(|r| r.check).collect();
    assert_eq!(
        names,
        ["size_ratio", "new_categories", "string_variants", "date_duplicates", "date_overlap", "samples_mix"]
    );
}

#[test]
fn spellings_that_only_the_test_part_has() {
    let texts = |plans: [&'static str; 4]| {
        FeatureMatrix::new(vec![FeatureColumn::from_texts("plan", plans.map(Some))]).unwrap()
    };
    let (train, test) = (texts(["Semi-Urban", "rural", "--", "tin"]), texts(["semi urban", "rural", "!!", "Tin "]));
    let parts = TrainTest { train: Part::new(&train), test: Part::new(&test) };
    let found = StringVariants::default().check(&parts);
    assert_eq!((found.verdict, &found.details["columns"]["plan"]), (Verdict::Failed, &json!(2)));
    assert!(StringVariants { most: 2 }.check(&parts).passed());
    let other = FeatureMatrix::new(vec![FeatureColumn::numeric("plan", vec![1.0; 4])]).unwrap();
    let kinds = TrainTest { train: Part::new(&train), test: Part::new(&other) };
    assert_eq!(NewCategories::default().check(&kinds).verdict, Verdict::Error);
}

/// Predicts the target of the nearest training value of the one column.
fn nearest(x: &FeatureMatrix, y: &[f64]) -> Result<Box<dyn Predictor>, LearnerError> {
    let name = x.names().next().unwrap_or_default().to_owned();
    let mut known: Vec<(f64, f64)> = x.numeric(&name)?.iter().copied().zip(y.iter().copied()).collect();
    known.sort_by(|a, b| a.0.total_cmp(&b.0));
    Ok(Box::new(move |x: &FeatureMatrix| -> Result<Vec<f64>, LearnerError> {
        let of = |v: &f64| known[known.partition_point(|k| k.0 < *v).min(known.len() - 1)].1;
        Ok(x.numeric(&name)?.iter().map(of).collect())
    }))
}

#[test]
fn a_feature_that_knows_the_target_in_training_alone() {
    let rows = 200;
    let noise = |by: usize| (0..rows).map(|i| (i * by % 199) as f64).collect::<Vec<f64>>();
    let target = noise(31);
    let side = |leak: &[f64]| {
        FeatureMatrix::new(vec![
            FeatureColumn::numeric("honest", noise(77)),
            FeatureColumn::numeric("leaking", leak.to_vec()),
        ])
        .unwrap()
    };
    let (train, test) = (side(&target), side(&noise(53)));
    let parts = TrainTest {
        train: Part { target: Some(&target), ..Part::new(&train) },
        test: Part { target: Some(&target), ..Part::new(&test) },
    };
    let check = CorrelationWithTarget::new(&nearest);
    let found = check.check(&parts);
    assert_eq!((found.verdict, found.message.as_deref()), (Verdict::Failed, Some("leaking")), "{found}");
    let columns = &found.details["columns"];
    assert!(columns["leaking"]["train"].as_f64().unwrap() > 0.9, "{columns}");
    assert!(columns["honest"]["difference"].as_f64().unwrap().abs() < 1e-12, "{columns}");
    assert_eq!(check.check(&TrainTest { train: Part::new(&train), ..parts }).verdict, Verdict::Error);
}
