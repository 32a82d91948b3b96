//! Which run made a thing, from which versions of which inputs.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{Fingerprint, SchemaError};

/// The name of one run: 1 to 64 characters of `A-Z a-z 0-9 . _ -`, starting with a letter or digit, so that it
/// is safe as a folder name and as a transaction id.
///
/// A run is named after what it works on, not after the clock: the same inputs give the same id, and writing twice
/// under one id changes nothing.
///
/// ```
/// use med_schema::{Fingerprint, RunId};
/// let run = RunId::derived_from([Fingerprint::of("clients"), Fingerprint::of("configuration")]);
/// assert_eq!(run, RunId::derived_from([Fingerprint::of("clients"), Fingerprint::of("configuration")]));
/// assert!("../up".parse::<RunId>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct RunId(String);

impl RunId {
    /// The id that belongs to these inputs, in this order: `run-` and 16 hexadecimal digits.
    pub fn derived_from(inputs: impl IntoIterator<Item = Fingerprint>) -> Self {
        let mut hasher = crate::FingerprintHasher::new();
        for input in inputs {
            hasher.part(input.as_bytes());
        }
        Self(format!("run-{}", hasher.finish().short()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for RunId {
    type Err = SchemaError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let starts_well = text.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
        if starts_well && text.len() <= 64 && text.chars().all(safe) {
            Ok(Self(text.to_owned()))
        } else {
            Err(SchemaError::RunId { found: text.to_owned() })
        }
    }
}

impl TryFrom<String> for RunId {
    type Error = SchemaError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<RunId> for String {
    fn from(id: RunId) -> Self {
        id.0
    }
}

/// A version of a table (Delta's commit number, from 0) or of a registered model (from 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(pub u64);

impl Version {
    /// The version after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One input of a made thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// What it is: a table, feature group, suite, configuration or model name.
    pub name: String,
    /// Its version, where it has versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// Its content.
    pub fingerprint: Fingerprint,
}

/// Where a thing comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lineage {
    /// The run that made it.
    pub run: RunId,
    /// The batch's event time: the data describe the world as it was known then.
    pub as_of: DateTime<Utc>,
    /// What it was made from.
    pub inputs: Vec<Input>,
    /// Name and version of the code that made it.
    pub code: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_ids_are_safe_names() {
        for good in ["run-1", "2024-01-01", "A.b_c"] {
            assert_eq!(good.parse::<RunId>().unwrap().as_str(), good);
        }
        for bad in ["", ".", "..", "-x", "a/b", "a b", "ä", &"x".repeat(65)] {
            assert!(bad.parse::<RunId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn order_of_inputs_matters() {
        let (a, b) = (Fingerprint::of("a"), Fingerprint::of("b"));
        assert_ne!(RunId::derived_from([a, b]), RunId::derived_from([b, a]));
    }
}
