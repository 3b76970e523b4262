// marquee export: ratings, stored lists or a model as files for other programs.

import { Argument, type Command, Option } from 'commander';
import { exportLayers } from '../engines/open.js';
import { AppError } from '../errors.js';
import { loadModel } from '../store/models.js';
import { movieIdsByIndex } from '../store/movies.js';
import { readScale } from '../store/ratingScale.js';
import type { Store } from '../store/store.js';
import { type ExportTable, predictionTables, RATING_TABLES, readTables } from '../store/tableExport.js';
import { userIdsByIndex } from '../store/users.js';
import {
  type ExportOptions,
  intoFolder,
  writeCsv,
  writeJson,
  writeLayersModel,
  writeParquet,
} from './export/files.js';
import { ACTIVE, type ModelChoice, modelOf, modelVersion } from './modelChoice.js';
import type { Output } from './output.js';
import type { Io } from './program.js';
import { formatCount } from './report.js';
import { withStore } from './session.js';

const SUBJECTS = ['ratings', 'predictions', 'model'] as const;
const FORMATS = ['csv', 'parquet', 'tfjs'] as const;
type Subject = (typeof SUBJECTS)[number];
type Format = (typeof FORMATS)[number];

const HELP = `
  ratings      csv: ratings.csv, movies.csv and links.csv, as marquee import reads them; parquet: the same tables
  predictions  csv or parquet: the lists that marquee score has stored for the model
  model        tfjs: a LayersModel for TensorFlow.js (model.json), which gives the same predicted ratings in a browser, and
               users.json and movies.json, which say what the rows of its embeddings are
The folder appears when all of it is written. docs/export.md has examples.`;

interface ExportCommandOptions {
  format: Format;
  out: string;
  model: ModelChoice;
  force?: boolean;
  json?: boolean;
}

export function addExport(program: Command, io: Io): void {
  program
    .command('export')
    .description('write ratings, stored lists or a model to files')
    .addArgument(new Argument('<what>', 'what to write').choices(SUBJECTS))
    .addOption(new Option('--format <name>', 'of the files').choices(FORMATS).makeOptionMandatory())
    .requiredOption('--out <dir>', 'folder to write; must not be there yet')
    .option('--model <version>', 'of the lists or the model, or active', modelVersion, ACTIVE)
    .option('--force', 'replace the folder where it is there and holds nothing but an export')
    .option('--json', 'one line of JSON per event')
    .addHelpText('after', HELP)
    .action(async (subject: Subject, options: ExportCommandOptions) => {
      const output = io.output(options);
      await withStore(io.config, ({ store, signal }) => runExport(store, subject, options, output, signal));
    });
}

async function runExport(
  store: Store,
  subject: Subject,
  { format, model, out, force = false }: ExportCommandOptions,
  output: Output,
  signal: AbortSignal,
): Promise<void> {
  if ((subject === 'model') !== (format === 'tfjs')) {
    const formats = subject === 'model' ? 'tfjs' : 'csv or parquet';
    throw new AppError('USAGE', `${subject} cannot be written as ${format}: expected ${formats}`);
  }
  const onRows = (file: string, rows: number) =>
    output.progress({ event: 'progress', file, rows }, 0, `${file}: ${formatCount(rows)} rows`);
  const options: ExportOptions = { out, force, signal, onRows };
  const files = await writerOf(subject)(store, options, { format, model });
  output.event(
    { event: 'exported', what: subject, format, out, files },
    `wrote ${files.join(', ')} to ${out}`,
  );
}

type Writer = (
  store: Store,
  options: ExportOptions,
  choice: { format: Format; model: ModelChoice },
) => Promise<string[]>;

function writerOf(subject: Subject): Writer {
  const writers = {
    ratings: (store, options, { format }) => writeTables(store, RATING_TABLES, format, options),
    async predictions(store, options, { format, model }) {
      const { id, version } = await modelOf(store, model);
      const tables = predictionTables(id);
      if ((await readTables(store, ({ count }) => count(tables[0]))) === 0)
        throw new AppError(
          'EXPORT_FAILED',
          `no lists are stored for model ${version}: run marquee score first, unless everybody has rated everything`,
        );
      return writeTables(store, tables, format, options);
    },
    model: async (store, options, { model }) => writeModel(store, (await modelOf(store, model)).id, options),
  } satisfies Record<Subject, Writer>;
  return writers[subject];
}

function writeTables(
  store: Store,
  tables: readonly ExportTable[],
  format: Format,
  options: ExportOptions,
): Promise<string[]> {
  const write = format === 'csv' ? writeCsv : writeParquet;
  return intoFolder(options, (folder) =>
    readTables(store, async (reader) => {
      const files: string[] = [];
      for (const table of tables) files.push(await write(folder, reader, table, options));
      return files;
    }),
  );
}

async function writeModel(store: Store, modelId: number, options: ExportOptions): Promise<string[]> {
  const { shape, parameters, ratingMean } = await loadModel(store, modelId);
  const scale = await readScale(store.pool);
  const model = await exportLayers(shape, parameters, { ratingMean, ...scale });
  const users = (await userIdsByIndex(store)).subarray(0, shape.users);
  const movies = (await movieIdsByIndex(store)).subarray(0, shape.movies);
  return intoFolder(options, async (folder) => [
    ...(await writeLayersModel(folder, model)),
    await writeJson(folder, 'users.json', [...users]),
    await writeJson(folder, 'movies.json', [...movies]),
  ]);
}
