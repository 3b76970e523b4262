// What the tests of engines share: small models and ratings, training them, and comparing what came of it.

import type {
  Engine,
  EngineDoor,
  ModelShape,
  OptimizerState,
  Parameters,
  TrainerOptions,
  TrainingRatings,
} from '#src/engines/engine.js';
import { initialParameters } from '#src/engines/init.js';
import { nativeDoorFor } from '#src/engines/native.js';
import { checkEngine, ENGINE_DOORS } from '#src/engines/open.js';
import { randomStream, randomUnit } from '#src/engines/random.js';
import { wasmDoor } from '#src/engines/wasm.js';
import { bitsOf } from './bits.js';

const SETTINGS = { threads: 2 };

export interface Tolerance {
  absolute: number;
  relative: number;
}

// The reference sums in float64, the engines in float32 (unit roundoff 6e-8) and in another order. One step loses a few
// roundings; 52 steps with momentum 0.9 gather up to ten times each. Measured on the tfjs engines: at most 0.17 of the bound.
export const ONE_STEP: Tolerance = { absolute: 2e-6, relative: 1e-5 };
export const MANY_STEPS: Tolerance = { absolute: 2e-5, relative: 1e-4 };

export interface ProbedEngine {
  door: EngineDoor;
  /** Why it cannot run here, or null. */
  reason: string | null;
  engine: Engine | null;
}

export async function openEngines(
  doors: readonly EngineDoor[] = ENGINE_DOORS,
  settings = SETTINGS,
): Promise<ProbedEngine[]> {
  const engines: ProbedEngine[] = [];
  for (const door of doors) {
    const { available, reason } = await door.probe(settings);
    engines.push({ door, reason, engine: available ? await door.open(settings) : null });
  }
  return engines;
}

/** Of this kind of processor; one that lacks a set is a skipped test that says so. */
const INSTRUCTION_SETS = process.arch === 'x64' ? ['AVX-512', 'AVX2', 'SSE2'] : ['NEON'];
/** `native` once for each instruction set, forced; and `wasm`. */
export const CPU_DOORS: readonly EngineDoor[] = [...INSTRUCTION_SETS.map(nativeDoorFor), wasmDoor];

/** Every way to run every engine: the doors above and the other engines. The number of threads changes no bit: engines.threads.test.ts. */
export async function openAllWays(): Promise<ProbedEngine[]> {
  const others = ENGINE_DOORS.filter(({ name }) => CPU_DOORS.every((door) => door.name !== name));
  return [...(await openEngines(CPU_DOORS)), ...(await openEngines(others))];
}

/** Those that can run here, for describe.each; the others become a skipped test with the reason in its name. */
export function runnableOf(probed: ProbedEngine[]): { name: string; door: EngineDoor; engine: Engine }[] {
  const absent = probed.filter(({ engine }) => !engine);
  for (const what of new Set(absent.map(({ door, reason }) => `${door.name} cannot run here: ${reason}`))) {
    test.skip(what, () => {});
  }
  return probed.flatMap(({ door, engine }) =>
    engine ? [{ name: `${door.name} (${engine.device})`, door, engine }] : [],
  );
}

export function aShape(changes: Partial<ModelShape> = {}): ModelShape {
  return { users: 40, movies: 30, embeddingWidth: 3, hiddenLayers: [8], ...changes };
}

/** "K 3, hidden 8,6, biases, dot product" */
export function describeShape({ embeddingWidth, hiddenLayers, biases, dotProduct }: ModelShape): string {
  const parts = [
    `K ${embeddingWidth}`,
    hiddenLayers.length > 0 && `hidden ${hiddenLayers}`,
    biases && 'biases',
    dotProduct && 'dot product',
  ];
  return parts.filter(Boolean).join(', ');
}

/** Ratings of ±2 by all users and movies but the last of each. */
export function someRatings({ users, movies }: ModelShape, count: number, seed = 1): TrainingRatings {
  const draw = (stream: number, below: number) =>
    Array.from({ length: count }, (_, i) => Math.floor(below * randomUnit(randomStream(seed, stream), i)));
  return {
    userIndices: Int32Array.from(draw(100, users - 1)),
    movieIndices: Int32Array.from(draw(101, movies - 1)),
    targets: Float32Array.from(draw(102, 9), (step) => step / 2 - 2),
  };
}

/** Larger than Keras starts with, so that all parts of the model matter within a few steps. */
export function someParameters(shape: ModelShape, scale = 4): Parameters {
  return initialParameters(shape, 3).map((tensor, index) => ({
    ...tensor,
    values: tensor.name.endsWith('_biases')
      ? tensor.values.map((_, i) => 0.1 + 0.05 * ((i + index) % 3))
      : tensor.values.map((value) => (tensor.name.endsWith('_embeddings') ? scale * value : value)),
  }));
}

/** Of the epochs of someOptions(): four steps of 16 ratings, and one of 8. A driver in software takes up to half a second for a step. */
export const EPOCH_STEPS = 5;

export function someOptions(changes: Partial<TrainerOptions> & { count?: number } = {}): TrainerOptions {
  const shape = changes.shape ?? aShape();
  return {
    shape,
    parameters: someParameters(shape),
    optimizer: { learningRate: 0.05, momentum: 0.9, batchSize: 16 },
    ratings: someRatings(shape, changes.count ?? 72),
    seed: 5,
    ...changes,
  };
}

export type Work = [epoch: number, firstStep: number, steps: number][];

export interface Outcome {
  parameters: Parameters;
  state: OptimizerState;
  squaredErrorSum: number;
  samples: number;
}

export async function trained(engine: Engine, options: TrainerOptions, work: Work): Promise<Outcome> {
  const trainer = await engine.openTrainer(options);
  const outcome = { squaredErrorSum: 0, samples: 0 };
  for (const [epoch, firstStep, steps] of work) {
    const result = await trainer.train(epoch, firstStep, steps);
    outcome.squaredErrorSum += result.squaredErrorSum;
    outcome.samples += result.samples;
  }
  const [parameters, state] = [await trainer.parameters(), await trainer.state()];
  await trainer.close();
  return { ...outcome, parameters, state };
}

/** All steps of the first `epochs` epochs. */
export function wholeEpochs({ ratings, optimizer }: TrainerOptions, epochs: number): Work {
  const steps = Math.ceil(ratings.targets.length / optimizer.batchSize);
  return Array.from({ length: epochs }, (_, epoch) => [epoch, 0, steps]);
}

/** Gradients of the batch mean, with L2: w₀ − w₁ of one step of sgd with rate 1 and no momentum. */
export async function gradientsOf(engine: Engine, options: TrainerOptions): Promise<Parameters> {
  const { batchSize, l2 } = options.optimizer;
  const optimizer = { learningRate: 1, momentum: 0, batchSize, l2 };
  const { parameters } = await trained(engine, { ...options, optimizer }, [[0, 0, 1]]);
  return parameters.map((after, index) => ({
    ...after,
    values: after.values.map((value, i) => options.parameters[index].values[i] - value),
  }));
}

/** The largest |a − e| / (absolute + relative·|e|): at most 1 is within the tolerance. */
export function worstError(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: Tolerance,
): number {
  expect(actual.length).toBe(expected.length);
  return Array.from(expected).reduce((worst, e, i) => {
    const error = Math.abs(actual[i] - e) / (tolerance.absolute + tolerance.relative * Math.abs(e));
    return Number.isNaN(error) ? Number.POSITIVE_INFINITY : Math.max(worst, error);
  }, 0);
}

export function expectClose(actual: Parameters, expected: Parameters, tolerance: Tolerance): void {
  expect(actual.map(({ name, shape }) => ({ name, shape }))).toEqual(
    expected.map(({ name, shape }) => ({ name, shape })),
  );
  const errors = actual.map(({ name, values }, index) => ({
    name,
    error: worstError(values, expected[index].values, tolerance),
  }));
  expect(errors.filter(({ error }) => error > 1)).toEqual([]);
}

/** Parameters, state and losses. */
export function expectCloseOutcome(actual: Outcome, expected: Outcome, tolerance: Tolerance): void {
  expectClose(actual.parameters, expected.parameters, tolerance);
  expect(actual.state.steps).toBe(expected.state.steps);
  expect(actual.state.moments.length).toBe(expected.state.moments.length);
  for (const [index, moment] of actual.state.moments.entries())
    expectClose(moment, expected.state.moments[index], tolerance);
  expect(actual.samples).toBe(expected.samples);
  expect(worstError([actual.squaredErrorSum], [expected.squaredErrorSum], tolerance)).toBeLessThan(1);
}

export function expectSameBits(actual: Outcome, expected: Outcome): void {
  expect(bitsOf(actual.parameters)).toEqual(bitsOf(expected.parameters));
  expect(actual.state.steps).toBe(expected.state.steps);
  expect(actual.state.moments.map(bitsOf)).toEqual(expected.state.moments.map(bitsOf));
}

export function valuesOf(parameters: Parameters, name: string): Float32Array {
  return parameters.find((tensor) => tensor.name === name)!.values;
}

/** Two groups of users, two of movies: a user likes the movies of their own group (+1) and dislikes the others (−1). */
function aCheckerboard(): TrainingRatings {
  const pairs = Array.from({ length: 8 * 8 }, (_, i) => ({ user: i >> 3, movie: i & 7 }));
  return {
    userIndices: Int32Array.from(pairs, ({ user }) => user),
    movieIndices: Int32Array.from(pairs, ({ movie }) => movie),
    targets: Float32Array.from(pairs, ({ user, movie }) => (user < 4 === movie < 4 ? 1 : -1)),
  };
}

/** The largest error of a model of this shape after 80 epochs of the checkerboard, of one step each. */
export async function checkerboardError(
  engine: Engine,
  changes: Partial<ModelShape> = { hiddenLayers: [16] },
): Promise<number> {
  const shape = aShape({ users: 8, movies: 8, embeddingWidth: 4, ...changes });
  const optimizer = { learningRate: 0.4, momentum: 0.8, batchSize: 64 };
  const ratings = aCheckerboard();
  const parameters = initialParameters(shape, 1);
  const trainer = await engine.openTrainer({ shape, parameters, optimizer, ratings, seed: 1 });
  for (let epoch = 0; epoch < 80; epoch++) await trainer.train(epoch, 0, 1);
  const predicted = await trainer.predict(ratings.userIndices, ratings.movieIndices);
  await trainer.close();
  return Math.max(...predicted.map((value, i) => Math.abs(value - ratings.targets[i])));
}

export async function failureOf(work: () => Promise<unknown>): Promise<string> {
  return work().then(
    () => 'no error',
    (error) => (error as Error).message,
  );
}

/** A test with a model of this shape; for an engine without such models, that it says so and names one that has them. */
export function testShape(
  { door, engine }: { door: EngineDoor; engine: Engine },
  name: string,
  shape: ModelShape,
  body: () => Promise<void>,
): void {
  if (door.refusalOf(shape) === null) {
    test(`${name}: ${describeShape(shape)}`, body);
    return;
  }
  test(`${name}: ${describeShape(shape)} is refused`, async () => {
    const capable = ENGINE_DOORS.filter((other) => other.refusalOf(shape) === null);
    const messages = [
      await failureOf(async () => checkEngine(door.name, shape)),
      await failureOf(() => engine.openTrainer(someOptions({ shape }))),
      await failureOf(() => engine.openScorer(shape, someParameters(shape))),
    ];
    const silent = messages.filter((message) => !capable.some((other) => message.includes(other.name)));
    expect(silent).toEqual([]);
  });
}
