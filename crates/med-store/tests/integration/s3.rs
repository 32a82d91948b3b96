//! The same on an S3-compatible server: `MED_TEST_S3_URL=s3://bucket/prefix` and object_store's `AWS_*` variables
//! (`AWS_ENDPOINT`, `AWS_ALLOW_HTTP`, ...). Without it the test says that it is skipped. The prefix must be empty.

use std::thread;

use med_schema::{GatePolicy, Version};
use med_store::blocking::Lakehouse;
use med_store::{Batch, Compaction, Outcome, Stage};
use serde_json::json;

use crate::registry::artifact;
use crate::support::{admit, clients, definition, run, same, schema};

#[test]
fn a_lake_on_s3_keeps_the_same_promises() {
    let Ok(url) = std::env::var("MED_TEST_S3_URL") else {
        println!("skipped: MED_TEST_S3_URL is not set");
        return;
    };
    let options =
        std::env::vars().filter(|(name, _)| name.starts_with("AWS_")).map(|(n, v)| (n.to_ascii_lowercase(), v));
    let lake = &Lakehouse::open_with(&url, options).unwrap();

    let group = lake.feature_group(definition()).unwrap();
    group.insert(run("a"), &admit(clients(0..10, 0.0))).unwrap();
    assert_eq!(group.insert(run("a"), &admit(clients(0..10, 0.0))).unwrap().outcome, Outcome::AlreadyDone);
    let updated = group.insert(run("b"), &admit(clients(5..15, 1.0))).unwrap();
    assert_eq!((updated.version, updated.inserted, updated.updated), (Version(2), 5, 5));
    assert!(same(&group.read(Some(Version(1))).unwrap(), &clients(0..10, 0.0)));

    let table = lake.table("log", &schema()).unwrap();
    thread::scope(|scope| {
        for writer in 0..4_i64 {
            scope.spawn(move || {
                let table = lake.table("log", &schema()).unwrap();
                for turn in 0..3 {
                    let first = (writer * 3 + turn) * 10;
                    let batch = Batch::new(run(&format!("w-{writer}-{turn}"))).with_watermark("s", json!(first));
                    table.append(batch, &admit(clients(first..first + 10, 0.0))).unwrap();
                }
            });
        }
    });
    assert_eq!(table.rows().unwrap(), (Version(12), 120));
    assert!(table.watermark("s", None).unwrap().is_some());
    table.compact(run("compact"), Compaction::default()).unwrap();
    assert_eq!((table.files().unwrap().len(), table.read(None).unwrap().n_rows()), (1, 120));

    let version = lake.registry().register("linear", &admit(artifact("a", "bytes"))).unwrap().version;
    let admitted = lake.registry().admit_stored("linear", version, &GatePolicy::default()).unwrap();
    lake.registry().transition(&admitted, Stage::Production).unwrap();
    assert_eq!(&lake.registry().load_production("linear").unwrap().1[..], b"bytes");
}
