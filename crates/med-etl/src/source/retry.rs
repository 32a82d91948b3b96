//! Trying again after failures that may pass.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::EtlError;

/// How often to try again, and how long to wait before that.
///
/// The wait doubles from `first_ms` up to `cap_ms`, and is shortened by up to a half, so that many programs that failed at
/// once do not come back at once. The shares are drawn from `seed`. Only what may pass is tried again:
/// [`EtlError::is_transient`].
///
/// An extraction is tried again as a whole as long as no batch was given out, and after that only between pages and within its
/// transaction. It is never tried again in another transaction, which would show another state of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retry {
    /// Attempts after the first. Default 3.
    pub attempts: u32,
    /// Milliseconds to wait before the second attempt. Default 200.
    pub first_ms: u64,
    /// Most milliseconds to wait. Default 10,000.
    pub cap_ms: u64,
    /// Seed of the jitter. Default 0.
    pub seed: u64,
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 3, first_ms: 200, cap_ms: 10_000, seed: 0 }
    }
}

impl Retry {
    /// Every failure is final.
    pub fn never() -> Self {
        Self { attempts: 0, ..Self::default() }
    }

    /// The wait before attempt `number` after the first, from 0; nothing when there is no such attempt.
    pub fn delay(&self, number: u32) -> Option<Duration> {
        if number >= self.attempts {
            return None;
        }
        let whole = self.first_ms.saturating_mul(1_u64.checked_shl(number).unwrap_or(u64::MAX)).min(self.cap_ms);
        // SplitMix64 of seed and number.
        let mut word = self.seed.wrapping_add(u64::from(number).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^= word >> 31;
        let half = whole / 2;
        Some(Duration::from_millis(whole - if half == 0 { 0 } else { word % (half + 1) }))
    }

    /// Does it until it is done, fails for good, or was tried often enough.
    pub(crate) fn run<T>(&self, mut attempt: impl FnMut() -> Result<T, EtlError>) -> Result<T, EtlError> {
        let mut number = 0;
        loop {
            match attempt() {
                Err(error) if error.is_transient() => match self.delay(number) {
                    Some(delay) => {
                        tracing::warn!(attempt = number + 2, "trying again: {error}");
                        std::thread::sleep(delay);
                        number += 1;
                    }
                    None => return Err(error),
                },
                done => return done,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_cap_and_stay_between_half_and_whole() {
        let retry = Retry { attempts: 70, first_ms: 100, cap_ms: 1000, seed: 7 };
        for number in 0..70 {
            let whole = if number < 4 { 100 << number } else { 1000 }.min(1000);
            let delay = retry.delay(number).unwrap().as_millis() as u64;
            assert!((whole / 2..=whole).contains(&delay), "{number}: {delay}");
            assert_eq!(retry.delay(number), retry.delay(number));
        }
        assert_eq!(retry.delay(70), None);
        assert_ne!(retry.delay(5), Retry { seed: 8, ..retry }.delay(5));
        assert_eq!(Retry::never().delay(0), None);
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let retry = Retry { attempts: 2, first_ms: 0, cap_ms: 0, seed: 0 };
        let tried = |message: &str| {
            let mut tried = 0;
            let failed = retry.run(|| -> Result<(), EtlError> {
                tried += 1;
                Err(EtlError::Connect { database: "db".into(), source: message.into() })
            });
            assert!(failed.is_err());
            tried
        };
        assert_eq!(tried("connection refused"), 3);
        assert_eq!(tried("password authentication failed"), 1);
    }
}
