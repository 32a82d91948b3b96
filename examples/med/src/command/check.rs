//! `med check`

use anyhow::Context;
use med_quality::{Level, Suite};

use crate::cli::{CheckArgs, ResultFormat};
use crate::output::{self, Outcome};

pub(crate) fn run(args: &CheckArgs) -> anyhow::Result<Outcome> {
    let text = std::fs::read_to_string(&args.suite).with_context(|| format!("suite {}", args.suite.display()))?;
    let suite = Suite::from_json(&text).with_context(|| format!("suite {}", args.suite.display()))?;
    let table = args.read.read(&args.data)?;
    let level = match args.result_format {
        ResultFormat::BooleanOnly => Level::BooleanOnly,
        ResultFormat::Basic => Level::Basic,
        ResultFormat::Summary => Level::Summary,
        ResultFormat::Complete => Level::Complete,
    };
    let result = suite.validate(&table, level);
    output::json(&result)?;
    Ok(Outcome::of(result.success))
}
