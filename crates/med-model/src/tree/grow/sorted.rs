//! Columns in ascending order.

use med_schema::{FeatureColumn, FeatureMatrix, FeatureValues, MISSING};
use rayon::prelude::*;

use crate::InputError;

/// The rank of missing values: behind all others.
pub(super) const MISSING_RANK: u32 = u32::MAX;

/// A value's rank among the distinct ones of its column, or the code of its level; and its row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) rank: u32,
    pub(super) row: u32,
}

#[derive(Debug)]
pub(super) enum Ranks {
    /// The smallest and the largest number of each rank, ascending.
    Numbers(Vec<(f64, f64)>),
    /// Codes of levels.
    Levels,
}

#[derive(Debug)]
pub(super) struct SortedColumn {
    pub(super) ranks: Ranks,
    /// By rank, then by row.
    pub(super) entries: Vec<Entry>,
}

/// All columns.
#[derive(Debug, Default)]
pub(in crate::tree) struct Sorted {
    pub(super) columns: Vec<SortedColumn>,
}

impl Sorted {
    pub(super) fn new(x: &FeatureMatrix, model: &'static str) -> Result<Self, InputError> {
        let sorted = |c: &FeatureColumn| SortedColumn::new(c, model);
        let columns = if x.n_rows() < 4096 {
            x.columns().iter().map(sorted).collect::<Result<_, _>>()?
        } else {
            x.columns().par_iter().map(sorted).collect::<Vec<_>>().into_iter().collect::<Result<_, _>>()?
        };
        Ok(Self { columns })
    }
}

impl SortedColumn {
    fn new(column: &FeatureColumn, model: &'static str) -> Result<Self, InputError> {
        match column.values() {
            FeatureValues::Numeric(values) => {
                let values = values.as_slice();
                if let Some(row) = values.iter().position(|v| v.is_infinite()) {
                    return Err(InputError::Infinite { column: column.name().to_owned(), row, model });
                }
                Ok(Self::of_numbers(values))
            }
            FeatureValues::Categorical { codes, .. } => {
                let rank = |code: u32| if code == MISSING { MISSING_RANK } else { code };
                let entries = codes.iter().zip(0..).map(|(&code, row)| Entry { rank: rank(code), row });
                let mut entries: Vec<Entry> = entries.collect();
                entries.sort_unstable();
                Ok(Self { ranks: Ranks::Levels, entries })
            }
        }
    }

    fn of_numbers(values: &[f64]) -> Self {
        let mut present: Vec<(f64, u32)> = values.iter().copied().zip(0..).filter(|(v, _)| !v.is_nan()).collect();
        // 0 and -0 are one value; by adding 0 they are one in the order as well.
        present.sort_unstable_by(|a, b| (a.0 + 0.0).total_cmp(&(b.0 + 0.0)).then(a.1.cmp(&b.1)));
        let mut distinct: Vec<(f64, f64)> = Vec::new();
        let mut entries = Vec::with_capacity(values.len());
        for (value, row) in present {
            if distinct.last().is_none_or(|d| d.0 != value) {
                distinct.push((value, value));
            }
            entries.push(Entry { rank: distinct.len() as u32 - 1, row });
        }
        let missing = values.iter().zip(0..).filter(|(v, _)| v.is_nan());
        entries.extend(missing.map(|(_, row)| Entry { rank: MISSING_RANK, row }));
        Self { ranks: Ranks::Numbers(distinct), entries }
    }
}

/// Most ranks of a numeric column with joined ranks.
const MAX_BINS: usize = 256;

/// A column by row, with few ranks: neighbouring numbers are joined to bins of about equal numbers of rows.
#[derive(Debug)]
pub(super) struct BinnedColumn {
    pub(super) ranks: Ranks,
    /// By row; [`MISSING_RANK`] for missing values.
    pub(super) by_row: Vec<u32>,
    pub(super) n_ranks: usize,
}

impl BinnedColumn {
    fn new(sorted: &SortedColumn, levels: usize) -> Self {
        let mut by_row = vec![MISSING_RANK; sorted.entries.len()];
        let present = sorted.entries.partition_point(|e| e.rank != MISSING_RANK);
        let entries = &sorted.entries[..present];
        let Ranks::Numbers(distinct) = &sorted.ranks else {
            entries.iter().for_each(|e| by_row[e.row as usize] = e.rank);
            return Self { ranks: Ranks::Levels, by_row, n_ranks: levels };
        };
        let least = if distinct.len() <= MAX_BINS { 0 } else { present.div_ceil(MAX_BINS - 1) };
        let mut bins: Vec<(f64, f64)> = Vec::new();
        let mut in_bin = 0;
        for rank in entries.chunk_by(|a, b| a.rank == b.rank) {
            let (low, high) = distinct[rank[0].rank as usize];
            match bins.last_mut() {
                Some(bin) if in_bin < least => bin.1 = high,
                _ => {
                    bins.push((low, high));
                    in_bin = 0;
                }
            }
            in_bin += rank.len();
            rank.iter().for_each(|e| by_row[e.row as usize] = bins.len() as u32 - 1);
        }
        Self { n_ranks: bins.len(), ranks: Ranks::Numbers(bins), by_row }
    }
}

impl Sorted {
    /// With at most 256 ranks a numeric column.
    pub(super) fn binned(&self, x: &FeatureMatrix) -> Vec<BinnedColumn> {
        let levels = x.columns().iter().map(|c| c.as_categorical().map_or(0, |(_, levels)| levels.len()));
        let levels: Vec<usize> = levels.collect();
        let binned = |(column, &levels): (&SortedColumn, &usize)| BinnedColumn::new(column, levels);
        self.columns.par_iter().zip(&levels).map(binned).collect()
    }
}

/// A number `m` with `a <= m < b`, in the middle where there is room.
pub(super) fn midpoint(a: f64, b: f64) -> f64 {
    let m = 0.5 * a + 0.5 * b;
    if m >= a && m < b { m } else { a }
}
