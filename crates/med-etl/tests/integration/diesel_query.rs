//! Queries of Diesel's query builder, on every database alike.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;

use diesel::prelude::*;
use diesel::sqlite::Sqlite;
use med_etl::{
    CursorValue, DieselQuery, EtlError, Extract, ExtractOptions, Extracted, Incremental, MismatchPolicy, Partitions,
    Selection,
};
use med_schema::{Column, Kind as Meaning, Schema, ValueType};
use polars::prelude::{AnyValue, DataType};

use crate::backends::{Kind, Sql, TestDb, on_each};

diesel::table! {
    charges (id) {
        id -> BigInt,
        kind -> Text,
        cents -> BigInt,
        day -> Nullable<Date>,
    }
}

/// The query for the back end of this database.
macro_rules! query {
    ($db:expr, $make:expr) => {
        match $db.kind {
            Kind::Sqlite => DieselQuery::new::<Sqlite, _>($make),
            #[cfg(feature = "postgres")]
            Kind::Postgres => DieselQuery::new::<diesel::pg::Pg, _>($make),
            #[cfg(feature = "mysql")]
            Kind::Mysql => DieselQuery::new::<diesel::mysql::Mysql, _>($make),
            #[cfg(not(all(feature = "postgres", feature = "mysql")))]
            other => panic!("{other:?} is not compiled in"),
        }
    };
}

fn charges(db: &TestDb) {
    db.table("charges", &[("kind", Sql::Code), ("cents", Sql::Int), ("day", Sql::Date)], &[]);
    let kinds = ["visit", "lab", "o''; -- ?", "größe"];
    let day = |i: usize| if i.is_multiple_of(7) { "NULL".to_owned() } else { format!("'2024-01-{:02}'", i % 28 + 1) };
    let rows: Vec<String> = (1..=500).map(|i| format!("({i}, '{}', {}, {})", kinds[i % 4], i * 10, day(i))).collect();
    db.execute(&format!("INSERT INTO charges VALUES {}", rows.join(",")));
}

fn options(rows: usize) -> ExtractOptions {
    ExtractOptions { batch_rows: NonZeroUsize::new(rows).unwrap(), ..ExtractOptions::default() }
}

fn integers(extracted: &Extracted, column: &str) -> Vec<Option<i64>> {
    extracted.table.frame().column(column).unwrap().i64().unwrap().iter().collect()
}

#[test]
fn a_diesel_query_reads_like_its_sql() {
    on_each(|db| {
        charges(db);
        let sql = "SELECT id, kind, day FROM charges WHERE cents >= 1000 AND (kind = 'o''; -- ?' OR kind = 'lab')";
        let text = db.collect(&Extract::query(sql).key(["id"])).unwrap();
        assert_eq!(text.report.rows, 200);
        let kind = "o'; -- ?".to_owned();
        let plain = query!(db, {
            let kind = kind.clone();
            move || {
                let kinds = charges::kind.eq(kind.clone()).or(charges::kind.eq("lab"));
                charges::table.filter(charges::cents.ge(1000)).filter(kinds).select((
                    charges::id,
                    charges::kind,
                    charges::day,
                ))
            }
        });
        // Boxed, and with a list, which is one array parameter on PostgreSQL and several parameters elsewhere.
        let boxed = query!(db, {
            let kind = kind.clone();
            move || {
                let kinds = vec![kind.clone(), "lab".to_owned()];
                let mut query = charges::table.select((charges::id, charges::kind, charges::day)).into_boxed();
                query = query.filter(charges::cents.ge(1000));
                query.filter(charges::kind.eq_any(kinds))
            }
        });
        for query in [plain, boxed] {
            let extract = Extract::from(query).key(["id"]);
            for rows in [1, 7, 199, 200, 1000] {
                let typed = db.collect(&extract.clone().options(options(rows))).unwrap();
                assert_eq!(typed.report.fingerprint, text.report.fingerprint, "{:?} {rows}", db.kind);
                assert_eq!(typed.report.batches, 200_u64.div_ceil(rows as u64));
                assert_eq!(typed.report.columns, text.report.columns);
                let sorted = |e: &Extracted| e.table.frame().sort(["id"], Default::default()).unwrap();
                assert!(sorted(&typed).equals_missing(&sorted(&text)), "{:?} {rows}", db.kind);
            }
            assert!(!format!("{extract:?}").contains("--"), "parameters are not shown");
        }
    });
}

#[test]
fn its_order_holds_where_no_key_orders() {
    on_each(|db| {
        charges(db);
        let query = query!(db, || charges::table
            .filter(charges::id.le(100))
            .order(charges::id.desc())
            .limit(50)
            .select((charges::cents, charges::id)));
        let ids = integers(&db.collect(&Extract::from(query).key(["id"]).options(options(8))).unwrap(), "id");
        let expected: Vec<_> = match db.kind {
            Kind::Mysql => (51..=100).map(Some).collect(),
            _ => (51..=100).rev().map(Some).collect(),
        };
        assert_eq!(ids, expected, "{:?}", db.kind);
    });
}

#[test]
fn computed_columns_have_the_names_they_are_given() {
    use diesel::dsl::{count_star, sum};
    on_each(|db| {
        charges(db);
        let schema = Schema::new(vec![
            Column::new("kind", Meaning::Nominal, ValueType::Text),
            Column::new("cents", Meaning::Continuous, ValueType::Integer),
            Column::new("n", Meaning::Count, ValueType::Integer),
        ])
        .unwrap();
        let query = query!(db, || charges::table.filter(charges::id.gt(100)).group_by(charges::kind).select((
            charges::kind,
            sum(charges::cents),
            count_star()
        )))
        .names(["kind", "cents", "n"]);
        let extract = Extract::from(query).key(["kind"]).with_schema(schema);
        let extracted = db.collect(&extract).unwrap();
        let frame = extracted.table.frame().sort(["kind"], Default::default()).unwrap();
        let of = |column: &str, row: usize| frame.column(column).unwrap().get(row).unwrap().into_static();
        assert_eq!(of("kind", 1), AnyValue::String("lab").into_static(), "{:?}", db.kind);
        assert_eq!((of("cents", 1), of("n", 1)), (AnyValue::Int64(299_000), AnyValue::Int64(100)), "{:?}", db.kind);
        assert_eq!(extracted.report.rows, 4);
        // Without names a parameter may stand in the name that the database gives.
        let query = query!(db, || charges::table.filter(charges::id.le(3)).select((charges::id, charges::cents + 5)));
        let unnamed = db.collect(&Extract::from(query).key(["id"])).unwrap();
        let cells = unnamed.table.frame().columns()[1].cast(&DataType::Int64).unwrap();
        assert_eq!(cells.i64().unwrap().iter().collect::<Vec<_>>(), [Some(15), Some(25), Some(35)], "{:?}", db.kind);
    });
}

#[test]
fn schemas_policies_and_names_work_as_for_text() {
    on_each(|db| {
        charges(db);
        db.execute("UPDATE charges SET kind = '2024-02-01' WHERE id <> 2");
        let schema = Schema::new(vec![
            Column::new("id", Meaning::Identifier, ValueType::Integer),
            Column::new("kind", Meaning::Date, ValueType::Date).nullable(true),
        ])
        .unwrap();
        let query = query!(db, || charges::table.filter(charges::id.le(3)).select((
            charges::id,
            charges::kind,
            charges::cents
        )));
        let extract = Extract::from(query).key(["id"]).with_schema(schema);
        let error = db.collect(&extract).unwrap_err();
        assert!(matches!(&error, EtlError::Mismatches { from, .. } if from == "Diesel query"), "{error}");
        let set = ExtractOptions { on_mismatch: MismatchPolicy::Quarantine, ..options(2) };
        let split = db.collect(&extract.options(set)).unwrap();
        assert_eq!((split.report.quarantined, split.report.ignored.as_slice()), (1, &["cents".to_owned()][..]));
        assert_eq!(integers(&split, "id"), [Some(1), Some(3)], "{:?}", db.kind);
        // Two columns of one name.
        let query = query!(db, || charges::table.select((charges::id, charges::kind, charges::id)));
        let error = db.collect(&Extract::from(query.clone()).key(["id"])).unwrap_err();
        assert!(matches!(&error, EtlError::DuplicateColumn { name } if name == "id"), "{:?}: {error}", db.kind);
        let named = Extract::from(query.names(["id", "kind", "again"])).key(["id"]);
        assert_eq!(db.collect(&named).unwrap().report.rows, 500, "{:?}", db.kind);
    });
}

#[test]
fn increments_and_partitions_bind_the_parameters_too() {
    on_each(|db| {
        charges(db);
        let query = query!(db, || charges::table.filter(charges::cents.gt(1000)).select((charges::id, charges::cents)));
        let incremental = Incremental::new("cents", ["id"]).unwrap();
        let first = db.collect(&Extract::from(query.clone()).incremental(incremental.clone())).unwrap().report;
        let watermark = first.watermark.unwrap();
        assert_eq!((first.rows, &watermark.cursor), (400, &CursorValue::Integer(5000)), "{:?}", db.kind);
        db.execute("INSERT INTO charges VALUES (501, 'lab', 5010, NULL), (502, 'lab', 500, NULL)");
        let next = incremental.since(watermark).unwrap();
        let second = db.collect(&Extract::from(query.clone()).incremental(next)).unwrap();
        assert_eq!(integers(&second, "id"), [Some(501)], "{:?}", db.kind);
        if db.kind == Kind::Mysql {
            return;
        }
        let set = ExtractOptions { partitions: Partitions::new(3).unwrap(), ..options(30) };
        let parted = db.collect(&Extract::from(query.clone()).key(["id"]).options(set)).unwrap();
        let whole = db.collect(&Extract::from(query)).unwrap();
        assert_eq!((parted.report.rows, parted.report.fingerprint), (401, whole.report.fingerprint), "{:?}", db.kind);
    });
}

#[test]
fn a_diesel_query_that_stops_leaves_the_connection_good() {
    on_each(|db| {
        charges(db);
        let query = query!(db, || charges::table.filter(charges::id.gt(0)).select((charges::id, charges::cents)));
        let extract = Extract::from(query).key(["id"]).options(options(10));
        let mut connection = db.connect();
        connection
            .snapshot(|connection| {
                let stop = |done: med_etl::Progress| {
                    if done.rows >= 20 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                };
                let error = connection.collect_with(&extract, stop).unwrap_err();
                assert!(matches!(error, EtlError::Cancelled { rows: 20 }), "{error}");
                // The same again in the transaction, and what is no Diesel query behind it.
                assert_eq!(connection.collect(&extract)?.report.rows, 500, "{:?}", db.kind);
                assert_eq!(connection.collect(&Extract::table("charges"))?.report.rows, 500);
                Ok::<_, EtlError>(())
            })
            .unwrap();
    });
}

diesel::table! {
    nowhere (id) {
        id -> BigInt,
    }
}

#[test]
fn queries_for_another_database_or_table_are_refused() {
    on_each(|db| {
        let query = query!(db, || nowhere::table.filter(nowhere::id.gt(5)));
        let error = db.collect(&Extract::from(query.clone()).key(["id"])).unwrap_err();
        assert!(matches!(error, EtlError::Query { .. }), "{:?}: {error}", db.kind);
        assert!(error.to_string().contains("nowhere"), "{error}");
        if db.kind != Kind::Sqlite {
            let error = db.collect(&Extract::diesel::<Sqlite, _>(|| nowhere::table.select(nowhere::id))).unwrap_err();
            assert!(matches!(error, EtlError::OtherDatabase { expected: "Sqlite" }), "{error}");
        }
        assert_eq!(query, query.clone());
        assert_ne!(query, query!(db, || nowhere::table.filter(nowhere::id.gt(5))));
        assert!(serde_json::to_string(&Selection::Diesel(query)).is_err(), "no file can hold a query");
    });
}
