//! From Parquet to what models take.

use std::path::Path;

use anyhow::Context;
use med_schema::{CsvOptions, Dataset, FeatureColumn, FeatureMatrix, FeatureSchema, MISSING, Table};

use crate::Categories;

/// Features and target of a file, and the features as they stand in it.
pub(crate) fn dataset(
    path: &Path,
    target: &str,
    exclude: &[String],
    categories: Categories,
) -> anyhow::Result<(FeatureSchema, Dataset)> {
    let table = read(path)?;
    let is_feature = |name: &&str| *name != target && exclude.iter().all(|e| e != name);
    let raw = table.features(table.schema().names().filter(is_feature))?;
    let data = Dataset::new(held(&raw, categories)?, target, table.numbers(target)?.as_slice().to_vec())?;
    Ok((raw.schema(), data))
}

/// The features that a model was fitted on, in its coding of the levels.
pub(crate) fn features(path: &Path, raw: &FeatureSchema, categories: Categories) -> anyhow::Result<FeatureMatrix> {
    let x = raw.align(&read(path)?.features(raw.names())?)?;
    held(&x, categories)
}

fn read(path: &Path) -> anyhow::Result<Table> {
    Table::read(path, &CsvOptions::default()).with_context(|| path.display().to_string())
}

fn held(x: &FeatureMatrix, categories: Categories) -> anyhow::Result<FeatureMatrix> {
    let code = |code: &u32| if *code == MISSING { f64::NAN } else { f64::from(*code) };
    let column = |column: &FeatureColumn| match column.as_categorical() {
        Some((codes, _)) if categories == Categories::Codes => {
            FeatureColumn::numeric(column.name(), codes.iter().map(code).collect::<Vec<_>>())
        }
        _ => column.clone(),
    };
    Ok(FeatureMatrix::new(x.columns().iter().map(column).collect())?)
}
