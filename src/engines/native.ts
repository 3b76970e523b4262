// The engine `native`: the kernels of engines/cpu as an N-API addon with threads, for the best instruction set of the processor.
// The addon is built by `npm run build` where there is a C compiler (scripts/build-native.mjs); else the door says so.

import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { cpuEngine } from './cpuEngine.js';
import {
  type CpuDevice,
  type CpuModel,
  configOf,
  describeCpu,
  type EpochPart,
  refusalOfShape,
} from './cpuModel.js';
import { openCpuSampler, type SamplerDevice } from './cpuSampler.js';
import type { Engine, EngineDoor, TopMoviesRequest } from './engine.js';
import { openNativeSampler, type SamplerAddon } from './nativeSampler.js';

/** A model of the addon. */
type Handle = { readonly brand: unique symbol };

/** src/engines/cpu/addon.c. */
interface Addon extends SamplerAddon {
  /** Of this processor, best first. */
  instructionSets(): string[];
  open(instructionSet: string, config: Float64Array): Handle;
  close(model: Handle): void;
  writeTensor(model: Handle, tensor: number, part: number, values: Float32Array): void;
  readTensor(model: Handle, tensor: number, part: number, values: Float32Array): void;
  writeSteps(model: Handle, steps: number): void;
  readSteps(model: Handle): number;
  setRatings(model: Handle, users: Int32Array, movies: Int32Array, targets: Float32Array): void;
  train(
    model: Handle,
    rate: number,
    first: number,
    steps: number,
    catchUp: number,
    order: Uint32Array,
  ): Promise<[number, number]>;
  predict(model: Handle, users: Int32Array, movies: Int32Array, outputs: Float32Array): Promise<unknown>;
  prepareScoring(model: Handle): Promise<unknown>;
  scoreMovies(model: Handle, users: Int32Array, scores: Float32Array): Promise<unknown>;
  topMovies(
    model: Handle,
    users: Int32Array,
    n: number,
    offset: number,
    allowed: Uint32Array,
    afterScores: Float32Array,
    afterIndices: Int32Array,
    counts: Int32Array,
    movies: Int32Array,
    scores: Float32Array,
  ): Promise<unknown>;
  measure(instructionSet: string, threads: number): [flopsPerSecond: number, bytesPerSecond: number];
}

export const nativeDoor = nativeDoorFor();

/** `instructionSet`: for tests and benchmarks; the best of the processor if absent. */
export function nativeDoorFor(instructionSet?: string): EngineDoor {
  return {
    name: 'native',
    refusalOf: refusalOfShape,
    async probe({ threads }) {
      try {
        const chosen = choose(loadAddon(), instructionSet);
        const device = describeCpu(threads, chosen);
        return { name: 'native', available: true, device, reason: null };
      } catch (error) {
        return { name: 'native', available: false, device: null, reason: (error as Error).message };
      }
    },
    open: async ({ threads }) => nativeEngine(threads, instructionSet),
    hasSweeps: true,
  };
}

/** The instruction sets of this processor that the addon has, best first; none without the addon. */
export function listInstructionSets(): string[] {
  try {
    return loadAddon().instructionSets();
  } catch {
    return [];
  }
}

export interface Hardware {
  /** Single-precision multiplications and additions. */
  flopsPerSecond: number;
  /** Read from memory, far beyond the caches. */
  bytesPerSecond: number;
  /** What measured it: "CPU, 2 threads, AVX-512". */
  by: string;
}

/** The most that this machine does with so many threads, measured now, in about a second; null without the addon. */
export async function measureHardware(threads: number): Promise<Hardware | null> {
  const [best] = listInstructionSets();
  if (best === undefined) return null;
  const [flopsPerSecond, bytesPerSecond] = loadAddon().measure(best, threads);
  return { flopsPerSecond, bytesPerSecond, by: describeCpu(threads, best) };
}

function loadAddon(): Addon {
  const path = fileURLToPath(new URL('./cpu/native.node', import.meta.url));
  try {
    return createRequire(import.meta.url)(path);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'MODULE_NOT_FOUND') {
      throw new Error('its addon was not built: install a C compiler (cc), then `npm run build`');
    }
    throw new Error(`its addon does not load: ${message.split('\n', 1)[0]}`, { cause: error });
  }
}

function choose(addon: Addon, wanted: string | undefined): string {
  const sets = addon.instructionSets();
  if (wanted !== undefined && !sets.includes(wanted)) {
    throw new Error(`this processor has no ${wanted}; it has ${sets.join(', ')}`);
  }
  return wanted ?? sets[0];
}

function nativeEngine(threads: number, wanted: string | undefined): Engine {
  const addon = loadAddon();
  const instructionSet = choose(addon, wanted);
  const device: CpuDevice & SamplerDevice = {
    name: 'native',
    device: describeCpu(threads, instructionSet),
    threads,
    openModel: async (plan) =>
      nativeModel(addon, addon.open(instructionSet, configOf(plan, threads)), plan.shape.movies),
    openSampler: async (config) => openNativeSampler(addon, instructionSet, config),
  };
  return { ...cpuEngine(device), openSampler: (options) => openCpuSampler(device, options) };
}

function nativeModel(addon: Addon, model: Handle, movies: number): CpuModel {
  return {
    write: (tensor, part, values) => addon.writeTensor(model, tensor, part, values),
    read: (tensor, part, values) => addon.readTensor(model, tensor, part, values),
    writeSteps: (steps) => addon.writeSteps(model, steps),
    readSteps: () => addon.readSteps(model),
    setRatings: ({ userIndices, movieIndices, targets }) =>
      addon.setRatings(model, userIndices, movieIndices, targets),
    async train({ learningRate, firstStep, steps, order, catchUp }: EpochPart) {
      const done = await addon.train(model, learningRate, firstStep, steps, catchUp ? 1 : 0, order);
      return { squaredErrorSum: done[0], samples: done[1] };
    },
    async predict(userIndices, movieIndices) {
      const outputs = new Float32Array(userIndices.length);
      await addon.predict(model, userIndices, movieIndices, outputs);
      return outputs;
    },
    async prepareScoring() {
      await addon.prepareScoring(model);
    },
    async scoreMovies(userIndices) {
      const scores = new Float32Array(userIndices.length * movies);
      await addon.scoreMovies(model, userIndices, scores);
      return scores;
    },
    topMovies: (request) => topMovies(addon, model, request),
    async close() {
      addon.close(model);
    },
  };
}

async function topMovies(addon: Addon, model: Handle, request: TopMoviesRequest) {
  const { userIndices, n, offset, allowed, afterScores, afterIndices } = request;
  const places = userIndices.length * n;
  const top = {
    counts: new Int32Array(userIndices.length),
    movieIndices: new Int32Array(places),
    scores: new Float32Array(places),
  };
  await addon.topMovies(
    ...[model, userIndices, n, offset, allowed, afterScores, afterIndices],
    ...[top.counts, top.movieIndices, top.scores],
  );
  return top;
}
