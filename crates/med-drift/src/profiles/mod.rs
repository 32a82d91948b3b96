//! Drift from two stored profiles, without the rows they were made of.
//!
//! A [`Profile`] keeps of each column its counts, moments, a quantile sketch and the counts of its values. Where a sketch still holds everything (some six
//! thousand numbers, a thousand levels at its default size), the answer is that of the rows. Where it does not, it is an estimate, and
//! [`ColumnDrift::score_error`](crate::ColumnDrift::score_error) bounds how far it can be from the score of the rows: with 99 % confidence for quantiles, for
//! sure for counts of levels. P-values are then taken at the smallest score within the bound, so that the coarseness of a sketch never makes an alarm significant.
//!
//! Time: O(k log k) a column for sketches of k values, whatever the number of rows.

mod bounds;
mod levels;
mod steps;

use med_schema::{ColumnProfile, Kind, Profile, Role, ValueType};
use rayon::prelude::*;

use crate::decide::Besides;
use crate::detect::Extent;
use crate::measure::{StdStability, StudentT, WelchT};
use crate::{
    CategoricalSample, ColumnDrift, ColumnSample, Drift, DriftDetector, DriftError, DriftReport, Method, NumericSample,
    Preset, SampleKind,
};
use levels::ListedLevels;
use steps::Steps;

/// How sure the bounds of both quantile sketches of a column are together.
const CONFIDENCE: f64 = 0.99;

/// A score and how far from that of the rows it can be.
struct Bounded {
    drift: Drift,
    error: f64,
}

impl DriftDetector {
    /// Compares the columns of two profiles by name, in the order of the reference: those of role feature or target and of a kind that can be measured
    /// there. The reference's kinds count on both sides, as `Table::features` of med-schema takes them: quantities and counts as numbers, names as categories,
    /// 0/1 columns and grades as numbers unless they are texts.
    ///
    /// See [`ColumnDrift::score_error`](crate::ColumnDrift::score_error) for what the scores are worth. A method that needs more than the profile
    /// still holds gives no score and says so: `emd`, `anderson`, `cramer_von_mises`, `mann_whitney`, `levene` and `z_test` of numbers and
    /// `cramers_v`, `chi_square`, `g_test` and `z_test` of names need sketches that are exact.
    ///
    /// # Errors
    /// When the preset is `evidently` or `nannyml` or thresholds are to be learnt, which needs rows, there are no columns, one side lacks columns of the other, or a column holds numbers on one side and texts on
    /// the other.
    pub fn detect_profiles(&self, reference: &Profile, current: &Profile) -> Result<DriftReport, DriftError> {
        let params = self.params();
        if matches!(params.preset, Preset::Evidently | Preset::Nannyml)
            || params.chunks.is_some()
            || params.calibrate.is_some()
        {
            return Err(DriftError::NeedsRows { preset: params.preset });
        }
        let pairs = paired(reference, current)?;
        let found = pairs.into_par_iter().map(|(r, c, kind)| self.profiled(r, c, kind)).collect::<Result<_, _>>()?;
        Ok(self.report(found))
    }

    fn profiled(
        &self,
        reference: &ColumnProfile,
        current: &ColumnProfile,
        kind: SampleKind,
    ) -> Result<(ColumnDrift, Option<Besides>), DriftError> {
        let name = &reference.column().name;
        if let (Some(r), Some(c)) = (exact(reference, kind), exact(current, kind)) {
            let mut column = self.compare(name, r.as_sample(), c.as_sample())?;
            column.score_error = column.score.map(|_| 0.0);
            return Ok((column, self.besides(r.as_sample(), c.as_sample())));
        }
        let rule = self.params().rule(kind);
        let extents = [extent(reference, kind), extent(current, kind)];
        if let Some(column) = self.not_asked(name, extents[0], extents[1]) {
            return Ok((column, None));
        }
        let mut column = self.empty(name, rule.method, rule.threshold, extents[0], extents[1]);
        column.message = self.too_short(&column);
        let mut new_levels = None;
        // A column without values has no steps, and is too short for any setting.
        if column.message.is_none() {
            let (found, effect) = match (kind, reference.quantiles(), current.quantiles()) {
                (SampleKind::Numeric, Some(r), Some(c)) => {
                    let (r, c) = (Steps::new(reference, r), Steps::new(current, c));
                    (self.of_numbers(rule.method, &r, &c), steps::ks(&r, &c))
                }
                _ => {
                    let (r, c) = (ListedLevels::new(reference), ListedLevels::new(current));
                    new_levels = levels::new_levels(&r, &c);
                    (self.of_levels(rule.method, &r, &c), levels::measure(Method::Tv, &r, &c)?)
                }
            };
            column.effect_size = self.params().adjust.then_some(effect.drift.distance);
            let error = found.as_ref().ok().map(|b| b.error).filter(|e| e.is_finite());
            self.judge(&mut column, found.map(|b| b.drift))?;
            column.score_error = error.filter(|_| column.score.is_some());
        }
        let besides = self.params().adjust.then(|| Besides::from_extents(extents[0], extents[1], new_levels));
        Ok((column, besides))
    }

    fn of_numbers(&self, method: Method, reference: &Steps<'_>, current: &Steps<'_>) -> Result<Bounded, DriftError> {
        let (r, c) = (reference.moments(), current.moments());
        // Moments are kept exactly.
        let exact = |found: Result<Drift, DriftError>| found.map(|drift| Bounded { drift, error: 0.0 });
        match method {
            Method::Ks => Ok(steps::ks(reference, current)),
            Method::Kuiper => Ok(steps::kuiper(reference, current)),
            Method::Wasserstein => steps::wasserstein(reference, current),
            Method::Energy => steps::energy(reference, current),
            Method::TTest => exact(StudentT.of_moments(r, c)),
            Method::Welch => exact(WelchT.of_moments(r, c)),
            Method::StdStability => exact(StdStability.of_moments(r, c)),
            _ => steps::binned(method, reference, current),
        }
    }

    fn of_levels(&self, method: Method, r: &ListedLevels, c: &ListedLevels) -> Result<Bounded, DriftError> {
        // deepchecks' index merges rare levels before, for which all must be known.
        if method == Method::Psi && self.params().preset == Preset::Deepchecks {
            return Err(levels::unlisted(method));
        }
        levels::measure(method, r, c)
    }
}

/// Whether a column is compared, and as what.
fn kind_of(profile: &ColumnProfile) -> Option<SampleKind> {
    let column = profile.column();
    if !matches!(column.role, Role::Feature | Role::Target) {
        return None;
    }
    match column.kind {
        Kind::Continuous | Kind::Count => Some(SampleKind::Numeric),
        Kind::Binary | Kind::Ordinal if column.value_type != ValueType::Text => Some(SampleKind::Numeric),
        // Texts of many levels are still names; those that never repeat are identifiers.
        Kind::Binary | Kind::Ordinal | Kind::Nominal | Kind::Text => Some(SampleKind::Categorical),
        _ => None,
    }
}

/// A column on both sides, and how it is compared.
type Pair<'a> = (&'a ColumnProfile, &'a ColumnProfile, SampleKind);

fn paired<'a>(reference: &'a Profile, current: &'a Profile) -> Result<Vec<Pair<'a>>, DriftError> {
    let absent = |from: &Profile, of: &Profile| -> Vec<String> {
        let names = of.columns().iter().filter(|c| kind_of(c).is_some()).map(|c| c.column().name.clone());
        names.filter(|name| from.column(name).is_none()).collect()
    };
    let (lacks_reference, lacks_current) = (absent(reference, current), absent(current, reference));
    if !(lacks_reference.is_empty() && lacks_current.is_empty()) {
        return Err(DriftError::MissingColumns { reference: lacks_reference, current: lacks_current });
    }
    let mut different = Vec::new();
    let mut pairs = Vec::new();
    for column in reference.columns() {
        let (Some(kind), Some(other)) = (kind_of(column), current.column(&column.column().name)) else { continue };
        if kind == SampleKind::Numeric && other.quantiles().is_none() && other.present() > 0 {
            different.push((column.column().name.clone(), kind, SampleKind::Categorical));
        }
        pairs.push((column, other, kind));
    }
    match (different.is_empty(), pairs.is_empty()) {
        (false, _) => Err(DriftError::KindsDiffer { columns: different }),
        (true, true) => Err(DriftError::NoColumns),
        (true, false) => Ok(pairs),
    }
}

fn extent(profile: &ColumnProfile, kind: SampleKind) -> Extent {
    Extent { kind, rows: profile.present() as usize, missing: profile.missing() as usize }
}

/// The rows themselves, where the profile still holds them.
fn exact(profile: &ColumnProfile, kind: SampleKind) -> Option<ColumnSample> {
    let missing = profile.missing() as usize;
    match (kind, profile.quantiles()) {
        (SampleKind::Numeric, Some(sketch)) if sketch.is_exact() => {
            let values: Vec<f64> = sketch.steps().into_iter().map(|(value, _)| value).collect();
            Some(ColumnSample::Numeric(NumericSample::with_missing(&values, missing)))
        }
        (SampleKind::Numeric, None) => Some(ColumnSample::Numeric(NumericSample::with_missing(&[], missing))),
        (SampleKind::Categorical, _) if profile.counts().is_exact() => {
            let counts = profile.counts().values().into_iter().map(|(item, n)| (item.to_string(), n)).collect();
            Some(ColumnSample::Categorical(CategoricalSample::from_counts(counts, missing)))
        }
        _ => None,
    }
}
