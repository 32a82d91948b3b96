//! Parameters of generalised linear models: one estimator in full, and three with their family fixed.

use serde::{Deserialize, Serialize};

use super::family::{Family, Link, Loss};
use crate::ParameterError;
use crate::parameters::{Parameters, checked_estimator, require};

/// The level of a categorical feature that the others are compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reference {
    /// The first level that occurs.
    #[default]
    First,
    /// The level with the largest weight, the first of them at a tie.
    MostFrequent,
    /// No level is left out. Without a penalty the last one is then an alias of the others.
    None,
}

/// What a model does with a category it has not been fitted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Unseen {
    /// Refuses it, naming column and row.
    #[default]
    Error,
    /// Takes it for the reference level.
    Reference,
}

/// Whether predictions are multiplied so that their sum over the training part is the sum of the costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Calibration {
    /// Never.
    #[default]
    None,
    /// Where the sums differ by more than 2 %.
    Auto,
    /// Always.
    Always,
}

/// How the power of the Tweedie variance is estimated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PowerMethod {
    /// The power of the largest likelihood, by the series of Dunn and Smyth 2005.
    #[default]
    Profile,
    /// The slope of the logarithm of squared residuals on the logarithm of the mean (Park 1966), by a gamma model.
    Park,
}

/// All there is to say of a fit, whatever the name it was asked for under.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Settings {
    pub(crate) model: &'static str,
    pub(crate) family: Family,
    pub(crate) link: Link,
    pub(crate) power: Option<f64>,
    pub(crate) power_method: PowerMethod,
    pub(crate) alpha: f64,
    pub(crate) l1_ratio: f64,
    pub(crate) standardise: bool,
    pub(crate) fit_intercept: bool,
    pub(crate) reference: Reference,
    pub(crate) unseen: Unseen,
    pub(crate) calibration: Calibration,
    pub(crate) prediction_cap: Option<f64>,
    pub(crate) max_iterations: usize,
    pub(crate) tolerance: f64,
}

impl Settings {
    pub(crate) fn loss(&self, power: f64) -> Loss {
        Loss::new(self.family, self.link, power)
    }

    fn check<P: Parameters>(&self) -> Result<(), ParameterError> {
        let Self { alpha, l1_ratio, max_iterations, tolerance, .. } = *self;
        if let Link::Power(q) = self.link {
            require::<P>(q != 0.0 && q.is_finite(), "link", "a power other than 0", q)?;
        }
        let share = matches!(self.link, Link::Logit | Link::Probit);
        require::<P>(
            !share || self.family == Family::Binomial,
            "link",
            "log, identity or a power for this family",
            if self.link == Link::Logit { "logit" } else { "probit" },
        )?;
        if let Some(power) = self.power {
            require::<P>(power > 1.0 && power < 2.0, "power", "a number between 1 and 2, or null", power)?;
        }
        require::<P>(alpha >= 0.0 && alpha.is_finite(), "alpha", "a finite number >= 0", alpha)?;
        require::<P>((0.0..=1.0).contains(&l1_ratio), "l1_ratio", "a number from 0 to 1", l1_ratio)?;
        if let Some(cap) = self.prediction_cap {
            require::<P>(cap >= 1.0 && cap.is_finite(), "prediction_cap", "a finite number >= 1, or null", cap)?;
        }
        require::<P>(max_iterations >= 1, "max_iterations", "at least 1", max_iterations)?;
        require::<P>((1e-14..1.0).contains(&tolerance), "tolerance", "a number from 1e-14 to 1", tolerance)
    }
}

/// A parameter struct: the fields of its own, those that all share, and how it becomes [`Settings`].
macro_rules! glm_params {
    (
        $(#[$doc:meta])* $params:ident, $model:literal, calibration $calibration:ident,
        { $($(#[$field_doc:meta])* $field:ident: $type:ty = $default:expr,)* },
        |$p:ident| $own:expr
    ) => {
        $(#[$doc])*
        ///
        /// | `link` | what the linear predictor is of the mean: `"log"`, `"identity"`, `{"power": q}`, `"logit"`, `"probit"` | `"log"` | |
        /// | `alpha` | weight of the penalty | 0 | [0, inf) |
        /// | `l1_ratio` | share of the absolute penalty; the rest is quadratic | 0 | [0, 1] |
        /// | `standardise` | whether the penalty is on the coefficients of columns brought to standard deviation 1 | `true` | |
        /// | `fit_intercept` | whether there is an intercept; it is not penalised | `true` | |
        /// | `drop` | reference level of categorical features: `first`, `most_frequent`, `none` | `first` | |
        /// | `unseen` | categories not fitted on: `error`, or taken for the `reference` | `error` | |
        /// | `calibration` | whether predictions are scaled to the sum of the costs: `none`, `auto` (when they are off by more than 2 %), `always` | see above | |
        /// | `prediction_cap` | predictions are at most this many times the largest target (per unit of exposure) of the training part; `null` for no such bound | `null` | [1, inf) |
        /// | `max_iterations` | steps before it is an error | 200 | [1, inf) |
        /// | `tolerance` | scaled norm of the gradient at which to stop | 1e-8 | [1e-14, 1) |
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $params {
            $($(#[$field_doc])* pub $field: $type,)*
            /// What the linear predictor is of the mean.
            pub link: Link,
            /// Weight of the penalty.
            pub alpha: f64,
            /// Share of the absolute penalty.
            pub l1_ratio: f64,
            /// Whether the penalty is on the coefficients of standardised columns.
            pub standardise: bool,
            /// Whether there is an intercept.
            pub fit_intercept: bool,
            /// Reference level of categorical features.
            pub drop: Reference,
            /// What becomes of categories not fitted on.
            pub unseen: Unseen,
            /// Whether predictions are scaled to the sum of the costs.
            pub calibration: Calibration,
            /// What predictions are cut at, in largest targets of the training part.
            pub prediction_cap: Option<f64>,
            /// Steps before it is an error.
            pub max_iterations: usize,
            /// Scaled norm of the gradient at which to stop.
            pub tolerance: f64,
        }

        impl Default for $params {
            fn default() -> Self {
                Self {
                    $($field: $default,)*
                    link: Link::Log,
                    alpha: 0.0,
                    l1_ratio: 0.0,
                    standardise: true,
                    fit_intercept: true,
                    drop: Reference::First,
                    unseen: Unseen::Error,
                    calibration: Calibration::$calibration,
                    prediction_cap: None,
                    max_iterations: 200,
                    tolerance: 1e-8,
                }
            }
        }

        impl $params {
            pub(crate) fn settings(&self) -> Settings {
                let $p = self;
                let (family, power, power_method) = $own;
                Settings {
                    model: $model,
                    family,
                    link: self.link,
                    power,
                    power_method,
                    alpha: self.alpha,
                    l1_ratio: self.l1_ratio,
                    standardise: self.standardise,
                    fit_intercept: self.fit_intercept,
                    reference: self.drop,
                    unseen: self.unseen,
                    calibration: self.calibration,
                    prediction_cap: self.prediction_cap,
                    max_iterations: self.max_iterations,
                    tolerance: self.tolerance,
                }
            }
        }

        impl Parameters for $params {
            const MODEL: &'static str = $model;

            fn check(&self) -> Result<(), ParameterError> {
                self.settings().check::<Self>()
            }
        }
    };
}

glm_params! {
    /// Parameters of [`Glm`].
    ///
    /// | parameter | meaning | default | range |
    /// | --- | --- | --- | --- |
    /// | `family` | how the variance grows with the mean: `gaussian`, `poisson`, `gamma`, `inverse_gaussian`, `tweedie`, `binomial` | `gamma` | |
    /// | `power` | exponent of the Tweedie variance; `null` is estimated | 1.5 | (1, 2) |
    /// | `power_method` | how it is estimated: `profile`, `park` | `profile` | |
    ///
    /// `calibration` is `none` unless asked for.
    ///
    /// | parameter | meaning | default | range |
    /// | --- | --- | --- | --- |
    GlmParams, "glm", calibration None,
    {
        /// How the variance grows with the mean.
        family: Family = Family::Gamma,
        /// Exponent of the Tweedie variance; `None` is estimated.
        power: Option<f64> = Some(1.5),
        /// How it is estimated.
        power_method: PowerMethod = PowerMethod::Profile,
    },
    |p| (p.family, p.power, p.power_method)
}

glm_params! {
    /// Parameters of [`GlmGamma`]. `calibration` is `none` unless asked for.
    ///
    /// | parameter | meaning | default | range |
    /// | --- | --- | --- | --- |
    GlmGammaParams, "glm_gamma", calibration None,
    {},
    |_p| (Family::Gamma, None, PowerMethod::Profile)
}

glm_params! {
    /// Parameters of [`GlmPoisson`]. `calibration` is `none` unless asked for.
    ///
    /// | parameter | meaning | default | range |
    /// | --- | --- | --- | --- |
    GlmPoissonParams, "glm_poisson", calibration None,
    {},
    |_p| (Family::Poisson, None, PowerMethod::Profile)
}

glm_params! {
    /// Parameters of [`GlmTweedie`]. `calibration` is `auto` unless asked otherwise: a Tweedie fit does not sum to the
    /// costs by itself.
    ///
    /// | parameter | meaning | default | range |
    /// | --- | --- | --- | --- |
    /// | `power` | exponent of the variance; `null` is estimated | 1.5 | (1, 2) |
    /// | `power_method` | how it is estimated: `profile`, `park` | `profile` | |
    ///
    /// | parameter | meaning | default | range |
    /// | --- | --- | --- | --- |
    GlmTweedieParams, "glm_tweedie", calibration Auto,
    {
        /// Exponent of the variance; `None` is estimated.
        power: Option<f64> = Some(1.5),
        /// How it is estimated.
        power_method: PowerMethod = PowerMethod::Profile,
    },
    |p| (Family::Tweedie, p.power, p.power_method)
}

checked_estimator! {
    /// A generalised linear model of any family and link.
    ///
    /// Minimises `1/(2W) deviance + alpha (l1_ratio |b|_1 + (1 - l1_ratio)/2 |b|_2^2)`, `W` the sum of the weights.
    ///
    /// ```
    /// use med_model::{Glm, GlmParams, Model, Regressor};
    /// use med_schema::{Dataset, FeatureColumn, FeatureMatrix};
    /// let x = FeatureMatrix::new(vec![FeatureColumn::from_texts("plan", [Some("gold"), Some("gold"), Some("basic")])])?;
    /// let train = Dataset::new(x.clone(), "cost", vec![700.0, 900.0, 400.0])?;
    /// let model = Glm::new(GlmParams::default())?.fit(&train)?;
    /// assert!((model.predict(&x)?[0] - 800.0).abs() < 1e-9);
    /// assert!((model.intercept() - 400.0_f64.ln()).abs() < 1e-9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    Glm from GlmParams
}

checked_estimator! {
    /// [`Glm`] of the gamma family: severity, costs above 0 with a constant coefficient of variation.
    GlmGamma from GlmGammaParams
}

checked_estimator! {
    /// [`Glm`] of the Poisson family: counts, and costs >= 0 as quasi-Poisson. With a log link and an intercept the
    /// predictions sum to the costs.
    GlmPoisson from GlmPoissonParams
}

checked_estimator! {
    /// [`Glm`] of the Tweedie family: costs >= 0, many of them 0.
    GlmTweedie from GlmTweedieParams
}
