// A sampler in its block of memory: where what lies. As in model.h, one function lays the block out, first to count its bytes.

#ifndef MARQUEE_SAMPLER_H
#define MARQUEE_SAMPLER_H

#include "draws.h"
#include "equations.h"
#include "model.h"

// N rows of a side, R ratings, D = K + 1 columns padded to DP, T threads.
// engines/sweeps.ts has the model. x = (p, b) is a row, f = (q, 1) one that it meets; e = x − Bᵀφ, over features of both kinds.

/** Second moments are summed in this many parts, whatever the number of threads. */
#define MOMENT_PARTS 64
/** Columns of a link that go together, or twice as many; different groups do not depend on each other, so threads share them. */
#define LINK_COLUMNS 8
/** Rows of a side that a thread takes at a time. */
#define ROWS_AT_A_TIME 16
/** Pieces of work that threads take as they come, each with a counter of its own. */
#define COUNTERS 16
/** Kinds of features: the rows of the other side that a row is rated with, and attributes. */
#define KINDS 2

/** Features of one kind, and the link from them to the priors of rows: φ is roots[e] where row e has the feature. */
typedef struct {
  int32_t count, used; // F, those of F that a row has
  int32_t *starts, *holders; // rows with feature f: from starts[f] to starts[f + 1]
  float *links;        // B (F × DP)
  float *roots, *sizes; // 1/√(how many a row has) (N); Σ φ² of each feature (F)
} feature_kind;

typedef struct {
  int32_t count, others_count; // N, and that of the other side
  // Ratings by row: of users the host's own, only read; of movies made of them by sampler_ready.
  int32_t *starts, *others;
  float *targets;
  float *rows, *priors, *means, *variances; // (N × DP)
  float *precisions, *noises;   // w, and the mean of 1/w (N)
  float *tastes;                // the mean of B, of users alone (others × DP)
  feature_kind kinds[KINDS];
  float *expected;        // of the rows of this sweep (N × DP)
  float *biases;          // √w b of each row, while the other side's are drawn (N)
} side;

/** One thread's own. */
typedef struct {
  float *f;                         // rows less their priors (GATHER × DP)
  float *targets;                   // targets less the biases, times √w; then √w (MOST_RATINGS each)
  int32_t *last;                    // rows of the last ratings (VL)
  float *N, *h;                     // Σ w f fᵀ and Σ w t f of VL rows (VL × DP × DP; VL × DP)
  float *A;                         // their systems in lanes (DP × DP × VL)
  float *inverses, *x, *noise;      // 1 over the factors' diagonals, expectations and noise, in lanes (DP × VL)
  float *scales;                    // α w (VL)
  float *vectors;                   // four of DP
} workspace;

struct sampler {
  int32_t K, D, DP, T, burn_in;
  int64_t R;
  stream seed;
  double wishart_scale, mean_weight, precision_shape, shrink;
  side sides[2];
  double *scalars; // SAMPLER_SCALARS
  double *weighted, *plain, *inverses; // by row: errors, and Σ 1/w of the other side (largest N)
  // Of the side at work.
  double *mean, *precision, *factor, *dense[3]; // μ (D); Λ, C, and scratch (D × D)
  float *center, *precision32, *pull, *columns; // μ, Λ, Λμ, and C by columns (later Q), in float32 and padded
  float *residuals;                             // t in groups of columns: (groups × largest N × columns); then the other side's √w (q, 1)
  float *noise;                                 // C z/√(λ + S) of each feature, kind after kind (largest sum of F × DP)
  float *moments;                               // (MOMENT_PARTS × (DP × DP + DP))
  double *second, *first;                       // their sums: (D × D), (D)
  workspace *workspaces;
  int32_t counters[COUNTERS];
  barrier gate;
};

static void lay_out_side(side *s, arena *a, int32_t count, int32_t others, int32_t DP) {
  s->count = count;
  s->others_count = others;
  s->rows = take(a, (int64_t)count * DP, 4);
  s->priors = take(a, (int64_t)count * DP, 4);
  s->means = take(a, (int64_t)count * DP, 4);
  s->variances = take(a, (int64_t)count * DP, 4);
  s->precisions = take(a, count, 4);
  s->noises = take(a, count, 4);
  s->expected = take(a, (int64_t)count * DP, 4);
  s->biases = take(a, count, 4);
}

static void lay_out_kind(feature_kind *f, arena *a, int32_t rows, int32_t count, int64_t DP) {
  f->count = count;
  f->links = take(a, count * DP, 4);
  f->roots = take(a, count == 0 ? 0 : rows, 4);
  f->sizes = take(a, count, 4);
}

static void lay_out_features(struct sampler *s, arena *a, const double *config) {
  for (int which = 0; which < 2; which++) {
    side *of = &s->sides[which];
    feature_kind *attributes = &of->kinds[1];
    lay_out_kind(&of->kinds[0], a, of->count, of->others_count, s->DP);
    int32_t count = (int32_t)config[SAMPLER_USER_ATTRIBUTES + which];
    attributes->starts = take(a, (int64_t)count + 1, 4);
    attributes->holders = take(a, (int64_t)config[SAMPLER_USER_HOLDERS + which], 4);
    lay_out_kind(attributes, a, of->count, count, s->DP);
  }
}

static void lay_out_workspaces(struct sampler *s, arena *a) {
  int64_t DP = s->DP;
  s->workspaces = take(a, s->T, sizeof(workspace));
  for (int t = 0; t < s->T; t++) {
    workspace w = {take(a, GATHER * DP, 4),  take(a, 2 * MOST_RATINGS, 4), take(a, VL, 4),
                   take(a, VL * DP * DP, 4), take(a, VL * DP, 4),          take(a, VL * DP * DP, 4),
                   take(a, VL * DP, 4),      take(a, VL * DP, 4),          take(a, VL * DP, 4), take(a, VL, 4), take(a, 4 * DP, 4)};
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
  lay_out_side(&s->sides[0], &a, users, movies, s->DP);
  lay_out_side(&s->sides[1], &a, movies, users, s->DP);
  s->sides[1].starts = take(&a, (int64_t)movies + 1, 4);
  s->sides[1].others = take(&a, s->R, 4);
  s->sides[1].targets = take(&a, s->R, 4);
  lay_out_features(s, &a, config);
  s->sides[0].tastes = take(&a, movies * DP, 4);
  s->scalars = take(&a, SAMPLER_SCALARS, 8);
  s->weighted = take(&a, most, 8);
  s->plain = take(&a, most, 8);
  s->inverses = take(&a, most, 8);
  s->mean = take(&a, D, 8);
  s->precision = take(&a, D * D, 8);
  s->factor = take(&a, D * D, 8);
  for (int i = 0; i < 3; i++) s->dense[i] = take(&a, D * D, 8);
  s->center = take(&a, DP, 4);
  s->precision32 = take(&a, DP * DP, 4);
  s->pull = take(&a, DP, 4);
  s->columns = take(&a, DP * DP, 4);
  s->residuals = take(&a, most * DP, 4);
  s->noise = take(&a, (most + largest(s->sides[0].kinds[1].count, s->sides[1].kinds[1].count)) * DP, 4);
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
  s->shrink = config[SAMPLER_SHRINK];
}

/** Where an array of the state lies: engines/cpuSampler.ts numbers them. Rows are DP apart. */
static void *sampler_place(struct sampler *s, int place) {
  if (place == PLACE_SCALARS) return s->scalars;
  side *of = &s->sides[place / PLACES_OF_SIDE];
  feature_kind *attributes = &of->kinds[1];
  void *const places[PLACES_OF_SIDE] = {
      of->rows,   of->priors, of->kinds[0].links, of->means,           of->precisions,   of->variances,
      of->noises, of->tastes, attributes->starts, attributes->holders, attributes->links};
  return places[place % PLACES_OF_SIDE];
}

static void ready_kind(feature_kind *f, int32_t rows) {
  if (f->count == 0) return;
  // Counted where the roots will be; more than 2²⁴ features of one row are taken for so many.
  for (int32_t e = 0; e < rows; e++) f->roots[e] = 0;
  for (int32_t t = 0; t < f->starts[f->count]; t++) f->roots[f->holders[t]]++;
  for (int32_t e = 0; e < rows; e++)
    if (f->roots[e] > 0) f->roots[e] = (float)(1 / __builtin_sqrt((double)f->roots[e]));
  f->used = 0;
  for (int32_t k = 0; k < f->count; k++) {
    double size = 0;
    for (int32_t t = f->starts[k]; t < f->starts[k + 1]; t++) {
      double root = f->roots[f->holders[t]];
      size += root * root;
    }
    f->sizes[k] = (float)size;
    f->used += size > 0;
  }
}

/** Ratings by movie from those by user; within a movie by user. */
static void turn_ratings(const side *users, side *movies) {
  int32_t *starts = movies->starts;
  for (int32_t m = 0; m <= movies->count; m++) starts[m] = 0;
  for (int32_t i = 0; i < users->starts[users->count]; i++) starts[users->others[i] + 1]++;
  for (int32_t m = 0; m < movies->count; m++) starts[m + 1] += starts[m];
  for (int32_t u = 0; u < users->count; u++)
    for (int32_t i = users->starts[u]; i < users->starts[u + 1]; i++) {
      int32_t at = starts[users->others[i]]++;
      movies->others[at] = u;
      movies->targets[at] = users->targets[i];
    }
  // Each is where the next one starts.
  for (int32_t m = movies->count; m > 0; m--) starts[m] = starts[m - 1];
  starts[0] = 0;
}

/** The ratings by user from now on, and what is known of them and of attributes, which the host has set, before the first sweep. */
static void sampler_ready(struct sampler *s, int32_t *starts, int32_t *others, float *targets) {
  side *users = &s->sides[0];
  users->starts = starts, users->others = others, users->targets = targets;
  turn_ratings(users, &s->sides[1]);
  for (int which = 0; which < 2; which++) {
    side *of = &s->sides[which];
    of->kinds[0].starts = s->sides[1 - which].starts, of->kinds[0].holders = s->sides[1 - which].others;
    for (int kind = 0; kind < KINDS; kind++) ready_kind(&of->kinds[kind], of->count);
  }
}

#endif
