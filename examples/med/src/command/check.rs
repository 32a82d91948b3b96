//! `med check`

use std::path::Path;

use anyhow::{Context, ensure};
use med_quality::{Evaluation, PlanOptions, Suite};
use med_schema::{ParquetBatches, ParquetParts, Table, ValueType};
use polars::prelude::DataFrame;

use crate::cli::CheckArgs;
use crate::output::{self, Outcome};

/// What pandas' CSV reader takes for missing.
const PANDAS_NULLS: [&str; 18] = [
    "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA", "NULL",
    "NaN", "None", "n/a", "nan", "null",
];

pub(crate) fn run(args: &CheckArgs) -> anyhow::Result<Outcome> {
    let named = || format!("suite {}", args.suite.display());
    let text = std::fs::read_to_string(&args.suite).with_context(named)?;
    let suite = match &args.parameters {
        None => Suite::from_json(&text),
        Some(parameters) => Suite::from_json_with(&text, &read_parameters(parameters)?),
    }
    .with_context(named)?;
    let format = &args.result_format;
    let options = format.options().compat(args.compat).bounded(args.bounded);
    let result = if format.needs_rows() {
        ensure!(!args.bounded, "rows can only be shown of a file that is read whole, so without --bounded");
        let frame = read_whole(args)?;
        suite.evaluate_frame(&frame, options).detailed_result(format, &frame)?
    } else {
        evaluate(args, &suite, options)?.result(format.format())
    };
    output::json(&result)?;
    Ok(Outcome::of(result.success))
}

/// A JSON object, or a file that holds one.
fn read_parameters(text: &str) -> anyhow::Result<serde_json::Map<String, serde_json::Value>> {
    let named = || format!("parameters {text}");
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text).with_context(named);
    }
    serde_json::from_str(&std::fs::read_to_string(text).with_context(named)?).with_context(named)
}

/// A Parquet file goes by column by column, if nothing is asked that needs it whole.
fn evaluate<'s>(args: &CheckArgs, suite: &'s Suite, options: PlanOptions) -> anyhow::Result<Evaluation<'s>> {
    let named = || args.data.display().to_string();
    if args.compat || !is_parquet(args) || args.read.schema.is_some() {
        return Ok(suite.evaluate_frame(&read_whole(args)?, options));
    }
    let parts = ParquetParts::open(&args.data).with_context(named)?;
    let plan = suite.plan(parts.schema(), options);
    let sizes: Vec<usize> = parts.sizes().collect();
    let metrics = plan.scan_columns(&sizes, |part, name| parts.column(part, name)).with_context(named)?;
    Ok(plan.judge(&metrics))
}

fn is_parquet(args: &CheckArgs) -> bool {
    args.data.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("parquet"))
}

fn read_whole(args: &CheckArgs) -> anyhow::Result<DataFrame> {
    if args.compat { read_as_pandas(args) } else { Ok(args.read.read(&args.data)?.into_parts().0) }
}

/// Types are what pandas reads: narrow ones stay, dates in CSV are text.
fn read_as_pandas(args: &CheckArgs) -> anyhow::Result<DataFrame> {
    let path: &Path = &args.data;
    let named = || path.display().to_string();
    if is_parquet(args) {
        // Not even a frame without rows has such columns.
        if let Some(error) = ParquetParts::open(path).with_context(named)?.not_held().next() {
            return Err(error).with_context(named);
        }
        let batches = ParquetBatches::open(path).with_context(named)?;
        let empty = DataFrame::empty_with_schema(batches.schema());
        let mut frame: Option<DataFrame> = None;
        for batch in batches {
            let batch = batch.with_context(named)?;
            match &mut frame {
                None => frame = Some(batch),
                Some(frame) => {
                    frame.vstack_mut(&batch)?;
                }
            }
        }
        return Ok(frame.unwrap_or(empty));
    }
    let mut options = args.read.options()?;
    options.null_values.extend(PANDAS_NULLS.map(str::to_owned));
    let table = Table::read(path, &options).with_context(named)?;
    let dates = table.schema().columns().iter().filter(|column| {
        matches!(column.value_type, ValueType::Date | ValueType::Timestamp)
            && !options.columns.iter().any(|patch| patch.name == column.name)
    });
    let as_text: Vec<_> = dates
        .map(|column| med_schema::ColumnPatch {
            name: column.name.clone(),
            kind: Some(med_schema::Kind::Text),
            value_type: Some(ValueType::Text),
            role: None,
            nullable: None,
            unit: None,
            domain: None,
        })
        .collect();
    if as_text.is_empty() {
        return Ok(table.into_parts().0);
    }
    options.columns.extend(as_text);
    Ok(Table::read(path, &options).with_context(named)?.into_parts().0)
}
