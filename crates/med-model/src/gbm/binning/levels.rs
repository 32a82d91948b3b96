//! Bins of a categorical feature: one a level, as far as they go round.
//!
//! A byte tells 254 levels and "another" apart. A feature of more levels has several columns of bytes, its parts, each with
//! bins for other levels than the rest, the most frequent first; to a split, a part is a feature of its own.

use crate::tree::LevelSet;

/// Levels that have a bin of their own in one part where not all can.
const OWN: usize = 254;

/// How levels come to bins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LevelOptions {
    /// Parts of a feature at most, from 1 on.
    pub(crate) most_parts: usize,
    /// Rows that a level needs to have a bin of its own beyond the first part.
    pub(crate) min_rows: usize,
}

impl LevelOptions {
    /// One part.
    pub(crate) const ONE: Self = Self { most_parts: 1, min_rows: 1 };
}

/// Bin of each level in one part. Levels of other parts, and the rarest where there are too many, share its last bin.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Levels {
    bin_of: Vec<u8>,
    n_bins: usize,
}

/// The levels that rows have, the most frequent first, and how many of them have a bin of their own.
fn ranked(codes: &[u32], n_levels: usize, options: LevelOptions) -> (Vec<usize>, usize) {
    let mut counts = vec![0_usize; n_levels];
    for &code in codes {
        if let Some(count) = counts.get_mut(code as usize) {
            *count += 1;
        }
    }
    let mut seen: Vec<usize> = (0..n_levels).filter(|&level| counts[level] > 0).collect();
    seen.sort_by_key(|&level| std::cmp::Reverse(counts[level]));
    if seen.len() <= OWN + 1 {
        // The last bin is that of one level alone.
        let n = seen.len();
        return (seen, n);
    }
    let frequent = seen.partition_point(|&level| counts[level] >= options.min_rows);
    let own = frequent.clamp(OWN, OWN * options.most_parts.max(1)).min(seen.len());
    (seen, own)
}

/// How many levels of a column rows have, and how many have a bin of their own.
pub(crate) fn told_apart(codes: &[u32], n_levels: usize, options: LevelOptions) -> (usize, usize) {
    let (seen, own) = ranked(codes, n_levels, options);
    (seen.len(), own)
}

impl Levels {
    /// The parts, one at least.
    pub(super) fn learn(codes: &[u32], n_levels: usize, options: LevelOptions) -> Vec<Self> {
        if n_levels <= OWN + 1 {
            return vec![Self { bin_of: (1..=n_levels).map(|b| b as u8).collect(), n_bins: n_levels + 1 }];
        }
        let (seen, own) = ranked(codes, n_levels, options);
        let part = |levels: &[usize]| {
            let others = levels.len() as u8 + 1;
            let mut bin_of = vec![others; n_levels];
            levels.iter().zip(1..).for_each(|(&level, bin)| bin_of[level] = bin);
            Self { bin_of, n_bins: levels.len() + 2 }
        };
        if seen.len() <= OWN + 1 {
            return vec![part(&seen[..own.min(OWN)])];
        }
        seen[..own].chunks(OWN).map(part).collect()
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
        let one = |codes: &[u32], n: usize| {
            let mut parts = Levels::learn(codes, n, LevelOptions::ONE);
            assert_eq!(parts.len(), 1);
            parts.remove(0)
        };
        let few = one(&[0, 1, 2, u32::MAX], 3);
        assert_eq!((few.n_bins(), [0, 1, 2, 3, u32::MAX].map(|c| few.bin(c))), (4, [1, 2, 3, 0, 0]));
        let codes: Vec<u32> = (0..300).flat_map(|c| vec![c; if c < 46 { 1 } else { 2 }]).collect();
        let many = one(&codes, 300);
        assert_eq!((many.n_bins(), many.bin(45), many.bin(0), many.bin(300)), (256, 255, 255, 0));
        assert!((46..300).all(|c| many.bin(c) < 255));
        let mut set = BinSet::default();
        set.insert(255);
        assert_eq!(many.levels(&set).codes().collect::<Vec<_>>(), (0..46).collect::<Vec<_>>());
        assert_eq!(told_apart(&codes, 300, LevelOptions::ONE), (300, 254));
    }

    #[test]
    fn levels_without_rows_take_no_bin_from_others() {
        // 255 of a thousand.
        let codes: Vec<u32> = (0..255).map(|c| 3 * c).collect();
        let parts = Levels::learn(&codes, 1000, LevelOptions { most_parts: 16, min_rows: 1 });
        assert_eq!(parts.len(), 1);
        let mut bins: Vec<u8> = codes.iter().map(|&c| parts[0].bin(c)).collect();
        bins.sort_unstable();
        assert_eq!(bins, (1..=255).collect::<Vec<u8>>());
        assert_eq!(told_apart(&codes, 1000, LevelOptions::ONE), (255, 255));
    }

    #[test]
    fn each_level_has_its_own_bin_in_one_part() {
        let codes: Vec<u32> = (0..700).flat_map(|c| vec![c; if c < 650 { 5 } else { 4 }]).collect();
        let options = LevelOptions { most_parts: 16, min_rows: 5 };
        let parts = Levels::learn(&codes, 700, options);
        assert_eq!((parts.len(), told_apart(&codes, 700, options)), (3, (700, 650)));
        for level in 0..700 {
            let own = parts.iter().filter(|p| usize::from(p.bin(level)) + 1 < p.n_bins()).count();
            assert_eq!(own, usize::from(level < 650), "{level}");
        }
        // 142 of the last part and the others.
        assert_eq!(parts[2].n_bins(), 144);
        assert_eq!(Levels::learn(&codes, 700, LevelOptions { most_parts: 2, min_rows: 5 }).len(), 2);
        assert_eq!(Levels::learn(&codes, 700, LevelOptions { most_parts: 9, min_rows: 6 }).len(), 1);
    }
}
