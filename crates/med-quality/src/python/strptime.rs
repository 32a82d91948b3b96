//! Whether Python's `strptime` reads a text by a format.
//!
//! Each directive is a pattern; what they catch must be a day of the calendar. English names, as in the C locale.

use chrono::NaiveDate;
use fancy_regex::{Captures, Regex};

/// A checked format.
#[derive(Debug)]
pub(crate) struct Format {
    regex: Regex,
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

impl Format {
    /// Reads a format.
    ///
    /// # Errors
    /// When it holds a directive that `strptime` does not know, or one twice.
    pub(crate) fn new(format: &str) -> Result<Self, String> {
        let mut pattern = String::from("(?i)^");
        let expanded = format
            .replace("%%", "\u{0}")
            .replace("%c", "%a %b %d %H:%M:%S %Y")
            .replace("%x", "%m/%d/%y")
            .replace("%X", "%H:%M:%S");
        let mut chars = expanded.chars().peekable();
        let mut seen = Vec::new();
        while let Some(c) = chars.next() {
            match c {
                '\u{0}' => pattern.push('%'),
                '%' => {
                    let directive = chars.next().ok_or("a format that does not end in a single %")?;
                    let body = directive_pattern(directive)
                        .ok_or_else(|| format!("a format of directives that strptime knows; %{directive} is none"))?;
                    if seen.contains(&directive) {
                        return Err(format!("a format that holds %{directive} once"));
                    }
                    seen.push(directive);
                    pattern.push_str(&format!("(?<{directive}>{body})"));
                }
                c if c.is_whitespace() => {
                    while chars.peek().is_some_and(|c| c.is_whitespace()) {
                        chars.next();
                    }
                    pattern.push_str("\\s+");
                }
                c => pattern.push_str(&fancy_regex::escape(c.encode_utf8(&mut [0; 4]))),
            }
        }
        Regex::new(&pattern).map(|regex| Self { regex }).map_err(|e| format!("a format that can be read ({e})"))
    }

    /// Whether the whole text is read, and is a day of the calendar.
    pub(crate) fn reads(&self, text: &str) -> bool {
        match self.regex.captures(text) {
            Ok(Some(found)) => found.get(0).is_some_and(|m| m.end() == text.len()) && is_a_day(&found),
            _ => false,
        }
    }
}

fn directive_pattern(directive: char) -> Option<String> {
    let short = |names: &[&str]| names.iter().map(|n| n[..3].to_owned()).collect::<Vec<_>>().join("|");
    Some(match directive {
        'Y' => r"\d\d\d\d".to_owned(),
        'y' => r"\d\d".to_owned(),
        'm' => "1[0-2]|0[1-9]|[1-9]".to_owned(),
        'd' => r"3[01]|[12]\d|0[1-9]|[1-9]| [1-9]".to_owned(),
        'H' => r"2[0-3]|[01]\d|\d".to_owned(),
        'I' => "1[0-2]|0[1-9]|[1-9]".to_owned(),
        'M' => r"[0-5]\d|\d".to_owned(),
        'S' => r"6[01]|[0-5]\d|\d".to_owned(),
        'f' => "[0-9]{1,6}".to_owned(),
        'j' => r"36[0-6]|3[0-5]\d|[12]\d\d|0[1-9]\d|00[1-9]|[1-9]\d|0[1-9]|[1-9]".to_owned(),
        'U' | 'W' => r"5[0-3]|[0-4]\d|\d".to_owned(),
        'V' => r"5[0-3]|0[1-9]|[1-4]\d|\d".to_owned(),
        'G' => r"\d\d\d\d".to_owned(),
        'u' => "[1-7]".to_owned(),
        'w' => "[0-6]".to_owned(),
        'p' => "am|pm".to_owned(),
        'z' => r"[+-]\d\d:?[0-5]\d(?::?[0-5]\d(?:\.\d{1,6})?)?|Z".to_owned(),
        'Z' => "utc|gmt".to_owned(),
        'B' => MONTHS.join("|"),
        'b' => short(&MONTHS),
        'A' => DAYS.join("|"),
        'a' => short(&DAYS),
        _ => return None,
    })
}

/// Year, month and day, where caught, are a day of the calendar; seconds are below 60.
fn is_a_day(found: &Captures<'_, str>) -> bool {
    let number = |name: &str| {
        found.name(name).and_then(|m| {
            m.as_str()
                .trim()
                .chars()
                .filter_map(|c| c.to_digit(10))
                .try_fold(0u32, |n, d| n.checked_mul(10)?.checked_add(d))
        })
    };
    let named = |name: &str| {
        let text = found.name(name)?.as_str().to_lowercase();
        MONTHS.iter().position(|month| month.to_lowercase().starts_with(&text)).map(|i| i as u32 + 1)
    };
    let year = number("Y").or_else(|| number("y").map(|y| if y <= 68 { 2000 + y } else { 1900 + y }));
    let month = number("m").or_else(|| named("B")).or_else(|| named("b"));
    let day = number("d");
    if number("S").is_some_and(|seconds| seconds > 59) || year == Some(0) {
        return false;
    }
    // Without a year 1900 is taken, except that 29 February then means a leap year.
    let year = year.unwrap_or(if (month, day) == (Some(2), Some(29)) { 1904 } else { 1900 });
    NaiveDate::from_ymd_opt(year as i32, month.unwrap_or(1), day.unwrap_or(1)).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(format: &str, text: &str, reads: bool) {
        assert_eq!(Format::new(format).unwrap().reads(text), reads, "{text:?} by {format}");
    }

    #[test]
    fn reads_what_strptime_reads() {
        check("%Y-%m-%d", "2024-1-5", true);
        check("%Y-%m-%d", "2024-01-05 ", false);
        check("%Y-%m-%d", "2023-02-29", false);
        check("%Y-%m-%d", "0000-01-01", false);
        check("%d %B %Y", "5 january 2024", true);
        check("%H:%M", "24:00", false);
        check("%Y-%m-%dT%H:%M:%S%z", "2024-01-05T10:00:00+01:00", true);
        check("100%%", "100%", true);
        assert!(Format::new("%Q").is_err());
        assert!(Format::new("%Y %Y").is_err());
    }
}
