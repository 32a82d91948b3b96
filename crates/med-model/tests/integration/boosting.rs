//! Gradient boosting: objectives, calibration, control, and what must not change a model.

use std::ops::ControlFlow;

use med_model::{
    BinLayout, FitError, FitOptions, Gbdt, GbdtCalibration, GbdtModel, GbdtParams, Halt, Importance, Model,
    MonotoneConstraints, Objective, Progress, Regressor, Warning,
};
use med_schema::{Dataset, FeatureColumn, FeatureMatrix};
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use crate::fixtures::{clients, small};

const ALL: [Objective; 7] = [
    Objective::Regression,
    Objective::RegressionL1,
    Objective::Huber,
    Objective::Quantile,
    Objective::Poisson,
    Objective::Gamma,
    Objective::Tweedie,
];

fn fit(params: &GbdtParams, data: &Dataset) -> GbdtModel {
    Gbdt::new(params.clone()).unwrap().fit(data).unwrap()
}

fn predict(params: &GbdtParams, data: &Dataset) -> Vec<f64> {
    fit(params, data).predict(data.x()).unwrap().to_vec()
}

fn few(objective: Objective) -> GbdtParams {
    // Huber's bend lies beyond all residuals: gradients cut to one size tie, and rounding then decides between splits.
    let alpha = if objective == Objective::Huber { 1e4 } else { 0.9 };
    GbdtParams { objective, alpha, num_iterations: 8, num_leaves: 6, min_data_in_leaf: 1, ..Default::default() }
}

fn close(a: &[f64], b: &[f64], relative: f64) -> Result<(), TestCaseError> {
    for (x, y) in a.iter().zip(b) {
        prop_assert!((x - y).abs() <= relative * (1.0 + x.abs().max(y.abs())), "{x} {y}");
    }
    Ok(())
}

/// Costs above 0 with two numeric columns and gaps in one.
fn rows() -> impl Strategy<Value = Vec<[f64; 3]>> {
    prop::collection::vec(prop::array::uniform3(1.0..100.0_f64), 30..80)
}

fn dataset(rows: &[[f64; 3]]) -> Dataset {
    let a: Vec<f64> = rows.iter().map(|r| r[0]).collect();
    let b: Vec<f64> = rows.iter().map(|r| if r[1] < 20.0 { f64::NAN } else { r[1] }).collect();
    let x = FeatureMatrix::new(vec![FeatureColumn::numeric("a", a), FeatureColumn::numeric("b", b)]).unwrap();
    Dataset::new(x, "cost", rows.iter().map(|r| r[0] + r[2]).collect::<Vec<f64>>()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_order_of_rows_moves_no_bit_with_any_objective(rows in rows(), by in 1..29_usize) {
        let data = dataset(&rows);
        let order: Vec<usize> = (0..rows.len()).map(|i| (i * 7 + by) % rows.len()).collect();
        let mut order: Vec<usize> = order.into_iter().chain(0..rows.len()).collect();
        let mut seen = vec![false; rows.len()];
        order.retain(|&i| !std::mem::replace(&mut seen[i], true));
        let shuffled = data.take(&order).unwrap();
        for objective in ALL.into_iter().chain([Objective::Auto]) {
            prop_assert_eq!(fit(&few(objective), &data), fit(&few(objective), &shuffled), "{:?}", objective);
        }
    }

    #[test]
    fn the_order_of_columns_and_a_constant_column_do_not_matter(rows in rows()) {
        let data = dataset(&rows);
        let columns = data.x().columns();
        let with = |columns: Vec<FeatureColumn>| data.clone().with_features(FeatureMatrix::new(columns).unwrap()).unwrap();
        let swapped = with(vec![columns[1].clone(), columns[0].clone()]);
        let constant = FeatureColumn::numeric("constant", vec![7.0; rows.len()]);
        let wider = with(vec![columns[0].clone(), constant, columns[1].clone()]);
        for objective in ALL {
            let plain = predict(&few(objective), &data);
            // Gradients that are signs tie between columns, and the first of equal gains is taken.
            if !matches!(objective, Objective::RegressionL1 | Objective::Quantile) {
                prop_assert_eq!(&plain, &predict(&few(objective), &swapped), "{:?}", objective);
            }
            prop_assert_eq!(&plain, &predict(&few(objective), &wider), "{:?}", objective);
        }
    }

    #[test]
    fn a_row_twice_is_a_row_of_weight_two(rows in rows(), twice in prop::collection::vec(any::<bool>(), 80)) {
        let data = dataset(&rows);
        let weights: Vec<f64> = (0..rows.len()).map(|i| if twice[i] { 2.0 } else { 1.0 }).collect();
        let weighted = data.clone().with_weights(weights).unwrap();
        let repeated: Vec<usize> = (0..rows.len()).flat_map(|i| vec![i; if twice[i] { 2 } else { 1 }]).collect();
        let repeated = data.take(&repeated).unwrap();
        for objective in ALL.into_iter().chain([Objective::Auto]) {
            // Gradients that are signs tie between splits.
            if matches!(objective, Objective::RegressionL1 | Objective::Quantile) {
                continue;
            }
            let (a, b) = (fit(&few(objective), &weighted), fit(&few(objective), &repeated));
            let of = |model: &GbdtModel| model.predict(data.x()).unwrap().to_vec();
            close(&of(&a), &of(&b), 1e-6)?;
        }
    }

    #[test]
    fn a_row_of_weight_zero_moves_nothing(rows in rows()) {
        let mut strange = rows.clone();
        strange.push([50.0, 50.0, 1e6]);
        let weights: Vec<f64> = (0..strange.len()).map(|i| f64::from(i < rows.len())).collect();
        let weighted = dataset(&strange).with_weights(weights).unwrap();
        let without = weighted.take(&(0..rows.len()).collect::<Vec<_>>()).unwrap();
        for objective in ALL {
            prop_assert_eq!(fit(&few(objective), &weighted), fit(&few(objective), &without));
        }
    }

    #[test]
    fn offset_form_equals_weight_form_for_poisson(rows in rows(), years in prop::collection::vec(0.2..1.0_f64, 80)) {
        let rates = dataset(&rows);
        let years = &years[..rows.len()];
        let counts: Vec<f64> = rates.y().iter().zip(years).map(|(y, e)| y * e).collect();
        let offset: Vec<f64> = years.iter().map(|e| e.ln()).collect();
        let counts = Dataset::new(rates.x().clone(), "cost", counts).unwrap();
        let params = GbdtParams { min_data_in_leaf: 3, ..few(Objective::Poisson) };
        let boosting = Gbdt::new(params).unwrap();
        let by_offset = boosting.fit_with(&counts, FitOptions::default().offset(&offset)).unwrap();
        let by_weight = boosting.fit(&counts.clone().with_exposure(years.to_vec()).unwrap()).unwrap();
        prop_assert!(by_offset.has_offset() && by_weight.has_exposure());
        close(&by_offset.predict(counts.x()).unwrap().to_vec(), &by_weight.predict(counts.x()).unwrap().to_vec(), 1e-4)?;
        // With the offset, the prediction is for the years at risk.
        let expected = by_offset.predict_with_offset(counts.x(), &offset).unwrap();
        let yearly = by_offset.predict(counts.x()).unwrap();
        for ((total, rate), e) in expected.iter().zip(&yearly).zip(years) {
            prop_assert!((total - rate * e).abs() <= 1e-9 * total);
        }
        prop_assert!((expected.sum() / counts.y().sum() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn monotone_constraints_hold_everywhere(rows in rows(), probe in prop::collection::vec(0.0..110.0_f64, 20)) {
        let data = dataset(&rows);
        for objective in [Objective::Regression, Objective::Huber, Objective::Tweedie, Objective::Poisson, Objective::Gamma] {
            for direction in [1_i8, -1] {
                let by_name = [("a".to_owned(), direction)].into_iter().collect();
                let params = GbdtParams {
                    monotone_constraints: MonotoneConstraints::ByName(by_name),
                    num_leaves: 12,
                    num_iterations: 15,
                    ..few(objective)
                };
                let model = fit(&params, &data);
                let mut a = probe.clone();
                a.sort_unstable_by(f64::total_cmp);
                for &b in [f64::NAN].iter().chain(&probe[..4]) {
                    let x = FeatureMatrix::new(vec![
                        FeatureColumn::numeric("a", a.clone()),
                        FeatureColumn::numeric("b", vec![b; a.len()]),
                    ]);
                    let p = model.predict(&x.unwrap()).unwrap();
                    let steps = p.iter().zip(p.iter().skip(1)).map(|(p, q)| f64::from(direction) * (q - p));
                    prop_assert!(steps.min_by(f64::total_cmp).unwrap() >= -1e-9 * p[0].abs(), "{objective:?} {p}");
                }
            }
        }
    }

    #[test]
    fn one_hot_columns_equal_a_native_category_of_few_levels(rows in rows(), n_levels in 2..=4_usize) {
        let numeric = dataset(&rows);
        let levels = ["north", "east", "south", "west"];
        let codes: Vec<usize> = (0..rows.len()).map(|i| (rows[i][1] * 31.0) as usize % n_levels).collect();
        let city = FeatureColumn::from_texts("city", codes.iter().map(|&c| Some(levels[c])));
        let age = numeric.x().columns()[0].clone();
        let dummy = |level: usize| {
            FeatureColumn::numeric(levels[level], codes.iter().map(|&c| f64::from(c == level)).collect::<Vec<f64>>())
        };
        let with = |columns| numeric.clone().with_features(FeatureMatrix::new(columns).unwrap()).unwrap();
        let native = with(vec![age.clone(), city]);
        let one_hot = with([age].into_iter().chain((0..n_levels).map(dummy)).collect());
        for objective in [Objective::Regression, Objective::Tweedie] {
            let params = GbdtParams { cat_l2: 0.0, cat_smooth: 0.0, min_data_per_group: 1, ..few(objective) };
            close(&predict(&params, &native), &predict(&params, &one_hot), 1e-6)?;
        }
    }
}

/// What health insurers see: gaps, survey weights (some zero), exposure, 76 % zeros and one claimant of 7 million.
fn claims(n: usize, seed: u64) -> Dataset {
    let mut random = Pcg64::seed_from_u64(seed);
    let mut draw = |low: f64, high: f64| random.random_range(low..high);
    let age: Vec<f64> = (0..n).map(|_| draw(0.0, 90.0)).collect();
    let bmi: Vec<f64> = (0..n).map(|_| if draw(0.0, 1.0) < 0.2 { f64::NAN } else { draw(18.0, 45.0) }).collect();
    let years: Vec<f64> = (0..n).map(|_| draw(0.1, 1.0)).collect();
    let weights: Vec<f64> = (0..n).map(|_| if draw(0.0, 1.0) < 0.1 { 0.0 } else { draw(0.5, 3.0) }).collect();
    let mut cost: Vec<f64> = age
        .iter()
        .zip(&years)
        .map(|(age, years)| {
            let risk = (0.04 * age).exp();
            if draw(0.0, 1.0) < 0.76 { 0.0 } else { 400.0 * risk * years * -(draw(1e-9, 1.0).ln()) * draw(0.2, 5.0) }
        })
        .collect();
    cost[n / 2] = 7e6;
    let x = FeatureMatrix::new(vec![FeatureColumn::numeric("age", age), FeatureColumn::numeric("bmi", bmi)]).unwrap();
    Dataset::new(x, "cost", cost).unwrap().with_weights(weights).unwrap().with_exposure(years).unwrap()
}

fn weighted_sums(model: &GbdtModel, data: &Dataset) -> (f64, f64) {
    let p = model.predict(data.x()).unwrap();
    let (weights, years) = (data.weights().unwrap(), data.exposure().unwrap());
    let predicted = (0..data.n_rows()).map(|i| weights[i] * years[i] * p[i]).sum();
    let actual = (0..data.n_rows()).map(|i| weights[i] * data.y()[i]).sum();
    (predicted, actual)
}

#[test]
fn the_default_on_claims_is_tweedie_and_comes_out_calibrated() {
    let data = claims(4000, 1);
    let model = fit(&GbdtParams::default(), &data);
    let objective = model.objective();
    assert_eq!(objective.name(), Objective::Tweedie);
    let power = objective.tweedie_variance_power().unwrap();
    assert!((1.1..=1.9).contains(&power), "{power}");
    let (predicted, actual) = weighted_sums(&model, &data);
    assert!((predicted / actual - 1.0).abs() < 1e-6, "{predicted} {actual}");
    assert!(model.predict(data.x()).unwrap().iter().all(|p| p.is_finite() && *p >= 0.0));
    for objective in [Objective::Poisson, Objective::Tweedie] {
        for (num_leaves, learning_rate) in [(2, 1.0), (255, 1.0), (31, 0.05)] {
            let params = GbdtParams { objective, num_leaves, learning_rate, min_data_in_leaf: 1, ..Default::default() };
            let (predicted, actual) = weighted_sums(&fit(&params, &data), &data);
            assert!((predicted / actual - 1.0).abs() < 0.02, "{objective:?} {num_leaves}: {predicted} {actual}");
        }
    }
    let raw = fit(&GbdtParams { calibration: GbdtCalibration::None, ..Default::default() }, &data);
    assert_eq!(raw.calibration(), 1.0);
    let squared = GbdtParams { objective: Objective::Regression, ..Default::default() };
    let warnings = Gbdt::new(squared).unwrap().warnings(&data);
    assert!(warnings.iter().any(|w| matches!(w, Warning::HeavyTail { .. })), "{warnings:?}");
    assert!(Gbdt::default().warnings(&data).is_empty());
}

#[test]
fn other_targets_get_squared_error_and_a_target_outside_the_domain_is_refused_with_its_row() {
    let data = small();
    let mut y = data.y().to_vec();
    y[11] = -5.0;
    let negative = Dataset::new(data.x().clone(), "cost", y.clone()).unwrap();
    assert_eq!(fit(&GbdtParams::default(), &negative).objective().name(), Objective::Regression);
    y[11] = 0.0;
    let zero = Dataset::new(data.x().clone(), "cost", y).unwrap();
    let error = |objective, data: &Dataset| {
        Gbdt::new(GbdtParams { objective, ..Default::default() }).unwrap().fit(data).unwrap_err().to_string()
    };
    for objective in [Objective::Poisson, Objective::Tweedie, Objective::Gamma] {
        assert!(error(objective, &negative).contains("row 11"), "{}", error(objective, &negative));
    }
    assert!(error(Objective::Gamma, &zero).contains("expected a value above 0"));
    // NaN and infinity do not even make a dataset; the error names the row.
    let nan = Dataset::new(data.x().clone(), "cost", vec![f64::NAN; data.n_rows()]).unwrap_err().to_string();
    assert!(nan.contains("row 0"), "{nan}");
    let weights = data.clone().with_weights(vec![f64::INFINITY; data.n_rows()]).unwrap_err().to_string();
    assert!(weights.contains("row 0"), "{weights}");
    assert_eq!(fit(&GbdtParams::default(), &zero).objective().name(), Objective::Tweedie);
}

#[test]
fn quantiles_cover_their_share_of_fresh_data() {
    let data = |seed| {
        let mut random = Pcg64::seed_from_u64(seed);
        let x: Vec<f64> = (0..4000).map(|_| random.random_range(0.0..10.0)).collect();
        let y: Vec<f64> =
            x.iter().map(|x| x * 10.0 - (1.0 + x) * 20.0 * random.random_range(1e-9..1.0_f64).ln()).collect();
        Dataset::new(FeatureMatrix::new(vec![FeatureColumn::numeric("x", x)]).unwrap(), "cost", y).unwrap()
    };
    let (train, fresh) = (data(1), data(2));
    for alpha in [0.1, 0.5, 0.9] {
        let params = GbdtParams { objective: Objective::Quantile, alpha, num_leaves: 8, ..Default::default() };
        let p = fit(&params, &train).predict(fresh.x()).unwrap();
        let below = fresh.y().iter().zip(&p).filter(|(y, p)| y <= p).count() as f64 / 4000.0;
        assert!((below - alpha).abs() < 0.03, "{alpha}: {below}");
    }
    let median = fit(&GbdtParams { objective: Objective::RegressionL1, num_leaves: 8, ..Default::default() }, &train);
    let p = median.predict(fresh.x()).unwrap();
    let below = fresh.y().iter().zip(&p).filter(|(y, p)| y <= p).count() as f64 / 4000.0;
    assert!((below - 0.5).abs() < 0.03, "{below}");
}

#[test]
fn the_number_of_threads_moves_no_bit() {
    let data = claims(70_000, 3);
    let sampled = GbdtParams {
        num_iterations: 4,
        bagging_fraction: 0.5,
        bagging_freq: 1,
        feature_fraction: 0.6,
        ..Default::default()
    };
    let all_rows = GbdtParams { num_iterations: 4, ..Default::default() };
    let quantile = GbdtParams { objective: Objective::Quantile, num_iterations: 2, ..Default::default() };
    // With two threads the eighth tree and the ninth are grown by one of them.
    let more = GbdtParams { objective: Objective::Regression, num_iterations: 12, ..Default::default() };
    let partial = GbdtParams { bin_layout: med_model::BinLayout::Partial, ..more.clone() };
    for params in [sampled, all_rows, quantile, more, partial] {
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| serde_json::to_string(&fit(&params, &data)).unwrap())
        };
        let one = with(1);
        assert!(one == with(2) && one == with(4));
    }
}

#[test]
fn how_bins_are_kept_moves_no_bit() {
    let claims = claims(140_000, 8);
    let n = claims.n_rows();
    let mut random = Pcg64::seed_from_u64(9);
    let mut draw = |below: u32| random.random_range(0..below);
    let mut columns = claims.x().columns().to_vec();
    // Columns that share bytes.
    let count = |name: &str, values: Vec<u32>| {
        FeatureColumn::numeric(name, values.into_iter().map(f64::from).collect::<Vec<_>>())
    };
    columns.push(count("visits", (0..n).map(|_| draw(20) * draw(2)).collect()));
    columns.push(count("smoker", (0..n).map(|_| draw(5) / 4).collect()));
    columns.push(count("female", (0..n).map(|_| draw(2)).collect()));
    let seldom: Vec<f64> = (0..n).map(|_| if draw(3) == 0 { f64::NAN } else { f64::from(draw(4)) }).collect();
    columns.push(FeatureColumn::numeric("score", seldom));
    for (name, n_levels) in [("region", 12), ("plan", 3)] {
        let levels = (0..n_levels).map(|level| format!("{name} {level}")).collect::<Vec<_>>();
        columns.push(
            FeatureColumn::categorical(name, (0..n).map(|_| draw(n_levels)).collect::<Vec<_>>(), levels).unwrap(),
        );
    }
    let numbers = |name: &str| columns.iter().find(|c| c.name() == name).unwrap().as_numeric().unwrap().to_vec();
    let (visits, smoker) = (numbers("visits"), numbers("smoker"));
    let region = columns[6].as_categorical().unwrap().0.to_vec();
    let factor = |row: usize| (1.0 + 0.3 * visits[row]) * (1.0 + 2.0 * smoker[row]) * f64::from(1 + region[row] % 4);
    let y: Vec<f64> = (0..n).map(|row| claims.y()[row] * factor(row)).collect();
    let data = Dataset::new(FeatureMatrix::new(columns).unwrap(), "cost", y).unwrap();
    let plain = GbdtParams { num_iterations: 4, num_leaves: 40, ..Default::default() };
    let mut shared = 0.0;
    for params in [
        plain.clone(),
        GbdtParams { objective: Objective::Regression, ..plain.clone() },
        GbdtParams { objective: Objective::Quantile, num_iterations: 2, ..plain.clone() },
        GbdtParams { bagging_fraction: 0.5, bagging_freq: 1, feature_fraction: 0.6, ..plain.clone() },
        GbdtParams { bagging_fraction: 0.05, bagging_freq: 1, ..plain },
    ] {
        let with = |threads: usize, bin_layout: BinLayout| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let params = GbdtParams { bin_layout, ..params.clone() };
            pool.install(|| fit(&params, &data))
        };
        let double = with(1, BinLayout::Double);
        shared += double.importance(Importance::Splits).iter().skip(2).sum::<f64>();
        let bits = serde_json::to_string(&double).unwrap();
        for (threads, layout) in [
            (3, BinLayout::Double),
            (1, BinLayout::Partial),
            (3, BinLayout::Partial),
            (1, BinLayout::Single),
            (3, BinLayout::Single),
        ] {
            assert!(bits == serde_json::to_string(&with(threads, layout)).unwrap(), "{threads} {layout:?}");
        }
    }
    assert!(shared > 50.0, "splits on columns that share bytes: {shared}");
}

#[test]
fn early_stopping_keeps_the_best_trees_of_a_given_or_held_back_part() {
    let (train, validation) = (claims(3000, 5), claims(3000, 6));
    let params = GbdtParams { num_iterations: 300, early_stopping_round: 5, ..Default::default() };
    let boosting = Gbdt::new(params.clone()).unwrap();
    let model = boosting.fit_with(&train, FitOptions::default().validation(&validation)).unwrap();
    let curve = model.learning_curve();
    assert_eq!(curve.metric(), "tweedie deviance");
    assert_eq!((model.n_trees(), curve.best_iteration()), (curve.best_iteration(), model.n_trees()));
    assert_eq!(curve.validation().len(), curve.best_iteration() + 5);
    assert_eq!(curve.train().len(), curve.validation().len());
    let best = curve.validation().iter().copied().fold(f64::INFINITY, f64::min);
    assert_eq!(curve.validation().iter().position(|&m| m == best), curve.best_iteration().checked_sub(1));
    let (predicted, actual) = weighted_sums(&model, &train);
    assert!((predicted / actual - 1.0).abs() < 1e-6, "{predicted} {actual}");
    let held_back = boosting.fit(&train).unwrap();
    assert!(held_back.n_trees() < 300 && held_back.learning_curve().validation().len() > held_back.n_trees());
    assert_eq!(held_back, boosting.fit(&train).unwrap());
    // Whoever the claimant of 7 million is put with.
    for seed in 1..7 {
        let boosting = Gbdt::new(GbdtParams { seed, ..params.clone() }).unwrap();
        let (predicted, actual) = weighted_sums(&boosting.fit(&train).unwrap(), &train);
        assert!((predicted / actual - 1.0).abs() < 1e-6, "seed {seed}: {predicted} {actual}");
    }
}

#[test]
fn sums_that_no_float_holds_are_an_error_and_not_a_loop() {
    let wide = |scale: f64| {
        let data = claims(300, 9);
        let y = data.y().iter().map(|y| y * scale).collect::<Vec<f64>>();
        Dataset::new(data.x().clone(), "cost", y).unwrap()
    };
    for objective in [Objective::RegressionL1, Objective::Huber, Objective::Quantile, Objective::Regression] {
        for scale in [1e280, 1e300] {
            let params = GbdtParams { objective, num_iterations: 5, ..Default::default() };
            if let Err(error) = Gbdt::new(params).unwrap().fit(&wide(scale)) {
                assert!(matches!(error, FitError::Overflow { .. }), "{objective:?}: {error}");
            }
        }
        let params = GbdtParams { objective: Objective::Regression, num_iterations: 5, ..Default::default() };
        let validation = wide(1e143);
        let options = FitOptions::default().validation(&validation);
        let error = Gbdt::new(params).unwrap().fit_with(&wide(1.0), options).unwrap_err();
        assert!(matches!(error, FitError::Overflow { .. }), "{error}");
    }
}

#[test]
fn progress_is_told_and_may_break_off_with_the_model_or_without() {
    let data = small();
    let boosting = Gbdt::new(GbdtParams { num_iterations: 50, ..Default::default() }).unwrap();
    let mut seen: Vec<Progress> = Vec::new();
    let mut keep = |progress: Progress| {
        seen.push(progress);
        if progress.iteration == 7 { ControlFlow::Break(Halt::Keep) } else { ControlFlow::Continue(()) }
    };
    let model = boosting.fit_with(&data, FitOptions::default().progress(&mut keep)).unwrap();
    assert_eq!((model.n_trees(), seen.len(), seen[6].num_iterations), (7, 7, 50));
    let curve: Vec<f64> = seen.iter().map(|p| p.train).collect();
    assert_eq!(curve, model.learning_curve().train());
    assert!(curve.is_sorted_by(|a, b| a > b), "{curve:?}");
    let mut discard = |_| ControlFlow::Break(Halt::Discard);
    let error = boosting.fit_with(&data, FitOptions::default().progress(&mut discard)).unwrap_err();
    assert!(matches!(error, FitError::Cancelled { iterations: 1, .. }), "{error}");
}

#[test]
fn seeds_decide_samples_and_nothing_else_does() {
    let data = claims(2000, 9);
    let with = |seed, bagging_fraction, feature_fraction| {
        let num_iterations = 5;
        fit(
            &GbdtParams {
                seed,
                bagging_fraction,
                bagging_freq: 1,
                feature_fraction,
                num_iterations,
                ..Default::default()
            },
            &data,
        )
    };
    assert_eq!(with(1, 0.5, 1.0), with(1, 0.5, 1.0));
    assert_ne!(with(1, 0.5, 1.0), with(2, 0.5, 1.0));
    assert_ne!(with(1, 1.0, 0.5), with(3, 1.0, 0.5));
    assert_eq!(with(1, 1.0, 1.0), with(2, 1.0, 1.0));
}

#[test]
fn constraints_name_columns_that_exist() {
    let data = small();
    let error = |params| Gbdt::new(params).unwrap().fit(&data).unwrap_err().to_string();
    let by_name = [("agee".to_owned(), 1)].into_iter().collect();
    let text = error(GbdtParams { monotone_constraints: MonotoneConstraints::ByName(by_name), ..Default::default() });
    assert_eq!(text, "parameter monotone_constraints of gbdt: there is no feature \"agee\" (did you mean age?)");
    let by_position = MonotoneConstraints::ByPosition(vec![1, 0]);
    let text = error(GbdtParams { monotone_constraints: by_position, ..Default::default() });
    assert!(text.ends_with("expected one for each of 3 features, found 2"), "{text}");
    let text = error(GbdtParams { interaction_constraints: vec![vec!["height".to_owned()]], ..Default::default() });
    assert!(text.contains("there is no feature \"height\""), "{text}");
    let short = Gbdt::default().fit_with(&data, FitOptions::default().offset(&[0.0])).unwrap_err().to_string();
    assert_eq!(short, "offset of gbdt: expected 120 values, found 1");
}

#[test]
fn features_that_decide_are_important() {
    let (train, _) = clients();
    let model = fit(&GbdtParams { num_iterations: 30, ..Default::default() }, &train);
    for by in [Importance::Gain, Importance::Splits] {
        let importance = model.importance(by);
        let of = |name: &str| importance[model.features().names().position(|n| n == name).unwrap()];
        assert!(of("insurance_coverage_pct") > 5.0 * of("daily_steps") && of("daily_steps") >= 0.0, "{importance}");
    }
}
