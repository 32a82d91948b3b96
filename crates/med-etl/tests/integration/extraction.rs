use std::num::NonZeroUsize;
use std::ops::ControlFlow;

use diesel::Connection as _;
use diesel::connection::SimpleConnection;
use diesel::sqlite::SqliteConnection;
use med_etl::{
    Connection, DeclaredBy, EtlError, Extract, ExtractOptions, Incremental, MismatchPolicy, Progress, Source,
};
use med_schema::{Column, Kind, Schema, ValueType};
use polars::prelude::{DataFrame, DataType, TimeUnit};

use crate::database::{Db, clients};

fn in_batches(rows: usize) -> ExtractOptions {
    ExtractOptions { batch_rows: NonZeroUsize::new(rows).unwrap(), ..ExtractOptions::default() }
}

fn nulling() -> ExtractOptions {
    ExtractOptions { on_mismatch: MismatchPolicy::Null, ..ExtractOptions::default() }
}

fn one_column(name: &str, kind: Kind, value_type: ValueType) -> Schema {
    Schema::new(vec![Column::new(name, kind, value_type).nullable(true)]).unwrap()
}

#[test]
fn catalogue_types_are_kept() {
    let db = Db::new(
        "CREATE TABLE t (i INT, big BIGINT, r DOUBLE, s VARCHAR(9), b BOOLEAN, d DATE, m DATETIME, n DECIMAL(9,2));
         INSERT INTO t VALUES (1, 9223372036854775807, 1, 'größe 漢', 1, '2024-02-29', '2024-02-29 12:00:00', 2),
                              (NULL, -9223372036854775808, 0.1, '', 0, NULL, NULL, 2.5);",
    );
    let extracted = db.collect(&Extract::table("t")).unwrap();
    let frame = extracted.table.frame();
    assert_eq!(
        frame.dtypes(),
        [
            DataType::Int64,
            DataType::Int64,
            DataType::Float64,
            DataType::String,
            DataType::Boolean,
            DataType::Date,
            DataType::Datetime(TimeUnit::Microseconds, None),
            DataType::Float64
        ]
    );
    let big: Vec<_> = frame.column("big").unwrap().i64().unwrap().iter().collect();
    assert_eq!(big, [Some(i64::MAX), Some(i64::MIN)], "64-bit integers are kept");
    assert_eq!(frame.column("s").unwrap().str().unwrap().get(0), Some("größe 漢"));
    assert_eq!(frame.column("s").unwrap().str().unwrap().get(1), Some(""), "empty text is not null");
    assert_eq!(frame.column("n").unwrap().f64().unwrap().to_vec(), [Some(2.0), Some(2.5)]);
    assert_eq!(extracted.report.columns[0].nulls, 1);
    assert!(extracted.report.columns.iter().all(|c| c.declared_by == DeclaredBy::Catalogue));
}

#[test]
fn a_broken_column_fails_with_counts_and_without_values() {
    let db = Db::new(
        "CREATE TABLE clients (age INTEGER, bmi REAL);
         INSERT INTO clients VALUES (34, 20.5), ('secret', 21), (X'00FF', 22), (35.5, 'hidden');",
    );
    let mut delivered = 0;
    let error = db
        .connect()
        .for_each_batch(
            &Extract::table("clients").options(in_batches(1)),
            |_| ControlFlow::Continue(()),
            |_| -> Result<(), EtlError> {
                delivered += 1;
                Ok(())
            },
        )
        .unwrap_err();
    assert_eq!(delivered, 1, "nothing is delivered from the first broken row on");
    let text = error.to_string();
    assert_eq!(
        text,
        "table \"clients\": values do not fit their declared type in 2 of its columns (4 rows read): \
         column \"age\" expected integer, found text in 3 rows, first in row 1 (from 0); \
         column \"bmi\" expected float, found text in 1 row, first in row 3 (from 0)"
    );
    assert!(!format!("{error:?}").contains("secret") && !format!("{error:?}").contains("hidden"));
}

#[test]
fn under_the_null_policy_misfits_become_null_and_are_reported() {
    let db = Db::new("CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1), ('x'), (NULL), (X'01');");
    let extracted = db.collect(&Extract::table("t").options(nulling())).unwrap();
    let cells: Vec<_> = extracted.table.frame().column("a").unwrap().i64().unwrap().iter().collect();
    assert_eq!(cells, [Some(1), None, None, None]);
    let mismatch = &extracted.report.mismatches[0];
    assert_eq!((mismatch.found.as_str(), mismatch.first_row, mismatch.rows), ("text", 1, 2));
    assert_eq!(extracted.report.columns[0].nulls, 1, "only what is null in the database");
}

#[test]
fn text_that_is_not_utf8_does_not_fit_but_a_replacement_character_does() {
    let db = Db::new("CREATE TABLE t (a TEXT); INSERT INTO t VALUES (CAST(X'FF41' AS TEXT)), (char(65533));");
    let extracted = db.collect(&Extract::table("t").options(nulling())).unwrap();
    assert_eq!(extracted.table.frame().column("a").unwrap().str().unwrap().get(1), Some("\u{FFFD}"));
    assert_eq!(extracted.report.mismatches[0].found, "text that is not UTF-8");
    assert_eq!(extracted.report.mismatches[0].rows, 1);
}

#[test]
fn bytes_that_are_no_text_are_kept_whole_in_quarantine() {
    let db = Db::new(
        "CREATE TABLE t (a TEXT, n INTEGER);
         INSERT INTO t VALUES (CAST(X'FF41' AS TEXT), 1), ('fits', X'00ff10'), ('y', 3), ('z', 'x');",
    );
    let options = ExtractOptions { on_mismatch: MismatchPolicy::Quarantine, ..ExtractOptions::default() };
    let extracted = db.collect(&Extract::table("t").options(options)).unwrap();
    assert_eq!(extracted.table.n_rows(), 1);
    let aside = extracted.quarantined.unwrap();
    let held: Vec<_> = aside.column("med_misfits").unwrap().str().unwrap().iter().flatten().collect();
    assert_eq!(held, [r#"{"a":{"bytes":"ff41"}}"#, r#"{"n":{"bytes":"00ff10"}}"#, r#"{"n":"x"}"#]);
}

#[test]
fn a_cursor_of_moments_in_forms_that_compare_otherwise_is_refused() {
    let read = |moments: &[&str]| {
        let rows: Vec<String> = (1..).zip(moments).map(|(id, at)| format!("({id}, '{at}')")).collect();
        let db = Db::new(&format!("CREATE TABLE t (id INTEGER, at TEXT); INSERT INTO t VALUES {};", rows.join(", ")));
        let incremental = Incremental::new("at", ["id"]).unwrap();
        db.collect(&Extract::table("t").incremental(incremental)).map(|e| e.table.n_rows())
    };
    for sound in [
        &["2024-01-05", "2024-01-05 10:00:00", "2024-01-05 10:00:00.5", "2024-01-05 10:00"][..],
        &["2024-01-05T10:00:00Z", "2024-01-05T09:00:00Z", "2024-01-05"],
        &["2024-01-05T10:00:00.250Z", "2024-01-05T10:00:00.500Z"],
        &["2024-01-05 10:00:00.5+01:00", "2024-01-05 10:00:00+01:00"],
        &["version 2024", "some-2024-01-05 10:00:00", "b"],
    ] {
        assert_eq!(read(sound).unwrap(), sound.len(), "{sound:?}");
    }
    for (mixed, forms) in [
        (["2024-01-05 10:00:00", "2024-01-05T09:00:00"], "YYYY-MM-DD HH:MM:SS, YYYY-MM-DDTHH:MM:SS;"),
        (["2024-01-05T10:00:00", "2024-01-05T09:00:00Z"], "YYYY-MM-DDTHH:MM:SS, YYYY-MM-DDTHH:MM:SSZ;"),
        (["2024-01-05T10:00:00+01:00", "2024-01-05T09:00:00+02:00"], "HH:MM:SS+01:00, YYYY-MM-DDTHH:MM:SS+02:00;"),
        (["2024-01-05T10:00+01:00", "2024-01-05T09:00-01:00"], "HH:MM:SS+01:00, YYYY-MM-DDTHH:MM:SS-01:00;"),
        (["2024-01-05T10:00:00.5Z", "2024-01-05T10:00:00Z"], "YYYY-MM-DDTHH:MM:SSZ, YYYY-MM-DDTHH:MM:SS.fZ;"),
    ] {
        let text = read(&mixed).unwrap_err().to_string();
        assert!(text.contains("cursor column \"at\" is compared as text") && text.contains(forms), "{text}");
    }
}

#[test]
fn declared_dates_are_parsed_and_failures_counted() {
    let db =
        Db::new("CREATE TABLE t (d TEXT); INSERT INTO t VALUES ('2024-01-31'), ('2024-02-31'), ('soon'), (20240131);");
    let extract = Extract::table("t").with_schema(one_column("d", Kind::Date, ValueType::Date));
    let EtlError::Mismatches { columns, .. } = db.collect(&extract).unwrap_err() else { panic!("expected mismatches") };
    assert_eq!((columns[0].found.as_str(), columns[0].first_row, columns[0].rows), ("text that is no ISO date", 1, 3));
    let extracted = db.collect(&extract.options(nulling())).unwrap();
    assert_eq!(extracted.table.frame().column("d").unwrap().null_count(), 3);
}

#[test]
fn a_schema_picks_orders_and_types_the_columns() {
    let db = Db::new("CREATE TABLE t (a INTEGER, b TEXT, c REAL); INSERT INTO t VALUES (1, 'x', 2.0);");
    let schema = Schema::new(vec![
        Column::new("c", Kind::Count, ValueType::Integer),
        Column::new("a", Kind::Continuous, ValueType::Float),
    ])
    .unwrap();
    for extract in [Extract::table("t"), Extract::query("SELECT * FROM t")] {
        let extracted = db.collect(&extract.with_schema(schema.clone())).unwrap();
        assert_eq!(extracted.table.schema(), &schema);
        assert_eq!(extracted.table.frame().column("c").unwrap().i64().unwrap().get(0), Some(2));
        assert_eq!(extracted.report.ignored, ["b"]);
    }
}

#[test]
fn missing_tables_and_columns_name_their_neighbours() {
    let db = Db::new("CREATE TABLE clients (age INTEGER); CREATE VIEW young AS SELECT * FROM clients;");
    let error = db.collect(&Extract::table("client")).unwrap_err().to_string();
    assert_eq!(error, "there is no table \"client\" in the database; did you mean clients?");
    let schema = one_column("agee", Kind::Count, ValueType::Integer);
    let error = db.collect(&Extract::table("clients").with_schema(schema)).unwrap_err().to_string();
    assert_eq!(error, "table \"clients\" lacks declared columns: \"agee\"; did you mean age?");
    assert_eq!(db.connect().tables().unwrap(), ["clients", "young"]);
    assert_eq!(db.collect(&Extract::table("YOUNG")).unwrap().report.columns[0].value_type, ValueType::Integer);
}

#[test]
fn an_empty_table_gives_its_columns() {
    let db = Db::new("CREATE TABLE t (a INTEGER, b TEXT);");
    for extract in [Extract::table("t"), Extract::query("SELECT * FROM t;  ")] {
        let extracted = db.collect(&extract).unwrap();
        assert_eq!(extracted.table.n_rows(), 0);
        assert_eq!(extracted.table.frame().dtypes(), [DataType::Int64, DataType::String]);
        assert_eq!((extracted.report.rows, extracted.report.batches), (0, 1));
    }
}

#[test]
fn any_name_is_only_a_name() {
    let names = ["order", "a\"b", "a'b", "two words", "ü", "x; DROP TABLE victim", "[x]", "--"];
    let mut sql = String::from("CREATE TABLE victim (a INTEGER);");
    for name in names {
        let quoted = format!("\"{}\"", name.replace('"', "\"\""));
        sql.push_str(&format!(
            "CREATE TABLE {quoted} ({quoted} INTEGER, \"select\" TEXT); INSERT INTO {quoted} VALUES (7, 's');"
        ));
    }
    let db = Db::new(&sql);
    for name in names {
        let extracted = db.collect(&Extract::table(name)).unwrap();
        assert_eq!(extracted.table.frame().column(name).unwrap().i64().unwrap().get(0), Some(7), "{name}");
    }
}

#[test]
fn injection_is_refused() {
    let db = Db::new("CREATE TABLE victim (a INTEGER); INSERT INTO victim VALUES (1);");
    for table in ["victim; DROP TABLE victim", "victim\" --", "victim WHERE 1=0", "sqlite_master", "x\0y", ""] {
        assert!(matches!(db.collect(&Extract::table(table)), Err(EtlError::UnknownTable { .. })), "{table}");
    }
    for query in [
        "DELETE FROM victim RETURNING a",
        "SELECT 1; DROP TABLE victim",
        "DROP TABLE victim",
        "PRAGMA user_version = 3",
        "SELECT 1) UNION SELECT (2",
        "SELECT a FROM nothing",
        "",
    ] {
        assert!(matches!(db.collect(&Extract::query(query)), Err(EtlError::Query { .. })), "{query}");
    }
    assert_eq!(db.collect(&Extract::table("victim")).unwrap().report.rows, 1);
    let mut connection = db.connect();
    let error = connection.sqlite().unwrap().batch_execute("DELETE FROM victim").unwrap_err().to_string();
    assert!(error.contains("readonly"), "{error}");
}

#[test]
fn queries_take_declared_types_and_infer_the_rest() {
    let db = Db::new(
        "CREATE TABLE t (a INTEGER, b REAL, d DATE); INSERT INTO t VALUES (1, NULL, '2024-01-01'), (2, 0.5, NULL);",
    );
    let query = "SELECT a, b, d, count(*) OVER () AS n, a * 0.5 AS half, NULL AS missing,
                 CASE a WHEN 1 THEN 7 ELSE 'x' END AS mixed FROM t ORDER BY a DESC -- last first";
    let extracted = db.collect(&Extract::query(query)).unwrap();
    let types: Vec<_> = extracted.report.columns.iter().map(|c| (c.value_type, c.declared_by)).collect();
    use DeclaredBy::{Catalogue, FirstBatch};
    use ValueType::{Date, Float, Integer, Text};
    assert_eq!(types[..3], [(Integer, Catalogue), (Float, Catalogue), (Date, Catalogue)]);
    assert_eq!(types[3..].iter().map(|t| t.0).collect::<Vec<_>>(), [Integer, Float, Text, Text]);
    assert_eq!(types[5].1, FirstBatch);
    let frame = extracted.table.frame();
    assert_eq!(frame.column("a").unwrap().i64().unwrap().get(0), Some(2), "the order of the query is kept");
    assert_eq!(frame.column("mixed").unwrap().str().unwrap().iter().collect::<Vec<_>>(), [Some("x"), Some("7")]);
}

#[test]
fn a_later_batch_that_contradicts_the_first_is_an_error() {
    let db = Db::new("CREATE TABLE t (a); INSERT INTO t VALUES (1), (2), (0.5);");
    let error = db.collect(&Extract::table("t").options(in_batches(2))).unwrap_err().to_string();
    assert!(
        error.contains("expected integer, found real in 1 row, first in row 2") && error.contains("declare it"),
        "{error}"
    );
    let one = db.collect(&Extract::table("t").options(in_batches(3))).unwrap();
    assert_eq!(one.table.frame().dtypes(), [DataType::Float64]);
}

#[test]
fn columns_of_one_name_are_refused() {
    let db = Db::new("CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1);");
    let error = db.collect(&Extract::query("SELECT a, a FROM t")).unwrap_err();
    assert!(matches!(error, EtlError::DuplicateColumn { ref name } if name == "a"), "{error}");
}

#[test]
fn batches_give_the_same_frame_as_one() {
    let db = clients();
    let whole = db.collect(&Extract::table("clients")).unwrap();
    assert_eq!((whole.report.rows, whole.report.batches), (5000, 1));
    for rows in [1, 7, 1000, 5000] {
        let batched = db.collect(&Extract::table("clients").options(in_batches(rows))).unwrap();
        assert!(batched.table.frame().equals_missing(whole.table.frame()), "{rows}");
        assert_eq!(batched.report.batches, 5000_u64.div_ceil(rows as u64));
        assert_eq!(batched.report.fingerprint, whole.report.fingerprint);
    }
    let reversed = db.collect(&Extract::query("SELECT * FROM clients ORDER BY rowid DESC")).unwrap();
    assert!(!reversed.table.frame().equals_missing(whole.table.frame()));
    assert_eq!(reversed.report.fingerprint, whole.report.fingerprint, "order does not matter");
    db.change("UPDATE clients SET age = age + 1 WHERE rowid = 4711");
    assert_ne!(db.collect(&Extract::table("clients")).unwrap().report.fingerprint, whole.report.fingerprint);
}

#[test]
fn all_batches_show_one_state_of_the_database() {
    let db = Db::new("PRAGMA journal_mode = WAL; CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1), (2), (3);");
    let mut seen = Vec::new();
    db.connect()
        .for_each_batch(
            &Extract::table("t").options(in_batches(1)),
            |_| ControlFlow::Continue(()),
            |frame: DataFrame| -> Result<(), EtlError> {
                // Another process writes while the extraction reads.
                db.change("UPDATE t SET a = a + 100");
                seen.extend(frame.column("a")?.i64()?.iter().flatten());
                Ok(())
            },
        )
        .unwrap();
    assert_eq!(seen, [1, 2, 3]);
}

#[test]
fn progress_is_told_and_can_cancel_and_the_connection_stays_good() {
    let db = Db::new("CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1), (2), (3), (4), (5);");
    let mut connection = db.connect();
    let extract = Extract::table("t").options(in_batches(2));
    let mut told = Vec::new();
    let error = connection
        .collect_with(&extract, |progress| {
            told.push(progress);
            if progress.rows >= 4 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap_err();
    assert!(matches!(error, EtlError::Cancelled { rows: 4 }), "{error}");
    assert_eq!(told, [Progress { rows: 2, batches: 1 }, Progress { rows: 4, batches: 2 }]);
    assert_eq!(connection.collect(&extract).unwrap().report.rows, 5);
}

#[test]
fn an_error_of_the_sink_comes_back_as_it_is() {
    #[derive(Debug)]
    enum Failure {
        DiskFull,
        Etl,
    }
    impl From<EtlError> for Failure {
        fn from(_: EtlError) -> Self {
            Self::Etl
        }
    }
    let db = Db::new("CREATE TABLE t (a INTEGER);");
    let mut connection = db.connect();
    let go = |_| ControlFlow::Continue(());
    let full = connection.for_each_batch(&Extract::table("t"), go, |_| Err(Failure::DiskFull));
    assert!(matches!(full, Err(Failure::DiskFull)));
    let none = connection.for_each_batch(&Extract::table("u"), go, |_| Err(Failure::DiskFull));
    assert!(matches!(none, Err(Failure::Etl)));
}

#[test]
fn what_is_no_database_is_said_so() {
    let dir = tempfile::tempdir().unwrap();
    let missing = Source::sqlite(dir.path().join("none.db")).connect().unwrap_err();
    assert!(matches!(missing, EtlError::NoDatabase { .. }), "{missing}");
    assert!(!dir.path().join("none.db").exists(), "nothing is created");
    let text = dir.path().join("text.db");
    std::fs::write(&text, "this is a text file, and it is longer than the header of a database would be ".repeat(20))
        .unwrap();
    let error = Source::sqlite(text).connect().unwrap_err();
    assert!(matches!(error, EtlError::Connect { .. }) && error.to_string().contains("not a database"), "{error}");
}

#[test]
fn a_database_in_memory_is_read_through_its_own_connection() {
    let mut diesel = SqliteConnection::establish(":memory:").unwrap();
    diesel.batch_execute("CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1);").unwrap();
    let mut connection = Connection::from(diesel);
    assert_eq!(connection.collect(&Extract::query("SELECT a FROM t")).unwrap().report.rows, 1);
    assert_eq!(connection.collect(&Extract::table("t")).unwrap().report.rows, 1);
}

#[test]
fn reports_have_a_stable_json_form() {
    let db = Db::new("CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1);");
    let options = ExtractOptions { fingerprint: false, ..nulling() };
    let report = db.collect(&Extract::table("t").options(options)).unwrap().report;
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(
        json,
        r#"{"from":"table \"t\"","rows":1,"batches":1,"columns":[{"name":"a","type":"integer","declared_by":"catalogue","nulls":0}]}"#
    );
    assert_eq!(serde_json::from_str::<med_etl::ExtractionReport>(&json).unwrap(), report);
    assert_eq!(
        serde_json::from_str::<ExtractOptions>(r#"{"on_mismatch":"null","fingerprint":false}"#).unwrap(),
        options
    );
    assert!(serde_json::from_str::<ExtractOptions>(r#"{"batch_rows":0}"#).is_err());
}
