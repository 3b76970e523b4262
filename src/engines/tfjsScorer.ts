// Scoring with TensorFlow.js: predictions for pairs through the model, and whole catalogues part by part. The first hidden
// layer is split, W₁ᵀ[p_u; q_m] + b₁ = a_u + c_m: the movies' half c_m is computed once, at opening, and kept (M × H1).

import assert from 'node:assert/strict';
import type { Tensor, Tensor2D } from '@tensorflow/tfjs-core';
import { checkIndices, checkPairs } from './batches.js';
import type { ModelShape, Parameters, Scorer, TopMovies, TopMoviesRequest } from './engine.js';
import { onBackend, type Tfjs } from './tfjsBackend.js';
import { buildNetwork, type Network, predictBlock, predictInBlocks, rowsAtOnce } from './tfjsModel.js';
import { topMoviesByScores } from './topMovies.js';

export function openTfjsScorer(tfjs: Tfjs, shape: ModelShape, parameters: Parameters): Promise<Scorer> {
  return onBackend(tfjs, () => new TfjsScorer(tfjs, shape, parameters));
}

/** Consecutive movies that are scored in one pass, at most rowsAtOnce of them. */
interface MovieBlock {
  first: number;
  rows: number;
  /** c_m (rows × H1); null without hidden layers. */
  half: Tensor | null;
}

class TfjsScorer implements Scorer {
  readonly #tfjs: Tfjs;
  readonly #shape: ModelShape;
  readonly #network: Network;
  readonly #blocks: MovieBlock[];
  #open = true;

  constructor(tfjs: Tfjs, shape: ModelShape, parameters: Parameters) {
    this.#tfjs = tfjs;
    this.#shape = shape;
    this.#network = buildNetwork(tfjs, shape, parameters);
    this.#blocks = blocks(shape.movies, rowsAtOnce(tfjs, shape)).map(([first, rows]) => ({
      first,
      rows,
      half: this.#hasHidden ? tfjs.core.tidy(() => this.#movieHalf(first, rows)) : null,
    }));
  }

  async predict(userIndices: Int32Array, movieIndices: Int32Array): Promise<Float32Array> {
    checkPairs(this.#shape, userIndices, movieIndices);
    return predictInBlocks(rowsAtOnce(this.#tfjs, this.#shape), userIndices, movieIndices, (users, movies) =>
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

  topMovies(request: TopMoviesRequest): Promise<TopMovies> {
    return topMoviesByScores(this, this.#shape.movies, request);
  }

  close(): Promise<void> {
    return onBackend(this.#tfjs, () => {
      if (!this.#open) return;
      this.#open = false;
      this.#network.model.dispose();
      for (const { half } of this.#blocks) half?.dispose();
    });
  }

  #turn<T>(work: () => T | Promise<T>): Promise<T> {
    return onBackend(this.#tfjs, () => {
      assert(this.#open, 'the scorer is closed');
      return work();
    });
  }

  get #hasHidden(): boolean {
    return this.#shape.hiddenLayers.length > 0;
  }

  /** Writes the scores (M) to the beginning of `out`. */
  async #scoreUser(user: number, out: Float32Array): Promise<void> {
    for (const block of this.#blocks) {
      const output = this.#tfjs.core.tidy(() => this.#scoreBlock(user, block));
      out.set(await output.data(), block.first);
      output.dispose();
    }
  }

  /** The outputs (rows × 1): the sum of the parts that the model has. */
  #scoreBlock(user: number, { first, rows, half }: MovieBlock): Tensor {
    const { core } = this.#tfjs;
    const { biases, dotProduct } = this.#shape;
    const userRow = (table: string) => this.#rows(table, user, 1);
    const parts: Tensor[] = [];
    if (half) {
      const userHalf = core.matMul(userRow('user_embeddings'), this.#firstWeights(0));
      parts.push(this.#upperLayers(core.relu(core.add(half, userHalf))));
    } else parts.push(this.#network.read('output_biases'));
    if (biases) parts.push(core.add(this.#rows('movie_biases', first, rows), userRow('user_biases')));
    if (dotProduct) {
      const movies = this.#rows('movie_embeddings', first, rows);
      parts.push(core.matMul(movies, userRow('user_embeddings'), false, true));
    }
    return parts.reduce((sum, part) => core.add(sum, part));
  }

  #rows(table: string, first: number, rows: number): Tensor2D {
    return this.#tfjs.core.slice(this.#network.read(table) as Tensor2D, [first, 0], [rows, -1]);
  }

  /** The half of W₁ (K × H1) that begins with this input: 0 is the users', K the movies'. */
  #firstWeights(firstInput: number): Tensor2D {
    const weights = this.#network.read('hidden_1_weights') as Tensor2D;
    return this.#tfjs.core.slice(weights, [firstInput, 0], [this.#shape.embeddingWidth, -1]);
  }

  #movieHalf(first: number, rows: number): Tensor {
    const movies = this.#rows('movie_embeddings', first, rows);
    const products = this.#tfjs.core.matMul(movies, this.#firstWeights(this.#shape.embeddingWidth));
    return this.#tfjs.core.add(products, this.#network.read('hidden_1_biases'));
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
