//! Row conditions: which rows an expectation looks at.
//!
//! A missing value makes `==`, `<`, `<=`, `>`, `>=` and `IN` false, `!=` and `NOT_IN` true.

use std::cmp::Ordering;

use chrono::NaiveTime;
use serde_json::{Map, Value, json};

use crate::bound::parse_moment;
use crate::cells::{Cell, Field, Held, Stored, days_of, micros_of};
use crate::error::RunError;
use crate::scan::{Chunk, Members, identity, value};

const MAX_LEAVES: usize = 100;

/// How a column is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operator {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `IN`
    In,
    /// `NOT_IN`
    NotIn,
}

const OPERATORS: [(Operator, &str); 8] = [
    (Operator::Equal, "=="),
    (Operator::NotEqual, "!="),
    (Operator::LessOrEqual, "<="),
    (Operator::GreaterOrEqual, ">="),
    (Operator::Less, "<"),
    (Operator::Greater, ">"),
    (Operator::In, "IN"),
    (Operator::NotIn, "NOT_IN"),
];

impl Operator {
    fn as_str(self) -> &'static str {
        OPERATORS.iter().find(|(operator, _)| *operator == self).map_or("", |(_, text)| text)
    }

    fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Equal | Self::In => order == Ordering::Equal,
            Self::NotEqual | Self::NotIn => order != Ordering::Equal,
            Self::Less => order == Ordering::Less,
            Self::LessOrEqual => order != Ordering::Greater,
            Self::Greater => order == Ordering::Greater,
            Self::GreaterOrEqual => order != Ordering::Less,
        }
    }
}

/// A condition on the row. Names of columns are exact.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Condition {
    /// A column compared with a value, or with a list of them for `IN` and `NOT_IN`.
    Comparison {
        /// The column.
        column: String,
        /// How.
        operator: Operator,
        /// With what.
        parameter: Value,
    },
    /// A column is missing, or is not.
    Nullity {
        /// The column.
        column: String,
        /// Which of the two.
        is_null: bool,
    },
    /// All hold.
    And(Vec<Condition>),
    /// One holds.
    Or(Vec<Condition>),
}

impl Condition {
    /// `column == value`.
    pub fn equals(column: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::Comparison { column: column.into(), operator: Operator::Equal, parameter: value.into() }
    }

    /// The column is there.
    pub fn not_null(column: impl Into<String>) -> Self {
        Self::Nullity { column: column.into(), is_null: false }
    }

    /// Reads the structured form, or a legacy string of the grammar `col("x").notNull()`, `col("x") OP number`,
    /// `col("x") == "text"`. The error says what was expected.
    pub(crate) fn read(value: &Value) -> Result<Self, String> {
        let condition = match value {
            Value::String(text) => Self::read_legacy(text)?,
            _ => Self::read_part(value, false)?,
        };
        if condition.leaves() > MAX_LEAVES {
            return Err(format!("a condition of at most {MAX_LEAVES} comparisons"));
        }
        Ok(condition)
    }

    fn read_part(value: &Value, inside: bool) -> Result<Self, String> {
        let object = value.as_object().ok_or("a condition object")?;
        let only = |names: &[&str]| match object.keys().find(|k| *k != "type" && !names.contains(&k.as_str())) {
            Some(key) => Err(format!("a condition without the unknown key {key:?}")),
            None => Ok(()),
        };
        let column = || {
            let name = object.get("column").and_then(|c| c.get("name")).and_then(Value::as_str);
            name.map(str::to_owned).ok_or_else(|| "a condition with a column name".to_owned())
        };
        match object.get("type").and_then(Value::as_str) {
            Some("comparison") => {
                only(&["column", "operator", "parameter"])?;
                let name = object.get("operator").and_then(Value::as_str).unwrap_or("");
                let (operator, _) = OPERATORS
                    .iter()
                    .find(|(_, text)| *text == name)
                    .ok_or_else(|| format!("a comparison with one of {}", OPERATORS.map(|(_, text)| text).join(" ")))?;
                let parameter = object.get("parameter").cloned().unwrap_or(Value::Null);
                check_parameter(*operator, &parameter)?;
                Ok(Self::Comparison { column: column()?, operator: *operator, parameter })
            }
            Some("nullity") => {
                only(&["column", "is_null"])?;
                let is_null = object.get("is_null").and_then(Value::as_bool);
                Ok(Self::Nullity { column: column()?, is_null: is_null.ok_or("is_null of true or false")? })
            }
            Some(kind @ ("and" | "or")) => {
                only(&["conditions"])?;
                let parts = object.get("conditions").and_then(Value::as_array).ok_or("a list of conditions")?;
                if parts.is_empty() {
                    return Err("at least one condition".to_owned());
                }
                let parts = parts.iter().map(|p| Self::read_part(p, true)).collect::<Result<Vec<_>, _>>()?;
                let has_or = parts.iter().any(|p| matches!(p, Self::Or(_)));
                match kind {
                    "and" if has_or => Err("an AND that contains no OR".to_owned()),
                    "or" if has_or => Err("an OR that contains no OR".to_owned()),
                    "or" if inside => Err("an OR at the top".to_owned()),
                    "or" => Ok(Self::Or(parts)),
                    _ => Ok(Self::And(
                        parts
                            .into_iter()
                            .flat_map(|p| if let Self::And(inner) = p { inner } else { vec![p] })
                            .collect(),
                    )),
                }
            }
            Some("pass_through") => {
                Err("a structured condition; a pass-through filter is Python and is not run".to_owned())
            }
            _ => Err("a condition of type comparison, nullity, and, or".to_owned()),
        }
    }

    fn read_legacy(text: &str) -> Result<Self, String> {
        let expected = || {
            "a structured condition or col(\"x\").notNull(), col(\"x\") OP number, col(\"x\") == \"text\"; \
             other text is Python and is not run"
                .to_owned()
        };
        let rest = text.trim().strip_prefix("col(").ok_or_else(expected)?.trim_start();
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\'')).ok_or_else(expected)?;
        let (column, rest) = rest[1..].split_once(quote).ok_or_else(expected)?;
        let rest = rest.trim_start().strip_prefix(')').ok_or_else(expected)?.trim();
        let column = column.to_owned();
        if rest == ".notNull()" {
            return Ok(Self::Nullity { column, is_null: false });
        }
        let (operator, symbol) =
            OPERATORS[..6].iter().find(|(_, symbol)| rest.starts_with(symbol)).ok_or_else(expected)?;
        let right = rest[symbol.len()..].trim();
        let quoted =
            ['"', '\''].iter().find_map(|q| right.strip_prefix(*q)?.strip_suffix(*q).filter(|t| !t.contains(*q)));
        let parameter = match quoted {
            Some(text) if matches!(operator, Operator::Equal | Operator::NotEqual) => Value::from(text),
            Some(_) => return Err(expected()),
            None => serde_json::from_str::<Value>(right).ok().filter(Value::is_number).ok_or_else(expected)?,
        };
        Ok(Self::Comparison { column, operator: *operator, parameter })
    }

    /// The structured form.
    pub(crate) fn to_json(&self) -> Value {
        match self {
            Self::Comparison { column, operator, parameter } => json!({
                "type": "comparison", "column": {"name": column}, "operator": operator.as_str(), "parameter": parameter}),
            Self::Nullity { column, is_null } => {
                json!({"type": "nullity", "column": {"name": column}, "is_null": is_null})
            }
            Self::And(parts) => Self::parts_json("and", parts),
            Self::Or(parts) => Self::parts_json("or", parts),
        }
    }

    fn parts_json(kind: &str, parts: &[Self]) -> Value {
        let mut object = Map::new();
        object.insert("type".to_owned(), Value::from(kind));
        object.insert("conditions".to_owned(), parts.iter().map(Self::to_json).collect());
        Value::Object(object)
    }

    fn leaves(&self) -> usize {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().map(Self::leaves).sum(),
            _ => 1,
        }
    }

    pub(crate) fn columns<'a>(&'a self, into: &mut Vec<&'a str>) {
        match self {
            Self::Comparison { column, .. } | Self::Nullity { column, .. } => into.push(column),
            Self::And(parts) | Self::Or(parts) => parts.iter().for_each(|p| p.columns(into)),
        }
    }

    /// The condition for these columns, found by `field`.
    pub(crate) fn prepare(
        &self,
        fields: &[Field],
        field: &impl Fn(&str) -> Result<usize, RunError>,
    ) -> Result<Prepared, RunError> {
        Ok(match self {
            Self::Nullity { column, is_null } => Prepared::Nullity(field(column)?, *is_null),
            Self::Comparison { column, operator, parameter } => {
                let at = field(column)?;
                Prepared::Comparison(at, Comparison::new(&fields[at], *operator, parameter)?)
            }
            Self::And(parts) | Self::Or(parts) => Prepared::Joined {
                and: matches!(self, Self::And(_)),
                parts: parts.iter().map(|part| part.prepare(fields, field)).collect::<Result<_, _>>()?,
            },
        })
    }
}

/// A condition whose parameters are values of the columns.
#[derive(Debug)]
pub(crate) enum Prepared {
    Nullity(usize, bool),
    Comparison(usize, Comparison),
    Joined { and: bool, parts: Vec<Prepared> },
}

impl Prepared {
    /// The columns it looks at, places among the plan's fields.
    pub(crate) fn fields(&self, into: &mut Vec<usize>) {
        match self {
            Self::Nullity(at, _) | Self::Comparison(at, _) => into.push(*at),
            Self::Joined { parts, .. } => parts.iter().for_each(|part| part.fields(into)),
        }
    }

    /// 1 for each row of a chunk that fulfils it.
    pub(crate) fn mask(&self, chunk: &Chunk<'_>, fields: &[Field]) -> Result<Vec<u8>, RunError> {
        match self {
            Self::Nullity(at, is_null) => {
                let cells = chunk.cells(*at, &fields[*at])?;
                Ok((0..chunk.rows).map(|row| u8::from(cells.is_missing(row) == *is_null)).collect())
            }
            Self::Comparison(at, comparison) => {
                let cells = chunk.cells(*at, &fields[*at])?;
                let all = vec![1; chunk.rows];
                let present = cells.present().unwrap_or(&all);
                let mut mask = vec![u8::from(comparison.holds_for_missing()); chunk.rows];
                cells.decide(present, &mut mask, |cell| Ok(comparison.holds(cell)))?;
                Ok(mask)
            }
            Self::Joined { and, parts } => {
                let mut mask = vec![u8::from(*and); chunk.rows];
                for part in parts {
                    for (all, one) in mask.iter_mut().zip(part.mask(chunk, fields)?) {
                        *all = if *and { *all & one } else { *all | one };
                    }
                }
                Ok(mask)
            }
        }
    }
}

/// One comparison.
#[derive(Debug)]
pub(crate) enum Comparison {
    Member { members: Members, negative: bool },
    Order { operator: Operator, other: Stored },
}

fn check_parameter(operator: Operator, parameter: &Value) -> Result<(), String> {
    let is_scalar = |v: &Value| v.is_number() || v.is_string() || v.is_boolean();
    match operator {
        Operator::In | Operator::NotIn => {
            let list = parameter.as_array().ok_or("a list as the parameter of IN and NOT_IN")?;
            if list.iter().all(Value::is_string) || list.iter().all(Value::is_number) {
                Ok(())
            } else {
                Err("a list of one kind, all text or all numbers".to_owned())
            }
        }
        _ if is_scalar(parameter) => Ok(()),
        _ => Err("a comparison with a number, text, true or false".to_owned()),
    }
}

impl Comparison {
    fn new(field: &Field, operator: Operator, parameter: &Value) -> Result<Self, RunError> {
        let negative = matches!(operator, Operator::NotEqual | Operator::NotIn);
        if matches!(operator, Operator::Equal | Operator::NotEqual | Operator::In | Operator::NotIn) {
            let list = match parameter {
                Value::Array(list) => list.as_slice(),
                one => std::slice::from_ref(one),
            };
            return Ok(Self::Member { members: value::members(field, list)?, negative });
        }
        let other = match parameter {
            Value::String(text) if field.held == Held::Text => Stored::Text(text.clone()),
            Value::String(text) if matches!(field.held, Held::Time | Held::Date) => {
                let moment =
                    parse_moment(text).ok_or_else(|| field.incomparable("a text that is no ISO date or date-time"))?;
                // A date column is compared with whole days; a moment within the day lies after its date.
                if field.held == Held::Time {
                    Stored::Time(micros_of(moment))
                } else if moment.time() == NaiveTime::MIN {
                    Stored::Date(days_of(moment.date()))
                } else {
                    return Err(field.incomparable("a moment within a day"));
                }
            }
            Value::Number(number) if field.is_number() => Stored::Float(number.as_f64().unwrap_or(f64::NAN)),
            Value::Bool(flag) if field.is_number() => Stored::Bool(*flag),
            Value::String(_) => return Err(field.incomparable("text")),
            _ => return Err(field.incomparable("a number")),
        };
        Ok(Self::Order { operator, other })
    }

    fn holds_for_missing(&self) -> bool {
        matches!(self, Self::Member { negative: true, .. })
    }

    fn holds(&self, cell: Cell<'_>) -> bool {
        match self {
            Self::Member { members, negative } => members.contains(&identity::of(cell)) != *negative,
            Self::Order { operator, other } => cell.order(other.cell()).is_some_and(|order| operator.holds(order)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legacy_text_becomes_structured() {
        let read = |text: &str| Condition::read(&Value::from(text));
        assert_eq!(read(r#"col("age").notNull()"#), Ok(Condition::not_null("age")));
        assert_eq!(read(r#"col("plan") == "gold""#), Ok(Condition::equals("plan", "gold")));
        let greater =
            Condition::Comparison { column: "age".into(), operator: Operator::GreaterOrEqual, parameter: 30.into() };
        assert_eq!(read(r#"col("age") >= 30"#), Ok(greater));
        assert!(read("age > 30").is_err());
        assert!(read(r#"col("plan") < "gold""#).is_err());
    }

    #[test]
    fn what_the_original_refuses_is_refused() {
        let leaf = json!({"type": "comparison", "column": {"name": "x"}, "operator": ">", "parameter": 1});
        let or = json!({"type": "or", "conditions": [leaf, leaf]});
        assert!(Condition::read(&json!({"type": "and", "conditions": [leaf, or]})).is_err());
        assert!(
            Condition::read(&json!({"type": "and", "conditions": [leaf, {"type": "and", "conditions": [leaf]}]}))
                .is_ok()
        );
        for (operator, parameter) in
            [("==", Value::Null), ("IN", json!("abc")), ("IN", json!([1, "a"])), ("~", json!(1))]
        {
            let value =
                json!({"type": "comparison", "column": {"name": "x"}, "operator": operator, "parameter": parameter});
            assert!(Condition::read(&value).is_err(), "{value}");
        }
    }
}
