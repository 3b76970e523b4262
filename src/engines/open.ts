// The engines there are, and the choice of one. The only importer of implementations.
// Refuses to replace an engine that was asked for by name with another.

import { AppError } from '../errors.js';
import type { Engine, EngineDoor, EngineProbe } from './engine.js';
import { tfjsCpuDoor, tfjsWasmDoor } from './tfjs.js';
import { tfjsNodeDoor, tfjsNodeGpuDoor } from './tfjsNode.js';

/** Fastest first: the order in which `auto` tries them. */
export const ENGINE_DOORS: readonly EngineDoor[] = [tfjsNodeGpuDoor, tfjsNodeDoor, tfjsWasmDoor, tfjsCpuDoor];

/** Takes the fastest engine that is there. */
export const AUTO_ENGINE = 'auto';

/** Every engine with its device, or the reason why it cannot run here; fastest first. */
export async function listEngines(doors = ENGINE_DOORS): Promise<EngineProbe[]> {
  const probes: EngineProbe[] = [];
  // One after another: backends share a process-wide variable.
  for (const door of doors) probes.push(await door.probe());
  return probes;
}

/**
 * Opens an engine by name, or the fastest there is for "auto".
 * @throws ENGINE_UNKNOWN, ENGINE_UNAVAILABLE.
 */
export async function openEngine(name: string, doors = ENGINE_DOORS): Promise<Engine> {
  return (await chooseDoor(name, doors)).open();
}

/**
 * The name of the engine that `openEngine(name)` would open.
 * @throws ENGINE_UNKNOWN, ENGINE_UNAVAILABLE.
 */
export async function resolveEngineName(name: string, doors = ENGINE_DOORS): Promise<string> {
  return (await chooseDoor(name, doors)).name;
}

/** Asserts, without trying it, that there is an engine of this name, or that it is "auto". @throws ENGINE_UNKNOWN. */
export function checkEngineName(name: string, doors = ENGINE_DOORS): void {
  if (name === AUTO_ENGINE || doors.some((door) => door.name === name)) return;
  const names = [AUTO_ENGINE, ...doors.map((door) => door.name)].join(', ');
  throw new AppError('ENGINE_UNKNOWN', `there is no engine "${name}"; the engines are ${names}`, {
    argumentPath: ['engine'],
  });
}

async function chooseDoor(name: string, doors: readonly EngineDoor[]): Promise<EngineDoor> {
  checkEngineName(name, doors);
  const reasons: string[] = [];
  for (const door of doors) {
    if (name !== AUTO_ENGINE && name !== door.name) continue;
    const probe = await door.probe();
    if (probe.available) return door;
    reasons.push(`engine ${door.name} cannot run here: ${probe.reason}`);
  }
  throw new AppError('ENGINE_UNAVAILABLE', reasons.join('; '));
}
