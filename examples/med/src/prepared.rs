//! A model with the encoders it needs: from a table of raw columns to predictions.

use std::path::Path;

use anyhow::{Context, bail, ensure};
use med_features::encode::{ImputeBy, Reference, UnseenPolicy};
use med_features::{Encoder, FeaturePipeline, FittedEncoder, FittedPipeline, Impute, Log1p, OneHot, Scale, Step};
use med_model::{
    AnyModel, Beyond, Explain, Model, ModelSpec, PredictionBound, RegressionMetrics, Regressor, ResidualQuantiles,
    SavedModel, Shap, ShapScale,
};
use med_schema::{
    Column, Dataset, FeatureColumn, FeatureKind, FeatureMatrix, FeatureSchema, FeatureSpec, Kind, Lineage, Novelty,
    Role, Schema, Table, ValueType,
};
use serde::{Deserialize, Serialize};

use crate::cli::ReadArgs;
use crate::notes::{Notes, long_exposure};
use crate::table_file::require;

/// What a model file holds besides the model: the raw columns, and what makes features of them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Preparation {
    /// Columns that named a row of the training part, and name a row of predictions.
    keys: Vec<String>,
    columns: Schema,
    /// Years at risk: the model is of the cost per year, a row's prediction is for its years.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exposure: Option<Column>,
    /// Weights of the rows, in fitting and in metrics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    weight: Option<Column>,
    pipeline: FittedPipeline,
    /// For prediction intervals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    residuals: Option<ResidualQuantiles>,
    /// The largest target per year; files written before it was kept have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    largest_target: Option<PredictionBound>,
}

/// What each raw column contributes to each prediction.
#[derive(Debug)]
pub(crate) struct Explained {
    pub(crate) scale: ShapScale,
    pub(crate) base_value: f64,
    /// In the order of the raw columns.
    pub(crate) columns: Vec<(String, Vec<f64>)>,
}

/// A fitted model and its preparation.
#[derive(Debug)]
pub(crate) struct Prepared {
    saved: SavedModel,
    preparation: Preparation,
    /// What in the training part does not suit the model; nothing when it was loaded.
    warnings: Vec<String>,
}

impl Prepared {
    /// Fits encoders and model on these columns of the training part: the encoders given, or those that suit the model.
    pub(crate) fn fit(
        spec: &ModelSpec,
        encoders: Option<&FeaturePipeline>,
        train: &Table,
        features: &[String],
    ) -> anyhow::Result<Self> {
        let columns = train.schema().select(features.iter().map(String::as_str))?;
        let data = train.dataset_of(features.iter().map(String::as_str))?;
        let own = pipeline(spec.name());
        // Encoders that learn from the target learn what the model learns: the cost per year.
        let mut y = data.y().to_vec();
        if let Some(years) = data.exposure() {
            y.iter_mut().zip(years).for_each(|(y, years)| *y /= years);
        }
        let (pipeline, x) = encoders.unwrap_or(&own).fit_transform_with_target(data.x(), &y)?;
        ensure!(
            x.n_columns() > 0 || features.is_empty(),
            "no feature is left of {} after encoding: a category of a single level has nothing beside its reference",
            features.join(", ")
        );
        let target = data.target().to_owned();
        let data = data.with_features(x)?;
        let mut warnings = warnings(spec, &data);
        let largest_target = PredictionBound::of(&data);
        let model = spec.fit(&data)?;
        let keys = keys(train.schema()).into_iter().filter(|k| *k != target).map(str::to_owned).collect();
        let of = |role| train.schema().with_role(role).next().cloned();
        let (exposure, weight) = (of(Role::Exposure), of(Role::Weight));
        if let (Some(column), Some(years)) = (&exposure, data.exposure()) {
            warnings.extend(years.as_slice().and_then(|years| long_exposure(&column.name, years)));
        }
        let preparation = Preparation { keys, columns, exposure, weight, pipeline, residuals: None, largest_target };
        let saved = SavedModel::new(spec, model, target).with_preprocessing(serde_json::to_value(&preparation)?);
        Ok(Self { saved, preparation, warnings })
    }

    /// With what prediction intervals are made of.
    pub(crate) fn with_intervals(mut self, residuals: ResidualQuantiles) -> anyhow::Result<Self> {
        self.preparation.residuals = Some(residuals);
        self.saved = self.saved.with_preprocessing(serde_json::to_value(&self.preparation)?);
        Ok(self)
    }

    /// Rows that prediction intervals are calibrated on.
    pub(crate) fn interval_rows(&self) -> Option<usize> {
        self.preparation.residuals.as_ref().map(ResidualQuantiles::n_rows)
    }

    /// Lower and upper ends of the intervals around these predictions.
    pub(crate) fn intervals(&self, predicted: &[f64], level: f64) -> anyhow::Result<(Vec<f64>, Vec<f64>)> {
        let Some(residuals) = &self.preparation.residuals else {
            bail!(
                "the model has no prediction intervals: train it with --intervals auto, on rows enough to fit it without a \
                 fifth of them"
            );
        };
        let (mut lower, mut upper) = (Vec::with_capacity(predicted.len()), Vec::with_capacity(predicted.len()));
        for &predicted in predicted {
            let interval = residuals.around(predicted, level)?;
            ensure!(
                interval.upper.is_finite(),
                "{} calibration rows are too few for intervals at level {level}",
                residuals.n_rows()
            );
            lower.push(interval.lower);
            upper.push(interval.upper);
        }
        Ok((lower, upper))
    }

    /// What each raw column contributes to each row's prediction for one year: the sum over the features made from it.
    pub(crate) fn explain(&self, table: &Table) -> anyhow::Result<Explained> {
        let Shap { base_value, values, scale, .. } = self.saved.explain(&self.encode(table)?)?;
        let mut columns: Vec<(String, Vec<f64>)> =
            self.columns().names().map(|name| (name.to_owned(), vec![0.0; table.n_rows()])).collect();
        for (origin, values) in self.preparation.pipeline.provenance().iter().zip(values.columns()) {
            let share = 1.0 / origin.from.len().max(1) as f64;
            for (_, sums) in columns.iter_mut().filter(|(name, _)| origin.from.contains(name)) {
                sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value * share);
            }
        }
        Ok(Explained { scale, base_value, columns })
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
        Ok(Self { saved, preparation, warnings: Vec::new() })
    }

    pub(crate) fn load(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("model {}", path.display()))?;
        // LightGBM's text files start with this line.
        let read =
            if text.lines().next() == Some("tree") { Self::from_lightgbm(&text) } else { Self::from_json(&text) };
        read.with_context(|| format!("model {}", path.display()))
    }

    /// A model that LightGBM wrote: its features are the raw columns. It does not say what it predicts.
    fn from_lightgbm(text: &str) -> anyhow::Result<Self> {
        let saved = SavedModel::from_lightgbm(text, "")?;
        let (mut specs, mut columns) = (Vec::new(), Vec::new());
        for FeatureSpec { name, kind } in saved.model().features().features() {
            let (spec, column) = match kind {
                FeatureKind::Numeric => {
                    (Column::new(name, Kind::Continuous, ValueType::Float), FeatureColumn::numeric(name, Vec::new()))
                }
                FeatureKind::Categorical { levels } => (
                    Column::new(name, Kind::Nominal, ValueType::Text),
                    FeatureColumn::categorical(name, Vec::new(), levels.clone())?,
                ),
            };
            specs.push(spec.nullable(true));
            columns.push(column);
        }
        let pipeline = FeaturePipeline::default().fit(&FeatureMatrix::new(columns)?)?;
        let columns = Schema::new(specs)?;
        let preparation = Preparation {
            keys: Vec::new(),
            columns,
            exposure: None,
            weight: None,
            pipeline,
            residuals: None,
            largest_target: None,
        };
        Ok(Self { saved, preparation, warnings: Vec::new() })
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

    /// What in the training part does not suit the model. It was fitted all the same.
    pub(crate) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The column with years at risk, if the model was fitted with one.
    pub(crate) fn exposure(&self) -> Option<&str> {
        self.preparation.exposure.as_ref().map(|c| c.name.as_str())
    }

    /// Reads rows to predict: the raw columns, and the exposure if the file has it. The error names each column that it lacks.
    pub(crate) fn read(&self, path: &Path, read: &ReadArgs) -> anyhow::Result<Table> {
        require(path, self.columns().names())?;
        let schema = self.preparation.exposure.iter().cloned().try_fold(self.columns().clone(), Schema::with_column)?;
        read.read_like(path, &schema)
    }

    /// Reads rows to evaluate: the raw columns, the target, the exposure that the target goes with, and weights if the file
    /// has them. The error names each column that it lacks.
    pub(crate) fn read_with_target(&self, path: &Path, read: &ReadArgs) -> anyhow::Result<Table> {
        ensure!(!self.target().is_empty(), "the model does not say what it predicts: it was written by LightGBM");
        require(path, self.columns().names().chain([self.target()]).chain(self.exposure()))?;
        let target = Column::new(self.target(), Kind::Continuous, ValueType::Float);
        let Preparation { exposure, weight, .. } = &self.preparation;
        let schema = [Some(target), exposure.clone(), weight.clone()]
            .into_iter()
            .flatten()
            .try_fold(self.columns().clone(), Schema::with_column)?;
        read.read_like(path, &schema)
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

    /// Checks that a table has the raw columns; the error names each that it lacks.
    pub(crate) fn features_in(&self, table: &Table) -> anyhow::Result<()> {
        let lacks: Vec<&str> = self.columns().names().filter(|name| !table.schema().contains(name)).collect();
        ensure!(lacks.is_empty(), "the model was trained on columns that are not there: {}", lacks.join(", "));
        Ok(())
    }

    fn raw(&self, table: &Table) -> anyhow::Result<FeatureMatrix> {
        Ok(table.features(self.columns().names())?)
    }

    fn encode(&self, table: &Table) -> anyhow::Result<FeatureMatrix> {
        Ok(self.preparation.pipeline.transform(&self.raw(table)?)?)
    }

    /// The levels of a raw column that the training part had, if it is a category.
    fn levels(&self, column: &str) -> Option<&[String]> {
        let of_model = || {
            let spec = self.features().features().iter().find(|f| f.name == column)?;
            match &spec.kind {
                FeatureKind::Categorical { levels } => Some(levels.as_slice()),
                FeatureKind::Numeric => None,
            }
        };
        self.preparation.pipeline.levels(column).or_else(of_model)
    }

    /// What of these rows the training part did not have.
    fn novelties(&self, raw: &FeatureMatrix) -> Notes {
        let mut notes = Notes::default();
        raw.columns().iter().for_each(|column| notes.count(&Novelty::of(column, self.levels(column.name()))));
        notes
    }

    /// What of these rows the training part did not have; of models on a log link, also predictions beyond its costs. Other models
    /// predict about what they were fitted on, and are not asked to do it once more.
    pub(crate) fn notes(&self, table: &Table) -> anyhow::Result<Notes> {
        let raw = self.raw(table)?;
        let mut notes = self.novelties(&raw);
        let link = takes(self.saved.model().kind());
        if matches!(link, Takes::Logarithms | Takes::LogarithmsAndContrasts) {
            let predicted = self.saved.model().predict(&self.preparation.pipeline.transform(&raw)?)?.to_vec();
            if let Some(beyond) = self.beyond(&predicted) {
                notes.warn(beyond);
            }
        }
        Ok(notes)
    }

    /// Predictions per year beyond the costs trained on.
    fn beyond(&self, predicted: &[f64]) -> Option<Beyond> {
        self.preparation.largest_target.and_then(|largest| largest.beyond(predicted))
    }

    /// The objective that `gbdt` was fitted with, `auto` decided.
    pub(crate) fn objective(&self) -> Option<&'static str> {
        match self.saved.model() {
            AnyModel::Gbdt(model) => Some(model.objective().name().name()),
            _ => None,
        }
    }

    /// One prediction a row: the cost in the row's years at risk where the model knows of exposure and the table has it, else
    /// in one year.
    pub(crate) fn predict(&self, table: &Table) -> anyhow::Result<Vec<f64>> {
        Ok(self.predict_noting(table)?.0)
    }

    /// As [`Prepared::predict`], with what is unlike the training part.
    pub(crate) fn predict_noting(&self, table: &Table) -> anyhow::Result<(Vec<f64>, Notes)> {
        let raw = self.raw(table)?;
        let mut notes = self.novelties(&raw);
        let mut predicted = self.saved.model().predict(&self.preparation.pipeline.transform(&raw)?)?.to_vec();
        if let Some(beyond) = self.beyond(&predicted) {
            notes.warn(beyond);
        }
        if let Some(name) = self.exposure().filter(|n| table.schema().contains(n)) {
            let exposure = table.numbers(name)?;
            if let Some(warning) = long_exposure(name, exposure.as_slice()) {
                notes.warn(warning);
            }
            for (row, (cost, years)) in predicted.iter_mut().zip(exposure.as_slice()).enumerate() {
                ensure!(
                    *years >= 0.0 && years.is_finite(),
                    "column {name:?}, row {row} (from 0): expected an exposure that is a finite number >= 0"
                );
                *cost *= years;
            }
        }
        if let Some(row) = predicted.iter().position(|p| !p.is_finite()) {
            bail!(
                "row {row} (from 0): the prediction is too large for a number; its features are far from those trained on"
            );
        }
        Ok((predicted, notes))
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

/// What in the training part does not suit the model.
fn warnings(spec: &ModelSpec, train: &Dataset) -> Vec<String> {
    match spec {
        ModelSpec::Gbdt(boosting) => boosting.warnings(train).iter().map(ToString::to_string).collect(),
        _ => Vec::new(),
    }
}

/// The columns that name a row.
fn keys(schema: &Schema) -> Vec<&str> {
    [Role::Key, Role::EventTime].into_iter().flat_map(|r| schema.with_role(r)).map(|c| c.name.as_str()).collect()
}

/// What a kind of model takes: decides the encoders it gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Takes {
    /// Categories and missing values as they are.
    Everything,
    /// Categories as they are; numbers without missing values, and where they are heavy-tailed, as logarithms.
    Logarithms,
    /// Numbers, one column a level less one reference.
    Contrasts,
    /// Numbers, one column a level.
    Levels,
    /// Numbers on one scale, one column a level: distances are measured.
    Distances,
    /// Numbers without missing values, one column a level less one reference; where heavy-tailed, as logarithms.
    LogarithmsAndContrasts,
}

/// A further model is one more name here.
fn takes(model: &str) -> Takes {
    match model {
        "linear" => Takes::Contrasts,
        "ridge" | "lasso" | "elastic_net" => Takes::Levels,
        "glm" | "glm_gamma" | "glm_poisson" | "glm_tweedie" => Takes::Logarithms,
        "two_part" | "log_ols" | "eee" => Takes::LogarithmsAndContrasts,
        "knn" | "svr" => Takes::Distances,
        _ => Takes::Everything,
    }
}

fn pipeline(model: &str) -> FeaturePipeline {
    let impute = Step::Impute(Impute { by: ImputeBy::Median, ..Impute::default() });
    let one_hot = |reference| Step::OneHot(OneHot { reference, unseen: UnseenPolicy::Ignore, ..OneHot::default() });
    FeaturePipeline::new(match takes(model) {
        Takes::Everything => Vec::new(),
        Takes::Logarithms => vec![impute, Step::Log1p(Log1p::default())],
        Takes::Contrasts => vec![impute, one_hot(Reference::MostFrequent)],
        Takes::Levels => vec![impute, one_hot(Reference::None)],
        Takes::Distances => vec![impute, one_hot(Reference::None), Step::Scale(Scale::default())],
        Takes::LogarithmsAndContrasts => {
            vec![impute, Step::Log1p(Log1p::default()), one_hot(Reference::MostFrequent)]
        }
    })
}
