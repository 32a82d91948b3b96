//! med-schema alone: a file becomes a table, a table is judged, and only what passes its gate goes on.
#![allow(clippy::print_stdout)]

use std::error::Error;

use med_schema::{Admitted, CheckResult, Checked, CsvOptions, GatePolicy, Report, Schema, Severity, Table};

const CLIENTS: &[u8] = b"client,age,bmi,annual_medical_cost\n\
    c-01,34,22.4,1200.5\nc-02,51,31.9,8800\nc-03,47,,2410.25\nc-04,29,27.1,930\n";

const SCHEMA: &str = r#"
    [[columns]]
    name = "client"
    kind = "identifier"

    [[columns]]
    name = "age"
    kind = "count"
    unit = "years"

    [[columns]]
    name = "annual_medical_cost"
    role = "target"
"#;

/// A service's function that takes nothing but what has been checked.
fn mean_cost(clients: &Admitted<Table>) -> Result<f64, Box<dyn Error>> {
    let data = clients.value().dataset()?;
    Ok(data.y().sum() / data.n_rows() as f64)
}

fn main() -> Result<(), Box<dyn Error>> {
    let columns = Schema::patches_from_toml(SCHEMA)?;
    let table = Table::from_csv(CLIENTS, &CsvOptions { columns, ..CsvOptions::default() })?;
    println!("{}", table.schema().to_toml()?);

    let rows = table.n_rows() as u64;
    let missing = table.frame().column("bmi")?.null_count() as u64;
    let report = Report::new("clients").with(CheckResult::judged("has_rows", rows > 0)).with(
        CheckResult::judged("bmi_known", missing == 0).severity(Severity::Warning).column("bmi").counts(rows, missing),
    );
    report.failures().for_each(|failure| println!("{failure}"));

    // A warning passes the default gate; the strict one it does not.
    let strict = Checked::new(table.clone(), report.clone()).gate(&GatePolicy::strict());
    println!("strict gate: {}", if strict.is_ok() { "open" } else { "closed" });
    let admitted = Checked::new(table, report).gate(&GatePolicy::default())?;
    println!("mean cost of the admitted clients: {:.2}", mean_cost(&admitted)?);
    Ok(())
}
