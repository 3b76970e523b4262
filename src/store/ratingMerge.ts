// Staged ratings into a table that holds some: insert what is new, update what changed, and nothing else is written.
// Apart from ratingFill.ts, which is for an empty table. Its time follows the staged ratings, not the stored ones.

import type pg from 'pg';
import { createDivided } from './ratingTable.js';

export interface RatingCounts {
  inserted: number;
  updated: number;
  /** Staged ratings that a later one of the same pair replaced. */
  duplicates: number;
}

const RATING_COLUMNS =
  'user_id int not null, movie_id int not null, rating real not null, rated_at timestamptz(0)';
export const CREATE_STAGING_RATINGS = `
  create temp table staging_ratings (${RATING_COLUMNS}) on commit drop`;

// The last rating of a pair wins, by time, then by file order. COPY into a table of the same transaction only ever appends
// (PostgreSQL's copyfrom.c: TABLE_INSERT_SKIP_FSM), so that a later line has a higher ctid, and needs no column for it.
const SELECT_NEWEST = `
  select distinct on (user_id, movie_id) user_id, movie_id, rating, rated_at
  from staging_ratings
  order by user_id, movie_id, rated_at desc nulls last, ctid desc`;

// By default the planner takes a page from anywhere for four times as dear as the next one, and reads all of a large table
// rather than look up one rating in fifty.
// A few hundred rows tell the size of what was staged as well as 30,000.
// Of a divided table the planner would count a look-up in every partition, though each pair leads to one: staged ratings are divided
// in the same way, and joined partition by partition.
// Every pair is there once, which a few hundred rows do not tell: the planner would remember what it found for each.
const PLAN_FOR_CACHED_PAGES = `
  set local random_page_cost = 1.1;
  set local enable_memoize = off;
  set local default_statistics_target = 1;
  set local enable_partitionwise_join = on`;

// `between` keeps the planner to the primary key, whose pages the sorted pairs visit in turn; with two equalities it may take
// the index by movie, and a page from anywhere for each pair (1.0 s against 0.5 s for 200,000 pairs in 20 million).
// Against the store, too, the last rating wins. A line without a time says nothing about when: the stored time stays.
const SELECT_CHANGED = `
  select newest.user_id, newest.movie_id, newest.rating, coalesce(newest.rated_at, stored.rated_at) as rated_at,
    stored.rating as old_rating
  from newest_ratings newest
  left join ratings stored on stored.user_id = newest.user_id
    and stored.movie_id between newest.movie_id and newest.movie_id
  where stored.user_id is null
    or (stored.rating, stored.rated_at) is distinct from (newest.rating, coalesce(newest.rated_at, stored.rated_at))
      and (stored.rated_at is null or newest.rated_at is null or newest.rated_at >= stored.rated_at)`;

// Nobody else writes ratings now, so that there is no conflict to guard against. In the order of the index by movie, whose pages are met in
// turn: those of the key are few where few users rate much, as new ones do (a fifth less work for them, and no more where all rate).
const INSERT_RATINGS = `
  insert into ratings (user_id, movie_id, rating, rated_at)
  select user_id, movie_id, rating, rated_at
  from changed_ratings
  where old_rating is null
  order by movie_id, user_id`;

const UPDATE_RATINGS = `
  update ratings
  set rating = changed.rating, rated_at = changed.rated_at
  from changed_ratings changed
  where changed.old_rating is not null
    and ratings.user_id = changed.user_id
    and ratings.movie_id between changed.movie_id and changed.movie_id`;

/**
 * `staged` rows are there, for a table of so many partitions. Leaves user_changes and movie_changes for the statistics. The caller
 * keeps other writers out.
 */
export async function mergeRatings(
  client: pg.PoolClient,
  staged: number,
  partitions: number,
): Promise<RatingCounts> {
  await client.query(PLAN_FOR_CACHED_PAGES);
  const keep = (name: string, columns: string, query: string) =>
    keepRows(client, createDivided('temp table', name, columns, partitions), name, query);
  const newest = await keep('newest_ratings', RATING_COLUMNS, SELECT_NEWEST);
  await keep('changed_ratings', `${RATING_COLUMNS}, old_rating real`, SELECT_CHANGED);
  const inserted = await client.query(INSERT_RATINGS);
  const updated = await client.query(UPDATE_RATINGS);
  await client.query(selectChanges('user'));
  await client.query(selectChanges('movie'));
  return {
    inserted: inserted.rowCount!,
    updated: updated.rowCount!,
    duplicates: staged - newest,
  };
}

/** Gives how many rows `query` has. */
async function keepRows(client: pg.PoolClient, create: string, name: string, query: string): Promise<number> {
  await client.query(create);
  const { rowCount } = await client.query(`insert into ${name} ${query}`);
  await client.query(`analyze ${name}`);
  return rowCount!;
}

/** By how much count and sum of each user's or movie's ratings change. */
function selectChanges(of: 'user' | 'movie'): string {
  return `
  create temp table ${of}_changes on commit drop as
  select ${of}_id, count(*) filter (where old_rating is null)::int as added,
    sum(rating::float8 - coalesce(old_rating, 0)) as total
  from changed_ratings
  group by ${of}_id;
  analyze ${of}_changes`;
}
