// Predictions on the device: raw outputs of pairs, or of every movie for some users, in pieces that its buffers hold.

import type { Gpu } from './device.js';
import type { GpuTensors } from './model.js';
import { bindGroup, type Program, predictionProgram, UNIFORM_STRIDE } from './shaders.js';

/** Outputs of a piece, which are computed before they are read: at most so many. */
const MOST_OUTPUTS = 2 ** 18;
/** Workgroups of a dispatch; every device takes 65,535. */
const MOST_GROUPS = 32_768;

interface Request {
  /** Users and movies one after the other; or the users, of whom every movie is asked. */
  pairs: Int32Array;
  /** Movies of each user; 0: pairs. */
  movies: number;
  /** Steps after which rows are to stand. */
  now: number;
}

export class Predictions {
  readonly #gpu: Gpu;
  readonly #movies: number;
  readonly #tile: number;
  readonly #piece: number;
  readonly #program: Program;
  /** Compiled when it is first needed: many trainers never predict. */
  #pipeline: GPUComputePipeline | null = null;
  readonly #requests: GPUBuffer;
  readonly #pairs: GPUBuffer;
  /** Of the last piece. */
  readonly outputs: GPUBuffer;
  readonly #group: GPUBindGroup;

  constructor({ gpu, plan, layout, buffers }: GpuTensors, create: Gpu['createBuffer']) {
    this.#gpu = gpu;
    this.#movies = plan.shape.movies;
    this.#tile = Number(layout.constants.TILE);
    // A pair is 8 bytes.
    this.#piece = Math.min(MOST_OUTPUTS, Math.floor(gpu.limits.bindingBytes / 8));
    this.#program = predictionProgram(gpu, layout);
    const dispatches = Math.ceil(this.#piece / (MOST_GROUPS * this.#tile));
    this.#requests = create('requests', dispatches * UNIFORM_STRIDE, 'uniform');
    this.#pairs = create('pairs', 2 * this.#piece * 4, 'storage');
    this.outputs = create('outputs', this.#piece * 4, 'storage');
    const own = { pairs: this.#pairs, outputs: this.outputs };
    this.#group = bindGroup(gpu, this.#program, this.#requests, { ...buffers, ...own });
  }

  /** How many users' scores of every movie it keeps at a time. */
  get usersAtOnce(): number {
    return Math.floor(this.#piece / this.#movies);
  }

  /** Leaves the scores of at most `usersAtOnce` users of a scorer in `outputs`. */
  encodeScores(encoder: GPUCommandEncoder, users: Int32Array): void {
    this.#encode(encoder, users.length * this.#movies, 0, { pairs: users, movies: this.#movies, now: 0 });
  }

  async predict(users: Int32Array, movies: Int32Array, now: number): Promise<Float32Array> {
    const outputs = new Float32Array(users.length);
    for (let at = 0; at < users.length; at += this.#piece) {
      const piece = outputs.subarray(at, at + this.#piece);
      const pairs = new Int32Array(2 * piece.length);
      pairs.set(users.subarray(at, at + this.#piece));
      pairs.set(movies.subarray(at, at + this.#piece), piece.length);
      await this.#fill(piece, 0, { pairs, movies: 0, now });
    }
    return outputs;
  }

  /** (B × M). */
  async scoreMovies(users: Int32Array, now: number): Promise<Float32Array> {
    const M = this.#movies;
    const scores = new Float32Array(users.length * M);
    const block = Math.max(1, Math.floor(this.#piece / M));
    for (let user = 0; user < users.length; user += block) {
      const pairs = users.subarray(user, user + block);
      const ofBlock = scores.subarray(user * M, (user + block) * M);
      for (let at = 0; at < ofBlock.length; at += this.#piece) {
        await this.#fill(ofBlock.subarray(at, at + this.#piece), at, { pairs, movies: M, now });
      }
    }
    return scores;
  }

  /** Outputs from `base` on, at most a piece. */
  async #fill(outputs: Float32Array, base: number, request: Request): Promise<void> {
    const encoder = this.#gpu.device.createCommandEncoder();
    this.#encode(encoder, outputs.length, base, request);
    this.#gpu.device.queue.submit([encoder.finish()]);
    await this.#gpu.read(this.outputs, 0, outputs);
  }

  #encode(encoder: GPUCommandEncoder, length: number, base: number, { pairs, movies, now }: Request): void {
    this.#gpu.check();
    const perDispatch = MOST_GROUPS * this.#tile;
    const dispatches = Math.ceil(length / perDispatch);
    const requests = new Uint32Array((dispatches * UNIFORM_STRIDE) / 4);
    const pass = encoder.beginComputePass();
    this.#pipeline ??= this.#program.pipeline('predict', 'predict');
    pass.setPipeline(this.#pipeline);
    for (let dispatch = 0; dispatch < dispatches; dispatch++) {
      const first = dispatch * perDispatch;
      const count = Math.min(perDispatch, length - first);
      requests.set([base, first, count, movies, pairs.length / 2, now], (dispatch * UNIFORM_STRIDE) / 4);
      pass.setBindGroup(0, this.#group, [dispatch * UNIFORM_STRIDE]);
      pass.dispatchWorkgroups(Math.ceil(count / this.#tile));
    }
    pass.end();
    this.#gpu.write(this.#requests, 0, requests);
    this.#gpu.write(this.#pairs, 0, pairs);
  }
}
