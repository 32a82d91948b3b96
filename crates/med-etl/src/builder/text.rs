//! A text column while it is read: views as long as its long texts have few levels, else the texts themselves.
//!
//! A text of at most twelve bytes stands in its row. A longer one is looked up among the column's levels: it is checked to be UTF-8 and
//! copied once, and each further row of it refers to that. A column that turns out to have more levels than the dictionary holds is read
//! without one from then on.

use polars::prelude::*;

use super::views::{Short, Views};

/// Levels that a dictionary holds before the column is read without one.
const MAX_LEVELS: usize = 4096;
/// Slots of the table; a power of two, at most half of them taken.
const SLOTS: usize = 2 * MAX_LEVELS;
const EMPTY: u32 = u32::MAX;

/// Which level a text is.
struct Dictionary {
    slots: Vec<u32>,
    /// The level of the row before, which is often that of this one.
    last: u32,
}

/// Where a text is or would be.
enum Place {
    Level(u32),
    Slot(usize),
}

impl Dictionary {
    fn new() -> Self {
        Self { slots: vec![EMPTY; SLOTS], last: 0 }
    }

    #[inline]
    fn place(&mut self, views: &Views, text: &[u8]) -> Place {
        if same(views.level(self.last), text) {
            return Place::Level(self.last);
        }
        let mut slot = hash(text) as usize & (SLOTS - 1);
        loop {
            match self.slots[slot] {
                EMPTY => return Place::Slot(slot),
                level if same(views.level(level), text) => {
                    self.last = level;
                    return Place::Level(level);
                }
                _ => slot = (slot + 1) & (SLOTS - 1),
            }
        }
    }
}

/// Whether two texts are the same. Those of 8 to 16 bytes overlap in two words, which saves a call for what most levels are.
#[inline]
fn same(a: &[u8], b: &[u8]) -> bool {
    let ends = |text: &[u8]| Some((*text.first_chunk::<8>()?, *text.last_chunk::<8>()?));
    a.len() == b.len() && ends(a) == ends(b) && (matches!(a.len(), 8..=16) || a == b)
}

/// Mixes length, first and last eight bytes; levels that agree in those are told apart by comparing.
#[inline]
fn hash(text: &[u8]) -> u64 {
    const MIX: u64 = 0x9E37_79B9_7F4A_7C15;
    let word = |bytes: Option<&[u8; 8]>| bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let (first, last) = (word(text.first_chunk()), word(text.last_chunk()));
    let mixed = (first ^ last.rotate_left(29) ^ (text.len() as u64) << 56).wrapping_mul(MIX);
    mixed ^ mixed >> 32
}

pub(crate) struct TextCells {
    name: PlSmallStr,
    capacity: usize,
    rows: Rows,
}

enum Rows {
    Views(Views, Dictionary),
    /// With their number, which the builder does not tell.
    Plain(StringChunkedBuilder, usize),
}

impl TextCells {
    pub(crate) fn new(name: PlSmallStr, capacity: usize) -> Self {
        Self { name, capacity, rows: Rows::Views(Views::with_capacity(capacity), Dictionary::new()) }
    }

    pub(crate) fn push_null(&mut self) {
        match &mut self.rows {
            Rows::Views(views, _) => views.push_null(),
            Rows::Plain(plain, rows) => {
                plain.append_null();
                *rows += 1;
            }
        }
    }

    /// Rows so far.
    pub(crate) fn len(&self) -> usize {
        match &self.rows {
            Rows::Views(views, _) => views.len(),
            Rows::Plain(_, rows) => *rows,
        }
    }

    /// Appends a short text, and says whether it did.
    #[inline(always)]
    pub(crate) fn push_short(&mut self, text: Short) -> bool {
        let Rows::Views(views, _) = &mut self.rows else { return false };
        views.push(text);
        true
    }

    /// Appends a text that needs no further look, and says whether it is one.
    #[inline(always)]
    pub(crate) fn push_known(&mut self, text: &[u8]) -> bool {
        let Rows::Views(views, dictionary) = &mut self.rows else { return false };
        if text.len() <= Short::MAX {
            let Some(text) = Short::ascii(text) else { return false };
            views.push(text);
        } else {
            let Place::Level(level) = dictionary.place(views, text) else { return false };
            views.push_level(level);
        }
        true
    }

    pub(crate) fn push(&mut self, text: &[u8]) -> Result<(), &'static str> {
        const NOT_UTF8: &str = "text that is not UTF-8";
        let checked = || std::str::from_utf8(text).map_err(|_| NOT_UTF8);
        if let Rows::Views(views, dictionary) = &mut self.rows {
            if text.len() <= Short::MAX {
                views.push(Short::checked(text).ok_or(NOT_UTF8)?);
                return Ok(());
            }
            match dictionary.place(views, text) {
                Place::Level(level) => {
                    views.push_level(level);
                    return Ok(());
                }
                Place::Slot(slot) => {
                    let text = checked()?;
                    if views.levels() < MAX_LEVELS
                        && let Some(level) = views.add_level(text)
                    {
                        dictionary.slots[slot] = level;
                        dictionary.last = level;
                        views.push_level(level);
                        return Ok(());
                    }
                }
            }
        }
        let text = checked()?;
        self.give_up();
        if let Rows::Plain(plain, rows) = &mut self.rows {
            plain.append_value(text);
            *rows += 1;
        }
        Ok(())
    }

    /// Reads without a dictionary from now on.
    fn give_up(&mut self) {
        let Rows::Views(views, _) = &mut self.rows else { return };
        let rows = views.take(self.name.clone(), 0);
        let mut plain = StringChunkedBuilder::new(self.name.clone(), self.capacity.max(rows.len()));
        rows.iter().for_each(|text| plain.append_option(text));
        self.rows = Rows::Plain(plain, rows.len());
    }

    /// The column of all values since the last call. The dictionary, or that there is none, stays.
    pub(crate) fn take(&mut self) -> Column {
        let (name, capacity) = (self.name.clone(), self.capacity);
        match &mut self.rows {
            Rows::Views(views, _) => views.take(name, capacity).into_column(),
            Rows::Plain(plain, rows) => {
                *rows = 0;
                std::mem::replace(plain, StringChunkedBuilder::new(name, capacity)).finish().into_column()
            }
        }
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
        let column = cells.take();
        column.str().unwrap().iter().map(|t| t.map(str::to_owned)).collect()
    }

    #[test]
    fn few_and_many_levels_read_the_same() {
        let long = "a text that does not fit into a view of twelve bytes, ".repeat(3);
        for levels in [1, 3, MAX_LEVELS, MAX_LEVELS + 1, 3 * MAX_LEVELS] {
            let texts: Vec<Option<String>> = (0..4 * MAX_LEVELS)
                .map(|i| {
                    (i % 7 != 3).then(|| {
                        if i % 2 == 0 { format!("long enough to be a level: {}", i % levels) } else { long.clone() }
                    })
                })
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
        assert_eq!(cells.take().str().unwrap().get(0), Some("x"));
        cells.push(b"y").unwrap();
        cells.push(b"x").unwrap();
        let column = cells.take();
        assert_eq!(column.str().unwrap().iter().collect::<Vec<_>>(), [Some("y"), Some("x")]);
        assert_eq!(cells.push(&[0xFF]), Err("text that is not UTF-8"));
        cells.push(b"longer than twelve bytes").unwrap();
        cells.take();
        assert!(cells.push_known(b"longer than twelve bytes"));
        assert_eq!(cells.take().str().unwrap().get(0), Some("longer than twelve bytes"));
        assert_eq!(cells.push(b"longer than twelve bytes \xFF"), Err("text that is not UTF-8"));
    }
}
