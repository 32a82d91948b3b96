//! The sketches of a profile alone, values a second, and the profile of a table, rows a second.
#![allow(
    missing_docs,
    clippy::expect_used,
    reason = "criterion makes public items; what cannot be set up cannot be timed"
)]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use med_benches::{clients, size};
use med_schema::{Moments, Profile, ProfileOptions, QuantileSketch, ValueCounts};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

const BLOCK: usize = 4096;

fn sketches(criterion: &mut Criterion) {
    let mut rng = Pcg64::seed_from_u64(7);
    let values: Vec<f64> = (0..100_000).map(|_| rng.random::<f64>()).collect();
    let levels: Vec<f64> = values.iter().map(|v| (v * 100.0).floor()).collect();
    let texts: Vec<String> = levels.iter().map(|v| format!("level {v}")).collect();
    let options = ProfileOptions::default();
    let mut group = criterion.benchmark_group("sketch/100k");
    group.throughput(Throughput::Elements(values.len() as u64));
    group.bench_function("moments", |b| {
        b.iter(|| {
            let mut moments = Moments::default();
            values.chunks(BLOCK).for_each(|block| moments.merge(&Moments::of(block)));
            moments
        });
    });
    for (name, values) in [("uniform", &values), ("levels", &levels)] {
        group.bench_function(format!("quantiles_{name}"), |b| {
            b.iter(|| {
                let mut sketch = QuantileSketch::new(options.quantile_k, 1);
                values.chunks(BLOCK).for_each(|block| sketch.extend(block));
                sketch
            });
        });
        group.bench_function(format!("counts_{name}"), |b| {
            b.iter(|| {
                let mut counts = ValueCounts::new(options.value_capacity);
                values.iter().for_each(|v| counts.add_real(*v));
                counts
            });
        });
    }
    group.bench_function("counts_texts", |b| {
        b.iter(|| {
            let mut counts = ValueCounts::new(options.value_capacity);
            texts.iter().for_each(|text| counts.add_text(text));
            counts
        });
    });
    group.finish();
}

fn tables(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("profile");
    group.sample_size(10);
    for rows in [10_000, 100_000] {
        let table = clients(rows).expect("synthetic data are a table");
        group.throughput(Throughput::Elements(rows as u64));
        group.bench_function(BenchmarkId::from_parameter(format!("{}_x_6", size(rows))), |b| {
            b.iter(|| med_quality::profile(&table).expect("a table has a profile"));
        });
        let profile = med_quality::profile(&table).expect("a table has a profile");
        group.bench_function(BenchmarkId::new("merge", size(rows)), |b| b.iter(|| merged(&profile)));
    }
    group.finish();
}

fn merged(profile: &Profile) -> Profile {
    let mut whole = profile.clone();
    whole.merge(profile).expect("a profile merges with itself");
    whole
}

criterion_group!(benches, sketches, tables);
criterion_main!(benches);
