//! What can go wrong with stored things.

use chrono::{DateTime, Utc};
use med_schema::{Fingerprint, Reason, RunId, SchemaDifference, TableError, Version};

use crate::Stage;

/// The error of a library below, whatever its type.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// `Result` with a [`StoreError`].
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

fn hint(near: &[String]) -> String {
    if near.is_empty() { String::new() } else { format!("; there is {}", near.join(", ")) }
}

fn list(items: &[impl ToString]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn version_or_none(version: &Option<Version>) -> String {
    version.map_or_else(|| "none".to_owned(), |version| format!("version {version}"))
}

/// A thing that could not be stored, found or read. No variant carries a value of a row.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A name that cannot be a folder.
    #[error(
        "expected a {what} of 1 to 128 characters A-Z a-z 0-9 . _ - starting with a letter or digit, found {found:?}"
    )]
    Name {
        /// What it was to name.
        what: &'static str,
        /// The name.
        found: String,
    },
    /// Not a place where a lake can be.
    #[error("expected a folder or a file:// or memory:// address for the lake, found {found:?}: {reason}")]
    Location {
        /// The address.
        found: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The object store refused or failed.
    #[error("cannot {action} object {object}")]
    Object {
        /// What was tried.
        action: &'static str,
        /// The object.
        object: String,
        /// Why not.
        source: Box<object_store::Error>,
    },
    /// No such thing.
    #[error("there is no {what} {name:?}{}", hint(.near))]
    NotFound {
        /// What was looked for.
        what: &'static str,
        /// Its name.
        name: String,
        /// Names like it, or all there are.
        near: Vec<String>,
    },
    /// The content is not what was written.
    #[error("object {object} is damaged: expected content {expected}, found {found}")]
    Corrupt {
        /// The object.
        object: String,
        /// The fingerprint recorded when it was written.
        expected: Fingerprint,
        /// The fingerprint of what is there.
        found: Fingerprint,
    },
    /// Rows of it had to be forgotten.
    #[error(
        "object {object} was erased by {run}: it held rows that had to be forgotten, and cannot be read or made again"
    )]
    Erased {
        /// The object.
        object: String,
        /// The run that erased it.
        run: RunId,
    },
    /// An object that cannot be understood.
    #[error("object {object} is not of the expected form: {source}")]
    Malformed {
        /// The object.
        object: String,
        /// Why not.
        source: Cause,
    },
    /// A value that cannot be written.
    #[error("{what} cannot be written: {source}")]
    Encode {
        /// The value.
        what: String,
        /// Why not.
        source: Cause,
    },
    /// Other content stands under this name already.
    #[error("object {object} already holds other content ({expected}, offered {found}); a run id names its content")]
    Occupied {
        /// The object.
        object: String,
        /// What it holds.
        expected: Fingerprint,
        /// What was offered.
        found: Fingerprint,
    },
    /// A stored frame is not the table that its schema says.
    #[error("table {table}: {source}")]
    Table {
        /// The table.
        table: String,
        /// What differs.
        source: Box<TableError>,
    },
    /// A table offered has another schema than the stored one.
    #[error("table {table}: {source}")]
    Schema {
        /// The table it was offered to.
        table: String,
        /// Every column that differs.
        source: SchemaDifference,
    },
    /// A feature group that is already there, and otherwise.
    #[error("feature group {group} is already defined otherwise: {}; evolve it or give it a new version", list(.differences))]
    Definition {
        /// The group and its version.
        group: String,
        /// Everything that differs.
        differences: Vec<String>,
    },
    /// An encrypted column, and no key to it.
    #[error("{object}: column {column:?} is encrypted, and there is no key for it")]
    NoKey {
        /// The file or table.
        object: String,
        /// The column.
        column: String,
    },
    /// A column that cannot be encrypted so.
    #[error("encryption of column {column:?} {table}: {reason}")]
    Encryption {
        /// The table, where it is about one.
        table: String,
        /// The column.
        column: String,
        /// What is wrong.
        reason: String,
    },
    /// A filter that does not suit the table.
    #[error("filter on column {column:?}: {reason}")]
    Filter {
        /// The column.
        column: String,
        /// What is wrong.
        reason: String,
    },
    /// Not what a table can be partitioned by.
    #[error("table {table}: partition column {column:?}: {reason}")]
    Partition {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// What is wrong.
        reason: String,
    },
    /// A change of the schema that readers would not survive.
    #[error("table {table} cannot take this schema: {}; make a new table or version", list(.differences))]
    Evolution {
        /// The table.
        table: String,
        /// Everything that forbids it.
        differences: Vec<String>,
    },
    /// A table that another program set up in a way that Med does not write.
    #[error("table {table} cannot be written: {reason}")]
    Unwritable {
        /// The table.
        table: String,
        /// What stands in the way.
        reason: String,
    },
    /// A key column that cannot be one.
    #[error("feature group {group}: column {column:?} cannot be a key: {reason}")]
    Key {
        /// The group.
        group: String,
        /// The column.
        column: String,
        /// Why not.
        reason: String,
    },
    /// Rows that another suite admitted than the one the group asks for.
    #[error("feature group {group} takes rows admitted by the suite {expected}; these come with a report of {found}")]
    OtherSuite {
        /// The group.
        group: String,
        /// Its suite and the beginning of its fingerprint.
        expected: String,
        /// The report's, and that of the suite it was made by.
        found: String,
    },
    /// A feature view that cannot be.
    #[error("feature view {view}: {reason}")]
    View {
        /// The view and its version.
        view: String,
        /// What is wrong.
        reason: String,
    },
    /// A split that splits nothing.
    #[error("split of a training set: {reason}")]
    Split {
        /// What is wrong.
        reason: String,
    },
    /// A missing value in a key.
    #[error("feature group {group}: key column {column:?} has {nulls} missing values, the first in row {first_row}")]
    NullKey {
        /// The group.
        group: String,
        /// The column.
        column: String,
        /// How many are missing.
        nulls: usize,
        /// The first row without one, from 0.
        first_row: usize,
    },
    /// Two rows of a batch have one key.
    #[error("feature group {group}: {rows} rows repeat a key ({}); rows {first} and {second} are the first two", list(.columns))]
    DuplicateKey {
        /// The group.
        group: String,
        /// The columns of the key.
        columns: Vec<String>,
        /// How many rows repeat one.
        rows: usize,
        /// The first row of the first pair, from 0.
        first: usize,
        /// Its repetition.
        second: usize,
    },
    /// Another program brought rows whose key was there.
    #[error(
        "feature group {group}, version {version}: {rows} rows repeat a key ({}), which Med does not write; the log has {foreign}; \
         take the rows away there, restore the version before, or forget these clients and load them again",
        list(.columns)
    )]
    RepeatedKeys {
        /// The group.
        group: String,
        /// The version that was read.
        version: Version,
        /// The columns of the key.
        columns: Vec<String>,
        /// Rows beyond the first of each key.
        rows: usize,
        /// The versions that other programs made.
        foreign: String,
    },
    /// The table layer failed.
    #[error("table {table}: cannot {action}: {source}")]
    Delta {
        /// The table.
        table: String,
        /// What was tried.
        action: &'static str,
        /// Why not.
        source: Cause,
    },
    /// Others were faster, every time.
    #[error("{object}: other writers were faster {attempts} times in a row; try again")]
    Contended {
        /// What was to be written.
        object: String,
        /// How often it was tried.
        attempts: u32,
    },
    /// A version that is not there.
    #[error("table {table} has no version {asked}; the latest is {latest}")]
    NoVersion {
        /// The table.
        table: String,
        /// The version asked for.
        asked: Version,
        /// The latest there is.
        latest: Version,
    },
    /// A file of a version that is not there any more.
    #[error(
        "there is no data file {file} of table {table} version {version} any more; a vacuum takes the files that only former \
         versions need"
    )]
    FileGone {
        /// The table.
        table: String,
        /// The version that was to be read.
        version: Version,
        /// The file, as a path in the lake.
        file: String,
    },
    /// A time before the table was made.
    #[error("table {table} did not exist at {asked}; its first version is of {first}")]
    BeforeFirst {
        /// The table.
        table: String,
        /// The time asked for.
        asked: DateTime<Utc>,
        /// When it was made.
        first: DateTime<Utc>,
    },
    /// A frame that could not be carried between polars and Arrow.
    #[error("{what}: {source}")]
    Convert {
        /// What was converted.
        what: String,
        /// Why not.
        source: Cause,
    },
    /// A move between stages that is not allowed.
    #[error("model {model} version {version} is in stage {from} and cannot be moved to {to}")]
    Stage {
        /// The model.
        model: String,
        /// Its version.
        version: Version,
        /// The stage it is in.
        from: Stage,
        /// The stage asked for.
        to: Stage,
    },
    /// No former production version.
    #[error("model {model} has no former production version to go back to")]
    NothingToRollBackTo {
        /// The model.
        model: String,
    },
    /// Another version got into production, or the one that was there out of it, while a rollback was under way.
    #[error(
        "model {model}: expected {} in production, found {}: somebody else has changed it meanwhile; look again before rolling back",
        version_or_none(.expected),
        version_or_none(.found)
    )]
    ProductionMoved {
        /// The model.
        model: String,
        /// The version that was to be rolled back.
        expected: Option<Version>,
        /// The version that is there.
        found: Option<Version>,
    },
    /// A description of a model version that is not the stored one.
    #[error("model {model} version {version} is stored with other content than the one admitted")]
    OtherModel {
        /// The model.
        model: String,
        /// The version.
        version: Version,
    },
    /// The stored report of a model version does not pass the gate.
    #[error("model {model} version {version} does not pass: {}", list(.reasons))]
    NotAdmitted {
        /// The model.
        model: String,
        /// The version.
        version: Version,
        /// Why not.
        reasons: Vec<Reason>,
    },
    /// The threads of the lake could not be started, or one ended before its time.
    #[error("worker threads of the lake: {source}")]
    Runtime {
        /// Why.
        source: Cause,
    },
}

impl StoreError {
    /// This error once more, if it says that an object is not what was written: found far below, in a log, it comes up through
    /// libraries that know nothing of it.
    pub(crate) fn damage(&self) -> Option<Self> {
        match self {
            Self::Corrupt { object, expected, found } => {
                Some(Self::Corrupt { object: object.clone(), expected: *expected, found: *found })
            }
            Self::Malformed { object, source } => {
                Some(Self::Malformed { object: object.clone(), source: source.to_string().into() })
            }
            _ => None,
        }
    }
}
