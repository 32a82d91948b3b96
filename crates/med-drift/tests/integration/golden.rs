//! Scores and p-values of other libraries on fixed pairs; `fixtures/goldens/drift/SOURCES.md` says which.

use std::path::{Path, PathBuf};

use med_drift::measure::{
    AndersonDarling, Bins, ChiSquare, CramerVonMises, CramersV, Energy, GTest, Hellinger, JensenShannon,
    KolmogorovSmirnov, KullbackLeibler, LInfinity, LevelPsi, Levene, MannWhitney, Psi, StdStability, StudentT,
    TotalVariation, TrimmedEarthMover, Wasserstein, WelchT,
};
use med_drift::{ColumnSample, Drift, DriftDetector, DriftError, DriftMeasure, LevelMerge, LevelRank};
use med_schema::{FeatureColumn, FeatureMatrix};
use serde_json::Value;

pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/goldens/drift")
}

/// One side of one column. The files hold no quotes; an empty field is missing.
pub(crate) fn column(case: &Path, side: &str, column: &str, kind: &str) -> FeatureColumn {
    let text = std::fs::read_to_string(case.join(format!("{side}.csv"))).unwrap();
    let mut lines = text.strip_suffix('\n').unwrap_or(&text).split('\n');
    let place = lines.next().unwrap().split(',').position(|name| name == column).unwrap();
    let fields = lines.map(|line| line.split(',').nth(place).unwrap()).map(|f| Some(f).filter(|f| !f.is_empty()));
    if kind == "numeric" {
        let number = |f: Option<&str>| f.map_or(f64::NAN, |f| f.parse().unwrap());
        FeatureColumn::numeric(column, fields.map(number).collect::<Vec<f64>>())
    } else {
        FeatureColumn::from_texts(column, fields)
    }
}

fn merge(max_levels: usize, rank: LevelRank) -> LevelMerge {
    LevelMerge { max_levels: Some(max_levels), rank, ..LevelMerge::deepchecks() }
}

/// What is compared: a field of the expected value, the measure, and what to take from its result.
type Case = (&'static str, Box<dyn DriftMeasure>, fn(Drift) -> f64);

fn histograms(bins: Bins) -> Vec<Case> {
    let distance: fn(Drift) -> f64 = |d| d.distance;
    vec![
        ("psi", Box::new(Psi { bins, ..Psi::default() }), distance),
        ("jensen_shannon_distance_base2", Box::new(JensenShannon { bins, natural: false }), distance),
        ("hellinger", Box::new(Hellinger { bins }), distance),
        ("total_variation", Box::new(TotalVariation { bins }), distance),
        ("l_infinity", Box::new(LInfinity { bins }), distance),
        (
            "kl_reference_to_current_nats_eps",
            Box::new(KullbackLeibler { bins, ..KullbackLeibler::default() }),
            distance,
        ),
    ]
}

fn cases(method: &str) -> Vec<Case> {
    let distance: fn(Drift) -> f64 = |d| d.distance;
    let p_value: fn(Drift) -> f64 = |d| d.p_value.unwrap();
    let value = |measure: Box<dyn DriftMeasure>| -> Vec<Case> { vec![("value", measure, distance)] };
    let v = |m: LevelMerge| value(Box::new(CramersV::new(m).unwrap()));
    let psi = |m: LevelMerge| value(Box::new(LevelPsi::new(m).unwrap()));
    let unmerged = LevelMerge { min_share: 0.0, ..LevelMerge::deepchecks() };
    macro_rules! test {
        ($measure:expr) => {
            vec![("statistic", Box::new($measure), distance), ("pvalue", Box::new($measure), p_value)]
        };
    }
    match method {
        "deepchecks.ks" => value(Box::new(KolmogorovSmirnov)),
        "deepchecks.emd_margin_0.025" => value(Box::<TrimmedEarthMover>::default()),
        "deepchecks.emd_margin_0" => value(Box::new(TrimmedEarthMover::new(0.0).unwrap())),
        "deepchecks.cramers_v" => v(LevelMerge::deepchecks()),
        "deepchecks.cramers_v_no_merge" => v(unmerged),
        "deepchecks.cramers_v_nulls_as_level" => v(LevelMerge { missing_is_level: true, ..LevelMerge::deepchecks() }),
        "deepchecks.cramers_v_top3_difference" => v(merge(3, LevelRank::Difference)),
        "deepchecks.cramers_v_top3_train" => v(merge(3, LevelRank::Reference)),
        "deepchecks.psi" => psi(LevelMerge::deepchecks()),
        "deepchecks.psi_no_merge" => psi(unmerged),
        "deepchecks.psi_top3_test" => psi(merge(3, LevelRank::Current)),
        "formula.quantile_bins_10" | "formula.levels" => histograms(Bins::default()),
        "formula.std_stability" => value(Box::new(StdStability)),
        "formula.wasserstein_over_std_reference" => value(Box::<Wasserstein>::default()),
        "scipy.energy_distance" => value(Box::new(Energy)),
        "scipy.ks_2samp_auto" => test!(KolmogorovSmirnov),
        "scipy.cramervonmises_2samp_asymptotic" => test!(CramerVonMises::default()),
        "scipy.anderson_ksamp_midrank" => test!(AndersonDarling),
        "scipy.mannwhitneyu_two_sided_asymptotic" => test!(MannWhitney::default()),
        "scipy.ttest_ind_pooled" => test!(StudentT),
        "scipy.ttest_ind_welch" => test!(WelchT),
        "scipy.levene_median" => test!(Levene),
        "scipy.chi2_contingency" => test!(ChiSquare::default()),
        "scipy.g_test_contingency" => test!(GTest),
        other => panic!("no measure for {other}"),
    }
}

/// JSON has no word for numbers that are not finite; the files hold them as texts.
pub(crate) fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| value.as_str().unwrap().parse().unwrap())
}

/// The expected value in the terms of our measure: t has no sign here, U becomes the rank-biserial correlation.
fn translated(method: &str, field: &str, expected: f64, rows: [f64; 2]) -> f64 {
    match (method, field) {
        ("scipy.ttest_ind_pooled" | "scipy.ttest_ind_welch", "statistic") => expected.abs(),
        ("scipy.mannwhitneyu_two_sided_asymptotic", "statistic") => (2.0 * expected / (rows[0] * rows[1]) - 1.0).abs(),
        _ => expected,
    }
}

/// Whether a found value agrees: the same bits for two, relative 1e-12 for other statistics and 1e-9 for p-values, except where the comment says otherwise.
fn agrees(method: &str, field: &str, found: f64, expected: f64) -> bool {
    let absolute = match (method, field) {
        // Roots of differences of shares near 0.
        (_, "jensen_shannon_distance_base2" | "hellinger" | "kl_reference_to_current_nats_eps") => 1e-9,
        // The source takes 1 minus a sum near 1, so that its own small tails are noise below this.
        ("scipy.cramervonmises_2samp_asymptotic", "pvalue") => 1e-14,
        // Sums of terms of either sign that cancel to rounding noise when both sides are alike.
        (_, "psi" | "total_variation" | "l_infinity") | ("scipy.g_test_contingency", "statistic") => 1e-13,
        // Distances from the median are summed in ascending order here and in row order there.
        ("scipy.levene_median", "statistic") => 1e-15,
        _ => 0.0,
    };
    let relative = match (method, field) {
        // The same operations in the same order: the same bits.
        ("deepchecks.ks" | "formula.std_stability", _) => 0.0,
        ("scipy.anderson_ksamp_midrank", "pvalue") => 1e-6,
        (_, "pvalue") => 1e-9,
        _ => 1e-12,
    };
    found == expected || (found - expected).abs() <= relative * expected.abs() + absolute
}

/// Where a golden has no number we answer "not defined", or 0 with p = 1 when the two sides do not differ at all.
fn is_undefined(result: &Result<f64, DriftError>, field: &str) -> bool {
    match result {
        Err(DriftError::NotDefined { .. } | DriftError::TooFewRows { .. }) => true,
        Ok(found) if field == "pvalue" => *found == 1.0,
        Ok(found) => *found == 0.0 || found.is_infinite(),
        Err(_) => false,
    }
}

/// Compares the values under `key` of a case; `written` says how the levels of a column are written on each side. Returns how many were compared.
fn compare(
    case: &Path,
    key: &str,
    written: &dyn Fn(&str, FeatureColumn) -> FeatureColumn,
    wrong: &mut Vec<String>,
) -> usize {
    let mut compared = 0;
    let text = std::fs::read_to_string(case.join("expected.json")).unwrap();
    let golden: Value = serde_json::from_str(&text).unwrap();
    for golden_column in golden["columns"].as_array().unwrap() {
        let (name, kind) = (golden_column["name"].as_str().unwrap(), golden_column["kind"].as_str().unwrap());
        let [reference, current] = ["reference", "current"]
            .map(|side| ColumnSample::new(&written(side, column(case, side, name, kind))).unwrap());
        let rows = [&reference, &current].map(|s| match s {
            ColumnSample::Numeric(s) => s.finite().len() as f64,
            ColumnSample::Categorical(s) => s.rows() as f64,
        });
        let infinite = [&reference, &current]
            .iter()
            .any(|s| matches!(s, ColumnSample::Numeric(s) if s.finite().len() < s.values().len()));
        for value in golden[key].as_array().unwrap().iter().filter(|v| v["column"] == name) {
            let method = value["method"].as_str().unwrap();
            // The goldens of scipy are made without infinities, which count as values in ours.
            if infinite && method == "scipy.ks_2samp_auto" {
                continue;
            }
            // The detector, not the measure, asks for a least number of rows.
            let least = value["min_samples"].as_u64().unwrap_or(1) as usize;
            let few = least > reference.as_sample().rows().min(current.as_sample().rows());
            if few && value["status"] == "error" {
                continue;
            }
            for (field, measure, take) in cases(method) {
                let result = measure.measure(reference.as_sample(), current.as_sample()).map(take);
                let expected = value.get(field).map_or(f64::NAN, number);
                let expected = translated(method, field, expected, rows);
                let agree = if expected.is_nan() {
                    is_undefined(&result, field)
                } else {
                    result.as_ref().is_ok_and(|&found| agrees(method, field, found, expected))
                };
                compared += 1;
                if !agree {
                    let case = case.file_name().unwrap().to_string_lossy().into_owned();
                    wrong.push(format!("{case} {name} {method} {field}: found {result:?}, expected {expected:?}"));
                }
            }
        }
    }
    compared
}

#[test]
fn scores_are_those_of_the_goldens() {
    let mut wrong = Vec::new();
    let mut folders: Vec<PathBuf> =
        std::fs::read_dir(folder()).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_dir()).collect();
    folders.sort();
    let compared: usize = folders.iter().map(|case| compare(case, "values", &|_, column| column, &mut wrong)).sum();
    assert!(wrong.is_empty(), "{} of {compared} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(compared > 700, "only {compared} values were compared");
}

/// deepchecks compares what its data frame holds: 2 and 2.0 and `true` and 1 are one level, 2 and "2" are two. Here levels are texts, so that its scores come out once the
/// levels are written as its types have them, and others do before.
#[test]
fn levels_of_other_types_are_those_of_deepchecks_once_they_are_written_alike() {
    let case = folder().join("syn_dtypes");
    let as_typed = |side: &str, column: FeatureColumn| {
        let Some((codes, levels)) = column.as_categorical() else { return column };
        let level = |level: &str| match (column.name(), side, level) {
            ("cat_int_vs_float", "current", level) => level.strip_suffix(".0").unwrap().to_owned(),
            ("bool_vs_int", "reference", level) => if level == "true" { "1" } else { "0" }.to_owned(),
            ("cat_int_vs_str", "current", level) => format!("{level:?}"),
            (_, _, level) => level.to_owned(),
        };
        let texts: Vec<String> = codes.iter().map(|&code| level(&levels[code as usize])).collect();
        FeatureColumn::from_texts(column.name(), texts.iter().map(|t| Some(t.as_str())))
    };
    let mut wrong = Vec::new();
    let compared = compare(&case, "written_otherwise", &as_typed, &mut wrong);
    assert!(compared == 24 && wrong.is_empty(), "{} of {compared} differ:\n{}", wrong.len(), wrong.join("\n"));
    let mut differing = Vec::new();
    compare(&case, "written_otherwise", &|_, column| column, &mut differing);
    assert_eq!(differing.len(), compared, "{}", differing.join("\n"));
}

/// Where deepchecks fails on the first word, the types of the two sides are an error that names the column.
#[test]
fn numbers_against_words_are_refused() {
    let case = folder().join("syn_dtypes");
    let side = |side, kind| FeatureMatrix::new(vec![column(&case, side, "num_vs_word", kind)]).unwrap();
    let (numbers, words) = (side("reference", "numeric"), side("current", "categorical"));
    let error = DriftDetector::default().detect(&numbers, &words).unwrap_err();
    assert!(error.to_string().contains("num_vs_word"), "{error}");
}
