// What a run reads: the ratings of the store, split, and the record of what they were. Apart from the flow of a run, so that of the table
// only what is still needed stays: its ratings (12 bytes each) are the training side from then on.

import type { Engine } from '../engines/engine.js';
import { AppError } from '../errors.js';
import type { AttributeTables } from '../store/attributes.js';
import {
  type Hyperparameters,
  type Split,
  sizedHyperparameters,
  storedHyperparameters,
} from '../store/hyperparameters.js';
import type { TrainingRun } from '../store/prisma/client.js';
import { type RatingTable, readRatings } from '../store/ratingReader.js';
import { recordStart } from '../store/runProgress.js';
import { checkRepeatedRatings } from '../store/runRecord.js';
import type { RatingScale } from '../store/scale.js';
import { type Store, whenBack } from '../store/store.js';
import type { TrainingOptions } from './events.js';
import { validationSides } from './holdOut.js';
import { type RatingSet, type SplitRatings, splitRatings } from './split.js';

export interface Sides extends SplitRatings {
  /** The test ratings, where none of the training ratings are held out. */
  validation: RatingSet;
  hyperparameters: Hyperparameters;
  userIds: Int32Array;
  movieIds: Int32Array;
  scale: RatingScale;
  /** Where the run learns from them. */
  attributes?: AttributeTables;
  /** Of all ratings. */
  checksum: string;
}

/** Reads, splits and announces. @throws AppError RUN_NO_RATINGS, RUN_NO_TIMES, RUN_OTHER_RATINGS, or the reason of a signal */
export async function readSides(
  store: Store,
  engine: Engine,
  run: TrainingRun,
  { onEvent, ...signals }: TrainingOptions,
): Promise<Sides> {
  const signal = AbortSignal.any([signals.signal, signals.handBack].filter((each) => each !== undefined));
  const onProgress = (rows: number, total: number) => onEvent?.({ event: 'reading', rows, total });
  const split = run.split as unknown as Split;
  const asked = storedHyperparameters(run.hyperparameters);
  const withAttributes = asked.sideInformation;
  const reading = { onProgress, signal, withTimes: split.kind !== 'HASH', withAttributes };
  const table = await whenBack(() => readRatings(store, reading), signal);
  await whenBack(() => checkRepeatedRatings(store, run, table.checksum), signal);
  const halves = splitRatings(table, split);
  // What a search has drawn, and what a record tells, is meant as it stands.
  const isExact = run.searchId !== null || run.repeats !== null;
  const { length } = halves.train.ratings;
  const hyperparameters = isExact ? asked : sizedHyperparameters(run.preset, asked, length);
  const sides = { ...halves, ...validationSides(halves, hyperparameters, split.seed) };
  const start = startOf(engine, { table, sides, hyperparameters });
  await whenBack(() => recordStart(store, run, start), signal);
  const { device, threads, trainRatings, testRatings } = start;
  onEvent?.({ event: 'started', engine: engine.name, device, threads, trainRatings, testRatings });
  const { userIds, movieIds, scale, attributes, checksum } = table;
  return { ...sides, hyperparameters, userIds, movieIds, scale, attributes, checksum };
}

function startOf(
  { name, device, threads }: Engine,
  {
    table,
    sides: { train, test, validation },
    hyperparameters,
  }: {
    table: RatingTable;
    sides: Pick<Sides, 'train' | 'test' | 'validation'>;
    hyperparameters: Hyperparameters;
  },
) {
  const [trainRatings, testRatings] = [train.ratings.length, test.ratings.length];
  const validationRatings = validation.ratings.length;
  if (trainRatings === 0 || testRatings === 0 || validationRatings === 0) {
    throw new AppError(
      'RUN_NO_RATINGS',
      `the store holds ${table.ratings.length} ratings: ${trainRatings} to train on, ${validationRatings} to judge epochs by, ${testRatings} to test on`,
    );
  }
  return {
    ...{ engine: name, device, threads, trainRatings, testRatings },
    snapshotRatings: table.ratings.length,
    snapshotLatest: table.latestRatedAt,
    snapshotChecksum: table.checksum,
    hyperparameters,
  };
}
