//! The subcommands that work on files.

use std::path::Path;

use super::{fixture, med};

/// `clients.csv` cut in two, every fifth row held back.
fn parts(folder: &Path) {
    let text = std::fs::read_to_string(fixture("clients.csv")).unwrap();
    let (header, rows) = text.split_once("\r\n").unwrap();
    let part = |keep: &dyn Fn(usize) -> bool| {
        let rows: Vec<&str> = rows.lines().enumerate().filter(|(i, _)| keep(*i)).map(|(_, r)| r).collect();
        format!("{header}\n{}\n", rows.join("\n"))
    };
    std::fs::write(folder.join("train.csv"), part(&|i| i % 5 != 0)).unwrap();
    std::fs::write(folder.join("test.csv"), part(&|i| i % 5 == 0)).unwrap();
}

#[test]
fn a_model_goes_from_training_to_prediction() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    parts(folder);
    for model in [
        "linear",
        "ridge",
        "lasso",
        "elastic_net",
        "decision_tree",
        "random_forest",
        "extra_trees",
        "gbdt",
        "knn",
        "glm_gamma",
        "glm_poisson",
        "glm_tweedie",
        "two_part",
        "log_ols",
        "eee",
    ] {
        let train = ["train", "--data", "train.csv", "--test", "test.csv", "--target", "annual_medical_cost"];
        let done = med(folder, &[&train[..], &["--model", model, "--out", "m.json", "--seed", "1"]].concat()).passed();
        assert_eq!((&done["model"], &done["rows"]), (&model.into(), &4000.into()));
        assert_eq!(done["features"].as_array().unwrap().len(), 19);
        let r2 = done["metrics"]["test"]["r2"].as_f64().unwrap();
        assert!(r2 > 0.5, "{model}: {r2}");
        let evaluated =
            med(folder, &["evaluate", "--model", "m.json", "--data", "test.csv", "--by", "smoker"]).passed();
        assert_eq!(evaluated["metrics"]["r2"], r2, "{model}: the loaded model predicts the same");
        assert_eq!(evaluated["groups"].as_object().unwrap().keys().collect::<Vec<_>>(), ["No", "Yes"]);
        let predicted = med(folder, &["predict", "--model", "m.json", "--data", "test.csv", "--out", "p.csv"]).passed();
        assert_eq!(predicted["rows"], 1000);
        let text = std::fs::read_to_string(folder.join("p.csv")).unwrap();
        assert_eq!((text.lines().next(), text.lines().count()), (Some("prediction"), 1001));
    }
}

#[test]
fn the_same_seed_gives_the_same_file_whatever_the_threads() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    parts(folder);
    for model in ["random_forest", "gbdt"] {
        let file = |threads: &str, out: &str| {
            let train = ["train", "--data", "train.csv", "--target", "annual_medical_cost", "--model", model];
            med(folder, &[&train[..], &["--threads", threads, "--out", out]].concat()).passed();
            std::fs::read(folder.join(out)).unwrap()
        };
        assert!(file("1", "a.json") == file("2", "b.json"), "{model}");
    }
}

#[test]
fn a_model_refuses_other_columns_and_names_them() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    parts(folder);
    let train =
        ["train", "--data", "train.csv", "--target", "annual_medical_cost", "--model", "linear", "--out", "m.json"];
    med(folder, &train).passed();
    std::fs::write(folder.join("other.csv"), "Age,gender\n40,Male\n").unwrap();
    let text = med(folder, &["predict", "--model", "m.json", "--data", "other.csv", "--out", "p.csv"]).refused();
    assert!(text.contains("lacks 18 of the columns") && text.contains("\"age\" (there is Age)"), "{text}");
    assert!(!folder.join("p.csv").exists());
    let text = med(folder, &["predict", "--model", "other.csv", "--data", "test.csv", "--out", "p.csv"]).refused();
    assert!(text.contains("other.csv"), "{text}");
    let text = med(folder, &[&train[..6], &["linear_regression", "--out", "n.json"]].concat());
    assert_eq!(text.code, 2);
    let text =
        med(folder, &["train", "--data", "train.csv", "--target", "cost", "--model", "linear", "--out", "n.json"]);
    assert!(text.refused().contains("\"cost\""));
}

#[test]
fn identifiers_are_left_out_and_said_so() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let rows: String = (0..50).map(|i| format!("{},{},{}\n", 1000 + i, i % 7, f64::from(i % 7) * 2.5 + 0.5)).collect();
    std::fs::write(folder.join("d.csv"), format!("id,visits,cost\n{rows}")).unwrap();
    let train = ["train", "--data", "d.csv", "--target", "cost", "--model", "linear", "--out", "m.json"];
    let done = med(folder, &train).passed();
    assert_eq!(done["features"], serde_json::json!(["visits"]));
    assert_eq!(done["ignored"][0]["column"], "id");
    med(folder, &["predict", "--model", "m.json", "--data", "d.csv", "--out", "p.csv"]).passed();
    let text = std::fs::read_to_string(folder.join("p.csv")).unwrap();
    assert_eq!(text.lines().next(), Some("id,prediction"));
    assert!(text.lines().nth(1).unwrap().starts_with("1000,"));
    std::fs::write(folder.join("s.toml"), "[[columns]]\nname = \"id\"\nkind = \"count\"\n").unwrap();
    let done = med(folder, &[&train[..], &["--schema", "s.toml"]].concat()).passed();
    assert_eq!(done["features"], serde_json::json!(["id", "visits"]));
}

#[test]
fn parquet_goes_by_in_batches_and_answers_as_csv_does() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let rows: String = (0..300).map(|i| format!("m{i},{},{}\n", i * 7 % 113, ["gold", "tin"][i % 2])).collect();
    std::fs::write(folder.join("c.csv"), format!("client,age,plan\n{rows}")).unwrap();
    let table = med_schema::Table::read(folder.join("c.csv"), &med_schema::CsvOptions::default()).unwrap();
    table.write(folder.join("c.parquet")).unwrap();
    let suite = serde_json::json!({"name": "s", "meta": {}, "expectations": [
        {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "client"}},
        {"type": "expect_column_values_to_be_between", "kwargs": {"column": "age", "max_value": {"$PARAMETER": "2 * limit"}}},
        {"type": "expect_column_median_to_be_between", "kwargs": {"column": "age", "min_value": 0}},
        {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": "plan", "value_set": ["gold"], "mostly": 0.5}}]});
    std::fs::write(folder.join("s.json"), suite.to_string()).unwrap();
    let check = |data: &str, more: &[&str]| {
        let args = ["check", "--suite", "s.json", "--data", data, "--parameters", r#"{"limit": 50}"#];
        med(folder, &[&args, more].concat()).json()
    };
    let of_csv = check("c.csv", &["--result-format", "COMPLETE"]);
    assert_eq!(of_csv["results"][1]["expectation_config"]["kwargs"]["max_value"], 100.0);
    assert_eq!(of_csv["statistics"]["successful_expectations"], 3);
    assert_eq!(check("c.parquet", &["--result-format", "COMPLETE"]), of_csv);
    assert_eq!(check("c.parquet", &["--compat", "--result-format", "COMPLETE"]), of_csv);
    let bounded = check("c.parquet", &["--bounded"]);
    assert_eq!(bounded["results"][2]["result"]["details"]["exact"], false);
    let refused = med(folder, &["check", "--suite", "s.json", "--data", "c.parquet"]).refused();
    assert!(refused.contains("expectation 2"), "{refused}");
}

#[test]
fn a_suite_is_checked_in_the_shape_of_the_original() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (data, suite) = (fixture("clients.csv"), fixture("suites/clients_extracted.json"));
    let check = ["check", "--suite", suite.to_str().unwrap(), "--data", data.to_str().unwrap()];
    let result = med(folder, &check).passed();
    assert_eq!((&result["success"], &result["statistics"]["evaluated_expectations"]), (&true.into(), &46.into()));
    let expectation = |kwargs: &str| {
        format!(
            r#"{{"name":"s","meta":{{}},"expectations":[{{"type":"expect_column_values_to_be_between","kwargs":{kwargs},"meta":{{}}}}]}}"#
        )
    };
    std::fs::write(folder.join("s.json"), expectation(r#"{"column":"age","max_value":80.0}"#)).unwrap();
    let failed =
        med(folder, &["check", "--suite", "s.json", "--data", data.to_str().unwrap(), "--result-format", "BASIC"]);
    assert_eq!(failed.code, 1);
    let result = &failed.json()["results"][0];
    assert_eq!((&result["success"], &result["result"]["element_count"]), (&false.into(), &5000.into()));
    std::fs::write(folder.join("s.json"), expectation(r#"{"column":"age","max_value":80.0,"maximum":80.0}"#)).unwrap();
    let text = med(folder, &["check", "--suite", "s.json", "--data", data.to_str().unwrap()]).refused();
    assert!(text.contains("maximum"), "{text}");
}

#[test]
fn drift_is_none_within_and_found_between() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    parts(folder);
    let same = med(folder, &["drift", "--reference", "train.csv", "--current", "test.csv"]).passed();
    assert_eq!((&same["drifted"], &same["share_drifted"]), (&false.into(), &0.0.into()));
    assert_eq!(same["columns"].as_object().unwrap().len(), 20);
    // 2.5 years on from 1: everybody is older, and age is whole on one side only.
    let text = std::fs::read_to_string(folder.join("test.csv")).unwrap();
    let older: Vec<String> = text
        .lines()
        .enumerate()
        .map(|(i, line)| match line.split_once(',') {
            Some((age, rest)) if i > 0 => format!("{},{rest}", age.parse::<f64>().unwrap() + 30.5),
            _ => line.to_owned(),
        })
        .collect();
    std::fs::write(folder.join("older.csv"), older.join("\n")).unwrap();
    let moved = med(folder, &["drift", "--reference", "train.csv", "--current", "older.csv"]);
    assert_eq!(moved.code, 0, "one column of twenty is no drift of the table");
    let moved = moved.json();
    assert_eq!(
        (&moved["columns"]["age"]["drifted"], &moved["columns"]["bmi"]["drifted"]),
        (&true.into(), &false.into())
    );
    let preset = |name| ["drift", "--reference", "train.csv", "--current", "older.csv", "--preset", name];
    let evidently = med(folder, &preset("evidently")).json();
    assert!(evidently["columns"]["age"]["drifted"] == true, "{evidently}");
    let nannyml = med(folder, &preset("nannyml")).json();
    assert!(nannyml["columns"]["age"]["chunks"]["drifted"].as_array().is_some_and(|c| c.len() >= 10), "{nannyml}");
    let stds = ["drift", "--reference", "train.csv", "--current", "test.csv", "--method", "std_stability"];
    assert_eq!(med(folder, &stds).json()["columns"]["age"]["method"], "std_stability");
    assert_eq!(med(folder, &[&stds[..6], &["nonsense"]].concat()).code, 2);
    std::fs::write(folder.join("short.csv"), "age\n1\n").unwrap();
    let text = med(folder, &["drift", "--reference", "train.csv", "--current", "short.csv"]).refused();
    assert!(text.contains("lacks \"bmi\""), "{text}");
}

#[test]
fn encoders_are_chosen() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    parts(folder);
    let steps = r#"[
        {"step": "interact", "pairs": [["bmi", "smoker"]], "unseen": "ignore"},
        {"step": "target_mean", "columns": {"named": ["insurance_type"]}, "unseen": "ignore"},
        {"step": "frequency", "columns": {"named": ["city_type"]}},
        {"step": "one_hot", "reference": "first", "unseen": "ignore"},
        {"step": "impute"},
        {"step": "clip"},
        {"step": "spline", "columns": {"named": ["age"]}},
        {"step": "yeo_johnson", "columns": {"named": ["daily_steps"]}}
    ]"#;
    std::fs::write(folder.join("steps.json"), steps).unwrap();
    let train = ["train", "--data", "train.csv", "--target", "annual_medical_cost", "--model", "linear"];
    let train = [&train[..], &["--test", "test.csv", "--out", "m.json"]].concat();
    let r2 = |args: &[&str]| med(folder, args).passed()["metrics"]["test"]["r2"].as_f64().unwrap();
    let (own, chosen) = (r2(&train), r2(&[&train[..], &["--encoders", "steps.json"]].concat()));
    assert!(chosen != own && (chosen - own).abs() < 0.01, "{chosen} {own}");
    assert!(std::fs::read_to_string(folder.join("m.json")).unwrap().contains("spline2(age)"));
    let predict = ["predict", "--model", "m.json", "--data", "test.csv", "--out", "p.csv", "--interval", "0.9"];
    assert_eq!(med(folder, &predict).passed()["rows"], 1000);
    med(folder, &["explain", "--model", "m.json", "--data", "test.csv", "--out", "e.csv"]).passed();
    for bad in ["[{\"step\": \"fold\"}]", "none.json"] {
        med(folder, &[&train[..], &["--encoders", bad]].concat()).refused();
    }
    let config = "models = [{ model = \"linear\", encoders = [{ step = \"impute\" }, { step = \"one_hot\", reference = \"first\" }] }]\n";
    std::fs::write(folder.join("med.toml"), config).unwrap();
    assert!(med(folder, &["run", "--config", "med.toml"]).passed()["models"]["linear"].is_object());
}

#[test]
fn dates_are_taken_apart_by_encoders() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // Costs more in December; the rest is noise.
    let rows = (0..400).map(|i| {
        let month = i * 7 % 12 + 1;
        let cost = if month == 12 { 500 } else { 100 };
        format!("{},2024-{month:02}-{:02},{}\n", i * 31 % 60, i % 28 + 1, cost + i * 13 % 17)
    });
    std::fs::write(
        folder.join("train.csv"),
        ["age,enrolled,cost\n".to_owned()].into_iter().chain(rows).collect::<String>(),
    )
    .unwrap();
    let train = ["train", "--data", "train.csv", "--target", "cost", "--model", "decision_tree", "--out", "m.json"];
    let without = med(folder, &train).passed();
    assert_eq!(without["ignored"][0]["column"], "enrolled");
    let steps = r#"[{"step": "date_parts", "columns": ["enrolled"], "parts": ["month"]}]"#;
    let with = med(folder, &[&train[..], &["--encoders", steps]].concat()).passed();
    assert_eq!(with["features"], serde_json::json!(["age", "enrolled"]));
    let r2 = |of: &serde_json::Value| of["metrics"]["train"]["r2"].as_f64().unwrap();
    assert!(r2(&with) > 0.95 && r2(&without) < 0.9, "{} {}", r2(&with), r2(&without));
    let predict = ["predict", "--model", "m.json", "--data", "train.csv", "--out", "p.csv"];
    assert_eq!(med(folder, &predict).passed()["rows"], 400);
    let misspelt = steps.replace("enrolled", "enroled");
    let text = med(folder, &[&train[..], &["--encoders", &misspelt]].concat()).refused();
    assert!(text.contains("enroled"), "{text}");
}

#[test]
fn features_are_scored_best_first() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    parts(folder);
    let base = ["select", "--data", "train.csv", "--target", "annual_medical_cost"];
    let scored = med(folder, &[&base[..], &["--method", "spearman", "--k", "3"]].concat()).passed();
    let scores = scored["scores"].as_array().unwrap();
    assert_eq!(scores.iter().filter(|s| s["selected"] == true).count(), 3);
    let strength = |i: usize| scores[i]["score"].as_f64().unwrap().abs();
    assert!(strength(0) >= strength(1) && strength(1) >= strength(2));
    let stable = ["--method", "std_stability", "--test", "test.csv", "--threshold", "0.1"];
    let scored = med(folder, &[&base[..], &stable].concat()).passed();
    assert_eq!(scored["method"], "std_stability");
    for method in ["boruta", "permutation", "drift_aware"] {
        let args = [&base[..], &["--method", method, "--test", "test.csv"]].concat();
        let found = med(folder, &args).passed();
        let scores = found["scores"].as_array().unwrap();
        assert_eq!(scores[0]["selected"], true, "{found}");
        assert!(scores.iter().any(|s| s["selected"] == false), "{found}");
        assert!(scores.iter().all(|s| s["score"].is_number() && s["p_value"].is_number()), "{found}");
        assert_eq!(found, med(folder, &args).passed());
    }
    let holm = [&base[..], &["--method", "f_test", "--fdr", "0.05", "--adjust", "holm"]].concat();
    assert_eq!(med(folder, &holm).passed()["adjust"], "holm");
    let unknown = med(folder, &[&base[..], &["--method", "f_test", "--adjust", "sidak"]].concat()).refused();
    assert!(unknown.contains("fdr_bh, fdr_by, holm or bonferroni"), "{unknown}");
    let needs_test = med(folder, &[&base[..], &["--method", "std_stability"]].concat()).refused();
    assert!(needs_test.contains("test"), "{needs_test}");
}

#[test]
fn a_table_is_extracted_to_parquet() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    med(folder, &["run"]).passed();
    let url = "sqlite://lake/clients.sqlite";
    let done = med(folder, &["extract", "--database-url", url, "--table", "clients", "--out", "c.parquet"]).passed();
    assert_eq!(done["rows"], 5000);
    let suite = fixture("suites/clients_extracted.json");
    let result = med(folder, &["check", "--suite", suite.to_str().unwrap(), "--data", "c.parquet"]).passed();
    assert_eq!(result["success"], true);
    let query = [
        "extract",
        "--database-url",
        url,
        "--query",
        "SELECT age, bmi FROM clients WHERE age > 80",
        "--out",
        "q.parquet",
    ];
    assert!(med(folder, &query).passed()["rows"].as_u64().unwrap() > 0);
    let text = med(folder, &["extract", "--database-url", url, "--table", "client", "--out", "x.parquet"]).refused();
    assert!(text.contains("clients"), "{text}");
    assert!(!folder.join("x.parquet").exists());
    let both = ["extract", "--database-url", url, "--table", "a", "--query", "b", "--out", "x.parquet"];
    assert_eq!(med(folder, &both).code, 2);
}

#[test]
fn unexpected_rows_are_named_by_columns_or_shown() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("d.csv"), "client,age,plan\nann,34,gold\nbob,200,tin\ncem,,tin\n").unwrap();
    let suite = r#"{"name": "s", "expectations": [{"type": "expect_column_values_to_be_between",
        "kwargs": {"column": "age", "max_value": 120}}]}"#;
    std::fs::write(folder.join("s.json"), suite).unwrap();
    let check =
        |format: &str| med(folder, &["check", "--suite", "s.json", "--data", "d.csv", "--result-format", format]);
    let named = check(r#"{"result_format": "SUMMARY", "unexpected_index_column_names": ["client"]}"#);
    let expected = serde_json::json!([{"age": 200, "client": "bob"}]);
    assert_eq!(named.json()["results"][0]["result"]["partial_unexpected_index_list"], expected);
    let shown = check(r#"{"result_format": "BASIC", "include_unexpected_rows": true}"#).json();
    let expected = serde_json::json!([{"client": "bob", "age": 200, "plan": "tin"}]);
    assert_eq!(shown["results"][0]["result"]["unexpected_rows"], expected);
    assert_eq!(check("boolean_only").json()["results"][0]["result"], serde_json::json!({}));
    assert!(check(r#"{"unexpected_index_column_names": ["klient"]}"#).refused().contains("klient"));
    assert!(check(r#"{"unexpected_rows": true}"#).refused().contains("unexpected_rows"));
}
