//! What a batch must fulfil to be brought into a feature group.

use std::path::Path;

use anyhow::{Context, ensure};
use med_quality::{MetaSuite, Suite};
use med_schema::{Admitted, CheckResult, Checked, Fingerprint, GatePolicy, Report, RunId, Severity, Table, Verdict};
use med_store::blocking::Lakehouse;
use med_store::{ResultKind, StoreError};
use serde_json::{Value, json};

use crate::output;

/// The checks of a batch: those of any, and those of the group's suite, if it has one.
#[derive(Debug)]
pub(super) struct Gate {
    keyed: Suite,
    own: Option<Suite>,
}

/// What came of them.
pub(super) enum Judged {
    Admitted(Box<Admitted<Table>>, Verdicts),
    Rejected(Verdicts),
}

/// What is told of them.
#[derive(Debug, Default)]
pub(super) struct Verdicts {
    gates: Vec<(&'static str, Verdict)>,
    /// Why the gate stayed closed.
    reasons: Vec<String>,
    /// What looks odd, and closes nothing.
    notes: Vec<String>,
    /// Rows that broke a rule, and lie in quarantine.
    rejected: usize,
}

/// A suite of a file, which must have something to expect: one without could turn nothing back.
pub(super) fn read_suite(path: &Path) -> anyhow::Result<Suite> {
    let named = || format!("suite {}", path.display());
    let suite = Suite::from_json(&std::fs::read_to_string(path).with_context(named)?).with_context(named)?;
    ensure!(!suite.expectations().is_empty(), "{}: expected at least one expectation, found none", named());
    Ok(suite)
}

impl Gate {
    pub(super) fn new(key: &[String], event_time: &str, own: Option<Suite>) -> anyhow::Result<Self> {
        Ok(Self { keyed: keyed(key, event_time)?, own })
    }

    pub(super) fn suite(&self) -> Option<&Suite> {
        self.own.as_ref()
    }

    /// Checks the rows, puts those that break a rule in the lake's quarantine if the gate stays closed, and tells what was found.
    ///
    /// `nothing_new` says that rows were there before and none came: then a suite has nothing to judge, though it may expect rows.
    pub(super) fn judge(
        &self,
        rows: Table,
        nothing_new: bool,
        lake: &Lakehouse,
        run: &RunId,
    ) -> anyhow::Result<Judged> {
        let keyed = self.keyed.report(&rows);
        let mut verdicts = Verdicts::default();
        verdicts.add("key", &GatePolicy::strict(), &keyed, &[]);
        let report = match &self.own {
            None => keyed,
            Some(own) => {
                let report = if nothing_new { unjudged(own)? } else { own.report(&rows) };
                let doubts =
                    if nothing_new { Vec::new() } else { closed_by(&MetaSuite::of_suite(own).report(&report)) };
                verdicts.add("suite", &GatePolicy::default(), &report, &doubts);
                keyed.results.into_iter().fold(report, Report::with)
            }
        };
        for odd in &verdicts.notes {
            output::note(&format!("note: {odd}"));
        }
        if verdicts.reasons.is_empty()
            && let Ok(admitted) = Checked::new(rows.clone(), report).gate(&GatePolicy::default())
        {
            return Ok(Judged::Admitted(Box::new(admitted), verdicts));
        }
        for reason in &verdicts.reasons {
            output::note(&format!("not admitted: {reason}"));
        }
        verdicts.rejected = self.quarantine(&rows, lake, run)?;
        Ok(Judged::Rejected(verdicts))
    }

    /// Rows that break a rule, each with the rules it broke.
    fn quarantine(&self, rows: &Table, lake: &Lakehouse, run: &RunId) -> anyhow::Result<usize> {
        let suite = match &self.own {
            Some(own) => own.clone().and(self.keyed.clone()),
            None => self.keyed.clone(),
        };
        let split = suite.split(rows, Severity::Critical)?;
        if split.rows.is_empty() {
            return Ok(0);
        }
        let name = format!("rejected-{}.parquet", Fingerprint::of(suite.to_json()?).short());
        match lake.results().put_table(ResultKind::Quarantine, run, &name, &Table::infer(split.quarantine)?) {
            // The same rows by the same suite, in the order in which the database gave them then.
            Ok(_) | Err(StoreError::Occupied { .. }) => Ok(split.rows.len()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Verdicts {
    fn add(&mut self, gate: &'static str, policy: &GatePolicy, report: &Report, doubts: &[String]) {
        let reasons = policy.reasons(report);
        let open = reasons.is_empty() && doubts.is_empty();
        self.gates.push((gate, if open { Verdict::Passed } else { Verdict::Failed }));
        self.reasons.extend(reasons.iter().map(ToString::to_string).chain(doubts.iter().cloned()));
        let odd = report.failures().filter(|r| r.verdict == Verdict::Failed && r.severity < policy.block_at);
        self.notes.extend(odd.map(ToString::to_string));
    }

    pub(super) fn tell(&self, summary: &mut Value) {
        let gates: serde_json::Map<String, Value> =
            self.gates.iter().map(|(gate, verdict)| ((*gate).to_owned(), json!(verdict))).collect();
        summary["gates"] = gates.into();
        for (name, texts) in [("reasons", &self.reasons), ("notes", &self.notes)] {
            if !texts.is_empty() {
                summary[name] = json!(texts);
            }
        }
        if self.rejected > 0 {
            summary["rejected"] = json!(self.rejected);
        }
    }
}

fn closed_by(report: &Report) -> Vec<String> {
    GatePolicy::strict().reasons(report).iter().map(ToString::to_string).collect()
}

/// The report of a suite on a batch that has nothing to judge.
fn unjudged(suite: &Suite) -> anyhow::Result<Report> {
    let nothing = CheckResult::judged("nothing_to_judge", true).expected("no row that is new").counts(0, 0);
    Ok(Report::new(suite.name()).suite(suite.document()?.fingerprint()).with(nothing))
}

/// What every batch must fulfil: the columns that name a row are there and name one row each.
fn keyed(key: &[String], event_time: &str) -> anyhow::Result<Suite> {
    let names: Vec<&str> = key.iter().map(String::as_str).filter(|k| *k != event_time).chain([event_time]).collect();
    let mut expectations: Vec<_> = names
        .iter()
        .map(|column| {
            json!({"type": "expect_column_values_to_not_be_null", "kwargs": {"column": column}, "severity": "critical"})
        })
        .collect();
    expectations.push(json!({
        "type": "expect_compound_columns_to_be_unique",
        "kwargs": {"column_list": names},
        "severity": "critical",
    }));
    Ok(Suite::from_json(&json!({"name": "extracted rows", "expectations": expectations}).to_string())?)
}
