// Trainers and scorers on kernels of our own, the same for the addon, for WebAssembly and for WebGPU: checks at the boundary, calls
// one after another, and the place in the epoch.

import assert from 'node:assert/strict';
import {
  checkIndices,
  checkOptimizer,
  checkRatings,
  initialState,
  learningRateOf,
  stepsPerEpoch,
} from './batches.js';
import { type CpuDevice, type CpuModel, predictPairs, refusalOfShape, tensorNumber } from './cpuModel.js';
import type {
  Engine,
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
import { checkParameters, parameterShapes, sizeOf } from './shape.js';
import { orderKeys, orderRadices } from './shuffle.js';
import { checkTopMovies } from './topMovies.js';
import { Turns } from './turns.js';

export function cpuEngine(device: CpuDevice): Engine {
  return {
    name: device.name,
    device: device.device,
    threads: device.threads,
    openTrainer: (options) => openTrainer(device, options),
    openScorer: (shape, parameters) => openScorer(device, shape, parameters),
  };
}

async function openTrainer(device: CpuDevice, options: TrainerOptions): Promise<Trainer> {
  const { shape, parameters, ratings, optimizer } = options;
  checkShape(device, shape);
  checkParameters(shape, parameters);
  checkRatings(shape, ratings);
  checkOptimizer(optimizer);
  const state = initialState(options);
  // A batch is never larger than the ratings, whatever was asked for.
  const batchSize = Math.min(optimizer.batchSize, ratings.targets.length);
  const model = await device.openModel({
    shape,
    optimizer: { ...optimizer, batchSize },
    ratings: ratings.targets.length,
  });
  return orClose(model, async () => {
    // Once more: the caller may have changed them since.
    checkRatings(shape, ratings);
    model.setRatings(ratings);
    for (const [part, tensors] of [parameters, ...state.moments].entries()) writeAll(model, part, tensors);
    model.writeSteps(state.steps);
    return new CpuTrainer(model, options);
  });
}

async function openScorer(device: CpuDevice, shape: ModelShape, parameters: Parameters): Promise<Scorer> {
  checkShape(device, shape);
  checkParameters(shape, parameters);
  const model = await device.openModel({ shape, optimizer: null, ratings: 0 });
  return orClose(model, async () => {
    writeAll(model, 0, parameters);
    await model.prepareScoring();
    return new CpuScorer(model, shape);
  });
}

/** What `work` gives; when it fails, the model is closed. */
async function orClose<T>(model: CpuModel, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    await model.close();
    throw error;
  }
}

function checkShape({ name }: CpuDevice, shape: ModelShape): void {
  const refusal = refusalOfShape(shape);
  assert(refusal === null, `engine ${name} has ${refusal}; tfjs:wasm and tfjs:cpu have`);
}

function writeAll(model: CpuModel, part: number, tensors: Parameters): void {
  for (const { name, values } of tensors) model.write(tensorNumber(name), part, values);
}

async function readAll(model: CpuModel, part: number, shape: ModelShape): Promise<Parameters> {
  const tensors = parameterShapes(shape).map((parameter) => ({
    ...parameter,
    values: new Float32Array(sizeOf(parameter.shape)),
  }));
  for (const { name, values } of tensors) await model.read(tensorNumber(name), part, values);
  return tensors;
}

class CpuTrainer implements Trainer {
  readonly #options: TrainerOptions;
  readonly #turns: Turns<CpuModel>;
  /** The epoch of the last step, while rows may have steps to catch up with. */
  #openEpoch: number | null = null;

  constructor(model: CpuModel, options: TrainerOptions) {
    this.#options = options;
    this.#turns = new Turns('trainer', model);
  }

  train(epoch: number, firstStep: number, steps: number): Promise<StepsResult> {
    return this.#turns.take(async (model) => {
      const { optimizer, ratings } = this.#options;
      const stepsInEpoch = stepsPerEpoch(ratings.targets.length, optimizer.batchSize);
      const last = firstStep + steps - 1;
      assert(firstStep >= 0 && last < stepsInEpoch, `batch ${Math.max(last, firstStep)} of ${stepsInEpoch}`);
      if (steps === 0) return { squaredErrorSum: 0, samples: 0 };
      // An epoch that was left before its end: its skipped steps were at its own rate.
      if (this.#openEpoch !== null && this.#openEpoch !== epoch)
        await model.train(this.#part(this.#openEpoch, 0, 0, true));
      // At the end of an epoch, so that what was skipped never depends on who looked at the parameters when.
      const catchUp = last === stepsInEpoch - 1;
      this.#openEpoch = catchUp ? null : epoch;
      return model.train(this.#part(epoch, firstStep, steps, catchUp));
    });
  }

  predict(userIndices: Int32Array, movieIndices: Int32Array): Promise<Float32Array> {
    return this.#turns.take((model) => predictPairs(model, this.#options.shape, userIndices, movieIndices));
  }

  parameters(): Promise<Parameters> {
    return this.#turns.take((model) => readAll(model, 0, this.#options.shape));
  }

  state(): Promise<OptimizerState> {
    const parts = this.#options.optimizer.kind === 'adam' ? [1, 2] : [1];
    return this.#turns.take(async (model) => {
      const moments: Parameters[] = [];
      for (const part of parts) moments.push(await readAll(model, part, this.#options.shape));
      return { steps: model.readSteps(), moments };
    });
  }

  close(): Promise<void> {
    return this.#turns.close();
  }

  #part(epoch: number, firstStep: number, steps: number, catchUp: boolean) {
    const { optimizer, ratings, seed } = this.#options;
    const count = ratings.targets.length;
    const { a, b } = orderRadices(count);
    const order = Uint32Array.of(count, a, b, ...orderKeys({ seed, epoch }));
    return { learningRate: learningRateOf(optimizer, epoch), firstStep, steps, order, catchUp };
  }
}

class CpuScorer implements Scorer {
  readonly #shape: ModelShape;
  readonly #turns: Turns<CpuModel>;

  constructor(model: CpuModel, shape: ModelShape) {
    this.#shape = shape;
    this.#turns = new Turns('scorer', model);
  }

  predict(userIndices: Int32Array, movieIndices: Int32Array): Promise<Float32Array> {
    return this.#turns.take((model) => predictPairs(model, this.#shape, userIndices, movieIndices));
  }

  scoreMovies(userIndices: Int32Array): Promise<Float32Array> {
    return this.#turns.take((model) => {
      const users = userIndices.slice();
      checkIndices('user', users, this.#shape.users);
      return model.scoreMovies(users);
    });
  }

  topMovies(request: TopMoviesRequest): Promise<TopMovies> {
    return this.#turns.take((model) => {
      checkTopMovies(this.#shape.movies, request);
      const userIndices = request.userIndices.slice();
      checkIndices('user', userIndices, this.#shape.users);
      return model.topMovies({ ...request, userIndices });
    });
  }

  close(): Promise<void> {
    return this.#turns.close();
  }
}
