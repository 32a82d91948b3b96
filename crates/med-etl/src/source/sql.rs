//! What the databases' dialects of SQL write differently.

use med_schema::ValueType;

use crate::builder::Decimal;
use crate::source::{CatalogueColumn, CursorValue, Order};

/// The SQL of one kind of database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    #[cfg(feature = "sqlite")]
    Sqlite,
    #[cfg(feature = "postgres")]
    Postgres,
    #[cfg(feature = "mysql")]
    Mysql,
}

impl Dialect {
    /// A name as an identifier that cannot be anything else.
    pub(crate) fn quoted(self, name: &str) -> String {
        match self {
            #[cfg(feature = "mysql")]
            Self::Mysql => format!("`{}`", name.replace('`', "``")),
            #[cfg(any(feature = "sqlite", feature = "postgres"))]
            _ => format!("\"{}\"", name.replace('"', "\"\"")),
        }
    }

    /// Names as a list of identifiers.
    #[cfg(any(feature = "sqlite", feature = "mysql"))]
    pub(crate) fn list<'a>(self, names: impl IntoIterator<Item = &'a str>) -> String {
        names.into_iter().map(|name| self.quoted(name)).collect::<Vec<_>>().join(", ")
    }

    /// A value to compare [`Dialect::compared`] with. It has no type of its own, so that the column's decides.
    pub(crate) fn literal(self, value: &CursorValue, column: &Cursor<'_>) -> String {
        match value {
            CursorValue::Integer(number) => number.to_string(),
            // A number without quotes would have a type: `numeric`, which is not what a `real` of the same digits is.
            #[cfg(feature = "postgres")]
            CursorValue::Text(text) if self == Self::Postgres => self.text(text),
            #[cfg(feature = "mysql")]
            CursorValue::Text(text) if column.order == Order::Bytes && digits(text).is_some() => {
                format!("X'{}'", digits(text).unwrap_or_default())
            }
            CursorValue::Text(text) => {
                let number = matches!(column.value_type, Some(ValueType::Integer | ValueType::Float));
                if let Some(decimal) = Decimal::parse(text).filter(|_| number) {
                    // With an exponent it is a double, which a decimal of so many digits is not.
                    let double = text.contains(['e', 'E'])
                        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
                    return if double { text.clone() } else { decimal.to_string() };
                }
                self.text(text)
            }
        }
    }

    /// A text as a literal that cannot be anything else.
    pub(crate) fn text(self, text: &str) -> String {
        match self {
            // Quotes and backslashes depend on the session's mode; hexadecimal digits do not.
            #[cfg(feature = "mysql")]
            Self::Mysql => {
                let digits: String = text.bytes().map(|byte| format!("{byte:02X}")).collect();
                format!("_utf8mb4 X'{digits}'")
            }
            // What a backslash is depends on the server's settings, but not in a literal of this kind.
            #[cfg(feature = "postgres")]
            Self::Postgres if text.contains('\\') => {
                format!(" E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
            }
            #[cfg(any(feature = "sqlite", feature = "postgres"))]
            _ => format!("'{}'", text.replace('\'', "''")),
        }
    }

    /// A column as it can be kept in a watermark: an integer, or text that compares as the column does when it is written as a literal.
    pub(crate) fn cursor(self, cursor: &Cursor<'_>) -> String {
        let column = self.quoted(cursor.name);
        match self {
            #[cfg(feature = "mysql")]
            Self::Mysql if cursor.order == Order::Number => format!("CAST({column} + 0 AS UNSIGNED)"),
            #[cfg(feature = "mysql")]
            Self::Mysql if cursor.order == Order::Bytes => format!("CONCAT('{DIGITS}', HEX({column}))"),
            #[cfg(feature = "mysql")]
            Self::Mysql if cursor.order == Order::Double => format!("CAST({column} + 0e0 AS CHAR)"),
            _ if cursor.value_type == Some(ValueType::Integer) => column,
            #[cfg(feature = "sqlite")]
            Self::Sqlite => column,
            #[cfg(feature = "postgres")]
            Self::Postgres => format!("CAST({column} AS text)"),
            #[cfg(feature = "mysql")]
            Self::Mysql => format!("CAST({column} AS CHAR)"),
        }
    }

    /// A column as it is compared with a literal: in the way that rows are ordered by it.
    pub(crate) fn compared(self, cursor: &Cursor<'_>) -> String {
        let column = self.quoted(cursor.name);
        if cursor.order == Order::Number { format!("({column} + 0)") } else { column }
    }

    /// That the tuple of these columns comes after the tuple of these values.
    pub(crate) fn after(self, columns: &[Cursor<'_>], values: &[CursorValue]) -> String {
        let terms: Vec<(String, String)> = columns
            .iter()
            .zip(values)
            .map(|(column, value)| (self.compared(column), self.literal(value, column)))
            .collect();
        if let [(column, value)] = &terms[..] {
            return format!("{column} > {value}");
        }
        #[cfg(feature = "mysql")]
        if self == Self::Mysql {
            return expanded(&terms);
        }
        let (columns, values): (Vec<&str>, Vec<&str>) = terms.iter().map(|(c, v)| (c.as_str(), v.as_str())).unzip();
        format!("({}) > ({})", columns.join(", "), values.join(", "))
    }
}

/// The row comparison in a form whose first part MySQL can look up in an index.
#[cfg(feature = "mysql")]
fn expanded(terms: &[(String, String)]) -> String {
    let Some(((column, value), rest)) = terms.split_first() else { return "TRUE".to_owned() };
    if rest.is_empty() {
        return format!("{column} > {value}");
    }
    format!("({column} >= {value} AND ({column} > {value} OR {}))", expanded(rest))
}

/// A column to order by and to compare.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'a> {
    pub(crate) name: &'a str,
    pub(crate) value_type: Option<ValueType>,
    pub(crate) order: Order,
}

impl<'a> Cursor<'a> {
    /// The column of this name.
    pub(crate) fn of(name: &'a str, columns: &[CatalogueColumn]) -> Self {
        let column = columns.iter().find(|c| c.name == name);
        let order = column.map(|c| c.order).unwrap_or_default();
        Self { name, value_type: column.and_then(|c| c.value_type), order }
    }
}

/// What stands before the hexadecimal digits of bytes in a watermark.
#[cfg(feature = "mysql")]
const DIGITS: &str = "0x";

/// The hexadecimal digits of bytes in a watermark, and nothing of any other text.
#[cfg(feature = "mysql")]
fn digits(text: &str) -> Option<&str> {
    text.strip_prefix(DIGITS).filter(|d| d.len() % 2 == 0 && d.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// The text of a query without what may stand behind its end.
pub(crate) fn one_statement(query: &str) -> &str {
    query.trim_end_matches(|c: char| c.is_whitespace() || c == ';')
}

/// A query as a table of that name. The line ends keep a comment at its end from reaching further.
pub(crate) fn as_table(query: &str) -> String {
    format!("(\n{}\n) AS med_etl_query", one_statement(query))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(value_type: Option<ValueType>) -> Cursor<'static> {
        Cursor { name: "a", value_type, order: Order::Value }
    }

    #[cfg(feature = "sqlite")]
    #[test]
    fn names_and_literals_cannot_be_left() {
        let dialect = Dialect::Sqlite;
        assert_eq!(dialect.quoted(r#"a"; DROP TABLE b; --"#), r#""a""; DROP TABLE b; --""#);
        assert_eq!(dialect.literal(&CursorValue::Text("o'; --".into()), &column(None)), "'o''; --'");
        assert_eq!(dialect.literal(&CursorValue::Text("1.50".into()), &column(Some(ValueType::Float))), "1.50");
        assert_eq!(dialect.literal(&CursorValue::Text("1 OR 1".into()), &column(Some(ValueType::Float))), "'1 OR 1'");
    }

    #[cfg(feature = "mysql")]
    #[test]
    fn mysql_has_its_own_quotes() {
        let dialect = Dialect::Mysql;
        assert_eq!(dialect.quoted("a`b"), "`a``b`");
        assert_eq!(dialect.literal(&CursorValue::Text("'\\".into()), &column(None)), "_utf8mb4 X'275C'");
        let columns = [Cursor { name: "a", ..column(None) }, Cursor { name: "b", ..column(None) }];
        let values = [CursorValue::Integer(1), CursorValue::Integer(2)];
        assert_eq!(dialect.after(&columns, &values), "(`a` >= 1 AND (`a` > 1 OR `b` > 2))");
    }

    #[cfg(feature = "mysql")]
    #[test]
    fn mysql_compares_a_column_by_what_orders_it() {
        let dialect = Dialect::Mysql;
        let bytes = Cursor { order: Order::Bytes, ..column(Some(ValueType::Text)) };
        assert_eq!(dialect.literal(&CursorValue::Text("0x00FF".into()), &bytes), "X'00FF'");
        assert_eq!(dialect.literal(&CursorValue::Text("0x0".into()), &bytes), "_utf8mb4 X'307830'", "no bytes");
        assert_eq!(dialect.literal(&CursorValue::Text("0x00FF".into()), &column(None)), "_utf8mb4 X'307830304646'");
        let member = Cursor { order: Order::Number, ..column(Some(ValueType::Text)) };
        assert_eq!(dialect.cursor(&member), "CAST(`a` + 0 AS UNSIGNED)");
        assert_eq!(dialect.after(&[member], &[CursorValue::Integer(2)]), "(`a` + 0) > 2");
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn postgres_literals_mean_the_same_under_any_setting() {
        let dialect = Dialect::Postgres;
        assert_eq!(dialect.text(r"\' OR true --"), r" E'\\'' OR true --'");
        assert_eq!(dialect.literal(&CursorValue::Text("0.1".into()), &column(Some(ValueType::Float))), "'0.1'");
    }
}
