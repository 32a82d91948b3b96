//! What one column is.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::SchemaError;

macro_rules! named {
    ($type:ident { $($variant:ident => $text:literal),+ $(,)? }) => {
        impl $type {
            /// The name in schema files.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

/// How the values of a column may be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A real quantity: cost, body mass index.
    Continuous,
    /// A number of things: visits, steps.
    Count,
    /// One of two: yes or no, 0 or 1.
    Binary,
    /// One of several names without order.
    Nominal,
    /// One of several names or grades with an order.
    Ordinal,
    /// A day.
    Date,
    /// A moment.
    Timestamp,
    /// Names a thing; not a measurement.
    Identifier,
    /// Free text.
    Text,
}
named!(Kind { Continuous => "continuous", Count => "count", Binary => "binary", Nominal => "nominal", Ordinal => "ordinal",
    Date => "date", Timestamp => "timestamp", Identifier => "identifier", Text => "text" });

impl Kind {
    /// Whether a model can take the column as it is or coded: not days, moments, identifiers or free text.
    pub fn is_measurable(self) -> bool {
        matches!(self, Self::Continuous | Self::Count | Self::Binary | Self::Nominal | Self::Ordinal)
    }

    /// Whether distances between values mean something.
    pub fn is_quantity(self) -> bool {
        matches!(self, Self::Continuous | Self::Count)
    }

    /// The types that may hold a column of this kind.
    pub fn types(self) -> &'static [ValueType] {
        use ValueType::{Boolean, Date, Float, Integer, Text, Timestamp};
        match self {
            Self::Continuous | Self::Count => &[Float, Integer],
            Self::Binary => &[Boolean, Integer, Float, Text],
            Self::Nominal | Self::Ordinal => &[Text, Integer, Float, Boolean],
            Self::Date => &[Date],
            Self::Timestamp => &[Timestamp],
            Self::Identifier => &[Integer, Text],
            Self::Text => &[Text],
        }
    }
}

/// What a column is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Names the row, alone or with the other keys.
    Key,
    /// When the row became true.
    EventTime,
    /// May be given to a model.
    Feature,
    /// What is predicted.
    Target,
    /// Years at risk.
    Exposure,
    /// Weight of the row in a loss.
    Weight,
    /// For audits only; never given to a model.
    Protected,
}
named!(Role { Key => "key", EventTime => "event_time", Feature => "feature", Target => "target", Exposure => "exposure",
    Weight => "weight", Protected => "protected" });

/// How the values are held. One of six: narrower types are widened when a table is parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueType {
    /// true or false.
    Boolean,
    /// 64-bit signed.
    Integer,
    /// 64-bit floating point.
    Float,
    /// UTF-8.
    Text,
    /// Days.
    Date,
    /// Microseconds, UTC.
    Timestamp,
}
named!(ValueType { Boolean => "boolean", Integer => "integer", Float => "float", Text => "text", Date => "date", Timestamp => "timestamp" });

/// The values a column may take. Checked by quality suites, not by parsing: data out of its domain is a finding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Domain {
    /// From `min` to `max`, both included; a missing bound is open.
    Range {
        /// Smallest value.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min: Option<f64>,
        /// Largest value.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<f64>,
    },
    /// One of these; for an ordinal column from lowest to highest.
    Levels(Vec<String>),
}

/// One column of a [`Schema`](crate::Schema).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// How it may be measured.
    pub kind: Kind,
    /// How its values are held.
    #[serde(rename = "type")]
    pub value_type: ValueType,
    /// What it is for.
    #[serde(default = "feature")]
    pub role: Role,
    /// Whether values may be missing.
    #[serde(default)]
    pub nullable: bool,
    /// Unit of the values, where they have one: `years`, `kg/m^2`, `EUR`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The values it may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<Domain>,
}

fn feature() -> Role {
    Role::Feature
}

impl Column {
    /// A feature without missing values, unit or domain.
    ///
    /// ```
    /// use med_schema::{Column, Kind, Role, ValueType};
    /// let age = Column::new("age", Kind::Count, ValueType::Integer).unit("years").nullable(true);
    /// assert_eq!((age.role, age.nullable), (Role::Feature, true));
    /// ```
    pub fn new(name: impl Into<String>, kind: Kind, value_type: ValueType) -> Self {
        Self { name: name.into(), kind, value_type, role: Role::Feature, nullable: false, unit: None, domain: None }
    }

    /// With another role.
    #[must_use]
    pub fn role(mut self, role: Role) -> Self {
        self.role = role;
        self
    }

    /// With or without missing values.
    #[must_use]
    pub fn nullable(mut self, nullable: bool) -> Self {
        self.nullable = nullable;
        self
    }

    /// With a unit.
    #[must_use]
    pub fn unit(mut self, unit: impl Into<String>) -> Self {
        self.unit = Some(unit.into());
        self
    }

    /// With a domain.
    #[must_use]
    pub fn domain(mut self, domain: Domain) -> Self {
        self.domain = Some(domain);
        self
    }

    /// Checks that kind, type and domain fit together.
    pub(crate) fn validate(&self) -> Result<(), SchemaError> {
        if !self.kind.types().contains(&self.value_type) {
            let expected = self.kind.types().iter().map(|t| t.as_str()).collect::<Vec<_>>().join(" or ");
            return Err(SchemaError::KindType {
                column: self.name.clone(),
                kind: self.kind,
                found: self.value_type,
                expected,
            });
        }
        let wrong = |reason: String| Err(SchemaError::Domain { column: self.name.clone(), reason });
        match &self.domain {
            Some(Domain::Range { min, max }) => {
                if min.is_some_and(f64::is_nan) || max.is_some_and(f64::is_nan) {
                    return wrong("a bound of the range is not a number".to_owned());
                }
                if let (Some(min), Some(max)) = (min, max)
                    && min > max
                {
                    return wrong(format!("the range from {min} to {max} is empty"));
                }
                if matches!(self.value_type, ValueType::Text | ValueType::Boolean) {
                    return wrong(format!("a range does not fit values of type {}", self.value_type));
                }
            }
            Some(Domain::Levels(levels)) => {
                if levels.is_empty() {
                    return wrong("the list of levels is empty".to_owned());
                }
                if let Some(twice) = levels.iter().enumerate().find(|(i, l)| levels[..*i].contains(l)) {
                    return wrong(format!("level {:?} is there twice", twice.1));
                }
            }
            None => {}
        }
        Ok(())
    }
}

/// What a schema file says of a column that is otherwise inferred; fields left out stay as inferred.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnPatch {
    /// The column meant.
    pub name: String,
    /// Its kind.
    #[serde(default)]
    pub kind: Option<Kind>,
    /// Its type.
    #[serde(default, rename = "type")]
    pub value_type: Option<ValueType>,
    /// Its role.
    #[serde(default)]
    pub role: Option<Role>,
    /// Whether values may be missing.
    #[serde(default)]
    pub nullable: Option<bool>,
    /// Its unit.
    #[serde(default)]
    pub unit: Option<String>,
    /// Its domain.
    #[serde(default)]
    pub domain: Option<Domain>,
}
