// The threads of one WebAssembly model: each has an instance of the module and a stack of its own in the shared memory.
// When one of them fails, the others may wait for it for ever: then all are ended, and every further call is an error.

import { Worker } from 'node:worker_threads';
import type { ThreadCall, ThreadReply, ThreadStart } from './wasmThread.js';

export interface Crew {
  /** Calls the function in every thread, with the address of the model, the thread's number and these arguments. */
  call(name: string, model: number, ...rest: number[]): Promise<void>;
  close(): Promise<void>;
}

/** stackTops: one address for each thread. */
export async function openCrew(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
  stackTops: readonly number[],
): Promise<Crew> {
  const crew = new Threads(
    stackTops.map((stackTop, thread) => {
      const workerData: ThreadStart = { module, memory, stackTop, thread };
      return new Worker(new URL('./wasmThread.js', import.meta.url), { workerData });
    }),
  );
  await crew.start();
  return crew;
}

class Threads implements Crew {
  readonly #threads: readonly Worker[];
  #failure: Error | null = null;
  /** Of the call that runs. */
  #missing = 0;
  #settle: ((error: Error | null) => void) | null = null;

  constructor(threads: readonly Worker[]) {
    this.#threads = threads;
    for (const thread of threads) {
      thread.on('message', ({ error }: ThreadReply) => {
        if (error !== null) this.#fail(new Error(error));
        else if (--this.#missing === 0) this.#settle?.(null);
      });
      // Listened to at all times: without a listener an error would end the process.
      thread.on('error', (error) => this.#fail(error));
      thread.on('exit', () => this.#fail(new Error('a thread of the engine wasm ended')));
    }
  }

  /** Each thread says once that it is ready. */
  start(): Promise<void> {
    return this.#replies(() => {});
  }

  call(name: string, model: number, ...rest: number[]): Promise<void> {
    return this.#replies((thread) => thread.postMessage({ name, model, rest } satisfies ThreadCall));
  }

  async close(): Promise<void> {
    await Promise.all(this.#threads.map((thread) => thread.terminate()));
  }

  async #replies(ask: (thread: Worker) => void): Promise<void> {
    if (this.#failure) throw this.#failure;
    const replies = new Promise<void>((resolve, reject) => {
      this.#missing = this.#threads.length;
      this.#settle = (error) => (error ? reject(error) : resolve());
    });
    for (const thread of this.#threads) {
      // Waiting threads do not keep the process alive; a call does.
      thread.ref();
      ask(thread);
    }
    try {
      await replies;
    } finally {
      this.#settle = null;
      for (const thread of this.#threads) thread.unref();
    }
  }

  #fail(error: Error): void {
    if (this.#failure) return;
    this.#failure = error;
    this.#settle?.(error);
    for (const thread of this.#threads) void thread.terminate();
  }
}
