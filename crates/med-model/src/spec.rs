//! All models under their names: chosen at run time, fitted, and held as one type.

use med_schema::{Dataset, FeatureMatrix, FeatureSchema, near_names};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::parameters::from_json;
use crate::{
    DecisionTree, Eee, EeeModel, ElasticNet, ExtraTrees, FitError, Gbdt, GbdtModel, Glm, GlmGamma, GlmModel,
    GlmPoisson, GlmTweedie, Knn, KnnModel, Lasso, LightGbmError, LightGbmModel, Linear, LinearModel, LogOls,
    LogOlsModel, Model, ParameterError, PredictError, RandomForest, Regressor, Ridge, Svr, SvrModel, TreeEnsemble,
    TwoPart, TwoPartModel,
};

macro_rules! models {
    (
        $($(#[$doc:meta])* $variant:ident = $name:literal: $estimator:ty => $fitted:ty,)+
        ; imported: $($(#[$only_doc:meta])* $only:ident = $only_name:literal: $imported:ty),* $(,)?
    ) => {
        /// The names of the models there are.
        pub const MODEL_NAMES: &[&str] = &[$($name),+];

        /// A model chosen at run time, with its parameters, not yet fitted.
        ///
        /// ```
        /// use med_model::ModelSpec;
        /// let spec = ModelSpec::parse("gbdt", &serde_json::json!({ "num_leaves": 15 }))?;
        /// assert_eq!(spec.parameters()["num_iterations"], 100);
        /// let error = ModelSpec::parse("ridge", &serde_json::json!({ "lambda": 1 })).unwrap_err();
        /// assert_eq!(error.to_string(), "ridge has no parameter \"lambda\"; it has alpha, fit_intercept");
        /// # Ok::<(), med_model::ParameterError>(())
        /// ```
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "model", content = "params")]
        #[non_exhaustive]
        pub enum ModelSpec {
            $($(#[$doc])* #[serde(rename = $name)] $variant($estimator),)+
        }

        impl ModelSpec {
            /// The model of this name; parameters that `params` leaves out keep their defaults, `null` is none.
            ///
            /// # Errors
            /// When there is no such model or parameter, with the names there are, or a value is out of its range.
            pub fn parse(name: &str, params: &Value) -> Result<Self, ParameterError> {
                match name {
                    $($name => Ok(Self::$variant(<$estimator>::new(from_json(params)?)?)),)+
                    _ => Err(ParameterError::UnknownModel {
                        name: name.to_owned(),
                        near: near_names(name, MODEL_NAMES.iter().copied()),
                        known: MODEL_NAMES.iter().map(|&n| n.to_owned()).collect(),
                    }),
                }
            }

            /// Its name.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name,)+ }
            }

            /// All its parameters, as a JSON object.
            pub fn parameters(&self) -> Value {
                // Plain structs of numbers and names always have a JSON form.
                match self { $(Self::$variant(m) => serde_json::to_value(m.params()).unwrap_or_default(),)+ }
            }
        }

        impl Regressor for ModelSpec {
            type Fitted = AnyModel;

            fn fit(&self, train: &Dataset) -> Result<AnyModel, FitError> {
                match self { $(Self::$variant(m) => m.fit(train).map(AnyModel::$variant),)+ }
            }
        }

        /// A fitted model of any kind.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind", content = "fitted")]
        #[non_exhaustive]
        pub enum AnyModel {
            $($(#[$doc])* #[serde(rename = $name)] $variant($fitted),)+
            $($(#[$only_doc])* #[serde(rename = $only_name)] $only($imported),)*
        }

        impl AnyModel {
            /// The name of its kind.
            pub fn kind(&self) -> &'static str {
                match self { $(Self::$variant(_) => $name,)+ $(Self::$only(_) => $only_name,)* }
            }

            fn as_model(&self) -> &dyn Model {
                match self { $(Self::$variant(m) => m,)+ $(Self::$only(m) => m,)* }
            }
        }
    };
}

models! {
    /// Least squares.
    Linear = "linear": Linear => LinearModel,
    /// Least squares with a quadratic penalty.
    Ridge = "ridge": Ridge => LinearModel,
    /// Least squares with an absolute penalty.
    Lasso = "lasso": Lasso => LinearModel,
    /// Least squares with both penalties.
    ElasticNet = "elastic_net": ElasticNet => LinearModel,
    /// One regression tree.
    DecisionTree = "decision_tree": DecisionTree => TreeEnsemble,
    /// The mean of many trees.
    RandomForest = "random_forest": RandomForest => TreeEnsemble,
    /// The mean of many trees with random thresholds.
    ExtraTrees = "extra_trees": ExtraTrees => TreeEnsemble,
    /// Gradient-boosted trees.
    Gbdt = "gbdt": Gbdt => GbdtModel,
    /// Nearest neighbours.
    Knn = "knn": Knn => KnnModel,
    /// Support vector regression.
    Svr = "svr": Svr => SvrModel,
    /// A generalised linear model of any family.
    Glm = "glm": Glm => GlmModel,
    /// A gamma model.
    GlmGamma = "glm_gamma": GlmGamma => GlmModel,
    /// A Poisson model.
    GlmPoisson = "glm_poisson": GlmPoisson => GlmModel,
    /// A Tweedie model.
    GlmTweedie = "glm_tweedie": GlmTweedie => GlmModel,
    /// The probability of a cost times its size.
    TwoPart = "two_part": TwoPart => TwoPartModel,
    /// Least squares on the logarithm.
    LogOls = "log_ols": LogOls => LogOlsModel,
    /// Extended estimating equations.
    Eee = "eee": Eee => EeeModel,
    ; imported:
    /// A model that LightGBM trained.
    LightGbm = "lightgbm": LightGbmModel,
}

impl ModelSpec {
    /// With this seed, where the model uses one (`random_forest`, `extra_trees`, `gbdt`, `two_part`); other models are the same
    /// for every seed.
    #[must_use]
    pub fn seeded(mut self, seed: u64) -> Self {
        match &mut self {
            Self::RandomForest(forest) => forest.reseed(seed),
            Self::Gbdt(boosting) => boosting.reseed(seed),
            Self::TwoPart(parts) => parts.reseed(seed),
            Self::ExtraTrees(trees) => trees.reseed(seed),
            _ => {}
        }
        self
    }
}

impl AnyModel {
    /// The model in LightGBM's text format; `None` if it is not made of trees.
    pub fn to_lightgbm(&self) -> Option<Result<String, LightGbmError>> {
        match self {
            Self::DecisionTree(m) | Self::RandomForest(m) | Self::ExtraTrees(m) => Some(m.to_lightgbm()),
            Self::Gbdt(m) => Some(m.to_lightgbm()),
            Self::LightGbm(m) => Some(m.to_text()),
            _ => None,
        }
    }
}

impl Model for AnyModel {
    fn features(&self) -> &FeatureSchema {
        self.as_model().features()
    }

    fn predict_into(&self, x: &FeatureMatrix, out: &mut [f64]) -> Result<(), PredictError> {
        self.as_model().predict_into(x, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn error(name: &str, params: Value) -> String {
        ModelSpec::parse(name, &params).unwrap_err().to_string()
    }

    #[test]
    fn every_name_parses_and_comes_back() {
        for name in MODEL_NAMES {
            let spec = ModelSpec::parse(name, &Value::Null).unwrap();
            assert_eq!(spec.name(), *name);
            assert_eq!(ModelSpec::parse(name, &spec.parameters()).unwrap(), spec);
            let json = serde_json::to_string(&spec).unwrap();
            assert_eq!(serde_json::from_str::<ModelSpec>(&json).unwrap(), spec, "{json}");
        }
    }

    #[test]
    fn errors_name_what_is_wrong_and_what_there_is() {
        assert_eq!(
            error("spline", Value::Null),
            "there is no model \"spline\"; there are linear, ridge, lasso, elastic_net, decision_tree, \
             random_forest, extra_trees, gbdt, knn, svr, glm, glm_gamma, glm_poisson, glm_tweedie, \
             two_part, log_ols, eee"
        );
        assert!(error("gbdt", json!({ "num_leafs": 3 })).contains("did you mean num_leaves"));
        assert_eq!(error("gbdt", json!({ "max_bin": 400 })), "parameter max_bin of gbdt: expected 2 to 255, found 400");
        assert!(error("gbdt", json!({ "learning_rate": "fast" })).starts_with("parameter learning_rate of gbdt: "));
        assert!(error("gbdt", json!({ "objective": "logistic" })).contains("`regression`"));
        assert_eq!(error("knn", json!([1])), "parameters of knn: expected a JSON object, found a list");
    }

    #[test]
    fn parameters_out_of_range_do_not_come_in_by_serde_either() {
        assert!(serde_json::from_str::<ModelSpec>(r#"{"model":"ridge","params":{"alpha":-1.0}}"#).is_err());
        assert!(serde_json::from_str::<ModelSpec>(r#"{"model":"ridge","params":{"beta":1.0}}"#).is_err());
    }

    #[test]
    fn a_seed_reaches_the_model_that_uses_one() {
        let forest = ModelSpec::parse("random_forest", &Value::Null).unwrap().seeded(7);
        assert_eq!(forest.parameters()["seed"], 7);
        let ridge = ModelSpec::parse("ridge", &Value::Null).unwrap();
        assert_eq!(ridge.clone().seeded(7), ridge);
    }
}
