//! One value in a profile.

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A value that a profile lists: a common one, the smallest, the largest. Dates are days and moments microseconds since
/// 1970-01-01, true is 1 and false 0. Numbers that are equal are one item, whatever type held them.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// A whole number that fits 64 bits.
    Whole(i64),
    /// Any other number but not-a-number.
    Real(f64),
    /// A text.
    Text(String),
}

impl Item {
    /// A number as an item; none of not-a-number.
    pub fn number(value: f64) -> Option<Self> {
        whole(value).map(Self::Whole).or_else(|| (!value.is_nan()).then_some(Self::Real(value)))
    }

    /// The item as a number, rounded if it is whole and beyond 2^53.
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Self::Whole(value) => Some(*value as f64),
            Self::Real(value) => Some(*value),
            Self::Text(_) => None,
        }
    }
}

/// The float as a whole number, if it is one.
pub(super) fn whole(value: f64) -> Option<i64> {
    (value.fract() == 0.0 && (-9.2e18..=9.2e18).contains(&value)).then_some(value as i64)
}

impl Eq for Item {}

impl PartialOrd for Item {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Numbers by size, then texts. A whole number that rounds to a float comes before it, which keeps this an order.
impl Ord for Item {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Whole(a), Self::Whole(b)) => a.cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (Self::Text(_), _) => Ordering::Greater,
            (_, Self::Text(_)) => Ordering::Less,
            (a, b) => {
                let number = |item: &Self| item.as_number().unwrap_or(f64::NAN);
                let kind = |item: &Self| u8::from(matches!(item, Self::Real(_)));
                number(a).total_cmp(&number(b)).then(kind(a).cmp(&kind(b)))
            }
        }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(value) => value.fmt(f),
            Self::Real(value) => value.fmt(f),
            Self::Text(value) => value.fmt(f),
        }
    }
}

/// JSON: numbers and texts as they are, an infinity as `{"infinite": "+"}`, so that it is not taken for a text.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Whole(i64),
    Real(f64),
    Text(String),
    Infinite { infinite: char },
}

impl Serialize for Item {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Whole(value) => Written::Whole(*value),
            Self::Real(value) if value.is_finite() => Written::Real(*value),
            Self::Real(value) => Written::Infinite { infinite: if *value > 0.0 { '+' } else { '-' } },
            Self::Text(value) => Written::Text(value.clone()),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Written::deserialize(deserializer)? {
            Written::Whole(value) => Self::Whole(value),
            // JSON has no not-a-number.
            Written::Real(value) => Self::number(value).unwrap_or(Self::Whole(0)),
            Written::Text(value) => Self::Text(value),
            Written::Infinite { infinite: '-' } => Self::Real(f64::NEG_INFINITY),
            Written::Infinite { .. } => Self::Real(f64::INFINITY),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_survive_json_and_have_an_order() {
        let texts = ["5", "Infinity"].map(|t| Item::Text(t.to_owned()));
        let numbers = [f64::NEG_INFINITY, -0.5, -0.0, 1e18, 1e300, f64::INFINITY].map(|v| Item::number(v).unwrap());
        let items: Vec<Item> = numbers.into_iter().chain(texts).collect();
        assert!(items.is_sorted());
        let json = serde_json::to_string(&items).unwrap();
        assert_eq!(serde_json::from_str::<Vec<Item>>(&json).unwrap(), items);
        assert_eq!((Item::number(3.0), Item::number(f64::NAN)), (Some(Item::Whole(3)), None));
    }
}
