// Reads from a streaming replica while it is there and close behind, from the primary otherwise. Never writes, and never what a write has to
// see: that is the caller's choice (api/context.ts).
//
//   primary  ──┬──────────┬──────────┬──▶   its position in the log, noted with the time, several times a second
//   replica  ──────────┴──▶                 how far it has replayed: it has all that the primary had at the last note before that
//
// So how far it is behind is told by one clock, ours, and a replica that has lost its primary is found out, too.

import { AppError } from '../errors.js';
import { StatementPool } from './pool.js';
import { explainDatabaseError, POOL_SIZE, type Store, toStore } from './store.js';

/** Of a promotion every process hears within a second, replica or not. */
const BEHIND_AT_MOST_MS = 1_000;
const CHECK_MS = 250;
const CHECK_TIMEOUT_MS = 2_000;
const CONNECT_TIMEOUT_MS = 2_000;
/** A replica that hangs; no statement of the API takes this long. */
const QUERY_TIMEOUT_MS = 15_000;
const NOTES_MAX = 4_000;
/** SQLSTATE of a replica's own troubles: a conflict with replay (canceled, or disconnected). */
const REPLICA_TROUBLES = new Set(['40001', '57P04']);
const TIMED_OUT = /timeout/i;

export interface ReplicaState {
  /** away: it does not answer. behind: it does, and is too old. */
  state: 'used' | 'behind' | 'away';
  /** How old its answers may be, as of the last check. */
  lagSeconds: number;
}

export interface Reads {
  /** Where a request that only reads is answered; asked once for each request, so that it does not go back in time half-way. */
  store(): Store;
  /** null where there is no replica. */
  replica(): ReplicaState | null;
  close(): Promise<void>;
}

/** url: of the replica; null: there is none. It need not answer yet. @throws AppError CONFIG_INVALID when it is no replica of the primary */
export async function openReads(primary: Store, url: string | null): Promise<Reads> {
  if (url === null) return { store: () => primary, replica: () => null, close: async () => {} };
  const pool = new StatementPool(
    {
      ...{ connectionString: url, max: POOL_SIZE, application_name: 'marquee-reads' },
      ...{ connectionTimeoutMillis: CONNECT_TIMEOUT_MS, query_timeout: QUERY_TIMEOUT_MS },
    },
    (error) => (isReplicaTrouble(error) ? primary.pool : null),
  );
  const store = toStore(url, pool);
  const checks = createChecks(primary.url, url);
  if ((await checks.check()) === 'foreign') {
    await Promise.all([checks.close(), store.close()]);
    const message =
      'MARQUEE_READ_URL is another server or another database than DATABASE_URL, not a streaming replica';
    throw new AppError('CONFIG_INVALID', message);
  }
  const timer = setInterval(() => void checks.check(), CHECK_MS).unref();
  return {
    store: () => (checks.state().state === 'used' ? store : primary),
    replica: checks.state,
    async close() {
      clearInterval(timer);
      await checks.close();
      await store.close();
    },
  };
}

function isReplicaTrouble(thrown: unknown): boolean {
  const error = explainDatabaseError(thrown);
  if (error instanceof AppError) return error.code === 'DATABASE_UNREACHABLE';
  const { code = '', message = '' } = error as { code?: string; message?: string };
  return REPLICA_TROUBLES.has(code) || TIMED_OUT.test(message);
}

interface Place {
  /** Of server and database; the same on a primary and its replicas. */
  identity: string;
  /** Bytes of the log: flushed by a primary, replayed by a replica. */
  position: number;
}

const PLACE = `select (select system_identifier from pg_control_system())
    || '/' || (select oid from pg_database where datname = current_database()) as identity,
  pg_wal_lsn_diff(
    case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_flush_lsn() end, '0/0'
  )::float8 as position`;

/** On connections of their own: checks must not wait for queries, nor be answered by the other server. */
function createChecks(primaryUrl: string, url: string) {
  const config = { max: 1, application_name: 'marquee-checks', connectionTimeoutMillis: CONNECT_TIMEOUT_MS };
  const [primary, replica] = [primaryUrl, url].map(
    (url) => new StatementPool({ connectionString: url, ...config }),
  );
  const notes = createNotes();
  let [isUp, isPrimaryUp] = [false, false];
  let running: Promise<'foreign' | null> | null = null;

  const check = async (): Promise<'foreign' | null> => {
    const at = performance.now();
    const ours = await placeOf(primary);
    isPrimaryUp = ours !== null;
    if (ours) notes.add(at, ours.position);
    const theirs = await placeOf(replica);
    const isForeign = ours !== null && theirs !== null && ours.identity !== theirs.identity;
    isUp = theirs !== null && !isForeign;
    if (theirs && isUp) notes.replayed(theirs.position);
    return isForeign ? 'foreign' : null;
  };

  return {
    /** One at a time. */
    check() {
      running ??= check().finally(() => {
        running = null;
      });
      return running;
    },
    state(): ReplicaState {
      const lagMs = performance.now() - notes.hasAllUntil();
      // While the primary is away there is nothing newer to be had.
      const isFit = lagMs <= BEHIND_AT_MOST_MS || !isPrimaryUp;
      return { state: isUp ? (isFit ? 'used' : 'behind') : 'away', lagSeconds: lagMs / 1000 };
    },
    async close() {
      await running;
      await Promise.all([primary.end(), replica.end()]);
    },
  };
}

/** When the primary was where, and which of it the replica has. */
function createNotes() {
  /** Oldest first; the first one is the last that the replica has replayed, once it has replayed any. */
  const notes: { at: number; position: number }[] = [];
  let allUntil = Number.NEGATIVE_INFINITY;
  return {
    add(at: number, position: number) {
      const last = notes.at(-1);
      if (last?.position === position) last.at = at;
      else notes.push({ at, position });
      // Of a replica that is far behind it is then told that it is farther.
      if (notes.length > NOTES_MAX) notes.splice(1, 1);
    },
    replayed(position: number) {
      while (notes.length > 1 && notes[1].position <= position) notes.shift();
      if (notes.length > 0 && notes[0].position <= position) allUntil = notes[0].at;
    },
    hasAllUntil: () => allUntil,
  };
}

/** null when it does not answer in time. */
async function placeOf(pool: Store['pool']): Promise<Place | null> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<null>((resolve) => {
    timer = setTimeout(resolve, CHECK_TIMEOUT_MS, null);
  });
  const asked = pool.query<Place>({ text: PLACE, query_timeout: CHECK_TIMEOUT_MS } as { text: string });
  try {
    const answer = await Promise.race([asked.catch(() => null), tooLate]);
    if (answer === null) return null;
    return answer.rows[0];
  } finally {
    clearTimeout(timer);
  }
}
