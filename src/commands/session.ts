// What commands share: the database (embedded or DATABASE_URL), its migrations, and Ctrl-C.

import type { Config } from '../config.js';
import { AppError } from '../errors.js';
import { openEmbedded } from '../store/embedded.js';
import { applyMigrations, listPendingMigrations } from '../store/migrate.js';
import { explainDatabaseError, openStore, type Store } from '../store/store.js';

/** Ctrl-C, an end asked for, a terminal that was closed. */
const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** npm sends Ctrl-C on to a process that the terminal has sent it to already; that is not a second one. */
const IMPATIENT_AFTER_MS = 500;

export interface Session {
  store: Store;
  /** Aborted by the first SIGINT, SIGTERM or SIGHUP. */
  signal: AbortSignal;
}

/** Opens the store, runs `work`, and closes everything again, whatever happens. */
export async function withStore<T>(config: Config, work: (session: Session) => Promise<T>): Promise<T> {
  return withDatabase(config, async (url, signal) => {
    const store = await openStore(url);
    try {
      await prepare(config, store);
      return await work({ store, signal });
    } finally {
      await store.close();
    }
  });
}

/** As withStore, without looking at the migrations. */
export async function withDatabase<T>(
  config: Config,
  work: (url: string, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const stop = new AbortController();
  const unlisten = stopOnSignals(stop);
  let lost: AppError | null = null;
  const onLost = (error: AppError) => {
    lost = error;
    stop.abort();
  };
  const embedded = config.databaseUrl === null ? await openEmbedded(config.homeDir, { onLost }) : null;
  try {
    const result = await work(embedded?.url ?? config.databaseUrl!, stop.signal);
    if (lost) throw lost;
    return result;
  } catch (error) {
    throw lost ?? explainDatabaseError(error);
  } finally {
    await embedded?.close();
    unlisten();
  }
}

/** Aborts `stop` at a signal or when nobody reads the output any more. Gives the function that undoes it. */
export function stopOnSignals(stop: AbortController): () => void {
  let firstAt = 0;
  const onSignal = () => {
    if (!stop.signal.aborted) {
      firstAt = performance.now();
      stop.abort();
    } else if (performance.now() - firstAt > IMPATIENT_AFTER_MS) {
      // A second Ctrl-C ends the process at once: the database undoes what was not committed.
      process.kill(process.pid, 'SIGKILL');
    }
  };
  for (const name of STOP_SIGNALS) process.on(name, onSignal);
  // Whoever read the output is gone, as in `marquee train --json | head`.
  process.stdout.on('error', () => stop.abort());
  return () => {
    for (const name of STOP_SIGNALS) process.off(name, onSignal);
  };
}

/** The embedded server is ours, so it is migrated without asking; a server of the user's is only looked at. */
async function prepare(config: Config, store: Store): Promise<void> {
  if (config.databaseUrl === null) {
    await applyMigrations(store.url);
    return;
  }
  const pending = await listPendingMigrations(store.pool);
  if (pending.length > 0) {
    throw new AppError(
      'DATABASE_NOT_MIGRATED',
      `the database lacks ${pending.length} migrations: ${pending.join(', ')}`,
    );
  }
}

/** Resolves when the signal is aborted. */
export function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
