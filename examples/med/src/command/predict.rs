//! `med predict`

use std::time::Instant;

use anyhow::bail;
use med_schema::{Column, Kind, Table, ValueType};
use polars::prelude::{Column as Values, DataFrame};
use serde_json::{Map, json};

use crate::cli::{DEFAULT_LAKE, PredictArgs};
use crate::output::{self, Outcome};
use crate::prepared::Prepared;
use crate::registered;

pub(crate) fn run(args: &PredictArgs) -> anyhow::Result<Outcome> {
    if let Some(cut_off) = args.cutoff {
        return crate::run::scoring::run(args, cut_off);
    }
    let (Some(model), Some(rows)) = (&args.model, &args.data) else { bail!("expected --model and --data") };
    let (model, version) = registered::find(model, args.lake.as_deref().unwrap_or(DEFAULT_LAKE))?;
    let table = model.read(rows, &args.read)?;
    let started = Instant::now();
    let (predicted, notes) = model.predict_noting(&table)?;
    let seconds = started.elapsed().as_secs_f64();
    let predictions = with_intervals(&model, &table, &model.keys(&table), predicted, args.interval)?;
    predictions.write(&args.out)?;
    let exposure = model.exposure().filter(|name| table.schema().contains(name));
    let mut printed = Map::new();
    printed.insert("rows".to_owned(), json!(predictions.n_rows()));
    printed.insert("exposure".to_owned(), json!(exposure));
    printed.insert("seconds".to_owned(), json!(seconds));
    notes.tell(&mut printed);
    if let Some(version) = version {
        printed.insert("model".to_owned(), json!({ "name": version.name, "version": version.version }));
    }
    output::json(&printed)?;
    Ok(Outcome::Passed)
}

/// Keys and prediction, and the ends of intervals at this level if there is one.
pub(crate) fn with_intervals(
    model: &Prepared,
    table: &Table,
    keys: &[&str],
    predicted: Vec<f64>,
    level: Option<f64>,
) -> anyhow::Result<Table> {
    let ends = level.map(|level| model.intervals(&predicted, level)).transpose()?;
    let mut predictions = predictions(table, keys, predicted)?;
    for (name, values) in ends.into_iter().flat_map(|(lower, upper)| [("lower", lower), ("upper", upper)]) {
        predictions = with_numbers(predictions, name, values)?;
    }
    Ok(predictions)
}

/// Keys and prediction, in the order of the rows.
pub(crate) fn predictions(table: &Table, keys: &[&str], predicted: Vec<f64>) -> anyhow::Result<Table> {
    with_numbers(table.select(keys.iter().copied())?, "prediction", predicted)
}

/// One more column of numbers.
fn with_numbers(table: Table, name: &str, values: Vec<f64>) -> anyhow::Result<Table> {
    let (frame, schema) = table.into_parts();
    let (mut columns, height): (Vec<Values>, usize) = (frame.columns().to_vec(), values.len());
    columns.push(Values::new(name.into(), values));
    let schema = schema.with_column(Column::new(name, Kind::Continuous, ValueType::Float))?;
    Ok(Table::parse(DataFrame::new(height, columns)?, schema)?)
}
