// Searches for hyperparameters, from the wish to the model of the winner: by workers, by the command line, through kills and cancels.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { openEngine } from '#src/engines/open.js';
import { type JobWorker, startWorker } from '#src/jobs/worker.js';
import { createLogger } from '#src/log.js';
import { findActiveModel } from '#src/store/models.js';
import { claimRun } from '#src/store/runs.js';
import { cancelSearch, createSearch, getSearch, resumeSearch } from '#src/store/searches.js';
import { findWinnersRuns, trialPages } from '#src/store/searchRecord.js';
import { resolveSearchRequest, type SearchArguments } from '#src/store/searchRequest.js';
import { advanceSearch } from '#src/store/searchSteps.js';
import { trainRun } from '#src/training/train.js';
import { startTestApi, type TestApi } from './support/api.js';
import { aFolder } from './support/folder.js';
import { holdAfter } from './support/held.js';
import { importSynthetic, openTestStore, type TestStore, withoutPrisma } from './support/store.js';
import { until } from './support/until.js';

const log = createLogger({ logLevel: 'silent' });
const START = `mutation ($input: StartSearchInput!) { startSearch(input: $input) {
  search { id status trialCount } userErrors { field message code } } }`;
const SMALL = { hyperparameters: { epochs: 3, hiddenLayers: [8], batchSize: 256 } };
const RATES = { name: 'learningRate', min: 0.01, max: 0.2, scale: 'LOG' };

let store: TestStore;
let api: TestApi;
let worker: JobWorker | null = null;
beforeAll(async () => {
  store = await openTestStore();
  await importSynthetic(store);
  api = await startTestApi(store);
});
afterEach(async () => {
  await worker?.close();
  worker = null;
  await store.pool.query(
    `update training_runs set status = 'CANCELLED' where status in ('QUEUED', 'RUNNING')`,
  );
  await store.pool.query(`update searches set status = 'CANCELLED' where status = 'RUNNING'`);
});
afterAll(async () => {
  await api.close();
  await store.drop();
});

test('a search that is started by mutation draws trials, trains them, and promotes the best trained on all', async () => {
  worker = await startWorker(store, api.queue, log, { threads: 2 });
  const input = { ...SMALL, space: [RATES], trials: 3, promote: true };
  const { search, userErrors } = (await api.query(START, { input })).data.startSearch;
  expect([search.status, search.trialCount, userErrors]).toEqual(['RUNNING', 3, []]);
  await ended(keyOf(search.id));
  const { data } = await api.query(
    `query ($id: ID!) { search(id: $id) {
      status strategy preset seed finishedAt error { code } space { name min max scale choices }
      rungs { rung trials epochs queued running succeeded failed }
      trials(first: 10) { nodes { trial rung status validationRmse model { version } evaluation { rmse }
        hyperparameters { learningRate validationFraction } search { id } } }
      bestTrial { trial validationRmse hyperparameters { learningRate } keptEpoch }
      bestRun { id trial note hyperparameters { learningRate validationFraction epochs } evaluation { testRatings } model { active } } } }`,
    { id: search.id },
  );
  expect(data.search).toMatchObject({
    ...{ status: 'SUCCEEDED', strategy: 'RANDOM', preset: 'paper', seed: 42, error: null },
    space: [{ ...RATES, choices: null }],
    rungs: [{ rung: 1, trials: 3, epochs: 3, queued: 0, running: 0, succeeded: 3, failed: 0 }],
  });
  const trials = data.search.trials.nodes;
  const errors = trials.map((trial: { validationRmse: number }) => trial.validationRmse);
  const best = trials[errors.indexOf(Math.min(...errors))];
  expect(data.search.bestTrial).toMatchObject({ trial: best.trial, validationRmse: Math.min(...errors) });
  // Nothing of a trial has looked at the test ratings.
  for (const trial of trials)
    expect(trial).toMatchObject({
      ...{ rung: 1, status: 'SUCCEEDED', model: null, evaluation: null, search: { id: search.id } },
      hyperparameters: { validationFraction: 0.1 },
    });
  expect(data.search.bestRun).toMatchObject({
    ...{ trial: null, note: null, model: { active: true } },
    hyperparameters: {
      learningRate: best.hyperparameters.learningRate,
      ...{ validationFraction: 0, epochs: data.search.bestTrial.keptEpoch },
    },
    evaluation: { testRatings: 592 },
  });
  expect(await store.prisma.testPrediction.groupBy({ by: ['runId'] })).toEqual([
    { runId: keyOf(data.search.bestRun.id) },
  ]);
});

test('a trial that diverges is passed over and counted; without a wish to promote the active model stays', async () => {
  const before = await findActiveModel(store);
  worker = await startWorker(store, api.queue, log, { threads: 2 });
  const { search } = await started({ space: { learningRate: { choices: [0.05, 10] } }, trials: 2 });
  await ended(search.id);
  expect(await getSearch(store, search.id)).toMatchObject({ status: 'SUCCEEDED' });
  const [trials] = await trialPages(store, [search.id], 10, null);
  expect(trials.map(({ errorCode }) => errorCode).sort()).toEqual(['RUN_DIVERGED', null]);
  const [run] = await findWinnersRuns(store, [search.id]);
  expect(await store.prisma.model.findUnique({ where: { runId: run!.id } })).toMatchObject({ active: null });
  expect(await findActiveModel(store)).toEqual(before);
});

test('a search none of whose trials succeeds has failed, and says why', async () => {
  worker = await startWorker(store, api.queue, log, { threads: 2 });
  const { search } = await started({ space: { learningRate: { choices: [9, 10] } }, trials: 2 });
  await ended(search.id);
  expect(await getSearch(store, search.id)).toMatchObject({
    ...{ status: 'FAILED', errorCode: 'SEARCH_FAILED' },
    errorMessage: expect.stringMatching(/^no trial of search \d+ succeeded: 2 failed; the last: the loss/),
  });
});

test('a trial trains without Prisma, as a run does', async () => {
  const { search, runs } = await started({ trials: 1 });
  const trial = (await claimRun(store, runs[0].id))!;
  await trainRun(withoutPrisma(store), await openEngine('wasm', { threads: 1 }), trial);
  expect((await runsOf(search.id))[0].status).toBe('SUCCEEDED');
});

test('however many go on with a search at once, each trial is in a rung once, and there is one winner', async () => {
  const { search } = await started({ strategy: 'HALVING', trials: 9, hyperparameters: { epochs: 9 } });
  await finishTrials(search.id);
  const second = await Promise.all([1, 2, 3, 4, 5].map(() => advanceSearch(store, search.id)));
  expect(second.map((runs) => runs.length).sort()).toEqual([0, 0, 0, 0, 3]);
  expect((await trialsOf(search.id)).slice(9)).toEqual([
    [2, 7, 3],
    [2, 8, 3],
    [2, 9, 3],
  ]);
  await finishTrials(search.id);
  await advanceSearch(store, search.id);
  expect((await trialsOf(search.id)).slice(12)).toEqual([[3, 9, 9]]);
  await finishTrials(search.id);
  const last = await Promise.all([1, 2, 3].map(() => advanceSearch(store, search.id)));
  expect(last.flat().length).toBe(1);
  const [winnersRun] = await findWinnersRuns(store, [search.id]);
  expect(winnersRun).toMatchObject({ trial: null, rung: null, promote: false });
});

test('a search whose worker is killed goes on elsewhere, to the trial of one that was not disturbed', async () => {
  const settings = { trials: 1, hyperparameters: { epochs: 5, hiddenLayers: [64], batchSize: 256 } };
  const { search } = await started(settings);
  const hold = await holdAfter(store, 2);
  const killed = spawnWorker();
  await hold.reached();
  killed.kill('SIGKILL');
  await once(killed, 'exit');
  await hold.release();
  await store.pool.query(
    `update training_runs set heartbeat_at = heartbeat_at - interval '1 hour' where status = 'RUNNING'`,
  );
  worker = await startWorker(store, api.queue, log, { threads: 2 });
  await ended(search.id);
  const { search: undisturbed } = await started(settings);
  await ended(undisturbed.id);
  const errorsOf = async (id: number) =>
    (await runsOf(id)).map(({ rung, trial, validationRmse, status }) => [
      rung,
      trial,
      validationRmse,
      status,
    ]);
  expect(await errorsOf(search.id)).toEqual(await errorsOf(undisturbed.id));
  expect((await errorsOf(search.id)).length).toBe(2);
});

test('cancelling a search cancels its runs, and resuming it goes on with them', async () => {
  const { search } = await started({ trials: 2 });
  const [first] = await runsOf(search.id);
  const claim = (await claimRun(store, first.id))!;
  expect(claim.status).toBe('RUNNING');
  const ask = async (mutation: string) =>
    (
      await api.query(
        `mutation ($id: ID!) { ${mutation}(input: { searchId: $id }) { search { status error { code } } userErrors { field code } } }`,
        { id: Buffer.from(`Search:${search.id}`).toString('base64url') },
      )
    ).data[mutation];
  expect(await ask('cancelSearch')).toEqual({
    search: { status: 'CANCELLED', error: { code: 'RUN_CANCELLED' } },
    userErrors: [],
  });
  expect((await runsOf(search.id)).map(({ status }) => status)).toEqual(['CANCELLED', 'CANCELLED']);
  const refused = { search: null, userErrors: [{ field: ['input', 'searchId'], code: 'SEARCH_ENDED' }] };
  expect(await ask('cancelSearch')).toEqual(refused);
  expect(await advanceSearch(store, search.id)).toEqual([]);
  expect(await ask('resumeSearch')).toEqual({ search: { status: 'RUNNING', error: null }, userErrors: [] });
  worker = await startWorker(store, api.queue, log, { threads: 2 });
  await ended(search.id);
  expect((await runsOf(search.id)).map(({ status }) => status)).toEqual(Array(3).fill('SUCCEEDED'));
  expect(await ask('resumeSearch')).toEqual(refused);
});

test('a search that is not there is neither cancelled nor resumed', async () => {
  await expect(cancelSearch(store, 999)).rejects.toMatchObject({ code: 'SEARCH_NOT_FOUND' });
  await expect(resumeSearch(store, 999)).rejects.toMatchObject({ code: 'SEARCH_NOT_FOUND' });
});

test('asking again with the same key gives the same search, without new trials', async () => {
  const [one, again] = [await started({ idempotencyKey: 'once' }), await started({ idempotencyKey: 'once' })];
  expect([again.search.id, again.runs]).toEqual([one.search.id, []]);
  expect((await runsOf(one.search.id)).length).toBe(2);
});

test('a search that makes none is refused as data', async () => {
  const refusals = await Promise.all(
    [
      { space: [{ name: 'learningrate', min: 0.1, max: 1 }] },
      { space: [RATES, RATES] },
      { space: [RATES], trials: 0 },
      { space: [RATES], engine: 'abacus' },
      { space: [{ name: 'hiddenLayers', choices: ['8', '64,32,16'] }], engine: 'native' },
      { space: [{ name: 'momentum', choices: ['much'] }] },
    ].map(async (input) => (await api.query(START, { input })).data.startSearch.userErrors[0]),
  );
  expect(refusals.map(({ code, field }) => [code, field.join('.')])).toEqual([
    ['SEARCH_INVALID', 'input.space'],
    ['SEARCH_INVALID', 'input.space'],
    ['SEARCH_INVALID', 'input.trials'],
    ['ENGINE_UNKNOWN', 'input.engine'],
    ['ENGINE_UNSUPPORTED', 'input.engine'],
    ['SEARCH_INVALID', 'input.space'],
  ]);
});

test('the command searches without workers, by successive halving, and shows trials and winner', async () => {
  const folder = aFolder({ 'space.json': JSON.stringify({ optimizer: ['sgd', 'adam'] }) });
  const { stdout } = await marquee(
    ...[
      'search',
      '--epochs',
      '3',
      '--hidden-layers',
      '8',
      '--strategy',
      'halving',
      '--trials',
      '3',
      '--promote',
    ],
    ...['--vary', 'learningRate=log:1e-3:1e-1', '--space', `${folder}/space.json`],
  );
  expect(stdout).toMatch(/trial +1, rung 1: RMSE \d\.\d{4} {2}optimizer (sgd|adam), learningRate 0\.\d+/);
  expect(stdout).toMatch(
    /^rung +trials +epochs +succeeded +failed +running +waiting\n1 +3 +1 +3 +0 +0 +0\n2 +1 +3 +1 +0 +0 +0$/m,
  );
  expect(stdout).toMatch(/^rung +trial +run +RMSE +optimizer +learningRate\n2 /m);
  expect(stdout).toMatch(/this model +\d\.\d{4}/);
  expect(stdout).toMatch(
    /the winner is trial [123]; run \d+ trained it on all training ratings: model \d+, /,
  );
  const listed = await marquee('search', 'list');
  expect(listed.stdout).toMatch(/^\d+ +SUCCEEDED +HALVING +paper +4\/4 +\d\.\d{4} +\d+ +2\d{3}-/m);
});

test('the command refuses what makes no search: wrong words and a wrong space, with 2', async () => {
  const folder = aFolder({ 'space.json': '{ "learningRate": [0.01, 0.02], "momentum": null }' });
  const codes = await Promise.all(
    [
      ['--vary', 'learningRate'],
      ['--vary', 'learningRate=a:b'],
      ['--vary', 'learningrate=0.1:0.2'],
      ['--space', 'missing.json'],
      ['--space', `${folder}/space.json`],
      [],
    ].map((options) =>
      marquee('search', ...options).then(
        () => 0,
        ({ code, stderr }) => `${code} ${stderr.split(':')[0]}`,
      ),
    ),
  );
  expect(codes).toEqual([
    expect.stringMatching(/^2 /),
    expect.stringMatching(/^2 /),
    '2 SEARCH_INVALID',
    '2 SEARCH_INVALID',
    '2 SEARCH_INVALID',
    '2 SEARCH_INVALID',
  ]);
});

async function started(changes: Partial<SearchArguments>) {
  const given = { ...SMALL, space: { learningRate: { min: 0.01, max: 0.1 } }, trials: 2, ...changes };
  return createSearch(store, resolveSearchRequest(given, 'test'));
}

async function ended(id: number): Promise<void> {
  await until(async () => (await getSearch(store, id)).finishedAt !== null);
}

async function runsOf(id: number) {
  return store.prisma.trainingRun.findMany({ where: { searchId: id }, orderBy: { id: 'asc' } });
}

/** Rung, number and epochs. */
async function trialsOf(id: number) {
  const [trials] = await trialPages(store, [id], 100, null);
  return trials.map(({ rung, trial, hyperparameters }) => [
    rung,
    trial,
    (hyperparameters as { epochs: number }).epochs,
  ]);
}

/** As if they had been trained: the later a trial was drawn, the better it is. */
async function finishTrials(id: number): Promise<void> {
  await store.pool.query(
    `update training_runs set status = 'SUCCEEDED', validation_rmse = 1.0 / trial where search_id = $1 and trial is not null`,
    [id],
  );
}

function keyOf(id: string): number {
  return Number(Buffer.from(id, 'base64url').toString().split(':')[1]);
}

const ENV = () => ({ PATH: process.env.PATH, DATABASE_URL: store.url, MARQUEE_LOG_LEVEL: 'silent' });

function spawnWorker(): ChildProcess {
  return spawn(process.execPath, ['dist/main.js', 'work'], { env: ENV(), stdio: 'ignore' });
}

function marquee(...args: string[]) {
  return promisify(execFile)(process.execPath, ['dist/main.js', ...args], { env: ENV() });
}
