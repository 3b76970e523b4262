// marquee models: the versions in the store, which one answers, and what to do about it.

import type { Command } from 'commander';
import { findEvaluations } from '../store/evaluations.js';
import { getModelOfVersion, listModels } from '../store/models.js';
import type { Model } from '../store/prisma/client.js';
import { type PruneReceipt, promoteModel, pruneModels, rollBack } from '../store/promotion.js';
import { findRuns } from '../store/runs.js';
import type { Store } from '../store/store.js';
import { wholeNumber } from './numbers.js';
import type { Output } from './output.js';
import type { Io } from './program.js';
import { formatCount } from './report.js';
import { withStore } from './session.js';

const LISTED_MAX = 100;

interface JsonOption {
  json?: boolean;
}

export function addModels(program: Command, io: Io): void {
  const models = program
    .command('models')
    .description('list, promote, roll back and prune models')
    .helpCommand(false);
  const withOutput = (options: JsonOption, work: (store: Store, output: Output) => Promise<void>) =>
    withStore(io.config, ({ store }) => work(store, io.output(options)));
  addSubcommand(models, 'list', 'the newest hundred, and which one is active').action((options) =>
    withOutput(options, list),
  );
  addSubcommand(models, 'promote', 'make a model the active one, at once and for all replicas')
    .argument('<version>', 'as in the list', wholeNumber(1, 2 ** 31 - 1))
    .option('--force', 'also when it is worse than the active one, or cannot be compared')
    .action((version: number, { force, ...options }: JsonOption & { force?: boolean }) =>
      withOutput(options, async (store, output) => {
        const { id } = await getModelOfVersion(store, version);
        tellActive(await promoteModel(store, id, { force: force === true }), output);
      }),
    );
  addSubcommand(models, 'rollback', 'make the model active that was so before').action((options) =>
    withOutput(options, async (store, output) => tellActive(await rollBack(store), output)),
  );
  addSubcommand(
    models,
    'prune',
    'delete old models, their stored lists and test predictions, and old checkpoints; runs and evaluations stay',
  )
    .requiredOption(
      '--keep <n>',
      'the newest models to keep, beside the active one and the one before it; likewise the newest checkpoints of failed and cancelled runs',
      wholeNumber(0, 1_000_000),
    )
    .action(({ keep, ...options }: JsonOption & { keep: number }) =>
      withOutput(options, async (store, output) => {
        const receipt = await pruneModels(store, keep);
        output.event({ event: 'pruned', ...receipt }, describePruned(receipt));
      }),
    );
  for (const command of models.commands) command.exitOverride();
}

function describePruned({ versions, testPredictions, checkpoints }: PruneReceipt): string {
  const models = versions.length === 0 ? 'no model' : `model ${versions.join(', ')}`;
  return `deleted ${models}, ${formatCount(testPredictions)} test predictions, checkpoints of ${checkpoints} runs`;
}

function addSubcommand(models: Command, name: string, description: string): Command {
  return models
    .command(name)
    .description(description)
    .option('--json', 'one line of JSON per event')
    .showHelpAfterError('Run with --help for the options.');
}

async function list(store: Store, output: Output): Promise<void> {
  const rows = await listModels(store, LISTED_MAX, null);
  const runIds = rows.map(({ runId }) => runId);
  const [runs, evaluations] = await Promise.all([findRuns(store, runIds), findEvaluations(store, runIds)]);
  for (const [i, { version, runId, active, createdAt, promotedAt }] of rows.entries()) {
    const rmse = evaluations[i]?.rmse ?? null;
    const preset = runs[i]?.preset ?? '';
    const mark = active ? '  active' : '';
    output.event(
      { event: 'model', version, runId, preset, rmse, active: active === true, createdAt, promotedAt },
      `${String(version).padStart(5)}  ${preset.padEnd(12)} RMSE ${rmse?.toFixed(4) ?? '–'}  run ${runId}${mark}`,
    );
  }
  if (rows.length === 0) output.event({ event: 'none' }, 'no models yet');
}

function tellActive({ version, id }: Model, output: Output): void {
  output.event({ event: 'promoted', version, modelId: id }, `model ${version} is active now`);
}
