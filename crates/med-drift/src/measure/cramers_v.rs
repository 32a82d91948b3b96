//! Cramer's V with bias correction.

use crate::levels::LevelMerge;
use crate::statistics::{homogeneity_p_value, pearson};
use crate::{DriftError, Sample, SampleKind};

use super::{Drift, DriftMeasure, merged};

/// Bias-corrected Cramer's V between level and side, by the recipe of deepchecks; in \[0, 1\].
///
/// 1. Missing values are left out (or are a level), rare levels merged: [`LevelMerge`];
/// 2. one level left: 0;
/// 3. the larger side is scaled down to the total of the smaller, both rounded half to even;
/// 4. levels without rows are dropped; chi2 of the 2 x k table, with Yates' correction when k = 2;
/// 5. with N rows, r = 2: phi2 = max(0, chi2 / N - (k - 1)(r - 1) / (N - 1)), k' = k - (k - 1)^2 / (N - 1),
///    r' = r - (r - 1)^2 / (N - 1), V = sqrt(phi2 / min(k' - 1, r' - 1)).
///
/// Small drifts score exactly 0. The p-value is extra and not part of the recipe: Pearson's chi-square of all levels as they are, neither merged nor scaled nor rounded, for the reference alone
/// decides what is merged, and the merged counts therefore differ without drift. Where counts of less than 5 are to be expected it is that of the gamma distribution with the
/// statistic's mean and variance over all deals of the rows to the two sides.
///
/// Haldane, J. B. S. (1940). The mean and variance of chi^2, when used as a test of homogeneity, when expectations are small. *Biometrika* 31, 346-355.
///
/// Bergsma, W. (2013). A bias-correction for Cramer's V and Tschuprow's T. *J. Korean Statistical Society* 42, 323-328.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct CramersV {
    merge: LevelMerge,
}

impl CramersV {
    /// With this merging of rare levels.
    ///
    /// # Errors
    /// When a parameter of `merge` is outside its range.
    pub fn new(merge: LevelMerge) -> Result<Self, DriftError> {
        merge.validate()?;
        Ok(Self { merge })
    }

    /// With [`LevelMerge::deepchecks`].
    pub fn deepchecks() -> Self {
        Self { merge: LevelMerge::deepchecks() }
    }

    fn corrected(&self, counts: &[[f64; 2]]) -> Result<f64, DriftError> {
        let undefined = |reason| DriftError::NotDefined { method: self.name(), reason };
        let total: f64 = counts.iter().flatten().sum();
        let side = |i: usize| counts.iter().map(|c| c[i]).sum::<f64>();
        if side(0) == 0.0 || side(1) == 0.0 {
            return Err(undefined("a side has no rows left after scaling"));
        }
        let k = counts.len() as f64;
        let phi2 = (pearson(counts, counts.len() == 2) / total - (k - 1.0) / (total - 1.0)).max(0.0);
        let rows = 2.0 - 1.0 / (total - 1.0);
        let columns = k - (k - 1.0).powi(2) / (total - 1.0);
        let smaller = (columns - 1.0).min(rows - 1.0);
        if smaller.is_nan() || smaller <= 0.0 {
            return Err(undefined("too few rows for so many levels"));
        }
        Ok((phi2 / smaller).sqrt())
    }
}

impl DriftMeasure for CramersV {
    fn name(&self) -> &'static str {
        "cramers_v"
    }

    fn supports(&self, kind: SampleKind) -> bool {
        kind == SampleKind::Categorical
    }

    fn measure(&self, reference: Sample<'_>, current: Sample<'_>) -> Result<Drift, DriftError> {
        let table = merged(self, self.merge, reference, current)?;
        let unmerged = LevelMerge { missing_is_level: self.merge.missing_is_level, ..LevelMerge::none() };
        let all: Vec<[f64; 2]> =
            merged(self, unmerged, reference, current)?.counts.iter().map(|c| c.map(|n| n as f64)).collect();
        let p_value = homogeneity_p_value(&all);
        if table.counts.len() <= 1 {
            return Ok(Drift::tested(0.0, p_value));
        }
        let [n, m] = table.totals().map(|rows| rows as f64);
        let smaller = n.min(m);
        let scaled = |count: u64, total: f64| (count as f64 * (smaller / total)).round_ties_even();
        let mut counts: Vec<[f64; 2]> = table.counts.iter().map(|&[r, c]| [scaled(r, n), scaled(c, m)]).collect();
        counts.retain(|c| *c != [0.0, 0.0]);
        let distance = self.corrected(&counts)?;
        Ok(Drift::tested(distance, p_value))
    }
}
