// The engine `wasm`: the kernels of engines/cpu as WebAssembly SIMD, on threads of their own that share one memory.
// Needs nothing but Node. The memory of a model is made in the size it needs and goes when the model is closed.

import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { cpuEngine } from './cpuEngine.js';
import { type CpuDevice, configOf, describeCpu, refusalOfShape } from './cpuModel.js';
import { openCpuSampler, type SamplerDevice } from './cpuSampler.js';
import type { Engine, EngineDoor, ModelShape } from './engine.js';
import { align, CALL_BYTES, instantiate, makeMemory, STACK_BYTES, stackTops } from './wasmMemory.js';
import { type Kernels, openWasmModel, type WasmMemory } from './wasmModel.js';
import { openWasmSampler } from './wasmSampler.js';
import { scratchBytes } from './wasmScratch.js';
import { openCrew } from './wasmThreads.js';

/** Of one rating in the memory of the kernels. */
const RATING_BYTES = 12;
const INSTRUCTIONS = 'WebAssembly SIMD';

export const wasmDoor: EngineDoor = {
  name: 'wasm',
  refusalOf: refusalOfShape,
  async probe({ threads }) {
    try {
      compile();
      return { name: 'wasm', available: true, device: describeCpu(threads, INSTRUCTIONS), reason: null };
    } catch (error) {
      const reason = `this Node has no WebAssembly with SIMD and threads: ${(error as Error).message}`;
      return { name: 'wasm', available: false, device: null, reason };
    }
  },
  open: async ({ threads }) => wasmEngine(threads),
  hasSweeps: true,
};

let compiled: WebAssembly.Module | null = null;

// The second undoes the first. --no-liftoff turns dynamic tiering off, too, and --liftoff alone does not turn it on again.
const OPTIMIZED_AT_ONCE = ['--no-liftoff', '--no-wasm-lazy-compilation'];
const AS_USUAL = ['--liftoff', '--wasm-lazy-compilation', '--wasm-dynamic-tiering'];

/**
 * All of it by the optimizing compiler, before any thread runs: 0.2 s once in a thread that trains or serves, instead of
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

function wasmEngine(threads: number): Engine {
  const module = compile();
  const device: CpuDevice & SamplerDevice = {
    name: 'wasm',
    device: describeCpu(threads, INSTRUCTIONS),
    threads,
    async openModel(plan) {
      const { shape, ratings } = plan;
      const config = configOf(plan, threads);
      const memory = layOut(module, config, shape, ratings, threads);
      const crew = await openCrew(module, memory.memory, stackTops(memory.stacks, threads));
      return openWasmModel(memory, crew, config, shape.movies);
    },
    openSampler: (config) => openWasmSampler(module, threads, config),
  };
  return { ...cpuEngine(device), openSampler: (options) => openCpuSampler(device, options) };
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
  const memory = makeMemory(bytes);
  const kernels = instantiate<Kernels>(module, memory);
  return { memory, kernels, call, stacks, scratch, model, ratings: ratingsAt };
}

/** How much memory the model takes, asked in a memory of its own. */
function measure(module: WebAssembly.Module, config: Float64Array): { heap: number; modelBytes: number } {
  const memory = makeMemory(4 * STACK_BYTES);
  const kernels = instantiate<Kernels>(module, memory);
  const at = align(kernels.__heap_base.value);
  new Float64Array(memory.buffer, at, config.length).set(config);
  return { heap: kernels.__heap_base.value, modelBytes: kernels.model_bytes(at) };
}
