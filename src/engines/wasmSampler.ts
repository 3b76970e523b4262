// A sampler in the memory of WebAssembly: what engines/cpuSampler.ts asks, as calls on addresses.

import type { CpuSampler, SamplerArray } from './cpuSampler.js';
import { align, CALL_BYTES, instantiate, makeMemory, STACK_BYTES, stackTops } from './wasmMemory.js';
import { PAIRS_AT_ONCE } from './wasmScratch.js';
import { type Crew, openCrew } from './wasmThreads.js';

/** The exports that the opening thread calls itself. */
interface SamplerKernels {
  __heap_base: WebAssembly.Global;
  sampler_bytes(config: number): number;
  sampler_open(sampler: number, config: number): void;
  sampler_place(sampler: number, place: number): number;
  sampler_ready(sampler: number, starts: number, others: number, targets: number): void;
}

/** Memory: what the linker left | call | stacks, one a thread | pairs | sampler | ratings by user. */
export async function openWasmSampler(
  module: WebAssembly.Module,
  threads: number,
  config: Float64Array,
): Promise<CpuSampler> {
  const { heap, samplerBytes } = measure(module, config);
  const call = align(heap);
  const stacks = call + CALL_BYTES;
  const pairs = align(stacks + threads * STACK_BYTES);
  const sampler = align(pairs + 3 * 4 * PAIRS_AT_ONCE);
  const starts = align(sampler + samplerBytes);
  const [users, , , ratings] = config;
  const others = align(starts + 4 * (users + 1));
  const targets = align(others + 4 * ratings);
  const memory = makeMemory(targets + 4 * ratings);
  const kernels = instantiate<SamplerKernels>(module, memory);
  const crew = await openCrew(module, memory, stackTops(stacks, threads));
  const { buffer } = memory;
  new Float64Array(buffer, call, config.length).set(config);
  kernels.sampler_open(sampler, call);
  const viewOf = (place: number, like: SamplerArray) => {
    const View = like.constructor as Float32ArrayConstructor;
    return new View(buffer as unknown as ArrayBuffer, kernels.sampler_place(sampler, place), like.length);
  };
  return {
    write: (place, values) => viewOf(place, values).set(values),
    read: (place, values) => values.set(viewOf(place, values)),
    ready(byUser) {
      new Int32Array(buffer, starts, users + 1).set(byUser.starts);
      new Int32Array(buffer, others, ratings).set(byUser.others);
      new Float32Array(buffer, targets, ratings).set(byUser.targets);
      kernels.sampler_ready(sampler, starts, others, targets);
    },
    async sweep(number) {
      await crew.call('sampler_sweep', sampler, number, call);
      const [squaredErrorSum, noise, rowSeconds] = new Float64Array(buffer, call, 3);
      return { squaredErrorSum, noise, rowSeconds };
    },
    predict: (users, movies) => predict({ buffer, sampler, pairs }, crew, users, movies),
    close: () => crew.close(),
  };
}

/** How much memory the sampler takes, asked in a memory of its own. */
function measure(module: WebAssembly.Module, config: Float64Array) {
  const memory = makeMemory(4 * STACK_BYTES);
  const kernels = instantiate<SamplerKernels>(module, memory);
  const at = align(kernels.__heap_base.value);
  new Float64Array(memory.buffer, at, config.length).set(config);
  return { heap: kernels.__heap_base.value, samplerBytes: kernels.sampler_bytes(at) };
}

async function predict(
  { buffer, sampler, pairs }: { buffer: ArrayBufferLike; sampler: number; pairs: number },
  crew: Crew,
  userIndices: Int32Array,
  movieIndices: Int32Array,
): Promise<Float32Array> {
  const outputs = new Float32Array(userIndices.length);
  const [users, movies, results] = [0, 1, 2].map((array) => pairs + array * 4 * PAIRS_AT_ONCE);
  for (let first = 0; first < outputs.length; first += PAIRS_AT_ONCE) {
    const count = Math.min(PAIRS_AT_ONCE, outputs.length - first);
    new Int32Array(buffer, users, count).set(userIndices.subarray(first, first + count));
    new Int32Array(buffer, movies, count).set(movieIndices.subarray(first, first + count));
    await crew.call('sampler_predict', sampler, users, movies, results, count);
    outputs.set(new Float32Array(buffer, results, count), first);
  }
  return outputs;
}
