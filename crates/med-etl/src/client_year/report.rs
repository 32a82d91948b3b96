//! What a roll-up read, what its rules did, and what looks wrong.

use chrono::NaiveDate;
use med_schema::{CheckResult, Report, Severity};
use serde::{Deserialize, Serialize};

use super::ledger::{Ledger, Rule};
use super::spans::EnrolmentReport;

/// A table of transactions and what became of its rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableLedger {
    /// The table.
    pub table: String,
    /// From its rows to those that count as costs.
    pub ledger: Ledger,
    /// What the ledger does not say.
    #[serde(default)]
    pub oddities: Oddities,
}

/// What a table of transactions has that no sum tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Oddities {
    /// Rows of known clients without a day in `known_at`, where the column is mapped; the rule `missing_known_at` says what features
    /// see of them.
    pub unknown_since: u64,
    /// Rows whose entry type is in none of the lists, and which are no costs for that.
    pub unnamed_entries: u64,
    /// Those of them with a negative amount: reversals, maybe, of what is counted as a cost.
    pub unnamed_negative: u64,
    /// The amounts of these, in cents.
    pub unnamed_negative_cents: i128,
}

impl Oddities {
    pub(super) fn unnamed_entry(&mut self, cents: i64) {
        self.unnamed_entries += 1;
        if cents < 0 {
            self.unnamed_negative += 1;
            self.unnamed_negative_cents += i128::from(cents);
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.unknown_since += other.unknown_since;
        self.unnamed_entries += other.unnamed_entries;
        self.unnamed_negative += other.unnamed_negative;
        self.unnamed_negative_cents += other.unnamed_negative_cents;
    }
}

/// How the lines of the claims of one form type go together. Only claims of at least two lines with an amount say anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderFinding {
    /// The table.
    pub table: String,
    /// The form type; nothing where the table has none.
    pub claim_type: Option<String>,
    /// Claims of at least two lines.
    pub claims: u64,
    /// Those of them whose lines all have the same amount.
    pub repeated: u64,
    /// The amounts of these, line by line, in cents.
    pub summed_cents: i128,
    /// The amounts of these, counted once a claim, in cents.
    pub once_cents: i128,
    /// Whether the configuration says that such claims repeat the header's amount.
    pub counted_once: bool,
}

/// Fewer claims than this prove nothing.
const MIN_CLAIMS: u64 = 5;

impl HeaderFinding {
    /// Whether the lines look like repetitions of the header's amount and the configuration counts them all: at least nine of ten
    /// claims of two or more lines have the same amount on each.
    pub fn suspect(&self) -> bool {
        !self.counted_once && self.claims >= MIN_CLAIMS && self.repeated * 10 >= self.claims * 9
    }

    /// Whether the configuration counts the amounts once, and most claims have different ones.
    pub fn misfit(&self) -> bool {
        self.counted_once && self.claims >= MIN_CLAIMS && self.repeated * 2 < self.claims
    }
}

/// What came of one cut-off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WindowReport {
    /// The cut-off day.
    pub cut_off: NaiveDate,
    /// First day of the history.
    #[serde(default)]
    pub history_start: NaiveDate,
    /// First day after the target window.
    pub target_end: NaiveDate,
    /// Client-years.
    pub rows: u64,
    /// Those of them without a transaction in the target window: true zeros.
    pub true_zeros: u64,
    /// Clients without exposure in the target window.
    pub without_exposure: u64,
    /// Clients with exposure whom the rules of inclusion leave out.
    pub not_included: u64,
    /// Years at risk.
    pub exposure_years: f64,
    /// Rows whose target was cut at the threshold of large claims.
    pub truncated: u64,
    /// From the costs dated in the target window to the sum of the targets.
    pub target: Ledger,
}

/// What a roll-up read, what its rules did, and what looks wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClientYearReport {
    /// Clients known.
    pub clients: u64,
    /// Values of attributes taken as missing, because rows of one client differ and none says from when it holds.
    pub conflicting_attributes: u64,
    /// The enrolment table.
    pub enrolment: EnrolmentReport,
    /// Each table of transactions.
    pub tables: Vec<TableLedger>,
    /// Diagnoses in tables of their own without a day in `known_at`, where the column is mapped.
    #[serde(default)]
    pub diagnoses_unknown_since: u64,
    /// Claims whose lines repeat amounts, by form type.
    pub headers: Vec<HeaderFinding>,
    /// Each cut-off.
    pub windows: Vec<WindowReport>,
    /// Day of the first transaction kept.
    pub first_day: Option<NaiveDate>,
    /// Day of the last transaction kept.
    pub last_day: Option<NaiveDate>,
}

/// Shares of rows from which on something is worth a look.
const MANY_UNKNOWN: f64 = 0.01;
const MANY_OUTSIDE: f64 = 0.05;
const MANY_UNUSABLE: f64 = 0.01;

impl ClientYearReport {
    /// All tables in one ledger.
    pub fn total(&self) -> Ledger {
        let mut total = Ledger::default();
        self.tables.iter().for_each(|t| total.add(&t.ledger));
        total
    }

    /// The report as checks: sums that must add up and rows that must be there are critical, what looks odd is a warning.
    pub fn checks(&self, name: &str) -> Report {
        let total = self.total();
        let reconciled = total.reconciles()
            && self.tables.iter().all(|t| t.ledger.reconciles())
            && self.windows.iter().all(|w| w.target.reconciles());
        let rows: u64 = self.windows.iter().map(|w| w.rows).sum();
        let mut report = Report::new(name)
            .with(
                CheckResult::judged("amounts_reconcile", reconciled)
                    .expected("each amount read is kept, or removed or changed by a rule that says so")
                    .counts(total.read, 0),
            )
            .with(
                CheckResult::judged("client_years_exist", rows > 0).expected("at least one client-year").observed(rows),
            )
            .with(share(&total, Rule::UnknownClient, "transactions_of_known_clients", MANY_UNKNOWN))
            .with(share(&total, Rule::OutsideEnrolment, "transactions_within_enrolment", MANY_OUTSIDE))
            .with(share(&total, Rule::MissingValue, "transactions_complete", MANY_UNUSABLE))
            .with(share(&total, Rule::Unreadable, "transactions_readable", MANY_UNUSABLE))
            .with(share(&total, Rule::DuplicateLine, "transactions_loaded_once", MANY_UNUSABLE));
        report = report.with(self.known_since(total.read));
        for table in self.tables.iter().filter(|t| t.oddities.unnamed_entries > 0) {
            report = report.with(unnamed_entries(table));
        }
        for header in &self.headers {
            report = report.with(header_check(header));
        }
        for window in &self.windows {
            report = report.with(self.history_in_feed(window));
            let seen = self.last_day.is_some_and(|last| (window.target_end - last).num_days() <= 31);
            report = report.with(
                CheckResult::judged("target_window_is_over", seen)
                    .column(window.cut_off.to_string())
                    .severity(Severity::Warning)
                    .expected(format!("transactions up to the last month before {}", window.target_end))
                    .observed(self.last_day.map_or_else(|| "none".to_owned(), |day| format!("the last is of {day}"))),
            );
        }
        report
    }
}

impl ClientYearReport {
    /// Whether the feed reaches back to the beginning of a history; the first month may be one without a transaction.
    fn history_in_feed(&self, window: &WindowReport) -> CheckResult {
        let WindowReport { cut_off, history_start, target_end, .. } = window;
        let reaches = self.first_day.is_some_and(|first| (first - *history_start).num_days() <= 31);
        let result = CheckResult::judged("history_window_is_in_the_feed", reaches)
            .column(cut_off.to_string())
            .severity(Severity::Warning)
            .expected(format!("transactions from the first month after {history_start} on"))
            .observed(self.first_day.map_or_else(|| "none".to_owned(), |day| format!("the first is of {day}")));
        match self.first_day {
            Some(first) if first >= *target_end => result
                .message("neither features nor target of this cut-off have a transaction: the feed begins after it"),
            Some(first) if first >= *cut_off => {
                result.message("no feature of this cut-off has seen a transaction: the feed begins after it")
            }
            _ => result,
        }
    }

    /// Whether rows say since when they are known.
    fn known_since(&self, read: u64) -> CheckResult {
        let rows: u64 = self.tables.iter().map(|t| t.oddities.unknown_since).sum();
        let result =
            CheckResult::judged("rows_say_since_when_they_are_known", rows + self.diagnoses_unknown_since == 0)
                .severity(Severity::Warning)
                .expected("a day in known_at where the column is mapped")
                .detail("transactions", rows)
                .detail("diagnoses", self.diagnoses_unknown_since);
        if rows + self.diagnoses_unknown_since == 0 {
            return result;
        }
        result.message(format!(
            "{rows} of {read} transactions and {} diagnoses have no day in known_at: the rule missing_known_at says whether features see them",
            self.diagnoses_unknown_since
        ))
    }
}

/// What is left out since nobody has said what it is.
fn unnamed_entries(TableLedger { table, oddities, .. }: &TableLedger) -> CheckResult {
    let Oddities { unnamed_entries, unnamed_negative, unnamed_negative_cents, .. } = oddities;
    let mut text = format!(
        "{unnamed_entries} rows of {table:?} have an entry type in none of entry.cost, entry.credit and entry.ignore and are no costs"
    );
    if *unnamed_negative > 0 {
        text += &format!(
            "; {unnamed_negative} of them are negative, {} in all: if they reverse costs, name their type in entry.cost",
            units(*unnamed_negative_cents)
        );
    }
    CheckResult::judged("entry_types_are_named", false)
        .column(table.clone())
        .severity(Severity::Warning)
        .detail("rows", *unnamed_entries)
        .detail("negative_rows", *unnamed_negative)
        .detail("negative_cents", unnamed_negative_cents.to_string())
        .message(text + "; types that are meant to be left out stand in entry.ignore")
}

fn share(total: &Ledger, rule: Rule, name: &str, many: f64) -> CheckResult {
    let removed = total.of(rule).map_or(0, |e| e.removed);
    let passed = removed as f64 <= many * total.read as f64;
    let result = CheckResult::judged(name, passed)
        .severity(Severity::Warning)
        .expected(format!("all but {}% of the rows", many * 100.0));
    // A result that passed has no rows to be blamed.
    if passed { result.observed(removed) } else { result.counts(total.read, removed) }
}

fn header_check(header: &HeaderFinding) -> CheckResult {
    let HeaderFinding { table, claim_type, claims, repeated, summed_cents, once_cents, .. } = header;
    let form = claim_type.as_ref().map_or_else(String::new, |t| format!(" of form type {t:?}"));
    let counts = format!("{repeated} of {claims} claims{form} in {table:?} have one amount on all their lines");
    let result = CheckResult::judged("header_amounts_count_once", !header.suspect() && !header.misfit())
        .column(claim_type.as_ref().map_or_else(|| table.clone(), |t| format!("{table}: {t}")))
        .severity(Severity::Warning)
        .detail("claims", *claims)
        .detail("repeated", *repeated)
        .detail("summed_cents", summed_cents.to_string())
        .detail("once_cents", once_cents.to_string());
    if header.suspect() {
        let sums = format!("{} line by line, {} once a claim", units(*summed_cents), units(*once_cents));
        result.message(format!("{counts} ({sums}): if it is the header's, name the form type in header_claim_types"))
    } else if header.misfit() {
        result.message(format!("only {counts}, but header_claim_types names it"))
    } else {
        result
    }
}

fn units(cents: i128) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", cents.unsigned_abs() / 100, cents.unsigned_abs() % 100)
}
