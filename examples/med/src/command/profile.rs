//! `med profile`

use anyhow::Context;
use med_quality::{Margins, profile, profile_columns, suggest};
use med_schema::{ColumnProfile, Item, Kind, ParquetParts, Profile, ProfileOptions, TableError, ValueType, write_file};
use polars::prelude::{AnyValue, TimeUnit};
use serde_json::{Map, Value, json};

use crate::cli::ProfileArgs;
use crate::output::{self, Outcome};

const QUANTILES: [&str; 9] = ["0.01", "0.05", "0.1", "0.25", "0.5", "0.75", "0.9", "0.95", "0.99"];
/// How many of the most common values are listed.
const TOP: usize = 10;
/// A value of an identifier or a free text is listed if so many rows share it: it then names nobody.
const SHARED: u64 = 5;
/// How sure the bound of the quantiles' ranks is.
const CONFIDENCE: f64 = 0.99;

pub(crate) fn run(args: &ProfileArgs) -> anyhow::Result<Outcome> {
    let profile = profile_of(args).with_context(|| args.data.display().to_string())?;
    let columns: Map<String, Value> =
        profile.columns().iter().map(|column| (column.column().name.clone(), describe(column))).collect();
    let mut result = json!({ "rows": profile.rows(), "columns": columns });
    if let Some(path) = &args.suggest_suite {
        let suite = suggest(&profile, &Margins::default())?;
        write_file(path, suite.to_json()?)?;
        result["suite"] = json!(path);
    }
    if let Some(path) = &args.out {
        write_file(path, serde_json::to_string(&profile)?)?;
        result["profile"] = json!(path);
    }
    output::json(&result)?;
    Ok(Outcome::Passed)
}

/// A Parquet file is read column by column, part by part; CSV, whose types follow all values, and what a schema file describes,
/// is read whole.
fn profile_of(args: &ProfileArgs) -> anyhow::Result<Profile> {
    let is_parquet = args.data.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("parquet"));
    if !is_parquet || args.read.schema.is_some() {
        return Ok(profile(&args.read.read(&args.data)?)?);
    }
    let parts = ParquetParts::open(&args.data)?;
    let not_held: Vec<TableError> = parts.not_held().collect();
    let mut held = parts.schema().clone();
    for error in &not_held {
        output::note(&format!("not profiled: {error}"));
        if let TableError::Type { column, .. } = error {
            held.shift_remove(column.as_str());
        }
    }
    let sizes: Vec<usize> = parts.sizes().collect();
    let read = |part: usize, name: &str| anyhow::Ok(parts.column(part, name)?);
    profile_columns(&held, &sizes, read, &ProfileOptions::default())
}

fn describe(column: &ColumnProfile) -> Value {
    let held = column.column().value_type;
    let kind = column.column().kind;
    let (low, high) = column.range().unzip();
    let end = |end: Option<&Item>| end.map_or(Value::Null, |item| value(item, held));
    let counts = column.counts();
    let hidden = matches!(kind, Kind::Identifier | Kind::Text) && held == ValueType::Text || kind == Kind::Identifier;
    let top: Vec<Value> = counts
        .top(TOP)
        .into_iter()
        .filter(|(_, count)| !hidden || *count >= SHARED)
        .map(|(item, count)| json!({ "value": value(item, held), "count": count }))
        .collect();
    // Of days and moments the middle is told, and nothing that is no day or moment.
    let quantity = matches!(held, ValueType::Integer | ValueType::Float | ValueType::Boolean);
    let moments = column.moments().filter(|_| quantity);
    let mut described = json!({
        "kind": kind,
        "type": held,
        "count": column.present(),
        "nulls": column.missing(),
        "distinct": column.distinct(),
        "min": end(low),
        "max": end(high),
        "mean": moments.and_then(|m| m.mean()),
        "std": moments.and_then(|m| m.std()),
        "quantiles": quantiles(column),
        "top": top,
    });
    if !counts.is_exact() {
        if column.all_different() != Some(true) {
            described["distinct_standard_error"] = json!(med_schema::Cardinality::STANDARD_ERROR);
        }
        described["top_count_error"] = json!(counts.error());
    }
    if let Some(error) = column.quantiles().map(|q| q.rank_error(CONFIDENCE)).filter(|error| *error > 0.0) {
        described["quantile_rank_error"] = json!(error);
    }
    if let Some((shortest, longest)) = column.lengths() {
        described["lengths"] = json!([shortest, longest]);
    }
    if column.infinite() > 0 {
        described["infinite"] = json!(column.infinite());
    }
    described
}

fn quantiles(column: &ColumnProfile) -> Value {
    let Some(sketch) = column.quantiles() else { return Value::Null };
    let held = column.column().value_type;
    let shares: Vec<f64> = QUANTILES.iter().filter_map(|q| q.parse().ok()).collect();
    let named = QUANTILES.iter().zip(sketch.quantiles(&shares));
    let written = |number: f64| match held {
        ValueType::Date | ValueType::Timestamp => value(&Item::Whole(number.round() as i64), held),
        _ => Item::number(number).map_or(Value::Null, |_| json!(number)),
    };
    named.map(|(name, q)| ((*name).to_owned(), q.map_or(Value::Null, written))).collect::<Map<_, _>>().into()
}

/// A value as its column means it.
fn value(item: &Item, held: ValueType) -> Value {
    match (item, held) {
        (Item::Whole(whole), ValueType::Boolean) => json!(*whole != 0),
        (Item::Whole(days), ValueType::Date) => {
            i32::try_from(*days).map_or(Value::Null, |d| json!(AnyValue::Date(d).to_string()))
        }
        (Item::Whole(micros), ValueType::Timestamp) => {
            json!(AnyValue::Datetime(*micros, TimeUnit::Microseconds, None).to_string())
        }
        (Item::Whole(whole), _) => json!(whole),
        (Item::Real(real), _) if real.is_infinite() => json!(if *real > 0.0 { "Infinity" } else { "-Infinity" }),
        (Item::Real(real), _) => json!(real),
        (Item::Text(text), _) => json!(text),
    }
}
