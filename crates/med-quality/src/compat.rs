//! What Great Expectations sees on pandas, for those who want its answers to the letter.
//!
//! pandas holds whole numbers and booleans with missing values as floats or objects and keeps narrow types; type names are
//! numpy's.

use polars::prelude::{Column, DataFrame, DataType, IntoColumn, TimeUnit};

use crate::cells::Held;

/// The frame as pandas would hold it, as far as rules can tell: whole numbers with missing values are floats, and so is a
/// column without any value.
pub(crate) fn as_pandas(frame: &DataFrame) -> DataFrame {
    let held = |column: &Column| {
        let nulls = column.null_count();
        let wanted = match column.dtype() {
            d if d.is_integer() && nulls > 0 => Some(DataType::Float64),
            DataType::String | DataType::Null if nulls == column.len() && nulls > 0 => Some(DataType::Float64),
            _ => None,
        };
        wanted.and_then(|dtype| column.cast(&dtype).ok()).unwrap_or_else(|| column.clone())
    };
    let columns = frame.columns().iter().map(|column| held(column).into_column()).collect();
    DataFrame::new(frame.height(), columns).unwrap_or_else(|_| frame.clone())
}

/// How a column's type is called in results: the names a pandas user knows. Without compatibility narrow types are named
/// after the one they are widened to.
pub(crate) fn type_name(dtype: &DataType, held: Held, compat: bool) -> String {
    let narrow = match dtype {
        DataType::Float32 => Some("float32"),
        DataType::Int8 => Some("int8"),
        DataType::Int16 => Some("int16"),
        DataType::Int32 => Some("int32"),
        DataType::UInt8 => Some("uint8"),
        DataType::UInt16 => Some("uint16"),
        DataType::UInt32 => Some("uint32"),
        DataType::UInt64 => Some("uint64"),
        DataType::Datetime(TimeUnit::Milliseconds, None) => Some("datetime64[ms]"),
        DataType::Datetime(TimeUnit::Nanoseconds, None) => Some("datetime64[ns]"),
        _ => None,
    };
    let wide = match held {
        Held::Bool => "bool",
        Held::Int => "int64",
        Held::Float => "float64",
        Held::Text => "str",
        Held::Date => "date",
        Held::Time => "datetime64[us]",
    };
    narrow.filter(|_| compat).unwrap_or(wide).to_owned()
}
