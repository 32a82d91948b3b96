//! The current file in chunks of time or of rows, a verdict each.

use anyhow::{bail, ensure};
use med_drift::{DriftDetector, Monitor, Period, TimeChunk, by_count, by_period};
use med_schema::{FeatureMatrix, Table, ValueType};
use polars::prelude::DataType;
use serde_json::{Value, json};

use crate::cli::DriftArgs;

const DAY: i64 = 86_400_000_000;

/// Cuts the current table as the options say; `None` when they ask for no chunks. Also the number of rows without a time.
pub(super) fn cut(args: &DriftArgs, current: &Table) -> anyhow::Result<Option<(Vec<TimeChunk>, usize)>> {
    if let Some(size) = args.chunk_rows {
        return Ok(Some((by_count(current.n_rows(), size)?, 0)));
    }
    let Some(period) = &args.period else { return Ok(None) };
    let period: Period = serde_json::from_value(Value::String(period.clone()))?;
    let (chunks, without) = by_period(&times(current, args.time.as_deref().unwrap_or_default())?, period);
    Ok(Some((chunks, without.len())))
}

/// Microseconds since 1970-01-01.
pub(super) fn times(table: &Table, name: &str) -> anyhow::Result<Vec<Option<i64>>> {
    let unit = match table.schema().column(name)?.value_type {
        ValueType::Date => DAY,
        ValueType::Timestamp => 1,
        other => bail!("--time: column {name:?} holds {other}, expected dates or times"),
    };
    let column = table.frame().column(name)?.cast(&DataType::Int64)?;
    Ok(column.i64()?.iter().map(|time| time.map(|t| t * unit)).collect())
}

/// A verdict for each chunk, and whether any has drifted.
pub(super) fn judge(
    detector: DriftDetector,
    reference: &FeatureMatrix,
    current: &FeatureMatrix,
    (chunks, without_time): (&[TimeChunk], usize),
) -> anyhow::Result<(Value, bool)> {
    ensure!(!chunks.is_empty(), "the current file has no chunk: no row has a time");
    let monitor = Monitor::new(detector, reference)?;
    let mut judged = Vec::new();
    let mut drifted = false;
    for chunk in monitor.over_chunks(current, chunks) {
        let (chunk, report) = chunk?;
        drifted |= report.drifted;
        let mut value = serde_json::to_value(&report)?;
        value["chunk"] = json!(chunk.name);
        value["rows"] = json!(chunk.rows.len());
        judged.push(value);
    }
    Ok((json!({ "chunks": judged, "rows_without_time": without_time, "drifted": drifted }), drifted))
}
