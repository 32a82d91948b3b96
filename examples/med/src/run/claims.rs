//! Transactions on their way from the tables of a feed to client-years.

use med_etl::StepReport;
use med_etl::client_year::{ClaimsConfig, ClientYears, RollUp};
use med_quality::{MetaSuite, NoErrors, ResultsConsistent};
use med_schema::{Admitted, Checked, Fingerprint, Input, Severity, Table};
use med_store::ResultKind;

use super::clients::{Suites, quarantine};
use super::record::Record;
use crate::config::Config;
use crate::feed::{self, RolledUp};
use crate::progress::Steps;

/// The client-years of a feed, and what names its content.
#[derive(Debug)]
pub(super) struct Extraction {
    years: ClientYears,
    pub(super) fingerprint: Fingerprint,
    /// Each table of the feed with its content.
    pub(super) tables: Vec<Input>,
}

/// Reads every table of the feed and rolls it up.
pub(super) fn extract(config: &Config, claims: &ClaimsConfig, progress: &Steps) -> anyhow::Result<Extraction> {
    let RolledUp { years, fingerprint, tables } = feed::client_years(config, claims, RollUp::new(claims)?, progress)?;
    Ok(Extraction { years, fingerprint, tables })
}

/// The first gate: amounts add up, there are client-years, and what looks odd is told.
pub(super) fn check_extracted(extraction: Extraction, record: &mut Record) -> anyhow::Result<Admitted<ClientYears>> {
    let years = extraction.years;
    record.rows("extracted", usize::try_from(years.report.total().read)?);
    record.put(ResultKind::DataQualityChecks, "client_years.json", &years.report)?;
    let report = years.report.checks("claims_extracted");
    for odd in report.failures().filter(|r| r.severity == Severity::Warning) {
        record.notes.push(odd.to_string());
    }
    let meta = MetaSuite::new("checks of claims_extracted").with(NoErrors).with(ResultsConsistent);
    record.gate("extracted", ResultKind::DataQualityChecks, Checked::new(years, report), &meta)
}

/// The second gate: the client-years are as the suite expects.
pub(super) fn check_client_years(
    admitted: Admitted<ClientYears>,
    suites: &Suites,
    record: &mut Record,
) -> anyhow::Result<Admitted<Table>> {
    let (ClientYears { table, report }, _) = admitted.into_parts();
    record.steps = vec![StepReport {
        step: "client_years".to_owned(),
        rows_before: report.total().kept,
        rows_after: table.n_rows() as u64,
        ..StepReport::default()
    }];
    record.rows("transformed", table.n_rows());
    let checked = suites.transformed.check(table);
    quarantine(&suites.transformed, "transformed", &checked, record)?;
    record.gate("transformed", ResultKind::DataQualityChecks, checked, &MetaSuite::of_suite(&suites.transformed))
}
