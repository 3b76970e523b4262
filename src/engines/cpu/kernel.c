// The numeric work of the engines `wasm` and `native`, from one source. Compiled once for WebAssembly and once for each instruction
// set of the addon; each copy ends in a table of its functions.

#include "gibbs.h"
#include "score.h"
#include "tensors.h"

#define LANES 12

/** Operations done: a multiply-add of VL floats counts 2·VL. Twelve in flight hide the latency of one. */
static double peak_flops(double rounds) {
  vf a[LANES], factor = splat(0.9999f), addend = splat(1e-4f);
  for (int i = 0; i < LANES; i++) a[i] = splat((float)i);
  for (int64_t n = 0; n < (int64_t)rounds; n++)
#pragma GCC unroll 12
    for (int i = 0; i < LANES; i++) a[i] = fma_(a[i], factor, addend);
  vf total = a[0];
  for (int i = 1; i < LANES; i++) total += a[i];
  // The result is used, so that the work is done.
  return sum(total) == 0 ? 0 : rounds * LANES * 2 * VL;
}

static double read_all(const float *values, double count) {
  vf total[4] = {{0}};
  for (int64_t i = 0; i + 4 * VL <= (int64_t)count; i += 4 * VL)
    for (int j = 0; j < 4; j++) total[j] += load(values + i + j * VL);
  return sum((total[0] + total[1]) + (total[2] + total[3]));
}

#if defined(__wasm__)

#define EXPORT(name) __attribute__((export_name(#name)))

void marquee_sleep(int32_t *at, int32_t value) { __builtin_wasm_memory_atomic_wait32(at, value, -1); }
void marquee_wake(int32_t *at) { __builtin_wasm_memory_atomic_notify((int *)at, ~0u); }

// WebAssembly has no table to hand out: each function is exported, with structures passed by address.
EXPORT(model_bytes) double wasm_model_bytes(const double *config) { return (double)model_bytes(config); }
EXPORT(model_open) void wasm_model_open(model *m, const double *config) { model_open(m, config); }
EXPORT(tensor_write) void wasm_tensor_write(model *m, int tensor, int part, const float *values) {
  tensor_write(m, tensor, part, values);
}
EXPORT(tensor_read) void wasm_tensor_read(const model *m, int tensor, int part, float *values) {
  tensor_read(m, tensor, part, values);
}
EXPORT(steps_write) void wasm_steps_write(model *m, double steps) { steps_write(m, steps); }
EXPORT(steps_read) double wasm_steps_read(const model *m) { return steps_read(m); }
EXPORT(epoch_begin) void wasm_epoch_begin(model *m, double rate) { epoch_begin(m, rate); }
EXPORT(train)
void wasm_train(model *m, int thread, const rating *ratings, const epoch_order *order, double first,
                double steps, double *result) {
  train(m, thread, ratings, order, first, steps, result);
}
EXPORT(catch_up) void wasm_catch_up(model *m, int thread) { catch_up(m, thread); }
EXPORT(predict)
void wasm_predict(model *m, int thread, const int32_t *users, const int32_t *movies, float *outputs, double count) {
  predict(m, thread, users, movies, outputs, count);
}
EXPORT(prepare_scoring) void wasm_prepare_scoring(model *m, int thread) { prepare_scoring(m, thread); }
EXPORT(score_movies)
void wasm_score_movies(model *m, int thread, const int32_t *users, double count, float *scores) {
  score_movies(m, thread, users, count, scores);
}
EXPORT(top_movies)
void wasm_top_movies(model *m, int thread, const int32_t *users, double count, double n, double offset,
                     const uint32_t *allowed, const float *after_scores, const int32_t *after_indices,
                     int32_t *counts, int32_t *movies, float *scores) {
  top_movies(m, thread, users, count, n, offset, allowed, after_scores, after_indices, counts, movies, scores);
}
EXPORT(peak_flops) double wasm_peak_flops(double rounds) { return peak_flops(rounds); }
EXPORT(sampler_bytes) double wasm_sampler_bytes(const double *config) { return sampler_bytes(config); }
EXPORT(sampler_open) void wasm_sampler_open(sampler *s, const double *config) { sampler_open(s, config); }
EXPORT(sampler_place) void *wasm_sampler_place(sampler *s, int place) { return sampler_place(s, place); }
EXPORT(sampler_ready)
void wasm_sampler_ready(sampler *s, int32_t *starts, int32_t *others, float *targets) {
  sampler_ready(s, starts, others, targets);
}
EXPORT(sampler_sweep) void wasm_sampler_sweep(sampler *s, int thread, double sweep, double *result) {
  sampler_sweep(s, thread, sweep, result);
}
EXPORT(sampler_predict)
void wasm_sampler_predict(const sampler *s, int thread, const int32_t *users, const int32_t *movies, float *outputs,
                          double count) {
  sampler_predict(s, thread, users, movies, outputs, count);
}
EXPORT(read_all) double wasm_read_all(const float *values, double count) { return read_all(values, count); }

#else

#ifndef KERNELS
#define KERNELS marquee_kernels
#endif

const kernels KERNELS = {ISA_NAME,    model_bytes, model_open,      tensor_write, tensor_read, steps_write,
                         steps_read,  epoch_begin, train,           catch_up,     predict,     prepare_scoring,
                         score_movies, top_movies, peak_flops,      read_all,
                         sampler_bytes, sampler_open, sampler_place, sampler_ready, sampler_sweep, sampler_predict};

#endif
