// A sweep: the steps of engines/referenceSweeps.ts, each shared by all threads, with a barrier between them.
// Every number is computed by one thread alone, and in an order that does not depend on how many there are.

#ifndef MARQUEE_GIBBS_H
#define MARQUEE_GIBBS_H

#include "align.h"

/** How many ratings ahead rows are fetched into the cache. */
#define RATINGS_AHEAD 32

enum { COUNTER_LINK_MOMENTS, COUNTER_MOMENTS, COUNTER_COLUMNS, COUNTER_NEW_LINK_MOMENTS, COUNTER_ROWS, COUNTERS_OF_SIDE, COUNTER_CROSSINGS = 2 * COUNTERS_OF_SIDE };

/** A side while its rows are drawn. */
typedef struct {
  sampler *s;
  side *a;
  const side *others;
  int which;
  double alpha, sweep;
  stream row, precision;
} row_task;

/** The rows f = (q, 1) of ratings from … from + n, their copies g = w f, targets less biases, and weights. */
INLINE void gather(const row_task *t, int32_t from, int32_t n, workspace *w) {
  int32_t DP = t->s->DP, K = t->s->K;
  const int32_t *others = t->a->others;
  const float *rows = t->others->rows, *precisions = t->others->precisions;
  for (int32_t i = 0; i < n; i++) {
    int64_t ahead = (int64_t)from + i + RATINGS_AHEAD;
    if (ahead < t->s->R) {
      const float *row = rows + (int64_t)others[ahead] * DP;
      for (int32_t k = 0; k < DP; k += 16) prefetch(row + k);
      prefetch(precisions + others[ahead]);
    }
    int32_t other = others[from + i];
    const float *row = rows + (int64_t)other * DP;
    float *f = w->f + i * DP, *g = w->g + i * DP, weight = precisions[other];
    for (int32_t k = 0; k < DP; k += VL) {
      vf x = load(row + k);
      store(f + k, x);
      store(g + k, splat(weight) * x);
    }
    w->targets[i] = t->a->targets[from + i] - row[K];
    w->weights[i] = weight;
    f[K] = 1;
    g[K] = weight;
  }
}

/** h += Σ t g, in registers: at most HELD vectors at a time. */
#define HELD 4
INLINE void add_targets(float *h, const float *targets, const float *g, int32_t n, int DP) {
  for (int k = 0; k < DP; k += HELD * VL) {
    int vectors = (DP - k) / VL < HELD ? (DP - k) / VL : HELD;
    vf even[HELD], odd[HELD];
    for (int v = 0; v < HELD; v++) even[v] = odd[v] = (vf){0};
    int32_t i = 0;
    for (; i + 1 < n; i += 2)
#pragma GCC unroll 4
      for (int v = 0; v < HELD; v++) {
        if (v >= vectors) break;
        even[v] = fma_(splat(targets[i]), load(g + i * DP + k + v * VL), even[v]);
        odd[v] = fma_(splat(targets[i + 1]), load(g + (i + 1) * DP + k + v * VL), odd[v]);
      }
    if (i < n)
      for (int v = 0; v < vectors; v++) even[v] = fma_(splat(targets[i]), load(g + i * DP + k + v * VL), even[v]);
    for (int v = 0; v < vectors; v++) store(h + k + v * VL, load(h + k + v * VL) + even[v] + odd[v]);
  }
}

/** xᵀ N x of a symmetric N that is given from the diagonal to the right. */
static double quadratic(const float *N, const float *x, int D, int DP) {
  double total = 0;
  for (int r = 0; r < D; r++) {
    float row = 0;
    for (int c = r + 1; c < D; c++) row += N[r * DP + c] * x[c];
    total += (double)x[r] * ((double)N[r * DP + r] * x[r] + 2 * (double)row);
  }
  return total;
}

/** What the ratings of a row come to: N = Σ w f fᵀ and h = Σ w t f in the workspace, and two sums. */
typedef struct {
  double targets, errors; // Σ w t², Σ (t − x·f)² with x as it stands
} row_sums;

static row_sums gather_row(const row_task *t, int32_t e, workspace *w, float *h) {
  int32_t DP = t->s->DP;
  const float *x = t->a->rows + (int64_t)e * DP;
  row_sums sums = {0, 0};
  for (int32_t k = 0; k < DP * DP; k++) w->N[k] = 0;
  for (int32_t k = 0; k < DP; k++) h[k] = 0;
  for (int32_t from = t->a->starts[e], end = t->a->starts[e + 1]; from < end; from += GATHER) {
    int32_t n = end - from < GATHER ? end - from : GATHER;
    gather(t, from, n, w);
    float squares = 0;
    for (int32_t i = 0; i < n; i++) squares += w->weights[i] * w->targets[i] * w->targets[i];
    sums.targets += squares;
    add_targets(h, w->targets, w->g, n, DP);
    if (t->which == 1) {
      float errors = 0;
      for (int32_t i = 0; i < n; i++) {
        float error = w->targets[i] - dot_rows(x, w->f + i * DP, DP);
        errors += error * error;
      }
      sums.errors += errors;
    }
    add_products(w->N, w->f, w->g, n, DP);
  }
  return sums;
}

/** Σ w (t − x·f)² from N and h. */
static double weighted_errors(const workspace *w, const float *h, const float *x, double targets, int D, int DP) {
  double total = targets + quadratic(w->N, x, D, DP);
  for (int d = 0; d < D; d++) total -= 2 * (double)h[d] * x[d];
  return total > 0 ? total : 0;
}

static float draw_precision(const row_task *t, int32_t e, double weighted) {
  double shape = t->s->precision_shape, n = t->a->starts[e + 1] - t->a->starts[e];
  return (float)(gamma_(of_entity(t->precision, (uint32_t)e), shape + n / 2) / (shape + weighted / 2));
}

/** x ~ N(A⁻¹h, A⁻¹), A = Λ + α w N, h = Λ(μ + prior) + α w h. */
static void draw_row(const row_task *t, int32_t e, workspace *w) {
  sampler *s = t->s;
  int32_t D = s->D, DP = s->DP;
  float *x = t->a->rows + (int64_t)e * DP, *kept = t->a->expected + (int64_t)e * DP;
  const float *prior = t->a->priors + (int64_t)e * DP;
  float *sums = w->vectors, *h = sums + DP, *v = h + DP, *z = v + DP, *expected = z + DP, *noise = expected + DP,
        *inverse = noise + DP;
  row_sums of_row = gather_row(t, e, w, sums);
  // The noise of a user goes with the row that the last sweep drew; that of a movie is drawn after the sweep's rows.
  if (t->which == 0 && t->sweep > 1)
    t->a->precisions[e] = draw_precision(t, e, t->alpha * weighted_errors(w, sums, x, of_row.targets, D, DP));
  float scale = (float)(t->alpha * t->a->precisions[e]);
  for (int32_t k = 0; k < DP * DP; k += VL) store(w->A + k, fma_(splat(scale), load(w->N + k), load(s->precision32 + k)));
  for (int32_t k = 0; k < DP; k += VL) {
    store(h + k, fma_(splat(scale), load(sums + k), load(s->pull + k)));
    store(expected + k, (vf){0});
    store(noise + k, (vf){0});
  }
  for (int32_t c = 0; c < D; c++) add_scaled(h, prior[c], s->precision32 + c * DP, DP);
  factor(w->A, inverse, D, DP);
  solve_forward(w->A, inverse, h, v, D, DP);
  fill_normals(of_entity(t->row, (uint32_t)e), D, z);
  solve_backward(w->A, inverse, v, z, expected, noise, D, DP);
  for (int32_t k = 0; k < DP; k += VL) {
    store(kept + k, load(expected + k));
    store(x + k, load(expected + k) + load(noise + k));
  }
  if (t->which == 0) return;
  s->plain[e] = of_row.errors;
  s->weighted[e] = weighted_errors(w, sums, x, of_row.targets, D, DP);
}

/** One side: its hyperparameters and link, then its rows. */
static void draw_side(sampler *s, int which, int thread, double sweep) {
  side *a = &s->sides[which];
  workspace *w = &s->workspaces[thread];
  int counter = which * COUNTERS_OF_SIDE;
  sum_moments(s, a->links, 0, a->others_count, counter + COUNTER_LINK_MOMENTS, w);
  barrier_wait(&s->gate, s->T);
  if (thread == 0) keep_link_moments(s, s->scalars[1 + which]);
  barrier_wait(&s->gate, s->T);
  sum_moments(s, a->rows, a->priors, a->count, counter + COUNTER_MOMENTS, w);
  barrier_wait(&s->gate, s->T);
  if (thread == 0) {
    draw_hyperparameters(s, which, sweep);
    round_hyperparameters(s);
  }
  barrier_wait(&s->gate, s->T);
  begin_link(s, which, sweep, thread, w);
  barrier_wait(&s->gate, s->T);
  for (int64_t k; (k = take_piece(s, counter + COUNTER_COLUMNS, s->DP, LINK_COLUMNS)) >= 0;)
    draw_link_columns(s, which, (int32_t)k);
  barrier_wait(&s->gate, s->T);
  end_link(s, which, thread);
  sum_moments(s, a->links, 0, a->others_count, counter + COUNTER_NEW_LINK_MOMENTS, w);
  barrier_wait(&s->gate, s->T);
  if (thread == 0) draw_link_precision(s, which, sweep);
  row_task t = {s, a, &s->sides[1 - which], which, s->scalars[0], sweep,
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
  result[1] = s->scalars[0];
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
