// marquee quickstart: from nothing to a running system. Starts PostgreSQL, migrates, imports, trains, shows ten
// recommendations, serves. Started again it keeps what it has: nothing is imported or trained twice.

import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { type Command, Option } from 'commander';
import { checkListen } from '../api/listening.js';
import { writeSyntheticSet } from '../loading/synthetic.js';
import {
  DEFAULT_PRESET,
  PRESETS,
  sizedHyperparameters,
  storedHyperparameters,
} from '../store/hyperparameters.js';
import { findActiveModel, listModels } from '../store/models.js';
import type { Model, TrainingRun } from '../store/prisma/client.js';
import { promoteModel } from '../store/promotion.js';
import type { RunRequest } from '../store/runRequest.js';
import { findRuns } from '../store/runs.js';
import type { Store } from '../store/store.js';
import { DEFAULT_MAX_REJECTS, runImport } from './import.js';
import { wholeNumber } from './numbers.js';
import type { Output } from './output.js';
import type { Io } from './program.js';
import { serve } from './serve.js';
import { withStore } from './session.js';
import { showEvaluation } from './showEvaluation.js';
import { showRecommendations } from './showRecommendations.js';
import { runTraining, toRequest } from './train.js';

/** The built-in set: small enough to train in seconds, large enough for tastes to show. */
const SYNTHETIC = { users: 600, movies: 400, ratings: 40_000, seed: 1 };
/** The newest models, among which one may be what is asked for. */
const LOOKED_AT = 100;
/** The paper's network, to compare with, and then the model that answers. */
const QUICKSTART_PRESETS = [DEFAULT_PRESET, 'accurate'];

interface QuickstartOptions {
  data?: string;
  preset?: string;
  epochs?: number;
  engine: string;
  port: number;
  exit?: boolean;
  json?: boolean;
}

export function addQuickstart(program: Command, io: Io): void {
  program
    .command('quickstart')
    .description('start everything: database, a data set, a trained model, and the server until Ctrl-C')
    .option('--data <path>', 'MovieLens folder, .zip or ratings CSV; without it a small synthetic set')
    .addOption(
      new Option(
        '--preset <name>',
        `settings to train with; without it first ${QUICKSTART_PRESETS.join(', then ')}, side by side`,
      ).choices(Object.keys(PRESETS)),
    )
    .option(
      '--epochs <n>',
      "passes over the ratings, 1 to 1000; the preset's if absent",
      wholeNumber(1, 1000),
    )
    .option('--engine <name>', 'as in `marquee engines`, or auto: the fastest there is', 'auto')
    .option('--port <n>', 'port to listen on; 0: any free one', wholeNumber(0, 65_535), io.config.port)
    .option('--exit', 'stop once recommendations have been printed, instead of serving')
    .option('--json', 'one line of JSON per event')
    .action(async (options: QuickstartOptions) => {
      const presets = options.preset === undefined ? QUICKSTART_PRESETS : [options.preset];
      const requests = presets.map((preset) => toRequest({ ...options, preset }, io.version));
      const output = io.output(options);
      const address = { host: io.config.host, port: options.port };
      if (!options.exit) await checkListen(address);
      output.event({ event: 'starting' }, 'starting PostgreSQL …');
      await withStore(io.config, async (session) => {
        const { store, signal } = session;
        const changed = await importOnce(io, store, options, output, signal);
        const asked = { isNamed: options.preset !== undefined, changed };
        const model = await trainOnce(io, store, requests, asked, output, signal);
        await showRecommendations(store, model, io.config, output);
        if (!options.exit) await serve(session, io, { ...address, worker: true }, output);
      });
    });
}

/** Gives whether the store's ratings changed. */
async function importOnce(
  { config }: Io,
  store: Store,
  { data }: QuickstartOptions,
  output: Output,
  signal: AbortSignal,
): Promise<boolean> {
  if (data === undefined && (await store.prisma.rating.findFirst())) {
    output.event({ event: 'kept' }, 'using the ratings that are in the store; --data <path> adds others');
    return false;
  }
  const path = data ?? join(config.homeDir, 'synthetic');
  if (data === undefined) {
    output.event({ event: 'synthetic', path }, `no --data: making a small synthetic set in ${path}`);
    await writeSyntheticSet(path, SYNTHETIC);
  }
  const { counts } = await runImport(store, path, { maxRejects: DEFAULT_MAX_REJECTS }, output, signal);
  return counts.inserted + counts.updated > 0;
}

/** Trains as asked, one after another, unless the last of it is there; gives the model that answers. */
async function trainOnce(
  { config }: Io,
  store: Store,
  requests: readonly RunRequest[],
  { isNamed, changed }: { isNamed: boolean; changed: boolean },
  output: Output,
  signal: AbortSignal,
): Promise<Model> {
  const known = changed ? null : await findTrainedAs(store, requests.at(-1)!);
  if (known) {
    // Whoever promoted another one since, or rolled back, wants that, unless this one is asked for by name.
    const active = isNamed ? null : await findActiveModel(store);
    const model = active ?? (await promoteModel(store, known.id, { force: true }));
    const other = model.id === known.id ? '' : `; model ${model.version} is active`;
    output.event(
      { event: 'kept-model', version: known.version, active: model.version },
      `model ${known.version} knows these ratings already${other}; \`npx marquee train\` trains another`,
    );
    await showEvaluation(store, model.runId, output);
    return model;
  }
  const done: Awaited<ReturnType<typeof runTraining>>[] = [];
  for (const request of requests) done.push(await runTraining(store, request, config, output, signal, done));
  // Who starts with these settings wants to see them at work, also where they are worse than what was there.
  return promoteModel(store, done.at(-1)!.modelId, { force: true });
}

/** The newest model that was trained as asked on the ratings as they are. */
async function findTrainedAs(store: Store, request: RunRequest): Promise<Model | null> {
  const models = await listModels(store, LOOKED_AT, null);
  const runs = await findRuns(
    store,
    models.map(({ runId }) => runId),
  );
  const now = await store.prisma.rating.aggregate({ _count: true, _max: { ratedAt: true } });
  return models.find((_, i) => isTrainedAs(runs[i]!, request, now)) ?? null;
}

function isTrainedAs(
  run: TrainingRun,
  request: RunRequest,
  now: { _count: number; _max: { ratedAt: Date | null } },
): boolean {
  const sized = sizedHyperparameters(request.preset, request.hyperparameters, run.trainRatings ?? 0);
  return (
    isDeepStrictEqual(storedHyperparameters(run.hyperparameters), sized) &&
    isDeepStrictEqual(run.split, request.split) &&
    run.seed === request.seed &&
    run.snapshotRatings === now._count &&
    run.snapshotLatest?.getTime() === now._max.ratedAt?.getTime() &&
    (request.engine === 'auto' || request.engine === run.engine)
  );
}
