//! Encoders in order.

use med_schema::FeatureMatrix;
use serde::{Deserialize, Serialize};

use crate::FeatureError;
use crate::encode::{
    Clip, DateParts, Encoder, FittedClip, FittedDateParts, FittedEncoder, FittedFrequency, FittedImpute,
    FittedInteract, FittedLog1p, FittedOneHot, FittedOrdinal, FittedScale, FittedSpline, FittedTargetMean,
    FittedYeoJohnson, Frequency, Impute, InputKind, Inputs, Interact, Log1p, OneHot, Ordinal, Origin, Scale, Spline,
    TargetEncoder, TargetMean, YeoJohnson,
};

const FORMAT: &str = "med-feature-pipeline";
const VERSION: u32 = 1;

/// One step of a [`FeaturePipeline`]. As JSON `{"step": "one_hot", "reference": "first"}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Step {
    /// Levels to 0/1 columns.
    OneHot(OneHot),
    /// Levels to ranks.
    Ordinal(Ordinal),
    /// Missing numbers filled in.
    Impute(Impute),
    /// Numbers to mean 0 and standard deviation 1.
    Scale(Scale),
    /// Heavy-tailed numbers to their logarithm.
    Log1p(Log1p),
    /// Levels to how common they are.
    Frequency(Frequency),
    /// Levels to their mean target; out of fold on the training part.
    TargetMean(TargetMean),
    /// Numbers to a power that looks normal.
    YeoJohnson(YeoJohnson),
    /// Extreme numbers to a quantile.
    Clip(Clip),
    /// Numbers to curves that bend at knots.
    Spline(Spline),
    /// Pairs of columns to what they say together.
    Interact(Interact),
    /// Dates to their parts.
    DateParts(DateParts),
}

/// A fitted step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
#[non_exhaustive]
pub enum FittedStep {
    /// Levels to 0/1 columns.
    OneHot(FittedOneHot),
    /// Levels to ranks.
    Ordinal(FittedOrdinal),
    /// Missing numbers filled in.
    Impute(FittedImpute),
    /// Numbers to mean 0 and standard deviation 1.
    Scale(FittedScale),
    /// Heavy-tailed numbers to their logarithm.
    Log1p(FittedLog1p),
    /// Levels to how common they are.
    Frequency(FittedFrequency),
    /// Levels to their mean target; out of fold on the training part.
    TargetMean(FittedTargetMean),
    /// Numbers to a power that looks normal.
    YeoJohnson(FittedYeoJohnson),
    /// Extreme numbers to a quantile.
    Clip(FittedClip),
    /// Numbers to curves that bend at knots.
    Spline(FittedSpline),
    /// Pairs of columns to what they say together.
    Interact(FittedInteract),
    /// Dates to their parts.
    DateParts(FittedDateParts),
}

impl Encoder for Step {
    type Fitted = FittedStep;

    fn fit(&self, train: &FeatureMatrix) -> Result<FittedStep, FeatureError> {
        match self {
            Self::OneHot(step) => step.fit(train).map(FittedStep::OneHot),
            Self::Ordinal(step) => step.fit(train).map(FittedStep::Ordinal),
            Self::Impute(step) => step.fit(train).map(FittedStep::Impute),
            Self::Scale(step) => step.fit(train).map(FittedStep::Scale),
            Self::Log1p(step) => step.fit(train).map(FittedStep::Log1p),
            Self::Frequency(step) => step.fit(train).map(FittedStep::Frequency),
            Self::TargetMean(_) => Err(FeatureError::TargetNeeded { step: "target_mean" }),
            Self::YeoJohnson(step) => step.fit(train).map(FittedStep::YeoJohnson),
            Self::Clip(step) => step.fit(train).map(FittedStep::Clip),
            Self::Spline(step) => step.fit(train).map(FittedStep::Spline),
            Self::Interact(step) => step.fit(train).map(FittedStep::Interact),
            Self::DateParts(step) => step.fit(train).map(FittedStep::DateParts),
        }
    }
}

impl Step {
    /// The fitted step, and what a later step is fitted on.
    fn fit_transform(
        &self,
        train: &FeatureMatrix,
        y: Option<&[f64]>,
    ) -> Result<(FittedStep, FeatureMatrix), FeatureError> {
        if let (Self::TargetMean(step), Some(y)) = (self, y) {
            let (fitted, x) = step.fit_transform(train, y)?;
            return Ok((FittedStep::TargetMean(fitted), x));
        }
        let fitted = self.fit(train)?;
        let x = fitted.transform(train)?;
        Ok((fitted, x))
    }
}

impl FittedStep {
    fn fitted(&self) -> &dyn FittedEncoder {
        match self {
            Self::OneHot(step) => step,
            Self::Ordinal(step) => step,
            Self::Impute(step) => step,
            Self::Scale(step) => step,
            Self::Log1p(step) => step,
            Self::Frequency(step) => step,
            Self::TargetMean(step) => step,
            Self::YeoJohnson(step) => step,
            Self::Clip(step) => step,
            Self::Spline(step) => step,
            Self::Interact(step) => step,
            Self::DateParts(step) => step,
        }
    }
}

impl FittedEncoder for FittedStep {
    fn inputs(&self) -> &Inputs {
        self.fitted().inputs()
    }

    fn transform(&self, x: &FeatureMatrix) -> Result<FeatureMatrix, FeatureError> {
        self.fitted().transform(x)
    }

    fn provenance(&self) -> Vec<Origin> {
        self.fitted().provenance()
    }
}

/// Steps, each fitted on what the ones before it make of the training part. Without steps, columns pass through.
///
/// ```
/// use med_features::{FeaturePipeline, FittedEncoder, OneHot, Ordinal, Step, encode::Columns};
/// use med_schema::{FeatureColumn, FeatureMatrix};
/// let train = FeatureMatrix::new(vec![
///     FeatureColumn::from_texts("activity", [Some("Low"), Some("High"), Some("Low")]),
///     FeatureColumn::from_texts("city", [Some("Rural"), Some("Urban"), Some("Urban")]),
/// ])?;
/// let mut ordinal = Ordinal::default().order("activity", ["Low", "High"]);
/// ordinal.columns = Columns::named(["activity"]);
/// let pipeline = FeaturePipeline::new(vec![Step::Ordinal(ordinal), Step::OneHot(OneHot::default())]);
/// let (fitted, encoded) = pipeline.fit_transform(&train)?;
/// assert_eq!(encoded.names().collect::<Vec<_>>(), ["activity", "city=Rural", "city=Urban"]);
/// assert_eq!(fitted.provenance()[2].from, ["city"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FeaturePipeline {
    steps: Vec<Step>,
}

impl FeaturePipeline {
    /// These steps, in this order.
    pub fn new(steps: Vec<Step>) -> Self {
        Self { steps }
    }

    /// The steps.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The columns that [`DateParts`] steps take apart, as named there: dates of a table to ask for as features besides those of its schema.
    pub fn date_columns(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().flat_map(|step| match step {
            Step::DateParts(DateParts { columns, .. }) => columns.iter().map(String::as_str),
            _ => [].iter().map(String::as_str),
        })
    }

    /// Fits the steps and gives what they make of the training part.
    ///
    /// # Errors
    /// When a step cannot be fitted, or needs the target.
    pub fn fit_transform(&self, train: &FeatureMatrix) -> Result<(FittedPipeline, FeatureMatrix), FeatureError> {
        self.fit_steps(train, None)
    }

    /// As [`fit_transform`](Self::fit_transform), with the target of the training part for the steps that learn from it. What comes
    /// back is what a model may be fitted on: of such steps, it is not what the fitted pipeline makes of the same rows.
    ///
    /// # Errors
    /// When a step cannot be fitted, or the target has another number of rows.
    pub fn fit_transform_with_target(
        &self,
        train: &FeatureMatrix,
        y: &[f64],
    ) -> Result<(FittedPipeline, FeatureMatrix), FeatureError> {
        self.fit_steps(train, Some(y))
    }

    fn fit_steps(
        &self,
        train: &FeatureMatrix,
        y: Option<&[f64]>,
    ) -> Result<(FittedPipeline, FeatureMatrix), FeatureError> {
        let mut steps = Vec::with_capacity(self.steps.len());
        let mut x = train.clone();
        for step in &self.steps {
            let (fitted, next) = step.fit_transform(&x, y)?;
            x = next;
            steps.push(fitted);
        }
        Ok((FittedPipeline { inputs: Inputs::of(train), steps, outputs: Inputs::of(&x) }, x))
    }
}

impl Encoder for FeaturePipeline {
    type Fitted = FittedPipeline;

    fn fit(&self, train: &FeatureMatrix) -> Result<FittedPipeline, FeatureError> {
        Ok(self.fit_transform(train)?.0)
    }
}

/// Fitted steps: what a saved model needs to make its features from raw columns in another process.
///
/// As JSON it carries `format` and `version`; other formats, later versions, and steps that do not fit together are refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(into = "Stored", try_from = "Stored")]
pub struct FittedPipeline {
    inputs: Inputs,
    steps: Vec<FittedStep>,
    outputs: Inputs,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: String,
    version: u32,
    inputs: Inputs,
    steps: Vec<FittedStep>,
    outputs: Inputs,
}

impl From<FittedPipeline> for Stored {
    fn from(FittedPipeline { inputs, steps, outputs }: FittedPipeline) -> Self {
        Self { format: FORMAT.to_owned(), version: VERSION, inputs, steps, outputs }
    }
}

impl TryFrom<Stored> for FittedPipeline {
    type Error = FeatureError;

    fn try_from(stored: Stored) -> Result<Self, FeatureError> {
        let Stored { format, version, inputs, steps, outputs } = stored;
        if format != FORMAT || version == 0 || version > VERSION {
            return Err(FeatureError::Format {
                expected_format: FORMAT,
                expected_version: VERSION,
                found_format: format,
                found_version: version,
            });
        }
        let made: Vec<Vec<Origin>> = steps.iter().map(FittedEncoder::provenance).collect();
        for (at, step) in steps.iter().enumerate() {
            let fits = match at {
                0 => *step.inputs() == inputs,
                _ => step.inputs().names().eq(made[at - 1].iter().map(|o| o.output.as_str())),
            };
            if !fits {
                let reason = "its columns are not those that the step before it makes".to_owned();
                return Err(FeatureError::Inconsistent { step: at, reason });
            }
        }
        let fits = match made.last() {
            None => inputs == outputs,
            Some(last) => outputs.names().eq(last.iter().map(|o| o.output.as_str())),
        };
        if !fits {
            let reason = "the columns it makes are not the outputs stored".to_owned();
            return Err(FeatureError::Inconsistent { step: steps.len().saturating_sub(1), reason });
        }
        Ok(Self { inputs, steps, outputs })
    }
}

impl FittedPipeline {
    /// The fitted steps.
    pub fn steps(&self) -> &[FittedStep] {
        &self.steps
    }

    /// The columns that come out, in order.
    pub fn outputs(&self) -> &Inputs {
        &self.outputs
    }

    /// The levels of a raw column that the training part had, by the first step that encodes it; `None` if none does.
    pub fn levels(&self, column: &str) -> Option<&[String]> {
        self.steps.iter().find_map(|step| match step {
            FittedStep::OneHot(step) => step.levels(column),
            FittedStep::Ordinal(step) => step.levels(column),
            FittedStep::Frequency(step) => step.levels(column),
            FittedStep::TargetMean(step) => step.levels(column),
            _ => None,
        })
    }

    /// Whether every column that comes out is numeric, as linear models need.
    pub fn is_numeric(&self) -> bool {
        self.outputs.columns().iter().all(|c| c.kind == InputKind::Numeric)
    }
}

impl FittedEncoder for FittedPipeline {
    fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    fn transform(&self, x: &FeatureMatrix) -> Result<FeatureMatrix, FeatureError> {
        let picked = self.inputs.pick(x)?;
        self.steps.iter().try_fold(picked, |x, step| step.transform(&x))
    }

    /// Outputs traced through all steps to raw columns.
    fn provenance(&self) -> Vec<Origin> {
        let raw: Vec<Origin> =
            self.inputs.names().map(|name| Origin { output: name.into(), from: vec![name.into()] }).collect();
        self.steps.iter().fold(raw, |before, step| {
            let trace = |origin: Origin| {
                let mut from: Vec<String> = Vec::new();
                for source in before.iter().filter(|b| origin.from.contains(&b.output)).flat_map(|b| &b.from) {
                    if !from.contains(source) {
                        from.push(source.clone());
                    }
                }
                Origin { output: origin.output, from }
            };
            step.provenance().into_iter().map(trace).collect()
        })
    }
}
