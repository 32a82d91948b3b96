//! Expectations as sentences: `column("age").values_between(0..=120).mostly(0.99)`.

use std::ops::{Bound as End, RangeBounds};

use serde_json::Value;

use crate::bound::{Bound, Bounds};
use crate::expectation::{Expectation, IgnoreRowIf, OutlierMethod, RowRule, Rule, StatisticRule, TableRule, ValueRule};

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

    /// The texts have a number of characters in a range.
    pub fn lengths_between<N: Into<f64> + Copy>(self, range: impl RangeBounds<N>) -> Expectation {
        self.values(ValueRule::LengthBetween(bounds(range)))
    }

    /// Values do not fall.
    pub fn values_increasing(self) -> Expectation {
        self.values(ValueRule::Increasing { strictly: false })
    }

    /// Values do not rise.
    pub fn values_decreasing(self) -> Expectation {
        self.values(ValueRule::Decreasing { strictly: false })
    }

    /// Values lie less than this many standard deviations from the mean, on either side.
    pub fn z_scores_below(self, threshold: f64) -> Expectation {
        self.values(ValueRule::ZScore { threshold, double_sided: true })
    }

    /// Values lie within `multiplier` interquartile ranges of the quartiles.
    pub fn values_not_outliers(self, multiplier: f64) -> Expectation {
        self.values(ValueRule::NotOutlier { method: OutlierMethod::Iqr, multiplier })
    }

    /// Values are held as this type: `int64`, `float64`, `str`, `bool`, `date`, `datetime64`.
    pub fn values_of_type(self, name: impl Into<String>) -> Expectation {
        self.values(ValueRule::OfType(name.into()))
    }

    /// The smallest value lies in a range.
    pub fn min_between<N: Into<f64> + Copy>(self, range: impl RangeBounds<N>) -> Expectation {
        self.statistic(StatisticRule::Min(bounds(range)))
    }

    /// The largest value lies in a range.
    pub fn max_between<N: Into<f64> + Copy>(self, range: impl RangeBounds<N>) -> Expectation {
        self.statistic(StatisticRule::Max(bounds(range)))
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

    /// The share of rows that hold a value lies in a range.
    pub fn non_null_share_between<N: Into<f64> + Copy>(self, range: impl RangeBounds<N>) -> Expectation {
        self.statistic(StatisticRule::NonNullShare(bounds(range)))
    }

    /// All distinct values are among these.
    pub fn distinct_in_set<V: Into<Value>>(self, values: impl IntoIterator<Item = V>) -> Expectation {
        self.statistic(StatisticRule::DistinctInSet(set(values)))
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
}
