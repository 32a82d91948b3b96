//! Rules that look at every value of one column. Missing values are not looked at, except by the two rules about them.

use serde_json::{Map, Value};

use crate::bound::Bounds;
use crate::error::SuiteError;
use crate::kwargs::Kwargs;
use crate::python::strptime;

/// How far is too far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OutlierMethod {
    /// Outside of the quartiles by more than `multiplier` times their distance.
    #[default]
    Iqr,
    /// At least `multiplier` sample standard deviations from the mean.
    Std,
}

/// What is expected of every value of a column.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ValueRule {
    /// It is there.
    NotNull,
    /// It is missing.
    Null,
    /// It occurs once.
    Unique,
    /// It lies in a range.
    Between(Bounds),
    /// It is one of these.
    InSet(Vec<Value>),
    /// It is none of these.
    NotInSet(Vec<Value>),
    /// The pattern is found in its text.
    MatchRegex(String),
    /// The pattern is not found in its text.
    NotMatchRegex(String),
    /// One of the patterns is found, or all of them.
    MatchRegexList {
        /// The patterns.
        patterns: Vec<String>,
        /// Whether all have to be found.
        all: bool,
    },
    /// None of the patterns is found.
    NotMatchRegexList(Vec<String>),
    /// Its text has a number of code points in a range.
    LengthBetween(Bounds),
    /// Its text has this many code points.
    LengthEqual(f64),
    /// It is text that Python's `strptime` reads by this format.
    StrftimeFormat(String),
    /// It is text that is JSON, as Python reads it.
    Json,
    /// It is JSON that a schema accepts.
    JsonSchema(Value),
    /// It is not less than the one before.
    Increasing {
        /// Equal is not enough.
        strictly: bool,
    },
    /// It is not greater than the one before.
    Decreasing {
        /// Equal is not enough.
        strictly: bool,
    },
    /// Its distance from the mean in sample standard deviations is less than a threshold.
    ZScore {
        /// The threshold.
        threshold: f64,
        /// Whether it counts on both sides.
        double_sided: bool,
    },
    /// It is no outlier.
    NotOutlier {
        /// By which measure.
        method: OutlierMethod,
        /// How far is too far.
        multiplier: f64,
    },
    /// It is text that is likely a date or a time of day.
    DateutilParseable,
    /// It is held as this type.
    OfType(String),
    /// It is held as one of these types; `None` accepts any.
    InTypeList(Option<Vec<String>>),
}

impl ValueRule {
    pub(crate) const NAMES: [&'static str; 22] = [
        "expect_column_values_to_not_be_null",
        "expect_column_values_to_be_null",
        "expect_column_values_to_be_unique",
        "expect_column_values_to_be_between",
        "expect_column_values_to_be_in_set",
        "expect_column_values_to_not_be_in_set",
        "expect_column_values_to_match_regex",
        "expect_column_values_to_not_match_regex",
        "expect_column_values_to_match_regex_list",
        "expect_column_values_to_not_match_regex_list",
        "expect_column_value_lengths_to_be_between",
        "expect_column_value_lengths_to_equal",
        "expect_column_values_to_match_strftime_format",
        "expect_column_values_to_be_json_parseable",
        "expect_column_values_to_match_json_schema",
        "expect_column_values_to_be_increasing",
        "expect_column_values_to_be_decreasing",
        "expect_column_value_z_scores_to_be_less_than",
        "expect_column_values_to_not_be_outliers",
        "expect_column_values_to_be_of_type",
        "expect_column_values_to_be_in_type_list",
        "expect_column_values_to_be_dateutil_parseable",
    ];

    pub(crate) fn name(&self) -> &'static str {
        let index = match self {
            Self::NotNull => 0,
            Self::Null => 1,
            Self::Unique => 2,
            Self::Between(_) => 3,
            Self::InSet(_) => 4,
            Self::NotInSet(_) => 5,
            Self::MatchRegex(_) => 6,
            Self::NotMatchRegex(_) => 7,
            Self::MatchRegexList { .. } => 8,
            Self::NotMatchRegexList(_) => 9,
            Self::LengthBetween(_) => 10,
            Self::LengthEqual(_) => 11,
            Self::StrftimeFormat(_) => 12,
            Self::Json => 13,
            Self::JsonSchema(_) => 14,
            Self::Increasing { .. } => 15,
            Self::Decreasing { .. } => 16,
            Self::ZScore { .. } => 17,
            Self::NotOutlier { .. } => 18,
            Self::OfType(_) => 19,
            Self::InTypeList(_) => 20,
            Self::DateutilParseable => 21,
        };
        Self::NAMES[index]
    }

    /// The two rules about missing values look at all rows.
    pub(crate) fn is_about_missing(&self) -> bool {
        matches!(self, Self::NotNull | Self::Null)
    }

    pub(crate) fn read(name: &str, kwargs: &mut Kwargs<'_>) -> Result<Option<Self>, SuiteError> {
        let list = "a list of values";
        Ok(Some(match Self::NAMES.iter().position(|known| *known == name) {
            Some(0) => Self::NotNull,
            Some(1) => Self::Null,
            Some(2) => Self::Unique,
            Some(3) => Self::Between(one_bound(kwargs.bounds()?, kwargs)?),
            Some(4) => Self::InSet(value_set(kwargs, list)?),
            Some(5) => Self::NotInSet(value_set(kwargs, list)?),
            Some(6) => Self::MatchRegex(kwargs.string("regex")?.unwrap_or_else(|| "(?s).*".to_owned())),
            Some(7) => Self::NotMatchRegex(kwargs.required_string("regex")?),
            Some(8) => Self::MatchRegexList {
                patterns: patterns(kwargs)?,
                all: match kwargs.string("match_on")?.as_deref() {
                    None | Some("any") => false,
                    Some("all") => true,
                    Some(other) => return Err(kwargs.wrong("match_on", "any or all", &Value::from(other))),
                },
            },
            Some(9) => Self::NotMatchRegexList(patterns(kwargs)?),
            Some(10) => Self::LengthBetween(one_bound(kwargs.number_bounds()?, kwargs)?),
            Some(11) => Self::LengthEqual(kwargs.required_number("value")?),
            Some(12) => {
                let format = kwargs.required_string("strftime_format")?;
                if let Err(reason) = strptime::Format::new(&format) {
                    return Err(kwargs.wrong("strftime_format", reason, &Value::from(format)));
                }
                Self::StrftimeFormat(format)
            }
            Some(13) => Self::Json,
            Some(14) => match kwargs.required("json_schema", "a JSON schema")? {
                schema @ Value::Object(_) => Self::JsonSchema(schema),
                other => return Err(kwargs.wrong("json_schema", "a JSON object", &other)),
            },
            Some(15) => Self::Increasing { strictly: kwargs.flag("strictly")? },
            Some(16) => Self::Decreasing { strictly: kwargs.flag("strictly")? },
            Some(17) => {
                let threshold = kwargs.required_number("threshold")?;
                let flag = kwargs.required("double_sided", "true or false")?;
                let Value::Bool(double_sided) = flag else {
                    return Err(kwargs.wrong("double_sided", "true or false", &flag));
                };
                Self::ZScore { threshold, double_sided }
            }
            Some(18) => {
                let method = match kwargs.string("method")?.as_deref() {
                    None | Some("iqr") => OutlierMethod::Iqr,
                    Some("std") => OutlierMethod::Std,
                    Some(other) => return Err(kwargs.wrong("method", "iqr or std", &Value::from(other))),
                };
                let multiplier = kwargs.number("multiplier")?.unwrap_or(1.5);
                if multiplier < 0.0 {
                    return Err(kwargs.wrong("multiplier", "a number of at least 0", &Value::from(multiplier)));
                }
                Self::NotOutlier { method, multiplier }
            }
            Some(19) => Self::OfType(kwargs.required_string("type_")?),
            Some(20) => Self::InTypeList(kwargs.strings("type_list")?),
            Some(21) => Self::DateutilParseable,
            _ => return Ok(None),
        }))
    }

    pub(crate) fn write(&self, kwargs: &mut Map<String, Value>) {
        let mut put = |name: &str, value: Value| kwargs.insert(name.to_owned(), value);
        match self {
            Self::NotNull
            | Self::Null
            | Self::Unique
            | Self::Json
            | Self::DateutilParseable
            | Self::InTypeList(None) => {}
            Self::Between(bounds) | Self::LengthBetween(bounds) => bounds.write(kwargs),
            Self::InSet(set) | Self::NotInSet(set) => {
                put("value_set", Value::from(set.clone()));
            }
            Self::MatchRegex(pattern) | Self::NotMatchRegex(pattern) => {
                put("regex", Value::from(pattern.as_str()));
            }
            Self::MatchRegexList { patterns, all } => {
                put("regex_list", Value::from(patterns.clone()));
                if *all {
                    put("match_on", Value::from("all"));
                }
            }
            Self::NotMatchRegexList(patterns) => {
                put("regex_list", Value::from(patterns.clone()));
            }
            Self::LengthEqual(length) => {
                put("value", Value::from(*length));
            }
            Self::StrftimeFormat(format) => {
                put("strftime_format", Value::from(format.as_str()));
            }
            Self::JsonSchema(schema) => {
                put("json_schema", schema.clone());
            }
            Self::Increasing { strictly } | Self::Decreasing { strictly } => {
                if *strictly {
                    put("strictly", Value::Bool(true));
                }
            }
            Self::ZScore { threshold, double_sided } => {
                put("threshold", Value::from(*threshold));
                put("double_sided", Value::Bool(*double_sided));
            }
            Self::NotOutlier { method, multiplier } => {
                if *method == OutlierMethod::Std {
                    put("method", Value::from("std"));
                }
                if *multiplier != 1.5 {
                    put("multiplier", Value::from(*multiplier));
                }
            }
            Self::OfType(name) => {
                put("type_", Value::from(name.as_str()));
            }
            Self::InTypeList(Some(names)) => {
                put("type_list", Value::from(names.clone()));
            }
        }
    }
}

fn one_bound(bounds: Bounds, kwargs: &Kwargs<'_>) -> Result<Bounds, SuiteError> {
    if bounds.is_open() { Err(kwargs.missing("min_value", "min_value, max_value or both")) } else { Ok(bounds) }
}

/// `value_set`: a list of numbers, texts, true, false or null.
pub(super) fn value_set(kwargs: &mut Kwargs<'_>, expected: &'static str) -> Result<Vec<Value>, SuiteError> {
    match kwargs.required("value_set", expected)? {
        Value::Array(set) if set.iter().all(|v| !v.is_array() && !v.is_object()) => Ok(set),
        other => Err(kwargs.wrong("value_set", expected, &other)),
    }
}

fn patterns(kwargs: &mut Kwargs<'_>) -> Result<Vec<String>, SuiteError> {
    let patterns = kwargs.strings("regex_list")?.ok_or_else(|| kwargs.missing("regex_list", "a list of patterns"))?;
    if patterns.is_empty() {
        return Err(kwargs.wrong("regex_list", "a list of at least one pattern", &Value::Array(Vec::new())));
    }
    Ok(patterns)
}
