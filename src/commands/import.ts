// marquee import: ratings into the store, with a report that accounts for every line.

import { type Command, InvalidArgumentError } from 'commander';
import { type ImportReport, importRatings } from '../loading/import.js';
import type { ColumnRole, RatingsLayout } from '../loading/ratingsLayout.js';
import { HALF_STARS, RATING_LIMIT, type RatingScale } from '../store/scale.js';
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
A single file is read by its name: .dat as ratings.dat, .data, .base, .train and .test as u.data, or as ratings.dat where :: is in the
first line, .csv as ratings.csv. With --columns it may have any name, columns in any order ("-" for one that is not read), with
a header or without, between commas, semicolons, tabs, | or ::. What scale the ratings are on is told by the start of the first
file that is imported (half stars from 0.5 to 5 unless many lie outside), or by --scale; what lies outside is rejected, then
and later.`;

interface ImportCommandOptions {
  maxRejects: number;
  columns?: RatingsLayout['roles'];
  scale?: RatingScale;
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
      '--scale <min:max[:step]>',
      'lowest and highest rating, such as -10:10; of a store that holds ratings it can only be widened',
      parseScale,
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

/** Without a step it is a tenth of the scale, or 1 on a scale of up to 20 whole steps. */
function parseScale(text: string): RatingScale {
  const number = String.raw`(-?\d+(?:\.\d+)?)`;
  const match = new RegExp(`^${number}:${number}(?::(\\d+(?:\\.\\d+)?))?$`).exec(text);
  if (!match) throw new InvalidArgumentError('Expected two or three numbers, such as -10:10 or 0.5:5:0.5.');
  const [minimum, maximum] = [Number(match[1]), Number(match[2])];
  const range = maximum - minimum;
  if (range <= 0 || Math.max(-minimum, maximum) > RATING_LIMIT)
    throw new InvalidArgumentError(`Expected the lowest first, and none beyond ${RATING_LIMIT}.`);
  const step = match[3] ? Number(match[3]) : Number.isInteger(range) && range <= 20 ? 1 : range / 10;
  if (!(step > 0 && step <= range && range / step <= 1000))
    throw new InvalidArgumentError(`Expected a step that divides ${minimum} to ${maximum} into 1 to 1000.`);
  return { minimum, maximum, step };
}

export async function runImport(
  store: Store,
  path: string,
  { maxRejects, columns, scale }: Pick<ImportCommandOptions, 'maxRejects' | 'columns' | 'scale'>,
  output: Output,
  signal: AbortSignal,
): Promise<ImportReport> {
  const report = await importRatings(store, path, {
    ...{ maxRejects, columns, scale, signal },
    onProgress: ({ phase, bytesRead, bytesTotal }) => {
      const share = bytesTotal === 0 ? 1 : bytesRead / bytesTotal;
      output.progress({ event: 'progress', phase, bytesRead, bytesTotal }, share, phase);
    },
  });
  output.event({ event: 'imported', ...report }, describe(report));
  return report;
}

function describe(report: ImportReport): string {
  const { files, counts, rejects, seconds, importId } = report;
  const lines = files.map(
    ({ file, read, inserted, updated, unchanged, rejected }) =>
      `${file}: ${formatCount(read)} lines read = ${formatCount(inserted)} inserted + ${formatCount(updated)} updated + ${formatCount(unchanged)} unchanged + ${formatCount(rejected)} rejected`,
  );
  if (counts.duplicates > 0)
    lines.push(
      `of the unchanged, ${formatCount(counts.duplicates)} were replaced by a later line of the same file`,
    );
  lines.push(...rejects.map(({ file, line, reason }) => `rejected: ${file} line ${line}: ${reason}`));
  if (rejects.length > 0)
    lines.push(
      `all rejected lines are in the table import_rejects, import_id ${importId}; over GraphQL: imports { nodes { rejects } }`,
    );
  const { minimum, maximum } = report.scale;
  if (minimum !== HALF_STARS.minimum || maximum !== HALF_STARS.maximum)
    lines.push(`ratings are from ${minimum} to ${maximum}`);
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
