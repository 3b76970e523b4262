// A WebGPU device with what the engine needs of it: buffers within its limits, arrays in and out, and errors as errors. WebGPU tells
// of errors later and elsewhere than where they happen; here a call fails that meets one, and none waits for a device that is gone.

import assert from 'node:assert/strict';
import { AppError } from '../../errors.js';
import './webgpuTypes.js';

/** Of the specification, §5.1 and §5.2: constants of the language's globals, which Node lacks. */
export const BUFFER_USAGE = { mapRead: 1, copySource: 4, copyTarget: 8, uniform: 64, storage: 128 } as const;
export const COMPUTE_STAGE = 4;
const MAP_READ = 1;

/** Bytes that go to or come from the device at a time; a larger copy would take as much of the host's memory again. */
const PIECE_BYTES = 16 * 1024 * 1024;

const { uniform, storage, copySource, copyTarget, mapRead } = BUFFER_USAGE;
const USAGES = {
  /** Computed with by shaders. */
  storage: storage | copySource | copyTarget,
  /** Read by shaders, written by the host. */
  uniform: uniform | copyTarget,
} as const;

export interface GpuLimits {
  /** Bytes of one binding of a shader. */
  bindingBytes: number;
  /** Storage bindings of one shader. */
  storageBindings: number;
  /** Threads of a workgroup, and bytes that they share. */
  workgroupThreads: number;
  workgroupBytes: number;
  /** Ratings of more bytes than this are streamed. WebGPU does not tell how much memory a GPU has: what does not fit is found out. */
  residentBytes: number;
}

type Numbers = Float32Array | Int32Array | Uint32Array;

export class Gpu {
  readonly device: GPUDevice;
  readonly limits: GpuLimits;
  /** Never resolves; rejects once the device is lost. */
  readonly #lost: Promise<never>;
  #failure: Error | null = null;

  /** `limits`: smaller ones than the device's, for tests. */
  constructor(device: GPUDevice, limits: Partial<GpuLimits> = {}) {
    this.device = device;
    this.limits = { ...limitsOf(device), ...limits };
    this.#lost = device.lost.then(({ message }) => {
      this.#failure = lostError(message);
      throw this.#failure;
    });
    // Whoever waits hears of it.
    this.#lost.catch(() => {});
    device.addEventListener('uncapturederror', (event) => {
      // Else it would be written to stderr.
      event.preventDefault();
      const { error } = event as GPUUncapturedErrorEvent;
      this.#failure ??= new Error(`WebGPU refused a command: ${error.message}`);
    });
  }

  /** Zero. @throws AppError ENGINE_OUT_OF_MEMORY when one binding cannot have so many bytes */
  createBuffer(what: string, bytes: number, kind: keyof typeof USAGES): GPUBuffer {
    const { bindingBytes } = this.limits;
    if (kind === 'storage' && bytes > bindingBytes) throw tooLarge(what, bytes, bindingBytes);
    return this.device.createBuffer({ label: what, size: roundUp(bytes, 16), usage: USAGES[kind] });
  }

  write(buffer: GPUBuffer, offsetBytes: number, values: Numbers): void {
    const length = PIECE_BYTES / 4;
    for (let at = 0; at < values.length; at += length) {
      const piece = values.subarray(at, at + length);
      this.device.queue.writeBuffer(buffer, offsetBytes + at * 4, piece as Numbers & { buffer: ArrayBuffer });
    }
  }

  /** Fills `values` with what the buffer holds once all that was submitted is done. */
  async read(buffer: GPUBuffer, offsetBytes: number, values: Numbers): Promise<void> {
    const length = PIECE_BYTES / 4;
    for (let at = 0; at < values.length; at += length) {
      await this.#readPiece(buffer, offsetBytes + at * 4, values.subarray(at, at + length));
    }
  }

  async #readPiece(buffer: GPUBuffer, offsetBytes: number, values: Numbers): Promise<void> {
    this.check();
    const size = values.byteLength;
    const staging = this.device.createBuffer({ size, usage: mapRead | copyTarget });
    const encoder = this.device.createCommandEncoder();
    encoder.copyBufferToBuffer(buffer, offsetBytes, staging, 0, size);
    this.device.queue.submit([encoder.finish()]);
    try {
      await this.settled(staging.mapAsync(MAP_READ));
      values.set(new (values.constructor as typeof Float32Array)(staging.getMappedRange()));
    } finally {
      staging.destroy();
    }
  }

  /** Waits for the device, but not for one that is gone. @throws AppError ENGINE_LOST */
  async settled<T>(work: Promise<T>): Promise<T> {
    try {
      const result = await Promise.race([work, this.#lost]);
      this.check();
      return result;
    } catch (error) {
      // A lost device fails what was asked of it a moment before it says that it is lost.
      await new Promise((resolve) => setImmediate(resolve));
      throw this.#failure ?? error;
    }
  }

  /** @throws AppError ENGINE_LOST; Error for a command that was refused, which would be a mistake in the shaders */
  check(): void {
    if (this.#failure) throw this.#failure;
  }

  /** Does `create`, all at once, and throws what the device has against it. @throws AppError ENGINE_OUT_OF_MEMORY, ENGINE_LOST */
  async checked<T>(create: () => T): Promise<T> {
    this.check();
    this.device.pushErrorScope('validation');
    this.device.pushErrorScope('out-of-memory');
    let created: { value: T } | { thrown: unknown };
    try {
      created = { value: create() };
    } catch (thrown) {
      created = { thrown };
    }
    const scopes = [this.device.popErrorScope(), this.device.popErrorScope()];
    const [noMemory, refused] = await this.settled(Promise.all(scopes));
    if ('thrown' in created) throw created.thrown;
    if (noMemory)
      throw new AppError('ENGINE_OUT_OF_MEMORY', `the GPU has no memory left: ${noMemory.message}`);
    assert(!refused, `WebGPU refused a command: ${refused?.message}`);
    return created.value;
  }
}

export function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}

function limitsOf({ limits }: GPUDevice): GpuLimits {
  return {
    bindingBytes: Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize),
    storageBindings: limits.maxStorageBuffersPerShaderStage,
    workgroupThreads: Math.min(limits.maxComputeInvocationsPerWorkgroup, limits.maxComputeWorkgroupSizeX),
    workgroupBytes: limits.maxComputeWorkgroupStorageSize,
    residentBytes: Number.POSITIVE_INFINITY,
  };
}

function lostError(message: string): AppError {
  const why = message.split('\n', 1)[0].trim();
  return new AppError('ENGINE_LOST', `engine webgpu lost its device${why === '' ? '' : `: ${why}`}`);
}

function tooLarge(what: string, bytes: number, limit: number): AppError {
  const mebibytes = (value: number) => `${Math.ceil(value / 2 ** 20).toLocaleString('en-US')} MiB`;
  return new AppError(
    'ENGINE_OUT_OF_MEMORY',
    `engine webgpu needs ${mebibytes(bytes)} in one piece for ${what}, and the device gives ${mebibytes(limit)}`,
  );
}
