// Reads of searches and of their trials, for the API and the command line, and what a trial leaves behind when it ends.
// Apart from store/searches.ts, which moves searches on.

import { AppError } from '../errors.js';
import { keptEpoch, storedHyperparameters } from './hyperparameters.js';
import type { RunStatus, Search, TrainingRun } from './prisma/client.js';
import { type Rung, rungsOf } from './searchPlan.js';
import { inTransaction, type Store } from './store.js';

export interface RungStanding extends Omit<Rung, 'divisor'> {
  /** null where trials differ in them. */
  epochs: number | null;
  /** Trials by status. */
  queued: number;
  running: number;
  succeeded: number;
  /** And cancelled. */
  failed: number;
}

/**
 * Ends a trial with the error that it is judged by, RMSE on the validation ratings; gives that. Saying it again gives the same.
 * @throws AppError RUN_LOST when the run is no longer the caller's: nothing is written then
 */
export async function saveTrial(
  store: Store,
  { id, attempt, hyperparameters }: Pick<TrainingRun, 'id' | 'attempt' | 'hyperparameters'>,
  timings: Record<string, number>,
): Promise<number> {
  const { rows: epochs } = await store.pool.query<{ epoch: number; validationLoss: number }>(
    'select epoch, validation_loss as "validationLoss" from epoch_metrics where run_id = $1 order by epoch',
    [id],
  );
  const kept = keptEpoch(storedHyperparameters(hyperparameters), epochs);
  const validationRmse = Math.sqrt(epochs.find(({ epoch }) => epoch === kept)!.validationLoss);
  return inTransaction(store.pool, async (client) => {
    const { rowCount } = await client.query(
      `update training_runs
       set status = 'SUCCEEDED', validation_rmse = $3, timings = $4, checkpoint = null,
         finished_at = coalesce(finished_at, clock_timestamp())
       where id = $1 and attempt = $2 and status in ('RUNNING', 'SUCCEEDED')`,
      [id, attempt, validationRmse, JSON.stringify(timings)],
    );
    if (rowCount !== 1)
      throw new AppError('RUN_LOST', `run ${id} was ended or taken over; its result is dropped`);
    await client.query('delete from checkpoints where run_id = $1', [id]);
    return validationRmse;
  });
}

export async function findSearch(store: Store, id: number): Promise<Search | null> {
  return store.prisma.search.findUnique({ where: { id } });
}

/** One entry for each id, null where there is no such search. */
export async function findSearches(store: Store, ids: readonly number[]): Promise<(Search | null)[]> {
  const rows = await store.prisma.search.findMany({ where: { id: { in: [...ids] } } });
  const byId = new Map(rows.map((row) => [row.id, row]));
  return ids.map((id) => byId.get(id) ?? null);
}

/** Newest first; `before` is a search's id or null. */
export async function listSearches(store: Store, first: number, before: number | null): Promise<Search[]> {
  return store.prisma.search.findMany({
    where: before === null ? {} : { id: { lt: before } },
    orderBy: { id: 'desc' },
    take: first,
  });
}

/** The rungs of each search, those that no trial has reached included; none where there is no such search. */
export async function rungsOfSearches(store: Store, ids: readonly number[]): Promise<RungStanding[][]> {
  const searches = await findSearches(store, ids);
  const { rows } = await store.pool.query<{
    searchId: number;
    rung: number;
    status: RunStatus;
    runs: number;
  }>(
    `select search_id as "searchId", rung, status, count(*)::int as runs
     from training_runs
     where search_id = any($1::int[]) and trial is not null
     group by search_id, rung, status`,
    [ids],
  );
  return searches.map((search) => {
    if (search === null) return [];
    const { id, strategy, trials, hyperparameters, space } = search;
    const { epochs } = storedHyperparameters(hyperparameters);
    return rungsOf(strategy, trials, epochs).map(({ rung, divisor, trials }) => {
      const here = rows.filter((row) => row.searchId === id && row.rung === rung);
      const count = (...statuses: RunStatus[]) =>
        here.filter(({ status }) => statuses.includes(status)).reduce((sum, { runs }) => sum + runs, 0);
      return {
        ...{ rung, trials, epochs: 'epochs' in (space as object) ? null : Math.round(epochs / divisor) },
        ...{ queued: count('QUEUED'), running: count('RUNNING'), succeeded: count('SUCCEEDED') },
        failed: count('FAILED', 'CANCELLED'),
      };
    });
  });
}

/** The best trial of the furthest rung that has one, for each search; null where none has succeeded. */
export async function findBestTrials(store: Store, ids: readonly number[]): Promise<(TrainingRun | null)[]> {
  const { rows } = await store.pool.query<{ id: number }>(
    `select distinct on (search_id) id
     from training_runs
     where search_id = any($1::int[]) and trial is not null and status = 'SUCCEEDED'
     order by search_id, rung desc, validation_rmse, trial`,
    [ids],
  );
  return bySearch(store, ids, { id: { in: rows.map(({ id }) => id) } });
}

/** The run of the winner of each search; null where there is none yet. */
export async function findWinnersRuns(store: Store, ids: readonly number[]): Promise<(TrainingRun | null)[]> {
  return bySearch(store, ids, { searchId: { in: [...ids] }, trial: null });
}

async function bySearch(
  store: Store,
  ids: readonly number[],
  where: { id?: { in: number[] }; searchId?: { in: number[] }; trial?: null },
): Promise<(TrainingRun | null)[]> {
  const runs = await store.prisma.trainingRun.findMany({ where });
  const found = new Map(runs.map((run) => [run.searchId, run]));
  return ids.map((id) => found.get(id) ?? null);
}

/** The runs of trials of each search, in the order in which they were asked for; `after` is a run's id or null. */
export async function trialPages(
  store: Store,
  ids: readonly number[],
  first: number,
  after: number | null,
): Promise<TrainingRun[][]> {
  const { rows } = await store.pool.query<{ id: number }>(
    `select run.id
     from unnest($1::int[]) as search (id)
     cross join lateral (
       select id from training_runs where search_id = search.id and trial is not null and id > $2 order by id limit $3
     ) as run`,
    [ids, after ?? 0, first],
  );
  const runs = await store.prisma.trainingRun.findMany({
    where: { id: { in: rows.map(({ id }) => id) } },
    orderBy: { id: 'asc' },
  });
  return ids.map((id) => runs.filter(({ searchId }) => searchId === id));
}

/** The first run of a search that waits for a worker; null when there is none. */
export async function findWaitingRun(store: Store, searchId: number): Promise<number | null> {
  const where = { searchId, status: 'QUEUED' as const };
  const run = await store.prisma.trainingRun.findFirst({
    where,
    orderBy: { id: 'asc' },
    select: { id: true },
  });
  return run?.id ?? null;
}
