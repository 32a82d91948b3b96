//! Rows once, and the bins of boosting's columns: for forests, and for trees on many rows.
//!
//! A node sums its rows by bin, for the features it looks at and for several of them at once, so that no addition waits for
//! the one before. Small nodes note which bins they meet and look at no others, so that a node costs no more than its
//! rows. A cell is two words: the target, and the weight above the number of rows. Where weights have more digits than there
//! is room for they are cut there; the sums of the parts that a split makes are added up again in full.

use med_schema::FeatureMatrix;
use rand::RngExt;
use rand_pcg::Pcg64;
use rayon::prelude::*;

use super::search::{self, Candidate, Choice, Cut, Ranks, Rules, Side, View};
use super::sorted::partition;
use super::{Nodes, Rows, Sums, WORTH_THREADS};
use crate::FitError;
use crate::gbm::{BinColumns, BinOptions, BinSet, Bins, LevelOptions, MISSING_BIN};
use crate::input::no_infinities;
use crate::tree::structure::Test;

/// Bins of a feature.
const BINS: usize = 256;
/// Features that are summed together.
const GROUP: usize = 4;
/// A node of fewer rows notes its bins.
const FEW: usize = 512;

/// All columns as bins. Where a column has at most 255 distinct values each has a bin of its own.
#[derive(Debug)]
pub(in crate::tree) struct BinnedColumns {
    binned: BinColumns,
    ranks: Vec<Ranks>,
    /// Features with two bins in use. The others can split nothing, and chance passes them over.
    varying: Vec<usize>,
}

impl BinnedColumns {
    pub(in crate::tree) fn new(x: &FeatureMatrix, model: &'static str) -> Result<Self, FitError> {
        no_infinities(x, model)?;
        let binned =
            BinColumns::new(x, &BinOptions { max_bin: BINS - 1, min_data_in_bin: 1, levels: LevelOptions::ONE })?;
        let ranks = (x.columns().par_iter().enumerate())
            .map(|(feature, column)| match column.as_numeric() {
                Some(values) => Ranks::Numbers(ranges(values, binned.column(feature))),
                None => Ranks::Levels,
            })
            .collect();
        let varies = |f: &usize| binned.column(*f).windows(2).any(|bins| bins[0] != bins[1]);
        let varying = (0..x.n_columns()).filter(varies).collect();
        Ok(Self { binned, ranks, varying })
    }
}

/// The smallest and the largest number in each bin.
fn ranges(values: &[f64], bins: &[u8]) -> Vec<(f64, f64)> {
    let mut ranges = [(f64::INFINITY, f64::NEG_INFINITY); BINS];
    for (&value, &bin) in values.iter().zip(bins) {
        let range = &mut ranges[bin as usize];
        *range = (range.0.min(value), range.1.max(value));
    }
    ranges.to_vec()
}

/// A row with its part of the sums beside it, so that a histogram reads both in order.
#[derive(Debug, Clone, Copy)]
struct Row {
    row: u32,
    sums: Sums,
}

/// Target; weight above number of rows.
#[derive(Debug, Clone, Copy, Default)]
#[repr(align(16))]
struct Cell([i64; 2]);

impl Cell {
    /// Both words at once.
    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        Self([self.0[0].wrapping_add(other.0[0]), self.0[1].wrapping_add(other.0[1])])
    }
}

/// Where weights stand in a cell.
#[derive(Debug, Clone, Copy)]
struct Packing {
    /// Last bits that are cut.
    cut: u32,
    /// Bits of the number of rows.
    count: u32,
}

impl Packing {
    /// For sums over any of so many rows.
    fn new(n: usize, total: Sums) -> Self {
        let count = usize::BITS - n.leading_zeros();
        let weight = i64::BITS - total.weight.leading_zeros();
        Self { cut: (weight + count).saturating_sub(62), count }
    }

    #[inline(always)]
    fn cell(self, sums: Sums) -> Cell {
        Cell([sums.target, (sums.weight >> self.cut << self.count) + 1])
    }

    #[inline(always)]
    fn side(self, Cell([target, word]): Cell) -> Side {
        let weight = word >> self.count << self.cut;
        Side { sums: Sums { weight, target }, n: (word & ((1 << self.count) - 1)) as usize }
    }
}

/// The sums by bin of some features; empty between two nodes.
#[derive(Debug)]
struct Histograms {
    cells: Vec<[Cell; BINS]>,
    met: [[u64; BINS / 64]; GROUP],
}

impl Histograms {
    fn new() -> Self {
        Self { cells: vec![[Cell::default(); BINS]; GROUP], met: [[0; BINS / 64]; GROUP] }
    }

    /// Sums up to [`GROUP`] columns.
    fn add(&mut self, columns: &[&[u8]], rows: &[Row], packing: Packing) {
        match *columns {
            [a, b, c, d] => self.add_group([a, b, c, d], rows, packing),
            [a, b, c] => self.add_group([a, b, c], rows, packing),
            [a, b] => self.add_group([a, b], rows, packing),
            [a] => self.add_group([a], rows, packing),
            _ => {}
        }
    }

    fn add_group<const N: usize>(&mut self, columns: [&[u8]; N], rows: &[Row], packing: Packing) {
        let (Some(cells), Some(met)) = (self.cells.first_chunk_mut::<N>(), self.met.first_chunk_mut::<N>()) else {
            return;
        };
        // One length, one check.
        let n = columns.iter().map(|c| c.len()).min().unwrap_or(0);
        let columns = columns.map(|c| &c[..n]);
        if rows.len() < FEW {
            for &Row { row, sums } in rows {
                let (row, value) = (row as usize, packing.cell(sums));
                for k in 0..N {
                    let bin = columns[k][row] as usize;
                    cells[k][bin] = cells[k][bin].plus(value);
                    met[k][bin / 64] |= 1 << (bin % 64);
                }
            }
            return;
        }
        for &Row { row, sums } in rows {
            let (row, value) = (row as usize, packing.cell(sums));
            for k in 0..N {
                let bin = columns[k][row] as usize;
                cells[k][bin] = cells[k][bin].plus(value);
            }
        }
        for (met, cells) in met.iter_mut().zip(cells) {
            for (bin, cell) in cells.iter().enumerate() {
                met[bin / 64] |= u64::from(cell.0[1] != 0) << (bin % 64);
            }
        }
    }

    /// The bins of a feature that have rows, but for the missing ones.
    fn groups(&self, k: usize, packing: Packing) -> impl Iterator<Item = (u32, Side)> + Clone + '_ {
        let mut met = self.met[k];
        met[0] &= !1;
        Met { met, word: 0 }.map(move |bin| (bin as u32, packing.side(self.cells[k][bin])))
    }

    /// The first and the last of them.
    fn ends(&self, k: usize) -> Option<(u32, u32)> {
        let mut met = self.met[k];
        met[0] &= !1;
        let last = (0..BINS / 64).rev().find(|&w| met[w] != 0)?;
        let first = met.iter().position(|&word| word != 0)?;
        let (first, last) = (64 * first as u32 + met[first].trailing_zeros(), 64 * last as u32 + met[last].ilog2());
        Some((first, last))
    }

    fn missing(&self, k: usize, packing: Packing) -> Side {
        packing.side(self.cells[k][MISSING_BIN as usize])
    }

    fn clear(&mut self) {
        for (met, cells) in self.met.iter_mut().zip(&mut self.cells) {
            Met { met: *met, word: 0 }.for_each(|bin| cells[bin] = Cell::default());
            *met = [0; BINS / 64];
        }
    }
}

/// Numbers of the bits that are set, ascending.
#[derive(Debug, Clone)]
struct Met {
    met: [u64; BINS / 64],
    word: usize,
}

impl Iterator for Met {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        while self.word < BINS / 64 {
            let word = self.met[self.word];
            if word != 0 {
                self.met[self.word] &= word - 1;
                return Some(self.word * 64 + word.trailing_zeros() as usize);
            }
            self.word += 1;
        }
        None
    }
}

/// The rows of a tree, once.
#[derive(Debug)]
pub(in crate::tree) struct BinnedNodes<'a> {
    y: &'a [f64],
    rules: &'a Rules,
    columns: &'a BinnedColumns,
    /// Chance, if it has a part in it.
    random: Option<Pcg64>,
    rows: Vec<Row>,
    total: Sums,
    packing: Packing,
    room: Vec<Row>,
    features: Vec<usize>,
    histograms: Vec<Histograms>,
}

impl<'a> BinnedNodes<'a> {
    /// All rows of a weight above 0, as often as they are drawn. With `random` a node looks at some features only.
    pub(in crate::tree) fn new(
        rows: &'a Rows,
        draws: Option<&[u32]>,
        rules: &'a Rules,
        columns: &'a BinnedColumns,
        random: Option<Pcg64>,
    ) -> Self {
        let drawn = |row: usize| draws.map_or(1, |draws| draws[row]);
        let of_row = |(row, &sums): (usize, &Sums)| Row { row: row as u32, sums: sums.times(drawn(row)) };
        let used: Vec<Row> = rows.sums.iter().enumerate().map(of_row).filter(|r| r.sums.weight > 0).collect();
        let mut total = Sums::default();
        used.iter().for_each(|r| total.add(r.sums));
        let groups = if random.is_some() { 1 } else { columns.varying.len().div_ceil(GROUP) };
        Self {
            y: &rows.y,
            rules,
            columns,
            random,
            packing: Packing::new(used.len(), total),
            rows: used,
            total,
            room: Vec::new(),
            features: columns.varying.clone(),
            histograms: (0..groups).map(|_| Histograms::new()).collect(),
        }
    }
}

/// A node that is searched.
#[derive(Debug, Clone, Copy)]
struct Searched<'a> {
    rows: &'a [Row],
    columns: &'a BinnedColumns,
    rules: &'a Rules,
    packing: Packing,
    total: Side,
}

impl Searched<'_> {
    /// The best split on one of these features, [`GROUP`] of them at most.
    fn best(
        &self,
        features: &[usize],
        histograms: &mut Histograms,
        mut random: Option<&mut Pcg64>,
    ) -> Option<Candidate> {
        let mut columns: [&[u8]; GROUP] = [&[]; GROUP];
        columns.iter_mut().zip(features).for_each(|(column, &f)| *column = self.columns.binned.column(f));
        histograms.add(&columns[..features.len().min(GROUP)], self.rows, self.packing);
        let mut found = None;
        for (k, &feature) in features.iter().enumerate() {
            let missing = histograms.missing(k, self.packing);
            let view = View { feature, ranks: &self.columns.ranks[feature], missing, total: self.total };
            let groups = histograms.groups(k, self.packing);
            let candidate = match (self.rules.choice, random.as_deref_mut()) {
                (Choice::Random, Some(random)) => {
                    let ends = histograms.ends(k);
                    ends.and_then(|ends| search::random(&view, groups, ends, self.rules, random))
                }
                _ => search::best(&view, groups, self.rules),
            };
            found = found.into_iter().chain(candidate).reduce(search::better);
        }
        histograms.clear();
        found
    }
}

impl Nodes for BinnedNodes<'_> {
    fn total(&self) -> (usize, Sums) {
        (self.rows.len(), self.total)
    }

    fn is_constant(&self, start: usize, len: usize) -> bool {
        let y = |r: &Row| self.y[r.row as usize];
        self.rows[start..start + len].windows(2).all(|r| y(&r[0]) == y(&r[1]))
    }

    fn search(&mut self, start: usize, len: usize, sums: Sums) -> Option<Candidate> {
        let Self { rules, columns, packing, features, histograms, .. } = self;
        let (rows, total) = (&self.rows[start..start + len], Side { sums, n: len });
        let node = Searched { rows, columns, rules, packing: *packing, total };
        let Some(random) = &mut self.random else {
            let best = |(features, histograms): (&[usize], &mut Histograms)| node.best(features, histograms, None);
            if len * features.len() >= WORTH_THREADS {
                let groups = features.par_chunks(GROUP).zip(histograms.par_iter_mut());
                let found: Vec<_> = groups.map(best).collect();
                return found.into_iter().flatten().reduce(search::better);
            }
            let groups = features.chunks(GROUP).zip(histograms.iter_mut());
            return groups.filter_map(best).reduce(search::better);
        };
        // Some features by chance, and more until one can be split at all.
        let n = features.len();
        features.copy_from_slice(&columns.varying);
        let most = rules.max_features.unwrap_or(n.div_ceil(3));
        let (mut found, mut looked_at) = (None, 0);
        while looked_at < n && (looked_at < most || found.is_none()) {
            let left = most.saturating_sub(looked_at).clamp(1, GROUP).min(n - looked_at);
            for i in looked_at..looked_at + left {
                features.swap(i, random.random_range(i..n));
            }
            let candidate = node.best(&features[looked_at..looked_at + left], &mut histograms[0], Some(random));
            found = found.into_iter().chain(candidate).reduce(search::better);
            looked_at += left;
        }
        found
    }

    fn partition(&mut self, start: usize, len: usize, candidate: &Candidate, _: bool) -> Sums {
        let goes_left: [bool; BINS] = std::array::from_fn(|bin| match &candidate.cut {
            _ if bin == usize::from(MISSING_BIN) => candidate.missing_left,
            Cut::AtMost { rank: last, .. } => bin as u32 <= *last,
            Cut::OneOf(bins) => bins.contains(bin as u32),
        });
        let bins = self.columns.binned.column(candidate.feature);
        let mut left = Sums::default();
        partition(&mut self.rows[start..start + len], &mut self.room, |r| {
            let goes_left = goes_left[bins[r.row as usize] as usize];
            let all = -i64::from(goes_left);
            left.add(Sums { weight: r.sums.weight & all, target: r.sums.target & all });
            goes_left
        });
        left
    }

    fn test(&self, candidate: &Candidate) -> Test {
        match (&candidate.cut, &self.columns.binned.features()[candidate.feature]) {
            (Cut::OneOf(ranks), Bins::Categorical(levels)) => {
                let mut bins = BinSet::default();
                ranks.codes().for_each(|bin| bins.insert(bin as u8));
                Test::OneOf(levels.levels(&bins))
            }
            (Cut::OneOf(ranks), Bins::Numeric(_)) => Test::OneOf(ranks.clone()),
            (Cut::AtMost { threshold, .. }, _) => Test::AtMost(*threshold),
        }
    }
}
