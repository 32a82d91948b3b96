//! Profiles, the suites suggested from them, and runs in their history.

use med_quality::{
    HistoryRule, HistorySuite, Level, Margins, MetricHistory, Profiler, RunMetrics, Suite, profile, suggest,
};
use med_schema::{CsvOptions, Profile, ProfileOptions, Table, Verdict};
use polars::prelude::*;
use proptest::prelude::*;

use super::integrity::any_table;

fn clients() -> Table {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/clients.csv");
    Table::read(path, &CsvOptions::default()).unwrap()
}

#[test]
fn the_suggested_suite_is_in_words_a_person_can_edit() {
    let clients = clients();
    let suite = suggest(&profile(&clients).unwrap(), &Margins::default()).unwrap();
    assert_eq!(suite.report(&clients).verdict(), Verdict::Passed);
    let about_age: Vec<String> = suite
        .expectations()
        .iter()
        .filter(|e| e.subject().as_deref() == Some("age"))
        .map(|e| format!("{}: {}", e.name().trim_start_matches("expect_column_"), e.expected()))
        .collect();
    assert_eq!(about_age.len(), 5, "{about_age:?}");
    assert!(about_age[0].starts_with("values_to_be_of_type: type_ = int64"), "{about_age:?}");
    let back = Suite::from_json(&suite.to_json().unwrap()).unwrap();
    assert_eq!(back, suite);
    assert!(suite.validate(&clients, Level::Basic).success);
    assert_eq!(suite.meta()["learnt_from_rows"], 5000);
}

#[test]
fn parts_have_the_profile_of_the_whole_within_its_bounds() {
    let clients = clients();
    let whole = profile(&clients).unwrap();
    let mut profiler = Profiler::new(ProfileOptions::default());
    for from in (0..5000).step_by(700) {
        let rows: Vec<usize> = (from..(from + 700).min(5000)).collect();
        profiler.add(&clients.take(&rows).unwrap()).unwrap();
    }
    let parts = profiler.finish().unwrap();
    assert_eq!(parts.rows(), 5000);
    for (a, b) in whole.columns().iter().zip(parts.columns()) {
        let name = &a.column().name;
        assert_eq!((a.missing(), a.range(), a.lengths()), (b.missing(), b.range(), b.lengths()), "{name}");
        if a.counts().is_exact() {
            assert_eq!(a.counts(), b.counts(), "{name}");
        }
        if let (Some(a), Some(b)) = (a.moments(), b.moments()) {
            let near = |a: Option<f64>, b: Option<f64>| (a.unwrap() / b.unwrap() - 1.0).abs() < 1e-12;
            assert!(near(a.mean(), b.mean()) && near(a.std(), b.std()), "{name}");
        }
        if let (Some(a), Some(b)) = (a.quantiles(), b.quantiles()) {
            assert_eq!(a.quantile(0.5), b.quantile(0.5), "{name}: both exact");
        }
    }
}

#[test]
fn a_rejected_run_does_not_enter_the_baseline() {
    let clients = clients();
    let profile = profile(&clients).unwrap();
    let mut history = MetricHistory::default();
    for run in 0..6 {
        history.record(RunMetrics::of_profile(format!("run {run}"), &profile));
    }
    let spoilt = RunMetrics::new("spoilt").with("age.mean", 900.0).with("rows", 5.0).accepted(false);
    history.record(spoilt);
    let suite = HistorySuite::new("runs")
        .expect("age.mean", HistoryRule::within_stdevs(3.0))
        .expect("rows", HistoryRule::relative_change_within(0.1))
        .expect("age.q50", HistoryRule::within_mads(3.0).floor(0.5))
        .expect("annual_medical_cost.mean", HistoryRule::no_trend(1.96).at_least(5));
    let now = RunMetrics::of_profile("now", &profile);
    assert_eq!(suite.report(&history, &now).verdict(), Verdict::Passed);
    // What was let through by mistake can be taken back, and the other way round.
    assert!(history.set_accepted("spoilt", true) && !history.set_accepted("unknown", true));
    let report = suite.report(&history, &now);
    let failed: Vec<&str> = report.failures().map(|r| r.column.as_deref().unwrap()).collect();
    assert_eq!(failed, ["rows"], "the last accepted run had five rows");
    let stored = serde_json::to_string(&(&history, &suite)).unwrap();
    let back: (MetricHistory, HistorySuite) = serde_json::from_str(&stored).unwrap();
    assert_eq!((back.0, back.1), (history, suite));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Whatever the table, whatever the margins: it passes the suite it suggests, and its profile survives being stored.
    #[test]
    fn a_table_passes_its_own_suite(table in any_table(), narrow: bool) {
        let margins = Margins { rows: 0.0, nulls: 0.0, range: 0.0, mean: 0.0, rank: 0.0, levels: 3 };
        let learnt = profile(&table).unwrap();
        let suite = suggest(&learnt, &if narrow { margins } else { Margins::default() }).unwrap();
        let report = suite.report(&table);
        let failures: Vec<String> = report.failures().map(ToString::to_string).collect();
        prop_assert!(failures.is_empty(), "{:?}", failures);
        // As text, since moments that overflowed are not equal to themselves.
        let stored = serde_json::to_string(&learnt).unwrap();
        let back: Profile = serde_json::from_str(&stored).unwrap();
        prop_assert_eq!(serde_json::to_string(&back).unwrap(), stored);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10))]

    /// Tables too large to be exact, of every shape that a sketch may find hard.
    #[test]
    fn a_large_table_passes_its_own_suite(seed in 0..1000_u32, shape in 0..5_usize) {
        let n = 12_000_u32;
        let draw = |i: u32| f64::from((i.wrapping_mul(2_654_435_761).wrapping_add(seed * 7919)) >> 8) / f64::from(1 << 24);
        let value = |i: u32| match shape {
            0 => draw(i),
            1 => (1.0 - draw(i)).powf(-2.0),
            2 => (draw(i) * 5.0).floor() * 1e9,
            3 => f64::from(i),
            _ => if draw(i) < 0.94 { 0.1 } else { draw(i) },
        };
        let frame = df!("x" => (0..n).map(value).collect::<Vec<_>>(), "id" => (0..i64::from(n)).collect::<Vec<_>>()).unwrap();
        let table = Table::infer(frame).unwrap();
        let margins = Margins { range: 0.0, mean: 0.0, rank: 0.0, ..Margins::default() };
        let report = suggest(&profile(&table).unwrap(), &margins).unwrap().report(&table);
        let failures: Vec<String> = report.failures().map(ToString::to_string).collect();
        prop_assert!(failures.is_empty(), "{:?}", failures);
        prop_assert!(report.results.iter().any(|r| r.check.contains("unique")));
    }
}
