//! Values of a feature that no test of some trees tells apart.

use crate::tree::structure::ZERO_REACH;
use crate::tree::{Split, Test};

/// The line of numbers, cut where a test changes its answer: cell `i` reaches from cut `i - 1`, which is not in it, to cut
/// `i`, which is. The cell before last has no upper end, the last holds the missing values.
#[derive(Debug, Default)]
pub(super) struct Cells {
    cuts: Vec<f64>,
}

impl Cells {
    /// For the splits on one feature.
    pub(super) fn new<'t>(splits: impl Iterator<Item = &'t Split>) -> Self {
        let mut cuts = Vec::new();
        for split in splits {
            match &split.test {
                Test::AtMost(threshold) => cuts.push(*threshold),
                Test::OneOf(levels) => {
                    // Codes are cut to integers, those of -1 and below are missing; only the ends of runs matter.
                    cuts.push(-1.0);
                    for code in levels.codes() {
                        if code > 0 && !levels.contains(code - 1) {
                            cuts.push(f64::from(code).next_down());
                        }
                        if code == u32::MAX || !levels.contains(code + 1) {
                            cuts.push((f64::from(code) + 1.0).next_down());
                        }
                    }
                }
            }
            if split.zero_is_missing {
                cuts.extend([(-ZERO_REACH).next_down(), ZERO_REACH]);
            }
        }
        cuts.sort_unstable_by(f64::total_cmp);
        cuts.dedup();
        Self { cuts }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.cuts.len() + 2
    }

    /// The cell of a value.
    #[inline(always)]
    pub(super) fn of(&self, value: f64) -> u32 {
        if value.is_nan() {
            return self.cuts.len() as u32 + 1;
        }
        self.cuts.partition_point(|&cut| cut < value) as u32
    }

    /// A value in this cell.
    pub(super) fn member(&self, cell: usize) -> f64 {
        match self.cuts.get(cell) {
            Some(&cut) => cut,
            None if cell == self.cuts.len() => self.cuts.last().map_or(0.0, |cut| cut.next_up()),
            None => f64::NAN,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Child;

    fn split(test: Test, zero_is_missing: bool) -> Split {
        let (left, right) = (Child::Leaf(0), Child::Leaf(1));
        let missing_left = true;
        Split {
            feature: 0,
            test,
            missing_left,
            zero_is_missing,
            left,
            right,
            gain: 0.0,
            value: 0.0,
            cover: 0.0,
            hessian: 0.0,
        }
    }

    #[test]
    fn every_value_is_judged_as_the_member_of_its_cell() {
        let sets = [vec![0], vec![1, 2, 5], vec![0, 1, 63, 64], vec![7]];
        let mut splits: Vec<Split> =
            sets.into_iter().map(|s| split(Test::OneOf(s.into_iter().collect()), false)).collect();
        splits.extend([-3.5, 0.0, 2.0, 6.25].map(|t| split(Test::AtMost(t), t > 1.0)));
        let cells = Cells::new(splits.iter());
        let values = (-40..700).map(|i| f64::from(i) * 0.1).chain([f64::NAN, 1e-36, -1e-36, 1e-34, 1e300, -1e300]);
        for value in values {
            let cell = cells.of(value) as usize;
            assert!(cell < cells.len());
            for split in &splits {
                assert_eq!(split.goes_left(value), split.goes_left(cells.member(cell)), "{value} {split:?}");
            }
        }
    }
}
