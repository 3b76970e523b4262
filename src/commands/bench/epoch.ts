// bench epoch: whole epochs of training, shuffling included, and what the order of an epoch costs alone.
// Never extrapolates: an engine that would take too long is left out.

import type { Engine, TrainingRatings } from '../../engines/engine.js';
import { fillEpochOrder } from '../../engines/shuffle.js';
import { flopsOfSample, type Hardware, overFloor } from './cost.js';
import type { BenchSettings } from './settings.js';
import { BENCH_SEED, checkFinite, openBenchTrainer, stepper } from './step.js';
import { secondsOf, type Timing, toTiming, warmUp } from './timing.js';

/** An epoch that would take longer is not measured. */
export const MAX_EPOCH_SECONDS = 120;
const WARM_UP_SECONDS = 1;

/** The seconds of an epoch, or about how many it would take where that is too long. */
export async function timeEpochs(
  engine: Engine,
  settings: BenchSettings,
  ratings: TrainingRatings,
): Promise<Timing | { tooLong: number }> {
  const { stepsPerEpoch, repeats } = settings;
  const trainer = await openBenchTrainer(engine, settings, ratings);
  try {
    const step = await warmUp(stepper(trainer, stepsPerEpoch), WARM_UP_SECONDS, stepsPerEpoch);
    if (step * stepsPerEpoch > MAX_EPOCH_SECONDS) return { tooLong: step * stepsPerEpoch };
    const raw: number[] = [];
    // Epoch 0 was begun by the warm-up.
    for (let epoch = 1; epoch <= repeats; epoch++) {
      raw.push(
        await secondsOf(async () =>
          checkFinite((await trainer.train(epoch, 0, stepsPerEpoch)).squaredErrorSum),
        ),
      );
    }
    return toTiming(raw, 1);
  } finally {
    await trainer.close();
  }
}

/** The order of all positions of an epoch, on one thread of JavaScript; median of the repeats. */
export async function timeOrder({ trainedRatings, repeats }: BenchSettings): Promise<number> {
  const order = new Uint32Array(trainedRatings);
  const raw: number[] = [];
  for (let epoch = 0; epoch <= repeats; epoch++) {
    raw.push(
      await secondsOf(async () =>
        fillEpochOrder({ seed: BENCH_SEED, epoch, count: trainedRatings }, 0, order),
      ),
    );
  }
  // The first one is the warm-up.
  return toTiming(raw.slice(1), 1).median;
}

export function epochFigures(
  { raw, median, spread }: Timing,
  { shape, stepsPerEpoch, trainedRatings }: BenchSettings,
  hardware: Hardware | null,
  orderSeconds: number,
) {
  return {
    seconds: median,
    spread,
    usPerStep: (median / stepsPerEpoch) * 1e6,
    samplesPerSecond: trainedRatings / median,
    floorRatio: overFloor(median, trainedRatings * flopsOfSample(shape), hardware),
    orderSeconds,
    orderShare: orderSeconds / median,
    stepsPerEpoch,
    trainedRatings,
    rawSeconds: raw,
    hardware,
  };
}
