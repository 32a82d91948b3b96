//! `med predict --config --cutoff`: features as of a day, and the model in production.

use std::collections::HashMap;

use med_schema::{CsvOptions, Table};

use super::med;

fn by_client(path: std::path::PathBuf, column: &str, cut_off_micros: i64) -> HashMap<String, f64> {
    let table = Table::read(path, &CsvOptions::default()).unwrap();
    let frame = table.frame();
    let ids = frame.column("client_id").unwrap().str().unwrap().iter().map(|id| id.unwrap().to_owned());
    let times = frame.column("event_time").unwrap().datetime().unwrap().physical().iter();
    let numbers = table.numbers(column).unwrap();
    let rows = ids.zip(times).zip(numbers.as_slice().iter().copied());
    rows.filter(|((_, time), _)| *time == Some(cut_off_micros)).map(|((id, _), value)| (id, value)).collect()
}

#[test]
fn clients_are_predicted_as_of_a_day_by_the_model_in_production() {
    const CUT_OFF: i64 = 1_577_836_800_000_000; // 2020-01-01
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    med(folder.path(), &["generate", "--clients", "6000", "--seed", "5", "--out", "p"]).passed();
    let predict = |cut_off: &str, out: &str| {
        med(folder.path(), &["predict", "--config", "p/claims.toml", "--cutoff", cut_off, "--out", out])
    };
    let text = predict("2020-01-01", "early.parquet").refused();
    assert!(text.contains("there is no lake"), "{text}");
    let summary = med(folder.path(), &["run", "--config", "p/claims.toml"]).passed();

    // At a cut-off of the run: the same clients, the same features, hence the same cost per year, bit for bit.
    let done = predict("2020-01-01", "scored.parquet").passed();
    assert_eq!(done["model"]["name"], "client_year_cost");
    let id = summary["run_id"].as_str().unwrap();
    let held_back = by_client(at(&format!("lake/predictions/{id}/predictions.parquet")), "prediction", CUT_OFF);
    med(folder.path(), &["lake", "read", "client_years", "--out", "years.parquet"]).passed();
    let exposure = by_client(at("years.parquet"), "exposure_years", CUT_OFF);
    let scored = by_client(at("scored.parquet"), "prediction", CUT_OFF);
    assert!(held_back.len() > 5_000 && held_back.len() <= scored.len());
    for (client, cost) in &held_back {
        assert_eq!(scored[client] * exposure[client], *cost, "{client}");
    }

    // The year after the last transaction: nothing of it is known, and it can be predicted.
    let done = predict("2021-01-01", "future.parquet").passed();
    let rows = Table::read(at("future.parquet"), &CsvOptions::default()).unwrap().n_rows();
    assert!(rows > 4_000 && done["rows"] == rows, "{done}");
    let run = done["run_id"].as_str().unwrap();
    assert!(at(&format!("lake/predictions/{run}/predictions.parquet")).is_file());
    let before = super::tree(&at("lake"));
    assert_eq!(predict("2021-01-01", "future.parquet").passed()["run_id"], run);
    assert!(super::tree(&at("lake")) == before, "predicted again, the lake is as it was");
    let events = med(folder.path(), &["lake", "lineage", "--run", run]).passed();
    assert_eq!(events["events"][0]["job"]["name"], "predict");

    let text = med(folder.path(), &["predict", "--config", "p/claims.toml", "--out", "x.csv"]);
    assert!(text.code == 2 && text.stderr.contains("--cutoff"), "{}", text.stderr);
}

#[test]
fn delimiter_and_category_map_are_a_matter_of_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let made = ["generate", "--clients", "300", "--out", "p", "--format", "csv"];
    med(folder.path(), &made).passed();
    let expected = med(folder.path(), &["run", "--config", "p/claims.toml", "--lake", "one"]).passed();

    for table in ["members", "enrolment", "claim_lines"] {
        let text = std::fs::read_to_string(at(&format!("p/{table}.csv"))).unwrap();
        std::fs::write(at(&format!("p/{table}.csv")), text.replace(',', ";")).unwrap();
    }
    let text = med(folder.path(), &["run", "--config", "p/claims.toml"]).refused();
    assert!(text.contains("one field only; it seems to be delimiter = \";\""), "{text}");
    let configuration = std::fs::read_to_string(at("p/claims.toml")).unwrap();
    let (before, _) = configuration.split_once("[claims.conditions]").unwrap();
    std::fs::write(at("p/odd.toml"), format!("delimiter = \";\"\ncondition_map = \"maps/icd.csv\"\n{before}")).unwrap();
    std::fs::create_dir(at("p/maps")).unwrap();
    let map = "category,code,match\ndiabetes,E11,prefix\nheart_failure,I50,prefix\nlung,J44,prefix\ncancer,C,begins\n";
    std::fs::write(at("p/maps/icd.csv"), map).unwrap();
    let text = med(folder.path(), &["run", "--config", "p/odd.toml"]).refused();
    assert!(text.contains("icd.csv") && text.contains("line 5: match: expected exact or prefix"), "{text}");
    std::fs::write(at("p/maps/icd.csv"), map.replace("begins", "prefix")).unwrap();
    let summary = med(folder.path(), &["run", "--config", "p/odd.toml", "--lake", "two"]).passed();
    assert_eq!((&summary["rows"], &summary["models"]), (&expected["rows"], &expected["models"]));
}
