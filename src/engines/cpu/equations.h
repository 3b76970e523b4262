// Normal equations of one row in float32: Σ f fᵀ of the rows that it is about, times the roots of their weights. Solved in lanes.h; without
// the draws the same is a step of alternating least squares. Where DP is a constant, loops over columns unroll.
//
// D columns in use, DP padded to whole vectors, the padding zero; A (DP × DP) row-major, used from the diagonal to the right.

#ifndef MARQUEE_EQUATIONS_H
#define MARQUEE_EQUATIONS_H

#include "vectors.h"

/** Columns are padded to this, for every instruction set alike. */
#define PAD 16
/** Rows f that are summed at a time where they are made for it, */
#define GATHER 64
/** and where they are those of ratings: as many as stay in the cache nearest to the processor, at most MOST_RATINGS. */
#define MOST_RATINGS 256
#define RATINGS_AT_ONCE(DP) ((DP) < 64 ? 4096 / (DP) : 64)
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
  const float *given, *less; // targets (count), and √w b of each row of f
  int32_t ahead;             // how far ahead rows are fetched into the cache
  int32_t root;              // the column of f that is √w
  float *targets;            // what comes of them: targets less biases, times √w (count); MOST_RATINGS further on √w
} ratings;

/** t of rating i, whose row of f is `row`; where it `is_first` it is computed, which costs nothing beside the sums that its loop is about. */
INLINE float take_target(ratings t, const float *f, const float *row, const int32_t *rows, int32_t i, int DP, const int is_first) {
  if (!is_first) return t.targets[i];
  const float *later = f + distance(rows, i + t.ahead, DP);
  for (int k = 0; k < DP; k += 16) prefetch(later + k);
  float root = row[t.root];
  t.targets[MOST_RATINGS + i] = root;
  return t.targets[i] = root * t.given[i] - t.less[rows[i]];
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
    const float *row = f + distance(rows, i, DP), *fi = row + column, *gi = g + distance(rows, i, DP);
    float target = t ? take_target(*t, f, row, rows, i, DP, column == 0) : 0;
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
/**
 * A block of the diagonal is kept in halves of its columns, each turned against itself and against the other: entry c of row k has columns c
 * and c + k of the same half, that of row TURNS + k columns c and, of the other half, c + k; k mod HALF, below TURNS. Row HALF/2 has each of its entries
 * twice; what would be twice in rows TURNS and TURNS + HALF/2 is 0.
 */
#define HAS_TURNED_BLOCKS 1
#define HALF (VL / 2)
#define TURNS (HALF / 2 + 1)
#define TURNED_ROWS (2 * TURNS)

/** Sums of two rows f at once, one in each half of a vector: of a aᵀ, b bᵀ, a bᵀ and b aᵀ, a the first half of the columns, and of t f. */
typedef struct {
  vf aa[TURNS], bb[TURNS], ab[TURNS], ba[TURNS], pull[2];
} turned_sums;

/** Adds x = (a, b) and t of two rows: half as many products as of all pairs, and each turn serves two of them. */
INLINE void add_turns(turned_sums *s, vf a, vf b, vf target) {
  vf turned_a[TURNS], turned_b[TURNS];
  s->pull[0] = fma_(target, a, s->pull[0]);
  s->pull[1] = fma_(target, b, s->pull[1]);
#pragma GCC unroll 5
  for (int k = 0; k < TURNS; k++) {
    turned_a[k] = turned(a, k), turned_b[k] = turned(b, k);
    s->aa[k] = fma_(a, turned_a[k], s->aa[k]);
    s->bb[k] = fma_(b, turned_b[k], s->bb[k]);
    s->ab[k] = fma_(a, turned_b[k], s->ab[k]);
    if (k % (HALF / 2) != 0) s->ba[k] = fma_(b, turned_a[k], s->ba[k]);
  }
}

/** Adds Σ f fᵀ of columns from `d` on to such a block, and, where there are targets, Σ t f to h. */
INLINE void add_turned_block(float *A, float *h, const float *f, int d, const int32_t *rows, const ratings *targets, int32_t count, int DP,
                             const int is_first) {
  // Of its own, so that what it points to need not be read again after each target that is written.
  const ratings t = targets ? *targets : (ratings){0};
  turned_sums s = {0};
  int32_t i = 0;
  for (; i + 1 < count; i += 2) {
    const float *one = f + distance(rows, i, DP), *two = f + distance(rows, i + 1, DP);
    vf target = {0};
    if (targets) target = splat_halves(take_target(t, f, one, rows, i, DP, is_first), take_target(t, f, two, rows, i + 1, DP, is_first));
    add_turns(&s, both_halves(one + d, two + d), both_halves(one + d + HALF, two + d + HALF), target);
  }
  if (i < count) {
    const float *one = f + distance(rows, i, DP);
    vf target = {0};
    if (targets) target = splat(take_target(t, f, one, rows, i, DP, is_first));
    add_turns(&s, first_half(one + d), first_half(one + d + HALF), target);
  }
#pragma GCC unroll 5
  for (int k = 0; k < TURNS; k++) {
    float *same = A + k * DP, *other = same + TURNS * DP;
    store(same, load(same) + sums_of_halves(s.aa[k], s.bb[k]));
    store(other, load(other) + sums_of_halves(s.ab[k], s.ba[k]));
  }
  if (targets) store(h, load(h) + sums_of_halves(s.pull[0], s.pull[1]));
}
#else
#define HAS_TURNED_BLOCKS 0
#define TURNED_ROWS VL
#endif

/**
 * A += Σ f fᵀ, blocks of the diagonal (turned where there are such, else of TILE_ROWS rows and columns) and right of them, and h += Σ t f
 * (t null: without), of the given rows of f (null: the first `count`).
 */
INLINE void add_squares(float *A, float *h, const float *f, const int32_t *rows, const ratings *t, int32_t count, int DP) {
#if HAS_TURNED_BLOCKS
  for (int d = 0; d < DP; d += VL) {
    if (d == 0) add_turned_block(A, h, f, 0, rows, t, count, DP, 1);
    else add_turned_block(A + d * DP + d, h + d, f, d, rows, t, count, DP, 0);
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
  // Loops that ask whether there are any would have no registers left.
  if (!rows || !t) __builtin_unreachable();
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
  int block = r / VL * VL, turn = r - block, k = turn % TURNS;
  if (c >= block + VL) return 1;
  c -= block;
  int other = (c / HALF ^ turn / TURNS) * HALF + (c + k) % HALF;
  *row = block + (c < other ? c : other), *column = block + (c < other ? other : c);
  int is_twice = k % (HALF / 2) == 0 && turn > 0;
  return turn < TURNED_ROWS && (!is_twice || (turn < TURNS ? c % HALF < HALF / 2 : c < HALF));
#else
  return c >= r;
#endif
}

/** Entry (r, c), c ≥ r, of A as add_squares leaves it. */
INLINE float entry_of_squares(const float *A, int r, int c, int DP) {
#if HAS_TURNED_BLOCKS
  int block = r / VL * VL;
  if (c < block + VL) {
    int k = (c - r) % HALF, first = (r - block) / HALF == (c - block) / HALF ? 0 : TURNS;
    return k < TURNS ? A[(block + first + k) * DP + r] : A[(block + first + HALF - k) * DP + c];
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
    vf y = load(x + d), crossed = crossed_halves(y), once = load(A + d * DP + d) * y, twice = {0};
    const float *same = A + d * DP + d, *other = same + TURNS * DP;
#pragma GCC unroll 5
    for (int k = 0; k < TURNS; k++) {
      twice = fma_(load(other + k * DP), turned(crossed, k), twice);
      if (k == HALF / 2) once = fma_(load(same + k * DP), turned(y, k), once);
      else if (k > 0) twice = fma_(load(same + k * DP), turned(y, k), twice);
    }
    total = fma_(y, once + twice + twice, total);
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
