//! Arguments of what makes and uses models.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::ReadArgs;

/// Where a registered model is looked for when nobody says otherwise.
pub(crate) const DEFAULT_LAKE: &str = "./lake";

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
    /// The model: a file, or NAME@VERSION of the registry, by number, alias or `production`. With --config, that in production without it.
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
    /// The lake with the registered model, instead of the one that the configuration names (without a configuration: ./lake).
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

/// A model that is there.
#[derive(Debug, Args)]
pub(crate) struct ModelSource {
    /// The model: a file, or NAME@VERSION of the registry, by number, alias or `production`.
    #[arg(long)]
    pub(crate) model: PathBuf,
    /// The lake with the registered model.
    #[arg(long, env = "MED_LAKE", default_value = DEFAULT_LAKE)]
    pub(crate) lake: String,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    pub(crate) model: ModelSource,
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
    #[command(flatten)]
    pub(crate) model: ModelSource,
    /// Rows with the target.
    #[arg(long)]
    pub(crate) data: PathBuf,
    /// A column whose values make groups.
    #[arg(long)]
    pub(crate) by: Option<String>,
    #[command(flatten)]
    pub(crate) read: ReadArgs,
}
