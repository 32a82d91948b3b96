//! Whatever the suite and the frame.

use med_quality::{Level, PlanOptions, Suite};
use med_schema::Table;
use polars::prelude::*;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

const COLUMNS: [&str; 6] = ["i", "f", "s", "b", "d", "none"];

#[derive(Debug, Clone)]
struct Row {
    i: Option<i64>,
    f: Option<f64>,
    s: Option<String>,
    b: Option<bool>,
    d: Option<i32>,
}

fn any_row() -> impl Strategy<Value = Row> {
    let float = prop_oneof![
        6 => (-3i32..3).prop_map(|v| f64::from(v) / 2.0),
        1 => Just(f64::NAN),
        1 => Just(f64::INFINITY),
        1 => Just(f64::MAX),
        1 => Just(-0.0)
    ];
    let int = prop_oneof![8 => -3i64..4, 1 => Just(i64::MIN), 1 => Just(i64::MAX)];
    let text = prop_oneof![
        Just("".to_owned()),
        Just("a".to_owned()),
        Just("2024-01-05".to_owned()),
        Just("{\"a\":1}".to_owned()),
        ".{0,3}"
    ];
    (
        prop::option::of(int),
        prop::option::of(float),
        prop::option::of(text),
        prop::option::of(any::<bool>()),
        prop::option::of(-9i32..9),
    )
        .prop_map(|(i, f, s, b, d)| Row { i, f, s, b, d })
}

fn table_of(rows: &[Row]) -> Table {
    let series = [
        Series::new("i".into(), rows.iter().map(|r| r.i).collect::<Vec<_>>()),
        Series::new("f".into(), rows.iter().map(|r| r.f).collect::<Vec<_>>()),
        Series::new("s".into(), rows.iter().map(|r| r.s.clone()).collect::<Vec<_>>()),
        Series::new("b".into(), rows.iter().map(|r| r.b).collect::<Vec<_>>()),
        Series::new("d".into(), rows.iter().map(|r| r.d).collect::<Vec<_>>()).cast(&DataType::Date).unwrap(),
    ];
    let frame = DataFrame::new(rows.len(), series.into_iter().map(Column::from).collect()).unwrap();
    Table::infer(frame).unwrap()
}

/// An expectation of any type, with parameters that its type takes and values that often make no sense for the column.
fn any_expectation() -> impl Strategy<Value = Value> {
    let names = med_quality::Expectation::names().collect::<Vec<_>>();
    let scalar = prop_oneof![
        (-3i64..4).prop_map(Value::from),
        Just(json!(0.5)),
        Just(json!("a")),
        Just(json!("2024-01-05")),
        Just(Value::Null),
        Just(json!(true))
    ];
    let bound = prop_oneof![4 => (-3i64..4).prop_map(Value::from), 1 => Just(json!("1970-01-03")), 1 => Just(json!("1970-01-03T10:00:00"))];
    let set = prop::collection::vec(scalar, 1..4);
    let picks =
        (prop::sample::select(names), prop::sample::select(COLUMNS.to_vec()), prop::sample::select(COLUMNS.to_vec()));
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    (picks, set, bound, flags, 0.0..=1.0f64, 0..3usize).prop_map(
        |((name, a, b), set, bound, (x, y, z), share, which)| {
            let mut kwargs = Map::new();
            let mut put = |key: &str, value: Value| kwargs.insert(key.to_owned(), value);
            if name.contains("column_pair") {
                put("column_A", json!(a));
                put("column_B", json!(b));
                put("ignore_row_if", json!(["both_values_are_missing", "either_value_is_missing", "neither"][which]));
            } else if name.contains("compound") || name.contains("multicolumn") || name.contains("select_column") {
                put("column_list", json!([a, b]));
                put("ignore_row_if", json!(["all_values_are_missing", "any_value_is_missing", "never"][which]));
            } else if !name.starts_with("expect_table") {
                put("column", json!(a));
            }
            let numeric = bound.is_number().then(|| bound.clone()).unwrap_or(json!(1));
            match name {
                n if n.contains("lengths_to_be_between")
                    || n.contains("_count_to_be")
                    || n.contains("proportion")
                    || n.contains("sum_to_be")
                    || n.contains("stdev") =>
                {
                    put("min_value", numeric);
                }
                n if n.ends_with("to_be_between") && !n.contains("quantile") => {
                    put("min_value", bound);
                    if !n.contains("table") {
                        put("strict_min", json!(x));
                    }
                }
                n if n.contains("pair_values_to_be_in_set") => {
                    put("value_pairs_set", json!([[set[0], set[set.len() - 1]]]));
                }
                n if n.contains("set") && !n.contains("columns_to_match") => {
                    put("value_set", json!(set));
                }
                n if n.contains("regex_list") => {
                    put("regex_list", json!(["a", "^.$"]));
                }
                n if n.contains("regex") => {
                    put("regex", json!(["^a$", "(", "[[]"][which]));
                }
                n if n.contains("lengths_to_equal") || n.contains("count_to_equal") => {
                    put("value", json!(which));
                }
                n if n.contains("strftime") => {
                    put("strftime_format", json!("%Y-%m-%d"));
                }
                n if n.contains("json_schema") => {
                    put("json_schema", json!({"type": "object"}));
                }
                n if n.contains("z_scores") => {
                    put("threshold", json!(share));
                    put("double_sided", json!(x));
                }
                n if n.contains("outliers") => {
                    put("method", json!(if x { "iqr" } else { "std" }));
                }
                n if n.contains("of_type") || n.contains("type_to_be") => {
                    put("type_", json!(["int64", "str", "nonsense"][which]));
                }
                n if n.contains("sum_to_equal") => {
                    put("sum_total", json!(which));
                }
                n if n.contains("quantile") => {
                    put(
                        "quantile_ranges",
                        json!({"quantiles": [0.0, share, 1.0], "value_ranges": [[null, 1], [0, null], [null, null]]}),
                    );
                    put("allow_relative_error", [json!(true), json!("linear"), json!(false)][which].clone());
                }
                n if n.contains("kl_divergence") => {
                    let partitions = [
                        Value::Null,
                        json!({"values": [1, "a"], "weights": [0.5, 0.5]}),
                        json!({"bins": [-1, 0, 2], "weights": [0.5, 0.5]}),
                    ];
                    put("partition_object", partitions[which].clone());
                    put("bucketize_data", json!(y));
                    put("tail_weight_holdout", json!(if z { 0.1 } else { 0.0 }));
                }
                _ => {}
            }
            if name.contains("column_values") || name.contains("pair") {
                kwargs.insert("mostly".to_owned(), json!(share));
            }
            if z && !name.starts_with("expect_table") && !name.contains("type_to_be") && !name.contains("to_exist") {
                let operator = ["==", ">", "NOT_IN"][which];
                let condition = json!({"type": "comparison", "column": {"name": b}, "operator": operator,
                "parameter": if which == 2 { json!([1, 2]) } else { json!(1) }});
                kwargs.insert("row_condition".to_owned(), condition);
            }
            json!({"type": name, "kwargs": kwargs, "meta": {}, "severity": "info"})
        },
    )
}

fn any_suite() -> impl Strategy<Value = Suite> {
    prop::collection::vec(any_expectation(), 1..8).prop_map(|expectations| {
        let text = json!({"name": "any", "expectations": expectations}).to_string();
        Suite::from_json(&text).unwrap_or_else(|e| panic!("{e}\n{text}"))
    })
}

/// Rules whose verdict may depend on the order of rows. Sums are exact, so theirs does not.
fn depends_on_order(name: &str) -> bool {
    name.contains("increasing") || name.contains("decreasing")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn suites_never_panic_and_results_are_whole(suite in any_suite(), rows in prop::collection::vec(any_row(), 0..25)) {
        let table = table_of(&rows);
        let evaluation = suite.evaluate(&table);
        for level in [Level::BooleanOnly, Level::Basic, Level::Summary, Level::Complete] {
            let result = evaluation.result(level);
            prop_assert_eq!(result.results.len(), suite.expectations().len());
            let text = serde_json::to_string(&result).unwrap();
            prop_assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["success"].as_bool(), Some(evaluation.success()));
            for one in &result.results {
                prop_assert!(!(one.success && one.exception_info.raised_exception));
                prop_assert!(!one.exception_info.raised_exception || one.result.is_empty());
            }
        }
        let report = evaluation.report();
        for (of_report, of_result) in report.results.iter().zip(&evaluation.result(Level::Basic).results) {
            prop_assert_eq!(of_report.passed(), of_result.success);
            if let (Some(rows), Some(unexpected)) = (of_report.rows, of_report.unexpected_rows) {
                prop_assert!(unexpected <= rows);
            }
        }
        let checks = med_quality::MetaSuite::new("m")
            .with(med_quality::ReportMatchesSuite::new(&suite))
            .with(med_quality::ResultsConsistent)
            .report(&report);
        prop_assert_eq!(checks.verdict(), med_schema::Verdict::Passed, "{:?}", checks);
    }

    #[test]
    fn the_order_of_rows_changes_no_verdict(suite in any_suite(), rows in prop::collection::vec(any_row(), 0..25), turn in 0usize..25) {
        let mut turned = rows.clone();
        turned.reverse();
        turned.rotate_left(turn % rows.len().max(1));
        let verdicts = |rows: &[Row]| suite.report(&table_of(rows)).results.into_iter().map(|r| r.verdict).collect::<Vec<_>>();
        for ((expectation, before), after) in suite.expectations().iter().zip(verdicts(&rows)).zip(verdicts(&turned)) {
            if !depends_on_order(expectation.name()) {
                prop_assert_eq!(before, after, "{:?}", expectation);
            }
        }
    }

    /// Metrics of parts, written down and read again, add up to those of the whole, wherever the cuts are.
    #[test]
    fn parts_add_up_to_the_whole(
        suite in any_suite(),
        rows in prop::collection::vec(any_row(), 1..40),
        cuts in prop::collection::vec(0usize..40, 0..4),
        bounded in any::<bool>(),
    ) {
        let table = table_of(&rows);
        let frame = table.frame();
        let plan = suite.plan(frame.schema(), PlanOptions::from(Level::Complete).bounded(bounded));
        let whole = plan.judge(&plan.scan(frame));
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(rows.len())).chain([0, rows.len()]).collect();
        cuts.sort_unstable();
        let mut metrics = plan.start();
        for cut in cuts.windows(2) {
            let part = plan.scan(&frame.slice(cut[0] as i64, cut[1] - cut[0]));
            let written = serde_json::to_string(&part).unwrap();
            let read: med_quality::Metrics = serde_json::from_str(&written).unwrap();
            metrics.merge(read).unwrap();
        }
        let parts = plan.judge(&metrics);
        prop_assert_eq!(metrics.rows(), rows.len() as u64);
        let json = |evaluation: &med_quality::Evaluation<'_>| serde_json::to_value(evaluation.result(Level::Complete)).unwrap();
        prop_assert_eq!(json(&whole), json(&parts));
        prop_assert_eq!(whole.report(), parts.report());
    }

    /// Every row is either good or in quarantine, and a row in quarantine broke a rule that names it.
    #[test]
    fn splitting_loses_no_row(suite in any_suite(), rows in prop::collection::vec(any_row(), 0..25)) {
        let table = table_of(&rows);
        let split = suite.split(&table, med_schema::Severity::Info).unwrap();
        prop_assert_eq!(split.good.n_rows() + split.quarantine.height(), rows.len());
        let again = suite.evaluate(&table).result(Level::Complete);
        let mut listed: Vec<u64> = again.results.iter()
            .filter_map(|r| r.result.get("unexpected_index_list").and_then(Value::as_array))
            .flatten().filter_map(Value::as_u64).collect();
        listed.sort_unstable();
        listed.dedup();
        prop_assert_eq!(split.rows, listed);
    }

    #[test]
    fn suites_survive_writing_and_reading(suite in any_suite()) {
        let written = suite.to_json().unwrap();
        let read = Suite::from_json(&written).unwrap();
        prop_assert_eq!(&read, &suite);
        prop_assert_eq!(read.to_json().unwrap(), written);
    }
}
