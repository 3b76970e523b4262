// Figures of ranked lists with binary relevance, for several lengths k at once. Knows nothing of models: lists go in, figures come out.
// Definitions with sources: docs/evaluation.md, "Ranking".

export interface RankingFigures {
  /** Places in each list. */
  k: number;
  /** Whose lists they are. */
  users: number;
  ndcg: number;
  recall: number;
  precision: number;
  map: number;
  hitRate: number;
  coverage: number;
  /** In bits. */
  novelty: number;
  /** null of a single user. */
  diversity: number | null;
}

export interface Catalogue {
  /** Training ratings of each movie (M). */
  ratingCounts: Int32Array;
  /** All users of the store. */
  users: number;
}

export interface RankingTally {
  /** One user's list, best first, and what they liked of the test ratings: one movie at least. */
  add(list: Int32Array, relevant: ReadonlySet<number>): void;
  /** One entry for each k. */
  figures(): RankingFigures[];
}

type Sums = Pick<RankingFigures, 'ndcg' | 'recall' | 'precision' | 'map' | 'hitRate' | 'novelty'>;

export function tallyRankings(ks: readonly number[], catalogue: Catalogue): RankingTally {
  const novelties = noveltiesOf(catalogue);
  const movies = novelties.length;
  const tallies = ks.map((k) => ({ k, users: 0, sums: noSums(), listed: new Int32Array(movies) }));
  return {
    add(list, relevant) {
      for (const tally of tallies) {
        addList(tally.sums, tally.k, list, relevant, novelties);
        for (const movie of list.subarray(0, tally.k)) tally.listed[movie]++;
        tally.users++;
      }
    },
    figures: () =>
      tallies.map(({ k, users, sums, listed }) => ({
        ...{ k, users, ...meansOf(sums, users) },
        coverage: listed.filter((times) => times > 0).length / movies,
        diversity: diversityOf(listed, users, k),
      })),
  };
}

/** −log₂ of the share of users who rated the movie, one more on either side, so that it stays finite for a movie nobody rated. */
function noveltiesOf({ ratingCounts, users }: Catalogue): Float64Array {
  return Float64Array.from(ratingCounts, (count) => Math.log2((users + 1) / (count + 1)));
}

function noSums(): Sums {
  return { ndcg: 0, recall: 0, precision: 0, map: 0, hitRate: 0, novelty: 0 };
}

function addList(
  sums: Sums,
  k: number,
  list: Int32Array,
  relevant: ReadonlySet<number>,
  novelties: Float64Array,
): void {
  const places = Math.min(k, list.length);
  let [hits, gain, precisions, novelty] = [0, 0, 0, 0];
  for (let place = 0; place < places; place++) {
    novelty += novelties[list[place]];
    if (!relevant.has(list[place])) continue;
    hits++;
    gain += 1 / Math.log2(place + 2);
    precisions += hits / (place + 1);
  }
  const reachable = Math.min(k, relevant.size);
  let best = 0;
  for (let place = 0; place < reachable; place++) best += 1 / Math.log2(place + 2);
  sums.ndcg += gain / best;
  sums.recall += hits / relevant.size;
  sums.precision += hits / k;
  sums.map += precisions / reachable;
  sums.hitRate += hits > 0 ? 1 : 0;
  sums.novelty += places === 0 ? 0 : novelty / places;
}

function meansOf(sums: Sums, users: number): Sums {
  const entries = Object.entries(sums).map(([name, sum]) => [name, users === 0 ? 0 : sum / users]);
  return Object.fromEntries(entries) as unknown as Sums;
}

/** 1 − the mean share that two users' lists have in common, over all pairs of users: counted by movie, without going through the pairs. */
function diversityOf(listed: Int32Array, users: number, k: number): number | null {
  if (users < 2) return null;
  let common = 0;
  for (const times of listed) common += times * (times - 1);
  return 1 - common / (users * (users - 1) * k);
}
