//! One pass over the rows: linear predictor, score, information and objective, block by block.
//!
//! A run of blocks of rows is read once from memory, a column at a time, which memory is twice as quick with as with short
//! pieces of all columns in turn. All that is wanted of it is taken while it is in the cache:
//!
//! * the linear predictor, column by column;
//! * objective, score `r` and information `W` of each row;
//! * `X'r`, column by column;
//! * where it is asked for `X'WX`: the numeric columns are written next to the same multiplied by `W`, and the products
//!   are summed in tiles of 3 x 3 columns that stay in registers.
//!
//! Categorical columns stay codes: a level of one collects the weighted rows that have it, and two levels that meet
//! collect `W`. With `k` numeric columns and `c` categorical ones a row costs `k^2/2 + c k + c^2/2` products, however
//! many levels there are.
//!
//! Rows are summed in chunks of a fixed size, the chunks in their order: the same bits for any number of threads.

use std::ops::Range;

use nalgebra::DMatrix;
use rayon::prelude::*;

use super::design::Design;
use super::family::{
    AnyLink, Curved, Family, GammaLog, GaussianLog, InverseGaussianLog, Link, Loss, PoissonLog, Start, StartLog, Terms,
    TweedieLog,
};
use super::kernels::{
    AddColumns, AddToLevels, BLOCK, BlockTerms, CentredProduct, Products, TILE, Total, Transpose, WeightColumn,
};
use super::sums::{Shape, Sums};
use crate::kernel;

/// Blocks that are read together: 16 KiB a column.
const RUN: usize = 16;
/// Rows of a run.
const RUN_ROWS: usize = RUN * BLOCK;
/// Rows of a chunk, which one thread sums.
const CHUNK: usize = 128 * BLOCK;
/// Chunks whose sums are held at a time.
const WAVE: usize = 16;
/// Sums beyond this size are held only once, by one thread.
const LARGEST_SHARED_SUMS: usize = 1 << 20;

/// What the rows are fitted to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) y: &'a [f64],
    pub(super) weights: Option<&'a [f64]>,
    pub(super) offset: Option<&'a [f64]>,
}

/// Which pass.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Pass {
    /// Information times working response, and information, where fitting starts. Holds the mean at offset 0.
    Start(f64),
    /// Objective alone.
    Objective,
    /// Objective and score.
    Gradient,
    /// Objective, score and expected information.
    Expected,
    /// Objective, score and observed information.
    Observed,
    /// Objective, score and observed information of any family and link; it can be indefinite.
    Curvature,
    /// Squared scores in place of the information: the filling of the sandwich. A row of frequency `w` has `w` of them.
    Squares { frequency: bool },
}

impl Pass {
    pub(super) fn has_information(self) -> bool {
        !matches!(self, Self::Objective | Self::Gradient)
    }
}

/// What a pass finds.
#[derive(Debug)]
pub(super) struct Evaluation {
    /// Sum of the negative quasi-log-likelihood, without what depends on the target alone.
    pub(super) objective: f64,
    /// Sum of absolute scores: what the rounding of the score is measured by.
    pub(super) absolute_score: f64,
    /// `X'r`, one value a coefficient.
    pub(super) score: Vec<f64>,
    /// `X'WX`, all coefficients, if it was asked for.
    pub(super) information: Option<DMatrix<f64>>,
}

/// Coefficients ready for rows as they stand in memory.
#[derive(Debug)]
struct RawCoefficients<'a> {
    intercept: f64,
    /// Numeric columns whose coefficient is not 0.
    numeric: Vec<(&'a [f64], f64)>,
    /// One value a level.
    tables: Vec<(&'a [u32], &'a [f64])>,
}

/// What a thread needs for a run.
#[derive(Debug)]
struct Buffers {
    y: Vec<[f64; BLOCK]>,
    weights: Vec<[f64; BLOCK]>,
    eta: Vec<[f64; BLOCK]>,
    score: Vec<[f64; BLOCK]>,
    information: Vec<[f64; BLOCK]>,
    /// The intercept and the numeric columns of a block, and the same times the information.
    x: Vec<[[f64; BLOCK]; TILE]>,
    wx: Vec<[[f64; BLOCK]; TILE]>,
    /// `wx` row by row.
    rows: Vec<[f64; 8]>,
}

impl Buffers {
    fn new(shape: &Shape) -> Self {
        let zero = [0.0; BLOCK];
        let columns = vec![[zero; TILE]; shape.side];
        let rows = vec![[0.0; 8]; shape.groups * BLOCK];
        let run = vec![zero; RUN];
        Self {
            y: run.clone(),
            weights: run.clone(),
            eta: run.clone(),
            score: run.clone(),
            information: run,
            x: columns.clone(),
            wx: columns,
            rows,
        }
    }
}

/// Goes over all rows at these coefficients.
pub(super) fn evaluate(
    design: &Design<'_>,
    loss: &Loss,
    rows: Rows<'_>,
    coefficients: &[f64],
    pass: Pass,
) -> Evaluation {
    let shape = Shape::of(design);
    let raw = RawCoefficients::new(design, coefficients);
    let chunk = if shape.size() > LARGEST_SHARED_SUMS { design.n_rows.max(1) } else { CHUNK };
    let n_chunks = design.n_rows.div_ceil(chunk);
    let range = |c: usize| c * chunk..((c + 1) * chunk).min(design.n_rows);
    let work = Work { design, loss, rows, raw: &raw, pass, groups: shape.groups };
    let mut total = shape.sums(pass);
    if n_chunks == 1 || rayon::current_num_threads() == 1 {
        let (mut sums, mut buffers) = (shape.sums(pass), Buffers::new(&shape));
        for c in 0..n_chunks {
            sums.clear();
            work.chunk(range(c), &mut sums, &mut buffers);
            total.add(&sums);
        }
    } else {
        for first in (0..n_chunks).step_by(WAVE) {
            let wave: Vec<Sums> = (first..(first + WAVE).min(n_chunks))
                .into_par_iter()
                .map_init(
                    || Buffers::new(&shape),
                    |buffers, c| {
                        let mut sums = shape.sums(pass);
                        work.chunk(range(c), &mut sums, buffers);
                        sums
                    },
                )
                .collect();
            wave.iter().for_each(|sums| total.add(sums));
        }
    }
    total.assemble(design, &shape, pass)
}

/// The linear predictor of all rows, offset included.
pub(super) fn linear_predictor(design: &Design<'_>, offset: Option<&[f64]>, coefficients: &[f64]) -> Vec<f64> {
    let raw = RawCoefficients::new(design, coefficients);
    let mut eta = vec![0.0; design.n_rows];
    let fill = |(b, out): (usize, &mut [f64])| {
        let first = b * RUN_ROWS;
        raw.linear_predictor(first..first + out.len(), offset, out);
    };
    if design.n_rows > CHUNK {
        eta.par_chunks_mut(RUN_ROWS).with_min_len(CHUNK / RUN_ROWS).enumerate().for_each(fill);
    } else {
        eta.chunks_mut(RUN_ROWS).enumerate().for_each(fill);
    }
    eta
}

impl<'a> RawCoefficients<'a> {
    fn new(design: &Design<'a>, coefficients: &'a [f64]) -> Self {
        let mut intercept = coefficients[0];
        let mut numeric = Vec::new();
        for (column, &b) in design.numeric.iter().zip(&coefficients[1..]) {
            let slope = b * column.inverse;
            if slope != 0.0 {
                intercept -= slope * column.centre;
                numeric.push((column.values, slope));
            }
        }
        let levels = &coefficients[design.first_level()..];
        let table = |c: &super::design::CategoricalColumn<'a>| (c.codes, &levels[c.start..c.start + c.weights.len()]);
        let tables = design.categorical.iter().map(table).filter(|(_, t)| t.iter().any(|b| *b != 0.0)).collect();
        Self { intercept, numeric, tables }
    }

    fn linear_predictor(&self, rows: Range<usize>, offset: Option<&[f64]>, out: &mut [f64]) {
        match offset {
            Some(offset) => out.iter_mut().zip(&offset[rows.clone()]).for_each(|(o, v)| *o = self.intercept + v),
            None => out.fill(self.intercept),
        }
        kernel::run(AddColumns { columns: &self.numeric, first: rows.start, out });
        for (codes, table) in &self.tables {
            let Some(last) = table.len().checked_sub(1) else { continue };
            for (o, &code) in out.iter_mut().zip(&codes[rows.clone()]) {
                *o += table[(code as usize).min(last)];
            }
        }
    }
}

/// What the threads share.
struct Work<'a> {
    design: &'a Design<'a>,
    loss: &'a Loss,
    rows: Rows<'a>,
    raw: &'a RawCoefficients<'a>,
    pass: Pass,
    groups: usize,
}

impl Work<'_> {
    fn chunk(&self, rows: Range<usize>, sums: &mut Sums, buffers: &mut Buffers) {
        for first in rows.clone().step_by(RUN_ROWS) {
            let run = first..(first + RUN_ROWS).min(rows.end);
            self.load(run.clone(), buffers);
            for (k, start) in run.clone().step_by(BLOCK).enumerate() {
                let block = start..(start + BLOCK).min(run.end);
                self.terms(k, sums, buffers);
                if self.pass.has_information() {
                    self.information(k, block, sums, buffers);
                }
            }
            if self.pass != Pass::Objective {
                self.gradient(run, buffers.score.as_flattened(), &mut sums.score);
            }
        }
    }

    /// Target, weights and linear predictor; rows that fill up a block have weight 0.
    fn load(&self, rows: Range<usize>, buffers: &mut Buffers) {
        let (n, end) = (rows.len(), rows.len().next_multiple_of(BLOCK));
        let y = buffers.y.as_flattened_mut();
        y[..n].copy_from_slice(&self.rows.y[rows.clone()]);
        y[n..end].fill(1.0);
        let own = buffers.weights.as_flattened_mut();
        match self.rows.weights {
            Some(weights) => own[..n].copy_from_slice(&weights[rows.clone()]),
            None => own[..n].fill(1.0),
        }
        own[n..end].fill(0.0);
        let eta = buffers.eta.as_flattened_mut();
        self.raw.linear_predictor(rows, self.rows.offset, &mut eta[..n]);
        eta[n..end].fill(0.0);
    }

    /// Adds `X'WX` of a block.
    fn information(&self, k: usize, block: Range<usize>, sums: &mut Sums, buffers: &mut Buffers) {
        let Buffers { information, score, weights, x, wx, rows, .. } = buffers;
        let information = &mut information[k];
        if let Pass::Squares { frequency } = self.pass {
            for ((i, s), w) in information.iter_mut().zip(&score[k]).zip(&weights[k]) {
                *i = if frequency && *w > 0.0 { s * s / w } else { s * s };
            }
        }
        self.weighted_columns(block.clone(), information, x, wx);
        kernel::run(Products { x, wx, tiles: &mut sums.tiles });
        if !self.design.categorical.is_empty() {
            self.weighted_rows(wx, rows);
            self.levels(block.clone(), rows, &mut sums.levels);
            self.pairs(block, information, &mut sums.pairs);
        }
    }

    fn terms(&self, k: usize, sums: &mut Sums, buffers: &mut Buffers) {
        let observed = self.pass == Pass::Observed;
        let power = self.loss.power;
        if let Pass::Start(mean) = self.pass {
            match (self.loss.link, self.loss.family) {
                (Link::Log, family) if family != Family::Binomial => {
                    let power = match family {
                        Family::Gaussian => 0.0,
                        Family::Poisson => 1.0,
                        Family::Gamma => 2.0,
                        Family::InverseGaussian => 3.0,
                        _ => power,
                    };
                    block_terms(StartLog { power, mean }, k, sums, buffers);
                }
                _ => block_terms(Start { loss: *self.loss, mean }, k, sums, buffers),
            }
            return;
        }
        if self.pass == Pass::Curvature {
            block_terms(Curved(*self.loss), k, sums, buffers);
            return;
        }
        match (self.loss.link, self.loss.family, observed) {
            (Link::Log, Family::Gaussian, _) => block_terms(GaussianLog, k, sums, buffers),
            (Link::Log, Family::Poisson, _) => block_terms(PoissonLog, k, sums, buffers),
            (Link::Log, Family::Gamma, false) => block_terms(GammaLog::<false>, k, sums, buffers),
            (Link::Log, Family::Gamma, true) => block_terms(GammaLog::<true>, k, sums, buffers),
            (Link::Log, Family::InverseGaussian, _) => block_terms(InverseGaussianLog, k, sums, buffers),
            (Link::Log, Family::Tweedie, false) => block_terms(TweedieLog::<false>(power), k, sums, buffers),
            (Link::Log, Family::Tweedie, true) => block_terms(TweedieLog::<true>(power), k, sums, buffers),
            _ => block_terms(AnyLink(*self.loss), k, sums, buffers),
        }
    }

    /// The intercept and the numeric columns of the block, and the same times the information.
    fn weighted_columns(
        &self,
        rows: Range<usize>,
        information: &[f64; BLOCK],
        x: &mut [[[f64; BLOCK]; TILE]],
        wx: &mut [[[f64; BLOCK]; TILE]],
    ) {
        let mut columns = x.as_flattened_mut().iter_mut().zip(wx.as_flattened_mut());
        if let Some((x, wx)) = columns.next() {
            x.fill(1.0);
            *wx = *information;
        }
        for (column, (x, wx)) in self.design.numeric.iter().zip(columns) {
            let (values, centre, scale) = (&column.values[rows.clone()], column.centre, column.inverse);
            kernel::run(WeightColumn { values, centre, scale, information, x, wx });
        }
    }

    /// The weighted columns row by row.
    fn weighted_rows(&self, wx: &[[[f64; BLOCK]; TILE]], rows: &mut [[f64; 8]]) {
        let zeros = [0.0; BLOCK];
        let wx = wx.as_flattened();
        for group in 0..self.groups {
            let columns = std::array::from_fn(|k| wx.get(group * 8 + k).unwrap_or(&zeros));
            kernel::run(Transpose { columns, out: &mut rows[group..], stride: self.groups });
        }
    }

    fn levels(&self, rows: Range<usize>, wx: &[[f64; 8]], sums: &mut [[f64; 8]]) {
        let groups = self.groups;
        for column in &self.design.categorical {
            let Some(last) = column.weights.len().checked_sub(1) else { continue };
            let sums = &mut sums[column.start * groups..(column.start + last + 1) * groups];
            kernel::run(AddToLevels { codes: &column.codes[rows.clone()], last, wx, groups, sums });
        }
    }

    fn pairs(&self, rows: Range<usize>, information: &[f64], sums: &mut [f64]) {
        let mut rest = sums;
        for (a, first) in self.design.categorical.iter().enumerate() {
            for second in &self.design.categorical[..a] {
                let (n, m) = (first.weights.len(), second.weights.len());
                let (table, after) = std::mem::take(&mut rest).split_at_mut(n * m);
                rest = after;
                if table.is_empty() {
                    continue;
                }
                let codes = first.codes[rows.clone()].iter().zip(&second.codes[rows.clone()]);
                for ((&a, &b), w) in codes.zip(information) {
                    table[(a as usize).min(n - 1) * m + (b as usize).min(m - 1)] += w;
                }
            }
        }
    }

    /// Adds `X'r`.
    fn gradient(&self, rows: Range<usize>, score: &[f64], sums: &mut [f64]) {
        let score = &score[..rows.len()];
        sums[0] += kernel::run(Total { values: score });
        for (column, sum) in self.design.numeric.iter().zip(&mut sums[1..]) {
            let values = &column.values[rows.clone()];
            *sum += column.inverse * kernel::run(CentredProduct { values, centre: column.centre, score });
        }
        let levels = &mut sums[self.design.first_level()..];
        for column in &self.design.categorical {
            let n = column.weights.len();
            let levels = &mut levels[column.start..column.start + n];
            let Some(last) = n.checked_sub(1) else { continue };
            for (&code, r) in column.codes[rows.clone()].iter().zip(score) {
                levels[(code as usize).min(last)] += r;
            }
        }
    }
}

fn block_terms<T: Terms>(terms: T, k: usize, sums: &mut Sums, buffers: &mut Buffers) {
    let Buffers { y, weights, eta, score, information, .. } = buffers;
    let (y, weights, eta) = (&y[k], &weights[k], &eta[k]);
    let (score, information) = (&mut score[k], &mut information[k]);
    let (objective, absolute) = kernel::run(BlockTerms { terms, y, weights, eta, score, information });
    sums.objective += objective;
    sums.absolute_score += absolute;
}
