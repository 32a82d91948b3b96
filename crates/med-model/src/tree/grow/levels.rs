//! Categories of many levels: ordered once, and then as numbers.
//!
//! A node that sorts its own levels by their means (see `search`) finds a good order for any target once there are about as many levels as
//! rows, and what it gains that way says nothing of other rows. So levels of which there are more than a byte holds are ordered once, by
//! their means over all rows, put into groups of neighbours of about as many rows, and splits cut that order (Wright and Koenig 2019, PeerJ 7:e6339). Means are shrunk towards that of all rows,
//! and levels of few rows have one place together, since their means tell most of their own rows. `O(rows + levels log levels)` a column.

use std::borrow::Cow;

use med_schema::{FeatureColumn, FeatureMatrix, FeatureValues};

use super::Sums;
use crate::FitError;
use crate::tree::structure::{LevelSet, Test, Tree};

/// Levels that every node sorts anew, and groups where there are more: as many as there are bins.
const SORTED: usize = 255;
/// Rows that a level needs for a place of its own, lest the chance of its few rows be one; and the rows of average cost that are added to each level's mean.
const FEW: usize = 10;

/// A matrix whose categories of many levels are numbers, and the way back.
#[derive(Debug)]
pub(in crate::tree) struct OrderedLevels<'a> {
    x: Cow<'a, FeatureMatrix>,
    /// By feature: where levels were ordered, those up to each group.
    up_to: Vec<Option<Vec<LevelSet>>>,
}

impl<'a> OrderedLevels<'a> {
    /// By what each row adds to the sums.
    pub(in crate::tree) fn new(x: &'a FeatureMatrix, sums: &[Sums], model: &'static str) -> Result<Self, FitError> {
        let of = |column: &FeatureColumn| match column.values() {
            FeatureValues::Categorical { codes, levels } => groups(codes, levels.len(), sums),
            FeatureValues::Numeric(_) => None,
        };
        let groups: Vec<Option<Vec<u8>>> = x.columns().iter().map(of).collect();
        let up_to = groups.iter().map(|groups| groups.as_deref().map(up_to)).collect();
        if groups.iter().all(Option::is_none) {
            return Ok(Self { x: Cow::Borrowed(x), up_to });
        }
        let ordered = |(column, groups): (&FeatureColumn, &Option<Vec<u8>>)| match (groups, column.as_categorical()) {
            (Some(groups), Some((codes, _))) => {
                // A missing code is past the end of the levels.
                let group = |&code: &u32| groups.get(code as usize).map_or(f64::NAN, |&group| f64::from(group));
                FeatureColumn::numeric(column.name(), codes.iter().map(group).collect::<Vec<_>>())
            }
            _ => column.clone(),
        };
        let x = FeatureMatrix::new(x.columns().iter().zip(&groups).map(ordered).collect())
            .map_err(|source| FitError::Backend { model, source: Box::new(source) })?;
        Ok(Self { x: Cow::Owned(x), up_to })
    }

    /// What a tree is grown on.
    pub(in crate::tree) fn x(&self) -> &FeatureMatrix {
        &self.x
    }

    /// The tree with sets of levels where it asks for their groups.
    pub(in crate::tree) fn on_levels(&self, mut tree: Tree) -> Tree {
        for split in &mut tree.splits {
            if let (Some(up_to), Test::AtMost(threshold)) = (&self.up_to[split.feature as usize], &split.test) {
                // Groups are whole numbers from 0 on. A threshold above all is that of a split on missing values alone.
                let last = (*threshold as usize).min(up_to.len() - 1);
                split.test = Test::OneOf(up_to[last].clone());
            }
        }
        tree
    }
}

/// The levels of each group and of those before it.
fn up_to(groups: &[u8]) -> Vec<LevelSet> {
    let mut of_group = vec![Vec::new(); SORTED];
    (0..).zip(groups).for_each(|(code, &group)| of_group[group as usize].push(code));
    let mut all = LevelSet::default();
    let with = |codes: Vec<u32>| {
        codes.into_iter().for_each(|code| all.insert(code));
        all.clone()
    };
    of_group.into_iter().map(with).collect()
}

/// The group of each level, ascending by their means; nothing where rows have no more than [`SORTED`] levels.
fn groups(codes: &[u32], n_levels: usize, sums: &[Sums]) -> Option<Vec<u8>> {
    if n_levels <= SORTED {
        return None;
    }
    let (mut of_level, mut counts) = (vec![Sums::default(); n_levels], vec![0_usize; n_levels]);
    let (mut total, mut n) = (Sums::default(), 0);
    for (&code, &sums) in codes.iter().zip(sums) {
        if let (Some(level), Some(count)) = (of_level.get_mut(code as usize), counts.get_mut(code as usize)) {
            level.add(sums);
            total.add(sums);
            *count += 1;
            n += 1;
        }
    }
    if counts.iter().filter(|&&count| count > 0).count() <= SORTED {
        return None;
    }
    let (weight, mean) = (total.weight as f64 / n as f64 * FEW as f64, total.mean());
    let key = |sums: Sums| (sums.target as f64 + weight * mean) / (sums.weight as f64 + weight);
    let mut others = Sums::default();
    (0..n_levels).filter(|&level| counts[level] < FEW).for_each(|level| others.add(of_level[level]));
    // The others are one level more, behind the last.
    let own = (0..n_levels).filter(|&level| counts[level] >= FEW).map(|level| (key(of_level[level]), level));
    let mut order: Vec<(f64, usize)> = own.chain([(key(others), n_levels)]).collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let n_others: usize = counts.iter().filter(|&&count| count < FEW).sum();
    let (mut groups, mut before) = (vec![0; n_levels + 1], 0);
    for (_, level) in order {
        // The others may be none, behind all rows.
        groups[level] = (before * SORTED / n).min(SORTED - 1) as u8;
        before += counts.get(level).copied().unwrap_or(n_others);
    }
    let of_others = groups.pop().unwrap_or_default();
    counts.iter().zip(&mut groups).filter(|(count, _)| **count < FEW).for_each(|(_, group)| *group = of_others);
    Some(groups)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of so many levels, each `rows(level)` times, whose targets are those of `target`.
    fn rows(n_levels: u32, rows: impl Fn(u32) -> u32, target: impl Fn(u32) -> i64) -> (Vec<u32>, Vec<Sums>) {
        let codes: Vec<u32> =
            (0..n_levels).flat_map(|level| std::iter::repeat_n(level, rows(level) as usize)).collect();
        let sums = codes.iter().map(|&level| Sums { weight: 1000, target: target(level) }).collect();
        (codes, sums)
    }

    #[test]
    fn many_levels_stand_in_the_order_of_their_means() {
        let rank = |level: u32| level * 7 % 510;
        let (codes, sums) = rows(510, |_| 12, |level| i64::from(rank(level)) * 1000);
        let found = groups(&codes, 510, &sums).unwrap();
        for (level, group) in (0..).zip(&found) {
            assert_eq!(u32::from(*group), rank(level) / 2, "{level}");
        }
        let sets = up_to(&found);
        assert_eq!((sets.len(), sets[254].codes().count()), (255, 510));
        assert!((0..510).all(|level| sets[100].contains(level) == (rank(level) < 202)));
        let (codes, sums) = rows(255, |_| 12, i64::from);
        assert_eq!(groups(&codes, 255, &sums), None);
        // Levels that no row has do not count.
        assert_eq!(groups(&codes, 1000, &sums), None);
    }

    #[test]
    fn levels_of_few_rows_are_one_and_small_ones_are_nearer_to_the_mean() {
        let few = |level: u32| if level < 20 { 9 } else { 40 };
        let target = |level: u32| if level < 20 { 900_000 } else { i64::from(level) * 1000 };
        let (mut codes, mut sums) = rows(300, few, target);
        // A level of 10 rows with the highest mean but for those.
        codes.extend([300; 10]);
        sums.extend([Sums { weight: 1000, target: 310_000 }; 10]);
        let found = groups(&codes, 302, &sums).unwrap();
        assert!(found[..20].iter().all(|group| *group == found[301]) && found[301] >= found[299]);
        assert!(found[300] < found[299] && found[300] > found[200], "{found:?}");
    }
}
