//! One column of zeros and ones for each level.

use med_schema::{FeatureColumn, FeatureMatrix, MISSING};
use serde::{Deserialize, Serialize};

use super::levels::{Seen, levels_present, recode, refuse};
use super::{
    Columns, Encoder, FittedEncoder, InputKind, Inputs, MissingPolicy, Origin, UnseenPolicy, outputs_are_distinct,
};
use crate::FeatureError;

/// Which level gets no column, because all others being zero says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reference {
    /// Every level has its column; they sum to 1 and are collinear with an intercept.
    #[default]
    None,
    /// The first level by text has none: for linear models without regularisation.
    First,
    /// The level with most rows in the training part has none (at a tie the first by text): coefficients compare with the
    /// usual case.
    MostFrequent,
}

/// Spreads each categorical column over a 0/1 column for each of its levels in the training part, ascending by text, named
/// `column=level`; a missing value is named `column=<missing>`.
///
/// Without a reference level the columns of a row sum to 1 for every level seen. With a reference level and
/// [`UnseenPolicy::Ignore`], a level never seen reads as the reference level: know it, or use the error.
///
/// | parameter | default | range |
/// | --- | --- | --- |
/// | `columns` | all categorical | |
/// | `reference` | none | none, first, most_frequent |
/// | `unseen` | error | error, ignore |
/// | `missing` | keep (own column) | error, keep |
/// | `max_levels` | 255 | more levels are an error: an identifier is no category |
///
/// ```
/// use med_features::{Encoder, FittedEncoder, OneHot};
/// use med_schema::{FeatureColumn, FeatureMatrix};
/// let train = FeatureMatrix::new(vec![FeatureColumn::from_texts("city", [Some("Rural"), Some("Urban")])])?;
/// let encoded = OneHot::default().fit(&train)?.transform(&train)?;
/// assert_eq!(encoded.column("city=Urban")?.as_numeric(), Some(&[0.0, 1.0][..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OneHot {
    /// The columns to encode.
    pub columns: Columns,
    /// The level without a column.
    pub reference: Reference,
    /// What becomes of levels not seen in fitting.
    pub unseen: UnseenPolicy,
    /// What becomes of missing values.
    pub missing: MissingPolicy,
    /// Most levels that a column may have.
    pub max_levels: usize,
}

impl Default for OneHot {
    fn default() -> Self {
        Self {
            columns: Columns::All,
            reference: Reference::None,
            unseen: UnseenPolicy::Error,
            missing: MissingPolicy::Keep,
            max_levels: 255,
        }
    }
}

/// A fitted [`OneHot`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FittedOneHot {
    inputs: Inputs,
    spread: Vec<Spread>,
    unseen: UnseenPolicy,
    missing: MissingPolicy,
}

/// One column's levels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Spread {
    column: String,
    levels: Vec<String>,
    /// Position of the level without a column.
    reference: Option<usize>,
    /// Whether missing values have a column.
    missing_column: bool,
}

impl Encoder for OneHot {
    type Fitted = FittedOneHot;

    fn fit(&self, train: &FeatureMatrix) -> Result<FittedOneHot, FeatureError> {
        let mut spread = Vec::new();
        for column in self.columns.pick(train, InputKind::Categorical)? {
            spread.push(self.spread(column)?);
        }
        let fitted = FittedOneHot { inputs: Inputs::of(train), spread, unseen: self.unseen, missing: self.missing };
        outputs_are_distinct(&fitted)?;
        Ok(fitted)
    }
}

impl OneHot {
    fn spread(&self, column: &FeatureColumn) -> Result<Spread, FeatureError> {
        let (codes, texts) = column.as_categorical().unwrap_or_default();
        let levels = levels_present(codes, texts);
        if self.missing == MissingPolicy::Error {
            refuse(column, &levels, Seen::Missing)?;
        }
        if levels.is_empty() {
            return Err(FeatureError::AllMissing { column: column.name().to_owned() });
        }
        if levels.len() > self.max_levels {
            let (found, most) = (levels.len(), self.max_levels);
            return Err(FeatureError::TooManyLevels { column: column.name().to_owned(), found, most });
        }
        let reference = match self.reference {
            Reference::None => None,
            Reference::First => Some(0),
            Reference::MostFrequent => {
                let mut rows = vec![0_usize; levels.len()];
                for seen in recode(column, &levels) {
                    if let Seen::Level(at) = seen {
                        rows[at] += 1;
                    }
                }
                // max_by_key takes the last of equals, so the first is found from behind.
                (0..levels.len()).rev().max_by_key(|&at| rows[at])
            }
        };
        let missing_column = codes.contains(&MISSING);
        Ok(Spread { column: column.name().to_owned(), levels, reference, missing_column })
    }
}

impl Spread {
    /// The levels that have a column, by position; the missing column is at `levels.len()`.
    fn slots(&self) -> impl Iterator<Item = usize> {
        let last = self.levels.len() + usize::from(self.missing_column);
        (0..last).filter(|&at| Some(at) != self.reference)
    }

    fn name(&self, slot: usize) -> String {
        format!("{}={}", self.column, self.levels.get(slot).map_or("<missing>", String::as_str))
    }
}

impl FittedOneHot {
    /// The levels of a column that was encoded, in the order of its output columns, the reference level included.
    pub fn levels(&self, column: &str) -> Option<&[String]> {
        self.spread.iter().find(|s| s.column == column).map(|s| s.levels.as_slice())
    }

    fn check(&self, column: &FeatureColumn, spread: &Spread) -> Result<(), FeatureError> {
        if self.unseen == UnseenPolicy::Error {
            refuse(column, &spread.levels, Seen::Unseen)?;
        }
        // A missing value that fitting did not see is an unseen level.
        if self.missing == MissingPolicy::Error || (!spread.missing_column && self.unseen == UnseenPolicy::Error) {
            refuse(column, &spread.levels, Seen::Missing)?;
        }
        Ok(())
    }
}

impl FittedEncoder for FittedOneHot {
    fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    fn transform(&self, x: &FeatureMatrix) -> Result<FeatureMatrix, FeatureError> {
        let x = self.inputs.pick(x)?;
        let mut columns = Vec::new();
        for column in x.columns() {
            let Some(spread) = self.spread.iter().find(|s| s.column == column.name()) else {
                columns.push(column.clone());
                continue;
            };
            self.check(column, spread)?;
            let mut indicators = vec![vec![0.0; x.n_rows()]; spread.levels.len() + 1];
            for (row, seen) in recode(column, &spread.levels).enumerate() {
                match seen {
                    Seen::Level(at) => indicators[at][row] = 1.0,
                    Seen::Missing => indicators[spread.levels.len()][row] = 1.0,
                    Seen::Unseen => {}
                }
            }
            for slot in spread.slots() {
                columns.push(FeatureColumn::numeric(spread.name(slot), std::mem::take(&mut indicators[slot])));
            }
        }
        Ok(FeatureMatrix::new(columns)?)
    }

    fn provenance(&self) -> Vec<Origin> {
        let of = |name: &str| match self.spread.iter().find(|s| s.column == name) {
            None => vec![Origin::of(name, name)],
            Some(spread) => spread.slots().map(|slot| Origin::of(spread.name(slot), name)).collect(),
        };
        self.inputs.names().flat_map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(texts: &[Option<&str>]) -> FeatureMatrix {
        let age = FeatureColumn::numeric("age", (0..texts.len()).map(|i| i as f64).collect::<Vec<_>>());
        FeatureMatrix::new(vec![FeatureColumn::from_texts("city", texts.iter().copied()), age]).unwrap()
    }

    fn names(fitted: &FittedOneHot) -> Vec<String> {
        fitted.provenance().into_iter().map(|o| o.output).collect()
    }

    #[test]
    fn levels_become_columns_and_numbers_are_shared() {
        let train = matrix(&[Some("b"), Some("a"), None]);
        let fitted = OneHot::default().fit(&train).unwrap();
        assert_eq!(names(&fitted), ["city=a", "city=b", "city=<missing>", "age"]);
        let out = fitted.transform(&train).unwrap();
        assert!(out.names().eq(names(&fitted)));
        assert_eq!(out.to_array().unwrap().row(2).to_vec(), [0.0, 0.0, 1.0, 2.0]);
        let (a, b) =
            (train.column("age").unwrap().as_numeric().unwrap(), out.column("age").unwrap().as_numeric().unwrap());
        assert!(std::ptr::eq(a, b), "numeric columns are not copied");
    }

    #[test]
    fn a_reference_level_has_no_column() {
        let train = matrix(&[Some("b"), Some("a"), Some("b")]);
        let of = |reference| names(&OneHot { reference, ..OneHot::default() }.fit(&train).unwrap());
        assert_eq!(of(Reference::First), ["city=b", "age"]);
        assert_eq!(of(Reference::MostFrequent), ["city=a", "age"]);
        assert_eq!(of(Reference::None), ["city=a", "city=b", "age"]);
    }

    #[test]
    fn unseen_levels_and_missing_values_follow_the_policies() {
        let train = matrix(&[Some("a"), Some("b")]);
        let odd = matrix(&[Some("a"), Some("zz"), None]);
        let strict = OneHot::default().fit(&train).unwrap();
        assert!(matches!(strict.transform(&odd), Err(FeatureError::UnseenLevel { row: 1, rows: 1, .. })));
        assert!(matches!(strict.transform(&matrix(&[None])), Err(FeatureError::Missing { row: 0, .. })));
        let lax = OneHot { unseen: UnseenPolicy::Ignore, ..OneHot::default() }.fit(&train).unwrap();
        assert_eq!(lax.transform(&odd).unwrap().to_array().unwrap().row(1).to_vec(), [0.0, 0.0, 1.0]);
        let no_missing = OneHot { missing: MissingPolicy::Error, ..OneHot::default() };
        assert!(no_missing.fit(&matrix(&[Some("a"), None])).is_err());
    }

    #[test]
    fn identifiers_and_colliding_names_are_refused() {
        let ids: Vec<String> = (0..300).map(|i| format!("c{i}")).collect();
        let ids: Vec<Option<&str>> = ids.iter().map(|s| Some(s.as_str())).collect();
        assert!(matches!(OneHot::default().fit(&matrix(&ids)), Err(FeatureError::TooManyLevels { found: 300, .. })));
        assert!(OneHot::default().fit(&matrix(&[Some("<missing>"), None])).is_err());
        assert!(OneHot::default().fit(&matrix(&[None, None])).is_err());
    }
}
