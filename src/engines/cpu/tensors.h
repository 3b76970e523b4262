// Tensors of the model, in the layout of engines/shape.ts, copied in and out of the kernels' own layout.

#ifndef MARQUEE_TENSORS_H
#define MARQUEE_TENSORS_H

#include "rows.h"

typedef struct {
  const model *m;
  const table *rows;
  /** First element and number of elements of each row. */
  int32_t from, length;
} row_tensor;

/** Which part of the rows a tensor is; rows is 0 for the other tensors. */
static row_tensor row_tensor_of(const model *m, int tensor) {
  switch (tensor) {
  case TENSOR_USER_EMBEDDINGS: return (row_tensor){m, &m->users, 0, m->K};
  case TENSOR_MOVIE_EMBEDDINGS: return (row_tensor){m, &m->movies, 0, m->K};
  case TENSOR_USER_BIASES: return (row_tensor){m, &m->users, m->K, m->has_biases};
  case TENSOR_MOVIE_BIASES: return (row_tensor){m, &m->movies, m->K, m->has_biases};
  default: return (row_tensor){m, 0, 0, 0};
  }
}

/** (N × length) or (M × length), as they stand: skipped steps are applied to the copy only. */
static void read_rows(row_tensor t, int part, float *values) {
  const model *m = t.m;
  const catch_up_table *skips = t.from == m->K ? m->biases : m->embeddings;
  for (int64_t r = 0; r < t.rows->count; r++) {
    float *row = row_of(t.rows, m, (int32_t)r);
    const float *from = row + (part == 0 ? 0 : part * m->WP) + t.from;
    int32_t steps = m->moments == 1 ? m->step - *marks_of(row, m) : 0;
    skipped_f32 s = steps > 0 ? skipping(skips, steps) : (skipped_f32){0};
    for (int k = 0; k < t.length; k++) {
      float w = row[t.from + k], v = m->moments > 0 ? row[m->WP + t.from + k] : 0;
      *values++ = steps == 0 ? from[k] : part == 0 ? skip_w(s, w, v) : skip_v(s, w, v);
    }
  }
}

static void write_rows(row_tensor t, int part, const float *values) {
  for (int64_t r = 0; r < t.rows->count; r++) {
    float *to = row_of(t.rows, t.m, (int32_t)r) + part * t.m->WP + t.from;
    for (int k = 0; k < t.length; k++) to[k] = *values++;
  }
}

/** The hidden tensor or the moment of it, by part. */
INLINE float *hidden_part(const model *m, int part) { return part == 0 ? m->hidden : m->hidden_moments[part - 1]; }
INLINE float *out_part(const model *m, int part) { return part == 0 ? m->out : m->out_moments[part - 1]; }

/** Hidden weights (2K × H), hidden biases (H), output weights (H × 1), output bias (1): the address of element i. */
INLINE float *element_of(model *m, int tensor, int part, int64_t i) {
  switch (tensor) {
  case TENSOR_HIDDEN_WEIGHTS: return hidden_part(m, part) + i % m->H * m->EP + i / m->H;
  case TENSOR_HIDDEN_BIASES: return hidden_part(m, part) + i * m->EP + m->X;
  case TENSOR_OUTPUT_WEIGHTS: return out_part(m, part) + i;
  default: return part == 0 ? &m->bias : m->bias_moments + (part - 1);
  }
}

INLINE int64_t length_of(const model *m, int tensor) {
  return tensor == TENSOR_OUTPUT_BIASES ? 1 : tensor == TENSOR_HIDDEN_WEIGHTS ? (int64_t)m->X * m->H : m->H;
}

static void tensor_write(model *m, int tensor, int part, const float *values) {
  row_tensor rows = row_tensor_of(m, tensor);
  if (rows.rows) {
    write_rows(rows, part, values);
    return;
  }
  int64_t length = length_of(m, tensor);
  for (int64_t i = 0; i < length; i++) *element_of(m, tensor, part, i) = values[i];
  if (m->H > 0) spread_weights(m, 0, m->HP);
}

static void tensor_read(const model *m, int tensor, int part, float *values) {
  row_tensor rows = row_tensor_of(m, tensor);
  if (rows.rows) {
    read_rows(rows, part, values);
    return;
  }
  int64_t length = length_of(m, tensor);
  for (int64_t i = 0; i < length; i++) values[i] = *element_of((model *)m, tensor, part, i);
}

static void steps_write(model *m, double steps) { m->steps = steps; }
static double steps_read(const model *m) { return m->steps; }

#endif
