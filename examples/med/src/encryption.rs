//! Keys of encrypted columns: a configuration names the environment variables that hold them, and this program reads them.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use med_store::blocking::Lakehouse;
use serde::{Deserialize, Serialize};

use crate::toml_text;

/// Which columns are encrypted, and which variables hold the keys: 32 or 64 hexadecimal digits each. The keys themselves stand in
/// no file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Encryption {
    /// The variable with the key of the files' footers.
    footer: String,
    /// Whether footers are encrypted, and not only signed.
    #[serde(default)]
    hide_footer: bool,
    /// The variable with the key of each column, by the column's name.
    columns: BTreeMap<String, String>,
}

/// The one section of a configuration that commands on a lake are concerned with.
#[derive(Deserialize)]
struct Section {
    encryption: Option<Encryption>,
}

/// What a configuration says of keys, for commands that need nothing else of it.
pub(crate) fn of_file(config: Option<&Path>) -> anyhow::Result<Option<Encryption>> {
    let Some(path) = config else { return Ok(None) };
    let named = || format!("configuration {}", path.display());
    let text = std::fs::read_to_string(path).with_context(named)?;
    let Section { encryption } = toml_text::parse(&text).with_context(named)?;
    Ok(encryption)
}

/// The lake with the keys, if there are to be any.
pub(crate) fn unlock(lake: Lakehouse, encryption: Option<&Encryption>) -> anyhow::Result<Lakehouse> {
    match encryption {
        Some(encryption) => encryption.unlock(lake),
        None => Ok(lake),
    }
}

impl Encryption {
    #[cfg(not(feature = "encryption"))]
    fn unlock(&self, _: Lakehouse) -> anyhow::Result<Lakehouse> {
        anyhow::bail!("[encryption]: this program was built without it; build with the feature \"encryption\"")
    }

    #[cfg(feature = "encryption")]
    fn unlock(&self, lake: Lakehouse) -> anyhow::Result<Lakehouse> {
        let keys = self.keys(|name| std::env::var(name).ok())?;
        Ok(lake.with_keys(keys)?)
    }

    /// The keys, from what the variables hold.
    #[cfg(feature = "encryption")]
    fn keys(&self, variable: impl Fn(&str) -> Option<String>) -> anyhow::Result<med_store::ColumnKeys> {
        let key = |name: &str| {
            let text =
                variable(name).with_context(|| format!("[encryption]: there is no environment variable {name}"))?;
            // What it holds instead is not told.
            from_hex(text.trim()).with_context(|| {
                format!("[encryption]: expected 32 or 64 hexadecimal digits in the environment variable {name}")
            })
        };
        anyhow::ensure!(!self.columns.is_empty(), "[encryption.columns]: expected at least one column, found none");
        let mut keys = med_store::ColumnKeys::new(key(&self.footer)?)?;
        for (column, name) in &self.columns {
            keys = keys.column(column, key(name)?)?;
        }
        Ok(if self.hide_footer { keys.hide_footer() } else { keys })
    }
}

#[cfg(feature = "encryption")]
fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !matches!(text.len(), 32 | 64) || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

#[cfg(all(test, feature = "encryption"))]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_by_the_names_of_their_variables_alone() {
        let encryption: Encryption = toml::from_str("footer = \"F\"\n[columns]\nbmi = \"B\"\n").unwrap();
        let with = |bmi: Option<&'static str>| {
            encryption.keys(move |name| if name == "F" { Some("0f".repeat(16)) } else { bmi.map(str::to_owned) })
        };
        let keys = with(Some("000102030405060708090A0B0C0D0E0F")).unwrap();
        assert!(format!("{keys:?}").contains("bmi"));
        for (wrong, told) in [(None, "no environment variable B"), (Some("secret"), "hexadecimal digits")] {
            let error = format!("{:#}", with(wrong).unwrap_err());
            assert!(error.contains(told) && !error.contains("secret"), "{error}");
        }
        assert_eq!(from_hex(&"Ff".repeat(16)), Some(vec![255; 16]));
        assert_eq!(from_hex(&"é".repeat(16)), None);
    }
}
