//! Shapley values against a background: what is not known comes from rows of another sample.
//!
//! For one row `x` and one background row `b` a leaf is reached with the features of a set S from `x` if all features that only
//! `x` passes (`a` of them) are in S, none that only `b` passes (`c` of them) is, and each feature is passed by one of
//! the two. Then a feature that only `x` passes has the value `v (a - 1)! c! / (a + c)!`, one that only `b` passes
//! `-v a! (c - 1)! / (a + c)!` (Lundberg et al. 2020, Nature Machine Intelligence 2:56; Laberge and Pequignot 2022,
//! arXiv 2209.15123). Background rows that pass the same are counted, not repeated.
//!
//! Cost: rows times leaves times distinct answers of the background to a leaf times `d`.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::compiled::{Compiled, Scratch, passes};
use super::game::Game;
use super::{BLOCK, Batch, TreeSum, in_batches};
use crate::tree::ensemble::Column;

/// The Shapley values of each row, `columns.len()` numbers a row. The background has at least one row.
pub(in crate::explain) fn interventional(
    sum: &TreeSum<'_>,
    columns: &[Column<'_>],
    n_rows: usize,
    background: &[Column<'_>],
    n_background: usize,
) -> Vec<f64> {
    let n = columns.len();
    let mut values = vec![0.0; n_rows * n];
    in_batches(sum, columns, |batch| {
        let known = background_answers(batch, background, n_background);
        values.par_chunks_mut(BLOCK * n).enumerate().for_each(|(chunk, out)| {
            let rows = chunk * BLOCK..chunk * BLOCK + out.len() / n;
            let cells = batch.cells_of(columns, rows.clone());
            let mut scratch = Scratch::default();
            for (region, known) in batch.regions.iter().zip(&known) {
                region.visit(&cells, 0..rows.len(), &mut scratch, |(leaf, game), row, answer, _| {
                    let out = &mut out[row * n..][..n];
                    for (theirs, count) in known.get(&leaf).into_iter().flatten() {
                        let weight = *count as f64 / n_background as f64;
                        against(game, answer, theirs, weight, |feature, value| out[feature] += value);
                    }
                });
            }
        });
    });
    values
}

/// For each region and leaf, the distinct answers of the background and their numbers.
type Known = BTreeMap<usize, BTreeMap<Vec<u16>, usize>>;

fn background_answers(batch: &Batch, background: &[Column<'_>], n_rows: usize) -> Vec<Known> {
    let cells = batch.cells_of(background, 0..n_rows);
    let mut scratch = Scratch::default();
    let of = |region: &Compiled| {
        let mut known = Known::new();
        region.visit(&cells, 0..n_rows, &mut scratch, |(leaf, _), _, answer, _| {
            let answers = known.entry(leaf).or_default();
            match answers.get_mut(answer) {
                Some(count) => *count += 1,
                None => _ = answers.insert(answer.to_vec(), 1),
            }
        });
        known
    };
    batch.regions.iter().map(of).collect()
}

/// Gives what a leaf contributes by one row against one background answer.
fn against(game: &Game, ours: &[u16], theirs: &[u16], weight: f64, mut add: impl FnMut(usize, f64)) {
    let d = game.n_players();
    let (mut only_ours, mut only_theirs) = (0_usize, 0_usize);
    for player in 0..d {
        match (passes(ours, player), passes(theirs, player)) {
            (false, false) => return,
            (true, false) => only_ours += 1,
            (false, true) => only_theirs += 1,
            (true, true) => {}
        }
    }
    // 1 / (a binomial(a + c, a)) and 1 / (c binomial(a + c, a)).
    let (a, c) = (only_ours as f64, only_theirs as f64);
    let smaller = only_ours.min(only_theirs);
    let binomial = (1..=smaller).fold(1.0, |b, k| b * (a + c - (smaller - k) as f64) / k as f64);
    let share = game.value() * weight / binomial;
    for (player, &feature) in game.features.iter().enumerate() {
        match (passes(ours, player), passes(theirs, player)) {
            (true, false) => add(feature as usize, share / a),
            (false, true) => add(feature as usize, -share / c),
            _ => {}
        }
    }
}
