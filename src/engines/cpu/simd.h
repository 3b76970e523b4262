// The vectors that the kernels are written in, for the instruction set that this translation unit is compiled for.
// Arithmetic is GCC's and clang's vector extension; only what it lacks is spelled out for each set.
//
//   VL  floats in a vector of hidden units       FS  samples that go through the hidden layer together
//   RV  floats in a vector of a row              ROWS_AT_ONCE  rows summed together, in registers

#ifndef MARQUEE_SIMD_H
#define MARQUEE_SIMD_H

#include <stdint.h>

#if defined(__AVX512F__)
#define VL 16
#define RV 8
#define FS 8
#define ROWS_AT_ONCE 2
#define ISA_NAME "AVX-512"
#elif defined(__AVX2__)
#define VL 8
#define RV 8
#define FS 4
#define ROWS_AT_ONCE 2
#define ISA_NAME "AVX2"
#else
#define VL 4
#define RV 4
#define FS 4
#define ROWS_AT_ONCE 1
#if defined(__wasm_relaxed_simd__)
#define ISA_NAME "WebAssembly relaxed SIMD"
#elif defined(__wasm__)
#define ISA_NAME "WebAssembly SIMD"
#elif defined(__aarch64__)
#define ISA_NAME "NEON"
#elif defined(__SSE2__)
#define ISA_NAME "SSE2"
#else
#define ISA_NAME "portable"
#endif
#endif

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__wasm__)
#include <wasm_simd128.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define INLINE static inline __attribute__((always_inline))
#define NOINLINE __attribute__((noinline))
// Hides where a pointer comes from, so that LLVM puts constant distances into WebAssembly's loads instead of adding them first.
#if defined(__wasm__)
#define OPAQUE(pointer) __asm__("" : "+r"(pointer))
#else
#define OPAQUE(pointer) (void)(pointer)
#endif

typedef float vf __attribute__((vector_size(4 * VL)));
typedef int32_t vi __attribute__((vector_size(4 * VL)));
typedef uint32_t vu __attribute__((vector_size(4 * VL)));
typedef double vd __attribute__((vector_size(4 * VL)));
typedef uint64_t vl __attribute__((vector_size(4 * VL)));
typedef float rv __attribute__((vector_size(4 * RV)));
typedef float quad __attribute__((vector_size(16)));
// The same in memory, where nothing is promised about the address.
typedef float vf_memory __attribute__((vector_size(4 * VL), aligned(4), may_alias));
typedef float rv_memory __attribute__((vector_size(4 * RV), aligned(4), may_alias));
typedef float quad_memory __attribute__((vector_size(16), aligned(4), may_alias));

INLINE vf load(const float *at) { return *(const vf_memory *)at; }
INLINE void store(float *at, vf x) { *(vf_memory *)at = x; }
INLINE rv load_row(const float *at) { return *(const rv_memory *)at; }
INLINE void store_row(float *at, rv x) { *(rv_memory *)at = x; }
INLINE quad load_quad(const float *at) { return *(const quad_memory *)at; }
INLINE void store_quad(float *at, quad x) { *(quad_memory *)at = x; }
INLINE vf splat(float x) { return x - (vf){0}; }

/** The first `count` entries of x, and zeros. */
INLINE vf first_of(vf x, int count) {
  vi lanes;
  for (int k = 0; k < VL; k++) lanes[k] = k;
  return (vf)((vi)x & (lanes < count - (vi){0}));
}

/** a·b + c; in one instruction where the set has one. */
INLINE vf fma_(vf a, vf b, vf c) {
#if defined(__wasm_relaxed_simd__)
  return (vf)__builtin_wasm_relaxed_madd_f32x4(a, b, c);
#else
  return a * b + c; // contracted by -ffp-contract=fast
#endif
}

INLINE float sum(vf x) {
#if VL == 16
  return _mm512_reduce_add_ps((__m512)x);
#else
  float total[VL];
  __builtin_memcpy(total, &x, sizeof total);
  for (int width = VL / 2; width > 0; width /= 2)
    for (int i = 0; i < width; i++) total[i] += total[i + width];
  return total[0];
#endif
}

#if VL == 16
/** Within each half of x: entry i of the result is entry i + k, from the start of the half again after its last; k up to 4. */
INLINE vf turned(vf x, int k) {
  const __m512i by_one = _mm512_setr_epi32(1, 2, 3, 4, 5, 6, 7, 0, 9, 10, 11, 12, 13, 14, 15, 8);
  const __m512i by_three = _mm512_setr_epi32(3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10);
  switch (k) {
    case 1: return (vf)_mm512_permutexvar_ps(by_one, (__m512)x);
    case 2: return (vf)_mm512_permutex_pd((__m512d)x, 0x39);
    case 3: return (vf)_mm512_permutexvar_ps(by_three, (__m512)x);
    case 4: return (vf)_mm512_permutex_pd((__m512d)x, 0x4e);
    default: return x;
  }
}

INLINE vf crossed_halves(vf x) { return (vf)_mm512_shuffle_f32x4((__m512)x, (__m512)x, 0x4e); }

/** Half a vector from each place. */
INLINE vf both_halves(const float *one, const float *two) {
  return (vf)_mm512_insertf32x8(_mm512_castps256_ps512(_mm256_loadu_ps(one)), _mm256_loadu_ps(two), 1);
}

/** Half a vector, and zeros. */
INLINE vf first_half(const float *at) { return (vf)_mm512_zextps256_ps512(_mm256_loadu_ps(at)); }

INLINE vf splat_halves(float one, float two) {
  return (vf)_mm512_mask_broadcastss_ps(_mm512_set1_ps(one), 0xff00, _mm_set_ss(two));
}

/** Half a vector: the halves of `one` added up; then those of `two`. */
INLINE vf sums_of_halves(vf one, vf two) {
  return (vf)(_mm512_shuffle_f32x4((__m512)one, (__m512)two, 0x44) + _mm512_shuffle_f32x4((__m512)one, (__m512)two, 0xee));
}
#endif

#if VL == 16
/** The sums of four vectors within each quarter, quarter by quarter. */
INLINE vf sums_in_quarters(const vf *x) {
  __m512 ab = (__m512)x[0], b = (__m512)x[1], cd = (__m512)x[2], d = (__m512)x[3];
  ab = _mm512_unpacklo_ps(ab, b) + _mm512_unpackhi_ps(ab, b);
  cd = _mm512_unpacklo_ps(cd, d) + _mm512_unpackhi_ps(cd, d);
  return (vf)_mm512_unpacklo_pd((__m512d)ab, (__m512d)cd) + (vf)_mm512_unpackhi_pd((__m512d)ab, (__m512d)cd);
}
#endif

/** The sums of four vectors. */
INLINE quad sums_of(const vf *x) {
#if VL == 16
  __m512 all = (__m512)sums_in_quarters(x);
  __m256 half = _mm512_castps512_ps256(all) + _mm512_extractf32x8_ps(all, 1);
  return (quad)(_mm256_castps256_ps128(half) + _mm256_extractf128_ps(half, 1));
#else
  return (quad){sum(x[0]), sum(x[1]), sum(x[2]), sum(x[3])};
#endif
}

// b where one of the two is no number.
INLINE vf larger(vf a, vf b) {
#if VL == 16
  return (vf)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
  return (vf)_mm256_max_ps((__m256)a, (__m256)b);
#elif defined(__SSE2__)
  return (vf)_mm_max_ps((__m128)a, (__m128)b);
#elif defined(__wasm__)
  return (vf)wasm_f32x4_pmax((v128_t)b, (v128_t)a);
#else
  vi is_a = a > b;
  return (vf)(((vi)a & is_a) | ((vi)b & ~is_a));
#endif
}
INLINE vf smaller(vf a, vf b) {
#if VL == 16
  return (vf)_mm512_min_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
  return (vf)_mm256_min_ps((__m256)a, (__m256)b);
#elif defined(__SSE2__)
  return (vf)_mm_min_ps((__m128)a, (__m128)b);
#elif defined(__wasm__)
  return (vf)wasm_f32x4_pmin((v128_t)b, (v128_t)a);
#else
  vi is_a = a < b;
  return (vf)(((vi)a & is_a) | ((vi)b & ~is_a));
#endif
}

INLINE vf root_of(vf x) {
#if VL == 16
  return (vf)_mm512_sqrt_ps((__m512)x);
#elif defined(__AVX2__)
  return (vf)_mm256_sqrt_ps((__m256)x);
#elif defined(__SSE2__)
  return (vf)_mm_sqrt_ps((__m128)x);
#elif defined(__wasm__)
  return (vf)wasm_f32x4_sqrt((v128_t)x);
#elif defined(__aarch64__)
  return (vf)vsqrtq_f32((float32x4_t)x);
#else
  for (int i = 0; i < VL; i++) x[i] = __builtin_sqrtf(x[i]);
  return x;
#endif
}

INLINE vd roots_of(vd x) {
#if VL == 16
  return (vd)_mm512_sqrt_pd((__m512d)x);
#elif defined(__AVX2__)
  return (vd)_mm256_sqrt_pd((__m256d)x);
#elif defined(__SSE2__)
  return (vd)_mm_sqrt_pd((__m128d)x);
#elif defined(__wasm__)
  return (vd)wasm_f64x2_sqrt((v128_t)x);
#elif defined(__aarch64__)
  return (vd)vsqrtq_f64((float64x2_t)x);
#else
  for (int i = 0; i < VL / 2; i++) x[i] = __builtin_sqrt(x[i]);
  return x;
#endif
}

// Which units are on. "Not ≤ 0" rather than "> 0": a NaN stays a NaN, so that a diverged network is seen as one.
#if VL == 16
typedef __mmask16 on_mask;
INLINE on_mask is_on(vf x) { return _mm512_cmp_ps_mask((__m512)x, _mm512_setzero_ps(), _CMP_NLE_UQ); }
INLINE vf relu(on_mask on, vf x) { return (vf)_mm512_maskz_mov_ps(on, (__m512)x); }
#else
typedef vi on_mask;
INLINE on_mask is_on(vf x) { return ~(x <= (vf){0}); }
INLINE vf relu(on_mask on, vf x) { return (vf)((vi)x & on); }
#endif

/** One bit for each of 2·VL units. */
INLINE void store_bits(uint8_t *at, on_mask a, on_mask b) {
#if VL == 16
  uint32_t bits = (uint32_t)a | (uint32_t)b << 16;
#elif defined(__AVX2__)
  uint32_t bits =
      (uint32_t)_mm256_movemask_ps((__m256)a) | (uint32_t)_mm256_movemask_ps((__m256)b) << 8;
#elif defined(__SSE2__)
  uint32_t bits = (uint32_t)_mm_movemask_ps((__m128)a) | (uint32_t)_mm_movemask_ps((__m128)b) << 4;
#elif defined(__wasm__)
  uint32_t bits = wasm_i16x8_bitmask(wasm_i16x8_narrow_i32x4((v128_t)a, (v128_t)b));
#else
  uint32_t bits = 0;
  for (int i = 0; i < VL; i++) bits |= (uint32_t)(a[i] & 1) << i | (uint32_t)(b[i] & 1) << (VL + i);
#endif
  __builtin_memcpy(at, &bits, VL / 4);
}

/** Bytes 0 or more of 2·VL numbers below 256. */
#if VL != 16
INLINE void store_bytes(uint8_t *at, vi a, vi b) {
#if defined(__AVX2__)
  __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32((__m256i)a, (__m256i)b), 0xd8);
  __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  _mm_storeu_si128((__m128i *)at, bytes);
#elif defined(__SSE2__)
  __m128i words = _mm_packs_epi32((__m128i)a, (__m128i)b);
  _mm_storel_epi64((__m128i *)at, _mm_packus_epi16(words, words));
#elif defined(__wasm__)
  v128_t words = wasm_i16x8_narrow_i32x4((v128_t)a, (v128_t)b);
  wasm_v128_store64_lane(at, wasm_u8x16_narrow_i16x8(words, words), 0);
#elif defined(__aarch64__)
  vst1_u8(at, vmovn_u16(vcombine_u16(vmovn_u32((uint32x4_t)a), vmovn_u32((uint32x4_t)b))));
#else
  for (int i = 0; i < VL; i++) at[i] = (uint8_t)a[i], at[VL + i] = (uint8_t)b[i];
#endif
}
#endif

/** A byte for each of 2·VL units, with bit s set where the unit of sample s is on; a, b: four samples. */
INLINE void store_nibbles(uint8_t *at, const on_mask *a, const on_mask *b) {
#if VL == 16
  __m128i low = _mm_setzero_si128(), high = low;
  for (int s = 0; s < 4; s++) {
    low = _mm_or_si128(low, _mm_maskz_set1_epi8(a[s], (char)(1 << s)));
    high = _mm_or_si128(high, _mm_maskz_set1_epi8(b[s], (char)(1 << s)));
  }
  _mm_storeu_si128((__m128i *)at, low);
  _mm_storeu_si128((__m128i *)(at + VL), high);
#else
  vi low = {0}, high = {0};
  for (int s = 0; s < 4; s++) low |= a[s] & (1 << s), high |= b[s] & (1 << s);
  store_bytes(at, low, high);
#endif
}

INLINE void prefetch(const void *at) {
#if !defined(__wasm__)
  __builtin_prefetch(at);
#else
  (void)at;
#endif
}

#endif
