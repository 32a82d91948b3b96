//! What is known of a table without the table: a few mergeable sketches for each column.
//!
//! A [`Profile`] is what quality metrics, drift references and suggested suites are made of. It is made in one pass, a few dozen
//! kilobytes a column whatever the number of rows, written as versioned JSON, and merged: of files, partitions, machines, days.
//!
//! | sketch | holds | error |
//! | --- | --- | --- |
//! | counts of rows, nulls, not-a-number, infinities; smallest and largest | exactly | none |
//! | [`Moments`] | mean, variance, skewness, kurtosis | rounding |
//! | [`QuantileSketch`] | ranks and quantiles (KLL) | exact up to `3 k` values, then a bound it knows |
//! | [`ValueCounts`] | the most common values (Misra and Gries) | exact up to a capacity, then a bound it knows |
//! | [`Cardinality`] | the number of distinct values (HyperLogLog) | exact up to that capacity, then 0.81 % |
//!
//! Memory of a numeric column at the default parameters: 49 KB of quantiles, up to 60 KB of counts, 16 KB of registers.

mod cardinality;
mod column;
mod counts;
mod error;
mod hash;
mod item;
mod moments;
mod number;
mod quantiles;

use serde::{Deserialize, Serialize};

pub use cardinality::Cardinality;
pub use column::ColumnProfile;
pub use counts::ValueCounts;
pub use error::ProfileError;
pub use item::Item;
pub use moments::Moments;
pub use quantiles::QuantileSketch;

/// The version of the written form.
const VERSION: u32 = 1;

/// How fine the sketches are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProfileOptions {
    /// `k` of the quantile sketches: they keep about `3 k` values. From 8 on; default 2048.
    pub quantile_k: u32,
    /// Different values that are counted exactly. From 2 on; default 1024.
    pub value_capacity: usize,
    /// Seed of the quantile sketches' coins. Parts of one whole should have different ones. Default 0.
    pub seed: u64,
}

impl Default for ProfileOptions {
    fn default() -> Self {
        Self { quantile_k: 2048, value_capacity: 1024, seed: 0 }
    }
}

/// What is known of a table.
///
/// ```
/// use med_schema::{Column, ColumnProfile, Kind, Profile, ProfileOptions, ValueType};
/// let age = |values: &[i64], seed| {
///     let options = ProfileOptions { seed, ..ProfileOptions::default() };
///     let mut age = ColumnProfile::new(Column::new("age", Kind::Count, ValueType::Integer), &options);
///     age.add_whole(values);
///     Profile::new(values.len() as u64, vec![age])
/// };
/// let mut clients = age(&[34, 51], 1)?;
/// clients.merge(&age(&[29], 2)?)?;
/// let age = &clients.columns()[0];
/// assert_eq!((clients.rows(), age.moments().and_then(|m| m.mean())), (3, Some(38.0)));
/// let stored = serde_json::to_string(&clients)?;
/// assert_eq!(serde_json::from_str::<Profile>(&stored)?, clients);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Raw", into = "Raw")]
pub struct Profile {
    rows: u64,
    columns: Vec<ColumnProfile>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    format: String,
    version: u32,
    rows: u64,
    columns: Vec<ColumnProfile>,
}

const FORMAT: &str = "med-profile";

impl Profile {
    /// Of a table of so many rows with these columns.
    ///
    /// # Errors
    /// When a column has another number of rows, or two have one name.
    pub fn new(rows: u64, columns: Vec<ColumnProfile>) -> Result<Self, ProfileError> {
        let damaged = |what| Err(ProfileError::Damaged { part: "table", what });
        if columns.iter().any(|c| c.rows() != rows) {
            return damaged("the number of rows of a column");
        }
        let name = |i: usize| &columns[i].column().name;
        if (0..columns.len()).any(|i| (0..i).any(|j| name(i) == name(j))) {
            return damaged("a column that is there twice");
        }
        Ok(Self { rows, columns })
    }

    /// Rows.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The columns, in the order of the table.
    pub fn columns(&self) -> &[ColumnProfile] {
        &self.columns
    }

    /// The column of this name.
    pub fn column(&self, name: &str) -> Option<&ColumnProfile> {
        self.columns.iter().find(|c| c.column().name == name)
    }

    /// Takes in the profile of another part. The order of its columns does not matter.
    ///
    /// # Errors
    /// When it has other columns or holds one as values that have nothing in common; nothing is taken in then.
    pub fn merge(&mut self, other: &Self) -> Result<(), ProfileError> {
        let names = |p: &Self| p.columns.iter().map(|c| c.column().name.clone()).collect::<Vec<_>>();
        let differ = || ProfileError::Columns { expected: names(self), found: names(other) };
        if self.columns.len() != other.columns.len() {
            return Err(differ());
        }
        let mut columns = self.columns.clone();
        for column in &mut columns {
            column.merge(other.column(&column.column().name).ok_or_else(differ)?)?;
        }
        self.columns = columns;
        self.rows += other.rows;
        Ok(())
    }
}

impl From<Profile> for Raw {
    fn from(profile: Profile) -> Self {
        Self { format: FORMAT.to_owned(), version: VERSION, rows: profile.rows, columns: profile.columns }
    }
}

impl TryFrom<Raw> for Profile {
    type Error = ProfileError;

    fn try_from(raw: Raw) -> Result<Self, Self::Error> {
        if raw.format != FORMAT {
            return Err(ProfileError::Damaged { part: "file", what: "its format" });
        }
        if raw.version != VERSION {
            return Err(ProfileError::Version { expected: VERSION, found: raw.version });
        }
        raw.columns.iter().try_for_each(column::check)?;
        Self::new(raw.rows, raw.columns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Column, Kind, ValueType};

    fn column(name: &str, value_type: ValueType, kind: Kind) -> ColumnProfile {
        let options = ProfileOptions { quantile_k: 8, value_capacity: 4, seed: 1 };
        ColumnProfile::new(Column::new(name, kind, value_type), &options)
    }

    fn one(column: ColumnProfile) -> Profile {
        Profile::new(column.rows(), vec![column]).unwrap()
    }

    #[test]
    fn missing_infinite_and_ends_are_told_apart() {
        let mut x = column("x", ValueType::Float, Kind::Continuous);
        x.add_real(&[1.0, f64::NAN, f64::NEG_INFINITY, 3.0]);
        x.add_nulls(2);
        assert_eq!((x.rows(), x.missing(), x.present(), x.infinite()), (6, 3, 3, 1));
        assert_eq!(x.moments().unwrap().mean(), Some(2.0));
        assert_eq!(x.range().unwrap(), (&Item::Real(f64::NEG_INFINITY), &Item::Whole(3)));
        let back: Profile = serde_json::from_str(&serde_json::to_string(&one(x.clone())).unwrap()).unwrap();
        assert_eq!(back, one(x));
    }

    #[test]
    fn identifiers_beyond_the_precision_of_floats_keep_their_ends() {
        let mut id = column("id", ValueType::Integer, Kind::Identifier);
        id.add_whole(&[(1 << 53) + 1, i64::MAX, 7]);
        assert_eq!(id.range().unwrap(), (&Item::Whole(7), &Item::Whole(i64::MAX)));
        assert_eq!(id.all_different(), Some(true));
        let mut name = column("name", ValueType::Text, Kind::Text);
        ["é", "", "abc"].iter().for_each(|t| name.add_text(t));
        assert_eq!((name.lengths(), name.range()), (Some((0, 3)), None));
    }

    #[test]
    fn whether_all_differ_is_said_only_where_it_is_known() {
        let ids = |range: std::ops::Range<i64>, known| {
            let mut id = column("id", ValueType::Integer, Kind::Identifier);
            id.add_whole(&range.collect::<Vec<_>>());
            if let Some(known) = known {
                id.set_all_different(known);
            }
            id
        };
        let mut a = ids(0..100, Some(true));
        assert_eq!(a.all_different(), Some(true));
        a.merge(&column("id", ValueType::Integer, Kind::Identifier)).unwrap();
        assert_eq!(a.all_different(), Some(true), "nothing was added");
        a.merge(&ids(50..150, Some(true))).unwrap();
        assert_eq!(a.all_different(), None, "each part differs, the whole may not");
        a.merge(&ids(7..300, Some(false))).unwrap();
        assert_eq!(a.all_different(), Some(false));
        assert_eq!(ids(0..3, None).all_different(), Some(true));
    }

    #[test]
    fn parts_that_do_not_fit_are_refused_and_change_nothing() {
        let mut whole = column("x", ValueType::Integer, Kind::Binary);
        whole.add_whole(&[0, 1]);
        let mut profile = one(whole);
        let before = profile.clone();
        let text = one(column("x", ValueType::Text, Kind::Text));
        assert!(profile.merge(&text).unwrap_err().to_string().contains("\"x\" is held as integer in one and as text"));
        assert!(profile.merge(&one(column("y", ValueType::Integer, Kind::Binary))).is_err());
        assert_eq!(profile, before);
        let mut real = column("x", ValueType::Float, Kind::Continuous);
        real.add_real(&[1.0, 2.5]);
        profile.merge(&one(real)).unwrap();
        let x = &profile.columns()[0];
        assert_eq!((x.column().value_type, x.column().kind), (ValueType::Float, Kind::Continuous));
        assert_eq!(x.counts().top(1), [(&Item::Whole(1), 2)], "1 and 1.0 are one value");
    }

    #[test]
    fn another_version_is_refused_by_name() {
        let json = serde_json::to_string(&one(column("x", ValueType::Float, Kind::Continuous))).unwrap();
        let newer = json.replace("\"version\":1", "\"version\":2");
        let error = serde_json::from_str::<Profile>(&newer).unwrap_err().to_string();
        assert!(error.contains("expected version 1, found 2"), "{error}");
        let damaged = json.replacen("\"rows\":0", "\"rows\":5", 1);
        assert!(serde_json::from_str::<Profile>(&damaged).is_err());
    }
}
