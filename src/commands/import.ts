// marquee import: ratings into the store, with a report that accounts for every line.

import { type Command, InvalidArgumentError } from 'commander';
import { type ImportReport, importRatings } from '../loading/import.js';
import type { ColumnRole, RatingsLayout } from '../loading/ratingsLayout.js';
import type { Store } from '../store/store.js';
import { wholeNumber } from './numbers.js';
import type { Output } from './output.js';
import type { Io } from './program.js';
import { formatCount } from './report.js';
import { withStore } from './session.js';

export const DEFAULT_MAX_REJECTS = 100;
const COLUMN_NAMES = ['user', 'movie', 'rating', 'time'] as const satisfies ColumnRole[];

const HELP = `
A folder or .zip may hold, with or without .gz:
  ratings.csv  userId,movieId,rating[,timestamp]      movies.csv, links.csv   as in ml-latest, ml-20m, ml-25m, ml-32m
  ratings.dat  user::movie::rating[::time]            movies.dat, users.dat   as in ml-1m, ml-10m
  u.data       user, movie, rating, time, by tabs     u.item, u.user          as in ml-100k
A single file is read by its name: .dat as ratings.dat, .data, .base and .test as u.data, .csv as ratings.csv. With --columns it
may have any name, columns in any order ("-" for one that is not read), with a header or without, between
commas, semicolons, tabs, | or ::. Ratings are from 0.5 to 5.`;

interface ImportCommandOptions {
  maxRejects: number;
  columns?: RatingsLayout['roles'];
  json?: boolean;
}

export function addImport(program: Command, io: Io): void {
  program
    .command('import')
    .description('load ratings, and movies, links and users where they are there')
    .argument('<path>', 'folder, .zip or file of ratings; any file may be a .gz')
    .option(
      '--columns <names>',
      'what the columns of the ratings are, such as user,movie,rating,time',
      parseColumns,
    )
    .option(
      '--max-rejects <n>',
      'stop when more lines than this cannot be read',
      wholeNumber(0, 1e9),
      DEFAULT_MAX_REJECTS,
    )
    .option('--json', 'one line of JSON per event')
    .addHelpText('after', HELP)
    .action(async (path: string, options: ImportCommandOptions) => {
      const output = io.output(options);
      await withStore(io.config, ({ store, signal }) => runImport(store, path, options, output, signal));
    });
}

function parseColumns(text: string): RatingsLayout['roles'] {
  const names = text.split(',');
  const wrong = names.find((name) => name !== '-' && !(COLUMN_NAMES as readonly string[]).includes(name));
  if (wrong !== undefined) {
    throw new InvalidArgumentError(`"${wrong}" is none of ${COLUMN_NAMES.join(', ')} and -.`);
  }
  const roles = names.map((name) => (name === '-' ? null : (name as ColumnRole)));
  for (const name of COLUMN_NAMES) {
    const count = roles.filter((role) => role === name).length;
    if (count > 1 || (count === 0 && name !== 'time')) {
      throw new InvalidArgumentError(`Expected ${name} once, found it ${count} times.`);
    }
  }
  return roles;
}

export async function runImport(
  store: Store,
  path: string,
  { maxRejects, columns }: Pick<ImportCommandOptions, 'maxRejects' | 'columns'>,
  output: Output,
  signal: AbortSignal,
): Promise<ImportReport> {
  const report = await importRatings(store, path, {
    ...{ maxRejects, columns, signal },
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
