// Samplers of the addon: what engines/cpuSampler.ts asks, as calls of engines/cpu/samplerAddon.c.

import type { CpuSampler, SamplerArray } from './cpuSampler.js';

/** A sampler of the addon. */
type Handle = { readonly sampler: unique symbol };

export interface SamplerAddon {
  openSampler(instructionSet: string, config: Float64Array): Handle;
  closeSampler(sampler: Handle): void;
  writeSampler(sampler: Handle, place: number, values: SamplerArray): void;
  readSampler(sampler: Handle, place: number, values: SamplerArray): void;
  /** Reads the arrays in place until the sampler is closed. */
  readySampler(sampler: Handle, starts: Int32Array, others: Int32Array, targets: Float32Array): void;
  sweep(sampler: Handle, number: number): Promise<[number, number, number]>;
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
    ready: ({ starts, others, targets }) => addon.readySampler(sampler, starts, others, targets),
    async sweep(number) {
      const [squaredErrorSum, noise, rowSeconds] = await addon.sweep(sampler, number);
      return { squaredErrorSum, noise, rowSeconds };
    },
    async predict(userIndices, movieIndices) {
      const outputs = new Float32Array(userIndices.length);
      await addon.predictMeans(sampler, userIndices, movieIndices, outputs);
      return outputs;
    },
    close: async () => addon.closeSampler(sampler),
  };
}
