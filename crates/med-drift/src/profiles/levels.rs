//! Distances between two tables of level counts of which at least one lists only the most frequent levels.
//!
//! A listed level with count c has c to c + error rows, one that is not listed at most `error`: so say Misra and Gries for sure. What is not listed on either
//! side is taken for one level in the estimate (for `l_infinity` it is left out), and for any number of levels in the bound.

use std::collections::BTreeMap;

use med_schema::ColumnProfile;

use crate::decide::new_levels_of;
use crate::{Drift, DriftError, Method};

use super::Bounded;
use super::bounds::{Divergence, Range};

/// One side.
#[derive(Debug)]
pub(super) struct ListedLevels {
    counts: BTreeMap<String, u64>,
    rows: u64,
    error: u64,
    distinct: u64,
}

impl ListedLevels {
    pub(super) fn new(profile: &ColumnProfile) -> Self {
        let of = profile.counts();
        let mut counts = BTreeMap::new();
        for (item, count) in of.values() {
            *counts.entry(item.to_string()).or_default() += count;
        }
        Self { counts, rows: profile.present(), error: of.error(), distinct: of.distinct() }
    }

    fn listed(&self, level: &str) -> u64 {
        self.counts.get(level).copied().unwrap_or(0)
    }

    fn share(&self, level: &str) -> f64 {
        self.listed(level) as f64 / self.rows as f64
    }

    fn range(&self, level: &str) -> Range {
        [self.share(level), ((self.listed(level) + self.error) as f64 / self.rows as f64).min(1.0)]
    }

    /// The share of rows that are not counted.
    fn rest(&self) -> f64 {
        (self.rows - self.counts.values().sum::<u64>().min(self.rows)) as f64 / self.rows as f64
    }
}

/// Why a method has no score.
pub(super) fn unlisted(method: Method) -> DriftError {
    let reason = "the profile counts only the most frequent levels; psi, jensen_shannon, hellinger, kl, tv and l_infinity do with those";
    DriftError::NotDefined { method: method.as_str(), reason }
}

/// The distance with its bound. Neither side may be empty.
pub(super) fn measure(method: Method, r: &ListedLevels, c: &ListedLevels) -> Result<Bounded, DriftError> {
    let Some(divergence) = Divergence::of(method) else { return Err(unlisted(method)) };
    let names = || r.counts.keys().chain(c.counts.keys().filter(|level| !r.counts.contains_key(*level)));
    let estimated = names().map(|level| divergence.term(r.share(level), c.share(level)));
    let (p, q) = (r.rest(), c.rest());
    let rest = if divergence == Divergence::LInfinity { 0.0 } else { divergence.term(p, q) };
    let distance = divergence.distance(divergence.total(estimated.chain([rest])));
    let ranges: Vec<Range> = names().map(|level| divergence.range(r.range(level), c.range(level))).collect();
    let each = (r.error as f64 / r.rows as f64).max(c.error as f64 / c.rows as f64);
    let more = divergence.unlisted(p, q, each);
    // A single term of `kl` may be negative, that of the unlisted levels too.
    let less = if divergence == Divergence::Kl { -more } else { 0.0 };
    let total =
        |end: usize, rest: f64| divergence.distance(divergence.total(ranges.iter().map(|r| r[end]).chain([rest])));
    let (least, most) = (total(0, less), total(1, more));
    let error = (most - distance).max(distance - least).max(0.0);
    Ok(Bounded { drift: Drift { distance, p_value: None }, error })
}

/// Share of the current rows with levels that the reference does not have, and its p-value, both on the safe side; `None` when the reference does not list
/// all its levels.
pub(super) fn new_levels(r: &ListedLevels, c: &ListedLevels) -> Option<(f64, f64)> {
    if r.error > 0 {
        return None;
    }
    let new = || c.counts.iter().filter(|(level, _)| !r.counts.contains_key(*level)).map(|(_, &count)| count);
    let levels = r.counts.len() + c.distinct as usize;
    Some(new_levels_of([r.rows, c.rows], new().sum(), new().max().unwrap_or(0), levels))
}
