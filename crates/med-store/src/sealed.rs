//! JSON documents that carry the digest of their own content, so that a flipped byte is found on reading.
//!
//! The digest is taken over the compact form with sorted keys and stands in the document as the field `blake3`; the
//! document itself is indented for people.

use bytes::Bytes;
use med_schema::{Fingerprint, sorted_keys};
use object_store::path::Path;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{Result, StoreError};

const FIELD: &str = "blake3";

/// Writes `value`, which must be a JSON object, with its digest.
pub(crate) fn seal(what: &str, value: &impl Serialize) -> Result<Bytes> {
    let failed = |source: crate::Cause| StoreError::Encode { what: what.to_owned(), source };
    let Value::Object(mut fields) = sorted_keys(serde_json::to_value(value).map_err(|e| failed(e.into()))?) else {
        return Err(failed("expected an object".into()));
    };
    let digest = digest(&fields).map_err(|e| failed(e.into()))?;
    fields.insert(FIELD.to_owned(), Value::String(digest.to_string()));
    let text = serde_json::to_vec_pretty(&sorted_keys(Value::Object(fields))).map_err(|e| failed(e.into()))?;
    Ok(text.into())
}

/// Reads what [`seal`] wrote.
pub(crate) fn unseal<T: DeserializeOwned>(object: &Path, bytes: &[u8]) -> Result<T> {
    let failed = |source: crate::Cause| StoreError::Malformed { object: object.to_string(), source };
    let Value::Object(mut fields) = sorted_keys(serde_json::from_slice(bytes).map_err(|e| failed(e.into()))?) else {
        return Err(failed("expected an object".into()));
    };
    let Some(Value::String(recorded)) = fields.remove(FIELD) else {
        return Err(failed("the field blake3 is missing".into()));
    };
    let expected: Fingerprint = recorded.parse().map_err(|e: med_schema::SchemaError| failed(e.into()))?;
    let found = digest(&fields).map_err(|e| failed(e.into()))?;
    if found != expected {
        return Err(StoreError::Corrupt { object: object.to_string(), expected, found });
    }
    serde_json::from_value(Value::Object(fields)).map_err(|e| failed(e.into()))
}

fn digest(fields: &Map<String, Value>) -> serde_json::Result<Fingerprint> {
    Ok(Fingerprint::of(serde_json::to_vec(fields)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_was_sealed_comes_back() {
        let value = json!({"b": [1, {"z": 0.1, "a": null}], "a": "text"});
        let back: Value = unseal(&Path::from("x.json"), &seal("x", &value).unwrap()).unwrap();
        assert_eq!(back, value);
    }

    #[test]
    fn every_flipped_byte_that_changes_the_content_is_found() {
        let value = json!({"name": "linear", "r2": 0.913, "n": 4000});
        let sealed = seal("x", &value).unwrap();
        for position in 0..sealed.len() {
            let mut bytes = sealed.to_vec();
            bytes[position] ^= 1;
            if let Ok(read) = unseal::<Value>(&Path::from("x.json"), &bytes) {
                assert_eq!(read, value, "byte {position}");
            }
        }
    }
}
