//! Partitions, pushdown, deletion, evolution, compaction, vacuum, checkpoints.

use std::collections::BTreeSet;

use chrono::{Duration, Utc};
use med_schema::{Column, Kind, Schema, Table, ValueType, Version};
use med_store::{Compaction, Comparison, Filter, Outcome, StoreError, Vacuum, Value};
use polars::prelude::{DataFrame, IntoColumn, NamedFrom, Series};

use crate::support::{admit, clients, content, definition, flip, lakes, run, same, schema};

fn by_region() -> Schema {
    schema().with_column(Column::new("region", Kind::Nominal, ValueType::Text).nullable(true)).unwrap()
}

/// Clients of a region.
fn of(region: Option<&str>, numbers: std::ops::Range<i64>, cost: f64) -> Table {
    let rows = clients(numbers, cost);
    let mut columns = rows.frame().columns().to_vec();
    columns.push(Series::new("region".into(), vec![region; rows.n_rows()]).into_column());
    Table::parse(DataFrame::new(rows.n_rows(), columns).unwrap(), by_region()).unwrap()
}

fn parts() -> Vec<String> {
    vec!["region".to_owned()]
}

fn ids(table: &Table) -> Vec<i64> {
    let mut ids: Vec<i64> = table
        .frame()
        .column("client_id")
        .unwrap()
        .str()
        .unwrap()
        .iter()
        .map(|id| id.unwrap().strip_prefix("client-").unwrap().parse().unwrap())
        .collect();
    ids.sort_unstable();
    ids
}

#[test]
fn partitions_are_written_read_and_overwritten_one_by_one() {
    for lake in lakes() {
        let table = lake.lake.partitioned_table("claims", &by_region(), &parts()).unwrap();
        for (name, region, numbers) in [("a", Some("north"), 0..5), ("b", Some("a b/ö"), 5..8), ("c", None, 8..9)] {
            table.append(run(name), &admit(of(region, numbers, 0.0))).unwrap();
        }
        let rows = table.read(None).unwrap();
        assert_eq!(ids(&rows), (0..9).collect::<Vec<_>>());
        let region = rows.frame().column("region").unwrap();
        assert_eq!(
            (region.null_count(), region.str().unwrap().iter().flatten().filter(|r| *r == "a b/ö").count()),
            (1, 3)
        );

        // Only north is replaced, and only it is read for its filter.
        let commit = table.overwrite_partitions(run("d"), &admit(of(Some("north"), 20..22, 0.0))).unwrap();
        assert_eq!((commit.outcome, commit.inserted), (Outcome::Committed, 2));
        assert_eq!(ids(&table.read(None).unwrap()), [5, 6, 7, 8, 20, 21]);
        assert_eq!(table.files_for(Filter::equal("region", "north")).unwrap().len(), 1);
        assert_eq!(table.files().unwrap().len(), 3);
        let north = table.scan(Some(&["client_id"]), Some(Filter::equal("region", "north")), None).unwrap();
        assert_eq!(ids(&north), [20, 21]);
        assert!(same(&table.read(Some(Version(1))).unwrap(), &of(Some("north"), 0..5, 0.0)));

        let missing = table.overwrite_partitions(run("e"), &admit(of(None, 30..31, 0.0))).unwrap();
        assert_eq!(missing.outcome, Outcome::Committed);
        assert_eq!(ids(&table.read(None).unwrap()), [5, 6, 7, 20, 21, 30]);
        assert!(matches!(
            table.append(run("f"), &admit(of(Some(""), 40..41, 0.0))).unwrap_err(),
            StoreError::Partition { .. }
        ));
        let other = lake.lake.table("claims", &by_region()).unwrap_err().to_string();
        assert!(other.contains("partitioned by [region]"), "{other}");
        assert!(lake.lake.partitioned_table("x", &schema(), &["annual_medical_cost".to_owned()]).is_err());
    }
}

#[test]
fn columns_and_filters_are_pushed_down() {
    for lake in lakes() {
        let table = lake.lake.table("clients", &schema()).unwrap();
        for batch in 0..4_i64 {
            table.append(run(&format!("r{batch}")), &admit(clients(batch * 100..batch * 100 + 100, 0.0))).unwrap();
        }
        let filter = Filter::equal("client_id", "client-00150");
        assert_eq!(table.files_for(filter.clone()).unwrap().len(), 1);
        let found = table.scan(Some(&["visits", "client_id"]), Some(filter), None).unwrap();
        assert_eq!(found.schema().names().collect::<Vec<_>>(), ["visits", "client_id"]);
        assert_eq!(ids(&found), [150]);
        // A filter on a column that is not asked for.
        let costly = Filter::compare("annual_medical_cost", Comparison::GreaterOrEqual, 390.0);
        let found = table.scan(Some(&["client_id"]), Some(costly.clone()), None).unwrap();
        assert_eq!(ids(&found), (391..400).collect::<Vec<_>>(), "client 390 has no cost");
        assert_eq!(table.files_for(costly).unwrap().len(), 1);
        // Same rows as filtering all of them.
        let all = table.read(None).unwrap();
        let few = Filter::any([Filter::equal("smoker", true), Filter::one_of("visits", [3_i64, 4])]);
        let expected = all
            .frame()
            .column("smoker")
            .unwrap()
            .bool()
            .unwrap()
            .iter()
            .zip(all.frame().column("visits").unwrap().i64().unwrap().iter())
            .filter(|(smoker, visits)| *smoker == Some(true) || matches!(visits, Some(3 | 4)))
            .count();
        assert_eq!(table.scan(None, Some(few), None).unwrap().n_rows(), expected);
        let wrong = table.scan(None, Some(Filter::equal("visits", 1.5)), None).unwrap_err().to_string();
        assert_eq!(wrong, "filter on column \"visits\": the column is of type integer, the value of type float");
        assert!(table.scan(Some(&["visit"]), None, None).is_err());
    }
}

#[test]
fn a_forgotten_client_is_gone_after_the_vacuum() {
    for lake in lakes() {
        let group = lake.lake.feature_group(definition()).unwrap();
        group.insert(run("a"), &admit(clients(0..50, 0.0))).unwrap();
        group.insert(run("b"), &admit(clients(50..60, 0.0))).unwrap();
        let untouched = group.table().files().unwrap();
        let gone = [vec![Value::from("client-00007")], vec![Value::from("client-00009")], vec![Value::from("nobody")]];
        let commit = group.forget(run("c"), &gone).unwrap();
        assert_eq!((commit.outcome, commit.removed), (Outcome::Committed, 2));
        let left: Vec<i64> = (0..60).filter(|n| ![7, 9].contains(n)).collect();
        assert_eq!(ids(&group.read(None).unwrap()), left);
        assert_eq!(group.table().files().unwrap().iter().filter(|f| untouched.contains(f)).count(), 1);
        assert_eq!(group.history().unwrap()[3].operation, "DELETE");
        assert_eq!(group.read(Some(Version(2))).unwrap().n_rows(), 60, "former versions have them still");
        assert_eq!(group.forget(run("d"), &gone).unwrap().outcome, Outcome::Unchanged);
        assert!(group.forget(run("e"), &[vec![]]).is_err());

        let now = Utc::now() + Duration::seconds(1);
        let table = group.table();
        assert!(table.vacuum(now, Vacuum::default()).unwrap().files.is_empty(), "a week is kept");
        let all = Vacuum { retain: Duration::zero(), dry_run: true };
        let before = content(&lake.store);
        let would = table.vacuum(now, all).unwrap();
        assert_eq!((would.files.len(), would.oldest_version), (1, Version(3)));
        assert_eq!(content(&lake.store), before);
        assert_eq!(table.vacuum(now, Vacuum { dry_run: false, ..all }).unwrap(), would);
        assert_eq!(ids(&group.read(None).unwrap()), left);
        let asked = [3, 2, 1, 9].map(Version);
        assert_eq!(table.gone(&asked).unwrap(), [2, 1, 9].map(Version), "version 1 needs the first file too");
        let gone = group.read(Some(Version(2))).unwrap_err();
        let StoreError::FileGone { table, version, file } = &gone else { panic!("{gone}") };
        assert_eq!((table.as_str(), *version), ("feature_groups/medical_costs_v1", Version(2)));
        assert!(gone.to_string().contains(file.as_str()) && would.files.contains(file), "{gone}");
    }
}

#[test]
fn a_vacuum_leaves_what_a_retained_version_needs() {
    for lake in lakes() {
        let table = lake.lake.table("clients", &schema()).unwrap();
        let mut times = vec![Utc::now()];
        for name in ["a", "b", "c"] {
            table.overwrite(run(name), &admit(clients(0..3, 1.0))).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(20));
            times.push(Utc::now());
        }
        let now = Utc::now() + Duration::seconds(1);
        let retain = now - times[2];
        let vacuumed = table.vacuum(now, Vacuum { retain, dry_run: false }).unwrap();
        assert_eq!((vacuumed.files.len(), vacuumed.oldest_version), (1, Version(2)));
        assert!(table.read(Some(Version(1))).is_err());
        assert_eq!(table.read(Some(Version(2))).unwrap().n_rows(), 3);
        assert_eq!(table.read(None).unwrap().n_rows(), 3);
    }
}

#[test]
fn a_vacuum_takes_files_of_partitions_whose_names_are_encoded() {
    for lake in lakes() {
        let table = lake.lake.partitioned_table("claims", &by_region(), &parts()).unwrap();
        for (name, region) in [("a", "50% a b/ö+c"), ("b", "x=y&z#?")] {
            table.append(run(name), &admit(of(Some(region), 0..5, 0.0))).unwrap();
        }
        let files = table.files().unwrap();
        let written = || content(&lake.store).into_iter().map(|(name, _)| name).filter(|n| n.ends_with(".parquet"));
        assert_eq!(written().collect::<BTreeSet<_>>(), files.iter().cloned().collect());
        table.delete(run("c"), Filter::equal("region", "50% a b/ö+c")).unwrap();
        let all = Vacuum { retain: Duration::zero(), dry_run: false };
        assert_eq!(table.vacuum(Utc::now() + Duration::seconds(1), all).unwrap().files.len(), 1);
        assert_eq!(written().collect::<Vec<_>>(), table.files().unwrap());
        assert_eq!(table.read(None).unwrap().n_rows(), 5);
    }
}

#[test]
fn small_files_are_put_together_in_order() {
    for lake in lakes() {
        let table = lake.lake.partitioned_table("claims", &by_region(), &parts()).unwrap();
        for batch in 0..6_i64 {
            let region = if batch % 2 == 0 { "north" } else { "south" };
            table
                .append(run(&format!("r{batch}")), &admit(of(Some(region), batch * 10..batch * 10 + 10, 0.0)))
                .unwrap();
            std::thread::sleep(std::time::Duration::from_millis(3));
        }
        let one = |region: &str| table.scan(None, Some(Filter::equal("region", region)), None).unwrap();
        let before = (one("north"), one("south"));
        let commit = table.compact(run("compact"), Compaction::default()).unwrap();
        assert_eq!(commit.outcome, Outcome::Committed);
        assert_eq!(table.files().unwrap().len(), 2);
        assert!(same(&one("north"), &before.0) && same(&one("south"), &before.1));
        assert_eq!(table.history().unwrap().last().unwrap().operation, "OPTIMIZE");
        assert_eq!(table.compact(run("again"), Compaction::default()).unwrap().outcome, Outcome::Unchanged);
        let tiny = Compaction { target_bytes: 1 };
        assert_eq!(table.compact(run("tiny"), tiny).unwrap().outcome, Outcome::Unchanged);
        assert_eq!(table.read(Some(Version(6))).unwrap().n_rows(), 60);
    }
}

#[test]
fn a_schema_grows_and_does_nothing_else() {
    for lake in lakes() {
        let before = lake.lake.table("clients", &schema()).unwrap();
        before.append(run("a"), &admit(clients(0..3, 0.0))).unwrap();
        let table = before.evolve(run("grow"), &by_region()).unwrap();
        assert_eq!(table.history().unwrap().last().unwrap().operation, "ALTER TABLE");
        table.append(run("b"), &admit(of(Some("north"), 3..5, 0.0))).unwrap();
        let rows = table.read(None).unwrap();
        assert_eq!((rows.n_rows(), rows.frame().column("region").unwrap().null_count()), (5, 3));
        // Who knows the former schema still reads and writes.
        before.append(run("c"), &admit(clients(5..6, 0.0))).unwrap();
        assert_eq!(before.read(None).unwrap().n_rows(), 6);
        assert_eq!(table.read(None).unwrap().frame().column("region").unwrap().null_count(), 4);
        assert_eq!(table.read(Some(Version(1))).unwrap().frame().column("region").unwrap().null_count(), 3);
        let version = table.version().unwrap();
        before.evolve(run("grow-again"), &by_region()).map(|_| ()).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(table.version().unwrap(), version);
        // Deleting rewrites all columns, those this handle does not know too.
        before.delete(run("d"), Filter::equal("client_id", "client-00003")).unwrap();
        assert_eq!(table.read(None).unwrap().frame().column("region").unwrap().null_count(), 4);

        let refused = table
            .evolve(
                run("e"),
                &Schema::new(vec![
                    Column::new("client_id", Kind::Identifier, ValueType::Integer),
                    Column::new("extra", Kind::Count, ValueType::Integer),
                ])
                .unwrap(),
            )
            .unwrap_err()
            .to_string();
        for part in
            ["\"client_id\"", "\"smoker\": a column cannot be taken away", "\"extra\": a new column must be nullable"]
        {
            assert!(refused.contains(part), "{refused}");
        }
    }
}

#[test]
fn checkpoints_are_written_and_change_nothing() {
    for lake in lakes() {
        let table = lake.lake.table("clients", &schema()).unwrap();
        for turn in 0..12_i64 {
            let batch = med_store::Batch::new(run(&format!("r{turn}"))).with_watermark("s", turn.into());
            table.append(batch, &admit(clients(turn..turn + 1, 0.0))).unwrap();
        }
        let checkpoints = |lake: &crate::support::Lake| {
            content(&lake.store).iter().filter(|(name, _)| name.ends_with(".checkpoint.parquet")).count()
        };
        assert_eq!(checkpoints(&lake), 1);
        assert_eq!(table.checkpoint().unwrap(), Version(12));
        assert_eq!(checkpoints(&lake), 2);
        assert_eq!(ids(&table.read(None).unwrap()), (0..12).collect::<Vec<_>>());
        assert_eq!(table.watermark("s", None).unwrap(), Some(11.into()));
        assert_eq!(table.append(run("r3"), &admit(clients(3..4, 0.0))).unwrap().outcome, Outcome::AlreadyDone);
    }
}

#[test]
fn an_upsert_writes_the_touched_files_alone() {
    for lake in lakes() {
        let group = lake.lake.feature_group(definition()).unwrap();
        group.insert(run("a"), &admit(clients(0..50, 0.0))).unwrap();
        group.insert(run("b"), &admit(clients(50..60, 0.0))).unwrap();
        let before = group.table().files().unwrap();
        let commit = group.insert(run("c"), &admit(clients([51, 70], 5.0))).unwrap();
        assert_eq!((commit.inserted, commit.updated), (1, 1));
        let after = group.table().files().unwrap();
        assert_eq!(after.iter().filter(|f| before.contains(f)).count(), 1);
        assert_eq!(group.read(None).unwrap().n_rows(), 61);
        // The untouched file is still verified.
        flip(&lake.store, after.iter().find(|f| before.contains(f)).unwrap());
        assert!(matches!(group.read(None).unwrap_err(), StoreError::Corrupt { .. }));
    }
}
