// Scores: of pairs, of every movie for some users, and of the best of them.
// The hidden layer is linear up to its relu: w·relu(a + c), with a of the user and c of the movie. That is w·c + max(w·a, −w·c) where
// w > 0 and w·c + min(w·a, −w·c) where not. So with w in the halves, Σ w·c kept for each movie, and units sorted by the sign of w, a pair
// costs a maximum and an addition a unit; the movies' halves are computed once, and a catalogue costs one pass over them.

#ifndef MARQUEE_SCORE_H
#define MARQUEE_SCORE_H

#include "train.h"

INLINE float *own_inputs(const model *m, int thread) {
  return m->own_inputs + thread * own_inputs_length(m);
}

static void predict(model *m, int thread, const int32_t *users, const int32_t *movies, float *outputs,
                    double count) {
  range share = share_of((int64_t)count, FS, thread, m->T);
  float *x = own_inputs(m, thread);
  for (int64_t first = share.from; first < share.to; first += FS) {
    int length = (int)(share.to - first < FS ? share.to - first : FS);
    float bases[FS], hidden[FS] = {0};
    for (int s = 0; s < length; s++)
      bases[s] = read_pair(m, users[first + s], movies[first + s], m->step, x + s * m->EP);
    if (m->H > 0) forward(m, x, 0, 0, hidden);
    for (int s = 0; s < length; s++) outputs[first + s] = bases[s] + hidden[s];
  }
}

/** The hidden weights in the layout of scoring: units of w₂ ≥ 0, then those of w₂ < 0, each padded to whole vectors with zeros. */
static void sort_units(model *m) {
  int at = 0;
  for (int falls = 0; falls < 2; falls++) {
    for (int h = 0; h < m->H; h++) {
      float w = m->out[h];
      if ((w < 0) != falls) continue;
      for (int k = 0; k <= m->X; k++)
        m->score_weights[(int64_t)k * m->HS + at] = (k < m->K ? w : -w) * m->hidden[h * m->EP + k];
      at++;
    }
    at = round_up(at, VL);
    m->unit_ends[falls] = at;
  }
}

/** half[h] = Σ_k W[k][h]·x[k − from] for from ≤ k < to, and the unit's bias if asked for. Gives their sum. */
static float half_of(const model *m, const float *x, int from, int to, int with_bias, float *half) {
  vf all = {0};
  for (int h = 0; h < m->unit_ends[1]; h += VL) {
    const float *w = m->score_weights + h;
    vf total = with_bias ? load(w + (int64_t)m->X * m->HS) : (vf){0};
    for (int k = from; k < to; k++) total = fma_(load(w + (int64_t)k * m->HS), splat(x[k - from]), total);
    store(half + h, total);
    all += total;
  }
  return sum(all);
}

static void prepare_scoring(model *m, int thread) {
  range share = share_of(m->M, 1, thread, m->T);
  if (thread == 0 && m->H > 0) sort_units(m);
  barrier_wait(&m->gate, m->T);
  for (int64_t movie = share.from; movie < share.to; movie++) {
    const float *q = row_of(&m->movies, m, (int32_t)movie);
    float base = m->has_biases ? q[m->K] : 0;
    if (m->H > 0) base -= half_of(m, q, m->K, m->X, 1, m->movie_halves + movie * m->HS);
    m->movie_bases[movie] = base;
  }
}

#if VL == 16
#define USERS_AT_ONCE 4
#else
#define USERS_AT_ONCE 2
#endif

/** The sums of U users by four movies, added to rows of scores from `scores` on; `movies` are kept. */
INLINE void add_tile_sums(const model *m, vf total[USERS_AT_ONCE][4], int U, int movies, float *scores) {
  for (int u = 0; u < U; u++) {
    quad sums = sums_of(total[u]);
    float *row = scores + (int64_t)u * m->M;
    if (movies == 4) store_quad(row, load_quad(row) + sums);
    else
      for (int v = 0; v < movies; v++) row[v] += sums[v];
  }
}

/** U users by four movies: their sums over the units, added as add_tile_sums says. */
INLINE void score_tile(const model *m, const float *user_halves, const float *movie_halves, int U, int movies,
                       float *scores) {
  vf total[USERS_AT_ONCE][4];
  for (int u = 0; u < U; u++)
    for (int v = 0; v < 4; v++) total[u][v] = (vf){0};
  const int HS = m->HS;
  for (int falls = 0, h = 0; falls < 2; falls++)
    for (; h < m->unit_ends[falls]; h += VL) {
      vf a[USERS_AT_ONCE], c[4];
      for (int u = 0; u < U; u++) a[u] = load(user_halves + u * HS + h);
      for (int v = 0; v < 4; v++) c[v] = load(movie_halves + (int64_t)v * HS + h);
      for (int u = 0; u < U; u++)
        for (int v = 0; v < 4; v++) total[u][v] += falls ? smaller(c[v], a[u]) : larger(c[v], a[u]);
    }
  add_tile_sums(m, total, U, movies, scores);
}

/** The hidden part of `users` users' scores for movies from … to, added to scores (users × M). */
static void add_hidden(const model *m, const float *halves, int users, range movies, float *scores) {
  for (int64_t v = movies.from; v < movies.to; v += 4) {
    const float *c = m->movie_halves + v * m->HS;
    int count = movies.to - v < 4 ? (int)(movies.to - v) : 4, u = 0;
    for (; u + USERS_AT_ONCE <= users; u += USERS_AT_ONCE)
      score_tile(m, halves + u * m->HS, c, USERS_AT_ONCE, count, scores + (int64_t)u * m->M + v);
    for (; u < users; u++) score_tile(m, halves + u * m->HS, c, 1, count, scores + (int64_t)u * m->M + v);
  }
}

/** Products of U users, K each padded with zeros, and four movies from `first` on, added likewise. What comes after an embedding is not multiplied. */
INLINE void dot_tile(const model *m, const float *users, int64_t first, int U, int movies, float *scores) {
  vf total[USERS_AT_ONCE][4];
  for (int u = 0; u < U; u++)
    for (int v = 0; v < 4; v++) total[u][v] = (vf){0};
  const int K = m->K, KP = round_up(K, VL);
  for (int k = 0; k < K; k += VL) {
    vf q[4];
    for (int v = 0; v < 4; v++)
      q[v] = first_of(load(row_of(&m->movies, m, (int32_t)(v < movies ? first + v : first)) + k), K - k);
    for (int u = 0; u < U; u++)
      for (int v = 0; v < 4; v++) total[u][v] = fma_(load(users + u * KP + k), q[v], total[u][v]);
  }
  add_tile_sums(m, total, U, movies, scores);
}

/** Movies that are scored together, so that their scores stay in the cache: 256 KiB of SCORE_BLOCK users. */
#define MOVIES_AT_ONCE 1024

/** What is not of the hidden layer: biases, and the products of embeddings, which are copied to where rows are whole vectors. */
static void score_rows(const model *m, const int32_t *users, int count, range movies, float *embeddings, float *scores) {
  const int K = m->K, KP = round_up(K, VL);
  for (int u = 0; u < count && m->has_dot; u++)
    for (int k = 0; k < KP; k++) embeddings[u * KP + k] = k < K ? row_of(&m->users, m, users[u])[k] : 0;
  for (int64_t from = movies.from; from < movies.to; from += MOVIES_AT_ONCE) {
    range some = {from, from + MOVIES_AT_ONCE < movies.to ? from + MOVIES_AT_ONCE : movies.to};
    for (int u = 0; u < count; u++) {
      float *row = scores + (int64_t)u * m->M, base = m->bias + (m->has_biases ? row_of(&m->users, m, users[u])[K] : 0);
      for (int64_t v = some.from; v < some.to; v++) row[v] = base + m->movie_bases[v];
    }
    for (int64_t v = some.from; m->has_dot && v < some.to; v += 4) {
      int kept = some.to - v < 4 ? (int)(some.to - v) : 4, u = 0;
      for (; u + USERS_AT_ONCE <= count; u += USERS_AT_ONCE)
        dot_tile(m, embeddings + u * KP, v, USERS_AT_ONCE, kept, scores + (int64_t)u * m->M + v);
      for (; u < count; u++) dot_tile(m, embeddings + u * KP, v, 1, kept, scores + (int64_t)u * m->M + v);
    }
  }
}

/** Scores of at most SCORE_BLOCK users for the thread's share of the movies; rows of `scores` are M long. */
static void score_block(model *m, int thread, const int32_t *users, int count, float *scores) {
  range movies = share_of(m->M, 4, thread, m->T);
  float *own = own_inputs(m, thread);
  score_rows(m, users, count, movies, own, scores);
  if (m->H == 0) return;
  for (int u = 0; u < count; u++) half_of(m, row_of(&m->users, m, users[u]), 0, m->K, 0, own + u * m->HS);
  add_hidden(m, own, count, movies, scores);
}

static void score_movies(model *m, int thread, const int32_t *users, double count, float *scores) {
  for (int64_t first = 0; first < (int64_t)count; first += SCORE_BLOCK) {
    int64_t left = (int64_t)count - first;
    score_block(m, thread, users + first, (int)(left < SCORE_BLOCK ? left : SCORE_BLOCK), scores + first * m->M);
  }
}

// The best n: a heap in the caller's arrays with the worst of them on top.

typedef struct {
  float *scores;
  int32_t *movies;
  int32_t count;
} heap;

INLINE int is_before(float score_a, int32_t movie_a, float score_b, int32_t movie_b) {
  return score_a > score_b || (score_a == score_b && movie_a < movie_b);
}

/** Puts a place where it belongs among those at and below `at`, all of which keep the heap's order. */
static void sift_down(heap *h, int32_t at, int32_t count, float score, int32_t movie) {
  for (;;) {
    int32_t child = 2 * at + 1;
    if (child >= count) break;
    if (child + 1 < count &&
        is_before(h->scores[child], h->movies[child], h->scores[child + 1], h->movies[child + 1]))
      child++;
    if (!is_before(score, movie, h->scores[child], h->movies[child])) break;
    h->scores[at] = h->scores[child], h->movies[at] = h->movies[child];
    at = child;
  }
  h->scores[at] = score, h->movies[at] = movie;
}

static void push(heap *h, int32_t n, float score, int32_t movie) {
  if (h->count == n) {
    if (is_before(score, movie, h->scores[0], h->movies[0])) sift_down(h, 0, n, score, movie);
    return;
  }
  int32_t at = h->count++;
  while (at > 0) {
    int32_t parent = (at - 1) / 2;
    if (!is_before(h->scores[parent], h->movies[parent], score, movie)) break;
    h->scores[at] = h->scores[parent], h->movies[at] = h->movies[parent];
    at = parent;
  }
  h->scores[at] = score, h->movies[at] = movie;
}

/** Best first. */
static void sort(heap *h) {
  for (int32_t last = h->count - 1; last > 0; last--) {
    float score = h->scores[last];
    int32_t movie = h->movies[last];
    h->scores[last] = h->scores[0], h->movies[last] = h->movies[0];
    sift_down(h, 0, last, score, movie);
  }
}

/** Which of 32 are above `least`, as bits; a NaN may be one of them. */
static uint32_t above(const float *raw, float least) {
  uint8_t bytes[4];
  for (int i = 0; i < 32; i += 2 * VL)
    store_bits(bytes + i / 8, is_on(load(raw + i) - splat(least)), is_on(load(raw + i + VL) - splat(least)));
  uint32_t bits;
  __builtin_memcpy(&bits, bytes, sizeof bits);
  return bits;
}

static int32_t choose(const model *m, const float *raw, int32_t n, double offset, const uint32_t *allowed,
                      float after_score, int32_t after_movie, int32_t *movies, float *scores) {
  heap best = {scores, movies, 0};
  for (int32_t word = 0; word < (m->M + 31) / 32; word++) {
    uint32_t bits = allowed[word];
    // A tie with the worst of n is lost: the movie comes later.
    if (best.count == n && 32 * (word + 1) <= m->M) bits &= above(raw + 32 * word, raw[movies[0]]);
    // Only the bits that are set are looked at.
    for (; bits; bits &= bits - 1) {
      int32_t movie = word * 32 + __builtin_ctz(bits);
      if (movie >= m->M) break;
      float score = (float)((double)raw[movie] + offset);
      if (is_before(after_score, after_movie, score, movie)) push(&best, n, score, movie);
    }
  }
  sort(&best);
  return best.count;
}

static void top_movies(model *m, int thread, const int32_t *users, double count, double n, double offset,
                       const uint32_t *allowed, const float *after_scores, const int32_t *after_indices,
                       int32_t *counts, int32_t *movies, float *scores) {
  int64_t words = (m->M + 31) / 32, length = (int64_t)n;
  for (int64_t first = 0; first < (int64_t)count; first += SCORE_BLOCK) {
    int64_t left = (int64_t)count - first;
    int block = (int)(left < SCORE_BLOCK ? left : SCORE_BLOCK);
    score_block(m, thread, users + first, block, m->scores);
    barrier_wait(&m->gate, m->T);
    for (int64_t u = first + thread; u < first + block; u += m->T)
      counts[u] = choose(m, m->scores + (u - first) * m->M, (int32_t)length, offset, allowed + u * words,
                         after_scores[u], after_indices[u], movies + u * length, scores + u * length);
    barrier_wait(&m->gate, m->T);
  }
}

#endif
