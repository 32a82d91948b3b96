//! Rows in an order of their own.

use med_schema::Table;
use polars::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Transform, Transformed, report};
use crate::EtlError;

/// Sorts the rows by these columns, ascending and nulls first; rows that are equal in all of them keep their order. A
/// database promises no order: sorted by a key, the same rows give the same table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Fields", into = "Fields")]
pub struct SortBy {
    columns: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    columns: Vec<String>,
}

impl TryFrom<Fields> for SortBy {
    type Error = EtlError;

    fn try_from(fields: Fields) -> Result<Self, Self::Error> {
        Self::new(fields.columns)
    }
}

impl From<SortBy> for Fields {
    fn from(step: SortBy) -> Self {
        Self { columns: step.columns }
    }
}

impl SortBy {
    /// By these columns, the first first.
    ///
    /// # Errors
    /// When there are none.
    pub fn new<S: Into<String>>(columns: impl IntoIterator<Item = S>) -> Result<Self, EtlError> {
        let columns: Vec<String> = columns.into_iter().map(Into::into).collect();
        if columns.is_empty() { Err(EtlError::NoColumns { what: "a sort" }) } else { Ok(Self { columns }) }
    }
}

impl Transform for SortBy {
    fn name(&self) -> &str {
        "sort_by"
    }

    fn apply(&self, table: Table) -> Result<Transformed, EtlError> {
        for column in &self.columns {
            table.schema().column(column)?;
        }
        let mut report = report(self.name(), table.n_rows());
        let (frame, schema) = table.into_parts();
        let order = self.order(&frame)?;
        let moved = order.iter().flatten().zip(0..).filter(|(from, to)| from != to).count();
        report.rows_moved = Some(moved as u64);
        let frame = if moved == 0 { frame } else { frame.take(&order)? };
        Ok(Transformed { table: Table::parse(frame, schema)?, report })
    }
}

impl SortBy {
    fn order(&self, frame: &DataFrame) -> Result<IdxCa, EtlError> {
        let keys = self.columns.iter().map(|c| frame.column(c).cloned()).collect::<PolarsResult<Vec<_>>>()?;
        let options = SortMultipleOptions::default()
            .with_maintain_order(true)
            .with_order_descending_multi(keys.iter().map(|_| false))
            .with_nulls_last_multi(keys.iter().map(|_| false));
        Ok(match keys.as_slice() {
            [key] => {
                key.as_materialized_series().arg_sort(SortOptions { maintain_order: true, ..SortOptions::default() })
            }
            [first, others @ ..] => first.as_materialized_series().arg_sort_multiple(others, &options)?,
            [] => IdxCa::from_vec(PlSmallStr::EMPTY, (0..).take(frame.height()).collect()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_put_in_order_of_several_columns_missing_first() {
        let frame = df!("a" => [Some(2_i64), None, Some(1), Some(1)], "b" => ["w", "x", "z", "y"]).unwrap();
        let table = Table::infer(frame).unwrap();
        let Transformed { table, report } = SortBy::new(["a", "b"]).unwrap().apply(table).unwrap();
        let b: Vec<&str> = table.frame().column("b").unwrap().str().unwrap().iter().flatten().collect();
        assert_eq!(b, ["x", "y", "z", "w"]);
        assert_eq!(report.rows_moved, Some(3));
    }
}
