//! Sorting numbers by their bits.

/// Below this many values comparing is as quick.
const FEW: usize = 4096;
/// Bits a pass sorts by: 2048 counters fit into the nearest cache.
const DIGIT: u32 = 11;
const PASSES: usize = 6;

/// The values that are not NaN in the order of [`f64::total_cmp`].
///
/// Many values are sorted by radix, least digit first: the bits of a float, mapped so that their order as whole numbers is that of the floats, eleven at a time. A
/// pass in which all values have the same digit is left out, so whole numbers of a small range take one or two. Time O(n), memory 16 bytes a value.
pub(crate) fn sorted_numbers(values: &[f64]) -> Vec<f64> {
    let mut keys: Vec<u64> = Vec::with_capacity(values.len());
    keys.extend(values.iter().filter(|v| !v.is_nan()).map(|v| key(v.to_bits())));
    if keys.len() < FEW || u32::try_from(keys.len()).is_err() {
        keys.sort_unstable();
    } else {
        radix(&mut keys);
    }
    keys.into_iter().map(|key| f64::from_bits(bits(key))).collect()
}

fn radix(keys: &mut Vec<u64>) {
    let digit = |key: u64, pass: usize| (key >> (pass as u32 * DIGIT)) as usize & ((1 << DIGIT) - 1);
    let mut counts = vec![[0_u32; 1 << DIGIT]; PASSES];
    for &key in keys.iter() {
        counts.iter_mut().enumerate().for_each(|(pass, counts)| counts[digit(key, pass)] += 1);
    }
    let mut sorted = vec![0_u64; keys.len()];
    for (pass, counts) in counts.iter_mut().enumerate() {
        if counts[digit(keys[0], pass)] as usize == keys.len() {
            continue;
        }
        let mut start = 0;
        for count in counts.iter_mut() {
            start += std::mem::replace(count, start);
        }
        for &key in keys.iter() {
            let place = &mut counts[digit(key, pass)];
            sorted[*place as usize] = key;
            *place += 1;
        }
        std::mem::swap(keys, &mut sorted);
    }
}

/// Negative floats have all bits turned, others the sign alone.
fn key(bits: u64) -> u64 {
    bits ^ (((bits as i64 >> 63) as u64) | 1 << 63)
}

fn bits(key: u64) -> u64 {
    key ^ ((((key >> 63).wrapping_sub(1)) as i64) as u64 | 1 << 63)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn radix_and_comparison_agree_to_the_bit() {
        let special = [0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, 5e-324, -5e-324, f64::MAX, f64::MIN, 1.0, -1.0];
        let mut state = 1_u64;
        let values: Vec<f64> = (0..3 * FEW)
            .map(|i| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let random = f64::from_bits(state);
                if i % 7 == 0 || random.is_nan() { special[i % special.len()] } else { random }
            })
            .collect();
        let mut expected = values.clone();
        expected.sort_by(f64::total_cmp);
        let sorted = sorted_numbers(&values);
        assert!(
            sorted.len() == expected.len() && sorted.iter().zip(&expected).all(|(a, b)| a.to_bits() == b.to_bits())
        );
        let whole: Vec<f64> = (0..2 * FEW).map(|i| if i == 5 { f64::NAN } else { (i * 7919 % 100) as f64 }).collect();
        let sorted = sorted_numbers(&whole);
        assert!(sorted.is_sorted() && sorted.len() == whole.len() - 1);
    }
}
