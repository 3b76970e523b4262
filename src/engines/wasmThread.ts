// One thread of a WebAssembly model: waits for a call, runs its part, says that it is done.

import { parentPort, workerData } from 'node:worker_threads';
import { instantiate } from './wasmMemory.js';

export interface ThreadStart {
  module: WebAssembly.Module;
  memory: WebAssembly.Memory;
  stackTop: number;
  thread: number;
}

export interface ThreadCall {
  name: string;
  model: number;
  rest: number[];
}

/** Also sent once at the start, when the thread is ready. */
export interface ThreadReply {
  error: string | null;
}

const { module, memory, stackTop, thread } = workerData as ThreadStart;
const port = parentPort!;

const kernels = instantiate<Record<string, unknown>>(module, memory);
(kernels.__stack_pointer as WebAssembly.Global).value = stackTop;

port.on('message', ({ name, model, rest }: ThreadCall) => {
  let error: string | null = null;
  try {
    (kernels[name] as (...numbers: number[]) => void)(model, thread, ...rest);
  } catch (thrown) {
    error = `the kernel ${name} failed: ${(thrown as Error).message}`;
  }
  port.postMessage({ error } satisfies ThreadReply);
});
port.postMessage({ error: null } satisfies ThreadReply);
