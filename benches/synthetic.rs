//! Data for the benchmarks: seeded, the same on every machine.
//!
//! Run all with `cargo bench -p med-benches`, some with `cargo bench -p med-benches --bench models -- gbdt/fit`.
//! Names say model, work and rows x columns. Data are built outside of what is timed.

use med_schema::{Dataset, FeatureColumn, FeatureMatrix, Table};
use polars::prelude::{Column, DataFrame, DataType};
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

/// Enrolment from 2018 to 2020 of this many clients.
///
/// # Errors
/// Never.
pub fn enrolment(clients: usize) -> anyhow::Result<DataFrame> {
    let ids: Vec<String> = (0..clients).map(|c| format!("{c:09}")).collect();
    let columns = [("client_id", ids), ("first_day", vec!["2018-01-01".to_owned(); clients])];
    let columns = columns.into_iter().chain([("last_day", vec!["2020-12-31".to_owned(); clients])]);
    let columns = columns.map(|(name, values)| Column::new(name.into(), values)).collect();
    Ok(DataFrame::new(clients, columns)?)
}

/// Lines of claims of this many clients, about three a claim, in no order: some institutional with the claim's amount on each line,
/// one in fifty reversed.
///
/// # Errors
/// Never.
pub fn claim_lines(lines: usize, clients: usize) -> anyhow::Result<DataFrame> {
    let mut random = Pcg64::seed_from_u64(SEED);
    // Days of 2018 to 2020.
    let first = 17_532;
    let (mut ids, mut claims, mut numbers, mut forms) = (vec![], vec![], vec![], vec![]);
    let (mut served, mut paid, mut cents, mut codes) = (vec![], vec![], vec![], vec![]);
    for line in 0..lines {
        let claim = random.random_range(0..lines / 3 + 1);
        let institutional = claim % 5 == 0;
        let day = first + (claim * 7_919 % 1_096) as i32;
        let amount = if institutional { 50_000 + claim as i64 % 9_973 } else { random.random_range(100..20_000) };
        ids.push(format!("{:09}", claim % clients));
        claims.push(format!("claim-{claim}"));
        numbers.push(line as i64);
        forms.push(if institutional { "institutional" } else { "professional" });
        served.push(day);
        paid.push(day + random.random_range(0..90));
        cents.push(if random.random_range(0..50) == 0 { -amount } else { amount });
        codes.push(["E11.9", "I50.1", "Z00.0", "M54.2"][claim % 4]);
    }
    let day = |name: &str, days: Vec<i32>| Column::new(name.into(), days).cast(&DataType::Date);
    let columns = vec![
        Column::new("client_id".into(), ids),
        Column::new("claim_id".into(), claims),
        Column::new("line_number".into(), numbers),
        Column::new("form".into(), forms),
        day("service_date", served)?,
        day("paid_date", paid)?,
        Column::new("paid_cents".into(), cents),
        Column::new("diagnosis".into(), codes),
    ];
    Ok(DataFrame::new(lines, columns)?)
}
