//! How the columns of a Parquet file become columns of a frame: most as polars reads them, some by their own bytes, some not at all.
//!
//! polars is built without its types for decimals, 128-bit integers, structs and fixed-size lists, and panics where it meets them. So it is
//! asked for the columns that it can hold, and the rest is decoded here into Arrow arrays and from there into the six value types.

use std::collections::HashSet;
use std::fs::File;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

use polars::prelude::{
    ArrowDataType, ArrowField, Column, DataFrame, DataType, Float64Chunked, Int64Chunked, IntoColumn, NewChunkedArray,
    ParallelStrategy, ParquetReader, PlSmallStr, PolarsError, PolarsResult, SerReader, StringChunkedBuilder,
    UnknownKind,
};
use polars_arrow::array::{Array, FixedSizeBinaryArray, PrimitiveArray};
use polars_arrow::types::i256;
use polars_parquet::read::{
    BasicDecompressor, Filter, PageReader, PhysicalType, RowGroupMetadata, column_iter_to_arrays,
};

use super::TableError;

/// How a column of a file is held in a frame.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Held {
    /// As polars reads it.
    Polars(DataType),
    /// Whole numbers over so many powers of ten.
    Decimal { precision: usize, scale: usize },
    /// Integers that may be beyond those of a table.
    Wide,
    /// Floats of 16 bits.
    Half,
    /// Not at all.
    No(DataType),
}

/// How decimals are handed over.
#[derive(Debug, Clone, Default)]
pub(super) enum Decimals {
    /// As integers where they have no fraction, else as the nearest floats.
    #[default]
    Numbers,
    /// As texts with all their digits; those of these columns with a comma for the point.
    Texts(HashSet<String>),
}

impl Held {
    pub(super) fn of(field: &ArrowField) -> Self {
        use ArrowDataType as A;
        match &field.dtype {
            A::Decimal(precision, scale)
            | A::Decimal32(precision, scale)
            | A::Decimal64(precision, scale)
            | A::Decimal256(precision, scale) => Self::Decimal { precision: *precision, scale: *scale },
            A::UInt64 | A::Int128 | A::UInt128 => Self::Wide,
            A::Float16 => Self::Half,
            // Moments are handed over without their zone.
            A::Timestamp(unit, _) => Self::Polars(DataType::Datetime(unit.into(), None)),
            A::Null
            | A::Boolean
            | A::Int8
            | A::Int16
            | A::Int32
            | A::Int64
            | A::UInt8
            | A::UInt16
            | A::UInt32
            | A::Float32
            | A::Float64
            | A::Date32
            | A::Date64
            | A::Utf8
            | A::LargeUtf8
            | A::Utf8View => Self::Polars(DataType::from_arrow_field(field)),
            A::Dictionary(_, values, _) if matches!(**values, A::Utf8 | A::LargeUtf8 | A::Utf8View) => {
                Self::Polars(DataType::from_arrow_field(field))
            }
            A::Binary | A::LargeBinary | A::BinaryView | A::FixedSizeBinary(_) => Self::No(DataType::Binary),
            A::Time32(_) | A::Time64(_) => Self::No(DataType::Time),
            A::Duration(unit) => Self::No(DataType::Duration(unit.into())),
            _ => Self::No(DataType::Unknown(UnknownKind::Any)),
        }
    }

    /// The type that a frame has it in.
    pub(super) fn data_type(&self, decimals: &Decimals) -> DataType {
        match self {
            Self::Polars(held) | Self::No(held) => held.clone(),
            Self::Decimal { .. } if matches!(decimals, Decimals::Texts(_)) => DataType::String,
            Self::Wide | Self::Decimal { scale: 0, .. } => DataType::Int64,
            Self::Decimal { .. } | Self::Half => DataType::Float64,
        }
    }
}

/// The name of a type of a file, for an error.
pub(super) fn type_name(dtype: &ArrowDataType) -> String {
    use ArrowDataType as A;
    match dtype {
        A::Decimal(p, s) | A::Decimal32(p, s) | A::Decimal64(p, s) | A::Decimal256(p, s) => {
            format!("decimal({p}, {s})")
        }
        A::UInt64 => "u64".to_owned(),
        A::Int128 => "i128".to_owned(),
        A::UInt128 => "u128".to_owned(),
        A::Binary | A::LargeBinary | A::BinaryView => "binary".to_owned(),
        A::FixedSizeBinary(bytes) => format!("binary of {bytes} bytes"),
        A::Time32(_) | A::Time64(_) => "time of day".to_owned(),
        A::Duration(_) => "duration".to_owned(),
        A::Interval(_) => "interval".to_owned(),
        A::List(_) | A::LargeList(_) => "list".to_owned(),
        A::FixedSizeList(_, items) => format!("list of {items} items"),
        A::Map(..) => "map".to_owned(),
        A::Struct(_) => "struct".to_owned(),
        A::Extension(extension) => format!("extension {}", extension.name),
        other => format!("{other:?}"),
    }
}

/// Rows of a file, and what is wanted of them.
pub(super) struct Wanted<'a> {
    pub(super) path: &'a Path,
    /// Names of the columns, in the order they are to have.
    pub(super) columns: &'a [String],
    /// Rows from 0 among the row groups that the reader knows of.
    pub(super) rows: Range<usize>,
    /// Rows of the file before those, for an error.
    pub(super) before: u64,
    pub(super) parallel: ParallelStrategy,
    pub(super) decimals: &'a Decimals,
}

impl Wanted<'_> {
    /// Reads the rows.
    pub(super) fn read(&self, mut reader: ParquetReader<File>) -> Result<DataFrame, TableError> {
        let parquet = |source| TableError::Parquet { path: self.path.to_owned(), source };
        let schema = reader.schema().map_err(parquet)?;
        let metadata = reader.get_metadata().map_err(parquet)?.clone();
        let (mut plain, mut decoded) = (Vec::new(), Vec::new());
        for name in self.columns {
            let Some(field) = schema.get(name.as_str()) else {
                return Err(parquet(PolarsError::ColumnNotFound(name.clone().into())));
            };
            match Held::of(field) {
                Held::Polars(_) => plain.push(name.clone()),
                Held::No(_) => {
                    return Err(TableError::Type { column: name.clone(), found: type_name(&field.dtype) });
                }
                held => decoded.push((field, held)),
            }
        }
        let height = self.rows.len();
        let frame = if plain.is_empty() {
            DataFrame::new(height, Vec::new()).map_err(parquet)?
        } else {
            let reader = reader.with_columns(Some(plain)).with_slice(Some((self.rows.start, height)));
            reader.read_parallel(self.parallel).finish().map_err(parquet)?
        };
        if decoded.is_empty() && frame.width() == self.columns.len() {
            return frame.select(self.columns.iter().map(String::as_str)).map_err(parquet);
        }
        let mut columns = Vec::with_capacity(self.columns.len());
        for name in self.columns {
            columns.push(match decoded.iter().find(|(field, _)| field.name == name.as_str()) {
                None => frame.column(name).map_err(parquet)?.clone(),
                Some((field, held)) => self.decode(&metadata.row_groups, field, held)?,
            });
        }
        DataFrame::new(height, columns).map_err(parquet)
    }

    fn decode(&self, groups: &[RowGroupMetadata], field: &ArrowField, held: &Held) -> Result<Column, TableError> {
        let parquet = |source| TableError::Parquet { path: self.path.to_owned(), source };
        let mut file = File::open(self.path).map_err(|source| TableError::Io { path: self.path.to_owned(), source })?;
        let mut values = Building::new(self.rows.len(), &field.name, held, self.decimals);
        let mut first = 0;
        for group in groups {
            let here = first..first + group.num_rows();
            first = here.end;
            let (start, end) = (self.rows.start.max(here.start), self.rows.end.min(here.end));
            if start >= end {
                continue;
            }
            let wanted = start - here.start..end - here.start;
            for array in arrays(&mut file, group, field, wanted).map_err(parquet)? {
                values.push_all(&*array).map_err(parquet)?;
            }
        }
        values.finish(&field.name).map_err(|row| TableError::Misfit {
            column: field.name.to_string(),
            row: self.before + row as u64,
            found: type_name(&field.dtype),
        })
    }
}

/// The arrays of one column in these rows of a row group.
fn arrays(
    file: &mut File,
    group: &RowGroupMetadata,
    field: &ArrowField,
    rows: Range<usize>,
) -> PolarsResult<Vec<Box<dyn Array>>> {
    let absent = || PolarsError::ColumnNotFound(field.name.to_string().into());
    let chunk = group.columns_under_root_iter(&field.name).and_then(|mut chunks| chunks.next()).ok_or_else(absent)?;
    let range = chunk.byte_range();
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(range.start))?;
    file.take(range.end - range.start).read_to_end(&mut bytes)?;
    let pages = PageReader::new(Cursor::new(bytes.into()), chunk, Vec::new(), usize::MAX);
    let mut field = field.clone();
    match (Held::of(&field), chunk.physical_type()) {
        // Kept as its two bytes, whose meaning is worked out here.
        (Held::Half, _) => field.dtype = ArrowDataType::FixedSizeBinary(2),
        // How many bits hold them is for the file to say, whatever the schema that it carries.
        (Held::Decimal { precision, scale }, PhysicalType::FixedLenByteArray(17..)) => {
            field.dtype = ArrowDataType::Decimal256(precision, scale);
        }
        (Held::Decimal { precision, scale }, _) => field.dtype = ArrowDataType::Decimal(precision, scale),
        _ => {}
    }
    let kind = &chunk.descriptor().descriptor.primitive_type;
    let decompressed = BasicDecompressor::new(pages, Vec::new());
    let filter = Some(Filter::new_ranged(rows.start, rows.end));
    Ok(column_iter_to_arrays(vec![decompressed], vec![kind], field, filter)?.0)
}

/// The values of one column as they come.
enum Values {
    Whole(Vec<Option<i64>>),
    Real(Vec<Option<f64>>),
    /// With the character between whole and fraction.
    Text(StringChunkedBuilder, char),
}

/// The values, what is to be known of them, and the first that has no like in a frame.
struct Building {
    values: Values,
    scale: usize,
    rows: usize,
    misfit: Option<usize>,
}

impl Building {
    fn new(rows: usize, name: &str, held: &Held, decimals: &Decimals) -> Self {
        let (values, scale) = match (held, decimals) {
            (Held::Decimal { scale, .. }, Decimals::Texts(comma)) => {
                let point = if comma.contains(name) { ',' } else { '.' };
                (Values::Text(StringChunkedBuilder::new(name.into(), rows), point), *scale)
            }
            (Held::Decimal { scale, .. }, Decimals::Numbers) if *scale > 0 => {
                (Values::Real(Vec::with_capacity(rows)), *scale)
            }
            (Held::Half, _) => (Values::Real(Vec::with_capacity(rows)), 0),
            _ => (Values::Whole(Vec::with_capacity(rows)), 0),
        };
        Self { values, scale, rows: 0, misfit: None }
    }

    fn push_all(&mut self, array: &dyn Array) -> PolarsResult<()> {
        let any = array.as_any();
        if let Some(wide) = any.downcast_ref::<PrimitiveArray<i128>>() {
            wide.iter().for_each(|v| self.push(v.map(|v| Some(*v))));
        } else if let Some(widest) = any.downcast_ref::<PrimitiveArray<i256>>() {
            widest.iter().for_each(|v| self.push(v.map(|v| i128::try_from(*v).ok())));
        } else if let Some(unsigned) = any.downcast_ref::<PrimitiveArray<u64>>() {
            unsigned.iter().for_each(|v| self.push(v.map(|v| Some(i128::from(*v)))));
        } else if let Some(unsigned) = any.downcast_ref::<PrimitiveArray<u128>>() {
            unsigned.iter().for_each(|v| self.push(v.map(|v| i128::try_from(*v).ok())));
        } else if let (Some(halves), Values::Real(values)) =
            (any.downcast_ref::<FixedSizeBinaryArray>(), &mut self.values)
        {
            values.extend(halves.iter().map(|bytes| {
                let bytes: Option<[u8; 2]> = bytes.and_then(|b| b.try_into().ok());
                bytes.map(|b| of_half(u16::from_le_bytes(b)))
            }));
            self.rows += halves.len();
        } else {
            return Err(polars_err(format!("arrays of type {:?} are not known here", array.dtype())));
        }
        Ok(())
    }

    /// A value; the inner `None` is beyond 128 bits.
    fn push(&mut self, value: Option<Option<i128>>) {
        let fits = match &mut self.values {
            Values::Whole(values) => {
                let fitting = value.map(|v| v.and_then(|v| i64::try_from(v).ok()));
                values.push(fitting.flatten());
                fitting != Some(None)
            }
            Values::Real(values) => {
                values.push(value.flatten().and_then(|v| real(v, self.scale)));
                value != Some(None)
            }
            Values::Text(values, point) => {
                values.append_option(value.flatten().map(|v| text(v, self.scale, *point)));
                value != Some(None)
            }
        };
        if !fits {
            self.misfit.get_or_insert(self.rows);
        }
        self.rows += 1;
    }

    /// The column, or the first row that has no like in it.
    fn finish(self, name: &PlSmallStr) -> Result<Column, usize> {
        if let Some(row) = self.misfit {
            return Err(row);
        }
        Ok(match self.values {
            Values::Whole(v) => Int64Chunked::from_iter_options(name.clone(), v.into_iter()).into_column(),
            Values::Real(v) => Float64Chunked::from_iter_options(name.clone(), v.into_iter()).into_column(),
            Values::Text(builder, _) => builder.finish().into_column(),
        })
    }
}

fn polars_err(reason: String) -> PolarsError {
    PolarsError::ComputeError(reason.into())
}

/// The float nearest to `value` over ten to the power of `scale`.
fn real(value: i128, scale: usize) -> Option<f64> {
    // Both are exact up to here, so that their quotient is rounded once.
    const EXACT_POWERS: usize = 22;
    if value.unsigned_abs() <= 1 << 53 && scale <= EXACT_POWERS {
        return Some(value as f64 / 10_f64.powi(scale as i32));
    }
    text(value, scale, '.').parse().ok()
}

/// The decimal with all its digits.
fn text(value: i128, scale: usize, point: char) -> String {
    let digits = format!("{:0width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let sign = if value < 0 { "-" } else { "" };
    if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}{point}{fraction}") }
}

/// The value of a float of 16 bits: a sign, five bits of exponent and ten of fraction.
fn of_half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    sign * match exponent {
        0 => fraction * 2_f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (1.0 + fraction / 1024.0) * 2_f64.powi(exponent - 15),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_keep_their_digits() {
        for (value, scale, expected) in [
            (12_345, 2, "123.45"),
            (-5, 2, "-0.05"),
            (0, 3, "0.000"),
            (7, 0, "7"),
            (i128::MIN, 0, &i128::MIN.to_string()),
        ] {
            assert_eq!(text(value, scale, '.'), expected);
        }
        assert_eq!(text(1_234, 3, ','), "1,234");
        assert_eq!(real(101, 2), Some(1.01));
        // The nearest float, not the quotient of two rounded ones.
        assert_eq!(real(12_345_678_901_234_567_891, 9), Some(12_345_678_901.234_568));
        assert_eq!(real(1, 30), Some(1e-30));
    }

    #[test]
    fn floats_of_16_bits_are_read() {
        for (bits, expected) in [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65_504.0),
            (0x0001, 5.960_464_477_539_063e-8),
            (0x3555, 0.333_251_953_125),
            (0xfc00, f64::NEG_INFINITY),
        ] {
            assert_eq!(of_half(bits), expected);
        }
        assert!(of_half(0x7e00).is_nan());
    }
}
