#![doc = include_str!("../README.md")]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

mod error;
mod explain;
mod format;
mod gbm;
mod input;
mod interval;
mod kernel;
mod knn;
mod linalg;
mod linear;
mod metrics;
mod parameters;
mod regressor;
mod scaling;
mod spec;
mod svr;
mod tree;

pub use error::{BrokenModel, FitError, FormatError, InputError, ParameterError, PredictError};
pub use explain::{Explain, ExplainTrees, Shap, ShapScale};
pub use format::{FORMAT, FORMAT_VERSION, SavedModel};
pub use gbm::{
    Calibration, FitOptions, FittedObjective, Gbdt, GbdtModel, GbdtParams, GrowPolicy, Halt, Importance, LearningCurve,
    Link, MonotoneConstraints, Objective, Progress, Warning,
};
pub use interval::{Conformal, Interval, ResidualQuantiles, cv_plus, interval_scale};
pub use knn::{Knn, KnnModel, KnnParams, Weighting};
pub use linear::{
    ElasticNet, ElasticNetParams, Lasso, LassoParams, LeastSquaresSummary, Linear, LinearModel, LinearParams, Ridge,
    RidgeParams,
};
pub use metrics::{Metric, MetricExpectation, RegressionMetrics, TWEEDIE_POWER, evaluate};
pub use regressor::{Model, Regressor};
pub use spec::{AnyModel, MODEL_NAMES, ModelSpec};
pub use svr::{Svr, SvrModel, SvrParams};
pub use tree::{DecisionTree, DecisionTreeParams, RandomForest, RandomForestParams, TreeEnsemble};
