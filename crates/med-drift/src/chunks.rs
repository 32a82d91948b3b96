//! Rows in chunks, each against the whole reference, with thresholds learnt from the chunks of the reference.
//!
//! On the reference a score v is taken for every chunk of rows in their order; drift begins above mean(v) + 3 sd(v), sd with divisor n, and never
//! above the largest score the measure can give. This is NannyML's rule. The chunks of the reference are part of the reference they are compared with, so the
//! threshold is biased low: without drift about one chunk in twenty is above it, not one in 700.

use med_schema::{FeatureColumn, FeatureValues};
use serde::{Deserialize, Serialize};

use crate::statistics::Moments;
use crate::{CategoricalSample, ColumnSample, Decision, Drift, DriftError, Method, NumericSample, Preset};

/// How many rows make a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChunkSize {
    /// So many rows; the last chunk holds what is left.
    Rows(usize),
    /// So many chunks of equal size, and one more for what is left.
    Count(usize),
}

/// Chunks and their thresholds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Chunking {
    /// Size of a chunk, on each side; default 10 chunks.
    pub size: ChunkSize,
    /// A chunk has drifted when its score is above the mean of the reference's chunks by so many standard deviations; above 0, default 3.
    /// `None`: when it is at or above the rule's threshold. Methods that decide by p-value always use the rule's threshold.
    pub deviations: Option<f64>,
}

impl Default for Chunking {
    fn default() -> Self {
        Self { size: ChunkSize::Count(10), deviations: Some(3.0) }
    }
}

impl Chunking {
    pub(crate) fn validate(&self) -> Result<(), DriftError> {
        let (ChunkSize::Rows(size) | ChunkSize::Count(size)) = self.size;
        if size == 0 {
            return Err(DriftError::Parameter { parameter: "chunk size", expected: "at least 1", found: 0.0 });
        }
        match self.deviations {
            Some(found) if !(found > 0.0 && found.is_finite()) => {
                Err(DriftError::Parameter { parameter: "deviations", expected: "a number above 0", found })
            }
            _ => Ok(()),
        }
    }

    /// First and end row of each chunk of a table of so many rows.
    pub(crate) fn bounds(&self, rows: usize) -> Vec<(usize, usize)> {
        let size = match self.size {
            ChunkSize::Rows(size) => size,
            ChunkSize::Count(count) => (rows / count).max(1),
        };
        (0..rows).step_by(size).map(|start| (start, (start + size).min(rows))).collect()
    }
}

/// Scores of one column, chunk by chunk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChunkScores {
    /// Scores of the chunks of the reference; `None` where the measure has no value.
    pub reference: Vec<Option<f64>>,
    /// Scores of the chunks of the current table.
    pub current: Vec<Option<f64>>,
    /// P-values of the current chunks, where the measure has them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub p_values: Vec<Option<f64>>,
    /// Where drift begins: scores above it, for methods that decide by p-value p-values below it.
    pub threshold: f64,
    /// Which current chunks have drifted.
    pub drifted: Vec<bool>,
}

/// The reference of one column, its threshold learnt: what batch after batch is compared with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ChunkRule {
    pub(crate) whole: ColumnSample,
    pub(crate) method: Method,
    preset: Preset,
    scores: Vec<Option<f64>>,
    threshold: f64,
    strict: bool,
}

impl ChunkRule {
    /// Learns from the reference.
    pub(crate) fn learn(
        chunking: Chunking,
        preset: Preset,
        (method, threshold): (Method, f64),
        reference: &FeatureColumn,
        rows: usize,
    ) -> Result<Self, DriftError> {
        let whole = ColumnSample::new(reference)?;
        let mut rule = Self { whole, method, preset, scores: Vec::new(), threshold, strict: false };
        for (start, end) in chunking.bounds(rows) {
            let score = rule.score(&part(reference, start, end)?)?;
            rule.scores.push(score.map(|d| d.distance));
        }
        if let (Some(deviations), Decision::Score) = (chunking.deviations, method.decision()) {
            let known: Vec<f64> = rule.scores.iter().flatten().copied().filter(|s| s.is_finite()).collect();
            if !known.is_empty() {
                let moments = Moments::of(&known);
                rule.threshold = (moments.mean + deviations * moments.std(0.0)).min(largest(method));
                rule.strict = true;
            }
        }
        Ok(rule)
    }

    /// Scores of these chunks of a current column.
    pub(crate) fn judge(&self, current: &FeatureColumn, bounds: &[(usize, usize)]) -> Result<ChunkScores, DriftError> {
        let found: Vec<Option<Drift>> = bounds
            .iter()
            .map(|&(start, end)| self.score(&part(current, start, end)?))
            .collect::<Result<_, DriftError>>()?;
        let by_p = self.method.decision() == Decision::PValue;
        let drifted = |d: &Option<Drift>| {
            d.is_some_and(|d| match d.p_value {
                _ if !by_p && self.strict => d.distance > self.threshold,
                _ if !by_p => d.distance >= self.threshold,
                p => p.is_some_and(|p| p < self.threshold),
            })
        };
        let tested = found.iter().flatten().any(|d| d.p_value.is_some());
        Ok(ChunkScores {
            reference: self.scores.clone(),
            current: found.iter().map(|d| d.map(|d| d.distance)).collect(),
            p_values: if tested { found.iter().map(|d| d.and_then(|d| d.p_value)).collect() } else { Vec::new() },
            threshold: self.threshold,
            drifted: found.iter().map(drifted).collect(),
        })
    }

    fn score(&self, chunk: &ColumnSample) -> Result<Option<Drift>, DriftError> {
        let (whole, chunk) = (self.whole.as_sample(), chunk.as_sample());
        match self.method.measure(self.preset, whole.kind()).measure(whole, chunk) {
            Ok(drift) => Ok(Some(drift)),
            Err(DriftError::NotDefined { .. } | DriftError::TooFewRows { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Rows `start` to `end` of a column.
fn part(column: &FeatureColumn, start: usize, end: usize) -> Result<ColumnSample, DriftError> {
    Ok(match column.values() {
        FeatureValues::Numeric(values) => {
            ColumnSample::Numeric(NumericSample::new(values.as_slice().get(start..end).unwrap_or_default()))
        }
        FeatureValues::Categorical { codes, levels } => {
            ColumnSample::Categorical(CategoricalSample::new(codes.get(start..end).unwrap_or_default(), levels)?)
        }
    })
}

/// The largest score a method can give.
fn largest(method: Method) -> f64 {
    match method {
        Method::Ks
        | Method::Kuiper
        | Method::Emd
        | Method::JensenShannon
        | Method::Hellinger
        | Method::Tv
        | Method::LInfinity
        | Method::CramersV
        | Method::StdStability => 1.0,
        _ => f64::INFINITY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_chunk_holds_what_is_left() {
        let of = |size| Chunking { size, ..Chunking::default() };
        assert_eq!(of(ChunkSize::Rows(4)).bounds(9), [(0, 4), (4, 8), (8, 9)]);
        assert_eq!(of(ChunkSize::Count(2)).bounds(5), [(0, 2), (2, 4), (4, 5)]);
        assert_eq!(of(ChunkSize::Count(10)).bounds(3), [(0, 1), (1, 2), (2, 3)]);
        assert!(of(ChunkSize::Rows(3)).bounds(0).is_empty());
        assert!(of(ChunkSize::Rows(0)).validate().is_err());
        assert!(Chunking { deviations: Some(f64::NAN), ..Chunking::default() }.validate().is_err());
    }
}
