// Linear systems of VL rows at a time, one in each lane: entry (r, c) of their matrices is a vector, at A + (r·DP + c)·VL, entry r of their
// vectors at x + r·VL. One system alone would be chains of short vectors, each waiting for the one before.
//
// D columns, a multiple of PANEL; of A, what is right of the diagonal and the diagonal.

#ifndef MARQUEE_LANES_H
#define MARQUEE_LANES_H

#include "simd.h"

/** Rows that are eliminated together. */
#define PANEL 4
/** Columns of theirs that registers hold. */
#if VL == 16
#define PANEL_COLUMNS 4
#else
#define PANEL_COLUMNS 2
#endif

#if VL == 16
#define FIRST_HALVES 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define SECOND_HALVES 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#elif VL == 8
#define FIRST_HALVES 0, 8, 1, 9, 2, 10, 3, 11
#define SECOND_HALVES 4, 12, 5, 13, 6, 14, 7, 15
#else
#define FIRST_HALVES 0, 4, 1, 5
#define SECOND_HALVES 2, 6, 3, 7
#endif
/** Entries of two vectors by turns: of their first halves, or of their second. */
#if defined(__clang__)
#define BY_TURNS(a, b, halves) __builtin_shufflevector(a, b, halves)
#else
#define BY_TURNS(a, b, halves) __builtin_shuffle(a, b, (vi){halves})
#endif

/** Entry k of vector i becomes entry i of vector k. */
INLINE void transpose(vf *x) {
#pragma GCC unroll 4
  for (int size = 1; size < VL; size *= 2) {
    vf y[VL];
#pragma GCC unroll 16
    for (int i = 0; i < VL / 2; i++) {
      y[2 * i] = BY_TURNS(x[i], x[i + VL / 2], FIRST_HALVES);
      y[2 * i + 1] = BY_TURNS(x[i], x[i + VL / 2], SECOND_HALVES);
    }
#pragma GCC unroll 16
    for (int i = 0; i < VL; i++) x[i] = y[i];
  }
}

/** VL rows of `DP` columns into the lanes of `to`: entry c of all of them is the vector at to + c·VL. */
INLINE void into_lanes(const float *rows, float *to, int DP) {
  for (int c = 0; c < DP; c += VL) {
    vf x[VL];
#pragma GCC unroll 16
    for (int i = 0; i < VL; i++) x[i] = load(rows + i * DP + c);
    transpose(x);
#pragma GCC unroll 16
    for (int i = 0; i < VL; i++) store(to + (c + i) * VL, x[i]);
  }
}

/** And back, the first `count` of them. */
INLINE void from_lanes(const float *from, float *rows, int count, int DP) {
  for (int c = 0; c < DP; c += VL) {
    vf x[VL];
#pragma GCC unroll 16
    for (int i = 0; i < VL; i++) x[i] = load(from + (c + i) * VL);
    transpose(x);
    for (int i = 0; i < count; i++) store(rows + i * DP + c, x[i]);
  }
}

/** The sums of VL vectors, which are spoiled. */
INLINE vf sums_of_all(vf *x) {
#if VL == 16
  vf quarters[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) quarters[i] = sums_in_quarters(x + 4 * i);
#pragma GCC unroll 2
  for (int i = 0; i < 4; i += 2) {
    __m512 one = (__m512)quarters[i], two = (__m512)quarters[i + 1];
    quarters[i / 2] = (vf)(_mm512_shuffle_f32x4(one, two, 0x88) + _mm512_shuffle_f32x4(one, two, 0xdd));
  }
  __m512 one = (__m512)quarters[0], two = (__m512)quarters[1];
  return (vf)(_mm512_shuffle_f32x4(one, two, 0x88) + _mm512_shuffle_f32x4(one, two, 0xdd));
#else
#pragma GCC unroll 4
  for (int count = VL; count > 1; count /= 2)
#pragma GCC unroll 8
    for (int i = 0; i < count / 2; i++)
      x[i] = BY_TURNS(x[i], x[i + count / 2], FIRST_HALVES) + BY_TURNS(x[i], x[i + count / 2], SECOND_HALVES);
  return x[0];
#endif
}

INLINE float *entry_of(float *A, int r, int c, int DP) { return A + (r * DP + c) * VL; }

/** x − a b. */
INLINE vf minus(vf x, vf a, vf b) {
#if defined(__wasm_relaxed_simd__)
  return (vf)__builtin_wasm_relaxed_nmadd_f32x4(a, b, x);
#else
  return x - a * b;
#endif
}

/** The block of the diagonal: what is left of it after the rows above, its factor, and 1 over the diagonal. */
INLINE void factor_block(float *A, float *inverse, int from, int DP) {
  vf t[PANEL][PANEL];
#pragma GCC unroll 4
  for (int r = 0; r < PANEL; r++)
#pragma GCC unroll 4
    for (int c = r; c < PANEL; c++) t[r][c] = load(entry_of(A, from + r, from + c, DP));
  for (int p = 0; p < from; p++) {
    vf x[PANEL];
#pragma GCC unroll 4
    for (int c = 0; c < PANEL; c++) x[c] = load(entry_of(A, p, from + c, DP));
#pragma GCC unroll 4
    for (int r = 0; r < PANEL; r++)
#pragma GCC unroll 4
      for (int c = r; c < PANEL; c++) t[r][c] = minus(t[r][c], x[r], x[c]);
  }
#pragma GCC unroll 4
  for (int q = 0; q < PANEL; q++) {
    // Rounding may take a nearly dependent column below zero.
    vf over = splat(1) / root_of(larger(t[q][q], splat(1e-12f)));
    store(inverse + (from + q) * VL, over);
#pragma GCC unroll 4
    for (int c = q + 1; c < PANEL; c++) {
      t[q][c] *= over;
      store(entry_of(A, from + q, from + c, DP), t[q][c]);
    }
#pragma GCC unroll 4
    for (int r = q + 1; r < PANEL; r++)
#pragma GCC unroll 4
      for (int c = r; c < PANEL; c++) t[r][c] = minus(t[r][c], t[q][r], t[q][c]);
  }
}

/** PANEL_COLUMNS columns right of that block. */
INLINE void factor_right(float *A, const float *inverse, int from, int column, int DP) {
  vf t[PANEL][PANEL_COLUMNS];
#pragma GCC unroll 4
  for (int r = 0; r < PANEL; r++)
#pragma GCC unroll 4
    for (int c = 0; c < PANEL_COLUMNS; c++) t[r][c] = load(entry_of(A, from + r, column + c, DP));
  for (int p = 0; p < from; p++) {
    vf x[PANEL_COLUMNS];
#pragma GCC unroll 4
    for (int c = 0; c < PANEL_COLUMNS; c++) x[c] = load(entry_of(A, p, column + c, DP));
#pragma GCC unroll 4
    for (int r = 0; r < PANEL; r++) {
      vf y = load(entry_of(A, p, from + r, DP));
#pragma GCC unroll 4
      for (int c = 0; c < PANEL_COLUMNS; c++) t[r][c] = minus(t[r][c], y, x[c]);
    }
  }
#pragma GCC unroll 4
  for (int q = 0; q < PANEL; q++) {
    vf over = load(inverse + (from + q) * VL);
#pragma GCC unroll 4
    for (int c = 0; c < PANEL_COLUMNS; c++) {
      t[q][c] *= over;
      store(entry_of(A, from + q, column + c, DP), t[q][c]);
    }
#pragma GCC unroll 4
    for (int r = q + 1; r < PANEL; r++) {
      vf y = load(entry_of(A, from + q, from + r, DP));
#pragma GCC unroll 4
      for (int c = 0; c < PANEL_COLUMNS; c++) t[r][c] = minus(t[r][c], y, t[q][c]);
    }
  }
}

/** A becomes its upper factor R, A = Rᵀ R, without the diagonal, of which `inverse` (D × VL) gets 1 over it. */
INLINE void factor(float *A, float *inverse, int D, int DP) {
  for (int from = 0; from < D; from += PANEL) {
    factor_block(A, inverse, from, DP);
    for (int c = from + PANEL; c < D; c += PANEL_COLUMNS) factor_right(A, inverse, from, c, DP);
  }
}

/** x becomes that of Rᵀ x = h, where it holds h. */
INLINE void solve_forward(float *R, const float *inverse, float *x, int D, int DP) {
  for (int from = 0; from < D; from += PANEL) {
    vf t[PANEL];
#pragma GCC unroll 4
    for (int r = 0; r < PANEL; r++) t[r] = load(x + (from + r) * VL);
    for (int p = 0; p < from; p++)
#pragma GCC unroll 4
      for (int r = 0; r < PANEL; r++) t[r] = minus(t[r], load(entry_of(R, p, from + r, DP)), load(x + p * VL));
#pragma GCC unroll 4
    for (int q = 0; q < PANEL; q++) {
      t[q] *= load(inverse + (from + q) * VL);
      store(x + (from + q) * VL, t[q]);
#pragma GCC unroll 4
      for (int r = q + 1; r < PANEL; r++) t[r] = minus(t[r], load(entry_of(R, from + q, from + r, DP)), t[q]);
    }
  }
}

/** x and y become those of R x = v and R y = z, where they hold v and z. Two at once, since each waits for its own sums. */
INLINE void solve_backward(float *R, const float *inverse, float *x, float *y, int D, int DP) {
  for (int from = D - PANEL; from >= 0; from -= PANEL) {
    vf t[PANEL], u[PANEL];
#pragma GCC unroll 4
    for (int r = 0; r < PANEL; r++) t[r] = load(x + (from + r) * VL), u[r] = load(y + (from + r) * VL);
    for (int c = from + PANEL; c < D; c++) {
      vf a = load(x + c * VL), b = load(y + c * VL);
#pragma GCC unroll 4
      for (int r = 0; r < PANEL; r++) {
        vf s = load(entry_of(R, from + r, c, DP));
        t[r] = minus(t[r], s, a);
        u[r] = minus(u[r], s, b);
      }
    }
#pragma GCC unroll 4
    for (int q = PANEL - 1; q >= 0; q--) {
      vf over = load(inverse + (from + q) * VL);
      t[q] *= over;
      u[q] *= over;
      store(x + (from + q) * VL, t[q]);
      store(y + (from + q) * VL, u[q]);
#pragma GCC unroll 4
      for (int r = 0; r < q; r++) {
        vf s = load(entry_of(R, from + r, from + q, DP));
        t[r] = minus(t[r], s, t[q]);
        u[r] = minus(u[r], s, u[q]);
      }
    }
  }
}

#endif
