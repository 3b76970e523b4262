// bench score: predictions for pairs, and every movie for one user, for blocks of users, and as a top ten.

import type { Engine, Scorer } from '../../engines/engine.js';
import { initialParameters } from '../../engines/init.js';
import { bytesOfMovieSide, flopsOfPrediction, type Hardware, overBandwidth, overFloor } from './cost.js';
import { benchPairs } from './ratings.js';
import type { BenchSettings } from './settings.js';
import { BENCH_SEED } from './step.js';
import { quantile, secondsOf, type Timing, timeCalls, warmUp } from './timing.js';

const PAIRS = 65_536;
const BLOCK = 16;
const LISTED = 10;
const OFFSET = 3.5;
const MIN_REQUESTS = 100;
/** Enough for a 99th percentile. */
const MAX_REQUESTS = 10_000;

interface ScoreTimings {
  /** Seconds for PAIRS pairs. */
  predict: Timing;
  /** Seconds for every movie of one user. */
  oneUser: Timing;
  /** Seconds for every movie of BLOCK users. */
  block: Timing;
  /** Seconds of each request for a top ten, ascending. */
  requests: number[];
}

export async function timeScoring(engine: Engine, settings: BenchSettings): Promise<ScoreTimings> {
  const { shape } = settings;
  const scorer = await engine.openScorer(shape, initialParameters(shape, BENCH_SEED));
  const { userIndices, movieIndices } = benchPairs(shape, PAIRS);
  const nextUsers = turns(userIndices);
  try {
    return {
      predict: await timeCalls(
        (calls) => repeatedly(calls, () => scorer.predict(userIndices, movieIndices)),
        settings,
      ),
      oneUser: await timeCalls(
        (calls) => repeatedly(calls, () => scorer.scoreMovies(nextUsers(1))),
        settings,
      ),
      block: await timeCalls(
        (calls) => repeatedly(calls, () => scorer.scoreMovies(nextUsers(BLOCK))),
        settings,
      ),
      requests: await timeRequests(scorer, settings, nextUsers),
    };
  } finally {
    await scorer.close();
  }
}

async function timeRequests(
  scorer: Scorer,
  { shape, seconds }: BenchSettings,
  nextUsers: (count: number) => Int32Array,
): Promise<number[]> {
  const ask = () => scorer.topMovies(topTen(nextUsers(1), shape.movies));
  await warmUp((calls) => repeatedly(calls, ask), 0);
  const taken: number[] = [];
  let total = 0;
  while (taken.length < MIN_REQUESTS || (total < seconds && taken.length < MAX_REQUESTS)) {
    taken.push(await secondsOf(ask));
    total += taken[taken.length - 1];
  }
  return taken.sort((a, b) => a - b);
}

/** Nine of ten movies may be listed. */
function topTen(userIndices: Int32Array, movies: number) {
  const allowed = new Uint32Array(Math.ceil(movies / 32));
  for (let movie = 0; movie < movies; movie++) if (movie % 10 > 0) allowed[movie >> 5] |= 1 << (movie & 31);
  return {
    ...{ userIndices, n: LISTED, offset: OFFSET, allowed },
    afterScores: Float32Array.of(Number.POSITIVE_INFINITY),
    afterIndices: Int32Array.of(0),
  };
}

/** Other users each time. */
function turns(users: Int32Array): (count: number) => Int32Array {
  let next = 0;
  return (count) => {
    if (next + count > users.length) next = 0;
    next += count;
    return users.slice(next - count, next);
  };
}

async function repeatedly(calls: number, work: () => Promise<unknown>): Promise<void> {
  for (let call = 0; call < calls; call++) await work();
}

export function scoreFigures(
  { predict, oneUser, block, requests }: ScoreTimings,
  { shape }: BenchSettings,
  hardware: Hardware | null,
) {
  const secondsPerPair = predict.median / PAIRS;
  return {
    pairsPerSecond: 1 / secondsPerPair,
    floorRatio: overFloor(secondsPerPair, flopsOfPrediction(shape), hardware),
    spread: predict.spread,
    msPerUser: oneUser.median * 1e3,
    msPerUserInBlocks: (block.median / BLOCK) * 1e3,
    blockUsers: BLOCK,
    scoredPairsPerSecond: (BLOCK * shape.movies) / block.median,
    kernelRatio: overBandwidth(oneUser.median, bytesOfMovieSide(shape), hardware),
    p50Ms: quantile(requests, 0.5) * 1e3,
    p99Ms: quantile(requests, 0.99) * 1e3,
    requestsPerSecond: requests.length / requests.reduce((sum, seconds) => sum + seconds),
    requests: requests.length,
    // Nothing is written here.
    rowsWrittenPerSecond: null,
    rawSecondsPerPredict: predict.raw,
    rawMsPerUser: oneUser.raw.map((seconds) => seconds * 1e3),
    rawMsPerBlock: block.raw.map((seconds) => seconds * 1e3),
    hardware,
  };
}
