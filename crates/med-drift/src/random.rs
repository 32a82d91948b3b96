//! Seeded orders, the same on every machine and in every version of the generator's crate.

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64;

/// A `Pcg64` of this seed; `stream` tells apart what one seed is used for.
pub(crate) fn generator(seed: u64, stream: u64) -> Pcg64 {
    Pcg64::seed_from_u64(seed ^ stream.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// A number drawn evenly from `0..bound` by Lemire's multiplication with rejection; `bound` is positive.
fn below(bound: u64, generator: &mut impl Rng) -> u64 {
    let threshold = bound.wrapping_neg() % bound;
    loop {
        let product = u128::from(generator.next_u64()) * u128::from(bound);
        if product as u64 >= threshold {
            return (product >> 64) as u64;
        }
    }
}

/// Fisher and Yates.
pub(crate) fn shuffle<T>(values: &mut [T], generator: &mut impl Rng) {
    for i in (1..values.len()).rev() {
        values.swap(i, below(i as u64 + 1, generator) as usize);
    }
}

/// At most `limit` of `rows` rows, drawn without replacement, in ascending order; all of them when there are no more.
pub(crate) fn sample(rows: usize, limit: usize, generator: &mut impl Rng) -> Vec<usize> {
    if rows <= limit {
        return (0..rows).collect();
    }
    let mut order: Vec<usize> = (0..rows).collect();
    for i in 0..limit {
        order.swap(i, i + below((rows - i) as u64, generator) as usize);
    }
    order.truncate(limit);
    order.sort_unstable();
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_order_is_as_likely() {
        let mut counts = std::collections::BTreeMap::new();
        let mut rng = generator(3, 1);
        for _ in 0..24_000 {
            let mut order = [0, 1, 2, 3];
            shuffle(&mut order, &mut rng);
            *counts.entry(order).or_insert(0_u32) += 1;
        }
        assert!(counts.len() == 24 && counts.values().all(|n| n.abs_diff(1000) < 160), "{counts:?}");
        let rows = sample(100, 10, &mut rng);
        assert!(rows.len() == 10 && rows.is_sorted() && rows.windows(2).all(|w| w[0] < w[1]));
    }
}
