// What models and samplers of the addon have in common: an external that JavaScript holds, with threads of its own, one job at a
// time, and a promise that tells when it is done. A job goes to a thread of libuv's pool, which is thread 0 of the crew.

#ifndef MARQUEE_HANDLES_H
#define MARQUEE_HANDLES_H

#define NAPI_VERSION 8
#include "kernel.h"
#include "threads.h"
#include <node_api.h>

/** Of embeddings. */
#define MAX_WIDTH 256

/** First in what an external of ours points to, so that a sampler is never taken for a model. */
typedef enum { HANDLE_MODEL = 0x6d6f6465, HANDLE_SAMPLER = 0x73616d70 } handle_kind;

/** The beginning of a model or a sampler. */
typedef struct handle {
  handle_kind kind;
  int is_open, is_busy;
  const kernels *k;
  crew threads;
  napi_ref arrays; // keeps alive what it reads in place; null: nothing
  void (*free_memory)(struct handle *);
} handle;

typedef struct {
  void *data;
  size_t length;
  napi_typedarray_type type;
} array;

/** Of the promise of a job. */
#define TASK_NUMBERS 3

/** The beginning of a job. */
typedef struct {
  handle *owner;
  job_part part, second_part; // the second, if any, when all threads are through with the first
  double result[TASK_NUMBERS];
  napi_ref arguments; // keeps owner and arrays alive
  napi_async_work work;
  napi_deferred deferred;
} task;

typedef struct {
  const char *name;
  napi_callback call;
} method;

/** Throws; returns null, as all below do after an exception. */
napi_value fail(napi_env env, const char *message);
/** 0 for what is no number. */
double number_of(napi_env env, napi_value value);
/** A whole number from `least` to `most`; otherwise least − 1. */
int64_t integer_of(double number, int64_t least, int64_t most);
int is_integer(double number, int64_t least, int64_t most);
/** 0: it is no typed array. */
int read_array(napi_env env, napi_value value, array *out);
/** Whether it is of this type and length; an empty one may have no memory. */
int is_array_of(const array *a, napi_typedarray_type type, size_t length);
int read_array_of(napi_env env, napi_value value, napi_typedarray_type type, size_t length, array *out);
/** Whether all indices (int32) are from 0 to count − 1. */
int are_below(const array *indices, double count);
/** The instruction set of this name; null, without an exception: this processor has none. */
const kernels *read_set(napi_env env, napi_value name);
/** An array of `count` numbers. */
napi_value array_of_numbers(napi_env env, const double *numbers, uint32_t count);
/** Keeps values alive; 0 after an exception. */
int keep_alive(napi_env env, size_t count, const napi_value *values, napi_ref *reference);
void add_methods(napi_env env, napi_value exports, const method *methods, size_t count);

/** Zeroed, aligned to and made of huge pages where the system gives them; to be freed. Null: there is none. */
void *take_memory(int64_t bytes);

/** The external of a handle that is complete, and its owner from now on. */
napi_value handle_external(napi_env env, handle *h);
/** The arguments of a method; the first is a handle of this kind, open and without a job. */
handle *read_handle(napi_env env, napi_callback_info info, handle_kind kind, size_t count, napi_value *values);
/** A method that closes a handle of this kind. */
napi_value close_handle(napi_env env, napi_callback_info info, handle_kind kind);

/** A zeroed job of `size` bytes that begins with a task; keeps the values alive. */
void *task_new(napi_env env, size_t size, handle *owner, size_t count, const napi_value *values);
/** Frees a job that was not started, and throws. */
napi_value task_drop(napi_env env, task *t, const char *message);
/** Gives the promise of `result`; the job is freed when it is done. */
napi_value task_start(napi_env env, task *t, job_part part);

/** Adds the methods of samplers: samplerAddon.c. */
void add_sampler_methods(napi_env env, napi_value exports);

#endif
