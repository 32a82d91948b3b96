//! A service keeps its tables in a lake: two monthly batches, an old version read again, and what was done.
//!
//! `cargo run --release -p med-store --example embed_store [FOLDER]`; without a folder the lake ends with the program.
#![allow(clippy::print_stdout)]

use std::error::Error;

use med_schema::{
    Admitted, CheckResult, Checked, Column, GatePolicy, Kind, Report, Role, Schema, Table, ValueType, Version,
};
use med_store::FeatureGroupDefinition;
use med_store::blocking::Lakehouse;
use polars::prelude::{DataFrame, DataType, NamedFrom, Series};

fn schema() -> Result<Schema, Box<dyn Error>> {
    Ok(Schema::new(vec![
        Column::new("client_id", Kind::Identifier, ValueType::Text).role(Role::Key),
        Column::new("event_time", Kind::Date, ValueType::Date).role(Role::EventTime),
        Column::new("annual_medical_cost", Kind::Continuous, ValueType::Float).role(Role::Target),
    ])?)
}
fn batch(clients: &[(&str, i32, f64)]) -> Result<Admitted<Table>, Box<dyn Error>> {
    let ids: Vec<&str> = clients.iter().map(|c| c.0).collect();
    let days: Vec<i32> = clients.iter().map(|c| c.1).collect();
    let costs: Vec<f64> = clients.iter().map(|c| c.2).collect();
    let frame = DataFrame::new(
        clients.len(),
        vec![
            Series::new("client_id".into(), ids).into(),
            Series::new("event_time".into(), days).cast(&DataType::Date)?.into(),
            Series::new("annual_medical_cost".into(), costs).into(),
        ],
    )?;
    let table = Table::parse(frame, schema()?)?;
    let report = Report::new("batch").with(CheckResult::judged("has_rows", table.n_rows() > 0));
    Ok(Checked::new(table, report).gate(&GatePolicy::default())?)
}

fn main() -> Result<(), Box<dyn Error>> {
    let location = std::env::args().nth(1).unwrap_or_else(|| "memory://".to_owned());
    let lake = Lakehouse::open(&location)?;
    let group = lake.feature_group(FeatureGroupDefinition {
        name: "medical_costs".to_owned(),
        version: 1,
        primary_key: vec!["client_id".to_owned()],
        event_time: "event_time".to_owned(),
        partition_by: Vec::new(),
        suite: None,
        description: "what clients cost".to_owned(),
        schema: schema()?,
    })?;
    group.insert(&"2024-01".parse()?, &batch(&[("c-1", 19_723, 310.0), ("c-2", 19_723, 1_200.5)])?)?;
    let corrected = group.insert(&"2024-02".parse()?, &batch(&[("c-2", 19_723, 1_250.0), ("c-3", 19_754, 80.0)])?)?;
    println!("version {}: {} added, {} corrected", corrected.version, corrected.inserted, corrected.updated);
    println!("now {}", group.read(None)?.frame());
    println!("as it was {}", group.read(Some(Version(1)))?.frame());
    for version in group.history()? {
        println!("{} {} by {:?}", version.version, version.operation, version.run);
    }
    Ok(())
}
