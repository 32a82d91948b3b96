//! Enrolment spans: their union, member-months, and what was odd about them.

use serde::{Deserialize, Serialize};

use super::rules::MemberMonths;
use super::window::Day;

/// Days from `start` to before `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span {
    pub(super) start: Day,
    pub(super) end: Day,
}

/// What the enrolment table held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct EnrolmentReport {
    /// Rows read.
    pub spans: u64,
    /// Rows left out: no client or first day, or a last day before the first.
    pub unusable: u64,
    /// Clients with a span.
    pub clients: u64,
    /// Spans that overlap an earlier one of their client; their common days count once.
    pub overlaps: u64,
    /// Spans that begin on the day after an earlier one ends.
    pub adjacent: u64,
    /// Gaps of at least a day between spans of one client.
    pub gaps: u64,
    /// Clients whose enrolment was ended by their death.
    pub ended_by_death: u64,
}

impl EnrolmentReport {
    pub(super) fn add(&mut self, other: Self) {
        self.spans += other.spans;
        self.unusable += other.unusable;
        self.clients += other.clients;
        self.overlaps += other.overlaps;
        self.adjacent += other.adjacent;
        self.gaps += other.gaps;
        self.ended_by_death += other.ended_by_death;
    }
}

/// The union of one client's spans, in order of time, without gaps of no days. Spans must be sorted.
pub(super) fn union(spans: &[Span], report: &mut EnrolmentReport) -> Vec<Span> {
    let mut union: Vec<Span> = Vec::with_capacity(spans.len());
    report.clients += u64::from(!spans.is_empty());
    for &span in spans {
        match union.last_mut() {
            Some(last) if span.start < last.end => {
                report.overlaps += 1;
                last.end = last.end.max(span.end);
            }
            Some(last) if span.start == last.end => {
                report.adjacent += 1;
                last.end = span.end;
            }
            last => {
                report.gaps += u64::from(last.is_some());
                union.push(span);
            }
        }
    }
    union
}

/// Whether the day is in one of these spans, or at most `grace` days after one.
pub(super) fn covers(union: &[Span], day: Day, grace: u16) -> bool {
    let after = union.partition_point(|span| span.start <= day);
    after > 0 && day < union[after - 1].end.saturating_add(grace.into())
}

/// Whether every day from `start` to before `end` is in one of these spans, which have no gaps of no days.
pub(super) fn covers_all(union: &[Span], start: Day, end: Day) -> bool {
    let after = union.partition_point(|span| span.start <= start);
    start >= end || (after > 0 && union[after - 1].end >= end)
}

/// Member-months of the union in a window of so many months from `start` to before `end`, and never more than it has: one that does not
/// begin with a month touches a month of the calendar more.
pub(super) fn member_months(union: &[Span], (start, end): (Day, Day), months: u32, rule: MemberMonths) -> f64 {
    let mut total = 0.0;
    // Days of the month at hand that are enrolled; spans are in order, so months are too.
    let mut month: Option<(Day, Day, Day)> = None;
    let close = |month: Option<(Day, Day, Day)>, total: &mut f64| {
        if let Some((first, next, days)) = month {
            *total += f64::from(days) / f64::from(next - first);
        }
    };
    for span in union {
        let (mut day, stop) = (span.start.max(start), span.end.min(end));
        while day < stop {
            let (first, next) = month_around(day);
            let until = stop.min(next);
            match rule {
                MemberMonths::Days | MemberMonths::AnyDay => {
                    let days = if rule == MemberMonths::Days { until - day } else { next - first };
                    month = match month {
                        Some((same, next, so_far)) if same == first => {
                            Some((first, next, (so_far + days).min(next - first)))
                        }
                        before => {
                            close(before, &mut total);
                            Some((first, next, days))
                        }
                    };
                }
                MemberMonths::FirstDay => total += f64::from(u8::from(day == first)),
                MemberMonths::MidMonth => total += f64::from(u8::from((day..until).contains(&(first + 14)))),
            }
            day = until;
        }
    }
    close(month, &mut total);
    total.min(f64::from(months))
}

/// First day of the month of this day, and of the next month.
///
/// Years are counted from March, so that the leap day is the last of its year: then month `m` begins `(153 m + 2) / 5` days into it
/// (Hinnant, *chrono-compatible low-level date algorithms*). Chrono's dates would take a tenth of the whole roll-up.
pub(super) fn month_around(day: Day) -> (Day, Day) {
    const FROM_MARCH_OF_YEAR_0: i64 = 719_468;
    const DAYS_IN_400_YEARS: i64 = 146_097;
    let of_era = (i64::from(day) + FROM_MARCH_OF_YEAR_0).rem_euclid(DAYS_IN_400_YEARS);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let start = |month: i64| (153 * month + 2) / 5;
    let next_year = year + 1;
    let days_in_year = 365 + i64::from(next_year % 4 == 0 && (next_year % 100 != 0 || next_year % 400 == 0));
    // February is the last one and ends with its year.
    let end = if month == 11 { days_in_year } else { start(month + 1) };
    // Both are within a month of the day.
    (day - (of_year - start(month)) as Day, day + (end - of_year) as Day)
}

#[cfg(test)]
mod tests {
    use super::super::window::{date_of, day_of};
    use super::*;
    use chrono::Datelike;
    use proptest::prelude::*;

    #[test]
    fn months_are_those_of_the_calendar() {
        // Four hundred years and their ends.
        for day in -250_000..150_000 {
            let (first, next) = month_around(day);
            let date = date_of(day);
            assert_eq!((date_of(first).day(), date_of(next).day()), (1, 1), "{date}");
            assert!(first <= day && day < next && (28..=31).contains(&(next - first)), "{date}");
        }
    }

    fn day(text: &str) -> Day {
        day_of(text.parse().unwrap())
    }

    fn span(start: &str, end: &str) -> Span {
        Span { start: day(start), end: day(end) }
    }

    #[test]
    fn overlaps_count_once_and_gaps_not_at_all() {
        let mut report = EnrolmentReport::default();
        let spans = [
            span("2018-01-01", "2018-03-01"),
            span("2018-02-15", "2018-02-20"),
            span("2018-03-01", "2018-04-01"),
            span("2018-05-01", "2018-06-01"),
        ];
        let union = union(&spans, &mut report);
        assert_eq!(union, [span("2018-01-01", "2018-04-01"), span("2018-05-01", "2018-06-01")]);
        assert_eq!((report.overlaps, report.adjacent, report.gaps, report.clients), (1, 1, 1, 1));
        let months = |rule| member_months(&union, (day("2018-01-01"), day("2019-01-01")), 12, rule);
        for rule in [MemberMonths::Days, MemberMonths::AnyDay, MemberMonths::FirstDay, MemberMonths::MidMonth] {
            assert_eq!(months(rule), 4.0, "{rule:?}");
        }
        assert!(covers(&union, day("2018-03-31"), 0) && !covers(&union, day("2018-04-01"), 0));
        assert!(covers(&union, day("2018-04-03"), 3) && !covers(&union, day("2018-04-04"), 3));
        assert!(!covers(&union, day("2017-12-31"), 9));
    }

    #[test]
    fn a_part_of_a_month_counts_by_the_rule() {
        let union = [span("2018-01-11", "2018-01-16"), span("2018-01-20", "2018-02-08")];
        let months = |rule| member_months(&union, (day("2018-01-01"), day("2019-01-01")), 12, rule);
        assert!((months(MemberMonths::Days) - (17.0 / 31.0 + 7.0 / 28.0)).abs() < 1e-12);
        assert_eq!(months(MemberMonths::AnyDay), 2.0);
        assert_eq!(months(MemberMonths::FirstDay), 1.0);
        assert_eq!(months(MemberMonths::MidMonth), 1.0);
        let few = (day("2018-02-01"), day("2018-02-05"));
        assert_eq!(member_months(&union, few, 1, MemberMonths::Days), 4.0 / 28.0);
    }

    #[test]
    fn a_window_has_no_more_months_than_it_is_long() {
        let union = [span("2010-01-01", "2030-01-01")];
        let rules = [MemberMonths::AnyDay, MemberMonths::FirstDay, MemberMonths::MidMonth, MemberMonths::Days];
        for (start, end) in [("2022-03-31", "2023-03-31"), ("2019-02-28", "2020-02-29"), ("2021-06-15", "2022-06-15")] {
            for rule in rules {
                assert_eq!(member_months(&union, (day(start), day(end)), 12, rule), 12.0, "{start} {rule:?}");
            }
        }
        // One of March's days is in the window, and one of its firsts is not.
        let march = [span("2022-03-01", "2022-04-01")];
        let months = |rule| member_months(&march, (day("2022-03-31"), day("2023-03-31")), 12, rule);
        assert_eq!(rules.map(months), [1.0, 0.0, 0.0, 1.0 / 31.0]);
    }

    proptest! {
        /// The union holds exactly the days that a span holds.
        #[test]
        fn the_union_is_the_set_of_days(mut spans in prop::collection::vec((0..200_i32, 1..40_i32), 0..12)) {
            spans.sort_unstable();
            let spans: Vec<Span> = spans.into_iter().map(|(s, n)| Span { start: s, end: s + n }).collect();
            let union = union(&spans, &mut EnrolmentReport::default());
            for day in -1..250 {
                let inside = spans.iter().any(|s| (s.start..s.end).contains(&day));
                prop_assert_eq!(covers(&union, day, 0), inside);
            }
            prop_assert!(union.windows(2).all(|w| w[0].end < w[1].start));
        }
    }
}
