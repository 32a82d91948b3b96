//! Compares last year's clients with this month's batch and prints what has moved.
//!
//! `cargo run --example embed_drift`
#![allow(clippy::print_stdout)]

use std::error::Error;

use med_drift::{DriftDetector, DriftParams, Method};
use med_schema::{FeatureColumn, FeatureMatrix};

/// Clients as some service may hold them: age in years, doctor visits (not always known), insurance.
fn clients(rows: u32, older: u32, uninsured: u32) -> Result<FeatureMatrix, Box<dyn Error>> {
    let age: Vec<f64> = (0..rows).map(|i| f64::from(18 + older + i * 7919 % 60)).collect();
    let visits: Vec<f64> = (0..rows).map(|i| if i % 25 == 0 { f64::NAN } else { f64::from(i * 31 % 9) }).collect();
    let insurance = (0..rows).map(|i| match i * 17 % 100 {
        share if share < uninsured => None,
        share if share < 70 => Some("Private"),
        _ => Some("Government"),
    });
    Ok(FeatureMatrix::new(vec![
        FeatureColumn::numeric("age", age),
        FeatureColumn::numeric("visits", visits),
        FeatureColumn::from_texts("insurance", insurance),
    ])?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let (reference, current) = (clients(4000, 0, 20)?, clients(1000, 9, 35)?);

    let report = DriftDetector::default().detect(&reference, &current)?;
    for column in &report.columns {
        println!(
            "{:<10} {:<10} {:.4}  {}",
            column.name,
            column.method,
            column.score.unwrap_or(f64::NAN),
            if column.drifted { "drifted" } else { "stable" }
        );
    }
    println!("share of drifted columns: {:.2}", report.share_drifted);

    // Another measure, from parameters as they may stand in a service's configuration.
    let psi = DriftDetector::new(DriftParams::default().with_method(Method::Psi))?;
    println!("{}", psi.detect(&reference, &current)?.to_report().results[0]);
    Ok(())
}
