//! One tree, leaf by leaf: the leaf is split that gains most, or that is nearest to the root.
//!
//! Of a split's children only the smaller is summed; what is left of the parent's histogram is the larger one's. The root
//! is carried over from the last tree where that can be (see `carry`). Sums are integers, so trees depend neither on the
//! order of the rows nor on the number of threads.

use std::borrow::Cow;

use super::binning::{Binned, Bins, HeldColumns, MISSING_BIN};
use super::carry::{self, Carried, Change};
use super::derivatives::{Derivatives, Hessians, Units};
use super::growth::{Growth, mix};
use super::histogram::{CELLS, Cell, Histogram, Narrow, Source, Sums, Wide, subtract};
use super::partition::{Partition, Place};
use super::rule::{ByteRule, Rule};
use super::splitter::{Bounds, Candidate, Open, Scratch, Search, Valuation};
use crate::tree::{Child, Leaf as TreeLeaf, Split, Test, Tree};

/// Leaves that there is room for at once, lest a huge limit take it all.
const RESERVED: usize = 1 << 10;

/// What a tree may see.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sample<'a> {
    /// Ascending; `None` for all.
    pub(crate) rows: Option<&'a [u32]>,
    /// One flag a feature; `None` for all.
    pub(crate) features: Option<&'a [bool]>,
}

/// Grows trees on one binned matrix; keeps its buffers from tree to tree.
#[derive(Debug)]
pub(crate) struct Grower<'a> {
    binned: &'a Binned,
    growth: Growth,
    held: HeldColumns,
    partition: Partition,
    narrow: Pool<Narrow>,
    wide: Pool<Wide>,
    /// Units of the last tree.
    units: Option<Units>,
    carried: Option<Carried>,
    /// Leaves of the last tree, in its order.
    leaves: Vec<Place>,
    /// Tracks and rules of the last tree's splits, in its order.
    rules: Vec<(usize, ByteRule)>,
    n_grown: u64,
}

/// Histograms.
#[derive(Debug)]
struct Pool<C> {
    free: Vec<Histogram<C>>,
    scratch: Option<Scratch<C>>,
    /// Of the leaves of the last tree, where they are kept.
    leaves: Vec<(Sums, Histogram<C>)>,
}

impl<C> Default for Pool<C> {
    fn default() -> Self {
        Self { free: Vec::new(), scratch: None, leaves: Vec::new() }
    }
}

/// A leaf of a growing tree.
#[derive(Debug)]
struct Node<C> {
    place: Place,
    sums: Sums,
    depth: usize,
    /// The split above, and whether this is its left child.
    parent: Option<(usize, bool)>,
    value: f64,
    bounds: Bounds,
    path: u64,
    /// Features that have more than one value left.
    splittable: Vec<bool>,
    /// Features on the way from the root; kept where interactions are constrained.
    used: Vec<u32>,
    /// Whether its histogram is what is left of a carried root.
    is_carried: bool,
    /// There while the leaf may still be split.
    candidate: Option<Candidate>,
    /// There while the leaf may still be split, and where it is kept.
    histogram: Option<Histogram<C>>,
}

/// What is the same for all splits of one tree.
struct Round<'r, 'a, C> {
    source: Source<'r>,
    growth: &'r Growth,
    search: Search<'r>,
    held: &'r mut HeldColumns,
    partition: &'r mut Partition,
    pool: &'r mut Pool<C>,
    /// Whether the histograms of all leaves are wanted.
    keep: bool,
    /// Sums of all rows.
    total: Sums,
    rules: &'r mut Vec<(usize, ByteRule)>,
    binned: &'a Binned,
}

/// When a leaf's turn to be split comes: before leaves further down, and before those that gain less. A leaf that may not
/// be split gains minus infinity.
#[derive(Debug, Clone, Copy)]
struct Turn {
    depth: usize,
    gain: f64,
}

/// The leaf to split next; of equal ones the first.
fn next(turns: &[Turn]) -> Option<usize> {
    let mut best: Option<(usize, Turn)> = None;
    for (i, &turn) in turns.iter().enumerate() {
        let is_before = |b: Turn| turn.depth < b.depth || (turn.depth == b.depth && turn.gain > b.gain);
        if turn.gain > f64::NEG_INFINITY && best.is_none_or(|(_, b)| is_before(b)) {
            best = Some((i, turn));
        }
    }
    best.map(|(i, _)| i)
}

impl<'a> Grower<'a> {
    pub(crate) fn new(binned: &'a Binned, growth: Growth) -> Self {
        Self {
            binned,
            growth,
            held: HeldColumns::new(binned),
            partition: Partition::new(binned.n_rows()),
            narrow: Pool::default(),
            wide: Pool::default(),
            units: None,
            carried: None,
            leaves: Vec::new(),
            rules: Vec::new(),
            n_grown: 0,
        }
    }

    /// Grows a tree for these derivatives; `None` when no split is worth making. Leaf values are full steps.
    #[cfg(test)]
    pub(crate) fn grow(&mut self, derivatives: &Derivatives, sample: Sample<'_>) -> Option<Tree> {
        self.grow_and_keep(derivatives, sample, false)
    }

    /// As [`grow`](Self::grow); may keep what [`carry`](Self::carry) needs.
    pub(super) fn grow_and_keep(&mut self, derivatives: &Derivatives, sample: Sample<'_>, keep: bool) -> Option<Tree> {
        self.n_grown += 1;
        let carried = self.carried.take().filter(|_| sample.rows.is_none());
        let units = Units::new(derivatives)?;
        self.units = Some(units);
        let Self { binned, growth, held, partition, narrow, wide, leaves, rules, n_grown, .. } = self;
        let keep = keep && sample.rows.is_none() && carry::is_worth_it(binned.n_rows(), growth.num_leaves);
        let source = Source { binned, derivatives, units };
        let search = Search::new(binned, growth, units, sample.features);
        let path = mix(*n_grown, 0);
        rules.clear();
        leaves.clear();
        let (growth, total) = (&*growth, Sums::default());
        match derivatives.hessians() {
            None => Round { source, growth, search, held, partition, pool: narrow, keep, total, rules, binned }.grow(
                sample.rows,
                carried,
                path,
                leaves,
            ),
            Some(_) => Round { source, growth, search, held, partition, pool: wide, keep, total, rules, binned }.grow(
                sample.rows,
                carried,
                path,
                leaves,
            ),
        }
    }

    /// Prepares the root of the next tree: the last one's leaves change derivatives in this way, which must be that of the
    /// next derivatives. Does nothing where histograms were not kept.
    pub(super) fn carry(&mut self, changes: &[Change]) {
        let Some(units) = self.units else { return };
        let Self { narrow, wide, .. } = self;
        self.carried = match (narrow.leaves.is_empty(), wide.leaves.is_empty()) {
            (false, _) => Some(Carried::new(&narrow.leaves, units, changes)),
            (_, false) => Some(Carried::new(&wide.leaves, units, changes)),
            _ => None,
        };
    }

    /// Whether the next root is there already.
    #[cfg(test)]
    pub(super) fn carries(&self) -> bool {
        self.carried.is_some()
    }

    /// Rows of a leaf of the last tree, ascending, of those it was grown on.
    pub(crate) fn leaf_rows(&self, leaf: usize) -> Cow<'_, [u32]> {
        self.leaves.get(leaf).map_or(Cow::Borrowed(&[]), |&place| self.partition.rows(place))
    }

    /// Adds the values of the leaves of the last tree, which may have been changed, to the scores of all rows.
    pub(crate) fn add_scores(&self, tree: &Tree, scores: &mut [f64]) {
        let leaves: Vec<(Place, f64)> =
            self.leaves.iter().zip(&tree.leaves).map(|(&place, leaf)| (place, leaf.value)).collect();
        self.partition.add_values(&leaves, scores, |row| self.walk(tree, row));
    }

    fn walk(&self, tree: &Tree, row: usize) -> f64 {
        let mut at = 0;
        loop {
            let split = &tree.splits[at];
            let (track, rule) = self.rules[at];
            match if rule.goes_left(self.binned.track(track).at(row)) { split.left } else { split.right } {
                Child::Split(next) => at = next as usize,
                Child::Leaf(leaf) => return tree.leaves[leaf as usize].value,
            }
        }
    }
}

impl<C: Cell> Round<'_, '_, C> {
    fn grow(
        mut self,
        rows: Option<&[u32]>,
        carried: Option<Carried>,
        path: u64,
        leaves: &mut Vec<Place>,
    ) -> Option<Tree> {
        let Pool { free, leaves: kept, .. } = &mut *self.pool;
        free.extend(kept.drain(..).map(|(_, histogram)| histogram));
        let place = self.partition.start(self.binned.n_rows(), rows);
        let mut histogram = self.histogram();
        let is_carried = carried.is_some();
        self.total = match carried {
            Some(carried) => carried.write(self.source.units, &mut histogram),
            None => {
                self.partition.sum(place, &self.source, &mut histogram);
                self.sums_of(&histogram)
            }
        };
        let (g, h) = self.search.floats(self.total);
        let mut root = Node {
            place,
            sums: self.total,
            depth: 0,
            parent: None,
            value: Valuation::new(self.growth, 0.0, Bounds::NONE).value(g, h),
            bounds: Bounds::NONE,
            path,
            splittable: vec![true; self.binned.features().len()],
            used: Vec::new(),
            is_carried,
            candidate: None,
            histogram: None,
        };
        let most = self.growth.num_leaves.min(RESERVED);
        let (mut nodes, mut splits) = (Vec::with_capacity(most), Vec::with_capacity(most));
        let mut turns = Vec::with_capacity(most);
        self.open(&mut root, histogram, true);
        turns.push(self.turn(&root));
        nodes.push(root);
        while nodes.len() < self.growth.num_leaves {
            let Some(at) = next(&turns) else { break };
            let is_last = nodes.len() + 1 == self.growth.num_leaves;
            let Some((left, right)) = self.split(&mut nodes, at, &mut splits, is_last) else { break };
            turns[at] = self.turn(&left);
            turns.push(self.turn(&right));
            nodes[at] = left;
            nodes.push(right);
        }
        let histograms = nodes.iter_mut().filter_map(|n| Some((n.sums, n.histogram.take()?)));
        if self.keep && !splits.is_empty() {
            self.pool.leaves.extend(histograms);
        } else {
            self.pool.free.extend(histograms.map(|(_, histogram)| histogram));
        }
        if splits.is_empty() {
            return None;
        }
        leaves.extend(nodes.iter().map(|n| n.place));
        let leaf =
            |n: &Node<C>| TreeLeaf { value: n.value, cover: self.cover(n.sums), hessian: self.search.floats(n.sums).1 };
        let leaves = nodes.iter().map(leaf).collect();
        Some(Tree { splits, leaves })
    }

    /// When the turn of a leaf comes.
    fn turn(&self, node: &Node<C>) -> Turn {
        let depth = if self.growth.depth_wise { node.depth } else { 0 };
        node.candidate
            .as_ref()
            .map_or(Turn { depth: usize::MAX, gain: f64::NEG_INFINITY }, |c| Turn { depth, gain: c.gain })
    }

    /// The weights of the rows where they are the second derivatives, else their number.
    fn cover(&self, sums: Sums) -> f64 {
        match self.source.derivatives.hessians() {
            Some(Hessians::Fixed) => self.search.floats(sums).1,
            None | Some(Hessians::Each) => f64::from(sums.count),
        }
    }

    fn split(
        &mut self,
        nodes: &mut [Node<C>],
        at: usize,
        splits: &mut Vec<Split>,
        is_last: bool,
    ) -> Option<(Node<C>, Node<C>)> {
        let (new_leaf, node) = (nodes.len(), nodes.get_mut(at)?);
        let (candidate, parent) = (node.candidate.take()?, node.histogram.take()?);
        let Candidate { feature, rule, left: mut left_sums, .. } = candidate;
        let mut right_sums = node.sums.less(left_sums);
        let track = self.binned.tracks().track_of(feature);
        let byte_rule = self.binned.tracks().byte_rule(feature, &rule);
        let (n_left, n_right) = (left_sums.count as usize, right_sums.count as usize);
        let is_slot = matches!(node.place, Place::Slot(_));
        let bytes = self.held.track(self.binned, track, n_left + n_right, is_slot);
        let (left_place, right_place) = self.partition.split(node.place, bytes, &byte_rule, n_left, n_right);
        let place = splits.len();
        if let Some((above, is_left)) = node.parent {
            let above: &mut Split = &mut splits[above];
            *(if is_left { &mut above.left } else { &mut above.right }) = Child::Split(place as u32);
        }
        let (test, missing_left) = self.test(feature, &rule);
        let source = self.binned.source(feature);
        splits.push(Split {
            feature: source as u32,
            test,
            missing_left,
            zero_is_missing: false,
            left: Child::Leaf(at as u32),
            right: Child::Leaf(new_leaf as u32),
            gain: candidate.gain,
            value: node.value,
            cover: self.cover(node.sums),
            hessian: self.search.floats(node.sums).1,
        });
        self.rules.push((track, byte_rule));

        let depth = node.depth + 1;
        let full = is_last || self.growth.max_depth.is_some_and(|d| depth >= d);
        let may_split = |sums: Sums| !full && self.search.may_split(sums);
        let (left_may, right_may, few_left) = (may_split(left_sums), may_split(right_sums), n_left <= n_right);
        let mut histograms = None;
        let mut many_carried = false;
        if self.keep || left_may || right_may {
            let (few, many) = if few_left { (left_place, right_place) } else { (right_place, left_place) };
            let (few_sums, many_sums) =
                if few_left { (&mut left_sums, &mut right_sums) } else { (&mut right_sums, &mut left_sums) };
            let (mut summed, mut rest) = (self.histogram(), parent);
            self.partition.sum(few, &self.source, &mut summed);
            if node.is_carried {
                // What is summed from rows is free of the rounding of what is carried.
                *few_sums = self.sums_of(&summed);
                *many_sums = node.sums.less(*few_sums);
            }
            if node.is_carried && carry::is_too_little(*many_sums, self.total) {
                self.partition.sum(many, &self.source, &mut rest);
                *many_sums = self.sums_of(&rest);
            } else if self.keep || if few_left { right_may } else { left_may } {
                subtract(&mut rest, &summed, self.binned.tracks());
                many_carried = node.is_carried;
            }
            histograms = Some(if few_left { (summed, rest) } else { (rest, summed) });
        } else {
            self.pool.free.push(parent);
        }

        let valuation = Valuation::new(self.growth, candidate.more_l2, node.bounds);
        let value = |sums: Sums| {
            let (g, h) = self.search.floats(sums);
            valuation.value(g, h)
        };
        let (mut left_value, mut right_value) = (value(left_sums), value(right_sums));
        let (mut left_bounds, mut right_bounds) = (node.bounds, node.bounds);
        let middle = 0.5 * left_value + 0.5 * right_value;
        let direction = self.growth.monotone.get(source).copied().unwrap_or(0);
        match direction {
            1 => (left_bounds.high, right_bounds.low) = (middle, middle),
            -1 => (left_bounds.low, right_bounds.high) = (middle, middle),
            _ => {}
        }
        if f64::from(direction) * (right_value - left_value) < 0.0 {
            // Values that were equal but for rounding.
            (left_value, right_value) = (middle, middle);
        }
        let mut used = std::mem::take(&mut node.used);
        if !self.growth.interactions.is_empty() && !used.contains(&(source as u32)) {
            used.push(source as u32);
        }
        let path = node.path;
        let splittable = std::mem::take(&mut node.splittable);
        let child = |is_left: bool, place_of, sums, value, bounds, splittable, used| Node {
            place: place_of,
            sums,
            depth,
            parent: Some((place, is_left)),
            value,
            bounds,
            path: mix(path, u64::from(is_left) + 1),
            splittable,
            used,
            is_carried: many_carried && is_left != few_left,
            candidate: None,
            histogram: None,
        };
        let used_too = used.clone();
        let mut left = child(true, left_place, left_sums, left_value, left_bounds, splittable.clone(), used_too);
        let mut right = child(false, right_place, right_sums, right_value, right_bounds, splittable, used);
        if let Some((of_left, of_right)) = histograms {
            self.open(&mut left, of_left, left_may);
            self.open(&mut right, of_right, right_may);
        }
        Some((left, right))
    }

    /// The sums of all rows of a histogram: every row is in some cell of the first track.
    fn sums_of(&self, histogram: &Histogram<C>) -> Sums {
        let cells = histogram.first().map_or(&[] as &[C], |cells| cells);
        cells.iter().fold(Sums::default(), |sum, cell| sum.plus(cell.sums(self.source.units)))
    }

    fn test(&self, feature: usize, rule: &Rule) -> (Test, bool) {
        let missing_left = rule.goes_left(MISSING_BIN);
        let test = match (&self.binned.features()[feature], rule) {
            (Bins::Categorical(levels), Rule::Set(set)) => Test::OneOf(levels.levels(set)),
            (Bins::Numeric(cuts), Rule::Range { first, span }) => {
                Test::AtMost(cuts.threshold(first.saturating_add(*span)))
            }
            // No split on numbers is a set, and none on levels a range.
            (Bins::Categorical(_), Rule::Range { .. }) | (Bins::Numeric(_), Rule::Set(_)) => Test::AtMost(f64::MAX),
        };
        (test, missing_left)
    }

    /// Gives a node its histogram, and its best split if it may have one.
    fn open(&mut self, node: &mut Node<C>, histogram: Histogram<C>, may_split: bool) {
        if may_split {
            let allowed = self.allowed(&node.used);
            let open = Open { sums: node.sums, bounds: node.bounds, path: node.path };
            let scratch = self.pool.scratch.get_or_insert_with(|| Scratch::new(self.binned));
            let splittable = &mut node.splittable;
            node.candidate = self.search.best(&histogram, scratch, open, allowed.as_deref(), splittable);
        }
        if node.candidate.is_some() || self.keep {
            node.histogram = Some(histogram);
        } else {
            self.pool.free.push(histogram);
        }
    }

    /// Features of the groups that hold all features used so far.
    fn allowed(&self, used: &[u32]) -> Option<Vec<bool>> {
        if self.growth.interactions.is_empty() {
            return None;
        }
        let mut allowed = vec![false; self.binned.n_sources()];
        for group in self.growth.interactions.iter().filter(|group| used.iter().all(|u| group.contains(u))) {
            for &j in group {
                if let Some(allowed) = allowed.get_mut(j as usize) {
                    *allowed = true;
                }
            }
        }
        Some(allowed)
    }

    fn histogram(&mut self) -> Histogram<C> {
        self.pool.free.pop().unwrap_or_else(|| vec![[C::default(); CELLS]; self.binned.tracks().len()])
    }
}

#[cfg(test)]
mod tests;
