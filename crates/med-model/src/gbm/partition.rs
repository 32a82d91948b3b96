//! Which rows lie in which leaf.
//!
//! A large leaf is a slot: a byte a row tells the slot the row is in. Splitting it compares 64 bytes of slots and of bins
//! at once, and rows that stay cost no more than that; typical for costs are cuts that take a few rows from a large leaf.
//! A small leaf is a list of rows in ascending order, split without branches, by vectors where they can pack. A leaf
//! changes from slot to list when it gets less than an eighth of all rows.

mod scan;

use std::borrow::Cow;

use rayon::prelude::*;

use super::binning::TrackBytes;
use super::histogram::{CELLS, Cell, Source};
use super::rule::ByteRule;
use crate::kernel::{Packer, bits, paged, prefetch, vectorised};
use crate::threads::alone;
use scan::{Moved, ROOM, Shift, WORD, list_slot};

/// The slot of rows that are in a list.
const LISTED: u8 = 254;
/// The slot of rows that the tree does not see.
const OUT: u8 = 255;
/// With fewer rows than this, lists are quick enough.
const SLOTTED: usize = 1 << 13;
/// A leaf keeps a slot while it has one in so many of all rows.
const SHARE: usize = 8;
/// Rows of a task.
const TASK: usize = 1 << 15;
/// Rows of a slot that are listed at once, to be summed while the list is in the first-level cache.
const AT_ONCE: usize = 1 << 13;
/// Rows of a task that adds to scores: in the second-level cache, and few enough tasks that each searches the lists.
const SCORES: usize = 1 << 16;
/// Fewer bytes stay in a cache.
const WORTH_FETCHING: usize = 1 << 18;
/// How many rows ahead the bin of one is fetched.
const AHEAD: usize = 32;
/// Rows of a list that are split at once, where vectors can pack them.
const PACKED: usize = 16;

/// Where the rows of a leaf are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Slot(u8),
    List { start: usize, len: usize },
}

/// The rows of one tree.
#[derive(Debug)]
pub(super) struct Partition {
    slots: Vec<u8>,
    /// Room for each row once, and [`ROOM`].
    lists: Vec<u32>,
    /// Rows in the lists.
    n_listed: usize,
    spare: Vec<u32>,
    free: Vec<u8>,
    /// Rows that the tree sees, when not all.
    sampled: bool,
}

impl Partition {
    pub(super) fn new(n_rows: usize) -> Self {
        let slots = if n_rows >= SLOTTED { vec![0; n_rows] } else { Vec::new() };
        Self {
            slots,
            lists: paged(vec![0; n_rows + ROOM]),
            n_listed: 0,
            spare: Vec::new(),
            free: Vec::new(),
            sampled: false,
        }
    }

    /// Puts all rows, or those given, into the root.
    pub(super) fn start(&mut self, n_rows: usize, rows: Option<&[u32]>) -> Place {
        self.n_listed = 0;
        self.sampled = rows.is_some();
        self.free = (1..LISTED).rev().collect();
        let small = n_rows < SLOTTED || rows.is_some_and(|rows| rows.len() * SHARE < n_rows);
        self.slots.fill(if rows.is_some() { OUT } else { 0 });
        if !small {
            rows.into_iter().flatten().for_each(|&row| self.slots[row as usize] = 0);
            return Place::Slot(0);
        }
        match rows {
            Some(rows) => {
                self.n_listed = rows.len();
                self.lists[..rows.len()].copy_from_slice(rows);
            }
            None => {
                self.n_listed = n_rows;
                self.lists.iter_mut().zip(0..n_rows as u32).for_each(|(place, row)| *place = row);
            }
        }
        let list = &self.lists[..self.n_listed];
        if !self.slots.is_empty() {
            list.iter().for_each(|&row| self.slots[row as usize] = LISTED);
        }
        Place::List { start: 0, len: list.len() }
    }

    /// Splits the rows of a leaf; `n_left` and `n_right` are about their numbers. The places left and right.
    pub(super) fn split(
        &mut self,
        place: Place,
        bytes: TrackBytes<'_>,
        rule: &ByteRule,
        n_left: usize,
        n_right: usize,
    ) -> (Place, Place) {
        match place {
            Place::List { start, len } => {
                let n = self.split_list(start, len, bytes, rule);
                (Place::List { start, len: n }, Place::List { start: start + n, len: len - n })
            }
            Place::Slot(slot) => {
                let n = self.slots.len();
                let left_moves = n_left <= n_right;
                let (few, many) = if left_moves { (n_left, n_right) } else { (n_right, n_left) };
                let part = Moved::Part { bytes, rule, side: left_moves };
                let moved = if few * SHARE >= n
                    && let Some(to) = self.free.pop()
                {
                    self.scan(&Shift { slot, to, moved: part }, false);
                    Place::Slot(to)
                } else {
                    self.scan(&Shift { slot, to: LISTED, moved: part }, true)
                };
                let stays = if many * SHARE >= n {
                    place
                } else {
                    self.free.push(slot);
                    self.scan(&Shift { slot, to: LISTED, moved: Moved::All }, true)
                };
                if left_moves { (moved, stays) } else { (stays, moved) }
            }
        }
    }

    /// Moves rows of a slot to another, and lists them when asked to.
    fn scan(&mut self, shift: &Shift<'_>, list: bool) -> Place {
        let (start, n) = (self.n_listed, self.slots.len());
        if n < 4 * TASK || alone() {
            self.n_listed += shift.scan(&mut self.slots, 0, list.then_some(&mut self.lists[start..]));
        } else {
            let task = |(t, slots): (usize, &mut [u8])| {
                let mut found = if list { vec![0; slots.len() + ROOM] } else { Vec::new() };
                let n = shift.scan(slots, t * TASK, list.then_some(&mut found));
                found.truncate(n);
                found
            };
            let found: Vec<Vec<u32>> = self.slots.par_chunks_mut(TASK).enumerate().map(task).collect();
            for rows in found {
                self.lists[self.n_listed..][..rows.len()].copy_from_slice(&rows);
                self.n_listed += rows.len();
            }
        }
        Place::List { start, len: self.n_listed - start }
    }

    /// Moves the rows that go left before those that go right, each in their order; how many go left.
    fn split_list(&mut self, start: usize, len: usize, bytes: TrackBytes<'_>, rule: &ByteRule) -> usize {
        let rows = &mut self.lists[start..start + len];
        if self.spare.len() < len {
            self.spare.resize(len, 0);
        }
        let spare = &mut self.spare[..len];
        let split = |rows: &mut [u32], spare: &mut [u32]| match bytes {
            TrackBytes::Column(column) => split_by(rows, spare, rule, column, |row| row),
            TrackBytes::Rows { rows: all, stride, track } => {
                split_by(rows, spare, rule, all, |row| row * stride + track)
            }
        };
        if len < 2 * TASK || alone() {
            let n_left = split(rows, spare);
            rows[n_left..].copy_from_slice(&spare[..len - n_left]);
            return n_left;
        }
        let parts = rows.par_chunks_mut(TASK).zip(spare.par_chunks_mut(TASK));
        let lefts: Vec<usize> = parts.map(|(rows, spare)| split(rows, spare)).collect();
        // The left rows of each part move down to those of the parts before; then there is room for the right ones.
        let mut n_left = 0;
        for (part, &left) in lefts.iter().enumerate() {
            rows.copy_within(part * TASK..part * TASK + left, n_left);
            n_left += left;
        }
        let mut end = n_left;
        for (spare, left) in spare.chunks(TASK).zip(lefts) {
            let right = &spare[..spare.len() - left];
            rows[end..end + right.len()].copy_from_slice(right);
            end += right.len();
        }
        n_left
    }

    /// Sums the derivatives of a leaf.
    pub(super) fn sum<C: Cell>(&self, place: Place, source: &Source<'_>, cells: &mut [[C; CELLS]]) {
        match place {
            Place::List { start, len } => source.sum_list(&self.lists[start..start + len], cells),
            Place::Slot(0) if !self.sampled && self.free.len() == usize::from(LISTED) - 1 && self.n_listed == 0 => {
                source.sum_all(cells);
            }
            Place::Slot(slot) => {
                let n = self.slots.len();
                source.sum_tasks(n.div_ceil(TASK), n, cells, |task, cells| {
                    let first = task * TASK;
                    let slots = &self.slots[first..n.min(first + TASK)];
                    for (part, slots) in slots.chunks(AT_ONCE).enumerate() {
                        let rows = list_slot(slots, slot, (first + part * AT_ONCE) as u32);
                        source.add_list(&rows, cells);
                    }
                });
            }
        }
    }

    /// Takes the derivatives of a leaf of few rows away.
    pub(super) fn take<C: Cell>(&self, place: Place, source: &Source<'_>, cells: &mut [[C; CELLS]]) {
        source.take_list(&self.rows(place), cells);
    }

    /// The rows of a leaf, ascending.
    pub(super) fn rows(&self, place: Place) -> Cow<'_, [u32]> {
        match place {
            Place::List { start, len } => Cow::Borrowed(&self.lists[start..start + len]),
            Place::Slot(slot) => Cow::Owned(list_slot(&self.slots, slot, 0)),
        }
    }

    /// Adds the value of its leaf to each row's score; `other` gives that of rows that the tree did not see.
    pub(super) fn add_values(&self, leaves: &[(Place, f64)], scores: &mut [f64], other: impl Fn(usize) -> f64 + Sync) {
        let mut of_slot = [0.0; 256];
        for (place, value) in leaves {
            if let Place::Slot(slot) = place {
                of_slot[*slot as usize] = *value;
            }
        }
        let sampled = self.sampled;
        let slotted = |first: usize, scores: &mut [f64]| {
            let slots = &self.slots[first..first + scores.len()];
            for (i, (score, &slot)) in scores.iter_mut().zip(slots).enumerate() {
                *score += if sampled && slot == OUT { other(first + i) } else { of_slot[slot as usize] };
            }
        };
        if self.slots.len() >= 4 * TASK {
            // Lists are in order, so each task finds its rows in them.
            let task = |(t, scores): (usize, &mut [f64])| {
                let first = t * SCORES;
                slotted(first, scores);
                for &(place, value) in leaves {
                    let Place::List { start, len } = place else { continue };
                    let rows = &self.lists[start..start + len];
                    let rows = &rows[rows.partition_point(|&row| (row as usize) < first)..];
                    let rows = &rows[..rows.partition_point(|&row| (row as usize) < first + scores.len())];
                    rows.iter().for_each(|&row| scores[row as usize - first] += value);
                }
            };
            if alone() {
                scores.chunks_mut(SCORES).enumerate().for_each(task);
            } else {
                scores.par_chunks_mut(SCORES).enumerate().for_each(task);
            }
            return;
        }
        if !self.slots.is_empty() {
            slotted(0, scores);
        }
        let mut seen = (sampled && self.slots.is_empty()).then(|| vec![false; scores.len()]);
        for &(place, value) in leaves {
            if let Place::List { start, len } = place {
                for &row in &self.lists[start..start + len] {
                    scores[row as usize] += value;
                    if let Some(seen) = &mut seen {
                        seen[row as usize] = true;
                    }
                }
            }
        }
        if let Some(seen) = seen {
            let unseen = scores.iter_mut().enumerate().filter(|&(row, _)| !seen[row]);
            unseen.for_each(|(row, score)| *score += other(row));
        }
    }
}

/// Writes rows that go left over those at the start, and the others to `spare`; how many go left. `place` is where the
/// byte of a row is.
#[inline(always)]
fn split_by(
    rows: &mut [u32],
    spare: &mut [u32],
    rule: &ByteRule,
    bytes: &[u8],
    place: impl Fn(usize) -> usize,
) -> usize {
    match *rule {
        ByteRule::Range { first, span } => {
            split_rows(rows, spare, bytes, place, |byte| byte.wrapping_sub(first) <= span)
        }
        ByteRule::Remainder { of, first, span } => {
            split_rows(rows, spare, bytes, place, |byte| of.byte(byte).wrapping_sub(first) <= span)
        }
        ByteRule::Set(set) => split_rows(rows, spare, bytes, place, |byte| set.contains(byte)),
    }
}

#[inline(always)]
fn split_rows(
    rows: &mut [u32],
    spare: &mut [u32],
    bytes: &[u8],
    place: impl Fn(usize) -> usize,
    goes_left: impl Fn(u8) -> bool,
) -> usize {
    let is_far = bytes.len() >= WORTH_FETCHING;
    let n = rows.len();
    let (mut done, mut n_left) = match Packer::found() {
        Some(packer) => vectorised(
            #[inline(always)]
            || {
                let (mut done, mut n_left) = (0, 0);
                while n - done >= PACKED {
                    let len = WORD.min(n - done) / PACKED * PACKED;
                    let mut word = [0; WORD];
                    for (byte, &row) in word.iter_mut().zip(&rows[done..done + len]) {
                        *byte = bytes[place(row as usize)];
                    }
                    if is_far && let Some(later) = rows.get(done + WORD..done + WORD + len) {
                        later.iter().for_each(|&row| prefetch(bytes, place(row as usize)));
                    }
                    let mut goes = [0_u8; WORD];
                    for k in 0..WORD {
                        goes[k] = u8::from(goes_left(word[k]));
                    }
                    let goes = bits(&goes);
                    for k in 0..len / PACKED {
                        let left = (goes >> (k * PACKED)) as u16;
                        let Some(&packed) = rows[done..].first_chunk() else { break };
                        // What is written behind those that are kept is written over later, and its rows were read.
                        if let Some(to) = rows[n_left..].first_chunk_mut() {
                            *to = packer.pack(packed, left);
                        }
                        if let Some(to) = spare[done - n_left..].first_chunk_mut() {
                            *to = packer.pack(packed, !left);
                        }
                        n_left += left.count_ones() as usize;
                        done += PACKED;
                    }
                }
                (done, n_left)
            },
        ),
        None => (0, 0),
    };
    while done < n {
        let row = rows[done];
        if is_far && let Some(&later) = rows.get(done + AHEAD) {
            prefetch(bytes, place(later as usize));
        }
        rows[n_left] = row;
        spare[done - n_left] = row;
        n_left += usize::from(goes_left(bytes[place(row as usize)]));
        done += 1;
    }
    n_left
}

#[cfg(test)]
mod tests {
    use super::super::binning::BinSet;
    use super::super::rule::Rule;
    use super::*;

    /// Rules of bytes that hold one feature alone.
    fn alone(rule: &Rule) -> ByteRule {
        ByteRule::of_digit(rule, 0, 1, 256, 256)
    }

    /// Columns as rows.
    fn rows_of(columns: &[&[u8]]) -> Vec<u8> {
        (0..columns[0].len()).flat_map(|row| columns.iter().map(move |column| column[row])).collect()
    }

    /// Splits twice, by slots or lists, and compares with plain filters.
    fn check(n: usize, rows: Option<Vec<u32>>, cut: u8) {
        let column: Vec<u8> = (0..n).map(|i| (i * 7 % 251) as u8).collect();
        let other: Vec<u8> = (0..n).map(|i| (i / 3 % 200) as u8).collect();
        let all = rows.clone().unwrap_or_else(|| (0..n as u32).collect());
        let mut set = BinSet::default();
        (50..=120).for_each(|bin| set.insert(bin));
        let (first, second) = (Rule::at_most(cut, true), Rule::Set(set));
        let part = |rows: &[u32], column: &[u8], rule: &Rule| -> (Vec<u32>, Vec<u32>) {
            rows.iter().partition(|&&row| rule.goes_left(column[row as usize]))
        };
        let (left, right) = part(&all, &column, &first);
        let (a, b) = part(&right, &other, &second);
        let mut expected: Vec<f64> = (0..n).map(|row| row as f64).collect();
        for (rows, value) in [(&left, 1.0), (&a, 2.0), (&b, 3.0)] {
            rows.iter().for_each(|&row| expected[row as usize] = value);
        }
        let by_row = rows_of(&[&column, &[9].repeat(n), &other]);
        let in_rows = |track| TrackBytes::Rows { rows: &by_row, stride: 3, track };
        for tracks in [[TrackBytes::Column(&column), TrackBytes::Column(&other)], [in_rows(0), in_rows(2)]] {
            let mut partition = Partition::new(n);
            let root = partition.start(n, rows.as_deref());
            assert_eq!(partition.rows(root), all);
            let places = partition.split(root, tracks[0], &alone(&first), left.len(), right.len());
            assert_eq!(partition.rows(places.0), left);
            assert_eq!(partition.rows(places.1), right);
            let (pa, pb) = partition.split(places.1, tracks[1], &alone(&second), a.len(), b.len());
            assert_eq!((partition.rows(pa), partition.rows(pb)), (Cow::Owned(a.clone()), Cow::Owned(b.clone())));
            assert_eq!(partition.rows(places.0), left);
            let mut scores = vec![0.0; n];
            partition.add_values(&[(places.0, 1.0), (pa, 2.0), (pb, 3.0)], &mut scores, |row| row as f64);
            assert_eq!(scores, expected);
        }
    }

    #[test]
    fn long_lists_split_the_same_in_parallel() {
        // A list of a leaf holds fewer than an eighth of the rows, so there must be many for it to be long.
        let n = 5 * TASK + 77;
        let column: Vec<u8> = (0..n).map(|i| (i * 7 % 251) as u8).collect();
        let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let mut set = BinSet::default();
        (50..=120).for_each(|bin| set.insert(bin));
        let by_row = rows_of(&[&column, &column]);
        let tracks = [TrackBytes::Column(&column), TrackBytes::Rows { rows: &by_row, stride: 2, track: 1 }];
        for rule in [Rule::at_most(0, true), Rule::at_most(100, false), Rule::at_most(255, true), Rule::Set(set)] {
            let split = |threads, bytes| {
                let mut partition = Partition::new(n);
                partition.lists.iter_mut().zip(0..n as u32).for_each(|(place, row)| *place = row);
                let n_left = pool(threads).install(|| partition.split_list(0, n, bytes, &alone(&rule)));
                (n_left, partition.lists)
            };
            let (left, right): (Vec<u32>, Vec<u32>) =
                (0..n as u32).partition(|&row| rule.goes_left(column[row as usize]));
            for (threads, bytes) in [(1, tracks[0]), (3, tracks[0]), (1, tracks[1]), (3, tracks[1])] {
                let (n_left, lists) = split(threads, bytes);
                assert!(n_left == left.len() && lists[..n_left] == left && lists[n_left..n] == right);
            }
        }
    }

    #[test]
    fn slots_and_lists_split_the_same() {
        for n in [1, 63, 1000, SLOTTED, SLOTTED + 77, 4 * TASK + 5, 3 * SCORES + 11] {
            for cut in [1, 10, 100, 250] {
                check(n, None, cut);
                check(n, Some((0..n as u32).filter(|i| i % 3 != 1).collect()), cut);
                check(n, Some((0..n as u32).filter(|i| i % 20 == 0).collect()), cut);
            }
        }
    }
}
