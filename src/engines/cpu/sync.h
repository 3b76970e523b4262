// Threads in step: who does which share of the work, and the barrier between two phases.
// A barrier spins briefly, since the others are mostly microseconds away, and then sleeps: on a machine whose cores are shared
// somebody else is to have the core.

#ifndef MARQUEE_SYNC_H
#define MARQUEE_SYNC_H

#include "kernel.h"
#include "simd.h"

// About 5 µs: a pause of 25 ns each (Zen 5), or none in WebAssembly. Longer waits gain 2 % on two free cores (a step of the paper's
// model at ml-20m's sizes: 519 instead of 532 µs with 100 µs) and cost most where cores are shared: matrix factorization, K = 64, by
// two threads beside other processes had 0.46 to 0.74 of the speed of one thread with 100 µs, and 0.81 or more with 5 µs.
#if defined(__wasm__)
#define SPINS 4000
#else
#define SPINS 200
#endif

typedef struct {
  int32_t threads, arrived, generation, sleepers;
} barrier;

INLINE void pause_(void) {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/** Returns when `threads` have called it; what they wrote before is seen by all. */
static void barrier_wait(barrier *at, int32_t threads) {
  if (threads == 1) return;
  int32_t generation = __atomic_load_n(&at->generation, __ATOMIC_ACQUIRE);
  if (__atomic_add_fetch(&at->arrived, 1, __ATOMIC_ACQ_REL) == threads) {
    __atomic_store_n(&at->arrived, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&at->generation, generation + 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&at->sleepers, __ATOMIC_SEQ_CST) > 0) marquee_wake(&at->generation);
    return;
  }
  for (int spin = 0; spin < SPINS; spin++) {
    if (__atomic_load_n(&at->generation, __ATOMIC_ACQUIRE) != generation) return;
    pause_();
  }
  __atomic_add_fetch(&at->sleepers, 1, __ATOMIC_SEQ_CST);
  while (__atomic_load_n(&at->generation, __ATOMIC_SEQ_CST) == generation)
    marquee_sleep(&at->generation, generation);
  __atomic_sub_fetch(&at->sleepers, 1, __ATOMIC_SEQ_CST);
}

typedef struct {
  int64_t from, to;
} range;

/** The share of `thread` in `count` things, in whole groups of `unit`. */
INLINE range share_of(int64_t count, int64_t unit, int thread, int threads) {
  int64_t groups = (count + unit - 1) / unit;
  int64_t from = groups * thread / threads * unit, to = groups * (thread + 1) / threads * unit;
  return (range){from < count ? from : count, to < count ? to : count};
}

/** Which thread writes to a row. Scattered, since popular movies lie together; the result does not depend on it. */
INLINE int owner_of(int32_t row, int threads) {
  return (int)((((uint32_t)row * 0x9e3779b1u >> 16) * (uint32_t)threads) >> 16);
}

#endif
