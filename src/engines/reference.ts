// What the numbers must be: plain loops over one sample at a time, sums in float64, parameters in float32.
// The other engines are held to it by test/engines.contract.test.ts. Not offered to users: it is slow on purpose of being plain.

import assert from 'node:assert/strict';
import {
  checkIndices,
  checkOptimizer,
  checkPairs,
  checkRatings,
  copyState,
  initialState,
  openBatches,
} from './batches.js';
import type {
  Engine,
  EngineDoor,
  ModelShape,
  OptimizerState,
  Parameters,
  Scorer,
  StepsResult,
  TopMovies,
  TopMoviesRequest,
  Trainer,
  TrainerOptions,
} from './engine.js';
import { addGradients, type Network, networkOf, outputOf } from './referenceNetwork.js';
import { applyStep } from './referenceOptimizers.js';
import { ReferenceSampler } from './referenceSweeps.js';
import { checkParameters, copyParameters } from './shape.js';
import { topMoviesByScores } from './topMovies.js';

export const referenceDoor: EngineDoor = {
  name: 'reference',
  probe: async () => ({ name: 'reference', available: true, device: 'CPU, 1 thread', reason: null }),
  open: async () => referenceEngine,
  refusalOf: () => null,
  hasSweeps: true,
};

const referenceEngine: Engine = {
  name: 'reference',
  device: 'CPU, 1 thread',
  threads: 1,
  openTrainer: async (options) => new ReferenceTrainer(options),
  openScorer: async (shape, parameters) => new ReferenceScorer(shape, parameters),
  openSampler: async (options) => new ReferenceSampler(options),
};

class ReferenceScorer implements Scorer {
  readonly #shape: ModelShape;
  readonly #network: Network<Float32Array>;
  #open = true;

  constructor(shape: ModelShape, parameters: Parameters) {
    checkParameters(shape, parameters);
    this.#shape = shape;
    this.#network = networkOfParameters(shape, copyParameters(parameters));
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
      for (let m = 0; m < M; m++) scores[row * M + m] = outputOf(this.#network, u, m);
    }
    return scores;
  }

  topMovies(request: TopMoviesRequest): Promise<TopMovies> {
    return topMoviesByScores(this, this.#shape.movies, request);
  }

  async close(): Promise<void> {
    this.#open = false;
  }
}

class ReferenceTrainer implements Trainer {
  readonly #options: TrainerOptions;
  readonly #readBatch;
  readonly #parameters: Parameters;
  readonly #state: OptimizerState;
  readonly #network: Network<Float32Array>;
  #open = true;

  constructor(options: TrainerOptions) {
    const { shape, parameters, ratings, optimizer, seed } = options;
    checkParameters(shape, parameters);
    checkRatings(shape, ratings);
    checkOptimizer(optimizer);
    this.#options = options;
    this.#readBatch = openBatches(ratings, optimizer.batchSize, seed);
    this.#parameters = copyParameters(parameters);
    this.#state = initialState(options);
    this.#network = networkOfParameters(shape, this.#parameters);
  }

  async train(epoch: number, firstStep: number, steps: number): Promise<StepsResult> {
    assert(this.#open, 'the trainer is closed');
    const result = { squaredErrorSum: 0, samples: 0 };
    for (let step = firstStep; step < firstStep + steps; step++) {
      const batch = this.#readBatch(epoch, step);
      const gradients = this.#parameters.map((tensor) => new Float64Array(tensor.values.length));
      result.squaredErrorSum += addGradients(this.#network, networkOf(this.#options.shape, gradients), batch);
      result.samples += batch.targets.length;
      this.#state.steps++;
      applyStep(this.#parameters, this.#state.moments, gradients, {
        optimizer: this.#options.optimizer,
        epoch,
        t: this.#state.steps,
        batch,
      });
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

  async state(): Promise<OptimizerState> {
    return copyState(this.#state);
  }

  async close(): Promise<void> {
    this.#open = false;
  }
}

function networkOfParameters(shape: ModelShape, parameters: Parameters): Network<Float32Array> {
  return networkOf(
    shape,
    parameters.map((tensor) => tensor.values),
  );
}

function predictPairs(network: Network<Float32Array>, users: Int32Array, movies: Int32Array): Float32Array {
  return Float32Array.from(users, (u, i) => outputOf(network, u, movies[i]));
}
