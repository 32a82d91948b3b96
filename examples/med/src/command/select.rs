//! `med select`

use med_features::select::{Evidence, Keep, SelectionMethod, Selector};
use serde_json::Value;

use crate::cli::SelectArgs;
use crate::output::{self, Outcome};
use crate::table_file::usable;

pub(crate) fn run(args: &SelectArgs) -> anyhow::Result<Outcome> {
    let method: SelectionMethod = args.method.parse()?;
    let keep = match (args.k, args.threshold, args.fdr) {
        (Some(k), _, _) => Some(Keep::Top(k)),
        (_, Some(threshold), _) => Some(Keep::Threshold(threshold)),
        (_, _, Some(q)) => Some(Keep::Fdr(q)),
        _ => None,
    };
    let selector = Selector::new(method, keep)?;
    let table = args.read.read(&args.data)?;
    let schema = table.schema().clone().with_target(&args.target)?;
    let table = table.with_schema(schema)?;
    let (names, ignored) = usable(table.schema(), &[])?;
    let data = table.dataset_of(names.iter().map(String::as_str))?;
    let selection = match &args.test {
        Some(path) => {
            crate::table_file::require(path, names.iter().map(String::as_str))?;
            let test = args.read.read_like(path, table.schema())?;
            let x = test.features(names.iter().map(String::as_str))?;
            selector.fit(&Evidence::from(&data).test(&x))?
        }
        None => selector.fit(&Evidence::from(&data))?,
    };
    let mut result = serde_json::to_value(&selection)?;
    if let Value::Object(fields) = &mut result {
        fields.insert("ignored".to_owned(), serde_json::to_value(&ignored)?);
    }
    output::json(&result)?;
    Ok(Outcome::Passed)
}
