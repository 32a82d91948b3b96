//! Growing regression trees on presorted columns: the core of single trees, forests and extra trees.
//!
//! Every column is sorted once; a split moves the rows of a node, in each column, left and right without disturbing their
//! order. So all thresholds of a node are tried in one pass, and they are exact: mid-points between neighbouring values,
//! in 64-bit floating point. The open node whose split lowers the squared error most is split first, so that a limit on
//! leaves keeps the best of them. Time `O(n p d)` for `n` rows, `p` features and depth `d`, memory 8 bytes a value.
//!
//! Weighted targets are summed as integers, which add up the same in any order: the tree does not depend on the order of
//! the rows nor on the number of threads.

mod search;
mod sorted;

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use med_schema::Dataset;
use rand_pcg::Pcg64;
use rayon::prelude::*;

use super::structure::{Child, Leaf, Split, Test, Tree};
use crate::input::annualised;
use crate::{FitError, InputError};
use search::{Candidate, Cut, Side, View};
pub(super) use search::{Choice, Rules};
pub(super) use sorted::Sorted;
use sorted::{BinnedColumn, Entry, MISSING_RANK};

/// Cells (rows times features) of a node from which on its features go to several threads.
const WORTH_THREADS: usize = 1 << 16;

/// What a row adds to the sums of its node, in fixed point: weight, and weight times target less the mean.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sums {
    weight: i64,
    target: i64,
}

impl Sums {
    fn add(&mut self, other: Self) {
        self.weight += other.weight;
        self.target += other.target;
    }

    fn less(self, other: Self) -> Self {
        Self { weight: self.weight - other.weight, target: self.target - other.target }
    }

    pub(super) fn times(self, n: u32) -> Self {
        Self { weight: self.weight * i64::from(n), target: self.target * i64::from(n) }
    }

    /// The mean, in units of the target's fixed point by the weight's.
    fn mean(self) -> f64 {
        self.target as f64 / self.weight as f64
    }
}

/// Power-of-two units, such that sums over `n` times the largest of these values stay below `2^61`.
fn unit(values: impl Iterator<Item = f64>, n: usize) -> f64 {
    let largest = values.fold(0.0, |m: f64, v| m.max(v.abs()));
    let exponent = ((largest.to_bits() >> 52) & 0x7ff) as i64 - 1022;
    let bits = exponent + i64::from(usize::BITS - n.leading_zeros());
    2.0_f64.powi((61 - bits).clamp(-1000, 1000) as i32)
}

/// The rows to grow trees on.
#[derive(Debug)]
pub(super) struct Rows {
    sorted: Sorted,
    /// For trees that chance has a part in; empty when there are none.
    binned: Vec<BinnedColumn>,
    /// By row; nothing for rows of weight 0.
    pub(super) sums: Vec<Sums>,
    /// Cost per unit of exposure.
    pub(super) y: Vec<f64>,
    /// `weight * exposure`.
    pub(super) weights: Vec<f64>,
    mean: f64,
    weight_unit: f64,
    target_unit: f64,
}

impl Rows {
    pub(super) fn new(train: &Dataset, model: &'static str) -> Result<Self, FitError> {
        if train.x().n_columns() == 0 {
            return Err(InputError::NoFeatures.into());
        }
        let n = train.n_rows();
        if u32::try_from(n).is_err() {
            return Err(FitError::Backend { model, source: "more than 4294967295 rows".into() });
        }
        let sorted = Sorted::new(train.x(), model)?;
        let (y, weights) = annualised(train);
        let (y, weights) = (y.into_owned(), weights.map_or_else(|| vec![1.0; n], |w| w.into_owned()));
        let overflow = || FitError::Overflow { model, what: "the weighted cost" };
        let weight_unit = unit(weights.iter().copied(), n);
        let weight = |w: f64| (w * weight_unit).round_ties_even() as i64;
        let mean = {
            let weighted = || y.iter().zip(&weights).map(|(y, w)| y * w);
            let unit = unit(weighted(), n);
            let sum: i64 = weighted().map(|v| (v * unit).round_ties_even() as i64).sum();
            sum as f64 / unit / (weights.iter().map(|&w| weight(w)).sum::<i64>() as f64 / weight_unit)
        };
        let target = || y.iter().zip(&weights).map(|(y, w)| (y - mean) * w);
        if !mean.is_finite() || target().any(|v| !v.is_finite()) {
            return Err(overflow());
        }
        let target_unit = unit(target(), n);
        let sums = target()
            .zip(&weights)
            .map(|(v, &w)| Sums { weight: weight(w), target: (v * target_unit).round_ties_even() as i64 })
            .collect();
        Ok(Self { sorted, binned: Vec::new(), sums, y, weights, mean, weight_unit, target_unit })
    }

    /// For trees that chance has a part in: numbers are joined to bins, and the sorted columns are dropped.
    pub(super) fn binned(mut self, train: &Dataset) -> Self {
        self.binned = self.sorted.binned(train.x());
        self.sorted = Sorted::default();
        self
    }

    fn weight(&self, sums: Sums) -> f64 {
        sums.weight as f64 / self.weight_unit
    }

    fn value(&self, sums: Sums) -> f64 {
        self.mean + sums.mean() * self.weight_unit / self.target_unit
    }

    /// Of a gain in fixed point, in weighted squares of the target.
    fn gain(&self, gain: f64) -> f64 {
        gain / self.target_unit / self.target_unit * self.weight_unit
    }
}

/// An open node.
#[derive(Debug)]
struct Node {
    start: usize,
    len: usize,
    depth: usize,
    sums: Sums,
    /// Parent and side.
    parent: Option<(usize, bool)>,
    /// Its place among the nodes there were.
    order: usize,
    candidate: Candidate,
}

/// By gain; of equal ones the older.
impl Ord for Node {
    fn cmp(&self, other: &Self) -> Ordering {
        self.candidate.gain.total_cmp(&other.candidate.gain).then(other.order.cmp(&self.order))
    }
}

impl PartialOrd for Node {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Node {}

/// A row with its part of the sums beside it, so that a histogram reads both in order.
#[derive(Debug, Clone, Copy)]
struct Row {
    row: u32,
    sums: Sums,
}

/// The rows of a tree, those of a node together.
enum Order {
    /// In the order of each column.
    Sorted(Vec<Vec<Entry>>),
    /// Once; a node looks its features up.
    Rows { rows: Vec<Row>, room: Vec<Row>, entries: Vec<Entry>, cells: Vec<Side> },
}

struct Grower<'a> {
    rows: &'a Rows,
    /// What each row adds to this tree.
    sums: &'a [Sums],
    rules: &'a Rules,
    random: Option<&'a mut Pcg64>,
    order: Order,
    /// By row: whether it goes left at the split at hand.
    goes_left: Vec<bool>,
    splits: Vec<Split>,
    leaves: Vec<Leaf>,
    n_nodes: usize,
    total: Sums,
}

/// Grows a tree on the rows whose weight in `sums` is above 0. With `random`, each node chooses among some features, on
/// binned rows; without, among all, on sorted ones.
pub(super) fn grow(
    rows: &Rows,
    sums: &[Sums],
    rules: &Rules,
    random: Option<&mut Pcg64>,
    model: &'static str,
) -> Result<Tree, FitError> {
    let used = |row: usize| sums[row].weight > 0;
    let n = (0..sums.len()).filter(|&row| used(row)).count();
    if n == 0 {
        return Ok(Tree::constant(rows.mean));
    }
    let order = if random.is_some() {
        let used =
            (0..sums.len()).filter(|&row| used(row)).map(|row| Row { row: row as u32, sums: sums[row] }).collect();
        Order::Rows { rows: used, room: Vec::new(), entries: Vec::new(), cells: Vec::new() }
    } else {
        let used = |e: &&Entry| used(e.row as usize);
        let columns = rows.sorted.columns.iter().map(|c| c.entries.iter().filter(used).copied().collect());
        Order::Sorted(columns.collect())
    };
    let mut total = Sums::default();
    sums.iter().for_each(|&s| total.add(s));
    let goes_left = vec![false; sums.len()];
    let (splits, leaves) = (Vec::new(), Vec::new());
    let mut grower = Grower { rows, sums, rules, random, order, goes_left, splits, leaves, n_nodes: 0, total };
    let mut open = BinaryHeap::new();
    grower.place(0, n, 0, total, None, &mut open);
    while let Some(node) = open.pop() {
        // Each open node ends in a leaf at least, and this one in two.
        let full = rules.max_leaf_nodes.is_some_and(|most| grower.leaves.len() + open.len() + 2 > most);
        if full {
            grower.add_leaf(node.sums, node.parent);
        } else {
            grower.split(node, &mut open);
        }
    }
    Tree::new(grower.splits, grower.leaves).map_err(|_| FitError::Overflow { model, what: "a split or leaf of a tree" })
}

impl Grower<'_> {
    /// A node becomes open when a split is worth it, else a leaf.
    fn place(
        &mut self,
        start: usize,
        len: usize,
        depth: usize,
        sums: Sums,
        parent: Option<(usize, bool)>,
        open: &mut BinaryHeap<Node>,
    ) {
        let order = self.n_nodes;
        self.n_nodes += 1;
        let candidate = if self.may_split(len, depth) { self.search(start, len, sums) } else { None };
        match candidate {
            Some(candidate) => open.push(Node { start, len, depth, sums, parent, order, candidate }),
            None => self.add_leaf(sums, parent),
        }
    }

    fn may_split(&self, len: usize, depth: usize) -> bool {
        len >= self.rules.min_samples_split.max(2 * self.rules.min_samples_leaf)
            && self.rules.max_depth.is_none_or(|most| depth < most)
    }

    fn search(&mut self, start: usize, len: usize, total: Sums) -> Option<Candidate> {
        // Without spread there is nothing to gain, and rounding must not invent it.
        let y = |row: u32| self.rows.y[row as usize];
        let constant = match &self.order {
            Order::Sorted(columns) => columns[0][start..start + len].windows(2).all(|e| y(e[0].row) == y(e[1].row)),
            Order::Rows { rows, .. } => rows[start..start + len].windows(2).all(|r| y(r[0].row) == y(r[1].row)),
        };
        if constant {
            return None;
        }
        let Self { rows, sums, rules, .. } = *self;
        let total = Side { sums: total, n: len };
        let best = match (&mut self.order, self.random.as_deref_mut()) {
            (Order::Sorted(columns), _) => {
                let best = |feature: usize| {
                    let (groups, missing) = search::by_rank(&columns[feature][start..start + len], sums);
                    let ranks = &rows.sorted.columns[feature].ranks;
                    search::best(&View { feature, ranks, missing, total }, groups, rules)
                };
                let p = columns.len();
                if p * len >= WORTH_THREADS {
                    let of_features: Vec<_> = (0..p).into_par_iter().map(best).collect();
                    of_features.into_iter().flatten().reduce(search::better)
                } else {
                    (0..p).filter_map(best).reduce(search::better)
                }
            }
            (Order::Rows { rows: order, entries, cells, .. }, Some(random)) => {
                let order = &order[start..start + len];
                search::chosen(rows.binned.len(), rules, random, |feature, random| {
                    let column = &rows.binned[feature];
                    let view = |missing| View { feature, ranks: &column.ranks, missing, total };
                    if len < column.n_ranks / 2 {
                        entries.clear();
                        entries.extend(order.iter().map(|r| Entry { rank: column.by_row[r.row as usize], row: r.row }));
                        entries.sort_unstable_by_key(|e| e.rank);
                        let (groups, missing) = search::by_rank(entries, sums);
                        return search::split(&view(missing), groups, rules, random);
                    }
                    cells.clear();
                    cells.resize(column.n_ranks, Side::default());
                    let mut missing = Side::default();
                    for &Row { row, sums } in order {
                        let cell = cells.get_mut(column.by_row[row as usize] as usize).unwrap_or(&mut missing);
                        cell.add(sums);
                    }
                    let groups = (0..).zip(cells.iter().copied()).filter(|(_, side)| side.n > 0);
                    search::split(&view(missing), groups, rules, random)
                })
            }
            _ => None,
        };
        let least = rules.min_impurity_decrease * rows.weight(self.total);
        best.filter(|c| rows.gain(c.gain) >= least)
    }

    /// Moves the rows of a node that go left before the others.
    fn partition(&mut self, start: usize, len: usize, candidate: &Candidate) {
        let goes_left = |rank: u32| match &candidate.cut {
            _ if rank == MISSING_RANK => candidate.missing_left,
            Cut::AtMost { rank: last, .. } => rank <= *last,
            Cut::OneOf(levels) => levels.contains(rank),
        };
        match &mut self.order {
            Order::Sorted(columns) => {
                for entry in &columns[candidate.feature][start..start + len] {
                    self.goes_left[entry.row as usize] = goes_left(entry.rank);
                }
                let marks = &self.goes_left;
                let move_column = |column: &mut Vec<Entry>| {
                    partition(&mut column[start..start + len], &mut Vec::new(), |e| marks[e.row as usize]);
                };
                if len * columns.len() >= WORTH_THREADS {
                    columns.par_iter_mut().for_each(move_column);
                } else {
                    columns.iter_mut().for_each(move_column);
                }
            }
            Order::Rows { rows, room, .. } => {
                let ranks = &self.rows.binned[candidate.feature].by_row;
                partition(&mut rows[start..start + len], room, |r| goes_left(ranks[r.row as usize]));
            }
        }
    }

    fn split(&mut self, node: Node, open: &mut BinaryHeap<Node>) {
        let Node { start, len, depth, sums, parent, candidate, .. } = node;
        let depth = depth + 1;
        let n_left = candidate.n_left;
        if self.may_split(n_left, depth) || self.may_split(len - n_left, depth) {
            self.partition(start, len, &candidate);
        }
        let Candidate { gain, feature, cut, missing_left, left, .. } = candidate;
        let right = sums.less(left);
        let place = self.splits.len();
        self.splits.push(Split {
            feature: feature as u32,
            test: match cut {
                Cut::AtMost { threshold, .. } => Test::AtMost(threshold),
                Cut::OneOf(levels) => Test::OneOf(levels),
            },
            missing_left,
            zero_is_missing: false,
            left: Child::Leaf(0),
            right: Child::Leaf(0),
            gain: self.rows.gain(gain),
            value: self.rows.value(sums),
            cover: self.rows.weight(sums),
            hessian: self.rows.weight(sums),
        });
        self.connect(parent, Child::Split(place as u32));
        self.place(start, n_left, depth, left, Some((place, true)), open);
        self.place(start + n_left, len - n_left, depth, right, Some((place, false)), open);
    }

    fn add_leaf(&mut self, sums: Sums, parent: Option<(usize, bool)>) {
        let weight = self.rows.weight(sums);
        self.connect(parent, Child::Leaf(self.leaves.len() as u32));
        self.leaves.push(Leaf { value: self.rows.value(sums), cover: weight, hessian: weight });
    }

    fn connect(&mut self, parent: Option<(usize, bool)>, child: Child) {
        if let Some((parent, is_left)) = parent {
            let parent = &mut self.splits[parent];
            *(if is_left { &mut parent.left } else { &mut parent.right }) = child;
        }
    }
}

/// Moves what goes left before the rest, each in its order, without a branch.
fn partition<T: Copy>(items: &mut [T], room: &mut Vec<T>, goes_left: impl Fn(&T) -> bool) {
    let Some(&filler) = items.first() else { return };
    room.clear();
    room.resize(items.len(), filler);
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
