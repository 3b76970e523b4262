// The order of an epoch, as engines/shuffle.ts defines it: a seeded bijection on [0, count), for any position alone.

#ifndef MARQUEE_ORDER_H
#define MARQUEE_ORDER_H

#include "kernel.h"
#include "simd.h"

#define ORDER_ROUNDS 6

INLINE uint32_t mix32(uint32_t x) {
  x = (x ^ (x >> 16)) * 0x21f0aaadu;
  x = (x ^ (x >> 15)) * 0xd35a2d97u;
  return x ^ (x >> 15);
}

INLINE uint32_t hash_below(uint32_t value, uint32_t radix) { return (mix32(value) >> 16) * radix >> 16; }

/** One pass over the digits of x; left and right below a and b. */
INLINE uint32_t permute(uint32_t x, uint32_t right, const epoch_order *order) {
  uint32_t left = x - right * order->a;
  for (int round = 0; round < ORDER_ROUNDS; round += 2) {
    left += hash_below(right ^ order->keys[round], order->a);
    left -= left >= order->a ? order->a : 0;
    right += hash_below(left ^ order->keys[round + 1], order->b);
    right -= right >= order->b ? order->b : 0;
  }
  return right * order->a + left;
}

/** The ratings at positions first … first + length − 1. */
static void fill_order(const epoch_order *order, uint32_t first, int32_t length, uint32_t *out) {
  // Counted up instead of divided, so that the loop below is vectors throughout.
  uint32_t right = first / order->a, left = first - right * order->a;
  for (int32_t i = 0; i < length; i++) {
    out[i] = right;
    if (++left == order->a) left = 0, right++;
  }
  for (int32_t i = 0; i < length; i++) out[i] = permute(first + (uint32_t)i, out[i], order);
  // Cycle walking: a·b exceeds count by less than a, so this is rare.
  for (int32_t i = 0; i < length; i++)
    while (out[i] >= order->count) out[i] = permute(out[i], out[i] / order->a, order);
}

#endif
