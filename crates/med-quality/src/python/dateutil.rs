//! Whether a text is likely a date or a time of day, as Python's dateutil guesses.
//!
//! The original's rules were grown, not written; these are the main ones: a text is a sequence of numbers, names of months
//! and days, and small words, no part of it may be left unexplained, and the parts have to make up a day of the calendar.

use chrono::NaiveDate;

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const LONG_MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const LONG_DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
const SMALL_WORDS: [&str; 12] = ["at", "on", "and", "ad", "m", "t", "of", "st", "nd", "rd", "th", "z"];
const ZONES: [&str; 2] = ["utc", "gmt"];

#[derive(Debug, Clone, PartialEq)]
enum Token {
    /// Digits, with or without a decimal point.
    Number(String),
    Word(String),
    Sign(char),
}

/// What has been understood so far.
#[derive(Debug, Default)]
struct Parts {
    /// Numbers that may be day, month or year, with their number of digits.
    numbers: Vec<(i64, usize)>,
    month: Option<u32>,
    time: bool,
    weekday: bool,
    hour: Option<i64>,
}

/// Whether the text can be taken for a date or a time.
pub(crate) fn is_date(text: &str) -> bool {
    read(text).is_some()
}

fn read(text: &str) -> Option<()> {
    let tokens = tokens(text);
    let mut parts = Parts::default();
    let mut i = 0;
    while i < tokens.len() {
        i = match &tokens[i] {
            Token::Number(digits) => number(&tokens, i, digits, &mut parts)?,
            Token::Word(word) => self::word(word, &mut parts).map(|()| i + 1)?,
            // A sign after a time begins an offset.
            Token::Sign('+' | '-') if parts.time => offset(&tokens, i)?,
            Token::Sign(' ' | ',' | ';' | '-' | '/' | '.' | '\'') => i + 1,
            Token::Sign(_) => return None,
        };
    }
    if parts.numbers.is_empty() && parts.month.is_none() && !parts.time && !parts.weekday {
        return None;
    }
    is_a_day(&parts).then_some(())
}

fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut i = 0;
    while i < chars.len() {
        let start = i;
        let c = chars[i];
        if c.is_ascii_digit() {
            while i < chars.len() && (chars[i].is_ascii_digit() || is_decimal_point(&chars, start, i)) {
                i += 1;
            }
            tokens.push(Token::Number(chars[start..i].iter().collect()));
        } else if c.is_alphabetic() {
            while i < chars.len() && chars[i].is_alphabetic() {
                i += 1;
            }
            tokens.push(Token::Word(chars[start..i].iter().collect::<String>().to_lowercase()));
        } else {
            tokens.push(Token::Sign(if c.is_whitespace() { ' ' } else { c }));
            i += 1;
        }
    }
    tokens
}

/// A point between digits is a decimal point if it is the only one; of several they separate.
fn is_decimal_point(chars: &[char], start: usize, at: usize) -> bool {
    let run = chars[start..].iter().take_while(|c| c.is_ascii_digit() || **c == '.');
    chars[at] == '.' && chars.get(at + 1).is_some_and(char::is_ascii_digit) && run.filter(|c| **c == '.').count() == 1
}

fn number(tokens: &[Token], i: usize, digits: &str, parts: &mut Parts) -> Option<usize> {
    let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(w, f)| (w, Some(f)));
    let value: i64 = whole.parse().ok()?;
    if tokens.get(i + 1) == Some(&Token::Sign(':')) {
        return time(tokens, i, value, parts);
    }
    if let Some(Token::Word(word)) = tokens.get(i + 1)
        && matches!(word.as_str(), "h" | "hour" | "hours" | "minute" | "minutes" | "min" | "s" | "second" | "seconds")
    {
        parts.time = true;
        return (value < 60 && (!word.starts_with('h') || value < 24)).then_some(i + 2);
    }
    let next = tokens.get(i + 1..).unwrap_or_default().iter().find(|t| **t != Token::Sign(' '));
    if let Some(Token::Word(word)) = next
        && matches!(word.as_str(), "am" | "pm" | "a" | "p")
        && !parts.time
    {
        parts.time = true;
        parts.hour = Some(value);
        return (value <= 12).then_some(i + 1);
    }
    match (whole.len(), fraction) {
        // YYMMDD, YYYYMMDD and the same with a time behind.
        (6, None) if parts.numbers.is_empty() => {
            parts.numbers = vec![(value / 10000, 2), (value / 100 % 100, 2), (value % 100, 2)];
        }
        (8 | 12 | 14, None) => {
            let date = value / 10_i64.pow(whole.len() as u32 - 8);
            let time = value % 10_i64.pow(whole.len() as u32 - 8);
            let (hour, minute, second) = if whole.len() == 14 {
                (time / 10000, time / 100 % 100, time % 100)
            } else {
                (time / 100, time % 100, 0)
            };
            parts.numbers.extend([(date / 10000, 4), (date / 100 % 100, 2), (date % 100, 2)]);
            return (hour < 24 && minute < 60 && second < 60).then_some(i + 1);
        }
        // HHMMSS after a date.
        (4 | 6, None) if parts.numbers.len() == 3 && !parts.time => {
            parts.time = true;
            let (hour, minute) =
                if whole.len() == 6 { (value / 10000, value / 100 % 100) } else { (value / 100, value % 100) };
            return (hour < 24 && minute < 60 && (whole.len() == 4 || value % 100 < 60)).then_some(i + 1);
        }
        (_, Some(_)) if parts.numbers.len() >= 3 => return None,
        (_, Some(fraction)) => {
            parts.numbers.push((value, whole.len()));
            parts.numbers.push((fraction.parse().ok()?, fraction.len()));
        }
        _ => parts.numbers.push((value, whole.len())),
    }
    Some(i + 1)
}

/// `h:mm`, `h:mm:ss` or `h:mm:ss.fff`.
fn time(tokens: &[Token], i: usize, hour: i64, parts: &mut Parts) -> Option<usize> {
    let sixty = |token: Option<&Token>| match token {
        Some(Token::Number(digits)) => digits.parse::<f64>().ok().filter(|n| *n < 60.0),
        _ => None,
    };
    if parts.time || hour > 23 {
        return None;
    }
    parts.time = true;
    parts.hour = Some(hour);
    sixty(tokens.get(i + 2))?;
    if tokens.get(i + 3) != Some(&Token::Sign(':')) {
        return Some(i + 3);
    }
    sixty(tokens.get(i + 4))?;
    Some(i + 5)
}

/// `+hh`, `+hhmm` or `+hh:mm`.
fn offset(tokens: &[Token], i: usize) -> Option<usize> {
    let Some(Token::Number(digits)) = tokens.get(i + 1) else { return None };
    let hours: i64 = digits.get(..2).unwrap_or(digits).parse().ok()?;
    if hours > 23 || !matches!(digits.len(), 1 | 2 | 4) {
        return None;
    }
    match (tokens.get(i + 2), tokens.get(i + 3)) {
        (Some(Token::Sign(':')), Some(Token::Number(_))) => Some(i + 4),
        _ => Some(i + 2),
    }
}

fn word(word: &str, parts: &mut Parts) -> Option<()> {
    let place = |short: &[&str], long: &[&str]| {
        short.iter().position(|w| *w == word).or_else(|| long.iter().position(|w| *w == word))
    };
    if let Some(month) = place(&MONTHS, &LONG_MONTHS).or((word == "sept").then_some(8)) {
        return parts.month.replace(month as u32 + 1).is_none().then_some(());
    }
    if place(&DAYS, &LONG_DAYS).is_some() {
        parts.weekday = true;
        return Some(());
    }
    match word {
        "am" | "pm" | "a" | "p" => parts.hour.filter(|hour| *hour <= 12).map(|_| ()),
        _ if SMALL_WORDS.contains(&word) || ZONES.contains(&word) => Some(()),
        _ => None,
    }
}

/// Whether the numbers can be day, month and year in some usual order.
fn is_a_day(parts: &Parts) -> bool {
    let numbers = &parts.numbers;
    let wanted = 3 - usize::from(parts.month.is_some());
    if numbers.len() > wanted {
        return false;
    }
    let day = |year: (i64, usize), month: i64, day: i64| {
        // Two digits are a year of this century or the last; which one decides only about 29 February.
        let years = if year.1 <= 2 { vec![year.0 + 2000, year.0 + 1900] } else { vec![year.0] };
        years.iter().any(|year| {
            let (Ok(year), Ok(month), Ok(day)) = (i32::try_from(*year), u32::try_from(month), u32::try_from(day))
            else {
                return false;
            };
            (1..=9999).contains(&year) && NaiveDate::from_ymd_opt(year, month, day).is_some()
        })
    };
    let leap = (2000, 4);
    let is_year = |n: (i64, usize)| (1..=9999).contains(&n.0) || n.1 == 2;
    match (parts.month, numbers.as_slice()) {
        (_, []) => true,
        (None, [one]) => (1..=31).contains(&one.0) || (one.0 > 31 && is_year(*one)),
        (None, [a, b]) if a.0 > 31 || a.1 > 2 => day(*a, b.0, 1),
        (None, [a, b]) if b.0 > 31 || b.1 > 2 => day(*b, a.0, 1),
        (None, [a, b]) => day(leap, a.0, b.0),
        (None, [a, b, c]) if a.0 > 31 || a.1 > 2 => day(*a, b.0, c.0),
        (None, [a, b, c]) if a.0 > 12 => day(*c, b.0, a.0),
        (None, [a, b, c]) => day(*c, a.0, b.0),
        (Some(month), [one]) => day(leap, i64::from(month), one.0) || (one.0 > 31 && is_year(*one)),
        (Some(month), [a, b]) => {
            let month = i64::from(month);
            if a.0 > 31 || a.1 > 2 { day(*a, month, b.0) } else { day(*b, month, a.0) || day(*a, month, b.0) }
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses_as_the_original_does() {
        let dates = [
            "2024-01-05",
            "05/01/2024",
            "12",
            "Monday",
            "10:30",
            "Jan 5, 2024",
            "5 January 2024",
            "2024-01-05T10:30:00Z",
            "20240105",
            "2024-01-05 10:30:00.123+02:00",
            "10 am",
            "1999",
            "3.5.2024",
            "2024-02-29",
        ];
        let none =
            ["0", "", "nope", "2023-02-29", "2024-13-32", "25:00", "2024-W05", "0000-01-01", "hello 2024", "1,2,3,4"];
        for text in dates {
            assert!(is_date(text), "{text}");
        }
        for text in none {
            assert!(!is_date(text), "{text}");
        }
    }
}
