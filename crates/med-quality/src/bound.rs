//! Bounds of a range: numbers, days or moments.

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use serde_json::{Map, Value};

/// One bound.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Bound {
    /// A number.
    Number(f64),
    /// A day.
    Date(NaiveDate),
    /// A moment, UTC.
    Time(NaiveDateTime),
}

impl Bound {
    /// Reads a number, then an ISO date, then an ISO date-time, in this order, as the original does.
    pub(crate) fn read(value: &Value) -> Option<Self> {
        match value {
            Value::Number(number) => number.as_f64().map(Self::Number),
            Value::String(text) => match text.trim().parse::<f64>() {
                Ok(number) if number.is_finite() => Some(Self::Number(number)),
                Ok(_) => None,
                Err(_) => parse_date(text).map(Self::Date).or_else(|| parse_time(text).map(Self::Time)),
            },
            _ => None,
        }
    }

    /// The bound as it stands in a suite.
    pub(crate) fn to_json(self) -> Value {
        match self {
            Self::Number(number) => Value::from(number),
            Self::Date(date) => Value::from(date.to_string()),
            Self::Time(time) => Value::from(time.format("%Y-%m-%dT%H:%M:%S%.f").to_string()),
        }
    }
}

/// A range with optional, open or closed ends.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Bounds {
    /// Lower bound.
    pub min: Option<Bound>,
    /// Upper bound.
    pub max: Option<Bound>,
    /// Whether the lower bound itself is outside.
    pub strict_min: bool,
    /// Whether the upper bound itself is outside.
    pub strict_max: bool,
}

impl Bounds {
    /// Whether neither end is given.
    pub fn is_open(&self) -> bool {
        self.min.is_none() && self.max.is_none()
    }

    /// Whether a number lies inside, where both bounds are numbers.
    pub(crate) fn holds(&self, value: f64) -> bool {
        let number = |bound| match bound {
            Some(Bound::Number(number)) => Some(number),
            _ => None,
        };
        let above = number(self.min).is_none_or(|min| if self.strict_min { value > min } else { value >= min });
        let below = number(self.max).is_none_or(|max| if self.strict_max { value < max } else { value <= max });
        above && below
    }

    /// The lower bound is greater than the upper one.
    pub(crate) fn is_reversed(&self) -> bool {
        matches!((self.min, self.max), (Some(min), Some(max)) if min > max)
    }

    pub(crate) fn write(&self, kwargs: &mut Map<String, Value>) {
        for (name, bound) in [("min_value", self.min), ("max_value", self.max)] {
            if let Some(bound) = bound {
                kwargs.insert(name.to_owned(), bound.to_json());
            }
        }
        for (name, strict) in [("strict_min", self.strict_min), ("strict_max", self.strict_max)] {
            if strict {
                kwargs.insert(name.to_owned(), Value::Bool(true));
            }
        }
    }
}

/// An ISO date.
pub(crate) fn parse_date(text: &str) -> Option<NaiveDate> {
    (text.len() == 10).then(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()).flatten()
}

/// An ISO date-time, `T` or a blank between, with or without offset; an offset is brought to UTC.
pub(crate) fn parse_time(text: &str) -> Option<NaiveDateTime> {
    let text = text.trim();
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.naive_utc());
    }
    if let Ok(time) = DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%:z") {
        return Some(time.naive_utc());
    }
    ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
}

/// An ISO date (its midnight) or date-time.
pub(crate) fn parse_moment(text: &str) -> Option<NaiveDateTime> {
    parse_date(text).map(|date| date.and_time(chrono::NaiveTime::MIN)).or_else(|| parse_time(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_tried_as_number_then_date_then_moment() {
        let read = |text: &str| Bound::read(&Value::from(text));
        assert_eq!(read("5"), Some(Bound::Number(5.0)));
        assert!(matches!(read("2024-01-02"), Some(Bound::Date(_))));
        assert!(matches!(read("2024-01-02T00:00:00"), Some(Bound::Time(_))));
        assert_eq!(read("2024-01-02T01:00:00+01:00"), read("2024-01-02T00:00:00"));
        assert_eq!(read("abc"), None);
        assert_eq!(Bound::read(&serde_json::json!({"$PARAMETER": "x"})), None);
    }

    #[test]
    fn strict_ends_are_outside() {
        let bounds = Bounds {
            min: Some(Bound::Number(0.0)),
            max: Some(Bound::Number(1.0)),
            strict_min: true,
            strict_max: false,
        };
        assert_eq!([0.0, 0.5, 1.0, f64::NAN].map(|v| bounds.holds(v)), [false, true, true, false]);
    }
}
