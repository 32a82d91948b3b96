//! Observation windows: the history that features see, the cut-off, and the target window after it.

use chrono::{Datelike, Months, NaiveDate, TimeDelta};
use serde::{Deserialize, Serialize};

use super::ClientYearError;

/// Days since 1970-01-01.
pub(super) type Day = i32;

/// The day's number. Every date that chrono holds fits.
pub(super) fn day_of(date: NaiveDate) -> Day {
    date.signed_duration_since(NaiveDate::default()).num_days() as Day
}

/// The date of a day's number; the nearest that chrono holds for numbers beyond.
pub(super) fn date_of(day: Day) -> NaiveDate {
    let fallback = if day < 0 { NaiveDate::MIN } else { NaiveDate::MAX };
    NaiveDate::default().checked_add_signed(TimeDelta::days(day.into())).unwrap_or(fallback)
}

/// The cut-offs, and how far history and target reach from each.
///
/// At a cut-off `c` a client-year's features see transactions of the `history_months` before `c`; its target is the cost of the
/// `target_months` from `c` on. The day `c` itself belongs to the target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Windows {
    /// The cut-off days.
    #[serde(deserialize_with = "super::day_text::several")]
    pub cut_offs: Vec<NaiveDate>,
    /// Months of history.
    #[serde(default = "twelve")]
    pub history_months: u32,
    /// Months of target.
    #[serde(default = "twelve")]
    pub target_months: u32,
}

fn twelve() -> u32 {
    12
}

/// One cut-off with its bounds, in days.
#[derive(Debug, Clone)]
pub(super) struct Window {
    pub(super) cut_off: NaiveDate,
    /// First day of history.
    pub(super) start: Day,
    /// First day of the target.
    pub(super) cut: Day,
    /// First day after the target.
    pub(super) end: Day,
    /// For each day of history, counted back from the cut-off, the month it is in, counted back too: 0 is the last month before
    /// the cut-off.
    months: Vec<u16>,
}

impl Window {
    /// The month of history that this day is in, counted back from the cut-off.
    pub(super) fn month_back(&self, day: Day) -> Option<usize> {
        let back = usize::try_from(self.cut.checked_sub(day)?).ok()?.checked_sub(1)?;
        self.months.get(back).map(|&m| usize::from(m))
    }
}

impl Windows {
    /// The windows, in order of time.
    pub(super) fn resolve(&self) -> Result<Vec<Window>, ClientYearError> {
        let wrong = |reason: String| Err(ClientYearError::config("windows", reason));
        if self.cut_offs.is_empty() {
            return wrong("expected at least one cut-off".to_owned());
        }
        if !(1..=600).contains(&self.history_months) || !(1..=600).contains(&self.target_months) {
            return wrong(format!(
                "expected 1 to 600 months of history and of target, found {} and {}",
                self.history_months, self.target_months
            ));
        }
        let mut dates = self.cut_offs.clone();
        dates.sort_unstable();
        if let Some(twice) = dates.windows(2).find(|w| w[0] == w[1]) {
            return wrong(format!("cut-off {} is there twice", twice[0]));
        }
        dates.into_iter().map(|date| self.window(date)).collect()
    }

    fn window(&self, cut_off: NaiveDate) -> Result<Window, ClientYearError> {
        let beyond = || ClientYearError::config("windows", format!("the windows at {cut_off} leave the calendar"));
        let mut starts = vec![day_of(cut_off)];
        for back in 1..=self.history_months {
            starts.push(day_of(cut_off.checked_sub_months(Months::new(back)).ok_or_else(beyond)?));
        }
        let end = day_of(cut_off.checked_add_months(Months::new(self.target_months)).ok_or_else(beyond)?);
        let cut = starts[0];
        let start = starts[starts.len() - 1];
        let months = starts.windows(2).zip(0_u16..).flat_map(|(w, month)| (w[1]..w[0]).map(move |_| month)).collect();
        Ok(Window { cut_off, start, cut, end, months })
    }
}

/// Completed years between two days.
pub(super) fn completed_years(from: NaiveDate, to: NaiveDate) -> i32 {
    to.year() - from.year() - i32::from((to.month(), to.day()) < (from.month(), from.day()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn windows_meet_at_the_cut_off() {
        let windows = Windows { cut_offs: vec![date("2018-03-31")], history_months: 2, target_months: 1 };
        let window = &windows.resolve().unwrap()[0];
        let days = [window.start, window.cut, window.end].map(date_of);
        assert_eq!(days, [date("2018-01-31"), date("2018-03-31"), date("2018-04-30")]);
        let month = |text| window.month_back(day_of(date(text)));
        assert_eq!(month("2018-03-31"), None, "the cut-off belongs to the target");
        assert_eq!((month("2018-03-30"), month("2018-02-28")), (Some(0), Some(0)));
        assert_eq!((month("2018-02-27"), month("2018-01-31"), month("2018-01-30")), (Some(1), Some(1), None));
    }

    #[test]
    fn a_day_that_is_none_is_told_with_what_was_expected() {
        let read = |json: &str| serde_json::from_str::<Windows>(json).map(|w| w.cut_offs);
        assert_eq!(read(r#"{"cut_offs": ["2019-01-31"]}"#).unwrap(), [date("2019-01-31")]);
        let text = read(r#"{"cut_offs": ["2019-01-01", "2019-13-01"]}"#).unwrap_err().to_string();
        assert!(text.contains("expected a day of the calendar") && text.contains("found \"2019-13-01\""), "{text}");
        let text = read(r#"{"cut_offs": [20190101]}"#).unwrap_err().to_string();
        assert!(text.contains("expected a day in quotes, such as \"2019-01-31\""), "{text}");
        let back = Windows { cut_offs: vec![date("2019-01-31")], history_months: 12, target_months: 12 };
        assert_eq!(serde_json::from_str::<Windows>(&serde_json::to_string(&back).unwrap()).unwrap(), back);
    }

    #[test]
    fn windows_are_in_order_and_different() {
        let windows = |cut_offs: &[&str]| Windows {
            cut_offs: cut_offs.iter().map(|d| date(d)).collect(),
            history_months: 12,
            target_months: 12,
        };
        let resolved = windows(&["2020-01-01", "2019-01-01"]).resolve().unwrap();
        assert!(resolved[0].cut < resolved[1].cut);
        assert!(windows(&[]).resolve().is_err());
        assert!(windows(&["2020-01-01", "2020-01-01"]).resolve().unwrap_err().to_string().contains("twice"));
    }

    #[test]
    fn birthdays_count_on_the_day() {
        assert_eq!(completed_years(date("2000-02-29"), date("2018-02-28")), 17);
        assert_eq!(completed_years(date("2000-02-29"), date("2018-03-01")), 18);
        assert_eq!(completed_years(date("2000-05-05"), date("2018-05-05")), 18);
    }
}
