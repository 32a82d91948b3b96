//! A text column while it is read: codes of a dictionary as long as it has few levels, else the texts themselves.
//!
//! A level is checked to be UTF-8 and copied once; each further row of it costs one look-up and four bytes. A column that
//! turns out to have more levels than the dictionary holds is read without one from then on.

use polars::prelude::*;

use super::cells::Validity;

/// Levels that a dictionary holds before the column is read without one.
const MAX_LEVELS: usize = 4096;
/// Slots of the table; a power of two, at most half of them taken.
const SLOTS: usize = 2 * MAX_LEVELS;
const EMPTY: u32 = u32::MAX;

pub(crate) struct Dictionary {
    /// All levels, one after the other.
    bytes: Vec<u8>,
    /// Where each level ends in `bytes`.
    ends: Vec<usize>,
    slots: Vec<u32>,
    /// The level of the row before, which is often that of this one.
    last: Option<u32>,
}

impl Dictionary {
    fn new() -> Self {
        Self { bytes: Vec::new(), ends: Vec::new(), slots: vec![EMPTY; SLOTS], last: None }
    }

    #[inline]
    fn level(&self, code: u32) -> &[u8] {
        let code = code as usize;
        let start = if code == 0 { 0 } else { self.ends[code - 1] };
        &self.bytes[start..self.ends[code]]
    }

    /// The code of this text, if it has one.
    #[inline]
    fn known(&mut self, text: &[u8]) -> Option<u32> {
        if let Some(last) = self.last
            && same(self.level(last), text)
        {
            return Some(last);
        }
        let mut slot = hash(text) as usize & (SLOTS - 1);
        loop {
            match self.slots[slot] {
                EMPTY => return None,
                code if same(self.level(code), text) => {
                    self.last = Some(code);
                    return Some(code);
                }
                _ => slot = (slot + 1) & (SLOTS - 1),
            }
        }
    }

    /// The code of this text; `Err(true)` when the dictionary is full, `Err(false)` when the text is not UTF-8.
    fn code(&mut self, text: &[u8]) -> Result<u32, bool> {
        if let Some(code) = self.known(text) {
            return Ok(code);
        }
        if self.ends.len() == MAX_LEVELS {
            return Err(true);
        }
        if std::str::from_utf8(text).is_err() {
            return Err(false);
        }
        let mut slot = hash(text) as usize & (SLOTS - 1);
        while self.slots[slot] != EMPTY {
            slot = (slot + 1) & (SLOTS - 1);
        }
        let code = self.ends.len() as u32;
        self.bytes.extend_from_slice(text);
        self.ends.push(self.bytes.len());
        self.slots[slot] = code;
        self.last = Some(code);
        Ok(code)
    }

    fn levels(&self) -> impl Iterator<Item = &str> {
        // Every level was checked when it came in.
        (0..self.ends.len() as u32).map(|code| std::str::from_utf8(self.level(code)).unwrap_or_default())
    }
}

/// Whether two texts are the same. Those of 8 to 16 bytes overlap in two words, which saves a call for what most are.
#[inline]
fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    match (a.first_chunk::<8>(), b.first_chunk::<8>(), a.last_chunk::<8>(), b.last_chunk::<8>()) {
        (Some(a_first), Some(b_first), Some(a_last), Some(b_last)) => {
            a_first == b_first && a_last == b_last && (a.len() <= 16 || a == b)
        }
        _ => word(a) == word(b),
    }
}

/// A text of fewer than eight bytes as one number, which tells texts of one length apart.
#[inline]
fn word(text: &[u8]) -> u64 {
    match (text.first_chunk::<4>(), text.last_chunk::<4>()) {
        (Some(first), Some(last)) => u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last)),
        _ => match text {
            [] => 0,
            [first, .., last] => u64::from(*first) << 16 | u64::from(text[1]) << 8 | u64::from(*last),
            [only] => u64::from(*only),
        },
    }
}

/// Mixes length, first and last eight bytes; levels that agree in those are told apart by comparing.
#[inline]
fn hash(text: &[u8]) -> u64 {
    const MIX: u64 = 0x9E37_79B9_7F4A_7C15;
    let (first, last) = match (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
        _ => (word(text), 0),
    };
    let mixed = (first ^ last.rotate_left(29) ^ (text.len() as u64) << 56).wrapping_mul(MIX);
    mixed ^ mixed >> 32
}

pub(crate) struct TextCells {
    dictionary: Option<Box<Dictionary>>,
    codes: Vec<u32>,
    validity: Validity,
    plain: Option<StringChunkedBuilder>,
    plain_rows: usize,
    name: PlSmallStr,
    capacity: usize,
}

impl TextCells {
    pub(crate) fn new(name: PlSmallStr, capacity: usize) -> Self {
        let dictionary = Some(Box::new(Dictionary::new()));
        Self {
            dictionary,
            codes: Vec::new(),
            validity: Validity::default(),
            plain: None,
            plain_rows: 0,
            name,
            capacity,
        }
    }

    pub(crate) fn push_null(&mut self) {
        if let Some(plain) = &mut self.plain {
            plain.append_null();
            self.plain_rows += 1;
        } else {
            self.validity.push_null(self.codes.len());
            self.codes.push(0);
        }
    }

    /// Rows so far.
    pub(crate) fn len(&self) -> usize {
        if self.plain.is_some() { self.plain_rows } else { self.codes.len() }
    }

    /// Appends a text that the dictionary has, and says whether it has.
    #[inline(always)]
    pub(crate) fn push_known(&mut self, text: &[u8]) -> bool {
        let Some(code) = self.dictionary.as_mut().and_then(|dictionary| dictionary.known(text)) else { return false };
        self.codes.push(code);
        self.validity.push_valid();
        true
    }

    pub(crate) fn push(&mut self, text: &[u8]) -> Result<(), &'static str> {
        const NOT_UTF8: &str = "text that is not UTF-8";
        if let Some(dictionary) = &mut self.dictionary {
            match dictionary.code(text) {
                Ok(code) => {
                    self.codes.push(code);
                    self.validity.push_valid();
                    return Ok(());
                }
                Err(false) => return Err(NOT_UTF8),
                Err(true) => self.give_up(),
            }
        }
        let text = std::str::from_utf8(text).map_err(|_| NOT_UTF8)?;
        let (name, capacity) = (&self.name, self.capacity);
        self.plain.get_or_insert_with(|| StringChunkedBuilder::new(name.clone(), capacity)).append_value(text);
        self.plain_rows += 1;
        Ok(())
    }

    /// Goes on without a dictionary, which has become too large.
    #[cold]
    fn give_up(&mut self) {
        let mut plain = StringChunkedBuilder::new(self.name.clone(), self.capacity.max(self.codes.len()));
        if let Some(dictionary) = self.dictionary.take() {
            let levels: Vec<&str> = dictionary.levels().collect();
            for (row, code) in self.codes.iter().enumerate() {
                if self.validity.is_valid(row) {
                    plain.append_value(levels[*code as usize]);
                } else {
                    plain.append_null();
                }
            }
        }
        self.plain_rows = self.codes.len();
        self.codes = Vec::new();
        self.validity = Validity::default();
        self.plain = Some(plain);
    }

    /// The column of all values since the last call. The dictionary, or that there is none, stays.
    pub(crate) fn take(&mut self) -> PolarsResult<Column> {
        let name = self.name.clone();
        let Some(dictionary) = &self.dictionary else {
            self.plain_rows = 0;
            let next = StringChunkedBuilder::new(name.clone(), self.capacity);
            let plain = self.plain.replace(next).unwrap_or_else(|| StringChunkedBuilder::new(name, 0));
            return Ok(plain.finish().into_column());
        };
        let codes = std::mem::take(&mut self.codes);
        let validity = std::mem::take(&mut self.validity).finish();
        let mut levels = StringChunkedBuilder::new(name, dictionary.ends.len().max(1));
        dictionary.levels().for_each(|level| levels.append_value(level));
        if dictionary.ends.is_empty() {
            // For the codes of nulls alone.
            levels.append_null();
        }
        // Long levels are shared by all rows that have them.
        let codes = IdxCa::from_vec_validity(PlSmallStr::EMPTY, codes, validity);
        Ok(levels.finish().take(&codes)?.into_column())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(texts: &[Option<&str>]) -> Vec<Option<String>> {
        let mut cells = TextCells::new("c".into(), 4);
        for text in texts {
            match text {
                Some(text) => cells.push(text.as_bytes()).unwrap(),
                None => cells.push_null(),
            }
        }
        let column = cells.take().unwrap();
        column.str().unwrap().iter().map(|t| t.map(str::to_owned)).collect()
    }

    #[test]
    fn few_and_many_levels_read_the_same() {
        let long = "a text that does not fit into a view of twelve bytes, ".repeat(3);
        for levels in [1, 3, MAX_LEVELS, MAX_LEVELS + 1, 3 * MAX_LEVELS] {
            let texts: Vec<Option<String>> = (0..4 * MAX_LEVELS)
                .map(|i| (i % 7 != 3).then(|| if i % 2 == 0 { format!("{}", i % levels) } else { long.clone() }))
                .collect();
            let given: Vec<Option<&str>> = texts.iter().map(Option::as_deref).collect();
            assert_eq!(read(&given), texts, "{levels}");
        }
        assert_eq!(read(&[None, None]), [None, None]);
        assert_eq!(read(&[]), Vec::<Option<String>>::new());
        assert_eq!(read(&[None, Some(""), Some("\0")]), [None, Some(String::new()), Some("\0".to_owned())]);
    }

    #[test]
    fn levels_that_hash_alike_are_told_apart() {
        let alike = [Some("12345678 a 12345678"), Some("12345678 b 12345678"), Some("12345678 a 12345678")];
        assert_eq!(read(&alike), alike.map(|t| t.map(str::to_owned)));
    }

    #[test]
    fn short_texts_are_told_apart() {
        let texts =
            ["", "a", "b", "ab", "ba", "abc", "acb", "cba", "abcd", "abdc", "abcde", "abcdefg", "abcdegf", "abcdefgh"];
        for a in texts {
            for b in texts {
                assert_eq!(same(a.as_bytes(), b.as_bytes()), a == b, "{a} {b}");
            }
        }
    }

    #[test]
    fn batches_go_on_with_the_dictionary() {
        let mut cells = TextCells::new("c".into(), 4);
        cells.push(b"x").unwrap();
        assert_eq!(cells.take().unwrap().str().unwrap().get(0), Some("x"));
        cells.push(b"y").unwrap();
        cells.push(b"x").unwrap();
        let column = cells.take().unwrap();
        assert_eq!(column.str().unwrap().iter().collect::<Vec<_>>(), [Some("y"), Some("x")]);
        assert_eq!(cells.push(&[0xFF]), Err("text that is not UTF-8"));
    }
}
