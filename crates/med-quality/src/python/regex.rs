//! Regular expressions as Python's `re.search` reads them, run by fancy-regex.
//!
//! Translated: `$` (before a final line feed too), `\Z`, `{,n}`, a literal `{`, and brackets and doubled operators inside
//! of classes. Everything else means the same in both.

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
        let regex = Regex::new(&translate(pattern))
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

fn translate(pattern: &str) -> String {
    let multiline = leading_flags(pattern).contains('m');
    let chars: Vec<char> = pattern.chars().collect();
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut i = 0;
    while i < chars.len() {
        match chars[i] {
            '\\' => {
                match chars.get(i + 1) {
                    Some('Z') => out.push_str("\\z"),
                    Some(next) => out.extend(['\\', *next]),
                    None => out.push('\\'),
                }
                i += 2;
            }
            '[' => i = class(&chars, i, &mut out),
            '$' if !multiline => {
                // At the end of a branch the line feed may be consumed, which needs no look-ahead and is faster.
                let mut rest = chars[i + 1..].iter().skip_while(|c| **c == ')');
                let ends = rest.next().is_none() || chars.get(i + 1) == Some(&'|') && !chars[..i].contains(&'(');
                out.push_str(if ends && !inside_look_around(&chars[..i]) { "(?:\\n?\\z)" } else { "(?=\\n?\\z)" });
                i += 1;
            }
            '{' => {
                let body: String = chars[i + 1..].iter().take_while(|c| **c != '}').collect();
                let closed = chars.get(i + 1 + body.chars().count()) == Some(&'}');
                let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
                let quantifier = closed
                    && match body.split_once(',') {
                        None => !body.is_empty() && digits(&body),
                        Some((low, high)) => digits(low) && digits(high) && body != ",",
                    };
                match (quantifier, body.strip_prefix(',')) {
                    (false, _) => out.push_str("\\{"),
                    (true, Some(high)) => {
                        out.push_str(&format!("{{0,{high}}}"));
                        i += body.chars().count() + 1;
                    }
                    (true, None) => {
                        out.push_str(&format!("{{{body}}}"));
                        i += body.chars().count() + 1;
                    }
                }
                i += 1;
            }
            other => {
                out.push(other);
                i += 1;
            }
        }
    }
    out
}

fn inside_look_around(before: &[char]) -> bool {
    let text: String = before.iter().collect();
    text.contains("(?=") || text.contains("(?!") || text.contains("(?<")
}

/// Copies the class that starts at `start` and returns the place after it. Brackets inside are literals.
fn class(chars: &[char], start: usize, out: &mut String) -> usize {
    let mut i = start + 1;
    out.push('[');
    if chars.get(i) == Some(&'^') {
        out.push('^');
        i += 1;
    }
    let first = i;
    while let Some(&c) = chars.get(i) {
        match c {
            ']' if i > first => {
                out.push(']');
                return i + 1;
            }
            '\\' => {
                out.push('\\');
                if let Some(next) = chars.get(i + 1) {
                    out.push(*next);
                }
                i += 1;
            }
            '[' | ']' | '&' | '~' => out.extend(['\\', c]),
            '-' if chars.get(i + 1) == Some(&'-') => out.push_str("\\-"),
            other => out.push(other),
        }
        i += 1;
    }
    i
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
        assert!(Pattern::new("(unclosed").is_err());
    }
}
