// A sweep: the steps of engines/referenceSweeps.ts, each shared by all threads, with a barrier between them.
// Every number is computed by one thread alone, and in an order that does not depend on how many there are.

#ifndef MARQUEE_GIBBS_H
#define MARQUEE_GIBBS_H

#include "align.h"

/** How many ratings ahead rows are fetched into the cache. */
#define RATINGS_AHEAD 32

enum {
  COUNTER_LINK_MOMENTS, // of each kind
  COUNTER_NEW_LINK_MOMENTS = COUNTER_LINK_MOMENTS + KINDS,
  COUNTER_MOMENTS = COUNTER_NEW_LINK_MOMENTS + KINDS,
  COUNTER_COLUMNS,
  COUNTER_ROWS,
  COUNTERS_OF_SIDE,
  COUNTER_CROSSINGS = 2 * COUNTERS_OF_SIDE
};

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

/** The rows f = (q, 1) of ratings from … from + n, and targets less biases, all times √w; with zeros up to whole vectors of targets. */
INLINE void gather(const row_task *t, int32_t from, int32_t n, workspace *w, int DP) {
  int32_t K = t->s->K;
  int64_t last = t->s->R - 1;
  const int32_t *others = t->a->others + from;
  const float *rows = t->others->rows, *roots = t->others->precision_roots, *targets = t->a->targets + from;
  float *f = w->f;
  for (int32_t i = 0; i < n; i++, f += DP) {
    int64_t ahead = from + i + RATINGS_AHEAD <= last ? i + RATINGS_AHEAD : 0;
    const float *row = rows + (int64_t)others[ahead] * DP;
    for (int k = 0; k < DP; k += 16) prefetch(row + k);
    prefetch(roots + others[ahead]);
    int32_t other = others[i];
    float root = roots[other];
    row = rows + (int64_t)other * DP;
    for (int k = 0; k < DP; k += VL) store(f + k, splat(root) * load(row + k));
    w->targets[i] = root * (targets[i] - row[K]);
    w->roots[i] = root;
    f[K] = root;
  }
  for (int32_t i = n; i % VL != 0; i++) w->targets[i] = w->outputs[i] = 0, w->roots[i] = NO_RATING;
}

/** What the ratings of a row come to: N = Σ w f fᵀ and h = Σ w t f in the workspace, and three sums. */
typedef struct {
  double targets, errors, inverses; // Σ w t²; of movies Σ (t − x·f)² with x as it stands, Σ 1/w
} row_sums;

/** Adds what was gathered to the sums without weights. */
INLINE void add_plain(row_sums *sums, const float *x, int32_t n, workspace *w, int DP) {
  for (int32_t i = 0; i < n; i++) w->outputs[i] = dot_rows(x, w->f + i * DP, DP);
  vf errors = {0}, inverses = {0};
  for (int32_t i = 0; i < n; i += VL) {
    vf inverse = splat(1) / load(w->roots + i);
    vf error = (load(w->targets + i) - load(w->outputs + i)) * inverse;
    errors = fma_(error, error, errors);
    inverses = fma_(inverse, inverse, inverses);
  }
  sums->errors += sum(errors);
  sums->inverses += sum(inverses);
}

INLINE row_sums gather_row(const row_task *t, int32_t e, workspace *w, float *h, int DP) {
  const float *x = t->a->rows + (int64_t)e * DP;
  float *N = w->N;
  row_sums sums = {0, 0, 0};
  for (int32_t k = 0; k < DP * DP; k += VL) store(N + k, (vf){0});
  for (int32_t k = 0; k < DP; k += VL) store(h + k, (vf){0});
  for (int32_t from = t->a->starts[e], end = t->a->starts[e + 1]; from < end; from += GATHER) {
    int32_t n = end - from < GATHER ? end - from : GATHER;
    gather(t, from, n, w, DP);
    sums.targets += dot_rows(w->targets, w->targets, (n + VL - 1) / VL * VL);
    if (t->which == 1) add_plain(&sums, x, n, w, DP);
    add_squares(N, h, w->f, w->targets, n, DP);
  }
  return sums;
}

/** Σ w (t − x·f)² from N and h. */
INLINE double weighted_errors(const workspace *w, const float *h, const float *x, double targets, int D, int DP) {
  double total = targets + (double)quadratic(w->N, x, D, DP) - 2 * (double)dot_rows(h, x, DP);
  return total > 0 ? total : 0;
}

static float draw_precision(const row_task *t, int32_t e, double weighted) {
  double shape = t->s->precision_shape, n = t->a->starts[e + 1] - t->a->starts[e];
  return (float)(gamma_(of_entity(t->precision, (uint32_t)e), shape + n / 2) / (shape + weighted / 2));
}

/** x ~ N(A⁻¹h, A⁻¹), A = Λ + α w N, h = Λ(μ + prior) + α w h. */
INLINE void draw_row_of(const row_task *t, int32_t e, workspace *w, int DP) {
  sampler *s = t->s;
  int32_t D = s->D;
  float *x = t->a->rows + (int64_t)e * DP, *expected = t->a->expected + (int64_t)e * DP;
  float *sums = w->vectors, *h = sums + DP, *v = h + DP, *z = v + DP, *noise = z + DP, *inverse = noise + DP;
  row_sums of_row = gather_row(t, e, w, sums, DP);
  // The noise of a user goes with the row that the last sweep drew; that of a movie is drawn after the sweep's rows.
  if (t->which == 0 && t->sweep > 1)
    t->a->precisions[e] = draw_precision(t, e, t->alpha * weighted_errors(w, sums, x, of_row.targets, D, DP));
  float scale = (float)(t->alpha * t->a->precisions[e]);
  float *A = w->A;
  const float *N = w->N, *precision = s->precision32, *pull = s->pull;
  for (int32_t k = 0; k < DP * DP; k += VL) store(A + k, fma_(splat(scale), load(N + k), load(precision + k)));
  for (int32_t k = 0; k < DP; k += VL) store(h + k, fma_(splat(scale), load(sums + k), load(pull + k)));
  add_combination(h, t->a->priors + (int64_t)e * DP, precision, D, DP);
  factor(A, w->L, inverse, D, DP);
  solve_forward(A, inverse, h, v, D, DP);
  fill_normals(of_entity(t->row, (uint32_t)e), D, z);
  solve_backward(w->L, inverse, v, z, expected, noise, D, DP);
  for (int32_t k = 0; k < DP; k += VL) store(x + k, load(expected + k) + load(noise + k));
  if (t->which == 0) return;
  s->plain[e] = of_row.errors;
  s->inverses[e] = of_row.inverses;
  s->weighted[e] = weighted_errors(w, sums, x, of_row.targets, D, DP);
}

/** The widths of the presets have code of their own. */
NOINLINE static void draw_row(const row_task *t, int32_t e, workspace *w) {
  switch (t->s->DP) {
    case 16: draw_row_of(t, e, w, 16); return;
    case 32: draw_row_of(t, e, w, 32); return;
    case 64: draw_row_of(t, e, w, 64); return;
    default: draw_row_of(t, e, w, t->s->DP);
  }
}

/** Σ B Bᵀ of each kind, summed by all threads: of the links as they were, for Λ, or of the new ones, for their λ. */
static void sum_links(sampler *s, int which, int thread, double sweep, int counter, int are_new, workspace *w) {
  side *a = &s->sides[which];
  for (int kind = 0; kind < KINDS; kind++) {
    const feature_kind *features = &a->kinds[kind];
    if (features->count == 0) continue;
    sum_moments(s, features->links, 0, features->count, counter + kind, w);
    barrier_wait(&s->gate, s->T);
    if (thread == 0 && are_new) draw_link_precision(s, which, kind, sweep);
    if (thread == 0 && !are_new) keep_link_moments(s, which, kind);
    barrier_wait(&s->gate, s->T);
  }
}

static void draw_priors(sampler *s, int which, int thread, double sweep, int counter, workspace *w) {
  side *a = &s->sides[which];
  sum_links(s, which, thread, sweep, counter + COUNTER_LINK_MOMENTS, 0, w);
  sum_moments(s, a->rows, a->priors, a->count, counter + COUNTER_MOMENTS, w);
  barrier_wait(&s->gate, s->T);
  if (thread == 0) {
    draw_hyperparameters(s, which, sweep);
    round_hyperparameters(s);
  }
  barrier_wait(&s->gate, s->T);
  begin_links(s, which, sweep, thread, w);
  barrier_wait(&s->gate, s->T);
  for (int64_t k; (k = take_piece(s, counter + COUNTER_COLUMNS, s->DP, link_width(s))) >= 0;)
    draw_link_columns(s, which, (int32_t)k);
  barrier_wait(&s->gate, s->T);
  end_links(s, which, thread);
  sum_links(s, which, thread, sweep, counter + COUNTER_NEW_LINK_MOMENTS, 1, w);
}

/** One side: its hyperparameters and links, then its rows. */
static void draw_side(sampler *s, int which, int thread, double sweep) {
  side *a = &s->sides[which];
  workspace *w = &s->workspaces[thread];
  int counter = which * COUNTERS_OF_SIDE;
  side *others = &s->sides[1 - which];
  range share = share_of(others->count, 1, thread, s->T);
  for (int64_t e = share.from; e < share.to; e++) others->precision_roots[e] = __builtin_sqrtf(others->precisions[e]);
  draw_priors(s, which, thread, sweep, counter, w);
  row_task t = {s, a, others, which, s->scalars[0], sweep,
                of_stage(s->seed, (uint32_t)sweep, STAGE_ROW, which),
                of_stage(s->seed, (uint32_t)sweep, STAGE_ROW_PRECISION, which)};
  for (int64_t from; (from = take_piece(s, counter + COUNTER_ROWS, a->count, ROWS_AT_A_TIME)) >= 0;)
    for (int64_t e = from; e < from + ROWS_AT_A_TIME && e < a->count; e++) draw_row(&t, (int32_t)e, w);
  barrier_wait(&s->gate, s->T);
}

/** α, and Σ(ŷ − t)² for who watches. */
static void draw_noise(sampler *s, double sweep, double *result) {
  const side *movies = &s->sides[1];
  double weighted = 0, plain = 0;
  for (int32_t m = 0; m < movies->count; m++) {
    weighted += movies->precisions[m] * s->weighted[m];
    plain += s->plain[m];
  }
  stream stage = of_stage(s->seed, (uint32_t)sweep, STAGE_NOISE, 0);
  s->scalars[0] = gamma_(of_entity(stage, 0), 1 + (double)s->R / 2) / (1 + weighted / 2);
  result[0] = plain;
}

/** What the noise of this sweep comes to: into the mean, and for who watches. */
static void tell_noise(sampler *s, double sweep, double *result) {
  const side *movies = &s->sides[1];
  double total = 0, noise = 1 / s->scalars[0];
  for (int32_t m = 0; m < movies->count; m++) total += s->inverses[m] / movies->precisions[m];
  s->scalars[MEAN_NOISE] += share_of_sweep(s, sweep) * (noise - s->scalars[MEAN_NOISE]);
  result[1] = noise * total / (double)s->R;
}

static void sampler_sweep(sampler *s, int thread, double sweep, double *result) {
  barrier_wait(&s->gate, s->T);
  if (thread == 0)
    for (int i = 0; i < COUNTERS; i++) s->counters[i] = 0;
  barrier_wait(&s->gate, s->T);
  draw_side(s, 0, thread, sweep);
  draw_side(s, 1, thread, sweep);
  if (thread == 0) draw_noise(s, sweep, result);
  barrier_wait(&s->gate, s->T);
  row_task t = {.s = s, .a = &s->sides[1], .precision = of_stage(s->seed, (uint32_t)sweep, STAGE_ROW_PRECISION, 1)};
  range movies = share_of(t.a->count, 1, thread, s->T);
  for (int64_t m = movies.from; m < movies.to; m++)
    t.a->precisions[m] = draw_precision(&t, (int32_t)m, s->scalars[0] * s->weighted[m]);
  update_means(s, thread, sweep, COUNTER_CROSSINGS);
  barrier_wait(&s->gate, s->T);
  if (thread == 0) tell_noise(s, sweep, result);
}

static void sampler_predict(const sampler *s, int thread, const int32_t *users, const int32_t *movies,
                            float *outputs, double count) {
  int32_t DP = s->DP, K = s->K;
  range share = share_of((int64_t)count, 16, thread, s->T);
  for (int64_t i = share.from; i < share.to; i++) {
    const float *x = s->sides[0].means + (int64_t)users[i] * DP, *y = s->sides[1].means + (int64_t)movies[i] * DP;
    // The product of the biases is in the dot product, and taken out again.
    outputs[i] = dot_rows(x, y, DP) - x[K] * y[K] + x[K] + y[K];
  }
}

#endif
