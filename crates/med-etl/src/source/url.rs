//! Which database is meant.

use std::fmt;
use std::path::Path;
#[cfg(feature = "sqlite")]
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::source::connection::Backend;
use crate::source::retry::Retry;
use crate::source::secret::ServerUrl;
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
    retry: Retry,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Database {
    #[cfg(feature = "sqlite")]
    Sqlite(PathBuf),
    #[cfg(feature = "postgres")]
    Postgres(ServerUrl),
    #[cfg(feature = "mysql")]
    Mysql(ServerUrl),
}

impl Source {
    /// Reads a database URL:
    ///
    /// | URL | database |
    /// | --- | --- |
    /// | `sqlite:///absolute/path`, `sqlite://relative/path`, a plain path | the SQLite file; the path is taken as it stands |
    /// | `postgres://user:password@host:port/database?sslmode=verify-full` | PostgreSQL, with libpq's parameters |
    /// | `mysql://user:password@host:port/database?ssl_mode=required` | MySQL or MariaDB, also as `mariadb://` |
    ///
    /// Characters of users and passwords that mean something in a URL are written as `%40` and the like.
    ///
    /// # Errors
    /// When the scheme is another, its back end was not compiled in, no database is named, or a path looks like a server's
    /// credentials.
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
            "postgres" | "postgresql" => Self::of_postgres(ServerUrl::parse("postgres", rest)?),
            "mysql" | "mariadb" => Self::of_mysql(ServerUrl::parse("mysql", rest)?),
            other => {
                let named = other.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
                let scheme = if named { other } else { "(not a name)" };
                Err(EtlError::UnsupportedScheme { scheme: scheme.to_owned() })
            }
        }
    }

    /// The SQLite database in this file.
    #[cfg(feature = "sqlite")]
    pub fn sqlite(path: impl Into<PathBuf>) -> Self {
        Self::of(Database::Sqlite(path.into()))
    }

    /// How long to wait for a writer that holds an SQLite file. Default 5 s.
    #[must_use]
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// How failures to connect that may pass are met.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Opens the database for reading.
    ///
    /// # Errors
    /// When there is no such database, or it cannot be read.
    pub fn connect(&self) -> Result<Connection, EtlError> {
        Ok(Connection::new(self.open()?, self.clone()))
    }

    pub(super) fn open(&self) -> Result<Backend, EtlError> {
        Ok(match &self.database {
            #[cfg(feature = "sqlite")]
            Database::Sqlite(path) => Backend::Sqlite(Box::new(
                self.retry.run(|| super::sqlite::SqliteDatabase::open(path, self.busy_timeout))?,
            )),
            #[cfg(feature = "postgres")]
            Database::Postgres(url) => {
                Backend::Postgres(Box::new(super::postgres::PostgresDatabase::open(url, self.retry)?))
            }
            #[cfg(feature = "mysql")]
            Database::Mysql(url) => Backend::Mysql(Box::new(super::mysql::MysqlDatabase::open(url, self.retry)?)),
        })
    }

    /// The file, for a database that is one.
    pub fn path(&self) -> Option<&Path> {
        match &self.database {
            #[cfg(feature = "sqlite")]
            Database::Sqlite(path) => Some(path),
            #[cfg(any(feature = "postgres", feature = "mysql"))]
            _ => None,
        }
    }

    /// The database by what tells it from others.
    pub(super) fn address(&self) -> String {
        match &self.database {
            #[cfg(feature = "sqlite")]
            Database::Sqlite(path) => {
                let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.clone());
                format!("sqlite://{}", path.display())
            }
            #[cfg(feature = "postgres")]
            Database::Postgres(url) => url.address("5432"),
            #[cfg(feature = "mysql")]
            Database::Mysql(url) => url.address("3306"),
        }
    }

    fn of(database: Database) -> Self {
        Self { database, busy_timeout: Duration::from_secs(5), retry: Retry::default() }
    }

    #[cfg(feature = "sqlite")]
    fn of_path(path: &str) -> Result<Self, EtlError> {
        match path {
            "" => Err(EtlError::Url { reason: "names no file" }),
            ":memory:" => Err(EtlError::Url {
                reason: "means a new, empty database in memory; give the connection that holds it",
            }),
            // Nothing of it is shown: it may hold a password. A file of such a name is opened by `Source::sqlite`.
            path if path.split_once(':').is_some_and(|(_, rest)| rest.contains('@')) => Err(EtlError::Url {
                reason: "looks like user:password@host and does not begin with postgres://, mysql:// or mariadb://",
            }),
            path if looks_like_parameters(path) => Err(EtlError::Url {
                reason: "looks like parameters of a connection; write it as postgres://user:password@host/database or mysql://...",
            }),
            path => Ok(Self::sqlite(path)),
        }
    }

    #[cfg(not(feature = "sqlite"))]
    fn of_path(_: &str) -> Result<Self, EtlError> {
        Err(EtlError::NotCompiledIn { database: "SQLite", feature: "sqlite" })
    }

    #[cfg(feature = "postgres")]
    fn of_postgres(url: ServerUrl) -> Result<Self, EtlError> {
        Ok(Self::of(Database::Postgres(url)))
    }

    #[cfg(not(feature = "postgres"))]
    fn of_postgres(_: ServerUrl) -> Result<Self, EtlError> {
        Err(EtlError::NotCompiledIn { database: "PostgreSQL", feature: "postgres" })
    }

    #[cfg(feature = "mysql")]
    fn of_mysql(url: ServerUrl) -> Result<Self, EtlError> {
        Ok(Self::of(Database::Mysql(url)))
    }

    #[cfg(not(feature = "mysql"))]
    fn of_mysql(_: ServerUrl) -> Result<Self, EtlError> {
        Err(EtlError::NotCompiledIn { database: "MySQL", feature: "mysql" })
    }
}

/// Whether this is no path but parameters, as libpq, ODBC and command lines have them: `host=db password=..`, `Server=db;Pwd=..`.
#[cfg(feature = "sqlite")]
fn looks_like_parameters(text: &str) -> bool {
    const NAMES: [&str; 18] = [
        "host", "hostaddr", "server", "port", "dbname", "database", "user", "username", "uid", "user id", "password",
        "passwd", "pwd", "pass", "passfile", "sslmode", "service", "options",
    ];
    let named = |word: &str| {
        word.split_once('=').is_some_and(|(name, _)| NAMES.iter().any(|n| name.trim().eq_ignore_ascii_case(n)))
    };
    let words = || text.split(|c: char| c.is_whitespace() || ";&?,".contains(c));
    let bare = |word: &str| NAMES.iter().any(|n| word.eq_ignore_ascii_case(n));
    let spaced = words().zip(words().skip(1)).any(|(name, sign)| bare(name) && sign.starts_with('='));
    // A program with its options.
    let program = words().next().is_some_and(|w| !w.contains(['/', '\\', '.']));
    let option =
        |w: &str| w.strip_prefix('-').is_some_and(|w| w.starts_with(|c: char| c.is_ascii_alphabetic() || c == '-'));
    words().any(named) || text.split(';').any(named) || spaced || (program && words().skip(1).any(option))
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
            #[cfg(feature = "sqlite")]
            Database::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            #[cfg(feature = "postgres")]
            Database::Postgres(url) => url.fmt(f),
            #[cfg(feature = "mysql")]
            Database::Mysql(url) => url.fmt(f),
        }
    }
}

#[cfg(all(test, feature = "sqlite"))]
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
        for url in ["oracle://u:hunter2@h/db", "u:hunter2@h://x"] {
            let error = Source::parse(url).unwrap_err();
            assert!(matches!(error, EtlError::UnsupportedScheme { .. }), "{error}");
            assert!(error.to_string().contains("sqlite:///path") && !error.to_string().contains("hunter2"), "{error}");
            assert!(!format!("{error:?}").contains("hunter2"));
        }
        // The scheme is misspelt: no path of a file, which an error would show.
        for url in ["u:hunter2@h/db", "postgres//u:hunter2@h/db", "postgres:/u:hunter2@h/db", "sqlite://u:hunter2@h/db"]
        {
            let error = Source::parse(url).unwrap_err();
            assert!(matches!(error, EtlError::Url { .. }), "{error}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
        // What other programs take for the whole address.
        for url in [
            "host=h user=u password=hunter2 dbname=d",
            "host = h password = hunter2",
            "sqlite://password=hunter2",
            "Server=h;Database=d;User Id=u;PWD=hunter2",
            "h/db?user=u&password=hunter2",
            "mysql -h h -u u -phunter2 db",
        ] {
            let error = Source::parse(url).unwrap_err();
            assert!(matches!(error, EtlError::Url { .. }), "{url}: {error}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
        for path in ["/data/year=2024/my claims.db", "claims - copy.db", "/var/user=x/a -b.db"] {
            assert!(Source::parse(path).is_ok(), "{path}");
        }
        for url in ["", "sqlite://", ":memory:", "sqlite://:memory:", "sqlite:a.db", "sqlite://a.db?mode=rw"] {
            assert!(matches!(Source::parse(url), Err(EtlError::Url { .. })), "{url}");
        }
    }

    #[test]
    fn servers_need_their_feature_and_never_show_a_password() {
        for (url, compiled_in) in [
            ("postgresql://u:hunter2@h:1/db", cfg!(feature = "postgres")),
            ("postgres://u:hunter2@h/db?sslmode=require", cfg!(feature = "postgres")),
            ("mysql://u:hunter2@h/db", cfg!(feature = "mysql")),
            ("mariadb://u:hunter2@h/db", cfg!(feature = "mysql")),
        ] {
            let shown = match Source::parse(url) {
                Ok(source) => {
                    assert!(compiled_in, "{url}");
                    format!("{source} {source:?}")
                }
                Err(error) => {
                    assert!(!compiled_in && matches!(error, EtlError::NotCompiledIn { .. }), "{url}: {error}");
                    format!("{error} {error:?}")
                }
            };
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }
}
