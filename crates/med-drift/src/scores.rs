//! Several measures of every column in one call.

use med_schema::{FeatureColumn, FeatureMatrix};
use rayon::prelude::*;

use crate::detect::paired;
use crate::statistics::Scratch;
use crate::{ColumnSample, Drift, DriftError, Method, Pair, Preset, SampleKind};

/// What several measures say of a column.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnScores {
    /// The column.
    pub name: String,
    /// How its values were compared.
    pub kind: SampleKind,
    /// Each measure that has a value here, in the order asked for.
    pub scores: Vec<(Method, Drift)>,
    /// Each that has none, and why.
    pub undefined: Vec<(Method, DriftError)>,
}

/// Takes each of `methods` of every column whose kind it measures, with the parameters of `preset`; a method named twice counts once.
///
/// Each side of a column is sorted or counted once, and the measures that look at the gap between the two step functions (`ks`, `wasserstein`,
/// `energy`) share one walk along both. There are no verdicts: those are for a [`DriftDetector`](crate::DriftDetector).
///
/// ```
/// use med_drift::{Method, Preset, measure_columns};
/// use med_schema::{FeatureColumn, FeatureMatrix};
/// let ages = |first: u32| FeatureMatrix::new(vec![FeatureColumn::numeric("age", (0..50).map(|i| f64::from(first + i)).collect::<Vec<_>>())]);
/// let methods = [Method::Ks, Method::Wasserstein, Method::Psi, Method::CramersV];
/// let found = measure_columns(&ages(20)?, &ages(30)?, &methods, Preset::Default)?;
/// let scores: Vec<(Method, f64)> = found[0].scores.iter().map(|(method, drift)| (*method, drift.distance)).collect();
/// assert!(scores[0].0 == Method::Ks && (scores[0].1 - 0.2).abs() < 1e-12);
/// assert_eq!(scores.len(), 3, "Cramer's V is of names");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When there are no columns, one side lacks columns of the other, or a column has another kind there.
pub fn measure_columns(
    reference: &FeatureMatrix,
    current: &FeatureMatrix,
    methods: &[Method],
    preset: Preset,
) -> Result<Vec<ColumnScores>, DriftError> {
    let scratch = Scratch::default();
    let measure = |(reference, current): (&FeatureColumn, &FeatureColumn)| {
        let sides = ColumnSample::both([reference, current], &scratch)?;
        let [r, c] = &sides;
        let pair = Pair::new(r.as_sample(), c.as_sample());
        let kind = pair.reference().kind();
        let mut found =
            ColumnScores { name: reference.name().to_owned(), kind, scores: Vec::new(), undefined: Vec::new() };
        for (place, &method) in methods.iter().enumerate() {
            let measure = method.measure(preset, kind);
            if methods[..place].contains(&method) || !measure.supports(kind) {
                continue;
            }
            match measure.measure_pair(&pair) {
                Ok(drift) => found.scores.push((method, drift)),
                Err(error) => found.undefined.push((method, error)),
            }
        }
        ColumnSample::recycle(sides, &scratch);
        Ok(found)
    };
    paired(reference, current)?.into_par_iter().map(measure).collect()
}
