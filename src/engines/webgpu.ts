// The engine `webgpu`: shaders of our own on any GPU that WebGPU reaches: NVIDIA, AMD, Intel, Apple; no toolkit of a vendor.
// It also runs on software drivers, which compute on the CPU, slowly: for tests, so it must be asked for by name there.

import { cpuEngine } from './cpuEngine.js';
import { refusalOfShape } from './cpuModel.js';
import type { Engine, EngineDoor } from './engine.js';
import { findAdapter, requestDevice, type Surroundings } from './webgpu/dawn.js';
import { Gpu, type GpuLimits } from './webgpu/device.js';
import { openGpuModel } from './webgpu/model.js';

const NAME = 'webgpu';

export const webgpuDoor = webgpuDoorFor();

/** For tests and benches: other surroundings, smaller limits. */
export function webgpuDoorFor(
  surroundings: Partial<Surroundings> = {},
  limits: Partial<GpuLimits> = {},
): EngineDoor {
  return {
    name: NAME,
    usesGpu: true,
    refusalOf: refusalOfShape,
    async probe() {
      try {
        const { device, isSoftware } = await findAdapter(surroundings);
        return { name: NAME, available: true, device, reason: null, isSoftware };
      } catch (error) {
        return { name: NAME, available: false, device: null, reason: (error as Error).message };
      }
    },
    async open() {
      const found = await findAdapter(surroundings);
      return webgpuEngine(new Gpu(await requestDevice(found), limits), found.device);
    },
  };
}

/** A device that takes commands and does nothing, for benches: what is left is the time of the host. Its numbers mean nothing. */
export const nullGpuDoor = webgpuDoorFor({ options: ['backend=null'], platform: 'null' });

/** All its trainers and scorers share the device. */
export function webgpuEngine(gpu: Gpu, device: string): Engine {
  return cpuEngine({ name: NAME, device, threads: 1, openModel: (plan) => openGpuModel(gpu, plan) });
}
