//! A random split that keeps the mix of costs.

use rand::SeedableRng;
use rand_pcg::Pcg64;
use serde::{Deserialize, Serialize};

use super::{Split, checked_fraction, shuffle};
use crate::FeatureError;
use crate::statistic::{quantile, sorted_present};

/// Rows drawn at random from each quantile band of the target, so that both parts have their share of the expensive rows: where one
/// percent of clients cause a third of the costs, chance alone makes parts differ widely.
///
/// Rows are put in order of their band and shuffled within it (Fisher-Yates, `Pcg64`); along that order, training rows are dealt
/// evenly, `round(train_fraction * rows)` of them, at least one and never all. Each band meets the share to within one row. Equal
/// targets are in one band, so a target that is mostly zero has fewer bands.
///
/// | parameter | default | range |
/// | --- | --- | --- |
/// | `train_fraction` | 0.8 | (0, 1) |
/// | `strata` | 10 | bands, at least 1 |
/// | `seed` | 42 | any |
///
/// ```
/// use med_features::StratifiedSplit;
/// let costs: Vec<f64> = (0..100).map(|i| f64::from(i * i)).collect();
/// let split = StratifiedSplit::new(0.8, 10, 1)?.split(&costs)?;
/// assert_eq!(split.test().iter().filter(|&&row| row >= 90).count(), 2);
/// # Ok::<(), med_features::FeatureError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Parameters")]
pub struct StratifiedSplit {
    train_fraction: f64,
    strata: usize,
    seed: u64,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Parameters {
    train_fraction: f64,
    strata: usize,
    seed: u64,
}

impl Default for Parameters {
    fn default() -> Self {
        let StratifiedSplit { train_fraction, strata, seed } = StratifiedSplit::default();
        Self { train_fraction, strata, seed }
    }
}

impl TryFrom<Parameters> for StratifiedSplit {
    type Error = FeatureError;

    fn try_from(p: Parameters) -> Result<Self, FeatureError> {
        Self::new(p.train_fraction, p.strata, p.seed)
    }
}

impl Default for StratifiedSplit {
    fn default() -> Self {
        Self { train_fraction: 0.8, strata: 10, seed: 42 }
    }
}

impl StratifiedSplit {
    /// A split of this share over so many bands with this seed.
    ///
    /// # Errors
    /// When the share is not strictly between 0 and 1, or there is no band.
    pub fn new(train_fraction: f64, strata: usize, seed: u64) -> Result<Self, FeatureError> {
        Ok(Self { train_fraction: checked_fraction(train_fraction)?, strata: checked_strata(strata)?, seed })
    }

    /// Splits rows by the target of each.
    ///
    /// # Errors
    /// When there are fewer than two, or a target is not a number.
    pub fn split(&self, y: &[f64]) -> Result<Split, FeatureError> {
        let n = y.len();
        if n < 2 {
            return Err(FeatureError::EmptyPart { part: "test", rows: n, reason: "two rows are needed" });
        }
        let n_train = ((n as f64 * self.train_fraction).round() as usize).clamp(1, n - 1);
        let mut is_train = vec![false; n];
        // Whole numbers of training rows up to a place, rounded: they rise by one n_train times.
        let up_to = |at: usize| (at * n_train + n / 2) / n;
        for (at, row) in by_stratum(y, self.strata, self.seed)?.into_iter().enumerate() {
            is_train[row] = up_to(at + 1) > up_to(at);
        }
        Split::by(n, "two rows are needed", |row| is_train[row])
    }
}

pub(super) fn checked_strata(strata: usize) -> Result<usize, FeatureError> {
    match strata {
        0 => Err(FeatureError::Parameter { parameter: "strata", expected: "at least 1", found: "0".to_owned() }),
        _ => Ok(strata),
    }
}

/// Row numbers in order of the quantile band of their target, shuffled within each.
pub(super) fn by_stratum(y: &[f64], strata: usize, seed: u64) -> Result<Vec<usize>, FeatureError> {
    if let Some(row) = y.iter().position(|v| v.is_nan()) {
        return Err(FeatureError::Missing { column: "the target".to_owned(), row, rows: 1 });
    }
    let sorted = sorted_present(y);
    let mut ends: Vec<f64> = (1..strata).filter_map(|i| quantile(&sorted, i as f64 / strata as f64)).collect();
    ends.dedup();
    let mut order: Vec<usize> = (0..y.len()).collect();
    shuffle(&mut order, &mut Pcg64::seed_from_u64(seed));
    // A stable sort keeps the shuffle within a band.
    order.sort_by_key(|&row| ends.partition_point(|&end| end <= y[row]));
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_band_has_its_share() {
        let y: Vec<f64> = (0..200).map(|i| f64::from(i * 37 % 200)).collect();
        let split = StratifiedSplit::new(0.7, 10, 3).unwrap().split(&y).unwrap();
        assert_eq!((split.train().len(), split.test().len()), (140, 60));
        for band in 0..10 {
            let own = split.train().iter().filter(|&&r| (y[r] / 20.0) as usize == band).count();
            assert_eq!(own, 14, "{band}");
        }
    }

    #[test]
    fn ties_and_small_tables_are_split_all_the_same() {
        let zeros: Vec<f64> = (0..50).map(|i| if i < 40 { 0.0 } else { f64::from(i) }).collect();
        let split = StratifiedSplit::default().split(&zeros).unwrap();
        assert_eq!(split.test().iter().filter(|&&r| r >= 40).count(), 2);
        assert_eq!(StratifiedSplit::new(0.999, 5, 0).unwrap().split(&[1.0, 2.0]).unwrap().test().len(), 1);
        assert!(StratifiedSplit::default().split(&[1.0]).is_err());
        assert!(StratifiedSplit::default().split(&[1.0, f64::NAN]).is_err());
        assert!(StratifiedSplit::new(0.5, 0, 0).is_err());
        assert!(serde_json::from_str::<StratifiedSplit>(r#"{"strata":0}"#).is_err());
        assert_eq!(serde_json::from_str::<StratifiedSplit>("{}").unwrap(), StratifiedSplit::default());
    }
}
