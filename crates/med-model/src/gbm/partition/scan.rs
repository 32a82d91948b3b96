//! Slots read 64 rows at a time: which rows are in one, and moving those that a split takes.

use super::super::binning::TrackBytes;
use super::super::rule::ByteRule;
use crate::kernel::{PLACES, bits, vectorised};

/// Rows compared at once.
pub(super) const WORD: usize = 64;
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

/// Rows of a slot go to another one.
pub(super) struct Shift<'a> {
    pub(super) slot: u8,
    pub(super) to: u8,
    pub(super) moved: Moved<'a>,
}

/// Which of them go.
#[derive(Clone, Copy)]
pub(super) enum Moved<'a> {
    All,
    /// Those that a rule sends to this side.
    Part {
        bytes: TrackBytes<'a>,
        rule: &'a ByteRule,
        side: bool,
    },
}

impl Shift<'_> {
    /// Scans some rows, the first of this number; lists those that move where there is room for it. How many were listed.
    pub(super) fn scan(&self, slots: &mut [u8], first: usize, list: Option<&mut [u32]>) -> usize {
        let Moved::Part { bytes, rule, side } = self.moved else {
            return vectorised(
                #[inline(always)]
                || self.pass(slots, first, list, |_| [0; WORD], |_| true),
            );
        };
        match bytes {
            TrackBytes::Column(column) => {
                let (words, rest) = column[first..first + slots.len()].as_chunks::<WORD>();
                let padded = padded(rest);
                let word = |w: usize| *words.get(w).unwrap_or(&padded);
                vectorised(
                    #[inline(always)]
                    || self.pass_by(slots, first, list, word, rule, side),
                )
            }
            TrackBytes::Rows { rows, stride, track } => {
                let rows = &rows[first * stride..(first + slots.len()) * stride];
                vectorised(
                    #[inline(always)]
                    || self.pass_by(slots, first, list, |w| word_of_rows(rows, stride, track, w), rule, side),
                )
            }
        }
    }

    /// One loop for each kind of rule.
    #[inline(always)]
    fn pass_by(
        &self,
        slots: &mut [u8],
        first: usize,
        list: Option<&mut [u32]>,
        word: impl Fn(usize) -> [u8; WORD],
        rule: &ByteRule,
        side: bool,
    ) -> usize {
        match *rule {
            ByteRule::Range { first: from, span } => {
                self.pass(slots, first, list, word, |byte| (byte.wrapping_sub(from) <= span) == side)
            }
            ByteRule::Remainder { of, first: from, span } => {
                self.pass(slots, first, list, word, |byte| (of.byte(byte).wrapping_sub(from) <= span) == side)
            }
            ByteRule::Set(set) => self.pass(slots, first, list, word, |byte| set.contains(byte) == side),
        }
    }

    /// `word` gives 64 bytes. Called within `vectorised`.
    #[inline(always)]
    fn pass(
        &self,
        slots: &mut [u8],
        first: usize,
        mut list: Option<&mut [u32]>,
        word: impl Fn(usize) -> [u8; WORD],
        moves: impl Fn(u8) -> bool,
    ) -> usize {
        let mut n = 0;
        let (words, rest) = slots.as_chunks_mut::<WORD>();
        // Rows behind the last are in no slot that is ever shifted.
        let mut last = [super::OUT; WORD];
        last[..rest.len()].copy_from_slice(rest);
        for (w, slots) in words.iter_mut().chain(std::iter::once(&mut last)).enumerate() {
            if let Some(hits) = self.shift(slots, || word(w), &moves)
                && let Some(rows) = &mut list
            {
                n = list_hits(&hits, (first + w * WORD) as u32, rows, n);
            }
        }
        rest.copy_from_slice(&last[..rest.len()]);
        n
    }

    /// Shifts the rows of one word; which they are, where there are any.
    #[inline(always)]
    fn shift(
        &self,
        slots: &mut [u8; WORD],
        bytes: impl FnOnce() -> [u8; WORD],
        moves: impl Fn(u8) -> bool,
    ) -> Option<[u8; WORD]> {
        let (mut hits, mut any) = ([0_u8; WORD], 0);
        for k in 0..WORD {
            hits[k] = u8::from(slots[k] == self.slot);
            any |= hits[k];
        }
        // Where no row is in the slot no bytes are read.
        if any == 0 {
            return None;
        }
        let bytes = bytes();
        any = 0;
        for k in 0..WORD {
            hits[k] &= u8::from(moves(bytes[k]));
            any |= hits[k];
        }
        if any == 0 {
            return None;
        }
        for k in 0..WORD {
            slots[k] ^= (slots[k] ^ self.to) & 0_u8.wrapping_sub(hits[k]);
        }
        Some(hits)
    }
}

fn padded(bytes: &[u8]) -> [u8; WORD] {
    let mut word = [0; WORD];
    word.iter_mut().zip(bytes).for_each(|(place, &byte)| *place = byte);
    word
}

/// The bytes of one track in the rows of a word.
#[inline(always)]
fn word_of_rows(rows: &[u8], stride: usize, track: usize, w: usize) -> [u8; WORD] {
    let mut word = [0; WORD];
    let rows = &rows[w * WORD * stride..];
    word.iter_mut().zip(rows.chunks_exact(stride)).for_each(|(byte, row)| *byte = row[track]);
    word
}
