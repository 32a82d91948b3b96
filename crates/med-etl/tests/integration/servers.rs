//! What servers have of their own: types that order rows in a way of their own, settings, TLS.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;

use med_etl::{
    CursorValue, EtlError, Extract, ExtractOptions, Extracted, Incremental, MismatchPolicy, Partitions, Source,
    Watermark,
};
use med_schema::{Column, Kind as Meaning, Schema, ValueType};
use polars::prelude::{DataFrame, DataType};

use crate::backends::{Kind, TestDb, on_each};

fn on(kind: Kind, test: impl Fn(&TestDb)) {
    on_each(|db| {
        if db.kind == kind {
            test(db);
        }
    });
}

fn options(rows: usize) -> ExtractOptions {
    ExtractOptions { batch_rows: NonZeroUsize::new(rows).unwrap(), ..ExtractOptions::default() }
}

fn ids(frame: &DataFrame) -> Vec<i64> {
    let mut ids: Vec<i64> = frame.column("id").unwrap().i64().unwrap().iter().map(Option::unwrap).collect();
    ids.sort_unstable();
    ids
}

fn texts(frame: &DataFrame, column: &str) -> Vec<String> {
    let frame = frame.sort(["id"], Default::default()).unwrap();
    frame.column(column).unwrap().str().unwrap().iter().map(|t| t.unwrap_or("null").to_owned()).collect()
}

#[test]
fn mysql_pages_lose_no_row_whatever_orders_the_key() {
    on(Kind::Mysql, |db| {
        for (place, (declared, values)) in [
            ("ENUM('z','m','a','B')", &["'z'", "'m'", "'a'", "'B'"][..]),
            ("SET('z','m','a')", &["'z'", "'m'", "'z,m'", "'a'", "'z,a'", "''"]),
            ("BIT(12)", &["b'0'", "b'101'", "b'111111111111'", "b'10000000'"]),
            ("BINARY(4)", &["X'00000000'", "X'00FF00FF'", "X'FF000000'", "X'27272727'", "'ab'"]),
            ("VARBINARY(20)", &["X''", "X'00'", "X'0000'", "X'FFFE'", "'0x41'", "'A'"]),
            ("FLOAT", &["0.1", "0.3", "1e10/3", "-0.7", "16777216", "1e-30"]),
            ("DOUBLE", &["0.1", "1e300/3", "-1e-300/7", "2.5"]),
            ("DECIMAL(30,10)", &["0.1", "12345678901234567890.0123456789", "-1"]),
            ("DATETIME(6)", &["'2024-01-01 00:00:00.000001'", "'2024-01-01'", "'1000-01-01'"]),
            ("TIME(6)", &["'-10:00:00.5'", "'00:00:00'", "'838:59:59'"]),
            ("YEAR", &["1999", "2024"]),
            ("CHAR(4) CHARACTER SET latin1 COLLATE latin1_german1_ci", &["'a'", "'Ä'", "'B'", "'zz'", "''"]),
            ("VARCHAR(4) COLLATE utf8mb4_general_ci", &["'a'", "'B'", "'ß'", "'x y'", "'🜚'"]),
        ]
        .into_iter()
        .enumerate()
        {
            let name = format!("t{place}");
            db.execute(&format!(
                "CREATE TABLE {name} (k {declared} NOT NULL, id BIGINT NOT NULL, PRIMARY KEY (k, id))"
            ));
            let rows: Vec<String> =
                (0..5 * values.len()).map(|id| format!("({}, {id})", values[id % values.len()])).collect();
            db.execute(&format!("INSERT INTO {name} VALUES {}", rows.join(",")));
            let all: Vec<i64> = (0..rows.len() as i64).collect();
            let null = ExtractOptions { on_mismatch: MismatchPolicy::Null, ..options(2) };
            for key in [&[][..], &["k", "id"]] {
                let extract = Extract::table(&name).options(null).key(key.iter().copied());
                assert_eq!(ids(db.collect(&extract).unwrap().table.frame()), all, "{declared} {key:?}");
            }
            // As cursor and as key of an increment.
            let once = format!("u{place}");
            db.execute(&format!("CREATE TABLE {once} AS SELECT k, MIN(id) AS id FROM {name} GROUP BY k"));
            for (cursor, key, name) in [("k", "id", &name), ("id", "k", &once)] {
                let incremental = Incremental::new(cursor, [key]).unwrap();
                let read = |i: Incremental| {
                    let extracted = db.collect(&Extract::table(name).options(null).incremental(i));
                    extracted.unwrap_or_else(|error| panic!("{declared} by {cursor}: {error}")).report
                };
                let watermark = read(incremental.clone()).watermark.unwrap();
                let kept = serde_json::from_str(&serde_json::to_string(&watermark).unwrap()).unwrap();
                assert_eq!(read(incremental.since(kept).unwrap()).rows, 0, "{declared} by {cursor}");
            }
        }
    });
}

#[test]
fn a_server_without_connections_for_partitions_is_told_and_not_asked_again() {
    on(Kind::Postgres, |db| {
        db.execute("CREATE TABLE t (id BIGINT PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 100)");
        let schema = db.url.rsplit_once("search_path%3D").unwrap().1;
        let role = format!("{schema}_reader");
        db.execute(&format!(
            "CREATE ROLE {role} LOGIN PASSWORD 'reads' CONNECTION LIMIT 4; GRANT USAGE ON SCHEMA {schema} TO {role};
             GRANT SELECT ON t TO {role}"
        ));
        let (scheme, rest) = db.url.split_once("://").unwrap();
        let host = rest.split_once('@').map_or(rest, |(_, host)| host);
        let source = Source::parse(&format!("{scheme}://{role}:reads@{host}")).unwrap();
        let read = |count| {
            let options = ExtractOptions { partitions: Partitions::new(count).unwrap(), ..options(30) };
            source.clone().connect().unwrap().collect(&Extract::table("t").options(options))
        };
        let few = read(3).map(|extracted| extracted.report.rows);
        let many = read(8).unwrap_err();
        db.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
        assert_eq!(few.unwrap(), 100);
        assert!(!many.is_transient(), "{many}");
        let told = many.to_string();
        assert!(told.contains("3 of 8 partitions") && told.contains("fewer"), "{told}");
    });
}

#[test]
fn mysql_members_order_the_rows_of_one_moment() {
    on(Kind::Mysql, |db| {
        db.execute(
            "CREATE TABLE t (id BIGINT PRIMARY KEY, e ENUM('z','m','a') NOT NULL, at DATETIME NOT NULL);
             INSERT INTO t VALUES (1, 'z', '2024-01-01')",
        );
        let incremental = Incremental::new("at", ["e"]).unwrap();
        let read = |i: &Incremental| db.collect(&Extract::table("t").incremental(i.clone())).unwrap();
        let watermark = read(&incremental).report.watermark.unwrap();
        assert_eq!(watermark.key, [CursorValue::Integer(1)], "the place of the member");
        db.execute("INSERT INTO t VALUES (2, 'm', '2024-01-01'), (3, 'a', '2024-01-01')");
        assert_eq!(ids(read(&incremental.clone().since(watermark).unwrap()).table.frame()), [2, 3]);
        // A watermark of before holds the name, which does not say what comes after it: the moment is read again.
        let old = Watermark {
            cursor: CursorValue::Text("2024-01-01 00:00:00".into()),
            key: vec![CursorValue::Text("z".into())],
        };
        assert_eq!(read(&incremental.since(old).unwrap()).report.rows, 3);
    });
}

#[test]
fn mysql_bits_bytes_and_geometries_are_read() {
    on(Kind::Mysql, |db| {
        db.execute(
            "CREATE TABLE t (id BIGINT PRIMARY KEY, flag BIT(1), bits BIT(10), uuid BINARY(16), place POINT, area POLYGON);
             INSERT INTO t VALUES (1, b'1', b'1010000000', X'00112233445566778899AABBCCDDEEFF', POINT(1, 2), NULL),
                                  (2, b'0', b'101', NULL, NULL, ST_GeomFromText('POLYGON((0 0,0 1,1 1,0 0))'))",
        );
        for extract in [Extract::table("t"), Extract::query("SELECT * FROM t").key(["id"])] {
            let frame = db.collect(&extract).unwrap().table.into_parts().0;
            assert_eq!(
                frame.dtypes()[1..],
                [DataType::Boolean, DataType::Int64, DataType::String, DataType::String, DataType::String]
            );
            let bits: Vec<_> = frame.column("bits").unwrap().i64().unwrap().iter().collect();
            assert_eq!(bits, [Some(640), Some(5)]);
            assert_eq!(texts(&frame, "uuid"), ["00112233445566778899aabbccddeeff", "null"]);
            assert_eq!(texts(&frame, "place"), ["POINT(1 2)", "null"]);
            assert!(texts(&frame, "area")[1].starts_with("POLYGON"));
        }
    });
}

#[test]
fn mysql_is_not_read_in_clear_text_where_the_url_asks_for_tls() {
    on(Kind::Mysql, |db| {
        let with = |mode: &str| Source::parse(&format!("{}?ssl_mode={mode}", db.url)).unwrap().connect();
        assert!(with("disabled").is_ok());
        assert!(with("preferred").is_ok());
        // MySQL's own client library refuses such a server itself.
        for mode in ["required", "verify_ca", "verify_identity"] {
            let error = with(mode).unwrap_err();
            assert!(matches!(error, EtlError::Tls { .. } | EtlError::Connect { .. }), "{mode}: {error}");
        }
    });
}

#[test]
fn mysql_settings_of_the_server_change_no_row() {
    on(Kind::Mysql, |db| {
        db.execute(
            "CREATE TABLE t (id BIGINT PRIMARY KEY, c CHAR(5)); INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')",
        );
        let mut connection = db.connect();
        #[cfg(feature = "mysql")]
        {
            use diesel::connection::SimpleConnection;
            let settings = "SET SESSION sql_select_limit = 1, time_zone = '+05:00', sql_mode = 'PAD_CHAR_TO_FULL_LENGTH,ANSI_QUOTES,NO_BACKSLASH_ESCAPES'";
            connection.mysql().unwrap().batch_execute(settings).unwrap();
        }
        let frame = connection.collect(&Extract::table("t").options(options(2))).unwrap().table.into_parts().0;
        assert_eq!(texts(&frame, "c"), ["a", "b", "c"]);
    });
}

/// Reads with the policy to set aside, and says which rows fit and how many did not.
fn read(db: &TestDb, extract: Extract, since: Option<Watermark>) -> (Vec<i64>, u64, Option<Watermark>) {
    let incremental = Incremental::new("at", ["id"]).unwrap();
    let incremental = match since {
        Some(watermark) => incremental.since(watermark).unwrap(),
        None => incremental,
    };
    let options = ExtractOptions { on_mismatch: MismatchPolicy::Quarantine, ..options(10) };
    let Extracted { table, report, .. } = db.collect(&extract.options(options).incremental(incremental)).unwrap();
    (ids(table.frame()), report.quarantined, report.watermark)
}

#[test]
fn what_is_no_moment_is_no_watermark() {
    on(Kind::Postgres, |db| {
        db.execute(
            "CREATE TABLE t (id BIGINT PRIMARY KEY, at TIMESTAMP);
             INSERT INTO t VALUES (1, '2024-01-01'), (2, 'infinity'), (3, '-infinity')",
        );
        let (fit, aside, watermark) = read(db, Extract::table("t"), None);
        assert_eq!((fit, aside), (vec![1], 2));
        let kept = watermark.clone().unwrap();
        assert_eq!(kept.cursor, CursorValue::Text("2024-01-01 00:00:00".into()));
        db.execute("INSERT INTO t VALUES (4, '2024-01-02')");
        // The infinite row is told of each time, and hides none.
        let (fit, aside, watermark) = read(db, Extract::table("t"), watermark);
        assert_eq!((fit, aside), (vec![4], 1));
        assert_eq!(watermark.unwrap().key, [CursorValue::Integer(4)]);
        // A watermark of before that is infinite hides nothing either.
        let old = Watermark { cursor: CursorValue::Text("infinity".into()), ..kept };
        assert_eq!(read(db, Extract::table("t"), Some(old)).0, [1, 4]);
    });
    on_each(|db| {
        if db.kind == Kind::Mysql {
            return;
        }
        db.execute(
            "CREATE TABLE s (id BIGINT PRIMARY KEY, at TEXT); INSERT INTO s VALUES (1, '2024-01-01'), (2, 'unknown'), (3, 'x')",
        );
        let column = |name: &str, kind, value_type| Column::new(name, kind, value_type);
        let schema = Schema::new(vec![
            column("id", Meaning::Identifier, ValueType::Integer),
            column("at", Meaning::Timestamp, ValueType::Timestamp).nullable(true),
        ])
        .unwrap();
        let extract = || Extract::table("s").with_schema(schema.clone());
        let (fit, aside, watermark) = read(db, extract(), None);
        assert_eq!((fit, aside), (vec![1], 2), "{:?}", db.kind);
        db.execute("INSERT INTO s VALUES (4, '2024-01-02')");
        assert_eq!(read(db, extract(), watermark).0, [4], "{:?}", db.kind);
    });
}

#[test]
fn what_is_no_number_is_no_watermark() {
    on(Kind::Postgres, |db| {
        db.execute(
            "CREATE TABLE t (id BIGINT PRIMARY KEY, at DOUBLE PRECISION); INSERT INTO t VALUES (1, 0.1), (2, 'NaN'), (3, 'Infinity')",
        );
        let (_, _, watermark) = read(db, Extract::table("t"), None);
        assert_eq!(watermark.as_ref().unwrap().cursor, CursorValue::Text("0.1".into()));
        db.execute("INSERT INTO t VALUES (4, 0.2)");
        assert!(read(db, Extract::table("t"), watermark).0.contains(&4));
        // A `real` is compared as such: as a `numeric` of its digits it would come after itself.
        db.execute("CREATE TABLE r (id BIGINT PRIMARY KEY, at REAL); INSERT INTO r VALUES (1, 0.1), (2, 0.3)");
        let (_, _, watermark) = read(db, Extract::table("r"), None);
        assert!(read(db, Extract::table("r"), watermark).0.is_empty());
    });
}

#[test]
fn postgres_settings_of_the_role_change_no_value() {
    on(Kind::Postgres, |db| {
        db.execute(
            "CREATE TABLE t (id TEXT PRIMARY KEY, at TIMESTAMP, day DATE, span INTERVAL, bytes BYTEA);
             INSERT INTO t VALUES ('a', '2020-02-01 00:00:00', '2020-02-01', '1 day 02:00', '\\x00ff'),
                                  (E'\\\\'' OR true --', '2020-02-01 00:00:00', NULL, NULL, NULL)",
        );
        let separator = "%20-c";
        let settings = [
            "DateStyle%3DSQL%2CDMY",
            "IntervalStyle%3Diso_8601",
            "standard_conforming_strings%3Doff",
            "bytea_output%3Descape",
        ];
        let url = format!("{}{separator}{}", db.url, settings.join(separator));
        let incremental = Incremental::new("at", ["id"]).unwrap();
        let plain = db.collect(&Extract::table("t").incremental(incremental.clone())).unwrap();
        let read = |i: Incremental| {
            Source::parse(&url).unwrap().connect().unwrap().collect(&Extract::table("t").incremental(i)).unwrap()
        };
        let other = read(incremental.clone());
        assert_eq!(other.report.fingerprint, plain.report.fingerprint);
        assert_eq!(other.report.watermark, plain.report.watermark);
        let watermark = other.report.watermark.unwrap();
        assert_eq!(watermark.cursor, CursorValue::Text("2020-02-01 00:00:00".into()));
        let odd = Watermark { key: vec![CursorValue::Text(r"\' OR true --".into())], ..watermark };
        let after =
            db.collect(&Extract::table("t").incremental(incremental.clone().since(odd.clone()).unwrap())).unwrap();
        assert_eq!(read(incremental.clone().since(odd.clone()).unwrap()).report.rows, after.report.rows);
        assert_eq!(read(incremental.since(odd).unwrap().lag(60)).report.rows, 2);
    });
}

#[test]
fn postgres_may_end_idle_transactions_and_is_read_to_the_end() {
    on(Kind::Postgres, |db| {
        db.execute("CREATE TABLE t (id BIGINT PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 20)");
        let url = format!("{}%20-cidle_in_transaction_session_timeout%3D50", db.url);
        let mut connection = Source::parse(&url).unwrap().connect().unwrap();
        let mut rows = 0;
        let report = connection.for_each_batch::<EtlError>(
            &Extract::table("t").options(options(10)),
            |_| ControlFlow::Continue(()),
            |batch| {
                std::thread::sleep(std::time::Duration::from_millis(150));
                rows += batch.height();
                Ok(())
            },
        );
        assert_eq!((report.unwrap().rows, rows), (20, 20));
    });
}

#[test]
fn postgres_domains_over_domains_are_what_they_are_over() {
    on(Kind::Postgres, |db| {
        db.execute(
            "CREATE DOMAIN whole AS NUMERIC(10, 0); CREATE DOMAIN positive AS whole CHECK (VALUE > 0);
             CREATE DOMAIN big AS BIGINT; CREATE DOMAIN bigger AS big; CREATE DOMAIN biggest AS bigger;
             CREATE TABLE t (id biggest PRIMARY KEY, n positive, t TEXT); INSERT INTO t VALUES (1, 2, 'x')",
        );
        for extract in [Extract::table("t"), Extract::query("SELECT * FROM t")] {
            let frame = db.collect(&extract).unwrap().table.into_parts().0;
            assert_eq!(frame.dtypes(), [DataType::Int64, DataType::Int64, DataType::String]);
        }
    });
}

#[test]
fn an_error_names_the_column_that_it_is_of() {
    on(Kind::Sqlite, |db| {
        db.execute("CREATE TABLE t (at TEXT, k DECIMAL(20,5)); INSERT INTO t VALUES ('2024-01-01', 1.5)");
        let error = db.collect(&Extract::table("t").incremental(Incremental::new("at", ["k"]).unwrap())).unwrap_err();
        assert!(matches!(&error, EtlError::CursorValue { column, .. } if column == "k"), "{error}");
    });
}

#[test]
fn a_database_is_told_from_others_of_the_same_tables() {
    on_each(|db| {
        db.execute("CREATE TABLE t (id BIGINT PRIMARY KEY)");
        let identity = |db: &TestDb, extract: &Extract| db.connect().identity(extract).unwrap().unwrap();
        let table = identity(db, &Extract::table("t"));
        assert_eq!(identity(db, &Extract::table("t")), table);
        assert!(!table.contains("root") && !table.contains("postgres@"), "{table}");
        on(db.kind, |other| {
            other.execute("CREATE TABLE t (id BIGINT PRIMARY KEY)");
            for extract in [Extract::table("t"), Extract::query("SELECT id FROM t")] {
                assert_ne!(identity(other, &extract), identity(db, &extract));
            }
        });
    });
}
