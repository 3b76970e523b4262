// A figure of an engine that computes something else is worth nothing: before it is timed, each engine trains a small model
// of the same layers, and has to agree with the reference engine.

import type { Engine, ModelShape, Parameters, Scorer, TrainerOptions } from '../../engines/engine.js';
import { initialParameters } from '../../engines/init.js';
import { referenceDoor } from '../../engines/open.js';
import { AppError } from '../../errors.js';
import { benchPairs, benchRatings } from './ratings.js';
import { BENCH_PRESETS, type PresetName } from './settings.js';

/**
 * ‖actual − expected‖ / ‖expected − before‖ for each array; before: the initial parameters, or zero. Engines sum in float32,
 * the reference in float64: tfjs:wasm and tfjs:cpu differ by 2e-6 at most. The rest is for a unit whose relu falls to the
 * other side by rounding, which moves a few entries by a whole gradient.
 */
const TOLERANCE = 5e-4;

const USERS = 150;
const MOVIES = 100;
const RATINGS = 700;
const PAIRS = 64;
/** Keras' ±0.05 hardly moves in a few steps. */
const EMBEDDING_SCALE = 8;
const OFFSET = 3.5;
const LISTED = 10;

/** @throws AppError BENCH_WRONG_RESULT */
export async function verifyTraining(engine: Engine, presetName: PresetName): Promise<void> {
  const options = someOptions(presetName);
  const [actual, expected] = [await trained(engine, options), await trained(await openReference(), options)];
  for (const [index, { name, values }] of expected.parameters.entries()) {
    check(engine, name, actual.parameters[index].values, values, options.parameters[index].values);
  }
  check(engine, 'predictions', actual.outputs, expected.outputs);
  check(engine, 'losses', Float64Array.of(actual.squares), Float64Array.of(expected.squares));
}

/** @throws AppError BENCH_WRONG_RESULT */
export async function verifyScoring(engine: Engine, presetName: PresetName): Promise<void> {
  const { shape, parameters } = someOptions(presetName);
  const reference = await openReference();
  const scorers = [await engine.openScorer(shape, parameters), await reference.openScorer(shape, parameters)];
  try {
    const [actual, expected] = [await scored(scorers[0], shape), await scored(scorers[1], shape)];
    check(engine, 'predictions', actual.outputs, expected.outputs);
    check(engine, 'scores of movies', actual.scores, expected.scores);
    check(engine, 'numbers of top movies', actual.top.counts, expected.top.counts);
    const offsets = new Float32Array(expected.top.scores.length).fill(OFFSET);
    check(engine, 'scores of top movies', actual.top.scores, expected.top.scores, offsets);
    // Neighbours may change places within the tolerance, so the movies themselves are checked by what they score.
    const own = actual.top.movieIndices.map(
      (movie, place) => Math.floor(place / LISTED) * shape.movies + movie,
    );
    const again = Float32Array.from(own, (place) => expected.scores[place] + OFFSET);
    check(engine, 'top movies', again, expected.top.scores, offsets);
  } finally {
    for (const scorer of scorers) await scorer.close();
  }
}

function openReference(): Promise<Engine> {
  return referenceDoor.open({ threads: 1 });
}

/** Six steps of two epochs, a short last batch among them; some users and movies without ratings for many steps. */
function someOptions(presetName: PresetName): TrainerOptions {
  const shape: ModelShape = { users: USERS, movies: MOVIES, ...BENCH_PRESETS[presetName] };
  const parameters = initialParameters(shape, 3).map((tensor) => ({
    ...tensor,
    values: tensor.name.endsWith('_embeddings')
      ? tensor.values.map((value) => EMBEDDING_SCALE * value)
      : tensor.values,
  }));
  // Large enough that engines with threads use three of them.
  const optimizer = { learningRate: 0.08, momentum: 0.9, batchSize: 200 };
  return { shape, parameters, optimizer, ratings: benchRatings(shape, RATINGS), seed: 1 };
}

async function trained(engine: Engine, options: TrainerOptions) {
  const trainer = await engine.openTrainer(options);
  try {
    const epoch = await trainer.train(0, 0, Math.ceil(RATINGS / options.optimizer.batchSize));
    const rest = await trainer.train(1, 0, 2);
    const { userIndices, movieIndices } = benchPairs(options.shape, PAIRS);
    return {
      squares: epoch.squaredErrorSum + rest.squaredErrorSum,
      outputs: await trainer.predict(userIndices, movieIndices),
      parameters: (await trainer.parameters()) as Parameters,
    };
  } finally {
    await trainer.close();
  }
}

async function scored(scorer: Scorer, shape: ModelShape) {
  const { userIndices, movieIndices } = benchPairs(shape, PAIRS);
  const users = userIndices.slice(0, 3);
  const words = Math.ceil(shape.movies / 32);
  return {
    outputs: await scorer.predict(userIndices, movieIndices),
    scores: await scorer.scoreMovies(users),
    top: await scorer.topMovies({
      ...{ userIndices: users, n: LISTED, offset: OFFSET },
      // Every second movie.
      allowed: new Uint32Array(users.length * words).fill(0x55555555),
      afterScores: new Float32Array(users.length).fill(Number.POSITIVE_INFINITY),
      afterIndices: new Int32Array(users.length),
    }),
  };
}

function check(
  { name }: Engine,
  what: string,
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  before: ArrayLike<number> = new Float32Array(expected.length),
): void {
  const difference = distance(actual, expected);
  const error = difference === 0 ? 0 : difference / distance(expected, before);
  if (actual.length === expected.length && error <= TOLERANCE) return;
  throw new AppError(
    'BENCH_WRONG_RESULT',
    `engine ${name} disagrees with the reference engine in ${what}: by ${(100 * error).toPrecision(3)} %, ${100 * TOLERANCE} % allowed`,
  );
}

/** Euclidean. */
function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let squares = 0;
  for (let i = 0; i < a.length; i++) squares += (a[i] - b[i]) ** 2;
  return Math.sqrt(squares);
}
