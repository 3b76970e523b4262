// The best n of many scores without sorting them all. Order: score downwards, then index upwards; ties never swap.

export interface Place {
  index: number;
  score: number;
}

function isBefore(a: Place, b: Place): boolean {
  return a.score > b.score || (a.score === b.score && a.index < b.index);
}

/** The first `n` candidates that come after `after` (null: from the top), best first. */
export function topN(
  scores: Float32Array,
  isCandidate: (index: number) => boolean,
  n: number,
  after: Place | null,
): Place[] {
  const best: Place[] = [];
  for (let index = 0; index < scores.length; index++) {
    const place = { index, score: scores[index] };
    if (best.length === n && !isBefore(place, best[n - 1])) continue;
    if (!isCandidate(index) || (after && !isBefore(after, place))) continue;
    insert(best, place);
    if (best.length > n) best.pop();
  }
  return best;
}

function insert(best: Place[], place: Place): void {
  let [low, high] = [0, best.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBefore(best[middle], place)) low = middle + 1;
    else high = middle;
  }
  best.splice(low, 0, place);
}
