// A posterior as the tensors of a stored model, and back: one list of names for training and serving.

import { type Beliefs, openBeliefs } from './beliefs.js';
import { inverse } from './denseMatrix.js';
import type { Parameters, Tensor, TrainingRatings } from './engine.js';
import { fitMoviePrior, type MoviePrior } from './moviePrior.js';
import type { Posterior, RowAttributes } from './sweeps.js';
import { fitTastePrior, type TastePrior } from './tastePrior.js';

/** What a model knows beside its parameters. */
export interface Certainty {
  beliefs: Beliefs;
  prior: TastePrior;
  /** What having rated each movie tells of a user (M × D). */
  tastes: Float32Array;
  /** What attributes tell of a movie that it was not trained with; absent: it knows none. */
  moviePrior?: MoviePrior;
}

/** attributes: of the movies, where the model learned from them; null: it did not. */
export function learnCertainty(
  embeddingWidth: number,
  parameters: Parameters,
  posterior: Posterior,
  ratings: TrainingRatings,
  attributes: RowAttributes | null = null,
): Certainty {
  const beliefs = openBeliefs(embeddingWidth, parameters, posterior);
  const ratingCounts = new Int32Array(beliefs.movies.noises.length);
  for (const movie of ratings.movieIndices) ratingCounts[movie]++;
  return {
    ...{ beliefs, prior: fitTastePrior(beliefs, posterior, ratings), tastes: posterior.tastes },
    ...(attributes ? { moviePrior: fitMoviePrior(beliefs, attributes, ratingCounts) } : {}),
  };
}

export function certaintyTensors({ beliefs, prior, tastes, moviePrior }: Certainty): Tensor[] {
  const { D, users, movies, noise } = beliefs;
  const table = (name: string, values: Float32Array) => ({ name, shape: [values.length / D, D], values });
  const list = (name: string, values: Float32Array) => ({ name, shape: [values.length], values });
  return [
    table('user_variances', users.variances),
    table('movie_variances', movies.variances),
    list('user_noises', users.noises),
    list('movie_noises', movies.noises),
    list('noise', Float32Array.of(noise, prior.noise)),
    table('tastes', tastes),
    list('prior_center', prior.center),
    table('prior_covariance', prior.covariance),
    list('typical_user', prior.typical),
    table('typical_covariance', prior.typicalCovariance),
    ...(moviePrior
      ? [
          table('movie_prior_effects', moviePrior.effects),
          list('movie_prior_center', moviePrior.center),
          list('movie_prior_variance', moviePrior.variance),
          list('movie_prior_noise', Float32Array.of(moviePrior.noise)),
        ]
      : []),
  ];
}

/** As certaintyTensors gave them. */
export function openCertainty(
  embeddingWidth: number,
  parameters: Parameters,
  tensors: readonly Tensor[],
): Certainty {
  const of = Object.fromEntries(tensors.map(({ name, values }) => [name, values]));
  const [noise, userNoise] = of.noise;
  const beliefs = openBeliefs(embeddingWidth, parameters, {
    ...{ userVariances: of.user_variances, movieVariances: of.movie_variances, noise },
    ...{ userNoises: of.user_noises, movieNoises: of.movie_noises, tastes: of.tastes },
  });
  const covariance = of.prior_covariance ?? formerCovariance(of.prior_precision, beliefs.D);
  const prior = {
    ...{ center: of.prior_center, covariance, typical: of.typical_user, noise: userNoise },
    typicalCovariance: of.typical_covariance ?? covariance,
  };
  const moviePrior = of.movie_prior_effects && {
    ...{ effects: of.movie_prior_effects, center: of.movie_prior_center },
    ...{ variance: of.movie_prior_variance, noise: of.movie_prior_noise[0] },
  };
  return { beliefs, prior, tastes: of.tastes, ...(moviePrior ? { moviePrior } : {}) };
}

/** Models that were stored before there were two guesses at a user have the precision of one. */
function formerCovariance(precision: Float32Array, D: number): Float32Array {
  return Float32Array.from(inverse(Float64Array.from(precision), D));
}
