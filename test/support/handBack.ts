// A run that is handed back after a certain epoch, however fast it trains: PostgreSQL holds the figures of the next epoch until the
// word to stop is under way.

import type { TrainingRun } from '#src/store/prisma/client.js';
import type { Store } from '#src/store/store.js';
import { type RunOutcome, runInThread } from '#src/training/runInThread.js';

const LOCK = 1_300_000_001;

/** Trains a run that is RUNNING until just after `epoch`; its checkpoint is that of the next one. */
export async function handBackAfter(store: Store, run: TrainingRun, epoch: number): Promise<RunOutcome> {
  const holder = await store.pool.connect();
  const stop = new AbortController();
  try {
    await holder.query(`
      select pg_advisory_lock(${LOCK});
      create function hold_epoch() returns trigger language plpgsql
      as 'begin perform pg_advisory_xact_lock(${LOCK}); return new; end';
      create trigger hold_epoch before insert on epoch_metrics
      for each row when (new.epoch > ${epoch}) execute function hold_epoch()`);
    return await runInThread(store, run, {
      ...{ threads: 2, signal: stop.signal, onStop: 'requeue' },
      onEvent(event) {
        if (event.event !== 'epoch' || event.epoch !== epoch) return;
        stop.abort();
        void holder.query(`select pg_advisory_unlock(${LOCK})`);
      },
    });
  } finally {
    await holder.query(
      'drop trigger if exists hold_epoch on epoch_metrics; drop function if exists hold_epoch',
    );
    holder.release(true);
  }
}
