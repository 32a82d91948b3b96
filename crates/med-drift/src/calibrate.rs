//! What a measure gives without drift, learnt from the reference itself.
//!
//! The reference is cut at random into a part of as many rows as the current side has (half of its own at most) and the rest, again and again, and measured against itself. The share
//! of those scores that are at least as large as the current one, the current one among them, is a p-value: for measures that have none (`psi`, `jensen_shannon`, `wasserstein`,
//! ...), and for any shape of data, ties included. The parts are smaller than the sides that are compared, their distances therefore no smaller, and the p-value on the safe side.
//! Methods that decide by p-value keep theirs: a statistic that grows with the rows, as that of Cramer and von Mises does with ties, cannot be learnt from smaller samples.
//!
//! Phipson, B. and Smyth, G. K. (2010). Permutation p-values should never be zero. *Statistical Applications in Genetics and Molecular Biology* 9, 39.
//! Time O(permutations n) a column, on all threads.

use rand::Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::random::generator;
use crate::{CategoricalSample, ColumnSample, DriftError, DriftMeasure, NumericSample, Sample};

/// How thresholds are learnt.
///
/// | field | meaning | default | range |
/// | --- | --- | --- | --- |
/// | `permutations` | random cuts of the reference. No p-value is below one over one more than these, so that k columns with adjusted p-values need more than k / alpha | 499 | >= 19 |
/// | `seed` | of the cuts | 0 | |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Calibration {
    /// Random cuts.
    pub permutations: usize,
    /// Seed.
    pub seed: u64,
}

impl Default for Calibration {
    fn default() -> Self {
        Self { permutations: 499, seed: 0 }
    }
}

/// What the cuts say.
pub(crate) struct Calibrated {
    pub(crate) p_value: f64,
    /// Without drift a score is above this with a probability of alpha at most.
    pub(crate) threshold: f64,
}

impl Calibration {
    pub(crate) fn validate(&self) -> Result<(), DriftError> {
        if self.permutations < 19 {
            let found = self.permutations as f64;
            return Err(DriftError::Parameter { parameter: "permutations", expected: "at least 19", found });
        }
        Ok(())
    }

    /// `None` when the reference is too short to be cut, or the measure has no value for most cuts.
    pub(crate) fn judge(
        &self,
        measure: &dyn DriftMeasure,
        reference: Sample<'_>,
        current_rows: usize,
        score: f64,
        alpha: f64,
    ) -> Option<Calibrated> {
        let part = current_rows.min(reference.rows() / 2);
        if part == 0 {
            return None;
        }
        let mut scores: Vec<f64> = (0..self.permutations)
            .into_par_iter()
            .filter_map(|cut| {
                let (rest, part) = cut_at_random(reference, part, &mut generator(self.seed, cut as u64));
                measure.measure(rest.as_sample(), part.as_sample()).ok().map(|d| d.distance)
            })
            .collect();
        if scores.len() * 2 < self.permutations {
            return None;
        }
        scores.sort_unstable_by(f64::total_cmp);
        let as_far = scores.len() - scores.partition_point(|&s| s < score);
        let place = ((1.0 - alpha) * (scores.len() + 1) as f64).ceil() as usize;
        let threshold = scores.get(place.saturating_sub(1)).copied().unwrap_or(f64::INFINITY);
        Some(Calibrated { p_value: (as_far + 1) as f64 / (scores.len() + 1) as f64, threshold })
    }
}

/// Of the rows in the order of their values, `part` drawn without replacement, and the others.
fn cut_at_random(sample: Sample<'_>, part: usize, generator: &mut impl Rng) -> (ColumnSample, ColumnSample) {
    let mut draw = Draw { left: sample.rows(), wanted: part, generator };
    match sample {
        Sample::Numeric(numbers) => {
            let mut sides = [Vec::with_capacity(sample.rows() - part), Vec::with_capacity(part)];
            numbers.values().iter().for_each(|&value| sides[usize::from(draw.next())].push(value));
            let [rest, part] = sides.map(|sorted| ColumnSample::Numeric(NumericSample::from_sorted(sorted)));
            (rest, part)
        }
        Sample::Categorical(levels) => {
            let mut sides = [Vec::new(), Vec::new()];
            for (level, count) in levels.counts() {
                let drawn = (0..count).filter(|_| draw.next()).count() as u64;
                for (side, count) in sides.iter_mut().zip([count - drawn, drawn]) {
                    if count > 0 {
                        side.push((level.to_owned(), count));
                    }
                }
            }
            let [rest, part] = sides.map(|c| ColumnSample::Categorical(CategoricalSample::from_counts(c, 0)));
            (rest, part)
        }
    }
}

/// Draws so many of the rows that come by, each set as likely as any other (Fan, Muller and Rezucha 1962).
struct Draw<'a, R> {
    left: usize,
    wanted: usize,
    generator: &'a mut R,
}

impl<R: Rng> Draw<'_, R> {
    fn next(&mut self) -> bool {
        // The upper 64 bits of a product: even enough for any number of rows below 2^40.
        let below = ((u128::from(self.generator.next_u64()) * self.left as u128) >> 64) as usize;
        let drawn = below < self.wanted;
        self.left -= 1;
        self.wanted -= usize::from(drawn);
        drawn
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{KolmogorovSmirnov, Psi};

    fn numbers(rows: usize, by: usize) -> NumericSample {
        NumericSample::new(&(0..rows).map(|i| (i * by % 97) as f64).collect::<Vec<_>>())
    }

    #[test]
    fn a_cut_takes_as_many_rows_as_asked_for() {
        let sample = numbers(300, 31);
        let (rest, part) = cut_at_random(Sample::Numeric(&sample), 110, &mut generator(1, 2));
        assert_eq!((rest.as_sample().rows(), part.as_sample().rows()), (190, 110));
        let levels = CategoricalSample::from_counts(vec![("a".to_owned(), 40), ("b".to_owned(), 3)], 5);
        let (rest, part) = cut_at_random(Sample::Categorical(&levels), 20, &mut generator(1, 2));
        assert_eq!((rest.as_sample().rows(), part.as_sample().rows()), (23, 20));
    }

    #[test]
    fn the_p_value_is_the_share_of_cuts_as_far() {
        let sample = numbers(400, 31);
        let calibration = Calibration { permutations: 199, seed: 7 };
        let judge = |score| calibration.judge(&KolmogorovSmirnov, Sample::Numeric(&sample), 100, score, 0.05).unwrap();
        assert_eq!((judge(0.0).p_value, judge(1.0).p_value), (1.0, 1.0 / 200.0));
        let found = judge(0.1);
        // Of 300 and 100 rows the limit at 5 % is 1.36 sqrt(400 / 30000) = 0.157, ties make it less.
        assert!((0.1..0.165).contains(&found.threshold), "{}", found.threshold);
        assert!(judge(found.threshold + 1e-9).p_value <= 0.05 && judge(found.threshold).p_value >= 0.05);
        let one = NumericSample::new(&[1.0]);
        assert!(calibration.judge(&Psi::default(), Sample::Numeric(&one), 5, 0.1, 0.05).is_none());
    }
}
