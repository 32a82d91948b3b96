//! What must not change a model, or change it in a known way.

use med_model::{Gbdt, GbdtParams, Linear, LinearModel, Model, Regressor, Ridge, RidgeParams, SavedModel};
use med_model::{Metric, ModelSpec, RegressionMetrics};
use med_schema::{Dataset, FeatureColumn, FeatureMatrix};
use proptest::prelude::*;
use serde_json::Value;

/// 20 to 60 rows of three columns and a target.
fn rows() -> impl Strategy<Value = Vec<[f64; 4]>> {
    prop::collection::vec(prop::array::uniform4(-100.0..100.0_f64), 20..60)
}

fn dataset(rows: &[[f64; 4]]) -> Dataset {
    let column = |j: usize| rows.iter().map(|r| r[j]).collect::<Vec<f64>>();
    let columns = ["a", "b", "c"].iter().enumerate().map(|(j, n)| FeatureColumn::numeric(*n, column(j)));
    Dataset::new(FeatureMatrix::new(columns.collect()).unwrap(), "y", column(3)).unwrap()
}

fn order(n: usize, seed: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by_key(|i| (i * 7919 + seed * 104_729) % 1013);
    order
}

fn close(a: &LinearModel, b: &LinearModel) -> Result<(), TestCaseError> {
    for (x, y) in a.coefficients().iter().zip(b.coefficients()) {
        prop_assert!((x - y).abs() <= 1e-8 * (1.0 + x.abs()), "{x} {y}");
    }
    prop_assert!((a.intercept() - b.intercept()).abs() <= 1e-6 * (1.0 + a.intercept().abs()));
    Ok(())
}

fn linear(data: &Dataset) -> LinearModel {
    Linear::default().fit(data).unwrap()
}

fn ridge(data: &Dataset) -> LinearModel {
    Ridge::new(RidgeParams { alpha: 3.0, ..Default::default() }).unwrap().fit(data).unwrap()
}

proptest! {
    #[test]
    fn the_order_of_rows_does_not_matter(rows in rows(), seed in 0..100_usize) {
        let data = dataset(&rows);
        let shuffled = data.take(&order(rows.len(), seed)).unwrap();
        close(&linear(&data), &linear(&shuffled))?;
        close(&ridge(&data), &ridge(&shuffled))?;
        // Boosting sums integers: not even the last bit moves.
        let boosting = Gbdt::new(GbdtParams { num_iterations: 5, min_data_in_leaf: 3, ..Default::default() }).unwrap();
        prop_assert_eq!(boosting.fit(&data).unwrap(), boosting.fit(&shuffled).unwrap());
    }

    #[test]
    fn a_row_twice_is_a_row_of_weight_two(rows in rows(), twice in prop::collection::vec(any::<bool>(), 60)) {
        let data = dataset(&rows);
        let weights: Vec<f64> = (0..rows.len()).map(|i| if twice[i] { 2.0 } else { 1.0 }).collect();
        let weighted = data.clone().with_weights(weights).unwrap();
        let repeated: Vec<usize> = (0..rows.len()).flat_map(|i| vec![i; if twice[i] { 2 } else { 1 }]).collect();
        let repeated = data.take(&repeated).unwrap();
        close(&linear(&weighted), &linear(&repeated))?;
        close(&ridge(&weighted), &ridge(&repeated))?;
    }

    #[test]
    fn large_offsets_cost_no_digits(rows in rows(), power in 0..8_i32) {
        let far: Vec<[f64; 4]> = rows.iter().map(|r| [r[0] + 10.0_f64.powi(power), r[1], r[2], r[3]]).collect();
        let (a, b) = (linear(&dataset(&rows)), linear(&dataset(&far)));
        prop_assert!(a.coefficients().iter().zip(b.coefficients()).all(|(a, b)| (a - b).abs() <= 1e-7 * (1.0 + a.abs())));
        prop_assert!((b.means()[0] - a.means()[0] - 10.0_f64.powi(power)).abs() < 1e-6);
    }

    #[test]
    fn a_row_of_weight_zero_is_no_row(rows in rows()) {
        let mut strange = rows.clone();
        strange.push([1e3, -1e3, 1e3, 1e6]);
        let weights: Vec<f64> = (0..strange.len()).map(|i| f64::from(i < rows.len())).collect();
        close(&linear(&dataset(&strange).with_weights(weights).unwrap()), &linear(&dataset(&rows)))?;
    }

    #[test]
    fn units_scale_through(rows in rows(), power in -6..7_i32) {
        let scale = 10.0_f64.powi(power);
        let scaled: Vec<[f64; 4]> = rows.iter().map(|r| [r[0] * scale, r[1], r[2], r[3]]).collect();
        let (a, b) = (linear(&dataset(&rows)), linear(&dataset(&scaled)));
        let back = b.coefficients()[0] * scale;
        prop_assert!((a.coefficients()[0] - back).abs() <= 1e-8 * (1.0 + back.abs()));
        let (pa, pb) = (a.predict(dataset(&rows).x()).unwrap(), b.predict(dataset(&scaled).x()).unwrap());
        prop_assert!(pa.iter().zip(&pb).all(|(x, y)| (x - y).abs() <= 1e-7 * (1.0 + x.abs())));
    }

    #[test]
    fn a_redundant_column_is_aliased_and_changes_no_prediction(rows in rows(), factor in 0.1..10.0_f64) {
        let data = dataset(&rows);
        let twin: Vec<f64> = rows.iter().map(|r| factor * r[1] + 4.0).collect();
        let mut columns = data.x().columns().to_vec();
        columns.push(FeatureColumn::numeric("twin", twin));
        let wider = data.clone().with_features(FeatureMatrix::new(columns).unwrap()).unwrap();
        let (plain, wide) = (linear(&data), linear(&wider));
        prop_assert_eq!(wide.rank(), 3);
        prop_assert_eq!(wide.aliased().len(), 1);
        let (pa, pb) = (plain.predict(data.x()).unwrap(), wide.predict(wider.x()).unwrap());
        prop_assert!(pa.iter().zip(&pb).all(|(x, y)| (x - y).abs() <= 1e-8 * (1.0 + x.abs())));
    }

    #[test]
    fn residuals_are_orthogonal_to_what_was_fitted(rows in rows()) {
        let data = dataset(&rows);
        let residual = &data.y() - &linear(&data).predict(data.x()).unwrap();
        prop_assert!(residual.sum().abs() < 1e-7);
        for column in data.x().columns() {
            let product: f64 = column.as_numeric().unwrap().iter().zip(&residual).map(|(x, r)| x * r).sum();
            prop_assert!(product.abs() < 1e-5, "{product}");
        }
    }

    #[test]
    fn boosting_does_not_care_about_monotone_maps_of_a_feature(rows in rows()) {
        let mapped: Vec<[f64; 4]> = rows.iter().map(|r| [(r[0] / 40.0).exp(), r[1].powi(3), r[2], r[3]]).collect();
        let boosting = Gbdt::new(GbdtParams { num_iterations: 5, min_data_in_leaf: 3, ..Default::default() }).unwrap();
        let fit = |rows: &[[f64; 4]]| boosting.fit(&dataset(rows)).unwrap().predict(dataset(rows).x()).unwrap();
        prop_assert_eq!(fit(&rows), fit(&mapped));
    }

    #[test]
    fn every_kind_survives_its_file(rows in rows(), which in 0..9_usize) {
        let data = dataset(&rows);
        let spec = ModelSpec::parse(med_model::MODEL_NAMES[which], &Value::Null).unwrap();
        let saved = SavedModel::new(&spec, spec.fit(&data).unwrap(), "y");
        let loaded = SavedModel::from_json(&saved.to_json().unwrap()).unwrap();
        let (a, b) = (saved.predict(data.x()).unwrap(), loaded.predict(data.x()).unwrap());
        prop_assert!(a.iter().zip(&b).all(|(x, y)| x.to_bits() == y.to_bits()));
    }

    #[test]
    fn metrics_do_not_depend_on_the_order_of_rows(
        pairs in prop::collection::vec((0.0..1e5_f64, -10..100_i32), 2..50),
        seed in 0..100_usize,
    ) {
        let split = |pairs: &[(f64, i32)]| -> (Vec<f64>, Vec<f64>) {
            pairs.iter().map(|&(y, p)| (y, f64::from(p) * 1000.0)).unzip()
        };
        let shuffled: Vec<_> = order(pairs.len(), seed).into_iter().map(|i| pairs[i]).collect();
        let ((y, p), (ys, ps)) = (split(&pairs), split(&shuffled));
        let a = RegressionMetrics::of(&y, &p, None).unwrap();
        let b = RegressionMetrics::of(&ys, &ps, None).unwrap();
        for &metric in Metric::ALL {
            match (a.get(metric), b.get(metric)) {
                (Some(x), Some(y)) => prop_assert!((x - y).abs() <= 1e-9 * (1.0 + x.abs()), "{metric} {x} {y}"),
                (x, y) => prop_assert_eq!(x, y),
            }
        }
    }
}
