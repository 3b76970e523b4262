// What a run tells while it trains, kept with its record: the log of a worker may be on another machine, or gone.
// Figures of epochs are not repeated here.

import type { LogLevel, RunLog } from './prisma/client.js';
import type { Store } from './store.js';

export async function appendRunLog(
  store: Store,
  runId: number,
  level: LogLevel,
  message: string,
): Promise<void> {
  await store.pool.query('insert into run_logs (run_id, level, message) values ($1, $2, $3)', [
    runId,
    level,
    message,
  ]);
}

/** One page for each run, oldest first; `after` is the id of a line or null. */
export async function runLogPages(
  store: Store,
  runIds: readonly number[],
  first: number,
  after: number | null,
): Promise<RunLog[][]> {
  const { rows } = await store.pool.query<RunLog>(
    `select line.*
     from unnest($1::int[]) as run (id)
     cross join lateral (
       select id, run_id as "runId", logged_at as "loggedAt", level, message
       from run_logs
       where run_id = run.id and id > $2
       order by id
       limit $3
     ) as line
     order by line.id`,
    [runIds, after ?? 0, first],
  );
  return runIds.map((runId) => rows.filter((row) => row.runId === runId));
}
