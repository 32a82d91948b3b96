//! One column of ranks for a category with an order.

use std::collections::BTreeMap;

use med_schema::{FeatureColumn, FeatureMatrix};
use serde::{Deserialize, Serialize};

use super::levels::{Seen, first_and_count, levels_present, recode, refuse};
use super::{Columns, Encoder, FittedEncoder, InputKind, Inputs, MissingPolicy, Origin, UnseenPolicy};
use crate::FeatureError;

/// Replaces the levels of each categorical column by their rank 0, 1, 2, ... under the column's own name.
///
/// The order is the one given for a column; without one, that of the texts of the training part (a linear model will read a
/// meaning into it that texts rarely have: `High` < `Low` < `Medium`). Levels given are known whether or not the training part has
/// them, because they come from the caller and not from other rows. Trees can use any order; they only need one that stays.
///
/// | parameter | default | range |
/// | --- | --- | --- |
/// | `columns` | all categorical | |
/// | `orders` | none | column -> levels from lowest to highest, without repetition |
/// | `unseen` | error | error, ignore (NaN) |
/// | `missing` | keep (NaN) | error, keep |
///
/// ```
/// use med_features::{Encoder, FittedEncoder, Ordinal};
/// use med_schema::{FeatureColumn, FeatureMatrix};
/// let train = FeatureMatrix::new(vec![FeatureColumn::from_texts("activity", [Some("High"), Some("Low"), Some("Medium")])])?;
/// let ordinal = Ordinal::default().order("activity", ["Low", "Medium", "High"]);
/// let encoded = ordinal.fit(&train)?.transform(&train)?;
/// assert_eq!(encoded.column("activity")?.as_numeric(), Some(&[2.0, 0.0, 1.0][..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ordinal {
    /// The columns to encode.
    pub columns: Columns,
    /// The order of levels of a column, from lowest to highest.
    pub orders: BTreeMap<String, Vec<String>>,
    /// What becomes of levels not seen in fitting.
    pub unseen: UnseenPolicy,
    /// What becomes of missing values.
    pub missing: MissingPolicy,
}

impl Ordinal {
    /// With the order of a column's levels, from lowest to highest.
    #[must_use]
    pub fn order(mut self, column: impl Into<String>, levels: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.orders.insert(column.into(), levels.into_iter().map(Into::into).collect());
        self
    }
}

/// A fitted [`Ordinal`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FittedOrdinal {
    inputs: Inputs,
    /// Levels of each column encoded, from lowest to highest.
    levels: BTreeMap<String, Vec<String>>,
    unseen: UnseenPolicy,
    missing: MissingPolicy,
}

impl Encoder for Ordinal {
    type Fitted = FittedOrdinal;

    fn fit(&self, train: &FeatureMatrix) -> Result<FittedOrdinal, FeatureError> {
        let picked = self.columns.pick(train, InputKind::Categorical)?;
        for (name, order) in &self.orders {
            if picked.iter().all(|c| c.name() != name) {
                let expected = "one of the columns to encode, since an order of levels is given for it";
                return Err(FeatureError::ColumnKind { column: name.clone(), expected });
            }
            if order.iter().enumerate().any(|(at, level)| order[..at].contains(level)) {
                let found = format!("a level twice for {name:?}");
                return Err(FeatureError::Parameter {
                    parameter: "orders",
                    expected: "levels without repetition",
                    found,
                });
            }
        }
        let mut fitted = BTreeMap::new();
        for column in picked {
            let name = column.name().to_owned();
            let levels = match self.orders.get(&name) {
                Some(order) => {
                    if let Some((row, rows)) = first_and_count(recode(column, order), |seen| *seen == Seen::Unseen) {
                        return Err(FeatureError::UnlistedLevel { column: name, row, rows });
                    }
                    order.clone()
                }
                None => {
                    let (codes, texts) = column.as_categorical().unwrap_or_default();
                    levels_present(codes, texts)
                }
            };
            if levels.is_empty() {
                return Err(FeatureError::AllMissing { column: name });
            }
            if self.missing == MissingPolicy::Error {
                refuse(column, &levels, Seen::Missing)?;
            }
            fitted.insert(name, levels);
        }
        Ok(FittedOrdinal { inputs: Inputs::of(train), levels: fitted, unseen: self.unseen, missing: self.missing })
    }
}

impl FittedOrdinal {
    /// The levels of a column that was encoded, from lowest to highest.
    pub fn levels(&self, column: &str) -> Option<&[String]> {
        self.levels.get(column).map(Vec::as_slice)
    }
}

impl FittedEncoder for FittedOrdinal {
    fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    fn transform(&self, x: &FeatureMatrix) -> Result<FeatureMatrix, FeatureError> {
        let x = self.inputs.pick(x)?;
        let mut columns = Vec::with_capacity(x.n_columns());
        for column in x.columns() {
            let Some(levels) = self.levels.get(column.name()) else {
                columns.push(column.clone());
                continue;
            };
            if self.unseen == UnseenPolicy::Error {
                refuse(column, levels, Seen::Unseen)?;
            }
            if self.missing == MissingPolicy::Error {
                refuse(column, levels, Seen::Missing)?;
            }
            let rank = |seen| if let Seen::Level(at) = seen { at as f64 } else { f64::NAN };
            let ranks: Vec<f64> = recode(column, levels).map(rank).collect();
            columns.push(FeatureColumn::numeric(column.name(), ranks));
        }
        Ok(FeatureMatrix::new(columns)?)
    }

    fn provenance(&self) -> Vec<Origin> {
        self.inputs.names().map(|name| Origin::of(name, name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(texts: &[Option<&str>]) -> FeatureMatrix {
        FeatureMatrix::new(vec![FeatureColumn::from_texts("grade", texts.iter().copied())]).unwrap()
    }

    fn ranks(fitted: &FittedOrdinal, texts: &[Option<&str>]) -> Result<Vec<f64>, FeatureError> {
        Ok(fitted.transform(&matrix(texts))?.numeric("grade")?.to_vec())
    }

    #[test]
    fn ranks_follow_the_order_given_or_the_texts() {
        let train = matrix(&[Some("low"), Some("high")]);
        let given = Ordinal::default().order("grade", ["low", "middle", "high"]).fit(&train).unwrap();
        assert_eq!(ranks(&given, &[Some("high"), Some("middle"), Some("low")]).unwrap(), [2.0, 1.0, 0.0]);
        let by_text = Ordinal::default().fit(&train).unwrap();
        assert_eq!(ranks(&by_text, &[Some("high"), Some("low")]).unwrap(), [0.0, 1.0]);
        assert!(matches!(ranks(&by_text, &[Some("middle")]), Err(FeatureError::UnseenLevel { row: 0, .. })));
    }

    #[test]
    fn what_is_unknown_is_missing_or_an_error() {
        let train = matrix(&[Some("low"), Some("high")]);
        let lax = Ordinal { unseen: UnseenPolicy::Ignore, ..Ordinal::default() }.fit(&train).unwrap();
        assert!(ranks(&lax, &[Some("odd"), None]).unwrap().iter().all(|r| r.is_nan()));
        let strict = Ordinal { missing: MissingPolicy::Error, ..Ordinal::default() }.fit(&train).unwrap();
        assert!(matches!(ranks(&strict, &[Some("low"), None]), Err(FeatureError::Missing { row: 1, .. })));
    }

    #[test]
    fn orders_must_fit_the_data() {
        let train = matrix(&[Some("low"), Some("high")]);
        let lacking = Ordinal::default().order("grade", ["low"]);
        assert!(matches!(lacking.fit(&train), Err(FeatureError::UnlistedLevel { row: 1, rows: 1, .. })));
        assert!(Ordinal::default().order("grade", ["low", "high", "low"]).fit(&train).is_err());
        assert!(Ordinal::default().order("grad", ["low"]).fit(&train).is_err());
    }
}
