//! The clients table, typed.
//!
//! Where the columns are known when the program is written, Diesel's `table!` checks queries at compile time: a filter on
//! a column that is not there does not build. [`read`] gives the same table as the dynamic path with
//! [`clients_schema`] does.
//!
//! Diesel alone would read the text `unknown` in an integer column of SQLite as the number 0, since SQLite converts
//! silently. [`Client`] is read through the types of [`strict`](crate::source::strict), which fail instead.

use diesel::connection::DefaultLoadingMode;
use diesel::prelude::*;
use diesel::sqlite::Sqlite;
use med_schema::{Column, Domain, Kind, Role, Schema, SchemaError, Table, ValueType};
use polars::frame::DataFrame;

use crate::builder::{ColumnBuilder, Value};
use crate::source::strict::{StrictInteger, StrictOptionalText, StrictReal, StrictText};
use crate::{Connection, EtlError};

/// The clients table as Diesel sees it.
#[allow(missing_docs, reason = "the columns are documented on `Client`")]
pub mod schema {
    diesel::table! {
        // The table has no key of its own; Diesel wants one for `find`, which nobody calls.
        clients (age) {
            age -> BigInt,
            gender -> Text,
            bmi -> Double,
            smoker -> Text,
            diabetes -> BigInt,
            hypertension -> BigInt,
            heart_disease -> BigInt,
            asthma -> BigInt,
            physical_activity_level -> Text,
            daily_steps -> BigInt,
            sleep_hours -> Double,
            stress_level -> BigInt,
            doctor_visits_per_year -> BigInt,
            hospital_admissions -> BigInt,
            medication_count -> BigInt,
            insurance_type -> Nullable<Text>,
            insurance_coverage_pct -> BigInt,
            city_type -> Text,
            previous_year_cost -> BigInt,
            annual_medical_cost -> Double,
        }
    }
}

/// One client.
#[derive(Debug, Clone, PartialEq, Queryable, Selectable)]
#[diesel(table_name = schema::clients, check_for_backend(Sqlite))]
pub struct Client {
    /// Years.
    #[diesel(deserialize_as = StrictInteger)]
    pub age: i64,
    /// `Female` or `Male`.
    #[diesel(deserialize_as = StrictText)]
    pub gender: String,
    /// Body mass index, kg/m².
    #[diesel(deserialize_as = StrictReal)]
    pub bmi: f64,
    /// `Yes` or `No`.
    #[diesel(deserialize_as = StrictText)]
    pub smoker: String,
    /// 1 if diagnosed, else 0.
    #[diesel(deserialize_as = StrictInteger)]
    pub diabetes: i64,
    /// 1 if diagnosed, else 0.
    #[diesel(deserialize_as = StrictInteger)]
    pub hypertension: i64,
    /// 1 if diagnosed, else 0.
    #[diesel(deserialize_as = StrictInteger)]
    pub heart_disease: i64,
    /// 1 if diagnosed, else 0.
    #[diesel(deserialize_as = StrictInteger)]
    pub asthma: i64,
    /// `Low`, `Medium` or `High`.
    #[diesel(deserialize_as = StrictText)]
    pub physical_activity_level: String,
    /// Steps a day.
    #[diesel(deserialize_as = StrictInteger)]
    pub daily_steps: i64,
    /// Hours of sleep a day.
    #[diesel(deserialize_as = StrictReal)]
    pub sleep_hours: f64,
    /// From 1, low, to 10.
    #[diesel(deserialize_as = StrictInteger)]
    pub stress_level: i64,
    /// Visits to a doctor in the year.
    #[diesel(deserialize_as = StrictInteger)]
    pub doctor_visits_per_year: i64,
    /// Admissions to a hospital.
    #[diesel(deserialize_as = StrictInteger)]
    pub hospital_admissions: i64,
    /// Medicines taken.
    #[diesel(deserialize_as = StrictInteger)]
    pub medication_count: i64,
    /// `Government` or `Private`; nothing for a client without insurance.
    #[diesel(deserialize_as = StrictOptionalText)]
    pub insurance_type: Option<String>,
    /// Share of the cost that the insurance covers, percent.
    #[diesel(deserialize_as = StrictInteger)]
    pub insurance_coverage_pct: i64,
    /// `Rural`, `Semi-Urban` or `Urban`.
    #[diesel(deserialize_as = StrictText)]
    pub city_type: String,
    /// Cost of the year before the one predicted.
    #[diesel(deserialize_as = StrictInteger)]
    pub previous_year_cost: i64,
    /// Cost of the year: what is predicted.
    #[diesel(deserialize_as = StrictReal)]
    pub annual_medical_cost: f64,
}

/// The clients table as it comes from the database. Every column may hold nulls and values out of its domain: that is
/// for quality suites to judge, not for the reader.
///
/// # Errors
/// Never; the signature is that of making any schema.
pub fn clients_schema() -> Result<Schema, SchemaError> {
    use Kind::{Binary, Continuous, Count, Nominal, Ordinal};
    let column = |name: &str, kind, value_type| Column::new(name, kind, value_type).nullable(true);
    let range = |min: f64, max: Option<f64>| Domain::Range { min: Some(min), max };
    let integer = |name, kind, domain| column(name, kind, ValueType::Integer).domain(domain);
    let float = |name, domain| column(name, Continuous, ValueType::Float).domain(domain);
    let text = |name, kind, levels: &[&str]| {
        column(name, kind, ValueType::Text).domain(Domain::Levels(levels.iter().map(|&l| l.to_owned()).collect()))
    };
    let flag = |name| integer(name, Binary, range(0.0, Some(1.0)));
    let count = |name| integer(name, Count, range(0.0, None));
    Schema::new(vec![
        integer("age", Count, range(0.0, Some(120.0))).unit("years"),
        text("gender", Nominal, &["Female", "Male"]),
        float("bmi", range(5.0, Some(100.0))).unit("kg/m^2"),
        text("smoker", Binary, &["No", "Yes"]),
        flag("diabetes"),
        flag("hypertension"),
        flag("heart_disease"),
        flag("asthma"),
        text("physical_activity_level", Ordinal, &["Low", "Medium", "High"]),
        count("daily_steps").unit("steps/day"),
        float("sleep_hours", range(0.0, Some(24.0))).unit("hours/day"),
        integer("stress_level", Ordinal, range(1.0, Some(10.0))),
        count("doctor_visits_per_year").unit("visits/year"),
        count("hospital_admissions").unit("admissions"),
        count("medication_count").unit("medicines"),
        text("insurance_type", Nominal, &["Government", "No Insurance", "Private"]),
        integer("insurance_coverage_pct", Continuous, range(0.0, Some(100.0))).unit("percent"),
        text("city_type", Nominal, &["Rural", "Semi-Urban", "Urban"]),
        integer("previous_year_cost", Continuous, range(0.0, None)),
        float("annual_medical_cost", range(0.0, None)).role(Role::Target),
    ])
}

/// Reads all clients by a typed query, in the order of the database. Columns are filled as the rows come.
///
/// # Errors
/// When the table is not there or lacks a column, or a value is missing (but for `insurance_type`) or of another storage
/// class than its column's.
pub fn read(connection: &mut Connection) -> Result<Table, EtlError> {
    let query = schema::clients::table.select(Client::as_select());
    let sqlite = connection.sqlite().ok_or(EtlError::OtherDatabase { expected: "SQLite" })?;
    let rows =
        query.load_iter::<Client, DefaultLoadingMode>(sqlite).map_err(EtlError::database("read table \"clients\""))?;
    let schema = clients_schema()?;
    let mut columns: Vec<ColumnBuilder> =
        schema.columns().iter().map(|c| ColumnBuilder::declared(&c.name, c.value_type, None, 0)).collect();
    let mut height = 0;
    for row in rows.fuse() {
        let client = row.map_err(|source| EtlError::TypedRow { table: "clients", row: height as u64, source })?;
        columns.iter_mut().zip(client.values()).for_each(|(column, value)| column.push(value));
        height += 1;
    }
    let filled = columns.iter_mut().map(ColumnBuilder::take).collect();
    let frame = DataFrame::new(height, filled)?;
    Ok(Table::parse(frame, schema)?)
}

impl Client {
    /// The values in the order of the table.
    fn values(&self) -> [Value<'_>; 20] {
        use Value::{Integer, Real};
        let text = |v| Value::Text(str::as_bytes(v));
        [
            Integer(self.age),
            text(&self.gender),
            Real(self.bmi),
            text(&self.smoker),
            Integer(self.diabetes),
            Integer(self.hypertension),
            Integer(self.heart_disease),
            Integer(self.asthma),
            text(&self.physical_activity_level),
            Integer(self.daily_steps),
            Real(self.sleep_hours),
            Integer(self.stress_level),
            Integer(self.doctor_visits_per_year),
            Integer(self.hospital_admissions),
            Integer(self.medication_count),
            self.insurance_type.as_deref().map_or(Value::Null, text),
            Integer(self.insurance_coverage_pct),
            text(&self.city_type),
            Integer(self.previous_year_cost),
            Real(self.annual_medical_cost),
        ]
    }
}
