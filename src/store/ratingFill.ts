// Staged ratings into an empty table. COPY fills a new table without indexes, which are built once it is whole, and the new
// table takes the place and name of the empty one: writing two live indexes row by row takes several times as long.
// Nobody sees the new table before the commit. Readers of the empty one wait only from the swap until then.
//
//   create staging_ratings ─▶ COPY ─▶ lock writers ─▶ primary key, index ─▶ swap names ─▶ commit
//                                        │ somebody rated a movie meanwhile                 readers wait ┘
//                                        └─▶ ratingMerge.ts, on the same staging table

import pg from 'pg';
import type { RatingCounts } from './ratingMerge.js';
import type { RatingSums } from './ratingRows.js';
import { ADD_INDEX, ADD_KEY } from './ratingTable.js';
import type { TotalColumns } from './ratingTotals.js';

const ROWS_PER_INSERT = 10_000;
const UNIQUE_VIOLATION = '23505';

export const IS_STILL_EMPTY = 'select not exists (select from ratings) as is_empty';

const TRY_KEY = `
  savepoint before_key;
  ${ADD_KEY}`;

// Two steps: what is sorted or hashed for the first is two numbers a rating, and the second has few pairs to look for.
const FIND_DUPLICATES = `
  rollback to before_key;
  create temp table duplicate_pairs on commit drop as
  select user_id, movie_id
  from staging_ratings
  group by user_id, movie_id
  having count(*) > 1;
  analyze duplicate_pairs`;

// The last rating of a pair wins, by time, then by file order: see ratingMerge.ts.
const DELETE_DUPLICATES = `
  delete from staging_ratings
  using (
    select staged.tableoid as part, staged.ctid as place,
      row_number() over (
        partition by staged.user_id, staged.movie_id
        order by staged.rated_at desc nulls last, staged.ctid desc
      ) as nth_newest
    from staging_ratings staged
    join duplicate_pairs pair on pair.user_id = staged.user_id and pair.movie_id = staged.movie_id
  ) ranked
  where staging_ratings.ctid = place and staging_ratings.tableoid = part and nth_newest > 1`;

/**
 * `staged` rows are there, whose sums are given. Leaves user_changes and movie_changes for the statistics. The caller keeps
 * other writers out.
 */
export async function buildRatings(
  client: pg.PoolClient,
  staged: number,
  sums: RatingSums,
): Promise<RatingCounts> {
  await client.query('analyze staging_ratings');
  const duplicates = await addKey(client);
  await client.query(ADD_INDEX);
  for (const [of, totals] of [
    ['user', sums.users],
    ['movie', sums.movies],
  ] as const) {
    const columns = duplicates === 0 ? totals.columns() : null;
    await client.query(createChanges(of));
    if (columns) await writeChanges(client, of, columns);
    else await client.query(computeChanges(of));
    await client.query(`analyze ${of}_changes`);
  }
  return { inserted: staged - duplicates, updated: 0, duplicates };
}

/** Most files have no duplicates, and the key finds out for nothing. Gives how many were removed. */
async function addKey(client: pg.PoolClient): Promise<number> {
  try {
    await client.query(TRY_KEY);
    return 0;
  } catch (error) {
    if (!(error instanceof pg.DatabaseError) || error.code !== UNIQUE_VIOLATION) throw error;
  }
  await client.query(FIND_DUPLICATES);
  const removed = await client.query(DELETE_DUPLICATES);
  await client.query(ADD_KEY);
  return removed.rowCount!;
}

function createChanges(of: 'user' | 'movie'): string {
  return `
  create temp table ${of}_changes (${of}_id int not null, added int not null, total float8 not null) on commit drop`;
}

async function writeChanges(
  client: pg.PoolClient,
  of: 'user' | 'movie',
  { ids, counts, sums }: TotalColumns,
): Promise<void> {
  for (let at = 0; at < ids.length; at += ROWS_PER_INSERT) {
    const part = [ids, counts, sums].map((column) => Array.from(column.subarray(at, at + ROWS_PER_INSERT)));
    await client.query(
      `insert into ${of}_changes select * from unnest($1::int[], $2::int[], $3::float8[])`,
      part,
    );
  }
}

function computeChanges(of: 'user' | 'movie'): string {
  return `
  insert into ${of}_changes
  select ${of}_id, count(*), sum(rating::float8)
  from staging_ratings
  group by ${of}_id`;
}
