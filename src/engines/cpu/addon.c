// The N-API addon: a model as an object with methods for engines/native.ts, on the handles and jobs of handles.h.
// Whatever JavaScript hands in is checked here, so that misuse is an exception: numbers, lengths, indices. Only that nobody writes to
// the arrays of a job while it runs is left to the caller.

#define _GNU_SOURCE
#include "handles.h"
#include "instructionSets.h"
#include <stdlib.h>
#include <time.h>

#define MAX_ARGUMENTS 10

typedef struct {
  handle base;
  model *m;
  rating *ratings;
  int64_t rating_count;
  double config[CONFIG_LENGTH];
} native_model;

/** A job: what the kernels need, by the number of the argument. */
typedef struct {
  task base;
  array arrays[MAX_ARGUMENTS];
  double numbers[MAX_ARGUMENTS];
  epoch_order order;
} job;

static void free_model(handle *h) {
  native_model *n = (native_model *)h;
  free(n->m);
  free(n->ratings);
}

static native_model *read_arguments(napi_env env, napi_callback_info info, size_t count, napi_value *values) {
  return (native_model *)read_handle(env, info, HANDLE_MODEL, count, values);
}

// open(instructionSet, config): model

/** So that no size below overflows: users and movies are counted in int32, bytes in int64. */
static int is_valid(const double *config) {
  const int64_t rows = INT32_MAX, units = 1 << 24, batch = 1 << 24;
  for (int i = 0; i < CONFIG_LENGTH; i++)
    if (!__builtin_isfinite(config[i])) return 0;
  return is_integer(config[CONFIG_USERS], 1, rows) && is_integer(config[CONFIG_MOVIES], 1, rows) &&
         is_integer(config[CONFIG_EMBEDDING_WIDTH], 0, MAX_WIDTH) && is_integer(config[CONFIG_HIDDEN_UNITS], 0, units) &&
         is_integer(config[CONFIG_BIASES], 0, 1) && is_integer(config[CONFIG_DOT_PRODUCT], 0, 1) &&
         is_integer(config[CONFIG_THREADS], 1, MAX_THREADS) && is_integer(config[CONFIG_BATCH_SIZE], 0, batch) &&
         is_integer(config[CONFIG_MOMENTS], 0, 2) && !config[CONFIG_MOMENTS] == !config[CONFIG_BATCH_SIZE];
}

static napi_value open_model(napi_env env, napi_callback_info info) {
  size_t count = 2;
  napi_value values[2];
  array config;
  napi_get_cb_info(env, info, &count, values, 0, 0);
  const kernels *k = read_set(env, values[0]);
  if (!k) return fail(env, "this processor has no such instruction set");
  if (!read_array_of(env, values[1], napi_float64_array, CONFIG_LENGTH, &config))
    return fail(env, "the configuration has another length");
  if (!is_valid(config.data)) return fail(env, "a number of the configuration is outside its range");
  native_model *n = calloc(1, sizeof *n);
  if (!n) return fail(env, "out of memory");
  n->base = (handle){.kind = HANDLE_MODEL, .k = k, .free_memory = free_model};
  memcpy(n->config, config.data, sizeof n->config);
  n->m = take_memory(k->model_bytes(n->config));
  if (!n->m || crew_open(&n->base.threads, (int)n->config[CONFIG_THREADS]) != 0) {
    free(n->m);
    free(n);
    return fail(env, "out of memory or threads for a model of this size");
  }
  k->model_open(n->m, n->config);
  return handle_external(env, &n->base);
}

static napi_value close_model(napi_env env, napi_callback_info info) {
  return close_handle(env, info, HANDLE_MODEL);
}

// writeTensor(model, tensor, part, Float32Array), readTensor likewise

static size_t tensor_length(const double *config, int tensor) {
  double N = config[CONFIG_USERS], M = config[CONFIG_MOVIES], K = config[CONFIG_EMBEDDING_WIDTH],
         H = config[CONFIG_HIDDEN_UNITS], biases = config[CONFIG_BIASES];
  const double lengths[] = {N * K, M * K, N * biases, M * biases, 2 * K * H, H, H, 1};
  return tensor < 0 || tensor > TENSOR_OUTPUT_BIASES ? 0 : (size_t)lengths[tensor];
}

static native_model *read_tensor_arguments(napi_env env, napi_callback_info info, int *tensor, int *part, array *a) {
  napi_value values[4];
  native_model *n = read_arguments(env, info, 4, values);
  if (!n) return 0;
  *tensor = (int)integer_of(number_of(env, values[1]), 0, TENSOR_OUTPUT_BIASES);
  *part = (int)integer_of(number_of(env, values[2]), 0, 2);
  size_t length = tensor_length(n->config, *tensor);
  if (read_array(env, values[3], a) && a->type == napi_float32_array && a->length == length && length > 0 &&
      *part >= 0 && *part <= (int)n->config[CONFIG_MOMENTS])
    return n;
  fail(env, "no such tensor, or an array of another length");
  return 0;
}

static napi_value write_tensor(napi_env env, napi_callback_info info) {
  int tensor, part;
  array a;
  native_model *n = read_tensor_arguments(env, info, &tensor, &part, &a);
  if (n) n->base.k->tensor_write(n->m, tensor, part, a.data);
  return 0;
}

static napi_value read_tensor(napi_env env, napi_callback_info info) {
  int tensor, part;
  array a;
  native_model *n = read_tensor_arguments(env, info, &tensor, &part, &a);
  if (n) n->base.k->tensor_read(n->m, tensor, part, a.data);
  return 0;
}

static napi_value write_steps(napi_env env, napi_callback_info info) {
  napi_value values[2];
  native_model *n = read_arguments(env, info, 2, values);
  if (!n) return 0;
  double steps = number_of(env, values[1]);
  if (!is_integer(steps, 0, (int64_t)1 << 53)) return fail(env, "steps are counted from 0");
  n->base.k->steps_write(n->m, steps);
  return 0;
}

static napi_value read_steps(napi_env env, napi_callback_info info) {
  napi_value values[1], result = 0;
  native_model *n = read_arguments(env, info, 1, values);
  if (n) napi_create_double(env, n->base.k->steps_read(n->m), &result);
  return result;
}

// setRatings(model, users, movies, targets): a copy, each rating in one piece

static napi_value set_ratings(napi_env env, napi_callback_info info) {
  napi_value values[4];
  array a[3];
  native_model *n = read_arguments(env, info, 4, values);
  if (!n) return 0;
  for (int i = 0; i < 3; i++)
    if (!read_array(env, values[i + 1], &a[i]) || a[i].length != a[0].length ||
        a[i].type != (i < 2 ? napi_int32_array : napi_float32_array))
      return fail(env, "ratings are three arrays of one length");
  if (!are_below(&a[0], n->config[CONFIG_USERS]) || !are_below(&a[1], n->config[CONFIG_MOVIES]))
    return fail(env, "a rating is of a user or movie that the model does not have");
  free(n->ratings);
  n->rating_count = 0;
  n->ratings = take_memory((int64_t)(a[0].length * sizeof(rating)));
  if (!n->ratings) return fail(env, "out of memory for the ratings");
  const int32_t *users = a[0].data, *movies = a[1].data;
  const float *targets = a[2].data;
  for (size_t i = 0; i < a[0].length; i++) n->ratings[i] = (rating){users[i], movies[i], targets[i]};
  n->rating_count = (int64_t)a[0].length;
  return 0;
}

// Jobs: their parts run on the threads of the model.

static native_model *model_of(const job *j) { return (native_model *)j->base.owner; }

static void run_train(void *argument, int thread) {
  job *j = argument;
  native_model *n = model_of(j);
  n->base.k->train(n->m, thread, n->ratings, &j->order, j->numbers[2], j->numbers[3], j->base.result);
}

static void run_catch_up(void *argument, int thread) {
  native_model *n = model_of(argument);
  n->base.k->catch_up(n->m, thread);
}

static void run_predict(void *argument, int thread) {
  native_model *n = model_of(argument);
  array *a = ((job *)argument)->arrays;
  n->base.k->predict(n->m, thread, a[1].data, a[2].data, a[3].data, (double)a[1].length);
}

static void run_prepare(void *argument, int thread) {
  native_model *n = model_of(argument);
  n->base.k->prepare_scoring(n->m, thread);
}

static void run_score(void *argument, int thread) {
  native_model *n = model_of(argument);
  array *a = ((job *)argument)->arrays;
  n->base.k->score_movies(n->m, thread, a[1].data, (double)a[1].length, a[2].data);
}

static void run_top(void *argument, int thread) {
  job *j = argument;
  native_model *n = model_of(j);
  array *a = j->arrays;
  n->base.k->top_movies(n->m, thread, a[1].data, (double)a[1].length, j->numbers[2], j->numbers[3], a[4].data,
                        a[5].data, a[6].data, a[7].data, a[8].data, a[9].data);
}

/** Null after an exception. */
static job *new_job(napi_env env, native_model *n, size_t count, napi_value *values) {
  job *j = task_new(env, sizeof *j, &n->base, count, values);
  for (size_t i = 0; j && i < count; i++)
    if (!read_array(env, values[i], &j->arrays[i])) j->numbers[i] = number_of(env, values[i]);
  return j;
}

static napi_value drop(napi_env env, job *j, const char *message) { return task_drop(env, &j->base, message); }

static napi_value start(napi_env env, job *j, job_part part) { return task_start(env, &j->base, part); }

/** Whether argument i is an array of this type with `length` elements. */
static int is_array(const job *j, int i, napi_typedarray_type type, size_t length) {
  return is_array_of(&j->arrays[i], type, length);
}

// train(model, rate, first, steps, catchUp, order: Uint32Array of count, a, b and six keys): Promise<[squares, samples]>

/** A bijection on the positions of so many ratings: engines/shuffle.ts. */
static int is_order(const epoch_order *order, int64_t count) {
  return order->count == count && count > 0 && order->a >= 1 && order->a <= 1 << 16 && order->b >= 1 &&
         order->b <= 1 << 16 && (int64_t)order->a * order->b >= count;
}

static napi_value train_model(napi_env env, napi_callback_info info) {
  napi_value values[6];
  native_model *n = read_arguments(env, info, 6, values);
  if (!n) return 0;
  job *j = new_job(env, n, 6, values);
  if (!j) return 0;
  double batch = n->config[CONFIG_BATCH_SIZE], end = j->numbers[2] + j->numbers[3];
  if (!is_array(j, 5, napi_uint32_array, sizeof j->order / 4)) return drop(env, j, "the order has another length");
  memcpy(&j->order, j->arrays[5].data, sizeof j->order);
  if (!is_order(&j->order, n->rating_count)) return drop(env, j, "the order is not of these ratings");
  if (!(batch > 0 && j->numbers[2] >= 0 && j->numbers[3] >= 0 && (end - 1) * batch < (double)n->rating_count))
    return drop(env, j, "steps beyond the epoch");
  if (j->numbers[4] != 0) j->base.second_part = run_catch_up;
  n->base.k->epoch_begin(n->m, j->numbers[1]);
  return start(env, j, run_train);
}

// predict(model, users, movies, outputs)

static napi_value predict_pairs(napi_env env, napi_callback_info info) {
  napi_value values[4];
  native_model *n = read_arguments(env, info, 4, values);
  if (!n) return 0;
  job *j = new_job(env, n, 4, values);
  if (!j) return 0;
  size_t count = j->arrays[1].length;
  if (!is_array(j, 1, napi_int32_array, count) || !is_array(j, 2, napi_int32_array, count) ||
      !is_array(j, 3, napi_float32_array, count))
    return drop(env, j, "pairs are arrays of one length");
  if (!are_below(&j->arrays[1], n->config[CONFIG_USERS]) || !are_below(&j->arrays[2], n->config[CONFIG_MOVIES]))
    return drop(env, j, "a pair is of a user or movie that the model does not have");
  return start(env, j, run_predict);
}

static napi_value prepare_scoring(napi_env env, napi_callback_info info) {
  napi_value values[1];
  native_model *n = read_arguments(env, info, 1, values);
  if (!n) return 0;
  if (n->config[CONFIG_BATCH_SIZE] != 0) return fail(env, "the model was opened to train");
  job *j = new_job(env, n, 1, values);
  return j ? start(env, j, run_prepare) : 0;
}

// scoreMovies(model, users, scores)

static napi_value score_movies(napi_env env, napi_callback_info info) {
  napi_value values[3];
  native_model *n = read_arguments(env, info, 3, values);
  if (!n) return 0;
  job *j = new_job(env, n, 3, values);
  if (!j) return 0;
  size_t users = j->arrays[1].length, movies = (size_t)n->config[CONFIG_MOVIES];
  if (!is_array(j, 1, napi_int32_array, users) || users > INT32_MAX ||
      !is_array(j, 2, napi_float32_array, users * movies) || n->config[CONFIG_BATCH_SIZE] != 0)
    return drop(env, j, "scores are users by movies, of a model that was opened to score");
  if (!are_below(&j->arrays[1], n->config[CONFIG_USERS])) return drop(env, j, "the model has no such user");
  return start(env, j, run_score);
}

// topMovies(model, users, n, offset, allowed, afterScores, afterIndices, counts, movies, scores)

static napi_value top_movies(napi_env env, napi_callback_info info) {
  napi_value values[10];
  native_model *n = read_arguments(env, info, 10, values);
  if (!n) return 0;
  job *j = new_job(env, n, 10, values);
  if (!j) return 0;
  size_t users = j->arrays[1].length, words = ((size_t)n->config[CONFIG_MOVIES] + 31) / 32;
  size_t places = users * (size_t)integer_of(j->numbers[2], 1, INT32_MAX);
  if (!is_array(j, 1, napi_int32_array, users) || users > INT32_MAX || !is_array(j, 4, napi_uint32_array, users * words) ||
      !is_array(j, 5, napi_float32_array, users) || !is_array(j, 6, napi_int32_array, users) ||
      !is_array(j, 7, napi_int32_array, users) || !is_array(j, 8, napi_int32_array, places) ||
      !is_array(j, 9, napi_float32_array, places) || !is_integer(j->numbers[2], 1, INT32_MAX) ||
      n->config[CONFIG_BATCH_SIZE] != 0)
    return drop(env, j, "an argument of topMovies has another length");
  if (!are_below(&j->arrays[1], n->config[CONFIG_USERS])) return drop(env, j, "the model has no such user");
  return start(env, j, run_top);
}

// instructionSets(): string[]

static napi_value instruction_sets(napi_env env, napi_callback_info info) {
  (void)info;
  const kernels *sets[MAX_SETS];
  int count = list_sets(sets);
  napi_value names, name;
  napi_create_array(env, &names);
  for (int i = 0; i < count; i++) {
    napi_create_string_utf8(env, sets[i]->name, NAPI_AUTO_LENGTH, &name);
    napi_set_element(env, names, (uint32_t)i, name);
  }
  return names;
}

// measure(instructionSet, threads): [flopsPerSecond, bytesPerSecond]. Holds the calling thread for about a second.

typedef struct {
  const kernels *k;
  double rounds, results[MAX_THREADS];
  float *memory;
  int64_t count; // floats for each thread
} measurement;

static void measure_flops(void *argument, int thread) {
  measurement *w = argument;
  w->results[thread] = w->k->peak_flops(w->rounds);
}

static void measure_reading(void *argument, int thread) {
  measurement *w = argument;
  w->results[thread] = w->k->read_all(w->memory + thread * w->count, (double)w->count);
}

static double seconds_of(crew *c, job_part part, measurement *w) {
  struct timespec before, after;
  clock_gettime(CLOCK_MONOTONIC, &before);
  crew_run(c, part, w);
  clock_gettime(CLOCK_MONOTONIC, &after);
  return (double)(after.tv_sec - before.tv_sec) + (double)(after.tv_nsec - before.tv_nsec) * 1e-9;
}

static napi_value measure(napi_env env, napi_callback_info info) {
  size_t count = 2;
  napi_value values[2];
  crew c;
  napi_get_cb_info(env, info, &count, values, 0, 0);
  int threads = (int)integer_of(number_of(env, values[1]), 1, MAX_THREADS);
  measurement w = {read_set(env, values[0]), 1e7, {0}, 0, (int64_t)64 << 20};
  if (!w.k || threads < 1) return fail(env, "no such instruction set or number of threads");
  w.count /= threads;
  w.memory = take_memory(w.count * threads * 4);
  if (!w.memory || crew_open(&c, threads) != 0) {
    free(w.memory);
    return fail(env, "out of memory or threads");
  }
  double best[2] = {0};
  // The best of five: what the machine can do, not what it did while somebody else was at work.
  for (int repeat = 0; repeat < 5; repeat++) {
    double seconds = seconds_of(&c, measure_flops, &w), flops = 0;
    for (int t = 0; t < threads; t++) flops += w.results[t];
    if (flops / seconds > best[0]) best[0] = flops / seconds;
    double bytes = (double)(w.count * threads * 4) / seconds_of(&c, measure_reading, &w);
    if (bytes > best[1]) best[1] = bytes;
  }
  crew_close(&c);
  free(w.memory);
  return array_of_numbers(env, best, 2);
}

static napi_value init(napi_env env, napi_value exports) {
  const method methods[] = {
      {"instructionSets", instruction_sets}, {"open", open_model},         {"close", close_model},
      {"writeTensor", write_tensor},         {"readTensor", read_tensor},  {"writeSteps", write_steps},
      {"readSteps", read_steps},             {"setRatings", set_ratings},  {"train", train_model},
      {"predict", predict_pairs},            {"prepareScoring", prepare_scoring},
      {"scoreMovies", score_movies},         {"topMovies", top_movies},    {"measure", measure},
  };
  add_methods(env, exports, methods, sizeof methods / sizeof *methods);
  add_sampler_methods(env, exports);
  return exports;
}

NAPI_MODULE_INIT() { return init(env, exports); }
