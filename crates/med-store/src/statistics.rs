//! Statistics of stored rows, frozen beside them.

use med_schema::{ColumnProfile, Kind, Profile, ProfileError, ProfileOptions, Role, Table, ValueType};
use polars::prelude::PolarsError;

use crate::encryption::ColumnKeys;
use crate::{Cause, Result, StoreError};

/// Values taken in at once.
const BLOCK: usize = 8192;

/// The profile of the columns that measure something. Keys, those of the group in whatever role, identifiers and free text are left
/// out: their most common values are somebody's. So are encrypted columns.
pub(crate) fn profile(table: &Table, primary_key: &[String], keys: &ColumnKeys) -> Result<Profile> {
    let failed = |source: Cause| StoreError::Convert { what: "statistics".to_owned(), source };
    // A few kilobytes a column: they are kept with each commit.
    let options = ProfileOptions { quantile_k: 256, value_capacity: 64, seed: 0 };
    let mut columns = Vec::new();
    for column in table.schema().columns() {
        let is_key = column.role == Role::Key || primary_key.contains(&column.name);
        if is_key || matches!(column.kind, Kind::Identifier | Kind::Text) || keys.has(&column.name) {
            continue;
        }
        let mut profile = ColumnProfile::new(column.clone(), &options);
        fill(&mut profile, table, &column.name, column.value_type).map_err(|e| failed(e.into()))?;
        columns.push(profile);
    }
    Profile::new(table.n_rows() as u64, columns).map_err(|e: ProfileError| failed(e.into()))
}

fn fill(profile: &mut ColumnProfile, table: &Table, name: &str, kind: ValueType) -> Result<(), PolarsError> {
    let series = table.frame().column(name)?.as_materialized_series();
    profile.add_nulls(series.null_count() as u64);
    match kind {
        ValueType::Text => series.str()?.iter().flatten().for_each(|text| profile.add_text(text)),
        ValueType::Float => {
            let values: Vec<f64> = series.f64()?.iter().flatten().collect();
            values.chunks(BLOCK).for_each(|block| profile.add_real(block));
        }
        _ => {
            let whole = series.to_physical_repr().cast(&polars::prelude::DataType::Int64)?;
            let values: Vec<i64> = whole.i64()?.iter().flatten().collect();
            values.chunks(BLOCK).for_each(|block| profile.add_whole(block));
        }
    }
    Ok(())
}
