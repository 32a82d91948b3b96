//! One walk over two sorted samples, on which every rank and step-function measure is built.

/// Calls `step(value, i, j)` for every distinct value of the two sorted slices in ascending order, where `i` and `j` are
/// the numbers of values of each slice at or below it. -0 and 0 are one value.
/// Neither slice may hold NaN. O(n + m).
pub(crate) fn pooled(reference: &[f64], current: &[f64], mut step: impl FnMut(f64, usize, usize)) {
    let (mut i, mut j) = (0, 0);
    loop {
        let value = match (reference.get(i), current.get(j)) {
            (Some(&r), Some(&c)) => r.min(c),
            (Some(&only), None) | (None, Some(&only)) => only,
            (None, None) => return,
        };
        while reference.get(i).is_some_and(|&r| r <= value) {
            i += 1;
        }
        while current.get(j).is_some_and(|&c| c <= value) {
            j += 1;
        }
        step(value, i, j);
    }
}

/// Different values of both sorted slices together.
pub(crate) fn distinct(reference: &[f64], current: &[f64]) -> usize {
    let mut values = 0;
    pooled(reference, current, |_, _, _| values += 1);
    values
}

/// What one walk along two sorted samples finds of the gap F - G between their step functions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Gaps {
    /// Largest abs(F - G), each of F and G rounded before they are subtracted: what deepchecks calculates.
    pub(crate) distance: f64,
    /// The same times n m, exactly.
    pub(crate) gap: u128,
    /// The integral of abs(F - G).
    pub(crate) moved: f64,
    /// The integral of (F - G)^2.
    pub(crate) squared: f64,
}

/// Walks once. Both samples must hold at least one value and no NaN; with infinite values the integrals are not finite. O(n + m).
///
/// One value a step, of equal ones the reference's first. The gap after i values of the reference and k steps is, as a whole number, n m (F - G) = i (n + m) - k n. No branch of
/// the loop depends on the order of values, which no processor could foresee; only that on a new extreme remains. Between equal values the gap is not yet what it will be, and
/// the width is 0.
pub(crate) fn gaps(reference: &[f64], current: &[f64]) -> Gaps {
    let (n, m) = (reference.len(), current.len());
    let pairs = n as f64 * m as f64;
    // Beyond 2^50 pairs, rounding of the two shares could hide which gap is largest, and far beyond whole numbers overflow.
    if pairs >= (1_u64 << 50) as f64 {
        return gaps_of_many(reference, current);
    }
    let share = 1.0 / pairs;
    let (step_r, step) = ((n + m) as i64, n as i64);
    let (mut i, mut k) = (0, 0);
    let (mut largest, mut distance, mut moved, mut squared) = (0_i64, 0.0_f64, 0.0, 0.0);
    let mut before = reference[0].min(current[0]);
    let mut settle = |i: usize, k: usize, width: f64| {
        let gap = (i as i64 * step_r - k as i64 * step).abs();
        if gap >= largest && width > 0.0 {
            largest = gap;
            distance = distance.max((i as f64 / n as f64 - (k - i) as f64 / m as f64).abs());
        }
        let gap = gap as f64 * share;
        moved += gap * width;
        squared += gap * gap * width;
    };
    while i < n && k - i < m {
        let (r, c) = (reference[i], current[k - i]);
        let of_r = r <= c;
        let value = if of_r { r } else { c };
        settle(i, k, value - before);
        i += usize::from(of_r);
        k += 1;
        before = value;
    }
    let rest = if i < n { &reference[i..] } else { &current[k - i..] };
    let step_i = usize::from(i < n);
    for &value in rest {
        settle(i, k, value - before);
        (before, i, k) = (value, i + step_i, k + 1);
    }
    Gaps { distance, gap: largest.unsigned_abs().into(), moved, squared }
}

/// The same by counts, for samples whose product does not fit.
fn gaps_of_many(reference: &[f64], current: &[f64]) -> Gaps {
    let (n, m) = (reference.len(), current.len());
    let mut found = Gaps { distance: 0.0, gap: 0, moved: 0.0, squared: 0.0 };
    let mut before: Option<(f64, f64)> = None;
    pooled(reference, current, |value, i, j| {
        if let Some((from, gap)) = before {
            found.moved += f64::abs(gap) * (value - from);
            found.squared += gap * gap * (value - from);
        }
        let gap = i as f64 / n as f64 - j as f64 / m as f64;
        found.distance = found.distance.max(gap.abs());
        found.gap = found.gap.max((i as u128 * m as u128).abs_diff(j as u128 * n as u128));
        before = Some((value, gap));
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_are_one_step() {
        let mut steps = Vec::new();
        pooled(&[-0.0, 1.0, 1.0], &[0.0, 2.0], |v, i, j| steps.push((v, i, j)));
        assert_eq!(steps, [(0.0, 1, 1), (1.0, 3, 1), (2.0, 3, 2)]);
    }

    #[test]
    fn the_integral_of_the_gap_is_the_shift() {
        assert_eq!(gaps(&[0.0, 1.0], &[3.0, 4.0]).moved, 3.0);
    }

    #[test]
    fn both_walks_find_the_same() {
        let value = |i: usize, by: usize| (i * by % 23) as f64 / 4.0;
        for (n, m) in [(1, 1), (1, 7), (9, 1), (40, 31), (200, 333)] {
            let side = |rows: usize, by: usize| {
                let mut values: Vec<f64> = (0..rows).map(|i| value(i, by)).collect();
                values.sort_by(f64::total_cmp);
                values
            };
            let (r, c) = (side(n, 7), side(m, 11));
            let (quick, slow) = (gaps(&r, &c), gaps_of_many(&r, &c));
            assert_eq!((quick.gap, quick.distance), (slow.gap, slow.distance));
            for (a, b) in [(quick.moved, slow.moved), (quick.squared, slow.squared)] {
                assert!((a - b).abs() <= 1e-14 * (1.0 + b), "{n} {m}: {a} {b}");
            }
        }
        let infinite = gaps(&[f64::NEG_INFINITY, 1.0], &[1.0, f64::INFINITY, f64::INFINITY]);
        assert_eq!((infinite.distance, infinite.gap), (1.0 - 1.0 / 3.0, 4));
    }
}
