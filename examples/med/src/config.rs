//! The configuration of a run: a value with a default, read from TOML.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use chrono::{DateTime, TimeZone, Utc};
use med_drift::DriftParams;
use med_etl::client_year::{Category, ClaimsConfig, NegativeTotals};
use med_features::FeaturePipeline;
use med_features::select::{Keep, SelectionMethod};
use med_model::{MetricExpectation, ModelSpec};
use med_quality::{HistoryCheck, HistoryRule, HistorySuite};
use med_schema::{Fingerprint, GatePolicy, Severity};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::cli::RunArgs;
use crate::encryption::Encryption;
use crate::toml_text;

const EXTRACTED: &str = include_str!("../../../fixtures/suites/clients_extracted.json");
const TRANSFORMED: &str = include_str!("../../../fixtures/suites/clients_transformed.json");
const MODELS: &str = include_str!("../../../fixtures/suites/models.json");
const PREDICTIONS: &str = include_str!("../../../fixtures/suites/predictions.json");
const CLIENT_YEARS: &str = include_str!("../../../fixtures/suites/client_years.json");
const CLIENT_YEAR_MODELS: &str = include_str!("../../../fixtures/suites/client_year_models.json");
const CLIENT_YEAR_PREDICTIONS: &str = include_str!("../../../fixtures/suites/client_year_predictions.json");

/// What a run does. Whatever a file leaves out is as in the default.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// The database; without it an embedded one is made in the lake's folder.
    pub(crate) database_url: Option<String>,
    /// Folder of the lake.
    pub(crate) lake: String,
    /// Seed of split and models.
    pub(crate) seed: u64,
    /// The batch's time: the clients are as they were known then.
    pub(crate) event_time: DateTime<Utc>,
    /// The table of clients.
    pub(crate) table: String,
    /// Folder with the tables that `claims` names, as CSV or Parquet files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) folder: Option<PathBuf>,
    /// Texts that mean a missing value in these files, besides the empty field.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) null_values: Vec<String>,
    /// What stands between the fields of these files if they are CSV; a comma without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) delimiter: Option<char>,
    /// File with further condition categories for `claims`, a CSV table or a JSON list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) condition_map: Option<PathBuf>,
    /// A feed of transactions, of which client-years are made; takes the place of the table of clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) claims: Option<ClaimsConfig>,
    /// Columns that are encrypted in the lake, and where their keys are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) encryption: Option<Encryption>,
    /// The feature group that it goes to.
    pub(crate) feature_group: String,
    /// The name under which models are registered.
    pub(crate) registered_model: String,
    /// Share of the clients to train on; the rest is held back.
    pub(crate) train_fraction: f64,
    /// Fewer held-back rows than this cannot tell a good model from a bad one: then checks of models and drift only warn, and no model
    /// is put into production.
    pub(crate) min_test_rows: usize,
    pub(crate) suites: Suites,
    pub(crate) selection: SelectionConfig,
    /// The models to compare.
    pub(crate) models: Vec<ModelConfig>,
    /// What is expected of a batch beside the accepted ones before it, as far as there are enough of them.
    pub(crate) history: HistorySuite,
    /// When a gate lets through.
    pub(crate) gate: GatePolicy,
}

/// Files with the expectations; without one, those that come with the example.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Suites {
    pub(crate) extracted: Option<PathBuf>,
    pub(crate) transformed: Option<PathBuf>,
    pub(crate) predictions: Option<PathBuf>,
    /// What the metrics on the held-back part must reach for a model to be registered.
    pub(crate) models: Option<PathBuf>,
}

/// The expectations of a model's metrics, as a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModelSuite {
    pub(crate) name: String,
    pub(crate) expectations: Vec<MetricExpectation>,
}

/// How features are chosen.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SelectionConfig {
    pub(crate) method: SelectionMethod,
    #[serde(default)]
    pub(crate) keep: Option<Keep>,
}

/// Which features a model is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FeatureSet {
    /// Numbers and categories.
    #[default]
    All,
    /// Numbers only.
    Numeric,
}

/// One of the models to compare.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModelConfig {
    /// One of the model names.
    pub(crate) model: String,
    /// What it is called in this run; the model's name if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) features: FeatureSet,
    /// Steps from raw columns to what the model takes; those that suit the model if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) encoders: Option<FeaturePipeline>,
    #[serde(default)]
    pub(crate) params: Value,
}

impl ModelConfig {
    fn new(model: &str, features: FeatureSet, params: Value) -> Self {
        Self { model: model.to_owned(), name: None, features, encoders: None, params }
    }

    /// What it is called in this run.
    pub(crate) fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.model)
    }

    /// The model with its checked parameters.
    pub(crate) fn spec(&self, seed: u64) -> anyhow::Result<ModelSpec> {
        parse(&self.model, &self.params, seed).with_context(|| format!("model {:?}", self.name()))
    }
}

/// The model with these parameters, and where they do not say otherwise, with this seed, and for a GLM with the reference in the
/// place of a category that it was not fitted on: a batch is not to fail for one new code.
pub(crate) fn parse(model: &str, params: &Value, seed: u64) -> anyhow::Result<ModelSpec> {
    let mut params = params.clone();
    if model.starts_with("glm") {
        if params.is_null() {
            params = Value::Object(Map::new());
        }
        if let Value::Object(map) = &mut params {
            map.entry("unseen").or_insert_with(|| "reference".into());
        }
    }
    let spec = ModelSpec::parse(model, &params)?;
    Ok(if params.get("seed").is_some() { spec } else { spec.seeded(seed) })
}

impl Default for SelectionConfig {
    fn default() -> Self {
        Self { method: SelectionMethod::StdStability, keep: Some(Keep::Threshold(0.1)) }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            database_url: None,
            lake: "./lake".to_owned(),
            seed: 42,
            event_time: Utc.timestamp_nanos(1_735_689_600_000_000_000), // 2025-01-01T00:00:00Z
            table: "clients".to_owned(),
            folder: None,
            null_values: Vec::new(),
            delimiter: None,
            condition_map: None,
            claims: None,
            encryption: None,
            feature_group: "medical_costs".to_owned(),
            registered_model: "annual_medical_cost".to_owned(),
            train_fraction: 0.8,
            min_test_rows: 200,
            suites: Suites::default(),
            selection: SelectionConfig::default(),
            models: vec![
                ModelConfig::new("linear", FeatureSet::Numeric, Value::Null),
                ModelConfig::new("decision_tree", FeatureSet::All, Value::Null),
                ModelConfig::new("random_forest", FeatureSet::All, serde_json::json!({ "n_trees": 10 })),
                ModelConfig::new("gbdt", FeatureSet::All, Value::Null),
            ],
            history: default_history(),
            gate: GatePolicy::default(),
        }
    }
}

/// A batch of half or twice the clients, or whose cost is far from that of the others, is a warning.
fn default_history() -> HistorySuite {
    let warning = |metric: &str, rule| HistoryCheck { metric: metric.to_owned(), rule, severity: Severity::Warning };
    HistorySuite::new("history")
        .with(warning("rows", HistoryRule::relative_change_within(0.5)))
        .with(warning("annual_medical_cost.mean", HistoryRule::relative_change_within(0.25)))
        .with(warning("annual_medical_cost.mean", HistoryRule::within_mads(10.0)))
}

impl Config {
    /// The file's configuration, if there is one, with the command line's words on top.
    pub(crate) fn load(args: &RunArgs) -> anyhow::Result<Self> {
        let mut config = match &args.config {
            Some(path) => Self::read(path)?,
            None => Self::default(),
        };
        config.database_url = args.database_url.clone().or(config.database_url);
        config.lake = args.lake.clone().unwrap_or(config.lake);
        config.seed = args.seed.unwrap_or(config.seed);
        Ok(config)
    }

    /// The configuration of a file.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let named = || format!("configuration {}", path.display());
        let text = std::fs::read_to_string(path).with_context(named)?;
        let mut config: Self = toml_text::parse(&text).with_context(named)?;
        let said: toml::Table = toml_text::parse(&text)?;
        config.fill_for_claims(|key| said.contains_key(key));
        let here = path.parent().unwrap_or(Path::new("."));
        config.suites.relative_to(here);
        config.folder = config.folder.map(|folder| here.join(folder));
        config.delimiter()?;
        config.read_condition_map(here)?;
        Ok(config)
    }

    /// Client-years have other columns and costs than the table of clients, so what a file does not say has other defaults for them.
    fn fill_for_claims(&mut self, said: impl Fn(&str) -> bool) {
        if self.claims.is_none() {
            return;
        }
        if !said("feature_group") {
            self.feature_group = "client_years".to_owned();
        }
        if !said("registered_model") {
            self.registered_model = "client_year_cost".to_owned();
        }
        if !said("selection") {
            // Many types of service and conditions are rare, and some are nowhere: only columns of one value go.
            self.selection = SelectionConfig { method: SelectionMethod::Variance, keep: Some(Keep::Threshold(0.0)) };
        }
        if !said("models") {
            self.models = vec![
                ModelConfig::new("glm_tweedie", FeatureSet::Numeric, serde_json::json!({ "alpha": 0.01 })),
                ModelConfig::new("gbdt", FeatureSet::All, Value::Null),
            ];
            if self.keeps_negative_totals() {
                self.models.retain(|model| model.model != "glm_tweedie");
            }
        }
    }

    /// Whether costs of client-years may be below 0.
    pub(crate) fn keeps_negative_totals(&self) -> bool {
        self.claims.as_ref().is_some_and(|claims| claims.rules.negative_totals == NegativeTotals::Keep)
    }

    /// The byte between the fields of a feed's CSV files.
    pub(crate) fn delimiter(&self) -> anyhow::Result<u8> {
        let delimiter = self.delimiter.unwrap_or(',');
        let usual = u8::try_from(delimiter).ok().filter(|d| d.is_ascii() && !matches!(d, b'"' | b'\r' | b'\n'));
        usual.with_context(|| format!("delimiter: expected one ASCII character such as \";\", found {delimiter:?}"))
    }

    /// Puts the categories of the file behind those that the configuration has itself.
    fn read_condition_map(&mut self, folder: &Path) -> anyhow::Result<()> {
        let Some(path) = self.condition_map.as_ref().map(|path| folder.join(path)) else { return Ok(()) };
        let claims =
            self.claims.as_mut().context("condition_map is for a feed of transactions: there is no [claims]")?;
        let named = || format!("condition_map {}", path.display());
        let text = std::fs::read_to_string(&path).with_context(named)?;
        let json = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("json"));
        let categories = if json { Category::from_json(&text) } else { Category::from_csv(&text) };
        claims.conditions.categories.extend(categories.with_context(named)?);
        Ok(())
    }

    /// Fingerprint of what decides the results: not where database and lake lie.
    ///
    /// The models' parameters enter as they are used, so another default is another run.
    pub(crate) fn fingerprint(&self, specs: &[ModelSpec]) -> anyhow::Result<Fingerprint> {
        let mut what = self.clone();
        what.database_url = None;
        what.lake.clear();
        what.folder = None;
        // Its categories stand among those of `claims` by now.
        what.condition_map = None;
        what.encryption = None;
        what.suites = Suites::default();
        Ok(Fingerprint::of(serde_json::to_vec(&(what, specs, DriftParams::default()))?))
    }
}

impl Suites {
    /// Paths in a configuration file are relative to it.
    fn relative_to(&mut self, folder: &Path) {
        let Self { extracted, transformed, predictions, models } = self;
        for path in [extracted, transformed, predictions, models].into_iter().flatten() {
            *path = folder.join(&*path);
        }
    }

    pub(crate) fn extracted(&self) -> anyhow::Result<String> {
        text(self.extracted.as_deref(), EXTRACTED)
    }

    pub(crate) fn transformed(&self, config: &Config) -> anyhow::Result<String> {
        if self.transformed.is_none() && config.keeps_negative_totals() {
            return without_least(CLIENT_YEARS, "target_cost");
        }
        text(self.transformed.as_deref(), if config.claims.is_some() { CLIENT_YEARS } else { TRANSFORMED })
    }

    pub(crate) fn models(&self, claims: bool) -> anyhow::Result<ModelSuite> {
        let own = if claims { CLIENT_YEAR_MODELS } else { MODELS };
        let suite: ModelSuite =
            serde_json::from_str(&text(self.models.as_deref(), own)?).context("suite \"models\"")?;
        ensure!(!suite.expectations.is_empty(), "suite \"models\" has no expectations: no model could pass");
        Ok(suite)
    }

    pub(crate) fn predictions(&self, config: &Config) -> anyhow::Result<String> {
        if self.predictions.is_none() && config.keeps_negative_totals() {
            return without_least(CLIENT_YEAR_PREDICTIONS, "prediction");
        }
        text(self.predictions.as_deref(), if config.claims.is_some() { CLIENT_YEAR_PREDICTIONS } else { PREDICTIONS })
    }
}

/// A suite in which the values of this column may be as far below 0 as above.
fn without_least(suite: &str, column: &str) -> anyhow::Result<String> {
    let mut suite: Value = serde_json::from_str(suite)?;
    for expectation in suite["expectations"].as_array_mut().into_iter().flatten() {
        let of_values = expectation["type"] == "expect_column_values_to_be_between";
        let kwargs = &mut expectation["kwargs"];
        if of_values && kwargs["column"] == column {
            kwargs["min_value"] = kwargs["max_value"].as_f64().map_or(Value::Null, |most| (-most).into());
        }
    }
    Ok(serde_json::to_string(&suite)?)
}

fn text(path: Option<&Path>, own: &str) -> anyhow::Result<String> {
    match path {
        Some(path) => std::fs::read_to_string(path).with_context(|| format!("suite {}", path.display())),
        None => Ok(own.to_owned()),
    }
}
