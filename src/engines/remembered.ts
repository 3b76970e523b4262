// A door to a GPU that is tried once where there is none: asking a driver takes up to half a second, and Vulkan's loader complains on
// stderr each time that it finds no driver. Apart from the doors, which find out anew, for whoever wants that.

import { getEnvironmentData, setEnvironmentData } from 'node:worker_threads';
import type { EngineDoor, EngineProbe } from './engine.js';

/**
 * No GPU, or one that software plays, is found once in a process: by threads that start later, too. So a driver that is installed
 * meanwhile is seen by the next process. A real GPU is asked for each time, since it can go away.
 */
export function remembered(door: EngineDoor): EngineDoor {
  const key = `marquee: probe of ${door.name}`;
  return {
    ...door,
    async probe(settings) {
      const known = getEnvironmentData(key) as EngineProbe | undefined;
      if (known) return known;
      const probe = await door.probe(settings);
      if (!probe.available || probe.isSoftware) setEnvironmentData(key, probe);
      return probe;
    },
  };
}
