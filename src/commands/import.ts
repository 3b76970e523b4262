// marquee import: ratings into the store, with a report that accounts for every line.

import type { Command } from 'commander';
import { type ImportReport, importRatings } from '../loading/import.js';
import type { Store } from '../store/store.js';
import { wholeNumber } from './numbers.js';
import type { Output } from './output.js';
import type { Io } from './program.js';
import { formatCount } from './report.js';
import { withStore } from './session.js';

export const DEFAULT_MAX_REJECTS = 100;

export function addImport(program: Command, io: Io): void {
  program
    .command('import')
    .description('load a MovieLens data set: ratings.csv, and movies.csv and links.csv where they are there')
    .argument('<path>', 'folder, .zip or ratings CSV')
    .option(
      '--max-rejects <n>',
      'stop when more lines than this cannot be read',
      wholeNumber(0, 1e9),
      DEFAULT_MAX_REJECTS,
    )
    .option('--json', 'one line of JSON per event')
    .action(async (path: string, options: { maxRejects: number; json?: boolean }) => {
      const output = io.output(options);
      await withStore(io.config, ({ store, signal }) =>
        runImport(store, path, options.maxRejects, output, signal),
      );
    });
}

export async function runImport(
  store: Store,
  path: string,
  maxRejects: number,
  output: Output,
  signal: AbortSignal,
): Promise<ImportReport> {
  const report = await importRatings(store, path, {
    maxRejects,
    signal,
    onProgress: ({ phase, bytesRead, bytesTotal }) => {
      const share = bytesTotal === 0 ? 1 : bytesRead / bytesTotal;
      output.progress({ event: 'progress', phase, bytesRead, bytesTotal }, share, phase);
    },
  });
  output.event({ event: 'imported', ...report }, describe(report));
  return report;
}

function describe(report: ImportReport): string {
  const { files, counts, seconds, importId } = report;
  const lines = files.map(
    ({ file, read, inserted, updated, unchanged, rejected }) =>
      `${file}: ${formatCount(read)} lines read = ${formatCount(inserted)} inserted + ${formatCount(updated)} updated + ${formatCount(unchanged)} unchanged + ${formatCount(rejected)} rejected`,
  );
  if (counts.duplicates > 0)
    lines.push(
      `of the unchanged, ${formatCount(counts.duplicates)} were replaced by a later line of the same file`,
    );
  const rejected = files.reduce((sum, file) => sum + file.rejected, 0);
  if (rejected > 0) lines.push(`the rejected lines are in import_rejects, import_id ${importId}`);
  lines.push(`${describeOutcome(report)}, ${seconds.toFixed(1)} s`);
  return lines.join('\n');
}

function describeOutcome({ files, counts }: ImportReport): string {
  const total = (count: 'inserted' | 'updated' | 'unchanged' | 'rejected') =>
    files.reduce((sum, file) => sum + file[count], 0);
  const empty = counts.linesRead === 0 ? `${files[0].file} holds no ratings` : null;
  if (total('inserted') + total('updated') > 0) {
    const added = `${formatCount(counts.usersAdded)} users and ${formatCount(counts.moviesAdded)} movies added`;
    return empty ? `${added}; ${empty}` : added;
  }
  if (empty) return `nothing changed: ${empty}`;
  if (total('unchanged') === 0) return 'nothing was imported: every line was rejected';
  return `nothing changed: the store held all ${total('rejected') > 0 ? 'that was not rejected' : 'of it'}`;
}
