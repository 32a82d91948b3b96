//! Checks a table of clients before anything else sees it, and checks that the checks ran.
//!
//! `cargo run --example embed_quality -p med-quality`
#![allow(clippy::print_stdout)]

use std::error::Error;

use med_quality::{Level, MetaSuite, Suite, column, table};
use med_schema::{CsvOptions, GatePolicy, Severity, Table};

const CLIENTS: &str = "client_id,age,smoker,previous_year_cost\n\
    c1,34,No,1200.50\n\
    c2,51,Yes,8410.00\n\
    c3,,No,640.25\n\
    c4,129,No,90.00\n";

fn main() -> Result<(), Box<dyn Error>> {
    let clients = Table::from_csv(CLIENTS.as_bytes(), &CsvOptions::default())?;
    let suite = Suite::new(
        "clients",
        [
            table().row_count_between(1..),
            column("client_id").values_unique(),
            column("age").values_not_null().mostly(0.7),
            column("age").values_between(0..=120).severity(Severity::Warning),
            column("smoker").values_in_set(["Yes", "No"]),
            column("previous_year_cost").mean_between(100.0..50_000.0),
        ],
    )?;

    // The same suite as a file that Great Expectations reads, and its result in that shape.
    println!("{}", suite.to_json()?);
    let result = suite.validate(&clients, Level::Basic);
    println!("{} of {} as expected", result.statistics.successful_expectations, result.results.len());

    // The report holds no value of a client. One warning does not close the default gate.
    let checked = suite.check(clients);
    for failure in checked.report().failures() {
        println!("{failure}");
    }
    println!("checks of the checks: {}", MetaSuite::of_suite(&suite).report(checked.report()).verdict());
    let admitted = checked.gate(&GatePolicy::default())?;
    println!("admitted: {} rows", admitted.value().n_rows());
    Ok(())
}
