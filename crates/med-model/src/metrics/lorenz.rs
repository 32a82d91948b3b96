//! Concentration of cost along an order of people.

/// Gini index of the actual cost along the order of the predictions, lowest first: 1 less twice the area under the Lorenz
/// curve (share of people, share of cost). Frees, Meyers and Cummings 2011 (JASA 106:1085).
///
/// People with equal predictions are one step of the curve, so the order of rows does not matter. `None` when a cost is
/// negative or all are 0.
pub(super) fn gini(y: &[f64], predicted: &[f64], weights: Option<&[f64]>) -> Option<f64> {
    let weight = |i: usize| weights.map_or(1.0, |w| w[i]);
    let total_weight: f64 = (0..y.len()).map(weight).sum();
    let total_cost: f64 = (0..y.len()).map(|i| weight(i) * y[i]).sum();
    let positive = |total: f64| total > 0.0 && total.is_finite();
    if y.iter().any(|&y| y < 0.0) || !positive(total_cost) || !positive(total_weight) {
        return None;
    }
    let mut order: Vec<usize> = (0..y.len()).collect();
    order.sort_by(|&a, &b| predicted[a].total_cmp(&predicted[b]));
    let (mut area, mut cost_so_far) = (0.0, 0.0);
    for tied in order.chunk_by(|&a, &b| predicted[a] == predicted[b]) {
        let people: f64 = tied.iter().map(|&i| weight(i)).sum();
        let cost: f64 = tied.iter().map(|&i| weight(i) * y[i]).sum();
        area += people * (cost_so_far + 0.5 * cost);
        cost_so_far += cost;
    }
    Some(1.0 - 2.0 * area / (total_weight * total_cost))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_curves() {
        assert_eq!(gini(&[1.0, 1.0, 1.0, 1.0], &[1.0, 2.0, 3.0, 4.0], None), Some(0.0));
        // One of four has it all, and is known or missed.
        assert_eq!(gini(&[0.0, 0.0, 0.0, 8.0], &[1.0, 2.0, 3.0, 4.0], None), Some(0.75));
        assert_eq!(gini(&[8.0, 0.0, 0.0, 0.0], &[1.0, 2.0, 3.0, 4.0], None), Some(-0.75));
        // No order at all.
        assert_eq!(gini(&[0.0, 0.0, 0.0, 8.0], &[1.0; 4], None), Some(0.0));
        assert_eq!(gini(&[0.0, 0.0], &[1.0, 2.0], None), None);
        assert_eq!(gini(&[-1.0, 3.0], &[1.0, 2.0], None), None);
    }
}
