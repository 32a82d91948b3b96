//! CSV files in batches: the columns asked for, as they are written.
//!
//! Nothing is guessed of a field: codes keep their zeros and amounts their digits, and what reads the batches knows what they are.
//! Memory is that of one batch, whatever the size of the file; O(bytes).

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use polars::prelude::{Column, DataFrame, IntoColumn, StringChunkedBuilder};

use crate::EtlError;

/// Rows of a batch.
const ROWS: usize = 1 << 16;
const MARK: &[u8] = b"\xef\xbb\xbf";

/// The rows of a CSV file, batch by batch, with the columns asked for as text.
///
/// | parameter | meaning | default |
/// | --- | --- | --- |
/// | `delimiter` | what stands between fields, one byte | `,` |
/// | `null_values` | texts that mean a missing value, besides the empty field | none |
///
/// Lines end in LF, CRLF or CR; a byte-order mark and blank lines are passed over; fields may be quoted. A line with another number of
/// fields than the first one is an error.
#[derive(Debug)]
pub struct CsvBatches {
    path: PathBuf,
    reader: csv::Reader<BufReader<File>>,
    names: Vec<String>,
    /// Columns asked for: their places in a line, in the order asked.
    places: Vec<usize>,
    null_values: Vec<Vec<u8>>,
    /// Lines end in CR and LF, of which the reader has not counted the LF when it tells the line.
    crlf: bool,
    done: bool,
}

impl CsvBatches {
    /// Opens a file with commas between its fields. Columns that are not there are passed over: [`CsvBatches::names`] are those that are.
    ///
    /// # Errors
    /// When the file cannot be read, has no line with names, or two columns have the name of one that is asked for.
    pub fn open(path: impl AsRef<Path>, columns: &[&str]) -> Result<Self, EtlError> {
        Self::with_delimiter(path, columns, b',')
    }

    /// Opens a file with this byte between its fields.
    ///
    /// # Errors
    /// As [`CsvBatches::open`].
    pub fn with_delimiter(path: impl AsRef<Path>, columns: &[&str], delimiter: u8) -> Result<Self, EtlError> {
        let path = path.as_ref().to_owned();
        let wrong = |reason: String| EtlError::Csv { path: path.clone(), reason };
        let mut input = BufReader::with_capacity(1 << 18, File::open(&path).map_err(|e| wrong(e.to_string()))?);
        let start = input.fill_buf().map_err(|e| wrong(e.to_string()))?;
        let end = start.iter().position(|&b| b == b'\n').unwrap_or(0);
        let crlf = end > 0 && start[end - 1] == b'\r';
        if start.starts_with(MARK) {
            input.consume(MARK.len());
        }
        let mut reader = csv::ReaderBuilder::new().has_headers(true).delimiter(delimiter).from_reader(input);
        let names: Vec<String> =
            reader.headers().map_err(|e| wrong(e.to_string()))?.iter().map(str::to_owned).collect();
        if names.iter().all(String::is_empty) {
            return Err(wrong("expected a first line with the names of the columns, found none".to_owned()));
        }
        let mut places = Vec::with_capacity(columns.len());
        for column in columns {
            let mut found = names.iter().enumerate().filter(|(_, name)| name == column).map(|(place, _)| place);
            places.extend(found.next());
            if found.next().is_some() {
                return Err(wrong(format!("expected one column {column:?}, found two")));
            }
        }
        Ok(Self { path, reader, names, places, null_values: Vec::new(), crlf, done: false })
    }

    /// Texts that mean a missing value, besides the empty field.
    #[must_use]
    pub fn null_values<T: AsRef<str>>(mut self, texts: &[T]) -> Self {
        self.null_values = texts.iter().map(|text| text.as_ref().as_bytes().to_vec()).collect();
        self
    }

    /// The names of all columns of the file.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    fn wrong(&self, reason: String) -> EtlError {
        EtlError::Csv { path: self.path.clone(), reason }
    }

    /// The line on which a record starts, from 1.
    fn line(&self, at: Option<&csv::Position>) -> u64 {
        at.map_or(0, |at| at.line() + u64::from(self.crlf))
    }

    fn batch(&mut self) -> Result<Option<DataFrame>, EtlError> {
        let name = |&place: &usize| self.names[place].as_str().into();
        let mut builders: Vec<StringChunkedBuilder> =
            self.places.iter().map(|place| StringChunkedBuilder::new(name(place), ROWS)).collect();
        let mut record = csv::ByteRecord::new();
        let mut rows = 0;
        while rows < ROWS {
            match self.reader.read_byte_record(&mut record) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => return Err(self.wrong(self.told(&error))),
            }
            for (&place, builder) in self.places.iter().zip(&mut builders) {
                // A record has as many fields as the first line: the reader sees to it.
                let field = record.get(place).unwrap_or_default();
                if field.is_empty() || self.null_values.iter().any(|null| null == field) {
                    builder.append_null();
                    continue;
                }
                let Ok(text) = std::str::from_utf8(field) else {
                    let (name, line) = (&self.names[place], self.line(record.position()));
                    return Err(self.wrong(format!("column {name:?}, line {line}: the field is not UTF-8")));
                };
                builder.append_value(text);
            }
            rows += 1;
        }
        if rows == 0 {
            return Ok(None);
        }
        let columns: Vec<Column> = builders.into_iter().map(|b| b.finish().into_column()).collect();
        Ok(Some(DataFrame::new(rows, columns)?))
    }

    fn told(&self, error: &csv::Error) -> String {
        match error.kind() {
            csv::ErrorKind::UnequalLengths { pos, expected_len, len } => {
                let line = self.line(pos.as_ref());
                format!("line {line}: expected {expected_len} fields as in the first line, found {len}")
            }
            _ => error.to_string(),
        }
    }
}

impl Iterator for CsvBatches {
    type Item = Result<DataFrame, EtlError>;

    /// The next batch. After an error there is none.
    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let batch = self.batch().transpose();
        self.done = !matches!(batch, Some(Ok(_)));
        batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8], columns: &[&str], delimiter: u8) -> Result<Vec<DataFrame>, EtlError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        std::fs::write(&path, text).unwrap();
        CsvBatches::with_delimiter(&path, columns, delimiter)?.null_values(&["NULL"]).collect()
    }

    fn texts(frame: &DataFrame, column: &str) -> Vec<Option<String>> {
        frame.column(column).unwrap().str().unwrap().iter().map(|t| t.map(str::to_owned)).collect()
    }

    #[test]
    fn fields_stay_as_they_are_written() {
        let some = |text: &str| Some(text.to_owned());
        for text in [
            "id,x,cost\n007,a,1.50\n08,\"b,c\",NULL\n",
            "\u{feff}id,x,cost\r\n007,a,1.50\r\n\r\n08,\"b,c\",",
            "id,x,cost\r007,a,1.50\r08,\"b,c\",NULL",
        ] {
            let batches = read(text.as_bytes(), &["cost", "id", "not_there"], b',').unwrap();
            assert_eq!(batches.len(), 1);
            assert_eq!(batches[0].get_column_names(), ["cost", "id"], "{text:?}");
            assert_eq!(texts(&batches[0], "cost"), [some("1.50"), None], "{text:?}");
            assert_eq!(texts(&batches[0], "id"), [some("007"), some("08")]);
        }
        let batches = read(b"id;x\n1,5;2\n", &["id"], b';').unwrap();
        assert_eq!(texts(&batches[0], "id"), [some("1,5")]);
    }

    #[test]
    fn long_files_come_in_several_batches() {
        let mut text = "id\n".to_owned();
        (0..ROWS + 1).for_each(|row| text += &format!("{row}\n"));
        let heights: Vec<usize> = read(text.as_bytes(), &["id"], b',').unwrap().iter().map(DataFrame::height).collect();
        assert_eq!(heights, [ROWS, 1]);
        assert!(read(b"id\n", &["id"], b',').unwrap().is_empty());
    }

    #[test]
    fn errors_name_the_line() {
        let error = |text: &[u8]| read(text, &["b"], b',').unwrap_err().to_string();
        assert!(error(b"a,b\n1,2\n3\n").ends_with("t.csv: line 3: expected 2 fields as in the first line, found 1"));
        assert!(error(b"a,b\r\n1,2\r\n3\r\n").ends_with("line 3: expected 2 fields as in the first line, found 1"));
        assert!(error(b"a,b\n1,2\n3,\xff\n").ends_with("column \"b\", line 3: the field is not UTF-8"));
        assert!(error(b"a,b,b\n1,2,3\n").ends_with("expected one column \"b\", found two"));
        assert!(error(b"").contains("names of the columns"));
        assert!(read(b"a,a,b\n1,2,3\n", &["b"], b',').is_ok(), "columns that nobody wants may be alike");
    }
}
