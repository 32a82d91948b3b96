//! What a caller sees and steers while a model is fitted: a validation part, offsets, progress, stopping.

use std::fmt;
use std::ops::ControlFlow;

use med_schema::Dataset;
use serde::{Deserialize, Serialize};

/// What is known after a tree.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Progress {
    /// Trees so far.
    pub iteration: usize,
    /// Trees that were asked for.
    pub num_iterations: usize,
    /// Metric of the training part.
    pub train: f64,
    /// Metric of the validation part, where there is one.
    pub validation: Option<f64>,
}

/// How a fit that is broken off ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Halt {
    /// With the model so far.
    Keep,
    /// With [`FitError::Cancelled`](crate::FitError::Cancelled).
    Discard,
}

/// What comes beside the training part. [`FitOptions::default`] is nothing.
#[derive(Default)]
pub struct FitOptions<'a> {
    pub(super) validation: Option<&'a Dataset>,
    pub(super) offset: Option<&'a [f64]>,
    pub(super) validation_offset: Option<&'a [f64]>,
    pub(super) progress: Option<&'a mut dyn FnMut(Progress) -> ControlFlow<Halt>>,
}

impl fmt::Debug for FitOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FitOptions")
            .field("validation", &self.validation.map(Dataset::n_rows))
            .field("offset", &self.offset.map(<[f64]>::len))
            .field("progress", &self.progress.is_some())
            .finish_non_exhaustive()
    }
}

impl<'a> FitOptions<'a> {
    /// With a validation part, for the learning curve and early stopping. Without one, early stopping holds rows of the
    /// training part back.
    #[must_use]
    pub fn validation(mut self, validation: &'a Dataset) -> Self {
        self.validation = Some(validation);
        self
    }

    /// With known parts of the scores, one a row of the training part: with a log link `ln` of what multiplies the prediction,
    /// such as years at risk. Predictions are made without it, or with [`GbdtModel::predict_with_offset`].
    ///
    /// [`GbdtModel::predict_with_offset`]: crate::GbdtModel::predict_with_offset
    #[must_use]
    pub fn offset(mut self, offset: &'a [f64]) -> Self {
        self.offset = Some(offset);
        self
    }

    /// The same for the validation part.
    #[must_use]
    pub fn validation_offset(mut self, offset: &'a [f64]) -> Self {
        self.validation_offset = Some(offset);
        self
    }

    /// Calls this after every tree. Breaking stops the fit: with the model so far, or with an error.
    #[must_use]
    pub fn progress(mut self, progress: &'a mut dyn FnMut(Progress) -> ControlFlow<Halt>) -> Self {
        self.progress = Some(progress);
        self
    }
}

/// How the metric fell, tree by tree.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LearningCurve {
    pub(super) metric: String,
    pub(super) train: Vec<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) validation: Vec<f64>,
    pub(super) best_iteration: usize,
}

impl LearningCurve {
    /// What is measured: the mean over all rows, by weight, of a deviance or error; smaller is better.
    pub fn metric(&self) -> &str {
        &self.metric
    }

    /// After each tree, on the rows the trees were grown on.
    pub fn train(&self) -> &[f64] {
        &self.train
    }

    /// After each tree, on the validation part; empty without one.
    pub fn validation(&self) -> &[f64] {
        &self.validation
    }

    /// Trees the model keeps: with early stopping those up to the best of the validation part, else all.
    pub fn best_iteration(&self) -> usize {
        self.best_iteration
    }
}

/// Watches the validation part.
#[derive(Debug)]
pub(super) struct EarlyStopping {
    patience: usize,
    best: f64,
    best_iteration: usize,
}

impl EarlyStopping {
    /// `None` for no patience: then fitting goes on to the end. `start` is the metric before the first tree.
    pub(super) fn new(patience: usize, start: f64) -> Option<Self> {
        (patience > 0).then_some(Self { patience, best: start, best_iteration: 0 })
    }

    /// Whether to stop after this many trees.
    pub(super) fn should_stop(&mut self, iteration: usize, metric: f64) -> bool {
        if metric < self.best {
            (self.best, self.best_iteration) = (metric, iteration);
        }
        iteration - self.best_iteration >= self.patience
    }

    pub(super) fn best_iteration(&self) -> usize {
        self.best_iteration
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stopping_waits_for_its_patience_and_remembers_the_best() {
        assert!(EarlyStopping::new(0, 1.0).is_none());
        let mut stopping = EarlyStopping::new(2, 10.0).unwrap();
        let stops: Vec<bool> =
            [5.0, 6.0, 4.0, 4.0, 4.5].iter().zip(1..).map(|(&m, i)| stopping.should_stop(i, m)).collect();
        assert_eq!((stops, stopping.best_iteration()), (vec![false, false, false, false, true], 3));
    }
}
