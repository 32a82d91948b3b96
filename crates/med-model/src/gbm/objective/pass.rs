//! One pass over all rows: derivatives and loss, block by block.

use rayon::prelude::*;

use super::super::sums::{Grid, GridSum};
use super::{Loss, RowLoss, Terms, with_loss};
use crate::kernel::vectorised;

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
    grid: Grid,
}

/// What is not finite in a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::gbm) struct NotFinite;

impl Pass {
    pub(in crate::gbm) fn new(loss: Loss) -> Self {
        Self { loss, grid: Grid::below(f64::MIN_POSITIVE) }
    }

    /// Writes the derivatives of all rows (the second ones where there is room) and gives the sum of the losses.
    pub(in crate::gbm) fn derivatives(
        &mut self,
        rows: Rows<'_>,
        gradients: &mut [f32],
        mut hessians: Option<&mut [f32]>,
    ) -> Result<f64, NotFinite> {
        loop {
            let (loss, grid) = (&self.loss, self.grid);
            let sum = with_loss!(loss, loss => derivatives(loss, rows, gradients, hessians.as_deref_mut(), grid));
            if let Some(done) = self.settle(sum, rows.y.len()) {
                return done;
            }
        }
    }

    /// The sum of the losses alone.
    pub(in crate::gbm) fn loss(&mut self, rows: Rows<'_>) -> Result<f64, NotFinite> {
        loop {
            let (loss, grid) = (&self.loss, self.grid);
            let sum = with_loss!(loss, loss => losses(loss, rows, grid));
            if let Some(done) = self.settle(sum, rows.y.len()) {
                return done;
            }
        }
    }

    /// The sum, unless it must be taken again on a wider grid. The next pass has a grid that fits this sum.
    fn settle(&mut self, sum: GridSum, n: usize) -> Option<Result<f64, NotFinite>> {
        if !sum.magnitude.is_finite() {
            return Some(Err(NotFinite));
        }
        match sum.wider(self.grid, n) {
            Some(grid) => {
                self.grid = grid;
                None
            }
            None => {
                self.grid = Grid::below(4.0 * sum.magnitude);
                Some(Ok(sum.sum))
            }
        }
    }
}

fn derivatives<L: RowLoss>(
    loss: &L,
    rows: Rows<'_>,
    gradients: &mut [f32],
    hessians: Option<&mut [f32]>,
    grid: Grid,
) -> GridSum {
    let task = |(t, (gradients, hessians)): (usize, (&mut [f32], Option<&mut [f32]>))| {
        let rows = rows.part(t * TASK, gradients.len());
        vectorised(
            #[inline(always)]
            || derivatives_of(loss, rows, gradients, hessians, grid),
        )
    };
    let merge = |mut a: GridSum, b: GridSum| {
        a.merge(b);
        a
    };
    // Sums on a grid are the same in any order, so tasks may be joined as they end.
    match (rows.y.len() >= PARALLEL, hessians) {
        (true, Some(hessians)) => gradients
            .par_chunks_mut(TASK)
            .zip(hessians.par_chunks_mut(TASK))
            .enumerate()
            .map(|(t, (g, h))| task((t, (g, Some(h)))))
            .reduce(GridSum::default, merge),
        (true, None) => gradients
            .par_chunks_mut(TASK)
            .enumerate()
            .map(|(t, g)| task((t, (g, None))))
            .reduce(GridSum::default, merge),
        (false, hessians) => vectorised(
            #[inline(always)]
            || derivatives_of(loss, rows, gradients, hessians, grid),
        ),
    }
}

/// Called within `vectorised`.
#[inline(always)]
fn derivatives_of<L: RowLoss>(
    loss: &L,
    rows: Rows<'_>,
    gradients: &mut [f32],
    mut hessians: Option<&mut [f32]>,
    grid: Grid,
) -> GridSum {
    let (mut losses, mut unused) = ([0.0; BLOCK], [0.0; BLOCK]);
    let mut sum = GridSum::default();
    for (b, gradients) in gradients.chunks_mut(BLOCK).enumerate() {
        let n = gradients.len();
        let rows = rows.part(b * BLOCK, n);
        let losses = &mut losses[..n];
        let hessians = match &mut hessians {
            Some(all) => &mut all[b * BLOCK..b * BLOCK + n],
            None => &mut unused[..n],
        };
        match rows.weights {
            None => block(loss, rows.y, rows.scores, |_| 1.0, gradients, hessians, losses),
            Some(weights) => {
                let weights = &weights[..n];
                block(loss, rows.y, rows.scores, |i| weights[i], gradients, hessians, losses);
            }
        }
        sum.add(losses, grid);
        let all_finite = all_finite(gradients) & all_finite(hessians);
        if !all_finite {
            sum.magnitude = f64::NAN;
        }
    }
    sum
}

/// Loops, not iterator chains, which are compiled apart and so not for vectors.
#[inline(always)]
fn all_finite(values: &[f32]) -> bool {
    let mut largest = 0_u32;
    for value in values {
        // Of bits without sign, those from infinity on are not finite.
        largest = largest.max(value.to_bits() & 0x7fff_ffff);
    }
    largest < f32::INFINITY.to_bits()
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
    if rows.y.len() >= PARALLEL {
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
