//! A split that keeps groups whole.

use rand::SeedableRng;
use rand_pcg::Pcg64;
use serde::{Deserialize, Serialize};

use super::{RandomSplit, Split, nearest_prefix, shuffle};
use crate::FeatureError;

/// All rows of a group on one side: a client with several years, a household, a hospital.
///
/// The distinct groups, in ascending order, are shuffled by a `Pcg64` seeded with `seed`; the training part takes them from
/// the front as long as that brings its number of rows nearer to `train_fraction`. With few large groups the share is met
/// only roughly. Which side a group falls on depends on which groups there are, not on the order of rows.
///
/// | parameter | default | range |
/// | --- | --- | --- |
/// | `train_fraction` | 0.8 | (0, 1), share of rows |
/// | `seed` | 42 | any |
///
/// ```
/// use med_features::GroupSplit;
/// let clients = ["ann", "bob", "ann", "cid", "bob"];
/// let split = GroupSplit::new(0.6, 1)?.split(&clients)?;
/// assert!(split.train().iter().all(|&r| split.test().iter().all(|&s| clients[r] != clients[s])));
/// # Ok::<(), med_features::FeatureError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GroupSplit(RandomSplit);

impl GroupSplit {
    /// A split of this share of rows with this seed.
    ///
    /// # Errors
    /// When the share is not strictly between 0 and 1.
    pub fn new(train_fraction: f64, seed: u64) -> Result<Self, FeatureError> {
        RandomSplit::new(train_fraction, seed).map(Self)
    }

    /// Splits rows by the group each belongs to. A missing group (`None`, where `K` is an `Option`) is a group like others.
    ///
    /// # Errors
    /// When there are fewer than two groups.
    pub fn split<K: Ord>(&self, groups: &[K]) -> Result<Split, FeatureError> {
        let mut by_group: Vec<usize> = (0..groups.len()).collect();
        by_group.sort_by(|&a, &b| groups[a].cmp(&groups[b]));
        let mut runs: Vec<&[usize]> = by_group.chunk_by(|&a, &b| groups[a] == groups[b]).collect();
        shuffle(&mut runs, &mut Pcg64::seed_from_u64(self.0.seed()));
        let sizes: Vec<usize> = runs.iter().map(|run| run.len()).collect();
        let wanted = groups.len() as f64 * self.0.train_fraction();
        let count = nearest_prefix(&sizes, wanted).ok_or(FeatureError::EmptyPart {
            part: "test",
            rows: groups.len(),
            reason: "two groups are needed",
        })?;
        let mut in_train = vec![false; groups.len()];
        runs[..count].iter().flat_map(|run| run.iter()).for_each(|&row| in_train[row] = true);
        Split::by(groups.len(), "two groups are needed", |row| in_train[row])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_one_of_rows() {
        let groups: Vec<u32> = (0..1000).map(|i| i / 4).collect();
        let split = GroupSplit::new(0.8, 5).unwrap().split(&groups).unwrap();
        assert_eq!(split.train().len(), 800);
    }

    #[test]
    fn sides_do_not_depend_on_the_order_of_rows() {
        let groups: Vec<u32> = (0..60).map(|i| i % 13).collect();
        let backwards: Vec<u32> = groups.iter().rev().copied().collect();
        let sides = |groups: &[u32]| {
            let split = GroupSplit::default().split(groups).unwrap();
            let mut train: Vec<u32> = split.train().iter().map(|&r| groups[r]).collect();
            train.sort_unstable();
            train
        };
        assert_eq!(sides(&groups), sides(&backwards));
    }

    #[test]
    fn one_group_cannot_be_split() {
        assert!(GroupSplit::default().split(&["a", "a"]).is_err());
        assert!(GroupSplit::default().split::<u32>(&[]).is_err());
    }
}
