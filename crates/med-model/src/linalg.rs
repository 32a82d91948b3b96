//! Least squares: sums of products in one pass, Cholesky of the normal equations, Householder QR where these are ill
//! conditioned.
//!
//! Golub and Van Loan, *Matrix Computations*, 4th ed., algorithm 5.4.1 (pivoted QR), section 5.5 (rank-deficient least
//! squares) and 4.2.8 (pivoted Cholesky). Columns are centred and brought to unit length first, so that the rank does not
//! depend on units. Every sum has a fixed order: the same input gives the same bits, for any number of threads.

pub(crate) mod cholesky;
pub(crate) mod gram;
pub(crate) mod moments;
mod products;
pub(crate) mod qr;
mod sparse;

/// Columns whose part that is new is shorter than this share of the whole are linear combinations of those before.
pub(crate) const RANK_TOLERANCE: f64 = 1e-10;

pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    // Eight partial sums let the compiler use vector registers; the order is fixed.
    let mut sums = [0.0; 8];
    let (a_blocks, b_blocks) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a_blocks.remainder().iter().zip(b_blocks.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in a_blocks.zip(b_blocks) {
        for k in 0..8 {
            sums[k] += x[k] * y[k];
        }
    }
    sums.iter().sum::<f64>() + rest
}
