//! Rows named by some of their columns.

use polars::prelude::{Column, DataFrame, DataType, PolarsError};

use crate::{Result, StoreError};

/// Each row's key as bytes: equal keys, equal bytes. A text is preceded by its length, so that columns cannot run
/// together.
pub(crate) fn row_keys(frame: &DataFrame, keys: &[String]) -> Result<Vec<Vec<u8>>> {
    let failed = |e: PolarsError| StoreError::Convert { what: "key of rows".to_owned(), source: e.into() };
    let mut encoded = vec![Vec::with_capacity(16 * keys.len()); frame.height()];
    for name in keys {
        let column = frame.column(name).map_err(failed)?;
        encode(column, &mut encoded).map_err(failed)?;
    }
    Ok(encoded)
}

fn encode(column: &Column, rows: &mut [Vec<u8>]) -> Result<(), PolarsError> {
    if column.dtype() == &DataType::String {
        for (row, text) in rows.iter_mut().zip(column.str()?.iter()) {
            let text = text.unwrap_or_default();
            row.extend_from_slice(&(text.len() as u64).to_le_bytes());
            row.extend_from_slice(text.as_bytes());
        }
        return Ok(());
    }
    let numbers = column.to_physical_repr().cast(&DataType::Int64)?;
    for (row, number) in rows.iter_mut().zip(numbers.i64()?.iter()) {
        row.extend_from_slice(&number.unwrap_or_default().to_le_bytes());
    }
    Ok(())
}
