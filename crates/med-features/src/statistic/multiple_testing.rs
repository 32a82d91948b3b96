//! Many tests at once.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::FeatureError;

/// How p-values are adjusted for the number of tests. Names are those of statsmodels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Adjustment {
    /// `fdr_bh`: [Benjamini and Hochberg](benjamini_hochberg).
    #[default]
    FdrBh,
    /// `fdr_by`: [Benjamini and Yekutieli](benjamini_yekutieli).
    FdrBy,
    /// `holm`: [Holm](holm).
    Holm,
    /// `bonferroni`: [Bonferroni](bonferroni).
    Bonferroni,
}

impl Adjustment {
    const ALL: [Self; 4] = [Self::FdrBh, Self::FdrBy, Self::Holm, Self::Bonferroni];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FdrBh => "fdr_bh",
            Self::FdrBy => "fdr_by",
            Self::Holm => "holm",
            Self::Bonferroni => "bonferroni",
        }
    }

    /// The adjusted p-values; `None` stays `None` and is not counted.
    pub fn adjust(self, p_values: &[Option<f64>]) -> Vec<Option<f64>> {
        match self {
            Self::FdrBh => benjamini_hochberg(p_values),
            Self::FdrBy => benjamini_yekutieli(p_values),
            Self::Holm => holm(p_values),
            Self::Bonferroni => bonferroni(p_values),
        }
    }
}

impl fmt::Display for Adjustment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Adjustment {
    type Err = FeatureError;

    fn from_str(name: &str) -> Result<Self, FeatureError> {
        Self::ALL.into_iter().find(|a| a.as_str() == name).ok_or_else(|| FeatureError::Parameter {
            parameter: "adjust",
            expected: "fdr_bh, fdr_by, holm or bonferroni",
            found: name.to_owned(),
        })
    }
}

/// Positions and p-values of those there are, ascending.
fn ranked(p_values: &[Option<f64>]) -> Vec<(usize, f64)> {
    let mut ranked: Vec<(usize, f64)> = p_values.iter().enumerate().filter_map(|(i, p)| Some((i, (*p)?))).collect();
    ranked.sort_by(|a, b| a.1.total_cmp(&b.1));
    ranked
}

/// Benjamini and Hochberg's adjusted p-values (1995): with the `m` p-values ascending,
///
/// ```text
/// q_(i) = min over j >= i of  m p_(j) / j,  at most 1
/// ```
///
/// Keeping what has `q <= alpha` keeps the expected share of false finds at or below `alpha` when the tests are independent or
/// positively dependent. Features without a p-value (`None`) are taken out before `m` is counted and stay `None`.
///
/// ```
/// use med_features::statistic::benjamini_hochberg;
/// let q = benjamini_hochberg(&[Some(0.01), None, Some(0.04), Some(0.03)]);
/// assert_eq!(q, [Some(0.03), None, Some(0.04), Some(0.04)]);
/// ```
pub fn benjamini_hochberg(p_values: &[Option<f64>]) -> Vec<Option<f64>> {
    step_up(p_values, 1.0)
}

/// Benjamini and Yekutieli's adjusted p-values (2001): those of [`benjamini_hochberg`] times `sum 1 / i` over `i = 1..m`, at most 1.
/// They keep the expected share of false finds whatever the dependence between tests.
pub fn benjamini_yekutieli(p_values: &[Option<f64>]) -> Vec<Option<f64>> {
    let m = p_values.iter().flatten().count();
    step_up(p_values, (1..=m).map(|i| 1.0 / i as f64).sum())
}

fn step_up(p_values: &[Option<f64>], factor: f64) -> Vec<Option<f64>> {
    let ranked = ranked(p_values);
    let m = ranked.len() as f64;
    let mut adjusted = vec![None; p_values.len()];
    let mut least = 1.0_f64;
    for (rank, &(i, p)) in ranked.iter().enumerate().rev() {
        least = least.min(factor * m * p / (rank + 1) as f64);
        adjusted[i] = Some(least);
    }
    adjusted
}

/// Holm's adjusted p-values (1979): with the `m` p-values ascending, `max over j <= i of (m - j + 1) p_(j)`, at most 1. Keeping what
/// has at most `alpha` keeps the probability of *any* false find at or below `alpha`, whatever the dependence.
///
/// ```
/// use med_features::statistic::holm;
/// assert_eq!(holm(&[Some(0.01), None, Some(0.04), Some(0.03)]), [Some(0.03), None, Some(0.06), Some(0.06)]);
/// ```
pub fn holm(p_values: &[Option<f64>]) -> Vec<Option<f64>> {
    let ranked = ranked(p_values);
    let mut adjusted = vec![None; p_values.len()];
    let mut most = 0.0_f64;
    for (rank, &(i, p)) in ranked.iter().enumerate() {
        most = most.max((ranked.len() - rank) as f64 * p).min(1.0);
        adjusted[i] = Some(most);
    }
    adjusted
}

/// Bonferroni's adjusted p-values, `m p`, at most 1: a bound as [`holm`]'s, and never smaller.
pub fn bonferroni(p_values: &[Option<f64>]) -> Vec<Option<f64>> {
    let m = p_values.iter().flatten().count() as f64;
    p_values.iter().map(|p| p.map(|p| (m * p).min(1.0))).collect()
}
