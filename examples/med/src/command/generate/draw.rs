//! Draws from the distributions of the made-up population.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

/// Random numbers of one client. A client's own depend on the seed and its number alone: a larger population begins with the
/// same clients as a smaller one.
pub(super) struct Draw(Pcg64);

impl Draw {
    pub(super) fn of_client(seed: u64, client: u64) -> Self {
        let mut state = [0; 32];
        state[..8].copy_from_slice(&seed.to_le_bytes());
        state[8..16].copy_from_slice(&client.to_le_bytes());
        // The stream must differ from that of other uses of the seed.
        state[16..].copy_from_slice(b"med population 1");
        Self(Pcg64::from_seed(state))
    }

    /// From 0 to below 1.
    pub(super) fn unit(&mut self) -> f64 {
        self.0.random::<f64>()
    }

    pub(super) fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    /// From `low` to `high`, both included.
    pub(super) fn whole(&mut self, low: i64, high: i64) -> i64 {
        self.0.random_range(low..=high)
    }

    /// Log-normal of mean 1.
    pub(super) fn log_normal(&mut self, sigma: f64) -> f64 {
        // Box and Muller; 1 - u is never 0.
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        let normal = radius * (std::f64::consts::TAU * self.unit()).cos();
        (sigma * normal - sigma * sigma / 2.0).exp()
    }

    pub(super) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }
}
