//! The methods by name.

use std::fmt;
use std::str::FromStr;

use med_schema::near_names;
use serde::{Deserialize, Serialize};

use super::Keep;
use crate::FeatureError;

/// Which end of a score is the good one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// Larger scores are better.
    Larger,
    /// Scores further from zero are better.
    Stronger,
    /// Smaller scores are better.
    Smaller,
}

/// A statistic to select features by.
///
/// | name | score | better | p-value | kept by default |
/// | --- | --- | --- | --- | --- |
/// | `std_stability` | [standard-deviation stability](crate::statistic::std_stability) of training and test part | smaller | no | score <= 0.1 |
/// | `variance` | sample variance | larger | no | score > 0 |
/// | `pearson` | [r](crate::statistic::pearson) with the target | stronger | yes | q <= 0.05 |
/// | `spearman` | [rank correlation](crate::statistic::spearman) with the target | stronger | yes | q <= 0.05 |
/// | `kendall` | [tau-b](crate::statistic::kendall) with the target | stronger | yes | q <= 0.05 |
/// | `f_test` | F of one linear term, of the levels for a category | larger | yes | q <= 0.05 |
/// | `anova_f` | [analysis of variance](crate::statistic::anova) over the levels of a category | larger | yes | q <= 0.05 |
/// | `mutual_info` | [mutual information](crate::statistic::mutual_information) with the target, nats | larger | no | score > 0 |
/// | `vif` | [variance inflation](crate::statistic::joint) | smaller | no | score <= 10 |
/// | `partial_correlation` | [correlation given all others](crate::statistic::joint) | stronger | yes | q <= 0.05 |
/// | `mrmr` | [relevance less redundancy](crate::select::mrmr), in order of choice | larger | no | first 10 |
/// | `distance_correlation` | [distance correlation](crate::statistic::distance_correlation) with the target | larger | yes | q <= 0.05 |
/// | `stepwise_aic`, `stepwise_bic` | fall of the criterion when chosen by forward steps, in order of choice | larger | no | score > 0 |
/// | `lasso` | standardised coefficient of the lasso, penalty by BIC | stronger | no | score not 0 |
/// | `stability` | share of 100 half-samples on which the lasso keeps it | larger | no | score >= 0.6 |
/// | `knockoff` | penalty at which it enters the lasso before its [knockoff](crate::select::knockoff_threshold), negative after it | larger | no | false-discovery rate 0.1 |
///
/// (q: the p-value adjusted by [Benjamini and Hochberg](crate::statistic::benjamini_hochberg).)
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "&'static str", try_from = "String")]
#[non_exhaustive]
pub enum SelectionMethod {
    /// `std_stability`
    StdStability,
    /// `variance`
    Variance,
    /// `pearson`
    Pearson,
    /// `spearman`
    Spearman,
    /// `kendall`
    Kendall,
    /// `f_test`
    FTest,
    /// `anova_f`
    AnovaF,
    /// `mutual_info`
    MutualInfo,
    /// `vif`
    Vif,
    /// `partial_correlation`
    PartialCorrelation,
    /// `mrmr`
    Mrmr,
    /// `distance_correlation`
    DistanceCorrelation,
    /// `stepwise_aic`
    StepwiseAic,
    /// `stepwise_bic`
    StepwiseBic,
    /// `lasso`
    Lasso,
    /// `stability`
    Stability,
    /// `knockoff`
    Knockoff,
}

impl SelectionMethod {
    /// All methods there are.
    pub const ALL: [Self; 17] = [
        Self::StdStability,
        Self::Variance,
        Self::Pearson,
        Self::Spearman,
        Self::Kendall,
        Self::FTest,
        Self::AnovaF,
        Self::MutualInfo,
        Self::Vif,
        Self::PartialCorrelation,
        Self::Mrmr,
        Self::DistanceCorrelation,
        Self::StepwiseAic,
        Self::StepwiseBic,
        Self::Lasso,
        Self::Stability,
        Self::Knockoff,
    ];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StdStability => "std_stability",
            Self::Variance => "variance",
            Self::Pearson => "pearson",
            Self::Spearman => "spearman",
            Self::Kendall => "kendall",
            Self::FTest => "f_test",
            Self::AnovaF => "anova_f",
            Self::MutualInfo => "mutual_info",
            Self::Vif => "vif",
            Self::PartialCorrelation => "partial_correlation",
            Self::Mrmr => "mrmr",
            Self::DistanceCorrelation => "distance_correlation",
            Self::StepwiseAic => "stepwise_aic",
            Self::StepwiseBic => "stepwise_bic",
            Self::Lasso => "lasso",
            Self::Stability => "stability",
            Self::Knockoff => "knockoff",
        }
    }

    /// Which end of its score is the good one.
    pub fn better(self) -> Better {
        match self {
            Self::StdStability | Self::Vif => Better::Smaller,
            Self::Pearson | Self::Spearman | Self::Kendall | Self::PartialCorrelation | Self::Lasso => Better::Stronger,
            _ => Better::Larger,
        }
    }

    /// Whether it compares the training part with a second one.
    pub fn needs_test(self) -> bool {
        self == Self::StdStability
    }

    /// Whether it relates features to the target.
    pub fn needs_target(self) -> bool {
        !matches!(self, Self::StdStability | Self::Variance | Self::Vif)
    }

    /// Whether it has p-values.
    pub fn has_p_values(self) -> bool {
        matches!(
            self,
            Self::Pearson
                | Self::Spearman
                | Self::Kendall
                | Self::FTest
                | Self::AnovaF
                | Self::PartialCorrelation
                | Self::DistanceCorrelation
        )
    }

    /// Whether it can hold a false-discovery rate: by p-values, or by knockoffs.
    pub fn controls_fdr(self) -> bool {
        self.has_p_values() || self == Self::Knockoff
    }

    /// The rule it keeps features by when none is given; see the table above.
    pub fn default_keep(self) -> Keep {
        match self {
            Self::StdStability => Keep::Threshold(0.1),
            Self::Variance | Self::MutualInfo | Self::StepwiseAic | Self::StepwiseBic | Self::Lasso => {
                Keep::Threshold(0.0)
            }
            Self::Knockoff => Keep::Fdr(0.1),
            Self::Stability => Keep::Threshold(0.6),
            Self::Vif => Keep::Threshold(10.0),
            Self::Mrmr => Keep::Top(10),
            _ => Keep::Fdr(0.05),
        }
    }
}

impl fmt::Display for SelectionMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl From<SelectionMethod> for &'static str {
    fn from(method: SelectionMethod) -> Self {
        method.as_str()
    }
}

impl TryFrom<String> for SelectionMethod {
    type Error = FeatureError;

    fn try_from(name: String) -> Result<Self, FeatureError> {
        name.parse()
    }
}

impl FromStr for SelectionMethod {
    type Err = FeatureError;

    fn from_str(name: &str) -> Result<Self, FeatureError> {
        Self::ALL.into_iter().find(|m| m.as_str() == name).ok_or_else(|| FeatureError::UnknownMethod {
            found: name.to_owned(),
            near: near_names(name, Self::ALL.map(Self::as_str)),
            known: Self::ALL.map(Self::as_str).join(", "),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for method in SelectionMethod::ALL {
            assert_eq!(method.as_str().parse::<SelectionMethod>().unwrap(), method);
            assert_eq!(serde_json::to_string(&method).unwrap(), format!("\"{method}\""));
            method.default_keep().validate(method).unwrap();
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_those_there_are() {
        let error = "pearsn".parse::<SelectionMethod>().unwrap_err().to_string();
        assert!(
            error.starts_with("there is no selection method \"pearsn\" (did you mean pearson?); there are std_sta")
        );
        assert!("lassoo".parse::<SelectionMethod>().unwrap_err().to_string().contains("mrmr"));
    }
}
