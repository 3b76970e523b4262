// Samplers of the addon: what engines/cpuSampler.ts asks, as calls of engines/cpu/samplerAddon.c.

import type { CpuSampler, SamplerArray } from './cpuSampler.js';

/** A sampler of the addon. */
type Handle = { readonly sampler: unique symbol };

export interface SamplerAddon {
  openSampler(instructionSet: string, config: Float64Array): Handle;
  closeSampler(sampler: Handle): void;
  writeSampler(sampler: Handle, place: number, values: SamplerArray): void;
  readSampler(sampler: Handle, place: number, values: SamplerArray): void;
  readySampler(sampler: Handle): void;
  sweep(sampler: Handle, number: number): Promise<[number, number]>;
  predictMeans(
    sampler: Handle,
    users: Int32Array,
    movies: Int32Array,
    outputs: Float32Array,
  ): Promise<unknown>;
}

export function openNativeSampler(
  addon: SamplerAddon,
  instructionSet: string,
  config: Float64Array,
): CpuSampler {
  const sampler = addon.openSampler(instructionSet, config);
  return {
    write: (place, values) => addon.writeSampler(sampler, place, values),
    read: (place, values) => addon.readSampler(sampler, place, values),
    ready: () => addon.readySampler(sampler),
    async sweep(number) {
      const [squaredErrorSum, noise] = await addon.sweep(sampler, number);
      return { squaredErrorSum, noise };
    },
    async predict(userIndices, movieIndices) {
      const outputs = new Float32Array(userIndices.length);
      await addon.predictMeans(sampler, userIndices, movieIndices, outputs);
      return outputs;
    },
    close: async () => addon.closeSampler(sampler),
  };
}
