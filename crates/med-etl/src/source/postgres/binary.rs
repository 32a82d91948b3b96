//! PostgreSQL's binary copy format: a header, rows of counted fields, a trailer. The server sends every row as one message.

use crate::EtlError;
use crate::builder::{Decimal, Short, Value};
use crate::source::{CursorValue, RowSink, Wire, cursor_value};

const SIGNATURE: &[u8] = b"PGCOPY\n\xFF\r\n\0";
/// From 1970-01-01 to 2000-01-01, where PostgreSQL counts from.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_MICROSECONDS: i64 = 946_684_800_000_000;

/// Reads messages as they come.
pub(super) struct Decoder<'a> {
    wires: &'a [Wire],
    started: bool,
    ended: bool,
}

/// Bytes still to be read.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    #[inline]
    fn take(&mut self, count: usize) -> Result<&'a [u8], EtlError> {
        let Some((taken, rest)) = self.0.split_at_checked(count) else { return Err(EtlError::CopyCut) };
        self.0 = rest;
        Ok(taken)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], EtlError> {
        let Some((taken, rest)) = self.0.split_first_chunk::<N>() else { return Err(EtlError::CopyCut) };
        self.0 = rest;
        Ok(*taken)
    }

    /// The next field, if it has this length. Where the field behind it begins is then known without waiting for the length.
    #[inline(always)]
    fn sized<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (length, rest) = self.0.split_first_chunk::<4>()?;
        if u32::from_be_bytes(*length) as usize != N {
            return None;
        }
        let (field, rest) = rest.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }

    /// The next field, if it is a short text with enough bytes behind its beginning to look at in one step.
    #[inline(always)]
    fn short(&mut self) -> Option<Short> {
        let (length, rest) = self.0.split_first_chunk::<4>()?;
        let length = u32::from_be_bytes(*length);
        let text = Short::ascii_in(rest.first_chunk()?, length)?;
        self.0 = rest.get(length as usize..)?;
        Some(text)
    }
}

impl<'a> Decoder<'a> {
    pub(super) fn new(wires: &'a [Wire]) -> Self {
        Self { wires, started: false, ended: false }
    }

    /// Whether the trailer came.
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    pub(super) fn message<S: RowSink>(&mut self, message: &[u8], sink: &mut S) -> Result<(), S::Error> {
        let mut bytes = Bytes(message);
        if !self.started {
            if bytes.take(SIGNATURE.len())? != SIGNATURE {
                return Err(EtlError::CopyFormat { what: "another signature" }.into());
            }
            let flags = u32::from_be_bytes(bytes.array()?);
            if flags & 0xFFFF_0000 != 0 {
                return Err(EtlError::CopyFormat { what: "flags that are not known" }.into());
            }
            let extension = u32::from_be_bytes(bytes.array()?);
            bytes.take(extension as usize)?;
            self.started = true;
        }
        while !bytes.0.is_empty() && !self.ended {
            let fields = i16::from_be_bytes(bytes.array()?);
            if fields == -1 {
                self.ended = true;
            } else if usize::try_from(fields) == Ok(self.wires.len()) {
                self.row(&mut bytes, sink)?;
                sink.end_row()?;
            } else {
                return Err(EtlError::CopyFormat { what: "another number of columns" }.into());
            }
        }
        Ok(())
    }

    #[inline]
    fn row<S: RowSink>(&self, bytes: &mut Bytes<'_>, sink: &mut S) -> Result<(), EtlError> {
        for (column, wire) in self.wires.iter().enumerate() {
            if !usual(*wire, bytes, Cell { sink: &mut *sink, column }) {
                other(*wire, bytes, Cell { sink: &mut *sink, column })?;
            }
        }
        Ok(())
    }
}

/// Reads the next field and hands it on if it has the length that values of its form have, or is a short text; else does nothing.
#[inline(always)]
fn usual<T: Take>(wire: Wire, bytes: &mut Bytes<'_>, to: T) -> bool {
    macro_rules! sized {
        ($make:expr) => {
            match bytes.sized() {
                Some(field) => to.take($make(field)),
                None => return false,
            }
        };
    }
    match wire {
        Wire::Text => match bytes.short() {
            Some(text) => to.take(Value::Short(text)),
            None => return false,
        },
        Wire::Int8 => sized!(int8),
        Wire::Int4 => sized!(int4),
        Wire::Int2 => sized!(int2),
        Wire::Date => sized!(date),
        Wire::Timestamp => sized!(timestamp),
        Wire::Float8 => sized!(float8),
        Wire::Float4 => sized!(float4),
        Wire::Boolean => sized!(boolean),
        Wire::Numeric | Wire::Uuid => return false,
    };
    true
}

/// Reads the next field, whatever it is, and hands it on.
#[inline(never)]
fn other<T: Take>(wire: Wire, bytes: &mut Bytes<'_>, to: T) -> Result<T::Taken, EtlError> {
    let length = i32::from_be_bytes(bytes.array()?);
    Ok(match usize::try_from(length) {
        Err(_) => to.take(Value::Null),
        Ok(length) => with_value(wire, bytes.take(length)?, to),
    })
}

fn int8(bytes: [u8; 8]) -> Value<'static> {
    Value::Integer(i64::from_be_bytes(bytes))
}

fn int4(bytes: [u8; 4]) -> Value<'static> {
    Value::Integer(i64::from(i32::from_be_bytes(bytes)))
}

fn int2(bytes: [u8; 2]) -> Value<'static> {
    Value::Integer(i64::from(i16::from_be_bytes(bytes)))
}

fn date(bytes: [u8; 4]) -> Value<'static> {
    match i32::from_be_bytes(bytes) {
        i32::MIN | i32::MAX => Value::Other("infinite date"),
        days => days.checked_add(EPOCH_DAYS).map_or(Value::Other("date beyond the calendar"), Value::Date),
    }
}

fn timestamp(bytes: [u8; 8]) -> Value<'static> {
    match i64::from_be_bytes(bytes) {
        i64::MIN | i64::MAX => Value::Other("infinite timestamp"),
        moment => {
            let beyond = Value::Other("timestamp beyond the calendar");
            moment.checked_add(EPOCH_MICROSECONDS).map_or(beyond, Value::Timestamp)
        }
    }
}

fn float8(bytes: [u8; 8]) -> Value<'static> {
    Value::Real(f64::from_be_bytes(bytes))
}

fn float4(bytes: [u8; 4]) -> Value<'static> {
    Value::Real(f64::from(f32::from_be_bytes(bytes)))
}

fn boolean([flag]: [u8; 1]) -> Value<'static> {
    Value::Boolean(flag != 0)
}

/// Takes one value.
///
/// A trait and no closure, because a closure cannot be told to vanish into every arm of [`with_value`]. There the class of the value
/// is known, so that of a column builder nothing is left but a comparison and a push.
pub(super) trait Take {
    type Taken;
    fn take(self, value: Value<'_>) -> Self::Taken;
}

/// The place of a value in a row.
pub(super) struct Cell<'a, S> {
    pub(super) sink: &'a mut S,
    pub(super) column: usize,
}

impl<S: RowSink> Take for Cell<'_, S> {
    type Taken = ();

    #[inline(always)]
    fn take(self, value: Value<'_>) {
        self.sink.value(self.column, value);
    }
}

/// Makes a value part of a watermark.
struct AsCursor;

impl Take for AsCursor {
    type Taken = Result<Option<CursorValue>, &'static str>;

    fn take(self, value: Value<'_>) -> Self::Taken {
        cursor_value(value)
    }
}

/// Reads one field and hands it on.
#[inline(always)]
pub(super) fn with_value<T: Take>(wire: Wire, field: &[u8], to: T) -> T::Taken {
    const LENGTH: Value<'static> = Value::Other("a value of another length than its type has");
    macro_rules! sized {
        ($make:expr) => {
            match field.try_into() {
                Ok(bytes) => to.take($make(bytes)),
                Err(_) => to.take(LENGTH),
            }
        };
    }
    match wire {
        Wire::Text => to.take(Value::Text(field)),
        Wire::Int8 => sized!(int8),
        Wire::Int4 => sized!(int4),
        Wire::Int2 => sized!(int2),
        Wire::Date => sized!(date),
        Wire::Timestamp => sized!(timestamp),
        Wire::Float8 => sized!(float8),
        Wire::Float4 => sized!(float4),
        Wire::Boolean => sized!(boolean),
        Wire::Numeric => match numeric(field) {
            Ok(decimal) => to.take(Value::Decimal(&decimal)),
            Err(found) => to.take(Value::Other(found)),
        },
        Wire::Uuid => match uuid(field) {
            Some(text) => to.take(Value::Text(&text)),
            None => to.take(LENGTH),
        },
    }
}

/// A field as part of a watermark.
pub(super) fn cursor(wire: Wire, field: &[u8]) -> Result<Option<CursorValue>, &'static str> {
    with_value(wire, field, AsCursor)
}

/// Digits of base 10,000 with the weight of the first, a sign, and the number of decimals shown.
fn numeric(field: &[u8]) -> Result<Decimal, &'static str> {
    const LARGE: &str = "numeric of more than 38 digits";
    let word = |place: usize| field.get(2 * place..2 * place + 2).map(|b| u16::from_be_bytes([b[0], b[1]]));
    let (Some(count), Some(weight), Some(sign), Some(scale)) = (word(0), word(1), word(2), word(3)) else {
        return Err("a numeric that is cut off");
    };
    let negative = match sign {
        0 => false,
        0x4000 => true,
        0xC000 => return Err("numeric NaN"),
        _ => return Err("infinite numeric"),
    };
    let weight = i32::from(weight as i16);
    // Decimals that the digits hold; negative when zeros are left out behind them.
    let held = 4 * (i32::from(count as i16) - 1 - weight);
    let shift = i32::from(scale as i16) - held;
    // Four digits, which most numbers have at most, fit a word, and words divide much faster.
    if let (0..=4, -3..=0) = (count, shift) {
        let mut unscaled: i64 = 0;
        for place in 0..usize::from(count) {
            let Some(digit) = word(4 + place) else { return Err("a numeric that is cut off") };
            unscaled = 10_000 * unscaled + i64::from(digit);
        }
        unscaled /= [1, 10, 100, 1000][shift.unsigned_abs() as usize];
        let unscaled = i128::from(if negative { -unscaled } else { unscaled });
        return Ok(Decimal { unscaled, scale: scale.into() });
    }
    let mut unscaled: i128 = 0;
    for place in 0..usize::from(count) {
        let Some(digit) = word(4 + place) else { return Err("a numeric that is cut off") };
        let Some(next) = unscaled.checked_mul(10_000).and_then(|u| u.checked_add(i128::from(digit))) else {
            return Err(LARGE);
        };
        unscaled = next;
    }
    let power = crate::builder::power_of_ten(shift.unsigned_abs());
    let unscaled = match power {
        _ if unscaled == 0 => Some(0),
        Some(power) if shift >= 0 => unscaled.checked_mul(power),
        // What is cut off are zeros that only fill the last digit of base 10,000.
        Some(power) => Some(unscaled / power),
        None => None,
    };
    match unscaled {
        Some(unscaled) => Ok(Decimal { unscaled: if negative { -unscaled } else { unscaled }, scale: scale.into() }),
        None => Err(LARGE),
    }
}

fn uuid(field: &[u8]) -> Option<[u8; 36]> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let bytes: &[u8; 16] = field.try_into().ok()?;
    let mut text = [b'-'; 36];
    let mut place = 0;
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            place += 1;
        }
        text[place] = DIGITS[usize::from(byte >> 4)];
        text[place + 1] = DIGITS[usize::from(byte & 15)];
        place += 2;
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Rows(Vec<Vec<Option<String>>>, Vec<Option<String>>);

    impl RowSink for Rows {
        type Error = EtlError;

        fn value(&mut self, _: usize, value: Value<'_>) {
            self.1.push(value.written());
        }

        fn end_row(&mut self) -> Result<(), EtlError> {
            self.0.push(std::mem::take(&mut self.1));
            Ok(())
        }
    }

    fn header() -> Vec<u8> {
        [SIGNATURE, &[0; 8]].concat()
    }

    #[test]
    fn a_null_does_not_move_the_columns_behind_it() {
        let mut message = header();
        message.extend([0, 3]);
        message.extend([0, 0, 0, 4, 0, 0, 0, 2]);
        message.extend([0xFF; 4]);
        message.extend([0, 0, 0, 1, b'y']);
        let wires = [Wire::Int4, Wire::Int4, Wire::Text];
        let (mut decoder, mut rows) = (Decoder::new(&wires), Rows::default());
        decoder.message(&message, &mut rows).unwrap();
        assert_eq!(rows.0, [[Some("2".to_owned()), None, Some("y".to_owned())]]);
        assert!(!decoder.ended());
        decoder.message(&[0xFF, 0xFF], &mut rows).unwrap();
        assert!(decoder.ended());
    }

    /// A field is read the same however long it is and whatever stands behind it.
    #[test]
    fn the_quick_way_reads_what_the_long_one_does() {
        struct Written;
        impl Take for Written {
            type Taken = Option<String>;
            fn take(self, value: Value<'_>) -> Self::Taken {
                value.written()
            }
        }
        const WIRES: [Wire; 11] = [
            Wire::Boolean,
            Wire::Int2,
            Wire::Int4,
            Wire::Int8,
            Wire::Float4,
            Wire::Float8,
            Wire::Numeric,
            Wire::Text,
            Wire::Date,
            Wire::Timestamp,
            Wire::Uuid,
        ];
        let texts =
            ["\u{1}A text whose thirteenth byte begins another word", "zwölf Bytes süß – und mehr als zwölf ohne Ende"];
        let extremes =
            [[0_u8; 16], [0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0, 0, 0], [0xFF; 16]];
        let fields = (0..=40)
            .flat_map(|length| texts.map(|text| &text.as_bytes()[..length]))
            .chain(extremes.iter().flat_map(|e| [&e[..4], &e[..8], &e[..16]]));
        for field in fields {
            for wire in WIRES {
                for behind in [&b""[..], b"short", b"\xFF bytes that are more than twelve"] {
                    let length = |field: &[u8]| (field.len() as u32).to_be_bytes();
                    let row: [&[u8]; 6] = [&header(), &[0, 2], &length(field), field, &length(behind), behind];
                    let (wires, mut rows) = ([wire, Wire::Text], Rows::default());
                    Decoder::new(&wires).message(&row.concat(), &mut rows).unwrap();
                    let expected = [with_value(wire, field, Written), Value::Text(behind).written()];
                    assert_eq!(rows.0, [expected], "{wire:?} {field:?} {behind:?}");
                }
            }
        }
    }

    #[test]
    fn what_is_cut_off_is_an_error() {
        let wires = [Wire::Int4];
        let row = [header(), vec![0, 1, 0, 0, 0, 4, 0, 0]].concat();
        assert!(matches!(Decoder::new(&wires).message(&row, &mut Rows::default()), Err(EtlError::CopyCut)));
        for cut in 1..23 {
            let row = [header(), [&[0, 2, 0, 0, 0, 12][..], b"twelve bytes", &[0; 3]].concat()].concat();
            let wires = [Wire::Text, Wire::Int4];
            let read = Decoder::new(&wires).message(&row[..row.len() - cut], &mut Rows::default());
            assert!(matches!(read, Err(EtlError::CopyCut)) || cut == 21, "{cut}: {read:?}");
        }
        let other = [header(), vec![0, 2]].concat();
        assert!(matches!(Decoder::new(&wires).message(&other, &mut Rows::default()), Err(EtlError::CopyFormat { .. })));
        assert!(matches!(Decoder::new(&wires).message(b"PGC", &mut Rows::default()), Err(EtlError::CopyCut)));
    }

    #[test]
    fn numerics_are_exact() {
        let read = |words: &[u16]| {
            let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_be_bytes()).collect();
            numeric(&bytes).map_or_else(|found| format!("({found})"), |decimal| decimal.to_string())
        };
        assert_eq!(read(&[2, 0, 0, 2, 12, 3000]), "12.30");
        assert_eq!(read(&[1, 1, 0x4000, 0, 1]), "-10000");
        assert_eq!(read(&[1, 0xFFFF, 0, 4, 5]), "0.0005");
        assert_eq!(read(&[0, 0, 0, 2]), "0.00");
        assert_eq!(read(&[2, 0, 0x4000, 3, 12, 3450]), "-12.345");
        assert_eq!(read(&[4, 3, 0, 0, 9999, 9999, 9999, 9999]), "9999999999999999");
        assert_eq!(read(&[5, 3, 0, 2, 9999, 9999, 9999, 9999, 5600]), "9999999999999999.56");
        assert_eq!(read(&[2, 0, 0, 2, 12]), "(a numeric that is cut off)");
        assert_eq!(read(&[0, 0, 0xC000, 0]), "(numeric NaN)");
        assert_eq!(read(&[1, 10, 0, 0, 1]), "(numeric of more than 38 digits)");
    }

    #[test]
    fn uuids_are_written_out() {
        let bytes: Vec<u8> = (0..16).map(|i| i * 17).collect();
        assert_eq!(uuid(&bytes).unwrap(), *b"00112233-4455-6677-8899-aabbccddeeff");
    }
}
