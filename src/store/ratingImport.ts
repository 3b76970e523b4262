// One import as one transaction: COPY into staging tables, merge, statistics, record; all of it or nothing.
// Staging first: COPY cannot upsert, and one bad row would abort the whole statement. Where there are no ratings yet, their
// staging table becomes the table (ratingFill.ts), otherwise it is merged (ratingMerge.ts).
//
//   lock ─▶ stage movies, links, ratings ─▶ fill or merge ─▶ statistics ─▶ record SUCCEEDED ─▶ commit
//                    (readers see the old state until here) ───────────────────────────────────┘

import type { Writable } from 'node:stream';
import type pg from 'pg';
import { type CopyStreamQuery, from as copyFrom } from 'pg-copy-streams';
import { beginAlone } from './importLock.js';
import {
  columnsOf,
  type ImportCounts,
  inParts,
  type RejectedLine,
  saveRejects,
  startImportRecord,
} from './importRecord.js';
import { buildRatings, IS_STILL_EMPTY } from './ratingFill.js';
import * as sql from './ratingImportSql.js';
import { CREATE_STAGING_RATINGS, mergeRatings } from './ratingMerge.js';
import { RATING_COPY_COLUMNS, type RatingSums } from './ratingRows.js';
import { findScale, saveScale } from './ratingScale.js';
import { countPartitions, createStagingTable, IS_REPLACEABLE, swapRatings } from './ratingTable.js';
import type { RatingScale } from './scale.js';
import type { Store } from './store.js';

export interface MovieRow {
  movieId: number;
  title: string;
  year: number | null;
  genres: string[];
  line: number;
}

export interface LinkRow {
  movieId: number;
  imdbId: number | null;
  tmdbId: number | null;
  line: number;
  raw: string;
}

/** What a users file tells; null: not known. */
export interface UserDetails {
  userId: number;
  gender: string | null;
  age: number | null;
  occupation: string | null;
  zipCode: string | null;
  line: number;
}

export interface MergeResult {
  ratings: Pick<ImportCounts, 'inserted' | 'updated' | 'duplicates' | 'usersAdded' | 'moviesAdded'>;
  movies: { inserted: number; updated: number };
  links: { updated: number; orphans: number[] };
  users: { inserted: number; updated: number };
}

export interface RatingImport {
  id: number;
  /** Of the ratings that are there; null: there are none. */
  scale: RatingScale | null;
  stageMovies(rows: readonly MovieRow[]): Promise<void>;
  stageLinks(rows: readonly LinkRow[]): Promise<void>;
  stageUsers(rows: readonly UserDetails[]): Promise<void>;
  /** A stream that takes binary COPY bytes in the layout of store/ratingRows.ts. */
  openRatingsSink(): Writable;
  /** Ends the connection, so that what it does now or next fails at once. Only `rollback` may follow. */
  stop(): Promise<void>;
  /** `sums` of the rows that went into the sink. */
  merge(sums: RatingSums): Promise<MergeResult>;
  /** Writes the record and makes everything visible. scale: of all ratings that are there then. */
  commit(counts: ImportCounts, rejects: readonly RejectedLine[], scale: RatingScale): Promise<void>;
  rollback(): Promise<void>;
}

/** @throws AppError IMPORT_BUSY when another import holds the lock */
export async function beginImport(store: Store, source: string): Promise<RatingImport> {
  const client = await store.pool.connect();
  try {
    await beginAlone(client);
    await client.query(sql.CREATE_STAGING);
    const { rows } = await client.query(
      `select pg_backend_pid() as pid, is_replaceable and not exists (select from ratings) as is_fillable
       from (${IS_REPLACEABLE}) ratings`,
    );
    const { pid, is_fillable } = rows[0];
    const partitions = await countPartitions(client);
    if (is_fillable) await createStagingTable(client, partitions);
    else await client.query(CREATE_STAGING_RATINGS);
    const scale = await findScale(client);
    const id = await startImportRecord(store, source);
    const begun = { id, scale, backendPid: pid, partitions, stagingIsTable: is_fillable };
    return new PostgresImport(store, client, begun);
  } catch (error) {
    client.release(true);
    throw error;
  }
}

/** What was found out as it began. */
interface BegunImport {
  id: number;
  scale: RatingScale | null;
  backendPid: number;
  partitions: number;
  /** The staging table is to become the table of ratings. */
  stagingIsTable: boolean;
}

class PostgresImport implements RatingImport {
  readonly id: number;
  readonly scale: RatingScale | null;
  readonly #store: Store;
  readonly #client: pg.PoolClient;
  readonly #begun: BegunImport;
  #copied: CopyStreamQuery | null = null;
  #swapsTables = false;

  constructor(store: Store, client: pg.PoolClient, begun: BegunImport) {
    this.#store = store;
    this.#client = client;
    this.id = begun.id;
    this.scale = begun.scale;
    this.#begun = begun;
  }

  async stageMovies(rows: readonly MovieRow[]): Promise<void> {
    for (const part of inParts(rows)) {
      const genres = part.map((row) => row.genres.join('|'));
      const [movieIds, titles, years, lines] = columnsOf(part, ['movieId', 'title', 'year', 'line']);
      await this.#client.query(sql.STAGE_MOVIES, [movieIds, titles, years, genres, lines]);
    }
  }

  async stageLinks(rows: readonly LinkRow[]): Promise<void> {
    for (const part of inParts(rows)) {
      await this.#client.query(sql.STAGE_LINKS, columnsOf(part, ['movieId', 'imdbId', 'tmdbId', 'line']));
    }
  }

  async stageUsers(rows: readonly UserDetails[]): Promise<void> {
    for (const part of inParts(rows)) {
      const columns = columnsOf(part, ['userId', 'gender', 'age', 'occupation', 'zipCode', 'line']);
      await this.#client.query(sql.STAGE_USERS, columns);
    }
  }

  openRatingsSink(): Writable {
    this.#copied = this.#client.query(
      copyFrom(`copy staging_ratings (${RATING_COPY_COLUMNS}) from stdin (format binary)`),
    );
    return this.#copied;
  }

  async stop(): Promise<void> {
    await this.#store.pool.query('select pg_terminate_backend($1)', [this.#begun.backendPid]);
  }

  async merge(sums: RatingSums): Promise<MergeResult> {
    const one = async (text: string) => (await this.#client.query(text)).rows[0];
    await this.#client.query(sql.ANALYZE_STAGING);
    await this.#client.query(sql.LOCK_RATINGS);
    const staged = this.#copied?.rowCount ?? 0;
    this.#swapsTables = this.#begun.stagingIsTable && staged > 0 && (await one(IS_STILL_EMPTY)).is_empty;
    const ratings = this.#swapsTables
      ? await buildRatings(this.#client, staged, sums)
      : await mergeRatings(this.#client, staged, this.#begun.partitions);
    const movies = await one(sql.MERGE_MOVIES);
    const placeholders = await this.#client.query(sql.MERGE_PLACEHOLDER_MOVIES);
    const links = await one(sql.MERGE_LINKS);
    const details = await one(sql.MERGE_USER_DETAILS);
    await this.#client.query(sql.UPDATE_MOVIE_STATISTICS);
    // Users that are added bring their statistics, so those that are there come first.
    await this.#client.query(sql.UPDATE_USER_STATISTICS);
    const users = await this.#client.query(sql.MERGE_USERS);
    return {
      ratings: {
        ...ratings,
        usersAdded: details.inserted + users.rowCount!,
        moviesAdded: movies.inserted + placeholders.rowCount!,
      },
      movies: { inserted: movies.inserted, updated: movies.updated },
      links: { updated: links.updated, orphans: links.orphans ?? [] },
      users: { inserted: details.inserted, updated: details.updated },
    };
  }

  async commit(counts: ImportCounts, rejects: readonly RejectedLine[], scale: RatingScale): Promise<void> {
    await saveRejects(this.#client, this.id, rejects);
    await saveScale(this.#client, scale);
    await this.#client.query(sql.FINISH_RECORD, [
      this.id,
      counts.linesRead,
      counts.inserted,
      counts.updated,
      counts.unchanged,
      counts.duplicates,
      counts.rejected,
      counts.usersAdded,
      counts.moviesAdded,
    ]);
    if (this.#swapsTables) await swapRatings(this.#client);
    else if (this.#begun.stagingIsTable) await this.#client.query('drop table staging_ratings');
    await this.#client.query('commit').catch(async (error: unknown) => {
      if (!(await this.#isCommitted())) throw error;
    });
    this.#client.release();
  }

  /** For a commit whose answer got lost: `for update` waits until the server has decided. */
  async #isCommitted(): Promise<boolean> {
    const { rows } = await this.#store.pool.query('select status from imports where id = $1 for update', [
      this.id,
    ]);
    return rows[0].status === 'SUCCEEDED';
  }

  async rollback(): Promise<void> {
    await this.#client.query('rollback').catch(() => {});
    this.#client.release(true);
  }
}
