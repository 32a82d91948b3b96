//! Trees, forests and boosting: fit and predict, rows a second.
#![allow(
    missing_docs,
    clippy::expect_used,
    reason = "criterion makes public items; what cannot be set up cannot be timed"
)]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use med_benches::{costs, size};
use med_model::{Model, ModelSpec, Regressor};
use serde_json::{Value, json};

fn models() -> [(&'static str, Value); 3] {
    [
        ("decision_tree", Value::Null),
        ("random_forest", json!({ "n_trees": 10 })),
        ("gbdt", json!({ "num_iterations": 50, "num_leaves": 31 })),
    ]
}

fn fit(criterion: &mut Criterion) {
    for (model, params) in models() {
        let mut group = criterion.benchmark_group(format!("{model}/fit"));
        group.sample_size(10);
        for (rows, columns) in [(1_000, 10), (10_000, 10), (100_000, 10)] {
            let data = costs(rows, columns).expect("synthetic data are a dataset");
            let spec = ModelSpec::parse(model, &params).expect("a model there is");
            group.throughput(Throughput::Elements(rows as u64));
            let id = BenchmarkId::from_parameter(format!("{}_x_{columns}", size(rows)));
            group.bench_function(id, |b| b.iter(|| spec.fit(&data).expect("a fit")));
        }
        group.finish();
    }
}

fn predict(criterion: &mut Criterion) {
    for (model, params) in models() {
        let mut group = criterion.benchmark_group(format!("{model}/predict"));
        group.sample_size(10);
        let data = costs(10_000, 10).expect("synthetic data are a dataset");
        let fitted = ModelSpec::parse(model, &params).expect("a model there is").fit(&data).expect("a fit");
        let mut out = vec![0.0; data.n_rows()];
        group.throughput(Throughput::Elements(data.n_rows() as u64));
        group.bench_function("10k_x_10", |b| b.iter(|| fitted.predict_into(data.x(), &mut out).expect("predictions")));
        group.finish();
    }
}

criterion_group!(benches, fit, predict);
criterion_main!(benches);
