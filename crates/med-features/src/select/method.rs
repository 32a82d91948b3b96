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
/// | `mutual_info` | [mutual information](crate::statistic::mutual_information) with the target, nats; of a category that of its [levels](crate::statistic::mutual_information_of_levels) | larger | no | score > 0 |
/// | `vif` | [variance inflation](crate::statistic::joint) | smaller | no | score <= 10 |
/// | `partial_correlation` | [correlation given all others](crate::statistic::joint) | stronger | yes | q <= 0.05 |
/// | `mrmr` | [relevance less redundancy](crate::select::mrmr), in order of choice | larger | no | first 10 |
/// | `distance_correlation` | [distance correlation](crate::statistic::distance_correlation) with the target | larger | yes | q <= 0.05 |
/// | `stepwise_aic`, `stepwise_bic` | fall of the criterion when chosen by forward steps, in order of choice | larger | no | score > 0 |
/// | `lasso` | standardised coefficient of the lasso, penalty by BIC | stronger | no | score not 0 |
/// | `stability` | share of 100 half-samples on which the lasso keeps it | larger | no | score >= 0.6 |
/// | `backward_aic`, `backward_bic`, `bidirectional_aic`, `bidirectional_bic` | rise of the criterion without it, after backward steps or steps both ways | larger | no | score > 0 |
/// | `lasso_cv` | standardised coefficient of the lasso, penalty by cross-validation and one standard error | stronger | no | score not 0 |
/// | `knockoff` | penalty at which it enters the lasso before its [knockoff](crate::select::knockoff_threshold), negative after it | larger | no | false-discovery rate 0.1 |
/// | `knockoff_fixed` | the same with fixed-X knockoffs | larger | no | false-discovery rate 0.1 |
/// | `boruta` | share of rounds in which a [model](super::Learner) uses it more than every shuffled feature | larger | of a coin | confirmed at 0.05 |
/// | `permutation` | fall of R² on rows held out of the training part when it is shuffled there | larger | one-sided | q <= 0.05 |
/// | `drift_aware` | the same among features that do not shift between the parts; of those that do, minus the distance | larger | one-sided | q <= 0.05 |
///
/// (q: the p-value adjusted by [Benjamini and Hochberg](crate::statistic::benjamini_hochberg), or by another
/// [`Adjustment`](crate::statistic::Adjustment).)
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
    /// `backward_aic`
    BackwardAic,
    /// `backward_bic`
    BackwardBic,
    /// `bidirectional_aic`
    BidirectionalAic,
    /// `bidirectional_bic`
    BidirectionalBic,
    /// `lasso_cv`
    LassoCv,
    /// `knockoff_fixed`
    KnockoffFixed,
    /// `boruta`
    Boruta,
    /// `permutation`
    Permutation,
    /// `drift_aware`
    DriftAware,
}

impl SelectionMethod {
    /// All methods there are.
    pub const ALL: [Self; 26] = [
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
        Self::BackwardAic,
        Self::BackwardBic,
        Self::BidirectionalAic,
        Self::BidirectionalBic,
        Self::LassoCv,
        Self::KnockoffFixed,
        Self::Boruta,
        Self::Permutation,
        Self::DriftAware,
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
            Self::BackwardAic => "backward_aic",
            Self::BackwardBic => "backward_bic",
            Self::BidirectionalAic => "bidirectional_aic",
            Self::BidirectionalBic => "bidirectional_bic",
            Self::LassoCv => "lasso_cv",
            Self::KnockoffFixed => "knockoff_fixed",
            Self::Boruta => "boruta",
            Self::Permutation => "permutation",
            Self::DriftAware => "drift_aware",
        }
    }

    /// Which end of its score is the good one.
    pub fn better(self) -> Better {
        match self {
            Self::StdStability | Self::Vif => Better::Smaller,
            Self::Pearson | Self::Spearman | Self::Kendall | Self::PartialCorrelation | Self::Lasso | Self::LassoCv => {
                Better::Stronger
            }
            _ => Better::Larger,
        }
    }

    /// Whether it compares the training part with a second one.
    pub fn needs_test(self) -> bool {
        matches!(self, Self::StdStability | Self::DriftAware)
    }

    /// Whether it fits a [`Learner`](super::Learner) to score by.
    pub fn uses_learner(self) -> bool {
        matches!(self, Self::Boruta | Self::Permutation | Self::DriftAware)
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
                | Self::Boruta
                | Self::Permutation
                | Self::DriftAware
        )
    }

    /// Whether it can hold a false-discovery rate: by p-values, or by knockoffs.
    pub fn controls_fdr(self) -> bool {
        self.has_p_values() || self.has_knockoffs()
    }

    pub(super) fn has_knockoffs(self) -> bool {
        matches!(self, Self::Knockoff | Self::KnockoffFixed)
    }

    /// The rule it keeps features by when none is given; see the table above.
    pub fn default_keep(self) -> Keep {
        match self {
            Self::StdStability => Keep::Threshold(0.1),
            Self::Variance
            | Self::MutualInfo
            | Self::StepwiseAic
            | Self::StepwiseBic
            | Self::BackwardAic
            | Self::BackwardBic
            | Self::BidirectionalAic
            | Self::BidirectionalBic
            | Self::Lasso
            | Self::LassoCv => Keep::Threshold(0.0),
            Self::Knockoff | Self::KnockoffFixed => Keep::Fdr(0.1),
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
