//! Sum and spread of numbers, exactly: the answer is the same for any order of the values and any cut into parts.
//!
//! A float is an integer times a power of two, so a sum of floats is an integer in units of the smallest power, 2^-1074,
//! and a sum of squares one in units of 2^-2148. Both are kept as digits of base 2^32 that may stand out of range until
//! carries are brought on (the small superaccumulator of R. M. Neal, "Fast exact summation using small and large
//! superaccumulators", 2015). The sample variance `(n Σx² - (Σx)²) / (n (n - 1))` is taken of these integers, so nothing
//! cancels; only the last steps round. Memory is 2 KiB, time some nanoseconds a value.

use serde::{Deserialize, Serialize};

/// Digits of a sum: 2098 bits of any float, and room for 2^64 of them.
const SUM: usize = 69;
/// Digits of a sum of squares.
const SQUARES: usize = 135;
/// Additions after which carries are brought on: digits grow by less than 2^32 each time and hold 63 bits.
const CARRY_AFTER: u32 = 1 << 29;
/// Whole numbers below this are added up in 64 bits, a block of at most 2^12 at a time, squares too.
const SMALL: u64 = 1 << 25;
const BLOCK: usize = 1 << 12;

/// An integer in digits of base 2^32, lowest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Wide {
    digits: Vec<i64>,
    pending: u32,
}

impl Wide {
    fn new(digits: usize) -> Self {
        Self { digits: vec![0; digits], pending: 0 }
    }

    /// Adds `word * 2^place`.
    #[inline]
    fn add(&mut self, word: u64, place: usize, negative: bool) {
        let at = place / 32;
        let shifted = u128::from(word) << (place % 32);
        let parts = [shifted as u32, (shifted >> 32) as u32, (shifted >> 64) as u32];
        for (digit, part) in self.digits[at..at + 3].iter_mut().zip(parts) {
            *digit += if negative { -i64::from(part) } else { i64::from(part) };
        }
    }

    #[inline]
    fn count(&mut self) {
        self.pending += 1;
        if self.pending >= CARRY_AFTER {
            self.carry();
        }
    }

    /// Brings digits into [0, 2^32), but for the highest, which has the sign.
    fn carry(&mut self) {
        let mut carry = 0;
        let last = self.digits.len() - 1;
        for digit in &mut self.digits[..last] {
            let value = *digit + carry;
            carry = value >> 32;
            *digit = value & 0xffff_ffff;
        }
        self.digits[last] += carry;
        self.pending = 0;
    }

    fn merge(&mut self, mut other: Self) {
        self.carry();
        other.carry();
        for (a, b) in self.digits.iter_mut().zip(other.digits) {
            *a += b;
        }
        self.carry();
    }

    /// Sign and magnitude.
    fn magnitude(&self) -> (bool, Vec<u32>) {
        let mut wide = self.clone();
        wide.carry();
        let negative = wide.digits[wide.digits.len() - 1] < 0;
        if negative {
            wide.digits.iter_mut().for_each(|d| *d = -*d);
            wide.carry();
        }
        let mut digits: Vec<u32> = Vec::with_capacity(wide.digits.len() + 1);
        for (i, digit) in wide.digits.iter().enumerate() {
            digits.push(*digit as u32);
            if i + 1 == wide.digits.len() {
                digits.push((*digit >> 32) as u32);
            }
        }
        (negative, digits)
    }
}

/// The number `digits * 2^unit`, rounded once, as a factor in [2^63, 2^64) and a power of two. `None` of zero.
fn leading(digits: &[u32], unit: i32) -> Option<(f64, i32)> {
    let top = digits.iter().rposition(|d| *d != 0)?;
    let mut bits: u128 = 0;
    for i in 0..4 {
        bits = bits << 32 | u128::from(top.checked_sub(i).map_or(0, |at| digits[at]));
    }
    let below = top >= 4 && digits[..top - 3].iter().any(|d| *d != 0);
    let zeros = bits.leading_zeros();
    let bits = bits << zeros;
    let rest = bits as u64 != 0 || below;
    // The lowest bit stands for all that is cut off, so that halves round as they should.
    let word = (bits >> 64) as u64 | u64::from(rest);
    let power = 32 * (top as i32 - 3) + 64 - zeros as i32 + unit;
    Some((word as f64, power))
}

/// `factor * 2^power`; steps keep each factor a normal number.
fn scaled(mut factor: f64, mut power: i32) -> f64 {
    while power > 900 {
        factor *= 2f64.powi(900);
        power -= 900;
    }
    while power < -900 {
        factor *= 2f64.powi(-900);
        power += 900;
    }
    factor * 2f64.powi(power)
}

fn product(a: &[u32], b: &[u32]) -> Vec<u32> {
    let mut out = vec![0u32; a.len() + b.len()];
    for (i, x) in a.iter().enumerate().filter(|(_, x)| **x != 0) {
        let mut carry = 0u64;
        for (j, y) in b.iter().enumerate() {
            let value = u64::from(*x) * u64::from(*y) + u64::from(out[i + j]) + carry;
            out[i + j] = value as u32;
            carry = value >> 32;
        }
        out[i + b.len()] = carry as u32;
    }
    out
}

/// `a - b`, where `a` is not less.
fn difference(a: &[u32], b: &[u32]) -> Vec<u32> {
    let mut borrow = 0i64;
    let digit = |of: &[u32], at: usize| of.get(at).map_or(0, |d| i64::from(*d));
    (0..a.len().max(b.len()))
        .map(|at| {
            let value = digit(a, at) - digit(b, at) + borrow;
            borrow = value >> 32;
            value as u32
        })
        .collect()
}

/// Count, sum and, where asked for, sum of squares of numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Moments {
    count: u64,
    sum: Wide,
    squares: Option<Wide>,
    /// Infinities below and above, which the integers do not hold.
    infinite: [u64; 2],
}

impl Moments {
    pub(crate) fn new(squares: bool) -> Self {
        Self { count: 0, sum: Wide::new(SUM), squares: squares.then(|| Wide::new(SQUARES)), infinite: [0; 2] }
    }

    /// Adds a number that is one.
    #[inline]
    pub(crate) fn add(&mut self, value: f64) {
        self.count += 1;
        let bits = value.to_bits();
        let exponent = (bits >> 52 & 0x7ff) as usize;
        if exponent == 0x7ff {
            self.infinite[usize::from(value > 0.0)] += 1;
            return;
        }
        let fraction = bits & ((1 << 52) - 1);
        let (mantissa, place) = if exponent == 0 { (fraction, 0) } else { (fraction | 1 << 52, exponent - 1) };
        self.sum.add(mantissa, place, value < 0.0);
        self.sum.count();
        if let Some(squares) = &mut self.squares {
            let square = u128::from(mantissa) * u128::from(mantissa);
            squares.add(square as u64, 2 * place, false);
            squares.add((square >> 64) as u64, 2 * place + 64, false);
            squares.count();
        }
    }

    /// Adds whole numbers where `mask` is 1; small ones, which most are, nearly for free.
    pub(crate) fn add_ints(&mut self, values: &[i64], mask: &[u8]) {
        for (values, mask) in values.chunks(BLOCK).zip(mask.chunks(BLOCK)) {
            let largest = values.iter().zip(mask).map(|(v, m)| v.unsigned_abs() * u64::from(*m)).fold(0, u64::max);
            if largest >= SMALL {
                values.iter().zip(mask).filter(|(_, m)| **m == 1).for_each(|(v, _)| self.add_int(*v));
                continue;
            }
            let (mut sum, mut squares, mut count) = (0i64, 0i64, 0u64);
            for (value, mask) in values.iter().zip(mask) {
                let value = value * i64::from(*mask);
                sum += value;
                squares += value * value;
                count += u64::from(*mask);
            }
            self.count += count;
            self.sum.add(sum.unsigned_abs(), 1074, sum < 0);
            self.sum.count();
            if let Some(wide) = &mut self.squares {
                wide.add(squares.unsigned_abs(), 2148, false);
                wide.count();
            }
        }
    }

    fn add_int(&mut self, value: i64) {
        let size = value.unsigned_abs();
        self.count += 1;
        self.sum.add(size, 1074, value < 0);
        self.sum.count();
        if let Some(squares) = &mut self.squares {
            let square = u128::from(size) * u128::from(size);
            squares.add(square as u64, 2148, false);
            squares.add((square >> 64) as u64, 2212, false);
            squares.count();
        }
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.sum.merge(other.sum);
        if let (Some(a), Some(b)) = (&mut self.squares, other.squares) {
            a.merge(b);
        }
        self.infinite[0] += other.infinite[0];
        self.infinite[1] += other.infinite[1];
    }

    /// The sum; not a number where infinities of both signs meet.
    pub(crate) fn sum(&self) -> f64 {
        match self.infinite {
            [0, 0] => {}
            [_, 0] => return f64::NEG_INFINITY,
            [0, _] => return f64::INFINITY,
            _ => return f64::NAN,
        }
        let (negative, digits) = self.sum.magnitude();
        let value = leading(&digits, -1074).map_or(0.0, |(factor, power)| scaled(factor, power));
        if negative { -value } else { value }
    }

    /// The mean; not a number of nothing.
    pub(crate) fn mean(&self) -> f64 {
        if self.count == 0 { f64::NAN } else { self.sum() / self.count as f64 }
    }

    /// The sample standard deviation (n - 1); not a number below two values, or with infinities.
    pub(crate) fn std(&self) -> f64 {
        let Some(squares) = self.squares.as_ref().filter(|_| self.count > 1 && self.infinite == [0; 2]) else {
            return f64::NAN;
        };
        let count = [self.count as u32, (self.count >> 32) as u32];
        let (_, sum) = self.sum.magnitude();
        let spread = difference(&product(&squares.magnitude().1, &count), &product(&sum, &sum));
        let Some((factor, power)) = leading(&spread, -2148) else { return 0.0 };
        let n = self.count as f64;
        // An even power has a root.
        let (factor, power) = if power % 2 == 0 { (factor, power) } else { (factor * 2.0, power - 1) };
        scaled((factor / (n * (n - 1.0))).sqrt(), power / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[f64]) -> Moments {
        let mut moments = Moments::new(true);
        values.iter().for_each(|v| moments.add(*v));
        moments
    }

    #[test]
    fn sums_are_exact() {
        assert_eq!(of(&[1e16, 1.0, -1e16]).sum(), 1.0);
        assert_eq!(of(&[0.1; 10]).sum(), 1.0);
        assert_eq!(of(&[f64::MAX, f64::MAX, -f64::MAX]).sum(), f64::MAX);
        assert_eq!(of(&[5e-324, 5e-324]).sum(), 1e-323);
        assert_eq!(of(&[-1.5, -2.25]).sum(), -3.75);
        assert!(of(&[f64::INFINITY, f64::NEG_INFINITY]).sum().is_nan());
        assert_eq!((of(&[]).sum(), of(&[]).mean().is_nan()), (0.0, true));
    }

    #[test]
    fn spread_does_not_cancel() {
        let std = |values: &[f64]| of(values).std();
        assert_eq!(std(&[1.0, 2.0, 3.0]), 1.0);
        assert_eq!(std(&[1e15, 1e15 + 1.0, 1e15 + 2.0]), 1.0);
        assert_eq!(std(&[0.1, 0.1, 0.1]), 0.0);
        assert!((std(&[1e-200, 3e-200]) / 2e-200f64.mul_add(0.5f64.sqrt(), 0.0) - 1.0).abs() < 1e-15);
        assert!(std(&[1.0]).is_nan());
    }

    #[test]
    fn whole_numbers_are_added_up_the_same_way() {
        let values: Vec<i64> = (0..10_000).map(|i| i * 7919 % 1013 - 500).chain([1 << 40, -(1 << 50)]).collect();
        let mask: Vec<u8> = (0..values.len()).map(|i| u8::from(i % 3 != 0)).collect();
        let mut whole = Moments::new(true);
        whole.add_ints(&values, &mask);
        let floats: Vec<f64> = values.iter().zip(&mask).filter(|(_, m)| **m == 1).map(|(v, _)| *v as f64).collect();
        let each = of(&floats);
        assert_eq!((whole.sum(), whole.std()), (each.sum(), each.std()));
        let mut large = Moments::new(true);
        large.add_ints(&[(1 << 53) + 1, (1 << 53) + 2, (1 << 53) + 3], &[1, 1, 1]);
        assert_eq!(large.std(), 1.0, "also where floats cannot tell them apart");
    }

    proptest! {
        #[test]
        fn parts_add_up_to_the_whole(values in prop::collection::vec(any::<f64>().prop_filter("a number", |v| !v.is_nan()), 0..40), cut in 0usize..40) {
            let whole = of(&values);
            let (a, b) = values.split_at(cut.min(values.len()));
            let mut parts = of(b);
            parts.merge(of(a));
            prop_assert_eq!(whole.sum().to_bits(), parts.sum().to_bits());
            prop_assert_eq!(whole.std().to_bits(), parts.std().to_bits());
        }
    }
}
