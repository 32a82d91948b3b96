//! Least squares and its penalised kin: fit, rows a second.
#![allow(
    missing_docs,
    clippy::expect_used,
    reason = "criterion makes public items; what cannot be set up cannot be timed"
)]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use med_benches::{costs, size};
use med_model::{ModelSpec, Regressor};
use serde_json::Value;

fn fit(criterion: &mut Criterion) {
    for model in ["linear", "ridge", "lasso"] {
        let mut group = criterion.benchmark_group(model);
        group.sample_size(10);
        for (rows, columns) in [(1_000, 10), (10_000, 10), (10_000, 50), (100_000, 10)] {
            let data = costs(rows, columns).expect("synthetic data are a dataset");
            let spec = ModelSpec::parse(model, &Value::Null).expect("a model there is");
            group.throughput(Throughput::Elements(rows as u64));
            let id = BenchmarkId::from_parameter(format!("{}_x_{columns}", size(rows)));
            group.bench_function(id, |b| b.iter(|| spec.fit(&data).expect("a fit")));
        }
        group.finish();
    }
}

criterion_group!(benches, fit);
criterion_main!(benches);
