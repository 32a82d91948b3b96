//! Two-sample Anderson-Darling.

use crate::{DriftError, Sample, SampleKind};

use super::{Drift, DriftMeasure, finite, walk};

/// Critical values of the standardised statistic for two samples are b0 + b1 + b2; significance by level.
const CRITICAL: [(f64, f64); 7] = [
    (0.25, 0.675 - 0.245 - 0.105),
    (0.1, 1.281 + 0.25 - 0.305),
    (0.05, 1.645 + 0.678 - 0.362),
    (0.025, 1.96 + 1.149 - 0.391),
    (0.01, 2.326 + 1.822 - 0.396),
    (0.005, 2.573 + 2.364 - 0.345),
    (0.001, 3.085 + 3.615 - 0.154),
];

/// The k-sample Anderson-Darling statistic with midranks for k = 2, standardised: (A2 - 1) / sigma. About 0 without drift,
/// and may be negative.
///
/// It weighs the tails more than Kolmogorov-Smirnov does. The p-value comes from a parabola through the logarithms of the seven
/// tabulated significance levels and is kept within \[0.001, 0.25\], outside of which the table says nothing.
///
/// Scholz, F. W. and Stephens, M. A. (1987). K-sample Anderson-Darling tests. *JASA* 82, 918-924.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AndersonDarling;

impl DriftMeasure for AndersonDarling {
    fn name(&self) -> &'static str {
        "anderson"
    }

    fn supports(&self, kind: SampleKind) -> bool {
        kind == SampleKind::Numeric
    }

    fn measure(&self, reference: Sample<'_>, current: Sample<'_>) -> Result<Drift, DriftError> {
        let (reference, current) = finite(self, reference, current, 1)?;
        let rows = reference.len() + current.len();
        let undefined = |reason| DriftError::NotDefined { method: self.name(), reason };
        if rows < 4 {
            return Err(undefined("fewer than four rows in all"));
        }
        if reference[0] == reference[reference.len() - 1]
            && current[0] == reference[0]
            && current[current.len() - 1] == reference[0]
        {
            return Err(undefined("all values are equal"));
        }
        let a2 = (statistic(reference, current) - 1.0) / variance(reference.len(), current.len()).sqrt();
        Drift::checked(self.name(), Drift::tested(a2, p_value(a2)), "too few rows")
    }
}

fn statistic(reference: &[f64], current: &[f64]) -> f64 {
    let (n, m) = (reference.len() as f64, current.len() as f64);
    let rows = n + m;
    let (mut of_r, mut of_c) = (0.0, 0.0);
    let (mut i0, mut j0) = (0.0, 0.0);
    walk::pooled(reference, current, |_, i, j| {
        let (i, j) = (i as f64, j as f64);
        let ties = i + j - i0 - j0;
        let below = i0 + j0 + ties / 2.0;
        let weight = ties / rows / (below * (rows - below) - rows * ties / 4.0);
        of_r += weight * (rows * f64::midpoint(i0, i) - below * n).powi(2);
        of_c += weight * (rows * f64::midpoint(j0, j) - below * m).powi(2);
        (i0, j0) = (i, j);
    });
    (of_r / n + of_c / m) * (rows - 1.0) / rows
}

/// Variance of the statistic for k = 2 when there is no drift (Scholz and Stephens, equation 4).
fn variance(n: usize, m: usize) -> f64 {
    let rows = n + m;
    let inverse = 1.0 / n as f64 + 1.0 / m as f64;
    let (mut h, mut g) = (0.0, 0.0);
    for (below, above) in (2..rows).rev().zip(2..rows) {
        h += 1.0 / below as f64;
        g += h / above as f64;
    }
    h += 1.0;
    let k = 2.0;
    let a = (4.0 * g - 6.0) * (k - 1.0) + (10.0 - 6.0 * g) * inverse;
    let b = (2.0 * g - 4.0) * k * k + 8.0 * h * k + (2.0 * g - 14.0 * h - 4.0) * inverse - 8.0 * h + 4.0 * g - 6.0;
    let c = (6.0 * h + 2.0 * g - 2.0) * k * k + (4.0 * h - 4.0 * g + 6.0) * k + (2.0 * h - 6.0) * inverse + 4.0 * h;
    let d = (2.0 * h + 6.0) * k * k - 4.0 * h * k;
    let rows = rows as f64;
    (((a * rows + b) * rows + c) * rows + d) / ((rows - 1.0) * (rows - 2.0) * (rows - 3.0))
}

/// Least-squares parabola through (critical value, ln significance), read at `a2`.
fn p_value(a2: f64) -> f64 {
    let (largest, first) = CRITICAL[0];
    let (smallest, last) = CRITICAL[CRITICAL.len() - 1];
    if a2 < first {
        return largest;
    }
    if a2 > last {
        return smallest;
    }
    // Normal equations about the mean of the critical values, where they are well conditioned.
    let centre = CRITICAL.iter().map(|c| c.1).sum::<f64>() / CRITICAL.len() as f64;
    let mut powers = [0.0; 5];
    let mut right = [0.0; 3];
    for (significance, critical) in CRITICAL {
        let x = critical - centre;
        (0..5).for_each(|e| powers[e] += x.powi(e as i32));
        (0..3).for_each(|e| right[e] += significance.ln() * x.powi(e as i32));
    }
    let [s0, s1, s2, s3, s4] = powers;
    let [r0, r1, r2] = right;
    let determinant = |a: [f64; 3], b: [f64; 3], c: [f64; 3]| {
        a[0] * (b[1] * c[2] - b[2] * c[1]) - a[1] * (b[0] * c[2] - b[2] * c[0]) + a[2] * (b[0] * c[1] - b[1] * c[0])
    };
    let whole = determinant([s0, s1, s2], [s1, s2, s3], [s2, s3, s4]);
    let constant = determinant([r0, s1, s2], [r1, s2, s3], [r2, s3, s4]) / whole;
    let linear = determinant([s0, r0, s2], [s1, r1, s3], [s2, r2, s4]) / whole;
    let square = determinant([s0, s1, r0], [s1, s2, r1], [s2, s3, r2]) / whole;
    let x = a2 - centre;
    (constant + x * (linear + x * square)).exp()
}
