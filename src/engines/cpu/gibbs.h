// A sweep: the steps of engines/referenceSweeps.ts, each shared by all threads, with a barrier between them.
// Every number is computed by one thread alone, and in an order that does not depend on how many there are.

#ifndef MARQUEE_GIBBS_H
#define MARQUEE_GIBBS_H

#include "align.h"
#include "rowDraws.h"

enum {
  COUNTER_LINK_MOMENTS, // of each kind
  COUNTER_NEW_LINK_MOMENTS = COUNTER_LINK_MOMENTS + KINDS,
  COUNTER_MOMENTS = COUNTER_NEW_LINK_MOMENTS + KINDS,
  COUNTER_COLUMNS,
  COUNTER_ROWS,
  COUNTERS_OF_SIDE,
  COUNTER_CROSSINGS = 2 * COUNTERS_OF_SIDE
};

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

/** One side: its hyperparameters and links, then its rows, whose seconds are added to the result. */
static void draw_side(sampler *s, int which, int thread, double sweep, double *result) {
  side *a = &s->sides[which];
  workspace *w = &s->workspaces[thread];
  int counter = which * COUNTERS_OF_SIDE;
  draw_priors(s, which, thread, sweep, counter, w);
  barrier_wait(&s->gate, s->T);
  if (thread == 0) result[2] -= marquee_seconds();
  scale_rows(s, &s->sides[1 - which], thread);
  barrier_wait(&s->gate, s->T);
  row_task t = {s, a, &s->sides[1 - which], which, s->scalars[0], sweep,
                of_stage(s->seed, (uint32_t)sweep, STAGE_ROW, which),
                of_stage(s->seed, (uint32_t)sweep, STAGE_ROW_PRECISION, which)};
  for (int64_t from; (from = take_piece(s, counter + COUNTER_ROWS, a->count, ROWS_AT_A_TIME)) >= 0;)
    draw_rows(&t, from, from + ROWS_AT_A_TIME < a->count ? from + ROWS_AT_A_TIME : a->count, w);
  barrier_wait(&s->gate, s->T);
  if (thread == 0) result[2] += marquee_seconds();
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

static void shrink_table(sampler *s, float *table, int64_t count) {
  for (int64_t row = 0; row < count; row++)
    for (int32_t c = 0; c < s->K; c++) table[row * s->DP + c] = (float)(s->shrink * table[row * s->DP + c]);
}

/** All columns but the biases, once, halfway through the burn-in. */
static void shrink_columns(sampler *s) {
  for (int which = 0; which < 2; which++) {
    side *a = &s->sides[which];
    shrink_table(s, a->rows, a->count);
    shrink_table(s, a->priors, a->count);
    for (int kind = 0; kind < KINDS; kind++) shrink_table(s, a->kinds[kind].links, a->kinds[kind].count);
  }
}

static void sampler_sweep(sampler *s, int thread, double sweep, double *result) {
  barrier_wait(&s->gate, s->T);
  if (thread == 0) {
    for (int i = 0; i < COUNTERS; i++) s->counters[i] = 0;
    result[2] = 0;
    if (sweep > 1 && sweep == s->burn_in / 2 + 1) shrink_columns(s);
  }
  barrier_wait(&s->gate, s->T);
  draw_side(s, 0, thread, sweep, result);
  draw_side(s, 1, thread, sweep, result);
  if (thread == 0) draw_noise(s, sweep, result);
  barrier_wait(&s->gate, s->T);
  row_task t = {.s = s, .a = &s->sides[1], .precision = of_stage(s->seed, (uint32_t)sweep, STAGE_ROW_PRECISION, 1)};
  // Those whose means this thread takes next.
  range movies = share_of(t.a->count, 1, thread, s->T);
  for (int64_t m = movies.from; m < movies.to; m += VL) {
    int count = movies.to - m < VL ? (int)(movies.to - m) : VL;
    double errors[VL];
    for (int i = 0; i < count; i++) errors[i] = s->scalars[0] * s->weighted[m + i];
    draw_precisions(&t, m, count, errors);
  }
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
