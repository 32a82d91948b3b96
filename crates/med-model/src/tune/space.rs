//! What to try: parameters by name, each with its range.

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::validate::below;
use crate::{ModelSpec, ParameterError};

/// The values a parameter is drawn from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Range {
    /// One of these, each as likely.
    Choices(Vec<Value>),
    /// A number from `low` to below `high`.
    Uniform {
        /// The least.
        low: f64,
        /// The bound.
        high: f64,
    },
    /// A number whose logarithm is uniform; `low` is above 0.
    LogUniform {
        /// The least.
        low: f64,
        /// The bound.
        high: f64,
    },
    /// A whole number, both ends included.
    Integer {
        /// The least.
        low: i64,
        /// The largest.
        high: i64,
    },
}

impl Range {
    fn check(&self, name: &str) -> Result<(), ParameterError> {
        let wrong = |expected: &str, found: String| {
            let expected = format!("{expected} for {name}");
            Err(ParameterError::Range { model: "search space", name: "range", expected, found })
        };
        match self {
            Self::Choices(values) if values.is_empty() => wrong("at least one choice", "none".to_owned()),
            Self::Uniform { low, high } if !(low < high && low.is_finite() && high.is_finite()) => {
                wrong("finite numbers, low below high", format!("{low} to {high}"))
            }
            Self::LogUniform { low, high } if !(0.0 < *low && low < high && high.is_finite()) => {
                wrong("finite numbers above 0, low below high", format!("{low} to {high}"))
            }
            Self::Integer { low, high } if low > high => wrong("low not above high", format!("{low} to {high}")),
            _ => Ok(()),
        }
    }

    fn draw(&self, generator: &mut Pcg64) -> Value {
        // 53 random bits: every number below 1 that is a multiple of 2^-53.
        let unit = |generator: &mut Pcg64| (generator.next_u64() >> 11) as f64 * 0.5_f64.powi(53);
        match self {
            Self::Choices(values) => values[below(values.len() as u64, generator) as usize].clone(),
            Self::Uniform { low, high } => Value::from(low + (high - low) * unit(generator)),
            Self::LogUniform { low, high } => {
                Value::from((low.ln() + (high.ln() - low.ln()) * unit(generator)).exp().clamp(*low, *high))
            }
            Self::Integer { low, high } => {
                // The number of values less one always fits 64 bits; all of them at once is a draw by itself.
                let last = high.wrapping_sub(*low) as u64;
                let step = match last.checked_add(1) {
                    Some(values) => below(values, generator),
                    None => generator.next_u64(),
                };
                Value::from(low.wrapping_add(step as i64))
            }
        }
    }
}

/// A model and the ranges of some of its parameters; the others keep fixed values.
///
/// ```
/// use med_model::{Range, SearchSpace};
/// use serde_json::json;
/// let space = SearchSpace::new("gbdt", json!({ "num_iterations": 50 }))?
///     .with("learning_rate", Range::LogUniform { low: 0.01, high: 0.3 })?
///     .with("num_leaves", Range::Integer { low: 4, high: 63 })?;
/// assert_eq!(space.draw(3, 42), space.draw(3, 42));
/// assert!(SearchSpace::new("gbdt", json!({}))?.with("num_leafs", Range::Integer { low: 4, high: 63 }).is_err());
/// # Ok::<(), med_model::ParameterError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct SearchSpace {
    model: String,
    fixed: Map<String, Value>,
    ranges: Vec<(String, Range)>,
}

impl SearchSpace {
    /// A space of this model, with these parameters fixed; `null` is none.
    ///
    /// # Errors
    /// When there is no such model, or a fixed parameter is not one of its or out of range.
    pub fn new(model: &str, fixed: Value) -> Result<Self, ParameterError> {
        ModelSpec::parse(model, &fixed)?;
        let fixed = if let Value::Object(map) = fixed { map } else { Map::new() };
        Ok(Self { model: model.to_owned(), fixed, ranges: Vec::new() })
    }

    /// With a range for a parameter, in place of one it had.
    ///
    /// # Errors
    /// When the model has no such parameter or the range is empty. Values in it that the model refuses are told by the
    /// trials that draw them.
    pub fn with(mut self, name: &str, range: Range) -> Result<Self, ParameterError> {
        range.check(name)?;
        // An unknown name is told before anything of its value; known ones may have any value here.
        let mut probe = self.fixed.clone();
        probe.insert(name.to_owned(), Value::Null);
        if let Err(error @ ParameterError::Unknown { .. }) = ModelSpec::parse(&self.model, &Value::Object(probe)) {
            return Err(error);
        }
        self.ranges.retain(|(n, _)| n != name);
        self.ranges.push((name.to_owned(), range));
        Ok(self)
    }

    /// The model's name.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// `trials` sets of parameters, by a `Pcg64` of this seed. More trials of a seed begin with the same ones.
    pub fn draw(&self, trials: usize, seed: u64) -> Vec<Value> {
        let mut generator = Pcg64::seed_from_u64(seed);
        let one = |_| {
            let mut params = self.fixed.clone();
            for (name, range) in &self.ranges {
                params.insert(name.clone(), range.draw(&mut generator));
            }
            Value::Object(params)
        };
        (0..trials).map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn draws_stay_in_their_ranges_and_fill_them() {
        let space = SearchSpace::new("gbdt", Value::Null)
            .and_then(|s| s.with("learning_rate", Range::LogUniform { low: 0.001, high: 1.0 }))
            .and_then(|s| s.with("num_leaves", Range::Integer { low: 2, high: 5 }))
            .and_then(|s| s.with("lambda_l2", Range::Uniform { low: -1.0, high: 3.0 }))
            .and_then(|s| s.with("max_bin", Range::Choices(vec![json!(15), json!(255)])))
            .unwrap();
        let drawn = space.draw(400, 7);
        let of = |name: &str| drawn.iter().map(|p| p[name].as_f64().unwrap()).collect::<Vec<_>>();
        for (name, low, high) in [("learning_rate", 0.001, 1.0), ("lambda_l2", -1.0, 3.0), ("num_leaves", 2.0, 5.0)] {
            assert!(of(name).iter().all(|v| (low..=high).contains(v)), "{name}");
        }
        for leaves in 2..=5 {
            assert!(of("num_leaves").contains(&f64::from(leaves)));
        }
        // A third of the decades each.
        let low = of("learning_rate").iter().filter(|r| **r < 0.01).count();
        assert!((100..167).contains(&low), "{low}");
        assert!(of("max_bin").contains(&15.0) && of("max_bin").contains(&255.0));
        assert_eq!(space.draw(3, 7), drawn[..3]);
        assert_ne!(space.draw(3, 8), drawn[..3]);
    }

    #[test]
    fn empty_ranges_are_refused() {
        let space = || SearchSpace::new("ridge", Value::Null).unwrap();
        for range in [
            Range::Choices(Vec::new()),
            Range::Uniform { low: 1.0, high: 1.0 },
            Range::Uniform { low: f64::NAN, high: 1.0 },
            Range::LogUniform { low: 0.0, high: 1.0 },
            Range::Integer { low: 3, high: 2 },
        ] {
            assert!(space().with("alpha", range).is_err());
        }
        let all = Range::Integer { low: i64::MIN, high: i64::MAX };
        assert_eq!(space().with("alpha", all).unwrap().draw(2, 1).len(), 2);
        assert!(SearchSpace::new("rigde", Value::Null).is_err());
    }
}
