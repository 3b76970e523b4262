// A sampler in its block of memory: where what lies. As in model.h, one function lays the block out, first to count its bytes.

#ifndef MARQUEE_SAMPLER_H
#define MARQUEE_SAMPLER_H

#include "draws.h"
#include "equations.h"
#include "model.h"

// N rows of a side, F rows of the other side (features of this one), R ratings, D = K + 1 columns padded to DP, T threads.
// engines/sweeps.ts has the model. x = (p, b) is a row, f = (q, 1) one that it meets; e = x − Bᵀφ.

/** Second moments are summed in this many parts, whatever the number of threads. */
#define MOMENT_PARTS 64
/** Columns of the link that go together; different groups do not depend on each other, so threads share them. */
#define LINK_COLUMNS 8
/** Rows of a side that a thread takes at a time. */
#define ROWS_AT_A_TIME 16
/** Pieces of work that threads take as they come, each with a counter of its own. */
#define COUNTERS 16

typedef struct {
  int32_t count, others_count, features; // N, F, those of F with ratings
  // Set by the host, which may look at them between calls.
  int32_t *starts, *others;
  float *targets;
  float *rows, *priors, *means, *variances; // (N × DP)
  float *links;                 // (F × DP)
  float *precisions, *noises;   // w, and the mean of 1/w (N)
  float *tastes;                // the mean of B, of users alone (F × DP)
  // Derived when the sampler is made ready.
  float *roots, *sizes; // 1/√n of each row (N); S of each feature (F)
  float *expected;      // of the rows of this sweep (N × DP)
} side;

/** One thread's own. */
typedef struct {
  float *f, *g;       // gathered rows and their weighted copies (GATHER × DP)
  float *targets;     // less the biases (GATHER)
  float *weights;     // w of the rows (GATHER)
  float *N, *A;       // (DP × DP)
  float *vectors;     // eight of DP
} workspace;

struct sampler {
  int32_t K, D, DP, T, burn_in;
  int64_t R;
  stream seed;
  double wishart_scale, mean_weight, precision_shape;
  side sides[2];
  double *scalars; // α, λ of the users' link, λ of the movies'
  double *weighted, *plain; // errors by row (largest N)
  // Of the side at work.
  double *mean, *precision, *factor, *dense[3]; // μ (D); Λ, C, and scratch (D × D)
  float *center, *precision32, *pull, *columns; // μ, Λ, Λμ, and C by columns (later Q), in float32 and padded
  float *residuals;                             // t in groups of LINK_COLUMNS: (DP / LINK_COLUMNS × largest N × LINK_COLUMNS)
  float *noise;                                 // C z of each feature (largest F × DP)
  float *moments;                               // (MOMENT_PARTS × (DP × DP + DP))
  double *second, *first;                       // their sums: (D × D), (D)
  workspace *workspaces;
  int32_t counters[COUNTERS];
  barrier gate;
};

static void lay_out_side(side *s, arena *a, int32_t count, int32_t others, int32_t DP, int64_t R) {
  s->count = count;
  s->others_count = others;
  s->starts = take(a, (int64_t)count + 1, 4);
  s->others = take(a, R, 4);
  s->targets = take(a, R, 4);
  s->rows = take(a, (int64_t)count * DP, 4);
  s->priors = take(a, (int64_t)count * DP, 4);
  s->means = take(a, (int64_t)count * DP, 4);
  s->links = take(a, (int64_t)others * DP, 4);
  s->variances = take(a, (int64_t)count * DP, 4);
  s->precisions = take(a, count, 4);
  s->noises = take(a, count, 4);
  s->roots = take(a, count, 4);
  s->sizes = take(a, others, 4);
  s->expected = take(a, (int64_t)count * DP, 4);
}

static void lay_out_workspaces(struct sampler *s, arena *a) {
  int64_t DP = s->DP;
  s->workspaces = take(a, s->T, sizeof(workspace));
  for (int t = 0; t < s->T; t++) {
    workspace w = {take(a, GATHER * DP, 4), take(a, GATHER * DP, 4), take(a, GATHER, 4), take(a, GATHER, 4),
                   take(a, DP * DP, 4),     take(a, DP * DP, 4),     take(a, 8 * DP, 4)};
    if (a->block) s->workspaces[t] = w;
  }
}

static int64_t lay_out_sampler(struct sampler *s, char *block, const double *config) {
  int32_t users = (int32_t)config[SAMPLER_USERS], movies = (int32_t)config[SAMPLER_MOVIES];
  s->K = (int32_t)config[SAMPLER_WIDTH];
  s->D = s->K + 1;
  s->DP = round_up(s->D, PAD);
  s->T = (int32_t)config[SAMPLER_THREADS];
  s->R = (int64_t)config[SAMPLER_RATINGS];
  int64_t D = s->D, DP = s->DP, most = largest(users, movies);
  arena a = {block, 0};
  take(&a, 1, sizeof *s);
  lay_out_side(&s->sides[0], &a, users, movies, s->DP, s->R);
  lay_out_side(&s->sides[1], &a, movies, users, s->DP, s->R);
  s->sides[0].tastes = take(&a, movies * DP, 4);
  s->scalars = take(&a, 3, 8);
  s->weighted = take(&a, most, 8);
  s->plain = take(&a, most, 8);
  s->mean = take(&a, D, 8);
  s->precision = take(&a, D * D, 8);
  s->factor = take(&a, D * D, 8);
  for (int i = 0; i < 3; i++) s->dense[i] = take(&a, D * D, 8);
  s->center = take(&a, DP, 4);
  s->precision32 = take(&a, DP * DP, 4);
  s->pull = take(&a, DP, 4);
  s->columns = take(&a, DP * DP, 4);
  s->residuals = take(&a, most * DP, 4);
  s->noise = take(&a, most * DP, 4);
  s->moments = take(&a, MOMENT_PARTS * (DP * DP + DP), 4);
  s->second = take(&a, D * D, 8);
  s->first = take(&a, D, 8);
  lay_out_workspaces(s, &a);
  return a.used;
}

static double sampler_bytes(const double *config) {
  struct sampler sizes = {0};
  return (double)lay_out_sampler(&sizes, 0, config);
}

/** The block is zero. */
static void sampler_open(struct sampler *s, const double *config) {
  lay_out_sampler(s, (char *)s, config);
  s->burn_in = (int32_t)config[SAMPLER_BURN_IN];
  s->seed = (stream){(uint32_t)config[SAMPLER_FIRST_KEY], (uint32_t)config[SAMPLER_SECOND_KEY]};
  s->wishart_scale = config[SAMPLER_WISHART_SCALE];
  s->mean_weight = config[SAMPLER_MEAN_WEIGHT];
  s->precision_shape = config[SAMPLER_PRECISION_SHAPE];
}

/** Where an array of the state lies: engines/cpuSampler.ts numbers them. Rows are DP apart. */
static void *sampler_place(struct sampler *s, int place) {
  if (place == PLACE_SCALARS) return s->scalars;
  side *of = &s->sides[place / PLACES_OF_SIDE];
  void *const places[PLACES_OF_SIDE] = {of->starts, of->others, of->targets, of->rows,
                                        of->priors, of->links,  of->means,   of->precisions,
                                        of->variances, of->noises, of->tastes};
  return places[place % PLACES_OF_SIDE];
}

/** Once the host has set the ratings: what is known of them before the first sweep. */
static void sampler_ready(struct sampler *s) {
  for (int i = 0; i < 2; i++) {
    side *a = &s->sides[i];
    const side *raters = &s->sides[1 - i];
    for (int32_t e = 0; e < a->count; e++) {
      int32_t n = a->starts[e + 1] - a->starts[e];
      a->roots[e] = n == 0 ? 0 : (float)(1 / __builtin_sqrt((double)n));
    }
    a->features = 0;
    for (int32_t f = 0; f < a->others_count; f++) {
      double size = 0;
      for (int32_t t = raters->starts[f]; t < raters->starts[f + 1]; t++) {
        double root = a->roots[raters->others[t]];
        size += root * root;
      }
      a->sizes[f] = (float)size;
      a->features += size > 0;
    }
  }
}

#endif
