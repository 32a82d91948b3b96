//! The rules of a roll-up: each a typed value with a default. `docs/client-year.md` gives the reasons.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

/// What becomes of a transaction dated outside its client's enrolment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OutsideEnrolment {
    /// It is no cost: it has no exposure to stand beside. The default.
    #[default]
    Drop,
    /// It is a cost like any other.
    Keep,
    /// It is a cost if it lies at most this many days after an enrolled day.
    GraceDays(u16),
}

/// What becomes of negative amounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reversals {
    /// They reduce the cost of their day. A claim that they bring to nothing is not counted as a claim. The default.
    #[default]
    Net,
    /// A negative line and an equal positive one of its claim go together; what finds no partner reduces the cost of its day.
    Pair,
    /// They are left out, and what they reversed stays.
    Drop,
}

/// What becomes of a target that reversals bring below zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NegativeTotals {
    /// It becomes zero: models of cost take no negative one. The default.
    #[default]
    Zero,
    /// It stays.
    Keep,
}

/// What becomes of a line with the same claim, line number, day and amount as another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DuplicateLines {
    /// It is left out. Only tables with a `line` column have such lines. The default.
    #[default]
    Drop,
    /// It stays.
    Keep,
}

/// What becomes of rows with a client that neither the clients' table nor the enrolment knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownClients {
    /// They are left out: nothing is known of their exposure. The default.
    #[default]
    Drop,
    /// The roll-up ends in an error.
    Fail,
}

/// Since when a row is known whose `known_at` is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MissingKnownAt {
    /// Not yet: no feature sees it, at no cut-off. It is a cost of its day all the same. The default: what has no day of payment is most
    /// often not paid yet. Where no row of a table says by a cut-off when it became known, the column says nothing, and rows count as
    /// known on their own day there.
    #[default]
    Unseen,
    /// Since its own day. For feeds that leave the column empty where the two days are one.
    OwnDay,
}

/// What becomes of values that cannot be read as days, amounts or numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unreadable {
    /// The roll-up ends in an error with column, count and first row. The default.
    #[default]
    Fail,
    /// The row is left out; of clients, whose rows stay, the value is missing.
    Drop,
}

/// How enrolled days become member-months: months of the calendar, and never more of them than the window is long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MemberMonths {
    /// Days enrolled over days of the month. The default: the only one without bias for spans that end within a month.
    #[default]
    Days,
    /// A month with an enrolled day in the window counts whole. A window that does not begin with a month touches one more than it is
    /// long; that one does not count for who is enrolled throughout.
    AnyDay,
    /// A month counts whole if its first day is in the window and enrolled. A window of any beginning has as many firsts as months.
    FirstDay,
    /// A month counts whole if its fifteenth day is in the window and enrolled; there are as many of them as months, too.
    MidMonth,
}

/// Which clients have a row at a cut-off. A row without exposure after the cut-off there never is.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Inclusion {
    /// Member-months in the target window, at least. Enrolled on each of its days is all of its months, also from a 29 February
    /// on, where shares of calendar months add up to less than twelve.
    pub min_target_months: f64,
    /// Member-months in the history, at least; each day of it is all of its months.
    pub min_history_months: f64,
    /// Whether the client must be enrolled on the cut-off day, as is known of those whom one would predict then.
    pub enrolled_at_cut_off: bool,
}

/// Exchange rates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Currency {
    /// The currency of the result; also of rows without a code.
    pub base: String,
    /// Units of the base currency for one unit of each other one.
    #[serde(default)]
    pub rates: BTreeMap<String, f64>,
}

/// At which prices costs are told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Inflation {
    /// A price index by calendar year: amounts are multiplied by the base year's over their own year's. A year that has none is an
    /// error.
    Index {
        /// The year at whose prices costs are told.
        base_year: i32,
        /// The index; the key is the year.
        by_year: BTreeMap<String, f64>,
    },
    /// A constant rate: amounts are multiplied by `(1 + rate)` to the power of the years between their day and the base day.
    Rate {
        /// Rate a year, such as 0.03.
        annual_rate: f64,
        /// The day at whose prices costs are told.
        #[serde(deserialize_with = "super::day_text::one")]
        base_date: NaiveDate,
    },
}

/// How the excess of truncated costs goes back to all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Pooling {
    /// To the clients of the cut-off in proportion to their exposure: a flat pooling charge per member-month. The default.
    #[default]
    Exposure,
    /// In proportion to their truncated cost. Where that is zero throughout, to exposure.
    Cost,
    /// It does not: totals are smaller then, by what the ledger says.
    None,
}

/// Costs above a threshold are cut there, and what was cut is spread. Sums over a cut-off stay the same to the cent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LargeClaims {
    /// Cost of one client in one target window from which on it is cut, in units of the currency.
    pub threshold: f64,
    /// What becomes of the rest.
    #[serde(default)]
    pub pooling: Pooling,
}

/// All rules of a roll-up.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// Transactions outside enrolment.
    pub outside_enrolment: OutsideEnrolment,
    /// Negative amounts.
    pub reversals: Reversals,
    /// Negative targets.
    pub negative_totals: NegativeTotals,
    /// Lines that are there twice.
    pub duplicate_lines: DuplicateLines,
    /// Clients that nobody knows.
    pub unknown_clients: UnknownClients,
    /// Rows that do not say when they became known, of tables that map `known_at`.
    pub missing_known_at: MissingKnownAt,
    /// Values that cannot be read.
    pub unreadable: Unreadable,
    /// How exposure is counted.
    pub member_months: MemberMonths,
    /// Who has a row.
    pub inclusion: Inclusion,
    /// Exchange rates; without them there is one currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    /// Price level; without it, amounts are as they were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inflation: Option<Inflation>,
    /// Truncation of targets; without it there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub large_claims: Option<LargeClaims>,
}
