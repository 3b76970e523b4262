// The engines there are, and the choice of one: by name, or the fastest that is there and has the model.
// The only importer of implementations. Refuses to replace an engine that was asked for by name with another.

import { AppError } from '../errors.js';
import type { Engine, EngineDoor, EngineProbe, EngineSettings, ModelShape } from './engine.js';
import { nativeDoor } from './native.js';
import { remembered } from './remembered.js';
import { tfjsCpuDoor, tfjsWasmDoor } from './tfjs.js';
import { tfjsNodeDoor, tfjsNodeGpuDoor } from './tfjsNode.js';
import { tfjsWebgpuDoor } from './tfjsWebgpu.js';
import { wasmDoor } from './wasm.js';
import { webgpuDoor } from './webgpu.js';

// Not engines to choose: what benches verify an engine against and compare it with, and models for a browser.
export { type Hardware, measureHardware } from './native.js';
export { referenceDoor } from './reference.js';
export { exportLayers, tfjsWasmStockDoor } from './tfjs.js';
export { type GpuHardware, measureGpu } from './webgpu/measure.js';
export { nullGpuDoor } from './webgpu.js';

/** Fastest first: the order in which `auto` tries them. */
export const ENGINE_DOORS: readonly EngineDoor[] = [
  remembered(webgpuDoor),
  nativeDoor,
  wasmDoor,
  tfjsNodeGpuDoor,
  remembered(tfjsWebgpuDoor),
  tfjsNodeDoor,
  tfjsWasmDoor,
  tfjsCpuDoor,
];

/** Takes the fastest engine that is there and has the model; never one on a driver that only plays a GPU. */
export const AUTO_ENGINE = 'auto';
const SOFTWARE_ONLY = 'finds only a software driver here, which must be asked for by name';

/** What of a model decides whether an engine has it; kind: how it is to be trained, absent: not at all, or by gradient steps. */
type Sizes = Pick<ModelShape, 'hiddenLayers' | 'embeddingWidth'> & { kind?: 'gradient' | 'bayes' };

export interface EngineNeeds extends EngineSettings {
  /** Of the model that it is for; absent: any. */
  shape?: Sizes;
}

/** Every engine with its device, or the reason why it cannot run here; fastest first. */
export async function listEngines(settings: EngineSettings, doors = ENGINE_DOORS): Promise<EngineProbe[]> {
  const probes: EngineProbe[] = [];
  // One after another: backends share a process-wide variable.
  for (const door of doors) probes.push(await door.probe(settings));
  return probes;
}

/**
 * Opens an engine by name, or for "auto" the fastest there is that has the model.
 * @throws ENGINE_UNKNOWN, ENGINE_UNSUPPORTED, ENGINE_UNAVAILABLE.
 */
export async function openEngine(name: string, needs: EngineNeeds, doors = ENGINE_DOORS): Promise<Engine> {
  return (await chooseDoor(name, needs, doors)).door.open({ threads: needs.threads });
}

/**
 * The name of the engine that `openEngine` would open.
 * @throws ENGINE_UNKNOWN, ENGINE_UNSUPPORTED, ENGINE_UNAVAILABLE.
 */
export async function resolveEngineName(
  name: string,
  needs: EngineNeeds,
  doors = ENGINE_DOORS,
): Promise<string> {
  return (await chooseDoor(name, needs, doors)).door.name;
}

/** Whether the first of these engines that can run here computes on a GPU; none of them may. */
export async function needsGpu(
  names: readonly string[],
  needs: EngineNeeds,
  doors = ENGINE_DOORS,
): Promise<boolean> {
  for (const name of names) {
    try {
      const { door, probe } = await chooseDoor(name, needs, doors);
      return door.usesGpu === true && !probe.isSoftware;
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
    }
  }
  return false;
}

/**
 * Asserts, without trying it, that there is an engine of this name, or any for "auto", and that it has such models.
 * @throws ENGINE_UNKNOWN, ENGINE_UNSUPPORTED.
 */
export function checkEngine(name: string, shape: Sizes | undefined, doors = ENGINE_DOORS): void {
  const asked = doors.filter((door) => name === AUTO_ENGINE || name === door.name);
  if (asked.length === 0) {
    const names = [AUTO_ENGINE, ...doors.map((door) => door.name)].join(', ');
    throw new AppError('ENGINE_UNKNOWN', `there is no engine "${name}"; the engines are ${names}`, {
      argumentPath: ['engine'],
    });
  }
  const refusals = asked.map((door) => refusalOf(door, shape));
  if (refusals.includes(null)) return;
  const others = doors.filter((door) => refusalOf(door, shape) === null).map((door) => door.name);
  throw new AppError('ENGINE_UNSUPPORTED', `${refusals.join('; ')}; ${whoHas(others)}`, {
    argumentPath: ['engine'],
  });
}

function whoHas(names: readonly string[]): string {
  if (names.length === 0) return 'no engine has';
  return `${names.join(', ')} ${names.length === 1 ? 'has' : 'have'}`;
}

async function chooseDoor(
  name: string,
  { shape, ...settings }: EngineNeeds,
  doors: readonly EngineDoor[],
): Promise<{ door: EngineDoor; probe: EngineProbe & { available: true } }> {
  checkEngine(name, shape, doors);
  const reasons: string[] = [];
  for (const door of doors) {
    if (name !== AUTO_ENGINE && name !== door.name) continue;
    const refusal = refusalOf(door, shape);
    const probe = refusal === null ? await door.probe(settings) : null;
    const isLeftOut = probe?.available && name === AUTO_ENGINE && probe.isSoftware;
    if (probe?.available && !isLeftOut) return { door, probe };
    reasons.push(
      refusal ?? `engine ${door.name} ${isLeftOut ? SOFTWARE_ONLY : `cannot run here: ${probe!.reason}`}`,
    );
  }
  throw new AppError('ENGINE_UNAVAILABLE', reasons.join('; '));
}

/** As a sentence; a door's own words go on after "has": "no models with 3 hidden layers". */
function refusalOf(door: EngineDoor, shape: Sizes | undefined): string | null {
  if (!shape) return null;
  const lacksSweeps = shape.kind === 'bayes' && !door.hasSweeps;
  const refusal = lacksSweeps ? 'no models of the kind bayes' : door.refusalOf(shape);
  return refusal && `engine ${door.name} has ${refusal}`;
}
