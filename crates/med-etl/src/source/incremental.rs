//! Reading only what is new since the last time.
//!
//! Rows are ordered by a cursor column, such as `updated_at`, and by a key that tells rows of one moment apart. The watermark is the
//! last such pair that an extraction covered; the next one reads the rows after it. It is looked up in the same transaction that the
//! rows are read in, before the first row, so it covers exactly the rows delivered.
//!
//! A transaction may write a moment into its rows and commit later than another one with a later moment. A watermark would step over
//! such rows for ever. With a lag, each extraction reads again everything from `lag` before the watermark's cursor on, so what is read
//! must be upserted by key.

use std::borrow::Cow;
use std::fmt;

use med_schema::ValueType;
use serde::{Deserialize, Serialize};

use crate::EtlError;
use crate::builder::Decimal;
use crate::source::Order;
use crate::source::sql::{Cursor, Dialect};

/// One value of a watermark, as the database compares it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum CursorValue {
    /// A whole number. Zero is a value like any other.
    Integer(i64),
    /// Text, or a moment or day as the database writes it.
    Text(String),
}

impl CursorValue {
    /// Whether rows of a column of this type go on after this value: an infinite moment or number is the last for ever, and what is no
    /// value of the type is behind or before all that are.
    pub(crate) fn orders(&self, value_type: Option<ValueType>) -> bool {
        match (value_type, self) {
            (Some(ValueType::Date | ValueType::Timestamp), Self::Text(text)) => {
                crate::iso::microseconds(text).is_some()
            }
            (Some(ValueType::Float), Self::Text(text)) => text.parse().is_ok_and(f64::is_finite),
            (Some(ValueType::Integer), Self::Text(text)) => Decimal::parse(text).is_some(),
            _ => true,
        }
    }
}

impl fmt::Debug for CursorValue {
    /// Text is not written out: a key may be personal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(_) => f.write_str("Integer(..)"),
            Self::Text(_) => f.write_str("Text(..)"),
        }
    }
}

/// The last row that was covered: its cursor and its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watermark {
    /// The greatest cursor read.
    pub cursor: CursorValue,
    /// The greatest key among the rows of that cursor, one value a key column.
    pub key: Vec<CursorValue>,
}

/// What becomes of rows whose cursor is null.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NullCursor {
    /// The extraction fails if there is one.
    #[default]
    Fail,
    /// They are read every time, so what is read must be upserted by key.
    Include,
    /// They are never read; the report counts them.
    Exclude,
}

/// How to read only what is new.
///
/// ```
/// use med_etl::{Extract, Incremental};
/// let incremental = Incremental::new("updated_at", ["transaction_id"])?.lag(3600);
/// let extract = Extract::table("transactions").incremental(incremental);
/// # Ok::<(), med_etl::EtlError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked", into = "Unchecked")]
pub struct Incremental {
    cursor: String,
    key: Vec<String>,
    lag: u64,
    null_cursor: NullCursor,
    since: Option<Watermark>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    cursor: String,
    key: Vec<String>,
    #[serde(default)]
    lag: u64,
    #[serde(default)]
    null_cursor: NullCursor,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<Watermark>,
}

impl TryFrom<Unchecked> for Incremental {
    type Error = EtlError;

    fn try_from(raw: Unchecked) -> Result<Self, EtlError> {
        let checked = Self::new(raw.cursor, raw.key)?.lag(raw.lag).null_cursor(raw.null_cursor);
        match raw.since {
            Some(watermark) => checked.since(watermark),
            None => Ok(checked),
        }
    }
}

impl From<Incremental> for Unchecked {
    fn from(checked: Incremental) -> Self {
        let Incremental { cursor, key, lag, null_cursor, since } = checked;
        Self { cursor, key, lag, null_cursor, since }
    }
}

impl Incremental {
    /// By this cursor column, and by key columns that tell rows of one cursor apart. Without a watermark everything is new.
    ///
    /// # Errors
    /// When there is no key column, or a column is named twice.
    pub fn new<K: Into<String>>(cursor: impl Into<String>, key: impl IntoIterator<Item = K>) -> Result<Self, EtlError> {
        let cursor = cursor.into();
        let key: Vec<String> = key.into_iter().map(Into::into).collect();
        if key.is_empty() {
            return Err(EtlError::NoColumns { what: "the key of an incremental extraction" });
        }
        let mut names: Vec<&str> = key.iter().map(String::as_str).chain([cursor.as_str()]).collect();
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(EtlError::DuplicateColumn { name: pair[0].to_owned() });
        }
        Ok(Self { cursor, key, lag: 0, null_cursor: NullCursor::default(), since: None })
    }

    /// Reads again what lies up to this much before the watermark: seconds of a moment or day, units of an integer. Default 0.
    #[must_use]
    pub fn lag(mut self, lag: u64) -> Self {
        self.lag = lag;
        self
    }

    /// What becomes of rows whose cursor is null. Default: the extraction fails.
    #[must_use]
    pub fn null_cursor(mut self, policy: NullCursor) -> Self {
        self.null_cursor = policy;
        self
    }

    /// Reads what comes after this watermark.
    ///
    /// # Errors
    /// When it is of another number of key columns, or holds a text that SQL cannot carry.
    pub fn since(mut self, watermark: Watermark) -> Result<Self, EtlError> {
        let (expected, found) = (self.key.len(), watermark.key.len());
        if expected != found {
            return Err(EtlError::WatermarkKey { expected, found });
        }
        let values = watermark.key.iter().chain([&watermark.cursor]);
        if values.into_iter().any(|v| matches!(v, CursorValue::Text(text) if text.contains('\0'))) {
            return Err(EtlError::CursorValue { column: self.cursor, found: "text with a zero byte" });
        }
        self.since = Some(watermark);
        Ok(self)
    }

    /// Key columns that the rows are upserted by.
    pub fn key(&self) -> &[String] {
        &self.key
    }

    /// The watermark to go on from.
    pub fn watermark(&self) -> Option<&Watermark> {
        self.since.as_ref()
    }

    /// Whether rows that were read before may come again, so that what is read must be upserted by key.
    pub fn rereads(&self) -> bool {
        self.lag > 0 || self.null_cursor == NullCursor::Include
    }

    /// The cursor column.
    pub fn cursor(&self) -> &str {
        &self.cursor
    }

    pub(crate) fn nulls(&self) -> NullCursor {
        self.null_cursor
    }

    /// The condition for the rows to read; nothing for all.
    pub(crate) fn condition(&self, dialect: Dialect, columns: &[Cursor<'_>]) -> Result<Option<String>, EtlError> {
        let cursor = dialect.quoted(&self.cursor);
        let new = match &self.since {
            None => None,
            Some(_) if self.lag == 0 => self.after(dialect, columns),
            Some(since) => {
                let from = self.before(&since.cursor)?;
                columns.first().map(|c| format!("{} >= {}", dialect.compared(c), dialect.literal(&from, c)))
            }
        };
        Ok(match (self.null_cursor, new) {
            (NullCursor::Include, new) => new.map(|new| format!("({new} OR {cursor} IS NULL)")),
            (_, Some(new)) => Some(new),
            (_, None) => Some(format!("{cursor} IS NOT NULL")),
        })
    }

    /// The condition for the rows after the watermark, whatever the lag; nothing for all.
    pub(crate) fn after(&self, dialect: Dialect, columns: &[Cursor<'_>]) -> Option<String> {
        let since = self.since.as_ref()?;
        let values: Vec<CursorValue> = std::iter::once(&since.cursor).chain(&since.key).cloned().collect();
        // Watermarks of before hold the text of what is ordered by its number. Whatever can be compared is; the rest is read again.
        let other = |(column, value): (&Cursor<'_>, &CursorValue)| {
            column.order == Order::Number && matches!(value, CursorValue::Text(_))
        };
        match columns.iter().zip(&values).position(other) {
            None => Some(dialect.after(columns, &values)),
            Some(0) => None,
            Some(_) => {
                columns.first().map(|c| format!("{} >= {}", dialect.compared(c), dialect.literal(&since.cursor, c)))
            }
        }
    }

    /// This without its watermark, if that is at a value which no row should have put there.
    pub(crate) fn without_misfit(&self, value_type: Option<ValueType>) -> Cow<'_, Self> {
        match &self.since {
            Some(since) if !since.cursor.orders(value_type) => {
                tracing::warn!(
                    column = self.cursor,
                    "the watermark is no value of its column's type; reading all rows again"
                );
                Cow::Owned(Self { since: None, ..self.clone() })
            }
            _ => Cow::Borrowed(self),
        }
    }

    fn before(&self, value: &CursorValue) -> Result<CursorValue, EtlError> {
        match value {
            CursorValue::Integer(number) => Ok(CursorValue::Integer(number.saturating_sub_unsigned(self.lag))),
            CursorValue::Text(text) => {
                crate::iso::earlier(text, self.lag).map(CursorValue::Text).ok_or_else(|| EtlError::CursorValue {
                    column: self.cursor.clone(),
                    found: "text that is no moment, so no lag can be taken from it",
                })
            }
        }
    }
}

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use super::*;

    fn condition(incremental: &Incremental) -> Option<String> {
        let columns = ["at", "id"].map(|name| Cursor::of(name, &[]));
        incremental.condition(Dialect::Sqlite, &columns).unwrap()
    }

    fn watermark(cursor: CursorValue) -> Watermark {
        Watermark { cursor, key: vec![CursorValue::Integer(7)] }
    }

    #[test]
    fn conditions() {
        let all = Incremental::new("at", ["id"]).unwrap();
        assert_eq!(condition(&all).as_deref(), Some("\"at\" IS NOT NULL"));
        assert_eq!(condition(&all.clone().null_cursor(NullCursor::Include)), None);
        let since = all.since(watermark(CursorValue::Integer(0))).unwrap();
        assert_eq!(condition(&since).as_deref(), Some("(\"at\", \"id\") > (0, 7)"), "zero is a watermark");
        assert_eq!(condition(&since.clone().lag(5)).as_deref(), Some("\"at\" >= -5"));
        assert_eq!(
            condition(&since.null_cursor(NullCursor::Include)).as_deref(),
            Some("((\"at\", \"id\") > (0, 7) OR \"at\" IS NULL)")
        );
    }

    #[test]
    fn json_is_checked_like_the_constructor() {
        let json = r#"{"cursor":"at","key":["id"],"lag":60,"null_cursor":"exclude","since":{"cursor":"2024-01-01","key":[0]}}"#;
        let read: Incremental = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), json);
        for bad in [
            r#"{"cursor":"at","key":[]}"#,
            r#"{"cursor":"at","key":["at"]}"#,
            r#"{"cursor":"at","key":["id"],"since":{"cursor":1,"key":[]}}"#,
            r#"{"cursor":"at","key":["id"],"legs":1}"#,
        ] {
            assert!(serde_json::from_str::<Incremental>(bad).is_err(), "{bad}");
        }
        assert!(!format!("{read:?}").contains("2024"));
    }
}
