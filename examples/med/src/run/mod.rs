//! `med run`: the whole pipeline.
//!
//! A run is named after what it works on: the rows extracted, the suites, the configuration and the version of this
//! program. Everything it writes, it writes under that name, so a run that was killed is completed by running it again, and
//! running a complete one again changes nothing. A run whose version of the lake was vacuumed, and whose rows are no longer there, starts
//! anew under another name (`restart`).

mod claims;
mod clients;
mod database;
mod history;
mod lineage;
mod modelling;
mod page;
mod promotion;
mod record;
pub(crate) mod restart;
pub(crate) mod scoring;
mod summary;
mod training_set;

use med_schema::{Fingerprint, Input, Lineage, RunId};
use med_store::ResultKind;
use med_store::blocking::Lakehouse;

use crate::cli::RunArgs;
use crate::config::Config;
use crate::encryption;
use crate::feed;
use crate::output::{self, Outcome};
use crate::progress::Steps;
use record::{GateClosed, Record};
use restart::VersionGone;

pub(crate) const CODE: &str = concat!("med ", env!("CARGO_PKG_VERSION"));
const STEPS: u64 = 10;

pub(crate) fn run(args: &RunArgs) -> anyhow::Result<Outcome> {
    let config = Config::load(args)?;
    // Whatever is wrong with the configuration is known before anything is done.
    let suites = clients::Suites::read(&config)?;
    let specs = config.models.iter().map(|m| m.spec(config.seed)).collect::<anyhow::Result<Vec<_>>>()?;
    modelling::check(&config)?;

    loop {
        if let Some(outcome) = attempt(&config, &suites, &specs)? {
            return Ok(outcome);
        }
    }
}

/// One way through the pipeline; `None` when the run has to start anew under another name.
fn attempt(
    config: &Config,
    suites: &clients::Suites,
    specs: &[med_model::ModelSpec],
) -> anyhow::Result<Option<Outcome>> {
    let progress = Steps::new(STEPS);
    progress.begin("extract");
    let extracted = Extraction::of(config, &progress)?;
    let fingerprints =
        [extracted.fingerprint(), suites.fingerprint()?, config.fingerprint(specs)?, Fingerprint::of(CODE)];
    let lake = Lakehouse::open_with(&config.lake, crate::command::lake::environment())?;
    let lake = encryption::unlock(lake, config.encryption.as_ref())?;
    let (id, restarted) = restart::present_name(&lake, RunId::derived_from(fingerprints))?;
    let lineage = Lineage {
        run: id.clone(),
        as_of: config.event_time,
        inputs: clients::inputs(config, &fingerprints),
        code: CODE.to_owned(),
    };
    let mut record = Record::new(id, lineage, config, lake);
    record.sources = [clients::settings(&fingerprints), extracted.tables(config)].concat();
    record.notes.extend(restarted);
    progress.end();

    let gone_through = pipeline(config, suites, specs, extracted, &mut record, &progress);
    drop(progress);
    let passed = match gone_through {
        Ok(()) => true,
        Err(error) => {
            if let Some(gone) = error.downcast_ref::<VersionGone>() {
                restart::supersede(&record.lake, &record.id, gone)?;
                output::note(&format!("run {}: {gone}; it starts anew", record.id));
                return Ok(None);
            }
            let Some(closed) = error.downcast_ref::<GateClosed>() else { return Err(error) };
            output::note(&closed.to_string());
            false
        }
    };
    let summary = record.finish(passed)?;
    output::note(&summary::table(&record, &summary, passed));
    output::json(&summary)?;
    Ok(Some(Outcome::of(passed)))
}

/// What a run begins with.
enum Extraction {
    /// A table with one row a client.
    Clients(clients::Extraction),
    /// Client-years made of transactions.
    Claims(Box<claims::Extraction>),
}

impl Extraction {
    fn of(config: &Config, progress: &Steps) -> anyhow::Result<Self> {
        Ok(match &config.claims {
            Some(claims) => Self::Claims(Box::new(claims::extract(config, claims, progress)?)),
            None => Self::Clients(clients::extract(config, progress)?),
        })
    }

    fn fingerprint(&self) -> Fingerprint {
        match self {
            Self::Clients(rows) => rows.fingerprint,
            Self::Claims(years) => years.fingerprint,
        }
    }

    /// Each table that was read, with its content.
    fn tables(&self, config: &Config) -> Vec<Input> {
        match self {
            Self::Clients(rows) => vec![feed::table(&config.table, rows.fingerprint)],
            Self::Claims(years) => years.tables.clone(),
        }
    }
}

/// From the extracted rows to the promoted model, as far as the gates let it go.
fn pipeline(
    config: &Config,
    suites: &clients::Suites,
    specs: &[med_model::ModelSpec],
    extracted: Extraction,
    record: &mut Record,
    progress: &Steps,
) -> anyhow::Result<()> {
    let step = |name: &str| progress.begin(name);
    step("check what was extracted");
    let admitted = match extracted {
        Extraction::Clients(rows) => {
            let admitted = clients::check_extracted(rows, suites, record)?;
            progress.end();
            step("transform");
            clients::transform(admitted, suites, config, record)?
        }
        Extraction::Claims(years) => {
            let admitted = claims::check_extracted(*years, record)?;
            progress.end();
            step("check the client-years");
            claims::check_client_years(admitted, suites, record)?
        }
    };
    progress.end();

    step("check against history");
    let admitted = history::check(admitted, config, record)?;
    progress.end();

    step("load");
    let loaded = clients::load(&admitted, suites, config, record)?;
    record.done(lineage::LOAD);
    drop(admitted);
    progress.end();

    step("split and select");
    let parts = modelling::split(loaded, config, record)?;
    progress.end();

    step("train");
    let fitted = modelling::fit(&parts, specs, config, record)?;
    progress.end();

    step("check the models");
    let candidates = modelling::judge(fitted, &parts, &suites.models, record)?;
    record.done(lineage::TRAIN);
    progress.end();

    step("predict");
    let chosen = promotion::choose(&candidates, &parts, config, record)?;
    promotion::predict(&chosen, &candidates, &parts, suites, record)?;
    record.done(lineage::PREDICT);
    progress.end();

    step("promote");
    promotion::promote(&candidates, &chosen, parts.too_few, config, record)?;
    progress.end();
    Ok(())
}

/// Every kind of result a run leaves, for the table at its end.
const KINDS: [ResultKind; 6] = [
    ResultKind::Models,
    ResultKind::Metrics,
    ResultKind::DataQualityChecks,
    ResultKind::ModelQualityChecks,
    ResultKind::Drift,
    ResultKind::Predictions,
];
