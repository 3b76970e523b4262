// The best movies on the device: outputs stay there, and some more candidates than places come back. The host adds the offset as all engines
// do, in float64, and sorts. Where candidates beyond those could share the last place's score, which rounding may make, it says so.

import { wordsOf } from '../bitmap.js';
import type { TopMovies, TopMoviesRequest } from '../engine.js';
import { offer, type Places } from '../places.js';
import type { Gpu } from './device.js';
import type { GpuTensors } from './model.js';
import type { Predictions } from './predictions.js';
import { bindGroup, type Program, topProgram, UNIFORM_STRIDE } from './shaders.js';

/** Candidates beyond the places: so many scores next to each other are rarely one after rounding. */
const SPARE = 32;
/** Of a user; longer lists are the host's. */
const MOST_CANDIDATES = 1024;
/** Users of a submission. */
const MOST_USERS = 64;
/** Numbers of a user: bounds; and picks, but for the two of each candidate. */
const BOUNDS = 3;

export class TopLists {
  readonly #gpu: Gpu;
  readonly #movies: number;
  readonly #words: number;
  readonly #predictions: Predictions;
  readonly #program: Program;
  readonly #pipeline: GPUComputePipeline;
  readonly #users: number;
  readonly #buffers: Record<'request' | 'allowed' | 'bounds' | 'picks', GPUBuffer>;
  readonly #group: GPUBindGroup;

  /** Users at a time; 0: the device has no room for a list. */
  static usersAtOnce({ gpu, plan }: GpuTensors, predictions: Predictions): number {
    const { bindingBytes } = gpu.limits;
    const own = 4 * Math.max(wordsOf(plan.shape.movies), 1 + 2 * MOST_CANDIDATES);
    return Math.min(MOST_USERS, predictions.usersAtOnce, Math.floor(bindingBytes / own));
  }

  constructor(tensors: GpuTensors, predictions: Predictions, create: Gpu['createBuffer']) {
    const { gpu, plan, layout } = tensors;
    this.#gpu = gpu;
    this.#movies = plan.shape.movies;
    this.#words = wordsOf(this.#movies);
    this.#predictions = predictions;
    this.#users = TopLists.usersAtOnce(tensors, predictions);
    this.#program = topProgram(gpu, layout);
    this.#pipeline = this.#program.pipeline('top', 'top');
    const numbers = (what: string, each: number) => create(what, 4 * each * this.#users, 'storage');
    this.#buffers = {
      request: create('the request of top movies', UNIFORM_STRIDE, 'uniform'),
      allowed: numbers('the movies that are allowed', this.#words),
      bounds: numbers('the bounds of scores', BOUNDS),
      picks: numbers('the top movies', 1 + 2 * MOST_CANDIDATES),
    };
    const { request, ...own } = this.#buffers;
    const buffers = { ...own, outputs: predictions.outputs };
    this.#group = bindGroup(gpu, this.#program, request, buffers);
  }

  static has({ n }: Pick<TopMoviesRequest, 'n'>): boolean {
    return n + SPARE <= MOST_CANDIDATES;
  }

  /** As Scorer.topMovies; and the places in the request of the users whose lists may be wrong. */
  async find(request: TopMoviesRequest): Promise<{ top: TopMovies; unsure: number[] }> {
    const { userIndices, n } = request;
    const B = userIndices.length;
    const top = {
      counts: new Int32Array(B),
      movieIndices: new Int32Array(B * n),
      scores: new Float32Array(B * n),
    };
    const unsure: number[] = [];
    const places = Math.min(n + SPARE, this.#movies);
    for (let first = 0; first < B; first += this.#users) {
      const count = Math.min(this.#users, B - first);
      const picks = await this.#pick(request, first, count, places);
      const length = picks.length / count;
      for (let b = 0; b < count; b++) {
        const own = picks.subarray(b * length, (b + 1) * length);
        if (!fill(top, first + b, request, { movies: this.#movies, places }, own)) unsure.push(first + b);
      }
    }
    return { top, unsure };
  }

  /** (count × (1 + 2·places)): how many, then movies and the bits of their outputs. */
  async #pick(
    { userIndices, offset, allowed, afterScores, afterIndices }: TopMoviesRequest,
    first: number,
    count: number,
    places: number,
  ): Promise<Uint32Array> {
    const { device } = this.#gpu;
    const words = this.#words;
    const bounds = new Uint32Array(BOUNDS * count);
    for (let b = 0; b < count; b++) {
      const keys = boundsOf(afterScores[first + b], offset);
      bounds.set([...keys, Math.max(0, afterIndices[first + b] + 1)], BOUNDS * b);
    }
    this.#gpu.write(this.#buffers.bounds, 0, bounds);
    this.#gpu.write(this.#buffers.allowed, 0, allowed.subarray(first * words, (first + count) * words));
    this.#gpu.write(this.#buffers.request, 0, Uint32Array.of(this.#movies, places));
    const encoder = device.createCommandEncoder();
    this.#predictions.encodeScores(encoder, userIndices.subarray(first, first + count));
    const pass = encoder.beginComputePass();
    pass.setPipeline(this.#pipeline);
    pass.setBindGroup(0, this.#group, [0]);
    pass.dispatchWorkgroups(count);
    pass.end();
    device.queue.submit([encoder.finish()]);
    const picks = new Uint32Array(count * (1 + 2 * places));
    await this.#gpu.read(this.#buffers.picks, 0, picks);
    return picks;
  }
}

/** Writes user b's list; false: movies that the device left out may belong to it. */
function fill(
  { counts, movieIndices, scores }: TopMovies,
  b: number,
  { n, offset, afterScores, afterIndices }: TopMoviesRequest,
  { movies, places }: { movies: number; places: number },
  picks: Uint32Array,
): boolean {
  const own: Places = {
    count: 0,
    scores: scores.subarray(b * n, (b + 1) * n),
    movieIndices: movieIndices.subarray(b * n, (b + 1) * n),
  };
  const after = { score: afterScores[b], index: afterIndices[b] };
  const outputs = new Float32Array(picks.buffer, picks.byteOffset, picks.length);
  let lowest = Number.POSITIVE_INFINITY;
  for (let i = 0; i < picks[0]; i++) {
    const score = Math.fround(outputs[2 + 2 * i] + offset);
    lowest = Math.min(lowest, score);
    offer(own, after, score, picks[1 + 2 * i]);
  }
  counts[b] = own.count;
  return picks[0] < places || places === movies || own.scores[own.count - 1] > lowest;
}

/**
 * Keys of raw outputs (top.wgsl): those below the first come after the score, those up to the second no earlier than with it.
 * Adding and rounding keep the order of outputs, so the keys can be searched by halves.
 */
function boundsOf(score: number, offset: number): [after: number, tied: number] {
  // The first key whose score is `score` or more; the last whose score is at most that.
  const first = firstKey((served) => served >= score, offset);
  return [first, firstKey((served) => served > score, offset) - 1];
}

const LOWEST_KEY = 0x007f_ffff;
const HIGHEST_KEY = 0xff80_0000;

/** Of −∞ … ∞, the first for whose score it is so; one past the last where for none. */
function firstKey(isSo: (served: number) => boolean, offset: number): number {
  let [low, high] = [LOWEST_KEY, HIGHEST_KEY + 1];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (isSo(Math.fround(outputOf(middle) + offset))) high = middle;
    else low = middle + 1;
  }
  return low;
}

const keyBits = new Uint32Array(1);
const keyOutput = new Float32Array(keyBits.buffer);

function outputOf(key: number): number {
  keyBits[0] = key >= 0x8000_0000 ? key - 0x8000_0000 : ~key;
  return keyOutput[0];
}
