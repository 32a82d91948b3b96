//! A chunk: some consecutive rows of a frame, whose columns are looked at as they are held, without unpacking.
//!
//! Texts that repeat are coded once for all rules: a code a row, and the row where each code occurs first. A costly rule is then
//! decided once for each code.

use std::sync::OnceLock;

use polars::prelude::{
    BooleanChunked, ChunkedArray, Column as FrameColumn, DataFrame, DataType, Float64Chunked, Int32Chunked,
    Int64Chunked, PolarsNumericType, StringChunked, TimeUnit,
};

use super::identity::{Identity, hash_of, text_identity};
use crate::cells::{Cell, Field, Held};
use crate::error::RunError;

/// Rows of a chunk: flags and codes of so many stay in the cache.
pub(crate) const CHUNK_ROWS: usize = 1 << 16;
/// Texts with more different values than this in one chunk are not coded.
const MAX_CODES: usize = 1 << 10;
/// Places of the table of codes; a power of two, well above the number of codes.
const SLOTS: usize = MAX_CODES * 4;
/// After so many rows a column that hardly repeats is given up.
const TRIAL: usize = 1 << 11;

/// Values in one piece. Rows that are missing hold an arbitrary value.
#[derive(Debug)]
enum Values {
    Bool(BooleanChunked),
    Int(Int64Chunked),
    Float(Float64Chunked),
    Text(StringChunked),
    Date(Int32Chunked),
    Time(Int64Chunked),
}

/// The rows of one column in a chunk.
#[derive(Debug)]
pub(crate) struct Cells {
    values: Values,
    /// 1 where a value is there; `None` where all are.
    present: Option<Vec<u8>>,
    codes: OnceLock<Option<Codes>>,
}

/// Texts as codes.
#[derive(Debug)]
pub(crate) struct Codes {
    /// The code of each row; of missing rows an arbitrary one.
    pub(crate) of_row: Vec<u16>,
    /// The row where each code occurs first.
    pub(crate) first: Vec<u32>,
}

/// A column's values as a slice.
pub(crate) enum Slice<'c> {
    Ints(&'c [i64]),
    Floats(&'c [f64]),
    Days(&'c [i32]),
    Micros(&'c [i64]),
    /// Booleans and texts.
    Other,
}

fn slice<T: PolarsNumericType>(values: &ChunkedArray<T>) -> &[T::Native] {
    values.downcast_iter().next().map_or(&[], |array| array.values().as_slice())
}

impl Cells {
    /// Reads a column that must hold its values as `field` says, once narrow types are widened.
    pub(crate) fn read(column: &FrameColumn, field: &Field) -> Result<Self, RunError> {
        let other = || RunError::Frame { column: field.name.clone(), found: column.dtype().to_string() };
        if Held::of(column.dtype()) != Some(field.held) && !(field.held == Held::Float && column.dtype().is_integer()) {
            return Err(other());
        }
        let wanted = match field.held {
            Held::Bool => DataType::Boolean,
            Held::Int => DataType::Int64,
            Held::Float => DataType::Float64,
            Held::Text => DataType::String,
            Held::Date => DataType::Date,
            Held::Time => match column.dtype() {
                DataType::Datetime(_, zone) => DataType::Datetime(TimeUnit::Microseconds, zone.clone()),
                _ => return Err(other()),
            },
        };
        let series = column.as_materialized_series();
        let series = if *series.dtype() == wanted {
            series.rechunk()
        } else {
            series.strict_cast(&wanted).map_err(|_| other())?.rechunk()
        };
        let values = match field.held {
            Held::Bool => Values::Bool(series.bool().map_err(|_| other())?.clone()),
            Held::Int => Values::Int(series.i64().map_err(|_| other())?.clone()),
            Held::Float => Values::Float(series.f64().map_err(|_| other())?.clone()),
            Held::Text => Values::Text(series.str().map_err(|_| other())?.clone()),
            Held::Date => Values::Date(series.date().map_err(|_| other())?.physical().clone()),
            Held::Time => Values::Time(series.datetime().map_err(|_| other())?.physical().clone()),
        };
        let mut present = (series.null_count() > 0)
            .then(|| series.is_not_null().iter().map(|there| u8::from(there == Some(true))).collect::<Vec<u8>>());
        if let Values::Float(floats) = &values {
            let floats = slice(floats);
            if floats.iter().any(|v| v.is_nan()) {
                let mask = present.get_or_insert_with(|| vec![1; floats.len()]);
                mask.iter_mut().zip(floats).for_each(|(m, v)| *m &= u8::from(!v.is_nan()));
            }
        }
        Ok(Self { values, present, codes: OnceLock::new() })
    }

    pub(crate) fn is_missing(&self, row: usize) -> bool {
        self.present.as_ref().is_some_and(|present| present[row] == 0)
    }

    /// 1 where a value is there; `None` where all are.
    pub(crate) fn present(&self) -> Option<&[u8]> {
        self.present.as_deref()
    }

    /// The value of a row, where there is one.
    #[inline]
    pub(crate) fn get(&self, row: usize) -> Option<Cell<'_>> {
        if self.is_missing(row) { None } else { self.value(row) }
    }

    #[inline]
    fn value(&self, row: usize) -> Option<Cell<'_>> {
        Some(match &self.values {
            Values::Bool(values) => Cell::Bool(values.get(row)?),
            Values::Int(values) => Cell::Int(slice(values)[row]),
            Values::Float(values) => Cell::Float(slice(values)[row]),
            Values::Text(values) => Cell::Text(values.downcast_iter().next()?.value(row)),
            Values::Date(values) => Cell::Date(slice(values)[row]),
            Values::Time(values) => Cell::Time(slice(values)[row]),
        })
    }

    pub(crate) fn slice(&self) -> Slice<'_> {
        match &self.values {
            Values::Int(values) => Slice::Ints(slice(values)),
            Values::Float(values) => Slice::Floats(slice(values)),
            Values::Date(values) => Slice::Days(slice(values)),
            Values::Time(values) => Slice::Micros(slice(values)),
            Values::Bool(_) | Values::Text(_) => Slice::Other,
        }
    }

    /// What the value of each row is, as one integer; 0 where `mask` is 0.
    pub(crate) fn identities(&self, mask: &[u8], mut each: impl FnMut(usize, Identity)) {
        match &self.values {
            Values::Text(texts) => {
                let Some(array) = texts.downcast_iter().next() else { return };
                for (row, view) in array.views().iter().enumerate() {
                    if mask[row] == 1 {
                        let short = view.is_inline();
                        each(row, if short { view.as_u128() } else { text_identity(array.value(row)) });
                    }
                }
            }
            _ => (0..mask.len()).filter(|row| mask[*row] == 1).for_each(|row| {
                if let Some(cell) = self.value(row) {
                    each(row, super::identity::of(cell));
                }
            }),
        }
    }

    /// Texts that repeat as codes; `None` where they hardly do, and for other types.
    pub(crate) fn codes(&self) -> Option<&Codes> {
        let Values::Text(texts) = &self.values else { return None };
        self.codes.get_or_init(|| Codes::of(texts, self.present())).as_ref()
    }

    /// Writes into `flags` what `decide` says of each value where `mask` is 1, once for each code where texts repeat.
    pub(crate) fn decide(
        &self,
        mask: &[u8],
        flags: &mut [u8],
        mut decide: impl FnMut(Cell<'_>) -> Result<bool, RunError>,
    ) -> Result<(), RunError> {
        if let Some(codes) = self.codes() {
            const UNKNOWN: u8 = 2;
            let mut known = vec![UNKNOWN; codes.first.len()];
            for ((flag, mask), code) in flags.iter_mut().zip(mask).zip(&codes.of_row) {
                if *mask == 1 {
                    let decided = &mut known[usize::from(*code)];
                    if *decided == UNKNOWN {
                        let cell = self.value(codes.first[usize::from(*code)] as usize);
                        *decided = u8::from(cell.map(&mut decide).transpose()?.unwrap_or(false));
                    }
                    *flag = *decided;
                }
            }
            return Ok(());
        }
        for (row, flag) in flags.iter_mut().enumerate().filter(|(row, _)| mask[*row] == 1) {
            *flag = u8::from(self.value(row).map(&mut decide).transpose()?.unwrap_or(false));
        }
        Ok(())
    }
}

impl Codes {
    fn of(texts: &StringChunked, present: Option<&[u8]>) -> Option<Self> {
        const EMPTY: u16 = u16::MAX;
        let array = texts.downcast_iter().next()?;
        let views = array.views();
        let mut slots = vec![EMPTY; SLOTS];
        let mut first: Vec<u32> = Vec::new();
        let mut of_row = vec![0u16; views.len()];
        for (row, view) in views.iter().enumerate() {
            if present.is_some_and(|present| present[row] == 0) {
                continue;
            }
            let short = view.is_inline();
            let hash = if short { hash_of(view.as_u128()) } else { hash_of(text_identity(array.value(row))) };
            let mut slot = hash as usize % SLOTS;
            let code = loop {
                let code = slots[slot];
                if code == EMPTY {
                    if first.len() == MAX_CODES || (row >= TRIAL && first.len() * 4 > row) {
                        return None;
                    }
                    slots[slot] = first.len() as u16;
                    first.push(row as u32);
                    break slots[slot];
                }
                let known = first[usize::from(code)] as usize;
                let same = if short {
                    views[known].as_u128() == view.as_u128()
                } else {
                    !views[known].is_inline() && array.value(known) == array.value(row)
                };
                if same {
                    break code;
                }
                slot = (slot + 1) % SLOTS;
            };
            of_row[row] = code;
        }
        Some(Self { of_row, first })
    }
}

/// Some rows of a frame, from `start` of all that is scanned on. Columns are read when first asked for.
#[derive(Debug)]
pub(crate) struct Chunk<'f> {
    pub(crate) start: u64,
    pub(crate) rows: usize,
    frame: &'f DataFrame,
    offset: usize,
    cells: Vec<OnceLock<Result<Cells, RunError>>>,
    masks: Vec<OnceLock<Result<Option<Vec<u8>>, RunError>>>,
}

impl<'f> Chunk<'f> {
    /// A frame of so many rows in chunks.
    pub(crate) fn cut(frame: &'f DataFrame, rows: usize, start: u64, fields: usize, conditions: usize) -> Vec<Self> {
        (0..rows)
            .step_by(CHUNK_ROWS)
            .map(|offset| Self {
                start: start + offset as u64,
                rows: CHUNK_ROWS.min(rows - offset),
                frame,
                offset,
                cells: (0..fields).map(|_| OnceLock::new()).collect(),
                masks: (0..conditions).map(|_| OnceLock::new()).collect(),
            })
            .collect()
    }

    /// The cells of the `at`th field.
    pub(crate) fn cells(&self, at: usize, field: &Field) -> Result<&Cells, RunError> {
        let read = || {
            let none = |_| RunError::no_column(&field.name, []);
            let column = self.frame.column(&field.name).map_err(none)?;
            Cells::read(&column.slice(self.offset as i64, self.rows), field)
        };
        self.cells[at].get_or_init(read).as_ref().map_err(Clone::clone)
    }

    /// 1 for rows under the `at`th condition; `None` for all rows.
    pub(crate) fn mask(
        &self,
        at: usize,
        mask: impl FnOnce() -> Result<Option<Vec<u8>>, RunError>,
    ) -> Result<Option<&[u8]>, RunError> {
        match self.masks[at].get_or_init(mask) {
            Ok(mask) => Ok(mask.as_deref()),
            Err(error) => Err(error.clone()),
        }
    }
}
