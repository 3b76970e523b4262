// Steps on the device. Two dispatches each, hundreds in one submission; the host computes nothing for a step but its place and its rate.
//
//   A  take_samples  a workgroup a tile of samples: order, rows, forward, errors, sums over the units
//   B  update        sums over the samples; moves the layers, and the rows that the batch is about
//
// Rows that a batch is not about wait (skips.wgsl). They catch up at the end of an epoch, before anyone can see the order in which
// calls were made, and before more steps are skipped than the tables have.

import type { EpochPart } from '../cpuModel.js';
import { ADAM, type OptimizerSettings, type StepsResult, type TrainingRatings } from '../engine.js';
import { bankNames } from './banks.js';
import type { Gpu } from './device.js';
import { LOSSES, MOST_SAMPLES } from './layout.js';
import type { GpuTensors } from './model.js';
import { notesAt } from './pieces.js';
import {
  bindGroup,
  EPOCH_BYTES,
  EPOCH_KEYS_AT,
  EPOCH_SKIPS_AT,
  trainingProgram,
  UNIFORM_STRIDE,
} from './shaders.js';
import { MOST_SKIPPED, skipTables } from './skips.js';
import { RatingStream } from './stream.js';

/** In one submission: enough that submitting costs little, few enough that the queue holds some milliseconds of work. */
const MOST_STEPS = 512;
/** Submissions that wait for the device. */
const MOST_WAITING = 4;
const CATCH_UP_GROUPS = 1024;

/** Steps of one submission. */
interface Batches {
  ratings: number;
  /** The position of the first rating that the device has. */
  sentFrom: number;
  firstStep: number;
  steps: number;
  /** Where the losses of these steps are kept. */
  loss: number;
}

export class Training {
  readonly #tensors: GpuTensors;
  readonly #optimizer: OptimizerSettings;
  readonly #uniforms: GPUBuffer;
  readonly #group: GPUBindGroup;
  readonly #pipelines: Record<
    'takeSamples' | 'update' | 'catchUpUsers' | 'catchUpMovies',
    GPUComputePipeline
  >;
  /** Null: the device has the ratings. */
  readonly #stream: RatingStream | null;
  #learningRate = Number.NaN;
  #steps = 0;
  /** Since the last catch-up. */
  #now = 0;
  #skips: Float32Array = new Float32Array(0);

  constructor(tensors: GpuTensors, optimizer: OptimizerSettings, create: Gpu['createBuffer']) {
    const { gpu, layout, buffers, epoch } = tensors;
    this.#tensors = tensors;
    this.#optimizer = optimizer;
    this.#uniforms = create('the places of steps', MOST_STEPS * UNIFORM_STRIDE, 'uniform');
    this.#stream = layout.streamed ? new RatingStream(gpu, buffers.streamed, layout.streamed) : null;
    const program = trainingProgram(gpu, layout);
    this.#group = bindGroup(gpu, program, { each: this.#uniforms, epoch }, buffers);
    this.#pipelines = {
      takeSamples: program.pipeline('samples', 'take_samples'),
      update: program.pipeline('update', 'update'),
      catchUpUsers: program.pipeline('update', 'catch_up_users'),
      catchUpMovies: program.pipeline('update', 'catch_up_movies'),
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
    this.#stream?.setRatings(ratings);
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

  #beginEpoch({ learningRate, order }: EpochPart): void {
    const { gpu, epoch } = this.#tensors;
    if (learningRate !== this.#learningRate) this.#skips = skipTables(this.#optimizer, learningRate);
    this.#learningRate = learningRate;
    const uniform = new Uint32Array(EPOCH_BYTES / 4);
    // Count of ratings and radices; then the keys.
    uniform.set(order.subarray(0, 3));
    uniform.set(order.subarray(3), EPOCH_KEYS_AT / 4);
    new Float32Array(uniform.buffer).set(this.#skips, EPOCH_SKIPS_AT / 4);
    gpu.write(epoch, 0, uniform);
  }

  /** At most LOSSES steps; returns the number of samples. */
  async #takeSteps({ order }: EpochPart, firstStep: number, steps: number): Promise<number> {
    const { gpu, layout } = this.#tensors;
    const { batchSize } = this.#optimizer;
    const mostSamples = layout.streamed || MOST_SAMPLES;
    const most = Math.max(1, Math.min(MOST_STEPS, Math.floor(mostSamples / batchSize)));
    const waiting: Promise<undefined>[] = [];
    for (let done = 0; done < steps; done += most) {
      gpu.check();
      const batches = { firstStep: firstStep + done, steps: Math.min(most, steps - done), loss: done };
      this.#submit({ ratings: order[0], sentFrom: this.#send(order, batches), ...batches });
      waiting.push(gpu.device.queue.onSubmittedWorkDone());
      if (waiting.length > MOST_WAITING) await gpu.settled(waiting.shift()!);
    }
    return Math.min(order[0], (firstStep + steps) * batchSize) - firstStep * batchSize;
  }

  /** Of ratings that the host keeps, those of these steps; returns the position of the first that the device has. */
  #send(order: Uint32Array, { firstStep, steps }: Pick<Batches, 'firstStep' | 'steps'>): number {
    if (!this.#stream) return 0;
    const { batchSize } = this.#optimizer;
    const first = firstStep * batchSize;
    this.#stream.send(order, first, Math.min(order[0], first + steps * batchSize) - first);
    return first;
  }

  #submit(batches: Batches): void {
    const { gpu, layout } = this.#tensors;
    if (this.#now + batches.steps > MOST_SKIPPED) this.#catchUp();
    const { TILE, THREADS, ROW_LANES, UNIT_GROUPS } = layout.constants as Record<string, number>;
    const places = this.#placesOf(batches);
    gpu.write(this.#uniforms, 0, places);
    const encoder = gpu.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    for (let step = 0; step < batches.steps; step++) {
      const samples = places[(step * UNIFORM_STRIDE) / 4 + 1];
      pass.setBindGroup(0, this.#group, [step * UNIFORM_STRIDE]);
      pass.setPipeline(this.#pipelines.takeSamples);
      pass.dispatchWorkgroups(Math.ceil(samples / TILE));
      pass.setPipeline(this.#pipelines.update);
      pass.dispatchWorkgroups(UNIT_GROUPS + 1 + 2 * Math.ceil((samples * ROW_LANES) / THREADS));
    }
    pass.end();
    gpu.device.queue.submit([encoder.finish()]);
    this.#now += batches.steps;
    this.#steps += batches.steps;
  }

  /** STEP for each: first, samples, number, loss, rate. */
  #placesOf({ ratings, sentFrom, firstStep, steps, loss }: Batches): Uint32Array {
    const { batchSize } = this.#optimizer;
    const places = new Uint32Array((steps * UNIFORM_STRIDE) / 4);
    const rates = new Float32Array(places.buffer);
    for (let step = 0; step < steps; step++) {
      const at = (step * UNIFORM_STRIDE) / 4;
      const first = (firstStep + step) * batchSize;
      places[at] = first - sentFrom;
      places[at + 1] = Math.min(batchSize, ratings - first);
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
    await gpu.read(buffers.marks, Number(layout.constants.LOSSES_AT) * 4, losses);
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
    pass.setBindGroup(0, this.#group, [0]);
    for (const pipeline of [this.#pipelines.catchUpUsers, this.#pipelines.catchUpMovies]) {
      pass.setPipeline(pipeline);
      pass.dispatchWorkgroups(CATCH_UP_GROUPS);
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
