// bench step: one optimizer step of training, again and again, on ratings of the shape's sizes.

import type { Engine, Trainer, TrainingRatings } from '../../engines/engine.js';
import { initialParameters } from '../../engines/init.js';
import { AppError } from '../../errors.js';
import type { Baselines } from './baselines.js';
import { bytesOfSample, flopsOfSample, type Hardware, overBandwidth, overFloor } from './cost.js';
import { type BenchSettings, OPTIMIZER } from './settings.js';
import { type Timing, type TimingOptions, timeCalls } from './timing.js';

export const BENCH_SEED = 1;

export async function timeSteps(
  engine: Engine,
  settings: BenchSettings,
  ratings: TrainingRatings,
  options: TimingOptions,
  batchSize = OPTIMIZER.batchSize,
): Promise<Timing> {
  const stepsPerEpoch = Math.ceil(settings.trainedRatings / batchSize);
  const trainer = await openBenchTrainer(engine, settings, ratings, batchSize);
  try {
    return await timeCalls(stepper(trainer, stepsPerEpoch), options, stepsPerEpoch);
  } finally {
    await trainer.close();
  }
}

export function openBenchTrainer(
  engine: Engine,
  { shape }: BenchSettings,
  ratings: TrainingRatings,
  batchSize = OPTIMIZER.batchSize,
): Promise<Trainer> {
  const parameters = initialParameters(shape, BENCH_SEED);
  const optimizer = { ...OPTIMIZER, batchSize };
  return engine.openTrainer({ shape, parameters, optimizer, ratings, seed: BENCH_SEED });
}

/** Trains so many steps each time, with other batches than before until an epoch is over. */
export function stepper(trainer: Trainer, stepsPerEpoch: number): (steps: number) => Promise<void> {
  let next = 0;
  return async (steps) => {
    if (next + steps > stepsPerEpoch) next = 0;
    const { squaredErrorSum } = await trainer.train(0, next, steps);
    next += steps;
    checkFinite(squaredErrorSum);
  };
}

/** Infinite and not-a-number operands may be slower or faster than others. */
export function checkFinite(squaredErrorSum: number): void {
  if (!Number.isFinite(squaredErrorSum))
    throw new AppError('BENCH_WRONG_RESULT', `the loss became ${squaredErrorSum} while it was timed`);
}

export function stepFigures(
  { raw, median, spread, callsPerRepeat }: Timing,
  { shape, stepsPerEpoch, trainedRatings }: BenchSettings,
  hardware: Hardware | null,
  baselines: Baselines,
) {
  // On average: the last batch of an epoch is shorter.
  const rows = trainedRatings / stepsPerEpoch;
  const [flops, bytes] = [rows * flopsOfSample(shape), rows * bytesOfSample(shape)];
  const versus = (baseline: number | null) => baseline && baseline / median;
  return {
    usPerStep: median * 1e6,
    spread,
    secondsPerEpoch: median * stepsPerEpoch,
    samplesPerSecond: rows / median,
    gflops: flops / median / 1e9,
    floorRatio: overFloor(median, flops, hardware),
    bandwidthRatio: overBandwidth(median, bytes, hardware),
    vsTfjsWasm: versus(baselines.stock),
    vsTunedTfjsWasm: versus(baselines.tuned),
    stepsPerEpoch,
    stepsPerRepeat: callsPerRepeat,
    rawUsPerStep: raw.map((seconds) => seconds * 1e6),
    hardware,
    tfjsWasmUsPerStep: baselines.stock && baselines.stock * 1e6,
    tunedTfjsWasmUsPerStep: baselines.tuned && baselines.tuned * 1e6,
  };
}
