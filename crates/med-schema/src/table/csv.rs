//! CSV in and out. Types are read off all values of a column, never off the first rows.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read};
use std::path::Path;

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use polars::prelude::{
    BooleanChunked, Column as PolarsColumn, DataFrame, DataType, Float64Chunked, Int32Chunked, Int64Chunked,
    IntoColumn, IntoSeries, NewChunkedArray, PlSmallStr, StringChunkedBuilder,
};

use super::{Table, TableError, data_type};
use crate::{ColumnPatch, ValueType};

/// How a CSV file is read. The columns' patches apply to Parquet too.
///
/// An empty field is missing. `NA`, `None` and the like are text unless they are in `null_values`. Line ends may be CR, LF or CRLF, a
/// byte-order mark and a missing last newline are fine, blank lines are skipped. Floats are read exactly.
///
/// A column is boolean, integer, float, date (`2024-01-31`) or timestamp (RFC 3339, or without a zone) if all its fields are;
/// else it is text. Numbers with leading zeros are codes and stay text, and so do integers beyond 64 bits.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CsvOptions {
    /// Further texts that mean a missing value.
    pub null_values: Vec<String>,
    /// What a schema file says of the columns.
    pub columns: Vec<ColumnPatch>,
}

/// The fields of one column, one after the other.
#[derive(Default)]
struct Fields {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Fields {
    fn push(&mut self, field: &[u8]) {
        self.bytes.extend_from_slice(field);
        self.ends.push(self.bytes.len());
    }
}

/// One column's fields as text, `None` where missing.
struct Texts<'a> {
    text: &'a str,
    ends: &'a [usize],
    null_values: &'a [String],
}

impl<'a> Texts<'a> {
    fn iter(&self) -> impl Iterator<Item = Option<&'a str>> + use<'a, '_> {
        let mut start = 0;
        self.ends.iter().map(move |&end| {
            let field = &self.text[start..end];
            start = end;
            (!field.is_empty() && !self.null_values.iter().any(|n| n == field)).then_some(field)
        })
    }

    fn all(&self, accept: impl Fn(&str) -> bool) -> bool {
        self.iter().flatten().all(accept)
    }
}

pub(super) fn read(path: &Path, options: &CsvOptions) -> Result<DataFrame, TableError> {
    let io = |source| TableError::Io { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    File::open(path).map_err(io)?.read_to_end(&mut bytes).map_err(io)?;
    parse(&bytes, path, options)
}

pub(super) fn names(path: &Path) -> Result<Vec<String>, TableError> {
    let file = File::open(path).map_err(|source| TableError::Io { path: path.to_owned(), source })?;
    let mut reader = csv::ReaderBuilder::new().has_headers(true).from_reader(BufReader::new(file));
    let headers = reader.headers().map_err(|e| TableError::Csv { path: path.to_owned(), reason: e.to_string() })?;
    Ok(headers.iter().map(|name| name.trim_start_matches('\u{feff}').to_owned()).collect())
}

pub(super) fn parse(bytes: &[u8], path: &Path, options: &CsvOptions) -> Result<DataFrame, TableError> {
    let wrong = |reason: String| TableError::Csv { path: path.to_owned(), reason };
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = csv::ReaderBuilder::new().has_headers(true).from_reader(bytes);
    let names: Vec<String> = reader.headers().map_err(|e| wrong(e.to_string()))?.iter().map(str::to_owned).collect();
    if names.is_empty() || names.iter().all(String::is_empty) {
        return Err(wrong("expected a first line with the names of the columns, found none".to_owned()));
    }
    if let Some((i, name)) = names.iter().enumerate().find(|(i, name)| names[..*i].contains(name)) {
        return Err(wrong(format!("two columns are named {name:?}, the second is column {}", i + 1)));
    }
    let mut columns: Vec<Fields> = names.iter().map(|_| Fields::default()).collect();
    let mut lines = Vec::new();
    let mut record = csv::ByteRecord::new();
    while reader.read_byte_record(&mut record).map_err(|e| wrong(ragged(bytes, &e)))? {
        lines.push(record.position().map_or(0, |at| line_of(bytes, at)));
        columns.iter_mut().zip(&record).for_each(|(column, field)| column.push(field));
    }
    let mut built = Vec::with_capacity(columns.len());
    for (name, fields) in names.iter().zip(columns) {
        let text = std::str::from_utf8(&fields.bytes).map_err(|e| {
            let row = fields.ends.partition_point(|&end| end <= e.valid_up_to());
            let line = lines.get(row).copied().unwrap_or(0);
            wrong(format!("column {name:?}, line {line}: the field is not UTF-8"))
        })?;
        // A field boundary inside a character would be invalid UTF-8 on both sides, but valid joined.
        if let Some(row) = fields.ends.iter().position(|&end| !text.is_char_boundary(end)) {
            return Err(wrong(format!("column {name:?}, line {}: the field is not UTF-8", lines[row])));
        }
        let texts = Texts { text, ends: &fields.ends, null_values: &options.null_values };
        let wanted = options.columns.iter().find(|p| p.name == *name).and_then(|patch| wanted_type(patch, &texts));
        let held = wanted.unwrap_or_else(|| narrowest(&texts));
        let column = build(name.as_str().into(), &texts, held).map_err(|row| TableError::Field {
            path: path.to_owned(),
            column: name.clone(),
            line: lines.get(row).copied().unwrap_or(0),
            expected: held.to_string(),
        })?;
        built.push(column);
    }
    Ok(DataFrame::new(lines.len(), built)?)
}

/// The line a record starts on, from 1. Where lines end in CR and LF the reader stands between the two and has not
/// counted the LF yet.
fn line_of(bytes: &[u8], at: &csv::Position) -> u64 {
    let between = usize::try_from(at.byte()).ok().and_then(|b| bytes.get(b)).is_some_and(|&b| b == b'\n');
    at.line() + u64::from(between)
}

fn ragged(bytes: &[u8], error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { pos, expected_len, len } => {
            let line = pos.as_ref().map_or(0, |at| line_of(bytes, at));
            format!("line {line}: expected {expected_len} fields as in the first line, found {len}")
        }
        _ => error.to_string(),
    }
}

/// The type a patch asks for: its own, or the first that its kind allows if the fields' own type does not do.
fn wanted_type(patch: &ColumnPatch, texts: &Texts<'_>) -> Option<ValueType> {
    patch.value_type.or_else(|| {
        let types = patch.kind?.types();
        let own = narrowest(texts);
        Some(if types.contains(&own) { own } else { types[0] })
    })
}

/// The narrowest type that all fields are of; text when there is none at all.
fn narrowest(texts: &Texts<'_>) -> ValueType {
    if texts.iter().flatten().next().is_none() {
        return ValueType::Text;
    }
    if texts.all(is_integer) {
        return if texts.all(|t| t.parse::<i64>().is_ok()) { ValueType::Integer } else { ValueType::Text };
    }
    // Infinities and NaN alone are words; among numbers they are numbers.
    if texts.all(|t| is_number(t) || is_special(t)) && texts.iter().flatten().any(is_number) {
        return ValueType::Float;
    }
    if texts.all(|t| boolean(t).is_some()) {
        return ValueType::Boolean;
    }
    if texts.all(|t| date(t).is_some()) {
        return ValueType::Date;
    }
    if texts.all(|t| timestamp(t).is_some()) {
        return ValueType::Timestamp;
    }
    ValueType::Text
}

fn build(name: PlSmallStr, texts: &Texts<'_>, held: ValueType) -> Result<PolarsColumn, usize> {
    /// Each field parsed, or the row of the first that is not of the type.
    fn parsed<T>(texts: &Texts<'_>, parse: impl Fn(&str) -> Option<T>) -> Result<Vec<Option<T>>, usize> {
        texts.iter().enumerate().map(|(row, field)| field.map(|t| parse(t).ok_or(row)).transpose()).collect()
    }
    let series = match held {
        ValueType::Integer => {
            Int64Chunked::from_iter_options(name, parsed(texts, |t| t.parse().ok())?.into_iter()).into_series()
        }
        ValueType::Float => {
            let float = |t: &str| if is_integer(t) || is_number(t) || is_special(t) { t.parse().ok() } else { None };
            Float64Chunked::from_iter_options(name, parsed(texts, float)?.into_iter()).into_series()
        }
        ValueType::Boolean => {
            BooleanChunked::from_iter_options(name, parsed(texts, boolean)?.into_iter()).into_series()
        }
        ValueType::Date => {
            let days = Int32Chunked::from_iter_options(name, parsed(texts, date)?.into_iter()).into_series();
            days.cast(&DataType::Date).map_err(|_| 0_usize)?
        }
        ValueType::Timestamp => {
            let micros = Int64Chunked::from_iter_options(name, parsed(texts, timestamp)?.into_iter()).into_series();
            micros.cast(&data_type(held)).map_err(|_| 0_usize)?
        }
        ValueType::Text => {
            let mut builder = StringChunkedBuilder::new(name, texts.ends.len());
            texts.iter().for_each(|t| builder.append_option(t));
            builder.finish().into_series()
        }
    };
    Ok(series.into_column())
}

/// An optional sign and digits, without leading zeros.
pub(super) fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) && (digits.len() == 1 || !digits.starts_with('0'))
}

/// A decimal number, with or without point and exponent, without needless leading zeros.
pub(super) fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    digits(whole)
        && digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && !(whole.len() > 1 && whole.starts_with('0'))
        && exponent.is_none_or(|e| !e.is_empty() && digits(e))
}

/// The words for what is no finite number.
pub(super) fn is_special(text: &str) -> bool {
    let word = text.strip_prefix(['-', '+']).unwrap_or(text);
    ["inf", "infinity", "nan"].iter().any(|w| word.eq_ignore_ascii_case(w))
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

/// Days since 1970-01-01.
fn date(text: &str) -> Option<i32> {
    if text.len() != 10 {
        return None;
    }
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    i32::try_from(day.signed_duration_since(NaiveDate::default()).num_days()).ok()
}

/// Microseconds since 1970-01-01T00:00:00Z.
fn timestamp(text: &str) -> Option<i64> {
    if text.len() < 16 || !text.as_bytes()[0].is_ascii_digit() {
        return None;
    }
    if let Ok(zoned) = DateTime::parse_from_rfc3339(text) {
        return Some(zoned.timestamp_micros());
    }
    ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"]
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
        .map(|moment| moment.and_utc().timestamp_micros())
}

pub(super) fn write(path: &Path, table: &Table) -> Result<u64, TableError> {
    super::whole::write(path, |file| {
        let wrong = |e: csv::Error| TableError::Csv { path: path.to_owned(), reason: e.to_string() };
        let mut writer = csv::Writer::from_writer(BufWriter::new(file));
        writer.write_record(table.schema().names()).map_err(wrong)?;
        let columns = table.texts()?;
        for row in 0..table.n_rows() {
            writer.write_record(columns.iter().map(|c| c[row].as_str())).map_err(wrong)?;
        }
        writer.flush().map_err(|source| TableError::Io { path: path.to_owned(), source })
    })
}

impl Table {
    /// Every column as the texts a CSV file holds: floats in their shortest exact form, moments in RFC 3339, missing empty.
    fn texts(&self) -> Result<Vec<Vec<String>>, TableError> {
        fn text<T>(values: impl Iterator<Item = Option<T>>, form: impl Fn(T) -> String) -> Vec<String> {
            values.map(|v| v.map_or_else(String::new, &form)).collect()
        }
        let mut columns = Vec::with_capacity(self.schema().len());
        for (spec, column) in self.schema().columns().iter().zip(self.frame().columns()) {
            let physical = column.as_materialized_series().to_physical_repr();
            columns.push(match spec.value_type {
                ValueType::Boolean => text(physical.bool()?.iter(), |v| v.to_string()),
                ValueType::Integer => text(physical.i64()?.iter(), |v| v.to_string()),
                ValueType::Float => {
                    text(physical.f64()?.iter(), |v| if v.is_nan() { String::new() } else { format!("{v:?}") })
                }
                ValueType::Text => text(physical.str()?.iter(), str::to_owned),
                ValueType::Date => text(physical.i32()?.iter(), |v| {
                    NaiveDate::default()
                        .checked_add_signed(chrono::TimeDelta::days(i64::from(v)))
                        .map_or_else(String::new, |d| d.to_string())
                }),
                ValueType::Timestamp => text(physical.i64()?.iter(), |v| {
                    DateTime::from_timestamp_micros(v)
                        .map_or_else(String::new, |t| t.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
                }),
            });
        }
        Ok(columns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kind, Role};

    fn table(text: &str) -> Table {
        Table::from_csv(text.as_bytes(), &CsvOptions::default()).unwrap()
    }

    fn types(text: &str) -> Vec<ValueType> {
        table(text).schema().columns().iter().map(|c| c.value_type).collect()
    }

    #[test]
    fn line_ends_marks_and_last_lines_do_not_matter() {
        let plain = table("a,b\n1,x\n2,y\n");
        for other in ["a,b\r\n1,x\r\n2,y\r\n", "a,b\r1,x\r2,y", "\u{feff}a,b\n1,x\n2,y", "a,b\n\n1,x\n2,y\n\n"] {
            assert_eq!(table(other).fingerprint().unwrap(), plain.fingerprint().unwrap(), "{other:?}");
        }
    }

    #[test]
    fn types_follow_all_values() {
        use ValueType::{Boolean, Date, Float, Integer, Text, Timestamp};
        let text = "i,f,b,d,t,s,zip,big,na\n1,1,true,2024-02-29,2024-01-01T00:00:00Z,x,01234,99999999999999999999,NA\n\
                    -2,.5e3,false,2023-01-01,2024-01-01 10:00,1,10000,1,1\n";
        assert_eq!(types(text), [Integer, Float, Boolean, Date, Timestamp, Text, Text, Text, Text]);
        assert_eq!(types("x\n1.5\ninf\nnan\n"), [Float]);
        assert_eq!(types("x,y\nnan,inf\n"), [Text, Text]);
        assert_eq!(types("x,y\n,2023-02-30\n"), [Text, Text]);
    }

    #[test]
    fn floats_are_exact() {
        let table = table("x\n0.1\n1e-320\n123456789.12345679\n2.2250738585072011e-308\n");
        let x = table.numbers("x").unwrap();
        assert_eq!(x.as_slice(), [0.1, 1e-320, 123_456_789.123_456_79, 2.225_073_858_507_201e-308]);
    }

    #[test]
    fn missing_is_the_empty_field_and_what_is_named() {
        let nulls = |t: &Table, c: &str| t.frame().column(c).unwrap().null_count();
        let text = "a,b\n,NA\n1,x\n";
        assert_eq!((nulls(&table(text), "a"), nulls(&table(text), "b")), (1, 0));
        let options = CsvOptions { null_values: vec!["NA".to_owned()], ..CsvOptions::default() };
        assert_eq!(nulls(&Table::from_csv(text.as_bytes(), &options).unwrap(), "b"), 1);
    }

    #[test]
    fn errors_name_the_line() {
        let error = |bytes: &[u8], options: &CsvOptions| Table::from_csv(bytes, options).unwrap_err().to_string();
        let plain = CsvOptions::default();
        assert_eq!(
            error(b"a,b\n1,2\n3\n", &plain),
            "<memory>: line 3: expected 2 fields as in the first line, found 1"
        );
        let windows = error(b"a,b\r\n1,2\r\n3\r\n", &plain);
        assert_eq!(windows, "<memory>: line 3: expected 2 fields as in the first line, found 1");
        assert_eq!(error(b"a\nx\n\xff\n", &plain), "<memory>: column \"a\", line 3: the field is not UTF-8");
        assert!(error(b"", &plain).contains("names of the columns"));
        assert!(error(b"a,a\n1,2\n", &plain).contains("\"a\""));
        let columns =
            crate::Schema::patches_from_toml("[[columns]]\nname='a'\ntype='float'\nkind='continuous'").unwrap();
        let options = CsvOptions { columns, ..plain };
        assert_eq!(
            error(b"a\n1\nx\n", &options),
            "<memory>: column \"a\", line 3: the field is not float; a word for missing values has to be named as one (null values)"
        );
    }

    #[test]
    fn a_schema_file_overrides_what_is_inferred() {
        let columns = crate::Schema::patches_from_toml(
            "[[columns]]\nname='id'\nkind='count'\n[[columns]]\nname='code'\ntype='text'\nkind='nominal'",
        )
        .unwrap();
        let options = CsvOptions { columns, ..CsvOptions::default() };
        let table = Table::from_csv(b"id,code\n1,7\n2,7\n", &options).unwrap();
        let kinds: Vec<_> = table.schema().columns().iter().map(|c| (c.kind, c.role)).collect();
        assert_eq!(kinds, [(Kind::Count, Role::Feature), (Kind::Nominal, Role::Feature)]);
    }

    #[test]
    fn a_table_survives_csv() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        let text = "i,f,b,d,t,s\n1,0.1,true,2024-02-29,2024-01-01T00:00:00Z,\"a,\"\"b\"\n,,,,,\n2,-0,false,1969-12-31,1969-12-31T23:59:59.000001Z,ü\n";
        let table = table(text);
        assert!(table.write(&path).unwrap() > 0);
        assert_eq!(Table::column_names(&path).unwrap(), ["i", "f", "b", "d", "t", "s"]);
        let back = Table::read(&path, &CsvOptions::default()).unwrap();
        assert_eq!(back.fingerprint().unwrap(), table.fingerprint().unwrap());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no partial file stays");
    }
}
