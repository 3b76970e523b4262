// Ratings that find no room on the device. The host keeps them, and sends those of a submission in the order of the epoch: the same
// samples in the same batches as a device has that holds them all, so the same bits.

import type { TrainingRatings } from '../engine.js';
import { fillOrder } from '../shuffle.js';
import type { Gpu } from './device.js';

export class RatingStream {
  readonly #gpu: Gpu;
  readonly #buffer: GPUBuffer;
  readonly #positions: Uint32Array;
  readonly #rows: Uint32Array;
  #ratings: TrainingRatings | null = null;

  /** `samples`: the most of a submission. */
  constructor(gpu: Gpu, buffer: GPUBuffer, samples: number) {
    this.#gpu = gpu;
    this.#buffer = buffer;
    this.#positions = new Uint32Array(samples);
    this.#rows = new Uint32Array(3 * samples);
  }

  /** Read in place for as long as the model is open: a copy would take as much of the host's memory again. */
  setRatings(ratings: TrainingRatings): void {
    this.#ratings = ratings;
  }

  /** Sends the samples at positions first … first + count of the epoch; `order` as in EpochPart. They come after what was submitted before. */
  send(order: Uint32Array, first: number, count: number): void {
    const { userIndices, movieIndices, targets } = this.#ratings!;
    const positions = this.#positions.subarray(0, count);
    fillOrder({ count: order[0], a: order[1], b: order[2], keys: order.subarray(3) }, first, positions);
    const bits = new Uint32Array(targets.buffer, targets.byteOffset, targets.length);
    for (let i = 0; i < count; i++) {
      const rating = positions[i];
      this.#rows[3 * i] = userIndices[rating];
      this.#rows[3 * i + 1] = movieIndices[rating];
      this.#rows[3 * i + 2] = bits[rating];
    }
    this.#gpu.write(this.#buffer, 0, this.#rows.subarray(0, 3 * count));
  }
}
