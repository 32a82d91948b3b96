//! Every kind of model: fit, predict, explain; rows a second, by rows and columns.
//!
//! `cargo bench -p med-benches --bench models -- gbdt/fit/100k` times one. Up to 100,000 rows; a million is in `large`.
#![allow(
    missing_docs,
    clippy::expect_used,
    reason = "criterion makes public items; what cannot be set up cannot be timed"
)]

mod families;

use criterion::{Criterion, criterion_group, criterion_main};
use families::{FAMILIES, Family, SMALL, bench_explain, bench_fit, bench_predict, bench_predict_row};

const ROWS: [usize; 3] = [1_000, 10_000, 100_000];
const COLUMNS: [usize; 3] = [10, 24, 60];

fn named(names: &[&str]) -> impl Iterator<Item = &'static Family> {
    FAMILIES.iter().filter(|f| names.contains(&f.name))
}

fn fit(criterion: &mut Criterion) {
    for family in FAMILIES {
        for rows in ROWS.into_iter().filter(|rows| *rows <= family.most_rows) {
            for columns in COLUMNS {
                bench_fit(criterion, family, rows, columns);
            }
        }
    }
    bench_fit(criterion, &SMALL, SMALL.most_rows, 10);
}

fn predict(criterion: &mut Criterion) {
    for family in FAMILIES {
        for rows in [1_000, family.most_rows.min(100_000)] {
            bench_predict(criterion, family, rows, 24);
        }
    }
    for family in named(&["linear", "glm_tweedie", "decision_tree", "random_forest", "gbdt"]) {
        bench_predict_row(criterion, family, 24);
    }
}

fn explain(criterion: &mut Criterion) {
    for family in named(&["linear", "glm_tweedie", "random_forest", "gbdt"]) {
        for rows in [1_000, 10_000] {
            bench_explain(criterion, family, rows, 24);
        }
    }
    for family in named(&["gbdt"]) {
        for (rows, columns) in [(10_000, 10), (10_000, 60), (100_000, 24)] {
            bench_explain(criterion, family, rows, columns);
        }
    }
}

criterion_group!(benches, fit, predict, explain);
criterion_main!(benches);
