//! Data files as tables, in the ways the subcommands need.

use std::path::Path;

use anyhow::{Context, bail};
use med_features::FeaturePipeline;
use med_schema::{Column, ColumnPatch, CsvOptions, Kind, Role, Schema, Table, TableError, ValueType, near_names};
use serde::Serialize;

use crate::cli::ReadArgs;

/// A column that is not given to a model or measure, and why.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Ignored {
    pub(crate) column: String,
    pub(crate) reason: String,
}

impl ReadArgs {
    /// What the options say of a file: null words, and the schema file's patches.
    pub(crate) fn options(&self) -> anyhow::Result<CsvOptions> {
        let columns = match &self.schema {
            Some(path) => {
                let text = std::fs::read_to_string(path).with_context(|| format!("schema file {}", path.display()))?;
                Schema::patches_from_toml(&text).with_context(|| format!("schema file {}", path.display()))?
            }
            None => Vec::new(),
        };
        Ok(CsvOptions { null_values: self.null_values.clone(), columns })
    }

    pub(crate) fn read(&self, path: &Path) -> anyhow::Result<Table> {
        let options = self.options()?;
        Table::read(path, &options).with_context(|| path.display().to_string())
    }

    /// As [`ReadArgs::read`], but columns that no table can hold are an error only if they are needed, else they are left out with the reason.
    pub(crate) fn read_needed(
        &self,
        path: &Path,
        needed: impl Fn(&str) -> bool,
    ) -> anyhow::Result<(Table, Vec<Ignored>)> {
        let (table, left_out) =
            Table::read_needed(path, &self.options()?, needed).with_context(|| path.display().to_string())?;
        Ok((table, left_out.iter().filter_map(not_held).collect()))
    }

    /// As [`ReadArgs::read`] for a model that is not given the columns excluded: of them none is an error.
    pub(crate) fn read_without(&self, path: &Path, exclude: &[String]) -> anyhow::Result<(Table, Vec<Ignored>)> {
        self.read_needed(path, |name| !exclude.iter().any(|excluded| excluded == name))
    }

    /// Reads a file as a companion of another: columns that both have are of the kinds `like` says. Those that `like` has not are left out
    /// where no table can hold them.
    /// Whole numbers are read as floats, so that `1` and `1.5` are one column.
    pub(crate) fn read_like(&self, path: &Path, like: &Schema) -> anyhow::Result<Table> {
        let names = Table::column_names(path).with_context(|| path.display().to_string())?;
        let mut options = self.options()?;
        let said = |name: &str| options.columns.iter().any(|p| p.name == name);
        let columns: Vec<ColumnPatch> = like
            .columns()
            .iter()
            .filter(|c| c.kind.is_measurable() && names.contains(&c.name) && !said(&c.name))
            .map(|c| ColumnPatch {
                name: c.name.clone(),
                kind: Some(c.kind),
                value_type: match (c.kind, c.value_type) {
                    // A code is one level whatever holds it, so that a file with 3.0, or with a word besides, is read too.
                    (Kind::Nominal, ValueType::Integer | ValueType::Float) => None,
                    (Kind::Nominal, held) => Some(held),
                    (_, ValueType::Integer) => Some(ValueType::Float),
                    (_, held) => Some(held),
                },
                role: Some(c.role),
                nullable: Some(true),
                unit: c.unit.clone(),
                domain: c.domain.clone(),
            })
            .collect();
        options.columns.extend(columns);
        let needed = |name: &str| like.contains(name);
        Ok(Table::read_needed(path, &options, needed).with_context(|| path.display().to_string())?.0)
    }
}

/// The column that this error is about, and what it says of it.
pub(crate) fn not_held(error: &TableError) -> Option<Ignored> {
    let (TableError::Type { column, .. } | TableError::Misfit { column, .. }) = error else { return None };
    Some(Ignored { column: column.clone(), reason: error.to_string() })
}

/// Checks that a file has all these columns; the error names each one that it lacks.
pub(crate) fn require<'a>(path: &Path, needed: impl IntoIterator<Item = &'a str>) -> anyhow::Result<()> {
    let names = Table::column_names(path).with_context(|| path.display().to_string())?;
    let delimiter = |one: &str| [';', '\t', '|'].into_iter().find(|&d| one.contains(d));
    if let [one] = &names[..]
        && let Some(found) = delimiter(one)
    {
        bail!("{}: the first line has one field only; expected commas between fields, found {found:?}", path.display());
    }
    let missing: Vec<String> = needed
        .into_iter()
        .filter(|n| !names.iter().any(|m| m == n))
        .map(|n| {
            let near = near_names(n, names.iter().map(String::as_str));
            if near.is_empty() { format!("{n:?}") } else { format!("{n:?} (there is {})", near.join(", ")) }
        })
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    bail!("{} lacks {} of the columns needed: {}", path.display(), missing.len(), missing.join(", "))
}

/// The names of features and, in the order of the schema, of the dates that encoders take apart.
pub(crate) fn with_dates(features: &[String], schema: &Schema, encoders: Option<&FeaturePipeline>) -> Vec<String> {
    let dates: Vec<&str> = encoders.into_iter().flat_map(FeaturePipeline::date_columns).collect();
    let is_date = |c: &Column| c.role == Role::Feature && matches!(c.kind, Kind::Date | Kind::Timestamp);
    let taken = |c: &&Column| features.contains(&c.name) || (is_date(c) && dates.contains(&c.name.as_str()));
    schema.columns().iter().filter(taken).map(|c| c.name.clone()).collect()
}

/// The columns a model may see, and those it may not, with the reason; `left_out` are in the file and not in the schema.
pub(crate) fn usable(
    schema: &Schema,
    exclude: &[String],
    left_out: &[Ignored],
) -> anyhow::Result<(Vec<String>, Vec<Ignored>)> {
    let mut ignored = Vec::new();
    for name in exclude {
        match left_out.iter().find(|column| column.column == *name) {
            Some(column) => ignored.push(Ignored { reason: "excluded".to_owned(), ..column.clone() }),
            None => schema.column(name).map(|_| ())?,
        }
    }
    let mut names = Vec::new();
    for column in schema.columns() {
        let reason = if exclude.contains(&column.name) {
            "excluded".to_owned()
        } else if column.role == Role::Target {
            continue;
        } else if column.kind == Kind::Identifier {
            "identifier: all values differ; name another kind in a schema file to use it".to_owned()
        } else if column.role != Role::Feature {
            format!("of role {}", column.role)
        } else if !column.kind.is_measurable() {
            format!("of kind {}, which a model cannot take", column.kind)
        } else {
            names.push(column.name.clone());
            continue;
        };
        ignored.push(Ignored { column: column.name.clone(), reason });
    }
    Ok((names, ignored))
}
