//! Against statsmodels and scikit-learn.

use med_model::{
    ElasticNet, ElasticNetParams, Lasso, LassoParams, LeastSquaresSummary, Linear, LinearModel, Model,
    RegressionMetrics, Regressor, Ridge, RidgeParams, RobustCovariance, RobustSummary,
};
use med_schema::{Dataset, FeatureColumn, FeatureMatrix};
use serde_json::Value;

use crate::fixtures::{assert_close, golden, insurance, numbers};

fn weighted() -> Dataset {
    let data = insurance();
    let weights: Vec<f64> = (0..data.n_rows()).map(|i| (1 + i % 5) as f64).collect();
    data.with_weights(weights).unwrap()
}

/// `(x - mean) / population sd`, with the means and deviations of the golden file.
fn standardised(golden: &Value) -> Dataset {
    let data = insurance();
    let (means, sds) = (numbers(&golden["means"]), numbers(&golden["sds"]));
    let scale = |(j, c): (usize, &FeatureColumn)| {
        let values: Vec<f64> = c.as_numeric().unwrap().iter().map(|v| (v - means[j]) / sds[j]).collect();
        FeatureColumn::numeric(c.name(), values)
    };
    let x = FeatureMatrix::new(data.x().columns().iter().enumerate().map(scale).collect()).unwrap();
    data.with_features(x).unwrap()
}

fn check(name: &str, model: &LinearModel, expected: &Value, relative: f64) {
    assert_close(name, model.intercept(), expected["intercept"].as_f64().unwrap(), relative);
    let expected = numbers(&expected["coef"]);
    assert_eq!(model.coefficients().len(), expected.len());
    for (j, (&found, &expected)) in model.coefficients().iter().zip(&expected).enumerate() {
        if expected == 0.0 {
            assert_eq!(found, 0.0, "{name} [{j}]");
        } else {
            assert_close(&format!("{name} [{j}]"), found, expected, relative);
        }
    }
}

fn check_summary(found: &LeastSquaresSummary, expected: &Value) {
    let vectors = [
        ("coef", &found.coefficients, 1e-10),
        ("se", &found.standard_errors, 1e-10),
        ("t", &found.t, 1e-10),
        ("p", &found.p_values, 1e-8),
    ];
    for (name, values, relative) in vectors {
        for (j, (&v, e)) in values.iter().zip(numbers(&expected[name])).enumerate() {
            // A p-value of 1e-300 is 0 in one library and not in the other.
            assert!((v - e).abs() <= relative * e.abs() + 1e-300, "{name} [{j}]: found {v}, expected {e}");
        }
    }
    let scalars = [
        ("rss", found.rss),
        ("sigma2", found.sigma2),
        ("r2", found.r2),
        ("adj_r2", found.adjusted_r2),
        ("f", found.f),
        ("loglik", found.log_likelihood),
        ("aic", found.aic),
        ("bic", found.bic),
        ("df_resid", found.df_residual),
    ];
    for (name, value) in scalars {
        assert_close(name, value, expected[name].as_f64().unwrap(), 1e-10);
    }
}

#[test]
fn least_squares_and_its_summary() {
    let golden = golden("linear.json");
    check_summary(&LeastSquaresSummary::fit(&insurance()).unwrap(), &golden["ols"]);
    check_summary(&LeastSquaresSummary::fit(&weighted()).unwrap(), &golden["wls"]);
    let model = Linear::default().fit(&insurance()).unwrap();
    // The golden counts the intercept.
    assert_eq!(model.rank() + 1, golden["meta"]["rank"].as_u64().unwrap() as usize);
}

#[test]
fn robust_standard_errors() {
    let golden = golden("linear.json");
    for (name, kind) in [
        ("se_HC0", RobustCovariance::Hc0),
        ("se_HC1", RobustCovariance::Hc1),
        ("se_HC2", RobustCovariance::Hc2),
        ("se_HC3", RobustCovariance::Hc3),
    ] {
        let found = RobustSummary::fit(&insurance(), kind).unwrap();
        for (j, (&v, e)) in found.standard_errors.iter().zip(numbers(&golden["ols"][name])).enumerate() {
            assert_close(&format!("{name} [{j}]"), v, e, 1e-10);
        }
        assert_close(name, found.covariance[2][2].sqrt(), found.standard_errors[2], 1e-14);
        assert_close(name, found.covariance[0][3], found.covariance[3][0], 1e-10);
    }
}

#[test]
fn ridge_lasso_and_elastic_net() {
    let golden = golden("linear.json");
    let (raw, raw_weighted, standardised) = (insurance(), weighted(), standardised(&golden));
    let mut checked = 0;
    for (name, expected) in golden["penalised"].as_object().unwrap() {
        let mut words = name.split('_');
        let method = words.next().unwrap();
        let alpha: f64 = words.next().unwrap().parse().unwrap();
        let fit = |data: &Dataset| match method {
            "ridge" => Ridge::new(RidgeParams { alpha, ..Default::default() }).unwrap().fit(data).unwrap(),
            "lasso" => Lasso::new(LassoParams { alpha, ..Default::default() }).unwrap().fit(data).unwrap(),
            _ => {
                let l1_ratio: f64 = name.rsplit('_').next().unwrap().parse().unwrap();
                let params = ElasticNetParams { alpha, l1_ratio, ..Default::default() };
                ElasticNet::new(params).unwrap().fit(data).unwrap()
            }
        };
        let relative = if method == "ridge" { 1e-9 } else { 1e-7 };
        for (key, data) in [("raw", &raw), ("raw_weighted", &raw_weighted), ("standardised", &standardised)] {
            if let Some(expected) = expected.get(key) {
                check(&format!("{name} {key}"), &fit(data), expected, relative);
                checked += 1;
            }
        }
        if let Some(nonzero) = expected["standardised"].get("nonzero") {
            let found = fit(&standardised).coefficients().iter().filter(|b| **b != 0.0).count();
            assert_eq!(found as u64, nonzero.as_u64().unwrap(), "{name}");
        }
    }
    assert_eq!(checked, 31);
}

#[test]
fn metrics_of_the_held_back_rows() {
    let golden = golden("metrics_quantile_conformal.json");
    let data = insurance();
    let rows = |keep: fn(usize) -> bool| -> Vec<usize> { (0..data.n_rows()).filter(|&r| keep(r)).collect() };
    let test = data.take(&rows(|r| r % 5 == 0)).unwrap();
    let train = data.take(&rows(|r| r % 5 != 0)).unwrap();
    let expected = &golden["ols_test"];
    let predicted = Linear::default().fit(&train).unwrap().predict(test.x()).unwrap();
    for (found, expected) in predicted.iter().zip(numbers(&expected["pred_first"])) {
        assert_close("prediction", *found, expected, 1e-10);
    }
    let m = RegressionMetrics::of(test.y().as_slice().unwrap(), predicted.as_slice().unwrap(), None).unwrap();
    let pairs = [
        ("r2", m.r2),
        ("rmse", m.rmse),
        ("mae", m.mae),
        ("mape", m.mape),
        ("median_ae", m.medae),
        ("bias", m.bias),
        ("cpm", m.cpm),
        ("gini_pred", m.gini),
    ];
    for (name, found) in pairs {
        assert_close(name, found.unwrap(), expected[name].as_f64().unwrap(), 1e-9);
    }
    // This model predicts below 0 for some people, where a gamma deviance has no meaning.
    assert!(predicted.iter().any(|p| *p < 0.0));
    assert_eq!((m.d2_gamma, m.d2_tweedie), (None, None));
    let costs = test.y().to_vec();
    let own = RegressionMetrics::of(&costs, &costs, None).unwrap();
    assert_close("gini of the costs", own.gini.unwrap(), expected["gini_actual"].as_f64().unwrap(), 1e-9);
}
