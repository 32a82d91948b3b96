//! `med drift`

mod chunked;
mod leakage;
mod profiled;
mod together;

use anyhow::{Context, bail, ensure};
use med_drift::{Calibration, ChunkSize, DriftDetector, DriftParams, DriftReport, Method, Preset};
use med_schema::{Column, Kind, Role, Schema, Table, ValueType, Verdict, near_names};
use polars::prelude::DataType;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use crate::cli::DriftArgs;
use crate::output::{self, Outcome};
use crate::table_file::{Ignored, usable};

pub(crate) fn run(args: &DriftArgs) -> anyhow::Result<Outcome> {
    together::check(args)?;
    let detector = detector(args)?;
    let chunks_asked = args.chunk_rows.is_some() || args.period.is_some();
    if profiled::is_profile(&args.reference) || profiled::is_profile(&args.current) {
        let of_rows = args.multivariate || args.leakage || args.target.is_some() || args.prediction.is_some();
        ensure!(
            !chunks_asked && !of_rows,
            "--period, --chunk-rows, --multivariate, --leakage, --target and --prediction need rows, and a profile has none"
        );
        let (report, ignored, schema) = profiled::detect(&detector, args)?;
        return finish(&report, (&ignored, &schema), (Map::new(), false));
    }
    let (reference, not_held) = args.read.read_needed(&args.reference, |name| is_named(args, name))?;
    // What the reference has as numbers or texts must be there to be compared.
    let compared = |name: &str| reference.schema().contains(name);
    let (current, also_not_held) = args.read.read_needed(&args.current, compared)?;
    let current = without(current, &not_held)?;
    let (schema, mismatches) = common_schema(&reference, &current, args)?;
    let own_schema = reference.schema().clone();
    let reread = |table: Table, path| -> anyhow::Result<Table> {
        let same = table
            .schema()
            .columns()
            .iter()
            .all(|c| schema.column(&c.name).map_or(true, |s| s.value_type == c.value_type));
        if same { Ok(table) } else { args.read.read_like(path, &schema) }
    };
    let (mut names, mut ignored) = usable(&schema, &[], &[])?;
    ignored.extend(mismatches.iter().cloned());
    let outcomes = together::outcome_columns(args);
    names.retain(|name| !outcomes.contains(&name.as_str()) && !args.key.contains(name));
    let reference = with_kinds(reread(reference, &args.reference)?, &schema)?;
    let current = with_kinds(reread(current, &args.current)?, &schema)?;
    if names.is_empty() {
        let reasons: Vec<String> = ignored.iter().map(|i| format!("{:?}: {}", i.column, i.reason)).collect();
        bail!("there are no columns to compare; {}", reasons.join("; "));
    }
    let features = |table: &Table| table.features(names.iter().map(String::as_str));
    if let Some((chunks, without_time)) = chunked::cut(args, &current)? {
        let (result, drifted) =
            chunked::judge(detector, &features(&reference)?, &features(&current)?, (&chunks, without_time))?;
        tell(&ignored);
        output::json(&result)?;
        return Ok(Outcome::of(!drifted && mismatches.is_empty()));
    }
    let (x_reference, x_current) = (features(&reference)?, features(&current)?);
    let report = detector.detect(&x_reference, &x_current)?;
    let (tables, features) = ([&reference, &current], [&x_reference, &x_current]);
    for Ignored { reason, .. } in not_held.iter().chain(&also_not_held) {
        output::note(&format!("not compared: {reason}"));
    }
    let mut more = together::detect(&detector, args, tables, features)?;
    if args.leakage {
        let report = leakage::report(args, tables, features)?;
        more.1 |= report.verdict() != Verdict::Passed;
        more.0.insert("leakage".to_owned(), serde_json::to_value(report)?);
    }
    if !mismatches.is_empty() {
        more.1 = true;
        more.0.insert("mismatches".to_owned(), serde_json::to_value(&mismatches)?);
    }
    finish(&report, (&ignored, &own_schema), more)
}

/// Prints the report, and what it means.
fn finish(
    report: &DriftReport,
    (ignored, schema): (&[Ignored], &Schema),
    (mut more, more_drifted): (Map<String, Value>, bool),
) -> anyhow::Result<Outcome> {
    let compared = report.columns.iter().filter(|c| c.score.is_some() || c.drifted).count();
    more.insert("compared".to_owned(), json!(compared));
    let kinds = ignored.iter().map(|i| Ok(schema.column(&i.column)?.kind)).collect::<anyhow::Result<Vec<_>>>()?;
    let result = Printed { columns: Columns { measured: report, ignored, kinds: &kinds }, report, more };
    tell(ignored);
    output::json(&result)?;
    if compared == 0 {
        output::note("no column could be compared; each says why");
    }
    Ok(Outcome::of(compared > 0 && !report.drifted && !more_drifted))
}

/// Says which columns are not compared, and why; beside a result only, as an error is one message.
fn tell(ignored: &[Ignored]) {
    for Ignored { column, reason } in ignored {
        output::note(&format!("column {column:?} is not compared: {reason}"));
    }
}

/// The report with the columns that were not measured among the others.
#[derive(Serialize)]
struct Printed<'a> {
    columns: Columns<'a>,
    #[serde(flatten, serialize_with = "without_columns")]
    report: &'a DriftReport,
    /// What was asked for besides.
    #[serde(flatten)]
    more: Map<String, Value>,
}

struct Columns<'a> {
    measured: &'a DriftReport,
    ignored: &'a [Ignored],
    kinds: &'a [Kind],
}

/// In the order of the file; columns that were not measured last, with a score of null.
impl Serialize for Columns<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for column in &self.measured.columns {
            map.serialize_entry(&column.name, column)?;
        }
        for (column, kind) in self.ignored.iter().zip(self.kinds) {
            let entry = json!({ "kind": kind, "method": null, "score": null, "threshold": null, "drifted": false, "message": column.reason });
            map.serialize_entry(&column.column, &entry)?;
        }
        map.end()
    }
}

fn without_columns<S: Serializer>(report: &DriftReport, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(4))?;
    map.serialize_entry("preset", &report.preset)?;
    map.serialize_entry("table", &report.table)?;
    map.serialize_entry("share_drifted", &report.share_drifted)?;
    map.serialize_entry("drifted", &report.drifted)?;
    map.end()
}

/// Whether a column is asked for by its name.
fn is_named(args: &DriftArgs, name: &str) -> bool {
    let mut named =
        args.target.iter().chain(&args.prediction).chain(&args.time).chain(&args.categorical).chain(&args.key);
    named.any(|asked| asked == name)
}

/// The table without columns that the other file has in a type that no table holds.
fn without(table: Table, not_held: &[Ignored]) -> anyhow::Result<Table> {
    let (frame, schema) = table.into_parts();
    let kept = |name: &&str| !not_held.iter().any(|column| column.column == **name);
    let names: Vec<&str> = schema.names().filter(kept).collect();
    Ok(Table::parse(frame.select(names.iter().copied())?, schema.select(names.iter().copied())?)?)
}

fn detector(args: &DriftArgs) -> anyhow::Result<DriftDetector> {
    let preset: Preset = serde_json::from_value(Value::String(args.preset.clone()))
        .with_context(|| format!("preset {:?}", args.preset))?;
    let mut params = DriftParams::preset(preset);
    if let Some(method) = &args.method {
        params = params.with_only(method.parse::<Method>()?);
        // Who asks for a measure by name wants its value wherever it has one.
        if preset == Preset::Default {
            params.min_samples = 1;
        }
    }
    if let Some(rows) = args.min_rows {
        params.min_samples = rows;
    }
    if let (Some(chunks), Some(rows)) = (&mut params.chunks, args.chunk_rows) {
        chunks.size = ChunkSize::Rows(rows);
    }
    if let Some(threshold) = args.threshold {
        params = params.with_threshold(threshold);
    }
    params.calibrate = args.calibrate.map(|permutations| Calibration { permutations, seed: args.seed });
    Ok(DriftDetector::new(params)?)
}

/// One schema for both files: the reference's, with the columns named as categories, and floats where one side has whole
/// numbers and the other has not. The kinds are the reference's: texts are names however many there are, and a column that it has as numbers is not compared when
/// the current file holds something else. Those columns are left out of the schema and come beside it.
fn common_schema(reference: &Table, current: &Table, args: &DriftArgs) -> anyhow::Result<(Schema, Vec<Ignored>)> {
    for name in &args.categorical {
        reference.schema().column(name).context("--categorical")?;
    }
    let known = |name: &String| reference.schema().column(name).map(|_| ());
    args.target.iter().chain(&args.prediction).try_for_each(known)?;
    // Targets of the current side may not be known yet.
    let unlabelled = args.target.as_deref().filter(|name| !current.schema().contains(name));
    let mut differences = missing(reference.schema(), current.schema(), "the current file lacks", unlabelled);
    differences.extend(missing(current.schema(), reference.schema(), "the reference lacks", None));
    if !differences.is_empty() {
        bail!("the two files have different columns: {}", differences.join("; "));
    }
    let (mut columns, mut mismatches) = (Vec::new(), Vec::new());
    for column in reference.schema().columns() {
        if unlabelled == Some(column.name.as_str()) {
            columns.push(column.clone());
            continue;
        }
        let other = current.schema().column(&column.name)?;
        let mut column = Column { nullable: true, ..column.clone() };
        if args.categorical.contains(&column.name) {
            column.kind = Kind::Nominal;
            column.role = Role::Feature;
        }
        if column.kind == Kind::Text && column.role == Role::Feature {
            column.kind = Kind::Nominal;
        }
        let empty = |t: &Table| t.frame().column(&column.name).is_ok_and(|c| c.null_count() == c.len());
        if column.value_type != other.value_type && !empty(current) {
            let numbers = |t| matches!(t, ValueType::Integer | ValueType::Float);
            column.value_type = if empty(reference) {
                column.kind = other.kind;
                other.value_type
            } else if numbers(column.value_type) && numbers(other.value_type) {
                ValueType::Float
            } else if numbers(column.value_type) && column.kind != Kind::Nominal && !args.key.contains(&column.name) {
                mismatches.push(mismatch(&column, current)?);
                continue;
            } else {
                output::note(&format!(
                    "column {:?} holds {} in the reference and {} in the current file; compared as categories",
                    column.name, column.value_type, other.value_type
                ));
                column.kind = Kind::Nominal;
                ValueType::Text
            };
            if column.kind == Kind::Identifier {
                column.kind = Kind::Continuous;
                column.role = Role::Feature;
            }
        }
        columns.push(column);
    }
    Ok((Schema::new(columns)?, mismatches))
}

/// A column of numbers that holds something else in the current file: what, and in which row, counted from 1, it begins.
fn mismatch(column: &Column, current: &Table) -> anyhow::Result<Ignored> {
    let name = &column.name;
    let held = current.schema().column(name)?.value_type;
    let texts = current.frame().column(name)?.cast(&DataType::String)?;
    let word = |text: Option<&str>| text.filter(|t| t.trim().parse::<f64>().is_err()).map(str::to_owned);
    let first = texts.str()?.iter().enumerate().find_map(|(row, text)| Some((row + 1, word(text)?)));
    let found = match first {
        Some((row, text)) => format!("{held}, in row {row} {text:?}"),
        None => held.to_string(),
    };
    let reason = format!(
        "the reference holds {}, the current file {found} (--categorical compares it as names, --null-values takes such words for missing)",
        column.value_type
    );
    Ok(Ignored { column: name.clone(), reason })
}

fn missing(has: &Schema, lacks: &Schema, words: &str, but: Option<&str>) -> Vec<String> {
    has.names()
        .filter(|n| !lacks.contains(n) && but != Some(*n))
        .map(|n| {
            let near = near_names(n, lacks.names().filter(|m| !has.contains(m)));
            if near.is_empty() {
                format!("{words} {n:?}")
            } else {
                format!("{words} {n:?} (it has {})", near.join(", "))
            }
        })
        .collect()
}

/// The table under the common schema's kinds and roles, as far as its own types carry them.
fn with_kinds(table: Table, schema: &Schema) -> anyhow::Result<Table> {
    let mut columns = Vec::new();
    for own in table.schema().columns() {
        let Ok(common) = schema.column(&own.name) else {
            columns.push(own.clone());
            continue;
        };
        let fits = common.kind.types().contains(&own.value_type);
        let kind = if fits { common.kind } else { own.kind };
        columns.push(Column { kind, role: common.role, nullable: true, ..own.clone() });
    }
    Ok(table.with_schema(Schema::new(columns)?)?)
}
