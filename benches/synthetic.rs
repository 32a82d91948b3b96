//! Data for the benchmarks: seeded, the same on every machine.
//!
//! Run all with `cargo bench -p med-benches`, some with `cargo bench -p med-benches --bench models -- gbdt/fit`.
//! Names say model, work and rows x columns. Data are built outside of what is timed.

use med_schema::{Dataset, FeatureColumn, FeatureMatrix, Table};
use polars::prelude::{Column, DataFrame};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

const SEED: u64 = 42;

/// A size as it stands in the names of benchmarks: 1k, 10k, 100k, 1M.
pub fn size(rows: usize) -> String {
    if rows.is_multiple_of(1_000_000) {
        return format!("{}M", rows / 1_000_000);
    }
    if rows.is_multiple_of(1000) { format!("{}k", rows / 1000) } else { rows.to_string() }
}

/// Numbers like those of health records: ages, counts and skewed amounts, and a cost that depends on some of them, not linearly.
///
/// # Errors
/// Never for at least one row and column.
pub fn costs(rows: usize, columns: usize) -> anyhow::Result<Dataset> {
    let mut random = Pcg64::seed_from_u64(SEED);
    let mut y = vec![0.0; rows];
    let mut features = Vec::with_capacity(columns);
    for column in 0..columns {
        let values: Vec<f64> = (0..rows)
            .map(|_| match column % 3 {
                0 => f64::from(random.random_range(18_u32..90)),
                1 => f64::from(random.random_range(0_u32..15)),
                _ => (random.random::<f64>() * 6.0).exp(),
            })
            .collect();
        for (cost, value) in y.iter_mut().zip(&values) {
            *cost += match column % 4 {
                0 => 20.0 * value,
                1 => (value - 5.0).powi(2),
                2 => value.sqrt(),
                _ => 0.0,
            };
        }
        features.push(FeatureColumn::numeric(format!("x{column}"), values));
    }
    for cost in &mut y {
        *cost *= 0.5 + random.random::<f64>();
    }
    Ok(Dataset::new(FeatureMatrix::new(features)?, "cost", y)?)
}

/// A table of clients: an id, numbers with some missing, and categories.
///
/// # Errors
/// Never for at least one row.
pub fn clients(rows: usize) -> anyhow::Result<Table> {
    let mut random = Pcg64::seed_from_u64(SEED);
    let mut numbers = |low: f64, high: f64, missing: f64| -> Vec<Option<f64>> {
        (0..rows)
            .map(|_| (random.random::<f64>() >= missing).then(|| low + (high - low) * random.random::<f64>()))
            .collect()
    };
    let (bmi, sleep, cost) = (numbers(15.0, 45.0, 0.05), numbers(4.0, 10.0, 0.0), numbers(100.0, 50_000.0, 0.0));
    let age: Vec<i64> = (0..rows).map(|_| random.random_range(18..90)).collect();
    let city: Vec<&str> = (0..rows).map(|_| ["Rural", "Semi-Urban", "Urban"][random.random_range(0..3)]).collect();
    let id: Vec<String> = (0..rows).map(|i| format!("c{i:09}")).collect();
    let frame = DataFrame::new(
        rows,
        vec![
            Column::new("client_id".into(), id),
            Column::new("age".into(), age),
            Column::new("bmi".into(), bmi),
            Column::new("sleep_hours".into(), sleep),
            Column::new("city_type".into(), city),
            Column::new("annual_medical_cost".into(), cost),
        ],
    )?;
    Ok(Table::infer(frame)?)
}
