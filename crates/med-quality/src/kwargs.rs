//! Typed reading of an expectation's parameters: each is taken once, and what is left over is refused.

use med_schema::near_names;
use serde_json::{Map, Value};

use crate::bound::{Bound, Bounds};
use crate::error::SuiteError;

/// Carried along without effect on the verdict, as in the original.
const CARRIED: [&str; 5] = ["batch_id", "catch_exceptions", "result_format", "windows", "rendered_content"];

/// The parameters of one expectation while it is read.
#[derive(Debug)]
pub(crate) struct Kwargs<'a> {
    number: usize,
    expectation: &'a str,
    values: Map<String, Value>,
    asked: Vec<&'static str>,
}

impl<'a> Kwargs<'a> {
    pub(crate) fn new(number: usize, expectation: &'a str, values: Map<String, Value>) -> Self {
        Self { number, expectation, values, asked: Vec::new() }
    }

    /// The parameter, where it is there and not null.
    pub(crate) fn take(&mut self, name: &'static str) -> Option<Value> {
        self.asked.push(name);
        self.values.remove(name).filter(|v| !v.is_null())
    }

    pub(crate) fn required(&mut self, name: &'static str, expected: &'static str) -> Result<Value, SuiteError> {
        self.take(name).ok_or_else(|| self.missing(name, expected))
    }

    pub(crate) fn missing(&self, name: &str, expected: &'static str) -> SuiteError {
        SuiteError::MissingParameter {
            number: self.number,
            expectation: self.expectation.to_owned(),
            parameter: name.to_owned(),
            expected,
        }
    }

    pub(crate) fn wrong(&self, name: &str, expected: impl Into<String>, found: &Value) -> SuiteError {
        SuiteError::Parameter {
            number: self.number,
            expectation: self.expectation.to_owned(),
            parameter: name.to_owned(),
            expected: expected.into(),
            found: found.to_string(),
        }
    }

    pub(crate) fn string(&mut self, name: &'static str) -> Result<Option<String>, SuiteError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong(name, "a string", &other)),
        }
    }

    pub(crate) fn required_string(&mut self, name: &'static str) -> Result<String, SuiteError> {
        self.string(name)?.ok_or_else(|| self.missing(name, "a string"))
    }

    pub(crate) fn strings(&mut self, name: &'static str) -> Result<Option<Vec<String>>, SuiteError> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let texts = value
            .as_array()
            .and_then(|list| list.iter().map(|v| v.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>());
        texts.map(Some).ok_or_else(|| self.wrong(name, "a list of strings", &value))
    }

    pub(crate) fn flag(&mut self, name: &'static str) -> Result<bool, SuiteError> {
        match self.take(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(other) => Err(self.wrong(name, "true or false", &other)),
        }
    }

    /// A finite number; a string that holds one is taken for it, as the original does.
    pub(crate) fn number(&mut self, name: &'static str) -> Result<Option<f64>, SuiteError> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let number = match &value {
            Value::Number(n) => n.as_f64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        match number {
            Some(number) if number.is_finite() => Ok(Some(number)),
            _ => Err(self.wrong(name, "a finite number", &value)),
        }
    }

    pub(crate) fn required_number(&mut self, name: &'static str) -> Result<f64, SuiteError> {
        self.number(name)?.ok_or_else(|| self.missing(name, "a number"))
    }

    pub(crate) fn integer(&mut self, name: &'static str) -> Result<Option<i64>, SuiteError> {
        let Some(number) = self.number(name)? else { return Ok(None) };
        if number.fract() == 0.0 && number.abs() < 9.0e15 {
            Ok(Some(number as i64))
        } else {
            Err(self.wrong(name, "a whole number", &Value::from(number)))
        }
    }

    /// `min_value` and `max_value`, with `strict_min` and `strict_max`.
    pub(crate) fn bounds(&mut self) -> Result<Bounds, SuiteError> {
        let min = self.bound("min_value")?;
        let max = self.bound("max_value")?;
        Ok(Bounds { min, max, strict_min: self.flag("strict_min")?, strict_max: self.flag("strict_max")? })
    }

    /// As [`Kwargs::bounds`], but numbers only.
    pub(crate) fn number_bounds(&mut self) -> Result<Bounds, SuiteError> {
        let bounds = self.bounds()?;
        for (name, bound) in [("min_value", &bounds.min), ("max_value", &bounds.max)] {
            if let Some(bound) = bound
                && !matches!(bound, Bound::Number(_))
            {
                return Err(self.wrong(name, "a number", &bound.to_json()));
            }
        }
        Ok(bounds)
    }

    /// Numbers only, and closed: `strict_min` and `strict_max` are no parameters.
    pub(crate) fn count_bounds(&mut self) -> Result<Bounds, SuiteError> {
        let number = |n: Option<f64>| n.map(Bound::Number);
        Ok(Bounds {
            min: number(self.number("min_value")?),
            max: number(self.number("max_value")?),
            ..Bounds::default()
        })
    }

    fn bound(&mut self, name: &'static str) -> Result<Option<Bound>, SuiteError> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let expected = "a number, an ISO date or an ISO date-time (and no suite parameter)";
        Bound::read(&value).map(Some).ok_or_else(|| self.wrong(name, expected, &value))
    }

    /// What is carried along; an error if anything else is left.
    pub(crate) fn finish(mut self) -> Result<Map<String, Value>, SuiteError> {
        let mut carried = Map::new();
        for name in CARRIED {
            if let Some(value) = self.values.remove(name) {
                carried.insert(name.to_owned(), value);
            }
        }
        match self.values.keys().next() {
            None => Ok(carried),
            Some(name) => Err(SuiteError::UnknownParameter {
                number: self.number,
                expectation: self.expectation.to_owned(),
                parameter: name.clone(),
                near: near_names(name, self.asked.iter().copied()),
            }),
        }
    }
}
