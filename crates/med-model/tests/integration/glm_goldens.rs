//! Generalised linear models against statsmodels and glum.

use med_model::{Family, Glm, GlmModel, GlmParams, GlmSummary, GlmSummaryOptions, Link, Regressor, WeightMeaning};
use med_schema::{Dataset, FeatureColumn, FeatureMatrix};
use serde_json::Value;

use crate::fixtures::{assert_close, golden, insurance, insurance_categories, numbers};

fn params(name: &str) -> GlmParams {
    let (family, link, power) = match name {
        n if n.starts_with("gaussian") => (Family::Gaussian, Link::Log, None),
        n if n.starts_with("poisson") => (Family::Poisson, Link::Log, None),
        n if n.starts_with("inverse_gaussian") => (Family::InverseGaussian, Link::Log, None),
        n if n.starts_with("tweedie_1.5") => (Family::Tweedie, Link::Log, Some(1.5)),
        n if n.starts_with("tweedie_1.7") => (Family::Tweedie, Link::Log, Some(1.7)),
        "gamma_sqrt" => (Family::Gamma, Link::Power(0.5), None),
        _ => (Family::Gamma, Link::Log, None),
    };
    GlmParams { family, link, power, tolerance: 1e-10, ..Default::default() }
}

fn fit(name: &str, data: &Dataset) -> GlmModel {
    let glm = Glm::new(params(name)).unwrap();
    if name.ends_with("offset") {
        let offset: Vec<f64> = (0..data.n_rows()).map(|r| (((6 + r % 7) as f64) / 12.0).ln()).collect();
        return glm.fit_with_offset(data, &offset).unwrap();
    }
    if name.ends_with("weights") {
        let weights: Vec<f64> = (0..data.n_rows()).map(|r| (1 + r % 5) as f64).collect();
        return glm.fit(&data.clone().with_weights(weights).unwrap()).unwrap();
    }
    glm.fit(data).unwrap()
}

fn values(model: &GlmModel) -> Vec<f64> {
    model.coefficients().iter().map(|c| c.value).collect()
}

#[test]
fn coefficients_and_means_of_every_family() {
    let golden = golden("glm.json");
    let (numeric, categorical) = (insurance(), insurance_categories());
    let cases = golden["statsmodels"].as_object().unwrap();
    assert_eq!(cases.len(), 10);
    for (name, expected) in cases {
        for data in [&numeric, &categorical] {
            let model = fit(name, data);
            let coefficients = model.coefficients();
            let names: Vec<&str> = coefficients.iter().map(|c| c.name.as_str()).collect();
            let columns: Vec<&str> =
                golden["meta"]["columns"].as_array().unwrap().iter().map(|c| c.as_str().unwrap()).collect();
            assert_eq!(names, columns);
            for ((c, e), se) in coefficients.iter().zip(numbers(&expected["coef"])).zip(numbers(&expected["se"])) {
                // Relative, but for coefficients much smaller than their error.
                assert!((c.value - e).abs() <= 1e-9 * e.abs().max(1e-2 * se), "{name} {}: {} {e}", c.name, c.value);
            }
            let offset: Vec<f64> = if name.ends_with("offset") {
                (0..data.n_rows()).map(|r| (((6 + r % 7) as f64) / 12.0).ln()).collect()
            } else {
                vec![0.0; data.n_rows()]
            };
            let predicted = model.predict_with_offset(data.x(), &offset).unwrap();
            for (p, e) in predicted.iter().zip(numbers(&expected["mu_first"])) {
                assert_close(name, *p, e, 1e-9);
            }
            assert!(model.aliased().is_empty() && model.calibration_factor() == 1.0);
        }
    }
}

#[test]
fn inference_of_every_family() {
    let golden = golden("glm.json");
    let data = insurance_categories();
    let weights: Vec<f64> = (0..data.n_rows()).map(|r| (1 + r % 5) as f64).collect();
    let weighted = data.clone().with_weights(weights).unwrap();
    for (name, expected) in golden["statsmodels"].as_object().unwrap() {
        let model = fit(name, &data);
        let offset: Vec<f64> = (0..data.n_rows()).map(|r| (((6 + r % 7) as f64) / 12.0).ln()).collect();
        let offset = name.ends_with("offset").then_some(&offset[..]);
        let meaning = if name.ends_with("freq_weights") { WeightMeaning::Frequency } else { WeightMeaning::Variance };
        let options = GlmSummaryOptions { weights: meaning, quasi: false };
        let train = if name.ends_with("weights") { &weighted } else { &data };
        let s = GlmSummary::of(&model, train, offset, &options).unwrap();
        let check = |key: &str, found: f64, tolerance: f64| {
            assert_close(&format!("{name} {key}"), found, expected[key].as_f64().unwrap(), tolerance);
        };
        // The goldens take the quasi-likelihood of Tweedie.
        let llf = s.extended_quasi_likelihood.unwrap_or(s.log_likelihood);
        for (key, found) in [
            ("deviance", s.deviance),
            ("null_deviance", s.null_deviance),
            ("pearson_chi2", s.pearson_chi2),
            ("scale", s.dispersion),
            ("loglik", llf),
            ("aic", -2.0 * llf + 18.0),
            ("bic_llf", -2.0 * llf + 9.0 * s.n.ln()),
            ("bic_deviance", s.bic_deviance),
            ("df_resid", s.df_residual),
        ] {
            check(key, found, 1e-9);
        }
        if !name.starts_with("tweedie") {
            check("aic", s.aic, 1e-10);
            check("bic_llf", s.bic, 1e-10);
        }
        for (key, found) in [("se", &s.standard_errors), ("se_HC0", &s.robust_standard_errors)] {
            for (j, (f, e)) in found.iter().zip(numbers(&expected[key])).enumerate() {
                assert_close(&format!("{name} {key} [{j}]"), *f, e, 1e-8);
            }
        }
        if let Some(quasi) = expected.get("se_quasi_X2") {
            let s = GlmSummary::of(&model, train, offset, &GlmSummaryOptions { quasi: true, ..options }).unwrap();
            check("quasi_scale", s.dispersion, 1e-9);
            for (f, e) in s.standard_errors.iter().zip(numbers(quasi)) {
                assert_close(name, *f, e, 1e-9);
            }
        }
        assert!(s.p_values.iter().all(|p| (0.0..=1.0).contains(p)));
        assert!((s.covariance[10] - s.standard_errors[1].powi(2)).abs() <= 1e-12 * s.covariance[10]);
    }
}

fn standard_deviations(data: &Dataset) -> Vec<f64> {
    let of = |c: &FeatureColumn| {
        let v = c.as_numeric().unwrap();
        let mean = v.iter().sum::<f64>() / v.len() as f64;
        (v.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / v.len() as f64).sqrt()
    };
    data.x().columns().iter().map(of).collect()
}

#[test]
fn penalties_as_in_glum() {
    let golden = golden("glm.json");
    let (numeric, categorical) = (insurance(), insurance_categories());
    let deviations = standard_deviations(&numeric);
    let cases = golden["glum_standardised_design"].as_object().unwrap();
    assert_eq!(cases.len(), 15);
    for (name, expected) in cases {
        let (start, l1_ratio) = name.rsplit_once("_l1").unwrap();
        let (_, alpha) = start.rsplit_once("_alpha").unwrap();
        let unit = expected["y_divided_by"].as_f64().unwrap();
        let (alpha, l1_ratio) = (alpha.parse().unwrap(), l1_ratio.parse().unwrap());
        let scaled = |d: &Dataset| Dataset::new(d.x().clone(), "charges", &d.y() / unit).unwrap();
        // Standardised on the way, from dummies and from categories, or by the caller.
        let by_hand = numeric.x().columns().iter().zip(&deviations).map(|(c, s)| {
            let v = c.as_numeric().unwrap();
            let mean = v.iter().sum::<f64>() / v.len() as f64;
            FeatureColumn::numeric(c.name(), v.iter().map(|v| (v - mean) / s).collect::<Vec<_>>())
        });
        let by_hand = FeatureMatrix::new(by_hand.collect()).unwrap();
        let by_hand = numeric.clone().with_features(by_hand).unwrap();
        for (data, standardise) in [(&numeric, true), (&categorical, true), (&by_hand, false)] {
            let params = GlmParams { alpha, l1_ratio, standardise, tolerance: 1e-11, ..params(name) };
            let model = Glm::new(params).unwrap().fit(&scaled(data)).unwrap();
            let found = values(&model);
            let mut nonzero = 0;
            for ((b, s), e) in found[1..].iter().zip(&deviations).zip(numbers(&expected["coef"])) {
                let b = if standardise { b * s } else { *b };
                assert!((b - e).abs() <= 1e-6 * (e.abs() + 1e-3), "{name}: {b} {e}");
                nonzero += usize::from(b != 0.0);
            }
            assert_eq!(nonzero as u64, expected["nonzero"].as_u64().unwrap(), "{name}");
            let at_means = model.intercept() + model.term_means().iter().sum::<f64>();
            assert_close(name, at_means, expected["intercept"].as_f64().unwrap(), 1e-7);
        }
    }
}

#[test]
fn a_probit_or_logit_part() {
    let golden: Value = golden("retransform_twopart.json");
    let data = insurance_categories();
    let cut = golden["two_part"]["cut"].as_f64().unwrap();
    let positive: Vec<f64> = data.y().iter().map(|y| f64::from(*y > cut)).collect();
    let data = Dataset::new(data.x().clone(), "any", positive).unwrap();
    for (name, link) in [("logit", Link::Logit), ("probit", Link::Probit)] {
        let params = GlmParams { family: Family::Binomial, link, ..Default::default() };
        let model = Glm::new(params).unwrap().fit(&data).unwrap();
        let columns = model.coefficients();
        for (c, e) in columns.iter().zip(numbers(&golden["two_part"][name]["coef"])) {
            if c.name == "smoker=yes" {
                // All smokers cost something: the estimate is infinite, and stops where it no longer matters.
                assert!(c.value > 5.0, "{}", c.value);
            } else {
                assert_close(name, c.value, e, 1e-6);
            }
        }
    }
}
