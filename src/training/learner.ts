// A model while it learns, whichever way: gradient steps (engines/engine.ts) or sweeps (engines/sweeps.ts). What epochs, evaluation
// and the stored result need of it is the same.

import { setImmediate } from 'node:timers/promises';
import type {
  Engine,
  ModelShape,
  OptimizerSettings,
  Parameters,
  Trainer,
  TrainingRatings,
} from '../engines/engine.js';
import { initialParameters } from '../engines/init.js';
import type { Posterior, Sampler, SideAttributes } from '../engines/sweeps.js';
import type { Hyperparameters } from '../store/hyperparameters.js';
import type { EpochMetricRow } from '../store/runProgress.js';
import type { NamedArray } from '../store/tensors.js';
import type { TrainingOptions } from './events.js';
import { fromSamplerState, fromTrainerState, toSamplerState, toTrainerState } from './learnerState.js';

/** Progress is reported, and a cancel seen, about this often. */
const CHUNK_MS = 200;
/** A worker that is to stop has ten seconds in all. */
const EPOCH_SOON_SECONDS = 5;

export interface EpochPlace {
  /** 1-based. */
  epoch: number;
  epochs: number;
  /** Of the epochs before this one. */
  secondsBefore: number;
  /** Refuses a loss that tells of divergence. @throws AppError RUN_DIVERGED */
  check(loss: number): void;
}

/** trainLoss: mean squared error over the epoch, in stars². */
export type EpochOutcome = Pick<EpochMetricRow, 'trainLoss' | 'noise'>;

export interface Learner {
  /** @throws AppError RUN_DIVERGED, or the signal's reason */
  runEpoch(place: EpochPlace, options: TrainingOptions): Promise<EpochOutcome>;
  /** Raw outputs of the model as it would be stored now. */
  predict(userIndices: Int32Array, movieIndices: Int32Array): Promise<Float32Array>;
  parameters(): Promise<Parameters>;
  /** After an epoch: what `openLearner` needs to go on as if nothing had happened. */
  state(): Promise<LearnerState>;
  /** How sure they are; null for models trained by gradient steps. */
  posterior(): Promise<Posterior | null>;
  close(): Promise<void>;
}

/** Any engine goes on from what another one left. */
export interface LearnerState {
  /** Steps of the optimizer, or sweeps of the chain. */
  count: number;
  arrays: readonly NamedArray[];
}

export interface Lesson {
  shape: ModelShape;
  hyperparameters: Hyperparameters;
  ratings: TrainingRatings;
  /** Of users and movies, where they are known; learned from only where the hyperparameters say so. */
  attributes?: SideAttributes;
  seed: number;
}

/** `engine` has models of this kind. */
export async function openLearner(
  engine: Engine,
  { shape, hyperparameters, ratings, attributes, seed }: Lesson,
  former: LearnerState | null = null,
): Promise<Learner> {
  const { kind, burnIn, batchSize, sideInformation } = hyperparameters;
  switch (kind) {
    case 'gradient': {
      const optimizer = optimizerOf(hyperparameters);
      const start = former ? toTrainerState(former) : { parameters: initialParameters(shape, seed) };
      const trainer = await engine.openTrainer({ shape, optimizer, ratings, seed, ...start });
      const steps = Math.ceil(ratings.targets.length / batchSize);
      const state = async () => fromTrainerState(await trainer.parameters(), await trainer.state());
      return withEpochs(trainer, { state, posterior: async () => null }, (place, options) =>
        runSteps(trainer, steps, place, options),
      );
    }
    case 'bayes': {
      const start = former ? { state: toSamplerState(former) } : {};
      const side = sideInformation && attributes ? { attributes } : {};
      const sampler = await engine.openSampler!({ shape, ratings, ...side, burnIn, seed, ...start });
      const state = async () => fromSamplerState(await sampler.state());
      return withEpochs(sampler, { state, posterior: () => sampler.posterior() }, (place, options) =>
        runSweep(sampler, place, options),
      );
    }
    default:
      return kind satisfies never;
  }
}

function withEpochs(
  learner: Pick<Learner, 'predict' | 'parameters' | 'close'>,
  more: Pick<Learner, 'state' | 'posterior'>,
  runEpoch: Learner['runEpoch'],
): Learner {
  return {
    ...{ runEpoch, ...more },
    predict: (users, movies) => learner.predict(users, movies),
    parameters: () => learner.parameters(),
    close: () => learner.close(),
  };
}

function optimizerOf(hyperparameters: Hyperparameters): OptimizerSettings {
  const { learningRate, learningRateDecay, momentum, batchSize } = hyperparameters;
  return {
    kind: hyperparameters.optimizer,
    ...{ learningRate, learningRateDecay, momentum, batchSize },
    l2: {
      embeddings: hyperparameters.l2Embeddings,
      biases: hyperparameters.l2Biases,
      weights: hyperparameters.l2Weights,
    },
  };
}

/** An epoch in chunks of steps. */
async function runSteps(
  trainer: Trainer,
  steps: number,
  place: EpochPlace,
  options: TrainingOptions,
): Promise<EpochOutcome> {
  const begun = performance.now();
  let [step, chunk, squares, samples] = [0, 1, 0, 0];
  while (step < steps) {
    const chunkBegun = performance.now();
    const result = await trainer.train(place.epoch - 1, step, Math.min(chunk, steps - step));
    step = Math.min(steps, step + chunk);
    squares += result.squaredErrorSum;
    samples += result.samples;
    const seconds = (performance.now() - begun) / 1000;
    tell(place, { step, steps, samples, trainLoss: squares / samples, seconds }, options);
    if (performance.now() - chunkBegun < CHUNK_MS / 2) chunk *= 2;
    await yieldTo(options, ((steps - step) * seconds) / step);
  }
  return { trainLoss: squares / samples, noise: null };
}

/** A sweep is an epoch of one step. */
async function runSweep(
  sampler: Sampler,
  place: EpochPlace,
  options: TrainingOptions,
): Promise<EpochOutcome> {
  const begun = performance.now();
  const { squaredErrorSum, samples, noise } = await sampler.sweep();
  const seconds = (performance.now() - begun) / 1000;
  const trainLoss = squaredErrorSum / samples;
  tell(place, { step: 1, steps: 1, samples, trainLoss, seconds }, options);
  await yieldTo(options);
  return { trainLoss, noise: Math.sqrt(noise) };
}

interface Stand {
  step: number;
  steps: number;
  samples: number;
  trainLoss: number;
  /** Of this epoch. */
  seconds: number;
}

function tell(
  { epoch, epochs, secondsBefore, check }: EpochPlace,
  stand: Stand,
  { onEvent }: TrainingOptions,
): void {
  const { step, steps, samples, trainLoss, seconds } = stand;
  check(trainLoss);
  const epochsLeft = epochs - (epoch - 1) - step / steps;
  onEvent?.({
    event: 'progress',
    ...{ epoch, epochs, step, steps, trainLoss },
    samplesPerSecond: samples / seconds,
    etaSeconds: (epochsLeft * (secondsBefore + seconds)) / (epoch - 1 + step / steps),
  });
}

/** A turn of the event loop, so that a cancel gets through. Who is asked to hand back ends the epoch first, if that is soon. */
async function yieldTo({ signal, handBack }: TrainingOptions, secondsLeft = 0): Promise<void> {
  await setImmediate();
  signal?.throwIfAborted();
  if (secondsLeft > EPOCH_SOON_SECONDS) handBack?.throwIfAborted();
}
