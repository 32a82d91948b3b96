//! Rows in the order of each column, for exact thresholds.
//!
//! Every column is sorted once; a split moves the rows of a node, in each column, left and right without disturbing their
//! order. So all thresholds of a node are tried in one pass, mid-points between neighbouring values of the node. Memory
//! 8 bytes a value, and as much again for the tree.

use med_schema::{FeatureColumn, FeatureMatrix, FeatureValues, MISSING};
use rayon::prelude::*;

use super::search::{self, Candidate, Cut, Ranks, Rules, Side, View};
use super::{Nodes, Rows, Sums, WORTH_THREADS};
use crate::InputError;
use crate::tree::structure::Test;

/// The rank of missing values: behind all others.
const MISSING_RANK: u32 = u32::MAX;

/// A value's rank among the distinct ones of its column, or the code of its level; and its row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    rank: u32,
    row: u32,
}

#[derive(Debug)]
struct SortedColumn {
    ranks: Ranks,
    /// By rank, then by row.
    entries: Vec<Entry>,
}

/// All columns.
#[derive(Debug)]
pub(in crate::tree) struct SortedColumns(Vec<SortedColumn>);

impl SortedColumns {
    pub(in crate::tree) fn new(x: &FeatureMatrix, model: &'static str) -> Result<Self, InputError> {
        let sorted = |c: &FeatureColumn| SortedColumn::new(c, model);
        let columns = if x.n_rows() < 4096 {
            x.columns().iter().map(sorted).collect::<Result<_, _>>()?
        } else {
            x.columns().par_iter().map(sorted).collect::<Vec<_>>().into_iter().collect::<Result<_, _>>()?
        };
        Ok(Self(columns))
    }
}

impl SortedColumn {
    fn new(column: &FeatureColumn, model: &'static str) -> Result<Self, InputError> {
        match column.values() {
            FeatureValues::Numeric(values) => {
                let values = values.as_slice();
                if let Some(row) = values.iter().position(|v| v.is_infinite()) {
                    return Err(InputError::Infinite { column: column.name().to_owned(), row, model });
                }
                Ok(Self::of_numbers(values))
            }
            FeatureValues::Categorical { codes, .. } => {
                let rank = |code: u32| if code == MISSING { MISSING_RANK } else { code };
                let entries = codes.iter().zip(0..).map(|(&code, row)| Entry { rank: rank(code), row });
                let mut entries: Vec<Entry> = entries.collect();
                entries.sort_unstable();
                Ok(Self { ranks: Ranks::Levels, entries })
            }
        }
    }

    fn of_numbers(values: &[f64]) -> Self {
        let mut present: Vec<(f64, u32)> = values.iter().copied().zip(0..).filter(|(v, _)| !v.is_nan()).collect();
        // 0 and -0 are one value; by adding 0 they are one in the order as well.
        present.sort_unstable_by(|a, b| (a.0 + 0.0).total_cmp(&(b.0 + 0.0)).then(a.1.cmp(&b.1)));
        let mut distinct: Vec<(f64, f64)> = Vec::new();
        let mut entries = Vec::with_capacity(values.len());
        for (value, row) in present {
            if distinct.last().is_none_or(|d| d.0 != value) {
                distinct.push((value, value));
            }
            entries.push(Entry { rank: distinct.len() as u32 - 1, row });
        }
        let missing = values.iter().zip(0..).filter(|(v, _)| v.is_nan());
        entries.extend(missing.map(|(_, row)| Entry { rank: MISSING_RANK, row }));
        Self { ranks: Ranks::Numbers(distinct), entries }
    }
}

/// The rows of a tree, in the order of each column.
#[derive(Debug)]
pub(in crate::tree) struct SortedNodes<'a> {
    rows: &'a Rows,
    rules: &'a Rules,
    columns: &'a SortedColumns,
    order: Vec<Vec<Entry>>,
    /// By row: whether it goes left at the split at hand.
    goes_left: Vec<bool>,
}

impl<'a> SortedNodes<'a> {
    /// All rows of a weight above 0.
    pub(in crate::tree) fn new(rows: &'a Rows, rules: &'a Rules, columns: &'a SortedColumns) -> Self {
        let used = |e: &&Entry| rows.sums[e.row as usize].weight > 0;
        let order = columns.0.iter().map(|c| c.entries.iter().filter(used).copied().collect()).collect();
        Self { rows, rules, columns, order, goes_left: vec![false; rows.sums.len()] }
    }

    fn best(&self, feature: usize, start: usize, len: usize, total: Side) -> Option<Candidate> {
        let (groups, missing) = by_rank(&self.order[feature][start..start + len], &self.rows.sums);
        let ranks = &self.columns.0[feature].ranks;
        search::best(&View { feature, ranks, missing, total }, groups, self.rules)
    }
}

impl Nodes for SortedNodes<'_> {
    fn total(&self) -> (usize, Sums) {
        let mut total = Sums::default();
        self.rows.sums.iter().for_each(|&s| total.add(s));
        (self.order.first().map_or(0, Vec::len), total)
    }

    fn is_constant(&self, start: usize, len: usize) -> bool {
        let y = |e: &Entry| self.rows.y[e.row as usize];
        self.order[0][start..start + len].windows(2).all(|e| y(&e[0]) == y(&e[1]))
    }

    fn search(&mut self, start: usize, len: usize, sums: Sums) -> Option<Candidate> {
        let (p, total) = (self.order.len(), Side { sums, n: len });
        let best = |feature: usize| self.best(feature, start, len, total);
        if p * len >= WORTH_THREADS {
            let of_features: Vec<_> = (0..p).into_par_iter().map(best).collect();
            of_features.into_iter().flatten().reduce(search::better)
        } else {
            (0..p).filter_map(best).reduce(search::better)
        }
    }

    fn partition(&mut self, start: usize, len: usize, candidate: &Candidate, needed: bool) -> Sums {
        if !needed {
            return candidate.left;
        }
        for entry in &self.order[candidate.feature][start..start + len] {
            self.goes_left[entry.row as usize] = match &candidate.cut {
                _ if entry.rank == MISSING_RANK => candidate.missing_left,
                Cut::AtMost { rank: last, .. } => entry.rank <= *last,
                Cut::OneOf(levels) => levels.contains(entry.rank),
            };
        }
        let marks = &self.goes_left;
        let move_column = |column: &mut Vec<Entry>| {
            partition(&mut column[start..start + len], &mut Vec::new(), |e| marks[e.row as usize]);
        };
        if len * self.order.len() >= WORTH_THREADS {
            self.order.par_iter_mut().for_each(move_column);
        } else {
            self.order.iter_mut().for_each(move_column);
        }
        candidate.left
    }

    fn test(&self, candidate: &Candidate) -> Test {
        match &candidate.cut {
            Cut::AtMost { threshold, .. } => Test::AtMost(*threshold),
            Cut::OneOf(levels) => Test::OneOf(levels.clone()),
        }
    }
}

/// Rows of a node by the rank of a feature, ascending: present ones by rank, and the missing ones.
fn by_rank<'a>(entries: &'a [Entry], sums: &'a [Sums]) -> (impl Iterator<Item = (u32, Side)> + Clone + 'a, Side) {
    let side = |entries: &[Entry]| {
        let mut side = Side::default();
        entries.iter().for_each(|e| side.add(sums[e.row as usize]));
        side
    };
    // Missing values stand last; mostly there are none.
    let n_present = match entries.last() {
        Some(e) if e.rank == MISSING_RANK => entries.partition_point(|e| e.rank != MISSING_RANK),
        _ => entries.len(),
    };
    let (present, missing) = entries.split_at(n_present);
    let groups = present.chunk_by(|a, b| a.rank == b.rank).map(move |rank| (rank[0].rank, side(rank)));
    (groups, side(missing))
}

/// Moves what goes left before the rest, each in its order, without a branch.
pub(super) fn partition<T: Copy>(items: &mut [T], room: &mut Vec<T>, mut goes_left: impl FnMut(&T) -> bool) {
    let Some(&filler) = items.first() else { return };
    if room.len() < items.len() {
        room.resize(items.len(), filler);
    }
    let (mut n_left, mut n_right) = (0, 0);
    for i in 0..items.len() {
        let item = items[i];
        let left = goes_left(&item);
        items[n_left] = item;
        room[n_right] = item;
        n_left += usize::from(left);
        n_right += usize::from(!left);
    }
    items[n_left..].copy_from_slice(&room[..n_right]);
}
