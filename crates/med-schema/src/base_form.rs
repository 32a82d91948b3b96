//! One form for the ways in which a text may be written.

/// The base form of a text: lower case, without white space and ASCII punctuation; the text itself where nothing else is left. Two texts with one base form are likely
/// spellings of one thing.
///
/// ```
/// assert_eq!(["N/A", "Semi-Urban", " semi urban", "--"].map(med_schema::base_form), ["na", "semiurban", "semiurban", "--"]);
/// ```
pub fn base_form(text: &str) -> String {
    let base: String =
        text.chars().filter(|c| !c.is_ascii_punctuation() && !c.is_whitespace()).flat_map(char::to_lowercase).collect();
    if base.is_empty() { text.to_owned() } else { base }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_space_and_punctuation_do_not_count() {
        assert_eq!(["N/A", "Semi-Urban", " é\u{a0}É", "--", ""].map(base_form), ["na", "semiurban", "éé", "--", ""]);
        // Letter by letter: a capital sigma at the end of a word is no other letter than within.
        assert_eq!(base_form("ΟΔΟΣ"), base_form("ο δ ο σ"));
        assert_eq!(base_form("Größe-1"), "größe1");
    }
}
