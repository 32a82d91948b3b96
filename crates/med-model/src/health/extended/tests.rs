use super::*;
use crate::ModelSpec;
use med_schema::FeatureColumn;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

const ROWS: usize = 20_000;

/// A gamma variate of whole shape: the sum of exponentials.
fn gamma(random: &mut Pcg64, shape: u32) -> f64 {
    (0..shape).map(|_| -(1.0 - random.random::<f64>()).ln()).sum()
}

/// Costs of mean `(1 + l (0.4 + 0.8 x - 0.5 z))^(1/l)` thousand and variance `m^2 / 2`.
fn simulated(power: f64) -> Dataset {
    let mut random = Pcg64::seed_from_u64(11);
    let x: Vec<f64> = (0..ROWS).map(|_| random.random::<f64>()).collect();
    let z: Vec<f64> = (0..ROWS).map(|i| f64::from(u8::from(i % 3 == 0))).collect();
    let cost = x.iter().zip(&z).map(|(x, z)| {
        let mean = log_mean(0.4 + 0.8 * x - 0.5 * z, power).unwrap().exp();
        1000.0 * mean * gamma(&mut random, 2) / 2.0
    });
    let cost: Vec<f64> = cost.collect();
    let columns = vec![FeatureColumn::numeric("x", x), FeatureColumn::numeric("z", z)];
    Dataset::new(FeatureMatrix::new(columns).unwrap(), "cost", cost).unwrap()
}

/// The estimating equations at the fitted values, each over the root of the sum of its squares; written down anew.
fn scores(model: &EeeModel, data: &Dataset) -> Vec<f64> {
    let predicted = model.predict(data.x()).unwrap();
    let columns: Vec<Vec<f64>> = data.x().columns().iter().map(|c| c.as_numeric().unwrap().to_vec()).collect();
    let mut sums = vec![(0.0, 0.0); columns.len() + 4];
    for i in 0..data.n_rows() {
        let (m, y) = (predicted[i] / model.scale(), data.y()[i] / model.scale());
        let variance = model.variance_factor() * m.powf(model.variance_power());
        let l = model.link_power();
        let by_power = (m.powf(l) - 1.0) / (l * l) - m.powf(l) * m.ln() / l;
        let regressors = columns.iter().map(|c| c[i]).chain([1.0, by_power]);
        let mean_terms = regressors.map(|d| (y - m) / variance * m.powf(1.0 - l) * d);
        let excess = (y - m).powi(2) / variance - 1.0;
        for (sum, term) in sums.iter_mut().zip(mean_terms.chain([excess, excess * m.ln()])) {
            sum.0 += term;
            sum.1 += term * term;
        }
    }
    sums.iter().map(|(s, square)| s / square.sqrt()).collect()
}

#[test]
fn known_parameters_are_found_within_their_errors() {
    for power in [0.3, 1.0, -0.2] {
        let data = simulated(power);
        let model = Eee::default().fit(&data).unwrap();
        let error = model.standard_errors();
        assert!((model.link_power() - power).abs() < 3.0 * error.link_power, "{power}: {}", model.link_power());
        assert!(error.link_power < 0.25, "{}", error.link_power);
        // The link of costs over their mean c has coefficients c^-l times those of costs in thousands.
        let shrunk = (model.scale() / 1000.0).powf(-model.link_power());
        for ((found, error), expected) in model.coefficients().iter().zip(&error.coefficients).zip([0.8, -0.5]) {
            assert!((found - expected * shrunk).abs() < 4.0 * error, "{power}: {found} {expected} {shrunk} {error}");
            assert!(*error < 0.2);
        }
        assert!((model.variance_power() - 2.0).abs() < 0.2, "{}", model.variance_power());
        assert!((model.variance_factor() - 0.5).abs() < 0.05);
        for score in scores(&model, &data) {
            assert!(score.abs() < 1e-5, "{score}");
        }
    }
}

#[test]
fn the_unit_of_the_cost_does_not_matter() {
    let data = simulated(0.3).take(&(0..2000).collect::<Vec<_>>()).unwrap();
    let cents: Vec<f64> = data.y().iter().map(|y| y * 100.0).collect();
    let cents = Dataset::new(data.x().clone(), "cost", cents).unwrap();
    let (one, other) = (Eee::default().fit(&data).unwrap(), Eee::default().fit(&cents).unwrap());
    assert!((one.link_power() - other.link_power()).abs() < 1e-7);
    let (one, other) = (one.predict(data.x()).unwrap(), other.predict(data.x()).unwrap());
    for (a, b) in one.iter().zip(&other) {
        assert!((100.0 * a - b).abs() < 1e-6 * b);
    }
}

#[test]
fn a_calibrated_model_spends_the_budget() {
    let data = simulated(1.0).take(&(0..500).collect::<Vec<_>>()).unwrap();
    let params = EeeParams { calibration: TwoPartCalibration::Auto, ..EeeParams::default() };
    let predicted = Eee::new(params).unwrap().fit(&data).unwrap().predict(data.x()).unwrap();
    assert!((predicted.sum() / data.y().sum() - 1.0).abs() < 1e-12);
}

#[test]
fn rows_far_outside_stay_finite() {
    let data = simulated(1.0).take(&(0..500).collect::<Vec<_>>()).unwrap();
    let model = Eee::default().fit(&data).unwrap();
    let far = vec![FeatureColumn::numeric("x", vec![1e9, -1e9]), FeatureColumn::numeric("z", vec![0.0, 0.0])];
    let predicted = model.predict(&FeatureMatrix::new(far).unwrap()).unwrap();
    let most = model.predict(data.x()).unwrap().iter().fold(0.0_f64, |a, b| a.max(*b));
    assert!(predicted.iter().all(|p| *p >= 0.0 && *p <= 10.0 * most * (1.0 + 1e-9)), "{predicted}");
}

#[test]
fn what_it_cannot_do_is_named() {
    let data = simulated(1.0).take(&(0..50).collect::<Vec<_>>()).unwrap();
    let with = |y: Vec<f64>| Dataset::new(data.x().clone(), "cost", y).unwrap();
    let mut y = data.y().to_vec();
    y[7] = -1.0;
    assert!(matches!(Eee::default().fit(&with(y)), Err(FitError::Cost { row: 7, .. })));
    assert!(matches!(Eee::default().fit(&with(vec![0.0; 50])), Err(FitError::NoCost { .. })));
    let few = data.take(&[0, 1, 2, 3, 4]).unwrap();
    assert!(matches!(Eee::default().fit(&few), Err(FitError::TooFewRows { expected: 7, found: 5, .. })));
    let once = EeeParams { max_iterations: 1, ..EeeParams::default() };
    assert!(matches!(Eee::new(once).unwrap().fit(&data), Err(FitError::Unconverged { .. })));
    assert!(ModelSpec::parse("eee", &serde_json::json!({ "tolerance": 0.0 })).is_err());
}
