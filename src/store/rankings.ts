// Figures of ranked lists that runs left behind beside its errors. They are read with the evaluation (store/evaluations.ts).

import { copyColumns } from './columnCopy.js';
import { columnsOf } from './importRecord.js';
import type { EvaluationRanking } from './prisma/client.js';

/** Lengths of the lists that are measured. */
export const RANKING_LENGTHS: readonly number[] = [5, 10, 20, 50, 100];
/** The name under which a run's own lists are kept, beside those of baselines. */
export const THIS_MODEL = 'this model';

export type RankingRecord = Omit<EvaluationRanking, 'runId'>;

const COLUMNS = [
  ...(['name', 'k', 'users', 'ndcg', 'recall', 'precision', 'map', 'hitRate'] as const),
  ...(['coverage', 'novelty', 'diversity'] as const),
];

export async function insertRankings(
  client: Parameters<typeof copyColumns>[0],
  runId: number,
  rankings: readonly RankingRecord[],
): Promise<void> {
  await client.query(
    `insert into evaluation_rankings
       (run_id, name, k, users, ndcg, recall, precision, map, hit_rate, coverage, novelty, diversity)
     select $1, ranking.*
     from unnest($2::text[], $3::int[], $4::int[], $5::float8[], $6::float8[], $7::float8[], $8::float8[], $9::float8[],
       $10::float8[], $11::float8[], $12::float8[]) as ranking`,
    [runId, ...columnsOf(rankings, [...COLUMNS])],
  );
}

/** Those of lists of this length: the run's own first, then the baselines', highest NDCG first; empty where none were measured. */
export function rankingsOf(rankings: readonly RankingRecord[], k: number): RankingRecord[] {
  const isBaseline = ({ name }: RankingRecord) => Number(name !== THIS_MODEL);
  return rankings
    .filter((ranking) => ranking.k === k)
    .sort((a, b) => isBaseline(a) - isBaseline(b) || b.ndcg - a.ndcg);
}
