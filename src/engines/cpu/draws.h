// Random numbers of the sweeps by counter, as engines/draws.ts defines them, and the functions that they need: WebAssembly has no
// library of mathematics, and the same polynomials everywhere give the same bits everywhere.

#ifndef MARQUEE_DRAWS_H
#define MARQUEE_DRAWS_H

#include "order.h"

#define GOLDEN 0x9e3779b9u

/** What a number is drawn for: engines/draws.ts. */
enum {
  STAGE_START,
  STAGE_WISHART_DIAGONAL,
  STAGE_WISHART_BELOW,
  STAGE_MEAN,
  STAGE_LINK,
  STAGE_LINK_PRECISION,
  STAGE_ROW,
  STAGE_ROW_PRECISION,
  STAGE_NOISE,
  STAGE_REQUEST, // not of sweeps
  STAGE_ATTRIBUTE,
  STAGE_ATTRIBUTE_PRECISION
};

typedef struct {
  uint32_t first, second;
} stream;

/** The numbers of one sweep at one stage; `of_entity` narrows them to one row. */
INLINE stream of_stage(stream seed, uint32_t sweep, int stage, int side) {
  uint32_t s = 2u * (uint32_t)stage + (uint32_t)side;
  return (stream){mix32(mix32(seed.first + sweep * GOLDEN) ^ s), mix32(mix32(seed.second + s * GOLDEN) ^ sweep)};
}

INLINE stream of_entity(stream stage, uint32_t entity) {
  return (stream){mix32(stage.first + entity * GOLDEN), mix32(stage.second ^ entity)};
}

/** In (0, 1). */
INLINE double open_unit(stream s, uint32_t counter) {
  uint32_t bits = mix32(mix32(counter ^ s.first) ^ s.second) >> 8;
  return ((double)(int32_t)bits + 0.5) * 0x1p-24;
}

/** Natural logarithm of a positive normal number, within an ulp or two. Coefficients: FreeBSD's msun, e_log.c. */
INLINE double log_(double x) {
  int64_t bits;
  __builtin_memcpy(&bits, &x, 8);
  // The mantissa from √½ to √2.
  int64_t shifted = bits - 0x3fe6a09e667f3bcdLL;
  int32_t exponent = (int32_t)(shifted >> 52);
  bits -= (int64_t)exponent * ((int64_t)1 << 52);
  double m;
  __builtin_memcpy(&m, &bits, 8);
  double f = m - 1, s = f / (2 + f), z = s * s;
  double r = z * (6.666666666666735130e-01 +
             z * (3.999999999940941908e-01 +
             z * (2.857142874366239149e-01 +
             z * (2.222219843214978396e-01 +
             z * (1.818357216161805012e-01 +
             z * (1.531383769920937332e-01 + z * 1.479819860511658591e-01))))));
  double half = 0.5 * f * f, e = exponent;
  return e * 6.93147180369123816490e-01 - ((half - (s * (half + r) + e * 1.90821492927058770002e-10)) - f);
}

typedef struct {
  double cos, sin;
} direction;

/** Cosine and sine of 2π·turns, turns in [0, 1). Coefficients: FreeBSD's msun, k_cos.c and k_sin.c. */
INLINE direction direction_of(double turns) {
  int32_t quarter = (int32_t)(turns * 4 + 0.5);
  double a = (turns * 4 - quarter) * 1.57079632679489661923, z = a * a;
  double s = a + a * z * (-1.66666666666666324348e-01 +
                     z * (8.33333333332248946124e-03 +
                     z * (-1.98412698298579493134e-04 +
                     z * (2.75573137070700676789e-06 +
                     z * (-2.50507602534068634195e-08 + z * 1.58969099521155010221e-10)))));
  double c = 1 - 0.5 * z + z * z * (4.16666666666666019037e-02 +
                           z * (-1.38888888888741095749e-03 +
                           z * (2.48015872894767294178e-05 +
                           z * (-2.75573143513906633035e-07 +
                           z * (2.08757232129817482790e-09 - z * 1.13596475577881948265e-11)))));
  double x = quarter & 1 ? s : c, y = quarter & 1 ? c : s;
  return (direction){(quarter + 1) & 2 ? -x : x, quarter & 2 ? -y : y};
}

/** `count` standard normal numbers, rounded up to even. */
static void fill_normals(stream s, int32_t count, float *out) {
  for (int32_t i = 0; i < count; i += 2) {
    double radius = __builtin_sqrt(-2 * log_(open_unit(s, (uint32_t)i)));
    direction d = direction_of(open_unit(s, (uint32_t)i + 1));
    out[i] = (float)(radius * d.cos);
    out[i + 1] = (float)(radius * d.sin);
  }
}

INLINE double normal_(stream s, uint32_t i) {
  double radius = __builtin_sqrt(-2 * log_(open_unit(s, i & ~1u)));
  direction d = direction_of(open_unit(s, i | 1u));
  return radius * (i & 1 ? d.sin : d.cos);
}

/** Gamma with this shape (≥ 1) and rate 1. Source: Marsaglia & Tsang 2000. */
static double gamma_(stream s, double shape) {
  double d = shape - 1.0 / 3, c = 1 / __builtin_sqrt(9 * d);
  for (uint32_t counter = 0;; counter += 4) {
    double x = normal_(s, counter), root = 1 + c * x, v = root * root * root;
    if (v > 0 && log_(open_unit(s, counter + 2)) < 0.5 * x * x + d - d * v + d * log_(v)) return d * v;
  }
}

#endif
