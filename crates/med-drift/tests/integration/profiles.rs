//! Drift from profiles against drift from the rows they were made of.

use med_drift::{DriftDetector, DriftError, DriftParams, DriftReason, DriftReport, Method, Preset};
use med_schema::{Column, ColumnProfile, FeatureColumn, FeatureMatrix, Kind, Profile, ProfileOptions, ValueType};
use proptest::prelude::*;

/// One table in both forms: a numeric and a nominal column.
fn both_forms(numbers: &[f64], levels: &[u32], options: &ProfileOptions, parts: usize) -> (FeatureMatrix, Profile) {
    let name = |code: &u32| format!("level {code}");
    let texts: Vec<String> = levels.iter().map(name).collect();
    let matrix = FeatureMatrix::new(vec![
        FeatureColumn::numeric("cost", numbers.to_vec()),
        FeatureColumn::from_texts("plan", texts.iter().map(|t| Some(t.as_str()))),
    ]);
    let mut whole: Option<Profile> = None;
    let size = numbers.len().div_ceil(parts);
    for (part, (numbers, texts)) in numbers.chunks(size).zip(texts.chunks(size)).enumerate() {
        let options = ProfileOptions { seed: options.seed + part as u64, ..*options };
        let mut cost = ColumnProfile::new(Column::new("cost", Kind::Continuous, ValueType::Float), &options);
        cost.add_real(numbers);
        let mut plan = ColumnProfile::new(Column::new("plan", Kind::Nominal, ValueType::Text), &options);
        texts.iter().for_each(|t| plan.add_text(t));
        let profile = Profile::new(numbers.len() as u64, vec![cost, plan]).unwrap();
        match &mut whole {
            Some(whole) => whole.merge(&profile).unwrap(),
            None => whole = Some(profile),
        }
    }
    (matrix.unwrap(), whole.unwrap())
}

/// Values of a shape, reproducible: uniform, tied, with many zeros, or with a heavy tail.
fn draw(shape: u32, rows: usize, shift: f64, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut uniform = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    };
    let value = |u: f64, v: f64| match shape {
        0 => u + shift,
        1 => (u * 12.0 + 3.0 * shift).floor(),
        2 if v < 0.55 + shift / 4.0 => 0.0,
        2 => u * 100.0,
        _ => u.powf(-0.6) * (1.0 + shift),
    };
    (0..rows).map(|_| value(uniform(), uniform())).collect()
}

fn detect(method: Method, forms: [&(FeatureMatrix, Profile); 2]) -> [DriftReport; 2] {
    let detector = DriftDetector::new(DriftParams::default().with_method(method)).unwrap();
    let [reference, current] = forms;
    [detector.detect(&reference.0, &current.0).unwrap(), detector.detect_profiles(&reference.1, &current.1).unwrap()]
}

const BOUNDED: [Method; 13] = [
    Method::Ks,
    Method::Kuiper,
    Method::Wasserstein,
    Method::Energy,
    Method::Psi,
    Method::JensenShannon,
    Method::Hellinger,
    Method::Kl,
    Method::Tv,
    Method::LInfinity,
    Method::TTest,
    Method::Welch,
    Method::StdStability,
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The score of the rows is never further away than the profile says, with sketches so small that they forget, of parts merged.
    #[test]
    fn the_score_of_the_rows_is_within_the_bound(
        shape in 0_u32..4, rows in 300_usize..4000, other in 300_usize..4000, shift in 0.0..0.6_f64,
        seed in 0_u64..1000, k in 24_u32..200, parts in 1_usize..5, levels in 10_usize..300,
    ) {
        let options = ProfileOptions { quantile_k: k, value_capacity: 40, seed };
        let code = |u: f64| (u * u * levels as f64) as u32;
        let of = |rows: usize, shift: f64, seed: u64| {
            let plans: Vec<u32> = draw(0, rows, 0.0, seed + 7).into_iter().map(|u| code((u + shift / 3.0) % 1.0)).collect();
            both_forms(&draw(shape, rows, shift, seed), &plans, &options, parts)
        };
        let (reference, current) = (of(rows, 0.0, seed), of(other, shift, seed + 1));
        for method in BOUNDED {
            let [exact, profiled] = detect(method, [&reference, &current]);
            for (e, p) in exact.columns.iter().zip(&profiled.columns) {
                if e.method != method {
                    continue;
                }
                let (Some(exact), Some(score)) = (e.score, p.score) else {
                    prop_assert_eq!(e.score.is_some(), p.score.is_some(), "{} {}: {:?}", method, &e.name, &p.message);
                    continue;
                };
                let bound = p.score_error.unwrap();
                let rounding = 1e-9 * (1.0 + exact.abs());
                prop_assert!((exact - score).abs() <= bound + rounding, "{} {}: {} {} {}", method, &e.name, exact, score, bound);
                if let (Some(sure), Some(p_value)) = (p.p_value, e.p_value) {
                    prop_assert!(sure >= p_value * (1.0 - 1e-6) - 1e-12, "{}: {} {}", method, sure, p_value);
                }
            }
        }
    }
}

#[test]
fn while_the_sketches_are_exact_so_is_every_score() {
    let options = ProfileOptions::default();
    let plans = |rows: usize, k: usize| (0..rows).map(|i| (i * i % k) as u32).collect::<Vec<_>>();
    let reference = both_forms(&draw(3, 2000, 0.0, 1), &plans(2000, 7), &options, 3);
    let current = both_forms(&draw(3, 1500, 0.3, 2), &plans(1500, 9), &options, 2);
    for &method in Method::ALL {
        let [exact, profiled] = detect(method, [&reference, &current]);
        for (e, p) in exact.columns.iter().zip(&profiled.columns) {
            let close = |a: Option<f64>, b: Option<f64>| match (a, b) {
                (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * (1.0 + a.abs()),
                (a, b) => a == b,
            };
            assert!(close(e.score, p.score) && close(e.p_value, p.p_value), "{method} {}: {e:?} {p:?}", e.name);
            assert_eq!((e.drifted, p.score_error), (p.drifted, p.score.map(|_| 0.0)), "{method} {}", e.name);
        }
    }
}

#[test]
fn large_profiles_are_close_and_find_the_shift() {
    let options = ProfileOptions::default();
    let plans: Vec<u32> = (0..120_000).map(|i| i % 5).collect();
    let reference = both_forms(&draw(0, 120_000, 0.0, 3), &plans, &options, 4);
    let current = both_forms(&draw(0, 120_000, 0.15, 4), &plans, &options, 1);
    let [_, report] = detect(Method::Ks, [&reference, &current]);
    let cost = report.column("cost").unwrap();
    assert!(cost.drifted && cost.reasons == [DriftReason::Values], "{cost:?}");
    assert!((cost.score.unwrap() - 0.15).abs() < 0.01 && cost.score_error.unwrap() < 0.015, "{cost:?}");
    assert!(!report.column("plan").unwrap().drifted);
    // A coarse sketch must not make a difference of no size significant.
    let [_, same] = detect(Method::Ks, [&reference, &reference]);
    assert_eq!(same.column("cost").unwrap().p_value, Some(1.0));
}

#[test]
fn what_a_profile_cannot_answer_is_said() {
    let options = ProfileOptions { quantile_k: 16, value_capacity: 16, seed: 0 };
    let plans: Vec<u32> = (0..2000).map(|i| i * 7 % 400).collect();
    let table = both_forms(&draw(0, 2000, 0.0, 5), &plans, &options, 1);
    let [_, report] = detect(Method::Anderson, [&table, &table]);
    assert!(report.columns.iter().all(|c| c.score.is_none() && c.message.is_some()), "{report:?}");
    let message = report.column("plan").unwrap().message.clone().unwrap();
    assert!(message.contains("most frequent levels") && message.contains("jensen_shannon"), "{message}");
    for preset in [Preset::Evidently, Preset::Nannyml] {
        let detector = DriftDetector::new(DriftParams::preset(preset)).unwrap();
        assert_eq!(detector.detect_profiles(&table.1, &table.1).unwrap_err(), DriftError::NeedsRows { preset });
    }
    let text = ColumnProfile::new(Column::new("cost", Kind::Nominal, ValueType::Text), &options);
    let other = Profile::new(0, vec![text]).unwrap();
    let error = DriftDetector::default().detect_profiles(&table.1, &other).unwrap_err();
    assert!(matches!(error, DriftError::MissingColumns { .. }), "{error}");
}
