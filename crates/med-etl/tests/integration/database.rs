//! Database files to read from.

use std::fmt::Write as _;
use std::path::PathBuf;

use diesel::Connection as _;
use diesel::connection::SimpleConnection;
use diesel::sqlite::SqliteConnection;
use med_etl::{Connection, EtlError, Extract, Extracted, Source};
use tempfile::TempDir;

/// A database file that lives as long as this.
pub(crate) struct Db {
    dir: TempDir,
}

impl Db {
    pub(crate) fn new(sql: &str) -> Self {
        let db = Self { dir: tempfile::tempdir().unwrap() };
        db.change(sql);
        db
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("a b?.db")
    }

    pub(crate) fn change(&self, sql: &str) {
        // Diesel alone takes a `?` for the start of parameters.
        let uri = format!("file:{}/a%20b%3F.db", self.dir.path().display());
        SqliteConnection::establish(&uri).unwrap().batch_execute(sql).unwrap();
    }

    pub(crate) fn connect(&self) -> Connection {
        Source::sqlite(self.path()).connect().unwrap()
    }

    pub(crate) fn collect(&self, extract: &Extract) -> Result<Extracted, EtlError> {
        self.connect().collect(extract)
    }
}

/// The 5,000 clients as a database table, empty cells as nulls.
pub(crate) fn clients() -> Db {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/clients.csv");
    let text = std::fs::read_to_string(path).unwrap();
    let mut sql = String::from(
        "CREATE TABLE clients (age INTEGER, gender TEXT, bmi REAL, smoker TEXT, diabetes INTEGER, hypertension INTEGER,
         heart_disease INTEGER, asthma INTEGER, physical_activity_level TEXT, daily_steps INTEGER, sleep_hours REAL,
         stress_level INTEGER, doctor_visits_per_year INTEGER, hospital_admissions INTEGER, medication_count INTEGER,
         insurance_type TEXT, insurance_coverage_pct INTEGER, city_type TEXT, previous_year_cost INTEGER,
         annual_medical_cost REAL); BEGIN;",
    );
    for line in text.lines().skip(1) {
        let cells: Vec<String> =
            line.split(',').map(|c| if c.is_empty() { "NULL".to_owned() } else { format!("'{c}'") }).collect();
        write!(sql, "INSERT INTO clients VALUES ({});", cells.join(",")).unwrap();
    }
    sql.push_str("COMMIT;");
    Db::new(&sql)
}
