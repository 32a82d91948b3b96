//! The command line. Its contract: names, defaults, exit codes and output shapes do not change silently.

mod data;
mod lake;
mod models;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub(crate) use data::{
    CheckArgs, DriftArgs, ExtractArgs, GenerateArgs, NullCursor, OnMismatch, ProfileArgs, SelectArgs, TableFormat,
};
pub(crate) use lake::{AliasCommand, LakeArgs, LakeCommand, ModelArgs, ModelCommand, ReportArgs};
pub(crate) use models::{DEFAULT_LAKE, EvaluateArgs, ExplainArgs, Intervals, LearnerName, PredictArgs, TrainArgs};

/// Batch prediction of annual medical cost: from the database to checked models, predictions and a drift verdict.
///
/// Results go to stdout as one JSON document, progress and messages to stderr.
/// Exit codes: 0 done and every gate passed; 1 done, but a check or gate failed; 2 could not be done.
#[derive(Debug, Parser)]
#[command(name = "med", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs the whole pipeline.
    #[command(
        after_help = "Example:\n  med run\n  med run --config med.toml --database-url sqlite://clients.sqlite --lake ./lake --seed 7"
    )]
    Run(RunArgs),
    /// Validates a file against an expectation suite in Great Expectations' JSON.
    #[command(
        after_help = "Example:\n  med check --suite fixtures/suites/clients_extracted.json --data fixtures/clients.csv"
    )]
    Check(CheckArgs),
    /// Tells statistics of each column, and writes a suite learnt from the data.
    ///
    /// Quantiles, distinct counts and the most common values come from sketches: exact for small files, else with their error beside
    /// them. Texts are listed as categories; of identifiers and free texts only those that five rows share.
    #[command(after_help = "Example:\n  med profile --data clients.parquet --suggest-suite suite.json")]
    Profile(ProfileArgs),
    /// Measures drift between two files, per column and over the whole table.
    ///
    /// A side may be a profile that `med profile --out` wrote: drift then needs no rows of it.
    #[command(
        after_help = "Examples:\n  med drift --reference 2024.csv --current 2025.csv --categorical plan,region\n  med drift --reference 2024.profile.json --current 2025.csv\n  med drift --reference 2024.csv --current 2025.csv --time paid_on --period month\n  med drift --reference 2024.csv --current 2025.csv --multivariate --target cost --prediction predicted --estimate-loss"
    )]
    Drift(DriftArgs),
    /// Scores features by a written-out statistic.
    #[command(
        after_help = "Example:\n  med select --data train.csv --test test.csv --target annual_medical_cost --method std_stability --threshold 0.1"
    )]
    Select(SelectArgs),
    /// Fits encoders and a model, and writes both to one file.
    ///
    /// A schema file (`--schema`) gives columns the roles `exposure` (years at risk) and `weight`. With an exposure the model is of
    /// the cost per year, and the model file says so. `warnings` in the output tell what in the costs does not suit the objective,
    /// which columns of numbers a few words have made categories, and where predictions run away.
    #[command(
        after_help = "Example:\n  med train --data train.csv --test test.csv --target annual_medical_cost --model gbdt --params '{\"num_iterations\": 300}' --out model.json"
    )]
    Train(TrainArgs),
    /// Predicts a file of rows.
    ///
    /// The model is a file of `med train`, a text file that LightGBM wrote, or a registered one: `NAME@VERSION`, where VERSION is a
    /// number, an alias, or `production`.
    /// A model that was trained with an exposure predicts the cost in a row's exposure where the file has that column, and the
    /// cost in one year where it has not; `exposure` in the output names the column that was used. `unseen_levels` and `missing_cells` count rows
    /// by column, and `warnings` tell of columns that are mostly unseen and of predictions far beyond the costs trained on.
    ///
    /// With the configuration of a feed of transactions and a cut-off, the features of its clients are made as of that day, and the model
    /// in production predicts their cost in the year that begins with it. The predictions are kept in the lake, too.
    #[command(
        after_help = "Examples:\n  med predict --model model.json --data clients.parquet --out predictions.parquet\n  med predict --model annual_medical_cost@champion --data clients.parquet --out predictions.parquet\n  med predict --config claims.toml --cutoff 2025-01-01 --out predictions.parquet"
    )]
    Predict(PredictArgs),
    /// Computes all metrics of a model on a file, by group too.
    ///
    /// With an exposure, metrics are of the cost per year, each row weighing its years.
    #[command(after_help = "Example:\n  med evaluate --model model.json --data test.csv --by smoker")]
    Evaluate(EvaluateArgs),
    /// Says which column moved each prediction by how much (Shapley values), for trees, boosting and linear models.
    ///
    /// Values and base_value of a row sum to its prediction for one year; to its logarithm where `scale` is `log`.
    #[command(after_help = "Example:\n  med explain --model model.json --data clients.parquet --out explained.parquet")]
    Explain(ExplainArgs),
    /// Extracts a table or query to Parquet, or what is new in it to a lake.
    #[command(
        after_help = "Examples:\n  med extract --database-url sqlite://clients.sqlite --table clients --out clients.parquet\n  med extract --database-url postgres://reader@host/claims --table transactions --lake ./lake --group transactions --key transaction_id --incremental updated_at --lag 3600"
    )]
    Extract(ExtractArgs),
    /// Makes up a population with claims whose true expected costs are known.
    ///
    /// Tables `members`, `enrolment` and `claim_lines` with what real feeds have (gaps and overlaps, repeated header amounts, reversals, lines
    /// loaded twice, late payments, clients without a claim), `truth` with the expected cost of each client-year, and a configuration
    /// for `med run`. The same seed makes the same clients, and a larger population begins with those of a smaller one.
    #[command(
        after_help = "Example:\n  med generate --clients 10000 --seed 7 --out population\n  med run --config population/claims.toml"
    )]
    Generate(GenerateArgs),
    /// Looks into the lake.
    #[command(after_help = "Example:\n  med lake ls\n  med lake read medical_costs --version 1 --out costs.parquet")]
    Lake(LakeArgs),
    /// The model registry.
    #[command(
        after_help = "Example:\n  med model ls\n  med model promote annual_medical_cost 2 --stage production\n  med model rollback annual_medical_cost\n  med model alias set annual_medical_cost champion 2"
    )]
    Model(ModelArgs),
    /// Renders a run that is in the lake as HTML again.
    #[command(after_help = "Example:\n  med report --lake ./lake --out ./report")]
    Report(ReportArgs),
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Configuration (TOML); what it leaves out has a default.
    #[arg(long)]
    pub(crate) config: Option<PathBuf>,
    /// The database. Without it an embedded SQLite database is made in the lake's folder and filled with 5,000 clients.
    #[arg(long, env = "MED_DATABASE_URL", hide_env_values = true)]
    pub(crate) database_url: Option<String>,
    /// Folder of the lake.
    #[arg(long, env = "MED_LAKE")]
    pub(crate) lake: Option<String>,
    /// Seed of split and models.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
}

/// How a data file is read.
#[derive(Debug, Args)]
pub(crate) struct ReadArgs {
    /// What shall differ from the inferred schema (TOML, `[[columns]]` with name and kind, type, role, nullable, unit, domain).
    #[arg(long)]
    pub(crate) schema: Option<PathBuf>,
    /// Texts that mean a missing value in CSV, besides the empty field; separated by commas.
    #[arg(long, value_delimiter = ',')]
    pub(crate) null_values: Vec<String>,
}
