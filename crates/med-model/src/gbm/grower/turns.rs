//! Which leaf is split next: one nearer to the root before those further down, and of these the one that gains most.
//!
//! On few rows, looking for it with a branch for each leaf takes as long as some of the work on the leaf; so depths and
//! gains are integers, which vectors find the least and largest of.

use crate::kernel::vectorised;

/// Leaves looked at together.
const LANES: usize = 8;

/// When the turn of each leaf comes.
#[derive(Debug, Default)]
pub(super) struct Turns {
    depths: Vec<[u32; LANES]>,
    /// Numbers in the order of the gains, from 1 on; 0 for leaves that may not be split, and behind the last.
    gains: Vec<[u64; LANES]>,
}

impl Turns {
    /// Of no leaf.
    pub(super) fn clear(&mut self) {
        self.depths.clear();
        self.gains.clear();
    }

    /// Sets the depth and gain of a leaf, which is the next one or takes the place of another; none where it may not be split.
    pub(super) fn set(&mut self, at: usize, turn: Option<(u32, f64)>) {
        let (group, lane) = (at / LANES, at % LANES);
        if group == self.gains.len() {
            self.depths.push([u32::MAX; LANES]);
            self.gains.push([0; LANES]);
        }
        (self.depths[group][lane], self.gains[group][lane]) =
            turn.map_or((u32::MAX, 0), |(depth, gain)| (depth, gain.max(0.0).to_bits() + 1));
    }

    /// The leaf to split next; of equal ones the first.
    pub(super) fn next(&self) -> Option<usize> {
        vectorised(
            #[inline(always)]
            || {
                let nearest = self.depths.as_flattened().iter().copied().min()?;
                let gains_at_depth = |(depths, gains): (&[u32; LANES], &[u64; LANES])| -> [u64; LANES] {
                    std::array::from_fn(|l| if depths[l] == nearest { gains[l] } else { 0 })
                };
                let groups = || self.depths.iter().zip(&self.gains).map(gains_at_depth);
                let mut largest = [0; LANES];
                for gains in groups() {
                    for l in 0..LANES {
                        largest[l] = largest[l].max(gains[l]);
                    }
                }
                let largest = largest.iter().fold(0, |a: u64, &b| a.max(b));
                if largest == 0 {
                    return None;
                }
                let is_in = |gains: &[u64; LANES]| gains.iter().fold(false, |any, &gain| any | (gain == largest));
                let (group, gains) = groups().enumerate().find(|(_, gains)| is_in(gains))?;
                Some(group * LANES + gains.iter().position(|&gain| gain == largest)?)
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_go_by_depth_then_gain_then_place() {
        let mut turns = Turns::default();
        assert_eq!(turns.next(), None);
        let order =
            [(1, 4.0), (2, 9.0), (0, 1e-300), (0, 7.0), (0, f64::INFINITY), (0, 7.0), (2, 9.0), (2, 0.0), (1, 5.0)];
        order.into_iter().enumerate().for_each(|(at, turn)| turns.set(at, Some(turn)));
        turns.set(9, None);
        for expected in [4, 3, 5, 2, 8, 0, 1, 6, 7] {
            assert_eq!(turns.next(), Some(expected));
            turns.set(expected, None);
        }
        assert_eq!(turns.next(), None);
    }
}
