//! Sorting numbers by their bits.

use std::sync::{Mutex, PoisonError};

/// Below this many values comparing is as quick.
const FEW: usize = 4096;
/// Bits a pass sorts by: 2048 streams of values.
const DIGIT: u32 = 11;
const STREAMS: usize = 1 << DIGIT;
/// Passes that go by digits; what they leave undone is done by comparing.
const PASSES: u32 = 3;
/// Values of a stream that are held back and written together: as many as a line of the cache holds.
const LINE: usize = 8;
/// Up to so many values are sorted by insertion.
const SHORT: usize = 16;

/// The values that are not NaN in the order of [`f64::total_cmp`].
///
/// Many values are sorted by radix, least digit first: the bits of a float, mapped so that their order as whole numbers is that of the floats, eleven at a time, over the
/// 33 highest bits in which any two values differ. That tells nearly all values of a column apart; runs of values that it does not are then sorted by comparing. A pass in
/// which all values have the same digit is left out, so whole numbers of a small range take one or two. Time O(n) for values that the 33 bits tell apart, O(n log n) for any; memory
/// 16 bytes a value.
pub(crate) fn sorted_numbers(values: &[f64], scratch: &Scratch) -> Vec<f64> {
    let mut keys = scratch.take();
    keys.clear();
    keys.reserve(values.len());
    let mut differing = 0;
    // Piece by piece, so that the next look at a value finds it in the cache.
    for piece in values.chunks(1024) {
        let before = keys.len();
        if piece.iter().any(|v| v.is_nan()) {
            keys.extend(piece.iter().filter(|v| !v.is_nan()).map(|v| key(v.to_bits())));
        } else {
            keys.extend(piece.iter().map(|v| key(v.to_bits())));
        }
        let first = keys.first().copied().unwrap_or_default();
        differing = keys[before..].iter().fold(differing, |all, key| all | (key ^ first));
    }
    if keys.len() < FEW || u32::try_from(keys.len()).is_err() {
        keys.sort_unstable();
    } else {
        let mut sorted = scratch.take();
        sorted.resize(keys.len(), 0);
        radix(&mut keys, &mut sorted, differing);
        scratch.put(sorted);
    }
    // In place: a float is as wide as its key.
    keys.into_iter().map(|key| f64::from_bits(bits(key))).collect()
}

/// Memory that one column after another is sorted in: taking it from the system each time costs as much as a pass. Both sides of a column draw from one, so that what the one
/// has sorted with serves the other when they are sorted in turn, and all columns draw from one: on one thread three buffers, of as many values as a side has rows, do for a table.
#[derive(Debug, Default)]
pub(crate) struct Scratch(Mutex<Vec<Vec<u64>>>);

impl Scratch {
    /// With whatever is left in it.
    fn take(&self) -> Vec<u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn put(&self, buffer: Vec<u64>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
    }

    /// Takes back what [`sorted_numbers`] gave.
    pub(crate) fn give(&self, mut sorted: Vec<f64>) {
        sorted.clear();
        // Of no values, in place: what stays is the memory.
        self.put(sorted.into_iter().map(f64::to_bits).collect());
    }
}

/// `differing` has the bits in which not all keys are the same.
fn radix(keys: &mut Vec<u64>, sorted: &mut Vec<u64>, differing: u64) {
    let first = keys[0];
    if differing == 0 {
        return;
    }
    let shift = (64 - differing.leading_zeros()).saturating_sub(DIGIT * PASSES);
    let mut counts = vec![[0_u32; STREAMS]; PASSES as usize];
    for &key in keys.iter() {
        let mut rest = key >> shift;
        for counts in &mut counts {
            counts[rest as usize % STREAMS] += 1;
            rest >>= DIGIT;
        }
    }
    let mut lines = vec![[0_u64; LINE]; STREAMS];
    for (counts, pass) in counts.iter_mut().zip(0..) {
        let shift = shift + pass * DIGIT;
        if counts[(first >> shift) as usize % STREAMS] as usize == keys.len() {
            continue;
        }
        let mut start = 0;
        for count in counts.iter_mut() {
            start += std::mem::replace(count, start);
        }
        scatter(keys, sorted, counts, &mut lines, |key| (key >> shift) as usize % STREAMS);
        std::mem::swap(keys, sorted);
    }
    if differing & ((1 << shift) - 1) != 0 {
        finish(keys, shift);
    }
}

/// Writes each key to the next place of its stream; `places` holds the first of each. Keys go by lines: 2048 streams of single values would be as many pages that the processor
/// has to look up.
fn scatter(
    keys: &[u64],
    sorted: &mut [u64],
    places: &mut [u32; STREAMS],
    lines: &mut [[u64; LINE]],
    stream: impl Fn(u64) -> usize,
) {
    let starts = *places;
    for &key in keys {
        let stream = stream(key);
        let place = places[stream] as usize;
        lines[stream][place % LINE] = key;
        places[stream] += 1;
        if place % LINE == LINE - 1 {
            let (line, start) = (place + 1 - LINE, starts[stream] as usize);
            match <&mut [u64; LINE]>::try_from(&mut sorted[line..=place]) {
                // Of a known length, so that it becomes two moves and no call.
                Ok(whole) if start <= line => *whole = lines[stream],
                _ => first_line(&mut sorted[start..=place], &lines[stream]),
            }
        }
    }
    for ((line, &start), &end) in lines.iter().zip(&starts).zip(places.iter()) {
        let (start, end) = (start as usize, end as usize);
        let from = (end - end % LINE).max(start);
        if from < end {
            sorted[from..end].copy_from_slice(&line[from % LINE..=(end - 1) % LINE]);
        }
    }
}

/// The first line of a stream that begins within one.
#[cold]
#[inline(never)]
fn first_line(sorted: &mut [u64], line: &[u64; LINE]) {
    sorted.copy_from_slice(&line[LINE - sorted.len()..]);
}

/// Sorts the runs of keys that are equal but for the bits below `shift`.
fn finish(keys: &mut [u64], shift: u32) {
    let mut from = 0;
    while from < keys.len() {
        let run = keys[from] >> shift;
        let mut to = from + 1;
        while to < keys.len() && keys[to] >> shift == run {
            to += 1;
        }
        let run = &mut keys[from..to];
        if run.len() > SHORT {
            run.sort_unstable();
        } else {
            for i in 1..run.len() {
                let mut j = i;
                while j > 0 && run[j - 1] > run[j] {
                    run.swap(j - 1, j);
                    j -= 1;
                }
            }
        }
        from = to;
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
        let sorted = sorted_numbers(&values, &Scratch::default());
        assert!(
            sorted.len() == expected.len() && sorted.iter().zip(&expected).all(|(a, b)| a.to_bits() == b.to_bits())
        );
        let scratch = Scratch::default();
        // Values that agree in their first 40 bits, and some that stand apart.
        let close: Vec<f64> =
            (0..2 * FEW).map(|i| f64::from_bits(1.5_f64.to_bits() + (i * 7919 % 8191) as u64 * 16)).collect();
        for close in
            [close.clone(), close.iter().enumerate().map(|(i, v)| if i % 999 == 0 { -1e9 } else { *v }).collect()]
        {
            let mut expected = close.clone();
            expected.sort_by(f64::total_cmp);
            assert_eq!(sorted_numbers(&close, &scratch), expected);
        }
        let equal = sorted_numbers(&vec![2.5; 2 * FEW], &scratch);
        assert_eq!(equal, vec![2.5; 2 * FEW]);
        scratch.give(equal);
        assert!(scratch.0.into_inner().unwrap().iter().all(|v| v.capacity() >= 2 * FEW));
        let whole: Vec<f64> = (0..2 * FEW).map(|i| if i == 5 { f64::NAN } else { (i * 7919 % 100) as f64 }).collect();
        let sorted = sorted_numbers(&whole, &Scratch::default());
        assert!(sorted.is_sorted() && sorted.len() == whole.len() - 1);
    }
}
