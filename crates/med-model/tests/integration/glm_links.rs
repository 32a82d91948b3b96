//! Generalised linear models of all links with weights, weights of zero and an offset at once, against statsmodels; and
//! what their summaries have to agree with.

use med_model::{
    Family, Glm, GlmModel, GlmParams, GlmSummary, GlmSummaryOptions, LeastSquaresSummary, Link, Model, Regressor,
};
use med_schema::{Dataset, FeatureColumn, FeatureMatrix};
use serde_json::Value;

use crate::fixtures::{assert_close, golden, numbers};

const ROWS: usize = 48;

fn of_rows(f: impl Fn(usize) -> f64) -> Vec<f64> {
    (0..ROWS).map(f).collect()
}

fn features() -> FeatureMatrix {
    FeatureMatrix::new(vec![
        FeatureColumn::numeric("x1", of_rows(|i| (i * 37 % 49) as f64 / 48.0)),
        FeatureColumn::numeric("x2", of_rows(|i| (i * 11 % 23) as f64 / 22.0)),
    ])
    .unwrap()
}

/// The family, link and power of a case, the scale of its costs.
struct Case {
    params: GlmParams,
    scale: f64,
}

impl Case {
    fn new(family: Family, link: Link, power: Option<f64>, scale: f64) -> Self {
        let params = GlmParams { family, link, power: power.or(Some(1.5)), tolerance: 1e-11, ..Default::default() };
        Self { params, scale }
    }

    fn of(golden: &Value) -> Self {
        let family = serde_json::from_value(golden["family"].clone()).unwrap();
        let link = golden["link"]
            .as_f64()
            .map_or_else(|| serde_json::from_value(golden["link"].clone()).unwrap(), Link::Power);
        Self::new(family, link, golden["power"].as_f64(), golden["scale_of_data"].as_f64().unwrap())
    }

    /// The design of `glm_links.json`, and its offset.
    fn data(&self) -> (Dataset, Vec<f64>) {
        let x = features();
        let base = |i: usize| {
            let value = |j: usize| x.columns()[j].as_numeric().unwrap()[i];
            1.0 + 0.5 * value(0) + 2.0 * value(1)
        };
        let q = if let Link::Power(q) = self.params.link { q } else { 1.0 };
        let mean = |i: usize| (self.scale.powf(q) * base(i)).powf(1.0 / q);
        let zero = |i: usize| self.params.family == Family::Tweedie && i.is_multiple_of(5);
        let y = of_rows(|i| if zero(i) { 0.0 } else { mean(i) * (0.6 + (i * 29 % 41) as f64 / 50.0) });
        let weights = of_rows(|i| if i.is_multiple_of(9) { 0.0 } else { 1.0 + (i % 4) as f64 });
        let share = |i: usize| (i * 13 % 17) as f64 / 40.0;
        let offset = of_rows(|i| if self.params.link == Link::Log { share(i) } else { mean(i).powf(q) * share(i) });
        (Dataset::new(x, "cost", y).unwrap().with_weights(weights).unwrap(), offset)
    }

    fn fit(&self, data: &Dataset, offset: &[f64]) -> (GlmModel, GlmSummary) {
        let model = Glm::new(self.params.clone()).unwrap().fit_with_offset(data, offset).unwrap();
        let summary = GlmSummary::of(&model, data, Some(offset), &GlmSummaryOptions::default()).unwrap();
        (model, summary)
    }
}

#[test]
fn every_link_with_weights_and_an_offset() {
    let golden = golden("glm_links.json");
    let cases = golden["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 12);
    for expected in cases {
        let case = Case::of(expected);
        let (data, offset) = case.data();
        let (_, s) = case.fit(&data, &offset);
        let name = format!("{:?} {:?}", case.params.family, case.params.link);
        // The law of Poisson is fixed here, though these costs are no counts.
        let errors = numbers(&expected["se"]);
        for ((found, b), se) in s.coefficients.iter().zip(numbers(&expected["coef"])).zip(&errors) {
            assert!((found - b).abs() <= 1e-8 * b.abs().max(1e-2 * se), "{name}: {found} {b}");
        }
        for (key, found) in [("se", &s.standard_errors), ("se_HC0", &s.robust_standard_errors)] {
            for (f, e) in found.iter().zip(numbers(&expected[key])) {
                assert_close(&format!("{name} {key}"), *f, e, 1e-7);
            }
        }
        for (key, found) in [
            ("deviance", s.deviance),
            ("null_deviance", s.null_deviance),
            ("pearson_chi2", s.pearson_chi2),
            ("scale", s.dispersion),
            ("loglik", s.log_likelihood),
            ("aic", s.aic),
            ("bic_llf", s.bic),
            ("df_resid", s.df_residual),
        ] {
            // statsmodels' likelihood of Tweedie (by Wright's function) is right to 1e-8; the series agrees with 40 digits.
            let of_density = ["loglik", "aic", "bic_llf"].contains(&key) && case.params.family == Family::Tweedie;
            let tolerance = if of_density { 1e-7 } else { 1e-8 };
            assert_close(&format!("{name} {key}"), found, expected[key].as_f64().unwrap(), tolerance);
        }
        for (f, e) in s.normal_p_values().iter().zip(numbers(&expected["p_normal"])) {
            assert!((f - e).abs() <= 1e-6 * e + 1e-12, "{name} p: {f} {e}");
        }
        if !s.dispersion_is_estimated {
            for (f, e) in s.confidence_intervals(0.95).unwrap().iter().zip(expected["ci95_normal"].as_array().unwrap())
            {
                f.iter().zip(numbers(e)).for_each(|(f, e)| assert_close(&name, *f, e, 1e-7));
            }
        }
    }
}

/// A model with an intercept and an offset alone is fitted by the solver, and not by the summary.
#[test]
fn the_null_deviance_is_that_of_a_model_without_features() {
    let golden = golden("glm_links.json");
    for expected in golden["cases"].as_array().unwrap() {
        let case = Case::of(expected);
        let (data, offset) = case.data();
        let nothing = FeatureMatrix::new(vec![FeatureColumn::numeric("one", vec![1.0; ROWS])]).unwrap();
        let (model, s) = case.fit(&data.with_features(nothing).unwrap(), &offset);
        assert_eq!(model.aliased(), ["one"]);
        assert_close("null deviance", s.null_deviance, s.deviance, 1e-10);
        assert_close("golden", s.null_deviance, expected["null_deviance"].as_f64().unwrap(), 1e-8);
    }
}

/// Least squares are least squares, by whatever name they are asked for.
#[test]
fn a_gaussian_model_of_the_identity_sums_up_as_least_squares() {
    for link in [Link::Identity, Link::Power(1.0)] {
        let case = Case::new(Family::Gaussian, link, None, 1e4);
        let data = case.data().0;
        let model = Glm::new(case.params.clone()).unwrap().fit(&data).unwrap();
        let glm = GlmSummary::of(&model, &data, None, &GlmSummaryOptions::default()).unwrap();
        let ols = LeastSquaresSummary::fit(&data).unwrap();
        assert_close("log-likelihood", glm.log_likelihood, ols.log_likelihood, 1e-12);
        assert_close("aic", glm.aic, ols.aic, 1e-12);
        assert_close("bic", glm.bic, ols.bic, 1e-12);
        assert_close("deviance", glm.deviance, ols.rss, 1e-12);
        let pairs = |a: &[f64], b: &[f64]| a.iter().zip(b).for_each(|(a, b)| assert_close("pair", *a, *b, 1e-9));
        pairs(&glm.standard_errors, &ols.standard_errors);
        pairs(&glm.p_values, &ols.p_values);
        let (a, b) = (glm.confidence_intervals(0.9).unwrap(), ols.confidence_intervals(0.9).unwrap());
        pairs(a.as_flattened(), b.as_flattened());
        assert!(glm.confidence_intervals(1.0).is_err());
    }
}

/// The linear predictor of such a link is in powers of the cost's unit; where to stop must not depend on it.
#[test]
fn units_of_the_cost_do_not_matter_to_a_power_link() {
    for (family, power) in [(Family::Gamma, None), (Family::Poisson, None), (Family::Tweedie, Some(1.5))] {
        for q in [2.0, 0.5, -1.0] {
            // Costs of 0 have no best mean above 0 under a convex link.
            if family == Family::Tweedie && q > 1.0 {
                continue;
            }
            let fit = |unit: f64| {
                let case = Case::new(family, Link::Power(q), power, 100.0);
                let (data, offset) = case.data();
                let data = Dataset::new(data.x().clone(), "cost", &data.y() * unit).unwrap();
                let offset: Vec<f64> = offset.iter().map(|o| o * unit.powf(q)).collect();
                let model = case.fit(&data, &offset).0;
                model.predict_with_offset(data.x(), &offset).unwrap()
            };
            for unit in [1e-6, 1e6] {
                for (a, b) in fit(1.0).iter().zip(&fit(unit)) {
                    assert_close(&format!("{family:?} {q} {unit}"), b / unit, *a, 1e-9);
                }
            }
        }
    }
}

/// A level whose costs are all 0 has no finite coefficient, but it is one that was asked for.
#[test]
fn a_level_of_zeros_counts_as_a_coefficient() {
    let case = Case::new(Family::Tweedie, Link::Log, Some(1.5), 100.0);
    let data = case.data().0;
    let mut y = data.y().to_vec();
    y[7] = 0.0;
    let mut columns = data.x().columns().to_vec();
    columns.push(FeatureColumn::numeric("one", of_rows(|i| f64::from(u8::from(i == 7)))));
    columns.push(FeatureColumn::numeric("again", of_rows(|i| f64::from(u8::from(i != 7)))));
    let data = Dataset::new(FeatureMatrix::new(columns).unwrap(), "cost", y).unwrap();
    let model = Glm::new(case.params).unwrap().fit(&data).unwrap();
    assert_eq!(model.aliased(), ["again"]);
    assert!(model.coefficients()[3].value < -10.0 && model.predict(data.x()).unwrap()[7] < 1e-3);
    let s = GlmSummary::of(&model, &data, None, &GlmSummaryOptions::default()).unwrap();
    assert_eq!((s.n, s.df_residual), (48.0, 44.0));
    assert!(s.standard_errors.iter().chain(&s.p_values).all(|v| v.is_finite()));
}
