// The floor of a GPU, measured: arithmetic, memory and dispatches. What a step takes is divided by it.

import { readFileSync } from 'node:fs';
import { findAdapter, requestDevice, type Surroundings } from './dawn.js';
import { Gpu } from './device.js';

const ROUNDS = 512;
/** Of a thread of `multiply`: 4 chains of 4, two operations each. */
const FLOPS = ROUNDS * 4 * 4 * 2;
const GROUP = 256;
/** Read and written: far more than caches hold; the most that WebGPU promises for one binding. */
const STREAM_BYTES = 128 * 1024 * 1024;
/** Of 16 bytes, by each thread. */
const VECTORS = 8;
const DISPATCHES = 1000;
/** A measurement grows until it takes this long, so that submitting it no longer counts. */
const LONG_ENOUGH_SECONDS = 0.05;

export interface GpuHardware {
  flopsPerSecond: number;
  /** Of an array, read and written. */
  bytesPerSecond: number;
  /** Of a dispatch that waits for the one before it. */
  dispatchSeconds: number;
  by: string;
}

/** In about a second. @throws Error with the reason when there is no adapter */
export async function measureGpu(surroundings: Partial<Surroundings> = {}): Promise<GpuHardware> {
  const found = await findAdapter(surroundings);
  const gpu = new Gpu(await requestDevice(found));
  try {
    return { ...(await measureAll(gpu)), by: found.device };
  } finally {
    gpu.device.destroy();
  }
}

async function measureAll(gpu: Gpu): Promise<Omit<GpuHardware, 'by'>> {
  const [results, stream] = await gpu.checked(() => [
    gpu.createBuffer('results', 16, 'storage'),
    gpu.createBuffer('an array', STREAM_BYTES, 'storage'),
  ]);
  const dispatch = await dispatcher(gpu, { multiply: results, stream, nothing: results });
  const multiplies = await secondsEach(gpu, (encoder, times) => dispatch(encoder, 'multiply', times, 1));
  const streams = await secondsEach(gpu, (encoder, times) =>
    dispatch(encoder, 'stream', STREAM_BYTES / (16 * VECTORS * GROUP), times),
  );
  const nothings = await secondsEach(gpu, (encoder, times) =>
    dispatch(encoder, 'nothing', 1, DISPATCHES * times),
  );
  return {
    flopsPerSecond: (FLOPS * GROUP) / multiplies,
    bytesPerSecond: (2 * STREAM_BYTES) / streams,
    dispatchSeconds: nothings / DISPATCHES,
  };
}

type Entry = 'multiply' | 'stream' | 'nothing';
type Dispatch = (encoder: GPUCommandEncoder, entry: Entry, groups: number, times: number) => void;

/** `buffers`: what each entry has bound, all at 0. */
async function dispatcher(gpu: Gpu, buffers: Record<Entry, GPUBuffer>): Promise<Dispatch> {
  const text = readFileSync(new URL('./measure.wgsl', import.meta.url), 'utf8');
  const pipelines = await gpu.checked(() => {
    const code = `const ROUNDS = ${ROUNDS}u;\nconst VECTORS = ${VECTORS}u;\n${text}`;
    const module = gpu.device.createShaderModule({ code });
    return new Map(
      Object.keys(buffers).map((entryPoint) => [
        entryPoint,
        gpu.device.createComputePipeline({ layout: 'auto', compute: { module, entryPoint } }),
      ]),
    );
  });
  return (encoder, entry, groups, times) => {
    const pipeline = pipelines.get(entry)!;
    const layout = pipeline.getBindGroupLayout(0);
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(
      0,
      gpu.device.createBindGroup({ layout, entries: [{ binding: 0, resource: { buffer: buffers[entry] } }] }),
    );
    // Workgroups of more than one dimension: 65,535 are the most of each.
    for (let n = 0; n < times; n++) pass.dispatchWorkgroups(Math.min(groups, 4096), Math.ceil(groups / 4096));
    pass.end();
  };
}

/** Seconds of one unit of work: doubled until it takes long enough, then the best of three. */
async function secondsEach(
  gpu: Gpu,
  work: (encoder: GPUCommandEncoder, times: number) => void,
): Promise<number> {
  const seconds = async (times: number) => {
    const encoder = gpu.device.createCommandEncoder();
    work(encoder, times);
    const begin = performance.now();
    gpu.device.queue.submit([encoder.finish()]);
    await gpu.settled(gpu.device.queue.onSubmittedWorkDone());
    return (performance.now() - begin) / 1e3;
  };
  await seconds(1);
  let times = 1;
  while ((await seconds(times)) < LONG_ENOUGH_SECONDS) times *= 2;
  const raw = [await seconds(times), await seconds(times), await seconds(times)];
  return Math.min(...raw) / times;
}
