// The engine `wasm`: the kernels of engines/cpu as WebAssembly SIMD, on threads of their own that share one memory.
// Needs nothing but Node. The memory of a model is made in the size it needs and goes when the model is closed.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { cpuEngine } from './cpuEngine.js';
import { type CpuDevice, refusalOfShape } from './cpuModel.js';
import type { EngineDoor, ModelShape } from './engine.js';
import { type Kernels, openWasmModel, type WasmMemory } from './wasmModel.js';
import { scratchBytes } from './wasmScratch.js';
import { openCrew } from './wasmThreads.js';

const PAGE_BYTES = 65_536;
const MAX_BYTES = 2 ** 32;
const STACK_BYTES = 65_536;
/** Of one rating in the memory of the kernels. */
const RATING_BYTES = 12;
/** For configurations, orders and results. */
const CALL_BYTES = 1024;

export const wasmDoor: EngineDoor = {
  name: 'wasm',
  refusalOf: refusalOfShape,
  async probe({ threads }) {
    try {
      compile();
      return { name: 'wasm', available: true, device: describe(threads), reason: null };
    } catch (error) {
      const reason = `this Node has no WebAssembly with SIMD and threads: ${(error as Error).message}`;
      return { name: 'wasm', available: false, device: null, reason };
    }
  },
  open: async ({ threads }) => cpuEngine(wasmDevice(threads)),
};

function describe(threads: number): string {
  return `CPU, ${threads} thread${threads === 1 ? '' : 's'}, WebAssembly SIMD`;
}

let compiled: WebAssembly.Module | null = null;

// The second undoes the first. --no-liftoff turns dynamic tiering off, too, and --liftoff alone does not turn it on again.
const OPTIMIZED_AT_ONCE = ['--no-liftoff', '--no-wasm-lazy-compilation'];
const AS_USUAL = ['--liftoff', '--wasm-lazy-compilation', '--wasm-dynamic-tiering'];

/**
 * All of it by the optimizing compiler, before any thread runs: 60 to 90 ms once in a thread that trains or serves, instead of
 * slow first steps. And a guard: code of Node 20's first tier (Liftoff) gave wrong rows in the first steps of two threads in 14
 * of 20 cold starts of a prototype from another compiler. These kernels never went wrong in it, in 200 cold starts with Liftoff
 * alone and 140 with V8's defaults; nobody knows why the prototype did. test/engines.coldStart.test.ts asserts that no function
 * is of the first tier, that V8 is left as it was, and the bits of 100 cold starts.
 * Condition for removal: Node 20 is no longer supported, and the first steps are fast enough without.
 */
function compile(): WebAssembly.Module {
  if (compiled) return compiled;
  const bytes = readFileSync(new URL('./cpu/kernel.wasm', import.meta.url));
  for (const flag of OPTIMIZED_AT_ONCE) setFlagsFromString(flag);
  try {
    compiled = new WebAssembly.Module(bytes);
  } finally {
    for (const flag of AS_USUAL) setFlagsFromString(flag);
  }
  return compiled;
}

function wasmDevice(threads: number): CpuDevice {
  const module = compile();
  return {
    name: 'wasm',
    device: describe(threads),
    threads,
    async openModel(config, shape, ratings) {
      const memory = layOut(module, config, shape, ratings, threads);
      const crew = await openCrew(
        module,
        memory.memory,
        Array.from({ length: threads }, (_, thread) => memory.stacks + (thread + 1) * STACK_BYTES),
      );
      return openWasmModel(memory, crew, config, shape.movies);
    },
  };
}

/** heap: what the linker left | call | stacks, one a thread | scratch | model | ratings. */
function layOut(
  module: WebAssembly.Module,
  config: Float64Array,
  shape: ModelShape,
  ratings: number,
  threads: number,
): WasmMemory {
  const base = measure(module, config);
  const call = align(base.heap);
  const stacks = call + CALL_BYTES;
  const scratch = align(stacks + threads * STACK_BYTES);
  const model = align(scratch + scratchBytes(shape));
  const ratingsAt = align(model + base.modelBytes);
  const bytes = ratingsAt + ratings * RATING_BYTES;
  assert(
    bytes <= MAX_BYTES,
    `a model of this size needs ${(bytes / 2 ** 30).toFixed(1)} GiB; WebAssembly has 4 GiB; the engine native has no such limit`,
  );
  const pages = Math.ceil(bytes / PAGE_BYTES);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  const kernels = instantiate(module, memory);
  return { memory, kernels, call, stacks, scratch, model, ratings: ratingsAt };
}

/** How much memory the model takes, asked in a memory of its own. */
function measure(module: WebAssembly.Module, config: Float64Array): { heap: number; modelBytes: number } {
  const memory = new WebAssembly.Memory({ initial: 4, maximum: 4, shared: true });
  const kernels = instantiate(module, memory);
  const at = align(kernels.__heap_base.value);
  new Float64Array(memory.buffer, at, config.length).set(config);
  return { heap: kernels.__heap_base.value, modelBytes: kernels.model_bytes(at) };
}

function instantiate(module: WebAssembly.Module, memory: WebAssembly.Memory): Kernels {
  return new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Kernels;
}

function align(address: number): number {
  return Math.ceil(address / 64) * 64;
}
