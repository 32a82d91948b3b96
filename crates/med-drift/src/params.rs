//! What counts as drift: methods, thresholds and the rule for the whole table.

use serde::{Deserialize, Serialize};

use crate::{Decision, DriftError, Method, SampleKind};

/// A set of parameters that belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// Med's own: a column has drifted when the shift is large *and* not a matter of chance.
    #[default]
    Default,
    /// As deepchecks' feature drift: one large score is enough.
    Deepchecks,
}

/// How columns of one kind are judged.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The measure.
    pub method: Method,
    /// Where drift begins: a score, or a p-value for methods that decide by it ([`Method::decision`]).
    pub threshold: f64,
}

/// When the whole table counts as drifted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TableRule {
    /// When any column has.
    AnyColumn,
    /// When at least this share of the columns has; in (0, 1].
    Share(f64),
}

/// Parameters of a [`DriftDetector`](crate::DriftDetector).
///
/// | field | meaning | default | `deepchecks` | range |
/// | --- | --- | --- | --- | --- |
/// | `numeric` | rule for numbers | `ks` >= 0.1 | `ks` >= 0.2 | any method for numbers |
/// | `categorical` | rule for names | `cramers_v` >= 0.1 | `cramers_v` >= 0.2 | any method for names |
/// | `alpha` | a score over the threshold also needs a p-value at or below this, where the method has one | 0.05 | none | (0, 1) |
/// | `min_samples` | fewer non-missing rows on a side: no score | 10 | 10 | >= 1 |
/// | `table` | when the whole table has drifted | half of the columns | any column | share in (0, 1\] |
/// | `preset` | whose parameters the measures take | `default` | `deepchecks` | |
///
/// The p-values are not corrected for the number of columns: of 20 columns one falls below 0.05 by chance, which is why the default also asks for
/// a large score.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DriftParams {
    /// Whose parameters the measures take.
    pub preset: Preset,
    /// How numeric columns are judged.
    pub numeric: Rule,
    /// How categorical columns are judged.
    pub categorical: Rule,
    /// Largest p-value of a score that counts; `None`: p-values do not matter to scores.
    pub alpha: Option<f64>,
    /// Least non-missing rows a side.
    pub min_samples: usize,
    /// When the whole table has drifted.
    pub table: TableRule,
}

impl Default for DriftParams {
    fn default() -> Self {
        Self::preset(Preset::Default)
    }
}

impl DriftParams {
    /// All parameters of a preset.
    pub fn preset(preset: Preset) -> Self {
        let rule = |method| Rule { method, threshold: default_threshold(preset, method) };
        let (alpha, table) = match preset {
            Preset::Default => (Some(0.05), TableRule::Share(0.5)),
            Preset::Deepchecks => (None, TableRule::AnyColumn),
        };
        let (numeric, categorical) = (rule(Method::Ks), rule(Method::CramersV));
        Self { preset, numeric, categorical, alpha, min_samples: 10, table }
    }

    /// With this method, at its default threshold, for the kinds of columns it measures; other columns keep theirs.
    #[must_use]
    pub fn with_method(mut self, method: Method) -> Self {
        let rule = Rule { method, threshold: default_threshold(self.preset, method) };
        if method.supports(SampleKind::Numeric) {
            self.numeric = rule;
        }
        if method.supports(SampleKind::Categorical) {
            self.categorical = rule;
        }
        self
    }

    /// With this threshold for both kinds of columns.
    #[must_use]
    pub fn with_threshold(mut self, threshold: f64) -> Self {
        self.numeric.threshold = threshold;
        self.categorical.threshold = threshold;
        self
    }

    /// The rule for columns of this kind.
    pub fn rule(&self, kind: SampleKind) -> Rule {
        match kind {
            SampleKind::Numeric => self.numeric,
            SampleKind::Categorical => self.categorical,
        }
    }

    /// Checks the ranges of the table above.
    ///
    /// # Errors
    /// When a value is outside its range, or a method does not measure the kind it is given for.
    pub fn validate(&self) -> Result<(), DriftError> {
        for kind in [SampleKind::Numeric, SampleKind::Categorical] {
            let rule = self.rule(kind);
            if !rule.method.supports(kind) {
                return Err(DriftError::Unsupported { method: rule.method.as_str(), kind });
            }
            let (fits, expected) = match rule.method.decision() {
                Decision::Score => (rule.threshold.is_finite() && rule.threshold >= 0.0, "a number >= 0"),
                Decision::PValue => (0.0 < rule.threshold && rule.threshold < 1.0, "a p-value between 0 and 1"),
            };
            if !fits {
                return Err(DriftError::Parameter { parameter: "threshold", expected, found: rule.threshold });
            }
        }
        if let Some(alpha) = self.alpha.filter(|&a| !(0.0 < a && a < 1.0)) {
            return Err(DriftError::Parameter { parameter: "alpha", expected: "between 0 and 1", found: alpha });
        }
        if self.min_samples == 0 {
            return Err(DriftError::Parameter { parameter: "min_samples", expected: "at least 1", found: 0.0 });
        }
        match self.table {
            TableRule::Share(share) if !(0.0 < share && share <= 1.0) => {
                Err(DriftError::Parameter { parameter: "table share", expected: "above 0 and at most 1", found: share })
            }
            _ => Ok(()),
        }
    }
}

/// Where drift begins unless the caller says otherwise.
fn default_threshold(preset: Preset, method: Method) -> f64 {
    match (preset, method) {
        (_, m) if m.decision() == Decision::PValue => 0.05,
        (Preset::Deepchecks, Method::Ks | Method::Emd | Method::CramersV | Method::Psi) => 0.2,
        (_, Method::Psi) => 0.2,
        _ => 0.1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_checked() {
        let good = DriftParams::default();
        good.validate().unwrap();
        let bad = [
            good.with_threshold(f64::NAN),
            good.with_threshold(-0.1),
            good.with_method(Method::Welch).with_threshold(1.5),
            DriftParams { alpha: Some(0.0), ..good },
            DriftParams { min_samples: 0, ..good },
            DriftParams { table: TableRule::Share(0.0), ..good },
            DriftParams { numeric: good.categorical, ..good },
        ];
        for params in bad {
            assert!(params.validate().is_err(), "{params:?}");
        }
    }

    #[test]
    fn a_method_replaces_the_rule_of_the_kinds_it_measures() {
        let params = DriftParams::default().with_method(Method::Wasserstein);
        assert_eq!(params.numeric.method, Method::Wasserstein);
        assert_eq!(params.categorical.method, Method::CramersV);
        let params = DriftParams::preset(Preset::Deepchecks).with_method(Method::Psi);
        assert_eq!((params.numeric, params.numeric.threshold), (params.categorical, 0.2));
    }
}
