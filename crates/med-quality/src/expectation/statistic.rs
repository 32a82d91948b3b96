//! Rules about one statistic of one column. Missing values are left out.

use serde_json::{Map, Value, json};

use super::values::value_set;
use crate::bound::Bounds;
use crate::error::SuiteError;
use crate::kwargs::Kwargs;

/// Which value a quantile takes when it falls between two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Interpolation {
    /// The nearer one; of two equally near ones the one at the even place.
    #[default]
    Nearest,
    /// In proportion.
    Linear,
    /// The lower one.
    Lower,
    /// The higher one.
    Higher,
    /// Half way.
    Midpoint,
}

const INTERPOLATIONS: [(Interpolation, &str); 5] = [
    (Interpolation::Nearest, "nearest"),
    (Interpolation::Linear, "linear"),
    (Interpolation::Lower, "lower"),
    (Interpolation::Higher, "higher"),
    (Interpolation::Midpoint, "midpoint"),
];

/// A distribution to compare with.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Partition {
    /// Values and the share of each.
    Categorical {
        /// The values.
        values: Vec<Value>,
        /// Their shares; they add up to 1.
        weights: Vec<f64>,
    },
    /// Bins and the share of each.
    Continuous(Histogram),
}

/// Shares of bins. With the tails they add up to 1.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Histogram {
    /// Edges, increasing; one more than there are bins. The last bin includes its upper edge.
    pub bins: Vec<f64>,
    /// Shares of the bins.
    pub weights: Vec<f64>,
    /// Shares below the first and above the last edge, where given.
    pub tail_weights: Option<[f64; 2]>,
}

/// What is expected of a statistic of a column.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum StatisticRule {
    /// The smallest value.
    Min(Bounds),
    /// The largest value.
    Max(Bounds),
    /// The arithmetic mean.
    Mean(Bounds),
    /// The median; the mean of the two middle values for an even count.
    Median(Bounds),
    /// The sum; 0 of nothing.
    Sum(Bounds),
    /// The sample standard deviation (n - 1).
    Stdev(Bounds),
    /// The number of distinct values.
    UniqueCount(Bounds),
    /// Distinct values by values; 0 of nothing.
    UniqueShare(Bounds),
    /// Values by rows; 0 of nothing.
    NonNullShare(Bounds),
    /// Quantiles, each with its range.
    Quantiles {
        /// The quantiles, in [0, 1].
        quantiles: Vec<f64>,
        /// Lower and upper bound of each; at least as many.
        ranges: Vec<[Option<f64>; 2]>,
        /// What to do between two values; `None` is one the original cannot do here and reports as an error.
        interpolation: Option<Interpolation>,
    },
    /// The most common value.
    MostCommonInSet {
        /// Where it should be.
        set: Vec<Value>,
        /// Of several equally common ones it is enough that one is in the set.
        ties_okay: bool,
    },
    /// All distinct values are in the set.
    DistinctInSet(Vec<Value>),
    /// All of the set are among the distinct values.
    DistinctContainSet(Vec<Value>),
    /// Both.
    DistinctEqualSet(Vec<Value>),
    /// The Kullback-Leibler divergence from a partition is at most a threshold.
    KlDivergence {
        /// The partition; `None` compares the column with itself.
        partition: Option<Partition>,
        /// The threshold; `None` accepts any.
        threshold: Option<f64>,
        /// Share of the expectation kept for what lies outside of the partition.
        tail_holdout: f64,
        /// Share kept for bins expected to be empty.
        internal_holdout: f64,
        /// Whether a column without a partition is put into bins.
        bucketize: bool,
    },
}

impl StatisticRule {
    pub(crate) const NAMES: [&'static str; 15] = [
        "expect_column_min_to_be_between",
        "expect_column_max_to_be_between",
        "expect_column_mean_to_be_between",
        "expect_column_median_to_be_between",
        "expect_column_sum_to_be_between",
        "expect_column_stdev_to_be_between",
        "expect_column_unique_value_count_to_be_between",
        "expect_column_proportion_of_unique_values_to_be_between",
        "expect_column_proportion_of_non_null_values_to_be_between",
        "expect_column_quantile_values_to_be_between",
        "expect_column_most_common_value_to_be_in_set",
        "expect_column_distinct_values_to_be_in_set",
        "expect_column_distinct_values_to_contain_set",
        "expect_column_distinct_values_to_equal_set",
        "expect_column_kl_divergence_to_be_less_than",
    ];

    pub(crate) fn name(&self) -> &'static str {
        Self::NAMES[match self {
            Self::Min(_) => 0,
            Self::Max(_) => 1,
            Self::Mean(_) => 2,
            Self::Median(_) => 3,
            Self::Sum(_) => 4,
            Self::Stdev(_) => 5,
            Self::UniqueCount(_) => 6,
            Self::UniqueShare(_) => 7,
            Self::NonNullShare(_) => 8,
            Self::Quantiles { .. } => 9,
            Self::MostCommonInSet { .. } => 10,
            Self::DistinctInSet(_) => 11,
            Self::DistinctContainSet(_) => 12,
            Self::DistinctEqualSet(_) => 13,
            Self::KlDivergence { .. } => 14,
        }]
    }

    pub(crate) fn read(name: &str, kwargs: &mut Kwargs<'_>) -> Result<Option<Self>, SuiteError> {
        let list = "a list of values";
        Ok(Some(match Self::NAMES.iter().position(|known| *known == name) {
            Some(0) => Self::Min(kwargs.bounds()?),
            Some(1) => Self::Max(kwargs.bounds()?),
            Some(2) => Self::Mean(kwargs.bounds()?),
            Some(3) => Self::Median(kwargs.bounds()?),
            Some(4) => Self::Sum(kwargs.number_bounds()?),
            Some(5) => Self::Stdev(kwargs.number_bounds()?),
            Some(6) => Self::UniqueCount(kwargs.number_bounds()?),
            Some(7) => Self::UniqueShare(kwargs.number_bounds()?),
            Some(8) => Self::NonNullShare(kwargs.number_bounds()?),
            Some(9) => quantiles(kwargs)?,
            Some(10) => Self::MostCommonInSet { set: value_set(kwargs, list)?, ties_okay: kwargs.flag("ties_okay")? },
            Some(11) => {
                let set = value_set(kwargs, list)?;
                if set.is_empty() {
                    return Err(kwargs.wrong("value_set", "a list of at least one value", &Value::from(set)));
                }
                Self::DistinctInSet(set)
            }
            Some(12) => Self::DistinctContainSet(value_set(kwargs, list)?),
            Some(13) => Self::DistinctEqualSet(value_set(kwargs, list)?),
            Some(14) => divergence(kwargs)?,
            _ => return Ok(None),
        }))
    }

    pub(crate) fn write(&self, kwargs: &mut Map<String, Value>) {
        let mut put = |name: &str, value: Value| kwargs.insert(name.to_owned(), value);
        match self {
            Self::Min(bounds)
            | Self::Max(bounds)
            | Self::Mean(bounds)
            | Self::Median(bounds)
            | Self::Sum(bounds)
            | Self::Stdev(bounds)
            | Self::UniqueCount(bounds)
            | Self::UniqueShare(bounds)
            | Self::NonNullShare(bounds) => bounds.write(kwargs),
            Self::Quantiles { quantiles, ranges, interpolation } => {
                put("quantile_ranges", json!({"quantiles": quantiles, "value_ranges": ranges}));
                match interpolation {
                    Some(Interpolation::Nearest) => {}
                    Some(interpolation) => {
                        let name = INTERPOLATIONS.iter().find(|(i, _)| i == interpolation).map_or("", |(_, name)| name);
                        put("allow_relative_error", Value::from(name));
                    }
                    None => {
                        put("allow_relative_error", Value::Bool(true));
                    }
                }
            }
            Self::MostCommonInSet { set, ties_okay } => {
                put("value_set", Value::from(set.clone()));
                if *ties_okay {
                    put("ties_okay", Value::Bool(true));
                }
            }
            Self::DistinctInSet(set) | Self::DistinctContainSet(set) | Self::DistinctEqualSet(set) => {
                put("value_set", Value::from(set.clone()));
            }
            Self::KlDivergence { partition, threshold, tail_holdout, internal_holdout, bucketize } => {
                if let Some(partition) = partition {
                    put("partition_object", partition.to_json());
                }
                if let Some(threshold) = threshold {
                    put("threshold", Value::from(*threshold));
                }
                for (name, share) in
                    [("tail_weight_holdout", tail_holdout), ("internal_weight_holdout", internal_holdout)]
                {
                    if *share != 0.0 {
                        put(name, Value::from(*share));
                    }
                }
                if !bucketize {
                    put("bucketize_data", Value::Bool(false));
                }
            }
        }
    }
}

fn numbers(value: Option<&Value>) -> Option<Vec<f64>> {
    value?.as_array()?.iter().map(number).collect()
}

/// A number, where infinities may be written as text.
fn number(value: &Value) -> Option<f64> {
    match value.as_str() {
        Some("Infinity") => Some(f64::INFINITY),
        Some("-Infinity") => Some(f64::NEG_INFINITY),
        _ => value.as_f64(),
    }
}

fn quantiles(kwargs: &mut Kwargs<'_>) -> Result<StatisticRule, SuiteError> {
    let expected =
        "{\"quantiles\": [...] in [0, 1], \"value_ranges\": [[low, high], ...]} with a range for each quantile";
    let value = kwargs.required("quantile_ranges", "quantiles and their value_ranges")?;
    let range = |v: &Value| match v.as_array().map(Vec::as_slice) {
        Some([low, high]) if [low, high].iter().all(|v| v.is_null() || v.is_number()) => {
            Some([low.as_f64(), high.as_f64()])
        }
        _ => None,
    };
    let ranges = value
        .get("value_ranges")
        .and_then(Value::as_array)
        .and_then(|l| l.iter().map(range).collect::<Option<Vec<_>>>());
    let (Some(quantiles), Some(ranges)) = (numbers(value.get("quantiles")), ranges) else {
        return Err(kwargs.wrong("quantile_ranges", expected, &value));
    };
    let only = value.as_object().is_some_and(|o| o.len() == 2);
    if !only
        || quantiles.is_empty()
        || quantiles.len() > ranges.len()
        || !quantiles.iter().all(|q| (0.0..=1.0).contains(q))
    {
        return Err(kwargs.wrong("quantile_ranges", expected, &value));
    }
    let interpolation = match kwargs.take("allow_relative_error") {
        None | Some(Value::Bool(false)) => Some(Interpolation::Nearest),
        Some(Value::Bool(true)) => None,
        Some(other) => {
            let known = INTERPOLATIONS.iter().find(|(_, name)| other.as_str() == Some(name)).map(|(i, _)| *i);
            let names = || format!("true, false or one of {}", INTERPOLATIONS.map(|(_, name)| name).join(", "));
            Some(known.ok_or_else(|| kwargs.wrong("allow_relative_error", names(), &other))?)
        }
    };
    Ok(StatisticRule::Quantiles { quantiles, ranges, interpolation })
}

fn divergence(kwargs: &mut Kwargs<'_>) -> Result<StatisticRule, SuiteError> {
    let partition = match kwargs.take("partition_object") {
        None => None,
        Some(value) => {
            Some(Partition::read(&value).map_err(|expected| kwargs.wrong("partition_object", expected, &value))?)
        }
    };
    let threshold = kwargs.number("threshold")?;
    let mut share = |name| match kwargs.number(name)?.unwrap_or(0.0) {
        share if (0.0..=1.0).contains(&share) => Ok(share),
        share => Err(kwargs.wrong(name, "a share from 0 to 1", &Value::from(share))),
    };
    let (tail_holdout, internal_holdout) = (share("tail_weight_holdout")?, share("internal_weight_holdout")?);
    let bucketize = match kwargs.take("bucketize_data") {
        None => true,
        Some(Value::Bool(flag)) => flag,
        Some(other) => return Err(kwargs.wrong("bucketize_data", "true or false", &other)),
    };
    Ok(StatisticRule::KlDivergence { partition, threshold, tail_holdout, internal_holdout, bucketize })
}

impl Partition {
    fn read(value: &Value) -> Result<Self, &'static str> {
        let object = value.as_object().ok_or("an object of values and weights, or bins and weights")?;
        let only = |names: &[&str]| object.keys().all(|k| names.contains(&k.as_str()));
        let weights = numbers(object.get("weights")).ok_or("an object with weights, a list of numbers")?;
        let adds_up = |sum: f64| (sum - 1.0).abs() <= 1e-8 + 1e-5;
        if let Some(values) = object.get("values").and_then(Value::as_array) {
            if !only(&["values", "weights"]) || values.len() != weights.len() || !adds_up(weights.iter().sum()) {
                return Err("values and weights of one length and no more, weights adding up to 1");
            }
            return Ok(Self::Categorical { values: values.clone(), weights });
        }
        let bins = numbers(object.get("bins")).ok_or("an object of values and weights, or bins and weights")?;
        let tail_weights = match object.get("tail_weights") {
            None | Some(Value::Null) => None,
            Some(tails) => match numbers(Some(tails)).as_deref() {
                Some([low, high]) => Some([*low, *high]),
                _ => return Err("tail_weights of two numbers"),
            },
        };
        let sum = weights.iter().sum::<f64>() + tail_weights.map_or(0.0, |t| t[0] + t[1]);
        let increasing = bins.windows(2).all(|pair| pair[0] < pair[1]);
        if !only(&["bins", "weights", "tail_weights"])
            || bins.len() != weights.len() + 1
            || !increasing
            || !adds_up(sum)
        {
            return Err("increasing bins, one more than weights, all weights adding up to 1");
        }
        Ok(Self::Continuous(Histogram { bins, weights, tail_weights }))
    }

    pub(crate) fn to_json(&self) -> Value {
        match self {
            Self::Categorical { values, weights } => json!({"values": values, "weights": weights}),
            Self::Continuous(histogram) => histogram.to_json(),
        }
    }
}

impl Histogram {
    pub(crate) fn to_json(&self) -> Value {
        let edges: Value = self.bins.iter().map(|edge| crate::cells::number_json(*edge)).collect();
        match self.tail_weights {
            Some(tails) => json!({"bins": edges, "weights": self.weights, "tail_weights": tails}),
            None => json!({"bins": edges, "weights": self.weights}),
        }
    }
}
