//! An id for rows that have none.

use med_schema::{Column as Declared, Kind, Role, Table, ValueType};
use polars::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Transform, Transformed, free, report};
use crate::EtlError;
use crate::content::RowBytes;

/// Adds a key made of what identifies a row: 32 hexadecimal digits, the first 128 bits of the BLAKE3 digest of the
/// identifying values and their columns' names.
///
/// The id depends on nothing else: not on the row's place, the other rows, the order of the columns, or whether a whole
/// number is held as integer or float. A second row with the same identifying values gets `-2` behind its id, a third
/// `-3`; which of them is the second is decided by the remaining columns, so the order of the rows does not matter.
///
/// Its limits follow from that. When one identifying value changes, the row has a new id: where the source has a
/// key, use that instead. And among rows that share their identifying values, a new one may take over a number. Two
/// different rows share an id with a probability below 10^-25 for a million rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientId {
    #[serde(default = "default_name")]
    name: String,
    /// Empty: all columns but target and event time.
    #[serde(default)]
    from: Vec<String>,
}

fn default_name() -> String {
    "client_id".to_owned()
}

impl Default for ClientId {
    fn default() -> Self {
        Self { name: default_name(), from: Vec::new() }
    }
}

impl ClientId {
    /// A column `name` made from all columns but the target and the event time.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), from: Vec::new() }
    }

    /// Made from these columns instead.
    #[must_use]
    pub fn from_columns<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.from = columns.into_iter().map(Into::into).collect();
        self
    }

    /// The identifying columns of this table, by name.
    fn identifying<'t>(&'t self, table: &'t Table) -> Result<Vec<&'t str>, EtlError> {
        let schema = table.schema();
        let mut names: Vec<&str> = if self.from.is_empty() {
            let identifies = |c: &&Declared| !matches!(c.role, Role::Target | Role::EventTime);
            schema.columns().iter().filter(identifies).map(|c| c.name.as_str()).collect()
        } else {
            self.from.iter().map(|name| schema.column(name).map(|c| c.name.as_str())).collect::<Result<_, _>>()?
        };
        if names.is_empty() {
            return Err(EtlError::NoColumns { what: "a client id" });
        }
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }
}

impl Transform for ClientId {
    fn name(&self) -> &str {
        "client_id"
    }

    fn apply(&self, table: Table) -> Result<Transformed, EtlError> {
        free(&table, &self.name)?;
        let names = self.identifying(&table)?;
        let mut rest: Vec<&str> = table.schema().names().filter(|n| !names.contains(n)).collect();
        rest.sort_unstable();
        let digests = digests(table.frame(), &names)?;
        let (occurrences, shared) = occurrences(table.frame(), &digests, &rest)?;

        let mut ids = StringChunkedBuilder::new(PlSmallStr::from_str(&self.name), digests.len());
        for (digest, occurrence) in digests.iter().zip(&occurrences) {
            match occurrence {
                1 => ids.append_value(format!("{digest:032x}")),
                n => ids.append_value(format!("{digest:032x}-{n}")),
            }
        }
        let mut report = report(Transform::name(self), table.n_rows());
        report.columns_added.push(self.name.clone());
        report.rows_not_distinct = Some(shared);
        let (mut frame, schema) = table.into_parts();
        frame.with_column(ids.finish().into_column())?;
        let declared = Declared::new(&self.name, Kind::Identifier, ValueType::Text).role(Role::Key);
        Ok(Transformed { table: Table::parse(frame, schema.with_column(declared)?)?, report })
    }
}

/// One digest a row, of these columns and their names.
fn digests(frame: &DataFrame, names: &[&str]) -> Result<Vec<u128>, EtlError> {
    let mut key = blake3::Hasher::new_derive_key("med-etl client id 1");
    for name in names {
        key.update(&(name.len() as u64).to_le_bytes()).update(name.as_bytes());
    }
    let key = *key.finalize().as_bytes();
    let rows = rows_of(frame, names)?;
    let mut buffer = Vec::new();
    let digest = |row| {
        buffer.clear();
        rows.write(row, &mut buffer);
        let digest = blake3::keyed_hash(&key, &buffer);
        digest.as_bytes()[..16].iter().fold(0, |number: u128, byte| number << 8 | u128::from(*byte))
    };
    Ok((0..frame.height()).map(digest).collect())
}

/// For every row, which of the rows with its digest it is, from 1; and how many rows share theirs with another.
fn occurrences(frame: &DataFrame, digests: &[u128], rest: &[&str]) -> Result<(Vec<u32>, u64), EtlError> {
    let mut order: Vec<usize> = (0..digests.len()).collect();
    order.sort_unstable_by_key(|row| digests[*row]);
    let mut occurrences = vec![1; digests.len()];
    let mut shared = 0;
    for group in order.chunk_by(|a, b| digests[*a] == digests[*b]).filter(|group| group.len() > 1) {
        shared += group.len() as u64;
        let rows = rows_of(frame, rest)?;
        let mut group: Vec<(Vec<u8>, usize)> = group
            .iter()
            .map(|row| {
                let mut bytes = Vec::new();
                rows.write(*row, &mut bytes);
                (bytes, *row)
            })
            .collect();
        group.sort_unstable();
        for ((_, row), occurrence) in group.into_iter().zip(1..) {
            occurrences[row] = occurrence;
        }
    }
    Ok((occurrences, shared))
}

fn rows_of<'a>(frame: &'a DataFrame, names: &[&str]) -> Result<RowBytes<'a>, EtlError> {
    let columns = names.iter().map(|name| frame.column(name)).collect::<PolarsResult<Vec<_>>>()?;
    Ok(RowBytes::of(columns)?)
}
