//! Rows of a table of transactions read into lines and diagnoses, by the rules on single rows.

use std::collections::HashMap;
use std::ops::Range;

use polars::prelude::DataFrame;

use super::cells::{Cells, Columns};
use super::client::Clients;
use super::collect::{expected_day, unreadable};
use super::config::{Plan, Prices};
use super::ledger::{Ledger, Rule};
use super::line::{Event, Forms, Line, claim_digest, line_number, row_digest};
use super::mapping::TransactionTable;
use super::report::Oddities;
use super::rules::{UnknownClients, Unreadable as UnreadablePolicy};
use super::window::{Day, date_of};
use super::{ClientYearError, money};

/// What was looked up for the rows before: most often, this row needs the same.
#[derive(Default)]
struct Recent<'a> {
    client: Option<(String, u32)>,
    forms: Vec<(Option<String>, u8)>,
    codes: HashMap<Box<str>, &'a [u16]>,
}

/// Codes are remembered up to this many, so that free text in their place does not fill the memory.
const MAX_CODES: usize = 1 << 12;

/// What came of some rows.
#[derive(Default)]
pub(super) struct Chunk<'a> {
    recent: Recent<'a>,
    pub(super) lines: Vec<Line>,
    pub(super) events: Vec<Event>,
    pub(super) ledger: Ledger,
    pub(super) oddities: Oddities,
    /// The first day on which one of the rows became known, as they say.
    pub(super) first_known: Option<Day>,
    /// Rows and first row of each problem.
    problems: [(u64, u64); Problem::ALL.len()],
    /// The first currency without a rate, if it looks like one: a text in a column that is none might be anybody's.
    unknown_currency: Option<String>,
}

/// What may be wrong with a row so that reading ends.
#[derive(Clone, Copy)]
enum Problem {
    Date,
    KnownAt,
    Amount,
    EntryType,
    Currency,
    Year,
    Client,
    Range,
}

impl Problem {
    const ALL: [Self; 8] = [
        Self::Date,
        Self::KnownAt,
        Self::Amount,
        Self::EntryType,
        Self::Currency,
        Self::Year,
        Self::Client,
        Self::Range,
    ];
}

impl Chunk<'_> {
    fn problem(&mut self, problem: Problem, row: u64) {
        let (rows, first) = &mut self.problems[problem as usize];
        *first = if *rows == 0 { row } else { *first };
        *rows += 1;
    }
}

/// Reads rows of one table of transactions.
pub(super) struct Reader<'a> {
    plan: &'a Plan,
    table: &'a TransactionTable,
    place: u8,
    clients: &'a Clients,
    forms: &'a Forms,
    first_row: u64,
    client: Cells,
    date: Cells,
    known: Option<Cells>,
    amount: Cells,
    claim: Option<Cells>,
    line: Option<Cells>,
    reverses: Option<Cells>,
    form: Option<Cells>,
    entry: Option<Cells>,
    currency: Option<Cells>,
    services: Vec<(u8, Cells, &'a [String], &'a [String])>,
    other: u8,
    codes: Vec<Cells>,
    every_is_header: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        plan: &'a Plan,
        clients: &'a Clients,
        forms: &'a Forms,
        place: usize,
        first_row: u64,
        frame: &'a DataFrame,
    ) -> Result<Self, ClientYearError> {
        let table = &plan.config.transactions[place];
        let mut columns = Columns::of(&table.table, frame);
        let services = table
            .services
            .iter()
            .map(|s| {
                Ok((plan.service(&s.service), columns.get(&s.column)?, s.values.as_slice(), s.prefixes.as_slice()))
            })
            .collect::<Result<_, ClientYearError>>()?;
        let reader = Self {
            plan,
            table,
            place: place as u8,
            clients,
            forms,
            first_row,
            client: columns.get(&table.client)?,
            date: columns.get(&table.date)?,
            known: columns.get_if(table.known_at.as_deref())?,
            amount: columns.get(&table.amount)?,
            claim: columns.get_if(table.claim.as_deref())?,
            line: columns.get_if(table.line.as_deref())?,
            reverses: columns.get_if(table.reverses.as_deref())?,
            form: columns.get_if(table.claim_type.as_deref())?,
            entry: columns.get_if(table.entry.as_ref().map(|e| e.column.as_str()))?,
            currency: columns.get_if(table.currency.as_deref())?,
            services,
            other: plan.service(&table.service),
            codes: table.codes.iter().map(|c| columns.get(c)).collect::<Result<_, _>>()?,
            every_is_header: table.header_claim_types.iter().any(|t| t == "*"),
        };
        columns.check()?;
        Ok(reader)
    }

    pub(super) fn read(&self, rows: Range<usize>) -> Chunk<'a> {
        let mut chunk = Chunk { lines: Vec::with_capacity(rows.len()), ..Chunk::default() };
        let mut buffer = String::new();
        for row in rows {
            self.row(row, &mut chunk, &mut buffer);
        }
        chunk
    }

    fn row(&self, row: usize, chunk: &mut Chunk<'a>, buffer: &mut String) {
        let at = self.first_row + row as u64;
        let amount = self.amount.cents(row, self.table.amount_unit);
        let read = amount.ok().flatten().unwrap_or(0);
        chunk.ledger.read(read);
        let Some(credit) = self.entry_type(row, at, read, chunk, buffer) else {
            return chunk.ledger.remove(Rule::EntryType, read);
        };
        let format = self.table.date_format.as_deref();
        let date = self.date.day(row, format, buffer);
        let known = self.known.as_ref().map_or(Ok(None), |k| k.day(row, format, buffer));
        let problems =
            [(date.is_err(), Problem::Date), (known.is_err(), Problem::KnownAt), (amount.is_err(), Problem::Amount)];
        if let (Ok(date), Ok(known), Ok(amount)) = (date, known, amount) {
            let Some(id) = self.client.text(row, buffer) else {
                return chunk.ledger.remove(Rule::MissingValue, read);
            };
            let Some(client) = self.client(id, &mut chunk.recent) else {
                chunk.problem(Problem::Client, at);
                return chunk.ledger.remove(Rule::UnknownClient, read);
            };
            chunk.oddities.unknown_since += u64::from(self.known.is_some() && known.is_none());
            if let Some(day) = known {
                chunk.first_known = Some(chunk.first_known.map_or(day, |first| first.min(day)));
            }
            let known = self.plan.known_since(self.known.is_some(), known, usize::from(self.place));
            if let Some(date) = date {
                self.diagnoses(row, client, date, known, chunk, buffer);
            }
            let (Some(date), Some(cents)) = (date, amount) else {
                return chunk.ledger.remove(Rule::MissingValue, read);
            };
            let Some(cents) = self.adjusted(row, at, date, cents, credit, chunk, buffer) else { return };
            let line = self.line(row, at, client, date, known, cents, &mut chunk.recent, buffer);
            chunk.lines.push(line);
        } else {
            problems.into_iter().filter(|(is, _)| *is).for_each(|(_, problem)| chunk.problem(problem, at));
            chunk.ledger.remove(Rule::Unreadable, read);
        }
    }

    fn client(&self, id: &str, recent: &mut Recent<'a>) -> Option<u32> {
        match &recent.client {
            Some((same, client)) if same == id => Some(*client),
            _ => {
                let client = self.clients.find(id)?;
                let (text, place) = recent.client.get_or_insert_default();
                id.clone_into(text);
                *place = client;
                Some(client)
            }
        }
    }

    fn form(&self, form: Option<&str>, recent: &mut Recent<'a>) -> u8 {
        if let Some((_, place)) = recent.forms.iter().find(|(same, _)| same.as_deref() == form) {
            return *place;
        }
        let place = self.forms.place(self.place, form);
        recent.forms.push((form.map(str::to_owned), place));
        place
    }

    /// Whether the row is a cost: nothing if not, else whether it is a credit.
    fn entry_type(&self, row: usize, at: u64, cents: i64, chunk: &mut Chunk<'a>, buffer: &mut String) -> Option<bool> {
        let (Some(cells), Some(entry)) = (&self.entry, &self.table.entry) else { return Some(false) };
        let code = cells.text(row, buffer).unwrap_or_default();
        let named = |codes: &[String]| codes.iter().any(|c| c == code);
        if named(&entry.cost) {
            Some(false)
        } else if named(&entry.credit) {
            Some(true)
        } else {
            if !named(&entry.ignore) {
                // As soon as some are named, all have to be.
                if !entry.ignore.is_empty() {
                    chunk.problem(Problem::EntryType, at);
                }
                chunk.oddities.unnamed_entry(cents);
            }
            None
        }
    }

    fn diagnoses(&self, row: usize, client: u32, date: Day, known: Day, chunk: &mut Chunk<'a>, buffer: &mut String) {
        for cells in &self.codes {
            let Some(code) = cells.text(row, buffer) else { continue };
            let codes = &mut chunk.recent.codes;
            let categories = match codes.get(code) {
                Some(categories) => categories,
                None => {
                    let categories = self.plan.conditions.categories(code);
                    if codes.len() < MAX_CODES {
                        codes.insert(code.into(), categories);
                    }
                    categories
                }
            };
            chunk.events.extend(categories.iter().map(|&category| Event { client, category, date, known }));
        }
    }

    /// The amount in the base currency at base prices. Nothing when a rate is not known, which ends the reading.
    #[expect(clippy::too_many_arguments, reason = "a row, its parts read so far, and where to note what happens")]
    fn adjusted(
        &self,
        row: usize,
        at: u64,
        date: Day,
        cents: i64,
        credit: bool,
        chunk: &mut Chunk<'a>,
        buffer: &mut String,
    ) -> Option<i64> {
        let mut cents = cents;
        if credit {
            chunk.ledger.change(Rule::Credit, -2 * cents);
            cents = -cents;
        }
        if let (Some(cells), Some(currency)) = (&self.currency, &self.plan.config.rules.currency)
            && let Some(code) = cells.text(row, buffer).filter(|code| *code != currency.base)
        {
            let Some(&rate) = currency.rates.get(code) else {
                if chunk.unknown_currency.is_none() && code.len() <= 4 && code.bytes().all(|b| b.is_ascii_alphabetic())
                {
                    chunk.unknown_currency = Some(code.to_owned());
                }
                chunk.problem(Problem::Currency, at);
                return None;
            };
            cents = self.scaled(Rule::Currency, cents, rate, at, chunk)?;
        }
        let factor = match &self.plan.prices {
            Prices::AsTheyWere => return Some(cents),
            Prices::ByYear(factors) => {
                let year = chrono::Datelike::year(&date_of(date));
                factors.iter().find(|(y, _)| *y == year).map(|&(_, factor)| factor)
            }
            Prices::Rate { annual, base } => Some((1.0 + annual).powf(f64::from(base.saturating_sub(date)) / 365.25)),
        };
        let Some(factor) = factor else {
            chunk.problem(Problem::Year, at);
            return None;
        };
        self.scaled(Rule::Inflation, cents, factor, at, chunk)
    }

    fn scaled(&self, rule: Rule, cents: i64, factor: f64, at: u64, chunk: &mut Chunk<'a>) -> Option<i64> {
        let scaled = money::scaled(cents, factor);
        match scaled {
            Some(scaled) if scaled != cents => chunk.ledger.change(rule, scaled - cents),
            Some(_) => {}
            None => chunk.problem(Problem::Range, at),
        }
        scaled
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a line")]
    fn line(
        &self,
        row: usize,
        at: u64,
        client: u32,
        date: Day,
        known: Day,
        cents: i64,
        recent: &mut Recent<'a>,
        buffer: &mut String,
    ) -> Line {
        let table = self.table.table.as_str();
        let reversed = self.reverses.as_ref().and_then(|c| c.text(row, buffer).map(|t| claim_digest(table, t)));
        let own = |buffer: &mut String| self.claim.as_ref()?.text(row, buffer).map(|t| claim_digest(table, t));
        let claim = reversed.or_else(|| own(buffer)).unwrap_or_else(|| row_digest(self.place, at));
        let line = self.line.as_ref().and_then(|c| c.text(row, buffer)).map_or(0, line_number);
        let (form, header) = match &self.form {
            Some(cells) => {
                let form = cells.text(row, buffer);
                let named = form.is_some_and(|f| self.table.header_claim_types.iter().any(|t| t == f));
                (self.form(form, recent), named || self.every_is_header)
            }
            None => (self.form(None, recent), self.every_is_header),
        };
        let service = self.services.iter().find(|(_, cells, values, prefixes)| {
            cells.text(row, buffer).is_some_and(|code| {
                values.iter().any(|v| v == code) || prefixes.iter().any(|p| code.starts_with(p.as_str()))
            })
        });
        let service = service.map_or(self.other, |(service, ..)| *service);
        Line { client, claim, line, date, cents, known, service, table: self.place, header, form }
    }

    /// The first problem that ends the reading, if there is one.
    pub(super) fn check(&self, chunks: &[Chunk<'_>]) -> Result<(), ClientYearError> {
        let rules = &self.plan.config.rules;
        let table = &self.table.table;
        for problem in Problem::ALL {
            let rows: u64 = chunks.iter().map(|c| c.problems[problem as usize].0).sum();
            let first = chunks.iter().map(|c| c.problems[problem as usize]).find(|(rows, _)| *rows > 0);
            let Some((_, first_row)) = first else { continue };
            let lenient = rules.unreadable == UnreadablePolicy::Drop;
            let format = self.table.date_format.as_deref();
            let code = |column: Option<&str>, what: &str| ClientYearError::UnknownCode {
                table: table.clone(),
                column: column.unwrap_or_default().to_owned(),
                what: what.to_owned(),
                rows,
                first_row,
            };
            return Err(match problem {
                Problem::Date | Problem::KnownAt | Problem::Amount if lenient => continue,
                Problem::Client if rules.unknown_clients == UnknownClients::Drop => continue,
                Problem::Date => unreadable(table, &self.table.date, expected_day(format), rows, first_row),
                Problem::KnownAt => {
                    let column = self.table.known_at.as_deref().unwrap_or_default();
                    unreadable(table, column, expected_day(format), rows, first_row)
                }
                Problem::Amount => {
                    unreadable(table, &self.table.amount, "amounts of money".to_owned(), rows, first_row)
                }
                Problem::Client => ClientYearError::UnknownClients { table: table.clone(), rows },
                Problem::EntryType => code(
                    self.table.entry.as_ref().map(|e| e.column.as_str()),
                    "codes that are in none of entry.cost, entry.credit and entry.ignore",
                ),
                Problem::Currency => {
                    let named = chunks.iter().find_map(|c| c.unknown_currency.as_ref());
                    let named = named.map_or_else(String::new, |code| format!(", {code} for one,"));
                    let what = format!("currencies without a rate in rules.currency.rates{named}");
                    code(self.table.currency.as_deref(), &what)
                }
                Problem::Year => {
                    code(Some(&self.table.date), "years without an index in rules.inflation.index.by_year")
                }
                Problem::Range => code(Some(&self.table.amount), "amounts beyond 10 trillion after conversion"),
            });
        }
        Ok(())
    }
}
