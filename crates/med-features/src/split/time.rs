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
/// With a [gap](Self::with_gap), rows less than that before the moment are left out of both parts: what a row's target is made of may
/// not be known yet at the next row's time.
///
/// There is no default: a cut-off is a decision. As JSON `{"cut_off": 1704067200000000}` or `{"train_fraction": 0.8, "gap": 90}`.
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
pub struct TimeSplit {
    rule: Rule,
    gap: i64,
}

#[derive(Debug, Clone, PartialEq)]
enum Rule {
    CutOff(i64),
    Fraction(f64),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cut_off: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    train_fraction: Option<f64>,
    #[serde(default, skip_serializing_if = "is_zero")]
    gap: i64,
}

fn is_zero(gap: &i64) -> bool {
    *gap == 0
}

impl TryFrom<Parameters> for TimeSplit {
    type Error = FeatureError;

    fn try_from(p: Parameters) -> Result<Self, FeatureError> {
        let refuse = |found: &str| {
            let expected = "either cut_off or train_fraction";
            Err(FeatureError::Parameter { parameter: "time split", expected, found: found.to_owned() })
        };
        match (p.cut_off, p.train_fraction) {
            (Some(moment), None) => Self::cut_off(moment).with_gap(p.gap),
            (None, Some(share)) => Self::fraction(share)?.with_gap(p.gap),
            (Some(_), Some(_)) => refuse("both"),
            (None, None) => refuse("neither"),
        }
    }
}

impl From<TimeSplit> for Parameters {
    fn from(TimeSplit { rule, gap }: TimeSplit) -> Self {
        match rule {
            Rule::CutOff(moment) => Self { cut_off: Some(moment), train_fraction: None, gap },
            Rule::Fraction(share) => Self { cut_off: None, train_fraction: Some(share), gap },
        }
    }
}

/// A gap is not negative.
pub(super) fn checked_gap(gap: i64) -> Result<i64, FeatureError> {
    if gap >= 0 {
        return Ok(gap);
    }
    Err(FeatureError::Parameter { parameter: "gap", expected: "0 or more", found: gap.to_string() })
}

impl TimeSplit {
    /// Rows at or after this moment are the test part.
    pub fn cut_off(moment: i64) -> Self {
        Self { rule: Rule::CutOff(moment), gap: 0 }
    }

    /// About this share of the rows, the earliest, are the training part.
    ///
    /// # Errors
    /// When the share is not strictly between 0 and 1.
    pub fn fraction(train_fraction: f64) -> Result<Self, FeatureError> {
        Ok(Self { rule: Rule::Fraction(checked_fraction(train_fraction)?), gap: 0 })
    }

    /// Rows less than `gap` before the moment, in the unit of the times, are left out.
    ///
    /// # Errors
    /// When it is negative.
    pub fn with_gap(mut self, gap: i64) -> Result<Self, FeatureError> {
        self.gap = checked_gap(gap)?;
        Ok(self)
    }

    /// Splits rows by the moment of each.
    ///
    /// # Errors
    /// When all rows fall on one side of the cut-off, are of one moment, or the gap leaves nothing to learn from.
    pub fn split(&self, times: &[i64]) -> Result<Split, FeatureError> {
        let moment = match self.rule {
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
        Split::by_time(times, moment, None, self.gap)
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
    fn a_gap_is_left_out() {
        let split = TimeSplit::cut_off(10).with_gap(3).unwrap().split(&[6, 10, 7, 9, 12, 1]).unwrap();
        assert_eq!((split.train(), split.test(), split.left_out()), (&[0, 5][..], &[1, 4][..], &[2, 3][..]));
        let json = serde_json::to_string(&split).unwrap();
        assert_eq!(serde_json::from_str::<Split>(&json).unwrap(), split);
        assert!(TimeSplit::cut_off(10).with_gap(-1).is_err());
        assert!(TimeSplit::cut_off(10).with_gap(20).unwrap().split(&[6, 10]).is_err());
    }

    #[test]
    fn both_forms_survive_json() {
        let gap = TimeSplit::cut_off(7).with_gap(2).unwrap();
        for split in [TimeSplit::cut_off(-5), TimeSplit::fraction(0.25).unwrap(), gap] {
            let json = serde_json::to_string(&split).unwrap();
            assert_eq!(serde_json::from_str::<TimeSplit>(&json).unwrap(), split);
        }
        for bad in [r#"{"train_fraction":2.0}"#, r#"{"gap":1}"#, r#"{"cut_off":1,"train_fraction":0.5}"#] {
            assert!(serde_json::from_str::<TimeSplit>(bad).is_err(), "{bad}");
        }
    }
}
