// Choosing an engine: by name, by "auto", and why one cannot be had.

import type { Engine, EngineDoor } from '#src/engines/engine.js';
import { ENGINE_DOORS, listEngines, openEngine, resolveEngineName } from '#src/engines/open.js';
import { nodeDoor, TFJS_NODE, TFJS_NODE_GPU } from '#src/engines/tfjsNode.js';

function aDoor(name: string, reason: string | null): EngineDoor {
  return {
    name,
    probe: async () =>
      reason === null
        ? { name, available: true, device: 'test', reason }
        : { name, available: false, device: null, reason },
    open: async () => ({ name, device: 'test' }) as Engine,
  };
}

/** What import() of an installed tfjs-node gives, as far as the door looks at it. */
function aNodePackage(backend: { isGPUPackage: boolean; isUsingGpuDevice: boolean }) {
  return async () => ({ getBackend: () => 'tensorflow', backend: () => backend });
}

async function missingPackage(name: string): Promise<never> {
  const error = new Error(`Cannot find package '${name}' imported from /app/dist/engines/tfjsNode.js`);
  throw Object.assign(error, { code: 'ERR_MODULE_NOT_FOUND' });
}

test('auto opens the fastest engine that can run', async () => {
  const doors = [aDoor('fast', 'no such device'), aDoor('middle', null), aDoor('slow', null)];
  expect((await openEngine('auto', doors)).name).toBe('middle');
  expect(await resolveEngineName('auto', doors)).toBe('middle');
});

test('an engine asked for by name is opened although a faster one is there', async () => {
  expect((await openEngine('slow', [aDoor('fast', null), aDoor('slow', null)])).name).toBe('slow');
});

test('an engine asked for by name that cannot run is an error with the reason, not another engine', async () => {
  const doors = [aDoor('fast', 'no such device'), aDoor('slow', null)];
  await expect(openEngine('fast', doors)).rejects.toMatchObject({
    code: 'ENGINE_UNAVAILABLE',
    message: 'engine fast cannot run here: no such device',
  });
});

test('auto gives every reason when no engine can run', async () => {
  await expect(openEngine('auto', [aDoor('fast', 'a'), aDoor('slow', 'b')])).rejects.toMatchObject({
    code: 'ENGINE_UNAVAILABLE',
    message: 'engine fast cannot run here: a; engine slow cannot run here: b',
  });
});

test('an unknown name is an error that lists the names', async () => {
  await expect(openEngine('tensorflow')).rejects.toMatchObject({
    code: 'ENGINE_UNKNOWN',
    message:
      'there is no engine "tensorflow"; the engines are auto, tfjs:node-gpu, tfjs:node, tfjs:wasm, tfjs:cpu',
  });
});

test('the reference engine is not offered', () => {
  expect(ENGINE_DOORS.map((door) => door.name)).not.toContain('reference');
});

test('the list gives each engine a device or a reason, fastest first', async () => {
  const probes = await listEngines();
  expect(probes.map((probe) => probe.name)).toEqual(['tfjs:node-gpu', 'tfjs:node', 'tfjs:wasm', 'tfjs:cpu']);
  expect(probes[2]).toEqual({
    name: 'tfjs:wasm',
    available: true,
    device: 'CPU, 1 thread, WebAssembly SIMD',
    reason: null,
  });
  expect(probes[3]).toMatchObject({ available: true, device: 'CPU, 1 thread, JavaScript' });
  expect(probes.every((probe) => probe.available !== (probe.reason !== null))).toBe(true);
});

test('opening the WebAssembly engine leaves no listeners for uncaught errors behind', async () => {
  await openEngine('tfjs:wasm');
  expect(process.listeners('uncaughtException').join()).not.toContain('ExitStatus');
  expect(process.listeners('unhandledRejection').join()).not.toContain('throw reason');
});

test('without its package, tfjs:node-gpu says what to install and what that needs', async () => {
  const door = nodeDoor(TFJS_NODE_GPU, { importPackage: missingPackage, nodeVersion: '20.20.2' });
  expect(await door.probe()).toEqual({
    name: 'tfjs:node-gpu',
    available: false,
    device: null,
    reason:
      'package @tensorflow/tfjs-node-gpu is not installed: npm i @tensorflow/tfjs-node-gpu@4.22.0 ' +
      '(downloads libtensorflow 2.9.1; needs CUDA 11.2 and Node ≤ 22)',
  });
});

test('on Node 23 and later tfjs:node says that its package breaks there', async () => {
  const door = nodeDoor(TFJS_NODE, { importPackage: missingPackage, nodeVersion: '24.1.0' });
  expect((await door.probe()).reason).toBe(
    '@tensorflow/tfjs-node 4.22.0 breaks on Node 23 and later; this is Node 24.1.0',
  );
});

test('a package that is there but does not load gives the first line of its error', async () => {
  const importPackage = async () => {
    throw new Error('libcudart.so.11.0: cannot open shared object file\n    at require (node:internal)');
  };
  const door = nodeDoor(TFJS_NODE, { importPackage, nodeVersion: '20.20.2' });
  expect((await door.probe()).reason).toBe('libcudart.so.11.0: cannot open shared object file');
});

test('tfjs:node-gpu is refused when libtensorflow found no GPU', async () => {
  const importPackage = aNodePackage({ isGPUPackage: true, isUsingGpuDevice: false });
  const door = nodeDoor(TFJS_NODE_GPU, { importPackage, nodeVersion: '20.20.2' });
  expect((await door.probe()).reason).toContain('found no GPU');
});

test('tfjs:node is available with its package', async () => {
  const importPackage = aNodePackage({ isGPUPackage: false, isUsingGpuDevice: false });
  const door = nodeDoor(TFJS_NODE, { importPackage, nodeVersion: '20.20.2' });
  expect(await door.probe()).toMatchObject({ available: true, device: 'CPU, libtensorflow 2.9.1' });
});
