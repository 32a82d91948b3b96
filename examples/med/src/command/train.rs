//! `med train`

use std::time::Instant;

use anyhow::{Context, bail, ensure};
use med_features::FeaturePipeline;
use med_model::ModelSpec;
use med_schema::{MixedColumn, Table, write_file};
use serde_json::{Map, Value, json};

use crate::cli::{Intervals, TrainArgs};
use crate::config::parse;
use crate::intervals;
use crate::output::{self, Outcome};
use crate::prepared::Prepared;
use crate::table_file::{usable, with_dates};

/// More are a slip of the finger.
const MOST_THREADS: usize = 1024;

pub(crate) fn run(args: &TrainArgs) -> anyhow::Result<Outcome> {
    let params = match &args.params {
        Some(text) => serde_json::from_str(text).context("--params is not JSON")?,
        None => Value::Null,
    };
    let spec = parse(&args.model, &params, args.seed)?;
    let encoders = args.encoders.as_deref().map(encoders).transpose()?;
    let encoders = encoders.as_ref();
    match args.threads {
        Some(threads) => {
            ensure!((1..=MOST_THREADS).contains(&threads), "--threads: expected 1 to {MOST_THREADS}, found {threads}");
            // A pool of its own, so that nothing else in the process has fewer threads for it.
            rayon::ThreadPoolBuilder::new().num_threads(threads).build()?.install(|| train(args, &spec, encoders))
        }
        None => train(args, &spec, encoders),
    }
}

/// Steps as JSON; what does not begin like a list is the name of a file.
fn encoders(text: &str) -> anyhow::Result<FeaturePipeline> {
    let json = match text.trim_start().starts_with('[') {
        true => text.to_owned(),
        false => std::fs::read_to_string(text).with_context(|| format!("encoders {text}"))?,
    };
    serde_json::from_str(&json).context("--encoders")
}

fn train(args: &TrainArgs, spec: &ModelSpec, encoders: Option<&FeaturePipeline>) -> anyhow::Result<Outcome> {
    let (table, left_out) = args.read.read_without(&args.data, &args.exclude)?;
    let schema = table.schema().clone().with_target(&args.target)?;
    let table = table.with_schema(schema)?;
    ensure!(table.n_rows() > 0, "{} has no rows", args.data.display());
    let (features, mut ignored) = usable(table.schema(), &args.exclude, &left_out)?;
    let mut features = with_dates(&features, table.schema(), encoders);
    features.retain(|name| !args.exclude.contains(name));
    ignored.retain(|column| !features.contains(&column.column));
    let mut warnings = mixed_columns(args, &table)?;
    if features.is_empty() {
        let reasons: Vec<String> = ignored.iter().map(|i| format!("{:?} is {}", i.column, i.reason)).collect();
        let reasons = if reasons.is_empty() { String::new() } else { format!(": {}", reasons.join("; ")) };
        bail!("{} has no column that a model could take{reasons}", args.data.display());
    }

    let started = Instant::now();
    let mut model = Prepared::fit(spec, encoders, &table, &features)?;
    let fit_seconds = started.elapsed().as_secs_f64();
    warnings.extend_from_slice(model.warnings());
    // Rows of the training part are not new to it: all that can be said of them is that the fit itself runs away.
    warnings.extend(model.notes(&table)?.warnings("training part: "));
    if args.intervals == Intervals::Auto {
        match intervals::residuals(spec, encoders, &table, &features)? {
            Ok(residuals) => model = model.with_intervals(residuals)?,
            Err(reason) => warnings.push(format!(
                "no prediction intervals can be made (--intervals none leaves them out): of a part of the rows, {reason}"
            )),
        }
    }

    let mut metrics = Map::new();
    metrics.insert("train".to_owned(), serde_json::to_value(model.evaluate(&table)?)?);
    if let Some(path) = &args.test {
        let test = model.read_with_target(path, &args.read)?;
        metrics.insert("test".to_owned(), serde_json::to_value(model.evaluate(&test)?)?);
        warnings.extend(model.notes(&test)?.warnings("test part: "));
    }
    write_file(&args.out, model.to_json()?)?;
    warnings.iter().for_each(|warning| output::note(&format!("warning: {warning}")));
    output::json(&json!({
        "model": args.model,
        "objective": model.objective(),
        "rows": table.n_rows(),
        "features": model.columns().names().collect::<Vec<_>>(),
        "ignored": ignored,
        "exposure": model.exposure(),
        "fit_seconds": fit_seconds,
        "interval_rows": model.interval_rows(),
        "warnings": warnings,
        "metrics": metrics,
    }))?;
    Ok(Outcome::Passed)
}

/// Columns of numbers that a few words have made something else, those aside whose kind or type the schema file says.
fn mixed_columns(args: &TrainArgs, table: &Table) -> anyhow::Result<Vec<String>> {
    let patches = args.read.options()?.columns;
    let said = |name: &str| patches.iter().any(|p| p.name == name && (p.kind.is_some() || p.value_type.is_some()));
    let open = |name: &str| name != args.target && !args.exclude.iter().any(|e| e == name) && !said(name);
    let options = |mixed: &MixedColumn| format!("{mixed} (--null-values, --schema)");
    Ok(table.mixed_columns()?.iter().filter(|mixed| open(&mixed.column)).map(options).collect())
}
