//! Suite parameters: `{"$PARAMETER": "2 * limit"}` is a name, a number or a small sum, filled in before the suite is read.
//!
//! Names are letters, digits, `_` and `.`; the operators are `+ - * /` with the usual precedence, and parentheses. What
//! depends on the clock (`now()`, time differences) is refused: a suite's answer must not change by itself.

use serde_json::{Map, Value};

use crate::error::SuiteError;

/// The key of a placeholder.
const KEY: &str = "$PARAMETER";

/// Replaces every placeholder in a value. `number` counts the expectation.
pub(crate) fn fill(value: &mut Value, parameters: &Map<String, Value>, number: usize) -> Result<(), SuiteError> {
    match value {
        Value::Array(list) => list.iter_mut().try_for_each(|value| fill(value, parameters, number)),
        Value::Object(object) if object.len() == 1 && object.contains_key(KEY) => {
            let expression = object.get(KEY).cloned().unwrap_or(Value::Null);
            let refused = |reason: String| SuiteError::SuiteParameter {
                number,
                expression: expression.as_str().map_or_else(|| expression.to_string(), str::to_owned),
                reason,
            };
            let text = expression.as_str().ok_or_else(|| refused("expected a text".to_owned()))?;
            *value = evaluate(text, parameters).map_err(refused)?;
            Ok(())
        }
        Value::Object(object) => object.values_mut().try_for_each(|value| fill(value, parameters, number)),
        _ => Ok(()),
    }
}

fn evaluate(text: &str, parameters: &Map<String, Value>) -> Result<Value, String> {
    // A name alone may stand for anything, not only for a number.
    if let Some(value) = parameters.get(text.trim()) {
        return Ok(value.clone());
    }
    let mut reader = Reader { rest: text.trim_start(), parameters };
    let number = reader.sum(0)?;
    if !reader.rest.is_empty() {
        return Err(format!("unexpected {:?}", reader.rest));
    }
    // Whole results stay whole, as whole parameters of whole numbers are.
    if number.fract() == 0.0 && number.abs() < 9.0e15 {
        return Ok(Value::from(number as i64));
    }
    if number.is_finite() { Ok(Value::from(number)) } else { Err("the result is no finite number".to_owned()) }
}

struct Reader<'t> {
    rest: &'t str,
    parameters: &'t Map<String, Value>,
}

/// Nesting beyond this is refused.
const MAX_DEPTH: usize = 50;

impl Reader<'_> {
    fn eat(&mut self, sign: char) -> bool {
        match self.rest.strip_prefix(sign) {
            Some(rest) => {
                self.rest = rest.trim_start();
                true
            }
            None => false,
        }
    }

    fn sum(&mut self, depth: usize) -> Result<f64, String> {
        let mut value = self.product(depth)?;
        loop {
            if self.eat('+') {
                value += self.product(depth)?;
            } else if self.eat('-') {
                value -= self.product(depth)?;
            } else {
                return Ok(value);
            }
        }
    }

    fn product(&mut self, depth: usize) -> Result<f64, String> {
        let mut value = self.factor(depth)?;
        loop {
            if self.eat('*') {
                value *= self.factor(depth)?;
            } else if self.eat('/') {
                value /= self.factor(depth)?;
            } else {
                return Ok(value);
            }
        }
    }

    fn factor(&mut self, depth: usize) -> Result<f64, String> {
        if depth > MAX_DEPTH {
            return Err("nested too deeply".to_owned());
        }
        if self.eat('-') {
            return self.factor(depth + 1).map(|value| -value);
        }
        if self.eat('(') {
            let value = self.sum(depth + 1)?;
            return if self.eat(')') { Ok(value) } else { Err("expected a closing parenthesis".to_owned()) };
        }
        let end = self.rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.')).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start();
        if word.is_empty() {
            return Err("expected a name or a number".to_owned());
        }
        if let Ok(number) = word.parse::<f64>()
            && word.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        {
            return Ok(number);
        }
        if self.rest.starts_with('(') {
            return Err(format!("{word}() is not supported; give its value as a parameter"));
        }
        match self.parameters.get(word) {
            Some(Value::Number(number)) => number.as_f64().ok_or_else(|| format!("{word} is too large")),
            Some(_) => Err(format!("{word} is no number")),
            None => {
                let near = med_schema::near_names(word, self.parameters.keys().map(String::as_str));
                let hint = if near.is_empty() { String::new() } else { format!("; there is {}", near.join(", ")) };
                Err(format!("no parameter {word} is given{hint}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(text: &str, expected: Result<Value, &str>) {
        let parameters = json!({"lo": 2, "share": 0.5, "plans": ["gold"], "last.max": 10});
        let parameters = parameters.as_object().unwrap();
        match (evaluate(text, parameters), expected) {
            (Ok(value), Ok(expected)) => assert_eq!(value, expected, "{text}"),
            (Err(reason), Err(part)) => assert!(reason.contains(part), "{text}: {reason}"),
            (found, expected) => panic!("{text}: {found:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn names_numbers_and_small_sums() {
        check("plans", Ok(json!(["gold"])));
        check(" 2*lo + 1", Ok(json!(5)));
        check("(1 + lo) * -share", Ok(json!(-1.5)));
        check("last.max / 4", Ok(json!(2.5)));
        check("now() - 1", Err("now() is not supported"));
        check("low", Err("there is lo"));
        check("plans + 1", Err("no number"));
        check("1 +", Err("expected a name or a number"));
        check("1 / 0", Err("no finite number"));
        check("lo lo", Err("unexpected"));
    }
}
