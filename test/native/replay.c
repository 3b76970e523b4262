// Training, predictions and scores straight on the kernels of every instruction set of this processor, with one to four threads:
// the same numbers for any number of them, to the last bit. For sanitizers (scripts/sanitize.sh), which cannot look into node.

#include "instructionSets.h"
#include "threads.h"
#include <stdio.h>
#include <stdlib.h>

enum { USERS = 120, MOVIES = 90, RATINGS = 1100, MAX_K = 20, ASKED = 33, PLACES = 7 };

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

int main(void) {
  static outcome alone, together;
  const kernels *sets[MAX_SETS];
  int failures = 0;
  for (int s = 0, count = list_sets(sets); s < count; s++)
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
