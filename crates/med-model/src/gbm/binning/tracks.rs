//! Which bytes a row has when histograms are summed.
//!
//! Every byte costs one addition to memory a row, and flags and counts of a few values waste it. So features of few bins
//! are laid together: a track's byte is a number whose digits are the bins of its features, and what one feature's
//! histogram is comes out as a marginal sum of the track's, exactly, for the sums are of integers. (LightGBM bundles
//! features that exclude each other, Ke et al. 2017, section 4; here they need not.) Bin packing by best fit, the largest
//! first.

use super::super::histogram::{CELLS, Cell, Histogram};
use super::super::rule::{ByteRule, Rule};
use super::MISSING_BIN;

/// One byte of a row: the digits of one feature or more.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Track {
    members: Vec<Digit>,
    /// Values that the byte may have.
    size: usize,
}

/// A feature's place in the number that is a track's byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Digit {
    feature: usize,
    /// The bin that is digit 0.
    low: u8,
    size: usize,
    /// What the digit is multiplied by.
    step: usize,
}

/// Where a feature is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    track: usize,
    digit: Digit,
    /// Where its histogram is put that is summed from the track's; `None` where it has the track alone.
    shared: Option<usize>,
}

/// The layout of rows and histograms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tracks {
    tracks: Vec<Track>,
    places: Vec<Place>,
    n_bins: Vec<usize>,
    n_shared: usize,
}

/// Number of bins of a feature, and whether that of missing values is in use.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    pub(super) n_bins: usize,
    pub(super) has_missing: bool,
}

impl Tracks {
    /// A track a feature, or shared ones when asked for.
    pub(super) fn new(extents: &[Extent], share: bool) -> Self {
        let digit = |(feature, e): (usize, &Extent)| {
            let low = u8::from(!e.has_missing);
            Digit { feature, low, size: (e.n_bins - usize::from(low)).max(1), step: 1 }
        };
        let mut digits: Vec<Digit> = extents.iter().enumerate().map(digit).collect();
        if share {
            digits.sort_by_key(|d| std::cmp::Reverse(d.size));
        }
        let mut tracks: Vec<Track> = Vec::new();
        for mut digit in digits {
            let fits = |t: &&mut Track| share && t.size * digit.size <= CELLS;
            match tracks.iter_mut().filter(fits).max_by_key(|t| t.size) {
                Some(track) => {
                    digit.step = track.size;
                    track.size *= digit.size;
                    track.members.push(digit);
                }
                None => tracks.push(Track { members: vec![digit], size: digit.size }),
            }
        }
        let (mut places, mut n_shared) = (Vec::with_capacity(extents.len()), 0);
        for (t, track) in tracks.iter_mut().enumerate() {
            if let [only] = track.members.as_mut_slice() {
                track.size = extents[only.feature].n_bins;
                (only.low, only.size) = (MISSING_BIN, track.size);
                places.push(Place { track: t, digit: *only, shared: None });
                continue;
            }
            for &digit in &track.members {
                places.push(Place { track: t, digit, shared: Some(n_shared) });
                n_shared += 1;
            }
        }
        places.sort_by_key(|place| place.digit.feature);
        Self { tracks, places, n_bins: extents.iter().map(|e| e.n_bins).collect(), n_shared }
    }

    /// Bytes of a row.
    pub(crate) fn len(&self) -> usize {
        self.tracks.len()
    }

    /// How many cells of each track are in use.
    pub(crate) fn sizes(&self) -> impl Iterator<Item = usize> {
        self.tracks.iter().map(|t| t.size)
    }

    /// The bytes of each track, from the bins of each feature.
    pub(super) fn pack(&self, features: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        let mut features: Vec<Option<Vec<u8>>> = features.into_iter().map(Some).collect();
        // One by one, so that bins go as soon as they are packed: there are never many more bytes than at the start.
        let pack = |track: &Track| {
            let mut members = track.members.iter().filter_map(|digit| Some((digit, features[digit.feature].take()?)));
            let Some((first, mut bytes)) = members.next() else { return Vec::new() };
            if first.low > 0 {
                bytes.iter_mut().for_each(|byte| *byte -= first.low);
            }
            for (digit, bins) in members {
                // A step of 256 belongs to a digit that is always 0.
                let (low, step) = (digit.low, digit.step as u8);
                bytes.iter_mut().zip(bins).for_each(|(byte, bin)| *byte += (bin - low).wrapping_mul(step));
            }
            bytes
        };
        self.tracks.iter().map(pack).collect()
    }

    /// The track of a feature.
    pub(in crate::gbm) fn track_of(&self, feature: usize) -> usize {
        self.places[feature].track
    }

    /// A rule on a feature's bins as one on the bytes of its track.
    pub(in crate::gbm) fn byte_rule(&self, feature: usize, rule: &Rule) -> ByteRule {
        let Place { track, digit, .. } = self.places[feature];
        ByteRule::of_digit(rule, digit.low, digit.step, digit.size, self.tracks[track].size)
    }

    /// The bin of a feature that a byte of its track holds.
    #[cfg(test)]
    pub(in crate::gbm) fn bin_in(&self, feature: usize, byte: u8) -> u8 {
        let digit = self.places[feature].digit;
        (usize::from(byte) / digit.step % digit.size) as u8 + digit.low
    }

    /// Room for [`marginals`](Self::marginals).
    pub(crate) fn shared_histogram<C: Cell>(&self) -> Histogram<C> {
        vec![[C::default(); CELLS]; self.n_shared]
    }

    /// Sums the histograms of those features that share a track, where one of the track is wanted.
    pub(crate) fn marginals<C: Cell>(
        &self,
        all: &Histogram<C>,
        wanted: impl Fn(usize) -> bool,
        out: &mut Histogram<C>,
    ) {
        for (cells, track) in all.iter().zip(&self.tracks) {
            if track.members.len() < 2 {
                continue;
            }
            for digit in track.members.iter().filter(|d| wanted(d.feature)) {
                if let Some(slot) = self.places[digit.feature].shared {
                    digit.marginal(&cells[..track.size], &mut out[slot]);
                }
            }
        }
    }

    /// The histogram of one feature, bin by bin, and how many bins it has.
    pub(crate) fn cells<'a, C>(
        &self,
        feature: usize,
        all: &'a Histogram<C>,
        shared: &'a Histogram<C>,
    ) -> (&'a [C; CELLS], usize) {
        let Place { track, shared: slot, .. } = self.places[feature];
        (slot.map_or(&all[track], |slot| &shared[slot]), self.n_bins[feature])
    }
}

impl Digit {
    #[inline(always)]
    fn marginal<C: Cell>(&self, cells: &[C], out: &mut [C; CELLS]) {
        out.fill(C::default());
        let out = &mut out[self.low as usize..][..self.size];
        if self.step == 1 {
            for run in cells.chunks_exact(self.size) {
                out.iter_mut().zip(run).for_each(|(sum, &cell)| sum.add(cell));
            }
            return;
        }
        for run in cells.chunks_exact(self.step * self.size) {
            for (sum, part) in out.iter_mut().zip(run.chunks_exact(self.step)) {
                part.iter().for_each(|&cell| sum.add(cell));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::histogram::Narrow;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn marginals_are_the_histograms_of_the_features(
            extents in prop::collection::vec((1_usize..120, any::<bool>()), 1..9),
            share in any::<bool>(),
            seed in any::<u32>(),
        ) {
            let extents: Vec<Extent> = extents
                .into_iter()
                .map(|(n, has_missing)| Extent { n_bins: n + 1, has_missing })
                .collect();
            let n_rows = 300;
            let columns: Vec<Vec<u8>> = extents.iter().enumerate().map(|(j, e)| {
                let low = u32::from(!e.has_missing);
                let bin = |i: u32| low + (i.wrapping_mul(2_654_435_761).wrapping_add(seed) >> (j + 3)) % (e.n_bins as u32 - low);
                (0..n_rows).map(|i| bin(i) as u8).collect()
            }).collect();
            let tracks = Tracks::new(&extents, share);
            prop_assert!(tracks.len() <= extents.len() && (share || tracks.len() == extents.len()));
            let bytes = tracks.pack(columns.clone());
            let value = |i: usize| Narrow::of(i as i64 * 37 - 5000);
            let mut all = vec![[Narrow::default(); CELLS]; tracks.len()];
            for (cells, bytes) in all.iter_mut().zip(&bytes) {
                bytes.iter().enumerate().for_each(|(i, &byte)| cells[byte as usize].add(value(i)));
            }
            let mut shared = tracks.shared_histogram();
            tracks.marginals(&all, |_| true, &mut shared);
            for (j, column) in columns.iter().enumerate() {
                let mut plain = vec![Narrow::default(); extents[j].n_bins];
                column.iter().enumerate().for_each(|(i, &bin)| plain[bin as usize].add(value(i)));
                let (cells, n_bins) = tracks.cells(j, &all, &shared);
                prop_assert_eq!(&cells[..n_bins], plain.as_slice());
                let at_most = Rule::at_most(extents[j].n_bins as u8 / 2, seed % 2 == 0);
                let rule = tracks.byte_rule(j, &at_most);
                for (&bin, &byte) in column.iter().zip(&bytes[tracks.track_of(j)]) {
                    prop_assert_eq!((tracks.bin_in(j, byte), rule.goes_left(byte)), (bin, at_most.goes_left(bin)));
                }
            }
        }
    }

    #[test]
    fn small_features_share_and_large_ones_stay_alone() {
        let extent = |n_bins, has_missing| Extent { n_bins, has_missing };
        // 3 flags, a count of 20, one of 40 with missing values, and a full feature.
        let extents = [
            extent(3, false),
            extent(21, false),
            extent(3, false),
            extent(256, true),
            extent(41, true),
            extent(3, false),
        ];
        let tracks = Tracks::new(&extents, true);
        let sizes: Vec<usize> = tracks.tracks.iter().map(|t| t.size).collect();
        assert_eq!(sizes, [256, 41 * 2 * 2, 20 * 2]);
        assert_eq!(Tracks::new(&extents, false).len(), 6);
    }
}
