//! Days and moments written as ISO 8601 text, the way SQLite's own date functions write them.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};

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
/// time is UTC, a day alone is its midnight, and digits beyond microseconds are cut.
pub(crate) fn microseconds(text: &str) -> Option<i64> {
    if let Some(day) = date(text) {
        return Some(day.and_time(NaiveTime::MIN).and_utc().timestamp_micros());
    }
    if let Some(moment) = naive(text) {
        return Some(moment.and_utc().timestamp_micros());
    }
    ["%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M%#z", "%Y-%m-%d %H:%M%#z"]
        .iter()
        .find_map(|format| DateTime::parse_from_str(text, format).ok())
        .map(|moment| moment.timestamp_micros())
}

/// Exactly `YYYY-MM-DD`; chrono alone would also take `2024-1-5` and `+2024-01-05`.
fn date(text: &str) -> Option<NaiveDate> {
    if text.len() != 10 || !starts_with_date(text) {
        return None;
    }
    text.parse().ok()
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
}
