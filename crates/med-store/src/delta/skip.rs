//! Filters in the kernel's words, for leaving out files by partition values and statistics.

use delta_kernel::expressions::{Expression, Predicate, Scalar};

use crate::filter::{Comparison, Filter, Value};

/// Longer lists are left to the row groups: each value is a comparison with each file.
const VALUES: usize = 64;

/// A condition that holds for every file with matching rows; `None` when there is nothing to leave out by.
pub(super) fn predicate(filter: &Filter) -> Option<Predicate> {
    match filter {
        Filter::Compare { column, comparison, value } => Some(compare(column, *comparison, value)),
        Filter::OneOf { values, .. } if values.is_empty() || values.len() > VALUES => None,
        Filter::OneOf { column, values } => {
            Some(Predicate::or_from(values.iter().map(|value| compare(column, Comparison::Equal, value))))
        }
        Filter::All(filters) => {
            let parts: Vec<Predicate> = filters.iter().filter_map(predicate).collect();
            (!parts.is_empty()).then(|| Predicate::and_from(parts))
        }
        Filter::Any(filters) => {
            let parts: Option<Vec<Predicate>> = filters.iter().map(predicate).collect();
            parts.filter(|parts| !parts.is_empty() && parts.len() <= VALUES).map(Predicate::or_from)
        }
    }
}

fn compare(column: &str, comparison: Comparison, value: &Value) -> Predicate {
    let (left, right) = (Expression::column([column]), Expression::literal(scalar(value)));
    match comparison {
        Comparison::Equal => Predicate::eq(left, right),
        Comparison::Less => Predicate::lt(left, right),
        Comparison::LessOrEqual => Predicate::le(left, right),
        Comparison::Greater => Predicate::gt(left, right),
        Comparison::GreaterOrEqual => Predicate::ge(left, right),
    }
}

pub(super) fn scalar(value: &Value) -> Scalar {
    match value {
        Value::Boolean(flag) => Scalar::Boolean(*flag),
        Value::Integer(number) => Scalar::Long(*number),
        Value::Float(number) => Scalar::Double(*number),
        Value::Text(text) => Scalar::String(text.clone()),
        Value::Date(_) => Scalar::Date(value.number().and_then(|n| i32::try_from(n).ok()).unwrap_or_default()),
        Value::Timestamp(_) => Scalar::Timestamp(value.number().unwrap_or_default()),
    }
}
