//! `med run` on feeds of transactions, and `med generate`.

use std::path::Path;

use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use med_schema::{CsvOptions, Table};
use serde_json::Value;

use super::{fixture, med, tree};

/// The folder of a feed of the fixtures with its configuration, to be changed.
pub(super) fn copied(feed: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join(feed)).unwrap();
    for entry in std::fs::read_dir(fixture("claims").join(feed)).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, folder.path().join(feed).join(path.file_name().unwrap())).unwrap();
    }
    std::fs::copy(fixture(&format!("claims/{feed}.toml")), folder.path().join("claims.toml")).unwrap();
    folder
}

pub(super) fn edit(path: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{from}");
    std::fs::write(path, text.replace(from, to)).unwrap();
}

fn run(folder: &Path) -> super::Done {
    med(folder, &["run", "--config", "claims.toml"])
}

fn notes(summary: &Value) -> String {
    summary["notes"].to_string()
}

#[test]
fn claims_of_a_hundred_members_go_through_the_whole_pipeline() {
    let folder = copied("tuva");
    let first = run(folder.path());
    let printed = first.stdout.clone();
    let summary = first.passed();
    assert_eq!(summary["rows"]["extracted"], 6_075 + 612);
    assert_eq!(summary["rows"]["transformed"], summary["rows"]["loaded"]);
    assert!(summary["gates"].as_object().unwrap().len() == 6, "{summary}");
    assert!(summary["models"]["gbdt"]["rmse"].as_f64().is_some());
    // So few rows tell nothing of a model, and the run says so.
    assert_eq!(summary["promoted"], Value::Null);
    assert!(notes(&summary).contains("no model is put into production"), "{summary}");
    assert!(notes(&summary).contains("transactions_within_enrolment"), "{summary}");
    let stages: Vec<&Value> =
        summary["registry"]["versions"].as_object().unwrap().values().map(|v| &v["stage"]).collect();
    assert!(stages.contains(&&"staging".into()) && stages.contains(&&"archived".into()), "{stages:?}");
    let id = summary["run_id"].as_str().unwrap();
    let predicted =
        Table::read(folder.path().join(format!("lake/predictions/{id}/predictions.parquet")), &CsvOptions::default());
    assert_eq!(predicted.unwrap().n_rows() as u64, summary["rows"]["predicted"].as_u64().unwrap());

    let before = tree(folder.path());
    assert_eq!(run(folder.path()).stdout, printed, "the same bits");
    assert!(tree(folder.path()) == before, "a second run changed a file");
}

#[test]
fn the_later_years_of_accounts_are_held_back() {
    let folder = copied("synthea");
    let summary = run(folder.path()).passed();
    assert_eq!(summary["rows"]["extracted"], 5_228);
    let rows = |part: &str| summary["rows"][part].as_u64().unwrap();
    assert!(rows("test") <= 27 && rows("train") > 3 * rows("test"), "{summary}");
    // Two windows that overlap: what reaches beyond the last cut-off is not trained on.
    edit(&folder.path().join("claims.toml"), "\"2022-01-01\"", "\"2022-07-01\"");
    let summary = run(folder.path()).passed();
    assert!(notes(&summary).contains("reaches beyond the last cut-off, 2023-01-01"), "{summary}");
}

#[test]
fn a_feed_in_a_database_gives_the_same_client_years() {
    let folder = copied("synthea");
    let from_files = run(folder.path()).passed();
    let mut database = SqliteConnection::establish(folder.path().join("feed.sqlite").to_str().unwrap()).unwrap();
    for table in ["patients", "payer_transitions", "claims_transactions", "conditions"] {
        let text = std::fs::read_to_string(folder.path().join(format!("synthea/{table}.csv"))).unwrap();
        let mut lines = text.lines();
        let columns: Vec<String> = lines.next().unwrap().split(',').map(|c| format!("\"{c}\" TEXT")).collect();
        let rows: Vec<String> = lines
            .map(|line| {
                let fields = line.split(',').map(|f| if f.is_empty() { "NULL".to_owned() } else { format!("'{f}'") });
                format!("({})", fields.collect::<Vec<_>>().join(","))
            })
            .collect();
        let mut sql = format!("CREATE TABLE {table} ({});", columns.join(","));
        rows.chunks(500).for_each(|part| sql += &format!("INSERT INTO {table} VALUES {};", part.join(",")));
        database.batch_execute(&sql).unwrap();
    }
    let arguments = ["run", "--config", "claims.toml", "--database-url", "sqlite://feed.sqlite", "--lake", "./other"];
    let from_database = med(folder.path(), &arguments).passed();
    assert_eq!(from_database["rows"], from_files["rows"]);
    assert_eq!(from_database["models"], from_files["models"]);
}

#[test]
fn renamed_columns_are_a_matter_of_configuration() {
    let folder = copied("tuva");
    let expected = run(folder.path()).passed();
    let claims = folder.path().join("tuva/medical_claim.csv");
    edit(&claims, "paid_amount", "Paid_Amount");
    let text = run(folder.path()).refused();
    assert!(text.contains("\"medical_claim\" lacks columns"), "{text}");
    assert!(text.contains("\"paid_amount\"; did you mean Paid_Amount"), "{text}");
    edit(&claims, "Paid_Amount", "net_payment");
    edit(
        &folder.path().join("claims.toml"),
        "amount = \"paid_amount\"\nclaim = \"claim_id\"\nline = \"claim_line_number\"\nclaim_type",
        "amount = \"net_payment\"\nclaim = \"claim_id\"\nline = \"claim_line_number\"\nclaim_type",
    );
    assert_eq!(run(folder.path()).passed()["models"], expected["models"]);
    std::fs::rename(&claims, folder.path().join("tuva/medical_claims.csv")).unwrap();
    let text = run(folder.path()).refused();
    assert!(text.contains("neither medical_claim.parquet nor medical_claim.csv; there is medical_claims"), "{text}");
    edit(&folder.path().join("claims.toml"), "[claims.windows]", "[claims.window]");
    assert!(run(folder.path()).refused().contains("window"));
}

#[test]
fn the_header_trap_is_told_when_nobody_named_it() {
    let folder = copied("tuva");
    edit(&folder.path().join("claims.toml"), "header_claim_types = [\"institutional\"]\n", "");
    let summary = run(folder.path()).passed();
    assert!(notes(&summary).contains("190 of 190 claims of form type"), "{summary}");
}

#[test]
fn a_population_has_the_cost_that_it_says_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let made = med(folder.path(), &["generate", "--clients", "6000", "--seed", "5", "--out", "p"]).passed();
    assert_eq!(made["rows"]["members"], 6_000);
    assert!(made["rows"]["claim_lines"].as_u64().unwrap() > 110_000, "{made}");
    let summary = med(folder.path(), &["run", "--config", "p/claims.toml"]).passed();
    assert_eq!(summary["rows"]["extracted"], made["rows"]["claim_lines"]);
    assert_eq!(summary["rows"]["loaded"], made["rows"]["truth"]);
    assert_ne!(summary["promoted"], Value::Null, "{summary}");

    // Reversals, repeated amounts, lines loaded twice and claims outside enrolment are seen through: the sum of the targets is what was to
    // be expected, within its chance error of about 2%.
    let id = summary["run_id"].as_str().unwrap();
    let path = folder.path().join(format!("lake/data_quality_checks/{id}/client_years.json"));
    let report: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let report = report.get("content").unwrap_or(&report);
    let windows = report["windows"].as_array().unwrap();
    let cents: f64 = windows.iter().map(|w| w["target"]["kept_cents"].as_f64().unwrap()).sum();
    let expected = made["expected_cost"].as_f64().unwrap();
    assert!((cents / 100.0 / expected - 1.0).abs() < 0.06, "{cents} {expected}");
    assert!(windows.iter().all(|w| w["true_zeros"].as_u64().unwrap() > 400));

    // The best predictions know no more than the truth, and much of what it knows.
    let truth = Table::read(folder.path().join("p/truth.parquet"), &CsvOptions::default()).unwrap();
    let predicted = folder.path().join(format!("lake/predictions/{id}/predictions.parquet"));
    let predicted = Table::read(predicted, &CsvOptions::default()).unwrap();
    let ids = |t: &Table| -> Vec<String> {
        t.frame().column("client_id").unwrap().str().unwrap().iter().map(|i| i.unwrap().to_owned()).collect()
    };
    // The truth has each client's two cut-offs in order; the later one is held back.
    let later: std::collections::HashMap<String, f64> =
        ids(&truth).into_iter().zip(truth.numbers("expected_cost").unwrap().as_slice().iter().copied()).collect();
    let pairs: Vec<(f64, f64)> = ids(&predicted)
        .iter()
        .zip(predicted.numbers("prediction").unwrap().as_slice())
        .map(|(id, &p)| (p, later[id]))
        .collect();
    let n = pairs.len() as f64;
    let (mp, mt) = (pairs.iter().map(|p| p.0).sum::<f64>() / n, pairs.iter().map(|p| p.1).sum::<f64>() / n);
    let cov: f64 = pairs.iter().map(|(p, t)| (p - mp) * (t - mt)).sum();
    let (vp, vt): (f64, f64) =
        (pairs.iter().map(|p| (p.0 - mp).powi(2)).sum(), pairs.iter().map(|p| (p.1 - mt).powi(2)).sum());
    let correlation = cov / (vp * vt).sqrt();
    assert!(correlation > 0.5, "{correlation}");
}

#[test]
fn a_population_begins_with_the_clients_of_a_smaller_one() {
    let folder = tempfile::tempdir().unwrap();
    for (clients, out) in [("40", "small"), ("60", "large")] {
        let made = ["generate", "--clients", clients, "--out", out, "--format", "csv"];
        med(folder.path(), &made).passed();
    }
    for table in ["members", "enrolment", "claim_lines", "truth"] {
        let read = |out: &str| std::fs::read_to_string(folder.path().join(format!("{out}/{table}.csv"))).unwrap();
        assert!(read("large").starts_with(&read("small")), "{table}");
    }
    let summary = med(folder.path(), &["run", "--config", "small/claims.toml"]).passed();
    assert!(notes(&summary).contains("no model is put into production"), "{summary}");
}
