// The engines tfjs:node and tfjs:node-gpu: the same model on libtensorflow, through packages that the user may install.
// They are optional peers: their install script downloads libtensorflow 2.9.1, and they work on Node ≤ 22 only.
// What of them has been run is in docs/engines.md: only the doors, with a stand-in.

import { availableParallelism } from 'node:os';
import type { EngineDoor } from './engine.js';
import { tfjsDoor } from './tfjs.js';
import { onBackend, type Tfjs } from './tfjsBackend.js';

const VERSION = '4.22.0';
/** dist/nodejs_kernel_backend.js calls util.isNullOrUndefined, which Node 23 removed. */
const FIRST_BROKEN_NODE = 23;

interface NodePackage {
  engineName: string;
  packageName: string;
  /** What it needs besides itself. */
  needs: string;
  gpu: boolean;
}

/** For tests: how to load a package, and the version of Node. */
interface Surroundings {
  importPackage: (name: string) => Promise<unknown>;
  nodeVersion: string;
}

/** Of the object that runs the backend "tensorflow"; tfjs-node/src/nodejs_kernel_backend.ts. */
interface NodeBackend {
  isGPUPackage: boolean;
  isUsingGpuDevice: boolean;
}

export const TFJS_NODE: NodePackage = {
  engineName: 'tfjs:node',
  packageName: '@tensorflow/tfjs-node',
  needs: 'downloads libtensorflow 2.9.1; needs Node ≤ 22',
  gpu: false,
};

export const TFJS_NODE_GPU: NodePackage = {
  engineName: 'tfjs:node-gpu',
  packageName: '@tensorflow/tfjs-node-gpu',
  needs: 'downloads libtensorflow 2.9.1; needs CUDA 11.2 and Node ≤ 22',
  gpu: true,
};

export const tfjsNodeDoor = nodeDoor(TFJS_NODE);
export const tfjsNodeGpuDoor = nodeDoor(TFJS_NODE_GPU);

export function nodeDoor(wanted: NodePackage, surroundings: Partial<Surroundings> = {}): EngineDoor {
  const { importPackage = (name) => import(name), nodeVersion = process.versions.node } = surroundings;
  const door = tfjsDoor(wanted.engineName, async () => {
    const tfjs = await loadPackage(wanted, { importPackage, nodeVersion });
    const device = await onBackend(tfjs, () => describeDevice(wanted, tfjs));
    // libtensorflow takes all there are; tfjs-node has no setting for it.
    return { ...tfjs, device, threads: availableParallelism() };
  });
  return { ...door, usesGpu: wanted.gpu };
}

async function loadPackage(
  { packageName, needs }: NodePackage,
  { importPackage, nodeVersion }: Surroundings,
): Promise<Tfjs> {
  if (Number.parseInt(nodeVersion, 10) >= FIRST_BROKEN_NODE) {
    throw new Error(
      `${packageName} ${VERSION} breaks on Node ${FIRST_BROKEN_NODE} and later; this is Node ${nodeVersion}`,
    );
  }
  try {
    // One namespace holds both libraries, perhaps its own copies of them.
    const namespace = await importPackage(packageName);
    return { core: namespace as Tfjs['core'], layers: namespace as Tfjs['layers'], backend: 'tensorflow' };
  } catch (error) {
    if (!isMissing(error, packageName)) throw error;
    throw new Error(`package ${packageName} is not installed: npm i ${packageName}@${VERSION} (${needs})`, {
      cause: error,
    });
  }
}

function isMissing(error: unknown, packageName: string): boolean {
  const { code, message } = error as NodeJS.ErrnoException;
  const isNotFound = code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND';
  return isNotFound && new RegExp(`['"]${packageName}['"]`).test(message);
}

/** @throws when the device is not that of the engine's name: libtensorflow goes on without a word if it finds no GPU. */
function describeDevice({ packageName, gpu }: NodePackage, { core }: Tfjs): string {
  const { isGPUPackage, isUsingGpuDevice } = core.backend() as unknown as NodeBackend;
  if (isGPUPackage !== gpu) {
    throw new Error(
      `the other package than ${packageName} was loaded first; one process can use only one of them`,
    );
  }
  if (gpu && !isUsingGpuDevice) {
    throw new Error(`${packageName} found no GPU: it needs an NVIDIA driver, CUDA 11.2 and cuDNN 8`);
  }
  return gpu ? 'NVIDIA GPU, libtensorflow 2.9.1' : 'CPU, libtensorflow 2.9.1';
}
