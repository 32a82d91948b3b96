//! Bins of a categorical feature: one a level, as far as they go round.

use crate::tree::LevelSet;

/// Levels that have a bin of their own where not all can.
const OWN: usize = 254;

/// Bin of each level. Of more than 255 levels the rarest share the last bin.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Levels {
    bin_of: Vec<u8>,
    n_bins: usize,
}

impl Levels {
    pub(super) fn learn(codes: &[u32], n_levels: usize) -> Self {
        if n_levels <= OWN + 1 {
            return Self { bin_of: (1..=n_levels).map(|b| b as u8).collect(), n_bins: n_levels + 1 };
        }
        let mut counts = vec![0_usize; n_levels];
        for &code in codes {
            if let Some(count) = counts.get_mut(code as usize) {
                *count += 1;
            }
        }
        let mut by_count: Vec<usize> = (0..n_levels).collect();
        by_count.sort_by_key(|&level| std::cmp::Reverse(counts[level]));
        let mut bin_of = vec![OWN as u8 + 1; n_levels];
        by_count.iter().take(OWN).zip(1..).for_each(|(&level, bin)| bin_of[level] = bin);
        Self { bin_of, n_bins: OWN + 2 }
    }

    /// Codes past the levels are missing.
    pub(crate) fn bin(&self, code: u32) -> u8 {
        self.bin_of.get(code as usize).copied().unwrap_or(super::MISSING_BIN)
    }

    pub(super) fn n_bins(&self) -> usize {
        self.n_bins
    }

    /// The levels whose bins are in a set.
    pub(crate) fn levels(&self, bins: &super::BinSet) -> LevelSet {
        (0..).zip(&self.bin_of).filter(|&(_, &bin)| bins.contains(bin)).map(|(code, _)| code).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gbm::binning::BinSet;

    #[test]
    fn the_rarest_of_many_levels_share_a_bin() {
        let few = Levels::learn(&[0, 1, 2, u32::MAX], 3);
        assert_eq!((few.n_bins(), [0, 1, 2, 3, u32::MAX].map(|c| few.bin(c))), (4, [1, 2, 3, 0, 0]));
        let codes: Vec<u32> = (0..300).flat_map(|c| vec![c; if c < 46 { 1 } else { 2 }]).collect();
        let many = Levels::learn(&codes, 300);
        assert_eq!((many.n_bins(), many.bin(45), many.bin(0), many.bin(300)), (256, 255, 255, 0));
        assert!((46..300).all(|c| many.bin(c) < 255));
        let mut set = BinSet::default();
        set.insert(255);
        assert_eq!(many.levels(&set).codes().collect::<Vec<_>>(), (0..46).collect::<Vec<_>>());
    }
}
