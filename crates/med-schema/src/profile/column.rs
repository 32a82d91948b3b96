//! The sketches of one column.

use std::convert::Infallible;

use serde::{Deserialize, Serialize};

use super::ProfileOptions;
use super::counts::ValueCounts;
use super::error::ProfileError;
use super::item::{Item, whole};
use super::moments::Moments;
use super::quantiles::QuantileSketch;
use crate::infer_kind::{Facts, infer_kind};
use crate::{Column, Kind, Role, ValueType};

/// What is known of one column. Merged with that of another part it is the one of both.
///
/// Moments are of the finite numbers; infinities count as values, have their place among the quantiles, and are counted apart.
/// Not-a-number is missing. Dates are days, moments in time microseconds since 1970-01-01, true is 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnProfile {
    column: Column,
    rows: u64,
    nulls: u64,
    nans: u64,
    infinite: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    range: Option<(Item, Item)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lengths: Option<(u64, u64)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    numbers: Option<Numbers>,
    counts: ValueCounts,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    all_different: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Numbers {
    moments: Moments,
    quantiles: QuantileSketch,
}

impl ColumnProfile {
    /// Of no rows yet.
    pub fn new(column: Column, options: &ProfileOptions) -> Self {
        let numbers = (column.value_type != ValueType::Text).then(|| Numbers {
            moments: Moments::default(),
            quantiles: QuantileSketch::new(options.quantile_k, options.seed),
        });
        Self {
            column,
            rows: 0,
            nulls: 0,
            nans: 0,
            infinite: 0,
            range: None,
            lengths: None,
            numbers,
            counts: ValueCounts::new(options.value_capacity),
            all_different: None,
        }
    }

    /// Takes in rows without a value.
    pub fn add_nulls(&mut self, nulls: u64) {
        self.rows += nulls;
        self.nulls += nulls;
    }

    /// Takes in a block of whole numbers. Blocks of a few thousand values are quickest; how a column is cut into blocks may
    /// change the last bits of the moments, and nothing else.
    pub fn add_whole(&mut self, values: &[i64]) {
        let (Some(numbers), [first, rest @ ..]) = (&mut self.numbers, values) else { return };
        self.rows += values.len() as u64;
        let (low, high) = rest.iter().fold((*first, *first), |(low, high), v| (low.min(*v), high.max(*v)));
        let block: Vec<f64> = values.iter().map(|v| *v as f64).collect();
        numbers.moments.merge(&Moments::of(&block));
        numbers.quantiles.extend(&block);
        values.iter().for_each(|v| self.counts.add_whole(*v));
        self.widen(Item::Whole(low), Item::Whole(high));
    }

    /// Takes in a block of numbers, not-a-number as missing. See [`ColumnProfile::add_whole`] for blocks.
    pub fn add_real(&mut self, values: &[f64]) {
        let Some(numbers) = &mut self.numbers else { return };
        self.rows += values.len() as u64;
        if values.iter().all(|v| v.is_finite()) {
            numbers.moments.merge(&Moments::of(values));
        } else {
            let finite: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
            self.nans += values.iter().filter(|v| v.is_nan()).count() as u64;
            self.infinite += values.iter().filter(|v| v.is_infinite()).count() as u64;
            numbers.moments.merge(&Moments::of(&finite));
        }
        numbers.quantiles.extend(values);
        values.iter().for_each(|v| self.counts.add_real(*v));
        let present = || values.iter().copied().filter(|v| !v.is_nan());
        if let (Some(low), Some(high)) = (present().reduce(f64::min), present().reduce(f64::max))
            && let (Some(low), Some(high)) = (Item::number(low), Item::number(high))
        {
            self.widen(low, high);
        }
    }

    /// Takes in a text.
    pub fn add_text(&mut self, value: &str) {
        if self.numbers.is_some() {
            return;
        }
        self.rows += 1;
        let length = if value.is_ascii() { value.len() } else { value.chars().count() } as u64;
        self.lengths = Some(self.lengths.map_or((length, length), |(low, high)| (low.min(length), high.max(length))));
        self.counts.add_text(value);
    }

    /// Says what somebody who saw all values knows: whether each occurs once.
    pub fn set_all_different(&mut self, all_different: bool) {
        self.all_different = Some(all_different);
    }

    /// Gives the column the kind, role and nullability that its values suggest, by the rules of `infer_schema`. Distinct values
    /// are those of [`ColumnProfile::distinct`], so an estimate may decide between a category and a text; a key is only what is
    /// known to be all different.
    pub fn infer_kind(&mut self) {
        let range = match &self.range {
            Some((Item::Whole(low), Item::Whole(high))) => Some((*low, *high)),
            _ => None,
        };
        let facts = Facts { rows: self.rows, nulls: self.nulls, range };
        // An estimate that happens to be the number of rows is no proof.
        let most = if self.all_different() == Some(true) { u64::MAX } else { self.present().saturating_sub(1) };
        let Ok(kind) = infer_kind(self.column.value_type, facts, || Ok::<_, Infallible>(self.distinct().min(most)));
        self.column.kind = kind;
        self.column.role = if kind == Kind::Identifier { Role::Key } else { Role::Feature };
        self.column.nullable = self.nulls > 0;
    }

    fn widen(&mut self, low: Item, high: Item) {
        self.range = Some(match self.range.take() {
            None => (low, high),
            Some((a, b)) => (a.min(low), b.max(high)),
        });
    }

    /// Takes in the profile of the same column of another part.
    ///
    /// # Errors
    /// When one holds numbers and the other texts, or dates; whole numbers and floats become floats, booleans and whole numbers whole
    /// numbers.
    pub fn merge(&mut self, other: &Self) -> Result<(), ProfileError> {
        let value_type = joint_type(self.column.value_type, other.column.value_type);
        let value_type = value_type.ok_or_else(|| ProfileError::Types {
            column: self.column.name.clone(),
            expected: self.column.value_type,
            found: other.column.value_type,
        })?;
        // Counts of the parts decide while they are those of all values; else a repeated value in one part is one of the whole.
        let repeated = self.all_different() == Some(false) || other.all_different() == Some(false);
        let nothing = (self.present() == 0, other.present() == 0);
        let known = match nothing {
            (true, _) => other.all_different(),
            (_, true) => self.all_different(),
            _ => repeated.then_some(false),
        };
        self.column.value_type = value_type;
        self.column.kind = joint_kind(self.column.kind, other.column.kind, value_type);
        self.column.nullable |= other.column.nullable;
        self.rows += other.rows;
        self.nulls += other.nulls;
        self.nans += other.nans;
        self.infinite += other.infinite;
        if let Some((low, high)) = &other.range {
            self.widen(low.clone(), high.clone());
        }
        if let Some((low, high)) = other.lengths {
            self.lengths = Some(self.lengths.map_or((low, high), |(a, b)| (a.min(low), b.max(high))));
        }
        if let (Some(mine), Some(theirs)) = (&mut self.numbers, &other.numbers) {
            mine.moments.merge(&theirs.moments);
            mine.quantiles.merge(&theirs.quantiles);
        }
        self.counts.merge(&other.counts);
        self.all_different = known;
        Ok(())
    }

    /// What the column is.
    pub fn column(&self) -> &Column {
        &self.column
    }

    /// All rows.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Rows without a value: nulls, and not-a-number.
    pub fn missing(&self) -> u64 {
        self.nulls + self.nans
    }

    /// Rows that are not-a-number.
    pub fn nans(&self) -> u64 {
        self.nans
    }

    /// Rows with a value.
    pub fn present(&self) -> u64 {
        self.rows - self.missing()
    }

    /// Rows with an infinity.
    pub fn infinite(&self) -> u64 {
        self.infinite
    }

    /// The smallest and the largest number, exactly. None of texts: they are somebody's.
    pub fn range(&self) -> Option<(&Item, &Item)> {
        self.range.as_ref().map(|(low, high)| (low, high))
    }

    /// The smallest and the largest number of characters of a text.
    pub fn lengths(&self) -> Option<(u64, u64)> {
        self.lengths
    }

    /// Moments of the finite numbers.
    pub fn moments(&self) -> Option<&Moments> {
        self.numbers.as_ref().map(|n| &n.moments)
    }

    /// Quantiles of the numbers.
    pub fn quantiles(&self) -> Option<&QuantileSketch> {
        self.numbers.as_ref().map(|n| &n.quantiles)
    }

    /// Counts of values.
    pub fn counts(&self) -> &ValueCounts {
        &self.counts
    }

    /// The number of different values: exact where they are all counted or known to differ, else an estimate with the standard error of
    /// [`Cardinality`](super::Cardinality).
    pub fn distinct(&self) -> u64 {
        if self.all_different() == Some(true) { self.present() } else { self.counts.distinct() }
    }

    /// Whether each value occurs once, where that is known for sure: from exact counts, or from somebody who saw all values.
    pub fn all_different(&self) -> Option<bool> {
        if self.counts.is_exact() {
            return Some(self.counts.distinct() == self.present());
        }
        self.all_different
    }
}

/// The type that holds the values of both.
fn joint_type(a: ValueType, b: ValueType) -> Option<ValueType> {
    use ValueType::{Boolean, Float, Integer};
    match (a, b) {
        _ if a == b => Some(a),
        (Integer | Float, Float) | (Float, Integer) => Some(Float),
        (Boolean, Integer) | (Integer, Boolean) => Some(Integer),
        _ => None,
    }
}

/// The kind that fits both, where inference saw different parts.
fn joint_kind(a: Kind, b: Kind, value_type: ValueType) -> Kind {
    let any = |kind| a == kind || b == kind;
    if a == b {
        a
    } else if value_type == ValueType::Text {
        let category = |kind| matches!(kind, Kind::Binary | Kind::Nominal | Kind::Ordinal);
        if category(a) && category(b) { Kind::Nominal } else { Kind::Text }
    } else if any(Kind::Continuous) || value_type == ValueType::Float {
        Kind::Continuous
    } else if any(Kind::Count) || any(Kind::Identifier) {
        Kind::Count
    } else {
        Kind::Nominal
    }
}

/// The stored fields as a profile, if they do not contradict each other.
pub(super) fn check(profile: &ColumnProfile) -> Result<(), ProfileError> {
    let damaged = |what| Err(ProfileError::Damaged { part: "column", what });
    let missing = profile.nulls.checked_add(profile.nans).filter(|missing| *missing <= profile.rows);
    let Some(present) = missing.map(|missing| profile.rows - missing) else { return damaged("its missing rows") };
    if (profile.column.value_type == ValueType::Text) == profile.numbers.is_some() {
        return damaged("its type");
    }
    if let Some(Numbers { moments, quantiles }) = &profile.numbers
        && (quantiles.count() != present || Some(moments.count()) != present.checked_sub(profile.infinite))
    {
        return damaged("its count");
    }
    let real = |item: &Item| matches!(item, Item::Real(value) if whole(*value).is_some() || value.is_nan());
    match &profile.range {
        Some((low, high)) if low > high || real(low) || real(high) => damaged("its range"),
        _ => Ok(()),
    }
}
