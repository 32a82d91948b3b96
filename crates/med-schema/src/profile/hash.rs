//! The hash of the sketches. Seeded, our own, and the same on every machine: stored sketches depend on it, so it never changes
//! within a version of the profile format.
//!
//! Numbers: the finaliser of splitmix64 (Steele, Lea and Flood 2014; the constants are Stafford's mix 13), a bijection of 64 bits,
//! so different whole numbers never collide. Texts: eight bytes at a time into one accumulator by a 64 x 64 -> 128 bit multiplication
//! whose halves are folded by exclusive or, with the length, through the same finaliser at the end.

const SEED: u64 = 0x9e37_79b9_7f4a_7c15;
const STEP: u64 = 0xd6e8_feb8_6659_fd93;

/// All 64 bits stirred; a bijection.
pub(super) fn mix(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// Of a whole number.
pub(super) fn whole(value: i64) -> u64 {
    mix((value as u64).wrapping_add(SEED))
}

/// Of a number that is not whole, by its bits.
pub(super) fn real(value: f64) -> u64 {
    mix(value.to_bits() ^ STEP)
}

/// Of a text, by its bytes.
pub(super) fn text(value: &str) -> u64 {
    let bytes = value.as_bytes();
    let mut state = SEED ^ (bytes.len() as u64).wrapping_mul(STEP);
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        // Chunks are of exactly eight bytes.
        let word = u64::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3], chunk[4], chunk[5], chunk[6], chunk[7]]);
        state = fold(state ^ word, STEP);
    }
    let tail = chunks.remainder().iter().rev().fold(0_u64, |word, byte| (word << 8) | u64::from(*byte));
    mix(fold(state ^ tail, SEED))
}

/// The product's halves, folded. Zero is kept from sticking by the addition.
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    ((product >> 64) as u64) ^ (product as u64).wrapping_add(a.rotate_left(23))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn stored_sketches_can_rely_on_these() {
        assert_eq!((whole(0), whole(-1)), (mix(SEED), mix(SEED - 1)));
        assert_eq!(whole(0), 0xe220_a839_7b1d_cdaf, "the first output of splitmix64 from seed 0");
        assert_eq!(["", "a", "smoker", "longer than a word"].map(|t| text(t) >> 32), PINNED);
    }

    const PINNED: [u64; 4] = [3_926_896_841, 4_137_525_252, 3_627_565_310, 3_269_088_305];

    #[test]
    fn like_texts_do_not_collide_and_bits_are_even() {
        let texts: Vec<u64> = (0..200_000).map(|i| text(&format!("client-{i:07}"))).collect();
        assert_eq!(texts.iter().collect::<BTreeSet<_>>().len(), texts.len());
        for bit in 0..64 {
            let ones = texts.iter().filter(|h| *h >> bit & 1 == 1).count() as f64;
            assert!((ones / texts.len() as f64 - 0.5).abs() < 0.006, "bit {bit}: {ones}");
        }
        assert_ne!(text("ab"), text("ab\0"));
    }
}
