//! Reading tables: frames in, clients, spans, lines and diagnoses out, each rule on single rows accounted for.

use std::ops::Range;

use chrono::NaiveDate;
use polars::prelude::DataFrame;
use rayon::prelude::*;

use super::ClientYearError;
use super::cells::{Cells, Columns, Unreadable};
use super::client::{ClientRow, Clients, NO_VALUE};
use super::config::{ClaimsConfig, Plan};
use super::ledger::Ledger;
use super::line::{Event, Forms, Line};
use super::mapping::{ClientsTable, DiagnosisTable, EnrolmentTable};
use super::report::Oddities;
use super::rules::Unreadable as UnreadablePolicy;
use super::spans::{EnrolmentReport, Span, month_around};
use super::transactions::{Chunk, Reader};
use super::window::{Day, Windows};

/// Rows that one thread reads at a time.
const ROWS: usize = 1 << 14;

/// Collects the tables of a feed, batch by batch, and makes client-years of them.
///
/// First the reference tables (clients, enrolment) are given, then those of events (transactions, diagnoses); the batches of one
/// table may come in any order. What is kept of a transaction takes 40 bytes. Work is spread over rayon's current pool; the
/// result does not depend on its size, nor on the order of rows.
#[derive(Debug)]
pub struct RollUp {
    pub(super) plan: Plan,
    pub(super) clients: Clients,
    pub(super) enrolment: EnrolmentReport,
    pub(super) lines: Vec<Line>,
    pub(super) events: Vec<Event>,
    pub(super) ledgers: Vec<Ledger>,
    /// Of each table of transactions, what its ledger does not say.
    pub(super) oddities: Vec<Oddities>,
    /// Of each table, transactions before diagnoses, the first day on which one of its rows became known, as they say.
    pub(super) first_known: Vec<Day>,
    /// Of each cut-off, the tables of which none had said so by then.
    pub(super) silent: Vec<Vec<bool>>,
    /// Diagnoses of tables of their own that do not say since when they are known.
    pub(super) diagnoses_unknown_since: u64,
    pub(super) forms: Forms,
    given: Vec<String>,
    /// Rows given of each table of transactions, for the place of a row.
    rows: Vec<u64>,
    events_began: bool,
}

impl RollUp {
    /// A roll-up by this configuration.
    ///
    /// # Errors
    /// When the configuration contradicts itself; the error names the part.
    pub fn new(config: &ClaimsConfig) -> Result<Self, ClientYearError> {
        Ok(Self::of(Plan::new(config)?))
    }

    /// A roll-up that gives the features of clients as of one cut-off whose target window need not be over, or have begun: what a
    /// fitted model predicts from. The configuration's own cut-offs are not used.
    ///
    /// A client has a row if it was enrolled on the day before the cut-off, or is known to be in the target window, and has the
    /// months of history that the rules ask for. There is neither exposure nor target; features are those of a roll-up with a target at
    /// this cut-off, value by value.
    ///
    /// # Errors
    /// As [`RollUp::new`].
    pub fn features_at(config: &ClaimsConfig, cut_off: NaiveDate) -> Result<Self, ClientYearError> {
        let windows = Windows { cut_offs: vec![cut_off], ..config.windows.clone() };
        let plan = Plan::new(&ClaimsConfig { windows, ..config.clone() })?;
        Ok(Self::of(Plan { features_only: true, ..plan }))
    }

    fn of(plan: Plan) -> Self {
        let config = &plan.config;
        let mut clients = Clients::default();
        let attributes = config.clients.as_ref().map_or(0, |t| t.attributes.len());
        clients.levels.resize_with(attributes, Default::default);
        let (tables, n_diagnoses) = (config.transactions.len(), config.diagnoses.len());
        Self {
            plan,
            clients,
            enrolment: EnrolmentReport::default(),
            lines: Vec::new(),
            events: Vec::new(),
            ledgers: vec![Ledger::default(); tables],
            oddities: vec![Oddities::default(); tables],
            first_known: vec![Day::MAX; tables + n_diagnoses],
            silent: Vec::new(),
            diagnoses_unknown_since: 0,
            forms: Forms::default(),
            given: Vec::new(),
            rows: vec![0; tables],
            events_began: false,
        }
    }

    /// The tables of clients and enrolment, each once.
    pub fn reference_tables(&self) -> Vec<&str> {
        let config = &self.plan.config;
        let clients = config.clients.as_ref().map(|t| t.table.as_str());
        unique(clients.into_iter().chain(config.enrolment.as_ref().map(|t| t.table.as_str())))
    }

    /// The tables of transactions and diagnoses, each once.
    pub fn event_tables(&self) -> Vec<&str> {
        let config = &self.plan.config;
        let transactions = config.transactions.iter().map(|t| t.table.as_str());
        unique(transactions.chain(config.diagnoses.iter().map(|t| t.table.as_str())))
    }

    /// Takes rows of a table of clients or enrolment.
    ///
    /// # Errors
    /// When it is none, lacks a column, comes after events, or holds what cannot be read under the policy to fail.
    pub fn push_reference(&mut self, table: &str, frame: &DataFrame) -> Result<(), ClientYearError> {
        if self.events_began {
            return Err(ClientYearError::Order { table: table.to_owned() });
        }
        self.known(table, self.reference_tables())?;
        let config = self.plan.config.clone();
        if let Some(t) = config.clients.filter(|t| t.table == table) {
            self.push_clients(&t, frame)?;
        }
        if let Some(t) = config.enrolment.filter(|t| t.table == table) {
            self.push_enrolment(&t, frame)?;
        }
        self.note(table);
        Ok(())
    }

    /// Takes rows of a table of transactions or diagnoses.
    ///
    /// # Errors
    /// When it is none, lacks a column, or holds what cannot be read or is not known under the policy to fail.
    pub fn push_events(&mut self, table: &str, frame: &DataFrame) -> Result<(), ClientYearError> {
        self.known(table, self.event_tables())?;
        self.events_began = true;
        for place in 0..self.plan.config.transactions.len() {
            if self.plan.config.transactions[place].table == table {
                self.push_transactions(place, frame)?;
            }
        }
        for place in 0..self.plan.config.diagnoses.len() {
            if self.plan.config.diagnoses[place].table == table {
                self.push_diagnoses(place, frame)?;
            }
        }
        self.note(table);
        Ok(())
    }

    fn known(&self, table: &str, tables: Vec<&str>) -> Result<(), ClientYearError> {
        if tables.contains(&table) {
            return Ok(());
        }
        let known = tables.into_iter().map(str::to_owned).collect();
        Err(ClientYearError::UnknownTable { table: table.to_owned(), known })
    }

    fn note(&mut self, table: &str) {
        if !self.given.iter().any(|t| t == table) {
            self.given.push(table.to_owned());
        }
    }

    /// The configured tables that were not given.
    pub(super) fn not_given(&self) -> Vec<String> {
        let all = self.reference_tables().into_iter().chain(self.event_tables());
        all.filter(|t| !self.given.iter().any(|g| g == t)).map(str::to_owned).collect()
    }

    fn push_clients(&mut self, table: &ClientsTable, frame: &DataFrame) -> Result<(), ClientYearError> {
        let mut columns = Columns::of(&table.table, frame);
        let client = columns.get(&table.client)?;
        let birth = columns.get_if(table.birth_date.as_deref())?;
        let death = columns.get_if(table.death_date.as_deref())?;
        let from = columns.get_if(table.valid_from.as_deref())?;
        let attributes = table.attributes.iter().map(|a| columns.get(a.parts().0)).collect::<Result<Vec<_>, _>>()?;
        columns.check()?;
        let mut numbers: Vec<Option<Numbers>> =
            table.attributes.iter().map(|a| a.parts().2.then(Numbers::default)).collect();
        let mut days = Days::new(&table.table, table.date_format.as_deref(), self.plan.config.rules.unreadable);
        let mut buffer = String::new();
        for row in 0..frame.height() {
            let Some(id) = client.text(row, &mut buffer) else { continue };
            let place = self.clients.place(id).ok_or(TOO_MANY_CLIENTS)?;
            let birth = days.read(birth.as_ref(), row, 0);
            let death = days.read(death.as_ref(), row, 1);
            let from = days.read(from.as_ref(), row, 2).unwrap_or(Day::MIN);
            let values =
                attributes.iter().zip(&mut self.clients.levels).zip(&mut numbers).map(|((cells, levels), numbers)| {
                    let text = match numbers {
                        Some(numbers) => numbers.read(cells, row, &mut buffer),
                        None => cells.text(row, &mut buffer),
                    };
                    text.map_or(NO_VALUE, |text| levels.place(text))
                });
            let values = values.collect();
            if let Some(death) = death {
                let known = self.clients.deaths.entry(place).or_insert(death);
                *known = death.min(*known);
            }
            self.clients.rows.push(ClientRow { client: place, from, birth, values });
        }
        if self.plan.config.rules.unreadable == UnreadablePolicy::Fail {
            for (attribute, numbers) in table.attributes.iter().zip(&numbers) {
                let Some(Numbers { unreadable: rows @ 1.., first_row }) = *numbers else { continue };
                return Err(unreadable(&table.table, attribute.parts().0, "numbers".to_owned(), rows, first_row));
            }
        }
        days.check([table.birth_date.as_deref(), table.death_date.as_deref(), table.valid_from.as_deref()])
    }

    fn push_enrolment(&mut self, table: &EnrolmentTable, frame: &DataFrame) -> Result<(), ClientYearError> {
        let mut columns = Columns::of(&table.table, frame);
        let client = columns.get(&table.client)?;
        let start = columns.get(&table.start)?;
        let end = columns.get_if(table.end.as_deref())?;
        columns.check()?;
        let mut days = Days::new(&table.table, table.date_format.as_deref(), self.plan.config.rules.unreadable);
        let mut buffer = String::new();
        for row in 0..frame.height() {
            self.enrolment.spans += 1;
            let first = days.read(Some(&start), row, 0);
            let unread = days.unread();
            let last = days.read(end.as_ref(), row, 1);
            let ends_somehow = days.unread() == unread;
            let next = last.map_or(Day::MAX, |day| day.saturating_add(i32::from(table.end_inclusive)));
            let (first, next) = match first {
                Some(day) if table.whole_months => {
                    let (first, next) = month_around(day);
                    (Some(first), next)
                }
                _ => (first, next),
            };
            match (client.text(row, &mut buffer), first) {
                (Some(id), Some(first)) if first < next && ends_somehow => {
                    let place = self.clients.place(id).ok_or(TOO_MANY_CLIENTS)?;
                    self.clients.spans.push((place, Span { start: first, end: next }));
                }
                _ => self.enrolment.unusable += 1,
            }
        }
        days.check([Some(table.start.as_str()), table.end.as_deref(), None])
    }

    fn push_diagnoses(&mut self, place: usize, frame: &DataFrame) -> Result<(), ClientYearError> {
        let table: &DiagnosisTable = &self.plan.config.diagnoses[place];
        let mut columns = Columns::of(&table.table, frame);
        let client = columns.get(&table.client)?;
        let date = columns.get(&table.date)?;
        let known = columns.get_if(table.known_at.as_deref())?;
        let codes = table.codes.iter().map(|c| columns.get(c)).collect::<Result<Vec<_>, _>>()?;
        columns.check()?;
        let mut days = Days::new(&table.table, table.date_format.as_deref(), self.plan.config.rules.unreadable);
        let mut buffer = String::new();
        for row in 0..frame.height() {
            let date = days.read(Some(&date), row, 0);
            let unread = days.unread();
            let day = days.read(known.as_ref(), row, 1);
            let table = self.ledgers.len() + place;
            let since = self.plan.known_since(known.is_some(), day, table);
            let client = client.text(row, &mut buffer).and_then(|id| self.clients.find(id));
            if let (Some(client), Some(date), true) = (client, date, days.unread() == unread) {
                self.diagnoses_unknown_since += u64::from(known.is_some() && day.is_none());
                self.first_known[table] = self.first_known[table].min(day.unwrap_or(Day::MAX));
                for code in &codes {
                    let Some(code) = code.text(row, &mut buffer) else { continue };
                    let categories = self.plan.conditions.categories(code);
                    self.events.extend(categories.iter().map(|&category| Event {
                        client,
                        category,
                        date,
                        known: since,
                    }));
                }
            }
        }
        days.check([Some(table.date.as_str()), table.known_at.as_deref(), None])
    }

    fn push_transactions(&mut self, place: usize, frame: &DataFrame) -> Result<(), ClientYearError> {
        let reader = Reader::new(&self.plan, &self.clients, &self.forms, place, self.rows[place], frame)?;
        let ranges: Vec<Range<usize>> =
            (0..frame.height()).step_by(ROWS).map(|start| start..frame.height().min(start + ROWS)).collect();
        let chunks: Vec<Chunk<'_>> = ranges.into_par_iter().map(|rows| reader.read(rows)).collect();
        reader.check(&chunks)?;
        self.rows[place] += frame.height() as u64;
        for chunk in chunks {
            self.lines.extend(chunk.lines);
            self.events.extend(chunk.events);
            self.ledgers[place].add(&chunk.ledger);
            self.oddities[place].add(&chunk.oddities);
            self.first_known[place] = self.first_known[place].min(chunk.first_known.unwrap_or(Day::MAX));
        }
        Ok(())
    }
}

const TOO_MANY_CLIENTS: ClientYearError = ClientYearError::TooMany { what: "clients", limit: u32::MAX as usize - 1 };

fn unique<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut all = Vec::new();
    names.for_each(|name| {
        if !all.contains(&name) {
            all.push(name);
        }
    });
    all
}

/// Reads days of a table row by row and remembers those that are none.
struct Days<'a> {
    table: &'a str,
    format: Option<&'a str>,
    policy: UnreadablePolicy,
    buffer: String,
    unreadable: [(u64, u64); 3],
}

impl<'a> Days<'a> {
    fn new(table: &'a str, format: Option<&'a str>, policy: UnreadablePolicy) -> Self {
        Self { table, format, policy, buffer: String::new(), unreadable: [(0, 0); 3] }
    }

    fn read(&mut self, cells: Option<&Cells>, row: usize, column: usize) -> Option<Day> {
        match cells?.day(row, self.format, &mut self.buffer) {
            Ok(day) => day,
            Err(Unreadable) => {
                let (rows, first) = &mut self.unreadable[column];
                *first = if *rows == 0 { row as u64 } else { *first };
                *rows += 1;
                None
            }
        }
    }

    fn unread(&self) -> u64 {
        self.unreadable.iter().map(|(rows, _)| rows).sum()
    }

    fn check(&self, columns: [Option<&str>; 3]) -> Result<(), ClientYearError> {
        for (column, &(rows, first_row)) in columns.iter().zip(&self.unreadable) {
            if let (Some(column), true, UnreadablePolicy::Fail) = (column, rows > 0, self.policy) {
                return Err(unreadable(self.table, column, expected_day(self.format), rows, first_row));
            }
        }
        Ok(())
    }
}

/// Reads numbers of an attribute row by row and counts the values that are none.
#[derive(Default)]
struct Numbers {
    unreadable: u64,
    first_row: u64,
}

impl Numbers {
    fn read<'c>(&mut self, cells: &'c Cells, row: usize, buffer: &'c mut String) -> Option<&'c str> {
        let text = match cells.text(row, buffer)? {
            "true" if matches!(cells, Cells::Boolean(_)) => "1",
            "false" if matches!(cells, Cells::Boolean(_)) => "0",
            text => text,
        };
        if text.parse().is_ok_and(f64::is_finite) && !matches!(cells, Cells::Date(_) | Cells::Micros(_)) {
            return Some(text);
        }
        self.first_row = if self.unreadable == 0 { row as u64 } else { self.first_row };
        self.unreadable += 1;
        None
    }
}

pub(super) fn expected_day(format: Option<&str>) -> String {
    format.map_or_else(|| "ISO 8601 days".to_owned(), |f| format!("days of the form {f:?}"))
}

pub(super) fn unreadable(table: &str, column: &str, expected: String, rows: u64, first_row: u64) -> ClientYearError {
    ClientYearError::Unreadable { table: table.to_owned(), column: column.to_owned(), expected, rows, first_row }
}
