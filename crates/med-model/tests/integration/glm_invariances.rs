//! What must not change a generalised linear model, and what no data may do to it.

use med_model::{
    Calibration, Family, FitError, Glm, GlmModel, GlmParams, GlmTweedie, GlmTweedieParams, Link, Model, PowerMethod,
    Reference, Regressor, Unseen,
};
use med_schema::{Dataset, FeatureColumn, FeatureMatrix};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

#[derive(Debug, Clone)]
struct Row {
    numbers: [f64; 2],
    level: usize,
    cost: f64,
    exposure: f64,
}

fn row() -> impl Strategy<Value = Row> {
    (prop::array::uniform2(-3.0..3.0_f64), 0..4_usize, 0.1..50.0_f64, 0.1..2.0_f64)
        .prop_map(|(numbers, level, cost, exposure)| Row { numbers, level, cost, exposure })
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    prop::collection::vec(row(), 25..70)
}

const LEVELS: [&str; 4] = ["a", "b", "c", "d"];

fn features(rows: &[Row]) -> Vec<FeatureColumn> {
    let numbers = |j: usize| rows.iter().map(|r| r.numbers[j]).collect::<Vec<_>>();
    let codes: Vec<u32> = rows.iter().map(|r| r.level as u32).collect();
    let levels: Vec<String> = LEVELS.iter().map(|l| (*l).to_owned()).collect();
    vec![
        FeatureColumn::numeric("x", numbers(0)),
        FeatureColumn::numeric("z", numbers(1)),
        FeatureColumn::categorical("level", codes, levels).unwrap(),
    ]
}

fn data(rows: &[Row]) -> Dataset {
    let costs: Vec<f64> = rows.iter().map(|r| r.cost).collect();
    Dataset::new(FeatureMatrix::new(features(rows)).unwrap(), "cost", costs).unwrap()
}

fn params() -> impl Strategy<Value = GlmParams> {
    let family = prop::sample::select(vec![
        (Family::Gamma, None),
        (Family::Poisson, None),
        (Family::Tweedie, Some(1.3)),
        (Family::Tweedie, Some(1.8)),
    ]);
    (family, prop::sample::select(vec![(0.0, 0.0), (0.05, 0.0), (0.05, 0.5)])).prop_map(
        |((family, power), (alpha, l1_ratio))| GlmParams {
            family,
            power,
            alpha,
            l1_ratio,
            tolerance: 1e-10,
            ..Default::default()
        },
    )
}

fn fit(params: &GlmParams, data: &Dataset) -> GlmModel {
    Glm::new(params.clone()).unwrap().fit(data).unwrap()
}

fn same(a: &GlmModel, b: &GlmModel, x: &Dataset, y: &Dataset) -> Result<(), TestCaseError> {
    let (a, b) = (a.predict(x.x()).unwrap(), b.predict(y.x()).unwrap());
    for (a, b) in a.iter().zip(&b) {
        prop_assert!((a - b).abs() <= 1e-6 * a.abs(), "{a} {b}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_weight_of_two_is_a_row_twice_and_order_does_not_matter(rows in rows(), params in params()) {
        let once = data(&rows);
        let weights: Vec<f64> = (0..rows.len()).map(|i| (i % 3) as f64).collect();
        let twice: Vec<usize> = (0..rows.len()).rev().flat_map(|i| std::iter::repeat_n(i, i % 3)).collect();
        let weighted = fit(&params, &once.clone().with_weights(weights).unwrap());
        same(&weighted, &fit(&params, &once.take(&twice).unwrap()), &once, &once)?;
    }

    #[test]
    fn an_offset_is_an_exposure_with_other_weights(rows in rows(), params in params()) {
        let params = GlmParams { alpha: 0.0, ..params };
        let exposure: Vec<f64> = rows.iter().map(|r| r.exposure).collect();
        let offset: Vec<f64> = exposure.iter().map(|e| e.ln()).collect();
        let data = data(&rows);
        let by_offset = Glm::new(params.clone()).unwrap().fit_with_offset(&data, &offset).unwrap();
        if params.family == Family::Poisson {
            let by_exposure = fit(&params, &data.clone().with_exposure(exposure.clone()).unwrap());
            same(&by_offset, &by_exposure, &data, &data)?;
        }
        let power = match params.family { Family::Poisson => 1.0, Family::Gamma => 2.0, _ => params.power.unwrap() };
        let rates: Vec<f64> = rows.iter().map(|r| r.cost / r.exposure).collect();
        let weights: Vec<f64> = exposure.iter().map(|e| e.powf(2.0 - power)).collect();
        let rates = Dataset::new(data.x().clone(), "cost", rates).unwrap().with_weights(weights).unwrap();
        same(&by_offset, &fit(&params, &rates), &data, &data)?;
    }

    #[test]
    fn categories_are_dummies_and_a_constant_changes_nothing(rows in rows(), params in params()) {
        let native = data(&rows);
        let mut columns = features(&rows);
        columns.truncate(2);
        let first = rows.iter().map(|r| r.level).min().unwrap();
        for (l, level) in LEVELS.iter().enumerate().filter(|(l, _)| *l != first) {
            let dummies: Vec<f64> = rows.iter().map(|r| f64::from(r.level == l)).collect();
            columns.push(FeatureColumn::numeric(format!("level={level}"), dummies));
        }
        columns.push(FeatureColumn::numeric("constant", vec![0.1; rows.len()]));
        let dummies = native.clone().with_features(FeatureMatrix::new(columns).unwrap()).unwrap();
        let model = fit(&params, &dummies);
        prop_assert!(model.aliased().contains(&"constant".to_owned()));
        same(&fit(&params, &native), &model, &native, &dummies)?;
        // The choice of the reference changes coefficients, not predictions.
        if params.alpha == 0.0 {
            for drop in [Reference::MostFrequent, Reference::None] {
                same(&fit(&GlmParams { drop, ..params.clone() }, &native), &model, &native, &dummies)?;
            }
        }
    }

    #[test]
    fn the_gradient_is_zero_where_it_stops(rows in rows(), params in params()) {
        let params = GlmParams { alpha: 0.0, ..params };
        let data = data(&rows);
        let model = fit(&params, &data);
        let means = model.predict(data.x()).unwrap();
        let power = match params.family { Family::Poisson => 1.0, Family::Gamma => 2.0, _ => params.power.unwrap() };
        for x in [|_: &Row| 1.0, |r: &Row| r.numbers[0], |r: &Row| f64::from(r.level == 2)] {
            let terms = rows.iter().zip(&means).map(|(r, mu)| (r.cost - mu) * mu.powf(1.0 - power) * x(r));
            let scale: f64 = rows.iter().zip(&means).map(|(r, mu)| (r.cost + mu) * mu.powf(1.0 - power)).sum();
            prop_assert!(terms.sum::<f64>().abs() <= 1e-9 * scale);
        }
    }
}

/// Three quarters zeros, exposures, weights of zero, one claimant of 7 million, a level without costs.
fn nasty(n: usize) -> Dataset {
    let mut random = Pcg64::seed_from_u64(11);
    let mut uniform = || random.random_range(0.0..1.0_f64);
    let (mut age, mut income, mut plan, mut cost, mut exposure, mut weights) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for i in 0..n {
        let (a, p) = (20.0 + 60.0 * uniform(), (40.0 * uniform() * uniform()) as u32);
        age.push(a);
        income.push((4.0 * uniform()).exp() * 1e3);
        let level = if i % 500 == 7 { 40 } else { p };
        plan.push(level);
        let claims = uniform() < 0.24 && level != 40;
        let amount = (0.03 * a + 0.02 * f64::from(p) + 3.0 * uniform() + 2.0).exp();
        cost.push(if i == n / 2 {
            7e6
        } else if claims {
            amount
        } else {
            0.0
        });
        exposure.push(if uniform() < 0.3 { 1.0 / 12.0 } else { 1.0 });
        weights.push(if uniform() < 0.1 { 0.0 } else { 0.5 + 3.0 * uniform() });
    }
    weights[n / 2] = 1.0;
    let levels: Vec<String> = (0..41).map(|l| format!("plan {l}")).collect();
    let x = FeatureMatrix::new(vec![
        FeatureColumn::numeric("age", age),
        FeatureColumn::numeric("income", income),
        FeatureColumn::categorical("plan", plan, levels).unwrap(),
    ]);
    let data = Dataset::new(x.unwrap(), "cost", cost).unwrap();
    data.with_exposure(exposure).unwrap().with_weights(weights).unwrap()
}

fn predictive_ratio(model: &GlmModel, data: &Dataset) -> f64 {
    let predicted = model.predict(data.x()).unwrap();
    assert!(predicted.iter().all(|p| p.is_finite() && *p >= 0.0));
    let (weights, exposure) = (data.weights().unwrap(), data.exposure().unwrap());
    let fitted: f64 = predicted.iter().zip(weights).zip(exposure).map(|((p, w), e)| p * w * e).sum();
    fitted / data.y().iter().zip(weights).map(|(y, w)| y * w).sum::<f64>()
}

#[test]
fn nasty_data_gives_calibrated_models() {
    let data = nasty(6000);
    for power in [Some(1.1), Some(1.5), Some(1.9)] {
        let model = GlmTweedie::new(GlmTweedieParams { power, ..Default::default() }).unwrap().fit(&data).unwrap();
        let ratio = predictive_ratio(&model, &data);
        assert!((ratio - 1.0).abs() <= 0.02, "{power:?}: {ratio}");
    }
    let always = GlmTweedieParams { calibration: Calibration::Always, ..Default::default() };
    let model = GlmTweedie::new(always).unwrap().fit(&data).unwrap();
    assert!((predictive_ratio(&model, &data) - 1.0).abs() < 1e-9);
    let poisson = fit(&GlmParams { family: Family::Poisson, ..Default::default() }, &data);
    assert!((predictive_ratio(&poisson, &data) - 1.0).abs() < 1e-9);
    let gamma = Glm::default().fit(&data).unwrap_err();
    assert!(matches!(gamma, FitError::FamilyTarget { expected: "a number > 0", .. }), "{gamma}");
    assert!(gamma.to_string().contains("take glm_tweedie or two_part"), "{gamma}");
    // The positive part alone, with and without outlier-prone families.
    let positive: Vec<usize> = (0..data.n_rows()).filter(|&i| data.y()[i] > 0.0).collect();
    let positive = data.take(&positive).unwrap();
    for family in [Family::Gamma, Family::InverseGaussian, Family::Gaussian] {
        let model = fit(&GlmParams { family, ..Default::default() }, &positive);
        assert!(predictive_ratio(&model, &positive).is_finite(), "{family:?}");
    }
}

#[test]
fn the_power_is_estimated_near_the_truth() {
    let mut random = Pcg64::seed_from_u64(5);
    // Poisson number of exponential amounts: a Tweedie of power 1.5, whatever the mean.
    let (mut x, mut costs) = (Vec::new(), Vec::new());
    for _ in 0..20_000 {
        let v: f64 = random.random_range(-1.0..1.0);
        let mu = (1.0 + 0.8 * v).exp();
        // Dispersion 2: rate mu^(1/2), mean amount mu^(1/2).
        let (rate, mut cost, mut time) = (mu.sqrt(), 0.0, 0.0);
        loop {
            time -= random.random_range(f64::MIN_POSITIVE..1.0_f64).ln() / rate;
            if time > 1.0 {
                break;
            }
            cost -= random.random_range(f64::MIN_POSITIVE..1.0_f64).ln() * mu.sqrt();
        }
        x.push(v);
        costs.push(cost);
    }
    let x = FeatureMatrix::new(vec![FeatureColumn::numeric("x", x)]).unwrap();
    let data = Dataset::new(x, "cost", costs).unwrap();
    for (method, tolerance) in [(PowerMethod::Profile, 0.02), (PowerMethod::Park, 0.1)] {
        let params = GlmTweedieParams { power: None, power_method: method, ..Default::default() };
        let model = GlmTweedie::new(params).unwrap().fit(&data).unwrap();
        let power = model.power().unwrap();
        assert!((power - 1.5).abs() < tolerance, "{method:?}: {power}");
        assert!((model.coefficients()[1].value - 0.8).abs() < 0.05);
    }
}

#[test]
fn the_same_bits_for_any_number_of_threads() {
    let data = nasty(40_000);
    let fit = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| GlmTweedie::default().fit(&data).unwrap())
    };
    let one = fit(1);
    for threads in [2, 3] {
        assert_eq!(serde_json::to_string(&fit(threads)).unwrap(), serde_json::to_string(&one).unwrap());
    }
}

fn plans(texts: &[Option<&str>]) -> FeatureMatrix {
    FeatureMatrix::new(vec![FeatureColumn::from_texts("plan", texts.iter().copied())]).unwrap()
}

#[test]
fn missing_categories_are_a_level_and_unseen_ones_are_refused_or_the_reference() {
    let texts = [Some("a"), Some("a"), Some("b"), Some("b"), None, None];
    let costs = vec![1.0, 3.0, 4.0, 6.0, 7.0, 9.0];
    let data = Dataset::new(plans(&texts), "cost", costs.clone()).unwrap();
    let model = fit(&GlmParams::default(), &data);
    let names: Vec<String> = model.coefficients().into_iter().map(|c| c.name).collect();
    assert_eq!(names, ["(Intercept)", "plan=b", "plan=(missing)"]);
    let close = |model: &GlmModel, x: &FeatureMatrix, expected: &[f64]| {
        for (p, e) in model.predict(x).unwrap().iter().zip(expected) {
            assert!((p - e).abs() < 1e-9, "{p} {e}");
        }
    };
    close(&model, &plans(&[None, Some("b")]), &[8.0, 5.0]);
    let unseen = plans(&[Some("b"), Some("z"), None]);
    let error = model.predict(&unseen).unwrap_err().to_string();
    assert!(error.starts_with("column \"plan\", row 1: ") && !error.contains('z'), "{error}");
    let reference = fit(&GlmParams { unseen: Unseen::Reference, ..Default::default() }, &data);
    close(&reference, &unseen, &[5.0, 2.0, 8.0]);
    // Without missing values in training there is no such level.
    let full = Dataset::new(plans(&texts[..4]), "cost", costs[..4].to_vec()).unwrap();
    let model = fit(&GlmParams::default(), &full);
    let error = model.predict(&plans(&[Some("a"), None])).unwrap_err().to_string();
    assert!(error.starts_with("column \"plan\", row 1: the value is missing"), "{error}");
    let model = fit(&GlmParams { unseen: Unseen::Reference, ..Default::default() }, &full);
    close(&model, &plans(&[Some("b"), None]), &[5.0, 2.0]);
}

#[test]
fn terms_add_up_and_models_come_back_from_json() {
    let data = nasty(500);
    let model = GlmTweedie::default().fit(&data).unwrap();
    let eta = model.linear_predictor(data.x()).unwrap();
    for (terms, eta) in model.linear_terms(data.x()).unwrap().chunks_exact(3).zip(&eta) {
        assert!((model.intercept() + terms.iter().sum::<f64>() - eta).abs() < 1e-12);
    }
    let json = serde_json::to_string(&model).unwrap();
    assert_eq!(serde_json::from_str::<GlmModel>(&json).unwrap(), model);
    for (from, to) in [
        ("\"power\":1.5", "\"power\":2.5"),
        ("\"calibration\":", "\"calibration\":-"),
        ("\"shares\":[", "\"shares\":[1.0,"),
    ] {
        assert!(json.contains(from), "{json}");
        assert!(serde_json::from_str::<GlmModel>(&json.replacen(from, to, 1)).is_err(), "{to}");
    }
}

#[test]
fn data_without_a_fit_are_errors() {
    let x = || FeatureMatrix::new(vec![FeatureColumn::numeric("x", vec![1.0, 2.0, 3.0, 5.0])]).unwrap();
    let zeros = Dataset::new(x(), "cost", vec![0.0; 4]).unwrap();
    let error = GlmTweedie::default().fit(&zeros).unwrap_err();
    assert!(matches!(error, FitError::Degenerate { .. }), "{error}");
    assert!(error.to_string().contains("expected targets that differ, found only 0"), "{error}");
    let data = Dataset::new(x(), "cost", vec![1.0, 2.0, 9.0, 4.0]).unwrap();
    let few = GlmParams { max_iterations: 1, tolerance: 1e-14, ..Default::default() };
    let error = Glm::new(few).unwrap().fit(&data).unwrap_err();
    assert!(matches!(error, FitError::Unconverged { iterations: 1, .. }), "{error}");
    let error = Glm::default().fit_with_offset(&data, &[0.0; 3]).unwrap_err();
    assert!(error.to_string().ends_with("expected 4 values, found 3"), "{error}");
    assert!(Glm::new(GlmParams { link: Link::Logit, ..Default::default() }).is_err());
    assert!(Glm::new(GlmParams { power: Some(2.0), ..Default::default() }).is_err());
}

#[test]
fn explanations_add_up_to_the_linear_predictor() {
    use med_model::{Explain, ModelSpec, ShapScale};
    let data = crate::fixtures::insurance_categories();
    for name in ["glm_gamma", "glm_tweedie"] {
        let model = ModelSpec::parse(name, &serde_json::Value::Null).unwrap().fit(&data).unwrap();
        let shap = model.explain(data.x()).unwrap();
        assert_eq!(shap.scale, ShapScale::Log);
        for (row, predicted) in shap.values.rows().into_iter().zip(model.predict(data.x()).unwrap()) {
            let sum = (shap.base_value + row.sum()).exp();
            assert!((sum - predicted).abs() < 1e-9 * predicted, "{name}: {sum} {predicted}");
        }
        // Differences to the mean: none is left over all training rows.
        assert!(shap.values.mean_axis(ndarray::Axis(0)).unwrap().iter().all(|m| m.abs() < 1e-9));
    }
}

#[test]
fn predictions_stop_at_the_cap_and_nothing_else_changes() {
    let age: Vec<f64> = (0..60).map(|i| 20.0 + f64::from(i)).collect();
    let cost: Vec<f64> = age.iter().map(|age| (0.05 * age).exp()).collect();
    let of = |age: Vec<f64>| FeatureMatrix::new(vec![FeatureColumn::numeric("age", age)]).unwrap();
    let train = Dataset::new(of(age.clone()), "cost", cost.clone()).unwrap();
    let fit = |prediction_cap, train: &Dataset| {
        Glm::new(GlmParams { prediction_cap, ..Default::default() }).unwrap().fit(train).unwrap()
    };
    let (free, capped) = (fit(None, &train), fit(Some(2.0), &train));
    assert_eq!((free.largest_prediction(), capped.largest_prediction()), (None, Some(2.0 * cost[59])));
    assert_eq!(free.coefficients(), capped.coefficients());
    assert_eq!(free.predict(train.x()).unwrap(), capped.predict(train.x()).unwrap());
    // A year of birth in the column of ages.
    let far = of(vec![50.0, 1980.0]);
    assert!(free.predict(&far).unwrap()[1] > 1e40);
    assert_eq!(capped.predict(&far).unwrap()[1], 2.0 * cost[59]);
    assert_eq!(capped.predict_with_offset(&far, &[200.0, 0.0]).unwrap()[0], 2.0 * cost[59]);
    assert_eq!(capped.linear_predictor(&far).unwrap(), free.linear_predictor(&far).unwrap());

    // The largest cost per year of rows that count.
    let years: Vec<f64> = (0..60).map(|i| if i == 0 { 0.001 } else { 1.0 }).collect();
    let weights: Vec<f64> = (0..60).map(|i| f64::from(u8::from(i < 59))).collect();
    let rates = train.clone().with_exposure(years).unwrap().with_weights(weights).unwrap();
    assert_eq!(fit(Some(1.0), &rates).largest_prediction(), Some(cost[0] / 0.001));

    let json = serde_json::to_string(&capped).unwrap();
    assert_eq!(serde_json::from_str::<GlmModel>(&json).unwrap(), capped);
    assert!(!serde_json::to_string(&free).unwrap().contains("largest_prediction"), "files of before are read");
    assert!(
        serde_json::from_str::<GlmModel>(&json.replace("largest_prediction\":", "largest_prediction\":-")).is_err()
    );
    let error =
        |cap: f64| Glm::new(GlmParams { prediction_cap: Some(cap), ..Default::default() }).unwrap_err().to_string();
    assert_eq!(error(0.5), "parameter prediction_cap of glm: expected a finite number >= 1, or null, found 0.5");
    assert!(error(f64::NAN).contains("prediction_cap"));
    let losses = Dataset::new(of(vec![1.0, 2.0, 3.0]), "cost", vec![-3.0, -2.0, -1.5]).unwrap();
    let gaussian = GlmParams { family: Family::Gaussian, link: Link::Identity, ..Default::default() };
    let model = Glm::new(GlmParams { prediction_cap: Some(1.0), ..gaussian }).unwrap().fit(&losses).unwrap();
    assert_eq!(model.largest_prediction(), None, "there is no scale without a cost above 0");
}
