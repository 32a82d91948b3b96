//! `med drift` beyond two tables: stored profiles, chunks.

use std::fmt::Write;
use std::path::Path;

use serde_json::{Value, json};

use super::med;

/// `rows` clients a month from 2025-01 on; from the month `from` on their costs are higher.
fn clients(folder: &Path, name: &str, months: usize, rows: usize, from: usize) {
    let mut text = "paid_on,cost,visits,plan\n".to_owned();
    for i in 0..months * rows {
        let month = i / rows;
        let cost = (i * 7919 % 1000) as f64 + 0.5 + if month >= from { 600.0 } else { 0.0 };
        let plan = ["gold", "silver", "tin"][i % 3];
        writeln!(text, "2025-{:02}-{:02},{cost},{},{plan}", month + 1, 1 + i % 28, i % 7).unwrap();
    }
    std::fs::write(folder.join(name), text).unwrap();
}

#[test]
fn a_stored_profile_stands_for_its_rows() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    clients(folder, "old.csv", 4, 500, 9);
    clients(folder, "new.csv", 2, 500, 0);
    for name in ["old", "new"] {
        let (data, out) = (format!("{name}.csv"), format!("{name}.json"));
        med(folder, &["profile", "--data", &data, "--out", &out]).passed();
    }
    let drift = |reference: &str, current: &str, more: &[&str]| -> Value {
        let found = med(folder, &[&["drift", "--reference", reference, "--current", current], more].concat());
        assert_eq!(found.code, 0, "{}", found.stderr);
        found.json()
    };
    let rows = drift("old.csv", "new.csv", &[]);
    for (reference, current) in [("old.json", "new.json"), ("old.json", "new.csv"), ("old.csv", "new.json")] {
        let found = drift(reference, current, &[]);
        assert_eq!(found["share_drifted"], rows["share_drifted"]);
        for name in ["cost", "visits", "plan"] {
            let (found, rows) = (&found["columns"][name], &rows["columns"][name]);
            let keys = ["score", "p_value", "adjusted_p_value", "drifted", "kind", "reference_rows"];
            assert!(keys.iter().all(|key| found[key] == rows[key]), "{reference} {name}: {found} {rows}");
            assert_eq!(found["score_error"], json!(0.0));
        }
        assert_eq!(found["columns"]["paid_on"]["score"], Value::Null);
    }
    assert_eq!(
        (&rows["columns"]["cost"]["drifted"], &rows["columns"]["plan"]["drifted"]),
        (&json!(true), &json!(false))
    );
    let psi = drift("old.json", "new.csv", &["--method", "psi"]);
    assert!(psi["columns"]["cost"]["score"].as_f64().is_some_and(|s| s > 0.2), "{psi}");
    let refused = |more: &[&str]| {
        med(folder, &[&["drift", "--reference", "old.json", "--current", "new.csv"], more].concat()).refused()
    };
    assert!(refused(&["--preset", "evidently"]).contains("needs rows"));
    assert!(refused(&["--chunk-rows", "10"]).contains("a profile has none"));
    std::fs::write(folder.join("other.json"), "{}").unwrap();
    let error = med(folder, &["drift", "--reference", "other.json", "--current", "new.csv"]).refused();
    assert!(error.contains("not a profile"), "{error}");
}

#[test]
fn every_month_has_a_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    clients(folder, "old.csv", 4, 300, 9);
    clients(folder, "new.csv", 6, 300, 4);
    let base = ["drift", "--reference", "old.csv", "--current", "new.csv"];
    let run = |more: &[&str]| med(folder, &[&base[..], more].concat());
    let months = run(&["--time", "paid_on", "--period", "month"]);
    let found = months.json();
    let verdicts: Vec<(&str, bool)> = found["chunks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| (c["chunk"].as_str().unwrap(), c["columns"]["cost"]["drifted"].as_bool().unwrap()))
        .collect();
    let expected = [1, 2, 3, 4, 5, 6].map(|m| (format!("2025-{m:02}-01"), m > 4));
    assert_eq!(verdicts, expected.iter().map(|(m, d)| (m.as_str(), *d)).collect::<Vec<_>>());
    assert_eq!((&found["rows_without_time"], &found["chunks"][0]["rows"]), (&json!(0), &json!(300)));
    let rows = run(&["--chunk-rows", "900"]).json();
    assert_eq!(rows["chunks"].as_array().unwrap().len(), 2);
    assert!(run(&["--time", "cost", "--period", "month"]).refused().contains("expected dates or times"));
    assert_eq!(run(&["--period", "month"]).code, 2);
}

/// `rows` clients whose `y` follows `x` by `slope`, a prediction of their cost that is right up to noise that grows with `x`, and the cost itself.
fn predicted(folder: &Path, name: &str, rows: usize, (slope, least, bias): (f64, f64, f64), with_cost: bool) {
    let mut text = format!("x,y,plan,predicted{}\n", if with_cost { ",cost" } else { "" });
    let noise = |i: usize, by: usize| (i * by % 1009) as f64 / 1009.0 - 0.5;
    for i in 0..rows {
        let x = least + (1.0 - least) * (noise(i, 7919) + 0.5);
        let y = slope * (x - 0.5) + 0.2 * noise(i, 6151);
        let predicted = 1000.0 + 500.0 * x;
        write!(text, "{x},{y},{},{predicted}", ["gold", "tin"][i % 2]).unwrap();
        if with_cost {
            write!(text, ",{}", predicted + bias + 800.0 * x * noise(i, 3571)).unwrap();
        }
        text.push('\n');
    }
    std::fs::write(folder.join(name), text).unwrap();
}

#[test]
fn all_columns_together_outcomes_and_the_loss_to_expect() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    predicted(folder, "old.csv", 1000, (1.0, 0.0, 0.0), true);
    predicted(folder, "same.csv", 900, (1.0, 0.0, 0.0), true);
    predicted(folder, "turned.csv", 800, (-1.0, 0.0, 0.0), true);
    predicted(folder, "biased.csv", 800, (1.0, 0.0, 300.0), true);
    predicted(folder, "hard.csv", 800, (1.0, 0.8, 0.0), false);
    let names = ["--target", "cost", "--prediction", "predicted"];
    let run = |current: &str, more: &[&str]| {
        med(folder, &[&["drift", "--reference", "old.csv", "--current", current], &names[..], more].concat())
    };
    let same = run("same.csv", &["--multivariate", "--estimate-loss"]).passed();
    let all = &same["multivariate"];
    assert!(["reconstruction", "correlation", "mmd", "classifier"].iter().all(|m| all[m]["drifted"] == false), "{all}");
    assert_eq!((&same["outcomes"]["drifted"], &same["loss"]["drifted"]), (&json!(false), &json!(false)));
    assert!(same["columns"].get("cost").is_none() && same["columns"]["x"]["drifted"] == false);
    assert_eq!(run("same.csv", &["--multivariate"]).passed()["multivariate"], *all, "seeded");

    let turned = run("turned.csv", &["--multivariate"]);
    assert_eq!(turned.code, 1);
    let turned = turned.json();
    assert_eq!(turned["columns"]["x"]["drifted"], false);
    let pair = &turned["multivariate"]["correlation"]["pairs"][0];
    assert_eq!((&pair["first"], &pair["second"], &pair["drifted"]), (&json!("x"), &json!("y"), &json!(true)));
    let classifier = &turned["multivariate"]["classifier"];
    assert!(classifier["drifted"] == true && classifier["auc"].as_f64().unwrap() > 0.9, "{classifier}");
    assert_ne!(classifier["importances"][0]["name"], "plan");

    let biased = run("biased.csv", &[]);
    assert_eq!(biased.code, 1);
    let outcomes = &biased.json()["outcomes"]["columns"];
    let drifted = |name: &str| outcomes[name]["drifted"] == true;
    assert!(drifted("target") && drifted("residual") && !drifted("prediction"), "{outcomes}");

    // Errors grow with x, and these rows have large ones: more loss is to be expected, without a single target.
    let hard = run("hard.csv", &["--estimate-loss"]).json();
    let mae = &hard["loss"]["metrics"][0];
    assert_eq!((&mae["metric"], &hard["loss"]["drifted"]), (&json!("mae"), &json!(true)));
    let whole = mae["whole"].as_f64().unwrap();
    assert!((whole / (800.0 * 0.9 / 4.0) - 1.0).abs() < 0.15, "{mae}");
    assert!(hard["outcomes"]["columns"].get("target").is_none());
    assert!(run("hard.csv", &["--chunk-rows", "10"]).code == 2);
}

#[test]
fn a_split_that_leaks_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let part = |name: &str, from: usize, plan: &str, copied: usize| {
        let mut text = "client,seen,age,plan,cost\n".to_owned();
        for i in from..from + 300 {
            // The first rows of the test part are clients and rows of the training part.
            let i = if i - from < copied { i - from } else { i };
            let plan = if i % 3 == 0 { plan } else { "tin" };
            writeln!(text, "c{i},2025-{:02}-01,{},{plan},{}", 1 + i / 100, 20 + i * 37 % 61, 100 + i * 7919 % 1009)
                .unwrap();
        }
        std::fs::write(folder.join(name), text).unwrap();
    };
    part("train.csv", 0, "gold", 0);
    part("clean.csv", 300, "gold", 0);
    part("leaky.csv", 300, "Gold!", 60);
    let run = |current: &str| {
        let options = ["--leakage", "--key", "client", "--time", "seen", "--target", "cost", "--preset", "deepchecks"];
        med(folder, &[&["drift", "--reference", "train.csv", "--current", current], &options[..]].concat())
    };
    let clean = run("clean.csv").passed();
    let names = |found: &Value, verdict: &str| -> Vec<String> {
        let results = found["leakage"]["results"].as_array().unwrap().iter();
        results.filter(|r| r["verdict"] == verdict).map(|r| r["check"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&clean, "passed").len(), 8, "{}", clean["leakage"]);
    let leaky = run("leaky.csv");
    assert_eq!(leaky.code, 1);
    let failed = names(&leaky.json(), "failed");
    let expected =
        ["new_categories", "string_variants", "key_leakage", "date_duplicates", "date_overlap", "samples_mix"];
    assert_eq!(failed, expected);
}

#[test]
fn a_distance_without_a_p_value_gets_one_from_the_reference() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    clients(folder, "old.csv", 4, 300, 9);
    clients(folder, "new.csv", 1, 300, 0);
    let base = ["drift", "--reference", "old.csv", "--current", "new.csv", "--method", "jensen_shannon"];
    let run = |more: &[&str]| med(folder, &[&base[..], more].concat());
    let plain = run(&[]).json();
    assert_eq!(plain["columns"]["cost"].get("p_value"), None);
    let found = run(&["--calibrate", "99"]).json();
    let (cost, visits) = (&found["columns"]["cost"], &found["columns"]["visits"]);
    assert_eq!((&cost["p_value"], &cost["drifted"], &visits["drifted"]), (&json!(0.01), &json!(true), &json!(false)));
    assert!(cost["score"].as_f64() > cost["calibrated_score"].as_f64(), "{cost}");
    assert!(run(&["--calibrate", "5"]).refused().contains("at least 19"));
    assert!(run(&["--calibrate", "99", "--preset", "nannyml"]).refused().contains("none with chunks"));
}

/// `reference.csv` and `current.csv` of these lines.
fn sides(folder: &Path, header: &str, reference: impl Iterator<Item = String>, current: impl Iterator<Item = String>) {
    for (name, lines) in [("reference.csv", reference.collect::<Vec<_>>()), ("current.csv", current.collect())] {
        std::fs::write(folder.join(name), format!("{header}\n{}\n", lines.join("\n"))).unwrap();
    }
}

#[test]
fn a_word_among_numbers_is_named_with_its_row_and_the_kind_stays() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let line =
        |i: usize, word: bool| if word { format!("oops,{}", i % 7) } else { format!("{}.5,{}", i * 31 % 97, i % 7) };
    sides(folder, "y,n", (0..100).map(|i| line(i, false)), (0..100).map(|i| line(i, i == 41)));
    let base = ["drift", "--reference", "reference.csv", "--current", "current.csv"];
    let found = med(folder, &base);
    assert_eq!(found.code, 1);
    assert!(
        found.stderr.contains("\"y\" is not compared") && found.stderr.contains("row 42 \"oops\""),
        "{}",
        found.stderr
    );
    let found = found.json();
    let (y, n) = (&found["columns"]["y"], &found["columns"]["n"]);
    assert_eq!((&y["score"], &y["drifted"], &y["kind"]), (&Value::Null, &json!(false), &json!("continuous")));
    assert_eq!((&n["drifted"], &found["compared"]), (&json!(false), &json!(1)));
    assert_eq!(found["mismatches"][0]["column"], "y");
    let missing = med(folder, &[&base[..], &["--null-values", "oops"]].concat()).passed();
    assert_eq!((&missing["columns"]["y"]["current_nulls"], missing.get("mismatches")), (&json!(1), None));
}

#[test]
fn texts_of_many_levels_are_compared_and_what_is_not_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let line = |i: usize, prefix: &str| format!("k{i},2025-01-{:02},{prefix}{}", 1 + i % 28, i * 7919 % 1000);
    sides(folder, "id,day,code", (0..2000).map(|i| line(i, "L")), (0..2000).map(|i| line(i, "M")));
    let base = ["drift", "--reference", "reference.csv", "--current", "current.csv"];
    let found = med(folder, &base);
    assert_eq!(found.code, 1, "{}", found.stderr);
    assert!(["\"id\" is not compared: identifier", "\"day\" is not compared"].iter().all(|t| found.stderr.contains(t)));
    let found = found.json();
    assert_eq!(found["columns"]["code"]["reasons"], json!(["new_levels"]), "{found}");
    assert_eq!((&found["share_drifted"], &found["columns"]["day"]["score"]), (&json!(1.0), &Value::Null));
    sides(folder, "id,day", (0..50).map(|i| format!("k{i},2025-01-01")), (0..50).map(|i| format!("k{i},2025-01-02")));
    let error = med(folder, &base).refused();
    assert!(error.contains("no columns to compare") && error.contains("\"id\": identifier"), "{error}");
}

#[test]
fn a_measure_asked_for_scores_what_it_can_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let five = ["1.5,a", "2.5,a", "3.5,b", "4.5,b", "5.5,a"].map(str::to_owned);
    let five_later = ["4.25,a", "5.25,a", "6.25,b", "7.25,b", "8.25,a"].map(str::to_owned);
    sides(folder, "x,g", five.into_iter(), five_later.into_iter());
    let run = |more: &[&str]| {
        med(folder, &[&["drift", "--reference", "reference.csv", "--current", "current.csv"], more].concat()).json()
    };
    assert_eq!(run(&[])["columns"]["x"]["score"], Value::Null);
    let ks = run(&["--method", "ks"]);
    let (x, g) = (&ks["columns"]["x"], &ks["columns"]["g"]);
    assert!(
        (x["score"].as_f64().unwrap() - 0.6).abs() < 1e-15
            && (x["p_value"].as_f64().unwrap() - 5.0 / 14.0).abs() < 1e-12
    );
    assert_eq!((&g["method"], &g["score"]), (&json!("ks"), &Value::Null));
    assert!(g["message"].as_str().unwrap().contains("does not measure categorical"), "{g}");
    assert_eq!(run(&["--method", "ks", "--min-rows", "6"])["columns"]["x"]["score"], Value::Null);
    assert!(run(&["--min-rows", "5"])["columns"]["x"]["score"].is_number());
}

#[test]
fn thresholds_of_chunks_are_learnt_from_chunks_of_the_same_size() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let line = |i: usize| format!("{}.5", i * 7919 % 1009);
    sides(folder, "x", (0..400).map(line), (400..500).map(line));
    let base = ["drift", "--reference", "reference.csv", "--current", "current.csv", "--preset", "nannyml"];
    let found = med(folder, &[&base[..], &["--chunk-rows", "50"]].concat()).json();
    let chunks = found["chunks"].as_array().unwrap();
    assert_eq!(chunks.len(), 2);
    assert!(chunks.iter().all(|c| c["columns"]["x"]["chunks"]["reference"].as_array().unwrap().len() == 8), "{found}");
}
