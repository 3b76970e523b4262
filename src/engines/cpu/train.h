// A step in two phases, with a barrier after each:
//
//   A  each thread takes a share of the samples: reads them, runs them forward, sums over the units
//   B  each thread takes a share of the parameters: sums over the samples, moves its units and the rows it owns
//
// Every number is computed by one thread in an order that does not depend on who computes it: any number of threads gives the
// same bits.

#ifndef MARQUEE_TRAIN_H
#define MARQUEE_TRAIN_H

#include "hidden.h"
#include "order.h"

/** A thread is worth waking for this many samples. */
#define SAMPLES_PER_THREAD 64

typedef struct {
  int64_t at;      // position of its first sample in the epoch
  int32_t samples; // at most B; 0 behind the end
  int32_t step;    // since the last catch-up, this one included
  float rate;
} batch;

/** What a thread works on. */
typedef struct {
  int thread, threads;
  const rating *ratings;
  const epoch_order *order;
  uint32_t *next_ratings;
} work;

static void epoch_begin(model *m, double learning_rate) {
  m->rate = (float)learning_rate;
  if (m->moments != 1) return;
  fill_catch_up(m->embeddings, m->mu, learning_rate);
  fill_catch_up(m->biases, m->mu, learning_rate);
}

INLINE int32_t samples_at(const model *m, const epoch_order *order, int64_t at) {
  int64_t left = (int64_t)order->count - at;
  return (int32_t)(left < 0 ? 0 : left < m->B ? left : m->B);
}

/** Which ratings the thread's share of the batch at `at` has; returns how many. */
NOINLINE static int64_t order_share(const model *m, const work *w, int64_t at) {
  range share = share_of(samples_at(m, w->order, at), 8, w->thread, w->threads);
  fill_order(w->order, (uint32_t)(at + share.from), (int32_t)(share.to - share.from), w->next_ratings);
  return share.to - share.from;
}

NOINLINE static void read_ratings(model *m, const work *w, range share) {
  for (int64_t i = share.from; i < share.to; i++) {
    const rating *r = w->ratings + w->next_ratings[i - share.from];
    m->batch_users[i] = r->user;
    m->batch_movies[i] = r->movie;
    m->targets[i] = r->target;
  }
}

INLINE float dot(const float *a, const float *b, int length) {
  quad total = {0};
  int k = 0;
  for (; k + 4 <= length; k += 4) total += load_quad(a + k) * load_quad(b + k);
  float rest = 0;
  for (; k < length; k++) rest += a[k] * b[k];
  return (total[0] + total[2]) + (total[1] + total[3]) + rest;
}

/** X[i] from the rows of a user and a movie after `step` steps; returns what is not of the hidden layer. */
INLINE float read_pair(const model *m, int32_t user, int32_t movie, int32_t step, float *x) {
  float base = m->bias;
  base += read_row(m, row_of(&m->users, m, user), step, x);
  base += read_row(m, row_of(&m->movies, m, movie), step, x + m->K);
  x[m->X] = 1;
  for (int k = m->X + 1; k < m->EP; k++) x[k] = 0;
  return m->has_dot ? base + dot(x, x + m->K, m->K) : base;
}

/** Also asks for the ratings of the next batch, which lie anywhere. */
NOINLINE static void read_pairs(model *m, const work *w, range share, int32_t step, int64_t next_count) {
  for (int64_t i = share.from; i < share.to; i++) {
    if (i - share.from < next_count) prefetch(w->ratings + w->next_ratings[i - share.from]);
    if (i + AHEAD < share.to) {
      prefetch_row(m, &m->users, m->batch_users[i + AHEAD]);
      prefetch_row(m, &m->movies, m->batch_movies[i + AHEAD]);
    }
    m->errors[i] = read_pair(m, m->batch_users[i], m->batch_movies[i], step, m->inputs + i * m->EP);
  }
}

/** Leaves e_i in errors, which held what is not of the hidden layer. */
NOINLINE static void run_forward(model *m, range padded, const batch *b) {
  for (int64_t i = padded.from; i < padded.to; i += FS) {
    float outputs[FS] = {0};
    if (m->H > 0)
      forward(m, m->inputs + i * m->EP, m->bits + i * m->HB, m->nibbles + i / 4 * m->HP, outputs);
    for (int s = 0; s < FS; s++) {
      int64_t at = i + s;
      float difference = outputs[s] + m->errors[at] - m->targets[at];
      if (at >= b->samples) difference = 0;
      m->squares[at] = (double)difference * difference;
      m->errors[at] = difference * (2.0f / (float)b->samples);
    }
  }
}

/** Gradients of the rows of each sample, from e_i and D[i]. */
NOINLINE static void write_slopes(model *m, range share) {
  const int K = m->K;
  for (int64_t i = share.from; i < share.to; i++) {
    const float *x = m->inputs + i * m->EP, *d = m->sample_sums + i * m->EP;
    float *user = m->user_slopes + i * m->WP, *movie = m->movie_slopes + i * m->WP, e = m->errors[i];
    for (int k = 0; k < K; k++) {
      float by_user = m->has_dot ? x[K + k] : 0, by_movie = m->has_dot ? x[k] : 0;
      if (m->H > 0) by_user += d[k], by_movie += d[K + k];
      user[k] = e * by_user;
      movie[k] = e * by_movie;
    }
    if (m->has_biases) user[K] = movie[K] = e;
  }
}

static void phase_a(model *m, const work *w, const batch *b) {
  range share = share_of(b->samples, 8, w->thread, w->threads);
  range padded = {share.from, round_up((int32_t)share.to, 8)};
  read_ratings(m, w, share);
  int64_t next_count = order_share(m, w, b->at + m->B);
  read_pairs(m, w, share, b->step - 1, next_count);
  for (int64_t i = share.to; i < padded.to; i++)
    for (int k = 0; k < m->EP; k++) m->inputs[i * m->EP + k] = 0;
  run_forward(m, padded, b);
  if (m->H > 0) sum_all_units(m, w->thread, padded);
  write_slopes(m, share);
}

/** The output bias and the loss, in the order of the samples. */
static void finish_batch(model *m, const batch *b, double *result) {
  double slope = 0, squares = 0;
  for (int32_t i = 0; i < b->samples; i++) slope += m->errors[i], squares += m->squares[i];
  descend_one(m, b->rate, &m->bias, m->bias_moments, m->moments == 2 ? m->bias_moments + 1 : 0, (float)slope, 0);
  result[0] += squares;
  result[1] += b->samples;
}

static void phase_b(model *m, const work *w, const batch *b, double *result) {
  range units = share_of(m->HP, 32, w->thread, w->threads);
  if (units.from < units.to) {
    sum_all_samples(m, w->thread, units, b->samples);
    update_units(m, units, b->rate);
  }
  if (m->W > 0) {
    const owner who = {w->thread, w->threads};
    update_rows(m, &m->users, m->batch_users, m->user_slopes, b->samples, b->step, b->rate, who);
    update_rows(m, &m->movies, m->batch_movies, m->movie_slopes, b->samples, b->step, b->rate, who);
  }
  if (w->thread == 0) finish_batch(m, b, result);
}

static void take_steps(model *m, const work *w, int64_t first, int64_t steps, double *result) {
  int32_t step_before = m->step;
  double steps_before = m->steps;
  order_share(m, w, first * m->B);
  // Everyone has read where the model stands before anyone moves it.
  barrier_wait(&m->gate, w->threads);
  for (int64_t n = 0; n < steps; n++) {
    int64_t at = (first + n) * m->B;
    batch b = {at, samples_at(m, w->order, at), step_before + (int32_t)n + 1, m->rate};
    if (m->moments == 2) b.rate = (float)adam_rate(m, m->rate, steps_before + (double)n + 1);
    phase_a(m, w, &b);
    barrier_wait(&m->gate, w->threads);
    phase_b(m, w, &b, result);
    barrier_wait(&m->gate, w->threads);
  }
  if (w->thread > 0) return;
  m->step = step_before + (int32_t)steps;
  m->steps = steps_before + (double)steps;
}

static void train(model *m, int thread, const rating *ratings, const epoch_order *order, double first,
                  double steps, double *result) {
  int wanted = m->B / SAMPLES_PER_THREAD;
  int threads = wanted < 1 ? 1 : wanted < m->T ? wanted : m->T;
  if (thread >= threads) return;
  uint32_t *next_ratings = m->next_ratings + share_of(m->B, 8, thread, threads).from;
  work w = {thread, threads, ratings, order, next_ratings};
  take_steps(m, &w, (int64_t)first, (int64_t)steps, result);
}

#endif
