// Rows of the tables of users and movies: read as they stand, changed by a gradient, caught up with the steps they skipped.
// Dense momentum moves every row at every step; a row that no sample of a batch is about moves by a linear map, whose powers are
// known. So it is left alone until somebody touches it.

#ifndef MARQUEE_ROWS_H
#define MARQUEE_ROWS_H

#include "model.h"

/** First `a`, then `b`. */
static skipped after(skipped b, skipped a) {
  return (skipped){b.ww * a.ww + b.wv * a.vw, b.ww * a.wv + b.wv * a.vv, b.vw * a.ww + b.vv * a.vw,
                   b.vw * a.wv + b.vv * a.vv};
}

/** The difference to w is kept, since ww is nearly 1. */
INLINE skipped_f32 to_f32(skipped s) {
  return (skipped_f32){(float)(s.ww - 1), (float)s.wv, (float)s.vw, (float)s.vv};
}

static void fill_catch_up(catch_up_table *t, double mu, double rate) {
  double pull = rate * 2 * t->l2;
  skipped one = {1 - pull, mu, -pull, mu}, all = {1, 0, 0, 1};
  for (int n = 0; n < CATCH_UP_STEPS; n++, all = after(one, all)) t->by_steps[n] = to_f32(all);
  for (int n = 0; n < POWERS; n++, one = after(one, one)) t->by_power[n] = one;
}

INLINE skipped_f32 skipping(const catch_up_table *t, int32_t n) {
  if (n < CATCH_UP_STEPS) return t->by_steps[n];
  skipped all = {1, 0, 0, 1};
  for (int power = 0; n >> power; power++)
    if (n >> power & 1) all = after(t->by_power[power], all);
  return to_f32(all);
}

INLINE float skip_w(skipped_f32 s, float w, float v) { return w + (s.ww * w + s.wv * v); }
INLINE float skip_v(skipped_f32 s, float w, float v) { return s.vw * w + s.vv * v; }

INLINE void prefetch_row(const model *m, const table *t, int32_t row) {
  const char *at = (const char *)row_of(t, m, row);
  for (int byte = 0; byte < m->stride * 4; byte += 64) prefetch(at + byte);
}

/** Samples ahead whose rows are asked for: a miss takes about as long as reading this many. */
#define AHEAD 12

/** w as it stands after `step` steps, into `out` (WP); returns the bias, or 0. Changes nothing. */
INLINE float read_row(const model *m, const float *row, int32_t step, float *out) {
  int32_t skipped_steps = m->moments == 1 ? step - *marks_of((float *)row, m) : 0;
  if (skipped_steps == 0) {
    for (int k = 0; k < m->WP; k += 4) store_quad(out + k, load_quad(row + k));
    return m->has_biases ? row[m->K] : 0;
  }
  skipped_f32 s = skipping(m->embeddings, skipped_steps);
  for (int k = 0; k < m->WP; k += 4) {
    quad w = load_quad(row + k), v = load_quad(row + m->WP + k);
    store_quad(out + k, w + (s.ww * w + s.wv * v));
  }
  return m->has_biases ? skip_w(skipping(m->biases, skipped_steps), row[m->K], row[m->WP + m->K]) : 0;
}

/** Brings a row to the state after `step` steps. */
INLINE void catch_up_row(const model *m, float *row, int32_t step) {
  int32_t skipped_steps = step - *marks_of(row, m);
  if (m->moments != 1 || skipped_steps == 0) return;
  float *moment = moment_of(row, m, 0);
  float bias = 0, bias_moment = 0;
  if (m->has_biases) {
    skipped_f32 s = skipping(m->biases, skipped_steps);
    bias = skip_w(s, row[m->K], moment[m->K]);
    bias_moment = skip_v(s, row[m->K], moment[m->K]);
  }
  skipped_f32 s = skipping(m->embeddings, skipped_steps);
  for (int k = 0; k < m->WP; k += 4) {
    quad w = load_quad(row + k), v = load_quad(moment + k);
    store_quad(row + k, w + (s.ww * w + s.wv * v));
    store_quad(moment + k, s.vw * w + s.vv * v);
  }
  if (!m->has_biases) return;
  row[m->K] = bias;
  moment[m->K] = bias_moment;
}

/** How far a step of adam goes at step t, bias correction included. */
static double adam_rate(const model *m, double rate, double t) {
  double power1 = 1, power2 = 1, factor1 = m->beta1, factor2 = m->beta2;
  for (int64_t n = (int64_t)t; n > 0; n >>= 1, factor1 *= factor1, factor2 *= factor2)
    if (n & 1) power1 *= factor1, power2 *= factor2;
  return rate * __builtin_sqrt(1 - power2) / (1 - power1);
}

INLINE quad square_root(quad x) {
  quad root;
  for (int i = 0; i < 4; i++) root[i] = __builtin_sqrtf(x[i]);
  return root;
}

/** One step of `length` elements, a multiple of 4; `slopes` without the pull of L2, which is l2·w. */
INLINE void descend(const model *m, float rate, float *w, float *first, float *second, const float *slopes,
                    float scale, const float *l2, int length) {
  for (int k = 0; k < length; k += 4) {
    quad x = load_quad(w + k), g = scale * load_quad(slopes + k) + load_quad(l2 + k) * x;
    quad v = load_quad(first + k);
    if (!second) {
      v = m->mu * v - rate * g;
      x += v;
    } else {
      quad u = load_quad(second + k);
      v = m->beta1 * v + (1 - m->beta1) * g;
      u = m->beta2 * u + (1 - m->beta2) * (g * g);
      x -= rate * v / (square_root(u) + m->epsilon);
      store_quad(second + k, u);
    }
    store_quad(first + k, v);
    store_quad(w + k, x);
  }
}

/** The same for a single number. */
INLINE void descend_one(const model *m, float rate, float *w, float *first, float *second, float slope,
                        float l2) {
  float g = slope + l2 * *w;
  if (!second) {
    *first = m->mu * *first - rate * g;
    *w += *first;
    return;
  }
  *first = m->beta1 * *first + (1 - m->beta1) * g;
  *second = m->beta2 * *second + (1 - m->beta2) * (g * g);
  *w -= rate * *first / (__builtin_sqrtf(*second) + m->epsilon);
}

/** A thread among those that share the rows. */
typedef struct {
  int thread, threads;
} owner;

/** Adds up the slopes of samples about the same row, at the first of them; returns how many rows it owns, listed in `owned`. */
static int32_t gather_owned(const model *m, table *t, const int32_t *ids, float *slopes, int32_t samples,
                            int32_t step, owner who, int32_t *owned) {
  int32_t count = 0;
  for (int32_t i = 0; i < samples; i++) {
    if (i + AHEAD < samples && owner_of(ids[i + AHEAD], who.threads) == who.thread)
      prefetch_row(m, t, ids[i + AHEAD]);
    if (owner_of(ids[i], who.threads) != who.thread) continue;
    float *row = row_of(t, m, ids[i]);
    int32_t *marks = marks_of(row, m);
    if (marks[0] != step) {
      catch_up_row(m, row, step - 1);
      marks[0] = step;
      marks[1] = i;
      owned[count++] = i;
      continue;
    }
    float *total = slopes + (int64_t)marks[1] * m->WP, *more = slopes + (int64_t)i * m->WP;
    for (int k = 0; k < m->WP; k += 4) store_quad(total + k, load_quad(total + k) + load_quad(more + k));
  }
  return count;
}

/** Moves the rows that this thread owns by the batch's slopes. */
NOINLINE static void update_rows(model *m, table *t, const int32_t *ids, float *slopes, int32_t samples, int32_t step,
                        float rate, owner who) {
  int32_t *owned = m->owned + (int64_t)who.thread * round_up(m->B, 8);
  int32_t count = gather_owned(m, t, ids, slopes, samples, step, who, owned);
  for (int32_t n = 0; n < count; n++) {
    float *row = row_of(t, m, ids[owned[n]]);
    float *second = m->moments == 2 ? moment_of(row, m, 1) : 0;
    descend(m, rate, row, moment_of(row, m, 0), second, slopes + (int64_t)owned[n] * m->WP, 1, m->row_l2, m->WP);
  }
}

/** All rows of a thread's share, to the state after all steps; then nothing is skipped any more. */
static void catch_up_rows(model *m, table *t, int thread) {
  range share = share_of(t->count, 1, thread, m->T);
  for (int64_t r = share.from; r < share.to; r++) {
    float *row = row_of(t, m, (int32_t)r);
    catch_up_row(m, row, m->step);
    *marks_of(row, m) = 0;
  }
}

static void catch_up(model *m, int thread) {
  barrier_wait(&m->gate, m->T);
  catch_up_rows(m, &m->users, thread);
  catch_up_rows(m, &m->movies, thread);
  barrier_wait(&m->gate, m->T);
  if (thread == 0) m->step = 0;
  barrier_wait(&m->gate, m->T);
}

#endif
