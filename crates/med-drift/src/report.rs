//! What came of a comparison, and how it answers in the shared vocabulary of checks.

use std::fmt;

use med_schema::{CheckResult, Report, Severity};
use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{ChunkScores, Decision, Method, Preset, SampleKind, TableRule};

/// What of a column has drifted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DriftReason {
    /// The values.
    Values,
    /// The share of missing values.
    MissingValues,
    /// Rows with levels the reference does not have.
    NewLevels,
}

impl fmt::Display for DriftReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Values => "values",
            Self::MissingValues => "missing values",
            Self::NewLevels => "new levels",
        })
    }
}

/// Drift of one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnDrift {
    /// Name of the column; the key in JSON.
    #[serde(default, skip_serializing)]
    pub name: String,
    /// How its values were compared.
    pub kind: SampleKind,
    /// The measure.
    pub method: Method,
    /// The distance; larger is more drift. `None` when it is not defined, infinite, or there are too few rows: see `message`.
    pub score: Option<f64>,
    /// From profiles: how far `score` can be from the score of the rows, 0 where it is that score. With 99 % confidence for numbers, for sure for names;
    /// `None` when there is no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score_error: Option<f64>,
    /// How likely so large a distance is by chance, where the measure knows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p_value: Option<f64>,
    /// `p_value` adjusted for the number of tests in the table, with [`DriftParams::adjust`](crate::DriftParams::adjust).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adjusted_p_value: Option<f64>,
    /// How large the difference is, whatever the method: the Kolmogorov-Smirnov distance, for names the total variation; in \[0, 1\].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect_size: Option<f64>,
    /// What has drifted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<DriftReason>,
    /// With [`DriftParams::calibrate`](crate::DriftParams::calibrate): the score that is exceeded without drift with the probability `threshold` at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibrated_score: Option<f64>,
    /// Where drift begins.
    pub threshold: f64,
    /// Whether the threshold is one of the score or of the p-value.
    pub decided_by: Decision,
    /// Whether the column has drifted.
    pub drifted: bool,
    /// Rows of the reference that have a value.
    pub reference_rows: usize,
    /// Rows of the current table that have a value.
    pub current_rows: usize,
    /// Rows of the reference that have none.
    pub reference_nulls: usize,
    /// Rows of the current table that have none.
    pub current_nulls: usize,
    /// Chunk by chunk, where the table is judged in chunks; `score` is then the largest of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunks: Option<ChunkScores>,
    /// Why there is no score, or what to know of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Drift of a table. In JSON `columns` is a map from name to column, in the order of the reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DriftReport {
    /// The preset used.
    pub preset: Preset,
    /// When the whole table counts as drifted.
    pub table: TableRule,
    /// One entry a column.
    #[serde(serialize_with = "as_map", deserialize_with = "from_map")]
    pub columns: Vec<ColumnDrift>,
    /// Drifted columns over all columns, those without a score included; in \[0, 1\].
    pub share_drifted: f64,
    /// Whether the whole table has drifted.
    pub drifted: bool,
}

impl DriftReport {
    /// The column of this name.
    pub fn column(&self, name: &str) -> Option<&ColumnDrift> {
        self.columns.iter().find(|c| c.name == name)
    }

    /// The same in the shared vocabulary: one `column_drift` a column, severity warning, and one `table_drift`, severity critical.
    ///
    /// A column that could not be compared passes, with the reason in its message, as it gives no sign of drift; whoever wants every
    /// column compared asks for a `null` in `observed`.
    pub fn to_report(&self) -> Report {
        let report = self.columns.iter().fold(Report::new("drift"), |report, column| report.with(column.to_result()));
        let drifted: Vec<&str> = self.columns.iter().filter(|c| c.drifted).map(|c| c.name.as_str()).collect();
        let expected = match self.table {
            TableRule::AnyColumn => "no drifted column".to_owned(),
            TableRule::Share(share) => format!("a share of drifted columns below {share}"),
        };
        let mut whole = CheckResult::judged("table_drift", !self.drifted)
            .severity(Severity::Critical)
            .expected(expected)
            .observed(self.share_drifted)
            .detail("columns", self.columns.len())
            .detail("drifted_columns", drifted.clone());
        if self.drifted {
            whole =
                whole.message(format!("{} of {} columns: {}", drifted.len(), self.columns.len(), drifted.join(", ")));
        }
        report.with(whole)
    }
}

impl ColumnDrift {
    fn to_result(&self) -> CheckResult {
        let expected = match self.decided_by {
            Decision::Score => format!("{} below {}", self.method, self.threshold),
            Decision::PValue => format!("p-value of {} above {}", self.method, self.threshold),
        };
        let mut result = CheckResult::judged("column_drift", !self.drifted)
            .column(&self.name)
            .severity(Severity::Warning)
            .expected(expected)
            .observed(self.score)
            .detail("kind", self.kind.to_string())
            .detail("method", self.method.as_str())
            .detail("threshold", self.threshold)
            .detail("reference_rows", self.reference_rows)
            .detail("current_rows", self.current_rows)
            .detail("reference_nulls", self.reference_nulls)
            .detail("current_nulls", self.current_nulls);
        if let Some(error) = self.score_error {
            result = result.detail("score_error", error);
        }
        if let Some(score) = self.calibrated_score {
            result = result.detail("calibrated_score", score);
        }
        if let Some(p) = self.p_value {
            result = result.detail("p_value", p);
        }
        if let Some(p) = self.adjusted_p_value {
            result = result.detail("adjusted_p_value", p);
        }
        if self.reasons.iter().any(|&r| r != DriftReason::Values) {
            let reasons: Vec<String> = self.reasons.iter().map(ToString::to_string).collect();
            result = result.detail("reasons", reasons.clone());
            if self.message.is_none() {
                result = result.message(format!("drift of {}", reasons.join(" and ")));
            }
        }
        match &self.message {
            Some(message) => result.message(message),
            None => result,
        }
    }
}

fn as_map<S: Serializer>(columns: &[ColumnDrift], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(columns.len()))?;
    for column in columns {
        map.serialize_entry(&column.name, column)?;
    }
    map.end()
}

fn from_map<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ColumnDrift>, D::Error> {
    struct Columns;

    impl<'de> Visitor<'de> for Columns {
        type Value = Vec<ColumnDrift>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map from column name to its drift")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut columns = Vec::new();
            while let Some((name, column)) = map.next_entry::<String, ColumnDrift>()? {
                columns.push(ColumnDrift { name, ..column });
            }
            Ok(columns)
        }
    }

    deserializer.deserialize_map(Columns)
}
