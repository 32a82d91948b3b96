//! Types for typed queries that read a value of SQLite only if it has their storage class.
//!
//! SQLite converts on reading: Diesel's `i64` makes the number 0 of the text `unknown`. A field of a struct that is read
//! through one of these gives an error that names the field and the storage class found, and not the value:
//!
//! ```
//! use diesel::prelude::*;
//! use med_etl::source::strict::StrictInteger;
//!
//! #[derive(Queryable)]
//! struct Client {
//!     #[diesel(deserialize_as = StrictInteger)]
//!     age: i64,
//! }
//! ```

use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::sql_types::{BigInt, Double, Nullable, Text};
use diesel::sqlite::{Sqlite, SqliteType, SqliteValue};

macro_rules! strict {
    ($(#[$doc:meta])* $name:ident, $sql:ty, $rust:ty, $classes:pat, $expected:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, FromSqlRow)]
        pub struct $name(pub $rust);

        impl FromSql<$sql, Sqlite> for $name {
            fn from_sql(value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
                match value.value_type() {
                    $classes => <$rust as FromSql<$sql, Sqlite>>::from_sql(value).map(Self),
                    found => Err(unfit($expected, found)),
                }
            }

            // Diesel's own error for a null does not name the field.
            fn from_nullable_sql(value: Option<SqliteValue<'_, '_, '_>>) -> deserialize::Result<Self> {
                value.map_or_else(|| Err(unfit($expected, None)), Self::from_sql)
            }
        }

        impl From<$name> for $rust {
            fn from(value: $name) -> Self {
                value.0
            }
        }
    };
}
strict!(
    /// A value of storage class integer.
    StrictInteger, BigInt, i64, Some(SqliteType::Integer | SqliteType::SmallInt | SqliteType::Long), "integer"
);
strict!(
    /// A value of storage class real.
    StrictReal, Double, f64, Some(SqliteType::Float | SqliteType::Double), "real"
);
strict!(
    /// A value of storage class text.
    StrictText, Text, String, Some(SqliteType::Text), "text"
);

/// A value of storage class text, or null.
#[derive(Debug, Clone, PartialEq, FromSqlRow)]
pub struct StrictOptionalText(pub Option<String>);

impl FromSql<Nullable<Text>, Sqlite> for StrictOptionalText {
    fn from_sql(value: SqliteValue<'_, '_, '_>) -> deserialize::Result<Self> {
        <StrictText as FromSql<Text, Sqlite>>::from_sql(value).map(|text| Self(Some(text.0)))
    }

    fn from_nullable_sql(value: Option<SqliteValue<'_, '_, '_>>) -> deserialize::Result<Self> {
        value.map_or(Ok(Self(None)), Self::from_sql)
    }
}

impl From<StrictOptionalText> for Option<String> {
    fn from(value: StrictOptionalText) -> Self {
        value.0
    }
}

fn unfit(expected: &str, found: Option<SqliteType>) -> Box<dyn std::error::Error + Send + Sync> {
    let found = match found {
        None => "null",
        Some(SqliteType::Text) => "text",
        Some(SqliteType::Binary) => "blob",
        Some(SqliteType::Float | SqliteType::Double) => "real",
        Some(SqliteType::Integer | SqliteType::SmallInt | SqliteType::Long) => "integer",
    };
    format!("expected {expected}, found {found}").into()
}
