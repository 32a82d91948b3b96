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

/// The integral of `height(abs(F - G))` over the pooled range, where F and G are the step functions of the two sorted
/// samples. Both must hold at least one value.
pub(super) fn integral(reference: &[f64], current: &[f64], height: impl Fn(f64) -> f64) -> f64 {
    let (n, m) = (reference.len() as f64, current.len() as f64);
    let mut total = 0.0;
    let mut before: Option<(f64, f64)> = None;
    pooled(reference, current, |value, i, j| {
        if let Some((from, gap)) = before {
            total += height(gap) * (value - from);
        }
        before = Some((value, (i as f64 / n - j as f64 / m).abs()));
    });
    total
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
        assert_eq!(integral(&[0.0, 1.0], &[3.0, 4.0], |g| g), 3.0);
    }
}
