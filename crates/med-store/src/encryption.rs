//! Columns that are encrypted in Parquet files (modular encryption, AES-GCM), with keys that the caller holds.
//!
//! The lake is given keys by the name of the column. Every Parquet file it writes that has such a column, be it of a table,
//! a training set or a result, has it encrypted, together with its pages' headers, dictionary and metadata. What else would
//! tell of its values is not written at all: no statistics or Bloom filter in the file, none in the log of the table, none
//! beside an insert or a training set. The footer stays plain and is signed, so that the other columns can be read
//! without any key, or is encrypted as well. A plain footer names the encrypted columns; a reader without a key says
//! which one it lacks instead of decoding noise. Nonces are random: the same rows are other bytes each time.

use std::collections::BTreeMap;
use std::fmt;

use ::parquet::arrow::arrow_reader::ArrowReaderOptions;
use ::parquet::file::metadata::KeyValue;
use ::parquet::file::properties::{EnabledStatistics, WriterPropertiesBuilder};
use ::parquet::schema::types::ColumnPath;
use med_schema::{Fingerprint, FingerprintHasher};

use crate::{Cause, Result, StoreError};

/// Where a file, and the configuration of a table, names its encrypted columns, as a JSON list.
pub(crate) const ENCRYPTED: &str = "med.encrypted";

/// The keys of encrypted columns, by name: 16 or 32 bytes each, for AES-128 or AES-256. They are never written or shown.
///
/// | key | opens |
/// | --- | --- |
/// | of the footer | signs the footer of each file, or encrypts it when it is [hidden](ColumnKeys::hide_footer) |
/// | of a column | the columns of this name, in all tables, training sets and results of the lake |
#[derive(Clone, Default)]
#[cfg_attr(not(feature = "encryption"), allow(unreachable_pub, reason = "it is handed out where keys can be"))]
pub struct ColumnKeys {
    footer: Vec<u8>,
    columns: BTreeMap<String, Vec<u8>>,
    #[cfg(feature = "encryption")]
    hide_footer: bool,
}

/// Shows which columns have a key.
impl fmt::Debug for ColumnKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ColumnKeys").field("columns", &self.columns.keys()).finish_non_exhaustive()
    }
}

#[cfg(feature = "encryption")]
impl ColumnKeys {
    /// No column yet; `footer` is the key of the files' footers.
    ///
    /// # Errors
    /// When the key is not of 16 or 32 bytes.
    pub fn new(footer: impl Into<Vec<u8>>) -> Result<Self> {
        Ok(Self { footer: checked("footer", footer.into())?, ..Self::default() })
    }

    /// With the key of the columns of this name.
    ///
    /// # Errors
    /// When the key is not of 16 or 32 bytes.
    pub fn column(mut self, name: impl Into<String>, key: impl Into<Vec<u8>>) -> Result<Self> {
        let name = name.into();
        let key = checked(&name, key.into())?;
        self.columns.insert(name, key);
        Ok(self)
    }

    /// With footers encrypted as well: without the footer's key nothing of a file can be read, not even its columns' names.
    /// Only files that have an encrypted column are so.
    #[must_use]
    pub fn hide_footer(mut self) -> Self {
        self.hide_footer = true;
        self
    }
}

#[cfg(feature = "encryption")]
fn checked(what: &str, key: Vec<u8>) -> Result<Vec<u8>> {
    if matches!(key.len(), 16 | 32) {
        return Ok(key);
    }
    let reason = format!("expected a key of 16 or 32 bytes, found {}", key.len());
    Err(StoreError::Encryption { table: String::new(), column: what.to_owned(), reason })
}

impl ColumnKeys {
    /// Whether there is a key for this column.
    pub(crate) fn has(&self, column: &str) -> bool {
        self.columns.contains_key(column)
    }

    /// The columns among these that have a key.
    pub(crate) fn among<'a>(&self, columns: impl Iterator<Item = &'a str>) -> Vec<String> {
        let mut found: Vec<String> = columns.filter(|name| self.has(name)).map(str::to_owned).collect();
        found.sort_unstable();
        found
    }

    /// A digest of content that tells nothing to whoever has no key.
    pub(crate) fn digest(&self, content: &[u8]) -> Fingerprint {
        FingerprintHasher::new().part("med-store content of encrypted parts").part(&self.footer).part(content).finish()
    }

    /// Refuses to write rows of a table whose encrypted columns are not those we have keys for.
    pub(crate) fn check_table(&self, table: &str, columns: &[String], encrypted: &[String]) -> Result<()> {
        if let Some(column) = encrypted.iter().find(|name| !self.has(name)) {
            return Err(StoreError::NoKey { object: table.to_owned(), column: column.clone() });
        }
        if let Some(column) = columns.iter().find(|name| self.has(name) && !encrypted.contains(name)) {
            let reason = "there is a key for it, and the table was made without".to_owned();
            return Err(StoreError::Encryption { table: table.to_owned(), column: column.clone(), reason });
        }
        Ok(())
    }
}

/// The list as it stands in files and tables.
pub(crate) fn listed(columns: &[String]) -> String {
    serde_json::Value::from(columns.to_vec()).to_string()
}

/// The columns of a list.
pub(crate) fn parse(list: Option<&str>) -> Result<Vec<String>, Cause> {
    list.map_or_else(|| Ok(Vec::new()), |list| Ok(serde_json::from_str(list)?))
}

/// The encrypted columns that a footer names.
pub(crate) fn named(metadata: Option<&Vec<KeyValue>>) -> Result<Vec<String>, Cause> {
    parse(metadata.and_then(|all| all.iter().find(|entry| entry.key == ENCRYPTED)?.value.as_deref()))
}

/// Writer properties by which these columns are encrypted, and nothing else tells of them.
pub(crate) fn seal(
    mut properties: WriterPropertiesBuilder,
    keys: &ColumnKeys,
    columns: &[String],
) -> Result<WriterPropertiesBuilder, Cause> {
    for name in columns {
        let path = ColumnPath::from(name.as_str());
        properties = properties
            .set_column_statistics_enabled(path.clone(), EnabledStatistics::None)
            .set_column_bloom_filter_enabled(path, false);
    }
    #[cfg(feature = "encryption")]
    if !columns.is_empty() {
        use ::parquet::encryption::encrypt::FileEncryptionProperties;
        let mut encryption =
            FileEncryptionProperties::builder(keys.footer.clone()).with_plaintext_footer(!keys.hide_footer);
        for name in columns {
            encryption = encryption.with_column_key(name, keys.columns.get(name).cloned().unwrap_or_default());
        }
        properties = properties.with_file_encryption_properties(encryption.build()?);
    }
    #[cfg(not(feature = "encryption"))]
    let _ = keys;
    Ok(properties)
}

/// Reader options that decrypt what there are keys for.
pub(crate) fn open(options: ArrowReaderOptions, keys: &ColumnKeys) -> Result<ArrowReaderOptions, Cause> {
    #[cfg(feature = "encryption")]
    if !keys.footer.is_empty() {
        use ::parquet::encryption::decrypt::FileDecryptionProperties;
        let mut decryption = FileDecryptionProperties::builder(keys.footer.clone());
        for (name, key) in &keys.columns {
            decryption = decryption.with_column_key(name, key.clone());
        }
        return Ok(options.with_file_decryption_properties(decryption.build()?));
    }
    #[cfg(not(feature = "encryption"))]
    let _ = keys;
    Ok(options)
}
