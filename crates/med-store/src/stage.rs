//! The stages of a registered model and the moves between them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::StoreError;

/// Where a model version stands in its life.
///
/// | from \ to | none | staging | production | archived |
/// | --- | --- | --- | --- | --- |
/// | none | | yes | yes | yes |
/// | staging | | | yes | yes |
/// | production | | yes | | yes |
/// | archived | | yes | yes | |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Registered, nothing more.
    #[default]
    None,
    /// To be tried.
    Staging,
    /// The one in use; at most one version of a model.
    Production,
    /// Out of use, kept.
    Archived,
}

impl Stage {
    /// The name in files and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Staging => "staging",
            Self::Production => "production",
            Self::Archived => "archived",
        }
    }

    /// Whether a version may be moved from this stage to another one.
    pub fn allows(self, to: Self) -> bool {
        to != Self::None && to != self
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Stage {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Self::None, Self::Staging, Self::Production, Self::Archived];
        all.into_iter().find(|s| s.as_str().eq_ignore_ascii_case(text)).ok_or_else(|| StoreError::NotFound {
            what: "stage",
            name: text.to_owned(),
            near: all.iter().map(|s| s.as_str().to_owned()).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_goes_back_to_none() {
        for from in [Stage::None, Stage::Staging, Stage::Production, Stage::Archived] {
            assert!(!from.allows(Stage::None));
            assert!(!from.allows(from));
        }
        assert!(Stage::Archived.allows(Stage::Production));
    }

    #[test]
    fn names_are_read_in_any_case() {
        assert_eq!("Production".parse::<Stage>().unwrap(), Stage::Production);
        assert!("prod".parse::<Stage>().unwrap_err().to_string().contains("production"));
    }
}
