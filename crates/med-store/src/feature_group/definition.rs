//! What a feature group is.

use med_schema::{Schema, SuiteDocument, ValueType};
use serde::{Deserialize, Serialize};

use crate::{Result, StoreError, layout};

/// The definition of a feature group, stored beside its data. A change that breaks readers is a new `version`; versions
/// live side by side. What does not break them is a call of [`FeatureGroup::evolve`](crate::FeatureGroup::evolve).
///
/// | field | meaning |
/// | --- | --- |
/// | `name`, `version` | what it is called; the version counts schemas, not data |
/// | `primary_key` | columns that name a client (or whatever a row is about) |
/// | `event_time` | column that says when the row became true; with the primary key it names the row |
/// | `partition_by` | columns of few values that split the data into folders; fixed once made |
/// | `suite` | the suite itself; rows are taken when their report was made by it, content for content |
/// | `description` | what it holds, in words; may be changed freely in code, the first one is kept |
/// | `schema` | the columns |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureGroupDefinition {
    /// What it is called.
    pub name: String,
    /// Version of the schema, from 1.
    pub version: u32,
    /// Columns that name a client.
    pub primary_key: Vec<String>,
    /// Column of the event time.
    pub event_time: String,
    /// Columns that split the data into folders.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub partition_by: Vec<String>,
    /// The suite whose report each insert must come with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suite: Option<SuiteDocument>,
    /// What it holds, in words.
    #[serde(default)]
    pub description: String,
    /// The columns.
    pub schema: Schema,
}

impl FeatureGroupDefinition {
    /// Name and version as one word.
    pub fn id(&self) -> String {
        layout::group_id(&self.name, self.version)
    }

    /// Primary key and event time: together they name a row.
    pub fn row_key(&self) -> Vec<String> {
        let mut key = self.primary_key.clone();
        key.push(self.event_time.clone());
        key
    }

    /// Checks name, key and event time against the schema.
    ///
    /// # Errors
    /// When a name is not one, a key column is not in the schema, is there twice or is of type float, there is no key,
    /// or the event time is neither date nor timestamp.
    pub fn validate(&self) -> Result<()> {
        layout::check_name("feature group", &self.name)?;
        let wrong = |column: &str, reason: &str| {
            Err(StoreError::Key { group: self.id(), column: column.to_owned(), reason: reason.to_owned() })
        };
        if self.primary_key.is_empty() {
            return wrong("", "a feature group has a primary key of at least one column");
        }
        let key = self.row_key();
        for (position, name) in key.iter().enumerate() {
            let column = match self.schema.column(name) {
                Ok(column) => column,
                Err(error) => return wrong(name, &error.to_string()),
            };
            if key[..position].contains(name) {
                return wrong(name, "it is in the key twice");
            }
            if column.value_type == ValueType::Float {
                return wrong(name, "a floating-point number names nothing exactly");
            }
        }
        match self.schema.column(&self.event_time) {
            Ok(column) if matches!(column.value_type, ValueType::Date | ValueType::Timestamp) => Ok(()),
            _ => wrong(&self.event_time, "an event time is a date or a timestamp"),
        }
    }

    /// Everything in which `other` differs from this stored definition; the description is free.
    pub(crate) fn differences(&self, other: &Self) -> Vec<String> {
        let mut differences = Vec::new();
        if self.primary_key != other.primary_key {
            differences.push(format!("primary key: expected {:?}, found {:?}", self.primary_key, other.primary_key));
        }
        if self.event_time != other.event_time {
            differences.push(format!("event time: expected {:?}, found {:?}", self.event_time, other.event_time));
        }
        if self.partition_by != other.partition_by {
            differences.push(format!("partitions: expected {:?}, found {:?}", self.partition_by, other.partition_by));
        }
        if self.suite != other.suite {
            let shown = |suite: &Option<SuiteDocument>| match suite {
                Some(suite) => format!("{} ({})", suite.name(), suite.fingerprint().short()),
                None => "none".to_owned(),
            };
            differences.push(format!("suite: expected {}, found {}", shown(&self.suite), shown(&other.suite)));
        }
        if let Some(difference) = self.schema.difference(&other.schema) {
            differences.extend(difference.columns().iter().map(ToString::to_string));
        }
        // What a mere reader need not mind, and a definition must: tighter nullability, units, domains.
        for column in self.schema.columns() {
            let Ok(found) = other.schema.column(&column.name) else { continue };
            let name = &column.name;
            if column.nullable && !found.nullable {
                differences.push(format!("{name:?}: expected a nullable column, found one that is not"));
            }
            if column.unit != found.unit && (column.unit.is_none() || found.unit.is_none()) {
                differences.push(format!("{name:?}: expected unit {:?}, found {:?}", column.unit, found.unit));
            }
            if column.domain != found.domain {
                differences.push(format!("{name:?}: expected domain {:?}, found {:?}", column.domain, found.domain));
            }
        }
        differences
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use med_schema::{Column, Kind, Role};

    fn definition() -> FeatureGroupDefinition {
        let schema = Schema::new(vec![
            Column::new("client_id", Kind::Identifier, ValueType::Text).role(Role::Key),
            Column::new("event_time", Kind::Timestamp, ValueType::Timestamp).role(Role::EventTime),
            Column::new("bmi", Kind::Continuous, ValueType::Float),
        ]);
        FeatureGroupDefinition {
            name: "clients".to_owned(),
            version: 1,
            primary_key: vec!["client_id".to_owned()],
            event_time: "event_time".to_owned(),
            partition_by: Vec::new(),
            suite: None,
            description: String::new(),
            schema: schema.unwrap(),
        }
    }

    #[test]
    fn keys_must_be_able_to_name_a_row() {
        assert!(definition().validate().is_ok());
        let check = |change: fn(&mut FeatureGroupDefinition), expected: &str| {
            let mut changed = definition();
            change(&mut changed);
            let error = changed.validate().unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        check(|d| d.primary_key.clear(), "at least one column");
        check(|d| d.primary_key = vec!["client".to_owned()], "did you mean client_id?");
        check(|d| d.primary_key = vec!["bmi".to_owned()], "floating-point");
        check(|d| d.event_time = "client_id".to_owned(), "twice");
        check(|d| d.event_time = "bmi".to_owned(), "floating-point");
        check(|d| d.name = "../x".to_owned(), "expected a feature group");
    }

    #[test]
    fn differences_are_listed_together() {
        let mut other = definition();
        other.event_time = "when".to_owned();
        other.description = "free".to_owned();
        other.schema = Schema::new(vec![
            Column::new("client_id", Kind::Identifier, ValueType::Integer).role(Role::Key),
            Column::new("event_time", Kind::Timestamp, ValueType::Timestamp).role(Role::EventTime),
            Column::new("bmi", Kind::Continuous, ValueType::Float).unit("kg/m^2"),
        ])
        .unwrap();
        assert_eq!(
            definition().differences(&other),
            [
                "event time: expected \"event_time\", found \"when\"",
                "\"client_id\": expected type text, found integer",
                "\"bmi\": expected unit None, found Some(\"kg/m^2\")",
            ]
        );
        assert!(definition().differences(&definition()).is_empty());
    }
}
