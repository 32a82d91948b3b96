//! One extraction: catalogue, plan, scan, report.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use med_schema::{ValueType, near_names};
use polars::prelude::{BooleanChunked, Column, DataFrame, IntoColumn, NamedFrom};

use crate::builder::{ColumnBuilder, Held, Value};
use crate::content::RowSetHasher;
use crate::source::sql::Cursor;
use crate::source::{
    CatalogueColumn, Database, Extract, Incremental, MismatchPolicy, NullCursor, RowSink, Scan, Selection, Watermark,
};
use crate::{ColumnMismatch, DeclaredBy, EtlError, ExtractedColumn, ExtractionReport, MissingColumn, Progress};

/// What goes to the caller at once.
pub(super) struct Batch {
    pub(super) rows: DataFrame,
    /// Rows set aside, with their place and what did not fit.
    pub(super) quarantined: Option<DataFrame>,
}

/// Everything about an extraction that is known before its first row.
pub(super) struct Prepared {
    pub(super) from: String,
    pub(super) columns: Vec<CatalogueColumn>,
    /// Places of the columns to keep.
    wanted: Vec<usize>,
    ignored: Vec<String>,
    pub(super) filter: Option<String>,
    pub(super) key: Vec<String>,
    key_is_primary: bool,
    watermark: Option<Watermark>,
    null_cursors: u64,
}

/// Looks up columns, key and watermark inside a transaction that the caller opened.
pub(super) fn prepare<D: Database>(database: &mut D, extract: &Extract) -> Result<Prepared, EtlError> {
    let selection = extract.selection();
    database.hold(selection)?;
    let columns = database.catalogue(selection)?;
    let from = database.behind_from(selection)?;
    let wanted = wanted(extract, &columns)?;
    let ignored = match extract.schema() {
        Some(schema) => columns.iter().filter(|c| !schema.contains(&c.name)).map(|c| c.name.clone()).collect(),
        None => Vec::new(),
    };
    let named = extract.key_columns().iter().map(String::as_str).chain(extract.minor_unit_columns());
    require(selection, &columns, named)?;
    let mut prepared = Prepared {
        from,
        columns,
        wanted,
        ignored,
        filter: None,
        key: extract.key_columns().to_vec(),
        key_is_primary: false,
        watermark: None,
        null_cursors: 0,
    };
    if prepared.key.is_empty()
        && let Selection::Table(table) = selection
        && (D::NEEDS_KEY || extract.reading().partitions.get() > 1)
    {
        prepared.key = database.primary_key(table)?;
        prepared.key_is_primary = !prepared.key.is_empty();
    }
    increment(database, extract, &mut prepared)?;
    Ok(prepared)
}

fn missing(name: &str, columns: &[CatalogueColumn]) -> MissingColumn {
    MissingColumn { name: name.to_owned(), near: near_names(name, columns.iter().map(|c| c.name.as_str())) }
}

fn require<'a>(
    selection: &Selection,
    columns: &[CatalogueColumn],
    names: impl IntoIterator<Item = &'a str>,
) -> Result<(), EtlError> {
    let absent = |name: &&str| !columns.iter().any(|c| c.name == **name);
    let missing: Vec<_> = names.into_iter().filter(absent).map(|name| missing(name, columns)).collect();
    if missing.is_empty() { Ok(()) } else { Err(EtlError::MissingColumns { from: selection.to_string(), missing }) }
}

/// The places of the columns that the schema names, or of all.
fn wanted(extract: &Extract, columns: &[CatalogueColumn]) -> Result<Vec<usize>, EtlError> {
    let Some(schema) = extract.schema() else { return Ok((0..columns.len()).collect()) };
    require(extract.selection(), columns, schema.columns().iter().map(|c| c.name.as_str()))?;
    Ok(schema.columns().iter().filter_map(|wanted| columns.iter().position(|c| c.name == wanted.name)).collect())
}

/// Puts the condition for what is new into `prepared`, and the watermark that the rows lead to.
fn increment<D: Database>(database: &mut D, extract: &Extract, prepared: &mut Prepared) -> Result<(), EtlError> {
    let Some(incremental) = extract.increment() else { return Ok(()) };
    let declared = extract.schema().and_then(|schema| schema.columns().iter().find(|c| c.name == incremental.cursor()));
    let found = prepared.columns.iter().find(|c| c.name == incremental.cursor());
    let value_type = declared.map(|c| c.value_type).or(found.and_then(|c| c.value_type));
    let incremental = incremental.without_misfit(value_type);
    let names: Vec<&str> =
        std::iter::once(incremental.cursor()).chain(incremental.key().iter().map(String::as_str)).collect();
    require(extract.selection(), &prepared.columns, names.iter().copied())?;
    let cursors: Vec<Cursor<'_>> = names.iter().map(|name| Cursor::of(name, &prepared.columns)).collect();
    if incremental.nulls() != NullCursor::Include {
        let null = format!("{} IS NULL", D::DIALECT.quoted(incremental.cursor()));
        prepared.null_cursors = database.count(&prepared.from, Some(&null))?;
        if incremental.nulls() == NullCursor::Fail && prepared.null_cursors > 0 {
            let (column, rows) = (incremental.cursor().to_owned(), prepared.null_cursors);
            return Err(EtlError::NullCursor { column, rows });
        }
    }
    database.check_cursor(&prepared.from, incremental.cursor())?;
    prepared.filter = incremental.condition(D::DIALECT, &cursors)?;
    prepared.watermark =
        last_row(database, &prepared.from, &incremental, &cursors, value_type)?.or(incremental.watermark().cloned());
    Ok(())
}

/// Values at the end of the cursor column's order that are none of its type and are passed over.
const MOST_MISFITS: usize = 100;

/// The last row after the watermark whose cursor is a value of its type. A row with another would be the last for ever, so it is none that
/// reading goes on from: it is read every time, counted and set aside as the policy says.
fn last_row<D: Database>(
    database: &mut D,
    from: &str,
    incremental: &Incremental,
    cursors: &[Cursor<'_>],
    value_type: Option<ValueType>,
) -> Result<Option<Watermark>, EtlError> {
    let Some(first) = cursors.first() else { return Ok(None) };
    let after = incremental.after(D::DIALECT, cursors);
    let mut filter = after.clone();
    for _ in 0..=MOST_MISFITS {
        let Some(values) = database.row_by_order(from, cursors, filter.as_deref(), None)? else { return Ok(None) };
        if let Some(Some(cursor)) = values.first()
            && !cursor.orders(value_type)
        {
            let before = format!("{} < {}", D::DIALECT.compared(first), D::DIALECT.literal(cursor, first));
            filter = Some(after.iter().cloned().chain([before]).collect::<Vec<_>>().join(" AND "));
            continue;
        }
        let mut values = cursors.iter().zip(values).map(|(column, value)| {
            value.ok_or_else(|| EtlError::CursorValue { column: column.name.to_owned(), found: "null" })
        });
        let cursor = values.next().unwrap_or_else(|| Err(EtlError::NoColumns { what: "a watermark" }))?;
        return Ok(Some(Watermark { cursor, key: values.collect::<Result<_, _>>()? }));
    }
    Err(EtlError::CursorValue { column: first.name.to_owned(), found: "too many values that are none of its type" })
}

/// What the scan of all rows, or of a part of them, came to.
pub(super) struct Part {
    pub(super) rows: u64,
    batches: u64,
    quarantined: u64,
    nulls: Vec<u64>,
    pub(super) columns: Vec<ExtractedColumn>,
    mismatches: Vec<ColumnMismatch>,
    hasher: Option<RowSetHasher>,
}

impl Part {
    /// This part and the one behind it.
    pub(super) fn followed_by(mut self, next: Self) -> Self {
        for mut mismatch in next.mismatches {
            match self.mismatches.iter_mut().find(|m| m.column == mismatch.column) {
                Some(known) => known.rows += mismatch.rows,
                None => {
                    mismatch.first_row += self.rows;
                    self.mismatches.push(mismatch);
                }
            }
        }
        self.nulls.iter_mut().zip(next.nulls).for_each(|(nulls, more)| *nulls += more);
        if let (Some(hasher), Some(more)) = (&mut self.hasher, &next.hasher) {
            hasher.merge(more);
        }
        self.rows += next.rows;
        self.batches += next.batches;
        self.quarantined += next.quarantined;
        self
    }

    pub(super) fn report(self, extract: &Extract, prepared: Prepared) -> Result<ExtractionReport, EtlError> {
        let from = extract.selection().to_string();
        let mut mismatches = self.mismatches;
        let place = |m: &ColumnMismatch| self.columns.iter().position(|c| c.name == m.column);
        mismatches.sort_by_key(place);
        if extract.reading().on_mismatch == MismatchPolicy::Fail && !mismatches.is_empty() {
            return Err(EtlError::Mismatches { from, rows: self.rows, columns: mismatches });
        }
        let mut columns = self.columns;
        columns.iter_mut().zip(self.nulls).for_each(|(column, nulls)| column.nulls = nulls);
        let named = || columns.iter().map(|c| (c.name.as_str(), c.value_type.as_str()));
        let fingerprint = self.hasher.map(|hasher| hasher.finish(named()));
        Ok(ExtractionReport {
            from,
            rows: self.rows,
            batches: self.batches,
            columns,
            ignored: prepared.ignored,
            mismatches,
            quarantined: self.quarantined,
            null_cursors: prepared.null_cursors,
            watermark: prepared.watermark,
            fingerprint,
        })
    }
}

/// Reads the rows that also meet `condition`, and gives them out batch by batch.
pub(super) fn scan<D, E, P, F>(
    database: &mut D,
    extract: &Extract,
    prepared: &Prepared,
    condition: Option<&str>,
    progress: P,
    sink: F,
) -> Result<Part, E>
where
    D: Database,
    E: From<EtlError>,
    P: FnMut(Progress) -> ControlFlow<()>,
    F: FnMut(Batch) -> Result<(), E>,
{
    let options = extract.reading();
    let mut batches = Batches {
        builders: builders(extract, prepared),
        batch_rows: options.batch_rows.get(),
        in_batch: 0,
        done: Progress { rows: 0, batches: 0 },
        policy: options.on_mismatch,
        quarantined: 0,
        hasher: options.fingerprint.then(RowSetHasher::default),
        progress,
        sink,
    };
    let filter = match (prepared.filter.as_deref(), condition) {
        (Some(filter), Some(condition)) => Some(format!("({filter}) AND ({condition})")),
        (filter, condition) => filter.or(condition).map(str::to_owned),
    };
    let scan = Scan {
        selection: extract.selection(),
        from: &prepared.from,
        columns: &prepared.columns,
        wanted: &prepared.wanted,
        filter: filter.as_deref(),
        key: &prepared.key,
        key_is_primary: prepared.key_is_primary,
        page_rows: options.batch_rows.get(),
        retry: options.retry,
    };
    database.scan(&scan, &mut batches)?;
    batches.finish()
}

fn builders(extract: &Extract, prepared: &Prepared) -> Vec<ColumnBuilder> {
    let options = extract.reading();
    let capacity = options.batch_rows.get().min(65_536);
    let declared = |place: usize, column: &CatalogueColumn| match extract.schema() {
        Some(schema) => {
            let column = &schema.columns()[place];
            ColumnBuilder::declared(&column.name, column.value_type, Some(DeclaredBy::Schema), capacity)
        }
        None if extract.minor_units_of(&column.name).is_some() => {
            ColumnBuilder::declared(&column.name, med_schema::ValueType::Integer, Some(DeclaredBy::Schema), capacity)
        }
        None => match column.value_type {
            Some(t) => ColumnBuilder::declared(&column.name, t, Some(DeclaredBy::Catalogue), capacity),
            None => ColumnBuilder::undecided(&column.name, capacity),
        },
    };
    let columns = prepared.wanted.iter().map(|place| &prepared.columns[*place]);
    columns
        .enumerate()
        .map(|(place, column)| {
            let mut builder = declared(place, column);
            if let Some(digits) = extract.minor_units_of(&column.name) {
                builder = builder.minor_units(digits);
            }
            if options.on_mismatch == MismatchPolicy::Quarantine { builder.keep_misfits() } else { builder }
        })
        .collect()
}

struct Batches<P, F> {
    builders: Vec<ColumnBuilder>,
    batch_rows: usize,
    in_batch: usize,
    done: Progress,
    policy: MismatchPolicy,
    quarantined: u64,
    hasher: Option<RowSetHasher>,
    progress: P,
    sink: F,
}

impl<E, P, F> RowSink for Batches<P, F>
where
    E: From<EtlError>,
    P: FnMut(Progress) -> ControlFlow<()>,
    F: FnMut(Batch) -> Result<(), E>,
{
    type Error = E;

    #[inline(always)]
    fn value(&mut self, column: usize, value: Value<'_>) {
        self.builders[column].push(value);
    }

    #[inline]
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
        F: FnMut(Batch) -> Result<(), E>,
    {
        let columns = self.builders.iter_mut().map(ColumnBuilder::take).collect();
        let rows = DataFrame::new(self.in_batch, columns).map_err(EtlError::from)?;
        let first = self.done.rows;
        self.done.rows += self.in_batch as u64;
        self.in_batch = 0;
        // After a misfit under `Fail` the rest is only counted.
        if !(self.policy == MismatchPolicy::Fail && self.builders.iter().any(ColumnBuilder::has_misfits)) {
            let batch = self.split(rows, first)?;
            if let Some(hasher) = &mut self.hasher {
                hasher.add(&batch.rows).map_err(EtlError::from)?;
            }
            (self.sink)(batch)?;
            self.done.batches += 1;
        }
        match (self.progress)(self.done) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(EtlError::Cancelled { rows: self.done.rows }.into()),
        }
    }

    /// Parts the rows of a batch, whose first is row `first` of all, from those to be set aside.
    fn split(&mut self, rows: DataFrame, first: u64) -> Result<Batch, EtlError> {
        let mut broken: BTreeMap<usize, BTreeMap<String, Held>> = BTreeMap::new();
        for builder in &mut self.builders {
            for (row, held) in builder.take_set_aside() {
                broken.entry(row).or_default().insert(builder.name().to_owned(), held);
            }
        }
        if broken.is_empty() {
            return Ok(Batch { rows, quarantined: None });
        }
        self.quarantined += broken.len() as u64;
        let fits: BooleanChunked = (0..rows.height()).map(|row| Some(!broken.contains_key(&row))).collect();
        let mut aside = rows.filter(&!&fits)?;
        let places: Vec<i64> = broken.keys().map(|row| (first + *row as u64) as i64).collect();
        // A map of texts and bytes is always JSON.
        let held: Vec<String> = broken.values().map(|h| serde_json::to_string(h).unwrap_or_default()).collect();
        aside.with_column(Column::new("med_row".into(), places))?;
        aside.with_column(polars::prelude::StringChunked::new("med_misfits".into(), &held).into_column())?;
        Ok(Batch { rows: rows.filter(&fits)?, quarantined: Some(aside) })
    }

    fn finish<E>(mut self) -> Result<Part, E>
    where
        E: From<EtlError>,
        P: FnMut(Progress) -> ControlFlow<()>,
        F: FnMut(Batch) -> Result<(), E>,
    {
        if self.in_batch > 0 || self.done.rows == 0 {
            self.flush()?;
        }
        let columns = self
            .builders
            .iter()
            .map(|b| ExtractedColumn {
                name: b.name().to_owned(),
                value_type: b.value_type(),
                declared_by: b.declared_by().unwrap_or(DeclaredBy::FirstBatch),
                nulls: 0,
            })
            .collect();
        Ok(Part {
            rows: self.done.rows,
            batches: self.done.batches,
            quarantined: self.quarantined,
            nulls: self.builders.iter().map(ColumnBuilder::nulls).collect(),
            columns,
            mismatches: self.builders.iter().filter_map(ColumnBuilder::mismatch).collect(),
            hasher: self.hasher,
        })
    }
}
