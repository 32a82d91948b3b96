//! A split that stays when the table grows.

use med_schema::FingerprintHasher;
use serde::{Deserialize, Serialize};

use super::{RandomSplit, Split};
use crate::FeatureError;

/// A part of a split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// To learn from.
    Train,
    /// To be judged on.
    Test,
}

/// The side of a row by the hash of its key: a client stays on its side whatever other rows there are.
///
/// `u = first 64 bits of BLAKE3(seed, key) / 2^64`; the row is in the training part when `u < train_fraction`. All rows of a
/// key fall on one side, in this version of the table and in every later one, on every machine; so a client that was once
/// held back is never learnt from. The price: the share is met in expectation only, with a standard deviation of
/// `sqrt(f (1 - f) / keys)`.
///
/// | parameter | default | range |
/// | --- | --- | --- |
/// | `train_fraction` | 0.8 | (0, 1), expected share of keys |
/// | `seed` | 42 | any |
///
/// ```
/// use med_features::{KeyedSplit, Side};
/// let split = KeyedSplit::new(0.8, 1)?;
/// let before: Vec<Side> = ["c1", "c2"].iter().map(|c| split.side(c)).collect();
/// let after: Vec<Side> = ["c0", "c1", "c2"].iter().map(|c| split.side(c)).collect();
/// assert_eq!(before, after[1..]);
/// # Ok::<(), med_features::FeatureError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyedSplit(RandomSplit);

impl KeyedSplit {
    /// A split of this expected share with this seed.
    ///
    /// # Errors
    /// When the share is not strictly between 0 and 1.
    pub fn new(train_fraction: f64, seed: u64) -> Result<Self, FeatureError> {
        RandomSplit::new(train_fraction, seed).map(Self)
    }

    /// The side of one key. Whole-number keys are given as bytes: `key.to_le_bytes()`.
    pub fn side(&self, key: impl AsRef<[u8]>) -> Side {
        let digest = FingerprintHasher::new().part(self.0.seed().to_le_bytes()).part(key).finish();
        let first = digest.as_bytes()[..8].iter().rev().fold(0_u64, |word, &byte| word << 8 | u64::from(byte));
        // 2^64 is a power of two, so the product is exact.
        let limit = (self.0.train_fraction() * 2_f64.powi(64)) as u128;
        if u128::from(first) < limit { Side::Train } else { Side::Test }
    }

    /// Splits rows by the key of each.
    ///
    /// # Errors
    /// When all keys fall on one side, as they may in a small table.
    pub fn split<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<Split, FeatureError> {
        let sides: Vec<Side> = keys.iter().map(|key| self.side(key)).collect();
        Split::by(keys.len(), "all keys fall on the other side; use more rows or another seed", |row| {
            sides[row] == Side::Train
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(n: u64) -> Vec<[u8; 8]> {
        (0..n).map(u64::to_le_bytes).collect()
    }

    #[test]
    fn the_share_is_met_in_expectation() {
        let split = KeyedSplit::new(0.8, 3).unwrap().split(&keys(20_000)).unwrap();
        // Five standard deviations of the share are 0.014.
        assert!((split.train().len() as f64 / 20_000.0 - 0.8).abs() < 0.0142);
    }

    #[test]
    fn another_seed_is_another_split() {
        let rows = keys(100);
        let of = |seed| KeyedSplit::new(0.5, seed).unwrap().split(&rows).unwrap();
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }

    #[test]
    fn sides_are_pinned() {
        let split = KeyedSplit::new(0.5, 0).unwrap().split(&keys(12)).unwrap();
        assert_eq!(split.test(), PINNED);
    }

    /// A change here moves clients that were held back into training parts.
    const PINNED: [usize; 9] = [0, 2, 3, 4, 5, 7, 8, 10, 11];
}
