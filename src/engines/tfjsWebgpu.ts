// The engine tfjs:webgpu: TensorFlow.js on its WebGPU backend, on the same Dawn as our engine `webgpu`. The backend is written for
// browsers: it looks for navigator.gpu and the language's globals, which Node lacks, and gets Dawn's.

import type { EngineDoor } from './engine.js';
import { type LoadedTfjs, loadLibraries, tfjsDoor } from './tfjs.js';
import { onBackend } from './tfjsBackend.js';
import { findAdapter } from './webgpu/dawn.js';

const PACKAGE = '@tensorflow/tfjs-backend-webgpu';
const VERSION = '4.22.0';

export const tfjsWebgpuDoor: EngineDoor = {
  ...tfjsDoor('tfjs:webgpu', loadWebgpu),
  usesGpu: true,
  probe: async () => {
    const name = 'tfjs:webgpu';
    try {
      const { device } = await loadWebgpu();
      const { isSoftware } = await findAdapter();
      return { name, available: true, device, reason: null, isSoftware };
    } catch (error) {
      return { name, available: false, device: null, reason: (error as Error).message.split('\n', 1)[0] };
    }
  },
};

async function loadWebgpu(): Promise<LoadedTfjs> {
  const { dawn, gpu, device } = await findAdapter();
  Object.assign(globalThis, dawn.globals);
  // Node 21 and later has a navigator, without a GPU.
  Object.defineProperty(globalThis, 'navigator', { value: { gpu, userAgent: 'Node' }, configurable: true });
  const libraries = await loadLibraries();
  await importBackend();
  const tfjs = { ...libraries, backend: 'webgpu' };
  await onBackend(tfjs, () => libraries.core.ready());
  return { ...tfjs, device, threads: 1 };
}

async function importBackend(): Promise<void> {
  try {
    await import(PACKAGE);
  } catch (error) {
    if (!/Cannot find (module|package)/.test((error as Error).message)) throw error;
    throw new Error(`package ${PACKAGE} is not installed: npm i ${PACKAGE}@${VERSION}`, { cause: error });
  }
}
