//! The command line. Its contract: names, defaults, exit codes and output shapes do not change silently.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use med_quality::DetailedFormat;

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
    /// the cost per year, and the model file says so. `warnings` in the output tell what in the costs does not suit the objective.
    #[command(
        after_help = "Example:\n  med train --data train.csv --test test.csv --target annual_medical_cost --model gbdt --params '{\"num_iterations\": 300}' --out model.json"
    )]
    Train(TrainArgs),
    /// Predicts a file of rows.
    ///
    /// The model is one of `med train`, or a text file that LightGBM wrote.
    /// A model that was trained with an exposure predicts the cost in a row's exposure where the file has that column, and the
    /// cost in one year where it has not; `exposure` in the output names the column that was used.
    ///
    /// With the configuration of a feed of transactions and a cut-off, the features of its clients are made as of that day, and the model
    /// in production predicts their cost in the year that begins with it. The predictions are kept in the lake, too.
    #[command(
        after_help = "Examples:\n  med predict --model model.json --data clients.parquet --out predictions.parquet\n  med predict --config claims.toml --cutoff 2025-01-01 --out predictions.parquet"
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
        after_help = "Example:\n  med model ls\n  med model promote annual_medical_cost 2 --stage production\n  med model rollback annual_medical_cost"
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

/// A level in any case, or a JSON object.
fn result_format(text: &str) -> Result<DetailedFormat, String> {
    if text.trim_start().starts_with('{') { text.parse() } else { text.to_ascii_uppercase().parse() }
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The suite.
    #[arg(long)]
    pub(crate) suite: PathBuf,
    /// The file to validate, CSV or Parquet.
    #[arg(long)]
    pub(crate) data: PathBuf,
    /// How much to tell of each expectation: BOOLEAN_ONLY, BASIC, SUMMARY or COMPLETE, or Great Expectations' JSON object with
    /// "result_format", "partial_unexpected_count", "unexpected_index_column_names", "include_unexpected_rows" and so on.
    #[arg(long, default_value = "SUMMARY", value_name = "LEVEL|JSON", value_parser = result_format)]
    pub(crate) result_format: DetailedFormat,
    /// Answer as Great Expectations on pandas does, its known defects and type system included.
    #[arg(long)]
    pub(crate) compat: bool,
    /// Keep memory constant for Parquet files of any size: distinct counts and quantiles become estimates, marked as such.
    #[arg(long)]
    pub(crate) bounded: bool,
    /// Values for the suite's `$PARAMETER` placeholders: a JSON object, or a file that holds one.
    #[arg(long)]
    pub(crate) parameters: Option<String>,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ProfileArgs {
    /// The file to profile, CSV or Parquet.
    #[arg(long)]
    pub(crate) data: PathBuf,
    /// Writes a suite in Great Expectations' JSON that the data pass, with stated margins; each expectation says what it was learnt
    /// from. It holds values of categories and ends of ranges.
    #[arg(long)]
    pub(crate) suggest_suite: Option<PathBuf>,
    /// Writes the profile itself, the mergeable sketches, as JSON.
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DriftArgs {
    /// The reference: CSV, Parquet, or a profile (`.json`).
    #[arg(long)]
    pub(crate) reference: PathBuf,
    /// What is compared with it, in the same formats.
    #[arg(long)]
    pub(crate) current: PathBuf,
    /// One measure, for the columns of the kinds it measures; other columns get no score. Without it the preset chooses.
    #[arg(long)]
    pub(crate) method: Option<String>,
    /// Least rows with a value that a column needs on each side for a score [default: that of the preset; with --method and --preset default 1]
    #[arg(long)]
    pub(crate) min_rows: Option<usize>,
    /// A column has drifted from this score on, or with a method that decides by p-value up to this p-value.
    #[arg(long)]
    pub(crate) threshold: Option<f64>,
    /// Columns to take as categories, whatever their type; separated by commas.
    #[arg(long, value_delimiter = ',')]
    pub(crate) categorical: Vec<String>,
    /// Measures and thresholds: `default`, or those of `deepchecks`, `evidently` or `nannyml` (chunks of rows in the order of the file).
    #[arg(long, default_value = "default")]
    pub(crate) preset: String,
    /// Learn from so many random cuts of the reference what each measure gives without drift, and judge by the p-value that comes of it.
    #[arg(long, conflicts_with_all = ["threshold", "chunk_rows", "period"])]
    pub(crate) calibrate: Option<usize>,
    /// Judge the current file period by period of `--time`; the calendar is that of UTC.
    #[arg(long, value_parser = ["day", "week", "month", "quarter", "year"], requires = "time", conflicts_with = "chunk_rows")]
    pub(crate) period: Option<String>,
    /// The column with the date or time of a row.
    #[arg(long)]
    pub(crate) time: Option<String>,
    /// Judge the current file in chunks of so many rows; with `--preset nannyml` thresholds are learnt from chunks of the reference of as many rows.
    #[arg(long)]
    pub(crate) chunk_rows: Option<usize>,
    /// Compare all columns together too: principal components, correlations, maximum mean discrepancy, and a boosted classifier that says which
    /// columns tell the two files apart.
    #[arg(long, conflicts_with_all = ["chunk_rows", "period"])]
    pub(crate) multivariate: bool,
    /// The column with what is predicted: no feature, but compared by itself (label drift). The current file may lack it.
    #[arg(long, conflicts_with_all = ["chunk_rows", "period"])]
    pub(crate) target: Option<String>,
    /// The column with a model's predictions: no feature, but compared by itself, and with `--target` the residuals too.
    #[arg(long, conflicts_with_all = ["chunk_rows", "period"])]
    pub(crate) prediction: Option<String>,
    /// Estimate the model's loss on the current file without its targets, by boosted trees that learn the losses of the reference.
    #[arg(long, requires_all = ["target", "prediction"])]
    pub(crate) estimate_loss: bool,
    /// Take the reference for a training part and the current file for its test part, and check that neither knows the other: rows, keys, dates, new
    /// categories and spellings, and with `--target` how well each column predicts it on either part.
    #[arg(long, conflicts_with_all = ["chunk_rows", "period"])]
    pub(crate) leakage: bool,
    /// The columns that name a row, for `--leakage`; separated by commas.
    #[arg(long, value_delimiter = ',', requires = "leakage")]
    pub(crate) key: Vec<String>,
    /// Of folds, draws and shuffles.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
}

#[derive(Debug, Args)]
pub(crate) struct SelectArgs {
    /// The training part.
    #[arg(long)]
    pub(crate) data: PathBuf,
    /// The test part, for methods that compare the two.
    #[arg(long)]
    pub(crate) test: Option<PathBuf>,
    /// The column to predict.
    #[arg(long)]
    pub(crate) target: String,
    /// The statistic.
    #[arg(long)]
    pub(crate) method: String,
    /// Keep the best this many.
    #[arg(long, group = "keep")]
    pub(crate) k: Option<usize>,
    /// Keep those on the good side of this score.
    #[arg(long, group = "keep")]
    pub(crate) threshold: Option<f64>,
    /// Keep those whose adjusted p-value is at most this; for knockoffs the false-discovery rate, for boruta the level.
    #[arg(long, group = "keep")]
    pub(crate) fdr: Option<f64>,
    /// How p-values are adjusted for the number of features: fdr_bh, fdr_by, holm or bonferroni.
    #[arg(long, default_value = "fdr_bh")]
    pub(crate) adjust: String,
    /// The model that boruta, permutation and drift_aware fit: gbdt or linear.
    #[arg(long, value_enum, default_value = "gbdt")]
    pub(crate) learner: LearnerName,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LearnerName {
    Gbdt,
    Linear,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Intervals {
    Auto,
    None,
}

#[derive(Debug, Args)]
pub(crate) struct TrainArgs {
    /// The training part.
    #[arg(long)]
    pub(crate) data: PathBuf,
    /// The column to predict.
    #[arg(long)]
    pub(crate) target: String,
    /// Name of the model.
    #[arg(long)]
    pub(crate) model: String,
    /// Parameters of the model, as JSON.
    #[arg(long)]
    pub(crate) params: Option<String>,
    /// Encoders in place of those that suit the model: a JSON list of steps, or a file that holds one.
    #[arg(long)]
    pub(crate) encoders: Option<String>,
    /// A part to test on.
    #[arg(long)]
    pub(crate) test: Option<PathBuf>,
    /// Columns to leave out; separated by commas.
    #[arg(long, value_delimiter = ',')]
    pub(crate) exclude: Vec<String>,
    /// Seed of models that draw.
    #[arg(long, default_value_t = 42)]
    pub(crate) seed: u64,
    /// Threads; without it, all cores. The model is the same for any number.
    #[arg(long)]
    pub(crate) threads: Option<usize>,
    /// The model file.
    #[arg(long)]
    pub(crate) out: PathBuf,
    /// Whether `med predict --interval` shall work. With auto the model is fitted again after the timed fit, five times without
    /// a fifth of the rows, or once above 20,000 rows, for the distribution of its errors on rows it has not seen.
    #[arg(long, value_enum, default_value = "auto")]
    pub(crate) intervals: Intervals,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
}

#[derive(Debug, Args)]
pub(crate) struct PredictArgs {
    /// The model file. With --config, that in production without it.
    #[arg(long, required_unless_present = "config")]
    pub(crate) model: Option<PathBuf>,
    /// The rows to predict.
    #[arg(long, required_unless_present = "config", conflicts_with = "config")]
    pub(crate) data: Option<PathBuf>,
    /// Configuration of `med run` with a feed of transactions, whose clients are predicted.
    #[arg(long, requires = "cutoff")]
    pub(crate) config: Option<PathBuf>,
    /// The day (2025-01-01) as of which the clients of the feed are seen; their cost in the year from it on is predicted.
    #[arg(long, value_name = "DATE", requires = "config")]
    pub(crate) cutoff: Option<chrono::NaiveDate>,
    /// The lake with the model in production, instead of the one that the configuration names.
    #[arg(long, env = "MED_LAKE")]
    pub(crate) lake: Option<String>,
    /// The database with the feed, instead of the folder that the configuration names.
    #[arg(long, env = "MED_DATABASE_URL", hide_env_values = true)]
    pub(crate) database_url: Option<String>,
    /// Where the predictions go, CSV or Parquet.
    #[arg(long)]
    pub(crate) out: PathBuf,
    /// Adds `lower` and `upper`: ends of intervals that cover this share of new rows, such as 0.9. The model must have been
    /// trained with intervals.
    #[arg(long)]
    pub(crate) interval: Option<f64>,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The model file.
    #[arg(long)]
    pub(crate) model: PathBuf,
    /// The rows to explain.
    #[arg(long)]
    pub(crate) data: PathBuf,
    /// Where the values go, CSV or Parquet.
    #[arg(long)]
    pub(crate) out: PathBuf,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
}

#[derive(Debug, Args)]
pub(crate) struct EvaluateArgs {
    /// The model file.
    #[arg(long)]
    pub(crate) model: PathBuf,
    /// Rows with the target.
    #[arg(long)]
    pub(crate) data: PathBuf,
    /// A column whose values make groups.
    #[arg(long)]
    pub(crate) by: Option<String>,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum OnMismatch {
    Fail,
    Null,
    Quarantine,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum NullCursor {
    Fail,
    Include,
    Exclude,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["table", "query"]))]
#[command(group = clap::ArgGroup::new("where").required(true).args(["out", "lake"]))]
pub(crate) struct ExtractArgs {
    /// The database: `sqlite://FILE`; with the features of those names also `postgres://..` and `mysql://..`.
    #[arg(long, env = "MED_DATABASE_URL", hide_env_values = true)]
    pub(crate) database_url: String,
    /// The table to extract.
    #[arg(long)]
    pub(crate) table: Option<String>,
    /// The query to extract.
    #[arg(long)]
    pub(crate) query: Option<String>,
    /// The Parquet file.
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
    /// Columns that tell rows apart; separated by commas. A table with a primary key needs none for a file.
    #[arg(long, value_delimiter = ',')]
    pub(crate) key: Vec<String>,
    /// Columns of decimals to read as integers of their hundredth part; separated by commas.
    #[arg(long, value_delimiter = ',')]
    pub(crate) cents: Vec<String>,
    /// What becomes of values that do not fit their column's type.
    #[arg(long, value_enum, default_value = "fail")]
    pub(crate) on_mismatch: OnMismatch,
    /// The Parquet file for rows that are set aside; without it they go to the lake's quarantine.
    #[arg(long)]
    pub(crate) quarantine: Option<PathBuf>,
    /// Connections that read at once, each a range of the key.
    #[arg(long, default_value = "1")]
    pub(crate) partitions: NonZeroUsize,
    /// Folder of a lake to bring the rows into instead, together with how far they were read: the next time only what is new is read.
    #[arg(long, requires_all = ["group", "incremental", "key"])]
    pub(crate) lake: Option<String>,
    /// The lake's feature group; made if it is not there.
    #[arg(long, requires = "lake")]
    pub(crate) group: Option<String>,
    /// The column by which rows are new, such as `updated_at`.
    #[arg(long, requires = "lake", value_name = "COLUMN")]
    pub(crate) incremental: Option<String>,
    /// Reads again what lies up to this much before the last time: seconds, or units of a number.
    #[arg(long, requires = "lake", default_value = "0")]
    pub(crate) lag: u64,
    /// What becomes of rows whose incremental column is null.
    #[arg(long, requires = "lake", value_enum, default_value = "fail")]
    pub(crate) null_cursor: NullCursor,
    /// The column that says when a row became true; without it, the incremental one. With the key it names a row of the group.
    #[arg(long, requires = "lake", value_name = "COLUMN")]
    pub(crate) event_time: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TableFormat {
    Parquet,
    Csv,
}

#[derive(Debug, Args)]
pub(crate) struct GenerateArgs {
    /// How many clients.
    #[arg(long)]
    pub(crate) clients: u64,
    /// Seed of all that is drawn.
    #[arg(long, default_value_t = 42)]
    pub(crate) seed: u64,
    /// Folder for the tables and the configuration.
    #[arg(long)]
    pub(crate) out: PathBuf,
    /// Format of the tables. Parquet is written batch by batch; CSV needs memory for all rows.
    #[arg(long, value_enum, default_value = "parquet")]
    pub(crate) format: TableFormat,
}

#[derive(Debug, Args)]
pub(crate) struct LakeArgs {
    /// Folder of the lake.
    #[arg(long, env = "MED_LAKE", default_value = "./lake", global = true)]
    pub(crate) lake: String,
    #[command(subcommand)]
    pub(crate) command: LakeCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LakeCommand {
    /// Lists feature groups and runs.
    Ls,
    /// Lists the versions of a feature group.
    History {
        /// The feature group.
        group: String,
    },
    /// Writes a feature group to a file.
    Read {
        /// The feature group.
        group: String,
        /// This version; without it, the latest.
        #[arg(long, conflicts_with = "as_of")]
        version: Option<u64>,
        /// As it was at this time (RFC 3339).
        #[arg(long)]
        as_of: Option<String>,
        /// The file, CSV or Parquet.
        #[arg(long)]
        out: PathBuf,
    },
    /// Lists the live files of a feature group: what a reader without Delta must read, and nothing else.
    Files {
        /// The feature group.
        group: String,
    },
    /// Puts small files of a feature group together.
    Compact {
        /// The feature group.
        group: String,
        /// Size a file should have, in MiB.
        #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u64).range(1..=1_048_576))]
        target_mib: u64,
    },
    /// Takes away a client's rows, whatever their time. Former versions keep them until a vacuum.
    Forget {
        /// The feature group.
        group: String,
        /// The client, as its primary key column has it.
        client: String,
    },
    /// Takes away files that only older versions need.
    Vacuum {
        /// The feature group.
        group: String,
        /// Versions of so many days back stay readable.
        #[arg(long, default_value_t = 7)]
        retain_days: u32,
        /// Only say what would go.
        #[arg(long)]
        dry_run: bool,
    },
    /// Where things come from: all steps, or those of a run, as OpenLineage events.
    Lineage {
        /// Steps of this run only.
        #[arg(long)]
        run: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// Folder of the lake.
    #[arg(long, env = "MED_LAKE", default_value = "./lake")]
    pub(crate) lake: String,
    /// The run; without it, the one of the latest event time.
    #[arg(long)]
    pub(crate) run: Option<String>,
    /// The folder the page is written to.
    #[arg(long)]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ModelArgs {
    /// Folder of the lake.
    #[arg(long, env = "MED_LAKE", default_value = "./lake", global = true)]
    pub(crate) lake: String,
    #[command(subcommand)]
    pub(crate) command: ModelCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    /// Lists models, versions and stages.
    Ls,
    /// Shows the versions of one model.
    Show {
        /// The model.
        name: String,
    },
    /// Moves a version to a stage, if its stored report passes the gate.
    Promote {
        /// The model.
        name: String,
        /// The version.
        version: u64,
        /// The stage: none, staging, production, archived.
        #[arg(long)]
        stage: String,
    },
    /// Puts the former production version back.
    Rollback {
        /// The model.
        name: String,
    },
}
