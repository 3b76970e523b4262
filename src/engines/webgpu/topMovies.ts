// The best movies of users of a scorer: by lists of the device where it has room for them, and from all scores, by the host, where a list
// would be too long or rounding may have left somebody out.

import type { TopMovies, TopMoviesRequest } from '../engine.js';
import { topMoviesByScores } from '../topMovies.js';
import type { Gpu } from './device.js';
import type { GpuTensors } from './model.js';
import type { Predictions } from './predictions.js';
import { TopLists } from './top.js';

type Find = (request: TopMoviesRequest) => Promise<TopMovies>;

/** As Scorer.topMovies. */
export function openTopMovies(
  tensors: GpuTensors,
  predictions: Predictions,
  create: Gpu['createBuffer'],
): Find {
  const { optimizer, shape } = tensors.plan;
  const scoreMovies = (users: Int32Array) => predictions.scoreMovies(users, 0);
  const byScores: Find = (request) => topMoviesByScores({ scoreMovies }, shape.movies, request);
  // Trainers have no lists.
  if (optimizer || TopLists.usersAtOnce(tensors, predictions) === 0) return byScores;
  const lists = new TopLists(tensors, predictions, create);
  return (request) => (TopLists.has(request) ? byLists(lists, byScores, request) : byScores(request));
}

async function byLists(lists: TopLists, byScores: Find, request: TopMoviesRequest): Promise<TopMovies> {
  const { top, unsure } = await lists.find(request);
  for (const b of unsure) {
    const own = await byScores(ofUser(request, b));
    top.counts[b] = own.counts[0];
    top.movieIndices.set(own.movieIndices, b * request.n);
    top.scores.set(own.scores, b * request.n);
  }
  return top;
}

/** The request of one of its users. */
function ofUser(request: TopMoviesRequest, b: number): TopMoviesRequest {
  const words = request.allowed.length / request.userIndices.length;
  return {
    ...request,
    userIndices: request.userIndices.subarray(b, b + 1),
    allowed: request.allowed.subarray(b * words, (b + 1) * words),
    afterScores: request.afterScores.subarray(b, b + 1),
    afterIndices: request.afterIndices.subarray(b, b + 1),
  };
}
