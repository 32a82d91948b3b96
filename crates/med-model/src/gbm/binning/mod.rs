//! Values to bytes: bin 0 is for missing values, bins 1.. are ranges of a numeric feature in ascending order, or levels of
//! a categorical one.
//!
//! Cuts are found in at most 200,000 rows, evenly spaced (LightGBM draws as many), so with more rows than that they may
//! move with the order of the rows. Boosting packs features of few bins into shared bytes (see `tracks`) and keeps them
//! row by row, as summing histograms reads them, and all, some or none of them column by column too, as splitting rows
//! does (`held`).
//! `O(rows log bins)` a feature, in parallel.

mod cuts;
mod held;
mod levels;
mod tracks;

use med_schema::{FeatureMatrix, FeatureValues};
use rayon::prelude::*;

use super::params::BinLayout;
use crate::FitError;
use crate::kernel::paged;
pub(crate) use cuts::Cuts;
pub(super) use held::HeldColumns;
pub(crate) use levels::{LevelOptions, Levels, told_apart};
use tracks::Extent;
pub(crate) use tracks::Tracks;

/// The bin of missing values.
pub(crate) const MISSING_BIN: u8 = 0;
/// Rows that cuts are learnt from.
const SAMPLE: usize = 200_000;
/// With fewer rows, the work on a histogram is more than on the rows.
const WORTH_SHARING: usize = 1 << 14;
/// Below so many rows, waking other threads costs more than it saves.
const PARALLEL: usize = 1 << 14;
/// With fewer rows, all columns take so little memory that it is no gain to hold some alone.
const WORTH_DIVIDING: usize = 1 << 16;

/// How bins are made.
#[derive(Debug, Clone)]
pub(crate) struct BinOptions {
    /// Bins of a numeric feature, beside the one for missing values; at most 255.
    pub(crate) max_bin: usize,
    /// Rows a bin must have.
    pub(crate) min_data_in_bin: usize,
    /// Bins of categorical features.
    pub(crate) levels: LevelOptions,
}

/// A set of bins, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct BinSet([u64; 4]);

impl BinSet {
    pub(crate) fn insert(&mut self, bin: u8) {
        self.0[bin as usize / 64] |= 1 << (bin % 64);
    }

    pub(crate) fn contains(&self, bin: u8) -> bool {
        self.0[bin as usize / 64] >> (bin % 64) & 1 == 1
    }
}

/// What the bins of one feature, or of a part of it, are.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Bins {
    Numeric(Cuts),
    Categorical(Levels),
}

impl Bins {
    pub(super) fn n_bins(&self) -> usize {
        match self {
            Self::Numeric(cuts) => cuts.n_bins(),
            Self::Categorical(levels) => levels.n_bins(),
        }
    }
}

/// The bins of each feature, column by column. A categorical one of many levels is several here, one a part: see `levels`.
#[derive(Debug)]
pub(crate) struct BinColumns {
    features: Vec<Bins>,
    /// By feature here, the one of the matrix.
    sources: Vec<usize>,
    columns: Vec<Vec<u8>>,
}

impl BinColumns {
    /// Of all columns, which must not hold infinite values.
    pub(crate) fn new(x: &FeatureMatrix, options: &BinOptions) -> Result<Self, FitError> {
        let n_rows = x.n_rows();
        if n_rows >= 1 << 31 {
            return Err(FitError::Backend { model: "gbdt", source: "more than 2147483647 rows".into() });
        }
        let bin = |column: &med_schema::FeatureColumn| bin_column(column.values(), n_rows, options);
        let binned: Vec<Vec<(Bins, Vec<u8>)>> = if n_rows < PARALLEL {
            x.columns().iter().map(bin).collect()
        } else {
            x.columns().par_iter().map(bin).collect()
        };
        let sources = binned.iter().enumerate().flat_map(|(source, parts)| vec![source; parts.len()]).collect();
        let (features, columns) = binned.into_iter().flatten().unzip();
        Ok(Self { features, sources, columns })
    }

    pub(crate) fn features(&self) -> &[Bins] {
        &self.features
    }

    /// The bins of one feature.
    pub(crate) fn column(&self, feature: usize) -> &[u8] {
        &self.columns[feature]
    }
}

/// All features as the bytes of tracks.
#[derive(Debug)]
pub(crate) struct Binned {
    features: Vec<Bins>,
    /// By feature here, the one of the matrix.
    sources: Vec<usize>,
    tracks: Tracks,
    /// Track by track, where all are kept.
    columns: Option<Vec<Vec<u8>>>,
    /// Whether some are to be held in their place.
    holds_some: bool,
    /// Row by row.
    rows: Vec<u8>,
    n_rows: usize,
}

/// The bytes of one track.
#[derive(Debug, Clone, Copy)]
pub(super) enum TrackBytes<'a> {
    /// One behind the other.
    Column(&'a [u8]),
    /// One in each row.
    Rows { rows: &'a [u8], stride: usize, track: usize },
}

impl TrackBytes<'_> {
    #[inline(always)]
    pub(super) fn at(&self, row: usize) -> u8 {
        match *self {
            Self::Column(bytes) => bytes[row],
            Self::Rows { rows, stride, track } => rows[row * stride + track],
        }
    }
}

impl Binned {
    /// Of all columns, which must not hold infinite values.
    pub(crate) fn new(x: &FeatureMatrix, options: &BinOptions, layout: BinLayout) -> Result<Self, FitError> {
        let n_rows = x.n_rows();
        let BinColumns { features, sources, columns } = BinColumns::new(x, options)?;
        let extent = |(bins, column): (&Bins, &Vec<u8>)| Extent {
            n_bins: bins.n_bins(),
            has_missing: n_rows < WORTH_SHARING || column.contains(&MISSING_BIN),
        };
        let extents: Vec<Extent> = features.iter().zip(&columns).map(extent).collect();
        let tracks = Tracks::new(&extents, n_rows >= WORTH_SHARING);
        let columns = tracks.pack(columns);
        let rows = row_major(&columns, n_rows);
        let (keeps_all, holds_some) = match layout {
            BinLayout::Double => (true, false),
            BinLayout::Partial => (n_rows < WORTH_DIVIDING, n_rows >= WORTH_DIVIDING),
            BinLayout::Single => (false, false),
        };
        let columns = keeps_all.then_some(columns);
        Ok(Self { features, sources, tracks, columns, holds_some, rows, n_rows })
    }

    pub(crate) fn n_rows(&self) -> usize {
        self.n_rows
    }

    pub(crate) fn features(&self) -> &[Bins] {
        &self.features
    }

    /// The feature of the matrix that this one is, or is a part of.
    #[inline]
    pub(crate) fn source(&self, feature: usize) -> usize {
        self.sources[feature]
    }

    /// Number of features of the matrix.
    pub(crate) fn n_sources(&self) -> usize {
        self.sources.last().map_or(0, |last| last + 1)
    }

    /// How rows and histograms are laid out.
    pub(super) fn tracks(&self) -> &Tracks {
        &self.tracks
    }

    /// The bytes of one track.
    pub(super) fn track(&self, track: usize) -> TrackBytes<'_> {
        match &self.columns {
            Some(columns) => TrackBytes::Column(&columns[track]),
            None => TrackBytes::Rows { rows: &self.rows, stride: self.tracks.len(), track },
        }
    }

    /// Row by row, each as many bytes as there are tracks.
    pub(super) fn rows(&self) -> &[u8] {
        &self.rows
    }

    /// The bin of a feature in one row.
    #[cfg(test)]
    pub(super) fn bin(&self, feature: usize, row: usize) -> u8 {
        self.tracks.bin_in(feature, self.track(self.tracks.track_of(feature)).at(row))
    }
}

/// The parts of a column, one at least.
fn bin_column(values: &FeatureValues, n_rows: usize, options: &BinOptions) -> Vec<(Bins, Vec<u8>)> {
    match values {
        FeatureValues::Numeric(values) => {
            let values = values.as_slice();
            let mut bins = vec![MISSING_BIN; n_rows];
            let sample = n_rows.min(SAMPLE);
            let at = |i: usize| values[(i as u64 * n_rows as u64 / sample as u64) as usize];
            let cuts = Cuts::learn((0..sample).map(at), options.max_bin.min(255), options.min_data_in_bin);
            let task = |(bins, values): (&mut [u8], &[f64])| cuts.bins(values, bins);
            if n_rows < PARALLEL {
                task((&mut bins, values));
            } else {
                bins.par_chunks_mut(PARALLEL).zip(values.par_chunks(PARALLEL)).for_each(task);
            }
            vec![(Bins::Numeric(cuts), bins)]
        }
        FeatureValues::Categorical { codes, levels } => {
            let part = |levels: Levels| {
                let bins = codes.iter().map(|&code| levels.bin(code)).collect();
                (Bins::Categorical(levels), bins)
            };
            Levels::learn(codes, levels.len(), options.levels).into_iter().map(part).collect()
        }
    }
}

fn row_major(columns: &[Vec<u8>], n_rows: usize) -> Vec<u8> {
    /// Rows turned at a time: they stay in the first-level cache.
    const TILE: usize = 512;
    let stride = columns.len();
    let mut rows = paged(vec![0; n_rows * stride]);
    let turn = |(tile, rows): (usize, &mut [u8])| {
        let part = tile * TILE..tile * TILE + rows.len() / stride;
        for (t, column) in columns.iter().enumerate() {
            let places = rows.iter_mut().skip(t).step_by(stride);
            places.zip(&column[part.clone()]).for_each(|(place, &byte)| *place = byte);
        }
    };
    if stride == 0 {
        return rows;
    }
    if n_rows < PARALLEL {
        rows.chunks_mut(TILE * stride).enumerate().for_each(turn);
    } else {
        rows.par_chunks_mut(TILE * stride).enumerate().for_each(turn);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use med_schema::FeatureColumn;

    #[test]
    fn rows_and_columns_hold_the_same_bins() {
        let n = 20_000;
        let a: Vec<f64> = (0..n).map(|i| if i % 7 == 0 { f64::NAN } else { f64::from(i % 500) }).collect();
        let b: Vec<u32> = (0..n as u32).map(|i| if i % 5 == 0 { u32::MAX } else { i % 3 }).collect();
        let levels: Vec<String> = ["x", "y", "z"].map(String::from).to_vec();
        let c: Vec<f64> = (0..n).map(|i| f64::from(i % 2)).collect();
        let columns = vec![
            FeatureColumn::numeric("a", a),
            FeatureColumn::categorical("b", b, levels).unwrap(),
            FeatureColumn::numeric("c", c),
        ];
        let options = BinOptions { max_bin: 255, min_data_in_bin: 3, levels: LevelOptions::ONE };
        let x = FeatureMatrix::new(columns).unwrap();
        let columns = BinColumns::new(&x, &options).unwrap();
        for layout in [BinLayout::Double, BinLayout::Partial, BinLayout::Single] {
            let binned = Binned::new(&x, &options, layout).unwrap();
            assert_eq!(binned.columns.is_some(), layout != BinLayout::Single);
            for row in 0..n as usize {
                for feature in 0..3 {
                    assert_eq!(binned.bin(feature, row), columns.column(feature)[row]);
                }
                let stride = binned.tracks().len();
                for (track, &byte) in binned.rows()[row * stride..][..stride].iter().enumerate() {
                    assert_eq!(binned.track(track).at(row), byte);
                }
            }
        }
    }
}
