// Rows as vectors: combinations and products of them.
//
// DP columns, padded to whole vectors, the padding zero.

#ifndef MARQUEE_VECTORS_H
#define MARQUEE_VECTORS_H

#include "simd.h"

/** x += s y. */
INLINE void add_scaled(float *x, float s, const float *y, int DP) {
  for (int k = 0; k < DP; k += VL) store(x + k, fma_(splat(s), load(y + k), load(x + k)));
}

/** Vectors that a sum holds in registers. */
#define HELD 4
/** x += Σ s_d Y_d, rows of Y (D × DP). */
INLINE void add_combination(float *x, const float *s, const float *Y, int D, int DP) {
  for (int k = 0; k < DP; k += HELD * VL) {
    int vectors = (DP - k) / VL < HELD ? (DP - k) / VL : HELD;
    vf even[HELD], odd[HELD];
    for (int v = 0; v < HELD; v++) even[v] = odd[v] = (vf){0};
    int d = 0;
    for (; d + 1 < D; d += 2)
#pragma GCC unroll 4
      for (int v = 0; v < HELD; v++) {
        if (v >= vectors) break;
        even[v] = fma_(splat(s[d]), load(Y + d * DP + k + v * VL), even[v]);
        odd[v] = fma_(splat(s[d + 1]), load(Y + (d + 1) * DP + k + v * VL), odd[v]);
      }
    for (int v = 0; v < vectors; v++) {
      if (d < D) even[v] = fma_(splat(s[d]), load(Y + d * DP + k + v * VL), even[v]);
      store(x + k + v * VL, load(x + k + v * VL) + even[v] + odd[v]);
    }
  }
}

INLINE vf product_of_rows(const float *x, const float *y, int DP) {
  vf total = load(x) * load(y);
  for (int k = VL; k < DP; k += VL) total = fma_(load(x + k), load(y + k), total);
  return total;
}

INLINE float dot_rows(const float *x, const float *y, int DP) { return sum(product_of_rows(x, y, DP)); }

#endif
