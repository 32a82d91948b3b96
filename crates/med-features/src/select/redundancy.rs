//! Dropping features that say what another one says.

use med_schema::FeatureMatrix;
use serde::{Deserialize, Serialize};

use crate::FeatureError;
use crate::statistic::CorrelationMatrix;

/// Keeps one of each pair of numeric features whose correlation is at or above a threshold in absolute value.
///
/// Features are gone through in order of preference; one is kept unless it correlates with one already kept. Categorical
/// features and those without a defined correlation are kept. Only pairs are looked at: a feature that *several* others together
/// determine is found by `vif`, not here.
///
/// | parameter | default | range |
/// | --- | --- | --- |
/// | `threshold` | 0.95 | (0, 1] |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Parameters")]
pub struct RedundancyFilter {
    threshold: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    threshold: f64,
}

impl TryFrom<Parameters> for RedundancyFilter {
    type Error = FeatureError;

    fn try_from(p: Parameters) -> Result<Self, FeatureError> {
        Self::new(p.threshold)
    }
}

impl Default for RedundancyFilter {
    fn default() -> Self {
        Self { threshold: 0.95 }
    }
}

/// A feature that was dropped for another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dropped {
    /// The feature dropped.
    pub feature: String,
    /// The preferred feature it correlates with most.
    pub kept_instead: String,
    /// Their correlation.
    pub r: f64,
}

/// What a [`RedundancyFilter`] keeps and drops.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FittedRedundancy {
    kept: Vec<String>,
    dropped: Vec<Dropped>,
}

impl RedundancyFilter {
    /// A filter with this threshold.
    ///
    /// # Errors
    /// When the threshold is not above 0 and at most 1.
    pub fn new(threshold: f64) -> Result<Self, FeatureError> {
        if threshold > 0.0 && threshold <= 1.0 {
            return Ok(Self { threshold });
        }
        let found = threshold.to_string();
        Err(FeatureError::Parameter { parameter: "threshold", expected: "a number above 0, at most 1", found })
    }

    /// Decides on the training part. `ranking` names features, preferred ones first (the order of a
    /// [`Selection`](super::Selection), say); those it does not name come after, in the order of the columns.
    ///
    /// # Errors
    /// When the ranking names a feature that is not there.
    pub fn fit<'a>(
        &self,
        train: &'a FeatureMatrix,
        ranking: impl IntoIterator<Item = &'a str>,
    ) -> Result<FittedRedundancy, FeatureError> {
        let mut order: Vec<&str> = Vec::with_capacity(train.n_columns());
        for name in ranking.into_iter().chain(train.names().collect::<Vec<_>>()) {
            let name = train.column(name)?.name();
            if !order.contains(&name) {
                order.push(name);
            }
        }
        let matrix = CorrelationMatrix::of(train);
        let (mut kept, mut dropped): (Vec<&str>, Vec<Dropped>) = (Vec::new(), Vec::new());
        for name in order {
            let twin = kept
                .iter()
                .filter_map(|other| Some((*other, matrix.get(name, other)?)))
                .filter(|(_, r)| r.abs() >= self.threshold)
                .max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()));
            match twin {
                Some((other, r)) => {
                    dropped.push(Dropped { feature: name.to_owned(), kept_instead: other.to_owned(), r });
                }
                None => kept.push(name),
            }
        }
        let kept = train.names().filter(|name| kept.contains(name)).map(str::to_owned).collect();
        Ok(FittedRedundancy { kept, dropped })
    }
}

impl FittedRedundancy {
    /// The features kept, in the order of the training columns.
    pub fn kept(&self) -> &[String] {
        &self.kept
    }

    /// The features dropped, with what was kept instead.
    pub fn dropped(&self) -> &[Dropped] {
        &self.dropped
    }

    /// The columns of `x` that are kept; values are shared.
    ///
    /// # Errors
    /// When one is not there.
    pub fn apply(&self, x: &FeatureMatrix) -> Result<FeatureMatrix, FeatureError> {
        Ok(x.select(self.kept.iter().map(String::as_str))?)
    }
}

#[cfg(test)]
mod tests {
    use med_schema::FeatureColumn;

    use super::*;

    fn train() -> FeatureMatrix {
        FeatureMatrix::new(vec![
            FeatureColumn::numeric("cm", vec![150.0, 160.0, 171.0, 180.0]),
            FeatureColumn::numeric("inch", vec![59.1, 63.0, 67.3, 70.9]),
            FeatureColumn::numeric("visits", vec![3.0, 0.0, 5.0, 1.0]),
            FeatureColumn::numeric("constant", vec![1.0; 4]),
            FeatureColumn::from_texts("plan", [Some("a"), None, Some("b"), None]),
        ])
        .unwrap()
    }

    #[test]
    fn the_preferred_one_of_a_pair_stays() {
        let filter = RedundancyFilter::default();
        let plain = filter.fit(&train(), []).unwrap();
        assert_eq!(plain.kept(), ["cm", "visits", "constant", "plan"]);
        let ranked = filter.fit(&train(), ["inch"]).unwrap();
        assert_eq!((ranked.kept()[0].as_str(), ranked.dropped()[0].kept_instead.as_str()), ("inch", "inch"));
        assert_eq!(ranked.apply(&train()).unwrap().n_columns(), 4);
        assert!(filter.fit(&train(), ["inches"]).is_err());
    }

    #[test]
    fn thresholds_outside_are_refused() {
        for bad in [0.0, 1.1, f64::NAN] {
            assert!(RedundancyFilter::new(bad).is_err());
        }
    }
}
