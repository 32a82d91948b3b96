//! Hot loops, compiled for the vector units there are.
//!
//! A library is built for the oldest processor of its architecture, where a vector holds two numbers. [`vectorised`]
//! compiles its closure again for newer ones and picks at run time. The compiler reorders no sum and fuses no
//! multiplication with an addition on its own, so all versions give the same bits.

pub(crate) mod exp;

/// Runs `work`, compiled for the widest vectors of this processor. Functions that `work` calls take part only if they are
/// inlined: mark them `#[inline(always)]`.
#[inline]
pub(crate) fn vectorised<R>(work: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2,bmi1,bmi2,fma,lzcnt,popcnt")]
        fn avx2<R>(work: impl FnOnce() -> R) -> R {
            work()
        }
        #[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,bmi1,bmi2,fma,lzcnt,popcnt")]
        fn avx512<R>(work: impl FnOnce() -> R) -> R {
            work()
        }
        if has_avx2() {
            if has_avx512() {
                // SAFETY: every feature that the function is compiled for has just been found on this processor.
                return unsafe { avx512(work) };
            }
            // SAFETY: as above.
            return unsafe { avx2(work) };
        }
    }
    work()
}

#[cfg(target_arch = "x86_64")]
fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("lzcnt")
        && is_x86_feature_detected!("popcnt")
}

#[cfg(target_arch = "x86_64")]
fn has_avx512() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512cd")
        && is_x86_feature_detected!("avx512dq")
        && is_x86_feature_detected!("avx512vl")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_versions_give_the_same_bits() {
        let x: Vec<f64> = (0..1000).map(|i| f64::from(i) * 0.37 - 11.0).collect();
        let plain: Vec<f64> = x.iter().map(|v| v * 1.7 + v / 3.0).collect();
        let wide = vectorised(|| x.iter().map(|v| v * 1.7 + v / 3.0).collect::<Vec<_>>());
        assert_eq!(plain, wide);
    }
}
