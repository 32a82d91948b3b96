//! Whole tables: verdicts, JSON and errors.

use med_drift::{DriftDetector, DriftError, DriftParams, DriftReason, Method, Preset, TableRule};
use med_schema::{CheckResult, FeatureColumn, FeatureMatrix, Verdict};
use serde_json::{Value, json};

/// `rows` clients: age, visits and plan, the age shifted by `older` years.
fn clients(rows: usize, older: f64) -> FeatureMatrix {
    let age = (0..rows).map(|i| 20.0 + (i * 37 % 60) as f64 + older).collect::<Vec<_>>();
    let visits = (0..rows).map(|i| if i % 10 == 0 { f64::NAN } else { (i * 13 % 8) as f64 }).collect::<Vec<_>>();
    let plan = (0..rows).map(|i| Some(["gold", "silver", "silver"][i % 3]));
    FeatureMatrix::new(vec![
        FeatureColumn::numeric("age", age),
        FeatureColumn::numeric("visits", visits),
        FeatureColumn::from_texts("plan", plan),
    ])
    .unwrap()
}

#[test]
fn a_shifted_column_is_found_and_named() {
    let report = DriftDetector::default().detect(&clients(600, 0.0), &clients(300, 15.0)).unwrap();
    let verdicts: Vec<(&str, bool)> = report.columns.iter().map(|c| (c.name.as_str(), c.drifted)).collect();
    assert_eq!(verdicts, [("age", true), ("visits", false), ("plan", false)]);
    assert_eq!((report.share_drifted, report.drifted), (1.0 / 3.0, false));
    let visits = report.column("visits").unwrap();
    assert_eq!((visits.reference_rows, visits.reference_nulls), (540, 60));
}

#[test]
fn the_deepchecks_preset_alarms_on_one_column() {
    let detector = DriftDetector::new(DriftParams::preset(Preset::Deepchecks)).unwrap();
    let report = detector.detect(&clients(600, 0.0), &clients(300, 15.0)).unwrap();
    assert!(report.drifted);
    // The last digit is that of 0.75 - 0.5 in counts over 600 and 300; a score at the threshold counts as drift.
    assert_eq!(report.column("age").unwrap().score, Some(0.25000000000000006));
    let at = |threshold| {
        let params = DriftParams::preset(Preset::Deepchecks).with_threshold(threshold);
        DriftDetector::new(params).unwrap().detect(&clients(600, 0.0), &clients(300, 15.0)).unwrap().drifted
    };
    assert_eq!((at(0.25000000000000006), at(0.250001)), (true, false));
}

#[test]
fn a_large_score_by_chance_is_no_drift_by_default() {
    let column = |v: [f64; 12]| FeatureMatrix::new(vec![FeatureColumn::numeric("x", v.to_vec())]).unwrap();
    let reference = column([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0]);
    let current = column([3.5, 4.5, 5.5, 6.5, 7.5, 8.5, 9.5, 10.5, 11.5, 12.5, 13.5, 1.5]);
    let by_default = DriftDetector::default().detect(&reference, &current).unwrap();
    let x = by_default.column("x").unwrap();
    assert!(x.score.unwrap() >= x.threshold && x.p_value.unwrap() > 0.05 && !x.drifted);
    let params = DriftParams { alpha: None, ..DriftParams::default() };
    assert!(DriftDetector::new(params).unwrap().detect(&reference, &current).unwrap().drifted);
}

#[test]
fn columns_that_cannot_be_compared_say_why() {
    let few = clients(9, 50.0);
    let report = DriftDetector::default().detect(&clients(600, 0.0), &few).unwrap();
    assert!(!report.drifted);
    let age = report.column("age").unwrap();
    assert_eq!((age.score, age.drifted), (None, false));
    assert_eq!(
        age.message.as_deref(),
        Some("not compared: 600 and 9 rows have a value, at least 10 are needed on each side")
    );
    let params = DriftParams::default().with_method(Method::Wasserstein);
    let column = |v: f64| FeatureMatrix::new(vec![FeatureColumn::numeric("x", vec![v; 20])]).unwrap();
    let moved = DriftDetector::new(params).unwrap().detect(&column(1.0), &column(2.0)).unwrap();
    assert_eq!((moved.columns[0].score, moved.columns[0].drifted), (None, true));
    assert!(moved.columns[0].message.as_deref().unwrap().contains("infinite"));
}

#[test]
fn missing_values_and_new_levels_are_drift_of_their_own() {
    let table = |holes: usize, plan: &'static str| {
        let age =
            (0..400).map(|i| if i < holes { f64::NAN } else { f64::from(i as u32 * 37 % 60) }).collect::<Vec<_>>();
        let plans = (0..400).map(|i| Some(if i < 40 { plan } else { ["gold", "silver"][i % 2] }));
        FeatureMatrix::new(vec![FeatureColumn::numeric("age", age), FeatureColumn::from_texts("plan", plans)]).unwrap()
    };
    let report = DriftDetector::default().detect(&table(0, "gold"), &table(60, "bronze")).unwrap();
    let (age, plan) = (report.column("age").unwrap(), report.column("plan").unwrap());
    assert_eq!((age.reasons.as_slice(), age.drifted), ([DriftReason::MissingValues].as_slice(), true));
    assert!(plan.reasons.contains(&DriftReason::NewLevels), "{plan:?}");
    let same = DriftDetector::default().detect(&table(20, "gold"), &table(24, "gold")).unwrap();
    assert!(same.columns.iter().all(|c| !c.drifted), "{same:?}");
    let params = DriftParams { adjust: false, ..DriftParams::default() };
    let unadjusted = DriftDetector::new(params).unwrap().detect(&table(0, "gold"), &table(60, "bronze")).unwrap();
    assert!(!unadjusted.column("age").unwrap().drifted);
}

#[test]
fn a_small_difference_is_no_drift_however_sure_it_is() {
    let shifted = |by: f64| {
        let values = (0..200_000).map(|i| (i * 7919 % 200_003) as f64 / 200_003.0 + by).collect::<Vec<_>>();
        FeatureMatrix::new(vec![FeatureColumn::numeric("x", values)]).unwrap()
    };
    let detector = DriftDetector::new(DriftParams::default().with_method(Method::Welch)).unwrap();
    let report = detector.detect(&shifted(0.0), &shifted(0.01)).unwrap();
    let x = report.column("x").unwrap();
    assert!(x.p_value.unwrap() < 1e-6 && x.effect_size.unwrap() < 0.011 && !x.drifted, "{x:?}");
    assert!(detector.detect(&shifted(0.0), &shifted(0.05)).unwrap().column("x").unwrap().drifted);
}

/// Twenty columns without drift, 60 times: by raw p-values some column alarms in most tables, by adjusted ones in about one of twenty.
#[test]
fn false_alarms_do_not_grow_with_the_number_of_columns() {
    let mut state = 7_u64;
    let mut uniform = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    let mut table = |rows: usize| {
        let columns =
            (0..20).map(|i| FeatureColumn::numeric(format!("x{i}"), (0..rows).map(|_| uniform()).collect::<Vec<_>>()));
        FeatureMatrix::new(columns.collect()).unwrap()
    };
    let params = DriftParams { min_effect: 0.0, ..DriftParams::default().with_method(Method::Welch) };
    let detector = DriftDetector::new(params).unwrap();
    let (mut raw, mut adjusted, mut small) = (0, 0, 0);
    for _ in 0..60 {
        let report = detector.detect(&table(120), &table(80)).unwrap();
        raw += usize::from(report.columns.iter().any(|c| c.p_value.unwrap() <= 0.05));
        adjusted += usize::from(report.columns.iter().any(|c| c.drifted));
        small += report.columns.iter().filter(|c| c.p_value.unwrap() <= 0.2).count();
    }
    assert!(raw > 25 && adjusted <= 8, "{raw} {adjusted}");
    // P-values of 1200 columns without drift: a fifth of them is at or below 0.2, give or take four standard deviations.
    assert!((185..=295).contains(&small), "{small}");
}

#[test]
fn tables_with_other_columns_are_refused() {
    let (reference, current) = (clients(20, 0.0), clients(20, 0.0));
    let without = |m: &FeatureMatrix, names: [&str; 1]| m.select(names).unwrap();
    let error = DriftDetector::default().detect(&reference, &without(&current, ["age"])).unwrap_err();
    assert_eq!(error.to_string(), "both tables must have the same columns; the current table lacks visits, plan");
    let error =
        DriftDetector::default().detect(&without(&reference, ["plan"]), &without(&current, ["age"])).unwrap_err();
    let (r, c) = (vec!["age".to_owned()], vec!["plan".to_owned()]);
    assert_eq!(error, DriftError::MissingColumns { reference: r, current: c });
    let empty = FeatureMatrix::default();
    assert_eq!(DriftDetector::default().detect(&empty, &empty).unwrap_err(), DriftError::NoColumns);
}

#[test]
fn columns_of_another_kind_are_all_listed() {
    let numbers = |n: &str| FeatureColumn::numeric(n, vec![1.0; 12]);
    let names = |n: &str| FeatureColumn::from_texts(n, [Some("1"); 12]);
    let reference = FeatureMatrix::new(vec![numbers("a"), names("b"), numbers("c")]).unwrap();
    let current = FeatureMatrix::new(vec![names("a"), numbers("b"), numbers("c")]).unwrap();
    let message = DriftDetector::default().detect(&reference, &current).unwrap_err().to_string();
    assert!(message.contains("\"a\" (numeric in the reference, categorical in the current)"), "{message}");
    assert!(message.contains("\"b\" (categorical in the reference, numeric in the current)"), "{message}");
    assert!(!message.contains("\"c\""), "{message}");
}

#[test]
fn the_json_shape_is_stable() {
    let report = DriftDetector::default().detect(&clients(60, 0.0), &clients(9, 0.0)).unwrap();
    let text = serde_json::to_string(&report).unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        value["columns"]["plan"],
        json!({
            "kind": "categorical", "method": "cramers_v", "score": null, "threshold": 0.1, "decided_by": "score",
            "drifted": false, "reference_rows": 60, "current_rows": 9, "reference_nulls": 0, "current_nulls": 0,
            "message": "not compared: 60 and 9 rows have a value, at least 10 are needed on each side",
        })
    );
    assert_eq!((&value["share_drifted"], &value["drifted"]), (&json!(0.0), &json!(false)));
    let places = ["\"age\":", "\"visits\":", "\"plan\":"].map(|name| text.find(name).unwrap());
    assert!(places.is_sorted(), "{text}");
    assert_eq!(serde_json::from_str::<med_drift::DriftReport>(&text).unwrap(), report);
}

#[test]
fn drift_answers_in_the_shared_vocabulary() {
    let params = DriftParams { table: TableRule::Share(0.3), ..DriftParams::default() };
    let report =
        DriftDetector::new(params).unwrap().detect(&clients(600, 0.0), &clients(300, 15.0)).unwrap().to_report();
    let lines: Vec<String> = report.results.iter().map(CheckResult::to_string).collect();
    assert_eq!(
        lines,
        [
            "column_drift on \"age\" failed (warning): expected ks below 0.1, observed 0.25000000000000006",
            "column_drift on \"visits\" passed: expected ks below 0.1, observed 0.0037037037037037646",
            "column_drift on \"plan\" passed: expected cramers_v below 0.1, observed 0.0",
            "table_drift failed (critical): expected a share of drifted columns below 0.3, \
             observed 0.3333333333333333: 1 of 3 columns: age",
        ]
    );
    assert_eq!(report.verdict(), Verdict::Failed);
}

#[test]
fn parameters_are_checked_when_read() {
    let detector = DriftDetector::new(DriftParams::default().with_method(Method::Psi)).unwrap();
    let text = serde_json::to_string(&detector).unwrap();
    assert_eq!(serde_json::from_str::<DriftDetector>(&text).unwrap(), detector);
    assert_eq!(serde_json::from_str::<DriftDetector>("{}").unwrap(), DriftDetector::default());
    for bad in [
        r#"{"numeric":{"method":"cramers_v","threshold":0.1}}"#,
        r#"{"numeric":{"method":"kss","threshold":0.1}}"#,
        r#"{"alpha":2.0}"#,
        r#"{"thresholds":0.1}"#,
    ] {
        assert!(serde_json::from_str::<DriftDetector>(bad).is_err(), "{bad}");
    }
}

#[test]
fn every_type_can_cross_threads() {
    fn crosses<T: Send + Sync + 'static>() {}
    crosses::<DriftDetector>();
    crosses::<med_drift::DriftReport>();
    crosses::<DriftError>();
    crosses::<Box<dyn med_drift::DriftMeasure>>();
}

#[test]
fn an_only_method_is_asked_of_its_kinds_alone() {
    let params = DriftParams { min_samples: 1, ..DriftParams::default().with_only(Method::CramersV) };
    let detector = DriftDetector::new(params).unwrap();
    let report = detector.detect(&clients(600, 0.0), &clients(300, 15.0)).unwrap();
    let (age, plan) = (report.column("age").unwrap(), report.column("plan").unwrap());
    assert_eq!((age.method, age.score, age.threshold), (Method::CramersV, None, plan.threshold));
    assert_eq!(age.message.as_deref(), Some("not compared: cramers_v does not measure numeric columns"));
    assert!(plan.score.is_some());
    // The missing values of a column that is not compared are no drift, and it counts in no share.
    let mut holes = clients(300, 0.0).numeric("visits").unwrap().to_vec();
    holes[..200].fill(f64::NAN);
    let other = ["gold"; 300].map(Some);
    let current = FeatureMatrix::new(vec![
        FeatureColumn::numeric("age", vec![1.0; 300]),
        FeatureColumn::numeric("visits", holes),
        FeatureColumn::from_texts("plan", other),
    ])
    .unwrap();
    let report = detector.detect(&clients(600, 0.0), &current).unwrap();
    let drifted: Vec<&str> = report.columns.iter().filter(|c| c.drifted).map(|c| c.name.as_str()).collect();
    assert_eq!((drifted, report.share_drifted), (vec!["plan"], 1.0));
    let monitor = med_drift::Monitor::new(detector, &clients(600, 0.0)).unwrap();
    assert_eq!(monitor.judge(&current).unwrap(), report);
}

#[test]
fn what_vanishes_in_squares_has_no_score_and_a_sparse_g_test_says_so() {
    let column = |unit: f64| {
        let values = (0..40).map(|i| f64::from(i * 7 % 11) * unit).collect::<Vec<_>>();
        FeatureMatrix::new(vec![FeatureColumn::numeric("x", values)]).unwrap()
    };
    let detector = DriftDetector::new(DriftParams::default().with_only(Method::StdStability)).unwrap();
    let x = detector.detect(&column(1e-300), &column(3e-300)).unwrap().columns.remove(0);
    assert!(x.score.is_none() && x.message.unwrap().contains("underflow"));
    let texts = |n: usize| {
        let texts: Vec<String> = (0..n).map(|i| format!("{}", i * i % 53)).collect();
        FeatureMatrix::new(vec![FeatureColumn::from_texts("x", texts.iter().map(|t| Some(t.as_str())))]).unwrap()
    };
    let detector = DriftDetector::new(DriftParams::default().with_only(Method::GTest)).unwrap();
    let x = detector.detect(&texts(60), &texts(50)).unwrap().columns.remove(0);
    assert!(x.score.is_some() && x.message.unwrap().contains("g_test"));
}
