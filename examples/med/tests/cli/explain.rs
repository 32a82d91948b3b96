//! `med explain` and `med predict --interval`.

use std::path::Path;

use super::med;

/// 600 rows: a number, a level, an identifier, a cost that depends on both.
fn data(folder: &Path) {
    let row = |i: u64| {
        let (age, plan) = (20 + (i * 7) % 60, ["basic", "full", "none"][(i % 3) as usize]);
        let noise = ((i * 7919) % 101) as f64;
        let cost = 40.0 * age as f64 + if plan == "full" { 900.0 } else { 100.0 } + noise;
        format!("{},{age},{plan},{cost}\n", 5000 + i)
    };
    std::fs::write(folder.join("d.csv"), format!("id,age,plan,cost\n{}", (0..600).map(row).collect::<String>()))
        .unwrap();
}

/// Columns of a written file, numbers only.
fn columns(folder: &Path, file: &str) -> (Vec<String>, Vec<Vec<f64>>) {
    let text = std::fs::read_to_string(folder.join(file)).unwrap();
    let mut lines = text.lines();
    let names: Vec<String> = lines.next().unwrap().split(',').map(str::to_owned).collect();
    let rows: Vec<Vec<f64>> = lines.map(|l| l.split(',').map(|v| v.parse().unwrap()).collect()).collect();
    (names.clone(), (0..names.len()).map(|j| rows.iter().map(|r| r[j]).collect()).collect())
}

#[test]
fn values_of_raw_columns_sum_to_the_prediction() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    data(folder);
    for model in ["linear", "ridge", "knn"] {
        let train = ["train", "--data", "d.csv", "--target", "cost", "--model", model, "--out", "m.json"];
        med(folder, &[&train[..], &["--intervals", "none"]].concat()).passed();
        let explain = ["explain", "--model", "m.json", "--data", "d.csv", "--out", "e.csv"];
        if model == "knn" {
            let text = med(folder, &explain).refused();
            assert!(text.contains("knn cannot be explained"), "{text}");
            continue;
        }
        let done = med(folder, &explain).passed();
        assert_eq!((&done["rows"], &done["scale"]), (&600.into(), &"response".into()));
        assert!(done["mean_abs"]["age"].as_f64().unwrap() > done["mean_abs"]["plan"].as_f64().unwrap());
        med(folder, &["predict", "--model", "m.json", "--data", "d.csv", "--out", "p.csv"]).passed();
        let ((names, values), (_, predicted)) = (columns(folder, "e.csv"), columns(folder, "p.csv"));
        assert_eq!(names, ["id", "age", "plan", "base_value"]);
        for row in 0..600 {
            let sum: f64 = values[1..].iter().map(|c| c[row]).sum();
            assert!((sum - predicted[1][row]).abs() <= 1e-9 * sum.abs(), "{model}, row {row}");
        }
    }
}

#[test]
fn intervals_cover_what_they_say_and_need_a_model_trained_for_them() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    data(folder);
    let train = ["train", "--data", "d.csv", "--target", "cost", "--model", "ridge", "--out", "m.json"];
    assert_eq!(med(folder, &train).passed()["interval_rows"], 600);
    let predict = ["predict", "--model", "m.json", "--data", "d.csv", "--out", "p.csv", "--interval"];
    med(folder, &[&predict[..], &["0.9"]].concat()).passed();
    let (names, values) = columns(folder, "p.csv");
    assert_eq!(names, ["id", "prediction", "lower", "upper"]);
    let costs = &columns_of_costs(folder);
    let covered = (0..600).filter(|&r| values[2][r] <= costs[r] && costs[r] <= values[3][r]).count();
    assert!((500..=580).contains(&covered), "{covered}");
    assert!(values[2].iter().all(|l| *l >= 0.0));
    let text = med(folder, &[&predict[..], &["1.5"]].concat()).refused();
    assert!(text.contains("above 0 and below 1"), "{text}");
    let text = med(folder, &[&predict[..], &["0.9999"]].concat()).refused();
    assert!(text.contains("too few"), "{text}");
    med(folder, &[&train[..], &["--intervals", "none"]].concat()).passed();
    let text = med(folder, &[&predict[..], &["0.9"]].concat()).refused();
    assert!(text.contains("--intervals auto"), "{text}");
}

fn columns_of_costs(folder: &Path) -> Vec<f64> {
    let text = std::fs::read_to_string(folder.join("d.csv")).unwrap();
    text.lines().skip(1).map(|l| l.rsplit(',').next().unwrap().parse().unwrap()).collect()
}
