//! What holds for any data.

use med_features::statistic::{kendall, mutual_information, pearson, spearman, std_stability, sum};
use med_features::{
    Encoder, Evidence, FittedEncoder, GroupSplit, KFold, KeyedSplit, OneHot, RandomSplit, SelectionMethod, Selector,
    Split, StratifiedSplit, TimeFolds, TimeSplit,
};
use med_schema::{Dataset, FeatureColumn, FeatureMatrix};
use proptest::prelude::*;

use crate::fixture::csv;

fn is_partition(split: &Split, rows: usize) {
    let mut all: Vec<usize> = split.train().iter().chain(split.test()).copied().collect();
    all.sort_unstable();
    assert_eq!(all, (0..rows).collect::<Vec<_>>());
    let json = serde_json::to_string(split).unwrap();
    assert_eq!(serde_json::from_str::<Split>(&json).unwrap(), *split);
}

proptest! {
    #[test]
    fn random_splits_part_the_rows(rows in 2_usize..500, share in 0.01..0.99, seed: u64) {
        let random = RandomSplit::new(share, seed).unwrap();
        let split = random.split(rows).unwrap();
        is_partition(&split, rows);
        prop_assert_eq!(&split, &random.split(rows).unwrap());
        prop_assert!((split.train().len() as f64 - share * rows as f64).abs() <= 1.0);
    }

    #[test]
    fn groups_stay_whole(groups in prop::collection::vec(0_u8..20, 2..200), share in 0.1..0.9, seed: u64) {
        let by_group = GroupSplit::new(share, seed).unwrap();
        match by_group.split(&groups) {
            Ok(split) => {
                is_partition(&split, groups.len());
                let test: Vec<u8> = split.test().iter().map(|&r| groups[r]).collect();
                prop_assert!(split.train().iter().all(|&r| !test.contains(&groups[r])));
                prop_assert_eq!(&split, &by_group.split(&groups).unwrap());
            }
            Err(_) => prop_assert!(groups.iter().all(|g| *g == groups[0])),
        }
    }

    #[test]
    fn no_test_row_is_before_a_training_row(times in prop::collection::vec(-50_i64..50, 2..200), share in 0.1..0.9) {
        match TimeSplit::fraction(share).unwrap().split(&times) {
            Ok(split) => {
                is_partition(&split, times.len());
                let last = split.train().iter().map(|&r| times[r]).max().unwrap();
                prop_assert!(split.test().iter().all(|&r| times[r] > last));
                let again = TimeSplit::cut_off(last + 1).split(&times).unwrap();
                prop_assert_eq!(split, again);
            }
            Err(_) => prop_assert!(times.iter().all(|t| *t == times[0])),
        }
    }

    #[test]
    fn folds_judge_every_row_once(y in prop::collection::vec(-50_i32..50, 6..120), k in 2_usize..6, seed: u64) {
        let costs: Vec<f64> = y.iter().map(|v| f64::from(*v)).collect();
        let by_k = KFold::new(k, seed).unwrap();
        let grouped = by_k.split_grouped(&y);
        let all = [Some(by_k.split(y.len()).unwrap()), Some(by_k.split_stratified(&costs, 4).unwrap()), grouped.ok()];
        for folds in all.into_iter().flatten() {
            folds.iter().for_each(|fold| is_partition(fold, y.len()));
            let mut judged: Vec<usize> = folds.iter().flat_map(|f| f.test().to_vec()).collect();
            judged.sort_unstable();
            prop_assert_eq!(judged, (0..y.len()).collect::<Vec<_>>());
        }
        let split = StratifiedSplit::new(0.7, 4, seed).unwrap().split(&costs).unwrap();
        is_partition(&split, y.len());
        prop_assert!((split.train().len() as f64 - 0.7 * y.len() as f64).abs() <= 0.5);
    }

    #[test]
    fn folds_in_time_learn_from_the_past(times in prop::collection::vec(0_i64..60, 6..120), k in 2_usize..5, gap in 0_i64..4) {
        if let Ok(folds) = TimeFolds::new(k, gap).unwrap().split(&times) {
            prop_assert_eq!(folds.len(), k);
            for fold in &folds {
                let first = fold.test().iter().map(|&r| times[r]).min().unwrap();
                prop_assert!(fold.train().iter().all(|&r| times[r] < first - gap));
                prop_assert_eq!(fold.n_rows(), times.len());
                let json = serde_json::to_string(fold).unwrap();
                prop_assert_eq!(&serde_json::from_str::<Split>(&json).unwrap(), fold);
            }
            let judged: usize = folds.iter().map(|f| f.test().len()).sum();
            let last = times.iter().max().unwrap();
            prop_assert!(judged < times.len() && folds[k - 1].test().iter().any(|&r| times[r] == *last));
        }
    }

    #[test]
    fn keys_have_one_side(keys in prop::collection::vec(0_u32..40, 2..200), seed: u64) {
        let keys: Vec<[u8; 4]> = keys.iter().map(|k| k.to_le_bytes()).collect();
        if let Ok(split) = KeyedSplit::new(0.5, seed).unwrap().split(&keys) {
            is_partition(&split, keys.len());
            let test: Vec<[u8; 4]> = split.test().iter().map(|&r| keys[r]).collect();
            prop_assert!(split.train().iter().all(|&r| !test.contains(&keys[r])));
        }
    }

    #[test]
    fn one_hot_columns_of_a_row_sum_to_one(codes in prop::collection::vec(prop::option::of(0_usize..6), 1..80)) {
        const LEVELS: [&str; 6] = ["", "a", "b", "a=b", "ä", "no"];
        let texts = codes.iter().map(|c| c.map(|c| LEVELS[c]));
        let x = FeatureMatrix::new(vec![FeatureColumn::from_texts("c", texts)]).unwrap();
        match OneHot::default().fit(&x) {
            Ok(fitted) => {
                let encoded = fitted.transform(&x).unwrap();
                prop_assert!(encoded.to_array().unwrap().rows().into_iter().all(|row| row.sum() == 1.0));
                prop_assert!(fitted.provenance().iter().map(|o| o.output.as_str()).eq(encoded.names()));
            }
            Err(_) => prop_assert!(codes.iter().all(Option::is_none)),
        }
    }

    #[test]
    fn correlation_is_symmetric_bounded_and_blind_to_scale(
        pairs in prop::collection::vec((-1e3..1e3_f64, -1e3..1e3_f64), 3..60),
        scale in 0.01..100.0_f64,
    ) {
        let (x, y): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
        let scaled: Vec<f64> = x.iter().map(|v| v * scale + 7.0).collect();
        for statistic in [pearson, spearman, kendall] {
            let Some(found) = statistic(&x, &y) else { continue };
            prop_assert!((-1.0..=1.0).contains(&found.value) && (0.0..=1.0).contains(&found.p_value));
            prop_assert!((statistic(&y, &x).unwrap().value - found.value).abs() < 1e-12);
            prop_assert!((statistic(&scaled, &y).unwrap().value - found.value).abs() < 1e-6);
        }
        if let Some(information) = mutual_information(&x, &y) {
            prop_assert!(information >= 0.0);
        }
    }

    #[test]
    fn stability_is_symmetric_and_blind_to_scale_and_place(
        a in prop::collection::vec(-1e3..1e3_f64, 2..60),
        b in prop::collection::vec(-1e3..1e3_f64, 2..60),
        shift in -100.0..100.0_f64,
    ) {
        let score = std_stability(&a, &b).unwrap();
        prop_assert!((0.0..=1.0).contains(&score));
        prop_assert_eq!(std_stability(&b, &a), Some(score));
        prop_assert_eq!(std_stability(&a, &a), Some(0.0));
        let moved: Vec<f64> = b.iter().map(|v| v + shift).collect();
        prop_assert!((std_stability(&a, &moved).unwrap() - score).abs() < 1e-9);
    }

    #[test]
    fn sums_are_near_the_exact_one(values in prop::collection::vec(-1_000_000_i64..1_000_000, 0..2000)) {
        // Whole numbers sum exactly in any order.
        let numbers: Vec<f64> = values.iter().map(|&v| v as f64).collect();
        prop_assert_eq!(sum(&numbers), values.iter().sum::<i64>() as f64);
    }
}

proptest! {
    // Every method, some of which fit a hundred models.
    #![proptest_config(ProptestConfig::with_cases(2))]

    #[test]
    fn the_order_of_columns_does_not_matter(seed: u64) {
        let all = csv("goldens/features/synthetic.csv").take(&(0..60).collect::<Vec<_>>()).unwrap();
        let y = all.numeric("y").unwrap().to_vec();
        let names: Vec<&str> = all.names().filter(|n| *n != "y").collect();
        let mut shuffled = names.clone();
        let (n, mut state) = (shuffled.len(), seed);
        for last in (1..n).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            shuffled.swap(last, (state >> 33) as usize % (last + 1));
        }
        let selection = |names: &[&str], method| {
            let train = Dataset::new(all.select(names.iter().copied()).unwrap(), "y", y.clone()).unwrap();
            let test = train.x().take(&[1, 3, 5, 7, 9]).unwrap();
            Selector::new(method, None).unwrap().fit(&Evidence::from(&train).test(&test)).unwrap()
        };
        for method in SelectionMethod::ALL {
            let (a, b) = (selection(&names, method), selection(&shuffled, method));
            prop_assert!(a.selected().eq(b.selected()), "{}", method);
            for (x, y) in a.scores().iter().zip(b.scores()) {
                prop_assert_eq!(&x.feature, &y.feature);
                let near = x.score.unwrap_or(0.0) - y.score.unwrap_or(0.0);
                prop_assert!(near.abs() <= 1e-9 * x.score.unwrap_or(0.0).abs().max(1.0));
            }
        }
    }
}

/// The original formula, written as plainly as can be, over the fixture's clients split in 4,000 and 1,000.
#[test]
fn std_stability_is_the_original_formula_to_the_bit() {
    let clients = csv("clients.csv");
    let split = RandomSplit::new(0.8, 42).unwrap().split(clients.n_rows()).unwrap();
    let (train, test) = split.of_matrix(&clients).unwrap();
    let std = |values: &[f64]| {
        let mean = sum(values) / values.len() as f64;
        let squares: Vec<f64> = values.iter().map(|v| (v - mean).powi(2)).collect();
        (sum(&squares) / (values.len() - 1) as f64).sqrt()
    };
    let selection =
        Selector::new(SelectionMethod::StdStability, None).unwrap().fit(&Evidence::new(&train).test(&test)).unwrap();
    let mut compared = 0;
    for found in selection.scores() {
        let (Ok(a), Ok(b)) = (train.numeric(&found.feature), test.numeric(&found.feature)) else {
            assert_eq!(found.score, None);
            continue;
        };
        let (a, b) = (std(a.as_slice().unwrap()), std(b.as_slice().unwrap()));
        let (total, difference) = (a + b, (a - b).abs());
        assert_eq!(found.score.unwrap().to_bits(), (difference / total).to_bits(), "{}", found.feature);
        assert_eq!(found.selected, difference / total <= 0.1);
        compared += 1;
    }
    assert_eq!(compared, 15, "14 numeric features and the target column");
}
