//! Every kind of model: fit and predict, rows a second, by rows and columns.
//!
//! `cargo bench -p med-benches --bench models -- gbdt/fit/100k` times one. Up to 100,000 rows; a million is in `large`.
#![allow(
    missing_docs,
    clippy::expect_used,
    reason = "criterion makes public items; what cannot be set up cannot be timed"
)]

mod families;

use criterion::{Criterion, criterion_group, criterion_main};
use families::{FAMILIES, bench_fit, bench_predict};

const SIZES: [(usize, usize); 5] = [(1_000, 10), (10_000, 10), (10_000, 24), (10_000, 60), (100_000, 24)];

fn fit(criterion: &mut Criterion) {
    for family in FAMILIES {
        for (rows, columns) in SIZES.into_iter().filter(|(rows, _)| *rows <= family.most_rows) {
            bench_fit(criterion, family, rows, columns);
        }
    }
}

fn predict(criterion: &mut Criterion) {
    for family in FAMILIES {
        for (rows, columns) in [(1_000, 24), (family.most_rows.min(100_000), 24)] {
            bench_predict(criterion, family, rows, columns);
        }
    }
}

criterion_group!(benches, fit, predict);
criterion_main!(benches);
