use proptest::prelude::*;

use super::*;

/// Splitmix64, as numbers in [0, 1).
fn uniform(seed: u64) -> impl Iterator<Item = f64> {
    let step = 0x9e37_79b9_7f4a_7c15_u64;
    (1..).map(move |i: u64| (mix(seed.wrapping_add(i.wrapping_mul(step))) >> 11) as f64 / (1_u64 << 53) as f64)
}

/// Shapes that are hard for one sketch or another.
fn shapes(n: usize, seed: u64) -> Vec<(&'static str, Vec<f64>)> {
    let draws: Vec<f64> = uniform(seed).take(n).collect();
    let sorted: Vec<f64> = (0..n).map(|i| i as f64).collect();
    let zigzag = (0..n).map(|i| if i % 2 == 0 { i as f64 } else { (2 * n - i) as f64 });
    vec![
        ("uniform", draws.clone()),
        ("pareto", draws.iter().map(|u| (1.0 - u).powf(-1.0 / 1.1)).collect()),
        ("few levels", draws.iter().map(|u| (u * 7.0).floor()).collect()),
        ("mostly zero", draws.iter().map(|u| if *u < 0.9 { 0.0 } else { *u }).collect()),
        ("constant", vec![3.5; n]),
        ("zigzag", zigzag.collect()),
        ("reversed", sorted.iter().rev().copied().collect()),
        ("sorted", sorted),
    ]
}

/// Largest error of the ranks at 201 places, and the bound of one of them.
fn worst_error(sketch: &QuantileSketch, values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let n = sorted.len();
    let error = |i: usize| {
        let value = sorted[(i * (n - 1)) / 200];
        let exact = sorted.partition_point(|v| *v <= value) as f64 / n as f64;
        (sketch.rank(value).unwrap() - exact).abs()
    };
    (0..=200).map(error).fold(0.0, f64::max)
}

#[test]
fn every_shape_keeps_the_bound_in_bounded_memory() {
    for (k, n) in [(64, 30_000), (256, 100_000), (2048, 200_000)] {
        for (name, values) in shapes(n, u64::from(k)) {
            let mut sketch = QuantileSketch::new(k, 1);
            sketch.extend(&values);
            let (error, one) = (worst_error(&sketch, &values), sketch.rank_error(0.99));
            assert!(one < 4.5 / f64::from(k), "{name} k {k}: bound {one}");
            // 201 ranks at once, each at 99 %: the uniform bound holds for all of them.
            assert!(error <= sketch.uniform_rank_error(0.99), "{name} k {k}: {error} of {one}");
            assert!(sketch.len() <= 3 * k as usize + 8 * 24, "{name} k {k}: {} kept", sketch.len());
            assert_eq!(sketch.count(), n as u64);
        }
    }
}

#[test]
fn merging_many_parts_keeps_the_bound() {
    let n = 120_000;
    for (name, values) in shapes(n, 3) {
        for part in [97, 5_000, 40_000] {
            let mut merged = QuantileSketch::new(256, 0);
            for (i, values) in values.chunks(part).enumerate() {
                let mut sketch = QuantileSketch::new(256, i as u64);
                sketch.extend(values);
                merged.merge(&sketch);
            }
            let (error, one) = (worst_error(&merged, &values), merged.rank_error(0.99));
            assert!(one < 7.5 / 256.0, "{name} in parts of {part}: bound {one}");
            assert!(error <= merged.uniform_rank_error(0.99), "{name} in parts of {part}: {error} of {one}");
            assert!(merged.len() <= 3 * 256 + 8 * 24);
        }
    }
}

/// The bound is of probability: over many seeds, one rank leaves the 90 % bound no more often than in 10 %.
#[test]
fn the_bound_holds_as_often_as_it_says() {
    let values: Vec<f64> = uniform(11).take(20_000).collect();
    let mut sorted = values.clone();
    sorted.sort_unstable_by(f64::total_cmp);
    let (mut outside, mut total) = (0, 0.0);
    for seed in 0..300 {
        let mut sketch = QuantileSketch::new(64, seed);
        sketch.extend(&values);
        let error = sketch.rank(sorted[7_000]).unwrap() - 7_001.0 / 20_000.0;
        outside += usize::from(error.abs() > sketch.rank_error(0.9));
        total += error;
    }
    assert!(outside <= 30, "{outside} of 300");
    assert!((total / 300.0).abs() < 0.002, "a bias of {}", total / 300.0);
}

#[test]
fn small_samples_are_exact_with_ends_and_interpolation() {
    let mut sketch = QuantileSketch::new(2048, 0);
    sketch.extend(&[3.0, f64::NAN, 1.0, 2.0, 10.0]);
    assert_eq!((sketch.count(), sketch.is_exact(), sketch.rank_error(1.0)), (4, true, 0.0));
    assert_eq!(sketch.quantiles(&[0.0, 0.5, 0.75, 1.0, 1.5]), [Some(1.0), Some(2.5), Some(4.75), Some(10.0), None]);
    assert_eq!((sketch.rank(2.0), sketch.rank(0.5), sketch.rank(99.0)), (Some(0.5), Some(0.0), Some(1.0)));
    let empty = QuantileSketch::new(8, 0);
    assert_eq!((empty.quantile(0.5), empty.rank(1.0), empty.min()), (None, None, None));
}

#[test]
fn what_is_damaged_is_refused() {
    let mut sketch = QuantileSketch::new(8, 0);
    sketch.extend(&[1.0, f64::INFINITY, 2.0]);
    let json = serde_json::to_string(&sketch).unwrap();
    for (right, wrong) in [
        ("\"count\":3", "\"count\":4"),
        ("\"Infinity\",2.0]", "\"NaN\",2.0]"),
        ("\"min\":1.0", "\"min\":1.5"),
        ("[[", "[],[["),
    ] {
        assert!(json.contains(right), "{json}");
        assert!(serde_json::from_str::<QuantileSketch>(&json.replace(right, wrong)).is_err(), "{wrong}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the values and the cuts: weights are kept, ends are exact, the written sketch is the sketch.
    #[test]
    fn invariants(values in prop::collection::vec(prop_oneof![8 => -9.0..9.0_f64, 1 => Just(f64::INFINITY), 1 => Just(-0.0)], 1..600), cut in 1..200_usize) {
        let mut sketch = QuantileSketch::new(8, 5);
        for (i, part) in values.chunks(cut).enumerate() {
            let mut other = QuantileSketch::new(8, i as u64);
            other.extend(part);
            sketch.merge(&other);
        }
        prop_assert_eq!(sketch.count(), values.len() as u64);
        prop_assert_eq!(sketch.min(), values.iter().copied().reduce(f64::min));
        prop_assert_eq!(sketch.max(), values.iter().copied().reduce(f64::max));
        let steps = sketch.steps();
        prop_assert_eq!(steps.last().map(|s| s.1), Some(sketch.count()));
        prop_assert!(steps.is_sorted_by(|a, b| a.0 <= b.0 && a.1 < b.1));
        let quantiles: Vec<f64> = sketch.quantiles(&[0.0, 0.2, 0.5, 0.8, 1.0]).into_iter().flatten().collect();
        prop_assert!(quantiles.len() == 5 && quantiles.is_sorted());
        let back: QuantileSketch = serde_json::from_str(&serde_json::to_string(&sketch).unwrap()).unwrap();
        prop_assert_eq!(back, sketch);
    }
}
