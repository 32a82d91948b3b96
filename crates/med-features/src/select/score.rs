//! Scores of every feature by a method, best first.

use std::borrow::Cow;
use std::cmp::Ordering;

use med_schema::{FeatureColumn, FeatureMatrix, MISSING};
use rayon::prelude::*;

use super::by_learner::by_learner;
use super::knockoff::{Knockoffs, knockoff};
use super::linear::{self, Complete};
use super::stepwise::{Direction, stepwise};
use super::{Better, Evidence, MrmrScheme, SelectionMethod, mrmr};
use crate::FeatureError;
use crate::statistic::{
    Spread, Tested, anova, complete_pairs, distance_correlation, is_constant, joint, kendall, mid_ranks,
    mutual_information, mutual_information_of_levels, pearson, pearson_with, spearman, std_stability, variance,
};

/// A feature with its statistic, which may be infinite here.
#[derive(Debug, Clone, Default)]
pub(super) struct Scored {
    pub(super) feature: String,
    pub(super) value: Option<f64>,
    pub(super) p_value: Option<f64>,
    /// Where the method adjusts by itself.
    pub(super) p_adjusted: Option<f64>,
    pub(super) reason: Option<String>,
}

impl Scored {
    fn new(column: &FeatureColumn) -> Self {
        Self { feature: column.name().to_owned(), ..Self::default() }
    }

    pub(super) fn with(mut self, value: Option<f64>, p_value: Option<f64>) -> Self {
        (self.value, self.p_value) = (value, p_value);
        self
    }

    pub(super) fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    pub(super) fn tested(self, test: Option<Tested>) -> Self {
        self.with(test.map(|t| t.value), test.map(|t| t.p_value))
    }
}

/// All features of the evidence, best first; equal scores by name, so that the order of columns does not matter.
/// `level` is that of Boruta's decisions.
pub(super) fn score(method: SelectionMethod, evidence: &Evidence<'_>, level: f64) -> Result<Vec<Scored>, FeatureError> {
    let test = match evidence.test {
        Some(test) => test,
        None if method.needs_test() => return Err(FeatureError::NeedsTest { method }),
        None => evidence.train,
    };
    let y = match &evidence.target {
        Some(y) => y.as_ref(),
        None if method.needs_target() => return Err(FeatureError::NeedsTarget { method }),
        None => &[],
    };
    let columns = evidence.train.columns();
    let mut scored = match method {
        SelectionMethod::Vif | SelectionMethod::PartialCorrelation => {
            jointly(method, columns, (!y.is_empty()).then_some(y))
        }
        SelectionMethod::Mrmr => return Ok(in_order_of_choice(columns, y)),
        SelectionMethod::StepwiseAic
        | SelectionMethod::StepwiseBic
        | SelectionMethod::BackwardAic
        | SelectionMethod::BackwardBic
        | SelectionMethod::BidirectionalAic
        | SelectionMethod::BidirectionalBic => return Ok(by_linear_model(method, columns, y)),
        SelectionMethod::Lasso
        | SelectionMethod::LassoCv
        | SelectionMethod::Stability
        | SelectionMethod::Knockoff
        | SelectionMethod::KnockoffFixed => by_linear_model(method, columns, y),
        SelectionMethod::Boruta | SelectionMethod::Permutation | SelectionMethod::DriftAware => {
            by_learner(method, evidence.train, (y, evidence.weights.as_deref()), test, evidence.learner, level)?
        }
        _ => {
            let target = Target::of(method, y);
            columns.par_iter().map(|c| alone(method, c, &target, test)).collect::<Result<_, _>>()?
        }
    };
    scored.sort_by(|a, b| order(method.better(), a, b));
    Ok(scored)
}

fn order(better: Better, a: &Scored, b: &Scored) -> Ordering {
    let by_value = match (a.value, b.value) {
        (Some(x), Some(y)) => match better {
            Better::Smaller => x.total_cmp(&y),
            Better::Larger => y.total_cmp(&x),
            Better::Stronger => y.abs().total_cmp(&x.abs()),
        },
        (a, b) => b.is_some().cmp(&a.is_some()),
    };
    by_value.then_with(|| a.feature.cmp(&b.feature))
}

/// The target, with what does not have to be computed again for each feature without missing values.
struct Target<'a> {
    values: &'a [f64],
    /// The values, or their ranks where the method is of ranks, with their spread; `None` when one is missing, or of a constant.
    whole: Option<(Cow<'a, [f64]>, Spread)>,
}

impl<'a> Target<'a> {
    fn of(method: SelectionMethod, y: &'a [f64]) -> Self {
        let seen = match method {
            _ if y.iter().any(|v| v.is_nan()) => None,
            SelectionMethod::Spearman => Some(Cow::Owned(mid_ranks(y))),
            SelectionMethod::Pearson | SelectionMethod::FTest => Some(Cow::Borrowed(y)),
            _ => None,
        };
        let whole = seen.and_then(|y| Spread::of(&y).map(|spread| (y, spread)));
        Self { values: y, whole }
    }

    /// Pearson's correlation with a feature, or Spearman's.
    fn correlation(&self, method: SelectionMethod, x: &[f64]) -> Option<Tested> {
        let by_ranks = method == SelectionMethod::Spearman;
        match &self.whole {
            Some((y, spread)) if x.len() == y.len() => {
                let x = if by_ranks { Cow::Owned(mid_ranks(x)) } else { Cow::Borrowed(x) };
                pearson_with(&x, y, *spread)
            }
            _ if by_ranks => spearman(x, self.values),
            _ => pearson(x, self.values),
        }
    }
}

/// The statistic of one feature by itself.
fn alone(
    method: SelectionMethod,
    column: &FeatureColumn,
    target: &Target<'_>,
    test: &FeatureMatrix,
) -> Result<Scored, FeatureError> {
    let y = target.values;
    let scored = Scored::new(column);
    let Some(x) = column.as_numeric() else {
        return Ok(match method {
            SelectionMethod::FTest | SelectionMethod::AnovaF => of_levels(scored, column, y),
            SelectionMethod::MutualInfo => information_of_levels(scored, column, y),
            _ => scored.because("categorical: the method is for numeric features"),
        });
    };
    if method == SelectionMethod::AnovaF {
        return Ok(scored.because("numeric: the method is for categorical features"));
    }
    let whole = !x.iter().any(|v| v.is_nan());
    let present = if whole { Cow::Borrowed(x) } else { x.iter().copied().filter(|v| !v.is_nan()).collect() };
    let remark = remark(&present);
    let scored = match method {
        SelectionMethod::StdStability => {
            let other = test.numeric(column.name())?;
            // Columns of a matrix are contiguous, so there always is a slice.
            scored.with(std_stability(x, other.as_slice().unwrap_or_default()), None)
        }
        SelectionMethod::Variance if present.len() > 1 && is_constant(&present) => scored.with(Some(0.0), None),
        SelectionMethod::Variance => scored.with(variance(&present, 1).filter(|v| v.is_finite()), None),
        SelectionMethod::Pearson | SelectionMethod::Spearman | SelectionMethod::FTest if whole => {
            let found = target.correlation(method, x);
            if method == SelectionMethod::FTest { of_line(scored, found, x.len()) } else { scored.tested(found) }
        }
        _ => {
            let (x, y) = complete_pairs(x, y);
            match method {
                SelectionMethod::Pearson => scored.tested(pearson(&x, &y)),
                SelectionMethod::Spearman => scored.tested(spearman(&x, &y)),
                SelectionMethod::Kendall => scored.tested(kendall(&x, &y)),
                SelectionMethod::DistanceCorrelation => scored.tested(distance_correlation(&x, &y)),
                SelectionMethod::FTest => of_line(scored, pearson(&x, &y), x.len()),
                SelectionMethod::MutualInfo => scored.with(mutual_information(&x, &y), None),
                // Scored together or above.
                _ => scored,
            }
        }
    };
    Ok(match (&scored.reason, remark) {
        (None, None | Some(IDENTIFIER)) if scored.value.is_none() => scored.because(UNDEFINED),
        (None, Some(remark)) => scored.because(remark),
        _ => scored,
    })
}

const IDENTIFIER: &str = "every value is another whole number: an identifier?";
const UNDEFINED: &str =
    "not defined: too few rows, a value is infinite, or its squares are beyond the range of doubles (1e-154 to 1e154)";

/// What should be known of a column whatever its score.
fn remark(present: &[f64]) -> Option<&'static str> {
    if present.is_empty() {
        return Some("no value in the training part");
    }
    if is_constant(present) {
        return Some("constant in the training part");
    }
    if present.len() >= 20 && are_different_whole_numbers(present) {
        return Some(IDENTIFIER);
    }
    None
}

fn are_different_whole_numbers(values: &[f64]) -> bool {
    let different = |values: &[f64]| {
        let mut sorted = values.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        sorted.windows(2).all(|w| w[0] != w[1])
    };
    // Most columns end at one of the first rows: with a fraction, or with an age that was there before.
    let first = &values[..values.len().min(1 << 10)];
    let whole = |values: &[f64]| values.iter().all(|v| v.fract() == 0.0);
    whole(first) && different(first) && whole(values) && different(values)
}

/// F of one linear term: `F = r^2 (n - 2) / (1 - r^2)` with 1 and n - 2 degrees of freedom; its p-value is Pearson's.
fn of_line(scored: Scored, correlation: Option<Tested>, rows: usize) -> Scored {
    let Some(Tested { value: r, p_value }) = correlation else { return scored };
    let f = r * r * (rows as f64 - 2.0) / ((1.0 - r) * (1.0 + r));
    let scored = scored.with(Some(f), Some(p_value));
    if f.is_infinite() { scored.because("infinite: the target is a linear function of the feature") } else { scored }
}

/// F of the levels of a category.
fn of_levels(scored: Scored, column: &FeatureColumn, y: &[f64]) -> Scored {
    let Some((codes, levels)) = column.as_categorical() else { return scored };
    let rows = codes.iter().filter(|&&c| c != MISSING).count();
    match anova(codes, levels.len(), y) {
        Some(a) if a.f.is_infinite() => {
            scored.with(Some(a.f), Some(a.p_value)).because("infinite: the target is a function of the level")
        }
        Some(a) => scored.with(Some(a.f), Some(a.p_value)),
        None if rows == 0 => scored.because("no value in the training part"),
        None => scored.because("not defined: one level only, a level for every row, or a constant target"),
    }
}

/// Mutual information of a category, over the rows that have it and the target.
fn information_of_levels(scored: Scored, column: &FeatureColumn, y: &[f64]) -> Scored {
    let Some((codes, _)) = column.as_categorical() else { return scored };
    let present = codes.iter().zip(y).filter(|&(&code, y)| code != MISSING && y.is_finite());
    let (codes, y): (Vec<u32>, Vec<f64>) = present.map(|(&code, &y)| (code, y)).unzip();
    match mutual_information_of_levels(&codes, &y) {
        None if codes.is_empty() => scored.because("no value in the training part"),
        None => scored.because("not defined: a level for every row, or a constant target"),
        found => scored.with(found, None),
    }
}

/// Numeric features by a statistic of all of them together.
fn jointly(method: SelectionMethod, columns: &[FeatureColumn], y: Option<&[f64]>) -> Vec<Scored> {
    let numeric: Vec<(&FeatureColumn, &[f64])> = columns.iter().filter_map(|c| Some((c, c.as_numeric()?))).collect();
    let values: Vec<&[f64]> = numeric.iter().map(|(_, values)| *values).collect();
    let found = joint(&values, if method == SelectionMethod::Vif { None } else { y });
    let categorical = columns
        .iter()
        .filter(|c| c.as_numeric().is_none())
        .map(|c| Scored::new(c).because("categorical: the method is for numeric features"));
    let numeric = numeric.iter().enumerate().map(|(at, (column, _))| {
        let scored = Scored::new(column);
        let dependent = found.vif[at].is_some_and(f64::is_infinite);
        let scored = match method {
            SelectionMethod::Vif => scored.with(found.vif[at], None),
            _ => scored.tested(found.partial.get(at).copied().flatten()),
        };
        if dependent {
            scored.because("the other features determine it")
        } else if found.vif[at].is_none() {
            scored.because("constant over the complete rows, or too few of them")
        } else if scored.value.is_none() {
            scored.because("not defined: the features determine the target, or there are too few complete rows")
        } else {
            scored
        }
    });
    numeric.chain(categorical).collect()
}

fn in_order_of_choice(columns: &[FeatureColumn], y: &[f64]) -> Vec<Scored> {
    let numeric: Vec<(&FeatureColumn, &[f64])> = columns.iter().filter_map(|c| Some((c, c.as_numeric()?))).collect();
    let values: Vec<&[f64]> = numeric.iter().map(|(_, values)| *values).collect();
    let chosen = mrmr(&values, y, MrmrScheme::Difference);
    let mut scored: Vec<Scored> =
        chosen.iter().map(|&(at, value)| Scored::new(numeric[at].0).with(Some(value), None)).collect();
    let mut rest: Vec<Scored> = columns
        .iter()
        .filter(|c| chosen.iter().all(|&(at, _)| numeric[at].0.name() != c.name()))
        .map(|c| match c.as_numeric() {
            Some(_) => Scored::new(c).because("constant over the complete rows, or too few of them"),
            None => Scored::new(c).because("categorical: the method is for numeric features"),
        })
        .collect();
    rest.sort_by(|a, b| a.feature.cmp(&b.feature));
    scored.append(&mut rest);
    scored
}

/// Numeric features by a small linear model; in order of choice when stepwise.
fn by_linear_model(method: SelectionMethod, columns: &[FeatureColumn], y: &[f64]) -> Vec<Scored> {
    let mut numeric: Vec<(&FeatureColumn, &[f64])> =
        columns.iter().filter_map(|c| Some((c, c.as_numeric()?))).collect();
    // By name, so that the order of columns does not decide ties.
    numeric.sort_by(|a, b| a.0.name().cmp(b.0.name()));
    let values: Vec<&[f64]> = numeric.iter().map(|(_, values)| *values).collect();
    let data = Complete::of(&values, y);
    let spread = |found: Option<Vec<f64>>| -> Vec<(usize, Option<f64>)> {
        data.kept.iter().enumerate().map(|(at, &j)| (j, found.as_ref().map(|f| f[at]))).collect()
    };
    let found = match method {
        SelectionMethod::StepwiseAic => stepwise(&data, false, Direction::Forward),
        SelectionMethod::StepwiseBic => stepwise(&data, true, Direction::Forward),
        SelectionMethod::BackwardAic => stepwise(&data, false, Direction::Backward),
        SelectionMethod::BackwardBic => stepwise(&data, true, Direction::Backward),
        SelectionMethod::BidirectionalAic => stepwise(&data, false, Direction::Both),
        SelectionMethod::BidirectionalBic => stepwise(&data, true, Direction::Both),
        SelectionMethod::Knockoff => spread(knockoff(&data, Knockoffs::ModelX)),
        SelectionMethod::KnockoffFixed => spread(knockoff(&data, Knockoffs::FixedX)),
        SelectionMethod::Lasso => spread(linear::lasso(&data)),
        SelectionMethod::LassoCv => spread(linear::lasso_cv(&data)),
        _ => spread(linear::stability(&data)),
    };
    let of = |&(j, value): &(usize, Option<f64>)| {
        let scored = Scored::new(numeric[j].0).with(value, None);
        match value {
            Some(_) => scored,
            None => scored.because("not defined: other features determine it or the target, or too few complete rows"),
        }
    };
    let mut scored: Vec<Scored> = found.iter().map(of).collect();
    for (j, (column, _)) in numeric.iter().enumerate() {
        if found.iter().all(|f| f.0 != j) {
            scored.push(Scored::new(column).because("a constant over the complete rows, or too few of them"));
        }
    }
    let categorical = columns.iter().filter(|c| c.as_numeric().is_none());
    scored.extend(categorical.map(|c| Scored::new(c).because("categorical: the method is for numeric features")));
    // Those without a score last, by name; the sort is stable, so the order of choice stays.
    let place = |s: &Scored| s.value.is_none().then(|| s.feature.clone());
    scored.sort_by_key(place);
    scored
}
