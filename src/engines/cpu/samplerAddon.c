// Samplers in the N-API addon, for engines/native.ts: as models in addon.c, an object with methods, and a promise for each sweep.
// Numbers, lengths and the indices of predictions are checked here, the contents of written arrays by the caller.

#include "handles.h"
#include <stdlib.h>
#include <string.h>

typedef struct {
  handle base;
  sampler *s;
  double config[SAMPLER_CONFIG_LENGTH];
} native_sampler;

typedef struct {
  task base;
  double sweep;
  array users, movies, outputs;
} sampler_job;

static void free_sampler(handle *h) { free(((native_sampler *)h)->s); }

static native_sampler *read_arguments(napi_env env, napi_callback_info info, size_t count, napi_value *values) {
  return (native_sampler *)read_handle(env, info, HANDLE_SAMPLER, count, values);
}

// openSampler(instructionSet, config): sampler

static int are_counts(const double *config, int first, int count) {
  for (int i = first; i < first + count; i++)
    if (!is_integer(config[i], 0, INT32_MAX)) return 0;
  return 1;
}

static int is_valid(const double *config) {
  return is_integer(config[SAMPLER_THREADS], 1, MAX_THREADS) && is_integer(config[SAMPLER_USERS], 1, INT32_MAX) &&
         is_integer(config[SAMPLER_MOVIES], 1, INT32_MAX) && is_integer(config[SAMPLER_WIDTH], 1, MAX_WIDTH) &&
         is_integer(config[SAMPLER_RATINGS], 1, INT32_MAX) && are_counts(config, SAMPLER_USER_ATTRIBUTES, 4);
}

static napi_value open_sampler(napi_env env, napi_callback_info info) {
  size_t count = 2;
  napi_value values[2];
  array config;
  napi_get_cb_info(env, info, &count, values, 0, 0);
  const kernels *k = read_set(env, values[0]);
  if (!k || !read_array_of(env, values[1], napi_float64_array, SAMPLER_CONFIG_LENGTH, &config))
    return fail(env, "no such instruction set, or a configuration of another length");
  if (!is_valid(config.data)) return fail(env, "a size of the sampler is out of range");
  native_sampler *n = calloc(1, sizeof *n);
  if (!n) return fail(env, "out of memory");
  n->base = (handle){.kind = HANDLE_SAMPLER, .k = k, .free_memory = free_sampler};
  memcpy(n->config, config.data, sizeof n->config);
  n->s = take_memory((int64_t)k->sampler_bytes(n->config));
  if (!n->s || crew_open(&n->base.threads, (int)n->config[SAMPLER_THREADS]) != 0) {
    free(n->s);
    free(n);
    return fail(env, "out of memory or threads for a sampler of this size");
  }
  k->sampler_open(n->s, n->config);
  return handle_external(env, &n->base);
}

static napi_value close_sampler(napi_env env, napi_callback_info info) {
  return close_handle(env, info, HANDLE_SAMPLER);
}

// writeSampler(sampler, place, array), readSampler likewise

/** Elements at a place. */
static double place_length(const double *config, int place) {
  if (place < 0 || place > PLACE_SCALARS) return -1;
  if (place == PLACE_SCALARS) return SAMPLER_SCALARS;
  int is_user = place < PLACES_OF_SIDE;
  double N = config[is_user ? SAMPLER_USERS : SAMPLER_MOVIES], F = config[is_user ? SAMPLER_MOVIES : SAMPLER_USERS];
  double DP = ((int64_t)config[SAMPLER_WIDTH] + 16) / 16 * 16;
  double A = config[SAMPLER_USER_ATTRIBUTES + !is_user], H = config[SAMPLER_USER_HOLDERS + !is_user];
  const double lengths[PLACES_OF_SIDE] = {N * DP, N * DP, F * DP, N * DP, N, N * DP, N, is_user ? F * DP : 0, A + 1, H, A * DP};
  return lengths[place % PLACES_OF_SIDE];
}

static napi_value copy_place(napi_env env, napi_callback_info info, int is_write) {
  napi_value values[3];
  native_sampler *n = read_arguments(env, info, 3, values);
  if (!n) return 0;
  int place = (int)integer_of(number_of(env, values[1]), 0, PLACE_SCALARS), kind = place % PLACES_OF_SIDE;
  double length = place_length(n->config, place);
  if (length < 0) return fail(env, "no such place, or an array of another type or length");
  int is_index = place != PLACE_SCALARS && (kind == PLACE_ATTRIBUTE_STARTS || kind == PLACE_HOLDERS);
  napi_typedarray_type type = place == PLACE_SCALARS ? napi_float64_array
                              : is_index             ? napi_int32_array
                                                     : napi_float32_array;
  array a;
  if (!read_array_of(env, values[2], type, (size_t)length, &a))
    return fail(env, "no such place, or an array of another type or length");
  size_t bytes = (size_t)length * (place == PLACE_SCALARS ? 8 : 4);
  void *at = n->base.k->sampler_place(n->s, place);
  // An empty array may have no memory.
  if (bytes > 0) memcpy(is_write ? at : a.data, is_write ? a.data : at, bytes);
  return 0;
}

static napi_value write_sampler(napi_env env, napi_callback_info info) { return copy_place(env, info, 1); }
static napi_value read_sampler(napi_env env, napi_callback_info info) { return copy_place(env, info, 0); }

// readySampler(sampler, starts, others, targets): the ratings by user, which stay where they are; once

static napi_value ready_sampler(napi_env env, napi_callback_info info) {
  napi_value values[4];
  array starts, others, targets;
  native_sampler *n = read_arguments(env, info, 4, values);
  if (!n) return 0;
  size_t count = (size_t)n->config[SAMPLER_RATINGS];
  if (n->base.arrays || !read_array_of(env, values[1], napi_int32_array, (size_t)n->config[SAMPLER_USERS] + 1, &starts) ||
      !read_array_of(env, values[2], napi_int32_array, count, &others) ||
      !read_array_of(env, values[3], napi_float32_array, count, &targets))
    return fail(env, "ratings by user are given once, as arrays of their lengths");
  if (keep_alive(env, 3, values + 1, &n->base.arrays))
    n->base.k->sampler_ready(n->s, starts.data, others.data, targets.data);
  return 0;
}

// Jobs: their parts run on the threads of the sampler.

static void run_sweep(void *argument, int thread) {
  sampler_job *j = argument;
  native_sampler *n = (native_sampler *)j->base.owner;
  n->base.k->sampler_sweep(n->s, thread, j->sweep, j->base.result);
}

static void run_predict(void *argument, int thread) {
  sampler_job *j = argument;
  native_sampler *n = (native_sampler *)j->base.owner;
  n->base.k->sampler_predict(n->s, thread, j->users.data, j->movies.data, j->outputs.data, (double)j->users.length);
}

// sweep(sampler, number): Promise<[squares, noise, seconds of the rows]>

static napi_value sweep(napi_env env, napi_callback_info info) {
  napi_value values[2];
  native_sampler *n = read_arguments(env, info, 2, values);
  if (!n) return 0;
  double number = number_of(env, values[1]);
  if (!is_integer(number, 1, UINT32_MAX)) return fail(env, "sweeps count from 1");
  if (!n->base.arrays) return fail(env, "the sampler has no ratings by user yet");
  sampler_job *j = task_new(env, sizeof *j, &n->base, 2, values);
  if (!j) return 0;
  j->sweep = number;
  return task_start(env, &j->base, run_sweep);
}

// predictMeans(sampler, users, movies, outputs)

static napi_value predict_means(napi_env env, napi_callback_info info) {
  napi_value values[4];
  array users, movies, outputs;
  native_sampler *n = read_arguments(env, info, 4, values);
  if (!n) return 0;
  if (!read_array(env, values[1], &users) || users.type != napi_int32_array ||
      !read_array_of(env, values[2], napi_int32_array, users.length, &movies) ||
      !read_array_of(env, values[3], napi_float32_array, users.length, &outputs))
    return fail(env, "pairs are arrays of one length");
  if (!are_below(&users, n->config[SAMPLER_USERS]) || !are_below(&movies, n->config[SAMPLER_MOVIES]))
    return fail(env, "a pair is of a user or movie that the sampler does not have");
  sampler_job *j = task_new(env, sizeof *j, &n->base, 4, values);
  if (!j) return 0;
  j->users = users, j->movies = movies, j->outputs = outputs;
  return task_start(env, &j->base, run_predict);
}

void add_sampler_methods(napi_env env, napi_value exports) {
  const method methods[] = {
      {"openSampler", open_sampler},   {"closeSampler", close_sampler}, {"writeSampler", write_sampler},
      {"readSampler", read_sampler},   {"readySampler", ready_sampler}, {"sweep", sweep},
      {"predictMeans", predict_means},
  };
  add_methods(env, exports, methods, sizeof methods / sizeof *methods);
}
