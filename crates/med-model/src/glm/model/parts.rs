//! The fitted model in files: its parts, and what they must be together.

use med_schema::{FeatureKind, FeatureSchema};
use serde::{Deserialize, Serialize};

use super::super::family::{Family, Link, Loss};
use super::super::params::Unseen;
use super::{GlmModel, Scale, Term};
use crate::error::BrokenModel;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GlmParts {
    features: FeatureSchema,
    family: Family,
    link: Link,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    power: Option<f64>,
    intercept: f64,
    fit_intercept: bool,
    terms: Vec<Term>,
    calibration: f64,
    /// Models without a cap have none, nor have files of before there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    largest_prediction: Option<f64>,
    unseen: Unseen,
    penalised: bool,
    aliased: Vec<String>,
    iterations: usize,
    gradient_norm: f64,
}

impl From<GlmModel> for GlmParts {
    fn from(m: GlmModel) -> Self {
        let power = m.power();
        let GlmModel { features, loss, intercept, fit_intercept, terms, unseen, .. } = m;
        let Scale { calibration, cap: largest_prediction } = m.scale;
        let (family, link) = (loss.family, loss.link);
        let GlmModel { penalised, aliased, iterations, gradient_norm, .. } = m;
        Self {
            features,
            family,
            link,
            power,
            intercept,
            fit_intercept,
            terms,
            calibration,
            largest_prediction,
            unseen,
            penalised,
            aliased,
            iterations,
            gradient_norm,
        }
    }
}

impl TryFrom<GlmParts> for GlmModel {
    type Error = BrokenModel;

    fn try_from(parts: GlmParts) -> Result<Self, BrokenModel> {
        let GlmParts { features, family, link, power, intercept, fit_intercept, terms, calibration, .. } = parts;
        let GlmParts { largest_prediction, unseen, penalised, aliased, iterations, gradient_norm, .. } = parts;
        BrokenModel::same_length("terms", features.features().len(), terms.len())?;
        for (spec, term) in features.features().iter().zip(&terms) {
            match (&spec.kind, term) {
                (FeatureKind::Numeric, Term::Numeric { .. }) => {}
                (FeatureKind::Categorical { levels }, Term::Categorical { coefficients, shares, missing, .. }) => {
                    let expected = levels.len() + usize::from(*missing);
                    BrokenModel::same_length("coefficients of a term", expected, coefficients.len())?;
                    BrokenModel::same_length("shares of a term", expected, shares.len())?;
                }
                _ => return Err(BrokenModel::new("terms", "one of the kind of its feature", "another")),
            }
        }
        if (family == Family::Tweedie) != power.is_some() || power.is_some_and(|p| !(p > 1.0 && p < 2.0)) {
            return Err(BrokenModel::new("power", "a number between 1 and 2 for Tweedie alone", format!("{power:?}")));
        }
        if matches!(link, Link::Power(q) if q == 0.0 || !q.is_finite()) {
            return Err(BrokenModel::new("link", "a power other than 0", "another"));
        }
        if !(calibration > 0.0 && calibration.is_finite()) {
            return Err(BrokenModel::new("calibration", "a finite number above 0", calibration));
        }
        if largest_prediction.is_some_and(|cap| !(cap > 0.0 && cap.is_finite())) {
            return Err(BrokenModel::new("largest_prediction", "a finite number above 0", "another"));
        }
        let finite = terms.iter().all(|t| t.coefficients().iter().all(|b| b.is_finite()) && t.mean().is_finite());
        if !(intercept.is_finite() && finite) {
            return Err(BrokenModel::new("coefficients", "finite numbers", "others"));
        }
        let loss = Loss::new(family, link, power.unwrap_or(0.0));
        Ok(Self {
            features,
            loss,
            intercept,
            fit_intercept,
            terms,
            scale: Scale { calibration, cap: largest_prediction },
            unseen,
            penalised,
            aliased,
            iterations,
            gradient_norm,
        })
    }
}
