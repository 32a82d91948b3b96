//! `med profile`: what it tells, and the suite it suggests.

use serde_json::json;

use super::{fixture, med};

#[test]
fn the_clients_are_described_and_pass_the_suite_they_suggest() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let data = fixture("clients.csv");
    let data = data.to_str().unwrap();
    let done = med(folder, &["profile", "--data", data, "--suggest-suite", "suite.json", "--out", "p.json"]).passed();
    assert_eq!((&done["rows"], &done["suite"]), (&json!(5000), &json!("suite.json")));
    let columns = done["columns"].as_object().unwrap();
    assert_eq!(columns.len(), 20);
    let age = &columns["age"];
    let named = ["kind", "count", "nulls", "distinct", "min", "max", "mean", "std", "quantiles", "top"];
    assert!(named.iter().all(|name| age.get(name).is_some()), "{age}");
    assert_eq!((&age["kind"], &age["count"], &age["nulls"]), (&json!("count"), &json!(5000), &json!(0)));
    // Of 5,000 rows everything is exact.
    let text = std::fs::read_to_string(data).unwrap();
    let mut ages: Vec<i64> =
        text.lines().skip(1).map(|line| line.split(',').next().unwrap().parse().unwrap()).collect();
    ages.sort_unstable();
    assert_eq!((&age["min"], &age["max"]), (&json!(ages[0]), &json!(ages[4999])));
    assert_eq!(age["quantiles"]["0.5"], json!((ages[2499] + ages[2500]) as f64 / 2.0));
    let mean = ages.iter().sum::<i64>() as f64 / 5000.0;
    assert!((age["mean"].as_f64().unwrap() / mean - 1.0).abs() < 1e-12);
    let smoker = &columns["smoker"];
    assert_eq!((&smoker["kind"], &smoker["min"], &smoker["mean"]), (&json!("binary"), &json!(null), &json!(null)));
    let top = smoker["top"].as_array().unwrap();
    assert_eq!(top.iter().map(|t| t["count"].as_u64().unwrap()).sum::<u64>(), 5000);
    let checked = med(folder, &["check", "--suite", "suite.json", "--data", data]).passed();
    assert_eq!(checked["success"], true);
    let suite = std::fs::read_to_string(folder.join("suite.json")).unwrap();
    let suite: serde_json::Value = serde_json::from_str(&suite).unwrap();
    let noted = |e: &serde_json::Value| e["meta"]["notes"].as_str().is_some_and(|n| n.starts_with("learnt from"));
    assert!(suite["expectations"].as_array().unwrap().iter().all(noted));
    let stored = std::fs::read_to_string(folder.join("p.json")).unwrap();
    let stored: serde_json::Value = serde_json::from_str(&stored).unwrap();
    assert_eq!((&stored["format"], &stored["version"]), (&json!("med-profile"), &json!(1)));
}

#[test]
fn the_suite_finds_what_is_new() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let rows = |plans: &[&str], from: i64| -> String {
        (0..60)
            .map(|i| format!("{},2024-01-{:02},{}\n", from + i, 1 + i % 28, plans[i as usize % plans.len()]))
            .collect()
    };
    std::fs::write(folder.join("a.csv"), format!("cost,day,plan\n{}", rows(&["gold", "tin"], 100))).unwrap();
    std::fs::write(folder.join("b.csv"), format!("cost,day,plan\n{}", rows(&["gold", "lead"], 900))).unwrap();
    std::fs::write(folder.join("s.toml"), "[[columns]]\nname = \"cost\"\nkind = \"count\"\nrole = \"feature\"\n")
        .unwrap();
    let schema = ["--schema", "s.toml"];
    let done =
        med(folder, &[&["profile", "--data", "a.csv", "--suggest-suite", "s.json"], &schema[..]].concat()).passed();
    let day = &done["columns"]["day"];
    if day["kind"] == "date" {
        assert_eq!(
            (&day["min"], &day["max"], &day["mean"]),
            (&json!("2024-01-01"), &json!("2024-01-28"), &json!(null))
        );
    }
    let check = |data| med(folder, &[&["check", "--suite", "s.json", "--data", data], &schema[..]].concat());
    assert_eq!(check("a.csv").code, 0);
    let failed = check("b.csv");
    assert_eq!(failed.code, 1);
    let failed = failed.json();
    let failures: Vec<(&str, &str)> = failed["results"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|r| r["success"] == false)
        .map(|r| {
            let config = &r["expectation_config"];
            (config["type"].as_str().unwrap(), config["kwargs"]["column"].as_str().unwrap())
        })
        .collect();
    assert!(failures.contains(&("expect_column_values_to_be_in_set", "plan")), "{failures:?}");
    assert!(failures.contains(&("expect_column_values_to_be_between", "cost")), "{failures:?}");
}

#[test]
fn identifiers_and_free_texts_are_not_listed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let rows: String =
        (0..80).map(|i| format!("{},name-{i},{}\n", 7_000 + i, if i < 6 { "same" } else { "" })).collect();
    std::fs::write(folder.join("d.csv"), format!("id,name,note\n{rows}")).unwrap();
    let text = med(folder, &["profile", "--data", "d.csv"]);
    assert!(!text.stdout.contains("name-3"), "{}", text.stdout);
    let done = text.passed();
    let columns = &done["columns"];
    assert_eq!((&columns["id"]["kind"], &columns["id"]["top"]), (&json!("identifier"), &json!([])));
    assert_eq!((&columns["note"]["nulls"], &columns["note"]["count"]), (&json!(74), &json!(6)));
    assert_eq!(columns["name"]["lengths"], json!([6, 7]));
}

#[test]
fn what_cannot_be_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    assert!(med(folder, &["profile", "--data", "absent.csv"]).refused().contains("absent.csv"));
    std::fs::write(folder.join("d.csv"), "a,b\n1,2\n3,4\n").unwrap();
    let text = med(folder, &["profile", "--data", "d.csv", "--suggest-suite", "no/such/folder/s.json"]).refused();
    assert!(text.contains("s.json"), "{text}");
    std::fs::write(folder.join("empty.csv"), "a,b\n").unwrap();
    let done = med(folder, &["profile", "--data", "empty.csv", "--suggest-suite", "s.json"]).passed();
    assert_eq!(
        (&done["rows"], &done["columns"]["a"]["min"], &done["columns"]["a"]["mean"]),
        (&json!(0), &json!(null), &json!(null))
    );
    assert_eq!(med(folder, &["check", "--suite", "s.json", "--data", "empty.csv"]).code, 0);
}
