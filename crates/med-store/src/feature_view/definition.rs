//! What a feature view is.

use std::collections::HashSet;

use med_schema::{Role, Schema, ValueType};
use serde::{Deserialize, Serialize};

use crate::{FeatureGroupDefinition, Result, StoreError, layout};

/// A feature group as a view uses it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupColumns {
    /// Name of the group.
    pub group: String,
    /// Version of its schema.
    pub version: u32,
    /// Columns taken, besides those of the key; none named: all.
    #[serde(default)]
    pub columns: Vec<String>,
}

/// A feature group joined to the points of a view: for each point the latest row of its key at or before its event time.
///
/// | field | meaning | default |
/// | --- | --- | --- |
/// | `from` | the group and its columns | |
/// | `prefix` | put before the names of its columns | none |
/// | `max_age_seconds` | older rows are not used, as if missing | any age |
/// | `available_at` | column that says when a row became known; a row that was not known at the point's time is not used, and of rows of one event time the one known last is | the event time |
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JoinedGroup {
    /// The group and its columns.
    pub from: GroupColumns,
    /// Put before the names of its columns.
    #[serde(default)]
    pub prefix: String,
    /// Older rows are not used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_seconds: Option<u32>,
    /// Column that says when a row became known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available_at: Option<String>,
}

/// Columns of several feature groups, correct at each point in time. The points are the rows of one group, which has the
/// target too; the others are joined as of the event time of each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureViewDefinition {
    /// What it is called.
    pub name: String,
    /// Its version, from 1.
    pub version: u32,
    /// What it holds, in words.
    #[serde(default)]
    pub description: String,
    /// The points.
    pub points: GroupColumns,
    /// What is joined to them.
    #[serde(default)]
    pub joins: Vec<JoinedGroup>,
}

impl FeatureViewDefinition {
    /// Name and version as one word.
    pub fn id(&self) -> String {
        layout::group_id(&self.name, self.version)
    }
}

impl JoinedGroup {
    /// Columns that find a row: the primary key without the time it became known.
    pub(super) fn keys(&self, group: &FeatureGroupDefinition) -> Vec<String> {
        group.primary_key.iter().filter(|key| self.available_at.as_ref() != Some(*key)).cloned().collect()
    }
}

/// Columns a group gives: those named, or all but its row key.
pub(super) fn taken(from: &GroupColumns, group: &FeatureGroupDefinition, hidden: Option<&str>) -> Vec<String> {
    let key = group.row_key();
    if !from.columns.is_empty() {
        return from.columns.iter().filter(|name| !key.contains(name)).cloned().collect();
    }
    let names = group.schema.names().filter(|name| !key.iter().any(|k| k == name) && hidden != Some(*name));
    names.map(ToOwned::to_owned).collect()
}

/// The schema of the view over these groups; the first one has the points.
pub(super) fn schema(
    view: &FeatureViewDefinition,
    points: &FeatureGroupDefinition,
    joined: &[FeatureGroupDefinition],
) -> Result<Schema> {
    let wrong = |reason: String| StoreError::View { view: view.id(), reason };
    layout::check_name("feature view", &view.name)?;
    let mut columns = Vec::new();
    for name in points.row_key().iter().chain(&taken(&view.points, points, None)) {
        columns.push(points.schema.column(name).map_err(|e| wrong(e.to_string()))?.clone());
    }
    for (join, group) in view.joins.iter().zip(joined) {
        for key in join.keys(group) {
            let there = columns.iter().find(|c| c.name == key).map(|c| c.value_type);
            let wanted = group.schema.column(&key).map_err(|e| wrong(e.to_string()))?.value_type;
            if there != Some(wanted) {
                return Err(wrong(format!(
                    "the points have no column {key:?} of type {wanted} to find rows of {}",
                    group.id()
                )));
            }
        }
        if let Some(column) = &join.available_at {
            let found = group.schema.column(column).map_err(|e| wrong(e.to_string()))?;
            if !matches!(found.value_type, ValueType::Date | ValueType::Timestamp) {
                return Err(wrong(format!("{column:?} of {} is neither date nor timestamp", group.id())));
            }
        }
        for name in taken(&join.from, group, join.available_at.as_deref()) {
            let mut column = group.schema.column(&name).map_err(|e| wrong(e.to_string()))?.clone();
            column.name = format!("{}{name}", join.prefix);
            // A point may find no row. What is a target, weight or exposure elsewhere is a feature here.
            column.nullable = true;
            if column.role != Role::Protected {
                column.role = Role::Feature;
            }
            columns.push(column);
        }
    }
    let mut seen = HashSet::new();
    if let Some(twice) = columns.iter().find(|c| !seen.insert(c.name.clone())) {
        return Err(wrong(format!("column {:?} is there twice; give the joined group a prefix", twice.name)));
    }
    Schema::new(columns).map_err(|e| wrong(e.to_string()))
}
