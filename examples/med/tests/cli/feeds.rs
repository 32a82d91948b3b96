//! `med` on feeds as they come: types of Parquet, configurations that grow, few clients, negative costs.

use std::fmt::Write;
use std::path::Path;

use med_schema::{CsvOptions, Table};
use polars::prelude::DataFrame;
use serde_json::Value;

use super::claims::{copied, edit};
use super::{fixture, med};

fn parquet(name: &str) -> String {
    fixture("parquet").join(format!("{name}.parquet")).to_str().unwrap().to_owned()
}

#[test]
fn columns_of_types_that_no_table_holds_are_excluded_or_named() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (arrow, polars) = (parquet("arrow_types"), parquet("polars_types"));
    let train = ["train", "--data", &polars, "--target", "y", "--model", "gbdt", "--out", "m.json"];
    let text = med(folder, &train).refused();
    assert!(text.contains("column \"array\" has type list of 2 items") && text.contains("leave it out"), "{text}");
    let text = med(folder, &[&train[..], &["--exclude", "array,struct,time,duration"]].concat()).refused();
    assert!(text.contains("column \"int128_large\" has type i128, and row 0 (from 0)"), "{text}");
    let exclude = ["--exclude", "array,struct,time,duration,int128_large"];
    let done = med(folder, &[&train[..], &exclude].concat()).passed();
    let features: Vec<&str> = done["features"].as_array().unwrap().iter().map(|f| f.as_str().unwrap()).collect();
    assert!(features.contains(&"decimal") && features.contains(&"int128"), "{features:?}");
    assert!(done["ignored"].as_array().unwrap().iter().any(|i| i["column"] == "array" && i["reason"] == "excluded"));
    // To predict, what the model does not know is not looked at.
    let rows = ["--model", "m.json", "--data", &polars];
    assert_eq!(med(folder, &[&["predict", "--out", "p.csv"], &rows[..]].concat()).passed()["rows"], 40);
    med(folder, &[&["evaluate"], &rows[..]].concat()).passed();
    let select = ["select", "--data", &polars, "--target", "y", "--method", "f_test", "--k", "2"];
    assert!(med(folder, &select).refused().contains("list of 2 items"));
    med(folder, &[&select[..], &exclude].concat()).passed();
    let profiled = med(folder, &["profile", "--data", &arrow]);
    assert!(profiled.stderr.contains("not profiled: column \"struct\" has type struct"), "{}", profiled.stderr);
    assert_eq!(profiled.code, 2, "an integer is too large");
    assert!(profiled.stderr.contains("\"uint64_large\" has type u64"), "{}", profiled.stderr);
    let drift = med(folder, &["drift", "--reference", &arrow, "--current", &arrow]);
    assert!(drift.stderr.contains("not compared: column \"map\" has type list"), "{}", drift.stderr);
    let drift = drift.passed();
    assert_eq!(drift["columns"]["decimal128"]["score"], 0.0);
}

/// The feed with its transactions as a Parquet file whose amounts are decimals and which has columns that nobody asks for.
#[test]
fn amounts_that_are_decimals_are_read_to_the_cent() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::create_dir(folder.join("feed")).unwrap();
    std::fs::copy(fixture("parquet/arrow_types.parquet"), folder.join("feed/lines.parquet")).unwrap();
    std::fs::write(folder.join("feed/clients.csv"), "id\na\nb\n").unwrap();
    let config = |amount: &str, unit: &str| {
        format!(
            "folder = \"feed\"\nfeature_group = \"g\"\n[claims.windows]\ncut_offs = [\"2020-01-01\"]\n\
             [claims.clients]\ntable = \"clients\"\nclient = \"id\"\n[[claims.transactions]]\n\
             table = \"lines\"\nclient = \"text\"\ndate = \"date32\"\namount = \"{amount}\"\namount_unit = \"{unit}\"\n"
        )
    };
    let mut sums = Vec::new();
    for (amount, unit) in [
        ("decimal128", "currency"),
        ("decimal64", "decimal_comma"),
        ("decimal_whole", "cents"),
        ("fixed_list", "currency"),
        ("decimal_large", "currency"),
    ] {
        std::fs::write(folder.join("claims.toml"), config(amount, unit)).unwrap();
        let lake = format!("lake-{amount}");
        let done = med(folder, &["run", "--config", "claims.toml", "--lake", &lake]);
        match amount {
            "fixed_list" => assert!(done.refused().contains("column \"fixed_list\" has type list of 2 items")),
            "decimal_large" => assert!(done.refused().contains("no amounts of money, the first in row 0")),
            _ => {
                // Two clients are too few to learn from; what was read is told all the same.
                assert!(done.stderr.contains("left no feature to train on"), "{}", done.stderr);
                let runs = std::fs::read_dir(folder.join(&lake).join("data_quality_checks")).unwrap();
                let report = runs.last().unwrap().unwrap().path().join("client_years.json");
                let report: Value = serde_json::from_str(&std::fs::read_to_string(report).unwrap()).unwrap();
                let report = report.get("content").unwrap_or(&report).clone();
                sums.push(report["tables"][0]["ledger"]["read_cents"].clone());
            }
        }
    }
    // 39 amounts from -5.00 in steps of 1.01, the third of them missing.
    assert_eq!(sums, vec![Value::from((0..40).filter(|i| *i != 2).map(|i| i * 101 - 500).sum::<i64>()); 3]);
}

fn frame(path: &Path) -> DataFrame {
    Table::read(path, &CsvOptions::default()).unwrap().into_parts().0
}

#[test]
fn a_group_grows_with_its_configuration_and_takes_the_former_one_again() {
    let folder = copied("tuva");
    let folder = folder.path();
    let config = folder.join("claims.toml");
    let run = |file: &str| med(folder, &["run", "--config", file]);
    run("claims.toml").passed();
    std::fs::copy(&config, folder.join("former.toml")).unwrap();
    edit(&config, "    { name = \"cancer\"", "    { name = \"gout\", prefixes = [\"M10\"] },\n    { name = \"cancer\"");
    edit(
        &config,
        "[[claims.transactions.services]]\nservice = \"hospice\"",
        "[[claims.transactions.services]]\nservice = \"ambulance\"\ncolumn = \"place_of_service_code\"\nvalues = [\"41\"]\n\n\
         [[claims.transactions.services]]\nservice = \"hospice\"",
    );
    let text = run("claims.toml").refused();
    assert!(text.contains("\"condition_gout\": not expected"), "{text}");
    let group = "member_half_years";
    let evolved = med(folder, &["lake", "evolve", group, "--config", "claims.toml"]).passed();
    let column =
        |name: &str| evolved["columns"].as_array().unwrap().iter().find(|c| c["name"] == name).unwrap().clone();
    assert_eq!(
        (&column("cost_ambulance")["unit"], &column("cost_ambulance")["nullable"]),
        (&"currency".into(), &true.into())
    );
    assert_eq!(column("claims_ambulance")["domain"], column("claims_hospice")["domain"]);
    assert_ne!(column("claims_ambulance")["domain"], Value::Null);
    let again = med(folder, &["lake", "evolve", group, "--config", "claims.toml"]).passed();
    assert_eq!(again["version"], evolved["version"], "nothing more to add");

    run("claims.toml").passed();
    med(folder, &["lake", "read", group, "--out", "grown.parquet"]).passed();
    let grown = frame(&folder.join("grown.parquet"));
    assert_eq!(grown.column("condition_gout").unwrap().null_count(), 0);
    assert!(grown.column("cost_ambulance").unwrap().f64().unwrap().iter().flatten().sum::<f64>() > 0.0);
    run("former.toml").passed();
    edit(&folder.join("former.toml"), "\"I10\", \"I11\"", "\"I10\"");
    run("former.toml").passed();
    med(folder, &["lake", "read", group, "--out", "former.parquet"]).passed();
    let former = frame(&folder.join("former.parquet"));
    assert_eq!(former.column("condition_gout").unwrap().null_count(), former.height());
    assert_eq!(former.width(), grown.width());
    let text = med(folder, &["lake", "evolve", group]).refused();
    assert!(text.contains("--config with a section [claims]"), "{text}");
}

/// A few clients with costs, of whom some are given more back than they cost.
fn few(folder: &Path, clients: usize, rules: &str) {
    std::fs::create_dir(folder.join("feed")).unwrap();
    let (mut people, mut lines) = ("id,born\n".to_owned(), "id,day,amt\n".to_owned());
    for i in 0..clients {
        writeln!(people, "c{i},19{:02}-05-05", 40 + i % 50).unwrap();
        writeln!(lines, "c{i},2020-0{}-01,{}.50", 1 + i % 9, 10 + i).unwrap();
        let target = if i % 7 == 3 { -20 } else { 3 * i as i64 + 1 };
        writeln!(lines, "c{i},2021-03-01,{target}.25").unwrap();
    }
    std::fs::write(folder.join("feed/p.csv"), people).unwrap();
    std::fs::write(folder.join("feed/t.csv"), lines).unwrap();
    let config = format!(
        "folder = \"feed\"\nfeature_group = \"g\"\n[claims.windows]\ncut_offs = [\"2021-01-01\"]\n[claims.clients]\ntable = \"p\"\n\
         client = \"id\"\nbirth_date = \"born\"\n[[claims.transactions]]\ntable = \"t\"\nclient = \"id\"\ndate = \"day\"\namount = \"amt\"\n\
         {rules}"
    );
    std::fs::write(folder.join("claims.toml"), config).unwrap();
}

#[test]
fn so_few_clients_that_a_metric_is_not_defined_only_warn() {
    let folder = tempfile::tempdir().unwrap();
    few(folder.path(), 3, "");
    let summary = med(folder.path(), &["run", "--config", "claims.toml"]).passed();
    let notes = summary["notes"].to_string();
    assert!(notes.contains("r2 is not defined on 1 held-back rows: too few"), "{notes}");
    assert_eq!(summary["promoted"], Value::Null);
}

#[test]
fn negative_totals_that_are_kept_pass_the_suite_that_comes_along() {
    let folder = tempfile::tempdir().unwrap();
    few(folder.path(), 60, "[claims.rules]\nnegative_totals = \"keep\"\n");
    let summary = med(folder.path(), &["run", "--config", "claims.toml"]).passed();
    assert_eq!(summary["gates"]["transformed"], "passed");
    med(folder.path(), &["lake", "read", "g", "--out", "g.parquet"]).passed();
    let rows = frame(&folder.path().join("g.parquet"));
    let costs = rows.column("target_cost").unwrap().f64().unwrap();
    assert_eq!(costs.iter().flatten().fold(f64::INFINITY, f64::min), -20.25);
}

#[test]
fn a_stored_profile_names_no_client() {
    let folder = tempfile::tempdir().unwrap();
    few(folder.path(), 12, "");
    let summary = med(folder.path(), &["run", "--config", "claims.toml"]).passed();
    let path = format!("lake/metrics/{}/clients.profile.json", summary["run_id"].as_str().unwrap());
    let text = std::fs::read_to_string(folder.path().join(path)).unwrap();
    assert!(text.contains("history_cost") && !text.contains("client_id") && !text.contains("\"c11\""), "{text}");
}
