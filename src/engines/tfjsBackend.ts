// TensorFlow.js as one loaded namespace with a backend, and the turn that its users take on it.
// The current backend is a variable of the whole process, whatever copy of the library set it: hence one queue for all.

import type * as Core from '@tensorflow/tfjs-core';
import type * as Layers from '@tensorflow/tfjs-layers';

export interface Tfjs {
  core: typeof Core;
  layers: typeof Layers;
  /** A registered backend: "cpu", "wasm", "tensorflow". */
  backend: string;
  /** For tests: numbers in the widest layer of one pass; the default of rowsAtOnce if absent. */
  maxActivations?: number;
}

let lastTurn: Promise<void> = Promise.resolve();

/** Runs `work` with the backend of `tfjs` current, after all work asked for earlier, of any backend. Must not be nested. */
export function onBackend<T>(tfjs: Pick<Tfjs, 'core' | 'backend'>, work: () => T | Promise<T>): Promise<T> {
  const turn = lastTurn.then(async () => {
    const { core, backend } = tfjs;
    if (core.getBackend() !== backend && !(await core.setBackend(backend))) {
      throw new Error(`TensorFlow.js could not start its backend "${backend}"`);
    }
    return work();
  });
  lastTurn = turn.then(
    () => undefined,
    () => undefined,
  );
  return turn;
}
