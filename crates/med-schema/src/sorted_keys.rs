//! One order of keys in JSON, for what is digested.

use serde_json::Value;

/// Keys in ascending order at every depth: serde_json keeps the order of insertion in some builds and not in others, and a
/// digest of the text must not depend on that.
///
/// ```
/// use med_schema::sorted_keys;
/// use serde_json::json;
/// assert_eq!(sorted_keys(json!({"b": [{"d": 1, "c": 2}], "a": 3})).to_string(), r#"{"a":3,"b":[{"c":2,"d":1}]}"#);
/// ```
pub fn sorted_keys(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.into_iter().collect();
            fields.sort_unstable_by(|a, b| a.0.cmp(&b.0));
            Value::Object(fields.into_iter().map(|(key, value)| (key, sorted_keys(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted_keys).collect()),
        other => other,
    }
}
