//! The schema of a table in Delta's words.

use std::sync::Arc;

use delta_kernel::schema::{DataType, SchemaRef, StructField, StructType};
use med_schema::{Schema, ValueType};
use object_store::path::Path;

use super::engine::failed;
use crate::Result;

pub(super) fn to_delta(table: &Path, schema: &Schema) -> Result<SchemaRef> {
    let fields =
        schema.columns().iter().map(|column| StructField::nullable(&column.name, data_type(column.value_type)));
    Ok(Arc::new(StructType::try_new(fields).map_err(failed(table, "describe"))?))
}

pub(super) fn data_type(value_type: ValueType) -> DataType {
    match value_type {
        ValueType::Boolean => DataType::BOOLEAN,
        ValueType::Integer => DataType::LONG,
        ValueType::Float => DataType::DOUBLE,
        ValueType::Text => DataType::STRING,
        ValueType::Date => DataType::DATE,
        ValueType::Timestamp => DataType::TIMESTAMP,
    }
}
