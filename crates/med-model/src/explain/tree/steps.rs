//! A tree as a list of steps that play the games of all its leaves together.
//!
//! `game` gives a leaf's values as integrals of products, one factor a feature. Leaves of a tree share most factors, so
//! products are carried down the tree, one for each point of the quadrature, and sums over leaves are carried up (Yu et al. 2022,
//! arXiv 2209.08192, do it with polynomials). Let `g = o t + z (1 - t)` be the factor of the feature that a split asks, by all
//! splits on it down to here, `g'` the same with this split too, and `r = (o - z) / g`, `r' = (o' - z') / g'`. Down to a child
//! the product is multiplied by `g' / g`. Up from it, with `S` the sum over the leaves below of product times value, `S (r' - r)`
//! is added to the feature's value: what an earlier split on the feature says of these leaves is taken back, what this one says is
//! added.
//!
//! Where there was no earlier split on the feature, `o = z = 1`. With `o = 0` a row has failed already: then `g' / g = z' / z`, the
//! share of training rows of this split alone, and `r' = r = -1 / (1 - t)`. Else `g >= t > 0`. So a step has three constants a
//! point, known before any row is, and picks one by the row's answers. Points do not meet: many of them can be done in parts.

use super::quadrature::Points;
use super::region::fraction;
use crate::tree::{Child, Split, Tree};

/// Where a row's answer is kept: two for each level, whether it goes on to the left child and whether to the right one, having
/// passed all that the path asked of the feature before.
pub(super) type Answer = usize;

/// What is done with a row at a level of the tree. The level of the root is 0.
#[derive(Debug)]
pub(super) enum Step<'t> {
    /// Answers `2 level` and `2 level + 1` are found.
    Test { split: &'t Split, level: usize, earlier: Option<Answer> },
    /// The leaves that hang on this split, one or both; the answer is whether the row goes to the first of them. Begins
    /// the level's sum.
    Leaves { level: usize, choice: Choice, feature: usize, failed: f64 },
    /// The products of the next level.
    Down { level: usize, choice: Choice, failed: f64 },
    /// What the next level comes to. `begins` the level's sum or is added to it.
    Up { level: usize, choice: Choice, feature: usize, begins: bool },
}

/// Which constants a row has: those of rows that pass, of rows that fail, or, having failed an earlier test of the feature
/// already, the step's `failed`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Choice {
    pub(super) answer: Answer,
    pub(super) earlier: Option<Answer>,
    /// Which constants, counted in lists of one [`Constants`] a point.
    pub(super) at: usize,
}

/// At one point, for rows that pass and those that fail.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Constants {
    /// `g' / g`; of leaves, times their values.
    pub(super) ratio: [f64; 2],
    /// `r' - r`; of leaves, times `g' / g` and their values.
    pub(super) share: [f64; 2],
}

/// A tree, ready for rows.
#[derive(Debug)]
pub(super) struct Steps<'t> {
    pub(super) list: Vec<Step<'t>>,
    pub(super) constants: Vec<Constants>,
    /// Weights of the points.
    pub(super) weights: &'t [f64],
    /// Levels that have splits.
    pub(super) n_levels: usize,
}

/// The last split on a feature above a node.
#[derive(Debug, Clone, Copy)]
struct Last {
    answer: Answer,
    /// Share of the training rows that pass everything asked of the feature so far.
    z: f64,
}

/// What is left to do.
enum Task {
    Visit { split: usize, level: usize },
    Down(Way),
    Up { way: Way, choice: Choice, before: Option<Last> },
}

/// From a split to a child that is a split.
#[derive(Debug, Clone, Copy)]
struct Way {
    split: usize,
    level: usize,
    left: bool,
    child: usize,
    /// Its constants, as [`Choice::at`].
    at: usize,
    /// Whether it is the first to bring something to the level's sum.
    begins: bool,
}

struct Writer<'t> {
    tree: &'t Tree,
    weight: f64,
    points: Points<'t>,
    /// By feature.
    last: Vec<Option<Last>>,
    /// `1 / g'` at each point for rows that pass, by answer.
    inverse: Vec<f64>,
    steps: Steps<'t>,
}

impl<'t> Steps<'t> {
    /// Leaf values are multiplied by `weight`.
    pub(super) fn new(tree: &'t Tree, weight: f64, n_features: usize, points: Points<'t>) -> Self {
        let steps = Steps { list: Vec::new(), constants: Vec::new(), weights: points.weights, n_levels: 0 };
        let mut writer = Writer { tree, weight, points, last: vec![None; n_features], inverse: Vec::new(), steps };
        let mut open = Vec::new();
        if !tree.splits.is_empty() {
            open.push(Task::Visit { split: 0, level: 0 });
        }
        while let Some(task) = open.pop() {
            match task {
                Task::Visit { split, level } => writer.visit(split, level, &mut open),
                Task::Down(way) => writer.down(way, &mut open),
                Task::Up { way, choice, before } => {
                    let feature = tree.splits[way.split].feature as usize;
                    writer.last[feature] = before;
                    writer.steps.list.push(Step::Up { level: way.level, choice, feature, begins: way.begins });
                }
            }
        }
        writer.steps
    }
}

impl Steps<'_> {
    /// How many lists of constants there are.
    fn n_constants(&self) -> usize {
        self.constants.len() / self.weights.len().max(1)
    }
}

impl<'t> Writer<'t> {
    /// Tests a split and sums its leaves; its other children are left to do.
    fn visit(&mut self, place: usize, level: usize, open: &mut Vec<Task>) {
        let tree = self.tree;
        let split = &tree.splits[place];
        let feature = split.feature as usize;
        let earlier = self.last[feature].map(|last| last.answer);
        self.steps.list.push(Step::Test { split, level, earlier });
        self.steps.n_levels = self.steps.n_levels.max(level + 1);
        let constants = [true, false].map(|left| self.constants(split, level, left));
        let mut leaves: Option<(Step<'t>, Vec<Constants>)> = None;
        for (left, constants) in [true, false].into_iter().zip(&constants) {
            let Child::Leaf(leaf) = split.child(left) else { continue };
            let value = tree.leaves[leaf as usize].value * self.weight;
            let value_if_failed = value * fraction(tree, split, left);
            let times = |c: &Constants| Constants {
                ratio: c.ratio.map(|ratio| value * ratio),
                share: [0, 1].map(|k| value * c.ratio[k] * c.share[k]),
            };
            match &mut leaves {
                None => {
                    let choice = Choice { answer: answer(level, left), earlier, at: self.steps.n_constants() };
                    let step = Step::Leaves { level, choice, feature, failed: value_if_failed };
                    leaves = Some((step, constants.iter().map(times).collect()));
                }
                Some((step, sums)) => {
                    if let Step::Leaves { failed, .. } = step {
                        *failed += value_if_failed;
                    }
                    // Rows that pass to one leaf fail the other.
                    for (sum, c) in sums.iter_mut().zip(constants.iter().map(times)) {
                        for k in 0..2 {
                            sum.ratio[k] += c.ratio[1 - k];
                            sum.share[k] += c.share[1 - k];
                        }
                    }
                }
            }
        }
        let mut begins = true;
        if let Some((step, constants)) = leaves {
            self.steps.list.push(step);
            self.steps.constants.extend(constants);
            begins = false;
        }
        let first = open.len();
        for (left, constants) in [true, false].into_iter().zip(constants) {
            if let Child::Split(child) = split.child(left) {
                let at = self.steps.n_constants();
                self.steps.constants.extend(constants);
                open.push(Task::Down(Way { split: place, level, left, child: child as usize, at, begins }));
                begins = false;
            }
        }
        // What was put last is done first.
        open[first..].reverse();
    }

    fn down(&mut self, way: Way, open: &mut Vec<Task>) {
        let split = &self.tree.splits[way.split];
        let last = &mut self.last[split.feature as usize];
        let (before, share) = (*last, fraction(self.tree, split, way.left));
        let answer = answer(way.level, way.left);
        let choice = Choice { answer, earlier: before.map(|b| b.answer), at: way.at };
        self.steps.list.push(Step::Down { level: way.level, choice, failed: share });
        *last = Some(Last { answer, z: before.map_or(1.0, |b| b.z) * share });
        open.push(Task::Up { way, choice, before });
        open.push(Task::Visit { split: way.child, level: way.level + 1 });
    }

    /// The constants of the way to a child.
    fn constants(&mut self, split: &Split, level: usize, left: bool) -> Vec<Constants> {
        let n = self.points.at.len();
        let before = self.last[split.feature as usize];
        let z = before.map_or(1.0, |b| b.z);
        let z_new = z * fraction(self.tree, split, left);
        let place = answer(level, left) * n;
        self.inverse.resize(self.inverse.len().max(place + n), 0.0);
        let of = |(q, &t): (usize, &f64)| {
            let inverse = before.map_or(1.0, |b| self.inverse[b.answer * n + q]);
            let g_new = t + z_new * (1.0 - t);
            let inverse_new = 1.0 / g_new;
            self.inverse[place + q] = inverse_new;
            let r = (1.0 - z) * inverse;
            Constants {
                ratio: [g_new * inverse, z_new * (1.0 - t) * inverse],
                share: [(1.0 - z_new) * inverse_new - r, -1.0 / (1.0 - t) - r],
            }
        };
        self.points.at.iter().enumerate().map(of).collect()
    }
}

fn answer(level: usize, left: bool) -> Answer {
    2 * level + usize::from(!left)
}

/// Most distinct features on any path of a tree.
pub(super) fn most_players(tree: &Tree, n_features: usize) -> usize {
    let mut asked = vec![0_usize; n_features];
    let (mut players, mut most) = (0, 0);
    // Each split twice: on the way down, and when all below it is done.
    let mut open: Vec<(usize, bool)> = if tree.splits.is_empty() { Vec::new() } else { vec![(0, false)] };
    while let Some((place, done)) = open.pop() {
        let split = &tree.splits[place];
        let asked = &mut asked[split.feature as usize];
        if done {
            *asked -= 1;
            players -= usize::from(*asked == 0);
            continue;
        }
        players += usize::from(*asked == 0);
        *asked += 1;
        most = most.max(players);
        open.push((place, true));
        for child in [split.left, split.right] {
            if let Child::Split(child) = child {
                open.push((child as usize, false));
            }
        }
    }
    most
}
