// What an engine's step is compared with, measured in the same run: tfjs:wasm as TensorFlow.js publishes it, and with our
// kernels. The first runs in a thread of its own: a registry holds one kernel of a name, so the two cannot share one.

import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { EngineDoor, TrainingRatings } from '../../engines/engine.js';
import { ENGINE_DOORS } from '../../engines/open.js';
import type { BenchSettings } from './settings.js';
import { timeSteps } from './step.js';

/** Seconds a step; null: it cannot run here, or has no such model. */
export interface Baselines {
  stock: number | null;
  tuned: number | null;
}

/** A step takes 15 to 100 ms, so that more than this would only be waiting. */
export const BASELINE_TIMING = { seconds: 2, repeats: 3 };

const TUNED = 'tfjs:wasm';

/** Of one engine after the other, so that neither slows the other down. */
export async function measureBaselines(
  settings: BenchSettings,
  ratings: TrainingRatings,
): Promise<Baselines> {
  const door = ENGINE_DOORS.find(({ name }) => name === TUNED);
  const tuned = door ? await medianStep(door, settings, ratings) : null;
  return { stock: await stockInThread(settings), tuned };
}

/** Median seconds of a step, or null. */
export async function medianStep(
  door: EngineDoor,
  settings: BenchSettings,
  ratings: TrainingRatings,
): Promise<number | null> {
  if (door.refusalOf(settings.shape) !== null) return null;
  if (!(await door.probe(settings)).available) return null;
  return (await timeSteps(await door.open(settings), settings, ratings, BASELINE_TIMING)).median;
}

async function stockInThread(settings: BenchSettings): Promise<number | null> {
  const worker = new Worker(new URL('./stockThread.js', import.meta.url), { workerData: settings });
  try {
    // An error of the thread is thrown here.
    const [median] = await once(worker, 'message');
    return median;
  } finally {
    await worker.terminate();
  }
}
