//! Which objective suits a target: the automatic choice, what is refused, what is warned of.

use std::fmt;

use super::super::params::{GbdtParams, Objective};
use super::Domain;
use crate::FitError;
use crate::parameters::Parameters;

/// Share of zeros from which on a target is a mixture of two.
const MANY_ZEROS: f64 = 0.2;
/// Share of rows below zero up to which a target is a cost with corrections in it, and zeros and a tail mean what they mean for one.
const FEW_NEGATIVE: f64 = 0.1;
/// Share of the sum of squared deviations that the top hundredth of the rows may hold.
const HEAVY_TAIL: f64 = 0.5;

/// Something that can be fitted but does not suit the data. Displayed as a sentence.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Warning {
    /// The automatic choice fell on squared error, since some rows are below zero; without them it would have been Tweedie.
    Negative {
        /// How many of the rows that count are below zero.
        rows: usize,
        /// How many count.
        of: usize,
    },
    /// Squared error on a cost with a heavy tail: the fit follows a few rows.
    HeavyTail {
        /// Share of the squared deviations from the mean that the largest hundredth of the rows holds.
        share_of_squares: f64,
        /// What to take in its place, of what takes this target.
        instead: &'static str,
    },
    /// An objective that knows no zeros, or an identity link, on a target with many of them.
    ManyZeros {
        /// The objective.
        objective: &'static str,
        /// Share of zeros, by weight.
        share: f64,
        /// What to take in its place, of what takes this target.
        instead: &'static str,
    },
    /// A median, or a low quantile, of a target that is zero more often: the prediction is zero everywhere.
    QuantileIsZero {
        /// The quantile asked for.
        alpha: f64,
        /// Share of zeros, by weight.
        share: f64,
    },
    /// An objective that predicts no mean: sums of predictions are not sums of costs.
    NotAMean {
        /// The objective.
        objective: &'static str,
    },
    /// Huber's bend so near to zero, for this target, that nearly all rows count by their sign.
    NarrowBend {
        /// The bend.
        alpha: f64,
        /// Share of the rows farther than the bend from the median.
        share: f64,
    },
    /// A target where all rows that count are zero.
    AllZero,
    /// A categorical column with more levels than are told apart: the others are one level to the model.
    LevelsTogether {
        /// The column.
        column: String,
        /// Levels that rows have.
        levels: usize,
        /// Levels that are told apart, the most frequent.
        own: usize,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |share: f64| (100.0 * share).round();
        match self {
            Self::Negative { rows, of } => write!(
                f,
                "{rows} of {of} targets are below zero, so auto has taken the objective regression in place of tweedie; if they are \
                 corrections, net them against the costs they correct, set them to zero or drop them"
            ),
            Self::HeavyTail { share_of_squares, instead } => write!(
                f,
                "the largest hundredth of the rows holds {} % of the squared deviations: squared error will follow these few \
                 rows; take {instead}",
                percent(*share_of_squares)
            ),
            Self::ManyZeros { objective, share, instead } => write!(
                f,
                "{} % of the target is zero, which {objective} does not describe; take {instead}",
                percent(*share)
            ),
            Self::QuantileIsZero { alpha, share } => write!(
                f,
                "{} % of the target is zero, so its quantile {alpha} is zero for most rows; take a higher one",
                percent(*share)
            ),
            Self::NotAMean { objective } => write!(
                f,
                "{objective} does not predict the mean, so predictions of a skewed target will not add up to its sum"
            ),
            Self::NarrowBend { alpha, share } => write!(
                f,
                "{} % of the target lies farther than alpha = {alpha} from its median: huber is nearly absolute error, with \
                 steps of at most alpha; take an alpha in the units of the target",
                percent(*share)
            ),
            Self::AllZero => write!(f, "the target is zero in all rows that count: the model will predict zero"),
            Self::LevelsTogether { column, levels, own } => write!(
                f,
                "column {column:?} has {levels} levels, of which the {own} most frequent are told apart and the others are one; \
                 group levels, or encode them as numbers"
            ),
        }
    }
}

/// Rows that count.
fn counted<'a>(y: &'a [f64], weights: Option<&'a [f64]>) -> impl Iterator<Item = (usize, f64, f64)> + 'a {
    let rows = y.iter().enumerate().map(move |(i, &y)| (i, y, weights.map_or(1.0, |w| w[i])));
    rows.filter(|&(_, _, w)| w > 0.0)
}

/// What takes a heavy tail better than squared error does, of a target with or without values below zero, and zeros.
fn for_a_tail(has_negative: bool, has_zeros: bool) -> &'static str {
    match (has_negative, has_zeros) {
        (true, _) => {
            "huber with an alpha in the units of the target, or tweedie once the targets below zero are netted or set to zero"
        }
        (false, true) => "tweedie or poisson",
        (false, false) => "tweedie, poisson or gamma",
    }
}

/// The objective asked for, `auto` decided.
pub(in crate::gbm) fn choose(objective: Objective, y: &[f64], weights: Option<&[f64]>) -> Objective {
    match objective {
        Objective::Auto if counted(y, weights).all(|(_, y, _)| y >= 0.0) => Objective::Tweedie,
        Objective::Auto => Objective::Regression,
        decided => decided,
    }
}

/// Refuses a target outside the domain of the objective.
pub(in crate::gbm) fn check_target(
    objective: Objective,
    domain: Domain,
    y: &[f64],
    weights: Option<&[f64]>,
) -> Result<(), FitError> {
    let (expected, instead, wrong): (_, _, fn(f64) -> bool) = match domain {
        Domain::Any => return Ok(()),
        Domain::NotNegative => ("a value >= 0", "regression", |y| y < 0.0),
        Domain::Positive => ("a value above 0", "tweedie", |y| y <= 0.0),
        Domain::Binary => ("0 or 1", "regression", |y| y != 0.0 && y != 1.0),
    };
    match counted(y, weights).find(|&(_, y, _)| wrong(y)) {
        Some((row, _, _)) => {
            let objective = objective.name();
            Err(FitError::Target { model: GbdtParams::MODEL, objective, row, expected, instead })
        }
        None => Ok(()),
    }
}

/// What does not suit this target. O(n).
pub(in crate::gbm) fn warnings(params: &GbdtParams, y: &[f64], weights: Option<&[f64]>) -> Vec<Warning> {
    let objective = choose(params.objective, y, weights);
    let name = objective.name();
    let (mut n, mut total, mut zeros, mut sum) = (0_usize, 0.0, 0.0, 0.0);
    let (mut negative, mut below) = (0_usize, 0.0);
    for (_, y, w) in counted(y, weights) {
        n += 1;
        total += w;
        sum += w * y;
        zeros += if y == 0.0 { w } else { 0.0 };
        if y < 0.0 {
            negative += 1;
            below += w;
        }
    }
    let (share, below) = (zeros / total, below / total);
    if share >= 1.0 {
        return vec![Warning::AllZero];
    }
    let mut found = Vec::new();
    if params.objective == Objective::Auto && negative > 0 {
        found.push(Warning::Negative { rows: negative, of: n });
    }
    match objective {
        Objective::Regression if below <= FEW_NEGATIVE => {
            let mean = sum / total;
            let mut deviations: Vec<f64> = counted(y, weights).map(|(_, y, w)| w * (y - mean) * (y - mean)).collect();
            let top = (n / 100).max(1);
            let all: f64 = deviations.iter().sum();
            // Of few rows, a hundredth is one row, which may hold much by chance.
            if n >= 100 && all > 0.0 {
                let (above, _, _) = deviations.select_nth_unstable_by(top - 1, |a, b| b.total_cmp(a));
                let largest: f64 = above.iter().sum();
                if largest / all > HEAVY_TAIL {
                    let instead = for_a_tail(negative > 0, zeros > 0.0);
                    found.push(Warning::HeavyTail { share_of_squares: largest / all, instead });
                }
            }
            if share >= MANY_ZEROS {
                let instead = match negative {
                    0 => "tweedie or a two-part model",
                    _ => "tweedie or a two-part model once the targets below zero are netted or set to zero",
                };
                found.push(Warning::ManyZeros { objective: name, share, instead });
            }
        }
        Objective::RegressionL1 | Objective::Quantile => {
            let alpha = if objective == Objective::Quantile { params.alpha } else { 0.5 };
            if below < alpha && below + share >= alpha {
                found.push(Warning::QuantileIsZero { alpha, share });
            }
            if objective == Objective::RegressionL1 {
                found.push(Warning::NotAMean { objective: name });
            }
        }
        Objective::Huber => {
            let mut values: Vec<f64> = counted(y, weights).map(|(_, y, _)| y).collect();
            let median = super::quantile_of(&mut values, 0.5);
            let far = values.iter().filter(|v| (*v - median).abs() > params.alpha).count() as f64 / n as f64;
            if far > 0.9 {
                found.push(Warning::NarrowBend { alpha: params.alpha, share: far });
            }
            found.push(Warning::NotAMean { objective: name });
        }
        _ => {}
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warned(objective: Objective, y: &[f64]) -> Vec<Warning> {
        warnings(&GbdtParams { objective, ..Default::default() }, y, None)
    }

    #[test]
    fn the_sign_of_the_target_decides_and_rows_of_no_weight_have_no_say() {
        assert_eq!(choose(Objective::Auto, &[0.0, 3.0], None), Objective::Tweedie);
        assert_eq!(choose(Objective::Auto, &[-1.0, 3.0], None), Objective::Regression);
        assert_eq!(choose(Objective::Auto, &[-1.0, 3.0], Some(&[0.0, 1.0])), Objective::Tweedie);
        assert_eq!(choose(Objective::Gamma, &[-1.0], None), Objective::Gamma);
    }

    #[test]
    fn what_cannot_be_fitted_is_refused_with_its_row() {
        let check = |objective, domain, y: &[f64], w| check_target(objective, domain, y, w).map_err(|e| e.to_string());
        let negative = check(Objective::Poisson, Domain::NotNegative, &[1.0, 0.0, -2.0], None).unwrap_err();
        assert_eq!(
            negative,
            "gbdt with objective poisson: row 2: expected a value >= 0 as target; drop the row or take the objective regression"
        );
        let zero = check(Objective::Gamma, Domain::Positive, &[1.0, 0.0], None).unwrap_err();
        assert!(zero.contains("row 1: expected a value above 0"), "{zero}");
        assert!(check(Objective::Gamma, Domain::Positive, &[1.0, 0.0], Some(&[1.0, 0.0])).is_ok());
    }

    #[test]
    fn what_is_advised_takes_the_target() {
        let advice = |least: f64| {
            let mut costs: Vec<f64> = (0..300).map(|i| if i < 80 { least } else { f64::from(i) }).collect();
            costs[0] = least.min(0.5);
            costs[299] = 7e6;
            warned(Objective::Regression, &costs).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let positive = advice(1.0);
        assert!(positive[0].ends_with("take tweedie, poisson or gamma") && positive.len() == 1, "{positive:?}");
        let zeros = advice(0.0);
        assert!(zeros[0].ends_with("take tweedie or poisson"), "{zeros:?}");
        assert!(zeros[1].ends_with("take tweedie or a two-part model"), "{zeros:?}");
        let mut costs = vec![0.0; 300];
        costs[..3].copy_from_slice(&[-40.0, 7e6, 50.0]);
        let corrected = warned(Objective::Auto, &costs).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert!(corrected[1].contains("take huber with an alpha in the units of the target"), "{corrected:?}");
        assert!(corrected[2].contains("once the targets below zero are netted"), "{corrected:?}");
    }

    #[test]
    fn what_fits_badly_is_warned_of() {
        let mut costs = vec![0.0; 760];
        costs.extend((0..239).map(|i| 100.0 + f64::from(i)));
        costs.push(7e6);
        let found = warned(Objective::Regression, &costs);
        assert!(
            matches!(found[0], Warning::HeavyTail { share_of_squares, .. } if share_of_squares > 0.99),
            "{found:?}"
        );
        assert!(matches!(found[1], Warning::ManyZeros { share, .. } if share == 0.76));
        assert!(matches!(warned(Objective::RegressionL1, &costs)[0], Warning::QuantileIsZero { .. }));
        let spread: Vec<f64> = (0..50).map(|i| f64::from(i) * 1e4).collect();
        assert!(matches!(warned(Objective::Huber, &spread)[0], Warning::NarrowBend { share, .. } if share > 0.9));
        assert!(warned(Objective::Auto, &costs).is_empty());
        // One correction among costs: what it does to the choice is said, and what squared error does to costs as well.
        costs[0] = -5.0;
        let corrected = warned(Objective::Auto, &costs);
        assert!(
            matches!(
                corrected[..],
                [Warning::Negative { rows: 1, of: 1000 }, Warning::HeavyTail { .. }, Warning::ManyZeros { .. }]
            ),
            "{corrected:?}"
        );
        assert!(corrected[0].to_string().starts_with("1 of 1000 targets are below zero"));
        assert_eq!(warned(Objective::Regression, &costs).len(), 2);
        assert!(matches!(warned(Objective::Quantile, &costs)[..], []), "its default quantile is above the zeros");
        assert!(matches!(warned(Objective::RegressionL1, &costs)[0], Warning::QuantileIsZero { .. }));
        // A difference is no cost, and one that is below zero more often than not has no quantile at zero.
        let profits: Vec<f64> = (-60..40).map(f64::from).collect();
        assert!(matches!(warned(Objective::Auto, &profits)[..], [Warning::Negative { rows: 60, of: 100 }]));
        assert!(matches!(warned(Objective::RegressionL1, &profits)[..], [Warning::NotAMean { .. }]));
        assert_eq!(warned(Objective::Auto, &[0.0; 5]), [Warning::AllZero]);
        assert!(found.iter().all(|w| w.to_string().contains('%')));
    }
}
