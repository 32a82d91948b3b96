//! Hyper-parameters as plain values: defaults, ranges, and reading them from JSON with errors that help.

use std::fmt::Display;

use med_schema::near_names;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::ParameterError;

/// The parameters of one model.
pub(crate) trait Parameters: Default + Serialize + DeserializeOwned {
    /// The model's name.
    const MODEL: &'static str;

    /// Other names that parameters go by, each with the main one.
    const ALIASES: &'static [(&'static str, &'static str)] = &[];

    /// Flags of other libraries, each with the parameter and the value that it stands for where it is true.
    const FLAGS: &'static [(&'static str, &'static str, &'static str)] = &[];

    /// Whether each value is in its range.
    fn check(&self) -> Result<(), ParameterError>;
}

/// Makes `$estimator` the checked form of `$params`: one constructor, and serde goes through the same check.
macro_rules! checked_estimator {
    ($(#[$doc:meta])* $estimator:ident from $params:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Default, serde::Serialize)]
        #[serde(transparent)]
        pub struct $estimator {
            params: $params,
        }

        impl $estimator {
            /// Checks the parameters.
            ///
            /// # Errors
            /// When one is out of its range; the error names it.
            pub fn new(params: $params) -> Result<Self, $crate::ParameterError> {
                $crate::parameters::Parameters::check(&params)?;
                Ok(Self { params })
            }

            /// The parameters.
            pub fn params(&self) -> &$params {
                &self.params
            }
        }

        impl<'de> serde::Deserialize<'de> for $estimator {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let params = <$params as serde::Deserialize>::deserialize(deserializer)?;
                Self::new(params).map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use checked_estimator;

fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Reads parameters from a JSON object; what is left out keeps its default. `null` stands for no parameters.
pub(crate) fn from_json<P: Parameters>(given: &Value) -> Result<P, ParameterError> {
    let empty = Map::new();
    let given = match given {
        Value::Null => &empty,
        Value::Object(map) => map,
        other => return Err(ParameterError::NotAnObject { model: P::MODEL, found: json_type(other) }),
    };
    let bad = |name: &str, source| ParameterError::Type { model: P::MODEL, name: name.to_owned(), source };
    let mut values = match serde_json::to_value(P::default()).map_err(|e| bad("default", e))? {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    // One by one, so that an error can name the parameter.
    let mut params = P::default();
    for (name, value) in given {
        if let Some(&flag) = P::FLAGS.iter().find(|(flag, ..)| flag == name) {
            if serde_json::from_value::<bool>(value.clone()).map_err(|e| bad(name, e))? {
                let meant = said_by_flag::<P>(flag, given)?;
                values.insert(flag.1.to_owned(), meant);
                params = serde_json::from_value(Value::Object(values.clone())).map_err(|e| bad(name, e))?;
            }
            continue;
        }
        let name = P::ALIASES.iter().find(|(alias, _)| alias == name).map_or(name.as_str(), |&(_, main)| main);
        if !values.contains_key(name) {
            let known: Vec<String> = values.keys().cloned().collect();
            let near = near_names(name, known.iter().map(String::as_str));
            return Err(ParameterError::Unknown { model: P::MODEL, name: name.to_owned(), near, known });
        }
        values.insert(name.to_owned(), value.clone());
        params = serde_json::from_value(Value::Object(values.clone())).map_err(|e| bad(name, e))?;
    }
    params.check()?;
    Ok(params)
}

/// The value that a flag which is true stands for, unless others say another one.
fn said_by_flag<P: Parameters>(
    (flag, main, meant): (&'static str, &'static str, &'static str),
    given: &Map<String, Value>,
) -> Result<Value, ParameterError> {
    let says_other = |(name, value): &(&String, &Value)| {
        let is_flag = |f: &(&str, &str, &str)| f.0 == name.as_str() && f.1 == main && f.2 != meant;
        (name.as_str() == main && **value != meant) || (**value == true && P::FLAGS.iter().any(is_flag))
    };
    match given.iter().find(says_other) {
        None => Ok(meant.into()),
        Some((name, value)) => {
            let expected = format!("false beside {name} = {value}");
            Err(ParameterError::Range { model: P::MODEL, name: flag, expected, found: "true".to_owned() })
        }
    }
}

/// `Ok` if `holds`, else a range error about this parameter.
pub(crate) fn require<P: Parameters>(
    holds: bool,
    name: &'static str,
    expected: &str,
    found: impl Display,
) -> Result<(), ParameterError> {
    if holds {
        Ok(())
    } else {
        let (expected, found) = (expected.to_owned(), found.to_string());
        Err(ParameterError::Range { model: P::MODEL, name, expected, found })
    }
}
