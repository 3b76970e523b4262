// What only the engine webgpu has: finding a GPU, arrays in several bindings, a device that goes away. What it computes is held to the
// reference by test/engines.*.test.ts. Runs on a software driver too; without any, what needs one is skipped with the reason.

import { execFile } from 'node:child_process';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import type { BenchFigures } from '#src/commands/bench/report.js';
import { runBench } from '#src/commands/bench/run.js';
import { toSettings } from '#src/commands/bench/settings.js';
import type {
  Engine,
  ModelShape,
  Parameters,
  TopMovies,
  TopMoviesRequest,
  TrainerOptions,
} from '#src/engines/engine.js';
import { ENGINE_DOORS, openEngine, resolveEngineName } from '#src/engines/open.js';
import { randomStream, randomUnit } from '#src/engines/random.js';
import { referenceDoor } from '#src/engines/reference.js';
import { findAdapter, requestDevice, type Surroundings } from '#src/engines/webgpu/dawn.js';
import { Gpu, type GpuLimits } from '#src/engines/webgpu/device.js';
import { webgpuDoor, webgpuDoorFor, webgpuEngine } from '#src/engines/webgpu.js';
import {
  aShape,
  EPOCH_STEPS,
  expectClose,
  expectCloseOutcome,
  expectSameBits,
  MANY_STEPS,
  ONE_STEP,
  type Outcome,
  someOptions,
  someParameters,
  someRatings,
  trained,
  type Work,
  wholeEpochs,
} from './support/engines.js';
import { aFolder } from './support/folder.js';

const SETTINGS = { threads: 1 };
const MIB = 2 ** 20;

/** What import('webgpu') gives, as far as the door looks at it; `asked` gets the options of the adapter. */
function aPackage(info: object | null, asked: unknown[] = []) {
  const requestAdapter = async (options: unknown) => {
    asked.push(options);
    return info && { info };
  };
  return { importPackage: async () => ({ create: () => ({ requestAdapter }) }), openLibrary: () => {} };
}

const NVIDIA = {
  vendor: 'nvidia',
  architecture: 'hopper',
  device: 'nvidia-h100-80gb-hbm3',
  description: 'NVIDIA: 550.54.15',
  isFallbackAdapter: false,
};

describe('finding a GPU', () => {
  // Instances are kept by their options: each test has its own.
  test('a GPU is named with its driver; a discrete one is asked for first', async () => {
    const asked: unknown[] = [];
    const door = webgpuDoorFor({ ...aPackage(NVIDIA, asked), options: ['1'] });
    expect(await door.probe(SETTINGS)).toEqual({
      name: 'webgpu',
      available: true,
      device: 'GPU nvidia-h100-80gb-hbm3 (NVIDIA: 550.54.15), WebGPU',
      reason: null,
      isSoftware: false,
    });
    expect(asked).toEqual([{ powerPreference: 'high-performance' }]);
  });

  test.each([
    ['2', { ...NVIDIA, isFallbackAdapter: true }],
    ['3', { ...NVIDIA, device: 'llvmpipe-llvm-15.0.6-256-bits' }],
    ['4', { ...NVIDIA, architecture: 'swiftshader' }],
  ])('auto never takes a software driver (%s), which can be asked for by name', async (option, info) => {
    const door = webgpuDoorFor({ ...aPackage(info), options: [option] });
    expect(await door.probe(SETTINGS)).toMatchObject({ available: true, isSoftware: true });
    expect(await resolveEngineName('auto', SETTINGS, [door, referenceDoor])).toBe('reference');
    expect(await resolveEngineName('webgpu', SETTINGS, [door, referenceDoor])).toBe('webgpu');
    await expect(openEngine('auto', SETTINGS, [door])).rejects.toMatchObject({
      code: 'ENGINE_UNAVAILABLE',
      message: 'engine webgpu finds only a software driver here, which must be asked for by name',
    });
  });

  test('auto takes a GPU', async () => {
    const door = webgpuDoorFor({ ...aPackage(NVIDIA), options: ['5'] });
    expect(await resolveEngineName('auto', SETTINGS, [door, referenceDoor])).toBe('webgpu');
  });

  test('no adapter, no Vulkan, no package: each says what to install', async () => {
    const reasonOf = async (surroundings: Partial<Surroundings>) =>
      (await webgpuDoorFor({ platform: 'linux', ...surroundings }).probe(SETTINGS)).reason;
    const missing = (message: string) => () => {
      throw new Error(message);
    };
    const noLibrary = missing('libvulkan.so.1: cannot open shared object file: No such file or directory');
    expect([
      await reasonOf({ ...aPackage(null), options: ['6'] }),
      await reasonOf({ ...aPackage(NVIDIA), openLibrary: noLibrary }),
      await reasonOf({
        importPackage: async () => missing("Cannot find package 'webgpu' imported from x")(),
      }),
      await reasonOf({ importPackage: async () => missing('GLIBC_2.34 not found\n  at x')() }),
    ]).toEqual([
      'no GPU with a Vulkan driver: install that of its vendor, or mesa-vulkan-drivers; `vulkaninfo --summary` lists what is there',
      'libvulkan.so.1 is not installed: apt-get install libvulkan1, and the Vulkan driver of the GPU',
      'package webgpu is not installed: npm i webgpu@0.6.2',
      'package webgpu does not load: GLIBC_2.34 not found',
    ]);
  });
});

const { available, reason } = await webgpuDoor.probe(SETTINGS);
const describeHere = available ? describe : describe.skip;

describeHere(available ? 'on the device that is here' : `on a device: ${reason}`, () => {
  async function openGpu(limits: Partial<GpuLimits> = {}): Promise<{ gpu: Gpu; engine: Engine }> {
    const found = await findAdapter();
    const gpu = new Gpu(await requestDevice(found), limits);
    return { gpu, engine: webgpuEngine(gpu, found.device) };
  }

  /** A table of users of 112 kB and three arrays of ratings of 80 kB each. */
  function longOptions(ratings = 20_000): TrainerOptions {
    const shape = aShape({ users: 4000, biases: true });
    return someOptions({
      shape,
      ratings: someRatings(shape, ratings),
      optimizer: { learningRate: 0.05, momentum: 0.9, batchSize: 64, l2: { biases: 0.1 } },
    });
  }

  test('arrays too long for one binding are split, and give the same bits', async () => {
    const options = longOptions();
    const { engine } = await openGpu();
    const { engine: split } = await openGpu({ bindingBytes: 80_000 });
    const [whole, parts] = [
      await trained(engine, options, [[0, 300, 5]]),
      await trained(split, options, [[0, 300, 5]]),
    ];
    expectSameBits(parts, whole);
    expect(parts.squaredErrorSum).toBe(whole.squaredErrorSum);
  });

  test.each([128, 256])('workgroups of %i threads agree with the reference', async (workgroupThreads) => {
    const { engine } = await openGpu({ workgroupThreads });
    const reference = await referenceDoor.open(SETTINGS);
    // 1,100 units: more than two passes of all threads.
    for (const hiddenLayers of [[], [40], [1100]]) {
      const options = someOptions({ shape: aShape({ hiddenLayers, biases: true, dotProduct: true }) });
      const [actual, expected] = [
        await trained(engine, options, [[0, 0, 3]]),
        await trained(reference, options, [[0, 0, 3]]),
      ];
      expectCloseOutcome(actual, expected, ONE_STEP);
    }
  });

  // 40,000 ratings are 480 kB, and each of their arrays needs three bindings.
  test.each([
    ['what they may take', { residentBytes: 100_000 }],
    ['the bindings that there are', { storageBindings: 8 }],
  ])('ratings beyond %s are streamed, and give the same bits', async (_, limits) => {
    const options = longOptions(40_000);
    const work: Work = [
      [0, 420, 205],
      [1, 0, 7],
      [1, 7, 3],
    ];
    const { engine: resident } = await openGpu();
    // In submissions of 100 steps.
    const { engine: streamed } = await openGpu({ bindingBytes: 100 * 64 * 12, ...limits });
    const [whole, parts] = [await trained(resident, options, work), await trained(streamed, options, work)];
    expectSameBits(parts, whole);
    expect(parts).toMatchObject({ samples: whole.samples, squaredErrorSum: whole.squaredErrorSum });
  });

  test.each(['wasm', 'native', 'webgpu'])('a run begun on webgpu goes on, on %s, and back', async (name) => {
    const door = ENGINE_DOORS.find((each) => each.name === name)!;
    if (!(await door.probe(SETTINGS)).available) return;
    const { engine } = await openGpu();
    const options = someOptions({ shape: aShape({ biases: true, dotProduct: true }) });
    const reference = await referenceDoor.open(SETTINGS);
    const expected = await trained(reference, options, wholeEpochs(options, 3));
    const other = await door.open(SETTINGS);
    let left = await trained(engine, options, [[0, 0, EPOCH_STEPS]]);
    left = await trained(other, { ...options, ...given(left) }, [[1, 0, EPOCH_STEPS]]);
    left = await trained(engine, { ...options, ...given(left) }, [[2, 0, EPOCH_STEPS]]);
    expectClose(left.parameters, expected.parameters, MANY_STEPS);
    expectClose(left.state.moments[0], expected.state.moments[0], MANY_STEPS);
    expect(left.state.steps).toBe(3 * EPOCH_STEPS);
  });

  test('the best movies found by the device are those found from all scores', async () => {
    const shape = aShape({ users: 4, movies: 700, hiddenLayers: [], biases: true, dotProduct: true });
    const request = aRequest(shape, 20);
    const lists = [];
    // The second has no room for lists.
    for (const limits of [{}, { bindingBytes: 8_000 }]) {
      const scorer = await (await openGpu(limits)).engine.openScorer(shape, randomParameters(shape));
      const first = await scorer.topMovies(request);
      const next = await scorer.topMovies({ ...request, ...afterEnds(first, 20) });
      lists.push([first, next]);
      await scorer.close();
    }
    expect(lists[0]).toEqual(lists[1]);
    expect([...lists[0][0].counts]).toEqual(Array(4).fill(20));
  });

  test('predictions and scores in pieces are those at once', async () => {
    const shape = aShape({ movies: 300 });
    const users = Int32Array.from({ length: 40 }, (_, user) => user);
    const outputs = [];
    for (const limits of [{}, { bindingBytes: 5000 }]) {
      const scorer = await (await openGpu(limits)).engine.openScorer(shape, someParameters(shape));
      const movies = users.map((user) => 299 - user);
      outputs.push([await scorer.scoreMovies(users), await scorer.predict(users, movies)]);
      await scorer.close();
    }
    expect(outputs[1]).toEqual(outputs[0]);
  });

  test('what does not fit is refused with what, how much and what to do', async () => {
    const { engine } = await openGpu({ bindingBytes: MIB });
    const optimizer = { learningRate: 0.05, momentum: 0.9, batchSize: 65_536 };
    await expect(
      engine.openTrainer({ ...longOptions(), optimizer: { ...optimizer, batchSize: 20_000 } }),
    ).rejects.toMatchObject({
      code: 'ENGINE_OUT_OF_MEMORY',
      message:
        'engine webgpu needs 2 MiB in one piece for the inputs and slopes of a batch, and the device gives 1 MiB',
    });
    const { engine: narrow } = await openGpu({ bindingBytes: 5_000 });
    await expect(narrow.openTrainer(longOptions())).rejects.toMatchObject({ code: 'ENGINE_OUT_OF_MEMORY' });
  });

  test('20 million ratings in bindings of 64 MiB train as the reference trains them', async () => {
    const count = 20_000_263;
    const shape = aShape({ users: 138_493, movies: 26_744, hiddenLayers: [], biases: true });
    const ratings = {
      userIndices: Int32Array.from({ length: count }, (_, i) => i % shape.users),
      movieIndices: Int32Array.from({ length: count }, (_, i) => (i * 31) % shape.movies),
      targets: Float32Array.from({ length: count }, (_, i) => (i % 9) / 2 - 2),
    };
    const options = someOptions({
      shape,
      ratings,
      optimizer: { learningRate: 0.05, momentum: 0.9, batchSize: 256 },
    });
    const { engine } = await openGpu({ bindingBytes: 64 * MIB });
    const reference = await referenceDoor.open(SETTINGS);
    // The last batches of an epoch of 78,127 steps.
    const actual = await trained(engine, options, [[3, 78_124, 3]]);
    expectCloseOutcome(actual, await trained(reference, options, [[3, 78_124, 3]]), ONE_STEP);
  }, 120_000);

  test('steps beyond what the tables of skipped steps hold catch up in between', async () => {
    const options = someOptions({
      count: 3000,
      optimizer: { learningRate: 0.01, momentum: 0.5, batchSize: 1 },
    });
    const { engine } = await openGpu();
    const reference = await referenceDoor.open(SETTINGS);
    // 513 skipped steps and more take both tables.
    const actual = await trained(engine, options, [[0, 0, 600]]);
    expectCloseOutcome(actual, await trained(reference, options, [[0, 0, 600]]), {
      absolute: 2e-5,
      relative: 1e-4,
    });
  }, 120_000);

  test('when the device goes away, calls fail with what to do, and none waits', async () => {
    const { gpu, engine } = await openGpu();
    const trainer = await engine.openTrainer(someOptions());
    const scorer = await engine.openScorer(aShape(), someParameters(aShape()));
    const running = trainer.train(0, 0, EPOCH_STEPS);
    gpu.device.destroy();
    const lost = { code: 'ENGINE_LOST', message: expect.stringContaining('engine webgpu lost its device') };
    await expect(running).rejects.toMatchObject(lost);
    await expect(trainer.train(1, 0, EPOCH_STEPS)).rejects.toMatchObject(lost);
    await expect(trainer.parameters()).rejects.toMatchObject(lost);
    await expect(scorer.scoreMovies(Int32Array.of(1))).rejects.toMatchObject(lost);
    await expect(engine.openTrainer(someOptions())).rejects.toMatchObject(lost);
    await trainer.close();
    await scorer.close();
  });

  test('a command that the device refuses fails the call that meets it', async () => {
    const { gpu, engine } = await openGpu();
    const scorer = await engine.openScorer(aShape(), someParameters(aShape()));
    gpu.device.createBuffer({ size: 16, usage: 0xffff });
    await expect(scorer.scoreMovies(Int32Array.of(1))).rejects.toThrow('WebGPU refused a command: ');
    await scorer.close();
  });

  test('bench gpu gives steps by batch size, the floor of the device, the cost to the host and what peers take', async () => {
    const figures: BenchFigures[] = [];
    await runBench('gpu', toSettings('tiny', 'mf', { threads: 1, seconds: 1, repeats: 2 }), null, {
      onFigures: (line) => figures.push(line),
      onSkipped: () => {},
    });
    expect(figures).toHaveLength(1);
    expect(figures[0]).toMatchObject({
      ...{ engine: 'webgpu', shape: 'tiny', preset: 'mf', batchSize: 1024 },
      usPerStep: expect.any(Number),
      secondsPerEpoch: expect.any(Number),
      samplesPerSecond: expect.any(Number),
      floorRatio: expect.any(Number),
      hostUsPerStep: expect.any(Number),
      hardware: { flopsPerSecond: expect.any(Number), bytesPerSecond: expect.any(Number) },
      peers: { tfjsWebgpu: { usPerStep: expect.any(Number) }, pytorch: expect.any(Object) },
    });
  }, 180_000);

  // In a process of its own: what is held to is that it lives on.
  test('a thread that has done its work on a GPU can be ended while the device is open', async () => {
    const script = `
      import { Worker, isMainThread, parentPort } from 'node:worker_threads';
      if (isMainThread) {
        const worker = new Worker(process.argv[1]);
        await new Promise((resolve) => worker.once('message', resolve));
        await worker.terminate();
        console.log('alive');
        process.exit(0);
      }
      const { webgpuDoor } = await import('${resolve('dist/engines/webgpu.js')}');
      const engine = await webgpuDoor.open({ threads: 1 });
      const shape = { users: 2, movies: 2, embeddingWidth: 1, hiddenLayers: [], biases: true };
      const parameters = [2, 2, 1].map((length, i) => ({
        name: ['user_biases', 'movie_biases', 'output_biases'][i], shape: [length], values: new Float32Array(length),
      }));
      const scorer = await engine.openScorer(shape, parameters);
      await scorer.scoreMovies(Int32Array.of(0));
      parentPort.postMessage('done');
      setTimeout(() => {}, 60_000);
    `;
    const file = join(aFolder({ 'thread.mjs': script }), 'thread.mjs');
    const { stdout } = await promisify(execFile)(process.execPath, [file], { env: withoutNodeOptions() });
    expect(stdout).toBe('alive\n');
  }, 60_000);
});

function withoutNodeOptions(): NodeJS.ProcessEnv {
  const { NODE_OPTIONS, ...env } = process.env;
  return env;
}

/** What another engine left, to go on from. */
function given({ parameters, state }: Outcome): Pick<TrainerOptions, 'parameters' | 'state'> {
  return { parameters, state };
}

/** Numbers that do not repeat, so that scores do not either. */
function randomParameters(shape: ModelShape): Parameters {
  const stream = randomStream(1, 500);
  return someParameters(shape).map((tensor, index) => ({
    ...tensor,
    values: tensor.values.map((_, i) => randomUnit(stream, index * 1e6 + i) - 0.5),
  }));
}

/** Every user; every third movie is not allowed. */
function aRequest({ users, movies }: ModelShape, n: number): TopMoviesRequest {
  const words = Math.ceil(movies / 32);
  const allowed = new Uint32Array(users * words);
  for (let user = 0; user < users; user++) {
    for (let movie = 0; movie < movies; movie++) {
      if ((user + movie) % 3 > 0) allowed[user * words + (movie >> 5)] |= 1 << (movie & 31);
    }
  }
  return {
    userIndices: Int32Array.from({ length: users }, (_, user) => user),
    n,
    offset: 3.525529,
    allowed,
    afterScores: new Float32Array(users).fill(Number.POSITIVE_INFINITY),
    afterIndices: new Int32Array(users).fill(-1),
  };
}

/** The next page of full lists. */
function afterEnds({ scores, movieIndices }: TopMovies, n: number) {
  const last = (values: Float32Array | Int32Array) => values.filter((_, i) => i % n === n - 1);
  return {
    afterScores: last(scores) as Float32Array,
    afterIndices: last(movieIndices) as Int32Array,
  };
}
