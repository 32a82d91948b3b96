//! `med run`: the whole pipeline.
//!
//! A run is named after what it works on: the rows extracted, the suites, the configuration and the version of this
//! program. Everything it writes, it writes under that name, so a run that was killed is completed by running it again, and
//! running a complete one again changes nothing.

mod clients;
mod database;
mod lineage;
mod modelling;
mod page;
mod promotion;
mod record;
mod summary;

use med_schema::{Fingerprint, Lineage, RunId};
use med_store::ResultKind;
use med_store::blocking::Lakehouse;

use crate::cli::RunArgs;
use crate::config::Config;
use crate::output::{self, Outcome};
use crate::progress::Steps;
use record::{GateClosed, Record};

const CODE: &str = concat!("med ", env!("CARGO_PKG_VERSION"));
const STEPS: u64 = 9;

pub(crate) fn run(args: &RunArgs) -> anyhow::Result<Outcome> {
    let config = Config::load(args)?;
    // Whatever is wrong with the configuration is known before anything is done.
    let suites = clients::Suites::read(&config)?;
    let specs = config.models.iter().map(|m| m.spec(config.seed)).collect::<anyhow::Result<Vec<_>>>()?;
    modelling::check(&config)?;

    let progress = Steps::new(STEPS);
    progress.begin("extract");
    let extracted = clients::extract(&config, &progress)?;
    let fingerprints =
        [extracted.fingerprint, suites.fingerprint()?, config.fingerprint(&specs)?, Fingerprint::of(CODE)];
    let id = RunId::derived_from(fingerprints);
    let lake = Lakehouse::open_with(&config.lake, crate::command::lake::environment())?;
    let lineage = Lineage {
        run: id.clone(),
        as_of: config.event_time,
        inputs: clients::inputs(&config, &fingerprints),
        code: CODE.to_owned(),
    };
    let mut record = Record::new(id, lineage, &config, lake);
    progress.end();

    let gone_through = pipeline(&config, &suites, &specs, extracted, &mut record, &progress);
    drop(progress);
    let passed = match gone_through {
        Ok(()) => true,
        Err(error) => match error.downcast_ref::<GateClosed>() {
            Some(closed) => {
                output::note(&closed.to_string());
                false
            }
            None => return Err(error),
        },
    };
    let summary = record.finish(passed)?;
    output::note(&summary::table(&record, &summary, passed));
    output::json(&summary)?;
    Ok(Outcome::of(passed))
}

/// From the extracted rows to the promoted model, as far as the gates let it go.
fn pipeline(
    config: &Config,
    suites: &clients::Suites,
    specs: &[med_model::ModelSpec],
    extracted: clients::Extraction,
    record: &mut Record,
    progress: &Steps,
) -> anyhow::Result<()> {
    let step = |name: &str| progress.begin(name);
    step("check what was extracted");
    let admitted = clients::check_extracted(extracted, suites, record)?;
    progress.end();

    step("transform");
    let admitted = clients::transform(admitted, suites, config, record)?;
    progress.end();

    step("load");
    let loaded = clients::load(&admitted, suites, config, record)?;
    progress.end();

    step("split and select");
    let parts = modelling::split(loaded.value(), config, record)?;
    progress.end();

    step("train");
    let fitted = modelling::fit(&parts, specs, config, record)?;
    progress.end();

    step("check the models");
    let candidates = modelling::judge(fitted, &parts, &suites.models, record)?;
    progress.end();

    step("predict");
    let chosen = promotion::choose(&candidates, &parts, config, record)?;
    promotion::predict(&chosen, &candidates, &parts, suites, record)?;
    progress.end();

    step("promote");
    promotion::promote(&candidates, &chosen, config, record)?;
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
