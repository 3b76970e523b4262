// The peer PyTorch: scripts/peers/pytorch.py in a process of its own, where python3 has torch and torch has a GPU.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type BenchSettings, OPTIMIZER } from './settings.js';

const SCRIPT = fileURLToPath(new URL('../../../scripts/peers/pytorch.py', import.meta.url));
/** Compiling for the first time takes torch a minute. */
const TIMEOUT_MS = 240_000;

export interface PytorchFigures {
  /** Of its fastest way: "cuda graph", "compiled cuda graph". */
  secondsPerStep: number;
  way: string;
  device: string;
  version: string;
}

/** What it measured, or in a word why not. */
export async function measurePytorch({
  shape,
}: BenchSettings): Promise<PytorchFigures | { skipped: string }> {
  const { users, movies, embeddingWidth, hiddenLayers, biases = false, dotProduct = false } = shape;
  const { learningRate, momentum, batchSize } = OPTIMIZER;
  const work = { users, movies, embeddingWidth, hiddenLayers, biases, dotProduct };
  const args = [SCRIPT, JSON.stringify({ ...work, learningRate, momentum, batchSize })];
  try {
    const { stdout } = await promisify(execFile)('python3', args, { timeout: TIMEOUT_MS });
    return JSON.parse(stdout.trim().split('\n').at(-1)!);
  } catch (error) {
    return { skipped: (error as Error).message.trim().split('\n', 1)[0] };
  }
}
