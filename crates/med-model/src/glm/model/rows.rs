//! Rows to predict: linear predictors block by block, and means of them.

use std::borrow::Cow;

use med_schema::{FeatureColumn, FeatureMatrix, MISSING};
use rayon::prelude::*;

use super::super::family::{Family, Link, Loss};
use super::super::params::Unseen;
use super::{GlmModel, MODEL, Term};
use crate::kernel::exp::exp;
use crate::kernel::vectorised;
use crate::{InputError, PredictError};

/// Linear predictors of log, logit and probit links are cut to +- this, so that predictions stay finite.
const LARGEST_ETA: f64 = 600.0;
/// Rows predicted at a time.
const BLOCK: usize = 512;
/// Rows below which one thread predicts.
const PARALLEL_ROWS: usize = 1 << 15;

/// A feature of the rows to predict, checked.
pub(super) enum Values<'a> {
    Numbers(&'a [f64], f64),
    /// Codes and what they add: the levels, those never seen, the missing.
    Codes(Cow<'a, [u32]>, Vec<f64>),
}

/// Linear predictors to means, all of them finite.
pub(in crate::glm) fn means_in_place(loss: &Loss, values: &mut [f64]) {
    // Comparisons turn what is no number into one.
    let cut = |v: f64| if v > -LARGEST_ETA { if v < LARGEST_ETA { v } else { LARGEST_ETA } } else { -LARGEST_ETA };
    let floor = if loss.family == Family::Gaussian { f64::MIN } else { 0.0 };
    match loss.link {
        Link::Log => vectorised(|| values.iter_mut().for_each(|v| *v = exp(cut(*v)))),
        Link::Identity => values.iter_mut().for_each(|v| *v = v.max(floor).min(f64::MAX)),
        Link::Power(q) => values.iter_mut().for_each(|v| *v = v.max(f64::MIN_POSITIVE).powf(1.0 / q).min(f64::MAX)),
        Link::Logit => vectorised(|| values.iter_mut().for_each(|v| *v = 1.0 / (1.0 + exp(-cut(*v))))),
        Link::Probit => values.iter_mut().for_each(|v| *v = loss.mean(cut(*v)).unwrap_or(0.0)),
    }
}

/// Rows to predict, brought to the levels of the model.
pub(super) struct Aligned<'a> {
    pub(super) values: Vec<Values<'a>>,
    pub(super) n_rows: usize,
}

impl<'a> Aligned<'a> {
    pub(super) fn new(model: &GlmModel, x: &'a FeatureMatrix) -> Result<Self, PredictError> {
        let aligned = model.features.align(x)?;
        let columns = x.columns().iter().zip(aligned.columns()).zip(&model.terms);
        let values = columns.map(|((column, aligned), term)| match term {
            Term::Numeric { coefficient, .. } => numbers(column, *coefficient),
            Term::Categorical { coefficients, missing, .. } => {
                codes(model.unseen, column, aligned, coefficients, *missing)
            }
        });
        Ok(Self { values: values.collect::<Result<_, _>>()?, n_rows: x.n_rows() })
    }

    /// Linear predictors block by block, each finished by `finish` while it is in the cache.
    pub(super) fn fill(
        &self,
        intercept: f64,
        offset: Option<&[f64]>,
        out: &mut [f64],
        finish: impl Fn(&mut [f64]) + Sync,
    ) {
        let block = |(b, out): (usize, &mut [f64])| {
            let rows = b * BLOCK..b * BLOCK + out.len();
            match offset {
                Some(offset) => out.iter_mut().zip(&offset[rows.clone()]).for_each(|(o, v)| *o = intercept + v),
                None => out.fill(intercept),
            }
            for values in &self.values {
                match values {
                    Values::Numbers(values, b) => vectorised(|| {
                        out.iter_mut().zip(&values[rows.clone()]).for_each(|(o, v)| *o += b * v);
                    }),
                    Values::Codes(codes, table) => {
                        let last = table.len() - 1;
                        for (o, &code) in out.iter_mut().zip(&codes[rows.clone()]) {
                            *o += table[(code as usize).min(last)];
                        }
                    }
                }
            }
            finish(out);
        };
        if out.len() >= PARALLEL_ROWS {
            out.par_chunks_mut(BLOCK).with_min_len(16).enumerate().for_each(block);
        } else {
            out.chunks_mut(BLOCK).enumerate().for_each(block);
        }
    }
}

fn numbers(column: &FeatureColumn, coefficient: f64) -> Result<Values<'_>, PredictError> {
    let values = column.as_numeric().unwrap_or_default();
    let name = || column.name().to_owned();
    if let Some(row) = values.iter().position(|v| !v.is_finite()) {
        let error = if values[row].is_nan() {
            InputError::Missing { column: name(), row, model: MODEL }
        } else {
            InputError::Infinite { column: name(), row, model: MODEL }
        };
        return Err(error.into());
    }
    Ok(Values::Numbers(values, coefficient))
}

/// `column` as it came, `aligned` with the levels of the model.
fn codes<'a>(
    unseen: Unseen,
    column: &'a FeatureColumn,
    aligned: &FeatureColumn,
    coefficients: &[f64],
    missing: bool,
) -> Result<Values<'a>, PredictError> {
    let ((raw, found), (codes, levels)) =
        (column.as_categorical().unwrap_or_default(), aligned.as_categorical().unwrap_or_default());
    // Behind the levels: what was never seen, then what is missing. The reference adds nothing.
    let never = levels.len() as u32;
    let mut table = coefficients[..levels.len()].to_vec();
    table.push(0.0);
    table.push(if missing { coefficients.last().copied().unwrap_or_default() } else { 0.0 });
    if unseen == Unseen::Error {
        let refused = |(raw, code): (&u32, &u32)| *code == MISSING && (*raw != MISSING || !missing);
        if let Some(row) = raw.iter().zip(codes).position(refused) {
            let (column, model) = (column.name().to_owned(), MODEL);
            let error = if raw[row] == MISSING {
                InputError::Missing { column, row, model }
            } else {
                InputError::UnseenLevel { column, row, model }
            };
            return Err(error.into());
        }
    }
    if found == levels {
        return Ok(Values::Codes(Cow::Borrowed(raw), table));
    }
    let code = |(raw, code): (&u32, &u32)| if *code == MISSING && *raw != MISSING { never } else { *code };
    Ok(Values::Codes(raw.iter().zip(codes).map(code).collect(), table))
}
