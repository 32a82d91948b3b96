//! `med extract`: files, what does not fit, and what is new into a lake.

use std::path::Path;

use diesel::Connection as _;
use diesel::connection::SimpleConnection;
use diesel::sqlite::SqliteConnection;

use super::{Done, med};

const URL: &str = "sqlite://claims.sqlite";

pub(crate) fn change(folder: &Path, sql: &str) {
    let path = folder.join("claims.sqlite");
    SqliteConnection::establish(path.to_str().unwrap()).unwrap().batch_execute(sql).unwrap();
}

pub(crate) fn claims(folder: &Path) {
    change(
        folder,
        "CREATE TABLE claims (id INTEGER PRIMARY KEY, paid DECIMAL, kind TEXT, updated_at TEXT);
         INSERT INTO claims VALUES (1, 12.30, 'visit', '2024-01-01 08:00:00'), (2, 7, 'lab', '2024-01-01 09:00:00'),
                                   (3, -0.05, NULL, '2024-01-01 09:00:00');",
    );
}

/// What is new of the claims, into a feature group with this key.
pub(crate) fn extract(folder: &Path, lake: &str, key: &str, more: &[&str]) -> Done {
    let into = ["--lake", lake, "--group", "claims", "--key", key, "--incremental", "updated_at"];
    med(folder, &[&["extract", "--database-url", URL, "--table", "claims"][..], &into, more].concat())
}

#[test]
fn what_is_new_comes_into_the_lake_once() {
    brings_what_is_new("lake");
}

pub(crate) fn brings_what_is_new(lake: &str) {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    claims(folder);
    let bring = |more: &[&str]| extract(folder, lake, "id", &[&["--cents", "paid"][..], more].concat());
    let first = bring(&[]).passed();
    assert_eq!((&first["rows"], &first["inserted"], &first["incremental"]), (&3.into(), &3.into(), &false.into()));
    let nothing = bring(&[]).passed();
    assert_eq!(
        (&nothing["rows"], &nothing["version"], &nothing["incremental"]),
        (&0.into(), &first["version"], &true.into())
    );
    // A tie of the last row, a changed row, and one that was committed late.
    change(
        folder,
        "INSERT INTO claims VALUES (4, 1, 'lab', '2024-01-01 09:00:00'), (5, 1, 'lab', '2024-01-01 08:59:59');
         UPDATE claims SET paid = 13, updated_at = '2024-01-02 00:00:00' WHERE id = 1;",
    );
    let second = bring(&["--lag", "60"]).passed();
    // Rows 1, 4 and 5 are new; 2 and 3 were read again within the lag.
    assert_eq!((&second["rows"], &second["inserted"], &second["updated"]), (&5.into(), &3.into(), &0.into()));
    assert_eq!(bring(&[]).passed()["rows"], 0);
    // Where each version comes from is told, once: the extractions that brought rows.
    let lineage = med(folder, &["lake", "--lake", lake, "lineage"]).passed();
    let events = lineage["events"].as_array().unwrap().iter().filter(|e| e["job"]["name"] == "extract");
    let events: Vec<_> = events.collect();
    let of = |side: &str| -> Vec<String> {
        let names = events.iter().filter(|e| e["eventType"] == "COMPLETE").map(|e| &e[side][0]);
        names.map(|d| format!("{} {}", d["name"], d["facets"]["version"]["datasetVersion"]).replace('"', "")).collect()
    };
    assert_eq!(events.len(), 4, "{lineage}");
    assert_eq!(of("outputs"), ["feature_group/claims_v1 1", "feature_group/claims_v1 2"]);
    assert!(of("inputs").iter().all(|name| name.starts_with("source/table claims ")), "{lineage}");
    let out = ["lake", "--lake", lake, "read", "claims", "--out", "all.csv"];
    med(folder, &out).passed();
    let text = std::fs::read_to_string(folder.join("all.csv")).unwrap();
    assert_eq!(text.lines().count(), 7, "both versions of row 1, each at its time:\n{text}");
    assert!(text.contains("1230") && text.contains("1300") && text.contains("-5"), "{text}");
    assert!(extract(folder, lake, "kind", &[]).refused().contains("key"));
}

/// Within the lag a row is read again and again; what it was once says nothing of what the lake has now.
#[test]
fn a_row_that_goes_back_to_what_it_was_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    claims(folder);
    for kind in ["visit", "lab", "visit"] {
        change(folder, &format!("UPDATE claims SET kind = '{kind}' WHERE id = 1"));
        extract(folder, "lake", "id", &["--cents", "paid", "--lag", "86400"]).passed();
        med(folder, &["lake", "read", "claims", "--out", "all.csv"]).passed();
        let text = std::fs::read_to_string(folder.join("all.csv")).unwrap();
        let row = text.lines().find(|line| line.starts_with("1,")).unwrap();
        assert!(row.contains(kind), "{row}, expected {kind}");
    }
}

#[test]
fn rows_without_a_cursor_need_an_event_time_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    claims(folder);
    change(folder, "INSERT INTO claims VALUES (4, 1, 'lab', NULL)");
    for more in [&["--null-cursor", "include"][..], &["--null-cursor", "include", "--event-time", "updated_at"]] {
        let told = extract(folder, "lake", "id", more).refused();
        assert!(told.contains("\"updated_at\"") && told.contains("--event-time"), "{told}");
    }
    assert!(!folder.join("lake").exists(), "refused before anything is done");
    change(folder, "ALTER TABLE claims ADD COLUMN incurred TEXT; UPDATE claims SET incurred = '2024-01-01 00:00:00'");
    let done = extract(folder, "lake", "id", &["--null-cursor", "include", "--event-time", "incurred"]).passed();
    assert_eq!(done["rows"], 4);
}

#[test]
fn what_a_killed_extraction_left_is_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    claims(folder);
    std::fs::write(folder.join("c.parquet.partial"), "the beginning of a file that was never finished").unwrap();
    let done = med(folder, &["extract", "--database-url", URL, "--table", "claims", "--out", "c.parquet"]);
    assert_eq!(done.passed()["rows"], 3);
    assert!(folder.join("c.parquet").is_file() && !folder.join("c.parquet.partial").exists());
}

#[test]
fn a_group_grows_with_its_source() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    claims(folder);
    let bring = || extract(folder, "lake", "id", &["--cents", "paid"]);
    bring().passed();
    let evolve = |more: &[&str]| med(folder, &[&["lake", "evolve", "claims"][..], more].concat());
    for (wrong, told) in [
        (&[][..], "--add"),
        (&["--add", "kind:text"], "already"),
        (&["--add", "site"], "NAME:TYPE"),
        (&["--add", "site:string"], "string"),
        (&["--widen", "kind:float"], "kind"),
        (&["--nullable", "kin"], "kind"),
    ] {
        let refused = evolve(wrong).refused();
        assert!(refused.contains(told), "{wrong:?}: {refused}");
    }
    let grown = evolve(&["--add", "site:text", "--add", "units:integer"]).passed();
    assert_eq!(grown["version"], 2);
    let last = grown["columns"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["name"], &last["kind"], &last["nullable"]), (&"units".into(), &"count".into(), &true.into()));
    change(
        folder,
        "ALTER TABLE claims ADD COLUMN site TEXT; ALTER TABLE claims ADD COLUMN units INTEGER;
         INSERT INTO claims VALUES (9, 1, 'lab', '2024-01-03 09:00:00', 'north', 2)",
    );
    assert_eq!(bring().passed()["rows"], 1);
    assert_eq!(evolve(&["--widen", "units:float"]).passed()["version"], 4);
    med(folder, &["lake", "read", "claims", "--out", "all.csv"]).passed();
    let text = std::fs::read_to_string(folder.join("all.csv")).unwrap();
    assert!(text.contains("north,2.0") && text.lines().count() == 5, "{text}");
    // The version before it is as it was.
    med(folder, &["lake", "read", "claims", "--version", "1", "--out", "old.csv"]).passed();
    assert_eq!(std::fs::read_to_string(folder.join("old.csv")).unwrap().lines().count(), 4);
}

#[test]
fn a_watermark_is_of_one_database() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    claims(folder);
    assert_eq!(extract(folder, "lake", "id", &[]).passed()["inserted"], 3);
    std::fs::create_dir(folder.join("other")).unwrap();
    claims(&folder.join("other"));
    change(&folder.join("other"), "UPDATE claims SET id = id + 100");
    let into = ["--lake", "lake", "--group", "claims", "--key", "id", "--incremental", "updated_at"];
    let other = |more: &[&str]| {
        let from = ["extract", "--database-url", "sqlite://other/claims.sqlite", "--table", "claims"];
        med(folder, &[&from[..], &into, more].concat())
    };
    let refused = other(&[]).refused();
    assert!(refused.contains("--source") && refused.contains("other/claims.sqlite"), "{refused}");
    // Under a name of its own it has a watermark of its own, wherever it lies.
    assert_eq!(other(&["--source", "second"]).passed()["inserted"], 3);
    std::fs::rename(folder.join("other"), folder.join("moved")).unwrap();
    let moved = ["extract", "--database-url", "moved/claims.sqlite", "--table", "claims", "--source", "second"];
    assert_eq!(med(folder, &[&moved[..], &into].concat()).passed()["rows"], 0);
    assert_eq!(extract(folder, "lake", "id", &[]).passed()["rows"], 0);
}

#[test]
fn parameters_of_a_connection_are_not_taken_for_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let url = "host=h user=u password=hunter2 dbname=d";
    let refused =
        med(folder.path(), &["extract", "--database-url", url, "--table", "t", "--out", "t.parquet"]).refused();
    assert!(refused.contains("postgres://") && !refused.contains("hunter2"), "{refused}");
}

#[test]
fn a_batch_whose_key_is_not_one_is_not_admitted() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    claims(folder);
    let done = extract(folder, "lake", "kind", &[]);
    assert_eq!(done.code, 1, "{}", done.stderr);
    assert!(done.stderr.contains("not admitted"), "{}", done.stderr);
}

#[test]
fn what_does_not_fit_is_counted_and_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    claims(folder);
    change(
        folder,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER); INSERT INTO t VALUES (1, 5), (2, 'secret'), (3, 7);",
    );
    let base = ["extract", "--database-url", URL, "--table", "t", "--out", "t.parquet"];
    let failed = med(folder, &base).refused();
    assert!(failed.contains("1 row") && !failed.contains("secret"), "{failed}");
    let split = ["--on-mismatch", "quarantine", "--quarantine", "aside.parquet"];
    let done = med(folder, &[&base[..], &split].concat()).passed();
    assert_eq!(
        (&done["rows"], &done["quarantined"], &done["mismatches"][0]["column"]),
        (&2.into(), &1.into(), &"n".into())
    );
    assert!(folder.join("aside.parquet").exists());
    let parts = [
        "extract",
        "--database-url",
        URL,
        "--table",
        "t",
        "--out",
        "p.parquet",
        "--partitions",
        "2",
        "--on-mismatch",
        "null",
    ];
    assert_eq!(med(folder, &parts).passed()["rows"], 3);
    assert!(med(folder, &[&base[..], &["--on-mismatch", "quarantine"]].concat()).refused().contains("--quarantine"));
    let many = med(folder, &[&base[..], &["--partitions", "120"]].concat()).refused();
    assert!(many.contains("from 1 to 32 partitions, found 120"), "{many}");
}

#[test]
fn the_pace_is_told_and_the_password_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    claims(folder);
    let done = med(folder, &["extract", "--database-url", URL, "--table", "claims", "--out", "c.parquet"]);
    assert!(done.stderr.contains("rows/s"), "{}", done.stderr);
    let url = "postgres://reader:hunter2@127.0.0.1:1/claims";
    let done = med(folder, &["extract", "--database-url", url, "--table", "claims", "--out", "c.parquet"]);
    assert_eq!(done.code, 2);
    assert!(!done.stderr.contains("hunter2"), "{}", done.stderr);
    if !cfg!(feature = "postgres") {
        assert!(done.stderr.contains("build with the feature \"postgres\""), "{}", done.stderr);
    }
}
