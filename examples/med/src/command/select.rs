//! `med select`

use med_features::select::{Evidence, Keep, Learner, LinearLearner, SelectionMethod, Selector};
use med_features::statistic::Adjustment;
use serde_json::Value;

use crate::cli::{LearnerName, SelectArgs};
use crate::learner::Boosted;
use crate::output::{self, Outcome};
use crate::table_file::usable;

/// Seed of the boosted trees that score features.
const SEED: u64 = 42;

pub(crate) fn run(args: &SelectArgs) -> anyhow::Result<Outcome> {
    let method: SelectionMethod = args.method.parse()?;
    let keep = match (args.k, args.threshold, args.fdr) {
        (Some(k), _, _) => Some(Keep::Top(k)),
        (_, Some(threshold), _) => Some(Keep::Threshold(threshold)),
        (_, _, Some(q)) => Some(Keep::Fdr(q)),
        _ => None,
    };
    let adjust: Adjustment = args.adjust.parse()?;
    let selector = Selector::new(method, keep)?.adjusted(adjust);
    let (table, left_out) = args.read.read_without(&args.data, &args.exclude)?;
    anyhow::ensure!(table.n_rows() > 0, "{}: there are no rows below the names of the columns", args.data.display());
    let schema = table.schema().clone().with_target(&args.target)?;
    let table = table.with_schema(schema)?;
    let (names, ignored) = usable(table.schema(), &args.exclude, &left_out)?;
    let data = table.dataset_of(names.iter().map(String::as_str))?;
    let boosted = Boosted::new(SEED)?;
    let learner: &dyn Learner = match args.learner {
        LearnerName::Gbdt => &boosted,
        LearnerName::Linear => &LinearLearner,
    };
    let evidence = Evidence::from(&data).learner(learner);
    let selection = match &args.test {
        Some(path) => {
            crate::table_file::require(path, names.iter().map(String::as_str))?;
            let test = args.read.read_like(path, table.schema())?;
            let x = test.features(names.iter().map(String::as_str))?;
            selector.fit(&evidence.test(&x))?
        }
        None => selector.fit(&evidence)?,
    };
    let mut result = serde_json::to_value(&selection)?;
    if let Value::Object(fields) = &mut result {
        fields.insert("ignored".to_owned(), serde_json::to_value(&ignored)?);
    }
    output::json(&result)?;
    Ok(Outcome::Passed)
}
