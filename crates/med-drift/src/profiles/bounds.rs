//! What a distance between two histograms can be when their shares are known within bounds.
//!
//! Every distance here is a function of a sum (or maximum) of terms f(p, q), one a bin. The terms of `kl` apart, f is 0 where p = q and grows with their
//! distance, and all are jointly convex: over p in \[a, b\] and q in \[c, d\] the largest value is at a corner, the smallest is 0 if the two meet and
//! else at the nearest corner. Adding the largest and the smallest terms bounds the sum.

use crate::Method;
use crate::measure::shares::FLOOR;

/// A share, at least and at most.
pub(super) type Range = [f64; 2];

/// The distances between histograms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Divergence {
    Psi,
    JensenShannon,
    Hellinger,
    Kl,
    Tv,
    LInfinity,
}

impl Divergence {
    pub(super) fn of(method: Method) -> Option<Self> {
        match method {
            Method::Psi => Some(Self::Psi),
            Method::JensenShannon => Some(Self::JensenShannon),
            Method::Hellinger => Some(Self::Hellinger),
            Method::Kl => Some(Self::Kl),
            Method::Tv => Some(Self::Tv),
            Method::LInfinity => Some(Self::LInfinity),
            _ => None,
        }
    }

    pub(super) fn term(self, p: f64, q: f64) -> f64 {
        let entropy = |share: f64, mean: f64| if share > 0.0 { share * (share / mean).log2() } else { 0.0 };
        match self {
            Self::Psi => {
                let (p, q) = (p.max(FLOOR), q.max(FLOOR));
                (p - q) * (p / q).ln()
            }
            Self::Kl => p.max(FLOOR) * (p.max(FLOOR) / q.max(FLOOR)).ln(),
            Self::JensenShannon => entropy(p, (p + q) / 2.0) + entropy(q, (p + q) / 2.0),
            Self::Hellinger => (p.sqrt() - q.sqrt()).powi(2),
            Self::Tv | Self::LInfinity => (p - q).abs(),
        }
    }

    /// The smallest and the largest term over these shares.
    pub(super) fn range(self, p: Range, q: Range) -> Range {
        let corners = [self.term(p[0], q[0]), self.term(p[0], q[1]), self.term(p[1], q[0]), self.term(p[1], q[1])];
        let most = corners.into_iter().fold(f64::NEG_INFINITY, f64::max);
        let least = if self == Self::Kl {
            // It falls with q, and in p it has its least value at q / e.
            let q = q[1].max(FLOOR);
            self.term((q / std::f64::consts::E).clamp(p[0].max(FLOOR), p[1].max(FLOOR)), q)
        } else if p[1] < q[0] {
            self.term(p[1], q[0])
        } else if q[1] < p[0] {
            self.term(p[0], q[1])
        } else {
            0.0
        };
        [least.min(most), most]
    }

    /// Terms put together.
    pub(super) fn total(self, terms: impl Iterator<Item = f64>) -> f64 {
        if self == Self::LInfinity { terms.fold(0.0, f64::max) } else { terms.sum() }
    }

    /// The distance from the terms put together.
    pub(super) fn distance(self, total: f64) -> f64 {
        match self {
            Self::Psi | Self::LInfinity => total,
            Self::Kl => total.max(0.0),
            Self::Tv => total / 2.0,
            Self::JensenShannon | Self::Hellinger => (total / 2.0).clamp(0.0, 1.0).sqrt(),
        }
    }

    /// The most that levels nobody listed can add, all together: those with at most the shares `p` and `q` of all rows, none of them with more than
    /// `each` of a side.
    pub(super) fn unlisted(self, p: f64, q: f64, each: f64) -> f64 {
        match self {
            Self::JensenShannon | Self::Hellinger | Self::Tv => p + q,
            Self::LInfinity => each,
            // abs((p - q) ln(p / q)) of floored shares; levels below the floor on both sides add nothing.
            Self::Psi | Self::Kl => (p + q) * (each / FLOOR).max(1.0).ln(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_term_within_the_bounds_is_outside_the_range() {
        let all = [
            Divergence::Psi,
            Divergence::JensenShannon,
            Divergence::Hellinger,
            Divergence::Kl,
            Divergence::Tv,
            Divergence::LInfinity,
        ];
        for divergence in all {
            for [a, b, c, d] in
                [[0.0, 0.1, 0.2, 0.3], [0.1, 0.3, 0.2, 0.25], [0.4, 0.5, 0.0, 0.1], [0.1, 0.1, 0.1, 0.1]]
            {
                let [least, most] = divergence.range([a, b], [c, d]);
                for i in 0..=20 {
                    for j in 0..=20 {
                        let (p, q) = (a + (b - a) * f64::from(i) / 20.0, c + (d - c) * f64::from(j) / 20.0);
                        let term = divergence.term(p, q);
                        assert!(least - 1e-12 <= term && term <= most + 1e-12, "{divergence:?} {p} {q}");
                    }
                }
            }
        }
    }
}
