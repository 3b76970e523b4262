// Statements that PostgreSQL keeps waiting, so that a test finds a run or an import where it wants it, however fast it is.

import type { TrainingRun } from '#src/store/prisma/client.js';
import type { Store } from '#src/store/store.js';
import { type RunOutcome, runInThread } from '#src/training/runInThread.js';
import { until } from './until.js';

const LOCK = 1_300_000_001;

/** event: as after "create trigger … before", with what follows the table. Gives what lets them go on. */
export async function holdStatements(store: Store, event: string): Promise<() => Promise<void>> {
  const holder = await store.pool.connect();
  await holder.query(`
    select pg_advisory_lock(${LOCK});
    create function hold_statement() returns trigger language plpgsql
    as 'begin perform pg_advisory_xact_lock(${LOCK}); return new; end';
    create trigger hold_statement before ${event} execute function hold_statement()`);
  return async () => {
    await holder.query(`select pg_advisory_unlock(${LOCK}); drop function hold_statement cascade`);
    holder.release();
  };
}

/** Until the release no run of this database gets beyond the epoch after `epoch`; `reached` when one of them waits there. */
export async function holdAfter(store: Store, epoch: number) {
  const release = await holdStatements(
    store,
    `insert on epoch_metrics for each row when (new.epoch > ${epoch})`,
  );
  return {
    reached: () =>
      until(async () => {
        const { rowCount } = await store.pool.query(
          `select from pg_stat_activity
           where datname = current_database() and wait_event = 'advisory' and query like '%epoch_metrics%'`,
        );
        return rowCount! > 0;
      }),
    release,
  };
}

/** Trains a run that is RUNNING, and hands it back just after `epoch`; its checkpoint is of this epoch or the next. */
export async function handBackAfter(store: Store, run: TrainingRun, epoch: number): Promise<RunOutcome> {
  const hold = await holdAfter(store, epoch);
  const stop = new AbortController();
  let released = Promise.resolve();
  const outcome = await runInThread(store, run, {
    ...{ threads: 2, signal: stop.signal, onStop: 'requeue' },
    onEvent(event) {
      if (event.event !== 'epoch' || event.epoch !== epoch) return;
      stop.abort();
      released = hold.release();
    },
  });
  await released;
  return outcome;
}
