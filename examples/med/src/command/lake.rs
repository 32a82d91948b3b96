//! `med lake`

use std::path::Path;

use anyhow::{Context, bail};
use chrono::DateTime;
use med_schema::Version;
use med_store::ResultKind;
use med_store::blocking::Lakehouse;
use serde_json::json;

use crate::cli::{LakeArgs, LakeCommand};
use crate::output::{self, Outcome};

pub(crate) fn run(args: &LakeArgs) -> anyhow::Result<Outcome> {
    let lake = open(&args.lake)?;
    match &args.command {
        LakeCommand::Ls => {
            let runs = lake.results().runs(ResultKind::Runs)?;
            output::json(&json!({ "feature_groups": lake.ls()?, "models": lake.registry().models()?, "runs": runs }))?;
        }
        LakeCommand::History { group } => {
            let history = lake.open_feature_group(group, None)?.history()?;
            output::json(&json!({ "feature_group": group, "versions": history }))?;
        }
        LakeCommand::Read { group, version, as_of, out } => {
            let group = lake.open_feature_group(group, None)?;
            let table = match as_of {
                Some(text) => {
                    let time = DateTime::parse_from_rfc3339(text).with_context(|| {
                        format!("--as-of: expected a time such as 2025-01-31T00:00:00Z, found {text:?}")
                    })?;
                    group.read_as_of(time.to_utc())?
                }
                None => group.read(version.map(Version))?,
            };
            let bytes = table.write(out)?;
            output::json(&json!({ "rows": table.n_rows(), "bytes": bytes }))?;
        }
    }
    Ok(Outcome::Passed)
}

/// Opens a lake that is there: looking must not make one.
pub(crate) fn open(location: &str) -> anyhow::Result<Lakehouse> {
    if !location.contains("://") && !Path::new(location).is_dir() {
        bail!("there is no lake at {location}; `med run` makes one, `--lake` names another");
    }
    Ok(Lakehouse::open(location)?)
}
