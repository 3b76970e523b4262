// Places in a ranking, and the best n of many without sorting them all. The order is the same everywhere: score downwards,
// then index upwards, so that ties never swap and a page can go on where the one before ended.

export interface Place {
  score: number;
  /** Row of the movie embedding. */
  index: number;
}

/** Every place comes after it. */
export const TOP: Place = { score: Number.POSITIVE_INFINITY, index: -1 };

/** The best places so far, best first. */
export interface Places {
  /** How many there are; what follows them in the arrays is undefined. */
  count: number;
  /** (n). */
  scores: Float32Array;
  /** (n). */
  movieIndices: Int32Array;
}

export function emptyPlaces(n: number): Places {
  return { count: 0, scores: new Float32Array(n), movieIndices: new Int32Array(n) };
}

/** Puts the movie at its place among the best n, if it has one and comes after `after`. `score` is a float32. */
export function offer(places: Places, after: Place, score: number, index: number): void {
  const { scores, movieIndices } = places;
  if (places.count === scores.length) {
    const last = places.count - 1;
    if (last < 0 || !isBefore(score, index, scores[last], movieIndices[last])) return;
  }
  if (!isBefore(after.score, after.index, score, index)) return;
  const at = positionOf(places, score, index);
  scores.copyWithin(at + 1, at, places.count);
  movieIndices.copyWithin(at + 1, at, places.count);
  scores[at] = score;
  movieIndices[at] = index;
  if (places.count < scores.length) places.count++;
}

/** How many of the places come before this one. */
function positionOf({ count, scores, movieIndices }: Places, score: number, index: number): number {
  let [low, high] = [0, count];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBefore(scores[middle], movieIndices[middle], score, index)) low = middle + 1;
    else high = middle;
  }
  return low;
}

function isBefore(scoreA: number, indexA: number, scoreB: number, indexB: number): boolean {
  return scoreA > scoreB || (scoreA === scoreB && indexA < indexB);
}
