//! Expectations of metrics: model quality in the words of data quality.

use med_schema::{Check, CheckResult, Report, Severity};
use serde::{Deserialize, Serialize};

use super::{Metric, RegressionMetrics};
use crate::ParameterError;

const NAME: &str = "expect_metric_to_be_between";

/// Expects a metric to lie from `min` to `max`, both included; a bound left out is open. A metric that is not defined is an
/// error of the check, never a pass.
///
/// ```
/// use med_model::{Metric, MetricExpectation, RegressionMetrics};
/// let metrics = RegressionMetrics::of(&[100.0, 200.0, 600.0], &[110.0, 190.0, 590.0], None)?;
/// let suite = [MetricExpectation::at_least(Metric::R2, 0.9)?, MetricExpectation::at_most(Metric::Mae, 5.0)?];
/// let report = metrics.report("model quality", &suite);
/// assert_eq!((report.statistics().passed, report.statistics().failed), (1, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Bounds", into = "Bounds")]
pub struct MetricExpectation {
    bounds: Bounds,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bounds {
    metric: Metric,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    min: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max: Option<f64>,
    #[serde(default)]
    severity: Severity,
}

impl TryFrom<Bounds> for MetricExpectation {
    type Error = ParameterError;

    fn try_from(bounds: Bounds) -> Result<Self, ParameterError> {
        let wrong = |name, expected: &str, found: String| {
            Err(ParameterError::Range { model: NAME, name, expected: expected.to_owned(), found })
        };
        match (bounds.min, bounds.max) {
            (None, None) => wrong("min", "a bound, here or in max", "none".to_owned()),
            (Some(min), _) if !min.is_finite() => wrong("min", "a finite number", min.to_string()),
            (_, Some(max)) if !max.is_finite() => wrong("max", "a finite number", max.to_string()),
            (Some(min), Some(max)) if min > max => wrong("max", "at least min", max.to_string()),
            _ => Ok(Self { bounds }),
        }
    }
}

impl From<MetricExpectation> for Bounds {
    fn from(expectation: MetricExpectation) -> Self {
        expectation.bounds
    }
}

impl MetricExpectation {
    /// From `min` to `max`; a `None` is open.
    ///
    /// # Errors
    /// When both are open, a bound is not finite, or the range is empty.
    pub fn new(metric: Metric, min: Option<f64>, max: Option<f64>, severity: Severity) -> Result<Self, ParameterError> {
        Bounds { metric, min, max, severity }.try_into()
    }

    /// `min` or more, of severity critical.
    ///
    /// # Errors
    /// When the bound is not finite.
    pub fn at_least(metric: Metric, min: f64) -> Result<Self, ParameterError> {
        Self::new(metric, Some(min), None, Severity::default())
    }

    /// `max` or less, of severity critical.
    ///
    /// # Errors
    /// When the bound is not finite.
    pub fn at_most(metric: Metric, max: f64) -> Result<Self, ParameterError> {
        Self::new(metric, None, Some(max), Severity::default())
    }

    /// The metric it is about.
    pub fn metric(&self) -> Metric {
        self.bounds.metric
    }

    fn expected(&self) -> String {
        match (self.bounds.min, self.bounds.max) {
            (Some(min), Some(max)) => format!("from {min} to {max}"),
            (Some(min), None) => format!("{min} or more"),
            (None, Some(max)) => format!("{max} or less"),
            (None, None) => "anything".to_owned(),
        }
    }
}

impl Check<RegressionMetrics> for MetricExpectation {
    fn name(&self) -> &str {
        NAME
    }

    fn check(&self, metrics: &RegressionMetrics) -> CheckResult {
        let Bounds { metric, min, max, severity } = self.bounds;
        let result = match metrics.get(metric) {
            Some(value) => {
                let passed = min.is_none_or(|min| value >= min) && max.is_none_or(|max| value <= max);
                CheckResult::judged(NAME, passed).observed(value)
            }
            None => CheckResult::error(NAME, format!("{metric} is not defined for these rows")),
        };
        result.column(metric.as_str()).severity(severity).expected(self.expected())
    }
}

impl RegressionMetrics {
    /// Runs these expectations, in order. Without expectations the report's verdict is an error: nothing was checked.
    pub fn report(&self, name: impl Into<String>, expectations: &[MetricExpectation]) -> Report {
        Report::of(name, expectations.iter().map(|e| e as &dyn Check<Self>), self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use med_schema::Verdict;

    #[test]
    fn bounds_are_included_and_undefined_is_an_error() {
        let metrics = RegressionMetrics::of(&[1.0, 3.0], &[1.0, 3.0], None).unwrap();
        let verdict =
            |m, min, max| MetricExpectation::new(m, min, max, Severity::Warning).unwrap().check(&metrics).verdict;
        assert_eq!(verdict(Metric::R2, Some(1.0), None), Verdict::Passed);
        assert_eq!(verdict(Metric::Rmse, Some(0.1), Some(1.0)), Verdict::Failed);
        let constant = RegressionMetrics::of(&[2.0, 2.0], &[1.0, 3.0], None).unwrap();
        let result = MetricExpectation::at_least(Metric::R2, 0.0).unwrap().check(&constant);
        assert_eq!(
            result.to_string(),
            "expect_metric_to_be_between on \"r2\" error (critical): expected 0 or more: r2 is not defined for these rows"
        );
    }

    #[test]
    fn expectations_are_checked_when_made_and_when_read() {
        assert!(MetricExpectation::new(Metric::R2, None, None, Severity::Info).is_err());
        assert!(MetricExpectation::new(Metric::R2, Some(1.0), Some(0.0), Severity::Info).is_err());
        assert!(MetricExpectation::at_least(Metric::R2, f64::NAN).is_err());
        let json = r#"{"metric":"r2","min":0.9,"severity":"warning"}"#;
        let read: MetricExpectation = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), json);
        assert!(serde_json::from_str::<MetricExpectation>(r#"{"metric":"r2"}"#).is_err());
        assert!(serde_json::from_str::<MetricExpectation>(r#"{"metric":"r3","min":1}"#).is_err());
    }
}
