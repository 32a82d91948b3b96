//! Stepwise regression: forward, backward, both ways.

use ndarray::Array2;

use super::gram::{DETERMINED, Gram};
use super::linear::Complete;

/// Where the steps start and what they may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// From no feature; steps add.
    Forward,
    /// From all features; steps remove.
    Backward,
    /// From no feature; steps add or remove.
    Both,
}

/// A step must lower the criterion by more than this, so that rounding cannot make both ways go round in circles.
const LEAST_FALL: f64 = 1e-9;

/// Second moments of features and target with some features swept in (Beaton, 1964; Goodnight, 1979): what is left of the others
/// and of the target after regression on those.
struct Swept {
    a: Array2<f64>,
    inside: Vec<bool>,
    n: f64,
}

impl Swept {
    fn of(gram: &Gram) -> Self {
        let p = gram.xy.len();
        let a = Array2::from_shape_fn((p + 1, p + 1), |(i, j)| match (i < p, j < p) {
            (true, true) => gram.xx[(i, j)],
            (true, false) => gram.xy[i],
            (false, true) => gram.xy[j],
            (false, false) => gram.yy,
        });
        Self { a, inside: vec![false; p], n: gram.n as f64 }
    }

    /// Takes feature `k` in, or out if it is in.
    fn flip(&mut self, k: usize) {
        let pivot = self.a[(k, k)];
        let row = self.a.row(k).to_owned();
        for i in 0..row.len() {
            self.a.row_mut(i).scaled_add(-row[i] / pivot, &row);
        }
        let sign = if self.inside[k] { -1.0 } else { 1.0 };
        for i in 0..row.len() {
            let value = if i == k { -1.0 / pivot } else { sign * row[i] / pivot };
            self.a[(i, k)] = value;
            self.a[(k, i)] = value;
        }
        self.inside[k] = !self.inside[k];
    }

    /// By how much flipping `k` lowers `n ln(RSS / n) + price q`; `None` when those inside determine `k` or the target.
    fn lowered(&self, k: usize, price: f64) -> Option<f64> {
        let y = self.inside.len();
        let (own, with_y, left) = (self.a[(k, k)], self.a[(k, y)], self.a[(y, y)]);
        let price = if self.inside[k] { -price } else { price };
        // The diagonal of what is inside is negative, so the share of the residual it takes is, too.
        let share = with_y * with_y / (own * left);
        let defined = (self.inside[k] || own > DETERMINED) && left > 0.0;
        defined.then(|| -self.n * (-share.min(1.0)).ln_1p() - price)
    }
}

/// Stepwise regression (Efroymson, 1960): the step is taken that lowers
///
/// ```text
/// n ln(RSS / n) + c q        c = 2 (Akaike, 1974) or ln n (Schwarz, 1978), q coefficients
/// ```
///
/// most, until none lowers it. A feature that those in the model determine has no number.
///
/// Forward gives, in order of choice, how much each lowered the criterion; then the others with how much adding them to the final
/// model would lower it, which is at most 0. Backward and both ways give of the final model how much the criterion would rise
/// without the feature; of the others the same as forward, best first. Backward needs more rows than features by two.
pub(super) fn stepwise(data: &Complete, bayes: bool, direction: Direction) -> Vec<(usize, Option<f64>)> {
    let undefined = || data.kept.iter().map(|&j| (j, None)).collect();
    let Some(gram) = data.gram() else { return undefined() };
    let mut swept = Swept::of(&gram);
    let price = if bayes { swept.n.ln() } else { 2.0 };
    let p = data.kept.len();
    if direction == Direction::Backward {
        for k in 0..p {
            if swept.a[(k, k)] > DETERMINED {
                swept.flip(k);
            }
        }
        if swept.inside.iter().filter(|i| **i).count() + 2 > gram.n || swept.a[(p, p)] <= 0.0 {
            return undefined();
        }
    }
    let mut chosen: Vec<(usize, Option<f64>)> = Vec::new();
    loop {
        let open = |k: &usize| match direction {
            Direction::Forward => !swept.inside[*k],
            Direction::Backward => swept.inside[*k],
            Direction::Both => true,
        };
        let steps = (0..p).filter(open).filter_map(|k| Some((k, swept.lowered(k, price)?)));
        let best = steps.reduce(|a, b| if b.1 > a.1 { b } else { a });
        let size = swept.inside.iter().filter(|i| **i).count();
        match best {
            // Each coefficient takes a degree of freedom; one must stay for the residuals.
            Some((k, by)) if by > LEAST_FALL && (swept.inside[k] || size + 2 < gram.n) => {
                swept.flip(k);
                chosen.push((k, Some(by)));
            }
            _ => break,
        }
    }
    if direction != Direction::Forward {
        let kept = (0..p).filter(|&k| swept.inside[k]);
        chosen = best_first(kept.map(|k| (k, swept.lowered(k, price).map(|v| -v))).collect());
    }
    let rest = (0..p).filter(|&k| !swept.inside[k]);
    chosen.extend(best_first(rest.map(|k| (k, swept.lowered(k, price).map(|v| v.min(0.0)))).collect()));
    chosen.into_iter().map(|(k, value)| (data.kept[k], value)).collect()
}

fn best_first(mut found: Vec<(usize, Option<f64>)>) -> Vec<(usize, Option<f64>)> {
    let value = |f: &(usize, Option<f64>)| f.1.unwrap_or(f64::NEG_INFINITY);
    found.sort_by(|a, b| value(b).total_cmp(&value(a)));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(step: i32) -> Vec<f64> {
        (0..80).map(|i| f64::from(i * step % 79)).collect()
    }

    #[test]
    fn a_sweep_undone_is_none() {
        let columns = vec![wave(7), wave(11), wave(23)];
        let gram = Gram::of(&columns, &wave(31)).unwrap();
        let mut swept = Swept::of(&gram);
        let before = swept.a.clone();
        let order = [0, 2, 1, 0, 1, 2];
        order.into_iter().for_each(|k| swept.flip(k));
        assert!((&swept.a - &before).iter().all(|d| d.abs() < 1e-12));
        assert_eq!(swept.inside, [false; 3]);
    }

    /// A sum of two predicts best alone, and is of no use beside both.
    #[test]
    fn both_ways_drop_what_was_first() {
        let (a, b) = (wave(7), wave(23));
        let sum: Vec<f64> = a.iter().zip(&b).zip(wave(53)).map(|((a, b), e)| a + b + e / 3.0).collect();
        let y: Vec<f64> = a.iter().zip(&b).zip(wave(31)).map(|((a, b), e)| a + b + e / 30.0).collect();
        let data = Complete { columns: vec![a, b, sum], y, kept: vec![0, 1, 2] };
        let kept = |direction| {
            let mut kept: Vec<usize> =
                stepwise(&data, true, direction).iter().filter(|f| f.1.is_some_and(|v| v > 0.0)).map(|f| f.0).collect();
            kept.sort_unstable();
            kept
        };
        assert_eq!(kept(Direction::Forward), [0, 1, 2]);
        assert_eq!(kept(Direction::Backward), [0, 1]);
        assert_eq!(kept(Direction::Both), [0, 1]);
    }
}
