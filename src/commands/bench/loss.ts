// bench gpu: how long training takes to a validation loss, validation after each epoch included, as the paper did it.
// Not on ml-20m but on planted tastes of its sizes and spread, in memory: bare machines have no files and no database.

import type { Engine, Trainer, TrainingRatings } from '../../engines/engine.js';
import { randomStream, randomUnit } from '../../engines/random.js';
import { plantRatings } from '../../loading/plantedTastes.js';
import { type BenchSettings, OPTIMIZER, SHAPES } from './settings.js';
import { BENCH_SEED, openBenchTrainer } from './step.js';
import { secondsOf } from './timing.js';

/** Validation loss of the paper on ml-20m after its 25 epochs. */
export const PAPER_LOSS = 0.6521;
const PAPER_EPOCHS = 25;
const TRAINED_SHARE = 0.8;
const HELD_OUT_STREAM = 1005;
/** No epoch begins after so long. */
const MOST_SECONDS = 60;

export interface TimeToLoss {
  /** Of training and validating, to the end of the epoch that reached the loss, or of the last one. */
  seconds: number;
  epochs: number;
  validationLoss: number;
  isReached: boolean;
}

/** Null where one epoch would already take too long. */
export async function timeToLoss(
  engine: Engine,
  settings: BenchSettings,
  secondsPerEpoch: number,
  loss: number,
): Promise<TimeToLoss | null> {
  if (secondsPerEpoch > MOST_SECONDS) return null;
  const [train, heldOut] = plantedSides(settings);
  const stepsPerEpoch = Math.ceil(train.targets.length / OPTIMIZER.batchSize);
  const trainer = await openBenchTrainer(engine, settings, train);
  const taken: TimeToLoss = { seconds: 0, epochs: 0, validationLoss: Number.NaN, isReached: false };
  try {
    while (!taken.isReached && taken.epochs < PAPER_EPOCHS && taken.seconds < MOST_SECONDS) {
      taken.seconds += await secondsOf(async () => {
        await trainer.train(taken.epochs, 0, stepsPerEpoch);
        taken.validationLoss = await meanSquaredError(trainer, heldOut);
      });
      taken.epochs++;
      taken.isReached = taken.validationLoss <= loss;
    }
  } finally {
    await trainer.close();
  }
  return taken;
}

/** Ratings on the scale of half stars, less their mean; a fifth of them held out. */
function plantedSides({ shapeName }: BenchSettings): [train: TrainingRatings, heldOut: TrainingRatings] {
  const set = { ...SHAPES[shapeName], seed: BENCH_SEED };
  const stream = randomStream(BENCH_SEED, HELD_OUT_STREAM);
  const sides = [emptyRatings(set.ratings), emptyRatings(set.ratings)] as const;
  const counts = [0, 0];
  let drawn = 0;
  for (const { user, movies, ratings } of plantRatings(set)) {
    for (const [i, movie] of movies.entries()) {
      const side = randomUnit(stream, drawn++) < TRAINED_SHARE ? 0 : 1;
      const at = counts[side]++;
      sides[side].userIndices[at] = user - 1;
      sides[side].movieIndices[at] = movie - 1;
      sides[side].targets[at] = ratings[i];
    }
  }
  const [train, heldOut] = sides.map((side, s) => firstOf(side, counts[s]));
  const mean = train.targets.reduce((sum, rating) => sum + rating, 0) / train.targets.length;
  for (const { targets } of [train, heldOut]) for (let i = 0; i < targets.length; i++) targets[i] -= mean;
  return [train, heldOut];
}

function emptyRatings(most: number): TrainingRatings {
  return {
    userIndices: new Int32Array(most),
    movieIndices: new Int32Array(most),
    targets: new Float32Array(most),
  };
}

function firstOf({ userIndices, movieIndices, targets }: TrainingRatings, count: number): TrainingRatings {
  return {
    userIndices: userIndices.subarray(0, count),
    movieIndices: movieIndices.subarray(0, count),
    targets: targets.subarray(0, count),
  };
}

async function meanSquaredError(
  trainer: Trainer,
  { userIndices, movieIndices, targets }: TrainingRatings,
): Promise<number> {
  const predicted = await trainer.predict(userIndices, movieIndices);
  let squares = 0;
  for (let i = 0; i < targets.length; i++) squares += (predicted[i] - targets[i]) ** 2;
  return squares / targets.length;
}
