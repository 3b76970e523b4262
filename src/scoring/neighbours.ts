// Who is like whom, as a model sees it: the cosine of the angle between two rows of an embedding, less the mean row, which all have
// in common. Runs in the thread of the model; plain loops, a few milliseconds for a catalogue or 138,000 users.

import type { Parameters } from '../engines/engine.js';
import { emptyPlaces, offer, TOP } from '../engines/places.js';
import type { Neighbours, NeighboursRequest } from './messages.js';

type Side = NeighboursRequest['side'];

/** A table (N × K), each row less the mean and of length 1; rows without training ratings are 0. */
interface Directions {
  K: number;
  rows: Float32Array;
}

/** Tables are made when they are first asked for. Empty answers of models without embeddings, and about rows that they have not seen. */
export function openNeighbours(parameters: Parameters, ratingCounts: Record<Side, Int32Array>) {
  const made = new Map<Side, Directions | null>();
  const directionsOf = (side: Side) => {
    if (!made.has(side)) made.set(side, toDirections(parameters, side, ratingCounts[side]));
    return made.get(side)!;
  };
  return ({ side, row, n }: NeighboursRequest): Neighbours => {
    const directions = directionsOf(side);
    const counts = ratingCounts[side];
    const places = emptyPlaces(n);
    if (directions && (counts[row] ?? 0) > 0) {
      for (let other = 0; other < counts.length; other++)
        if (other !== row && counts[other] > 0) offer(places, TOP, cosine(directions, row, other), other);
    }
    return {
      indices: places.movieIndices.slice(0, places.count),
      similarities: places.scores.slice(0, places.count),
    };
  };
}

function toDirections(parameters: Parameters, side: Side, counts: Int32Array): Directions | null {
  const table = parameters.find(({ name }) => name === `${side}_embeddings`);
  if (!table) return null;
  const [count, K] = table.shape;
  const rows = table.values.slice();
  const mean = new Float64Array(K);
  let seen = 0;
  for (let row = 0; row < count; row++) {
    if (counts[row] === 0) continue;
    seen++;
    for (let k = 0; k < K; k++) mean[k] += rows[row * K + k];
  }
  for (let row = 0; row < count; row++) {
    let squares = 0;
    for (let k = 0; k < K; k++) {
      rows[row * K + k] -= mean[k] / seen;
      squares += rows[row * K + k] ** 2;
    }
    const scale = counts[row] > 0 && squares > 0 ? 1 / Math.sqrt(squares) : 0;
    for (let k = 0; k < K; k++) rows[row * K + k] *= scale;
  }
  return { K, rows };
}

function cosine({ K, rows }: Directions, a: number, b: number): number {
  let sum = 0;
  for (let k = 0; k < K; k++) sum += rows[a * K + k] * rows[b * K + k];
  return Math.fround(Math.min(1, Math.max(-1, sum)));
}
