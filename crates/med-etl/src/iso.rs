//! Days and moments written as ISO 8601 text, the way SQLite's own date functions write them.

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike, Utc};

pub(crate) const MICROSECONDS_A_DAY: i64 = 86_400_000_000;

/// The day whose midnight this moment is.
pub(crate) fn midnight(microseconds: i64) -> Option<i32> {
    let days = microseconds.div_euclid(MICROSECONDS_A_DAY);
    (microseconds.rem_euclid(MICROSECONDS_A_DAY) == 0).then(|| i32::try_from(days).ok())?
}

/// `YYYY-MM-DD`, or the number of days where the year has more than four digits.
pub(crate) fn written_date(days: i32) -> String {
    NaiveDate::from_epoch_days(days).map_or_else(|| format!("day {days}"), |day| day.to_string())
}

/// `YYYY-MM-DDTHH:MM:SS[.fraction]Z`.
pub(crate) fn written_timestamp(microseconds: i64) -> String {
    DateTime::from_timestamp_micros(microseconds)
        .map_or_else(|| format!("microsecond {microseconds}"), |moment| format!("{:?}Z", moment.naive_utc()))
}

/// The same moment `seconds` earlier, written the same way: with the same separator, digits and zone. A day goes back by as many days
/// as hold the seconds.
pub(crate) fn earlier(text: &str, seconds: u64) -> Option<String> {
    if let Some(day) = date(text) {
        return day.checked_sub_days(Days::new(seconds.div_ceil(86_400))).map(|day| day.to_string());
    }
    let (moment, rest) = text.split_at_checked(19)?;
    let separator = moment.get(10..11).filter(|s| matches!(*s, "T" | " "))?;
    // What is behind the seconds must be a fraction and a zone, else this is no time at all.
    microseconds(text).or_else(|| microseconds(&format!("{text}:00")))?;
    let format = format!("%Y-%m-%d{separator}%H:%M:%S");
    let moment = NaiveDateTime::parse_from_str(moment, &format).ok()?;
    let back = TimeDelta::try_seconds(i64::try_from(seconds).ok()?)?;
    Some(format!("{}{rest}", moment.checked_sub_signed(back)?.format(&format)))
}

/// Days since 1970-01-01 of `YYYY-MM-DD`, also with a time of midnight behind it.
pub(crate) fn days(text: &str) -> Option<i32> {
    let day = match date(text) {
        Some(day) => day,
        None => {
            let moment = naive(text)?;
            (moment.time() == NaiveTime::MIN).then(|| moment.date())?
        }
    };
    i32::try_from(day.signed_duration_since(NaiveDate::default()).num_days()).ok()
}

/// Microseconds since 1970-01-01T00:00:00 UTC of `YYYY-MM-DD[T| ]HH:MM[:SS[.fraction]][Z|±HH:MM]`. Without an offset the
/// time is UTC, a day alone is its midnight, and digits beyond microseconds are cut. A leap second, `23:59:60` UTC, has no microsecond of its
/// own: it is the last one of its day. Second 60 of another minute is no time.
pub(crate) fn microseconds(text: &str) -> Option<i64> {
    if let Some(day) = date(text) {
        return Some(day.and_time(NaiveTime::MIN).and_utc().timestamp_micros());
    }
    if let Some(moment) = naive(text) {
        return within_its_day(moment.and_utc());
    }
    ["%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M%#z", "%Y-%m-%d %H:%M%#z"]
        .iter()
        .find_map(|format| DateTime::parse_from_str(text, format).ok())
        .and_then(|moment| within_its_day(moment.to_utc()))
}

/// chrono counts a leap second's microseconds on from 999,999, which would be the next day.
fn within_its_day(moment: DateTime<Utc>) -> Option<i64> {
    let (second, leap) = (moment.timestamp(), moment.timestamp_subsec_micros() > 999_999);
    if leap && (moment.hour(), moment.minute()) != (23, 59) {
        return None;
    }
    second.checked_mul(1_000_000)?.checked_add(i64::from(moment.timestamp_subsec_micros().min(999_999)))
}

/// Exactly `YYYY-MM-DD`; chrono alone would also take `2024-1-5` and `+2024-01-05`.
fn date(text: &str) -> Option<NaiveDate> {
    if text.len() != 10 || !starts_with_date(text) {
        return None;
    }
    let number = |from: usize, to: usize| {
        text.as_bytes()[from..to].iter().fold(0_u32, |number, digit| number * 10 + u32::from(digit - b'0'))
    };
    // Digits only, as was just seen.
    NaiveDate::from_ymd_opt(number(0, 4) as i32, number(5, 7), number(8, 10))
}

fn naive(text: &str) -> Option<NaiveDateTime> {
    if !starts_with_date(text) {
        return None;
    }
    let text = text.strip_suffix('Z').unwrap_or(text);
    ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"]
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
}

fn starts_with_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 10
        && bytes[..10].iter().enumerate().all(|(i, b)| if i == 4 || i == 7 { *b == b'-' } else { b.is_ascii_digit() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_days() {
        assert_eq!(days("1970-01-02"), Some(1));
        assert_eq!(days("1969-12-31 00:00:00"), Some(-1));
        for bad in
            ["", "2024-02-30", "2024-1-5", "05.01.2024", "2024-01-05 10:00:00", "20240105", "2024-01-05x", "1970-01-0é"]
        {
            assert_eq!(days(bad), None, "{bad}");
        }
    }

    #[test]
    fn moments_are_utc() {
        let noon = Some(43_200_000_000);
        for text in [
            "1970-01-01T12:00:00Z",
            "1970-01-01 12:00:00",
            "1970-01-01 12:00",
            "1970-01-01T13:00:00+01:00",
            "1970-01-01 14:30:00.000+02:30",
            "1970-01-01T13:00+01:00",
        ] {
            assert_eq!(microseconds(text), noon, "{text}");
        }
        assert_eq!(microseconds("1970-01-01T00:00:00.0000019"), Some(1));
        assert_eq!(microseconds("1970-01-02"), Some(86_400_000_000));
        for bad in ["", "noon", "1970-01-01T25:00:00", "12:00:00", "1970-01-01T", "0"] {
            assert_eq!(microseconds(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_leap_second_stays_in_its_day() {
        let last = Some(86_399_999_999);
        for text in ["1970-01-01T23:59:60Z", "1970-01-01 23:59:60.5", "1970-01-02T00:59:60+01:00"] {
            assert_eq!(microseconds(text), last, "{text}");
        }
        assert!(microseconds("1970-01-01T23:59:59.999999Z") <= last);
        for bad in ["1970-01-01T12:00:60Z", "1970-01-01T23:59:60+01:00", "1970-01-01T23:59:61Z"] {
            assert_eq!(microseconds(bad), None, "{bad}");
        }
    }

    #[test]
    fn earlier_moments_are_written_alike() {
        for (text, seconds, expected) in [
            ("2024-03-01", 1, "2024-02-29"),
            ("2024-03-01", 86_401, "2024-02-28"),
            ("2024-03-01 00:00:10", 11, "2024-02-29 23:59:59"),
            ("2024-03-01T00:00:10.250Z", 10, "2024-03-01T00:00:00.250Z"),
            ("1970-01-01 00:00:00.5+01", 1, "1969-12-31 23:59:59.5+01"),
            ("2024-03-01 00:00:00+05:30", 0, "2024-03-01 00:00:00+05:30"),
        ] {
            assert_eq!(earlier(text, seconds).as_deref(), Some(expected), "{text}");
        }
        for bad in ["", "soon", "2024-03-01 00:00", "2024-03-01 00:00:00 or 1=1", "2024-03-01x00:00:00"] {
            assert_eq!(earlier(bad, 1), None, "{bad}");
        }
    }

    #[test]
    fn moments_are_written() {
        assert_eq!(written_date(-1), "1969-12-31");
        assert_eq!(written_timestamp(-500_000), "1969-12-31T23:59:59.500Z");
        assert_eq!((midnight(-MICROSECONDS_A_DAY), midnight(1)), (Some(-1), None));
    }
}
