//! Measures over all columns: against NannyML's, and on pairs where the answer is known.

use std::path::Path;

use med_drift::multivariate::{
    ClassifierParams, CorrelationParams, Learner, LearnerError, LossEstimator, LossMetric, LossParams, MmdParams,
    MultivariateParams, Outcomes, Predictor, Reconstruction, ReconstructionParams, correlation_change,
    domain_classifier, maximum_mean_discrepancy, multivariate,
};
use med_drift::{ChunkSize, Chunking, DriftDetector, DriftError};
use med_schema::{FeatureColumn, FeatureMatrix};
use serde_json::Value;

use crate::golden::{column, folder, number};

fn golden(case: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(case.join("expected.peers.json")).unwrap()).unwrap()
}

fn side(case: &Path, side: &str, golden: &Value, names: &Value) -> FeatureMatrix {
    let kind = |name: &str| {
        let columns = golden["columns"].as_array().unwrap();
        columns.iter().find(|c| c["name"] == name).unwrap()["kind"].as_str().unwrap().to_owned()
    };
    let names = names.as_array().unwrap().iter().map(|n| n.as_str().unwrap());
    FeatureMatrix::new(names.map(|name| column(case, side, name, &kind(name))).collect()).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(number).collect()
}

fn close(found: &[f64], expected: &[f64]) -> bool {
    found.len() == expected.len() && found.iter().zip(expected).all(|(f, e)| (f - e).abs() <= 1e-9 * (1.0 + e.abs()))
}

fn rows_of(golden: &Value) -> Chunking {
    Chunking { size: ChunkSize::Rows(golden["chunk_size"].as_u64().unwrap() as usize), ..Chunking::default() }
}

#[test]
fn reconstruction_is_that_of_nannyml() {
    let mut compared = 0;
    for case in std::fs::read_dir(folder()).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_dir()) {
        let all = golden(&case);
        let expected = &all["nannyml_pca"];
        if expected["status"] != "ok" {
            continue;
        }
        let params = ReconstructionParams { chunks: rows_of(expected), ..ReconstructionParams::default() };
        let [reference, current] = ["reference", "current"].map(|s| side(&case, s, &all, &expected["columns"]));
        let found = Reconstruction::fit(&reference, params).unwrap().judge(&current).unwrap();
        let place = case.display();
        assert_eq!(found.components as u64, expected["components_kept"].as_u64().unwrap(), "{place}");
        assert!(close(&found.reference_chunks, &numbers(&expected["reference_chunks"])), "{place} {found:?}");
        assert!(close(&found.chunks, &numbers(&expected["current_chunks"])), "{place} {found:?} {expected}");
        let errors = numbers(&expected["sampling_error"]);
        let found_errors: Vec<f64> = found.sampling_errors.iter().map(|e| e.unwrap_or(f64::NAN)).collect();
        assert!(close(&found_errors, &errors[errors.len() - found.chunks.len()..]), "{place} {found:?} {errors:?}");
        let band = [number(&expected["lower_threshold"]), number(&expected["upper_threshold"])];
        assert!(close(&[found.lower, found.upper], &band), "{place}");
        let alerts: Vec<bool> =
            expected["current_alerts"].as_array().unwrap().iter().map(|a| a.as_bool().unwrap()).collect();
        assert_eq!(found.chunks_drifted, alerts, "{place}");
        compared += 1;
    }
    assert!(compared >= 5, "only {compared} were compared");
}

/// A number for each row, evenly spread and reproducible.
fn uniform(rows: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    };
    (0..rows).map(|_| next()).collect()
}

/// Four columns; `y` follows `x` with the sign of `slope`, and `plan` depends on nothing.
fn table(rows: usize, slope: f64, shift: f64, seed: u64) -> FeatureMatrix {
    let [x, noise, z, plan] = [0, 1, 2, 3].map(|i| uniform(rows, 4 * seed + i + 1));
    let y: Vec<f64> = x.iter().zip(&noise).map(|(x, e)| slope * (x - 0.5) + 0.3 * (e - 0.5)).collect();
    FeatureMatrix::new(vec![
        FeatureColumn::numeric("x", x),
        FeatureColumn::numeric("y", y),
        FeatureColumn::numeric("z", z.iter().map(|z| z + shift).collect::<Vec<_>>()),
        FeatureColumn::from_texts("plan", plan.iter().map(|&u| Some(if u < 0.3 { "gold" } else { "tin" }))),
    ])
    .unwrap()
}

/// Mean of the learnt values in each of eight stretches of every numeric column, averaged over columns: enough to tell shifts.
fn stretches(x: &FeatureMatrix, y: &[f64]) -> Result<Box<dyn Predictor>, LearnerError> {
    const STRETCHES: usize = 8;
    let place = |low: f64, high: f64, v: f64| (((v - low) / (high - low) * 8.0).floor().clamp(0.0, 7.0)) as usize;
    let mean = y.iter().sum::<f64>() / y.len() as f64;
    let mut learnt = Vec::new();
    for column in x.columns() {
        let Some(values) = column.as_numeric() else { continue };
        let (low, high) = values.iter().fold((f64::MAX, f64::MIN), |(l, h), &v| (l.min(v), h.max(v)));
        let mut sums = [(4.0 * mean, 4.0); STRETCHES];
        for (&v, &y) in values.iter().zip(y) {
            let sum = &mut sums[place(low, high, v)];
            *sum = (sum.0 + y, sum.1 + 1.0);
        }
        learnt.push((column.name().to_owned(), low, high, sums.map(|(sum, n)| sum / n)));
    }
    Ok(Box::new(move |x: &FeatureMatrix| -> Result<Vec<f64>, LearnerError> {
        let mut predicted = vec![0.0; x.n_rows()];
        for (name, low, high, means) in &learnt {
            let values = x.numeric(name)?;
            predicted
                .iter_mut()
                .zip(values)
                .for_each(|(p, &v)| *p += means[place(*low, *high, v)] / learnt.len() as f64);
        }
        Ok(predicted)
    }))
}

#[test]
fn a_correlation_that_turns_is_seen_and_named() {
    let (reference, turned, same) = (table(800, 1.0, 0.0, 1), table(600, -1.0, 0.0, 2), table(600, 1.0, 0.0, 3));
    let params = MultivariateParams::default();
    let report = multivariate(&reference, &turned, Some(&stretches), &params).unwrap();
    assert!(report.drifted && report.correlation.drifted && report.reconstruction.drifted && report.mmd.drifted);
    let pair = &report.correlation.pairs[0];
    assert_eq!((pair.first.as_str(), pair.second.as_str()), ("x", "y"));
    assert!(pair.reference > 0.9 && pair.current < -0.9, "{pair:?}");
    assert_eq!(report.correlation.pairs.iter().filter(|p| p.drifted).count(), 1);
    let grown: Vec<&str> = report.reconstruction.columns[..2].iter().map(|c| c.name.as_str()).collect();
    assert!(grown.contains(&"x") && grown.contains(&"y"), "{grown:?}");
    let quiet = multivariate(&reference, &same, Some(&stretches), &params).unwrap();
    assert!(!quiet.drifted, "{quiet:?}");
    let json = serde_json::to_string(&quiet).unwrap();
    assert_eq!(serde_json::from_str::<med_drift::multivariate::MultivariateReport>(&json).unwrap(), quiet);
}

#[test]
fn the_classifier_names_the_column_that_moved() {
    let (reference, moved) = (table(900, 1.0, 0.0, 4), table(700, 1.0, 0.5, 5));
    let params = ClassifierParams::default();
    let found = domain_classifier(&reference, &moved, &stretches, &params).unwrap();
    assert!(found.drifted && found.auc > 0.7 && found.p_value < 1e-10, "{found:?}");
    assert_eq!(found.importances[0].name, "z");
    assert!(found.importances[0].importance > 0.2 && found.importances[1].importance < 0.05, "{found:?}");
    assert_eq!(found, domain_classifier(&reference, &moved, &stretches, &params).unwrap());
    let fewer = ClassifierParams { max_rows: 300, ..params };
    assert_eq!(domain_classifier(&reference, &moved, &stretches, &fewer).unwrap().rows, [300, 300]);
    let failing = |_: &FeatureMatrix, _: &[f64]| -> Result<Box<dyn Predictor>, LearnerError> { Err("no trees".into()) };
    let error = domain_classifier(&reference, &moved, &failing, &params).unwrap_err();
    assert_eq!(error, DriftError::Learner { message: "no trees".to_owned() });
}

#[test]
fn discrepancy_by_permutation_and_by_blocks_agree() {
    for (shift, drifted) in [(0.0, false), (0.6, true)] {
        for (n, m) in [(300, 200), (3000, 9000)] {
            let (reference, current) = (table(n, 1.0, 0.0, 6), table(m, 1.0, shift, 7));
            let found = maximum_mean_discrepancy(&reference, &current, &MmdParams::default()).unwrap();
            assert_eq!((found.drifted, found.blocks > 1), (drifted, n > 1000), "{shift} {n}: {found:?}");
            let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
            let again = alone.install(|| maximum_mean_discrepancy(&reference, &current, &MmdParams::default()));
            assert_eq!(again.unwrap(), found);
        }
    }
    let one = table(1, 1.0, 0.0, 8);
    let few = maximum_mean_discrepancy(&one, &one, &MmdParams::default()).unwrap_err();
    assert!(matches!(few, DriftError::TooFewRows { method: "mmd", .. }), "{few}");
}

/// Of 200 pairs without drift about one in twenty is below 0.05; more than 21 or fewer than 2 would be rarer than one in a thousand.
#[test]
fn p_values_without_drift_are_even() {
    let mut below = [0; 6];
    for seed in 0..200 {
        let (reference, current) = (table(160, 1.0, 0.0, 2 * seed + 100), table(120, 1.0, 0.0, 2 * seed + 101));
        let params = MmdParams { permutations: 99, seed, ..MmdParams::default() };
        let by_permutation = maximum_mean_discrepancy(&reference, &current, &params).unwrap();
        let blocked = MmdParams { full_rows: 8, ..params };
        let by_blocks = maximum_mean_discrepancy(&reference, &current, &blocked).unwrap();
        let correlation = correlation_change(&reference, &current, &CorrelationParams::default()).unwrap();
        let pair = |first: &str, second: &str| {
            let same = |p: &&med_drift::multivariate::PairChange| p.first == first && p.second == second;
            correlation.pairs.iter().find(same).unwrap().p_value
        };
        let reconstruction = Reconstruction::fit(&reference, ReconstructionParams::default()).unwrap();
        let p = [
            by_permutation.p_value,
            by_blocks.p_value,
            // Closely related, not at all, and one of two values.
            pair("x", "y"),
            pair("x", "z"),
            pair("x", "plan"),
            reconstruction.judge(&current).unwrap().p_value.unwrap(),
        ];
        p.iter().zip(&mut below).for_each(|(&p, below)| *below += i32::from(p <= 0.05));
    }
    assert!(below.iter().all(|b| (2..=21).contains(b)), "{below:?}");
}

fn predictions(case: &Path, side: &str) -> Vec<f64> {
    let text = std::fs::read_to_string(case.join(format!("predictions_{side}.csv"))).unwrap();
    text.lines().skip(1).map(|line| line.parse().unwrap()).collect()
}

#[test]
fn realised_losses_bands_and_sampling_errors_are_those_of_nannyml() {
    for case in ["insurance_by_age", "insurance_perturbed"].map(|name| folder().join(name)) {
        let all = golden(&case);
        let expected = &all["nannyml_loss"];
        let features = serde_json::json!(["age", "bmi", "children", "sex", "smoker", "region"]);
        let [reference, current] = ["reference", "current"].map(|s| side(&case, s, &all, &features));
        let targets = column(&case, "reference", "charges", "numeric");
        let params = LossParams { chunks: rows_of(expected), ..LossParams::default() };
        let learner: &dyn Learner = &stretches;
        let (p_reference, p_current) = (predictions(&case, "reference"), predictions(&case, "current"));
        let fitted =
            LossEstimator::fit(&reference, &p_reference, targets.as_numeric().unwrap(), learner, params).unwrap();
        let found = fitted.estimate(&current, &p_current).unwrap();
        for (metric, name) in [(LossMetric::Mae, "mae"), (LossMetric::Mse, "mse"), (LossMetric::Rmse, "rmse")] {
            let found = found.metrics.iter().find(|m| m.metric == metric).unwrap();
            let expected = &expected["metrics"][name];
            assert!(close(&found.reference_realised, &numbers(&expected["reference_realized"])), "{name} {found:?}");
            assert!(
                close(&found.sampling_errors, &numbers(&expected["current_sampling_error"])),
                "{name} {found:?} {expected}"
            );
            let band = [&expected["lower_threshold"], &expected["upper_threshold"]].map(number);
            assert!(close(&[found.lower, found.upper], &band), "{name} {found:?}");
            // Another learner, and none to be proud of: near, not equal.
            let theirs = numbers(&expected["current_estimated"]);
            let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
            assert!((mean(&found.estimated) / mean(&theirs) - 1.0).abs() < 0.35, "{name} {found:?} {theirs:?}");
        }
    }
}

#[test]
fn labels_predictions_and_residuals_drift_each_by_themselves() {
    let prediction = uniform(500, 21);
    let target: Vec<f64> = prediction.iter().zip(uniform(500, 22)).map(|(p, e)| p + 0.2 * (e - 0.5)).collect();
    let biased: Vec<f64> = target.iter().map(|y| y + 0.15).collect();
    let reference = Outcomes { target: Some(&target), prediction: Some(&prediction) };
    let detector = DriftDetector::default();
    let current = Outcomes { target: Some(&biased), prediction: Some(&prediction) };
    let report = detector.outcomes(&reference, &current).unwrap();
    let verdicts: Vec<(&str, bool)> = report.columns.iter().map(|c| (c.name.as_str(), c.drifted)).collect();
    assert_eq!(verdicts, [("target", true), ("prediction", false), ("residual", true)]);
    let unlabelled = Outcomes { target: None, prediction: Some(&biased) };
    let report = detector.outcomes(&reference, &unlabelled).unwrap();
    assert_eq!(report.columns.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(), ["prediction"]);
    assert!(report.columns[0].drifted);
    let nothing = detector.outcomes(&reference, &Outcomes::default()).unwrap_err();
    assert_eq!(nothing, DriftError::NoColumns);
    let short = Outcomes { target: Some(&target[1..]), prediction: Some(&prediction) };
    assert!(matches!(detector.outcomes(&reference, &short), Err(DriftError::Length { .. })));
}
