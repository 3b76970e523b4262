// marquee score: the recommendations of every user, stored for SQL. This process works at it; others may help.

import { setTimeout as sleep } from 'node:timers/promises';
import { type Command, Option } from 'commander';
import type { EngineSettings } from '../engines/engine.js';
import { AppError, type ErrorCode } from '../errors.js';
import { helpScoring } from '../scoring/batchScoring.js';
import type { ScoringRun } from '../store/prisma/client.js';
import {
  createScoringRun,
  DEFAULT_TOP,
  getScoringRun,
  MAX_TOP,
  type ScoringProgress,
  scoringProgress,
} from '../store/scoringRuns.js';
import type { Store } from '../store/store.js';
import { fromThreadError } from '../store/threadError.js';
import { ACTIVE, type ModelChoice, modelOf, modelVersion } from './modelChoice.js';
import { wholeNumber } from './numbers.js';
import type { Output } from './output.js';
import type { Io } from './program.js';
import { formatCount } from './report.js';
import { scorePairs } from './score/pairs.js';
import { withStore } from './session.js';

const LOOK_MS = 500;

const HELP = `
The lists go to the table predictions (docs/sql.md): for each user the movies of their recommendations, those they have rated left
out. They appear all at once, instead of earlier lists of the same model. Workers (marquee work, marquee serve) on the same database
help. Ctrl-C stops this process only: what is written is kept, workers go on, and the same command takes it up again.

With --pairs nothing is stored: the file begins with the line userId,movieId (other columns may stand beside them; it may be a .gz), and
for each of its pairs, in their order, comes a line userId,movieId,predicted,source. Lines that are no pair are told and left out.
Source is as in the API: FALLBACK where the model knows nothing of the user or the movie, or the store does not know them.`;

interface ScoreOptions {
  model: ModelChoice;
  top: number;
  pairs?: string;
  out?: string;
  json?: boolean;
}

export function addScore(program: Command, io: Io): void {
  program
    .command('score')
    .description('store the recommendations of every user, or predict given pairs')
    .option('--model <version>', 'of the model, or active', modelVersion, ACTIVE)
    .option('--top <n>', `movies for each user, 1 to ${MAX_TOP}`, wholeNumber(1, MAX_TOP), DEFAULT_TOP)
    .addOption(
      new Option('--pairs <csv>', 'instead: predict the ratings of these users and movies').conflicts('top'),
    )
    .option('--out <csv>', 'file for the pairs, must not be there yet; without it they go to stdout')
    .option('--json', 'one line of JSON per event')
    .addHelpText('after', HELP)
    .action(async ({ model, top, pairs, out, json }: ScoreOptions) => {
      if (pairs !== undefined) {
        const output = io.output({ json, apart: out === undefined });
        const options = { model, pairs, out, json };
        await withStore(io.config, (session) => scorePairs(session, io.config, options, output));
        return;
      }
      if (out !== undefined) throw new AppError('USAGE', '--out is for --pairs; lists go to the store');
      const output = io.output({ json });
      await withStore(io.config, async ({ store, signal }) => {
        const { id } = await modelOf(store, model);
        const run = await createScoringRun(store, { modelId: id, top, idempotencyKey: null });
        await followScoring(store, run, io.config, output, signal);
      });
    });
}

/** Works and tells until the scoring has ended, by whomever. @throws what ended it, when it did not succeed */
async function followScoring(
  store: Store,
  run: ScoringRun,
  { threads }: EngineSettings,
  output: Output,
  signal: AbortSignal,
): Promise<void> {
  const begun = run.startedAt === null ? 'scoring' : 'going on with scoring';
  const text = `${begun} ${run.id}: the best ${run.top} for ${formatCount(run.users)} users; shards: ${formatCount(run.shards)}`;
  output.event({ event: 'scoring', scoringRunId: run.id, modelId: run.modelId, top: run.top }, text);
  const look = setInterval(() => {
    tell(store, run.id, output).catch(() => {});
  }, LOOK_MS);
  try {
    while (!(await hasEnded(store, run.id))) {
      await helpScoring(store, run.id, { threads, signal });
      // What other workers have in hand; when one of them has died there is something to take again.
      await sleep(LOOK_MS, null, { signal }).catch(() => {});
    }
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new AppError(
      'RUN_CANCELLED',
      'stopped; the shards that are written are kept, and the same command goes on',
    );
  } finally {
    clearInterval(look);
  }
  await tellEnd(store, run.id, output);
}

async function hasEnded(store: Store, id: number): Promise<boolean> {
  return (await getScoringRun(store, id)).finishedAt !== null;
}

async function tell(store: Store, id: number, output: Output): Promise<void> {
  const [progress] = await scoringProgress(store, [id]);
  const { shards, shardsDone, rowsWritten, etaSeconds } = progress;
  const left = etaSeconds === null ? '' : `, ${Math.ceil(etaSeconds)} s left`;
  output.progress(
    { event: 'progress', ...progress },
    shards === 0 ? 1 : shardsDone / shards,
    `${formatCount(rowsWritten)} rows${left}`,
  );
}

async function tellEnd(store: Store, id: number, output: Output): Promise<void> {
  const { status, errorCode, errorMessage } = await getScoringRun(store, id);
  if (status !== 'SUCCEEDED')
    throw fromThreadError({ code: errorCode as ErrorCode, message: `${errorMessage}` });
  const [progress] = await scoringProgress(store, [id]);
  output.event({ event: 'scored', ...summaryOf(progress) }, describe(progress));
}

function summaryOf({ usersDone, rowsWritten, seconds }: ScoringProgress) {
  return { users: usersDone, rowsWritten, seconds, rowsPerSecond: rowsWritten / seconds };
}

function describe(progress: ScoringProgress): string {
  const { users, rowsWritten, seconds, rowsPerSecond } = summaryOf(progress);
  return `${formatCount(rowsWritten)} rows for ${formatCount(users)} users in ${seconds.toFixed(1)} s, ${formatCount(Math.round(rowsPerSecond))} a second`;
}
