//! JSON Schema: the assertions of drafts 4 to 2020-12 that describe one value.
//!
//! Annotations (`title`, `format`, ...) assert nothing, as the standard has it. Assertions that are not implemented here
//! are refused rather than passed over.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::regex::Pattern;

const ASSERTED: [&str; 33] = [
    "type",
    "enum",
    "const",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "items",
    "prefixItems",
    "additionalItems",
    "minItems",
    "maxItems",
    "uniqueItems",
    "contains",
    "properties",
    "required",
    "additionalProperties",
    "patternProperties",
    "propertyNames",
    "minProperties",
    "maxProperties",
    "dependentRequired",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
];
const REFUSED: [&str; 11] = [
    "unevaluatedProperties",
    "unevaluatedItems",
    "$dynamicRef",
    "$recursiveRef",
    "dependentSchemas",
    "dependencies",
    "minContains",
    "maxContains",
    "extends",
    "disallow",
    "divisibleBy",
];
const TYPES: [&str; 7] = ["null", "boolean", "object", "array", "number", "integer", "string"];
const MAX_DEPTH: usize = 200;

/// A schema that has been looked through.
#[derive(Debug)]
pub(crate) struct Schema {
    root: Value,
    patterns: HashMap<String, Pattern>,
}

impl Schema {
    /// Looks a schema through.
    ///
    /// # Errors
    /// When it is none, or asserts what is not implemented.
    pub(crate) fn new(root: &Value) -> Result<Self, String> {
        let mut schema = Self { root: root.clone(), patterns: HashMap::new() };
        schema.look_through(root, 0)?;
        Ok(schema)
    }

    /// Whether a value fulfils the schema.
    ///
    /// # Errors
    /// When a reference leads nowhere or in a circle.
    pub(crate) fn accepts(&self, value: &Value) -> Result<bool, String> {
        self.fulfils(&self.root, value, 0)
    }

    fn look_through(&mut self, schema: &Value, depth: usize) -> Result<(), String> {
        let object = match schema {
            Value::Bool(_) => return Ok(()),
            Value::Object(object) if depth < MAX_DEPTH => object,
            _ => return Err("a schema has to be an object, true or false".to_owned()),
        };
        if let Some(keyword) = object.keys().find(|k| REFUSED.contains(&k.as_str())) {
            return Err(format!("the keyword {keyword:?} is not supported"));
        }
        for (keyword, value) in object {
            let wrong = || format!("the keyword {keyword:?} has a value it cannot have");
            match keyword.as_str() {
                "type" => {
                    let names = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
                    if !names.iter().all(|n| n.as_str().is_some_and(|n| TYPES.contains(&n))) {
                        return Err(wrong());
                    }
                }
                "pattern" => self.compile(value.as_str().ok_or_else(wrong)?)?,
                "enum" | "required" if !value.is_array() => return Err(wrong()),
                "minimum" | "maximum" | "multipleOf" | "minLength" | "maxLength" | "minItems" | "maxItems"
                | "minProperties" | "maxProperties"
                    if !value.is_number() =>
                {
                    return Err(wrong());
                }
                "exclusiveMinimum" | "exclusiveMaximum" if !(value.is_number() || value.is_boolean()) => {
                    return Err(wrong());
                }
                "properties" | "$defs" | "definitions" | "patternProperties" => {
                    for (name, part) in value.as_object().ok_or_else(wrong)? {
                        if keyword == "patternProperties" {
                            self.compile(name)?;
                        }
                        self.look_through(part, depth + 1)?;
                    }
                }
                "allOf" | "anyOf" | "oneOf" | "prefixItems" => {
                    for part in value.as_array().filter(|parts| !parts.is_empty()).ok_or_else(wrong)? {
                        self.look_through(part, depth + 1)?;
                    }
                }
                "items" if value.is_array() => {
                    for part in value.as_array().into_iter().flatten() {
                        self.look_through(part, depth + 1)?;
                    }
                }
                "not"
                | "if"
                | "then"
                | "else"
                | "items"
                | "contains"
                | "additionalProperties"
                | "additionalItems"
                | "propertyNames" => self.look_through(value, depth + 1)?,
                "$ref" => {
                    self.resolve(value)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn compile(&mut self, pattern: &str) -> Result<(), String> {
        let compiled = Pattern::new(pattern).map_err(|e| e.to_string())?;
        self.patterns.insert(pattern.to_owned(), compiled);
        Ok(())
    }

    fn found(&self, pattern: &str, text: &str) -> Result<bool, String> {
        let compiled = self.patterns.get(pattern).ok_or("a pattern that was not looked through")?;
        compiled.is_found_in(text).map_err(|e| e.to_string())
    }

    fn resolve(&self, reference: &Value) -> Result<&Value, String> {
        let text = reference.as_str().ok_or("$ref has to be a string")?;
        let pointer =
            text.strip_prefix('#').ok_or_else(|| format!("$ref {text:?} leaves the schema, only #/... is read"))?;
        self.root.pointer(pointer).ok_or_else(|| format!("$ref {text:?} leads nowhere"))
    }

    fn fulfils(&self, schema: &Value, value: &Value, depth: usize) -> Result<bool, String> {
        let object = match schema {
            Value::Bool(accepts) => return Ok(*accepts),
            Value::Object(object) => object,
            _ => return Err("a schema has to be an object, true or false".to_owned()),
        };
        if depth > MAX_DEPTH {
            return Err("references lead in a circle".to_owned());
        }
        if let Some(reference) = object.get("$ref")
            && !self.fulfils(self.resolve(reference)?, value, depth + 1)?
        {
            return Ok(false);
        }
        for keyword in ASSERTED {
            if let Some(argument) = object.get(keyword)
                && !self.assertion(keyword, argument, object, value, depth)?
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn count(&self, parts: &Value, value: &Value, depth: usize) -> Result<usize, String> {
        let mut count = 0;
        for part in parts.as_array().into_iter().flatten() {
            count += usize::from(self.fulfils(part, value, depth + 1)?);
        }
        Ok(count)
    }

    fn assertion(
        &self,
        keyword: &str,
        argument: &Value,
        schema: &Map<String, Value>,
        value: &Value,
        depth: usize,
    ) -> Result<bool, String> {
        match keyword {
            "type" => {
                let names = argument.as_array().map_or(std::slice::from_ref(argument), Vec::as_slice);
                return Ok(names.iter().filter_map(Value::as_str).any(|name| is_type(value, name)));
            }
            "enum" => return Ok(argument.as_array().into_iter().flatten().any(|v| same(v, value))),
            "const" => return Ok(same(argument, value)),
            "allOf" => return Ok(self.count(argument, value, depth)? == argument.as_array().map_or(0, Vec::len)),
            "anyOf" => return Ok(self.count(argument, value, depth)? > 0),
            "oneOf" => return Ok(self.count(argument, value, depth)? == 1),
            "not" => return Ok(!self.fulfils(argument, value, depth + 1)?),
            "if" => {
                let branch = if self.fulfils(argument, value, depth + 1)? { "then" } else { "else" };
                return schema.get(branch).map_or(Ok(true), |part| self.fulfils(part, value, depth + 1));
            }
            _ => {}
        }
        match value {
            Value::Number(_) => Ok(number_assertion(keyword, argument, schema, value.as_f64().unwrap_or(f64::NAN))),
            Value::String(text) => {
                let length = text.chars().count() as f64;
                Ok(match (keyword, argument.as_f64()) {
                    ("minLength", Some(min)) => length >= min,
                    ("maxLength", Some(max)) => length <= max,
                    ("pattern", _) => self.found(argument.as_str().unwrap_or_default(), text)?,
                    _ => true,
                })
            }
            Value::Array(items) => self.array_assertion(keyword, argument, schema, items, depth),
            Value::Object(members) => self.object_assertion(keyword, argument, schema, members, depth),
            _ => Ok(true),
        }
    }

    fn array_assertion(
        &self,
        keyword: &str,
        argument: &Value,
        schema: &Map<String, Value>,
        items: &[Value],
        depth: usize,
    ) -> Result<bool, String> {
        let all = |part: &Value, items: &[Value]| {
            items.iter().try_fold(true, |all, item| Ok(all && self.fulfils(part, item, depth + 1)?))
        };
        // Places that have a schema of their own, by either spelling.
        let placed = ["prefixItems", "items"].iter().find_map(|k| schema.get(*k)?.as_array()).map_or(0, Vec::len);
        let rest = &items[placed.min(items.len())..];
        match (keyword, argument) {
            ("minItems", Value::Number(min)) => Ok(items.len() as f64 >= min.as_f64().unwrap_or(0.0)),
            ("maxItems", Value::Number(max)) => Ok(items.len() as f64 <= max.as_f64().unwrap_or(f64::MAX)),
            ("uniqueItems", Value::Bool(true)) => {
                Ok(items.iter().enumerate().all(|(i, item)| !items[..i].iter().any(|other| same(other, item))))
            }
            ("contains", part) => {
                items.iter().try_fold(false, |any, item| Ok(any || self.fulfils(part, item, depth + 1)?))
            }
            ("prefixItems" | "items", Value::Array(parts)) => parts
                .iter()
                .zip(items)
                .try_fold(true, |all, (part, item)| Ok(all && self.fulfils(part, item, depth + 1)?)),
            ("items", part) => all(part, if schema.contains_key("prefixItems") { rest } else { items }),
            ("additionalItems", part) if schema.get("items").is_some_and(Value::is_array) => all(part, rest),
            _ => Ok(true),
        }
    }

    fn object_assertion(
        &self,
        keyword: &str,
        argument: &Value,
        schema: &Map<String, Value>,
        members: &Map<String, Value>,
        depth: usize,
    ) -> Result<bool, String> {
        let parts = |keyword: &str| schema.get(keyword).and_then(Value::as_object);
        let has = |names: &Value| {
            names.as_array().into_iter().flatten().filter_map(Value::as_str).all(|n| members.contains_key(n))
        };
        match keyword {
            "minProperties" => Ok(argument.as_f64().is_none_or(|min| members.len() as f64 >= min)),
            "maxProperties" => Ok(argument.as_f64().is_none_or(|max| members.len() as f64 <= max)),
            "required" => Ok(has(argument)),
            "dependentRequired" => Ok(argument
                .as_object()
                .into_iter()
                .flatten()
                .all(|(name, names)| !members.contains_key(name) || has(names))),
            "propertyNames" => members
                .keys()
                .try_fold(true, |all, name| Ok(all && self.fulfils(argument, &Value::from(name.as_str()), depth + 1)?)),
            "properties" => argument.as_object().into_iter().flatten().try_fold(true, |all, (name, part)| {
                Ok(all && members.get(name).map_or(Ok(true), |member| self.fulfils(part, member, depth + 1))?)
            }),
            "patternProperties" | "additionalProperties" => {
                for (name, member) in members {
                    let mut matched = parts("properties").is_some_and(|p| p.contains_key(name));
                    for (pattern, part) in parts("patternProperties").into_iter().flatten() {
                        if self.found(pattern, name)? {
                            matched = true;
                            if keyword == "patternProperties" && !self.fulfils(part, member, depth + 1)? {
                                return Ok(false);
                            }
                        }
                    }
                    if keyword == "additionalProperties" && !matched && !self.fulfils(argument, member, depth + 1)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            _ => Ok(true),
        }
    }
}

fn number_assertion(keyword: &str, argument: &Value, schema: &Map<String, Value>, number: f64) -> bool {
    // Draft 4 wrote exclusive bounds as flags beside the bounds.
    let flag = |name: &str| schema.get(name) == Some(&Value::Bool(true));
    match (keyword, argument.as_f64()) {
        ("minimum", Some(min)) => {
            if flag("exclusiveMinimum") {
                number > min
            } else {
                number >= min
            }
        }
        ("maximum", Some(max)) => {
            if flag("exclusiveMaximum") {
                number < max
            } else {
                number <= max
            }
        }
        ("exclusiveMinimum", Some(min)) => number > min,
        ("exclusiveMaximum", Some(max)) => number < max,
        ("multipleOf", Some(step)) => (number / step).fract() == 0.0,
        _ => true,
    }
}

fn is_type(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|n| n.fract() == 0.0),
        "string" => value.is_string(),
        _ => false,
    }
}

/// Equal as JSON values: 1 and 1.0 are, 1 and true are not.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => x == y || x.as_f64() == y.as_f64(),
        (Value::Array(x), Value::Array(y)) => x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same(x, y)),
        (Value::Object(x), Value::Object(y)) => {
            x.len() == y.len() && x.iter().all(|(name, x)| y.get(name).is_some_and(|y| same(x, y)))
        }
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_fulfil_or_do_not() {
        let check = |schema: Value, value: Value, expected: bool| {
            assert_eq!(Schema::new(&schema).unwrap().accepts(&value), Ok(expected), "{value} by {schema}");
        };
        check(json!({"type": "integer"}), json!(1.0), true);
        check(json!({"type": ["integer", "null"]}), json!("1"), false);
        check(json!({"required": ["a"], "properties": {"a": {"minimum": 2}}}), json!({"a": 1}), false);
        check(json!({"additionalProperties": false, "patternProperties": {"^x": true}}), json!({"xy": 1}), true);
        check(json!({"additionalProperties": false}), json!({"z": 1}), false);
        check(json!({"items": {"$ref": "#/$defs/n"}, "$defs": {"n": {"type": "number"}}}), json!([1, "2"]), false);
        check(json!({"if": {"type": "string"}, "then": {"minLength": 2}}), json!("a"), false);
        check(json!({"uniqueItems": true}), json!([1, 1.0]), false);
        check(json!({"oneOf": [{"minimum": 1}, {"minimum": 2}]}), json!(3), false);
        check(json!({"enum": [1]}), json!(true), false);
    }

    #[test]
    fn what_is_no_schema_is_refused() {
        assert!(Schema::new(&json!({"type": "nonsense"})).is_err());
        assert!(Schema::new(&json!({"unevaluatedItems": false})).is_err());
        let circle = json!({"$ref": "#"});
        assert!(Schema::new(&circle).unwrap().accepts(&json!(1)).is_err());
    }
}
