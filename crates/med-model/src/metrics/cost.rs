//! Metrics of cost models as risk adjustment uses them: ratios of sums, by group too, intervals, and the costly few.
//!
//! Sums and means are weighted. What is not defined is `None`. Formulas: van Veen and others 2015 (Eur J Health Econ), Layton,
//! Ellis, McGuire and van Kleef 2017 (J Health Econ 56:237); Gneiting and Raftery 2007 for the pinball loss.

use serde::{Deserialize, Serialize};

use super::lorenz::gini;
use crate::PredictError;

/// Predictions beside what came true, with the weights that go with them.
#[derive(Debug, Clone, Copy)]
pub struct CostPredictions<'a> {
    y: &'a [f64],
    predicted: &'a [f64],
    weights: Option<&'a [f64]>,
}

/// A group of rows: how much it costs and is predicted to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GroupRatio {
    /// Rows.
    pub n: usize,
    /// Sum of their weights.
    pub weight: f64,
    /// Mean cost.
    pub mean_actual: f64,
    /// Mean prediction.
    pub mean_predicted: f64,
    /// `sum p / sum y`: above 1 where the group is overpaid. `None` where the group has no cost.
    pub predictive_ratio: Option<f64>,
}

impl GroupRatio {
    /// Overcompensation a head, `mean (p - y)`.
    pub fn compensation(&self) -> f64 {
        self.mean_predicted - self.mean_actual
    }
}

/// How often intervals hold the cost, and how wide they are.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct IntervalScore {
    /// Share of rows with `lower <= y <= upper`.
    pub coverage: f64,
    /// Mean of `upper - lower`.
    pub mean_width: f64,
}

fn some(value: f64) -> Option<f64> {
    Some(value).filter(|v| v.is_finite())
}

impl<'a> CostPredictions<'a> {
    /// Of slices of equal length; weights, where given, are finite and not negative.
    ///
    /// ```
    /// use med_model::CostPredictions;
    /// let found = CostPredictions::new(&[100.0, 0.0, 700.0], &[200.0, 100.0, 500.0], None)?;
    /// assert_eq!(found.predictive_ratio(), Some(1.0));
    /// let smokers = [false, false, true];
    /// assert_eq!(found.net_compensation(&smokers), Some(-300.0));
    /// # Ok::<(), med_model::PredictError>(())
    /// ```
    ///
    /// # Errors
    /// When lengths differ.
    pub fn new(y: &'a [f64], predicted: &'a [f64], weights: Option<&'a [f64]>) -> Result<Self, PredictError> {
        for found in [Some(predicted.len()), weights.map(<[f64]>::len)].into_iter().flatten() {
            same(y.len(), found)?;
        }
        Ok(Self { y, predicted, weights })
    }

    fn weight(&self, i: usize) -> f64 {
        self.weights.map_or(1.0, |w| w[i])
    }

    fn mean(&self, of: impl Fn(usize) -> f64) -> f64 {
        let (sum, total) =
            (0..self.y.len()).fold((0.0, 0.0), |(s, t), i| (s + self.weight(i) * of(i), t + self.weight(i)));
        sum / total
    }

    /// `sum p / sum y`; 1 is calibrated, above 1 predicts too much. `None` when the costs sum to 0.
    pub fn predictive_ratio(&self) -> Option<f64> {
        some(self.mean(|i| self.predicted[i]) / self.mean(|i| self.y[i]))
    }

    /// Slope of the least-squares line of costs on predictions: below 1 predictions are too spread. `None` when all
    /// predictions are equal.
    pub fn calibration_slope(&self) -> Option<f64> {
        let (y, p) = (self.mean(|i| self.y[i]), self.mean(|i| self.predicted[i]));
        let product = self.mean(|i| (self.y[i] - y) * (self.predicted[i] - p));
        some(product / self.mean(|i| (self.predicted[i] - p) * (self.predicted[i] - p)))
    }

    /// Gini index along the predictions over that along the costs themselves: 1 is the best order there is.
    pub fn gini_normalised(&self) -> Option<f64> {
        some(gini(self.y, self.predicted, self.weights)? / gini(self.y, self.y, self.weights)?)
    }

    /// Mean pinball loss of predictions of the quantile `level`, from 0 to 1.
    pub fn pinball(&self, level: f64) -> Option<f64> {
        let loss = |i: usize| {
            let over = self.y[i] - self.predicted[i];
            if over >= 0.0 { level * over } else { (level - 1.0) * over }
        };
        if (0.0..=1.0).contains(&level) { some(self.mean(loss)) } else { None }
    }

    /// Mean unit deviance of the Tweedie family: power 0 squared error, 1 Poisson, 2 gamma, 3 inverse Gaussian. `None` unless
    /// predictions are above 0 and costs are where the power allows them (powers from 2: above 0; from 1: not negative),
    /// and for powers between 0 and 1, which have no distribution.
    pub fn tweedie_deviance(&self, power: f64) -> Option<f64> {
        if !(power <= 0.0 || power >= 1.0) {
            return None;
        }
        let counts = |i: &usize| self.weight(*i) > 0.0;
        let rows = || (0..self.y.len()).filter(counts);
        if power != 0.0 && rows().any(|i| self.predicted[i].is_nan() || self.predicted[i] <= 0.0) {
            return None;
        }
        if power >= 1.0 && rows().any(|i| self.y[i] < 0.0 || (power >= 2.0 && self.y[i] == 0.0)) {
            return None;
        }
        let unit = |i: usize| {
            let (y, p) = (self.y[i], self.predicted[i]);
            if power == 0.0 {
                (y - p) * (y - p)
            } else if power == 1.0 {
                2.0 * (if y > 0.0 { y * (y / p).ln() } else { 0.0 } - y + p)
            } else if power == 2.0 {
                2.0 * ((p / y).ln() + y / p - 1.0)
            } else {
                let (a, b) = (1.0 - power, 2.0 - power);
                2.0 * (y.max(0.0).powf(b) / (a * b) - y * p.powf(a) / a + p.powf(b) / b)
            }
        };
        // A row without weight may be where the deviance has no value.
        some(self.mean(|i| if self.weight(i) > 0.0 { unit(i) } else { 0.0 }))
    }

    /// Groups of equal numbers of rows by prediction, lowest first, as numpy's `array_split` of the stable order; 10 are
    /// deciles. Fewer where there are fewer rows.
    pub fn by_prediction(&self, groups: usize) -> Vec<GroupRatio> {
        let mut order: Vec<usize> = (0..self.y.len()).collect();
        order.sort_by(|&a, &b| self.predicted[a].total_cmp(&self.predicted[b]));
        self.split(&order, groups)
    }

    /// The same by cost: what the model gives those who turn out cheap, and costly.
    pub fn by_cost(&self, groups: usize) -> Vec<GroupRatio> {
        let mut order: Vec<usize> = (0..self.y.len()).collect();
        order.sort_by(|&a, &b| self.y[a].total_cmp(&self.y[b]));
        self.split(&order, groups)
    }

    fn split(&self, order: &[usize], groups: usize) -> Vec<GroupRatio> {
        let (n, groups) = (order.len(), groups.min(order.len()));
        let start = |g: usize| g * (n / groups) + g.min(n % groups);
        (0..groups).map(|g| self.ratio(order[start(g)..start(g + 1)].iter().copied())).collect()
    }

    /// One ratio a group, in ascending order of groups.
    ///
    /// # Errors
    /// When there is not one group a row.
    pub fn by_group<K: Ord + Clone>(&self, groups: &[K]) -> Result<Vec<(K, GroupRatio)>, PredictError> {
        same(self.y.len(), groups.len())?;
        let mut order: Vec<usize> = (0..groups.len()).collect();
        order.sort_by(|&a, &b| groups[a].cmp(&groups[b]));
        let runs = order.chunk_by(|&a, &b| groups[a] == groups[b]);
        Ok(runs.map(|run| (groups[run[0]].clone(), self.ratio(run.iter().copied()))).collect())
    }

    fn ratio(&self, rows: impl Iterator<Item = usize>) -> GroupRatio {
        let (mut n, mut weight, mut actual, mut predicted) = (0, 0.0, 0.0, 0.0);
        for i in rows {
            n += 1;
            weight += self.weight(i);
            actual += self.weight(i) * self.y[i];
            predicted += self.weight(i) * self.predicted[i];
        }
        let of = |sum: f64| if weight > 0.0 { sum / weight } else { 0.0 };
        let predictive_ratio = some(predicted / actual);
        GroupRatio { n, weight, mean_actual: of(actual), mean_predicted: of(predicted), predictive_ratio }
    }

    /// Overcompensation a head of the group less that of the rest, `mean_G (p - y) - mean_rest (p - y)` (Zink and Rose 2020,
    /// Biometrics 76:973). `None` when either is empty, or `group` is of another length.
    pub fn net_compensation(&self, group: &[bool]) -> Option<f64> {
        if group.len() != self.y.len() {
            return None;
        }
        let part = |inside: bool| self.ratio((0..group.len()).filter(|&i| group[i] == inside));
        let (own, rest) = (part(true), part(false));
        if own.weight > 0.0 && rest.weight > 0.0 { some(own.compensation() - rest.compensation()) } else { None }
    }

    /// Share of all cost borne by the `share` of rows with the largest predictions, and by those with the largest costs:
    /// (captured, most there is). `floor(share n)` rows, at least one; without weights. `None` when the costs sum to 0.
    pub fn top_share(&self, share: f64) -> Option<(f64, f64)> {
        if !(share > 0.0 && share <= 1.0) {
            return None;
        }
        let n = self.y.len();
        let rows = ((share * n as f64).floor() as usize).clamp(1, n.max(1));
        let total: f64 = self.y.iter().sum();
        let of = |by: &[f64]| {
            let mut order: Vec<usize> = (0..n).collect();
            order.sort_by(|&a, &b| by[b].total_cmp(&by[a]));
            order.iter().take(rows).map(|&i| self.y[i]).sum::<f64>() / total
        };
        Some((some(of(self.predicted))?, some(of(self.y))?))
    }
}

/// Coverage and width of intervals. `None` without rows.
///
/// # Errors
/// When lengths differ.
pub fn interval_score(y: &[f64], lower: &[f64], upper: &[f64]) -> Result<Option<IntervalScore>, PredictError> {
    same(y.len(), lower.len())?;
    same(y.len(), upper.len())?;
    let n = y.len() as f64;
    let held = y.iter().zip(lower.iter().zip(upper)).filter(|(y, (l, u))| l <= y && y <= u).count();
    let width: f64 = lower.iter().zip(upper).map(|(l, u)| u - l).sum();
    Ok((!y.is_empty()).then(|| IntervalScore { coverage: held as f64 / n, mean_width: width / n }))
}

fn same(expected: usize, found: usize) -> Result<(), PredictError> {
    if expected == found { Ok(()) } else { Err(PredictError::Length { expected, found }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_defined_is_none() {
        let none = CostPredictions::new(&[], &[], None).unwrap();
        assert_eq!((none.predictive_ratio(), none.calibration_slope(), none.top_share(0.1)), (None, None, None));
        assert!(none.by_prediction(10).is_empty());
        let zeros = CostPredictions::new(&[0.0, 0.0], &[1.0, 1.0], None).unwrap();
        assert_eq!(
            (zeros.predictive_ratio(), zeros.tweedie_deviance(2.0), zeros.tweedie_deviance(0.5)),
            (None, None, None)
        );
        assert_eq!(zeros.tweedie_deviance(1.0), Some(2.0));
        assert_eq!(zeros.net_compensation(&[true, true]), None);
        assert!(CostPredictions::new(&[1.0], &[], None).is_err());
    }

    #[test]
    fn weights_are_repetitions() {
        let twice = CostPredictions::new(&[1.0, 1.0, 4.0, 9.0], &[2.0, 2.0, 3.0, 7.0], None).unwrap();
        let weighted = CostPredictions::new(&[1.0, 4.0, 9.0], &[2.0, 3.0, 7.0], Some(&[2.0, 1.0, 1.0])).unwrap();
        let all = |m: &CostPredictions<'_>| {
            [
                m.predictive_ratio(),
                m.calibration_slope(),
                m.gini_normalised(),
                m.pinball(0.3),
                m.tweedie_deviance(1.5),
                m.tweedie_deviance(2.0),
            ]
        };
        for (a, b) in all(&twice).into_iter().zip(all(&weighted)) {
            assert!((a.unwrap() - b.unwrap()).abs() < 1e-12);
        }
    }

    #[test]
    fn intervals_hold_their_ends() {
        let score = interval_score(&[1.0, 2.0, 5.0, 9.0], &[1.0, 0.0, 6.0, 0.0], &[2.0, 2.0, 8.0, 4.0]).unwrap();
        assert_eq!(score, Some(IntervalScore { coverage: 0.5, mean_width: 9.0 / 4.0 }));
    }
}
