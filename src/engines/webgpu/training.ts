// Steps on the device. Two dispatches each, hundreds in one submission; the host computes nothing for a step but its place and its rate.
//
//   A  take_samples  a workgroup a tile of samples: rows, forward, errors, sums over the units
//   B  update        sums over the samples; moves the layers, and the rows that the batch is about
//
// A submission begins with its ratings, brought into the order of the epoch by the device, or by the host where it keeps them (stream.ts).
// Rows that a batch is not about wait (skips.wgsl). They catch up at the end of an epoch, before anyone can see the order in which
// calls were made, and before more steps are skipped than the tables have.

import type { EpochPart } from '../cpuModel.js';
import { ADAM, type OptimizerSettings, type StepsResult, type TrainingRatings } from '../engine.js';
import { bankNames } from './banks.js';
import type { Gpu } from './device.js';
import { LOSSES } from './layout.js';
import type { GpuTensors } from './model.js';
import { notesAt } from './pieces.js';
import {
  bindGroup,
  GATHER_KEYS_AT,
  gatherProgram,
  type Program,
  samplesProgram,
  UNIFORM_STRIDE,
  updateProgram,
} from './shaders.js';
import { MOST_SKIPPED, skipTables } from './skips.js';
import { RatingStream } from './stream.js';

/** In one submission: enough that submitting costs little, few enough that the queue holds some milliseconds of work. */
const MOST_STEPS = 512;
/** Submissions that wait for the device. */
const MOST_WAITING = 4;
/** Of dispatches whose threads take their share of something. */
const GROUPS = 1024;

/** Steps of one submission. */
interface Batches {
  firstStep: number;
  steps: number;
  /** Where the losses of these steps are kept. */
  loss: number;
}

interface Kernel {
  pipeline: GPUComputePipeline;
  group: GPUBindGroup;
}

export class Training {
  readonly #tensors: GpuTensors;
  readonly #optimizer: OptimizerSettings;
  readonly #uniforms: GPUBuffer;
  readonly #kernels: Record<'takeSamples' | 'update' | 'catchUpUsers' | 'catchUpMovies', Kernel>;
  /** By the device, or by the host. */
  readonly #gather: Kernel | RatingStream;
  #learningRate = Number.NaN;
  #steps = 0;
  /** Since the last catch-up. */
  #now = 0;
  #skips: Float32Array = new Float32Array(0);

  constructor(tensors: GpuTensors, optimizer: OptimizerSettings, create: Gpu['createBuffer']) {
    const { gpu, layout, buffers } = tensors;
    this.#tensors = tensors;
    this.#optimizer = optimizer;
    this.#uniforms = create('the places of steps', (MOST_STEPS + 1) * UNIFORM_STRIDE, 'uniform');
    const samples = samplesProgram(gpu, layout);
    const update = updateProgram(gpu, layout);
    this.#kernels = {
      takeSamples: this.#kernel(samples, 'samples', 'take_samples'),
      update: this.#kernel(update, 'update', 'update'),
      catchUpUsers: this.#kernel(update, 'update', 'catch_up_users'),
      catchUpMovies: this.#kernel(update, 'update', 'catch_up_movies'),
    };
    this.#gather =
      layout.ratings.length > 0
        ? this.#kernel(gatherProgram(gpu, layout), 'gather', 'gather')
        : new RatingStream(gpu, buffers.upcoming, layout.upcoming);
  }

  #kernel(program: Program, ...[file, entry]: Parameters<Program['pipeline']>): Kernel {
    const { gpu, buffers } = this.#tensors;
    return {
      pipeline: program.pipeline(file, entry),
      group: bindGroup(gpu, program, this.#uniforms, buffers),
    };
  }

  /** Over all epochs. */
  get steps(): number {
    return this.#steps;
  }

  /** Steps that a row may have skipped: what notes of rows count. */
  get now(): number {
    return this.#now;
  }

  /** Of the epoch whose steps rows may have skipped. */
  get skips(): Float32Array {
    return this.#skips;
  }

  /** Those that the host keeps. */
  streamRatings(ratings: TrainingRatings): void {
    if (this.#gather instanceof RatingStream) this.#gather.setRatings(ratings);
  }

  setSteps(steps: number): void {
    this.#steps = steps;
  }

  async train(part: EpochPart): Promise<StepsResult> {
    this.#beginEpoch(part);
    const result = { squaredErrorSum: 0, samples: 0 };
    const end = part.firstStep + part.steps;
    for (let step = part.firstStep; step < end; step += LOSSES) {
      const steps = Math.min(LOSSES, end - step);
      result.samples += await this.#takeSteps(part, step, steps);
      for (const loss of await this.#readLosses(steps)) result.squaredErrorSum += loss;
    }
    if (part.catchUp) this.#catchUp();
    this.#tensors.gpu.check();
    return result;
  }

  #beginEpoch({ learningRate }: EpochPart): void {
    if (learningRate === this.#learningRate) return;
    this.#learningRate = learningRate;
    if (this.#optimizer.kind === 'adam') return;
    const { gpu, buffers } = this.#tensors;
    this.#skips = skipTables(this.#optimizer, learningRate);
    gpu.write(buffers.skips, 0, this.#skips);
  }

  /** At most LOSSES steps; returns the number of samples. */
  async #takeSteps({ order }: EpochPart, firstStep: number, steps: number): Promise<number> {
    const { gpu, layout } = this.#tensors;
    const { batchSize } = this.#optimizer;
    const most = Math.max(1, Math.min(MOST_STEPS, Math.floor(layout.upcoming / batchSize)));
    const waiting: Promise<undefined>[] = [];
    for (let done = 0; done < steps; done += most) {
      gpu.check();
      const batches = { firstStep: firstStep + done, steps: Math.min(most, steps - done), loss: done };
      this.#submit(order, batches);
      waiting.push(gpu.device.queue.onSubmittedWorkDone());
      if (waiting.length > MOST_WAITING) await gpu.settled(waiting.shift()!);
    }
    return Math.min(order[0], (firstStep + steps) * batchSize) - firstStep * batchSize;
  }

  #submit(order: Uint32Array, batches: Batches): void {
    const { gpu, layout } = this.#tensors;
    if (this.#now + batches.steps > MOST_SKIPPED) this.#catchUp();
    const { TILE, THREADS, ROW_LANES, UNIT_GROUPS } = layout.constants as Record<string, number>;
    const { takeSamples, update } = this.#kernels;
    const places = this.#placesOf(order[0], batches);
    gpu.write(this.#uniforms, 0, places);
    const encoder = gpu.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    this.#encodeGather(pass, order, batches);
    for (let step = 0; step < batches.steps; step++) {
      const at = step * UNIFORM_STRIDE;
      const samples = places[at / 4 + 1];
      encodeKernel(pass, takeSamples, at, Math.ceil(samples / TILE));
      const rowGroups = Math.ceil((samples * ROW_LANES) / THREADS);
      encodeKernel(pass, update, at, UNIT_GROUPS + 1 + 2 * rowGroups);
    }
    pass.end();
    gpu.device.queue.submit([encoder.finish()]);
    this.#now += batches.steps;
    this.#steps += batches.steps;
  }

  /** The ratings of these steps in the order of the epoch. */
  #encodeGather(pass: GPUComputePassEncoder, order: Uint32Array, { firstStep, steps }: Batches): void {
    const { batchSize } = this.#optimizer;
    const first = firstStep * batchSize;
    const samples = Math.min(order[0], first + steps * batchSize) - first;
    if (this.#gather instanceof RatingStream) {
      this.#gather.send(order, first, samples);
      return;
    }
    const request = new Uint32Array(UNIFORM_STRIDE / 4);
    // Count of ratings and radices; then the keys.
    request.set([first, samples, ...order.subarray(0, 3)]);
    request.set(order.subarray(3), GATHER_KEYS_AT / 4);
    this.#tensors.gpu.write(this.#uniforms, MOST_STEPS * UNIFORM_STRIDE, request);
    encodeKernel(pass, this.#gather, MOST_STEPS * UNIFORM_STRIDE, GROUPS);
  }

  /** STEP for each: first of those of the submission, samples, number, loss, rate. */
  #placesOf(ratings: number, { firstStep, steps, loss }: Batches): Uint32Array {
    const { batchSize } = this.#optimizer;
    const places = new Uint32Array((steps * UNIFORM_STRIDE) / 4);
    const rates = new Float32Array(places.buffer);
    for (let step = 0; step < steps; step++) {
      const at = (step * UNIFORM_STRIDE) / 4;
      places[at] = step * batchSize;
      places[at + 1] = Math.min(batchSize, ratings - (firstStep + step) * batchSize);
      places[at + 2] = this.#now + step + 1;
      places[at + 3] = loss + step;
      rates[at + 4] = this.#rateOf(this.#steps + step + 1);
    }
    return places;
  }

  /** How far step t goes; for adam with its correction of bias. */
  #rateOf(t: number): number {
    if (this.#optimizer.kind !== 'adam') return this.#learningRate;
    return (this.#learningRate * Math.sqrt(1 - ADAM.beta2 ** t)) / (1 - ADAM.beta1 ** t);
  }

  async #readLosses(steps: number): Promise<Float32Array> {
    const { gpu, layout, buffers } = this.#tensors;
    const losses = new Float32Array(steps);
    await gpu.read(buffers.dense, Number(layout.constants.LOSSES_AT) * 4, losses);
    return losses;
  }

  #catchUp(): void {
    if (this.#optimizer.kind !== 'adam' && this.#now > 0) this.#submitCatchUp();
    this.#now = 0;
  }

  #submitCatchUp(): void {
    const { gpu, layout, buffers } = this.#tensors;
    const { users, movies } = layout.tables;
    gpu.write(this.#uniforms, 0, Uint32Array.of(0, 0, this.#now));
    const encoder = gpu.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    for (const kernel of [this.#kernels.catchUpUsers, this.#kernels.catchUpMovies]) {
      encodeKernel(pass, kernel, 0, GROUPS);
    }
    pass.end();
    for (const banks of [users, movies]) {
      for (const name of bankNames(banks)) {
        encoder.clearBuffer(buffers[name], notesAt(layout, banks) * 4, banks.bankRows * 4);
      }
    }
    gpu.device.queue.submit([encoder.finish()]);
  }
}

function encodeKernel(
  pass: GPUComputePassEncoder,
  { pipeline, group }: Kernel,
  uniformAt: number,
  groups: number,
): void {
  pass.setBindGroup(0, group, [uniformAt]);
  pass.setPipeline(pipeline);
  pass.dispatchWorkgroups(groups);
}
