//! Parameters that cannot be.

use super::{hint, listed};

/// A hyper-parameter, or a model name, that cannot be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ParameterError {
    /// A value out of its range.
    #[error("parameter {name} of {model}: expected {expected}, found {found}")]
    Range {
        /// The model.
        model: &'static str,
        /// The parameter.
        name: &'static str,
        /// What it may be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// No parameter of that name.
    #[error("{model} has no parameter {name:?}{}; it has {}", hint(.near), listed(.known))]
    Unknown {
        /// The model.
        model: &'static str,
        /// The name asked for.
        name: String,
        /// Names like it.
        near: Vec<String>,
        /// The parameters there are.
        known: Vec<String>,
    },
    /// A value of another type.
    #[error("parameter {name} of {model}: {source}")]
    Type {
        /// The model.
        model: &'static str,
        /// The parameter.
        name: String,
        /// What was expected and found.
        source: serde_json::Error,
    },
    /// Parameters that are no JSON object.
    #[error("parameters of {model}: expected a JSON object, found {found}")]
    NotAnObject {
        /// The model.
        model: &'static str,
        /// What it is instead.
        found: &'static str,
    },
    /// No metric of that name.
    #[error("there is no metric {name:?}{}; there are {}", hint(.near), listed(.known))]
    UnknownMetric {
        /// The name asked for.
        name: String,
        /// Names like it.
        near: Vec<String>,
        /// The metrics there are.
        known: Vec<String>,
    },
    /// No model of that name.
    #[error("there is no model {name:?}{}; there are {}", hint(.near), listed(.known))]
    UnknownModel {
        /// The name asked for.
        name: String,
        /// Names like it.
        near: Vec<String>,
        /// The models there are.
        known: Vec<String>,
    },
}
