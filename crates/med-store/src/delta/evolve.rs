//! Growing a table: new columns, and columns of a wider type.
//!
//! The kernel adds columns to a table and leaves types alone. Delta's own way to another type, the table feature
//! `typeWidening`, turns away every reader that does not know it, and has no rule for most of our types: a whole number that
//! becomes a float, a day that becomes a moment. A widening here therefore writes all rows anew with the wider type and
//! brings the new schema in the same commit, so that every Delta reader opens the table afterwards, and former versions
//! are read with the types they had.
//!
//! | from | to | condition |
//! | --- | --- | --- |
//! | `byte`, `short`, `integer` | integer (`long`) | |
//! | `byte`, `short`, `integer`, `long` | float (`double`) | no value beyond 2^53 either way |
//! | `float` | float (`double`) | |
//! | date | timestamp | the first moment of the day, UTC |

use std::sync::Arc;

use arrow_array::{RecordBatch, StringArray};
use delta_kernel::actions::LOG_METADATA_SCHEMA;
use delta_kernel::committer::{CommitMetadata, CommitResponse, Committer, FileSystemCommitter, PublishMetadata};
use delta_kernel::engine::arrow_data::ArrowEngineData;
use delta_kernel::engine_data::FilteredEngineData;
use delta_kernel::schema::{DataType as DeltaType, StructField, StructType};
use delta_kernel::snapshot::SnapshotRef;
use delta_kernel::transaction::UpdateTableOperation;
use delta_kernel::{Engine, KernelError, KernelResult, KernelResultIterator};
use med_schema::{Schema, ValueType};
use object_store::path::Path;
use polars::prelude::{Column, DataFrame, DataType, TimeUnit};

use super::change::{Change, Part, Plan, Removed, Stored};
use super::{read, table_schema};
use crate::{Cause, Result, StoreError, encryption};

/// Whole numbers up to here are floats exactly.
const EXACT: i64 = 1 << 53;

/// How the values of a stored column become values of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    Same,
    Wider,
    Other,
}

pub(super) fn fit(stored: &DeltaType, wanted: ValueType) -> Fit {
    if *stored == table_schema::data_type(wanted) {
        return Fit::Same;
    }
    let narrow = matches!(*stored, DeltaType::BYTE | DeltaType::SHORT | DeltaType::INTEGER);
    let wider = match wanted {
        ValueType::Integer => narrow,
        ValueType::Float => narrow || matches!(*stored, DeltaType::LONG | DeltaType::FLOAT),
        ValueType::Timestamp => *stored == DeltaType::DATE,
        ValueType::Boolean | ValueType::Text | ValueType::Date => false,
    };
    if wider { Fit::Wider } else { Fit::Other }
}

/// Whether a table of the first type can be seen as one of the second.
fn widens(from: ValueType, to: ValueType) -> bool {
    fit(&table_schema::data_type(from), to) != Fit::Other
}

/// The column with values of this type; `None` when the type is not a wider form of its own.
///
/// # Errors
/// When a whole number has no exact float.
pub(super) fn widen(column: &Column, to: ValueType) -> Result<Option<Column>, Cause> {
    let wanted = read::polars_type(to);
    let fits = match (column.dtype(), to) {
        (found, _) if *found == wanted => return Ok(Some(column.clone())),
        (DataType::Int8 | DataType::Int16 | DataType::Int32, ValueType::Integer)
        | (DataType::Float32, ValueType::Float)
        | (DataType::Date | DataType::Datetime(TimeUnit::Microseconds, _), ValueType::Timestamp) => true,
        (DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64, ValueType::Float) => {
            let whole = column.cast(&DataType::Int64)?;
            if !whole.i64()?.iter().flatten().all(|value| (-EXACT..=EXACT).contains(&value)) {
                return Err(
                    format!("column {:?} holds whole numbers beyond 2^53, which no float is", column.name()).into()
                );
            }
            true
        }
        _ => false,
    };
    Ok(if fits { Some(column.strict_cast(&wanted)?) } else { None })
}

/// Everything that forbids to see a table of the schema `before` through `after`.
pub(crate) fn refused(before: &Schema, after: &Schema) -> Vec<String> {
    let mut refused = Vec::new();
    for column in before.columns() {
        let name = &column.name;
        let Ok(found) = after.column(name) else {
            refused.push(format!("{name:?}: a column cannot be taken away"));
            continue;
        };
        // A day that becomes a moment is of another kind, as kinds go with types there.
        let kind_follows = found.kind == column.kind
            || (column.value_type == ValueType::Date && found.value_type == ValueType::Timestamp);
        if !kind_follows || !widens(column.value_type, found.value_type) {
            refused.push(format!(
                "{name:?}: expected {} of kind {} or a wider type, found {} of kind {}",
                column.value_type, column.kind, found.value_type, found.kind
            ));
        }
        if column.nullable && !found.nullable {
            refused.push(format!("{name:?}: values may be missing, and cannot be demanded afterwards"));
        }
    }
    for column in after.columns() {
        if !before.contains(&column.name) && !column.nullable {
            refused.push(format!("{:?}: a new column must be nullable, for the rows that are there", column.name));
        }
    }
    refused
}

/// What makes the stored table one of these columns: those it lacks are added; if a type is to be wider, all rows are written
/// anew.
pub(super) fn plan(stored: &Stored<'_>, wanted: &[(String, ValueType)]) -> Result<Plan> {
    let schema = stored.snapshot.schema();
    let (mut columns, mut widened, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    for (name, kind) in wanted {
        let Some(field) = schema.field(name) else {
            columns.push((name.clone(), *kind));
            continue;
        };
        match fit(field.data_type(), *kind) {
            Fit::Same => {}
            Fit::Wider if stored.partitions().contains(name) => {
                refused.push(format!("{name:?}: the type of a partition column stays"));
            }
            Fit::Wider => widened.push((name.clone(), *kind)),
            Fit::Other => {
                let found = field.data_type();
                refused.push(format!("{name:?}: the table holds it as {found}, of which {kind} is not a wider form"));
            }
        }
    }
    if !refused.is_empty() {
        return Err(StoreError::Evolution { table: stored.table.to_string(), differences: refused });
    }
    if widened.is_empty() {
        // An encrypted column changes more of the table's description than the kernel's own operation does.
        let plain = stored.engine.keys().among(columns.iter().map(|(name, _)| name.as_str())).is_empty();
        let operation = if plain {
            UpdateTableOperation::AlterTable
        } else {
            UpdateTableOperation::Custom("ADD COLUMNS".to_owned())
        };
        let change = (!columns.is_empty()).then(|| Change { operation, data_change: false, columns, ..Change::none() });
        return Ok(Plan { change, ..Plan::default() });
    }
    let added = widened_rows(stored, &widened)?;
    // The kernel's own operation for it allows no files to come and go.
    let operation = UpdateTableOperation::Custom("CHANGE COLUMN".to_owned());
    let change = Change { operation, removed: Removed::All, added, columns, widened, ..Change::none() };
    Ok(Plan { change: Some(change), ..Plan::default() })
}

/// All rows, file by file where we can read the files, with the wider types.
fn widened_rows(stored: &Stored<'_>, widened: &[(String, ValueType)]) -> Result<Vec<Part>> {
    let cast = |mut rows: DataFrame| -> Result<DataFrame> {
        let failed = |source: Cause| StoreError::Convert { what: stored.table.to_string(), source };
        for (name, kind) in widened {
            let column = rows.column(name).map_err(|e| failed(e.into()))?;
            let wide = widen(column, *kind).map_err(failed)?;
            let wide = wide.ok_or_else(|| failed(format!("column {name:?} is held as {}", column.dtype()).into()))?;
            rows.with_column(wide).map_err(|e| failed(e.into()))?;
        }
        Ok(rows)
    };
    match stored.files(None)? {
        Some(files) => files
            .into_iter()
            .map(|(file, rows)| Ok(Part { rows: cast(rows)?, modified: Some(file.modification_time) }))
            .collect(),
        None => Ok(vec![cast(stored.rows()?)?.into()]),
    }
}

/// The schema of the table after the change.
pub(super) fn schema(snapshot: &SnapshotRef, change: &Change) -> KernelResult<StructType> {
    let kept = snapshot.schema();
    let kept = kept.fields().map(|field| {
        let mut field = field.clone();
        if let Some((_, kind)) = change.widened.iter().find(|(name, _)| name == field.name()) {
            field.data_type = table_schema::data_type(*kind);
        }
        field
    });
    let added = change.columns.iter().map(|(name, kind)| StructField::nullable(name, table_schema::data_type(*kind)));
    StructType::try_new(kept.chain(added))
}

/// Commits the actions of a transaction together with another schema of the table.
#[derive(Debug)]
pub(super) struct WithSchema {
    /// The table's description with the other schema, as the log has it.
    metadata: String,
}

impl WithSchema {
    pub(super) fn new(table: &Path, snapshot: &SnapshotRef, schema: &StructType, encrypted: &[String]) -> Result<Self> {
        let failed = |source: Cause| StoreError::Delta { table: table.to_string(), action: "describe", source };
        let described =
            serde_json::to_value(snapshot.table_configuration().metadata()).map_err(|e| failed(e.into()))?;
        let mut metadata = serde_json::json!({ "metaData": described });
        metadata["metaData"]["schemaString"] = serde_json::to_string(schema).map_err(|e| failed(e.into()))?.into();
        if !encrypted.is_empty() {
            metadata["metaData"]["configuration"][encryption::ENCRYPTED] = encryption::listed(encrypted).into();
        }
        Ok(Self { metadata: metadata.to_string() })
    }

    fn action(&self, engine: &dyn Engine) -> KernelResult<FilteredEngineData> {
        let text = RecordBatch::try_from_iter([("metaData", Arc::new(StringArray::from(vec![&*self.metadata])) as _)])
            .map_err(KernelError::generic_err)?;
        let text = Box::new(ArrowEngineData::new(text));
        let parsed = engine.json_handler().parse_json(text, Arc::clone(&LOG_METADATA_SCHEMA))?;
        Ok(FilteredEngineData::with_all_rows_selected(parsed))
    }
}

impl Committer for WithSchema {
    fn commit(
        &self,
        engine: &dyn Engine,
        actions: KernelResultIterator<'_, FilteredEngineData>,
        metadata: CommitMetadata,
    ) -> KernelResult<CommitResponse> {
        let actions = actions.chain(std::iter::once(self.action(engine)));
        FileSystemCommitter::new().commit(engine, Box::new(actions), metadata)
    }

    fn is_catalog_committer(&self) -> bool {
        false
    }

    fn publish(&self, engine: &dyn Engine, metadata: PublishMetadata) -> KernelResult<()> {
        FileSystemCommitter::new().publish(engine, metadata)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_widen_where_each_value_has_its_like() {
        use ValueType::{Boolean, Date, Float, Integer, Text, Timestamp};
        let all = [Boolean, Integer, Float, Text, Date, Timestamp];
        for (from, to) in all.iter().flat_map(|from| all.iter().map(move |to| (*from, *to))) {
            let expected = from == to || matches!((from, to), (Integer, Float) | (Date, Timestamp));
            assert_eq!(widens(from, to), expected, "{from} to {to}");
        }
        assert_eq!(fit(&DeltaType::SHORT, Integer), Fit::Wider);
        assert_eq!(fit(&DeltaType::FLOAT, Float), Fit::Wider);
        assert_eq!(fit(&DeltaType::FLOAT, Integer), Fit::Other);
    }

    #[test]
    fn values_are_kept_or_refused() {
        let floats = widen(&Column::new("n".into(), [Some(EXACT), None]), ValueType::Float).unwrap().unwrap();
        assert_eq!(floats.f64().unwrap().to_vec(), [Some(EXACT as f64), None]);
        let error = widen(&Column::new("n".into(), [EXACT + 1]), ValueType::Float).unwrap_err().to_string();
        assert!(error.contains("\"n\" holds whole numbers beyond 2^53"), "{error}");
        let day = Column::new("d".into(), [2_i32]).cast(&DataType::Date).unwrap();
        let moment = widen(&day, ValueType::Timestamp).unwrap().unwrap();
        assert_eq!(moment.to_physical_repr().i64().unwrap().to_vec(), [Some(2 * 86_400_000_000)]);
        assert!(widen(&day, ValueType::Integer).unwrap().is_none());
    }
}
