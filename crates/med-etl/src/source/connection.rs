//! An open database and what can be asked of it.

use std::fmt;
use std::ops::ControlFlow;

use med_schema::Table;
use polars::frame::DataFrame;

use crate::source::read::{self, Batch};
use crate::source::{Database, Extract, MismatchPolicy, Source, partition};
use crate::{EtlError, ExtractionReport, Progress};

/// An extracted table and the report on it.
#[derive(Debug, Clone)]
pub struct Extracted {
    /// All rows that fit.
    pub table: Table,
    /// Rows set aside under [`MismatchPolicy::Quarantine`], with two further columns: `med_row`, the row's place from 0, and
    /// `med_misfits`, what did not fit by column, as JSON.
    pub quarantined: Option<DataFrame>,
    /// What was read.
    pub report: ExtractionReport,
}

pub(super) enum Backend {
    #[cfg(feature = "sqlite")]
    Sqlite(Box<super::sqlite::SqliteDatabase>),
    #[cfg(feature = "postgres")]
    Postgres(Box<super::postgres::PostgresDatabase>),
    #[cfg(feature = "mysql")]
    Mysql(Box<super::mysql::MysqlDatabase>),
}

/// Does the same to whichever database it is.
macro_rules! with_database {
    ($backend:expr, $database:ident => $body:expr) => {
        match $backend {
            #[cfg(feature = "sqlite")]
            Backend::Sqlite($database) => {
                let $database = &mut **$database;
                $body
            }
            #[cfg(feature = "postgres")]
            Backend::Postgres($database) => {
                let $database = &mut **$database;
                $body
            }
            #[cfg(feature = "mysql")]
            Backend::Mysql($database) => {
                let $database = &mut **$database;
                $body
            }
        }
    };
}

/// Why an extraction stopped: on the side of the database, or on that of whom the rows go to.
enum Stop<E> {
    Reading(EtlError),
    Sink(E),
}

impl<E> From<EtlError> for Stop<E> {
    fn from(error: EtlError) -> Self {
        Self::Reading(error)
    }
}

/// An open database, for reading.
///
/// One connection serves one extraction at a time; for two at once open two.
pub struct Connection {
    backend: Backend,
    source: Option<Source>,
    in_snapshot: bool,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let backend = match self.backend {
            #[cfg(feature = "sqlite")]
            Backend::Sqlite(_) => "sqlite",
            #[cfg(feature = "postgres")]
            Backend::Postgres(_) => "postgres",
            #[cfg(feature = "mysql")]
            Backend::Mysql(_) => "mysql",
        };
        f.debug_struct("Connection").field("backend", &backend).finish_non_exhaustive()
    }
}

#[cfg(feature = "sqlite")]
impl From<diesel::SqliteConnection> for Connection {
    /// Reads through a connection that the caller opened, for example to a database in memory. It stays as writable as it
    /// was; the extraction itself only reads.
    fn from(connection: diesel::SqliteConnection) -> Self {
        let backend = Backend::Sqlite(Box::new(super::sqlite::SqliteDatabase::of(connection)));
        Self { backend, source: None, in_snapshot: false }
    }
}

impl Connection {
    pub(super) fn new(backend: Backend, source: Source) -> Self {
        Self { backend, source: Some(source), in_snapshot: false }
    }

    /// The connection itself, for typed queries through Diesel; nothing when the database is another.
    #[cfg(feature = "sqlite")]
    pub fn sqlite(&mut self) -> Option<&mut diesel::SqliteConnection> {
        match &mut self.backend {
            Backend::Sqlite(database) => Some(database.diesel()),
            #[cfg(any(feature = "postgres", feature = "mysql"))]
            _ => None,
        }
    }

    /// The connection itself, for typed queries through Diesel; nothing when the database is another.
    #[cfg(feature = "postgres")]
    pub fn postgres(&mut self) -> Option<&mut diesel::PgConnection> {
        match &mut self.backend {
            Backend::Postgres(database) => Some(database.diesel()),
            #[cfg(any(feature = "sqlite", feature = "mysql"))]
            _ => None,
        }
    }

    /// The connection itself, for typed queries through Diesel; nothing when the database is another.
    #[cfg(feature = "mysql")]
    pub fn mysql(&mut self) -> Option<&mut diesel::MysqlConnection> {
        match &mut self.backend {
            Backend::Mysql(database) => Some(database.diesel()),
            #[cfg(any(feature = "sqlite", feature = "postgres"))]
            _ => None,
        }
    }

    /// The tables and views, by name.
    ///
    /// # Errors
    /// When the catalogue cannot be read.
    pub fn tables(&mut self) -> Result<Vec<String>, EtlError> {
        with_database!(&mut self.backend, database => database.tables())
    }

    /// Which database this selection is read from, to tell it from others of the same names: kind, host, port and database, with
    /// PostgreSQL the schema too, or the full path of an SQLite file. No credentials. Nothing for a connection that the caller opened.
    ///
    /// Names stand for what they name: a database that has moved is another, and what now lies where it was is the same.
    ///
    /// # Errors
    /// When the table is not there, or the server does not answer.
    pub fn identity(&mut self, extract: &Extract) -> Result<Option<String>, EtlError> {
        let Some(address) = self.source.as_ref().map(Source::address) else { return Ok(None) };
        let namespace = with_database!(&mut self.backend, database => database.namespace(extract.selection()))?;
        Ok(Some(format!("{address} {namespace}").trim_end().to_owned()))
    }

    /// Does several extractions in one transaction, so that all of them show one state of the database.
    ///
    /// # Errors
    /// Those of `work`, and when the transaction cannot be begun or ended.
    pub fn snapshot<T, E: From<EtlError>>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, E>) -> Result<T, E> {
        if self.in_snapshot {
            return work(self);
        }
        with_database!(&mut self.backend, database => database.begin())?;
        self.in_snapshot = true;
        let done = work(self);
        self.in_snapshot = false;
        let ended = with_database!(&mut self.backend, database => database.end());
        let done = done?;
        ended?;
        Ok(done)
    }

    /// Reads batch by batch: `sink` gets every frame, then `progress` is told and may stop the extraction. A selection
    /// without rows gives one empty frame, so that a sink always learns the columns.
    ///
    /// Under [`MismatchPolicy::Fail`] no frame is given out from the first value on that does not fit; the rest is still
    /// read, so that the error says how many there are.
    ///
    /// # Errors
    /// When the table or a declared column is not there, the query is not one SELECT, a value does not fit and the policy
    /// is to fail, the policy is to set rows aside (see [`Connection::for_each_batch_or_quarantine`]), the sink fails, or
    /// [`EtlError::Cancelled`] when `progress` breaks.
    pub fn for_each_batch<E: From<EtlError>>(
        &mut self,
        extract: &Extract,
        progress: impl FnMut(Progress) -> ControlFlow<()>,
        mut sink: impl FnMut(DataFrame) -> Result<(), E>,
    ) -> Result<ExtractionReport, E> {
        if extract.reading().on_mismatch == MismatchPolicy::Quarantine {
            return Err(EtlError::NoQuarantine.into());
        }
        self.batches(extract, progress, |batch| sink(batch.rows))
    }

    /// As [`Connection::for_each_batch`]; under [`MismatchPolicy::Quarantine`] rows that do not fit go to `quarantine`, in the form
    /// that [`Extracted::quarantined`] has.
    ///
    /// # Errors
    /// As [`Connection::for_each_batch`], and when `quarantine` fails.
    pub fn for_each_batch_or_quarantine<E: From<EtlError>>(
        &mut self,
        extract: &Extract,
        progress: impl FnMut(Progress) -> ControlFlow<()>,
        mut sink: impl FnMut(DataFrame) -> Result<(), E>,
        mut quarantine: impl FnMut(DataFrame) -> Result<(), E>,
    ) -> Result<ExtractionReport, E> {
        self.batches(extract, progress, |batch| {
            if let Some(aside) = batch.quarantined {
                quarantine(aside)?;
            }
            sink(batch.rows)
        })
    }

    fn batches<E: From<EtlError>>(
        &mut self,
        extract: &Extract,
        mut progress: impl FnMut(Progress) -> ControlFlow<()>,
        mut sink: impl FnMut(Batch) -> Result<(), E>,
    ) -> Result<ExtractionReport, E> {
        let retry = extract.reading().retry;
        let mut number = 0;
        loop {
            let mut given = false;
            let read = self.once(extract, &mut progress, |batch| {
                given = true;
                sink(batch).map_err(Stop::Sink)
            });
            let error = match read {
                Ok(report) => {
                    tracing::debug!(from = report.from, rows = report.rows, batches = report.batches, "extracted");
                    return Ok(report);
                }
                Err(Stop::Sink(error)) => return Err(error),
                Err(Stop::Reading(error)) => error,
            };
            // Another transaction would show another state: only what nobody has seen can be begun again.
            let again = !given && !self.in_snapshot && error.is_transient();
            let (Some(delay), Some(source)) = (retry.delay(number).filter(|_| again), &self.source) else {
                return Err(error.into());
            };
            tracing::warn!(attempt = number + 2, "reading again: {error}");
            std::thread::sleep(delay);
            number += 1;
            self.backend = source.clone().retry(retry).open()?;
        }
    }

    fn once<E>(
        &mut self,
        extract: &Extract,
        progress: &mut impl FnMut(Progress) -> ControlFlow<()>,
        sink: impl FnMut(Batch) -> Result<(), Stop<E>>,
    ) -> Result<ExtractionReport, Stop<E>> {
        let source = self.source.clone();
        self.snapshot(|connection| {
            with_database!(&mut connection.backend, database => {
                let prepared = read::prepare(database, extract)?;
                let part = if extract.reading().partitions.get() > 1 {
                    let source = source.ok_or(EtlError::NoPartitions { why: "the connection was opened by the caller" })?;
                    partition::scan(database, &source, extract, &prepared, progress, sink)?
                } else {
                    read::scan(database, extract, &prepared, None, progress, sink)?
                };
                Ok(part.report(extract, prepared)?)
            })
        })
    }

    /// Reads all rows into one table: of the declared schema, or of one inferred from the frame.
    ///
    /// # Errors
    /// As [`Connection::for_each_batch`], and when the rows do not fit the declared schema, for example by a null
    /// in a column that is not nullable.
    pub fn collect(&mut self, extract: &Extract) -> Result<Extracted, EtlError> {
        self.collect_with(extract, |_| ControlFlow::Continue(()))
    }

    /// As [`Connection::collect`], with progress told after every batch.
    ///
    /// # Errors
    /// As [`Connection::collect`], and [`EtlError::Cancelled`] when `progress` breaks.
    pub fn collect_with(
        &mut self,
        extract: &Extract,
        progress: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Extracted, EtlError> {
        let (mut all, mut quarantined): (Option<DataFrame>, Option<DataFrame>) = (None, None);
        let report = self.for_each_batch_or_quarantine(
            extract,
            progress,
            |batch| append(&mut all, batch),
            |aside| append(&mut quarantined, aside),
        )?;
        let mut frame = all.unwrap_or_default();
        frame.rechunk_mut();
        let table = match extract.schema() {
            Some(schema) => Table::parse(frame, schema.clone())?,
            None => Table::infer(frame)?,
        };
        Ok(Extracted { table, quarantined, report })
    }
}

fn append(all: &mut Option<DataFrame>, batch: DataFrame) -> Result<(), EtlError> {
    match all {
        Some(frame) => {
            frame.vstack_mut_owned(batch)?;
        }
        None => *all = Some(batch),
    }
    Ok(())
}
