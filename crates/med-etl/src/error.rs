//! What can go wrong between a database and a transformed table. No message of ours holds a value of a row or a
//! credential; what a database itself says is passed on.

use std::path::PathBuf;

use diesel::result::{DatabaseErrorKind, Error as DieselError};
use med_schema::{SchemaError, TableError, ValueType};
use polars::error::PolarsError;

use crate::{ColumnMismatch, Partitions};

fn hint(near: &[String]) -> String {
    if near.is_empty() { String::new() } else { format!("; did you mean {}?", near.join(", ")) }
}

fn list<T: ToString>(items: &[T]) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join("; ")
}

/// An error with its causes; Diesel names the field in the error and what is wrong with it in the cause.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |e| e.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// A column that was asked for and is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?}{}", hint(.near))]
pub struct MissingColumn {
    /// The name asked for.
    pub name: String,
    /// Names like it.
    pub near: Vec<String>,
}

/// An extraction or a transform that could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EtlError {
    /// A database URL of a kind that is not supported. Names the scheme only, as the rest may hold a password.
    #[error(
        "cannot open a database of scheme {scheme:?}; supported: sqlite:///path, sqlite://path, the path of an SQLite file, \
         postgres://host/database, mysql://host/database"
    )]
    UnsupportedScheme {
        /// The scheme found.
        scheme: String,
    },
    /// A database URL of a kind that this program was built without.
    #[error("{database} is not compiled in; build with the feature {feature:?}")]
    NotCompiledIn {
        /// The database.
        database: &'static str,
        /// The feature that it takes.
        feature: &'static str,
    },
    /// A database URL of a supported kind that names no database.
    #[error("the database URL {reason}")]
    Url {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// No file where the database should be.
    #[error("there is no database file {path}")]
    NoDatabase {
        /// The path looked at.
        path: PathBuf,
    },
    /// A CSV file that cannot be read.
    #[error("{}: {reason}", path.display())]
    Csv {
        /// The file.
        path: PathBuf,
        /// What was expected and found, and on which line.
        reason: String,
    },
    /// The database cannot be opened.
    #[error("cannot open the database {database}: {source}")]
    Connect {
        /// The database, without credentials.
        database: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The URL asks for a protection of the connection that there is not.
    #[error("cannot read from {database} as safely as its URL asks for: {why}")]
    Tls {
        /// The database, without credentials.
        database: String,
        /// What is lacking.
        why: &'static str,
    },
    /// The database refused a statement or stopped answering.
    #[error("cannot {doing}: {source}")]
    Database {
        /// What was being done.
        doing: String,
        /// Why.
        source: DieselError,
    },
    /// No such table or view.
    #[error("there is no table {table:?} in the database{}", hint(.near))]
    UnknownTable {
        /// The name asked for.
        table: String,
        /// Names like it.
        near: Vec<String>,
    },
    /// Columns of the declared schema that the database does not have.
    #[error("{from} lacks declared columns: {}", list(.missing))]
    MissingColumns {
        /// The table or query.
        from: String,
        /// Every one of them.
        missing: Vec<MissingColumn>,
    },
    /// A query that is not one SELECT, or that the database does not understand.
    #[error("expected one SELECT statement: {source}")]
    Query {
        /// What the database says.
        source: DieselError,
    },
    /// Two columns of a query have one name.
    #[error("the query gives two columns the name {name:?}; name one of them with AS")]
    DuplicateColumn {
        /// The name.
        name: String,
    },
    /// Values that do not fit the declared types.
    #[error("{from}: values do not fit their declared type in {} of its columns ({rows} rows read): {}", .columns.len(), list(.columns))]
    Mismatches {
        /// The table or query.
        from: String,
        /// Rows read.
        rows: u64,
        /// The columns concerned.
        columns: Vec<ColumnMismatch>,
    },
    /// Rows shall be set aside, and nobody takes them.
    #[error("the mismatch policy is quarantine, so the extraction needs a place for such rows")]
    NoQuarantine,
    /// Reading in pages takes a key.
    #[error(
        "{from} has no primary key, and MySQL is read in pages by key; name columns whose values together are unique"
    )]
    NoKey {
        /// The table or query.
        from: String,
    },
    /// Rows share a key or lack one where pages meet, so some would be lost.
    #[error("the key ({key}) does not tell all rows apart, or holds nulls; name further columns")]
    KeyNotUnique {
        /// Its columns.
        key: String,
    },
    /// The rows cannot be read by several connections.
    #[error("cannot read in partitions: {why}")]
    NoPartitions {
        /// Why.
        why: &'static str,
    },
    /// A number of partitions that there cannot be.
    #[error(
        "expected from 1 to {} partitions, found {found}: each is a connection of its own, and a server has few for all its users",
        Partitions::MAX
    )]
    Partitions {
        /// What was asked for.
        found: String,
    },
    /// The server has no connection left for the partitions.
    #[error(
        "{database} takes no further connection: {opened} of {wanted} partitions are open, and whoever holds others may need them for \
         long; ask for fewer partitions: {source}"
    )]
    ServerFull {
        /// The database, without credentials.
        database: String,
        /// Connections for partitions that were opened.
        opened: usize,
        /// Connections for partitions that were asked for.
        wanted: usize,
        /// What the server says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Somebody changed the database while connections were opened that should see the same.
    #[error("the database changed while the connections of the partitions were opened")]
    SnapshotMoved,
    /// Rows without a cursor, under the policy to fail.
    #[error("{rows} rows have no value in cursor column {column:?}; choose whether to include or exclude them")]
    NullCursor {
        /// The cursor column.
        column: String,
        /// How many rows.
        rows: u64,
    },
    /// A value that cannot be part of a watermark or a page's key.
    #[error("column {column:?} cannot order the rows: found {found}")]
    CursorValue {
        /// The column.
        column: String,
        /// What it holds.
        found: &'static str,
    },
    /// Moments that are written in forms which, compared as text, are not in the order of time.
    #[error(
        "cursor column {column:?} is compared as text and holds moments written in different ways: {}; write them in one",
        forms.join(", ")
    )]
    CursorForms {
        /// The cursor column.
        column: String,
        /// The forms, at least two.
        forms: Vec<String>,
    },
    /// A watermark of another key.
    #[error("the key has {expected} columns, and the watermark has {found} values")]
    WatermarkKey {
        /// Columns of the key.
        expected: usize,
        /// Values of the watermark.
        found: usize,
    },
    /// The stream of rows failed.
    #[error("the copy of the rows stopped: {source}")]
    CopyStopped {
        /// Why.
        source: std::io::Error,
    },
    /// The stream of rows ended before its end.
    #[error("the server ended the copy of the rows early; its log says why")]
    CopyCut,
    /// The stream of rows is not what it should be.
    #[error("the copy of the rows is not in the expected format: {what}")]
    CopyFormat {
        /// What is different.
        what: &'static str,
    },
    /// The progress callback asked to stop.
    #[error("cancelled after {rows} rows")]
    Cancelled {
        /// Rows delivered until then.
        rows: u64,
    },
    /// A typed query over another database than it is written for.
    #[error("this query is for {expected}; the connection is to another database")]
    OtherDatabase {
        /// The database it is written for.
        expected: &'static str,
    },
    /// A row that does not fit the typed struct it is read into.
    #[error("table {table:?}, row {row} (from 0): {}", chain(.source))]
    TypedRow {
        /// The table.
        table: &'static str,
        /// The row, from 0.
        row: u64,
        /// What the row holds instead, without its value.
        source: DieselError,
    },
    /// A column to add that is there already.
    #[error("column {column:?} is there already")]
    ColumnExists {
        /// Its name.
        column: String,
    },
    /// A fill value of another type than the column.
    #[error("column {column:?} holds values of type {expected}; the fill value is of type {found}")]
    FillType {
        /// The column.
        column: String,
        /// Its type.
        expected: ValueType,
        /// The type of the value.
        found: ValueType,
    },
    /// Values that a cast would change.
    #[error("cast: {0}")]
    Cast(ColumnMismatch),
    /// A step that needs to name at least one column.
    #[error("{what} needs at least one column")]
    NoColumns {
        /// What needs it.
        what: &'static str,
    },
    /// A transform failed.
    #[error("step {step}: {source}")]
    Step {
        /// Its name.
        step: String,
        /// Why.
        source: Box<EtlError>,
    },
    /// The frame does not fit its schema.
    #[error(transparent)]
    Table(#[from] TableError),
    /// A schema that is not one, or lacks a column.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// An operation on the frame failed.
    #[error("frame: {0}")]
    Frame(#[from] PolarsError),
}

impl EtlError {
    pub(crate) fn database(doing: impl Into<String>) -> impl FnOnce(DieselError) -> Self {
        let doing = doing.into();
        move |source| Self::Database { doing, source }
    }

    /// Whether the same may succeed later: the server is starting or full, the connection was lost, somebody else holds a lock.
    pub fn is_transient(&self) -> bool {
        const PASSING: [&str; 22] = [
            "connection refused",
            "connection slots are reserved",
            "connection has been closed",
            "conflict with recovery",
            "deadlock",
            "in recovery mode",
            "network is unreachable",
            "no route to host",
            "temporary failure in name resolution",
            "connection reset",
            "could not receive data",
            "starting up",
            "shutting down",
            "too many connections",
            "too many clients",
            "timeout expired",
            "timed out",
            "lost connection",
            "gone away",
            "terminating connection",
            "closed the connection",
            "can't connect to",
        ];
        let passing = |message: &str| {
            let message = message.to_ascii_lowercase();
            PASSING.iter().any(|part| message.contains(part))
        };
        match self {
            Self::SnapshotMoved => true,
            Self::Connect { source, .. } => passing(&source.to_string()),
            Self::Database { source, .. } | Self::Query { source } => match source {
                DieselError::DatabaseError(
                    DatabaseErrorKind::SerializationFailure | DatabaseErrorKind::ClosedConnection,
                    _,
                ) => true,
                DieselError::DatabaseError(_, info) => self.keeps_transaction() || passing(info.message()),
                _ => false,
            },
            Self::CopyStopped { source } => passing(&source.to_string()),
            _ => false,
        }
    }

    /// The same while partitions are opened: a server that is full stays so for as long as those that are open are, so there trying again
    /// only keeps others out.
    #[cfg_attr(
        not(feature = "postgres"),
        allow(dead_code, reason = "only servers with partitions run out of connections")
    )]
    pub(crate) fn for_partitions(self, opened: usize, wanted: usize) -> Self {
        const FULL: [&str; 3] = ["connection slots are reserved", "too many connections", "too many clients"];
        match self {
            Self::Connect { database, source } if FULL.iter().any(|part| source.to_string().contains(part)) => {
                Self::ServerFull { database, opened, wanted, source }
            }
            other => other,
        }
    }

    /// Whether only one statement failed, for a reason that may pass, and its transaction goes on.
    pub(crate) fn keeps_transaction(&self) -> bool {
        match self {
            Self::Database { source: DieselError::DatabaseError(_, info), .. }
            | Self::Query { source: DieselError::DatabaseError(_, info) } => {
                let message = info.message().to_ascii_lowercase();
                message.contains("lock wait timeout") || message.contains("database is locked")
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_told_from_what_will_not() {
        let database = |message: &str| EtlError::Database {
            doing: "read".to_owned(),
            source: DieselError::DatabaseError(DatabaseErrorKind::Unknown, Box::new(message.to_owned())),
        };
        for message in [
            "database is locked",
            "MySQL server has gone away",
            "FATAL: terminating connection due to idle",
            "canceling statement due to conflict with recovery",
            "deadlock detected",
        ] {
            assert!(database(message).is_transient(), "{message}");
        }
        for message in ["no such column: a", "permission denied for table clients"] {
            assert!(!database(message).is_transient(), "{message}");
        }
        assert!(database("Lock wait timeout exceeded").keeps_transaction());
        assert!(!database("Lost connection to server").keeps_transaction());
        let refused = |message: &str| EtlError::Connect { database: "d".into(), source: message.into() };
        for message in [
            "FATAL: the database system is starting up",
            "FATAL: the database system is in recovery mode",
            "FATAL: remaining connection slots are reserved for non-replication superuser connections",
            "could not translate host name \"db\" to address: Temporary failure in name resolution",
            "connection to server at \"10.0.0.1\", port 5432 failed: No route to host",
        ] {
            assert!(refused(message).is_transient(), "{message}");
        }
        assert!(!refused("FATAL: password authentication failed").is_transient());
        for full in [
            "FATAL: remaining connection slots are reserved for non-replication superuser connections",
            "FATAL: sorry, too many clients already",
            "FATAL: too many connections for role \"reader\"",
        ] {
            assert!(refused(full).is_transient() && !refused(full).for_partitions(3, 8).is_transient(), "{full}");
        }
        assert!(refused("Connection refused").for_partitions(3, 8).is_transient());
        assert!(!EtlError::CopyCut.is_transient());
    }
}
