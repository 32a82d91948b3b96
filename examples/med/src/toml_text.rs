//! Configurations in TOML, whose errors say where something is wrong and never what stands there: it may be a URL with a password.

use serde::de::DeserializeOwned;

/// What a configuration says.
///
/// The parser's own message shows the line concerned, so only its reason and the place are told.
pub(crate) fn parse<T: DeserializeOwned>(text: &str) -> anyhow::Result<T> {
    toml::from_str(text).map_err(|error| {
        let reason = without_credentials(error.message());
        match error.span() {
            Some(span) => {
                let (line, column) = place(text, span.start);
                anyhow::anyhow!("line {line}, column {column}: {reason}")
            }
            None => anyhow::anyhow!("{reason}"),
        }
    })
}

/// Line and column of a byte, both from 1.
fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}

/// The message without a quoted value that may hold a URL or the parameters of a connection. Names of keys hold neither.
fn without_credentials(message: &str) -> String {
    for quote in ['"', '`', '\''] {
        let (Some(first), Some(last)) = (message.find(quote), message.rfind(quote)) else { continue };
        let quoted = &message[first..last];
        if quoted.contains(['@', '=']) || quoted.contains("://") {
            return format!("{}(not shown){}", &message[..first], &message[last + 1..]);
        }
    }
    message.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Configured {
        database_url: Option<String>,
        seed: Option<u64>,
        kind: Option<Kind>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Kind {
        One,
    }

    #[test]
    fn errors_name_the_place_and_show_no_value() {
        let secret = "postgres://reader:hunter2@db/claims";
        for (text, told) in [
            (format!("seed = 1\ndatabse_url = \"{secret}\"\n"), "line 2, column 1: unknown field `databse_url`"),
            (format!("seed = \"{secret}\"\n"), "line 1, column 8: invalid type: string (not shown), expected u64"),
            (format!("kind = \"{secret}\"\n"), "unknown variant (not shown)"),
            (format!("database_url = \"{secret}\n"), "line 1, column"),
            (format!("database_url = {secret}\n"), "line 1, column"),
            (format!("\"{secret}\" = 1\n"), "unknown field (not shown)"),
            ("# é\nseed = 'hunter2=x'".to_owned(), "line 2, column 8: invalid type: string (not shown)"),
        ] {
            let error = format!("{:?}", parse::<Configured>(&text).unwrap_err());
            assert!(error.contains(told) && !error.contains("hunter2"), "{text}: {error}");
        }
        let error = parse::<Configured>("kind = 'two'").unwrap_err().to_string();
        assert!(error.contains("`two`") && error.contains("`one`"), "{error}");
        assert_eq!(parse::<Configured>("seed = 3").unwrap().seed, Some(3));
    }
}
