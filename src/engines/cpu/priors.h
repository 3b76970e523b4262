// The priors of a side, before its rows: hyperparameters μ and Λ, and the links B from what was rated and from attributes to the prior
// of a row.
// Sums over rows go in parts that do not depend on the number of threads, and one thread adds the parts up.

#ifndef MARQUEE_PRIORS_H
#define MARQUEE_PRIORS_H

#include "dense.h"
#include "sampler.h"

typedef float link_columns __attribute__((vector_size(4 * LINK_COLUMNS)));
typedef float link_columns_memory __attribute__((vector_size(4 * LINK_COLUMNS), aligned(4), may_alias));
INLINE link_columns load_columns(const float *at) { return *(const link_columns_memory *)at; }
INLINE void store_columns(float *at, link_columns x) { *(link_columns_memory *)at = x; }

/** s·x + y, fused wherever there is such an instruction: left to itself a compiler fuses in one of two copies of a loop and not in the other. */
INLINE link_columns fuse_columns(float s, link_columns x, link_columns y) {
#if defined(__FMA__)
  return (link_columns)_mm256_fmadd_ps(_mm256_set1_ps(s), (__m256)x, (__m256)y);
#elif defined(__aarch64__)
  union {
    link_columns whole;
    float32x4_t halves[2];
  } a = {x}, b = {y};
  for (int i = 0; i < 2; i++) b.halves[i] = vfmaq_n_f32(b.halves[i], a.halves[i], s);
  return b.whole;
#else
  return s * x + y;
#endif
}

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
      add_squares(second, 0, w->f, 0, 0, n, DP);
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
      for (int32_t c = r; c < D; c++) s->second[r * D + c] += entry_of_squares(second, r, c, DP);
    }
  }
  for (int32_t r = 0; r < D; r++)
    for (int32_t c = 0; c < r; c++) s->second[r * D + c] = s->second[c * D + r];
}

/** λ of a kind of features. */
INLINE double *link_precision(sampler *s, int which, int kind) { return &s->scalars[1 + 2 * kind + which]; }

/** λ Σ B Bᵀ, which the parts hold, into dense[2], beside those of the kinds before. */
static void keep_link_moments(sampler *s, int which, int kind) {
  double lambda = *link_precision(s, which, kind);
  add_moments(s);
  for (int32_t k = 0; k < s->D * s->D; k++)
    s->dense[2][k] = (kind == 0 ? 0 : s->dense[2][k]) + lambda * s->second[k];
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

/** μ and Λ given e, whose moments the parts hold, and the links, whose moments are in dense[2]. */
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
  draw_wishart(s, which, sweep, D + N + a->kinds[0].used + a->kinds[1].used);
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
  // As if every system had columns of its own up to a whole panel.
  for (int32_t r = D; r < DP; r++) s->precision32[r * DP + r] = 1;
}

/** Columns that go together: as many as leave a group for each thread. The numbers are the same. */
INLINE int32_t link_width(const sampler *s) { return s->DP >= 2 * LINK_COLUMNS * s->T ? 2 * LINK_COLUMNS : LINK_COLUMNS; }

/** t of a row: LINK_COLUMNS of its columns from k on. */
INLINE float *residual_at(const sampler *s, const side *a, int64_t e, int32_t k) {
  int32_t width = link_width(s);
  return s->residuals + (int64_t)(k / width * width) * a->count + e * width + k % width;
}

/** Where C z of a kind's first feature lies. */
INLINE float *noise_of(sampler *s, const side *a, int kind) {
  return s->noise + (kind == 0 ? 0 : (int64_t)a->kinds[0].count * s->DP);
}

/** C z/√(λ + S) of this thread's features of one kind. */
static void draw_link_noise(sampler *s, int which, int kind, double sweep, int thread, workspace *w) {
  int32_t DP = s->DP, D = s->D;
  const feature_kind *features = &s->sides[which].kinds[kind];
  float *kept = noise_of(s, &s->sides[which], kind);
  double lambda = *link_precision(s, which, kind);
  stream stage = of_stage(s->seed, (uint32_t)sweep, kind == 0 ? STAGE_LINK : STAGE_ATTRIBUTE, which);
  range share = share_of(features->count, 1, thread, s->T);
  for (int64_t f = share.from; f < share.to; f++) {
    if (features->sizes[f] == 0) continue;
    float *noise = kept + f * DP, *z = w->vectors;
    fill_normals(of_entity(stage, (uint32_t)f), D, z);
    float root = 1 / __builtin_sqrtf((float)(lambda + features->sizes[f]));
    for (int32_t d = 0; d < D; d++) z[d] *= root;
    for (int32_t k = 0; k < DP; k++) noise[k] = 0;
    add_combination(noise, z, s->columns, D, DP);
  }
}

/** The noise of this thread's features, and t = x − μ − Bᵀφ of its rows. */
static void begin_links(sampler *s, int which, double sweep, int thread, workspace *w) {
  int32_t DP = s->DP;
  const side *a = &s->sides[which];
  for (int kind = 0; kind < KINDS; kind++) draw_link_noise(s, which, kind, sweep, thread, w);
  range rows = share_of(a->count, 1, thread, s->T);
  for (int64_t e = rows.from; e < rows.to; e++)
    for (int32_t k = 0; k < DP; k += LINK_COLUMNS)
      store_columns(residual_at(s, a, e, k),
                    load_columns(a->rows + e * DP + k) - load_columns(a->priors + e * DP + k) -
                        load_columns(s->center + k));
}

/** sum += φ t of a row. */
INLINE void add_residual(link_columns *sum, const float *residuals, const float *roots, int32_t row, const int parts) {
#pragma GCC unroll 2
  for (int p = 0; p < parts; p++)
    sum[p] = fuse_columns(roots[row], load_columns(residuals + (int64_t)row * parts * LINK_COLUMNS + p * LINK_COLUMNS), sum[p]);
}

/** One group of columns of B of one kind, `parts` vectors wide, feature after feature: each is drawn given all the others. */
INLINE void draw_kind_columns(const feature_kind *features, float *residuals, const float *noise, double lambda, int32_t k,
                              int32_t DP, const int parts) {
  const int width = parts * LINK_COLUMNS;
  const float *sizes = features->sizes, *roots = features->roots;
  for (int32_t f = 0; f < features->count; f++) {
    if (sizes[f] == 0) continue;
    const int32_t *holders = features->holders + features->starts[f];
    int32_t count = features->starts[f + 1] - features->starts[f];
    float *B = features->links + (int64_t)f * DP + k;
    float precision = (float)(lambda + sizes[f]);
    // Two sums, since each addition waits for the last.
    link_columns change[2] = {{0}, {0}}, odd[2] = {{0}, {0}};
    int32_t t = 0;
    for (; t + 1 < count; t += 2) {
      add_residual(change, residuals, roots, holders[t], parts);
      add_residual(odd, residuals, roots, holders[t + 1], parts);
    }
    if (t < count) add_residual(change, residuals, roots, holders[t], parts);
#pragma GCC unroll 2
    for (int p = 0; p < parts; p++) {
      link_columns before = load_columns(B + p * LINK_COLUMNS), total = fuse_columns(sizes[f], before, change[p] + odd[p]);
      link_columns drawn = fuse_columns(1 / precision, total, load_columns(noise + (int64_t)f * DP + k + p * LINK_COLUMNS));
      store_columns(B + p * LINK_COLUMNS, drawn);
      change[p] = drawn - before;
    }
    for (t = 0; t < count; t++) {
      float *residual = residuals + (int64_t)holders[t] * width;
      float root = roots[holders[t]];
#pragma GCC unroll 2
      for (int p = 0; p < parts; p++)
        store_columns(residual + p * LINK_COLUMNS, fuse_columns(-root, change[p], load_columns(residual + p * LINK_COLUMNS)));
    }
  }
}

NOINLINE static void draw_link_columns(sampler *s, int which, int32_t k) {
  side *a = &s->sides[which];
  float *residuals = s->residuals + (int64_t)k * a->count;
  for (int kind = 0; kind < KINDS; kind++) {
    const float *noise = noise_of(s, a, kind);
    double lambda = *link_precision(s, which, kind);
    if (link_width(s) == LINK_COLUMNS) draw_kind_columns(&a->kinds[kind], residuals, noise, lambda, k, s->DP, 1);
    else draw_kind_columns(&a->kinds[kind], residuals, noise, lambda, k, s->DP, 2);
  }
}

/** The priors Bᵀφ that go with the new links. */
static void end_links(sampler *s, int which, int thread) {
  int32_t DP = s->DP;
  side *a = &s->sides[which];
  range rows = share_of(a->count, 1, thread, s->T);
  for (int64_t e = rows.from; e < rows.to; e++)
    for (int32_t k = 0; k < DP; k += LINK_COLUMNS)
      store_columns(a->priors + e * DP + k,
                    load_columns(a->rows + e * DP + k) - load_columns(s->center + k) -
                        load_columns(residual_at(s, a, e, k)));
}

/** λ given B, whose moments the parts hold: Σ BᵀΛB is the trace of Λ Σ B Bᵀ. */
static void draw_link_precision(sampler *s, int which, int kind, double sweep) {
  int32_t D = s->D;
  double total = 0;
  add_moments(s);
  for (int32_t k = 0; k < D * D; k++) total += s->precision[k] * s->second[k];
  stream stage =
      of_stage(s->seed, (uint32_t)sweep, kind == 0 ? STAGE_LINK_PRECISION : STAGE_ATTRIBUTE_PRECISION, which);
  double shape = 1 + (double)s->sides[which].kinds[kind].used * D / 2;
  *link_precision(s, which, kind) = gamma_(of_entity(stage, 0), shape) / (1 + total / 2);
}

#endif
