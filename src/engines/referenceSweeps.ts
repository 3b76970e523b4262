// What the numbers of a sweep must be: plain loops in float64 over one row at a time, what is kept in float32.
// The steps are those of the comment in engines/sweeps.ts: hyperparameters, link and rows of the users, then of the movies, then noise.

import assert from 'node:assert/strict';
import { checkPairs } from './batches.js';
import { choleskyLower, multiply, solveLower, solveUpper } from './denseMatrix.js';
import { draws, gamma, normal, STAGES, stageOf } from './draws.js';
import type { Parameters } from './engine.js';
import { type RatingsOfSide, ratingsByMovie, ratingsByUser } from './ratingsBySide.js';
import { shareOf, updateMeans } from './referenceMeans.js';
import { drawHyperparameters, drawLinks, type FeatureKind, type ReferenceSide } from './referencePriors.js';
import { initialSamplerState } from './samplerStart.js';
import {
  checkSampler,
  copySamplerState,
  isShrunk,
  MEAN_NOISE,
  meanParameters,
  noAttributes,
  type Posterior,
  posteriorOf,
  type Sampler,
  type SamplerOptions,
  type SamplerState,
  SIDES,
  type Side,
  SWEEP_PRIORS,
  SWEEP_SHRINK,
  type SweepResult,
  samplerTensor,
} from './sweeps.js';

export class ReferenceSampler implements Sampler {
  readonly #options: SamplerOptions;
  readonly #state: SamplerState;
  readonly #sides: [ReferenceSide, ReferenceSide];
  #open = true;

  constructor(options: SamplerOptions) {
    checkSampler(options);
    const { shape, ratings, state } = options;
    this.#options = options;
    this.#state = state ? copySamplerState(state) : initialSamplerState(options);
    const bySide = [ratingsByUser(ratings, shape.users), ratingsByMovie(ratings, shape.movies)];
    this.#sides = SIDES.map((_, index) => this.#sideOf(index, bySide)) as [ReferenceSide, ReferenceSide];
  }

  #sideOf(index: number, bySide: RatingsOfSide[]): ReferenceSide {
    const of = (what: string) => samplerTensor(this.#state, `${SIDES[index] satisfies Side}_${what}`);
    return {
      ...{ index, D: this.#options.shape.embeddingWidth + 1, seed: this.#options.seed },
      ...{ ratings: bySide[index], kinds: this.#kindsOf(index, bySide) },
      ...{ rows: of('rows'), priors: of('priors'), links: of('links') },
      ...{ means: of('means'), precisions: of('precisions') },
      ...{ variances: of('variances'), noises: of('noises'), tastes: index === 0 ? of('tastes') : null },
      expected: new Float32Array(of('means').length),
    };
  }

  #kindsOf(index: number, bySide: RatingsOfSide[]): FeatureKind[] {
    const side: Side = SIDES[index];
    const count = bySide[index].starts.length - 1;
    const raters = bySide[1 - index];
    const { starts, holders } = (this.#options.attributes ?? noAttributes())[side];
    const hasAttributes = starts.length > 1;
    const rated = { starts: raters.starts, holders: raters.others };
    return [
      {
        ...{ ...rated, weights: weightsOf(rated, count), links: samplerTensor(this.#state, `${side}_links`) },
        ...{ scalar: 1 + index, stages: { link: STAGES.link, precision: STAGES.linkPrecision } },
      },
      {
        ...{ starts, holders, weights: weightsOf({ holders }, count) },
        links: hasAttributes ? samplerTensor(this.#state, `${side}_attributes`) : new Float32Array(0),
        ...{ scalar: 3 + index, stages: { link: STAGES.attribute, precision: STAGES.attributePrecision } },
      },
    ];
  }

  async sweep(): Promise<SweepResult> {
    assert(this.#open, 'the sampler is closed');
    const [users, movies] = this.#sides;
    const sweep = ++this.#state.sweeps;
    if (isShrunk(sweep, this.#options.burnIn)) this.#sides.forEach(shrinkColumns);
    this.#drawSide(users, movies, sweep);
    const { weighted, plain } = this.#drawSide(movies, users, sweep);
    const { seed, ratings } = this.#options;
    const count = ratings.targets.length;
    const total = movies.precisions.reduce((sum, w, m) => sum + w * weighted[m], 0);
    const alpha = gamma(draws(seed, sweep, stageOf(STAGES.noise, 0), 0), 1 + count / 2) / (1 + total / 2);
    this.#state.scalars[0] = alpha;
    for (let m = 0; m < weighted.length; m++) drawPrecision(movies, m, alpha * weighted[m], sweep);
    updateMeans(this.#sides, sweep - this.#options.burnIn);
    const meanNoise = this.#state.scalars[MEAN_NOISE];
    this.#state.scalars[MEAN_NOISE] += shareOf(sweep - this.#options.burnIn) * (1 / alpha - meanNoise);
    const squaredErrorSum = plain.reduce((sum, each) => sum + each, 0);
    const noises = ratings.userIndices.reduce(
      (sum, u, i) => sum + 1 / (users.precisions[u] * movies.precisions[ratings.movieIndices[i]]),
      0,
    );
    return { squaredErrorSum, samples: count, noise: noises / (alpha * count) };
  }

  /** Gives for each row Σ w (r − r̂)² with the new row, w of the other side, and Σ (r − r̂)² with the old one. */
  #drawSide(side: ReferenceSide, others: ReferenceSide, sweep: number) {
    const { scalars } = this.#state;
    const hyper = drawHyperparameters(side, scalars, sweep);
    drawLinks(side, hyper, scalars, sweep);
    const count = side.precisions.length;
    const errors = { weighted: new Float64Array(count), plain: new Float64Array(count) };
    for (let row = 0; row < count; row++) {
      const equations = gatherRow(side, others, row);
      errors.plain[row] = squaredErrors(side, others, row).plain;
      // The noise of a user goes with the row that the last sweep drew; that of a movie is drawn after the sweep's rows.
      if (side.index === 0 && sweep > 1) {
        const { weighted } = squaredErrors(side, others, row);
        drawPrecision(side, row, scalars[0] * weighted, sweep);
      }
      drawRow(side, row, equations, hyper, scalars[0], sweep);
      errors.weighted[row] = squaredErrors(side, others, row).weighted;
    }
    return errors;
  }

  async predict(userIndices: Int32Array, movieIndices: Int32Array): Promise<Float32Array> {
    assert(this.#open, 'the sampler is closed');
    checkPairs(this.#options.shape, userIndices, movieIndices);
    const [users, movies] = this.#sides;
    return Float32Array.from(userIndices, (u, i) =>
      outputOf(users, users.means, u, movies.means, movieIndices[i]),
    );
  }

  async parameters(): Promise<Parameters> {
    return meanParameters(this.#options.shape, this.#state);
  }

  async posterior(): Promise<Posterior> {
    return posteriorOf(copySamplerState(this.#state));
  }

  async state(): Promise<SamplerState> {
    return copySamplerState(this.#state);
  }

  async close(): Promise<void> {
    this.#open = false;
  }
}

/** All but the biases. */
function shrinkColumns({ D, rows, priors, kinds }: ReferenceSide): void {
  for (const values of [rows, priors, ...kinds.map(({ links }) => links)])
    for (let i = 0; i < values.length; i++) if (i % D < D - 1) values[i] *= SWEEP_SHRINK;
}

/** 1/√(how many features a row has). */
function weightsOf({ holders }: Pick<FeatureKind, 'holders'>, rows: number): Float64Array {
  const counts = new Int32Array(rows);
  for (const row of holders) counts[row]++;
  return Float64Array.from(counts, (count) => 1 / Math.sqrt(Math.max(1, count)));
}

/** b_u + b_m + p_u·q_m. */
function outputOf(
  { D }: ReferenceSide,
  rows: Float32Array,
  row: number,
  others: Float32Array,
  other: number,
): number {
  let sum = rows[row * D + D - 1] + others[other * D + D - 1];
  for (let d = 0; d < D - 1; d++) sum += rows[row * D + d] * others[other * D + d];
  return sum;
}

/** Of one row, with F rows f = (q, 1): N = Σ w f fᵀ (D × D) and g = Σ w (target − b) f (D), w the precision of the other side's row. */
interface Equations {
  N: Float64Array;
  g: Float64Array;
}

function gatherRow({ D, ratings }: ReferenceSide, others: ReferenceSide, row: number): Equations {
  const N = new Float64Array(D * D);
  const g = new Float64Array(D);
  const f = new Float64Array(D);
  for (let i = ratings.starts[row]; i < ratings.starts[row + 1]; i++) {
    const other = ratings.others[i];
    f.set(others.rows.subarray(other * D, other * D + D));
    const target = ratings.targets[i] - f[D - 1];
    f[D - 1] = 1;
    const w = others.precisions[other];
    for (let r = 0; r < D; r++) {
      g[r] += w * target * f[r];
      for (let c = 0; c < D; c++) N[r * D + c] += w * f[r] * f[c];
    }
  }
  return { N, g };
}

function squaredErrors(side: ReferenceSide, others: ReferenceSide, row: number) {
  const { starts, others: places, targets } = side.ratings;
  const sums = { weighted: 0, plain: 0 };
  for (let i = starts[row]; i < starts[row + 1]; i++) {
    const error = targets[i] - outputOf(side, side.rows, row, others.rows, places[i]);
    sums.plain += error * error;
    sums.weighted += others.precisions[places[i]] * error * error;
  }
  return sums;
}

/** w ~ Gamma(a + n/2, rate a + ½ α Σ w′(r − r̂)²); `weighted` with α in it. */
function drawPrecision(side: ReferenceSide, row: number, weighted: number, sweep: number): void {
  const { precisionShape } = SWEEP_PRIORS;
  const count = side.ratings.starts[row + 1] - side.ratings.starts[row];
  const stream = draws(side.seed, sweep, stageOf(STAGES.rowPrecision, side.index), row);
  side.precisions[row] = gamma(stream, precisionShape + count / 2) / (precisionShape + weighted / 2);
}

/** x ~ N(A⁻¹h, A⁻¹) with A = Λ + α w N and h = Λ(μ + prior) + α w g. */
function drawRow(
  side: ReferenceSide,
  row: number,
  { N, g }: Equations,
  { mean, precision }: { mean: Float64Array; precision: Float64Array },
  alpha: number,
  sweep: number,
): void {
  const { D, rows, priors } = side;
  const scale = alpha * side.precisions[row];
  const A = precision.map((value, i) => value + scale * N[i]);
  const center = mean.map((value, d) => value + priors[row * D + d]);
  const h = multiply(precision, center, D).map((value, d) => value + scale * g[d]);
  const L = choleskyLower(A, D);
  const expected = solveUpper(L, solveLower(L, h, D), D);
  const stream = draws(side.seed, sweep, stageOf(STAGES.row, side.index), row);
  const noise = solveUpper(
    L,
    Float64Array.from({ length: D }, (_, d) => normal(stream, d)),
    D,
  );
  for (let d = 0; d < D; d++) {
    const at = row * D + d;
    rows[at] = expected[d] + noise[d];
    side.expected[at] = expected[d];
  }
}
