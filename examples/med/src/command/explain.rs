//! `med explain`

use std::time::Instant;

use med_schema::{Column, Kind, Schema, Table, ValueType};
use polars::prelude::{Column as Values, DataFrame};
use serde_json::{Map, json};

use crate::cli::ExplainArgs;
use crate::output::{self, Outcome};
use crate::registered;

pub(crate) fn run(args: &ExplainArgs) -> anyhow::Result<Outcome> {
    let model = registered::find(&args.model.model, &args.model.lake)?.0;
    let table = model.read(&args.data, &args.read)?;
    let started = Instant::now();
    let explained = model.explain(&table)?;
    let seconds = started.elapsed().as_secs_f64();
    let rows = table.n_rows();
    let mut mean_abs = Map::new();
    for (column, values) in &explained.columns {
        let mean = values.iter().map(|v| v.abs()).sum::<f64>() / rows.max(1) as f64;
        mean_abs.insert(column.clone(), json!(mean));
    }
    let (scale, base_value) = (explained.scale, explained.base_value);

    let (frame, schema) = table.select(model.keys(&table))?.into_parts();
    let (mut columns, mut specs): (Vec<Values>, Vec<Column>) = (frame.columns().to_vec(), schema.columns().to_vec());
    let base = ("base_value".to_owned(), vec![base_value; rows]);
    for (name, values) in explained.columns.into_iter().chain([base]) {
        specs.push(Column::new(name.as_str(), Kind::Continuous, ValueType::Float));
        columns.push(Values::new(name.into(), values));
    }
    Table::parse(DataFrame::new(rows, columns)?, Schema::new(specs)?)?.write(&args.out)?;
    output::json(&json!({
        "rows": rows,
        "seconds": seconds,
        "scale": scale,
        "base_value": base_value,
        "mean_abs": mean_abs,
    }))?;
    Ok(Outcome::Passed)
}
