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
    /// The distinct numbers, ascending.
    Numbers(Vec<f64>),
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
#[derive(Debug)]
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
        let mut distinct: Vec<f64> = Vec::new();
        let mut entries = Vec::with_capacity(values.len());
        for (value, row) in present {
            if distinct.last() != Some(&value) {
                distinct.push(value);
            }
            entries.push(Entry { rank: distinct.len() as u32 - 1, row });
        }
        let missing = values.iter().zip(0..).filter(|(v, _)| v.is_nan());
        entries.extend(missing.map(|(_, row)| Entry { rank: MISSING_RANK, row }));
        Self { ranks: Ranks::Numbers(distinct), entries }
    }
}

/// A number `m` with `a <= m < b`, in the middle where there is room.
pub(super) fn midpoint(a: f64, b: f64) -> f64 {
    let m = 0.5 * a + 0.5 * b;
    if m >= a && m < b { m } else { a }
}
