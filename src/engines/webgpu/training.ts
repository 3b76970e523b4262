// Steps on the device. Two dispatches each, hundreds in one submission; the device counts them (step.wgsl), so that the host has nothing to
// compute and nothing to bind for a step.
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
import { LOSSES, MOST_STEPS } from './layout.js';
import type { GpuTensors } from './model.js';
import { notesAt } from './pieces.js';
import { bindGroup, GATHER_KEYS_AT, gatherProgram, stepProgram, UNIFORM_STRIDE } from './shaders.js';
import { MOST_SKIPPED, skipTables } from './skips.js';
import { RatingStream } from './stream.js';

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

export class Training {
  readonly #tensors: GpuTensors;
  readonly #optimizer: OptimizerSettings;
  /** SUBMISSION, and GATHER. */
  readonly #uniforms: GPUBuffer;
  /** Of all pipelines but `gather`. */
  readonly #group: GPUBindGroup;
  readonly #pipelines: Record<
    'takeSamples' | 'update' | 'catchUpUsers' | 'catchUpMovies',
    GPUComputePipeline
  >;
  /** By the device, or by the host. */
  readonly #gather: { pipeline: GPUComputePipeline; group: GPUBindGroup } | RatingStream;
  #learningRate = Number.NaN;
  #steps = 0;
  /** Since the last catch-up. */
  #now = 0;
  #skips: Float32Array = new Float32Array(0);

  constructor(tensors: GpuTensors, optimizer: OptimizerSettings, create: Gpu['createBuffer']) {
    const { gpu, layout, buffers } = tensors;
    this.#tensors = tensors;
    this.#optimizer = optimizer;
    this.#uniforms = create('steps', 2 * UNIFORM_STRIDE, 'uniform');
    const program = stepProgram(gpu, layout);
    this.#group = bindGroup(gpu, program, this.#uniforms, buffers);
    this.#pipelines = {
      takeSamples: program.pipeline('samples', 'take_samples'),
      update: program.pipeline('update', 'update'),
      catchUpUsers: program.pipeline('update', 'catch_up_users'),
      catchUpMovies: program.pipeline('update', 'catch_up_movies'),
    };
    this.#gather =
      layout.ratings.length > 0
        ? this.#openGather()
        : new RatingStream(gpu, buffers.upcoming, layout.upcoming);
  }

  #openGather() {
    const { gpu, layout, buffers } = this.#tensors;
    const program = gatherProgram(gpu, layout);
    return {
      pipeline: program.pipeline('gather', 'gather'),
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
    const { TILE, UPDATE_THREADS, ROW_LANES, UNIT_GROUPS } = layout.constants as Record<string, number>;
    const { takeSamples, update } = this.#pipelines;
    const { batchSize } = this.#optimizer;
    const first = batches.firstStep * batchSize;
    const samples = Math.min(order[0] - first, batches.steps * batchSize);
    this.#writeSubmission(batches, samples);
    const encoder = gpu.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    this.#encodeGather(pass, order, first, samples);
    pass.setBindGroup(0, this.#group, [0]);
    for (let at = 0; at < samples; at += batchSize) {
      const ofStep = Math.min(batchSize, samples - at);
      pass.setPipeline(takeSamples);
      pass.dispatchWorkgroups(Math.ceil(ofStep / TILE));
      pass.setPipeline(update);
      pass.dispatchWorkgroups(UNIT_GROUPS + 1 + 2 * Math.ceil((ofStep * ROW_LANES) / UPDATE_THREADS));
    }
    pass.end();
    gpu.device.queue.submit([encoder.finish()]);
    this.#now += batches.steps;
    this.#steps += batches.steps;
  }

  #writeSubmission({ steps, loss }: Batches, samples: number): void {
    const { gpu, layout, buffers } = this.#tensors;
    const submission = Uint32Array.of(samples, this.#now + 1, loss, 0);
    new Float32Array(submission.buffer)[3] = this.#learningRate;
    gpu.write(this.#uniforms, 0, submission);
    gpu.write(buffers.dense, Number(layout.constants.FINISHED_AT) * 4, Float32Array.of(0));
    if (this.#optimizer.kind !== 'adam') return;
    gpu.write(
      buffers.skips,
      0,
      Float32Array.from({ length: steps }, (_, n) => this.#rateOf(this.#steps + n + 1)),
    );
  }

  /** The ratings at positions first … first + samples of the epoch, in that order. */
  #encodeGather(pass: GPUComputePassEncoder, order: Uint32Array, first: number, samples: number): void {
    if (this.#gather instanceof RatingStream) {
      this.#gather.send(order, first, samples);
      return;
    }
    const request = new Uint32Array(UNIFORM_STRIDE / 4);
    // Count of ratings and radices; then the keys.
    request.set([first, samples, ...order.subarray(0, 3)]);
    request.set(order.subarray(3), GATHER_KEYS_AT / 4);
    this.#tensors.gpu.write(this.#uniforms, UNIFORM_STRIDE, request);
    pass.setBindGroup(0, this.#gather.group, [UNIFORM_STRIDE]);
    pass.setPipeline(this.#gather.pipeline);
    pass.dispatchWorkgroups(GROUPS);
  }

  /** How far adam's step t goes, its correction of bias included. */
  #rateOf(t: number): number {
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
    gpu.write(this.#uniforms, 0, Uint32Array.of(0, this.#now));
    const encoder = gpu.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setBindGroup(0, this.#group, [0]);
    for (const pipeline of [this.#pipelines.catchUpUsers, this.#pipelines.catchUpMovies]) {
      pass.setPipeline(pipeline);
      pass.dispatchWorkgroups(GROUPS);
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
