//! Against scores computed by scipy, statsmodels, scikit-learn and plain numpy; see fixtures/goldens/features/SOURCES.md.

use std::collections::BTreeMap;

use med_features::select::{MrmrScheme, knockoff_threshold, mrmr};
use med_features::statistic::{Adjustment, anova, std_stability};
use med_features::{Evidence, FeatureScore, Keep, Selection, SelectionMethod, Selector};
use med_schema::{Dataset, FeatureMatrix};
use serde_json::Value;

use crate::fixture::{close, csv, json};

fn problem(case: &str) -> (Dataset, Value) {
    let expected = json(&format!("goldens/features/{case}.json"));
    let all = csv(&format!("goldens/features/{case}.csv"));
    let target = expected["target"].as_str().unwrap();
    let y = all.numeric(target).unwrap().to_vec();
    let x = all.select(all.names().filter(|n| *n != target)).unwrap();
    (Dataset::new(x, target, y).unwrap(), expected)
}

fn select(train: &Dataset, method: SelectionMethod) -> Selection {
    Selector::new(method, None).unwrap().fit(&Evidence::from(train)).unwrap()
}

fn by_feature(selection: &Selection) -> BTreeMap<&str, &FeatureScore> {
    selection.scores().iter().map(|s| (s.feature.as_str(), s)).collect()
}

/// Each numeric feature's score and p-value against what the file says, at most these relative errors off.
#[track_caller]
fn check(case: &str, method: SelectionMethod, pointer: &str, p_pointer: Option<&str>, relative: f64) {
    let (train, expected) = problem(case);
    let selection = select(&train, method);
    let scores = by_feature(&selection);
    assert_eq!(scores.len(), train.x().n_columns(), "no feature is left out");
    let mut compared = 0;
    for (feature, golden) in expected["numeric_columns"].as_object().unwrap() {
        let found = scores[feature.as_str()];
        let what = format!("{case} {feature} {method}");
        let Some(value) = golden.pointer(pointer).and_then(Value::as_f64) else {
            assert_eq!(found.score, None, "{what}");
            assert!(found.reason.is_some() && !found.selected, "{what}");
            continue;
        };
        close(found.score.unwrap(), value, relative, &what);
        if let Some(p) = p_pointer {
            close(found.p_value.unwrap(), golden.pointer(p).unwrap().as_f64().unwrap(), 1e-9, &format!("{what} p"));
        }
        compared += 1;
    }
    assert!(compared >= 3);
}

const CASES: [&str; 2] = ["insurance", "synthetic"];

#[test]
fn correlations_are_scipys() {
    for case in CASES {
        check(case, SelectionMethod::Pearson, "/pearson/r", Some("/pearson/p"), 1e-12);
        check(case, SelectionMethod::Spearman, "/spearman/rho", Some("/spearman/p"), 1e-12);
        let tau = "/kendall_tau_b_asymptotic";
        check(case, SelectionMethod::Kendall, &format!("{tau}/tau"), Some(&format!("{tau}/p")), 1e-12);
    }
}

#[test]
fn variance_and_linear_f_are_numpys_and_scikit_learns() {
    for case in CASES {
        check(case, SelectionMethod::Variance, "/variance_ddof1", None, 1e-12);
        check(case, SelectionMethod::FTest, "/f_regression/F", Some("/f_regression/p"), 1e-11);
    }
}

#[test]
fn joint_statistics_are_statsmodels() {
    for case in CASES {
        check(case, SelectionMethod::Vif, "/vif_with_constant", None, 1e-9);
        let partial = "/partial_correlation_given_all_others";
        check(case, SelectionMethod::PartialCorrelation, &format!("{partial}/r"), Some(&format!("{partial}/p")), 1e-9);
    }
}

#[test]
fn analysis_of_variance_is_scipys() {
    for case in CASES {
        let (train, expected) = problem(case);
        let selection = select(&train, SelectionMethod::AnovaF);
        let scores = by_feature(&selection);
        for (feature, golden) in expected["categorical_columns"].as_object().unwrap() {
            let golden = |key: &str| golden[key].as_f64().unwrap();
            close(scores[feature.as_str()].score.unwrap(), golden("anova_F"), 1e-11, feature);
            close(scores[feature.as_str()].p_value.unwrap(), golden("anova_p"), 1e-9, feature);
            let (codes, levels) = train.x().column(feature).unwrap().as_categorical().unwrap();
            let found = anova(codes, levels.len(), train.y().as_slice().unwrap()).unwrap();
            close(found.eta_squared, golden("eta_squared"), 1e-11, feature);
            close(found.omega_squared, golden("omega_squared"), 1e-11, feature);
        }
    }
}

#[test]
fn mutual_information_is_scikit_learns_up_to_its_noise() {
    for (case, tolerance) in [("insurance", 0.02), ("synthetic", 0.02)] {
        let (train, expected) = problem(case);
        let selection = select(&train, SelectionMethod::MutualInfo);
        for (feature, found) in by_feature(&selection) {
            let golden = expected.pointer(&format!("/numeric_columns/{feature}/mutual_information_ksg_k3_nats/value"));
            match golden.and_then(Value::as_f64) {
                Some(value) => {
                    let found = found.score.unwrap();
                    assert!((found - value).abs() <= tolerance, "{case} {feature}: {found} is not {value}");
                }
                // Categories, which the golden has no value for: no more than the entropy of the level, here at most ln of four.
                None if expected.pointer(&format!("/categorical_columns/{feature}")).is_some() => {
                    assert!(found.score.is_some_and(|s| (0.0..4_f64.ln()).contains(&s)), "{case} {feature}");
                }
                None => assert_eq!(found.score, None),
            }
        }
    }
}

#[test]
fn adjusted_p_values_are_statsmodels() {
    for case in CASES {
        let (train, expected) = problem(case);
        let tests = &expected["multiple_testing"];
        let numbers = |v: &Value| v.as_array().unwrap().iter().map(|p| p.as_f64().unwrap()).collect::<Vec<f64>>();
        let p: Vec<Option<f64>> = numbers(&tests["p"]).into_iter().map(Some).collect();
        for name in ["fdr_bh", "fdr_by", "holm", "bonferroni"] {
            let adjustment: Adjustment = name.parse().unwrap();
            for (found, expected) in adjustment.adjust(&p).into_iter().zip(numbers(&tests[name]["adjusted"])) {
                close(found.unwrap(), expected, 1e-13, &format!("{case} {name}"));
            }
        }
        let golden = numbers(&tests["fdr_bh"]["adjusted"]);
        // The F-test of every column, categories included, is that very list; the constant is not counted.
        let selection = select(&train, SelectionMethod::FTest);
        assert_eq!(selection.keep(), Keep::Fdr(0.05));
        let scores = by_feature(&selection);
        let rejected = tests["fdr_bh"]["reject_at_0.05"].as_array().unwrap();
        for (at, name) in tests["names"].as_array().unwrap().iter().enumerate() {
            let found = scores[name.as_str().unwrap()];
            close(found.p_adjusted.unwrap(), golden[at], 1e-9, &found.feature);
            assert_eq!(found.selected, rejected[at].as_bool().unwrap(), "{}", found.feature);
        }
    }
}

#[test]
fn mrmr_chooses_in_the_same_order() {
    for case in CASES {
        let (train, expected) = problem(case);
        let order = |key: &str| -> Vec<String> { serde_json::from_value(expected[key]["order"].clone()).unwrap() };
        let chosen = select(&train, SelectionMethod::Mrmr);
        let found: Vec<&str> =
            chosen.scores().iter().filter(|s| s.score.is_some()).map(|s| s.feature.as_str()).collect();
        assert_eq!(found, order("mrmr_pearson_difference"));
        let names: Vec<&str> = train.x().names().filter(|n| train.x().numeric(n).is_ok()).collect();
        let columns: Vec<&[f64]> = names.iter().map(|n| train.x().column(n).unwrap().as_numeric().unwrap()).collect();
        let quotient = mrmr(&columns, train.y().as_slice().unwrap(), MrmrScheme::Quotient);
        let found: Vec<&str> = quotient.iter().map(|(at, _)| names[*at]).collect();
        assert_eq!(found, order("mrmr_pearson_quotient"));
    }
}

#[test]
fn std_stability_is_that_of_the_written_formula() {
    let mut compared = 0;
    let pairs = [
        "insurance_by_age",
        "insurance_random_cat",
        "syn_constants",
        "syn_extremes",
        "syn_nulls",
        "syn_ties",
        "syn_tiny_10_10",
        "syn_tiny_20_21",
        "syn_tiny_5_5",
        "syn_tiny_9_10",
    ];
    for pair in pairs {
        let (a, b) =
            (csv(&format!("goldens/drift/{pair}/reference.csv")), csv(&format!("goldens/drift/{pair}/current.csv")));
        let expected = json(&format!("goldens/drift/{pair}/expected.json"));
        for value in expected["values"].as_array().unwrap() {
            if value["method"] != "formula.std_stability" || value["status"] != "ok" {
                continue;
            }
            let Some(golden) = value["value"].as_f64() else { continue };
            let column = value["column"].as_str().unwrap();
            let of = |x: &FeatureMatrix| x.column(column).unwrap().as_numeric().map(<[f64]>::to_vec);
            let (Some(a), Some(b)) = (of(&a), of(&b)) else { continue };
            close(std_stability(&a, &b).unwrap(), golden, 1e-12, &format!("{pair} {column}"));
            compared += 1;
        }
    }
    assert!(compared > 20, "{compared}");
}

#[test]
fn distance_correlation_is_statsmodels() {
    for case in CASES {
        check(case, SelectionMethod::DistanceCorrelation, "/distance_correlation", None, 1e-9);
    }
}

#[test]
fn forward_steps_are_those_of_statsmodels() {
    for case in CASES {
        for (method, key, name) in
            [(SelectionMethod::StepwiseAic, "forward_aic", "aic"), (SelectionMethod::StepwiseBic, "forward_bic", "bic")]
        {
            let (train, expected) = problem(case);
            let path = expected["stepwise"][key]["path"].as_array().unwrap();
            let selection = select(&train, method);
            assert!(selection.selected().eq(path.iter().map(|step| step["added"].as_str().unwrap())), "{case} {key}");
            let scores = selection.scores();
            assert_eq!(scores.len(), train.x().n_columns());
            for at in 1..path.len() {
                let fall = path[at - 1][name].as_f64().unwrap() - path[at][name].as_f64().unwrap();
                close(scores[at].score.unwrap(), fall, 1e-8, case);
            }
        }
    }
}

#[test]
fn backward_steps_end_where_those_of_statsmodels_do() {
    for case in CASES {
        for (method, key, name) in [
            (SelectionMethod::BackwardAic, "backward_aic", "aic"),
            (SelectionMethod::BackwardBic, "backward_bic", "bic"),
        ] {
            let (train, expected) = problem(case);
            let golden = &expected["stepwise"][key];
            let mut names: Vec<String> = serde_json::from_value(golden["selected"].clone()).unwrap();
            let selection = select(&train, method);
            let mut found: Vec<&str> = selection.selected().collect();
            names.sort();
            found.sort_unstable();
            assert_eq!(found, names, "{case} {key}");
            // The last feature removed would raise the criterion again by as much as its removal lowered it.
            let path = golden["path"].as_array().unwrap();
            if let [.., before, last] = path.as_slice() {
                let fall = before[name].as_f64().unwrap() - last[name].as_f64().unwrap();
                let removed = by_feature(&selection)[last["removed"].as_str().unwrap()];
                close(removed.score.unwrap(), -fall, 1e-7, &format!("{case} {key}"));
            }
        }
    }
}

#[test]
fn steps_both_ways_are_never_worse_than_forward_ones() {
    for case in CASES {
        let (train, _) = problem(case);
        let kept = |method| select(&train, method).selected().map(str::to_owned).collect::<Vec<_>>();
        let rss = |names: &[String]| {
            // 1 / vif of the target among the features chosen is the share of its variance that they leave.
            let x = train.x().select(names.iter().map(String::as_str)).unwrap();
            let columns: Vec<&[f64]> = x.columns().iter().map(|c| c.as_numeric().unwrap()).collect();
            let y = train.y().to_vec();
            let all: Vec<&[f64]> = columns.into_iter().chain([y.as_slice()]).collect();
            1.0 / med_features::statistic::joint(&all, None).vif[names.len()].unwrap()
        };
        let bic = |names: &[String]| {
            let n = train.n_rows() as f64;
            n * rss(names).ln() + n.ln() * names.len() as f64
        };
        let (forward, both) = (kept(SelectionMethod::StepwiseBic), kept(SelectionMethod::BidirectionalBic));
        assert!(bic(&both) <= bic(&forward) + 1e-6, "{case}");
    }
}

#[test]
fn models_find_what_the_formulas_find() {
    let (train, _) = problem("insurance");
    let (rows, others): (Vec<usize>, Vec<usize>) = (0..train.n_rows()).partition(|r| r % 3 != 0);
    let (first, second) = (train.take(&rows).unwrap(), train.take(&others).unwrap());
    for method in [SelectionMethod::Boruta, SelectionMethod::Permutation, SelectionMethod::DriftAware] {
        let evidence = Evidence::from(&first).test(second.x());
        let selection = Selector::new(method, None).unwrap().fit(&evidence).unwrap();
        let kept: Vec<&str> = selection.selected().collect();
        assert!(!kept.contains(&"sex") && !kept.contains(&"region"), "{method}: {:?}", selection.scores());
        assert!(["smoker", "age", "bmi"].iter().all(|n| kept.contains(n)), "{method}: {kept:?}");
        assert!(selection.scores().iter().all(|s| s.score.is_some() && s.p_value.is_some()));
    }
    // Ages above 40 against those below.
    let (old, young): (Vec<usize>, Vec<usize>) =
        (0..train.n_rows()).partition(|&r| train.x().numeric("age").unwrap()[r] > 40.0);
    let (old, young) = (train.take(&old).unwrap(), train.take(&young).unwrap());
    let selector = Selector::new(SelectionMethod::DriftAware, Some(Keep::Top(99))).unwrap();
    let selection = selector.fit(&Evidence::from(&old).test(young.x())).unwrap();
    let age = selection.scores().last().unwrap();
    assert_eq!((age.feature.as_str(), age.score, age.selected), ("age", Some(-1.0), false));
    assert!(age.reason.as_deref().unwrap().contains("shifts"));
    assert!(selector.fit(&Evidence::from(&old)).is_err(), "it needs a test part");
}

#[test]
fn the_lasso_by_bic_keeps_what_the_exact_path_keeps() {
    for case in CASES {
        let (train, expected) = problem(case);
        let mut names: Vec<String> = serde_json::from_value(expected["lasso_lars_bic"]["selected"].clone()).unwrap();
        let selection = select(&train, SelectionMethod::Lasso);
        let mut found: Vec<&str> = selection.selected().collect();
        names.sort();
        found.sort_unstable();
        assert_eq!(found, names, "{case}");
    }
}

/// The penalty and the coefficients of scikit-learn's path in the same folds, columns standardised within each; and what its `LassoCV` keeps, which standardises once.
#[test]
fn the_lasso_by_cross_validation_is_that_of_scikit_learn() {
    for case in CASES {
        let (train, expected) = problem(case);
        let golden = &expected["lasso_cv"];
        let selection = select(&train, SelectionMethod::LassoCv);
        let scores = by_feature(&selection);
        let names: Vec<String> = serde_json::from_value(golden["names"].clone()).unwrap();
        let coefficients: Vec<f64> = serde_json::from_value(golden["coefficients"].clone()).unwrap();
        assert!(coefficients.iter().any(|b| *b == 0.0) && coefficients.iter().any(|b| b.abs() > 0.05));
        for (name, b) in names.iter().zip(&coefficients) {
            let found = scores[name.as_str()].score.unwrap();
            assert!((found - b).abs() < 1e-7, "{case} {name}: {found} against {b}");
        }
        let mut kept: Vec<String> = serde_json::from_value(golden["LassoCV"]["selected"].clone()).unwrap();
        let mut found: Vec<&str> = selection.selected().collect();
        kept.sort();
        found.sort_unstable();
        assert_eq!(found, kept, "{case}");
    }
}

/// Other half-samples than the file's 40: within three standard errors of both.
#[test]
fn stability_is_that_of_other_half_samples() {
    for case in CASES {
        let (train, expected) = problem(case);
        let stability = &expected["stability_selection"];
        let selection = select(&train, SelectionMethod::Stability);
        let scores = by_feature(&selection);
        for (at, name) in stability["names"].as_array().unwrap().iter().enumerate() {
            let share = stability["frequency_at_0.1"][at].as_f64().unwrap();
            let found = scores[name.as_str().unwrap()].score.unwrap();
            let error = (share * (1.0 - share)).max(0.02) * (1.0 / 40.0 + 1.0 / 100.0);
            assert!((found - share).abs() <= 3.0 * error.sqrt(), "{case} {name}: {found} against {share}");
        }
    }
}

#[test]
fn knockoff_thresholds_are_those_of_the_rule() {
    for case in CASES {
        for golden in json(&format!("goldens/features/{case}.json"))["knockoff_threshold"]["cases"].as_array().unwrap()
        {
            let w: Vec<f64> = serde_json::from_value(golden["W"].clone()).unwrap();
            let offset = usize::try_from(golden["offset"].as_u64().unwrap()).unwrap();
            let found = knockoff_threshold(&w, golden["q"].as_f64().unwrap(), offset);
            assert_eq!(found, golden["threshold"].as_f64(), "{case} {golden}");
        }
    }
}
