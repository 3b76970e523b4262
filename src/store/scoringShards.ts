// The shards of a batch scoring: taken by one worker at a time, written in one transaction, taken again when their worker has died.
// `attempt` counts the takings; every write names it, so that a worker that was thought dead changes nothing any more.

import { AppError } from '../errors.js';
import { copyLists, type Lists } from './predictions.js';
import { inTransaction, type Store } from './store.js';

/** The beat is every second. */
const LOST_AFTER_SECONDS = 20;
const MAX_ATTEMPTS = 10;

export interface Shard {
  scoringRunId: number;
  shard: number;
  /** Rows of the user embedding: from firstIndex to before endIndex. */
  firstIndex: number;
  endIndex: number;
  attempt: number;
}

const IS_FREE = `(shard.status = 'QUEUED'
  or shard.status = 'RUNNING' and shard.heartbeat_at < clock_timestamp() - make_interval(secs => ${LOST_AFTER_SECONDS}))`;

/** null when there is none to take. @throws AppError SCORING_LOST when workers have died of this shard again and again */
export async function claimShard(store: Store, scoringRunId: number): Promise<Shard | null> {
  const { rows } = await store.pool.query<Shard>(
    `with started as (
       update scoring_runs set status = 'RUNNING', started_at = coalesce(started_at, now())
       where id = $1 and status in ('QUEUED', 'RUNNING') and (status = 'QUEUED' or started_at is null)
     ),
     -- Asked once, whatever the plan: an inner side of a join may be asked again for each row, and each time find another shard.
     free as materialized (
       select scoring_run_id, shard.shard
       from scoring_shards shard
       join scoring_runs run on run.id = scoring_run_id and run.status in ('QUEUED', 'RUNNING')
       where scoring_run_id = $1 and ${IS_FREE}
       order by shard.shard
       limit 1
       for update of shard skip locked
     )
     update scoring_shards as taken
     set status = 'RUNNING', attempt = taken.attempt + 1, heartbeat_at = clock_timestamp()
     from free
     where taken.scoring_run_id = free.scoring_run_id and taken.shard = free.shard
     returning taken.scoring_run_id as "scoringRunId", taken.shard, first_index as "firstIndex",
       end_index as "endIndex", attempt`,
    [scoringRunId],
  );
  if (rows.length === 0) return null;
  if (rows[0].attempt > MAX_ATTEMPTS) {
    const { shard } = rows[0];
    throw new AppError(
      'SCORING_LOST',
      `shard ${shard} was begun ${MAX_ATTEMPTS} times, and no worker came back`,
    );
  }
  return rows[0];
}

/** Scorings that a worker could do something for: a shard to take, or all written and not shown. */
export async function listWaitingScorings(store: Store): Promise<number[]> {
  const { rows } = await store.pool.query<{ id: number }>(
    `select id from scoring_runs run
     where status in ('QUEUED', 'RUNNING') and (
       exists (select from scoring_shards shard where scoring_run_id = id and ${IS_FREE})
       or not exists (select from scoring_shards shard where scoring_run_id = id and status <> 'SUCCEEDED'))
     order by id`,
  );
  return rows.map(({ id }) => id);
}

/** Says that the worker is alive; false when the shard is no longer its own and it should stop. */
export async function beatShard(store: Store, { scoringRunId, shard, attempt }: Shard): Promise<boolean> {
  const { rowCount } = await store.pool.query(
    `update scoring_shards
     set heartbeat_at = clock_timestamp()
     from scoring_runs run
     where scoring_run_id = $1 and shard = $2 and attempt = $3 and scoring_shards.status = 'RUNNING'
       and run.id = $1 and run.status = 'RUNNING'`,
    [scoringRunId, shard, attempt],
  );
  return rowCount === 1;
}

/** All rows of a shard or none. @throws AppError SCORING_LOST when the shard is no longer the caller's, or what `parts` throws */
export async function saveShard(store: Store, shard: Shard, parts: AsyncIterable<Lists>): Promise<void> {
  await inTransaction(store.pool, async (client) => {
    const rows = await copyLists(client, shard.scoringRunId, parts);
    const { rowCount } = await client.query(
      `update scoring_shards
       set status = 'SUCCEEDED', rows = $4
       from (select status from scoring_runs where id = $1 for share) as run
       where scoring_run_id = $1 and shard = $2 and attempt = $3 and scoring_shards.status = 'RUNNING'
         and run.status = 'RUNNING'`,
      [shard.scoringRunId, shard.shard, shard.attempt, rows],
    );
    if (rowCount !== 1)
      throw new AppError('SCORING_LOST', `shard ${shard.shard} was taken over, or its scoring has ended`);
  });
}

/** Gives a shard back, for any worker to take; otherwise does nothing. */
export async function releaseShard(store: Store, { scoringRunId, shard, attempt }: Shard): Promise<void> {
  await store.pool.query(
    `update scoring_shards
     set status = 'QUEUED', heartbeat_at = null
     where scoring_run_id = $1 and shard = $2 and attempt = $3 and status = 'RUNNING'`,
    [scoringRunId, shard, attempt],
  );
}
