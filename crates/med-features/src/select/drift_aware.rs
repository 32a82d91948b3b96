//! Keep what predicts, drop what shifts.

use std::collections::BTreeMap;

use med_schema::{FeatureColumn, FeatureMatrix, MISSING};

use super::learner::Learner;
use super::permutation::permutation;
use crate::FeatureError;
use crate::statistic::{Tested, benjamini_hochberg, homogeneity, ks_two_sample};

/// A distance between the parts at or below this is not held against a feature.
const TOLERATED: f64 = 0.1;
/// Nor is one that chance makes: adjusted p-values above this.
const LEVEL: f64 = 0.05;

/// What is known of a feature.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Standing {
    /// It shifts by this distance.
    Shifts(Tested),
    /// It does not; what it is worth to a model of those that do not.
    Stays(Option<Tested>),
}

/// Features that shift between the parts are taken out, the others judged by [`permutation`] in a model of them alone.
///
/// The shift of a number is the distance of Kolmogorov and Smirnov over the values that are there, or the difference of the
/// shares that are missing if that is larger; of a category the total variation, missing being a level. A feature shifts when its
/// distance is above 0.1 *and* its p-value, adjusted over features by Benjamini and Hochberg, is at most 0.05: neither a million
/// rows alone nor chance in a few is a shift. The target of the test part is not looked at. Weights count in the model and its losses, not in the shift.
pub(super) fn drift_aware(
    train: &FeatureMatrix,
    y: &[f64],
    weights: Option<&[f64]>,
    test: &FeatureMatrix,
    learner: &dyn Learner,
) -> Result<Vec<Standing>, FeatureError> {
    let shifts: Vec<Option<Tested>> =
        train.columns().iter().map(|c| shift(c, test.column(c.name())?)).collect::<Result<_, _>>()?;
    let adjusted = benjamini_hochberg(&shifts.iter().map(|s| s.map(|s| s.p_value)).collect::<Vec<_>>());
    let shifted: Vec<Option<Tested>> = shifts
        .into_iter()
        .zip(adjusted)
        .map(|(shift, p)| shift.filter(|s| s.value > TOLERATED && p.is_some_and(|p| p <= LEVEL)))
        .collect();
    let stay = train.columns().iter().zip(&shifted).filter(|(_, s)| s.is_none()).map(|(c, _)| c.name());
    let mut worth = permutation(&train.select(stay)?, y, weights, learner)?.into_iter();
    Ok(shifted
        .into_iter()
        .map(|s| s.map_or_else(|| Standing::Stays(worth.next().flatten()), Standing::Shifts))
        .collect())
}

/// Distance of a column's two parts, from 0 to 1; `None` where a part has no row.
fn shift(train: &FeatureColumn, test: &FeatureColumn) -> Result<Option<Tested>, FeatureError> {
    match (train.as_numeric(), test.as_numeric()) {
        (Some(a), Some(b)) => {
            let present = |x: &[f64]| x.iter().copied().filter(|v| !v.is_nan()).collect::<Vec<f64>>();
            let (pa, pb) = (present(a), present(b));
            let missing = homogeneity(&[(pa.len(), pb.len()), (a.len() - pa.len(), b.len() - pb.len())]);
            Ok(match (ks_two_sample(&pa, &pb), missing) {
                (Some(values), Some(missing)) => Some(Tested {
                    value: values.value.max(missing.value),
                    p_value: (2.0 * values.p_value.min(missing.p_value)).min(1.0),
                }),
                (values, missing) => values.or(missing),
            })
        }
        (None, None) => {
            let mut counts: BTreeMap<Option<&str>, (usize, usize)> = BTreeMap::new();
            for (column, is_train) in [(train, true), (test, false)] {
                let (codes, levels) = column.as_categorical().unwrap_or_default();
                for &code in codes {
                    let level = (code != MISSING).then(|| levels[code as usize].as_str());
                    let both = counts.entry(level).or_default();
                    *(if is_train { &mut both.0 } else { &mut both.1 }) += 1;
                }
            }
            Ok(homogeneity(&counts.into_values().collect::<Vec<_>>()))
        }
        (Some(_), None) => Err(FeatureError::ColumnKind { column: test.name().to_owned(), expected: "numbers" }),
        (None, Some(_)) => Err(FeatureError::ColumnKind { column: test.name().to_owned(), expected: "categories" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::select::LinearLearner;

    fn wave(step: i32, shift: f64) -> Vec<f64> {
        (0..150).map(|i| f64::from(i * step % 149) + shift).collect()
    }

    #[test]
    fn what_shifts_leaves_and_its_worth_goes_to_what_stays() {
        let matrix = |shift: f64, missing: usize, level: &'static str| {
            let mut gaps = wave(31, 0.0);
            gaps[..missing].fill(f64::NAN);
            FeatureMatrix::new(vec![
                FeatureColumn::numeric("stable", wave(7, 0.0)),
                FeatureColumn::numeric("moved", wave(7, shift)),
                FeatureColumn::numeric("gaps", gaps),
                FeatureColumn::from_texts("plan", (0..150).map(|i| Some(if i % 2 == 0 { "a" } else { level }))),
            ])
            .unwrap()
        };
        let (train, test) = (matrix(0.0, 0, "b"), matrix(60.0, 50, "new"));
        let y: Vec<f64> = wave(7, 0.0).iter().zip(wave(67, 0.0)).map(|(a, e)| a + e).collect();
        let found = drift_aware(&train, &y, None, &test, &LinearLearner).unwrap();
        assert!(matches!(found[0], Standing::Stays(Some(t)) if t.value > 0.5 && t.p_value < 0.01), "{found:?}");
        assert!(matches!(found[1], Standing::Shifts(t) if (t.value - 60.0 / 150.0).abs() < 0.02), "{found:?}");
        assert!(matches!(found[2], Standing::Shifts(t) if (t.value - 1.0 / 3.0).abs() < 1e-12), "{found:?}");
        assert!(matches!(found[3], Standing::Shifts(t) if (t.value - 0.5).abs() < 1e-12), "{found:?}");
        let same = drift_aware(&train, &y, None, &train, &LinearLearner).unwrap();
        assert!(same.iter().all(|s| matches!(s, Standing::Stays(_))));
    }
}
