//! A client is forgotten in all of a lake, and what holds the client still is named.

use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use med_schema::{Table, Version};
use med_store::blocking::Lakehouse;
use med_store::{
    Artifact, ArtifactKind, Batch, FeatureGroupDefinition, FeatureViewDefinition, Forget, Forgotten, GroupColumns,
    LineageStep, Place, PlaceKind, ResultKind, Split, StoreError, Vacuum, Value,
};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use serde_json::json;

use crate::faulty::{FAULTS, Faulty};
use crate::support::{Lake, admit, chain, clients, content, definition, lakes, memory, run};

const CLIENT: &str = "client-00007";

fn asked(training_sets: bool) -> Forget {
    Forget { group: "medical_costs".to_owned(), version: None, client: vec![Value::from(CLIENT)], training_sets }
}

/// The client as a reader of the lake finds it: in bytes, and in rows of Parquet files by any column.
fn holding(store: &Arc<dyn ObjectStore>) -> Vec<String> {
    let has = |text: &[u8]| text.windows(CLIENT.len()).any(|window| window == CLIENT.as_bytes());
    let holds = |(name, bytes): &(String, Vec<u8>)| {
        if !name.ends_with(".parquet") {
            return has(bytes);
        }
        let reader =
            parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes.clone()));
        let mut batches = reader.unwrap().build().unwrap().map(Result::unwrap);
        batches.any(|batch| has(format!("{batch:?}").as_bytes()))
    };
    content(store).iter().filter(|object| holds(object)).map(|(name, _)| name.clone()).collect()
}

/// A group, another one, predictions, quarantined rows, a training set, a model of it, a watermark.
fn fill(lake: &Lakehouse) {
    let group = lake.feature_group(definition()).unwrap();
    let batch = Batch::new(run("load")).with_watermark("table clients", json!({"key": [CLIENT]}));
    group.insert(batch, &admit(clients(0..20, 1.0))).unwrap();
    let other = lake.feature_group(FeatureGroupDefinition { name: "other".to_owned(), ..definition() }).unwrap();
    other.insert(run("load"), &admit(clients(5..9, 1.0))).unwrap();
    let results = lake.results();
    results.put_table(ResultKind::Predictions, &run("load"), "predictions.parquet", &clients(0..20, 2.0)).unwrap();
    results.put_table(ResultKind::Quarantine, &run("load"), "extracted.parquet", &clients(7..8, -1.0)).unwrap();
    results.put_table(ResultKind::Quarantine, &run("load"), "others.parquet", &clients(8..9, -1.0)).unwrap();
    results.put_json(ResultKind::Drift, &run("load"), "note.json", &json!({"worst": CLIENT})).unwrap();
    let view = lake
        .feature_view(FeatureViewDefinition {
            name: "cost".to_owned(),
            version: 1,
            description: String::new(),
            points: GroupColumns { group: "medical_costs".to_owned(), version: 1, columns: Vec::new() },
            joins: Vec::new(),
        })
        .unwrap();
    let set = view.training_set(&run("load"), Split::Client { seed: 1, test_share: 0.3 }).unwrap();
    let manifest = set.manifest();
    let set = Artifact::new(ArtifactKind::TrainingSet, "cost_v1").version(Version(1)).fingerprint(manifest.digest);
    let model = Artifact::new(ArtifactKind::Model, "cost").version(Version(3));
    let step = LineageStep::new(run("load"), "train", DateTime::UNIX_EPOCH, "test").inputs([set]).outputs([model]);
    lake.lineage().record(&step).unwrap();
}

fn kinds(forgotten: &Forgotten) -> Vec<(PlaceKind, Option<u64>, bool)> {
    forgotten.places.iter().map(|place| (place.place, place.rows, place.erased)).collect()
}

fn objects(forgotten: &Forgotten) -> Vec<&str> {
    let left = forgotten.places.iter().filter(|place| !place.erased && place.place != PlaceKind::Model);
    let mut objects: Vec<&str> = left.map(|place| place.object.as_str()).collect();
    objects.sort_unstable();
    objects
}

fn find(forgotten: &Forgotten, kind: PlaceKind) -> &Place {
    forgotten.places.iter().find(|place| place.place == kind).unwrap()
}

#[test]
fn what_holds_a_client_is_erased_or_named() {
    for Lake { lake, store, .. } in lakes().iter() {
        fill(lake);
        let first = lake.forget(&run("forget-1"), &asked(false)).unwrap();
        assert_eq!(first.removed, 1);
        let expected = [
            (PlaceKind::FeatureGroup, Some(1), true),
            (PlaceKind::FormerVersion, Some(1), false),
            (PlaceKind::OtherTable, Some(1), false),
            (PlaceKind::Predictions, Some(1), true),
            (PlaceKind::Quarantine, Some(1), true),
            (PlaceKind::TrainingSet, Some(1), false),
            (PlaceKind::Model, None, false),
            (PlaceKind::Watermark, None, false),
            (PlaceKind::Other, None, false),
        ];
        assert_eq!(kinds(&first), expected, "{first:#?}");
        assert_eq!(find(&first, PlaceKind::Model).object, "cost 3");
        assert_eq!(objects(&first), holding(store), "what is left is what is named");

        // Erased tables are read, verified, and not written again by the run that made them.
        let results = lake.results();
        let read = |lake: &Lakehouse| {
            lake.results().get_table(ResultKind::Predictions, &run("load"), "predictions.parquet").unwrap()
        };
        assert_eq!(read(lake).n_rows(), 19);
        let again =
            results.put_table(ResultKind::Predictions, &run("load"), "predictions.parquet", &clients(0..20, 2.0));
        assert!(again.unwrap().existed);
        assert_eq!(read(lake).n_rows(), 19);
        let other =
            results.put_table(ResultKind::Predictions, &run("load"), "predictions.parquet", &clients(0..3, 2.0));
        assert!(matches!(other.unwrap_err(), StoreError::Occupied { .. }));
        assert_eq!(results.get_table(ResultKind::Quarantine, &run("load"), "extracted.parquet").unwrap().n_rows(), 0);

        let view = lake.open_feature_view("cost", 1).unwrap();
        let set = view.open_training_set(1).unwrap();
        assert_eq!(view.reproduce(&set).unwrap(), set.manifest().digest, "until the vacuum");
        let second = lake.forget(&run("forget-2"), &asked(true)).unwrap();
        assert_eq!((second.removed, find(&second, PlaceKind::TrainingSet).erased), (0, true));
        let erased: Vec<_> = ["train", "test"].iter().filter_map(|part| set.read(part).err()).collect();
        assert!(matches!(&erased[..], [StoreError::Erased { run, .. }] if run.as_str() == "forget-2"), "{erased:?}");
        assert!(matches!(view.reproduce(&set).unwrap_err(), StoreError::Erased { .. }));

        // The watermark moves on; the vacuum takes the former one, and the former version.
        let group = lake.open_feature_group("medical_costs", None).unwrap();
        let next = Batch::new(run("next")).with_watermark("table clients", json!({"key": ["client-00020"]}));
        group.insert(next, &admit(clients(20..21, 1.0))).unwrap();
        let now = Utc::now() + Duration::seconds(1);
        let vacuumed = group.table().vacuum(now, Vacuum { retain: Duration::zero(), dry_run: false }).unwrap();
        assert_eq!(vacuumed.files.iter().filter(|file| file.contains("/watermarks/")).count(), 1, "{vacuumed:?}");
        assert_eq!(group.table().watermark("table clients", None).unwrap(), Some(json!({"key": ["client-00020"]})));
        let third = lake.forget(&run("forget-3"), &asked(true)).unwrap();
        assert_eq!(kinds(&third), [(PlaceKind::OtherTable, Some(1), false), (PlaceKind::Other, None, false)]);
        assert_eq!(objects(&third), holding(store));
    }
}

/// The smallest and the largest key stand in the log, as bounds of a file that is no more.
#[test]
fn a_bound_in_the_log_is_named() {
    let place = memory();
    let (lake, store) = (&place.lake, &place.store);
    let group = lake.feature_group(definition()).unwrap();
    group.insert(run("load"), &admit(clients(7..12, 1.0))).unwrap();
    group.table().checkpoint().unwrap();
    let forgotten = lake.forget(&run("forget"), &asked(false)).unwrap();
    let log: Vec<&Place> = forgotten.places.iter().filter(|place| place.place == PlaceKind::Log).collect();
    assert_eq!(log.len(), 3, "the entry that brought the file, that which took it, and the checkpoint: {log:?}");
    assert!(log.iter().any(|place| place.object.ends_with(".checkpoint.parquet")));
    assert_eq!(objects(&forgotten), holding(store));
}

/// Killed at any request, it is completed by being done again.
#[test]
fn forgetting_that_was_killed_is_completed() {
    let filled: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    fill(&Lakehouse::with_store(Arc::clone(&filled)).unwrap());
    let objects = content(&filled);
    let copy = || {
        let lake = memory();
        for (name, bytes) in &objects {
            crate::support::plant(&lake.store, name, bytes.clone());
        }
        lake
    };
    let whole = copy();
    let counted = Arc::new(Faulty::new(Arc::clone(&whole.store), usize::MAX, FAULTS[0], false));
    let lake = Lakehouse::with_store(Arc::clone(&counted) as Arc<dyn ObjectStore>).unwrap();
    lake.forget(&run("forget"), &asked(true)).unwrap();
    let requests = counted.requests();
    for (turn, at) in (0..requests).step_by(3).enumerate() {
        let broken = copy();
        let faulty = Faulty::new(Arc::clone(&broken.store), at, FAULTS[turn % FAULTS.len()], true);
        let died = Lakehouse::with_store(Arc::new(faulty)).unwrap().forget(&run("forget"), &asked(true));
        let again = broken.lake.forget(&run("forget"), &asked(true));
        let again = again.unwrap_or_else(|e| panic!("request {at}: {}", chain(&e)));
        assert!(died.is_err() || again.removed == 0, "request {at}");
        let kept = broken.lake.results();
        let predictions: Table = kept.get_table(ResultKind::Predictions, &run("load"), "predictions.parquet").unwrap();
        assert_eq!(predictions.n_rows(), 19, "request {at}");
        assert!(!again.places.iter().any(|place| place.place == PlaceKind::TrainingSet && !place.erased));
        let of_group =
            |name: &&String| name.starts_with("feature_groups/medical_costs_v1/") && name.ends_with(".parquet");
        assert_eq!(holding(&broken.store).iter().filter(of_group).count(), 1, "the former version, request {at}");
    }
}
