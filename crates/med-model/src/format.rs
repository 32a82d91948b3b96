//! Models in files.
//!
//! One JSON document a model, with `format` and `version` first. Numbers are written with the fewest digits that read back
//! as the same bits, so a loaded model predicts what the saved one did, bit for bit. JSON has no infinities or NaN: a
//! model that held one could not be read, and none is ever made.

use med_schema::{FeatureMatrix, FeatureSchema, Lineage};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::BrokenModel;
use crate::{AnyModel, FormatError, LightGbmError, LightGbmModel, Model, ModelSpec, PredictError};

/// The `format` of model files.
pub const FORMAT: &str = "med-model";
/// The newest `version` of the format; older ones are read too.
pub const FORMAT_VERSION: u32 = 2;

/// A fitted model with what is needed to use it later, elsewhere.
///
/// ```
/// use med_model::{Model, ModelSpec, Regressor, SavedModel};
/// use med_schema::{Dataset, FeatureColumn, FeatureMatrix};
/// let x = FeatureMatrix::new(vec![FeatureColumn::numeric("age", vec![30.0, 40.0, 60.0])])?;
/// let train = Dataset::new(x.clone(), "cost", vec![700.0, 950.0, 1300.0])?;
/// let spec = ModelSpec::parse("linear", &serde_json::Value::Null)?;
/// let saved = SavedModel::new(&spec, spec.fit(&train)?, train.target());
/// let loaded = SavedModel::from_json(&saved.to_json()?)?;
/// assert_eq!(loaded.predict(&x)?, saved.predict(&x)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedModel {
    format: String,
    version: u32,
    target: String,
    params: Value,
    /// What turns raw columns into the model's features: whatever the caller's encoder writes, kept as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    preprocessing: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lineage: Option<Lineage>,
    model: AnyModel,
}

/// What is read before all else: whether the rest can be read at all.
#[derive(Deserialize)]
struct Header {
    format: String,
    version: u32,
}

impl SavedModel {
    /// A fitted model, the parameters it was fitted with and the name of what it predicts.
    pub fn new(spec: &ModelSpec, model: AnyModel, target: impl Into<String>) -> Self {
        Self {
            format: FORMAT.to_owned(),
            version: FORMAT_VERSION,
            target: target.into(),
            params: spec.parameters(),
            preprocessing: None,
            lineage: None,
            model,
        }
    }

    /// A model that LightGBM trained, from the content of its file, and the name of what it predicts.
    ///
    /// # Errors
    /// As [`LightGbmModel::from_text`].
    pub fn from_lightgbm(text: &str, target: impl Into<String>) -> Result<Self, LightGbmError> {
        let model = LightGbmModel::from_text(text)?;
        Ok(Self {
            format: FORMAT.to_owned(),
            version: FORMAT_VERSION,
            target: target.into(),
            params: json!({ "objective": model.objective() }),
            preprocessing: None,
            lineage: None,
            model: AnyModel::LightGbm(model),
        })
    }

    /// With what turns raw columns into the model's features.
    #[must_use]
    pub fn with_preprocessing(mut self, preprocessing: Value) -> Self {
        self.preprocessing = Some(preprocessing);
        self
    }

    /// With where it comes from.
    #[must_use]
    pub fn with_lineage(mut self, lineage: Lineage) -> Self {
        self.lineage = Some(lineage);
        self
    }

    /// The model.
    pub fn model(&self) -> &AnyModel {
        &self.model
    }

    /// What it predicts.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The parameters it was fitted with.
    pub fn params(&self) -> &Value {
        &self.params
    }

    /// What turns raw columns into its features, where that was given.
    pub fn preprocessing(&self) -> Option<&Value> {
        self.preprocessing.as_ref()
    }

    /// Where it comes from, where that was given.
    pub fn lineage(&self) -> Option<&Lineage> {
        self.lineage.as_ref()
    }

    /// The file's content. The same model gives the same bytes.
    ///
    /// # Errors
    /// When the model cannot be written, which would be a fault of this crate.
    pub fn to_json(&self) -> Result<String, FormatError> {
        Ok(serde_json::to_string(self)?)
    }

    /// Reads a file's content.
    ///
    /// # Errors
    /// When it is of another format or a newer version, or its parts do not fit together.
    pub fn from_json(json: &str) -> Result<Self, FormatError> {
        let Header { format, version } = serde_json::from_str(json)?;
        if format != FORMAT {
            return Err(FormatError::Format { expected: FORMAT, found: format });
        }
        if version == 0 || version > FORMAT_VERSION {
            return Err(FormatError::Version { expected: FORMAT_VERSION, found: version });
        }
        let mut saved: Self = serde_json::from_str(json)?;
        // Whatever it was read from, it is written as the newest.
        saved.version = FORMAT_VERSION;
        if saved.model.features().names().any(|n| n == saved.target) {
            return Err(BrokenModel::new("features", "none of them the target", &saved.target).into());
        }
        Ok(saved)
    }
}

impl Model for SavedModel {
    fn features(&self) -> &FeatureSchema {
        self.model.features()
    }

    fn predict_into(&self, x: &FeatureMatrix, out: &mut [f64]) -> Result<(), PredictError> {
        self.model.predict_into(x, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Regressor;
    use med_schema::{Dataset, FeatureColumn};

    fn saved() -> String {
        let x = FeatureMatrix::new(vec![FeatureColumn::numeric("age", vec![30.0, 40.0, 60.0])]).unwrap();
        let train = Dataset::new(x, "cost", vec![1.0, 2.0, 4.0]).unwrap();
        let spec = ModelSpec::parse("linear", &Value::Null).unwrap();
        SavedModel::new(&spec, spec.fit(&train).unwrap(), "cost").to_json().unwrap()
    }

    fn error(json: &str) -> String {
        SavedModel::from_json(json).unwrap_err().to_string()
    }

    #[test]
    fn other_formats_and_newer_versions_are_refused_by_name() {
        let json = saved();
        assert!(json.starts_with(r#"{"format":"med-model","version":2,"target":"cost","#), "{json}");
        assert_eq!(error(&json.replacen("med-model", "onnx", 1)), "expected the format \"med-model\", found \"onnx\"");
        assert_eq!(
            error(&json.replacen("\"version\":2", "\"version\":3", 1)),
            "expected version 2 of the format or an older one, found 3; a newer release can read it"
        );
        assert!(error("[]").starts_with("not a model file: "));
        assert!(error(r#"{"version":1}"#).contains("missing field `format`"));
    }

    #[test]
    fn broken_content_is_refused() {
        let json = saved();
        for (from, to) in [
            ("\"coefficients\":[", "\"coefficients\":[1.0,"),
            ("\"intercept\":", "\"intercept\":null,\"x\":"),
            ("\"intercept\":", "\"intercept\":1e999,\"x\":"),
            ("\"kind\":\"linear\"", "\"kind\":\"gbdt\""),
            ("\"target\":\"cost\"", "\"target\":\"age\""),
            ("\"target\":\"cost\"", "\"target\":\"cost\",\"extra\":1"),
        ] {
            assert!(json.contains(from));
            assert!(SavedModel::from_json(&json.replacen(from, to, 1)).is_err(), "{to}");
        }
    }
}
