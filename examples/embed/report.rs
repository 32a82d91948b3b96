//! Writes the page of a run to the path given as argument, or prints how long it is.
#![allow(clippy::print_stdout)]

use med_report::{Artifact, Calibration, DriftRow, Histogram, ModelRow, PhaseRow, RunPage, SelectionRow, render};
use med_schema::{CheckResult, Report, Verdict, Version};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (run, as_of) = ("run-2024".parse()?, "2024-01-01T00:00:00Z".parse()?);
    let mut page = RunPage::new("Annual medical cost", run, as_of, Verdict::Failed);
    page.summary = Some("Stopped at the gate before loading: the lake is as it was.".into());
    for (name, rows_in, rows_out, note) in [
        ("extract", None, Some(5_000), "table clients, 26 columns"),
        ("transform", Some(5_000), Some(4_998), "filled 1,048 empty insurance types, dropped 2 duplicates"),
    ] {
        page.phases.push(PhaseRow { name: name.into(), rows_in, rows_out, note: note.into() });
    }
    let between = |column: &str, unexpected| {
        let check = CheckResult::judged("expect_column_values_to_be_between", unexpected == 0).column(column);
        check.expected("10 to 80").counts(4_998, unexpected)
    };
    let quality = Report::new("clients, after transform")
        .with(between("age", 0))
        .with(between("bmi", 37).message("37 values are above 80").detail("largest", 412.5))
        .with(CheckResult::error("expect_column_to_exist", "did you mean smoking?").column("smoker"));
    page.reports = vec![quality, Report::new("meta").with(CheckResult::judged("all_checks_ran", true))];

    for (name, r2, rmse) in
        [("linear", Some(0.9121), 1_812.4), ("tree", None, 2_411.9), ("gbdt", Some(0.9634), 1_204.3)]
    {
        let metrics = vec![("r2".into(), r2), ("rmse".into(), Some(rmse))];
        let (promoted, stage) = (name == "gbdt", (name == "gbdt").then(|| "staging".into()));
        let version = promoted.then_some(Version(4));
        page.models.push(ModelRow { name: name.into(), version, stage, metrics, promoted });
    }
    let predicted: Vec<f64> = (0..2_000).map(|i| 2_000.0 + f64::from(i * i) / 160.0).collect();
    let noise = |i: usize| 0.8 + 0.4 * (i * 7 % 11) as f64 / 10.0;
    let actual: Vec<f64> = predicted.iter().enumerate().map(|(i, p)| p * noise(i)).collect();
    page.calibrations = vec![Calibration::of("gbdt: predicted against actual cost", &predicted, &actual, 10)?];
    page.histograms = vec![Histogram::of("Actual annual cost", &actual, 24)?];

    for (feature, score) in [("age", 0.0237), ("bmi", 0.1412), ("previous_year_cost", 0.0311)] {
        let (method, drifted, score, threshold) = ("ks".into(), score >= 0.1, Some(score), Some(0.1));
        page.drift.push(DriftRow { feature: feature.into(), method, score, p_value: None, threshold, drifted });
        let method = "std_stability".into();
        page.selection.push(SelectionRow { feature: feature.into(), method, score, selected: !drifted });
    }
    page.artifacts = vec![Artifact { name: "drift".into(), path: "lake/drift/run-2024.json".into() }];

    let html = render(&page)?;
    match std::env::args().nth(1) {
        Some(path) => std::fs::write(path, html)?,
        None => println!("a page of {} bytes", html.len()),
    }
    Ok(())
}
