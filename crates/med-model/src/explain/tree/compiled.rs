//! A region, ready to tell rows' answers to each of its leaves.
//!
//! What a row's value of feature `f` means to a region is told by 64 bits: the leaves whose path the value passes. Values with
//! equal bits are one *state*. A row's answers to all leaves, a bit for each leaf and feature on its path, are a sum of one
//! vector a feature, which its state picks.

use super::cells::Cells;
use super::game::Game;
use super::quadrature::Rule;
use super::region::Region;
use crate::kernel::vectorised;

/// Places come in whole vectors of this many.
const LANES: usize = 16;

type Lanes = [u16; LANES];

/// Answers in a place.
const BITS: usize = 16;

/// A region, ready for rows.
#[derive(Debug)]
pub(super) struct Compiled {
    tested: Vec<Tested>,
    /// Vectors of places of a row.
    width: usize,
    /// The games of the leaves that ask anything, and where their answers begin.
    leaves: Vec<(usize, Game)>,
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

/// Buffers of one thread.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    places: Vec<Lanes>,
    products: Vec<f64>,
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
    /// `cells` are those of all features, `rules[n]` is the rule with `n` points.
    pub(super) fn new(region: &Region<'_>, cells: &[Option<Cells>], rules: &[Rule]) -> Self {
        let features = features(region, cells);
        let mut leaves = Vec::new();
        let mut places: Vec<Vec<Vec<u16>>> = Vec::new();
        for (leaf, path) in region.leaves.iter().enumerate().filter(|(_, path)| !path.features.is_empty()) {
            let game = Game::new(path, rules);
            let slot = places.len();
            places.extend(answers(&features, 1 << leaf, &game));
            leaves.push((slot, game));
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
        Self { tested: features.into_iter().enumerate().map(tested).collect(), width, leaves }
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

    /// Gives each leaf's number and game, each row and its answer to `visit`.
    pub(super) fn visit(
        &self,
        cells: &[Vec<u32>],
        rows: std::ops::Range<usize>,
        scratch: &mut Scratch,
        mut visit: impl FnMut((usize, &Game), usize, &[u16], &mut Vec<f64>),
    ) {
        let Scratch { places, products } = scratch;
        self.places(cells, rows, places);
        for (leaf, (slot, game)) in self.leaves.iter().enumerate() {
            let answer = *slot..slot + game.n_players().div_ceil(BITS);
            for (row, places) in places.chunks_exact(self.width).enumerate() {
                visit((leaf, game), row, &places.as_flattened()[answer.clone()], products);
            }
        }
    }
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
