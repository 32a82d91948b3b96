//! One integer a value: two values have the same one exactly if they are the same value.
//!
//! Numbers, dates and texts of at most 12 bytes are in it whole, so it can be turned back. Of longer texts, and of combinations
//! of values, it is a hash of 96 bits: among a million of them the chance that any two fall together is below 1e-16.

use crate::cells::{Cell, Field, Held, Key, Stored};

/// One integer a value.
pub(crate) type Identity = u128;

const SHORT: usize = 12;
/// Above any length of a short text.
const HASHED: u128 = 0xffff_ffff;
const SEEDS: [u64; 3] = [0x9e37_79b9_7f4a_7c15, 0xc2b2_ae3d_27d4_eb4f, 0x1656_67b1_9e37_79f9];

/// The identity of a value.
pub(crate) fn of(cell: Cell<'_>) -> Identity {
    of_key(cell.key())
}

/// The identity of what equals this key. Identities are compared within one column, whose values are of one type.
pub(crate) fn of_key(key: Key<'_>) -> Identity {
    let tagged = |tag: u128, bits: u64| tag << 64 | u128::from(bits);
    match key {
        Key::Whole(value) => tagged(1, value as u64),
        Key::Real(bits) => tagged(2, bits),
        Key::Date(days) => tagged(3, days as u64),
        Key::Time(micros) => tagged(4, micros as u64),
        Key::Text(text) => text_identity(text),
    }
}

/// The identity of a text: its length and bytes, as arrow's views hold short ones, or a hash.
pub(crate) fn text_identity(text: &str) -> Identity {
    let bytes = text.as_bytes();
    if bytes.len() <= SHORT {
        let mut view = [0; 16];
        view[..4].copy_from_slice(&(bytes.len() as u32).to_le_bytes());
        view[4..4 + bytes.len()].copy_from_slice(bytes);
        return u128::from_le_bytes(view);
    }
    hashed(bytes)
}

/// The identity of a combination of values; `None` is a missing one.
pub(crate) fn of_tuple(parts: impl Iterator<Item = Option<Identity>>) -> Identity {
    let (mut a, mut b) = (SEEDS[0], SEEDS[1]);
    for part in parts {
        let part = part.unwrap_or(u128::MAX);
        let (low, high) = (part as u64, (part >> 64) as u64);
        a = fold(a ^ low, SEEDS[2] ^ high);
        b = fold(b ^ high, SEEDS[0] ^ low);
    }
    (u128::from(a) << 64 | u128::from(b)) & !HASHED | HASHED
}

fn hashed(bytes: &[u8]) -> Identity {
    let (mut a, mut b) = (SEEDS[0] ^ bytes.len() as u64, SEEDS[1]);
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        let word = u64::from_le_bytes(word);
        a = fold(a ^ word, SEEDS[2]);
        b = fold(b ^ word.rotate_left(32), SEEDS[0] | 1);
    }
    (u128::from(fold(a, b ^ SEEDS[2])) << 64 | u128::from(fold(b, a ^ SEEDS[1]))) & !HASHED | HASHED
}

fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64 ^ (product >> 64) as u64).wrapping_add(SEEDS[1])
}

/// Where a table puts an identity.
#[inline]
pub(crate) fn hash_of(identity: Identity) -> u64 {
    let mixed =
        (identity as u64 ^ SEEDS[0]).wrapping_mul(SEEDS[1]) ^ ((identity >> 64) as u64).wrapping_mul(SEEDS[2] | 1);
    let mixed = (mixed ^ (mixed >> 32)).wrapping_mul(SEEDS[0]);
    mixed ^ (mixed >> 29)
}

/// The value of an identity; `None` of a hash.
pub(crate) fn value_of(identity: Identity, field: &Field) -> Option<Stored> {
    let bits = identity as u64;
    Some(match field.held {
        Held::Text => {
            let view = identity.to_le_bytes();
            let length = u32::from_le_bytes([view[0], view[1], view[2], view[3]]) as usize;
            if length > SHORT {
                return None;
            }
            Stored::Text(String::from_utf8_lossy(&view[4..4 + length]).into_owned())
        }
        Held::Bool => Stored::Bool(bits == 1),
        Held::Int => Stored::Int(bits as i64),
        Held::Float if identity >> 64 == 1 => Stored::Float(bits as i64 as f64),
        Held::Float => Stored::Float(f64::from_bits(bits)),
        Held::Date => Stored::Date(bits as i32),
        Held::Time => Stored::Time(bits as i64),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_values_come_back() {
        let back = |cell: Cell<'_>, held| {
            let field = Field { name: "x".into(), held, type_name: String::new(), compat: false };
            assert_eq!(value_of(of(cell), &field), Some(Stored::from(cell)));
        };
        back(Cell::Text(""), Held::Text);
        back(Cell::Text("twelve bytes"), Held::Text);
        back(Cell::Float(0.5), Held::Float);
        back(Cell::Float(-3.0), Held::Float);
        back(Cell::Float(f64::NEG_INFINITY), Held::Float);
        back(Cell::Int(i64::MIN), Held::Int);
        back(Cell::Date(-7), Held::Date);
        back(Cell::Time(i64::MAX), Held::Time);
        back(Cell::Bool(true), Held::Bool);
    }

    #[test]
    fn long_texts_and_combinations_differ() {
        let long = |tail: &str| text_identity(&format!("a text that is longer than twelve bytes {tail}"));
        assert_ne!(long("a"), long("b"));
        assert_eq!(long("a"), long("a"));
        assert_ne!(of_tuple([Some(1), Some(2)].into_iter()), of_tuple([Some(2), Some(1)].into_iter()));
        assert_ne!(of_tuple([None, Some(2)].into_iter()), of_tuple([Some(2), None].into_iter()));
    }
}
