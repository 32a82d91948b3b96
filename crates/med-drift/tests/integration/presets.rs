//! The presets `evidently` and `nannyml` against what those libraries found on the same pairs.

use std::path::{Path, PathBuf};

use med_drift::{ChunkSize, Chunking, ColumnDrift, Decision, DriftDetector, DriftParams, Method, Preset};
use med_schema::FeatureMatrix;
use serde_json::Value;

use crate::golden::{column, folder, number};

fn cases() -> Vec<(PathBuf, Value)> {
    let mut folders: Vec<PathBuf> =
        std::fs::read_dir(folder()).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_dir()).collect();
    folders.sort();
    let golden = |path: &Path| std::fs::read_to_string(path.join("expected.peers.json")).unwrap();
    folders.into_iter().map(|p| (p.clone(), serde_json::from_str(&golden(&p)).unwrap())).collect()
}

/// Drift of one column of a case.
fn drift(case: &Path, name: &str, kind: &str, params: DriftParams) -> ColumnDrift {
    let side = |side| FeatureMatrix::new(vec![column(case, side, name, kind)]).unwrap();
    let detector = DriftDetector::new(params).unwrap();
    detector.detect(&side("reference"), &side("current")).unwrap().columns.remove(0)
}

fn kind<'a>(golden: &'a Value, name: &str) -> &'a str {
    let columns = golden["columns"].as_array().unwrap();
    columns.iter().find(|c| c["name"] == name).unwrap()["kind"].as_str().unwrap()
}

/// evidently's names and ours; whether its value is a p-value.
const EVIDENTLY: [(&str, Method, bool); 13] = [
    ("chisquare", Method::ChiSquare, true),
    ("z", Method::ZTest, true),
    ("ks", Method::Ks, true),
    ("anderson", Method::Anderson, true),
    ("cramer_von_mises", Method::CramerVonMises, true),
    ("mannw", Method::MannWhitney, true),
    ("t_test", Method::TTest, true),
    ("ed", Method::Energy, false),
    ("hellinger", Method::Hellinger, false),
    ("jensenshannon", Method::JensenShannon, false),
    ("kl_div", Method::Kl, false),
    ("psi", Method::Psi, false),
    ("wasserstein", Method::Wasserstein, false),
];

fn chosen(label: &str) -> Method {
    match label {
        "K-S p_value" => Method::Ks,
        "Z-test p_value" => Method::ZTest,
        "chi-square p_value" => Method::ChiSquare,
        "Wasserstein distance (normed)" => Method::Wasserstein,
        "Jensen-Shannon distance" => Method::JensenShannon,
        other => panic!("no method for {other}"),
    }
}

fn close(found: f64, expected: f64, method: Method) -> bool {
    let absolute = match method {
        // The root of a difference near 0.
        Method::JensenShannon | Method::Kl => 1e-9,
        // evidently takes the root of 1 minus a sum: the noise of that sum, 1e-16, becomes 1e-8.
        Method::Hellinger => 3e-8,
        Method::Psi => 1e-13,
        // evidently takes 1 minus a probability near 1.
        Method::ZTest | Method::CramerVonMises => 1e-14,
        _ => 0.0,
    };
    let relative = match method {
        Method::Anderson => 1e-6,
        m if m.decision_in(Preset::Evidently) == Decision::PValue => 1e-9,
        _ => 1e-12,
    };
    found == expected || (found - expected).abs() <= relative * expected.abs() + absolute
}

#[test]
fn evidently_is_reproduced() {
    let params = DriftParams::preset(Preset::Evidently);
    let (mut compared, mut wrong) = (0, Vec::new());
    for (case, golden) in cases() {
        for value in golden["evidently"].as_array().unwrap() {
            let (name, test) = (value["column"].as_str().unwrap(), value["method"].as_str().unwrap());
            // Where evidently itself fails there is nothing to reproduce.
            if value["status"] != "ok" {
                continue;
            }
            // Whole numbers beyond the precision of floats, and bins about as wide as the distance between two floats.
            let bins_of_rounding = ["near_const", "huge", "denormal"].contains(&name) && test == "hellinger";
            if name == "big_ints" || bins_of_rounding {
                continue;
            }
            let kind = kind(&golden, name);
            let place = || format!("{} {name} {test}", case.file_name().unwrap().display());
            compared += 1;
            if test == "default_choice" {
                let found = drift(&case, name, kind, params).method;
                if found != chosen(value["value"].as_str().unwrap()) {
                    wrong.push(format!("{}: chose {found}, expected {}", place(), value["value"]));
                }
                continue;
            }
            let (_, method, by_p) = *EVIDENTLY.iter().find(|e| e.0 == test).unwrap();
            let found = drift(&case, name, kind, params.with_method(method));
            let expected = number(&value["value"]);
            let score = if by_p { found.p_value } else { found.score };
            let agrees = match score {
                // Two equal constants: 0 with p = 1 here, not a number there.
                Some(score) if expected.is_nan() => score == 1.0,
                // There exact p-values are rounded to half precision.
                Some(score) if method == Method::CramerVonMises && found.reference_rows <= 20 => {
                    (score / expected - 1.0).abs() < 5e-4
                }
                Some(score) => close(score, expected, method),
                None => expected.is_nan() || (expected.is_infinite() && found.drifted),
            };
            if !agrees || found.drifted != value["drifted"].as_bool().unwrap() {
                wrong.push(format!(
                    "{}: found {score:?} {}, expected {expected:?} {}",
                    place(),
                    found.drifted,
                    value["drifted"]
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {compared} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(compared > 400, "only {compared} values were compared");
}

#[test]
fn nannyml_is_reproduced() {
    let (mut compared, mut wrong) = (0, Vec::new());
    for (case, golden) in cases().into_iter().filter(|(_, g)| g["nannyml"]["columns"].is_array()) {
        let rows = golden["nannyml"]["chunk_size"].as_u64().unwrap() as usize;
        let chunks = Some(Chunking { size: ChunkSize::Rows(rows), ..Chunking::default() });
        for value in golden["nannyml"]["columns"].as_array().unwrap() {
            let name = value["column"].as_str().unwrap();
            let method = match value["method"].as_str().unwrap() {
                "nannyml.jensen_shannon" => Method::JensenShannon,
                "nannyml.hellinger" => Method::Hellinger,
                "nannyml.kolmogorov_smirnov" => Method::Ks,
                "nannyml.wasserstein" => Method::Wasserstein,
                "nannyml.chi2" => Method::ChiSquare,
                "nannyml.l_infinity" => Method::LInfinity,
                other => panic!("no method for {other}"),
            };
            let params = DriftParams { chunks, ..DriftParams::preset(Preset::Nannyml).with_method(method) };
            let found = drift(&case, name, kind(&golden, name), params).chunks.unwrap();
            let agree = |found: &[Option<f64>], expected: &Value| {
                let expected: Vec<f64> = expected.as_array().unwrap().iter().map(number).collect();
                found.len() == expected.len()
                    && found
                        .iter()
                        .zip(expected)
                        .all(|(f, e)| f.map_or(e.is_nan(), |f| (f - e).abs() <= 1e-9 * (1.0 + e.abs())))
            };
            let alerts: Vec<bool> =
                value["current_alerts"].as_array().unwrap().iter().map(|a| a.as_bool().unwrap()).collect();
            let threshold = value["upper_threshold"].as_f64();
            compared += 1;
            if !agree(&found.reference, &value["reference_chunks"])
                || !agree(&found.current, &value["current_chunks"])
                || threshold.is_some_and(|t| (t - found.threshold).abs() > 1e-9)
                || alerts != found.drifted
            {
                wrong.push(format!("{} {name} {method}: {found:?}\n   expected {value}", case.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {compared} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(compared > 20, "only {compared} were compared");
}
