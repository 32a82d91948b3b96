//! Content addresses.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::SchemaError;

/// A BLAKE3 digest (256 bits) of some content: equal content, equal fingerprint, on every machine.
///
/// Written as 64 lower-case hexadecimal digits.
///
/// ```
/// use med_schema::Fingerprint;
/// let a = Fingerprint::of(b"abc");
/// assert_eq!(a.to_string().parse::<Fingerprint>()?, a);
/// # Ok::<(), med_schema::SchemaError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of these bytes.
    pub fn of(bytes: impl AsRef<[u8]>) -> Self {
        Self(*blake3::hash(bytes.as_ref()).as_bytes())
    }

    /// The digest itself.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first 16 hexadecimal digits: enough for names that people read.
    pub fn short(&self) -> String {
        let mut text = self.to_string();
        text.truncate(16);
        text
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.to_string()
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = SchemaError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl FromStr for Fingerprint {
    type Err = SchemaError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = || SchemaError::Fingerprint { found: text.to_owned() };
        if text.len() != 64 || !text.is_ascii() {
            return Err(malformed());
        }
        let mut digest = [0_u8; 32];
        for (i, byte) in digest.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).map_err(|_| malformed())?;
        }
        Ok(Self(digest))
    }
}

/// Builds a [`Fingerprint`] from parts. Every part is preceded by its length, so `("ab", "c")` and `("a", "bc")` differ.
#[derive(Debug, Default, Clone)]
pub struct FingerprintHasher(blake3::Hasher);

impl FingerprintHasher {
    /// An empty hasher.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one part.
    pub fn part(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let bytes = bytes.as_ref();
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
        self
    }

    /// The fingerprint of all parts so far.
    pub fn finish(&self) -> Fingerprint {
        Fingerprint(*self.0.finalize().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_round_trips_and_refuses_others() {
        let f = Fingerprint::of("x");
        assert_eq!(f.to_string().len(), 64);
        assert_eq!(serde_json::from_str::<Fingerprint>(&serde_json::to_string(&f).unwrap()).unwrap(), f);
        for bad in ["", "zz", &"g".repeat(64), &"é".repeat(32)] {
            assert!(bad.parse::<Fingerprint>().is_err(), "{bad}");
        }
    }

    #[test]
    fn parts_do_not_run_together() {
        let ab_c = FingerprintHasher::new().part("ab").part("c").finish();
        let a_bc = FingerprintHasher::new().part("a").part("bc").finish();
        assert_ne!(ab_c, a_bc);
    }
}
