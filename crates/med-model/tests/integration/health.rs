//! Two-part models, smearing and cost diagnostics against statsmodels.

use med_model::{
    CostPredictions, FirstPart, LogOls, LogOlsParams, Model, PartSummary, Regressor, Smearing, TwoPart,
    TwoPartCalibration, TwoPartParams, TwoPartSummary, box_cox, box_cox_regression, hosmer_lemeshow, link_test,
    park_test,
};
use med_schema::Dataset;
use serde_json::Value;

use crate::fixtures::{assert_close, golden, insurance, numbers};

fn with_zeros(golden: &Value) -> Dataset {
    let data = insurance();
    let cut = golden["cut"].as_f64().unwrap();
    let y: Vec<f64> = data.y().iter().map(|&y| if y <= cut { 0.0 } else { y }).collect();
    Dataset::new(data.x().clone(), "charges", y).unwrap()
}

fn check_part(name: &str, found: &PartSummary, expected: &Value, separated: Option<usize>) {
    assert_close(name, found.log_likelihood, expected["loglik"].as_f64().unwrap(), 1e-9);
    let (coef, se) = (numbers(&expected["coef"]), numbers(&expected["se"]));
    for j in (0..coef.len()).filter(|j| Some(*j) != separated) {
        assert_close(&format!("{name} coefficient {j}"), found.coefficients[j], coef[j], 1e-7);
        assert_close(&format!("{name} error {j}"), found.standard_errors[j], se[j], 1e-6);
    }
}

#[test]
fn two_part_models() {
    let golden = &golden("retransform_twopart.json")["two_part"];
    let data = with_zeros(golden);
    let params = TwoPartParams { calibration: TwoPartCalibration::None, ..Default::default() };
    let summary = TwoPartSummary::fit(&params, &data).unwrap();
    let first = summary.first.as_ref().unwrap();
    // All smokers have a cost: that coefficient has no finite maximum.
    check_part("logit", first, &golden["logit"], Some(5));
    assert!(first.coefficients[5] > 10.0 && first.converged);
    let probit = TwoPartParams { first: FirstPart::Probit, ..params.clone() };
    check_part(
        "probit",
        TwoPartSummary::fit(&probit, &data).unwrap().first.as_ref().unwrap(),
        &golden["probit"],
        Some(5),
    );
    let gamma = &golden["gamma_log_positive"];
    check_part("gamma", &summary.second, gamma, None);
    assert_close("scale", summary.second.dispersion, gamma["scale"].as_f64().unwrap(), 1e-9);
    assert_close("deviance", summary.second.deviance, gamma["deviance"].as_f64().unwrap(), 1e-9);
    assert_close("total", summary.log_likelihood, golden["loglik_total"].as_f64().unwrap(), 1e-9);
    let age = &summary.marginal_effects[0];
    assert_eq!(age.feature, "age");
    assert_close("marginal effect", age.effect, golden["ame_first_column"]["value"].as_f64().unwrap(), 1e-7);
    let model = TwoPart::new(params).unwrap().fit(&data).unwrap();
    let predicted = model.predict(data.x()).unwrap();
    for (found, expected) in predicted.iter().zip(numbers(&golden["expected_first"])) {
        assert_close("expected cost", *found, expected, 1e-7);
    }
    assert_close("mean", predicted.mean().unwrap(), golden["expected_mean"].as_f64().unwrap(), 1e-7);
    let calibrated = TwoPart::default().fit(&data).unwrap().predict(data.x()).unwrap();
    assert_close("calibrated", calibrated.sum(), data.y().sum(), 1e-12);
}

/// The error of the marginal effect against that of refits on resampled rows.
#[test]
fn marginal_effects_have_the_spread_they_say() {
    let golden = &golden("retransform_twopart.json")["two_part"];
    let data = with_zeros(golden);
    let params = TwoPartParams::default();
    let bmi = |data: &Dataset| TwoPartSummary::fit(&params, data).unwrap().marginal_effects[1].clone();
    let mut effects = Vec::new();
    let mut state = 1_u64;
    for _ in 0..40 {
        let rows: Vec<usize> = (0..data.n_rows())
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) as usize % data.n_rows()
            })
            .collect();
        effects.push(bmi(&data.take(&rows).unwrap()).effect);
    }
    let mean = effects.iter().sum::<f64>() / 40.0;
    let sd = (effects.iter().map(|e| (e - mean).powi(2)).sum::<f64>() / 39.0).sqrt();
    let ratio = bmi(&data).standard_error / sd;
    assert!((0.6..1.7).contains(&ratio), "{ratio}");
}

#[test]
fn smearing() {
    let golden = golden("retransform_twopart.json");
    let data = insurance();
    let fit = |params: LogOlsParams| LogOls::new(params).unwrap().fit(&data).unwrap();
    let model = fit(LogOlsParams::default());
    let coef = numbers(&golden["log_ols"]["coef"]);
    assert_close("intercept", model.intercept(), coef[0], 1e-10);
    for (found, expected) in model.coefficients().iter().zip(&coef[1..]) {
        assert_close("coefficient", *found, *expected, 1e-10);
    }
    assert_close("duan", model.smearing_factor().unwrap(), golden["duan_smearing"].as_f64().unwrap(), 1e-10);
    let predicted = model.predict(data.x()).unwrap();
    assert_close("mean", predicted.mean().unwrap(), golden["mean_pred_duan"].as_f64().unwrap(), 1e-10);
    for (found, expected) in predicted.iter().zip(numbers(&golden["pred_duan_first"])) {
        assert_close("prediction", *found, expected, 1e-10);
    }
    let normal = fit(LogOlsParams { smearing: Smearing::Normal, ..Default::default() });
    assert_close("normal", normal.smearing_factor().unwrap(), golden["normal_theory_factor"].as_f64().unwrap(), 1e-10);
    let by = fit(LogOlsParams { smearing_by: Some("smoker=yes".to_owned()), ..Default::default() });
    let [(no, no_factor), (yes, yes_factor)] = by.smearing_factors()[..] else { panic!("two groups") };
    assert_eq!((no, yes), (0.0, 1.0));
    assert_close("no", no_factor, golden["duan_by_smoker"]["no"].as_f64().unwrap(), 1e-10);
    assert_close("yes", yes_factor, golden["duan_by_smoker"]["yes"].as_f64().unwrap(), 1e-10);
}

#[test]
fn tests_of_variance_and_link() {
    let golden = golden("retransform_twopart.json");
    let data = insurance();
    let y = data.y().to_vec();
    // Without zeros and calibration, a two-part model is the gamma model.
    let params = TwoPartParams { calibration: TwoPartCalibration::None, ..Default::default() };
    let gamma = TwoPart::new(params).unwrap().fit(&data).unwrap().predict(data.x()).unwrap().to_vec();
    let smeared = LogOls::default().fit(&data).unwrap().predict(data.x()).unwrap().to_vec();
    for (name, predicted) in [("park_after_gamma_log", &gamma), ("park_after_log_ols_duan", &smeared)] {
        let (expected, found) = (&golden[name], park_test(&y, predicted).unwrap());
        let pairs = [
            ("park_ols", "coef", [found.intercept, found.slope]),
            ("park_ols", "se", [found.intercept_error, found.slope_error]),
            ("modified_park_gamma_log", "coef", [found.modified_intercept, found.modified_slope]),
            ("modified_park_gamma_log", "se_HC0", [found.modified_intercept_error, found.modified_slope_error]),
        ];
        for (test, what, found) in pairs {
            for (found, expected) in found.into_iter().zip(numbers(&expected[test][what])) {
                assert_close(&format!("{name} {test} {what}"), found, expected, 1e-5);
            }
        }
    }
    let (expected, found) = (&golden["pregibon_link_gamma_log"], link_test(&y, &gamma).unwrap());
    for j in 0..3 {
        assert_close("link", found.coefficients[j], numbers(&expected["coef"])[j], 1e-6);
        assert_close("link error", found.standard_errors[j], numbers(&expected["se"])[j], 1e-6);
    }
    let (expected, found) = (&golden["hosmer_lemeshow_modified"], hosmer_lemeshow(&y, &gamma, 10).unwrap());
    assert_close("F", found.f, expected["wald_F"].as_f64().unwrap(), 1e-6);
    assert_close("p", found.p_value, expected["p"].as_f64().unwrap(), 1e-4);
    for (found, expected) in found.mean_residuals.iter().zip(numbers(&expected["decile_mean_residual"])) {
        assert_close("residual", *found, expected, 1e-6);
    }
    assert_close("box-cox", box_cox(&y).unwrap().power, golden["boxcox_lambda_marginal"].as_f64().unwrap(), 1e-5);
    let found = box_cox_regression(&data).unwrap();
    assert_close("box-cox given x", found.power, golden["boxcox_lambda_regression"].as_f64().unwrap(), 1e-5);
    assert_close("profile", found.log_likelihood, golden["boxcox_profile_loglik"].as_f64().unwrap(), 1e-10);
}

#[test]
fn metrics_of_a_two_part_model() {
    let golden = &golden("retransform_twopart.json")["two_part"];
    let data = with_zeros(golden);
    let params = TwoPartParams { calibration: TwoPartCalibration::None, ..Default::default() };
    let predicted = TwoPart::new(params).unwrap().fit(&data).unwrap().predict(data.x()).unwrap().to_vec();
    let y = data.y().to_vec();
    let (found, expected) = (CostPredictions::new(&y, &predicted, None).unwrap(), &golden["metrics"]);
    let (captured, most) = found.top_share(0.01).unwrap();
    let pairs = [
        ("predictive_ratio", found.predictive_ratio().unwrap()),
        ("poisson_deviance_mean", found.tweedie_deviance(1.0).unwrap()),
        ("tweedie_1.5_deviance_mean", found.tweedie_deviance(1.5).unwrap()),
        ("tweedie_1.7_deviance_mean", found.tweedie_deviance(1.7).unwrap()),
        ("pinball_0.1", found.pinball(0.1).unwrap()),
        ("pinball_0.5", found.pinball(0.5).unwrap()),
        ("pinball_0.9", found.pinball(0.9).unwrap()),
        ("top1pct_share_actual", most),
        ("top1pct_share_captured_by_pred", captured),
    ];
    for (name, value) in pairs {
        assert_close(name, value, expected[name].as_f64().unwrap(), 1e-7);
    }
    // Two people are the same in all features: here they are one step of the curve, in the golden two.
    let gini = found.gini_normalised().unwrap();
    assert_close("gini_normalised", gini, expected["gini_normalised"].as_f64().unwrap(), 1e-5);
    assert_eq!(found.tweedie_deviance(2.0), None);
    for (found, expected) in found.by_prediction(10).iter().zip(expected["deciles_by_prediction"].as_array().unwrap()) {
        assert_eq!(found.n as u64, expected["n"].as_u64().unwrap());
        assert_close("actual", found.mean_actual, expected["mean_actual"].as_f64().unwrap(), 1e-9);
        assert_close("predicted", found.mean_predicted, expected["mean_pred"].as_f64().unwrap(), 1e-7);
        assert_close("ratio", found.predictive_ratio.unwrap(), expected["predictive_ratio"].as_f64().unwrap(), 1e-7);
    }
}
