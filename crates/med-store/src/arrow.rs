//! Frames to Arrow batches and back: the only place where one becomes the other, and the only one with `unsafe`.
//!
//! The two have their own types for the same memory, and both can hand it over through the Arrow C data interface, a
//! pair of C structs with a published layout. Nothing is copied but strings on the way in when they come with 32-bit
//! offsets.
//!
//! # Why the transmutes are sound
//! - `polars_arrow::ffi::{ArrowArray, ArrowSchema}` and `arrow_array::ffi::{FFI_ArrowArray, FFI_ArrowSchema}` are both
//!   `repr(C)` with the fields of the C data interface, in its order; size and alignment are asserted below.
//! - The interface says that whoever holds the struct calls its `release` callback, which the producer set, once.
//!   Both types do so when dropped. A transmute moves the struct, so it is dropped once, by the receiver, and the
//!   producer's callback frees what the producer made.
//! - Each array is imported with the type that was exported with it, which is what the import functions ask of their
//!   caller.

#![deny(unsafe_op_in_unsafe_fn)]

use std::mem::{align_of, size_of, transmute};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::ffi::{FFI_ArrowArray, FFI_ArrowSchema, from_ffi, to_ffi};
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, make_array};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use polars::prelude::{CompatLevel, DataFrame, IntoColumn, PlSmallStr, Series};
use polars_arrow::ffi::{
    ArrowArray, ArrowSchema, export_array_to_c, export_field_to_c, import_array_from_c, import_field_from_c,
};

use crate::{Cause, Result, StoreError};

const _: () = assert!(size_of::<ArrowArray>() == size_of::<FFI_ArrowArray>());
const _: () = assert!(align_of::<ArrowArray>() == align_of::<FFI_ArrowArray>());
const _: () = assert!(size_of::<ArrowSchema>() == size_of::<FFI_ArrowSchema>());
const _: () = assert!(align_of::<ArrowSchema>() == align_of::<FFI_ArrowSchema>());

fn failed(column: &str) -> impl Fn(Cause) -> StoreError {
    let what = format!("column {column:?} between polars and Arrow");
    move |source| StoreError::Convert { what: what.clone(), source }
}

/// The frame as one batch. Timestamps, which are UTC in a table, are marked so.
pub(crate) fn to_batch(frame: &DataFrame) -> Result<RecordBatch> {
    let mut fields = Vec::with_capacity(frame.width());
    let mut arrays = Vec::with_capacity(frame.width());
    for column in frame.columns() {
        let series = column.as_materialized_series().rechunk();
        let array = export(&series).map_err(failed(series.name()))?;
        fields.push(Field::new(series.name().as_str(), array.data_type().clone(), true));
        arrays.push(array);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(frame.height()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
        .map_err(|e| StoreError::Convert { what: "frame to Arrow".to_owned(), source: e.into() })
}

/// The batches, all of this schema, as one frame of one chunk a column. What a column was joined from is freed before the next one
/// is joined: there is one column more in memory than the frame has, not another frame.
pub(crate) fn to_frame(schema: &SchemaRef, batches: Vec<RecordBatch>) -> Result<DataFrame> {
    let height = batches.iter().map(RecordBatch::num_rows).sum();
    let mut parts: Vec<Vec<ArrayRef>> = vec![Vec::with_capacity(batches.len()); schema.fields().len()];
    for batch in batches {
        parts.iter_mut().zip(batch.columns()).for_each(|(part, array)| part.push(Arc::clone(array)));
    }
    let mut columns = Vec::with_capacity(parts.len());
    for (field, mut chunks) in schema.fields().iter().zip(parts) {
        if chunks.is_empty() {
            chunks.push(arrow_array::new_empty_array(field.data_type()));
        }
        columns.push(import(field.name(), &chunks).map_err(failed(field.name()))?.into_column());
    }
    DataFrame::new(height, columns)
        .map_err(|e| StoreError::Convert { what: "Arrow to frame".to_owned(), source: e.into() })
}

fn export(series: &Series) -> Result<ArrayRef, Cause> {
    let level = CompatLevel::newest();
    let field = series.field().to_arrow(level);
    let array = export_array_to_c(series.to_arrow(0, level));
    // SAFETY: same layout (asserted above), and the struct is moved; see the module.
    let schema: FFI_ArrowSchema = unsafe { transmute::<ArrowSchema, FFI_ArrowSchema>(export_field_to_c(&field)) };
    // SAFETY: as above.
    let array: FFI_ArrowArray = unsafe { transmute::<ArrowArray, FFI_ArrowArray>(array) };
    // SAFETY: array and schema were exported together, from one series.
    let array = make_array(unsafe { from_ffi(array, &schema) }?);
    Ok(match array.data_type() {
        DataType::Timestamp(TimeUnit::Microsecond, None) => {
            Arc::new(array.as_primitive::<TimestampMicrosecondType>().clone().with_timezone("UTC"))
        }
        _ => array,
    })
}

fn import(name: &str, chunks: &[ArrayRef]) -> Result<Series, Cause> {
    let chunks = chunks.iter().map(import_chunk).collect::<Result<Vec<_>, Cause>>()?;
    Ok(Series::try_from((PlSmallStr::from_str(name), chunks))?.rechunk())
}

fn import_chunk(array: &ArrayRef) -> Result<Box<dyn polars_arrow::array::Array>, Cause> {
    let data = match array.data_type() {
        // A table holds timestamps as UTC without saying so.
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => {
            array.as_primitive::<TimestampMicrosecondType>().clone().with_timezone_opt(None::<Arc<str>>).to_data()
        }
        _ => array.to_data(),
    };
    let (array, schema) = to_ffi(&data)?;
    // SAFETY: same layout (asserted above), and the struct is moved; see the module.
    let schema: ArrowSchema = unsafe { transmute::<FFI_ArrowSchema, ArrowSchema>(schema) };
    // SAFETY: as above.
    let array: ArrowArray = unsafe { transmute::<FFI_ArrowArray, ArrowArray>(array) };
    // SAFETY: the schema was just exported by arrow-rs.
    let field = unsafe { import_field_from_c(&schema) }?;
    // SAFETY: the array was exported together with this schema.
    Ok(unsafe { import_array_from_c(array, field.dtype) }?)
}

#[cfg(test)]
mod tests {
    use super::{Arc, Array, ArrayRef, RecordBatch, to_batch, to_frame};
    use arrow_array::{Int64Array, StringArray, StringViewArray};
    use arrow_schema::{DataType as ArrowType, TimeUnit as ArrowUnit};
    use polars::prelude::{Column, DataFrame, DataType, IntoColumn, NamedFrom, Series, TimeUnit};
    use proptest::prelude::*;

    fn round_trip(frame: &DataFrame) -> DataFrame {
        let batch = to_batch(frame).unwrap();
        to_frame(&batch.schema(), vec![batch]).unwrap()
    }

    fn every_type() -> DataFrame {
        let days = Series::new("day".into(), [Some(19_000_i32), None, Some(-1)]).cast(&DataType::Date).unwrap();
        let moments = Series::new("moment".into(), [None, Some(1_700_000_000_123_456_i64), Some(-1)])
            .cast(&DataType::Datetime(TimeUnit::Microseconds, None))
            .unwrap();
        DataFrame::new(
            3,
            vec![
                Column::new("flag".into(), [Some(true), None, Some(false)]),
                Column::new("count".into(), [Some(i64::MIN), None, Some(i64::MAX)]),
                Column::new("cost".into(), [Some(0.1), None, Some(f64::INFINITY)]),
                Column::new("city".into(), [Some("a text longer than twelve bytes"), None, Some("")]),
                days.into_column(),
                moments.into_column(),
            ],
        )
        .unwrap()
    }

    #[test]
    fn each_type_with_nulls_comes_back_as_it_left() {
        let frame = every_type();
        let back = round_trip(&frame);
        assert_eq!(back.schema(), frame.schema());
        assert!(back.equals_missing(&frame));
    }

    #[test]
    fn an_empty_frame_keeps_its_columns() {
        let frame = every_type().clear();
        let back = round_trip(&frame);
        assert_eq!((back.height(), back.schema()), (0, frame.schema()));
        let none = to_frame(&to_batch(&frame).unwrap().schema(), vec![]).unwrap();
        assert_eq!((none.height(), none.schema()), (0, frame.schema()));
    }

    #[test]
    fn chunks_on_either_side_are_joined() {
        let mut frame = every_type();
        frame.vstack_mut(&every_type()).unwrap();
        assert!(frame.columns()[1].n_chunks() > 1);
        assert!(round_trip(&frame).equals_missing(&frame));
        let batch = to_batch(&every_type()).unwrap();
        assert!(to_frame(&batch.schema(), vec![batch.clone(), batch]).unwrap().equals_missing(&frame));
    }

    #[test]
    fn slices_keep_their_offset() {
        let frame = every_type().slice(1, 2);
        assert!(round_trip(&frame).equals_missing(&frame));
    }

    #[test]
    fn numbers_are_not_copied() {
        let values: Vec<i64> = (0..1000).collect();
        let frame = DataFrame::new(1000, vec![Column::new("n".into(), values)]).unwrap();
        let here = frame.columns()[0].i64().unwrap().cont_slice().unwrap().as_ptr();
        let batch = to_batch(&frame).unwrap();
        let there = batch.column(0).as_any().downcast_ref::<Int64Array>().unwrap().values().as_ptr();
        assert_eq!(here, there);
        let back = to_frame(&batch.schema(), vec![batch]).unwrap();
        assert_eq!(back.columns()[0].i64().unwrap().cont_slice().unwrap().as_ptr(), there);
    }

    #[test]
    fn memory_outlives_the_side_it_came_from() {
        let batch = to_batch(&every_type()).unwrap();
        assert_eq!(batch.column(1).as_any().downcast_ref::<Int64Array>().unwrap().value(2), i64::MAX);
        let schema = batch.schema();
        let frame = to_frame(&schema, vec![batch]).unwrap();
        assert!(frame.equals_missing(&every_type()));
    }

    #[test]
    fn timestamps_say_that_they_are_utc() {
        let batch = to_batch(&every_type()).unwrap();
        let found = batch.column(5).data_type().clone();
        assert_eq!(found, ArrowType::Timestamp(ArrowUnit::Microsecond, Some("UTC".into())));
    }

    #[test]
    fn strings_of_other_writers_are_read() {
        let texts = [Some("short"), None, Some("a text longer than twelve bytes")];
        for array in [
            Arc::new(StringArray::from_iter(texts)) as ArrayRef,
            Arc::new(StringViewArray::from_iter(texts)),
            Arc::new(arrow_array::LargeStringArray::from_iter(texts)),
        ] {
            let batch = RecordBatch::try_from_iter_with_nullable([("t", array, true)]).unwrap();
            let frame = to_frame(&batch.schema(), vec![batch]).unwrap();
            let read: Vec<Option<&str>> = frame.columns()[0].str().unwrap().iter().collect();
            assert_eq!(read, texts);
        }
    }

    proptest! {
        #[test]
        fn any_values_come_back(
            rows in prop::collection::vec((any::<Option<i64>>(), any::<Option<f64>>(), any::<Option<bool>>(), "\\PC{0,20}"), 0..50),
        ) {
            let n: Vec<Option<i64>> = rows.iter().map(|r| r.0).collect();
            let x: Vec<Option<f64>> = rows.iter().map(|r| r.1).collect();
            let b: Vec<Option<bool>> = rows.iter().map(|r| r.2).collect();
            let t: Vec<&str> = rows.iter().map(|r| r.3.as_str()).collect();
            let columns = vec![
                Column::new("n".into(), n), Column::new("x".into(), x), Column::new("b".into(), b), Column::new("t".into(), t),
            ];
            let frame = DataFrame::new(rows.len(), columns).unwrap();
            prop_assert!(round_trip(&frame).equals_missing(&frame));
        }
    }
}
