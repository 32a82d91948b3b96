//! What two columns say together.

use std::collections::BTreeMap;

use med_schema::{FeatureColumn, FeatureMatrix, MISSING};
use serde::{Deserialize, Serialize};

use super::levels::{Seen, levels_present, recode, refuse};
use super::{Encoder, FittedEncoder, InputKind, Inputs, Origin, UnseenPolicy, outputs_are_distinct};
use crate::FeatureError;

/// Adds columns made of pairs, after those that are there:
///
/// | pair | column | value |
/// | --- | --- | --- |
/// | numbers `a`, `b` | `a*b` | the product |
/// | a number `a` and a category `b` | `a*b=level` for each level in the training part, ascending | `a` in rows of the level, else 0 |
/// | categories `a`, `b` | `a*b`, a category | level `x & y`; missing where one is |
///
/// A missing number makes its products missing (in rows of the level); a missing category makes no row of any level. For models that
/// only add: trees find such pairs themselves. Smoking costs more the higher the body mass index: `bmi*smoker=Yes`.
///
/// | parameter | default | range |
/// | --- | --- | --- |
/// | `pairs` | none | names of two different columns each, no pair twice |
/// | `unseen` | error | error, ignore (0 for every level); of a number with a category |
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Interact {
    /// The pairs.
    pub pairs: Vec<(String, String)>,
    /// What becomes of levels not seen in fitting.
    pub unseen: UnseenPolicy,
}

impl Interact {
    /// These pairs.
    pub fn pairs<A: Into<String>, B: Into<String>>(pairs: impl IntoIterator<Item = (A, B)>) -> Self {
        Self { pairs: pairs.into_iter().map(|(a, b)| (a.into(), b.into())).collect(), ..Self::default() }
    }
}

/// A fitted [`Interact`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FittedInteract {
    inputs: Inputs,
    pairs: Vec<Pair>,
    unseen: UnseenPolicy,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "snake_case", deny_unknown_fields)]
enum Pair {
    Numbers { a: String, b: String },
    NumberAndCategory { a: String, b: String, levels: Vec<String> },
    Categories { a: String, b: String },
}

impl Encoder for Interact {
    type Fitted = FittedInteract;

    fn fit(&self, train: &FeatureMatrix) -> Result<FittedInteract, FeatureError> {
        let mut pairs = Vec::new();
        for (a, b) in &self.pairs {
            if a == b {
                let found = format!("{a:?} twice");
                return Err(FeatureError::Parameter { parameter: "pairs", expected: "two different columns", found });
            }
            let kind = |name: &str| train.column(name).map(InputKind::of);
            // The number first.
            let (a, b) = match (kind(a)?, kind(b)?) {
                (InputKind::Categorical, InputKind::Numeric) => (b, a),
                _ => (a, b),
            };
            let (a, b) = (a.clone(), b.clone());
            pairs.push(match (kind(&a)?, kind(&b)?) {
                (InputKind::Numeric, InputKind::Numeric) => Pair::Numbers { a, b },
                (InputKind::Categorical, _) => Pair::Categories { a, b },
                (InputKind::Numeric, InputKind::Categorical) => {
                    let (codes, texts) = train.column(&b)?.as_categorical().unwrap_or_default();
                    let levels = levels_present(codes, texts);
                    if levels.is_empty() {
                        return Err(FeatureError::AllMissing { column: b });
                    }
                    Pair::NumberAndCategory { a, b, levels }
                }
            });
        }
        let fitted = FittedInteract { inputs: Inputs::of(train), pairs, unseen: self.unseen };
        outputs_are_distinct(&fitted)?;
        Ok(fitted)
    }
}

impl Pair {
    fn outputs(&self) -> Vec<Origin> {
        let (Self::Numbers { a, b } | Self::Categories { a, b } | Self::NumberAndCategory { a, b, .. }) = self;
        let name = format!("{a}*{b}");
        let of = |output: String| Origin { output, from: vec![a.clone(), b.clone()] };
        match self {
            Self::NumberAndCategory { levels, .. } => levels.iter().map(|l| of(format!("{name}={l}"))).collect(),
            _ => vec![of(name)],
        }
    }

    fn columns(&self, x: &FeatureMatrix, unseen: UnseenPolicy) -> Result<Vec<FeatureColumn>, FeatureError> {
        let mut names = self.outputs().into_iter().map(|o| o.output);
        match self {
            Self::Numbers { a, b } => {
                let products = &x.numeric(a)? * &x.numeric(b)?;
                Ok(names.map(|name| FeatureColumn::numeric(name, products.to_vec())).collect())
            }
            Self::NumberAndCategory { a, b, levels } => {
                let (numbers, column) = (x.numeric(a)?, x.column(b)?);
                if unseen == UnseenPolicy::Error {
                    refuse(column, levels, Seen::Unseen)?;
                }
                let mut out = vec![vec![0.0; x.n_rows()]; levels.len()];
                for (row, (seen, &number)) in recode(column, levels).zip(numbers).enumerate() {
                    if let Seen::Level(at) = seen {
                        out[at][row] = number;
                    }
                }
                Ok(names.zip(out).map(|(name, values)| FeatureColumn::numeric(name, values)).collect())
            }
            Self::Categories { a, b } => {
                let of = |name| x.column(name).map(|c| c.as_categorical().unwrap_or_default());
                let ((first, of_first), (second, of_second)) = (of(a)?, of(b)?);
                let pairs = || first.iter().zip(second).filter(|(a, b)| **a != MISSING && **b != MISSING);
                let text = |(a, b): (&u32, &u32)| format!("{} & {}", of_first[*a as usize], of_second[*b as usize]);
                let mut codes: BTreeMap<(u32, u32), u32> = pairs().map(|(a, b)| ((*a, *b), 0)).collect();
                // Codes ascend by text, whatever the codes of the two columns were.
                let mut levels: Vec<String> = codes.keys().map(|(a, b)| text((a, b))).collect();
                levels.sort_unstable();
                levels.dedup();
                for ((a, b), code) in &mut codes {
                    *code = levels.binary_search(&text((a, b))).map_or(MISSING, |at| at as u32);
                }
                let coded: Vec<u32> =
                    first.iter().zip(second).map(|(a, b)| codes.get(&(*a, *b)).copied().unwrap_or(MISSING)).collect();
                let name = names.next().unwrap_or_default();
                Ok(vec![FeatureColumn::categorical(name, coded, levels)?])
            }
        }
    }
}

impl FittedEncoder for FittedInteract {
    fn inputs(&self) -> &Inputs {
        &self.inputs
    }

    fn transform(&self, x: &FeatureMatrix) -> Result<FeatureMatrix, FeatureError> {
        let x = self.inputs.pick(x)?;
        let mut columns = x.columns().to_vec();
        for pair in &self.pairs {
            columns.extend(pair.columns(&x, self.unseen)?);
        }
        Ok(FeatureMatrix::new(columns)?)
    }

    fn provenance(&self) -> Vec<Origin> {
        let own = self.inputs.names().map(|name| Origin::of(name, name));
        own.chain(self.pairs.iter().flat_map(Pair::outputs)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix() -> FeatureMatrix {
        FeatureMatrix::new(vec![
            FeatureColumn::numeric("age", vec![20.0, 30.0, 40.0]),
            FeatureColumn::numeric("bmi", vec![25.0, f64::NAN, 35.0]),
            FeatureColumn::from_texts("smoker", [Some("Yes"), Some("No"), None]),
            FeatureColumn::from_texts("city", [Some("b"), Some("a"), Some("a")]),
        ])
        .unwrap()
    }

    #[test]
    fn each_kind_of_pair_has_its_columns() {
        let interact = Interact::pairs([("age", "bmi"), ("smoker", "bmi"), ("smoker", "city")]);
        let fitted = interact.fit(&matrix()).unwrap();
        let out = fitted.transform(&matrix()).unwrap();
        assert!(out.names().eq(fitted.provenance().iter().map(|o| o.output.as_str())));
        assert_eq!(out.n_columns(), 8);
        let numbers = |name: &str| out.numeric(name).unwrap().to_vec();
        assert_eq!((numbers("age*bmi")[0], numbers("age*bmi")[2]), (500.0, 1400.0));
        assert!(numbers("age*bmi")[1].is_nan() && numbers("bmi*smoker=No")[1].is_nan());
        assert_eq!(numbers("bmi*smoker=Yes"), [25.0, 0.0, 0.0]);
        let (codes, levels) = out.column("smoker*city").unwrap().as_categorical().unwrap();
        assert_eq!((codes, levels), (&[1, 0, MISSING][..], &["No & a".to_owned(), "Yes & b".to_owned()][..]));
        assert_eq!(fitted.provenance()[7].from, ["smoker", "city"]);
    }

    #[test]
    fn unseen_levels_and_odd_pairs_are_refused() {
        let train = matrix().take(&[0, 2]).unwrap();
        let strict = Interact::pairs([("bmi", "smoker")]).fit(&train).unwrap();
        assert!(matches!(strict.transform(&matrix()), Err(FeatureError::UnseenLevel { row: 1, .. })));
        let lax = Interact { unseen: UnseenPolicy::Ignore, ..Interact::pairs([("bmi", "smoker")]) };
        let out = lax.fit(&train).unwrap().transform(&matrix()).unwrap();
        assert_eq!(out.numeric("bmi*smoker=Yes").unwrap().to_vec(), [25.0, 0.0, 0.0]);
        assert!(Interact::pairs([("bmi", "bmi")]).fit(&train).is_err());
        assert!(Interact::pairs([("bmi", "age"), ("bmi", "age")]).fit(&train).is_err());
        assert!(Interact::pairs([("bmi", "nothing")]).fit(&train).is_err());
    }
}
