//! The boosted core as the model that selection fits.

use med_features::select::{Learner, LearnerError, Learnt};
use med_model::{Gbdt, GbdtModel, GbdtParams, Importance, Model, Regressor};
use med_schema::{Dataset, FeatureMatrix};

/// Boosted trees for selection: fewer and smaller than those for prediction, since a hundred of them may be fitted, and each split
/// looks at half of the features, so that one of two near-copies does not take all the importance.
#[derive(Debug)]
pub(crate) struct Boosted(Gbdt);

struct FittedBoosted(GbdtModel);

impl Boosted {
    pub(crate) fn new(seed: u64) -> anyhow::Result<Self> {
        let params = GbdtParams {
            num_iterations: 50,
            num_leaves: 15,
            feature_fraction_bynode: 0.5,
            seed,
            ..GbdtParams::default()
        };
        Ok(Self(Gbdt::new(params)?))
    }
}

impl Learner for Boosted {
    fn fit(&self, train: &Dataset) -> Result<Box<dyn Learnt>, LearnerError> {
        Ok(Box::new(FittedBoosted(self.0.fit(train)?)))
    }
}

impl Learnt for FittedBoosted {
    fn predict(&self, x: &FeatureMatrix) -> Result<Vec<f64>, LearnerError> {
        Ok(Model::predict(&self.0, x)?.to_vec())
    }

    fn importance(&self) -> Result<Vec<f64>, LearnerError> {
        Ok(self.0.importance(Importance::Gain).to_vec())
    }
}
