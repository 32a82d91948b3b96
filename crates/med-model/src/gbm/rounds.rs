//! Rounds of boosting on one training part: derivatives at the scores, a tree for them, its values onto the scores.

use rayon::prelude::*;

use super::binning::Binned;
use super::carry::Change;
use super::derivatives::{Derivatives, Hessians};
use super::grower::{Grower, Sample};
use super::growth::Growth;
use super::objective::{Link, Loss, Pass, Rows, Start, quantile_of, weighted_quantile};
use super::pace::{Pace, Timed, Way};
use super::params::GbdtParams;
use super::sampling::Sampler;
use super::sums::exact_sum;
use crate::FitError;
use crate::kernel::paged;
use crate::parameters::Parameters;
use crate::threads::{alone, by_itself};
use crate::tree::{Child, Split, Tree};

/// Newton steps on a log link end here (a factor of 22,000): beyond, the quadratic they come from says nothing.
const LOG_STEP: f64 = 10.0;
/// Below so many rows, waking other threads costs more than it saves.
const PARALLEL: usize = 1 << 16;
/// Below so many rows, and bytes of rows, it is not worth while to share anything of a tree among threads.
const SHARED: (usize, usize) = (1 << 15, 1 << 23);

/// Targets of one part, with what weighs and offsets them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) y: &'a [f64],
    pub(super) weights: Option<&'a [f64]>,
    pub(super) offset: Option<&'a [f64]>,
}

impl<'a> Part<'a> {
    pub(super) fn rows<'s>(&self, scores: &'s [f64]) -> Rows<'s>
    where
        'a: 's,
    {
        Rows { y: self.y, scores, weights: self.weights }
    }

    pub(super) fn start(&self) -> Start<'a> {
        Start { y: self.y, weights: self.weights, offset: self.offset }
    }

    pub(super) fn total_weight(&self) -> f64 {
        self.weights.map_or(self.y.len() as f64, |w| exact_sum(w.iter().copied()))
    }

    /// The scores before the first tree.
    pub(super) fn scores(&self, base: f64) -> Vec<f64> {
        let mut scores = paged(vec![0.0; self.y.len()]);
        match self.offset {
            None => scores.fill(base),
            Some(offset) => scores.iter_mut().zip(offset).for_each(|(score, o)| *score = base + o),
        }
        scores
    }
}

/// The mean metric of a part, from the sum of its losses.
#[derive(Debug)]
pub(super) struct Metric {
    pass: Pass,
    saturated: f64,
    total_weight: f64,
    factor: f64,
}

impl Metric {
    pub(super) fn new(loss: Loss, part: Part<'_>) -> Self {
        let saturated: Vec<f64> =
            part.y.iter().enumerate().map(|(i, &y)| part.weights.map_or(1.0, |w| w[i]) * loss.saturated(y)).collect();
        Self {
            pass: Pass::new(loss),
            saturated: exact_sum(saturated.iter().copied()),
            total_weight: part.total_weight(),
            factor: loss.metric().1,
        }
    }

    fn mean(&self, sum: f64) -> f64 {
        // What is left of the rounding of a perfect fit must not be negative.
        (self.factor * (sum - self.saturated) / self.total_weight).max(0.0)
    }

    pub(super) fn of(&mut self, rows: Rows<'_>) -> Result<f64, FitError> {
        let sum = self.pass.loss(rows).map_err(|_| overflow("the loss"))?;
        Ok(self.mean(sum))
    }
}

pub(super) fn overflow(what: &'static str) -> FitError {
    FitError::Overflow { model: GbdtParams::MODEL, what }
}

/// Boosting under way.
#[derive(Debug)]
pub(super) struct Rounds<'a> {
    part: Part<'a>,
    loss: Loss,
    metric: Metric,
    learning_rate: f64,
    grower: Grower<'a>,
    derivatives: Derivatives,
    scores: Vec<f64>,
    pace: Pace,
    /// The tree since whose start no derivatives were taken, and its work.
    growing: Option<(Timed, u64)>,
}

impl<'a> Rounds<'a> {
    pub(super) fn new(
        binned: &'a Binned,
        growth: Growth,
        part: Part<'a>,
        loss: Loss,
        base: f64,
        learning_rate: f64,
    ) -> Self {
        let n = part.y.len();
        let is_little = n < SHARED.0 && n * binned.tracks().len() < SHARED.1;
        let hessians = match (loss.has_constant_hessian(), part.weights) {
            (true, None) => None,
            (true, Some(_)) => Some(Hessians::Fixed),
            (false, _) => Some(Hessians::Each),
        };
        Self {
            part,
            loss,
            metric: Metric::new(loss, part),
            learning_rate,
            grower: Grower::new(binned, growth),
            derivatives: Derivatives::zero(n, hessians),
            scores: part.scores(base),
            pace: Pace::new(if is_little || alone() { 0 } else { rayon::current_num_threads() - 1 }),
            growing: None,
        }
    }

    /// Derivatives at the present scores; gives the metric there.
    pub(super) fn refresh(&mut self) -> Result<f64, FitError> {
        let Some((timed, work)) = self.growing.take() else { return self.derive() };
        let metric = in_way(timed.way(), || self.derive())?;
        self.pace.end(&timed, work);
        Ok(metric)
    }

    fn derive(&mut self) -> Result<f64, FitError> {
        let rows = Rows { y: self.part.y, scores: &self.scores, weights: self.part.weights };
        let sum = self.metric.pass.derivatives(rows, &mut self.derivatives);
        Ok(self.metric.mean(sum.map_err(|_| overflow("a gradient"))?))
    }

    /// The next tree, shrunk, its values added to the scores; `None` when there was nothing to split.
    pub(super) fn step(&mut self, sampler: &Sampler) -> Option<Tree> {
        let timed = self.pace.start();
        let tree = in_way(timed.way(), || self.grow(sampler))?;
        self.growing = Some((timed, work_of(&tree, self.part.y.len())));
        Some(tree)
    }

    fn grow(&mut self, sampler: &Sampler) -> Option<Tree> {
        let sample = Sample { rows: sampler.rows(), features: sampler.features() };
        // Another sample has another root.
        let keep = self.loss.change(0.0).is_some() && !sampler.varies_rows();
        let mut tree = self.grower.grow_and_keep(&self.derivatives, sample, keep)?;
        match self.loss.leaf_quantile() {
            Some(alpha) => self.renew(&mut tree, alpha),
            None if self.loss.link() == Link::Log => {
                tree.leaves.iter_mut().for_each(|leaf| leaf.value = leaf.value.clamp(-LOG_STEP, LOG_STEP));
            }
            None => {}
        }
        tree.leaves.iter_mut().for_each(|leaf| leaf.value *= self.learning_rate);
        tree.splits.iter_mut().for_each(|split| split.value *= self.learning_rate);
        self.grower.add_scores(&tree, &mut self.scores);
        let changes: Option<Vec<Change>> = tree.leaves.iter().map(|leaf| self.loss.change(leaf.value)).collect();
        if let Some(changes) = changes {
            self.grower.carry(&changes);
        }
        Some(tree)
    }

    /// Sets each leaf to the quantile of its residuals.
    fn renew(&self, tree: &mut Tree, alpha: f64) {
        let value = |leaf: usize| {
            let rows = self.grower.leaf_rows(leaf);
            let rows = rows.iter().map(|&row| row as usize);
            let residual = |row: usize| self.part.y[row] - self.scores[row];
            match self.part.weights {
                None => quantile_of(&mut rows.map(residual).collect::<Vec<_>>(), alpha),
                Some(w) => {
                    let mut weighted: Vec<(f64, f64)> =
                        rows.filter(|&row| w[row] > 0.0).map(|row| (residual(row), w[row])).collect();
                    weighted_quantile(&mut weighted, alpha)
                }
            }
        };
        let n = tree.n_leaves();
        let values: Vec<f64> = if self.part.y.len() < PARALLEL || alone() {
            (0..n).map(value).collect()
        } else {
            (0..n).into_par_iter().map(value).collect()
        };
        tree.leaves.iter_mut().zip(values).for_each(|(leaf, value)| leaf.value = value);
    }

    /// The scores of all rows, when all else is done: without a copy.
    pub(super) fn into_scores(self) -> Vec<f64> {
        self.scores
    }
}

/// Work that is shared among threads, or is not.
fn in_way<R>(way: Way, work: impl FnOnce() -> R) -> R {
    match way {
        Way::Alone => by_itself(work),
        Way::Together => work(),
    }
}

/// About how much work a tree was, in units of about a nanosecond: sums over the rows of smaller children, moving rows, looking
/// for splits, and what every row takes.
fn work_of(tree: &Tree, n_rows: usize) -> u64 {
    const SUM: f64 = 8.0;
    const MOVE: f64 = 1.0;
    const ROW: f64 = 3.0;
    const SPLIT: f64 = 4000.0;
    // Covers may be weights; shares of the root's are those of rows.
    let rows = n_rows as f64 / tree.splits.first().map_or(1.0, |root| root.cover.max(f64::MIN_POSITIVE));
    let cover = |child: Child| match child {
        Child::Split(at) => tree.splits[at as usize].cover,
        Child::Leaf(at) => tree.leaves[at as usize].cover,
    };
    let of_split =
        |split: &Split| SPLIT + rows * (MOVE * split.cover + SUM * cover(split.left).min(cover(split.right)));
    (ROW * n_rows as f64 + tree.splits.iter().map(of_split).sum::<f64>()) as u64
}
