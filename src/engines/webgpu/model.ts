// A model on the device: its buffers, and its tensors in and out. Steps are in training.ts, outputs in predictions.ts.

import { type CpuModel, type ModelPlan, tensorName } from '../cpuModel.js';
import type { TrainingRatings } from '../engine.js';
import { rowsOf } from '../shape.js';
import { topMoviesByScores } from '../topMovies.js';
import { type Banks, bankNames, rowsOfBank } from './banks.js';
import type { Gpu } from './device.js';
import { type Layout, layoutOf } from './layout.js';
import { Predictions } from './predictions.js';
import { EPOCH_BYTES } from './shaders.js';
import { afterSkips } from './skips.js';
import { Training } from './training.js';

/** What training and predictions share. */
export interface GpuTensors {
  gpu: Gpu;
  plan: ModelPlan;
  layout: Layout;
  /** By the names of their bindings. */
  buffers: Record<string, GPUBuffer>;
  /** The uniform EPOCH. */
  epoch: GPUBuffer;
}

/** @throws AppError ENGINE_OUT_OF_MEMORY, ENGINE_LOST */
export function openGpuModel(gpu: Gpu, plan: ModelPlan): Promise<CpuModel> {
  const made: GPUBuffer[] = [];
  const create: Gpu['createBuffer'] = (...args) => {
    const buffer = gpu.createBuffer(...args);
    made.push(buffer);
    return buffer;
  };
  const destroy = () => {
    for (const buffer of made) buffer.destroy();
  };
  return gpu
    .checked(() => {
      const layout = layoutOf(plan, gpu.limits);
      const epoch = create('the epoch', EPOCH_BYTES, 'uniform');
      const tensors = { gpu, plan, layout, epoch, buffers: createBuffers(layout, create) };
      const training = plan.optimizer ? new Training(tensors, plan.optimizer, create) : null;
      return gpuModel(tensors, training, new Predictions(tensors, create), destroy);
    })
    .catch((error) => {
      destroy();
      throw error;
    });
}

function createBuffers(layout: Layout, create: Gpu['createBuffer']): Record<string, GPUBuffer> {
  const { tables, ratings, denseLength, denseParts, workLength, marksLength } = layout;
  const banks = [
    ...[tables.users, tables.movies].map((each) => ({ what: `the table of ${each.name}`, each })),
    ...ratings.map((each) => ({ what: 'the ratings', each })),
  ];
  const buffers: Record<string, GPUBuffer> = {
    dense: create('the layers', denseLength * denseParts * 4, 'storage'),
  };
  for (const { what, each } of banks) {
    for (const name of bankNames(each)) buffers[name] = create(what, each.length * 4, 'storage');
  }
  if (workLength === 0) return buffers;
  return {
    ...buffers,
    work: create('the inputs and slopes of a batch', workLength * 4, 'storage'),
    marks: create('the samples of a batch', marksLength * 4, 'storage'),
  };
}

function gpuModel(
  tensors: GpuTensors,
  training: Training | null,
  predictions: Predictions,
  destroy: () => void,
): CpuModel {
  const { gpu, plan } = tensors;
  const M = plan.shape.movies;
  const scoreMovies = (users: Int32Array) => predictions.scoreMovies(users, training?.now ?? 0);
  return {
    write: (tensor, part, values) => {
      for (const piece of piecesOf(tensors, tensorName(tensor), part)) {
        gpu.write(piece.buffer, piece.at * 4, values.subarray(piece.from, piece.from + piece.length));
      }
    },
    read: (tensor, part, values) => readTensor(tensors, training, tensorName(tensor), part, values),
    writeSteps: (steps) => training!.setSteps(steps),
    readSteps: () => training!.steps,
    setRatings: (ratings) => writeRatings(tensors, ratings),
    train: (part) => training!.train(part),
    predict: (users, movies) => predictions.predict(users, movies, training?.now ?? 0),
    // Scores need no halves: what a GPU would read of them takes it about as long as computing them again.
    prepareScoring: async () => {},
    scoreMovies,
    topMovies: (request) => topMoviesByScores({ scoreMovies }, M, request),
    close: async () => destroy(),
  };
}

function writeRatings({ gpu, layout, buffers }: GpuTensors, ratings: TrainingRatings): void {
  const arrays = [ratings.userIndices, ratings.movieIndices, ratings.targets];
  for (const [index, banks] of layout.ratings.entries()) {
    for (const [bank, name] of bankNames(banks).entries()) {
      const { from, count } = rowsOfBank(banks, bank);
      gpu.write(buffers[name], 0, arrays[index].subarray(from, from + count));
    }
  }
}

/** A tensor, or as much of it as lies in one bank: numbers from … from + length, at `at` of a buffer. */
interface Piece {
  buffer: GPUBuffer;
  at: number;
  from: number;
  length: number;
}

function piecesOf({ layout, buffers }: GpuTensors, name: string, part: number): Piece[] {
  const rows = rowsOf(name);
  if (rows === null) return [densePiece(layout, buffers.dense, name, part)];
  const banks = layout.tables[`${rows}s`];
  const width = widthOf(layout, name);
  return bankNames(banks).map((bankName, bank) => {
    const { from, count } = rowsOfBank(banks, bank);
    return {
      buffer: buffers[bankName],
      at: partAt(layout, banks, name, part),
      from: from * width,
      length: count * width,
    };
  });
}

function densePiece(
  { constants, denseLength }: Layout,
  buffer: GPUBuffer,
  name: string,
  part: number,
): Piece {
  const at = (constant: string) => Number(constants[constant]);
  const H = at('H');
  const [offset, length] = {
    hidden_1_weights: [0, at('X') * H],
    hidden_1_biases: [at('HIDDEN_BIASES_AT'), H],
    output_weights: [at('OUTPUT_WEIGHTS_AT'), H],
    output_biases: [at('OUTPUT_BIAS_AT'), 1],
  }[name]!;
  return { buffer, at: part * denseLength + offset, from: 0, length };
}

/** Numbers of a row: K of an embedding, one of a bias. */
function widthOf({ constants }: Layout, name: string): number {
  return name.endsWith('_embeddings') ? Number(constants.K) : 1;
}

/** Where a part of a table's tensor begins in each bank: as TABLE_at of readRows.wgsl. */
function partAt({ constants, denseParts }: Layout, { bankRows }: Banks, name: string, part: number): number {
  const K = Number(constants.K);
  return name.endsWith('_embeddings') ? part * bankRows * K : (denseParts * K + part) * bankRows;
}

/** Where each bank notes the steps after which its rows stand: as TABLE_stands_at. */
export function notesAt({ constants, denseParts }: Layout, { bankRows }: Banks): number {
  return denseParts * Number(constants.W) * bankRows;
}

async function readTensor(
  tensors: GpuTensors,
  training: Training | null,
  name: string,
  part: number,
  values: Float32Array,
): Promise<void> {
  const { gpu, layout } = tensors;
  const pieces = piecesOf(tensors, name, part);
  for (const { buffer, at, from, length } of pieces) {
    await gpu.read(buffer, at * 4, values.subarray(from, from + length));
  }
  const rows = rowsOf(name);
  if (rows === null || !training || training.now === 0 || layout.constants.MOMENTS !== 1) return;
  // Rows that have steps to catch up with: shown as they stand, and left as they are.
  const banks = layout.tables[`${rows}s`];
  const others = piecesOf(tensors, name, 1 - part);
  for (const [bank, { buffer, from, length }] of pieces.entries()) {
    const other = new Float32Array(length);
    const notes = new Uint32Array(rowsOfBank(banks, bank).count);
    await gpu.read(buffer, others[bank].at * 4, other);
    await gpu.read(buffer, notesAt(layout, banks) * 4, notes);
    catchUp(training, name, part, values.subarray(from, from + length), other, notes);
  }
}

/** `values`: w and `other`: v for part 0; the other way round for part 1. */
function catchUp(
  { skips, now }: Training,
  name: string,
  part: number,
  values: Float32Array,
  other: Float32Array,
  notes: Uint32Array,
): void {
  const kind = name.endsWith('_embeddings') ? 'embeddings' : 'biases';
  const width = values.length / notes.length;
  for (let i = 0; i < values.length; i++) {
    const skipped = now - notes[Math.floor(i / width)];
    if (skipped === 0) continue;
    const [w, v] = part === 0 ? [values[i], other[i]] : [other[i], values[i]];
    const after = afterSkips(skips, kind, skipped, w, v);
    values[i] = part === 0 ? after.w : after.v;
  }
}
