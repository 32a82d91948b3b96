//! A model with the encoders it needs: from a table of raw columns to predictions.

use std::path::Path;

use anyhow::{Context, bail};
use med_features::encode::{ImputeBy, Reference, UnseenPolicy};
use med_features::{FeaturePipeline, FittedEncoder, FittedPipeline, Impute, OneHot, Ordinal, Scale, Step};
use med_model::{Model, ModelSpec, RegressionMetrics, Regressor, SavedModel};
use med_schema::{Dataset, Domain, FeatureMatrix, FeatureSchema, Lineage, Role, Schema, Table, ValueType};
use serde::{Deserialize, Serialize};

use crate::cli::ReadArgs;
use crate::table_file::require;

/// What a model file holds besides the model: the raw columns, and what makes features of them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Preparation {
    /// Columns that named a row of the training part, and name a row of predictions.
    keys: Vec<String>,
    columns: Schema,
    pipeline: FittedPipeline,
}

/// A fitted model and its preparation.
#[derive(Debug)]
pub(crate) struct Prepared {
    saved: SavedModel,
    preparation: Preparation,
}

impl Prepared {
    /// Fits encoders and model on these columns of the training part.
    pub(crate) fn fit(spec: &ModelSpec, train: &Table, features: &[String]) -> anyhow::Result<Self> {
        let columns = train.schema().select(features.iter().map(String::as_str))?;
        let data = train.dataset_of(features.iter().map(String::as_str))?;
        let (pipeline, x) = pipeline(spec.name(), &columns).fit_transform(data.x())?;
        let target = data.target().to_owned();
        let model = spec.fit(&data.with_features(x)?)?;
        let keys = keys(train.schema()).into_iter().filter(|k| *k != target).map(str::to_owned).collect();
        let preparation = Preparation { keys, columns, pipeline };
        let saved = SavedModel::new(spec, model, target).with_preprocessing(serde_json::to_value(&preparation)?);
        Ok(Self { saved, preparation })
    }

    pub(crate) fn with_lineage(mut self, lineage: Lineage) -> Self {
        self.saved = self.saved.with_lineage(lineage);
        self
    }

    pub(crate) fn to_json(&self) -> anyhow::Result<String> {
        Ok(self.saved.to_json()?)
    }

    pub(crate) fn from_json(json: &str) -> anyhow::Result<Self> {
        let saved = SavedModel::from_json(json)?;
        let Some(preparation) = saved.preprocessing() else {
            bail!("the model has no encoders with it; it was not written by this program");
        };
        let preparation: Preparation = serde_json::from_value(preparation.clone()).context("the model's encoders")?;
        Ok(Self { saved, preparation })
    }

    pub(crate) fn load(path: &Path) -> anyhow::Result<Self> {
        let json = std::fs::read_to_string(path).with_context(|| format!("model {}", path.display()))?;
        Self::from_json(&json).with_context(|| format!("model {}", path.display()))
    }

    pub(crate) fn target(&self) -> &str {
        self.saved.target()
    }

    /// The raw columns it needs.
    pub(crate) fn columns(&self) -> &Schema {
        &self.preparation.columns
    }

    /// The features the model itself takes.
    pub(crate) fn features(&self) -> &FeatureSchema {
        self.saved.model().features()
    }

    /// Reads a file that has the raw columns; the error names each one that it lacks.
    pub(crate) fn read(&self, path: &Path, read: &ReadArgs) -> anyhow::Result<Table> {
        require(path, self.columns().names())?;
        read.read_like(path, self.columns())
    }

    /// The columns that name a row: those of the training part that are here too, or else what looks like one here.
    pub(crate) fn keys<'a>(&'a self, table: &'a Table) -> Vec<&'a str> {
        let known: Vec<&str> =
            self.preparation.keys.iter().map(String::as_str).filter(|k| table.schema().contains(k)).collect();
        if !known.is_empty() {
            return known;
        }
        let own = |name: &&str| !self.columns().contains(name) && *name != self.target();
        keys(table.schema()).into_iter().filter(own).collect()
    }

    fn encode(&self, table: &Table) -> anyhow::Result<FeatureMatrix> {
        Ok(self.preparation.pipeline.transform(&table.features(self.columns().names())?)?)
    }

    /// One prediction a row.
    pub(crate) fn predict(&self, table: &Table) -> anyhow::Result<Vec<f64>> {
        let predicted = self.saved.model().predict(&self.encode(table)?)?.to_vec();
        if let Some(row) = predicted.iter().position(|p| !p.is_finite()) {
            bail!(
                "row {row} (from 0): the prediction is too large for a number; its features are far from those trained on"
            );
        }
        Ok(predicted)
    }

    /// All metrics on rows that have the target.
    pub(crate) fn evaluate(&self, table: &Table) -> anyhow::Result<RegressionMetrics> {
        let data = self.dataset(table)?;
        Ok(med_model::evaluate(self.saved.model(), &data)?)
    }

    fn dataset(&self, table: &Table) -> anyhow::Result<Dataset> {
        let schema = table.schema().clone().with_target(self.target())?;
        let data = table.clone().with_schema(schema)?.dataset_of(self.columns().names())?;
        let x = self.encode(table)?;
        Ok(data.with_features(x)?)
    }
}

/// The columns that name a row.
fn keys(schema: &Schema) -> Vec<&str> {
    [Role::Key, Role::EventTime].into_iter().flat_map(|r| schema.with_role(r)).map(|c| c.name.as_str()).collect()
}

/// The encoders a kind of model needs. Trees take ranks and missing values as they are; what measures distances or
/// multiplies coefficients takes one column a level, and no missing values.
fn pipeline(model: &str, columns: &Schema) -> FeaturePipeline {
    let impute = Step::Impute(Impute { by: ImputeBy::Median, ..Impute::default() });
    let one_hot = |reference| OneHot { reference, unseen: UnseenPolicy::Ignore, ..OneHot::default() };
    match model {
        "linear" => FeaturePipeline::new(vec![impute, Step::OneHot(one_hot(Reference::MostFrequent))]),
        "ridge" | "lasso" | "elastic_net" => FeaturePipeline::new(vec![impute, Step::OneHot(one_hot(Reference::None))]),
        "knn" | "svr" => {
            FeaturePipeline::new(vec![impute, Step::OneHot(one_hot(Reference::None)), Step::Scale(Scale::default())])
        }
        _ => {
            let mut ordinal = Ordinal { unseen: UnseenPolicy::Ignore, ..Ordinal::default() };
            for column in columns.columns() {
                if let Some(Domain::Levels(levels)) = &column.domain
                    && column.value_type == ValueType::Text
                {
                    ordinal = ordinal.order(&column.name, levels);
                }
            }
            let mut steps = vec![Step::Ordinal(ordinal)];
            if model != "gbdt" {
                steps.push(impute);
            }
            FeaturePipeline::new(steps)
        }
    }
}
