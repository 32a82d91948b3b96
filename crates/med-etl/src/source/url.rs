//! Which database is meant.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use crate::source::sqlite::SqliteDatabase;
use crate::{Connection, EtlError};

/// A database to read from. Shown without credentials.
///
/// ```
/// use med_etl::Source;
/// let source: Source = "sqlite:///var/lib/med/clients.db".parse()?;
/// assert_eq!(source.to_string(), "sqlite:///var/lib/med/clients.db");
/// let error = "oracle://scott:tiger@host/db".parse::<Source>().unwrap_err().to_string();
/// assert!(error.contains("\"oracle\"") && !error.contains("tiger"));
/// # Ok::<(), med_etl::EtlError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    database: Database,
    busy_timeout: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Database {
    Sqlite(PathBuf),
}

impl Source {
    /// Reads a database URL: `sqlite:///absolute/path`, `sqlite://relative/path`, or the path of an SQLite file. The path
    /// is taken as it stands, without percent-decoding and parameters.
    ///
    /// # Errors
    /// When the scheme is another, or no file is named.
    pub fn parse(url: &str) -> Result<Self, EtlError> {
        let Some((scheme, rest)) = url.split_once("://") else {
            return match url.split_once(':') {
                Some(("sqlite", _)) => Err(EtlError::Url { reason: "needs two slashes after sqlite:" }),
                _ => Self::of_path(url),
            };
        };
        match scheme.to_ascii_lowercase().as_str() {
            "sqlite" if rest.contains('?') => {
                Err(EtlError::Url { reason: "has parameters; an SQLite file takes none" })
            }
            "sqlite" => Self::of_path(rest),
            other => {
                let named = other.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
                let scheme = if named { other } else { "(not a name)" };
                Err(EtlError::UnsupportedScheme { scheme: scheme.to_owned() })
            }
        }
    }

    /// The SQLite database in this file.
    pub fn sqlite(path: impl Into<PathBuf>) -> Self {
        Self { database: Database::Sqlite(path.into()), busy_timeout: Duration::from_secs(5) }
    }

    /// How long to wait for a writer that holds the database. Default 5 s.
    #[must_use]
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// Opens the database for reading.
    ///
    /// # Errors
    /// When there is no such database, or it cannot be read.
    pub fn connect(&self) -> Result<Connection, EtlError> {
        match &self.database {
            Database::Sqlite(path) => Ok(Connection::new(SqliteDatabase::open(path, self.busy_timeout)?)),
        }
    }

    /// The file, for a database that is one.
    pub fn path(&self) -> Option<&Path> {
        match &self.database {
            Database::Sqlite(path) => Some(path),
        }
    }

    fn of_path(path: &str) -> Result<Self, EtlError> {
        match path {
            "" => Err(EtlError::Url { reason: "names no file" }),
            ":memory:" => Err(EtlError::Url {
                reason: "means a new, empty database in memory; give the connection that holds it",
            }),
            path => Ok(Self::sqlite(path)),
        }
    }
}

impl FromStr for Source {
    type Err = EtlError;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        Self::parse(url)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.database {
            Database::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_and_paths_name_files() {
        for (url, path) in [
            ("sqlite:///a/b.db", "/a/b.db"),
            ("sqlite://b.db", "b.db"),
            ("SQLite://b.db", "b.db"),
            ("dir/b c#?.db", "dir/b c#?.db"),
            (r"C:\b.db", r"C:\b.db"),
        ] {
            assert_eq!(Source::parse(url).unwrap().path(), Some(Path::new(path)), "{url}");
        }
    }

    #[test]
    fn others_are_refused_without_their_credentials() {
        for url in ["postgres://u:hunter2@h/db", "mysql://u:hunter2@h/db", "u:hunter2@h://x"] {
            let error = Source::parse(url).unwrap_err();
            assert!(matches!(error, EtlError::UnsupportedScheme { .. }), "{error}");
            assert!(error.to_string().contains("sqlite:///path") && !error.to_string().contains("hunter2"), "{error}");
            assert!(!format!("{error:?}").contains("hunter2"));
        }
        for url in ["", "sqlite://", ":memory:", "sqlite://:memory:", "sqlite:a.db", "sqlite://a.db?mode=rw"] {
            assert!(matches!(Source::parse(url), Err(EtlError::Url { .. })), "{url}");
        }
    }
}
