// The model in memory, and what the host (addon.c, or JavaScript through WebAssembly) may ask of it.
// No allocation, no library, no operating system: the host gives one block of memory and calls with as many threads as it has.
// engines/reference.ts is the meaning of every number here; test/engines.contract.test.ts holds this to it.

#ifndef MARQUEE_KERNEL_H
#define MARQUEE_KERNEL_H

#include <stdint.h>

// N users, M movies, K embedding width, H hidden units, B samples of a batch, T threads; row-major f32.
//
// A row of a table holds one user or movie: [w (WP) | one or two moments (WP each) | last | slot], w = [embedding (K), bias].
// Hidden unit h: W[h] (EP) = [W₁ column h (2K), b₁[h], zeros]; sample i: X[i] (EP) = [p_u (K), q_m (K), 1, zeros].
// So a_ih = W[h]·X[i], and with on_ih = (a_ih > 0), e_i = 2(ŷ_i − t_i)/B:
//
//   ŷ_i  = b + … + Σ_h w₂[h]·on_ih·a_ih
//   S[h] = Σ_i on_ih·e_i·X[i]      ∂/∂W[h] = w₂[h]·S[h]      ∂/∂w₂[h] = W[h]·S[h]
//   D[i] = Σ_h on_ih·w₂[h]·W[h]    ∂/∂[p_u; q_m] = e_i·D[i]
//
// S and D are sums of rows picked by bits. Four rows at a time have sixteen possible sums: these are tabulated once and looked up
// by four bits, a quarter of the additions (Arlazarov et al. 1970, "four Russians").

/** Places of the configuration, an array of doubles; engines/cpuModel.ts fills it in the same order. */
enum {
  CONFIG_USERS,
  CONFIG_MOVIES,
  CONFIG_EMBEDDING_WIDTH, // 0: no embeddings
  CONFIG_HIDDEN_UNITS,    // 0: no hidden layer
  CONFIG_BIASES,
  CONFIG_DOT_PRODUCT,
  CONFIG_THREADS,
  CONFIG_MOMENTS,    // 0: to score only; 1: sgd; 2: adam
  CONFIG_BATCH_SIZE, // 0: to score only
  CONFIG_MOMENTUM,
  CONFIG_L2_EMBEDDINGS,
  CONFIG_L2_BIASES,
  CONFIG_L2_WEIGHTS,
  CONFIG_BETA1,
  CONFIG_BETA2,
  CONFIG_EPSILON,
  CONFIG_LENGTH
};

/** Tensors by number, as engines/shape.ts orders them; those that a model lacks are skipped. */
enum {
  TENSOR_USER_EMBEDDINGS,
  TENSOR_MOVIE_EMBEDDINGS,
  TENSOR_USER_BIASES,
  TENSOR_MOVIE_BIASES,
  TENSOR_HIDDEN_WEIGHTS,
  TENSOR_HIDDEN_BIASES,
  TENSOR_OUTPUT_WEIGHTS,
  TENSOR_OUTPUT_BIASES
};

typedef struct model model;

/** Places of the configuration of a sampler; engines/cpuSampler.ts names them in the same order. */
enum {
  SAMPLER_USERS,
  SAMPLER_MOVIES,
  SAMPLER_WIDTH,
  SAMPLER_RATINGS,
  SAMPLER_THREADS,
  SAMPLER_BURN_IN,
  SAMPLER_FIRST_KEY,
  SAMPLER_SECOND_KEY,
  SAMPLER_WISHART_SCALE,
  SAMPLER_MEAN_WEIGHT,
  SAMPLER_PRECISION_SHAPE,
  SAMPLER_SHRINK,
  SAMPLER_USER_ATTRIBUTES,
  SAMPLER_MOVIE_ATTRIBUTES,
  SAMPLER_USER_HOLDERS, // entries: who has which attribute
  SAMPLER_MOVIE_HOLDERS,
  SAMPLER_CONFIG_LENGTH
};

/** Arrays of a sampler that the host reads and writes: these of the users, then of the movies, then the scalars (doubles). */
enum {
  PLACE_ROWS,
  PLACE_PRIORS,
  PLACE_LINKS,
  PLACE_MEANS,
  PLACE_PRECISIONS,
  PLACE_VARIANCES,
  PLACE_NOISES,
  PLACE_TASTES, // of the users alone
  PLACE_ATTRIBUTE_STARTS,
  PLACE_HOLDERS,
  PLACE_ATTRIBUTES,
  PLACES_OF_SIDE,
  PLACE_SCALARS = 2 * PLACES_OF_SIDE
};

/** α, λ of the users' link and of the movies', κ of the users' attributes and of the movies', the mean of 1/α. */
#define SAMPLER_SCALARS 6
#define MEAN_NOISE 5

typedef struct sampler sampler;

/** The order of an epoch: engines/shuffle.ts. */
typedef struct {
  uint32_t count, a, b, keys[6];
} epoch_order;

/** One training rating. Together, so that a rating taken at random is one miss of the cache, not three. */
typedef struct {
  int32_t user, movie;
  float target;
} rating;

/**
 * Everything below, for one instruction set. `thread` counts from 0; all T threads must make a call that takes one, and none
 * makes the next before all have returned: a small batch is trained by fewer threads than meet at the barriers of other calls.
 */
typedef struct {
  const char *name;
  int64_t (*model_bytes)(const double *config);
  void (*model_open)(model *, const double *config);
  /** part 0: the parameter; 1, 2: its moments. Copies in and out, as the parameter stands now. */
  void (*tensor_write)(model *, int tensor, int part, const float *values);
  void (*tensor_read)(const model *, int tensor, int part, float *values);
  void (*steps_write)(model *, double steps);
  double (*steps_read)(const model *);
  /** Before `train` of an epoch: its rate. By one thread, when no other is at work. */
  void (*epoch_begin)(model *, double learning_rate);
  /** Steps `first` to `first + steps` of the epoch; `result` gets Σ(ŷ − t)² and the number of samples. */
  void (*train)(model *, int thread, const rating *, const epoch_order *, double first, double steps,
                double *result);
  /** Applies what untouched rows have skipped. At the end of an epoch, so that it is no matter who looks when. */
  void (*catch_up)(model *, int thread);
  void (*predict)(model *, int thread, const int32_t *users, const int32_t *movies, float *outputs, double count);
  /** Computes the movies' half of the hidden layer; once, before the two below. */
  void (*prepare_scoring)(model *, int thread);
  void (*score_movies)(model *, int thread, const int32_t *users, double count, float *scores);
  /** engine.ts says what the arguments mean; movies and scores are (count × n). */
  void (*top_movies)(model *, int thread, const int32_t *users, double count, double n, double offset,
                     const uint32_t *allowed, const float *after_scores, const int32_t *after_indices,
                     int32_t *counts, int32_t *movies, float *scores);
  /** Multiply-adds without memory, for `seconds`-like `rounds`; and reading `count` floats. Results only defeat the optimizer. */
  double (*peak_flops)(double rounds);
  double (*read_all)(const float *values, double count);
  double (*sampler_bytes)(const double *config);
  void (*sampler_open)(sampler *, const double *config);
  void *(*sampler_place)(sampler *, int place);
  /** Once the attributes are in their places: the ratings by user, which are read where they lie, as long as the sampler lives. */
  void (*sampler_ready)(sampler *, int32_t *starts, int32_t *others, float *targets);
  /** Sweep number `sweep`, from 1. `result` gets Σ(ŷ − t)², the mean of 1/(α w w), and the seconds of the rows. */
  void (*sampler_sweep)(sampler *, int thread, double sweep, double *result);
  /** Raw outputs of the means. */
  void (*sampler_predict)(const sampler *, int thread, const int32_t *users, const int32_t *movies, float *outputs,
                          double count);
} kernels;

/** Provided by the host: sleep while *at is `value`; wake everyone who sleeps at `at`; a clock. */
void marquee_sleep(int32_t *at, int32_t value);
void marquee_wake(int32_t *at);
#if defined(__wasm__)
__attribute__((import_module("env"), import_name("seconds")))
#endif
double marquee_seconds(void);

#endif
