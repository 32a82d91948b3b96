//! What counts as drift: methods, thresholds and the rule for the whole table.

use serde::{Deserialize, Serialize};

use crate::calibrate::Calibration;
use crate::chunks::Chunking;
use crate::levels::LevelTable;
use crate::measure::walk;
use crate::{Decision, DriftError, Method, Sample, SampleKind};

/// A set of parameters that belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// Med's own: a column has drifted when the shift is large *and* not a matter of chance.
    #[default]
    Default,
    /// As deepchecks' feature drift: one large score is enough.
    Deepchecks,
    /// As evidently's drift preset: the measure is chosen column by column, by the number of rows and of different values.
    Evidently,
    /// As NannyML's univariate drift: chunks of rows against thresholds learnt from the chunks of the reference.
    Nannyml,
}

impl Preset {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Deepchecks => "deepchecks",
            Self::Evidently => "evidently",
            Self::Nannyml => "nannyml",
        }
    }
}

/// How columns of one kind are judged.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The measure.
    pub method: Method,
    /// Where drift begins: a score, or a p-value for methods that decide by it ([`Method::decision`]).
    pub threshold: f64,
    /// With a value, references of up to 1000 rows are judged by a test in place of `method`, and drift begins at this p-value: evidently's choice,
    /// see [`Rule::choose`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub small: Option<f64>,
}

/// References up to this size are small.
const SMALL_ROWS: usize = 1000;
/// Up to so many different values a numeric column is compared value by value.
const FEW_VALUES: usize = 5;

impl Rule {
    /// The method for these samples and its threshold.
    ///
    /// It is `method`, unless `small` has a value. Then, with d the different values of both sides together:
    ///
    /// | rows of the reference | numeric | categorical |
    /// | --- | --- | --- |
    /// | up to 1000 | d > 5: `ks`, 3 to 5: `chi_square`, up to 2: `z_test` | d > 2: `chi_square`, up to 2: `z_test` |
    /// | more | d > 5: `method`, up to 5: `jensen_shannon` | `method` |
    pub fn choose(&self, reference: Sample<'_>, current: Sample<'_>) -> (Method, f64) {
        let Some(small) = self.small else { return (self.method, self.threshold) };
        let (rows, distinct, numeric) = match (reference, current) {
            (Sample::Numeric(r), Sample::Numeric(c)) => {
                (r.finite().len(), walk::distinct(r.finite(), c.finite()), true)
            }
            (Sample::Categorical(r), Sample::Categorical(c)) => (r.rows(), LevelTable::new(r, c).counts.len(), false),
            _ => return (self.method, self.threshold),
        };
        if rows > SMALL_ROWS {
            let method = if numeric && distinct <= FEW_VALUES { Method::JensenShannon } else { self.method };
            return (method, self.threshold);
        }
        let method = match distinct {
            0..=2 => Method::ZTest,
            d if numeric && d > FEW_VALUES => Method::Ks,
            _ => Method::ChiSquare,
        };
        (method, small)
    }
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
/// | field | meaning | default | `deepchecks` | `evidently` | `nannyml` | range |
/// | --- | --- | --- | --- | --- | --- | --- |
/// | `numeric` | rule for numbers | `ks` >= 0.1 | `ks` >= 0.2 | by size: [`Rule::choose`], 0.05 or 0.1 | `jensen_shannon` | any method for numbers |
/// | `categorical` | rule for names | `cramers_v` >= 0.1 | `cramers_v` >= 0.2 | by size | `jensen_shannon` | any method for names |
/// | `alpha` | a score over the threshold also needs a p-value at or below this, where the method has one | 0.05 | none | none | none | (0, 1) |
/// | `only` | compare only columns of the kinds this method measures, the others have no score | all columns | all columns | all columns | all columns | |
/// | `min_samples` | fewer non-missing rows on a side: no score | 10 | 10 | 1 | chunks of any size | >= 1 |
/// | `adjust` | p-values adjusted over all columns; missing values and new levels count | yes | no | no | no | |
/// | `min_effect` | smallest change that counts beside a p-value | 0.02 | unused | unused | unused | \[0, 1) |
/// | `table` | when the whole table has drifted | half of the columns | any column | half of the columns | any column | share in (0, 1\] |
/// | `calibrate` | learn from the reference what is no drift | no | no | no | not with chunks | [`Calibration`] |
/// | `chunks` | judge chunks of rows | none | none | none | 10, mean + 3 sd | [`Chunking`] |
/// | `preset` | whose parameters the measures take | `default` | `deepchecks` | `evidently` | `nannyml` | |
///
/// Of 20 columns without drift one falls below 0.05 by chance: with `adjust` the p-values are adjusted for that, and a large score is asked for besides.
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
    /// Compare only columns of the kinds this method measures, see [`DriftParams::with_only`]; `None`: all columns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only: Option<Method>,
    /// Least non-missing rows a side.
    pub min_samples: usize,
    /// Adjust the p-values of all columns for their number, and take a change of the share of missing values or of new levels for drift; see
    /// [`benjamini_hochberg`](crate::benjamini_hochberg).
    pub adjust: bool,
    /// Smallest change that counts, whatever its p-value: of the share of missing values, of the share of rows with new levels, and the effect size beside
    /// methods that decide by p-value. In \[0, 1); used with `adjust`.
    pub min_effect: f64,
    /// When the whole table has drifted.
    pub table: TableRule,
    /// Learn from the reference what a method that decides by score gives without drift, and judge by the p-value that comes of it in place of its threshold; `None`: do not. Not
    /// together with `chunks`, which learn theirs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calibrate: Option<Calibration>,
    /// Judge chunks of rows, in their order, against thresholds learnt from chunks of the reference; `None`: the current table as one.
    pub chunks: Option<Chunking>,
}

impl Default for DriftParams {
    fn default() -> Self {
        Self::preset(Preset::Default)
    }
}

impl DriftParams {
    /// All parameters of a preset.
    pub fn preset(preset: Preset) -> Self {
        let rule = |method| Rule { method, threshold: default_threshold(preset, method), small: None };
        let base = Self {
            preset,
            numeric: rule(Method::Ks),
            categorical: rule(Method::CramersV),
            alpha: None,
            only: None,
            min_samples: 1,
            adjust: false,
            min_effect: 0.02,
            table: TableRule::AnyColumn,
            calibrate: None,
            chunks: None,
        };
        match preset {
            Preset::Default => {
                Self { alpha: Some(0.05), min_samples: 10, adjust: true, table: TableRule::Share(0.5), ..base }
            }
            Preset::Deepchecks => Self { min_samples: 10, ..base },
            Preset::Evidently => {
                let by_size = |method| Rule { small: Some(0.05), ..rule(method) };
                let (numeric, categorical) = (by_size(Method::Wasserstein), by_size(Method::JensenShannon));
                Self { numeric, categorical, table: TableRule::Share(0.5), ..base }
            }
            Preset::Nannyml => {
                let both = rule(Method::JensenShannon);
                Self { numeric: both, categorical: both, chunks: Some(Chunking::default()), ..base }
            }
        }
    }

    /// With this method, at its default threshold, for the kinds of columns it measures; other columns keep theirs.
    #[must_use]
    pub fn with_method(mut self, method: Method) -> Self {
        let rule = Rule { method, threshold: default_threshold(self.preset, method), small: None };
        let supports = |kind| method.measure(self.preset, kind).supports(kind);
        if supports(SampleKind::Numeric) {
            self.numeric = rule;
        }
        if supports(SampleKind::Categorical) {
            self.categorical = rule;
        }
        self
    }

    /// With this method and no other: columns of a kind it does not measure get no score and say so, and count in no share.
    #[must_use]
    pub fn with_only(self, method: Method) -> Self {
        Self { only: Some(method), ..self.with_method(method) }
    }

    /// Whether columns of this kind are compared.
    pub(crate) fn compares(&self, kind: SampleKind) -> bool {
        self.only.is_none_or(|method| method.measure(self.preset, kind).supports(kind))
    }

    /// With this threshold for both kinds of columns, in place of any that would be learnt.
    #[must_use]
    pub fn with_threshold(mut self, threshold: f64) -> Self {
        for rule in [&mut self.numeric, &mut self.categorical] {
            rule.threshold = threshold;
            rule.small = rule.small.map(|_| threshold);
        }
        if let Some(chunks) = &mut self.chunks {
            chunks.deviations = None;
        }
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
            if !rule.method.measure(self.preset, kind).supports(kind) {
                return Err(DriftError::Unsupported { method: rule.method.as_str(), kind });
            }
            let (fits, expected) = match rule.method.decision_in(self.preset) {
                Decision::Score => (rule.threshold.is_finite() && rule.threshold >= 0.0, "a number >= 0"),
                Decision::PValue => (0.0 < rule.threshold && rule.threshold < 1.0, "a p-value between 0 and 1"),
            };
            if !fits {
                return Err(DriftError::Parameter { parameter: "threshold", expected, found: rule.threshold });
            }
            if let Some(small) = rule.small.filter(|&p| !(0.0 < p && p < 1.0)) {
                let expected = "a p-value between 0 and 1";
                return Err(DriftError::Parameter { parameter: "small", expected, found: small });
            }
        }
        if let Some(alpha) = self.alpha.filter(|&a| !(0.0 < a && a < 1.0)) {
            return Err(DriftError::Parameter { parameter: "alpha", expected: "between 0 and 1", found: alpha });
        }
        if !(0.0..1.0).contains(&self.min_effect) {
            let expected = "at least 0 and below 1";
            return Err(DriftError::Parameter { parameter: "min_effect", expected, found: self.min_effect });
        }
        if self.min_samples == 0 {
            return Err(DriftError::Parameter { parameter: "min_samples", expected: "at least 1", found: 0.0 });
        }
        if let Some(chunks) = &self.chunks {
            chunks.validate()?;
        }
        if let Some(calibration) = &self.calibrate {
            calibration.validate()?;
            if self.chunks.is_some() {
                let (expected, found) = ("none with chunks", calibration.permutations as f64);
                return Err(DriftError::Parameter { parameter: "calibrate", expected, found });
            }
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
        (Preset::Evidently, Method::Anderson | Method::CramerVonMises) => 0.1,
        (_, m) if m.decision_in(preset) == Decision::PValue => 0.05,
        (Preset::Evidently, Method::Psi) => 0.1,
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
        assert!(params.compares(SampleKind::Categorical));
        let params = DriftParams::default().with_only(Method::Wasserstein);
        assert!(params.compares(SampleKind::Numeric) && !params.compares(SampleKind::Categorical));
        let params = DriftParams::preset(Preset::Deepchecks).with_method(Method::Psi);
        assert_eq!((params.numeric, params.numeric.threshold), (params.categorical, 0.2));
    }
}
