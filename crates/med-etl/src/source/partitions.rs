//! How many connections read at once.

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::EtlError;

/// Connections that read at once, each a range of the key: from 1 to [`Partitions::MAX`]. Default 1.
///
/// ```
/// use med_etl::Partitions;
/// assert_eq!(Partitions::new(4)?.get(), 4);
/// assert!("120".parse::<Partitions>().unwrap_err().to_string().contains("from 1 to 32"));
/// # Ok::<(), med_etl::EtlError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "usize", into = "usize")]
pub struct Partitions(NonZeroUsize);

impl Partitions {
    /// One connection, which reads all.
    pub const ONE: Self = Self(NonZeroUsize::MIN);

    /// The most that may be asked for: a third of the 100 connections that PostgreSQL has for all its users unless configured otherwise,
    /// and more than the processors and disks of most servers make use of.
    pub const MAX: usize = 32;

    /// So many connections.
    ///
    /// # Errors
    /// When it is none, or more than [`Partitions::MAX`].
    pub fn new(count: usize) -> Result<Self, EtlError> {
        let within = NonZeroUsize::new(count).filter(|count| count.get() <= Self::MAX);
        within.map(Self).ok_or_else(|| EtlError::Partitions { found: count.to_string() })
    }

    /// How many.
    pub fn get(self) -> usize {
        self.0.get()
    }
}

impl Default for Partitions {
    fn default() -> Self {
        Self::ONE
    }
}

impl TryFrom<usize> for Partitions {
    type Error = EtlError;

    fn try_from(count: usize) -> Result<Self, EtlError> {
        Self::new(count)
    }
}

impl From<Partitions> for usize {
    fn from(partitions: Partitions) -> Self {
        partitions.get()
    }
}

impl FromStr for Partitions {
    type Err = EtlError;

    fn from_str(text: &str) -> Result<Self, EtlError> {
        match text.parse() {
            Ok(count) => Self::new(count),
            Err(_) => Err(EtlError::Partitions { found: text.to_owned() }),
        }
    }
}

impl fmt::Display for Partitions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_and_too_many_are_refused_wherever_they_come_from() {
        for good in [1, 2, Partitions::MAX] {
            assert_eq!(Partitions::new(good).unwrap().get(), good);
            assert_eq!(serde_json::from_str::<Partitions>(&good.to_string()).unwrap().get(), good);
        }
        for bad in ["0", "33", "120", "-1", "many", "99999999999999999999999"] {
            let error = bad.parse::<Partitions>().unwrap_err().to_string();
            assert!(error.contains("from 1 to 32") && error.contains(bad), "{error}");
        }
        assert!(serde_json::from_str::<Partitions>("33").unwrap_err().to_string().contains("found 33"));
    }
}
