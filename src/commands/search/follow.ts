// Follows a search to its end, and trains its runs here unless workers are to do it all. Workers on the same database help in any case.

import { setTimeout as sleep } from 'node:timers/promises';
import type { EngineSettings } from '../../engines/engine.js';
import { AppError, type ErrorCode } from '../../errors.js';
import type { Search, TrainingRun } from '../../store/prisma/client.js';
import { takeBackLostRuns } from '../../store/runs.js';
import { cancelSearch, getSearch } from '../../store/searches.js';
import { findWaitingRun, findWinnersRuns, rungsOfSearches, trialPages } from '../../store/searchRecord.js';
import { storedSpace } from '../../store/searchSpace.js';
import { advanceSearch } from '../../store/searchSteps.js';
import type { Store } from '../../store/store.js';
import { fromThreadError } from '../../store/threadError.js';
import { runInThread } from '../../training/runInThread.js';
import { takeRun } from '../../training/takeRun.js';
import type { Output } from '../output.js';
import type { Session } from '../session.js';
import { describeTrial, plannedTrials, variedOf } from './report.js';

const LOOK_MS = 500;
/** More than any search has. */
export const ALL_TRIALS = 10_000;

export interface FollowOptions extends EngineSettings {
  output: Output;
  /** Leave the runs to workers. */
  watch: boolean;
}

/**
 * Gives the search when it has succeeded, and null when the signal came while watching; where the runs are trained here, the signal
 * cancels it. @throws what ended it
 */
export async function followSearch(
  { store, signal }: Session,
  id: number,
  options: FollowOptions,
): Promise<Search | null> {
  const told = new Set<number>();
  for (;;) {
    // The search first: its trials are all there to tell when it has ended.
    const search = await getSearch(store, id);
    await tellTrials(store, search, told, options.output);
    if (search.status === 'SUCCEEDED') return search;
    if (search.finishedAt !== null)
      throw fromThreadError({ code: search.errorCode as ErrorCode, message: `${search.errorMessage}` });
    if (signal.aborted) {
      if (options.watch) return null;
      await cancelSearch(store, id);
      throw new AppError(
        'RUN_CANCELLED',
        `search ${id} is cancelled; \`marquee search resume ${id}\` goes on`,
      );
    }
    const isBusy = !options.watch && (await trainNext(store, id, options, signal));
    if (!isBusy) await sleep(LOOK_MS, null, { signal }).catch(() => {});
  }
}

/** Trains one of the runs that wait; false when there is none for this process. */
async function trainNext(
  store: Store,
  id: number,
  { threads, output }: FollowOptions,
  signal: AbortSignal,
): Promise<boolean> {
  await advanceSearch(store, id);
  const run = await takeWaiting(store, id, threads);
  if (!run) {
    // Perhaps others have them in hand, or have died with them.
    await takeBackLostRuns(store);
    return false;
  }
  const what =
    run.trial === null ? 'the winner, on all training ratings' : `trial ${run.trial}, rung ${run.rung}`;
  const share = await shareOf(store, id);
  await runInThread(store, run, {
    ...{ threads, signal, onStop: 'requeue' },
    onEvent(event) {
      if (event.event === 'progress')
        output.progress({ ...event, runId: run.id }, share, `${what}: epoch ${event.epoch}/${event.epochs}`);
    },
  });
  return true;
}

async function takeWaiting(store: Store, id: number, threads: number): Promise<TrainingRun | null> {
  const waiting = await findWaitingRun(store, id);
  if (waiting === null) return null;
  return takeRun(store, waiting, { threads }).catch((error) => {
    if (error instanceof AppError && error.code === 'GPU_BUSY') return null;
    throw error;
  });
}

/** Of all its runs, those that have ended. */
async function shareOf(store: Store, id: number): Promise<number> {
  const [rungs] = await rungsOfSearches(store, [id]);
  const [winnersRun] = await findWinnersRuns(store, [id]);
  const planned = plannedTrials(rungs);
  const done = rungs.reduce((sum, { succeeded, failed }) => sum + succeeded + failed, 0);
  return winnersRun ? planned / (planned + 1) : Math.min(done, planned) / (planned + 1);
}

async function tellTrials(store: Store, search: Search, told: Set<number>, output: Output): Promise<void> {
  const [trials] = await trialPages(store, [search.id], ALL_TRIALS, null);
  const space = storedSpace(search.space);
  for (const run of trials) {
    if (run.finishedAt === null || told.has(run.id)) continue;
    told.add(run.id);
    const { id, rung, trial, status, validationRmse, errorCode } = run;
    output.event(
      {
        event: 'trial',
        runId: id,
        rung,
        trial,
        status,
        validationRmse,
        errorCode,
        varied: variedOf(run, space),
      },
      status === 'CANCELLED' ? null : describeTrial(run, space),
    );
  }
}
