// Normal equations of one row in float32: Σ w f fᵀ of the rows that it is about, its Cholesky factor, and solving with it.
// Without the draws the same is a step of alternating least squares.
//
// D columns in use, DP padded to whole vectors, the padding zero; A (DP × DP) row-major, used from the diagonal to the right.

#ifndef MARQUEE_EQUATIONS_H
#define MARQUEE_EQUATIONS_H

#include "simd.h"

/** Columns are padded to this, for every instruction set alike. */
#define PAD 16
/** Rows f that are gathered at a time: with their weighted copies 16 KiB at K = 31. */
#define GATHER 64
/** Sums in registers: TILE_ROWS × 2 vectors. */
#if VL == 16
#define TILE_ROWS 8
#else
#define TILE_ROWS 4
#endif

/** Adds Σ g_r f_c to `rows` rows and `vectors` vectors of A. */
INLINE void add_tile(float *A, const float *f, const float *g, int32_t count, int DP, const int vectors) {
  vf total[TILE_ROWS][2];
#pragma GCC unroll 8
  for (int r = 0; r < TILE_ROWS; r++)
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) total[r][v] = (vf){0};
  for (int32_t i = 0; i < count; i++, f += DP, g += DP) {
    vf x[2];
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) x[v] = load(f + v * VL);
#pragma GCC unroll 8
    for (int r = 0; r < TILE_ROWS; r++)
#pragma GCC unroll 2
      for (int v = 0; v < vectors; v++) total[r][v] = fma_(splat(g[r]), x[v], total[r][v]);
  }
#pragma GCC unroll 8
  for (int r = 0; r < TILE_ROWS; r++)
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) store(A + r * DP + v * VL, load(A + r * DP + v * VL) + total[r][v]);
}

/** A += Σ g fᵀ from the diagonal to the right; f, g (count × DP), g = w f. */
NOINLINE static void add_products(float *A, const float *f, const float *g, int32_t count, int DP) {
  for (int r = 0; r < DP; r += TILE_ROWS) {
    int c = r / VL * VL;
    for (; c + 2 * VL <= DP; c += 2 * VL) add_tile(A + r * DP + c, f + c, g + r, count, DP, 2);
    if (c < DP) add_tile(A + r * DP + c, f + c, g + r, count, DP, 1);
  }
}

/** The same for all of A. */
NOINLINE static void add_all_products(float *A, const float *f, const float *g, int32_t count, int DP) {
  for (int r = 0; r < DP; r += TILE_ROWS)
    for (int c = 0; c < DP; c += VL) add_tile(A + r * DP + c, f + c, g + r, count, DP, 1);
}

/** x += s y. */
INLINE void add_scaled(float *x, float s, const float *y, int DP) {
  for (int k = 0; k < DP; k += VL) store(x + k, fma_(splat(s), load(y + k), load(x + k)));
}

INLINE float dot_rows(const float *x, const float *y, int DP) {
  vf total = load(x) * load(y);
  for (int k = VL; k < DP; k += VL) total = fma_(load(x + k), load(y + k), total);
  return sum(total);
}

INLINE vi lanes(void) {
  vi result;
  for (int k = 0; k < VL; k++) result[k] = k;
  return result;
}

INLINE vi splat_lane(int lane) { return lane - (vi){0}; }

/**
 * A becomes its upper factor R, A = Rᵀ R; `inverse` (D) gets 1 over its diagonal. The diagonal itself, and what is left of it in the
 * same vector, become 0: so the solvers below need no masks.
 */
NOINLINE static void factor(float *A, float *inverse, int D, int DP) {
  for (int j = 0; j < D; j++) {
    float *Rj = A + j * DP;
    int c = j / VL * VL;
    // Rounding may take a nearly dependent column below zero.
    float pivot = Rj[j] > 1e-12f ? __builtin_sqrtf(Rj[j]) : 1e-6f;
    vf scale = splat(inverse[j] = 1 / pivot);
    store(Rj + c, (vf)((vi)(load(Rj + c) * scale) & (lanes() > splat_lane(j - c))));
    for (c += VL; c < DP; c += VL) store(Rj + c, load(Rj + c) * scale);
    for (int i = j + 1; i < D; i++) {
      vf s = splat(-Rj[i]);
      float *Ri = A + i * DP;
      for (c = i / VL * VL; c < DP; c += VL) store(Ri + c, fma_(s, load(Rj + c), load(Ri + c)));
    }
  }
}

/** x of Rᵀ x = h; spoils h. */
INLINE void solve_forward(const float *R, const float *inverse, float *h, float *x, int D, int DP) {
  for (int j = 0; j < D; j++) {
    x[j] = h[j] * inverse[j];
    for (int c = j / VL * VL; c < DP; c += VL) store(h + c, fma_(splat(-x[j]), load(R + j * DP + c), load(h + c)));
  }
}

/** As a whole vector: a narrower store would keep the next load waiting. */
INLINE void put_lane(float *vectors, int j, float value) {
  float *at = vectors + j / VL * VL;
  vi here = lanes() == splat_lane(j % VL);
  store(at, (vf)(((vi)splat(value) & here) | ((vi)load(at) & ~here)));
}

/** x and y (DP, zero) of R x = v and R y = z. Two at once, since each waits for its own sums. */
INLINE void solve_backward(const float *R, const float *inverse, const float *v, const float *z, float *x,
                           float *y, int D, int DP) {
  for (int j = D - 1; j >= 0; j--) {
    vf a = {0}, b = {0};
    for (int c = j / VL * VL; c < DP; c += VL) {
      vf r = load(R + j * DP + c);
      a = fma_(r, load(x + c), a), b = fma_(r, load(y + c), b);
    }
    put_lane(x, j, (v[j] - sum(a)) * inverse[j]);
    put_lane(y, j, (z[j] - sum(b)) * inverse[j]);
  }
}

#endif
