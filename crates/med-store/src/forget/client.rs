//! How a client is recognised: in the rows of a table by the key, in anything else by the text of it.

use arrow_array::{Array, RecordBatch, make_array};
use polars::prelude::{DataFrame, DataType};
use serde_json::Value;

use crate::filter::Value as Part;
use crate::{Result, StoreError};

/// One client.
pub(super) struct Client {
    /// Column of the key, and its value as text.
    key: Vec<(String, String)>,
    /// What its key looks like in a text.
    texts: Vec<Pattern>,
    /// The parts of its key that are numbers.
    numbers: Vec<i64>,
}

#[derive(Debug, PartialEq)]
struct Pattern {
    text: String,
    /// Whether what stands before and after must not be part of a word.
    alone: bool,
}

impl Client {
    pub(super) fn new(columns: &[String], values: &[Part]) -> Self {
        let mut client = Self { key: Vec::new(), texts: Vec::new(), numbers: Vec::new() };
        for (column, value) in columns.iter().zip(values) {
            let text = match value {
                Part::Text(text) => text.clone(),
                Part::Date(day) => day.to_string(),
                other => other.number().map_or_else(|| format!("{other:?}"), |number| number.to_string()),
            };
            match value {
                // As it is, and as it stands in a document and in a document within a document.
                Part::Text(_) if !text.is_empty() => {
                    let quoted = |text: &str| {
                        let json = Value::from(text).to_string();
                        json[1..json.len() - 1].to_owned()
                    };
                    let mut shapes = vec![text.clone(), quoted(&text), quoted(&quoted(&text))];
                    shapes.dedup();
                    client.texts.extend(shapes.into_iter().map(|text| Pattern { text, alone: true }));
                }
                // A number by itself is anything; beside the name of its column it is the key.
                Part::Integer(number) => {
                    client.numbers.push(*number);
                    for quote in ["\"", "\\\""] {
                        client.texts.push(Pattern { text: format!("{column}{quote}:{text}"), alone: true });
                    }
                }
                _ => {}
            }
            client.key.push((column.clone(), text));
        }
        client
    }

    /// The columns of the key.
    pub(super) fn columns(&self) -> Vec<&str> {
        self.key.iter().map(|(column, _)| column.as_str()).collect()
    }

    /// Which rows are the client's; `None` when the table lacks a column of the key.
    pub(super) fn rows(&self, frame: &DataFrame) -> Result<Option<Vec<bool>>> {
        let mut hits = vec![true; frame.height()];
        for (column, value) in &self.key {
            let Ok(found) = frame.column(column) else { return Ok(None) };
            let failed =
                |e: polars::prelude::PolarsError| StoreError::Convert { what: column.clone(), source: e.into() };
            let text = found.cast(&DataType::String).map_err(failed)?;
            for (hit, cell) in hits.iter_mut().zip(text.str().map_err(failed)?.iter()) {
                *hit &= cell == Some(value);
            }
        }
        Ok(Some(hits))
    }

    /// Whether the key stands in these bytes.
    pub(super) fn is_in(&self, bytes: &[u8]) -> bool {
        self.texts.iter().any(|pattern| pattern.is_in(bytes, pattern.alone))
    }

    /// Whether the key stands in a watermark: beside its column's name, or as a number or text by itself, since a watermark holds the names
    /// of columns in one list and the last values read in another.
    pub(super) fn is_in_watermark(&self, value: &Value) -> bool {
        match value {
            Value::Number(number) => self.numbers.iter().any(|wanted| number.as_i64() == Some(*wanted)),
            // A number that a database writes as text.
            Value::String(text) => self.numbers.iter().any(|wanted| *text == wanted.to_string()),
            Value::Array(values) => values.iter().any(|value| self.is_in_watermark(value)),
            // How far reading goes back is no key.
            Value::Object(fields) => fields.iter().any(|(name, value)| name != "lag" && self.is_in_watermark(value)),
            Value::Null | Value::Bool(_) => false,
        }
    }

    /// Whether the key stands in a text of these rows, however deep. Texts lie there without anything between them.
    pub(super) fn is_in_texts(&self, rows: &RecordBatch) -> bool {
        rows.columns().iter().any(|column| self.is_in_array(column))
    }

    fn is_in_array(&self, array: &dyn Array) -> bool {
        let array = array.to_data();
        array.buffers().iter().any(|buffer| self.texts.iter().any(|pattern| pattern.is_in(buffer, false)))
            || array.child_data().iter().any(|child| self.is_in_array(&*make_array(child.clone())))
    }
}

impl Pattern {
    fn is_in(&self, bytes: &[u8], alone: bool) -> bool {
        let wanted = self.text.as_bytes();
        let word = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        bytes.windows(wanted.len()).enumerate().any(|(at, window)| {
            window == wanted
                && !(alone
                    && (at.checked_sub(1).is_some_and(|before| word(bytes.get(before)))
                        || word(bytes.get(at + wanted.len()))))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::prelude::{Column, DataFrame};

    #[test]
    fn a_key_is_found_as_a_word_and_in_documents() {
        let client = Client::new(&["id".to_owned()], &[Part::from("c-1\"x")]);
        for text in [r#"c-1"x"#, r#"{"id":"c-1\"x"}"#, r#"{"stats":"{\"id\":\"c-1\\\"x\"}"}"#] {
            assert!(client.is_in(text.as_bytes()), "{text}");
        }
        let client = Client::new(&["id".to_owned()], &[Part::from("c-1")]);
        assert!(!client.is_in(b"c-10") && !client.is_in(b"abc-1") && client.is_in(b"(c-1)"));
        let number = Client::new(&["id".to_owned()], &[Part::from(42_i64)]);
        assert!(number.is_in(br#"{"id":42}"#) && number.is_in(br#"{\"id\":42,"#));
        assert!(!number.is_in(br#"{"id":421}"#) && !number.is_in(b"42"));
    }

    #[test]
    fn a_number_is_found_in_a_watermark() {
        let read_up_to = |key: Value| {
            let since = serde_json::json!({"cursor": "2024-01-01 09:00:00", "key": [key]});
            serde_json::json!({"cursor": "updated_at", "key": ["id"], "lag": 42, "null_cursor": "fail", "since": since})
        };
        let number = Client::new(&["id".to_owned()], &[Part::from(42_i64)]);
        assert!(number.is_in_watermark(&read_up_to(42.into())) && number.is_in_watermark(&read_up_to("42".into())));
        for other in [Value::from(421), Value::from("142"), Value::from(4.2), Value::Null] {
            assert!(!number.is_in_watermark(&read_up_to(other)));
        }
        let text = Client::new(&["id".to_owned()], &[Part::from("42")]);
        assert!(!text.is_in_watermark(&read_up_to(42.into())), "a text is found as a text");
    }

    #[test]
    fn rows_are_found_by_the_text_of_their_key() {
        let frame = |column: Column| DataFrame::new(column.len(), vec![column]).unwrap();
        let number = Client::new(&["id".to_owned()], &[Part::from(42_i64)]);
        let rows = number.rows(&frame(Column::new("id".into(), [Some(41_i64), Some(42), None]))).unwrap();
        assert_eq!(rows, Some(vec![false, true, false]));
        let rows = number.rows(&frame(Column::new("id".into(), ["42", "x42"]))).unwrap();
        assert_eq!(rows, Some(vec![true, false]), "in quarantine a number may be a text");
        assert_eq!(number.rows(&frame(Column::new("other".into(), [42_i64]))).unwrap(), None);
    }
}
