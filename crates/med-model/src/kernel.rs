//! Hot loops, compiled for the vector units there are.
//!
//! A library is built for the oldest processor of its architecture, where a vector holds two numbers. [`vectorised`]
//! compiles its closure again for newer ones and picks at run time. The compiler reorders no sum and fuses no
//! multiplication with an addition on its own, so all versions give the same bits.
//!
//! All `unsafe` of the crate is here, eight blocks; elsewhere the compiler refuses it. None of them reads or writes memory
//! by an index or pointer, so no bounds can be missed: three call a function compiled for features that were detected
//! before, three work on numbers by instructions that the processor has, one is a prefetch, which is defined for any
//! address, and one is an advice on pages. The kernels themselves are safe code with its checks.

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

/// The lowest bits of 64 bytes, which are 0 or 1, the first byte's lowest.
#[inline(always)]
pub(crate) fn bits(bytes: &[u8; 64]) -> u64 {
    let (sixteens, _) = bytes.as_chunks::<16>();
    (0..4).fold(0, |word, k| word | u64::from(sixteen_bits(&sixteens[k])) << (16 * k))
}

/// The same of 16 bytes.
#[inline(always)]
pub(crate) fn sixteen_bits(bytes: &[u8; 16]) -> u16 {
    let (eights, _) = bytes.as_chunks::<8>();
    let eight = |k: usize| u64::from_le_bytes(eights[k]);
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_mm_movemask_epi8, _mm_set_epi64x, _mm_slli_epi16};
        // SAFETY: these instructions of SSE2 are on every processor of this architecture, and take and give numbers only.
        unsafe {
            let bytes = _mm_set_epi64x(eight(1) as i64, eight(0) as i64);
            // The highest bit of each byte is what is gathered.
            _mm_movemask_epi8(_mm_slli_epi16::<7>(bytes)) as u16
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        // A product in which no two of them meet, and whose highest byte they are.
        let gathered = |k: usize| eight(k).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        (gathered(0) | gathered(1) << 8) as u16
    }
}

/// For each byte, the places of its bits that are set, in order, and zeros.
pub(crate) static PLACES: [[u8; 8]; 256] = {
    let mut places = [[0; 8]; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut bit, mut n) = (0, 0);
        while bit < 8 {
            if byte >> bit & 1 == 1 {
                places[byte][n] = bit;
                n += 1;
            }
            bit += 1;
        }
        byte += 1;
    }
    places
};

/// Packs numbers by an instruction that not every processor has: there is one of these only where it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Packer(());

impl Packer {
    /// Where this processor has the instruction.
    #[inline]
    pub(crate) fn found() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        let is_there = vectors() == Vectors::Avx512;
        #[cfg(not(target_arch = "x86_64"))]
        let is_there = false;
        is_there.then_some(Self(()))
    }

    /// The numbers whose bit is set, in their order, and zeros behind them. Meant for loops within [`vectorised`].
    #[inline(always)]
    pub(crate) fn pack(self, numbers: [u32; 16], kept: u16) -> [u32; 16] {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::{__m512i, _mm512_maskz_compress_epi32};
            use std::mem::transmute;
            #[target_feature(enable = "avx512f")]
            #[inline]
            fn pack(numbers: [u32; 16], kept: u16) -> [u32; 16] {
                // SAFETY: both types are 64 bytes, and all of their values are values of the other.
                unsafe {
                    let numbers = transmute::<[u32; 16], __m512i>(numbers);
                    transmute::<__m512i, [u32; 16]>(_mm512_maskz_compress_epi32(kept, numbers))
                }
            }
            // SAFETY: there is a `Packer`, so `vectors` found AVX-512.
            unsafe { pack(numbers, kept) }
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            let mut packed = [0; 16];
            let kept = (0..16).filter(|k| kept >> k & 1 == 1).map(|k| numbers[k]);
            packed.iter_mut().zip(kept).for_each(|(to, number)| *to = number);
            packed
        }
    }
}

/// Adds two numbers to two that stand together, as one: half the loads and stores of two additions.
#[inline(always)]
pub(crate) fn add_both(to: &mut [u64; 2], value: [u64; 2]) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_mm_add_epi64, _mm_cvtsi128_si64, _mm_set_epi64x, _mm_unpackhi_epi64};
        // SAFETY: these instructions of SSE2 are on every processor of this architecture, and take and give numbers only.
        *to = unsafe {
            let (to, value) =
                (_mm_set_epi64x(to[1] as i64, to[0] as i64), _mm_set_epi64x(value[1] as i64, value[0] as i64));
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

/// These zeros in large pages, where the system has any: of small ones there are so many that to look up where they are takes
/// longer than to read them. Not to be called on memory that was written to: that stays where it is.
pub(crate) fn paged<T>(values: Vec<T>) -> Vec<T> {
    #[cfg(target_os = "linux")]
    {
        /// What pages begin at a multiple of, on all systems.
        const PAGE: usize = 1 << 16;
        /// Of fewer bytes there is no large page.
        const LARGE: usize = 1 << 21;
        let bytes = std::mem::size_of_val(values.as_slice());
        if bytes < LARGE {
            return values;
        }
        let start = values.as_ptr().cast::<u8>();
        let skipped = start.align_offset(PAGE);
        let len = bytes.saturating_sub(skipped) / PAGE * PAGE;
        // SAFETY: the whole pages of `len` bytes from there on lie within `values`. The advice changes how the system maps
        // them and neither their content nor their address; where it does not know the advice it says so and does nothing.
        let _ = unsafe { libc::madvise(start.wrapping_add(skipped).cast_mut().cast(), len, libc::MADV_HUGEPAGE) };
    }
    values
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
    fn both_sums_wrap_on_their_own() {
        for (mut to, value) in
            [([3, 5], [4, u64::MAX - 1]), ([u64::MAX, 0], [2, u64::MAX]), ([1 << 63, 7], [1 << 63, 0])]
        {
            let expected = [0, 1].map(|k: usize| to[k].wrapping_add(value[k]));
            add_both(&mut to, value);
            assert_eq!(to, expected);
        }
    }

    #[test]
    fn paged_memory_is_zero_and_may_be_written_to() {
        for n in [0, 5, (1 << 19) + 3, 3 << 20] {
            let mut values = paged(vec![0_u32; n]);
            assert!(values.len() == n && values.iter().all(|&v| v == 0));
            values.iter_mut().zip(0..).for_each(|(v, i)| *v = i);
            assert!(values.iter().zip(0..).all(|(&v, i)| v == i));
        }
    }

    #[test]
    fn bits_of_bytes_are_one_word() {
        let mut word = 1_u64;
        for _ in 0..1000 {
            word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            for word in [word, word & word >> 9 & word << 13, 0, u64::MAX] {
                assert_eq!(bits(&std::array::from_fn(|k| (word >> k & 1) as u8)), word);
            }
        }
    }

    #[test]
    fn packed_numbers_are_those_kept_in_their_order() {
        let Some(packer) = Packer::found() else { return };
        let numbers: [u32; 16] = std::array::from_fn(|k| 1000 + k as u32 * 7);
        for kept in 0..=u16::MAX {
            let mut expected = [0; 16];
            let mut n = 0;
            for (k, &number) in numbers.iter().enumerate() {
                if kept >> k & 1 == 1 {
                    expected[n] = number;
                    n += 1;
                }
            }
            assert_eq!(packer.pack(numbers, kept), expected);
        }
    }
}
