// Runs that are held after a certain epoch, however fast they train: PostgreSQL keeps the figures of the next one waiting.

import type { TrainingRun } from '#src/store/prisma/client.js';
import type { Store } from '#src/store/store.js';
import { type RunOutcome, runInThread } from '#src/training/runInThread.js';
import { until } from './until.js';

const LOCK = 1_300_000_001;

/** Until the release no run of this database gets beyond the epoch after `epoch`; `reached` when one of them waits there. */
export async function holdAfter(store: Store, epoch: number) {
  const holder = await store.pool.connect();
  await holder.query(`
    select pg_advisory_lock(${LOCK});
    create function hold_epoch() returns trigger language plpgsql
    as 'begin perform pg_advisory_xact_lock(${LOCK}); return new; end';
    create trigger hold_epoch before insert on epoch_metrics
    for each row when (new.epoch > ${epoch}) execute function hold_epoch()`);
  return {
    reached: () =>
      until(async () => {
        const { rowCount } = await store.pool.query(
          `select from pg_stat_activity
           where datname = current_database() and wait_event = 'advisory' and query like '%epoch_metrics%'`,
        );
        return rowCount! > 0;
      }),
    async release() {
      await holder.query(`
        select pg_advisory_unlock(${LOCK});
        drop trigger hold_epoch on epoch_metrics;
        drop function hold_epoch`);
      holder.release();
    },
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
