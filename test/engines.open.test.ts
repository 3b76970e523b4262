// Choosing an engine: by name, by "auto", and why one cannot be had.

import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Engine, EngineDoor, EngineProbe } from '#src/engines/engine.js';
import { checkEngine, ENGINE_DOORS, listEngines, openEngine, resolveEngineName } from '#src/engines/open.js';
import { remembered } from '#src/engines/remembered.js';
import { nodeDoor, TFJS_NODE, TFJS_NODE_GPU } from '#src/engines/tfjsNode.js';

const SETTINGS = { threads: 3 };
const SHALLOW = { embeddingWidth: 10, hiddenLayers: [1024] };
const DEEP = { embeddingWidth: 10, hiddenLayers: [1024, 400, 400] };

/** `reason`: why it cannot run here; `maxLayers`: it refuses more. Its device tells with which settings it was opened. */
function aDoor(name: string, { reason = null as string | null, maxLayers = 5 } = {}): EngineDoor {
  return {
    name,
    probe: async ({ threads }) =>
      reason === null
        ? { name, available: true, device: `${threads} threads`, reason }
        : { name, available: false, device: null, reason },
    open: async (settings) => ({ name, device: JSON.stringify(settings) }) as Engine,
    refusalOf: ({ hiddenLayers }) =>
      hiddenLayers.length > maxLayers ? `no models with ${hiddenLayers.length} hidden layers` : null,
  };
}

function refusalOf(work: () => unknown): unknown {
  try {
    work();
    return null;
  } catch (error) {
    return error;
  }
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
  const doors = [aDoor('fast', { reason: 'no such device' }), aDoor('middle'), aDoor('slow')];
  expect((await openEngine('auto', SETTINGS, doors)).name).toBe('middle');
  expect(await resolveEngineName('auto', SETTINGS, doors)).toBe('middle');
});

test('an engine asked for by name is opened although a faster one is there', async () => {
  expect((await openEngine('slow', SETTINGS, [aDoor('fast'), aDoor('slow')])).name).toBe('slow');
});

test('an engine asked for by name that cannot run is an error with the reason, not another engine', async () => {
  const doors = [aDoor('fast', { reason: 'no such device' }), aDoor('slow')];
  await expect(openEngine('fast', SETTINGS, doors)).rejects.toMatchObject({
    code: 'ENGINE_UNAVAILABLE',
    message: 'engine fast cannot run here: no such device',
  });
});

test('auto gives every reason when no engine can run', async () => {
  await expect(
    openEngine('auto', SETTINGS, [aDoor('fast', { reason: 'a' }), aDoor('slow', { reason: 'b' })]),
  ).rejects.toMatchObject({
    code: 'ENGINE_UNAVAILABLE',
    message: 'engine fast cannot run here: a; engine slow cannot run here: b',
  });
});

test('a door is probed and opened with the threads of the machine, and nothing else', async () => {
  const [probe] = await listEngines(SETTINGS, [aDoor('one')]);
  expect(probe.device).toBe('3 threads');
  const engine = await openEngine('auto', { ...SETTINGS, shape: SHALLOW }, [aDoor('one')]);
  expect(engine.device).toBe('{"threads":3}');
});

test('auto opens the fastest engine that has the model', async () => {
  const doors = [aDoor('native', { maxLayers: 1 }), aDoor('tfjs:wasm')];
  expect(await resolveEngineName('auto', { ...SETTINGS, shape: SHALLOW }, doors)).toBe('native');
  expect(await resolveEngineName('auto', { ...SETTINGS, shape: DEEP }, doors)).toBe('tfjs:wasm');
});

test('an engine asked for by name that has no such models is an error that names those that have', async () => {
  const doors = [aDoor('native', { maxLayers: 1 }), aDoor('tfjs:wasm')];
  await expect(openEngine('native', { ...SETTINGS, shape: DEEP }, doors)).rejects.toMatchObject({
    code: 'ENGINE_UNSUPPORTED',
    message: 'engine native has no models with 3 hidden layers; tfjs:wasm has',
    argumentPath: ['engine'],
  });
  expect(refusalOf(() => checkEngine('native', DEEP, [...doors, aDoor('tfjs:cpu')]))).toMatchObject({
    message: 'engine native has no models with 3 hidden layers; tfjs:wasm, tfjs:cpu have',
  });
});

test('auto is refused when no engine has such models', () => {
  const doors = [aDoor('a', { maxLayers: 1 }), aDoor('b', { maxLayers: 2 })];
  expect(refusalOf(() => checkEngine('auto', DEEP, doors))).toMatchObject({
    code: 'ENGINE_UNSUPPORTED',
    message:
      'engine a has no models with 3 hidden layers; engine b has no models with 3 hidden layers; no engine has',
  });
});

test('auto gives refusals beside reasons when no engine is left', async () => {
  const doors = [aDoor('native', { maxLayers: 1 }), aDoor('slow', { reason: 'no such device' })];
  await expect(openEngine('auto', { ...SETTINGS, shape: DEEP }, doors)).rejects.toMatchObject({
    code: 'ENGINE_UNAVAILABLE',
    message: 'engine native has no models with 3 hidden layers; engine slow cannot run here: no such device',
  });
});

test('a check needs no probe: whether an engine can run is only known where the run is trained', () => {
  expect(refusalOf(() => checkEngine('fast', SHALLOW, [aDoor('fast', { reason: 'no device' })]))).toBeNull();
  expect(refusalOf(() => checkEngine('abacus', SHALLOW))).toMatchObject({ code: 'ENGINE_UNKNOWN' });
});

test('an unknown name is an error that lists the names', async () => {
  await expect(openEngine('tensorflow', SETTINGS)).rejects.toMatchObject({
    code: 'ENGINE_UNKNOWN',
    message:
      'there is no engine "tensorflow"; the engines are auto, webgpu, native, wasm, tfjs:node-gpu, tfjs:webgpu, tfjs:node, tfjs:wasm, tfjs:cpu',
  });
});

test('the reference engine is not offered', () => {
  expect(ENGINE_DOORS.map((door) => door.name)).not.toContain('reference');
});

test('the list gives each engine a device or a reason, fastest first', async () => {
  const probes = await listEngines(SETTINGS);
  expect(probes.map((probe) => probe.name)).toEqual(ENGINE_DOORS.map((door) => door.name));
  const deviceOf = (name: string) => probes.find((probe) => probe.name === name)!.device;
  // Null where there is no compiler.
  expect(deviceOf('native') ?? 'none').toMatch(/^CPU, 3 threads, (AVX-512|AVX2|SSE2|NEON)$|^none$/);
  expect(deviceOf('wasm')).toBe('CPU, 3 threads, WebAssembly SIMD');
  expect(deviceOf('tfjs:wasm')).toBe('CPU, 1 thread, WebAssembly SIMD');
  expect(deviceOf('tfjs:cpu')).toBe('CPU, 1 thread, JavaScript');
  expect(probes.every((probe) => probe.available !== (probe.reason !== null))).toBe(true);
});

test('opening the WebAssembly engine leaves no listeners for uncaught errors behind', async () => {
  await openEngine('tfjs:wasm', SETTINGS);
  expect(process.listeners('uncaughtException').join()).not.toContain('ExitStatus');
  expect(process.listeners('unhandledRejection').join()).not.toContain('throw reason');
});

test('a GPU that is not here is looked for once by a process and its threads, one that is here each time', async () => {
  const probes: string[] = [];
  const aGpu = (name: string, probe: object) => {
    const look = async () => {
      probes.push(name);
      return { name, ...probe } as EngineProbe;
    };
    return remembered({ ...aDoor(name), probe: look });
  };
  const absent = aGpu('absent', { available: false, device: null, reason: 'no driver' });
  const played = aGpu('played', { available: true, device: 'llvmpipe', reason: null, isSoftware: true });
  const real = aGpu('real', { available: true, device: 'a GPU', reason: null });
  for (const door of [absent, played, real, absent, played, real]) await door.probe(SETTINGS);
  expect(probes).toEqual(['absent', 'played', 'real', 'real']);
  const thread = new Worker(
    `import('${import.meta.resolve('#src/engines/remembered.js')}').then(async ({ remembered }) =>
       require('node:worker_threads').parentPort.postMessage(await remembered({ name: 'absent' }).probe({})))`,
    { eval: true },
  );
  expect(await once(thread, 'message')).toEqual([await absent.probe(SETTINGS)]);
});

test('without its package, tfjs:node-gpu says what to install and what that needs', async () => {
  const door = nodeDoor(TFJS_NODE_GPU, { importPackage: missingPackage, nodeVersion: '20.20.2' });
  expect(await door.probe(SETTINGS)).toEqual({
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
  expect((await door.probe(SETTINGS)).reason).toBe(
    '@tensorflow/tfjs-node 4.22.0 breaks on Node 23 and later; this is Node 24.1.0',
  );
});

test('a package that is there but does not load gives the first line of its error', async () => {
  const importPackage = async () => {
    throw new Error('libcudart.so.11.0: cannot open shared object file\n    at require (node:internal)');
  };
  const door = nodeDoor(TFJS_NODE, { importPackage, nodeVersion: '20.20.2' });
  expect((await door.probe(SETTINGS)).reason).toBe('libcudart.so.11.0: cannot open shared object file');
});

test('tfjs:node-gpu is refused when libtensorflow found no GPU', async () => {
  const importPackage = aNodePackage({ isGPUPackage: true, isUsingGpuDevice: false });
  const door = nodeDoor(TFJS_NODE_GPU, { importPackage, nodeVersion: '20.20.2' });
  expect((await door.probe(SETTINGS)).reason).toContain('found no GPU');
});

test('tfjs:node is available with its package', async () => {
  const importPackage = aNodePackage({ isGPUPackage: false, isUsingGpuDevice: false });
  const door = nodeDoor(TFJS_NODE, { importPackage, nodeVersion: '20.20.2' });
  expect(await door.probe(SETTINGS)).toMatchObject({ available: true, device: 'CPU, libtensorflow 2.9.1' });
});
