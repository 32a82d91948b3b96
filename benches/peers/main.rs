//! `peers`: one piece of work of Med, timed in a process of its own. `compare.py` calls it and its rivals in turn; see `README.md`.
//!
//! Reading the Parquet and building the feature matrix are not in the time. Each command prints one line of JSON.

mod input;
mod measure;
mod process;

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::{Parser, Subcommand, ValueEnum};
use med_model::{AnyModel, Explain, Model, ModelSpec, Regressor};
use med_schema::FeatureSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::measure::{Measured, measure};

/// One piece of work of Med, timed.
#[derive(Debug, Parser)]
struct Cli {
    /// Threads of the pool that the work runs on.
    #[arg(long, global = true, default_value_t = 1)]
    threads: usize,
    /// How often the work is done; every time is printed.
    #[arg(long, global = true, default_value_t = 1)]
    repeat: usize,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Fits a model.
    Fit {
        /// Parquet with features and target.
        #[arg(long)]
        data: PathBuf,
        /// The column to predict.
        #[arg(long)]
        target: String,
        /// Columns that are no features; separated by commas.
        #[arg(long, value_delimiter = ',')]
        exclude: Vec<String>,
        /// Name of the model.
        #[arg(long)]
        model: String,
        /// Its parameters, as JSON.
        #[arg(long, default_value = "null")]
        params: String,
        /// How the model gets categories.
        #[arg(long, value_enum, default_value_t = Categories::Native)]
        categories: Categories,
        /// Where the fitted model goes.
        #[arg(long)]
        save: Option<PathBuf>,
        /// Rows to predict afterwards, outside of the time.
        #[arg(long, requires = "out")]
        test: Option<PathBuf>,
        /// Where those predictions go.
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Predicts all rows of a file.
    Predict {
        /// What `fit` saved.
        #[arg(long)]
        model: PathBuf,
        /// Parquet with the features.
        #[arg(long)]
        data: PathBuf,
        /// Where the predictions go: 64-bit floats, little-endian, nothing else.
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Shapley values of the first rows of a file.
    Explain {
        /// What `fit` saved.
        #[arg(long)]
        model: PathBuf,
        /// Parquet with the features.
        #[arg(long)]
        data: PathBuf,
        /// How many rows.
        #[arg(long)]
        rows: usize,
    },
}

/// How a model gets categories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Categories {
    /// As they are.
    Native,
    /// As numbers 0, 1, 2, ... in the order of their text, as boosting libraries without a list of categories take them.
    Codes,
}

/// A fitted model and how it gets its features.
#[derive(Serialize, Deserialize)]
struct Saved {
    raw: FeatureSchema,
    categories: Categories,
    model: AnyModel,
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    ensure!(cli.threads > 0 && cli.repeat > 0, "--threads and --repeat: expected at least 1");
    let pool = rayon::ThreadPoolBuilder::new().num_threads(cli.threads).build()?;
    let line = match cli.command {
        Command::Fit { data, target, exclude, model, params, categories, save, test, out } => {
            let spec = ModelSpec::parse(&model, &serde_json::from_str(&params).context("--params")?)?;
            let (raw, train) = input::dataset(&data, &target, &exclude, categories)?;
            let (measured, model) = pool.install(|| measure(cli.repeat, || spec.fit(&train)))?;
            if let (Some(test), Some(out)) = (test, out) {
                let x = input::features(&test, &raw, categories)?;
                write_numbers(&out, pool.install(|| model.predict(&x))?.iter())?;
            }
            if let Some(path) = save {
                std::fs::write(path, serde_json::to_vec(&Saved { raw, categories, model })?)?;
            }
            line(&measured, train.n_rows(), train.x().n_columns())
        }
        Command::Predict { model, data, out } => {
            let saved: Saved = serde_json::from_slice(&std::fs::read(model)?)?;
            let x = input::features(&data, &saved.raw, saved.categories)?;
            let (measured, predicted) = pool.install(|| measure(cli.repeat, || saved.model.predict(&x)))?;
            if let Some(path) = out {
                write_numbers(&path, predicted.iter())?;
            }
            line(&measured, x.n_rows(), x.n_columns())
        }
        Command::Explain { model, data, rows } => {
            let saved: Saved = serde_json::from_slice(&std::fs::read(model)?)?;
            let x = input::features(&data, &saved.raw, saved.categories)?;
            let x = x.take(&(0..rows.min(x.n_rows())).collect::<Vec<_>>())?;
            let (measured, _) = pool.install(|| measure(cli.repeat, || saved.model.explain(&x)))?;
            line(&measured, x.n_rows(), x.n_columns())
        }
    };
    writeln!(std::io::stdout(), "{line}")?;
    Ok(())
}

fn line(measured: &Measured, rows: usize, columns: usize) -> Value {
    json!({ "wall": measured.wall, "cpu": measured.cpu, "rss_mb": measured.rss_mb, "peak_mb": measured.peak_mb,
        "rows": rows, "columns": columns })
}

fn write_numbers<'a>(path: &Path, numbers: impl Iterator<Item = &'a f64>) -> anyhow::Result<()> {
    let bytes: Vec<u8> = numbers.flat_map(|p| p.to_le_bytes()).collect();
    std::fs::write(path, bytes).with_context(|| path.display().to_string())
}
