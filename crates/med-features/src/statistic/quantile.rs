//! Quantiles of a sorted column.

/// The values that are there (not NaN), ascending.
pub(crate) fn sorted_present(values: &[f64]) -> Vec<f64> {
    let mut present: Vec<f64> = values.iter().copied().filter(|v| !v.is_nan()).collect();
    present.sort_unstable_by(f64::total_cmp);
    present
}

/// Quantile of ascending values by linear interpolation between the order statistics around `q (n - 1)` (Hyndman and Fan's type 7,
/// numpy's default). `None` of nothing.
pub(crate) fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let place = q.clamp(0.0, 1.0) * last as f64;
    let below = (place.floor() as usize).min(last);
    let (low, high) = (sorted[below], sorted[(below + 1).min(last)]);
    let share = place - below as f64;
    // Of two equal values, infinite ones too, the value itself.
    Some(if low == high || share == 0.0 { low } else { low * (1.0 - share) + high * share })
}

/// Whether ascending values have more than two different ones.
pub(crate) fn more_than_two(sorted: &[f64]) -> bool {
    let mut changes = sorted.windows(2).filter(|w| w[0] != w[1]);
    changes.next().is_some() && changes.next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_numpys() {
        let sorted = sorted_present(&[4.0, f64::NAN, 1.0, 2.0, 8.0]);
        let of = |q| quantile(&sorted, q).unwrap();
        assert_eq!((of(0.0), of(0.5), of(1.0)), (1.0, 3.0, 8.0));
        assert!((of(0.9) - 6.8).abs() < 1e-14);
        assert_eq!(quantile(&[], 0.5), None);
        assert!(more_than_two(&sorted) && !more_than_two(&[1.0, 1.0, 2.0]) && !more_than_two(&[]));
    }
}
