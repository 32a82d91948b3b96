#![doc = include_str!("../README.md")]
#![deny(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod bound;
mod counted;
mod error;
mod explain;
mod format;
mod gbm;
mod glm;
mod health;
mod input;
mod interval;
#[allow(unsafe_code)]
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
mod threads;
mod tree;
mod tune;
mod validate;

pub use bound::{Beyond, NoBound, PredictionBound};
pub use error::{BrokenModel, FitError, FormatError, InputError, LightGbmError, ParameterError, PredictError};
pub use explain::{Explain, ExplainTrees, Shap, ShapScale};
pub use format::{FORMAT, FORMAT_VERSION, SavedModel};
pub use gbm::{
    BinLayout, Calibration as GbdtCalibration, FitOptions, FittedObjective, Gbdt, GbdtModel, GbdtParams, GrowPolicy,
    Halt, Importance, LearningCurve, Link as ScoreLink, MonotoneConstraints, Objective, Progress, Warning,
};
pub use glm::{
    Calibration, Family, Glm, GlmCoefficient, GlmGamma, GlmGammaParams, GlmModel, GlmParams, GlmPoisson,
    GlmPoissonParams, GlmSummary, GlmSummaryOptions, GlmTweedie, GlmTweedieParams, Link, PowerMethod, Reference,
    Unseen, WeightMeaning,
};
pub use health::{
    BoxCox, CopasTest, Eee, EeeErrors, EeeModel, EeeParams, FirstPart, HosmerLemeshow, LinkTest, LogOls, LogOlsModel,
    LogOlsParams, MarginalEffect, ParkTest, PartSummary, ResetTest, Smearing, TwoPart, TwoPartCalibration,
    TwoPartEngine, TwoPartModel, TwoPartParams, TwoPartSummary, box_cox, box_cox_regression, copas_test,
    hosmer_lemeshow, link_test, park_test, reset_test,
};
pub use interval::{Conformal, Interval, ResidualQuantiles, cv_plus, interval_scale};
pub use knn::{Knn, KnnModel, KnnParams, Weighting};
pub use lightgbm::LightGbmModel;
pub use linear::{
    ElasticNet, ElasticNetParams, ElasticNetPath, ElasticNetPathParams, Lasso, LassoParams, LeastSquaresSummary,
    Linear, LinearModel, LinearParams, PathPoint, RegularisationPath, Ridge, RidgeParams, RobustCovariance,
    RobustSummary, Selection,
};
pub use metrics::{
    CostPredictions, GroupRatio, IntervalScore, Metric, MetricExpectation, RegressionMetrics, TWEEDIE_POWER, evaluate,
    interval_score,
};
pub use regressor::{Model, Regressor};
pub use spec::{AnyModel, MODEL_NAMES, ModelSpec};
pub use svr::{Svr, SvrModel, SvrParams};
pub use tree::smartcore;
pub use tree::{
    DecisionTree, DecisionTreeParams, ExtraTrees, ExtraTreesParams, OutOfBag, RandomForest, RandomForestParams,
    Thresholds, TreeEnsemble,
};
pub use tune::{
    Halving, Range, Resource, Search, SearchResult, SearchSpace, Simpler, Trial, TrialOutcome, TrialProgress,
    TrialSelection, TuneError, Tuned, random_search, successive_halving,
};
pub use validate::{
    CrossValidation, CrossValidationError, Fold, FoldError, FoldScore, Folds, MetricSummary, cross_validate,
};
