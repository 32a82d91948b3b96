//! The databases that the conformance suite runs on: SQLite always, servers where a URL is given.

use std::sync::atomic::{AtomicU64, Ordering};

use diesel::Connection as _;
use diesel::connection::SimpleConnection;
use med_etl::{Connection, EtlError, Extract, Extracted, Source};
use tempfile::TempDir;

static NUMBER: AtomicU64 = AtomicU64::new(0);

/// Types of columns, by what they mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sql {
    Bool,
    Int,
    Float,
    /// Twelve digits, three of them decimals.
    Decimal,
    Text,
    /// Text that can be indexed.
    Code,
    Date,
    Timestamp,
    /// A moment that is given with an offset.
    Zoned,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
    Mysql,
}

/// An empty database for one test.
pub(crate) struct TestDb {
    pub(crate) kind: Kind,
    pub(crate) url: String,
    server: Option<(String, String)>,
    _dir: TempDir,
}

impl Drop for TestDb {
    fn drop(&mut self) {
        if let Some((server, name)) = &self.server {
            let drop = match self.kind {
                Kind::Postgres => format!("DROP SCHEMA {name} CASCADE"),
                _ => format!("DROP DATABASE {name}"),
            };
            // The next run has other names, so one that is left over only takes room.
            let _ = execute(self.kind, server, &drop);
        }
    }
}

/// Runs the test on every back end that is there.
pub(crate) fn on_each(test: impl Fn(&TestDb)) {
    test(&TestDb::sqlite());
    for (kind, compiled_in, variable) in [
        (Kind::Postgres, cfg!(feature = "postgres"), "MED_TEST_POSTGRES_URL"),
        (Kind::Mysql, cfg!(feature = "mysql"), "MED_TEST_MYSQL_URL"),
    ] {
        match std::env::var(variable) {
            Ok(url) if compiled_in => test(&TestDb::on_server(kind, &url)),
            _ => println!("skipped on {kind:?}: the feature is off or {variable} is not set"),
        }
    }
}

fn execute(kind: Kind, url: &str, sql: &str) -> Result<(), Box<dyn std::error::Error>> {
    match kind {
        Kind::Sqlite => {
            let path = url.strip_prefix("sqlite://").unwrap();
            Ok(diesel::SqliteConnection::establish(&format!("file:{path}"))?.batch_execute(sql)?)
        }
        #[cfg(feature = "postgres")]
        Kind::Postgres => Ok(diesel::PgConnection::establish(url)?.batch_execute(sql)?),
        #[cfg(feature = "mysql")]
        Kind::Mysql => Ok(diesel::MysqlConnection::establish(url)?.batch_execute(sql)?),
        #[cfg(not(all(feature = "postgres", feature = "mysql")))]
        other => Err(format!("{other:?} is not compiled in").into()),
    }
}

impl TestDb {
    fn sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/t.db", dir.path().display());
        let db = Self { kind: Kind::Sqlite, url, server: None, _dir: dir };
        db.execute("PRAGMA journal_mode = WAL");
        db
    }

    fn on_server(kind: Kind, server: &str) -> Self {
        let name = format!("med_etl_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let url = match kind {
            Kind::Postgres => {
                execute(kind, server, &format!("CREATE SCHEMA {name}")).unwrap();
                let separator = if server.contains('?') { '&' } else { '?' };
                format!("{server}{separator}options=-csearch_path%3D{name}")
            }
            _ => {
                execute(kind, server, &format!("CREATE DATABASE {name} CHARACTER SET utf8mb4")).unwrap();
                format!("{}/{name}", server.rsplit_once('/').unwrap().0)
            }
        };
        Self { kind, url, server: Some((server.to_owned(), name)), _dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn execute(&self, sql: &str) {
        execute(self.kind, &self.url, sql).unwrap_or_else(|e| panic!("{:?}: {e}\n{sql:.300}", self.kind));
    }

    pub(crate) fn connect(&self) -> Connection {
        Source::parse(&self.url).unwrap().connect().unwrap()
    }

    pub(crate) fn collect(&self, extract: &Extract) -> Result<Extracted, EtlError> {
        self.connect().collect(extract)
    }

    pub(crate) fn quoted(&self, name: &str) -> String {
        match self.kind {
            Kind::Mysql => format!("`{}`", name.replace('`', "``")),
            _ => format!("\"{}\"", name.replace('"', "\"\"")),
        }
    }

    pub(crate) fn type_name(&self, sql: Sql) -> &'static str {
        match (sql, self.kind) {
            (Sql::Bool, _) => "BOOLEAN",
            (Sql::Int, _) => "BIGINT",
            (Sql::Float, Kind::Sqlite) => "REAL",
            (Sql::Float, Kind::Postgres) => "DOUBLE PRECISION",
            (Sql::Float, Kind::Mysql) => "DOUBLE",
            (Sql::Decimal, _) => "DECIMAL(12,3)",
            (Sql::Text, Kind::Mysql) => "LONGTEXT",
            (Sql::Text, _) => "TEXT",
            (Sql::Code, Kind::Mysql) => "VARCHAR(40) COLLATE utf8mb4_bin",
            (Sql::Code, _) => "VARCHAR(40)",
            (Sql::Date, _) => "DATE",
            (Sql::Timestamp, Kind::Mysql) => "DATETIME(6)",
            (Sql::Timestamp, _) => "TIMESTAMP",
            (Sql::Zoned, Kind::Sqlite) => "TIMESTAMP",
            (Sql::Zoned, Kind::Postgres) => "TIMESTAMP WITH TIME ZONE",
            (Sql::Zoned, Kind::Mysql) => "TIMESTAMP(6) NULL",
        }
    }

    /// Makes a table with the key `id` and these columns, and fills it. A row is its values as SQL, the key first.
    pub(crate) fn table(&self, name: &str, columns: &[(&str, Sql)], rows: &[&str]) {
        let columns: Vec<String> =
            columns.iter().map(|(name, sql)| format!(", {} {}", self.quoted(name), self.type_name(*sql))).collect();
        let table = self.quoted(name);
        let mut sql = format!("CREATE TABLE {table} (id BIGINT PRIMARY KEY NOT NULL{});", columns.concat());
        for row in rows {
            sql.push_str(&format!("INSERT INTO {table} VALUES ({row});"));
        }
        self.execute(&sql);
    }
}
