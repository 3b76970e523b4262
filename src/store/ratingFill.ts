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
import type { TotalColumns } from './ratingTotals.js';

const ROWS_PER_INSERT = 10_000;
const UNIQUE_VIOLATION = '23505';

// Whatever else hangs on the table would be lost with it, so only a table as the migrations make it is swapped.
export const IS_FILLABLE = `
  select not exists (select from ratings)
    and relnamespace = current_schema()::regnamespace and has_schema_privilege(relnamespace, 'create')
    and relkind = 'r' and relowner = current_user::regrole and reloptions is null and reltablespace = 0
    and not relrowsecurity and not relhastriggers and not relhassubclass and not relispartition
    and (select count(*) from pg_index where indrelid = ratings.oid) = 2
    and not exists (select from pg_attribute where attrelid = ratings.oid and attacl is not null)
    and not exists (
      select from pg_depend
      where refclassid = 'pg_class'::regclass and refobjid = ratings.oid
        and classid not in ('pg_class'::regclass, 'pg_type'::regclass, 'pg_constraint'::regclass, 'pg_attrdef'::regclass)
    ) as is_fillable
  from pg_class ratings
  where oid = 'ratings'::regclass`;

// Not temporary: it becomes the table, and parallel workers cannot read temporary ones.
export const CREATE_STAGING_TABLE =
  'create table staging_ratings (like ratings including all excluding indexes)';

export const IS_STILL_EMPTY = 'select not exists (select from ratings) as is_empty';

const ADD_KEY = `
  savepoint before_key;
  alter table staging_ratings add constraint staging_ratings_pkey primary key (user_id, movie_id)`;

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
    select staged.ctid as place,
      row_number() over (
        partition by staged.user_id, staged.movie_id
        order by staged.rated_at desc nulls last, staged.ctid desc
      ) as nth_newest
    from staging_ratings staged
    join duplicate_pairs pair on pair.user_id = staged.user_id and pair.movie_id = staged.movie_id
  ) ranked
  where staging_ratings.ctid = place and nth_newest > 1`;

const ADD_INDEX = 'create index staging_ratings_movie_id_user_id_idx on staging_ratings (movie_id, user_id)';

// The grants go along.
const SWAP = `
  do $$
  declare
    privilege record;
  begin
    for privilege in
      select privilege_type, is_grantable, case grantee when 0 then 'public' else grantee::regrole::text end as grantee
      from pg_class, aclexplode(relacl)
      where oid = 'ratings'::regclass and grantee <> relowner
    loop
      execute format(
        'grant %s on staging_ratings to %s%s', privilege.privilege_type, privilege.grantee,
        case when privilege.is_grantable then ' with grant option' else '' end
      );
    end loop;
  end
  $$;
  drop table ratings;
  alter table staging_ratings rename to ratings;
  alter table ratings rename constraint staging_ratings_pkey to ratings_pkey;
  alter index staging_ratings_movie_id_user_id_idx rename to ratings_movie_id_user_id_idx`;

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

/** To be called last: readers wait from here on. */
export async function swapRatings(client: pg.PoolClient): Promise<void> {
  await client.query(SWAP);
}

/** Most files have no duplicates, and the key finds out for nothing. Gives how many were removed. */
async function addKey(client: pg.PoolClient): Promise<number> {
  try {
    await client.query(ADD_KEY);
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
