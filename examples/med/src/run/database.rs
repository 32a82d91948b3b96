//! The embedded database of a run without one: made from the fixture, once.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, ensure};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use med_etl::clients::schema::clients;
use med_schema::{CsvOptions, Table};

const CLIENTS: &[u8] = include_bytes!("../../../../fixtures/clients.csv");

/// The table as a source system would declare it.
const CREATE: &str = "CREATE TABLE clients (
    age INTEGER NOT NULL, gender TEXT NOT NULL, bmi REAL NOT NULL, smoker TEXT NOT NULL,
    diabetes INTEGER NOT NULL, hypertension INTEGER NOT NULL, heart_disease INTEGER NOT NULL, asthma INTEGER NOT NULL,
    physical_activity_level TEXT NOT NULL, daily_steps INTEGER NOT NULL, sleep_hours REAL NOT NULL,
    stress_level INTEGER NOT NULL, doctor_visits_per_year INTEGER NOT NULL, hospital_admissions INTEGER NOT NULL,
    medication_count INTEGER NOT NULL, insurance_type TEXT, insurance_coverage_pct INTEGER NOT NULL,
    city_type TEXT NOT NULL, previous_year_cost INTEGER NOT NULL, annual_medical_cost REAL NOT NULL
);";

/// SQLite takes at most 32,766 values a statement; 1,000 rows of 20 stay below.
const ROWS_A_STATEMENT: usize = 1_000;

#[derive(Insertable)]
#[diesel(table_name = clients)]
struct NewClient {
    age: i64,
    gender: String,
    bmi: f64,
    smoker: String,
    diabetes: i64,
    hypertension: i64,
    heart_disease: i64,
    asthma: i64,
    physical_activity_level: String,
    daily_steps: i64,
    sleep_hours: f64,
    stress_level: i64,
    doctor_visits_per_year: i64,
    hospital_admissions: i64,
    medication_count: i64,
    insurance_type: Option<String>,
    insurance_coverage_pct: i64,
    city_type: String,
    previous_year_cost: i64,
    annual_medical_cost: f64,
}

/// Makes the database if it is not there. It appears whole or not at all: what a killed run left is begun anew.
pub(super) fn fill(path: &Path) -> anyhow::Result<()> {
    if path.exists() {
        return Ok(());
    }
    // Of several runs that start at once one makes it, and the others wait for that.
    let lock = File::create(path.with_extension("lock")).with_context(|| format!("locking {}", path.display()))?;
    lock.lock().with_context(|| format!("locking {}", path.display()))?;
    if path.exists() {
        return Ok(());
    }
    let partial = path.with_extension("partial");
    if partial.exists() {
        std::fs::remove_file(&partial).with_context(|| format!("removing {}", partial.display()))?;
    }
    let url = partial.to_str().with_context(|| format!("{} is not UTF-8", partial.display()))?;
    let mut connection =
        SqliteConnection::establish(url).with_context(|| format!("making the database {}", path.display()))?;
    // One file, written once: no journal is needed, the rename below is the commit.
    connection.batch_execute("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")?;
    connection.transaction(|connection| -> anyhow::Result<()> {
        connection.batch_execute(CREATE)?;
        for rows in rows()?.chunks(ROWS_A_STATEMENT) {
            diesel::insert_into(clients::table).values(rows).execute(connection)?;
        }
        Ok(())
    })?;
    drop(connection);
    File::open(&partial).and_then(|file| file.sync_all()).with_context(|| format!("writing {}", partial.display()))?;
    std::fs::rename(&partial, path).with_context(|| format!("making the database {}", path.display()))
}

fn rows() -> anyhow::Result<Vec<NewClient>> {
    let table = Table::from_csv(CLIENTS, &CsvOptions::default())?;
    let (frame, _) = table.into_parts();
    let integers = |name: &str| -> anyhow::Result<Vec<i64>> {
        let column = frame.column(name)?.i64()?;
        ensure!(column.null_count() == 0, "{name} has missing values");
        Ok(column.iter().flatten().collect())
    };
    let floats = |name: &str| -> anyhow::Result<Vec<f64>> {
        let column = frame.column(name)?.f64()?;
        ensure!(column.null_count() == 0, "{name} has missing values");
        Ok(column.iter().flatten().collect())
    };
    let texts = |name: &str| -> anyhow::Result<Vec<Option<String>>> {
        Ok(frame.column(name)?.str()?.iter().map(|t| t.map(str::to_owned)).collect())
    };
    let required = |name: &str| -> anyhow::Result<Vec<String>> {
        texts(name)?.into_iter().collect::<Option<_>>().with_context(|| format!("{name} has missing values"))
    };
    let (age, daily_steps, stress) = (integers("age")?, integers("daily_steps")?, integers("stress_level")?);
    let (diabetes, hypertension) = (integers("diabetes")?, integers("hypertension")?);
    let (heart, asthma) = (integers("heart_disease")?, integers("asthma")?);
    let (visits, admissions) = (integers("doctor_visits_per_year")?, integers("hospital_admissions")?);
    let (medication, coverage) = (integers("medication_count")?, integers("insurance_coverage_pct")?);
    let previous = integers("previous_year_cost")?;
    let (bmi, sleep, cost) = (floats("bmi")?, floats("sleep_hours")?, floats("annual_medical_cost")?);
    let (gender, smoker, city) = (required("gender")?, required("smoker")?, required("city_type")?);
    let (activity, insurance) = (required("physical_activity_level")?, texts("insurance_type")?);
    Ok((0..frame.height())
        .map(|i| NewClient {
            age: age[i],
            gender: gender[i].clone(),
            bmi: bmi[i],
            smoker: smoker[i].clone(),
            diabetes: diabetes[i],
            hypertension: hypertension[i],
            heart_disease: heart[i],
            asthma: asthma[i],
            physical_activity_level: activity[i].clone(),
            daily_steps: daily_steps[i],
            sleep_hours: sleep[i],
            stress_level: stress[i],
            doctor_visits_per_year: visits[i],
            hospital_admissions: admissions[i],
            medication_count: medication[i],
            insurance_type: insurance[i].clone(),
            insurance_coverage_pct: coverage[i],
            city_type: city[i].clone(),
            previous_year_cost: previous[i],
            annual_medical_cost: cost[i],
        })
        .collect())
}
