// Normal equations of one row in float32: Σ f fᵀ of the rows that it is about, times the roots of their weights; its Cholesky factor, and
// solving with it. Without the draws the same is a step of alternating least squares. Where DP is a constant, loops over columns unroll.
//
// D columns in use, DP padded to whole vectors, the padding zero; A (DP × DP) row-major, used from the diagonal to the right.

#ifndef MARQUEE_EQUATIONS_H
#define MARQUEE_EQUATIONS_H

#include "simd.h"

/** Columns are padded to this, for every instruction set alike. */
#define PAD 16
/** Rows f that are gathered at a time: 8 KiB at K = 31. */
#define GATHER 64
/** Sums in registers: TILE_ROWS × 2 vectors. */
#if VL == 16
#define TILE_ROWS 8
#else
#define TILE_ROWS 4
#endif

/** Adds Σ g_r f_c to TILE_ROWS rows and `vectors` vectors of A, and, where there are targets t, Σ t f_c to h. */
INLINE void add_tile(float *A, float *h, const float *f, const float *g, const float *t, int32_t count, int DP,
                     const int vectors) {
  vf total[TILE_ROWS][2], pull[2] = {{0}, {0}};
#pragma GCC unroll 8
  for (int r = 0; r < TILE_ROWS; r++)
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) total[r][v] = (vf){0};
  for (int32_t i = 0; i < count; i++, f += DP, g += DP) {
    vf x[2];
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) {
      x[v] = load(f + v * VL);
      if (t) pull[v] = fma_(splat(t[i]), x[v], pull[v]);
    }
#pragma GCC unroll 8
    for (int r = 0; r < TILE_ROWS; r++)
#pragma GCC unroll 2
      for (int v = 0; v < vectors; v++) total[r][v] = fma_(splat(g[r]), x[v], total[r][v]);
  }
#pragma GCC unroll 8
  for (int r = 0; r < TILE_ROWS; r++)
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) store(A + r * DP + v * VL, load(A + r * DP + v * VL) + total[r][v]);
  if (t)
    for (int v = 0; v < vectors; v++) store(h + v * VL, load(h + v * VL) + pull[v]);
}

#if VL == 2 * TILE_ROWS && RV == TILE_ROWS
#define HAS_HALF_TILES 1
/** The same where the diagonal enters the second half of a vector: that half, and `vectors` vectors to its right. */
INLINE void add_half_tile(float *A, const float *f, int32_t count, int DP, const int vectors) {
  rv half[TILE_ROWS];
  vf right[TILE_ROWS];
#pragma GCC unroll 8
  for (int r = 0; r < TILE_ROWS; r++) half[r] = (rv){0}, right[r] = (vf){0};
  for (int32_t i = 0; i < count; i++, f += DP) {
    rv x = load_row(f);
    vf y = vectors ? load(f + RV) : (vf){0};
#pragma GCC unroll 8
    for (int r = 0; r < TILE_ROWS; r++) {
      half[r] = (f[r] - (rv){0}) * x + half[r];
      if (vectors) right[r] = fma_(splat(f[r]), y, right[r]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < TILE_ROWS; r++) {
    store_row(A + r * DP, load_row(A + r * DP) + half[r]);
    if (vectors) store(A + r * DP + RV, load(A + r * DP + RV) + right[r]);
  }
}
#else
#define HAS_HALF_TILES 0
#endif

/**
 * A += Σ f fᵀ, from the diagonal's block (of TILE_ROWS rows and columns, or of whole vectors where they are no longer) to the right, and
 * h += Σ t f (t null: without); f (count × DP).
 */
INLINE void add_squares(float *A, float *h, const float *f, const float *t, int32_t count, int DP) {
  for (int r = 0; r < DP; r += TILE_ROWS) {
    int c = r / VL * VL;
    const float *targets = r == 0 ? t : 0;
#if HAS_HALF_TILES
    if (r % VL != 0) {
      c += VL;
      if (c == DP) add_half_tile(A + r * DP + r, f + r, count, DP, 0);
      else add_half_tile(A + r * DP + r, f + r, count, DP, 1), c += VL;
    }
#endif
    for (; c + 2 * VL <= DP; c += 2 * VL) add_tile(A + r * DP + c, h + c, f + c, f + r, targets, count, DP, 2);
    if (c < DP) add_tile(A + r * DP + c, h + c, f + c, f + r, targets, count, DP, 1);
  }
}

/** A += Σ g fᵀ, all of it. */
NOINLINE static void add_all_products(float *A, const float *f, const float *g, int32_t count, int DP) {
  for (int r = 0; r < DP; r += TILE_ROWS)
    for (int c = 0; c < DP; c += VL) add_tile(A + r * DP + c, 0, f + c, g + r, 0, count, DP, 1);
}

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

/** xᵀ A x of a symmetric A that is given as add_squares leaves it: blocks of the diagonal whole, and those to their right. */
INLINE float quadratic(const float *A, const float *x, int D, int DP) {
  vf total = {0};
  for (int r = 0; r < D; r++) {
    int c = r / VL * VL;
    vf row = load(A + r * DP + c) * load(x + c), right = {0};
#if HAS_HALF_TILES
    if (r % VL < TILE_ROWS) right = (vf)((vi)row & (lanes() >= splat_lane(TILE_ROWS))), row -= right;
#endif
    for (c += VL; c < DP; c += VL) right = fma_(load(A + r * DP + c), load(x + c), right);
    total = fma_(splat(x[r]), row + right + right, total);
  }
  return sum(total);
}

/** x − a b. */
INLINE vf minus(vf x, vf a, vf b) {
#if defined(__wasm_relaxed_simd__)
  return (vf)__builtin_wasm_relaxed_nmadd_f32x4(a, b, x);
#else
  return x - a * b;
#endif
}

/** Columns that are eliminated together. */
#define PANEL 4

/** One row of the factor, from what its elimination has left; 1 over its diagonal. The diagonal and what is left of it in the same vector become 0. */
INLINE float factor_row(float *Rj, int j, int DP) {
  int c = j / VL * VL;
  // Rounding may take a nearly dependent column below zero.
  float pivot = Rj[j] > 1e-12f ? __builtin_sqrtf(Rj[j]) : 1e-6f, inverse = 1 / pivot;
  vf scale = splat(inverse);
  store(Rj + c, (vf)((vi)(load(Rj + c) * scale) & (lanes() > splat_lane(j - c))));
  for (c += VL; c < DP; c += VL) store(Rj + c, load(Rj + c) * scale);
  return inverse;
}

/**
 * A becomes its upper factor R, A = Rᵀ R, and L = Rᵀ, both without the diagonal, of which `inverse` (D) gets 1 over it. Nothing needs masks
 * then: what L has right of its diagonal is never used.
 */
INLINE void factor(float *A, float *L, float *inverse, int D, int DP) {
  for (int from = 0; from < D; from += PANEL) {
    float *R = A + from * DP;
    int to = from + PANEL < D ? from + PANEL : D;
    for (int j = from; j < to; j++) {
      float *Rj = A + j * DP;
      for (int p = from; p < j; p++) {
        vf s = splat(A[p * DP + j]);
        for (int c = j / VL * VL; c < DP; c += VL) store(Rj + c, minus(load(Rj + c), s, load(A + p * DP + c)));
      }
      inverse[j] = factor_row(Rj, j, DP);
    }
    for (int i = from + 1; i < D; i++)
      for (int j = from; j < to; j++) L[i * DP + j] = A[j * DP + i];
    for (int c = to / VL * VL; c < DP && to < D; c += VL) {
      vf r0 = load(R + c), r1 = load(R + DP + c), r2 = load(R + 2 * DP + c), r3 = load(R + 3 * DP + c);
      for (int i = to; i < c + VL && i < D; i++) {
        vf row = minus(load(A + i * DP + c), splat(R[i]), r0);
        row = minus(row, splat(R[DP + i]), r1);
        row = minus(row, splat(R[2 * DP + i]), r2);
        store(A + i * DP + c, minus(row, splat(R[3 * DP + i]), r3));
      }
    }
  }
}

/** x of Rᵀ x = h; spoils h. */
INLINE void solve_forward(const float *R, const float *inverse, float *h, float *x, int D, int DP) {
  for (int j = 0; j < D; j++) {
    x[j] = h[j] * inverse[j];
    for (int c = j / VL * VL; c < DP; c += VL) store(h + c, minus(load(h + c), splat(x[j]), load(R + j * DP + c)));
  }
}

/** x and y of R x = v and R y = z, by L = Rᵀ; spoils v and z. Two at once, since each waits for its own sums. */
INLINE void solve_backward(const float *L, const float *inverse, float *v, float *z, float *x, float *y, int D, int DP) {
  for (int j = D - 1; j >= 0; j--) {
    x[j] = v[j] * inverse[j];
    y[j] = z[j] * inverse[j];
    vf a = splat(x[j]), b = splat(y[j]);
    for (int c = 0; c < j; c += VL) {
      vf l = load(L + j * DP + c);
      store(v + c, minus(load(v + c), a, l));
      store(z + c, minus(load(z + c), b, l));
    }
  }
}

#endif
