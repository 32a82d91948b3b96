//! JSON as Python's `json.loads` reads it: also `NaN`, `Infinity` and `-Infinity`, and numbers of any size.

use serde_json::{Map, Number, Value};

/// Deeper nesting is taken for no JSON, as Python's recursion limit does.
const MAX_DEPTH: usize = 500;

/// The value, if the text is JSON. What JSON has no number for becomes null.
pub(crate) fn parse(text: &str) -> Option<Value> {
    let mut reader = Reader { bytes: text.as_bytes(), text, at: 0 };
    reader.blanks();
    let value = reader.value(0)?;
    reader.blanks();
    (reader.at == text.len()).then_some(value)
}

struct Reader<'t> {
    bytes: &'t [u8],
    text: &'t str,
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn eat(&mut self, word: &str) -> Option<()> {
        self.bytes[self.at..].starts_with(word.as_bytes()).then(|| self.at += word.len())
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth > MAX_DEPTH {
            return None;
        }
        match self.peek()? {
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b'"' => self.string().map(Value::String),
            b't' => self.eat("true").map(|()| Value::Bool(true)),
            b'f' => self.eat("false").map(|()| Value::Bool(false)),
            b'n' => self.eat("null").map(|()| Value::Null),
            b'N' => self.eat("NaN").map(|()| Value::Null),
            b'I' => self.eat("Infinity").map(|()| Value::Null),
            b'-' if self.bytes[self.at..].starts_with(b"-Infinity") => self.eat("-Infinity").map(|()| Value::Null),
            _ => self.number(),
        }
    }

    fn object(&mut self, depth: usize) -> Option<Value> {
        let mut object = Map::new();
        self.at += 1;
        self.blanks();
        if self.eat("}").is_some() {
            return Some(Value::Object(object));
        }
        loop {
            self.blanks();
            let key = (self.peek()? == b'"').then(|| self.string())??;
            self.blanks();
            self.eat(":")?;
            self.blanks();
            object.insert(key, self.value(depth + 1)?);
            self.blanks();
            if self.eat(",").is_none() {
                return self.eat("}").map(|()| Value::Object(object));
            }
        }
    }

    fn array(&mut self, depth: usize) -> Option<Value> {
        let mut array = Vec::new();
        self.at += 1;
        self.blanks();
        if self.eat("]").is_some() {
            return Some(Value::Array(array));
        }
        loop {
            self.blanks();
            array.push(self.value(depth + 1)?);
            self.blanks();
            if self.eat(",").is_none() {
                return self.eat("]").map(|()| Value::Array(array));
            }
        }
    }

    fn string(&mut self) -> Option<String> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let c = self.text[self.at..].chars().next()?;
            self.at += c.len_utf8();
            match c {
                '"' => return Some(out),
                '\\' => {
                    let escape = self.peek()?;
                    self.at += 1;
                    out.push(match escape {
                        b'"' => '"',
                        b'\\' => '\\',
                        b'/' => '/',
                        b'b' => '\u{8}',
                        b'f' => '\u{c}',
                        b'n' => '\n',
                        b'r' => '\r',
                        b't' => '\t',
                        b'u' => self.unicode()?,
                        _ => return None,
                    });
                }
                c if (c as u32) < 0x20 => return None,
                c => out.push(c),
            }
        }
    }

    fn hex(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        self.at += 4;
        digits.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok()).flatten()
    }

    /// A pair of surrogates is one character; a lone one, which Python lets pass, becomes the replacement character.
    fn unicode(&mut self) -> Option<char> {
        let high = self.hex()?;
        if (0xD800..0xDC00).contains(&high) && self.bytes[self.at..].starts_with(b"\\u") {
            let before = self.at;
            self.at += 2;
            let low = self.hex()?;
            if (0xDC00..0xE000).contains(&low) {
                return char::from_u32(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00));
            }
            self.at = before;
        }
        Some(char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        self.at - start
    }

    fn number(&mut self) -> Option<Value> {
        let start = self.at;
        let _ = self.eat("-");
        let first = self.peek()?;
        let digits = self.digits();
        if digits == 0 {
            return None;
        }
        // A leading zero stands alone; what follows is then not part of the number.
        if first == b'0' && digits > 1 {
            return None;
        }
        let mut whole = true;
        if self.peek() == Some(b'.') && self.bytes.get(self.at + 1).is_some_and(u8::is_ascii_digit) {
            whole = false;
            self.at += 1;
            self.digits();
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            let before = self.at;
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if self.digits() == 0 {
                self.at = before;
            } else {
                whole = false;
            }
        }
        let text = &self.text[start..self.at];
        if whole && let Ok(number) = text.parse::<i64>() {
            return Some(Value::from(number));
        }
        Some(text.parse::<f64>().ok().and_then(Number::from_f64).map_or(Value::Null, Value::Number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_python_reads() {
        let good = ["{}", " 1 ", "NaN", "-Infinity", r#"{"a":[1,2.5e3,null]}"#, r#""\ud83d\ude00""#, "1e999", "-0"];
        let bad = ["", "{", "[1,]", "01", "1.", "'a'", "{a:1}", "nan", "\"\t\"", "1 2", ".5", "+1", "{\"a\":1,}"];
        assert!(good.iter().all(|text| parse(text).is_some()));
        assert!(bad.iter().all(|text| parse(text).is_none()));
        assert_eq!(parse(r#""\ud83d\ude00""#), Some(Value::from("😀")));
    }
}
