//! Feature groups: tables with a primary key and an event time, written by upsert.

mod definition;
mod evolve;
mod record;
mod upsert;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use med_schema::{Admitted, RunId, Table, Version, near_names};
use polars::prelude::{Column, DataFrame, DataType, PolarsError, SortMultipleOptions};

pub use definition::FeatureGroupDefinition;
pub use record::InsertRecord;

use crate::delta::{Change, DeltaEngine, DeltaTable, Plan, Removed, foreign};
use crate::filter::{Filter, Value};
use crate::row_key::in_order;
use crate::{Batch, Commit, Result, StoreError, TableVersion, layout, object, sealed};
use upsert::Merged;

/// A feature group of a lake.
///
/// A row is named by its primary key and event time. [`FeatureGroup::insert`] takes nothing that has not passed a
/// gate:
///
/// ```compile_fail
/// # async fn f(group: med_store::FeatureGroup, run: med_schema::RunId, table: med_schema::Table) {
/// group.insert(&run, &table).await;
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct FeatureGroup {
    definition: Arc<FeatureGroupDefinition>,
    table: DeltaTable,
}

/// One line of a listing.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct FeatureGroupListing {
    /// Name of the group.
    pub name: String,
    /// Version of its schema.
    pub version: u32,
    /// What it holds, in words.
    pub description: String,
    /// Columns that name a row.
    pub primary_key: Vec<String>,
    /// Column of the event time.
    pub event_time: String,
    /// Latest version of its data.
    pub data_version: Version,
    /// Rows of that version.
    pub rows: u64,
}

impl FeatureGroup {
    pub(crate) async fn open_or_create(engine: Arc<DeltaEngine>, definition: FeatureGroupDefinition) -> Result<Self> {
        definition.validate()?;
        let path = layout::group_definition(&definition.name, definition.version);
        let bytes = sealed::seal(path.as_ref(), &definition)?;
        let definition = if object::put_new(&**engine.store(), &path, bytes).await? {
            definition
        } else {
            let first = read_definition(&engine, &definition.name, definition.version).await?;
            let stored = evolve::in_force(&engine, first, None).await?;
            let differences = stored.differences(&definition);
            if !differences.is_empty() {
                return Err(StoreError::Definition { group: definition.id(), differences });
            }
            stored
        };
        // The definition comes first: a killed run leaves a group whose table the next one makes.
        let folder = layout::group(&definition.name, definition.version);
        let table = DeltaTable::open_or_create(engine, folder, definition.schema.clone(), &definition.partition_by)
            .await?
            .keyed_by(&definition.primary_key);
        Ok(Self { definition: Arc::new(definition), table })
    }

    pub(crate) async fn open(engine: Arc<DeltaEngine>, name: &str, version: Option<u32>) -> Result<Self> {
        Self::open_at(engine, name, version, None).await
    }

    /// As it was defined at this version of its data, or is now.
    pub(crate) async fn open_at(
        engine: Arc<DeltaEngine>,
        name: &str,
        version: Option<u32>,
        data_version: Option<Version>,
    ) -> Result<Self> {
        layout::check_name("feature group", name)?;
        let all = ids(&engine).await?;
        let version = version.or_else(|| all.iter().filter(|(n, _)| n == name).map(|(_, v)| *v).max());
        let Some(version) = version.filter(|v| all.iter().any(|(n, found)| n == name && found == v)) else {
            let names: Vec<String> = all.iter().map(|(n, v)| layout::group_id(n, *v)).collect();
            let wanted = version.map_or_else(|| name.to_owned(), |v| layout::group_id(name, v));
            let mut near = near_names(&wanted, names.iter().map(String::as_str));
            if near.is_empty() {
                near = names;
            }
            return Err(StoreError::NotFound { what: "feature group", name: wanted, near });
        };
        let first = read_definition(&engine, name, version).await?;
        let definition = evolve::in_force(&engine, first, data_version).await?;
        let table = DeltaTable::at(engine, layout::group(name, version), definition.schema.clone())
            .keyed_by(&definition.primary_key);
        Ok(Self { definition: Arc::new(definition), table })
    }

    /// What it is.
    pub fn definition(&self) -> &FeatureGroupDefinition {
        &self.definition
    }

    /// The Delta table it is stored in.
    pub fn table(&self) -> &DeltaTable {
        &self.table
    }

    /// Brings these rows into the group. A row whose primary key and event time are new is added; one whose are there
    /// is left alone if its content is the same, and takes the place of the former one if not. When nothing changes
    /// there is no new version. A run that has made a version changes nothing a second time, whatever others wrote in between.
    ///
    /// # Errors
    /// When the schema differs, a key is missing or twice there, the store fails, or other writers were faster too
    /// many times. The group is as it was then.
    pub async fn insert(&self, batch: impl Into<Batch>, rows: &Admitted<Table>) -> Result<Commit> {
        let keys = self.definition.row_key();
        let incoming = self.table.conform(rows.value())?;
        self.bring(batch.into(), rows, incoming, keys, upsert::merge).await
    }

    /// Brings these rows into the group as all there is to know of their event times: as [`FeatureGroup::insert`], and
    /// rows that the group has of one of these times and that are not among these go. For sources that are
    /// extracted whole: a client who was corrected or deleted there is not left behind here. Former versions keep them. Columns of the
    /// group that the rows have not, and that may be missing, are missing in all of them.
    ///
    /// # Errors
    /// As [`FeatureGroup::insert`].
    pub async fn replace_batch(&self, batch: impl Into<Batch>, rows: &Admitted<Table>) -> Result<Commit> {
        let event_time = self.definition.event_time.clone();
        let incoming = self.table.conform(&self.completed(rows.value())?)?;
        self.bring(batch.into(), rows, incoming, vec![event_time.clone()], move |stored, incoming, keys| {
            upsert::replace(stored, incoming, keys, &event_time)
        })
        .await
    }

    /// `incoming` are the rows as the table has them, `concerned` the columns by which an incoming row finds the stored ones it concerns.
    async fn bring(
        &self,
        mut batch: Batch,
        rows: &Admitted<Table>,
        incoming: DataFrame,
        concerned: Vec<String>,
        merge: impl Fn(&DataFrame, &DataFrame, &[String]) -> Result<Merged> + Send + 'static,
    ) -> Result<Commit> {
        let (id, suite) = (self.definition.id(), self.definition.suite.clone());
        record::check_suite(&id, suite.as_ref(), rows.report())?;
        let report = rows.report().clone();
        let keys = self.definition.row_key();
        upsert::check_keys(&self.definition.id(), &incoming, &keys)?;
        let incoming = sort(&incoming, &keys)?;
        let folder = layout::group(&self.definition.name, self.definition.version);
        batch.attached.push(record::of(
            &folder,
            &batch.run,
            rows,
            &self.definition.primary_key,
            self.table.engine().keys(),
        )?);
        self.table
            .write(batch, move |stored| {
                let suite = evolve::suite_in_force(stored, &id, &suite)?;
                record::check_suite(&id, suite.as_ref(), &report)?;
                let incoming = stored.align(&incoming)?;
                // Other files hold none of these rows, and stay as they are.
                let files = stored.files_with(&incoming, &concerned)?;
                let (rows, heights) = match &files {
                    Some(files) => {
                        let heights: Vec<usize> = files.iter().map(|(_, rows)| rows.height()).collect();
                        (join(&incoming, files.iter().map(|(_, rows)| rows))?, heights)
                    }
                    // Files of other writers: all of it is one file.
                    None => {
                        let rows = stored.rows()?;
                        let heights = vec![rows.height()];
                        (rows, heights)
                    }
                };
                let merged = merge(&rows, &incoming, &keys)?;
                if merged.repeated > 0 {
                    let (version, foreign) = stored.origin()?;
                    let (group, columns, rows) = (id.clone(), keys.clone(), merged.repeated);
                    return Err(StoreError::RepeatedKeys { group, version, columns, rows, foreign });
                }
                let change = match (merged.inserted, merged.updated + merged.removed) {
                    (0, 0) => None,
                    (_, 0) => Some(Change::append(merged.new_rows.clone())),
                    _ => {
                        let touched = merged.touched(&heights);
                        let rows = sort(&merged.rewritten(&heights, &touched)?, &keys)?;
                        let removed = match &files {
                            None => Removed::All,
                            Some(files) => {
                                let gone = files.iter().zip(&touched).filter(|(_, touched)| **touched);
                                Removed::Files(gone.map(|((file, _), _)| file.path.clone()).collect())
                            }
                        };
                        Some(Change::merge(removed, rows))
                    }
                };
                let Merged { inserted, updated, unchanged, removed, .. } = merged;
                Ok(Plan { change, inserted, updated, unchanged, removed })
            })
            .await
    }

    /// The rows with the columns of the group that they lack and that may be missing. With a column that is not of the group a missing one
    /// is more likely misspelt than left out.
    fn completed(&self, rows: &Table) -> Result<Table> {
        if !rows.schema().names().all(|name| self.definition.schema.contains(name)) {
            return Ok(rows.clone());
        }
        let (mut columns, mut schema) = (rows.frame().columns().to_vec(), rows.schema().clone());
        let of_group = self.definition.schema.columns().iter();
        for column in of_group.filter(|c| c.nullable && !rows.schema().contains(&c.name)) {
            columns.push(Column::full_null(column.name.as_str().into(), rows.n_rows(), &DataType::Null));
            schema = schema
                .with_column(column.clone())
                .map_err(|e| StoreError::Table { table: self.definition.id(), source: Box::new(e.into()) })?;
        }
        let failed = |source| StoreError::Table { table: self.definition.id(), source: Box::new(source) };
        let frame = DataFrame::new(rows.n_rows(), columns).map_err(|e| failed(e.into()))?;
        Table::parse(frame, schema).map_err(failed)
    }

    /// Takes away all rows of these clients, whatever their event time: each entry holds one value for each column of
    /// the primary key. Former versions keep them until a [`DeltaTable::vacuum`].
    ///
    /// # Errors
    /// When an entry is not of the primary key; else as [`FeatureGroup::insert`].
    pub async fn forget(&self, batch: impl Into<Batch>, clients: &[Vec<Value>]) -> Result<Commit> {
        let key = &self.definition.primary_key;
        if let Some(wrong) = clients.iter().find(|values| values.len() != key.len()) {
            let reason = format!("expected {} values for each client, found {}", key.len(), wrong.len());
            return Err(StoreError::Key { group: self.definition.id(), column: key.join(", "), reason });
        }
        let filter = match key.as_slice() {
            [column] => Filter::one_of(column, clients.iter().flatten().cloned()),
            _ => Filter::any(
                clients
                    .iter()
                    .map(|values| Filter::all(key.iter().zip(values).map(|(c, v)| Filter::equal(c, v.clone())))),
            ),
        };
        self.table.delete(batch, filter).await
    }

    /// Rows of the filter with these columns only, sorted by primary key and event time as far as these are among them;
    /// see [`DeltaTable::scan`].
    ///
    /// # Errors
    /// As there.
    pub async fn scan(
        &self,
        columns: Option<&[&str]>,
        filter: Option<Filter>,
        version: Option<Version>,
    ) -> Result<Table> {
        let (frame, schema) = self.table.scan(columns, filter, version).await?.into_parts();
        let keys: Vec<String> = self.definition.row_key().into_iter().filter(|name| schema.contains(name)).collect();
        if keys.is_empty() {
            return self.table.parse_as(frame, schema);
        }
        self.table.parse_as(sort(&frame, &keys)?, schema)
    }

    /// All rows of the latest version, or of the one asked for, sorted by primary key and event time.
    ///
    /// # Errors
    /// When there is no such version, a file is damaged, or the rows are not of the schema. When another program brought rows whose key
    /// was there; `table().read` has them all.
    pub async fn read(&self, version: Option<Version>) -> Result<Table> {
        let table = self.table.read(version).await?;
        let keys = self.definition.row_key();
        let rows = sort(table.frame(), &keys)?;
        let repeated = upsert::repeated(&rows, &keys)?;
        if repeated > 0 {
            let version = match version {
                Some(version) => version,
                None => self.table.version().await?,
            };
            let (group, foreign) = (self.definition.id(), foreign(&self.history().await?));
            return Err(StoreError::RepeatedKeys { group, version, columns: keys, rows: repeated, foreign });
        }
        self.table.parse(rows)
    }

    /// All rows as they were at this time, by the clocks of those who wrote.
    ///
    /// # Errors
    /// When the group was not there yet; else as [`FeatureGroup::read`].
    pub async fn read_as_of(&self, time: DateTime<Utc>) -> Result<Table> {
        let version = self.table.version_as_of(time).await?;
        self.read(Some(version)).await
    }

    /// The report and the statistics kept with the insert of a run; `None` when it made no version.
    ///
    /// # Errors
    /// When the store fails or the record is damaged.
    pub async fn insert_record(&self, run: &RunId) -> Result<Option<InsertRecord>> {
        let folder = layout::group(&self.definition.name, self.definition.version);
        let path = record::path(&folder, run);
        if !self.history().await?.iter().any(|version| version.run.as_ref() == Some(run)) {
            return Ok(None);
        }
        match object::get(&**self.table.engine().store(), &path).await? {
            Some(bytes) => sealed::unseal(&path, &bytes).map(Some),
            None => Ok(None),
        }
    }

    /// Each version with its time, run and row counts, oldest first.
    ///
    /// # Errors
    /// When the store fails or the log cannot be understood.
    pub async fn history(&self) -> Result<Vec<TableVersion>> {
        self.table.history().await
    }
}

fn sort(frame: &DataFrame, keys: &[String]) -> Result<DataFrame> {
    // What was written sorted comes back sorted: most frames need no second one.
    if in_order(frame, keys)? {
        return Ok(frame.clone());
    }
    let options = SortMultipleOptions::default().with_maintain_order(true).with_multithreaded(false);
    frame.sort(keys, options).map_err(|e| StoreError::Convert { what: "sort by key".to_owned(), source: e.into() })
}

/// The rows of all files, with the columns of `like`.
fn join<'a>(like: &DataFrame, files: impl Iterator<Item = &'a DataFrame>) -> Result<DataFrame> {
    let failed = |e: PolarsError| StoreError::Convert { what: "rows of files".to_owned(), source: e.into() };
    let mut rows = like.clear();
    for file in files {
        rows.vstack_mut(file).map_err(failed)?;
    }
    rows.rechunk_mut();
    Ok(rows)
}

async fn read_definition(engine: &DeltaEngine, name: &str, version: u32) -> Result<FeatureGroupDefinition> {
    let path = layout::group_definition(name, version);
    let Some(bytes) = object::get(&**engine.store(), &path).await? else {
        return Err(StoreError::NotFound {
            what: "feature group",
            name: layout::group_id(name, version),
            near: vec![],
        });
    };
    sealed::unseal(&path, &bytes)
}

/// Name and version of each group, in ascending order.
async fn ids(engine: &DeltaEngine) -> Result<Vec<(String, u32)>> {
    let folders = object::folders(&**engine.store(), &layout::FEATURE_GROUPS.into()).await?;
    let parse = |folder: &String| {
        let (name, version) = folder.rsplit_once("_v")?;
        Some((name.to_owned(), version.parse().ok()?))
    };
    let mut ids: Vec<(String, u32)> = folders.iter().filter_map(parse).collect();
    ids.sort_unstable();
    Ok(ids)
}

pub(crate) async fn list(engine: &Arc<DeltaEngine>) -> Result<Vec<FeatureGroupListing>> {
    let mut listed = Vec::new();
    for (name, version) in ids(engine).await? {
        let group = FeatureGroup::open(Arc::clone(engine), &name, Some(version)).await?;
        let (data_version, rows) = group.table.rows().await?;
        let FeatureGroupDefinition { description, primary_key, event_time, .. } = group.definition().clone();
        listed.push(FeatureGroupListing { name, version, description, primary_key, event_time, data_version, rows });
    }
    Ok(listed)
}
