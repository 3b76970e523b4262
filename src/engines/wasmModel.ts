// A model in the memory of WebAssembly: what engines/cpuModel.ts asks, as calls on addresses.

import type { CpuModel } from './cpuModel.js';
import type { TopMovies, TopMoviesRequest } from './engine.js';
import { PAIRS_AT_ONCE, USERS_AT_ONCE } from './wasmScratch.js';
import type { Crew } from './wasmThreads.js';

/** The exports that the opening thread calls itself. */
export interface Kernels {
  __heap_base: WebAssembly.Global;
  model_bytes(config: number): number;
  model_open(model: number, config: number): void;
  tensor_write(model: number, tensor: number, part: number, values: number): void;
  tensor_read(model: number, tensor: number, part: number, values: number): void;
  steps_write(model: number, steps: number): void;
  steps_read(model: number): number;
  epoch_begin(model: number, rate: number): void;
}

/** Addresses in a memory that never grows. */
export interface WasmMemory {
  memory: WebAssembly.Memory;
  kernels: Kernels;
  /** Configuration, order and result of a call. */
  call: number;
  stacks: number;
  scratch: number;
  model: number;
  ratings: number;
}

type Numbers = Int32Array | Uint32Array | Float32Array;

export function openWasmModel(place: WasmMemory, crew: Crew, config: Float64Array, movies: number): CpuModel {
  const { memory, kernels, call, model, ratings, scratch } = place;
  const { buffer } = memory;
  new Float64Array(buffer, call, config.length).set(config);
  kernels.model_open(model, call);
  return {
    write(tensor, part, values) {
      new Float32Array(buffer, scratch, values.length).set(values);
      kernels.tensor_write(model, tensor, part, scratch);
    },
    read(tensor, part, values) {
      kernels.tensor_read(model, tensor, part, scratch);
      values.set(new Float32Array(buffer, scratch, values.length));
    },
    writeSteps: (steps) => kernels.steps_write(model, steps),
    readSteps: () => kernels.steps_read(model),
    setRatings({ userIndices, movieIndices, targets }) {
      const indices = new Int32Array(buffer, ratings, 3 * targets.length);
      const values = new Float32Array(buffer, ratings, 3 * targets.length);
      for (let i = 0; i < targets.length; i++) {
        indices[3 * i] = userIndices[i];
        indices[3 * i + 1] = movieIndices[i];
        values[3 * i + 2] = targets[i];
      }
    },
    async train({ learningRate, firstStep, steps, order, catchUp }) {
      const result = new Float64Array(buffer, call, 2).fill(0);
      new Uint32Array(buffer, call + 64, order.length).set(order);
      kernels.epoch_begin(model, learningRate);
      await crew.call('train', model, ratings, call + 64, firstStep, steps, call);
      if (catchUp) await crew.call('catch_up', model);
      return { squaredErrorSum: result[0], samples: result[1] };
    },
    predict: (userIndices, movieIndices) => predict(place, crew, userIndices, movieIndices),
    prepareScoring: () => crew.call('prepare_scoring', model),
    scoreMovies: (userIndices) => scoreMovies(place, crew, movies, userIndices),
    topMovies: (request) => topMovies({ buffer, model, scratch }, crew, movies, request),
    close: () => crew.close(),
  };
}

async function predict(
  { memory, scratch, model }: WasmMemory,
  crew: Crew,
  userIndices: Int32Array,
  movieIndices: Int32Array,
): Promise<Float32Array> {
  const outputs = new Float32Array(userIndices.length);
  const [users, movies, results] = [0, 1, 2].map((array) => scratch + array * 4 * PAIRS_AT_ONCE);
  for (let first = 0; first < outputs.length; first += PAIRS_AT_ONCE) {
    const count = Math.min(PAIRS_AT_ONCE, outputs.length - first);
    new Int32Array(memory.buffer, users, count).set(userIndices.subarray(first, first + count));
    new Int32Array(memory.buffer, movies, count).set(movieIndices.subarray(first, first + count));
    await crew.call('predict', model, users, movies, results, count);
    outputs.set(new Float32Array(memory.buffer, results, count), first);
  }
  return outputs;
}

async function scoreMovies(
  { memory, scratch, model }: WasmMemory,
  crew: Crew,
  movies: number,
  userIndices: Int32Array,
): Promise<Float32Array> {
  const scores = new Float32Array(userIndices.length * movies);
  const results = scratch + 64;
  for (let first = 0; first < userIndices.length; first += USERS_AT_ONCE) {
    const block = userIndices.subarray(first, first + USERS_AT_ONCE);
    new Int32Array(memory.buffer, scratch, block.length).set(block);
    await crew.call('score_movies', model, scratch, block.length, results);
    scores.set(new Float32Array(memory.buffer, results, block.length * movies), first * movies);
  }
  return scores;
}

async function topMovies(
  { buffer, model, scratch }: { buffer: ArrayBufferLike; model: number; scratch: number },
  crew: Crew,
  movies: number,
  request: TopMoviesRequest,
): Promise<TopMovies> {
  const { userIndices, n, offset, allowed, afterScores, afterIndices } = request;
  const words = Math.ceil(movies / 32);
  // A row never has more places than there are movies.
  const places = Math.min(n, movies);
  const top: TopMovies = {
    counts: new Int32Array(userIndices.length),
    movieIndices: new Int32Array(userIndices.length * n),
    scores: new Float32Array(userIndices.length * n),
  };
  for (let first = 0; first < userIndices.length; first += USERS_AT_ONCE) {
    const last = Math.min(first + USERS_AT_ONCE, userIndices.length);
    const area = new Area(buffer, scratch);
    const inputs = [
      area.put(userIndices.subarray(first, last)),
      area.put(allowed.subarray(first * words, last * words)),
      area.put(afterScores.subarray(first, last)),
      area.put(afterIndices.subarray(first, last)),
    ];
    const outputs = [last - first, (last - first) * places, (last - first) * places].map((length) =>
      area.take(length),
    );
    await crew.call(
      ...(['top_movies', model, inputs[0], last - first, places, offset] as const),
      ...[...inputs.slice(1), ...outputs],
    );
    copyPlaces(buffer, outputs, { first, last, n, places }, top);
  }
  return top;
}

function copyPlaces(
  buffer: ArrayBufferLike,
  [counts, movieIndices, scores]: number[],
  { first, last, n, places }: { first: number; last: number; n: number; places: number },
  top: TopMovies,
): void {
  top.counts.set(new Int32Array(buffer, counts, last - first), first);
  for (let user = first; user < last; user++) {
    const at = (user - first) * places * 4;
    top.movieIndices.set(new Int32Array(buffer, movieIndices + at, places), user * n);
    top.scores.set(new Float32Array(buffer, scores + at, places), user * n);
  }
}

/** Hands out the scratch from its beginning. */
class Area {
  readonly #buffer: ArrayBufferLike;
  #at: number;

  constructor(buffer: ArrayBufferLike, at: number) {
    this.#buffer = buffer;
    this.#at = at;
  }

  take(length: number): number {
    const address = this.#at;
    this.#at += Math.ceil((length * 4) / 64) * 64;
    return address;
  }

  put(values: Numbers): number {
    const address = this.take(values.length);
    new Int32Array(this.#buffer, address, values.length).set(
      new Int32Array(values.buffer, values.byteOffset, values.length),
    );
    return address;
  }
}
