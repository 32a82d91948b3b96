//! From clients, enrolment spans and dated transactions to one row for each client and cut-off.
//!
//! A [`ClaimsConfig`] says which tables and columns hold what, at which cut-offs one looks back and forth, and by which [`Rules`].
//! A [`RollUp`] takes the tables batch by batch and gives [`ClientYears`]: a [`Table`] and a [`ClientYearReport`] in which each amount
//! read is either kept, or removed or changed by a rule that is named.
//!
//! **Method.** Amounts are whole cents. Lines are kept at 40 bytes each and sorted by client, claim and line; then each client is looked
//! at once, with all cut-offs, in parallel over chunks of clients. O(n log n) for the sort, O(n) for each cut-off.
//!
//! **No leakage.** For the features at a cut-off the rules are applied anew to what was dated and known before it; for targets and
//! ledger, to all that is there. The reasons for each rule and default are in `docs/client-year.md`.

mod category_file;
mod cells;
mod client;
mod codes;
mod collect;
mod config;
mod day_text;
mod error;
mod features;
mod finish;
mod ledger;
mod line;
mod mapping;
mod money;
mod names;
mod pool;
mod repeats;
mod report;
mod rules;
mod settle;
mod spans;
mod table;
mod transactions;
mod window;

pub use codes::{Category, CodeForm, Conditions, Part};
pub use collect::RollUp;
pub use config::{ClaimsConfig, FeatureOptions};
pub use error::ClientYearError;
pub use ledger::{Ledger, LedgerEntry, Rule};
pub use mapping::{
    AmountUnit, Attribute, ClientsTable, DescribedAttribute, DiagnosisTable, EnrolmentTable, EntryTypes, ServiceRule,
    TransactionTable,
};
pub use report::{ClientYearReport, HeaderFinding, Oddities, TableLedger, WindowReport};
pub use rules::{
    Currency, DuplicateLines, Inclusion, Inflation, LargeClaims, MemberMonths, MissingKnownAt, NegativeTotals,
    OutsideEnrolment, Pooling, Reversals, Rules, UnknownClients, Unreadable,
};
pub use spans::EnrolmentReport;
pub use table::{CLIENT_ID, CUT_OFF, EXPOSURE, TARGET_CENTS, cut_offs, in_currency_units};
pub use window::Windows;

use med_schema::Table;

/// Client-years and how they came about.
#[derive(Debug, Clone)]
pub struct ClientYears {
    /// One row for each client and cut-off, in this order. Amounts in cents; see [`in_currency_units`].
    pub table: Table,
    /// What was read and what the rules did.
    pub report: ClientYearReport,
}
