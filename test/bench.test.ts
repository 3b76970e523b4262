// The bench: that it runs, that its lines carry the figures they promise, and that an engine with wrong numbers is not timed.
// Nothing here looks at how fast anything is.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { bytesOfMovieSide, bytesOfSample, flopsOfSample } from '#src/commands/bench/cost.js';
import { timeEpochs } from '#src/commands/bench/epoch.js';
import { timeToLoss } from '#src/commands/bench/loss.js';
import { benchRatings } from '#src/commands/bench/ratings.js';
import { runBench } from '#src/commands/bench/run.js';
import { type BenchName, type EngineBenchName, toSettings } from '#src/commands/bench/settings.js';
import { quantile, toTiming } from '#src/commands/bench/timing.js';
import type { Engine, EngineDoor, Parameters, Scorer, TopMovies, Trainer } from '#src/engines/engine.js';
import { referenceDoor, tfjsWasmStockDoor } from '#src/engines/open.js';
import { tfjsWasmDoor } from '#src/engines/tfjs.js';
import { aFolder } from './support/folder.js';
import { until } from './support/until.js';

const QUICK = ['--shape', 'tiny', '--engine', 'tfjs:wasm', '--seconds', '1', '--repeats', '2'];

/** The lines of `marquee bench … --json`, without those on what could not be measured. */
async function benchLines(name: BenchName, ...args: string[]) {
  const { code, stdout } = await marquee(['bench', name, ...QUICK, ...args, '--json']);
  expect(code).toBe(0);
  const events = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  return events.filter(({ event }) => event === 'bench');
}

test('bench step gives one line for an engine: time, arithmetic, and how it compares with TensorFlow.js', async () => {
  const lines = await benchLines('step', '--threads', '1');
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatchObject({
    ...{ bench: 'step', engine: 'tfjs:wasm', shape: 'tiny', preset: 'paper', threads: 1 },
    usPerStep: expect.any(Number),
    secondsPerEpoch: expect.any(Number),
    samplesPerSecond: expect.any(Number),
    gflops: expect.any(Number),
    vsTfjsWasm: expect.any(Number),
    vsTunedTfjsWasm: expect.any(Number),
  });
  expect(Object.keys(lines[0])).toEqual(expect.arrayContaining(['floorRatio', 'bandwidthRatio', 'hardware']));
  expect(lines[0].secondsPerEpoch).toBeCloseTo((lines[0].usPerStep * 2) / 1e6, 9);
  expect(lines[0].rawUsPerStep).toHaveLength(2);
});

test('bench epoch gives the seconds of whole epochs, and what the order costs alone', async () => {
  const [line] = await benchLines('epoch');
  expect(line).toMatchObject({
    ...{ bench: 'epoch', engine: 'tfjs:wasm', trainedRatings: 1600, stepsPerEpoch: 2 },
    seconds: expect.any(Number),
    samplesPerSecond: expect.any(Number),
    orderSeconds: expect.any(Number),
  });
  expect(line.orderShare).toBeCloseTo(line.orderSeconds / line.seconds, 9);
});

test('bench sweep gives the seconds of a sweep and what they are over the arithmetic and over the memory', async () => {
  const [line] = await benchLines('sweep', '--engine', 'wasm', '--preset', 'fast', '--threads', '1');
  expect(line).toMatchObject({
    ...{ bench: 'sweep', engine: 'wasm', preset: 'fast', trainedRatings: 1600, embeddingWidth: 15 },
    ...{ secondsPerSweep: expect.any(Number), ratingsPerSecond: expect.any(Number) },
    peakRssMiB: expect.any(Number),
  });
  expect(line.rawSeconds).toHaveLength(2);
  expect(Object.keys(line)).toEqual(
    expect.arrayContaining(['floorRatio', 'bandwidthRatio', 'rowFloorRatio']),
  );
  expect(line.rowSeconds).toBeGreaterThan(0);
  expect(line.rowSeconds).toBeLessThan(line.secondsPerSweep);
  // 2·1600 ratings, D = 16, and 100 rows.
  const flops = 2 * 1600 * (16 * 17 + 32) + 100 * (16 ** 3 / 3 + 3 * 256);
  expect(line.gflops).toBeCloseTo(flops / line.secondsPerSweep / 1e9, 6);
});

test('bench sweep refuses a network', async () => {
  const { code } = await marquee(['bench', 'sweep', ...QUICK]);
  expect(code).toBe(2);
});

test('bench score gives pairs a second, the time for a user alone and in blocks, and percentiles of requests', async () => {
  const [line] = await benchLines('score');
  expect(line).toMatchObject({
    ...{ bench: 'score', engine: 'tfjs:wasm' },
    pairsPerSecond: expect.any(Number),
    msPerUser: expect.any(Number),
    msPerUserInBlocks: expect.any(Number),
    p50Ms: expect.any(Number),
    p99Ms: expect.any(Number),
    requestsPerSecond: expect.any(Number),
  });
  expect(Object.keys(line)).toEqual(
    expect.arrayContaining(['floorRatio', 'kernelRatio', 'rowsWrittenPerSecond']),
  );
  expect(line.requests).toBeGreaterThanOrEqual(100);
});

test('bench import gives the time over COPY and a key alone, the peak of memory, and the share of a merge', async () => {
  const [line] = await benchLines('import', '--repeats', '1');
  expect(line).toMatchObject({
    ...{ bench: 'import', engine: 'postgres', shape: 'tiny', rows: 1200 },
    seconds: expect.any(Number),
    baselineSeconds: expect.any(Number),
    peakRssMiB: expect.any(Number),
    mergedRows: expect.any(Number),
  });
  expect(line.ratio).toBeCloseTo(line.seconds / line.baselineSeconds, 9);
  expect(line.mergeShare).toBeCloseTo(line.mergeSeconds / line.seconds, 9);
  expect(line.spreadShare).toBeCloseTo(line.spreadSeconds / line.seconds, 9);
});

test('bench cursor gives rows a second, and how that compares with COPY and with row objects', async () => {
  const [line] = await benchLines('cursor', '--repeats', '1');
  expect(line).toMatchObject({
    ...{ bench: 'cursor', engine: 'postgres', rows: 1200 },
    rowsPerSecond: expect.any(Number),
    vsBinaryCopy: expect.any(Number),
    vsPgCursor: expect.any(Number),
    peakRssMiB: expect.any(Number),
  });
});

test('bench serve gives percentiles of three queries at a fixed rate, idle and while a run trains', async () => {
  const lines = await benchLines('serve', '--rate', '20', '--threads', '1');
  expect(lines.map(({ query, state }) => `${query}, ${state}`)).toEqual([
    ...['trivial, idle', 'top ten, idle', 'page, idle'],
    ...['trivial, training', 'top ten, training', 'page, training'],
  ]);
  for (const line of lines) {
    expect(line).toMatchObject({ bench: 'serve', shape: 'tiny', preset: 'paper', rate: 20, requests: 20 });
    expect(line.p50Ms).toBeLessThanOrEqual(line.p95Ms);
    expect(line.p95Ms).toBeLessThanOrEqual(line.p99Ms);
    expect(line.p99Ms).toBeLessThanOrEqual(line.maxMs);
    expect(line).toMatchObject({ requestsPerSecond: expect.any(Number), lateP99Ms: expect.any(Number) });
  }
});

test('Ctrl-C ends a bench at once, and nothing of it stays in PostgreSQL or on disk', async () => {
  const folder = aFolder();
  const child = spawnMarquee(['bench', 'cursor', '--shape', 'ml-1m'], { TMPDIR: folder });
  await until(() => readdirSync(folder).length > 0);
  const [ended] = [once(child, 'exit'), child.kill('SIGINT')];
  expect(await ended).toEqual([1, null]);
  expect(readdirSync(folder)).toEqual([]);
  const client = new pg.Client({ connectionString: process.env.TEST_DATABASE_ADMIN_URL });
  await client.connect();
  const { rows } = await client.query(`select from pg_database where datname like 'marquee\\_bench\\_%'`);
  await client.end();
  expect(rows).toEqual([]);
});

test('--save appends a table, the raw figures, the machine and the command line', async () => {
  const file = join(aFolder({ 'benchmarks.md': '# Benchmarks\n' }), 'benchmarks.md');
  const args = ['bench', 'epoch', ...QUICK, '--save', file];
  const { stdout } = await marquee(args);
  expect(stdout).toContain(`appended to ${file}`);
  const text = readFileSync(file, 'utf8');
  expect(text).toMatch(/^# Benchmarks\n\n### epoch, tiny, paper: \d{4}-\d\d-\d\d\n/);
  expect(text).toContain(`\`marquee ${args.join(' ')}\``);
  expect(text).toMatch(/ cores; Node \d+\.\d+\.\d+, /);
  expect(text).toContain('| engine | device | threads | s/epoch |');
  expect(JSON.parse(/```json\n(.*)\n```/.exec(text)![1])).toMatchObject({ engine: 'tfjs:wasm' });
});

test('an engine that trains to other parameters is found out before it is timed', async () => {
  const wrong = aWrongEngine({
    parameters: (parameters) =>
      parameters.map((tensor) =>
        tensor.name === 'output_weights' ? { ...tensor, values: tensor.values.map((w) => w * 1.01) } : tensor,
      ),
  });
  await expect(benched('step', wrong)).rejects.toMatchObject({
    code: 'BENCH_WRONG_RESULT',
    message: expect.stringMatching(
      /^engine wrong disagrees with the reference engine in output_weights: by /,
    ),
  });
});

test('an engine that ranks other movies first is found out before it is timed', async () => {
  const wrong = aWrongEngine({
    topMovies: (top) => ({ ...top, movieIndices: top.movieIndices.toReversed() }),
  });
  await expect(benched('score', wrong)).rejects.toMatchObject({
    code: 'BENCH_WRONG_RESULT',
    message: expect.stringContaining('in top movies'),
  });
});

test('an engine that is not here is left out with its reason, and is an error when it was asked for', async () => {
  const door: EngineDoor = {
    ...referenceDoor,
    name: 'native',
    probe: async () => ({ name: 'native', available: false, device: null, reason: 'no compiler' }),
  };
  const skipped: string[] = [];
  await runBench('epoch', toSettings('tiny', 'paper', ONCE), null, listener(skipped), [door]);
  expect(skipped).toEqual(['native: no compiler']);
  await expect(benched('epoch', door)).rejects.toMatchObject({
    code: 'ENGINE_UNAVAILABLE',
    message: 'engine native cannot run here: no compiler',
  });
});

test('an epoch that would take minutes is not measured, and not guessed', async () => {
  // A millisecond a step.
  const sleep = (steps: number) => new Promise((resolve) => setTimeout(resolve, steps));
  const engine = {
    openTrainer: async () => ({
      async train(_epoch: number, _first: number, steps: number) {
        await sleep(steps);
        return { squaredErrorSum: 1, samples: steps };
      },
      close: async () => {},
    }),
  } as unknown as Engine;
  const settings = { ...toSettings('tiny', 'paper', ONCE), stepsPerEpoch: 1_000_000 };
  const result = await timeEpochs(engine, settings, benchRatings(settings.shape, 1));
  expect(result).toEqual({ tooLong: expect.any(Number) });
});

test('the operations and bytes of the paper network and of matrix factorization are those of the formulas', () => {
  const { shape: paper } = toSettings('ml-20m', 'paper', ONCE);
  const { shape: mf } = toSettings('ml-20m', 'mf', ONCE);
  expect(flopsOfSample(paper)).toBe(129_024);
  expect(flopsOfSample(mf)).toBe(384);
  expect(bytesOfSample(mf)).toBe(12 + 2 * 65 * 16);
  expect(bytesOfMovieSide(paper)).toBe(26_744 * 1024 * 4);
  expect(bytesOfMovieSide(mf)).toBe(26_744 * 65 * 4);
});

test('the sizes of ml-20m make 15,626 steps an epoch, as in the paper', () => {
  const { stepsPerEpoch, trainedRatings } = toSettings('ml-20m', 'paper', ONCE);
  expect([trainedRatings, stepsPerEpoch]).toEqual([16_000_210, 15_626]);
});

test('a timing is the median and the spread of its repeats', () => {
  expect(toTiming([3, 1, 2, 6], 5)).toEqual({ raw: [3, 1, 2, 6], median: 2.5, spread: 2, callsPerRepeat: 5 });
  expect(quantile([0, 10], 0.99)).toBeCloseTo(9.9, 12);
});

test('the stock engine leaves the kernels of TensorFlow.js as they are, but for the one that is missing', async () => {
  const { getKernel } = await import('@tensorflow/tfjs-core');
  await import('@tensorflow/tfjs-backend-wasm');
  const kernels = () => ['BatchMatMul', 'Sum'].map((name) => getKernel(name, 'wasm').kernelFunc);
  const published = kernels();
  await tfjsWasmStockDoor.open({ threads: 1 });
  expect(kernels()).toEqual(published);
  expect(getKernel('UnsortedSegmentSum', 'wasm')).toBeDefined();
  await tfjsWasmDoor.open({ threads: 1 });
  expect(kernels()).not.toEqual(published);
});

test('a wrong name, shape or engine is wrong usage', async () => {
  const wrong = [
    ['bench', 'colour'],
    ['bench', 'step', '--shape', 'huge'],
    ['bench', 'step', '--engine', 'abacus'],
  ];
  expect(await Promise.all(wrong.map(async (args) => (await marquee(args)).code))).toEqual([2, 2, 2]);
});

const ONCE = { threads: 1, seconds: 1, repeats: 1 };

function listener(skipped: string[] = []) {
  return {
    onFigures() {},
    onSkipped: (engine: string, reason: string) => skipped.push(`${engine}: ${reason}`),
  };
}

function benched(name: EngineBenchName, door: EngineDoor): Promise<void> {
  return runBench(name, toSettings('tiny', 'paper', ONCE), door.name, listener(), [door]);
}

interface Lies {
  parameters?: (honest: Parameters) => Parameters;
  topMovies?: (honest: TopMovies) => TopMovies;
}

/** The reference engine, but for what it lies about. */
function aWrongEngine({ parameters, topMovies }: Lies): EngineDoor {
  return {
    ...referenceDoor,
    name: 'wrong',
    async open(settings) {
      const engine = await referenceDoor.open(settings);
      return {
        ...engine,
        name: 'wrong',
        openTrainer: async (options) =>
          withLie(await engine.openTrainer(options), 'parameters', parameters as Lie),
        openScorer: async (shape, values) =>
          withLie(await engine.openScorer(shape, values), 'topMovies', topMovies as Lie),
      };
    },
  };
}

type Lie = ((answer: unknown) => unknown) | undefined;

/** The object with one method whose answers are changed. */
function withLie<T extends Trainer | Scorer>(honest: T, method: string, lie: Lie): T {
  return new Proxy(honest, {
    get(target, name) {
      const own = Reflect.get(target, name) as (...args: unknown[]) => Promise<unknown>;
      if (name !== method || !lie) return own?.bind(target);
      return async (...args: unknown[]) => lie(await own.apply(target, args));
    },
  });
}

function spawnMarquee(args: string[], changes: NodeJS.ProcessEnv = {}) {
  const { NODE_OPTIONS, ...env } = process.env;
  // Not the database of whoever runs the tests.
  return spawn(process.execPath, ['dist/main.js', ...args], {
    env: { ...env, DATABASE_URL: process.env.TEST_DATABASE_ADMIN_URL, ...changes },
  });
}

async function marquee(args: string[]): Promise<{ code: number | null; stdout: string }> {
  const child = spawnMarquee(args);
  let stdout = '';
  child.stdout.on('data', (text) => {
    stdout += text;
  });
  const [code] = await once(child, 'close');
  return { code, stdout };
}

test('training to a loss ends with the epoch that reaches it, or after the 25 epochs of the paper', async () => {
  const settings = toSettings('tiny', 'paper', { threads: 1, seconds: 1, repeats: 1 });
  const engine = await tfjsWasmDoor.open(settings);
  const never = await timeToLoss(engine, settings, 1, 0.5);
  expect(never).toMatchObject({ isReached: false, epochs: 25, validationLoss: expect.closeTo(0.754, 2) });
  const soon = await timeToLoss(engine, settings, 1, 0.85);
  expect(soon).toMatchObject({ isReached: true, epochs: expect.any(Number) });
  expect(soon!.epochs).toBeLessThan(25);
  expect(soon!.validationLoss).toBeLessThanOrEqual(0.85);
});

test('an epoch that takes too long is not begun on the way to a loss', async () => {
  const settings = toSettings('ml-20m', 'paper', { threads: 1, seconds: 1, repeats: 1 });
  expect(await timeToLoss(await referenceDoor.open(settings), settings, 6000, 0.65)).toBeNull();
});
