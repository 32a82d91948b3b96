//! Iteratively reweighted least squares with step-halving, and its penalised form.
//!
//! Minimises, with `q` the negative quasi-log-likelihood of a row and `W` the sum of the weights,
//!
//! ```text
//! sum_i w_i q(y_i, x_i'b) + W (sum_j l1_j |b_j| + l2_j b_j^2 / 2)
//! ```
//!
//! Each step minimises the quadratic approximation at the present point: by a Cholesky factor, or with an absolute part by
//! coordinate descent on the information matrix (Friedman, Hastie and Tibshirani 2010). It starts from working responses
//! at means half-way between each target and the mean of all, and falls back on the mean of all when that is better.
//! Where there are many rows it starts from the solution of a sample of them (`sample.rs`), which moves the result by less
//! than the tolerance. A step that raises the objective is halved.
//!
//! Forming the information matrix is most of the work of a pass, so an old factor is kept
//!
//! * where the expected information does not depend on the coefficients (gamma with log link, least squares);
//! * while steps are small: the error it brings is of the order of the product of two steps.
//!
//! When the gradient then falls by less than a factor 4 a step, the information is taken anew, for gamma and Tweedie
//! with log link the observed one, which is Newton's method. Other families go over to the observed information when
//! the expected one brings no more than that (large residuals), as long as it is positive definite.
//!
//! It stops when the gradient `g` is small in the metric of the information matrix `A`: `sqrt(g' A^-1 g / sum_i W_i)`, which is
//! the root mean square of what the next step would change in the linear predictor (over its own size for links that
//! have a unit). This does not depend on the units of columns or target, nor on the choice of reference levels. The
//! last step is still taken. With an absolute penalty the gradient is the subgradient of least norm, and `A` its diagonal.

use nalgebra::DMatrix;

use super::design::Design;
use super::factor::Factor;
use super::family::{Family, Link, Loss};
use super::pass::{Pass, Rows, evaluate};
use crate::FitError;

/// A step this small (root mean square of the linear predictor) leaves the information good enough: a step with it costs a
/// quarter of one that takes it anew, and leaves about this share of the gradient.
const SMALL_STEP: f64 = 0.1;
/// With an old factor the gradient should fall by this factor a step.
const CONTRACTION: f64 = 0.25;
/// Steps after which slow progress with the expected information is taken for a sign.
const PATIENCE: usize = 6;
/// Halvings of a step.
const HALVINGS: usize = 40;
/// A sum of this share of its terms may be rounding.
const ROUNDING: f64 = 1e-12;
/// A step that lowers the objective by less than this for weight 1 has come to rest.
const AT_REST: f64 = 1e-15;
/// A quadratic penalty of less than this for weight 1 keeps coefficients finite, but says nothing about which columns are new.
const BOUND_ONLY: f64 = 1e-10;
/// Coordinate descent has settled when a sweep moves this share of what the largest one moved.
const SETTLED: f64 = 1e-9;
/// Sweeps of coordinate descent within a step.
const SWEEPS: usize = 10_000;

/// What is asked of a solution.
#[derive(Debug, Clone)]
pub(super) struct Problem<'a> {
    pub(super) model: &'static str,
    pub(super) design: &'a Design<'a>,
    pub(super) loss: Loss,
    pub(super) rows: Rows<'a>,
    /// Weight of the absolute penalty of each coefficient, times the sum of the weights.
    pub(super) l1: Vec<f64>,
    /// The same of the quadratic penalty.
    pub(super) l2: Vec<f64>,
    pub(super) max_iterations: usize,
    pub(super) tolerance: f64,
}

/// Coefficients of the centred and scaled columns, in the order of the design.
#[derive(Debug, Clone)]
pub(super) struct Solution {
    pub(super) coefficients: Vec<f64>,
    /// Columns that are linear combinations of others.
    pub(super) aliased: Vec<usize>,
    pub(super) iterations: usize,
    pub(super) gradient_norm: f64,
}

/// A point and what is known there.
#[derive(Debug)]
struct Point {
    coefficients: Vec<f64>,
    /// With the penalty.
    objective: f64,
    /// Without the penalty.
    score: Vec<f64>,
    /// How far the score is from known.
    noise: f64,
    information: Option<DMatrix<f64>>,
}

/// A quadratic model of the objective.
#[derive(Debug)]
struct Quadratic {
    information: DMatrix<f64>,
    factor: Factor,
    /// Sum of the information of all rows.
    total: f64,
}

/// Where the iterations start.
struct Start {
    now: Point,
    quadratic: Quadratic,
    aliased: Vec<usize>,
    /// Whether the information holds everywhere.
    constant: bool,
    /// Whether the information is that of this point.
    current: bool,
}

/// Where a quadratic model is least, and how far from there it was.
struct Target {
    coefficients: Vec<f64>,
    norm: f64,
    /// What the norm is measured by.
    unit: f64,
}

impl Problem<'_> {
    /// Fits, from these coefficients if they are better than a constant and lead to a solution, else from the data.
    pub(super) fn solve(&self, from: Option<&[f64]>) -> Result<Solution, FitError> {
        let mean = self.mean()?;
        let mut null = vec![0.0; self.design.width()];
        if self.design.intercept {
            null[0] = self.loss.eta(mean);
        }
        if let Some(start) = from.and_then(|from| self.warm(from, &null))
            && let Ok(solution) = self.iterate(start)
        {
            return Ok(solution);
        }
        self.iterate(self.cold(mean, null)?)
    }

    /// From coefficients near the solution: the information is taken there, and working responses are not needed.
    fn warm(&self, from: &[f64], null: &[f64]) -> Option<Start> {
        let bounded = self.is_bounded_only();
        // Where rows are separated the information near the solution is that of a few rows: the rank is that of the null model.
        let null = self.point(null.to_vec(), if bounded { Pass::Expected } else { Pass::Objective });
        let pass = self.newton(false);
        let mut now = self.point(from.to_vec(), pass);
        let sound = now.objective <= null.objective && now.score.iter().all(|s| s.is_finite());
        let information = now.information.take().filter(|_| sound)?;
        let (free, dependent) = self.rank(null.information.as_ref());
        let (quadratic, aliased) = self.quadratic(information, &free);
        let aliased = merged(dependent, aliased);
        let constant = self.loss.has_constant_information() && pass == Pass::Expected;
        Some(Start { now, quadratic, aliased, constant, current: true })
    }

    /// From working responses, or from the mean of all where that is better.
    fn cold(&self, mean: f64, null: Vec<f64>) -> Result<Start, FitError> {
        let width = self.design.width();
        let start = evaluate(self.design, &self.loss, self.rows, &vec![0.0; width], Pass::Start(mean));
        let information =
            start.information.filter(|i| i.iter().all(|v| v.is_finite())).ok_or_else(|| self.overflow())?;
        let (free, dependent) = self.rank(Some(&information));
        let (quadratic, aliased) = self.quadratic(information, &free);
        let aliased = merged(dependent, aliased);
        let origin =
            Point { coefficients: vec![0.0; width], objective: 0.0, score: start.score, noise: 0.0, information: None };
        let first = self.least(&quadratic, &origin).coefficients;
        // Whether the information at the start holds everywhere.
        let constant = self.loss.has_constant_information();
        let null = self.point(null, if constant { Pass::Gradient } else { Pass::Objective });
        let pass = if constant { Pass::Gradient } else { self.newton(false) };
        let now = match self.step(&null, &first, quadratic.total, pass) {
            Some(next) => next,
            None => self.point(null.coefficients, pass),
        };
        Ok(Start { now, quadratic, aliased, constant, current: constant })
    }

    fn overflow(&self) -> FitError {
        FitError::Overflow { model: self.model, what: "a sum of squares" }
    }

    /// Steps until the gradient is small.
    fn iterate(&self, start: Start) -> Result<Solution, FitError> {
        let Start { mut now, mut quadratic, aliased, mut constant, mut current } = start;
        let free = quadratic.factor.free().to_vec();
        let mut slow = false;
        // A share with a penalty, which alone bounds the coefficients of what separates the shares 0 and 1. There the gradient
        // is rounding long before it is small, and a fresh step that does not lower the objective tells.
        let separable = self.loss.family == Family::Binomial && self.l2.iter().any(|l2| *l2 > 0.0);
        let (mut last, mut iteration) = (f64::INFINITY, 0);
        loop {
            if let Some(information) = now.information.take() {
                quadratic = self.positive(information, &now, &free).ok_or_else(|| self.overflow())?;
                current = true;
            }
            let mut target = self.least(&quadratic, &now);
            let pays = target.norm <= CONTRACTION * last;
            if (!current || constant) && !pays {
                // An old factor no longer pays. The first look at a constant one is none.
                if last.is_finite() {
                    constant = false;
                }
                if !constant {
                    let information = self.point(now.coefficients.clone(), self.newton(slow)).information;
                    quadratic =
                        information.and_then(|i| self.positive(i, &now, &free)).ok_or_else(|| self.overflow())?;
                    current = true;
                    target = self.least(&quadratic, &now);
                }
            }
            // Without an old factor to blame, it is the expected information that is far from the observed one.
            slow = slow || iteration >= PATIENCE && target.norm > CONTRACTION * last;
            let floor = 4.0 * now.noise / quadratic.total / target.unit;
            if target.norm <= self.tolerance.max(floor) {
                // The last step is at hand; what it leaves is of the order of the square of the tolerance.
                let sound = target.coefficients.iter().all(|b| b.is_finite());
                let coefficients = if sound { target.coefficients } else { now.coefficients };
                return Ok(Solution { coefficients, aliased, iterations: iteration, gradient_norm: target.norm });
            }
            let pass = if constant || target.norm < SMALL_STEP { Pass::Gradient } else { self.newton(slow) };
            iteration += 1;
            let unconverged = || FitError::Unconverged {
                model: self.model,
                iterations: iteration - 1,
                gradient: target.norm,
                tolerance: self.tolerance,
            };
            if iteration > self.max_iterations {
                return Err(unconverged());
            }
            match self.step(&now, &target.coefficients, quadratic.total, pass) {
                Some(next) => {
                    let rest = AT_REST * self.design.total_weight;
                    let at_rest = separable && current && now.objective - next.objective <= rest;
                    now = next;
                    last = target.norm;
                    current = false;
                    if at_rest {
                        let coefficients = now.coefficients;
                        return Ok(Solution { coefficients, aliased, iterations: iteration, gradient_norm: last });
                    }
                }
                // No way down along what an old factor says: take a new one.
                None if !current || constant => {
                    constant = false;
                    current = false;
                    last = 0.0;
                }
                None if separable => {
                    let (coefficients, gradient_norm) = (now.coefficients, target.norm);
                    return Ok(Solution { coefficients, aliased, iterations: iteration, gradient_norm });
                }
                None => return Err(unconverged()),
            }
        }
    }

    /// The pass whose information makes the quickest steps.
    fn newton(&self, slow: bool) -> Pass {
        match (self.loss.has_observed_information(), slow) {
            (true, _) => Pass::Observed,
            (false, true) => Pass::Curvature,
            (false, false) => Pass::Expected,
        }
    }

    /// The quadratic model of this information, or of the expected one if this one is indefinite.
    fn positive(&self, information: DMatrix<f64>, now: &Point, free: &[usize]) -> Option<Quadratic> {
        let found = self.quadratic(information, free).0;
        if found.factor.free().len() == free.len() {
            return Some(found);
        }
        let expected = self.point(now.coefficients.clone(), Pass::Expected).information?;
        Some(self.quadratic(expected, free).0)
    }

    fn has_l1(&self) -> bool {
        self.l1.iter().any(|l| *l > 0.0)
    }

    fn point(&self, coefficients: Vec<f64>, pass: Pass) -> Point {
        let found = evaluate(self.design, &self.loss, self.rows, &coefficients, pass);
        let terms = coefficients.iter().zip(&self.l1).zip(&self.l2);
        let penalty: f64 = terms.map(|((b, l1), l2)| l1 * b.abs() + 0.5 * l2 * b * b).sum();
        Point {
            coefficients,
            objective: found.objective + penalty,
            score: found.score,
            // A sum of numbers that cancel is not known better than this.
            noise: f64::EPSILON * found.absolute_score,
            information: found.information.filter(|i| i.iter().all(|v| v.is_finite())),
        }
    }

    fn quadratic(&self, information: DMatrix<f64>, free: &[usize]) -> (Quadratic, Vec<usize>) {
        let (factor, aliased) = Factor::new(&information, free, &self.l2);
        // The first column is 1 in every row, whether the model uses it or not.
        let total = information[(0, 0)].max(f64::MIN_POSITIVE);
        (Quadratic { information, factor, total }, aliased)
    }

    /// Whether the penalty is only there to keep coefficients of separated rows finite.
    fn is_bounded_only(&self) -> bool {
        let largest = self.l2.iter().copied().fold(0.0, f64::max);
        largest > 0.0 && largest <= BOUND_ONLY * self.design.total_weight && !self.has_l1()
    }

    /// The coefficients to be found, and those that are combinations of them by this information. Where the penalty says
    /// something, or nothing is known, all are to be found.
    fn rank(&self, information: Option<&DMatrix<f64>>) -> (Vec<usize>, Vec<usize>) {
        let free = self.design.free();
        match information.filter(|_| self.is_bounded_only()) {
            Some(information) => {
                let (factor, aliased) = Factor::new(information, &free, &vec![0.0; self.l2.len()]);
                (factor.free().to_vec(), aliased)
            }
            None => (free, Vec::new()),
        }
    }

    /// Goes from one point towards another, half the way and half of that until the objective does not rise.
    fn step(&self, from: &Point, to: &[f64], total: f64, pass: Pass) -> Option<Point> {
        if !to.iter().all(|b| b.is_finite()) {
            return None;
        }
        let mut share = 1.0;
        for halving in 0..HALVINGS {
            let between = |(a, b): (&f64, &f64)| if halving == 0 { *b } else { a + share * (b - a) };
            let coefficients = from.coefficients.iter().zip(to).map(between).collect();
            let next = self.point(coefficients, if halving == 0 { pass } else { Pass::Gradient });
            let slack = ROUNDING * (from.objective.abs() + next.objective.abs() + total);
            let sound = next.score.iter().all(|s| s.is_finite()) && next.objective.is_finite();
            if sound && next.objective - from.objective <= if slack.is_finite() { slack } else { 0.0 } {
                return Some(next);
            }
            share *= 0.5;
        }
        None
    }

    /// The least point of the quadratic model around `now`, and the norm of the gradient there.
    fn least(&self, quadratic: &Quadratic, now: &Point) -> Target {
        let b = &now.coefficients;
        let (coefficients, square) = if self.has_l1() {
            (self.descend(quadratic, now), self.subgradient_square(quadratic, now))
        } else {
            let pull = now.score.iter().zip(b).zip(&self.l2).map(|((s, b), l2)| s - l2 * b);
            let gradient: Vec<f64> = pull.collect();
            let direction = quadratic.factor.solve(&gradient);
            let square = gradient.iter().zip(&direction).map(|(g, d)| g * d).sum::<f64>();
            (b.iter().zip(&direction).map(|(b, d)| b + d).collect(), square)
        };
        let unit = self.unit(quadratic, b);
        Target { coefficients, norm: (square.max(0.0) / quadratic.total).sqrt() / unit, unit }
    }

    /// What a change of the linear predictor is measured by: 1 for links without a unit, else its root mean square.
    fn unit(&self, quadratic: &Quadratic, b: &[f64]) -> f64 {
        if self.loss.is_scale_free() {
            return 1.0;
        }
        let product = &quadratic.information * nalgebra::DVector::from_column_slice(b);
        let square: f64 = product.iter().zip(b).map(|(p, b)| p * b).sum();
        (square.max(0.0) / quadratic.total).sqrt().max(f64::MIN_POSITIVE)
    }

    fn subgradient_square(&self, quadratic: &Quadratic, now: &Point) -> f64 {
        let of = |&j: &usize| {
            let b = now.coefficients[j];
            let pull = now.score[j] - self.l2[j] * b;
            let least = if b == 0.0 { soft_threshold(pull, self.l1[j]) } else { pull - self.l1[j] * b.signum() };
            let own = quadratic.information[(j, j)] + self.l2[j];
            if own > 0.0 { least * least / own } else { 0.0 }
        };
        quadratic.factor.free().iter().map(of).sum()
    }

    /// Coordinate descent on the quadratic model with both penalties.
    fn descend(&self, quadratic: &Quadratic, now: &Point) -> Vec<f64> {
        let mut b = now.coefficients.clone();
        let mut pull = now.score.clone();
        let mut largest_ever = 0.0_f64;
        for _ in 0..SWEEPS {
            let mut largest = 0.0_f64;
            for &j in quadratic.factor.free() {
                let own = quadratic.information[(j, j)];
                let old = b[j];
                let new = soft_threshold(pull[j] + own * old, self.l1[j]) / (own + self.l2[j]);
                if new != old {
                    let step = new - old;
                    b[j] = new;
                    let column = quadratic.information.column(j);
                    pull.iter_mut().zip(column.iter()).for_each(|(p, a)| *p -= step * a);
                    largest = largest.max(step.abs() * own.sqrt());
                }
            }
            largest_ever = largest_ever.max(largest);
            if largest <= SETTLED * largest_ever {
                break;
            }
        }
        b
    }

    /// Mean of the target at offset 0, inside the family's range.
    fn mean(&self) -> Result<f64, FitError> {
        let Rows { y, weights, offset } = self.rows;
        let offset = offset.filter(|_| self.loss.link == Link::Log);
        let (mut costs, mut exposure, mut total) = (0.0, 0.0, 0.0);
        for (i, y) in y.iter().enumerate() {
            let w = weights.map_or(1.0, |w| w[i]);
            if w > 0.0 {
                costs += w * y;
                exposure += offset.map_or(w, |o| w * o[i].exp());
                total += w;
            }
        }
        let mean = costs / exposure;
        if !mean.is_finite() {
            return Err(FitError::Overflow { model: self.model, what: "the mean of the target" });
        }
        let degenerate = |found| Err(FitError::Degenerate { model: self.model, found });
        match self.loss.family {
            Family::Binomial if costs == total => degenerate("1"),
            Family::Gaussian if self.loss.link == Link::Identity => Ok(mean),
            // Some link that means above 0 are needed for: start as high as the targets are large.
            Family::Gaussian if mean <= 0.0 => {
                Ok(y.iter().map(|y| y.abs()).sum::<f64>() / y.len() as f64 + f64::MIN_POSITIVE)
            }
            _ if mean <= 0.0 => degenerate("0"),
            _ => Ok(mean),
        }
    }
}

fn merged(mut a: Vec<usize>, b: Vec<usize>) -> Vec<usize> {
    a.extend(b);
    a.sort_unstable();
    a
}

fn soft_threshold(value: f64, threshold: f64) -> f64 {
    if value > threshold {
        value - threshold
    } else if value < -threshold {
        value + threshold
    } else {
        0.0
    }
}
