// The files of an export: a folder, or a file, that appears when all of it is written, and not at all when something fails.

import { randomUUID } from 'node:crypto';
import { createWriteStream, existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileWriter, parquetWriteRows } from 'hyparquet-writer';
import type { LayersFiles } from '../../engines/tfjsExport.js';
import { AppError, messageOf } from '../../errors.js';
import { makeFolder } from '../../store/folders.js';
import type { ExportTable, TableReader } from '../../store/tableExport.js';

/** A browser fetches these side by side. */
const SHARD_BYTES = 4 << 20;
const ROW_GROUP_ROWS = 100_000;
const NEWLINE = 10;
const DISK_ENDS = new Set(['ENOSPC', 'EDQUOT', 'EFBIG', 'EIO']);
/** What exports write, of every kind and format. */
const EXPORT_FILE =
  /^((ratings|movies|links|predictions)\.(csv|parquet)|(model|users|movies)\.json|weights-\d+\.bin)$/;

export interface ExportOptions {
  /** The folder. */
  out: string;
  /** Takes the place of a folder that is there. */
  force: boolean;
  signal: AbortSignal;
  onRows: (file: string, rows: number) => void;
}

/** As intoPlace, for a folder. */
export function intoFolder<T>(options: ExportOptions, write: (folder: string) => Promise<T>): Promise<T> {
  return intoPlace(options, async (folder) => {
    await mkdir(folder);
    return write(folder);
  });
}

/** Gives `write` a path, and shows what is there as `out` when it is done. @throws AppError EXPORT_FAILED, RUN_CANCELLED */
export async function intoPlace<T>(
  { out, force, signal }: Pick<ExportOptions, 'out' | 'force' | 'signal'>,
  write: (path: string) => Promise<T>,
): Promise<T> {
  if (out === '') throw new AppError('USAGE', '--out is empty: expected the path to write to');
  const target = resolve(out);
  if (existsSync(target)) {
    if (!force) throw new AppError('EXPORT_FAILED', `${out} exists already`);
    await checkIsExport(out, target);
  }
  const path = join(dirname(target), `.marquee-export-${randomUUID()}`);
  try {
    await makeFolder(dirname(target));
    const result = await write(path);
    signal.throwIfAborted();
    if (force) await rm(target, { recursive: true, force: true });
    await rename(path, target);
    return result;
  } catch (error) {
    if (signal.aborted)
      throw new AppError('RUN_CANCELLED', `stopped before ${out} was whole: nothing of it is there`, {
        cause: error,
      });
    if (error instanceof AppError || !isOfFiles(error)) throw error;
    throw new AppError('EXPORT_FAILED', `could not write ${out}: ${messageOf(error)}`, { cause: error });
  } finally {
    await rm(path, { recursive: true, force: true });
  }
}

/** What else lies there would be gone with it, and --out may name a folder by mistake. @throws AppError EXPORT_FAILED */
async function checkIsExport(out: string, target: string): Promise<void> {
  const names = await readdir(target).catch(() => {
    throw new AppError('EXPORT_FAILED', `${out} is not a folder`);
  });
  const other = names.find((name) => !EXPORT_FILE.test(name));
  if (other === undefined) return;
  throw new AppError('EXPORT_FAILED', `${out} holds ${other}, which is of no export: it is not replaced`);
}

/** Of an open file the system says no path, only that the disk is at its end. Errors of connections are PostgreSQL's. */
function isOfFiles(error: unknown): boolean {
  const { syscall, path, code } = error as NodeJS.ErrnoException;
  return syscall !== undefined && (path !== undefined || DISK_ENDS.has(code!));
}

export async function writeCsv(
  folder: string,
  reader: TableReader,
  table: ExportTable,
  { signal, onRows }: ExportOptions,
): Promise<string> {
  const file = `${table.name}.csv`;
  let lines = -1;
  const counter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, at + 1)) lines++;
      onRows(file, lines);
      done(null, chunk);
    },
  });
  await pipeline(reader.csv(table), counter, createWriteStream(join(folder, file)), { signal });
  return file;
}

export async function writeParquet(
  folder: string,
  reader: TableReader,
  table: ExportTable,
  { signal, onRows }: ExportOptions,
): Promise<string> {
  const file = `${table.name}.parquet`;
  async function* rows() {
    let count = 0;
    for await (const row of reader.rows(table)) {
      yield row;
      if (++count % 10_000 !== 0) continue;
      signal.throwIfAborted();
      onRows(file, count);
    }
  }
  await parquetWriteRows({
    writer: fileWriter(join(folder, file)),
    rows: rows(),
    columns: table.columns.map((column) => ({ ...column })),
    rowGroupSize: ROW_GROUP_ROWS,
  });
  return file;
}

/** As tf.loadLayersModel reads it. */
export async function writeLayersModel(
  folder: string,
  { topology, weightSpecs, weights }: LayersFiles,
): Promise<string[]> {
  const paths: string[] = [];
  for (let at = 0; at < weights.length; at += SHARD_BYTES) {
    paths.push(`weights-${paths.length + 1}.bin`);
    await writeFile(join(folder, paths[paths.length - 1]), weights.subarray(at, at + SHARD_BYTES));
  }
  await writeJson(folder, 'model.json', {
    ...{ format: 'layers-model', generatedBy: 'Marquee', convertedBy: null, modelTopology: topology },
    weightsManifest: [{ paths, weights: weightSpecs }],
  });
  return ['model.json', ...paths];
}

export async function writeJson(folder: string, file: string, value: unknown): Promise<string> {
  await writeFile(join(folder, file), `${JSON.stringify(value)}\n`);
  return file;
}
