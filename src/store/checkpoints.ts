// Checkpoints of runs: all that training needs to go on after an epoch as if nothing had happened. One at a time for each run; a new one
// takes the place of the last in one transaction.

import { AppError } from '../errors.js';
import type { Prisma } from './prisma/client.js';
import type { RunClaim } from './runs.js';
import { inTransaction, type Store } from './store.js';
import { insertArrays, type NamedArray, readArrays } from './tensors.js';

export interface Checkpoint {
  /** Epochs that are done. */
  epoch: number;
  /** Of the ratings it was trained on: others make another model. */
  snapshotChecksum: string;
  /** Steps of the optimizer, or sweeps of the chain. */
  count: number;
  arrays: readonly NamedArray[];
}

type Summary = Omit<Checkpoint, 'arrays'>;

/** @throws AppError RUN_LOST when the run is no longer the caller's: nothing is written then */
export async function saveCheckpoint(
  store: Store,
  { id, attempt }: RunClaim,
  { arrays, ...summary }: Checkpoint,
): Promise<void> {
  await inTransaction(store.pool, async (client) => {
    const { rowCount } = await client.query(
      `update training_runs set checkpoint = $3 where id = $1 and attempt = $2 and status = 'RUNNING'`,
      [id, attempt, JSON.stringify(summary satisfies Summary)],
    );
    if (rowCount !== 1) throw new AppError('RUN_LOST', `run ${id} was ended or taken over`);
    await client.query('delete from checkpoints where run_id = $1', [id]);
    await insertArrays(client, 'checkpoints', { run_id: id, epoch: summary.epoch }, arrays);
  });
}

/** null when there is none. */
export async function findCheckpoint(
  store: Store,
  { id, checkpoint }: { id: number; checkpoint: Prisma.JsonValue },
): Promise<Checkpoint | null> {
  if (checkpoint === null) return null;
  const summary = checkpoint as unknown as Summary;
  const arrays = await readArrays(store.pool, 'checkpoints', { run_id: id, epoch: summary.epoch });
  return { ...summary, arrays };
}
