// Training with the model's own trainOnBatch, under an optimizer that is ours (engines/tfjsOptimizers.ts).

import assert from 'node:assert/strict';
import { type BatchReader, checkOptimizer, checkPairs, checkRatings, openBatches } from './batches.js';
import type { OptimizerState, Parameters, StepsResult, Trainer, TrainerOptions } from './engine.js';
import { onBackend, type Tfjs } from './tfjsBackend.js';
import {
  buildNetwork,
  type Network,
  pairTensors,
  predictBlock,
  predictInBlocks,
  readParameters,
  rowsAtOnce,
} from './tfjsModel.js';
import { TfjsOptimizer } from './tfjsOptimizers.js';

export function openTfjsTrainer(tfjs: Tfjs, options: TrainerOptions): Promise<Trainer> {
  return onBackend(tfjs, () => new TfjsTrainer(tfjs, options));
}

class TfjsTrainer implements Trainer {
  readonly #tfjs: Tfjs;
  readonly #options: TrainerOptions;
  readonly #readBatch: BatchReader;
  readonly #network: Network;
  readonly #optimizer: TfjsOptimizer;
  #open = true;

  constructor(tfjs: Tfjs, options: TrainerOptions) {
    const { shape, parameters, ratings, optimizer, seed } = options;
    checkRatings(shape, ratings);
    checkOptimizer(optimizer);
    this.#tfjs = tfjs;
    this.#options = options;
    this.#readBatch = openBatches(ratings, optimizer.batchSize, seed);
    this.#network = buildNetwork(tfjs, shape, parameters);
    this.#optimizer = new TfjsOptimizer(tfjs, options, this.#network);
    this.#network.model.compile({ optimizer: this.#optimizer.forModel, loss: 'meanSquaredError' });
  }

  async train(epoch: number, firstStep: number, steps: number): Promise<StepsResult> {
    const result = { squaredErrorSum: 0, samples: 0 };
    for (let step = firstStep; step < firstStep + steps; step++) {
      await this.#turn(async () => {
        const batch = this.#readBatch(epoch, step);
        const samples = batch.targets.length;
        this.#optimizer.beginStep(epoch, batch);
        result.squaredErrorSum += (await this.#trainOnBatch(batch)) * samples;
        result.samples += samples;
      });
    }
    return result;
  }

  async predict(userIndices: Int32Array, movieIndices: Int32Array): Promise<Float32Array> {
    const { shape } = this.#options;
    checkPairs(shape, userIndices, movieIndices);
    return predictInBlocks(rowsAtOnce(this.#tfjs, shape), userIndices, movieIndices, (users, movies) =>
      this.#turn(() => predictBlock(this.#tfjs, this.#network.model, users, movies)),
    );
  }

  parameters(): Promise<Parameters> {
    const { shape } = this.#options;
    return this.#turn(() =>
      readParameters(
        shape,
        this.#network.weights.map((weight) => weight.read()),
      ),
    );
  }

  state(): Promise<OptimizerState> {
    return this.#turn(() => this.#optimizer.state());
  }

  close(): Promise<void> {
    return onBackend(this.#tfjs, () => {
      if (!this.#open) return;
      this.#open = false;
      this.#network.model.dispose();
      this.#optimizer.dispose();
    });
  }

  #turn<T>(work: () => T | Promise<T>): Promise<T> {
    return onBackend(this.#tfjs, () => {
      assert(this.#open, 'the trainer is closed');
      return work();
    });
  }

  /** One step; returns the mean squared error before it. */
  async #trainOnBatch({ userIndices, movieIndices, targets }: TrainerOptions['ratings']): Promise<number> {
    const inputs = pairTensors(this.#tfjs, userIndices, movieIndices);
    const expected = this.#tfjs.core.tensor2d(targets.slice(), [targets.length, 1]);
    try {
      return (await this.#network.model.trainOnBatch(inputs, expected)) as number;
    } finally {
      this.#tfjs.core.dispose([...inputs, expected]);
    }
  }
}
