//! Feature views: columns of several feature groups, each as it was known at the time of the point it is joined to.

mod as_of;
mod definition;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use med_schema::{Schema, Table, Version};
use polars::prelude::DataFrame;

use as_of::{Conditions, Timed};
pub use definition::{FeatureViewDefinition, GroupColumns, JoinedGroup};

use crate::delta::DeltaEngine;
use crate::{FeatureGroup, Result, StoreError, layout, object, sealed};

/// The Delta version of each feature group that was read, by the group's id.
pub type GroupVersions = BTreeMap<String, Version>;

/// A feature view of a lake.
#[derive(Debug, Clone)]
pub struct FeatureView {
    pub(crate) engine: Arc<DeltaEngine>,
    definition: Arc<FeatureViewDefinition>,
    points: FeatureGroup,
    joined: Vec<FeatureGroup>,
    schema: Schema,
}

impl FeatureView {
    pub(crate) async fn open_or_create(engine: Arc<DeltaEngine>, definition: FeatureViewDefinition) -> Result<Self> {
        let view = Self::over(engine, definition, None).await?;
        let definition = &*view.definition;
        let path = layout::view(&definition.name, definition.version);
        if !object::put_new(&**view.engine.store(), &path, sealed::seal(path.as_ref(), definition)?).await? {
            let stored = stored(&view.engine, &definition.name, definition.version).await?;
            let free = |d: &FeatureViewDefinition| FeatureViewDefinition { description: String::new(), ..d.clone() };
            if free(&stored) != free(definition) {
                let reason = "it is already defined otherwise; give it a new version".to_owned();
                return Err(StoreError::View { view: definition.id(), reason });
            }
        }
        Ok(view)
    }

    pub(crate) async fn open(engine: Arc<DeltaEngine>, name: &str, version: u32) -> Result<Self> {
        let definition = stored(&engine, name, version).await?;
        Self::over(engine, definition, None).await
    }

    /// The view over its groups as they were defined at these versions of their data.
    pub(crate) async fn at(&self, versions: &GroupVersions) -> Result<Self> {
        Self::over(Arc::clone(&self.engine), (*self.definition).clone(), Some(versions)).await
    }

    async fn over(
        engine: Arc<DeltaEngine>,
        definition: FeatureViewDefinition,
        versions: Option<&GroupVersions>,
    ) -> Result<Self> {
        let open = |group: &GroupColumns| {
            let (engine, name, version) = (Arc::clone(&engine), group.group.clone(), group.version);
            let at = versions.and_then(|versions| versions.get(&layout::group_id(&name, version)).copied());
            async move { FeatureGroup::open_at(engine, &name, Some(version), at).await }
        };
        let points = open(&definition.points).await?;
        let mut joined = Vec::new();
        for join in &definition.joins {
            joined.push(open(&join.from).await?);
        }
        let groups: Vec<_> = joined.iter().map(|group| group.definition().clone()).collect();
        let schema = definition::schema(&definition, points.definition(), &groups)?;
        Ok(Self { engine, definition: Arc::new(definition), points, joined, schema })
    }

    /// What it is.
    pub fn definition(&self) -> &FeatureViewDefinition {
        &self.definition
    }

    /// The columns it has: row key and columns of the points, then those of each joined group.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Primary key and event time of the points.
    pub(crate) fn row_key(&self) -> (Vec<String>, String) {
        let points = self.points.definition();
        (points.primary_key.clone(), points.event_time.clone())
    }

    /// The latest version of each group it reads.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn versions(&self) -> Result<GroupVersions> {
        let mut versions = GroupVersions::new();
        for group in std::iter::once(&self.points).chain(&self.joined) {
            if let Entry::Vacant(unread) = versions.entry(group.definition().id()) {
                unread.insert(group.table().version().await?);
            }
        }
        Ok(versions)
    }

    /// All points with what was true, and known, of them at their event time, sorted by key; from these versions of the
    /// groups. The same versions give the same rows for ever.
    ///
    /// # Errors
    /// When a group has no version named, or one cannot be read.
    pub async fn read(&self, versions: &GroupVersions) -> Result<Table> {
        let points = read(&self.points, versions).await?;
        let mut columns: Vec<_> = Vec::new();
        let convert =
            |e: polars::prelude::PolarsError| StoreError::Convert { what: self.definition.id(), source: e.into() };
        let taken = definition::taken(&self.definition.points, self.points.definition(), None);
        for name in self.points.definition().row_key().iter().chain(&taken) {
            columns.push(points.column(name).map_err(convert)?.clone());
        }
        for (join, group) in self.definition.joins.iter().zip(&self.joined) {
            let history = read(group, versions).await?;
            let keys = join.keys(group.definition());
            let conditions = Conditions {
                max_age: join.max_age_seconds.map(|seconds| i64::from(seconds) * 1_000_000),
                available_at: join.available_at.as_deref(),
            };
            let left = Timed { rows: &points, keys: &keys, time: &self.points.definition().event_time };
            let right = Timed { rows: &history, keys: &keys, time: &group.definition().event_time };
            let places = as_of::join(left, right, conditions)?;
            let taken = definition::taken(&join.from, group.definition(), join.available_at.as_deref());
            let rows = history.select(&taken).map_err(convert)?;
            for column in as_of::gather(&rows, &places)?.columns() {
                let name = format!("{}{}", join.prefix, column.name());
                columns.push(column.clone().with_name(name.into()));
            }
        }
        let frame = DataFrame::new(points.height(), columns).map_err(convert)?;
        let table = self.definition.id();
        Table::parse(frame, self.schema.clone()).map_err(|e| StoreError::Table { table, source: Box::new(e) })
    }
}

async fn read(group: &FeatureGroup, versions: &GroupVersions) -> Result<DataFrame> {
    let id = group.definition().id();
    let Some(version) = versions.get(&id) else {
        return Err(StoreError::NotFound { what: "version of feature group", name: id, near: Vec::new() });
    };
    Ok(group.read(Some(*version)).await?.into_parts().0)
}

async fn stored(engine: &DeltaEngine, name: &str, version: u32) -> Result<FeatureViewDefinition> {
    layout::check_name("feature view", name)?;
    let path = layout::view(name, version);
    match object::get(&**engine.store(), &path).await? {
        Some(bytes) => sealed::unseal(&path, &bytes),
        None => {
            let all = object::objects(&**engine.store(), &layout::FEATURE_VIEWS.into()).await?;
            let near = all.iter().filter_map(|meta| Some(meta.location.filename()?.strip_suffix(".json")?.to_owned()));
            Err(StoreError::NotFound {
                what: "feature view",
                name: layout::group_id(name, version),
                near: near.collect(),
            })
        }
    }
}
