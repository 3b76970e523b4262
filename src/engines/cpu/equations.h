// Normal equations of one row in float32: Σ f fᵀ of the rows that it is about, times the roots of their weights. Solved in lanes.h; without
// the draws the same is a step of alternating least squares. Where DP is a constant, loops over columns unroll.
//
// D columns in use, DP padded to whole vectors, the padding zero; A (DP × DP) row-major, used from the diagonal to the right.

#ifndef MARQUEE_EQUATIONS_H
#define MARQUEE_EQUATIONS_H

#include "vectors.h"

/** Columns are padded to this, for every instruction set alike. */
#define PAD 16
/** Rows f that are summed at a time. */
#define GATHER 64
/** Sums in registers: TILE_ROWS × TILE_VECTORS vectors. */
#if VL == 16
#define TILE_ROWS 16
#define TILE_VECTORS 1
#else
#define TILE_ROWS 4
#define TILE_VECTORS 2
#endif

/** Where row i of those to be summed lies from the first on; `rows` null: one after the other. */
INLINE int64_t distance(const int32_t *rows, int32_t i, int DP) { return (int64_t)(rows ? rows[i] : i) * DP; }

/** Ratings while they are summed: rows of f hold √w f. */
typedef struct {
  const float *given, *less;  // targets (count), and √w b of each row of f
  const int32_t *later;       // rows to fetch into the cache meanwhile
  int32_t root;               // the column of f that is √w
  float *targets, *roots;     // what comes of them: targets less biases, times √w; √w (count)
} ratings;

/** t of rating i; where it `is_first` it is computed, which costs nothing beside the sums that its loop is about. */
INLINE float take_target(const ratings *t, const float *f, const int32_t *rows, int32_t i, int DP, const int is_first) {
  if (!is_first) return t->targets[i];
  const float *later = f + distance(t->later, i, DP);
  for (int k = 0; k < DP; k += 16) prefetch(later + k);
  float root = f[distance(rows, i, DP) + t->root];
  t->roots[i] = root;
  return t->targets[i] = root * t->given[i] - t->less[rows[i]];
}

/** Adds Σ g_r f_c to TILE_ROWS rows and `vectors` vectors of A, and, where there are targets t, Σ t f_c to h, c from `column` on. */
INLINE void add_tile(float *A, float *h, const float *f, int column, const float *g, const int32_t *rows, const ratings *t,
                     int32_t count, int DP, const int vectors) {
  vf total[TILE_ROWS][TILE_VECTORS], pull[TILE_VECTORS] = {{0}};
#pragma GCC unroll 16
  for (int r = 0; r < TILE_ROWS; r++)
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) total[r][v] = (vf){0};
  for (int32_t i = 0; i < count; i++) {
    const float *fi = f + distance(rows, i, DP) + column, *gi = g + distance(rows, i, DP);
    float target = t ? take_target(t, f, rows, i, DP, column == 0) : 0;
    vf x[TILE_VECTORS];
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) {
      x[v] = load(fi + v * VL);
      if (t) pull[v] = fma_(splat(target), x[v], pull[v]);
    }
#pragma GCC unroll 16
    for (int r = 0; r < TILE_ROWS; r++)
#pragma GCC unroll 2
      for (int v = 0; v < vectors; v++) total[r][v] = fma_(splat(gi[r]), x[v], total[r][v]);
  }
#pragma GCC unroll 16
  for (int r = 0; r < TILE_ROWS; r++)
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) store(A + r * DP + v * VL, load(A + r * DP + v * VL) + total[r][v]);
  if (t)
    for (int v = 0; v < vectors; v++) store(h + v * VL, load(h + v * VL) + pull[v]);
}

#if VL == 16
/** Blocks of the diagonal are kept by their diagonals: row k of a block has entries (i, i + k mod VL), k up to VL/2, the last of them twice. */
#define HAS_TURNED_BLOCKS 1
/** Adds Σ f fᵀ of columns from `d` on to such a block, and, where there are targets t, Σ t f to h: half the products and no number splat for them. */
INLINE void add_turned_block(float *A, float *h, const float *f, int d, const int32_t *rows, const ratings *t, int32_t count, int DP) {
  vf total[VL / 2 + 1], pull = {0};
#pragma GCC unroll 9
  for (int k = 0; k <= VL / 2; k++) total[k] = (vf){0};
  for (int32_t i = 0; i < count; i++) {
    vf x = load(f + distance(rows, i, DP) + d);
    if (t) pull = fma_(splat(take_target(t, f, rows, i, DP, d == 0)), x, pull);
#pragma GCC unroll 9
    for (int k = 0; k <= VL / 2; k++) total[k] = fma_(x, turned(x, k), total[k]);
  }
#pragma GCC unroll 9
  for (int k = 0; k <= VL / 2; k++) store(A + k * DP, load(A + k * DP) + total[k]);
  if (t) store(h, load(h) + pull);
}
#else
#define HAS_TURNED_BLOCKS 0
#endif

/**
 * A += Σ f fᵀ, blocks of the diagonal (turned where there are such, else of TILE_ROWS rows and columns) and right of them, and h += Σ t f
 * (t null: without), of the given rows of f (null: the first `count`).
 */
INLINE void add_squares(float *A, float *h, const float *f, const int32_t *rows, const ratings *t, int32_t count, int DP) {
#if HAS_TURNED_BLOCKS
  for (int d = 0; d < DP; d += VL) {
    add_turned_block(A + d * DP + d, h + d, f, d, rows, t, count, DP);
    for (int c = d + VL; c < DP; c += VL) add_tile(A + d * DP + c, 0, f, c, f + d, rows, 0, count, DP, 1);
  }
#else
  for (int r = 0; r < DP; r += TILE_ROWS) {
    int c = r / VL * VL;
    const ratings *targets = r == 0 ? t : 0;
    for (; c + 2 * VL <= DP; c += 2 * VL) add_tile(A + r * DP + c, h + c, f, c, f + r, rows, targets, count, DP, 2);
    if (c < DP) add_tile(A + r * DP + c, h + c, f, c, f + r, rows, targets, count, DP, 1);
  }
#endif
}

/** The same of ratings, for the widths of the presets by code of its own. Inlined it would have no registers left. */
NOINLINE static void add_ratings(float *A, float *h, const float *f, const int32_t *rows, const ratings *t, int32_t count, int DP) {
  switch (DP) {
    case 16: add_squares(A, h, f, rows, t, count, 16); break;
    case 32: add_squares(A, h, f, rows, t, count, 32); break;
    case 64: add_squares(A, h, f, rows, t, count, 64); break;
    default: add_squares(A, h, f, rows, t, count, DP);
  }
}

/** Which entry of A lies at row r, column c, as add_squares leaves it; false: none, or one that lies elsewhere, too. */
INLINE int find_entry(int r, int c, int *row, int *column) {
  *row = r, *column = c;
#if HAS_TURNED_BLOCKS
  int block = r / VL * VL, k = r - block;
  if (c >= block + VL) return 1;
  int other = block + (c - block + k) % VL;
  *row = c < other ? c : other, *column = c < other ? other : c;
  return k < VL / 2 || (k == VL / 2 && c < other);
#else
  return c >= r;
#endif
}

/** Entry (r, c), c ≥ r, of A as add_squares leaves it. */
INLINE float entry_of_squares(const float *A, int r, int c, int DP) {
#if HAS_TURNED_BLOCKS
  int block = r / VL * VL;
  if (c < block + VL) {
    int k = c - r;
    return k <= VL / 2 ? A[(block + k) * DP + r] : A[(block + VL - k) * DP + c];
  }
#endif
  return A[r * DP + c];
}

/** A += Σ g fᵀ, all of it. */
NOINLINE static void add_all_products(float *A, const float *f, const float *g, int32_t count, int DP) {
  for (int r = 0; r < DP; r += TILE_ROWS)
    for (int c = 0; c < DP; c += VL) add_tile(A + r * DP + c, 0, f, c, g + r, 0, 0, count, DP, 1);
}

/** xᵀ A x of A as add_squares leaves it. */
INLINE float quadratic(const float *A, const float *x, int DP) {
  vf total = {0};
#if HAS_TURNED_BLOCKS
  for (int d = 0; d < DP; d += VL) {
    vf y = load(x + d), twice = {0};
    const float *block = A + d * DP + d;
#pragma GCC unroll 9
    for (int k = 1; k < VL / 2; k++) twice = fma_(load(block + k * DP), turned(y, k), twice);
    total = fma_(y, fma_(load(block + VL / 2 * DP), turned(y, VL / 2), fma_(load(block), y, twice + twice)), total);
  }
#endif
  for (int r = 0; r < DP; r++) {
    int c = r / VL * VL;
    vf row = {0}, right = {0};
    if (!HAS_TURNED_BLOCKS) row = load(A + r * DP + c) * load(x + c);
    for (c += VL; c < DP; c += VL) right = fma_(load(A + r * DP + c), load(x + c), right);
    total = fma_(splat(x[r]), row + right + right, total);
  }
  return sum(total);
}

#endif
