// The copies of the kernels in this addon, best first, and which of them this processor can run.

#ifndef MARQUEE_INSTRUCTION_SETS_H
#define MARQUEE_INSTRUCTION_SETS_H

#include "kernel.h"
#include <string.h>

#if defined(__x86_64__)
extern const kernels marquee_avx512, marquee_avx2;
#endif
extern const kernels marquee_baseline;

#define MAX_SETS 3

static inline int list_sets(const kernels **sets) {
  int count = 0;
#if defined(__x86_64__)
  __builtin_cpu_init();
  int fma = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (fma && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    sets[count++] = &marquee_avx512;
  if (fma) sets[count++] = &marquee_avx2;
#endif
  sets[count++] = &marquee_baseline;
  return count;
}

/** null: there is none of this name here. */
static inline const kernels *find_set(const char *name) {
  const kernels *sets[MAX_SETS];
  int count = list_sets(sets);
  for (int i = 0; i < count; i++)
    if (strcmp(sets[i]->name, name) == 0) return sets[i];
  return 0;
}

#endif
