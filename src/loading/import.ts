// The flow of an import: source → parsers → staging → merge → report. Every line ends up in exactly one count:
// read = inserted + updated + unchanged + rejected, and the report proves the sum.

import assert from 'node:assert/strict';
import { pipeline } from 'node:stream/promises';
import { AppError, messageOf } from '../errors.js';
import {
  failImportRecord,
  type ImportCounts,
  type RejectedLine,
  saveRejects,
} from '../store/importRecord.js';
import { beginImport, type MergeResult, type RatingImport } from '../store/ratingImport.js';
import { isOnScale, type RatingScale } from '../store/scale.js';
import type { Store } from '../store/store.js';
import { parseLinks } from './movies.js';
import type { RatingsLayout } from './ratingsLayout.js';
import { RatingsParser } from './ratingsParser.js';
import { Rejects } from './rejects.js';
import { type ImportSource, openSource, type SourceFile } from './source.js';
import { readMovieTable, readTable, readUserTable } from './tables.js';

/** Enough to see what is wrong with a file; all of them are stored. */
const REPORTED_REJECTS = 3;

export interface ImportProgress {
  phase: 'reading' | 'merging';
  /** Of the ratings file. */
  bytesRead: number;
  bytesTotal: number;
}

export interface ImportOptions {
  maxRejects: number;
  /** What each column of the ratings is, null for one that is not read; without it the file's name and header tell. */
  columns?: RatingsLayout['roles'];
  /** For a first import: instead of what the start of the file tells. Later: must hold that of the store, and widens it. */
  scale?: RatingScale;
  onProgress?: (progress: ImportProgress) => void;
  signal?: AbortSignal;
}

export interface FileReport {
  file: string;
  read: number;
  inserted: number;
  updated: number;
  unchanged: number;
  rejected: number;
}

export interface ImportReport {
  importId: number;
  files: FileReport[];
  counts: ImportCounts;
  /** The first three; all are in import_rejects. */
  rejects: RejectedLine[];
  /** Of all ratings in the store. */
  scale: RatingScale;
  seconds: number;
}

/**
 * Imports a folder, archive or CSV. On any error the store is as it was, and the record says why.
 * @throws AppError IMPORT_*
 */
export async function importRatings(
  store: Store,
  path: string,
  options: ImportOptions,
): Promise<ImportReport> {
  const begun = performance.now();
  try {
    const source = await openSource(path, options.columns !== undefined);
    try {
      const done = await importFrom(source, store, path, options);
      return { ...done, seconds: (performance.now() - begun) / 1000 };
    } finally {
      source.close();
    }
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw new AppError('IMPORT_FAILED', `${path}: ${messageOf(error)}; nothing was imported`, {
      cause: error,
    });
  }
}

async function importFrom(source: ImportSource, store: Store, path: string, options: ImportOptions) {
  const rejects = new Rejects(options.maxRejects);
  const target = await beginImport(store, path);
  try {
    const report = await runImport(target, source, rejects, options);
    return { importId: target.id, ...report, rejects: rejects.lines.slice(0, REPORTED_REJECTS) };
  } catch (error) {
    const cause = await explain(error, source, options.signal);
    await recordFailure(store, target, rejects, cause);
    throw cause;
  }
}

async function runImport(
  target: RatingImport,
  source: ImportSource,
  rejects: Rejects,
  options: ImportOptions,
) {
  const { signal } = options;
  const stop = () => void target.stop().catch(() => {});
  signal?.addEventListener('abort', stop);
  try {
    signal?.throwIfAborted();
    const report = await fill(target, source, rejects, options);
    signal?.throwIfAborted();
    // Not to be stopped any more: the connection may be another's as soon as this is done.
    signal?.removeEventListener('abort', stop);
    await target.commit(report.counts, rejects.lines, report.scale);
    return report;
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}

async function fill(target: RatingImport, source: ImportSource, rejects: Rejects, options: ImportOptions) {
  const movies = await readMovieTable(source, rejects);
  await target.stageMovies(movies.rows);
  const links = await readTable(source.links, rejects, parseLinks);
  await target.stageLinks(links.rows);
  const users = await readUserTable(source, rejects);
  await target.stageUsers(users.rows);
  const ratings = await readRatings(target, source.ratings, rejects, options);
  const merged = await target.merge(ratings.sums);
  const orphans = new Set(merged.links.orphans);
  for (const { line, raw } of links.rows) {
    if (orphans.has(line))
      rejects.add(source.links!.name, line, raw, 'the movie is neither in the catalogue nor rated');
  }
  const report = toReport(
    merged,
    {
      ratings: ratings.linesRead,
      movies: movies.linesRead,
      links: links.linesRead,
      users: users.linesRead,
    },
    source,
    rejects,
  );
  return { ...report, scale: ratings.scale! };
}

async function readRatings(
  target: RatingImport,
  file: SourceFile,
  rejects: Rejects,
  { onProgress, signal, columns, scale }: ImportOptions,
): Promise<Pick<RatingsParser, 'linesRead' | 'sums' | 'scale'>> {
  const parser = new RatingsParser(file.name, rejects, { columns, scale: chooseScale(target.scale, scale) });
  const progress: ImportProgress = { phase: 'reading', bytesRead: 0, bytesTotal: file.bytes };
  const stream = await file.open((bytes) => {
    progress.bytesRead += bytes;
    onProgress?.(progress);
  });
  await pipeline(stream, parser, target.openRatingsSink(), { signal });
  onProgress?.({ ...progress, phase: 'merging' });
  return parser;
}

/** undefined: the file tells. @throws AppError IMPORT_OTHER_SCALE */
function chooseScale(stored: RatingScale | null, asked?: RatingScale): RatingScale | undefined {
  if (!stored || !asked) return asked ?? stored ?? undefined;
  if (isOnScale(stored.minimum, asked) && isOnScale(stored.maximum, asked)) return asked;
  throw new AppError(
    'IMPORT_OTHER_SCALE',
    `the store's ratings are from ${stored.minimum} to ${stored.maximum}, and --scale ${asked.minimum}:${asked.maximum} does not hold them; nothing was imported`,
  );
}

function toReport(
  merged: MergeResult,
  read: { ratings: number; movies: number; links: number; users: number },
  source: ImportSource,
  rejects: Rejects,
): Pick<ImportReport, 'files' | 'counts'> {
  const files = [toFileReport(source.ratings, read.ratings, merged.ratings, rejects)];
  if (source.movies) files.push(toFileReport(source.movies, read.movies, merged.movies, rejects));
  if (source.links) {
    files.push(
      toFileReport(source.links, read.links, { inserted: 0, updated: merged.links.updated }, rejects),
    );
  }
  if (source.users) files.push(toFileReport(source.users, read.users, merged.users, rejects));
  const { read: linesRead, inserted, updated, unchanged, rejected } = files[0];
  const { duplicates, usersAdded, moviesAdded } = merged.ratings;
  return {
    files,
    counts: { linesRead, inserted, updated, unchanged, duplicates, rejected, usersAdded, moviesAdded },
  };
}

function toFileReport(
  file: SourceFile,
  read: number,
  { inserted, updated }: { inserted: number; updated: number },
  rejects: Rejects,
): FileReport {
  const rejected = rejects.countOf(file.name);
  const unchanged = read - inserted - updated - rejected;
  assert(unchanged >= 0, `${file.name}: more lines stored than read`);
  return { file: file.name, read, inserted, updated, unchanged, rejected };
}

async function recordFailure(
  store: Store,
  target: RatingImport,
  rejects: Rejects,
  cause: unknown,
): Promise<void> {
  await target.rollback();
  try {
    const code = cause instanceof AppError ? cause.code : 'IMPORT_FAILED';
    await failImportRecord(store, target.id, `${code}: ${messageOf(cause)}`);
    await saveRejects(store.pool, target.id, rejects.lines);
  } catch {
    // The database may be what failed; the next import then marks this one as interrupted.
  }
}

async function explain(error: unknown, source: ImportSource, signal?: AbortSignal): Promise<unknown> {
  if (signal?.aborted)
    return new AppError('IMPORT_INTERRUPTED', 'the import was cancelled; nothing was imported');
  return error instanceof AppError ? ((await source.findDamage()) ?? error) : error;
}
