// Samplers on the kernels of engines/cpu, the same for the addon and for WebAssembly: the state in the padded rows of the kernels, calls
// one after another. The names and their order are those of engines/cpu/kernel.h.

import { predictPairs } from './cpuModel.js';
import type { ModelShape, Parameters, Tensor } from './engine.js';
import { randomStream, STREAMS } from './random.js';
import { type RatingsOfSide, viewByUser } from './ratingsBySide.js';
import { startScalars, startTensors } from './samplerStart.js';
import { sizeOf } from './shape.js';
import {
  checkSampler,
  isOfPosterior,
  meanParameters,
  noAttributes,
  type Posterior,
  posteriorOf,
  type Sampler,
  type SamplerOptions,
  type SamplerState,
  SCALARS_OF_STATE,
  SIDES,
  SWEEP_PRIORS,
  SWEEP_SHRINK,
  type SweepResult,
  samplerTensorShapes,
} from './sweeps.js';
import { Turns } from './turns.js';

export type SamplerArray = Int32Array | Float32Array | Float64Array;

/** A sampler in the memory of the kernels. One call at a time. */
export interface CpuSampler {
  write(place: number, values: SamplerArray): void;
  /** Fills `values`. */
  read(place: number, values: SamplerArray): void;
  /** Once, when the attributes are written. Reads the ratings in place for as long as it is open, or copies them. */
  ready(byUser: RatingsOfSide): void;
  sweep(number: number): Promise<Omit<SweepResult, 'samples'>>;
  predict(userIndices: Int32Array, movieIndices: Int32Array): Promise<Float32Array>;
  close(): Promise<void>;
}

export interface SamplerDevice {
  threads: number;
  /** @throws when there is no memory for one */
  openSampler(config: Float64Array): Promise<CpuSampler>;
}

/** As PAD in engines/cpu/equations.h. */
const PAD = 16;
const PLACES = [
  ...(['rows', 'priors', 'links', 'means', 'precisions'] as const),
  ...(['variances', 'noises', 'tastes', 'attributeStarts', 'holders', 'attributes'] as const),
];
const SCALARS = SIDES.length * PLACES.length;

/** name: "user_rows". */
function placeOf(name: string): number {
  const [side, what] = name.split('_');
  return SIDES.indexOf(side as 'user') * PLACES.length + PLACES.indexOf(what as 'rows');
}

export async function openCpuSampler(device: SamplerDevice, options: SamplerOptions): Promise<Sampler> {
  checkSampler(options);
  const { shape, ratings, state } = options;
  const sampler = await device.openSampler(configOf(device, options));
  const attributes = options.attributes ?? noAttributes();
  for (const side of SIDES) {
    sampler.write(placeOf(`${side}_attributeStarts`), attributes[side].starts);
    sampler.write(placeOf(`${side}_holders`), attributes[side].holders);
  }
  sampler.ready(viewByUser(ratings, shape.users));
  sampler.write(SCALARS, state?.scalars ?? startScalars());
  for (const tensor of state?.tensors ?? startTensors(options))
    sampler.write(placeOf(tensor.name), padded(tensor));
  return new KernelSampler(sampler, options, state?.sweeps ?? 0);
}

function configOf(
  { threads }: SamplerDevice,
  { shape, ratings, attributes = noAttributes(), burnIn, seed }: SamplerOptions,
): Float64Array {
  const { firstKey, secondKey } = randomStream(seed, STREAMS.sweeps);
  const { wishartScale, meanWeight, precisionShape } = SWEEP_PRIORS;
  return Float64Array.of(
    ...[shape.users, shape.movies, shape.embeddingWidth, ratings.targets.length, threads, burnIn],
    ...[firstKey >>> 0, secondKey >>> 0, wishartScale, meanWeight, precisionShape, SWEEP_SHRINK],
    ...SIDES.map((side) => attributes[side].starts.length - 1),
    ...SIDES.map((side) => attributes[side].holders.length),
  );
}

function paddedWidth(columns: number): number {
  return Math.ceil(columns / PAD) * PAD;
}

/** A table with its rows padded, a vector as it is. */
function padded({ shape: [count, columns], values }: Tensor): Float32Array {
  if (columns === undefined) return values;
  const width = paddedWidth(columns);
  if (width === columns) return values;
  const result = new Float32Array(count * width);
  for (let row = 0; row < count; row++)
    result.set(values.subarray(row * columns, (row + 1) * columns), row * width);
  return result;
}

function readTensor(sampler: CpuSampler, name: string, shape: readonly number[]): Tensor {
  const values = new Float32Array(sizeOf(shape));
  const [count, columns] = shape;
  if (columns === undefined || paddedWidth(columns) === columns) {
    sampler.read(placeOf(name), values);
    return { name, shape, values };
  }
  const width = paddedWidth(columns);
  const rows = new Float32Array(count * width);
  sampler.read(placeOf(name), rows);
  for (let row = 0; row < count; row++)
    values.set(rows.subarray(row * width, row * width + columns), row * columns);
  return { name, shape, values };
}

class KernelSampler implements Sampler {
  readonly #turns: Turns<CpuSampler>;
  readonly #shape: ModelShape;
  readonly #tensors: ReturnType<typeof samplerTensorShapes>;
  readonly #samples: number;
  #sweeps: number;

  constructor(sampler: CpuSampler, { shape, ratings, attributes }: SamplerOptions, sweeps: number) {
    this.#turns = new Turns('sampler', sampler);
    this.#shape = shape;
    this.#tensors = samplerTensorShapes(shape, attributes);
    this.#samples = ratings.targets.length;
    this.#sweeps = sweeps;
  }

  sweep(): Promise<SweepResult> {
    return this.#turns.take(async (sampler) => {
      const result = await sampler.sweep(this.#sweeps + 1);
      this.#sweeps++;
      return { ...result, samples: this.#samples };
    });
  }

  predict(userIndices: Int32Array, movieIndices: Int32Array): Promise<Float32Array> {
    return this.#turns.take((sampler) => predictPairs(sampler, this.#shape, userIndices, movieIndices));
  }

  parameters(): Promise<Parameters> {
    return this.#turns.take((sampler) =>
      meanParameters(
        this.#shape,
        this.#read(sampler, (name) => name.endsWith('_means')),
      ),
    );
  }

  posterior(): Promise<Posterior> {
    return this.#turns.take((sampler) => posteriorOf(this.#read(sampler, isOfPosterior)));
  }

  state(): Promise<SamplerState> {
    return this.#turns.take((sampler) => this.#read(sampler, () => true));
  }

  close(): Promise<void> {
    return this.#turns.close();
  }

  #read(sampler: CpuSampler, isWanted: (name: string) => boolean): SamplerState {
    const scalars = new Float64Array(SCALARS_OF_STATE);
    sampler.read(SCALARS, scalars);
    const shapes = this.#tensors.filter(({ name }) => isWanted(name));
    return {
      ...{ sweeps: this.#sweeps, scalars },
      tensors: shapes.map(({ name, shape }) => readTensor(sampler, name, shape)),
    };
  }
}
