//! What the databases' dialects of SQL write differently.

use med_schema::ValueType;

use crate::builder::Decimal;
use crate::source::CursorValue;

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

    /// A value to compare a column of this type with. It has no type of its own, so that the column's decides.
    pub(crate) fn literal(self, value: &CursorValue, value_type: Option<ValueType>) -> String {
        match value {
            CursorValue::Integer(number) => number.to_string(),
            CursorValue::Text(text) => {
                let number = matches!(value_type, Some(ValueType::Integer | ValueType::Float));
                if let Some(decimal) = Decimal::parse(text).filter(|_| number) {
                    return decimal.to_string();
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
            #[cfg(any(feature = "sqlite", feature = "postgres"))]
            _ => format!("'{}'", text.replace('\'', "''")),
        }
    }

    /// A column as it can be kept in a watermark: an integer, or text that compares as the column does when it is written as a literal.
    pub(crate) fn cursor(self, name: &str, value_type: Option<ValueType>) -> String {
        let column = self.quoted(name);
        match self {
            _ if value_type == Some(ValueType::Integer) => column,
            #[cfg(feature = "sqlite")]
            Self::Sqlite => column,
            #[cfg(feature = "postgres")]
            Self::Postgres => format!("CAST({column} AS text)"),
            #[cfg(feature = "mysql")]
            Self::Mysql => format!("CAST({column} AS CHAR)"),
        }
    }

    /// That the tuple of these columns comes after the tuple of these values.
    pub(crate) fn after(self, columns: &[Cursor<'_>], values: &[CursorValue]) -> String {
        let terms: Vec<(String, String)> = columns
            .iter()
            .zip(values)
            .map(|(column, value)| (self.quoted(column.name), self.literal(value, column.value_type)))
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
    #[cfg(any(feature = "sqlite", feature = "mysql"))]
    use super::*;

    #[cfg(feature = "sqlite")]
    #[test]
    fn names_and_literals_cannot_be_left() {
        let dialect = Dialect::Sqlite;
        assert_eq!(dialect.quoted(r#"a"; DROP TABLE b; --"#), r#""a""; DROP TABLE b; --""#);
        assert_eq!(dialect.literal(&CursorValue::Text("o'; --".into()), None), "'o''; --'");
        assert_eq!(dialect.literal(&CursorValue::Text("1.50".into()), Some(ValueType::Float)), "1.50");
        assert_eq!(dialect.literal(&CursorValue::Text("1 OR 1".into()), Some(ValueType::Float)), "'1 OR 1'");
    }

    #[cfg(feature = "mysql")]
    #[test]
    fn mysql_has_its_own_quotes() {
        let dialect = Dialect::Mysql;
        assert_eq!(dialect.quoted("a`b"), "`a``b`");
        assert_eq!(dialect.literal(&CursorValue::Text("'\\".into()), None), "_utf8mb4 X'275C'");
        let columns = [Cursor { name: "a", value_type: None }, Cursor { name: "b", value_type: None }];
        let values = [CursorValue::Integer(1), CursorValue::Integer(2)];
        assert_eq!(dialect.after(&columns, &values), "(`a` >= 1 AND (`a` > 1 OR `b` > 2))");
    }
}
