//! A side, or both, that is a stored profile.

use std::path::Path;

use anyhow::{Context, ensure};
use med_drift::{DriftDetector, DriftReport};
use med_schema::{Profile, Schema};

use crate::cli::DriftArgs;
use crate::table_file::{Ignored, usable};

/// Whether a file is a profile, by its ending.
pub(super) fn is_profile(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json"))
}

/// The report, the columns left out, and the schema of the reference.
pub(super) fn detect(
    detector: &DriftDetector,
    args: &DriftArgs,
) -> anyhow::Result<(DriftReport, Vec<Ignored>, Schema)> {
    ensure!(args.categorical.is_empty(), "--categorical: a profile has the kinds it was made with");
    let (reference, current) = match (is_profile(&args.reference), is_profile(&args.current)) {
        (true, true) => (read(&args.reference)?, read(&args.current)?),
        (true, false) => {
            let reference = read(&args.reference)?;
            let current = make(args, &args.current, &schema(&reference)?)?;
            (reference, current)
        }
        _ => {
            let current = read(&args.current)?;
            (make(args, &args.reference, &schema(&current)?)?, current)
        }
    };
    let report = detector.detect_profiles(&reference, &current)?;
    let schema = schema(&reference)?;
    let (_, mut ignored) = usable(&schema, &[], &[])?;
    // A profile compares texts of many levels too.
    ignored.retain(|i| report.column(&i.column).is_none());
    Ok((report, ignored, schema))
}

fn read(path: &Path) -> anyhow::Result<Profile> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| format!("{}: not a profile of `med profile --out`", path.display()))
}

/// The profile of a data file whose columns are of the kinds of another.
fn make(args: &DriftArgs, path: &Path, like: &Schema) -> anyhow::Result<Profile> {
    let table = args.read.read_like(path, like)?;
    med_quality::profile(&table).with_context(|| path.display().to_string())
}

fn schema(profile: &Profile) -> anyhow::Result<Schema> {
    Ok(Schema::new(profile.columns().iter().map(|c| c.column().clone()).collect())?)
}
