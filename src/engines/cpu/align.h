// Running means of the rows' expectations, the variances of what was drawn around them, and the users' link. A chain turns slowly: rows of users and movies turned alike predict the same, but their means
// over many turns shrink. So what a sweep expects is first turned to where the means lie: by the Q that is orthogonal and closest to
// C = Σ e mᵀ over all rows e and means m, its polar factor (orthogonal Procrustes, Schönemann 1966).

#ifndef MARQUEE_ALIGN_H
#define MARQUEE_ALIGN_H

#include "priors.h"

#define POLAR_STEPS 60
/** Added to the diagonal of C, as in engines/referenceMeans.ts. */
#define STILLNESS 1e-4

/** C in parts, as sum_moments. */
static void sum_crossings(sampler *s, int counter) {
  int32_t DP = s->DP;
  for (int64_t part; (part = take_piece(s, counter, MOMENT_PARTS, 1)) >= 0;) {
    float *total = s->moments + part * ((int64_t)DP * DP + DP);
    for (int32_t k = 0; k < DP * DP; k++) total[k] = 0;
    for (int which = 0; which < 2; which++) {
      const side *a = &s->sides[which];
      range share = share_of(a->count, 1, (int)part, MOMENT_PARTS);
      for (int64_t from = share.from; from < share.to; from += GATHER) {
        int32_t n = (int32_t)(share.to - from < GATHER ? share.to - from : GATHER);
        add_all_products(total, a->means + from * DP, a->expected + from * DP, n, DP);
      }
    }
  }
}

/** X ← ½(X + X(XᵀX)⁻¹), whose limit is the polar factor of X; gives the largest change. Source: Higham 1986. */
static double polar_step(double *X, double *square, double *inverse, int K) {
  double most = 0;
  for (int r = 0; r < K; r++)
    for (int c = 0; c <= r; c++) {
      double total = 0;
      for (int k = 0; k < K; k++) total += X[k * K + r] * X[k * K + c];
      square[r * K + c] = square[c * K + r] = total;
    }
  invert(square, inverse, K);
  double *row = square; // no longer needed
  for (int r = 0; r < K; r++) {
    for (int c = 0; c < K; c++) {
      row[c] = 0;
      for (int k = 0; k < K; k++) row[c] += X[r * K + k] * inverse[k * K + c];
    }
    for (int c = 0; c < K; c++) {
      double change = 0.5 * (row[c] - X[r * K + c]);
      X[r * K + c] += change;
      most = change > most ? change : -change > most ? -change : most;
    }
  }
  return most;
}

/** Q of the parts into `columns` (DP × DP), with 1 for the bias, which does not turn. */
static void find_turn(sampler *s) {
  int32_t K = s->K, DP = s->DP;
  double *X = s->dense[0], norm = 0;
  for (int32_t k = 0; k < K * K; k++) X[k] = 0;
  for (int part = 0; part < MOMENT_PARTS; part++)
    for (int32_t r = 0; r < K; r++)
      for (int32_t c = 0; c < K; c++) X[r * K + c] += s->moments[part * ((int64_t)DP * DP + DP) + r * DP + c];
  for (int32_t k = 0; k < K * K; k++) norm += X[k] * X[k];
  // Orthogonal matrices have the norm √K.
  double scale = __builtin_sqrt(K / norm);
  for (int32_t k = 0; k < K * K; k++) X[k] *= scale;
  for (int32_t k = 0; k < K; k++) X[k * K + k] += STILLNESS;
  for (int step = 0; step < POLAR_STEPS; step++)
    if (polar_step(X, s->dense[1], s->dense[2], K) < 1e-9) break;
  for (int32_t k = 0; k < DP * DP; k++) s->columns[k] = 0;
  for (int32_t r = 0; r < K; r++)
    for (int32_t c = 0; c < K; c++) s->columns[r * DP + c] = (float)X[r * K + c];
  s->columns[K * DP + K] = 1;
}

/** x Q, or x itself where it is the first of the means (share 1). */
INLINE void turn(const sampler *s, const float *x, float *turned, float share) {
  int32_t D = s->D, DP = s->DP;
  for (int32_t k = 0; k < DP; k += VL) store(turned + k, share == 1 ? load(x + k) : (vf){0});
  if (share == 1) return;
  add_combination(turned, x, s->columns, D, DP);
}

/** mean += share (x − mean). */
INLINE void take_share(float *mean, int32_t k, vf x, float share) {
  vf m = load(mean + k);
  store(mean + k, fma_(splat(share), x - m, m));
}

/** Takes this thread's rows into the means: turned, or as they are for the first of them. */
static void take_means(sampler *s, int thread, float share, float *vectors) {
  int32_t DP = s->DP;
  float *turned = vectors, *off = turned + DP;
  for (int which = 0; which < 2; which++) {
    side *a = &s->sides[which];
    range rows = share_of(a->count, 1, thread, s->T);
    for (int64_t e = rows.from; e < rows.to; e++) {
      const float *expected = a->expected + e * DP, *x = a->rows + e * DP;
      for (int32_t k = 0; k < DP; k += VL) store(off + DP + k, load(x + k) - load(expected + k));
      turn(s, expected, turned, share);
      turn(s, off + DP, off, share);
      for (int32_t k = 0; k < DP; k += VL) {
        take_share(a->means + e * DP, k, load(turned + k), share);
        take_share(a->variances + e * DP, k, load(off + k) * load(off + k), share);
      }
      a->noises[e] += share * (1 / a->precisions[e] - a->noises[e]);
    }
  }
  side *users = &s->sides[0];
  range features = share_of(users->others_count, 1, thread, s->T);
  for (int64_t f = features.from; f < features.to; f++) {
    turn(s, users->kinds[0].links + f * DP, turned, share);
    for (int32_t k = 0; k < DP; k += VL) take_share(users->tastes + f * DP, k, load(turned + k), share);
  }
}

/** Of a sweep in the means; within the burn-in, and first after it, all. */
INLINE double share_of_sweep(const sampler *s, double sweep) {
  double kept = sweep - s->burn_in;
  return kept > 1 ? 1 / kept : 1;
}

static void update_means(sampler *s, int thread, double sweep, int counter) {
  workspace *w = &s->workspaces[thread];
  double share = share_of_sweep(s, sweep);
  if (share < 1) {
    sum_crossings(s, counter);
    barrier_wait(&s->gate, s->T);
    if (thread == 0) find_turn(s);
    barrier_wait(&s->gate, s->T);
  }
  take_means(s, thread, (float)share, w->vectors);
}

#endif
