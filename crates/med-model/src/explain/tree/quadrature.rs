//! Gauss-Legendre quadrature on [0, 1].

/// Points and weights with which polynomials of degree `2 n - 1` are integrated exactly, `n` being the number of points.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub(super) points: Vec<f64>,
    pub(super) weights: Vec<f64>,
}

/// Some points of a rule.
#[derive(Debug, Clone, Copy)]
pub(super) struct Points<'r> {
    pub(super) at: &'r [f64],
    pub(super) weights: &'r [f64],
}

impl Rule {
    /// By Newton's method on the Legendre polynomial, from Tricomi's first guess.
    pub(super) fn new(n: usize) -> Self {
        let (mut points, mut weights) = (vec![0.5; n], vec![1.0; n]);
        for i in 0..n.div_ceil(2) {
            let mut x = (std::f64::consts::PI * (i as f64 + 0.75) / (n as f64 + 0.5)).cos();
            let mut slope = 1.0;
            for _ in 0..100 {
                let (value, derivative) = legendre(n, x);
                slope = derivative;
                let step = value / derivative;
                x -= step;
                if step.abs() <= 1e-16 {
                    break;
                }
            }
            let weight = 1.0 / ((1.0 - x * x) * slope * slope);
            points[i] = 0.5 * (1.0 - x);
            points[n - 1 - i] = 0.5 * (1.0 + x);
            weights[i] = weight;
            weights[n - 1 - i] = weight;
        }
        // So that constants are integrated to the last bit.
        let total: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|w| *w /= total);
        Self { points, weights }
    }

    /// All points, in as few parts of at most `most` as there can be, of about one size.
    pub(super) fn parts(&self, most: usize) -> impl Iterator<Item = Points<'_>> {
        let size = self.points.len().div_ceil(self.points.len().div_ceil(most).max(1)).max(1);
        self.points.chunks(size).zip(self.weights.chunks(size)).map(|(at, weights)| Points { at, weights })
    }

    /// The rules with 0, 1, ... points that games of up to `players` players need.
    pub(super) fn up_to(players: usize) -> Vec<Self> {
        (0..=players.div_ceil(2)).map(Self::new).collect()
    }
}

/// The Legendre polynomial of degree `n >= 1` and its derivative, inside (-1, 1).
fn legendre(n: usize, x: f64) -> (f64, f64) {
    let (mut before, mut value) = (1.0, x);
    for k in 2..=n {
        let k = k as f64;
        (before, value) = (value, ((2.0 * k - 1.0) * x * value - (k - 1.0) * before) / k);
    }
    (value, n as f64 * (x * value - before) / (x * x - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_all_points_in_order_and_of_about_one_size() {
        for (n, sizes) in [(0, vec![]), (1, vec![1]), (8, vec![8]), (9, vec![5, 4]), (20, vec![7, 7, 6])] {
            let rule = Rule::new(n);
            let parts: Vec<_> = rule.parts(8).collect();
            assert_eq!(parts.iter().map(|p| p.at.len()).collect::<Vec<_>>(), sizes);
            assert_eq!(parts.iter().flat_map(|p| p.at.to_vec()).collect::<Vec<_>>(), rule.points);
            assert_eq!(parts.iter().flat_map(|p| p.weights.to_vec()).collect::<Vec<_>>(), rule.weights);
        }
    }

    #[test]
    fn powers_are_integrated_exactly_up_to_their_degree() {
        for n in [1, 2, 3, 4, 5, 8, 17, 60] {
            let rule = Rule::new(n);
            for degree in 0..2 * n {
                let found: f64 = rule.points.iter().zip(&rule.weights).map(|(t, w)| w * t.powi(degree as i32)).sum();
                let expected = 1.0 / (degree as f64 + 1.0);
                assert!((found - expected).abs() < 1e-13, "{n} points, degree {degree}: {found} {expected}");
            }
        }
    }
}
