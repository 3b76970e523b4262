// Samplers in the N-API addon, for engines/native.ts: as models in addon.c, an object with methods, and a promise for each sweep.
// Numbers, lengths and the indices of predictions are checked here, the contents of written arrays by the caller.

#include "addon.h"
#include "instructionSets.h"
#include "threads.h"
#include <stdlib.h>

typedef struct {
  handle_kind kind;
  const kernels *k;
  sampler *s;
  double config[SAMPLER_CONFIG_LENGTH];
  crew threads;
  int is_busy;
} native_sampler;

typedef struct {
  native_sampler *sampler;
  double sweep, result[2]; // sweep 0: a prediction
  void *users, *movies, *outputs;
  double count;
  napi_ref arrays;
  napi_async_work work;
  napi_deferred deferred;
} sampler_job;

static napi_value fail(napi_env env, const char *message) {
  napi_throw_error(env, 0, message);
  return 0;
}

static void release(native_sampler *n) {
  if (!n->s) return;
  crew_close(&n->threads);
  free(n->s);
  n->s = 0;
}

static void finalize(napi_env env, void *data, void *hint) {
  (void)env, (void)hint;
  release(data);
  free(data);
}

/** The arguments of a method; the first is the sampler. Null after an exception. */
static native_sampler *read_arguments(napi_env env, napi_callback_info info, size_t count, napi_value *values) {
  size_t given = count;
  void *data = 0;
  napi_get_cb_info(env, info, &given, values, 0, 0);
  if (given < count || napi_get_value_external(env, values[0], &data) != napi_ok ||
      *(handle_kind *)data != HANDLE_SAMPLER) {
    fail(env, "expected a sampler and its arguments");
    return 0;
  }
  native_sampler *n = data;
  if (!n->s) fail(env, "the sampler is closed");
  else if (n->is_busy) fail(env, "the sampler is at work");
  else return n;
  return 0;
}

static double number_of(napi_env env, napi_value value) {
  double number = 0;
  napi_get_value_double(env, value, &number);
  return number;
}

static int is_between(double number, double least, double most) { return number >= least && number <= most; }

static int are_below(const int32_t *indices, size_t count, double limit) {
  for (size_t i = 0; i < count; i++)
    if (indices[i] < 0 || indices[i] >= limit) return 0;
  return 1;
}

/** The memory of an array of this type; null: it is another, or not of this length (any if negative). */
static void *array_of(napi_env env, napi_value value, napi_typedarray_type type, double length, size_t *actual) {
  bool is_array = false;
  void *at = 0;
  napi_typedarray_type found;
  size_t elements = 0;
  napi_is_typedarray(env, value, &is_array);
  if (!is_array || napi_get_typedarray_info(env, value, &found, &elements, &at, 0, 0) != napi_ok) return 0;
  if (found != type || (length >= 0 && (double)elements != length)) return 0;
  if (actual) *actual = elements;
  // An empty array may have no memory.
  static double nothing;
  return at ? at : &nothing;
}

// openSampler(instructionSet, config): sampler

static napi_value open_sampler(napi_env env, napi_callback_info info) {
  size_t count = 2;
  napi_value values[2], external;
  char name[32] = "";
  napi_get_cb_info(env, info, &count, values, 0, 0);
  napi_get_value_string_utf8(env, values[0], name, sizeof name, 0);
  const kernels *k = find_set(name);
  const double *config = array_of(env, values[1], napi_float64_array, SAMPLER_CONFIG_LENGTH, 0);
  if (!k || !config) return fail(env, "no such instruction set, or a configuration of another length");
  if (!is_between(config[SAMPLER_THREADS], 1, MAX_THREADS) || !is_between(config[SAMPLER_USERS], 1, INT32_MAX) ||
      !is_between(config[SAMPLER_MOVIES], 1, INT32_MAX) || !is_between(config[SAMPLER_WIDTH], 1, MAX_WIDTH) ||
      !is_between(config[SAMPLER_RATINGS], 1, INT32_MAX))
    return fail(env, "a size of the sampler is out of range");
  native_sampler *n = calloc(1, sizeof *n);
  if (!n) return fail(env, "out of memory");
  n->kind = HANDLE_SAMPLER;
  memcpy(n->config, config, sizeof n->config);
  n->k = k;
  n->s = take_memory((int64_t)k->sampler_bytes(config));
  if (!n->s || crew_open(&n->threads, (int)config[SAMPLER_THREADS]) != 0) {
    free(n->s);
    free(n);
    return fail(env, "out of memory or threads for a sampler of this size");
  }
  k->sampler_open(n->s, n->config);
  napi_create_external(env, n, finalize, 0, &external);
  return external;
}

static napi_value close_sampler(napi_env env, napi_callback_info info) {
  napi_value values[1];
  native_sampler *n = read_arguments(env, info, 1, values);
  if (n) release(n);
  return 0;
}

// writeSampler(sampler, place, array), readSampler likewise

/** Elements at a place. */
static double place_length(const double *config, int place) {
  if (place < 0 || place > PLACE_SCALARS) return -1;
  if (place == PLACE_SCALARS) return 3;
  int is_user = place < PLACES_OF_SIDE;
  double N = config[is_user ? SAMPLER_USERS : SAMPLER_MOVIES], F = config[is_user ? SAMPLER_MOVIES : SAMPLER_USERS];
  double DP = ((int64_t)config[SAMPLER_WIDTH] + 16) / 16 * 16, R = config[SAMPLER_RATINGS];
  const double lengths[PLACES_OF_SIDE] = {N + 1, R, R, N * DP, N * DP, F * DP, N * DP, N};
  return lengths[place % PLACES_OF_SIDE];
}

static napi_value copy_place(napi_env env, napi_callback_info info, int is_write) {
  napi_value values[3];
  native_sampler *n = read_arguments(env, info, 3, values);
  if (!n) return 0;
  double number = number_of(env, values[1]);
  int place = is_between(number, 0, PLACE_SCALARS) ? (int)number : -1, kind = place % PLACES_OF_SIDE;
  double length = place_length(n->config, place);
  if (length < 0) return fail(env, "no such place, or an array of another type or length");
  int is_index = place != PLACE_SCALARS && (kind == PLACE_STARTS || kind == PLACE_OTHERS);
  napi_typedarray_type type = place == PLACE_SCALARS ? napi_float64_array
                              : is_index             ? napi_int32_array
                                                     : napi_float32_array;
  void *array = array_of(env, values[2], type, length, 0);
  if (!array) return fail(env, "no such place, or an array of another type or length");
  size_t bytes = (size_t)length * (place == PLACE_SCALARS ? 8 : 4);
  void *at = n->k->sampler_place(n->s, place);
  if (is_write) memcpy(at, array, bytes);
  else memcpy(array, at, bytes);
  return 0;
}

static napi_value write_sampler(napi_env env, napi_callback_info info) { return copy_place(env, info, 1); }
static napi_value read_sampler(napi_env env, napi_callback_info info) { return copy_place(env, info, 0); }

static napi_value ready_sampler(napi_env env, napi_callback_info info) {
  napi_value values[1];
  native_sampler *n = read_arguments(env, info, 1, values);
  if (n) n->k->sampler_ready(n->s);
  return 0;
}

// Jobs: their parts run on the threads of the sampler.

static void run_part(void *argument, int thread) {
  sampler_job *j = argument;
  native_sampler *n = j->sampler;
  if (j->sweep > 0) n->k->sampler_sweep(n->s, thread, j->sweep, j->result);
  else n->k->sampler_predict(n->s, thread, j->users, j->movies, j->outputs, j->count);
}

static void execute(napi_env env, void *data) {
  (void)env;
  sampler_job *j = data;
  crew_run(&j->sampler->threads, run_part, j);
}

static void complete(napi_env env, napi_status status, void *data) {
  (void)status;
  sampler_job *j = data;
  napi_value result, number;
  j->sampler->is_busy = 0;
  napi_create_array_with_length(env, 2, &result);
  for (uint32_t i = 0; i < 2; i++) {
    napi_create_double(env, j->result[i], &number);
    napi_set_element(env, result, i, number);
  }
  napi_resolve_deferred(env, j->deferred, result);
  napi_delete_reference(env, j->arrays);
  napi_delete_async_work(env, j->work);
  free(j);
}

/** Keeps the arguments alive until the job is done. */
static napi_value start(napi_env env, sampler_job *j, size_t count, napi_value *values) {
  napi_value promise, name, keep;
  napi_create_array_with_length(env, count, &keep);
  for (size_t i = 0; i < count; i++) napi_set_element(env, keep, (uint32_t)i, values[i]);
  napi_create_reference(env, keep, 1, &j->arrays);
  j->sampler->is_busy = 1;
  napi_create_promise(env, &j->deferred, &promise);
  napi_create_string_utf8(env, "marquee", NAPI_AUTO_LENGTH, &name);
  napi_create_async_work(env, 0, name, execute, complete, j, &j->work);
  napi_queue_async_work(env, j->work);
  return promise;
}

// sweep(sampler, number): Promise<[squares, alpha]>

static napi_value sweep(napi_env env, napi_callback_info info) {
  napi_value values[2];
  native_sampler *n = read_arguments(env, info, 2, values);
  if (!n) return 0;
  double number = number_of(env, values[1]);
  if (!(number >= 1 && number < 4294967296.0)) return fail(env, "sweeps count from 1");
  sampler_job *j = calloc(1, sizeof *j);
  if (!j) return fail(env, "out of memory");
  j->sampler = n;
  j->sweep = number;
  return start(env, j, 2, values);
}

// predictMeans(sampler, users, movies, outputs)

static napi_value predict_means(napi_env env, napi_callback_info info) {
  napi_value values[4];
  native_sampler *n = read_arguments(env, info, 4, values);
  if (!n) return 0;
  size_t count = 0;
  void *users = array_of(env, values[1], napi_int32_array, -1, &count);
  void *movies = array_of(env, values[2], napi_int32_array, (double)count, 0);
  void *outputs = array_of(env, values[3], napi_float32_array, (double)count, 0);
  if (!users || !movies || !outputs) return fail(env, "pairs are arrays of one length");
  if (!are_below(users, count, n->config[SAMPLER_USERS]) || !are_below(movies, count, n->config[SAMPLER_MOVIES]))
    return fail(env, "a pair is of a user or movie that the sampler does not have");
  sampler_job *j = calloc(1, sizeof *j);
  if (!j) return fail(env, "out of memory");
  *j = (sampler_job){.sampler = n, .users = users, .movies = movies, .outputs = outputs, .count = (double)count};
  return start(env, j, 4, values);
}

void add_sampler_methods(napi_env env, napi_value exports) {
  const struct {
    const char *name;
    napi_callback method;
  } methods[] = {
      {"openSampler", open_sampler},   {"closeSampler", close_sampler}, {"writeSampler", write_sampler},
      {"readSampler", read_sampler},   {"readySampler", ready_sampler}, {"sweep", sweep},
      {"predictMeans", predict_means},
  };
  for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
    napi_value method;
    napi_create_function(env, methods[i].name, NAPI_AUTO_LENGTH, methods[i].method, 0, &method);
    napi_set_named_property(env, exports, methods[i].name, method);
  }
}
