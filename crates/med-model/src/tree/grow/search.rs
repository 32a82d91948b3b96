//! The best split of a node.
//!
//! With `W` the sums of weights and `m` the means of the two sides, a split lowers the squared error by
//! `W_l W_r / (W_l + W_r) * (m_l - m_r)^2`. Levels are sorted by their mean first: then one of the cuts in that order is
//! the best of all sets (Fisher 1958; Breiman et al. 1984, section 4.2.2). Where the node has missing values they are
//! tried on either side, and alone.

use rand::RngExt;
use rand_pcg::Pcg64;

use super::Sums;
use super::sorted::{Entry, MISSING_RANK, Ranks, SortedColumn, midpoint};
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
    /// Features a node may choose from, where chance decides.
    pub(in crate::tree) max_features: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cut {
    AtMost { rank: u32, threshold: f64 },
    OneOf(LevelSet),
}

/// A split that could be made.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Candidate {
    /// In fixed point.
    pub(super) gain: f64,
    pub(super) feature: usize,
    pub(super) cut: Cut,
    pub(super) missing_left: bool,
    pub(super) left: Sums,
    pub(super) n_left: usize,
}

/// The one that gains more; of equal ones the first.
pub(super) fn better(a: Candidate, b: Candidate) -> Candidate {
    if b.gain > a.gain { b } else { a }
}

/// The rows of a node in the order of one feature.
pub(super) struct NodeRows<'a> {
    pub(super) column: &'a SortedColumn,
    pub(super) entries: &'a [Entry],
    pub(super) sums: &'a [Sums],
    pub(super) total: Sums,
}

/// Rows on the left of a cut.
#[derive(Debug, Clone, Copy, Default)]
struct Side {
    sums: Sums,
    n: usize,
}

impl Side {
    fn and(mut self, other: Self) -> Self {
        self.sums.add(other.sums);
        Self { sums: self.sums, n: self.n + other.n }
    }
}

impl NodeRows<'_> {
    fn side(&self, entries: &[Entry]) -> Side {
        let mut sums = Sums::default();
        entries.iter().for_each(|e| sums.add(self.sums[e.row as usize]));
        Side { sums, n: entries.len() }
    }

    /// Present and missing rows.
    fn parts(&self) -> (&[Entry], &[Entry]) {
        // Missing values stand last; mostly there are none.
        let n_present = match self.entries.last() {
            Some(e) if e.rank == MISSING_RANK => self.entries.partition_point(|e| e.rank != MISSING_RANK),
            _ => self.entries.len(),
        };
        self.entries.split_at(n_present)
    }

    /// What this split lowers the error by, if both sides are large enough.
    fn gain(&self, left: Side, rules: &Rules) -> Option<f64> {
        let n_right = self.entries.len() - left.n;
        let right = self.total.less(left.sums);
        if left.n.min(n_right) < rules.min_samples_leaf || left.sums.weight <= 0 || right.weight <= 0 {
            return None;
        }
        let difference = left.sums.mean() - right.mean();
        let weight = left.sums.weight as f64 / self.total.weight as f64 * right.weight as f64;
        let gain = weight * difference * difference;
        (gain > 0.0).then_some(gain)
    }

    /// The better side for missing rows, with the gain and all that goes left.
    fn with_missing(&self, left: Side, missing: Side, rules: &Rules) -> Option<(f64, bool, Side)> {
        if missing.n == 0 {
            // Later ones go with the majority.
            let gain = self.gain(left, rules)?;
            return Some((gain, 2 * left.n >= self.entries.len(), left));
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

/// The best split on this feature.
pub(super) fn best(feature: usize, node: &NodeRows<'_>, rules: &Rules) -> Option<Candidate> {
    let (present, missing) = node.parts();
    let missing = node.side(missing);
    match &node.column.ranks {
        Ranks::Numbers(distinct) => best_threshold(feature, node, distinct, present, missing, rules),
        Ranks::Levels => best_levels(feature, node, present, missing, rules),
    }
}

fn best_threshold(
    feature: usize,
    node: &NodeRows<'_>,
    distinct: &[f64],
    present: &[Entry],
    missing: Side,
    rules: &Rules,
) -> Option<Candidate> {
    let mut best: Option<(f64, bool, Side)> = None;
    let mut left = Side::default();
    for (i, pair) in present.windows(2).enumerate() {
        left.sums.add(node.sums[pair[0].row as usize]);
        if pair[0].rank == pair[1].rank {
            continue;
        }
        left.n = i + 1;
        if let Some(found) = node.with_missing(left, missing, rules)
            && best.is_none_or(|b| found.0 > b.0)
        {
            best = Some((found.0, found.1, Side { n: left.n, ..found.2 }));
        }
    }
    // All numbers left, the missing ones right.
    let all = node.side(if missing.n > 0 { present } else { &[] });
    let alone = if missing.n > 0 && all.n > 0 { node.gain(all, rules) } else { None };
    if let Some(gain) = alone
        && best.is_none_or(|b| gain > b.0)
    {
        let cut = Cut::AtMost { rank: present.last()?.rank, threshold: f64::MAX };
        return Some(Candidate { gain, feature, cut, missing_left: false, left: all.sums, n_left: all.n });
    }
    let (gain, missing_left, side) = best?;
    let (below, above) = (present.get(side.n - 1)?.rank, present.get(side.n)?.rank);
    let threshold = midpoint(*distinct.get(below as usize)?, *distinct.get(above as usize)?);
    let n_left = side.n + if missing_left { missing.n } else { 0 };
    let cut = Cut::AtMost { rank: below, threshold };
    Some(Candidate { gain, feature, cut, missing_left, left: side.sums, n_left })
}

/// Rows of each level that the node has, by the code.
fn by_level(node: &NodeRows<'_>, present: &[Entry]) -> Vec<(u32, Side)> {
    present.chunk_by(|a, b| a.rank == b.rank).map(|level| (level[0].rank, node.side(level))).collect()
}

fn best_levels(
    feature: usize,
    node: &NodeRows<'_>,
    present: &[Entry],
    missing: Side,
    rules: &Rules,
) -> Option<Candidate> {
    let mut levels = by_level(node, present);
    levels.sort_by(|(a, x), (b, y)| x.sums.mean().total_cmp(&y.sums.mean()).then(a.cmp(b)));
    let mut best: Option<(f64, bool, Side, usize)> = None;
    let mut left = Side::default();
    for (i, &(_, level)) in levels.iter().enumerate() {
        left = left.and(level);
        // The last cut parts the missing ones from all others, on the right only.
        let found = if i + 1 < levels.len() {
            node.with_missing(left, missing, rules)
        } else if missing.n > 0 {
            node.gain(left, rules).map(|gain| (gain, false, left))
        } else {
            None
        };
        if let Some((gain, missing_left, side)) = found
            && best.is_none_or(|b| gain > b.0)
        {
            best = Some((gain, missing_left, side, i + 1));
        }
    }
    let (gain, missing_left, side, n) = best?;
    let cut = Cut::OneOf(levels[..n].iter().map(|l| l.0).collect());
    Some(Candidate { gain, feature, cut, missing_left, left: side.sums, n_left: side.n })
}

/// One split of this feature by chance.
fn random(feature: usize, node: &NodeRows<'_>, rules: &Rules, generator: &mut Pcg64) -> Option<Candidate> {
    let (present, missing) = node.parts();
    let missing = node.side(missing);
    let (cut, side) = match &node.column.ranks {
        Ranks::Numbers(distinct) => {
            let value = |e: &Entry| distinct.get(e.rank as usize).copied();
            let (low, high) = (value(present.first()?)?, value(present.last()?)?);
            if low == high {
                return None;
            }
            // Weighted halves, since the difference of the two may overflow.
            let share: f64 = generator.random();
            let threshold = (low * (1.0 - share) + high * share).clamp(low, high.next_down());
            let n = present.partition_point(|e| value(e).is_some_and(|v| v <= threshold));
            (Cut::AtMost { rank: present.get(n.checked_sub(1)?)?.rank, threshold }, node.side(&present[..n]))
        }
        Ranks::Levels => {
            let levels = by_level(node, present);
            let (mut chosen, mut side) = (LevelSet::default(), Side::default());
            let mut n = 0;
            for &(code, level) in &levels {
                if generator.random::<bool>() {
                    chosen.insert(code);
                    side = side.and(level);
                    n += 1;
                }
            }
            if n == 0 || n == levels.len() {
                return None;
            }
            (Cut::OneOf(chosen), side)
        }
    };
    let (gain, missing_left, left) = node.with_missing(side, missing, rules)?;
    Some(Candidate { gain, feature, cut, missing_left, left: left.sums, n_left: left.n })
}

/// The best split on features chosen by chance: `max_features` of them, and more until one can be split at all.
pub(super) fn chosen<'a>(
    n_features: usize,
    rules: &Rules,
    generator: &mut Pcg64,
    node: impl Fn(usize) -> NodeRows<'a>,
) -> Option<Candidate> {
    let mut features: Vec<usize> = (0..n_features).collect();
    let mut found = None;
    for i in 0..n_features {
        if i >= rules.max_features && found.is_some() {
            break;
        }
        let j = generator.random_range(i..n_features);
        features.swap(i, j);
        let rows = node(features[i]);
        let candidate = match rules.choice {
            Choice::Best => best(features[i], &rows, rules),
            Choice::Random => random(features[i], &rows, rules, generator),
        };
        found = found.into_iter().chain(candidate).reduce(better);
    }
    found
}
