// A folder, a .zip or one ratings CSV → the files to read, as streams. Nothing is unpacked to disk:
// entries are found by their base name, so a path inside an archive is never used as a path.

import { createReadStream, type Stats } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type Readable, Transform } from 'node:stream';
import { finished } from 'node:stream/promises';
import { crc32 } from 'node:zlib';
import yauzl from 'yauzl';
import { AppError, messageOf } from '../errors.js';

const FILE_NAMES = ['ratings.csv', 'movies.csv', 'links.csv'] as const;
type FileName = (typeof FILE_NAMES)[number];

export interface SourceFile {
  /** As in reports: "ratings.csv". */
  name: string;
  bytes: number;
  open(): Promise<Readable>;
}

export interface ImportSource {
  ratings: SourceFile;
  movies: SourceFile | null;
  links: SourceFile | null;
  /** Reads all of an archive once more: damaged bytes may look like bad lines first. */
  findDamage(): Promise<AppError | null>;
  close(): void;
}

/** @throws AppError IMPORT_SOURCE_MISSING, IMPORT_BAD_ARCHIVE */
export async function openSource(path: string): Promise<ImportSource> {
  if (path === '') throw new AppError('IMPORT_SOURCE_MISSING', 'the path to import is empty');
  const stats = await getStats(path);
  if (stats.isDirectory()) return openFolder(path);
  if (path.toLowerCase().endsWith('.zip')) return openArchive(path);
  if (path.toLowerCase().endsWith('.csv')) {
    return {
      ratings: fileOnDisk(path, stats.size),
      movies: null,
      links: null,
      findDamage: async () => null,
      close() {},
    };
  }
  throw new AppError('IMPORT_SOURCE_MISSING', `${path} is neither a folder nor a .zip or .csv file`);
}

function getStats(path: string): Promise<Stats> {
  return stat(path).catch((error) => {
    throw unreadable(path, error);
  });
}

function unreadable(path: string, cause: NodeJS.ErrnoException): AppError {
  const what = cause.code === 'ENOENT' ? 'does not exist' : `cannot be read: ${cause.message}`;
  return new AppError('IMPORT_SOURCE_MISSING', `${path} ${what}`, { cause });
}

async function openFolder(path: string): Promise<ImportSource> {
  const names = await readdir(path).catch((error) => {
    throw unreadable(path, error);
  });
  const present = new Set(names);
  const files = new Map<FileName, SourceFile>();
  for (const name of FILE_NAMES) {
    if (present.has(name))
      files.set(name, fileOnDisk(join(path, name), (await getStats(join(path, name))).size));
  }
  return { ...pickFiles(path, files), findDamage: async () => null, close() {} };
}

function fileOnDisk(path: string, bytes: number): SourceFile {
  return {
    name: basename(path),
    bytes,
    open: async () => createReadStream(path, { highWaterMark: 1 << 20 }),
  };
}

async function openArchive(path: string): Promise<ImportSource> {
  const archive = await yauzl.openPromise(path, { autoClose: false }).catch((error) => {
    // The system's errors name the call that failed; yauzl's are about the bytes.
    throw 'syscall' in error ? unreadable(path, error) : badArchive(path, error);
  });
  try {
    const files = new Map<FileName, SourceFile>();
    for await (const entry of archive.eachEntry()) {
      if (entry.fileName.endsWith('/')) continue; // a folder, which basename() would name like a file
      const name = FILE_NAMES.find((candidate) => candidate === basename(entry.fileName));
      if (!name || files.has(name)) continue;
      files.set(name, {
        name,
        bytes: entry.uncompressedSize,
        open: () => openEntry(path, archive, entry),
      });
    }
    return {
      ...pickFiles(path, files),
      findDamage: () => findDamage(files.values()),
      close: () => archive.close(),
    };
  } catch (error) {
    archive.close();
    throw error instanceof AppError ? error : badArchive(path, error);
  }
}

/** yauzl compares an entry's size only, so its checksum is compared here. */
async function openEntry(path: string, archive: yauzl.ZipFile, entry: yauzl.Entry): Promise<Readable> {
  const unpacked = await archive.openReadStreamPromise(entry).catch((error) => {
    throw badArchive(path, error);
  });
  let sum = 0;
  const checked = new Transform({
    highWaterMark: 1 << 20,
    transform(chunk: Buffer, _encoding, done) {
      sum = crc32(chunk, sum);
      done(null, chunk);
    },
    flush(done) {
      done(sum === entry.crc32 ? null : badArchive(path, `the checksum of ${entry.fileName} does not match`));
    },
  });
  unpacked.on('error', (error) => checked.destroy(badArchive(path, error)));
  checked.on('close', () => unpacked.destroy());
  return unpacked.pipe(checked);
}

function badArchive(path: string, cause: unknown): AppError {
  return new AppError('IMPORT_BAD_ARCHIVE', `${path}: ${messageOf(cause)}; nothing was imported`, { cause });
}

async function findDamage(files: Iterable<SourceFile>): Promise<AppError | null> {
  try {
    for (const file of files) await finished((await file.open()).resume());
    return null;
  } catch (error) {
    return error as AppError;
  }
}

function pickFiles(path: string, files: Map<FileName, SourceFile>) {
  const ratings = files.get('ratings.csv');
  if (!ratings) throw new AppError('IMPORT_SOURCE_MISSING', `${path} holds no ratings.csv`);
  return { ratings, movies: files.get('movies.csv') ?? null, links: files.get('links.csv') ?? null };
}
