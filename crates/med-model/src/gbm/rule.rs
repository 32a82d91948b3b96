//! Which rows go left: by the bins of a feature, and by the bytes that hold them.

use super::binning::{BinSet, MISSING_BIN};

/// Which bins go left.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Rule {
    /// Bins of a range: those for which `bin - first`, modulo 256, is at most `span`.
    Range { first: u8, span: u8 },
    /// Bins of a set.
    Set(BinSet),
}

impl Rule {
    pub(super) fn at_most(bin: u8, missing_left: bool) -> Self {
        let first = if missing_left { MISSING_BIN } else { MISSING_BIN + 1 };
        Self::Range { first, span: bin - first }
    }

    #[inline(always)]
    pub(super) fn goes_left(&self, bin: u8) -> bool {
        match self {
            Self::Range { first, span } => bin.wrapping_sub(*first) <= *span,
            Self::Set(set) => set.contains(bin),
        }
    }
}

/// Which bytes of a track go left.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum ByteRule {
    /// Bytes of a range, as in [`Rule::Range`].
    Range { first: u8, span: u8 },
    /// Bytes whose remainder is of a range.
    Remainder { of: Remainder, first: u8, span: u8 },
    /// Bytes of a set.
    Set(BinSet),
}

impl ByteRule {
    pub(super) const ALL: Self = Self::Range { first: 0, span: 255 };

    /// Of bytes that hold a digit beside others: it is `byte / step` modulo `size`, and bin `low` is digit 0. The byte is
    /// below `end`.
    pub(super) fn of_digit(rule: &Rule, low: u8, step: usize, size: usize, end: usize) -> Self {
        // Most features have their bytes to themselves, and trees on few rows have no time to look at each.
        match rule {
            Rule::Range { first, span } if size == end => {
                return Self::Range { first: first.wrapping_sub(low), span: *span };
            }
            Rule::Set(bins) if size == end && low == 0 => return Self::Set(*bins),
            _ => {}
        }
        let bins = low as usize..low as usize + size;
        let mut held = bins.clone().filter(|&bin| rule.goes_left(bin as u8));
        match (held.clone().count(), rule) {
            (0, _) => Self::Set(BinSet::default()),
            (n, _) if n == size => Self::ALL,
            (n, Rule::Range { first, span }) if usize::from(*first) + usize::from(*span) < 256 => {
                let least = held.next().map_or(0, |bin| bin - bins.start);
                let (first, span) = ((least * step) as u8, (n * step - 1) as u8);
                match u8::try_from(step * size) {
                    Ok(divisor) if step * size < end => Self::Remainder { of: Remainder::new(divisor), first, span },
                    // The digit is the byte's highest.
                    _ => Self::Range { first, span },
                }
            }
            _ => {
                let mut set = BinSet::default();
                let goes_left = |byte: &usize| rule.goes_left((bins.start + byte / step % size) as u8);
                (0..end).filter(goes_left).for_each(|byte| set.insert(byte as u8));
                Self::Set(set)
            }
        }
    }

    #[inline(always)]
    pub(super) fn goes_left(&self, byte: u8) -> bool {
        match self {
            Self::Range { first, span } => byte.wrapping_sub(*first) <= *span,
            Self::Remainder { of, first, span } => of.byte(byte).wrapping_sub(*first) <= *span,
            Self::Set(set) => set.contains(byte),
        }
    }
}

/// The remainder of a division of bytes, by a multiplication, which vectors have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Remainder {
    divisor: u8,
    /// Above `2^16 / divisor` by one at most. So a product with a byte is too large by 255 at most, which is less than what
    /// the quotient's fraction lacks to one, and its upper half is the quotient.
    inverse: u16,
}

impl Remainder {
    /// Of a division by a number above 1.
    fn new(divisor: u8) -> Self {
        Self { divisor, inverse: (65_536 / u32::from(divisor.max(2)) + 1) as u16 }
    }

    #[inline(always)]
    pub(super) fn byte(self, byte: u8) -> u8 {
        let quotient = (u32::from(byte) * u32::from(self.inverse)) >> 16;
        byte.wrapping_sub((quotient as u8).wrapping_mul(self.divisor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rules_for_numbers_send_missing_values_either_way() {
        let goes = |rule: Rule| [0, 1, 3, 4, 255].map(|bin| rule.goes_left(bin));
        assert_eq!(goes(Rule::at_most(3, false)), [false, true, true, false, false]);
        assert_eq!(goes(Rule::at_most(3, true)), [true, true, true, false, false]);
        assert_eq!(goes(Rule::at_most(255, false)), [false, true, true, true, true]);
        let mut set = BinSet::default();
        [0, 4, 255].into_iter().for_each(|bin| set.insert(bin));
        assert_eq!(goes(Rule::Set(set)), [true, false, false, true, true]);
    }

    #[test]
    fn remainders_are_those_of_the_processor() {
        for divisor in 2..=255 {
            let remainder = Remainder::new(divisor);
            assert!((0..=255).all(|byte| remainder.byte(byte) == byte % divisor), "{divisor}");
        }
    }

    proptest! {
        #[test]
        fn a_byte_goes_where_its_digit_does(
            below in 1_usize..20,
            size in 1_usize..20,
            above in 1_usize..6,
            low in 0_u8..2,
            rule in prop_oneof![
                (0_u8..22, any::<bool>()).prop_map(|(bin, left)| Rule::at_most(bin.max(1), left)),
                Just(Rule::at_most(0, true)),
                any::<[bool; 24]>().prop_map(|bins| {
                    let mut set = BinSet::default();
                    (0..24).filter(|&bin| bins[bin as usize]).for_each(|bin| set.insert(bin));
                    Rule::Set(set)
                }),
            ],
        ) {
            prop_assume!(below * size <= 256);
            let end = below * size * above.min(256 / (below * size));
            let bytes = ByteRule::of_digit(&rule, low, below, size, end);
            for byte in 0..end {
                let bin = (byte / below % size) as u8 + low;
                prop_assert_eq!(bytes.goes_left(byte as u8), rule.goes_left(bin), "byte {} bin {}", byte, bin);
            }
        }
    }
}
