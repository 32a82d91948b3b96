//! `med report`

use anyhow::{Context, bail};
use med_report::RunPage;
use med_schema::RunId;
use med_store::ResultKind;
use med_store::blocking::Lakehouse;
use serde_json::json;

use crate::cli::ReportArgs;
use crate::output::{self, Outcome};
use crate::run::restart;

pub(crate) fn run(args: &ReportArgs) -> anyhow::Result<Outcome> {
    let lake = super::lake::open(&args.lake)?;
    let page = match &args.run {
        Some(run) => page(&lake, &run.parse()?)?,
        None => latest(&lake)?,
    };
    let html = med_report::render(&page)?;
    std::fs::create_dir_all(&args.out).with_context(|| format!("cannot make the folder {}", args.out.display()))?;
    let path = args.out.join(format!("{}.html", page.run));
    std::fs::write(&path, html).with_context(|| format!("cannot write {}", path.display()))?;
    output::json(&json!({ "run": page.run, "path": path }))?;
    Ok(Outcome::Passed)
}

/// The page of a run: of its completion, or else of the first failure it kept.
fn page(lake: &Lakehouse, run: &RunId) -> anyhow::Result<RunPage> {
    let results = lake.results();
    let names = results.names(ResultKind::Runs, run)?;
    let whole = names.iter().find(|name| *name == "page.json");
    let Some(name) = whole.or_else(|| names.iter().find(|name| name.ends_with("-page.json"))) else {
        let runs = results.runs(ResultKind::Runs)?;
        let there = runs.iter().map(RunId::as_str).collect::<Vec<_>>().join(", ");
        bail!("there is no page of run {run}; the lake has the runs {there}");
    };
    Ok(results.get_json(ResultKind::Runs, run, name)?)
}

/// The page of the latest event time; of several, that of the last run id. A run that started anew under another name counts under that.
fn latest(lake: &Lakehouse) -> anyhow::Result<RunPage> {
    let mut latest: Option<RunPage> = None;
    for run in lake.results().runs(ResultKind::Runs)? {
        if restart::is_superseded(&lake.results(), &run)? {
            continue;
        }
        // A killed run has no page.
        let Ok(page) = page(lake, &run) else { continue };
        if latest.as_ref().is_none_or(|l| l.as_of <= page.as_of) {
            latest = Some(page);
        }
    }
    latest.context("the lake has no run that left a page; `med run` makes one")
}
