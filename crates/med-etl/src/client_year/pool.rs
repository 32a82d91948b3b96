//! Large claims: costs above a threshold are cut, and what was cut is spread so that the sum stays the same to the cent.

use super::ledger::{Ledger, Rule};
use super::rules::Pooling;

/// Cuts and spreads the targets of one cut-off. Returns how many were cut.
pub(super) fn truncate(
    targets: &mut [i64],
    exposure: &[f64],
    threshold: i64,
    pooling: Pooling,
    ledger: &mut Ledger,
) -> u64 {
    let (mut pool, mut cut) = (0_i128, 0);
    for target in targets.iter_mut().filter(|t| **t > threshold) {
        let excess = *target - threshold;
        ledger.change(Rule::LargeClaim, -excess);
        pool += i128::from(excess);
        *target = threshold;
        cut += 1;
    }
    if pool > 0 && pooling != Pooling::None {
        let by_cost: Vec<f64> = targets.iter().map(|&t| t.max(0) as f64).collect();
        let weights = if pooling == Pooling::Cost && by_cost.iter().any(|&w| w > 0.0) { &by_cost } else { exposure };
        for (target, share) in targets.iter_mut().zip(spread(pool, weights)) {
            if share != 0 {
                ledger.change(Rule::Pooling, share);
                *target += share;
            }
        }
    }
    cut
}

/// Shares of a sum in proportion to weights, in whole cents that add up to it: each rounded share is the difference of two rounded
/// running totals, so that no share is off by more than a cent.
fn spread(sum: i128, weights: &[f64]) -> Vec<i64> {
    let total: f64 = weights.iter().sum();
    let (mut running, mut given) = (0.0, 0_i128);
    let last = weights.iter().rposition(|&w| w > 0.0);
    weights
        .iter()
        .enumerate()
        .map(|(i, &weight)| {
            running += weight;
            let upto = if Some(i) >= last { sum } else { ((sum as f64) * (running / total)).round() as i128 };
            let share = upto - given;
            given = upto;
            share as i64
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_cut_comes_back_by_exposure_or_cost() {
        let run = |pooling| {
            let mut targets = [1_000, 100, 0, 500];
            let mut ledger = Ledger::default();
            let cut = truncate(&mut targets, &[1.0, 1.0, 0.5, 1.5], 400, pooling, &mut ledger);
            (cut, targets)
        };
        assert_eq!(run(Pooling::None), (2, [400, 100, 0, 400]));
        assert_eq!(run(Pooling::Exposure), (2, [575, 275, 88, 662]));
        assert_eq!(run(Pooling::Cost), (2, [711, 178, 0, 711]));
    }

    proptest! {
        #[test]
        fn sums_stay_the_same(
            rows in prop::collection::vec((0..5_000_000_i64, 0.001..1.0_f64), 1..60),
            threshold in 1..3_000_000_i64,
            by_cost: bool,
        ) {
            let (mut targets, exposure): (Vec<i64>, Vec<f64>) = rows.into_iter().unzip();
            let before: i64 = targets.iter().sum();
            let pooling = if by_cost { Pooling::Cost } else { Pooling::Exposure };
            let mut ledger = Ledger::default();
            truncate(&mut targets, &exposure, threshold, pooling, &mut ledger);
            prop_assert_eq!(targets.iter().sum::<i64>(), before);
            prop_assert!(targets.iter().all(|&t| t >= 0));
            let net: i128 = ledger.entries.iter().map(|e| e.changed_cents).sum();
            prop_assert_eq!(net, 0);
        }
    }
}
