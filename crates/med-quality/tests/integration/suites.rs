//! Suites: what is refused, what survives writing and reading, how errors and custom checks answer.

use med_quality::{
    Condition, Level, MetaSuite, ReportMatchesSuite, Suite, ValidationResult, column, columns, table as whole_table,
};
use med_schema::{Check, CheckResult, CsvOptions, GatePolicy, Report, Severity, Table, Verdict};
use serde_json::{Value, json};

fn clients() -> Table {
    let csv = "client,age,plan,paid,allowed\nann,34,gold,10.5,12\nbob,200,,3.25,3\ncem,51,tin,0,0\n";
    Table::from_csv(csv.as_bytes(), &CsvOptions::default()).unwrap()
}

fn refused(expectation: Value) -> String {
    Suite::from_json(&json!({"name": "s", "expectations": [expectation]}).to_string()).unwrap_err().to_string()
}

#[test]
fn errors_name_number_type_parameter_and_near_names() {
    let unknown = refused(json!({"type": "expect_column_values_to_be_betwen", "kwargs": {"column": "age"}}));
    assert!(
        unknown.starts_with(
            "expectation 1: unknown type \"expect_column_values_to_be_betwen\"; did you mean \
             expect_column_values_to_be_between,"
        ),
        "{unknown}"
    );
    assert_eq!(
        refused(
            json!({"type": "expect_column_values_to_be_between", "kwargs": {"column": "age", "min_valu": 0, "max_value": 1}})
        ),
        "expectation 1 (expect_column_values_to_be_between): unknown parameter \"min_valu\"; did you mean min_value, max_value?"
    );
    assert_eq!(
        refused(json!({"type": "expect_column_mean_to_be_between", "kwargs": {"column": "age", "mostly": 0.5}})),
        "expectation 1 (expect_column_mean_to_be_between): unknown parameter \"mostly\""
    );
    let severity = json!({"type": "expect_column_to_exist", "kwargs": {"column": "age"}, "severity": "fatal"});
    assert!(refused(severity).contains("critical, warning or info"));
    let key = json!({"type": "expect_column_to_exist", "kwargs": {"column": "age"}, "sevrity": "info"});
    assert!(refused(key).ends_with("unknown key \"sevrity\"; did you mean severity?"));
    let query = json!({"type": "unexpected_rows_expectation", "kwargs": {"unexpected_rows_query": "select 1"}});
    assert!(refused(query).contains("is not supported"));
    let python = json!({"type": "expect_column_values_to_be_unique",
        "kwargs": {"column": "age", "row_condition": "age > 1", "condition_parser": "pandas"}});
    assert!(refused(python).contains("condition_parser"));
}

#[test]
fn builder_mistakes_are_refused_too() {
    let error = Suite::new("s", [column("age").mean_between(1..2).mostly(0.5)]).unwrap_err();
    assert!(error.to_string().contains("unknown parameter \"mostly\""), "{error}");
    let error = Suite::new("s", [column("age").values_not_null().mostly(f64::NAN)]).unwrap_err();
    assert!(error.to_string().contains("mostly"), "{error}");
    let result = column("age").values_not_null().mostly(2.0).check(&clients());
    assert_eq!(result.verdict, Verdict::Error);
}

#[test]
fn everything_of_a_suite_survives_writing_and_reading() {
    let text = json!({"name": "members", "id": null, "notes": ["first draft"], "meta": {"owner": "dq"}, "expectations": [
        {"type": "expect_column_values_to_be_between", "kwargs": {"column": "age", "mostly": 0.9, "min_value": 0.0, "max_value": 120.0},
         "meta": {"ticket": "DQ-1"}, "notes": "from the form", "id": "7f", "description": "age is plausible", "severity": "warning"},
        {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "plan", "value_set": ["gold", "basic"],
          "row_condition": {"column": {"name": "age"}, "operator": ">", "parameter": 30, "type": "comparison"}},
         "meta": {}, "severity": "info"}]});
    let suite = Suite::from_json(&text.to_string()).unwrap();
    assert_eq!(serde_json::to_value(&suite).unwrap(), text);
}

#[test]
fn an_error_is_an_error_of_one_expectation() {
    let suite = Suite::new(
        "s",
        [
            column("agee").values_between(0..),
            column("plan").mean_between(0..),
            column("age").values_between(0..=120).mostly(0.6),
            column("client").values_match_regex("(unclosed"),
        ],
    )
    .unwrap();
    let result = suite.validate(&clients(), Level::Complete);
    assert_eq!(result.results.iter().map(|r| r.success).collect::<Vec<_>>(), [false, false, true, false]);
    let message = |i: usize| result.results[i].exception_info.exception_message.clone().unwrap();
    assert_eq!(message(0), "there is no column \"agee\"; did you mean age?");
    assert_eq!(message(1), "column \"plan\" holds text, expected numbers");
    let report = suite.report(&clients());
    assert_eq!(report.statistics().errors, 3);
    assert_eq!(report.verdict(), Verdict::Error);
}

#[test]
fn reports_hold_counts_and_no_values() {
    let suite = Suite::new(
        "s",
        [
            column("client").values_in_set(["ann"]),
            column("client").distinct_in_set(["ann"]),
            column("client").values_unique(),
            columns(["client", "plan"]).unique_together(),
            column("paid").at_least("allowed").severity(Severity::Info),
            whole_table().column_count_equals(5),
        ],
    )
    .unwrap();
    let checked = suite.check(clients());
    let text = serde_json::to_string(checked.report()).unwrap();
    assert!(!text.contains("bob") && !text.contains("cem"), "{text}");
    let first = &checked.report().results[0];
    assert_eq!((first.rows, first.unexpected_rows, first.column.as_deref()), (Some(3), Some(2), Some("client")));
    let infos = Suite::new("s", [column("paid").greater_than("allowed").severity(Severity::Info)]).unwrap();
    assert!(infos.check(clients()).gate(&GatePolicy::default()).is_ok());
}

#[test]
fn names_match_exactly_first_and_without_case_only_when_one_does() {
    let csv = b"a,A,Age\n1,2,3\n";
    let table = Table::from_csv(csv, &CsvOptions::default()).unwrap();
    let min = |name: &str| column(name).min_between::<f64>(..).check(&table);
    assert_eq!(min("A").observed, Some(json!(2)));
    assert_eq!(min("age").observed, Some(json!(3)));
    let ambiguous = Table::from_csv(b"Ab,aB\n1,2\n", &CsvOptions::default()).unwrap();
    assert_eq!(column("ab").values_not_null().check(&ambiguous).verdict, Verdict::Error);
    assert_eq!(column("age").exists().check(&table).verdict, Verdict::Failed);
}

#[test]
fn results_survive_writing_and_reading() {
    let suite =
        Suite::new("s", [column("age").values_between(0..=120).where_rows(Condition::not_null("plan"))]).unwrap();
    let result = suite.validate(&clients(), Level::Complete);
    let text = serde_json::to_string(&result).unwrap();
    assert_eq!(serde_json::from_str::<ValidationResult>(&text).unwrap(), result);
    let empty = Suite::new("nothing", []).unwrap().validate(&clients(), Level::Basic);
    assert_eq!((empty.success, empty.statistics.success_percent), (false, None));
}

#[derive(Debug)]
struct PaidIsAtMostAllowed;

impl Check<Table> for PaidIsAtMostAllowed {
    fn name(&self) -> &str {
        "paid_is_at_most_allowed"
    }

    fn check(&self, table: &Table) -> CheckResult {
        let sum =
            |name: &str| table.frame().column(name).ok().and_then(|c| c.as_materialized_series().sum::<f64>().ok());
        CheckResult::judged(self.name(), sum("paid") <= sum("allowed"))
    }
}

#[test]
fn own_checks_stand_beside_the_suite() {
    let list = Suite::new("s", [column("age").values_not_null()]).unwrap().with_check(PaidIsAtMostAllowed);
    let report = list.report(&clients());
    assert_eq!(report.results.len(), 2);
    assert_eq!(report.results[1].check, "paid_is_at_most_allowed");
    assert!(list.check(clients()).gate(&GatePolicy::strict()).is_ok());
}

#[test]
fn the_checks_are_checked() {
    let suite = Suite::new("s", [column("age").values_not_null(), column("plan").values_not_null()]).unwrap();
    let report = suite.report(&clients());
    assert_eq!(MetaSuite::of_suite(&suite).report(&report).verdict(), Verdict::Passed);
    let mut short = report.clone();
    short.results.pop();
    let result = ReportMatchesSuite::new(&suite).check(&short);
    assert_eq!(
        result.message.as_deref(),
        Some("expect_column_values_to_not_be_null on \"plan\": 0 results, expected 1")
    );
    let mut lenient = report;
    lenient.results[1].severity = Severity::Info;
    assert_eq!(ReportMatchesSuite::new(&suite).check(&lenient).verdict, Verdict::Failed);
    assert_eq!(MetaSuite::standard("m", ["r2"]).report(&Report::new("none")).verdict(), Verdict::Failed);
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let rows: Vec<String> = (0..5000).map(|i| format!("{},{}.{}", i % 97, i * 7919 % 1013, i % 10)).collect();
    let table = Table::from_csv(format!("a,b\n{}\n", rows.join("\n")).as_bytes(), &CsvOptions::default()).unwrap();
    let suite = Suite::new(
        "s",
        [
            column("b").mean_between::<f64>(..),
            column("b").stdev_between::<f64>(..),
            column("a").distinct_in_set([1, 2, 3]),
            columns(["a", "b"]).unique_together(),
            column("b").values_not_outliers(0.1),
        ],
    )
    .unwrap();
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| serde_json::to_string(&suite.validate(&table, Level::Complete)).unwrap())
    };
    assert_eq!(run(1), run(4));
}

#[test]
fn the_name_of_a_suite_may_have_the_key_it_had_before_version_1() {
    let text = r#"{"expectation_suite_name": "clients", "expectations": [], "meta": {}}"#;
    let suite = Suite::from_json(text).unwrap();
    assert_eq!(suite.name(), "clients");
    assert!(suite.to_json().unwrap().contains("\"name\": \"clients\""));
}
