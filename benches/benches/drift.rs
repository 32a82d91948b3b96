//! Drift between two samples: every column by the default preset, rows of both sides a second.
#![allow(
    missing_docs,
    clippy::expect_used,
    reason = "criterion makes public items; what cannot be set up cannot be timed"
)]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use med_benches::{costs, size};
use med_drift::DriftDetector;

fn detect(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("drift");
    group.sample_size(10);
    for rows in [1_000, 10_000, 100_000] {
        let data = costs(rows, 10).expect("synthetic data are a dataset");
        let detector = DriftDetector::default();
        group.throughput(Throughput::Elements(2 * rows as u64));
        group.bench_function(BenchmarkId::from_parameter(format!("{}_x_10", size(rows))), |b| {
            b.iter(|| detector.detect(data.x(), data.x()).expect("a report"));
        });
    }
    group.finish();
}

criterion_group!(benches, detect);
criterion_main!(benches);
