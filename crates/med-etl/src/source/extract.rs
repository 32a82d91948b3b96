//! What to read, and how.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;

use diesel::backend::Backend;
use diesel::query_builder::{Query, QueryFragment, QueryId};
use med_schema::Schema;
use serde::{Deserialize, Serialize};

use crate::EtlError;
use crate::source::query::{DieselQuery, Made};
use crate::source::sql::{Dialect, one_statement};
use crate::source::{Incremental, Partitions, Retry};

/// The rows to read.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Selection {
    /// All rows of a table or view, named without quotes.
    Table(String),
    /// The rows of one SELECT statement.
    Query(String),
    /// The rows of a query of Diesel's query builder, which no file can hold.
    #[serde(skip)]
    Diesel(DieselQuery),
}

impl Selection {
    /// The text of its SELECT, without what may stand behind its end; the table's name when it is none.
    pub(crate) fn select(&self, dialect: Dialect) -> Result<Cow<'_, str>, &str> {
        match self {
            Self::Table(table) => Err(table),
            Self::Query(query) => Ok(one_statement(query).into()),
            Self::Diesel(query) => Ok(query.select(dialect)),
        }
    }

    /// The Diesel query, for a connection of this back end; nothing when it is none.
    pub(crate) fn made<DB: Backend + 'static>(&self) -> Result<Option<Made<DB>>, EtlError> {
        match self {
            Self::Diesel(query) => query.made().map(Some),
            Self::Table(_) | Self::Query(_) => Ok(None),
        }
    }
}

impl fmt::Display for Selection {
    /// A query is not written out: it may hold personal values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Table(name) => write!(f, "table {name:?}"),
            Self::Query(_) => f.write_str("query"),
            Self::Diesel(_) => f.write_str("Diesel query"),
        }
    }
}

impl fmt::Debug for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// What becomes of a value that does not fit its column's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MismatchPolicy {
    /// The extraction fails, and its error counts such rows by column.
    #[default]
    Fail,
    /// It becomes null, and the report counts such rows by column.
    Null,
    /// Its row is given to the quarantine instead, with the columns concerned and what they hold, and the report counts such rows.
    Quarantine,
}

/// How to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExtractOptions {
    /// Rows of a batch, which bounds the memory. Default 65,536.
    pub batch_rows: NonZeroUsize,
    /// What becomes of a value that does not fit. Default: fail.
    pub on_mismatch: MismatchPolicy,
    /// Whether to compute [`ExtractionReport::fingerprint`](crate::ExtractionReport::fingerprint). Default: yes.
    pub fingerprint: bool,
    /// Connections that read at once, each a range of the key with as many rows as the others'. Default 1, at most
    /// [`Partitions::MAX`].
    pub partitions: Partitions,
    /// How failures that may pass are met.
    pub retry: Retry,
}

impl Default for ExtractOptions {
    fn default() -> Self {
        const ROWS: NonZeroUsize = NonZeroUsize::new(65_536).unwrap();
        Self {
            batch_rows: ROWS,
            on_mismatch: MismatchPolicy::Fail,
            fingerprint: true,
            partitions: Partitions::ONE,
            retry: Retry::default(),
        }
    }
}

/// An extraction to be done.
///
/// With a schema, exactly its columns are read, in its order and as its types; columns that only the database has are
/// named in the report. Without one, all columns are read as the catalogue declares them. A column that nobody declares,
/// such as the sum of two, takes the narrowest of integer, float and text that holds all values of the first batch.
///
/// ```
/// use med_etl::{Extract, ExtractOptions, MismatchPolicy};
/// let extract = Extract::query("SELECT age, bmi FROM clients WHERE age >= 18")
///     .options(ExtractOptions { on_mismatch: MismatchPolicy::Null, ..ExtractOptions::default() });
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Extract {
    selection: Selection,
    schema: Option<Schema>,
    options: ExtractOptions,
    key: Vec<String>,
    minor_units: BTreeMap<String, u32>,
    incremental: Option<Incremental>,
}

impl From<DieselQuery> for Extract {
    fn from(query: DieselQuery) -> Self {
        Self::new(Selection::Diesel(query))
    }
}

impl Extract {
    /// This selection, with the types of the catalogue and default options.
    pub fn new(selection: Selection) -> Self {
        Self {
            selection,
            schema: None,
            options: ExtractOptions::default(),
            key: Vec::new(),
            minor_units: BTreeMap::new(),
            incremental: None,
        }
    }

    /// A table or view, named without quotes.
    pub fn table(name: impl Into<String>) -> Self {
        Self::new(Selection::Table(name.into()))
    }

    /// One SELECT statement.
    pub fn query(sql: impl Into<String>) -> Self {
        Self::new(Selection::Query(sql.into()))
    }

    /// A query of Diesel's query builder for the back end `DB`, boxed or not, with its bind parameters. It is read like a SELECT
    /// statement: in batches, with the types of a schema or of the database's catalogue. For computed columns see
    /// [`DieselQuery::names`].
    ///
    /// Given as a function that makes the query: a boxed query of Diesel can be neither copied nor shared between the connections
    /// that read ranges of it.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")] {
    /// use diesel::prelude::*;
    /// use diesel::sqlite::Sqlite;
    /// use med_etl::Extract;
    ///
    /// diesel::table! {
    ///     transactions (id) {
    ///         id -> BigInt,
    ///         kind -> Text,
    ///         amount_cents -> BigInt,
    ///     }
    /// }
    /// let at_least = 10_000_i64;
    /// let extract = Extract::diesel::<Sqlite, _>(move || {
    ///     transactions::table
    ///         .filter(transactions::amount_cents.ge(at_least))
    ///         .select((transactions::id, transactions::amount_cents))
    /// });
    /// # let mut database = SqliteConnection::establish(":memory:")?;
    /// # diesel::connection::SimpleConnection::batch_execute(
    /// #     &mut database,
    /// #     "CREATE TABLE transactions (id INTEGER PRIMARY KEY, kind TEXT, amount_cents INTEGER);
    /// #      INSERT INTO transactions VALUES (1, 'lab', 5400), (2, 'admission', 420000);",
    /// # )?;
    /// # let mut connection = med_etl::Connection::from(database);
    /// let extracted = connection.collect(&extract)?;
    /// assert_eq!(extracted.report.rows, 1);
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn diesel<DB, Q>(make: impl Fn() -> Q + Send + Sync + 'static) -> Self
    where
        DB: Backend + 'static,
        Q: Query + QueryFragment<DB> + QueryId + Send + 'static,
    {
        DieselQuery::new(make).into()
    }

    /// With the columns and types of this schema.
    #[must_use]
    pub fn with_schema(mut self, schema: Schema) -> Self {
        self.schema = Some(schema);
        self
    }

    /// With these options.
    #[must_use]
    pub fn options(mut self, options: ExtractOptions) -> Self {
        self.options = options;
        self
    }

    /// By these columns, whose values together no two rows share and which are never null. MySQL is read in pages in the order of the
    /// key, and partitions are ranges of it. A table with a primary key needs none.
    #[must_use]
    pub fn key<N: Into<String>>(mut self, columns: impl IntoIterator<Item = N>) -> Self {
        self.key = columns.into_iter().map(Into::into).collect();
        self
    }

    /// Reads a column of decimals as integers of a minor unit, without loss: with 2 `digits`, 12.30 becomes 1230 cents. A number with
    /// more decimals than that does not fit. The column is an integer in a schema.
    #[must_use]
    pub fn minor_units(mut self, column: impl Into<String>, digits: u8) -> Self {
        self.minor_units.insert(column.into(), digits.into());
        self
    }

    /// Only what is new.
    #[must_use]
    pub fn incremental(mut self, incremental: Incremental) -> Self {
        self.incremental = Some(incremental);
        self
    }

    pub(crate) fn key_columns(&self) -> &[String] {
        match &self.incremental {
            Some(incremental) if self.key.is_empty() => incremental.key(),
            _ => &self.key,
        }
    }

    pub(crate) fn minor_units_of(&self, column: &str) -> Option<u32> {
        self.minor_units.get(column).copied()
    }

    pub(crate) fn minor_unit_columns(&self) -> impl Iterator<Item = &str> {
        self.minor_units.keys().map(String::as_str)
    }

    pub(crate) fn increment(&self) -> Option<&Incremental> {
        self.incremental.as_ref()
    }

    pub(crate) fn selection(&self) -> &Selection {
        &self.selection
    }

    pub(crate) fn schema(&self) -> Option<&Schema> {
        self.schema.as_ref()
    }

    pub(crate) fn reading(&self) -> ExtractOptions {
        self.options
    }
}
