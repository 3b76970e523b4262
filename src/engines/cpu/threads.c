// POSIX threads behind threads.h, the sleep and wake of the kernels' barrier, and their clock.

#define _GNU_SOURCE
#include "threads.h"
#include "kernel.h"
#include <string.h>
#include <time.h>

typedef struct {
  crew *c;
  int thread;
} member;

static void *work(void *argument) {
  member self = *(member *)argument;
  crew *c = self.c;
  pthread_mutex_lock(&c->mutex);
  c->started++;
  pthread_cond_broadcast(&c->end);
  for (uint64_t seen = 0;;) {
    while (c->jobs == seen) pthread_cond_wait(&c->begin, &c->mutex);
    seen = c->jobs;
    job_part part = c->part;
    void *job = c->job;
    pthread_mutex_unlock(&c->mutex);
    if (!part) return 0;
    part(job, self.thread);
    pthread_mutex_lock(&c->mutex);
    if (--c->busy == 0) pthread_cond_broadcast(&c->end);
  }
}

/** With the mutex held. */
static void announce(crew *c, job_part part, void *job) {
  c->part = part;
  c->job = job;
  c->busy = c->threads - 1;
  c->jobs++;
  pthread_cond_broadcast(&c->begin);
}

int crew_open(crew *c, int threads) {
  memset(c, 0, sizeof *c);
  pthread_mutex_init(&c->mutex, 0);
  pthread_cond_init(&c->begin, 0);
  pthread_cond_init(&c->end, 0);
  c->threads = 1;
  for (int t = 1; t < threads; t++) {
    member self = {c, t};
    int error = pthread_create(&c->handles[t], 0, work, &self);
    if (error) {
      crew_close(c);
      return error;
    }
    c->threads++;
    // `self` is on this stack: wait until the thread has its copy.
    pthread_mutex_lock(&c->mutex);
    while (c->started < t) pthread_cond_wait(&c->end, &c->mutex);
    pthread_mutex_unlock(&c->mutex);
  }
  return 0;
}

void crew_run(crew *c, job_part part, void *job) {
  if (c->threads == 1) {
    part(job, 0);
    return;
  }
  pthread_mutex_lock(&c->mutex);
  announce(c, part, job);
  pthread_mutex_unlock(&c->mutex);
  part(job, 0);
  pthread_mutex_lock(&c->mutex);
  while (c->busy > 0) pthread_cond_wait(&c->end, &c->mutex);
  pthread_mutex_unlock(&c->mutex);
}

void crew_close(crew *c) {
  pthread_mutex_lock(&c->mutex);
  announce(c, 0, 0);
  pthread_mutex_unlock(&c->mutex);
  for (int t = 1; t < c->threads; t++) pthread_join(c->handles[t], 0);
  pthread_mutex_destroy(&c->mutex);
  pthread_cond_destroy(&c->begin);
  pthread_cond_destroy(&c->end);
}

// One pair for all barriers: whoever sleeps here has waited in vain for microseconds, so a wake too many does no harm.
static pthread_mutex_t sleep_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t sleep_end = PTHREAD_COND_INITIALIZER;

void marquee_sleep(int32_t *at, int32_t value) {
  pthread_mutex_lock(&sleep_mutex);
  while (__atomic_load_n(at, __ATOMIC_SEQ_CST) == value) pthread_cond_wait(&sleep_end, &sleep_mutex);
  pthread_mutex_unlock(&sleep_mutex);
}

void marquee_wake(int32_t *at) {
  (void)at;
  pthread_mutex_lock(&sleep_mutex);
  pthread_cond_broadcast(&sleep_end);
  pthread_mutex_unlock(&sleep_mutex);
}

double marquee_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}
