//! Suites of checks as documents: what a report says it was made by, and a stored thing what it must have passed.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Fingerprint, SchemaError, sorted_keys};

/// A suite of checks by its name and its content, whatever kind of suite it is. Two documents are the same suite when their
/// fingerprints are: the BLAKE3 digest of the compact JSON with sorted keys. As JSON it carries its fingerprint, and is
/// compared with it when read.
///
/// ```
/// use med_schema::SuiteDocument;
/// let suite = SuiteDocument::new("clients", serde_json::json!({"expectations": [], "name": "clients"}));
/// let same = SuiteDocument::new("clients", serde_json::json!({"name": "clients", "expectations": []}));
/// assert_eq!(suite.fingerprint(), same.fingerprint());
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct SuiteDocument {
    name: String,
    document: Value,
    fingerprint: Fingerprint,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    name: String,
    blake3: Fingerprint,
    document: Value,
}

impl TryFrom<Stored> for SuiteDocument {
    type Error = SchemaError;

    fn try_from(stored: Stored) -> Result<Self, Self::Error> {
        let read = Self::new(stored.name, stored.document);
        if read.fingerprint == stored.blake3 {
            Ok(read)
        } else {
            Err(SchemaError::Suite { name: read.name, expected: stored.blake3, found: read.fingerprint })
        }
    }
}

impl From<SuiteDocument> for Stored {
    fn from(suite: SuiteDocument) -> Self {
        Self { name: suite.name, blake3: suite.fingerprint, document: suite.document }
    }
}

impl SuiteDocument {
    /// The suite of this name, and all that it checks.
    pub fn new(name: impl Into<String>, document: Value) -> Self {
        let document = sorted_keys(document);
        let fingerprint = Fingerprint::of(document.to_string());
        Self { name: name.into(), document, fingerprint }
    }

    /// Its name, as reports have it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// All that it checks, keys sorted.
    pub fn document(&self) -> &Value {
        &self.document
    }

    /// The fingerprint of its content.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn another_bound_is_another_suite_and_damage_is_found() {
        let suite = |max: f64| SuiteDocument::new("clients", json!({"b": [{"max": max, "column": "age"}], "a": null}));
        assert_ne!(suite(120.0).fingerprint(), suite(121.0).fingerprint());
        let text = serde_json::to_string(&suite(120.0)).unwrap();
        assert_eq!(serde_json::from_str::<SuiteDocument>(&text).unwrap(), suite(120.0));
        let error = serde_json::from_str::<SuiteDocument>(&text.replace("120", "999")).unwrap_err().to_string();
        assert!(error.contains("suite \"clients\""), "{error}");
    }
}
