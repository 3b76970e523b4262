// The engines tfjs:cpu and tfjs:wasm: TensorFlow.js in plain JavaScript, and on its WebAssembly kernels.
// The packages are loaded when a door is tried, never on import. Threads of the wasm backend do not work in Node (tfjs#3830).

import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Engine, EngineDoor, EngineProbe, ModelShape, Parameters } from './engine.js';
import { onBackend, type Tfjs } from './tfjsBackend.js';
import { type LayersFiles, type StarScale, toLayersModel } from './tfjsExport.js';
import { registerKernels } from './tfjsKernels.js';
import { openTfjsScorer } from './tfjsScorer.js';
import { openTfjsTrainer } from './tfjsTrainer.js';

export const tfjsCpuDoor = tfjsCpuDoorFor();
export const tfjsWasmDoor = tfjsDoor('tfjs:wasm', () => loadWasm(true));
/** TensorFlow.js as published, for benches to compare with; in a thread of its own, since kernels cannot be taken back. */
export const tfjsWasmStockDoor = tfjsDoor('tfjs:wasm-stock', () => loadWasm(false));

/** `maxActivations`: for tests. */
export function tfjsCpuDoorFor(maxActivations?: number): EngineDoor {
  return tfjsDoor('tfjs:cpu', async () => ({ ...(await loadCpu()), maxActivations }));
}

/** A model for tf.loadLayersModel, built on the plain backend. */
export async function exportLayers(
  shape: ModelShape,
  parameters: Parameters,
  scale: StarScale,
): Promise<LayersFiles> {
  return toLayersModel(await loadCpu(), shape, parameters, scale);
}

export interface LoadedTfjs extends Tfjs {
  device: string;
  threads: number;
}

/** A door to what `load` gives; its error is the reason why the engine cannot run. `load` is called again for each try. */
export function tfjsDoor(name: string, load: () => Promise<LoadedTfjs>): EngineDoor {
  return {
    name,
    probe: () =>
      load().then(
        ({ device }): EngineProbe => ({ name, available: true, device, reason: null }),
        (error): EngineProbe => ({ name, available: false, device: null, reason: firstLine(error) }),
      ),
    open: async () => tfjsEngine(name, await load()),
    refusalOf: () => null,
  };
}

function tfjsEngine(name: string, { device, threads, ...tfjs }: LoadedTfjs): Engine {
  return {
    name,
    device,
    threads,
    openTrainer: (options) => openTfjsTrainer(tfjs, options),
    openScorer: (shape, parameters) => openTfjsScorer(tfjs, shape, parameters),
  };
}

async function loadCpu(): Promise<LoadedTfjs> {
  const libraries = await loadLibraries();
  await import('@tensorflow/tfjs-backend-cpu');
  registerKernels(libraries.core, 'cpu');
  return startBackend({ ...libraries, backend: 'cpu' }, async () => 'CPU, 1 thread, JavaScript');
}

async function loadWasm(tuned: boolean): Promise<LoadedTfjs> {
  const libraries = await loadLibraries();
  const { setWasmPaths } = await import('@tensorflow/tfjs-backend-wasm');
  const entry = createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm');
  setWasmPaths(join(dirname(entry), '/'));
  registerKernels(libraries.core, 'wasm', { tuned });
  return startBackend({ ...libraries, backend: 'wasm' }, async () => {
    const hasSimd = await libraries.core.env().getAsync('WASM_HAS_SIMD_SUPPORT');
    return `CPU, 1 thread, WebAssembly${hasSimd ? ' SIMD' : ''}`;
  });
}

export async function loadLibraries(): Promise<Pick<Tfjs, 'core' | 'layers'>> {
  const core = await import('@tensorflow/tfjs-core');
  // Silences the library's advice on stderr; it has no other effect in 4.22.0.
  core.env().set('PROD', true);
  return { core, layers: await import('@tensorflow/tfjs-layers') };
}

async function startBackend(tfjs: Tfjs, describe: () => Promise<string>): Promise<LoadedTfjs> {
  const device = await onBackend(tfjs, describe);
  removeEmscriptenListeners();
  return { ...tfjs, device, threads: 1 };
}

/**
 * The wasm backend listens for uncaught errors of the whole process only to throw them again, which turns exit code 1
 * into 7. Condition for removal: an Emscripten build without NODEJS_CATCH_EXIT (tfjs 4.22.0 has it).
 */
function removeEmscriptenListeners(): void {
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    for (const listener of process.listeners(event as 'uncaughtException')) {
      if (/ExitStatus|\{\s*throw reason;?\s*\}/.test(String(listener)))
        process.removeListener(event, listener);
    }
  }
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n', 1)[0].trim();
}
