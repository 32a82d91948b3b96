use med_schema::{FeatureColumn, FeatureMatrix};
use proptest::prelude::*;

use super::*;
use crate::gbm::BinLayout;
use crate::gbm::binning::{BinOptions, LevelOptions};
use crate::gbm::growth::mix;

fn binned(columns: Vec<FeatureColumn>) -> Binned {
    let options = BinOptions { max_bin: 255, min_data_in_bin: 1, levels: LevelOptions::ONE };
    Binned::new(&FeatureMatrix::new(columns).unwrap(), &options, BinLayout::Double).unwrap()
}

/// A number in [0, 1) for a row and a purpose.
fn uniform(row: usize, purpose: u64) -> f64 {
    (mix(row as u64, purpose) >> 11) as f64 / (1_u64 << 53) as f64
}

/// Three numeric columns, one of them with missing values, and one categorical.
fn columns(rows: &[usize]) -> Vec<FeatureColumn> {
    let numeric = |name: &str, f: &dyn Fn(usize) -> f64| {
        FeatureColumn::numeric(name, rows.iter().map(|&row| f(row)).collect::<Vec<_>>())
    };
    let levels: Vec<String> = (0..9).map(|l| format!("l{l}")).collect();
    let codes: Vec<u32> = rows.iter().map(|&row| (uniform(row, 4) * 9.0) as u32).collect();
    vec![
        numeric("a", &|row| uniform(row, 1)),
        numeric("b", &|row| if uniform(row, 5) < 0.2 { f64::NAN } else { (uniform(row, 2) * 20.0).floor() }),
        numeric("flag", &|row| f64::from(u8::from(uniform(row, 3) < 0.3))),
        FeatureColumn::categorical("c", codes, levels).unwrap(),
    ]
}

fn gradient(row: usize) -> f32 {
    let level = (uniform(row, 4) * 9.0).floor();
    let heavy = if uniform(row, 7) > 0.999 { 5000.0 } else { 0.0 };
    (3.0 * uniform(row, 1) + (level * 5.0 % 7.0) - uniform(row, 5) * 4.0 + uniform(row, 6) + heavy - 6.0) as f32
}

/// Second derivatives, where they are not one.
type Second = Option<(Vec<f32>, Hessians)>;

fn derivatives(rows: &[usize], hessians: &Second) -> Derivatives {
    let gradients: Vec<f32> = rows.iter().map(|&row| gradient(row)).collect();
    Derivatives::of(&gradients, hessians.as_ref().map(|(values, kind)| (values.as_slice(), *kind)))
}

fn small() -> Growth {
    Growth { num_leaves: 15, min_data_in_leaf: 5, min_data_per_group: 5, cat_smooth: 1.0, ..Growth::default() }
}

fn grow(rows: &[usize], growth: Growth, hessians: &Second) -> Option<Tree> {
    let binned = binned(columns(rows));
    Grower::new(&binned, growth).grow(&derivatives(rows, hessians), Sample::default())
}

fn leaf_of(tree: &Tree, columns: &[FeatureColumn], row: usize) -> usize {
    tree.leaf_of(|j| match columns[j].as_numeric() {
        Some(values) => values[row],
        None => columns[j].as_categorical().map_or(f64::NAN, |(codes, _)| f64::from(codes[row])),
    })
}

#[test]
fn leaves_hold_what_the_tree_says_they_hold() {
    for (n, growth) in [
        (900, small()),
        (20_000, small()),
        (20_000, Growth { depth_wise: true, max_depth: Some(3), ..small() }),
        (20_000, Growth { lambda_l1: 3.0, lambda_l2: 5.0, max_delta_step: 0.8, ..small() }),
    ] {
        let rows: Vec<usize> = (0..n).collect();
        let columns = columns(&rows);
        let binned = binned(columns.clone());
        let weights: Vec<f32> = rows.iter().map(|&row| (uniform(row, 9) * 2.0) as f32).collect();
        for hessians in [None, Some((weights.clone(), Hessians::Fixed)), Some((weights, Hessians::Each))] {
            let derivatives = derivatives(&rows, &hessians);
            let mut grower = Grower::new(&binned, growth.clone());
            for sample in [None, Some((0..n as u32).filter(|r| r % 3 != 0).collect::<Vec<_>>())] {
                let tree = grower.grow(&derivatives, Sample { rows: sample.as_deref(), features: None }).unwrap();
                let tree = Tree::new(tree.splits, tree.leaves).unwrap();
                let mut scores = vec![0.0; n];
                grower.add_scores(&tree, &mut scores);
                let mut members = vec![Vec::new(); tree.n_leaves()];
                let mut sampled = vec![sample.is_none(); n];
                sample.iter().flatten().for_each(|&row| sampled[row as usize] = true);
                for row in 0..n {
                    let leaf = leaf_of(&tree, &columns, row);
                    assert_eq!(scores[row], tree.leaves[leaf].value);
                    if sampled[row] {
                        members[leaf].push(row as u32);
                    }
                }
                for (k, (leaf, rows)) in tree.leaves.iter().zip(&members).enumerate() {
                    assert_eq!(*grower.leaf_rows(k), *rows);
                    assert!(rows.len() >= growth.min_data_in_leaf);
                    let sum = |k: usize| rows.iter().map(|&row| derivatives.row(row as usize)[k]).sum::<f64>();
                    let (g, h) = (sum(0), sum(1));
                    assert!((leaf.hessian - h).abs() < 1e-6 * h);
                    // Leaves behind a split on levels may have the other penalty too.
                    let value = |l2: f64| {
                        let step = if growth.max_delta_step > 0.0 { growth.max_delta_step } else { f64::MAX };
                        let shrunk = g.signum() * (g.abs() - growth.lambda_l1).max(0.0);
                        (-shrunk / (h + l2)).clamp(-step, step)
                    };
                    let l2 = growth.lambda_l2;
                    let off = (leaf.value - value(l2)).abs().min((leaf.value - value(l2 + 10.0)).abs());
                    assert!(off < 1e-6 * (1.0 + leaf.value.abs()), "{leaf:?} {}", value(l2));
                }
            }
        }
    }
}

#[test]
fn the_number_of_threads_and_the_order_of_rows_change_nothing() {
    let n = 150_000;
    let rows: Vec<usize> = (0..n).collect();
    let turned: Vec<usize> = rows.iter().map(|row| (row * 7919 + 13) % n).collect();
    for each in [false, true] {
        let hessians = |rows: &[usize]| match each {
            false => None,
            true => Some((rows.iter().map(|&row| (uniform(row, 9) + 0.1) as f32).collect(), Hessians::Each)),
        };
        let tree = |threads: usize, rows: &[usize]| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| grow(rows, Growth { num_leaves: 31, ..small() }, &hessians(rows)).unwrap())
        };
        let one = tree(1, &rows);
        assert_eq!(one, tree(2, &rows));
        assert_eq!(one, tree(3, &turned));
    }
}

#[test]
fn rows_of_weight_zero_and_constant_columns_change_nothing() {
    let n = 3000;
    let rows: Vec<usize> = (0..n).collect();
    let kept: Vec<u32> = (0..n as u32).filter(|row| row % 4 != 1).collect();
    let weights: Vec<f32> = rows.iter().map(|row| if row % 4 == 1 { 0.0 } else { 1.0 }).collect();
    let gradients: Vec<f32> = rows.iter().map(|&row| gradient(row) * weights[row]).collect();
    let weighted = Derivatives::of(&gradients, Some((&weights, Hessians::Fixed)));
    let unweighted = Derivatives::of(&gradients, None);
    let (mut more, fewer) = (columns(&rows), binned(columns(&rows)));
    more.push(FeatureColumn::numeric("same", vec![7.0; n]));
    more.push(FeatureColumn::numeric("none", vec![f64::NAN; n]));
    let more = binned(more);
    let grow = |binned: &Binned, derivatives: &Derivatives, rows: Option<&[u32]>| {
        let tree = Grower::new(binned, small()).grow(derivatives, Sample { rows, features: None }).unwrap();
        let values: Vec<f64> = tree.leaves.iter().map(|l| (l.value * 1e6).round()).collect();
        let covers: Vec<f64> = tree.leaves.iter().map(|l| l.cover).collect();
        (tree.splits.iter().map(|s| s.feature).collect::<Vec<_>>(), values, covers)
    };
    let expected = grow(&fewer, &unweighted, Some(&kept));
    assert_eq!(grow(&fewer, &weighted, None), expected);
    assert_eq!(grow(&more, &weighted, None), expected);
    assert_eq!(grow(&more, &unweighted, Some(&kept)), expected);
}

#[test]
fn monotone_constraints_hold_everywhere() {
    let n = 4000;
    let rows: Vec<usize> = (0..n).collect();
    let growth = Growth { num_leaves: 40, monotone: vec![-1, 1, 0, 0], ..small() };
    let tree = grow(&rows, growth, &None).unwrap();
    assert!(tree.splits.iter().any(|s| s.feature == 1) && tree.n_leaves() > 10);
    for row in 0..300 {
        let at = |a: f64, b: f64| {
            tree.predict(|j| match j {
                0 => a,
                1 => b,
                2 => f64::from(u8::from(row % 2 == 0)),
                _ => f64::from(row % 9),
            })
        };
        let (a, b) = (uniform(row as usize, 20), (uniform(row as usize, 21) * 20.0).floor());
        for i in 0..20 {
            let (low, high) = (f64::from(i), f64::from(i + 1));
            assert!(at(low / 20.0, b) >= at(high / 20.0, b));
            assert!(at(a, low) <= at(a, high));
        }
    }
}

#[test]
fn paths_stay_within_a_group_of_interacting_features() {
    let rows: Vec<usize> = (0..5000).collect();
    let groups = vec![vec![0, 1], vec![1, 3], vec![2]];
    let growth = Growth { num_leaves: 30, interactions: groups.clone(), ..small() };
    let tree = grow(&rows, growth, &None).unwrap();
    let mut paths = vec![Vec::new(); tree.splits.len()];
    for (i, split) in tree.splits.iter().enumerate() {
        paths[i].push(split.feature);
        assert!(groups.iter().any(|group| paths[i].iter().all(|f| group.contains(f))), "{:?}", paths[i]);
        for child in [split.left, split.right] {
            if let Child::Split(next) = child {
                paths[next as usize] = paths[i].clone();
            }
        }
    }
}

#[test]
fn few_levels_split_as_their_indicators_would() {
    let n = 800;
    let codes: Vec<u32> = (0..n).map(|row| (uniform(row, 4) * 4.0) as u32).collect();
    let gradients = codes.iter().enumerate().map(|(i, &c)| [1.0, -2.0, 0.5, 4.0][c as usize] + uniform(i, 8) as f32);
    let derivatives = Derivatives::of(&gradients.collect::<Vec<f32>>(), None);
    let levels = ["p", "q", "r", "s"].map(String::from).to_vec();
    let native = binned(vec![FeatureColumn::categorical("c", codes.clone(), levels).unwrap()]);
    let indicator = |level: u32| codes.iter().map(|&c| f64::from(u8::from(c == level))).collect::<Vec<_>>();
    let one_hot = binned((0..4).map(|l| FeatureColumn::numeric(l.to_string(), indicator(l))).collect());
    let scores = |binned: &Binned| {
        let mut grower = Grower::new(binned, small());
        let tree = grower.grow(&derivatives, Sample::default()).unwrap();
        let mut scores = vec![0.0; n];
        grower.add_scores(&tree, &mut scores);
        scores
    };
    assert_eq!(scores(&native), scores(&one_hot));
}

#[test]
fn random_thresholds_and_features_depend_on_the_seed_alone() {
    let rows: Vec<usize> = (0..3000).collect();
    let tree = |seed: u64, extra_trees: bool, feature_fraction_bynode: f64| {
        grow(&rows, Growth { seed, extra_trees, feature_fraction_bynode, ..small() }, &None)
    };
    for (extra_trees, fraction) in [(true, 1.0), (false, 0.5)] {
        assert_eq!(tree(1, extra_trees, fraction), tree(1, extra_trees, fraction));
        assert_ne!(tree(1, extra_trees, fraction), tree(2, extra_trees, fraction));
        assert_ne!(tree(1, extra_trees, fraction), tree(1, false, 1.0));
    }
    let flags = [false, true, true, false];
    let binned = binned(columns(&rows));
    let sample = Sample { rows: None, features: Some(&flags) };
    let derivatives = derivatives(&rows, &None);
    let tree = Grower::new(&binned, small()).grow(&derivatives, sample).unwrap();
    assert!(tree.splits.iter().all(|s| flags[s.feature as usize]));
}

#[test]
fn nothing_to_gain_is_no_tree() {
    let rows: Vec<usize> = (0..100).collect();
    assert!(grow(&rows, Growth { min_data_in_leaf: 51, ..small() }, &None).is_none());
    assert!(grow(&rows, Growth { min_gain_to_split: 1e12, ..small() }, &None).is_none());
    let binned = binned(columns(&rows));
    let still = Derivatives::of(&[0.0; 100], None);
    assert!(Grower::new(&binned, small()).grow(&still, Sample::default()).is_none());
}

#[test]
fn missing_values_go_to_the_side_they_resemble() {
    let x = vec![1.0, 2.0, 3.0, 4.0, f64::NAN, f64::NAN];
    let binned = binned(vec![FeatureColumn::numeric("x", x)]);
    for (gradients, left, missing_left) in
        [([0.0, 0.0, 8.0, 8.0, 0.0, 0.0], 2.5, true), ([0.0, 0.0, 0.0, 0.0, 8.0, 8.0], f64::MAX, false)]
    {
        let mean = gradients.iter().sum::<f32>() / 6.0;
        let derivatives = Derivatives::of(&gradients.map(|g| g - mean), None);
        let growth = Growth { num_leaves: 2, min_data_in_leaf: 1, ..Growth::default() };
        let tree = Grower::new(&binned, growth).grow(&derivatives, Sample::default()).unwrap();
        assert_eq!((&tree.splits[0].test, tree.splits[0].missing_left), (&Test::AtMost(left), missing_left));
        // The squared error saved: 4 rows of one value and 2 of another, 8 apart.
        assert!((tree.splits[0].gain - 64.0 * 8.0 / 6.0).abs() < 1e-4);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_order_of_columns_does_not_change_predictions(n in 50_usize..400, shift in 1_usize..4) {
        let rows: Vec<usize> = (0..n).collect();
        let scores = |shift: usize| {
            let mut columns = columns(&rows);
            columns.rotate_left(shift);
            let binned = binned(columns);
            let mut grower = Grower::new(&binned, small());
            let mut scores = vec![0.0; n];
            if let Some(tree) = grower.grow(&derivatives(&rows, &None), Sample::default()) {
                grower.add_scores(&tree, &mut scores);
            }
            scores
        };
        prop_assert_eq!(scores(0), scores(shift));
    }
}
