//! The Delta log is verified: a flipped byte of it is an error that names the object, or changes nothing.

use std::sync::Arc;

use med_schema::{Fingerprint, Table};
use med_store::blocking::{FeatureGroup, Lakehouse};
use med_store::{StoreError, Value};
use object_store::ObjectStore;
use serde_json::{Value as Json, json};

use crate::faulty::{Fault, Faulty};
use crate::support::{Lake, admit, clients, content, definition, lakes, memory, plant, run, same};

const LOG: &str = "feature_groups/medical_costs_v1/_delta_log/";

fn entry(version: u64) -> String {
    format!("{LOG}{version:020}.json")
}

fn checkpoint(version: u64) -> String {
    format!("{LOG}{version:020}.checkpoint.parquet")
}

type Objects = Vec<(String, Vec<u8>)>;

fn bytes_of(objects: &Objects, path: &str) -> Vec<u8> {
    objects.iter().find(|(name, _)| name == path).unwrap().1.clone()
}

/// A store with these objects, and in the place of one other bytes.
fn with(objects: &Objects, path: &str, bytes: Vec<u8>) -> Lake {
    let lake = memory();
    for (name, content) in objects.iter().filter(|(name, _)| name != path) {
        plant(&lake.store, name, content.clone());
    }
    plant(&lake.store, path, bytes);
    lake
}

/// What a caller does with a group: reads it, upserts into it, takes a client out of it, looks at its history.
fn deeds(group: &FeatureGroup) -> Result<(Table, usize, u64, u64), StoreError> {
    let before = group.read(None)?;
    let versions = group.history()?.len();
    let commit = group.insert(run("upsert"), &admit(clients(2..5, 9.0)))?;
    let forgotten = group.forget(run("forget"), &[vec![Value::from("client-00003")]])?;
    let after = group.read(None)?;
    assert_eq!(before.n_rows(), 12);
    Ok((after, versions, commit.inserted * 100 + commit.updated, forgotten.removed))
}

/// Three inserts of four clients each; a checkpoint of the second, if asked for.
fn three_inserts(lake: &Lake, summed_up: bool) {
    let group = lake.lake.feature_group(definition()).unwrap();
    for turn in 0..3_i64 {
        group.insert(run(&format!("r{turn}")), &admit(clients(turn * 4..turn * 4 + 4, 0.0))).unwrap();
        if summed_up && turn == 1 {
            group.table().checkpoint().unwrap();
        }
    }
}

/// Flips bits of an object, `step` bits apart, each in a store of its own: all deeds do as before, or end in an error that names
/// the object. How many were found.
fn flips(path: &str, summed_up: bool, step: usize) -> (usize, usize) {
    let lake = memory();
    three_inserts(&lake, summed_up);
    let objects = content(&lake.store);
    let whole = bytes_of(&objects, path);
    let expected = deeds(&lake.lake.open_feature_group("medical_costs", None).unwrap()).unwrap();
    let (mut found, mut tried) = (0, 0);
    for bit in (0..whole.len() * 8).step_by(step) {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let damaged = with(&objects, path, bytes);
        let group = damaged.lake.open_feature_group("medical_costs", None);
        tried += 1;
        match group.and_then(|group| deeds(&group)) {
            Ok(outcome) => {
                assert!(same(&outcome.0, &expected.0), "bit {bit}");
                assert_eq!((outcome.1, outcome.2, outcome.3), (expected.1, expected.2, expected.3), "bit {bit}");
            }
            Err(error) => {
                found += 1;
                assert!(error.to_string().contains(path), "bit {bit}: {error}");
                assert!(matches!(error, StoreError::Corrupt { .. } | StoreError::Malformed { .. }), "{error:?}");
            }
        }
    }
    (found, tried)
}

#[test]
fn flipped_bits_of_an_entry_are_found() {
    // Not divisible by eight, so that all bits of a byte have their turn.
    for version in [0, 2, 3] {
        let (found, tried) = flips(&entry(version), false, 131);
        assert!(found + 3 >= tried && tried > 50, "{found} of {tried}");
    }
}

#[test]
fn flipped_bits_of_a_checkpoint_and_of_the_hint_are_found() {
    let (found, tried) = flips(&checkpoint(2), true, 1031);
    assert!(found == tried && tried > 50, "{found} of {tried}");
    let (found, tried) = flips(&format!("{LOG}_last_checkpoint"), true, 7);
    assert!(found * 10 > tried * 8 && tried > 50, "{found} of {tried}: the name of the field may be hit");
}

/// The case that made rows twice: a bound in the log that leaves the file out.
#[test]
fn a_changed_bound_does_not_hide_a_file() {
    for lake in lakes() {
        three_inserts(&lake, false);
        let group = lake.lake.open_feature_group("medical_costs", None).unwrap();
        let objects = content(&lake.store);
        let text = String::from_utf8(bytes_of(&objects, &entry(1))).unwrap();
        let changed = text
            .replace(r#"maxValues\":{\"client_id\":\"client-00003"#, r#"maxValues\":{\"client_id\":\"client-00001"#);
        assert_ne!(text, changed);
        plant(&lake.store, &entry(1), changed.into_bytes());
        let upsert = group.insert(run("again"), &admit(clients(3..4, 5.0))).unwrap_err();
        assert!(matches!(&upsert, StoreError::Corrupt { object, .. } if *object == entry(1)), "{upsert}");
        let forget = group.forget(run("forget"), &[vec![Value::from("client-00003")]]).unwrap_err();
        assert!(forget.to_string().contains(&entry(1)), "{forget}");
        plant(&lake.store, &entry(1), text.into_bytes());
        assert_eq!(group.insert(run("again"), &admit(clients(3..4, 5.0))).unwrap().updated, 1, "mended by its bytes");
    }
}

/// An entry of another writer has no digest, and is protected from the moment on when Med writes after it.
#[test]
fn the_entry_of_another_writer_is_protected_by_the_one_after_it() {
    let lake = memory();
    three_inserts(&lake, false);
    let objects = content(&lake.store);
    // What the second insert wrote, as another program would have written it.
    let foreign: Vec<Json> = String::from_utf8(bytes_of(&objects, &entry(3)))
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|action: &Json| action.get("add").is_some())
        .chain([json!({"commitInfo": {"operation": "WRITE", "engineInfo": "delta-rs:py-1.6.6"}})])
        .collect();
    let foreign = foreign.iter().map(Json::to_string).collect::<Vec<_>>().join("\n");
    let lake = with(&objects, &entry(3), foreign.clone().into_bytes());
    let group = lake.lake.open_feature_group("medical_costs", None).unwrap();
    assert_eq!(group.read(None).unwrap().n_rows(), 12, "an entry without digest is read");
    assert_eq!(group.insert(run("after"), &admit(clients(20..22, 0.0))).unwrap().inserted, 2);
    let text = String::from_utf8(bytes_of(&content(&lake.store), &entry(4))).unwrap();
    let info: Json = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(info["commitInfo"]["medPrevious"], Fingerprint::of(&foreign).to_string());

    let changed = foreign.replace("client-00011", "client-00009");
    assert_ne!(changed, foreign);
    plant(&lake.store, &entry(3), changed.into_bytes());
    let error = group.read(None).unwrap_err();
    assert!(matches!(&error, StoreError::Corrupt { object, .. } if *object == entry(3)), "{error}");
    let fresh = Lakehouse::with_store(Arc::clone(&lake.store)).unwrap();
    let error = fresh.open_feature_group("medical_costs", None).and_then(|group| group.read(None)).unwrap_err();
    assert!(matches!(&error, StoreError::Corrupt { object, .. } if *object == entry(3)), "{error}");
}

/// What a handle remembers of a table must not be held against another one in its place.
#[test]
fn a_table_made_anew_in_the_same_place_is_not_called_damaged() {
    let lake = memory();
    three_inserts(&lake, true);
    let first = content(&lake.store);
    let group = lake.lake.open_feature_group("medical_costs", None).unwrap();
    assert_eq!(group.read(None).unwrap().n_rows(), 12);
    let other = memory();
    three_inserts(&other, true);
    assert_ne!(first, content(&other.store), "commits have their time");
    for (name, bytes) in content(&other.store) {
        plant(&lake.store, &name, bytes);
    }
    assert_eq!(group.read(None).unwrap().n_rows(), 12);
    group.insert(run("more"), &admit(clients(20..21, 0.0))).unwrap();
    assert_eq!(lake.lake.open_feature_group("medical_costs", None).unwrap().read(None).unwrap().n_rows(), 13);
}

/// Tables of former versions of Med have no digests in their log.
#[test]
fn a_log_without_digests_is_read_and_goes_on_with_them() {
    let lake = memory();
    three_inserts(&lake, true);
    let former = |(name, bytes): (String, Vec<u8>)| {
        if !name.contains("_delta_log") || name.ends_with("parquet") {
            return (name, bytes);
        }
        let mut text = String::new();
        for line in String::from_utf8(bytes).unwrap().lines() {
            let mut action: Json = serde_json::from_str(line).unwrap();
            if let Some(info) = action.get_mut("commitInfo").and_then(Json::as_object_mut) {
                info.remove("medDigest").unwrap();
                info.remove("medPrevious");
                info["engineInfo"] = json!("med-store/0.1.0");
            }
            if let Some(hint) = action.as_object_mut() {
                hint.remove("medDigest");
            }
            text += &format!("{action}\n");
        }
        (name, text.into_bytes())
    };
    let old = memory();
    for (name, bytes) in
        content(&lake.store).into_iter().filter(|(name, _)| !name.contains("_med/checkpoints")).map(former)
    {
        plant(&old.store, &name, bytes);
    }
    let group = old.lake.open_feature_group("medical_costs", None).unwrap();
    assert_eq!(group.read(None).unwrap().n_rows(), 12);
    group.insert(run("new"), &admit(clients(20..21, 0.0))).unwrap();
    assert_eq!(old.lake.open_feature_group("medical_costs", None).unwrap().read(None).unwrap().n_rows(), 13);
    let text = String::from_utf8(bytes_of(&content(&old.store), &entry(4))).unwrap();
    assert!(text.contains("medPrevious") && text.contains("medDigest"), "{text}");
}

/// Another program may put a checkpoint of its own in the place of ours.
#[test]
fn the_checkpoint_of_another_program_is_read() {
    let lake = memory();
    three_inserts(&lake, true);
    let objects = content(&lake.store);
    let digests: Vec<_> = objects.iter().filter(|(name, _)| name.contains("_med/checkpoints/")).collect();
    assert_eq!(digests.len(), 1, "{digests:?}");
    let hash = Fingerprint::of(bytes_of(&objects, &checkpoint(2))).to_string();
    assert!(digests[0].0.ends_with(&hash) && digests[0].1.starts_with(hash.as_bytes()));
    // The same rows, in a Parquet file that ends otherwise: with a footer of another size.
    let bytes = reencoded(bytes_of(&objects, &checkpoint(2)));
    let other = with(&objects, &checkpoint(2), bytes);
    assert_eq!(other.lake.open_feature_group("medical_costs", None).unwrap().read(None).unwrap().n_rows(), 12);
}

fn reencoded(bytes: Vec<u8>) -> Vec<u8> {
    use parquet::arrow::ArrowWriter;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    use parquet::file::properties::WriterProperties;
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes)).unwrap();
    let properties = WriterProperties::builder().set_created_by("another program".to_owned()).build();
    let mut written = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut written, Arc::clone(reader.schema()), Some(properties)).unwrap();
    for batch in reader.build().unwrap() {
        writer.write(&batch.unwrap()).unwrap();
    }
    writer.close().unwrap();
    written
}

/// Verification asks a store for little more: nothing for entries, and two requests for a checkpoint, once.
#[test]
fn verification_asks_for_a_checkpoint_once() {
    let lake = memory();
    three_inserts(&lake, true);
    let counted = Arc::new(Faulty::new(Arc::clone(&lake.store), usize::MAX, Fault::Before, false));
    let again = Lakehouse::with_store(Arc::clone(&counted) as Arc<dyn ObjectStore>).unwrap();
    let group = again.open_feature_group("medical_costs", None).unwrap();
    let requests = || {
        let before = counted.requests();
        group.read(None).unwrap();
        counted.requests() - before
    };
    let (first, second) = (requests(), requests());
    assert!(first <= second + 3, "{first} and then {second}");
}
