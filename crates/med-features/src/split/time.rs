//! A split by time.

use serde::{Deserialize, Serialize};

use super::{Split, checked_fraction, nearest_prefix};
use crate::FeatureError;

/// Earlier rows to learn from, later rows to be judged on. Rows of the same moment stay together.
///
/// Times are whole numbers of any unit (days, microseconds): only their order counts.
///
/// - [`cut_off`](Self::cut_off): rows before the moment are the training part, rows at or after it the test part.
/// - [`fraction`](Self::fraction): the moment is chosen among those in the data so that the training part is as near as can be
///   to the share asked for; at a tie the earlier moment.
///
/// There is no default: a cut-off is a decision. As JSON `{"cut_off": 1704067200000000}` or `{"train_fraction": 0.8}`.
///
/// ```
/// use med_features::TimeSplit;
/// let years = [2022, 2021, 2023, 2022];
/// let split = TimeSplit::cut_off(2023).split(&years)?;
/// assert_eq!((split.train(), split.test()), (&[0, 1, 3][..], &[2][..]));
/// # Ok::<(), med_features::FeatureError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Parameters", into = "Parameters")]
pub struct TimeSplit(Rule);

#[derive(Debug, Clone, PartialEq)]
enum Rule {
    CutOff(i64),
    Fraction(f64),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Parameters {
    CutOff(i64),
    TrainFraction(f64),
}

impl TryFrom<Parameters> for TimeSplit {
    type Error = FeatureError;

    fn try_from(p: Parameters) -> Result<Self, FeatureError> {
        match p {
            Parameters::CutOff(moment) => Ok(Self::cut_off(moment)),
            Parameters::TrainFraction(share) => Self::fraction(share),
        }
    }
}

impl From<TimeSplit> for Parameters {
    fn from(split: TimeSplit) -> Self {
        match split.0 {
            Rule::CutOff(moment) => Self::CutOff(moment),
            Rule::Fraction(share) => Self::TrainFraction(share),
        }
    }
}

impl TimeSplit {
    /// Rows at or after this moment are the test part.
    pub fn cut_off(moment: i64) -> Self {
        Self(Rule::CutOff(moment))
    }

    /// About this share of the rows, the earliest, are the training part.
    ///
    /// # Errors
    /// When the share is not strictly between 0 and 1.
    pub fn fraction(train_fraction: f64) -> Result<Self, FeatureError> {
        Ok(Self(Rule::Fraction(checked_fraction(train_fraction)?)))
    }

    /// Splits rows by the moment of each.
    ///
    /// # Errors
    /// When all rows fall on one side of the cut-off, or are of one moment.
    pub fn split(&self, times: &[i64]) -> Result<Split, FeatureError> {
        let moment = match self.0 {
            Rule::CutOff(moment) => moment,
            Rule::Fraction(share) => {
                let mut sorted = times.to_vec();
                sorted.sort_unstable();
                let runs: Vec<usize> = sorted.chunk_by(|a, b| a == b).map(<[i64]>::len).collect();
                let count = nearest_prefix(&runs, times.len() as f64 * share).ok_or(FeatureError::EmptyPart {
                    part: "test",
                    rows: times.len(),
                    reason: "two different moments are needed",
                })?;
                sorted[runs[..count].iter().sum::<usize>()]
            }
        };
        Split::by(times.len(), "all rows are on the other side of the cut-off", |row| times[row] < moment)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_stay_on_one_side() {
        let split = TimeSplit::fraction(0.5).unwrap().split(&[1, 2, 2, 2, 3, 4]).unwrap();
        // Cutting before the 2s leaves 1 of 6, after them 4 of 6; the latter is nearer to 3.
        assert_eq!(split.train(), [0, 1, 2, 3]);
    }

    #[test]
    fn one_sided_cuts_are_refused() {
        assert!(TimeSplit::cut_off(0).split(&[1, 2]).is_err());
        assert!(TimeSplit::cut_off(9).split(&[1, 2]).is_err());
        assert!(TimeSplit::fraction(0.5).unwrap().split(&[7, 7, 7]).is_err());
        assert!(TimeSplit::fraction(f64::NAN).is_err());
    }

    #[test]
    fn both_forms_survive_json() {
        for split in [TimeSplit::cut_off(-5), TimeSplit::fraction(0.25).unwrap()] {
            let json = serde_json::to_string(&split).unwrap();
            assert_eq!(serde_json::from_str::<TimeSplit>(&json).unwrap(), split);
        }
        assert!(serde_json::from_str::<TimeSplit>(r#"{"train_fraction":2.0}"#).is_err());
    }
}
