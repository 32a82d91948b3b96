//! How rows are split into parts. Pure: the same rows, the same parts, whatever their order.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use med_schema::{Fingerprint, FingerprintHasher};
use polars::prelude::{DataFrame, DataType, TimeUnit};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::row_key::row_keys;
use crate::{Result, StoreError};

/// How a training set is split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Split {
    /// All rows in one part, `train`.
    None,
    /// By client: all rows of a primary key fall into one part, decided by a hash of the key and the seed. A client
    /// stays in its part when others come and go.
    Client {
        /// Expected share of clients in `test`; the others are `train`.
        test_share: f64,
        /// Another seed, another split.
        seed: u64,
    },
    /// By time: rows before the moment are `train`, the others `test`.
    Time {
        /// The first moment of `test`.
        test_from: DateTime<Utc>,
    },
    /// By row, as the maker of the set said: rows of neither part are left out. Such a set is made again from the keys that its own
    /// parts hold.
    Given {
        /// The rule by which the maker assigned them, with its seed.
        rule: Value,
        /// Digest of the keys of each part.
        keys: Fingerprint,
    },
}

impl Split {
    pub(super) fn check(&self) -> Result<()> {
        match self {
            Self::Client { test_share, .. } if !(*test_share > 0.0 && *test_share < 1.0) => Err(StoreError::Split {
                reason: format!("the share of the test part must lie between 0 and 1, found {test_share}"),
            }),
            _ => Ok(()),
        }
    }

    /// Names of the parts.
    pub(super) fn parts(&self) -> &'static [&'static str] {
        match self {
            Self::None => &["train"],
            _ => &["train", "test"],
        }
    }

    /// For each row the number of its part; a number that no part has for rows that are left out. `given` holds the rows' keys, part
    /// by part, for a split that is given.
    pub(super) fn assign(
        &self,
        rows: &DataFrame,
        primary_key: &[String],
        event_time: &str,
        given: &[Keys],
    ) -> Result<Vec<usize>> {
        match self {
            Self::None => Ok(vec![0; rows.height()]),
            Self::Given { .. } => {
                let keys = keys_of(rows, primary_key, event_time)?;
                let part = |key: &Vec<u8>| given.iter().position(|part| part.contains(key)).unwrap_or(usize::MAX);
                Ok(keys.iter().map(part).collect())
            }
            Self::Client { test_share, seed } => {
                let keys = row_keys(rows, primary_key)?;
                Ok(keys.iter().map(|key| usize::from(uniform(*seed, key) < *test_share)).collect())
            }
            Self::Time { test_from } => {
                let failed = |e: polars::prelude::PolarsError| StoreError::Convert {
                    what: "split by time".to_owned(),
                    source: e.into(),
                };
                let column = rows.column(event_time).map_err(failed)?;
                let moments = column.cast(&DataType::Datetime(TimeUnit::Microseconds, None)).map_err(failed)?;
                let numbers = moments.to_physical_repr();
                let from = test_from.timestamp_micros();
                let times = numbers.i64().map_err(failed)?.iter();
                Ok(times.map(|time| usize::from(time.is_some_and(|time| time >= from))).collect())
            }
        }
    }
}

/// The keys of the rows of a part.
pub(super) type Keys = HashSet<Vec<u8>>;

/// The keys of these rows, which must be there.
pub(super) fn keys_of(rows: &DataFrame, primary_key: &[String], event_time: &str) -> Result<Vec<Vec<u8>>> {
    let key: Vec<String> = primary_key.iter().cloned().chain([event_time.to_owned()]).collect();
    row_keys(rows, &key)
}

/// A number in [0, 1) from the first 53 bits of a digest.
fn uniform(seed: u64, key: &[u8]) -> f64 {
    let digest = FingerprintHasher::new().part(seed.to_le_bytes()).part(key).finish();
    let first = digest.as_bytes().first_chunk::<8>().copied().unwrap_or_default();
    (u64::from_be_bytes(first) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::prelude::Column;

    #[test]
    fn clients_stay_together_and_the_share_is_kept() {
        let ids: Vec<i64> = (0..20_000).map(|n| n / 2).collect();
        let frame = DataFrame::new(ids.len(), vec![Column::new("id".into(), ids)]).unwrap();
        let key = ["id".to_owned()];
        let parts = Split::Client { test_share: 0.25, seed: 7 }.assign(&frame, &key, "", &[]).unwrap();
        assert!(parts.chunks(2).all(|pair| pair[0] == pair[1]));
        let share = parts.iter().sum::<usize>() as f64 / parts.len() as f64;
        assert!((share - 0.25).abs() < 0.02, "{share}"); // 10,000 clients: four standard errors are 0.017
        let other = Split::Client { test_share: 0.25, seed: 8 }.assign(&frame, &key, "", &[]).unwrap();
        assert_ne!(parts, other);
        let few = Split::Client { test_share: 0.25, seed: 7 }.assign(&frame.slice(100, 10), &key, "", &[]).unwrap();
        assert_eq!(few, parts[100..110]);
    }
}
