//! One tree, leaf by leaf: the leaf is split that gains most, or that is nearest to the root.
//!
//! Of a split's children only the smaller is summed; what is left of the parent's histogram is the larger one's. A smaller
//! one that cannot be split needs no histogram, and its rows are taken out of its parent's. The root is carried over from
//! the last tree where that can be (see `carry`). Sums are integers, so trees depend neither on the order of the rows nor
//! on the number of threads.

mod turns;

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
use turns::Turns;

/// Leaves that there is room for at once, lest a huge limit take it all.
const RESERVED: usize = 1 << 10;
/// So few rows are taken out of a histogram one by one, where they need none of their own: more are summed in parallel.
const FEW: usize = 1 << 10;

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

/// Buffers that go from tree to tree.
#[derive(Debug, Default)]
struct Pool<C> {
    free: Vec<Histogram<C>>,
    scratch: Option<Scratch<C>>,
    nodes: Nodes<C>,
    /// Histograms of the leaves of the last tree, where they are kept.
    leaves: Vec<(Sums, Histogram<C>)>,
}

/// The leaves of a growing tree.
#[derive(Debug, Default)]
struct Nodes<C> {
    leaves: Vec<Node<C>>,
    /// Features that have more than one value left, a leaf after another.
    splittable: Vec<bool>,
    turns: Turns,
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
            used: Vec::new(),
            is_carried,
            candidate: None,
            histogram: None,
        };
        let mut nodes = std::mem::take(&mut self.pool.nodes);
        nodes.leaves.clear();
        nodes.turns.clear();
        nodes.splittable.clear();
        nodes.splittable.resize(self.binned.features().len(), true);
        self.open(&mut root, &mut nodes.splittable, histogram, true);
        nodes.turns.set(0, self.turn(&root));
        nodes.leaves.push(root);
        let mut splits = Vec::with_capacity(self.growth.num_leaves.min(RESERVED));
        while nodes.leaves.len() < self.growth.num_leaves
            && let Some(at) = nodes.turns.next()
        {
            self.split(&mut nodes, at, &mut splits);
        }
        let histograms = nodes.leaves.iter_mut().filter_map(|n| Some((n.sums, n.histogram.take()?)));
        if self.keep && !splits.is_empty() {
            self.pool.leaves.extend(histograms);
        } else {
            self.pool.free.extend(histograms.map(|(_, histogram)| histogram));
        }
        let leaf =
            |n: &Node<C>| TreeLeaf { value: n.value, cover: self.cover(n.sums), hessian: self.search.floats(n.sums).1 };
        let tree = (!splits.is_empty()).then(|| {
            leaves.extend(nodes.leaves.iter().map(|n| n.place));
            Tree { splits, leaves: nodes.leaves.iter().map(leaf).collect() }
        });
        self.pool.nodes = nodes;
        tree
    }

    /// When the turn of a leaf comes.
    fn turn(&self, node: &Node<C>) -> Option<(u32, f64)> {
        let depth = if self.growth.depth_wise { node.depth as u32 } else { 0 };
        node.candidate.as_ref().map(|candidate| (depth, candidate.gain))
    }

    /// The weights of the rows where they are the second derivatives, else their number.
    fn cover(&self, sums: Sums) -> f64 {
        match self.source.derivatives.hessians() {
            Some(Hessians::Fixed) => self.search.floats(sums).1,
            None | Some(Hessians::Each) => f64::from(sums.count),
        }
    }

    /// Splits a leaf, whose place the left child takes; the right one is the last.
    fn split(&mut self, nodes: &mut Nodes<C>, at: usize, splits: &mut Vec<Split>) {
        let Nodes { leaves, splittable, turns } = nodes;
        let new_leaf = leaves.len();
        let is_last = new_leaf + 1 == self.growth.num_leaves;
        let node = &mut leaves[at];
        let (Some(candidate), Some(parent)) = (node.candidate.take(), node.histogram.take()) else {
            turns.set(at, None);
            return;
        };
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
        let few_may = if few_left { left_may } else { right_may };
        let mut histograms = None;
        let mut many_carried = false;
        let few_place = if few_left { left_place } else { right_place };
        let is_short = matches!(few_place, Place::List { len, .. } if len < FEW);
        if !(self.keep || few_may || node.is_carried) && (left_may || right_may) && is_short {
            // The smaller child needs no histogram.
            let mut rest = parent;
            self.partition.take(few_place, &self.source, &mut rest);
            histograms = Some(if few_left { (None, Some(rest)) } else { (Some(rest), None) });
        } else if self.keep || left_may || right_may {
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
            let (summed, rest) = (Some(summed), Some(rest));
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
        if !self.growth.interactions.is_empty() && !node.used.contains(&(source as u32)) {
            node.used.push(source as u32);
        }
        let mut right = Node {
            place: right_place,
            sums: right_sums,
            depth,
            parent: Some((place, false)),
            value: right_value,
            bounds: right_bounds,
            path: mix(node.path, 1),
            used: node.used.clone(),
            is_carried: many_carried && few_left,
            candidate: None,
            histogram: None,
        };
        node.place = left_place;
        node.sums = left_sums;
        node.depth = depth;
        node.parent = Some((place, true));
        node.value = left_value;
        node.bounds = left_bounds;
        node.path = mix(node.path, 2);
        node.is_carried = many_carried && !few_left;
        let n_features = self.binned.features().len();
        splittable.extend_from_within(at * n_features..(at + 1) * n_features);
        if let Some((of_left, of_right)) = histograms {
            if let Some(histogram) = of_left {
                self.open(node, &mut splittable[at * n_features..(at + 1) * n_features], histogram, left_may);
            }
            if let Some(histogram) = of_right {
                self.open(&mut right, &mut splittable[new_leaf * n_features..], histogram, right_may);
            }
        }
        turns.set(at, self.turn(node));
        turns.set(new_leaf, self.turn(&right));
        leaves.push(right);
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
    fn open(&mut self, node: &mut Node<C>, splittable: &mut [bool], histogram: Histogram<C>, may_split: bool) {
        if may_split {
            let allowed = self.allowed(&node.used);
            let open = Open { sums: node.sums, bounds: node.bounds, path: node.path };
            let scratch = self.pool.scratch.get_or_insert_with(|| Scratch::new(self.binned));
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
