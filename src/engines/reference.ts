// What the numbers must be: plain loops over one sample at a time, sums in float64, parameters in float32.
// The other engines are held to it by test/engines.contract.test.ts. Not offered to users: it is slow on purpose of being plain.

import assert from 'node:assert/strict';
import { checkIndices, checkOptimizer, checkPairs, checkRatings, openBatches } from './batches.js';
import type {
  Engine,
  EngineDoor,
  ModelShape,
  Parameters,
  Scorer,
  StepsResult,
  Trainer,
  TrainerOptions,
} from './engine.js';
import { checkParameters, copyParameters, zeroParameters } from './shape.js';

// N users, M movies, K embedding width, B samples of a batch; row-major.
// P (N × K), Q (M × K) embeddings, p_u and q_m their rows. Layer l: W (I × J), b (J), I inputs, J outputs.
// h_0 = [p_u; q_m] (2K); z_l = W_lᵀ h_{l−1} + b_l; h_l = relu(z_l), but of the last layer h = z = ŷ.
// loss = 1/B Σ (ŷ − t)²; δ_l = ∂loss/∂z_l.

interface Layer<A> {
  W: A;
  b: A;
  I: number;
  J: number;
}

interface Network<A> {
  K: number;
  P: A;
  Q: A;
  layers: Layer<A>[];
}

export const referenceDoor: EngineDoor = {
  name: 'reference',
  probe: async () => ({ name: 'reference', available: true, device: 'CPU, 1 thread', reason: null }),
  open: async () => referenceEngine,
};

const referenceEngine: Engine = {
  name: 'reference',
  device: 'CPU, 1 thread',
  openTrainer: async (options) => new ReferenceTrainer(options),
  openScorer: async (shape, parameters) => new ReferenceScorer(shape, parameters),
};

class ReferenceScorer implements Scorer {
  readonly #shape: ModelShape;
  readonly #network: Network<Float32Array>;
  #open = true;

  constructor(shape: ModelShape, parameters: Parameters) {
    checkParameters(shape, parameters);
    this.#shape = shape;
    this.#network = networkOf(shape, valuesOf(copyParameters(parameters)));
  }

  async predict(userIndices: Int32Array, movieIndices: Int32Array): Promise<Float32Array> {
    assert(this.#open, 'the scorer is closed');
    checkPairs(this.#shape, userIndices, movieIndices);
    return predictPairs(this.#network, userIndices, movieIndices);
  }

  async scoreMovies(userIndices: Int32Array): Promise<Float32Array> {
    assert(this.#open, 'the scorer is closed');
    checkIndices('user', userIndices, this.#shape.users);
    const M = this.#shape.movies;
    const scores = new Float32Array(userIndices.length * M);
    for (const [row, u] of userIndices.entries()) {
      for (let m = 0; m < M; m++) scores[row * M + m] = outputOf(forward(this.#network, u, m));
    }
    return scores;
  }

  async close(): Promise<void> {
    this.#open = false;
  }
}

class ReferenceTrainer implements Trainer {
  readonly #options: TrainerOptions;
  readonly #readBatch;
  readonly #parameters: Parameters;
  readonly #velocities: Parameters;
  readonly #network: Network<Float32Array>;
  #open = true;

  constructor(options: TrainerOptions) {
    const { shape, parameters, ratings, optimizer, seed } = options;
    const velocities = options.velocities ?? zeroParameters(shape);
    checkParameters(shape, parameters);
    checkParameters(shape, velocities);
    checkRatings(shape, ratings);
    checkOptimizer(optimizer);
    this.#options = options;
    this.#readBatch = openBatches(ratings, optimizer.batchSize, seed);
    this.#parameters = copyParameters(parameters);
    this.#velocities = copyParameters(velocities);
    this.#network = networkOf(shape, valuesOf(this.#parameters));
  }

  async train(epoch: number, firstStep: number, steps: number): Promise<StepsResult> {
    assert(this.#open, 'the trainer is closed');
    const result = { squaredErrorSum: 0, samples: 0 };
    for (let step = firstStep; step < firstStep + steps; step++) {
      const batch = this.#readBatch(epoch, step);
      const gradients = this.#parameters.map((tensor) => new Float64Array(tensor.values.length));
      result.squaredErrorSum += addGradients(this.#network, networkOf(this.#options.shape, gradients), batch);
      result.samples += batch.targets.length;
      this.#update(gradients);
    }
    return result;
  }

  async predict(userIndices: Int32Array, movieIndices: Int32Array): Promise<Float32Array> {
    assert(this.#open, 'the trainer is closed');
    checkPairs(this.#options.shape, userIndices, movieIndices);
    return predictPairs(this.#network, userIndices, movieIndices);
  }

  async parameters(): Promise<Parameters> {
    return copyParameters(this.#parameters);
  }

  async velocities(): Promise<Parameters> {
    return copyParameters(this.#velocities);
  }

  async close(): Promise<void> {
    this.#open = false;
  }

  /** Dense momentum: v ← μv − lr·g, w ← w + v, for every parameter, touched by the batch or not. */
  #update(gradients: Float64Array[]): void {
    const { learningRate, momentum } = this.#options.optimizer;
    for (const [index, g] of gradients.entries()) {
      const v = this.#velocities[index].values;
      const w = this.#parameters[index].values;
      for (let i = 0; i < w.length; i++) {
        v[i] = momentum * v[i] - learningRate * g[i];
        w[i] += v[i];
      }
    }
  }
}

function valuesOf(parameters: Parameters): Float32Array[] {
  return parameters.map((tensor) => tensor.values);
}

/** Names the arrays of `parameterShapes`; no copies. */
function networkOf<A>(shape: ModelShape, arrays: A[]): Network<A> {
  const widths = [2 * shape.embeddingWidth, ...shape.hiddenLayers, 1];
  const layers = widths.slice(1).map((J, l) => ({
    W: arrays[2 + 2 * l],
    b: arrays[3 + 2 * l],
    I: widths[l],
    J,
  }));
  return { K: shape.embeddingWidth, P: arrays[0], Q: arrays[1], layers };
}

function predictPairs(network: Network<Float32Array>, users: Int32Array, movies: Int32Array): Float32Array {
  return Float32Array.from(users, (u, i) => outputOf(forward(network, u, movies[i])));
}

function outputOf(h: Float64Array[]): number {
  return h[h.length - 1][0];
}

/** h_0, h_1, …, ŷ for one pair. */
function forward({ K, P, Q, layers }: Network<Float32Array>, u: number, m: number): Float64Array[] {
  const h = [Float64Array.of(...P.subarray(u * K, u * K + K), ...Q.subarray(m * K, m * K + K))];
  for (const [l, { W, b, I, J }] of layers.entries()) {
    const z = Float64Array.from(b);
    for (let i = 0; i < I; i++) {
      for (let j = 0; j < J; j++) z[j] += h[l][i] * W[i * J + j];
    }
    const isLast = l === layers.length - 1;
    h.push(isLast ? z : z.map((value) => Math.max(0, value)));
  }
  return h;
}

/** Adds the gradients of the batch's mean squared error to `sums`; returns Σ(ŷ − t)². */
function addGradients(
  network: Network<Float32Array>,
  sums: Network<Float64Array>,
  { userIndices, movieIndices, targets }: TrainerOptions['ratings'],
): number {
  const B = targets.length;
  let squaredErrorSum = 0;
  for (const [sample, t] of targets.entries()) {
    const u = userIndices[sample];
    const m = movieIndices[sample];
    const h = forward(network, u, m);
    const error = outputOf(h) - t;
    squaredErrorSum += error ** 2;
    backward(network, sums, h, (2 * error) / B, u, m);
  }
  return squaredErrorSum;
}

function backward(
  { K, layers }: Network<Float32Array>,
  sums: Network<Float64Array>,
  h: Float64Array[],
  outputDelta: number,
  u: number,
  m: number,
): void {
  let δ = Float64Array.of(outputDelta);
  for (let l = layers.length - 1; l >= 0; l--) {
    const { W, I, J } = layers[l];
    const { W: gW, b: gb } = sums.layers[l];
    const below = new Float64Array(I);
    for (let j = 0; j < J; j++) gb[j] += δ[j];
    for (let i = 0; i < I; i++) {
      for (let j = 0; j < J; j++) {
        gW[i * J + j] += h[l][i] * δ[j];
        below[i] += W[i * J + j] * δ[j];
      }
      // relu' is 0 where the unit was off; h_0 has no relu.
      if (l > 0 && h[l][i] <= 0) below[i] = 0;
    }
    δ = below;
  }
  for (let k = 0; k < K; k++) {
    sums.P[u * K + k] += δ[k];
    sums.Q[m * K + k] += δ[K + k];
  }
}
