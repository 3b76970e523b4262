// A folder, a .zip or one file of ratings → the files to read, as streams. Nothing is unpacked to disk:
// entries are found by their base name, so a path inside an archive is never used as a path. Any file may be a .gz.

import { createReadStream, type Stats } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { PassThrough, type Readable, Transform } from 'node:stream';
import { finished } from 'node:stream/promises';
import { crc32, createGunzip } from 'node:zlib';
import yauzl from 'yauzl';
import { AppError, messageOf } from '../errors.js';
import { RATINGS_FILE } from './ratingsLayout.js';

/** In order of preference; what each looks like is for ratingsLayout.ts and import.ts. */
const FILE_NAMES = {
  ratings: ['ratings.csv', 'ratings.dat', 'u.data'],
  movies: ['movies.csv', 'movies.dat', 'u.item'],
  links: ['links.csv'],
  users: ['users.dat', 'u.user'],
} as const;
type FileKind = keyof typeof FILE_NAMES;
const CHUNK_BYTES = 1 << 18;

export interface SourceFile {
  /** As in reports: "ratings.csv". */
  name: string;
  /** As stored: of a .gz the packed ones. */
  bytes: number;
  /** onRead is told of the bytes as stored. */
  open(onRead?: (bytes: number) => void): Promise<Readable>;
}

export interface ImportSource {
  ratings: SourceFile;
  movies: SourceFile | null;
  links: SourceFile | null;
  users: SourceFile | null;
  /** Reads all of an archive once more: damaged bytes may look like bad lines first. */
  findDamage(): Promise<AppError | null>;
  close(): void;
}

/**
 * isRatings: takes a file of any name for ratings.
 * @throws AppError IMPORT_SOURCE_MISSING, IMPORT_BAD_ARCHIVE
 */
export async function openSource(path: string, isRatings = false): Promise<ImportSource> {
  if (path === '') throw new AppError('IMPORT_SOURCE_MISSING', 'the path to import is empty');
  const stats = await getStats(path);
  if (stats.isDirectory()) return openFolder(path);
  if (path.toLowerCase().endsWith('.zip')) return openArchive(path);
  if (isRatings || RATINGS_FILE.test(path)) {
    const ratings = fileOnDisk(path, stats.size);
    return { ...{ ratings, movies: null, links: null, users: null }, ...damageOf([ratings]), close() {} };
  }
  throw new AppError(
    'IMPORT_SOURCE_MISSING',
    `${path} is neither a folder nor a .zip nor a file of ratings (.csv, .dat, .data, or one of these as .gz)`,
  );
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
  const files = new Map<string, SourceFile>();
  for (const name of names.filter(isWanted)) {
    files.set(name, fileOnDisk(join(path, name), (await getStats(join(path, name))).size));
  }
  return { ...pickFiles(path, files), ...damageOf(files.values()), close() {} };
}

function isWanted(name: string): boolean {
  return (Object.values(FILE_NAMES).flat() as string[]).includes(name.replace(/\.gz$/, ''));
}

function fileOnDisk(path: string, bytes: number): SourceFile {
  return unpacking(path, {
    name: basename(path),
    bytes,
    // A quarter of a MiB at a time: with four times as much an import of 2 million rows took 7 MiB more memory.
    open: async () => createReadStream(path, { highWaterMark: CHUNK_BYTES }),
  });
}

/** The same file, told of what is read, and unpacked where it is a .gz. path: for messages. */
function unpacking(path: string, file: SourceFile): SourceFile {
  const isPacked = file.name.toLowerCase().endsWith('.gz');
  return {
    ...file,
    async open(onRead) {
      const stored = await file.open();
      if (!onRead && !isPacked) return stored;
      const meter = new Transform({
        highWaterMark: CHUNK_BYTES,
        transform(chunk: Buffer, _encoding, done) {
          onRead?.(chunk.length);
          done(null, chunk);
        },
      });
      const metered = joined(stored, meter);
      if (!isPacked) return metered;
      const unpacked = joined(metered, createGunzip({ chunkSize: CHUNK_BYTES }));
      return joined(unpacked, new PassThrough({ highWaterMark: CHUNK_BYTES }), (error) =>
        'syscall' in error || error instanceof AppError ? error : badArchive(path, error),
      );
    },
  };
}

/** `to`, fed from `from`: an error or end of either ends both. */
function joined(from: Readable, to: Transform, explain = (error: Error): Error => error): Transform {
  from.on('error', (error) => to.destroy(explain(error)));
  to.on('close', () => from.destroy());
  return from.pipe(to);
}

async function openArchive(path: string): Promise<ImportSource> {
  const archive = await yauzl.openPromise(path, { autoClose: false }).catch((error) => {
    // The system's errors name the call that failed; yauzl's are about the bytes.
    throw 'syscall' in error ? unreadable(path, error) : badArchive(path, error);
  });
  try {
    const files = new Map<string, SourceFile>();
    for await (const entry of archive.eachEntry()) {
      const name = basename(entry.fileName);
      // A folder is named like a file by basename().
      if (entry.fileName.endsWith('/') || !isWanted(name) || files.has(name)) continue;
      const open = () => openEntry(path, archive, entry);
      files.set(name, unpacking(path, { name, bytes: entry.uncompressedSize, open }));
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
    highWaterMark: CHUNK_BYTES,
    transform(chunk: Buffer, _encoding, done) {
      sum = crc32(chunk, sum);
      done(null, chunk);
    },
    flush(done) {
      done(sum === entry.crc32 ? null : badArchive(path, `the checksum of ${entry.fileName} does not match`));
    },
  });
  return joined(unpacked, checked, (error) => badArchive(path, error));
}

function badArchive(path: string, cause: unknown): AppError {
  return new AppError('IMPORT_BAD_ARCHIVE', `${path}: ${messageOf(cause)}; nothing was imported`, { cause });
}

/** Of files on disk only the packed ones have a checksum. */
function damageOf(files: Iterable<SourceFile>): Pick<ImportSource, 'findDamage'> {
  const packed = [...files].filter(({ name }) => name.toLowerCase().endsWith('.gz'));
  return { findDamage: () => findDamage(packed) };
}

async function findDamage(files: Iterable<SourceFile>): Promise<AppError | null> {
  try {
    for (const file of files) await finished((await file.open()).resume());
    return null;
  } catch (error) {
    return error as AppError;
  }
}

function pickFiles(path: string, files: Map<string, SourceFile>) {
  const pick = (kind: FileKind) =>
    FILE_NAMES[kind].map((name) => files.get(name) ?? files.get(`${name}.gz`)).find((file) => file) ?? null;
  const ratings = pick('ratings');
  if (!ratings) {
    throw new AppError('IMPORT_SOURCE_MISSING', `${path} holds no ${FILE_NAMES.ratings.join(', no ')}`);
  }
  return { ratings, movies: pick('movies'), links: pick('links'), users: pick('users') };
}
