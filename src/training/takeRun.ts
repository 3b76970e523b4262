// Claims a run for this process, together with the GPU of the machine where it will train on that: one run at a time. Engines differ in what they
// call a GPU, and all of them take the first, so it goes by the machine's name alone.
// Apart from the store, which knows no engines, and from the thread that trains, which begins when the claim has been granted.

import { hostname } from 'node:os';
import type { EngineSettings } from '../engines/engine.js';
import { ENGINE_DOORS, needsGpu } from '../engines/open.js';
import { storedHyperparameters } from '../store/hyperparameters.js';
import type { TrainingRun } from '../store/prisma/client.js';
import { claimRun, findRun } from '../store/runs.js';
import type { Store } from '../store/store.js';

/** null when somebody else has it, or it has ended. @throws AppError GPU_BUSY: it waits on */
export async function takeRun(
  store: Store,
  id: number,
  { threads }: EngineSettings,
  doors = ENGINE_DOORS,
): Promise<TrainingRun | null> {
  const run = await findRun(store, id);
  if (run?.status !== 'QUEUED') return null;
  const shape = storedHyperparameters(run.hyperparameters);
  // As training/thread.ts opens them.
  const isForGpu = await needsGpu([run.engine, run.engineAsked], { threads, shape }, doors);
  return claimRun(store, id, isForGpu ? hostname() : null);
}
