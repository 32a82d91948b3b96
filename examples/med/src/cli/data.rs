//! Arguments of what reads and judges tables.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use med_etl::Partitions;
use med_quality::DetailedFormat;

use super::{LearnerName, ReadArgs};

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
    /// Columns to leave out; separated by commas.
    #[arg(long, value_delimiter = ',')]
    pub(crate) exclude: Vec<String>,
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
    /// Connections that read at once, each a range of the key; at most 32.
    #[arg(long, default_value = "1")]
    pub(crate) partitions: Partitions,
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
    /// What becomes of rows whose incremental column is null. To include them takes --event-time with another column.
    #[arg(long, requires = "lake", value_enum, default_value = "fail")]
    pub(crate) null_cursor: NullCursor,
    /// A name for the database, for a group that is filled from several, or from one that moves. Without it the watermark is of the
    /// database's address, and one at another address is refused.
    #[arg(long, requires = "lake", value_name = "NAME")]
    pub(crate) source: Option<String>,
    /// The column that says when a row became true; without it, the incremental one. With the key it names a row of the group.
    #[arg(long, requires = "lake", value_name = "COLUMN")]
    pub(crate) event_time: Option<String>,
    /// Suite of expectations that the group keeps from here on: rows are brought into it, now and later, when they meet it. Without it a
    /// group that has a suite keeps its own.
    #[arg(long, requires = "lake", value_name = "FILE")]
    pub(crate) suite: Option<PathBuf>,
    /// Configuration whose section `[encryption]` says which columns are encrypted in the lake, and where the keys are.
    #[arg(long, requires = "lake")]
    pub(crate) config: Option<PathBuf>,
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
