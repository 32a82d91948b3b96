//! Selection statistics over 60 columns, beside what they cannot do without: one product of the matrix with itself, and a sort of
//! each column.
#![allow(
    missing_docs,
    clippy::expect_used,
    reason = "criterion makes public items; what cannot be set up cannot be timed"
)]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use med_benches::{costs, size};
use med_features::{Evidence, SelectionMethod, Selector};
use rayon::prelude::*;

const COLUMNS: usize = 60;

fn select(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("selection");
    group.sample_size(10);
    for rows in [100_000, 1_000_000] {
        let data = costs(rows, COLUMNS).expect("synthetic data are a dataset");
        let name = |work: &str| BenchmarkId::new(work, format!("{}_x_{COLUMNS}", size(rows)));
        group.throughput(Throughput::Elements(rows as u64));
        let x = data.x().to_array().expect("numbers");
        group.bench_function(name("limit_product"), |b| b.iter(|| x.t().dot(&x)));
        group.bench_function(name("limit_sorts"), |b| {
            b.iter(|| {
                data.x().columns().par_iter().for_each(|column| {
                    let mut values = column.as_numeric().expect("numbers").to_vec();
                    values.sort_unstable_by(f64::total_cmp);
                    std::hint::black_box(values);
                });
            });
        });
        drop(x);
        for method in [SelectionMethod::FTest, SelectionMethod::Spearman, SelectionMethod::Vif] {
            let selector = Selector::new(method, None).expect("a selector");
            group.bench_function(name(method.as_str()), |b| {
                b.iter(|| selector.fit(&Evidence::from(&data)).expect("a selection"));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, select);
criterion_main!(benches);
