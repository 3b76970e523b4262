// Training, predictions, scores and sweeps straight on the kernels of every instruction set of this processor, with one to four threads:
// the same numbers for any number of them, to the last bit. For sanitizers (scripts/sanitize.sh), which cannot look into node.

#include "instructionSets.h"
#include "threads.h"
#include <stdio.h>
#include <stdlib.h>

enum { USERS = 120, MOVIES = 90, RATINGS = 1100, MAX_K = 20, ASKED = 97, PLACES = 7 };
enum { ATTRIBUTES = 4, HOLDERS = 150, SWEEPS = 4, SAMPLER_FLOATS = 64 * (4 * USERS + MOVIES + USERS + ATTRIBUTES) + USERS };

typedef struct {
  const char *name;
  int K, H, has_biases, has_dot, moments, batch;
} example;

static const example EXAMPLES[] = {
    {"paper", 10, 64, 0, 0, 1, 256},       {"wide paper", 10, 130, 0, 0, 1, 300}, {"mf", 20, 0, 1, 1, 1, 256},
    {"mf by adam", 20, 0, 1, 1, 2, 256},   {"all parts", 7, 33, 1, 1, 1, 300},    {"all parts by adam", 7, 33, 1, 1, 2, 300},
    {"biases", 0, 0, 1, 0, 1, 64},         {"small batches", 5, 8, 1, 0, 1, 3},
};

/** What a replay leaves, to be compared. */
typedef struct {
  double result[2];
  float tensors[8 * (USERS + MOVIES + 512) * MAX_K], predictions[ASKED], scores[ASKED * MOVIES];
  int32_t counts[ASKED], top[ASKED * PLACES];
  float top_scores[ASKED * PLACES];
} outcome;

typedef struct {
  const kernels *k;
  model *m;
  const rating *ratings;
  const epoch_order *order;
  double first, steps;
  outcome *out;
  int32_t users[ASKED], movies[ASKED];
  uint32_t allowed[ASKED * ((MOVIES + 31) / 32)];
  float after_scores[ASKED];
  int32_t after_indices[ASKED];
} call;

static void run_train(void *argument, int thread) {
  call *c = argument;
  c->k->train(c->m, thread, c->ratings, c->order, c->first, c->steps, c->out->result);
}

static void run_catch_up(void *argument, int thread) {
  call *c = argument;
  c->k->catch_up(c->m, thread);
}

static void run_predict(void *argument, int thread) {
  call *c = argument;
  c->k->predict(c->m, thread, c->users, c->movies, c->out->predictions, ASKED);
}

static void run_prepare(void *argument, int thread) {
  call *c = argument;
  c->k->prepare_scoring(c->m, thread);
}

static void run_score(void *argument, int thread) {
  call *c = argument;
  c->k->score_movies(c->m, thread, c->users, ASKED, c->out->scores);
}

static void run_top(void *argument, int thread) {
  call *c = argument;
  c->k->top_movies(c->m, thread, c->users, ASKED, PLACES, 3.5, c->allowed, c->after_scores, c->after_indices,
                   c->out->counts, c->out->top, c->out->top_scores);
}

static uint32_t state;
static uint32_t draw(uint32_t below) {
  state = state * 1664525u + 1013904223u;
  return (uint32_t)((uint64_t)state * below >> 32);
}

static int tensor_length(const example *e, int tensor) {
  const int lengths[] = {USERS * e->K, MOVIES * e->K, USERS * e->has_biases, MOVIES * e->has_biases,
                         2 * e->K * e->H, e->H, e->H, 1};
  return lengths[tensor];
}

static model *open_model(const kernels *k, const example *e, int threads, int moments) {
  double config[CONFIG_LENGTH] = {USERS, MOVIES, e->K, e->H, e->has_biases, e->has_dot, threads, moments,
                                  moments ? e->batch : 0, 0.9, 1e-3, 2e-3, 1e-3, 0.9, 0.999, 1e-7};
  int64_t bytes = (k->model_bytes(config) + 63) / 64 * 64;
  model *m = aligned_alloc(64, (size_t)bytes);
  memset(m, 0, (size_t)bytes);
  k->model_open(m, config);
  return m;
}

static void fill(const kernels *k, model *m, const example *e) {
  static float values[8 * (USERS + MOVIES + 512) * MAX_K];
  state = 7;
  for (int tensor = 0; tensor <= TENSOR_OUTPUT_BIASES; tensor++) {
    int length = tensor_length(e, tensor);
    for (int i = 0; i < length; i++) values[i] = ((float)draw(2001) - 1000) / 4000;
    if (length > 0) k->tensor_write(m, tensor, 0, values);
  }
}

/** Two epochs, the second in two pieces; then what the parameters give. */
static void replay(const kernels *k, const example *e, int threads, outcome *out) {
  static rating ratings[RATINGS];
  state = 3;
  for (int i = 0; i < RATINGS; i++)
    ratings[i] = (rating){(int32_t)draw(USERS), (int32_t)draw(MOVIES), (float)draw(9) / 2 - 2};
  epoch_order order = {RATINGS, 34, 33, {11, 22, 33, 44, 55, 66}};
  int steps = (RATINGS + e->batch - 1) / e->batch;
  call c = {.k = k, .ratings = ratings, .order = &order, .out = out};
  crew threads_of_model;
  memset(out, 0, sizeof *out);
  if (crew_open(&threads_of_model, threads) != 0) abort();
  c.m = open_model(k, e, threads, e->moments);
  fill(k, c.m, e);
  k->epoch_begin(c.m, 0.01);
  c.steps = steps;
  crew_run(&threads_of_model, run_train, &c);
  crew_run(&threads_of_model, run_catch_up, &c);
  order.keys[0]++;
  k->epoch_begin(c.m, 0.008);
  c.steps = 1;
  crew_run(&threads_of_model, run_train, &c);
  c.first = 1, c.steps = steps - 1;
  crew_run(&threads_of_model, run_train, &c);
  float *to = out->tensors;
  for (int part = 0; part <= e->moments; part++)
    for (int tensor = 0; tensor <= TENSOR_OUTPUT_BIASES; to += tensor_length(e, tensor++))
      if (tensor_length(e, tensor) > 0) k->tensor_read(c.m, tensor, part, to);
  for (int i = 0; i < ASKED; i++) {
    c.users[i] = (int32_t)draw(USERS), c.movies[i] = (int32_t)draw(MOVIES);
    c.after_scores[i] = __builtin_inff(), c.after_indices[i] = -1;
  }
  memset(c.allowed, 0xfd, sizeof c.allowed);
  crew_run(&threads_of_model, run_predict, &c);
  free(c.m);
  c.m = open_model(k, e, threads, 0);
  fill(k, c.m, e);
  crew_run(&threads_of_model, run_prepare, &c);
  crew_run(&threads_of_model, run_score, &c);
  crew_run(&threads_of_model, run_top, &c);
  free(c.m);
  crew_close(&threads_of_model);
}

/** The state of a sampler, and what it says. */
typedef struct {
  double results[SWEEPS][2], scalars[SAMPLER_SCALARS];
  float tensors[2][SAMPLER_FLOATS], predictions[ASKED];
} chain;

typedef struct {
  const kernels *k;
  sampler *s;
  double sweep, result[3]; // of which the last is a time
  chain *out;
  int32_t users[ASKED], movies[ASKED];
} sampler_call;

static void run_sweep(void *argument, int thread) {
  sampler_call *c = argument;
  c->k->sampler_sweep(c->s, thread, c->sweep, c->result);
}

static void run_means(void *argument, int thread) {
  sampler_call *c = argument;
  c->k->sampler_predict(c->s, thread, c->users, c->movies, c->out->predictions, ASKED);
}

static void *place(const sampler_call *c, int side, int what) {
  return c->k->sampler_place(c->s, side * PLACES_OF_SIDE + what);
}

/** RATINGS by user, each user at least once; those of the same user and movie are as good as any here. */
static void fill_ratings(int32_t *starts, int32_t *others, float *targets) {
  for (int u = 0; u <= USERS; u++) starts[u] = u * RATINGS / USERS;
  for (int t = 0; t < RATINGS; t++) others[t] = (int32_t)draw(MOVIES), targets[t] = (float)draw(9) / 2 - 2;
}

static void fill_rows(const sampler_call *c, int side, int count, int K) {
  int DP = (K + 16) / 16 * 16;
  float *rows = place(c, side, PLACE_ROWS), *precisions = place(c, side, PLACE_PRECISIONS);
  int32_t *starts = place(c, side, PLACE_ATTRIBUTE_STARTS), *holders = place(c, side, PLACE_HOLDERS);
  for (int e = 0; e < count; e++) {
    precisions[e] = 1;
    for (int k = 0; k < K; k++) rows[e * DP + k] = ((float)draw(2001) - 1000) / 1500;
  }
  for (int a = 0; a <= ATTRIBUTES; a++) starts[a] = a * HOLDERS / ATTRIBUTES;
  for (int h = 0; h < HOLDERS; h++) holders[h] = (int32_t)draw((uint32_t)count);
}

static void read_state(const sampler_call *c, int K, chain *out) {
  static const int WHAT[] = {PLACE_ROWS, PLACE_PRIORS, PLACE_MEANS, PLACE_VARIANCES, PLACE_LINKS, PLACE_ATTRIBUTES};
  int DP = (K + 16) / 16 * 16;
  memcpy(out->scalars, c->k->sampler_place(c->s, PLACE_SCALARS), sizeof out->scalars);
  for (int side = 0; side < 2; side++) {
    float *to = out->tensors[side];
    for (int i = 0; i < 6; i++) {
      int own = side == 0 ? USERS : MOVIES, rows = i < 4 ? own : i == 4 ? USERS + MOVIES - own : ATTRIBUTES;
      memcpy(to, place(c, side, WHAT[i]), sizeof(float) * (size_t)(rows * DP));
      to += rows * DP;
    }
    memcpy(to, place(c, side, PLACE_PRECISIONS), sizeof(float) * (side == 0 ? USERS : MOVIES));
  }
}

/** Some sweeps, shrinking before the second and averaging from the third on. */
static void replay_sweeps(const kernels *k, int K, int threads, chain *out) {
  double config[SAMPLER_CONFIG_LENGTH] = {
      [SAMPLER_USERS] = USERS,        [SAMPLER_MOVIES] = MOVIES,
      [SAMPLER_WIDTH] = K,            [SAMPLER_RATINGS] = RATINGS,
      [SAMPLER_THREADS] = threads,    [SAMPLER_BURN_IN] = 2,
      [SAMPLER_FIRST_KEY] = 11,       [SAMPLER_SECOND_KEY] = 22,
      [SAMPLER_WISHART_SCALE] = 1,    [SAMPLER_MEAN_WEIGHT] = 2,
      [SAMPLER_PRECISION_SHAPE] = 5,  [SAMPLER_SHRINK] = 0.5,
      [SAMPLER_USER_ATTRIBUTES] = ATTRIBUTES, [SAMPLER_MOVIE_ATTRIBUTES] = ATTRIBUTES,
      [SAMPLER_USER_HOLDERS] = HOLDERS,       [SAMPLER_MOVIE_HOLDERS] = HOLDERS,
  };
  int64_t bytes = ((int64_t)k->sampler_bytes(config) + 63) / 64 * 64;
  sampler_call c = {.k = k, .s = aligned_alloc(64, (size_t)bytes), .out = out};
  crew threads_of_sampler;
  memset(out, 0, sizeof *out);
  memset(c.s, 0, (size_t)bytes);
  if (crew_open(&threads_of_sampler, threads) != 0) abort();
  k->sampler_open(c.s, config);
  int32_t starts[USERS + 1], others[RATINGS];
  float targets[RATINGS];
  state = 5;
  fill_ratings(starts, others, targets);
  fill_rows(&c, 0, USERS, K);
  fill_rows(&c, 1, MOVIES, K);
  double *scalars = k->sampler_place(c.s, PLACE_SCALARS);
  for (int i = 0; i < SAMPLER_SCALARS; i++) scalars[i] = 0.5;
  k->sampler_ready(c.s, starts, others, targets);
  for (c.sweep = 1; c.sweep <= SWEEPS; c.sweep++) {
    crew_run(&threads_of_sampler, run_sweep, &c);
    memcpy(out->results[(int)c.sweep - 1], c.result, sizeof out->results[0]);
  }
  for (int i = 0; i < ASKED; i++) c.users[i] = (int32_t)draw(USERS), c.movies[i] = (int32_t)draw(MOVIES);
  crew_run(&threads_of_sampler, run_means, &c);
  read_state(&c, K, out);
  free(c.s);
  crew_close(&threads_of_sampler);
}

static int compare_sweeps(const kernels *k) {
  static const int WIDTHS[] = {3, 15, 31, 40, 63};
  static chain alone, together;
  int failures = 0;
  for (size_t w = 0; w < sizeof WIDTHS / sizeof *WIDTHS; w++)
    for (int threads = 1; threads <= 4; threads++) {
      replay_sweeps(k, WIDTHS[w], threads, threads == 1 ? &alone : &together);
      if (threads == 1 || memcmp(&alone, &together, sizeof alone) == 0) continue;
      failures++;
      printf("%s, sweeps at K %d: %d threads give other bits than one\n", k->name, WIDTHS[w], threads);
    }
  return failures;
}

int main(void) {
  static outcome alone, together;
  const kernels *sets[MAX_SETS];
  int failures = 0;
  int count = list_sets(sets);
  for (int s = 0; s < count; s++) failures += compare_sweeps(sets[s]);
  for (int s = 0; s < count; s++)
    for (size_t e = 0; e < sizeof EXAMPLES / sizeof *EXAMPLES; e++)
      for (int threads = 1; threads <= 4; threads++) {
        replay(sets[s], &EXAMPLES[e], threads, threads == 1 ? &alone : &together);
        if (threads == 1 || memcmp(&alone, &together, sizeof alone) == 0) continue;
        failures++;
        printf("%s, %s: %d threads give other bits than one\n", sets[s]->name, EXAMPLES[e].name, threads);
      }
  printf("replay: %s\n", failures == 0 ? "the same bits with 1 to 4 threads" : "FAILED");
  return failures != 0;
}
