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

/** mix32 of each lane. */
INLINE vu mix_lanes(vu x) {
  x = (x ^ (x >> 16)) * 0x21f0aaadu;
  x = (x ^ (x >> 15)) * 0xd35a2d97u;
  return x ^ (x >> 15);
}

/** Whole numbers below 2⁵² as numbers: they are the last bits of those from 2⁵² on. */
INLINE vd number_of(vl whole) { return (vd)(whole | 0x4330000000000000) - 0x1p52; }

/** In (0, 1), of 24 bits. */
INLINE vd open_units(vl bits) { return (number_of(bits) + 0.5) * 0x1p-24; }

INLINE vl bits_of(stream s, uint32_t counter) { return (vl){0} + (mix32(mix32(counter ^ s.first) ^ s.second) >> 8); }

/** Natural logarithm of positive normal numbers, within an ulp or two. Coefficients: FreeBSD's msun, e_log.c. */
INLINE vd logs(vd x) {
  // The mantissa from √½ to √2; the exponent and 1024.
  vl exponent = ((vl)x - 0x3fe6a09e667f3bcd + ((uint64_t)1024 << 52)) >> 52;
  vd e = number_of(exponent) - 1024, f = (vd)((vl)x - ((exponent - 1024) << 52)) - 1, s = f / (2 + f), z = s * s;
  vd r = z * (6.666666666666735130e-01 +
         z * (3.999999999940941908e-01 +
         z * (2.857142874366239149e-01 +
         z * (2.222219843214978396e-01 +
         z * (1.818357216161805012e-01 +
         z * (1.531383769920937332e-01 + z * 1.479819860511658591e-01))))));
  vd half = 0.5 * f * f;
  return e * 6.93147180369123816490e-01 - ((half - (s * (half + r) + e * 1.90821492927058770002e-10)) - f);
}

typedef struct {
  vd cos, sin;
} directions;

/** Cosine and sine of 2π·turns, turns in [0, 1). Coefficients: FreeBSD's msun, k_cos.c and k_sin.c. */
INLINE directions directions_of(vd turns) {
  // The nearest quarter is the last bits of this.
  vd shifted = turns * 4 + 0x1p52;
  vl quarter = (vl)shifted, is_odd = -(quarter & 1);
  vd a = (turns * 4 - (shifted - 0x1p52)) * 1.57079632679489661923, z = a * a;
  vd s = a + a * z * (-1.66666666666666324348e-01 +
                 z * (8.33333333332248946124e-03 +
                 z * (-1.98412698298579493134e-04 +
                 z * (2.75573137070700676789e-06 +
                 z * (-2.50507602534068634195e-08 + z * 1.58969099521155010221e-10)))));
  vd c = 1 - 0.5 * z + z * z * (4.16666666666666019037e-02 +
                       z * (-1.38888888888741095749e-03 +
                       z * (2.48015872894767294178e-05 +
                       z * (-2.75573143513906633035e-07 +
                       z * (2.08757232129817482790e-09 - z * 1.13596475577881948265e-11)))));
  vl x = ((vl)s & is_odd) | ((vl)c & ~is_odd), y = ((vl)c & is_odd) | ((vl)s & ~is_odd);
  return (directions){(vd)(x ^ ((quarter + 1) & 2) << 62), (vd)(y ^ (quarter & 2) << 62)};
}

/** Standard normal numbers by pairs of uniform ones: those that a cosine gives, and those that a sine gives. Source: Box & Muller 1958. */
INLINE directions normal_pairs(vl first, vl second) {
  vd radius = roots_of(-2 * logs(open_units(first)));
  directions d = directions_of(open_units(second));
  return (directions){radius * d.cos, radius * d.sin};
}

/** `count` standard normal numbers, and more up to a whole vector. */
NOINLINE static void fill_normals(stream s, int32_t count, float *out) {
  vu counters;
  for (int k = 0; k < VL; k++) counters[k] = (uint32_t)k;
  for (int32_t i = 0; i < count; i += VL) {
    vl bits = (vl)(mix_lanes(mix_lanes((counters + (uint32_t)i) ^ s.first) ^ s.second) >> 8);
    directions d = normal_pairs(bits & 0xffffffff, bits >> 32);
#pragma GCC unroll 8
    for (int k = 0; k < VL / 2; k++) {
      out[i + 2 * k] = (float)d.cos[k];
      out[i + 2 * k + 1] = (float)d.sin[k];
    }
  }
}

INLINE double normal_(stream s, uint32_t i) {
  directions d = normal_pairs(bits_of(s, i & ~1u), bits_of(s, i | 1u));
  return i & 1 ? d.sin[0] : d.cos[0];
}

/** Gamma with this shape (≥ 1) and rate 1. Source: Marsaglia & Tsang 2000. */
static double gamma_(stream s, double shape) {
  double d = shape - 1.0 / 3, c = 1 / __builtin_sqrt(9 * d);
  for (uint32_t counter = 0;; counter += 4) {
    double x = normal_(s, counter), root = 1 + c * x, v = root * root * root;
    if (v > 0 && logs(open_units(bits_of(s, counter + 2)))[0] < 0.5 * x * x + d - d * v + d * logs((vd){0} + v)[0]) return d * v;
  }
}

/**
 * The same of `count` entities from `entity` on, with these shapes, of which and of the results there is room up to a whole vector: tried for
 * VL / 2 at once, and where that is refused one at a time.
 */
static void fill_gammas(stream stage, uint32_t entity, int32_t count, const double *shapes, double *out) {
  for (int32_t i = 0; i < count; i += VL / 2) {
    vl entities;
    vd shape;
    for (int k = 0; k < VL / 2; k++) entities[k] = entity + (uint32_t)(i + k), shape[k] = shapes[i + k];
    vu first = mix_lanes((vu)entities * GOLDEN + stage.first), second = mix_lanes((vu)entities ^ stage.second);
    vl bits[3];
    for (uint32_t n = 0; n < 3; n++) bits[n] = (vl)(mix_lanes(mix_lanes(first ^ n) ^ second) >> 8) & 0xffffffff;
    vd d = shape - 1.0 / 3, x = normal_pairs(bits[0], bits[1]).cos, root = 1 + x / roots_of(9 * d), v = root * root * root;
    vd spare = 0.5 * x * x + d - d * v + d * logs(v) - logs(open_units(bits[2]));
    for (int k = 0; k < VL / 2; k++)
      out[i + k] = v[k] > 0 && spare[k] > 0 ? d[k] * v[k] : gamma_(of_entity(stage, entity + (uint32_t)(i + k)), shape[k]);
  }
}

#endif
