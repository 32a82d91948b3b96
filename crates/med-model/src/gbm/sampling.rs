//! Which rows and features a tree may see, drawn from the seed and the number of the tree alone.

use rand::RngExt;
use rand_pcg::Pcg64;

use super::params::GbdtParams;

/// One purpose of randomness a stream, so that one draw does not move another.
#[derive(Debug, Clone, Copy)]
pub(super) enum Draw {
    Rows = 1,
    Features = 2,
    Validation = 3,
}

fn generator(seed: u64, draw: Draw, iteration: usize) -> Pcg64 {
    let state = u128::from(seed) << 64 | iteration as u128;
    Pcg64::new(state, draw as u128)
}

/// `count` of `n`, ascending, each set as likely as any other (Knuth, volume 2, 3.4.2, algorithm S).
fn choose(random: &mut Pcg64, n: usize, count: usize) -> Vec<u32> {
    let mut chosen = Vec::with_capacity(count);
    for i in 0..n {
        if random.random_range(0..(n - i) as u64) < (count - chosen.len()) as u64 {
            chosen.push(i as u32);
        }
    }
    chosen
}

/// A share of `n`, at least one.
fn share(n: usize, fraction: f64) -> usize {
    ((n as f64 * fraction).round() as usize).clamp(1.min(n), n)
}

/// Draws for one fit.
#[derive(Debug)]
pub(super) struct Sampler {
    seed: u64,
    bagging: Option<(f64, usize)>,
    feature_fraction: f64,
    rows: Option<Vec<u32>>,
    features: Option<Vec<bool>>,
}

impl Sampler {
    pub(super) fn new(params: &GbdtParams) -> Self {
        let bags = params.bagging_freq > 0 && params.bagging_fraction < 1.0;
        Self {
            seed: params.seed,
            bagging: bags.then_some((params.bagging_fraction, params.bagging_freq)),
            feature_fraction: params.feature_fraction,
            rows: None,
            features: None,
        }
    }

    /// Whether trees see different rows or features.
    pub(super) fn varies(&self) -> bool {
        self.bagging.is_some() || self.feature_fraction < 1.0
    }

    /// Whether trees see different rows.
    pub(super) fn varies_rows(&self) -> bool {
        self.bagging.is_some()
    }

    /// Draws for this tree (from 0).
    pub(super) fn draw(&mut self, iteration: usize, n_rows: usize, n_features: usize) {
        if let Some((fraction, every)) = self.bagging
            && iteration.is_multiple_of(every)
        {
            let mut random = generator(self.seed, Draw::Rows, iteration);
            self.rows = Some(choose(&mut random, n_rows, share(n_rows, fraction)));
        }
        if self.feature_fraction < 1.0 {
            let mut random = generator(self.seed, Draw::Features, iteration);
            let mut features = vec![false; n_features];
            for j in choose(&mut random, n_features, share(n_features, self.feature_fraction)) {
                features[j as usize] = true;
            }
            self.features = Some(features);
        }
    }

    /// Rows of this tree, ascending; `None` for all.
    pub(super) fn rows(&self) -> Option<&[u32]> {
        self.rows.as_deref()
    }

    /// Whether each feature may be used; `None` for all.
    pub(super) fn features(&self) -> Option<&[bool]> {
        self.features.as_deref()
    }
}

/// Rows to fit on and rows held back, each ascending.
pub(super) fn hold_back(n: usize, fraction: f64, seed: u64) -> (Vec<usize>, Vec<usize>) {
    let held = choose(&mut generator(seed, Draw::Validation, 0), n, share(n, fraction).min(n.saturating_sub(1)));
    let mut is_held = vec![false; n];
    held.iter().for_each(|&row| is_held[row as usize] = true);
    let held = held.into_iter().map(|row| row as usize).collect();
    ((0..n).filter(|&row| !is_held[row]).collect(), held)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_depend_on_seed_and_tree_alone() {
        let params = GbdtParams { bagging_fraction: 0.3, bagging_freq: 2, feature_fraction: 0.5, ..Default::default() };
        let (mut a, mut b) = (Sampler::new(&params), Sampler::new(&params));
        (0..5).for_each(|i| a.draw(i, 100, 10));
        b.draw(4, 100, 10);
        assert_eq!((a.rows(), a.features()), (b.rows(), b.features()));
        let rows = a.rows().unwrap();
        assert!(rows.len() == 30 && rows.is_sorted_by(|a, b| a < b) && rows[29] < 100);
        assert_eq!(a.features().unwrap().iter().filter(|&&f| f).count(), 5);
        let before = rows.to_vec();
        a.draw(5, 100, 10);
        assert_eq!(a.rows().unwrap(), before);
        a.draw(6, 100, 10);
        assert_ne!(a.rows().unwrap(), before);
    }

    #[test]
    fn held_back_rows_are_none_of_the_others() {
        let (kept, held) = hold_back(50, 0.2, 3);
        assert_eq!((kept.len(), held.len()), (40, 10));
        let mut all = [kept, held].concat();
        all.sort_unstable();
        assert_eq!(all, (0..50).collect::<Vec<_>>());
        assert_eq!(hold_back(1, 0.5, 0), (vec![0], vec![]));
    }
}
