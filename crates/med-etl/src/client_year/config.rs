//! A claims configuration, and the same checked and ready for use.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::codes::ConditionMap;
use super::line::{AT_ONCE, not_yet};
use super::mapping::{ClientsTable, DiagnosisTable, EnrolmentTable, TransactionTable};
use super::money;
use super::rules::{Inflation, MissingKnownAt, Rules};
use super::window::{Day, Window, Windows};
use super::{ClientYearError, Conditions, names};

/// Which features are told beside those that always are.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FeatureOptions {
    /// Months before the cut-off for `cost_last_<n>m` and `claims_last_<n>m`. Without it those of 1, 3, 6 and 12 that are shorter than the
    /// history.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rolling_months: Option<Vec<u32>>,
}

/// Everything that a roll-up needs to know of a feed: tables and columns, windows, rules. Read from TOML or built in code; checked when
/// a [`RollUp`](super::RollUp) is made of it. `docs/client-year.md` describes each part.
///
/// ```
/// use med_etl::client_year::{ClaimsConfig, RollUp};
/// let config: ClaimsConfig = serde_json::from_str(r#"{
///     "windows": { "cut_offs": ["2018-01-01"] },
///     "enrolment": { "table": "spans", "client": "member", "start": "from", "end": "to" },
///     "transactions": [{ "table": "claims", "client": "member", "date": "served", "amount": "paid" }]
/// }"#)?;
/// assert_eq!(RollUp::new(&config)?.reference_tables(), ["spans"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimsConfig {
    /// Cut-offs, history and target.
    pub windows: Windows,
    /// Who the clients are; without it, those of the enrolment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clients: Option<ClientsTable>,
    /// When they were enrolled; without it, from birth to death as far as these are known, and else always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enrolment: Option<EnrolmentTable>,
    /// Their transactions.
    pub transactions: Vec<TransactionTable>,
    /// Diagnoses apart from the transactions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diagnoses: Vec<DiagnosisTable>,
    /// What codes mean.
    #[serde(default)]
    pub conditions: Conditions,
    /// Further features.
    #[serde(default)]
    pub features: FeatureOptions,
    /// What becomes of what is out of the ordinary.
    #[serde(default)]
    pub rules: Rules,
}

impl ClaimsConfig {
    /// The columns that the configuration names of each table, both in the order of the configuration.
    pub fn columns(&self) -> Vec<(&str, Vec<&str>)> {
        let mut tables: Vec<(&str, Vec<&str>)> = Vec::new();
        if let Some(t) = &self.clients {
            let fixed = [Some(&t.client), t.birth_date.as_ref(), t.death_date.as_ref(), t.valid_from.as_ref()];
            let attributes = t.attributes.iter().map(|a| a.parts().0);
            merge(&mut tables, &t.table, fixed.into_iter().flatten().map(String::as_str).chain(attributes));
        }
        if let Some(t) = &self.enrolment {
            let columns = [Some(&t.client), Some(&t.start), t.end.as_ref()];
            merge(&mut tables, &t.table, columns.into_iter().flatten().map(String::as_str));
        }
        for t in &self.transactions {
            let fixed = [
                Some(&t.client),
                Some(&t.date),
                t.known_at.as_ref(),
                Some(&t.amount),
                t.claim.as_ref(),
                t.line.as_ref(),
                t.reverses.as_ref(),
                t.claim_type.as_ref(),
                t.entry.as_ref().map(|e| &e.column),
                t.currency.as_ref(),
            ];
            let more = t.services.iter().map(|s| &s.column).chain(&t.codes);
            merge(&mut tables, &t.table, fixed.into_iter().flatten().chain(more).map(String::as_str));
        }
        for t in &self.diagnoses {
            let fixed = [Some(&t.client), Some(&t.date), t.known_at.as_ref()];
            merge(&mut tables, &t.table, fixed.into_iter().flatten().chain(&t.codes).map(String::as_str));
        }
        tables
    }
}

fn merge<'a>(tables: &mut Vec<(&'a str, Vec<&'a str>)>, table: &'a str, columns: impl Iterator<Item = &'a str>) {
    let place = tables.iter().position(|(name, _)| *name == table).unwrap_or_else(|| {
        tables.push((table, Vec::new()));
        tables.len() - 1
    });
    for column in columns {
        if !tables[place].1.contains(&column) {
            tables[place].1.push(column);
        }
    }
}

/// A configuration that has been checked.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) config: ClaimsConfig,
    pub(super) windows: Vec<Window>,
    pub(super) conditions: ConditionMap,
    /// Types of service, by name.
    pub(super) services: Vec<String>,
    pub(super) rolling: Vec<u32>,
    /// Large claims are cut from here on.
    pub(super) threshold: Option<i64>,
    /// Price factors by year, or none.
    pub(super) prices: Prices,
    /// Features alone are wanted: what comes after the cut-offs is not there yet.
    pub(super) features_only: bool,
}

#[derive(Debug)]
pub(super) enum Prices {
    AsTheyWere,
    ByYear(Vec<(i32, f64)>),
    Rate { annual: f64, base: i32 },
}

const MAX_SERVICES: usize = 250;
const MAX_TABLES: usize = 250;

impl Plan {
    pub(super) fn new(config: &ClaimsConfig) -> Result<Self, ClientYearError> {
        let wrong = |at: &str, reason: &str| Err(ClientYearError::config(at, reason));
        if config.clients.is_none() && config.enrolment.is_none() {
            return wrong("clients", "expected a table of clients, of enrolment, or both, found neither");
        }
        if config.transactions.is_empty() {
            return wrong("transactions", "expected at least one table");
        }
        if config.transactions.len() > MAX_TABLES {
            return Err(ClientYearError::TooMany { what: "tables of transactions", limit: MAX_TABLES });
        }
        if config.enrolment.as_ref().is_some_and(|t| t.whole_months && t.end.is_some()) {
            return wrong("enrolment", "with whole_months each row is one month: there is no end");
        }
        for table in &config.transactions {
            check_table(table, config)?;
        }
        let services: BTreeSet<&str> = config
            .transactions
            .iter()
            .flat_map(|t| std::iter::once(&t.service).chain(t.services.iter().map(|s| &s.service)))
            .map(String::as_str)
            .collect();
        if services.len() > MAX_SERVICES {
            return Err(ClientYearError::TooMany { what: "types of service", limit: MAX_SERVICES });
        }
        let conditions = ConditionMap::new(&config.conditions)?;
        let names = services.iter().copied().chain(conditions.names.iter().map(String::as_str));
        for name in names {
            if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
                let reason =
                    format!("expected a name of A-Z a-z 0-9 _, which becomes part of a column's, found {name:?}");
                return Err(ClientYearError::config("types of service and conditions", reason));
            }
        }
        if conditions.is_empty() && config.transactions.iter().any(|t| !t.codes.is_empty()) {
            return wrong("transactions.codes", "codes are named, but conditions.categories says nothing of them");
        }
        if conditions.is_empty() && !config.diagnoses.is_empty() {
            return wrong("diagnoses", "a table is named, but conditions.categories says nothing of its codes");
        }
        let (services, windows) = (services.into_iter().map(str::to_owned).collect(), config.windows.resolve()?);
        let (rolling, threshold) = (rolling(config)?, threshold(config)?);
        let prices = prices(config.rules.inflation.as_ref())?;
        let plan = Self {
            config: config.clone(),
            windows,
            conditions,
            services,
            rolling,
            threshold,
            prices,
            features_only: false,
        };
        names::check(&plan)?;
        Ok(plan)
    }

    /// Since when a row is known: its table maps no such day, or the day it says, or, where it says none, what the rule says. Tables are
    /// numbered, those of transactions before those of diagnoses.
    pub(super) fn known_since(&self, mapped: bool, day: Option<Day>, table: usize) -> Day {
        match (day, self.config.rules.missing_known_at) {
            (Some(day), _) => day,
            (None, MissingKnownAt::Unseen) if mapped => not_yet(table),
            (None, _) => AT_ONCE,
        }
    }

    /// The place of a type of service.
    pub(super) fn service(&self, name: &str) -> u8 {
        // There are at most MAX_SERVICES, and all are there.
        self.services.iter().position(|s| s == name).unwrap_or(0) as u8
    }
}

fn check_table(table: &TransactionTable, config: &ClaimsConfig) -> Result<(), ClientYearError> {
    let at = format!("transactions, table {:?}", table.table);
    let wrong = |reason: &str| Err(ClientYearError::config(&at, reason));
    let every = table.header_claim_types.iter().any(|t| t == "*");
    if !table.header_claim_types.is_empty() && table.claim.is_none() {
        return wrong("header_claim_types needs the column of the claim: claim");
    }
    if !table.header_claim_types.is_empty() && !every && table.claim_type.is_none() {
        return wrong("header_claim_types needs the column of the form type: claim_type");
    }
    if table.line.is_some() && table.claim.is_none() {
        return wrong("line needs the column of the claim: claim");
    }
    if table.currency.is_some() && config.rules.currency.is_none() {
        return wrong("currency needs rates: rules.currency");
    }
    if let Some(entry) = &table.entry {
        if entry.cost.is_empty() && entry.credit.is_empty() {
            return wrong("entry: expected codes of cost or credit, found neither");
        }
        let mut all: Vec<&String> = entry.cost.iter().chain(&entry.credit).chain(&entry.ignore).collect();
        all.sort_unstable();
        if let Some(twice) = all.windows(2).find(|w| w[0] == w[1]) {
            return wrong(&format!("entry: code {:?} is there twice", twice[0]));
        }
    }
    for rule in &table.services {
        if rule.values.is_empty() && rule.prefixes.is_empty() {
            return wrong(&format!("service {:?}: expected values or prefixes, found neither", rule.service));
        }
    }
    if let Some(currency) = &config.rules.currency {
        for (code, rate) in &currency.rates {
            if !(*rate > 0.0 && rate.is_finite()) {
                let reason = format!("expected a positive rate of {code}, found {rate}");
                return Err(ClientYearError::config("rules.currency", reason));
            }
        }
    }
    Ok(())
}

fn rolling(config: &ClaimsConfig) -> Result<Vec<u32>, ClientYearError> {
    let history = config.windows.history_months;
    let mut months = match &config.features.rolling_months {
        None => [1, 3, 6, 12].into_iter().filter(|&m| m < history).collect(),
        Some(months) => months.clone(),
    };
    months.sort_unstable();
    months.dedup();
    if let Some(bad) = months.iter().find(|m| !(1..=history).contains(*m)) {
        let reason = format!("expected months from 1 to the {history} of the history, found {bad}");
        return Err(ClientYearError::config("features.rolling_months", reason));
    }
    Ok(months)
}

fn threshold(config: &ClaimsConfig) -> Result<Option<i64>, ClientYearError> {
    let inclusion = config.rules.inclusion;
    for months in [inclusion.min_history_months, inclusion.min_target_months] {
        if !(months >= 0.0 && months.is_finite()) {
            let reason = format!("expected months of at least 0, found {months}");
            return Err(ClientYearError::config("rules.inclusion", reason));
        }
    }
    let Some(large) = config.rules.large_claims else { return Ok(None) };
    money::of_float(large.threshold, super::AmountUnit::Currency).filter(|&cents| cents > 0).map(Some).ok_or_else(
        || {
            let reason = format!("expected a positive threshold, found {}", large.threshold);
            ClientYearError::config("rules.large_claims", reason)
        },
    )
}

fn prices(inflation: Option<&Inflation>) -> Result<Prices, ClientYearError> {
    let wrong = |reason: String| Err(ClientYearError::config("rules.inflation", reason));
    match inflation {
        None => Ok(Prices::AsTheyWere),
        Some(Inflation::Rate { annual_rate, base_date }) => {
            if !(*annual_rate > -1.0 && annual_rate.is_finite()) {
                return wrong(format!("expected a rate above -1, found {annual_rate}"));
            }
            Ok(Prices::Rate { annual: *annual_rate, base: super::window::day_of(*base_date) })
        }
        Some(Inflation::Index { base_year, by_year }) => {
            let mut factors = Vec::with_capacity(by_year.len());
            for (year, index) in by_year {
                match year.parse::<i32>() {
                    Ok(year) if *index > 0.0 && index.is_finite() => factors.push((year, *index)),
                    _ => return wrong(format!("expected years with a positive index, found {year:?} = {index}")),
                }
            }
            let Some(&(_, base)) = factors.iter().find(|(year, _)| year == base_year) else {
                return wrong(format!("by_year lacks the base year {base_year}"));
            };
            factors.iter_mut().for_each(|(_, index)| *index = base / *index);
            Ok(Prices::ByYear(factors))
        }
    }
}
