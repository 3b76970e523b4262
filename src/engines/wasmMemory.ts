// The memory of one WebAssembly model or sampler: made in the size that it needs, shared by its threads, never grown.

import assert from 'node:assert/strict';

const PAGE_BYTES = 65_536;
const MAX_BYTES = 2 ** 32;
export const STACK_BYTES = 65_536;
/** For configurations, orders and results. */
export const CALL_BYTES = 1024;

export function makeMemory(bytes: number): WebAssembly.Memory {
  assert(
    bytes <= MAX_BYTES,
    `a model of this size needs ${(bytes / 2 ** 30).toFixed(1)} GiB; WebAssembly has 4 GiB; the engine native has no such limit`,
  );
  const pages = Math.ceil(bytes / PAGE_BYTES);
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
}

export function instantiate<Exports>(module: WebAssembly.Module, memory: WebAssembly.Memory): Exports {
  const seconds = () => performance.now() / 1000;
  return new WebAssembly.Instance(module, { env: { memory, seconds } }).exports as Exports;
}

export function align(address: number): number {
  return Math.ceil(address / 64) * 64;
}

/** The top of each thread's stack, where the stacks lie one after another. */
export function stackTops(stacks: number, threads: number): number[] {
  return Array.from({ length: threads }, (_, thread) => stacks + (thread + 1) * STACK_BYTES);
}
