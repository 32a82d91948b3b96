//! When the rows became true.

use chrono::{DateTime, Utc};
use med_schema::{Column as Declared, Kind, Role, Table, ValueType};
use polars::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Transform, Transformed, free, report};
use crate::EtlError;

/// Adds the batch's event time as a column of role [`Role::EventTime`], the same moment in every row, cut to microseconds.
///
/// The moment is given by configuration or by the extraction, never taken from a clock: a second run over the same batch
/// must say the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventTime {
    #[serde(default = "default_name")]
    name: String,
    at: DateTime<Utc>,
}

fn default_name() -> String {
    "event_time".to_owned()
}

impl EventTime {
    /// A column `name` of this moment.
    pub fn new(name: impl Into<String>, at: DateTime<Utc>) -> Self {
        Self { name: name.into(), at }
    }
}

impl Transform for EventTime {
    fn name(&self) -> &str {
        "event_time"
    }

    fn apply(&self, table: Table) -> Result<Transformed, EtlError> {
        free(&table, &self.name)?;
        let mut report = report(self.name(), table.n_rows());
        report.columns_added.push(self.name.clone());
        let (mut frame, schema) = table.into_parts();
        let micros = self.at.timestamp_micros();
        let column = Int64Chunked::full(PlSmallStr::from_str(&self.name), micros, frame.height())
            .into_datetime(TimeUnit::Microseconds, None);
        frame.with_column(column.into_column())?;
        let declared = Declared::new(&self.name, Kind::Timestamp, ValueType::Timestamp).role(Role::EventTime);
        Ok(Transformed { table: Table::parse(frame, schema.with_column(declared)?)?, report })
    }
}
