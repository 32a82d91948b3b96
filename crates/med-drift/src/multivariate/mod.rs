//! Drift that no column shows by itself, drift of a model's outcomes, and performance without labels.
//!
//! | what | sees | cost |
//! | --- | --- | --- |
//! | [`Reconstruction`] | linear relations between columns that no longer hold | O(rows p^2) |
//! | [`correlation_change`] | which pair of columns is related in another way | O(rows (p log rows + p^2)) |
//! | [`maximum_mean_discrepancy`] | any difference, without a learner | O(rows 256 p) |
//! | [`domain_classifier`] | whatever a learner can, and which columns drive it | a learner, once a fold |
//! | [`DriftDetector::outcomes`](crate::DriftDetector::outcomes) | labels, predictions, residuals | as a column |
//! | [`LossEstimator`] | rows on which the model is expected to err more | a learner, twice a fold |
//!
//! All are seeded and do not depend on the number of threads.

mod classifier;
mod correlation;
mod design;
mod learner;
mod loss;
mod mmd;
mod outcomes;
mod reconstruction;

use med_schema::FeatureMatrix;
use serde::{Deserialize, Serialize};

use crate::{DriftError, benjamini_hochberg};

pub use classifier::{ClassifierDrift, ClassifierParams, ColumnImportance, domain_classifier};
pub(crate) use classifier::{failed, take};
pub use correlation::{CorrelationChange, CorrelationParams, PairChange, correlation_change};
pub use learner::{Learner, LearnerError, Predictor};
pub use loss::{LossEstimates, LossEstimator, LossMetric, LossParams, MetricEstimate};
pub use mmd::{MmdDrift, MmdParams, maximum_mean_discrepancy};
pub use outcomes::Outcomes;
pub use reconstruction::{ColumnResidual, Reconstruction, ReconstructionDrift, ReconstructionParams};

/// Parameters of [`multivariate`].
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MultivariateParams {
    /// Of the reconstruction by principal components.
    pub reconstruction: ReconstructionParams,
    /// Of the change of correlations.
    pub correlation: CorrelationParams,
    /// Of the maximum mean discrepancy.
    pub mmd: MmdParams,
    /// Of the domain classifier.
    pub classifier: ClassifierParams,
}

/// What all measures over all columns say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MultivariateReport {
    /// Reconstruction by principal components.
    pub reconstruction: ReconstructionDrift,
    /// Change of correlations.
    pub correlation: CorrelationChange,
    /// Maximum mean discrepancy.
    pub mmd: MmdDrift,
    /// Domain classifier, where a learner was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classifier: Option<ClassifierDrift>,
    /// Whether any of them has drifted. Each asks for an effect and for a p-value that is adjusted for there being up to four, see [`multivariate`].
    pub drifted: bool,
}

/// Compares two tables by all measures over all columns.
///
/// Without drift four tests at 0.05 alarm up to four times as often as one. Their p-values are therefore adjusted together by the step-up procedure of Benjamini and Hochberg
/// ([`benjamini_hochberg`]), and each measure has drifted when its `adjusted_p_value` is at or below its `alpha` and its effect is large enough. Where nothing has drifted the chance of any
/// alarm is then at most `alpha`, for measures that are independent or positively dependent.
///
/// # Errors
/// As the measures: when the sides have other columns or too few rows, or the learner fails.
pub fn multivariate(
    reference: &FeatureMatrix,
    current: &FeatureMatrix,
    learner: Option<&dyn Learner>,
    params: &MultivariateParams,
) -> Result<MultivariateReport, DriftError> {
    let mut report = MultivariateReport {
        reconstruction: Reconstruction::fit(reference, params.reconstruction)?.judge(current)?,
        correlation: correlation_change(reference, current, &params.correlation)?,
        mmd: maximum_mean_discrepancy(reference, current, &params.mmd)?,
        classifier: learner.map(|l| domain_classifier(reference, current, l, &params.classifier)).transpose()?,
        drifted: false,
    };
    report.adjust(params);
    Ok(report)
}

impl MultivariateReport {
    /// Adjusts the p-values that there are for one another, and the verdicts with them.
    fn adjust(&mut self, params: &MultivariateParams) {
        let Self { reconstruction, correlation, mmd, classifier, .. } = self;
        let found =
            [reconstruction.p_value, correlation.p_value, Some(mmd.p_value), classifier.as_ref().map(|c| c.p_value)];
        let mut adjusted = benjamini_hochberg(&found.iter().flatten().copied().collect::<Vec<_>>()).into_iter();
        let [r, c, m, d] = found.map(|p| p.and_then(|_| adjusted.next()));
        reconstruction.adjusted_p_value = r;
        reconstruction.drifted = params.reconstruction.counts(reconstruction.effect_size, r);
        correlation.adjusted_p_value = c;
        correlation.drifted &= c.is_some_and(|p| p <= params.correlation.alpha);
        mmd.adjusted_p_value = m;
        mmd.drifted = m.is_some_and(|p| params.mmd.counts(mmd.score, p));
        if let Some(classifier) = classifier {
            classifier.adjusted_p_value = d;
            classifier.drifted = d.is_some_and(|p| params.classifier.counts(classifier.score, p));
        }
        self.drifted = self.reconstruction.drifted
            || self.correlation.drifted
            || self.mmd.drifted
            || self.classifier.as_ref().is_some_and(|c| c.drifted);
    }
}
