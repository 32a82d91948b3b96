//! Scores by models that are fitted again and again.

use std::borrow::Cow;

use med_schema::FeatureMatrix;

use super::boruta::{Decision, boruta};
use super::drift_aware::{Standing, drift_aware};
use super::learner::Learner;
use super::permutation::permutation;
use super::score::Scored;
use super::{LinearLearner, SelectionMethod};
use crate::FeatureError;

const TOO_LITTLE: &str = "not defined: too few rows, or a constant target";

/// Every feature by a method that needs a model; `alpha` is the level of Boruta's decisions.
pub(super) fn by_learner(
    method: SelectionMethod,
    train: &FeatureMatrix,
    (y, weights): (&[f64], Option<&[f64]>),
    test: &FeatureMatrix,
    learner: Option<&dyn Learner>,
    alpha: f64,
) -> Result<Vec<Scored>, FeatureError> {
    let learner = learner.unwrap_or(&LinearLearner);
    // By name, so that the order of columns decides nothing.
    let mut names: Vec<&str> = train.names().collect();
    names.sort_unstable();
    let x = train.select(names)?;
    // A row of weight 0 is as good as none.
    let some: Vec<usize> = (0..y.len()).filter(|&row| weights.is_none_or(|w| w[row] > 0.0)).collect();
    let of = |values: &[f64]| some.iter().map(|&row| values[row]).collect::<Vec<f64>>();
    let (x, y, weights) = match weights {
        Some(w) if some.len() < y.len() => (x.take(&some)?, Cow::Owned(of(y)), Some(Cow::Owned(of(w)))),
        _ => (x, Cow::Borrowed(y), weights.map(Cow::Borrowed)),
    };
    let (y, weights) = (y.as_ref(), weights.as_deref());
    let scored =
        |values: Vec<Scored>| x.columns().iter().zip(values).map(|(c, s)| Scored { feature: c.name().to_owned(), ..s });
    let of_worth = |t: Option<crate::statistic::Tested>| match t {
        Some(_) => Scored::default().tested(t),
        None => Scored::default().because(TOO_LITTLE),
    };
    let values = match method {
        SelectionMethod::Boruta => match boruta(&x, y, weights, learner, alpha)? {
            Some(trials) => trials
                .into_iter()
                .map(|t| {
                    let share = f64::from(t.hits) / f64::from(t.rounds.max(1));
                    let verdict = match t.decision {
                        Decision::Confirmed => "confirmed",
                        Decision::Rejected => "rejected",
                        Decision::Undecided => "undecided",
                    };
                    let reason = format!("{verdict} after {} rounds", t.rounds);
                    let scored = Scored::default().with(Some(share), Some(t.p_value)).because(reason);
                    Scored { p_adjusted: Some(t.p_adjusted), ..scored }
                })
                .collect(),
            None => vec![Scored::default().because(TOO_LITTLE); x.n_columns()],
        },
        SelectionMethod::DriftAware => drift_aware(&x, y, weights, test, learner)?
            .into_iter()
            .map(|standing| match standing {
                Standing::Shifts(t) => Scored::default()
                    .with(Some(-t.value), None)
                    .because(format!("shifts between the parts: distance {:.3}", t.value)),
                // Below 0 is for those that shift; permuting that helps is chance.
                Standing::Stays(t) => of_worth(t.map(|t| crate::statistic::Tested { value: t.value.max(0.0), ..t })),
            })
            .collect(),
        _ => permutation(&x, y, weights, learner)?.into_iter().map(of_worth).collect(),
    };
    Ok(scored(values).collect())
}
