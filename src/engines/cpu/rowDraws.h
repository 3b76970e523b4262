// The rows of a side given all else: the normal equations of each from the ratings of its row, then the systems of VL rows at a time.

#ifndef MARQUEE_ROW_DRAWS_H
#define MARQUEE_ROW_DRAWS_H

#include "lanes.h"
#include "sampler.h"

/** How many ratings ahead rows are fetched into the cache. */
#define RATINGS_AHEAD 32
/** √w where there is no rating: 1/w is 0 then. */
#define NO_RATING 1e30f

/** A side while its rows are drawn. */
typedef struct {
  sampler *s;
  side *a;
  const side *others;
  int which;
  double alpha, sweep;
  stream row, precision;
} row_task;

/** √w f of this thread's rows, f = (q, 1), where the residuals of links were, and √w b. */
static void scale_rows(sampler *s, side *others, int thread) {
  int32_t K = s->K, DP = s->DP;
  range share = share_of(others->count, 1, thread, s->T);
  for (int64_t e = share.from; e < share.to; e++) {
    const float *row = others->rows + e * DP;
    float *scaled = s->residuals + e * DP, root = __builtin_sqrtf(others->precisions[e]);
    for (int32_t k = 0; k < DP; k += VL) store(scaled + k, splat(root) * load(row + k));
    others->biases[e] = scaled[K];
    scaled[K] = root;
  }
}

/** What the ratings of a row come to beside N and h in the workspace. */
typedef struct {
  double targets, errors, inverses; // Σ w t²; of movies Σ (t − x·f)² with x as it stands, Σ 1/w
} row_sums;

/** Adds the n ratings of these rows of f to the sums without weights, VL at a time; the last row again up to a whole vector, where w is infinite. */
INLINE void add_plain_sums(row_sums *sums, const float *x, const float *f, const int32_t *rows, int32_t n, const workspace *w, int DP) {
  const float *roots = w->targets + MOST_RATINGS;
  vf errors = {0}, inverses = {0};
  for (int32_t i = 0; i < n; i += VL) {
    const int32_t *these = rows + i;
    if (n - i < VL) {
      for (int k = 0; k < VL; k++) w->last[k] = these[i + k < n ? k : n - 1 - i];
      these = w->last;
    }
    vf products[VL];
#pragma GCC unroll 16
    for (int k = 0; k < VL; k++) products[k] = product_of_rows(x, f + (int64_t)these[k] * DP, DP);
    vf inverse = splat(1) / load(roots + i);
    vf error = (load(w->targets + i) - sums_of_all(products)) * inverse;
    errors = fma_(error, error, errors);
    inverses = fma_(inverse, inverse, inverses);
  }
  sums->errors += sum(errors);
  sums->inverses += sum(inverses);
}

/** The same, for the widths of the presets by code of its own. Inlined it would have no registers left. */
NOINLINE static void add_plain(row_sums *sums, const float *x, const float *f, const int32_t *rows, int32_t n, const workspace *w, int DP) {
  switch (DP) {
    case 16: add_plain_sums(sums, x, f, rows, n, w, 16); break;
    case 32: add_plain_sums(sums, x, f, rows, n, w, 32); break;
    case 64: add_plain_sums(sums, x, f, rows, n, w, 64); break;
    default: add_plain_sums(sums, x, f, rows, n, w, DP);
  }
}

INLINE row_sums gather_row(const row_task *t, int32_t e, workspace *w, float *N, float *h, int DP) {
  const float *x = t->a->rows + (int64_t)e * DP;
  row_sums sums = {0, 0, 0};
  for (int32_t k = 0; k < DP * DP; k += VL) store(N + k, (vf){0});
  for (int32_t k = 0; k < DP; k += VL) store(h + k, (vf){0});
  for (int32_t from = t->a->starts[e], end = t->a->starts[e + 1]; from < end; from += RATINGS_AT_ONCE(DP)) {
    int32_t n = end - from < RATINGS_AT_ONCE(DP) ? end - from : RATINGS_AT_ONCE(DP), last = (n - 1) / VL * VL;
    int32_t ahead = t->s->R - from < n + RATINGS_AHEAD ? 0 : RATINGS_AHEAD;
    const int32_t *others = t->a->others + from;
    ratings of_row = {t->a->targets + from, t->others->biases, ahead, t->s->K, w->targets};
    store(w->targets + last, (vf){0});
    store(w->targets + MOST_RATINGS + last, splat(NO_RATING));
    add_ratings(N, h, t->s->residuals, others, &of_row, n, DP);
    sums.targets += dot_rows(w->targets, w->targets, last + VL);
    if (t->which == 1) add_plain(&sums, x, t->s->residuals, others, n, w, DP);
  }
  return sums;
}

/** Σ w (t − x·f)² from N and h. */
INLINE double weighted_errors(const float *N, const float *h, const float *x, double targets, int DP) {
  double total = targets + (double)quadratic(N, x, DP) - 2 * (double)dot_rows(h, x, DP);
  return total > 0 ? total : 0;
}

/** w of `count` rows, at most VL, from `from` on; `errors` α Σ w′(t − x·f)² of each. */
static void draw_precisions(const row_task *t, int64_t from, int count, const double *errors) {
  double prior = t->s->precision_shape, shapes[VL], drawn[VL];
  const int32_t *starts = t->a->starts + from;
  for (int i = 0; i < VL; i++) shapes[i] = prior + (i < count ? (starts[i + 1] - starts[i]) / 2.0 : 0);
  fill_gammas(t->precision, (uint32_t)from, count, shapes, drawn);
  for (int i = 0; i < count; i++) t->a->precisions[from + i] = (float)(drawn[i] / (prior + errors[i] / 2));
}

/** The noise of users goes with the rows that the last sweep drew; that of movies is drawn after the sweep's rows. */
INLINE void draw_users_precisions(const row_task *t, int64_t from, int count, const row_sums *sums, const workspace *w, int DP) {
  double errors[VL];
  for (int i = 0; i < count; i++)
    errors[i] = t->alpha * weighted_errors(w->N + i * DP * DP, w->h + i * DP, t->a->rows + (from + i) * DP, sums[i].targets, DP);
  draw_precisions(t, from, count, errors);
}

/** Row e, which gets a lane: α w, h = Λ(μ + prior) + α w h, and normal numbers z. */
INLINE void set_row(const row_task *t, int64_t e, int lane, workspace *w, float *h, float *z, int DP) {
  const sampler *s = t->s;
  int32_t D = s->D;
  float scale = w->scales[lane] = (float)(t->alpha * t->a->precisions[e]);
  for (int k = 0; k < DP; k += VL) store(h + k, fma_(splat(scale), load(w->h + lane * DP + k), load(s->pull + k)));
  add_combination(h, t->a->priors + e * DP, s->precision32, D, DP);
  fill_normals(of_entity(t->row, (uint32_t)e), D, z);
  for (int r = D; r < DP; r++) z[r] = 0;
}

/** A = Λ + α w N of all lanes. */
INLINE void set_systems(const sampler *s, workspace *w, int columns, int DP) {
  vf scales = load(w->scales);
  for (int r = 0; r < DP; r++)
    for (int from = r / VL * VL; from < columns; from += VL) {
      if (HAS_TURNED_BLOCKS && from == r / VL * VL && r % VL >= TURNED_ROWS) continue;
      vf entries[VL];
#pragma GCC unroll 16
      for (int lane = 0; lane < VL; lane++) entries[lane] = load(w->N + (lane * DP + r) * DP + from);
      transpose(entries);
#pragma GCC unroll 16
      for (int i = 0; i < VL; i++) {
        int row, column;
        if (!find_entry(r, from + i, &row, &column) || column >= columns) continue;
        store(entry_of(w->A, row, column, DP), fma_(scales, entries[i], splat(s->precision32[row * DP + column])));
      }
    }
}

/** Rows from … from + VL of those below `end`: x ~ N(A⁻¹h, A⁻¹), A = Λ + α w N. */
INLINE void draw_lanes(const row_task *t, int64_t from, int64_t end, workspace *w, int DP) {
  sampler *s = t->s;
  int32_t columns = round_up(s->D, PANEL);
  int lanes = end - from < VL ? (int)(end - from) : VL;
  row_sums sums[VL];
  // Where the systems will be.
  float *h = w->A, *z = h + VL * DP;
  for (int i = 0; i < lanes; i++) sums[i] = gather_row(t, (int32_t)from + i, w, w->N + i * DP * DP, w->h + i * DP, DP);
  if (t->which == 0 && t->sweep > 1) draw_users_precisions(t, from, lanes, sums, w, DP);
  for (int i = 0; i < lanes; i++) set_row(t, from + i, i, w, h + i * DP, z + i * DP, DP);
  into_lanes(h, w->x, DP);
  into_lanes(z, w->noise, DP);
  set_systems(s, w, columns, DP);
  factor(w->A, w->inverses, columns, DP);
  solve_forward(w->A, w->inverses, w->x, columns, DP);
  solve_backward(w->A, w->inverses, w->x, w->noise, columns, DP);
  float *x = t->a->rows + from * DP;
  from_lanes(w->x, t->a->expected + from * DP, lanes, DP);
  for (int r = 0; r < columns; r++) store(w->x + r * VL, load(w->x + r * VL) + load(w->noise + r * VL));
  from_lanes(w->x, x, lanes, DP);
  for (int i = 0; t->which == 1 && i < lanes; i++) {
    int64_t e = from + i;
    s->plain[e] = sums[i].errors;
    s->inverses[e] = sums[i].inverses;
    s->weighted[e] = weighted_errors(w->N + i * DP * DP, w->h + i * DP, x + i * DP, sums[i].targets, DP);
  }
}

/** Rows from … end. The widths of the presets have code of their own. */
NOINLINE static void draw_rows(const row_task *t, int64_t from, int64_t end, workspace *w) {
  for (; from < end; from += VL) switch (t->s->DP) {
      case 16: draw_lanes(t, from, end, w, 16); break;
      case 32: draw_lanes(t, from, end, w, 32); break;
      case 64: draw_lanes(t, from, end, w, 64); break;
      default: draw_lanes(t, from, end, w, t->s->DP);
    }
}

#endif
