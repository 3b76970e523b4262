// The hidden layer: forward for a few samples at a time, the two sums of the way back, and the step of its weights.

#ifndef MARQUEE_HIDDEN_H
#define MARQUEE_HIDDEN_H

#include "rows.h"

/** W[h]·X[s] for 2·VL units and FS samples; w: the units' weights in the layout of `forward`, their biases last. */
INLINE void unit_inputs(const float *w, const float *x, int X, vf a[FS], vf b[FS]) {
  const float *biases = w + X * 2 * VL;
  for (int s = 0; s < FS; s++) a[s] = load(biases), b[s] = load(biases + VL);
  // Not unrolled: V8 has too few registers for what LLVM makes of it.
#if defined(__clang__)
#pragma clang loop unroll(disable)
#endif
  for (int k = 0; k < X; k++, w += 2 * VL, x += FS) {
    OPAQUE(w);
    OPAQUE(x);
    vf wa = load(w), wb = load(w + VL);
#pragma GCC unroll 8
    for (int s = 0; s < FS; s++) {
      vf value = splat(x[s]);
      a[s] = fma_(wa, value, a[s]);
      b[s] = fma_(wb, value, b[s]);
    }
  }
}

/**
 * FS samples through the layer: outputs[s] = Σ_h w₂[h]·relu(W[h]·X[s]).
 * With bits, also which units were on: `bits` is the first sample's, `nibbles` the first four samples'.
 */
NOINLINE static void forward(const model *m, const float *inputs, uint8_t *bits, uint8_t *nibbles, float *outputs) {
  // The samples' elements side by side: one address instead of FS.
  float x[2 * MAX_EMBEDDING_WIDTH * FS];
  for (int k = 0; k < m->X; k++)
    for (int s = 0; s < FS; s++) x[k * FS + s] = inputs[s * m->EP + k];
  vf total[FS];
  for (int s = 0; s < FS; s++) total[s] = (vf){0};
  for (int h = 0; h < m->HP; h += 2 * VL) {
    vf a[FS], b[FS];
    unit_inputs(m->forward + (int64_t)h * (m->X + 1), x, m->X, a, b);
    vf out_a = load(m->out + h), out_b = load(m->out + h + VL);
    on_mask on_a[FS], on_b[FS];
#pragma GCC unroll 8
    for (int s = 0; s < FS; s++) {
      on_a[s] = is_on(a[s]), on_b[s] = is_on(b[s]);
      total[s] = fma_(relu(on_a[s], a[s]), out_a, total[s]);
      total[s] = fma_(relu(on_b[s], b[s]), out_b, total[s]);
      if (bits) store_bits(bits + s * m->HB + h / 8, on_a[s], on_b[s]);
    }
    if (!bits) continue;
    for (int s = 0; s < FS; s += 4) store_nibbles(nibbles + s / 4 * m->HP + h, on_a + s, on_b + s);
  }
  for (int s = 0; s < FS; s++) outputs[s] = sum(total[s]);
}

/** The sixteen sums of subsets of four rows of n vectors, rows[j]·scales[j]. */
INLINE void fill_sums(float *sums, const float *const rows[4], const float scales[4], int n) {
  for (int c = 0; c < n; c++) {
    rv total[16];
    total[0] = (rv){0};
    for (int j = 0; j < 4; j++) {
      rv x = scales[j] * load_row(rows[j] + c * RV);
      for (int subset = 0; subset < 1 << j; subset++) total[(1 << j) + subset] = total[subset] + x;
    }
    for (int subset = 0; subset < 16; subset++) store_row(sums + (subset * n + c) * RV, total[subset]);
  }
}

INLINE void add_sums(rv *total, const float *sums, uint32_t subset, int n) {
  const char *at = (const char *)sums + (uintptr_t)(subset * (uint32_t)(n * RV * 4));
  OPAQUE(at);
  for (int c = 0; c < n; c++) total[c] += load_row((const float *)at + c * RV);
}

INLINE void load_totals(rv total[ROWS_AT_ONCE][CHUNK], const float *from, int stride, int n, int is_first) {
  for (int r = 0; r < ROWS_AT_ONCE; r++)
    for (int c = 0; c < n; c++) total[r][c] = is_first ? (rv){0} : load_row(from + r * stride + c * RV);
}

INLINE void store_totals(rv total[ROWS_AT_ONCE][CHUNK], float *to, int stride, int n) {
  for (int r = 0; r < ROWS_AT_ONCE; r++)
    for (int c = 0; c < n; c++) store_row(to + r * stride + c * RV, total[r][c]);
}

INLINE int groups_at_once(int n) { return TABLE_BYTES / (16 * n * RV * 4) & ~1; }

/** D for samples from … to (multiples of 8), n vectors of columns from `column`: Σ_h on_ih·w₂[h]·W[h]. */
INLINE void sum_units(const model *m, float *tables, range samples, int column, int n) {
  const int at_once = groups_at_once(n), groups = m->HP / 4;
  for (int first = 0; first < groups; first += at_once) {
    int last = first + at_once < groups ? first + at_once : groups;
    for (int g = first; g < last; g++) {
      const float *rows[4];
      for (int j = 0; j < 4; j++) rows[j] = m->hidden + (int64_t)(4 * g + j) * m->EP + column;
      fill_sums(tables + (g - first) * 16 * n * RV, rows, m->out + 4 * g, n);
    }
    for (int64_t i = samples.from; i < samples.to; i += ROWS_AT_ONCE) {
      float *totals = m->sample_sums + i * m->EP + column;
      const uint8_t *bits = m->bits + i * m->HB;
      rv total[ROWS_AT_ONCE][CHUNK];
      load_totals(total, totals, m->EP, n, first == 0);
      const float *sums = tables;
      for (int g = first; g < last; g += 2, sums += 32 * n * RV)
        for (int r = 0; r < ROWS_AT_ONCE; r++) {
          uint32_t byte = bits[r * m->HB + g / 2];
          add_sums(total[r], sums, byte & 15, n);
          add_sums(total[r], sums + 16 * n * RV, byte >> 4, n);
        }
      store_totals(total, totals, m->EP, n);
    }
  }
}

/** S for units from … to (even), n vectors of columns from `column`, over the batch: Σ_i on_ih·e_i·X[i]. */
INLINE void sum_samples(const model *m, float *tables, range units, int32_t samples, int column, int n) {
  const int at_once = groups_at_once(n), groups = round_up(samples, 8) / 4;
  for (int first = 0; first < groups; first += at_once) {
    int last = first + at_once < groups ? first + at_once : groups;
    for (int g = first; g < last; g++) {
      const float *rows[4];
      for (int j = 0; j < 4; j++) rows[j] = m->inputs + (int64_t)(4 * g + j) * m->EP + column;
      fill_sums(tables + (g - first) * 16 * n * RV, rows, m->errors + 4 * g, n);
    }
    for (int64_t h = units.from; h < units.to; h += ROWS_AT_ONCE) {
      float *totals = m->sums + h * m->EP + column;
      rv total[ROWS_AT_ONCE][CHUNK];
      load_totals(total, totals, m->EP, n, first == 0);
      const float *sums = tables;
      const uint8_t *nibbles = m->nibbles + (int64_t)first * m->HP + h;
      for (int g = first; g < last; g++, sums += 16 * n * RV, nibbles += m->HP)
        for (int r = 0; r < ROWS_AT_ONCE; r++) add_sums(total[r], sums, nibbles[r], n);
      store_totals(total, totals, m->EP, n);
    }
  }
}

// One function for each number of vectors, so that the sums stay in registers; none is inlined into another, so that they stay
// there in V8 as well.
#define SUMS_OF(n)                                                                                           \
  NOINLINE static void sum_units_##n(const model *m, float *tables, range samples, int column) {             \
    sum_units(m, tables, samples, column, n);                                                                \
  }                                                                                                          \
  NOINLINE static void sum_samples_##n(const model *m, float *tables, range units, int32_t samples,          \
                                       int column) {                                                         \
    sum_samples(m, tables, units, samples, column, n);                                                       \
  }
SUMS_OF(1) SUMS_OF(2) SUMS_OF(3) SUMS_OF(4) SUMS_OF(5) SUMS_OF(6)

/** Sums over the units for a thread's samples. */
static void sum_all_units(const model *m, int thread, range samples) {
  float *tables = m->tables + (int64_t)thread * (TABLE_BYTES / 4);
  int vectors = (m->X + RV - 1) / RV;
  for (int c = 0; c < vectors; c += CHUNK) {
    switch (vectors - c) {
    case 1: sum_units_1(m, tables, samples, c * RV); break;
    case 2: sum_units_2(m, tables, samples, c * RV); break;
    case 3: sum_units_3(m, tables, samples, c * RV); break;
    case 4: sum_units_4(m, tables, samples, c * RV); break;
    case 5: sum_units_5(m, tables, samples, c * RV); break;
    default: sum_units_6(m, tables, samples, c * RV); break;
    }
  }
}

/** Sums over the batch for a thread's units. */
static void sum_all_samples(const model *m, int thread, range units, int32_t samples) {
  float *tables = m->tables + (int64_t)thread * (TABLE_BYTES / 4);
  int vectors = (m->X + 1 + RV - 1) / RV;
  for (int c = 0; c < vectors; c += CHUNK) {
    switch (vectors - c) {
    case 1: sum_samples_1(m, tables, units, samples, c * RV); break;
    case 2: sum_samples_2(m, tables, units, samples, c * RV); break;
    case 3: sum_samples_3(m, tables, units, samples, c * RV); break;
    case 4: sum_samples_4(m, tables, units, samples, c * RV); break;
    case 5: sum_samples_5(m, tables, units, samples, c * RV); break;
    default: sum_samples_6(m, tables, units, samples, c * RV); break;
    }
  }
}

/** One step of the weights of these units. */
NOINLINE static void update_units(model *m, range units, float rate) {
  for (int64_t h = units.from; h < units.to; h++) {
    float *w = m->hidden + h * m->EP, *slopes = m->sums + h * m->EP, out = m->out[h];
    float *second = m->moments == 2 ? m->hidden_moments[1] + h * m->EP : 0;
    rv product = {0};
    for (int k = 0; k < m->EP; k += RV) product += load_row(w + k) * load_row(slopes + k);
    float out_slope = 0;
    for (int c = 0; c < RV; c++) out_slope += product[c];
    descend(m, rate, w, m->hidden_moments[0] + h * m->EP, second, slopes, out, m->hidden_l2, m->EP);
    descend_one(m, rate, m->out + h, m->out_moments[0] + h, m->moments == 2 ? m->out_moments[1] + h : 0, out_slope,
                m->out_l2);
  }
  spread_weights(m, units.from, units.to);
}

#endif
