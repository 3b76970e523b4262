// handles.h, done.

#define _GNU_SOURCE
#include "handles.h"
#include "instructionSets.h"
#include <stdlib.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)

napi_value fail(napi_env env, const char *message) {
  napi_throw_error(env, 0, message);
  return 0;
}

double number_of(napi_env env, napi_value value) {
  double number = 0;
  napi_get_value_double(env, value, &number);
  return number;
}

int64_t integer_of(double number, int64_t least, int64_t most) {
  return number >= (double)least && number <= (double)most && __builtin_floor(number) == number ? (int64_t)number
                                                                                              : least - 1;
}

int is_integer(double number, int64_t least, int64_t most) { return integer_of(number, least, most) >= least; }

int read_array(napi_env env, napi_value value, array *out) {
  bool is_array = false;
  napi_is_typedarray(env, value, &is_array);
  if (!is_array) return 0;
  return napi_get_typedarray_info(env, value, &out->type, &out->length, &out->data, 0, 0) == napi_ok;
}

int is_array_of(const array *a, napi_typedarray_type type, size_t length) {
  return a->type == type && a->length == length && (a->data || length == 0);
}

int read_array_of(napi_env env, napi_value value, napi_typedarray_type type, size_t length, array *out) {
  return read_array(env, value, out) && is_array_of(out, type, length);
}

int are_below(const array *indices, double count) {
  const int32_t *values = indices->data;
  for (size_t i = 0; i < indices->length; i++)
    if (values[i] < 0 || values[i] >= count) return 0;
  return 1;
}

const kernels *read_set(napi_env env, napi_value name) {
  char text[32] = "";
  napi_get_value_string_utf8(env, name, text, sizeof text, 0);
  return find_set(text);
}

napi_value array_of_numbers(napi_env env, const double *numbers, uint32_t count) {
  napi_value array = 0, number = 0;
  napi_create_array_with_length(env, count, &array);
  for (uint32_t i = 0; i < count; i++) {
    napi_create_double(env, numbers[i], &number);
    napi_set_element(env, array, i, number);
  }
  return array;
}

int keep_alive(napi_env env, size_t count, const napi_value *values, napi_ref *reference) {
  napi_value array = 0;
  napi_create_array_with_length(env, count, &array);
  for (size_t i = 0; i < count; i++) napi_set_element(env, array, (uint32_t)i, values[i]);
  if (napi_create_reference(env, array, 1, reference) == napi_ok) return 1;
  fail(env, "out of memory");
  return 0;
}

void add_methods(napi_env env, napi_value exports, const method *methods, size_t count) {
  for (size_t i = 0; i < count; i++) {
    napi_value function;
    napi_create_function(env, methods[i].name, NAPI_AUTO_LENGTH, methods[i].call, 0, &function);
    napi_set_named_property(env, exports, methods[i].name, function);
  }
}

/** Huge pages: rows taken at random miss the TLB otherwise. */
void *take_memory(int64_t bytes) {
  if (bytes <= 0) bytes = 1;
  size_t size = ((size_t)bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
  void *memory = 0;
  if (posix_memalign(&memory, HUGE_PAGE, size) != 0) return 0;
#if defined(MADV_HUGEPAGE)
  madvise(memory, size, MADV_HUGEPAGE);
#endif
  memset(memory, 0, size);
  return memory;
}

static void release(napi_env env, handle *h) {
  if (!h->is_open) return;
  crew_close(&h->threads);
  if (h->arrays) napi_delete_reference(env, h->arrays);
  h->free_memory(h);
  h->is_open = 0;
}

static void finalize(napi_env env, void *data, void *hint) {
  (void)hint;
  release(env, data);
  free(data);
}

napi_value handle_external(napi_env env, handle *h) {
  napi_value external;
  h->is_open = 1;
  if (napi_create_external(env, h, finalize, 0, &external) == napi_ok) return external;
  finalize(env, h, 0);
  return fail(env, "out of memory");
}

handle *read_handle(napi_env env, napi_callback_info info, handle_kind kind, size_t count, napi_value *values) {
  size_t given = count;
  void *data = 0;
  int is_model = kind == HANDLE_MODEL;
  napi_get_cb_info(env, info, &given, values, 0, 0);
  if (given < count || napi_get_value_external(env, values[0], &data) != napi_ok || *(handle_kind *)data != kind) {
    fail(env, is_model ? "expected a model and its arguments" : "expected a sampler and its arguments");
    return 0;
  }
  handle *h = data;
  if (!h->is_open) fail(env, is_model ? "the model is closed" : "the sampler is closed");
  else if (h->is_busy) fail(env, is_model ? "the model is at work" : "the sampler is at work");
  else return h;
  return 0;
}

napi_value close_handle(napi_env env, napi_callback_info info, handle_kind kind) {
  napi_value values[1];
  handle *h = read_handle(env, info, kind, 1, values);
  if (h) release(env, h);
  return 0;
}

static void execute(napi_env env, void *data) {
  (void)env;
  task *t = data;
  crew_run(&t->owner->threads, t->part, t);
  if (t->second_part) crew_run(&t->owner->threads, t->second_part, t);
}

static void complete(napi_env env, napi_status status, void *data) {
  (void)status;
  task *t = data;
  t->owner->is_busy = 0;
  napi_resolve_deferred(env, t->deferred, array_of_numbers(env, t->result, TASK_NUMBERS));
  napi_delete_reference(env, t->arguments);
  napi_delete_async_work(env, t->work);
  free(t);
}

void *task_new(napi_env env, size_t size, handle *owner, size_t count, const napi_value *values) {
  task *t = calloc(1, size);
  if (!t) {
    fail(env, "out of memory");
    return 0;
  }
  t->owner = owner;
  if (keep_alive(env, count, values, &t->arguments)) return t;
  free(t);
  return 0;
}

napi_value task_drop(napi_env env, task *t, const char *message) {
  napi_delete_reference(env, t->arguments);
  free(t);
  return fail(env, message);
}

napi_value task_start(napi_env env, task *t, job_part part) {
  napi_value promise = 0, name = 0;
  t->part = part;
  napi_create_string_utf8(env, "marquee", NAPI_AUTO_LENGTH, &name);
  if (napi_create_async_work(env, 0, name, execute, complete, t, &t->work) != napi_ok)
    return task_drop(env, t, "out of memory");
  if (napi_create_promise(env, &t->deferred, &promise) != napi_ok || napi_queue_async_work(env, t->work) != napi_ok) {
    napi_delete_async_work(env, t->work);
    return task_drop(env, t, "the job cannot be queued");
  }
  t->owner->is_busy = 1;
  return promise;
}
