//! Expectations as sentences: `column("age").values_between(0..=120).mostly(0.99)`.

use std::ops::{Bound as End, RangeBounds};

use serde_json::Value;

use crate::bound::{Bound, Bounds};
use crate::expectation::{
    Expectation, IgnoreRowIf, Interpolation, OutlierMethod, Partition, RowRule, Rule, StatisticRule, TableRule,
    ValueRule,
};

/// Begins an expectation about one column.
///
/// ```
/// use med_quality::column;
/// use med_schema::Severity;
/// let age = column("age").values_between(0..=120).mostly(0.99).severity(Severity::Warning);
/// assert_eq!(age.name(), "expect_column_values_to_be_between");
/// ```
pub fn column(name: impl Into<String>) -> ColumnSubject {
    ColumnSubject { column: name.into() }
}

/// Begins an expectation about several columns.
pub fn columns<S: Into<String>>(names: impl IntoIterator<Item = S>) -> ColumnsSubject {
    ColumnsSubject { columns: names.into_iter().map(Into::into).collect() }
}

/// Begins an expectation about the table as a whole.
pub fn table() -> TableSubject {
    TableSubject(())
}

/// A column of which something is to be expected.
#[derive(Debug, Clone)]
pub struct ColumnSubject {
    column: String,
}

/// Columns of which something is to be expected.
#[derive(Debug, Clone)]
pub struct ColumnsSubject {
    columns: Vec<String>,
}

/// A table of which something is to be expected.
#[derive(Debug, Clone, Copy)]
pub struct TableSubject(());

/// A range of Rust as bounds; an excluded end is strict.
fn bounds<N: Into<f64> + Copy>(range: impl RangeBounds<N>) -> Bounds {
    let end = |end: End<&N>| match end {
        End::Included(value) => (Some(Bound::Number((*value).into())), false),
        End::Excluded(value) => (Some(Bound::Number((*value).into())), true),
        End::Unbounded => (None, false),
    };
    let ((min, strict_min), (max, strict_max)) = (end(range.start_bound()), end(range.end_bound()));
    Bounds { min, max, strict_min, strict_max }
}

fn set<V: Into<Value>>(values: impl IntoIterator<Item = V>) -> Vec<Value> {
    values.into_iter().map(Into::into).collect()
}

fn texts<S: Into<String>>(texts: impl IntoIterator<Item = S>) -> Vec<String> {
    texts.into_iter().map(Into::into).collect()
}

impl Expectation {
    /// Leaves out rows where columns are missing; rules about the rows of several columns only, others stay as they are.
    #[must_use]
    pub fn ignoring(mut self, rows: IgnoreRowIf) -> Self {
        if let Rule::Rows { ignore, .. } = &mut self.rule {
            *ignore = rows;
        }
        self
    }
}

impl ColumnSubject {
    fn values(self, rule: ValueRule) -> Expectation {
        Expectation::new(Rule::Values { column: self.column, rule })
    }

    fn statistic(self, rule: StatisticRule) -> Expectation {
        Expectation::new(Rule::Statistic { column: self.column, rule })
    }

    /// It is there.
    pub fn exists(self) -> Expectation {
        Expectation::new(Rule::Table(TableRule::ColumnExists { column: self.column, index: None }))
    }

    /// It is there, at this place; counted from the end where negative.
    pub fn exists_at(self, index: i64) -> Expectation {
        Expectation::new(Rule::Table(TableRule::ColumnExists { column: self.column, index: Some(index) }))
    }

    /// The column as a whole is held as this type; for the names see [`ColumnSubject::values_of_type`].
    pub fn has_type(self, name: impl Into<String>) -> Expectation {
        Expectation::new(Rule::Table(TableRule::ColumnType { column: self.column, type_name: name.into() }))
    }

    /// No value is missing.
    pub fn values_not_null(self) -> Expectation {
        self.values(ValueRule::NotNull)
    }

    /// Every value is missing.
    pub fn values_null(self) -> Expectation {
        self.values(ValueRule::Null)
    }

    /// No value occurs twice.
    pub fn values_unique(self) -> Expectation {
        self.values(ValueRule::Unique)
    }

    /// Values lie in a range of numbers.
    pub fn values_between<N: Into<f64> + Copy>(self, range: impl RangeBounds<N>) -> Expectation {
        self.values(ValueRule::Between(bounds(range)))
    }

    /// Values lie within bounds that may be dates or moments.
    pub fn values_within(self, bounds: Bounds) -> Expectation {
        self.values(ValueRule::Between(bounds))
    }

    /// Values are among these.
    pub fn values_in_set<V: Into<Value>>(self, values: impl IntoIterator<Item = V>) -> Expectation {
        self.values(ValueRule::InSet(set(values)))
    }

    /// Values are not among these.
    pub fn values_not_in_set<V: Into<Value>>(self, values: impl IntoIterator<Item = V>) -> Expectation {
        self.values(ValueRule::NotInSet(set(values)))
    }

    /// The pattern is found in the text of each value.
    pub fn values_match_regex(self, pattern: impl Into<String>) -> Expectation {
        self.values(ValueRule::MatchRegex(pattern.into()))
    }

    /// The pattern is found in the text of no value.
    pub fn values_not_match_regex(self, pattern: impl Into<String>) -> Expectation {
        self.values(ValueRule::NotMatchRegex(pattern.into()))
    }

    /// At least one of the patterns is found in the text of each value.
    pub fn values_match_any_regex<S: Into<String>>(self, patterns: impl IntoIterator<Item = S>) -> Expectation {
        self.values(ValueRule::MatchRegexList { patterns: texts(patterns), all: false })
    }

    /// All of the patterns are found in the text of each value.
    pub fn values_match_all_regexes<S: Into<String>>(self, patterns: impl IntoIterator<Item = S>) -> Expectation {
        self.values(ValueRule::MatchRegexList { patterns: texts(patterns), all: true })
    }

    /// None of the patterns is found in the text of any value.
    pub fn values_match_no_regex<S: Into<String>>(self, patterns: impl IntoIterator<Item = S>) -> Expectation {
        self.values(ValueRule::NotMatchRegexList(texts(patterns)))
    }

    /// Texts are dates or times that Python's `strptime` reads by this format.
    pub fn values_match_strftime(self, format: impl Into<String>) -> Expectation {
        self.values(ValueRule::StrftimeFormat(format.into()))
    }

    /// Texts are likely dates or times of day.
    pub fn values_dateutil_parseable(self) -> Expectation {
        self.values(ValueRule::DateutilParseable)
    }

    /// Texts are JSON.
    pub fn values_json(self) -> Expectation {
        self.values(ValueRule::Json)
    }

    /// Texts are JSON that a schema accepts.
    pub fn values_match_json_schema(self, schema: impl Into<Value>) -> Expectation {
        self.values(ValueRule::JsonSchema(schema.into()))
    }

    /// The texts have a number of characters in a range.
    pub fn lengths_between<N: Into<f64> + Copy>(self, range: impl RangeBounds<N>) -> Expectation {
        self.values(ValueRule::LengthBetween(bounds(range)))
    }

    /// The texts have this many characters.
    pub fn lengths_equal(self, length: u32) -> Expectation {
        self.values(ValueRule::LengthEqual(f64::from(length)))
    }

    /// Values do not fall.
    pub fn values_increasing(self) -> Expectation {
        self.values(ValueRule::Increasing { strictly: false })
    }

    /// Each value is greater than the one before.
    pub fn values_strictly_increasing(self) -> Expectation {
        self.values(ValueRule::Increasing { strictly: true })
    }

    /// Values do not rise.
    pub fn values_decreasing(self) -> Expectation {
        self.values(ValueRule::Decreasing { strictly: false })
    }

    /// Each value is less than the one before.
    pub fn values_strictly_decreasing(self) -> Expectation {
        self.values(ValueRule::Decreasing { strictly: true })
    }

    /// Values lie less than this many standard deviations from the mean, on either side.
    pub fn z_scores_below(self, threshold: f64) -> Expectation {
        self.values(ValueRule::ZScore { threshold, double_sided: true })
    }

    /// Values lie less than this many standard deviations above the mean; how far below does not matter.
    pub fn z_scores_below_on_one_side(self, threshold: f64) -> Expectation {
        self.values(ValueRule::ZScore { threshold, double_sided: false })
    }

    /// Values lie within `multiplier` interquartile ranges of the quartiles.
    pub fn values_not_outliers(self, multiplier: f64) -> Expectation {
        self.values(ValueRule::NotOutlier { method: OutlierMethod::Iqr, multiplier })
    }

    /// Values lie within `multiplier` standard deviations of the mean.
    pub fn values_near_mean(self, multiplier: f64) -> Expectation {
        self.values(ValueRule::NotOutlier { method: OutlierMethod::Std, multiplier })
    }

    /// Values are held as this type: `int64`, `float64`, `str`, `bool`, `date`, `datetime64`.
    pub fn values_of_type(self, name: impl Into<String>) -> Expectation {
        self.values(ValueRule::OfType(name.into()))
    }

    /// Values are held as one of these types.
    pub fn values_of_types<S: Into<String>>(self, names: impl IntoIterator<Item = S>) -> Expectation {
        self.values(ValueRule::InTypeList(Some(texts(names))))
    }

    /// The smallest value lies in a range.
    pub fn min_between<N: Into<f64> + Copy>(self, range: impl RangeBounds<N>) -> Expectation {
        self.statistic(StatisticRule::Min(bounds(range)))
    }

    /// The largest value lies in a range.
    pub fn max_between<N: Into<f64> + Copy>(self, range: impl RangeBounds<N>) -> Expectation {
        self.statistic(StatisticRule::Max(bounds(range)))
    }

    /// The smallest value lies within bounds that may be dates or moments.
    pub fn min_within(self, bounds: Bounds) -> Expectation {
        self.statistic(StatisticRule::Min(bounds))
    }

    /// The largest value lies within bounds that may be dates or moments.
    pub fn max_within(self, bounds: Bounds) -> Expectation {
        self.statistic(StatisticRule::Max(bounds))
    }

    /// The mean lies in a range.
    pub fn mean_between<N: Into<f64> + Copy>(self, range: impl RangeBounds<N>) -> Expectation {
        self.statistic(StatisticRule::Mean(bounds(range)))
    }

    /// The median lies in a range.
    pub fn median_between<N: Into<f64> + Copy>(self, range: impl RangeBounds<N>) -> Expectation {
        self.statistic(StatisticRule::Median(bounds(range)))
    }

    /// The sum lies in a range.
    pub fn sum_between<N: Into<f64> + Copy>(self, range: impl RangeBounds<N>) -> Expectation {
        self.statistic(StatisticRule::Sum(bounds(range)))
    }

    /// The sample standard deviation lies in a range.
    pub fn stdev_between<N: Into<f64> + Copy>(self, range: impl RangeBounds<N>) -> Expectation {
        self.statistic(StatisticRule::Stdev(bounds(range)))
    }

    /// The number of distinct values lies in a range.
    pub fn unique_count_between<N: Into<f64> + Copy>(self, range: impl RangeBounds<N>) -> Expectation {
        self.statistic(StatisticRule::UniqueCount(bounds(range)))
    }

    /// Distinct values by values lies in a range.
    pub fn unique_share_between<N: Into<f64> + Copy>(self, range: impl RangeBounds<N>) -> Expectation {
        self.statistic(StatisticRule::UniqueShare(bounds(range)))
    }

    /// Quantiles lie in ranges, each given as its share and its two ends, which may be open. The nearest value is taken.
    pub fn quantiles_between(self, ranges: impl IntoIterator<Item = (f64, [Option<f64>; 2])>) -> Expectation {
        let (quantiles, ranges) = ranges.into_iter().unzip();
        self.statistic(StatisticRule::Quantiles { quantiles, ranges, interpolation: Some(Interpolation::default()) })
    }

    /// The share of rows that hold a value lies in a range.
    pub fn non_null_share_between<N: Into<f64> + Copy>(self, range: impl RangeBounds<N>) -> Expectation {
        self.statistic(StatisticRule::NonNullShare(bounds(range)))
    }

    /// All distinct values are among these.
    pub fn distinct_in_set<V: Into<Value>>(self, values: impl IntoIterator<Item = V>) -> Expectation {
        self.statistic(StatisticRule::DistinctInSet(set(values)))
    }

    /// All of these are among the distinct values.
    pub fn distinct_contain_set<V: Into<Value>>(self, values: impl IntoIterator<Item = V>) -> Expectation {
        self.statistic(StatisticRule::DistinctContainSet(set(values)))
    }

    /// The most common value, or with `ties_okay` one of several equally common ones, is among these.
    pub fn most_common_in_set<V: Into<Value>>(
        self,
        values: impl IntoIterator<Item = V>,
        ties_okay: bool,
    ) -> Expectation {
        self.statistic(StatisticRule::MostCommonInSet { set: set(values), ties_okay })
    }

    /// The Kullback-Leibler divergence from a partition is at most this; nothing is held out for tails or empty bins.
    pub fn kl_divergence_at_most(self, threshold: f64, partition: Partition) -> Expectation {
        self.statistic(StatisticRule::KlDivergence {
            partition: Some(partition),
            threshold: Some(threshold),
            tail_holdout: 0.0,
            internal_holdout: 0.0,
            bucketize: true,
        })
    }

    /// The distinct values are exactly these.
    pub fn distinct_equal_set<V: Into<Value>>(self, values: impl IntoIterator<Item = V>) -> Expectation {
        self.statistic(StatisticRule::DistinctEqualSet(set(values)))
    }

    /// Equals another column, row by row.
    pub fn equals(self, other: impl Into<String>) -> Expectation {
        columns([self.column, other.into()]).rows(RowRule::PairEqual)
    }

    /// Is greater than another column, row by row.
    pub fn greater_than(self, other: impl Into<String>) -> Expectation {
        columns([self.column, other.into()]).rows(RowRule::PairGreater { or_equal: false })
    }

    /// Is greater than another column or equal to it, row by row.
    pub fn at_least(self, other: impl Into<String>) -> Expectation {
        columns([self.column, other.into()]).rows(RowRule::PairGreater { or_equal: true })
    }

    /// Makes one of these pairs with another column, row by row; null stands for missing.
    pub fn pairs_in_set<A: Into<Value>, B: Into<Value>>(
        self,
        other: impl Into<String>,
        pairs: impl IntoIterator<Item = (A, B)>,
    ) -> Expectation {
        let pairs = pairs.into_iter().map(|(a, b)| (a.into(), b.into())).collect();
        columns([self.column, other.into()]).rows(RowRule::PairInSet(pairs))
    }
}

impl ColumnsSubject {
    fn rows(self, rule: RowRule) -> Expectation {
        Expectation::new(Rule::Rows { columns: self.columns, rule, ignore: IgnoreRowIf::default() })
    }

    /// No combination of values occurs twice.
    pub fn unique_together(self) -> Expectation {
        self.rows(RowRule::CompoundUnique)
    }

    /// The values of a row add up to this, exactly.
    pub fn sum_equals(self, total: f64) -> Expectation {
        self.rows(RowRule::SumEqual(total))
    }

    /// The values of a row differ from one another.
    pub fn unique_within_row(self) -> Expectation {
        self.rows(RowRule::UniqueWithinRecord)
    }

    /// The values of a row are all equal.
    pub fn all_equal(self) -> Expectation {
        self.rows(RowRule::AllEqual)
    }

    /// The table has these columns, in any order, and with `exact` no others.
    pub fn make_up_the_table(self, exact: bool) -> Expectation {
        Expectation::new(Rule::Table(TableRule::ColumnsSet { columns: self.columns, exact }))
    }

    /// The table has these columns, in this order.
    pub fn make_up_the_table_in_order(self) -> Expectation {
        Expectation::new(Rule::Table(TableRule::ColumnsOrdered(Some(self.columns))))
    }
}

impl TableSubject {
    /// The number of rows lies in a range.
    pub fn row_count_between<N: Into<f64> + Copy>(self, range: impl RangeBounds<N>) -> Expectation {
        Expectation::new(Rule::Table(TableRule::RowCountBetween(bounds(range))))
    }

    /// There are this many rows.
    pub fn row_count_equals(self, count: i64) -> Expectation {
        Expectation::new(Rule::Table(TableRule::RowCountEqual(count)))
    }

    /// There are this many columns.
    pub fn column_count_equals(self, count: i64) -> Expectation {
        Expectation::new(Rule::Table(TableRule::ColumnCountEqual(count)))
    }

    /// The number of columns lies in a range.
    pub fn column_count_between<N: Into<f64> + Copy>(self, range: impl RangeBounds<N>) -> Expectation {
        Expectation::new(Rule::Table(TableRule::ColumnCountBetween(bounds(range))))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::Suite;

    /// One sentence for each type of expectation, and each is one that a suite accepts.
    #[test]
    fn every_expectation_has_a_sentence() {
        let a = || column("a");
        let shares = Partition::Categorical { values: vec![Value::from("x")], weights: vec![1.0] };
        let all = [
            a().exists(),
            a().has_type("int64"),
            a().values_not_null(),
            a().values_null(),
            a().values_unique(),
            a().values_between(0..=120),
            a().values_in_set([1, 2]),
            a().values_not_in_set([1, 2]),
            a().values_match_regex("x"),
            a().values_not_match_regex("x"),
            a().values_match_any_regex(["x", "y"]),
            a().values_match_no_regex(["x"]),
            a().lengths_between(1..),
            a().lengths_equal(3),
            a().values_match_strftime("%Y-%m-%d"),
            a().values_json(),
            a().values_match_json_schema(serde_json::json!({"type": "object"})),
            a().values_strictly_increasing(),
            a().values_strictly_decreasing(),
            a().z_scores_below_on_one_side(3.0),
            a().values_near_mean(3.0),
            a().values_of_type("str"),
            a().values_of_types(["str", "bool"]),
            a().values_dateutil_parseable(),
            a().min_between(0..),
            a().max_between(..9),
            a().mean_between(0.5..=1.5),
            a().median_between(0..),
            a().sum_between(0..),
            a().stdev_between(0..),
            a().unique_count_between(1..),
            a().unique_share_between(0.5..),
            a().non_null_share_between(0.5..),
            a().quantiles_between([(0.5, [Some(1.0), None])]),
            a().most_common_in_set(["x"], true),
            a().distinct_in_set(["x"]),
            a().distinct_contain_set(["x"]),
            a().distinct_equal_set(["x"]),
            a().kl_divergence_at_most(0.1, shares),
            a().equals("b"),
            a().at_least("b"),
            a().pairs_in_set("b", [(Value::from(1), Value::Null)]),
            columns(["a", "b"]).unique_together(),
            columns(["a", "b"]).sum_equals(1.0),
            columns(["a", "b"]).unique_within_row().ignoring(IgnoreRowIf::AnyMissing),
            columns(["a", "b"]).all_equal(),
            table().row_count_between(1..),
            table().row_count_equals(3),
            table().column_count_between(1..),
            table().column_count_equals(3),
            columns(["a", "b"]).make_up_the_table_in_order(),
            columns(["a", "b"]).make_up_the_table(false),
        ];
        let names: BTreeSet<&str> = all.iter().map(Expectation::name).collect();
        assert_eq!(names, Expectation::names().collect());
        let suite = Suite::new("all", all).unwrap();
        assert_eq!(Suite::from_json(&suite.to_json().unwrap()).unwrap(), suite);
        let ignored = suite.expectations().iter().find(|e| e.name().contains("unique_within_record")).unwrap();
        assert!(ignored.expected().contains("any_value_is_missing"));
    }
}
