//! Definitions that change within a version of a group: more columns, wider types, another suite.
//!
//! The first definition lies beside the data in `_med/group.json` and stays. A later one is committed as watermarks are:
//! it comes into force in the commit that changes the table, so a reader sees both or neither, and each version of the data
//! has the definition it was written under.

use std::sync::Arc;

use med_schema::{Schema, SuiteDocument, Version};
use serde_json::Value;

use super::{FeatureGroup, FeatureGroupDefinition, read_definition};
use crate::delta::{DeltaEngine, DeltaTable, Stored, evolution_refused};
use crate::{Batch, Result, StoreError, layout};

/// The watermark that holds the definition in force. Not to be used for a source.
const DEFINITION: &str = "med.definition";

impl FeatureGroup {
    /// The group with this schema, which has the columns of the present one and may have more: new columns must be nullable,
    /// a type may become a wider one, a column that had to have values may be without; see [`DeltaTable::evolve`]. Rows that
    /// are there have no values in new columns. Roles, keys, partitions and units that were said stay. Handles that are open go on
    /// with the former schema. Done once: the same schema again changes nothing.
    ///
    /// # Errors
    /// When the change is more than that: it is a new version of the group then. The error lists everything. When the
    /// definition was changed by another writer meanwhile, or a value has no like in the wider type.
    pub async fn evolve(&self, batch: impl Into<Batch>, schema: &Schema) -> Result<Self> {
        let (definition, marked) = self.current().await?;
        let differences = refused(&definition, schema);
        if !differences.is_empty() {
            return Err(StoreError::Evolution { table: definition.id(), differences });
        }
        let changed = FeatureGroupDefinition { schema: schema.clone(), ..definition.clone() };
        self.redefine(batch.into(), &definition, changed, marked).await
    }

    /// The group with this suite: rows are taken from here on when this very suite has admitted them. Former inserts keep
    /// the reports they came with, and former versions of the data the definition with the suite of their time.
    ///
    /// # Errors
    /// When the definition was changed by another writer meanwhile, or the store fails.
    pub async fn attach_suite(&self, batch: impl Into<Batch>, suite: SuiteDocument) -> Result<Self> {
        let (definition, marked) = self.current().await?;
        let changed = FeatureGroupDefinition { suite: Some(suite), ..definition.clone() };
        self.redefine(batch.into(), &definition, changed, marked).await
    }

    async fn redefine(
        &self,
        batch: Batch,
        before: &FeatureGroupDefinition,
        after: FeatureGroupDefinition,
        marked: Option<Value>,
    ) -> Result<Self> {
        after.validate()?;
        let (name, version) = (after.name.clone(), after.version);
        if *before != after {
            let id = after.id();
            let value = serde_json::to_value(&after)
                .map_err(|e| StoreError::Encode { what: format!("definition of {id}"), source: e.into() })?;
            let wanted: Vec<_> = after.schema.columns().iter().map(|c| (c.name.clone(), c.value_type)).collect();
            let plan = move |stored: &Stored<'_>| {
                if stored.watermark(DEFINITION)? != marked {
                    let differences = vec!["another writer has changed the definition meanwhile; try again".to_owned()];
                    return Err(StoreError::Definition { group: id.clone(), differences });
                }
                stored.evolution(&wanted)
            };
            self.table.write(batch.with_watermark(DEFINITION, value), plan).await?;
        }
        Self::open(Arc::clone(self.table.engine()), &name, Some(version)).await
    }

    /// The definition in force now, and the watermark that holds it.
    async fn current(&self) -> Result<(FeatureGroupDefinition, Option<Value>)> {
        let first = read_definition(self.table.engine(), &self.definition.name, self.definition.version).await?;
        let marked = self.table.watermark(DEFINITION, None).await?;
        Ok((parse(&first.id(), marked.clone())?.unwrap_or(first), marked))
    }
}

/// The definition in force at a version of the data, or the latest.
pub(super) async fn in_force(
    engine: &Arc<DeltaEngine>,
    first: FeatureGroupDefinition,
    version: Option<Version>,
) -> Result<FeatureGroupDefinition> {
    let folder = layout::group(&first.name, first.version);
    let (table, id) = (folder.clone(), first.id());
    // A run killed between definition and table leaves a group without data.
    if !engine.run(move |engine| engine.has_table(&folder)).await? {
        return Ok(first);
    }
    let marked = DeltaTable::at(Arc::clone(engine), table, first.schema.clone()).watermark(DEFINITION, version).await?;
    Ok(parse(&id, marked)?.unwrap_or(first))
}

/// The suite that rows must have passed in this state of the table; `known` is that of a handle opened before.
pub(super) fn suite_in_force(
    stored: &Stored<'_>,
    id: &str,
    known: &Option<SuiteDocument>,
) -> Result<Option<SuiteDocument>> {
    Ok(parse(id, stored.watermark(DEFINITION)?)?.map_or_else(|| known.clone(), |definition| definition.suite))
}

fn parse(id: &str, marked: Option<Value>) -> Result<Option<FeatureGroupDefinition>> {
    let failed =
        |e: serde_json::Error| StoreError::Malformed { object: format!("definition of {id}"), source: e.into() };
    marked.map(serde_json::from_value).transpose().map_err(failed)
}

/// Everything that forbids the schema to take the place of the present one.
fn refused(definition: &FeatureGroupDefinition, schema: &Schema) -> Vec<String> {
    let mut refused = evolution_refused(&definition.schema, schema);
    for column in definition.schema.columns() {
        let Ok(found) = schema.column(&column.name) else { continue };
        let name = &column.name;
        if found.role != column.role {
            refused.push(format!("{name:?}: expected role {}, found {}; a role stays", column.role, found.role));
        }
        // One that was not said may be.
        if found.unit != column.unit && column.unit.is_some() {
            refused.push(format!("{name:?}: expected unit {:?}, found {:?}; a unit stays", column.unit, found.unit));
        }
        let in_key = definition.row_key().contains(name);
        if in_key && column.value_type != found.value_type {
            refused.push(format!("{name:?}: the type of a key column stays"));
        }
    }
    refused
}
