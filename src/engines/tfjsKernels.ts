// Our UnsortedSegmentSum, the gradient of an embedding, for two backends of TensorFlow.js 4.22.0:
// `wasm` has none, and that of `cpu` takes a pass over the batch for each row of the embedding (minutes a step at 138,493 users).
// Sums go in batch order, so the same batch gives the same bits. Remove when tfjs has both (tfjs-backend-wasm registers none in 4.22.0).

import assert from 'node:assert/strict';
import type { DataType, KernelConfig, KernelFunc, TensorInfo } from '@tensorflow/tfjs-core';
import type { Tfjs } from './tfjsBackend.js';
import { productWithoutTranspose, sumDown, type WasmBackend } from './tfjsWasmKernels.js';

type Numbers = Float32Array | Int32Array;

/** What the kernel needs of a backend: the values of its tensors, and a new zero tensor with a view of its values. */
interface Storage {
  read(tensor: TensorInfo): Numbers;
  zeros(shape: number[], dtype: DataType): TensorInfo;
}

interface CpuBackend {
  data: { get(dataId: object): { values: Numbers } };
  makeTensorInfo(shape: number[], dtype: DataType, values: Numbers): TensorInfo;
}

const STORAGES: Record<string, (backend: object, core: Tfjs['core']) => Storage> = {
  cpu: (backend, core) => {
    const { data, makeTensorInfo } = backend as CpuBackend;
    return {
      read: (tensor) => data.get(tensor.dataId).values,
      zeros: (shape, dtype) => {
        const size = core.util.sizeFromShape(shape);
        const values = dtype === 'int32' ? new Int32Array(size) : new Float32Array(size);
        return makeTensorInfo.call(backend, shape, dtype, values);
      },
    };
  },
  wasm: (backend) => {
    const heap = backend as WasmBackend;
    return {
      read: (tensor) => heap.typedArrayFromHeap(tensor),
      zeros: (shape, dtype) => {
        const tensor = heap.makeOutput(shape, dtype);
        heap.typedArrayFromHeap(tensor).fill(0);
        return tensor;
      },
    };
  },
};

const ours = new WeakSet<KernelFunc>();

/**
 * Registers our kernels for the backend "cpu" or "wasm", in place of what is there; not tuned: only what the backend cannot
 * do without. A registry is the process's, or a worker thread's: it cannot hold both.
 */
export function registerKernels(core: Tfjs['core'], backendName: string, { tuned = true } = {}): void {
  replaceKernel(core, backendName, core.UnsortedSegmentSum, () => ({ inputs, attrs, backend }) => {
    const { x, segmentIds } = inputs as { x: TensorInfo; segmentIds: TensorInfo };
    const { numSegments } = attrs as { numSegments: number };
    return segmentSum(STORAGES[backendName](backend, core), x, segmentIds, numSegments);
  });
  if (backendName !== 'wasm' || !tuned) return;
  replaceKernel(core, backendName, core.BatchMatMul, (stock) => productWithoutTranspose(core, stock));
  replaceKernel(core, backendName, core.Sum, sumDown);
}

/** Once for each kernel; `make` gets the kernel that was there. */
function replaceKernel(
  core: Tfjs['core'],
  backendName: string,
  kernelName: string,
  make: (stock: KernelFunc) => KernelFunc,
): void {
  const stock: KernelConfig | null = core.getKernel(kernelName, backendName) ?? null;
  if (stock && ours.has(stock.kernelFunc)) return;
  if (stock) core.unregisterKernel(kernelName, backendName);
  const kernelFunc = make(stock?.kernelFunc as KernelFunc);
  ours.add(kernelFunc);
  core.registerKernel({ ...stock, kernelName, backendName, kernelFunc });
}

/**
 * Row s of the result is the sum of the rows of x whose segment id is s. The shape of segmentIds is a prefix of that of x;
 * negative ids are dropped, as TensorFlow does.
 */
function segmentSum(
  storage: Storage,
  x: TensorInfo,
  segmentIds: TensorInfo,
  numSegments: number,
): TensorInfo {
  const rowShape = x.shape.slice(segmentIds.shape.length);
  const width = rowShape.reduce((product, length) => product * length, 1);
  const result = storage.zeros([numSegments, ...rowShape], x.dtype);
  // Views only after the allocation: it may move the heap of wasm.
  const sums = storage.read(result);
  const rows = storage.read(x);
  const ids = storage.read(segmentIds);
  for (let i = 0; i < ids.length; i++) {
    if (ids[i] < 0) continue;
    assert(ids[i] < numSegments, `segment ${ids[i]} of ${numSegments}`);
    const target = ids[i] * width;
    for (let j = 0; j < width; j++) sums[target + j] += rows[i * width + j];
  }
  return result;
}
