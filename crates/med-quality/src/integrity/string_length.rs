//! Texts that are far too long or short.

use med_schema::{Check, CheckResult, Kind, Severity, Table};

use super::values::texts;
use super::{Finding, result_of};

/// At most so many texts of a column that is no category have a length far from the others'.
///
/// With `m` the median, `r` the distance between the quantiles 0.03 and 0.97 (nearest ranks) of the lengths in characters, a length
/// `l` is far if `|l - m| > factor r / 2` and it lies at least `max(5, mean / 2)` characters beyond the nearest length that is
/// not so far from the median.
///
/// deepchecks: StringLengthOutOfBounds, which works on a histogram of a thousand percentiles; here it is the lengths themselves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StringLength {
    /// How many half ranges are far. From 0; default 4.
    pub factor: f64,
    /// The most texts of such a length. Default 0.
    pub most: usize,
    /// How much a failure matters. Default warning.
    pub severity: Severity,
}

impl Default for StringLength {
    fn default() -> Self {
        Self { factor: 4.0, most: 0, severity: Severity::Warning }
    }
}

impl StringLength {
    fn far(&self, mut lengths: Vec<u32>) -> usize {
        lengths.sort_unstable();
        let Some(last) = lengths.len().checked_sub(1) else { return 0 };
        let at = |q: f64| f64::from(lengths[(q * last as f64).round() as usize]);
        let (median, range) = (at(0.5), at(0.97) - at(0.03));
        let mean = lengths.iter().map(|l| f64::from(*l)).sum::<f64>() / lengths.len() as f64;
        let near = |l: &u32| (f64::from(*l) - median).abs() <= self.factor * range / 2.0;
        // The median is near itself.
        let low = lengths.iter().find(|l| near(l)).map_or(median, |l| f64::from(*l));
        let high = lengths.iter().rfind(|l| near(l)).map_or(median, |l| f64::from(*l));
        let least = (mean / 2.0).max(5.0);
        lengths.iter().filter(|l| low - f64::from(**l) >= least || f64::from(**l) - high >= least).count()
    }
}

impl Check<Table> for StringLength {
    fn name(&self) -> &str {
        "string_length"
    }

    fn check(&self, table: &Table) -> CheckResult {
        if self.factor.is_nan() || self.factor < 0.0 {
            let why = format!("expected a factor from 0, found {}", self.factor);
            return CheckResult::error(self.name(), why).severity(self.severity);
        }
        let free = |kind| !matches!(kind, Kind::Binary | Kind::Nominal | Kind::Ordinal);
        let finding = |(spec, values): (&med_schema::Column, &polars::prelude::StringChunked)| {
            let length = |text: &str| text.chars().count().min(u32::MAX as usize) as u32;
            let far = self.far(values.iter().flatten().map(length).collect());
            Finding { column: spec.name.clone(), observed: far.into(), expected: far <= self.most }
        };
        let expected = format!("at most {} texts of a length far from the others", self.most);
        let findings = texts(table).filter(|(spec, _)| free(spec.kind)).map(finding).collect();
        result_of(self.name(), self.severity, expected, findings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn far_is_beyond_the_inner_range_and_a_few_characters() {
        let far = |lengths: &[u32]| StringLength::default().far(lengths.to_vec());
        let usual: Vec<u32> = (0..100).map(|i| 10 + i % 5).collect();
        assert_eq!(far(&usual), 0);
        assert_eq!(far(&[&usual[..], &[200]].concat()), 1);
        assert_eq!(far(&[&usual[..], &[20]].concat()), 0, "eight from the median is not beyond two ranges of four");
        assert_eq!(far(&[&[10; 99][..], &[13]].concat()), 0, "no range at all, but three characters are nothing");
        assert_eq!((far(&[]), far(&[7])), (0, 0));
    }
}
