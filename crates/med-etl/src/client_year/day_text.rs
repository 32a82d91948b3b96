//! Days in a configuration, with errors that say what a day looks like.

use std::fmt;

use chrono::NaiveDate;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

/// A day written `YYYY-MM-DD`.
struct DayText(NaiveDate);

impl<'de> Deserialize<'de> for DayText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = DayText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a day in quotes, such as \"2019-01-31\"")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<DayText, E> {
                text.parse().map(DayText).map_err(|_| {
                    E::custom(format!(
                        "expected a day of the calendar, year-month-day such as \"2019-01-31\", found {text:?}"
                    ))
                })
            }
        }
        deserializer.deserialize_str(Text)
    }
}

pub(super) fn one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<NaiveDate, D::Error> {
    DayText::deserialize(deserializer).map(|day| day.0)
}

pub(super) fn several<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<NaiveDate>, D::Error> {
    Ok(Vec::<DayText>::deserialize(deserializer)?.into_iter().map(|day| day.0).collect())
}
