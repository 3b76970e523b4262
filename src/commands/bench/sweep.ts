// bench sweep: whole sweeps of the Gibbs sampler, and the rows' part of them, over the arithmetic that normal equations and Cholesky
// factors need.

import type { Engine, TrainingRatings } from '../../engines/engine.js';
import { referenceDoor } from '../../engines/open.js';
import type { Sampler, SamplerOptions } from '../../engines/sweeps.js';
import { AppError } from '../../errors.js';
import { bytesOfSweep, flopsOfSweep, type Hardware, overBandwidth, overFloor } from './cost.js';
import { benchRatings } from './ratings.js';
import { type BenchSettings, SHAPES } from './settings.js';
import { BENCH_SEED, checkFinite } from './step.js';
import { secondsOf, type Timing, toTiming } from './timing.js';

const TINY = SHAPES.tiny;
/** float32 against float64 over two sweeps; measured: below 1e-3. */
const TOLERANCE = 1e-2;

/** Engines without sweeps pass: they are skipped. @throws AppError BENCH_WRONG_RESULT, USAGE */
export async function verifySweeps(engine: Engine, { shape }: BenchSettings): Promise<void> {
  if (shape.hiddenLayers.length > 0)
    throw new AppError('USAGE', 'bench sweep is for --preset fast, accurate, maximum or mf');
  if (!engine.openSampler) return;
  const small = { ...shape, users: TINY.users, movies: TINY.movies };
  const options = { shape: small, ratings: benchRatings(small, TINY.ratings), burnIn: 0, seed: BENCH_SEED };
  const reference = await referenceDoor.open({ threads: 1 });
  const [actual, expected] = [await squaresOf(engine, options), await squaresOf(reference, options)];
  if (Math.abs(actual - expected) <= TOLERANCE * expected) return;
  const message = `engine ${engine.name}: squared errors of two sweeps are ${actual}, expected ${expected}`;
  throw new AppError('BENCH_WRONG_RESULT', message);
}

async function squaresOf(engine: Engine, options: SamplerOptions): Promise<number> {
  const sampler = await engine.openSampler!(options);
  try {
    await sampler.sweep();
    return (await sampler.sweep()).squaredErrorSum;
  } finally {
    await sampler.close();
  }
}

interface SweepTiming {
  sweep: Timing;
  rows: Timing;
}

/** Null where the engine has no sweeps. The first sweep is the warm-up; averaging goes on in all that are timed. */
export async function timeSweeps(
  engine: Engine,
  { shape, repeats }: BenchSettings,
  ratings: TrainingRatings,
): Promise<SweepTiming | null> {
  if (!engine.openSampler) return null;
  const sampler: Sampler = await engine.openSampler({ shape, ratings, burnIn: 0, seed: BENCH_SEED });
  try {
    const rows: number[] = [];
    const sweep = async () => {
      const { squaredErrorSum, rowSeconds = Number.NaN } = await sampler.sweep();
      checkFinite(squaredErrorSum);
      rows.push(rowSeconds);
    };
    await sweep();
    rows.length = 0;
    const raw: number[] = [];
    for (let repeat = 0; repeat < repeats; repeat++) raw.push(await secondsOf(sweep));
    return { sweep: toTiming(raw, 1), rows: toTiming(rows, 1) };
  } finally {
    await sampler.close();
  }
}

export function sweepFigures(
  { sweep: { raw, median, spread }, rows }: SweepTiming,
  { shape, trainedRatings }: BenchSettings,
  hardware: Hardware | null,
) {
  const flops = flopsOfSweep(shape, trainedRatings);
  return {
    ...{ secondsPerSweep: median, spread, trainedRatings, embeddingWidth: shape.embeddingWidth },
    ratingsPerSecond: trainedRatings / median,
    gflops: flops / median / 1e9,
    floorRatio: overFloor(median, flops, hardware),
    rowSeconds: rows.median,
    rowFloorRatio: overFloor(rows.median, flops, hardware),
    bandwidthRatio: overBandwidth(median, bytesOfSweep(shape, trainedRatings), hardware),
    peakRssMiB: Math.round(process.resourceUsage().maxRSS / 1024),
    ...{ rawSeconds: raw, hardware },
  };
}
