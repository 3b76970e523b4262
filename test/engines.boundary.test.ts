// Misuse of native and wasm is an error, never a crash and never a wait without end: hostile sizes, numbers and indices, calls at
// the wrong time, threads that die, memory that there is not, and a process or thread that ends in the middle of a step.

/// <reference path="../src/engines/webAssembly.d.ts" />

import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import fc from 'fast-check';
import type { ModelShape } from '#src/engines/engine.js';
import { nativeDoor } from '#src/engines/native.js';
import { parameterShapes, sizeOf } from '#src/engines/shape.js';
import { wasmDoor } from '#src/engines/wasm.js';
import { openCrew } from '#src/engines/wasmThreads.js';
import {
  aShape,
  EPOCH_STEPS,
  failureOf,
  openEngines,
  runnableOf,
  someOptions,
  someParameters,
  someRatings,
} from './support/engines.js';

const probed = await openEngines([nativeDoor, wasmDoor]);
const runnable = runnableOf(probed);
const withNative = probed[0].engine ? describe : describe.skip;
const wasm = probed[1].engine!;

/** What the addon is called with by engines/native.ts, and with anything else here. */
type Addon = Record<string, (...values: unknown[]) => unknown>;

describe.each(runnable)('$door.name', ({ door, engine }) => {
  test.each([0, -1, 1.5, 65, 1e9, Number.NaN])('%p threads are refused', async (threads) => {
    const careless = await door.open({ threads });
    expect(await failureOf(() => careless.openTrainer(someOptions()))).toContain('threads: 1 to 64');
  });

  test('sizes that cannot be counted in 32 bits are refused before anything is allocated', async () => {
    const shape = { ...aShape({ hiddenLayers: [], biases: true }), users: 2 ** 40 };
    // Arrays of that length cannot be made; these claim to be.
    const claim = parameterShapes(shape).map((parameter) => ({
      ...parameter,
      values: { length: sizeOf(parameter.shape) } as Float32Array,
    }));
    expect(await failureOf(() => engine.openScorer(shape, claim))).toContain('at most 2147483647');
  });

  test('a rating of a user or movie outside the shape is refused', async () => {
    for (const [name, index] of [
      ['userIndices', 40],
      ['movieIndices', -1],
      ['movieIndices', -(2 ** 31)],
    ] as const) {
      const ratings = someRatings(aShape(), 20);
      ratings[name][7] = index;
      expect(await failureOf(() => engine.openTrainer(someOptions({ ratings })))).toContain('is outside 0…');
    }
  });

  test('arrays that the caller changes after the call do no harm', async () => {
    const scorer = await engine.openScorer(aShape(), someParameters(aShape()));
    const [users, movies] = [new Int32Array(200_000), new Int32Array(200_000)];
    const turn = scorer.predict(users, movies);
    // The call has its turn in a microtask; it works on copies from then on.
    await Promise.resolve();
    await Promise.resolve();
    users.fill(2 ** 31 - 1);
    expect(new Set(await turn).size).toBe(1);
    await scorer.close();
  });

  test('calls without awaiting take turns, closing among them', async () => {
    const trainer = await engine.openTrainer(someOptions());
    const calls = [
      trainer.train(0, 0, EPOCH_STEPS),
      trainer.parameters(),
      trainer.close(),
      trainer.train(1, 0, 1),
    ];
    const ends = await Promise.allSettled(calls);
    expect(ends.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled', 'rejected']);
  });

  test.each([
    ['exits', 'a process that exits in the middle of steps ends as it should'],
    ['collects', 'a trainer that nobody holds but its own call is not collected'],
    ['terminates', 'a thread that is terminated in the middle of steps takes nothing with it'],
  ])('%s: %s', async (interruption) => {
    const command = ['--expose-gc', 'test/support/interrupted.mjs', door.name, interruption];
    const end = await promisify(execFile)(process.execPath, command, { env: {}, timeout: 50_000 }).then(
      () => ({ code: 0, signal: null, stderr: '' }),
      ({ code, signal, stderr }) => ({ code, signal, stderr }),
    );
    expect(end).toEqual({ code: 7, signal: null, stderr: '' });
  });
});

withNative('the addon', () => {
  const addon: Addon = probed[0].engine
    ? createRequire(import.meta.url)('../dist/engines/cpu/native.node')
    : {};
  // Users, movies, K, H, biases, dot product, threads, moments, batch, momentum, three λ, three numbers of adam.
  const config = Float64Array.of(10, 10, 4, 8, 1, 1, 2, 1, 4, 0.9, 0, 0, 0, 0.9, 0.999, 1e-7);
  const [best] = (addon.instructionSets?.() ?? []) as string[];

  function openModel(changes: Record<number, number> = {}): unknown {
    return addon.open(best, Object.assign(config.slice(), changes));
  }

  // Users, movies, K, ratings, threads, burn-in, two keys, three of the priors, the shrinking, attributes and their holders by side.
  const samplerConfig = Float64Array.of(3, 2, 4, 4, 1, 1, 1, 2, 1, 2, 6, 0.5, 0, 0, 0, 0);

  function openSampler(changes: Record<number, number> = {}): unknown {
    return addon.openSampler(best, Object.assign(samplerConfig.slice(), changes));
  }

  /** Starts, movies and targets of 4 ratings. */
  function ratingsByUser(): [Int32Array, Int32Array, Float32Array] {
    return [Int32Array.of(0, 2, 3, 4), Int32Array.of(0, 1, 0, 1), Float32Array.of(1, -1, 0, 1)];
  }

  test.each([
    ['a NaN', { 0: Number.NaN }],
    ['an infinity', { 2: Number.POSITIVE_INFINITY }],
    ['no users', { 0: 0 }],
    ['half a movie', { 1: 0.5 }],
    ['more users than an int32 counts', { 0: 2 ** 31 }],
    ['a negative width', { 2: -1 }],
    ['too wide embeddings', { 2: 257 }],
    ['too many units', { 3: 2 ** 40 }],
    ['no thread', { 6: 0 }],
    ['too many threads', { 6: 65 }],
    ['a third moment', { 7: 3 }],
    ['a batch without a moment', { 7: 0 }],
  ])('a configuration with %s is an error', (_, changes) => {
    expect(() => openModel(changes)).toThrow('outside its range');
  });

  test('a model that no memory holds is an error', () => {
    // 2³¹ movies by 2²⁴ units of 4 bytes.
    expect(() => openModel({ 1: 2 ** 31 - 1, 3: 2 ** 24, 7: 0, 8: 0 })).toThrow('out of memory');
  });

  test('an order that is none of these ratings is an error: its radices divide', () => {
    const model = openModel();
    addon.setRatings(model, new Int32Array(9), new Int32Array(9), new Float32Array(9));
    const train = (...order: number[]) =>
      addon.train(model, 0.1, 0, 1, 0, Uint32Array.of(...order, 1, 2, 3, 4, 5, 6));
    for (const order of [
      [9, 0, 3],
      [9, 3, 0],
      [9, 2, 4],
      [8, 3, 3],
      [9, 2 ** 31, 3],
    ]) {
      expect(() => train(...order)).toThrow('the order is not of these ratings');
    }
    addon.close(model);
  });

  test('indices outside the model are errors', () => {
    const [model, scorer] = [openModel(), openModel({ 7: 0, 8: 0 })];
    const [bad, good, one] = [Int32Array.of(10), Int32Array.of(9), new Float32Array(1)];
    expect(() => addon.setRatings(model, bad, good, one)).toThrow('does not have');
    expect(() => addon.setRatings(model, good, Int32Array.of(-1), one)).toThrow('does not have');
    expect(() => addon.predict(model, bad, good, one)).toThrow('does not have');
    expect(() => addon.scoreMovies(scorer, bad, new Float32Array(10))).toThrow('no such user');
  });

  test('while a model works, every call is an error; afterwards none is, until it is closed', async () => {
    const scorer = openModel({ 7: 0, 8: 0 });
    const work = addon.prepareScoring(scorer);
    for (const name of ['prepareScoring', 'close', 'readSteps']) {
      expect(() => addon[name](scorer)).toThrow('the model is at work');
    }
    await work;
    await addon.prepareScoring(scorer);
    addon.close(scorer);
    for (const name of ['prepareScoring', 'close']) {
      expect(() => addon[name](scorer)).toThrow('the model is closed');
    }
  });

  test.each([
    ['a NaN', { 0: Number.NaN }],
    ['no movies', { 1: 0 }],
    ['half a user', { 0: 2.5 }],
    ['more movies than an int32 counts', { 1: 2 ** 31 }],
    ['too wide embeddings', { 2: 257 }],
    ['no ratings', { 3: 0 }],
    ['no thread', { 4: 0 }],
    ['too many threads', { 4: 65 }],
    ['a negative number of attributes', { 12: -1 }],
  ])('a sampler with %s is an error', (_, changes) => {
    expect(() => openSampler(changes)).toThrow('a size of the sampler is out of range');
  });

  test('places that a sampler does not have, and arrays of another type or length, are errors', () => {
    const sampler = openSampler();
    // 3 users in rows of 16.
    const rows = new Float32Array(3 * 16);
    for (const name of ['writeSampler', 'readSampler']) {
      for (const place of [-1, 0.5, 23, 1e9, Number.NaN])
        expect(() => addon[name](sampler, place, rows)).toThrow('no such place');
      for (const array of [rows.subarray(1), new Int32Array(48), new Float64Array(48), [], undefined])
        expect(() => addon[name](sampler, 0, array)).toThrow('another type or length');
      addon[name](sampler, 0, rows);
    }
    addon.closeSampler(sampler);
  });

  test('ratings by user are given once and whole, and nothing is swept before', async () => {
    const sampler = openSampler();
    const [starts, others, targets] = ratingsByUser();
    expect(() => addon.sweep(sampler, 1)).toThrow('no ratings by user yet');
    for (const wrong of [
      [starts.subarray(1), others, targets],
      [starts, others.subarray(1), targets],
      [starts, others, Int32Array.from(targets)],
    ])
      expect(() => addon.readySampler(sampler, ...wrong)).toThrow('given once');
    addon.readySampler(sampler, starts, others, targets);
    expect(() => addon.readySampler(sampler, starts, others, targets)).toThrow('given once');
    for (const number of [0, -1, 1.5, Number.NaN, 2 ** 32]) {
      expect(() => addon.sweep(sampler, number)).toThrow('sweeps count from 1');
    }
    addon.closeSampler(sampler);
  });

  test('pairs of others than the users and movies of a sampler are errors', () => {
    const sampler = openSampler();
    const [one, outputs] = [Int32Array.of(1), new Float32Array(1)];
    expect(() => addon.predictMeans(sampler, Int32Array.of(3), one, outputs)).toThrow('does not have');
    expect(() => addon.predictMeans(sampler, one, Int32Array.of(-1), outputs)).toThrow('does not have');
    expect(() => addon.predictMeans(sampler, one, Int32Array.of(1, 1), outputs)).toThrow('of one length');
    expect(() => addon.predictMeans(openModel(), one, one, outputs)).toThrow('sampler');
    addon.closeSampler(sampler);
    expect(() => addon.predictMeans(sampler, one, one, outputs)).toThrow('is closed');
  });

  test('any method with any arguments throws or answers', async () => {
    const buffer = new ArrayBuffer(64);
    const detached = new Int32Array(buffer);
    structuredClone(buffer, { transfer: [buffer] });
    const numbers = [0, 1, 2, -1, 0.5, 7, 64, 1e9, 2 ** 53, -1e300, Number.NaN, Number.POSITIVE_INFINITY];
    const arrays = [Int32Array, Uint32Array, Float32Array, Float64Array, Uint8Array].flatMap((kind) =>
      [0, 1, 9, 10, 16].map((length) => new kind(length)),
    );
    const models = [openModel(), openModel({ 7: 2 }), openModel({ 7: 0, 8: 0 })];
    const others = [undefined, null, '', 'AVX2', best, {}, [], detached, config];
    const value = fc.constantFrom<unknown>(...numbers, ...arrays, ...others);
    // Not measure, which takes a second when its arguments are right.
    const names = Object.keys(addon).filter((name) => name !== 'measure');
    const call = fc.record({
      name: fc.constantFrom(...names),
      model: fc.option(fc.constantFrom(...models), { nil: 0 as unknown }),
      rest: fc.array(value, { maxLength: 9 }),
    });
    await fc.assert(
      fc.asyncProperty(call, async ({ name, model, rest }) => {
        fc.pre(name !== 'close' || model === 0);
        const answer = await failureOf(async () => addon[name](model, ...rest));
        expect(typeof answer).toBe('string');
      }),
      { seed: 7, numRuns: 20_000 },
    );
  });
});

describe('wasm', () => {
  test('a model beyond 4 GiB is refused with the engine that has it', async () => {
    // Halves of 700,000 movies by 2,048 units: 5.3 GiB.
    const shape: ModelShape = { users: 1, movies: 700_000, embeddingWidth: 1, hiddenLayers: [2048] };
    const message = await failureOf(() => wasm.openScorer(shape, someParameters(shape)));
    expect(message).toMatch(/needs 5\.\d GiB; WebAssembly has 4 GiB; the engine native has no such limit/);
  });

  test('when one thread fails, a call is an error though the other waits, and so is every later one', async () => {
    // one_fails(model, thread): thread 1 traps, the others wait for ever.
    const module = new WebAssembly.Module(Buffer.from(ONE_FAILS, 'base64'));
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
    const crew = await openCrew(module, memory, [2048, 4096]);
    await expect(crew.call('one_fails', 0)).rejects.toThrow('the kernel one_fails failed: unreachable');
    await expect(crew.call('one_fails', 0)).rejects.toThrow('unreachable');
    await crew.close();
  });

  test('a thread that cannot start is an error', async () => {
    const module = new WebAssembly.Module(Buffer.from(ONE_FAILS, 'base64'));
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 2, shared: true });
    await expect(openCrew(module, memory, [2048, 4096])).rejects.toThrow('maximum');
  });
});

const ONE_FAILS =
  'AGFzbQEAAAABCQJgAABgAn9/AAIQAQNlbnYGbWVtb3J5AgMBAQMDAgABBAUBcAEBAQYMAn8BQZAQC38BQQALBx8CD19fc3RhY2tfcG9pbnRlcgMACW9uZV9mYWlscwABCAEACmYCRgACQAJAAkBBhAhBAEEB/kgCAA4CAAECC0GACEEAQQT8CwBBhAhBAv4XAgBBhAhBf/4AAgAaDAELQYQIQQFCf/4BAgAaCwsdAAJAIAFBAUcNAAAAC0EAQQBCf/4BAoCIgIAAGgs=';
