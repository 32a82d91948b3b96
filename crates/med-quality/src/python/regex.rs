//! Regular expressions as Python's `re.search` reads them, run by fancy-regex.
//!
//! Translated: `$` (before a final line feed too), `\Z`, `{,n}`, a literal `{`, octal escapes, `\s` (Python counts U+001C to
//! U+001F as white space), and brackets and doubled operators inside of classes. What Python refuses is refused, so that no row passes
//! by a pattern that means something else there: unknown escapes, `(?<name>...)`, flags in the middle, ranges and repeats that run
//! backwards. Not told apart: look-behind of variable width, which Python refuses; letters whose case folds to several.

use fancy_regex::Regex;

use crate::error::RunError;

/// A compiled pattern.
#[derive(Debug)]
pub(crate) struct Pattern {
    source: String,
    regex: Regex,
}

impl Pattern {
    pub(crate) fn new(pattern: &str) -> Result<Self, RunError> {
        let failed = |reason: String| RunError::Regex { pattern: pattern.to_owned(), reason };
        // The error of fancy-regex repeats the pattern over several lines; its last line says what is wrong.
        let regex = Regex::new(&translate(pattern).map_err(failed)?)
            .map_err(|e| failed(e.to_string().lines().last().unwrap_or_default().trim().to_owned()))?;
        Ok(Self { source: pattern.to_owned(), regex })
    }

    /// Whether the pattern is found anywhere.
    pub(crate) fn is_found_in(&self, text: &str) -> Result<bool, RunError> {
        let failed = |e: fancy_regex::Error| RunError::Regex { pattern: self.source.clone(), reason: e.to_string() };
        self.regex.is_match(text).map_err(failed)
    }
}

/// Flags of a leading group such as `(?im)`.
fn leading_flags(pattern: &str) -> &str {
    let flags = pattern.strip_prefix("(?").and_then(|rest| rest.split_once(')')).map_or("", |(flags, _)| flags);
    if flags.chars().all(|c| c.is_ascii_lowercase()) { flags } else { "" }
}

fn translate(pattern: &str) -> Result<String, String> {
    let multiline = leading_flags(pattern).contains('m');
    let chars: Vec<char> = pattern.chars().collect();
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut i = 0;
    while i < chars.len() {
        match chars[i] {
            '\\' => {
                let (read, next) = escape(&chars, i, false)?;
                out.push_str(&read.outside());
                i = next;
            }
            '[' => i = class(&chars, i, &mut out)?,
            '(' if chars.get(i + 1) == Some(&'?') => {
                group(&chars[i + 2..], i == 0)?;
                out.push_str("(?");
                i += 2;
            }
            '$' if !multiline => {
                // At the end of a branch the line feed may be consumed, which needs no look-ahead and is faster.
                let mut rest = chars[i + 1..].iter().skip_while(|c| **c == ')');
                let ends = rest.next().is_none() || chars.get(i + 1) == Some(&'|') && !chars[..i].contains(&'(');
                out.push_str(if ends && !inside_look_around(&chars[..i]) { "(?:\\n?\\z)" } else { "(?=\\n?\\z)" });
                i += 1;
            }
            '{' => i = braces(&chars, i, &mut out)?,
            other => {
                out.push(other);
                i += 1;
            }
        }
    }
    Ok(out)
}

/// A repeat, or a brace that stands for itself.
fn braces(chars: &[char], start: usize, out: &mut String) -> Result<usize, String> {
    let body: String = chars[start + 1..].iter().take_while(|c| **c != '}').collect();
    let end = start + 1 + body.chars().count();
    let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    let (low, high) = body.split_once(',').unwrap_or((&body, &body));
    if chars.get(end) != Some(&'}') || !digits(low) || !digits(high) || (low.is_empty() && high.is_empty()) {
        out.push_str("\\{");
        return Ok(start + 1);
    }
    // Numbers too long to read are refused by the compiler of the pattern.
    if let (Ok(low), Ok(high)) = (low.parse::<u64>(), high.parse::<u64>())
        && low > high
    {
        return Err(format!("in {{{body}}} the fewest repeats are more than the most"));
    }
    let low = if low.is_empty() { "0" } else { low };
    out.push_str(&if body.contains(',') { format!("{{{low},{high}}}") } else { format!("{{{low}}}") });
    Ok(end + 1)
}

/// What comes after `(?`: refused where Python has no such group.
fn group(rest: &[char], first: bool) -> Result<(), String> {
    match rest {
        ['<', '=' | '!', ..] => Ok(()),
        ['<', ..] => Err("a named group is written (?P<name>...)".to_owned()),
        [letter, ..] if letter.is_ascii_lowercase() => {
            let end = rest.iter().find(|c| !c.is_ascii_lowercase() && **c != '-');
            if end == Some(&')') && !first {
                return Err("flags for the whole pattern stand at its start".to_owned());
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// What an escape stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Escaped {
    Char(char),
    /// White space, or all but that.
    Space(bool),
    /// Another class of characters, in the syntax of fancy-regex.
    Class(String),
    /// A place or a reference, in the syntax of fancy-regex.
    Place(String),
}

impl Escaped {
    fn outside(&self) -> String {
        match self {
            Self::Space(true) => "[\\s\\x1c-\\x1f]".to_owned(),
            Self::Space(false) => "[^\\s\\x1c-\\x1f]".to_owned(),
            Self::Char(c) => literal(*c),
            Self::Class(text) | Self::Place(text) => text.clone(),
        }
    }
}

/// A character inside of a class, where other signs are operators.
fn member(c: char) -> String {
    if c.is_ascii_punctuation() || c.is_ascii_whitespace() { format!("\\x{{{:x}}}", u32::from(c)) } else { literal(c) }
}

fn literal(c: char) -> String {
    match c {
        '\0'..='\x1f' => format!("\\x{{{:x}}}", u32::from(c)),
        c => fancy_regex::escape(c.encode_utf8(&mut [0; 4])).into_owned(),
    }
}

/// Reads the escape that starts at `start`, and the place after it.
fn escape(chars: &[char], start: usize, in_class: bool) -> Result<(Escaped, usize), String> {
    let Some(&c) = chars.get(start + 1) else { return Err("a backslash at the end".to_owned()) };
    let after = start + 2;
    let number = |from: usize, radix: u32, most: usize| {
        let run: String = chars[from..].iter().take(most).take_while(|c| c.is_digit(radix)).collect();
        (u32::from_str_radix(&run, radix).ok(), run.chars().count())
    };
    let one = |escaped| Ok((escaped, after));
    let code = |value: Option<u32>, end: usize| match value.and_then(char::from_u32) {
        Some(c) => Ok((Escaped::Char(c), end)),
        None => Err(format!("\\{c} is followed by no character's number")),
    };
    match c {
        'd' | 'D' | 'w' | 'W' => one(Escaped::Class(format!("\\{c}"))),
        's' | 'S' => one(Escaped::Space(c == 's')),
        'b' if in_class => one(Escaped::Char('\x08')),
        'A' | 'b' | 'B' if !in_class => one(Escaped::Place(format!("\\{c}"))),
        'Z' if !in_class => one(Escaped::Place("\\z".to_owned())),
        'a' => one(Escaped::Char('\x07')),
        'f' => one(Escaped::Char('\x0c')),
        'n' => one(Escaped::Char('\n')),
        'r' => one(Escaped::Char('\r')),
        't' => one(Escaped::Char('\t')),
        'v' => one(Escaped::Char('\x0b')),
        'x' | 'u' | 'U' => {
            let digits = [2, 4, 8][usize::from(c == 'u') + 2 * usize::from(c == 'U')];
            let (value, found) = number(after, 16, digits);
            if found < digits {
                return Err(format!("\\{c} needs {digits} hexadecimal digits"));
            }
            code(value, after + digits)
        }
        'N' => Err("characters by name are not supported: write \\u and a number".to_owned()),
        '0' => {
            let (value, found) = number(after, 8, 2);
            code(Some(value.unwrap_or(0)), after + found)
        }
        '1'..='9' => match number(start + 1, 8, 3) {
            (Some(value @ 0..=0o377), 3) => code(Some(value), start + 4),
            (_, 3) => Err("an octal number is at most 377".to_owned()),
            _ if in_class => Err(format!("bad escape \\{c}")),
            _ => {
                let (value, found) = number(start + 1, 10, 2);
                Ok((Escaped::Place(format!("\\{}", value.unwrap_or(0))), start + 1 + found))
            }
        },
        c if c.is_ascii_alphabetic() => Err(format!("bad escape \\{c}")),
        c => one(Escaped::Char(c)),
    }
}

fn inside_look_around(before: &[char]) -> bool {
    let text: String = before.iter().collect();
    text.contains("(?=") || text.contains("(?!") || text.contains("(?<")
}

/// Copies the class that starts at `start` and returns the place after it. Brackets inside are literals.
fn class(chars: &[char], start: usize, out: &mut String) -> Result<usize, String> {
    let mut i = start + 1;
    out.push('[');
    if chars.get(i) == Some(&'^') {
        out.push('^');
        i += 1;
    }
    let item = |i: usize| match chars.get(i) {
        Some('\\') => escape(chars, i, true),
        Some(&c) => Ok((Escaped::Char(c), i + 1)),
        None => Err("a class has no closing bracket".to_owned()),
    };
    let first = i;
    loop {
        if chars.get(i) == Some(&']') && i > first {
            out.push(']');
            return Ok(i + 1);
        }
        let (low, next) = item(i)?;
        i = next;
        let is_range = chars.get(i) == Some(&'-') && chars.get(i + 1).is_some_and(|c| *c != ']');
        if !is_range {
            out.push_str(&match low {
                Escaped::Space(true) => "\\s\\x1c-\\x1f".to_owned(),
                Escaped::Char(c) => member(c),
                other => other.outside(),
            });
            continue;
        }
        let (high, next) = item(i + 1)?;
        i = next;
        match (low, high) {
            (Escaped::Char(low), Escaped::Char(high)) if low <= high => {
                out.push_str(&format!("{}-{}", member(low), member(high)));
            }
            _ => return Err("a range in a class runs backwards or ends in no character".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, text: &str, found: bool) {
        assert_eq!(Pattern::new(pattern).unwrap().is_found_in(text), Ok(found), "{pattern} in {text:?}");
    }

    #[test]
    fn patterns_mean_what_they_mean_in_python() {
        check("^abc$", "abc\n", true);
        check("^abc$", "abc\nd", false);
        check("(a$|b)c", "ac", false);
        check(r"^abc\Z", "abc\n", false);
        check("(?m)^b$", "a\nb\nc", true);
        check("[[]", "a[b", true);
        check("[]a]", "]", true);
        check("[a&&b]", "&", true);
        check("^a{,2}$", "aa", true);
        check("^a{,2}$", "aaa", false);
        check("a{x", "a{x", true);
        check(r"^\d+$", "١٢٣", true);
        check(r"(.)\1", "abb", true);
        check("(?<!a)b", "ab", false);
        check("a$|b$", "b\n", true);
        check(r"^\s$", "\u{1c}", true);
        check(r"[^\S]", "\u{1f}", true);
        check(r"^[\S]+$", "a b", false);
        check(r"^[^\s]$", "\u{1c}", false);
        check(r"^\141\x62\u0063$", "abc", true);
        check(r"^[\x41-\x43\-\]]+$", "AB-]", true);
        check("^[a-c&~#-]+$", "a&~#-", true);
        check(r"^[\b]$", "\u{8}", true);
        check(r"^a\.b\-\/_$", "a.b-/_", true);
        check(r"^(?P<y>a)(?P=y)$", "aa", true);
        check("(?i)^AB$", "ab", true);
        check("^(?i:a)b$", "Ab", true);
        check(r"(.)(.)\2\1", "abba", true);
    }

    #[test]
    fn what_python_refuses_is_refused() {
        for pattern in [
            "(unclosed",
            "[a",
            r"\N{LATIN SMALL LETTER A}",
            r"a\K",
            r"\h",
            r"\R",
            r"\G",
            r"\e",
            r"\z",
            r"\x4",
            r"[\Z]",
            r"[\1]",
            r"\777",
            "[a--b]",
            r"[\w--a]",
            "[z-a]",
            "a{2,1}",
            "(?<x>a)",
            "a(?i)b",
            "a\\",
        ] {
            assert!(matches!(Pattern::new(pattern), Err(RunError::Regex { .. })), "{pattern}");
        }
    }
}
