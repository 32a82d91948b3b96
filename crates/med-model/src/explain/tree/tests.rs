use med_schema::MISSING;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use super::*;
use crate::tree::{Child, Leaf, Test};

/// Grown split by split at random; features from `numeric` on are categorical, with five levels.
fn random_tree(rng: &mut Pcg64, n_features: u32, numeric: u32, n_leaves: usize) -> Tree {
    let mut tree = Tree { splits: Vec::new(), leaves: vec![leaf(rng, 100.0)] };
    // Where each leaf hangs.
    let mut parents: Vec<Option<(usize, bool)>> = vec![None];
    while tree.leaves.len() < n_leaves {
        let at = rng.random_range(0..tree.leaves.len());
        let cover = tree.leaves[at].cover;
        let share = if rng.random_bool(0.05) { 0.0 } else { rng.random::<f64>() };
        let feature = rng.random_range(0..n_features);
        let test = if feature < numeric {
            Test::AtMost(f64::from(rng.random_range(0..9)) + 0.5)
        } else {
            Test::OneOf((0..5).filter(|_| rng.random_bool(0.5)).collect())
        };
        let place = tree.splits.len();
        if let Some((parent, left)) = parents[at] {
            let parent = &mut tree.splits[parent];
            *(if left { &mut parent.left } else { &mut parent.right }) = Child::Split(place as u32);
        }
        let (left, right) = (Child::Leaf(at as u32), Child::Leaf(tree.leaves.len() as u32));
        tree.splits.push(Split {
            feature,
            test,
            missing_left: rng.random(),
            zero_is_missing: feature < numeric && rng.random_bool(0.2),
            left,
            right,
            gain: 1.0,
            value: 0.0,
            cover,
            hessian: cover,
        });
        tree.leaves[at] = leaf(rng, cover * share);
        tree.leaves.push(leaf(rng, cover - cover * share));
        parents[at] = Some((place, true));
        parents.push(Some((place, false)));
    }
    Tree::new(tree.splits, tree.leaves).unwrap()
}

fn leaf(rng: &mut Pcg64, cover: f64) -> Leaf {
    Leaf { value: rng.random::<f64>() * 20.0 - 5.0, cover, hessian: cover }
}

/// Values with gaps, and codes with gaps.
struct Rows(Vec<Vec<f64>>, Vec<Vec<u32>>);

impl Rows {
    fn random(rng: &mut Pcg64, n: usize, n_features: u32, numeric: u32) -> Self {
        let mut number = || if rng.random_bool(0.15) { f64::NAN } else { f64::from(rng.random_range(0..10)) };
        let numbers = (0..numeric).map(|_| (0..n).map(|_| number()).collect()).collect();
        let mut code = || if rng.random_bool(0.15) { MISSING } else { rng.random_range(0..5) };
        Self(numbers, (numeric..n_features).map(|_| (0..n).map(|_| code()).collect()).collect())
    }

    fn columns(&self) -> Vec<Column<'_>> {
        let numbers = self.0.iter().map(|v| Column::Numbers(v));
        numbers.chain(self.1.iter().map(|c| Column::Codes(c))).collect()
    }
}

fn cover(tree: &Tree, node: Child) -> f64 {
    match node {
        Child::Leaf(place) => tree.leaves[place as usize].cover,
        Child::Split(place) => tree.splits[place as usize].cover,
    }
}

/// The conditional expectation, straight from its definition.
fn given(tree: &Tree, node: Child, columns: &[Column<'_>], row: usize, known: usize) -> f64 {
    let Child::Split(place) = node else {
        let Child::Leaf(place) = node else { unreachable!() };
        return tree.leaves[place as usize].value;
    };
    let split = &tree.splits[place as usize];
    let feature = split.feature as usize;
    if known >> feature & 1 == 1 {
        return given(tree, split.child(split.goes_left(columns[feature].value(row))), columns, row, known);
    }
    let (left, right) = (cover(tree, split.left), cover(tree, split.right));
    let share = if left + right > 0.0 { left / (left + right) } else { 0.5 };
    share * given(tree, split.left, columns, row, known) + (1.0 - share) * given(tree, split.right, columns, row, known)
}

/// Shapley values (order 1) or interaction values of a game over `d` players.
fn shapley(d: usize, game: impl Fn(usize) -> f64) -> Vec<f64> {
    let factorial = |n: usize| (1..=n).map(|k| k as f64).product::<f64>();
    let of = |j: usize| {
        let term = |s: usize| {
            let size = s.count_ones() as usize;
            factorial(size) * factorial(d - size - 1) / factorial(d) * (game(s | 1 << j) - game(s))
        };
        (0..1_usize << d).filter(|s| s >> j & 1 == 0).map(term).sum()
    };
    (0..d).map(of).collect()
}

fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-11 * (1.0 + expected.abs()), "{found} {expected}");
}

#[test]
fn values_are_those_of_the_conditional_expectation_whatever_the_other_rows() {
    let mut rng = Pcg64::seed_from_u64(5);
    for n_leaves in [1, 2, 5, 17, 40, 63, 64, 65, 150] {
        let trees: Vec<Tree> = (0..3).map(|_| random_tree(&mut rng, 5, 3, n_leaves)).collect();
        let sum = TreeSum { base: 3.0, weight: 0.5, trees: &trees };
        let rows = Rows::random(&mut rng, 20, 5, 3);
        let columns = rows.columns();
        let expected: Vec<f64> = (0..20)
            .flat_map(|row| {
                let game = |known| trees.iter().map(|t| given(t, root(t), &columns, row, known)).sum::<f64>() * 0.5;
                shapley(5, game)
            })
            .collect();
        let base = 3.0 + trees.iter().map(|t| given(t, root(t), &columns, 0, 0)).sum::<f64>() * 0.5;
        close(sum.expected(), base);
        let found = path_dependent(&sum, &columns, 20);
        found.iter().zip(&expected).for_each(|(f, e)| close(*f, *e));
        for n in [1, 8, 9] {
            let few = path_dependent(&sum, &columns, n);
            assert!(few.iter().zip(&found).all(|(a, b)| a.to_bits() == b.to_bits()), "{n} rows of {n_leaves} leaves");
        }
    }
}

fn root(tree: &Tree) -> Child {
    if tree.splits.is_empty() { Child::Leaf(0) } else { Child::Split(0) }
}

#[test]
fn values_add_up_and_do_not_depend_on_the_number_of_threads() {
    let mut rng = Pcg64::seed_from_u64(6);
    let trees: Vec<Tree> = (0..40).map(|_| random_tree(&mut rng, 30, 25, 90)).collect();
    let sum = TreeSum { base: -2.0, weight: 1.0, trees: &trees };
    let rows = Rows::random(&mut rng, 1500, 30, 25);
    let columns = rows.columns();
    let by = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| path_dependent(&sum, &columns, 1500))
    };
    let (one, three) = (by(1), by(3));
    assert!(one.iter().zip(&three).all(|(a, b)| a.to_bits() == b.to_bits()));
    let base = sum.expected();
    for (row, values) in one.chunks(30).enumerate() {
        let predicted = trees.iter().fold(-2.0, |s, t| s + t.predict(|j| columns[j].value(row)));
        close(base + values.iter().sum::<f64>(), predicted);
    }
}

#[test]
fn rows_of_later_chunks_have_values_of_their_own() {
    let mut rng = Pcg64::seed_from_u64(11);
    let trees = [random_tree(&mut rng, 3, 2, 12)];
    let sum = TreeSum { base: 1.0, weight: 1.0, trees: &trees };
    let n = 3 * CHUNK.end() + 301;
    let rows = Rows::random(&mut rng, n, 3, 2);
    let columns = rows.columns();
    let values = path_dependent(&sum, &columns, n);
    for row in (0..n).step_by(7).chain(n - 20..n) {
        let predicted = 1.0 + trees[0].predict(|j| columns[j].value(row));
        close(sum.expected() + values[row * 3..][..3].iter().sum::<f64>(), predicted);
    }
}

#[test]
fn a_feature_nobody_asks_has_no_value() {
    let mut rng = Pcg64::seed_from_u64(7);
    let trees = [random_tree(&mut rng, 4, 4, 30)];
    let rows = Rows::random(&mut rng, 50, 6, 6);
    let values = path_dependent(&TreeSum { base: 0.0, weight: 1.0, trees: &trees }, &rows.columns(), 50);
    assert!(values.chunks(6).all(|v| v[4] == 0.0 && v[5] == 0.0 && v[..4].iter().any(|v| *v != 0.0)));
}

#[test]
fn paths_with_more_features_than_one_list_of_points_takes_are_exact_too() {
    // A chain of 40 splits, each on a feature of its own.
    let d = 40_usize;
    let splits = (0..d).map(|j| {
        let right = if j + 1 < d { Child::Split(j as u32 + 1) } else { Child::Leaf(d as u32) };
        let (test, left) = (Test::AtMost(0.5), Child::Leaf(j as u32));
        let cover = (d + 1 - j) as f64;
        let (missing_left, zero_is_missing) = (false, false);
        let feature = j as u32;
        Split { feature, test, missing_left, zero_is_missing, left, right, gain: 0.0, value: 0.0, cover, hessian: 0.0 }
    });
    let leaf = |j: usize| Leaf { value: j as f64, cover: 1.0, hessian: 1.0 };
    let trees = [Tree::new(splits.collect(), (0..=d).map(leaf).collect()).unwrap()];
    let sum = TreeSum { base: 0.0, weight: 1.0, trees: &trees };
    let mut rng = Pcg64::seed_from_u64(8);
    let rows = Rows((0..d).map(|_| (0..30).map(|_| f64::from(rng.random_bool(0.9))).collect()).collect(), Vec::new());
    let values = path_dependent(&sum, &rows.columns(), 30);
    for (row, values) in values.chunks(d).enumerate() {
        let predicted = trees[0].predict(|j| rows.0[j][row]);
        close(sum.expected() + values.iter().sum::<f64>(), predicted);
    }
}

#[test]
fn interactions_are_those_of_the_definition_and_sum_to_the_values() {
    let mut rng = Pcg64::seed_from_u64(9);
    let trees: Vec<Tree> = (0..2).map(|_| random_tree(&mut rng, 4, 3, 20)).collect();
    let sum = TreeSum { base: 1.0, weight: 1.0, trees: &trees };
    let rows = Rows::random(&mut rng, 10, 4, 3);
    let columns = rows.columns();
    let (pairs, values) = (interactions(&sum, &columns, 10), path_dependent(&sum, &columns, 10));
    for row in 0..10 {
        let game = |known| trees.iter().map(|t| given(t, root(t), &columns, row, known)).sum::<f64>();
        for a in 0..4 {
            let own = &pairs[row * 16 + a * 4..][..4];
            close(own.iter().sum(), values[row * 4 + a]);
            for b in (0..4).filter(|&b| b != a) {
                // The value of `a` in the games where `b` is known, less that where it is not, over the other two.
                let rest: Vec<usize> = (0..4).filter(|&k| k != a && k != b).collect();
                let weights = [1.0 / 3.0, 1.0 / 6.0, 1.0 / 6.0, 1.0 / 3.0];
                let expected: f64 = (0..4_usize)
                    .map(|s| {
                        let set = (s & 1) << rest[0] | (s >> 1) << rest[1];
                        let (i, j) = (1 << a, 1 << b);
                        weights[s] * (game(set | i | j) - game(set | i) - game(set | j) + game(set))
                    })
                    .sum();
                close(own[b], 0.5 * expected);
            }
        }
    }
}

#[test]
fn values_against_a_background_are_those_of_mixed_rows() {
    let mut rng = Pcg64::seed_from_u64(10);
    let trees: Vec<Tree> = (0..3).map(|_| random_tree(&mut rng, 5, 3, 25)).collect();
    let sum = TreeSum { base: 1.0, weight: 2.0, trees: &trees };
    let (rows, background) = (Rows::random(&mut rng, 8, 5, 3), Rows::random(&mut rng, 30, 5, 3));
    let (columns, theirs) = (rows.columns(), background.columns());
    let found = interventional(&sum, &columns, 8, &theirs, 30);
    for row in 0..8 {
        let game = |known: usize| {
            let mixed = |b: usize| {
                let value = |j: usize| if known >> j & 1 == 1 { columns[j].value(row) } else { theirs[j].value(b) };
                trees.iter().map(|t| 2.0 * t.predict(value)).sum::<f64>()
            };
            (0..30).map(mixed).sum::<f64>() / 30.0
        };
        shapley(5, game).iter().zip(&found[row * 5..]).for_each(|(e, f)| close(*f, *e));
    }
}
