//! Hot loops, compiled for the vector units there are.
//!
//! A library is built for the oldest processor of its architecture, where a vector holds two numbers. [`vectorised`]
//! compiles its closure again for newer ones and picks at run time. The compiler reorders no sum and fuses no
//! multiplication with an addition on its own, so all versions give the same bits.
//!
//! All `unsafe` of the crate is here, three calls; elsewhere the compiler refuses it. None of them reads or writes memory
//! by an index or pointer, so no bounds can be missed: two call a function compiled for features that were just
//! detected, one is a prefetch, which is defined for any address. The kernels themselves are safe code with its checks.

pub(crate) mod exp;

/// A hot loop too large for [`vectorised`]: the compiler may leave a long closure out of line, and then it stays compiled
/// for the oldest processor. `run` is marked `#[inline(always)]`, so it cannot.
pub(crate) trait Kernel {
    /// What it gives.
    type Output;

    /// Does the work. Implementations are `#[inline(always)]`, and so are the functions they call.
    fn run(self) -> Self::Output;
}

/// Runs a kernel, compiled for the widest vectors of this processor.
#[inline]
pub(crate) fn run<K: Kernel>(kernel: K) -> K::Output {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2,bmi1,bmi2,fma,lzcnt,popcnt")]
        fn avx2<K: Kernel>(kernel: K) -> K::Output {
            kernel.run()
        }
        #[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,bmi1,bmi2,fma,lzcnt,popcnt")]
        fn avx512<K: Kernel>(kernel: K) -> K::Output {
            kernel.run()
        }
        match vectors() {
            // SAFETY: `vectors` gives this where every feature that the function is compiled for is on this processor.
            Vectors::Avx512 => return unsafe { avx512(kernel) },
            // SAFETY: as above.
            Vectors::Avx2 => return unsafe { avx2(kernel) },
            Vectors::Least => {}
        }
    }
    kernel.run()
}

/// Runs a short closure, compiled for the widest vectors of this processor. Functions that `work` calls take part only if
/// they are inlined: mark them `#[inline(always)]`. Long loops are a [`Kernel`].
#[inline]
pub(crate) fn vectorised<R>(work: impl FnOnce() -> R) -> R {
    struct Closure<F>(F);
    impl<R, F: FnOnce() -> R> Kernel for Closure<F> {
        type Output = R;

        #[inline(always)]
        fn run(self) -> R {
            (self.0)()
        }
    }
    run(Closure(work))
}

/// The lowest bits of eight bytes, the first byte's lowest.
#[inline(always)]
pub(crate) fn low_bits(eight: &[u8; 8]) -> u64 {
    // A product in which no two of them meet, and whose highest byte they are.
    u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

/// Adds two numbers to two that stand together, as one: half the loads and stores of two additions.
#[inline(always)]
pub(crate) fn add_both(to: &mut [u64; 2], value: [u64; 2]) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_mm_add_epi64, _mm_cvtsi128_si64, _mm_set_epi64x, _mm_unpackhi_epi64};
        // SAFETY: these instructions of SSE2 are on every processor of this architecture, and take and give numbers only.
        *to = unsafe {
            let (to, value) = (_mm_set_epi64x(to[1] as i64, to[0] as i64), _mm_set_epi64x(value[1] as i64, value[0] as i64));
            let sum = _mm_add_epi64(to, value);
            [_mm_cvtsi128_si64(sum) as u64, _mm_cvtsi128_si64(_mm_unpackhi_epi64(sum, sum)) as u64]
        };
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        *to = [to[0].wrapping_add(value[0]), to[1].wrapping_add(value[1])];
    }
}

/// Asks for the line of this value, which will be read soon. Random reads of many rows take a third of the time with it.
#[inline(always)]
pub(crate) fn prefetch<T>(values: &[T], at: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch reads nothing and cannot fault, whatever the address; `wrapping_add` makes no claim on it.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(values.as_ptr().wrapping_add(at).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (values, at);
}

/// Sets of vector instructions that kernels are compiled for.
#[cfg(target_arch = "x86_64")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Vectors {
    Least,
    Avx2,
    Avx512,
}

/// The widest there are. Found once: on few rows a kernel takes no longer than a dozen of questions for one feature each.
#[cfg(target_arch = "x86_64")]
#[inline]
fn vectors() -> Vectors {
    static FOUND: std::sync::OnceLock<Vectors> = std::sync::OnceLock::new();
    *FOUND.get_or_init(|| match (has_avx2(), has_avx512()) {
        (false, _) => Vectors::Least,
        (true, false) => Vectors::Avx2,
        (true, true) => Vectors::Avx512,
    })
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

    #[test]
    fn low_bits_of_eight_bytes_are_one_byte() {
        for byte in 0..=255_u64 {
            let eight: [u8; 8] = std::array::from_fn(|k| (byte >> k & 1) as u8);
            assert_eq!(low_bits(&eight), byte);
        }
    }
}
