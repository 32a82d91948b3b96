//! Drift of every column of a table, and of the table.

use med_schema::{FeatureColumn, FeatureMatrix};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::chunks::{ChunkRule, Chunking};
use crate::decide::{Besides, benjamini_hochberg, effect_size};
use crate::levels::LevelTable;
use crate::statistics::Scratch;
use crate::{
    ColumnDrift, ColumnSample, Decision, Drift, DriftError, DriftParams, DriftReason, DriftReport, Method, Pair,
    Preset, Sample, SampleKind, TableRule,
};

/// Compares two tables column by column. Checked on construction, also when read from a file.
///
/// Columns are measured in parallel on rayon's current pool; the result does not depend on the number of threads.
/// Time O(n log n) a numeric column, O(n) a categorical one; memory one sorted copy a column at work.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "DriftParams", into = "DriftParams")]
pub struct DriftDetector {
    params: DriftParams,
}

impl DriftDetector {
    /// A detector with these parameters.
    ///
    /// # Errors
    /// As [`DriftParams::validate`].
    pub fn new(params: DriftParams) -> Result<Self, DriftError> {
        params.validate()?;
        Ok(Self { params })
    }

    /// Its parameters.
    pub fn params(&self) -> &DriftParams {
        &self.params
    }

    /// Compares all columns of `current` with those of `reference`, matched by name, in the order of the reference.
    ///
    /// Whether a column is numeric or categorical is what the matrices say. A column with too few rows, or on which the
    /// measure has no value, gets no score, does not count as drifted and says why.
    ///
    /// # Errors
    /// When there are no columns, one side lacks columns of the other, or a column has another kind there; the error lists all of them.
    pub fn detect(&self, reference: &FeatureMatrix, current: &FeatureMatrix) -> Result<DriftReport, DriftError> {
        let pairs = paired(reference, current)?;
        let scratch = Scratch::default();
        let found: Vec<(ColumnDrift, Option<Besides>)> =
            pairs.into_par_iter().map(|(r, c)| self.column(r, c, &scratch)).collect::<Result<_, DriftError>>()?;
        Ok(self.report(found))
    }

    /// The verdict on the table.
    pub(crate) fn report(&self, found: Vec<(ColumnDrift, Option<Besides>)>) -> DriftReport {
        let columns = self.adjusted(found);
        let drifted = columns.iter().filter(|c| c.drifted).count();
        let asked = columns.iter().filter(|c| self.params.compares(c.kind)).count();
        let share_drifted = if asked == 0 { 0.0 } else { drifted as f64 / asked as f64 };
        let whole = match self.params.table {
            TableRule::AnyColumn => drifted > 0,
            TableRule::Share(share) => share_drifted >= share,
        };
        DriftReport { preset: self.params.preset, table: self.params.table, columns, share_drifted, drifted: whole }
    }

    fn column(
        &self,
        reference: &FeatureColumn,
        current: &FeatureColumn,
        scratch: &Scratch,
    ) -> Result<(ColumnDrift, Option<Besides>), DriftError> {
        if let Some(chunking) = self.params.chunks.filter(|_| self.params.compares(kind_of(reference))) {
            let learnt = self.learn(chunking, reference)?;
            return Ok((self.chunked(&learnt, &chunking.bounds(current.len()), current)?, None));
        }
        let sides = ColumnSample::both([reference, current], scratch)?;
        let [r, c] = [sides[0].as_sample(), sides[1].as_sample()];
        let column = self.compare(reference.name(), r, c)?;
        let besides = self.besides(r, c);
        ColumnSample::recycle(sides, scratch);
        Ok((column, besides))
    }

    /// Verdicts with the p-values of all columns adjusted together, missing values and new levels among them.
    fn adjusted(&self, found: Vec<(ColumnDrift, Option<Besides>)>) -> Vec<ColumnDrift> {
        let mut p_values = Vec::new();
        for (column, besides) in &found {
            if let Some(besides) = besides {
                p_values.extend(column.p_value);
                p_values.extend(besides.tests().map(|b| b.p_value));
            }
        }
        let mut adjusted = benjamini_hochberg(&p_values).into_iter();
        let alpha = self.params.alpha.unwrap_or(0.05);
        let judge = |(mut column, besides): (ColumnDrift, Option<Besides>)| {
            let Some(besides) = besides else { return column };
            let p = column.p_value.and_then(|_| adjusted.next());
            column.adjusted_p_value = p;
            let by_chance = p.is_some_and(|p| match column.decided_by {
                Decision::PValue => {
                    p > column.threshold || column.effect_size.is_some_and(|e| e < self.params.min_effect)
                }
                Decision::Score => self.params.alpha.is_some_and(|alpha| p > alpha),
            });
            if column.drifted && !by_chance {
                column.reasons.push(DriftReason::Values);
            }
            for other in besides.tests() {
                let p = adjusted.next().unwrap_or(1.0);
                if p <= alpha && other.change >= self.params.min_effect {
                    column.reasons.push(other.reason);
                }
            }
            column.drifted = !column.reasons.is_empty();
            column
        };
        found.into_iter().map(judge).collect()
    }

    /// What else of a compared column can drift.
    pub(crate) fn besides(&self, reference: Sample<'_>, current: Sample<'_>) -> Option<Besides> {
        (self.params.adjust && self.params.compares(reference.kind())).then(|| Besides::of(reference, current))
    }

    /// A column of a kind that is not compared.
    pub(crate) fn not_asked(&self, name: &str, reference: Extent, current: Extent) -> Option<ColumnDrift> {
        let method = self.params.only.filter(|_| !self.params.compares(reference.kind))?;
        let rules = [self.params.numeric, self.params.categorical];
        let threshold = rules.iter().find(|rule| rule.method == method).map_or(f64::NAN, |rule| rule.threshold);
        let message = Some(format!("not compared: {method} does not measure {} columns", reference.kind));
        Some(ColumnDrift { message, ..self.empty(name, method, threshold, reference, current) })
    }

    /// Learns the thresholds of a column's chunks.
    pub(crate) fn learn(&self, chunking: Chunking, reference: &FeatureColumn) -> Result<ChunkRule, DriftError> {
        let rule = self.params.rule(kind_of(reference));
        ChunkRule::learn(chunking, self.params.preset, (rule.method, rule.threshold), reference, reference.len())
    }

    /// All chunks of a column: the largest score, the smallest p-value, drifted when any chunk has.
    pub(crate) fn chunked(
        &self,
        learnt: &ChunkRule,
        bounds: &[(usize, usize)],
        current: &FeatureColumn,
    ) -> Result<ColumnDrift, DriftError> {
        let chunks = learnt.judge(current, bounds)?;
        let whole = ColumnSample::new(current)?;
        let (r, c) = (learnt.whole.as_sample().into(), whole.as_sample().into());
        let mut column = self.empty(current.name(), learnt.method, chunks.threshold, r, c);
        column.score = chunks.current.iter().flatten().copied().filter(|s| s.is_finite()).reduce(f64::max);
        column.p_value = chunks.p_values.iter().flatten().copied().reduce(f64::min);
        column.drifted = chunks.drifted.contains(&true);
        if column.score.is_none() {
            column.message = Some("not compared: no chunk of the current table has a score".to_owned());
        }
        column.chunks = Some(chunks);
        Ok(column)
    }

    pub(crate) fn empty(
        &self,
        name: &str,
        method: Method,
        threshold: f64,
        reference: Extent,
        current: Extent,
    ) -> ColumnDrift {
        ColumnDrift {
            name: name.to_owned(),
            kind: reference.kind,
            method,
            score: None,
            score_error: None,
            calibrated_score: None,
            p_value: None,
            adjusted_p_value: None,
            effect_size: None,
            reasons: Vec::new(),
            threshold,
            decided_by: method.decision_in(self.params.preset),
            drifted: false,
            reference_rows: reference.rows,
            current_rows: current.rows,
            reference_nulls: reference.missing,
            current_nulls: current.missing,
            chunks: None,
            message: None,
        }
    }

    /// Why a column has no score, if a side has too few rows for one.
    pub(crate) fn too_short(&self, column: &ColumnDrift) -> Option<String> {
        let (rows, least) = (column.reference_rows.min(column.current_rows), self.params.min_samples);
        (rows < least).then(|| {
            format!(
                "not compared: {} and {} rows have a value, at least {least} are needed on each side",
                column.reference_rows, column.current_rows
            )
        })
    }

    /// Writes what a measure found into the column, with the verdict on it.
    ///
    /// # Errors
    /// Those that are not about the samples.
    pub(crate) fn judge(&self, column: &mut ColumnDrift, found: Result<Drift, DriftError>) -> Result<(), DriftError> {
        match found {
            Ok(drift) => {
                column.drifted = self.is_drift(column.method, column.threshold, drift);
                column.p_value = drift.p_value;
                if drift.distance.is_finite() {
                    column.score = Some(drift.distance);
                } else {
                    column.message = Some("the score is infinite: a difference is divided by a spread of 0".to_owned());
                }
            }
            Err(undefined @ (DriftError::NotDefined { .. } | DriftError::TooFewRows { .. })) => {
                column.message = Some(format!("not compared: {undefined}"));
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Compares two prepared samples of the column `name`, by themselves: as one column of one, so nothing is adjusted for other columns, and missing values
    /// and new levels are left to [`DriftDetector::detect`].
    ///
    /// # Errors
    /// When their kinds differ.
    pub fn compare(&self, name: &str, reference: Sample<'_>, current: Sample<'_>) -> Result<ColumnDrift, DriftError> {
        // evidently takes infinities for missing values.
        let clean = |sample: Sample<'_>| match sample {
            Sample::Numeric(sample) if self.params.preset == Preset::Evidently => sample.without_infinite(),
            _ => None,
        };
        let (clean_r, clean_c) = (clean(reference), clean(current));
        let reference = clean_r.as_ref().map_or(reference, Sample::Numeric);
        let current = clean_c.as_ref().map_or(current, Sample::Numeric);
        let kind = reference.kind();
        if let Some(column) = self.not_asked(name, reference.into(), current.into()) {
            return Ok(column);
        }
        let (method, threshold) = self.params.rule(kind).choose(reference, current);
        let mut column = self.empty(name, method, threshold, reference.into(), current.into());
        if let Some(message) = self.too_short(&column).filter(|_| kind == current.kind()) {
            column.message = Some(message);
            return Ok(column);
        }
        let pair = Pair::new(reference, current);
        let measure = method.measure(self.params.preset, kind);
        self.judge(&mut column, measure.measure_pair(&pair))?;
        if let (Some(calibration), Some(score), Decision::Score) =
            (self.params.calibrate, column.score, column.decided_by)
        {
            (column.decided_by, column.threshold) = (Decision::PValue, self.params.alpha.unwrap_or(0.05));
            let found = calibration.judge(&*measure, reference, current.rows(), score, column.threshold);
            column.p_value = found.as_ref().map(|c| c.p_value);
            column.calibrated_score = found.as_ref().map(|c| c.threshold).filter(|t| t.is_finite());
            column.drifted = column.p_value.is_some_and(|p| p <= column.threshold);
            if found.is_none() {
                column.message = Some("not calibrated: the reference has too few rows".to_owned());
            }
        }
        column.effect_size = self.params.adjust.then(|| effect_size(&pair)).flatten();
        if let (Method::GTest, None, Sample::Categorical(r), Sample::Categorical(c)) =
            (method, &column.message, reference, current)
            && LevelTable::new(r, c).is_sparse()
        {
            column.message = Some("fewer than 5 rows are to be expected of a level: the p-value of g_test is too small then, that of cramers_v holds".to_owned());
        }
        Ok(column)
    }

    fn is_drift(&self, method: Method, threshold: f64, drift: Drift) -> bool {
        let evidently = self.params.preset == Preset::Evidently;
        match method.decision_in(self.params.preset) {
            // evidently takes a p-value at the threshold for drift in two of its tests only.
            Decision::PValue if evidently && !matches!(method, Method::CramerVonMises | Method::Ks) => {
                drift.p_value.is_some_and(|p| p < threshold)
            }
            Decision::PValue => drift.p_value.is_some_and(|p| p <= threshold),
            Decision::Score if evidently && method == Method::Energy => drift.distance > threshold,
            Decision::Score => {
                let by_chance = |alpha| drift.p_value.is_some_and(|p| p > alpha);
                drift.distance >= threshold && !self.params.alpha.is_some_and(by_chance)
            }
        }
    }
}

/// The detector of [`DriftParams::default`].
impl Default for DriftDetector {
    fn default() -> Self {
        Self { params: DriftParams::default() }
    }
}

impl TryFrom<DriftParams> for DriftDetector {
    type Error = DriftError;

    fn try_from(params: DriftParams) -> Result<Self, Self::Error> {
        Self::new(params)
    }
}

impl From<DriftDetector> for DriftParams {
    fn from(detector: DriftDetector) -> Self {
        detector.params
    }
}

/// How many rows of a side have a value, and how many have none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    pub(crate) kind: SampleKind,
    pub(crate) rows: usize,
    pub(crate) missing: usize,
}

impl From<Sample<'_>> for Extent {
    fn from(sample: Sample<'_>) -> Self {
        Self { kind: sample.kind(), rows: sample.rows(), missing: sample.missing() }
    }
}

/// How a column is compared.
pub(crate) fn kind_of(column: &FeatureColumn) -> SampleKind {
    if column.as_numeric().is_some() { SampleKind::Numeric } else { SampleKind::Categorical }
}

/// The columns of both sides by name.
pub(crate) fn paired<'a>(
    reference: &'a FeatureMatrix,
    current: &'a FeatureMatrix,
) -> Result<Vec<(&'a FeatureColumn, &'a FeatureColumn)>, DriftError> {
    let sides: Vec<(&str, SampleKind)> = reference.columns().iter().map(|c| (c.name(), kind_of(c))).collect();
    Ok(reference.columns().iter().zip(by_name(&sides, current)?).collect())
}

/// The columns of the current side in the order of the reference's.
pub(crate) fn by_name<'a>(
    reference: &[(&str, SampleKind)],
    current: &'a FeatureMatrix,
) -> Result<Vec<&'a FeatureColumn>, DriftError> {
    let known = |name: &str| reference.iter().any(|(n, _)| *n == name);
    let lacks_reference: Vec<String> = current.names().filter(|n| !known(n)).map(str::to_owned).collect();
    let found: Vec<Option<&FeatureColumn>> =
        reference.iter().map(|(name, _)| current.columns().iter().find(|c| c.name() == *name)).collect();
    let absent = reference.iter().zip(&found).filter(|(_, c)| c.is_none());
    let lacks_current: Vec<String> = absent.map(|((name, _), _)| (*name).to_owned()).collect();
    if !(lacks_reference.is_empty() && lacks_current.is_empty()) {
        return Err(DriftError::MissingColumns { reference: lacks_reference, current: lacks_current });
    }
    if reference.is_empty() {
        return Err(DriftError::NoColumns);
    }
    let columns: Vec<&FeatureColumn> = found.into_iter().flatten().collect();
    let different: Vec<(String, SampleKind, SampleKind)> = reference
        .iter()
        .zip(&columns)
        .map(|((name, kind), c)| ((*name).to_owned(), *kind, kind_of(c)))
        .filter(|(_, reference, current)| reference != current)
        .collect();
    if different.is_empty() { Ok(columns) } else { Err(DriftError::KindsDiffer { columns: different }) }
}
