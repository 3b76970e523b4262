// The contract of the second family of training: sweeps of Gibbs sampling instead of gradient steps (model kind `bayes`).
// What comes of it is matrix factorization (biases and dot product), so scorers and stored models are those of the first family.
// engines/referenceSweeps.ts is the meaning of every number; test/engines.sweeps.test.ts holds the engines to it.

import assert from 'node:assert/strict';
import { checkRatings } from './batches.js';
import type { ModelShape, Parameters, Tensor, TrainingRatings } from './engine.js';
import { hasRows, sizeOf } from './shape.js';

// The model, with D = K + 1 and g the training mean that targets have been freed of:
//
//   rating r of user u for movie m   r ~ N(g + b_u + b_m + p_u·q_m, 1 / (α w_u w_m))
//   rows                             x_u = (p_u, b_u) and y_m = (q_m, b_m)
//   prior of a user                  x_u ~ N(μ + Bᵀφ_u + Gᵀψ_u, Λ⁻¹), φ_u = 1/√n_u at each of the n_u movies that u rated in training,
//                                    ψ_u = 1/√a_u at each of the a_u attributes that u has
//   prior of the links               B_f ~ N(0, (λΛ)⁻¹), one row for each movie that has ratings; G_f ~ N(0, (κΛ)⁻¹), for each attribute
//   hyperpriors                      (μ, Λ) Normal-Wishart; α, λ, κ and the w Gamma
//
// and movies alike, with users in the place of movies. So which movies somebody rated tells of their taste before any stars do, and so
// do attributes: genres and decade of a movie, gender, age group and occupation of a user (store/attributes.ts).
// Sources: Salakhutdinov & Mnih 2008 (BPMF); Simm et al. 2017 (Macau, the link); Koren 2008 (SVD++, what implicit feedback is worth).

/**
 * The hyperpriors: W₀ = wishartScale · I with D degrees of freedom, μ₀ = 0 with meanWeight observations; w ~ Gamma(a, a).
 * In a prototype wishartScale 10 cost .004 RMSE on ml-100k and 0.1 cost .012 on ml-1m; precisionShape 2, 5 and 10 were within .0013.
 */
export const SWEEP_PRIORS = { wishartScale: 1, meanWeight: 2, precisionShape: 5 } as const;

/** Where the chain begins. In a prototype, 300 sweeps from rows of deviation 0.1 came no further than 75 from these. */
export const SWEEP_START = { rowDeviation: 0.6, noisePrecision: 1.5, linkPrecision: 0.5 } as const;

/**
 * Halfway through the burn-in, embeddings and links, not biases, become so many times what they were: columns that have nothing to learn
 * would give up slowly the noise that they took; those that have are back within ten sweeps. Measured in docs/adr/0029.
 */
export const SWEEP_SHRINK = 0.55;

/** Whether the sweep begins with that. */
export function isShrunk(sweep: number, burnIn: number): boolean {
  return sweep > 1 && sweep === Math.floor(burnIn / 2) + 1;
}

export interface SamplerOptions {
  /** Of a model of biases and dot product alone. */
  shape: ModelShape;
  /** No pair twice. Read in place for as long as the sampler is open, or copied at once. */
  ratings: TrainingRatings;
  /** Absent: none. Copied. */
  attributes?: SideAttributes;
  /** Sweeps that the means leave out. */
  burnIn: number;
  seed: number;
  /** Absent: `initialSamplerState`. Copied. */
  state?: SamplerState;
}

/** Who has which attributes: those with attribute f are holders[starts[f]] to holders[starts[f + 1]], rows of the side. */
export interface RowAttributes {
  /** (A + 1). */
  starts: Int32Array;
  holders: Int32Array;
}

export type SideAttributes = Record<Side, RowAttributes>;

export interface SweepResult {
  /** Σ(ŷ − target)² over the training ratings, each taken with the new user and the movie as it stood before the sweep. */
  squaredErrorSum: number;
  samples: number;
  /** Mean over the training ratings of 1/(α w_u w_m), all as drawn: their variance around what is expected. */
  noise: number;
  /** What both sides' rows took of it: normal equations, factors, draws. Absent where nobody looked at a clock. */
  rowSeconds?: number;
}

/** A chain as it stands; any engine goes on from what another one left. */
export interface SamplerState {
  /** Done so far. */
  sweeps: number;
  /** α, λ of the users' link and of the movies', κ of the users' attributes and of the movies', the mean of 1/α. */
  scalars: Float64Array;
  /** As `samplerTensorShapes` lists them. */
  tensors: readonly Tensor[];
}

export interface Sampler {
  /** One sweep: users, then movies, then the noise. The same bits for any number of threads. */
  sweep(): Promise<SweepResult>;
  /** Raw outputs of the means, as `parameters` has them. */
  predict(userIndices: Int32Array, movieIndices: Int32Array): Promise<Float32Array>;
  /** Posterior means over the sweeps since the burn-in, as the parameters of a model; within it, those of the last sweep alone. */
  parameters(): Promise<Parameters>;
  /** What is known beside the means, over the same sweeps. */
  posterior(): Promise<Posterior>;
  state(): Promise<SamplerState>;
  close(): Promise<void>;
}

export const SIDES = ['user', 'movie'] as const;
export type Side = (typeof SIDES)[number];

export const SCALARS_OF_STATE = 6;
/** Of the scalars: the mean of 1/α. */
export const MEAN_NOISE = 5;

/** The attributes of rows that have none. */
export function noAttributes(): SideAttributes {
  const none = () => ({ starts: new Int32Array(1), holders: new Int32Array(0) });
  return { user: none(), movie: none() };
}

/**
 * With D = K + 1, the bias in the last column; of users, then of movies, each with N rows, the other side with F, and with A attributes:
 * rows (N × D), what was drawn; priors (N × D), Bᵀφ + Gᵀψ; links (F × D), B; means (N × D), of the rows' expectations; precisions (N), w;
 * variances (N × D), of what was drawn around its expectation; noises (N), means of 1/w; of users alone tastes (F × D), the mean of B;
 * where there are attributes, attributes (A × D), G.
 */
export function samplerTensorShapes(
  { users, movies, embeddingWidth }: ModelShape,
  attributes = noAttributes(),
) {
  const D = embeddingWidth + 1;
  return SIDES.flatMap((side) => {
    const [count, others] = side === 'user' ? [users, movies] : [movies, users];
    const attributeCount = attributes[side].starts.length - 1;
    return [
      { name: `${side}_rows`, shape: [count, D] },
      { name: `${side}_priors`, shape: [count, D] },
      { name: `${side}_links`, shape: [others, D] },
      { name: `${side}_means`, shape: [count, D] },
      { name: `${side}_precisions`, shape: [count] },
      { name: `${side}_variances`, shape: [count, D] },
      { name: `${side}_noises`, shape: [count] },
      ...(side === 'user' ? [{ name: 'user_tastes', shape: [others, D] }] : []),
      ...(attributeCount > 0 ? [{ name: `${side}_attributes`, shape: [attributeCount, D] }] : []),
    ];
  });
}

export function samplerTensor(state: SamplerState, name: string): Float32Array {
  const tensor = state.tensors.find((each) => each.name === name);
  assert(tensor, `a sampler's state has a tensor ${name}`);
  return tensor.values;
}

/** The means as the parameters of a model. */
export function meanParameters(shape: ModelShape, state: SamplerState): Parameters {
  const K = shape.embeddingWidth;
  const columns = SIDES.map((side) => splitBias(samplerTensor(state, `${side}_means`), K));
  const [users, movies] = columns;
  return [
    { name: 'user_embeddings', shape: [shape.users, K], values: users.embeddings },
    { name: 'movie_embeddings', shape: [shape.movies, K], values: movies.embeddings },
    { name: 'user_biases', shape: [shape.users], values: users.biases },
    { name: 'movie_biases', shape: [shape.movies], values: movies.biases },
    { name: 'output_biases', shape: [1], values: new Float32Array(1) },
  ];
}

/** How sure the means are, and what a user who comes later is expected to be like. Coordinates are those of the means, the bias last. */
export interface Posterior {
  /** (N × D) each. */
  userVariances: Float32Array;
  movieVariances: Float32Array;
  /** Variance of a rating around what is expected: noise · userNoises[u] · movieNoises[m]. */
  noise: number;
  userNoises: Float32Array;
  movieNoises: Float32Array;
  /** The mean of the users' link B (M × D). */
  tastes: Float32Array;
}

const OF_POSTERIOR = ['variances', 'noises', 'tastes'];

export function isOfPosterior(name: string): boolean {
  return OF_POSTERIOR.some((what) => name.endsWith(`_${what}`));
}

export function posteriorOf(state: SamplerState): Posterior {
  return {
    userVariances: samplerTensor(state, 'user_variances'),
    movieVariances: samplerTensor(state, 'movie_variances'),
    noise: state.scalars[MEAN_NOISE],
    userNoises: samplerTensor(state, 'user_noises'),
    movieNoises: samplerTensor(state, 'movie_noises'),
    tastes: samplerTensor(state, 'user_tastes'),
  };
}

/** Mean variance of these ratings around what is expected of them. */
export function meanNoise(
  { noise, userNoises, movieNoises }: Posterior,
  { userIndices, movieIndices }: Pick<TrainingRatings, 'userIndices' | 'movieIndices'>,
): number {
  let sum = 0;
  for (let i = 0; i < userIndices.length; i++)
    sum += userNoises[userIndices[i]] * movieNoises[movieIndices[i]];
  return (noise * sum) / userIndices.length;
}

function splitBias(rows: Float32Array, K: number): { embeddings: Float32Array; biases: Float32Array } {
  const count = rows.length / (K + 1);
  const embeddings = new Float32Array(count * K);
  const biases = new Float32Array(count);
  for (let row = 0; row < count; row++) {
    embeddings.set(rows.subarray(row * (K + 1), row * (K + 1) + K), row * K);
    biases[row] = rows[row * (K + 1) + K];
  }
  return { embeddings, biases };
}

/** Asserts what every sampler needs of its options. */
export function checkSampler({ shape, ratings, attributes, burnIn, state }: SamplerOptions): void {
  assert(hasRows(shape), 'sweeps need a model of biases and a dot product, without hidden layers');
  checkRatings(shape, ratings);
  assert(Number.isSafeInteger(burnIn) && burnIn >= 0, `sweeps of burn-in: ${burnIn}`);
  for (const side of attributes ? SIDES : [])
    checkAttributes(attributes![side], side === 'user' ? shape.users : shape.movies);
  if (!state) return;
  assert(Number.isSafeInteger(state.sweeps) && state.sweeps >= 0, `sweeps so far: ${state.sweeps}`);
  assert.equal(state.scalars.length, SCALARS_OF_STATE, 'scalars of a state');
  const shapes = samplerTensorShapes(shape, attributes);
  for (const [index, { name, shape: sizes }] of shapes.entries()) {
    assert.equal(state.tensors[index]?.name, name, `tensor ${index} of a state`);
    assert.equal(state.tensors[index].values.length, sizeOf(sizes), `number of values in ${name}`);
  }
}

/** Kernels follow them without looking. */
function checkAttributes({ starts, holders }: RowAttributes, rows: number): void {
  assert(
    starts[0] === 0 && starts.at(-1) === holders.length,
    'attributes begin at 0 and end with the holders',
  );
  assert(
    starts.every((start, f) => f === 0 || start >= starts[f - 1]),
    'attributes come one after another',
  );
  assert(
    holders.every((row) => row >= 0 && row < rows),
    `holders of attributes are rows of the ${rows}`,
  );
}

export function copySamplerState({ sweeps, scalars, tensors }: SamplerState): SamplerState {
  return {
    sweeps,
    scalars: scalars.slice(),
    tensors: tensors.map((tensor) => ({ ...tensor, values: tensor.values.slice() })),
  };
}
