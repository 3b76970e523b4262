// marquee runs: the records of training runs. Lists them, shows one, compares several; cancels one, resumes one, repeats one.

import { type Command, InvalidArgumentError } from 'commander';
import { findEpochs } from '../store/evaluations.js';
import { runLogPages } from '../store/runLogs.js';
import { compareRuns, haveSameModel, repeatRequest, runFacts } from '../store/runRecord.js';
import { cancelRun, getRun, listRuns, resumeRun } from '../store/runs.js';
import type { Store } from '../store/store.js';
import { takeRun } from '../training/takeRun.js';
import { wholeNumber } from './numbers.js';
import type { Output } from './output.js';
import type { Io } from './program.js';
import { describeComparison, describeRun, describeRuns } from './runReport.js';
import { withStore } from './session.js';
import { runTraining, trainHere } from './train.js';

const LISTED_MAX = 1000;
/** Lines of a log that are shown, the oldest: a run tells few. */
const LOG_LINES = 1000;

interface JsonOption {
  json?: boolean;
}

export function addRuns(program: Command, io: Io): void {
  const runs = program
    .command('runs')
    .description('list training runs, newest first; show, compare, cancel, resume or repeat them')
    .option('--first <n>', 'how many', wholeNumber(1, LISTED_MAX), 20)
    .option('--json', 'one line of JSON per event')
    .action(({ first, json }: JsonOption & { first: number }) =>
      withStore(io.config, ({ store }) => list(store, first, io.output({ json }))),
    );
  // Options of `runs` itself may stand behind a command, too.
  const outputOf = () => io.output(runs.opts<JsonOption>());
  runs
    .command('show')
    .description('the record of a run: settings, ratings, epochs, results, log')
    .argument('<run>', 'its number', runId)
    .option('--json', 'one line of JSON per event')
    .action((run: number) => withStore(io.config, ({ store }) => show(store, run, outputOf())));
  runs
    .command('compare')
    .description('records side by side; lines that differ are marked')
    .argument('<run>', 'its number', runId)
    .argument('<others...>', 'one or more numbers', (text, others?: number[]) => [
      ...(others ?? []),
      runId(text),
    ])
    .option('--json', 'one line of JSON per event')
    .action((run: number, others: number[]) =>
      withStore(io.config, ({ store }) => compare(store, [run, ...others], outputOf())),
    );
  runs
    .command('cancel')
    .description('stop a run that waits or trains, wherever that is; its last checkpoint is kept')
    .argument('<run>', 'its number', runId)
    .option('--json', 'one line of JSON per event')
    .action((run: number) => withStore(io.config, ({ store }) => cancel(store, run, outputOf())));
  runs
    .command('resume')
    .description('go on with a failed or cancelled run from its last checkpoint, here')
    .argument('<run>', 'its number', runId)
    .option('--json', 'one line of JSON per event')
    .action((run: number) =>
      withStore(io.config, ({ store, signal }) => resume(store, run, io, outputOf(), signal)),
    );
  runs
    .command('repeat')
    .description('train once more from the record, and say whether the same model came of it')
    .argument('<run>', 'its number', runId)
    .option('--json', 'one line of JSON per event')
    .action((run: number) =>
      withStore(io.config, ({ store, signal }) => repeat(store, run, io, outputOf(), signal)),
    );
}

function runId(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Expected the number of a run; `marquee runs` lists them.');
}

async function list(store: Store, first: number, output: Output): Promise<void> {
  const runs = await listRuns(store, first, null, []);
  const facts = await runFacts(
    store,
    runs.map(({ id }) => id),
  );
  const rows = runs.map(({ id, queuedAt }, i) => ({ id, queuedAt, facts: facts[i] }));
  const { event } = output;
  if (rows.length === 0) event({ event: 'runs', runs: [] }, 'no run yet: `marquee train` makes one');
  else
    event(
      { event: 'runs', runs: rows.map(({ facts, ...run }) => ({ ...run, ...facts })) },
      describeRuns(rows),
    );
}

async function show(store: Store, id: number, output: Output): Promise<void> {
  const run = await getRun(store, id);
  const [[facts], [epochs], [log]] = await Promise.all([
    runFacts(store, [id]),
    findEpochs(store, [id]),
    runLogPages(store, [id], LOG_LINES, null),
  ]);
  const { queuedAt, startedAt, finishedAt, errorMessage } = run;
  const times = { queuedAt, startedAt, finishedAt };
  output.event(
    { event: 'run', id, ...times, errorMessage, ...facts, epochMetrics: epochs, log },
    describeRun({ id, ...times, errorMessage, facts, epochs, log }),
  );
}

async function compare(store: Store, ids: number[], output: Output): Promise<void> {
  const facts = await compareRuns(store, ids);
  output.event({ event: 'comparison', runs: ids, facts }, describeComparison(ids, facts));
}

async function cancel(store: Store, id: number, output: Output): Promise<void> {
  await cancelRun(store, id);
  output.event(
    { event: 'cancelled', runId: id },
    `run ${id} is cancelled; \`marquee runs resume ${id}\` goes on`,
  );
}

async function resume(
  store: Store,
  id: number,
  { config }: Io,
  output: Output,
  signal: AbortSignal,
): Promise<void> {
  await resumeRun(store, id);
  const run = await takeRun(store, id, config);
  if (run) await trainHere(store, run, config, output, signal);
  else output.event({ event: 'taken', runId: id }, `a worker goes on with run ${id}`);
}

async function repeat(
  store: Store,
  id: number,
  { config, version }: Io,
  output: Output,
  signal: AbortSignal,
): Promise<void> {
  const request = await repeatRequest(store, id, version);
  const { codeVersion } = await getRun(store, id);
  if (codeVersion !== version) {
    const text = `run ${id} was recorded by version ${codeVersion}, this is ${version}: the model may differ`;
    output.event({ event: 'other-version', recordedBy: codeVersion, version }, text);
  }
  const { runId } = await runTraining(store, request, config, output, signal);
  const identical = await haveSameModel(store, id, runId);
  output.event(
    { event: 'repeated', runId: id, repetition: runId, identical },
    identical === null
      ? `run ${runId} repeats run ${id}, which left no model to compare with`
      : `run ${runId} repeats run ${id}: ${identical ? 'the same model, bit for bit' : 'another model'}`,
  );
}
