// The forward and the backward pass of the reference engine, for one pair of user and movie at a time.
// Plain loops, sums in float64, so that each line can be held against the formulas below.

import type { ModelShape, TrainingRatings } from './engine.js';
import { parameterShapes } from './shape.js';

// N users, M movies, K embedding width, B samples of a batch; row-major.
// P (N × K), Q (M × K) embeddings, p and q the rows of user u and movie m; userBiases (N), movieBiases (M).
// Hidden layer l: W (I × J), b (J), I inputs, J units: h_0 = [p; q] (2K); z_l = W_lᵀ h_{l−1} + b_l; h_l = relu(z_l).
// w (J of the last layer) and b the output's. ŷ = b + userBiases_u + movieBiases_m + p·q + w·h_last, of the parts that there are.
// loss = 1/B Σ (ŷ − t)²; δ = ∂loss/∂ŷ, δ_l = ∂loss/∂z_l.

interface Layer<A> {
  W: A;
  b: A;
  I: number;
  J: number;
}

/** The arrays of a model, or of its gradients, by name; absent where the model lacks the part. */
export interface Network<A> {
  K: number;
  hasDotProduct: boolean;
  P?: A;
  Q?: A;
  userBiases?: A;
  movieBiases?: A;
  layers: Layer<A>[];
  w?: A;
  b: A;
}

/** What the forward pass of one pair leaves for the backward pass. */
interface Activations {
  p: ArrayLike<number>;
  q: ArrayLike<number>;
  /** h_0, h_1, …; empty without hidden layers. */
  h: Float64Array[];
  output: number;
}

/** Names arrays in the order of `parameterShapes`; no copies. */
export function networkOf<A>(shape: ModelShape, arrays: readonly A[]): Network<A> {
  const byName = new Map(parameterShapes(shape).map(({ name }, index) => [name, arrays[index]]));
  const widths = [2 * shape.embeddingWidth, ...shape.hiddenLayers];
  return {
    K: shape.embeddingWidth,
    hasDotProduct: shape.dotProduct ?? false,
    P: byName.get('user_embeddings'),
    Q: byName.get('movie_embeddings'),
    userBiases: byName.get('user_biases'),
    movieBiases: byName.get('movie_biases'),
    layers: shape.hiddenLayers.map((J, l) => ({
      W: byName.get(`hidden_${l + 1}_weights`)!,
      b: byName.get(`hidden_${l + 1}_biases`)!,
      I: widths[l],
      J,
    })),
    w: byName.get('output_weights'),
    b: byName.get('output_biases')!,
  };
}

/** ŷ of one pair. */
export function outputOf(network: Network<Float32Array>, u: number, m: number): number {
  return forward(network, u, m).output;
}

/** Adds the gradients of the batch's mean squared error to `sums`; returns Σ(ŷ − t)². */
export function addGradients(
  network: Network<Float32Array>,
  sums: Network<Float64Array>,
  { userIndices, movieIndices, targets }: TrainingRatings,
): number {
  const B = targets.length;
  let squaredErrorSum = 0;
  for (const [sample, t] of targets.entries()) {
    const [u, m] = [userIndices[sample], movieIndices[sample]];
    const activations = forward(network, u, m);
    const error = activations.output - t;
    squaredErrorSum += error ** 2;
    backward(network, sums, activations, (2 * error) / B, u, m);
  }
  return squaredErrorSum;
}

function forward(network: Network<Float32Array>, u: number, m: number): Activations {
  const { K, P, Q, userBiases, movieBiases, w, b } = network;
  const p = P?.subarray(u * K, u * K + K) ?? [];
  const q = Q?.subarray(m * K, m * K + K) ?? [];
  const h = w ? hiddenActivations(network, Float64Array.of(...p, ...q)) : [];
  let output = b[0];
  if (userBiases) output += userBiases[u];
  if (movieBiases) output += movieBiases[m];
  if (network.hasDotProduct) output += dot(p, q);
  if (w) output += dot(w, h[h.length - 1]);
  return { p, q, h, output };
}

/** h_0, h_1, …, h_last */
function hiddenActivations({ layers }: Network<Float32Array>, inputs: Float64Array): Float64Array[] {
  const h = [inputs];
  for (const [l, { W, b, I, J }] of layers.entries()) {
    const z = Float64Array.from(b);
    for (let i = 0; i < I; i++) {
      for (let j = 0; j < J; j++) z[j] += h[l][i] * W[i * J + j];
    }
    h.push(z.map((value) => Math.max(0, value)));
  }
  return h;
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

function backward(
  network: Network<Float32Array>,
  sums: Network<Float64Array>,
  { p, q, h }: Activations,
  δ: number,
  u: number,
  m: number,
): void {
  const K = network.K;
  sums.b[0] += δ;
  if (sums.userBiases) sums.userBiases[u] += δ;
  if (sums.movieBiases) sums.movieBiases[m] += δ;
  if (!sums.P || !sums.Q) return;
  // ∂loss/∂[p; q]
  const inputs = network.w ? hiddenBackward(network, sums, h, δ) : new Float64Array(2 * K);
  for (let k = 0; k < K; k++) {
    sums.P[u * K + k] += inputs[k] + (network.hasDotProduct ? δ * q[k] : 0);
    sums.Q[m * K + k] += inputs[K + k] + (network.hasDotProduct ? δ * p[k] : 0);
  }
}

/** Gives ∂loss/∂h_0 (2K). */
function hiddenBackward(
  { layers, w }: Network<Float32Array>,
  sums: Network<Float64Array>,
  h: Float64Array[],
  δ: number,
): Float64Array {
  const last = h[layers.length];
  for (let j = 0; j < last.length; j++) sums.w![j] += δ * last[j];
  let above = Float64Array.from(w!, (weight) => weight * δ);
  for (let l = layers.length - 1; l >= 0; l--) {
    const { W, I, J } = layers[l];
    const { W: gW, b: gb } = sums.layers[l];
    // relu' is 0 where the unit was off.
    const δ_l = above.map((value, j) => (h[l + 1][j] > 0 ? value : 0));
    above = new Float64Array(I);
    for (let j = 0; j < J; j++) gb[j] += δ_l[j];
    for (let i = 0; i < I; i++) {
      for (let j = 0; j < J; j++) {
        gW[i * J + j] += h[l][i] * δ_l[j];
        above[i] += W[i * J + j] * δ_l[j];
      }
    }
  }
  return above;
}
