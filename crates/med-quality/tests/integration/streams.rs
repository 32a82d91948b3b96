//! Streams of frames that are never all in memory.

use std::convert::Infallible;

use med_quality::{Level, PlanOptions, Suite, column, columns, table};
use med_schema::{CsvOptions, Table};
use polars::prelude::*;
use serde_json::json;

/// One batch of a table that goes on for ever: numbers, repeating texts, and identifiers that are all different.
fn batch(number: i64) -> DataFrame {
    let rows = number * 5000..(number + 1) * 5000;
    df!(
        "id" => rows.clone().map(|i| format!("client-{i:012}")).collect::<Vec<_>>(),
        "plan" => rows.clone().map(|i| ["gold", "tin", "lead"][i as usize % 3]).collect::<Vec<_>>(),
        "cost" => rows.map(|i| (i * 7919 % 100_003) as f64 / 7.0).collect::<Vec<_>>()
    )
    .unwrap()
}

fn suite() -> Suite {
    Suite::new(
        "stream",
        [
            table().row_count_between(1..),
            column("id").values_match_regex("^client-[0-9]+$"),
            column("id").unique_count_between(1..),
            column("plan").values_in_set(["gold", "tin"]).mostly(0.6),
            column("plan").distinct_in_set(["gold", "tin", "lead"]),
            column("cost").values_between(0..=20_000),
            column("cost").median_between(7000..=7300),
            column("cost").stdev_between(4000..=4200),
            column("cost").values_not_outliers(1.5),
            column("cost").z_scores_below(4.0),
            columns(["plan", "cost"]).unique_within_row(),
        ],
    )
    .unwrap()
}

#[test]
fn a_bounded_stream_does_not_grow() {
    let suite = suite();
    let plan = suite.plan(batch(0).schema(), PlanOptions::from(Level::Summary).bounded(true));
    assert!(!plan.grows());
    let mut metrics = plan.start();
    let size = |metrics: &med_quality::Metrics| serde_json::to_string(metrics).unwrap().len();
    let mut sizes = Vec::new();
    for number in 0..48 {
        plan.add(&mut metrics, &batch(number));
        if number % 16 == 15 {
            sizes.push(size(&metrics));
        }
    }
    // The numbers in it get longer, the number of them does not.
    assert!(sizes[2] < sizes[0] + sizes[0] / 5, "{sizes:?}");
    let result = plan.judge(&metrics).result(Level::Summary);
    let distinct = &result.results[2].result;
    let error = distinct["observed_value"].as_f64().unwrap() / 240_000.0 - 1.0;
    assert!(error.abs() < 0.03, "{error}");
    assert_eq!(distinct["details"]["exact"], json!(false));
    assert!(result.results.iter().all(|r| r.success), "{}", serde_json::to_string_pretty(&result).unwrap());
}

#[test]
fn a_stream_answers_as_the_whole() {
    let suite = suite();
    let frames: Vec<DataFrame> = (0..4).map(batch).collect();
    let plan = suite.plan(frames[0].schema(), Level::Complete);
    assert!(plan.grows());
    let metrics = plan.scan_stream(frames.iter().cloned().map(Ok::<_, Infallible>)).unwrap();
    let whole = frames.into_iter().reduce(|mut all, next| {
        all.vstack_mut(&next).unwrap();
        all
    });
    let whole = suite.evaluate_frame(&whole.unwrap(), Level::Complete).result(Level::Complete);
    assert_eq!(plan.judge(&metrics).result(Level::Complete), whole);
    let mut other = suite.plan(batch(0).schema(), Level::Basic).start();
    assert!(other.merge(metrics).unwrap_err().to_string().contains("differ"));
}

#[test]
fn a_column_of_another_type_is_an_error_of_its_expectations() {
    let suite = suite();
    let plan = suite.plan(batch(0).schema(), Level::Summary);
    let mut metrics = plan.scan(&batch(0));
    let mut strange = batch(1);
    strange.with_column(Column::new("cost".into(), vec!["a"; 5000])).unwrap();
    plan.add(&mut metrics, &strange);
    let result = plan.judge(&metrics).result(Level::Summary);
    let raised: Vec<bool> = result.results.iter().map(|r| r.exception_info.raised_exception).collect();
    assert_eq!(raised, [false, false, false, false, false, true, true, true, true, true, true]);
}

/// An error that names a row names the row of the whole, also when its part was written down and read again.
#[test]
fn errors_of_parts_name_rows_of_the_whole() {
    let suite = r#"{"name": "s", "expectations": [{"type": "expect_column_values_to_match_json_schema",
        "kwargs": {"column": "t", "json_schema": {"type": "object"}}}]}"#;
    let suite = Suite::from_json(suite).unwrap();
    let table = Table::from_csv(b"t\n{}\n{}\n{}\nno\n", &CsvOptions::default()).unwrap();
    let plan = suite.plan(table.frame().schema(), PlanOptions::from(Level::Basic));
    let mut metrics = plan.start();
    for (start, n) in [(0, 1), (1, 3)] {
        let part = serde_json::to_string(&plan.scan(&table.frame().slice(start, n))).unwrap();
        metrics.merge(serde_json::from_str(&part).unwrap()).unwrap();
    }
    let report = plan.judge(&metrics).report();
    let message = serde_json::to_string(&report.results[0]).unwrap();
    assert!(message.contains("row 3: the text is not JSON"), "{message}");
}
