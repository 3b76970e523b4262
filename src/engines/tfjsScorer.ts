// Scoring with TensorFlow.js: predictions for pairs through the model, and whole catalogues with the first layer split.
// W₁ᵀ[p_u; q_m] + b₁ = a_u + c_m: the movies' half c_m is computed once, at opening, and kept (M × H1).

import assert from 'node:assert/strict';
import type { Tensor, Tensor2D } from '@tensorflow/tfjs-core';
import { checkIndices, checkPairs } from './batches.js';
import type { ModelShape, Parameters, Scorer } from './engine.js';
import { onBackend, type Tfjs } from './tfjsBackend.js';
import { buildNetwork, type Network, predictBlock, predictInBlocks, rowsAtOnce } from './tfjsModel.js';

export function openTfjsScorer(tfjs: Tfjs, shape: ModelShape, parameters: Parameters): Promise<Scorer> {
  return onBackend(tfjs, () => new TfjsScorer(tfjs, shape, parameters));
}

class TfjsScorer implements Scorer {
  readonly #tfjs: Tfjs;
  readonly #shape: ModelShape;
  readonly #network: Network;
  /** The users' half of W₁ (K × H1). */
  readonly #userWeights: Tensor2D;
  /** c_m for blocks of movies, each at most (rowsAtOnce × H1). */
  readonly #movieHalves: Tensor2D[];
  #open = true;

  constructor(tfjs: Tfjs, shape: ModelShape, parameters: Parameters) {
    this.#tfjs = tfjs;
    this.#shape = shape;
    this.#network = buildNetwork(tfjs, shape, parameters);
    const [, movies, weights, biases] = this.#network.weights.map((weight) => weight.read());
    const K = shape.embeddingWidth;
    this.#userWeights = tfjs.core.slice(weights as Tensor2D, [0, 0], [K, -1]);
    this.#movieHalves = tfjs.core.tidy(() => {
      const movieWeights = tfjs.core.slice(weights, [K, 0], [K, -1]);
      return blocks(shape.movies, rowsAtOnce(shape)).map(
        ([first, rows]) =>
          tfjs.core.add(
            tfjs.core.matMul(tfjs.core.slice(movies, [first, 0], [rows, -1]), movieWeights),
            biases,
          ) as Tensor2D,
      );
    });
  }

  async predict(userIndices: Int32Array, movieIndices: Int32Array): Promise<Float32Array> {
    checkPairs(this.#shape, userIndices, movieIndices);
    return predictInBlocks(rowsAtOnce(this.#shape), userIndices, movieIndices, (users, movies) =>
      this.#turn(() => predictBlock(this.#tfjs, this.#network.model, users, movies)),
    );
  }

  async scoreMovies(userIndices: Int32Array): Promise<Float32Array> {
    checkIndices('user', userIndices, this.#shape.users);
    const scores = new Float32Array(userIndices.length * this.#shape.movies);
    for (const [row, user] of userIndices.entries()) {
      // A turn for each user, so that a long block does not hold up the others.
      await this.#turn(() => this.#scoreUser(user, scores.subarray(row * this.#shape.movies)));
    }
    return scores;
  }

  close(): Promise<void> {
    return onBackend(this.#tfjs, () => {
      if (!this.#open) return;
      this.#open = false;
      this.#network.model.dispose();
      this.#tfjs.core.dispose([this.#userWeights, ...this.#movieHalves]);
    });
  }

  #turn<T>(work: () => T | Promise<T>): Promise<T> {
    return onBackend(this.#tfjs, () => {
      assert(this.#open, 'the scorer is closed');
      return work();
    });
  }

  /** Writes the scores (M) to the beginning of `out`. */
  async #scoreUser(user: number, out: Float32Array): Promise<void> {
    const { core } = this.#tfjs;
    const userHalf = core.tidy(() =>
      core.matMul(core.slice(this.#network.weights[0].read(), [user, 0], [1, -1]), this.#userWeights),
    );
    let first = 0;
    for (const movieHalf of this.#movieHalves) {
      const output = core.tidy(() => this.#upperLayers(core.relu(core.add(movieHalf, userHalf))));
      out.set(await output.data(), first);
      first += movieHalf.shape[0];
      output.dispose();
    }
    userHalf.dispose();
  }

  /** From the activations of the first hidden layer (rows × H1) to the outputs (rows × 1). */
  #upperLayers(activations: Tensor): Tensor {
    const names = this.#shape.hiddenLayers.slice(1).map((_, index) => `hidden_${index + 2}`);
    return [...names, 'output'].reduce(
      (below, name) => this.#network.model.getLayer(name).apply(below) as Tensor,
      activations,
    );
  }
}

/** [first, length] of consecutive blocks of at most `rows`. */
function blocks(count: number, rows: number): [number, number][] {
  return Array.from({ length: Math.ceil(count / rows) }, (_, block) => [
    block * rows,
    Math.min(rows, count - block * rows),
  ]);
}
