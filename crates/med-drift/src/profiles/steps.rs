//! Distances between two distribution functions that are known by their quantile sketches.
//!
//! With e and g bounds on the errors of all ranks of the reference and of the current sketch at once, and D the estimated gap F - G:
//!
//! | distance | off by at most |
//! | --- | --- |
//! | `ks` | e + g |
//! | `kuiper` | 2 (e + g) |
//! | `wasserstein` | the integral over the pooled range of the error of F and of that of G, over the (exact) standard deviation |
//! | `energy` | from the integral of that error times (2 abs(D) + itself) |
//! | over deciles | from bounds on the place of each decile and on both ranks there, see [`binned`] |
//!
//! The error of F at v is at most e. Far out it is smaller, whatever the sketch: by Cantelli's inequality at most s^2 / (s^2 + (v - mean)^2) of the values lie
//! beyond v, and mean and s are exact. Heavy tails, where e times the range says nothing, have a bound of a few s sqrt(e) that way.

use med_schema::{ColumnProfile, QuantileSketch};

use crate::measure::shares::{DECILES, inner};
use crate::measure::{ks as ks_test, kuiper as kuiper_test};
use crate::statistics::Moments;
use crate::{Drift, DriftError, Method};

use super::bounds::{Divergence, Range};
use super::{Bounded, CONFIDENCE};

/// How sure the bound of one sketch is.
const EACH: f64 = 1.0 - (1.0 - CONFIDENCE) / 2.0;

/// One side: a step function and how well it is known.
#[derive(Debug)]
pub(super) struct Steps<'a> {
    /// Different values, ascending, each with the share at or below it.
    steps: Vec<(f64, f64)>,
    sketch: &'a QuantileSketch,
    rows: usize,
    moments: Moments,
    infinite: bool,
    /// Bound on the error of all ranks at once.
    error: f64,
}

impl<'a> Steps<'a> {
    pub(super) fn new(profile: &ColumnProfile, sketch: &'a QuantileSketch) -> Self {
        let rows = sketch.count() as f64;
        let mut steps: Vec<(f64, f64)> = Vec::with_capacity(sketch.len());
        for (value, below) in sketch.steps() {
            let share = below as f64 / rows;
            match steps.last_mut() {
                Some(last) if last.0 == value => last.1 = share,
                _ => steps.push((value, share)),
            }
        }
        let of = profile.moments();
        let finite = of.map_or(0, med_schema::Moments::count) as f64;
        let mean = of.and_then(med_schema::Moments::mean).unwrap_or(f64::NAN);
        let variance = of.and_then(med_schema::Moments::variance);
        let squares = variance.map_or(if finite == 1.0 { 0.0 } else { f64::NAN }, |v| v * (finite - 1.0));
        Self {
            steps,
            sketch,
            rows: sketch.count() as usize,
            moments: Moments { rows: finite, mean, squares },
            infinite: profile.infinite() > 0,
            error: sketch.uniform_rank_error(EACH),
        }
    }

    pub(super) fn moments(&self) -> Moments {
        self.moments
    }

    /// The estimated share at or below a value.
    fn at(&self, value: f64) -> f64 {
        let below = self.steps.partition_point(|s| s.0 <= value);
        below.checked_sub(1).map_or(0.0, |i| self.steps[i].1)
    }

    /// A bound on the integral of the error of the shares between two values, where the estimate is `share`.
    fn error_between(&self, from: f64, to: f64, share: f64) -> f64 {
        let wide = self.error * (to - from);
        let Moments { mean, .. } = self.moments;
        let s = self.moments.std(0.0);
        let beyond = if from >= mean {
            1.0 - share
        } else if to <= mean {
            share
        } else {
            return wide;
        };
        // Cantelli's share, integrated; beyond what is known of the estimate itself.
        let tail = s * ((to - mean) / s).atan() - s * ((from - mean) / s).atan();
        let narrow = beyond * (to - from) + tail;
        if narrow.is_nan() { wide } else { wide.min(narrow) }
    }
}

/// Calls `step(value, F, G)` for each different value of both, ascending.
fn walk(reference: &Steps<'_>, current: &Steps<'_>, mut step: impl FnMut(f64, f64, f64)) {
    let (r, c) = (&reference.steps, &current.steps);
    let (mut i, mut j, mut below_r, mut below_c) = (0, 0, 0.0, 0.0);
    loop {
        let value = match (r.get(i), c.get(j)) {
            (Some(r), Some(c)) => r.0.min(c.0),
            (Some(only), None) | (None, Some(only)) => only.0,
            (None, None) => return,
        };
        if let Some(s) = r.get(i).filter(|s| s.0 <= value) {
            (below_r, i) = (s.1, i + 1);
        }
        if let Some(s) = c.get(j).filter(|s| s.0 <= value) {
            (below_c, j) = (s.1, j + 1);
        }
        step(value, below_r, below_c);
    }
}

pub(super) fn ks(reference: &Steps<'_>, current: &Steps<'_>) -> Bounded {
    let mut distance = 0.0_f64;
    walk(reference, current, |_, f, g| distance = distance.max((f - g).abs()));
    let error = reference.error + current.error;
    let (n, m) = (reference.rows, current.rows);
    let sure = (distance - error).max(0.0);
    let gap = (sure * n as f64 * m as f64) as u128;
    Bounded { drift: Drift { distance, p_value: Some(ks_test::p_value(n, m, sure, gap)) }, error }
}

pub(super) fn kuiper(reference: &Steps<'_>, current: &Steps<'_>) -> Bounded {
    let (mut above, mut below) = (0.0_f64, 0.0_f64);
    walk(reference, current, |_, f, g| (above, below) = (above.max(f - g), below.max(g - f)));
    let (distance, error) = (above + below, 2.0 * (reference.error + current.error));
    let sure = (distance - error).max(0.0);
    let p_value = kuiper_test::p_value(reference.rows as f64, current.rows as f64, sure);
    Bounded { drift: Drift { distance, p_value: Some(p_value) }, error }
}

/// Calls `piece(width, gap, error)` for each piece of the pooled range on which the estimates are constant.
fn pieces(
    method: Method,
    reference: &Steps<'_>,
    current: &Steps<'_>,
    mut piece: impl FnMut(f64, f64, f64),
) -> Result<(), DriftError> {
    if reference.infinite || current.infinite {
        let reason = "the profile cannot tell infinite values from finite ones";
        return Err(DriftError::NotDefined { method: method.as_str(), reason });
    }
    let sketches = [reference.sketch, current.sketch];
    let low = sketches.iter().filter_map(|s| s.min()).fold(f64::INFINITY, f64::min);
    let high = sketches.iter().filter_map(|s| s.max()).fold(f64::NEG_INFINITY, f64::max);
    let (mut from, mut f, mut g) = (low, 0.0, 0.0);
    let mut until = |to: f64, next_f: f64, next_g: f64| {
        if to > from {
            let error = reference.error_between(from, to, f) + current.error_between(from, to, g);
            piece(to - from, f64::abs(f - g), error);
        }
        (from, f, g) = (to, next_f, next_g);
    };
    walk(reference, current, &mut until);
    until(high, 1.0, 1.0);
    Ok(())
}

pub(super) fn wasserstein(reference: &Steps<'_>, current: &Steps<'_>) -> Result<Bounded, DriftError> {
    let (mut moved, mut off) = (0.0, 0.0);
    pieces(Method::Wasserstein, reference, current, |width, gap, error| {
        (moved, off) = (moved + gap * width, off + error)
    })?;
    let unit = reference.moments.std(0.0);
    let distance = if moved == 0.0 { 0.0 } else { moved / unit };
    checked(Method::Wasserstein, distance, off / unit)
}

pub(super) fn energy(reference: &Steps<'_>, current: &Steps<'_>) -> Result<Bounded, DriftError> {
    let (mut squared, mut off) = (0.0, 0.0);
    pieces(Method::Energy, reference, current, |width, gap, error| {
        squared += gap * gap * width;
        // The integral of error * (2 gap + error) over a piece, where the error is at most 1 a side.
        off += error * (2.0 * gap + (error / width).min(2.0));
    })?;
    let distance = (2.0 * squared).sqrt();
    let (most, least) = ((2.0 * (squared + off)).sqrt(), (2.0 * (squared - off)).max(0.0).sqrt());
    checked(Method::Energy, distance, (most - distance).max(distance - least))
}

fn checked(method: Method, distance: f64, error: f64) -> Result<Bounded, DriftError> {
    if distance.is_nan() {
        return Err(DriftError::NotDefined { method: method.as_str(), reason: "the moments overflow" });
    }
    let error = if error.is_nan() { f64::INFINITY } else { error };
    Ok(Bounded { drift: Drift { distance, p_value: None }, error })
}

/// A decile of the reference: where it can be, and the shares of both sides at or below it.
struct Decile {
    low: f64,
    high: f64,
    reference: Range,
    current: Range,
}

/// A distance over the deciles of the reference.
///
/// The deciles come from the sketch, so the edges of the bins are uncertain too. The rows' decile d at q has F(d-) <= q + 1/n and F(d) >= q - 1/n. With r a bound on the
/// rank error at the few places in question it lies between the first value whose estimated rank reaches q - 1/n - r and the first whose rank is above q + 1/n + r;
/// both ranks of d then lie between those of the two ends, less and more r. Where it is open whether a decile is the smallest or the largest value, and
/// hence no edge, both cases count.
pub(super) fn binned(method: Method, reference: &Steps<'_>, current: &Steps<'_>) -> Result<Bounded, DriftError> {
    let Some(divergence) = Divergence::of(method) else {
        return Err(DriftError::NotDefined {
            method: method.as_str(),
            reason: "the profile no longer has every value",
        });
    };
    if reference.infinite || current.infinite {
        let reason = "the profile cannot tell infinite values from finite ones";
        return Err(DriftError::NotDefined { method: method.as_str(), reason });
    }
    let levels: Vec<f64> = (0..=DECILES).map(|i| i as f64 / DECILES as f64).collect();
    let edges = inner(&reference.sketch.quantiles(&levels).into_iter().flatten().collect::<Vec<_>>());
    let cumulative = |of: &Steps<'_>| -> Vec<f64> { edges.iter().map(|&e| of.at(e)).chain([1.0]).collect() };
    let shares = |of: &Steps<'_>| -> Vec<f64> {
        let cumulative = cumulative(of);
        std::iter::once(0.0).chain(cumulative.iter().copied()).zip(&cumulative).map(|(from, to)| to - from).collect()
    };
    let terms = shares(reference).into_iter().zip(shares(current)).map(|(p, q)| divergence.term(p, q));
    let distance = divergence.distance(divergence.total(terms));
    let [least, most] = bounds(divergence, reference, current);
    let error = (most - distance).max(distance - least).max(0.0);
    Ok(Bounded { drift: Drift { distance, p_value: None }, error })
}

/// The smallest and the largest distance over deciles that the two sketches allow.
fn bounds(divergence: Divergence, reference: &Steps<'_>, current: &Steps<'_>) -> Range {
    let inner = DECILES - 1;
    // Two ranks a decile of the reference, one of the current side.
    let each = |ranks: usize| 1.0 - (1.0 - EACH) / ranks as f64;
    let (of_r, of_c) = (reference.sketch.rank_error(each(2 * inner)), current.sketch.rank_error(each(inner)));
    let row = 1.0 / reference.rows as f64;
    let (Some(min), Some(max)) = (reference.sketch.min(), reference.sketch.max()) else {
        return [0.0, f64::INFINITY];
    };
    let decile = |i: usize| {
        let q = i as f64 / DECILES as f64;
        let (from, until) = (q - row - of_r, q + row + of_r);
        let first = |place: usize, otherwise: f64| reference.steps.get(place).map_or(otherwise, |s| s.0);
        let low = if from <= 0.0 { min } else { first(reference.steps.partition_point(|s| s.1 < from), max) };
        let high = first(reference.steps.partition_point(|s| s.1 <= until), max);
        let range = |of: &Steps<'_>, error: f64| [(of.at(low) - error).max(0.0), (of.at(high) + error).min(1.0)];
        let [least, most] = range(reference, of_r);
        Decile { low, high, reference: [least.max(q - row), most], current: range(current, of_c) }
    };
    let deciles: Vec<Decile> = (1..DECILES).map(decile).collect();
    // So many deciles are the smallest value for sure, and may be; the same of the largest.
    let lowest = |at: fn(&Decile) -> f64| deciles.iter().take_while(|d| at(d) <= min).count();
    let highest = |at: fn(&Decile) -> f64| deciles.iter().rev().take_while(|d| at(d) >= max).count();
    let (mut least, mut most) = (f64::INFINITY, f64::NEG_INFINITY);
    for first in lowest(|d| d.high)..=lowest(|d| d.low) {
        for last in highest(|d| d.low)..=highest(|d| d.high) {
            let kept = deciles.get(first..inner - last.min(inner)).unwrap_or_default();
            let ends = |of: fn(&Decile) -> Range| -> Vec<Range> {
                let cumulative: Vec<Range> = kept.iter().map(of).chain([[1.0, 1.0]]).collect();
                let before = std::iter::once([0.0, 0.0]).chain(cumulative.iter().copied());
                before.zip(&cumulative).map(|(a, b)| [(b[0] - a[1]).max(0.0), b[1] - a[0]]).collect()
            };
            let ranges: Vec<Range> = ends(|d| d.reference)
                .into_iter()
                .zip(ends(|d| d.current))
                .map(|(p, q)| divergence.range(p, q))
                .collect();
            let total = |end: usize| divergence.distance(divergence.total(ranges.iter().map(|r| r[end])));
            (least, most) = (least.min(total(0)), most.max(total(1)));
        }
    }
    [least, most]
}
