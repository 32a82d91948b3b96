//! Splits of a categorical feature.
//!
//! Few levels: each against the rest. More: levels, missing values as one of them, are sorted by `G / (H + cat_smooth)`, and
//! prefixes from either end are tried, which holds the best of all subsets (Fisher 1958, JASA 53:789). Levels of few rows
//! stay on the right, steps take `min_data_per_group` rows, and `cat_l2` is added to the penalty, as LightGBM does.

use super::value::Valuation;
use super::{Best, Leaf, Search, Sums};
use crate::gbm::binning::{BinSet, MISSING_BIN};
use crate::gbm::growth::mix;
use crate::gbm::histogram::Cell;
use crate::gbm::rule::Rule;

/// Tries subsets of levels; whether there was more than one level.
pub(super) fn search<C: Cell>(
    search: &Search<'_>,
    leaf: &Leaf<'_>,
    feature: usize,
    cells: &[C],
    best: &mut Best,
) -> bool {
    let levels = (0..=u8::MAX)
        .zip(cells)
        .map(|(bin, cell)| (bin, cell.sums(search.units)))
        .filter(|l: &(u8, Sums)| l.1.count > 0);
    let n = levels.clone().count();
    if n < 2 {
        return false;
    }
    if cells.len() - 1 <= search.growth.max_cat_to_onehot {
        one_against_rest(search, leaf, feature, levels, n, best);
    } else {
        sorted(search, leaf, feature, levels.collect(), best);
    }
    true
}

fn one_against_rest(
    search: &Search<'_>,
    leaf: &Leaf<'_>,
    feature: usize,
    levels: impl Iterator<Item = (u8, Sums)>,
    n: usize,
    best: &mut Best,
) {
    let chosen = chosen(search, leaf, feature, n);
    let mut has_missing = false;
    for (i, (bin, left)) in levels.enumerate() {
        has_missing |= bin == MISSING_BIN;
        if chosen.is_some_and(|chosen| i != chosen) {
            continue;
        }
        let gain = search.gain(leaf, &leaf.valuation, left);
        if gain > best.gain {
            best.set(gain, feature, rule([bin], left, leaf, has_missing), left, 0.0);
        }
    }
}

fn sorted(search: &Search<'_>, leaf: &Leaf<'_>, feature: usize, mut levels: Vec<(u8, Sums)>, best: &mut Best) {
    let growth = search.growth;
    let has_missing = levels[0].0 == MISSING_BIN;
    let valuation = Valuation::new(growth, growth.cat_l2, leaf.bounds);
    levels.retain(|l| f64::from(l.1.count) >= growth.cat_smooth);
    let mean = |sums: &Sums| {
        let (g, h) = search.floats(*sums);
        g / (h + growth.cat_smooth)
    };
    levels.sort_by(|a, b| mean(&a.1).total_cmp(&mean(&b.1)));
    let most = growth.max_cat_threshold.min(levels.len().div_ceil(2));
    let per_group = growth.min_data_per_group.min(u32::MAX as usize) as u32;
    let chosen = chosen(search, leaf, feature, most);
    for from_top in [false, true] {
        if from_top {
            levels.reverse();
        }
        let (mut left, mut in_group) = (Sums::default(), 0);
        for (i, level) in levels.iter().take(most).enumerate() {
            left = left.plus(level.1);
            in_group += level.1.count;
            let right = leaf.sums.less(left);
            if right.count < search.min_count.max(per_group) {
                break;
            }
            if left.count < search.min_count || in_group < per_group {
                continue;
            }
            in_group = 0;
            if chosen.is_some_and(|chosen| i != chosen) {
                continue;
            }
            let gain = search.gain(leaf, &valuation, left);
            if gain > best.gain {
                let bins = levels[..=i].iter().map(|l| l.0);
                best.set(gain, feature, rule(bins, left, leaf, has_missing), left, growth.cat_l2);
            }
        }
    }
}

/// The one of `n` that is tried where only a random one is.
fn chosen(search: &Search<'_>, leaf: &Leaf<'_>, feature: usize, n: usize) -> Option<usize> {
    let random = || mix(mix(search.growth.seed, leaf.path), 0x6c65_766c ^ (feature as u64) << 32);
    search.growth.extra_trees.then(|| random() as usize % n.max(1))
}

/// These bins go left, and with the majority missing values, if there were none to learn from.
fn rule(bins: impl IntoIterator<Item = u8>, left: Sums, leaf: &Leaf<'_>, has_missing: bool) -> Rule {
    let mut set = BinSet::default();
    bins.into_iter().for_each(|bin| set.insert(bin));
    if !has_missing && left.count >= leaf.sums.count - left.count {
        set.insert(MISSING_BIN);
    }
    Rule::Set(set)
}
