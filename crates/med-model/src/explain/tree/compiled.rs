//! A region as lookup tables: from the cells of a row's values to its Shapley values.
//!
//! What a row's value of feature `f` means to a region is told by 64 bits: the leaves whose path the value passes. Values with
//! equal bits are one *state*. Neighbouring leaves are put into groups as long as the states of all their features,
//! seen by the group's leaves alone, have few enough combinations; the group's table holds the summed values of its leaves
//! for each of them. A row's place in the tables of all groups is a sum of one vector of offsets a feature. Leaves with
//! too many features for any table are a group of their own: their place is the row's answer, bit by bit, and their values
//! are computed row by row.

use super::cells::Cells;
use super::game::{EIGHT, Game};
use super::quadrature::Rule;
use super::region::{Path, Region};
use crate::kernel::vectorised;

/// Places come in whole vectors of this many.
const LANES: usize = 16;

type Lanes = [u16; LANES];

/// Answers in a place.
const BITS: usize = 16;

/// How large tables may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Cells of the table of several leaves.
    pub(super) cells: usize,
    /// Answers to one leaf that has a table.
    pub(super) answers: usize,
}

impl Limits {
    /// Nothing but single leaves without tables.
    pub(super) const NONE: Self = Self { cells: 0, answers: 0 };
}

/// A region, ready for rows.
#[derive(Debug)]
pub(super) struct Compiled {
    tested: Vec<Tested>,
    /// Vectors of places of a row.
    width: usize,
    groups: Vec<Group>,
}

/// A feature on some leaf's path.
#[derive(Debug)]
struct Tested {
    feature: usize,
    /// The state of each cell.
    states: Vec<u16>,
    /// What each state adds to each place.
    offsets: Vec<Lanes>,
}

#[derive(Debug)]
enum Group {
    Table { slot: usize, features: Vec<u32>, cells: Vec<f64> },
    Single { slot: usize, game: Game },
}

/// Buffers of one thread.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    places: Vec<Lanes>,
    products: Vec<f64>,
    known: Vec<[f64; EIGHT]>,
    values: Vec<[f64; EIGHT]>,
}

/// A feature on some leaf's path, before compilation.
struct Feature {
    feature: u32,
    /// Leaves that ask it.
    asked: u64,
    /// State of each cell.
    states: Vec<u16>,
    /// Leaves that each state passes.
    passed: Vec<u64>,
}

impl Compiled {
    /// Tables have at most `limit` cells; `cells` are those of all features, `rules[n]` the rule with `n` points.
    pub(super) fn new(region: &Region<'_>, cells: &[Option<Cells>], rules: &[Rule], limit: Limits) -> Self {
        let features = features(region, cells);
        let mut groups = Vec::new();
        let mut places: Vec<Vec<Vec<u16>>> = Vec::new();
        for leaves in grouped(&features, &region.leaves, limit) {
            let first = &region.leaves[leaves.trailing_zeros() as usize];
            if !has_table(first, limit) {
                let game = Game::new(first, rules);
                let slot = places.len();
                places.extend(answers(&features, leaves, &game));
                groups.push(Group::Single { slot, game });
            } else {
                let (group, place) = table(&features, region, rules, leaves, places.len());
                places.push(place);
                groups.push(group);
            }
        }
        let width = places.len().div_ceil(LANES);
        let tested = |(f, feature): (usize, Feature)| {
            let mut offsets = vec![[0; LANES]; feature.passed.len() * width];
            for (slot, place) in places.iter().enumerate() {
                for (state, &offset) in place[f].iter().enumerate() {
                    offsets[state * width + slot / LANES][slot % LANES] = offset;
                }
            }
            Tested { feature: feature.feature as usize, states: feature.states, offsets }
        };
        Self { tested: features.into_iter().enumerate().map(tested).collect(), width, groups }
    }

    /// The places of these rows, given the cells of each feature's values, row by row into `places`.
    fn places(&self, cells: &[Vec<u32>], rows: std::ops::Range<usize>, places: &mut Vec<Lanes>) {
        places.clear();
        places.resize(rows.len() * self.width, [0; LANES]);
        for tested in &self.tested {
            let cells = &cells[tested.feature][rows.clone()];
            vectorised(
                #[inline(always)]
                || match self.width {
                    1 => add_offsets::<1>(cells, tested, places),
                    2 => add_offsets::<2>(cells, tested, places),
                    3 => add_offsets::<3>(cells, tested, places),
                    4 => add_offsets::<4>(cells, tested, places),
                    width => add_any_offsets(width, cells, tested, places),
                },
            );
        }
    }

    /// Adds the Shapley values of these rows to `out`, which has `n_features` numbers for each of them.
    pub(super) fn add_into(
        &self,
        cells: &[Vec<u32>],
        rows: std::ops::Range<usize>,
        n_features: usize,
        scratch: &mut Scratch,
        out: &mut [f64],
    ) {
        let Scratch { places, known, values, .. } = scratch;
        self.places(cells, rows, places);
        for group in &self.groups {
            match group {
                Group::Table { slot, features, cells } => {
                    add_table(places, self.width, *slot, features, cells, n_features, out);
                }
                Group::Single { slot, game } => {
                    known.resize(game.n_players(), [0.0; EIGHT]);
                    values.resize(game.n_players(), [0.0; EIGHT]);
                    let eights = places.chunks(EIGHT * self.width).zip(out.chunks_mut(EIGHT * n_features));
                    for (places, out) in eights {
                        for (lane, places) in places.chunks_exact(self.width).enumerate() {
                            for (player, known) in known.iter_mut().enumerate() {
                                known[lane] = f64::from(place(places, slot + player / BITS) >> (player % BITS) & 1);
                            }
                        }
                        vectorised(
                            #[inline(always)]
                            || game.values_of_eight(known, values),
                        );
                        for (lane, out) in out.chunks_exact_mut(n_features).enumerate() {
                            for (&feature, values) in game.features.iter().zip(&*values) {
                                out[feature as usize] += values[lane];
                            }
                        }
                    }
                }
            }
        }
    }

    /// Of a region compiled without tables: gives each leaf's number and game, each row and its answer to `visit`.
    pub(super) fn visit(
        &self,
        cells: &[Vec<u32>],
        rows: std::ops::Range<usize>,
        scratch: &mut Scratch,
        mut visit: impl FnMut((usize, &Game), usize, &[u16], &mut Vec<f64>),
    ) {
        let Scratch { places, products, .. } = scratch;
        self.places(cells, rows, places);
        for (leaf, group) in self.groups.iter().enumerate() {
            if let Group::Single { slot, game } = group {
                let answer = *slot..slot + game.n_players().div_ceil(BITS);
                for (row, places) in places.chunks_exact(self.width).enumerate() {
                    visit((leaf, game), row, &places.as_flattened()[answer.clone()], products);
                }
            }
        }
    }
}

fn place(places: &[Lanes], slot: usize) -> u16 {
    places[slot / LANES][slot % LANES]
}

#[inline(always)]
fn add_offsets<const WIDTH: usize>(cells: &[u32], tested: &Tested, places: &mut [Lanes]) {
    let offsets = tested.offsets.as_chunks::<WIDTH>().0;
    for (places, &cell) in places.as_chunks_mut::<WIDTH>().0.iter_mut().zip(cells) {
        // Whole copies, so that the compiler adds whole vectors.
        let (mut sum, offsets) = (*places, offsets[usize::from(tested.states[cell as usize])]);
        for w in 0..WIDTH {
            for lane in 0..LANES {
                sum[w][lane] = sum[w][lane].wrapping_add(offsets[w][lane]);
            }
        }
        *places = sum;
    }
}

#[inline(always)]
fn add_any_offsets(width: usize, cells: &[u32], tested: &Tested, places: &mut [Lanes]) {
    for (places, &cell) in places.chunks_exact_mut(width).zip(cells) {
        let offsets = &tested.offsets[usize::from(tested.states[cell as usize]) * width..][..width];
        for (places, offsets) in places.iter_mut().zip(offsets) {
            for lane in 0..LANES {
                places[lane] += offsets[lane];
            }
        }
    }
}

/// Adds each row's numbers of a table to the row's features.
fn add_table(
    places: &[Lanes],
    width: usize,
    slot: usize,
    features: &[u32],
    cells: &[f64],
    n_features: usize,
    out: &mut [f64],
) {
    macro_rules! by_length {
        ($($d:literal)+) => {
            match features.len() {
                $($d => {
                    // The same as below, with a length known to the compiler.
                    let features: [usize; $d] = std::array::from_fn(|k| features[k] as usize);
                    let cells = cells.as_chunks::<$d>().0;
                    for (places, out) in places.chunks_exact(width).zip(out.chunks_exact_mut(n_features)) {
                        let values = &cells[usize::from(place(places, slot))];
                        for k in 0..$d {
                            out[features[k]] += values[k];
                        }
                    }
                })+
                d => {
                    for (places, out) in places.chunks_exact(width).zip(out.chunks_exact_mut(n_features)) {
                        let values = &cells[usize::from(place(places, slot)) * d..][..d];
                        for (&feature, value) in features.iter().zip(values) {
                            out[feature as usize] += value;
                        }
                    }
                }
            }
        };
    }
    by_length!(1 2 3 4 5 6 7 8 9 10 11 12);
}

/// Whether the answer of a single leaf says that the row passes what is asked of this player.
pub(super) fn passes(answer: &[u16], player: usize) -> bool {
    answer[player / BITS] >> (player % BITS) & 1 == 1
}

/// The features on the paths, their states and whom they pass.
fn features(region: &Region<'_>, cells: &[Option<Cells>]) -> Vec<Feature> {
    let mut found: Vec<Feature> = Vec::new();
    for (leaf, path) in region.leaves.iter().enumerate() {
        for &feature in &path.features {
            let place = found.iter().position(|f| f.feature == feature).unwrap_or_else(|| {
                found.push(Feature { feature, asked: 0, states: Vec::new(), passed: Vec::new() });
                found.len() - 1
            });
            found[place].asked |= 1 << leaf;
        }
    }
    for feature in &mut found {
        let Some(cells) = &cells[feature.feature as usize] else { continue };
        let above: Vec<_> = region.above.iter().filter(|(split, _)| split.feature == feature.feature).collect();
        let inner: Vec<_> = region.inner.iter().filter(|i| i.split.feature == feature.feature).collect();
        for cell in 0..cells.len() {
            let value = cells.member(cell);
            let reached = above.iter().all(|(split, left)| split.goes_left(value) == *left);
            let mut passed = if reached { u64::MAX } else { !feature.asked };
            for i in &inner {
                passed &= if i.split.goes_left(value) { !i.right } else { !i.left };
            }
            let state = match feature.passed.iter().position(|&p| p == passed) {
                Some(state) => state,
                None => {
                    feature.passed.push(passed);
                    feature.passed.len() - 1
                }
            };
            feature.states.push(state as u16);
        }
    }
    found
}

/// What distinct states of a feature come to in the eyes of these leaves: the class of each state, and whom each class passes.
fn classes(feature: &Feature, leaves: u64) -> (Vec<usize>, Vec<u64>) {
    let mut kinds: Vec<u64> = Vec::new();
    let class = |passed: &u64| {
        let seen = passed & leaves;
        kinds.iter().position(|&k| k == seen).unwrap_or_else(|| {
            kinds.push(seen);
            kinds.len() - 1
        })
    };
    let of = feature.passed.iter().map(class).collect();
    (of, kinds)
}

/// Cells of the table that these leaves would need together.
fn table_size(features: &[Feature], leaves: u64) -> usize {
    let (mut combinations, mut asked) = (1_usize, 0);
    for feature in features.iter().filter(|f| f.asked & leaves != 0) {
        combinations = combinations.saturating_mul(classes(feature, leaves).1.len());
        asked += 1;
    }
    // A place has 16 bits.
    if combinations > 1 << BITS { usize::MAX } else { combinations.saturating_mul(asked) }
}

/// Whether all answers to one leaf fit into a table.
fn has_table(leaf: &Path, limit: Limits) -> bool {
    let d = leaf.features.len();
    d < BITS && 1 << d <= limit.answers
}

/// Neighbouring leaves together, as long as their table stays in the limit; a leaf without a table of its own stays alone.
/// Leaves that ask nothing are in no group.
fn grouped(features: &[Feature], leaves: &[Path], limit: Limits) -> Vec<u64> {
    let mut groups: Vec<(u64, bool)> = Vec::new();
    for leaf in (0..leaves.len()).filter(|&l| !leaves[l].features.is_empty()) {
        let open = has_table(&leaves[leaf], limit);
        match groups.last_mut() {
            Some((group, true)) if open && table_size(features, *group | 1 << leaf) <= limit.cells => {
                *group |= 1 << leaf
            }
            _ => groups.push((1 << leaf, open)),
        }
    }
    groups.into_iter().map(|(group, _)| group).collect()
}

/// The places of one leaf's answers: one bit a player.
fn answers(features: &[Feature], leaf: u64, game: &Game) -> Vec<Vec<Vec<u16>>> {
    let mut places: Vec<Vec<Vec<u16>>> =
        vec![features.iter().map(|f| vec![0; f.passed.len()]).collect(); game.n_players().div_ceil(BITS)];
    for (player, &feature) in game.features.iter().enumerate() {
        for (f, asked) in features.iter().enumerate().filter(|(_, f)| f.feature == feature) {
            for (state, passed) in asked.passed.iter().enumerate() {
                places[player / BITS][f][state] = u16::from(passed & leaf != 0) << (player % BITS);
            }
        }
    }
    places
}

/// The table of these leaves, and what each state of each feature adds to the place in it.
fn table(
    features: &[Feature],
    region: &Region<'_>,
    rules: &[Rule],
    leaves: u64,
    slot: usize,
) -> (Group, Vec<Vec<u16>>) {
    let asked: Vec<usize> = (0..features.len()).filter(|&f| features[f].asked & leaves != 0).collect();
    let mut place: Vec<Vec<u16>> = features.iter().map(|f| vec![0; f.passed.len()]).collect();
    let (mut combinations, mut kinds) = (1, Vec::with_capacity(asked.len()));
    for &f in &asked {
        let (class, seen) = classes(&features[f], leaves);
        place[f] = class.iter().map(|c| (c * combinations) as u16).collect();
        combinations *= seen.len();
        kinds.push(seen);
    }
    let d = asked.len();
    let mut cells = vec![0.0; combinations * d];
    let mut answers: Vec<u32> = Vec::with_capacity(combinations);
    for leaf in (0..region.leaves.len()).filter(|l| leaves >> l & 1 == 1) {
        let game = Game::new(&region.leaves[leaf], rules);
        let values = game.table();
        let players = game.n_players();
        // Where each player's numbers go.
        let columns: Vec<usize> =
            (game.features.iter()).filter_map(|&f| asked.iter().position(|&a| features[a].feature == f)).collect();
        // The leaf's answer to every combination, one feature after the other.
        answers.clear();
        answers.push(0);
        for (column, seen) in kinds.iter().enumerate() {
            let player = columns.iter().position(|&c| c == column);
            let bit = |passed: u64| player.map_or(0, |p| ((passed >> leaf & 1) as u32) << p);
            let n = answers.len();
            for &passed in &seen[1..] {
                for at in 0..n {
                    answers.push(answers[at] | bit(passed));
                }
            }
            answers[..n].iter_mut().for_each(|a| *a |= bit(seen[0]));
        }
        for (answer, cells) in answers.iter().zip(cells.chunks_exact_mut(d)) {
            let values = &values[*answer as usize * players..][..players];
            for (&column, value) in columns.iter().zip(values) {
                cells[column] += value;
            }
        }
    }
    let features = asked.iter().map(|&f| features[f].feature).collect();
    (Group::Table { slot, features, cells }, place)
}
