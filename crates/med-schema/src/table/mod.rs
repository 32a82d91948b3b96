//! A polars frame that has been parsed against a schema. The one place where CSV and Parquet files become tables.

mod csv;
mod error;
mod features;
mod held;
#[cfg(test)]
mod held_tests;
mod infer;
mod mixed;
mod parquet;
mod row_groups;
mod whole;

use std::path::Path;
use std::sync::Arc;

use polars::prelude::{DataFrame, DataType, IdxCa, IdxSize, TimeUnit};

pub use csv::CsvOptions;
pub use error::{TableError, TableMismatch};
pub use infer::infer_schema;
pub use mixed::MixedColumn;
pub use parquet::{ParquetFile, Written};
pub use row_groups::{ParquetBatches, ParquetParts};
pub use whole::write_file;

use crate::{ColumnDifference, ColumnPatch, Fingerprint, FingerprintHasher, Role, Schema, SchemaDifference, ValueType};

/// A frame whose columns are those of its schema, in that order, held as the schema says, without missing values where
/// the schema allows none.
///
/// Types narrower than the six of [`ValueType`] are widened when the frame is parsed (32-bit integers, single precision,
/// dictionaries, milliseconds; integers where floats are expected, if nothing is lost); nothing else is converted.
///
/// ```
/// use med_schema::{Column, Kind, Schema, Table, ValueType};
/// use polars::prelude::df;
/// let schema = Schema::new(vec![Column::new("age", Kind::Count, ValueType::Integer)])?;
/// let table = Table::parse(df!("age" => [34_i32, 51])?, schema.clone())?;
/// assert_eq!(table.n_rows(), 2);
/// let refused = Table::parse(df!("Age" => ["34", "51"])?, schema).unwrap_err();
/// assert!(refused.to_string().contains("\"age\": expected integer, found no such column (there is Age)"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Table {
    schema: Arc<Schema>,
    frame: DataFrame,
}

impl Table {
    /// Parses a frame. Columns are put into the schema's order.
    ///
    /// # Errors
    /// [`TableError::Mismatch`], which holds the frame and lists every column that is missing, not expected, of another type, or has
    /// missing values where none may be.
    pub fn parse(frame: DataFrame, schema: Schema) -> Result<Self, TableError> {
        let mut differences = Vec::new();
        let mut columns = Vec::with_capacity(schema.len());
        for expected in schema.columns() {
            let Ok(found) = frame.column(&expected.name) else {
                let spare = frame.columns().iter().map(|c| c.name().as_str()).filter(|n| !schema.contains(n));
                differences.push(ColumnDifference::Missing {
                    name: expected.name.clone(),
                    expected: expected.value_type,
                    near: crate::near_names(&expected.name, spare),
                });
                continue;
            };
            match widen(found, expected.value_type) {
                Some(column) => {
                    let nulls = column.null_count();
                    if nulls > 0 && !expected.nullable {
                        let first_row = column.is_null().first_true_idx();
                        differences.push(ColumnDifference::Nulls {
                            name: expected.name.clone(),
                            nulls: Some(nulls),
                            first_row,
                        });
                    }
                    columns.push(column);
                }
                None => differences.push(ColumnDifference::Type {
                    name: expected.name.clone(),
                    expected: expected.value_type,
                    found: found.dtype().to_string(),
                }),
            }
        }
        for column in frame.columns() {
            if !schema.contains(column.name()) {
                let found = column.dtype().to_string();
                differences.push(ColumnDifference::Unexpected { name: column.name().to_string(), found });
            }
        }
        if let Some(difference) = SchemaDifference::from_columns(differences) {
            return Err(TableError::Mismatch(Box::new(TableMismatch { difference, frame })));
        }
        let frame = DataFrame::new(frame.height(), columns)?;
        Ok(Self { schema: Arc::new(schema), frame })
    }

    /// Parses a frame against the schema that its content suggests; see [`infer_schema`].
    ///
    /// # Errors
    /// When a column has a type that no schema can hold.
    pub fn infer(frame: DataFrame) -> Result<Self, TableError> {
        Self::infer_with(frame, &[])
    }

    /// As [`Table::infer`], with what a schema file says in place of what is inferred.
    ///
    /// # Errors
    /// As [`Table::infer`], and when a patch names a column that is not there or does not fit.
    pub fn infer_with(frame: DataFrame, patches: &[ColumnPatch]) -> Result<Self, TableError> {
        let frame = infer::canonical(frame)?;
        let schema = infer_schema(&frame)?.patched(patches)?;
        Self::parse(frame, schema)
    }

    /// Reads a file, CSV or Parquet by its ending, and infers its schema.
    ///
    /// Of the types of Parquet, decimals are read as integers where they have no fraction, else as the nearest floats; unsigned and
    /// 128-bit integers as integers. Times of day, durations, bytes, lists, structs and maps are held by no table.
    ///
    /// # Errors
    /// When the file has another ending, cannot be read, or is not what its ending says; the error names the file, and for CSV
    /// the line. When a column is of a type that no table holds, or has an integer beyond 64 bits.
    pub fn read(path: impl AsRef<Path>, options: &CsvOptions) -> Result<Self, TableError> {
        Self::read_needed(path, options, |_| true).map(|(table, _)| table)
    }

    /// As [`Table::read`], but columns of a Parquet file that are not needed are left out where no table can hold them, for their type or
    /// for a value; with each comes the error that it would have been.
    ///
    /// # Errors
    /// As [`Table::read`].
    pub fn read_needed(
        path: impl AsRef<Path>,
        options: &CsvOptions,
        needed: impl Fn(&str) -> bool,
    ) -> Result<(Self, Vec<TableError>), TableError> {
        let path = path.as_ref();
        let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase());
        let needed = |name: &str| needed(name) || options.columns.iter().any(|patch| patch.name == name);
        let (frame, left_out) = match ending.as_deref() {
            Some("csv") => (csv::read(path, options)?, Vec::new()),
            Some("parquet") => parquet::read(path, &needed)?,
            _ => return Err(TableError::Ending { path: path.to_owned() }),
        };
        Ok((Self::infer_with(frame, &options.columns)?, left_out))
    }

    /// The names of a file's columns, in order, without reading its rows.
    ///
    /// # Errors
    /// As [`Table::read`].
    pub fn column_names(path: impl AsRef<Path>) -> Result<Vec<String>, TableError> {
        let path = path.as_ref();
        let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase());
        match ending.as_deref() {
            Some("csv") => csv::names(path),
            Some("parquet") => parquet::names(path),
            _ => Err(TableError::Ending { path: path.to_owned() }),
        }
    }

    /// Reads CSV from memory and infers its schema.
    ///
    /// # Errors
    /// When the bytes are not CSV; the error has the line.
    pub fn from_csv(bytes: &[u8], options: &CsvOptions) -> Result<Self, TableError> {
        Self::infer_with(csv::parse(bytes, Path::new("<memory>"), options)?, &options.columns)
    }

    /// Writes a file, CSV or Parquet (zstd) by its ending. The file appears whole or not at all.
    ///
    /// # Errors
    /// When the file has another ending or cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<u64, TableError> {
        let path = path.as_ref();
        let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase());
        match ending.as_deref() {
            Some("csv") => csv::write(path, self),
            Some("parquet") => parquet::write(path, self),
            _ => Err(TableError::Ending { path: path.to_owned() }),
        }
    }

    /// The contract.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The frame.
    pub fn frame(&self) -> &DataFrame {
        &self.frame
    }

    /// Frame and schema.
    pub fn into_parts(self) -> (DataFrame, Schema) {
        (self.frame, Arc::unwrap_or_clone(self.schema))
    }

    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.frame.height()
    }

    /// These rows, in this order; a row may be taken more than once.
    ///
    /// # Errors
    /// When a row is past the end.
    pub fn take(&self, rows: &[usize]) -> Result<Self, TableError> {
        let n = self.n_rows();
        if let Some(&row) = rows.iter().find(|&&r| r >= n) {
            return Err(TableError::Row { row, rows: n });
        }
        // Rows are below the height, which fits IdxSize.
        let index = IdxCa::from_vec("rows".into(), rows.iter().map(|&r| r as IdxSize).collect());
        Ok(Self { schema: Arc::clone(&self.schema), frame: self.frame.take(&index)? })
    }

    /// These columns alone, in this order.
    ///
    /// # Errors
    /// When a name is not there or asked for twice.
    pub fn select<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Result<Self, TableError> {
        let schema = self.schema.select(names)?;
        let frame = self.frame.select(schema.names())?;
        Ok(Self { schema: Arc::new(schema), frame })
    }

    /// The same rows under a schema that differs in roles, kinds, units or domains.
    ///
    /// # Errors
    /// As [`Table::parse`].
    pub fn with_schema(self, schema: Schema) -> Result<Self, TableError> {
        Self::parse(self.frame, schema)
    }

    /// The names of the columns that have this role.
    pub fn names_with_role(&self, role: Role) -> Vec<&str> {
        self.schema.with_role(role).map(|c| c.name.as_str()).collect()
    }

    /// Fingerprint of the content: names, types and values in order. Two tables of equal content have equal fingerprints,
    /// however their memory is laid out.
    ///
    /// # Errors
    /// Never for a table that exists; the signature follows polars'.
    pub fn fingerprint(&self) -> Result<Fingerprint, TableError> {
        let mut hasher = FingerprintHasher::new();
        hasher.part((self.n_rows() as u64).to_le_bytes());
        for (spec, column) in self.schema.columns().iter().zip(self.frame.columns()) {
            hasher.part(&spec.name).part(spec.value_type.as_str());
            let mut bytes = Vec::with_capacity(self.n_rows() * 9);
            let physical = column.as_materialized_series().to_physical_repr();
            let mut push = |value: Option<&[u8]>| match value {
                Some(value) => {
                    bytes.push(1);
                    bytes.extend_from_slice(value);
                }
                None => bytes.push(0),
            };
            match spec.value_type {
                ValueType::Boolean => {
                    physical.bool()?.iter().for_each(|v| push(v.map(|v| [u8::from(v)]).as_ref().map(|v| &v[..])))
                }
                ValueType::Float => {
                    physical
                        .f64()?
                        .iter()
                        .for_each(|v| push(v.map(|v| v.to_bits().to_le_bytes()).as_ref().map(|v| &v[..])));
                }
                ValueType::Integer | ValueType::Timestamp => {
                    physical.i64()?.iter().for_each(|v| push(v.map(i64::to_le_bytes).as_ref().map(|v| &v[..])));
                }
                ValueType::Date => {
                    physical.i32()?.iter().for_each(|v| push(v.map(i32::to_le_bytes).as_ref().map(|v| &v[..])));
                }
                ValueType::Text => physical.str()?.iter().for_each(|v| {
                    push(v.map(|v| (v.len() as u64).to_le_bytes()).as_ref().map(|v| &v[..]));
                    push(v.map(str::as_bytes));
                }),
            }
            hasher.part(&bytes);
        }
        Ok(hasher.finish())
    }
}

/// The polars type that holds a [`ValueType`].
pub(crate) fn data_type(value_type: ValueType) -> DataType {
    match value_type {
        ValueType::Boolean => DataType::Boolean,
        ValueType::Integer => DataType::Int64,
        ValueType::Float => DataType::Float64,
        ValueType::Text => DataType::String,
        ValueType::Date => DataType::Date,
        ValueType::Timestamp => DataType::Datetime(TimeUnit::Microseconds, None),
    }
}

/// The [`ValueType`] that a polars type widens to, if any.
pub(crate) fn value_type(dtype: &DataType) -> Option<ValueType> {
    match dtype {
        DataType::Boolean => Some(ValueType::Boolean),
        d if d.is_integer() => Some(ValueType::Integer),
        DataType::Float32 | DataType::Float64 => Some(ValueType::Float),
        DataType::String | DataType::Categorical(..) | DataType::Enum(..) | DataType::Null => Some(ValueType::Text),
        DataType::Date => Some(ValueType::Date),
        DataType::Datetime(..) => Some(ValueType::Timestamp),
        _ => None,
    }
}

/// The column as `expected`, if it can be widened to it without loss.
fn widen(column: &polars::prelude::Column, expected: ValueType) -> Option<polars::prelude::Column> {
    let wanted = data_type(expected);
    if *column.dtype() == wanted {
        return Some(column.clone());
    }
    let fits = match column.dtype() {
        DataType::Null => true,
        d if d.is_integer() && expected == ValueType::Float => {
            let exact = 1_i64 << 53;
            let wide = column.strict_cast(&DataType::Int64).ok()?;
            wide.i64().ok()?.iter().flatten().all(|v| (-exact..=exact).contains(&v))
        }
        d => value_type(d) == Some(expected),
    };
    if fits { column.strict_cast(&wanted).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Column, Kind};
    use polars::prelude::{NamedFrom, Series, df};
    use proptest::prelude::*;

    fn float(name: &str) -> Column {
        Column::new(name, Kind::Continuous, ValueType::Float)
    }

    #[test]
    fn narrow_types_are_widened_and_lossy_ones_refused() {
        let schema = || Schema::new(vec![float("x")]).unwrap();
        for frame in [df!("x" => [1_i32, 2]), df!("x" => [1_f32, 2.0]), df!("x" => [1_u64, 2])] {
            let table = Table::parse(frame.unwrap(), schema()).unwrap();
            assert_eq!(table.frame().column("x").unwrap().f64().unwrap().to_vec(), [Some(1.0), Some(2.0)]);
        }
        assert!(Table::parse(df!("x" => [(1_i64 << 53) + 1]).unwrap(), schema()).is_err());
        assert!(Table::parse(df!("x" => ["1"]).unwrap(), schema()).is_err());
        let integer = Schema::new(vec![Column::new("x", Kind::Count, ValueType::Integer)]).unwrap();
        assert!(Table::parse(df!("x" => [1.0]).unwrap(), integer.clone()).is_err());
        assert!(Table::parse(df!("x" => [u64::MAX]).unwrap(), integer).is_err());
    }

    #[test]
    fn nulls_are_refused_with_their_number_and_first_row() {
        let schema = Schema::new(vec![float("x")]).unwrap();
        let error = Table::parse(df!("x" => [Some(1.0), None, None]).unwrap(), schema).unwrap_err();
        assert!(
            error.to_string().contains("\"x\": expected no missing values, found 2, the first in row 1"),
            "{error}"
        );
        let TableError::Mismatch(mismatch) = error else { unreachable!() };
        assert_eq!(mismatch.frame.height(), 3, "the frame is not lost");
        assert!(!format!("{mismatch:?}").contains("1.0"), "and not printed");
    }

    #[test]
    fn equal_content_has_equal_fingerprints_whatever_the_chunks() {
        let whole = Table::infer(df!("x" => [1.0, 2.0], "t" => ["a", "b"]).unwrap()).unwrap();
        let mut parts = df!("x" => [1.0], "t" => ["a"]).unwrap();
        parts.vstack_mut(&df!("x" => [2.0], "t" => ["b"]).unwrap()).unwrap();
        let parts = Table::parse(parts, whole.schema().clone()).unwrap();
        assert_eq!(whole.fingerprint().unwrap(), parts.fingerprint().unwrap());
        let other = whole.take(&[1, 0]).unwrap();
        assert_ne!(whole.fingerprint().unwrap(), other.fingerprint().unwrap());
        assert!(matches!(whole.take(&[2]), Err(TableError::Row { row: 2, rows: 2 })));
    }

    fn any_series(name: String) -> impl Strategy<Value = Series> {
        let n = 3;
        prop_oneof![
            prop::collection::vec(any::<Option<i64>>(), n).prop_map({
                let name = name.clone();
                move |v| Series::new(name.as_str().into(), v)
            }),
            prop::collection::vec(any::<Option<i32>>(), n).prop_map({
                let name = name.clone();
                move |v| Series::new(name.as_str().into(), v)
            }),
            prop::collection::vec(any::<Option<f64>>(), n).prop_map({
                let name = name.clone();
                move |v| Series::new(name.as_str().into(), v)
            }),
            prop::collection::vec(any::<Option<bool>>(), n).prop_map({
                let name = name.clone();
                move |v| Series::new(name.as_str().into(), v)
            }),
            prop::collection::vec(proptest::option::of("[a-c]{0,2}"), n)
                .prop_map(move |v| Series::new(name.as_str().into(), v)),
        ]
    }

    fn any_frame() -> impl Strategy<Value = DataFrame> {
        prop::sample::subsequence(vec!["a", "b", "c"], 1..=3)
            .prop_flat_map(|names| names.into_iter().map(|n| any_series(n.to_owned())).collect::<Vec<_>>())
            .prop_map(|series| DataFrame::new(3, series.into_iter().map(Into::into).collect()).unwrap())
    }

    fn any_schema() -> impl Strategy<Value = Schema> {
        let column = |name: &'static str| {
            let kinds = prop_oneof![
                Just((Kind::Continuous, ValueType::Float)),
                Just((Kind::Count, ValueType::Integer)),
                Just((Kind::Binary, ValueType::Boolean)),
                Just((Kind::Nominal, ValueType::Text)),
                Just((Kind::Date, ValueType::Date)),
            ];
            (kinds, any::<bool>()).prop_map(move |((k, t), n)| Column::new(name, k, t).nullable(n))
        };
        (column("a"), column("b"), column("c"), 1..=3_usize)
            .prop_map(|(a, b, c, n)| Schema::new([a, b, c].into_iter().take(n).collect()).unwrap())
    }

    proptest! {
        /// A table that exists has exactly the columns of its schema, in order, held as it says, and no missing value where
        /// it allows none. A frame that is refused differs in at least one column that the error names.
        #[test]
        fn a_table_never_differs_from_its_schema(frame in any_frame(), schema in any_schema()) {
            match Table::parse(frame, schema.clone()) {
                Ok(table) => {
                    prop_assert!(table.schema().names().eq(table.frame().columns().iter().map(|c| c.name().as_str())));
                    for (spec, column) in table.schema().columns().iter().zip(table.frame().columns()) {
                        prop_assert_eq!(column.dtype(), &data_type(spec.value_type));
                        prop_assert!(spec.nullable || column.null_count() == 0);
                    }
                }
                Err(TableError::Mismatch(mismatch)) => prop_assert!(!mismatch.difference.columns().is_empty()),
                Err(other) => prop_assert!(false, "{other}"),
            }
        }

        /// What is inferred from a frame always parses it.
        #[test]
        fn an_inferred_schema_fits(frame in any_frame()) {
            let height = frame.height();
            prop_assert_eq!(Table::infer(frame).unwrap().n_rows(), height);
        }
    }
}
