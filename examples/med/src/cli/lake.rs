//! Arguments of what looks after a lake, its reports and its models.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(crate) struct LakeArgs {
    /// Folder of the lake.
    #[arg(long, env = "MED_LAKE", default_value = "./lake", global = true)]
    pub(crate) lake: String,
    /// Configuration whose section `[encryption]` says where the keys of encrypted columns are; for `evolve`, whose run makes the columns.
    #[arg(long, global = true)]
    pub(crate) config: Option<PathBuf>,
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
    /// Lists the live files of a feature group: what a reader without Delta must read, and nothing else. Where another program deleted
    /// rows of a file without writing it anew, it says how many.
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
    /// Adds columns to a feature group, and lets values be of a wider type or missing. Rows that are there have no values in new columns,
    /// former versions stay as they are, and nothing of it can be taken back.
    ///
    /// With `--config FILE` alone it adds the columns that `med run --config FILE` makes, with their kinds, units and domains. A run whose
    /// configuration makes fewer columns leaves the others missing.
    #[command(
        after_help = "Examples:\n  med lake evolve client_years --config claims.toml\n  med lake evolve medical_costs --add bmi_class:text"
    )]
    Evolve {
        /// The feature group.
        group: String,
        /// A column to add: NAME:TYPE, with a type boolean, integer, float, text, date or timestamp, or NAME:TYPE:KIND.
        #[arg(long, value_name = "NAME:TYPE")]
        add: Vec<String>,
        /// A column and its new type: integer to float, date to timestamp.
        #[arg(long, value_name = "NAME:TYPE")]
        widen: Vec<String>,
        /// A column whose values may be missing from here on.
        #[arg(long, value_name = "NAME")]
        nullable: Vec<String>,
    },
    /// Takes away a client's rows, whatever their time, from a feature group, from predictions and from quarantine, and lists what
    /// else holds the client. Former versions of the group keep the rows until a vacuum.
    #[command(
        after_help = "Example:\n  med lake forget medical_costs client-00042 --training-sets\n  med lake vacuum medical_costs --retain-days 0"
    )]
    Forget {
        /// The feature group.
        group: String,
        /// The client, as its primary key column has it.
        client: String,
        /// Erase frozen training sets that hold the client: they can be neither read nor made again.
        #[arg(long)]
        training_sets: bool,
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
    /// Where things come from: all steps, or those of a run, as OpenLineage events, and which of the versions they name were vacuumed.
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
    /// Tells each step of a model's life: moves between stages and of aliases, oldest first.
    History {
        /// The model.
        name: String,
    },
    /// Names such as champion that stand for a version: `--model NAME@champion` of other commands.
    Alias {
        #[command(subcommand)]
        command: AliasCommand,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum AliasCommand {
    /// Lists the aliases of a model and what they stand for.
    #[command(visible_alias = "list")]
    Ls {
        /// The model.
        name: String,
    },
    /// Lets an alias stand for a version; one that is there is moved.
    Set {
        /// The model.
        name: String,
        /// The alias.
        alias: String,
        /// The version.
        version: u64,
    },
    /// Takes an alias away. Its history stays.
    Remove {
        /// The model.
        name: String,
        /// The alias.
        alias: String,
    },
}
