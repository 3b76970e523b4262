// Training with the model's own trainOnBatch, under an optimizer that is ours.
// tf.train.momentum keeps a = −v/lr instead of v: a stored v would not come back to the same bits, nor survive another rate.

import assert from 'node:assert/strict';
import type { Optimizer, Tensor, Variable } from '@tensorflow/tfjs-core';
import { type BatchReader, checkOptimizer, checkPairs, checkRatings, openBatches } from './batches.js';
import type { OptimizerSettings, Parameters, StepsResult, Trainer, TrainerOptions } from './engine.js';
import { checkParameters, zeroParameters } from './shape.js';
import { onBackend, type Tfjs } from './tfjsBackend.js';
import {
  buildNetwork,
  type Network,
  pairTensors,
  predictBlock,
  predictInBlocks,
  readParameters,
  rowsAtOnce,
  tensorOf,
} from './tfjsModel.js';

export function openTfjsTrainer(tfjs: Tfjs, options: TrainerOptions): Promise<Trainer> {
  return onBackend(tfjs, () => new TfjsTrainer(tfjs, options));
}

class TfjsTrainer implements Trainer {
  readonly #tfjs: Tfjs;
  readonly #options: TrainerOptions;
  readonly #readBatch: BatchReader;
  readonly #network: Network;
  /** In the order of the parameters. */
  readonly #velocities: Variable[];
  #open = true;

  constructor(tfjs: Tfjs, options: TrainerOptions) {
    const { shape, parameters, ratings, optimizer, seed } = options;
    const velocities = options.velocities ?? zeroParameters(shape);
    checkParameters(shape, velocities);
    checkRatings(shape, ratings);
    checkOptimizer(optimizer);
    this.#tfjs = tfjs;
    this.#options = options;
    this.#readBatch = openBatches(ratings, optimizer.batchSize, seed);
    this.#network = buildNetwork(tfjs, shape, parameters);
    this.#velocities = tfjs.core.tidy(() =>
      velocities.map((v) => tfjs.core.variable(tensorOf(tfjs, v), false)),
    );
    const slots = new Map(this.#network.weights.map(({ name }, index) => [name, this.#velocities[index]]));
    const momentum = denseMomentum(tfjs, optimizer, slots);
    this.#network.model.compile({ optimizer: momentum, loss: 'meanSquaredError' });
  }

  async train(epoch: number, firstStep: number, steps: number): Promise<StepsResult> {
    const result = { squaredErrorSum: 0, samples: 0 };
    for (let step = firstStep; step < firstStep + steps; step++) {
      await this.#turn(async () => {
        const batch = this.#readBatch(epoch, step);
        const samples = batch.targets.length;
        result.squaredErrorSum += (await this.#trainOnBatch(batch)) * samples;
        result.samples += samples;
      });
    }
    return result;
  }

  async predict(userIndices: Int32Array, movieIndices: Int32Array): Promise<Float32Array> {
    const { shape } = this.#options;
    checkPairs(shape, userIndices, movieIndices);
    return predictInBlocks(rowsAtOnce(shape), userIndices, movieIndices, (users, movies) =>
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

  velocities(): Promise<Parameters> {
    return this.#turn(() => readParameters(this.#options.shape, this.#velocities));
  }

  close(): Promise<void> {
    return onBackend(this.#tfjs, () => {
      if (!this.#open) return;
      this.#open = false;
      this.#network.model.dispose();
      this.#tfjs.core.dispose(this.#velocities);
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

/** v ← μv − lr·g, w ← w + v. `slots` gives the velocity of each weight by the name of its variable. */
function denseMomentum(
  { core }: Tfjs,
  { learningRate, momentum }: OptimizerSettings,
  slots: Map<string, Variable>,
): Optimizer {
  class DenseMomentum extends core.Optimizer {
    static readonly className = 'DenseMomentum';

    override applyGradients(gradients: { name: string; tensor: Tensor }[]): void {
      core.tidy(() => {
        for (const { name, tensor } of gradients) {
          const weight = core.engine().registeredVariables[name];
          const velocity = slots.get(name)!;
          velocity.assign(core.sub(core.mul(velocity, momentum), core.mul(tensor, learningRate)));
          weight.assign(core.add(weight, velocity));
        }
      });
    }

    override getConfig() {
      return { learningRate, momentum };
    }
  }
  return new DenseMomentum();
}
