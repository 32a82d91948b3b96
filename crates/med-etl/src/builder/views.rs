//! Texts as Arrow's views: a text of at most twelve bytes stands in its row, a longer one is a level, whose bytes all of its rows share.

use polars::prelude::{ArrowDataType, PlSmallStr, StringChunked};
use polars_arrow::array::{Utf8ViewArray, View};

use super::cells::Validity;

/// A text of at most twelve bytes, checked to be UTF-8, as the two words of its view: length and first four bytes, then the others, with
/// zeros behind the last. In whole words, because a processor waits where it reads a word that was just written in other pieces.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Short([u64; 2]);

/// What of each word belongs to a text of so many bytes.
#[cfg(feature = "postgres")]
const MASKS: [[u64; 2]; Short::MAX + 1] = {
    let mut masks = [[0xFFFF_FFFF, 0]; Short::MAX + 1];
    let mut length = 1;
    while length < masks.len() {
        let place = length - 1 + 4;
        masks[length] = masks[length - 1];
        masks[length][place / 8] |= 0xFF << (8 * (place % 8));
        length += 1;
    }
    masks
};

impl Short {
    /// Bytes that fit.
    pub(crate) const MAX: usize = View::MAX_INLINE_SIZE as usize;

    /// This text, if it is short enough and nothing but ASCII, as which most short ones are.
    #[inline(always)]
    pub(crate) fn ascii(text: &[u8]) -> Option<Self> {
        Self::packed(text).filter(Self::is_ascii)
    }

    /// The first `length` of these bytes, likewise. It takes fewer steps than a text that ends where its bytes do.
    #[cfg(feature = "postgres")]
    #[inline(always)]
    pub(crate) fn ascii_in(bytes: &[u8; Self::MAX], length: u32) -> Option<Self> {
        let [first, others] = MASKS.get(length as usize)?;
        let [a, b, c, d, rest @ ..] = *bytes;
        let start = u64::from(u32::from_le_bytes([a, b, c, d])) << 32 | u64::from(length);
        Some(Self([start & first, u64::from_le_bytes(rest) & others])).filter(Self::is_ascii)
    }

    /// This text, if it is short enough and UTF-8.
    pub(crate) fn checked(text: &[u8]) -> Option<Self> {
        let short = Self::packed(text)?;
        (short.is_ascii() || std::str::from_utf8(text).is_ok()).then_some(short)
    }

    /// These bytes, if they are few enough.
    #[inline(always)]
    fn packed(text: &[u8]) -> Option<Self> {
        let length = text.len();
        if length > Self::MAX {
            return None;
        }
        let word = |bytes: &[u8; 4]| u64::from(u32::from_le_bytes(*bytes));
        // Two words that may overlap cover any length.
        let (first, others) = match (text.first_chunk::<4>(), text.last_chunk::<4>()) {
            (Some(first), Some(last)) if length <= 8 => (word(first), word(last) >> (8 * (8 - length))),
            (Some(first), Some(last)) => {
                let middle = text.get(4..8).and_then(|bytes| bytes.first_chunk()).map_or(0, word);
                (word(first), middle | word(last) << (8 * (length - 8)))
            }
            _ => match text {
                [] => (0, 0),
                [only] => (u64::from(*only), 0),
                [first, second, ..] => {
                    let third = text.get(2).copied().unwrap_or_default();
                    (u64::from(*first) | u64::from(*second) << 8 | u64::from(third) << 16, 0)
                }
            },
        };
        Some(Self([first << 32 | length as u64, others]))
    }

    #[inline(always)]
    fn is_ascii(&self) -> bool {
        const HIGH: u64 = 0x8080_8080_8080_8080;
        // The length has no such bit.
        (self.0[0] | self.0[1]) & HIGH == 0
    }

    #[inline(always)]
    pub(crate) fn view(self) -> View {
        let [first, others] = self.0;
        let bytes = |word: u64| u32::from_le(word as u32);
        View {
            length: first as u32,
            prefix: bytes(first >> 32),
            buffer_idx: bytes(others),
            offset: bytes(others >> 32),
        }
    }
}

/// Rows of text, and the levels that rows of longer texts refer to. Rows are taken batch by batch; levels stay.
pub(crate) struct Views {
    rows: Vec<View>,
    validity: Validity,
    levels: Vec<View>,
    /// The bytes of all levels, one after the other.
    bytes: Vec<u8>,
    /// No rows, with the bytes that the batch before had, for as long as no level is added.
    shared: Utf8ViewArray,
}

impl Views {
    /// Bytes that all levels together may have. They are copied for every batch that brings new ones.
    pub(crate) const MAX_BYTES: usize = 1 << 24;

    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self {
            rows: Vec::with_capacity(capacity),
            validity: Validity::default(),
            levels: Vec::new(),
            bytes: Vec::new(),
            shared: Utf8ViewArray::new_empty(ArrowDataType::Utf8View),
        }
    }

    /// Rows so far.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    #[inline(always)]
    pub(crate) fn push(&mut self, text: Short) {
        self.rows.push(text.view());
    }

    pub(crate) fn push_null(&mut self) {
        self.validity.push_null(self.rows.len());
        self.rows.push(View::default());
    }

    /// Appends a row of this level; without such a level, an empty text.
    #[inline(always)]
    pub(crate) fn push_level(&mut self, level: u32) {
        self.rows.push(self.levels.get(level as usize).copied().unwrap_or_default());
    }

    pub(crate) fn levels(&self) -> usize {
        self.levels.len()
    }

    #[inline(always)]
    pub(crate) fn level(&self, level: u32) -> &[u8] {
        match self.levels.get(level as usize) {
            Some(view) => &self.bytes[view.offset as usize..][..view.length as usize],
            None => &[],
        }
    }

    /// Adds a level of more than twelve bytes and gives its number; nothing if it is shorter or there is no room.
    pub(crate) fn add_level(&mut self, text: &str) -> Option<u32> {
        if text.len() <= Short::MAX || text.len() > Self::MAX_BYTES - self.bytes.len() {
            return None;
        }
        let level = u32::try_from(self.levels.len()).ok()?;
        self.levels.push(View::new_from_bytes(text.as_bytes(), 0, self.bytes.len() as u32));
        self.bytes.extend_from_slice(text.as_bytes());
        Some(level)
    }

    /// All rows since the last call.
    pub(crate) fn take(&mut self, name: PlSmallStr, capacity: usize) -> StringChunked {
        let rows = std::mem::replace(&mut self.rows, Vec::with_capacity(capacity));
        let validity = std::mem::take(&mut self.validity).finish(rows.len());
        if self.shared.total_buffer_len() < self.bytes.len() {
            let buffers = std::iter::once(self.bytes.clone().into()).collect();
            // SAFETY: there are no rows.
            self.shared = unsafe {
                Utf8ViewArray::new_unchecked(
                    ArrowDataType::Utf8View,
                    Vec::new().into(),
                    buffers,
                    None,
                    Some(0),
                    self.bytes.len(),
                )
            };
        }
        // SAFETY: a row of at most twelve bytes is a `Short`, which is UTF-8 by its constructors, or the empty view of a null. Any
        // other is an element of `levels`, which names a range of `bytes`, the buffer at index 0, that a `str` was copied to. `bytes`
        // only grows, and `shared` has all of it. The validity has as many bits as there are rows. To check all that once more makes
        // decoding take half as long again.
        let array = unsafe {
            Utf8ViewArray::new_unchecked(
                ArrowDataType::Utf8View,
                rows.into(),
                self.shared.data_buffers().clone(),
                validity,
                None,
                self.bytes.len(),
            )
        };
        StringChunked::with_chunk(name, array)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_texts_of_every_length_are_packed() {
        let bytes = |short: &Short| short.view().get_inlined_slice().unwrap().to_vec();
        let text = "abcdefghijklm";
        for length in 0..=13 {
            let text = &text.as_bytes()[..length];
            let expected = (length <= 12).then_some(text);
            assert_eq!(Short::ascii(text).as_ref().map(bytes).as_deref(), expected);
            assert_eq!(Short::checked(text).as_ref().map(bytes).as_deref(), expected);
            if length <= 12 {
                assert_eq!(Short::ascii(text).unwrap().view(), View::new_inline(text));
            }
        }
        for text in ["é", "aé", "abé", "Ärzte", "Zahnärzte", "nach Köln"] {
            assert!(Short::ascii(text.as_bytes()).is_none(), "{text}");
            assert_eq!(Short::checked(text.as_bytes()).unwrap().view(), View::new_inline(text.as_bytes()), "{text}");
        }
        assert!(Short::checked(b"abc\xFF").is_none());
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn what_stands_behind_a_short_text_is_none_of_it() {
        let bytes = b"abcdefgh\xFFijk";
        for length in 0..=8 {
            assert_eq!(Short::ascii_in(bytes, length).unwrap().view(), View::new_inline(&bytes[..length as usize]));
        }
        assert!(Short::ascii_in(bytes, 9).is_none());
        assert_eq!(Short::ascii_in(b"abcdefghijkl", 12).unwrap().view(), View::new_inline(b"abcdefghijkl"));
        assert!(Short::ascii_in(b"abcdefghijkl", 13).is_none());
        assert!(Short::ascii_in(b"abcdefghijkl", u32::MAX).is_none());
    }

    #[test]
    fn batches_keep_their_rows_when_levels_are_added() {
        let mut views = Views::with_capacity(2);
        let first = views.add_level("the first of the levels").unwrap();
        views.push_level(first);
        views.push_null();
        let one = views.take("c".into(), 2);
        let second = views.add_level("the second, née 2").unwrap();
        views.push(Short::checked(b"short").unwrap());
        views.push_level(second);
        views.push_level(first);
        let two = views.take("c".into(), 2);
        assert_eq!(one.iter().collect::<Vec<_>>(), [Some("the first of the levels"), None]);
        let expected = [Some("short"), Some("the second, née 2"), Some("the first of the levels")];
        assert_eq!(two.iter().collect::<Vec<_>>(), expected);
        assert_eq!(views.take("c".into(), 2).len(), 0);
        assert_eq!(views.add_level("short"), None, "stands in its row");
        assert_eq!(views.add_level(&"x".repeat(Views::MAX_BYTES)), None, "too long");
    }
}
