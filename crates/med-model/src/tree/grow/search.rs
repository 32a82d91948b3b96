//! The best split of a node.
//!
//! With `W` the sums of weights and `m` the means of the two sides, a split lowers the squared error by
//! `W_l W_r / (W_l + W_r) * (m_l - m_r)^2`. Levels are sorted by their mean first: then one of the cuts in that order is
//! the best of all sets (Fisher 1958; Breiman et al. 1984, section 4.2.2). Where the node has missing values they are
//! tried on either side, and alone.

use rand::RngExt;
use rand_pcg::Pcg64;

use super::Sums;
use crate::tree::structure::LevelSet;

/// How a threshold is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::tree) enum Choice {
    /// The best of all.
    Best,
    /// One a feature by chance, between the smallest and the largest value of the node (Geurts, Ernst, Wehenkel 2006).
    Random,
}

/// When and how nodes are split.
#[derive(Debug, Clone)]
pub(in crate::tree) struct Rules {
    pub(in crate::tree) choice: Choice,
    pub(in crate::tree) max_depth: Option<usize>,
    pub(in crate::tree) max_leaf_nodes: Option<usize>,
    pub(in crate::tree) min_samples_leaf: usize,
    pub(in crate::tree) min_samples_split: usize,
    pub(in crate::tree) min_impurity_decrease: f64,
    /// Features a node may choose from, where chance decides; a third of those that vary without a number.
    pub(in crate::tree) max_features: Option<usize>,
}

/// What the ranks of a feature stand for.
#[derive(Debug)]
pub(super) enum Ranks {
    /// The smallest and the largest number of each rank, ascending.
    Numbers(Vec<(f64, f64)>),
    /// Levels, or bins of them.
    Levels,
}

/// Which ranks go left.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::tree) enum Cut {
    AtMost { rank: u32, threshold: f64 },
    OneOf(LevelSet),
}

/// A split that could be made.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::tree) struct Candidate {
    /// In fixed point.
    pub(super) gain: f64,
    pub(super) feature: usize,
    pub(super) cut: Cut,
    pub(super) missing_left: bool,
    /// As far as the search saw them.
    pub(super) left: Sums,
    pub(super) n_left: usize,
}

/// The one that gains more; of equal ones the first.
pub(super) fn better(a: Candidate, b: Candidate) -> Candidate {
    if b.gain > a.gain { b } else { a }
}

/// A node as one feature sees it.
pub(super) struct View<'a> {
    pub(super) feature: usize,
    pub(super) ranks: &'a Ranks,
    pub(super) missing: Side,
    pub(super) total: Side,
}

/// Some rows of a node.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Side {
    pub(super) sums: Sums,
    pub(super) n: usize,
}

impl Side {
    pub(super) fn add(&mut self, sums: Sums) {
        self.sums.add(sums);
        self.n += 1;
    }

    fn and(mut self, other: Self) -> Self {
        self.sums.add(other.sums);
        Self { sums: self.sums, n: self.n + other.n }
    }

    fn less(self, other: Self) -> Self {
        Self { sums: self.sums.less(other.sums), n: self.n - other.n }
    }
}

impl View<'_> {
    /// What this split lowers the error by, if both sides are large enough.
    #[inline(always)]
    fn gain(&self, left: Side, rules: &Rules) -> Option<f64> {
        let right = self.total.less(left);
        if left.n.min(right.n) < rules.min_samples_leaf || left.sums.weight <= 0 || right.sums.weight <= 0 {
            return None;
        }
        let (of_left, of_right) = (left.sums.weight as f64, right.sums.weight as f64);
        // The difference of the means times both weights: one division for the whole.
        let difference = left.sums.target as f64 * of_right - right.sums.target as f64 * of_left;
        let gain = difference * difference / (of_left * of_right * self.total.sums.weight as f64);
        (gain > 0.0).then_some(gain)
    }

    /// The better side for missing rows, with the gain and all that goes left.
    #[inline(always)]
    fn with_missing(&self, left: Side, rules: &Rules) -> Option<(f64, bool, Side)> {
        let missing = self.missing;
        if missing.n == 0 {
            // Later ones go with the majority.
            let gain = self.gain(left, rules)?;
            return Some((gain, 2 * left.n >= self.total.n, left));
        }
        let to_right = self.gain(left, rules).map(|gain| (gain, false, left));
        let with = left.and(missing);
        let to_left = self.gain(with, rules).map(|gain| (gain, true, with));
        match (to_right, to_left) {
            (Some(right), Some(left)) => Some(if left.0 > right.0 { left } else { right }),
            (right, left) => right.or(left),
        }
    }
}

/// The best split on this feature, of rows grouped by rank.
pub(super) fn best(
    view: &View<'_>,
    groups: impl Iterator<Item = (u32, Side)> + Clone,
    rules: &Rules,
) -> Option<Candidate> {
    match view.ranks {
        Ranks::Numbers(numbers) => best_threshold(view, numbers, groups, rules),
        Ranks::Levels => best_levels(view, groups, rules),
    }
}

/// Between the last number of a rank and the first one of another.
fn between(numbers: &[(f64, f64)], below: u32, above: u32) -> Option<(f64, f64)> {
    Some((numbers.get(below as usize)?.1, numbers.get(above as usize)?.0))
}

fn best_threshold(
    view: &View<'_>,
    numbers: &[(f64, f64)],
    groups: impl Iterator<Item = (u32, Side)>,
    rules: &Rules,
) -> Option<Candidate> {
    // Gain, missing left, left side, and the ranks about the cut; none above if only missing values are right.
    let mut best: Option<(f64, bool, Side, u32, Option<u32>)> = None;
    let (mut left, mut below) = (Side::default(), None);
    for (rank, side) in groups {
        if let Some(below) = below
            && let Some((gain, missing_left, side)) = view.with_missing(left, rules)
            && best.is_none_or(|b| gain > b.0)
        {
            best = Some((gain, missing_left, side, below, Some(rank)));
        }
        left = left.and(side);
        below = Some(rank);
    }
    if view.missing.n > 0
        && let Some(gain) = view.gain(left, rules)
        && best.is_none_or(|b| gain > b.0)
    {
        best = Some((gain, false, left, below?, None));
    }
    let (gain, missing_left, left, rank, above) = best?;
    let threshold = match above {
        Some(above) => between(numbers, rank, above).map(|(a, b)| midpoint(a, b))?,
        None => f64::MAX,
    };
    let cut = Cut::AtMost { rank, threshold };
    Some(Candidate { gain, feature: view.feature, cut, missing_left, left: left.sums, n_left: left.n })
}

fn best_levels(view: &View<'_>, groups: impl Iterator<Item = (u32, Side)>, rules: &Rules) -> Option<Candidate> {
    let mut levels: Vec<(u32, Side)> = groups.filter(|(_, side)| side.sums.weight > 0).collect();
    levels.sort_by(|(a, x), (b, y)| x.sums.mean().total_cmp(&y.sums.mean()).then(a.cmp(b)));
    let mut best: Option<(f64, bool, Side, usize)> = None;
    let mut left = Side::default();
    for (i, &(_, level)) in levels.iter().enumerate() {
        left = left.and(level);
        // The last cut parts the missing ones from all others, on the right only.
        let found = if i + 1 < levels.len() {
            view.with_missing(left, rules)
        } else if view.missing.n > 0 {
            view.gain(left, rules).map(|gain| (gain, false, left))
        } else {
            None
        };
        if let Some((gain, missing_left, side)) = found
            && best.is_none_or(|b| gain > b.0)
        {
            best = Some((gain, missing_left, side, i + 1));
        }
    }
    let (gain, missing_left, left, n) = best?;
    let cut = Cut::OneOf(levels[..n].iter().map(|l| l.0).collect());
    Some(Candidate { gain, feature: view.feature, cut, missing_left, left: left.sums, n_left: left.n })
}

/// One split of this feature by chance; `first` and `last` are the ends of its ranks.
pub(super) fn random(
    view: &View<'_>,
    groups: impl Iterator<Item = (u32, Side)>,
    (first, last): (u32, u32),
    rules: &Rules,
    generator: &mut Pcg64,
) -> Option<Candidate> {
    let (cut, side) = match view.ranks {
        Ranks::Numbers(numbers) => {
            if first == last {
                return None;
            }
            let (low, high) = (numbers.get(first as usize)?.0, numbers.get(last as usize)?.1);
            // Weighted halves, since the difference of the two may overflow.
            let share: f64 = generator.random();
            let drawn = low * (1.0 - share) + high * share;
            let (mut side, mut below, mut above) = (Side::default(), first, last);
            for (rank, group) in groups {
                let is_left = rank == first || (rank != last && numbers.get(rank as usize)?.1 <= drawn);
                if !is_left {
                    above = rank;
                    break;
                }
                side = side.and(group);
                below = rank;
            }
            let (from, to) = between(numbers, below, above)?;
            (Cut::AtMost { rank: below, threshold: drawn.clamp(from, to.next_down().max(from)) }, side)
        }
        Ranks::Levels => {
            let (mut chosen, mut side, mut n_right) = (LevelSet::default(), Side::default(), 0);
            for (code, level) in groups {
                if generator.random::<bool>() {
                    chosen.insert(code);
                    side = side.and(level);
                } else {
                    n_right += 1;
                }
            }
            if side.n == 0 || n_right == 0 {
                return None;
            }
            (Cut::OneOf(chosen), side)
        }
    };
    let (gain, missing_left, left) = view.with_missing(side, rules)?;
    Some(Candidate { gain, feature: view.feature, cut, missing_left, left: left.sums, n_left: left.n })
}

/// A number `m` with `a <= m < b`, in the middle where there is room.
fn midpoint(a: f64, b: f64) -> f64 {
    let m = 0.5 * a + 0.5 * b;
    if m >= a && m < b { m } else { a }
}
