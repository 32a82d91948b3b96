//! Columns of some tracks beside the rows: of those that splits ask for most.
//!
//! Which tracks are split on is uneven, and much the same from tree to tree: on claims five of sixteen tracks have two thirds
//! (Tweedie) to four fifths (squared error) of a fit's splits of large leaves. So a few columns, made from the rows when a split first asks, do most of what
//! all of them would. How often a track was asked for fades with every split; a column gives way to that of a track that is
//! asked for more. What is held changes how quickly bytes are read, and nothing else.

use rayon::prelude::*;

use super::{Binned, PARALLEL, TrackBytes};
use crate::kernel::vectorised;
use crate::threads::alone;

/// One column for so many tracks.
const SHARE: usize = 3;
/// What is left of a use after one more split: half of it after 70 of them, about as many as a tree has.
const FADING: f64 = 0.99;

/// The columns held for one grower.
#[derive(Debug)]
pub(in crate::gbm) struct HeldColumns {
    columns: Vec<HeldColumn>,
    /// How many there may be.
    most: usize,
    /// By track: reads of all rows that its column saved or would have, faded.
    uses: Vec<f64>,
}

#[derive(Debug)]
struct HeldColumn {
    track: usize,
    bytes: Vec<u8>,
}

impl HeldColumns {
    /// None yet, and none ever for bins that have their columns or are to have none.
    pub(in crate::gbm) fn new(binned: &Binned) -> Self {
        let n_tracks = binned.tracks().len();
        let most = if binned.holds_some { (n_tracks / SHARE).max(1) } else { 0 };
        Self { columns: Vec::with_capacity(most), most, uses: vec![0.0; n_tracks] }
    }

    /// The bytes of a track, to split a leaf of so many rows by them: a slot reads the bytes of all rows, a list those of its own.
    pub(in crate::gbm) fn track<'a>(
        &'a mut self,
        binned: &'a Binned,
        track: usize,
        n_rows: usize,
        is_slot: bool,
    ) -> TrackBytes<'a> {
        if self.most == 0 {
            return binned.track(track);
        }
        self.uses.iter_mut().for_each(|uses| *uses *= FADING);
        // A line of memory is some rows, so a list reads more than its share of them.
        self.uses[track] += if is_slot { 1.0 } else { (3.0 * n_rows as f64 / binned.n_rows() as f64).min(1.0) };
        let held = self.columns.iter().position(|column| column.track == track);
        match held.or_else(|| if is_slot { self.hold(binned, track) } else { None }) {
            Some(at) => TrackBytes::Column(&self.columns[at].bytes),
            None => binned.track(track),
        }
    }

    /// Makes the column of a track where there is room, or one that is asked for less; where it is then.
    fn hold(&mut self, binned: &Binned, track: usize) -> Option<usize> {
        let at = if self.columns.len() < self.most {
            self.columns.push(HeldColumn { track, bytes: vec![0; binned.n_rows()] });
            self.columns.len() - 1
        } else {
            let uses = |column: &HeldColumn| self.uses[column.track];
            let (at, least) = self.columns.iter().enumerate().min_by(|(_, a), (_, b)| uses(a).total_cmp(&uses(b)))?;
            if uses(least) >= self.uses[track] {
                return None;
            }
            at
        };
        let column = &mut self.columns[at];
        column.track = track;
        gather(binned.rows(), binned.tracks().len(), track, &mut column.bytes);
        Some(at)
    }
}

/// The bytes of one track, from the rows.
fn gather(rows: &[u8], stride: usize, track: usize, column: &mut [u8]) {
    let task = |(rows, column): (&[u8], &mut [u8])| {
        vectorised(
            #[inline(always)]
            || gather_part(rows, stride, track, column),
        );
    };
    if column.len() < PARALLEL || alone() {
        task((rows, column));
    } else {
        rows.par_chunks(PARALLEL * stride).zip(column.par_chunks_mut(PARALLEL)).for_each(task);
    }
}

/// Eight rows at a time, whose bytes are put together as one number: writing them one by one takes longer.
#[inline(always)]
fn gather_part(rows: &[u8], stride: usize, track: usize, column: &mut [u8]) {
    const EIGHT: usize = 8;
    let (eights, rest) = column.as_chunks_mut::<EIGHT>();
    let whole = rows.chunks_exact(EIGHT * stride);
    let last = whole.remainder().chunks_exact(stride);
    for (bytes, rows) in eights.iter_mut().zip(whole) {
        let byte = |k: usize| u64::from(rows[k * stride + track]) << (8 * k);
        *bytes = (0..EIGHT).fold(0, |word, k| word | byte(k)).to_le_bytes();
    }
    rest.iter_mut().zip(last).for_each(|(byte, row)| *byte = row[track]);
}

#[cfg(test)]
mod tests {
    use super::super::{BinOptions, LevelOptions};
    use super::*;
    use crate::gbm::BinLayout;
    use med_schema::{FeatureColumn, FeatureMatrix};

    fn binned(n: usize, layout: BinLayout) -> Binned {
        let column = |j: usize| {
            let values: Vec<f64> = (0..n).map(|i| ((i * (2 * j + 3)) % 211) as f64).collect();
            FeatureColumn::numeric(j.to_string(), values)
        };
        let x = FeatureMatrix::new((0..9).map(column).collect()).unwrap();
        let options = BinOptions { max_bin: 255, min_data_in_bin: 1, levels: LevelOptions::ONE };
        Binned::new(&x, &options, layout).unwrap()
    }

    fn is_column(bytes: TrackBytes<'_>) -> bool {
        matches!(bytes, TrackBytes::Column(_))
    }

    #[test]
    fn what_is_held_are_the_bytes_of_the_rows() {
        let n = super::super::WORTH_DIVIDING + 13;
        let binned = binned(n, BinLayout::Partial);
        let mut held = HeldColumns::new(&binned);
        for track in [0, 3, 3, 6, 2, 2, 2, 1, 1, 1, 5, 0, 4] {
            let bytes = held.track(&binned, track, n, true);
            assert!((0..n).all(|row| bytes.at(row) == binned.track(track).at(row)), "{track}");
            assert!(held.columns.len() <= 3);
        }
    }

    #[test]
    fn tracks_that_are_asked_for_most_are_held() {
        let n = super::super::WORTH_DIVIDING;
        let binned = binned(n, BinLayout::Partial);
        let mut held = HeldColumns::new(&binned);
        for _ in 0..20 {
            for track in [0, 1, 2] {
                assert!(is_column(held.track(&binned, track, n, true)));
            }
        }
        // Once is not enough to take another's place, and lists make no columns.
        assert!(!is_column(held.track(&binned, 3, n, true)));
        assert!(!is_column(held.track(&binned, 4, n / 10, false)));
        assert!(is_column(held.track(&binned, 0, n / 10, false)));
        assert!((0..200).any(|_| is_column(held.track(&binned, 3, n, true))));
        let tracks: Vec<usize> = held.columns.iter().map(|column| column.track).collect();
        assert!(tracks.contains(&3) && tracks.len() == 3);
    }

    #[test]
    fn few_rows_and_the_other_layouts_need_none() {
        let n = super::super::WORTH_DIVIDING;
        for (n, layout, column) in [
            (n - 1, BinLayout::Partial, true),
            (n, BinLayout::Double, true),
            (n, BinLayout::Single, false),
            (n - 1, BinLayout::Single, false),
        ] {
            let binned = binned(n, layout);
            let mut held = HeldColumns::new(&binned);
            assert_eq!(is_column(held.track(&binned, 0, n, true)), column);
            assert!(held.columns.is_empty());
        }
    }
}
