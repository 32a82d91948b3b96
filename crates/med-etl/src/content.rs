//! Rows as bytes: what ids and fingerprints are made of.
//!
//! A cell is a tag and its value. Whole numbers have one form whether they are held as integers or floats, -0 is 0 and
//! every NaN is the same, so the form depends on what a value is and not on how a database or file holds it.

use med_schema::{Fingerprint, FingerprintHasher};
use polars::prelude::*;

enum Cells<'a> {
    Boolean(&'a BooleanChunked),
    Integer(&'a Int64Chunked),
    Float(&'a Float64Chunked),
    Text(&'a StringChunked),
    Date(&'a Int32Chunked),
    Timestamp(&'a Int64Chunked),
}

/// The rows of some columns of a frame, written as bytes.
pub(crate) struct RowBytes<'a> {
    columns: Vec<Cells<'a>>,
}

impl<'a> RowBytes<'a> {
    /// Of these columns, which must be of the types a table has.
    pub(crate) fn of(columns: impl IntoIterator<Item = &'a Column>) -> PolarsResult<Self> {
        let cells = |column: &'a Column| -> PolarsResult<Cells<'a>> {
            Ok(match column.dtype() {
                DataType::Boolean => Cells::Boolean(column.bool()?),
                DataType::Int64 => Cells::Integer(column.i64()?),
                DataType::Float64 => Cells::Float(column.f64()?),
                DataType::Date => Cells::Date(column.date()?.physical()),
                DataType::Datetime(TimeUnit::Microseconds, None) => Cells::Timestamp(column.datetime()?.physical()),
                _ => Cells::Text(column.str()?),
            })
        };
        Ok(Self { columns: columns.into_iter().map(cells).collect::<PolarsResult<_>>()? })
    }

    /// Appends one row to `out`.
    pub(crate) fn write(&self, row: usize, out: &mut Vec<u8>) {
        for column in &self.columns {
            match column {
                Cells::Boolean(c) => fixed(out, b'b', c.get(row).map(|v| [u8::from(v)])),
                Cells::Integer(c) => fixed(out, b'i', c.get(row).map(i64::to_le_bytes)),
                Cells::Float(c) => match c.get(row) {
                    Some(v) if v.fract() == 0.0 && v.abs() <= 9_007_199_254_740_992.0 => {
                        fixed(out, b'i', Some((v as i64).to_le_bytes()));
                    }
                    Some(v) if v.is_nan() => fixed(out, b'f', Some(f64::NAN.to_le_bytes())),
                    v => fixed(out, b'f', v.map(f64::to_le_bytes)),
                },
                Cells::Date(c) => fixed(out, b'd', c.get(row).map(i32::to_le_bytes)),
                Cells::Timestamp(c) => fixed(out, b't', c.get(row).map(i64::to_le_bytes)),
                Cells::Text(c) => {
                    let text = c.get(row);
                    fixed(out, b's', text.map(|v| (v.len() as u64).to_le_bytes()));
                    out.extend_from_slice(text.unwrap_or_default().as_bytes());
                }
            }
        }
    }
}

fn fixed<const N: usize>(out: &mut Vec<u8>, tag: u8, value: Option<[u8; N]>) {
    match value {
        Some(bytes) => {
            out.push(tag);
            out.extend_from_slice(&bytes);
        }
        None => out.push(0),
    }
}

/// Fingerprint of a multiset of rows, fed frame by frame.
#[derive(Debug, Default)]
pub(crate) struct RowSetHasher {
    lanes: [u64; 4],
    rows: u64,
    buffer: Vec<u8>,
}

impl RowSetHasher {
    pub(crate) fn add(&mut self, frame: &DataFrame) -> PolarsResult<()> {
        let rows = RowBytes::of(frame.columns())?;
        for row in 0..frame.height() {
            self.buffer.clear();
            rows.write(row, &mut self.buffer);
            let digest = blake3::hash(&self.buffer);
            for (lane, bytes) in self.lanes.iter_mut().zip(digest.as_bytes().chunks_exact(8)) {
                *lane = lane.wrapping_add(bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)));
            }
        }
        self.rows += frame.height() as u64;
        Ok(())
    }

    /// Takes in what another hasher was fed.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (lane, more) in self.lanes.iter_mut().zip(other.lanes) {
            *lane = lane.wrapping_add(more);
        }
        self.rows += other.rows;
    }

    /// With the columns' names and types, which are part of the content.
    pub(crate) fn finish<'a>(&self, columns: impl IntoIterator<Item = (&'a str, &'a str)>) -> Fingerprint {
        let mut hasher = FingerprintHasher::new();
        hasher.part("med-etl rows 1").part(self.rows.to_le_bytes());
        for (name, value_type) in columns {
            hasher.part(name).part(value_type);
        }
        for lane in self.lanes {
            hasher.part(lane.to_le_bytes());
        }
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(frames: &[DataFrame]) -> Fingerprint {
        let mut hasher = RowSetHasher::default();
        frames.iter().for_each(|f| hasher.add(f).unwrap());
        hasher.finish([("a", "integer")])
    }

    fn frame(values: &[i64]) -> DataFrame {
        DataFrame::new_infer_height(vec![Column::new("a".into(), values)]).unwrap()
    }

    #[test]
    fn order_and_batches_do_not_matter_but_every_row_does() {
        let whole = fingerprint(&[frame(&[1, 2, 2, 3])]);
        assert_eq!(fingerprint(&[frame(&[2, 3]), frame(&[1, 2])]), whole);
        assert_ne!(fingerprint(&[frame(&[1, 2, 3])]), whole);
        assert_ne!(fingerprint(&[frame(&[1, 1, 2, 3])]), whole);
    }

    #[test]
    fn whole_numbers_have_one_form() {
        let bytes = |column: Column| {
            let mut out = Vec::new();
            RowBytes::of([&column]).unwrap().write(0, &mut out);
            out
        };
        assert_eq!(bytes(Column::new("a".into(), [80_i64])), bytes(Column::new("a".into(), [80.0])));
        assert_eq!(bytes(Column::new("a".into(), [0.0])), bytes(Column::new("a".into(), [-0.0])));
        assert_ne!(bytes(Column::new("a".into(), ["80"])), bytes(Column::new("a".into(), [80_i64])));
    }
}
