//! Drift over all columns, of outcomes, and the loss to be expected, with the boosted core as the learner.

use anyhow::{Context, ensure};
use med_drift::multivariate::{
    Learner, LearnerError, LossEstimator, LossParams, MultivariateParams, Outcomes, Predictor, multivariate,
};
use med_drift::{ChunkSize, Chunking, DriftDetector};
use med_model::{Model, ModelSpec, Regressor};
use med_schema::{Dataset, FeatureMatrix, NumericValues, Table};
use serde_json::{Map, Value, json};

use crate::cli::DriftArgs;

/// Columns that are no features: what is predicted, and the prediction.
pub(super) fn outcome_columns(args: &DriftArgs) -> Vec<&str> {
    args.target.iter().chain(&args.prediction).map(String::as_str).collect()
}

/// What the options ask for besides drift of each column, and whether any of it has drifted.
pub(super) fn detect(
    detector: &DriftDetector,
    args: &DriftArgs,
    [reference, current]: [&Table; 2],
    [x_reference, x_current]: [&FeatureMatrix; 2],
) -> anyhow::Result<(Map<String, Value>, bool)> {
    let (mut found, mut drifted) = (Map::new(), false);
    if args.multivariate {
        let mut params = MultivariateParams::default();
        params.reconstruction.chunks = chunking(x_reference);
        params.reconstruction.seed = args.seed;
        params.mmd.seed = args.seed;
        params.classifier.seed = args.seed;
        let learner =
            Trees::new("gbdt", &json!({ "objective": "regression", "num_iterations": 50, "num_leaves": 15 }))?;
        let report = multivariate(x_reference, x_current, Some(&learner), &params)?;
        drifted |= report.drifted;
        found.insert("multivariate".to_owned(), serde_json::to_value(report)?);
    }
    let numbers = |table: &Table, name: &Option<String>| -> anyhow::Result<Option<NumericValues>> {
        match name {
            Some(name) if table.schema().contains(name) => Ok(Some(table.numbers(name)?)),
            _ => Ok(None),
        }
    };
    if args.target.is_some() || args.prediction.is_some() {
        let target = [numbers(reference, &args.target)?, numbers(current, &args.target)?];
        let prediction = [numbers(reference, &args.prediction)?, numbers(current, &args.prediction)?];
        let [r, c] = [0, 1].map(|side| Outcomes {
            target: target[side].as_ref().map(NumericValues::as_slice),
            prediction: prediction[side].as_ref().map(NumericValues::as_slice),
        });
        if c.target.is_some() || c.prediction.is_some() {
            let report = detector.outcomes(&r, &c)?;
            drifted |= report.columns.iter().any(|c| c.drifted);
            found.insert("outcomes".to_owned(), serde_json::to_value(report)?);
        }
        if args.estimate_loss {
            let known = "--estimate-loss needs the target in the reference and the prediction in both files";
            let (Some(y), Some(p), Some(now)) = (r.target, r.prediction, c.prediction) else { anyhow::bail!(known) };
            let learner = Trees::new("gbdt", &json!({ "objective": "regression" }))?;
            let params = LossParams { chunks: chunking(x_reference), seed: args.seed, ..LossParams::default() };
            let fitted = LossEstimator::fit(x_reference, p, y, &learner, params).context("--estimate-loss")?;
            let estimates = fitted.estimate(x_current, now).context("--estimate-loss")?;
            drifted |= estimates.drifted;
            found.insert("loss".to_owned(), serde_json::to_value(estimates)?);
        }
    }
    Ok((found, drifted))
}

/// Chunks of both sides of a tenth of the reference's rows.
fn chunking(reference: &FeatureMatrix) -> Chunking {
    Chunking { size: ChunkSize::Rows((reference.n_rows() / 10).max(1)), ..Chunking::default() }
}

/// A model as a learner.
pub(super) struct Trees(ModelSpec);

impl Trees {
    pub(super) fn new(model: &str, params: &Value) -> anyhow::Result<Self> {
        Ok(Self(ModelSpec::parse(model, params)?))
    }
}

impl Learner for Trees {
    fn fit(&self, x: &FeatureMatrix, y: &[f64]) -> Result<Box<dyn Predictor>, LearnerError> {
        let model = self.0.fit(&Dataset::new(x.clone(), "learnt", y.to_vec())?)?;
        // Levels that the fit did not see are missing values to trees.
        Ok(Box::new(move |x: &FeatureMatrix| -> Result<Vec<f64>, LearnerError> {
            Ok(model.predict(&model.features().align(x)?)?.to_vec())
        }))
    }
}

/// That options which need others have them.
pub(super) fn check(args: &DriftArgs) -> anyhow::Result<()> {
    ensure!(args.target.is_none() || args.target != args.prediction, "--target and --prediction name one column");
    Ok(())
}
