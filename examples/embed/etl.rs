//! med-etl alone in a service: a database table becomes a checked frame with stable ids.
//!
//! `cargo run --release --example embed_etl -p med-etl`
#![allow(clippy::print_stdout, missing_docs)]

use diesel::Connection as _;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sqlite::Sqlite;
use med_etl::transform::{ClientId, EventTime, FillMissing, SortBy};
use med_etl::{Connection, DieselQuery, Extract, ExtractOptions, MismatchPolicy, Pipeline};
use med_schema::{Column, Kind, Role, Schema, ValueType};

diesel::table! {
    clients (age) {
        age -> BigInt,
        smoker -> Text,
        insurance_type -> Nullable<Text>,
        annual_medical_cost -> Double,
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A service has a URL instead: `"sqlite:///var/lib/clients.db".parse::<Source>()?.connect()?`.
    let mut database = SqliteConnection::establish(":memory:")?;
    database.batch_execute(
        "CREATE TABLE clients (age INTEGER, bmi REAL, smoker TEXT, insurance_type TEXT, annual_medical_cost REAL);
         INSERT INTO clients VALUES (69, 29.4, 'No', 'Private', 2645.5), (32, 22.9, 'No', NULL, 10959.7),
                                    (32, 22.9, 'No', NULL, 9800.0), ('n/a', 27.3, 'Yes', 'Government', 4815.1);",
    )?;
    let mut connection = Connection::from(database);

    let schema = Schema::new(vec![
        Column::new("age", Kind::Count, ValueType::Integer).unit("years").nullable(true),
        Column::new("bmi", Kind::Continuous, ValueType::Float).unit("kg/m^2"),
        Column::new("smoker", Kind::Binary, ValueType::Text),
        Column::new("insurance_type", Kind::Nominal, ValueType::Text).nullable(true),
        Column::new("annual_medical_cost", Kind::Continuous, ValueType::Float).role(Role::Target),
    ])?;
    let extract = Extract::table("clients").with_schema(schema);

    // An age that is text stops the extraction ...
    if let Err(error) = connection.collect(&extract) {
        println!("strict: {error}");
    }
    // ... unless the caller says what shall become of it.
    let options = ExtractOptions { on_mismatch: MismatchPolicy::Null, ..ExtractOptions::default() };
    let extracted = connection.collect(&extract.options(options))?;
    for mismatch in &extracted.report.mismatches {
        println!("made null: {mismatch}");
    }

    let (table, reports) = Pipeline::new()
        .with(FillMissing::new("insurance_type", "No Insurance"))
        .with(ClientId::default())
        .with(EventTime::new("event_time", "2024-12-31T00:00:00Z".parse()?))
        .with(SortBy::new(["client_id"])?)
        .apply(extracted.table)?;
    for report in reports {
        println!("{report}");
    }
    println!("{}", table.frame());

    // A query that the compiler checks, with its parameter bound. Diesel has no AS, so columns that are computed are named here.
    let at_least = 4_000.0;
    let query = DieselQuery::new::<Sqlite, _>(move || {
        clients::table
            .filter(clients::annual_medical_cost.ge(at_least))
            .group_by(clients::smoker)
            .select((clients::smoker, diesel::dsl::sum(clients::annual_medical_cost)))
    })
    .names(["smoker", "cost"]);
    println!("{}", connection.collect(&query.into())?.table.frame());
    Ok(())
}
