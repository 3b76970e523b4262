// marquee train: a training run in the foreground, with progress; Ctrl-C cancels it.

import { type Command, Option } from 'commander';
import type { EngineSettings } from '../engines/engine.js';
import { checkEngine } from '../engines/open.js';
import { type Domain, HYPERPARAMETER_DOMAINS } from '../store/hyperparameterChecks.js';
import {
  DEFAULT_PRESET,
  DEFAULT_SEED,
  DEFAULT_SPLIT,
  type Hyperparameters,
  PRESETS,
} from '../store/hyperparameters.js';
import type { TrainingRun } from '../store/prisma/client.js';
import { type RunArguments, type RunRequest, resolveRunRequest } from '../store/runRequest.js';
import { createRun } from '../store/runs.js';
import type { Store } from '../store/store.js';
import { fromThreadError } from '../store/threadError.js';
import type { TrainingEvent } from '../training/events.js';
import { runInThread } from '../training/runInThread.js';
import { decimalNumber, wholeNumber, widths } from './numbers.js';
import type { Output } from './output.js';
import type { Io } from './program.js';
import type { OtherModel } from './report.js';
import { withStore } from './session.js';
import { describeTraining, shareOf } from './trainingReport.js';

const SPLIT_KINDS = { random: 'HASH', temporal: 'TEMPORAL', 'leave-last-out': 'LEAVE_LAST_OUT' } as const;

/** Of one run, or of all runs of a search. */
export interface RunOptions extends Partial<Hyperparameters> {
  preset: string;
  engine: string;
  seed?: number;
  split?: keyof typeof SPLIT_KINDS;
  testFraction?: number;
  splitSeed?: number;
}

interface TrainOptions extends RunOptions {
  promote?: boolean;
  json?: boolean;
}

export function addTrain(program: Command, io: Io): void {
  addRunOptions(program.command('train').description('train a model on the ratings in the store'))
    .option('--no-promote', 'keep the model that is active now, also when this one is not worse')
    .option('--json', 'one line of JSON per event')
    .action(async (options: TrainOptions) => {
      const request = toRequest(options, io.version);
      await withStore(io.config, ({ store, signal }) =>
        runTraining(store, request, io.config, io.output(options), signal),
      );
    });
}

/** Gives the command. */
export function addRunOptions(command: Command): Command {
  command
    .addOption(
      new Option('--preset <name>', 'settings to start from')
        .choices(Object.keys(PRESETS))
        .default(DEFAULT_PRESET),
    )
    .option('--engine <name>', 'as in `marquee engines`, or auto: the fastest there is', 'auto')
    .option(
      '--seed <n>',
      'of initial parameters and order; same seed, same engine: same model',
      wholeNumber(0, 2 ** 31 - 1),
      DEFAULT_SEED,
    )
    .addOption(
      new Option('--split <way>', 'ratings to hold out: random ones, the newest, or the last of each user')
        .choices(Object.keys(SPLIT_KINDS))
        .default('random'),
    )
    .option(
      '--test-fraction <share>',
      `share of the ratings held out (${DEFAULT_SPLIT.testFraction})`,
      decimalNumber,
    )
    .option(
      '--split-seed <n>',
      `another seed holds out other ratings (${DEFAULT_SPLIT.seed})`,
      wholeNumber(0, 2 ** 31 - 1),
    );
  for (const [name, domain] of Object.entries(HYPERPARAMETER_DOMAINS))
    addHyperparameter(command, name, domain);
  return command;
}

function addHyperparameter(command: Command, name: string, domain: Domain): void {
  const flag = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  const { kind, meaning } = domain;
  switch (kind) {
    case 'widths':
      command.option(
        `--${flag} <n,…>`,
        `${meaning}, each ${domain.min} to ${domain.max}, or none`,
        widths(domain.min, domain.max),
      );
      return;
    case 'number': {
      const { min, max } = domain;
      const parse = domain.whole ? wholeNumber(min, max) : decimalNumber;
      command.option(`--${flag} <n>`, `${meaning}, ${min} to ${max}`, parse);
      return;
    }
    case 'flag':
      command.option(`--${flag}`, meaning).option(`--no-${flag}`, `without ${meaning}`);
      return;
    case 'choice':
      command.addOption(new Option(`--${flag} <name>`, meaning).choices(domain.values));
      return;
    default:
      domain satisfies never;
  }
}

/** @throws AppError PRESET_UNKNOWN, HYPERPARAMETER_INVALID, ENGINE_UNKNOWN, ENGINE_UNSUPPORTED */
export function toRequest(options: TrainOptions, codeVersion: string): RunRequest {
  const request = resolveRunRequest({ ...toRunArguments(options), promote: options.promote }, codeVersion);
  checkEngine(request.engine, request.hyperparameters);
  return request;
}

/** As the store asks for them. */
export function toRunArguments(options: RunOptions): RunArguments {
  const names = Object.keys(HYPERPARAMETER_DOMAINS) as (keyof Hyperparameters)[];
  const { preset, engine, seed, split, testFraction, splitSeed } = options;
  return {
    ...{ preset, engine, seed },
    hyperparameters: Object.fromEntries(names.map((name) => [name, options[name]])),
    split: { kind: SPLIT_KINDS[split ?? 'random'], testFraction, seed: splitSeed },
  };
}

/** Records a run and trains it here; gives its errors. @throws what ended it, when it did not succeed */
export async function runTraining(
  store: Store,
  request: RunRequest,
  settings: EngineSettings,
  output: Output,
  signal: AbortSignal,
  others: readonly OtherModel[] = [],
): Promise<OtherModel & { runId: number; modelId: number }> {
  const run = await createRun(store, request, 'RUNNING');
  return trainHere(store, run, settings, output, signal, others);
}

/** As runTraining, for a run that is RUNNING and the caller's. */
export async function trainHere(
  store: Store,
  run: TrainingRun,
  { threads }: EngineSettings,
  output: Output,
  signal: AbortSignal,
  others: readonly OtherModel[] = [],
): Promise<OtherModel & { runId: number; modelId: number }> {
  let figures: (OtherModel & { modelId: number }) | null = null;
  output.event(
    { event: 'run', runId: run.id, preset: run.preset },
    `training run ${run.id}, preset ${run.preset}`,
  );
  const outcome = await runInThread(store, run, {
    ...{ threads, signal },
    onEvent(event) {
      if (event.event === 'succeeded')
        figures = { ...event.evaluation, name: run.preset, modelId: event.modelId };
      report(event, output, others);
    },
  });
  if (outcome.status !== 'SUCCEEDED') throw fromThreadError(outcome.error);
  return { ...figures!, runId: run.id };
}

function report(event: TrainingEvent, output: Output, others: readonly OtherModel[]): void {
  const share = shareOf(event);
  if (share === null) output.event(event, describeTraining(event, others));
  else output.progress(event, share, describeTraining(event, others) ?? '');
}
