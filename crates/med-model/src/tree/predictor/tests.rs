//! The fast ways against the plain walk, on random trees and rows.

use proptest::prelude::*;

use super::super::ensemble::{Column, Ensemble};
use super::super::structure::tests::{leaf, split};
use super::super::structure::{Child, Split, Test, Tree, ZERO_REACH};
use super::*;

/// Feature 0 to 2 are numbers, 3 is numbers that are asked for as codes, 4 is codes.
const FEATURES: u32 = 5;
const EDGES: [f64; 12] =
    [0.0, -0.0, 1.0, -1.5, 2.5, 1e300, -1e300, f64::MAX, f64::MIN, f64::MIN_POSITIVE, ZERO_REACH, -ZERO_REACH];

#[derive(Debug, Clone)]
struct Node {
    feature: u32,
    number: f64,
    levels: Vec<u32>,
    missing_left: bool,
    zero_is_missing: bool,
    /// Which of the open places it takes.
    place: usize,
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![prop::sample::select(EDGES.to_vec()), (-20..20_i32).prop_map(|i| f64::from(i) / 4.0), -10.0..10.0]
}

fn node() -> impl Strategy<Value = Node> {
    let levels = prop::collection::vec(0..130_u32, 0..6);
    (0..FEATURES, number(), levels, any::<bool>(), prop::bool::weighted(0.2), any::<usize>()).prop_map(
        |(feature, number, levels, missing_left, zero_is_missing, place)| Node {
            feature,
            number,
            levels,
            missing_left,
            zero_is_missing: zero_is_missing && feature < 3,
            place,
        },
    )
}

/// Splits take the place of a leaf, one after another.
fn tree(nodes: &[Node]) -> Tree {
    let mut splits: Vec<Split> = Vec::new();
    // Parent and side of each leaf.
    let mut open: Vec<Option<(usize, bool)>> = vec![None];
    for node in nodes {
        let parent = open.swap_remove(node.place % open.len());
        let place = splits.len();
        if let Some((parent, is_left)) = parent {
            let parent: &mut Split = &mut splits[parent];
            *(if is_left { &mut parent.left } else { &mut parent.right }) = Child::Split(place as u32);
        }
        let test = if node.feature < 3 {
            Test::AtMost(node.number)
        } else {
            Test::OneOf(node.levels.iter().copied().collect())
        };
        let mut new = split(node.feature, test, node.missing_left, Child::Leaf(0), Child::Leaf(0));
        new.zero_is_missing = node.zero_is_missing;
        splits.push(new);
        open.extend([Some((place, true)), Some((place, false))]);
    }
    for (i, end) in open.iter().enumerate() {
        if let Some((parent, is_left)) = *end {
            let parent = &mut splits[parent];
            *(if is_left { &mut parent.left } else { &mut parent.right }) = Child::Leaf(i as u32);
        }
    }
    let leaves = (0..open.len()).map(|i| leaf(0.1 + (i * 37 % 101) as f64 / 7.0)).collect();
    Tree::new(splits, leaves).unwrap()
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![number(), Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY), 0.0..140.0]
}

/// Values of the numeric features and the code of the last one, a row each; few rows are repeated to fill blocks.
fn rows() -> impl Strategy<Value = (Vec<[f64; 4]>, Vec<u32>)> {
    let code = prop_oneof![0..130_u32, Just(med_schema::MISSING)];
    prop::collection::vec((prop::array::uniform4(value()), code), 1..80).prop_map(|rows| rows.into_iter().unzip())
}

fn check(trees: Vec<Tree>, (numbers, codes): &(Vec<[f64; 4]>, Vec<u32>), n: usize) -> Result<(), TestCaseError> {
    let numbers: Vec<Vec<f64>> = (0..4).map(|j| numbers.iter().map(|r| r[j]).cycle().take(n).collect()).collect();
    let codes: Vec<u32> = codes.iter().copied().cycle().take(n).collect();
    let mut columns: Vec<Column<'_>> = numbers.iter().map(|c| Column::Numbers(c)).collect();
    columns.push(Column::Codes(&codes));
    let ensemble = Ensemble::new(-3.5, trees);
    let mut fast = vec![ensemble.base; n];
    let predictor = Predictor::new(&ensemble.trees, &columns).unwrap();
    prop_assert!(predictor.add(&columns, &mut fast));
    for (i, fast) in fast.iter().enumerate() {
        let row: Vec<f64> = columns.iter().map(|c| c.value(i)).collect();
        prop_assert_eq!(fast.to_bits(), ensemble.predict_row(&row).to_bits(), "row {}: {:?}", i, row);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn bit_vectors_give_the_bits_of_the_walk(
        nodes in prop::collection::vec(prop::collection::vec(node(), 0..64), 1..40), rows in rows(), n in 1..700_usize,
    ) {
        check(nodes.iter().map(|n| tree(n)).collect(), &rows, n)?;
    }

    #[test]
    fn walking_together_gives_the_bits_of_the_walk(
        nodes in prop::collection::vec(prop::collection::vec(node(), 0..150), 0..5), large in
        prop::collection::vec(node(), 64..150), rows in rows(), n in 1..700_usize,
    ) {
        // One large tree at least, so that all are walked; it splits on anything there is.
        check(nodes.iter().chain([&large]).map(|n| tree(n)).collect(), &rows, n)?;
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let nodes: Vec<Node> = (0..63)
        .map(|i| Node {
            feature: 0,
            number: f64::from(i * 29 % 63),
            levels: Vec::new(),
            missing_left: i % 2 == 0,
            zero_is_missing: false,
            place: i as usize,
        })
        .collect();
    let ensemble = Ensemble::new(0.1, (1..60).map(|k| tree(&nodes[..k])).collect());
    let values: Vec<f64> = (0..3 * CHUNK + 17).map(|i| (i * 31 % 640) as f64 / 10.0).collect();
    let predict = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let mut out = vec![0.0; values.len()];
        pool.install(|| ensemble.predict_into(&[Column::Numbers(&values)], &mut out));
        out
    };
    let one = predict(1);
    assert_eq!(one, predict(3));
    assert_eq!(one[12_345], ensemble.predict_row(&values[12_345..12_346]));
}

#[test]
fn what_does_not_fit_is_walked_plainly() {
    let large_code = Test::OneOf([70_000].into_iter().collect());
    let tree = Tree::new(vec![split(0, large_code, false, Child::Leaf(1), Child::Leaf(0))], vec![leaf(1.0), leaf(2.0)]);
    let ensemble = Ensemble::new(0.0, vec![tree.unwrap()]);
    let values: Vec<f64> = (69_800..70_100).map(f64::from).collect();
    let columns = [Column::Numbers(&values)];
    assert!(Predictor::new(&ensemble.trees, &columns).is_none());
    let mut out = vec![0.0; values.len()];
    ensemble.predict_into(&columns, &mut out);
    assert_eq!((out[200], out.iter().sum::<f64>()), (2.0, 301.0));
    // A predictor made for numbers does not take codes.
    let split = split(0, Test::AtMost(1.0), false, Child::Leaf(0), Child::Leaf(1));
    let tree = Tree::new(vec![split], vec![leaf(1.0), leaf(2.0)]).unwrap();
    let predictor = Predictor::new(&[tree], &columns).unwrap();
    assert!(!predictor.add(&[Column::Codes(&[0, 1])], &mut [0.0; 2]));
}
