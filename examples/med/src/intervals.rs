//! Prediction intervals of saved models: residuals of rows that the model had not seen.

use med_features::FeaturePipeline;
use med_model::{ModelSpec, ResidualQuantiles};
use med_schema::Table;

use crate::output;
use crate::prepared::Prepared;

/// Up to this many rows each row is predicted by a model fitted without its fold; above, one fold is held back.
const CROSS_FITTED: usize = 20_000;

/// Folds.
const FOLDS: u64 = 5;

/// The distribution of out-of-sample residuals, encoders fitted anew with each model; or why there is none, when too few rows are
/// left to fit or judge one.
pub(crate) fn residuals(
    spec: &ModelSpec,
    encoders: Option<&FeaturePipeline>,
    train: &Table,
    features: &[String],
) -> anyhow::Result<Result<ResidualQuantiles, String>> {
    let n = train.n_rows();
    let rounds = if n <= CROSS_FITTED { FOLDS } else { 1 };
    let (mut targets, mut predicted) = (Vec::with_capacity(n), Vec::with_capacity(n));
    for round in 0..rounds {
        let (held, kept): (Vec<usize>, Vec<usize>) = (0..n).partition(|&row| fold(row) == round);
        if held.is_empty() {
            continue;
        }
        let held = train.take(&held)?;
        // A model that needs more rows than there are, or a level that only these rows have: no intervals, but a model.
        let fitted = Prepared::fit(spec, encoders, &train.take(&kept)?, features)
            .and_then(|model| Ok((held.numbers(model.target())?.as_slice().to_vec(), model.predict(&held)?)));
        match fitted {
            Ok((actual, found)) => {
                targets.extend(actual);
                predicted.extend(found);
            }
            Err(error) => return Ok(Err(output::chain(&error))),
        }
    }
    let not_negative = targets.iter().all(|t| *t >= 0.0);
    Ok(Ok(ResidualQuantiles::new(&targets, &predicted, not_negative)?))
}

/// The fold of a row: spread evenly whatever the order of the rows (the finaliser of SplitMix64, Steele et al. 2014).
fn fold(row: usize) -> u64 {
    let mut x = (row as u64).wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (x ^ (x >> 31)) % FOLDS
}
