use super::*;
use med_schema::FeatureColumn;

fn claims(n: usize, zero: impl Fn(usize) -> bool) -> Dataset {
    let age: Vec<f64> = (0..n).map(|i| 20.0 + ((i * 37) % 60) as f64).collect();
    let bmi: Vec<f64> = (0..n).map(|i| 22.0 + ((i * 13) % 17) as f64).collect();
    let cost = (0..n).map(|i| if zero(i) { 0.0 } else { 30.0 * age[i] + (i % 11) as f64 * bmi[i] }).collect();
    let x = FeatureMatrix::new(vec![FeatureColumn::numeric("age", age), FeatureColumn::numeric("bmi", bmi)]);
    Dataset::new(x.unwrap(), "cost", Vec::<f64>::clone(&cost)).unwrap()
}

fn ratio(model: &TwoPartModel, data: &Dataset) -> f64 {
    let p = model.predict(data.x()).unwrap();
    let weight = |i: usize| data.weights().map_or(1.0, |w| w[i]);
    let exposure = |i: usize| data.exposure().map_or(1.0, |e| e[i]);
    let predicted: f64 = (0..p.len()).map(|i| weight(i) * exposure(i) * p[i]).sum();
    predicted / (0..p.len()).map(|i| weight(i) * data.y()[i]).sum::<f64>()
}

#[test]
fn sums_agree_with_weights_exposure_and_one_claimant_of_millions() {
    let data = claims(1000, |i| i % 25 >= 6);
    let mut y = data.y().to_vec();
    y[300] = 7e6;
    let data = Dataset::new(data.x().clone(), "cost", y).unwrap();
    let weights: Vec<f64> = (0..1000).map(|i| (i % 4) as f64).collect();
    let exposure: Vec<f64> = (0..1000).map(|i| 0.01 + (i % 100) as f64 / 100.0).collect();
    let weighted = data.clone().with_weights(weights).unwrap().with_exposure(exposure).unwrap();
    for data in [&data, &weighted] {
        for (engine, first) in [
            (TwoPartEngine::Glm, FirstPart::Logit),
            (TwoPartEngine::Glm, FirstPart::Probit),
            (TwoPartEngine::Gbdt, FirstPart::Logit),
        ] {
            let params = TwoPartParams { engine, first, ..Default::default() };
            let model = TwoPart::new(params).unwrap().fit(data).unwrap();
            assert!((ratio(&model, data) - 1.0).abs() < 1e-9, "{}", ratio(&model, data));
        }
    }
}

#[test]
fn without_zeros_it_is_the_gamma_model() {
    let data = claims(200, |_| false);
    let model = TwoPart::default().fit(&data).unwrap();
    let (probability, size) = model.predict_parts(data.x()).unwrap();
    assert!(probability.iter().all(|p| *p == 1.0));
    let predicted = model.predict(data.x()).unwrap();
    assert!(predicted.iter().zip(&size).all(|(p, s)| (p / s / model.calibration() - 1.0).abs() < 1e-14));
}

#[test]
fn costs_it_cannot_take_are_errors() {
    let data = claims(20, |_| true);
    assert!(matches!(TwoPart::default().fit(&data), Err(FitError::NoCost { .. })));
    let mut y = vec![5.0; 20];
    y[7] = -1.0;
    let negative = Dataset::new(data.x().clone(), "cost", y).unwrap();
    assert!(matches!(TwoPart::default().fit(&negative), Err(FitError::Cost { row: 7, .. })));
}

#[test]
fn a_column_that_separates_the_zeros_is_fitted() {
    let data = claims(200, |i| 20 + (i * 37) % 60 > 50);
    let model = TwoPart::default().fit(&data).unwrap();
    let (probability, _) = model.predict_parts(data.x()).unwrap();
    for (p, y) in probability.iter().zip(data.y()) {
        assert!(if *y > 0.0 { *p > 0.999 } else { *p < 0.001 }, "{p} {y}");
    }
}
