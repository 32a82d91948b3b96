//! One pass over all rows: derivatives and loss, block by block.

use rayon::prelude::*;

use super::super::derivatives::{Bounds, Derivatives, Values};
use super::super::sums::{Grid, GridSum, Magnitude};
use super::{Loss, RowLoss, Terms, with_loss};
use crate::kernel::vectorised;
use crate::threads::alone;

/// Rows of a kernel call: their losses stay in the first-level cache.
const BLOCK: usize = 1024;
/// Rows of a task.
const TASK: usize = 16 * BLOCK;
/// Below so many rows, waking other threads costs more than it saves.
const PARALLEL: usize = 4 * TASK;

/// Targets with their scores and weights.
#[derive(Debug, Clone, Copy)]
pub(in crate::gbm) struct Rows<'a> {
    pub(in crate::gbm) y: &'a [f64],
    pub(in crate::gbm) scores: &'a [f64],
    pub(in crate::gbm) weights: Option<&'a [f64]>,
}

impl<'a> Rows<'a> {
    fn part(&self, start: usize, len: usize) -> Rows<'a> {
        let end = start + len;
        Rows { y: &self.y[start..end], scores: &self.scores[start..end], weights: self.weights.map(|w| &w[start..end]) }
    }
}

/// Passes over one set of rows, one after another.
#[derive(Debug)]
pub(in crate::gbm) struct Pass {
    loss: Loss,
    grids: Grids,
}

/// What is not finite in a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::gbm) struct NotFinite;

/// The grids that losses and derivatives are summed on.
#[derive(Debug, Clone, Copy)]
struct Grids {
    loss: Grid,
    gradient: Grid,
    hessian: Grid,
}

/// Sums of a pass.
#[derive(Debug, Clone, Copy, Default)]
struct PassSums {
    loss: GridSum,
    gradient: Magnitude,
    hessian: Magnitude,
}

impl PassSums {
    /// Sums on a grid are the same in any order, so tasks may be joined as they end.
    fn merged(mut self, other: Self) -> Self {
        self.loss.merge(other.loss);
        self.gradient.sum += other.gradient.sum;
        self.hessian.sum += other.hessian.sum;
        self
    }
}

impl Pass {
    pub(in crate::gbm) fn new(loss: Loss) -> Self {
        let narrow = Grid::below(f64::MIN_POSITIVE);
        Self { loss, grids: Grids { loss: narrow, gradient: narrow, hessian: narrow } }
    }

    /// Writes the derivatives of all rows and gives the sum of the losses.
    pub(in crate::gbm) fn derivatives(
        &mut self,
        rows: Rows<'_>,
        derivatives: &mut Derivatives,
    ) -> Result<f64, NotFinite> {
        let n = rows.y.len();
        loop {
            let (loss, grids) = (&self.loss, self.grids);
            let sums = with_loss!(loss, loss => write_derivatives(loss, rows, &mut derivatives.values, grids));
            let (values, next) = (&derivatives.values, &mut self.grids);
            let gradients = settle_magnitude(&mut next.gradient, sums.gradient, values, 0)?;
            let hessians = settle_magnitude(&mut next.hessian, sums.hessian, values, 1)?;
            if settle(&mut next.loss, sums.loss, n)? & gradients & hessians {
                derivatives.bounds = Bounds {
                    gradients: sums.gradient.bound(grids.gradient, n),
                    hessians: sums.hessian.bound(grids.hessian, n),
                };
                return Ok(sums.loss.sum);
            }
        }
    }

    /// The sum of the losses alone.
    pub(in crate::gbm) fn loss(&mut self, rows: Rows<'_>) -> Result<f64, NotFinite> {
        loop {
            let (loss, grid) = (&self.loss, self.grids.loss);
            let sum = with_loss!(loss, loss => losses(loss, rows, grid));
            if settle(&mut self.grids.loss, sum, rows.y.len())? {
                return Ok(sum.sum);
            }
        }
    }
}

/// Whether the grid was wide enough for this sum; the next is, or fits it.
fn settle(grid: &mut Grid, sum: GridSum, n: usize) -> Result<bool, NotFinite> {
    if !sum.magnitude.is_finite() {
        return Err(NotFinite);
    }
    let wider = sum.wider(*grid, n);
    if wider == Some(*grid) {
        // There is no wider one.
        return Err(NotFinite);
    }
    *grid = wider.unwrap_or_else(|| Grid::below(4.0 * sum.magnitude));
    Ok(wider.is_none())
}

/// The same for the first or second derivatives.
fn settle_magnitude(grid: &mut Grid, magnitude: Magnitude, values: &Values, which: usize) -> Result<bool, NotFinite> {
    if !magnitude.sum.is_finite() {
        return Err(NotFinite);
    }
    if magnitude.fits(*grid) {
        *grid = Grid::below(4.0 * magnitude.sum);
        return Ok(true);
    }
    let (largest, n) = match values {
        Values::Gradients(gradients) => (gradients.iter().fold(0.0_f32, |m, g| m.max(g.abs())), gradients.len()),
        Values::Pairs(pairs, _) => (pairs.iter().fold(0.0_f32, |m, pair| m.max(pair[which].abs())), pairs.len()),
    };
    *grid = Grid::below(2.0 * f64::from(largest) * (n + 1) as f64);
    Ok(false)
}

fn write_derivatives<L: RowLoss>(loss: &L, rows: Rows<'_>, values: &mut Values, grids: Grids) -> PassSums {
    let gradients_of = |t: usize, gradients: &mut [f32]| {
        let rows = rows.part(t * TASK, gradients.len());
        vectorised(
            #[inline(always)]
            || blocks::<_, _, false>(loss, rows, gradients, |to, gradients, _| to.copy_from_slice(gradients), grids),
        )
    };
    let pairs_of = |t: usize, pairs: &mut [[f32; 2]]| {
        let rows = rows.part(t * TASK, pairs.len());
        vectorised(
            #[inline(always)]
            || blocks::<_, _, true>(loss, rows, pairs, side_by_side, grids),
        )
    };
    match (rows.y.len() >= PARALLEL && !alone(), values) {
        (true, Values::Gradients(gradients)) => gradients
            .par_chunks_mut(TASK)
            .enumerate()
            .map(|(t, gradients)| gradients_of(t, gradients))
            .reduce(PassSums::default, PassSums::merged),
        (true, Values::Pairs(pairs, _)) => pairs
            .par_chunks_mut(TASK)
            .enumerate()
            .map(|(t, pairs)| pairs_of(t, pairs))
            .reduce(PassSums::default, PassSums::merged),
        (false, Values::Gradients(gradients)) => gradients_of(0, gradients),
        (false, Values::Pairs(pairs, _)) => pairs_of(0, pairs),
    }
}

#[inline(always)]
fn side_by_side(pairs: &mut [[f32; 2]], gradients: &[f32], hessians: &[f32]) {
    for (i, pair) in pairs.iter_mut().enumerate() {
        *pair = [gradients[i], hessians[i]];
    }
}

/// With second derivatives or without. Called within `vectorised`.
#[inline(always)]
fn blocks<L: RowLoss, T, const SECOND: bool>(
    loss: &L,
    rows: Rows<'_>,
    values: &mut [T],
    write: impl Fn(&mut [T], &[f32], &[f32]),
    grids: Grids,
) -> PassSums {
    let (mut losses, mut gradients, mut hessians) = ([0.0; BLOCK], [0.0; BLOCK], [0.0; BLOCK]);
    let mut sums = PassSums::default();
    for (b, values) in values.chunks_mut(BLOCK).enumerate() {
        let n = values.len();
        let rows = rows.part(b * BLOCK, n);
        let (losses, gradients, hessians) = (&mut losses[..n], &mut gradients[..n], &mut hessians[..n]);
        match rows.weights {
            None => block(loss, rows.y, rows.scores, |_| 1.0, gradients, hessians, losses),
            Some(weights) => {
                let weights = &weights[..n];
                block(loss, rows.y, rows.scores, |i| weights[i], gradients, hessians, losses);
            }
        }
        sums.loss.add(losses, grids.loss);
        sums.gradient.add(gradients, grids.gradient);
        if SECOND {
            sums.hessian.add(hessians, grids.hessian);
        }
        write(values, gradients, hessians);
    }
    sums
}

#[inline(always)]
fn block<L: RowLoss>(
    loss: &L,
    y: &[f64],
    scores: &[f64],
    weight: impl Fn(usize) -> f64,
    gradients: &mut [f32],
    hessians: &mut [f32],
    losses: &mut [f64],
) {
    let n = y.len().min(scores.len()).min(gradients.len()).min(hessians.len()).min(losses.len());
    let (y, scores) = (&y[..n], &scores[..n]);
    let (gradients, hessians, losses) = (&mut gradients[..n], &mut hessians[..n], &mut losses[..n]);
    for i in 0..n {
        let Terms { loss, gradient, hessian } = loss.terms(y[i], scores[i]);
        let w = weight(i);
        losses[i] = w * loss;
        gradients[i] = (w * gradient) as f32;
        hessians[i] = (w * hessian) as f32;
    }
}

fn losses<L: RowLoss>(loss: &L, rows: Rows<'_>, grid: Grid) -> GridSum {
    let task = |t: usize| {
        let start = t * TASK;
        let rows = rows.part(start, TASK.min(rows.y.len() - start));
        vectorised(
            #[inline(always)]
            || losses_of(loss, rows, grid),
        )
    };
    let merge = |mut a: GridSum, b: GridSum| {
        a.merge(b);
        a
    };
    let tasks = 0..rows.y.len().div_ceil(TASK);
    if rows.y.len() >= PARALLEL && !alone() {
        tasks.into_par_iter().map(task).reduce(GridSum::default, merge)
    } else {
        tasks.map(task).fold(GridSum::default(), merge)
    }
}

/// Called within `vectorised`.
#[inline(always)]
fn losses_of<L: RowLoss>(loss: &L, rows: Rows<'_>, grid: Grid) -> GridSum {
    let mut losses = [0.0; BLOCK];
    let mut sum = GridSum::default();
    for start in (0..rows.y.len()).step_by(BLOCK) {
        let n = BLOCK.min(rows.y.len() - start);
        let rows = rows.part(start, n);
        let losses = &mut losses[..n];
        for (l, (&y, &score)) in losses.iter_mut().zip(rows.y.iter().zip(rows.scores)) {
            *l = loss.terms(y, score).loss;
        }
        if let Some(weights) = rows.weights {
            losses.iter_mut().zip(weights).for_each(|(l, w)| *l *= w);
        }
        sum.add(losses, grid);
    }
    sum
}
