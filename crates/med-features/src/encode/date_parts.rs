//! Dates taken apart.

use med_schema::{FeatureColumn, FeatureMatrix};
use serde::{Deserialize, Serialize};

use super::{Columns, Encoder, FittedEncoder, InputKind, Inputs, Origin, outputs_are_distinct, replaced};
use crate::FeatureError;

/// What the numbers of a date column count, from the start of 1970 (UTC).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DateUnit {
    /// Days.
    #[default]
    Days,
    /// Seconds.
    Seconds,
    /// Thousandths of a second.
    Milliseconds,
    /// Millionths of a second.
    Microseconds,
}

impl DateUnit {
    fn per_day(self) -> f64 {
        match self {
            Self::Days => 1.0,
            Self::Seconds => 86_400.0,
            Self::Milliseconds => 86_400e3,
            Self::Microseconds => 86_400e6,
        }
    }
}

/// A part of a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum DatePart {
    /// The year.
    Year,
    /// 1 to 4.
    Quarter,
    /// 1 to 12.
    Month,
    /// Day of the month, 1 to 31.
    Day,
    /// Day of the year, 1 to 366.
    DayOfYear,
    /// 0 for Monday to 6 for Sunday.
    Weekday,
    /// 1 on Saturdays and Sundays, else 0.
    IsWeekend,
    /// `sin(2 pi (day of the year - 1) / days of the year)`: with the cosine, a place on a circle, so that December is next to January.
    SeasonSin,
    /// `cos(2 pi (day of the year - 1) / days of the year)`.
    SeasonCos,
    /// Days since the start of 1970, with fractions.
    Days,
}

impl DatePart {
    fn as_str(self) -> &'static str {
        match self {
            Self::Year => "year",
            Self::Quarter => "quarter",
            Self::Month => "month",
            Self::Day => "day",
            Self::DayOfYear => "day_of_year",
            Self::Weekday => "weekday",
            Self::IsWeekend => "is_weekend",
            Self::SeasonSin => "season_sin",
            Self::SeasonCos => "season_cos",
            Self::Days => "days",
        }
    }
}

/// Replaces date columns, held as numbers, by parts of the date in the Gregorian calendar (also before 1582) and UTC, called
/// `part(column)`: `month(admitted)`.
///
/// Columns of kind date and timestamp of a `med_schema::Table` are days when they are asked for as features, which is the default unit here:
/// `table.features(["age", "admitted"])`.
///
/// A missing date has missing parts, and so has one more than a million years from 1970: the unit is wrong.
///
/// | parameter | default | range |
/// | --- | --- | --- |
/// | `columns` | none | names of numeric columns |
/// | `unit` | days | days, seconds, milliseconds, microseconds |
/// | `parts` | year, month, weekday | at least one, none twice |
///
/// ```
/// use med_features::{DateParts, Encoder, FittedEncoder};
/// use med_schema::{FeatureColumn, FeatureMatrix};
/// // 2024-02-29 was a Thursday.
/// let x = FeatureMatrix::new(vec![FeatureColumn::numeric("admitted", vec![19_782.0])])?;
/// let out = DateParts::of(["admitted"]).fit(&x)?.transform(&x)?;
/// assert_eq!(out.numeric("year(admitted)")?[0], 2024.0);
/// assert_eq!(out.numeric("month(admitted)")?[0], 2.0);
/// assert_eq!(out.numeric("weekday(admitted)")?[0], 3.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DateParts {
    /// The columns to take apart.
    pub columns: Vec<String>,
    /// What their numbers count.
    pub unit: DateUnit,
    /// The parts to make.
    pub parts: Vec<DatePart>,
}

impl Default for DateParts {
    fn default() -> Self {
        let parts = vec![DatePart::Year, DatePart::Month, DatePart::Weekday];
        Self { columns: Vec::new(), unit: DateUnit::Days, parts }
    }
}

impl DateParts {
    /// Of these columns.
    pub fn of(columns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { columns: columns.into_iter().map(Into::into).collect(), ..Self::default() }
    }
}

/// A fitted [`DateParts`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FittedDateParts {
    inputs: Inputs,
    columns: Vec<String>,
    unit: DateUnit,
    parts: Vec<DatePart>,
}

impl Encoder for DateParts {
    type Fitted = FittedDateParts;

    fn fit(&self, train: &FeatureMatrix) -> Result<FittedDateParts, FeatureError> {
        if self.parts.is_empty() {
            let found = "none".to_owned();
            return Err(FeatureError::Parameter { parameter: "parts", expected: "at least one", found });
        }
        Columns::Named(self.columns.clone()).pick(train, InputKind::Numeric)?;
        let Self { columns, unit, parts } = self.clone();
        let fitted = FittedDateParts { inputs: Inputs::of(train), columns, unit, parts };
        outputs_are_distinct(&fitted)?;
        Ok(fitted)
    }
}

impl FittedEncoder for FittedDateParts {
    fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    fn transform(&self, x: &FeatureMatrix) -> Result<FeatureMatrix, FeatureError> {
        replaced(&self.inputs, x, |column| {
            if !self.columns.iter().any(|c| c == column.name()) {
                return None;
            }
            let days: Vec<f64> = column.as_numeric()?.iter().map(|v| v / self.unit.per_day()).collect();
            let dates: Vec<Option<Date>> = days.iter().map(|&d| Date::of(d)).collect();
            let made = self.parts.iter().map(|&part| {
                let values = dates.iter().zip(&days).map(|(date, &days)| match (part, date) {
                    (_, None) => f64::NAN,
                    (DatePart::Days, _) => days,
                    (part, Some(date)) => date.part(part),
                });
                FeatureColumn::numeric(output(part, column.name()), values.collect::<Vec<_>>())
            });
            Some(Ok(made.collect()))
        })
    }

    fn provenance(&self) -> Vec<Origin> {
        let of = |name: &str| match self.columns.iter().any(|c| c == name) {
            true => self.parts.iter().map(|&part| Origin::of(output(part, name), name)).collect(),
            false => vec![Origin::of(name, name)],
        };
        self.inputs.names().flat_map(of).collect()
    }
}

fn output(part: DatePart, column: &str) -> String {
    format!("{}({column})", part.as_str())
}

/// A day of the Gregorian calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Date {
    /// Days since the start of 1970.
    number: i64,
    year: i64,
    month: i64,
    day: i64,
    /// From 1.
    day_of_year: i64,
    leap: bool,
}

impl Date {
    /// By cycles of 400 years, whose days are always as many; years begin in March, so that the leap day is the last.
    fn of(days: f64) -> Option<Self> {
        const CYCLE: i64 = 146_097;
        const FARTHEST: f64 = 365_242_500.0;
        if days.is_nan() || days.abs() > FARTHEST {
            return None;
        }
        let number = days.floor() as i64;
        // From the first of March of the year 0.
        let since = number + 719_468;
        let (cycle, of_cycle) = (since.div_euclid(CYCLE), since.rem_euclid(CYCLE));
        let year_of_cycle = (of_cycle - of_cycle / 1460 + of_cycle / 36_524 - of_cycle / 146_096) / 365;
        let of_year = of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
        // Months of 31, 30, 31, 30, 31 days: 153 in five.
        let from_march = (5 * of_year + 2) / 153;
        let day = of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        let year = year_of_cycle + 400 * cycle + i64::from(month <= 2);
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let before_march = 59 + i64::from(leap);
        let day_of_year = if month > 2 { of_year + before_march + 1 } else { of_year - 306 + 1 };
        Some(Self { number, year, month, day, day_of_year, leap })
    }

    fn part(self, part: DatePart) -> f64 {
        // The first of January 1970 was a Thursday.
        let weekday = (self.number + 3).rem_euclid(7);
        let days = if self.leap { 366.0 } else { 365.0 };
        let angle = std::f64::consts::TAU * (self.day_of_year - 1) as f64 / days;
        match part {
            DatePart::Year => self.year as f64,
            DatePart::Quarter => ((self.month + 2) / 3) as f64,
            DatePart::Month => self.month as f64,
            DatePart::Day => self.day as f64,
            DatePart::DayOfYear => self.day_of_year as f64,
            DatePart::Weekday => weekday as f64,
            DatePart::IsWeekend => f64::from(u8::from(weekday >= 5)),
            DatePart::SeasonSin => angle.sin(),
            DatePart::SeasonCos => angle.cos(),
            DatePart::Days => self.number as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A calendar counted day by day.
    #[test]
    fn every_day_of_eight_centuries() {
        let (mut year, mut month, mut day, mut of_year) = (1599, 12, 31, 365);
        for number in -135_140..=160_000_i64 {
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let lengths = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
            (day, of_year) = (day + 1, of_year + 1);
            if day > lengths[month - 1] {
                (month, day) = (month + 1, 1);
            }
            if month > 12 {
                (year, month, of_year) = (year + 1, 1, 1);
            }
            let found = Date::of(number as f64).unwrap();
            assert_eq!((found.year, found.month, found.day, found.day_of_year), (year, month as i64, day, of_year));
        }
    }

    #[test]
    fn parts_of_known_days() {
        let x = |v: Vec<f64>| FeatureMatrix::new(vec![FeatureColumn::numeric("at", v)]).unwrap();
        use DatePart::{Day, DayOfYear, Days, IsWeekend, Quarter, SeasonCos, SeasonSin, Weekday};
        let parts = vec![Quarter, Day, DayOfYear, Weekday, IsWeekend, SeasonSin, SeasonCos, Days];
        let encoder = DateParts { parts, unit: DateUnit::Seconds, ..DateParts::of(["at"]) };
        // 1969-12-31 12:00, a Wednesday; 1970-01-03, a Saturday.
        let train = x(vec![-43_200.0, 2.0 * 86_400.0, f64::NAN, 1e300]);
        let out = encoder.fit(&train).unwrap().transform(&train).unwrap().to_array().unwrap();
        assert_eq!(out.row(0).to_vec()[..5], [4.0, 31.0, 365.0, 2.0, 0.0]);
        assert_eq!(out[(0, 7)], -0.5);
        assert_eq!(out.row(1).to_vec()[..5], [1.0, 3.0, 3.0, 5.0, 1.0]);
        assert!((out[(1, 5)].powi(2) + out[(1, 6)].powi(2) - 1.0).abs() < 1e-15);
        assert!(out.row(2).iter().chain(out.row(3)).all(|v| v.is_nan()));
        assert!(DateParts { parts: vec![Day, Day], ..DateParts::of(["at"]) }.fit(&train).is_err());
        assert!(DateParts { parts: Vec::new(), ..DateParts::of(["at"]) }.fit(&train).is_err());
        assert!(DateParts::of(["nothing"]).fit(&train).is_err());
    }
}
