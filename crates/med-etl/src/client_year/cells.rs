//! Cells of a frame read as what the configuration says they are, whatever type the frame holds them in.

use std::fmt::Write;

use chrono::{NaiveDate, NaiveDateTime};
use polars::prelude::*;

use super::ClientYearError;
use super::mapping::AmountUnit;
use super::money;
use super::window::{Day, day_of};
use crate::{MissingColumn, iso};

const MICROS_A_DAY: i64 = 86_400_000_000;

/// One column in one chunk.
pub(super) enum Cells {
    Text(StringChunked),
    Integer(Int64Chunked),
    Float(Float64Chunked),
    Boolean(BooleanChunked),
    Date(Int32Chunked),
    Micros(Int64Chunked),
}

/// A cell that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unreadable;

impl Cells {
    fn of(column: &Column) -> PolarsResult<Option<Self>> {
        let column = column.rechunk();
        Ok(Some(match column.dtype() {
            DataType::String => Self::Text(column.str()?.clone()),
            DataType::Null => Self::Text(column.cast(&DataType::String)?.str()?.clone()),
            DataType::Categorical(..) | DataType::Enum(..) => {
                Self::Text(column.cast(&DataType::String)?.str()?.clone())
            }
            d if d.is_integer() => Self::Integer(column.strict_cast(&DataType::Int64)?.i64()?.clone()),
            DataType::Float32 | DataType::Float64 => Self::Float(column.cast(&DataType::Float64)?.f64()?.clone()),
            DataType::Boolean => Self::Boolean(column.bool()?.clone()),
            DataType::Date => Self::Date(column.date()?.physical().clone()),
            DataType::Datetime(..) => {
                let micros = column.cast(&DataType::Datetime(TimeUnit::Microseconds, None))?;
                Self::Micros(micros.datetime()?.physical().clone())
            }
            _ => return Ok(None),
        }))
    }

    /// The cell as text; missing where it is null or, as text, nothing but blanks.
    pub(super) fn text<'a>(&'a self, row: usize, buffer: &'a mut String) -> Option<&'a str> {
        buffer.clear();
        // Writing to a string cannot fail.
        let _ = match self {
            Self::Text(c) => return c.get(row).map(str::trim).filter(|t| !t.is_empty()),
            Self::Integer(c) => write!(buffer, "{}", c.get(row)?),
            Self::Float(c) => write!(buffer, "{}", c.get(row)?),
            Self::Boolean(c) => write!(buffer, "{}", c.get(row)?),
            Self::Date(c) => write!(buffer, "{}", super::window::date_of(c.get(row)?)),
            Self::Micros(c) => write!(buffer, "{}", c.get(row)?),
        };
        Some(buffer)
    }

    /// The cell as a day; missing where it is null or blank.
    pub(super) fn day(&self, row: usize, format: Option<&str>, buffer: &mut String) -> Result<Option<Day>, Unreadable> {
        match self {
            Self::Date(c) => Ok(c.get(row)),
            Self::Micros(c) => c.get(row).map(day_of_micros).transpose(),
            Self::Float(_) | Self::Boolean(_) => Err(Unreadable),
            Self::Integer(_) if format.is_none() => Err(Unreadable),
            Self::Integer(_) | Self::Text(_) => {
                self.text(row, buffer).map(|t| day(t, format).ok_or(Unreadable)).transpose()
            }
        }
    }

    /// The cell as cents; missing where it is null or blank.
    pub(super) fn cents(&self, row: usize, unit: AmountUnit) -> Result<Option<i64>, Unreadable> {
        let cents = match self {
            Self::Integer(c) => c.get(row).map(|v| money::of_integer(v, unit)),
            Self::Float(c) => c.get(row).map(|v| money::of_float(v, unit)),
            Self::Text(c) => c.get(row).filter(|t| !t.trim().is_empty()).map(|t| money::parse(t, unit)),
            Self::Boolean(_) | Self::Date(_) | Self::Micros(_) => return Err(Unreadable),
        };
        cents.map(|c| c.ok_or(Unreadable)).transpose()
    }
}

fn day_of_micros(micros: i64) -> Result<Day, Unreadable> {
    Day::try_from(micros.div_euclid(MICROS_A_DAY)).map_err(|_| Unreadable)
}

/// The day of a text. Without a format it is ISO 8601: a day, or a moment, whose day in UTC counts.
fn day(text: &str, format: Option<&str>) -> Option<Day> {
    let Some(format) = format else {
        return iso::days(text).or_else(|| day_of_micros(iso::microseconds(text)?).ok());
    };
    let day = NaiveDate::parse_from_str(text, format).ok();
    let day = day.or_else(|| NaiveDateTime::parse_from_str(text, format).ok().map(|t| t.date()));
    // chrono takes no month for a day.
    let month = || NaiveDate::parse_from_str(&format!("{text} 01"), &format!("{format} %d")).ok();
    day.or_else(month).map(day_of)
}

/// The columns of one frame by what they are for.
pub(super) struct Columns<'a> {
    table: &'a str,
    frame: &'a DataFrame,
    missing: Vec<MissingColumn>,
}

impl<'a> Columns<'a> {
    pub(super) fn of(table: &'a str, frame: &'a DataFrame) -> Self {
        Self { table, frame, missing: Vec::new() }
    }

    /// The cells of a column; the stand-in of a missing one is never read, as [`Columns::check`] fails then.
    pub(super) fn get(&mut self, name: &str) -> Result<Cells, ClientYearError> {
        let Ok(column) = self.frame.column(name) else {
            let names = self.frame.columns().iter().map(|c| c.name().as_str());
            let near = med_schema::near_names(name, names);
            if !self.missing.iter().any(|m| m.name == name) {
                self.missing.push(MissingColumn { name: name.to_owned(), near });
            }
            return Ok(Cells::Text(StringChunked::full_null(name.into(), 0)));
        };
        Cells::of(column)?.ok_or_else(|| ClientYearError::ColumnType {
            table: self.table.to_owned(),
            column: name.to_owned(),
            expected: "text, numbers, days or moments",
            found: column.dtype().to_string(),
        })
    }

    pub(super) fn get_if(&mut self, name: Option<&str>) -> Result<Option<Cells>, ClientYearError> {
        name.map(|name| self.get(name)).transpose()
    }

    /// Whether all columns asked for are there.
    pub(super) fn check(self) -> Result<(), ClientYearError> {
        if self.missing.is_empty() {
            return Ok(());
        }
        Err(ClientYearError::MissingColumns { table: self.table.to_owned(), missing: self.missing })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(column: Column) -> Cells {
        Cells::of(&column).unwrap().unwrap()
    }

    #[test]
    fn days_are_read_from_whatever_holds_them() {
        let mut buffer = String::new();
        let expected = Ok(Some(17_652));
        let texts =
            cells(Column::new("d".into(), ["2018-05-01", "2018-05-01T23:59:59Z", "2018-05-01T23:30:00-02:00", " "]));
        assert_eq!(texts.day(0, None, &mut buffer), expected);
        assert_eq!(texts.day(1, None, &mut buffer), expected);
        assert_eq!(texts.day(2, None, &mut buffer), Ok(Some(17_653)), "the day in UTC");
        assert_eq!(texts.day(3, None, &mut buffer), Ok(None));
        let numbers = cells(Column::new("d".into(), [20_180_501_i64]));
        assert_eq!(numbers.day(0, Some("%Y%m%d"), &mut buffer), expected);
        assert_eq!(numbers.day(0, None, &mut buffer), Err(Unreadable));
        let german = cells(Column::new("d".into(), ["01.05.2018 10:00"]));
        assert_eq!(german.day(0, Some("%d.%m.%Y %H:%M"), &mut buffer), expected);
        let months = cells(Column::new("d".into(), [201_805_i64]));
        assert_eq!(months.day(0, Some("%Y%m"), &mut buffer), expected);
        let before = Column::new("d".into(), [-1_i64]).cast(&DataType::Datetime(TimeUnit::Microseconds, None)).unwrap();
        assert_eq!(cells(before).day(0, None, &mut buffer), Ok(Some(-1)));
    }

    #[test]
    fn every_missing_column_is_named_with_its_like() {
        let frame = df!("patient_id" => ["a"], "paid_amnt" => ["1.00"]).unwrap();
        let mut columns = Columns::of("claims", &frame);
        columns.get("patient_id").unwrap();
        columns.get("paid_amount").unwrap();
        columns.get("service_date").unwrap();
        let text = columns.check().unwrap_err().to_string();
        assert!(
            text.contains("\"paid_amount\"; did you mean paid_amnt?") && text.contains("\"service_date\""),
            "{text}"
        );
    }
}
