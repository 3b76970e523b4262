// The model in its block of memory: where what lies, and how tensors get in and out.
// One function lays the block out, first to count its bytes, then to hand out addresses.

#ifndef MARQUEE_MODEL_H
#define MARQUEE_MODEL_H

#include "sync.h"

/** Users scored at a time; c_m is read once for all of them. A user of ml-20m's movies takes 1.05 ms in blocks of 16, .70 in blocks of 64. */
#define SCORE_BLOCK 64
/** Bytes of looked-up sums in use at a time: most of a first-level cache of 32 KiB. */
#define TABLE_BYTES (24 * 1024)
/** Vectors of a row that are summed at once: 12 registers for two rows. */
#define CHUNK 6
/** Steps that a row may skip before its catch-up is put together from powers of two. */
#define CATCH_UP_STEPS 1024
#define POWERS 32
#define MAX_EMBEDDING_WIDTH 256

/** w ← w + ww·w + wv·v, v ← vw·w + vv·v: what n steps without a gradient do. */
typedef struct {
  double ww, wv, vw, vv;
} skipped;
typedef struct {
  float ww, wv, vw, vv;
} skipped_f32;

/** One of embeddings and of biases: their λ may differ. */
typedef struct {
  double l2;
  /** n steps, n < CATCH_UP_STEPS. */
  skipped_f32 by_steps[CATCH_UP_STEPS];
  /** 2ⁿ steps. */
  skipped by_power[POWERS];
} catch_up_table;

typedef struct {
  float *rows;
  int64_t count;
} table;

struct model {
  int32_t N, M, K, H, B, T;
  int32_t has_biases, has_dot, moments;
  int32_t W, WP;         // elements of a row, padded to quads
  int32_t stride;        // floats from row to row
  int32_t X, EP, HP, HB; // 2K; X + 1 padded; H padded; bytes of a sample's bits
  int32_t HS;            // H padded for scoring: up to a vector more
  float mu, rate, beta1, beta2, epsilon;
  double steps; // over all epochs
  int32_t step; // since the last catch-up
  table users, movies;
  catch_up_table *embeddings, *biases;
  float *row_l2, *hidden_l2, out_l2; // 2λ of each element: (WP), (EP)
  float *hidden, *hidden_moments[2]; // (HP × EP)
  float *forward;                    // the same with 2·VL units side by side: (HP / (2·VL) × (X + 1) × 2·VL)
  float *out, *out_moments[2];       // w₂ (HP)
  float bias, bias_moments[2];
  // A batch.
  int32_t *batch_users, *batch_movies, *owned; // (BP), (BP), (T × BP)
  uint32_t *next_ratings;                      // of the next batch (BP), each thread's from where its share of B begins
  float *targets, *errors;
  double *squares;
  float *inputs;                   // X[i] (BP × EP)
  float *user_slopes, *movie_slopes; // gradients of rows (BP × WP)
  uint8_t *bits, *nibbles;         // on_ih by sample (BP × HB), by unit (BP / 4 × HP)
  float *sums, *sample_sums;       // S (HP × EP), D (BP × EP)
  // Each thread's own.
  float *tables, *own_inputs; // (T × TABLE_BYTES), (T × own_inputs_length)
  // Scoring.
  int32_t unit_ends[2];               // of units with w₂ ≥ 0, and of the others, which come after them
  float *score_weights;               // W₁·w₂ for users, −W₁·w₂ for movies and the bias (X + 1 × HS)
  float *movie_halves, *movie_bases;  // −w₂·c_m (M padded to 4 × HS); Σ w₂·c_m and the movie's bias (M)
  float *scores;                      // (SCORE_BLOCK × M)
  barrier gate;
};

INLINE int32_t round_up(int32_t n, int32_t unit) { return (n + unit - 1) / unit * unit; }
INLINE int32_t largest(int32_t a, int32_t b) { return a > b ? a : b; }
INLINE float *row_of(const table *t, const model *m, int32_t row) { return t->rows + (int64_t)row * m->stride; }
INLINE float *moment_of(float *row, const model *m, int which) { return row + (which + 1) * m->WP; }
/** Step that last changed the row, and its place in the batch. Integers in the row: the line is in the cache. */
INLINE int32_t *marks_of(float *row, const model *m) { return (int32_t *)(row + (1 + m->moments) * m->WP); }

/** Hands out pieces of the block; with no block, only counts. */
typedef struct {
  char *block;
  int64_t used;
} arena;

// Under AddressSanitizer the pieces lie apart, and what is between them must not be touched: the block is one allocation.
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define RED_ZONE 64
#else
#define RED_ZONE 0
#define ASAN_POISON_MEMORY_REGION(at, bytes) ((void)(at), (void)(bytes))
#endif

static void *take(arena *a, int64_t count, int64_t size) {
  char *piece = a->block ? a->block + a->used : 0;
  int64_t bytes = count * size, whole = (bytes + 63) / 64 * 64 + RED_ZONE;
  a->used += whole;
  if (piece) ASAN_POISON_MEMORY_REGION(piece + bytes, (uint64_t)(whole - bytes));
  return piece;
}

static void set_sizes(model *m, const double *config) {
  m->N = (int32_t)config[CONFIG_USERS];
  m->M = (int32_t)config[CONFIG_MOVIES];
  m->K = (int32_t)config[CONFIG_EMBEDDING_WIDTH];
  m->H = (int32_t)config[CONFIG_HIDDEN_UNITS];
  m->B = (int32_t)config[CONFIG_BATCH_SIZE];
  m->T = (int32_t)config[CONFIG_THREADS];
  m->has_biases = config[CONFIG_BIASES] != 0;
  m->has_dot = config[CONFIG_DOT_PRODUCT] != 0;
  m->moments = (int32_t)config[CONFIG_MOMENTS];
  m->W = m->K + m->has_biases;
  m->WP = round_up(m->W, 4);
  m->stride = round_up((1 + m->moments) * m->WP + 2, 16);
  m->X = 2 * m->K;
  m->EP = round_up(m->K + m->WP + 1, RV); // room for a row with its padding behind another
  m->HP = round_up(m->H, 32);
  m->HB = m->HP / 8;
  m->HS = m->H > 0 ? m->HP + VL : 0;
}

/** Floats of one thread: the inputs of FS pairs, or the embeddings or halves of SCORE_BLOCK users. */
INLINE int64_t own_inputs_length(const model *m) {
  return (int64_t)SCORE_BLOCK * largest(largest(m->EP, m->HS), round_up(m->K, VL));
}

static void lay_out_batch(model *m, arena *a) {
  int64_t BP = round_up(m->B, 8), T = m->T;
  m->batch_users = take(a, BP, 4);
  m->batch_movies = take(a, BP, 4);
  m->next_ratings = take(a, BP, 4);
  m->owned = take(a, T * BP, 4);
  m->targets = take(a, BP, 4);
  m->errors = take(a, BP, 4);
  m->squares = take(a, BP, 8);
  m->inputs = take(a, BP * m->EP, 4);
  m->user_slopes = take(a, BP * m->WP, 4);
  m->movie_slopes = take(a, BP * m->WP, 4);
  m->embeddings = take(a, 1, sizeof(catch_up_table));
  m->biases = take(a, 1, sizeof(catch_up_table));
  m->row_l2 = take(a, m->WP, 4);
  m->hidden_l2 = take(a, m->EP, 4);
  if (m->H == 0) return;
  m->bits = take(a, BP * m->HB, 1);
  m->nibbles = take(a, BP / 4 * m->HP, 1);
  m->sums = take(a, (int64_t)m->HP * m->EP, 4);
  m->sample_sums = take(a, BP * m->EP, 4);
}

static int64_t lay_out(model *m, char *block) {
  arena a = {block, 0};
  take(&a, 1, sizeof(model));
  m->users = (table){take(&a, (int64_t)m->N * m->stride, 4), m->N};
  m->movies = (table){take(&a, (int64_t)m->M * m->stride, 4), m->M};
  m->hidden = take(&a, (int64_t)m->HP * m->EP, 4);
  m->forward = take(&a, (int64_t)m->HP * (m->X + 1), 4);
  m->out = take(&a, m->HP, 4);
  for (int i = 0; i < m->moments; i++) {
    m->hidden_moments[i] = take(&a, (int64_t)m->HP * m->EP, 4);
    m->out_moments[i] = take(&a, m->HP, 4);
  }
  m->tables = take(&a, m->T, TABLE_BYTES);
  m->own_inputs = take(&a, m->T * own_inputs_length(m), 4);
  if (m->B > 0) lay_out_batch(m, &a);
  if (m->B == 0) {
    m->score_weights = take(&a, (int64_t)(m->X + 1) * m->HS, 4);
    m->movie_halves = take(&a, ((int64_t)m->M + 3) / 4 * 4 * m->HS, 4);
    m->movie_bases = take(&a, m->M, 4);
    m->scores = take(&a, (int64_t)SCORE_BLOCK * m->M, 4);
  }
  return a.used;
}

static int64_t model_bytes(const double *config) {
  model sizes = {0};
  set_sizes(&sizes, config);
  return lay_out(&sizes, 0);
}

/** The block is zero. */
static void model_open(model *m, const double *config) {
  set_sizes(m, config);
  lay_out(m, (char *)m);
  m->mu = (float)config[CONFIG_MOMENTUM];
  m->beta1 = (float)config[CONFIG_BETA1];
  m->beta2 = (float)config[CONFIG_BETA2];
  m->epsilon = (float)config[CONFIG_EPSILON];
  if (m->B == 0) return;
  m->embeddings->l2 = config[CONFIG_L2_EMBEDDINGS];
  m->biases->l2 = config[CONFIG_L2_BIASES];
  m->out_l2 = (float)(2 * config[CONFIG_L2_WEIGHTS]);
  for (int k = 0; k < m->W; k++) m->row_l2[k] = (float)(2 * (k < m->K ? m->embeddings->l2 : m->biases->l2));
  for (int k = 0; k < m->X; k++) m->hidden_l2[k] = m->out_l2;
}

/** The hidden weights in the layout of the forward pass, for units from … to. */
static void spread_weights(model *m, int64_t from, int64_t to) {
  for (int64_t h = from; h < to; h++)
    for (int k = 0; k <= m->X; k++)
      m->forward[(h / (2 * VL) * (m->X + 1) + k) * (2 * VL) + h % (2 * VL)] = m->hidden[h * m->EP + k];
}

#endif
