//! Tables that Med wrote, read by other Delta implementations, and the other way round, value by value.
//!
//! `MED_TEST_PYTHON` names a Python that has what `tests/interop/requirements.txt` lists; without it the test says that it is
//! skipped. Both sides exchange what a table must hold as documents, each from its own memory and not from the table:
//! `{"columns": [["name", "type"], ...], "versions": {"1": [[value, ...], ...]}}`. Floats are texts, dates are days and timestamps
//! microseconds since 1970.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use chrono::{Duration, Utc};
use med_schema::{Column, Kind, Role, Schema, Table, ValueType, Version};
use med_store::blocking::{DeltaTable, Lakehouse};
use med_store::{Compaction, Comparison, FeatureGroupDefinition, Filter, Vacuum, Value};
use polars::prelude::{AnyValue, DataFrame, DataType, IntoColumn, NamedFrom, Series, TimeUnit};
use serde_json::{Value as Json, json};

use crate::support::{admit, run};

type Row = Vec<Json>;

/// The values of a column that are least likely to survive, in turn; `null` is among them.
fn values(kind: ValueType) -> Vec<Json> {
    let mut values = match kind {
        ValueType::Boolean => vec![json!(true), json!(false)],
        ValueType::Integer => [0, 1, -1, (1 << 53) + 1, i64::MAX, i64::MIN].map(|v| json!(v)).to_vec(),
        ValueType::Float => {
            let finite = [0.1, -0.0, 5e-324, f64::MAX, f64::MIN, 1e22].into_iter();
            finite.chain([f64::NAN, f64::INFINITY, f64::NEG_INFINITY]).map(float).collect()
        }
        ValueType::Text => {
            let long = "größer ".repeat(2_000);
            let odd =
                ["", " ", "NULL", "größe 🙂", "a\"b'c\\d", "two\nlines\r\ttab", "\u{0}", "\u{10FFFF}", "e\u{301}"];
            odd.iter().map(|v| json!(v)).chain([json!(long)]).collect()
        }
        // The years 1 to 9999, which is what SQL and Python have.
        ValueType::Date => [0, -1, 19_782, -719_162, 2_932_896].map(|v| json!(v)).to_vec(),
        ValueType::Timestamp => [0_i64, -1, 1_704_067_200_123_456, -62_135_596_800_000_000, 253_402_300_799_999_999]
            .map(|v| json!(v))
            .to_vec(),
    };
    values.insert(1, Json::Null);
    values
}

fn float(value: f64) -> Json {
    json!(format!("{value:?}"))
}

const KINDS: [ValueType; 6] =
    [ValueType::Boolean, ValueType::Integer, ValueType::Float, ValueType::Text, ValueType::Date, ValueType::Timestamp];

fn column(name: &str, kind: ValueType) -> Column {
    let measured = match kind {
        ValueType::Boolean => Kind::Binary,
        ValueType::Integer | ValueType::Float => Kind::Continuous,
        ValueType::Text => Kind::Nominal,
        ValueType::Date => Kind::Date,
        ValueType::Timestamp => Kind::Timestamp,
    };
    Column::new(name, measured, kind).nullable(true)
}

/// `id`, a column of each type with a name that has to be quoted somewhere, and one without any value.
fn all_types() -> Schema {
    let mut columns = vec![column("id", ValueType::Integer)];
    columns.extend(KINDS.map(|kind| column(&format!("größe.{kind}"), kind)));
    columns.push(column("nothing", ValueType::Float));
    Schema::new(columns).unwrap()
}

/// Rows of [`all_types`] with these ids; the last one has nothing but its id.
fn rows(ids: std::ops::Range<i64>) -> Vec<Row> {
    let each = KINDS.map(values);
    let last = ids.end - 1;
    ids.map(|id| {
        let mut row = vec![json!(id)];
        row.extend(each.iter().map(|values| match id {
            id if id == last => Json::Null,
            id => values[id as usize % values.len()].clone(),
        }));
        row.push(Json::Null);
        row
    })
    .collect()
}

fn table(schema: &Schema, rows: &[Row]) -> Table {
    let columns = schema.columns().iter().enumerate().map(|(at, column)| {
        let cells = || rows.iter().map(|row| &row[at]);
        let name = column.name.as_str().into();
        let series = match column.value_type {
            ValueType::Boolean => Series::new(name, cells().map(Json::as_bool).collect::<Vec<_>>()),
            ValueType::Float => {
                Series::new(name, cells().map(|v| v.as_str().map(|v| v.parse::<f64>().unwrap())).collect::<Vec<_>>())
            }
            ValueType::Text => Series::new(name, cells().map(Json::as_str).collect::<Vec<_>>()),
            ValueType::Integer => Series::new(name, cells().map(Json::as_i64).collect::<Vec<_>>()),
            ValueType::Date => Series::new(name, cells().map(|v| v.as_i64().map(|v| v as i32)).collect::<Vec<_>>())
                .cast(&DataType::Date)
                .unwrap(),
            ValueType::Timestamp => Series::new(name, cells().map(Json::as_i64).collect::<Vec<_>>())
                .cast(&DataType::Datetime(TimeUnit::Microseconds, None))
                .unwrap(),
        };
        series.into_column()
    });
    Table::parse(DataFrame::new(rows.len(), columns.collect()).unwrap(), schema.clone()).unwrap()
}

/// The rows of a table as texts that can be sorted and compared.
fn written_out(table: &Table) -> Vec<String> {
    let frame = table.frame();
    let row = |at: usize| -> Row {
        let cell = |value: AnyValue<'_>| match value {
            AnyValue::Null => Json::Null,
            AnyValue::Boolean(v) => json!(v),
            AnyValue::Int64(v) | AnyValue::Datetime(v, _, _) => json!(v),
            AnyValue::Date(v) => json!(v),
            AnyValue::Float64(v) => float(v),
            AnyValue::String(v) => json!(v),
            other => panic!("{other:?}"),
        };
        frame.columns().iter().map(|column| cell(column.get(at).unwrap())).collect()
    };
    sorted(&(0..frame.height()).map(row).collect::<Vec<_>>())
}

fn sorted(rows: &[Row]) -> Vec<String> {
    let mut texts: Vec<String> = rows.iter().map(|row| json!(row).to_string()).collect();
    texts.sort_unstable();
    texts
}

/// What the versions of a table must hold.
struct Expected {
    schema: Schema,
    versions: BTreeMap<u64, Vec<Row>>,
}

impl Expected {
    fn of(schema: &Schema, versions: impl IntoIterator<Item = (u64, Vec<Row>)>) -> Self {
        Self { schema: schema.clone(), versions: versions.into_iter().collect() }
    }

    fn write(&self, folder: &Path, name: &str) {
        let columns: Vec<_> = self.schema.columns().iter().map(|c| (&c.name, c.value_type.to_string())).collect();
        let document = json!({ "columns": columns, "versions": self.versions });
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(folder.join(format!("{name}.json")), document.to_string()).unwrap();
    }
}

/// Puts other versions in the place of those described.
fn renew(folder: &Path, name: &str, versions: &BTreeMap<u64, Vec<Row>>) {
    let path = folder.join(format!("{name}.json"));
    let mut document: Json = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    document["versions"] = json!(versions);
    std::fs::write(path, document.to_string()).unwrap();
}

/// What another writer says a table holds now, by version.
fn said(folder: &Path, name: &str) -> BTreeMap<u64, Vec<Row>> {
    let text = std::fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
    let document: Json = serde_json::from_str(&text).unwrap();
    serde_json::from_value(document["versions"].clone()).unwrap()
}

fn python(folder: &Path, step: &str) -> bool {
    let Ok(python) = std::env::var("MED_TEST_PYTHON") else {
        println!("skipped: MED_TEST_PYTHON is not set");
        return false;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/interop.py");
    let done = Command::new(python).arg(script).arg(step).arg(folder).output().unwrap();
    println!("{}", String::from_utf8_lossy(&done.stdout));
    assert!(done.status.success(), "{step}: {}", String::from_utf8_lossy(&done.stderr));
    true
}

/// Reads each version, whole and by a filter, and finds the rows.
fn compare(name: &str, table: &DeltaTable, versions: &BTreeMap<u64, Vec<Row>>) {
    for (version, rows) in versions {
        let found = table.read(Some(Version(*version))).unwrap();
        assert_eq!(written_out(&found), sorted(rows), "{name} version {version}");
        for id in [0_i64, 5, 100, 103] {
            let some = |row: &&Row| row[0].as_i64().is_some_and(|found| found >= id);
            let filter = Filter::compare("id", Comparison::GreaterOrEqual, id);
            let found = table.scan(None, Some(filter), Some(Version(*version))).unwrap();
            let expected: Vec<Row> = rows.iter().filter(some).cloned().collect();
            assert_eq!(written_out(&found), sorted(&expected), "{name} version {version}, id >= {id}");
        }
    }
}

/// A table of all types, and one with more and more done to it.
fn types_and_life(lake: &Lakehouse, expected: &Path) -> DeltaTable {
    let schema = all_types();
    lake.table("empty", &schema).unwrap();
    Expected::of(&schema, [(0, Vec::new())]).write(expected, "tables/empty");

    let types = lake.table("types", &schema).unwrap();
    types.append(run("a"), &admit(table(&schema, &rows(0..40)))).unwrap();
    Expected::of(&schema, [(0, Vec::new()), (1, rows(0..40))]).write(expected, "tables/types");

    let life = lake.table("life", &schema).unwrap();
    let mut versions = BTreeMap::from([(0, Vec::new())]);
    for turn in 0..11_i64 {
        let added = rows(turn * 5..turn * 5 + 5);
        life.append(run(&format!("a{turn}")), &admit(table(&schema, &added))).unwrap();
        let mut all: Vec<Row> = versions[&(turn as u64)].clone();
        all.extend(added);
        versions.insert(turn as u64 + 1, all);
    }
    life.delete(run("d"), Filter::compare("id", Comparison::Less, 7_i64)).unwrap();
    let left: Vec<Row> = versions[&11].iter().filter(|row| row[0].as_i64() >= Some(7)).cloned().collect();
    versions.insert(12, left.clone());
    life.compact(run("c"), Compaction::default()).unwrap();
    versions.insert(13, left.clone());
    life.checkpoint().unwrap();
    Expected::of(&schema, versions).write(expected, "tables/life");

    let grown = lake.table("grown", &schema).unwrap();
    grown.append(run("a"), &admit(table(&schema, &rows(0..5)))).unwrap();
    let wider = schema.clone().with_column(column("later", ValueType::Text)).unwrap();
    let grown = grown.evolve(run("e"), &wider).unwrap();
    let with = |rows: Vec<Row>, value: Json| -> Vec<Row> {
        rows.into_iter().map(|row| row.into_iter().chain([value.clone()]).collect()).collect()
    };
    let new = with(rows(5..9), json!("new"));
    grown.append(run("b"), &admit(table(&wider, &new))).unwrap();
    let old = with(rows(0..5), Json::Null);
    let all = old.iter().cloned().chain(new).collect();
    Expected::of(&wider, [(2, old), (3, all)]).write(expected, "tables/grown");
    grown
}

/// Partitions of every type they may have, with values that have to be encoded in paths.
fn partitions(lake: &Lakehouse, expected: &Path) -> DeltaTable {
    let texts = ["a b/ö", "50%", "x=y&z", "#?", "c:d", "+", "..", "'\"", "\\", "{*}", "%41", "two\nlines", "🙂"];
    let names = ["text", "integer", "date", "boolean"];
    let kinds = [ValueType::Text, ValueType::Integer, ValueType::Date, ValueType::Boolean];
    let mut columns = vec![column("id", ValueType::Integer), column("value", ValueType::Float)];
    columns.extend(names.iter().zip(kinds).map(|(name, kind)| column(name, kind)));
    let schema = Schema::new(columns).unwrap();
    let row = |id: i64| -> Row {
        let (text, pick) = (texts.get(id as usize % (texts.len() + 1)), |kind| {
            let values: Vec<Json> = values(kind);
            values[id as usize % values.len()].clone()
        });
        let text = text.map_or(Json::Null, |text| json!(text));
        let integer = pick(ValueType::Integer);
        vec![json!(id), float(id as f64), text, integer, pick(ValueType::Date), pick(ValueType::Boolean)]
    };
    let by = names.map(str::to_owned);
    let parts = lake.partitioned_table("parts", &schema, &by).unwrap();
    let first: Vec<Row> = (0..28).map(row).collect();
    parts.append(run("a"), &admit(table(&schema, &first))).unwrap();
    // In the place of rows of the same partitions, then without some, then put together.
    let again: Vec<Row> = (0..14).map(|id| [vec![json!(id), float(-1.0)], row(id)[2..].to_vec()].concat()).collect();
    parts.overwrite_partitions(run("b"), &admit(table(&schema, &again))).unwrap();
    let replaced: Vec<Row> =
        first.iter().filter(|row| again.iter().all(|new| new[2..] != row[2..])).chain(&again).cloned().collect();
    parts.delete(run("c"), Filter::equal("text", "a b/ö")).unwrap();
    let left: Vec<Row> = replaced.iter().filter(|row| row[2] != json!("a b/ö")).cloned().collect();
    parts.append(run("d"), &admit(table(&schema, &again))).unwrap();
    let doubled: Vec<Row> = left.iter().chain(&again).cloned().collect();
    parts.compact(run("e"), Compaction::default()).unwrap();
    let versions = [(1, first), (2, replaced), (3, left), (4, doubled.clone()), (5, doubled)];
    Expected::of(&schema, versions).write(expected, "tables/parts");
    parts
}

/// A feature group: insert, upsert, right to be forgotten.
fn group(lake: &Lakehouse, expected: &Path) -> DeltaTable {
    let schema = Schema::new(vec![
        Column::new("id", Kind::Identifier, ValueType::Integer).role(Role::Key),
        Column::new("seen", Kind::Timestamp, ValueType::Timestamp).role(Role::EventTime),
        column("cost", ValueType::Float),
    ])
    .unwrap();
    let definition = FeatureGroupDefinition {
        name: "costs".to_owned(),
        version: 1,
        primary_key: vec!["id".to_owned()],
        event_time: "seen".to_owned(),
        partition_by: Vec::new(),
        suite: None,
        description: String::new(),
        schema: schema.clone(),
    };
    let group = lake.feature_group(definition).unwrap();
    let of = |ids: std::ops::Range<i64>, cost: f64| -> Vec<Row> {
        ids.map(|id| vec![json!(id), json!(1_704_067_200_000_000_i64), float(cost)]).collect()
    };
    group.insert(run("a"), &admit(table(&schema, &of(0..10, 1.5)))).unwrap();
    group.insert(run("b"), &admit(table(&schema, &of(8..12, 2.5)))).unwrap();
    group.forget(run("c"), &[vec![Value::from(3_i64)]]).unwrap();
    let merged = [of(0..8, 1.5), of(8..12, 2.5)].concat();
    let left = merged.iter().filter(|row| row[0] != json!(3)).cloned().collect();
    let versions = [(1, of(0..10, 1.5)), (2, merged), (3, left)];
    Expected::of(&schema, versions).write(expected, "feature_groups/costs_v1");
    group.table()
}

#[test]
fn other_readers_and_writers_see_the_same_values() {
    let folder = tempfile::tempdir().unwrap();
    let lake = Lakehouse::open(folder.path().join("lake").to_str().unwrap()).unwrap();
    let (expected, theirs): (PathBuf, PathBuf) = (folder.path().join("expected"), folder.path().join("theirs"));
    for name in ["tables", "feature_groups"] {
        std::fs::create_dir_all(expected.join(name)).unwrap();
    }
    let grown = types_and_life(&lake, &expected);
    let parts = partitions(&lake, &expected);
    let costs = group(&lake, &expected);
    if !python(folder.path(), "read") || !python(folder.path(), "write") {
        return;
    }

    // What they appended, deleted, merged, put together, restored and summed up is read here.
    for name in ["empty", "types", "life"] {
        let versions = said(&theirs, name);
        let opened = lake.table(name, &all_types()).unwrap();
        compare(name, &opened, &versions);
        // And gone on with: their files are rewritten, put together, and taken away.
        let mut rows_now = versions.last_key_value().unwrap().1.clone();
        opened.append(run("z1"), &admit(table(&all_types(), &rows(200..205)))).unwrap();
        rows_now.extend(rows(200..205));
        let at_first = opened.version().unwrap().0;
        opened.delete(run("z2"), Filter::compare("id", Comparison::GreaterOrEqual, 203_i64)).unwrap();
        let left: Vec<Row> = rows_now.iter().filter(|row| row[0].as_i64() < Some(203)).cloned().collect();
        opened.compact(run("z3"), Compaction::default()).unwrap();
        let all = Vacuum { retain: Duration::zero(), dry_run: false };
        opened.vacuum(Utc::now() + Duration::seconds(1), all).unwrap();
        let latest = opened.version().unwrap().0;
        assert!(latest > at_first);
        let versions = BTreeMap::from([(latest, left)]);
        compare(name, &opened, &versions);
        renew(&expected, &format!("tables/{name}"), &versions);
    }
    for (name, opened) in [("tables/parts", parts), ("feature_groups/costs_v1", costs)] {
        let versions = said(&theirs, name.rsplit('/').next().unwrap_or(name));
        compare(name, &opened, &versions);
        renew(&expected, name, &versions);
    }
    // Columns that are none of ours outlive a rewrite of their file.
    compare("grown", &grown, &said(&theirs, "grown"));
    grown.delete(run("z"), Filter::compare("id", Comparison::Less, 3_i64)).unwrap();
    std::fs::remove_file(expected.join("tables/grown.json")).unwrap();
    python(folder.path(), "foreign");
    python(folder.path(), "read");
}
