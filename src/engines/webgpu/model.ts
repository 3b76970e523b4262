// A model on the device: its buffers, and its tensors in and out. Steps are in training.ts, outputs in predictions.ts.

import { AppError } from '../../errors.js';
import { type CpuModel, type ModelPlan, tensorName } from '../cpuModel.js';
import type { TrainingRatings } from '../engine.js';
import { bankNames, rowsOfBank } from './banks.js';
import type { Gpu } from './device.js';
import { type Layout, LOSSES, layoutOf, RATING_BYTES } from './layout.js';
import { piecesOf, readTensor } from './pieces.js';
import { Predictions } from './predictions.js';
import { openTopMovies } from './topMovies.js';
import { Training } from './training.js';

/** What training and predictions share. */
export interface GpuTensors {
  gpu: Gpu;
  plan: ModelPlan;
  layout: Layout;
  /** By the names of their bindings. */
  buffers: Record<string, GPUBuffer>;
}

/**
 * With all ratings on the device, or without when they find no room there.
 * @throws AppError ENGINE_OUT_OF_MEMORY, ENGINE_LOST
 */
export async function openGpuModel(gpu: Gpu, plan: ModelPlan): Promise<CpuModel> {
  if (plan.ratings * RATING_BYTES > gpu.limits.residentBytes) return open(gpu, plan, true);
  try {
    return await open(gpu, plan, false);
  } catch (error) {
    if (!plan.optimizer || !(error instanceof AppError) || error.code !== 'ENGINE_OUT_OF_MEMORY') throw error;
    return open(gpu, plan, true);
  }
}

function open(gpu: Gpu, plan: ModelPlan, isStreamed: boolean): Promise<CpuModel> {
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
      const layout = layoutOf(plan, gpu.limits, isStreamed);
      const tensors = { gpu, plan, layout, buffers: createBuffers(layout, create) };
      const training = plan.optimizer ? new Training(tensors, plan.optimizer, create) : null;
      const predictions = new Predictions(tensors, create);
      return gpuModel(tensors, training, predictions, create, destroy);
    })
    .catch((error) => {
      destroy();
      throw error;
    });
}

function createBuffers(layout: Layout, create: Gpu['createBuffer']): Record<string, GPUBuffer> {
  const { tables, ratings, upcoming, denseLength, denseParts, skipsLength, workLength, marksLength } = layout;
  const banks = [
    ...[tables.users, tables.movies].map((each) => ({ what: `the table of ${each.name}`, each })),
    ...ratings.map((each) => ({ what: 'the ratings', each })),
  ];
  const buffers: Record<string, GPUBuffer> = {
    dense: create('the layers', (denseLength * denseParts + (upcoming > 0 ? LOSSES + 1 : 0)) * 4, 'storage'),
    skips: create('skipped steps', skipsLength * 4, 'storage'),
  };
  for (const { what, each } of banks) {
    for (const name of bankNames(each)) buffers[name] = create(what, each.length * 4, 'storage');
  }
  if (upcoming === 0) return buffers;
  return {
    ...buffers,
    upcoming: create('the ratings of a submission', upcoming * RATING_BYTES, 'storage'),
    work: create('the inputs and slopes of a batch', workLength * 4, 'storage'),
    marks: create('the samples of a batch', marksLength * 4, 'storage'),
  };
}

function gpuModel(
  tensors: GpuTensors,
  training: Training | null,
  predictions: Predictions,
  create: Gpu['createBuffer'],
  destroy: () => void,
): CpuModel {
  const { gpu } = tensors;
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
    setRatings(ratings) {
      writeRatings(tensors, ratings);
      training!.streamRatings(ratings);
    },
    train: (part) => training!.train(part),
    predict: (users, movies) => predictions.predict(users, movies, training?.now ?? 0),
    // Scores need no halves: what a GPU would read of them takes it about as long as computing them again.
    prepareScoring: async () => {},
    scoreMovies,
    topMovies: openTopMovies(tensors, predictions, create),
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
