// bench serve: how long the API takes to answer at a fixed rate, while nothing else happens and while a run trains in the same process.
// The server is `marquee serve` in a process of its own; this one only asks.

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { AppError } from '../../errors.js';
import { serverVersion } from '../../store/benchDatabase.js';
import { PRESETS } from '../../store/hyperparameters.js';
import { aboutServer, synthetic, withFilledDatabase } from './databaseSteps.js';
import { type Client, type LoadFigures, openClient, sendAtRate } from './load.js';
import type { BenchFigures } from './report.js';
import type { ServeRequest } from './serveProcess.js';
import type { BenchSettings } from './settings.js';

const PROCESS = fileURLToPath(new URL('./serveProcess.js', import.meta.url));
/** Of what is measured: models are open, code is compiled. */
const WARM_UP_SHARE = 0.2;
const POLL_MS = 50;
/** More than is trained while it is measured; when they are over all the same, another run begins. */
const MANY_EPOCHS = 1000;

/** Each asked about one user after the other. */
const QUERIES = {
  trivial: 'query Trivial($user: Int!) { user(userId: $user) { ratingCount } }',
  'top ten': `query TopTen($user: Int!) {
    user(userId: $user) { recommendations(first: 10) { nodes { predictedRating movie { title } } } } }`,
  page: `query Page($user: Int!) {
    movies(first: 20, orderBy: RATING_COUNT_DESC) { nodes { title predictedRating(userId: $user) { rating } } } }`,
} as const;
const START = `mutation Start($input: StartTrainingRunInput!) {
  startTrainingRun(input: $input) { trainingRun { id } userErrors { message } } }`;
const RUN = 'query Run($id: ID!) { trainingRun(id: $id) { status progress { step } error { message } } }';
const CANCEL =
  'mutation Cancel($id: ID!) { cancelTrainingRun(input: { runId: $id }) { userErrors { message } } }';

/** One entry for each query, idle and while a run trains. @throws AppError BENCH_WRONG_RESULT */
export async function benchServe(
  url: string,
  settings: BenchSettings,
  signal: AbortSignal,
): Promise<BenchFigures[]> {
  const set = synthetic(settings.shapeName);
  return withFilledDatabase(url, set, signal, async (store) => {
    const about = {
      ...aboutServer(await serverVersion(store), settings, set),
      ...{ threads: settings.threads, preset: settings.presetName, rate: settings.rate, repeats: 1 },
    };
    return withServer(store.url, settings, async (client) => {
      await untilEnded(client, await start(client, settings, fewEpochs(settings)));
      const idle = await measure(client, settings);
      const before = await client.ask(QUERIES['top ten'], { user: 1 });
      const training = await keepTraining(client, settings);
      const busy = await measure(client, settings);
      const during = await client.ask(QUERIES['top ten'], { user: 1 });
      await training.stop();
      if (JSON.stringify(during) !== JSON.stringify(before))
        throw new AppError('BENCH_WRONG_RESULT', 'the API answered otherwise while a run trained');
      return [...idle.map(toRow('idle')), ...busy.map(toRow('training'))].map((row) => ({
        ...about,
        ...row,
      }));
    });
  });
}

type Measured = { query: string } & LoadFigures;

function toRow(state: 'idle' | 'training') {
  return (measured: Measured) => ({ state, ...measured });
}

async function measure(client: Client, { shape, rate, seconds }: BenchSettings): Promise<Measured[]> {
  const measured: Measured[] = [];
  for (const [query, text] of Object.entries(QUERIES)) {
    const send = (i: number) => client.ask(text, { user: 1 + (i % shape.users) });
    await sendAtRate(send, { rate, seconds: seconds * WARM_UP_SHARE });
    measured.push({ query, ...(await sendAtRate(send, { rate, seconds })) });
  }
  return measured;
}

async function withServer<T>(
  url: string,
  { threads }: BenchSettings,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  const config = {
    databaseUrl: url,
    readUrl: null,
    host: '127.0.0.1',
    port: 0,
    homeDir: '',
    threads,
    logLevel: 'error',
  };
  const child = fork(PROCESS, { execArgv: [] });
  const ended = once(child, 'exit');
  try {
    child.send({ url, config, version: 'bench' } satisfies ServeRequest);
    const client = openClient(await urlOf(child));
    try {
      return await work(client);
    } finally {
      client.close();
    }
  } finally {
    if (child.connected) child.disconnect();
    await ended;
  }
}

async function urlOf(child: ChildProcess): Promise<string> {
  const [event] = await Promise.race([once(child, 'message'), once(child, 'exit')]);
  if (typeof event === 'object' && event !== null) return (event as { url: string }).url;
  throw new AppError('BENCH_WRONG_RESULT', `the server ended with ${event} before it listened`);
}

/** A model to ask. */
function fewEpochs({ presetName }: BenchSettings) {
  return PRESETS[presetName].kind === 'bayes' ? { epochs: 2, burnIn: 1 } : { epochs: 1 };
}

/** Gives the id of the run. */
async function start(client: Client, { presetName }: BenchSettings, changes: object, promote = true) {
  const input = { preset: presetName, engine: 'auto', promote, hyperparameters: changes };
  const { trainingRun, userErrors } = (await client.ask(START, { input })).startTrainingRun;
  if (trainingRun) return trainingRun.id as string;
  throw new AppError('BENCH_WRONG_RESULT', `the run was refused: ${userErrors[0].message}`);
}

/** Waits for the end, or for what `isThere` tells. Gives the status. @throws AppError BENCH_WRONG_RESULT for a run that failed */
async function untilEnded(client: Client, id: string, isThere: (run: RunState) => boolean = () => false) {
  for (;;) {
    const run: RunState = (await client.ask(RUN, { id })).trainingRun;
    if (run.status === 'FAILED')
      throw new AppError('BENCH_WRONG_RESULT', `the run failed: ${run.error?.message}`);
    if (run.status === 'SUCCEEDED' || run.status === 'CANCELLED' || isThere(run)) return;
    await sleep(POLL_MS);
  }
}

interface RunState {
  status: 'QUEUED' | 'RUNNING' | 'SUCCEEDED' | 'FAILED' | 'CANCELLED';
  progress: { step: number } | null;
  error: { message: string } | null;
}

/** Resolves when a run takes steps; until `stop` one always does, but for the moment between two. */
async function keepTraining(client: Client, settings: BenchSettings): Promise<{ stop(): Promise<void> }> {
  let isStopped = false;
  const next = () => start(client, settings, { epochs: MANY_EPOCHS }, false);
  let id = await next();
  await untilEnded(client, id, ({ progress }) => progress !== null);
  const kept = (async () => {
    for (;;) {
      await untilEnded(client, id, () => isStopped);
      if (isStopped) return;
      id = await next();
    }
  })();
  kept.catch(() => {}); // told by stop
  return {
    async stop() {
      isStopped = true;
      await kept;
      await client.ask(CANCEL, { id });
      await untilEnded(client, id);
    },
  };
}
