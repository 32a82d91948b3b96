//! What holds on every database alike.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;

use med_etl::{
    CursorValue, EtlError, Extract, ExtractOptions, Incremental, MismatchPolicy, NullCursor, Partitions, Source,
    Watermark,
};
use med_schema::{Column, Kind as Meaning, Schema, ValueType};
use polars::prelude::{AnyValue, DataFrame, DataType, TimeUnit};

use crate::backends::{Kind, Sql, TestDb, on_each};

fn options(rows: usize) -> ExtractOptions {
    ExtractOptions { batch_rows: NonZeroUsize::new(rows).unwrap(), ..ExtractOptions::default() }
}

fn integers(frame: &DataFrame, column: &str) -> Vec<Option<i64>> {
    frame.column(column).unwrap().cast(&DataType::Int64).unwrap().i64().unwrap().iter().collect()
}

fn texts<'a>(frame: &'a DataFrame, column: &str) -> Vec<Option<&'a str>> {
    frame.column(column).unwrap().str().unwrap().iter().collect()
}

fn by_id(frame: &DataFrame) -> DataFrame {
    frame.sort(["id"], Default::default()).unwrap()
}

fn numbers(db: &TestDb, table: &str, count: i64) {
    db.table(table, &[("v", Sql::Int), ("at", Sql::Timestamp)], &[]);
    let rows: Vec<String> =
        (1..=count).map(|i| format!("({i}, {}, '2024-01-01 {:02}:{:02}:00')", i * 10, i / 60 % 24, i % 60)).collect();
    db.execute(&format!("INSERT INTO {} VALUES {}", db.quoted(table), rows.join(",")));
}

#[test]
fn every_type_reads_alike_with_its_nulls() {
    let columns = [
        ("b", Sql::Bool),
        ("i", Sql::Int),
        ("f", Sql::Float),
        ("n", Sql::Decimal),
        ("t", Sql::Text),
        ("d", Sql::Date),
        ("ts", Sql::Timestamp),
    ];
    let rows = [
        "1, TRUE, 9223372036854775807, 0.1, 12.345, 'größe 漢字 🜚', '2024-02-29', '2024-02-29 23:59:59.123456'",
        "2, FALSE, -9223372036854775808, -1.5e300, -0.001, '', '1969-12-31', '1969-12-31 23:59:59.5'",
        "3, NULL, NULL, NULL, NULL, NULL, NULL, NULL",
        "4, TRUE, 0, 0, 0, '007', '1000-01-01', '1000-01-01 00:00:00'",
    ];
    on_each(|db| {
        db.table("t", &columns, &rows);
        let extracted = db.collect(&Extract::table("t")).unwrap();
        let frame = by_id(extracted.table.frame());
        let moment = DataType::Datetime(TimeUnit::Microseconds, None);
        use DataType::{Boolean, Date, Float64, Int64, String as Text};
        assert_eq!(frame.dtypes(), [Int64, Boolean, Int64, Float64, Float64, Text, Date, moment], "{:?}", db.kind);
        assert_eq!(integers(&frame, "b"), [Some(1), Some(0), None, Some(1)]);
        assert_eq!(integers(&frame, "i"), [Some(i64::MAX), Some(i64::MIN), None, Some(0)]);
        let floats: Vec<_> = frame.column("f").unwrap().f64().unwrap().iter().collect();
        assert_eq!(floats, [Some(0.1), Some(-1.5e300), None, Some(0.0)]);
        let decimals: Vec<_> = frame.column("n").unwrap().f64().unwrap().iter().collect();
        assert_eq!(decimals, [Some(12.345), Some(-0.001), None, Some(0.0)]);
        assert_eq!(texts(&frame, "t"), [Some("größe 漢字 🜚"), Some(""), None, Some("007")]);
        assert_eq!(integers(&frame, "d"), [Some(19_782), Some(-1), None, Some(-354_285)]);
        let micros = [Some(1_709_251_199_123_456), Some(-500_000), None, Some(-354_285 * 86_400_000_000)];
        assert_eq!(integers(&frame, "ts"), micros);
        assert!(extracted.report.columns[1..].iter().all(|c| c.nulls == 1), "{:?}", extracted.report);
        // The same rows by a query, and in batches of one.
        let query = db.collect(&Extract::query("SELECT * FROM t").key(["id"]).options(options(1))).unwrap();
        assert!(by_id(query.table.frame()).equals_missing(&frame), "{:?}", db.kind);
        assert_eq!(query.report.fingerprint, extracted.report.fingerprint);
    });
}

#[test]
fn the_three_databases_give_one_fingerprint() {
    let found = std::sync::Mutex::new(Vec::new());
    on_each(|db| {
        db.table("t", &[("c", Sql::Code), ("d", Sql::Date)], &["1, '007', '1969-01-01'", "2, NULL, NULL"]);
        found.lock().unwrap().push(db.collect(&Extract::table("t")).unwrap().report.fingerprint);
    });
    let found = found.into_inner().unwrap();
    assert!(found[0].is_some() && found.iter().all(|f| *f == found[0]), "{found:?}");
}

#[test]
fn moments_with_an_offset_are_utc() {
    on_each(|db| {
        let row = match db.kind {
            // MySQL takes the session's zone, which is UTC.
            Kind::Mysql => "1, '2024-06-01 10:00:00'",
            _ => "1, '2024-06-01 12:00:00+02:00'",
        };
        db.table("t", &[("z", Sql::Zoned)], &[row, "2, NULL"]);
        let frame = db.collect(&Extract::table("t")).unwrap().table.into_parts().0;
        assert_eq!(integers(&by_id(&frame), "z"), [Some(1_717_236_000_000_000), None], "{:?}", db.kind);
    });
}

#[test]
fn empty_tables_and_queries_give_their_columns() {
    on_each(|db| {
        db.table("t", &[("a", Sql::Int), ("b", Sql::Text)], &[]);
        for extract in [Extract::table("t"), Extract::query("SELECT id, a, b FROM t WHERE a > 5").key(["id"])] {
            let extracted = db.collect(&extract).unwrap();
            assert_eq!((extracted.report.rows, extracted.report.batches), (0, 1), "{:?}", db.kind);
            assert_eq!(extracted.table.frame().dtypes(), [DataType::Int64, DataType::Int64, DataType::String]);
        }
    });
}

#[test]
fn text_of_any_length_and_content_is_kept() {
    on_each(|db| {
        let huge = "0123456789ä".repeat(100_000);
        let odd = "a'b\"c`d\ne\tf\\g; -- h";
        let escaped = if db.kind == Kind::Mysql { odd.replace('\\', "\\\\") } else { odd.to_owned() };
        let rows = [
            format!("1, '{huge}'"),
            format!("2, '{}'", escaped.replace('\'', "''")),
            "3, '00123'".to_owned(),
            "4, ' padded '".to_owned(),
        ];
        db.table("t", &[("t", Sql::Text)], &rows.each_ref().map(String::as_str));
        let frame = by_id(db.collect(&Extract::table("t").options(options(2))).unwrap().table.frame());
        assert_eq!(texts(&frame, "t"), [Some(huge.as_str()), Some(odd), Some("00123"), Some(" padded ")]);
    });
}

#[test]
fn any_name_is_only_a_name() {
    on_each(|db| {
        db.table("victim", &[("a", Sql::Int)], &["1, 1"]);
        for name in ["order", "a\"b", "a`b", "a'b", "two words", "ü", "x; DROP TABLE victim", "--", "a.b"] {
            db.table(name, &[(name, Sql::Int), ("select", Sql::Text)], &["1, 7, 's'"]);
            let frame = db.collect(&Extract::table(name)).unwrap().table.into_parts().0;
            assert_eq!(integers(&frame, name), [Some(7)], "{:?} {name}", db.kind);
            let incremental = Incremental::new(name, ["id"]).unwrap();
            let report = db.collect(&Extract::table(name).incremental(incremental)).unwrap().report;
            assert_eq!(report.watermark.unwrap().cursor, CursorValue::Integer(7));
        }
        for table in ["victim; DROP TABLE victim", "victim\" --", "victim` --", "nothing", ""] {
            assert!(matches!(db.collect(&Extract::table(table)), Err(EtlError::UnknownTable { .. })), "{table}");
        }
        assert_eq!(db.collect(&Extract::table("victim")).unwrap().report.rows, 1);
    });
}

#[test]
fn queries_are_one_select_and_cannot_change_anything() {
    on_each(|db| {
        db.table("victim", &[("a", Sql::Int)], &["1, 1"]);
        for query in [
            "DELETE FROM victim",
            "SELECT id FROM victim; DROP TABLE victim",
            "DROP TABLE victim",
            "SELECT id FROM victim) UNION SELECT (2",
            "SELECT id FROM nothing",
            "",
        ] {
            let error = db.collect(&Extract::query(query).key(["id"])).unwrap_err();
            assert!(matches!(error, EtlError::Query { .. }), "{:?} {query}: {error}", db.kind);
        }
        let error = db.collect(&Extract::query("SELECT id, a AS b, id AS b FROM victim").key(["id"])).unwrap_err();
        assert!(matches!(&error, EtlError::DuplicateColumn { name } if name == "b"), "{:?}: {error}", db.kind);
        assert_eq!(db.collect(&Extract::table("victim")).unwrap().report.rows, 1);
    });
}

#[test]
fn queries_have_the_types_of_their_columns() {
    on_each(|db| {
        db.table("t", &[("a", Sql::Int), ("d", Sql::Date)], &["1, 5, '2024-01-01'", "2, 6, NULL"]);
        let query = "SELECT id, a, d AS day FROM t WHERE a > 5 -- a comment";
        let extracted = db.collect(&Extract::query(query).key(["id"])).unwrap();
        assert_eq!(extracted.table.frame().dtypes(), [DataType::Int64, DataType::Int64, DataType::Date]);
        assert_eq!(integers(extracted.table.frame(), "a"), [Some(6)]);
        let schema = Schema::new(vec![Column::new("a", Meaning::Continuous, ValueType::Float)]).unwrap();
        let extracted = db.collect(&Extract::query(query).key(["id"]).with_schema(schema)).unwrap();
        assert_eq!(extracted.report.ignored, ["id", "day"]);
        assert_eq!(extracted.table.frame().dtypes(), [DataType::Float64]);
        let missing = Schema::new(vec![Column::new("aa", Meaning::Continuous, ValueType::Float)]).unwrap();
        let error = db.collect(&Extract::table("t").with_schema(missing)).unwrap_err();
        assert!(error.to_string().contains("did you mean a"), "{error}");
    });
}

#[test]
fn money_is_exact_in_minor_units() {
    on_each(|db| {
        db.table("t", &[("paid", Sql::Decimal)], &["1, 0.29", "2, -123456789.010", "3, NULL", "4, 7"]);
        let extract = Extract::table("t").minor_units("paid", 2);
        let frame = by_id(db.collect(&extract).unwrap().table.frame());
        assert_eq!(integers(&frame, "paid"), [Some(29), Some(-12_345_678_901), None, Some(700)], "{:?}", db.kind);
        db.execute("INSERT INTO t VALUES (5, 0.005)");
        let error = db.collect(&extract).unwrap_err();
        assert!(error.to_string().contains("more decimals than its minor unit"), "{error}");
        let error = db.collect(&Extract::table("t").minor_units("pied", 2)).unwrap_err();
        assert!(matches!(error, EtlError::MissingColumns { .. }), "{error}");
    });
}

#[test]
fn misfits_fail_or_become_null_or_are_set_aside() {
    on_each(|db| {
        let rows = ["1, '2024-01-05', 'a'", "2, 'five', 'b'", "3, NULL, 'c'", "4, '2024-01-06', 'd'"];
        db.table("t", &[("n", Sql::Text), ("t", Sql::Text)], &rows);
        // A date that is declared over text, in the form that every database hands out as text.
        let schema = Schema::new(vec![
            Column::new("id", Meaning::Identifier, ValueType::Integer),
            Column::new("n", Meaning::Date, ValueType::Date).nullable(true),
            Column::new("t", Meaning::Text, ValueType::Text),
        ])
        .unwrap();
        let extract = Extract::table("t").with_schema(schema);
        let error = db.collect(&extract).unwrap_err();
        assert!(error.to_string().contains("found text that is no ISO date in 1 row"), "{error}");
        assert!(!error.to_string().contains("five"));
        let with = |on_mismatch| {
            let options = ExtractOptions { on_mismatch, ..options(2) };
            db.collect(&extract.clone().options(options)).unwrap()
        };
        let nulled = with(MismatchPolicy::Null);
        assert_eq!(nulled.table.frame().column("n").unwrap().null_count(), 2);
        let split = with(MismatchPolicy::Quarantine);
        assert_eq!(integers(&by_id(split.table.frame()), "id"), [Some(1), Some(3), Some(4)]);
        assert_eq!((split.report.rows, split.report.quarantined, split.report.mismatches[0].rows), (4, 1, 1));
        let aside = split.quarantined.unwrap();
        assert_eq!(texts(&aside, "t"), [Some("b")]);
        assert_eq!(texts(&aside, "med_misfits"), [Some(r#"{"n":"five"}"#)]);
        assert_eq!(aside.column("med_row").unwrap().get(0).unwrap(), AnyValue::Int64(1));
        let nowhere = ExtractOptions { on_mismatch: MismatchPolicy::Quarantine, ..ExtractOptions::default() };
        let go = |_| ControlFlow::Continue(());
        let error = db.connect().for_each_batch(&extract.clone().options(nowhere), go, |_| Ok::<_, EtlError>(()));
        assert!(matches!(error, Err(EtlError::NoQuarantine)));
    });
}

#[test]
fn batches_of_any_size_give_the_same_rows() {
    on_each(|db| {
        numbers(db, "t", 300);
        let whole = db.collect(&Extract::table("t")).unwrap();
        assert_eq!((whole.report.rows, whole.report.batches), (300, 1));
        for rows in [1, 7, 100, 299, 300, 301] {
            let batched = db.collect(&Extract::table("t").options(options(rows))).unwrap();
            assert!(batched.table.frame().equals_missing(whole.table.frame()), "{:?} {rows}", db.kind);
            assert_eq!(batched.report.batches, 300_u64.div_ceil(rows as u64), "{:?} {rows}", db.kind);
            assert_eq!(batched.report.fingerprint, whole.report.fingerprint);
        }
    });
}

#[test]
fn an_extraction_shows_one_state_while_others_write() {
    on_each(|db| {
        numbers(db, "t", 50);
        numbers(db, "u", 5);
        let mut seen = Vec::new();
        let mut connection = db.connect();
        let report = connection
            .snapshot(|connection| {
                let report = connection.for_each_batch(
                    &Extract::table("t").options(options(10)),
                    |_| ControlFlow::Continue(()),
                    |frame| -> Result<(), EtlError> {
                        db.execute(
                            "UPDATE t SET v = v + 1; DELETE FROM t WHERE id = 50; DELETE FROM u;
                             INSERT INTO t SELECT max(id) + 1, 0, NULL FROM t;",
                        );
                        seen.extend(integers(&frame, "v"));
                        Ok(())
                    },
                )?;
                assert_eq!(connection.collect(&Extract::table("u"))?.report.rows, 5, "{:?}", db.kind);
                Ok::<_, EtlError>(report)
            })
            .unwrap();
        seen.sort_unstable();
        assert_eq!(seen, (1..=50).map(|i| Some(i * 10)).collect::<Vec<_>>(), "{:?}", db.kind);
        assert_eq!(report.rows, 50);
        assert_eq!(connection.collect(&Extract::table("u")).unwrap().report.rows, 0, "the snapshot has ended");
    });
}

#[test]
fn progress_can_cancel_and_the_connection_stays_good() {
    on_each(|db| {
        numbers(db, "t", 20);
        let mut connection = db.connect();
        let extract = Extract::table("t").options(options(5));
        let stop = |done: med_etl::Progress| {
            if done.rows >= 10 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let error = connection.collect_with(&extract, stop).unwrap_err();
        assert!(matches!(error, EtlError::Cancelled { rows: 10 }), "{error}");
        assert_eq!(connection.collect(&extract).unwrap().report.rows, 20);
        assert!(connection.tables().unwrap().contains(&"t".to_owned()));
    });
}

fn since(incremental: &Incremental, watermark: Option<Watermark>) -> Incremental {
    match watermark {
        Some(watermark) => incremental.clone().since(watermark).unwrap(),
        None => incremental.clone(),
    }
}

#[test]
fn a_watermark_steps_over_nothing_and_repeats_nothing() {
    on_each(|db| {
        numbers(db, "t", 10);
        // Four rows of one moment, two of them there at first.
        db.execute("UPDATE t SET at = '2024-01-02 00:00:00.250000' WHERE id IN (5, 6)");
        let incremental = Incremental::new("at", ["id"]).unwrap();
        let read = |watermark| {
            let extracted = db.collect(&Extract::table("t").incremental(since(&incremental, watermark))).unwrap();
            // Watermarks are kept as JSON.
            let kept = serde_json::to_string(&extracted.report.watermark).unwrap();
            (integers(&by_id(extracted.table.frame()), "id"), serde_json::from_str(&kept).unwrap())
        };
        let (first, watermark): (_, Option<Watermark>) = read(None);
        assert_eq!(first.len(), 10);
        assert_eq!(watermark.as_ref().unwrap().key, [CursorValue::Integer(6)]);
        let (none, same) = read(watermark.clone());
        assert!(none.is_empty() && same == watermark, "{:?}", db.kind);
        db.execute(
            "UPDATE t SET at = '2024-01-02 00:00:00.250000' WHERE id IN (7, 8);
             INSERT INTO t VALUES (11, 0, '2024-01-02 00:00:00.250001')",
        );
        let (ties, watermark) = read(watermark);
        assert_eq!(ties, [Some(7), Some(8), Some(11)], "{:?}", db.kind);
        assert_eq!(read(watermark).0, []);
    });
}

#[test]
fn rows_committed_late_come_within_the_lag() {
    on_each(|db| {
        numbers(db, "t", 10);
        let incremental = Incremental::new("at", ["id"]).unwrap();
        let extract = |i: Incremental| db.collect(&Extract::table("t").incremental(i)).unwrap();
        let watermark = extract(incremental.clone()).report.watermark;
        assert!(watermark.is_some());
        // A transaction that began before the last one and ended after it.
        db.execute("INSERT INTO t VALUES (99, 0, '2024-01-01 00:08:30')");
        let blind = extract(since(&incremental, watermark.clone()));
        assert_eq!(blind.report.rows, 0);
        let lagging = since(&incremental, watermark.clone()).lag(120);
        assert!(lagging.rereads());
        let late = extract(lagging);
        assert_eq!(integers(&by_id(late.table.frame()), "id"), [Some(8), Some(9), Some(10), Some(99)], "{:?}", db.kind);
        assert_eq!(late.report.watermark, watermark, "it does not go back");
    });
}

#[test]
fn rows_without_a_cursor_follow_the_policy() {
    on_each(|db| {
        numbers(db, "t", 5);
        db.execute("UPDATE t SET at = NULL WHERE id = 2");
        let with = |policy, watermark| {
            let incremental = Incremental::new("at", ["id"]).unwrap().null_cursor(policy);
            db.collect(&Extract::table("t").incremental(since(&incremental, watermark)))
        };
        let error = with(NullCursor::Fail, None).unwrap_err();
        assert!(matches!(error, EtlError::NullCursor { rows: 1, .. }), "{error}");
        let excluded = with(NullCursor::Exclude, None).unwrap().report;
        assert_eq!((excluded.rows, excluded.null_cursors), (4, 1));
        let included = with(NullCursor::Include, None).unwrap().report;
        assert_eq!((included.rows, included.null_cursors), (5, 0));
        let again = with(NullCursor::Include, included.watermark).unwrap();
        assert_eq!(integers(again.table.frame(), "id"), [Some(2)], "{:?}", db.kind);
    });
}

#[test]
fn cursors_may_be_numbers_from_zero_and_keys_may_be_text() {
    on_each(|db| {
        let columns = [("version", Sql::Int), ("code", Sql::Code)];
        db.table("t", &columns, &["1, 0, 'b'", "2, 0, 'a''; --'", "3, -1, 'z'"]);
        let incremental = Incremental::new("version", ["code"]).unwrap();
        let read = |watermark| db.collect(&Extract::table("t").incremental(since(&incremental, watermark))).unwrap();
        let first = read(None).report;
        let watermark = first.watermark.unwrap();
        assert_eq!((first.rows, &watermark.cursor), (3, &CursorValue::Integer(0)));
        assert_eq!(watermark.key, [CursorValue::Text("b".into())]);
        let from_zero = Watermark { key: vec![CursorValue::Text("a'; --".into())], ..watermark.clone() };
        assert_eq!(integers(read(Some(from_zero)).table.frame(), "id"), [Some(1)], "{:?}", db.kind);
        assert_eq!(read(Some(watermark)).report.rows, 0);
    });
}

#[test]
fn an_empty_table_has_no_watermark() {
    on_each(|db| {
        db.table("t", &[("at", Sql::Timestamp)], &[]);
        let incremental = Incremental::new("at", ["id"]).unwrap();
        let report = db.collect(&Extract::table("t").incremental(incremental)).unwrap().report;
        assert_eq!((report.rows, report.watermark), (0, None));
    });
}

#[test]
fn partitions_read_the_same_rows_in_a_stable_order() {
    on_each(|db| {
        numbers(db, "t", 1000);
        // Keys far from evenly spread.
        db.execute("UPDATE t SET id = id * 1000000 WHERE id > 900");
        let whole = db.collect(&Extract::table("t")).unwrap();
        let parted = |count: usize| {
            let options = ExtractOptions { partitions: Partitions::new(count).unwrap(), ..options(30) };
            db.collect(&Extract::table("t").options(options))
        };
        if db.kind == Kind::Mysql {
            assert!(matches!(parted(3), Err(EtlError::NoPartitions { .. })));
            return;
        }
        for count in [2, 3, 16] {
            let extracted = parted(count).unwrap();
            assert_eq!(extracted.report.rows, 1000);
            assert_eq!(extracted.report.fingerprint, whole.report.fingerprint, "{:?} {count}", db.kind);
            assert!(extracted.table.frame().equals_missing(parted(count).unwrap().table.frame()));
        }
        let ranges = parted(4).unwrap();
        let firsts: Vec<_> = integers(ranges.table.frame(), "v").into_iter().step_by(30).take(4).collect();
        assert_eq!(firsts, [Some(10), Some(2510), Some(5010), Some(7510)], "ranges of equal numbers of rows");
        db.table("empty", &[("a", Sql::Int)], &[]);
        let options = ExtractOptions { partitions: Partitions::new(4).unwrap(), ..ExtractOptions::default() };
        assert_eq!(db.collect(&Extract::table("empty").options(options)).unwrap().report.rows, 0);
    });
}

#[test]
fn a_query_that_fails_in_the_middle_is_an_error() {
    on_each(|db| {
        numbers(db, "t", 20_000);
        let query = match db.kind {
            Kind::Sqlite => "SELECT id, abs(-9223372036854775808 + (id < 15000)) AS v FROM t",
            Kind::Postgres => "SELECT id, 1 / (15000 - id) AS v FROM t",
            Kind::Mysql => "SELECT id, IF(id < 15000, 1, (SELECT 1 UNION SELECT 2)) AS v FROM t",
        };
        let result = db.collect(&Extract::query(query).key(["id"]).options(options(1000)));
        assert!(result.is_err(), "{:?}: {} rows", db.kind, result.unwrap().report.rows);
    });
}

#[test]
fn no_message_holds_the_password() {
    for url in ["postgres://u:hunter2@127.0.0.1:1/db", "mysql://u:hunter2@127.0.0.1:1/db", "mysql://u:hunter2@h:x/db"] {
        let source = Source::parse(url).map(|s| s.retry(med_etl::Retry::never()));
        let error = match source {
            Ok(source) => source.connect().unwrap_err(),
            Err(error) => error,
        };
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
}

#[test]
fn pages_need_a_key_that_tells_rows_apart() {
    on_each(|db| {
        numbers(db, "t", 30);
        db.execute("UPDATE t SET v = 1 WHERE id > 5");
        if db.kind == Kind::Mysql {
            let error = db.collect(&Extract::query("SELECT id FROM t")).unwrap_err();
            assert!(matches!(error, EtlError::NoKey { .. }), "{error}");
            let error = db.collect(&Extract::table("t").key(["v"]).options(options(10))).unwrap_err();
            assert!(matches!(error, EtlError::KeyNotUnique { .. }), "{error}");
        }
        let two = db.collect(&Extract::table("t").key(["v", "id"]).options(options(7))).unwrap();
        assert_eq!(two.report.rows, 30, "{:?}", db.kind);
    });
}
