//! Explanations and intervals through the public interface, against goldens.

use med_model::{
    AnyModel, Conformal, Explain, Linear, Model, ModelSpec, PredictError, Regressor, ResidualQuantiles, Ridge,
    RidgeParams, ShapScale, cv_plus,
};
use med_schema::{Dataset, FeatureColumn, FeatureMatrix};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use serde_json::{Value, json};

use crate::fixtures::{assert_close, golden, insurance, small};

#[test]
fn linear_values_are_distances_from_the_mean() {
    let data = small();
    let model = Ridge::new(RidgeParams { alpha: 3.0, ..Default::default() }).unwrap().fit(&data).unwrap();
    let shap = model.explain(data.x()).unwrap();
    let predicted = model.predict(data.x()).unwrap();
    assert_eq!(shap.scale, ShapScale::Response);
    shap.sums().iter().zip(&predicted).for_each(|(s, p)| assert_close("sum", *s, *p, 1e-12));
    assert_close("base", shap.base_value, predicted.mean().unwrap(), 1e-12);
    assert!(shap.values.columns().into_iter().all(|c| c.sum().abs() < 1e-8));
    assert_eq!(shap.mean_abs().len(), 3);
}

#[test]
fn boosted_values_sum_to_the_score_or_the_model_says_why_there_are_none() {
    let data = small();
    for objective in ["regression", "gamma"] {
        let spec = ModelSpec::parse("gbdt", &json!({ "objective": objective, "min_data_in_leaf": 5 })).unwrap();
        let model = spec.fit(&data).unwrap();
        let shap = match model.explain(data.x()) {
            Ok(shap) => shap,
            Err(error) => {
                assert!(error.to_string().contains("fit it again"), "{error}");
                continue;
            }
        };
        let predicted = model.predict(data.x()).unwrap();
        for (sum, p) in shap.sums().iter().zip(&predicted) {
            let found = if shap.scale == ShapScale::Log { sum.exp() } else { *sum };
            assert_close(objective, found, *p, 1e-9);
        }
    }
    let knn = ModelSpec::parse("knn", &Value::Null).unwrap().fit(&data).unwrap();
    let error = knn.explain(data.x()).unwrap_err();
    assert!(matches!(error, PredictError::Unexplained { model: "knn", .. }), "{error}");
}

/// Far from all training rows the linear predictor of a GLM is cut; its parts are not.
#[test]
fn values_of_a_glm_sum_to_its_linear_predictor_before_it_is_cut() {
    let age: Vec<f64> = (0..100).map(|i| f64::from(20 + i % 60)).collect();
    let cost: Vec<f64> = age.iter().enumerate().map(|(i, a)| (0.05 * a).exp() * [0.9, 1.1][i % 2]).collect();
    let x = |age: Vec<f64>| FeatureMatrix::new(vec![FeatureColumn::numeric("age", age)]).unwrap();
    let train = Dataset::new(x(age), "cost", cost).unwrap();
    for name in ["glm_gamma", "glm_poisson", "glm_tweedie"] {
        let fitted = ModelSpec::parse(name, &Value::Null).unwrap().fit(&train).unwrap();
        let (AnyModel::GlmGamma(glm) | AnyModel::GlmPoisson(glm) | AnyModel::GlmTweedie(glm)) = &fitted else {
            panic!()
        };
        let far = x(vec![-1e6, -11_000.0, 20.0, 80.0, 11_000.0, 1e6]);
        let (shap, predicted) = (glm.explain(&far).unwrap(), glm.predict(&far).unwrap());
        let (eta, shift) = (glm.linear_predictor(&far).unwrap(), glm.calibration_factor().ln());
        assert_eq!(shap.scale, ShapScale::Log);
        for ((sum, eta), predicted) in shap.sums().iter().zip(&eta).zip(&predicted) {
            assert_close(name, *sum, eta + shift, 1e-12);
            assert_close(name, *predicted, ((sum - shift).clamp(-600.0, 600.0) + shift).exp(), 1e-9);
        }
        assert!(shap.sums()[5] > 40_000.0 && predicted[5] == predicted[5].min(f64::MAX));
    }
}

/// Rows of the golden split: 0 test, 1 calibration, else training.
fn part(data: &Dataset, wanted: fn(usize) -> bool) -> Dataset {
    data.take(&(0..data.n_rows()).filter(|r| wanted(r % 5)).collect::<Vec<_>>()).unwrap()
}

#[test]
fn split_conformal_margins_are_those_of_the_golden() {
    let data = insurance();
    let model = Linear::default().fit(&part(&data, |r| r > 1)).unwrap();
    let (calibration, test) = (part(&data, |r| r == 1), part(&data, |r| r == 0));
    let predicted = |d: &Dataset| model.predict(d.x()).unwrap().to_vec();
    let golden = golden("metrics_quantile_conformal.json");
    for (miss, expected) in golden["conformal_split"].as_object().unwrap() {
        let level = 1.0 - miss.parse::<f64>().unwrap();
        let margin = Conformal::split(&calibration.y().to_vec(), &predicted(&calibration), level).unwrap();
        assert_close(miss, margin.margin(), expected["q"].as_f64().unwrap(), 1e-9);
        let covered = predicted(&test).iter().zip(test.y()).filter(|(p, y)| margin.around(**p).contains(**y)).count();
        assert_eq!(covered as f64 / test.n_rows() as f64, expected["coverage_test"].as_f64().unwrap());
        let json = serde_json::to_string(&margin).unwrap();
        assert_eq!(serde_json::from_str::<Conformal>(&json).unwrap(), margin);
    }
}

/// Targets whose spread grows with the prediction, in two groups of different spread.
fn rows(rng: &mut Pcg64, n: usize) -> (Vec<f64>, Vec<f64>, Vec<&'static str>) {
    let mut all = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..n {
        let predicted = 100.0 + 900.0 * rng.random::<f64>();
        let wide = rng.random_bool(0.3);
        let noise = rng.random::<f64>() + rng.random::<f64>() - 1.0;
        all.0.push(predicted + predicted * noise * if wide { 1.0 } else { 0.3 });
        all.1.push(predicted);
        all.2.push(if wide { "wide" } else { "narrow" });
    }
    all
}

#[test]
fn fresh_rows_are_covered_as_often_as_asked() {
    let mut rng = Pcg64::seed_from_u64(11);
    let ((y, p, groups), (fresh_y, fresh_p, fresh_groups)) = (rows(&mut rng, 3000), rows(&mut rng, 20_000));
    let shares = |interval: &dyn Fn(usize) -> med_model::Interval| {
        let covered: Vec<bool> = (0..fresh_y.len()).map(|i| interval(i).contains(fresh_y[i])).collect();
        let share = |keep: &dyn Fn(usize) -> bool| {
            let kept: Vec<bool> = (0..covered.len()).filter(|i| keep(*i)).map(|i| covered[i]).collect();
            kept.iter().filter(|c| **c).count() as f64 / kept.len() as f64
        };
        (share(&|_| true), share(&|i| fresh_groups[i] == "wide"))
    };
    for level in [0.5, 0.8, 0.9] {
        let near = |share: f64| assert!((share - level).abs() < 0.03, "{share} {level}");
        let split = Conformal::split(&y, &p, level).unwrap();
        near(shares(&|i| split.around(fresh_p[i])).0);
        let normalised = Conformal::normalised(&y, &p, &p, level).unwrap();
        near(shares(&|i| normalised.scaled(fresh_p[i], fresh_p[i])).0);
        // Quantiles that are wrong to begin with.
        let (lower, upper) = (|p: &f64| 0.95 * p, |p: &f64| 1.2 * p);
        let (lo, hi): (Vec<f64>, Vec<f64>) = (p.iter().map(lower).collect(), p.iter().map(upper).collect());
        let quantile = Conformal::quantile(&y, &lo, &hi, level).unwrap();
        near(shares(&|i| quantile.between(lower(&fresh_p[i]), upper(&fresh_p[i]))).0);
        let grouped = Conformal::by_group(&y, &p, &groups, level).unwrap();
        let (all, wide) = shares(&|i| grouped.in_group(fresh_p[i], fresh_groups[i]));
        near(all);
        near(wide);
        let stored = ResidualQuantiles::new(&y, &p, true).unwrap();
        near(shares(&|i| stored.around(fresh_p[i], level).unwrap()).0);
    }
}

#[test]
fn cv_plus_covers_and_too_few_rows_give_infinite_intervals() {
    let mut rng = Pcg64::seed_from_u64(12);
    // The model is the mean; five folds.
    let y: Vec<f64> = (0..200).map(|_| rng.random::<f64>() * 10.0).collect();
    let folds: Vec<usize> = (0..200).map(|i| i % 5).collect();
    let without = |k: usize| {
        let kept: Vec<f64> = (0..200).filter(|i| i % 5 != k).map(|i| y[i]).collect();
        kept.iter().sum::<f64>() / kept.len() as f64
    };
    let means: Vec<f64> = (0..5).map(without).collect();
    let residuals: Vec<f64> = (0..200).map(|i| y[i] - means[i % 5]).collect();
    let interval = cv_plus(&means, &folds, &residuals, 0.8).unwrap();
    let covered = (0..10_000).filter(|_| interval.contains(rng.random::<f64>() * 10.0)).count();
    assert!((7_200..9_000).contains(&covered), "{covered}");
    let few = cv_plus(&means, &folds[..5], &residuals[..5], 0.9).unwrap();
    assert_eq!((few.lower, few.upper), (f64::NEG_INFINITY, f64::INFINITY));
    assert!(cv_plus(&means, &[7], &[1.0], 0.9).unwrap_err().to_string().contains("numbers below 5"));
    assert_eq!(Conformal::split(&[1.0; 5], &[0.0; 5], 0.9).unwrap().margin(), f64::INFINITY);
    assert!(Conformal::split(&[1.0], &[0.0, 1.0], 0.9).is_err());
    assert!(Conformal::split(&[f64::NAN], &[0.0], 0.9).is_err());
    assert!(Conformal::split(&[1.0], &[0.0], 1.0).is_err());
}
