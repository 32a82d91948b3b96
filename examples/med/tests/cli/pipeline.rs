//! `med run`, and looking at what it made.

use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use med_schema::{CheckResult, Checked, CsvOptions, GatePolicy, Report, RunId, Table};
use med_store::StoreError;
use med_store::blocking::Lakehouse;

use super::{med, tree};

/// A lake that one run has filled, with its database.
pub(crate) fn filled() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    med(folder.path(), &["run"]).passed();
    folder
}

pub(crate) fn change(folder: &Path, sql: &str) {
    let path = folder.join("lake/clients.sqlite");
    SqliteConnection::establish(path.to_str().unwrap()).unwrap().batch_execute(sql).unwrap();
}

#[test]
fn a_run_reaches_its_marks_and_a_second_one_adds_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let first = med(folder.path(), &["run"]);
    let printed = first.stdout.clone();
    let summary = first.passed();
    assert_eq!(summary["rows"]["extracted"], 5000);
    assert_eq!(summary["rows"]["test"], 1000);
    let r2 = |model: &str| summary["models"][model]["r2"].as_f64().unwrap();
    assert!(r2("linear") >= 0.90, "{}", r2("linear"));
    assert!(r2("gbdt") >= 0.96, "{}", r2("gbdt"));
    assert_eq!(summary["promoted"], "gbdt");
    assert_eq!(summary["drift"]["drifted"], false);
    assert!(summary["gates"].as_object().unwrap().values().all(|v| v == "passed"));
    assert!(folder.path().join(summary["report"].as_str().unwrap()).is_file());

    let before = tree(folder.path());
    let second = med(folder.path(), &["run"]);
    assert_eq!(second.stdout, printed, "the same bits");
    assert!(second.stderr.contains("nothing new"));
    assert!(tree(folder.path()) == before, "a second run changed a file");

    // Called by another path it is the same lake.
    let lake = folder.path().join("lake");
    assert_eq!(med(folder.path(), &["run", "--lake", lake.to_str().unwrap()]).code, 0);
}

#[test]
fn the_order_of_the_rows_decides_nothing() {
    let folder = filled();
    let summary = med(folder.path(), &["run"]).passed();
    change(
        folder.path(),
        "CREATE TABLE turned AS SELECT * FROM clients ORDER BY rowid DESC; DROP TABLE clients; ALTER TABLE turned RENAME TO clients;",
    );
    assert_eq!(med(folder.path(), &["run"]).passed(), summary);
}

#[test]
fn no_model_sees_the_target() {
    let folder = filled();
    let summary = med(folder.path(), &["run"]).passed();
    let models = folder.path().join("lake/models").join(summary["run_id"].as_str().unwrap());
    let mut seen = 0;
    for entry in std::fs::read_dir(models).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "json") {
            let model: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            let columns = model["preprocessing"]["columns"]["columns"].as_array().unwrap();
            assert!(columns.len() >= 14);
            assert!(columns.iter().all(|c| c["name"] != "annual_medical_cost" && c["name"] != "client_id"));
            seen += 1;
        }
    }
    assert_eq!(seen, 4);
}

#[test]
fn a_value_out_of_range_closes_the_first_gate() {
    let folder = filled();
    let groups = med(folder.path(), &["lake", "ls"]).passed();
    let models = med(folder.path(), &["model", "show", "annual_medical_cost"]).passed();
    let before = tree(folder.path());
    change(folder.path(), "UPDATE clients SET age = 999 WHERE rowid <= 3");
    let failed = med(folder.path(), &["run"]);
    assert_eq!(failed.code, 1);
    assert!(
        failed.stderr.contains("expect_column_values_to_be_between on \"age\" failed")
            && failed.stderr.contains("3 of 5000 rows"),
        "{}",
        failed.stderr
    );
    let summary = failed.json();
    assert_eq!(summary["gates"]["extracted"], "failed");
    assert!(summary["gates"].get("loaded").is_none());
    assert_eq!(summary["promoted"], serde_json::Value::Null);

    // The last good state is as it was: only the failed run's own report was added.
    assert_eq!(med(folder.path(), &["model", "show", "annual_medical_cost"]).passed(), models);
    assert_eq!(med(folder.path(), &["lake", "ls"]).passed()["feature_groups"], groups["feature_groups"]);
    let after = tree(folder.path());
    let run = summary["run_id"].as_str().unwrap();
    let kept: Vec<_> =
        after.iter().filter(|(name, _)| !name.contains(run) && !name.ends_with("clients.sqlite")).collect();
    let good: Vec<_> = before.iter().filter(|(name, _)| !name.ends_with("clients.sqlite")).collect();
    assert!(kept == good, "a failed run changed what was there");

    // The rows that are to blame are kept, with what they broke.
    let broken = folder.path().join(format!("lake/quarantine/{run}/extracted.parquet"));
    let broken = Table::read(broken, &CsvOptions::default()).unwrap();
    assert_eq!(broken.n_rows(), 3);
    let rules = broken.frame().column("broken_rules").unwrap().str().unwrap();
    assert!(rules.iter().all(|rule| rule == Some("expect_column_values_to_be_between(age)")));

    // Mended, the run goes through again; without a table it does not.
    change(folder.path(), "UPDATE clients SET age = 50 WHERE rowid <= 3");
    let mended = med(folder.path(), &["run"]).passed();
    assert_eq!(mended["rows"]["loaded"], 5000);
    change(folder.path(), "DROP TABLE clients");
    assert!(med(folder.path(), &["run"]).refused().contains("no table \"clients\""));
}

#[test]
fn what_cannot_be_read_is_refused_with_column_and_count() {
    let folder = filled();
    change(folder.path(), "UPDATE clients SET bmi = 'heavy' WHERE rowid IN (7, 8)");
    let text = med(folder.path(), &["run"]).refused();
    assert!(text.contains("\"bmi\"") && text.contains('2'), "{text}");
    assert!(!text.contains("heavy"), "a value of a client in an error");
    change(folder.path(), "ALTER TABLE clients RENAME COLUMN bmi TO body_mass");
    let text = med(folder.path(), &["run"]).refused();
    assert!(text.contains("\"bmi\""), "{text}");
    let nowhere = med(folder.path(), &["run", "--database-url", "sqlite://nowhere.sqlite"]).refused();
    assert!(nowhere.contains("nowhere.sqlite"), "{nowhere}");
    let secret = med(folder.path(), &["run", "--database-url", "oracle://me:secret@host/db"]).refused();
    assert!(!secret.contains("secret"), "{secret}");
}

#[test]
fn a_changed_database_makes_a_new_version_and_the_old_one_can_be_read() {
    let folder = filled();
    change(folder.path(), "UPDATE clients SET annual_medical_cost = annual_medical_cost + 1 WHERE rowid = 1");
    med(folder.path(), &["run"]).passed();
    let history = med(folder.path(), &["lake", "history", "medical_costs"]).passed();
    assert_eq!(history["versions"].as_array().unwrap().len(), 3, "{history}");
    let read = |version: &str, out: &str| {
        let done = med(folder.path(), &["lake", "read", "medical_costs", "--version", version, "--out", out]);
        assert_eq!(done.passed()["rows"], 5000);
        std::fs::read_to_string(folder.path().join(out)).unwrap()
    };
    let (old, new) = (read("1", "old.csv"), read("2", "new.csv"));
    let differing = old.lines().zip(new.lines()).filter(|(a, b)| a != b).count();
    assert_eq!(differing, 1, "one client changed");
    let text = med(folder.path(), &["lake", "read", "medical_costs", "--version", "9", "--out", "x.csv"]).refused();
    assert!(text.contains('9'), "{text}");
}

#[test]
fn the_lake_holds_the_clients_of_the_database_and_no_others() {
    let folder = filled();
    let original = std::fs::read(folder.path().join("lake/clients.sqlite")).unwrap();
    let read = |out: &str| {
        med(folder.path(), &["lake", "read", "medical_costs", "--out", out]).passed();
        std::fs::read_to_string(folder.path().join(out)).unwrap()
    };
    let first = read("first.csv");
    // A correction gives the client another id, and a deletion takes one away: neither stays behind.
    change(folder.path(), "UPDATE clients SET bmi = bmi + 1 WHERE rowid = 1; DELETE FROM clients WHERE rowid = 2");
    assert_eq!(med(folder.path(), &["run"]).passed()["rows"]["loaded"], 4999);
    assert_eq!(read("second.csv").lines().count(), 5000, "a header and 4,999 clients");
    // Back to what was: the run of that name is there already, but the lake is not as it left it.
    std::fs::write(folder.path().join("lake/clients.sqlite"), original).unwrap();
    med(folder.path(), &["run"]).passed();
    assert_eq!(read("third.csv"), first);
}

#[test]
fn a_model_is_compared_only_with_one_held_back_from_the_same_clients() {
    let folder = filled();
    let version = |summary: &serde_json::Value| summary["registry"]["versions"]["gbdt"]["version"].as_u64().unwrap();
    // Costs that nobody can predict for some: the model in production, held back from the same clients, does no better.
    change(folder.path(), "UPDATE clients SET annual_medical_cost = annual_medical_cost + 1 WHERE rowid <= 10");
    let same_clients = med(folder.path(), &["run"]).passed();
    assert!(same_clients["promoted"] == "gbdt" || same_clients["kept"] == 4, "{same_clients}");
    // Another seed holds back other clients: the former model may have seen them, and is no rival.
    let other = med(folder.path(), &["run", "--seed", "7"]).passed();
    assert_eq!((&other["promoted"], &other["kept"]), (&"gbdt".into(), &serde_json::Value::Null));
    let production = &med(folder.path(), &["model", "ls"]).passed()["models"][0]["production"];
    assert_eq!(production.as_u64(), Some(version(&other)));
}

#[test]
fn models_are_promoted_and_rolled_back_by_hand() {
    let folder = filled();
    let listed = med(folder.path(), &["model", "ls"]).passed();
    assert_eq!(listed["models"][0]["production"], 4);
    let promote = |version: &str, stage: &str| {
        med(folder.path(), &["model", "promote", "annual_medical_cost", version, "--stage", stage])
    };
    assert_eq!(promote("1", "production").passed()["production"], 1);
    assert_eq!(med(folder.path(), &["model", "rollback", "annual_medical_cost"]).passed()["production"], 4);
    assert!(promote("9", "production").refused().contains('9'));
    assert!(promote("1", "prod").refused().contains("production"));
    // The run that put version 4 there does not interfere with what people decided since.
    promote("2", "production").passed();
    med(folder.path(), &["run"]).passed();
    assert_eq!(med(folder.path(), &["model", "ls"]).passed()["models"][0]["production"], 2);
}

#[test]
fn a_model_is_called_by_an_alias() {
    let folder = filled();
    let folder = folder.path();
    let alias = |deed: &[&str]| med(folder, &[&["model", "alias"][..], deed].concat());
    let set = |alias_name: &str, version: &str| alias(&["set", "annual_medical_cost", alias_name, version]);
    assert_eq!(set("champion", "4").passed()["aliases"], serde_json::json!({ "champion": 4 }));
    assert_eq!(set("challenger", "1").passed()["aliases"], serde_json::json!({ "challenger": 1, "champion": 4 }));
    assert!(set("champion", "9").refused().contains('9'));
    for reserved in ["7", "production"] {
        assert!(set(reserved, "1").refused().contains(reserved));
    }

    std::fs::copy(super::fixture("clients.csv"), folder.join("clients.csv")).unwrap();
    let predict = |model: &str| {
        let done = med(folder, &["predict", "--model", model, "--data", "clients.csv", "--out", "p.csv"]);
        (done, std::fs::read_to_string(folder.join("p.csv")).unwrap_or_default())
    };
    let (done, by_alias) = predict("annual_medical_cost@champion");
    assert_eq!(done.passed()["model"], serde_json::json!({ "name": "annual_medical_cost", "version": 4 }));
    for same in ["annual_medical_cost@4", "annual_medical_cost@production"] {
        assert_eq!(predict(same).1, by_alias, "{same}");
    }
    let evaluate = ["evaluate", "--model", "annual_medical_cost@challenger", "--data", "clients.csv"];
    let linear = med(folder, &evaluate).passed()["metrics"]["r2"].as_f64().unwrap();
    assert!((0.85..0.95).contains(&linear), "{linear}");

    // Moved, it means another one; taken away, none.
    set("champion", "1").passed();
    let (done, moved) = predict("annual_medical_cost@champion");
    assert_eq!(done.passed()["model"]["version"], 1);
    assert_ne!(moved, by_alias);
    let left = alias(&["remove", "annual_medical_cost", "champion"]).passed();
    assert_eq!(left["aliases"], serde_json::json!({ "challenger": 1 }));
    assert_eq!(alias(&["ls", "annual_medical_cost"]).passed(), left);
    let gone = predict("annual_medical_cost@champion").0.refused();
    assert!(gone.contains("\"champion\"") && gone.contains("there is challenger"), "{gone}");
    assert!(alias(&["remove", "annual_medical_cost", "champion"]).refused().contains("there is challenger"));
    assert!(predict("annual_medical_costs@champion").0.refused().contains("annual_medical_cost"));
    // Set again to what it was in between: a move of its own.
    set("champion", "1").passed();

    let history = med(folder, &["model", "history", "annual_medical_cost"]).passed();
    let moves = history["aliases"]["champion"].as_array().unwrap().clone();
    let moves: Vec<_> = moves.iter().map(|entry| (entry["from"].as_u64(), entry["to"].as_u64())).collect();
    assert_eq!(moves, [(None, Some(4)), (Some(4), Some(1)), (Some(1), None), (None, Some(1))]);
    assert_eq!(history["production"], 4);
    let promoted = history["stages"].as_array().unwrap().last().unwrap();
    assert_eq!((&promoted["version"], &promoted["to"]), (&4.into(), &"production".into()));
    assert!(promoted["admitted_by"].as_str().unwrap().contains("gbdt"), "{promoted}");
    let listed = &med(folder, &["model", "ls"]).passed()["models"][0]["aliases"];
    assert_eq!(*listed, serde_json::json!({ "challenger": 1, "champion": 1 }));

    // A file of that name goes before the registry.
    std::fs::write(folder.join("annual_medical_cost@champion"), "no model").unwrap();
    assert!(predict("annual_medical_cost@champion").0.refused().contains("model annual_medical_cost@champion"));
}

#[test]
fn each_insert_is_gated_by_the_suite_of_the_group() {
    let folder = filled();
    let folder = folder.path();
    let lake = Lakehouse::open(folder.join("lake").to_str().unwrap()).unwrap();
    let open = || lake.open_feature_group("medical_costs", None).unwrap();
    let run = |summary: &serde_json::Value| summary["run_id"].as_str().unwrap().parse().unwrap();
    let id = run(&med(folder, &["run"]).passed());
    let group = open();
    let first = group.definition().suite.clone().unwrap();
    let kept = group.insert_record(&id).unwrap().unwrap();
    assert_eq!(kept.report.suite, Some(first.fingerprint()));
    assert!(kept.report.results.len() > 10, "the checks of the suite are in it");
    // Whoever has not gone through that suite does not get in.
    let report = Report::new("another suite").with(CheckResult::judged("looked_at", true));
    let stranger = Checked::new(group.read(None).unwrap(), report).gate(&GatePolicy::default()).unwrap();
    let refused = group.insert("stranger".parse::<RunId>().unwrap(), &stranger).unwrap_err();
    assert!(matches!(refused, StoreError::OtherSuite { .. }), "{refused}");

    // Another suite in the configuration takes its place from here on, in a commit of its own.
    let text = std::fs::read_to_string(super::fixture("suites/clients_transformed.json")).unwrap();
    let mut suite: serde_json::Value = serde_json::from_str(&text).unwrap();
    suite["name"] = "stricter".into();
    std::fs::write(folder.join("stricter.json"), suite.to_string()).unwrap();
    std::fs::write(folder.join("med.toml"), "[suites]\ntransformed = \"stricter.json\"\n").unwrap();
    let configured = ["run", "--config", "med.toml"];
    med(folder, &configured).passed();
    assert_eq!(open().definition().suite.as_ref().unwrap().name(), "stricter");
    let versions = || open().history().unwrap().len();
    assert_eq!(versions(), 3);
    med(folder, &configured).passed();
    assert_eq!(versions(), 3, "attached once");
}

#[test]
fn models_that_do_not_reach_the_mark_are_not_registered() {
    let folder = tempfile::tempdir().unwrap();
    let suite = r#"{ "name": "models", "expectations": [{ "metric": "r2", "min": 0.999 }] }"#;
    std::fs::write(folder.path().join("models.json"), suite).unwrap();
    std::fs::write(folder.path().join("med.toml"), "[suites]\nmodels = \"models.json\"\n").unwrap();
    let failed = med(folder.path(), &["run", "--config", "med.toml"]);
    assert_eq!(failed.code, 1);
    assert!(failed.stderr.contains("linear: expect_metric_to_be_between on \"r2\" failed"), "{}", failed.stderr);
    assert_eq!(failed.json()["gates"]["models"], "failed");
    assert_eq!(med(folder.path(), &["model", "ls"]).passed()["models"].as_array().unwrap().len(), 0);
    std::fs::write(folder.path().join("bad.toml"), "sede = 1\n").unwrap();
    assert!(med(folder.path(), &["run", "--config", "bad.toml"]).refused().contains("sede"));
    // A value is not shown: it may hold a password.
    let key = "seed = 1\ndatabse_url = \"postgres://reader:hunter2@127.0.0.1:1/claims\"\n";
    std::fs::write(folder.path().join("bad.toml"), key).unwrap();
    let refused = med(folder.path(), &["run", "--config", "bad.toml"]).refused();
    assert!(refused.contains("bad.toml") && refused.contains("line 2") && refused.contains("databse_url"), "{refused}");
    assert!(!refused.contains("hunter2"), "{refused}");
}

#[test]
fn what_does_not_suit_a_model_is_noted_once() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let model = |name: &str, params: &str| {
        format!("[[models]]\nmodel = \"gbdt\"\nname = \"{name}\"\nparams = {{ {params}, num_iterations = 40 }}\n")
    };
    let medians = "objective = \"regression_l1\"";
    let models =
        model("medians", medians) + &model("medians_too", medians) + &model("means", "objective = \"tweedie\"");
    std::fs::write(folder.join("med.toml"), models).unwrap();
    let run = || med(folder, &["run", "--config", "med.toml"]);
    let first = run();
    let (told, printed) = (first.stderr.clone(), first.stdout.clone());
    let summary = first.passed();
    let [note] = &summary["notes"].as_array().unwrap()[..] else { panic!("{summary}") };
    let note = note.as_str().unwrap();
    assert!(note.starts_with("medians, medians_too: regression_l1 does not predict the mean"), "{note}");
    assert_eq!(told.matches(note).count(), 1, "{told}");
    let page = std::fs::read_to_string(folder.join(summary["report"].as_str().unwrap())).unwrap();
    assert!(page.contains(note), "{page}");
    assert_eq!(run().stdout, printed, "the same bits");
}

#[test]
fn a_batch_is_held_against_the_accepted_ones_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let rule = "[[history.checks]]\nmetric = \"rows\"\nrule = \"relative_change_within\"\nshare = 0.1\nruns = 1\n";
    let model = "[[models]]\nmodel = \"linear\"\nfeatures = \"numeric\"\n";
    std::fs::write(folder.join("med.toml"), format!("{model}\n[history]\nname = \"history\"\n{rule}")).unwrap();
    let run = || med(folder, &["run", "--config", "med.toml"]);
    let first = run().passed();
    assert!(first["gates"].get("history").is_none(), "the first batch has none before it: {first}");
    change(folder, "CREATE TABLE kept AS SELECT * FROM clients; DELETE FROM clients WHERE rowid > 4000");
    let failed = run();
    assert_eq!(failed.code, 1);
    assert!(failed.stderr.contains("metric_relative_change_within on \"rows\" failed"), "{}", failed.stderr);
    assert_eq!(failed.json()["gates"]["history"], "failed");
    // Near the rejected batch is still far from the accepted one.
    change(folder, "DELETE FROM clients WHERE rowid > 3900");
    assert_eq!(run().code, 1);
    change(folder, "DROP TABLE clients; ALTER TABLE kept RENAME TO clients; DELETE FROM clients WHERE rowid > 4900");
    let near = run();
    let printed = near.stdout.clone();
    assert_eq!(near.passed()["gates"]["history"], "passed");
    // What a run is judged by stays with it, whatever comes later.
    change(folder, "CREATE TABLE kept AS SELECT * FROM clients; DELETE FROM clients WHERE rowid > 4500");
    run().passed();
    change(folder, "DROP TABLE clients; ALTER TABLE kept RENAME TO clients");
    assert_eq!(run().stdout, printed);
}
