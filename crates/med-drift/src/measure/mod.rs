//! Measures of how far a current sample lies from a reference, one a file.
//!
//! Missing values are set aside before any measure runs. [`KolmogorovSmirnov`], [`Kuiper`] and [`TrimmedEarthMover`] look at all
//! values, infinities included; every other numeric measure looks at the finite ones.

mod anderson;
mod chi_square;
mod chi_square_one_way;
mod cramer_von_mises;
mod cramers_v;
mod emd;
mod energy;
mod g_test;
mod hellinger;
mod jensen_shannon;
mod kl;
pub(crate) mod ks;
pub(crate) mod kuiper;
mod l_infinity;
mod levene;
mod mann_whitney;
mod psi;
pub(crate) mod shares;
mod spread;
mod t_test;
mod total_variation;
pub(crate) mod walk;
mod wasserstein;
mod welch;
mod z_test;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use anderson::AndersonDarling;
pub use chi_square::ChiSquare;
pub use chi_square_one_way::ChiSquareOneWay;
pub use cramer_von_mises::CramerVonMises;
pub use cramers_v::CramersV;
pub use emd::TrimmedEarthMover;
pub use energy::Energy;
pub use g_test::GTest;
pub use hellinger::Hellinger;
pub use jensen_shannon::JensenShannon;
pub use kl::KullbackLeibler;
pub use ks::KolmogorovSmirnov;
pub use kuiper::Kuiper;
pub use l_infinity::LInfinity;
pub use levene::Levene;
pub use mann_whitney::{Alternative, MannWhitney};
pub use psi::{LevelPsi, Psi};
pub use shares::{Bins, Zeros};
pub use spread::StdStability;
pub use t_test::StudentT;
pub use total_variation::TotalVariation;
pub use wasserstein::{MovedBy, Wasserstein};
pub use welch::WelchT;
pub use z_test::ZTest;

use crate::levels::{LevelMerge, LevelTable};
use crate::statistics::Moments;
use crate::{CategoricalSample, DriftError, NumericSample, Pair, Sample, SampleKind, Side};

/// How far two samples are apart. A larger distance always means more drift; a p-value is extra, never a replacement.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    /// The distance; never NaN. Infinite when the formula divides a difference by zero.
    pub distance: f64,
    /// How likely a distance this large is when both samples come from one distribution, where the measure knows it.
    pub p_value: Option<f64>,
}

impl Drift {
    fn distance(distance: f64) -> Self {
        Self { distance, p_value: None }
    }

    fn tested(distance: f64, p_value: f64) -> Self {
        Self { distance, p_value: Some(p_value) }
    }

    /// `distance` unless it is NaN, which has no place in a result.
    fn checked(method: &'static str, drift: Self, reason: &'static str) -> Result<Self, DriftError> {
        if drift.distance.is_nan() || drift.p_value.is_some_and(f64::is_nan) {
            Err(DriftError::NotDefined { method, reason })
        } else {
            Ok(drift)
        }
    }
}

/// A measure of drift between two samples of one column. Parameters are fields of the measure.
pub trait DriftMeasure: fmt::Debug + Send + Sync {
    /// The name on command lines and in results.
    fn name(&self) -> &'static str;

    /// Whether it measures columns of this kind.
    fn supports(&self, kind: SampleKind) -> bool;

    /// How far `current` is from `reference`.
    ///
    /// # Errors
    /// When the kinds differ or are not supported, a side has too few usable rows, or the formula has no value here.
    fn measure(&self, reference: Sample<'_>, current: Sample<'_>) -> Result<Drift, DriftError>;

    /// The same of a pair that other measures look at too.
    ///
    /// # Errors
    /// As [`DriftMeasure::measure`].
    fn measure_pair(&self, pair: &Pair<'_>) -> Result<Drift, DriftError> {
        self.measure(pair.reference(), pair.current())
    }
}

/// Both sides as numbers.
fn numeric<'a>(
    measure: &impl DriftMeasure,
    reference: Sample<'a>,
    current: Sample<'a>,
) -> Result<(&'a NumericSample, &'a NumericSample), DriftError> {
    match (reference, current) {
        (Sample::Numeric(r), Sample::Numeric(c)) => Ok((r, c)),
        _ => Err(wrong_kind(measure, reference, current)),
    }
}

/// The finite values of both sides, at least `needed` of them on each.
fn finite<'a>(
    measure: &impl DriftMeasure,
    reference: Sample<'a>,
    current: Sample<'a>,
    needed: usize,
) -> Result<(&'a [f64], &'a [f64]), DriftError> {
    let (reference, current) = numeric(measure, reference, current)?;
    let (reference, current) = (reference.finite(), current.finite());
    enough(measure.name(), Side::Reference, reference.len(), needed)?;
    enough(measure.name(), Side::Current, current.len(), needed)?;
    Ok((reference, current))
}

/// Moments of the finite values of both sides, at least `needed` of them on each.
fn moments(
    measure: &impl DriftMeasure,
    reference: Sample<'_>,
    current: Sample<'_>,
    needed: usize,
) -> Result<(Moments, Moments), DriftError> {
    finite(measure, reference, current, needed)?;
    let (reference, current) = numeric(measure, reference, current)?;
    Ok((reference.moments(), current.moments()))
}

/// Both sides as levels, at least one row on each.
fn categorical<'a>(
    measure: &impl DriftMeasure,
    reference: Sample<'a>,
    current: Sample<'a>,
) -> Result<(&'a CategoricalSample, &'a CategoricalSample), DriftError> {
    match (reference, current) {
        (Sample::Categorical(r), Sample::Categorical(c)) => {
            enough(measure.name(), Side::Reference, r.rows(), 1)?;
            enough(measure.name(), Side::Current, c.rows(), 1)?;
            Ok((r, c))
        }
        _ => Err(wrong_kind(measure, reference, current)),
    }
}

/// The levels of both sides after merging, at least one row on each.
fn merged(
    measure: &impl DriftMeasure,
    merge: LevelMerge,
    reference: Sample<'_>,
    current: Sample<'_>,
) -> Result<LevelTable, DriftError> {
    let (Sample::Categorical(r), Sample::Categorical(c)) = (reference, current) else {
        return Err(wrong_kind(measure, reference, current));
    };
    let table = LevelTable::merged(merge, r, c);
    enough(measure.name(), Side::Reference, table.rows[0] as usize, 1)?;
    enough(measure.name(), Side::Current, table.rows[1] as usize, 1)?;
    Ok(table)
}

fn wrong_kind(measure: &impl DriftMeasure, reference: Sample<'_>, current: Sample<'_>) -> DriftError {
    if reference.kind() == current.kind() {
        DriftError::Unsupported { method: measure.name(), kind: reference.kind() }
    } else {
        DriftError::KindMismatch { reference: reference.kind(), current: current.kind() }
    }
}

fn enough(method: &'static str, side: Side, found: usize, needed: usize) -> Result<(), DriftError> {
    if found < needed { Err(DriftError::TooFewRows { method, side, found, needed }) } else { Ok(()) }
}

/// For samples of which neither is empty, and both numeric: they always have gaps.
fn no_gaps(method: &'static str) -> DriftError {
    DriftError::NotDefined { method, reason: "a side is empty" }
}
