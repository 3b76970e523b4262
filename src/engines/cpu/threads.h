// The threads of one native model: they sleep until there is a job, and each does its part of it.

#ifndef MARQUEE_THREADS_H
#define MARQUEE_THREADS_H

#include <pthread.h>
#include <stdint.h>

#define MAX_THREADS 64

/** Does the part of `thread`, 0 to threads − 1. */
typedef void (*job_part)(void *job, int thread);

typedef struct {
  int threads, started;
  pthread_t handles[MAX_THREADS];
  pthread_mutex_t mutex;
  pthread_cond_t begin, end;
  job_part part; // null: the end of the threads
  void *job;
  uint64_t jobs; // begun so far
  int busy;
} crew;

/** Starts threads − 1 threads; returns 0, or the error of pthread_create. */
int crew_open(crew *c, int threads);
/** Runs a job; the caller does part 0. Returns when all parts are done. */
void crew_run(crew *c, job_part part, void *job);
void crew_close(crew *c);

#endif
