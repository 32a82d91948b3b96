//! Which tables and columns hold what: the part of a claims configuration that differs from feed to feed.

use serde::{Deserialize, Serialize};

/// How amounts are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AmountUnit {
    /// Units of the currency with a decimal point, `123.45`, as text or as a number; more than two decimals are rounded to the
    /// cent, halves to even. The default.
    #[default]
    Currency,
    /// The same with a decimal comma, `1.234,56`.
    DecimalComma,
    /// Whole cents.
    Cents,
}

/// The table of clients: who they are, and what is known of them besides their transactions.
///
/// A client may have several rows. With `valid_from`, a client-year sees the last row that was valid on its cut-off day (or the
/// earliest, if none was). Without it, values that differ between rows of one client are taken as missing, and counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientsTable {
    /// The table.
    pub table: String,
    /// Column with the client's identifier.
    pub client: String,
    /// Column with the day of birth; gives the feature `age`, in completed years on the cut-off day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub birth_date: Option<String>,
    /// Column with the day of death; ends exposure. Never a feature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub death_date: Option<String>,
    /// Column with the day from which the row holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_from: Option<String>,
    /// How days are written, in strftime's language; ISO 8601 without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date_format: Option<String>,
    /// Columns to carry over as features.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<Attribute>,
}

/// A column of the clients' table that becomes a feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Attribute {
    /// A category, under the column's own name.
    Column(String),
    /// With more said about it.
    Described(DescribedAttribute),
}

/// A column of the clients' table with the name and kind that its feature has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DescribedAttribute {
    /// The column.
    pub column: String,
    /// The feature's name; the column's without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether it is a number and not a category.
    #[serde(default)]
    pub numeric: bool,
    /// Whether it is for audits only: never given to a model.
    #[serde(default)]
    pub protected: bool,
}

impl Attribute {
    /// The column, the feature's name, whether it is a number, and whether it is protected.
    pub(super) fn parts(&self) -> (&str, &str, bool, bool) {
        match self {
            Self::Column(column) => (column, column, false, false),
            Self::Described(d) => (&d.column, d.name.as_deref().unwrap_or(&d.column), d.numeric, d.protected),
        }
    }
}

/// The table of enrolment spans. Spans of one client may touch and overlap; their union counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnrolmentTable {
    /// The table.
    pub table: String,
    /// Column with the client's identifier.
    pub client: String,
    /// Column with the first day.
    pub start: String,
    /// Column with the last day; a missing value, or no such column, is a span without end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
    /// Whether the end is the last day covered (the default), and not the first one that is not.
    #[serde(default = "yes")]
    pub end_inclusive: bool,
    /// Whether each row is one month, that of `start`; there is no `end` then.
    #[serde(default)]
    pub whole_months: bool,
    /// How days are written, in strftime's language; ISO 8601 without it. A month alone, `%Y%m`, is its first day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date_format: Option<String>,
}

fn yes() -> bool {
    true
}

/// A table of dated transactions: claim lines, pharmacy fills, entries of a ledger. One table may be named twice, for instance when
/// entries of different types hold their amounts in different columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransactionTable {
    /// The table.
    pub table: String,
    /// Column with the client's identifier.
    pub client: String,
    /// Column with the day of service, to which the cost belongs.
    pub date: String,
    /// Column with the day on which the transaction became known: paid, posted, loaded. Features see a transaction only if it was
    /// known before the cut-off; a missing value means that it was known at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_at: Option<String>,
    /// How days are written, in strftime's language; ISO 8601 without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date_format: Option<String>,
    /// Column with the amount.
    pub amount: String,
    /// How amounts are written.
    #[serde(default)]
    pub amount_unit: AmountUnit,
    /// Column with the identifier of the claim that the line belongs to; without it, each row is a claim of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<String>,
    /// Column with the number of the line within its claim; with it, lines that were loaded twice are found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<String>,
    /// Column with the identifier of an earlier claim that this line reverses or adjusts; the line is counted to that claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reverses: Option<String>,
    /// Column with the claim's form type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim_type: Option<String>,
    /// Form types whose lines each repeat the amount of the whole claim; `"*"` for every claim of the table.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub header_claim_types: Vec<String>,
    /// Which entries are costs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<EntryTypes>,
    /// Column with the currency's code; needs `rules.currency`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// Type of service of what no entry of `services` fits.
    #[serde(default = "other")]
    pub service: String,
    /// Types of service by code; the first that fits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<ServiceRule>,
    /// Columns with diagnosis codes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<String>,
}

fn other() -> String {
    "other".to_owned()
}

/// Which of a table's entries are costs, by the codes of one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntryTypes {
    /// The column.
    pub column: String,
    /// Codes of entries that are costs.
    pub cost: Vec<String>,
    /// Codes of entries whose positive amounts reduce the cost.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credit: Vec<String>,
    /// Codes of entries that are none. If this is given, a code that is in no list is an error; if not, it is no cost.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<String>,
}

/// A type of service and the codes that mean it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceRule {
    /// The type of service; becomes part of the names of features.
    pub service: String,
    /// The column with the code.
    pub column: String,
    /// Codes that mean it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// Beginnings of codes that mean it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prefixes: Vec<String>,
}

/// A table of diagnoses apart from the transactions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiagnosisTable {
    /// The table.
    pub table: String,
    /// Column with the client's identifier.
    pub client: String,
    /// Column with the day of the diagnosis.
    pub date: String,
    /// Column with the day on which it became known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_at: Option<String>,
    /// How days are written, in strftime's language; ISO 8601 without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date_format: Option<String>,
    /// Columns with codes.
    pub codes: Vec<String>,
}
