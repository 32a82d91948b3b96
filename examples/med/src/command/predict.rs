//! `med predict`

use std::time::Instant;

use med_schema::{Column, Kind, Schema, Table, ValueType};
use polars::prelude::{Column as Values, DataFrame};
use serde_json::json;

use crate::cli::PredictArgs;
use crate::output::{self, Outcome};
use crate::prepared::Prepared;

pub(crate) fn run(args: &PredictArgs) -> anyhow::Result<Outcome> {
    let model = Prepared::load(&args.model)?;
    let table = model.read(&args.data, &args.read)?;
    let started = Instant::now();
    let predicted = model.predict(&table)?;
    let seconds = started.elapsed().as_secs_f64();
    let predictions = predictions(&table, &model.keys(&table), predicted)?;
    predictions.write(&args.out)?;
    let exposure = model.exposure().filter(|name| table.schema().contains(name));
    output::json(&json!({ "rows": predictions.n_rows(), "exposure": exposure, "seconds": seconds }))?;
    Ok(Outcome::Passed)
}

/// Keys and prediction, in the order of the rows.
pub(crate) fn predictions(table: &Table, keys: &[&str], predicted: Vec<f64>) -> anyhow::Result<Table> {
    let (frame, schema) = table.select(keys.iter().copied())?.into_parts();
    let mut columns: Vec<Values> = frame.columns().to_vec();
    let height = predicted.len();
    columns.push(Values::new("prediction".into(), predicted));
    let prediction = Column::new("prediction", Kind::Continuous, ValueType::Float);
    let schema = Schema::new(schema.columns().iter().cloned().chain([prediction]).collect())?;
    Ok(Table::parse(DataFrame::new(height, columns)?, schema)?)
}
