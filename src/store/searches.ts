// Searches for hyperparameters. A search is a row, and its trials are training runs, which the queue and its workers treat as any other:
//
//   createSearch ──▶ RUNNING ──advanceSearch (store/searchSteps.ts): rung after rung, then the run of the winner──▶ SUCCEEDED | FAILED
//                     │  ▲
//             cancelSearch resumeSearch
//                     ▼  │
//                   CANCELLED
//
// Whoever ends a run advances its search, and so do the watches of all workers: each holds the search's row while it looks and adds
// runs, so that nothing is added twice, and a process that dies in between leaves all of it or nothing.

import type pg from 'pg';
import { AppError, type ErrorCode } from '../errors.js';
import type { Hyperparameters } from './hyperparameters.js';
import type { RunStatus, Search } from './prisma/client.js';
import { onRung, rungsOf } from './searchPlan.js';
import type { SearchRequest } from './searchRequest.js';
import { inTransaction, type Store } from './store.js';

/** A run that waits for a worker. */
export interface QueuedRun {
  id: number;
  priority: number;
}

/** With its first runs; the search that has the idempotency key already, if there is one. */
export async function createSearch(
  store: Store,
  request: SearchRequest,
): Promise<{ search: Search; runs: QueuedRun[] }> {
  const { runs, id } = await inTransaction(store.pool, async (client) => {
    const { trials, strategy, space, hyperparameters, split, ...rest } = request;
    const { rows } = await client.query<{ id: number }>(
      `insert into searches (strategy, space, trials, seed, preset, hyperparameters, split, engine, priority, promote,
         idempotency_key, code_version)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
       on conflict (idempotency_key) do nothing
       returning id`,
      [
        ...[strategy, JSON.stringify(space), trials.length, rest.seed, rest.preset],
        ...[JSON.stringify(hyperparameters), JSON.stringify(split), rest.engine, rest.priority, rest.promote],
        ...[rest.idempotencyKey, rest.codeVersion],
      ],
    );
    if (rows.length === 0) return { runs: [], id: null };
    const [rung] = rungsOf(strategy, trials.length, hyperparameters.epochs);
    const children = trials.map((trial, i) => ({
      ...{ rung: rung.rung, trial: i + 1, hyperparameters: onRung(trial, rung) },
    }));
    return { runs: await insertRuns(client, rows[0].id, children), id: rows[0].id };
  });
  const where = id === null ? { idempotencyKey: request.idempotencyKey! } : { id };
  return { search: await store.prisma.search.findUniqueOrThrow({ where }), runs };
}

export interface NewRun {
  rung: number | null;
  trial: number | null;
  hyperparameters: Hyperparameters;
  promote?: boolean;
}

/** Inside the caller's transaction. */
export async function insertRuns(
  client: pg.PoolClient,
  searchId: number,
  runs: readonly NewRun[],
): Promise<QueuedRun[]> {
  const { rows } = await client.query<QueuedRun>(
    `insert into training_runs (search_id, rung, trial, hyperparameters, promote, preset, split, seed, engine, engine_asked, priority,
       code_version)
     select search.id, run.rung, run.trial, run.hyperparameters, coalesce(run.promote, false), preset, split, seed, engine, engine,
       priority, code_version
     from searches search, jsonb_to_recordset($2) as run (rung int, trial int, hyperparameters jsonb, promote boolean)
     where search.id = $1
     order by run.rung, run.trial
     returning id, priority`,
    [searchId, JSON.stringify(runs)],
  );
  return rows;
}

/** Inside the caller's transaction; whether it was RUNNING until then. */
export async function endSearch(
  client: pg.PoolClient,
  id: number,
  status: RunStatus,
  error: { code: ErrorCode; message: string } | null,
): Promise<boolean> {
  const { rowCount } = await client.query(
    `update searches
     set status = $2::run_status, error_code = $3, error_message = $4, finished_at = clock_timestamp()
     where id = $1 and status = 'RUNNING'`,
    [id, status, error?.code ?? null, error?.message ?? null],
  );
  return rowCount === 1;
}

/** Ends a search with all its runs that wait or train. @throws AppError SEARCH_NOT_FOUND, SEARCH_ENDED */
export async function cancelSearch(store: Store, id: number): Promise<Search> {
  const isDone = await inTransaction(store.pool, async (client) => {
    const error = { code: 'RUN_CANCELLED', message: 'cancelled' } as const;
    if (!(await endSearch(client, id, 'CANCELLED', error))) return false;
    await client.query(
      `update training_runs
       set status = 'CANCELLED', error_code = $2, error_message = 'the search was cancelled', finished_at = now()
       where search_id = $1 and status in ('QUEUED', 'RUNNING')`,
      [id, error.code],
    );
    return true;
  });
  const search = await getSearch(store, id);
  if (!isDone) throw ended(search);
  return search;
}

/**
 * Goes on with a search that was cancelled or failed: those of its runs that were cancelled or failed wait again, to go on from their
 * checkpoints. One that is RUNNING stays as it is. @throws AppError SEARCH_NOT_FOUND, SEARCH_ENDED
 */
export async function resumeSearch(store: Store, id: number): Promise<{ search: Search; runs: QueuedRun[] }> {
  const runs = await inTransaction(store.pool, async (client) => {
    const { rowCount } = await client.query(
      `update searches set status = 'RUNNING', error_code = null, error_message = null, finished_at = null
       where id = $1 and status in ('FAILED', 'CANCELLED')`,
      [id],
    );
    if (rowCount === 0) return [];
    const { rows } = await client.query<QueuedRun>(
      `update training_runs
       set status = 'QUEUED', losses = 0, error_code = null, error_message = null, finished_at = null, heartbeat_at = null
       where search_id = $1 and status in ('FAILED', 'CANCELLED')
       returning id, priority`,
      [id],
    );
    return rows;
  });
  const search = await getSearch(store, id);
  if (search.status === 'SUCCEEDED') throw ended(search);
  return { search, runs };
}

function ended({ id, status }: Search): AppError {
  return new AppError('SEARCH_ENDED', `search ${id} is ${status}`, { argumentPath: ['searchId'] });
}

/** @throws AppError SEARCH_NOT_FOUND */
export async function getSearch(store: Store, id: number): Promise<Search> {
  const search = await store.prisma.search.findUnique({ where: { id } });
  if (!search) throw new AppError('SEARCH_NOT_FOUND', `no search ${id}`, { argumentPath: ['searchId'] });
  return search;
}

/** Searches none of whose runs waits or trains: something is next for each. */
export async function listIdleSearches(store: Store): Promise<number[]> {
  const { rows } = await store.pool.query<{ id: number }>(
    `select id from searches search
     where status = 'RUNNING'
       and not exists (select from training_runs where search_id = search.id and status in ('QUEUED', 'RUNNING'))`,
  );
  return rows.map(({ id }) => id);
}
