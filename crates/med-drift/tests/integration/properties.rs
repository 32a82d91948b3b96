//! Invariants of the measures on any samples.

use med_drift::DriftMeasure;
use med_drift::measure::CramersV;
use med_drift::{
    CategoricalSample, ColumnSample, DriftDetector, DriftError, DriftParams, DriftReport, LevelMerge, Method,
    NumericSample, Preset, SampleKind,
};
use med_schema::{FeatureColumn, FeatureMatrix};
use proptest::prelude::*;

/// Numbers with ties, gaps and missing values.
fn numbers() -> impl Strategy<Value = Vec<f64>> {
    let number = prop_oneof![
        4 => (-20_i32..20).prop_map(f64::from),
        4 => -100.0..100.0_f64,
        1 => Just(f64::NAN),
    ];
    prop::collection::vec(number, 4..80)
}

fn codes() -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(prop_oneof![9 => 0_u32..6, 1 => Just(u32::MAX)], 4..80)
}

fn names() -> Vec<String> {
    ["a", "b", "c", "d", "e", "f"].map(str::to_owned).to_vec()
}

fn numeric(values: &[f64]) -> ColumnSample {
    ColumnSample::Numeric(NumericSample::new(values))
}

fn categorical(codes: &[u32]) -> ColumnSample {
    ColumnSample::Categorical(CategoricalSample::new(codes, &names()).unwrap())
}

/// Distance and p-value, `None` where the measure has no value.
fn measured(method: Method, reference: &ColumnSample, current: &ColumnSample) -> Option<(f64, Option<f64>)> {
    let kind = reference.as_sample().kind();
    match method.measure(Preset::Default, kind).measure(reference.as_sample(), current.as_sample()) {
        Ok(drift) => Some((drift.distance, drift.p_value)),
        Err(DriftError::NotDefined { .. } | DriftError::TooFewRows { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

fn of_kind(kind: SampleKind) -> impl Iterator<Item = Method> {
    Method::ALL.iter().copied().filter(move |m| m.supports(kind))
}

/// Methods whose distance is the same when the sides are swapped.
const SYMMETRIC: [Method; 12] = [
    Method::Ks,
    Method::Emd,
    Method::ChiSquare,
    Method::GTest,
    Method::Anderson,
    Method::CramerVonMises,
    Method::Energy,
    Method::MannWhitney,
    Method::TTest,
    Method::Welch,
    Method::Levene,
    Method::StdStability,
];

/// Methods whose distance cannot be above 1.
const BOUNDED: [Method; 9] = [
    Method::Ks,
    Method::Emd,
    Method::JensenShannon,
    Method::Hellinger,
    Method::Tv,
    Method::LInfinity,
    Method::CramersV,
    Method::MannWhitney,
    Method::StdStability,
];

fn check_pair(reference: &ColumnSample, current: &ColumnSample) -> Result<(), TestCaseError> {
    for method in of_kind(reference.as_sample().kind()) {
        let Some((distance, p_value)) = measured(method, reference, current) else { continue };
        // Two statistics are centred: 0 is what no drift gives on average.
        let centred = matches!(method, Method::Anderson | Method::CramerVonMises);
        prop_assert!(centred || distance >= 0.0, "{method} {distance}");
        if BOUNDED.contains(&method) {
            prop_assert!(distance <= 1.0 + 1e-12, "{method} {distance}");
        }
        if let Some(p) = p_value {
            prop_assert!((0.0..=1.0).contains(&p), "{method} {p}");
        }
        if SYMMETRIC.contains(&method) {
            let (swapped, q_value) = measured(method, current, reference).unwrap();
            prop_assert!(
                distance == swapped || (distance - swapped).abs() <= 1e-9 * distance.abs() + 1e-12,
                "{method}"
            );
            if let (Some(p), Some(q)) = (p_value, q_value) {
                prop_assert!((p - q).abs() <= 1e-8, "{method} {p} {q}");
            }
        }
        if let Some((same, p)) = measured(method, reference, reference) {
            prop_assert!(centred || same == 0.0, "{method} {same}");
            let floor = if method == Method::Anderson { 0.25 } else { 1.0 - 1e-9 };
            prop_assert!(p.is_none_or(|p| p >= floor), "{method} {p:?}");
        }
    }
    Ok(())
}

fn matrix(numbers: &[Vec<f64>], codes: &[u32]) -> FeatureMatrix {
    let rows = numbers.iter().map(Vec::len).chain([codes.len()]).min().unwrap();
    let numeric = numbers.iter().enumerate().map(|(i, v)| FeatureColumn::numeric(format!("x{i}"), v[..rows].to_vec()));
    let plan = FeatureColumn::categorical("plan", codes[..rows].to_vec(), names()).unwrap();
    FeatureMatrix::new(numeric.chain([plan]).collect()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn numeric_measures_keep_their_range_and_symmetry(a in numbers(), b in numbers()) {
        check_pair(&numeric(&a), &numeric(&b))?;
    }

    #[test]
    fn categorical_measures_keep_their_range_and_symmetry(a in codes(), b in codes()) {
        check_pair(&categorical(&a), &categorical(&b))?;
    }

    #[test]
    fn the_order_of_rows_does_not_matter(
        (a, shuffled_a) in numbers().prop_flat_map(|v| (Just(v.clone()), Just(v).prop_shuffle())),
        (b, shuffled_b) in numbers().prop_flat_map(|v| (Just(v.clone()), Just(v).prop_shuffle())),
        (c, shuffled_c) in codes().prop_flat_map(|v| (Just(v.clone()), Just(v).prop_shuffle())),
        d in codes(),
    ) {
        for method in of_kind(SampleKind::Numeric) {
            let ordered = measured(method, &numeric(&a), &numeric(&b));
            let shuffled = measured(method, &numeric(&shuffled_a), &numeric(&shuffled_b));
            // Moments are summed in the order of the rows; all else is exact.
            let summed = matches!(method, Method::StdStability | Method::TTest | Method::Welch | Method::Wasserstein);
            match (ordered, shuffled) {
                (Some((x, _)), Some((y, _))) if summed && x.is_finite() => prop_assert!((x - y).abs() <= 1e-9 * (1.0 + x), "{method}"),
                _ => prop_assert_eq!(ordered, shuffled, "{}", method),
            }
        }
        for method in of_kind(SampleKind::Categorical) {
            let ordered = measured(method, &categorical(&c), &categorical(&d));
            prop_assert_eq!(ordered, measured(method, &categorical(&shuffled_c), &categorical(&d)), "{}", method);
        }
    }

    #[test]
    fn renaming_codes_does_not_matter(a in codes(), b in codes()) {
        // The current side lists its levels backwards.
        let mut backwards = names();
        backwards.reverse();
        let renamed: Vec<u32> = b.iter().map(|&c| if c == u32::MAX { c } else { 5 - c }).collect();
        let other = ColumnSample::Categorical(CategoricalSample::new(&renamed, &backwards).unwrap());
        for method in of_kind(SampleKind::Categorical) {
            prop_assert_eq!(measured(method, &categorical(&a), &categorical(&b)), measured(method, &categorical(&a), &other));
        }
    }

    #[test]
    fn rank_measures_see_only_the_order_of_values(a in numbers(), b in numbers()) {
        let stretched = |v: &[f64]| v.iter().map(|x| (x / 40.0).exp()).collect::<Vec<_>>();
        let (found, expected) =
            (measured(Method::Ks, &numeric(&stretched(&a)), &numeric(&stretched(&b))), measured(Method::Ks, &numeric(&a), &numeric(&b)));
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn merging_never_loses_the_whole_table(a in codes(), b in codes(), share in 0.0..0.9_f64, k in 1_usize..6) {
        let merge = LevelMerge { min_share: share, max_levels: Some(k), ..LevelMerge::default() };
        let measure = CramersV::new(merge).unwrap();
        if let Ok(drift) = measure.measure(categorical(&a).as_sample(), categorical(&b).as_sample()) {
            prop_assert!((0.0..=1.0 + 1e-12).contains(&drift.distance));
        }
    }

    #[test]
    fn the_number_of_threads_does_not_matter(
        a in prop::collection::vec(numbers(), 1..6), b in prop::collection::vec(numbers(), 6),
        c in codes(), d in codes(),
    ) {
        let (reference, current) = (matrix(&a, &c), matrix(&b[..a.len()], &d));
        let detector = DriftDetector::new(DriftParams { min_samples: 1, ..DriftParams::default() }).unwrap();
        let run = |threads: usize| -> DriftReport {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| detector.detect(&reference, &current)).unwrap()
        };
        let alone = serde_json::to_string(&run(1)).unwrap();
        prop_assert_eq!(&alone, &serde_json::to_string(&run(4)).unwrap());
    }
}
