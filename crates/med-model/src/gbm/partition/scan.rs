//! Slots read 64 rows at a time: which rows are in one, and moving those that a split takes.

use super::Rule;
use crate::kernel::{bits, vectorised};

/// Rows compared at once.
const WORD: usize = 64;
/// Room behind the rows of a list, to write a word's before it is known how many there are.
pub(super) const ROOM: usize = WORD + 8;

/// The rows of a slot.
pub(super) fn list_slot(slots: &[u8], slot: u8, first: u32) -> Vec<u32> {
    let mut rows = vec![0; slots.len() + ROOM];
    let n = vectorised(
        #[inline(always)]
        || {
            let mut n = 0;
            for (w, slots) in slots.chunks(WORD).enumerate() {
                let mut hits = [0_u8; WORD];
                hits.iter_mut().zip(slots).for_each(|(hit, &s)| *hit = u8::from(s == slot));
                n = list_hits(&hits, first + (w * WORD) as u32, &mut rows, n);
            }
            n
        },
    );
    rows.truncate(n);
    rows
}

/// For each byte, the places of its bits that are set, in order, and zeros.
static PLACES: [[u8; 8]; 256] = {
    let mut places = [[0; 8]; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut bit, mut n) = (0, 0);
        while bit < 8 {
            if byte >> bit & 1 == 1 {
                places[byte][n] = bit;
                n += 1;
            }
            bit += 1;
        }
        byte += 1;
    }
    places
};

/// Writes the rows of a word that are hit behind the `n` there are. Eight places are written at a time, those that are no
/// hits to be written over, and no branch asks whether there is one: it would be guessed wrong too often. The number of rows
/// then; behind the last there must be [`ROOM`].
#[inline(always)]
fn list_hits(hits: &[u8; WORD], first: u32, rows: &mut [u32], n: usize) -> usize {
    let word = bits(hits);
    let Some(rows) = rows[n..].first_chunk_mut::<ROOM>() else { return n };
    let mut found = 0;
    for eight in 0..WORD / 8 {
        let bits = word >> (8 * eight) & 0xff;
        let base = first + eight as u32 * 8;
        // Fewer than 64 before the last eight; the remainder spares a check.
        if let Some(out) = rows[found % WORD..].first_chunk_mut::<8>() {
            *out = PLACES[bits as usize].map(|place| base + u32::from(place));
        }
        found += bits.count_ones() as usize;
    }
    n + found
}

/// Rows of a slot, for which a rule gives one side, go to another slot.
pub(super) struct Shift<'a> {
    pub(super) slot: u8,
    pub(super) to: u8,
    pub(super) column: &'a [u8],
    pub(super) rule: &'a Rule,
    pub(super) side: bool,
}

impl Shift<'_> {
    /// Scans some rows, the first of this number; lists those that move where there is room for it. How many were listed.
    pub(super) fn scan(&self, slots: &mut [u8], first: usize, mut list: Option<&mut [u32]>) -> usize {
        let Self { slot, to, rule, side, .. } = *self;
        let column = &self.column[first..first + slots.len()];
        vectorised(
            #[inline(always)]
            || {
                let mut n = 0;
                for (w, (slots, column)) in slots.chunks_mut(WORD).zip(column.chunks(WORD)).enumerate() {
                    let mut hits = [0_u8; WORD];
                    match (rule, <&mut [u8; WORD]>::try_from(&mut *slots), <&[u8; WORD]>::try_from(column)) {
                        (Rule::Range { first, span }, Ok(slots), Ok(column)) => {
                            let mut any = 0;
                            for k in 0..WORD {
                                let left = column[k].wrapping_sub(*first) <= *span;
                                let hit = u8::from((slots[k] == slot) & (left == side));
                                hits[k] = hit;
                                any |= hit;
                            }
                            if any == 0 {
                                continue;
                            }
                            for k in 0..WORD {
                                slots[k] ^= (slots[k] ^ to) & 0_u8.wrapping_sub(hits[k]);
                            }
                        }
                        _ => {
                            for (k, (s, &bin)) in slots.iter_mut().zip(column).enumerate() {
                                let hit = (*s == slot) & (rule.goes_left(bin) == side);
                                hits[k] = u8::from(hit);
                                *s = if hit { to } else { *s };
                            }
                        }
                    }
                    if let Some(rows) = &mut list {
                        n = list_hits(&hits, (first + w * WORD) as u32, rows, n);
                    }
                }
                n
            },
        )
    }
}
