//! The shared types as rows of text: what the templates lay out.

use med_schema::{CheckResult, Report, Severity, Verdict};

use crate::{DriftRow, ModelRow, PhaseRow, SelectionRow, cell};

/// A verdict as a sign, a word and a class, so that no reader depends on colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) class: &'static str,
    pub(crate) sign: &'static str,
    pub(crate) word: &'static str,
}

impl Mark {
    const fn new(class: &'static str, sign: &'static str, word: &'static str) -> Self {
        Self { class, sign, word }
    }

    pub(crate) fn of(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Passed => Self::new("good", "✓", "passed"),
            Verdict::Failed => Self::new("bad", "✗", "failed"),
            Verdict::Error => Self::new("bad", "!", "could not run"),
        }
    }

    fn of_drift(row: &DriftRow) -> Self {
        match (row.drifted, row.score.is_some_and(|s| !s.is_nan())) {
            (true, _) => Self::new("bad", "▲", "drifted"),
            (false, true) => Self::new("good", "✓", "stable"),
            (false, false) => Self::new("warn", "?", "not measured"),
        }
    }
}

/// One result of a check.
pub(crate) struct ResultView {
    pub(crate) report: String,
    pub(crate) mark: Mark,
    pub(crate) severity: Severity,
    pub(crate) column: String,
    pub(crate) check: String,
    pub(crate) expected: String,
    pub(crate) observed: String,
    pub(crate) rows: String,
    pub(crate) share: Option<String>,
    pub(crate) why: String,
    pub(crate) details: Vec<(String, String)>,
}

impl ResultView {
    fn of(report: &Report, result: &CheckResult) -> Self {
        let share = match (result.unexpected_rows, result.rows) {
            (Some(unexpected), Some(rows)) => {
                Some(format!("of {} ({})", cell::count(rows), cell::share(unexpected, rows)))
            }
            (None, Some(rows)) => Some(format!("of {}", cell::count(rows))),
            (_, None) => None,
        };
        Self {
            report: cell::text(Some(&report.name)),
            mark: Mark::of(result.verdict),
            severity: result.severity,
            column: cell::text(result.column.as_deref()),
            check: cell::text(Some(&result.check)),
            expected: cell::text(result.expected.as_deref()),
            observed: result.observed.as_ref().map_or_else(|| cell::MISSING.to_owned(), cell::value),
            rows: cell::maybe_count(result.unexpected_rows),
            share,
            why: cell::text(result.message.as_deref()),
            details: result.details.iter().map(|(key, v)| (cell::text(Some(key)), cell::value(v))).collect(),
        }
    }
}

/// All that is not passed in these reports: what could not run first, then by falling severity, then as reported.
pub(crate) fn failures(reports: &[Report]) -> Vec<ResultView> {
    let mut failures = Vec::new();
    for report in reports {
        failures.extend(report.failures().map(|result| ResultView::of(report, result)));
        if report.results.is_empty() {
            failures.push(ResultView::of(report, &CheckResult::error(cell::MISSING, "no check ran")));
        }
    }
    failures.sort_by_key(|f| (f.mark != Mark::of(Verdict::Error), std::cmp::Reverse(f.severity)));
    failures
}

/// A report in one line, and its passed checks.
pub(crate) struct ReportView {
    pub(crate) name: String,
    pub(crate) mark: Mark,
    pub(crate) checks: String,
    pub(crate) passed: String,
    pub(crate) failed: String,
    pub(crate) errors: String,
    pub(crate) passes: Vec<ResultView>,
}

impl ReportView {
    pub(crate) fn of(report: &Report) -> Self {
        let statistics = report.statistics();
        let count = |n: usize| cell::count(n as u64);
        Self {
            name: cell::text(Some(&report.name)),
            mark: Mark::of(report.verdict()),
            checks: count(statistics.checks),
            passed: count(statistics.passed),
            failed: count(statistics.failed),
            errors: count(statistics.errors),
            passes: report.results.iter().filter(|r| r.passed()).map(|r| ResultView::of(report, r)).collect(),
        }
    }
}

/// A phase of the run.
pub(crate) struct PhaseView {
    pub(crate) name: String,
    pub(crate) rows_in: String,
    pub(crate) rows_out: String,
    pub(crate) change: String,
    pub(crate) note: String,
}

impl PhaseView {
    pub(crate) fn of(phase: &PhaseRow) -> Self {
        let change = phase.rows_in.zip(phase.rows_out).map(|(rows_in, rows_out)| cell::change(rows_in, rows_out));
        Self {
            name: cell::text(Some(&phase.name)),
            rows_in: cell::maybe_count(phase.rows_in),
            rows_out: cell::maybe_count(phase.rows_out),
            change: change.unwrap_or_else(|| cell::MISSING.to_owned()),
            note: cell::text(Some(&phase.note)),
        }
    }
}

/// A model with one cell a metric.
pub(crate) struct ModelView {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) stage: String,
    pub(crate) promoted: bool,
    pub(crate) metrics: Vec<String>,
}

impl ModelView {
    pub(crate) fn of(model: &ModelRow, metrics: &[&str]) -> Self {
        Self {
            name: cell::text(Some(&model.name)),
            version: model.version.map_or_else(|| cell::MISSING.to_owned(), |v| v.to_string()),
            stage: cell::text(model.stage.as_deref()),
            promoted: model.promoted,
            metrics: metrics.iter().map(|name| cell::maybe(metric(model, name))).collect(),
        }
    }
}

/// A model's metric by name.
pub(crate) fn metric(model: &ModelRow, name: &str) -> Option<f64> {
    model.metrics.iter().find(|(n, _)| n == name).and_then(|(_, value)| *value)
}

/// The names of all metrics, in the order in which they are first met.
pub(crate) fn metric_names(models: &[ModelRow]) -> Vec<&str> {
    first_met(models.iter().flat_map(|m| m.metrics.iter().map(|(name, _)| name.as_str())))
}

/// The different texts, in the order in which they are first met.
pub(crate) fn first_met<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut met = std::collections::BTreeSet::new();
    texts.filter(|text| met.insert(*text)).collect()
}

/// Drift of a feature.
pub(crate) struct DriftView {
    pub(crate) feature: String,
    pub(crate) method: String,
    pub(crate) score: String,
    pub(crate) threshold: String,
    pub(crate) p_value: String,
    pub(crate) mark: Mark,
}

impl DriftView {
    pub(crate) fn of(row: &DriftRow) -> Self {
        Self {
            feature: cell::text(Some(&row.feature)),
            method: cell::text(Some(&row.method)),
            score: cell::maybe(row.score),
            threshold: cell::maybe(row.threshold),
            p_value: cell::p_value(row.p_value),
            mark: Mark::of_drift(row),
        }
    }
}

/// Drifted features first, by falling score; then those without a score; then the stable ones, by falling score.
pub(crate) fn by_drift(rows: &[DriftRow]) -> Vec<&DriftRow> {
    let score = |row: &DriftRow| row.score.filter(|s| !s.is_nan());
    let mut sorted: Vec<&DriftRow> = rows.iter().collect();
    sorted.sort_by(|a, b| {
        let rank = |row: &DriftRow| (!row.drifted, score(row).is_some());
        let (x, y) = (score(a).unwrap_or(f64::INFINITY), score(b).unwrap_or(f64::INFINITY));
        rank(a).cmp(&rank(b)).then(y.total_cmp(&x))
    });
    sorted
}

/// A feature in the selection.
pub(crate) struct SelectionView {
    pub(crate) feature: String,
    pub(crate) method: String,
    pub(crate) score: String,
    pub(crate) selected: bool,
}

impl SelectionView {
    pub(crate) fn of(row: &SelectionRow) -> Self {
        Self {
            feature: cell::text(Some(&row.feature)),
            method: cell::text(Some(&row.method)),
            score: cell::maybe(row.score),
            selected: row.selected,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matters_most_comes_first() {
        let failed = |name: &str, severity| CheckResult::judged(name, false).severity(severity);
        let a = Report::new("a").with(failed("info", Severity::Info)).with(failed("first", Severity::Critical));
        let b = Report::new("b").with(CheckResult::judged("fine", true)).with(failed("second", Severity::Critical));
        let c = Report::new("c").with(CheckResult::error("broken", "no column").severity(Severity::Info));
        let names: Vec<String> = failures(&[a, b, c]).into_iter().map(|f| f.check).collect();
        assert_eq!(names, ["broken", "first", "second", "info"]);
    }

    #[test]
    fn a_report_without_checks_is_a_failure() {
        let failures = failures(&[Report::new("nothing")]);
        assert_eq!((failures[0].report.as_str(), failures[0].why.as_str()), ("nothing", "no check ran"));
    }

    #[test]
    fn drifted_features_come_first() {
        let row =
            |feature: &str, score, drifted| DriftRow { feature: feature.into(), score, drifted, ..DriftRow::default() };
        let rows = [
            row("low", Some(0.1), false),
            row("unknown", Some(f64::NAN), false),
            row("high", Some(0.2), false),
            row("drifted", Some(0.15), true),
        ];
        let names: Vec<&str> = by_drift(&rows).iter().map(|r| r.feature.as_str()).collect();
        assert_eq!(names, ["drifted", "unknown", "high", "low"]);
        assert_eq!(DriftView::of(&rows[1]).mark.word, "not measured");
    }
}
