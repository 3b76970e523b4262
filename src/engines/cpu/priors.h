// The priors of a side, before its rows: hyperparameters μ and Λ, and the link B from what was rated to the prior of a row.
// Sums over rows go in parts that do not depend on the number of threads, and one thread adds the parts up.

#ifndef MARQUEE_PRIORS_H
#define MARQUEE_PRIORS_H

#include "dense.h"
#include "sampler.h"

typedef float link_columns __attribute__((vector_size(4 * LINK_COLUMNS)));
typedef float link_columns_memory __attribute__((vector_size(4 * LINK_COLUMNS), aligned(4), may_alias));
INLINE link_columns load_columns(const float *at) { return *(const link_columns_memory *)at; }
INLINE void store_columns(float *at, link_columns x) { *(link_columns_memory *)at = x; }

/** The next piece of work for whoever comes, or −1. */
INLINE int64_t take_piece(sampler *s, int counter, int64_t count, int64_t unit) {
  int64_t piece = __atomic_fetch_add(&s->counters[counter], 1, __ATOMIC_RELAXED) * unit;
  return piece < count ? piece : -1;
}

/** Σ e eᵀ and Σ e of rows x less priors (null: none), in MOMENT_PARTS parts. */
static void sum_moments(sampler *s, const float *rows, const float *priors, int64_t count, int counter,
                        workspace *w) {
  int32_t DP = s->DP;
  for (int64_t part; (part = take_piece(s, counter, MOMENT_PARTS, 1)) >= 0;) {
    float *second = s->moments + part * ((int64_t)DP * DP + DP), *first = second + DP * DP;
    for (int32_t k = 0; k < DP * DP + DP; k++) second[k] = 0;
    range share = share_of(count, 1, (int)part, MOMENT_PARTS);
    for (int64_t from = share.from; from < share.to; from += GATHER) {
      int32_t n = (int32_t)(share.to - from < GATHER ? share.to - from : GATHER);
      for (int32_t k = 0; k < n * DP; k++) w->f[k] = rows[from * DP + k] - (priors ? priors[from * DP + k] : 0);
      for (int32_t i = 0; i < n; i++) add_scaled(first, 1, w->f + i * DP, DP);
      add_products(second, w->f, w->f, n, DP);
    }
  }
}

/** The parts together, in their order: `second` (D × D, symmetric) and `first` (D). */
static void add_moments(sampler *s) {
  int32_t D = s->D, DP = s->DP;
  for (int32_t r = 0; r < D; r++) {
    s->first[r] = 0;
    for (int32_t c = r; c < D; c++) s->second[r * D + c] = 0;
  }
  for (int part = 0; part < MOMENT_PARTS; part++) {
    const float *second = s->moments + part * ((int64_t)DP * DP + DP), *first = second + DP * DP;
    for (int32_t r = 0; r < D; r++) {
      s->first[r] += first[r];
      for (int32_t c = r; c < D; c++) s->second[r * D + c] += second[r * DP + c];
    }
  }
  for (int32_t r = 0; r < D; r++)
    for (int32_t c = 0; c < r; c++) s->second[r * D + c] = s->second[c * D + r];
}

/** scale · Σ B Bᵀ, which the parts hold, into dense[2]. */
static void keep_link_moments(sampler *s, double scale) {
  add_moments(s);
  for (int32_t k = 0; k < s->D * s->D; k++) s->dense[2][k] = scale * s->second[k];
}

/** Λ ~ Wishart(degrees, W⁻¹) with W in dense[0], by Bartlett's decomposition; W is spoiled. */
static void draw_wishart(sampler *s, int which, double sweep, double degrees) {
  int32_t D = s->D;
  double *L = s->dense[1], *T = s->dense[0];
  invert(s->dense[0], L, D);
  cholesky_lower(L, D);
  stream diagonal = of_stage(s->seed, (uint32_t)sweep, STAGE_WISHART_DIAGONAL, which);
  stream below = of_stage(s->seed, (uint32_t)sweep, STAGE_WISHART_BELOW, which);
  for (int32_t r = 0; r < D; r++) {
    T[r * D + r] = __builtin_sqrt(2 * gamma_(of_entity(diagonal, (uint32_t)r), (degrees - r) / 2));
    for (int32_t c = 0; c < r; c++) T[r * D + c] = normal_(of_entity(below, (uint32_t)r), (uint32_t)c);
  }
  multiply_lower(L, T, s->factor, D);
  square_lower(s->factor, s->precision, D);
}

/** μ and Λ given e, whose moments the parts hold, and the link, whose moments are in dense[2]. */
static void draw_hyperparameters(sampler *s, int which, double sweep) {
  int32_t D = s->D;
  const side *a = &s->sides[which];
  double N = a->count, b0 = s->mean_weight, *W = s->dense[0];
  add_moments(s);
  for (int32_t r = 0; r < D; r++)
    for (int32_t c = 0; c < D; c++) {
      double centers = s->first[r] * s->first[c] / N;
      W[r * D + c] = s->second[r * D + c] - centers + b0 / (b0 + N) * centers + s->dense[2][r * D + c] +
                     (r == c ? s->wishart_scale : 0);
    }
  draw_wishart(s, which, sweep, D + N + a->features);
  for (int32_t k = 0; k < D * D; k++) s->dense[0][k] = s->precision[k];
  invert(s->dense[0], s->factor, D);
  cholesky_lower(s->factor, D);
  stream z = of_entity(of_stage(s->seed, (uint32_t)sweep, STAGE_MEAN, which), 0);
  for (int32_t r = 0; r < D; r++) {
    double noise = 0;
    for (int32_t c = 0; c <= r; c++) noise += s->factor[r * D + c] * normal_(z, (uint32_t)c);
    s->mean[r] = s->first[r] / (N + b0) + noise / __builtin_sqrt(N + b0);
  }
}

/** μ, Λ, Λμ and C as the threads want them. */
static void round_hyperparameters(sampler *s) {
  int32_t D = s->D, DP = s->DP;
  for (int32_t r = 0; r < D; r++) {
    double pull = 0;
    for (int32_t c = 0; c < D; c++) {
      pull += s->precision[r * D + c] * s->mean[c];
      s->precision32[r * DP + c] = (float)s->precision[r * D + c];
      s->columns[c * DP + r] = (float)s->factor[r * D + c];
    }
    s->pull[r] = (float)pull;
    s->center[r] = (float)s->mean[r];
  }
}

/** C z of this thread's features, and t = x − μ − Bᵀφ of its rows. */
static void begin_link(sampler *s, int which, double sweep, int thread, workspace *w) {
  int32_t DP = s->DP, D = s->D;
  const side *a = &s->sides[which];
  stream stage = of_stage(s->seed, (uint32_t)sweep, STAGE_LINK, which);
  range features = share_of(a->others_count, 1, thread, s->T);
  for (int64_t f = features.from; f < features.to; f++) {
    if (a->sizes[f] == 0) continue;
    float *noise = s->noise + f * DP, *z = w->vectors;
    fill_normals(of_entity(stage, (uint32_t)f), D, z);
    for (int32_t k = 0; k < DP; k++) noise[k] = 0;
    for (int32_t c = 0; c < D; c++) add_scaled(noise, z[c], s->columns + c * DP, DP);
  }
  range rows = share_of(a->count, 1, thread, s->T);
  for (int64_t e = rows.from; e < rows.to; e++)
    for (int32_t k = 0; k < DP; k += LINK_COLUMNS)
      store_columns(s->residuals + ((int64_t)k * a->count + e * LINK_COLUMNS),
                    load_columns(a->rows + e * DP + k) - load_columns(a->priors + e * DP + k) -
                        load_columns(s->center + k));
}

/** One group of columns of B, feature after feature: each is drawn given all the others. */
static void draw_link_columns(sampler *s, int which, int32_t k) {
  side *a = &s->sides[which];
  const side *raters = &s->sides[1 - which];
  float *residuals = s->residuals + (int64_t)k * a->count;
  double lambda = s->scalars[1 + which];
  for (int32_t f = 0; f < a->others_count; f++) {
    if (a->sizes[f] == 0) continue;
    int32_t from = raters->starts[f], to = raters->starts[f + 1];
    float *B = a->links + (int64_t)f * s->DP + k;
    float precision = (float)(lambda + a->sizes[f]);
    link_columns before = load_columns(B), total = a->sizes[f] * before;
    for (int32_t t = from; t < to; t++) {
      int32_t e = raters->others[t];
      total += a->roots[e] * load_columns(residuals + (int64_t)e * LINK_COLUMNS);
    }
    link_columns drawn = total * (1 / precision) +
                         load_columns(s->noise + (int64_t)f * s->DP + k) * (1 / __builtin_sqrtf(precision));
    store_columns(B, drawn);
    link_columns change = drawn - before;
    for (int32_t t = from; t < to; t++) {
      int32_t e = raters->others[t];
      float *residual = residuals + (int64_t)e * LINK_COLUMNS;
      store_columns(residual, load_columns(residual) - a->roots[e] * change);
    }
  }
}

/** The priors Bᵀφ that go with the new link. */
static void end_link(sampler *s, int which, int thread) {
  int32_t DP = s->DP;
  side *a = &s->sides[which];
  range rows = share_of(a->count, 1, thread, s->T);
  for (int64_t e = rows.from; e < rows.to; e++)
    for (int32_t k = 0; k < DP; k += LINK_COLUMNS)
      store_columns(a->priors + e * DP + k,
                    load_columns(a->rows + e * DP + k) - load_columns(s->center + k) -
                        load_columns(s->residuals + ((int64_t)k * a->count + e * LINK_COLUMNS)));
}

/** λ given B, whose moments the parts hold: Σ BᵀΛB is the trace of Λ Σ B Bᵀ. */
static void draw_link_precision(sampler *s, int which, double sweep) {
  int32_t D = s->D;
  double total = 0;
  add_moments(s);
  for (int32_t k = 0; k < D * D; k++) total += s->precision[k] * s->second[k];
  stream stage = of_stage(s->seed, (uint32_t)sweep, STAGE_LINK_PRECISION, which);
  double shape = 1 + (double)s->sides[which].features * D / 2;
  s->scalars[1 + which] = gamma_(of_entity(stage, 0), shape) / (1 + total / 2);
}

#endif
