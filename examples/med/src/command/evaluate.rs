//! `med evaluate`

use std::collections::BTreeMap;

use anyhow::Context;
use med_schema::Table;
use serde_json::{Map, Value, json};

use crate::cli::EvaluateArgs;
use crate::output::{self, Outcome};
use crate::registered;
use crate::table_file::require;

/// What rows without a value in the grouping column are called.
const MISSING: &str = "<missing>";

pub(crate) fn run(args: &EvaluateArgs) -> anyhow::Result<Outcome> {
    let model = registered::find(&args.model.model, &args.model.lake)?.0;
    require(&args.data, args.by.as_deref())?;
    let table = model.read_with_target(&args.data, &args.read)?;
    let mut result = Map::new();
    result.insert("metrics".to_owned(), serde_json::to_value(model.evaluate(&table)?)?);
    if let Some(by) = &args.by {
        let mut groups = Map::new();
        for (level, rows) in groups_of(&table, by)? {
            let metrics = model.evaluate(&table.take(&rows)?).with_context(|| format!("group {level:?} of {by:?}"))?;
            groups.insert(level, json!(metrics));
        }
        result.insert("groups".to_owned(), Value::Object(groups));
    }
    model.notes(&table)?.tell(&mut result);
    output::json(&result)?;
    Ok(Outcome::Passed)
}

/// The rows of each value of a column, by the value's text.
fn groups_of(table: &Table, by: &str) -> anyhow::Result<BTreeMap<String, Vec<usize>>> {
    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (row, level) in table.levels(by)?.into_iter().enumerate() {
        groups.entry(level.map_or_else(|| MISSING.to_owned(), Into::into)).or_default().push(row);
    }
    Ok(groups)
}
