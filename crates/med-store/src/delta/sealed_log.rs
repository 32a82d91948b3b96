//! Digests within the log: what is put into an entry when it is written, and compared when it is read. Pure.
//!
//! An entry's `commitInfo` may hold any fields. An entry of ours holds two more: `medPrevious`, the BLAKE3 digest of the whole
//! entry before, and `medDigest`, that of the entry itself without the 64 digits of this digest. So a flipped byte is found in
//! an entry of ours by itself, and in an entry of another writer by the one that we wrote after it. `_last_checkpoint` holds
//! `medDigest` in the same way.
//!
//! One changed byte cannot turn an entry of ours into one of another writer, which has no digest: ours is known by the name of
//! the field or by the engine's, and they are in two places.

use bytes::Bytes;
use med_schema::Fingerprint;
use object_store::path::Path;

use crate::{Cause, Result, StoreError};

/// The engine in `commitInfo`. Entries that Med wrote before there were digests lack the word at the end.
pub(super) const ENGINE: &str = concat!("med-store/", env!("CARGO_PKG_VERSION"), " sealed");
const ENGINE_FIELD: &[u8] = b"\"engineInfo\":\"med-store/";
const SEALED: &[u8] = b" sealed";

/// Quotes within a JSON text are escaped, so these are found as fields only.
const DIGEST: &[u8] = b"\"medDigest\":\"";
const PREVIOUS: &[u8] = b"\"medPrevious\":\"";
const DIGITS: usize = 64;

/// The entry with digests in its `commitInfo`, which is its first line.
pub(super) fn seal_entry(object: &Path, entry: &[u8], previous: Option<Fingerprint>) -> Result<Bytes> {
    let end = entry.iter().position(|&byte| byte == b'\n').unwrap_or(entry.len());
    let (info, actions) = entry.split_at(end);
    match info.strip_suffix(b"}}") {
        Some(fields) if info.starts_with(b"{\"commitInfo\":{\"") => {
            let mut head = fields.to_vec();
            if let Some(previous) = previous {
                head.extend([b",", PREVIOUS, previous.to_string().as_bytes(), b"\""].concat());
            }
            Ok(sealed(head, &[b"}}", actions].concat()))
        }
        _ => Err(StoreError::Encode {
            what: object.to_string(),
            source: "expected an entry whose first action is its commitInfo".into(),
        }),
    }
}

/// `_last_checkpoint`, one JSON object, with its digest.
pub(super) fn seal_hint(object: &Path, hint: &[u8]) -> Result<Bytes> {
    match hint.trim_ascii_end().strip_suffix(b"}") {
        Some(fields) if fields.len() > 1 => Ok(sealed(fields.to_vec(), b"}")),
        _ => Err(StoreError::Encode { what: object.to_string(), source: "expected a JSON object with fields".into() }),
    }
}

fn sealed(mut head: Vec<u8>, tail: &[u8]) -> Bytes {
    head.extend([b",", DIGEST].concat());
    let tail = [b"\"", tail].concat();
    let digest = digest(&head, &tail);
    head.extend(digest.to_hex().as_bytes());
    head.extend(tail);
    head.into()
}

fn digest(head: &[u8], tail: &[u8]) -> blake3::Hash {
    blake3::Hasher::new().update(head).update(tail).finalize()
}

/// Compares an entry with the digest in it, if it is of ours. The digest of the entry before that it names.
///
/// # Errors
/// When the entry is not what was written, or holds nothing.
pub(super) fn verify_entry(object: &Path, entry: &[u8]) -> Result<Option<Fingerprint>> {
    let malformed = |source: Cause| StoreError::Malformed { object: object.to_string(), source };
    if entry.trim_ascii().is_empty() {
        return Err(malformed("an entry of a log holds at least one action, and this one none".into()));
    }
    let Some(head) = verify(object, entry)? else {
        if engine_is_sealed(entry) {
            return Err(malformed("it was written with a digest, and has none".into()));
        }
        return Ok(None);
    };
    let Some(at) = find(head, PREVIOUS) else { return Ok(None) };
    digits(&head[at + PREVIOUS.len()..]).map(Some).ok_or_else(|| malformed("the digest before is not one".into()))
}

/// Compares `_last_checkpoint` with the digest in it; that of another writer has none.
///
/// # Errors
/// When it is not what was written.
pub(super) fn verify_hint(object: &Path, hint: &[u8]) -> Result<()> {
    verify(object, hint).map(|_| ())
}

/// What stands before the digest; `None` where there is no digest.
fn verify<'a>(object: &Path, bytes: &'a [u8]) -> Result<Option<&'a [u8]>> {
    let Some(at) = find(bytes, DIGEST) else { return Ok(None) };
    let (head, rest) = bytes.split_at(at + DIGEST.len());
    let Some(expected) = digits(rest) else {
        let source = format!("expected {DIGITS} hexadecimal digits in the field medDigest").into();
        return Err(StoreError::Malformed { object: object.to_string(), source });
    };
    let found = digest(head, &rest[DIGITS..]);
    if found.as_bytes() == expected.as_bytes() {
        return Ok(Some(head));
    }
    let found = fingerprint(&found).unwrap_or_else(|| Fingerprint::of(bytes));
    Err(StoreError::Corrupt { object: object.to_string(), expected, found })
}

pub(super) fn fingerprint(hash: &blake3::Hash) -> Option<Fingerprint> {
    hash.to_hex().parse().ok()
}

fn digits(text: &[u8]) -> Option<Fingerprint> {
    std::str::from_utf8(text.get(..DIGITS)?).ok()?.parse().ok()
}

fn engine_is_sealed(entry: &[u8]) -> bool {
    find(entry, ENGINE_FIELD).is_some_and(|at| {
        let rest = &entry[at + ENGINE_FIELD.len()..];
        let end = rest.iter().position(|&byte| byte == b'"').unwrap_or(rest.len());
        rest[..end].ends_with(SEALED)
    })
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Vec<u8> {
        let info = format!(r#"{{"commitInfo":{{"timestamp":1,"operation":"WRITE","engineInfo":"{ENGINE}"}}}}"#);
        let add = r#"{"add":{"path":"a.parquet","stats":"{\"minValues\":{\"id\":\"c\"}}"}}"#;
        format!("{info}\n{add}\n").into_bytes()
    }

    fn path() -> Path {
        Path::from("t/_delta_log/00000000000000000001.json")
    }

    #[test]
    fn a_sealed_entry_is_json_with_two_more_fields() {
        let previous = Fingerprint::of("before");
        let sealed = seal_entry(&path(), &entry(), Some(previous)).unwrap();
        assert_eq!(verify_entry(&path(), &sealed).unwrap(), Some(previous));
        let lines: Vec<&[u8]> = sealed.split(|&byte| byte == b'\n').collect();
        let info: serde_json::Value = serde_json::from_slice(lines[0]).unwrap();
        assert_eq!(info["commitInfo"]["medPrevious"], previous.to_string());
        assert_eq!((info["commitInfo"]["operation"].as_str(), lines.len()), (Some("WRITE"), 3));
        assert_eq!(lines[1], entry().split(|&byte| byte == b'\n').nth(1).unwrap());
        let first = seal_entry(&path(), &entry(), None).unwrap();
        assert_eq!(verify_entry(&path(), &first).unwrap(), None);
    }

    #[test]
    fn every_flipped_bit_of_an_entry_is_found_or_changes_nothing() {
        let sealed = seal_entry(&path(), &entry(), Some(Fingerprint::of("before"))).unwrap();
        for position in 0..sealed.len() * 8 {
            let mut bytes = sealed.to_vec();
            bytes[position / 8] ^= 1 << (position % 8);
            match verify_entry(&path(), &bytes) {
                Err(error) => assert!(error.to_string().contains("00000000000000000001.json"), "{error}"),
                // A digit of the digest itself in its upper case.
                Ok(_) => assert!(bytes.eq_ignore_ascii_case(&sealed), "bit {position}"),
            }
        }
        for end in 0..sealed.len() - 1 {
            let cut = verify_entry(&path(), &sealed[..end]);
            // Cut before either field the entry is broken JSON, which the kernel refuses.
            assert!(cut.is_err() || serde_json::from_slice::<serde_json::Value>(&sealed[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn every_flipped_bit_of_a_hint_is_found_or_changes_nothing() {
        let path = Path::from("t/_delta_log/_last_checkpoint");
        let hint = br#"{"version":10,"size":7,"parts":null}"#;
        let sealed = seal_hint(&path, hint).unwrap();
        let fields = |bytes: &[u8]| {
            let mut value: serde_json::Value = serde_json::from_slice(bytes).ok()?;
            let fields = value.as_object_mut()?;
            fields.retain(|name, _| ["version", "size", "parts"].contains(&name.as_str()));
            Some(value)
        };
        for position in 0..sealed.len() * 8 {
            let mut bytes = sealed.to_vec();
            bytes[position / 8] ^= 1 << (position % 8);
            if verify_hint(&path, &bytes).is_ok() {
                // The name of the field was hit: the hint says the same, or is none, which is none lost.
                assert!(fields(&bytes).is_none() || fields(&bytes) == fields(hint), "bit {position}");
            }
        }
        assert!(verify_hint(&path, hint).is_ok(), "that of another writer");
    }

    #[test]
    fn entries_of_others_and_of_former_versions_have_no_digest() {
        let former = br#"{"commitInfo":{"operation":"WRITE","engineInfo":"med-store/0.1.0"}}"#;
        let other = br#"{"add":{"path":"x.parquet","tags":{"a":"\"medDigest\":\"no\""}}}
{"commitInfo":{"engineInfo":"delta-rs:1","note":"\"engineInfo\":\"med-store/1 sealed\""}}"#;
        assert_eq!(verify_entry(&path(), former).unwrap(), None);
        assert_eq!(verify_entry(&path(), other).unwrap(), None);
        assert!(verify_entry(&path(), b" \n").is_err());
        assert!(seal_entry(&path(), other, None).is_err());
    }
}
