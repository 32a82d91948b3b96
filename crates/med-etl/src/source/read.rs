//! One extraction: catalogue, plan, scan, report.

use std::ops::ControlFlow;

use med_schema::near_names;
use polars::frame::DataFrame;

use crate::builder::{ColumnBuilder, Value};
use crate::content::RowSetHasher;
use crate::source::{CatalogueColumn, Database, Extract, MismatchPolicy, RowSink};
use crate::{DeclaredBy, EtlError, ExtractedColumn, ExtractionReport, MissingColumn, Progress};

/// Columns to read: where they are in the rows, and what they are read into.
struct Plan {
    /// Names of the row's columns, as they must come.
    names: Vec<String>,
    /// Places in the row of the columns to keep.
    wanted: Vec<usize>,
    builders: Vec<ColumnBuilder>,
    ignored: Vec<String>,
}

impl Plan {
    fn new(extract: &Extract, catalogue: Vec<CatalogueColumn>) -> Result<Self, EtlError> {
        let capacity = extract.reading().batch_rows.get().min(4096);
        let Some(schema) = extract.schema() else {
            let builders = catalogue
                .iter()
                .map(|c| match c.value_type {
                    Some(t) => ColumnBuilder::declared(&c.name, t, Some(DeclaredBy::Catalogue), capacity),
                    None => ColumnBuilder::undecided(&c.name, capacity),
                })
                .collect();
            let names: Vec<String> = catalogue.into_iter().map(|c| c.name).collect();
            return Ok(Self { wanted: (0..names.len()).collect(), names, builders, ignored: Vec::new() });
        };
        let (mut wanted, mut builders, mut missing) = (Vec::new(), Vec::new(), Vec::new());
        for column in schema.columns() {
            match catalogue.iter().position(|c| c.name == column.name) {
                Some(place) => {
                    wanted.push(place);
                    let declared_by = Some(DeclaredBy::Schema);
                    builders.push(ColumnBuilder::declared(&column.name, column.value_type, declared_by, capacity));
                }
                None => {
                    let near = near_names(&column.name, catalogue.iter().map(|c| c.name.as_str()));
                    missing.push(MissingColumn { name: column.name.clone(), near });
                }
            }
        }
        if !missing.is_empty() {
            return Err(EtlError::MissingColumns { from: extract.selection().to_string(), missing });
        }
        let names: Vec<String> = catalogue.into_iter().map(|c| c.name).collect();
        let ignored = names.iter().filter(|n| !schema.contains(n)).cloned().collect();
        Ok(Self { names, wanted, builders, ignored })
    }
}

/// Runs an extraction inside a transaction that the caller opened.
pub(super) fn run<D, E, P, F>(database: &mut D, extract: &Extract, progress: P, sink: F) -> Result<ExtractionReport, E>
where
    D: Database,
    E: From<EtlError>,
    P: FnMut(Progress) -> ControlFlow<()>,
    F: FnMut(DataFrame) -> Result<(), E>,
{
    let selection = extract.selection();
    let catalogue = database.catalogue(selection)?;
    let Plan { names, wanted, builders, ignored } = Plan::new(extract, catalogue)?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let options = extract.reading();
    let mut batches = Batches {
        builders,
        batch_rows: options.batch_rows.get(),
        in_batch: 0,
        done: Progress { rows: 0, batches: 0 },
        fails: options.on_mismatch == MismatchPolicy::Fail,
        hasher: options.fingerprint.then(RowSetHasher::default),
        progress,
        sink,
    };
    let sql = database.select(selection, &wanted.iter().map(|i| names[*i]).collect::<Vec<_>>())?;
    match selection {
        // A table is asked for the wanted columns alone, so these are the row.
        super::Selection::Table(_) => {
            let names: Vec<&str> = wanted.iter().map(|i| names[*i]).collect();
            database.scan(&sql, &names, &(0..names.len()).collect::<Vec<_>>(), &mut batches)?;
        }
        super::Selection::Query(_) => database.scan(&sql, &names, &wanted, &mut batches)?,
    }
    batches.finish(selection.to_string(), ignored)
}

struct Batches<P, F> {
    builders: Vec<ColumnBuilder>,
    batch_rows: usize,
    in_batch: usize,
    done: Progress,
    fails: bool,
    hasher: Option<RowSetHasher>,
    progress: P,
    sink: F,
}

impl<E, P, F> RowSink for Batches<P, F>
where
    E: From<EtlError>,
    P: FnMut(Progress) -> ControlFlow<()>,
    F: FnMut(DataFrame) -> Result<(), E>,
{
    type Error = E;

    #[inline]
    fn value(&mut self, column: usize, value: Value<'_>) {
        self.builders[column].push(value);
    }

    fn end_row(&mut self) -> Result<(), E> {
        self.in_batch += 1;
        if self.in_batch == self.batch_rows { self.flush() } else { Ok(()) }
    }
}

impl<P, F> Batches<P, F> {
    fn flush<E>(&mut self) -> Result<(), E>
    where
        E: From<EtlError>,
        P: FnMut(Progress) -> ControlFlow<()>,
        F: FnMut(DataFrame) -> Result<(), E>,
    {
        let columns = self.builders.iter_mut().map(ColumnBuilder::take).collect();
        let frame = DataFrame::new(self.in_batch, columns).map_err(EtlError::from)?;
        self.done.rows += self.in_batch as u64;
        self.in_batch = 0;
        // After a misfit under `Fail` the rest is only counted.
        if !(self.fails && self.builders.iter().any(ColumnBuilder::has_misfits)) {
            if let Some(hasher) = &mut self.hasher {
                hasher.add(&frame).map_err(EtlError::from)?;
            }
            (self.sink)(frame)?;
            self.done.batches += 1;
        }
        match (self.progress)(self.done) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(EtlError::Cancelled { rows: self.done.rows }.into()),
        }
    }

    fn finish<E>(mut self, from: String, ignored: Vec<String>) -> Result<ExtractionReport, E>
    where
        E: From<EtlError>,
        P: FnMut(Progress) -> ControlFlow<()>,
        F: FnMut(DataFrame) -> Result<(), E>,
    {
        if self.in_batch > 0 || self.done.rows == 0 {
            self.flush()?;
        }
        let mismatches: Vec<_> = self.builders.iter().filter_map(ColumnBuilder::mismatch).collect();
        if self.fails && !mismatches.is_empty() {
            return Err(EtlError::Mismatches { from, rows: self.done.rows, columns: mismatches }.into());
        }
        let columns: Vec<_> = self
            .builders
            .iter()
            .map(|b| ExtractedColumn {
                name: b.name().to_owned(),
                value_type: b.value_type(),
                declared_by: b.declared_by().unwrap_or(DeclaredBy::FirstBatch),
                nulls: b.nulls(),
            })
            .collect();
        let named = || columns.iter().map(|c| (c.name.as_str(), c.value_type.as_str()));
        let fingerprint = self.hasher.map(|hasher| hasher.finish(named()));
        let Progress { rows, batches } = self.done;
        Ok(ExtractionReport { from, rows, batches, fingerprint, columns, ignored, mismatches })
    }
}
