//! A million rows: fit and predict of the models that are meant for them. Not run by `cargo test`.
#![allow(
    missing_docs,
    clippy::expect_used,
    reason = "criterion makes public items; what cannot be set up cannot be timed"
)]

#[allow(dead_code, reason = "a million rows take fewer kinds of work")]
mod families;

use criterion::{Criterion, criterion_group, criterion_main};
use families::{FAMILIES, bench_fit, bench_predict};

const ROWS: usize = 1_000_000;

fn million(criterion: &mut Criterion) {
    for family in FAMILIES.iter().filter(|f| f.most_rows >= ROWS) {
        for columns in [10, 24, 60] {
            bench_fit(criterion, family, ROWS, columns);
        }
        bench_predict(criterion, family, ROWS, 24);
    }
}

criterion_group!(benches, million);
criterion_main!(benches);
