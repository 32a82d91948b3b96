//! `med generate`

mod draw;
mod population;

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, ensure};
use chrono::NaiveDate;
use med_schema::{ParquetFile, Table, write_file};
use polars::prelude::*;
use rayon::prelude::*;
use serde_json::json;

use crate::cli::{GenerateArgs, TableFormat};
use crate::output::{self, Outcome};
use crate::progress::Steps;
use population::{Client, first};

/// Clients that are made at a time; with their lines, one row group.
const BATCH: u64 = 1 << 12;
/// The same as in the configuration that is written beside the tables.
const CUT_OFFS: [(i32, u32, u32); 2] = [(2019, 1, 1), (2020, 1, 1)];
const CONFIGURATION: &str = include_str!("claims.toml");
const TABLES: [&str; 4] = ["members", "enrolment", "claim_lines", "truth"];

pub(crate) fn run(args: &GenerateArgs) -> anyhow::Result<Outcome> {
    ensure!(args.clients > 0, "--clients: expected at least 1, found 0");
    std::fs::create_dir_all(&args.out).with_context(|| format!("making {}", args.out.display()))?;
    let started = Instant::now();
    let progress = Steps::new(args.clients.div_ceil(BATCH));
    let mut files = TABLES.map(|table| TableFile::new(&args.out, table, args.format));
    let mut expected_cents = 0.0;
    for start in (0..args.clients).step_by(BATCH as usize) {
        let clients: Vec<Client> = (start..args.clients.min(start + BATCH))
            .into_par_iter()
            .map(|number| Client::draw(args.seed, number))
            .collect();
        let (truth, expected) = truth(start, &clients)?;
        expected_cents += expected;
        let frames = [members(start, &clients)?, enrolment(start, &clients)?, claim_lines(start, &clients)?, truth];
        for (file, frame) in files.iter_mut().zip(frames) {
            file.write(frame)?;
        }
        progress.end();
    }
    let mut rows = serde_json::Map::new();
    for (table, file) in TABLES.iter().zip(files) {
        rows.insert((*table).to_owned(), file.finish()?.into());
    }
    let configuration = args.out.join("claims.toml");
    write_file(&configuration, CONFIGURATION.as_bytes())?;
    drop(progress);
    output::json(&json!({
        "rows": rows,
        "expected_cost": expected_cents / 100.0,
        "configuration": configuration,
        "seconds": started.elapsed().as_secs_f64(),
    }))?;
    Ok(Outcome::Passed)
}

fn id(number: u64) -> String {
    format!("{number:09}")
}

fn dates(name: &str, days: impl Iterator<Item = i64>) -> PolarsResult<Column> {
    let start = first().signed_duration_since(NaiveDate::default()).num_days();
    let days: Vec<i32> = days.map(|day| (start + day) as i32).collect();
    Ok(Int32Chunked::from_vec(name.into(), days).into_series().cast(&DataType::Date)?.into_column())
}

fn texts<T: AsRef<str>>(name: &str, values: impl Iterator<Item = Option<T>>) -> Column {
    StringChunked::from_iter_options(name.into(), values).into_column()
}

/// Each client's number with each of its parts.
fn each<'a, T: 'a>(
    start: u64,
    clients: &'a [Client],
    parts: impl Fn(&'a Client) -> &'a [T] + 'a,
) -> impl Iterator<Item = (u64, &'a T)> + 'a {
    (start..).zip(clients).flat_map(move |(number, client)| parts(client).iter().map(move |part| (number, part)))
}

fn members(start: u64, clients: &[Client]) -> PolarsResult<DataFrame> {
    let born = clients.iter().map(|c| (c.born - first()).num_days());
    DataFrame::new(
        clients.len(),
        vec![
            texts("client_id", (start..).zip(clients).map(|(number, _)| Some(id(number)))),
            dates("birth_date", born)?,
            texts("sex", clients.iter().map(|c| Some(c.sex))),
            texts("region", clients.iter().map(|c| Some(c.region))),
        ],
    )
}

fn enrolment(start: u64, clients: &[Client]) -> PolarsResult<DataFrame> {
    let spans = || each(start, clients, |c| &c.spans);
    DataFrame::new(
        spans().count(),
        vec![
            texts("client_id", spans().map(|(number, _)| Some(id(number)))),
            dates("first_day", spans().map(|(_, s)| s.start))?,
            dates("last_day", spans().map(|(_, s)| s.end))?,
        ],
    )
}

fn claim_lines(start: u64, clients: &[Client]) -> PolarsResult<DataFrame> {
    let lines = || each(start, clients, |c| &c.lines);
    let numbers = Int64Chunked::from_vec("line_number".into(), lines().map(|(_, l)| i64::from(l.line)).collect());
    let cents = Int64Chunked::from_vec("paid_cents".into(), lines().map(|(_, l)| l.cents).collect());
    DataFrame::new(
        lines().count(),
        vec![
            texts("client_id", lines().map(|(number, _)| Some(id(number)))),
            texts("claim_id", lines().map(|(number, l)| Some(format!("{}-{}", id(number), l.claim)))),
            numbers.into_column(),
            texts("form", lines().map(|(_, l)| Some(l.form))),
            texts("bill_type", lines().map(|(_, l)| l.bill_type)),
            dates("service_date", lines().map(|(_, l)| l.served))?,
            dates("paid_date", lines().map(|(_, l)| l.paid))?,
            cents.into_column(),
            texts("diagnosis", lines().map(|(_, l)| Some(l.diagnosis))),
        ],
    )
}

/// The expected cost of each client in the year after each cut-off, where enrolled then, and the sum of these.
fn truth(start: u64, clients: &[Client]) -> PolarsResult<(DataFrame, f64)> {
    let (mut ids, mut days, mut costs) = (Vec::new(), Vec::new(), Vec::new());
    let windows: Vec<(i64, i64)> = CUT_OFFS
        .iter()
        .filter_map(|&(year, month, day)| {
            let cut = NaiveDate::from_ymd_opt(year, month, day)?;
            let end = cut.checked_add_months(chrono::Months::new(12))?;
            Some(((cut - first()).num_days(), (end - first()).num_days()))
        })
        .collect();
    for (number, client) in (start..).zip(clients) {
        for &(from, to) in &windows {
            let (cents, enrolled) = client.expected(from, to);
            if enrolled > 0 {
                ids.push(Some(id(number)));
                days.push(from);
                costs.push(cents / 100.0);
            }
        }
    }
    let sum = costs.iter().sum::<f64>() * 100.0;
    let columns = vec![
        texts("client_id", ids.into_iter()),
        dates("cut_off", days.into_iter())?,
        Float64Chunked::from_vec("expected_cost".into(), costs).into_column(),
    ];
    Ok((DataFrame::new(columns[0].len(), columns)?, sum))
}

/// A table on its way to a file: Parquet batch by batch, CSV whole.
enum TableFile {
    Parquet(Box<ParquetFile>),
    Csv(std::path::PathBuf, Option<DataFrame>),
}

impl TableFile {
    fn new(folder: &Path, table: &str, format: TableFormat) -> Self {
        match format {
            TableFormat::Parquet => {
                Self::Parquet(Box::new(ParquetFile::create(folder.join(format!("{table}.parquet")))))
            }
            TableFormat::Csv => Self::Csv(folder.join(format!("{table}.csv")), None),
        }
    }

    fn write(&mut self, frame: DataFrame) -> anyhow::Result<()> {
        match self {
            Self::Parquet(file) => file.write(&frame)?,
            Self::Csv(_, Some(all)) => {
                all.vstack_mut_owned(frame)?;
            }
            Self::Csv(_, all) => *all = Some(frame),
        }
        Ok(())
    }

    /// The rows written.
    fn finish(self) -> anyhow::Result<u64> {
        match self {
            Self::Parquet(file) => Ok(file.finish()?.rows),
            Self::Csv(path, all) => {
                let table = Table::infer(all.unwrap_or_default())?;
                table.write(&path)?;
                Ok(table.n_rows() as u64)
            }
        }
    }
}
