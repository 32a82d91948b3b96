//! How common a category is.

use std::collections::BTreeMap;

use med_schema::FeatureMatrix;
use serde::{Deserialize, Serialize};

use super::levels::{Seen, levels_present, recode, refuse, to_numbers};
use super::{
    Columns, Encoder, FittedEncoder, InputKind, Inputs, MissingPolicy, Origin, UnseenPolicy, outputs_are_distinct,
    replaced,
};
use crate::FeatureError;

/// Replaces each categorical column by one number, the share of rows of the training part with that level, called
/// `frequency(column)`. For categories of many levels, where being rare says something.
///
/// Two levels that are equally common cannot be told apart afterwards.
///
/// | parameter | default | range |
/// | --- | --- | --- |
/// | `columns` | all categorical | |
/// | `unseen` | ignore (share 0, which is what it is) | error, ignore |
/// | `missing` | keep (the share that is missing) | error, keep |
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Frequency {
    /// The columns to encode.
    pub columns: Columns,
    /// What becomes of levels not seen in fitting.
    pub unseen: UnseenPolicy,
    /// What becomes of missing values.
    pub missing: MissingPolicy,
}

impl Default for Frequency {
    fn default() -> Self {
        Self { columns: Columns::All, unseen: UnseenPolicy::Ignore, missing: MissingPolicy::Keep }
    }
}

/// A fitted [`Frequency`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FittedFrequency {
    inputs: Inputs,
    columns: BTreeMap<String, Shares>,
    unseen: UnseenPolicy,
    missing: MissingPolicy,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shares {
    levels: Vec<String>,
    /// One a level.
    shares: Vec<f64>,
    missing: f64,
}

impl Encoder for Frequency {
    type Fitted = FittedFrequency;

    fn fit(&self, train: &FeatureMatrix) -> Result<FittedFrequency, FeatureError> {
        let mut columns = BTreeMap::new();
        for column in self.columns.pick(train, InputKind::Categorical)? {
            let (codes, texts) = column.as_categorical().unwrap_or_default();
            let levels = levels_present(codes, texts);
            if self.missing == MissingPolicy::Error {
                refuse(column, &levels, Seen::Missing)?;
            }
            if levels.is_empty() {
                return Err(FeatureError::AllMissing { column: column.name().to_owned() });
            }
            let (mut rows, mut missing) = (vec![0_usize; levels.len()], 0_usize);
            recode(column, &levels).for_each(|seen| match seen {
                Seen::Level(at) => rows[at] += 1,
                _ => missing += 1,
            });
            let share = |rows: usize| rows as f64 / column.len() as f64;
            let shares = rows.into_iter().map(share).collect();
            columns.insert(column.name().to_owned(), Shares { levels, shares, missing: share(missing) });
        }
        let inputs = Inputs::of(train);
        let fitted = FittedFrequency { inputs, columns, unseen: self.unseen, missing: self.missing };
        outputs_are_distinct(&fitted)?;
        Ok(fitted)
    }
}

impl FittedFrequency {
    /// The levels of a column that was encoded, ascending by text.
    pub fn levels(&self, column: &str) -> Option<&[String]> {
        self.columns.get(column).map(|shares| shares.levels.as_slice())
    }
}

impl FittedEncoder for FittedFrequency {
    fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    fn transform(&self, x: &FeatureMatrix) -> Result<FeatureMatrix, FeatureError> {
        replaced(&self.inputs, x, |column| {
            let Shares { levels, shares, missing } = self.columns.get(column.name())?;
            let share = |seen| match seen {
                Seen::Level(at) => shares.get(at).copied().unwrap_or(0.0),
                Seen::Missing => *missing,
                Seen::Unseen => 0.0,
            };
            Some(to_numbers(column, levels, (self.unseen, self.missing), output(column.name()), share))
        })
    }

    fn provenance(&self) -> Vec<Origin> {
        let of = |name: &str| match self.columns.contains_key(name) {
            true => Origin::of(output(name), name),
            false => Origin::of(name, name),
        };
        self.inputs.names().map(of).collect()
    }
}

fn output(column: &str) -> String {
    format!("frequency({column})")
}

#[cfg(test)]
mod tests {
    use super::*;
    use med_schema::FeatureColumn;

    fn matrix(texts: &[Option<&str>]) -> FeatureMatrix {
        FeatureMatrix::new(vec![FeatureColumn::from_texts("city", texts.iter().copied())]).unwrap()
    }

    #[test]
    fn shares_are_of_all_rows() {
        let train = matrix(&[Some("b"), Some("a"), None, Some("b")]);
        let fitted = Frequency::default().fit(&train).unwrap();
        let out = fitted.transform(&matrix(&[Some("a"), Some("b"), None, Some("zz")])).unwrap();
        assert_eq!(out.numeric("frequency(city)").unwrap().to_vec(), [0.25, 0.5, 0.25, 0.0]);
        assert_eq!(fitted.provenance(), [Origin::of("frequency(city)", "city")]);
        let strict = Frequency { unseen: UnseenPolicy::Error, ..Frequency::default() }.fit(&train).unwrap();
        assert!(matches!(strict.transform(&matrix(&[Some("zz")])), Err(FeatureError::UnseenLevel { .. })));
        assert!(Frequency { missing: MissingPolicy::Error, ..Frequency::default() }.fit(&train).is_err());
        assert!(Frequency::default().fit(&matrix(&[None])).is_err());
    }
}
