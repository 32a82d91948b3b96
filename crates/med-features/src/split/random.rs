//! A seeded random split.

use rand::SeedableRng;
use rand_pcg::Pcg64;
use serde::{Deserialize, Serialize};

use super::{Split, checked_fraction, shuffle};
use crate::FeatureError;

/// Rows drawn at random without replacement.
///
/// The row numbers are shuffled (Fisher-Yates) by a `Pcg64` generator seeded with `seed`; the first
/// `round(train_fraction * rows)` of them are the training part, at least one and never all. The same seed and number of
/// rows give the same parts on every platform. Rows added to the table reshuffle everything: see
/// [`KeyedSplit`](super::KeyedSplit) for parts that stay.
///
/// | parameter | default | range |
/// | --- | --- | --- |
/// | `train_fraction` | 0.8 | (0, 1) |
/// | `seed` | 42 | any |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Parameters")]
pub struct RandomSplit {
    train_fraction: f64,
    seed: u64,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Parameters {
    train_fraction: f64,
    seed: u64,
}

impl Default for Parameters {
    fn default() -> Self {
        let RandomSplit { train_fraction, seed } = RandomSplit::default();
        Self { train_fraction, seed }
    }
}

impl TryFrom<Parameters> for RandomSplit {
    type Error = FeatureError;

    fn try_from(p: Parameters) -> Result<Self, FeatureError> {
        Self::new(p.train_fraction, p.seed)
    }
}

impl Default for RandomSplit {
    fn default() -> Self {
        Self { train_fraction: 0.8, seed: 42 }
    }
}

impl RandomSplit {
    /// A split of this share with this seed.
    ///
    /// # Errors
    /// When the share is not strictly between 0 and 1.
    pub fn new(train_fraction: f64, seed: u64) -> Result<Self, FeatureError> {
        Ok(Self { train_fraction: checked_fraction(train_fraction)?, seed })
    }

    /// The share of rows in the training part.
    pub fn train_fraction(&self) -> f64 {
        self.train_fraction
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Splits `rows` rows.
    ///
    /// # Errors
    /// When there are fewer than two.
    pub fn split(&self, rows: usize) -> Result<Split, FeatureError> {
        if rows < 2 {
            return Err(FeatureError::EmptyPart { part: "test", rows, reason: "two rows are needed" });
        }
        let n_train = ((rows as f64 * self.train_fraction).round() as usize).clamp(1, rows - 1);
        let mut order: Vec<usize> = (0..rows).collect();
        shuffle(&mut order, &mut Pcg64::seed_from_u64(self.seed));
        let mut test = order.split_off(n_train);
        order.sort_unstable();
        test.sort_unstable();
        Ok(Split { train: order, test, left_out: Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_a_seed_are_pinned() {
        let split = RandomSplit::new(0.5, 1).unwrap().split(10).unwrap();
        assert_eq!(split.test(), PINNED);
        assert_ne!(split, RandomSplit::new(0.5, 2).unwrap().split(10).unwrap());
    }

    /// A change here changes every stored experiment.
    const PINNED: [usize; 5] = [0, 5, 6, 8, 9];

    #[test]
    fn parts_are_of_the_size_asked_for_and_never_empty() {
        let sizes = |fraction, rows| {
            let split = RandomSplit::new(fraction, 3).unwrap().split(rows).unwrap();
            (split.train().len(), split.test().len())
        };
        assert_eq!(sizes(0.8, 5000), (4000, 1000));
        assert_eq!(sizes(0.999, 10), (9, 1));
        assert_eq!(sizes(0.001, 2), (1, 1));
        assert!(RandomSplit::default().split(1).is_err());
    }

    #[test]
    fn shares_outside_are_refused_also_from_json() {
        for bad in [0.0, 1.0, -0.1, f64::NAN, f64::INFINITY] {
            assert!(RandomSplit::new(bad, 0).is_err(), "{bad}");
        }
        assert!(serde_json::from_str::<RandomSplit>(r#"{"train_fraction":1.5}"#).is_err());
        assert_eq!(serde_json::from_str::<RandomSplit>("{}").unwrap(), RandomSplit::default());
    }
}
