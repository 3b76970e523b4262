// The tensors of a model as they lie in its buffers: where a tensor, or a bank's share of it, begins, and reading it with the steps that
// its rows have skipped.

import { rowsOf } from '../shape.js';
import { type Banks, bankNames, rowsOfBank } from './banks.js';
import type { Layout } from './layout.js';
import type { GpuTensors } from './model.js';
import { afterSkips } from './skips.js';
import type { Training } from './training.js';

/** A tensor, or as much of it as lies in one bank: numbers from … from + length, at `at` of a buffer. */
interface Piece {
  buffer: GPUBuffer;
  at: number;
  from: number;
  length: number;
}

export function piecesOf({ layout, buffers }: GpuTensors, name: string, part: number): Piece[] {
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

export async function readTensor(
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
