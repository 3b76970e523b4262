// Scores: of pairs, of every movie for some users, and of the best of them.
// The hidden layer is linear up to its relu, so a_ih = (user's half)[h] + c_m[h]: the movies' halves are computed once, and a
// catalogue costs one pass over them.

#ifndef MARQUEE_SCORE_H
#define MARQUEE_SCORE_H

#include "train.h"

INLINE float *own_inputs(const model *m, int thread) {
  return m->own_inputs + (int64_t)thread * SCORE_BLOCK * largest(m->EP, m->HP);
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

/** half[h] = Σ_k W₁[k][h]·x[k − from] for from ≤ k < to, and the unit's bias if asked for. */
static void half_of(const model *m, const float *x, int from, int to, int with_bias, float *half) {
  for (int h = 0; h < m->HP; h += VL) {
    const float *w = m->forward + (int64_t)(h / (2 * VL)) * (m->X + 1) * (2 * VL) + h % (2 * VL);
    vf total = with_bias ? load(w + m->X * 2 * VL) : (vf){0};
    for (int k = from; k < to; k++) total = fma_(load(w + k * 2 * VL), splat(x[k - from]), total);
    store(half + h, total);
  }
}

static void prepare_scoring(model *m, int thread) {
  range share = share_of(m->M, 1, thread, m->T);
  if (m->H == 0) return;
  for (int64_t movie = share.from; movie < share.to; movie++)
    half_of(m, row_of(&m->movies, m, (int32_t)movie), m->K, m->X, 1, m->movie_halves + movie * m->HP);
}

/** U users by V movies: Σ_h w₂[h]·relu(user half + c_m), each element of c_m read once. */
INLINE void score_tile(const model *m, const float *user_halves, const float *movie_halves, int U, int V,
                       float out[4][4]) {
  vf total[4][4];
  for (int u = 0; u < U; u++)
    for (int v = 0; v < V; v++) total[u][v] = (vf){0};
  const int HP = m->HP;
  for (int h = 0; h < HP; h += VL) {
    vf w = load(m->out + h), a[4], c[4];
    for (int u = 0; u < U; u++) a[u] = load(user_halves + u * HP + h);
    for (int v = 0; v < V; v++) c[v] = load(movie_halves + (int64_t)v * HP + h);
    for (int u = 0; u < U; u++)
      for (int v = 0; v < V; v++) {
        vf x = a[u] + c[v];
        total[u][v] = fma_(relu(is_on(x), x), w, total[u][v]);
      }
  }
  for (int u = 0; u < U; u++)
    for (int v = 0; v < V; v++) out[u][v] = sum(total[u][v]);
}

#if VL == 16
#define USERS_AT_ONCE 4
#else
#define USERS_AT_ONCE 2
#endif

/** The hidden part of `users` users' scores for movies from … to, added to scores (users × M). */
static void add_hidden(const model *m, const float *halves, int users, range movies, float *scores) {
  float out[4][4];
  for (int64_t v = movies.from; v < movies.to;) {
    const float *c = m->movie_halves + v * m->HP;
    int V = movies.to - v >= 4 ? 4 : 1;
    for (int u = 0; u < users;) {
      int U = users - u >= USERS_AT_ONCE ? USERS_AT_ONCE : 1;
      const float *a = halves + u * m->HP;
      if (U > 1 && V == 4) score_tile(m, a, c, USERS_AT_ONCE, 4, out);
      else if (V == 4) score_tile(m, a, c, U = 1, 4, out);
      else score_tile(m, a, c, U = 1, 1, out);
      for (int i = 0; i < U; i++)
        for (int j = 0; j < V; j++) scores[(int64_t)(u + i) * m->M + v + j] += out[i][j];
      u += U;
    }
    v += V;
  }
}

/** Scores of at most SCORE_BLOCK users for the thread's share of the movies; rows of `scores` are M long. */
static void score_block(model *m, int thread, const int32_t *users, int count, float *scores) {
  range movies = share_of(m->M, 4, thread, m->T);
  float *halves = own_inputs(m, thread);
  for (int u = 0; u < count; u++) {
    const float *p = row_of(&m->users, m, users[u]);
    if (m->H > 0) half_of(m, p, 0, m->K, 0, halves + u * m->HP);
    for (int64_t v = movies.from; v < movies.to; v++) {
      const float *q = row_of(&m->movies, m, (int32_t)v);
      float base = m->bias;
      if (m->has_biases) base += p[m->K], base += q[m->K];
      scores[(int64_t)u * m->M + v] = m->has_dot ? base + dot(p, q, m->K) : base;
    }
  }
  if (m->H > 0) add_hidden(m, halves, count, movies, scores);
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

static int32_t choose(const model *m, const float *raw, int32_t n, double offset, const uint32_t *allowed,
                      float after_score, int32_t after_movie, int32_t *movies, float *scores) {
  heap best = {scores, movies, 0};
  for (int32_t word = 0; word < (m->M + 31) / 32; word++) {
    // Only the bits that are set are looked at.
    for (uint32_t bits = allowed[word]; bits; bits &= bits - 1) {
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
