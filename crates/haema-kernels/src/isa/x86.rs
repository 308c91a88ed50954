//! AVX-512 and AVX2.
//!
//! Every `unsafe` block here is one call of one intrinsic. All but loads and stores are unsafe only
//! because the CPU must have the instruction; the token passed as `self` proves that it has.

#![expect(unsafe_code, reason = "intrinsics of instruction sets proved present by a token")]

use std::arch::x86_64::{
    __m128i, __m256, __m256i, __m512, _CMP_GT_OQ, _MM_HINT_T1, _mm_load_si128, _mm_packus_epi32,
    _mm_prefetch, _mm_sfence, _mm_store_si128, _mm256_add_epi32, _mm256_add_ps, _mm256_and_si256,
    _mm256_blendv_ps, _mm256_castps_si256, _mm256_castsi256_ps, _mm256_castsi256_si128,
    _mm256_cmp_ps, _mm256_cvtepu16_epi32, _mm256_extracti128_si256, _mm256_fmadd_ps,
    _mm256_load_ps, _mm256_load_si256, _mm256_max_ps, _mm256_mul_ps, _mm256_set1_epi32,
    _mm256_set1_ps, _mm256_setzero_ps, _mm256_slli_epi32, _mm256_srli_epi32, _mm256_store_ps,
    _mm256_store_si256, _mm256_stream_ps, _mm256_sub_ps, _mm512_add_epi32, _mm512_add_ps,
    _mm512_and_si512, _mm512_castps_si512, _mm512_castsi512_ps, _mm512_cmp_ps_mask,
    _mm512_cvtepi32_epi16, _mm512_cvtepu16_epi32, _mm512_fmadd_ps, _mm512_load_ps,
    _mm512_mask_blend_ps, _mm512_max_ps, _mm512_mul_ps, _mm512_reduce_add_ps, _mm512_set1_epi32,
    _mm512_set1_ps, _mm512_setzero_ps, _mm512_slli_epi32, _mm512_srli_epi32, _mm512_store_ps,
    _mm512_stream_ps, _mm512_sub_ps,
};

use super::{Isa, Kernel};
use crate::layout::{ChannelBlock, HalfBlock};

/// This CPU has AVX-512F. Only [`Avx512::detect`] makes one, so holding it is the proof.
#[derive(Debug, Clone, Copy)]
pub struct Avx512(());

impl Avx512 {
    /// Asks the CPU; the answer is cached by the standard library.
    pub fn detect() -> Option<Self> {
        let present = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("fma");
        present.then_some(Self(()))
    }

    pub(super) fn enter<K: Kernel>(self, kernel: K) {
        #[target_feature(enable = "avx512f,fma")]
        fn inner<K: Kernel>(isa: Avx512, kernel: K) {
            kernel.run(isa);
            flush();
        }
        // SAFETY: an `Avx512` exists only where both features were detected.
        unsafe { inner(self, kernel) }
    }
}

/// This CPU has AVX2 and FMA. Only [`Avx2::detect`] makes one, so holding it is the proof.
#[derive(Debug, Clone, Copy)]
pub struct Avx2(());

impl Avx2 {
    /// Asks the CPU; the answer is cached by the standard library.
    pub fn detect() -> Option<Self> {
        let present = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        present.then_some(Self(()))
    }

    pub(super) fn enter<K: Kernel>(self, kernel: K) {
        #[target_feature(enable = "avx2,fma")]
        fn inner<K: Kernel>(isa: Avx2, kernel: K) {
            kernel.run(isa);
            flush();
        }
        // SAFETY: an `Avx2` exists only where both features were detected.
        unsafe { inner(self, kernel) }
    }
}

/// Into the second-level cache: the first is full of what is being worked on.
#[inline(always)]
fn prefetch<T>(element: &T) {
    // SAFETY: every x86-64 CPU has SSE; a prefetch reads nothing that a program could see.
    unsafe { _mm_prefetch::<_MM_HINT_T1>(std::ptr::from_ref(element).cast()) }
}

/// Makes streamed stores seen: they are ordered by nothing else.
#[inline(always)]
fn flush() {
    // SAFETY: every x86-64 CPU has SSE.
    unsafe { _mm_sfence() }
}

impl Isa for Avx512 {
    type V = __m512;
    const HAS_MANY_REGISTERS: bool = true;

    #[inline(always)]
    fn splat(self, value: f32) -> __m512 {
        // SAFETY: `self` proves AVX-512F.
        unsafe { _mm512_set1_ps(value) }
    }

    #[inline(always)]
    fn load(self, from: &ChannelBlock) -> __m512 {
        // SAFETY: `self` proves AVX-512F; a `ChannelBlock` is 64 bytes, aligned to 64.
        unsafe { _mm512_load_ps(from.0.as_ptr()) }
    }

    #[inline(always)]
    fn store(self, value: __m512, to: &mut ChannelBlock) {
        // SAFETY: `self` proves AVX-512F; a `ChannelBlock` is 64 bytes, aligned to 64.
        unsafe { _mm512_store_ps(to.0.as_mut_ptr(), value) }
    }

    #[inline(always)]
    fn load_half(self, from: &HalfBlock) -> __m512 {
        let from = std::ptr::from_ref(from).cast::<__m256i>();
        // SAFETY: `self` proves AVX-512F, which includes AVX; a `HalfBlock` is 32 bytes, aligned to
        // 32.
        let halves = unsafe { _mm256_load_si256(from) };
        // SAFETY: `self` proves AVX-512F.
        let wide = unsafe { _mm512_cvtepu16_epi32(halves) };
        // SAFETY: `self` proves AVX-512F.
        let bits = unsafe { _mm512_slli_epi32::<16>(wide) };
        // SAFETY: `self` proves AVX-512F.
        unsafe { _mm512_castsi512_ps(bits) }
    }

    #[inline(always)]
    fn store_half(self, value: __m512, to: &mut HalfBlock) {
        // SAFETY: `self` proves AVX-512F.
        let bits = unsafe { _mm512_castps_si512(value) };
        // SAFETY: `self` proves AVX-512F.
        let place = unsafe { _mm512_srli_epi32::<16>(bits) };
        // SAFETY: `self` proves AVX-512F.
        let one = unsafe { _mm512_set1_epi32(1) };
        // SAFETY: `self` proves AVX-512F.
        let odd = unsafe { _mm512_and_si512(place, one) };
        // SAFETY: `self` proves AVX-512F.
        let under_half = unsafe { _mm512_set1_epi32(0x7FFF) };
        // SAFETY: `self` proves AVX-512F.
        let rounding = unsafe { _mm512_add_epi32(odd, under_half) };
        // SAFETY: `self` proves AVX-512F.
        let rounded = unsafe { _mm512_add_epi32(bits, rounding) };
        // SAFETY: `self` proves AVX-512F.
        let upper = unsafe { _mm512_srli_epi32::<16>(rounded) };
        // SAFETY: `self` proves AVX-512F.
        let halves = unsafe { _mm512_cvtepi32_epi16(upper) };
        let to = std::ptr::from_mut(to).cast::<__m256i>();
        // SAFETY: `self` proves AVX-512F, which includes AVX; a `HalfBlock` is 32 bytes, aligned to
        // 32.
        unsafe { _mm256_store_si256(to, halves) }
    }

    #[inline(always)]
    fn stream(self, value: __m512, to: &mut ChannelBlock) {
        // SAFETY: `self` proves AVX-512F; a `ChannelBlock` is 64 bytes, aligned to 64. `enter` ends
        // with a fence, so the exclusive borrow has ended before anyone reads what is written here;
        // this thread reads its own stores in order.
        unsafe { _mm512_stream_ps(to.0.as_mut_ptr(), value) }
    }

    #[inline(always)]
    fn prefetch<T>(self, element: &T) {
        prefetch(element);
    }

    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` proves AVX-512F.
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` proves AVX-512F.
        unsafe { _mm512_sub_ps(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` proves AVX-512F.
        unsafe { _mm512_mul_ps(a, b) }
    }

    #[inline(always)]
    fn mul_add(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: `self` proves AVX-512F.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` proves AVX-512F.
        unsafe { _mm512_max_ps(a, b) }
    }

    #[inline(always)]
    fn sum(self, a: __m512) -> f32 {
        // SAFETY: `self` proves AVX-512F.
        unsafe { _mm512_reduce_add_ps(a) }
    }

    #[inline(always)]
    fn select_positive(self, x: __m512, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` proves AVX-512F.
        let zero = unsafe { _mm512_setzero_ps() };
        // SAFETY: `self` proves AVX-512F.
        let positive = unsafe { _mm512_cmp_ps_mask::<_CMP_GT_OQ>(x, zero) };
        // SAFETY: `self` proves AVX-512F.
        unsafe { _mm512_mask_blend_ps(positive, b, a) }
    }
}

/// Eight bfloat16 as `f32`; the token proves AVX2.
#[inline(always)]
fn widen(_proof: Avx2, halves: __m128i) -> __m256 {
    // SAFETY: the token proves AVX2.
    let wide = unsafe { _mm256_cvtepu16_epi32(halves) };
    // SAFETY: the token proves AVX2.
    let bits = unsafe { _mm256_slli_epi32::<16>(wide) };
    // SAFETY: the token proves AVX2.
    unsafe { _mm256_castsi256_ps(bits) }
}

/// Eight `f32` as bfloat16, rounded to nearest, ties to even; the token proves AVX2.
#[inline(always)]
fn narrow(_proof: Avx2, value: __m256) -> __m128i {
    // SAFETY: the token proves AVX2.
    let bits = unsafe { _mm256_castps_si256(value) };
    // SAFETY: the token proves AVX2.
    let place = unsafe { _mm256_srli_epi32::<16>(bits) };
    // SAFETY: the token proves AVX2.
    let one = unsafe { _mm256_set1_epi32(1) };
    // SAFETY: the token proves AVX2.
    let odd = unsafe { _mm256_and_si256(place, one) };
    // SAFETY: the token proves AVX2.
    let under_half = unsafe { _mm256_set1_epi32(0x7FFF) };
    // SAFETY: the token proves AVX2.
    let rounding = unsafe { _mm256_add_epi32(odd, under_half) };
    // SAFETY: the token proves AVX2.
    let rounded = unsafe { _mm256_add_epi32(bits, rounding) };
    // SAFETY: the token proves AVX2.
    let upper = unsafe { _mm256_srli_epi32::<16>(rounded) };
    // SAFETY: the token proves AVX2.
    let low = unsafe { _mm256_castsi256_si128(upper) };
    // SAFETY: the token proves AVX2.
    let high = unsafe { _mm256_extracti128_si256::<1>(upper) };
    // SAFETY: the token proves AVX2, which includes SSE4.1; both halves are below 2¹⁶.
    unsafe { _mm_packus_epi32(low, high) }
}

/// Applies a function to both halves.
#[inline(always)]
fn halves(f: impl Fn(usize) -> __m256) -> [__m256; 2] {
    [f(0), f(1)]
}

impl Isa for Avx2 {
    type V = [__m256; 2];
    const HAS_MANY_REGISTERS: bool = false;

    #[inline(always)]
    fn splat(self, value: f32) -> Self::V {
        // SAFETY: `self` proves AVX2, which includes AVX.
        [unsafe { _mm256_set1_ps(value) }; 2]
    }

    #[inline(always)]
    fn load(self, from: &ChannelBlock) -> Self::V {
        let (low, high) = from.0.split_at(8);
        // SAFETY: `self` proves AVX; the lower half is 32 bytes, aligned to 64.
        let low = unsafe { _mm256_load_ps(low.as_ptr()) };
        // SAFETY: `self` proves AVX; the upper half is 32 bytes, 32 after an address aligned to 64.
        let high = unsafe { _mm256_load_ps(high.as_ptr()) };
        [low, high]
    }

    #[inline(always)]
    fn store(self, value: Self::V, to: &mut ChannelBlock) {
        let (low, high) = to.0.split_at_mut(8);
        // SAFETY: `self` proves AVX; the lower half is 32 bytes, aligned to 64.
        unsafe { _mm256_store_ps(low.as_mut_ptr(), value[0]) };
        // SAFETY: `self` proves AVX; the upper half is 32 bytes, 32 after an address aligned to 64.
        unsafe { _mm256_store_ps(high.as_mut_ptr(), value[1]) };
    }

    #[inline(always)]
    fn load_half(self, from: &HalfBlock) -> Self::V {
        let (low, high) = from.0.split_at(8);
        // SAFETY: `self` proves AVX2; the lower half is 16 bytes, aligned to 32.
        let low = unsafe { _mm_load_si128(low.as_ptr().cast()) };
        // SAFETY: `self` proves AVX2; the upper half is 16 bytes, 16 after an address aligned to 32.
        let high = unsafe { _mm_load_si128(high.as_ptr().cast()) };
        [widen(self, low), widen(self, high)]
    }

    #[inline(always)]
    fn store_half(self, value: Self::V, to: &mut HalfBlock) {
        let (low, high) = to.0.split_at_mut(8);
        let halves = narrow(self, value[0]);
        // SAFETY: `self` proves AVX2; the lower half is 16 bytes, aligned to 32.
        unsafe { _mm_store_si128(low.as_mut_ptr().cast(), halves) };
        let halves = narrow(self, value[1]);
        // SAFETY: `self` proves AVX2; the upper half is 16 bytes, 16 after an address aligned to 32.
        unsafe { _mm_store_si128(high.as_mut_ptr().cast(), halves) };
    }

    #[inline(always)]
    fn stream(self, value: Self::V, to: &mut ChannelBlock) {
        let (low, high) = to.0.split_at_mut(8);
        // SAFETY: `self` proves AVX; the lower half is 32 bytes, aligned to 64. As for AVX-512,
        // `enter` ends with a fence.
        unsafe { _mm256_stream_ps(low.as_mut_ptr(), value[0]) };
        // SAFETY: as above; the upper half is 32 bytes, 32 after an address aligned to 64.
        unsafe { _mm256_stream_ps(high.as_mut_ptr(), value[1]) };
    }

    #[inline(always)]
    fn prefetch<T>(self, element: &T) {
        prefetch(element);
    }

    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: `self` proves AVX.
        halves(|i| unsafe { _mm256_add_ps(a[i], b[i]) })
    }

    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: `self` proves AVX.
        halves(|i| unsafe { _mm256_sub_ps(a[i], b[i]) })
    }

    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: `self` proves AVX.
        halves(|i| unsafe { _mm256_mul_ps(a[i], b[i]) })
    }

    #[inline(always)]
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // SAFETY: `self` proves FMA.
        halves(|i| unsafe { _mm256_fmadd_ps(a[i], b[i], c[i]) })
    }

    #[inline(always)]
    fn max(self, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: `self` proves AVX.
        halves(|i| unsafe { _mm256_max_ps(a[i], b[i]) })
    }

    #[inline(always)]
    fn sum(self, a: Self::V) -> f32 {
        let mut lanes = ChannelBlock::default();
        self.store(a, &mut lanes);
        super::sum_lanes(&lanes.0)
    }

    #[inline(always)]
    fn select_positive(self, x: Self::V, a: Self::V, b: Self::V) -> Self::V {
        // SAFETY: `self` proves AVX.
        let zero = unsafe { _mm256_setzero_ps() };
        // SAFETY: `self` proves AVX.
        let positive = halves(|i| unsafe { _mm256_cmp_ps::<_CMP_GT_OQ>(x[i], zero) });
        // SAFETY: `self` proves AVX.
        halves(|i| unsafe { _mm256_blendv_ps(b[i], a[i], positive[i]) })
    }
}
