//! A suite over a stream of claims that is never stored: batches are generated, checked and dropped.
//!
//! `cargo run --release -p med-quality --example quality_stream -- 20` checks 20 GB of values as a frame holds them (8 bytes a
//! number, 16 and what is longer than 12 bytes a text) and says at the end what the metrics take. Peak memory does not depend on the
//! number of gigabytes. Seeded: the same on every machine.
#![allow(clippy::print_stdout)]

use std::convert::Infallible;
use std::error::Error;

use med_quality::{Level, PlanOptions, Suite, column, columns, table};
use polars::prelude::{DataFrame, df};

const BATCH_ROWS: u64 = 1 << 16;
/// Twelve numbers, and eight texts of which two are longer than twelve bytes.
const ROW_BYTES: u64 = 12 * 8 + 8 * 16 + 20 + 25;

/// SplitMix64 of a place: the generator has no state, so any batch can be made at any time.
fn random(row: u64, column: u64) -> u64 {
    let mut z = (row * 64 + column).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// In [0, 1).
fn uniform(row: u64, column: u64) -> f64 {
    (random(row, column) >> 11) as f64 / (1_u64 << 53) as f64
}

fn batch(number: u64) -> Result<DataFrame, Infallible> {
    let rows = || number * BATCH_ROWS..(number + 1) * BATCH_ROWS;
    let real = |at: u64, low: f64, high: f64| rows().map(|r| low + (high - low) * uniform(r, at)).collect::<Vec<_>>();
    let whole = |at: u64, below: u64| rows().map(|r| (random(r, at) % below) as i64).collect::<Vec<_>>();
    let one_of = |at: u64, of: &[&'static str]| {
        rows().map(|r| of[random(r, at) as usize % of.len()]).collect::<Vec<&'static str>>()
    };
    let frame = df!(
        "member" => rows().map(|r| format!("member-{r:013}")).collect::<Vec<_>>(),
        "claim" => rows().map(|r| format!("claim-{:019}", random(r, 1) % 1_000_000_000)).collect::<Vec<_>>(),
        "plan" => one_of(2, &["bronze", "silver", "gold"]), "region" => one_of(3, &["NW", "NE", "SW", "SE"]),
        "sex" => one_of(4, &["F", "M"]), "smoker" => one_of(5, &["No", "No", "No", "Yes"]),
        "setting" => one_of(6, &["inpatient", "outpatient", "pharmacy"]), "code" => one_of(7, &["I10", "E11.9", "J45.2", "M54.5"]),
        "age" => whole(8, 100), "children" => whole(9, 6), "visits" => whole(10, 25), "year" => whole(11, 10),
        "steps" => whole(12, 20_000), "coverage" => whole(13, 101),
        "bmi" => real(14, 15.0, 45.0), "sleep" => real(15, 3.0, 11.0), "score" => real(16, 0.0, 1.0),
        "temperature" => real(17, 35.0, 39.0), "allowed" => real(18, 0.0, 50_000.0), "paid" => real(19, 0.0, 40_000.0)
    );
    // Vectors of one length under different names make a frame.
    Ok(frame.unwrap_or_default())
}

fn main() -> Result<(), Box<dyn Error>> {
    let gigabytes: u64 = std::env::args().nth(1).map_or(Ok(1), |text| text.parse())?;
    let batches = (gigabytes * 1_000_000_000).div_ceil(BATCH_ROWS * ROW_BYTES);
    let suite = Suite::new(
        "claims",
        [
            table().row_count_between(1..),
            column("member").values_not_null(),
            column("member").values_match_regex("^member-[0-9]{13}$"),
            column("member").unique_count_between(1..),
            column("plan").values_in_set(["bronze", "silver", "gold"]),
            column("region").distinct_in_set(["NW", "NE", "SW", "SE"]),
            column("age").values_between(0..=99),
            column("visits").max_between(0..=24),
            column("bmi").mean_between(29..=31),
            column("bmi").values_between(15..=45),
            column("score").stdev_between(0.28..=0.3),
            column("allowed").median_between(24_800..=25_200),
            column("allowed").values_not_outliers(1.5),
            column("temperature").z_scores_below(4.0),
            column("smoker").values_in_set(["Yes", "No"]),
            columns(["sex", "region"]).unique_within_row(),
        ],
    )?;
    let Ok(first) = batch(0);
    let plan = suite.plan(first.schema(), PlanOptions::from(Level::Summary).bounded(true));
    drop(first);
    let Ok(metrics) = plan.scan_stream((0..batches).map(batch));
    let result = plan.judge(&metrics).result(Level::Summary);
    let failed: Vec<&str> = result.results.iter().filter(|r| !r.success).map(|r| r.expectation_config.name()).collect();
    println!(
        "{} rows of {ROW_BYTES} bytes in {batches} batches: {} of {} as expected{}; metrics of {} bytes as JSON",
        metrics.rows(),
        result.statistics.successful_expectations,
        result.statistics.evaluated_expectations,
        failed.iter().map(|name| format!(", not {name}")).collect::<String>(),
        serde_json::to_string(&metrics)?.len(),
    );
    Ok(())
}
