#![doc = include_str!("../README.md")]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod error;
mod format;
mod gbm;
mod glm;
mod input;
mod kernel;
mod knn;
mod lightgbm;
mod linalg;
mod linear;
mod metrics;
mod parameters;
mod regressor;
mod scaling;
mod spec;
mod svr;
mod tree;

pub use error::{BrokenModel, FitError, FormatError, InputError, LightGbmError, ParameterError, PredictError};
pub use format::{FORMAT, FORMAT_VERSION, SavedModel};
pub use gbm::{
    Calibration as GbdtCalibration, FitOptions, FittedObjective, Gbdt, GbdtModel, GbdtParams, GrowPolicy, Halt,
    Importance, LearningCurve, Link as ScoreLink, MonotoneConstraints, Objective, Progress, Warning,
};
pub use glm::{
    Calibration, Family, Glm, GlmCoefficient, GlmGamma, GlmGammaParams, GlmModel, GlmParams, GlmPoisson,
    GlmPoissonParams, GlmSummary, GlmSummaryOptions, GlmTweedie, GlmTweedieParams, Link, PowerMethod, Reference,
    Unseen, WeightMeaning,
};
pub use knn::{Knn, KnnModel, KnnParams, Weighting};
pub use lightgbm::LightGbmModel;
pub use linear::{
    ElasticNet, ElasticNetParams, ElasticNetPath, ElasticNetPathParams, Lasso, LassoParams, LeastSquaresSummary,
    Linear, LinearModel, LinearParams, PathPoint, RegularisationPath, Ridge, RidgeParams, RobustCovariance,
    RobustSummary, Selection,
};
pub use metrics::{Metric, MetricExpectation, RegressionMetrics, TWEEDIE_POWER, evaluate};
pub use regressor::{Model, Regressor};
pub use spec::{AnyModel, MODEL_NAMES, ModelSpec};
pub use svr::{Svr, SvrModel, SvrParams};
pub use tree::smartcore;
pub use tree::{
    DecisionTree, DecisionTreeParams, ExtraTrees, ExtraTreesParams, OutOfBag, RandomForest, RandomForestParams,
    TreeEnsemble,
};
