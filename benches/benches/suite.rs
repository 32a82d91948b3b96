//! One pass of an expectation suite over a table, rows a second.
#![allow(
    missing_docs,
    clippy::expect_used,
    reason = "criterion makes public items; what cannot be set up cannot be timed"
)]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use med_benches::{clients, size};
use med_quality::{Level, PlanOptions, Suite};

const SUITE: &str = r#"{ "name": "clients", "meta": {}, "expectations": [
    { "type": "expect_table_row_count_to_be_between", "kwargs": { "min_value": 1 }, "meta": {} },
    { "type": "expect_column_values_to_be_unique", "kwargs": { "column": "client_id" }, "meta": {} },
    { "type": "expect_column_values_to_match_regex", "kwargs": { "column": "client_id", "regex": "^c[0-9]{9}$" }, "meta": {} },
    { "type": "expect_column_values_to_not_be_null", "kwargs": { "column": "bmi", "mostly": 0.9 }, "meta": {} },
    { "type": "expect_column_values_to_be_between", "kwargs": { "column": "age", "min_value": 0, "max_value": 120 }, "meta": {} },
    { "type": "expect_column_mean_to_be_between", "kwargs": { "column": "age", "min_value": 30, "max_value": 70 }, "meta": {} },
    { "type": "expect_column_stdev_to_be_between", "kwargs": { "column": "annual_medical_cost", "min_value": 1 }, "meta": {} },
    { "type": "expect_column_median_to_be_between", "kwargs": { "column": "annual_medical_cost", "min_value": 1 }, "meta": {} },
    { "type": "expect_column_values_to_be_in_set", "kwargs": { "column": "city_type", "value_set": ["Rural", "Semi-Urban", "Urban"] }, "meta": {} }
] }"#;

fn report(criterion: &mut Criterion) {
    let suite = Suite::from_json(SUITE).expect("a suite");
    let mut group = criterion.benchmark_group("suite/9_expectations");
    group.sample_size(10);
    for rows in [1_000, 10_000, 100_000] {
        let table = clients(rows).expect("synthetic data are a table");
        group.throughput(Throughput::Elements(rows as u64));
        group.bench_function(BenchmarkId::from_parameter(format!("{}_x_6", size(rows))), |b| {
            b.iter(|| suite.report(&table));
        });
    }
    group.finish();
}

/// The same in ten parts whose metrics are added up, exactly and in bounded memory.
fn parts(criterion: &mut Criterion) {
    let suite = Suite::from_json(SUITE).expect("a suite");
    let mut group = criterion.benchmark_group("suite/9_expectations_in_parts");
    group.sample_size(10);
    let rows = 100_000;
    let table = clients(rows).expect("synthetic data are a table");
    for (name, bounded) in [("exact", false), ("bounded", true)] {
        let plan = suite.plan(table.frame().schema(), PlanOptions::from(Level::Summary).bounded(bounded));
        group.throughput(Throughput::Elements(rows as u64));
        group.bench_function(BenchmarkId::from_parameter(name), |b| {
            b.iter(|| {
                let mut metrics = plan.start();
                for part in 0..10 {
                    let frame = table.frame().slice(part * rows as i64 / 10, rows / 10);
                    metrics.merge(plan.scan(&frame)).expect("one plan");
                }
                plan.judge(&metrics).success()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, report, parts);
criterion_main!(benches);
