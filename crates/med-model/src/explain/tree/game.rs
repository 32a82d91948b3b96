//! The Shapley values of one leaf, as an integral.
//!
//! A leaf of value `v` whose path asks `d` distinct features is a product game: feature `k` contributes the factor `o_k` (1 if
//! the row passes what the path asks of it, else 0) when it is known and `z_k` (the share of training rows that pass)
//! when it is not. Its Shapley value is
//!
//! `phi_j = v (o_j - z_j) sum_{S without j} |S|! (d - |S| - 1)! / d! prod_{k in S} o_k prod_{k not in S, k != j} z_k`.
//!
//! The weights are `integral of t^|S| (1 - t)^(d - 1 - |S|)` over [0, 1], and so the sum over all sets is the integral of a
//! product (Owen 1972, Management Science 18:64):
//!
//! `phi_j = v (o_j - z_j) integral prod_{k != j} (o_k t + z_k (1 - t)) dt`,
//!
//! a polynomial of degree `d - 1`, which `ceil(d / 2)` Gauss-Legendre points integrate exactly. All factors are at least
//! 0, so nothing cancels. Pairs work the same with two factors left out (Fujimoto et al. 2006; Lundberg et al. 2018, eq. 7-9).

use super::quadrature::Rule;
use super::region::Path;

/// One leaf, ready to be asked for the values of any row.
#[derive(Debug)]
pub(super) struct Game {
    pub(super) features: Vec<u32>,
    value: f64,
    /// Value times weight of each point.
    start: Vec<f64>,
    /// `o t + z (1 - t)` by player, `o` and point.
    factors: Vec<f64>,
    /// `(o - z) / (o t + z (1 - t))` by player, `o` and point.
    ratios: Vec<f64>,
}

impl Game {
    /// `rules[n]` is the rule with `n` points.
    pub(super) fn new(path: &Path, rules: &[Rule]) -> Self {
        let rule = &rules[path.features.len().div_ceil(2)];
        let mut game = Self {
            features: path.features.clone(),
            value: path.value,
            start: rule.weights.iter().map(|w| w * path.value).collect(),
            factors: Vec::with_capacity(2 * path.features.len() * rule.points.len()),
            ratios: Vec::with_capacity(2 * path.features.len() * rule.points.len()),
        };
        for &share in &path.fractions {
            for known in [0.0, 1.0] {
                for t in &rule.points {
                    let factor = known * t + share * (1.0 - t);
                    game.factors.push(factor);
                    // The factor is 0 only where o and z are both 0: knowing the feature tells nothing then.
                    game.ratios.push(if factor > 0.0 { (known - share) / factor } else { 0.0 });
                }
            }
        }
        game
    }

    pub(super) fn n_players(&self) -> usize {
        self.features.len()
    }

    fn at(&self, values: &[f64], player: usize, passes: bool, point: usize) -> f64 {
        values[(2 * player + usize::from(passes)) * self.start.len() + point]
    }

    /// `v w_q prod_k factor_k` at each point, for a row that passes what `passes` says.
    #[inline(always)]
    fn products(&self, passes: impl Fn(usize) -> bool, products: &mut Vec<f64>) {
        let n = self.start.len();
        products.clear();
        products.extend_from_slice(&self.start);
        for player in 0..self.n_players() {
            let factors = &self.factors[(2 * player + usize::from(passes(player))) * n..][..n];
            products.iter_mut().zip(factors).for_each(|(p, f)| *p *= f);
        }
    }

    /// Gives the Shapley value of each player to `add`, with the feature it stands for.
    #[inline(always)]
    pub(super) fn values(
        &self,
        passes: impl Fn(usize) -> bool,
        products: &mut Vec<f64>,
        mut add: impl FnMut(usize, f64),
    ) {
        let n = self.start.len();
        self.products(&passes, products);
        for (player, &feature) in self.features.iter().enumerate() {
            let ratios = &self.ratios[(2 * player + usize::from(passes(player))) * n..][..n];
            add(feature as usize, products.iter().zip(ratios).map(|(p, r)| p * r).sum());
        }
    }

    /// Gives the Shapley interaction index of each pair of players, halved as is customary (one half for each order), to `add`.
    pub(super) fn pairs(
        &self,
        passes: impl Fn(usize) -> bool,
        products: &mut Vec<f64>,
        mut add: impl FnMut(usize, usize, f64),
    ) {
        self.products(&passes, products);
        for (a, &first) in self.features.iter().enumerate() {
            for (b, &second) in self.features.iter().enumerate().skip(a + 1) {
                let both = |(q, p): (usize, &f64)| {
                    p * self.at(&self.ratios, a, passes(a), q) * self.at(&self.ratios, b, passes(b), q)
                };
                let sum: f64 = products.iter().enumerate().map(both).sum();
                add(first as usize, second as usize, 0.5 * sum);
            }
        }
    }

    /// The leaf's value.
    pub(super) fn value(&self) -> f64 {
        self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The formula over all sets.
    fn by_definition(path: &Path, answer: usize) -> Vec<f64> {
        let d = path.features.len();
        let factorial = |n: usize| (1..=n).map(|k| k as f64).product::<f64>();
        let game = |known: usize| {
            let factor = |k: usize| match known >> k & 1 {
                1 => (answer >> k & 1) as f64,
                _ => path.fractions[k],
            };
            (0..d).map(factor).product::<f64>() * path.value
        };
        let of = |j: usize| {
            let sets = (0..1_usize << d).filter(|s| s >> j & 1 == 0);
            let term = |s: usize| {
                let size = s.count_ones() as usize;
                factorial(size) * factorial(d - size - 1) / factorial(d) * (game(s | 1 << j) - game(s))
            };
            sets.map(term).sum()
        };
        (0..d).map(of).collect()
    }

    #[test]
    fn the_integral_is_the_sum_over_all_sets() {
        let rules = Rule::up_to(9);
        for d in 1..=9 {
            let fractions: Vec<f64> = (0..d).map(|k| [0.3, 0.05, 0.0, 1.0, 0.999, 0.5, 0.25, 0.8, 0.01][k]).collect();
            let path = Path { features: (0..d as u32).collect(), fractions, value: -7.5 };
            let game = Game::new(&path, &rules);
            for answer in 0..1 << d {
                let expected = by_definition(&path, answer);
                let mut found = vec![0.0; d];
                game.values(|k| answer >> k & 1 == 1, &mut Vec::new(), |feature, v| found[feature] = v);
                for k in 0..d {
                    assert!((found[k] - expected[k]).abs() < 1e-14, "{d} {answer:b} {k}: {found:?} {expected:?}");
                }
            }
        }
    }
}
